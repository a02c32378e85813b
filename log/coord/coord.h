/* The coordinators: transactions (__transaction_state) and groups with their offsets (__consumer_offsets). One front
 * door for Kafka's requests and for producers of this process.
 *
 * Thread: every function may be called on any loop; the answer comes once, later, on call->from. The state of a
 * transactional id or group lives on the loop that owns its partition of the internal topic (statelog.h). What an
 * answer promises is durable: steps of one shard and turn share one sync.
 *
 * Errors are Kafka's codes (enum kafka_error in wire.h), because that is what both kinds of callers must tell apart. */
#ifndef COORD_COORD_H
#define COORD_COORD_H
#include "log/cluster/cluster.h"
#include "log/wire/wire.h"

struct coord;

/* Borrows all of it. Nothing runs before the loops do; open transactions that are found are completed or timed out. */
int coord_open(struct coord **out, struct store *st, struct cluster *cl, struct loop *const *loops, unsigned nloops,
               const struct config *conf, struct diag *d) MUST_USE;
void coord_close(struct coord *c); /* after the loops have stopped, before the cluster closes */

/* ---- Which partition of its internal topic a transactional id or a group belongs to (Kafka's hash). */
enum coord_kind { COORD_GROUP = 0, COORD_TXN = 1 }; /* Kafka's key types of FindCoordinator */
int32_t coord_partition(const struct coord *c, enum coord_kind kind, struct str key);

/* An internal topic of the coordinators: nobody else writes to it. */
bool coord_owns_topic(struct str name);

/* ---- Transactions */

struct coord_part {
    struct str topic;
    int32_t index;
    int16_t error; /* out */
};
enum coord_flags {
    /* The caller is of this process: wait while the log is being read, while the step before is not durable or an old
     * transaction is being ended, instead of COORDINATOR_LOAD_IN_PROGRESS and CONCURRENT_TRANSACTIONS. The latter still
     * comes if a partition of the old one does not take its marker: that may last until a restart. */
    COORD_WAIT = 1,
    COORD_V2 = 2,       /* KIP-890 part 2: the end of a transaction gives the epoch of the next */
    COORD_EXPECT = 4,   /* init: producer_id and epoch tell whom the caller takes itself for */
    /* The same but for the log: clients would come back after some 100 ms for what is over in one. */
    COORD_BRIEFLY = 8,
};
/* One request. The caller fills from, done_cb, flags, txn_id and what the function names; all is borrowed until
 * done_cb. */
struct coord_call {
    struct loop *from;
    void (*done_cb)(struct coord_call *call);
    unsigned flags;
    int16_t error; /* out: 0 or Kafka's code; PRODUCER_FENCED always: old versions' code is the handler's */
    struct str txn_id;
    int64_t producer_id; /* in; out of init and end */
    int16_t epoch;       /* in; out of init and end */
    int32_t timeout_ms;  /* init */
    bool commit;         /* end */
    struct str group;    /* add_offsets */
    struct coord_part *parts; /* add, verify */
    unsigned nparts;
    struct coord_txn_info *info; /* describe */
    /* the coordinator's own */
    struct coord *coord;
    void *impl;
    struct msg msg;
    struct list link;
    struct coord_part own_part;
    char own_topic[24];
};

/* txn_id null: a fresh producer id, epoch 0. Otherwise fences who had the id before and aborts what was open; with
 * COORD_WAIT the answer comes when that is over, without it the first answer is CONCURRENT_TRANSACTIONS. timeout_ms. */
void coord_init_producer(struct coord *c, struct coord_call *call);
/* Adds parts to the transaction, begins one if none is open. Durable when answered: then (and only then) the partition
 * may be written to. Parts that are in it already cost nothing but the way. */
void coord_add_parts(struct coord *c, struct coord_call *call);
/* Are the parts in the open transaction? Each gets its error: 0, TXN_ABORTABLE; call->error if all have the same. */
void coord_verify(struct coord *c, struct coord_call *call);
/* Adds the group's partition of __consumer_offsets. */
void coord_add_offsets(struct coord *c, struct coord_call *call);
/* Ends the open transaction. Answered when the decision is durable; markers follow by themselves. With COORD_V2
 * producer_id and epoch are those of the next transaction; without it they stay. Asking the same again is fine. */
void coord_end(struct coord *c, struct coord_call *call);

struct coord_txn_info {
    struct arena *arena; /* the caller's: where names go; not touched by the caller until the answer */
    const char *state;   /* Kafka's name: "Ongoing" */
    int32_t timeout_ms;
    int64_t start_ms; /* -1: none open */
    int64_t producer_id;
    int16_t epoch;
    const struct coord_part *parts; /* of the open transaction, by name and index */
    unsigned nparts;
};
void coord_describe_txn(struct coord *c, struct coord_call *call); /* info->arena set; TXN_ID_NOT_FOUND */

