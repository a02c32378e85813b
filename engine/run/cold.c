#include "engine/run/cold.h"
#include "engine/run/fold.h"
#include "engine/run/job.h"
#include "log/base/fault.h"
#include "log/base/limits.h"
#include "log/base/trace.h"
#include <errno.h>

struct cold {
    struct task *t;
    struct list fetches; /* that wait */
    struct cold_fetch *fetch; /* at work: this, */
    struct cold_put *put;     /* or a piece of this; it may also wait */
    bool busy, stopped, putting, closing;
    _Atomic bool awaited; /* fetches wait for the piece that is put: it may be small */
    struct work work;
    struct timer idle;
    int64_t used_us;
    struct checkpoint_size *sizes; /* by node */
    size_t nsizes;
    size_t cache; /* of packed state in memory, at most */
    /* the worker's */
    struct checkpoint *cp;
    struct checkpoint_size *now;
    size_t nnow;
};

static void next(struct cold *c);

void cold_fetch_init(struct cold_fetch *f)
{
    *f = (struct cold_fetch){0};
    list_init(&f->link);
    needs_init(&f->needs);
    arena_init(&f->arena);
}

void cold_fetch_fini(struct cold_fetch *f)
{
    needs_fini(&f->needs);
    arena_fini(&f->arena);
    xfree(f->found);
}

/* ---- The worker. */

/* Does the file hold anything, as far as it was written or opened by us? */
static bool holds(const struct cold *c)
{
    for (size_t i = 0; i < c->nsizes; i++)
        if (c->sizes[i].entries)
            return true;
    return false;
}

/* A file that has vanished is as good as damaged: what it held must not be taken for nothing. */
static int open_file(struct cold *c, bool create)
{
    struct job *j = c->t->job;
    struct disk *disk = store_disk(broker_store(engine_broker(j->engine)));
    struct arena a;
    struct diag d = {0};
    int err = 0;
    if (c->cp)
        return 0;
    arena_init(&a);
    const char *path = job_state_path(j, c->t, &a);
    bool there = disk_exists(disk, path);
    if (!there && holds(c))
        err = E_CORRUPT;
    if (!err && create && !there)
        err = job_state_folder(j);
    if (!err && (create || there))
        err = checkpoint_open(&c->cp, disk, path, &d);
    arena_fini(&a);
    return err;
}

static void close_file(struct cold *c)
{
    checkpoint_close(c->cp);
    c->cp = NULL;
}

static void delete_file(struct cold *c)
{
    struct job *j = c->t->job;
    struct arena a;
    close_file(c);
    arena_init(&a);
    trace(WARN, "run", "checkpoint_dropped job=%s task=%u-%u why=\"it is damaged\"", j->def.name, c->t->frag->id,
          c->t->index);
    if (!BUG("checkpoint_not_deleted"))
        (void)checkpoint_delete(store_disk(broker_store(engine_broker(j->engine))), job_state_path(j, c->t, &a));
    arena_fini(&a);
}

struct finding {
    struct cold_fetch *f;
    uint32_t need;
};

static int found_cb(void *arg, uint32_t store, struct str key, struct str value)
{
    (void)store;
    struct finding *n = arg;
    struct cold_fetch *f = n->f;
    f->needs.v[n->need].found++;
    VEC_PUSH(f->found, f->nfound, f->cap_found) =
        (struct cold_found){n->need, arena_dup(&f->arena, key), arena_dup(&f->arena, value)};
    return 0;
}

static int need_cmp(const void *pa, const void *pb)
{
    const struct need *a = pa, *b = pb;
    if (a->store != b->store)
        return a->store < b->store ? -1 : 1;
    int cmp = str_cmp(a->key, b->key);
    return cmp ? cmp : (int)a->range - (int)b->range;
}

