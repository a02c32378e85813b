#include "state/bucket.h"
#include "log/base/copy.h"
#include "log/base/err.h"

/* u8 layout 2, u8 length of the base, base; then entries: uvarint bytes shared with the key before, uvarint bytes
 * that follow them, uvarint bytes of the payload * 2 + (it is packed), key bytes, payload. Neighbours share their
 * window start and much more, so keys shrink to a few bytes; values of one store are alike, so each is told as its
 * difference to the base: u8 length, a bit for each byte that differs, least first, those bytes. The base is a value
 * of the bucket's time: an entry is unpacked, or copied from bucket to bucket, without the others. */
enum { BUCKET_PLAIN = 1, BUCKET_LAYOUT = 2, LENGTH_MAX = 10, AHEAD = 12 };

static void base_set(struct bucket_base *base, struct str value)
{
    *base = (struct bucket_base){.len = (uint8_t)MIN(value.len, (size_t)BUCKET_PACKED)};
    if (base->len)
        memcpy(base->bytes, value.ptr, base->len);
}

void bucket_iter_init(struct bucket_iter *it, struct str bytes)
{
    it->r = rbuf_of(bytes.ptr, bytes.len);
    wbuf_init(&it->key);
    it->any = it->plain = false;
    it->err = 0;
    it->base = (struct bucket_base){0};
    uint8_t layout = bytes.len ? rbuf_u8(&it->r) : BUCKET_LAYOUT;
    it->plain = layout == BUCKET_PLAIN;
    if (bytes.len && layout == BUCKET_LAYOUT)
        base_set(&it->base, rbuf_bytes(&it->r, rbuf_u8(&it->r)));
    if (it->r.err || (layout != BUCKET_PLAIN && layout != BUCKET_LAYOUT))
        it->err = E_CORRUPT;
}

void bucket_iter_fini(struct bucket_iter *it) { wbuf_fini(&it->key); }

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

/* What stands before an entry's bytes; nearly always each number is one byte. */
struct head {
    uint64_t shared, rest, len;
    bool packed;
};

static bool read_head(struct bucket_iter *it, struct head *h)
{
    struct rbuf *r = &it->r;
    const uint8_t *p = r->ptr;
    if (LIKELY(rbuf_left(r) >= 3 && (p[0] | p[1] | p[2]) < 128)) {
        *h = (struct head){p[0], p[1], p[2], false};
        r->ptr += 3;
    } else {
        h->shared = rbuf_uvarint(r);
        h->rest = rbuf_uvarint(r);
        h->len = rbuf_uvarint(r);
    }
    size_t left = rbuf_left(r);
    h->packed = !it->plain && (h->len & 1);
    h->len >>= !it->plain;
    if (UNLIKELY(r->err || h->rest > left || h->len > left - h->rest))
        it->err = E_CORRUPT;
    return !it->err;
}

/* The entry at hand: its key begins like `before`. */
static void take(struct bucket_iter *it, const struct head *h, struct str before, struct str tail)
{
    if (before.ptr != (char *)it->key.data) {
        wbuf_reset(&it->key);
        wbuf_put(&it->key, before.ptr, h->shared);
    }
    it->key.len = h->shared;
    wbuf_str(&it->key, tail);
    wbuf_room(&it->key, 1); /* an empty key is not null */
    it->payload = rbuf_bytes(&it->r, h->len);
    it->packed = h->packed;
    it->value_len = !h->packed ? h->len : h->len ? (uint8_t)it->payload.ptr[0] : 0;
    it->any = true;
}

struct str bucket_value(struct bucket_iter *it)
{
    if (!it->packed)
        return it->payload;
    struct rbuf r = rbuf_of(it->payload.ptr, it->payload.len);
    size_t len = rbuf_u8(&r), bits = (len + 7) / 8;
    const uint8_t *bit = rbuf_take(&r, bits);
    memcpy(it->unpacked, it->base.bytes, sizeof it->unpacked);
    for (size_t i = 0; bit && len <= BUCKET_PACKED && i < bits; i++)
        for (unsigned b = bit[i]; b; b &= b - 1)
            it->unpacked[8 * i + (unsigned)__builtin_ctz(b)] = rbuf_u8(&r);
    if (r.err || len > BUCKET_PACKED || rbuf_left(&r)) {
        it->err = E_CORRUPT;
        return STR_NULL;
    }
    return (struct str){(char *)it->unpacked, len};
}

bool bucket_next(struct bucket_iter *it)
{
    struct head h;
    if (it->err || rbuf_left(&it->r) == 0 || !read_head(it, &h))
        return false;
    struct str tail = rbuf_bytes(&it->r, h.rest);
    /* They ascend: the first byte that differs is greater than before, or more bytes follow. */
    bool ascends = h.shared <= it->key.len &&
                   (!it->any || (h.shared < it->key.len ? h.rest && (uint8_t)tail.ptr[0] > it->key.data[h.shared]
                                                        : h.rest > 0));
    if (!ascends) {
        it->err = E_CORRUPT;
        return false;
    }
    take(it, &h, wbuf_view(&it->key), tail);
    return true;
}

