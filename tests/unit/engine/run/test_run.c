/* Jobs and queries over a real broker in the simulator. */
#include "engine/run/job.h"
#include "log/base/limits.h"
#include "log/base/random.h"
#include "log/wire/recbatch.h"
#include "tests/lib/jobworld.h"
#include "tests/lib/planlib.h"
#include "tests/lib/seed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

enum { PARTS = 2, TASKS = 2, KEYS = 100 };

static struct jobworld W;
static struct uuid in, out, changelog, job;

static struct uuid id_of(uint8_t n) { return (struct uuid){{n, 0xaa}}; }

static void create_topic(const char *name, struct uuid id, int32_t nparts)
{
    struct change ch;
    change_init(&ch);
    jw_must(change_create_topic(&ch, str_of(name), &id, nparts, NULL, 0, NULL) == 0, "topic");
    jw_commit(&W, &ch);
    change_fini(&ch);
}

static int setup(void **state)
{
    (void)state;
    jw_init(&W, 1);
    jw_open(&W, 2);
    in = id_of(1), out = id_of(2), changelog = id_of(3), job = id_of(4);
    create_topic("in", in, PARTS);
    create_topic("out", out, PARTS);
    create_topic("changelog", changelog, TASKS);
    jw_start(&W);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    jw_stop(&W);
    jw_fini(&W);
    return 0;
}

static void again(unsigned nloops)
{
    jw_stop(&W);
    jw_open(&W, nloops);
    jw_start(&W);
}

/* ---- plans */

static void put_sums(bool stopped)
{
    struct arena a;
    struct planlib pl;
    arena_init(&a);
    planlib_init(&pl, &a, TASKS);
    struct plan_node *n = pl_exchange(&pl, pl_source(&pl, "I", in, false), 1, (unsigned[]){0});
    n = pl_aggregate(&pl, n, 1, (unsigned[]){0}, AGG_SUM, 1, 0, 0);
    jw_put_job(&W, "sums", job, planlib_done(&pl, pl_sink_topic(&pl, n, out, 0, 1, -1, 0)), out, changelog, stopped);
    arena_fini(&a);
}

static int last_value(void *arg, const struct record *rec)
{
    int64_t *values = arg;
    values[be64(rec->key.ptr) % KEYS] = rec->value.ptr ? (int64_t)be64(rec->value.ptr) : -1;
    return 0;
}

/* The output table's value of a key; -1: none. */
static int64_t output_value(int64_t key)
{
    int64_t values[KEYS];
    for (int i = 0; i < KEYS; i++)
        values[i] = -1;
    for (int32_t i = 0; i < PARTS; i++) {
        struct part *p = jw_part(&W, out, i);
        assert_int_equal(part_scan(p, 0, part_end(p, true), last_value, values), 0);
    }
    return values[key];
}

/* ---- asking */

struct answer {
    bool done;
    int status;
    char why[400];
    struct job_status *st;
};

static void status_cb(void *arg, int status, struct job_status *st)
{
    struct answer *x = arg;
    *x = (struct answer){.done = true, .status = status, .st = st};
}

static struct job_status *status_of(struct uuid id, struct arena *a)
{
    struct answer x = {.done = false};
    engine_job_status(W.e, id, W.loops[W.nloops - 1], a, status_cb, &x);
    jw_wait(&W, &x.done, "a status");
    return x.status ? NULL : x.st;
}

static enum job_state state_of(struct uuid id)
{
    struct arena a;
    arena_init(&a);
    struct job_status *st = status_of(id, &a);
    jw_must(st, "no such job");
    enum job_state s = st->state;
    arena_fini(&a);
    return s;
}

static void await_cb(void *arg, int status, const char *why)
{
    struct answer *x = arg;
    *x = (struct answer){.done = true, .status = status};
    snprintf(x->why, sizeof x->why, "%s", why ? why : "");
}

static struct answer await(struct uuid id)
{
    struct answer x = {.done = false};
    engine_job_await(W.e, id, W.loops[0], await_cb, &x);
    jw_wait(&W, &x.done, "the job to be up");
    return x;
}

static struct answer resume(struct uuid id)
{
    struct answer x = {.done = false};
    engine_job_again(W.e, id, W.loops[0], await_cb, &x);
    jw_wait(&W, &x.done, "the job to be begun anew");
    return x;
}

struct asking {
    int64_t keys[1000], values[1000], at_us[1000];
    unsigned n, hold_after;
    bool ended;
    int status;
    char why[400];
    unsigned progressed;
};

static bool rows_cb(void *arg, struct batch *b)
{
    struct asking *x = arg;
    for (uint32_t i = 0; i < b->nsel && x->n < 1000; i++, x->n++) {
        x->keys[x->n] = b->cols[0].i64[batch_row(b, i)];
        x->values[x->n] = b->cols[1].i64[batch_row(b, i)];
        x->at_us[x->n] = sim_now_us(W.sim);
    }
    return !x->hold_after || x->n < x->hold_after;
}

