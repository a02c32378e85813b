#include "tests/lib/simloop.h"
#include "log/base/alloc.h"
#include "log/base/limits.h"
#include "log/base/map.h"

/* A message on its way. `from` is the sender's index, LOOPS_MAX for the test itself. */
struct letter {
    struct list link;
    struct msg *msg;
    unsigned from;
    uint64_t turn; /* of the receiver when it was posted: it runs in a later one */
};

struct job {
    struct list link;
    struct work *work;
    int64_t run_us, done_us; /* when work_cb runs, when done_cb may */
    bool ran;
};

struct simloop {
    struct loop loop;
    struct sim *sim;
    struct list letters, turn_ends;
    struct timer **timers;
    size_t ntimers, timers_cap;
    int64_t sync_free_us; /* when the syncing thread has done all it was given */
    uint64_t turn;
    bool in_turn;
    int64_t turn_us;
    struct random random;
};

struct sim {
    struct random random;
    int64_t now_us, wall_us; /* wall_us: what to add for the wall clock */
    struct list jobs;        /* in the order they were asked for */
    struct simloop *loop[LOOPS_MAX];
    unsigned nloops;
    uint64_t digest;
};

static struct simloop *simloop_of(const struct loop *loop)
{
    return container_of((uintptr_t)loop, struct simloop, loop);
}

static void note(struct sim *sim, uint64_t what) { sim->digest = hash_u64(sim->digest ^ what) + what; }

/* ---- the loop's side */

static int64_t sl_now_us(const struct loop *loop)
{
    const struct simloop *l = simloop_of(loop);
    return l->in_turn ? l->turn_us : l->sim->now_us;
}

/* Asking the fresh time is what a turn with a budget does while it computes: time must pass for it to end. */
static int64_t sl_fresh_us(const struct loop *loop)
{
    struct sim *sim = simloop_of(loop)->sim;
    sim->now_us += (int64_t)random_below(&sim->random, 20);
    return sim->now_us;
}

static int64_t sl_wall_ms(const struct loop *loop)
{
    return (sl_now_us(loop) + simloop_of(loop)->sim->wall_us) / 1000;
}

static uint64_t sl_random(struct loop *loop) { return random_next(&simloop_of(loop)->random); }

static void sl_timer_set(struct loop *loop, struct timer *t)
{
    struct simloop *l = simloop_of(loop);
    if (t->due_us < 0 && t->impl) {
        size_t at = (size_t)(uintptr_t)t->impl - 1;
        CHECK(at < l->ntimers && l->timers[at] == t);
        l->timers[at] = l->timers[--l->ntimers];
        l->timers[at]->impl = (void *)(uintptr_t)(at + 1);
        t->impl = NULL;
    } else if (t->due_us >= 0 && !t->impl) {
        VEC_PUSH(l->timers, l->ntimers, l->timers_cap) = t;
        t->impl = (void *)(uintptr_t)l->ntimers;
    }
}

static void sl_post(struct loop *loop, struct msg *m)
{
    struct simloop *l = simloop_of(loop);
    struct loop *from = loop_current();
    struct letter *letter = xalloc(sizeof *letter);
    *letter = (struct letter){.msg = m, .from = from ? from->index : LOOPS_MAX, .turn = l->turn};
    list_add_tail(&l->letters, &letter->link);
}

/* Most jobs are quick, some are not, a few are slow enough for everything else to overtake them. */
static int64_t duration_us(struct sim *sim)
{
    static const uint64_t most[] = {50, 300, 300, 3000, 40000};
    return 1 + (int64_t)random_below(&sim->random, most[random_below(&sim->random, ARRAY_LEN(most))]);
}

