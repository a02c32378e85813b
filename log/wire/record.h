/* The insides of a record, inline: private to the room, shared by walking (recbatch.c) and judging (recbatch_check.c).
 * Thread: pure. */
#ifndef WIRE_RECORD_H
#define WIRE_RECORD_H
#include "log/wire/recbatch.h"

/* As recbatch_peek_head, but only bounds and magic are checked: E_SHORT, E_CORRUPT, E_UNSUPPORTED (magic). */
int recbatch_peek_raw(struct recbatch *rb, struct str bytes);

/* ---- reading. A cursor is a struct rbuf whose error is a flag, so that all of it stays in registers. */

struct cursor {
    const uint8_t *p, *end;
    bool bad;
};
struct varint_read {
    int64_t v;
    const uint8_t *p;
    bool bad;
};
struct varint_read varint_read_slow(const uint8_t *p, const uint8_t *end);

static inline int64_t unzigzag(uint64_t v) { return (int64_t)(v >> 1) ^ -(int64_t)(v & 1); }

static inline int64_t cursor_varint(struct cursor *c)
{
    const uint8_t *p = c->p;
    if (LIKELY(p < c->end && p[0] < 0x80)) {
        c->p = p + 1;
        return unzigzag(p[0]);
    }
    if (LIKELY(c->end - p >= 2 && p[1] < 0x80)) {
        c->p = p + 2;
        return unzigzag((p[0] & 0x7fu) | (uint64_t)p[1] << 7);
    }
    struct varint_read slow = varint_read_slow(p, c->end);
    c->p = slow.p;
    c->bad |= slow.bad;
    return slow.v;
}

/* Length and bytes; length -1 is null. */
static inline struct str cursor_field(struct cursor *c)
{
    int64_t n = cursor_varint(c);
    if (n == -1)
        return STR_NULL;
    if (UNLIKELY(n < 0 || n > c->end - c->p)) {
        c->bad = true;
        return STR_NULL;
    }
    struct str s = {(const char *)c->p, (size_t)n};
    c->p += n;
    return s;
}

/* The next record. Headers are cut out whole, not looked into. */
static inline bool record_next(struct recbatch_iter *it, struct record *rec)
{
    if (it->left == 0 || it->r.err)
        return false;
    struct cursor c = {it->r.ptr, it->r.end, false};
    int64_t size = cursor_varint(&c);
    if (UNLIKELY(c.bad || size < 1 || size > c.end - c.p))
        goto bad;
    c.end = c.p + size;
    c.p++; /* attributes, of which none is defined */
    int64_t ts_delta = cursor_varint(&c), offset_delta = cursor_varint(&c);
    rec->key = cursor_field(&c);
    rec->value = cursor_field(&c);
    int64_t headers_n = cursor_varint(&c), left = c.end - c.p;
    if (UNLIKELY(c.bad || headers_n < 0 || headers_n > left / 2 || (headers_n == 0 && left) ||
                 offset_delta != (int32_t)offset_delta))
        goto bad;
    rec->headers = (struct str){(const char *)c.p, (size_t)left};
    rec->headers_n = (uint32_t)headers_n;
    rec->offset = (int64_t)((uint64_t)it->base_offset + (uint64_t)offset_delta);
    rec->ts_ms = it->append_time ? it->append_ts : (int64_t)((uint64_t)it->base_ts + (uint64_t)ts_delta);
    it->r.ptr = c.end;
    it->left--;
    return true;
bad:
    it->r.err = E_CORRUPT;
    return false;
}

/* ---- writing. The room was measured before, so nothing is checked here. */

#define VARINT_MAX 10

static inline uint64_t zigzag(int64_t v) { return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63); }

static inline size_t varint_size(int64_t v)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(zigzag(v) | 1);
    return (bits + 6) / 7;
}

static inline uint8_t *put_varint(uint8_t *p, int64_t v)
{
    uint64_t u = zigzag(v);
    for (; u >= 0x80; u >>= 7)
        *p++ = (uint8_t)(u | 0x80);
    *p++ = (uint8_t)u;
    return p;
}

static inline size_t field_size(struct str s) { return s.ptr ? varint_size((int64_t)s.len) + s.len : 1; }

static inline uint8_t *put_bytes(uint8_t *p, struct str s)
{
    if (s.len)
        memcpy(p, s.ptr, s.len);
    return p + s.len;
}

static inline uint8_t *put_field(uint8_t *p, struct str s)
{
    return s.ptr ? put_bytes(put_varint(p, (int64_t)s.len), s) : put_varint(p, -1);
}

#endif
