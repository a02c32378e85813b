/* The real loops keep the promises of loop.h, on their threads. */
#include "log/base/loop.h"
#include "log/base/alloc.h"
#include "log/base/clock.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

static struct loops *ls;
static _Atomic int count;

/* However busy the machine is; a minute without progress is a failure. */
static void wait_for(_Atomic int *n, int at_least)
{
    for (int ms = 0; atomic_load(n) < at_least; ms++) {
        assert_true(ms < 60000);
        clock_sleep_ms(1);
    }
}

struct note {
    struct msg msg;
    unsigned from;
    int number;
};
static int last[4][5];

static void note_run(struct msg *m)
{
    struct note *n = container_of(m, struct note, msg);
    int *seen = &last[loop_index(loop_current())][n->from];
    assert_int_equal(n->number, *seen + 1);
    *seen = n->number;
    atomic_fetch_add(&count, 1);
    xfree(n);
}

static void *poster(void *arg)
{
    unsigned from = (unsigned)(uintptr_t)arg;
    for (int i = 1; i <= 5000; i++)
        for (unsigned to = 0; to < 4; to++) {
            struct note *n = xalloc(sizeof *n);
            *n = (struct note){{NULL, note_run}, from, i};
            loop_post(loops_get(ls, to), &n->msg);
        }
    return NULL;
}

/* Messages of one thread to one loop run in order, and stopping runs every one of them. */
static void messages_run_in_order(void **state)
{
    (void)state;
    memset(last, 0, sizeof last);
    count = 0;
    ls = loops_new(4);
    assert_int_equal(loops_count(ls), 4);
    loops_start(ls);
    pthread_t thread[5];
    for (uintptr_t i = 0; i < 5; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, poster, (void *)i), 0);
    for (int i = 0; i < 5; i++)
        pthread_join(thread[i], NULL);
    loops_stop(ls);
    assert_int_equal(count, 5 * 5000 * 4);
    loops_free(ls);
}

struct relay {
    struct msg msg;
    struct work work;
    struct turn_end end;
    int hops;
};

static void relay_next(struct relay *r)
{
    atomic_fetch_add(&count, 1);
    if (r->hops-- > 0)
        loop_post(loops_get(ls, (loop_index(loop_current()) + 1) % 3), &r->msg);
}
static void relay_end(struct turn_end *e) { relay_next(container_of(e, struct relay, end)); }
static void relay_done(struct work *w)
{
    struct relay *r = container_of(w, struct relay, work);
    assert_ptr_equal(w->loop, loop_current());
    loop_at_turn_end(loop_current(), &r->end);
}
static void relay_work(struct work *w)
{
    (void)w;
    assert_null(loop_current());
}
static void relay_run(struct msg *m)
{
    struct relay *r = container_of(m, struct relay, msg);
    loop_work(loop_current(), (enum lane)(r->hops % 3), &r->work);
}

/* Stopping waits for whatever follows from what was queued: messages, jobs, hooks, over all loops. */
static void stopping_drains(void **state)
{
    (void)state;
    count = 0;
    ls = loops_new(3);
    struct relay relays[20];
    for (int i = 0; i < 20; i++) {
        relays[i] = (struct relay){{NULL, relay_run},
                                   {.work_cb = relay_work, .done_cb = relay_done},
                                   {.run_cb = relay_end},
                                   100};
        loop_post(loops_get(ls, (unsigned)i % 3), &relays[i].msg);
    }
    loops_start(ls);
    loops_stop(ls);
    assert_int_equal(count, 20 * 101);
    loops_free(ls);
}

struct job {
    struct work work;
    int number;
};
static _Atomic int running, next_work, next_done;

