/* The two halves of the topic sink: records (sink_topic.c) and the table behind them (sink_table.c). Private to op. */
#ifndef OP_SINK_TOPIC_H
#define OP_SINK_TOPIC_H
#include "engine/op/common.h"
#include "log/base/list.h"

/* Where a row's columns stand in a batch: the image's, and the format's. */
struct record_cols {
    const struct schema *schema;
    const unsigned *image, *format;
};

struct topic_sink {
    struct arena arena, scratch;
    struct encoder *enc;
    struct time_pattern *pattern; /* of a VARCHAR timestamp column */
    struct wbuf key, value;       /* of the record at hand */
    uint32_t robin;               /* next partition of a record without key */
    bool table, upsert, windowed;
    bool bounds;                  /* the window's end is part of the key, too */
    bool verbatim;                /* values may be written as they were read: plan_verbatim */

    /* Tables. Image: the row as state keeps it: key columns, window start [and end], value columns. */
    unsigned nkey, nstate_key;    /* nstate_key: with the window's part */
    unsigned *input_cols;         /* input column of each image column */
    unsigned *image_cols;         /* 0, 1, 2, ... */
    unsigned *format_cols;        /* image column of each column of the format */
    struct schema image, shown;   /* shown: with WINDOWEND behind, for a scan */
    struct store *rows;           /* ordered: state key -> row_put of the image; committed */
    struct kv *overlay;           /* marked, not yet committed: state key -> the same, or empty: gone */
    struct kv *stepped;           /* emit=record: the same of the epoch that goes on; NULL: else */
    struct kv *pending;           /* changes of the running epoch */
    struct store *expiry;         /* ordered: (time, state key); not before that time the row ends */
    struct list scans;            /* struct sink_scan, open */
    int64_t expired_ms;           /* all that was to end by this time has ended */
    struct wbuf expiry_at;        /* the last expiry key that came from the cold level */
    enum sink_stage { SINK_PENDING, SINK_EXPIRY, SINK_EXPIRED, SINK_READY } stage;
    struct kv *again;             /* state keys whose record must be written at the next marker */
    struct kv *by_record_key;     /* while restarting: record key -> state key; NULL: not needed yet */
    uint64_t seq;                 /* arrival order within the epoch */
    int64_t wm_ms;
    struct wbuf state_key, row;
    struct record_cols of_image, of_input;

    /* Derived tables (sink_derive.c). */
    bool derived, held;           /* held: a row was taken back, and the next may take its place: */
    struct wbuf held_key, held_row;
    struct wbuf changed;          /* what the marker has changed, until it is committed */
    struct list later;            /* struct derive_epoch: committed, not yet among rows; in order */
    size_t changed_counted;       /* of `changed`, in changes */
    struct account changes;       /* of `changed` and `later` */
    struct derive *derive;        /* NULL: not needed yet */
};

/* The record's key in k->key; *inner: its length without the window start. False: a NULL in a key that has no NULL. */
bool sink_record_key(struct op *op, const struct record_cols *c, const struct batch *b, uint32_t row, size_t *inner);
void sink_record(struct op *op, const struct record_cols *c, const struct batch *b, uint32_t row, bool tombstone);

void sink_pend(struct op *op, struct batch *in, uint32_t row);
void sink_net(struct op *op, struct changes *out);
void sink_step(struct op *op, struct changes *out);
void sink_apply(struct op *op);
int sink_restore(struct op *op, unsigned store, struct str key, struct str value);
void sink_opened(struct op *op, unsigned store, int64_t entries);
void sink_prepare(struct op *op, bool first, struct changes *out, struct needs *w);
int sink_load(struct op *op, unsigned store, struct str key, struct str value);
void sink_loaded(struct op *op, const struct need *n);
bool sink_evict(struct op *op, size_t steps);
void sink_tidy(struct op *op, size_t steps);

/* A batch of one row out of an image; in scratch, which the caller empties. */
struct batch *sink_image_batch(struct op *op, struct str image, int64_t ts);
void sink_count_state(struct op *op);

/* ---- sink_derive.c */
void derive_push(struct op *op, struct batch *in);
void derive_marker(struct op *op);
void derive_committed(struct op *op);
void derive_catch_up(struct topic_sink *k); /* all that is committed is among rows now: before somebody looks at them */
void derive_tidy(struct op *op);            /* what the checkpoint has need not follow any more */
void derive_drop(struct topic_sink *k);
/* Values of the aggregate's store become rows of the table: taken one after the other, given together. */
void derive_take(struct op *op, struct str key, struct str value);
void derive_give(struct op *op, void (*row_cb)(void *arg, struct str key, struct str row), void *arg);
void derive_free(struct derive *d);

/* ---- sink_scan.c: a committed row is about to change. */
void sink_scans_note(struct topic_sink *k, struct str key, struct str before);

#endif
