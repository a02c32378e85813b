/* The simulated loop keeps the promises of loop.h, and its history is decided by its seed alone. */
#include "tests/lib/simloop.h"
#include "log/base/alloc.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"

static uint64_t seed;

struct note {
    struct msg msg;
    unsigned from, number;
};
static unsigned last[3][3]; /* [receiver][sender]: newest number seen */
static unsigned received;

static void note_run(struct msg *m)
{
    struct note *n = container_of(m, struct note, msg);
    unsigned to = loop_index(loop_current());
    assert_int_equal(n->number, last[to][n->from] + 1);
    last[to][n->from] = n->number;
    received++;
    xfree(n);
}

struct sender {
    struct timer timer;
    struct sim *sim;
    unsigned sent[3];
};

static void sender_fire(struct timer *t)
{
    struct sender *s = container_of(t, struct sender, timer);
    for (unsigned to = 0; to < 3; to++) {
        struct note *n = xzalloc(sizeof *n);
        *n = (struct note){{NULL, note_run}, loop_index(t->loop), ++s->sent[to]};
        loop_post(sim_loop(s->sim, to), &n->msg);
    }
    if (s->sent[0] < 100)
        timer_start_us(t, (int64_t)(loop_random(t->loop) % 50));
}

/* Messages from one loop to another run in the order they were posted, and all of them run. */
static void messages_stay_in_order(void **state)
{
    (void)state;
    memset(last, 0, sizeof last);
    received = 0;
    struct sim *sim = sim_new(seed);
    struct sender s[3];
    for (unsigned i = 0; i < 3; i++) {
        s[i] = (struct sender){.sim = sim};
        timer_init(&s[i].timer, sim_loop(sim, i), sender_fire);
        timer_start(&s[i].timer, 1);
    }
    while (sim_step(sim))
        ;
    assert_int_equal(received, 900);
    sim_free(sim);
}

struct job {
    struct work work;
    int number;
    int64_t asked_us;
    bool worked;
};
static int next_worked, next_done;

static void job_work(struct work *w)
{
    struct job *j = container_of(w, struct job, work);
    assert_null(loop_current());
    j->worked = true;
    if (w->lane == LANE_SYNC)
        assert_int_equal(j->number, next_worked++);
}

static void job_done(struct work *w)
{
    struct job *j = container_of(w, struct job, work);
    assert_ptr_equal(loop_current(), w->loop);
    assert_true(j->worked);
    assert_true(loop_now_us(w->loop) > j->asked_us);
    if (w->lane == LANE_SYNC)
        assert_int_equal(j->number, next_done);
    next_done++;
    for (int i = 0; i < 100; i++) /* a long turn: several jobs become due in it */
        loop_fresh_us(w->loop);
}

/* Jobs of the syncing lane run and end in order; jobs of other lanes all end, and some seed swaps two of them. */
static void sync_jobs_run_in_order(void **state)
{
    (void)state;
    struct job jobs[50];
    for (enum lane lane = LANE_SYNC; lane <= LANE_HEAVY; lane++) {
        next_worked = next_done = 0;
        struct sim *sim = sim_new(seed);
        for (int i = 0; i < 50; i++) {
            jobs[i] = (struct job){{.work_cb = job_work, .done_cb = job_done}, i, sim_now_us(sim), false};
            loop_work(sim_loop(sim, 0), lane, &jobs[i].work);
        }
        sim_run_idle(sim);
        assert_int_equal(next_done, 50);
        sim_free(sim);
    }
}

static int64_t fired_us;
static void fire(struct timer *t) { fired_us = loop_now_us(t->loop); }

/* A timer never fires before its time, a stopped one never, a moved one once at its new time. */
static void timers_keep_their_time(void **state)
{
    (void)state;
    struct sim *sim = sim_new(seed);
    struct timer stopped, moved;
    timer_init(&stopped, sim_loop(sim, 0), fire);
    timer_init(&moved, sim_loop(sim, 0), fire);
    int64_t start_us = sim_now_us(sim);
    timer_start(&stopped, 5);
    timer_start(&moved, 5);
    timer_start(&moved, 70000);
    timer_stop(&stopped);
    fired_us = 0;
    sim_run_until(sim, start_us + 60000000);
    assert_int_equal(fired_us, 0);
    assert_true(timer_active(&moved));
    sim_run_until(sim, start_us + 80000000);
    assert_in_range(fired_us, start_us + 70000000, start_us + 70001000);
    assert_false(timer_active(&moved));
    sim_free(sim);
}

