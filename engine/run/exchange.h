/* Rows on their way from a task to a task: channels with credit, in order, over the mailboxes of the shards.
 *
 * A parcel travels to the consumer's loop and back; its return is the credit. Everything of one channel arrives in the
 * order in which it was sent: batches, watermarks, markers. Thread: `from` part on the sender's loop, `to` part on the
 * receiver's. */
#ifndef RUN_EXCHANGE_H
#define RUN_EXCHANGE_H
#include "engine/vec/vec.h"
#include "log/base/list.h"
#include "log/base/loop.h"

struct task;
struct plan_node;

enum parcel_kind { PARCEL_BATCH, PARCEL_WATERMARK, PARCEL_MARKER };
struct parcel {
    struct msg msg;
    struct list link; /* consumer's inbox; then the sender's spares */
    struct channel *ch;
    enum parcel_kind kind;
    struct batch *batch; /* lives in arena */
    struct arena arena;
    size_t bytes;         /* of credit */
    int64_t epoch;        /* MARKER */
    int64_t watermark_ms; /* holds after the batch */
    bool idle;
    bool step;            /* emit=record: the record whose effect this is has no further rows for the receiver */
};

struct channel {
    struct task *from, *to;
    size_t flying;       /* sender's: bytes not yet returned */
    size_t max;          /* when more than this is flying, the sender waits */
    struct parcel *last; /* emit=record: of the step under way, not sent yet, as it may be the last */
    char apart[32];      /* the two sides write to lines of their own */
    unsigned inlet;      /* receiver's: its number at `to` */
    bool held;           /* its marker has come, others' have not */
    struct list waiting; /* parcels that came while it was held */
    struct list rest;    /* receiver's: rows of a step that is not complete */
};

void channel_init(struct channel *ch, struct task *from, struct task *to, unsigned inlet);

/* Sends the selected rows of b to their owners; rows with a NULL key are dropped if the exchange says so (their number
 * is the answer). Borrows b. */
uint32_t exchange_rows(struct task *t, const struct plan_node *exchange, const struct batch *b);
/* The same to every channel of the task. */
void exchange_watermark(struct task *t); /* what the task holds of it now */
void exchange_marker(struct task *t, int64_t epoch);
void exchange_step(struct task *t); /* emit=record: the rows of a step are all given */
/* Receiver: done with a parcel; it goes back to its sender. */
void parcel_return(struct parcel *p);
/* Sender: frees the spare parcels. All must have come back. */
void exchange_fini(struct task *t);
#endif
