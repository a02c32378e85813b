/* One pass of compaction over a partition, in two sweeps. The first puts the keys of the dirty range into the map, up
 * to where the map is full; the second goes through the log from its beginning and writes groups of segments anew,
 * without the records that the map knows a later one for. Oldest group first: what stands for a record is always older
 * in place than what it makes superfluous, so a crash, or giving up, between two groups leaves a log that says the
 * same.
 *
 * Transactions below the last stable offset are all decided. Batches of aborted ones lose their records, so what
 * compaction has made needs no index of them. A marker goes once no batch of its transaction is left, an empty one
 * counts, and its own delete horizon has passed.
 *
 * A group is one or more neighbouring segments that fit into one. If of a single segment nothing changes, nothing is
 * written. A group's last batch stays, perhaps without records, so that a segment ends where the next one begins. */
#include "log/base/alloc.h"
#include "log/base/crc32c.h"
#include "log/base/fault.h"
#include "log/base/trace.h"
#include "log/store/compact.h"
#include "log/store/shard.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATH_BYTES = 4400, MAGIC = 0x57434c31 /* "WCL1" */, CLEAN_BYTES = 24 };

/* Batches of one segment, whole and checked. */
struct feed {
    struct seg_file *sf;
    int64_t pos, end; /* the next batch; where they end */
    struct wbuf buf;
    size_t at; /* in buf, of the byte at pos */
};

/* What becomes of a group. */
struct output {
    struct segment *seg; /* under the name that it gets */
    char *temp;
    struct file *f;     /* NULL: nothing differs yet */
    struct wbuf buf;
    struct index *ix;
    int64_t size;       /* bytes so far, buf's too; or that are the same so far */
    int64_t prefix;     /* of the single old segment, still to be copied */
    int64_t copied, flushed;
    int64_t indexed, max_ts, end_offset;
    int64_t grown;      /* by what batches became larger */
};

struct pass {
    struct seg_files *files;
    struct disk *disk;
    char *dir;
    struct pass_conf pc;
    struct segment **segs; /* those to be clean, and the one after them; NULL: exchanged already */
    unsigned nsegs, n;
    int64_t from, bound, map_end;
    struct producer_info *producers; /* by id */
    size_t nproducers;
    struct view *view; /* until the aborted transactions are known */
    struct arena arena;
    struct aborted *aborted; /* by producer and place */
    uint32_t naborted;
    struct map with_data; /* producers in whose transaction, at this place of the second sweep, a batch is kept */
    struct compact_map map;
    bool mapping, mapped, snapshots_gone;
    unsigned seg; /* being read */
    struct feed feed;
    unsigned group, group_end; /* of segs */
    struct output out;
    bool ready; /* the group waits for its name */
    struct compress *compress;
    struct wbuf room, scratch, keep; /* decompressed records; records to compress; a byte a record */
    struct pass_done done;
    int64_t horizon, bytes;
};

/* ---- reading */

static void feed_close(struct feed *f)
{
    seg_file_release(f->sf);
    f->sf = NULL;
}

static int feed_open(struct feed *f, struct segment *seg)
{
    f->pos = 0;
    f->at = 0;
    wbuf_reset(&f->buf);
    f->end = atomic_load(&seg->size);
    return segment_open(seg, 0, true, &f->sf);
}

/* Has n bytes at f->pos in the buffer. */
static int feed_need(struct pass *ps, struct feed *f, size_t n)
{
    size_t have = f->buf.len - f->at;
    if (have >= n)
        return 0;
    if (f->end - f->pos < (int64_t)n)
        return E_CORRUPT;
    if (f->at) {
        memmove(f->buf.data, f->buf.data + f->at, have);
        f->buf.len = have;
        f->at = 0;
    }
    size_t want = (size_t)MIN((int64_t)MAX(n, (size_t)STORE_SCAN_BYTES), f->end - f->pos) - have;
    int64_t got = file_read(f->sf->f, f->pos + (int64_t)have, wbuf_room(&f->buf, want), want);
    if (got < 0)
        return (int)got;
    f->buf.len += (size_t)got;
    ps->bytes += got;
    ps->done.read += (uint64_t)got;
    return f->buf.len >= n ? 0 : E_CORRUPT;
}

