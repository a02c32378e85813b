#include "engine/op/over.h"

/* Functions over the rows around a row: ROW_NUMBER, LAG, SUM(..) OVER (..).
 *
 * What is kept are the rows alone, in order. The marker looks at each partition that changed, as it is and as it was: from the
 * rows that came or went follows how far results may differ (over_reach), and only there they are computed, for both lists;
 * rows whose results differ go and come. So nothing that can be computed is kept, a frame of some rows costs some rows, and
 * the results depend on the rows alone. A running total (no frame's begin) is computed from the partition's first row. */

struct over {
    struct ordered rows;
    struct arena arena, scratch;
    struct over_reach back, ahead;
    struct over_sums sums;
    bool reads;           /* functions read columns */
    struct wbuf partition;
    struct emitter out;
};
enum { STORE_ROWS };

static bool reads_columns(const struct plan_node *node)
{
    for (unsigned i = 0; i < node->nover; i++)
        if (node->overs[i].kind == OVER_AGGREGATE || node->overs[i].arg >= 0)
            return true;
    return false;
}

static int over_open(struct op *op, struct diag *d)
{
    (void)d;
    struct over *v = op->state;
    ordered_init(&v->rows, op, STORE_ROWS);
    arena_init(&v->arena);
    arena_init(&v->scratch);
    over_reaches(op->node, &v->back, &v->ahead);
    over_sums_init(&v->sums, op, &v->arena);
    v->reads = reads_columns(op->node);
    wbuf_init(&v->partition);
    emitter_init(&v->out, op, &op->node->out, true);
    return 0;
}

static void over_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    struct over *v = op->state;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        ordered_locate(&v->rows, in, row);
        ordered_complete(&v->rows, in, row);
        ordered_add(&v->rows, batch_weight(in, row), in->ts[row]);
    }
}

/* ---- Changes out. */

struct results { /* of some rows, [function][place - from] */
    uint32_t from, n;
    struct value *value;
};

static struct results compute(struct op *op, const struct over_rows *rs, const struct over_list *l, uint32_t from, uint32_t to)
{
    struct over *v = op->state;
    struct results r = {l->first[from], l->first[to] - l->first[from], NULL};
    unsigned nover = op->node->nover;
    r.value = ARENA_ARRAY(rs->arena, struct value, (size_t)r.n * nover + 1);
    for (unsigned f = 0; f < nover; f++) {
        const char *why = NULL;
        uint64_t failed = over_eval(op, &v->sums, f, rs, l, r.from, r.from + r.n, &r.value[(size_t)f * r.n], &why);
        for (; failed && l == &rs->now; failed--)
            op_error(op, why);
    }
    return r;
}

static const struct value *result(const struct results *r, unsigned f, uint32_t place)
{
    return &r->value[(size_t)f * r->n + place - r->from];
}

static bool differ(const struct op *op, const struct results *x, uint32_t a, const struct results *y, uint32_t b)
{
    for (unsigned f = 0; f < op->node->nover; f++)
        if (value_cmp(result(x, f, a), result(y, f, b)) != 0)
            return true;
    return false;
}

static void emit(struct op *op, const struct ordered_row *r, const struct results *res, uint32_t place, int weight)
{
    struct over *v = op->state;
    uint32_t row = emitter_row(&v->out, weight, weight < 0 ? r->was_ts : r->ts);
    CHECK(row_decode(r->row, op_input(op, 0), v->out.b, 0, row, ENGINE_BATCH_ROWS) == 0);
    for (unsigned f = 0; f < op->node->nover; f++)
        batch_set_value(v->out.b, v->rows.ncols + f, row, result(res, f, place), ENGINE_BATCH_ROWS);
}

/* Rows [from, to) may have other results than before. */
static void show_rows(struct op *op, struct over_rows *rs, uint32_t from, uint32_t to)
{
    struct results was = compute(op, rs, &rs->was, from, to), now = compute(op, rs, &rs->now, from, to);
    for (uint32_t i = from; i < to; i++) {
        uint32_t a = rs->was.first[i], b = rs->now.first[i], a_end = rs->was.first[i + 1], b_end = rs->now.first[i + 1];
        for (; a < a_end || b < b_end; a += a < a_end, b += b < b_end) {
            if (a < a_end && b < b_end && !differ(op, &was, a, &now, b))
                continue;
            if (a < a_end)
                emit(op, &rs->row[i], &was, a, -1);
            if (b < b_end)
                emit(op, &rs->row[i], &now, b, 1);
        }
    }
}

