/* One node's disk: partitions of records, each an ordered list of segments; one write-ahead file per shard.
 *
 * Durable before acknowledged: small appends of a turn go to the shard's write-ahead file with one write and one
 * fdatasync, then to their segments unsynced; large ones sync their segment. The high watermark never passes what is
 * synced. Formats and recovery: log/store/README.md, "On disk".
 *
 * Threads: a part belongs to one loop (its owner, chosen by hash of topic id and index). Other threads hold a counted
 * handle, read published views, submit appends and watches; they never touch the owner's state. */
#ifndef STORE_STORE_H
#define STORE_STORE_H
#include "log/base/base.h"
#include "log/base/buf.h"
#include "log/base/cell.h"
#include "log/base/config.h"
#include "log/base/disk.h"
#include "log/base/err.h"
#include "log/base/list.h"
#include "log/base/loop.h"

struct store;
struct part;
struct segment;
struct seg_file;
struct seglist;
struct epochs;
struct arena;

/* What a topic's configuration means to its partitions. Plain values; copied. */
struct part_conf {
    int64_t segment_bytes, index_interval_bytes;
    int64_t retention_ms, retention_bytes; /* -1: no limit */
    int64_t max_message_bytes;
    bool append_time; /* message.timestamp.type=LogAppendTime */
    bool compact;     /* cleanup.policy holds compact: null keys are refused */
    bool keep;        /* cleanup.policy lacks delete: retention does not apply */
    int64_t segment_ms; /* age at which a segment is closed */
    int64_t lag_min_ms, lag_max_ms, delete_retention_ms; /* of compaction, as Kafka has them */
    double dirty_ratio; /* share of bytes not yet compacted from which on it is worth while */
    int8_t compression; /* codec to store, or -1: as produced */
};
void part_conf_default(struct part_conf *pc, const struct config *conf);

/* Opens (creates if empty) the data folder: locks it, reads meta.properties, replays the write-ahead files. Blocking;
 * call before the loops start. loops: the shards. E_LOCKED: another process has it (d names it); E_NEWER_FORMAT.
 * Everything borrowed must outlive the store. */
int store_open(struct store **out, struct disk *disk, const char *dir, struct loop *const *loops, unsigned nloops,
               const struct config *conf, struct diag *d) MUST_USE;
/* After the loops have stopped: syncs, marks the shutdown clean, frees. */
void store_close(struct store *st);
struct uuid store_cluster_id(const struct store *st);
struct uuid store_dir_id(const struct store *st);
const char *store_dir(const struct store *st);
struct disk *store_disk(const struct store *st);

/* A handle on a partition; no I/O. Files appear at the first append; existing ones are opened by the owner at first
 * need. Gives one reference. At most one handle per (topic, index) may be alive: the metadata image owns it. */
struct part *part_new(struct store *st, struct uuid topic, int32_t index, const char *topic_name,
                      const struct part_conf *pc);
/* Opens the part's files here and now (nothing on disk is fine), so that part_view answers. Blocking; only before the
 * loops start: the cluster replays its metadata partition with it. */
int part_open(struct part *p) MUST_USE;
struct part *part_acquire(struct part *p);
void part_release(struct part *p);
struct uuid part_topic(const struct part *p);
int32_t part_index(const struct part *p);
struct loop *part_owner(const struct part *p);
void part_set_conf(struct part *p, const struct part_conf *pc); /* any thread; takes effect at the next append */
/* Leader epoch that batches are stamped with from the next append on; starts at 0. Any thread. */
void part_lead(struct part *p, int32_t leader_epoch);
void part_get_conf(struct part *p, struct part_conf *out); /* any thread: a copy of the newest */
/* Moves the folder to the trash and deletes it; watches fire with E_NO_TOPIC, later appends fail with it. Any
 * thread. */
void part_delete(struct part *p);

