/* Room that stays free on the disk: below it Produce is refused, so that deleting, compacting and committing still have
 * what they need. Reads and deletes go on; once there is room again, so does Produce.
 * The disk is asked on a worker, only while clients produce or insert, or somebody asks whether the node is ready: each
 * second, and each time half of what was free has come. */
#ifndef BROKER_RESERVE_H
#define BROKER_RESERVE_H
#include "log/base/loop.h"

struct broker;

/* One shard's part. Thread: its loop. */
struct reserve {
    struct work work;
    struct broker *b;
    int64_t due_ms, left; /* when to ask again; bytes until then */
    int64_t free_bytes;   /* as last told */
    bool asking;
};
/* Asks the disk here and now; before the loops start. */
void reserve_init(struct reserve *rs, struct broker *b, struct loop *loop);
/* bytes are about to come: false if they must not. */
bool reserve_take(struct reserve *rs, uint64_t bytes);

#endif
