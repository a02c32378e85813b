/* Reading committed records of a partition where blocking is fine: in workers. */
#include "engine/run/job.h"
#include "log/base/fault.h"
#include "log/wire/recbatch.h"

struct scan {
    int64_t from, to;
    struct compress *compress;
    struct wbuf bytes, room;
    struct arena arena;
    struct aborted *aborted; /* of the piece at hand */
    uint32_t naborted;
    int (*each_cb)(void *arg, const struct record *rec);
    void *arg;
};

static bool is_aborted(const struct scan *s, const struct recbatch *rb)
{
    for (uint32_t i = 0; (rb->attributes & RECBATCH_TXN) && i < s->naborted; i++) {
        const struct aborted *a = &s->aborted[i];
        if (a->producer_id == rb->producer_id && a->first <= rb->base_offset && a->last >= rb->base_offset)
            return true;
    }
    return false;
}

static int scan_batch(struct scan *s, const struct recbatch *rb)
{
    struct recbatch_iter it;
    struct record rec;
    if ((rb->attributes & RECBATCH_CONTROL) || is_aborted(s, rb))
        return 0;
    wbuf_reset(&s->room);
    int err = recbatch_iter(&it, rb, s->compress, &s->room, compress_limit(rb->payload.len));
    while (!err && recbatch_next(&it, &rec))
        if (rec.offset >= s->from && rec.offset < s->to && (err = s->each_cb(s->arg, &rec)) != 0)
            return err;
    return err ? err : recbatch_iter_err(&it);
}

/* The batches that the bytes hold whole; *next: the offset after them. */
static int scan_bytes(struct scan *s, struct str bytes, int64_t *next)
{
    int64_t began = *next;
    while (bytes.len) {
        struct recbatch rb;
        int err = recbatch_peek(&rb, bytes);
        if (err == E_SHORT && *next > began)
            return 0;
        if (!err)
            err = scan_batch(s, &rb);
        if (err)
            return err;
        if (!BUG("markers_not_counted") || !(rb.attributes & RECBATCH_CONTROL)) /* KAFKA-12951 */
            *next = recbatch_last_offset(&rb) + 1;
        bytes.ptr += rb.size;
        bytes.len -= rb.size;
    }
    return 0;
}

/* Reads a piece, and what of it was aborted. */
static int scan_piece(struct scan *s, const struct view *v, int64_t *next)
{
    struct slice slice;
    int64_t at = *next;
    int err = view_read(v, at, s->to, 1 << 20, true, true, &slice);
    if (err)
        return err;
    uint32_t len = slice.len;
    if (!len) { /* nothing but what compaction has left out */
        *next = s->to;
        return 0;
    }
    int64_t end = MIN(MAX(slice.end_offset, at + 1), v->lso);
    s->naborted = 0;
    wbuf_reset(&s->bytes);
    int64_t got = slice_read(&slice, 0, wbuf_room(&s->bytes, len), len, true);
    slice_release(&slice);
    arena_reset(&s->arena);
    if (got >= 0 && at < end)
        err = view_aborted(v, at, end, true, &s->arena, &s->aborted, &s->naborted);
    if (got < 0 || err)
        return got < 0 ? (int)got : err;
    err = scan_bytes(s, (struct str){(char *)s->bytes.data, (size_t)got}, next);
    return !err && *next <= at ? E_CORRUPT : err;
}

int view_scan(struct view *v, int64_t from, int64_t to, int (*each_cb)(void *arg, const struct record *rec), void *arg)
{
    struct scan s = {.from = from, .to = to, .compress = compress_new(), .each_cb = each_cb, .arg = arg};
    wbuf_init(&s.bytes);
    wbuf_init(&s.room);
    arena_init(&s.arena);
    int err = to > v->high_watermark || from < v->log_start ? E_OFFSET_RANGE : 0;
    while (!err && from < to)
        err = scan_piece(&s, v, &from);
    wbuf_fini(&s.bytes);
    wbuf_fini(&s.room);
    arena_fini(&s.arena);
    compress_free(s.compress);
    return err;
}

int part_scan(struct part *p, int64_t from, int64_t to, int (*each_cb)(void *arg, const struct record *rec), void *arg)
{
    struct view *v = part_view(p);
    if (!v)
        return E_STORAGE;
    int err = view_scan(v, from, to, each_cb, arg);
    counted_release(&v->c);
    return err;
}

int64_t part_start(struct part *p)
{
    struct view *v = part_view(p);
    int64_t start = v ? v->log_start : 0;
    if (v)
        counted_release(&v->c);
    return start;
}

int64_t part_end(struct part *p, bool committed)
{
    struct view *v = part_view(p);
    int64_t end = !v ? 0 : committed ? v->lso : v->high_watermark;
    if (v)
        counted_release(&v->c);
    return end;
}
