/* Reading: what a published view shows. Any thread; below the high watermark nothing changes any more. */
#include "log/base/alloc.h"
#include "log/base/fault.h"
#include "log/base/trace.h"
#include "log/store/history.h"
#include "log/store/partlog.h"
#include "log/store/shard.h"
#include <errno.h>

static void view_free(struct counted *c)
{
    struct view *v = container_of(c, struct view, c);
    counted_release(&v->list->c);
    counted_release(&v->epochs->c);
    xfree(v);
}

struct view *view_new(struct part *p)
{
    struct view *v = xalloc(sizeof *v);
    counted_init(&v->c, view_free);
    struct segment *last = seglist_last(p->list);
    v->log_start = p->log_start;
    v->high_watermark = v->log_end = p->next_offset;
    v->lso = MIN(p->known_end, producers_undecided(p->producers));
    v->lso = MIN(v->high_watermark, MAX(v->log_start, v->lso));
    v->leader_epoch = atomic_load(&p->leader_epoch);
    v->list = p->list;
    counted_acquire(&v->list->c);
    v->epochs = p->epochs;
    counted_acquire(&v->epochs->c);
    v->end_pos = p->pos;
    v->last_max_ts = last ? atomic_load(&last->max_ts) : INT64_MIN;
    return v;
}

/* A segment as one view shows it. */
struct window {
    struct segment *seg;
    struct seg_file *sf;
    int64_t end;        /* bytes that belong to the view */
    int64_t end_offset; /* offsets below belong to it */
    int64_t max_ts;
    bool block;
    uint8_t buf[STORE_PEEK_BYTES];
};

static void window_set(struct window *w, const struct view *v, unsigned i, bool block)
{
    struct seglist *l = v->list;
    bool last = i + 1 == l->n && !BUG("size_read_twice");
    w->seg = l->seg[i];
    w->sf = NULL;
    w->end = last ? v->end_pos : atomic_load(&w->seg->size);
    w->end_offset = i + 1 == l->n ? v->high_watermark : l->seg[i + 1]->base;
    w->max_ts = last ? v->last_max_ts : atomic_load(&w->seg->max_ts);
    w->block = block;
}

/* A file that is gone was trimmed away after this view was taken. */
static int window_open(struct window *w)
{
    int err = w->sf ? 0 : segment_open(w->seg, 0, w->block, &w->sf);
    return err == -ENOENT ? E_OFFSET_RANGE : err;
}

static void window_close(struct window *w)
{
    seg_file_release(w->sf);
    w->sf = NULL;
}

static int window_damaged(const struct window *w, int64_t pos)
{
    trace(ERROR, "store", "damaged segment=%s.log pos=%" PRId64 ": the record batch there cannot be read", w->seg->stem,
          pos);
    return E_CORRUPT;
}

/* Starts a walk at the index entry that a search finds. An index that leads to no batch is built anew. */
static int window_seek(struct window *w, enum seg_floor by, int64_t key, struct scan *s)
{
    for (int tries = 0;; tries++) {
        struct index_entry e;
        int err = segment_floor(w->seg, by, key, w->end, w->block, &e);
        if (err == -ENOENT || err == E_CORRUPT) {
            err = 0;
            e = (struct index_entry){0, 0, INT64_MIN};
        }
        if (err)
            return err;
        scan_init(s, w->sf->f, e.pos, w->end, w->block, w->buf, sizeof w->buf);
        if (e.pos == 0)
            return 0;
        struct recbatch rb;
        int r = scan_next(s, &rb);
        s->pos = e.pos;
        if (r == 1 && rb.base_offset == w->seg->base + e.offset)
            return 0;
        if (r < 0 && r != E_CORRUPT)
            return r;
        if (!w->block)
            return -EAGAIN;
        if (tries > 0 || !atomic_load(&w->seg->sealed)) /* only a file can be wrong */
            return window_damaged(w, e.pos);
        err = segment_replace_index(w->seg, 4096);
        if (err)
            return err == E_CORRUPT ? window_damaged(w, e.pos) : err;
        trace(WARN, "store", "index_rebuilt segment=%s", w->seg->stem);
    }
}

/* The first batch that holds offset or lies above it. 0: there is none in the segment. */
static int window_find(struct window *w, int64_t offset, struct scan *s, struct recbatch *rb)
{
    int err = window_seek(w, FLOOR_OFFSET, offset, s);
    if (err)
        return err;
    int r;
    while ((r = scan_next(s, rb)) == 1)
        if (recbatch_last_offset(rb) >= offset)
            break;
    return r == E_CORRUPT ? window_damaged(w, s->pos) : r;
}

/* Where whole batches end that begin below upto and end within limit. from: a batch boundary; s walks on. No batch
 * before that place reaches *end_offset. */