/* 1: the batch at f->pos, which moves behind it; bytes are good until the next call. 0: the end. */
static int feed_next(struct pass *ps, struct feed *f, struct recbatch *rb, const uint8_t **bytes)
{
    if (f->pos == f->end)
        return 0;
    int err = feed_need(ps, f, RECBATCH_HEAD);
    if (!err)
        err = recbatch_peek_head(rb, (struct str){(char *)f->buf.data + f->at, RECBATCH_HEAD}) ? E_CORRUPT : 0;
    if (!err)
        err = feed_need(ps, f, rb->size);
    if (err)
        return err;
    *bytes = f->buf.data + f->at;
    /* Damage must not get a new, sound checksum. */
    if (recbatch_peek(rb, (struct str){(const char *)*bytes, rb->size}) || recbatch_check_crc(rb, *bytes))
        return E_CORRUPT;
    f->at += rb->size;
    f->pos += rb->size;
    return 1;
}

static int64_t segment_next(const struct pass *ps, unsigned i) { return ps->segs[i + 1]->base; }

/* The records of a batch, decompressed into room. */
static int records_open(struct pass *ps, const struct recbatch *rb, struct recbatch *plain)
{
    *plain = *rb;
    if (recbatch_codec(rb) == CODEC_NONE || rb->count == 0)
        return 0;
    wbuf_reset(&ps->room);
    int err = compress_decode(ps->compress, recbatch_codec(rb), rb->payload, &ps->room, INFLATED_MAX);
    plain->attributes = (int16_t)(rb->attributes & ~RECBATCH_CODEC);
    plain->payload = (struct str){ps->room.data ? (const char *)ps->room.data : "", ps->room.len};
    return err;
}

/* ---- transactions */

static int aborted_load(struct pass *ps)
{
    int err = view_aborted(ps->view, ps->segs[0]->base, MIN(ps->bound, ps->view->lso), true, &ps->arena, &ps->aborted,
                           &ps->naborted);
    if (!err)
        aborted_sort(ps->aborted, ps->naborted);
    counted_release(&ps->view->c);
    ps->view = NULL;
    return err;
}

/* Its key is not one of the log's keys, even if a record has the same. */
static bool is_marker(const struct recbatch *rb)
{
    return rb->attributes & RECBATCH_CONTROL && !BUG("compact_marker_is_record");
}

static bool is_aborted(const struct pass *ps, const struct recbatch *rb)
{
    if (!(rb->attributes & RECBATCH_TXN))
        return false;
    return aborted_covers(ps->aborted, ps->naborted, rb->producer_id, rb->base_offset);
}

static struct str id_key(const int64_t *id) { return (struct str){(const char *)id, sizeof *id}; }

/* ---- first sweep: the map */

static int map_batch(struct pass *ps, const struct recbatch *rb)
{
    struct recbatch plain;
    struct recbatch_iter it;
    struct record rec;
    int err = records_open(ps, rb, &plain);
    if (!err)
        err = recbatch_iter(&it, &plain, NULL, NULL, 0);
    if (err)
        return err;
    while (recbatch_next(&it, &rec)) {
        if (rec.offset < ps->from || !rec.key.ptr)
            continue;
        if (!compact_map_put(&ps->map, rec.key, rec.offset)) {
            ps->map_end = rec.offset;
            return 0;
        }
    }
    return recbatch_iter_err(&it);
}

