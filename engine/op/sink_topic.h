/* The two halves of the topic sink: records (sink_topic.c) and the table behind them (sink_table.c). Private to op. */
#ifndef OP_SINK_TOPIC_H
#define OP_SINK_TOPIC_H
#include "engine/op/common.h"

struct topic_sink {
    struct arena arena, scratch;
    struct encoder *enc;
    struct time_pattern *pattern; /* of a VARCHAR timestamp column */
    struct wbuf key, value;       /* of the record at hand */
    uint32_t robin;               /* next partition of a record without key */
    bool table, upsert, windowed;

    /* Tables. Image: the row as state keeps it: key columns, window start, value columns. */
    unsigned nkey, nstate_key;    /* nstate_key: with the window start */
    unsigned *input_cols;         /* input column of each image column */
    unsigned *image_cols;         /* 0, 1, 2, ... */
    unsigned *format_cols;        /* image column of each column of the format */
    struct schema image, shown;   /* shown: with WINDOWEND behind, for a scan */
    struct kv *rows;              /* state key -> row_put of the image; committed */
    struct kv *overlay;           /* marked, not yet committed: state key -> the same, or empty: gone */
    struct kv *pending;           /* changes of the running epoch */
    struct kv *expiry;            /* (time, state key); by when rows end */
    struct kv *again;             /* state keys whose record must be written at the next marker */
    struct kv *by_record_key;     /* while restarting: record key -> state key; NULL: not needed yet */
    uint64_t seq;                 /* arrival order within the epoch */
    int64_t wm_ms;
    struct wbuf state_key, row;
};

/* The record's key in k->key; *inner: its length without the window start. False: a NULL in a key that has no NULL. */
bool sink_record_key(struct op *op, const struct batch *b, uint32_t row, size_t *inner);
void sink_record(struct op *op, struct batch *image, uint32_t row, bool tombstone);

void sink_pend(struct op *op, struct batch *in, uint32_t row);
void sink_net(struct op *op, struct changes *out);
void sink_apply(struct op *op);
int sink_restore(struct op *op, unsigned store, struct str key, struct str value);

#endif
