/* The log in this process: readers over published views, writers through store_append.
 *
 * A reader copies recbatches into a buffer of its own because they are decoded at once and the pages of a file may go
 * any time. What is in memory is read in place of the call; what is not, by a worker, and ready_cb tells. */
#include "log/client/txn.h"
#include "log/base/alloc.h"
#include "log/base/fault.h"
#include "log/base/limits.h"
#include "log/base/map.h"
#include "log/wire/wire.h"
#include <errno.h>

struct reader {
    struct part *part;
    struct loop *loop;
    void (*ready_cb)(void *arg);
    void *arg;
    bool committed;
    int64_t offset;
    struct buf *buf; /* bytes given or to be given */
    struct arena arena; /* a fill's list of aborted transactions */
    int64_t next;    /* where the batches that were read into buf end */
    bool have;       /* buf holds bytes that nobody has had */
    bool watching, working, closing, stale; /* stale: seek came while a worker was reading */
    int status;      /* sticky: the part is deleted or failed */
    struct watch watch;
    struct work work;
    struct view *work_view;
    int64_t work_offset;
    int work_rc;
};

/* ---- reading */

static void reader_free(struct reader *r)
{
    arena_fini(&r->arena);
    buf_release(r->buf);
    part_release(r->part);
    xfree(r);
}

static bool reader_leaving(struct reader *r)
{
    if (!r->closing)
        return false;
    if (!r->watching && !r->working)
        reader_free(r);
    return true;
}

static void watch_fired(struct watch *w, int status)
{
    struct reader *r = container_of(w, struct reader, watch);
    r->watching = false;
    if (reader_leaving(r))
        return;
    if (status < 0 && status != E_CANCELED)
        r->status = status;
    r->ready_cb(r->arg);
}

/* Comes back when something lies above the offset; -1: when the owner has opened the part. */
static void reader_watch(struct reader *r, int64_t above)
{
    if (r->watching)
        return;
    r->watching = true;
    r->watch = (struct watch){.loop = r->loop, .part = r->part, .above = above,
                              .committed = r->committed, .fired_cb = watch_fired};
    part_watch(r->part, &r->watch);
}

/* ---- what is left out */

static int64_t reader_upto(const struct reader *r, const struct view *v)
{
    return r->committed && !BUG("lso_moves_in_read") ? v->lso : v->high_watermark;
}

/* Moves the batches that count to the front of buf, and tells where the last of all ended. */
static int reader_filter(struct reader *r, const struct aborted *a, uint32_t n)
{
    struct recbatch rb;
    uint32_t len = 0;
    for (uint32_t at = 0; at < r->buf->len; at += rb.size) {
        if (recbatch_peek(&rb, (struct str){(const char *)r->buf->data + at, r->buf->len - at}) < 0)
            return E_CORRUPT;
        r->next = recbatch_last_offset(&rb) + 1;
        bool txn = rb.attributes & RECBATCH_TXN;
        if ((rb.attributes & RECBATCH_CONTROL) || (txn && aborted_covers(a, n, rb.producer_id, rb.base_offset)))
            continue;
        if (len != at)
            memmove(r->buf->data + len, r->buf->data + at, rb.size);
        len += rb.size;
    }
    r->buf->len = len;
    return 0;
}

static int reader_choose(struct reader *r, const struct view *v, int64_t offset, int64_t end, bool block)
{
    struct aborted *a = NULL;
    uint32_t n = 0;
    if (r->committed) {
        arena_reset(&r->arena);
        int rc = view_aborted(v, offset, MIN(end, v->lso), block, &r->arena, &a, &n);
        if (rc < 0)
            return rc;
        aborted_sort(a, n);
    }
    return reader_filter(r, a, n);
}

/* Fills buf from the view. 1: it holds what there is to give, 0: there is nothing, -EAGAIN: not in memory. A worker may
 * run it, so of the reader's fields it touches buf, arena and next alone: they are the worker's until fill_done, all
 * else stays the loop's. */
static int reader_fill(struct reader *r, const struct view *v, int64_t offset, bool block)
{
    struct slice s = {0};
    int rc = view_read(v, offset, reader_upto(r, v), READER_BYTES, true, block, &s);
    if (rc < 0 || s.len == 0)
        return rc;
    if (!r->buf || r->buf->cap < s.len || atomic_load(&r->buf->refs) > 1) {
        buf_release(r->buf);
        r->buf = buf_new(s.len);
    }
    uint32_t len = s.len; /* letting go of the slice empties it */
    int64_t end_offset = s.end_offset;
    int64_t n = slice_read(&s, 0, r->buf->data, len, block);
    slice_release(&s);
    if (n < 0)
        return (int)n;
    if (n < len)
        return E_STORAGE;
    r->buf->len = len;
    rc = reader_choose(r, v, offset, end_offset, block);
    return rc < 0 ? rc : 1;
}

