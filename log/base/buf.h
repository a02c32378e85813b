/* Bytes: counted slabs, a growing writer, a bounded reader.
 * The reader is the only way untrusted bytes are read: it never passes the end, and its first error sticks. */
#ifndef BASE_BUF_H
#define BASE_BUF_H
#include "log/base/base.h"
#include <stdatomic.h>

/* A counted slab of record bytes, shared by socket, disk, replica and engine, on any thread. Content is written by
 * its maker before it is shared, and only read afterwards. Slabs of common sizes are recycled. */
struct buf {
    _Atomic int refs;
    uint32_t cap;
    uint32_t len; /* valid bytes */
    _Alignas(16) uint8_t data[];
};
struct buf *buf_new(size_t cap); /* gives: refs = 1, len = 0 */
static inline struct buf *buf_acquire(struct buf *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}
void buf_release(struct buf *b); /* NULL is fine */

/* Growing writer. Memory is its own until wbuf_fini; wbuf_reset keeps it for reuse. */
struct wbuf {
    uint8_t *data;
    size_t len, cap;
};
void wbuf_init(struct wbuf *w);
void wbuf_fini(struct wbuf *w);
static inline void wbuf_reset(struct wbuf *w) { w->len = 0; }
uint8_t *wbuf_room_slow(struct wbuf *w, size_t n);
/* Pointer to n writable bytes at the end; add what was written to w->len. */
static inline uint8_t *wbuf_room(struct wbuf *w, size_t n)
{
    return LIKELY(w->cap - w->len >= n) ? w->data + w->len : wbuf_room_slow(w, n);
}
static inline void wbuf_put(struct wbuf *w, const void *p, size_t n)
{
    if (n) {
        memcpy(wbuf_room(w, n), p, n);
        w->len += n;
    }
}
static inline void wbuf_u8(struct wbuf *w, uint8_t v)
{
    *wbuf_room(w, 1) = v;
    w->len += 1;
}
static inline void wbuf_be16(struct wbuf *w, uint16_t v)
{
    put_be16(wbuf_room(w, 2), v);
    w->len += 2;
}
static inline void wbuf_be32(struct wbuf *w, uint32_t v)
{
    put_be32(wbuf_room(w, 4), v);
    w->len += 4;
}
static inline void wbuf_be64(struct wbuf *w, uint64_t v)
{
    put_be64(wbuf_room(w, 8), v);
    w->len += 8;
}
static inline void wbuf_str(struct wbuf *w, struct str s) { wbuf_put(w, s.ptr, s.len); }
void wbuf_printf(struct wbuf *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
void wbuf_uvarint(struct wbuf *w, uint64_t v); /* LEB128 */
void wbuf_varint(struct wbuf *w, int64_t v);   /* zigzag, as Kafka's records use */
static inline struct str wbuf_view(const struct wbuf *w)
{
    return (struct str){(const char *)w->data, w->len};
}

/* Bounded reader over borrowed bytes. After the first short or malformed read every further read gives zeros and
 * err stays set; check it once at the end. */
struct rbuf {
    const uint8_t *ptr, *end;
    int err; /* 0, E_SHORT or E_SYNTAX */
};
static inline struct rbuf rbuf_of(const void *p, size_t n)
{
    return (struct rbuf){p, n ? (const uint8_t *)p + n : p, 0}; /* NULL + 0 is undefined */
}
static inline size_t rbuf_left(const struct rbuf *r) { return (size_t)(r->end - r->ptr); }
const uint8_t *rbuf_take(struct rbuf *r, size_t n); /* NULL and err if fewer are left */
uint8_t rbuf_u8(struct rbuf *r);
uint16_t rbuf_be16(struct rbuf *r);
uint32_t rbuf_be32(struct rbuf *r);
uint64_t rbuf_be64(struct rbuf *r);
uint64_t rbuf_uvarint(struct rbuf *r); /* at most 10 bytes, else E_SYNTAX */
int64_t rbuf_varint(struct rbuf *r);
struct str rbuf_bytes(struct rbuf *r, size_t n);

#endif
