/* State that is kept in an internal compacted topic: a key's newest record is its state. The topic is made at first
 * need; the state of a partition lives on the loop that owns the partition and is built there by replaying it.
 *
 * __transaction_state and __consumer_offsets are such logs. What the records mean is the business of a class.
 * Thread: statelog_ask on any loop; everything with a struct statelog_part on that part's loop. */
#ifndef COORD_STATELOG_H
#define COORD_STATELOG_H
#include "log/cluster/cluster.h"
#include "log/wire/wire.h"

struct statelog;
struct statelog_part;

/* All slots run on the part's loop. */
struct statelog_class {
    const char *topic;
    /* An empty state for this part; what it gives is handed to all others. arg is the log's. */
    void *(*open)(void *arg, struct statelog_part *lp);
    /* A record while the log is replayed, in order. The batch tells the producer and whether it is transactional: then
     * the record counts only once a marker says so. A null value is a tombstone. Malformed records are the class's to
     * tell and skip. */
    void (*record)(void *state, const struct recbatch *rb, const struct record *rec);
    /* A transaction marker: while replaying, and for each one that statelog_mark has made durable. */
    void (*marker)(void *state, int64_t producer_id, int16_t epoch, bool commit);
    void (*loaded)(void *state); /* everything was replayed: asks are answered from now on */
    void (*close)(void *state);  /* the topic was deleted, or the server ends (then the loops have stopped) */
};
struct statelog_conf {
    const struct statelog_class *cls;
    void *arg;
    struct store *store;
    struct cluster *cluster;
    struct loop *const *loops;
    unsigned nloops;
    int32_t nparts; /* of a topic that has to be made */
};
/* Before the loops start. Parts that exist are read as soon as the loops run. */
void statelog_open(struct statelog **out, const struct statelog_conf *conf);
void statelog_close(struct statelog *sl); /* after the loops have stopped */

/* Java's String.hashCode over UTF-16, its sign bit cleared, modulo the number of partitions. */
int32_t statelog_index(const struct statelog *sl, struct str key);
int32_t statelog_nparts(const struct statelog *sl);
const char *statelog_topic(const struct statelog *sl);

/* Goes to the loop of a part, once its state is there. */
struct statelog_ask {
    int32_t index; /* statelog_index(key) */
    bool wait;     /* wait until the log has been read, instead of COORDINATOR_LOADING */
    /* lp and state are NULL if error is set (COORDINATOR_LOADING, COORDINATOR_NOT_AVAILABLE, STORAGE); then it runs on
     * any loop. Otherwise on the part's. */
    void (*ask_cb)(struct statelog_ask *ask, struct statelog_part *lp, void *state, int16_t error);
    struct loop *loop;   /* in: the loop that asks */
    struct statelog *sl; /* the log's own, and all below */
    struct part *part;
    struct msg msg;
    struct list link;
};
void statelog_ask(struct statelog *sl, struct statelog_ask *ask);

/* The states that live on this loop, one a call, *iter starting at 0; NULL at the end. *error becomes
 * COORDINATOR_LOADING if one is not there yet, and stays as it is otherwise. */
void *statelog_each(struct statelog *sl, struct loop *loop, int32_t *iter, int16_t *error);

struct loop *statelog_part_loop(const struct statelog_part *lp);
int32_t statelog_part_index(const struct statelog_part *lp);
int32_t statelog_part_epoch(const struct statelog_part *lp); /* leader epoch: the coordinator's */
/* While it is held, close is not called: for work under way whose end looks at the state. Writes hold by themselves. */
void statelog_hold(struct statelog_part *lp);
void statelog_drop(struct statelog_part *lp);

/* Appends records as one batch; done_cb on the part's loop, once, when they are durable (or were refused: status).
 * Appends of one part become durable in the order of these calls. A producer id (-1: none) makes the batch
 * transactional; its sequence numbers are the log's business. flags and guard are the store's: E_TXN_UNVERIFIED gives a
 * guard; ask the coordinator, then append again with APPEND_VERIFIED and the guard. */
struct statelog_record {
    struct str key, value; /* value null: a tombstone. Copied */
};
struct statelog_write {
    void (*done_cb)(struct statelog_write *w, int status);
    int64_t producer_id;
    int16_t epoch;
    uint32_t flags; /* APPEND_VERIFIED, APPEND_TXN_V2 */
    uint64_t guard; /* in; out with E_TXN_UNVERIFIED */
    struct statelog_part *lp; /* the log's own, and all below */
    struct buf *buf;
    int32_t base_sequence;
    struct append append;
    struct append_set set;
};
void statelog_append(struct statelog_part *lp, struct statelog_write *w, const struct statelog_record *recs,
                     unsigned n);

/* Ends a producer's transaction on a part: appends the marker, and tells the class once it is durable. Any loop;
 * done_cb on `from`, after the class knows. status as of the append; E_BUSY: the part's state is not available. */
struct statelog_mark {
    struct loop *from;
    void (*done_cb)(struct statelog_mark *m, int status);
    int32_t index;
    int64_t producer_id;
    int16_t epoch;
    int32_t coordinator_epoch;
    bool commit, v2;
    struct statelog *sl; /* the log's own, and all below */
    struct statelog_ask ask;
    struct statelog_part *lp;
    struct buf *buf;
    struct append append;
    struct append_set set;
    struct msg msg;
    int status;
};
void statelog_mark(struct statelog *sl, struct statelog_mark *m);

#endif
