/* A classic consumer group as a machine: requests and the passing of time go in, answers go out through a class. Which
 * members there are, who leads, which generation it is. Kafka's rules: shared reference, "Groups, classic"; its codes.
 *
 * Pure: no I/O, no clock, no memory but its own. The driver (group.c) keeps the record of the group durable when asked
 * to. The functions of struct group_out must not call back into the machine.
 * Thread: the loop of the group's partition. */
#ifndef COORD_GROUP_STATE_H
#define COORD_GROUP_STATE_H
#include "log/base/alloc.h"
#include "log/base/list.h"
#include "log/base/map.h"
#include "log/base/sm.h"

enum group_phase { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE, GROUP_DEAD };

struct group_protocol {
    struct str name, metadata;
};
/* Text and bytes are borrowed for the call; null where a request has none. */
struct group_join {
    struct str member_id, instance_id, client_id, client_host, protocol_type;
    struct str fresh_id; /* the member's id if it has none yet */
    const struct group_protocol *protocols;
    unsigned nprotocols;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    bool need_id;   /* from version 4 on a new member learns its id first and joins with it */
    bool can_skip;  /* from version 9 on a leader can be told to assign nothing */
    void *waiter;   /* handed back with the one answer */
};
struct group_peer { /* a member as its leader sees it */
    struct str member_id, instance_id, metadata;
};
struct group_joined {
    int16_t error;
    int32_t generation;
    struct str protocol_type, protocol, leader, member_id;
    bool skip_assignment;
    const struct group_peer *peers; /* for the leader alone */
    unsigned npeers;
};
struct group_assignment {
    struct str member_id, bytes;
};
struct group_sync {
    struct str member_id, instance_id;
    struct str protocol_type, protocol; /* null: not checked */
    int32_t generation;
    const struct group_assignment *assignments; /* the leader's */
    unsigned nassignments;
    void *waiter;
};
struct group_synced {
    int16_t error;
    struct str protocol_type, protocol, assignment;
};

/* What comes out. Everything is borrowed for the call. */
struct group_out {
    void (*joined)(void *arg, void *waiter, const struct group_joined *answer);
    void (*synced)(void *arg, void *waiter, const struct group_synced *answer);
    /* The group as it is now must become durable; then group_state_stored(ticket). */
    void (*store)(void *arg, uint64_t ticket);
};
struct group_conf {
    int32_t session_min_ms, session_max_ms, initial_delay_ms;
    int64_t size_max;
};

struct group_member {
    struct list link; /* group_state.members, in order of arrival */
    struct str id, instance_id, client_id, client_host;
    struct group_protocol *protocols;
    unsigned nprotocols;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    struct str assignment;
    struct str was_id;    /* a static member's id before it came back */
    void *join_waiter, *sync_waiter;
    int64_t due_ms;       /* when it has been silent for too long */
    uint64_t static_ticket; /* the join waits until the record with the new id is durable; 0: it does not */
    bool can_skip;
    bool is_new;          /* has joined, but never had an answer: nobody beats for it */
    bool must_sync;       /* was told its generation, has not asked for its assignment */
};
struct group_state {
    struct sm sm;
    const struct group_conf *conf;
    const struct group_out *out;
    void *arg;
    int64_t now_ms, wall_ms; /* of the event at work */
    struct str id;
    int32_t generation;
    struct str protocol_type, protocol; /* null: none */
    struct group_member *leader;
    struct list members;
    struct map by_id, by_instance;
    struct map promised;  /* ids given out to members that have to join with them: struct group_promise */
    unsigned nmembers, njoining;
    int64_t changed_ms;   /* wall clock of the last move */
    int64_t join_due_ms;  /* end of the join phase, 0: none */
    int64_t sync_due_ms;  /* when members that did not sync are dropped, 0: none */
    int32_t initial_left_ms; /* how much longer an empty group's first join phase may be extended */
    bool was_empty;       /* this join phase began with an empty group */
    bool newcomer;        /* somebody joined since the last look at it */
    uint64_t ticket;      /* of the last store */
    uint64_t sync_ticket; /* of the leader's assignment that is being stored, 0: none */
    int64_t next_ms;      /* nothing happens before, INT64_MAX: nothing at all */
};

void group_state_init(struct group_state *g, struct str id, const struct group_conf *conf, const struct group_out *out,
                      void *arg);
/* Answers nobody: who waits must have been answered (group_state_kill), or the process is ending. */
void group_state_fini(struct group_state *g);
/* Before every call of the functions below. */
static inline void group_state_clock(struct group_state *g, int64_t now_ms, int64_t wall_ms)
{
    g->now_ms = now_ms;
    g->wall_ms = wall_ms;
}

/* Each waiter gets one answer, now or later. */
void group_state_join(struct group_state *g, const struct group_join *j);
void group_state_sync(struct group_state *g, const struct group_sync *s);
int16_t group_state_beat(struct group_state *g, struct str member_id, struct str instance_id, int32_t generation);
/* member_id empty: whoever has the instance id. */
int16_t group_state_leave(struct group_state *g, struct str member_id, struct str instance_id);
/* May this member commit offsets? Counts as a heartbeat. */
int16_t group_state_may_commit(struct group_state *g, struct str member_id, struct str instance_id, int32_t generation,
                               bool transactional);
/* The record that ticket asked for is durable, or not: error is Kafka's. */
void group_state_stored(struct group_state *g, uint64_t ticket, int16_t error);
/* The group is gone: all who wait get COORDINATOR_NOT_AVAILABLE, and so does everybody after them. */
void group_state_kill(struct group_state *g);
/* Call when group_state_next_ms has come, or earlier. */
void group_state_tick(struct group_state *g);
static inline int64_t group_state_next_ms(const struct group_state *g) { return g->next_ms; }

static inline bool group_state_is(const struct group_state *g, enum group_phase p) { return sm_is(&g->sm, p); }
const char *group_state_name(const struct group_state *g); /* as Kafka names it: "PreparingRebalance" */
/* What the member sent for the chosen protocol; null without one. */
struct str group_state_metadata(const struct group_state *g, const struct group_member *m);
/* Does a member read the topic? The subscriptions of consumers are looked into; true if that cannot be told. */
bool group_state_reads(const struct group_state *g, struct str topic);

/* ---- From a stored record: begin, members, done. */
void group_state_load(struct group_state *g, struct str protocol_type, int32_t generation, struct str protocol,
                      int64_t changed_ms);
struct group_loaded {
    struct str id, instance_id, client_id, client_host, metadata, assignment;
    int32_t session_timeout_ms, rebalance_timeout_ms;
};
void group_state_load_member(struct group_state *g, const struct group_loaded *m, bool leader);
void group_state_load_done(struct group_state *g); /* sessions begin now */

/* Everything that must always hold; CHECKs. */
void group_state_check(const struct group_state *g);

#endif