/* In the order of the file, so that neighbours are read together; what is asked twice is looked up once. */
enum { AHEAD = 12 };
static int fetch_all(struct checkpoint *cp, struct cold_fetch *f)
{
    int err = 0;
    qsort(f->needs.v, f->needs.n, sizeof *f->needs.v, need_cmp);
    for (uint32_t i = 0; !err && i < f->needs.n; i++) {
        struct need *n = &f->needs.v[i];
        if (i + AHEAD < f->needs.n && !n[AHEAD].range)
            checkpoint_foresee(cp, f->node << 16 | n[AHEAD].store, n[AHEAD].key);
        struct finding finding = {f, i};
        uint32_t store = f->node << 16 | n->store;
        if (i && need_cmp(&n[-1], n) == 0 && (!n->range || str_eq(n[-1].from, n->from)))
            continue;
        if (n->range)
            err = checkpoint_scan(cp, store, n->key, n->from, n->above, n->limit, found_cb, &finding);
        else
            err = checkpoint_get(cp, store, n->key, found_cb, &finding);
    }
    return err;
}

static int put_some(struct cold *c, struct cold_put *p)
{
    size_t buckets = atomic_load(&c->awaited) ? COLD_PUT_BUCKETS / 8 + 1 : COLD_PUT_BUCKETS;
    if (p->done == p->n) {
        p->n = fold_take(p->fold, p->piece, RESTORE_PUT_CHANGES);
        p->done = 0;
        p->over = p->n == 0;
    }
    int err = p->over ? 0 : checkpoint_put(c->cp, p->piece, p->n, &p->done, buckets, p->offset);
    FAULT("checkpoint.piece");
    if (err || !p->over)
        return err;
    err = checkpoint_seal(c->cp, p->offset, p->note);
    FAULT("checkpoint.sealed");
    const struct checkpoint_size *sizes;
    c->nnow = err ? 0 : checkpoint_sizes(c->cp, &sizes);
    c->now = xrealloc(c->now, (c->nnow + 1) * sizeof *c->now);
    if (c->nnow)
        memcpy(c->now, sizes, c->nnow * sizeof *sizes);
    return err;
}

static void cold_work(struct work *w)
{
    struct cold *c = container_of(w, struct cold, work);
    if (c->closing) {
        close_file(c);
        return;
    }
    int err = open_file(c, c->putting);
    if (!err && c->cp)
        checkpoint_memory(c->cp, &c->t->memory, c->cache);
    if (!err && c->putting)
        err = put_some(c, c->put);
    else if (!err && c->cp)
        err = fetch_all(c->cp, c->fetch);
    if (err == E_CORRUPT)
        delete_file(c);
    if (c->putting)
        c->put->status = err;
    else
        c->fetch->status = err;
}

/* ---- The loop. */

static void put_back_cb(struct msg *m)
{
    struct cold_put *p = container_of(m, struct cold_put, msg);
    p->done_cb(p);
}

static void put_back(struct cold *c, struct cold_put *p)
{
    c->put = NULL;
    p->msg.run_cb = put_back_cb;
    loop_post(c->t->job->home, &p->msg);
}

static void put_done(struct cold *c)
{
    struct cold_put *p = c->put;
    if (c->stopped && !p->status && !p->over)
        p->status = E_CANCELED;
    if (!p->status && !p->over)
        return; /* another piece */
    if (!p->status) {
        c->t->clock.clean = BUG("clean_ahead") ? INT32_MAX : (uint32_t)p->epoch;
        cold_note_sizes(c, c->now, c->nnow);
        press_checkpointed(c->t);
    }
    if (p->status == E_CORRUPT)
        task_damaged(c->t);
    put_back(c, p);
}

static void cold_done(struct work *w)
{
    struct cold *c = container_of(w, struct cold, work);
    struct cold_fetch *f = c->fetch;
    bool putting = c->putting;
    c->busy = c->putting = c->closing = false;
    c->fetch = NULL;
    c->used_us = loop_now_us(c->t->loop);
    if (putting) {
        put_done(c);
    } else if (f) {
        if (f->status == E_CORRUPT)
            task_damaged(c->t);
        f->done_cb(f);
    }
    next(c);
    task_cold_idle(c->t);
}

