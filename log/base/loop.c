/* A loop's turn: one round of libuv's events, then jobs that ended, due timers, the mailbox, and the hooks of the
 * turn's end. What a callback posts to its own loop waits for the next turn, so that events get their chance between.
 *
 * A poster wakes the loop only if it announced sleep: the loop sets `sleeping`, then looks at its mailbox again; the
 * poster fills the mailbox, then looks at `sleeping`. Both are sequentially consistent, so one of them sees the other.
 * Timers are a heap over one uv_timer that is set only before sleeping: starting and stopping costs no call and no
 * allocation, and a loop without work never wakes. Due times are met at the next millisecond, libuv's grain. */
#include "log/base/loop.h"
#include "log/base/alloc.h"
#include "log/base/clock.h"
#include "log/base/limits.h"
#include "log/base/random.h"
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

/* A stack that many push to and one empties at once. msg and work.link begin with their next pointer. */
struct node {
    struct node *next;
};
static_assert(offsetof(struct msg, next) == 0 && offsetof(struct list, next) == 0, "nodes begin with next");
struct pile {
    _Atomic(struct node *) top;
};

/* Threads that run one lane's jobs: the shared ones, or a loop's only syncing thread. Started at first need. */
struct pool {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct list queue;
    unsigned queued, threads_max, threads, idle;
    bool stopping;
    pthread_t thread[LANE_THREADS];
};

struct uvloop {
    struct loop loop;
    struct loops *all;
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t alarm;
    int64_t alarm_us; /* what the alarm is set to; INT64_MAX: nothing */
    int64_t now_us;
    bool now_stale;
    struct timer **heap;
    size_t timers, heap_cap;
    struct list turn_ends;
    struct random random;
    struct pool sync;
    pthread_t thread;
    _Alignas(64) struct pile mail; /* other threads write from here on */
    struct pile done;
    _Atomic bool sleeping;
};

struct loops {
    unsigned n;
    bool started;
    struct pool disk, heavy;
    _Alignas(64) _Atomic bool stopping;
    /* Messages, jobs and hooks whose callbacks have not returned: at zero nothing can ask for more. */
    _Atomic int64_t pending;
    struct uvloop *loop[];
};

static _Thread_local struct loop *current;

struct loop *loop_current(void) { return current; }
void loop_set_current(struct loop *loop) { current = loop; }

static struct uvloop *uvloop_of(const struct loop *loop)
{
    return container_of((uintptr_t)loop, struct uvloop, loop);
}

/* ---- piles */

static void pile_push(struct pile *p, struct node *n)
{
    struct node *top = atomic_load_explicit(&p->top, memory_order_relaxed);
    do
        n->next = top;
    while (!atomic_compare_exchange_weak(&p->top, &top, n));
}