static int window_cut(struct window *w, struct scan *s, int64_t from, int64_t limit, int64_t upto, int64_t *end,
                      int64_t *end_offset)
{
    *end = from;
    *end_offset = w->end_offset;
    if (limit >= w->end && upto >= w->end_offset) {
        *end = w->end;
        return 0;
    }
    struct scan walk;
    int err = window_seek(w, FLOOR_POS, limit, &walk);
    if (!err && upto < w->end_offset) {
        struct scan other;
        err = window_seek(w, FLOOR_OFFSET, upto - 1, &other);
        if (!err && other.pos < walk.pos)
            walk = other;
        else
            walk.buf_len = 0; /* the scans share a buffer, and the last has filled it */
    }
    if (err)
        return err;
    if (walk.pos < from) {
        walk = *s;
        walk.buf_len = 0;
    }
    *end = walk.pos;
    struct recbatch rb;
    int r;
    while ((r = scan_next(&walk, &rb)) == 1 && walk.pos <= limit && rb.base_offset < upto)
        *end = walk.pos;
    if (r == 1)
        *end_offset = rb.base_offset;
    /* Damage further on is told to whoever asks for it. */
    return r == E_CORRUPT ? 0 : MIN(r, 0);
}

static int window_read(struct window *w, int64_t offset, int64_t upto, uint32_t max_bytes, bool at_least_one,
                       struct slice *out)
{
    int err = window_open(w);
    if (err)
        return err;
    struct scan s;
    struct recbatch rb;
    int r = window_find(w, offset, &s, &rb);
    if (r <= 0)
        return r;
    if (rb.base_offset >= upto || (rb.size > max_bytes && !at_least_one))
        return 1;
    int64_t start = s.at, end, end_offset = recbatch_last_offset(&rb) + 1;
    if (rb.size >= max_bytes) {
        end = s.pos;
    } else {
        err = window_cut(w, &s, s.pos, start + max_bytes, upto, &end, &end_offset);
        if (err)
            return err;
    }
    out->pos = start;
    out->len = (uint32_t)(end - start);
    out->first_offset = rb.base_offset;
    out->end_offset = end_offset;
    out->seg = segment_acquire(w->seg);
    out->file = w->sf;
    counted_acquire(&w->sf->c);
    return 1;
}

/* The last segment that begins at or below offset; -1: none. */
static int seglist_find(const struct seglist *l, int64_t offset)
{
    unsigned lo = 0, hi = l->n;
    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        if (l->seg[mid]->base <= offset)
            lo = mid + 1;
        else
            hi = mid;
    }
    return (int)lo - 1;
}

int view_read(const struct view *v, int64_t offset, int64_t upto, uint32_t max_bytes, bool at_least_one, bool block,
              struct slice *out)
{
    *out = (struct slice){0};
    if (offset < v->log_start || offset > v->high_watermark)
        return E_OFFSET_RANGE;
    upto = MIN(upto, v->high_watermark);
    if (offset >= upto)
        return 0;
    int at = seglist_find(v->list, offset);
    if (at < 0)
        return E_CORRUPT;
    for (unsigned i = (unsigned)at; i < v->list->n; i++) {
        struct window w;
        window_set(&w, v, i, block);
        int r = window_read(&w, MAX(offset, w.seg->base), upto, max_bytes, at_least_one, out);
        window_close(&w);
        if (r)
            return MIN(r, 0);
        /* Compaction leaves holes; the next segment goes on. */
        if (w.end_offset >= upto && i + 1 < v->list->n)
            return 0;
    }
    return E_CORRUPT; /* records below the high watermark are missing at the end */
}

void slice_release(struct slice *s)
{
    segment_release(s->seg);
    seg_file_release(s->file);
    *s = (struct slice){0};
}

int slice_fd(const struct slice *s) { return s->file ? file_fd(s->file->f) : -1; }

int64_t slice_read(const struct slice *s, uint32_t at, void *p, size_t n, bool block)
{
    CHECK(at <= s->len);
    n = MIN(n, (size_t)(s->len - at));
    if (n == 0)
        return 0;
    int64_t got = block ? file_read(s->file->f, s->pos + at, p, n) : file_read_nowait(s->file->f, s->pos + at, p, n);
    /* The file held these bytes when the slice was cut: one that is shorter now was damaged from outside. */
    return got >= 0 && got < (int64_t)n ? (got > 0 || !block ? -EAGAIN : E_CORRUPT) : got;
}

/* ---- transactions */

/* The aborted transactions of a segment: in memory, or in its file. */
struct aborts {
    struct txnindex *tx;
    struct seg_file *sf;
    uint32_t n;
};

