/* Recovery points: up to where each partition is known to be synced, so that opening one reads little and damage can
 * be told from a torn tail. One map per shard; files and merging at start: log/store/README.md, "On disk".
 * Thread: the shard's loop, or store_open alone. */
#ifndef STORE_POINTS_H
#define STORE_POINTS_H
#include "log/base/base.h"
#include "log/base/buf.h"
#include "log/base/map.h"

/* Everything of the partition below byte pos of the segment seg_base is synced; offsets below end_offset. */
struct mark {
    int64_t seg_base, pos, end_offset, log_start;
};
struct point {
    struct uuid topic;
    int32_t index;
    bool known;    /* durable holds something */
    bool changed;  /* latest is not in durable nor caught */
    bool caught;   /* the running checkpoint will make it durable */
    bool gone;     /* the partition was deleted: a tombstone over older checkpoints */
    struct mark durable, latest, catch;
};
struct points {
    struct map by_part;
};
void points_init(struct points *ps);
void points_fini(struct points *ps);
struct point *points_find(const struct points *ps, struct uuid topic, int32_t index); /* NULL: none */
struct point *points_get(struct points *ps, struct uuid topic, int32_t index);        /* made if absent */

/* A file of the durable marks (caught ones first), of one incarnation of the folder. */
enum points_kind { POINTS_RUNNING = 0, POINTS_CLEAN = 1 };
void points_encode(const struct points *ps, uint64_t incarnation, enum points_kind kind, struct wbuf *out);
/* Overlays ps with a file's marks as durable; on error ps is unchanged. E_CORRUPT, E_NEWER_FORMAT. */
int points_decode(struct points *ps, struct str bytes, uint64_t *incarnation, enum points_kind *kind);
/* Reads only the head. */
int points_decode_head(struct str bytes, uint64_t *incarnation, enum points_kind *kind);
/* Overlays to with what is durable in from. */
void points_merge(struct points *to, const struct points *from);
/* Drops the tombstones: no older file is left for them to cover. */
void points_forget_gone(struct points *ps);

#endif