static void end_cb(void *arg, int status, const char *why)
{
    struct asking *x = arg;
    assert_false(x->ended);
    x->ended = true;
    x->status = status;
    snprintf(x->why, sizeof x->why, "%s", why ? why : "");
}

static void progress_cb(void *arg, const struct job_status *st)
{
    struct asking *x = arg;
    assert_int_equal(st->nsources, PARTS);
    x->progressed++;
}

static const struct query_class asking_class = {.rows = rows_cb, .end = end_cb, .progress = progress_cb};

static struct query *ask(struct asking *x, bool until_end, int64_t limit)
{
    struct arena a;
    struct planlib pl;
    struct query *q;
    struct diag d = {0};
    arena_init(&a);
    planlib_init(&pl, &a, 1);
    struct plan_node *src = pl_source(&pl, "I", in, false);
    src->until_end = until_end;
    int err = query_start(&q, W.e, W.loops[0], planlib_done(&pl, pl_sink_query(&pl, src, limit)), &asking_class, x, &d);
    jw_must(err == 0, "query: %s", d.text);
    arena_fini(&a);
    return q;
}

static void end_query(struct query *q)
{
    query_close(q);
    jw_pass_ms(&W, 100);
}

static void ask_scan(struct asking *x, struct uuid id)
{
    struct arena a;
    struct planlib pl;
    struct query *q;
    struct diag d = {0};
    arena_init(&a);
    planlib_init(&pl, &a, 1);
    struct plan *p = planlib_done(&pl, pl_sink_query(&pl, pl_scan(&pl, "SUMS", id, 2), -1));
    static const struct query_class cls = {.rows = rows_cb, .end = end_cb};
    *x = (struct asking){.n = 0};
    jw_must(query_start(&q, W.e, W.loops[W.nloops - 1], p, &cls, x, &d) == 0, "query: %s", d.text);
    jw_wait(&W, &x->ended, "an answer");
    end_query(q);
    arena_fini(&a);
}

/* ---- queries */

/* A push query's row comes within 120 ms of its record's acknowledgement. */
static void test_push_query_is_quick(void **state)
{
    (void)state;
    static struct asking x;
    x = (struct asking){.n = 0};
    struct query *q = ask(&x, false, -1);
    jw_pass_ms(&W, 500);
    for (int i = 0; i < 50; i++) {
        jw_row(&W, in, i % PARTS, 0, i, i * 10, false);
        int64_t acked = sim_now_us(W.sim);
        unsigned want = (unsigned)i + 1;
        while (x.n < want)
            assert_true(sim_step(W.sim));
        assert_in_range(x.at_us[i] - acked, 0, 120000);
        assert_int_equal(x.values[i], i * 10);
        jw_pass_ms(&W, i % 7 * 30);
    }
    jw_pass_ms(&W, 3000);
    assert_true(x.progressed >= 3 && !x.ended);
    end_query(q);
}

/* LIMIT ends a push query by itself, after exactly so many rows. */
static void test_limit(void **state)
{
    (void)state;
    static struct asking x;
    x = (struct asking){.n = 0};
    for (int i = 0; i < 10; i++)
        jw_row(&W, in, 0, 0, i, i, false);
    struct query *q = ask(&x, false, 4);
    jw_wait(&W, &x.ended, "the limit");
    assert_int_equal(x.n, 4);
    assert_int_equal(x.status, 0);
    end_query(q);
}

/* A pull query over a stream gives what was there when it began, and ends; an empty topic gives nothing, and ends. */
static void test_pull_stream(void **state)
{
    (void)state;
    static struct asking x;
    x = (struct asking){.n = 0};
    struct query *q = ask(&x, true, -1);
    jw_wait(&W, &x.ended, "the end of nothing");
    assert_int_equal(x.n, 0);
    end_query(q);
    for (int i = 0; i < 20; i++)
        jw_row(&W, in, i % PARTS, 0, i, i, false);
    x = (struct asking){.n = 0};
    q = ask(&x, true, -1);
    jw_wait(&W, &x.ended, "the end");
    assert_int_equal(x.n, 20);
    assert_int_equal(x.status, 0);
    end_query(q);
}

/* A client that is not ready gets no more rows until it is, and then all of them, in order. */
static void test_held_query(void **state)
{
    (void)state;
    static struct asking x;
    x = (struct asking){.hold_after = 1};
    struct query *q = ask(&x, false, -1);
    for (int i = 0; i < 300; i++)
        jw_row(&W, in, 0, 0, i, i, false);
    jw_pass_ms(&W, 2000);
    unsigned held_at = x.n;
    assert_in_range(held_at, 1, 299);
    x.hold_after = 0;
    query_resume(q);
    jw_pass_ms(&W, 2000);
    assert_int_equal(x.n, 300);
    for (int i = 0; i < 300; i++)
        assert_int_equal(x.values[i], i);
    end_query(q);
}

