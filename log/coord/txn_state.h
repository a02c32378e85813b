/* One transactional id: what is known of its producer and its transaction, and what an event makes of it (kafka.md
 * 4.3).
 *
 * Pure: an event and the time go in, effects come out; the driver (txn.c) writes the log and the markers and comes back
 * with how that went. What the log does not hold yet is in `next` and shows nowhere: a step that fails leaves no trace,
 * so a fence that could not be written has bumped no epoch (KAFKA-9666).
 * Thread: the loop of the id's partition of __transaction_state. Records: log/coord/README.md, "Transaction log". */
#ifndef COORD_TXN_STATE_H
#define COORD_TXN_STATE_H
#include "log/base/buf.h"
#include "log/base/sm.h"
#include "log/coord/coord.h"

/* Kafka's numbers, as the log has them. */
enum txn_status {
    TXN_EMPTY = 0,
    TXN_ONGOING = 1,
    TXN_PREPARE_COMMIT = 2,
    TXN_PREPARE_ABORT = 3,
    TXN_COMPLETE_COMMIT = 4,
    TXN_COMPLETE_ABORT = 5,
    TXN_DEAD = 6,
    TXN_PREPARE_EPOCH_FENCE = 7, /* the abort of an ongoing transaction by somebody else is being written */
};
#define TXN_EPOCH_LAST 32766 /* the last that a client may have; the one above ends its transaction */

struct txn_part {
    char *topic;
    int32_t index;
};
struct txn_meta {
    int64_t producer_id, prev_producer_id, next_producer_id; /* -1: none */
    int16_t epoch, last_epoch;                               /* -1: none */
    int32_t timeout_ms;
    enum txn_status status;
    int64_t start_ms, update_ms; /* -1: no transaction yet */
    bool v2;                     /* the transaction is of KIP-890 part 2 */
    struct txn_part *parts;      /* sorted by topic and index */
    unsigned nparts;
};
struct txn_state {
    struct txn_meta now;  /* durable */
    struct txn_meta next; /* being written, if pending */
    bool pending;
    int16_t then; /* error to answer with once next is durable */
    struct sm sm; /* follows now.status; PREPARE_EPOCH_FENCE while that is being written */
};

struct txn_effects {
    bool answer;         /* tell whoever asked: error, producer_id, epoch */
    int16_t error;
    int64_t producer_id;
    int16_t epoch;
    bool need_pid;       /* nothing has happened: the same event again, with a fresh producer id */
    bool log;            /* write next, then txn_logged; the answer comes from there */
    bool mark;           /* write the markers of now (it is PREPARE_*), then txn_state_marked */
    bool log_behind;     /* write now some time; what is written next of this id stands for it as well */
    bool gone;           /* the id is forgotten */
};

/* A fresh id's first state: Empty, without an epoch. */
void txn_state_init(struct txn_state *t, int64_t producer_id, int32_t timeout_ms, int64_t now_ms);
void txn_state_fini(struct txn_state *t);

/* expect: producer_id and epoch tell whom the caller takes itself for. fresh_pid -1: none at hand. */
struct txn_taker {
    int32_t timeout_ms;
    bool expect;
    int64_t producer_id;
    int16_t epoch;
};
struct txn_effects txn_state_take(struct txn_state *t, const struct txn_taker *in, int64_t fresh_pid, int64_t now_ms);
struct txn_effects txn_state_add(struct txn_state *t, int64_t producer_id, int16_t epoch, bool v2,
                           const struct coord_part *const *parts, unsigned n, int64_t now_ms);
/* Fills each part's error; gives the error that all have, or 0. */
int16_t txn_state_verify(const struct txn_state *t, int64_t producer_id, int16_t epoch, struct coord_part *parts,
                         unsigned n);
struct txn_ending {
    int64_t producer_id;
    int16_t epoch;
    bool commit, v2;
};
struct txn_effects txn_state_end(struct txn_state *t, const struct txn_ending *in, int64_t fresh_pid, int64_t now_ms);
/* Aborts a transaction that has been open for longer than its timeout. */
struct txn_effects txn_state_timeout(struct txn_state *t, int64_t now_ms);
/* Forgets an id that has been idle for expire_ms: log means a tombstone here. */
struct txn_effects txn_state_expire(struct txn_state *t, int64_t expire_ms, int64_t now_ms);

struct txn_effects txn_state_logged(struct txn_state *t, bool ok, int16_t error);
struct txn_effects txn_state_marked(struct txn_state *t, int64_t now_ms);
/* After the replay: what was decided is carried out. */
struct txn_effects txn_state_resume(struct txn_state *t);

const char *txn_status_name(enum txn_status status); /* Kafka's */
bool txn_has_part(const struct txn_meta *m, struct str topic, int32_t index);

/* Records of the log: key and value with their versions in front. */
void txn_key_encode(struct str txn_id, struct wbuf *w);
void txn_value_encode(const struct txn_meta *m, struct wbuf *w);
/* E_SHORT, E_SYNTAX, E_UNSUPPORTED (a newer version). txn_id points into key. t is initialised by a good value. */
int txn_key_decode(struct str key, struct str *txn_id);
int txn_value_decode(struct str value, struct txn_state *t);

#endif
