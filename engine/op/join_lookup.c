#include "engine/op/join.h"

/* Stream-table join in arrival order, as Kafka Streams does it: the table's rows are kept by the join key, a stream row
 * meets the table as it is at that moment, and only stream rows give output, at their own time. The output shares the
 * stream row's columns; only the table's are decoded. */

struct lookup {
    struct arena arena;
    unsigned *cols;     /* all of the table's */
    struct store *rows; /* join key -> row_put */
    struct kv *touched;
    struct wbuf key, row;
    struct pairs pairs; /* for the residual */
};
enum { STORE_ROWS };

static int lookup_open(struct op *op, struct diag *d)
{
    struct lookup *l = op->state;
    int err = pairs_open(&l->pairs, op, d);
    if (err)
        return err;
    arena_init(&l->arena);
    l->cols = all_columns(&l->arena, op_input(op, 1)->n);
    l->rows = store_new(false, op->env->clock, op->env->memory);
    l->touched = kv_new(false, op->env->memory);
    kv_passing(l->touched);
    wbuf_init(&l->key);
    wbuf_init(&l->row);
    return 0;
}

static void push_table(struct op *op, struct batch *in)
{
    struct lookup *l = op->state;
    const struct plan_node *node = op->node;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        if (any_null(in, node->right_cols, node->njoin, row)) {
            op->stats.null_keys++;
            continue;
        }
        wbuf_reset(&l->key);
        key_encode(in, node->right_cols, node->njoin, row, &l->key);
        struct str key = wbuf_view(&l->key);
        if (batch_weight(in, row) > 0) {
            wbuf_reset(&l->row);
            row_put(in, l->cols, in->ncols, row, &l->row);
            store_put(l->rows, key, wbuf_view(&l->row));
        } else if (!store_remove(l->rows, key)) {
            continue;
        }
        kv_put(l->touched, key, STR(""));
    }
}

/* The table's row for a stream row; .ptr NULL: none. */
static struct str probe(struct op *op, const struct batch *in, uint32_t row)
{
    struct lookup *l = op->state;
    const struct plan_node *node = op->node;
    if (any_null(in, node->left_cols, node->njoin, row)) {
        op->stats.null_keys += node->join == JOIN_INNER;
        return STR_NULL;
    }
    wbuf_reset(&l->key);
    key_encode(in, node->left_cols, node->njoin, row, &l->key);
    return store_get(l->rows, wbuf_view(&l->key));
}

/* Rows that have met one of the table which the residual lets not pass have met none. Gives how many rows are left in sel. */
static uint32_t drop_unfit(struct op *op, struct batch *out, const uint32_t *met, uint32_t nmet, uint32_t *sel, uint32_t n)
{
    struct lookup *l = op->state;
    struct batch asked = *out;
    uint32_t *fits, nfits, k = 0, m = 0, left = 0;
    asked.sel = met;
    asked.nsel = nmet;
    nfits = pairs_fit(&l->pairs, &asked, &fits);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel[i];
        bool had = m < nmet && met[m] == row, fit = k < nfits && fits[k] == row;
        m += had;
        k += fit;
        if (had && !fit && op->node->join != JOIN_LEFT)
            continue;
        for (unsigned c = op_input(op, 0)->n; had && !fit && c < out->ncols; c++)
            vec_set_null(&out->cols[c], out->arena, row, out->n);
        sel[left++] = row;
    }
    return left;
}

static void push_stream(struct op *op, struct batch *in)
{
    struct lookup *l = op->state;
    const struct schema *right = op_input(op, 1);
    struct batch out = *in;
    out.ncols = in->ncols + right->n;
    out.cols = ARENA_ARRAY(in->arena, struct vec, MAX(out.ncols, 1u));
    memcpy(out.cols, in->cols, in->ncols * sizeof *in->cols);
    for (unsigned c = 0; c < right->n; c++)
        vec_alloc(&out.cols[in->ncols + c], in->arena, right->cols[c].type, in->n);
    uint32_t *sel = arena_alloc(in->arena, sizeof *sel * in->nsel), n = 0;
    uint32_t *met = arena_alloc(in->arena, sizeof *met * in->nsel), nmet = 0;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        struct str stored = probe(op, in, row), columns;
        int64_t ts;
        if (stored.ptr) {
            CHECK(row_take(stored, &ts, &columns));
            CHECK(row_decode(columns, right, &out, in->ncols, row, in->n) == 0);
            met[nmet++] = row;
        } else if (op->node->join == JOIN_LEFT && !BUG("lookup_left_is_inner")) {
            for (unsigned c = 0; c < right->n; c++)
                vec_set_null(&out.cols[in->ncols + c], in->arena, row, in->n);
        } else {
            continue;
        }
        sel[n++] = row;
    }
    out.sel = sel;
    out.nsel = l->pairs.prog && nmet ? drop_unfit(op, &out, met, nmet, sel, n) : n;
    op_emit(op, &out);
}

static void lookup_push(struct op *op, unsigned input, struct batch *in)
{
    if (input == 0)
        push_stream(op, in);
    else
        push_table(op, in);
}

static void lookup_marker(struct op *op, struct changes *out)
{
    struct lookup *l = op->state;
    op_save_touched(op, STORE_ROWS, l->touched, l->rows, out);
    op->stats.state_rows = store_count(l->rows);
    op->stats.state_bytes = store_bytes(l->rows);
}

static int lookup_restore(struct op *op, unsigned store, struct str key, struct str value)
{
    (void)store;
    struct lookup *l = op->state;
    if (BUG("table_side_stateless")) /* ksqlDB #1265 */
        return 0;
    return op_restore_row(l->rows, key, value, op_input(op, 1));
}

static void lookup_opened(struct op *op, unsigned store, int64_t entries)
{
    (void)store;
    struct lookup *l = op->state;
    store_opened(l->rows, entries);
}

/* Both sides: the table's rows must know what they replace or end. */
static void lookup_want(struct op *op, unsigned input, const struct batch *in, struct needs *w)
{
    struct lookup *l = op->state;
    const unsigned *cols = input ? op->node->right_cols : op->node->left_cols;
    for (uint32_t i = 0; !store_whole(l->rows) && i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        if (any_null(in, cols, op->node->njoin, row))
            continue;
        wbuf_reset(&l->key);
        key_encode(in, cols, op->node->njoin, row, &l->key);
        store_want(l->rows, op_store(op, STORE_ROWS), wbuf_view(&l->key), w);
    }
}

static int lookup_load(struct op *op, unsigned store, struct str key, struct str value)
{
    (void)store;
    struct lookup *l = op->state;
    return op_load_row(l->rows, key, value, op_input(op, 1));
}

static bool lookup_evict(struct op *op, size_t steps)
{
    struct lookup *l = op->state;
    return store_evict(l->rows, steps);
}

static void lookup_tidy(struct op *op, size_t steps)
{
    struct lookup *l = op->state;
    store_tidy(l->rows, steps);
}

static void lookup_close(struct op *op)
{
    struct lookup *l = op->state;
    store_free(l->rows);
    kv_free(l->touched);
    wbuf_fini(&l->key);
    wbuf_fini(&l->row);
    pairs_fini(&l->pairs);
    arena_fini(&l->arena);
}

const struct op_class join_lookup_class = {
    .name = "LOOKUP JOIN",
    .size = sizeof(struct lookup),
    .open = lookup_open,
    .push = lookup_push,
    .marker = lookup_marker,
    .restore = lookup_restore,
    .opened = lookup_opened,
    .want = lookup_want,
    .load = lookup_load,
    .evict = lookup_evict,
    .tidy = lookup_tidy,
    .close = lookup_close,
};
