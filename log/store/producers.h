/* What one partition remembers of its producers: epoch, the last five batches, the open transaction (kafka.md 4.2,
 * 4.3). Changes of a commit are tentative until it is durable: producers_settle keeps them, producers_undo takes them
 * back. A transaction is undecided until the high watermark has passed its marker: producers_undecided.
 * Thread: the part's owner. Snapshot file: log/store/README.md. */
#ifndef STORE_PRODUCERS_H
#define STORE_PRODUCERS_H
#include "log/base/buf.h"
#include "log/store/txnindex.h"
#include "log/wire/wire.h"

struct producer_info;
struct producers;
struct producers *producers_new(void);
void producers_free(struct producers *ps);
size_t producers_count(const struct producers *ps);
/* One element a producer, in no order. */
void producers_list(const struct producers *ps, struct producer_info *out);

struct producers_ask {
    int64_t now_ms, expire_ms;
    uint32_t flags; /* as of the append */
    uint64_t guard; /* in; out with E_TXN_UNVERIFIED */
    /* out, for a duplicate: of the first time, and whether that one is not settled yet */
    int64_t offset, ts;
    bool tentative;
};
/* Whether the batch may be appended. 0: yes, as new. 1: it is a duplicate. E_TXN_UNVERIFIED, E_TXN_STATE, E_SEQUENCE,
 * E_PRODUCER_EPOCH; E_BAD_RECORD for a transaction's batch without sequence. Batches without a producer: 0. */
int producers_check(struct producers *ps, const struct recbatch *rb, struct producers_ask *ask);
/* The sequence that a batch of this producer and epoch must begin with now; what an idle producer had is forgotten. */
int32_t producers_next(const struct producers *ps, int64_t id, int16_t epoch, int64_t now_ms, int64_t expire_ms);
/* The batch (with its final base offset) is appended. append_ts: its append time, or -1 for create time. */
void producers_add(struct producers *ps, const struct recbatch *rb, int64_t now_ms, int64_t append_ts, bool tentative);

/* The same for a marker: E_COORD_EPOCH, E_PRODUCER_EPOCH. */
int producers_check_end(struct producers *ps, const struct recbatch *rb, const struct recbatch_marker *m,
                        uint32_t flags);
/* True: it aborted a transaction, which is for the index. */
bool producers_end(struct producers *ps, const struct recbatch *rb, const struct recbatch_marker *m, int64_t now_ms,
                   bool tentative, struct txnindex_entry *aborted);

/* The first offset of any transaction without an outcome below the high watermark, as of the last producers_passed;
 * INT64_MAX: there is none. Tentative changes count as far as they make it lower. */
int64_t producers_undecided(const struct producers *ps);
/* The high watermark is here now. */
void producers_passed(struct producers *ps, int64_t high_watermark);

void producers_settle(struct producers *ps);
void producers_undo(struct producers *ps);
size_t producers_mark(const struct producers *ps);           /* a place to go back to */
void producers_undo_to(struct producers *ps, size_t mark);
/* Forgets those idle for expire_ms that have no transaction open. Nothing may be tentative. */
void producers_expire(struct producers *ps, int64_t now_ms, int64_t expire_ms);

/* aborted: those of the segment that the snapshot is written beside, up to end_offset; NULL for none. */
void producers_encode(const struct producers *ps, int64_t end_offset, const struct txnindex *aborted, struct wbuf *out);
/* Fills an empty ps, and *aborted with a new one. E_CORRUPT leaves ps empty and *aborted NULL. */
int producers_decode(struct producers *ps, struct str bytes, int64_t now_ms, int64_t *end_offset,
                     struct txnindex **aborted);

#endif
