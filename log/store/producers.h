/* What one partition remembers of its idempotent producers: epoch and the last five batches of each (kafka.md 4.2).
 * Changes of a commit are tentative until it is durable: producers_settle keeps them, producers_undo takes them back.
 * Thread: the part's owner. Snapshot file: log/README.md. */
#ifndef STORE_PRODUCERS_H
#define STORE_PRODUCERS_H
#include "log/base/buf.h"
#include "log/wire/wire.h"

struct producers;
struct producers *producers_new(void);
void producers_free(struct producers *ps);
size_t producers_count(const struct producers *ps);

/* Whether the batch may be appended. 0: yes, as new. 1: it is a duplicate; *offset, *ts tell of the first time and
 * *tentative whether that one is not settled yet. E_SEQUENCE, E_PRODUCER_EPOCH. Batches without a producer: 0. */
int producers_check(struct producers *ps, const struct recbatch *rb, int64_t now_ms, int64_t expire_ms,
                    int64_t *offset, int64_t *ts, bool *tentative);
/* The batch (with its final base offset) is appended. append_ts: its append time, or -1 for create time. */
void producers_add(struct producers *ps, const struct recbatch *rb, int64_t now_ms, int64_t append_ts, bool tentative);
void producers_settle(struct producers *ps);
void producers_undo(struct producers *ps);
size_t producers_mark(const struct producers *ps);           /* a place to go back to */
void producers_undo_to(struct producers *ps, size_t mark);
/* Forgets those idle for expire_ms. Nothing may be tentative. */
void producers_expire(struct producers *ps, int64_t now_ms, int64_t expire_ms);

void producers_encode(const struct producers *ps, int64_t end_offset, struct wbuf *out);
/* Fills an empty ps. E_CORRUPT leaves it empty. */
int producers_decode(struct producers *ps, struct str bytes, int64_t now_ms, int64_t *end_offset);

#endif
