/* A consumer group of KIP-848 as a machine: heartbeats and the passing of time go in, what each member is to own comes
 * out. The server decides who owns what (consumer_assign.h); members only say what they read and what they hold.
 *
 *   group epoch    bumped when a member comes or goes, reads something else, or a topic that is read changes
 *   target         what each member is to own as of an epoch; made anew when the group's epoch is above it
 *   member epoch   the target's once the member has given up all that it is not to own any more
 *
 * A partition has one holder at most: it is given to its next one only after the last one said that it let go. States
 * of a member: *stable*; *unrevoked*: it holds what it has to give up; *unreleased*: what it is to get is held by
 * others.
 *
 * Pure: no I/O, no clock, no memory but its own. What changed is marked dirty for the driver to write; answers are
 * given only when that is durable. Thread: the loop of the group's partition. */
#ifndef COORD_CONSUMER_H
#define COORD_CONSUMER_H
#include "log/base/list.h"
#include "log/base/map.h"
#include "log/base/sm.h"
#include "log/coord/consumer_assign.h"

enum consumer_phase {
    CONSUMER_STABLE,
    CONSUMER_UNREVOKED,
    CONSUMER_UNRELEASED
}; /* in records one more, as Kafka numbers them */
enum { EPOCH_JOIN = 0, EPOCH_LEAVE = -1, EPOCH_LEAVE_STATIC = -2 };

/* The topics there are, as of the event at work. */
struct consumer_topics {
    void *arg;
    int64_t version; /* grows with each change */
    bool (*find)(void *arg, struct str name, struct assign_topic *out);
    /* Calls each_cb with every topic that clients see. */
    void (*each)(void *arg, void (*each_cb)(void *to, struct str name), void *to);
};
struct consumer_conf {
    int32_t session_ms, heartbeat_ms;
    int64_t size_max;
};

struct consumer_member {
    struct list link; /* consumer.members, in order of arrival */
    struct str id, instance_id, rack_id, client_id, client_host, regex, assignor; /* null: none */
    struct str *topics; /* names it reads, ascending, none twice */
    unsigned ntopics;
    struct str *found; /* by its regular expression */
    unsigned nfound;
    int32_t rebalance_ms;
    struct sm sm;
    int32_t epoch, last_epoch; /* last_epoch: the one before, for who missed an answer */
    struct owned_set holds, gives_up, target;
    int64_t due_ms;                                      /* when it has been silent for too long */
    int64_t give_up_ms;                                  /* until when it has to have let go; 0: it need not */
    bool dirty_self, dirty_target, dirty_current, newly; /* what a record lacks; newly: no record of it yet */
};
struct consumer {
    const struct consumer_conf *conf;
    int64_t now_ms;
    struct str id;
    int32_t epoch, target_epoch;
    int64_t topics_hash;    /* of what is read, as it was when the epoch was bumped last */
    int64_t topics_version; /* that was looked at */
    struct list members;
    struct map by_id, by_instance;
    struct map holders; /* of each partition that is held, or being given up: struct consumer_member */
    unsigned nmembers;
    bool dirty_epoch, dirty_target_epoch;
    struct str *gone; /* members whose records have to go */
    unsigned ngone, gone_cap;
    int64_t next_ms; /* nothing happens before; INT64_MAX: nothing at all */
};

/* A heartbeat; null (or -1) is "as before". Borrowed for the call. */
struct consumer_beat {
    struct str member_id, instance_id, rack_id, client_id, client_host, regex, assignor;
    int32_t epoch, rebalance_ms;
    const struct str *topics;
    int ntopics; /* -1: as before */
    const struct owned *owned;
    int nowned;
};
struct consumer_answer { /* borrowed until the next call */
    int16_t error;
    const char *message; /* NULL: none */
    int32_t epoch;
    const struct owned_set *holds; /* NULL: as it was told before */
};

void consumer_init(struct consumer *c, struct str id, const struct consumer_conf *conf);
void consumer_fini(struct consumer *c);

void consumer_beat(struct consumer *c, int64_t now_ms, const struct consumer_topics *topics,
                   const struct consumer_beat *b, struct consumer_answer *out);
/* Call when consumer.next_ms has come, or earlier: members that are silent or do not let go are gone. */
void consumer_tick(struct consumer *c, int64_t now_ms);
/* May this member commit (or ask for) offsets? Kafka's error, or 0. txn: of a transaction. */
int16_t consumer_may(const struct consumer *c, struct str member_id, int32_t epoch, bool txn);
bool consumer_reads(const struct consumer *c, struct str topic);
/* "Empty", "Assigning", "Reconciling", "Stable". */
const char *consumer_state(const struct consumer *c);
/* The assignor that most members want. */
const char *consumer_assignor(const struct consumer *c);

/* ---- Keeping it. Is there anything to write? Then the driver does so and says so; a write that fails says redo. */
bool consumer_dirty(const struct consumer *c);
void consumer_clean(struct consumer *c); /* all that was dirty is in a record */
void consumer_redo(struct consumer *c);  /* nothing is known to be in a record */

/* ---- From records, in whatever order a compacted log has them. */
struct consumer_member *consumer_load_member(struct consumer *c, struct str id); /* makes it */
void consumer_load_removed(struct consumer *c, struct str id);                   /* its member record is gone */
void consumer_load_subscription(struct consumer_member *m, const struct consumer_beat *b);
/* state as in a record: 1 stable, 2 unrevoked, 3 unreleased. */
void consumer_load_current(struct consumer_member *m, int32_t epoch, int32_t last_epoch, int8_t state);
void consumer_load_done(struct consumer *c,
                        int64_t now_ms); /* sessions begin now; members without a record of their own go */

/* Everything that must always hold; CHECKs. */
void consumer_check(const struct consumer *c);

#endif