static void run(struct cold *c)
{
    c->busy = true;
    c->cache = engine_cache_bytes(c->t->job);
    c->work = (struct work){.loop = c->t->loop, .lane = LANE_HEAVY, .work_cb = cold_work, .done_cb = cold_done};
    loop_work(c->t->loop, LANE_HEAVY, &c->work);
}

static void cancel_all(struct cold *c)
{
    for (struct list *l; (l = list_pop(&c->fetches)) != NULL;) {
        struct cold_fetch *f = container_of(l, struct cold_fetch, link);
        f->status = E_CANCELED;
        f->done_cb(f);
    }
    if (!c->put)
        return;
    c->put->status = E_CANCELED;
    put_back(c, c->put);
}

static void next(struct cold *c)
{
    if (c->busy)
        return;
    if (c->stopped) {
        cancel_all(c);
        return;
    }
    struct list *l = list_pop(&c->fetches);
    if (l)
        c->fetch = container_of(l, struct cold_fetch, link);
    atomic_store(&c->awaited, !list_empty(&c->fetches));
    c->putting = !l && c->put;
    if (l || c->put)
        run(c);
    else if (!timer_active(&c->idle))
        timer_start(&c->idle, COLD_IDLE_MS);
}

static void idle_cb(struct timer *timer)
{
    struct cold *c = container_of(timer, struct cold, idle);
    int64_t left_us = c->used_us + (int64_t)COLD_IDLE_MS * 1000 - loop_now_us(c->t->loop);
    if (c->stopped)
        return;
    if (c->busy || left_us > 0) {
        timer_start(&c->idle, MAX(left_us / 1000, 1));
        return;
    }
    c->closing = true;
    run(c);
}

struct cold *cold_new(struct task *t)
{
    struct cold *c = xzalloc(sizeof *c);
    c->t = t;
    list_init(&c->fetches);
    timer_init(&c->idle, t->loop, idle_cb);
    return c;
}

void cold_free(struct cold *c)
{
    if (!c)
        return;
    CHECK(!c->busy && !c->put && list_empty(&c->fetches));
    checkpoint_close(c->cp);
    xfree(c->sizes);
    xfree(c->now);
    xfree(c);
}

void cold_fetch(struct cold *c, struct cold_fetch *f)
{
    arena_reset(&f->arena);
    f->nfound = 0;
    f->status = 0;
    list_add_tail(&c->fetches, &f->link);
    atomic_store(&c->awaited, true);
    if (!c->stopped)
        next(c);
}

static void put_cb(struct msg *m)
{
    struct cold_put *p = container_of(m, struct cold_put, msg);
    struct cold *c = p->task->cold;
    CHECK(!c->put);
    c->put = p;
    next(c);
}

void cold_put(struct cold_put *p)
{
    p->n = p->done = 0;
    p->over = false;
    p->status = 0;
    p->msg.run_cb = put_cb;
    loop_post(p->task->loop, &p->msg);
}

void cold_stop(struct cold *c)
{
    c->stopped = true;
    timer_stop(&c->idle);
    next(c);
}

bool cold_idle(const struct cold *c) { return !c->busy && list_empty(&c->fetches); }

void cold_note_sizes(struct cold *c, const struct checkpoint_size *sizes, size_t n)
{
    c->sizes = xrealloc(c->sizes, (n + 1) * sizeof *sizes);
    if (n)
        memcpy(c->sizes, sizes, n * sizeof *sizes);
    c->nsizes = n;
}

int64_t cold_entries(const struct cold *c, uint32_t store)
{
    for (size_t i = 0; i < c->nsizes; i++)
        if (c->sizes[i].store == store)
            return c->sizes[i].entries;
    return 0;
}

void cold_size(const struct cold *c, unsigned node, int64_t *entries, int64_t *bytes)
{
    *entries = *bytes = 0;
    for (size_t i = 0; i < c->nsizes; i++)
        if (c->sizes[i].store >> 16 == node) {
            *entries += c->sizes[i].entries;
            *bytes += c->sizes[i].bytes;
        }
}