/* ---- Appending. Any loop. */
struct append {
    struct part *part;  /* borrowed until done */
    struct buf *buf;    /* borrowed until done; holds bytes; base offset and leader epoch are stamped in place */
    uint8_t *bytes;     /* one validated recbatch; with APPEND_MANY whole recbatches, one after the other */
    uint32_t len;
    uint32_t flags;
    int status;         /* out: 0 or an error; E_SEQUENCE, E_PRODUCER_EPOCH, E_STORAGE, E_FULL, E_TOO_LARGE, ... */
    int64_t base_offset, append_time_ms, log_start; /* out; append_time_ms -1 for create time */
    uint64_t guard;     /* out with E_TXN_UNVERIFIED; in with APPEND_VERIFIED */
    struct list link;   /* the store's own */
    struct append_set *set;
};
enum {
    APPEND_MANY = 1, /* several recbatches, from inside this process: all of them are appended or none */
    /* The transaction coordinator has this partition in the producer's transaction, so the batch may begin it here.
     * Without it such a batch gets E_TXN_UNVERIFIED and a guard, which changes with each marker of the producer: ask
     * the coordinator then, and append again with flag and guard. Guard 0 is not compared: for writers of this process
     * whose every transaction has an epoch of its own. */
    APPEND_VERIFIED = 2,
    /* Transaction version 2 (KIP-890): a producer of which nothing is known begins at sequence 0; a marker's epoch is
     * above the known one, or equal as a repetition while no transaction is open. */
    APPEND_TXN_V2 = 4,
    /* One marker (recbatch_marker): ends the producer's transaction here, if there is one. E_COORD_EPOCH,
     * E_PRODUCER_EPOCH. */
    APPEND_MARKER = 8,
    APPEND_MARKER_V2 = APPEND_MARKER | APPEND_TXN_V2,
    /* Batches of an idempotent producer without sequence and CRC: the part gives them the producer's next numbers in
     * order of appending. For writers of this process on several loops that share a producer. */
    APPEND_NUMBER = 16,
};
/* Appends submitted together: one message per owner shard, one answer when all are done (durable, or failed each with
 * its status). Sets submitted by one loop to one part are appended in order of submission. Memory is the caller's again
 * when done_cb runs, once, on `from`. Idempotence: the batch's producer id, epoch and sequence are checked against the
 * part's last five (a duplicate succeeds with its first offset), then its transaction (E_TXN_UNVERIFIED; E_TXN_STATE
 * for a batch outside the transaction that its producer has open), then epoch and sequence. */
struct append_set {
    struct loop *from;
    struct append *items;
    unsigned n;
    void (*done_cb)(struct append_set *set);
    _Atomic unsigned left; /* the store's own */
    struct msg reply;
};
void store_append(struct store *st, struct append_set *set);

/* ---- Reading. Any thread. Below the high watermark a log is immutable. */
struct view {
    struct counted c;
    /* lso, the last stable offset: below it every transaction is decided, and its marker is below the high watermark */
    int64_t log_start, high_watermark, lso;
    int64_t log_end;                        /* for information: appended, perhaps not yet durable */
    int32_t leader_epoch;
    /* the store's own */
    struct seglist *list;
    struct epochs *epochs;
    int64_t end_pos; /* byte of the last segment where the high watermark stands */
    int64_t last_max_ts; /* largest timestamp of the last segment */
};
/* Gives a reference (counted_release(&v->c)), or NULL if the owner has not opened the part yet: watch it then. */
struct view *part_view(struct part *p);

/* An aborted transaction on a part: its batches with offsets in [first, last] are void; last is the marker's. */
struct aborted {
    int64_t producer_id, first, last;
};
/* Those that have batches in [from, upto), in order of last; the array is in the arena. upto may not be above v->lso.
 * -EAGAIN: not in memory; call again from a worker job with block = true. */
int view_aborted(const struct view *v, int64_t from, int64_t upto, bool block, struct arena *a, struct aborted **out,
                 uint32_t *n);
/* Brings such an array into the order in which aborted_covers searches it; and whether the batch of a transaction that
 * begins at offset is void. */
void aborted_sort(struct aborted *list, uint32_t n);
bool aborted_covers(const struct aborted *list, uint32_t n, int64_t producer_id, int64_t offset);