static void sync_work(struct work *w)
{
    struct job *j = container_of(w, struct job, work);
    assert_int_equal(atomic_fetch_add(&running, 1), 0);
    assert_int_equal(atomic_fetch_add(&next_work, 1), j->number);
    if (j->number % 16 == 0)
        clock_sleep_ms(1);
    atomic_fetch_sub(&running, 1);
}
static void sync_done(struct work *w)
{
    assert_int_equal(atomic_fetch_add(&next_done, 1), container_of(w, struct job, work)->number);
}
static struct job jobs[200];
static void jobs_ask(struct msg *m)
{
    (void)m;
    for (int i = 0; i < 200; i++) {
        jobs[i] = (struct job){{.work_cb = sync_work, .done_cb = sync_done}, i};
        loop_work(loop_current(), LANE_SYNC, &jobs[i].work);
    }
}

/* Jobs of the syncing lane run one at a time and end in order. */
static void sync_lane_is_in_order(void **state)
{
    (void)state;
    ls = loops_new(1);
    loops_start(ls);
    struct msg ask = {NULL, jobs_ask};
    loop_post(loops_get(ls, 0), &ask);
    loops_stop(ls);
    assert_int_equal(next_done, 200);
    loops_free(ls);
}

static _Atomic int together, most_together;
static void slow_work(struct work *w)
{
    (void)w;
    int now = atomic_fetch_add(&together, 1) + 1;
    if (now > most_together)
        most_together = now;
    clock_sleep_ms(50);
    atomic_fetch_sub(&together, 1);
}
static _Atomic int slow_ended;
static void slow_done(struct work *w)
{
    (void)w;
    atomic_fetch_add(&slow_ended, 1);
}
static void slow_ask(struct msg *m)
{
    (void)m;
    for (int i = 0; i < 2; i++) {
        jobs[i] = (struct job){{.work_cb = slow_work, .done_cb = slow_done}, i};
        loop_work(loop_current(), LANE_DISK, &jobs[i].work);
    }
}

/* A slow job of a shared lane does not hold back the next, whether the lane's threads are new or idle. */
static void disk_lane_runs_side_by_side(void **state)
{
    (void)state;
    ls = loops_new(1);
    loops_start(ls);
    struct msg ask[2] = {{NULL, slow_ask}, {NULL, slow_ask}};
    for (int i = 0; i < 2; i++) {
        most_together = 0;
        loop_post(loops_get(ls, 0), &ask[i]);
        wait_for(&slow_ended, 2 * (i + 1));
        assert_int_equal(most_together, 2);
    }
    loops_stop(ls);
    loops_free(ls);
}

enum { TIMERS = 300 };
static struct timer timers[TIMERS];
static int64_t want_us[TIMERS]; /* < 0: must not fire */
static _Atomic int fired, asked;
static uint64_t seed;

static void timer_fire(struct timer *t)
{
    long i = t - timers;
    assert_true(want_us[i] >= 0);
    assert_false(timer_active(t));
    assert_true(loop_now_us(t->loop) >= want_us[i]);
    want_us[i] = -1;
    fired++;
}

static void timers_ask(struct msg *m)
{
    (void)m;
    struct random r;
    random_seed(&r, seed);
    for (int i = 0; i < TIMERS; i++)
        timer_init(&timers[i], loop_current(), timer_fire);
    for (int k = 0; k < 2000; k++) {
        int i = (int)random_below(&r, TIMERS);
        if (random_chance(&r, 0.3)) {
            timer_stop(&timers[i]);
            assert_false(timer_active(&timers[i]));
        } else {
            timer_start_us(&timers[i], (int64_t)random_below(&r, 100000));
            assert_true(timer_active(&timers[i]));
        }
        want_us[i] = timers[i].due_us;
    }
    for (int i = 0; i < TIMERS; i++)
        count += timer_active(&timers[i]);
    asked = 1;
}

