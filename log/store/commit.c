/* One commit: all that waits on a shard, prepared on its loop, written and synced by a job, acknowledged on the loop.
 *
 * While one is in flight the next turns' appends gather (group commit). Offsets and sequences are given out when a
 * commit is prepared, never before: then nothing is in flight, and a failed append leaves no trace. Order in the job:
 * segments are written (lack of space shows here, before anything is durable), those with many bytes are synced, then
 * the write-ahead file takes the rest with one write and one sync. So a frame in the write-ahead file proves that all
 * that comes before it in its partitions is durable too. */
#include "log/base/alloc.h"
#include "log/base/crc32c.h"
#include "log/base/fault.h"
#include "log/base/trace.h"
#include "log/store/shard.h"
#include <errno.h>
#include <stdio.h>

void commit_init(struct commit *c)
{
    *c = (struct commit){0};
    wbuf_init(&c->frame);
    list_init(&c->answers);
}

void commit_fini(struct commit *c)
{
    CHECK(!c->busy && list_empty(&c->answers));
    xfree(c->parts);
    xfree(c->runs);
    xfree(c->iov);
    xfree(c->wal_iov);
    wbuf_fini(&c->frame);
}

static struct shard *commit_shard(struct commit *c) { return container_of(c, struct shard, commit); }

void append_done(struct append *a)
{
    struct append_set *set = a->set;
    if (atomic_fetch_sub_explicit(&set->left, 1, memory_order_acq_rel) == 1)
        loop_post(set->from, &set->reply);
}

/* ---- preparing */

static struct str rest_of(const struct append *a, uint32_t at)
{
    return (struct str){(const char *)a->bytes + at, a->len - at};
}

/* Sizes and shape, before anything is touched. */
static int append_check(const struct append *a, const struct part_conf *pc)
{
    struct recbatch rb;
    if (a->len == 0)
        return E_BAD_RECORD;
    for (uint32_t at = 0; at < a->len; at += rb.size) {
        if (recbatch_peek(&rb, rest_of(a, at)) || rb.size > a->len - at)
            return E_CORRUPT;
        if (rb.size != a->len && !(a->flags & APPEND_MANY))
            return E_BAD_RECORD;
        if (!(rb.attributes & RECBATCH_CONTROL) != !(a->flags & APPEND_MARKER))
            return E_BAD_RECORD;
        if (a->flags & APPEND_MARKER)
            continue; /* however small the topic's limits are, a transaction must be able to end */
        if (rb.size > pc->max_message_bytes)
            return E_TOO_LARGE;
        if (rb.size > pc->segment_bytes)
            return E_SEGMENT_SIZE;
    }
    return 0;
}

/* Ends a transaction at offset, tentatively. */
static int append_marker(struct part_commit *pc, const struct append *a, int64_t offset, int64_t now_ms)
{
    struct recbatch rb;
    struct recbatch_marker m;
    struct txnindex_entry aborted;
    CHECK(recbatch_peek(&rb, rest_of(a, 0)) == 0);
    if (recbatch_marker_read(&rb, &m))
        return E_BAD_RECORD;
    int err = producers_check_end(pc->part->producers, &rb, &m, a->flags);
    if (err)
        return err;
    rb.base_offset = offset;
    if (producers_end(pc->part->producers, &rb, &m, now_ms, true, &aborted))
        VEC_PUSH(pc->aborted, pc->naborted, pc->aborted_cap) = aborted;
    return 0;
}

/* Runs every batch through the producers' state as if appended from offset on. 1: a duplicate of what is in flight; 2:
 * of what is durable. */
static int append_sequence(struct part *p, struct append *a, int64_t offset, int64_t now_ms, int64_t append_ts)
{
    size_t mark = producers_mark(p->producers);
    struct producers_ask ask = {.now_ms = now_ms, .expire_ms = p->store->conf->producer_expiration_ms,
                                .flags = a->flags, .guard = a->guard};
    struct recbatch rb;
    for (uint32_t at = 0; at < a->len; at += rb.size) {
        CHECK(recbatch_peek(&rb, rest_of(a, at)) == 0);
        if (a->flags & APPEND_NUMBER) {
            rb.base_sequence =
                producers_next(p->producers, rb.producer_id, rb.producer_epoch, now_ms, ask.expire_ms);
            recbatch_set_sequence(a->bytes + at, rb.base_sequence);
        }
        int err = producers_check(p->producers, &rb, &ask);
        if (err == 1 && rb.size == a->len) {
            a->base_offset = ask.offset;
            a->append_time_ms = ask.ts;
            return ask.tentative ? 1 : 2;
        }
        if (err) {
            producers_undo_to(p->producers, mark);
            a->guard = ask.guard;
            return err == 1 ? E_SEQUENCE : err;
        }
        rb.base_offset = offset;
        producers_add(p->producers, &rb, now_ms, append_ts, true);
        offset += (int64_t)rb.last_offset_delta + 1;
    }
    return 0;
}

