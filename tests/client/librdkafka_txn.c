/* librdkafka's transactional producer against a node in this process: what is committed is read once and whole by
 * read_committed, what is aborted is not, a second producer of the same id fences the first, a restart loses nothing,
 * and a transaction that nobody ends is aborted by the clock. */
#include "tests/lib/rdclient.h"
#include "tests/unit/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WAIT_MS = 30000, PARTS = 2 };

static struct server server;

static rd_kafka_t *producer(const char *id, const char *timeout_ms)
{
    const char *conf[] = {"transactional.id", id, "transaction.timeout.ms", timeout_ms, "linger.ms", "0", NULL};
    return rdclient(&server, RD_KAFKA_PRODUCER, conf);
}

static void send_one(rd_kafka_t *rk, const char *topic, int32_t part, int number)
{
    char value[16];
    int n = snprintf(value, sizeof value, "%d", number);
    assert_int_equal(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(part),
                                       RD_KAFKA_V_VALUE(value, (size_t)n),
                                       RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END), 0);
}

/* Reads the topic's partitions to their ends under read_committed; counts how often each number below `max` was
 * read. */
static void read_all(const char *topic, int *seen, int max)
{
    const char *conf[] = {"group.id", "reader", "isolation.level", "read_committed", "enable.partition.eof", "true",
                          "auto.offset.reset", "earliest", "enable.auto.commit", "false", NULL};
    rd_kafka_t *rk = rdclient(&server, RD_KAFKA_CONSUMER, conf);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTS);
    for (int32_t i = 0; i < PARTS; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    assert_int_equal(rd_kafka_assign(rk, list), 0);
    memset(seen, 0, (size_t)max * sizeof *seen);
    for (int ends = 0; ends < PARTS;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, WAIT_MS);
        assert_non_null(m);
        if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            ends++;
        } else {
            char text[16] = "";
            assert_int_equal(m->err, 0);
            assert_true(m->len < sizeof text);
            memcpy(text, m->payload, m->len);
            assert_in_range(atoi(text), 0, max - 1);
            seen[atoi(text)]++;
        }
        rd_kafka_message_destroy(m);
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
}

/* Every third transaction is aborted: exactly the numbers of the others are read, each once. */
static void test_commit_abort(void **state)
{
    (void)state;
    enum { TXNS = 30 };
    int seen[TXNS];
    assert_int_equal(rdclient_create(&server, "commits", PARTS, NULL), 0);
    rd_kafka_t *rk = producer("worker", "60000");
    rdclient_good(rd_kafka_init_transactions(rk, WAIT_MS));
    for (int i = 0; i < TXNS; i++) {
        rdclient_good(rd_kafka_begin_transaction(rk));
        send_one(rk, "commits", i % 2, i);
        if (i % 5 == 0)
            send_one(rk, "commits", (i + 1) % 2, i); /* both or none */
        if (i % 3 == 0) {
            assert_int_equal(rd_kafka_flush(rk, WAIT_MS), 0);
            rdclient_good(rd_kafka_abort_transaction(rk, WAIT_MS));
        } else {
            rdclient_good(rd_kafka_commit_transaction(rk, WAIT_MS));
        }
    }
    rd_kafka_destroy(rk);
    for (int round = 0; round < 2; round++) {
        read_all("commits", seen, TXNS);
        for (int i = 0; i < TXNS; i++)
            assert_int_equal(seen[i], i % 3 == 0 ? 0 : i % 5 == 0 ? 2 : 1);
        if (round == 0)
            server_restart(&server);
    }
}

/* Who comes second with a transactional id ends the first one's transaction and keeps it out. */
static void test_fencing(void **state)
{
    (void)state;
    int seen[3];
    assert_int_equal(rdclient_create(&server, "fenced", PARTS, NULL), 0);
    rd_kafka_t *first = producer("twin", "60000"), *second = producer("twin", "60000");
    rdclient_good(rd_kafka_init_transactions(first, WAIT_MS));
    rdclient_good(rd_kafka_begin_transaction(first));
    send_one(first, "fenced", 0, 1);
    assert_int_equal(rd_kafka_flush(first, WAIT_MS), 0);
    rdclient_good(rd_kafka_init_transactions(second, WAIT_MS));
    rd_kafka_error_t *e = rd_kafka_commit_transaction(first, WAIT_MS);
    assert_non_null(e);
    assert_true(rd_kafka_error_is_fatal(e));
    rd_kafka_error_destroy(e);
    rdclient_good(rd_kafka_begin_transaction(second));
    send_one(second, "fenced", 0, 2);
    rdclient_good(rd_kafka_commit_transaction(second, WAIT_MS));
    rd_kafka_destroy(first);
    rd_kafka_destroy(second);
    read_all("fenced", seen, 3);
    assert_int_equal(seen[1], 0);
    assert_int_equal(seen[2], 1);
}

/* A producer that goes away with its transaction open holds others back no longer than its timeout. */
static void test_timeout(void **state)
{
    (void)state;
    int seen[8];
    assert_int_equal(rdclient_create(&server, "left", PARTS, NULL), 0);
    rd_kafka_t *gone = producer("gone", "5000"), *other = producer("other", "60000");
    rdclient_good(rd_kafka_init_transactions(gone, WAIT_MS));
    rdclient_good(rd_kafka_init_transactions(other, WAIT_MS));
    rdclient_good(rd_kafka_begin_transaction(gone));
    send_one(gone, "left", 0, 1);
    assert_int_equal(rd_kafka_flush(gone, WAIT_MS), 0);
    rdclient_good(rd_kafka_begin_transaction(other));
    send_one(other, "left", 0, 2);
    rdclient_good(rd_kafka_commit_transaction(other, WAIT_MS));
    read_all("left", seen, 8);
    assert_int_equal(seen[2], 0); /* behind what is open */
    for (int i = 0; i < 200 && !seen[2]; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        read_all("left", seen, 8);
    }
    assert_int_equal(seen[1], 0);
    assert_int_equal(seen[2], 1);
    rd_kafka_destroy(gone);
    rd_kafka_destroy(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_commit_abort), cmocka_unit_test(test_fencing),
                                       cmocka_unit_test(test_timeout)};
    static const char *const set[] = {"transaction.abort.timed.out.transaction.cleanup.interval.ms=200", NULL};
    server_start(&server, set);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    server_stop(&server);
    return failed;
}
