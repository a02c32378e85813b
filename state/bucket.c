#include "state/bucket.h"
#include "log/base/copy.h"
#include "log/base/err.h"

/* u8 layout 1, then entries: uvarint bytes shared with the key before, uvarint bytes that follow them, uvarint bytes of the
 * value, key bytes, value bytes. Neighbours share their window start and much more, so keys shrink to a few bytes. */
enum { BUCKET_LAYOUT = 1, LENGTH_MAX = 10, AHEAD = 12 };

void bucket_iter_init(struct bucket_iter *it, struct str bytes)
{
    *it = (struct bucket_iter){.r = rbuf_of(bytes.ptr, bytes.len)};
    wbuf_init(&it->key);
    if (bytes.len && rbuf_u8(&it->r) != BUCKET_LAYOUT)
        it->err = E_CORRUPT;
}

void bucket_iter_fini(struct bucket_iter *it) { wbuf_fini(&it->key); }

bool bucket_next(struct bucket_iter *it)
{
    if (it->err || rbuf_left(&it->r) == 0)
        return false;
    uint64_t shared = rbuf_uvarint(&it->r), rest = rbuf_uvarint(&it->r), len = rbuf_uvarint(&it->r);
    size_t left = rbuf_left(&it->r);
    if (it->r.err || shared > it->key.len || rest > left || len > left - rest) {
        it->err = E_CORRUPT;
        return false;
    }
    struct str tail = rbuf_bytes(&it->r, rest);
    /* They ascend: the first byte that differs is greater than before, or more bytes follow. */
    bool ascends = !it->any || (shared < it->key.len ? rest && (uint8_t)tail.ptr[0] > it->key.data[shared] : rest > 0);
    if (!ascends) {
        it->err = E_CORRUPT;
        return false;
    }
    it->any = true;
    it->key.len = shared;
    wbuf_str(&it->key, tail);
    wbuf_room(&it->key, 1); /* an empty key is not null */
    it->value = rbuf_bytes(&it->r, len);
    return true;
}

void bucket_writer_init(struct bucket_writer *w)
{
    wbuf_init(&w->bytes);
    wbuf_init(&w->last);
    bucket_writer_reset(w);
}

void bucket_writer_reset(struct bucket_writer *w)
{
    wbuf_reset(&w->bytes);
    wbuf_reset(&w->last);
    wbuf_u8(&w->bytes, BUCKET_LAYOUT);
    w->n = 0;
}

void bucket_writer_fini(struct bucket_writer *w)
{
    wbuf_fini(&w->bytes);
    wbuf_fini(&w->last);
}

static size_t common(struct str a, struct str b)
{
    size_t n = MIN(a.len, b.len), i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t differ = be64(a.ptr + i) ^ be64(b.ptr + i);
        if (differ)
            return i + ((unsigned)__builtin_clzll(differ) >> 3);
    }
    while (i < n && a.ptr[i] == b.ptr[i])
        i++;
    return i;
}

static void check_ascends(struct str last, struct str key, size_t shared)
{
    CHECK(shared < key.len);
    CHECK(shared == last.len || (uint8_t)key.ptr[shared] > (uint8_t)last.ptr[shared]);
}

static uint8_t *put_length(uint8_t *p, size_t n)
{
    for (; n >= 128; n >>= 7)
        *p++ = (uint8_t)(n | 128);
    *p++ = (uint8_t)n;
    return p;
}

static void put_entry(struct bucket_writer *w, struct str key, size_t shared, struct str value)
{
    size_t rest = key.len - shared;
    uint8_t *p = wbuf_room(&w->bytes, 3 * LENGTH_MAX + rest + value.len), *begin = p;
    p = put_length(p, shared);
    p = put_length(p, rest);
    p = put_length(p, value.len);
    copy_short(p, key.ptr + shared, rest);
    copy_short(p + rest, value.ptr, value.len);
    w->bytes.len += (size_t)(p - begin) + rest + value.len;
    w->n++;
}

void bucket_add(struct bucket_writer *w, struct str key, struct str value)
{
    struct str last = wbuf_view(&w->last);
    size_t shared = common(last, key);
    if (w->n)
        check_ascends(last, key, shared);
    put_entry(w, key, shared, value);
    w->last.len = shared;
    wbuf_put(&w->last, key.ptr + shared, key.len - shared);
}

size_t bucket_fill(struct bucket_writer *w, const struct checkpoint_change *c, size_t n, size_t max)
{
    struct str last = wbuf_view(&w->last);
    size_t i = 0;
    for (; i < n; i++) {
        if (i + AHEAD < n) { /* sorted changes lie anywhere in memory */
            __builtin_prefetch(c[i + AHEAD].key.ptr);
            __builtin_prefetch(c[i + AHEAD].value.ptr);
        }
        if (!c[i].value.ptr)
            continue;
        if (w->n && w->bytes.len + c[i].key.len + c[i].value.len + 8 > max)
            break;
        size_t shared = common(last, c[i].key);
        if (w->n)
            check_ascends(last, c[i].key, shared);
        put_entry(w, c[i].key, shared, c[i].value);
        last = c[i].key;
    }
    if (last.ptr != (char *)w->last.data) {
        wbuf_reset(&w->last);
        wbuf_str(&w->last, last);
    }
    return i;
}

struct str bucket_fence(struct str below, struct str key)
{
    size_t n = common(below, key);
    CHECK(n < key.len);
    return (struct str){key.ptr, n + 1};
}
