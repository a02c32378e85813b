#include "log/store/wal.h"
#include "log/base/alloc.h"
#include "log/base/crc32c.h"
#include "log/base/err.h"
#include "log/base/fault.h"
#include <errno.h>
#include <stdlib.h>

enum { MAGIC = 0x57464d31 /* "WFM1" */, CRC_FROM = 8 };

static int64_t align_up(int64_t n) { return (n + WAL_ALIGN - 1) / WAL_ALIGN * WAL_ALIGN; }

int wal_open(struct wal *w, struct disk *disk, const char *path, int64_t bytes, uint64_t incarnation)
{
    int64_t half = MAX(bytes / 2 / WAL_ALIGN, INT64_C(2)) * WAL_ALIGN;
    *w = (struct wal){.half_bytes = half, .incarnation = incarnation};
    int err = disk_open(disk, path, FILE_WRITE | FILE_CREATE, &w->f);
    if (err)
        return err;
    int64_t size = file_size(w->f);
    if (size != 2 * half) {
        err = size < 0 ? (int)size : size > 2 * half ? file_truncate(w->f, 2 * half) : file_allocate(w->f, 2 * half);
        if (!err)
            err = file_sync(w->f);
    }
    if (err)
        wal_close(w);
    return err;
}

void wal_close(struct wal *w)
{
    file_close(w->f);
    w->f = NULL;
}

void wal_frame_begin(struct wbuf *frame)
{
    wbuf_reset(frame);
    memset(wbuf_room(frame, WAL_HEAD), 0, WAL_HEAD);
    frame->len = WAL_HEAD;
}

void wal_frame_add(struct wbuf *frame, const struct wal_entry *e)
{
    wbuf_put(frame, e->topic.b, 16);
    wbuf_be32(frame, (uint32_t)e->index);
    wbuf_be64(frame, (uint64_t)e->seg_base);
    wbuf_be64(frame, (uint64_t)e->pos);
    wbuf_be64(frame, (uint64_t)e->end_offset);
    wbuf_be32(frame, e->len);
    wbuf_be32(frame, e->crc);
}

int64_t wal_frame_size(size_t entries, int64_t data_bytes)
{
    return align_up(WAL_HEAD + (int64_t)entries * WAL_ENTRY + data_bytes);
}

bool wal_fits(const struct wal *w, int64_t frame_size) { return w->used + frame_size <= w->half_bytes; }

void wal_advance(struct wal *w, int64_t frame_size)
{
    w->used += frame_size;
    w->seq++;
}

void wal_switch(struct wal *w)
{
    w->lap++;
    w->seq = 0;
    w->used = 0;
}

static const uint8_t zeros[WAL_ALIGN];

/* iov[0] is the caller's spare place for the table, iov[n - 1] for the padding. */
int wal_write(struct wal *w, int64_t pos, struct wbuf *frame, struct iovec *iov, int n, bool *sync_failed)
{
    CHECK(n >= 3);
    size_t table = frame->len - WAL_HEAD;
    int64_t total = (int64_t)frame->len;
    for (int i = 1; i < n - 1; i++)
        total += (int64_t)iov[i].iov_len;
    uint8_t *h = frame->data;
    put_be32(h, MAGIC);
    put_be64(h + 8, w->incarnation);
    put_be64(h + 16, w->lap);
    put_be64(h + 24, w->seq);
    put_be32(h + 32, (uint32_t)total);
    put_be32(h + 36, (uint32_t)(table / WAL_ENTRY));
    put_be32(h + 4, crc32c(0, h + CRC_FROM, frame->len - CRC_FROM));
    iov[0] = (struct iovec){h, frame->len};
    iov[n - 1] = (struct iovec){(void *)(uintptr_t)zeros, (size_t)(align_up(total) - total)};
    *sync_failed = false;
    int err = file_writev(w->f, pos, iov, n);
    if (err)
        return err;
    FAULT("wal.before_sync");
    err = BUG("sync_left_out") ? 0 : file_sync(w->f);
    *sync_failed = err != 0;
    FAULT("wal.after_sync");
    return err;
}

/* ---- reading */

struct frame {
    int64_t pos;
    uint64_t incarnation, lap, seq;
    uint32_t total, n;
};

struct reader {
    struct file *f;
    int64_t size;
    uint8_t *buf; /* the frame last read */
    size_t cap;
};

static bool entry_read(struct rbuf *r, struct wal_entry *e)
{
    const uint8_t *topic = rbuf_take(r, 16);
    if (!topic)
        return false;
    memcpy(e->topic.b, topic, 16);
    e->index = (int32_t)rbuf_be32(r);
    e->seg_base = (int64_t)rbuf_be64(r);
    e->pos = (int64_t)rbuf_be64(r);
    e->end_offset = (int64_t)rbuf_be64(r);
    e->len = rbuf_be32(r);
    e->crc = rbuf_be32(r);
    return !r->err;
}

static int reader_fill(struct reader *rd, int64_t pos, size_t from, size_t to)
{
    if (to > rd->cap) {
        rd->cap = MAX(to, 2 * rd->cap);
        rd->buf = xrealloc(rd->buf, rd->cap);
    }
    int64_t got = file_read(rd->f, pos + (int64_t)from, rd->buf + from, to - from);
    return got < 0 ? (int)got : got == (int64_t)(to - from) ? 0 : E_CORRUPT;
}