static struct run *commit_run(struct commit *c, struct part_commit *pc, struct segment *seg, int64_t pos, bool fresh)
{
    if (pc->nruns && c->runs[pc->run + pc->nruns - 1].seg == seg)
        return &c->runs[pc->run + pc->nruns - 1];
    struct run *r = &VEC_PUSH(c->runs, c->nruns, c->runs_cap);
    *r = (struct run){.seg = seg, .pos = pos, .iov = (unsigned)c->niov, .fresh = fresh};
    pc->nruns++;
    return r;
}

/* The segment that the next size bytes go to, a new one if the last is full. */
static bool commit_roll(struct part_commit *pc, uint32_t size)
{
    struct segment *seg = pc->active;
    bool full = !seg || (pc->pos > 0 && (pc->pos + size > pc->conf->v.segment_bytes ||
                                         pc->next_offset - seg->base > INT32_MAX - 1 || pc->roll_next));
    if (!full)
        return false;
    /* An empty last segment cannot be full, so names do not collide. */
    pc->roll_next = false;
    pc->active = segment_new(&pc->part->store->files, pc->part->dir, pc->next_offset);
    pc->pos = 0;
    return true;
}

static void commit_batch(struct commit *c, struct part_commit *pc, uint8_t *bytes, const struct recbatch *rb)
{
    bool fresh = commit_roll(pc, rb->size);
    struct run *r = commit_run(c, pc, pc->active, pc->pos, fresh);
    struct iovec *last = r->niov ? &c->iov[c->niov - 1] : NULL;
    if (last && (uint8_t *)last->iov_base + last->iov_len == bytes) {
        last->iov_len += rb->size;
    } else {
        VEC_PUSH(c->iov, c->niov, c->iov_cap) = (struct iovec){bytes, rb->size};
        r->niov++;
    }
    r->len += rb->size;
    pc->bytes += rb->size;
    pc->pos += rb->size;
    pc->next_offset += (int64_t)rb->last_offset_delta + 1;
    r->end_offset = pc->next_offset;
}

/* Stamps the batches in place and gives them their room. */
static void commit_append(struct commit *c, struct part_commit *pc, struct append *a, int32_t leader_epoch,
                          int64_t now_ms)
{
    a->base_offset = pc->next_offset;
    a->append_time_ms = pc->conf->v.append_time ? now_ms : -1;
    struct recbatch rb;
    for (uint32_t at = 0; at < a->len; at += rb.size) {
        CHECK(recbatch_peek(&rb, rest_of(a, at)) == 0);
        recbatch_stamp(a->bytes + at, pc->next_offset, leader_epoch);
        if (pc->conf->v.append_time)
            recbatch_set_append_time(a->bytes + at, now_ms);
        commit_batch(c, pc, a->bytes + at, &rb);
    }
}

static void commit_take(struct commit *c, struct part_commit *pc, struct append *a, int32_t leader_epoch,
                        int64_t now_ms)
{
    struct part *p = pc->part;
    a->status = commit_shard(c)->failed ? E_STORAGE : append_check(a, &pc->conf->v);
    if (!a->status) {
        int64_t append_ts = pc->conf->v.append_time ? now_ms : -1;
        a->status = a->flags & APPEND_MARKER ? append_marker(pc, a, pc->next_offset, now_ms)
                                             : append_sequence(p, a, pc->next_offset, now_ms, append_ts);
    }
    if (a->status == 0)
        commit_append(c, pc, a, leader_epoch, now_ms);
    if (a->status == 2 || a->status < 0) { /* a duplicate of what is durable; or refused */
        a->status = MIN(a->status, 0);
        list_add_tail(&c->answers, &a->link);
    } else {
        a->status = 0; /* also a duplicate of what this commit makes durable: it shares its fate */
        list_add_tail(&pc->taken, &a->link);
    }
}