/* Looking at what is no table says so. */
static void test_scan_refused(void **state)
{
    (void)state;
    static struct asking x;
    ask_scan(&x, id_of(77));
    assert_int_not_equal(x.status, 0);
    assert_non_null(strstr(x.why, "no running job"));
}

/* ---- jobs */

/* A stopped job keeps its place: started again it counts what came meanwhile, once. */
static void test_stop_and_start(void **state)
{
    (void)state;
    put_sums(false);
    assert_int_equal(await(job).status, 0);
    jw_row(&W, in, 0, 0, 7, 100, false);
    jw_pass_ms(&W, 1000);
    assert_int_equal(output_value(7), 100);
    put_sums(true);
    jw_pass_ms(&W, 1000);
    assert_int_equal(state_of(job), JOB_PAUSED);
    jw_row(&W, in, 1, 0, 7, 11, false);
    jw_pass_ms(&W, 1000);
    assert_int_equal(output_value(7), 100);
    put_sums(false);
    assert_int_equal(await(job).status, 0);
    jw_pass_ms(&W, 1000);
    assert_int_equal(output_value(7), 111);
    again(1);
    jw_row(&W, in, 1, 0, 7, 1000, false);
    jw_pass_ms(&W, 1000);
    assert_int_equal(output_value(7), 1111);
}

/* The status counts rows and knows the lag. */
static void test_status(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    put_sums(false);
    assert_int_equal(await(job).status, 0);
    for (int i = 0; i < 10; i++)
        jw_row(&W, in, i % PARTS, 0, i, i, false);
    jw_pass_ms(&W, 1000);
    struct job_status *st = status_of(job, &a);
    assert_non_null(st);
    assert_int_equal(st->state, JOB_RUNNING);
    assert_int_equal(st->rows_in, 10);
    assert_int_equal(st->rows_out, 10);
    assert_int_equal(st->lag, 0);
    assert_int_equal(st->nsources, PARTS);
    assert_true(st->epoch > 1 && st->state_rows > 0);
    assert_null(status_of(id_of(99), &a));
    arena_fini(&a);
}

/* A topic deleted under a job: it fails with a sentence, others go on; it stays failed until stopped. */
static void test_topic_deleted(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    put_sums(false);
    assert_int_equal(await(job).status, 0);
    struct change ch;
    change_init(&ch);
    change_delete_topic(&ch, in);
    jw_commit(&W, &ch);
    change_fini(&ch);
    jw_pass_ms(&W, 1000);
    struct job_status *st = status_of(job, &a);
    assert_int_equal(st->state, JOB_FAILED);
    assert_non_null(strstr(st->why, "was deleted"));
    struct answer x = await(job);
    assert_int_equal(x.status, E_NO_TOPIC);
    put_sums(true);
    jw_pass_ms(&W, 1000);
    assert_int_equal(state_of(job), JOB_PAUSED);
    arena_fini(&a);
}

/* A plan that cannot be read fails its job, not the server. */
static void test_damaged_plan(void **state)
{
    (void)state;
    struct change ch;
    struct wbuf body;
    struct job_def def = {
        .name = "bad", .sql = "", .plan = STR("\x94\x01nonsense"), .output = out, .changelog = changelog};
    change_init(&ch);
    wbuf_init(&body);
    job_def_pack(&def, &body);
    change_put_object(&ch, "job", STR("bad"), id_of(50), wbuf_view(&body), true);
    jw_commit(&W, &ch);
    struct answer x = await(id_of(50));
    assert_int_not_equal(x.status, 0);
    assert_non_null(strstr(x.why, "plan"));
    wbuf_fini(&body);
    change_fini(&ch);
    put_sums(false);
    assert_int_equal(await(job).status, 0);
}

/* A C function whose library is missing fails the job that calls it, and nothing else. */
static void test_udf_missing(void **state)
{
    (void)state;
    struct arena a;
    struct planlib pl;
    arena_init(&a);
    planlib_init(&pl, &a, TASKS);
    struct plan_node *n = pl_pick(&pl, pl_source(&pl, "I", in, false), 2, (unsigned[]){0, 1});
    struct expr *call = ARENA_NEW(&a, struct expr);
    *call = (struct expr){
        .kind = EX_UDF, .type = TYPE(T_BIGINT), .nargs = 1, .args = n->exprs, .udf = {"F", "/nowhere/libf.so", "f"}};
    const struct expr *exprs[] = {n->exprs[0], call};
    n->exprs = exprs;
    jw_put_job(&W, "calls", id_of(60), planlib_done(&pl, pl_sink_topic(&pl, n, out, 0, 1, -1, 0)), out, changelog,
               false);
    struct answer x = await(id_of(60));
    assert_int_not_equal(x.status, 0);
    assert_non_null(strstr(x.why, "libf.so"));
    put_sums(false);
    assert_int_equal(await(job).status, 0);
    arena_fini(&a);
}

static void fill_disk_under_a_row(void)
{
    jw_row(&W, in, 0, 0, 7, 100, false);
    simdisk_set_capacity(W.sd, 1);
}