struct turn {
    struct msg first, again;
    struct turn_end end;
    char order[8];
};
static void turn_mark(struct turn *t, const char *what) { strcat(t->order, what); }
static void turn_first(struct msg *m)
{
    struct turn *t = container_of(m, struct turn, first);
    turn_mark(t, "f");
    loop_post(loop_current(), &t->again);
    loop_at_turn_end(loop_current(), &t->end);
    loop_at_turn_end(loop_current(), &t->end);
}
static void turn_again(struct msg *m) { turn_mark(container_of(m, struct turn, again), "a"); }
static void turn_over(struct turn_end *e) { turn_mark(container_of(e, struct turn, end), "e"); }

static void nothing(struct msg *m) { (void)m; }

/* A message to oneself waits for the next turn, however full this one is: the hook comes before it, once. */
static void turns_end_before_own_messages(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 50; i++) {
        struct sim *sim = sim_new(seed + i);
        struct turn t = {.first = {NULL, turn_first}, .again = {NULL, turn_again}, .end = {.run_cb = turn_over}};
        struct msg others[5];
        loop_post(sim_loop(sim, 0), &t.first);
        for (size_t k = 0; k < ARRAY_LEN(others); k++) {
            others[k] = (struct msg){NULL, nothing};
            loop_post(sim_loop(sim, 0), &others[k]);
        }
        sim_run_idle(sim);
        assert_string_equal(t.order, "fea");
        sim_free(sim);
    }
}

static void must_not_run(struct msg *m)
{
    (void)m;
    fail();
}
static void must_not_fire(struct timer *t)
{
    (void)t;
    fail();
}
static void must_not_be_done(struct work *w)
{
    (void)w;
    fail();
}

/* After a crash no callback of before ever runs. */
static void crash_forgets_everything(void **state)
{
    (void)state;
    struct sim *sim = sim_new(seed);
    struct msg m = {NULL, must_not_run};
    struct timer t;
    struct job j = {.work = {.work_cb = must_not_be_done, .done_cb = must_not_be_done}};
    timer_init(&t, sim_loop(sim, 0), must_not_fire);
    timer_start(&t, 1);
    loop_post(sim_loop(sim, 1), &m);
    loop_work(sim_loop(sim, 0), LANE_DISK, &j.work);
    sim_crash(sim);
    assert_false(timer_active(&t));
    assert_false(sim_step(sim));
    sim_free(sim);
}

static uint64_t history(uint64_t of)
{
    memset(last, 0, sizeof last);
    next_worked = next_done = 0;
    struct sim *sim = sim_new(of);
    struct sender s = {.sim = sim};
    struct job jobs[10];
    timer_init(&s.timer, sim_loop(sim, 0), sender_fire);
    timer_start(&s.timer, 1);
    for (int i = 0; i < 10; i++) {
        jobs[i] = (struct job){{.work_cb = job_work, .done_cb = job_done}, i, 0, false};
        loop_work(sim_loop(sim, 0), LANE_DISK, &jobs[i].work);
    }
    while (sim_step(sim))
        ;
    uint64_t digest = sim_digest(sim);
    sim_free(sim);
    return digest;
}

/* One seed gives one history, two seeds give two. */
static void seed_decides(void **state)
{
    (void)state;
    assert_int_equal(history(seed), history(seed));
    assert_int_not_equal(history(seed), history(seed + 1));
}

int main(void)
{
    seed = test_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_stay_in_order),
        cmocka_unit_test(sync_jobs_run_in_order),
        cmocka_unit_test(timers_keep_their_time),
        cmocka_unit_test(turns_end_before_own_messages),
        cmocka_unit_test(crash_forgets_everything),
        cmocka_unit_test(seed_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
