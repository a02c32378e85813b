/* The owner's side of compaction: when which partition is due, and how what a pass has made takes its place.
 *
 * A segment may be compacted if it is closed, all of it lies below the last stable offset, and the recovery point on
 * disk is beyond it: then neither the write-ahead file nor a start writes to it any more. An exchange is: the old files
 * are kept open, the new one (synced) gets its name, the folder is synced; readers get the new list; the old names go.
 * The new name says what range it stands for, so a start after a crash anywhere in this takes the new file or the old
 * ones, never both. Until the old names are gone neither retention nor deletion touches the part. */
#include "log/store/compact.h"
#include "log/base/alloc.h"
#include "log/base/fault.h"
#include "log/base/trace.h"
#include "log/store/shard.h"
#include <errno.h>

/*     idle → learning → idle          idle → passing ⇄ (swapping → removing) → idle */
enum compactor_state { IDLE, LEARNING, PASSING, SWAPPING, REMOVING };

static const struct sm_state compactor_states[] = {
    [IDLE] = {"idle", TO(LEARNING) | TO(PASSING)},
    [LEARNING] = {"learning", TO(IDLE)},
    [PASSING] = {"passing", TO(SWAPPING) | TO(IDLE)},
    [SWAPPING] = {"swapping", TO(REMOVING) | TO(IDLE)},
    [REMOVING] = {"removing", TO(PASSING) | TO(IDLE)},
};

struct compactor {
    struct shard *sh;
    struct sm sm;
    struct timer timer;
    struct work work;
    struct part *part; /* acquired while a job runs; between jobs compact_forget tells that it goes */
    bool working, gone;
    struct pass *pass;
    int64_t began_us; /* of the job */
    int result;       /* of the job, and what it found: */
    bool named;
    int64_t first_dirty, horizon;
    struct segment **old; /* what is being exchanged, acquired */
    unsigned nold;
    struct segment *made;
};

enum { SOON_MS = 1 };

static void compactor_fire(struct timer *t);

struct compactor *compactor_new(struct shard *sh)
{
    struct compactor *c = xzalloc(sizeof *c);
    c->sh = sh;
    sm_init(&c->sm, compactor_states, "store.compactor", IDLE);
    timer_init(&c->timer, sh->loop, compactor_fire);
    return c;
}

static const struct config *conf_of(const struct compactor *c) { return c->sh->store->conf; }

static void compactor_wait(struct compactor *c)
{
    timer_start(&c->timer, MIN(conf_of(c)->cleaner_backoff_ms, INT64_C(1) << 40));
}

void compactor_start(struct compactor *c) { compactor_wait(c); }

static void old_release(struct compactor *c)
{
    for (unsigned i = 0; i < c->nold; i++)
        segment_release(c->old[i]);
    xfree(c->old);
    segment_release(c->made);
    c->old = NULL;
    c->nold = 0;
    c->made = NULL;
}

/* Back to looking around. */
static void compactor_rest(struct compactor *c)
{
    pass_free(c->pass);
    c->pass = NULL;
    c->part = NULL;
    c->gone = false;
    old_release(c);
    sm_move(&c->sm, IDLE);
}

void compactor_free(struct compactor *c)
{
    if (!c)
        return;
    CHECK(!c->working);
    timer_stop(&c->timer);
    if (!sm_is(&c->sm, IDLE))
        compactor_rest(c);
    xfree(c);
}

void compact_forget(struct part *p)
{
    struct compactor *c = p->shard->compactor;
    if (!c || c->part != p)
        return;
    c->gone = true;
    if (c->working)
        return;
    compactor_rest(c);
    timer_start(&c->timer, SOON_MS);
}

/* Runs a job that holds the part. */
static void compactor_work(struct compactor *c, void (*work_cb)(struct work *), void (*done_cb)(struct work *))
{
    CHECK(!c->working);
    c->working = true;
    part_acquire(c->part);
    c->began_us = loop_fresh_us(c->sh->loop);
    c->work = (struct work){.work_cb = work_cb, .done_cb = done_cb};
    loop_work(c->sh->loop, LANE_HEAVY, &c->work);
}

/* The job is done; gives the part, which the caller releases last of all. */
static struct part *compactor_worked(struct work *w, struct compactor **out)
{
    struct compactor *c = *out = container_of(w, struct compactor, work);
    c->working = false;
    return c->part;
}

