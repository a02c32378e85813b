/* One interface to a log for the layers above: in this process (local.c). Reading goes through published views, without
 * a hop; appending through store_append. And a small Kafka client over a socket for the command line (remote.h).
 * Thread: a reader belongs to the loop it was opened on. */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H
#include "log/broker/broker.h"

/* ---- Reading one partition in order. */
struct reader;
/* Committed: up to the last stable offset, and without the batches of aborted transactions. */
enum isolation { READ_UNCOMMITTED, READ_COMMITTED };
/* offset: where to start; -1 latest, -2 earliest. ready_cb(arg) runs on loop when reader_next may give more after it
 * gave none. Borrows part's handle (takes its own reference). */
int reader_open(struct reader **out, struct part *part, struct loop *loop, int64_t offset, enum isolation isolation,
                void (*ready_cb)(void *arg), void *arg) MUST_USE;
/* Whole recbatches, durable ones only, never markers, at most about 1 MiB; borrowed until the next call. 1: some,
 * perhaps empty (then reader_offset has moved); 0: none now, ready_cb will come; negative: E_NO_TOPIC (deleted),
 * E_OFFSET_RANGE (trimmed away; reader_seek), E_STORAGE. The first recbatch may hold records below reader_offset: skip
 * them. What lies between the last recbatch and reader_offset was left out. */
int reader_next(struct reader *r, struct str *bytes);
void reader_seek(struct reader *r, int64_t offset);
int64_t reader_offset(const struct reader *r);         /* next offset wanted */
int64_t reader_end(struct reader *r);                  /* high watermark or last stable offset now; -1 unknown yet */
int64_t reader_start(struct reader *r);                /* log start now */
void reader_close(struct reader *r);                   /* ready_cb will not run any more; frees later by itself */

/* ---- Appending records: builds recbatches and submits them. */
struct writer;
/* One writer per part and task. Records collect until writer_flush, which submits all as recbatches of at most the
 * part's limit; flushed_cb(arg, status) once per flush, when all of it is durable, with the offset after the last
 * record. */
int writer_open(struct writer **out, struct store *st, struct part *part, struct loop *loop) MUST_USE;
void writer_record(struct writer *w, int64_t ts_ms, struct str key, struct str value); /* copies; null is allowed */
/* headers: as struct record has them (log/wire/recbatch.h). */
void writer_record_headers(struct writer *w, int64_t ts_ms, struct str key, struct str value, struct str headers,
                           uint32_t headers_n);
size_t writer_bytes(const struct writer *w); /* collected, not flushed */
void writer_flush(struct writer *w, void (*flushed_cb)(void *arg, int status, int64_t base_offset, int64_t end_offset),
                  void *arg);
void writer_close(struct writer *w); /* pending flushes still call back; frees afterwards */

/* ---- A transactional producer of this process: one transaction after the other over any number of partitions.
 *
 * Each transaction has a number, which its owner gives: a job's epoch. A writer that belongs to a txn names a number
 * with each flush. What is flushed for a transaction that is not yet open waits until it is; the first flush into a
 * partition has the coordinator add it, together with the partitions of all other writers that come by then; later ones
 * go straight to the log. A transaction into which nothing was flushed costs nothing.
 *
 * Thread: txn_* on the home loop, writers on any loop. Errors: E_PRODUCER_EPOCH (another producer has taken the id, or
 * the transaction took longer than its timeout), E_COORDINATOR (it cannot do it now: it is loading, the disk is full),
 * E_STORAGE, E_NO_TOPIC. After an error of txn_end only txn_init (of another txn with the same id) tells what became of
 * the transaction. */
struct txn;
struct txn *txn_open(struct broker *b, const char *id, int32_t timeout_ms, struct loop *home);
/* Fences whoever had the id; what they left open is aborted, what they had decided is completed before done_cb.
 * Once. */
void txn_init(struct txn *t, void (*done_cb)(void *arg, int status), void *arg);
/* The partition takes part in every transaction that is not empty; added with the first one of each. Once. */
void txn_always(struct txn *t, struct part *part);
/* Opens a transaction. Numbers rise; the one before has ended. */
void txn_begin(struct txn *t, int64_t number);
/* Something may be in the open transaction. */
bool txn_used(const struct txn *t);
/* All flushes into it have called back. Commit: done_cb with 0 once the decision is durable. Not on its loop's
 * stack. */
void txn_end(struct txn *t, bool commit, void (*done_cb)(void *arg, int status), void *arg);
/* From now on flushes that were not yet admitted call back with E_CANCELED. */
void txn_cancel(struct txn *t);
/* No request of it is under way and its writers are closed. NULL is fine. */
void txn_close(struct txn *t);

/* A writer of a transactional producer, which outlives it. Several may write to one part, on any loops. */
int writer_open_txn(struct writer **out, struct store *st, struct part *part, struct loop *loop, struct txn *t) MUST_USE;
/* The same as writer_flush, as part of a transaction of the writer's producer. Numbers never fall. An error leaves the
 * transaction to be aborted. */
void writer_flush_in(struct writer *w, int64_t number,
                     void (*flushed_cb)(void *arg, int status, int64_t base_offset, int64_t end_offset), void *arg);

/* Which partition a key belongs to, as the Java client decides; null keys go round robin from *spin. */
int32_t client_partition(struct str key, int32_t nparts, uint32_t *spin);

#endif
