/* One shard of the store: its write-ahead file, the commit in flight, the checkpoint in flight, its partitions.
 * Thread: the shard's loop; what a job uses while it runs is said at the struct. */
#ifndef STORE_SHARD_H
#define STORE_SHARD_H
#include "log/base/metrics.h"
#include "log/store/partlog.h"
#include "log/store/wal.h"

/* Bytes of one commit that lie together in one segment. */
struct run {
    struct segment *seg;
    struct seg_file *sf; /* opened by the job */
    int64_t pos, end_offset;
    uint32_t len;
    unsigned iov, niov; /* in commit.iov */
    bool fresh;         /* the segment begins with this run */
};
struct part_commit {
    struct part *part;
    struct conf_box *conf;
    struct list taken; /* appends */
    unsigned run, nruns;
    struct segment *active;
    int64_t next_offset, pos;
    uint32_t bytes;
    struct epochs *epochs; /* a new list to write before anything is acknowledged; or NULL */
    struct wbuf snapshot;  /* producers, to write beside snapshot_seg; or empty */
    struct segment *snapshot_seg;
    struct txnindex_entry *aborted; /* by markers of this commit, in their order */
    size_t naborted, aborted_cap;
    bool roll_next; /* as the part's, once this is in */
    bool via_wal;
    bool broken; /* out: the disk failed in a way that leaves the part unusable */
    int status;  /* out */
};
/* While busy the job owns all of it. */
struct commit {
    struct work work;
    bool busy, waiting; /* waiting: prepared, needs room in the write-ahead file */
    bool sync;          /* log.sync=always */
    struct part_commit *parts;
    size_t nparts, parts_cap;
    struct run *runs;
    size_t nruns, runs_cap;
    struct iovec *iov, *wal_iov;
    size_t niov, iov_cap, wal_iov_cap;
    struct wbuf frame;
    int64_t wal_bytes, wal_at;
    int wal_status;
    bool wal_sync_failed;
    uint64_t syncs, large_syncs;
    struct list answers; /* appends done without writing */
};

/* A segment that changed since the last checkpoint. */
struct touched {
    struct segment *seg;
    struct seg_file *pin;
    bool owed; /* holds acknowledged bytes that only the write-ahead file has for sure */
    struct index *ix;       /* as of the checkpoint, with head */
    struct index_head head;
    bool flushed;           /* out: the index file holds it */
};
/* Syncs what lies in the half just left and writes the indexes, on the disk lane; then the recovery points, on the sync
 * lane: there no commit's sync runs meanwhile whose failure would belie them. Then the half is free. */
struct checkpoint {
    struct work work;
    bool busy;
    bool wanted; /* at the next chance: compaction waits for the recovery points */
    struct touched *list;
    size_t n, cap;
    struct wbuf points;
    int status, points_status;
};

struct shard {
    struct store *store;
    struct loop *loop;
    unsigned index;
    int failed; /* E_STORAGE after a failed sync: writes are refused until restart */
    /* Any job: a sync failed. Another sync of that file may then succeed without having written what the first one
     * lost, so nothing that is synced from now on counts as durable. */
    _Atomic bool sync_failed;
    struct turn_end turn;
    struct timer retain_timer;
    struct msg start_msg;
    struct list parts, ready;
    struct commit commit;
    struct checkpoint checkpoint;
    struct compactor *compactor;
    struct wal wal;
    struct points points;
    struct touched *touched;
    size_t ntouched, touched_cap;
    int64_t since_checkpoint; /* bytes */
    _Atomic(struct part *) dead;
    _Atomic bool reap_posted;
    struct msg reap_msg;
    struct counter appends, append_bytes, syncs, large_syncs, wal_bytes;
    _Atomic bool failed_shown;
};

struct store {
    struct disk *disk;
    char *dir;
    const struct config *conf;
    struct file *lock;
    struct uuid cluster_id, dir_id;
    bool sync; /* log.sync=always */
    uint64_t incarnation;
    struct points points; /* as found at start; read only afterwards */
    struct seg_files files;
    unsigned nshards;
    struct shard shards[];
};

/* commit.c */
void commit_init(struct commit *c);
void commit_fini(struct commit *c);
void shard_commit(struct shard *sh); /* starts one if there is something and none is in flight */
void append_done(struct append *a);  /* its status is set; answers the set when it was the last */

/* checkpoint.c */
/* Begins a checkpoint: the write-ahead file goes on to its other half. None may be busy, nor a commit. */
void checkpoint_start(struct shard *sh);
/* The same as soon as nothing is in the way: what changed must not wait for the next append. */
void checkpoint_soon(struct shard *sh);
void checkpoint_if_idle(struct shard *sh); /* one that is wanted */
void checkpoint_touch(struct shard *sh, struct segment *seg, struct seg_file *sf, bool owed);
void checkpoint_fini(struct shard *sh);
/* store_close: the same at once, for all that is open. */
int checkpoint_shut(struct shard *sh);

/* shard */
void shard_fail(struct shard *sh, const char *why, int err);
void shard_wake(struct shard *sh); /* shard_commit at the end of this turn */

/* recover.c */
int recover_store(struct store *st, struct diag *d);

#endif