/* A full disk holds a job up, with a sentence, and no longer than it is full: no row is lost or counted twice. */
static void test_full_disk_passes(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    put_sums(false);
    assert_int_equal(await(job).status, 0);
    jw_row(&W, in, 0, 0, 7, 1, false);
    jw_pass_ms(&W, 1000);
    for (int round = 1; round <= 2; round++) {
        fill_disk_under_a_row();
        jw_pass_ms(&W, 3000);
        struct job_status *st = status_of(job, &a);
        assert_int_equal(st->state, JOB_STARTING);
        assert_non_null(strstr(st->why, "coordinator"));
        simdisk_set_capacity(W.sd, -1);
        assert_int_equal(await(job).status, 0);
        jw_pass_ms(&W, 1000);
        assert_int_equal(output_value(7), 1 + 100 * round);
    }
    arena_fini(&a);
}

/* A disk that stays full fails the job in the end; nobody waits for ever. */
static void test_full_disk_stays(void **state)
{
    (void)state;
    put_sums(false);
    assert_int_equal(await(job).status, 0);
    fill_disk_under_a_row();
    jw_pass_ms(&W, 100000);
    assert_int_equal(state_of(job), JOB_FAILED);
    assert_int_equal(await(job).status, E_COORDINATOR);
    simdisk_set_capacity(W.sd, -1);
    put_sums(true);
    jw_pass_ms(&W, 1000);
    put_sums(false);
    assert_int_equal(await(job).status, 0);
    jw_pass_ms(&W, 1000);
    assert_int_equal(output_value(7), 100);
}

/* A job that has failed is begun anew from its last commit when it is asked for; one that runs, or is none, is left alone. */
static void test_failed_job_again(void **state)
{
    (void)state;
    put_sums(false);
    assert_int_equal(await(job).status, 0);
    assert_int_equal(resume(job).status, E_CANCELED);
    fill_disk_under_a_row();
    jw_pass_ms(&W, 100000);
    assert_int_equal(state_of(job), JOB_FAILED);
    struct arena a;
    arena_init(&a);
    assert_int_equal(status_of(job, &a)->lag, -1);
    arena_fini(&a);
    simdisk_set_capacity(W.sd, -1);
    assert_int_equal(resume(job).status, 0);
    assert_int_equal(await(job).status, 0);
    jw_pass_ms(&W, 1000);
    assert_int_equal(output_value(7), 100);
    assert_int_equal(resume(job).status, E_CANCELED);
    assert_int_equal(resume(id_of(50)).status, E_NOT_FOUND);
}

static char *state_path(struct arena *a, const char *file)
{
    char id[UUID_TEXT];
    uuid_format(job, id);
    return arena_printf(a, "/data/state/%s%s", id, file);
}

static void fill(unsigned rows)
{
    for (unsigned i = 0; i < rows; i++)
        jw_row(&W, in, (int32_t)(i % PARTS), 0, i % 20, 1, false);
    jw_pass_ms(&W, 1000);
}

/* A checkpoint that is gone or damaged is only a slower start. */
static void test_checkpoint_lost(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    struct disk *disk = simdisk_disk(W.sd);
    put_sums(false);
    fill(40);
    for (int round = 0; round < 4; round++) {
        jw_stop(&W);
        jw_must(disk_exists(disk, state_path(&a, "/0-0.db")), "no checkpoint was taken at a clean stop");
        if (round == 0)
            assert_int_equal(simdisk_flip(W.sd, state_path(&a, "/0-0.db"), 100, 3), 0);
        else if (round == 1)
            assert_int_equal(disk_write_file(disk, state_path(&a, "/0-1.db"), "nonsense", 8), 0);
        else if (round == 2)
            assert_int_equal(disk_remove_tree(disk, state_path(&a, "")), 0);
        jw_open(&W, 1 + (unsigned)round % 3);
        jw_start(&W);
        fill(40);
        for (int k = 0; k < 20; k++)
            assert_int_equal(output_value(k), 2 * (round + 2));
    }
    arena_fini(&a);
}

/* Damage that only a late cold read meets, while the job runs: the file is made anew from the changelog, and every value is
 * right. */
static void test_damage_found_late(void **state)
{
    (void)state;
    struct arena a;
    struct file *f;
    arena_init(&a);
    W.conf.state_memory = 20000;
    again(2);
    put_sums(false);
    for (int i = 0; i < 3000; i++)
        jw_row(&W, in, i % 2, 0, i, 1, false);
    jw_pass_ms(&W, 2000);
    jw_stop(&W);
    const char *path = state_path(&a, "/0-0.db");
    assert_int_equal(disk_open(simdisk_disk(W.sd), path, FILE_READ, &f), 0);
    int64_t size = file_size(f);
    file_close(f);
    jw_must(size > 10 * 4096, "the file has only %" PRId64 " bytes", size);
    assert_int_equal(simdisk_flip(W.sd, path, size / 4096 / 2 * 4096 + 2000, 3), 0);
    jw_open(&W, 2);
    jw_start(&W);
    assert_int_equal(await(job).status, 0);
    assert_true(disk_exists(simdisk_disk(W.sd), path)); /* opening it did not find it */
    for (int i = 0; i < 3000; i++)
        jw_row(&W, in, i % 2, 0, i, 1, false);
    jw_pass_ms(&W, 10000);
    assert_int_equal(await(job).status, 0);
    for (int k = 0; k < KEYS; k++)
        assert_int_equal(output_value(k), 2);
    arena_fini(&a);
}

