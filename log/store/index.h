/* Sparse index of one segment, offsets and times in one: an entry for about every index interval of bytes.
 *
 * Entry = (offset and place of a batch, largest timestamp of all batches before it). Both columns rise, so one array
 * serves both searches. In memory it grows while other threads search it: chunks never move, the count is published
 * last. On disk: log/store/README.md, "On disk".
 * Thread: added to by the part's owner, read by any. */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H
#include "log/base/cell.h"
#include "log/base/disk.h"

struct index_entry {
    uint32_t offset; /* from the segment's base */
    uint32_t pos;
    int64_t max_ts; /* of all batches before pos; INT64_MIN: there are none */
};

enum { INDEX_CHUNKS = 24 };
struct index {
    struct counted c;
    _Atomic uint32_t count;
    struct index_entry *chunk[INDEX_CHUNKS]; /* chunk k holds INDEX_FIRST << k */
};
struct index *index_new(void);
void index_add(struct index *ix, struct index_entry e);
static inline uint32_t index_count(const struct index *ix)
{
    return atomic_load_explicit(&ix->count, memory_order_acquire);
}
struct index_entry index_at(const struct index *ix, uint32_t i);

/* The file's head: what its entries cover, so that a closed segment needs no scan. */
struct index_head {
    uint32_t count, crc; /* of the entries as stored */
    bool sealed;         /* the segment is closed and the index covers all of it */
    uint32_t aborted;    /* if sealed: entries of its txnindex file; none: there is no file */
    int64_t data_size, end_offset, max_ts;
    int64_t born_ms, last_ms; /* the broker's clock at the first and last append; 0: unknown */
};
enum { INDEX_HEAD = 64, INDEX_ENTRY = 16 };
/* Brings the file up to `head` (all but crc is given): entries from *flushed on are
 * written, then the head. *flushed and *crc go on from call to call. Not synced: a damaged index is rebuilt. */
int index_flush(const struct index *ix, struct file *f, struct index_head *head, uint32_t *flushed, uint32_t *crc);
/* E_CORRUPT if it is not a head of this version. */
int index_read_head(struct file *f, struct index_head *out);
/* All entries, their checksum checked. *out is NULL on error. */
int index_load(struct file *f, const struct index_head *head, struct index **out);
int index_read_entry(struct file *f, uint32_t i, bool block, struct index_entry *out);

#endif
