/* The aborted transactions of one segment: those whose marker lies in it, in the order of their markers.
 *
 * In memory it grows while other threads search it: entries never move, the count is published last; a full one is
 * copied to one of twice the size. Of a sealed segment only the file is kept, whose entries carry a checksum each. On
 * disk: log/store/README.md, "On disk".
 * Thread: added to by the part's owner, read by any. */
#ifndef STORE_TXNINDEX_H
#define STORE_TXNINDEX_H
#include "log/base/buf.h"
#include "log/base/cell.h"
#include "log/base/disk.h"

struct txnindex_entry {
    int64_t producer_id, first, last; /* as in struct aborted */
    int64_t lso; /* once this one was aborted: what is left of those with later markers lies here or above */
};

struct txnindex {
    struct counted c;
    _Atomic uint32_t count;
    uint32_t cap;
    struct txnindex_entry entry[];
};
/* Adds e to tx (NULL: empty). Takes tx's reference and gives one: to tx or, if that is full, to a copy. */
struct txnindex *txnindex_with(struct txnindex *tx, struct txnindex_entry e);
static inline uint32_t txnindex_count(const struct txnindex *tx)
{
    return tx ? atomic_load_explicit(&tx->count, memory_order_acquire) : 0;
}
static inline struct txnindex_entry txnindex_at(const struct txnindex *tx, uint32_t i)
{
    CHECK(i < txnindex_count(tx));
    return tx->entry[i];
}

/* The whole file, of the first n entries. */
enum { TXNINDEX_HEAD = 4, TXNINDEX_ENTRY = 36 };
void txnindex_encode(const struct txnindex *tx, uint32_t n, struct wbuf *out);
/* Whether it is such a file: 0, E_CORRUPT; -EAGAIN unless block or in memory. */
int txnindex_check(struct file *f, bool block);
/* Entry i of the file. E_CORRUPT; -EAGAIN unless block or in memory. */
int txnindex_read(struct file *f, uint32_t i, bool block, struct txnindex_entry *out);
/* Count and entries inside another file that has its own checksum. E_CORRUPT if they do not rise; *out may be NULL:
 * none. */
void txnindex_put(const struct txnindex *tx, struct wbuf *out);
int txnindex_get(struct rbuf *r, struct txnindex **out);

#endif