/* The producers as they are once all of the commit is in, with those of its aborts that are in the new segment. */
static void snapshot_fresh(struct part_commit *pc)
{
    struct txnindex *aborted = NULL;
    for (size_t i = 0; i < pc->naborted; i++)
        if (pc->aborted[i].last >= pc->active->base)
            aborted = txnindex_with(aborted, pc->aborted[i]);
    wbuf_reset(&pc->snapshot);
    producers_encode(pc->part->producers, pc->next_offset, aborted, &pc->snapshot);
    if (aborted)
        counted_release(&aborted->c);
}

static void commit_part(struct commit *c, struct part *p)
{
    struct shard *sh = commit_shard(c);
    struct part_commit *pc = &c->parts[c->nparts++];
    *pc = (struct part_commit){.part = part_acquire(p), .conf = part_conf_get(p), .run = (unsigned)c->nruns,
                               .active = seglist_last(p->list), .next_offset = p->next_offset, .pos = p->pos,
                               .roll_next = p->roll_next};
    wbuf_init(&pc->snapshot);
    if (p->unsnapped >= STORE_PRODUCERS_BYTES && pc->active) {
        pc->snapshot_seg = pc->active;
        part_snapshot(p, pc->active, &pc->snapshot);
    }
    struct list taken;
    list_init(&taken);
    for (struct list *l; (l = list_pop(&p->pending));)
        list_add_tail(&taken, l);
    list_init(&pc->taken);
    int32_t leader_epoch = atomic_load(&p->leader_epoch);
    int64_t now_ms = loop_wall_ms(sh->loop);
    for (struct list *l; (l = list_pop(&taken));)
        commit_take(c, pc, container_of(l, struct append, link), leader_epoch, now_ms);
    if (pc->nruns && leader_epoch > epochs_last(p->epochs))
        pc->epochs = epochs_with(p->epochs, leader_epoch, p->next_offset);
    /* A new segment begins with what came before it. Before a partition's first record nothing did, and to write that
     * down would only hold up the first acknowledgement by two syncs. */
    if (pc->active != seglist_last(p->list) && p->next_offset > 0) {
        pc->snapshot_seg = pc->active;
        snapshot_fresh(pc);
    }
    p->committing = true;
}

/* Which partitions go through the write-ahead file: those with few bytes, as long as one frame holds them. */
static void commit_plan(struct shard *sh)
{
    struct commit *c = &sh->commit;
    int64_t small_max = sh->store->conf->wal_append_max, data = 0;
    size_t entries = 0;
    for (size_t i = 0; i < c->nparts && c->sync; i++) {
        struct part_commit *pc = &c->parts[i];
        int64_t size = wal_frame_size(entries + pc->nruns, data + pc->bytes);
        pc->via_wal = pc->nruns && pc->bytes <= small_max && size <= sh->wal.half_bytes;
        if (pc->via_wal) {
            entries += pc->nruns;
            data += pc->bytes;
        }
    }
    c->wal_bytes = entries ? wal_frame_size(entries, data) : 0;
}

/* ---- the job */

static int run_write(struct commit *c, struct part *p, struct run *r)
{
    int err = p->dir_made ? 0 : part_make_dir(p, c->sync);
    if (!err)
        err = segment_open(r->seg, r->fresh ? FILE_CREATE | FILE_TRUNC : r->pos ? 0 : FILE_CREATE, true, &r->sf);
    if (!err && r->pos == 0 && c->sync && !BUG("name_unsynced")) /* bytes are worth nothing without their file's name */
        err = disk_sync_dir(p->store->disk, p->dir);
    int64_t pos = r->pos;
    for (unsigned i = 0; i < r->niov && !err; i += STORE_PIECES_MAX) {
        unsigned n = MIN(r->niov - i, (unsigned)STORE_PIECES_MAX);
        err = file_writev(r->sf->f, pos, c->iov + r->iov + i, (int)n);
        for (unsigned k = 0; k < n; k++)
            pos += (int64_t)c->iov[r->iov + i + k].iov_len;
    }
    return err;
}