/* A file that vanishes under a running job is made anew from the changelog; what it held is not taken for nothing. */
static void test_file_vanishes(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    W.conf.state_memory = 20000;
    again(2);
    put_sums(false);
    for (int i = 0; i < 3000; i++)
        jw_row(&W, in, i % 2, 0, i, 1, false);
    jw_pass_ms(&W, 2000);
    again(2);
    assert_int_equal(await(job).status, 0);
    assert_int_equal(disk_unlink(simdisk_disk(W.sd), state_path(&a, "/0-0.db")), 0);
    for (int i = 0; i < 3000; i++)
        jw_row(&W, in, i % 2, 0, i, 1, false);
    jw_pass_ms(&W, 10000);
    assert_int_equal(await(job).status, 0);
    for (int k = 0; k < KEYS; k++)
        assert_int_equal(output_value(k), 2);
    arena_fini(&a);
}

/* A checkpoint that cannot be written does not keep a job from stopping, nor from coming back. */
static void test_checkpoint_refused(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    struct disk *disk = simdisk_disk(W.sd);
    put_sums(false);
    fill(20);
    assert_int_equal(disk_mkdir(disk, "/data/state"), 0);
    assert_int_equal(disk_mkdir(disk, state_path(&a, "")), 0);
    assert_int_equal(disk_mkdir(disk, state_path(&a, "/0-0.db")), 0);
    again(1);
    fill(20);
    for (int k = 0; k < 20; k++)
        assert_int_equal(output_value(k), 2);
    arena_fini(&a);
}

/* A dropped job leaves no state behind, and neither does one that was dropped while nobody ran it. */
static void test_drop(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    struct disk *disk = simdisk_disk(W.sd);
    put_sums(false);
    fill(20);
    again(2); /* takes checkpoints */
    assert_int_equal(await(job).status, 0);
    assert_true(disk_exists(disk, state_path(&a, "")));
    assert_int_equal(disk_mkdir(disk, "/data/state/AgAAAAAAAAAAAAAAAAAAAA"), 0);
    struct change ch;
    change_init(&ch);
    change_remove_object(&ch, "job", job);
    jw_commit(&W, &ch);
    change_fini(&ch);
    jw_pass_ms(&W, 2000);
    assert_false(disk_exists(disk, state_path(&a, "")));
    again(2);
    jw_pass_ms(&W, 2000);
    assert_false(disk_exists(disk, "/data/state/AgAAAAAAAAAAAAAAAAAAAA"));
    arena_fini(&a);
}

/* New partitions of a topic are read, from their beginning. */
static void test_topic_grows(void **state)
{
    (void)state;
    put_sums(false);
    fill(20);
    struct change ch;
    change_init(&ch);
    change_add_parts(&ch, in, PARTS + 2);
    jw_commit(&W, &ch);
    change_fini(&ch);
    jw_row(&W, in, PARTS + 1, 0, 3, 1000, false);
    jw_pass_ms(&W, 3000);
    assert_int_equal(state_of(job), JOB_RUNNING);
    assert_int_equal(output_value(3), 1001);
    assert_int_equal(output_value(4), 1);
}

/* A partition where nothing happens holds windows open only until it counts as idle. */
static void test_idle_partition(void **state)
{
    (void)state;
    W.conf.idle_timeout_ms = 2000;
    struct arena a;
    struct planlib pl;
    arena_init(&a);
    planlib_init(&pl, &a, TASKS);
    struct plan_node *n = pl_window(&pl, pl_source(&pl, "I", in, false), 1000, 0);
    n = pl_exchange(&pl, n, 1, (unsigned[]){0});
    n = pl_aggregate(&pl, n, 3, (unsigned[]){0, 2, 3}, AGG_SUM, 1, 1000, 0);
    n->emit_final = true;
    unsigned cols[] = {0, 3};
    struct plan_node *pick = pl_pick(&pl, n, 2, cols);
    pl_set_key(&pl, pick, 0);
    jw_put_job(&W, "final", job, planlib_done(&pl, pl_sink_topic(&pl, pick, out, 0, 1, -1, 0)), out, changelog, false);
    assert_int_equal(await(job).status, 0);
    jw_pass_ms(&W, 100); /* the silent partition has been looked at before rows come to the other one */
    jw_row(&W, in, 0, 100, 5, 42, false);
    jw_row(&W, in, 0, 5000, 6, 1, false);
    jw_pass_ms(&W, 1000);
    assert_int_equal(output_value(5), -1);
    jw_pass_ms(&W, 3000);
    assert_int_equal(output_value(5), 42);
    arena_fini(&a);
}