/* Each timer fires once, not before its time; stopped ones never; moved ones at their last time. */
static void timers_fire_once(void **state)
{
    (void)state;
    count = fired = asked = 0;
    seed = test_seed();
    memset(want_us, -1, sizeof want_us);
    ls = loops_new(1);
    loops_start(ls);
    struct msg ask = {NULL, timers_ask};
    loop_post(loops_get(ls, 0), &ask);
    wait_for(&asked, 1);
    assert_true(count > 0);
    wait_for(&fired, count);
    clock_sleep_ms(20); /* time for one that should not */
    loops_stop(ls);
    assert_int_equal(fired, count);
    loops_free(ls);
}

struct turn {
    struct msg first, again;
    struct turn_end end;
    struct timer timer;
    char order[16];
    _Atomic int rings;
    int64_t rang_us;
};
static void turn_mark(struct turn *t, const char *what) { strcat(t->order, what); }
static void turn_ring(struct timer *timer)
{
    struct turn *t = container_of(timer, struct turn, timer);
    assert_true(loop_now_us(timer->loop) > t->rang_us); /* in another turn than before */
    t->rang_us = loop_now_us(timer->loop);
    if (++t->rings < 1000)
        timer_start(timer, 0);
}
static void turn_again(struct msg *m) { turn_mark(container_of(m, struct turn, again), "a"); }
static void turn_over(struct turn_end *e)
{
    struct turn *t = container_of(e, struct turn, end);
    turn_mark(t, "e");
    if (strlen(t->order) < 5)
        loop_at_turn_end(loop_current(), e); /* at the end of the next turn */
}
static void turn_first(struct msg *m)
{
    struct turn *t = container_of(m, struct turn, first);
    turn_mark(t, "f");
    loop_post(loop_current(), &t->again);
    loop_at_turn_end(loop_current(), &t->end);
    loop_at_turn_end(loop_current(), &t->end);
    timer_init(&t->timer, loop_current(), turn_ring);
    timer_start(&t->timer, 0);
}

/* A turn ends with its hooks, once each; what was posted to oneself and asked again comes in the next. */
static void turns_have_their_order(void **state)
{
    (void)state;
    ls = loops_new(1);
    struct turn t = {.first = {NULL, turn_first}, .again = {NULL, turn_again}, .end = {.run_cb = turn_over}};
    loop_post(loops_get(ls, 0), &t.first);
    loops_start(ls);
    wait_for(&t.rings, 10);
    loops_stop(ls);
    assert_string_equal(t.order, "feaee");
    loops_free(ls);
}

static int64_t switches;
static _Atomic int ticks;
static void ticks_read(struct msg *m)
{
    (void)m;
    struct rusage ru;
    getrusage(RUSAGE_THREAD, &ru);
    switches = ru.ru_nvcsw;
    ticks++;
}
static struct timer far;
static void far_start(struct msg *m)
{
    (void)m;
    timer_init(&far, loop_current(), turn_ring);
    timer_start(&far, 1);
    timer_start(&far, 1000000);
}

/* A loop without work sleeps: a moved timer leaves no wake-up behind, and hundreds of milliseconds pass in one nap. */
static void idle_loops_sleep(void **state)
{
    (void)state;
    ls = loops_new(1);
    loops_start(ls);
    struct msg start = {NULL, far_start}, before = {NULL, ticks_read}, after = {NULL, ticks_read};
    loop_post(loops_get(ls, 0), &start);
    clock_sleep_ms(20); /* the moved timer's first time passes */
    loop_post(loops_get(ls, 0), &before);
    wait_for(&ticks, 1);
    int64_t then = switches;
    clock_sleep_ms(300);
    loop_post(loops_get(ls, 0), &after);
    loops_stop(ls);
    assert_in_range(switches - then, 0, 2);
    loops_free(ls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_run_in_order), cmocka_unit_test(stopping_drains),
        cmocka_unit_test(sync_lane_is_in_order), cmocka_unit_test(disk_lane_runs_side_by_side),
        cmocka_unit_test(timers_fire_once),
        cmocka_unit_test(turns_have_their_order), cmocka_unit_test(idle_loops_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
