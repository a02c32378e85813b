#include "sql/bench/bare.h"
#include "log/base/alloc.h"
#include "log/base/clock.h"
#include "log/base/crc32c.h"
#include "log/base/disk.h"
#include "sql/bench/bid.h"
#include <stdio.h>

enum { READ_BYTES = 1 << 20, OUT_BYTES = 1 << 20, HEAD = 61, RECORD_MAX = 512 };

struct loop_state {
    struct bare *out;
    struct file *file; /* output */
    int64_t out_pos, out_offset;
    uint8_t *in, *batch;
    size_t filled;   /* of batch, head included */
    int32_t count;   /* records in batch */
    int64_t base_ts, max_ts;
};
struct text {
    const char *p;
    size_t n;
};
struct fields {
    uint64_t auction, bidder, price;
    struct text channel, url;
};

/* ---- decoding */

static inline const uint8_t *varint(const uint8_t *p, int64_t *v)
{
    uint64_t u = 0;
    unsigned shift = 0;
    for (; *p & 0x80 && shift < 63; shift += 7)
        u |= (uint64_t)(*p++ & 0x7f) << shift;
    u |= (uint64_t)*p++ << shift;
    *v = (int64_t)(u >> 1) ^ -(int64_t)(u & 1);
    return p;
}

static inline const char *digits(const char *p, uint64_t *v)
{
    uint64_t n = 0;
    for (; (unsigned)(*p - '0') < 10; p++)
        n = n * 10 + (unsigned)(*p - '0');
    *v = n;
    return p;
}

static inline const char *expect(const char *p, const char *text, size_t n)
{
    return p && memcmp(p, text, n) == 0 ? p + n : NULL;
}
#define EXPECT(p, literal) expect((p), literal, sizeof literal - 1)

static inline const char *quoted(const char *p, const char *end, struct text *t)
{
    const char *q = p ? memchr(p, '"', (size_t)(end - p)) : NULL;
    if (!q)
        return NULL;
    *t = (struct text){p, (size_t)(q - p)};
    return q + 1;
}

/* A record is at least BID_BYTES long, and RECORD_MAX bytes behind it may be read. */
static inline bool decode(const char *p, const char *end, struct fields *f)
{
    if (!(p = EXPECT(p, "{\"auction\":")))
        return false;
    p = digits(p, &f->auction);
    if (!(p = EXPECT(p, ",\"bidder\":")))
        return false;
    p = digits(p, &f->bidder);
    if (!(p = EXPECT(p, ",\"price\":")))
        return false;
    p = digits(p, &f->price);
    p = quoted(EXPECT(p, ",\"channel\":\""), end, &f->channel);
    p = quoted(p ? EXPECT(p, ",\"url\":\"") : NULL, end, &f->url);
    return p && p + 1 == end && *p == '}';
}

/* ---- encoding */

static inline uint8_t *put_number(uint8_t *p, uint64_t v)
{
    uint8_t tmp[20];
    unsigned n = 0;
    do
        tmp[n++] = (uint8_t)('0' + v % 10);
    while (v /= 10);
    while (n)
        *p++ = tmp[--n];
    return p;
}

static inline uint8_t *put(uint8_t *p, const void *from, size_t n)
{
    memcpy(p, from, n);
    return p + n;
}
#define PUT(p, literal) put((p), literal, sizeof literal - 1)

static inline uint8_t *put_varint(uint8_t *p, int64_t v)
{
    uint64_t u = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    for (; u >= 0x80; u >>= 7)
        *p++ = (uint8_t)(u | 0x80);
    *p++ = (uint8_t)u;
    return p;
}

static inline uint8_t *put_bid(uint8_t *p, const struct fields *f)
{
    p = put_number(PUT(p, "{\"auction\":"), f->auction);
    p = put_number(PUT(p, ",\"bidder\":"), f->bidder);
    p = put_number(PUT(p, ",\"price\":"), f->price);
    p = put(PUT(p, ",\"channel\":\""), f->channel.p, f->channel.n);
    p = put(PUT(p, "\",\"url\":\""), f->url.p, f->url.n);
    return PUT(p, "\"}");
}