static void fill_work(struct work *w)
{
    struct reader *r = container_of(w, struct reader, work);
    r->work_rc = reader_fill(r, r->work_view, r->work_offset, true);
}

static void fill_done(struct work *w)
{
    struct reader *r = container_of(w, struct reader, work);
    r->working = false;
    counted_release(&r->work_view->c);
    if (reader_leaving(r))
        return;
    if (!r->stale && r->work_rc < 0)
        r->status = r->work_rc;
    else
        r->have = !r->stale && r->work_rc > 0;
    r->stale = false;
    r->ready_cb(r->arg);
}

static void reader_work(struct reader *r, struct view *v)
{
    r->working = true;
    r->work_view = counted_acquire(&v->c);
    r->work_offset = r->offset;
    r->work = (struct work){.loop = r->loop, .work_cb = fill_work, .done_cb = fill_done};
    loop_work(r->loop, LANE_DISK, &r->work);
}

static int reader_try(struct reader *r, struct view *v)
{
    if (r->offset < 0)
        r->offset = r->offset == -1 ? reader_upto(r, v) : v->log_start;
    if (r->offset < v->log_start || r->offset > v->log_end)
        return E_OFFSET_RANGE;
    if (r->offset >= reader_upto(r, v)) {
        /* At the end: memory that only waits is for others. */
        buf_release(r->buf);
        r->buf = NULL;
        reader_watch(r, r->offset);
        return 0;
    }
    int rc = reader_fill(r, v, r->offset, false);
    if (rc == -EAGAIN) {
        reader_work(r, v);
        return 0;
    }
    r->have = rc > 0;
    return MIN(rc, 0);
}

int reader_next(struct reader *r, struct str *bytes)
{
    *bytes = STR_NULL;
    if (r->status < 0)
        return r->status;
    if (r->working || (r->watching && !r->have && r->watch.above == r->offset))
        return 0;
    if (!r->have) {
        struct view *v = part_view(r->part);
        if (!v) {
            reader_watch(r, -1);
            return 0;
        }
        int rc = reader_try(r, v);
        counted_release(&v->c);
        if (rc < 0)
            return rc;
    }
    if (!r->have)
        return 0;
    r->have = false;
    r->offset = r->next;
    *bytes = (struct str){(const char *)r->buf->data, r->buf->len};
    return 1;
}

void reader_seek(struct reader *r, int64_t offset)
{
    r->offset = offset;
    r->have = false;
    r->stale = r->working;
    if (r->watching)
        part_unwatch(&r->watch);
}

int64_t reader_offset(const struct reader *r) { return r->offset; }

int64_t reader_end(struct reader *r)
{
    struct view *v = part_view(r->part);
    int64_t end = v ? reader_upto(r, v) : -1;
    if (v)
        counted_release(&v->c);
    return end;
}

int64_t reader_start(struct reader *r)
{
    struct view *v = part_view(r->part);
    int64_t start = v ? v->log_start : 0;
    if (v)
        counted_release(&v->c);
    return start;
}

int reader_open(struct reader **out, struct part *part, struct loop *loop, int64_t offset, enum isolation isolation,
                void (*ready_cb)(void *arg), void *arg)
{
    if (offset < -2)
        return E_OFFSET_RANGE;
    struct reader *r = xzalloc(sizeof *r);
    r->part = part_acquire(part);
    r->loop = loop;
    r->ready_cb = ready_cb;
    r->arg = arg;
    r->offset = offset;
    r->committed = isolation == READ_COMMITTED;
    arena_init(&r->arena);
    *out = r;
    return 0;
}

void reader_close(struct reader *r)
{
    if (!r)
        return;
    r->closing = true;
    if (r->watching)
        part_unwatch(&r->watch);
    (void)reader_leaving(r);
}

/* ---- writing */

struct writer {
    struct store *st;
    struct part *part;
    struct loop *loop;
    struct part_conf conf;
    struct wbuf out, scratch;
    struct wbuf spare; /* memory of a flush that ended, for the next */
    size_t last_cap;   /* of the last flush's memory: the next will need as much */
    struct compress *compress;
    struct recbatch_builder b;
    bool building, closing;
    int64_t records; /* in out */
    unsigned flushes;
    /* of a transactional producer */
    struct txn *txn;
    struct list waiting; /* flushes that are not yet admitted, by number */
    struct txn_add add;  /* asks for the first of them */
    bool asking;
    int64_t admitted; /* transaction that the part has been added to */
};
struct flush {
    struct list link;
    int64_t number; /* of its transaction */
    struct writer *w;
    struct append append;
    struct append_set set;
    struct msg empty; /* a flush of nothing answers too */
    struct wbuf bytes; /* the writer's memory, until the log has written it */
    uint8_t *data;     /* in it */
    int64_t records;
    void (*flushed_cb)(void *arg, int status, int64_t base_offset, int64_t end_offset);
    void *arg;
};

