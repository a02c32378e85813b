#include "engine/op/common.h"

/* A table's changes by key become changes of whole rows: the last row of every key is remembered, to be taken back when
 * another comes. An equal row changes nothing, and a delete of a key that is not there neither. */

struct normalize {
    struct arena arena;
    unsigned *cols;      /* all */
    struct kv *rows;     /* key -> row_put */
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
    z->rows = kv_new(false, op->env->memory);
    z->touched = kv_new(false, op->env->memory);
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
    struct str key = wbuf_view(&z->key), stored = kv_get(z->rows, key);
    bool had = stored.ptr, has = batch_weight(in, row) > 0;
    if (has) {
        wbuf_reset(&z->row);
        row_put(in, z->cols, in->ncols, row, &z->row);
        CHECK(row_take(wbuf_view(&z->row), &ts, &after));
    }
    if (had) {
        CHECK(row_take(stored, &ts, &before));
        if (has && str_eq(before, after))
            return;
        emit_row(op, before, in->ts[row], -1);
    }
    if (has) {
        emit_row(op, after, in->ts[row], 1);
        kv_put(z->rows, key, wbuf_view(&z->row));
    } else if (had) {
        kv_remove(z->rows, key);
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
    op->stats.state_rows = kv_count(z->rows);
    op->stats.state_bytes = kv_bytes(z->rows);
}

static int normalize_restore(struct op *op, unsigned store, struct str key, struct str value)
{
    (void)store;
    struct normalize *z = op->state;
    return op_restore_row(z->rows, key, value, op_input(op, 0));
}

static void normalize_close(struct op *op)
{
    struct normalize *z = op->state;
    kv_free(z->rows);
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
    .close = normalize_close,
};
