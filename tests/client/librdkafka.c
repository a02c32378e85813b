/* librdkafka 2.0.2 against a node in this process: topics, partitions, idempotent produce in order, headers, nulls,
 * fetch by assign(), offsets for times. */
#include "tests/lib/rdclient.h"
#include "tests/unit/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct server server;
static const char *const KEEP[] = {"retention.ms", "-1", NULL}; /* records of long ago, too */

/* ---- admin */

static int partitions_of(rd_kafka_t *rk, const char *name)
{
    const struct rd_kafka_metadata *md;
    int n = -1;
    assert_int_equal(rd_kafka_metadata(rk, 1, NULL, &md, 10000), 0);
    assert_int_equal(md->broker_cnt, 1);
    for (int i = 0; i < md->topic_cnt; i++)
        if (strcmp(md->topics[i].topic, name) == 0)
            n = md->topics[i].partition_cnt;
    rd_kafka_metadata_destroy(md);
    return n;
}

/* Topics are created with settings, refused twice, grown, described, deleted. */
static void test_admin(void **state)
{
    (void)state;
    static const char *const settings[] = {"retention.ms", "123456", NULL};
    char err[256], value[64];
    bool is_default = true;
    rd_kafka_t *rk = rdclient(&server, RD_KAFKA_PRODUCER, NULL);
    rd_kafka_queue_t *q = rd_kafka_queue_new(rk);
    assert_int_equal(rdclient_create(&server, "made", 3, settings), 0);
    assert_int_equal(rdclient_create(&server, "made", 3, NULL), RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS);
    assert_int_equal(rdclient_create(&server, "no good name", 3, NULL), RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION);
    assert_int_equal(partitions_of(rk, "made"), 3);

    rd_kafka_NewPartitions_t *np = rd_kafka_NewPartitions_new("made", 6, err, sizeof err);
    rd_kafka_CreatePartitions(rk, &np, 1, NULL, q);
    rd_kafka_event_destroy(rdclient_result(q, RD_KAFKA_EVENT_CREATEPARTITIONS_RESULT));
    rd_kafka_NewPartitions_destroy(np);
    assert_int_equal(partitions_of(rk, "made"), 6);

    rdclient_setting(&server, "made", "retention.ms", value, sizeof value, &is_default);
    assert_string_equal(value, "123456");
    assert_false(is_default);

    rd_kafka_DeleteTopic_t *del = rd_kafka_DeleteTopic_new("made");
    rd_kafka_DeleteTopics(rk, &del, 1, NULL, q);
    rd_kafka_event_destroy(rdclient_result(q, RD_KAFKA_EVENT_DELETETOPICS_RESULT));
    rd_kafka_DeleteTopic_destroy(del);
    assert_int_equal(partitions_of(rk, "made"), -1);
    rd_kafka_queue_destroy(q);
    rd_kafka_destroy(rk);
}

/* ---- produce and consume */

enum { MESSAGES = 20000, PARTS = 3 };
struct delivered {
    int64_t last[PARTS];
    int good, bad;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    struct delivered *d = opaque;
    if (m->err || m->offset != d->last[m->partition] + 1)
        d->bad++;
    else
        d->good++;
    d->last[m->partition] = m->offset;
}

static void consume(const char *topic, int64_t start, int count, void (*each)(rd_kafka_message_t *m, void *arg), void *arg)
{
    const char *const conf[] = {"group.id", "none", "enable.auto.commit", "false", "enable.partition.eof", "false",
                                "check.crcs", "true", NULL};
    rd_kafka_t *rk = rdclient(&server, RD_KAFKA_CONSUMER, conf);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTS);
    for (int p = 0; p < PARTS; p++)
        rd_kafka_topic_partition_list_add(list, topic, p)->offset = start;
    assert_int_equal(rd_kafka_assign(rk, list), 0);
    for (int n = 0; n < count;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 10000);
        assert_non_null(m);
        assert_int_equal(m->err, 0);
        each(m, arg);
        n++;
        rd_kafka_message_destroy(m);
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
}

struct seen {
    int next[PARTS];
    int total;
};

