#include "engine/op/windows.h"

/* Windows: gives each row once for each window it lies in, with the window's bounds; or, sliced, once, with the start of its
 * slice and how many of the slice's windows it is too late for: the aggregate above makes windows of slices. A row that is
 * too late for all its windows is dropped. Of sessions it says the row's time and which ends are over by now; what that means
 * for the row is seen where its session is known.
 *
 * Late is measured against this input's own stream time, the greatest event time met so far less the bound of disorder, the
 * row itself included: a row at a time, so that the result does not depend on where batches are cut. Stream time is state:
 * after a restart the same rows are late. */

struct window {
    struct windows windows;
    int64_t stream_ms, saved_ms; /* greatest event time; INT64_MIN: no row yet */
    struct span slice;           /* of the last row: most rows need no division */
    unsigned count;              /* its windows */
    struct span *spans;          /* they */
    unsigned cap;
    /* Rows of the batch in hand, once per window, on their way out. */
    uint32_t n, *rows; /* ENGINE_BATCH_ROWS of them; NULL: they stay where they are */
    struct span *at;
};
enum { STORE_TIME };

static int window_open(struct op *op, struct diag *d)
{
    struct window *w = op->state;
    w->stream_ms = w->saved_ms = INT64_MIN;
    if (!op->node->sliced && (op->node->window == WINDOW_HOPPING || op->node->window == WINDOW_CUMULATE)) {
        w->rows = xalloc(ENGINE_BATCH_ROWS * sizeof *w->rows);
        w->at = xalloc(ENGINE_BATCH_ROWS * sizeof *w->at);
    }
    if (op->node->window == WINDOW_SESSION)
        return 0;
    int err = windows_open(&w->windows, op->node, d);
    if (err) {
        xfree(w->rows);
        xfree(w->at);
    }
    return err;
}

static void window_close(struct op *op)
{
    struct window *w = op->state;
    windows_close(&w->windows);
    xfree(w->spans);
    xfree(w->rows);
    xfree(w->at);
}

static void find_slice(struct window *w, int64_t ts)
{
    w->slice = windows_slice(&w->windows, ts);
    w->count = windows_count(&w->windows, w->slice.start);
    if (w->count > w->cap) {
        w->cap = w->count;
        w->spans = xrealloc(w->spans, w->cap * sizeof *w->spans);
    }
    for (unsigned i = 0; i < w->count; i++)
        w->spans[i] = windows_at(&w->windows, w->slice.start, i);
}

/* Finds the row's windows; gives how many of them have closed. */
static unsigned judge(struct op *op, const struct batch *in, uint32_t row)
{
    struct window *w = op->state;
    int64_t ts = in->ts[row];
    if (ts < w->slice.start || ts >= w->slice.end)
        find_slice(w, ts);
    w->stream_ms = MAX(w->stream_ms, ts);
    int64_t closed = time_add(time_add(w->stream_ms, -op->node->delay_ms), -op->node->grace_ms);
    unsigned late = 0;
    while (late < w->count && (w->spans[late].end <= closed + BUG("window_late_too_soon") || (op->env->record && w->spans[late].start < 0)))
        late++;
    if (late && late == w->count)
        op_late(op, in, row, w->spans[late - 1].end);
    return late;
}

static struct vec *add_columns(const struct op *op, const struct batch *in, struct batch *out)
{
    unsigned more = op->node->out.n - in->ncols;
    *out = *in;
    out->ncols = in->ncols + more;
    out->cols = ARENA_ARRAY(in->arena, struct vec, out->ncols);
    memcpy(out->cols, in->cols, in->ncols * sizeof *in->cols);
    for (unsigned i = 0; i < more; i++)
        vec_alloc(&out->cols[in->ncols + i], in->arena, op->node->out.cols[in->ncols + i].type, in->n);
    return &out->cols[in->ncols];
}

/* Rows that stay where they are: those of slices, and of windows that do not overlap. */
static void push_in_place(struct op *op, struct batch *in)
{
    struct window *w = op->state;
    struct batch out;
    struct vec *added = add_columns(op, in, &out);
    uint32_t *sel = arena_alloc(in->arena, sizeof *sel * in->nsel), n = 0;
    bool sliced = op->node->sliced, third = out.ncols == in->ncols + 3;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        unsigned late = judge(op, in, row);
        added[0].i64[row] = w->slice.start;
        added[1].i64[row] = sliced ? (int64_t)late : w->slice.end;
        if (third)
            added[2].i64[row] = w->slice.end - 1;
        sel[n] = row;
        n += late < w->count;
    }
    out.sel = sel;
    out.nsel = n;
    op_emit(op, &out);
}

static void push_sessions(struct op *op, struct batch *in)
{
    struct window *w = op->state;
    struct batch out;
    struct vec *added = add_columns(op, in, &out);
    int64_t wait = time_add(time_add(op->node->delay_ms, op->node->grace_ms), op->node->window_size_ms);
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        w->stream_ms = MAX(w->stream_ms, in->ts[row]);
        added[0].i64[row] = in->ts[row];
        added[1].i64[row] = time_add(w->stream_ms, -wait);
    }
    op_emit(op, &out);
}

static void give_copies(struct op *op, const struct batch *in)
{
    struct window *w = op->state;
    struct batch *copy = batch_copy(in, NULL, in->ncols, w->rows, w->n, in->arena), out;
    struct vec *added = add_columns(op, copy, &out);
    for (uint32_t i = 0; i < w->n; i++) {
        added[0].i64[i] = w->at[i].start;
        added[1].i64[i] = w->at[i].end;
        if (out.ncols == in->ncols + 3)
            added[2].i64[i] = w->at[i].end - 1;
    }
    w->n = 0;
    op_emit(op, &out);
}

static void window_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    struct window *w = op->state;
    if (op->node->window == WINDOW_SESSION) {
        push_sessions(op, in);
        return;
    }
    if (!w->rows) {
        push_in_place(op, in);
        return;
    }
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        for (unsigned k = judge(op, in, row); k < w->count; k++) {
            w->rows[w->n] = row;
            w->at[w->n] = w->spans[k];
            if (++w->n == ENGINE_BATCH_ROWS)
                give_copies(op, in);
        }
    }
    if (w->n)
        give_copies(op, in);
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
    .close = window_close,
};
