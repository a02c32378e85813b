/* One segment of a partition: a file of record batches and its index.
 *
 * Counted: views, slices and the owner hold it, so a deleted segment lives until its last reader is done. Descriptors
 * come and go by an LRU (struct seg_files); whoever reads holds a counted handle meanwhile.
 * Threads: size, max_ts, end_offset and the index grow on the owner's loop; readers take bounds from their view. */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H
#include "log/base/buf.h"
#include "log/base/cell.h"
#include "log/base/disk.h"
#include "log/base/limits.h"
#include "log/store/index.h"
#include "log/store/scan.h"
#include "log/store/txnindex.h"

/* An open file, shared. */
struct seg_file {
    struct counted c;
    struct file *f;
};

/* Which segments' files are open: the clock algorithm over a fixed table. A slot holds a lease; a lease that goes
 * closes its segment's files (as soon as their last user is done). */
struct seg_files {
    struct disk *disk;
    _Atomic unsigned hand;
    struct cell slot[STORE_FILES_MAX];
};
void seg_files_init(struct seg_files *fs, struct disk *disk);
void seg_files_fini(struct seg_files *fs);

/* What a data file's name says. One that compaction has made stands for all offsets from base to end, in place of the
 * files of that range with a lower generation. */
struct seg_name {
    int64_t base, end; /* end -1, generation 0: as appended */
    uint32_t generation;
};
enum { SEG_NAME_BYTES = 64 };
/* False if it is not the name of a data file. */
bool seg_name_parse(const char *name, struct seg_name *out);
void seg_name_format(const struct seg_name *sn, char out[SEG_NAME_BYTES]); /* without suffix */

struct segment {
    struct counted c;
    struct seg_files *files;
    char *stem; /* path without its suffix */
    int64_t base;
    struct seg_name name;
    struct cell data_file, index_file, txn_file;
    struct cell index; /* in memory while the segment grows, else empty */
    struct cell aborted; /* struct txnindex: the same; empty also if there is none */
    _Atomic bool leased, used;
    _Atomic unsigned slot;
    _Atomic uint32_t file_entries; /* index entries on disk, once sealed */
    _Atomic uint32_t aborted_n;    /* aborted transactions whose marker is here; those on disk, once sealed */
    _Atomic int64_t aborted_since; /* in its aborted transactions, made anew, batches below are not accounted for */
    _Atomic bool sealed;
    /* Bytes, end and largest timestamp of what is durable; for the last segment of a view the view's own count. */
    _Atomic int64_t size, end_offset, max_ts;
    /* Its names are gone or go now, but it may be read to the end: what was open then stays open. */
    _Atomic bool replaced;
    struct seg_file *kept_data, *kept_index, *kept_txn;
    /* The owner's. */
    int64_t born_ms, last_ms;  /* the broker's clock at its first and last append; 0: empty */
    int64_t indexed_pos;       /* bytes since this place have no entry yet */
    uint32_t flushed, flushed_crc; /* of the index file; the checkpoint's job while it runs */
    uint32_t touched;          /* place in the shard's list for the next checkpoint, plus one; 0: not there */
    bool closed;               /* no longer the last one */
};

/* Just the object; no I/O. dir is the partition's folder. */
struct segment *segment_new(struct seg_files *files, const char *dir, int64_t base);
struct segment *segment_named(struct seg_files *files, const char *dir, const struct seg_name *name);
static inline struct segment *segment_acquire(struct segment *seg)
{
    counted_acquire(&seg->c);
    return seg;
}
static inline void segment_release(struct segment *seg)
{
    if (seg)
        counted_release(&seg->c);
}
/* Gives a handle on the data file. FILE_CREATE as flag makes it. !block: -EAGAIN if it is not open. */
int segment_open(struct segment *seg, int flags, bool block, struct seg_file **out);
int segment_open_index(struct segment *seg, int flags, bool block, struct seg_file **out);
int segment_open_aborted(struct segment *seg, bool block, struct seg_file **out);
static inline void seg_file_release(struct seg_file *sf)
{
    if (sf)
        counted_release(&sf->c);
}
/* Lets the open files go, e.g. of a deleted segment. */
void segment_close_files(struct segment *seg);
/* Opens the files for as long as the segment lives, so that who holds it can read it after its names have gone.
 * Blocking. */
int segment_keep(struct segment *seg);
/* Removes the files' names. */
int segment_unlink(struct segment *seg);
/* Replaces the producers' snapshot beside the segment, durably: the records it stands for may be gone one day. */
int segment_write_producers(struct segment *seg, const struct wbuf *bytes);
void segment_path(const struct segment *seg, const char *suffix, char *out, size_t cap);

/* Owner: the batch at pos is part of the segment now. */
void segment_grow(struct segment *seg, const struct recbatch *rb, int64_t pos, int64_t index_interval);

/* Owner: the marker of an aborted transaction is part of the segment now. */
void segment_abort(struct segment *seg, struct txnindex_entry e);
/* Writes the first n of them beside the segment. */
int segment_write_aborted(struct segment *seg, uint32_t n);
/* The aborted transactions of a segment in memory; gives, NULL: there are none, or on disk alone. */
struct txnindex *segment_aborted(struct segment *seg);

/* What a search in the index looks for. */
enum seg_floor { FLOOR_OFFSET, FLOOR_POS, FLOOR_TIME };
/* The last entry whose offset <= key, pos <= key, or whose max_ts < key; and pos < end. No such entry: the segment's
 * first byte. -EAGAIN if !block and not in memory. */
int segment_floor(struct segment *seg, enum seg_floor by, int64_t key, int64_t end, bool block,
                  struct index_entry *out);
/* While the part is opened: builds the index anew from the data, all checksums tested. On E_CORRUPT size, end_offset,
 * max_ts and the index cover what is good before the damage. */
int segment_reindex(struct segment *seg, int64_t size, int64_t index_interval);
/* A reader found that the index file of a closed segment is wrong: a new index, in memory. What others read of the
 * segment meanwhile does not change. E_CORRUPT: it is the data that is damaged; the index stays as it was. */
int segment_replace_index(struct segment *seg, int64_t index_interval);

#endif