/* ---- rolling by time */

struct roll {
    struct work work;
    struct part *part;
    struct segment *seg;
    struct wbuf producers;
    int status;
    bool broken;
};

static void roll_work(struct work *w)
{
    struct roll *r = container_of(w, struct roll, work);
    struct seg_file *sf;
    r->status = segment_open(r->seg, FILE_CREATE | FILE_TRUNC, true, &sf);
    if (r->status)
        return;
    seg_file_release(sf);
    struct disk *d = r->part->store->disk;
    r->status = disk_sync_dir(d, r->part->dir);
    if (!r->status) {
        (void)segment_write_producers(r->seg, &r->producers); /* an older one and more to read will do */
        return;
    }
    /* The name must not come back: what the old segment gets from now on would lie behind it. */
    r->broken = segment_unlink(r->seg) || disk_sync_dir(d, r->part->dir);
    segment_close_files(r->seg);
}

static void roll_done(struct work *w)
{
    struct roll *r = container_of(w, struct roll, work);
    struct part *p = r->part;
    p->retiring = false;
    if (r->broken) {
        part_fail(p, r->status, "a new segment's name is in doubt");
        watches_fire_all(p, E_STORAGE);
    } else if (r->status) {
        trace(WARN, "store", "roll_failed topic=%s part=%d error=%s: tried again later", p->name, p->index,
              err_name(r->status));
    } else {
        struct segment *old = seglist_last(p->list);
        struct seglist *list = seglist_new(p->list, 0, r->seg);
        counted_release(&p->list->c);
        p->list = list;
        p->pos = 0;
        p->roll_next = false;
        old->closed = true;
        checkpoint_touch(p->shard, old, NULL, false);
        p->point->latest = (struct mark){r->seg->base, 0, p->next_offset, p->log_start};
        p->point->changed = true;
        part_publish(p);
    }
    segment_release(r->seg);
    wbuf_fini(&r->producers);
    xfree(r);
    part_settle(p);
    part_release(p);
}

int part_roll(struct part *p)
{
    if (p->shard->failed || !sm_is(&p->sm, PART_OPEN) || p->committing || p->retiring || !list_empty(&p->ready_link) ||
        p->pos == 0)
        return -EAGAIN;
    struct roll *r = xzalloc(sizeof *r);
    r->part = part_acquire(p);
    r->seg = segment_new(&p->store->files, p->dir, p->next_offset);
    cell_set(&r->seg->index, &index_new()->c);
    wbuf_init(&r->producers);
    producers_encode(p->producers, p->next_offset, NULL, &r->producers);
    p->retiring = true;
    r->work.work_cb = roll_work;
    r->work.done_cb = roll_done;
    loop_work(p->shard->loop, LANE_DISK, &r->work);
    return 0;
}

/* A segment that is open for too long is closed: by the next append, or at once where compaction waits for it. */
static void part_age(struct part *p, const struct part_conf *pc, int64_t now_ms)
{
    const struct segment *last = seglist_last(p->list);
    int64_t limit = pc->compact ? MIN(pc->segment_ms, pc->lag_max_ms) : pc->segment_ms;
    if (p->pos == 0 || now_ms - last->born_ms < limit)
        return;
    p->roll_next = true;
    if (pc->compact)
        (void)part_roll(p);
}

/* ---- who is due */

struct prospect {
    unsigned n; /* segments that may be compacted */
    int64_t from, clean, dirty; /* first dirty offset; bytes */
    bool due, late; /* late: it will be, once a checkpoint has moved the recovery point */
};

static bool bytes_are_due(const struct part_conf *pc, int64_t clean, int64_t dirty)
{
    return dirty > 0 && (double)dirty >= pc->dirty_ratio * (double)(clean + dirty);
}