int writer_open(struct writer **out, struct store *st, struct part *part, struct loop *loop)
{
    struct writer *w = xzalloc(sizeof *w);
    w->st = st;
    w->part = part_acquire(part);
    w->loop = loop;
    part_get_conf(part, &w->conf);
    wbuf_init(&w->out);
    wbuf_init(&w->spare);
    wbuf_init(&w->scratch);
    list_init(&w->waiting);
    *out = w;
    return 0;
}

int writer_open_txn(struct writer **out, struct store *st, struct part *part, struct loop *loop, struct txn *t)
{
    int err = writer_open(out, st, part, loop);
    if (!err)
        (*out)->txn = t;
    return err;
}

static void writer_free(struct writer *w)
{
    part_release(w->part);
    compress_free(w->compress);
    wbuf_fini(&w->out);
    wbuf_fini(&w->spare);
    wbuf_fini(&w->scratch);
    xfree(w);
}

static enum codec writer_codec(const struct writer *w)
{
    return w->conf.compression > 0 ? (enum codec)w->conf.compression : CODEC_NONE;
}

/* A flush took the memory along: another's, or as much as that was. */
static void out_begin(struct writer *w)
{
    if (w->spare.cap == 0)
        wbuf_room(&w->spare, w->last_cap);
    w->out = w->spare;
    wbuf_init(&w->spare);
}

static void batch_begin(struct writer *w)
{
    if (writer_codec(w) && !w->compress)
        w->compress = compress_new();
    if (w->out.cap == 0)
        out_begin(w);
    recbatch_build(&w->b, &w->out, writer_codec(w), writer_codec(w) ? &w->scratch : NULL);
    w->b.unsealed = w->txn != NULL; /* the store numbers it (APPEND_NUMBER) */
    w->building = true;
}

static void batch_end(struct writer *w)
{
    if (!w->building)
        return;
    w->building = false;
    if (recbatch_finish(&w->b, w->compress) && w->conf.append_time)
        recbatch_set_append_time(w->out.data + w->b.at, loop_wall_ms(w->loop));
}

void writer_record(struct writer *w, int64_t ts_ms, struct str key, struct str value)
{
    writer_record_headers(w, ts_ms, key, value, STR_NULL, 0);
}

void writer_record_headers(struct writer *w, int64_t ts_ms, struct str key, struct str value, struct str headers,
                           uint32_t headers_n)
{
    enum { RECORD_HEAD_MAX = 32 }; /* lengths and deltas in front of key and value */
    size_t size = key.len + value.len + headers.len + RECORD_HEAD_MAX;
    size_t max = (size_t)MIN(w->conf.max_message_bytes, w->conf.segment_bytes);
    if (w->building && (w->b.count == INT32_MAX || recbatch_build_size(&w->b) + size > max))
        batch_end(w);
    if (!w->building)
        batch_begin(w);
    recbatch_add_raw(&w->b, ts_ms, key, value, headers, headers_n);
    w->records++;
}

size_t writer_bytes(const struct writer *w)
{
    return w->out.len + (w->building && writer_codec(w) ? w->scratch.len : 0);
}

static void flush_end(struct flush *f, int status, int64_t base_offset)
{
    struct writer *w = f->w;
    int64_t end = status < 0 ? -1 : base_offset + f->records;
    wbuf_fini(&w->spare);
    if (w->out.cap || w->flushes > 1) { /* one that only waits keeps nothing */
        w->spare = f->bytes;
        wbuf_reset(&w->spare);
    } else {
        wbuf_fini(&f->bytes);
    }
    f->flushed_cb(f->arg, status, status < 0 ? -1 : base_offset, end);
    xfree(f);
    if (--w->flushes == 0 && w->closing)
        writer_free(w);
}

static void flush_done(struct append_set *set)
{
    struct flush *f = container_of(set, struct flush, set);
    flush_end(f, f->append.status, f->append.base_offset);
}

static void flush_empty(struct msg *m)
{
    struct flush *f = container_of(m, struct flush, empty);
    struct view *v = part_view(f->w->part);
    int64_t end = v ? v->high_watermark : 0;
    if (v)
        counted_release(&v->c);
    flush_end(f, 0, end);
}

