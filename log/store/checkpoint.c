/* Checkpoints: what lies in one half of the write-ahead file is synced into its segments, and the recovery points are
 * written down, so that the half may be written again and the next start reads little. */
#include "log/base/alloc.h"
#include "log/base/trace.h"
#include "log/store/shard.h"
#include <stdio.h>

void checkpoint_touch(struct shard *sh, struct segment *seg, struct seg_file *sf, bool owed)
{
    if (!seg->touched) {
        VEC_PUSH(sh->touched, sh->ntouched, sh->touched_cap) = (struct touched){.seg = segment_acquire(seg)};
        seg->touched = (uint32_t)sh->ntouched;
    }
    struct touched *t = &sh->touched[seg->touched - 1];
    if (!t->pin && sf) {
        counted_acquire(&sf->c);
        t->pin = sf;
    }
    t->owed |= owed;
}

static void touched_catch(struct touched *t)
{
    struct segment *seg = t->seg;
    seg->touched = 0;
    struct counted *c = cell_get(&seg->index);
    t->ix = c ? container_of(c, struct index, c) : NULL;
    t->head = (struct index_head){
        .count = t->ix ? index_count(t->ix) : 0,
        .sealed = seg->closed,
        .aborted = seg->closed ? atomic_load(&seg->aborted_n) : 0,
        .data_size = atomic_load(&seg->size),
        .end_offset = atomic_load(&seg->end_offset),
        .max_ts = atomic_load(&seg->max_ts),
        .born_ms = seg->born_ms,
        .last_ms = seg->last_ms,
    };
}

/* What is not written is built anew at the next start. */
static void touched_flush(struct touched *t)
{
    struct seg_file *sf;
    if (t->head.aborted && segment_write_aborted(t->seg, t->head.aborted))
        return;
    if (!t->ix || segment_open_index(t->seg, FILE_CREATE, true, &sf))
        return;
    t->flushed = index_flush(t->ix, sf->f, &t->head, &t->seg->flushed, &t->seg->flushed_crc) == 0;
    seg_file_release(sf);
}

static int touched_sync(struct touched *t)
{
    if (!t->owed)
        return 0;
    return t->pin ? file_sync(t->pin->f) : E_STORAGE;
}

static void touched_end(struct touched *t)
{
    if (t->flushed && t->head.sealed) {
        atomic_store(&t->seg->file_entries, t->head.count);
        atomic_store(&t->seg->sealed, true);
        cell_set(&t->seg->index, NULL); /* memory is for segments that grow */
        cell_set(&t->seg->aborted, NULL);
    }
    if (t->ix)
        counted_release(&t->ix->c);
    seg_file_release(t->pin);
    segment_release(t->seg);
}

static struct shard *checkpoint_shard(struct checkpoint *c) { return container_of(c, struct shard, checkpoint); }

static int points_write(struct shard *sh, const struct wbuf *bytes)
{
    char path[4400];
    int n = snprintf(path, sizeof path, "%s/wal/%u.points", sh->store->dir, sh->index);
    CHECK(n > 0 && (size_t)n < sizeof path);
    return disk_write_file(sh->store->disk, path, bytes->data, bytes->len);
}

static void checkpoint_work(struct work *w)
{
    struct checkpoint *c = container_of(w, struct checkpoint, work);
    for (size_t i = 0; i < c->n && !c->status; i++)
        c->status = touched_sync(&c->list[i]);
    if (c->status)
        atomic_store(&checkpoint_shard(c)->sync_failed, true);
    for (size_t i = 0; i < c->n && !c->status; i++)
        touched_flush(&c->list[i]);
}

static void checkpoint_points_work(struct work *w)
{
    struct checkpoint *c = container_of(w, struct checkpoint, work);
    struct shard *sh = checkpoint_shard(c);
    if (atomic_load(&sh->sync_failed))
        c->status = E_STORAGE;
    else
        c->points_status = points_write(sh, &c->points);
}

