/* A broker without sockets on seeded loops and a seeded disk: requests in, answers out, crashes between. From one seed:
 * what was acknowledged is there after every crash, once and in order, and so is what a consumer was shown; topics
 * whose creation was answered exist. WEIR_SEED=n build/sim_broker runs one seed again. */
#include "log/base/trace.h"
#include "tests/lib/seed.h"
#include "tests/lib/simnode.h"
#include "tests/unit/unit.h"
#include <stdio.h>

enum { PRODUCERS = 3, CONSUMERS = 3, PARTS = 2, CRASHES = 4, STEPS = 400 };

/* One idempotent producer: one batch on its way at a time, sent again until it is acknowledged. */
struct producer {
    int64_t pid;
    int32_t seq;     /* of the next batch */
    int32_t part;
    uint64_t acked;  /* batches acknowledged */
    bool busy;
    bool refused;    /* the disk fails: no batch will be acknowledged */
    struct simcall call;
};
/* Waits for more than there is, so that appends and the end of its time come in each other's way. */
struct consumer {
    bool busy;
    struct simcall call;
};
struct world {
    struct simnode n;
    struct producer producers[PRODUCERS];
    struct consumer consumers[CONSUMERS];
    int64_t shown[PARTS]; /* the highest high watermark that a consumer was told */
};

const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; } /* what a crash leaves behind is lost on purpose */

/* ---- a node's life */

static void crash(struct world *w)
{
    for (int i = 0; i < PRODUCERS; i++)
        w->producers[i].busy = false;
    for (int i = 0; i < CONSUMERS; i++)
        w->consumers[i].busy = false;
    simnode_crash(&w->n);
}

/* ---- requests */

static void ask(struct world *w, int16_t key, int version, const void *request, void *response)
{
    assert_int_equal(simnode_ask(&w->n, key, version, request, response), 0);
}

static void begin_producer(struct world *w, struct producer *p, int32_t part)
{
    struct init_producer_id_request in;
    struct init_producer_id_response out;
    init_producer_id_request_init(&in);
    in.transactional_id = STR_NULL;
    ask(w, 22, 4, &in, &out);
    assert_int_equal(out.error_code, 0);
    for (int i = 0; i < PRODUCERS; i++)
        assert_true(w->producers[i].pid != out.producer_id);
    p->pid = out.producer_id;
    p->part = part;
}

/* ---- producing. A record's key is its producer, its value the number of its batch. */

static void on_produced(struct simcall *call, int status, struct str answer)
{
    struct producer *p = container_of(call, struct producer, call);
    struct produce_response out;
    assert_int_equal(status, 0);
    simcall_read(call, answer, &out);
    p->busy = false;
    if (p->refused) {
        assert_int_equal(out.responses[0].partition_responses[0].error_code, err_kafka(E_STORAGE));
        return;
    }
    assert_int_equal(out.responses[0].partition_responses[0].error_code, 0);
    p->acked++;
    p->seq++;
}

static void produce(struct world *w, struct producer *p)
{
    struct produce_request in;
    struct produce_request_partition part = {.index = p->part};
    struct produce_request_topic t = {.name = STR("t"), .partition_data = &part, .partition_data_n = 1};
    struct recbatch_builder b;
    struct wbuf batch;
    char key[8], value[16];
    wbuf_init(&batch);
    snprintf(key, sizeof key, "%d", (int)(p - w->producers));
    snprintf(value, sizeof value, "%llu", (unsigned long long)p->acked);
    recbatch_build(&b, &batch, CODEC_NONE, NULL);
    b.producer_id = p->pid;
    b.producer_epoch = 0;
    b.base_sequence = p->seq;
    recbatch_add(&b, 1, str_of(key), str_of(value), NULL, 0);
    assert_true(recbatch_finish(&b, NULL));
    produce_request_init(&in);
    in.acks = -1;
    in.topic_data = &t;
    in.topic_data_n = 1;
    part.records = wbuf_view(&batch);
    simcall_make(&p->call, 0, 9, &in);
    p->busy = true;
    simcall_send(&p->call);
    wbuf_fini(&batch);
}

/* ---- waiting */

