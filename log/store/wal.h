/* Write-ahead file of one shard: the small appends of a turn, of all its partitions, in one frame.
 *
 * The file is preallocated and has two halves, written in turns ("laps"). A half is written again only after a
 * checkpoint has synced every segment with bytes in it. A frame is live if its incarnation is the folder's: each start
 * of a server makes all older frames stale at once. Layout: log/store/README.md, "On disk".
 * Thread: positions belong to the shard's loop; wal_write runs in its commit job, one at a time. */
#ifndef STORE_WAL_H
#define STORE_WAL_H
#include "log/base/buf.h"
#include "log/base/disk.h"

/* Frames begin at multiples of this: no write touches a block that an acknowledged frame lies in. */
enum { WAL_ALIGN = 4096, WAL_HEAD = 40, WAL_ENTRY = 52 };

struct wal {
    struct file *f; /* NULL: log.sync=os has none */
    int64_t half_bytes;
    uint64_t incarnation, lap, seq; /* of the next frame */
    int64_t used;                   /* bytes of the current half */
};
/* Opens or makes the file with its final size. E_FULL, ... */
int wal_open(struct wal *w, struct disk *disk, const char *path, int64_t bytes, uint64_t incarnation);
void wal_close(struct wal *w);

/* A run of whole recbatches in one segment. */
struct wal_entry {
    struct uuid topic;
    int32_t index;
    int64_t seg_base, pos, end_offset; /* place of the run; first offset after it */
    uint32_t len, crc;
};
void wal_frame_begin(struct wbuf *frame);
void wal_frame_add(struct wbuf *frame, const struct wal_entry *e);
/* Bytes that a frame takes in the file. */
int64_t wal_frame_size(size_t entries, int64_t data_bytes);
bool wal_fits(const struct wal *w, int64_t frame_size);
static inline int64_t wal_pos(const struct wal *w) { return (int64_t)(w->lap & 1) * w->half_bytes + w->used; }
/* Writes and syncs the frame (begun and filled; data as iov, without padding) at pos. *synced: it was the sync that
 * failed. w's positions are not touched: */
int wal_write(struct wal *w, int64_t pos, struct wbuf *frame, struct iovec *iov, int n, bool *sync_failed);
void wal_advance(struct wal *w, int64_t frame_size); /* after a good wal_write */
void wal_switch(struct wal *w);                      /* on to the other half */

/* Largest incarnation of any sound frame in the file; 0 if there is none. */
int wal_newest(struct disk *disk, const char *path, uint64_t *incarnation);
/* Gives every entry of the live frames to each_cb, oldest first. *damaged: frames are missing before sound later ones:
 * that is not a torn end but damage to what was acknowledged. */
int wal_replay(struct disk *disk, const char *path, uint64_t incarnation,
               int (*each_cb)(void *arg, const struct wal_entry *e, const void *bytes), void *arg, bool *damaged);

#endif