static struct prospect part_prospect(const struct part *p, const struct part_conf *pc, int64_t now_ms)
{
    const struct seglist *l = p->list;
    int64_t durable = p->point->known ? p->point->durable.seg_base : 0;
    /* Not from the log's start, if that is higher: a crash may take it back. */
    struct prospect pr = {.from = p->clean.first_dirty > p->next_offset ? 0 : p->clean.first_dirty};
    int64_t dirty = 0, oldest_ms = INT64_MAX;
    for (unsigned i = 0; i + 1 < l->n; i++) {
        const struct segment *seg = l->seg[i];
        int64_t end = l->seg[i + 1]->base, size = atomic_load(&seg->size);
        bool is_dirty = end > pr.from;
        if (end > (BUG("compact_past_lso") ? p->next_offset : p->lso) || (is_dirty && now_ms - seg->last_ms < pc->lag_min_ms))
            break;
        if (is_dirty && dirty == 0)
            oldest_ms = seg->born_ms;
        dirty += is_dirty ? size : 0;
        if (seg->base >= durable || i > pr.n)
            continue;
        pr.n++;
        pr.dirty += is_dirty ? size : 0;
        pr.clean += is_dirty ? 0 : size;
    }
    bool overdue = dirty > 0 && now_ms - oldest_ms >= pc->lag_max_ms;
    bool horizon = p->clean.horizon >= 0 && now_ms >= p->clean.horizon;
    pr.due = pr.n > 0 && (bytes_are_due(pc, pr.clean, pr.dirty) || (overdue && pr.dirty > 0) || horizon);
    pr.late = !pr.due && (bytes_are_due(pc, pr.clean, dirty) || overdue);
    return pr;
}

static bool part_may_compact(const struct part *p, const struct part_conf *pc, int64_t now_ms)
{
    return pc->compact && sm_is(&p->sm, PART_OPEN) && !p->clean.off && now_ms >= p->clean.again_ms &&
           !atomic_load(&p->delete_asked);
}

/* ---- learning what the last pass left behind */

static void learn_work(struct work *w)
{
    struct compactor *c = container_of(w, struct compactor, work);
    c->result = clean_read(c->part->store->disk, c->part->dir, &c->first_dirty, &c->horizon);
}

static void learn_done(struct work *w)
{
    struct compactor *c;
    struct part *p = compactor_worked(w, &c);
    bool good = c->result == 0; /* else all of it counts as dirty: a pass more than needed */
    p->clean.known = true;
    p->clean.first_dirty = good ? c->first_dirty : 0;
    p->clean.horizon = good ? c->horizon : -1;
    compactor_rest(c);
    timer_start(&c->timer, SOON_MS);
    part_release(p);
}

/* ---- passes */

static void chunk_work(struct work *w)
{
    struct compactor *c = container_of(w, struct compactor, work);
    c->result = pass_step(c->pass, COMPACT_CHUNK_BYTES);
}

/* The end of a pass that came to nothing. */
static void pass_failed(struct compactor *c, struct part *p, int err)
{
    /* Each try reads all that is dirty: what fails again and again waits longer and longer. */
    int64_t wait_ms = MIN(conf_of(c)->cleaner_backoff_ms, INT64_C(1) << 40) << MIN(p->clean.failed, 8u);
    p->clean.failed += err != 0;
    p->clean.again_ms = loop_wall_ms(c->sh->loop) + wait_ms;
    p->clean.off = err == E_CORRUPT;
    if (err && err != -ENOENT) /* that is retention's doing */
        trace(err == E_CORRUPT ? ERROR : WARN, "store", "compaction_failed topic=%s part=%d error=%s%s", p->name,
              p->index, err_name(err), err == E_CORRUPT ? ": not again before a restart" : ": tried again later");
    compactor_rest(c);
    timer_start(&c->timer, SOON_MS);
}

static void pass_finished(struct compactor *c, struct part *p)
{
    struct pass_done d;
    pass_result(c->pass, &d);
    p->clean.failed = 0;
    p->clean.first_dirty = d.first_dirty;
    p->clean.horizon = d.horizon;
    trace(DEBUG, "store",
          "compacted topic=%s part=%d upto=%" PRId64 " kept=%" PRIu64 " dropped=%" PRIu64 " read=%" PRIu64
          " written=%" PRIu64 " memory=%" PRIu64,
          p->name, p->index, d.first_dirty, d.kept, d.dropped, d.read, d.written, d.memory_max);
    compactor_rest(c);
    timer_start(&c->timer, SOON_MS);
}

