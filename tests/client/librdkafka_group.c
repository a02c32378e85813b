/* librdkafka's consumer groups against a node in this process: members that come and go, by range and by the
 * cooperative protocol, static members, commits that a restart of the server keeps, and consume-transform-produce in
 * transactions. */
#include "tests/lib/rdclient.h"
#include "tests/unit/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WAIT_S = 40, PARTS = 4, RECORDS = 400 };

static struct server server;

/* A consumer that has subscribed to the topic. */
static rd_kafka_t *member(const char *group, const char *topic, const char *strategy, const char *instance)
{
    const char *conf[] = {"group.id", group, "partition.assignment.strategy", strategy, "auto.offset.reset", "earliest",
                          "enable.auto.commit", "false", "isolation.level", "read_committed", 
                          "session.timeout.ms", "6000", "heartbeat.interval.ms", "300", "topic.metadata.refresh.interval.ms", "500",
                          instance ? "group.instance.id" : NULL, instance, NULL};
    rd_kafka_t *rk = rdclient(&server, RD_KAFKA_CONSUMER, conf);
    rdclient_subscribe(rk, topic);
    return rk;
}

static void leave(rd_kafka_t *rk)
{
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
}

static void produce(const char *topic, int from, int n)
{
    rd_kafka_t *rk = rdclient(&server, RD_KAFKA_PRODUCER, NULL);
    for (int i = from; i < from + n; i++) {
        char value[16];
        int len = snprintf(value, sizeof value, "%d", i);
        assert_int_equal(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(i % PARTS),
                                           RD_KAFKA_V_VALUE(value, (size_t)len),
                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END), 0);
    }
    assert_int_equal(rd_kafka_flush(rk, 1000 * WAIT_S), 0);
    rd_kafka_destroy(rk);
}

/* One record of a member, stored as committed if it is wanted; its number, or -1. */
static int take(rd_kafka_t *rk, bool commit)
{
    int number = -1;
    rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 20);
    if (m && !m->err) {
        char text[16];
        snprintf(text, sizeof text, "%.*s", (int)m->len, (const char *)m->payload);
        number = atoi(text);
        if (commit)
            rd_kafka_commit_message(rk, m, 0); /* refused while partitions move: then it is read again */
    }
    if (m)
        rd_kafka_message_destroy(m);
    return number;
}

static int assigned(rd_kafka_t *rk)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    int n = rd_kafka_assignment(rk, &list) ? 0 : list->cnt;
    if (list)
        rd_kafka_topic_partition_list_destroy(list);
    return n;
}

/* Polls all until each has the number of partitions that it should, counting what comes. */
static void settle(rd_kafka_t **rks, const int *want, int n, int *seen)
{
    time_t until = time(NULL) + WAIT_S;
    for (int right = 0; right < n;) {
        if (time(NULL) > until)
            fail_msg("the members have %d and %d partitions", assigned(rks[0]), n > 1 ? assigned(rks[1]) : 0);
        right = 0;
        for (int i = 0; i < n; i++) {
            int number = take(rks[i], true);
            if (number >= 0)
                seen[number]++;
            right += assigned(rks[i]) == want[i];
        }
    }
}

static void read_until(rd_kafka_t **rks, int n, int *seen, int upto)
{
    time_t until = time(NULL) + WAIT_S;
    for (int have = 0; have < upto;) {
        for (int i = 0; i < n; i++) {
            int number = take(rks[i], true);
            if (number >= 0)
                seen[number]++;
        }
        for (have = 0; have < upto && seen[have];)
            have++;
        if (have < upto && time(NULL) > until)
            fail_msg("record %d has not come", have);
    }
}

/* Two share, one goes, the other takes over; then the server is another and the offsets are still there. */
static void share(const char *strategy)
{
    char topic[64];
    int *seen = calloc(4 * RECORDS, sizeof *seen);
    rd_kafka_t *rks[2];
    snprintf(topic, sizeof topic, "t-%s", strategy);
    produce(topic, 0, RECORDS);
    rks[0] = member(strategy, topic, strategy, NULL);
    settle(rks, (int[]){PARTS}, 1, seen);
    rks[1] = member(strategy, topic, strategy, NULL);
    settle(rks, (int[]){PARTS / 2, PARTS / 2}, 2, seen);
    produce(topic, RECORDS, RECORDS);
    read_until(rks, 2, seen, 2 * RECORDS);
    leave(rks[0]);
    settle(&rks[1], (int[]){PARTS}, 1, seen);
    produce(topic, 2 * RECORDS, RECORDS);
    read_until(&rks[1], 1, seen, 3 * RECORDS);
    leave(rks[1]);
    server_restart(&server);
    memset(seen, 0, 4 * RECORDS * sizeof *seen);
    produce(topic, 3 * RECORDS, PARTS);
    rks[0] = member(strategy, topic, strategy, NULL);
    time_t until = time(NULL) + WAIT_S;
    for (int got = 0; got < PARTS;) { /* what was committed does not come again */
        int number = take(rks[0], true);
        assert_true(number < 0 || number >= 3 * RECORDS);
        got += number >= 0;
        assert_true(time(NULL) <= until);
    }
    leave(rks[0]);
    free(seen);
}