static int aborts_open(struct aborts *as, struct segment *seg, bool block)
{
    *as = (struct aborts){.tx = segment_aborted(seg)};
    /* The first of a segment that grows may come between the two looks; it is none of this view's. */
    as->n = as->tx ? txnindex_count(as->tx) : atomic_load(&seg->sealed) ? atomic_load(&seg->aborted_n) : 0;
    if (as->tx || as->n == 0)
        return 0;
    int err = segment_open_aborted(seg, block, &as->sf);
    return err ? err : txnindex_check(as->sf->f, block);
}

static int aborts_at(const struct aborts *as, uint32_t i, bool block, struct txnindex_entry *out)
{
    if (!as->tx)
        return txnindex_read(as->sf->f, i, block, out);
    *out = txnindex_at(as->tx, i);
    return 0;
}

static void aborts_close(struct aborts *as)
{
    counted_release(as->tx ? &as->tx->c : NULL);
    seg_file_release(as->sf);
}

struct aborted_list {
    struct aborted *of;
    size_t n, cap;
};

/* Collects those of one segment. 1: no later one can have batches below upto. */
static int aborts_collect(const struct aborts *as, int64_t from, int64_t upto, bool block, struct aborted_list *out)
{
    uint32_t lo = 0, hi = as->n; /* entries below lo end before `from` */
    struct txnindex_entry e;
    int err = 0;
    while (lo < hi && !err) {
        uint32_t mid = lo + (hi - lo) / 2;
        err = aborts_at(as, mid, block, &e);
        if (!err && e.last < from)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < as->n && !err; lo++) {
        err = aborts_at(as, lo, block, &e);
        if (err)
            break;
        if (e.first < upto)
            VEC_PUSH(out->of, out->n, out->cap) = (struct aborted){e.producer_id, e.first, e.last};
        if (e.lso >= upto)
            return 1;
    }
    return err;
}

static int segment_collect(const struct view *v, unsigned i, int64_t from, int64_t upto, bool block,
                           struct aborted_list *out)
{
    struct segment *seg = v->list->seg[i];
    if (atomic_load_explicit(&seg->aborted_n, memory_order_acquire) == 0)
        return 0; /* most segments of most logs: readers come by each of them */
    for (int tries = 0;; tries++) {
        struct aborts as;
        size_t mark = out->n;
        int r = aborts_open(&as, seg, block);
        if (!r)
            r = aborts_collect(&as, from, upto, block, out);
        aborts_close(&as);
        if (r >= 0 || r == -EAGAIN)
            return r;
        /* The file is damaged or gone. Never do without it: void records would be taken for committed ones. */
        if (!block)
            return -EAGAIN;
        out->n = mark;
        r = tries || (r != E_CORRUPT && r != -ENOENT) ? r : history_aborted(v->list->seg, i, v->high_watermark);
        if (r)
            return r;
        trace(WARN, "store", "txnindex_rebuilt segment=%s", seg->stem);
    }
}

/* An index made anew after retention knows nothing of batches that an older view can still read. */
static int segment_aborts(const struct view *v, unsigned i, int64_t from, int64_t upto, bool block,
                          struct aborted_list *out)
{
    int r = segment_collect(v, i, from, upto, block, out);
    return r >= 0 && from < atomic_load(&v->list->seg[i]->aborted_since) ? E_OFFSET_RANGE : r;
}

int view_aborted(const struct view *v, int64_t from, int64_t upto, bool block, struct arena *a, struct aborted **out,
                 uint32_t *n)
{
    CHECK(upto <= v->lso);
    struct aborted_list found = {0};
    int at = seglist_find(v->list, from), r = 0;
    for (unsigned i = (unsigned)MAX(at, 0); i < v->list->n && !r; i++)
        r = segment_aborts(v, i, from, upto, block, &found);
    *n = 0;
    *out = NULL;
    if (r >= 0 && found.n) {
        *n = (uint32_t)found.n;
        *out = arena_alloc(a, found.n * sizeof *found.of);
        memcpy(*out, found.of, found.n * sizeof *found.of);
    }
    xfree(found.of);
    return r == -ENOENT ? E_OFFSET_RANGE : MIN(r, 0); /* gone: trimmed away after this view was taken */
}

static int aborted_cmp(const void *va, const void *vb)
{
    const struct aborted *a = va, *b = vb;
    if (a->producer_id != b->producer_id)
        return a->producer_id < b->producer_id ? -1 : 1;
    return a->last < b->last ? -1 : a->last > b->last;
}

void aborted_sort(struct aborted *list, uint32_t n)
{
    if (n > 1)
        qsort(list, n, sizeof *list, aborted_cmp);
}