static int map_step(struct pass *ps, int64_t bytes)
{
    while (ps->bytes < bytes && ps->map_end == INT64_MAX) {
        if (ps->seg == ps->n) {
            ps->map_end = ps->bound;
            break;
        }
        if (!ps->feed.sf && segment_next(ps, ps->seg) <= ps->from) {
            ps->seg++;
            continue;
        }
        int err = ps->feed.sf ? 0 : feed_open(&ps->feed, ps->segs[ps->seg]);
        struct recbatch rb;
        const uint8_t *at;
        int r = err ? err : feed_next(ps, &ps->feed, &rb, &at);
        if (r < 0)
            return r;
        if (r == 0) {
            feed_close(&ps->feed);
            ps->seg++;
        } else if (recbatch_last_offset(&rb) >= ps->from && !is_marker(&rb) && !is_aborted(ps, &rb)) {
            r = map_batch(ps, &rb);
        }
        if (r < 0)
            return r;
    }
    if (ps->map_end == INT64_MAX)
        return 0;
    feed_close(&ps->feed);
    while (ps->n > 0 && ps->segs[ps->n - 1]->base >= ps->map_end)
        ps->n--; /* nothing there that the map knows of */
    ps->mapped = true;
    ps->seg = ps->group = ps->group_end = 0;
    return 0;
}

/* ---- output */

static int output_flush(struct pass *ps, struct output *o)
{
    if (!o->buf.len)
        return 0;
    int err = file_write(o->f, o->flushed, o->buf.data, o->buf.len);
    o->flushed += (int64_t)o->buf.len;
    ps->bytes += (int64_t)o->buf.len;
    ps->done.written += o->buf.len;
    wbuf_reset(&o->buf);
    return err;
}

static void output_begin(struct pass *ps)
{
    struct output *o = &ps->out;
    struct segment *const *old = ps->segs + ps->group;
    unsigned n = ps->group_end - ps->group;
    struct seg_name name = {.base = old[0]->base, .end = segment_next(ps, ps->group_end - 1)};
    for (unsigned i = 0; i < n; i++)
        name.generation = MAX(name.generation, old[i]->name.generation);
    name.generation++;
    struct wbuf buf = o->buf;
    wbuf_reset(&buf);
    *o = (struct output){.buf = buf, .ix = index_new(), .max_ts = INT64_MIN};
    o->seg = segment_named(ps->files, ps->dir, &name);
    o->seg->born_ms = old[0]->born_ms;
    o->seg->last_ms = old[n - 1]->last_ms;
    o->seg->closed = true;
    size_t len = strlen(o->seg->stem) + sizeof COMPACT_SUFFIX;
    o->temp = xalloc(len);
    snprintf(o->temp, len, "%s%s", o->seg->stem, COMPACT_SUFFIX);
}

static void output_drop(struct pass *ps)
{
    struct output *o = &ps->out;
    if (o->f) {
        file_close(o->f);
        int err = disk_unlink(ps->disk, o->temp);
        err = err ? err : segment_unlink(o->seg); /* what lies beside it */
        if (err)
            trace(DEBUG, "store", "left_behind path=%s error=%s", o->temp, err_name(err));
        segment_close_files(o->seg);
    }
    if (o->ix)
        counted_release(&o->ix->c);
    segment_release(o->seg);
    xfree(o->temp);
    o->f = NULL;
    o->ix = NULL;
    o->seg = NULL;
    o->temp = NULL;
    ps->ready = false;
}

/* From here on the output differs from the old segment, or has several: it needs a file. */
static int output_differ(struct pass *ps)
{
    struct output *o = &ps->out;
    if (o->f)
        return 0;
    o->prefix = o->flushed = o->size;
    return disk_open(ps->disk, o->temp, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &o->f);
}