static void sl_work(struct loop *loop, struct work *w)
{
    struct simloop *l = simloop_of(loop);
    struct sim *sim = l->sim;
    struct job *job = xzalloc(sizeof *job);
    int64_t start_us = w->lane == LANE_SYNC ? MAX(sim->now_us, l->sync_free_us) : sim->now_us;
    job->work = w;
    job->run_us = start_us + duration_us(sim);
    job->done_us = job->run_us + (int64_t)random_below(&sim->random, 30);
    if (w->lane == LANE_SYNC)
        l->sync_free_us = job->done_us;
    list_add_tail(&sim->jobs, &job->link);
}

static void sl_turn_end(struct loop *loop, struct turn_end *t) { list_add_tail(&simloop_of(loop)->turn_ends, &t->link); }

static const struct loop_class sim_class = {
    .now_us = sl_now_us,
    .fresh_us = sl_fresh_us,
    .wall_ms = sl_wall_ms,
    .random = sl_random,
    .timer_set = sl_timer_set,
    .post = sl_post,
    .work = sl_work,
    .turn_end = sl_turn_end,
};

/* ---- what a loop could do now; each kind gives its k-th candidate, or counts them */

static struct letter *letter_at(struct simloop *l, unsigned k, unsigned *count)
{
    uint64_t seen = 0; /* senders whose first letter was met: only that one may run */
    static_assert(LOOPS_MAX <= 64, "one bit a sender");
    bool seen_test = false;
    *count = 0;
    LIST_EACH (it, &l->letters) {
        struct letter *letter = container_of(it, struct letter, link);
        bool first = letter->from == LOOPS_MAX ? !seen_test : !(seen >> letter->from & 1);
        if (letter->from == LOOPS_MAX)
            seen_test = true;
        else
            seen |= UINT64_C(1) << letter->from;
        if (!first || letter->turn >= l->turn)
            continue;
        if ((*count)++ == k)
            return letter;
    }
    return NULL;
}

static struct timer *timer_at(struct simloop *l, int64_t now_us, unsigned k, unsigned *count)
{
    *count = 0;
    for (size_t i = 0; i < l->ntimers; i++)
        if (l->timers[i]->due_us <= now_us && (*count)++ == k)
            return l->timers[i];
    return NULL;
}

static struct job *done_at(struct simloop *l, unsigned k, unsigned *count)
{
    bool sync_seen = false;
    *count = 0;
    LIST_EACH (it, &l->sim->jobs) {
        struct job *job = container_of(it, struct job, link);
        if (job->work->loop != &l->loop)
            continue;
        bool sync = job->work->lane == LANE_SYNC;
        bool ready = job->ran && job->done_us <= l->sim->now_us && !(sync && sync_seen);
        sync_seen |= sync;
        if (ready && (*count)++ == k)
            return job;
    }
    return NULL;
}

struct choices {
    unsigned letters, timers, done;
};

static struct choices choices_of(struct simloop *l)
{
    struct choices c;
    int64_t now_us = l->in_turn ? l->turn_us : l->sim->now_us;
    letter_at(l, UINT32_MAX, &c.letters);
    timer_at(l, now_us, UINT32_MAX, &c.timers);
    done_at(l, UINT32_MAX, &c.done);
    return c;
}

static unsigned choices_sum(struct choices c) { return c.letters + c.timers + c.done; }

/* Outside a turn even the newest letter counts: the next turn may take it. */
static bool loop_runnable(struct simloop *l)
{
    return !list_empty(&l->letters) || !list_empty(&l->turn_ends) || choices_sum(choices_of(l)) > 0;
}

/* ---- a turn */

static void event_run(struct simloop *l, struct choices c)
{
    struct sim *sim = l->sim;
    unsigned pick = (unsigned)random_below(&sim->random, choices_sum(c)), n;
    note(sim, pick);
    if (pick < c.letters) {
        struct letter *letter = letter_at(l, pick, &n);
        struct msg *m = letter->msg;
        list_remove(&letter->link);
        xfree(letter);
        m->run_cb(m);
        return;
    }
    pick -= c.letters;
    if (pick < c.timers) {
        struct timer *t = timer_at(l, l->turn_us, pick, &n);
        timer_stop(t);
        t->fire_cb(t);
        return;
    }
    struct job *job = done_at(l, pick - c.timers, &n);
    struct work *w = job->work;
    list_remove(&job->link);
    xfree(job);
    w->done_cb(w);
}

