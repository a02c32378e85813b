/* Groups in earnest: the states of __consumer_offsets' partitions, each with its groups, their machines and offsets;
 * what drives them with time and keeps them durable. What requests do with them: group_call.c.
 * Thread: everything of a shard on the loop of its partition. */
#ifndef COORD_GROUP_H
#define COORD_GROUP_H
#include "log/coord/coord.h"
#include "log/coord/group_offsets.h"
#include "log/coord/group_state.h"
#include "log/coord/statelog.h"

struct groups;
struct group_shard { /* one partition */
    struct groups *gs;
    struct statelog_part *lp;
    struct loop *loop;
    struct map groups;
    struct map txns; /* producer id -> struct shard_txn: which groups have offsets that wait for its marker */
    bool loaded;
};
struct group {
    struct group_state st;
    struct group_offsets offsets;
    struct group_shard *shard;
    struct timer timer;
    unsigned inflight; /* writes that are not durable yet */
};

const struct config *groups_config(const struct groups *gs);

struct group *group_find(struct group_shard *sh, struct str id); /* NULL: no such group */
struct group *group_get(struct group_shard *sh, struct str id);  /* makes it */
/* Around what a request does with a machine: the time comes in; then the timer is set, and a group that nothing has
 * come of is gone. */
void group_enter(struct group *g);
void group_leave(struct group *g);

/* Writes records as one batch, then applies those that are of offsets. done_cb on the shard's loop; the group exists
 * until then. */
struct group_write {
    void (*done_cb)(struct group_write *gw, int status);
    void *arg;
    struct group *g;
    struct statelog_write write; /* its producer_id and epoch: -1 for none */
    struct wbuf bytes;           /* of the records */
    uint32_t *ends;              /* of key and value of each, in bytes */
    bool *dead;                  /* a tombstone */
    unsigned n, cap;
};
struct group_write *group_write_new(struct group *g, void (*done_cb)(struct group_write *, int), void *arg);
void group_write_offset(struct group_write *gw, struct str topic, int32_t partition, const struct offset_value *v);
void group_write_tombstone(struct group_write *gw, struct str topic, int32_t partition); /* topic null: the group's */
void group_write_state(struct group_write *gw);
void group_write_go(struct group_write *gw); /* takes it; at least one record */

/* Deletes what choose says, and the group's own record too if whole; done_cb (may be NULL) when that is durable. */
typedef bool (*group_choose)(const struct group *g, const struct group_offset *of, void *arg);
void group_erase(struct group *g, group_choose choose, void *choose_arg, bool whole,
                 void (*done_cb)(void *arg, int status), void *arg);

/* A machine's answers: the waiters are calls (group_call.c). */
void group_call_joined(void *arg, void *waiter, const struct group_joined *answer);
void group_call_synced(void *arg, void *waiter, const struct group_synced *answer);

#endif