static void check_message(rd_kafka_message_t *m, void *arg)
{
    struct seen *s = arg;
    char key[32], value[64];
    int id = m->key ? atoi((const char *)m->key + 1) : -1;
    rd_kafka_timestamp_type_t type;
    assert_int_equal(m->offset, s->next[m->partition]);
    s->next[m->partition]++;
    s->total++;
    if (id < 0) { /* every tenth has a null key and says its number in its value */
        assert_int_equal(m->key_len, 0);
        assert_true(m->len > 0);
        return;
    }
    snprintf(key, sizeof key, "k%d", id);
    snprintf(value, sizeof value, "value of %d", id);
    assert_int_equal(m->key_len, strlen(key));
    if (id % 7 == 0)
        assert_null(m->payload);
    else
        assert_memory_equal(m->payload, value, m->len);
    assert_int_equal(rd_kafka_message_timestamp(m, &type), INT64_C(1795000000000) + id);
    assert_int_equal(type, RD_KAFKA_TIMESTAMP_CREATE_TIME);
    rd_kafka_headers_t *h;
    const void *v;
    size_t size;
    assert_int_equal(rd_kafka_message_headers(m, &h), 0);
    assert_int_equal(rd_kafka_header_get(h, 0, "n", &v, &size), 0);
    assert_memory_equal(v, key, strlen(key));
    assert_int_equal(rd_kafka_header_get(h, 0, "null", &v, &size), 0);
    assert_null(v);
}