static void on_fetched(struct simcall *call, int status, struct str answer)
{
    struct consumer *c = container_of(call, struct consumer, call);
    struct fetch_response out;
    assert_true(c->busy);
    assert_int_equal(status, 0);
    simcall_read(call, answer, &out);
    assert_int_equal(out.error_code, 0);
    struct world *w = container_of(call->n, struct world, n);
    for (int i = 0; i < PARTS; i++) {
        const struct fetch_response_partition *p = &out.responses[0].partitions[i];
        assert_int_equal(p->error_code, 0);
        w->shown[i] = MAX(w->shown[i], p->high_watermark);
    }
    c->busy = false;
}

static void consume(struct world *w, struct consumer *c)
{
    struct random *rnd = sim_random(w->n.sim);
    struct fetch_request in;
    struct fetch_request_partition parts[PARTS];
    struct fetch_request_topic t = {.topic = STR("t"), .partitions = parts, .partitions_n = PARTS};
    fetch_request_init(&in);
    for (int i = 0; i < PARTS; i++) {
        fetch_request_partition_init(&parts[i]);
        parts[i].partition = i;
        parts[i].partition_max_bytes = 100000;
    }
    in.topics = &t;
    in.topics_n = 1;
    in.min_bytes = 1 << 20;
    in.max_wait_ms = (int32_t)random_below(rnd, 20);
    simcall_make(&c->call, 1, 12, &in);
    c->busy = true;
    simcall_send(&c->call);
}

/* ---- checking */

/* Reads a partition from its start; every producer's numbers must rise by one, and reach what was acknowledged. */
static void check_part(struct world *w, int32_t index)
{
    uint64_t next[PRODUCERS] = {0};
    int64_t offset = 0, high = 1;
    while (offset < high) {
        struct fetch_request in;
        struct fetch_request_partition p;
        struct fetch_request_topic t = {.topic = STR("t"), .partitions = &p, .partitions_n = 1};
        struct fetch_response out;
        fetch_request_init(&in);
        fetch_request_partition_init(&p);
        in.topics = &t;
        in.topics_n = 1;
        p.partition = index;
        p.fetch_offset = offset;
        p.partition_max_bytes = 300;
        ask(w, 1, 12, &in, &out);
        const struct fetch_response_partition *po = &out.responses[0].partitions[0];
        assert_int_equal(po->error_code, 0);
        high = po->high_watermark;
        assert_true(high >= w->shown[index]);
        struct str left = po->records;
        assert_true(left.len > 0 || offset == high);
        while (left.len) {
            struct recbatch rb;
            struct recbatch_iter it;
            struct record rec;
            assert_int_equal(recbatch_peek(&rb, left), 0);
            assert_int_equal(recbatch_check_crc(&rb, left.ptr), 0);
            assert_int_equal(recbatch_iter(&it, &rb, NULL, NULL, 0), 0);
            while (recbatch_next(&it, &rec)) {
                int64_t who = 0, number = 0;
                assert_int_equal(rec.offset, offset++);
                assert_true(rec.offset < high);
                assert_true(str_to_i64(rec.key, &who) && str_to_i64(rec.value, &number));
                assert_int_equal(number, next[who]++);
            }
            left = (struct str){left.ptr + rb.size, left.len - rb.size};
        }
    }
    for (int i = 0; i < PRODUCERS; i++)
        if (w->producers[i].part == index) {
            assert_true(next[i] >= w->producers[i].acked);
            assert_true(next[i] <= w->producers[i].acked + 1); /* one may have been on its way */
        }
}

static void run_steps(struct world *w)
{
    for (int i = 0; i < STEPS; i++) {
        struct producer *p = &w->producers[random_below(sim_random(w->n.sim), PRODUCERS)];
        if (!p->busy && random_chance(sim_random(w->n.sim), 0.3))
            produce(w, p);
        struct consumer *c = &w->consumers[random_below(sim_random(w->n.sim), CONSUMERS)];
        if (!c->busy && random_chance(sim_random(w->n.sim), 0.1))
            consume(w, c);
        if (!sim_step(w->n.sim))
            return;
        arena_reset(&w->n.arena);
    }
}

static void world_open(struct world *w, uint64_t seed)
{
    *w = (struct world){.shown = {0}};
    simnode_init(&w->n, seed, 1u << seed % 3);
    simnode_open(&w->n);
    assert_int_equal(simnode_create_topic(&w->n, "t", PARTS), 0);
    for (int i = 0; i < PRODUCERS; i++) {
        w->producers[i].pid = -1;
        simcall_init(&w->producers[i].call, &w->n);
        w->producers[i].call.answered_cb = on_produced;
    }
    for (int i = 0; i < CONSUMERS; i++) {
        simcall_init(&w->consumers[i].call, &w->n);
        w->consumers[i].call.answered_cb = on_fetched;
    }
    for (int i = 0; i < PRODUCERS; i++)
        begin_producer(w, &w->producers[i], i % PARTS);
}

