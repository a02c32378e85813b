#include "state/bucket.h"
#include "log/base/err.h"

/* u8 layout 1, then entries: uvarint bytes shared with the key before, uvarint bytes that follow them, uvarint bytes of the
 * value, key bytes, value bytes. Neighbours share their window start and much more, so keys shrink to a few bytes. */
enum { BUCKET_LAYOUT = 1 };

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
    while (i < n && a.ptr[i] == b.ptr[i])
        i++;
    return i;
}

void bucket_add(struct bucket_writer *w, struct str key, struct str value)
{
    size_t shared = common(wbuf_view(&w->last), key);
    if (w->n) { /* they ascend */
        CHECK(shared < key.len);
        CHECK(shared == w->last.len || (uint8_t)key.ptr[shared] > w->last.data[shared]);
    }
    wbuf_uvarint(&w->bytes, shared);
    wbuf_uvarint(&w->bytes, key.len - shared);
    wbuf_uvarint(&w->bytes, value.len);
    wbuf_put(&w->bytes, key.ptr + shared, key.len - shared);
    wbuf_str(&w->bytes, value);
    w->last.len = shared;
    wbuf_put(&w->last, key.ptr + shared, key.len - shared);
    w->n++;
}

struct str bucket_fence(struct str below, struct str key)
{
    size_t n = common(below, key);
    CHECK(n < key.len);
    return (struct str){key.ptr, n + 1};
}