static void hooks_run(struct simloop *l)
{
    struct list now;
    list_init(&now);
    for (struct list *link; (link = list_pop(&l->turn_ends));)
        list_add_tail(&now, link);
    for (struct list *link; (link = list_pop(&now));) {
        struct turn_end *t = container_of(link, struct turn_end, link);
        t->asked = false;
        t->run_cb(t);
    }
}

/* How many events the turn could run at most, those behind a sender's first letter included. */
static unsigned turn_events_max(struct simloop *l)
{
    struct choices c = choices_of(l);
    unsigned n = c.timers + c.done;
    LIST_EACH (it, &l->letters)
        n += container_of(it, struct letter, link)->turn < l->turn;
    return n;
}

static void turn_run(struct simloop *l)
{
    struct sim *sim = l->sim;
    l->turn++;
    l->turn_us = sim->now_us;
    l->in_turn = true;
    loop_set_current(&l->loop);
    note(sim, l->loop.index);
    struct choices c = choices_of(l);
    unsigned most = turn_events_max(l);
    uint64_t events = most ? 1 + random_below(&sim->random, most) : 0;
    for (uint64_t i = 0; i < events && choices_sum(c); i++) {
        event_run(l, c);
        c = choices_of(l);
    }
    hooks_run(l);
    loop_set_current(NULL);
    l->in_turn = false;
}

/* A syncing thread takes its jobs one after another. */
static bool job_may_run(struct sim *sim, struct job *job)
{
    if (job->ran || job->run_us > sim->now_us)
        return false;
    if (job->work->lane != LANE_SYNC)
        return true;
    LIST_EACH (it, &sim->jobs) {
        struct job *other = container_of(it, struct job, link);
        if (other == job)
            break;
        if (!other->ran && other->work->lane == LANE_SYNC && other->work->loop == job->work->loop)
            return false;
    }
    return true;
}

static void job_run(struct sim *sim, struct job *job)
{
    note(sim, (uint64_t)job->run_us);
    job->ran = true;
    job->work->work_cb(job->work);
}

/* ---- steps */

/* Runs the k-th thing that can run now; gives how many there are. */
static unsigned step_at(struct sim *sim, unsigned k)
{
    unsigned n = 0;
    for (unsigned i = 0; i < sim->nloops; i++) {
        if (!sim->loop[i] || !loop_runnable(sim->loop[i]))
            continue;
        if (n++ == k) {
            turn_run(sim->loop[i]);
            return n;
        }
    }
    LIST_EACH (it, &sim->jobs) {
        struct job *job = container_of(it, struct job, link);
        if (!job_may_run(sim, job))
            continue;
        if (n++ == k) {
            job_run(sim, job);
            return n;
        }
    }
    return n;
}

static int64_t next_job_us(struct sim *sim)
{
    int64_t next_us = INT64_MAX;
    LIST_EACH (it, &sim->jobs) {
        struct job *job = container_of(it, struct job, link);
        next_us = MIN(next_us, job->ran ? job->done_us : job->run_us);
    }
    return next_us;
}

static int64_t next_timer_us(struct sim *sim)
{
    int64_t next_us = INT64_MAX;
    for (unsigned i = 0; i < sim->nloops; i++)
        for (size_t k = 0; sim->loop[i] && k < sim->loop[i]->ntimers; k++)
            next_us = MIN(next_us, sim->loop[i]->timers[k]->due_us);
    return next_us;
}

/* Lets time pass to the next timer or job, but not past limit_us. False: there is none before it. */
static bool time_pass(struct sim *sim, int64_t limit_us)
{
    int64_t next_us = MIN(next_job_us(sim), next_timer_us(sim));
    if (next_us == INT64_MAX || next_us > limit_us)
        return false;
    sim->now_us = MAX(sim->now_us, next_us);
    return true;
}

