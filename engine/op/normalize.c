#include "engine/op/common.h"

/* A table's changes by key become changes of whole rows: the last row of every key is remembered, to be taken back when
 * another comes. An equal row changes nothing (emit=record: it comes again), and a delete of a key that is not there neither. */

struct normalize {
    struct arena arena;
    unsigned *cols;      /* all */
    struct store *rows;  /* key -> row_put */
    struct kv *touched;  /* keys that changed in this epoch */
    struct wbuf key, row;
    struct emitter out;
};
enum { STORE_ROWS };

static int normalize_open(struct op *op, struct diag *d)
{
    (void)d;
    struct normalize *z = op->state;
    arena_init(&z->arena);
    z->cols = all_columns(&z->arena, op_input(op, 0)->n);
    z->rows = store_new(false, op->env->clock, op->env->memory);
    z->touched = kv_new(false, op->env->memory);
    kv_passing(z->touched);
    wbuf_init(&z->key);
    wbuf_init(&z->row);
    emitter_init(&z->out, op, &op->node->out, true);
    return 0;
}

static void emit_row(struct op *op, struct str columns, int64_t ts, int weight)
{
    struct normalize *z = op->state;
    uint32_t row = emitter_row(&z->out, weight, ts);
    CHECK(row_decode(columns, &op->node->out, z->out.b, 0, row, ENGINE_BATCH_ROWS) == 0);
}

static void normalize_row(struct op *op, struct batch *in, uint32_t row)
{
    struct normalize *z = op->state;
    const struct plan_node *input = op->node->inputs[0];
    int64_t ts;
    struct str before, after;
    wbuf_reset(&z->key);
    key_encode(in, input->key, input->nkey, row, &z->key);
    struct str key = wbuf_view(&z->key), stored = store_get(z->rows, key);
    bool had = stored.ptr, has = batch_weight(in, row) > 0;
    if (has) {
        wbuf_reset(&z->row);
        row_put(in, z->cols, in->ncols, row, &z->row);
        CHECK(row_take(wbuf_view(&z->row), &ts, &after));
    }
    if (had) {
        CHECK(row_take(stored, &ts, &before));
        if (has && str_eq(before, after) && !op->env->record)
            return;
        if (!BUG("upsert_not_taken_back"))
            emit_row(op, before, in->ts[row], -1);
    }
    if (has) {
        emit_row(op, after, in->ts[row], 1);
        store_put(z->rows, key, wbuf_view(&z->row));
    } else if (had) {
        store_remove(z->rows, key);
    }
    if (had || has)
        kv_put(z->touched, key, STR(""));
}

static void normalize_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    struct normalize *z = op->state;
    for (uint32_t i = 0; i < in->nsel; i++)
        normalize_row(op, in, batch_row(in, i));
    emitter_flush(&z->out);
}

static void normalize_marker(struct op *op, struct changes *out)
{
    struct normalize *z = op->state;
    op_save_touched(op, STORE_ROWS, z->touched, z->rows, out);
    op->stats.state_rows = store_count(z->rows);
    op->stats.state_bytes = store_bytes(z->rows);
}

static int normalize_restore(struct op *op, unsigned store, struct str key, struct str value)
{
    (void)store;
    struct normalize *z = op->state;
    return op_restore_row(z->rows, key, value, op_input(op, 0));
}

static void normalize_opened(struct op *op, unsigned store, int64_t entries)
{
    (void)store;
    struct normalize *z = op->state;
    store_opened(z->rows, entries);
}

static void normalize_want(struct op *op, unsigned input, const struct batch *in, struct needs *w)
{
    (void)input;
    struct normalize *z = op->state;
    const struct plan_node *from = op->node->inputs[0];
    for (uint32_t i = 0; !store_whole(z->rows) && i < in->nsel; i++) {
        wbuf_reset(&z->key);
        key_encode(in, from->key, from->nkey, batch_row(in, i), &z->key);
        store_want(z->rows, op_store(op, STORE_ROWS), wbuf_view(&z->key), w);
    }
}

static int normalize_load(struct op *op, unsigned store, struct str key, struct str value)
{
    (void)store;
    struct normalize *z = op->state;
    return op_load_row(z->rows, key, value, op_input(op, 0));
}

static bool normalize_evict(struct op *op, size_t steps)
{
    struct normalize *z = op->state;
    return store_evict(z->rows, steps);
}

static void normalize_tidy(struct op *op, size_t steps)
{
    struct normalize *z = op->state;
    store_tidy(z->rows, steps);
}

static void normalize_close(struct op *op)
{
    struct normalize *z = op->state;
    store_free(z->rows);
    kv_free(z->touched);
    wbuf_fini(&z->key);
    wbuf_fini(&z->row);
    emitter_fini(&z->out);
    arena_fini(&z->arena);
}

const struct op_class normalize_class = {
    .name = "NORMALIZE",
    .size = sizeof(struct normalize),
    .open = normalize_open,
    .push = normalize_push,
    .marker = normalize_marker,
    .restore = normalize_restore,
    .opened = normalize_opened,
    .want = normalize_want,
    .load = normalize_load,
    .evict = normalize_evict,
    .tidy = normalize_tidy,
    .close = normalize_close,
};