static int run_sync(struct commit *c, struct run *r)
{
    FAULT("segment.before_sync");
    c->syncs++;
    int err = file_sync(r->sf->f);
    if (err)
        atomic_store(&commit_shard(c)->sync_failed, true);
    return err;
}

/* Takes back what was written for the part, durably: a crash must not bring back what was answered with an error, in
 * the middle of what came after it. If even that fails the files are in no known state. */
static void part_rewind(struct commit *c, struct part_commit *pc)
{
    for (unsigned i = 0; i < pc->nruns; i++) {
        struct run *r = &c->runs[pc->run + i];
        int err = 0;
        if (r->fresh) {
            err = segment_unlink(r->seg);
            segment_close_files(r->seg);
            if (!err && pc->part->dir_made && c->sync)
                err = disk_sync_dir(pc->part->store->disk, pc->part->dir);
        } else if (r->sf) {
            err = file_truncate(r->sf->f, r->pos);
            if (!err && c->sync)
                err = run_sync(c, r);
        }
        if (err)
            pc->broken = true;
    }
}

static bool is_full(int err) { return err == -ENOSPC || err == -EDQUOT || err == E_FULL; }

static void part_write(struct commit *c, struct part_commit *pc)
{
    int err = 0;
    for (unsigned i = 0; i < pc->nruns && !err; i++)
        err = run_write(c, pc->part, &c->runs[pc->run + i]);
    if (!err && pc->epochs) {
        struct wbuf w;
        wbuf_init(&w);
        epochs_encode(pc->epochs, &w);
        char path[4400];
        part_path(pc->part, "epochs", path, sizeof path);
        err = disk_write_file(pc->part->store->disk, path, w.data, w.len);
        wbuf_fini(&w);
    }
    if (!err)
        return;
    pc->status = is_full(err) ? E_FULL : E_STORAGE;
    /* Too many open files is this process's trouble, not the disk's. */
    pc->broken = !is_full(err) && err != -EMFILE && err != -ENFILE;
    part_rewind(c, pc);
    if (pc->broken)
        pc->status = E_STORAGE;
}

static void part_sync(struct commit *c, struct part_commit *pc)
{
    for (unsigned i = 0; i < pc->nruns && !pc->status; i++) {
        c->large_syncs++;
        if (run_sync(c, &c->runs[pc->run + i])) {
            pc->status = E_STORAGE;
            pc->broken = true;
        }
    }
}

static uint32_t run_crc(const struct commit *c, const struct run *r)
{
    uint32_t crc = 0;
    for (unsigned i = 0; i < r->niov; i++)
        crc = crc32c(crc, c->iov[r->iov + i].iov_base, c->iov[r->iov + i].iov_len);
    return crc;
}

/* One frame of all small parts whose segments took their bytes. */
static size_t frame_build(struct commit *c)
{
    size_t n = 1;
    wal_frame_begin(&c->frame);
    for (size_t i = 0; i < c->nparts; i++) {
        const struct part_commit *pc = &c->parts[i];
        for (unsigned k = 0; k < pc->nruns && pc->via_wal && !pc->status; k++) {
            const struct run *r = &c->runs[pc->run + k];
            struct wal_entry e = {pc->part->topic, pc->part->index, r->seg->base, r->pos, r->end_offset, r->len,
                                  run_crc(c, r)};
            wal_frame_add(&c->frame, &e);
            memcpy(c->wal_iov + n, c->iov + r->iov, r->niov * sizeof *c->iov);
            n += r->niov;
        }
    }
    return n + 1;
}

static void frame_write(struct commit *c)
{
    size_t n = frame_build(c);
    if (n == 2)
        return; /* none of them is left */
    c->syncs++;
    int err = wal_write(&commit_shard(c)->wal, c->wal_at, &c->frame, c->wal_iov, (int)n, &c->wal_sync_failed);
    c->wal_status = err;
    for (size_t i = 0; i < c->nparts && err; i++) {
        struct part_commit *pc = &c->parts[i];
        if (!pc->via_wal || pc->status)
            continue;
        part_rewind(c, pc);
        pc->status = is_full(err) && !c->wal_sync_failed && !pc->broken ? E_FULL : E_STORAGE;
    }
}

