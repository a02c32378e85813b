/* Compaction of partitions whose cleanup.policy holds compact: for each key only the record with the highest offset
 * stays (kafka.md 4.7; log/store/README.md, "Compaction").
 *
 * A compactor a shard, on its loop, takes one partition at a time. A pass works in chunks on worker threads
 * (compact_pass.c); between them the compactor holds no reference to the part, so that deleting or closing it need not
 * wait. Thread: the shard's loop, but for what is said at the pass. */
#ifndef STORE_COMPACT_H
#define STORE_COMPACT_H
#include "log/store/compact_map.h"
#include "log/store/partlog.h"

#define COMPACT_SUFFIX ".cleaning" /* a file that has no name yet: removed when the part is opened */

struct compactor;
struct compactor *compactor_new(struct shard *sh);
void compactor_start(struct compactor *c); /* from now on its timer runs */
void compactor_free(struct compactor *c);  /* after the loops have stopped, before the parts go */
/* The part is being freed, or its folder moves to the trash: nothing of it is touched any more. */
void compact_forget(struct part *p);

/* ---- one pass, on workers. It never changes what is there: its output gets its name by pass_swap alone. */

struct pass_conf {
    int64_t now_ms, delete_retention_ms, segment_bytes, index_interval;
    size_t map_bytes;
    uint64_t secret[2];
};
enum pass_got {
    PASS_MORE,  /* call pass_step again */
    PASS_GROUP, /* a segment is written and synced: pass_swap, or the pass is over */
    PASS_END,   /* all is done that the map had room for */
};
struct pass;
struct pass_done {
    int64_t first_dirty; /* the log is clean below */
    int64_t horizon;     /* when the last tombstone or marker met may go; -1: there is none */
    uint64_t read, written, kept, dropped; /* bytes, bytes, records, records */
    uint64_t map_bytes, memory_max;
};
/* The first n segments of the view's list are to be clean; below `from` they are already. producers: of the part; takes
 * them. Their last batches and markers stay, so that sequence and epoch can be found again. */
struct pass *pass_new(struct part *p, struct view *v, unsigned n, int64_t from, struct producer_info *producers,
                      size_t nproducers, const struct pass_conf *pc);
/* Works on about `bytes` bytes, or to the end of a group. Negative: the error, and the pass is over. */
int pass_step(struct pass *ps, int64_t bytes);
/* After PASS_GROUP: the segments that go, next to each other in the part's list, and what takes their place. */
struct segment *pass_group(struct pass *ps, struct segment *const **old, unsigned *n);
/* Gives the group's segment its name, durably. *named: even on error it may have it. Then pass_step goes on. */
int pass_swap(struct pass *ps, bool *named);
void pass_result(const struct pass *ps, struct pass_done *out);
int64_t pass_bytes(const struct pass *ps); /* read and written since the last call of pass_step began */
void pass_free(struct pass *ps); /* removes what has no name yet */

/* What is known of a log between passes, as a file of its folder. */
int clean_write(struct disk *disk, const char *dir, int64_t first_dirty, int64_t horizon);
int clean_read(struct disk *disk, const char *dir, int64_t *first_dirty, int64_t *horizon);

#endif