static void test_range(void **state)
{
    (void)state;
    share("range");
}

static void test_cooperative(void **state)
{
    (void)state;
    share("cooperative-sticky");
}

/* A static member that is restarted gets its partitions back, and nobody else notices. */
static void test_static(void **state)
{
    (void)state;
    int *seen = calloc(RECORDS, sizeof *seen);
    produce("t-static", 0, PARTS);
    rd_kafka_t *rks[2] = {member("static", "t-static", "range", "one"), member("static", "t-static", "range", "two")};
    settle(rks, (int[]){PARTS / 2, PARTS / 2}, 2, seen);
    leave(rks[0]);
    rks[0] = member("static", "t-static", "range", "one");
    time_t until = time(NULL) + WAIT_S;
    while (assigned(rks[0]) != PARTS / 2) {
        take(rks[0], true);
        take(rks[1], true);
        assert_int_equal(assigned(rks[1]), PARTS / 2);
        assert_true(time(NULL) <= until);
    }
    leave(rks[0]);
    leave(rks[1]);
    free(seen);
}

/* Takes a batch, writes it to the other topic with the offsets in one transaction; every third is aborted. */
static void test_transform(void **state)
{
    (void)state;
    int *seen = calloc(RECORDS, sizeof *seen);
    produce("t-in", 0, RECORDS);
    const char *conf[] = {"transactional.id", "transform", NULL};
    rd_kafka_t *in = member("transform", "t-in", "range", NULL), *to = rdclient(&server, RD_KAFKA_PRODUCER, conf);
    rdclient_good(rd_kafka_init_transactions(to, 1000 * WAIT_S));
    time_t until = time(NULL) + WAIT_S;
    for (int round = 0, done = 0; done < RECORDS && time(NULL) <= until; round++) {
        int numbers[50], n = 0;
        for (int i = 0; i < 60 && n < 50; i++) {
            int number = take(in, false);
            if (number >= 0)
                numbers[n++] = number;
        }
        if (n == 0)
            continue;
        rdclient_good(rd_kafka_begin_transaction(to));
        for (int i = 0; i < n; i++) {
            char value[16];
            int len = snprintf(value, sizeof value, "%d", numbers[i]);
            assert_int_equal(rd_kafka_producev(to, RD_KAFKA_V_TOPIC("t-out"), RD_KAFKA_V_VALUE(value, (size_t)len),
                                               RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END), 0);
        }
        rd_kafka_topic_partition_list_t *list = NULL;
        assert_int_equal(rd_kafka_assignment(in, &list), 0);
        assert_int_equal(rd_kafka_position(in, list), 0);
        rd_kafka_consumer_group_metadata_t *md = rd_kafka_consumer_group_metadata(in);
        rdclient_good(rd_kafka_send_offsets_to_transaction(to, list, md, 1000 * WAIT_S));
        rd_kafka_consumer_group_metadata_destroy(md);
        if (round % 3 == 1) { /* nothing of it counts: back to where the group stands */
            rdclient_good(rd_kafka_abort_transaction(to, 1000 * WAIT_S));
            assert_int_equal(rd_kafka_committed(in, list, 1000 * WAIT_S), 0);
            for (int i = 0; i < list->cnt; i++)
                if (list->elems[i].offset < 0)
                    list->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
            rd_kafka_error_t *e = rd_kafka_seek_partitions(in, list, 1000 * WAIT_S);
            rdclient_good(e);
        } else {
            rdclient_good(rd_kafka_commit_transaction(to, 1000 * WAIT_S));
            done += n;
        }
        rd_kafka_topic_partition_list_destroy(list);
    }
    leave(in);
    rd_kafka_destroy(to);
    rd_kafka_t *out = member("judge", "t-out", "range", NULL);
    read_until(&out, 1, seen, RECORDS);
    for (int i = 0; i < RECORDS; i++)
        assert_int_equal(seen[i], 1);
    leave(out);
    free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_cooperative),
        cmocka_unit_test(test_static),
        cmocka_unit_test(test_transform),
    };
    static const char *const set[] = {"num.partitions=4", "log.segment.bytes=4194304",
                                      "group.initial.rebalance.delay.ms=200", NULL};
    server_start(&server, set);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    server_stop(&server);
    return failed;
}