static void world_close(struct world *w)
{
    simnode_close(&w->n);
    for (int i = 0; i < PRODUCERS; i++)
        simcall_fini(&w->producers[i].call);
    for (int i = 0; i < CONSUMERS; i++)
        simcall_fini(&w->consumers[i].call);
}

static void run_seed(uint64_t seed)
{
    struct world w;
    world_open(&w, seed);
    for (int c = 0; c < CRASHES; c++) {
        char name[32];
        run_steps(&w);
        snprintf(name, sizeof name, "topic-%d", c);
        assert_int_equal(simnode_create_topic(&w.n, name, PARTS), 0);
        crash(&w);
        assert_int_equal(simnode_create_topic(&w.n, name, PARTS), err_kafka(E_EXISTS));
        for (int32_t i = 0; i < PARTS; i++)
            check_part(&w, i);
    }
    world_close(&w);
}

/* One fetch of partition 0; gives its status, and what came. */
static int fetch_one(struct world *w, int64_t offset, int32_t wait_ms, struct fetch_response_partition *out)
{
    struct fetch_request in;
    struct fetch_request_partition p;
    struct fetch_request_topic t = {.topic = STR("t"), .partitions = &p, .partitions_n = 1};
    struct fetch_response answer;
    fetch_request_init(&in);
    fetch_request_partition_init(&p);
    in.topics = &t;
    in.topics_n = 1;
    in.min_bytes = 1;
    in.max_wait_ms = wait_ms;
    p.fetch_offset = offset;
    p.partition_max_bytes = 100000;
    int rc = simnode_ask(&w->n, 1, 12, &in, &answer);
    if (rc == 0)
        *out = answer.responses[0].partitions[0];
    return rc;
}

/* A disk that does not read: the answer is an error without records, or none; afterwards all is there again. */
static void test_read_errors(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, test_seed());
    for (int i = 0; i < 5; i++) {
        produce(&w, &w.producers[0]);
        while (w.producers[0].busy)
            assert_true(sim_step(w.n.sim));
    }
    int refused = 0;
    struct fetch_response_partition p;
    for (int i = 0; i < 300; i++) {
        simdisk_set_fault(w.n.sd, SIMDISK_EIO_READ, 0.3);
        int rc = fetch_one(&w, 0, 0, &p);
        simdisk_set_fault(w.n.sd, SIMDISK_EIO_READ, 0);
        if (rc == 0 && p.error_code) {
            refused++;
            assert_int_equal(p.records.len, 0);
        }
        arena_reset(&w.n.arena);
    }
    assert_true(refused > 0);
    check_part(&w, 0);
    world_close(&w);
}

/* Who waits at the end of a partition whose disk has failed waits as long as he asked for. */
static void test_failed_part_waits(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, test_seed());
    produce(&w, &w.producers[0]);
    while (w.producers[0].busy)
        assert_true(sim_step(w.n.sim));
    simdisk_set_fault(w.n.sd, SIMDISK_EIO_WRITE, 1);
    w.producers[0].refused = true;
    produce(&w, &w.producers[0]);
    while (w.producers[0].busy)
        assert_true(sim_step(w.n.sim));
    simdisk_set_fault(w.n.sd, SIMDISK_EIO_WRITE, 0);
    for (int i = 0; i < 3; i++) {
        struct fetch_response_partition p;
        int64_t before_us = sim_now_us(w.n.sim);
        assert_int_equal(fetch_one(&w, 1, 500, &p), 0);
        assert_int_equal(p.error_code, 0);
        assert_int_equal(p.high_watermark, 1);
        assert_true(sim_now_us(w.n.sim) - before_us >= 490000);
    }
    world_close(&w);
}

static void test_histories(void **state)
{
    (void)state;
    seeds_run(200, run_seed);
}

int main(void)
{
    trace_level = ERROR;
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_histories, seeds_teardown),
                                       cmocka_unit_test(test_read_errors), cmocka_unit_test(test_failed_part_waits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
