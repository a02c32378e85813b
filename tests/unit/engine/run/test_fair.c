/* How jobs share the time of a loop. */
#include "engine/run/fair.h"
#include "log/base/limits.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { JOBS = 24, TASKS = 8 };

struct world {
    struct fair fair;
    struct share shares[JOBS];
    struct list tasks[JOBS][TASKS];
    int64_t now_us;
};

static void world_init(struct world *w)
{
    fair_init(&w->fair);
    w->now_us = 0;
    for (unsigned j = 0; j < JOBS; j++) {
        share_init(&w->shares[j]);
        for (unsigned t = 0; t < TASKS; t++)
            list_init(&w->tasks[j][t]);
    }
}

static void wake(struct world *w, unsigned job, unsigned task)
{
    fair_ready(&w->fair, &w->shares[job], &w->tasks[job][task]);
}

/* One turn that takes so long; gives the job, and its task by its place. again: the task has more to do. */
static int turn(struct world *w, int64_t us, bool again)
{
    struct share *s;
    struct list *l = fair_next(&w->fair, &s);
    if (!l)
        return -1;
    int job = (int)(s - w->shares);
    w->now_us += us;
    fair_used(s, us);
    if (again)
        fair_ready(&w->fair, s, l);
    return job;
}

/* Jobs that are busy all the time get the same time, whatever the number of their tasks and the length of their
 * turns. */
static void test_busy_jobs_get_equal_time(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    struct world w;
    world_init(&w);
    int64_t length[JOBS];
    for (unsigned j = 0; j < JOBS; j++) {
        length[j] = 1 + (int64_t)random_below(&r, 3 * ENGINE_TURN_US);
        for (unsigned t = 0; t <= j % TASKS; t++)
            wake(&w, j, t);
    }
    length[0] = 40 * ENGINE_TURN_US; /* one whose batches take longer than a turn should */
    uint64_t most = 0, least = UINT64_MAX;
    while (w.now_us < 40000000) {
        struct share *s;
        struct list *l = fair_next(&w.fair, &s);
        assert_non_null(l);
        int64_t us = MAX(length[s - w.shares], 20);
        w.now_us += us;
        fair_used(s, us);
        fair_ready(&w.fair, s, l);
    }
    for (unsigned j = 0; j < JOBS; j++) {
        most = MAX(most, w.shares[j].used_us);
        least = MIN(least, w.shares[j].used_us);
    }
    assert_true(most - least <= 2 * 40 * ENGINE_TURN_US);
}

/* Busy jobs get time as their shares say: 1, 3, 10 and 100 of 114, whatever the number of their tasks and the length of
 * their turns. */
static void test_shares_divide_the_time(void **state)
{
    (void)state;
    static const unsigned weights[] = {1, 3, 10, 100};
    enum { N = 4, SUM = 114, LONGEST = 4 * ENGINE_TURN_US };
    struct random r;
    random_seed(&r, test_seed());
    struct world w;
    world_init(&w);
    for (unsigned j = 0; j < N; j++) {
        share_weigh(&w.shares[j], weights[j]);
        for (unsigned t = 0; t <= (N - j) % TASKS; t++)
            wake(&w, j, t);
    }
    while (w.now_us < 20000000)
        assert_true(turn(&w, 20 + (int64_t)random_below(&r, LONGEST - 20), true) >= 0);
    for (unsigned j = 0; j < N; j++) {
        int64_t want = w.now_us * weights[j] / SUM, off = (int64_t)w.shares[j].used_us - want;
        assert_in_range(off + 2 * LONGEST * 10, 0, 4 * LONGEST * 10); /* a turn, and a round of the greatest */
    }
}

/* Of two busy jobs that wait for nothing but time, with shares of 1 and 3, the second gets three times as much, also while light
 * jobs wake up between them, which do not wait for more than a turn however small their share. */
static void test_light_jobs_beside_shares(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    share_weigh(&w.shares[1], 3 * ENGINE_SHARE);
    share_weigh(&w.shares[2], 1);
    wake(&w, 0, 0);
    wake(&w, 1, 0);
    for (unsigned i = 0; i < 40000; i++) {
        int job = turn(&w, ENGINE_TURN_US, true);
        if (i % 100 == 50) {
            wake(&w, 2, 0);
            assert_int_equal(turn(&w, 20, false), 2);
        }
        assert_true(job == 0 || job == 1);
    }
    double ratio = (double)w.shares[1].used_us / (double)w.shares[0].used_us;
    assert_true(ratio > 2.98 && ratio < 3.02);
}