struct coord_listed_txn {
    struct str txn_id;
    int64_t producer_id;
    const char *state;
};
struct coord_txn_list {
    struct loop *from;
    void (*done_cb)(struct coord_txn_list *list);
    struct arena *arena;       /* the caller's; not touched by the caller until the answer */
    int64_t min_duration_ms;   /* -1: all; otherwise only transactions that have been open for so long */
    struct coord_listed_txn *txns; /* out */
    unsigned ntxns, cap;
    int16_t error; /* out: COORDINATOR_LOADING if a partition is still being read */
    struct coord *coord; /* the coordinator's own, and all below */
    struct msg msg;
    unsigned shard;
};
void coord_list_txns(struct coord *c, struct coord_txn_list *list);

/* The leader's side: writes the markers that end producer_id's transaction to parts. Groups learn of theirs. */
struct coord_markers {
    struct loop *from;
    void (*done_cb)(struct coord_markers *m);
    int64_t producer_id;
    int16_t epoch;
    int32_t coordinator_epoch;
    bool commit, v2; /* v2: an epoch that is not greater than the known one is refused */
    struct coord_part *parts; /* each gets its error */
    unsigned nparts;
    void *impl; /* the coordinator's own */
};
void coord_write_markers(struct coord *c, struct coord_markers *m);

/* ---- Groups and their offsets */

struct coord_offset {
    struct str topic;
    int32_t partition;
    int64_t offset;        /* fetched: -1 if there is none */
    int32_t leader_epoch;  /* -1: not told */
    struct str metadata;
    int16_t error; /* in: those that have one already are left out; out */
};
/* One request of a group. The caller fills from, done_cb, group, and what the function names; all is borrowed until
 * done_cb. The arena is the caller's, where answers go: not to be touched by the caller until then. */
struct coord_group_call {
    struct loop *from;
    void (*done_cb)(struct coord_group_call *call);
    struct arena *arena;
    struct str group;
    int16_t error; /* out */
    int version;   /* of the request that in and out are of */
    const void *in;
    void *out;
    struct str client_id, client_host;
    struct str member_id, instance_id; /* null: none */
    int32_t generation;                /* -1: none */
    struct coord_offset *offsets;
    uint32_t noffsets;
    int64_t retention_ms; /* -1: as the setting says */
    bool all;             /* fetch: offsets and noffsets are given, with all that the group has */
    bool require_stable;  /* fetch: UNSTABLE_OFFSET_COMMIT where a transaction is open */
    struct str txn_id;    /* txn_commit, with producer_id, epoch and v2 */
    int64_t producer_id;
    int16_t epoch;
    bool v2; /* KIP-890 part 2: adds the group to the transaction as needed */
    /* the coordinator's own */
    struct coord *coord;
    void (*run)(struct coord_group_call *call, void *shard);
    struct msg msg;
    uint64_t guard;
    bool verified;
    struct list link;
    uint64_t ticket;
};
/* in, out: wire's request and response of JoinGroup and SyncGroup. version, client_id, client_host, arena. */
void coord_group_join(struct coord *c, struct coord_group_call *call);
void coord_group_sync(struct coord *c, struct coord_group_call *call);
void coord_group_beat(struct coord *c, struct coord_group_call *call);  /* member_id, instance_id, generation */
void coord_group_leave(struct coord *c, struct coord_group_call *call); /* in, out: LeaveGroup of version 3 or later */
/* offsets, member_id, instance_id, generation, retention_ms. Answered when they are durable. */
void coord_group_commit(struct coord *c, struct coord_group_call *call);
/* Offsets that count once the transaction of txn_id, producer_id, epoch commits. Asks its coordinator itself. */
void coord_group_txn_commit(struct coord *c, struct coord_group_call *call);
void coord_group_fetch(struct coord *c, struct coord_group_call *call);    /* offsets or all; require_stable, arena */
void coord_group_describe(struct coord *c, struct coord_group_call *call); /* out: describe_groups_response_group; arena */
/* KIP-848. in, out: wire's request and response of ConsumerGroupHeartbeat; client_id, client_host, arena. Answered when
 * what it promises is durable. */
void coord_consumer_beat(struct coord *c, struct coord_group_call *call);
void coord_consumer_describe(struct coord *c,
                             struct coord_group_call *call); /* out: consumer_group_describe_response_group; arena */
void coord_group_delete(struct coord *c, struct coord_group_call *call);
void coord_group_forget(struct coord *c, struct coord_group_call *call); /* offsets: those to delete */

struct coord_listed_group {
    struct str id, protocol_type;
    const char *state; /* Kafka's name */
    const char *type;  /* "classic", "consumer" */
};
struct coord_group_list {
    struct loop *from;
    void (*done_cb)(struct coord_group_list *list);
    struct arena *arena; /* as of a call */
    struct coord_listed_group *groups; /* out */
    uint32_t ngroups, cap;
    int16_t error; /* out: COORDINATOR_LOADING if a partition is still being read */
    struct coord *coord; /* the coordinator's own, and all below */
    struct msg msg;
    unsigned shard;
};
void coord_list_groups(struct coord *c, struct coord_group_list *list);

#endif
