#include "log/store/txnindex.h"
#include "log/base/alloc.h"
#include "log/base/crc32c.h"
#include "log/base/err.h"

enum {
    FIRST = 4,
    ENTRY = TXNINDEX_ENTRY - 4, /* without its checksum */
    MAGIC = 0x57415431,         /* "WAT1" */
};

static void txnindex_free(struct counted *c) { xfree(container_of(c, struct txnindex, c)); }

static struct txnindex *txnindex_new(uint32_t cap)
{
    struct txnindex *tx = xalloc(sizeof *tx + cap * sizeof tx->entry[0]);
    counted_init(&tx->c, txnindex_free);
    atomic_init(&tx->count, 0);
    tx->cap = cap;
    return tx;
}

struct txnindex *txnindex_with(struct txnindex *tx, struct txnindex_entry e)
{
    uint32_t n = txnindex_count(tx);
    if (!tx || n == tx->cap) {
        CHECK(n <= UINT32_MAX / 2);
        struct txnindex *more = txnindex_new(n ? n * 2 : FIRST);
        if (n)
            memcpy(more->entry, tx->entry, n * sizeof tx->entry[0]);
        if (tx)
            counted_release(&tx->c);
        tx = more;
    }
    tx->entry[n] = e;
    atomic_store_explicit(&tx->count, n + 1, memory_order_release);
    return tx;
}

/* ---- bytes */

static void entry_put(struct wbuf *out, struct txnindex_entry e)
{
    wbuf_be64(out, (uint64_t)e.producer_id);
    wbuf_be64(out, (uint64_t)e.first);
    wbuf_be64(out, (uint64_t)e.last);
    wbuf_be64(out, (uint64_t)e.lso);
}

static struct txnindex_entry entry_get(struct rbuf *r)
{
    struct txnindex_entry e = {.producer_id = (int64_t)rbuf_be64(r)};
    e.first = (int64_t)rbuf_be64(r);
    e.last = (int64_t)rbuf_be64(r);
    e.lso = (int64_t)rbuf_be64(r);
    return e;
}

/* An entry in another's place must not look sound: its number is part of its checksum. */
static uint32_t entry_crc(uint32_t i, const uint8_t *p)
{
    uint8_t at[4];
    put_be32(at, i);
    return crc32c(crc32c(0, at, sizeof at), p, ENTRY);
}

void txnindex_encode(const struct txnindex *tx, uint32_t n, struct wbuf *out)
{
    wbuf_be32(out, MAGIC);
    for (uint32_t i = 0; i < n; i++) {
        entry_put(out, txnindex_at(tx, i));
        wbuf_be32(out, entry_crc(i, out->data + out->len - ENTRY));
    }
}

static int read_all(struct file *f, int64_t pos, void *p, size_t n, bool block)
{
    int64_t got = block ? file_read(f, pos, p, n) : file_read_nowait(f, pos, p, n);
    return got == (int64_t)n ? 0 : got < 0 ? (int)got : E_CORRUPT;
}

int txnindex_check(struct file *f, bool block)
{
    uint8_t p[TXNINDEX_HEAD];
    int err = read_all(f, 0, p, sizeof p, block);
    return err ? err : be32(p) == MAGIC ? 0 : E_CORRUPT;
}

int txnindex_read(struct file *f, uint32_t i, bool block, struct txnindex_entry *out)
{
    uint8_t p[TXNINDEX_ENTRY];
    int err = read_all(f, TXNINDEX_HEAD + (int64_t)i * TXNINDEX_ENTRY, p, sizeof p, block);
    if (err)
        return err;
    if (be32(p + ENTRY) != entry_crc(i, p))
        return E_CORRUPT;
    struct rbuf r = rbuf_of(p, ENTRY);
    *out = entry_get(&r);
    return 0;
}

void txnindex_put(const struct txnindex *tx, struct wbuf *out)
{
    uint32_t n = txnindex_count(tx);
    wbuf_be32(out, n);
    for (uint32_t i = 0; i < n; i++)
        entry_put(out, txnindex_at(tx, i));
}

int txnindex_get(struct rbuf *r, struct txnindex **out)
{
    *out = NULL;
    int64_t last = -1;
    for (uint32_t n = rbuf_be32(r); n-- > 0 && !r->err;) {
        struct txnindex_entry e = entry_get(r);
        if (r->err || e.last <= last || e.first < 0 || e.first > e.last || e.producer_id < 0)
            r->err = r->err ? r->err : E_SYNTAX;
        else
            *out = txnindex_with(*out, e);
        last = e.last;
    }
    if (!r->err)
        return 0;
    if (*out)
        counted_release(&(*out)->c);
    *out = NULL;
    return E_CORRUPT;
}