/* The next chunk comes when the rate allows it, and never in this turn: at shutdown nothing follows. */
static void chunk_later(struct compactor *c)
{
    int64_t rate = MAX(conf_of(c)->cleaner_rate / (int64_t)c->sh->store->nshards, INT64_C(1));
    double us = (double)pass_bytes(c->pass) * 1e6 / (double)rate;
    int64_t wait_us = (int64_t)MIN(us, 1e12) - (loop_fresh_us(c->sh->loop) - c->began_us);
    timer_start_us(&c->timer, MAX(wait_us, INT64_C(0)));
}

static bool group_is_there(const struct part *p, struct segment *const *old, unsigned n, unsigned *at)
{
    const struct seglist *l = p->list;
    for (*at = 0; *at < l->n && l->seg[*at] != old[0]; (*at)++)
        ;
    if (*at + n >= l->n) /* the last one is never compacted */
        return false;
    return memcmp(l->seg + *at, old, n * sizeof(struct segment *)) == 0;
}

static void swap_work(struct work *w)
{
    struct compactor *c = container_of(w, struct compactor, work);
    c->result = pass_swap(c->pass, &c->named);
}

static void remove_work(struct work *w)
{
    struct compactor *c = container_of(w, struct compactor, work);
    c->result = 0;
    for (unsigned i = 0; i < c->nold && !c->result; i++) {
        c->result = segment_unlink(c->old[i]);
        segment_close_files(c->old[i]);
    }
    if (!c->result)
        c->result = disk_sync_dir(c->part->store->disk, c->part->dir);
}

static void remove_done(struct work *w)
{
    struct compactor *c;
    struct part *p = compactor_worked(w, &c);
    p->swapping = false;
    if (c->result) { /* old names beside the new one: only a start may sort that out */
        part_fail(p, c->result, "compacted segments cannot be removed");
        watches_fire_all(p, E_STORAGE);
        pass_failed(c, p, c->result);
    } else {
        old_release(c);
        sm_move(&c->sm, PASSING);
        timer_start_us(&c->timer, 0);
    }
    part_settle(p);
    part_release(p);
}

/* Readers get the new segment in place of the old ones. */
static void swap_install(struct compactor *c, struct part *p)
{
    unsigned at;
    CHECK(group_is_there(p, c->old, c->nold, &at));
    const struct seglist *l = p->list;
    struct segment **seg = xalloc(l->n * sizeof(struct segment *));
    memcpy(seg, l->seg, at * sizeof(struct segment *));
    seg[at] = c->made;
    memcpy(seg + at + 1, l->seg + at + c->nold, (l->n - at - c->nold) * sizeof(struct segment *));
    struct seglist *list = seglist_of(seg, l->n - c->nold + 1);
    xfree(seg);
    counted_release(&p->list->c);
    p->list = list;
    part_publish(p);
}

static void swap_done(struct work *w)
{
    struct compactor *c;
    struct part *p = compactor_worked(w, &c);
    if (c->result == 0) {
        swap_install(c, p);
        sm_move(&c->sm, REMOVING);
        compactor_work(c, remove_work, remove_done);
        part_release(p);
        return;
    }
    p->swapping = false;
    if (c->named) { /* nobody knows which of the names will be there after a crash; each of them tells the same */
        part_fail(p, c->result, "a compacted segment's name cannot be synced");
        watches_fire_all(p, E_STORAGE);
    }
    pass_failed(c, p, c->result);
    part_settle(p);
    part_release(p);
}

static void swap_begin(struct compactor *c, struct part *p)
{
    struct segment *const *old;
    unsigned n, at;
    struct segment *made = pass_group(c->pass, &old, &n);
    struct conf_box *conf = part_conf_get(p);
    bool may = part_may_compact(p, &conf->v, INT64_MAX) && !c->sh->failed && !atomic_load(&c->sh->sync_failed) &&
               group_is_there(p, old, n, &at);
    counted_release(&conf->c);
    if (!may) {
        pass_failed(c, p, 0);
        return;
    }
    c->old = xalloc(n * sizeof(struct segment *));
    for (c->nold = 0; c->nold < n; c->nold++)
        c->old[c->nold] = segment_acquire(old[c->nold]);
    c->made = segment_acquire(made);
    p->swapping = true;
    sm_move(&c->sm, SWAPPING);
    compactor_work(c, swap_work, swap_done);
}

