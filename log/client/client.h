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
/* offset: where to start; -1 latest, -2 earliest. ready_cb(arg) runs on loop when reader_next may give more after it gave
 * none. Borrows part's handle (takes its own reference). */
int reader_open(struct reader **out, struct part *part, struct loop *loop, int64_t offset, enum isolation isolation,
                void (*ready_cb)(void *arg), void *arg) MUST_USE;
/* Whole recbatches, durable ones only, never markers, at most about 1 MiB; borrowed until the next call. 1: some, perhaps
 * empty (then reader_offset has moved); 0: none now, ready_cb will come; negative: E_NO_TOPIC (deleted), E_OFFSET_RANGE
 * (trimmed away; reader_seek), E_STORAGE. The first recbatch may hold records below reader_offset: skip them. What lies
 * between the last recbatch and reader_offset was left out. */
int reader_next(struct reader *r, struct str *bytes);
void reader_seek(struct reader *r, int64_t offset);
int64_t reader_offset(const struct reader *r);         /* next offset wanted */
int64_t reader_end(struct reader *r);                  /* high watermark or last stable offset now; -1 unknown yet */
int64_t reader_start(struct reader *r);                /* log start now */
void reader_close(struct reader *r);                   /* ready_cb will not run any more; frees later by itself */

/* ---- Appending records: builds recbatches and submits them. */
struct writer;
/* One writer per part and task. Records collect until writer_flush, which submits all as recbatches of at most the part's
 * limit; flushed_cb(arg, status) once per flush, when all of it is durable, with the offset after the last record. */
int writer_open(struct writer **out, struct store *st, struct part *part, struct loop *loop) MUST_USE;
void writer_record(struct writer *w, int64_t ts_ms, struct str key, struct str value); /* copies; null is allowed */
size_t writer_bytes(const struct writer *w); /* collected, not flushed */
void writer_flush(struct writer *w, void (*flushed_cb)(void *arg, int status, int64_t base_offset, int64_t end_offset),
                  void *arg);
void writer_close(struct writer *w); /* pending flushes still call back; frees afterwards */

/* Which partition a key belongs to, as the Java client decides; null keys go round robin from *spin. */
int32_t client_partition(struct str key, int32_t nparts, uint32_t *spin);

#endif