/* State that outgrows its memory goes to the checkpoint file, and the job goes on. */
static void test_memory(void **state)
{
    (void)state;
    W.conf.state_memory = 20000;
    again(2);
    put_sums(false);
    assert_int_equal(await(job).status, 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 400; i++)
            jw_row(&W, in, 0, 0, i, 1, false);
        jw_pass_ms(&W, 10000);
        assert_int_equal(await(job).status, 0);
        assert_int_equal(output_value(KEYS - 1), round + 1);
    }
}

static void many_flushed(void *arg, int status, int64_t base, int64_t end)
{
    (void)base, (void)end;
    assert_int_equal(status, 0);
    *(bool *)arg = true;
}

#ifdef TINY
enum { MANY = 3000, LEAST = 0 }; /* in batches of four rows */
#else
enum { MANY = 150000, LEAST = 1 << 20 };
#endif

static void many_rows(int32_t index)
{
    struct writer *wr;
    bool done = false;
    jw_must(writer_open(&wr, broker_store(W.b), jw_part(&W, in, index), W.loops[0]) == 0, "writer");
    for (int64_t i = 0; i < MANY; i++) {
        uint8_t key[8], value[8] = {[7] = 1};
        put_be64(key, (uint64_t)i);
        writer_record(wr, 5, (struct str){(char *)key, 8}, (struct str){(char *)value, 8});
        if ((i + 1) % (MANY / 30))
            continue;
        done = false;
        writer_flush(wr, many_flushed, &done);
        jw_wait(&W, &done, "rows to be written");
    }
    writer_close(wr);
}

/* State that takes 28 MB where it may lies within 4.5 MB when its budget is 1 MiB, writers and checkpoints included: that and a
 * quarter, PRESS_BYTES for each task, and what becomes of the rows in flight. Nothing is lost. */
static void test_memory_bound(void **state)
{
    (void)state;
    int64_t most = 0;
    bool over = false;
    W.conf.state_memory = 1 << 20;
    again(2);
    put_sums(true);
    for (int32_t p = 0; p < PARTS; p++)
        many_rows(p);
    put_sums(false);
    for (int i = 0; i < 20000 && !over; i++) {
        struct arena a;
        arena_init(&a);
        jw_pass_ms(&W, 5);
        struct job_status *st = status_of(job, &a);
        most = MAX(most, st->memory_bytes);
        over = st->rows_in >= (uint64_t)MANY * PARTS && st->lag == 0;
        arena_fini(&a);
    }
    assert_true(over);
    jw_pass_ms(&W, 1000); /* a commit is told before its markers are written */
    assert_in_range(most, LEAST, (1 << 20) / 4 * 5 + (TASKS + 1) * (1 << 20));
    for (int k = 0; k < 3; k++)
        assert_int_equal(output_value(k), PARTS);
}

/* ---- ten times the memory */

#ifdef TINY
enum { HELD = 4000, HELD_MEMORY = 16384, HELD_MORE = 1 << 20 };
#else
enum { HELD = 220000, HELD_MEMORY = 1 << 20, HELD_MORE = 4 * PRESS_BYTES };
#endif
enum { CHANGES = HELD / 2 };
static int64_t held[HELD]; /* what the table must have; -1: no such row */
static int64_t most_memory, held_bytes;

/* A table of all keys, its sums by key: two keepers of rows that may go again, and the table they fill. */
static void put_table_sums(bool stopped)
{
    struct arena a;
    struct planlib pl;
    arena_init(&a);
    planlib_init(&pl, &a, TASKS);
    struct plan_node *n = pl_normalize(&pl, pl_exchange(&pl, pl_source(&pl, "I", in, true), 1, (unsigned[]){0}));
    n = pl_aggregate(&pl, n, 1, (unsigned[]){0}, AGG_SUM, 1, 0, 0);
    jw_put_job(&W, "sums", job, planlib_done(&pl, pl_sink_topic(&pl, n, out, 0, 1, -1, 0)), out, changelog, stopped);
    arena_fini(&a);
}

/* One change: of key k if all come in order, else of any. */
static int64_t changed_key(struct random *dice, bool all, int64_t k)
{
    int64_t key = all ? k : (int64_t)random_below(dice, HELD);
    held[key] = !all && random_below(dice, 4) == 0 ? -1 : (int64_t)random_below(dice, 1000000);
    return key;
}