static void flush_submit(struct flush *f)
{
    struct writer *w = f->w;
    f->append = (struct append){
        .part = w->part, .bytes = f->data, .len = (uint32_t)f->bytes.len, .flags = APPEND_MANY};
    if (w->txn)
        f->append.flags |= APPEND_VERIFIED | APPEND_TXN_V2 | APPEND_NUMBER;
    f->set = (struct append_set){.from = w->loop, .items = &f->append, .n = 1, .done_cb = flush_done};
    store_append(w->st, &f->set);
}

/* ---- flushes of transactions */

static void ask_next(struct writer *w);

static void flush_admitted(struct flush *f)
{
    struct recbatch rb;
    for (size_t at = 0; at < f->bytes.len; at += rb.size) {
        uint8_t *bytes = f->data + at;
        CHECK(recbatch_peek(&rb, (struct str){(char *)bytes, f->bytes.len - at}) == 0);
        recbatch_set_producer(bytes, f->w->add.producer_id, f->w->add.epoch, true);
    }
    flush_submit(f);
}

/* All that waited for this transaction goes to the log, or nowhere. */
static void added_cb(struct txn_add *add)
{
    struct writer *w = container_of(add, struct writer, add);
    w->asking = false;
    w->admitted = add->status ? 0 : add->number;
    w->flushes++; /* callbacks may close the writer */
    while (!list_empty(&w->waiting) && container_of(w->waiting.next, struct flush, link)->number == add->number) {
        struct flush *f = container_of(list_pop(&w->waiting), struct flush, link);
        if (add->status)
            flush_end(f, add->status, -1);
        else
            flush_admitted(f);
    }
    ask_next(w);
    if (--w->flushes == 0 && w->closing)
        writer_free(w);
}

static void ask_next(struct writer *w)
{
    if (w->asking || list_empty(&w->waiting))
        return;
    w->asking = true;
    w->add = (struct txn_add){.part = w->part,
                              .loop = w->loop,
                              .number = container_of(w->waiting.next, struct flush, link)->number,
                              .done_cb = added_cb};
    txn_add(w->txn, &w->add);
}

static void flush_in(struct flush *f)
{
    struct writer *w = f->w;
    if (w->admitted == f->number && list_empty(&w->waiting)) {
        flush_admitted(f);
        return;
    }
    list_add_tail(&w->waiting, &f->link);
    ask_next(w);
}

/* With BUG("buffer_pool_in_flight"), KAFKA-19012: all writers' next batches go to where the last one still is. */
static uint8_t *flush_bytes(const struct flush *f)
{
    static struct wbuf pool;
    if (!BUG("buffer_pool_in_flight"))
        return f->bytes.data;
    wbuf_reset(&pool);
    wbuf_room(&pool, (size_t)1 << 20);
    wbuf_put(&pool, f->bytes.data, f->bytes.len);
    return pool.data;
}

static struct flush *flush_new(struct writer *w,
                               void (*flushed_cb)(void *arg, int status, int64_t base_offset, int64_t end_offset),
                               void *arg)
{
    struct flush *f = xzalloc(sizeof *f);
    batch_end(w);
    f->w = w;
    f->records = w->records;
    f->flushed_cb = flushed_cb;
    f->arg = arg;
    w->flushes++;
    w->records = 0;
    list_init(&f->link);
    if (w->out.len == 0) {
        f->empty.run_cb = flush_empty;
        loop_post(w->loop, &f->empty);
        return NULL;
    }
    CHECK(w->out.len <= UINT32_MAX);
    f->bytes = w->out;
    f->data = flush_bytes(f);
    w->last_cap = w->out.cap;
    wbuf_init(&w->out);
    part_get_conf(w->part, &w->conf); /* what has been set meanwhile holds from the next batch on */
    return f;
}

void writer_flush(struct writer *w, void (*flushed_cb)(void *arg, int status, int64_t base_offset, int64_t end_offset),
                  void *arg)
{
    CHECK(!w->txn);
    struct flush *f = flush_new(w, flushed_cb, arg);
    if (f)
        flush_submit(f);
}

void writer_flush_in(struct writer *w, int64_t number,
                     void (*flushed_cb)(void *arg, int status, int64_t base_offset, int64_t end_offset), void *arg)
{
    CHECK(w->txn && number > 0);
    struct flush *f = flush_new(w, flushed_cb, arg);
    if (!f)
        return;
    f->number = number;
    flush_in(f);
}

void writer_close(struct writer *w)
{
    if (!w)
        return;
    w->closing = true;
    if (w->flushes == 0)
        writer_free(w);
}

/* ---- partitions */

int32_t client_partition(struct str key, int32_t nparts, uint32_t *spin)
{
    CHECK(nparts > 0);
    if (!key.ptr)
        return (int32_t)((*spin)++ % (uint32_t)nparts);
    return (int32_t)((hash_murmur2(key.ptr, key.len) & 0x7fffffff) % (uint32_t)nparts);
}
