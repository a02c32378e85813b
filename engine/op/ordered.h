/* Rows in order, by partition: what TOPN and OVER keep of their input. Private to op.
 *
 * Rows are weights: (partition, order, row) -> how often the row is there, which may be negative until the marker. Ties are
 * broken by the encoded row, so the order is the same whatever came first. What a row's weight was at the last marker is
 * remembered for those that changed since: a walk over a partition shows both, and what differs is what has to go out.
 * A partition comes into memory and goes as a whole. Bytes: engine/README.md, "Operators". */
#ifndef OP_ORDERED_H
#define OP_ORDERED_H
#include "engine/op/common.h"

struct ordered {
    struct op *op;        /* its node: group_cols, sort; input 0 */
    unsigned store;       /* the operator's own number of it */
    unsigned ncols, *cols;
    struct arena arena;
    struct store *rows;
    struct kv *touched;   /* ordered: keys that changed since the last marker -> the value they had then, "" for none */
    struct wbuf key, at;
    size_t partition_len, order_len; /* of the key last made */
    void (*gone_cb)(struct op *op, struct str partition); /* it has left memory; may be NULL */
};
struct ordered_row { /* now, and was: at the last marker; weights below 0 count as 0 */
    struct str partition, order, row;
    struct str key; /* the three together */
    int64_t now, was, ts, was_ts;
};
typedef int (*ordered_each)(void *arg, const struct ordered_row *r);

void ordered_init(struct ordered *o, struct op *op, unsigned store);
void ordered_fini(struct ordered *o);
/* Where a row has its place: o->key is its partition and order. */
void ordered_locate(struct ordered *o, const struct batch *in, uint32_t row);
void ordered_complete(struct ordered *o, const struct batch *in, uint32_t row); /* o->key is the whole key */
/* The row last completed comes, or goes. */
void ordered_add(struct ordered *o, int weight, int64_t ts);
void ordered_drop(struct ordered *o, struct str key); /* it need not be kept any longer */
/* Calls each_cb for the rows of a partition in order, those that are gone since the last marker among them, until it answers
 * non-zero. Nothing may change meanwhile. */
int ordered_walk(struct ordered *o, struct str partition, ordered_each each_cb, void *arg);
/* The first partition that changed since the last marker, behind another (STR_NULL: of all); copied. */
bool ordered_changed(struct ordered *o, struct str behind, struct wbuf *partition);
/* The epoch's changes go out; nothing is touched any more. */
void ordered_save(struct ordered *o, struct changes *out);
int ordered_restore(struct ordered *o, struct str key, struct str value);
/* State larger than memory. */
void ordered_want(struct ordered *o, const struct batch *in, struct needs *w);
void ordered_prepare(struct ordered *o, bool first, struct needs *w); /* all changed partitions */
int ordered_load(struct ordered *o, struct str key, struct str value);
void ordered_loaded(struct ordered *o, const struct need *w);

#endif
