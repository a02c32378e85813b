/* Transactions as a partition's clients see them, over sockets: pipelined batches at a transaction's beginning, Fetch
 * and ListOffsets with read_committed, who waits and is woken, what a late producer is told. */
#include "log/base/clock.h"
#include "log/client/remote.h"
#include "tests/lib/server.h"
#include "tests/unit/unit.h"

static struct server server;
static struct remote *rm, *other;
static struct arena arena;

enum { PRODUCE = 0, FETCH = 1, LIST_OFFSETS = 2, CREATE_TOPICS = 19, INIT = 22, ADD_PARTS = 24, END_TXN = 26, DESCRIBE = 61 };

static void *call(int16_t key, int version, const void *request)
{
    struct diag d = {.text = ""};
    void *out = arena_zalloc(&arena, wire_api_find(key)->response->size);
    if (remote_call(rm, key, version, request, out, &arena, &d) < 0)
        fail_msg("%d version %d: %s", key, version, d.text);
    return out;
}

struct producer {
    const char *id;
    const char *topic;
    int64_t pid;
    int16_t epoch;
    int32_t seq;
};

static void init(struct producer *p)
{
    struct init_producer_id_request in;
    const struct init_producer_id_response *out;
    init_producer_id_request_init(&in);
    in.transactional_id = str_of(p->id);
    in.transaction_timeout_ms = 60000;
    do
        out = call(INIT, 5, &in);
    while (out->error_code == K_CONCURRENT_TRANSACTIONS);
    assert_int_equal(out->error_code, 0);
    p->pid = out->producer_id;
    p->epoch = out->producer_epoch;
    p->seq = 0;
}

static void create(const char *topic)
{
    struct create_topics_request in;
    struct create_topics_request_topic t;
    create_topics_request_init(&in);
    create_topics_request_topic_init(&t);
    t.name = str_of(topic);
    t.num_partitions = t.replication_factor = 1;
    in.topics = &t;
    in.topics_n = 1;
    const struct create_topics_response *out = call(CREATE_TOPICS, 4, &in);
    assert_int_equal(out->topics[0].error_code, 0);
}

static void add_parts(const struct producer *p)
{
    struct add_partitions_to_txn_request in;
    int32_t parts[] = {0};
    struct add_partitions_to_txn_request_old_topic t = {str_of(p->topic), parts, 1};
    add_partitions_to_txn_request_init(&in);
    in.v3_and_below_transactional_id = str_of(p->id);
    in.v3_and_below_producer_id = p->pid;
    in.v3_and_below_producer_epoch = p->epoch;
    in.v3_and_below_topics = &t;
    in.v3_and_below_topics_n = 1;
    const struct add_partitions_to_txn_response *out;
    do
        out = call(ADD_PARTS, 3, &in);
    while (out->results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code ==
           K_CONCURRENT_TRANSACTIONS);
    assert_int_equal(out->results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code, 0);
}

/* A batch of one record, in memory of its own until the arena goes. */
static struct str batch(struct producer *p)
{
    struct wbuf w;
    struct recbatch_builder b;
    wbuf_init(&w);
    recbatch_build(&b, &w, CODEC_NONE, NULL);
    b.producer_id = p->pid;
    b.producer_epoch = p->epoch;
    b.base_sequence = p->seq++;
    b.attributes = RECBATCH_TXN;
    recbatch_add(&b, 1, STR("k"), STR("v"), NULL, 0);
    assert_true(recbatch_finish(&b, NULL));
    struct str s = arena_dup(&arena, wbuf_view(&w));
    wbuf_fini(&w);
    return s;
}

static struct produce_request produce_of(struct producer *p)
{
    struct produce_request in;
    struct produce_request_topic *t = ARENA_NEW(&arena, struct produce_request_topic);
    t->name = str_of(p->topic);
    t->partition_data = ARENA_NEW(&arena, struct produce_request_partition);
    t->partition_data->records = batch(p);
    t->partition_data_n = 1;
    produce_request_init(&in);
    in.transactional_id = str_of(p->id);
    in.acks = -1;
    in.timeout_ms = 5000;
    in.topic_data = t;
    in.topic_data_n = 1;
    return in;
}