/* What was caught is durable; or it waits for the next checkpoint. */
static void points_end(struct points *ps, bool good)
{
    struct point *p;
    for (size_t i = 0; (p = map_next(&ps->by_part, &i)) != NULL;) {
        if (!p->caught)
            continue;
        p->caught = false;
        if (good) {
            p->durable = p->catch;
            p->known = true;
        } else {
            p->changed = true;
        }
    }
}

static void checkpoint_points_done(struct work *w)
{
    struct checkpoint *c = container_of(w, struct checkpoint, work);
    struct shard *sh = checkpoint_shard(c);
    points_end(&sh->points, !c->status && !c->points_status);
    if (c->status)
        shard_fail(sh, "segments cannot be synced", c->status);
    else if (c->points_status)
        trace(WARN, "store", "checkpoint_late shard=%u error=%s", sh->index, err_name(c->points_status));
    for (size_t i = 0; i < c->n; i++)
        touched_end(&c->list[i]);
    c->n = 0;
    c->busy = false;
    if (sh->commit.waiting)
        shard_wake(sh);
    checkpoint_if_idle(sh);
}

static void checkpoint_done(struct work *w)
{
    struct checkpoint *c = container_of(w, struct checkpoint, work);
    c->work.work_cb = checkpoint_points_work;
    c->work.done_cb = checkpoint_points_done;
    loop_work(checkpoint_shard(c)->loop, LANE_SYNC, &c->work);
}

static void points_catch(struct points *ps)
{
    struct point *p;
    for (size_t i = 0; (p = map_next(&ps->by_part, &i)) != NULL;) {
        if (!p->changed || p->gone)
            continue;
        p->changed = false;
        p->caught = true;
        p->catch = p->latest;
    }
}

static void checkpoint_catch(struct shard *sh)
{
    struct checkpoint *c = &sh->checkpoint;
    struct touched *list = c->list;
    size_t cap = c->cap;
    c->list = sh->touched;
    c->n = sh->ntouched;
    c->cap = sh->touched_cap;
    sh->touched = list;
    sh->ntouched = 0;
    sh->touched_cap = cap;
    for (size_t i = 0; i < c->n; i++)
        touched_catch(&c->list[i]);
    points_catch(&sh->points);
    sh->since_checkpoint = 0;
    c->status = c->points_status = 0;
}

void checkpoint_start(struct shard *sh)
{
    struct checkpoint *c = &sh->checkpoint;
    CHECK(!c->busy);
    checkpoint_catch(sh);
    wbuf_reset(&c->points);
    points_encode(&sh->points, sh->store->incarnation, POINTS_RUNNING, &c->points);
    wal_switch(&sh->wal);
    c->busy = true;
    c->wanted = false;
    c->work.work_cb = checkpoint_work;
    c->work.done_cb = checkpoint_done;
    loop_work(sh->loop, LANE_DISK, &c->work);
}

void checkpoint_soon(struct shard *sh)
{
    sh->checkpoint.wanted = true;
    checkpoint_if_idle(sh);
}

void checkpoint_if_idle(struct shard *sh)
{
    if (sh->checkpoint.wanted && !sh->checkpoint.busy && !sh->commit.busy && !sh->failed)
        checkpoint_start(sh);
}

int checkpoint_shut(struct shard *sh)
{
    struct checkpoint *c = &sh->checkpoint;
    CHECK(!c->busy);
    checkpoint_catch(sh);
    int err = atomic_load(&sh->sync_failed) ? E_STORAGE : 0;
    for (size_t i = 0; i < c->n; i++) {
        int one = touched_sync(&c->list[i]);
        err = err ? err : one;
    }
    for (size_t i = 0; i < c->n; i++) {
        if (!err)
            touched_flush(&c->list[i]);
        touched_end(&c->list[i]);
    }
    c->n = 0;
    points_end(&sh->points, !err);
    return err;
}

void checkpoint_fini(struct shard *sh)
{
    struct checkpoint *c = &sh->checkpoint;
    CHECK(c->n == 0 && sh->ntouched == 0);
    xfree(c->list);
    xfree(sh->touched);
    wbuf_fini(&c->points);
}