static void produce_one(rd_kafka_t *rk, const char *topic, int i)
{
    char key[32], value[64];
    snprintf(key, sizeof key, "k%d", i);
    snprintf(value, sizeof value, "value of %d", i);
    rd_kafka_headers_t *h = rd_kafka_headers_new(2);
    rd_kafka_header_add(h, "n", -1, key, (ssize_t)strlen(key));
    rd_kafka_header_add(h, "null", -1, NULL, 0);
    bool no_key = i % 10 == 3, no_value = !no_key && i % 7 == 0;
    rd_kafka_resp_err_t err;
    do {
        err = rd_kafka_producev(
            rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(i % PARTS),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(no_key ? NULL : key, no_key ? 0 : strlen(key)),
            RD_KAFKA_V_VALUE(no_value ? NULL : value, no_value ? 0 : strlen(value)),
            RD_KAFKA_V_TIMESTAMP(INT64_C(1795000000000) + i), RD_KAFKA_V_HEADERS(h), RD_KAFKA_V_END);
        if (err)
            rd_kafka_poll(rk, 10);
    } while (err == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    assert_int_equal(err, 0);
}

/* An idempotent producer's records arrive once, in order, and whole: keys, nulls, headers, times; offsets rise by
 * one. */
static void test_produce(void **state)
{
    (void)state;
    static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    for (size_t c = 0; c < sizeof codecs / sizeof *codecs; c++) {
        char topic[32];
        snprintf(topic, sizeof topic, "order-%s", codecs[c]);
        struct delivered d = {{-1, -1, -1}, 0, 0};
        const char *const conf[] = {"enable.idempotence", "true", "compression.codec", codecs[c], "linger.ms", "5", NULL};
        rd_kafka_conf_t *with = rdclient_conf(&server, conf);
        rd_kafka_conf_set_dr_msg_cb(with, on_delivery);
        rd_kafka_conf_set_opaque(with, &d);
        rd_kafka_t *rk = rdclient_new(RD_KAFKA_PRODUCER, with);
        assert_int_equal(rdclient_create(&server, topic, PARTS, KEEP), 0);
        for (int i = 0; i < MESSAGES; i++)
            produce_one(rk, topic, i);
        assert_int_equal(rd_kafka_flush(rk, 20000), 0);
        assert_int_equal(d.good, MESSAGES);
        assert_int_equal(d.bad, 0);
        rd_kafka_destroy(rk);
        struct seen s = {{0}, 0};
        consume(topic, RD_KAFKA_OFFSET_BEGINNING, MESSAGES, check_message, &s);
        assert_int_equal(s.total, MESSAGES);
    }
}

static void check_restarted(rd_kafka_message_t *m, void *arg)
{
    (void)arg;
    assert_true(m->offset >= 0);
}

/* What was acknowledged is there after a restart. */
static void test_restart(void **state)
{
    (void)state;
    server_restart(&server);
    consume("order-lz4", RD_KAFKA_OFFSET_BEGINNING, MESSAGES, check_restarted, NULL);
}

/* The first offset at or after a time, watermarks, and none beyond the last. */
static void test_times(void **state)
{
    (void)state;
    const char *const conf[] = {"group.id", "none", NULL};
    rd_kafka_t *rk = rdclient(&server, RD_KAFKA_CONSUMER, conf);
    int64_t low, high;
    assert_int_equal(rd_kafka_query_watermark_offsets(rk, "order-none", 1, &low, &high, 10000), 0);
    assert_int_equal(low, 0);
    assert_int_equal(high, MESSAGES / PARTS + 1);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(2);
    rd_kafka_topic_partition_list_add(list, "order-none", 1)->offset = INT64_C(1795000000000) + 3000; /* 3001 is in partition 1 */
    rd_kafka_topic_partition_list_add(list, "order-none", 2)->offset = INT64_C(1795000000000) + MESSAGES;
    assert_int_equal(rd_kafka_offsets_for_times(rk, list, 10000), 0);
    assert_int_equal(list->elems[0].offset, 1000);
    assert_int_equal(list->elems[1].offset, RD_KAFKA_OFFSET_END);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
}

/* ---- transactions */

enum { TXN_RECORDS = 500 };

static void txn_records(rd_kafka_t *rk, const char *value)
{
    for (int i = 0; i < TXN_RECORDS; i++)
        assert_int_equal(rd_kafka_producev(rk, RD_KAFKA_V_TOPIC("txn"), RD_KAFKA_V_PARTITION(i % PARTS),
                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                           RD_KAFKA_V_VALUE((void *)value, strlen(value)), RD_KAFKA_V_END), 0);
    assert_int_equal(rd_kafka_flush(rk, 20000), 0);
}

/* How many records a consumer gets of each letter, up to the end that it is told of. */
static void count_letters(const char *isolation, int letters[26])
{
    const char *const conf[] = {"group.id", "none", "enable.auto.commit", "false", "enable.partition.eof", "true",
                                "isolation.level", isolation, "fetch.message.max.bytes", "2000", NULL};
    memset(letters, 0, 26 * sizeof *letters);
    rd_kafka_t *rk = rdclient(&server, RD_KAFKA_CONSUMER, conf);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTS);
    for (int p = 0; p < PARTS; p++)
        rd_kafka_topic_partition_list_add(list, "txn", p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    assert_int_equal(rd_kafka_assign(rk, list), 0);
    for (int ends = 0; ends < PARTS;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 10000);
        assert_non_null(m);
        assert_true(m->err == 0 || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF);
        if (m->err)
            ends++;
        else
            letters[*(const char *)m->payload - 'a']++;
        rd_kafka_message_destroy(m);
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
}

/* Committed consumers get what was committed and stop at the open transaction; a second producer of the same id ends
 * it. */
static void test_transactions(void **state)
{
    (void)state;
    const char *const conf[] = {"transactional.id", "tx", "batch.num.messages", "20", NULL};
    int letters[26];
    rd_kafka_t *rk = rdclient(&server, RD_KAFKA_PRODUCER, conf), *next;
    assert_int_equal(rdclient_create(&server, "txn", PARTS, KEEP), 0);
    rdclient_good(rd_kafka_init_transactions(rk, 20000));
    static const char *const values[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) {
        rdclient_good(rd_kafka_begin_transaction(rk));
        txn_records(rk, values[i]);
        if (i == 3)
            break;
        rdclient_good(i == 1 ? rd_kafka_abort_transaction(rk, 20000) : rd_kafka_commit_transaction(rk, 20000));
    }
    count_letters("read_committed", letters);
    assert_int_equal(letters[0], TXN_RECORDS);
    assert_int_equal(letters[1], 0);
    assert_int_equal(letters[2], TXN_RECORDS);
    assert_int_equal(letters[3], 0);
    count_letters("read_uncommitted", letters);
    assert_int_equal(letters[1], TXN_RECORDS);
    assert_int_equal(letters[3], TXN_RECORDS);
    next = rdclient(&server, RD_KAFKA_PRODUCER, conf);
    rdclient_good(rd_kafka_init_transactions(next, 20000));
    rd_kafka_error_t *err = rd_kafka_commit_transaction(rk, 20000);
    assert_non_null(err);
    assert_true(rd_kafka_error_is_fatal(err));
    rd_kafka_error_destroy(err);
    rdclient_good(rd_kafka_begin_transaction(next));
    txn_records(next, "e");
    rdclient_good(rd_kafka_commit_transaction(next, 20000));
    rdclient_good(rd_kafka_begin_transaction(next));
    txn_records(next, "f");
    rd_kafka_destroy(rk);
    rd_kafka_destroy(next);
    for (int round = 0; round < 2; round++) {
        static const int want[] = {TXN_RECORDS, 0, TXN_RECORDS, 0, TXN_RECORDS, 0};
        count_letters("read_committed", letters);
        assert_memory_equal(letters, want, sizeof want);
        if (round == 0)
            server_restart(&server);
    }
    count_letters("read_uncommitted", letters);
    for (int i = 0; i < 6; i++)
        assert_int_equal(letters[i], TXN_RECORDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_admin),
        cmocka_unit_test(test_produce),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_transactions),
    };
    /* the times of the records are fixed: far from today they must not be refused, nor be old enough to go */
    static const char *const set[] = {"log.message.timestamp.after.max.ms=9223372036854775807", "log.retention.ms=-1",
                                      "log.segment.bytes=1048576", NULL}; /* a tiny build has smaller ones than batches */
    server_start(&server, set);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    server_stop(&server);
    return failed;
}
