/* State that outgrows its memory: jobs go on within their budget, and lose nothing. */
#include "engine/run/job.h"
#include "log/base/limits.h"
#include "log/base/random.h"
#include "log/wire/recbatch.h"
#include "tests/unit/engine/run/sums.h"
#include "tests/lib/planlib.h"
#include "tests/lib/seed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

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

/* State that takes 28 MB where it may lies within 4.5 MB when its budget is 1 MiB, writers and checkpoints included:
 * that and a quarter, PRESS_BYTES for each task, and what becomes of the rows in flight. Nothing is lost. */
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
        writer_record(wr[k % PARTS], 5, (struct str){(char *)key, 8},
                      held[k] < 0 ? STR_NULL : (struct str){(char *)value, 8});
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

/* State ten times as large as its memory: rows come, change and go at random, the server is stopped in the middle, and
 * in the end the table is what it must be. Memory keeps its budget, a quarter, and a little for each task. */
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

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_memory), T(test_memory_bound), T(test_ten_times)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
