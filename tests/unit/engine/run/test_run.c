/* Jobs and queries over a real broker in the simulator. */
#include "engine/run/job.h"
#include "log/base/limits.h"
#include "state/state.h"
#include "tests/unit/engine/run/sums.h"
#include "tests/lib/planlib.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; } /* what a crash leaves behind is lost on purpose */

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

/* Sums by key, asked often and in any order of what happens, are those of all rows: also where partitions that are empty
 * end before the others begin. */
static void test_pull_sums(void **state)
{
    (void)state;
    static struct asking x;
    for (int i = 0; i < 3; i++)
        jw_row(&W, in, 1, 0, 7, i, false);
    for (int i = 0; i < 200; i++) {
        struct arena a;
        struct planlib pl;
        struct query *q;
        struct diag d = {0};
        unsigned key = 0;
        arena_init(&a);
        planlib_init(&pl, &a, 2);
        x = (struct asking){.n = 0};
        struct plan_node *src = pl_source(&pl, "I", in, false);
        src->until_end = true;
        struct plan_node *sums = pl_aggregate(&pl, pl_exchange(&pl, src, 1, &key), 1, &key, AGG_SUM, 1, 0, 0);
        struct plan *plan = planlib_done(&pl, pl_sink_query(&pl, sums, -1));
        jw_must(query_start(&q, W.e, W.loops[0], plan, &asking_class, &x, &d) == 0, "query: %s", d.text);
        jw_wait(&W, &x.ended, "the sums");
        assert_int_equal(x.n, 1);
        assert_int_equal(x.values[0], 3);
        end_query(q);
        arena_fini(&a);
    }
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

/* A job that has failed is begun anew from its last commit when it is asked for; one that runs, or is none, is left
 * alone. */
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

static void assert_whole_file(const char *path)
{
    struct checkpoint *cp;
    struct diag d = {0};
    jw_must(disk_exists(simdisk_disk(W.sd), path), "no checkpoint was taken at a clean stop");
    if (checkpoint_open(&cp, simdisk_disk(W.sd), path, &d) != 0)
        fail_msg("%s", d.text);
    assert_true(checkpoint_offset(cp) > 0);
    checkpoint_close(cp);
}

/* A checkpoint that is gone or damaged is only one slower start: the next stop leaves a whole one. */
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
        assert_whole_file(state_path(&a, "/0-0.db"));
        assert_whole_file(state_path(&a, "/0-1.db"));
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

/* What a checkpoint holds outlasts a power cut: its folders' names are durable, too. */
static void test_checkpoint_durable(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    put_sums(false);
    fill(40);
    again(2); /* takes checkpoints */
    assert_int_equal(await(job).status, 0);
    jw_crash(&W, SIMDISK_LOSE);
    assert_whole_file(state_path(&a, "/0-0.db"));
    jw_open(&W, 1);
    jw_start(&W);
    fill(40);
    for (int k = 0; k < 20; k++)
        assert_int_equal(output_value(k), 4);
    arena_fini(&a);
}

/* ROWS rows of as many keys, most of which are no longer in memory when this returns. */
enum { ROWS = 3000 };
static void fill_cold(void)
{
    for (int i = 0; i < ROWS; i++)
        jw_row(&W, in, i % PARTS, 0, i, 1, false);
    jw_pass_ms(&W, 2000);
}

static void put_cold_sums(void)
{
    W.conf.state_memory = 20000;
    again(2);
    put_sums(false);
    fill_cold();
}

/* All rows once more: now that the file has to be read, what it held is not lost. */
static void assert_cold_twice(void)
{
    fill_cold();
    jw_pass_ms(&W, 8000);
    assert_int_equal(await(job).status, 0);
    for (int k = 0; k < KEYS; k++)
        assert_int_equal(output_value(k), 2);
}

/* Damage that only a late cold read meets, while the job runs: the file is made anew from the changelog, and every
 * value is right. */
static void test_damage_found_late(void **state)
{
    (void)state;
    struct arena a;
    struct file *f;
    arena_init(&a);
    put_cold_sums();
    jw_stop(&W);
    const char *path = state_path(&a, "/0-0.db");
    assert_int_equal(disk_open(simdisk_disk(W.sd), path, FILE_READ, &f), 0);
    int64_t size = file_size(f);
    file_close(f);
    jw_must(size > 8 * 4096, "the file has only %" PRId64 " bytes", size);
    assert_int_equal(simdisk_flip(W.sd, path, size / 4096 / 2 * 4096 + 2000, 3), 0);
    jw_open(&W, 2);
    jw_start(&W);
    assert_int_equal(await(job).status, 0);
    assert_true(disk_exists(simdisk_disk(W.sd), path)); /* opening it did not find it */
    assert_cold_twice();
    arena_fini(&a);
}

/* A file that vanishes under a running job is made anew from the changelog; what it held is not taken for nothing. */
static void test_file_vanishes(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    put_cold_sums();
    again(2);
    assert_int_equal(await(job).status, 0);
    assert_int_equal(disk_unlink(simdisk_disk(W.sd), state_path(&a, "/0-0.db")), 0);
    assert_cold_twice();
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

/* Windows of a stream that says so close though nothing comes any more: event time goes on with the clock. */
static void test_idle_clock(void **state)
{
    (void)state;
    struct arena a;
    struct planlib pl;
    arena_init(&a);
    planlib_init(&pl, &a, TASKS);
    struct plan_node *source = pl_source(&pl, "I", in, false);
    source->format.idle_ms = 1000;
    struct plan_node *n = pl_window(&pl, source, 10000, 0);
    n = pl_exchange(&pl, n, 1, (unsigned[]){0});
    n = pl_aggregate(&pl, n, 3, (unsigned[]){0, 2, 3}, AGG_SUM, 1, 10000, 0);
    n->emit_final = true;
    unsigned cols[] = {0, 3};
    struct plan_node *pick = pl_pick(&pl, n, 2, cols);
    pl_set_key(&pl, pick, 0);
    jw_put_job(&W, "idle", job, planlib_done(&pl, pl_sink_topic(&pl, pick, out, 0, 1, -1, 0)), out, changelog, false);
    assert_int_equal(await(job).status, 0);
    jw_row(&W, in, 0, 1000, 5, 42, false);
    jw_row(&W, in, 1, 7000, 5, 1, false);
    jw_pass_ms(&W, 2000);
    assert_int_equal(output_value(5), -1);
    jw_pass_ms(&W, 10000);
    assert_int_equal(output_value(5), 43);
    arena_fini(&a);
}

/* EMIT CHANGES EVERY: the first change goes at once, others when so much time has passed, though nothing comes; a restart
 * in between loses none, and a stop waits for none. */
static void test_every(void **state)
{
    (void)state;
    struct arena a;
    struct planlib pl;
    arena_init(&a);
    planlib_init(&pl, &a, TASKS);
    struct plan_node *n = pl_exchange(&pl, pl_source(&pl, "I", in, false), 1, (unsigned[]){0});
    n = pl_aggregate(&pl, n, 1, (unsigned[]){0}, AGG_SUM, 1, 0, 0);
    struct plan_node *every = ARENA_NEW(&a, struct plan_node), *sum = n;
    *every = *sum;
    every->kind = PLAN_EVERY;
    every->every_ms = 10000;
    every->inputs[0] = sum;
    jw_put_job(&W, "every", job, planlib_done(&pl, pl_sink_topic(&pl, every, out, 0, 1, -1, 0)), out, changelog, false);
    assert_int_equal(await(job).status, 0);
    jw_pass_ms(&W, 10000);
    jw_row(&W, in, 0, 0, 5, 1, false);
    jw_pass_ms(&W, 1000);
    assert_int_equal(output_value(5), 1);
    jw_row(&W, in, 0, 0, 5, 10, false);
    jw_row(&W, in, 1, 0, 6, 20, false);
    jw_pass_ms(&W, 7000);
    assert_int_equal(output_value(5), 1);
    assert_int_equal(output_value(6), -1);
    jw_pass_ms(&W, 3000);
    assert_int_equal(output_value(5), 11);
    assert_int_equal(output_value(6), 20);
    jw_row(&W, in, 1, 0, 5, 100, false);
    jw_pass_ms(&W, 1000);
    jw_crash(&W, SIMDISK_KILL);
    jw_open(&W, 2);
    jw_start(&W);
    assert_int_equal(await(job).status, 0);
    assert_int_equal(output_value(5), 11);
    jw_pass_ms(&W, 15000);
    assert_int_equal(output_value(5), 111);
    jw_row(&W, in, 1, 0, 5, 1000, false);
    jw_pass_ms(&W, 1000);
    assert_int_equal(output_value(5), 111);
    again(2);
    assert_int_equal(output_value(5), 1111);
    arena_fini(&a);
}

/* Windows by the clock close by it alone, whatever the records' times and the silent partitions say; a row that was taken before
 * a restart is in one window, once. */
static void test_by_clock(void **state)
{
    (void)state;
    struct arena a;
    struct planlib pl;
    arena_init(&a);
    planlib_init(&pl, &a, TASKS);
    struct plan_node *source = pl_source(&pl, "I", in, false);
    source->by_clock = true;
    struct plan_node *n = pl_window(&pl, source, 10000, 0);
    n = pl_exchange(&pl, n, 1, (unsigned[]){0});
    n = pl_aggregate(&pl, n, 3, (unsigned[]){0, 2, 3}, AGG_SUM, 1, 10000, 0);
    n->emit_final = true;
    unsigned cols[] = {0, 3};
    struct plan_node *pick = pl_pick(&pl, n, 2, cols);
    pl_set_key(&pl, pick, 0);
    jw_put_job(&W, "clock", job, planlib_done(&pl, pl_sink_topic(&pl, pick, out, 0, 1, -1, 0)), out, changelog, false);
    assert_int_equal(await(job).status, 0);
    jw_pass_ms(&W, 10000 - loop_wall_ms(W.loops[0]) % 10000 + 500); /* a window begins */
    jw_row(&W, in, 0, 100000, 5, 42, false);
    jw_row(&W, in, 0, 100, 5, 1, false);
    jw_pass_ms(&W, 2000);
    assert_int_equal(output_value(5), -1);
    again(2);
    assert_int_equal(await(job).status, 0);
    jw_row(&W, in, 1, 7, 5, 100, false);
    jw_pass_ms(&W, 10000);
    assert_int_equal(output_value(5), 143);
    jw_pass_ms(&W, 60000);
    int64_t before = jw_end(jw_part(&W, changelog, 0));
    jw_pass_ms(&W, 60000);
    assert_int_equal(jw_end(jw_part(&W, changelog, 0)), before); /* nothing is open, nothing is written */
    arena_fini(&a);
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
    arena_init(&a);
    put_sums_to(small, false);
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
        T(test_stops_on_a_broken_disk), T(test_push_query_is_quick), T(test_limit), T(test_pull_stream), T(test_pull_sums),
        T(test_held_query), T(test_scan_refused), T(test_stop_and_start), T(test_status), T(test_topic_deleted),
        T(test_damaged_plan), T(test_checkpoint_lost), T(test_checkpoint_durable), T(test_drop), T(test_topic_grows),
        T(test_idle_partition), T(test_by_clock), T(test_every), T(test_idle_clock),
        T(test_udf_missing), T(test_checkpoint_refused), T(test_letters_deleted), T(test_letters_impossible),
        T(test_output_too_large), T(test_full_disk_passes), T(test_failed_job_again), T(test_full_disk_stays),
        T(test_damage_found_late), T(test_file_vanishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