/* A producer's transactions do not overlap, so the first that ends behind the batch decides. */
bool aborted_covers(const struct aborted *list, uint32_t n, int64_t producer_id, int64_t offset)
{
    const struct aborted want = {.producer_id = producer_id, .last = offset};
    uint32_t lo = 0, hi = n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (aborted_cmp(&list[mid], &want) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && list[lo].producer_id == producer_id && list[lo].first <= offset;
}

/* ---- by time */

/* The first record of the batch at s->at in [from, upto) with timestamp >= ts_ms. 1: found. */
static int batch_find_time(struct window *w, const struct scan *s, const struct recbatch *head, int64_t ts_ms,
                           int64_t from, int64_t upto, int64_t *offset, int64_t *found_ts)
{
    uint8_t *bytes = xalloc(head->size);
    struct wbuf room;
    wbuf_init(&room);
    struct compress *c = compress_new();
    int64_t got = file_read(w->sf->f, s->at, bytes, head->size);
    int r = got < 0 ? (int)got : got < head->size ? E_CORRUPT : 0;
    struct recbatch rb;
    struct recbatch_iter it;
    if (!r)
        r = recbatch_peek(&rb, (struct str){(char *)bytes, head->size});
    if (!r)
        r = recbatch_iter(&it, &rb, c, &room, compress_limit(head->size));
    struct record rec;
    while (!r && recbatch_next(&it, &rec)) {
        if (rec.ts_ms < ts_ms || rec.offset < from || rec.offset >= upto)
            continue;
        *offset = rec.offset;
        *found_ts = rec.ts_ms;
        r = 1;
    }
    if (!r)
        r = recbatch_iter_err(&it);
    compress_free(c);
    wbuf_fini(&room);
    xfree(bytes);
    return r == E_CORRUPT ? window_damaged(w, s->at) : r;
}

static int window_find_time(struct window *w, int64_t ts_ms, int64_t from, int64_t upto, int64_t *offset,
                            int64_t *found_ts)
{
    int err = window_open(w);
    struct scan s;
    if (!err)
        err = window_seek(w, FLOOR_TIME, ts_ms, &s);
    if (err)
        return err;
    struct recbatch rb;
    int r;
    while ((r = scan_next(&s, &rb)) == 1 && rb.base_offset < upto) {
        if (rb.max_ts < ts_ms || recbatch_last_offset(&rb) < from)
            continue;
        r = batch_find_time(w, &s, &rb, ts_ms, from, upto, offset, found_ts);
        if (r)
            return r;
    }
    return r == E_CORRUPT ? window_damaged(w, s.pos) : MIN(r, 0);
}

int view_find_time(const struct view *v, int64_t ts_ms, int64_t upto, int64_t *offset, int64_t *found_ts)
{
    *offset = *found_ts = -1;
    upto = MIN(upto, v->high_watermark);
    for (unsigned i = 0; i < v->list->n; i++) {
        struct window w;
        window_set(&w, v, i, true);
        if (w.max_ts < ts_ms || w.end_offset <= v->log_start || w.seg->base >= upto)
            continue;
        int r = window_find_time(&w, ts_ms, v->log_start, upto, offset, found_ts);
        window_close(&w);
        if (r)
            return MIN(r, 0);
    }
    return 0;
}

/* Raises *best to the largest timestamp of a batch in [from, upto) and remembers where. */
static int window_max_time(struct window *w, int64_t from, int64_t upto, int64_t *best)
{
    bool whole = w->seg->base >= from && w->end_offset <= upto;
    if (w->max_ts <= *best)
        return 0;
    if (whole) {
        *best = w->max_ts;
        return 0;
    }
    /* Only a part of the segment counts: its batches' heads tell, but for one that straddles a bound. */
    int err = window_open(w);
    if (err)
        return err;
    struct scan s;
    scan_init(&s, w->sf->f, 0, w->end, true, w->buf, sizeof w->buf);
    struct recbatch rb;
    int r;
    while ((r = scan_next(&s, &rb)) == 1 && rb.base_offset < upto)
        if (recbatch_last_offset(&rb) >= from)
            *best = MAX(*best, rb.max_ts);
    return r == E_CORRUPT ? window_damaged(w, s.pos) : MIN(r, 0);
}

int view_find_max_time(const struct view *v, int64_t upto, int64_t *offset, int64_t *found_ts)
{
    *offset = *found_ts = -1;
    upto = MIN(upto, v->high_watermark);
    int64_t best = INT64_MIN;
    for (unsigned i = 0; i < v->list->n; i++) {
        struct window w;
        window_set(&w, v, i, true);
        if (w.end_offset <= v->log_start || w.seg->base >= upto)
            continue;
        int err = window_max_time(&w, v->log_start, upto, &best);
        window_close(&w);
        if (err)
            return err;
    }
    return best == INT64_MIN ? 0 : view_find_time(v, best, upto, offset, found_ts);
}

void view_epoch_end(const struct view *v, int32_t leader_epoch, int32_t *epoch, int64_t *end_offset)
{
    epochs_end(v->epochs, leader_epoch, v->log_end, epoch, end_offset);
}

int64_t view_bytes(const struct view *v) { return v->list->closed_bytes + v->end_pos; }