/* The tasks of a job take turns. */
static void test_tasks_of_a_job_take_turns(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    for (unsigned t = 0; t < TASKS; t++)
        wake(&w, 3, t);
    for (unsigned i = 0; i < 5 * TASKS; i++) {
        struct share *s;
        struct list *l = fair_next(&w.fair, &s);
        assert_ptr_equal(l, &w.tasks[3][i % TASKS]);
        fair_used(s, ENGINE_TURN_US);
        fair_ready(&w.fair, s, l);
    }
}

/* A job that was idle waits for the turn that runs, and for others that were idle too; not for those that are busy. */
static void test_who_wakes_up_goes_first(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    for (unsigned j = 0; j < 20; j++)
        for (unsigned t = 0; t < TASKS; t++)
            wake(&w, j, t);
    for (unsigned i = 0; i < 100; i++)
        turn(&w, ENGINE_TURN_US, true);
    wake(&w, 21, 0);
    wake(&w, 22, 0);
    assert_int_equal(turn(&w, 10, false), 21);
    assert_int_equal(turn(&w, 10, false), 22);
    assert_true(turn(&w, ENGINE_TURN_US, true) < 20);
}

/* A job that wakes up again and again gets no more than one that is busy. */
static void test_waking_up_often_gains_nothing(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    wake(&w, 0, 0);
    wake(&w, 1, 0);
    while (w.now_us < 1000000)
        if (turn(&w, ENGINE_TURN_US, false) == 0)
            wake(&w, 0, 0);
        else if (list_empty(&w.tasks[1][0]))
            wake(&w, 1, 0); /* each time it has been served */
    uint64_t a = w.shares[0].used_us, b = w.shares[1].used_us;
    assert_true(MAX(a, b) - MIN(a, b) <= 2 * ENGINE_TURN_US);
}

/* Nothing of a job is left behind when its tasks have closed, and the others go on. */
static void test_a_job_that_closes_is_forgotten(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    for (unsigned j = 0; j < 3; j++)
        wake(&w, j, 0), wake(&w, j, 1);
    assert_int_equal(turn(&w, ENGINE_TURN_US, true), 0);
    assert_int_equal(turn(&w, 1, false), 1);
    for (unsigned t = 0; t < 2; t++) {
        fair_forget(&w.shares[0], &w.tasks[0][t]);
        fair_forget(&w.shares[1], &w.tasks[1][t]);
    }
    memset(&w.shares[0], 0xa5, 2 * sizeof w.shares[0]);
    assert_int_equal(turn(&w, 1, false), 2);
    assert_int_equal(turn(&w, 1, false), 2);
    assert_int_equal(turn(&w, 1, false), -1);
    assert_true(fair_idle(&w.fair));
}

/* A batch that takes too long is followed by smaller ones, until one takes about as long as it may; cheap rows come in
 * full batches again. */
static void test_costly_rows_come_in_small_batches(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    for (int i = 0; i < 200; i++) {
        int64_t row_ns = 10 + (int64_t)random_below(&r, 4000);
        uint32_t rows = ENGINE_BATCH_ROWS_MIN << random_below(&r, 2);
        for (int k = 0; k < 20; k++)
            rows = fair_rows(rows, rows * row_ns / 1000);
        assert_in_range(rows, ENGINE_BATCH_ROWS_MIN, ENGINE_BATCH_ROWS);
        int64_t us = rows * row_ns / 1000;
        assert_true(us <= ENGINE_BATCH_US || rows == ENGINE_BATCH_ROWS_MIN || fair_rows(rows, us) < rows);
        assert_true(us >= ENGINE_BATCH_US / 4 || rows == ENGINE_BATCH_ROWS);
        assert_int_equal(fair_rows(rows, INT64_MAX), MAX(rows / 2, ENGINE_BATCH_ROWS_MIN));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_busy_jobs_get_equal_time), cmocka_unit_test(test_shares_divide_the_time),
        cmocka_unit_test(test_light_jobs_beside_shares),
        cmocka_unit_test(test_costly_rows_come_in_small_batches), cmocka_unit_test(test_tasks_of_a_job_take_turns),
        cmocka_unit_test(test_who_wakes_up_goes_first), cmocka_unit_test(test_waking_up_often_gains_nothing),
        cmocka_unit_test(test_a_job_that_closes_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