/* Table and data against their checksums. */
static bool frame_is_sound(const struct reader *rd, const struct frame *fr)
{
    size_t head = WAL_HEAD + (size_t)fr->n * WAL_ENTRY;
    if (head > fr->total || be32(rd->buf + 4) != crc32c(0, rd->buf + CRC_FROM, head - CRC_FROM))
        return false;
    struct rbuf table = rbuf_of(rd->buf + WAL_HEAD, head - WAL_HEAD);
    struct rbuf data = rbuf_of(rd->buf + head, fr->total - head);
    for (uint32_t i = 0; i < fr->n; i++) {
        struct wal_entry e;
        const uint8_t *bytes = entry_read(&table, &e) ? rbuf_take(&data, e.len) : NULL;
        if (!bytes || crc32c(0, bytes, e.len) != e.crc)
            return false;
    }
    return rbuf_left(&data) == 0;
}

/* 0: a sound frame at pos, its bytes in rd->buf. E_CORRUPT: none there. */
static int frame_read(struct reader *rd, int64_t pos, struct frame *fr)
{
    int err = reader_fill(rd, pos, 0, WAL_HEAD);
    if (err)
        return err;
    const uint8_t *h = rd->buf;
    *fr = (struct frame){pos, be64(h + 8), be64(h + 16), be64(h + 24), be32(h + 32), be32(h + 36)};
    if (be32(h) != MAGIC || fr->total < WAL_HEAD || fr->total > rd->size - pos || fr->n > fr->total / WAL_ENTRY)
        return E_CORRUPT;
    err = reader_fill(rd, pos, WAL_HEAD, fr->total);
    if (err)
        return err;
    return frame_is_sound(rd, fr) ? 0 : E_CORRUPT;
}

static int reader_open(struct reader *rd, struct disk *disk, const char *path)
{
    *rd = (struct reader){0};
    int err = disk_open(disk, path, FILE_READ, &rd->f);
    if (err)
        return err;
    rd->size = file_size(rd->f);
    if (rd->size < 0) {
        err = (int)rd->size;
        file_close(rd->f);
        return err;
    }
    rd->cap = 65536;
    rd->buf = xalloc(rd->cap);
    return 0;
}

static void reader_close(struct reader *rd)
{
    file_close(rd->f);
    xfree(rd->buf);
}

/* All sound frames of the file (of one incarnation, or of any if it is 0). */
static int frames_find(struct reader *rd, uint64_t incarnation, struct frame **out, size_t *out_n)
{
    struct frame *list = NULL;
    size_t n = 0, cap = 0;
    int err = 0;
    for (int64_t pos = 0; pos + WAL_HEAD <= rd->size;) {
        struct frame fr;
        err = frame_read(rd, pos, &fr);
        bool sound = !err;
        if (err && err != E_CORRUPT)
            break;
        err = 0;
        if (sound && (!incarnation || fr.incarnation == incarnation))
            VEC_PUSH(list, n, cap) = fr;
        pos += sound ? align_up(fr.total) : WAL_ALIGN;
    }
    *out = list;
    *out_n = n;
    return err;
}

static int frame_cmp(const void *a, const void *b)
{
    const struct frame *x = a, *y = b;
    if (x->lap != y->lap)
        return x->lap < y->lap ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

int wal_newest(struct disk *disk, const char *path, uint64_t *incarnation)
{
    *incarnation = 0;
    struct reader rd;
    int err = reader_open(&rd, disk, path);
    if (err)
        return err;
    struct frame *list;
    size_t n;
    err = frames_find(&rd, 0, &list, &n);
    for (size_t i = 0; i < n; i++)
        *incarnation = MAX(*incarnation, list[i].incarnation);
    xfree(list);
    reader_close(&rd);
    return err;
}

/* Frames of a lap follow each other without a gap, each written after the one before it was synced. The oldest lap's
 * beginning may be overwritten already by a torn frame of the lap that reuses its half. */
static bool frames_have_gap(const struct frame *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 || list[i - 1].lap != list[i].lap;
        if (first ? list[i].seq != 0 && list[i].lap == list[n - 1].lap : list[i].seq != list[i - 1].seq + 1)
            return true;
    }
    return false;
}

static int frame_replay(struct reader *rd, struct frame *fr,
                        int (*each_cb)(void *, const struct wal_entry *, const void *), void *arg)
{
    int err = frame_read(rd, fr->pos, fr);
    if (err)
        return err;
    size_t head = WAL_HEAD + (size_t)fr->n * WAL_ENTRY;
    struct rbuf table = rbuf_of(rd->buf + WAL_HEAD, head - WAL_HEAD);
    struct rbuf data = rbuf_of(rd->buf + head, fr->total - head);
    for (uint32_t i = 0; i < fr->n && !err; i++) {
        struct wal_entry e;
        if (!entry_read(&table, &e))
            return E_CORRUPT;
        err = each_cb(arg, &e, rbuf_take(&data, e.len));
    }
    return err;
}

int wal_replay(struct disk *disk, const char *path, uint64_t incarnation,
               int (*each_cb)(void *arg, const struct wal_entry *e, const void *bytes), void *arg, bool *damaged)
{
    *damaged = false;
    struct reader rd;
    int err = reader_open(&rd, disk, path);
    if (err)
        return err;
    struct frame *list;
    size_t n;
    err = frames_find(&rd, incarnation, &list, &n);
    if (!err && n) {
        qsort(list, n, sizeof *list, frame_cmp);
        /* Laps before the last two were checkpointed; what is left of them is no longer needed. */
        size_t from = 0;
        while (list[from].lap + 1 < list[n - 1].lap)
            from++;
        *damaged = frames_have_gap(list + from, n - from);
        for (size_t i = from; i < n && !err; i++)
            err = frame_replay(&rd, &list[i], each_cb, arg);
    }
    xfree(list);
    reader_close(&rd);
    return err;
}