static void write_changes(struct random *dice, bool all, int64_t n)
{
    struct writer *wr[PARTS];
    for (int32_t p = 0; p < PARTS; p++)
        jw_must(writer_open(&wr[p], broker_store(W.b), jw_part(&W, in, p), W.loops[0]) == 0, "writer");
    for (int64_t i = 0; i < n; i++) {
        uint8_t key[8], value[8];
        int64_t k = changed_key(dice, all, i);
        put_be64(key, (uint64_t)k);
        put_be64(value, (uint64_t)held[k]);
        writer_record(wr[k % PARTS], 5, (struct str){(char *)key, 8}, held[k] < 0 ? STR_NULL : (struct str){(char *)value, 8});
        for (int32_t p = 0; p < PARTS && ((i + 1) % (HELD / 80) == 0 || i + 1 == n); p++) {
            bool done = false;
            writer_flush(wr[p], many_flushed, &done);
            jw_wait(&W, &done, "rows to be written");
        }
    }
    for (int32_t p = 0; p < PARTS; p++)
        writer_close(wr[p]);
}

static bool came_to(uint64_t rows)
{
    struct arena a;
    arena_init(&a);
    struct job_status *st = status_of(job, &a);
    most_memory = MAX(most_memory, st->memory_bytes);
    held_bytes = 0;
    for (unsigned i = 0; i < st->ntasks; i++)
        for (unsigned k = 0; k < st->nnodes; k++)
            held_bytes += st->tasks[i].nodes[k].cold_bytes;
    bool come = st->rows_in >= rows && (rows > 1 || st->lag == 0);
    arena_fini(&a);
    return come;
}

static void work_until(uint64_t rows)
{
    bool come = false;
    for (int i = 0; i < 100000 && !come; i++) {
        jw_pass_ms(&W, 5);
        come = came_to(rows);
    }
    assert_true(come);
}

static int check_held(void *arg, const struct record *rec)
{
    int64_t *got = arg;
    got[be64(rec->key.ptr)] = rec->value.ptr ? (int64_t)be64(rec->value.ptr) : -1;
    return 0;
}

/* State ten times as large as its memory: rows come, change and go at random, the server is stopped in the middle, and in the
 * end the table is what it must be. Memory keeps its budget, a quarter, and a little for each task. */
static void test_ten_times(void **state)
{
    (void)state;
    struct random dice;
    random_seed(&dice, test_seed());
    W.conf.state_memory = HELD_MEMORY;
    W.conf.commit_interval_ms = 100;
    again(2);
    put_table_sums(true);
    write_changes(&dice, true, HELD);
    put_table_sums(false);
    work_until(HELD);
    write_changes(&dice, false, CHANGES);
    work_until(HELD + CHANGES / 2);
    again(2);
    write_changes(&dice, false, CHANGES);
    work_until(1);
    jw_pass_ms(&W, 60000);
    (void)came_to(1);
    int64_t *got = xalloc(sizeof held);
    memset(got, -1, sizeof held);
    for (int32_t p = 0; p < PARTS; p++)
        assert_int_equal(part_scan(jw_part(&W, out, p), 0, jw_stable(jw_part(&W, out, p)), check_held, got), 0);
    for (int64_t k = 0; k < HELD; k++)
        assert_int_equal(got[k], held[k]);
    xfree(got);
    print_message("state %" PRId64 " bytes, memory %" PRId64 "\n", held_bytes, most_memory);
    assert_in_range(held_bytes, 10 * HELD_MEMORY, INT64_MAX);
    assert_in_range(most_memory, 0, HELD_MEMORY / 4 * 5 + HELD_MORE);
}

/* ---- bad records */

static void bad_flushed(void *arg, int status, int64_t base, int64_t end)
{
    (void)arg, (void)base, (void)end;
    assert_int_equal(status, 0);
}

static void put_bad_row(int32_t index)
{
    struct writer *wr;
    jw_must(writer_open(&wr, broker_store(W.b), jw_part(&W, in, index), W.loops[0]) == 0, "writer");
    writer_record(wr, 5, STR("12345678"), STR("short"));
    writer_flush(wr, bad_flushed, NULL);
    writer_close(wr);
    jw_pass_ms(&W, 2000);
}

static int count_row(void *arg, const struct record *rec)
{
    (void)rec;
    ++*(int *)arg;
    return 0;
}

/* Committed records of the topic of that name; -1: there is no such topic. */
static int letters_in(const char *name)
{
    struct image *im = cluster_image(broker_cluster(W.b));
    const struct topic *t = image_topic(im, str_of(name));
    int n = t ? 0 : -1;
    struct part *p = t ? jw_part(&W, t->id, 0) : NULL;
    counted_release(&im->c);
    if (p)
        assert_int_equal(part_scan(p, 0, jw_stable(p), count_row, &n), 0);
    return n;
}

static void delete_topic(const char *name)
{
    struct change ch;
    struct image *im = cluster_image(broker_cluster(W.b));
    struct uuid id = image_topic(im, str_of(name))->id;
    counted_release(&im->c);
    change_init(&ch);
    change_delete_topic(&ch, id);
    jw_commit(&W, &ch);
    change_fini(&ch);
}

static void assert_failed(const char *sentence)
{
    struct arena a;
    arena_init(&a);
    struct job_status *st = status_of(job, &a);
    assert_non_null(st);
    assert_int_equal(st->state, JOB_FAILED);
    assert_non_null(strstr(st->why, sentence));
    arena_fini(&a);
}

