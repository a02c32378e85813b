/* A partition as its owner sees it: what is appended, what waits, what readers are shown.
 * Thread: the owner's loop, but for the fields marked otherwise. */
#ifndef STORE_PARTLOG_H
#define STORE_PARTLOG_H
#include "log/base/sm.h"
#include "log/store/epochs.h"
#include "log/store/points.h"
#include "log/store/producers.h"
#include "log/store/segment.h"
#include "log/store/store.h"

struct shard;

/* What compaction knows of a log. */
struct clean {
    bool known, off;     /* off: it met damage; not again in this process */
    int64_t first_dirty; /* below, the log is compacted */
    int64_t horizon;     /* when the last tombstone met by the last pass may go; -1: none */
    int64_t again_ms;    /* after a failure: not before this */
    unsigned failed;     /* times in a row */
};

/* The segments of a partition, oldest first; the last one is appended to. Immutable, shared by views. */
struct seglist {
    struct counted c;
    unsigned n;
    int64_t closed_bytes; /* of all but the last */
    struct segment *seg[];
};
/* A new list: from[first ..] and then extra (NULL: nothing). Acquires the segments. */
struct seglist *seglist_new(const struct seglist *from, unsigned first, struct segment *extra);
struct seglist *seglist_of(struct segment *const *seg, unsigned n);
static inline struct segment *seglist_last(const struct seglist *l) { return l->n ? l->seg[l->n - 1] : NULL; }

struct conf_box {
    struct counted c;
    struct part_conf v;
};

/*     new → opening → open → failed        failed: reads go on, writes are refused
 *       \       \________\______\__→ deleted                                        */
enum part_state { PART_NEW, PART_OPENING, PART_OPEN, PART_FAILED, PART_DELETED };

struct part {
    /* any thread */
    _Atomic int refs;
    struct store *store;
    struct shard *shard;
    struct uuid topic;
    int32_t index;
    char *name, *dir;
    struct cell conf, view;
    _Atomic int32_t leader_epoch;
    _Atomic bool delete_asked;
    struct msg delete_msg;
    struct part *dead_next;
    /* the owner's */
    struct sm sm;
    int error; /* why writes are refused */
    struct list link, ready_link;
    struct list pending; /* appends not yet in a commit */
    struct list watches;
    struct seglist *list;
    int64_t next_offset, pos; /* where the next batch goes: offset, and byte of the last segment */
    int64_t log_start;
    int64_t lso; /* as last shown */
    int64_t known_end; /* it is not above this: see struct opening */
    struct producers *producers;
    struct epochs *epochs;
    int64_t unsnapped; /* bytes since the producers were last written down */
    struct point *point;
    bool committing, retiring, roll_next;
    bool swapping;     /* compaction is exchanging segments: none may go meanwhile */
    struct clean clean;
    bool dir_made;     /* the commit job's while one runs */
    bool hidden;       /* something changed that the view does not show yet */
    struct opening *opening;
};

void part_free(struct part *p);
/* For who comes by the shard's list: false if nobody holds the part any more. Then it waits to be taken apart and must
 * not begin anything. */
bool part_acquire_live(struct part *p);
/* Brings the part in: starts opening it, if nobody has. */
void part_need(struct part *p);
/* Takes an append that arrived at the owner. */
void part_take(struct part *p, struct append *a);
/* Publishes what is durable and wakes watches. */
void part_publish(struct part *p);
void part_fail(struct part *p, int error, const char *why);
/* Conf as it is now; gives. */
struct conf_box *part_conf_get(struct part *p);
/* The snapshot of the producers as they are, to be written beside the last segment. Nothing may be tentative. */
void part_snapshot(const struct part *p, struct segment *last, struct wbuf *out);
/* The path of a file in the part's folder. */
void part_path(const struct part *p, const char *name, char *out, size_t cap);
/* Makes the part's folder, or (sync) makes its name durable and those of its files. On workers. */
int part_make_dir(struct part *p, bool sync);
int part_sync_dirs(const struct part *p);
/* What waits for the part has ended: called when a commit, an opening or a retiring is over. */
void part_settle(struct part *p);

/* watch.c */
void watches_fire(struct part *p);                 /* those whose condition holds */
void watches_fire_all(struct part *p, int status);

/* view.c */
struct view *view_new(struct part *p);

/* recover.c: opening a part, on a worker */
struct opening {
    struct work work;
    struct part *part;
    struct mark mark;
    bool mark_known;
    int64_t index_interval, now_ms;
    int error;  /* it could not be opened */
    int damage; /* E_CORRUPT: opened, but something is missing */
    struct seglist *list;
    int64_t next_offset, pos, log_start, unsnapped;
    int64_t known_end; /* behind a damage it is not known which transactions were aborted; else INT64_MAX */
    struct producers *producers;
    struct epochs *epochs;
    bool dir_found;
};
void recover_part(struct opening *o);

/* retain.c */
void part_retain_step(struct part *p, int64_t now_ms);
void part_remove(struct part *p); /* the folder to the trash, on a worker */

#endif