/* All of it, oldest first. */
static struct node *pile_take(struct pile *p)
{
    if (!atomic_load_explicit(&p->top, memory_order_relaxed))
        return NULL;
    struct node *newest = atomic_exchange(&p->top, NULL), *oldest = NULL;
    while (newest) {
        struct node *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static bool pile_empty(struct pile *p) { return atomic_load(&p->top) == NULL; }

/* ---- waking and stopping */

static void loop_wake(struct uvloop *l)
{
    if (atomic_load(&l->sleeping) && atomic_exchange(&l->sleeping, false))
        uv_async_send(&l->wake);
}

static void pending_add(struct loops *all) { atomic_fetch_add_explicit(&all->pending, 1, memory_order_relaxed); }

static void pending_sub(struct loops *all, int64_t n)
{
    if (n && atomic_fetch_sub(&all->pending, n) == n && atomic_load(&all->stopping))
        for (unsigned i = 0; i < all->n; i++)
            loop_wake(all->loop[i]);
}

static void uv_post(struct loop *loop, struct msg *m)
{
    struct uvloop *l = uvloop_of(loop);
    pending_add(l->all);
    pile_push(&l->mail, (struct node *)(void *)m);
    loop_wake(l);
}

/* ---- worker threads */

static void pool_init(struct pool *p, unsigned threads_max)
{
    CHECK(threads_max <= LANE_THREADS);
    *p = (struct pool){.threads_max = threads_max};
    CHECK(pthread_mutex_init(&p->lock, NULL) == 0);
    CHECK(pthread_cond_init(&p->more, NULL) == 0);
    list_init(&p->queue);
}

static void *pool_thread(void *arg)
{
    struct pool *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct list *link = list_pop(&p->queue);
        if (!link && p->stopping)
            break;
        if (!link) {
            p->idle++;
            pthread_cond_wait(&p->more, &p->lock);
            p->idle--;
            continue;
        }
        p->queued--;
        pthread_mutex_unlock(&p->lock);
        struct work *w = container_of(link, struct work, link);
        struct uvloop *l = uvloop_of(w->loop);
        w->work_cb(w);
        pile_push(&l->done, (struct node *)(void *)&w->link);
        loop_wake(l);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void pool_start_thread(struct pool *p)
{
    pthread_attr_t attr;
    CHECK(pthread_attr_init(&attr) == 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their frames are many times larger */
    CHECK(pthread_attr_setstacksize(&attr, WORKER_STACK_BYTES) == 0);
#endif
    int err = pthread_create(&p->thread[p->threads], &attr, pool_thread, p);
    pthread_attr_destroy(&attr);
    CHECK(err == 0 || p->threads > 0); /* fewer threads do; none would hang */
    p->threads += err == 0;
}

static void pool_add(struct pool *p, struct work *w)
{
    pthread_mutex_lock(&p->lock);
    list_add_tail(&p->queue, &w->link);
    /* A thread that was woken for an earlier job and has not run yet still counts as idle. */
    if (++p->queued > p->idle && p->threads < p->threads_max)
        pool_start_thread(p);
    else if (p->idle)
        pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
}

static void pool_stop(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->threads; i++)
        CHECK(pthread_join(p->thread[i], NULL) == 0);
    p->threads = 0;
    p->stopping = false;
}

static void pool_fini(struct pool *p)
{
    CHECK(p->threads == 0);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->more);
}

static void uv_loop_work(struct loop *loop, struct work *w)
{
    struct uvloop *l = uvloop_of(loop);
    pending_add(l->all);
    pool_add(w->lane == LANE_SYNC ? &l->sync : w->lane == LANE_DISK ? &l->all->disk : &l->all->heavy, w);
}

/* ---- time */

static int64_t uv_now_us(const struct loop *loop)
{
    struct uvloop *l = uvloop_of(loop);
    if (l->now_stale) {
        l->now_us = clock_mono_us();
        l->now_stale = false;
    }
    return l->now_us;
}

static int64_t uv_fresh_us(const struct loop *loop)
{
    (void)loop;
    return clock_mono_us();
}

static int64_t uv_wall_ms(const struct loop *loop)
{
    (void)loop;
    return clock_wall_ms();
}

static uint64_t uv_rand(struct loop *loop) { return random_next(&uvloop_of(loop)->random); }

/* ---- timers: a binary heap; timer.impl holds the place in it plus one */

static size_t heap_at(const struct timer *t) { return (size_t)(uintptr_t)t->impl - 1; }

static void heap_put(struct uvloop *l, size_t at, struct timer *t)
{
    l->heap[at] = t;
    t->impl = (void *)(uintptr_t)(at + 1);
}

static void heap_settle(struct uvloop *l, size_t at, struct timer *t)
{
    while (at > 0 && l->heap[(at - 1) / 2]->due_us > t->due_us) {
        heap_put(l, at, l->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < l->timers && l->heap[child + 1]->due_us < l->heap[child]->due_us)
            child++;
        if (child >= l->timers || l->heap[child]->due_us >= t->due_us)
            break;
        heap_put(l, at, l->heap[child]);
        at = child;
    }
    heap_put(l, at, t);
}

static void heap_remove(struct uvloop *l, struct timer *t)
{
    size_t at = heap_at(t);
    CHECK(at < l->timers && l->heap[at] == t);
    t->impl = NULL;
    struct timer *last = l->heap[--l->timers];
    if (last != t)
        heap_settle(l, at, last);
}

static void uv_timer_set(struct loop *loop, struct timer *t)
{
    struct uvloop *l = uvloop_of(loop);
    if (t->due_us < 0) {
        if (t->impl)
            heap_remove(l, t);
        return;
    }
    if (!t->impl) {
        VEC_PUSH(l->heap, l->timers, l->heap_cap) = t;
        heap_settle(l, l->timers - 1, t);
    } else {
        heap_settle(l, heap_at(t), t);
    }
}

static void timers_run(struct uvloop *l)
{
    if (!l->timers)
        return;
    /* A timer set meanwhile lies at least 1 us ahead of this, so the loop ends. */
    int64_t now_us = uv_now_us(&l->loop);
    while (l->timers && l->heap[0]->due_us <= now_us) {
        struct timer *t = l->heap[0];
        heap_remove(l, t);
        t->due_us = -1;
        t->fire_cb(t);
    }
}

/* libuv may run this before it polls, and would then sleep without a timer: stopping makes this round return. */
static void alarm_cb(uv_timer_t *alarm)
{
    struct uvloop *l = container_of(alarm, struct uvloop, alarm);
    l->alarm_us = INT64_MAX;
    uv_stop(&l->uv);
}

static void alarm_set(struct uvloop *l)
{
    int64_t due_us = l->timers ? l->heap[0]->due_us : INT64_MAX;
    if (due_us == l->alarm_us)
        return;
    l->alarm_us = due_us;
    if (due_us == INT64_MAX) {
        uv_timer_stop(&l->alarm);
        return;
    }
    int64_t left_us = MAX(due_us - clock_mono_us(), INT64_C(0));
    uv_update_time(&l->uv);
    CHECK(uv_timer_start(&l->alarm, alarm_cb, (uint64_t)(left_us / 1000 + (left_us % 1000 != 0)), 0) == 0);
}

/* ---- turns */

static void uv_turn_end(struct loop *loop, struct turn_end *t)
{
    struct uvloop *l = uvloop_of(loop);
    pending_add(l->all);
    list_add_tail(&l->turn_ends, &t->link);
}

static void mail_run(struct uvloop *l)
{
    int64_t n = 0;
    for (struct node *node = pile_take(&l->mail), *next; node; node = next, n++) {
        next = node->next;
        struct msg *m = (struct msg *)(void *)node;
        m->run_cb(m);
    }
    pending_sub(l->all, n);
}

static void done_run(struct uvloop *l)
{
    int64_t n = 0;
    for (struct node *node = pile_take(&l->done), *next; node; node = next, n++) {
        next = node->next;
        struct work *w = container_of((struct list *)(void *)node, struct work, link);
        w->done_cb(w);
    }
    pending_sub(l->all, n);
}

/* A hook that asks for itself again runs at the end of the next turn. */
static void turn_ends_run(struct uvloop *l)
{
    if (list_empty(&l->turn_ends))
        return;
    struct list now;
    list_init(&now);
    for (struct list *link; (link = list_pop(&l->turn_ends));)
        list_add_tail(&now, link);
    int64_t n = 0;
    for (struct list *link; (link = list_pop(&now)); n++) {
        struct turn_end *t = container_of(link, struct turn_end, link);
        t->asked = false;
        t->run_cb(t);
    }
    pending_sub(l->all, n);
}

static bool has_work(struct uvloop *l)
{
    return !pile_empty(&l->mail) || !pile_empty(&l->done) || !list_empty(&l->turn_ends);
}

/* Nothing is left anywhere, and nothing can come: time and events no longer count. */
static bool is_drained(struct uvloop *l)
{
    return atomic_load(&l->all->stopping) && atomic_load(&l->all->pending) == 0;
}

static void wake_cb(uv_async_t *wake) { (void)wake; }

static void *loop_thread(void *arg)
{
    struct uvloop *l = arg;
    current = &l->loop;
    while (!is_drained(l)) {
        alarm_set(l);
        atomic_store(&l->sleeping, true);
        bool sleep = !has_work(l) && !is_drained(l);
        if (!sleep)
            atomic_store(&l->sleeping, false);
        l->now_stale = true;
        uv_run(&l->uv, sleep ? UV_RUN_ONCE : UV_RUN_NOWAIT);
        atomic_store_explicit(&l->sleeping, false, memory_order_relaxed);
        l->now_stale = true;
        done_run(l);
        if (!atomic_load_explicit(&l->all->stopping, memory_order_relaxed))
            timers_run(l);
        mail_run(l);
        turn_ends_run(l);
    }
    current = NULL;
    return NULL;
}

/* ---- making and ending */

static const struct loop_class uv_class = {
    .now_us = uv_now_us,
    .fresh_us = uv_fresh_us,
    .wall_ms = uv_wall_ms,
    .random = uv_rand,
    .timer_set = uv_timer_set,
    .post = uv_post,
    .work = uv_loop_work,
    .turn_end = uv_turn_end,
};

static struct uvloop *uvloop_new(struct loops *all, unsigned index)
{
    struct uvloop *l = aligned_alloc(_Alignof(struct uvloop), sizeof *l);
    CHECK(l);
    *l = (struct uvloop){.loop = {&uv_class, index}, .all = all, .alarm_us = INT64_MAX, .now_stale = true};
    CHECK(uv_loop_init(&l->uv) == 0);
    CHECK(uv_async_init(&l->uv, &l->wake, wake_cb) == 0);
    CHECK(uv_timer_init(&l->uv, &l->alarm) == 0);
    list_init(&l->turn_ends);
    pool_init(&l->sync, 1);
    uint64_t seed;
    random_system(&seed, sizeof seed);
    random_seed(&l->random, seed);
    return l;
}

struct loops *loops_new(unsigned n)
{
    CHECK(n > 0 && n <= LOOPS_MAX);
    size_t size = (sizeof(struct loops) + n * sizeof(struct uvloop *) + 63) & ~(size_t)63;
    struct loops *ls = aligned_alloc(64, size);
    CHECK(ls);
    memset(ls, 0, size);
    ls->n = n;
    pool_init(&ls->disk, LANE_THREADS);
    pool_init(&ls->heavy, LANE_THREADS);
    for (unsigned i = 0; i < n; i++)
        ls->loop[i] = uvloop_new(ls, i);
    return ls;
}

struct loop *loops_get(struct loops *ls, unsigned index)
{
    CHECK(index < ls->n);
    return &ls->loop[index]->loop;
}

unsigned loops_count(const struct loops *ls) { return ls->n; }

void loops_start(struct loops *ls)
{
    CHECK(!ls->started);
    ls->started = true;
    for (unsigned i = 0; i < ls->n; i++)
        CHECK(pthread_create(&ls->loop[i]->thread, NULL, loop_thread, ls->loop[i]) == 0);
}

void loops_stop(struct loops *ls)
{
    CHECK(!current);
    if (!ls->started)
        return;
    atomic_store(&ls->stopping, true);
    for (unsigned i = 0; i < ls->n; i++)
        loop_wake(ls->loop[i]);
    for (unsigned i = 0; i < ls->n; i++)
        CHECK(pthread_join(ls->loop[i]->thread, NULL) == 0);
    for (unsigned i = 0; i < ls->n; i++)
        pool_stop(&ls->loop[i]->sync);
    pool_stop(&ls->disk);
    pool_stop(&ls->heavy);
    ls->started = false;
    atomic_store(&ls->stopping, false);
}

static void uvloop_free(struct uvloop *l)
{
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->alarm, NULL);
    uv_run(&l->uv, UV_RUN_NOWAIT);
    CHECK(uv_loop_close(&l->uv) == 0); /* whoever opened a handle on this loop closes it before */
    pool_fini(&l->sync);
    xfree(l->heap);
    free(l);
}

void loops_free(struct loops *ls)
{
    CHECK(!ls->started);
    for (unsigned i = 0; i < ls->n; i++)
        uvloop_free(ls->loop[i]);
    pool_fini(&ls->disk);
    pool_fini(&ls->heavy);
    free(ls);
}

struct uv_loop_s *loop_uv(struct loop *loop) { return loop->cls == &uv_class ? &uvloop_of(loop)->uv : NULL; }

/* ---- any loop */

int64_t loop_now_us(const struct loop *loop) { return loop->cls->now_us(loop); }
int64_t loop_wall_ms(const struct loop *loop) { return loop->cls->wall_ms(loop); }
int64_t loop_fresh_us(const struct loop *loop) { return loop->cls->fresh_us(loop); }
unsigned loop_index(const struct loop *loop) { return loop->index; }
uint64_t loop_random(struct loop *loop) { return loop->cls->random(loop); }

void timer_init(struct timer *t, struct loop *loop, void (*fire_cb)(struct timer *))
{
    *t = (struct timer){.loop = loop, .fire_cb = fire_cb, .due_us = -1};
}

void timer_start_us(struct timer *t, int64_t delay_us)
{
    int64_t due_us;
    /* At least 1 us ahead: a timer that starts itself again with no delay must not hold its turn for ever. */
    if (__builtin_add_overflow(loop_now_us(t->loop), MAX(delay_us, INT64_C(1)), &due_us))
        due_us = INT64_MAX - 1;
    t->due_us = due_us;
    t->loop->cls->timer_set(t->loop, t);
}

void timer_start(struct timer *t, int64_t delay_ms)
{
    int64_t delay_us;
    if (__builtin_mul_overflow(delay_ms, 1000, &delay_us))
        delay_us = delay_ms < 0 ? 0 : INT64_MAX;
    timer_start_us(t, delay_us);
}

void timer_stop(struct timer *t)
{
    if (t->due_us < 0)
        return;
    t->due_us = -1;
    t->loop->cls->timer_set(t->loop, t);
}

bool timer_active(const struct timer *t) { return t->due_us >= 0; }

void loop_post(struct loop *loop, struct msg *m) { loop->cls->post(loop, m); }

void loop_work(struct loop *loop, enum lane lane, struct work *w)
{
    w->loop = loop;
    w->lane = lane;
    loop->cls->work(loop, w);
}

void loop_at_turn_end(struct loop *loop, struct turn_end *t)
{
    if (t->asked)
        return;
    t->asked = true;
    loop->cls->turn_end(loop, t);
}
