/* Groups in earnest: the states of __consumer_offsets' partitions, each with its groups, their machines and offsets;
 * what drives them with time and keeps them durable. What requests do with them: group_call.c.
 * Thread: everything of a shard on the loop of its partition. */
#ifndef COORD_GROUP_H
#define COORD_GROUP_H
#include "log/coord/consumer_record.h"
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
    struct consumer *consumer; /* of KIP-848: then the machine above is empty. NULL: a classic one, or offsets alone */
    struct group_offsets offsets;
    struct group_shard *shard;
    struct timer timer;
    unsigned inflight; /* writes that are not durable yet */
    struct list waiting;  /* heartbeats of KIP-848 whose answer waits for what has been written */
    uint64_t asked, done; /* writes of the consumer's records: begun, ended */
};

const struct config *groups_config(const struct groups *gs);

struct group *group_find(struct group_shard *sh, struct str id); /* NULL: no such group */
struct group *group_get(struct group_shard *sh, struct str id);  /* makes it */
/* Nobody is in it. */
bool group_is_empty(const struct group *g);
/* Does a member read the topic? */
bool group_reads(const struct group *g, struct str topic);
/* Makes it one of KIP-848, if it is not; false: it has classic members. */
bool group_make_consumer(struct group *g);
/* ... or a classic one; false: it has members. */
bool group_make_classic(struct group *g);
/* Writes what is dirty; what is waiting in `waiting` is told when that is durable. */
void group_write_consumer(struct group *g);
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
/* Any other record: a key at the end of what group_write_key gives, then a value after group_write_value. */
struct wbuf *group_write_key(struct group_write *gw);
void group_write_value(struct group_write *gw);
void group_write_end(struct group_write *gw, bool dead);
void group_write_go(struct group_write *gw); /* takes it; at least one record */

/* Deletes what choose says, and the group's own record too if whole; done_cb (may be NULL) when that is durable. */
typedef bool (*group_choose)(const struct group *g, const struct group_offset *of, void *arg);
void group_erase(struct group *g, group_choose choose, void *choose_arg, bool whole,
                 void (*done_cb)(void *arg, int status), void *arg);

/* A machine's answers: the waiters are calls (group_call.c). */
void group_call_joined(void *arg, void *waiter, const struct group_joined *answer);
void group_call_synced(void *arg, void *waiter, const struct group_synced *answer);
/* A call goes to its group's shard, where run gets it; its answer goes back. */
void group_call_start(struct coord *c, struct coord_group_call *call, bool needs_id,
                      void (*run)(struct coord_group_call *call, void *shard));
void group_call_answer(struct coord_group_call *call);
void group_call_fail(struct coord_group_call *call, int16_t error);
struct str group_call_fresh_id(const struct coord_group_call *call, struct loop *loop, struct str instance_id);
/* Heartbeats that wait for writes up to g->done. */
void group_call_consumed(struct group *g, int status);

#endif