static void chunk_done(struct work *w)
{
    struct compactor *c;
    struct part *p = compactor_worked(w, &c);
    if (c->gone) {
        compactor_rest(c);
        timer_start(&c->timer, SOON_MS);
    } else if (c->result < 0) {
        pass_failed(c, p, c->result);
    } else if (c->result == PASS_END) {
        pass_finished(c, p);
    } else if (c->result == PASS_GROUP) {
        swap_begin(c, p);
    } else {
        chunk_later(c);
    }
    part_release(p);
}

static void pass_begin(struct compactor *c, struct part *p, const struct prospect *pr)
{
    struct conf_box *conf = part_conf_get(p);
    struct pass_conf pc = {
        .now_ms = loop_wall_ms(c->sh->loop),
        .delete_retention_ms = conf->v.delete_retention_ms,
        .segment_bytes = conf->v.segment_bytes,
        .index_interval = conf->v.index_interval_bytes,
        .map_bytes = (size_t)(conf_of(c)->cleaner_buffer / (int64_t)c->sh->store->nshards),
        .secret = {loop_random(c->sh->loop), loop_random(c->sh->loop)},
    };
    counted_release(&conf->c);
    struct producer_info *producers;
    size_t n;
    CHECK(part_producers(p, &producers, &n) == 0);
    struct view *v = part_view(p);
    c->part = p;
    c->pass = pass_new(p, v, pr->n, pr->from, producers, n, &pc);
    counted_release(&v->c);
    sm_move(&c->sm, PASSING);
    compactor_work(c, chunk_work, chunk_done);
}

/* ---- looking around */

struct best {
    struct part *part;
    struct prospect pr;
    double ratio;
    bool checkpoint;
};

static void part_look(struct compactor *c, struct part *p, int64_t now_ms, struct best *best)
{
    struct conf_box *conf = part_conf_get(p);
    if (sm_is(&p->sm, PART_OPEN) && p->list->n > 0) {
        part_age(p, &conf->v, now_ms);
        if (part_may_compact(p, &conf->v, now_ms) && !p->clean.known && sm_is(&c->sm, IDLE)) {
            c->part = p;
            sm_move(&c->sm, LEARNING);
            compactor_work(c, learn_work, learn_done);
        } else if (part_may_compact(p, &conf->v, now_ms) && p->clean.known) {
            struct prospect pr = part_prospect(p, &conf->v, now_ms);
            double ratio = (double)pr.dirty / (double)MAX(pr.dirty + pr.clean, INT64_C(1));
            best->checkpoint |= pr.late;
            if (pr.due && (!best->part || ratio > best->ratio)) {
                best->part = p;
                best->pr = pr;
                best->ratio = ratio;
            }
        }
    }
    counted_release(&conf->c);
}

static void compactor_look(struct compactor *c)
{
    struct shard *sh = c->sh;
    struct best best = {0};
    compactor_wait(c);
    if (sh->failed || atomic_load(&sh->sync_failed))
        return;
    int64_t now_ms = loop_wall_ms(sh->loop);
    LIST_EACH(l, &sh->parts) {
        struct part *p = container_of(l, struct part, link);
        if (!part_acquire_live(p))
            continue;
        part_look(c, p, now_ms, &best);
        part_release(p);
    }
    if (best.checkpoint && !sh->checkpoint.busy && !sh->commit.busy)
        checkpoint_start(sh);
    else
        sh->checkpoint.wanted |= best.checkpoint;
    if (best.part && sm_is(&c->sm, IDLE) && part_acquire_live(best.part)) {
        pass_begin(c, best.part, &best.pr);
        part_release(best.part);
    }
}

static void compactor_fire(struct timer *t)
{
    struct compactor *c = container_of(t, struct compactor, timer);
    if (c->working)
        return;
    if (sm_is(&c->sm, IDLE)) {
        compactor_look(c);
    } else if (part_acquire_live(c->part)) { /* else compact_forget comes */
        compactor_work(c, chunk_work, chunk_done);
        part_release(c->part);
    }
}

void part_compact(struct part *p)
{
    struct compactor *c = p->shard->compactor;
    if (!c->working && sm_is(&c->sm, IDLE))
        compactor_look(c);
}