/* The topic of dead letters is made at the first one; if somebody deletes it, the job fails, and makes another when it
 * is begun anew: no letter is lost. */
static void test_letters_deleted(void **state)
{
    (void)state;
    put_sums(false);
    assert_int_equal(await(job).status, 0);
    assert_int_equal(letters_in("sums_dlq"), -1);
    put_bad_row(0);
    put_bad_row(1);
    jw_row(&W, in, 1, 0, 3, 30, false);
    jw_pass_ms(&W, 1000);
    assert_int_equal(letters_in("sums_dlq"), 2);
    assert_int_equal(output_value(3), 30);
    delete_topic("sums_dlq");
    put_bad_row(1);
    assert_failed("its topic of dead letters cannot be written");
    again(2);
    assert_int_equal(await(job).status, 0);
    jw_pass_ms(&W, 2000);
    assert_int_equal(letters_in("sums_dlq"), 1);
}

/* A topic of dead letters that cannot be made fails the job with a sentence, and nothing is passed over. */
static void test_letters_impossible(void **state)
{
    (void)state;
    create_topic("sums.dlq", id_of(5), 1); /* '.' and '_' count as one */
    put_sums(false);
    assert_int_equal(await(job).status, 0);
    put_bad_row(0);
    assert_failed("its topic of dead letters, sums_dlq, cannot be made: topic 'sums_dlq' collides");
    delete_topic("sums.dlq");
    again(1);
    assert_int_equal(await(job).status, 0);
    jw_pass_ms(&W, 2000);
    assert_int_equal(letters_in("sums_dlq"), 1);
}

/* Output that is too large for its topic is a dead letter, whatever made it. */
static void test_output_too_large(void **state)
{
    (void)state;
    struct change ch;
    struct topic_config config = {"max.message.bytes", "100"};
    struct uuid small = id_of(5);
    change_init(&ch);
    jw_must(change_create_topic(&ch, STR("small"), &small, 1, &config, 1, NULL) == 0, "topic");
    jw_commit(&W, &ch);
    change_fini(&ch);
    struct arena a;
    struct planlib pl;
    arena_init(&a);
    planlib_init(&pl, &a, TASKS);
    struct plan_node *n = pl_exchange(&pl, pl_source(&pl, "I", in, false), 1, (unsigned[]){0});
    n = pl_aggregate(&pl, n, 1, (unsigned[]){0}, AGG_SUM, 1, 0, 0);
    jw_put_job(&W, "sums", job, planlib_done(&pl, pl_sink_topic(&pl, n, small, 0, 1, -1, 0)), small, changelog, false);
    assert_int_equal(await(job).status, 0);
    jw_row(&W, in, 0, 0, 3, 30, false);
    jw_pass_ms(&W, 2000);
    struct job_status *st = status_of(job, &a);
    assert_int_equal(st->state, JOB_RUNNING);
    assert_int_equal(st->bad[BAD_OUTPUT], 1);
    assert_int_equal(st->lag, 0);
    assert_int_equal(letters_in("sums_dlq"), 1);
    arena_fini(&a);
}

/* A stop ends soon, whichever write or sync of what it still has to do is the first that fails. */
static void test_stops_on_a_broken_disk(void **state)
{
    for (unsigned nth = 1; nth <= 60; nth++) {
        if (nth > 1)
            setup(state);
        put_sums(false);
        jw_pass_ms(&W, 500);
        jw_row(&W, in, 0, 1, 1, 10, false);
        for (unsigned steps = 0; steps < nth * 5; steps++)
            sim_step(W.sim);
        if (nth % 3)
            simdisk_fail_nth(W.sd, nth % 3 == 1 ? SIMDISK_EIO_SYNC : SIMDISK_EIO_WRITE, 1 + nth / 3 % 10);
        else
            assert_int_equal(disk_remove_tree(simdisk_disk(W.sd), "/data"), 0);
        int64_t asked = sim_now_us(W.sim);
        jw_stop(&W);
        assert_true(sim_now_us(W.sim) - asked < 30000000);
        jw_fini(&W);
    }
    setup(state);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_stops_on_a_broken_disk),
        T(test_push_query_is_quick), T(test_limit),           T(test_pull_stream), T(test_held_query),
        T(test_scan_refused),        T(test_stop_and_start),  T(test_status),      T(test_topic_deleted),
        T(test_damaged_plan),        T(test_checkpoint_lost), T(test_drop),        T(test_topic_grows),
        T(test_idle_partition),      T(test_memory), T(test_memory_bound), T(test_ten_times),          T(test_udf_missing), T(test_checkpoint_refused),
        T(test_letters_deleted),     T(test_letters_impossible), T(test_output_too_large),
        T(test_full_disk_passes),    T(test_failed_job_again), T(test_full_disk_stays), T(test_damage_found_late),
        T(test_file_vanishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
