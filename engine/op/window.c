#include "engine/op/common.h"

/* Tumbling windows: adds the bounds of the window a row falls into, and drops rows whose window has closed.
 *
 * Late is measured against this input's own stream time, the greatest event time met so far, the row itself included: a
 * row at a time, so that the result does not depend on where batches are cut. Stream time is state: after a restart the
 * same rows are late. */

struct window {
    int64_t stream_ms, saved_ms; /* INT64_MIN: no row yet */
    int64_t start_ms, end_ms;    /* of the last row: most rows need no division */
};
enum { STORE_TIME };

static int window_open(struct op *op, struct diag *d)
{
    (void)d;
    struct window *w = op->state;
    w->stream_ms = w->saved_ms = INT64_MIN;
    return 0;
}

/* Sets start_ms and end_ms to the window of ts. */
static void window_find(struct window *w, int64_t ts, int64_t size)
{
    int64_t past = ts % size;
    if (past < 0)
        past += size;
    w->start_ms = time_add(ts, -past);
    w->end_ms = time_add(w->start_ms, size);
}

static void window_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    struct window *w = op->state;
    int64_t size = op->node->window_size_ms, grace = op->node->grace_ms;
    struct batch out = *in;
    out.ncols = in->ncols + 2;
    out.cols = ARENA_ARRAY(in->arena, struct vec, out.ncols);
    memcpy(out.cols, in->cols, in->ncols * sizeof *in->cols);
    struct vec *start = &out.cols[in->ncols], *end = start + 1;
    vec_alloc(start, in->arena, TYPE(T_BIGINT), in->n);
    vec_alloc(end, in->arena, TYPE(T_BIGINT), in->n);
    uint32_t *sel = arena_alloc(in->arena, sizeof *sel * in->nsel), n = 0;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        int64_t ts = in->ts[row];
        if (ts < w->start_ms || ts >= w->end_ms)
            window_find(w, ts, size);
        if (ts > w->stream_ms)
            w->stream_ms = ts;
        start->i64[row] = w->start_ms;
        end->i64[row] = w->end_ms;
        sel[n] = row;
        n += time_add(w->end_ms, grace) > w->stream_ms;
    }
    op->stats.late += in->nsel - n;
    out.sel = sel;
    out.nsel = n;
    op_emit(op, &out);
}

static void window_marker(struct op *op, struct changes *out)
{
    struct window *w = op->state;
    if (w->stream_ms == w->saved_ms)
        return;
    uint8_t value[9] = {OP_LAYOUT};
    put_be64(value + 1, (uint64_t)w->stream_ms);
    changes_put(out, op_store(op, STORE_TIME), STR(""), (struct str){(char *)value, sizeof value});
    w->saved_ms = w->stream_ms;
}

static int window_restore(struct op *op, unsigned store, struct str key, struct str value)
{
    (void)store;
    struct window *w = op->state;
    if (key.len || value.len != 9 || value.ptr[0] != OP_LAYOUT)
        return E_CORRUPT;
    w->stream_ms = w->saved_ms = (int64_t)be64(value.ptr + 1);
    return 0;
}

const struct op_class window_class = {
    .name = "WINDOW",
    .size = sizeof(struct window),
    .open = window_open,
    .push = window_push,
    .marker = window_marker,
    .restore = window_restore,
};
