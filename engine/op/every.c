#include "engine/op/common.h"

/* EMIT CHANGES EVERY: what changes is held back, netted, until the job says that changes may go out; then all of it goes, so
 * that a key is told of once, as it is by then. What is held is state, as weights of whole rows. It stays in memory: it is
 * what has changed since the last time, not what there is. */

struct every {
    struct arena arena;
    unsigned *cols;
    struct kv *held;    /* r.e. row -> struct weight */
    struct kv *touched; /* rows of which the changelog does not know the truth */
    struct wbuf key;
    struct emitter out;
};
struct weight {
    int64_t ts, n;
    bool saved; /* the changelog has it */
};
enum { STORE_HELD, VALUE_BYTES = 17 };

static int every_open(struct op *op, struct diag *d)
{
    (void)d;
    struct every *y = op->state;
    arena_init(&y->arena);
    y->cols = all_columns(&y->arena, op_input(op, 0)->n);
    y->held = kv_new(false, op->env->memory);
    y->touched = kv_new(false, op->env->memory);
    wbuf_init(&y->key);
    emitter_init(&y->out, op, &op->node->out, true);
    return 0;
}

static struct weight weight_of(struct str value)
{
    struct weight w = {INT64_MIN, 0, false};
    if (value.ptr)
        memcpy(&w, value.ptr, sizeof w);
    return w;
}

static void put_weight(struct kv *held, struct str key, const struct weight *w)
{
    kv_put(held, key, (struct str){(const char *)w, sizeof *w});
}

static void every_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    struct every *y = op->state;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        wbuf_reset(&y->key);
        row_encode(in, y->cols, in->ncols, row, &y->key);
        struct str key = wbuf_view(&y->key);
        struct weight w = weight_of(kv_get(y->held, key));
        w.n += batch_weight(in, row);
        w.ts = MAX(w.ts, in->ts[row]);
        if (w.n || w.saved) { /* what is saved is there until the marker, to be told of */
            put_weight(y->held, key, &w);
            kv_put(y->touched, key, STR(""));
        } else {
            kv_remove(y->held, key);
            kv_remove(y->touched, key);
        }
    }
}

static int give_row(void *arg, struct str key, struct str value)
{
    struct op *op = arg;
    struct every *y = op->state;
    struct weight w = weight_of(value);
    for (int64_t i = w.n; i; i += w.n > 0 ? -1 : 1) {
        uint32_t row = emitter_row(&y->out, w.n > 0 ? 1 : -1, w.ts);
        CHECK(row_decode(key, &op->node->out, y->out.b, 0, row, ENGINE_BATCH_ROWS) == 0);
    }
    if (w.saved)
        kv_put(y->touched, key, STR(""));
    else
        kv_remove(y->touched, key);
    return 0;
}

struct saving {
    struct op *op;
    struct changes *out;
};

static int save_row(void *arg, struct str key, struct str value)
{
    struct saving *s = arg;
    struct every *y = s->op->state;
    (void)value;
    struct weight w = weight_of(kv_get(y->held, key));
    uint8_t bytes[VALUE_BYTES] = {OP_LAYOUT};
    put_be64(bytes + 1, (uint64_t)w.ts);
    put_be64(bytes + 9, (uint64_t)w.n);
    changes_put(s->out, op_store(s->op, STORE_HELD), key, w.n ? (struct str){(char *)bytes, sizeof bytes} : STR_NULL);
    w.saved = true;
    if (w.n)
        put_weight(y->held, key, &w);
    else
        kv_remove(y->held, key);
    return 0;
}

static void every_marker(struct op *op, struct changes *out)
{
    struct every *y = op->state;
    bool some = kv_count(y->held) > 0, due = op->env->due(op->env->task);
    if (some && due) {
        kv_scan(y->held, STR(""), give_row, op);
        emitter_flush(&y->out);
        kv_clear(y->held);
    }
    kv_scan(y->touched, STR(""), save_row, &(struct saving){op, out});
    kv_clear(y->touched);
    op->env->held(op->env->task, some && due, kv_count(y->held) > 0);
    op->stats.state_rows = kv_count(y->held);
    op->stats.state_bytes = kv_bytes(y->held);
}

static int every_restore(struct op *op, unsigned store, struct str key, struct str value)
{
    (void)store;
    struct every *y = op->state;
    if (!value.ptr) {
        kv_remove(y->held, key);
        return 0;
    }
    if (value.len != VALUE_BYTES || value.ptr[0] != OP_LAYOUT || !row_fits(key, op_input(op, 0)))
        return E_CORRUPT;
    struct weight w = {(int64_t)be64(value.ptr + 1), (int64_t)be64(value.ptr + 9), true};
    if (!w.n || !count_possible(w.n))
        return E_CORRUPT;
    put_weight(y->held, key, &w);
    return 0;
}

static void every_close(struct op *op)
{
    struct every *y = op->state;
    kv_free(y->held);
    kv_free(y->touched);
    wbuf_fini(&y->key);
    emitter_fini(&y->out);
    arena_fini(&y->arena);
}

const struct op_class every_class = {
    .name = "EVERY",
    .size = sizeof(struct every),
    .open = every_open,
    .push = every_push,
    .marker = every_marker,
    .restore = every_restore,
    .close = every_close,
};