/* Many batches sent before the first answer is read; each must be taken, in their order. */
static void produce(struct producer *p, int version, int n, int64_t first)
{
    struct diag d = {.text = ""};
    for (int i = 0; i < n; i++) {
        struct produce_request in = produce_of(p);
        assert_int_equal(remote_send(rm, PRODUCE, version, &in, &d), 0);
    }
    for (int i = 0; i < n; i++) {
        struct produce_response out;
        assert_int_equal(remote_receive(rm, PRODUCE, version, &out, &arena, &d), 0);
        assert_int_equal(out.responses[0].partition_responses[0].error_code, 0);
        assert_int_equal(out.responses[0].partition_responses[0].base_offset, first + i);
    }
}

static int16_t produce_error(struct producer *p, int version)
{
    struct produce_request in = produce_of(p);
    p->seq--;
    const struct produce_response *out = call(PRODUCE, version, &in);
    return out->responses[0].partition_responses[0].error_code;
}

static void end(struct producer *p, bool commit, int version)
{
    struct end_txn_request in = {str_of(p->id), p->pid, p->epoch, commit};
    const struct end_txn_response *out = call(END_TXN, version, &in);
    assert_int_equal(out->error_code, 0);
    if (version >= 5) {
        p->pid = out->producer_id;
        p->epoch = out->producer_epoch;
        p->seq = 0;
    }
}

static struct fetch_request fetch_of(const char *topic, int64_t offset, bool committed, int max_wait_ms)
{
    struct fetch_request in;
    struct fetch_request_topic *t = ARENA_NEW(&arena, struct fetch_request_topic);
    t->topic = str_of(topic);
    t->partitions = ARENA_NEW(&arena, struct fetch_request_partition);
    fetch_request_partition_init(t->partitions);
    t->partitions->fetch_offset = offset;
    t->partitions->partition_max_bytes = 1 << 20;
    t->partitions_n = 1;
    fetch_request_init(&in);
    in.isolation_level = committed;
    in.max_wait_ms = max_wait_ms;
    in.min_bytes = 1;
    in.topics = t;
    in.topics_n = 1;
    return in;
}

static const struct fetch_response_partition *fetch(const char *topic, int64_t offset, bool committed, int max_wait_ms)
{
    struct fetch_request in = fetch_of(topic, offset, committed, max_wait_ms);
    const struct fetch_response *out = call(FETCH, 12, &in);
    assert_int_equal(out->responses[0].partitions[0].error_code, 0);
    return out->responses[0].partitions;
}

static int64_t latest(const char *topic, bool committed)
{
    struct list_offsets_request in;
    struct list_offsets_request_partition p;
    struct list_offsets_request_topic t = {.name = str_of(topic), .partitions = &p, .partitions_n = 1};
    list_offsets_request_init(&in);
    list_offsets_request_partition_init(&p);
    in.replica_id = -1;
    in.isolation_level = committed;
    in.topics = &t;
    in.topics_n = 1;
    p.timestamp = -1;
    const struct list_offsets_response *out = call(LIST_OFFSETS, 7, &in);
    return out->topics[0].partitions[0].offset;
}

/* Both versions of the protocol: pipelined batches are taken in order, committed readers stop at the open transaction,
 * are woken by its end, and are told what was aborted. */
