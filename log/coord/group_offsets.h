/* How far a group has read: an offset for each partition, and those that wait for their transaction's end. Fed with the
 * records of __consumer_offsets, whether replayed or just written, so that both give the same.
 *
 * What counts is the order in the log: a transaction's offset becomes the partition's at the commit marker unless a
 * newer record has set it meanwhile. Pure. Thread: the loop of the group's partition. */
#ifndef COORD_GROUP_OFFSETS_H
#define COORD_GROUP_OFFSETS_H
#include "log/base/list.h"
#include "log/base/map.h"
#include "log/coord/group_record.h"

struct group_offset {
    struct str topic;
    int32_t partition;
    bool committed; /* false: only pending ones so far */
    struct offset_value value;
    int64_t at;     /* of the record in the log */
    unsigned npending;
};
struct group_offsets {
    struct map all;  /* struct group_offset */
    struct map txns; /* producer id -> struct offset_txn */
};
void group_offsets_init(struct group_offsets *o);
void group_offsets_fini(struct group_offsets *o);

/* A record at `at` of the log. producer_id -1: not of a transaction. Copies. */
void group_offsets_put(struct group_offsets *o, int64_t producer_id, struct str topic, int32_t partition,
                       const struct offset_value *v, int64_t at);
/* A tombstone: pending ones go as well. */
void group_offsets_remove(struct group_offsets *o, struct str topic, int32_t partition);
/* The end of a producer's transaction. Without one nothing happens. */
void group_offsets_end(struct group_offsets *o, int64_t producer_id, bool commit);

/* NULL if nothing is known, neither committed nor pending. */
const struct group_offset *group_offsets_find(const struct group_offsets *o, struct str topic, int32_t partition);
static inline const struct group_offset *group_offsets_next(const struct group_offsets *o, size_t *iter)
{
    return map_next(&o->all, iter);
}
static inline bool group_offsets_empty(const struct group_offsets *o) { return o->all.len == 0; }
bool group_offsets_has_txn(const struct group_offsets *o, int64_t producer_id);

#endif