/* The head of a recbatch, its CRC, the append. */
static int flush(struct loop_state *s)
{
    uint8_t *h = s->batch;
    if (s->count == 0)
        return 0;
    memset(h, 0, HEAD);
    put_be64(h, (uint64_t)s->out_offset);
    put_be32(h + 8, (uint32_t)(s->filled - 12));
    h[16] = 2;
    put_be32(h + 23, (uint32_t)s->count - 1);
    put_be64(h + 27, (uint64_t)s->base_ts);
    put_be64(h + 35, (uint64_t)s->max_ts);
    memset(h + 43, 0xff, 14); /* no producer, no epoch, no sequence */
    put_be32(h + 57, (uint32_t)s->count);
    put_be32(h + 17, crc32c(0, h + 21, s->filled - 21));
    int rc = file_write(s->file, s->out_pos, h, s->filled);
    s->out_pos += (int64_t)s->filled;
    s->out_offset += s->count;
    s->count = 0;
    s->filled = HEAD;
    return rc;
}

static inline int emit(struct loop_state *s, const struct fields *f, int64_t ts)
{
    if (OUT_BYTES - s->filled < RECORD_MAX) {
        int rc = flush(s);
        if (rc < 0)
            return rc;
    }
    if (s->count == 0)
        s->base_ts = s->max_ts = ts;
    s->max_ts = MAX(s->max_ts, ts);
    uint8_t value[RECORD_MAX], head[32];
    int64_t n = put_bid(value, f) - value;
    uint8_t *h = head;
    *h++ = 0;
    h = put_varint(h, ts - s->base_ts);
    h = put_varint(h, s->count);
    h = put_varint(h, -1);
    h = put_varint(h, n);
    uint8_t *p = put_varint(s->batch + s->filled, h - head + n + 1);
    p = put(put(p, head, (size_t)(h - head)), value, (size_t)n);
    *p++ = 0; /* no headers */
    s->filled = (size_t)(p - s->batch);
    s->count++;
    return 0;
}

/* ---- one batch, one file */

static int batch(struct loop_state *s, const uint8_t *p, size_t size)
{
    const uint8_t *end = p + size;
    int64_t base_ts = (int64_t)be64(p + 27), skip, ts, klen, vlen;
    int32_t count = (int32_t)be32(p + 57);
    struct fields f;
    p += HEAD;
    for (int32_t i = 0; i < count; i++) {
        p = varint(p, &skip);
        p = varint(p + 1, &ts);
        p = varint(p, &skip);
        p = varint(p, &klen);
        p = varint(p + MAX(klen, 0), &vlen);
        if (vlen != BID_BYTES || end - p < vlen || !decode((const char *)p, (const char *)p + vlen, &f))
            return E_SYNTAX;
        p += vlen + 1;
        s->out->events++;
        if (f.price >= BID_PRICE_HALF)
            continue;
        s->out->passed++;
        int rc = emit(s, &f, base_ts + ts);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int segment(struct loop_state *s, const char *path)
{
    struct file *f;
    int64_t pos = 0, got;
    int rc = disk_open(disk_real(), path, FILE_READ, &f);
    if (rc < 0)
        return rc;
    while (rc == 0 && (got = file_read(f, pos, s->in, READ_BYTES)) > HEAD) {
        int64_t at = 0;
        while (rc == 0 && got - at > HEAD) {
            int64_t size = 12 + (int64_t)be32(s->in + at + 8);
            if (size > got - at || size < HEAD)
                break;
            rc = batch(s, s->in + at, (size_t)size);
            at += size;
        }
        if (at == 0)
            break; /* behind the last batch a file may be allocated and empty */
        pos += at;
    }
    file_close(f);
    return rc;
}

struct listing {
    struct loop_state *s;
    const char *folder;
};

static int each_file(void *arg, const char *name, bool is_dir)
{
    struct listing *l = arg;
    char path[1024];
    size_t n = strlen(name);
    if (is_dir || n < 4 || strcmp(name + n - 4, ".log") != 0)
        return 0;
    snprintf(path, sizeof path, "%s/%s", l->folder, name);
    return segment(l->s, path);
}

int bare_run(struct bare *out, const char *topic, unsigned parts, const char *output)
{
    struct loop_state s = {.out = out, .filled = HEAD};
    *out = (struct bare){0};
    int rc = disk_open(disk_real(), output, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &s.file);
    if (rc < 0)
        return rc;
    s.in = xzalloc(READ_BYTES + RECORD_MAX);
    s.batch = xzalloc(OUT_BYTES);
    int64_t from_us = clock_cpu_us();
    for (unsigned i = 0; i < parts && rc == 0; i++) {
        char folder[900];
        snprintf(folder, sizeof folder, "%s/%u", topic, i);
        rc = disk_list(disk_real(), folder, each_file, &(struct listing){&s, folder});
    }
    if (rc == 0)
        rc = flush(&s);
    out->cpu_s = (double)(clock_cpu_us() - from_us) / 1e6;
    file_close(s.file);
    xfree(s.in);
    xfree(s.batch);
    return rc;
}