/* A run of whole recbatches in one segment file. */
struct slice {
    struct segment *seg;   /* counted; slice_release */
    struct seg_file *file; /* counted too: its descriptor stays open */
    int64_t pos;
    uint32_t len;        /* 0: nothing there */
    int64_t first_offset; /* base offset of the first recbatch (may be below the offset asked for) */
    int64_t end_offset;   /* no recbatch has an offset from here on */
};
/* The recbatches from the one containing `offset` up to max_bytes (at least one whole one if at_least_one), below
 * `upto` (high watermark or lso). E_OFFSET_RANGE below log start or above the high watermark. -EAGAIN: index or headers
 * are not in memory; call again from a worker job with block = true. */
int view_read(const struct view *v, int64_t offset, int64_t upto, uint32_t max_bytes, bool at_least_one, bool block,
              struct slice *out);
void slice_release(struct slice *s);
int slice_fd(const struct slice *s); /* for sendfile; -1: read instead */
/* Copies n bytes from the slice's byte `at`; -EAGAIN unless block or cached. */
int64_t slice_read(const struct slice *s, uint32_t at, void *p, size_t n, bool block);
/* First offset below `upto` whose timestamp is >= ts_ms (offset -1 if none). Blocking: worker jobs only. */
int view_find_time(const struct view *v, int64_t ts_ms, int64_t upto, int64_t *offset, int64_t *found_ts);
/* The record with the largest timestamp below upto (ListOffsets -3). Blocking. */
int view_find_max_time(const struct view *v, int64_t upto, int64_t *offset, int64_t *found_ts);
/* KIP-101: end offset of the largest epoch <= asked. */
void view_epoch_end(const struct view *v, int32_t leader_epoch, int32_t *epoch, int64_t *end_offset);
int64_t view_bytes(const struct view *v); /* size of all segments, for DescribeLogDirs and topic listings */

/* Called once on w->loop when the high watermark (committed: the last stable offset) is above w->above (at once if it
 * already is), when the part has been opened (above = -1: fires as soon as a view exists), with E_NO_TOPIC when it is
 * deleted, E_STORAGE when it failed, or with E_CANCELED after unwatch. part_watch and part_unwatch are called on
 * w->loop. */
struct watch {
    struct loop *loop;
    struct part *part;
    int64_t above;
    bool committed;
    void (*fired_cb)(struct watch *w, int status);
    struct msg msg; /* the store's own, and all below */
    struct msg cancel;
    struct list link;
    int status, phase;
};
void part_watch(struct part *p, struct watch *w);
/* Asks for the end of the watch; fired_cb still runs (once), perhaps with a status other than E_CANCELED. Not to be
 * called once fired_cb has run. */
void part_unwatch(struct watch *w);

/* What the part knows of its producers (DescribeProducers; compaction keeps each one's last batch). */
struct producer_info {
    int64_t id;
    int16_t epoch;
    int32_t coordinator_epoch; /* -1: no marker yet */
    int32_t last_seq;          /* -1: nothing in this epoch */
    int64_t last_offset;       /* base offset of its last batch, -1: none in this epoch */
    int64_t seen_ms;           /* of its last batch or marker, by the broker's clock */
    int64_t txn_first;         /* where its open transaction begins, -1: none */
};
/* All of them, durable or not; the array is xalloc's, the caller's to xfree. Owner's loop; E_BUSY: not open yet. */
int part_producers(struct part *p, struct producer_info **out, size_t *n);

/* Raises the log start (DeleteRecords, retention by others). Owner's loop. */
int part_trim(struct part *p, int64_t log_start);
/* Rolls, retires and recycles by retention; called by the store's own timer; here for tests. Owner's loop. */
void part_retain(struct part *p, int64_t now_ms);
/* Looks for work for compaction at once; the store's own timer does it else. Owner's loop. */
void part_compact(struct part *p);
/* Closes the last segment if it holds anything: what follows goes to a new one. Owner's loop; -EAGAIN: something is
 * under way, or nothing to close. */
int part_roll(struct part *p);

/* Numbers for the operator. Any thread. */
struct store_stats {
    uint64_t appends, append_bytes, syncs, wal_bytes, large_syncs;
    bool failed; /* a sync failed: the shard refuses writes until restart */
};
void store_stats(struct store *st, struct store_stats *out);

#endif