static void commit_work(struct work *w)
{
    struct commit *c = container_of(w, struct commit, work);
    for (size_t i = 0; i < c->nparts && !BUG("watermark_before_sync"); i++)
        part_write(c, &c->parts[i]);
    for (size_t i = 0; i < c->nparts && c->sync; i++)
        if (!c->parts[i].via_wal)
            part_sync(c, &c->parts[i]);
    if (c->wal_bytes)
        frame_write(c);
    for (size_t i = 0; i < c->nparts; i++)
        if (!c->parts[i].status && c->parts[i].snapshot.len)
            (void)segment_write_producers(c->parts[i].snapshot_seg, &c->parts[i].snapshot);
}

/* ---- acknowledging */

static void run_install(struct part *p, struct commit *c, struct part_commit *pc, struct run *r)
{
    if (r->fresh) {
        struct segment *old = seglist_last(p->list);
        cell_set(&r->seg->index, &index_new()->c);
        struct seglist *list = seglist_new(p->list, 0, r->seg);
        counted_release(&p->list->c);
        p->list = list;
        if (old) {
            old->closed = true;
            checkpoint_touch(p->shard, old, NULL, false);
        }
    }
    r->seg->last_ms = loop_wall_ms(p->shard->loop);
    if (!r->seg->born_ms)
        r->seg->born_ms = r->seg->last_ms;
    int64_t pos = r->pos;
    for (unsigned i = 0; i < r->niov; i++) {
        const struct iovec *v = &c->iov[r->iov + i];
        struct recbatch rb;
        for (size_t at = 0; at < v->iov_len; at += rb.size) {
            CHECK(recbatch_peek(&rb, (struct str){(char *)v->iov_base + at, v->iov_len - at}) == 0);
            segment_grow(r->seg, &rb, pos, pc->conf->v.index_interval_bytes);
            pos += rb.size;
        }
    }
    for (size_t i = BUG("txnindex_partial") ? 1 : 0; i < pc->naborted; i++)
        if (pc->aborted[i].last >= r->seg->base && pc->aborted[i].last < r->end_offset)
            segment_abort(r->seg, pc->aborted[i]);
    checkpoint_touch(p->shard, r->seg, r->sf, pc->via_wal || !c->sync);
}

static void part_commit_good(struct commit *c, struct part_commit *pc)
{
    struct part *p = pc->part;
    for (unsigned i = 0; i < pc->nruns; i++)
        run_install(p, c, pc, &c->runs[pc->run + i]);
    if (pc->epochs) {
        counted_release(&p->epochs->c);
        p->epochs = pc->epochs;
        pc->epochs = NULL;
    }
    producers_settle(p->producers);
    if (!pc->nruns)
        return;
    p->next_offset = pc->next_offset;
    p->pos = pc->pos;
    p->roll_next = pc->roll_next;
    producers_passed(p->producers, p->next_offset);
    p->unsnapped = pc->snapshot.len ? pc->bytes : p->unsnapped + pc->bytes;
    p->point->latest = (struct mark){pc->active->base, pc->pos, pc->next_offset, p->log_start};
    p->point->changed = true;
    p->shard->since_checkpoint += pc->bytes;
    counter_add(&p->shard->append_bytes, pc->bytes);
    part_publish(p);
}

static void part_commit_bad(struct part_commit *pc)
{
    producers_undo(pc->part->producers);
    trace(WARN, "store", "append_failed topic=%s part=%d error=%s", pc->part->name, pc->part->index,
          err_name(pc->status));
    if (!pc->broken)
        return;
    part_fail(pc->part, pc->status, "the disk failed");
    watches_fire_all(pc->part, E_STORAGE);
}

static void part_commit_end(struct commit *c, struct part_commit *pc)
{
    struct part *p = pc->part;
    p->committing = false;
    if (pc->status)
        part_commit_bad(pc);
    else if (!BUG("watermark_before_sync"))
        part_commit_good(c, pc);
    for (struct list *l; (l = list_pop(&pc->taken));) {
        struct append *a = container_of(l, struct append, link);
        a->status = pc->status;
        a->log_start = p->log_start;
        counter_add(&p->shard->appends, 1);
        append_done(a);
    }
    for (unsigned i = 0; i < pc->nruns; i++) {
        seg_file_release(c->runs[pc->run + i].sf);
        if (c->runs[pc->run + i].fresh)
            segment_release(c->runs[pc->run + i].seg);
    }
    if (pc->epochs)
        counted_release(&pc->epochs->c);
    wbuf_fini(&pc->snapshot);
    xfree(pc->aborted);
    counted_release(&pc->conf->c);
    part_settle(p);
    part_release(p);
}