/* Frames of rows [from, to) lie within these. */
static void decode_frames(struct op *op, struct over_rows *rs, uint32_t from, uint32_t to)
{
    struct over *v = op->state;
    if (v->reads)
        over_decode(op, rs, over_reach_back(rs, from, &v->ahead), over_reach_ahead(rs, to - 1, &v->back) + 1);
}

static void show_partition(struct op *op, struct str partition)
{
    struct over *v = op->state;
    struct over_rows rs = {.arena = &v->scratch};
    over_collect(&v->rows, partition, &rs);
    uint32_t from = 0, to = 0; /* what is to be computed next */
    for (uint32_t i = 0; i < rs.n; i++) {
        if (rs.row[i].now == rs.row[i].was)
            continue;
        uint32_t a = over_reach_back(&rs, i, &v->back), b = over_reach_ahead(&rs, i, &v->ahead) + 1;
        if (to && a > to) {
            decode_frames(op, &rs, from, to);
            show_rows(op, &rs, from, to);
            to = 0;
        }
        from = to ? MIN(from, a) : a;
        to = MAX(to, b);
    }
    if (to) {
        decode_frames(op, &rs, from, to);
        show_rows(op, &rs, from, to);
    }
    xfree(rs.row);
    arena_reset(&v->scratch);
}

static void over_marker(struct op *op, struct changes *out)
{
    struct over *v = op->state;
    struct str behind = STR_NULL;
    while (ordered_changed(&v->rows, behind, &v->partition)) {
        behind = wbuf_view(&v->partition);
        show_partition(op, behind);
    }
    emitter_flush(&v->out);
    ordered_save(&v->rows, out);
    op->stats.state_rows = store_count(v->rows.rows);
    op->stats.state_bytes = store_bytes(v->rows.rows);
}

/* ---- State. */

static int over_restore(struct op *op, unsigned store, struct str key, struct str value)
{
    (void)store;
    struct over *v = op->state;
    return ordered_restore(&v->rows, key, value);
}

static void over_opened(struct op *op, unsigned store, int64_t entries)
{
    (void)store;
    struct over *v = op->state;
    store_opened(v->rows.rows, entries);
}

static void over_want(struct op *op, unsigned input, const struct batch *in, struct needs *w)
{
    (void)input;
    struct over *v = op->state;
    ordered_want(&v->rows, in, w);
}

static void over_prepare(struct op *op, bool first, struct changes *out, struct needs *w)
{
    (void)out;
    struct over *v = op->state;
    ordered_prepare(&v->rows, first, w);
}

static int over_load(struct op *op, unsigned store, struct str key, struct str value)
{
    (void)store;
    struct over *v = op->state;
    return ordered_load(&v->rows, key, value);
}

static void over_loaded(struct op *op, const struct need *w)
{
    struct over *v = op->state;
    ordered_loaded(&v->rows, w);
}

static bool over_evict(struct op *op, size_t steps)
{
    struct over *v = op->state;
    return store_evict_units(v->rows.rows, steps);
}

static void over_tidy(struct op *op, size_t steps)
{
    struct over *v = op->state;
    store_tidy(v->rows.rows, steps);
}

static void over_close(struct op *op)
{
    struct over *v = op->state;
    ordered_fini(&v->rows);
    over_sums_fini(&v->sums);
    wbuf_fini(&v->partition);
    emitter_fini(&v->out);
    arena_fini(&v->scratch);
    arena_fini(&v->arena);
}

const struct op_class over_class = {
    .name = "OVER",
    .size = sizeof(struct over),
    .open = over_open,
    .push = over_push,
    .marker = over_marker,
    .restore = over_restore,
    .opened = over_opened,
    .want = over_want,
    .prepare = over_prepare,
    .load = over_load,
    .loaded = over_loaded,
    .evict = over_evict,
    .tidy = over_tidy,
    .close = over_close,
};