static void test_isolation(void **state)
{
    (void)state;
    static const int versions[] = {9, 12}; /* by name */
    for (int i = 0; i < 2; i++) {
        bool v2 = i == 1;
        struct producer p = {.id = v2 ? "b" : "a", .topic = v2 ? "tb" : "ta"};
        create(p.topic);
        init(&p);
        if (!v2)
            add_parts(&p);
        produce(&p, versions[i], 12, 0);
        assert_int_equal(latest(p.topic, false), 12);
        assert_int_equal(latest(p.topic, true), 0);
        assert_true(fetch(p.topic, 0, false, 0)->records.len > 0);
        int64_t before_us = clock_mono_us();
        const struct fetch_response_partition *got = fetch(p.topic, 0, true, 200);
        assert_true(clock_mono_us() - before_us > 190000); /* what is there does not count */
        assert_int_equal(got->records.len, 0);
        assert_int_equal(got->last_stable_offset, 0);
        assert_int_equal(got->high_watermark, 12);

        struct diag d = {.text = ""};
        struct fetch_request in = fetch_of(p.topic, 0, true, 20000);
        assert_int_equal(remote_send(other, FETCH, 12, &in, &d), 0);
        before_us = clock_mono_us();
        end(&p, false, v2 ? 5 : 3);
        struct fetch_response woken;
        assert_int_equal(remote_receive(other, FETCH, 12, &woken, &arena, &d), 0);
        assert_true(clock_mono_us() - before_us < 10000000);
        got = &woken.responses[0].partitions[0];
        assert_true(got->records.len > 0);
        assert_int_equal(got->last_stable_offset, 13);
        assert_int_equal(got->aborted_transactions_n, 1);
        assert_int_equal(got->aborted_transactions[0].producer_id, p.pid);
        assert_int_equal(got->aborted_transactions[0].first_offset, 0);
        assert_int_equal(fetch(p.topic, 0, false, 0)->aborted_transactions_n, 0);
        assert_int_equal(latest(p.topic, true), 13);

        if (!v2)
            add_parts(&p);
        produce(&p, versions[i], 3, 13);
        end(&p, true, v2 ? 5 : 3);
        while (latest(p.topic, true) < 17) {
        }
        got = fetch(p.topic, 13, true, 0);
        assert_true(got->records.len > 0);
        assert_int_equal(got->aborted_transactions_n, 0);
    }
}

/* A batch whose partition the transaction lacks, whose producer was fenced, or that has no transaction, is refused. */
static void test_refused(void **state)
{
    (void)state;
    struct producer p = {.id = "c", .topic = "tc"};
    create(p.topic);
    init(&p);
    assert_int_equal(produce_error(&p, 9), K_INVALID_TXN_STATE); /* not added */
    assert_int_equal(produce_error(&p, 11), K_TXN_ABORTABLE);
    add_parts(&p);
    produce(&p, 9, 2, 0);
    struct producer zombie = p;
    init(&p);
    assert_int_equal(produce_error(&zombie, 9), K_INVALID_PRODUCER_EPOCH);
    struct produce_request in = produce_of(&p);
    in.transactional_id = STR_NULL;
    const struct produce_response *out = call(PRODUCE, 9, &in);
    assert_int_equal(out->responses[0].partition_responses[0].error_code, K_TRANSACTIONAL_ID_AUTHORIZATION);
    while (latest(p.topic, true) < 3) { /* the abort of what the zombie had begun */
    }
    int32_t parts[] = {0};
    struct describe_producers_request_topic t = {.name = str_of(p.topic), .partition_indexes = parts,
                                                 .partition_indexes_n = 1};
    struct describe_producers_request ask;
    describe_producers_request_init(&ask);
    ask.topics = &t;
    ask.topics_n = 1;
    const struct describe_producers_response *told = call(DESCRIBE, 0, &ask);
    assert_int_equal(told->topics[0].partitions[0].active_producers_n, 1);
    assert_int_equal(told->topics[0].partitions[0].active_producers[0].producer_id, p.pid);
    assert_int_equal(told->topics[0].partitions[0].active_producers[0].current_txn_start_offset, -1);
    assert_true(told->topics[0].partitions[0].active_producers[0].coordinator_epoch >= 0);
}

static int start(void **state)
{
    (void)state;
    server_start(&server, (const char *const[]){NULL});
    arena_init(&arena);
    struct diag d = {.text = ""};
    if (remote_open(&rm, server.address, 30000, &d) < 0 || remote_open(&other, server.address, 30000, &d) < 0)
        fail_msg("%s", d.text);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    remote_close(rm);
    remote_close(other);
    arena_fini(&arena);
    server_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_isolation),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