static void commit_finish(struct commit *c)
{
    struct shard *sh = commit_shard(c);
    if (c->wal_bytes && !c->wal_status && c->frame.len > WAL_HEAD) {
        wal_advance(&sh->wal, c->wal_bytes);
        counter_add(&sh->wal_bytes, (uint64_t)c->wal_bytes);
    }
    /* A failed sync is never asked again: what it had to write may be lost without a further word. */
    if (c->wal_status && (c->wal_sync_failed || !is_full(c->wal_status)))
        shard_fail(sh, "the write-ahead file cannot be written", c->wal_status);
    if (atomic_load(&sh->sync_failed))
        shard_fail(sh, "a segment cannot be synced", E_STORAGE);
    counter_add(&sh->syncs, c->syncs);
    counter_add(&sh->large_syncs, c->large_syncs);
    for (size_t i = 0; i < c->nparts; i++)
        part_commit_end(c, &c->parts[i]);
    c->nparts = c->nruns = c->niov = 0;
    c->busy = false;
    if (!list_empty(&sh->ready))
        shard_wake(sh);
    else
        checkpoint_if_idle(sh);
}

static void commit_done(struct work *w) { commit_finish(container_of(w, struct commit, work)); }

static bool checkpoint_is_due(const struct shard *sh)
{
    return sh->checkpoint.wanted || sh->since_checkpoint >= STORE_CHECKPOINT_BYTES || sh->ntouched >= STORE_UNSYNCED_MAX;
}

static void commit_launch(struct shard *sh)
{
    struct commit *c = &sh->commit;
    if (sh->failed) {
        c->waiting = false;
        c->wal_bytes = 0;
        for (size_t i = 0; i < c->nparts; i++)
            c->parts[i].status = E_STORAGE;
        commit_finish(c);
        return;
    }
    bool fits = !c->wal_bytes || wal_fits(&sh->wal, c->wal_bytes);
    if ((!fits || checkpoint_is_due(sh)) && !sh->checkpoint.busy) {
        checkpoint_start(sh);
        fits = true;
    }
    c->waiting = !fits;
    if (c->waiting)
        return; /* the checkpoint's end calls again */
    c->wal_at = wal_pos(&sh->wal);
    if (c->niov + 2 > c->wal_iov_cap) {
        c->wal_iov_cap = c->niov + 2 + c->wal_iov_cap;
        c->wal_iov = xrealloc(c->wal_iov, c->wal_iov_cap * sizeof *c->wal_iov);
    }
    for (size_t i = 0; i < c->nparts && BUG("watermark_before_sync"); i++) {
        part_write(c, &c->parts[i]);
        if (!c->parts[i].status)
            part_commit_good(c, &c->parts[i]);
    }
    c->work.work_cb = commit_work;
    c->work.done_cb = commit_done;
    if (c->sync) {
        loop_work(sh->loop, LANE_SYNC, &c->work);
    } else { /* into the page cache only: not worth another thread */
        commit_work(&c->work);
        commit_finish(c);
    }
}

void shard_commit(struct shard *sh)
{
    struct commit *c = &sh->commit;
    if (c->busy) {
        if (c->waiting)
            commit_launch(sh);
        return;
    }
    if (list_empty(&sh->ready))
        return;
    c->busy = true;
    c->sync = sh->store->sync;
    c->syncs = c->large_syncs = 0;
    c->wal_status = 0;
    c->wal_sync_failed = false;
    c->frame.len = 0;
    size_t n = 0;
    LIST_EACH(l, &sh->ready)
        n++;
    if (n > c->parts_cap) { /* at once: a part_commit holds a list head and must not move */
        c->parts_cap = n * 2;
        xfree(c->parts);
        c->parts = xalloc(c->parts_cap * sizeof *c->parts);
    }
    for (struct list *l; (l = list_pop(&sh->ready));)
        commit_part(c, container_of(l, struct part, ready_link));
    commit_plan(sh);
    for (struct list *l; (l = list_pop(&c->answers));)
        append_done(container_of(l, struct append, link));
    if (c->nruns)
        commit_launch(sh);
    else
        commit_finish(c);
}
