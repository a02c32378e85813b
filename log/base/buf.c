#include "log/base/buf.h"
#include "log/base/alloc.h"
#include "log/base/err.h"
#include "log/base/limits.h"
#include "log/base/poison.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- slabs: free lists of powers of two. Their bytes are counted and bounded; past the bound slabs go back to the
 * system. The first bytes of a free slab's data link it, and stay readable: the leak checker follows them. */

enum { CLASSES = 11, LINK = 16 };
static_assert(BUF_CLASS_MIN << (CLASSES - 1) == BUF_CLASS_MAX, "one list per power of two");

static struct {
    pthread_mutex_t lock;
    struct buf *free[CLASSES];
    size_t kept;
} slabs = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct buf **slab_link(struct buf *b) { return (struct buf **)(void *)b->data; }

static unsigned class_of(size_t cap)
{
    unsigned cls = 0;
    while (((size_t)BUF_CLASS_MIN << cls) < cap)
        cls++;
    return cls;
}

static struct buf *slab_take(unsigned cls)
{
    pthread_mutex_lock(&slabs.lock);
    struct buf *b = slabs.free[cls];
    if (b) {
        UNPOISON(b->data + LINK, b->cap - LINK);
        slabs.free[cls] = *slab_link(b);
        slabs.kept -= b->cap;
    }
    pthread_mutex_unlock(&slabs.lock);
    return b;
}

static bool slab_keep(struct buf *b)
{
    unsigned cls = class_of(b->cap);
    pthread_mutex_lock(&slabs.lock);
    bool keep = slabs.kept + b->cap <= BUF_KEEP_BYTES;
    if (keep) {
        *slab_link(b) = slabs.free[cls];
        slabs.free[cls] = b;
        slabs.kept += b->cap;
        POISON(b->data + LINK, b->cap - LINK);
    }
    pthread_mutex_unlock(&slabs.lock);
    return keep;
}

static bool is_slab(size_t cap) { return cap >= BUF_CLASS_MIN && cap <= BUF_CLASS_MAX; }

struct buf *buf_new(size_t cap)
{
    CHECK(cap <= UINT32_MAX);
    struct buf *b = NULL;
    if (cap > BUF_CLASS_MIN / 2 && cap <= BUF_CLASS_MAX) {
        unsigned cls = class_of(cap);
        cap = (size_t)BUF_CLASS_MIN << cls;
        b = slab_take(cls);
    }
    if (!b)
        b = xalloc(sizeof *b + cap);
    atomic_init(&b->refs, 1);
    b->cap = (uint32_t)cap;
    b->len = 0;
    return b;
}

void buf_release(struct buf *b)
{
    if (!b)
        return;
    int before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before > 1)
        return;
    if (!is_slab(b->cap) || !slab_keep(b))
        xfree(b);
}

/* ---- writer */

void wbuf_init(struct wbuf *w) { *w = (struct wbuf){0}; }

void wbuf_fini(struct wbuf *w)
{
    xfree(w->data);
    wbuf_init(w);
}

uint8_t *wbuf_room_slow(struct wbuf *w, size_t n)
{
    CHECK(n <= SIZE_MAX / 4 && w->len <= SIZE_MAX / 4);
    size_t cap = MAX(w->cap * 2, (size_t)64);
    cap = MAX(cap, w->len + n);
    w->data = xrealloc(w->data, cap);
    w->cap = cap;
    return w->data + w->len;
}

void wbuf_printf(struct wbuf *w, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    size_t room = w->cap - w->len;
    int n = vsnprintf(room ? (char *)w->data + w->len : NULL, room, fmt, ap);
    CHECK(n >= 0);
    if ((size_t)n >= room)
        vsnprintf((char *)wbuf_room(w, (size_t)n + 1), (size_t)n + 1, fmt, again);
    w->len += (size_t)n;
    va_end(again);
    va_end(ap);
}

void wbuf_uvarint(struct wbuf *w, uint64_t v)
{
    uint8_t *p = wbuf_room(w, 10);
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        p[n++] = (uint8_t)(v | 0x80);
    p[n++] = (uint8_t)v;
    w->len += n;
}

void wbuf_varint(struct wbuf *w, int64_t v) { wbuf_uvarint(w, (uint64_t)v << 1 ^ (uint64_t)(v >> 63)); }

/* ---- reader */

static void rbuf_fail(struct rbuf *r, int err)
{
    if (!r->err)
        r->err = err;
    r->ptr = r->end; /* nothing is left, so every later read fails without another test */
}

const uint8_t *rbuf_take(struct rbuf *r, size_t n)
{
    if (UNLIKELY(r->err || rbuf_left(r) < n)) {
        rbuf_fail(r, E_SHORT);
        return NULL;
    }
    const uint8_t *p = r->ptr;
    r->ptr += n;
    return p;
}

uint8_t rbuf_u8(struct rbuf *r)
{
    const uint8_t *p = rbuf_take(r, 1);
    return p ? *p : 0;
}

uint16_t rbuf_be16(struct rbuf *r)
{
    const uint8_t *p = rbuf_take(r, 2);
    return p ? be16(p) : 0;
}

uint32_t rbuf_be32(struct rbuf *r)
{
    const uint8_t *p = rbuf_take(r, 4);
    return p ? be32(p) : 0;
}

uint64_t rbuf_be64(struct rbuf *r)
{
    const uint8_t *p = rbuf_take(r, 8);
    return p ? be64(p) : 0;
}

uint64_t rbuf_uvarint(struct rbuf *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        const uint8_t *p = rbuf_take(r, 1);
        if (!p)
            return 0;
        if (shift == 63 && *p > 1)
            break;
        v |= (uint64_t)(*p & 0x7f) << shift;
        if (*p < 0x80)
            return v;
    }
    rbuf_fail(r, E_SYNTAX);
    return 0;
}

int64_t rbuf_varint(struct rbuf *r)
{
    uint64_t v = rbuf_uvarint(r);
    return (int64_t)(v >> 1 ^ -(v & 1));
}

struct str rbuf_bytes(struct rbuf *r, size_t n)
{
    const uint8_t *p = rbuf_take(r, n);
    return p ? (struct str){(const char *)p, n} : STR_NULL;
}