/* Copies a part of what was the same. True: there is more to copy. */
static int output_copy(struct pass *ps, int64_t bytes, bool *more)
{
    struct output *o = &ps->out;
    struct segment *old = ps->segs[ps->group];
    struct seg_file *sf;
    int err = segment_open(old, 0, true, &sf);
    if (err)
        return err;
    while (o->copied < o->prefix && ps->bytes < bytes && !err) {
        size_t n = (size_t)MIN(o->prefix - o->copied, (int64_t)STORE_SCAN_BYTES);
        wbuf_reset(&ps->scratch);
        int64_t got = file_read(sf->f, o->copied, wbuf_room(&ps->scratch, n), n);
        err = got < 0 ? (int)got : got < (int64_t)n ? E_CORRUPT : 0;
        if (!err)
            err = file_write(o->f, o->copied, ps->scratch.data, n);
        o->copied += (int64_t)n;
        ps->bytes += 2 * (int64_t)n;
        ps->done.read += n;
        ps->done.written += n;
    }
    seg_file_release(sf);
    *more = o->copied < o->prefix;
    return err;
}

/* The batch whose bytes were just put into buf, or that is the same as in the old segment, is part of the output. */
static int output_grow(struct pass *ps, const struct recbatch *rb)
{
    struct output *o = &ps->out;
    if (o->size > 0 && o->size - o->indexed >= ps->pc.index_interval) {
        index_add(o->ix, (struct index_entry){(uint32_t)(rb->base_offset - o->seg->base), (uint32_t)o->size, o->max_ts});
        o->indexed = o->size;
    }
    o->size += rb->size;
    if (o->size > UINT32_MAX) /* places in an index have 32 bits */
        return E_TOO_LARGE;
    o->max_ts = MAX(o->max_ts, rb->max_ts);
    o->end_offset = recbatch_last_offset(rb) + 1;
    return o->f && o->buf.len >= STORE_SCAN_BYTES ? output_flush(ps, o) : 0;
}

static int output_same(struct pass *ps, const struct recbatch *rb, const uint8_t *bytes)
{
    if (ps->out.f)
        wbuf_put(&ps->out.buf, bytes, rb->size);
    ps->done.kept += (uint64_t)rb->count;
    return output_grow(ps, rb);
}

/* Snapshots of the producers inside the range go before the first exchange: markers behind them may, and a transaction
 * that is open in a snapshot would stay so. The next segment's snapshot says it all; without it the batches do. */
static int snapshots_remove(struct pass *ps)
{
    int err = 0;
    for (unsigned i = 0; i + 1 < ps->nsegs && !err; i++) {
        char path[PATH_BYTES];
        if (!ps->segs[i])
            continue;
        segment_path(ps->segs[i], ".producers", path, sizeof path);
        err = disk_unlink(ps->disk, path);
        err = err == -ENOENT ? 0 : err;
    }
    ps->snapshots_gone = !err;
    return err ? err : disk_sync_dir(ps->disk, ps->dir);
}

/* The index beside the data; it can be made anew. */
static int output_side(struct pass *ps)
{
    struct output *o = &ps->out;
    struct index_head head = {.count = index_count(o->ix), .sealed = true, .data_size = o->size,
                              .end_offset = o->end_offset, .max_ts = o->max_ts, .born_ms = o->seg->born_ms,
                              .last_ms = o->seg->last_ms};
    struct seg_file *sf;
    int err = segment_open_index(o->seg, FILE_CREATE | FILE_TRUNC, true, &sf);
    if (err)
        return err;
    uint32_t flushed = 0, crc = 0;
    err = index_flush(o->ix, sf->f, &head, &flushed, &crc);
    seg_file_release(sf);
    atomic_store(&o->seg->size, o->size);
    atomic_store(&o->seg->end_offset, o->end_offset);
    atomic_store(&o->seg->max_ts, o->max_ts);
    atomic_store(&o->seg->file_entries, head.count);
    atomic_store(&o->seg->sealed, true);
    return err;
}