bool bucket_seek(struct bucket_iter *it, struct str key)
{
    size_t match = common(wbuf_view(&it->key), key); /* of the entry before, which is below, and the key sought */
    if (it->err || !it->any || str_cmp(wbuf_view(&it->key), key) >= 0)
        return !it->err && it->any;
    for (struct head h; rbuf_left(&it->r) && read_head(it, &h);) {
        struct str tail = rbuf_bytes(&it->r, h.rest);
        if (h.shared > match) { /* as far below as the one before */
            rbuf_take(&it->r, h.len);
            continue;
        }
        struct str sought = {key.ptr + h.shared, key.len - h.shared};
        if (h.shared == match) {
            size_t more = common(tail, sought);
            match += more;
            if (more < sought.len && (more == tail.len || (uint8_t)tail.ptr[more] < (uint8_t)sought.ptr[more])) {
                rbuf_take(&it->r, h.len);
                continue;
            }
        }
        take(it, &h, key, tail);
        return true;
    }
    it->any = false;
    return false;
}

void bucket_writer_init(struct bucket_writer *w)
{
    wbuf_init(&w->bytes);
    wbuf_init(&w->last);
    bucket_writer_base(w, STR(""));
}

void bucket_writer_base(struct bucket_writer *w, struct str value)
{
    base_set(&w->base, value);
    bucket_writer_reset(w);
}

void bucket_writer_reset(struct bucket_writer *w)
{
    wbuf_reset(&w->bytes);
    wbuf_reset(&w->last);
    wbuf_u8(&w->bytes, BUCKET_LAYOUT);
    wbuf_u8(&w->bytes, w->base.len);
    wbuf_put(&w->bytes, w->base.bytes, w->base.len);
    w->n = 0;
}

void bucket_writer_fini(struct bucket_writer *w)
{
    wbuf_fini(&w->bytes);
    wbuf_fini(&w->last);
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

/* The difference to the base; NULL if the value is no longer than that. out: BUCKET_PACKED bytes and a word. */
static uint8_t *pack(const struct bucket_base *base, struct str value, uint8_t *out)
{
    uint8_t copy[BUCKET_PACKED] = {0}, *bit = out + 1, *p = bit + (value.len + 7) / 8;
    if (value.len > BUCKET_PACKED || value.len <= 1)
        return NULL;
    copy_short(copy, value.ptr, value.len);
    *out = (uint8_t)value.len;
    for (size_t i = 0; i < value.len; i += 8) {
        uint64_t a, b;
        unsigned bits = 0;
        memcpy(&a, copy + i, 8);
        memcpy(&b, base->bytes + i, 8);
        if (a != b)
            for (unsigned k = 0; k < MIN(value.len - i, (size_t)8); k++)
                if (copy[i + k] != base->bytes[i + k]) {
                    bits |= 1u << k;
                    *p++ = copy[i + k];
                }
        *bit++ = (uint8_t)bits;
    }
    return p < out + value.len ? p : NULL;
}

static void put_payload(struct bucket_writer *w, struct str key, size_t shared, struct str payload, bool packed)
{
    size_t rest = key.len - shared;
    uint8_t *p = wbuf_room(&w->bytes, 3 * LENGTH_MAX + rest + payload.len), *begin = p;
    p = put_length(p, shared);
    p = put_length(p, rest);
    p = put_length(p, payload.len << 1 | packed);
    copy_short(p, key.ptr + shared, rest);
    copy_short(p + rest, payload.ptr, payload.len);
    w->bytes.len += (size_t)(p - begin) + rest + payload.len;
    w->n++;
}

static void put_entry(struct bucket_writer *w, struct str key, size_t shared, struct str value)
{
    uint8_t packed[1 + BUCKET_PACKED / 8 + BUCKET_PACKED], *end = pack(&w->base, value, packed);
    if (end)
        put_payload(w, key, shared, (struct str){(char *)packed, (size_t)(end - packed)}, true);
    else
        put_payload(w, key, shared, value, false);
}

/* Bytes that the key shares with the one before. */
static size_t follow(struct bucket_writer *w, struct str key)
{
    struct str last = wbuf_view(&w->last);
    size_t shared = common(last, key);
    if (w->n)
        check_ascends(last, key, shared);
    w->last.len = shared;
    wbuf_put(&w->last, key.ptr + shared, key.len - shared);
    return shared;
}

void bucket_add(struct bucket_writer *w, struct str key, struct str value) { put_entry(w, key, follow(w, key), value); }

void bucket_copy(struct bucket_writer *w, const struct bucket_iter *it)
{
    struct str key = wbuf_view(&it->key);
    put_payload(w, key, follow(w, key), it->payload, it->packed);
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