static bool step_before(struct sim *sim, int64_t limit_us)
{
    unsigned n = step_at(sim, UINT32_MAX);
    if (!n) {
        if (!time_pass(sim, limit_us))
            return false;
        n = step_at(sim, UINT32_MAX);
        CHECK(n > 0);
    }
    step_at(sim, (unsigned)random_below(&sim->random, n));
    sim->now_us += (int64_t)random_below(&sim->random, 10);
    return true;
}

bool sim_step(struct sim *sim)
{
    CHECK(!loop_current());
    return step_before(sim, INT64_MAX);
}

void sim_run_until(struct sim *sim, int64_t virtual_us)
{
    CHECK(!loop_current());
    while (sim->now_us < virtual_us && step_before(sim, virtual_us))
        ;
    sim->now_us = MAX(sim->now_us, virtual_us);
}

static bool only_timers(struct sim *sim)
{
    for (unsigned i = 0; i < sim->nloops; i++)
        if (sim->loop[i] && (!list_empty(&sim->loop[i]->letters) || !list_empty(&sim->loop[i]->turn_ends)))
            return false;
    return list_empty(&sim->jobs);
}

void sim_run_idle(struct sim *sim)
{
    CHECK(!loop_current());
    /* A program that posts to itself for ever is a bug that must end a test, not hang it. */
    int64_t steps = 0;
    for (; !only_timers(sim); steps++) {
        CHECK(steps < 50000000);
        CHECK(step_before(sim, MAX(next_job_us(sim), sim->now_us)));
    }
}

void sim_crash(struct sim *sim)
{
    loop_set_current(NULL);
    for (struct list *link; (link = list_pop(&sim->jobs));)
        xfree(container_of(link, struct job, link));
    for (unsigned i = 0; i < sim->nloops; i++) {
        struct simloop *l = sim->loop[i];
        if (!l)
            continue;
        for (struct list *link; (link = list_pop(&l->letters));)
            xfree(container_of(link, struct letter, link));
        for (struct list *link; (link = list_pop(&l->turn_ends));)
            container_of(link, struct turn_end, link)->asked = false;
        while (l->ntimers)
            timer_stop(l->timers[l->ntimers - 1]);
        l->sync_free_us = 0;
        l->in_turn = false;
    }
}

/* ---- making and ending */

struct sim *sim_new(uint64_t seed)
{
    struct sim *sim = xzalloc(sizeof *sim);
    random_seed(&sim->random, seed);
    sim->now_us = 1000000;
    sim->wall_us = INT64_C(1700000000000000);
    list_init(&sim->jobs);
    return sim;
}

void sim_free(struct sim *sim)
{
    sim_crash(sim);
    for (unsigned i = 0; i < sim->nloops; i++) {
        if (sim->loop[i])
            xfree(sim->loop[i]->timers);
        xfree(sim->loop[i]);
    }
    xfree(sim);
}

struct loop *sim_loop(struct sim *sim, unsigned i)
{
    CHECK(i < LOOPS_MAX);
    if (!sim->loop[i]) {
        struct simloop *l = xzalloc(sizeof *l);
        l->loop = (struct loop){&sim_class, i};
        l->sim = sim;
        list_init(&l->letters);
        list_init(&l->turn_ends);
        random_seed(&l->random, random_next(&sim->random));
        sim->loop[i] = l;
        sim->nloops = MAX(sim->nloops, i + 1);
    }
    return &sim->loop[i]->loop;
}

int64_t sim_now_us(const struct sim *sim) { return sim->now_us; }
void sim_wall_jump(struct sim *sim, int64_t ms) { sim->wall_us += ms * 1000; }
struct random *sim_random(struct sim *sim) { return &sim->random; }
uint64_t sim_digest(const struct sim *sim) { return sim->digest; }