/* A group's end: PASS_GROUP if it has become something else. */
static int output_end(struct pass *ps)
{
    struct output *o = &ps->out;
    if (!o->f) {
        output_drop(ps);
        return PASS_MORE;
    }
    int err = o->end_offset == o->seg->name.end ? output_flush(ps, o) : E_CORRUPT; /* else records are missing */
    FAULT("compact.before_sync");
    if (!err && !BUG("compact_swap_unsynced"))
        err = file_sync(o->f);
    if (!err)
        err = output_side(ps);
    if (!err && !ps->snapshots_gone)
        err = snapshots_remove(ps);
    ps->ready = !err;
    return err ? err : PASS_GROUP;
}

/* ---- second sweep: what stays */

static int producer_cmp(const void *a, const void *b)
{
    const struct producer_info *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* The batch holds the last sequence of a producer that may still go on; or the marker its epoch, if it has written
 * nothing in it. */
static bool is_last_of_producer(const struct pass *ps, const struct recbatch *rb)
{
    struct producer_info key = {.id = rb->producer_id};
    if (rb->producer_id < 0 || !ps->nproducers || BUG("compact_last_batch_dropped"))
        return false;
    const struct producer_info *pi = bsearch(&key, ps->producers, ps->nproducers, sizeof key, producer_cmp);
    if (!pi)
        return false;
    if (rb->attributes & RECBATCH_CONTROL)
        return pi->last_offset < 0 && pi->epoch == rb->producer_epoch;
    return pi->last_offset == rb->base_offset;
}

static bool tombstone_is_due(const struct pass *ps, const struct recbatch *rb)
{
    if (BUG("compact_tombstone_at_once"))
        return true;
    return rb->attributes & RECBATCH_DELETE_HORIZON && ps->pc.now_ms >= rb->base_ts;
}

struct verdict {
    int32_t kept, dropped;
    bool tombstones; /* among those kept */
};

/* What has no key (it was written before the topic was compacted) stays: there is nothing that stands for it. */
static bool record_stays(const struct pass *ps, const struct recbatch *rb, const struct record *rec, struct verdict *v)
{
    if (!rec->key.ptr || rec->offset >= ps->map_end)
        return true;
    if (compact_map_get(&ps->map, rec->key) > rec->offset)
        return false;
    if (rec->value.ptr)
        return true;
    if (tombstone_is_due(ps, rb))
        return false;
    v->tombstones = true;
    return true;
}

static int batch_judge(struct pass *ps, const struct recbatch *rb, const struct recbatch *plain, struct verdict *v)
{
    struct recbatch_iter it;
    struct record rec;
    *v = (struct verdict){0};
    wbuf_reset(&ps->keep);
    bool aborted = is_aborted(ps, rb);
    int err = recbatch_iter(&it, plain, NULL, NULL, 0);
    if (err)
        return err;
    while (recbatch_next(&it, &rec)) {
        bool stays = !aborted && record_stays(ps, rb, &rec, v);
        wbuf_u8(&ps->keep, stays);
        v->kept += stays;
        v->dropped += !stays;
    }
    return recbatch_iter_err(&it);
}

/* A marker, as a batch whose one record stays, or goes as a tombstone does once its transaction has no batch left. */
static int marker_judge(struct pass *ps, const struct recbatch *rb, bool whole, struct verdict *v)
{
    bool needed = whole || rb->count == 0 || map_get(&ps->with_data, id_key(&rb->producer_id));
    *v = (struct verdict){.kept = rb->count, .tombstones = !needed && rb->count > 0};
    bool due = rb->attributes & RECBATCH_DELETE_HORIZON && ps->pc.now_ms >= rb->base_ts;
    if ((!needed && due) || (!whole && BUG("compact_marker_dropped")))
        *v = (struct verdict){.dropped = rb->count};
    wbuf_reset(&ps->keep);
    for (int32_t i = 0; i < rb->count; i++)
        wbuf_u8(&ps->keep, v->kept > 0);
    return 0;
}

static int batch_cut(struct pass *ps, const struct recbatch *rb, const struct recbatch *plain, const uint8_t *bytes,
                     int64_t horizon)
{
    struct output *o = &ps->out;
    struct recbatch_cut cut;
    struct recbatch_iter it;
    struct record rec;
    size_t at = o->buf.len;
    int err = recbatch_iter(&it, plain, NULL, NULL, 0);
    wbuf_reset(&ps->scratch);
    recbatch_cut(&cut, rb, bytes, horizon, &o->buf, &ps->scratch);
    for (size_t i = 0; !err && recbatch_next(&it, &rec); i++)
        if (ps->keep.data[i])
            recbatch_cut_add(&cut, &rec);
    recbatch_cut_finish(&cut, ps->compress);
    if (rb->attributes & RECBATCH_APPEND_TIME && cut.count > 0)
        recbatch_set_max_ts(o->buf.data + at, rb->max_ts, true);
    struct recbatch now;
    CHECK(recbatch_peek(&now, (struct str){(char *)o->buf.data + at, o->buf.len - at}) == 0);
    o->grown += MAX((int64_t)now.size - rb->size, INT64_C(0));
    ps->done.kept += (uint64_t)cut.count;
    return output_grow(ps, &now);
}

static void horizon_seen(struct pass *ps, int64_t horizon) { ps->horizon = MAX(ps->horizon, horizon); }

/* The batch (with records or without) is in the output, or not, when all is said. */
static void txn_note(struct pass *ps, const struct recbatch *rb, bool stays)
{
    if (!(rb->attributes & RECBATCH_TXN))
        return;
    if (rb->attributes & RECBATCH_CONTROL)
        map_remove(&ps->with_data, id_key(&rb->producer_id));
    else if (stays)
        map_put(&ps->with_data, id_key(&rb->producer_id), ps);
}

/* A batch of the group; *again: it is to be given once more, after the unchanged part has been copied. */
static int group_batch(struct pass *ps, const struct recbatch *rb, const uint8_t *bytes, bool *again)
{
    struct recbatch plain;
    struct verdict v;
    bool whole = recbatch_last_offset(rb) + 1 == ps->out.seg->name.end || is_last_of_producer(ps, rb);
    int err = records_open(ps, rb, &plain);
    if (!err)
        err = is_marker(rb) ? marker_judge(ps, rb, whole, &v) : batch_judge(ps, rb, &plain, &v);
    if (err)
        return err;
    bool stamped = rb->attributes & RECBATCH_DELETE_HORIZON;
    bool stamp = v.tombstones && !stamped && ps->out.grown < INT32_MAX / 2;
    bool same = v.dropped == 0 && !stamp && (v.kept || whole);
    if (!same && !ps->out.f) {
        *again = true;
        return output_differ(ps);
    }
    txn_note(ps, rb, v.kept || whole);
    if (v.tombstones && stamped)
        horizon_seen(ps, rb->base_ts);
    if (same)
        return output_same(ps, rb, bytes);
    ps->done.dropped += (uint64_t)v.dropped;
    if (!v.kept && !whole)
        return 0;
    int64_t horizon = ps->pc.now_ms + MIN(ps->pc.delete_retention_ms, INT64_MAX - ps->pc.now_ms);
    if (stamp)
        horizon_seen(ps, horizon);
    return batch_cut(ps, rb, &plain, bytes, stamp ? horizon : -1);
}

/* Neighbours that fit into one segment together. */
static int group_begin(struct pass *ps)
{
    int64_t size = 0;
    ps->group = ps->group_end;
    for (; ps->group_end < ps->n && ps->group_end - ps->group < COMPACT_GROUP_MAX; ps->group_end++) {
        int64_t more = atomic_load(&ps->segs[ps->group_end]->size);
        int64_t span = segment_next(ps, ps->group_end) - ps->segs[ps->group]->base;
        if (ps->group_end > ps->group && (size + more > ps->pc.segment_bytes || span > INT32_MAX - 1))
            break;
        size += more;
    }
    ps->seg = ps->group;
    output_begin(ps);
    return ps->group_end - ps->group > 1 ? output_differ(ps) : 0;
}

static int group_read(struct pass *ps)
{
    if (ps->seg == ps->group_end)
        return output_end(ps);
    int err = ps->feed.sf ? 0 : feed_open(&ps->feed, ps->segs[ps->seg]);
    struct recbatch rb;
    const uint8_t *bytes;
    int r = err ? err : feed_next(ps, &ps->feed, &rb, &bytes);
    if (r < 0)
        return r;
    if (r == 0) {
        feed_close(&ps->feed);
        ps->seg++;
        return PASS_MORE;
    }
    bool again = false;
    err = group_batch(ps, &rb, bytes, &again);
    if (again) {
        ps->feed.pos -= rb.size;
        ps->feed.at -= rb.size;
    }
    return err ? err : PASS_MORE;
}

static int group_step(struct pass *ps, int64_t bytes)
{
    int r = PASS_MORE;
    while (ps->bytes < bytes && r == PASS_MORE) {
        bool more = false;
        if (!ps->out.seg) {
            if (ps->group_end >= ps->n)
                return PASS_END;
            r = group_begin(ps);
        } else if (ps->out.copied < ps->out.prefix) {
            r = output_copy(ps, bytes, &more);
        } else {
            r = group_read(ps);
        }
    }
    return r;
}

/* ---- the pass */

struct pass *pass_new(struct part *p, struct view *v, unsigned n, int64_t from, struct producer_info *producers,
                      size_t nproducers, const struct pass_conf *pc)
{
    CHECK(n > 0 && n < v->list->n);
    struct pass *ps = xzalloc(sizeof *ps);
    ps->files = &p->store->files;
    ps->disk = p->store->disk;
    ps->dir = xstrdup(p->dir);
    ps->pc = *pc;
    ps->n = n;
    ps->nsegs = n + 1;
    ps->segs = xalloc(ps->nsegs * sizeof(struct segment *));
    for (unsigned i = 0; i < ps->nsegs; i++)
        ps->segs[i] = segment_acquire(v->list->seg[i]);
    ps->from = from;
    ps->bound = ps->segs[n]->base;
    ps->map_end = INT64_MAX;
    ps->view = counted_acquire(&v->c);
    arena_init(&ps->arena);
    map_init(&ps->with_data);
    ps->producers = producers;
    ps->nproducers = nproducers;
    ps->horizon = -1;
    ps->compress = compress_new();
    wbuf_init(&ps->feed.buf);
    wbuf_init(&ps->out.buf);
    wbuf_init(&ps->room);
    wbuf_init(&ps->scratch);
    wbuf_init(&ps->keep);
    if (nproducers)
        qsort(producers, nproducers, sizeof *producers, producer_cmp);
    return ps;
}

void pass_free(struct pass *ps)
{
    if (!ps)
        return;
    if (ps->out.seg)
        output_drop(ps);
    feed_close(&ps->feed);
    compact_map_fini(&ps->map);
    compress_free(ps->compress);
    wbuf_fini(&ps->feed.buf);
    wbuf_fini(&ps->out.buf);
    wbuf_fini(&ps->room);
    wbuf_fini(&ps->scratch);
    wbuf_fini(&ps->keep);
    for (unsigned i = 0; i < ps->nsegs; i++)
        segment_release(ps->segs[i]);
    xfree(ps->segs);
    counted_release(ps->view ? &ps->view->c : NULL);
    arena_fini(&ps->arena);
    map_fini(&ps->with_data);
    xfree(ps->producers);
    xfree(ps->dir);
    xfree(ps);
}

static void memory_note(struct pass *ps)
{
    uint64_t now = compact_map_bytes(&ps->map) + ps->feed.buf.cap + ps->out.buf.cap + ps->room.cap + ps->scratch.cap +
                   ps->keep.cap;
    ps->done.memory_max = MAX(ps->done.memory_max, now);
}

int pass_step(struct pass *ps, int64_t bytes)
{
    ps->bytes = 0;
    if (!ps->mapping) {
        ps->mapping = true;
        compact_map_init(&ps->map, (uint64_t)MAX(ps->bound - ps->from, INT64_C(0)), ps->pc.map_bytes, ps->pc.secret);
        ps->done.map_bytes = compact_map_bytes(&ps->map);
    }
    int r = ps->view ? aborted_load(ps) : 0;
    if (!r)
        r = ps->mapped ? group_step(ps, bytes) : map_step(ps, bytes);
    if (r == PASS_END) {
        ps->done.first_dirty = MAX(ps->map_end, ps->from);
        ps->done.horizon = ps->horizon;
        r = clean_write(ps->disk, ps->dir, ps->done.first_dirty, ps->horizon);
        r = r ? r : PASS_END;
    }
    memory_note(ps);
    if (r < 0) {
        feed_close(&ps->feed);
        if (ps->out.seg)
            output_drop(ps);
    }
    return r;
}

struct segment *pass_group(struct pass *ps, struct segment *const **old, unsigned *n)
{
    CHECK(ps->ready);
    *old = ps->segs + ps->group;
    *n = ps->group_end - ps->group;
    return ps->out.seg;
}

int pass_swap(struct pass *ps, bool *named)
{
    struct output *o = &ps->out;
    *named = false;
    int err = 0;
    for (unsigned i = ps->group; i < ps->group_end && !err; i++)
        err = segment_keep(ps->segs[i]);
    if (err)
        return err;
    char path[PATH_BYTES];
    segment_path(o->seg, ".log", path, sizeof path);
    FAULT("compact.before_rename");
    err = disk_rename(ps->disk, o->temp, path);
    *named = !err;
    if (!err)
        err = disk_sync_dir(ps->disk, ps->dir);
    FAULT("compact.after_rename");
    if (!*named)
        return err;
    file_close(o->f);
    o->f = NULL;
    output_drop(ps);
    for (unsigned i = ps->group; i < ps->group_end; i++) { /* their open files need not wait for the pass's end */
        segment_release(ps->segs[i]);
        ps->segs[i] = NULL;
    }
    return err;
}

void pass_result(const struct pass *ps, struct pass_done *out) { *out = ps->done; }

int64_t pass_bytes(const struct pass *ps) { return ps->bytes; }

/* ---- between passes */

static void clean_path(const char *dir, char *out)
{
    int n = snprintf(out, PATH_BYTES, "%s/cleaned", dir);
    CHECK(n > 0 && n < PATH_BYTES);
}

int clean_write(struct disk *disk, const char *dir, int64_t first_dirty, int64_t horizon)
{
    char path[PATH_BYTES];
    uint8_t p[CLEAN_BYTES];
    put_be32(p, MAGIC);
    put_be64(p + 8, (uint64_t)first_dirty);
    put_be64(p + 16, (uint64_t)horizon);
    put_be32(p + 4, crc32c(0, p + 8, CLEAN_BYTES - 8));
    clean_path(dir, path);
    return disk_write_file(disk, path, p, sizeof p);
}

int clean_read(struct disk *disk, const char *dir, int64_t *first_dirty, int64_t *horizon)
{
    char path[PATH_BYTES], *bytes;
    size_t len;
    clean_path(dir, path);
    int err = disk_read_file(disk, path, CLEAN_BYTES, &bytes, &len);
    if (err)
        return err;
    struct rbuf r = rbuf_of(bytes, len);
    uint32_t magic = rbuf_be32(&r), crc = rbuf_be32(&r);
    bool good = len == CLEAN_BYTES && magic == MAGIC && crc == crc32c(0, bytes + 8, CLEAN_BYTES - 8);
    *first_dirty = good ? (int64_t)rbuf_be64(&r) : -1;
    *horizon = good ? (int64_t)rbuf_be64(&r) : -1;
    xfree(bytes);
    return good && *first_dirty >= 0 ? 0 : E_CORRUPT;
}
