#include "engine/op/common.h"

/* The table of operators, the edges between them, and what they share. */

const struct op_class *op_class_of(const struct plan_node *node)
{
    switch (node->kind) {
#define X(kind, cls)                                                                                                   \
    case kind:                                                                                                         \
        return &cls;
#include "engine/op/op.def"
#undef X
    default:
        return NULL;
    }
}

int op_open(struct op **out, const struct plan_node *node, const struct op_env *env, struct diag *d)
{
    struct op *op = xzalloc(sizeof *op);
    op->cls = op_class_of(node);
    CHECK(op->cls);
    CHECK(node->store < PLAN_STORES);
    op->node = node;
    op->env = env;
    op->state = xzalloc(MAX(op->cls->size, 1u));
    int err = op->cls->open ? op->cls->open(op, d) : 0;
    if (err) {
        xfree(op->state);
        xfree(op);
        return err;
    }
    *out = op;
    return 0;
}

void op_close(struct op *op)
{
    if (!op)
        return;
    if (op->cls->close)
        op->cls->close(op);
    xfree(op->state);
    xfree(op);
}

void op_push(struct op *op, unsigned input, struct batch *in)
{
    if (!in->nsel)
        return;
    if (UNLIKELY(op->nparked) || op_lacks(op, input, in))
        op->env->park(op->env->task, op, input, in);
    else
        op_push_now(op, input, in);
}

bool op_lacks(struct op *op, unsigned input, const struct batch *in)
{
    if (!op->cls->want || !op->env->park)
        return false;
    needs_reset(op->env->needs);
    op->cls->want(op, input, in, op->env->needs);
    return op->env->needs->n > 0;
}

uint64_t *op_busy(const struct op_env *env, uint64_t *to)
{
    struct op_busy *b = env->busy;
    if (!b)
        return NULL;
    uint64_t *was = b->to;
    int64_t now = b->now_us(env->task);
    if (was)
        *was += (uint64_t)MAX(now - b->since_us, 0);
    b->since_us = now;
    b->to = to;
    return was;
}

void op_push_now(struct op *op, unsigned input, struct batch *in)
{
    uint64_t *was = op_busy(op->env, &op->stats.busy_us);
    op->stats.rows_in += in->nsel;
    op->cls->push(op, input, in);
    op_busy(op->env, was);
}

void op_emit(struct op *op, struct batch *out)
{
    if (!out->nsel)
        return;
    op->stats.rows_out += out->nsel;
    if (op->next)
        op_push(op->next, op->next_input, out);
    else
        op->exit_cb(op, out);
}

int op_compile(struct op *op, struct prog **out, const struct expr *const *roots, unsigned nroots, struct diag *d)
{
    int err = prog_compile(out, roots, nroots, op_input(op, 0), d);
    if (!err && op->env->context)
        prog_set_context(*out, op->env->context);
    return err;
}

void op_error(struct op *op, const char *text)
{
    op->stats.errors++;
    op->env->error(op->env->task, op, text);
}

void op_errors(struct op *op, const struct expr_errors *e)
{
    for (uint64_t i = 0; i < e->count; i++)
        op_error(op, e->first);
}

/* ---- Building batches. */

void emitter_init(struct emitter *e, struct op *op, const struct schema *sc, bool weights)
{
    *e = (struct emitter){.op = op, .give_cb = op_emit, .schema = *sc, .weights = weights};
    arena_init(&e->arena);
}

void emitter_fini(struct emitter *e) { arena_fini(&e->arena); }

uint32_t emitter_row(struct emitter *e, int weight, int64_t ts)
{
    if (e->b && e->b->n == ENGINE_BATCH_ROWS)
        emitter_flush(e);
    if (!e->b) {
        e->b = batch_new(&e->arena, &e->schema, ENGINE_BATCH_ROWS);
        e->b->n = e->b->nsel = 0;
        if (e->weights)
            e->b->weight = arena_alloc(&e->arena, ENGINE_BATCH_ROWS);
    }
    uint32_t row = e->b->n++;
    e->b->nsel = e->b->n;
    e->b->ts[row] = ts;
    if (e->weights)
        e->b->weight[row] = (int8_t)weight;
    return row;
}

void emitter_flush(struct emitter *e)
{
    struct batch *b = e->b;
    if (!b)
        return;
    e->b = NULL;
    bool few = b->n <= ENGINE_BATCH_ROWS / 16;
    e->give_cb(e->op, b);
    if (few) /* perhaps the last for long: an idle job holds no room for a whole batch */
        arena_fini(&e->arena);
    else
        arena_reset(&e->arena);
}

/* ---- Rows and columns. */

void row_put(const struct batch *b, const unsigned *cols, unsigned ncols, uint32_t row, struct wbuf *out)
{
    wbuf_u8(out, OP_LAYOUT);
    wbuf_be64(out, (uint64_t)b->ts[row]);
    row_encode(b, cols, ncols, row, out);
}

bool row_take(struct str value, int64_t *ts, struct str *columns)
{
    struct rbuf r = rbuf_of(value.ptr, value.len);
    uint8_t layout = rbuf_u8(&r);
    *ts = (int64_t)rbuf_be64(&r);
    *columns = (struct str){(const char *)r.ptr, rbuf_left(&r)};
    return !r.err && layout == OP_LAYOUT;
}

bool row_fits(struct str columns, const struct schema *sc)
{
    struct arena a;
    arena_init(&a);
    struct batch *b = batch_new(&a, sc, 1);
    bool fits = row_decode(columns, sc, b, 0, 0, 1) == 0;
    arena_fini(&a);
    return fits;
}

struct saving {
    struct op *op;
    unsigned store;
    struct store *rows;
    struct changes *out;
};

static int save_cb(void *arg, struct str key, struct str value)
{
    (void)value;
    struct saving *s = arg;
    changes_put(s->out, s->store, key, store_get(s->rows, key));
    return 0;
}

void op_save_touched(struct op *op, unsigned k, struct kv *touched, struct store *rows, struct changes *out)
{
    struct saving s = {op, op_store(op, k), rows, out};
    kv_scan(touched, STR(""), save_cb, &s);
    kv_clear(touched);
}

static bool is_row(struct str value, const struct schema *sc)
{
    int64_t ts;
    struct str columns;
    return row_take(value, &ts, &columns) && row_fits(columns, sc);
}

int op_restore_row(struct store *rows, struct str key, struct str value, const struct schema *sc)
{
    if (value.ptr && !is_row(value, sc))
        return E_CORRUPT;
    store_restore(rows, key, value);
    return 0;
}

int op_load_row(struct store *rows, struct str key, struct str value, const struct schema *sc)
{
    if (!is_row(value, sc))
        return E_CORRUPT;
    store_load(rows, key, value);
    return 0;
}

bool key_columns(struct str key, const struct schema *sc, const unsigned *cols, unsigned n, struct batch *out,
                 const unsigned *out_cols, uint32_t row)
{
    struct value v;
    for (unsigned i = 0; i < n; i++) {
        if (key_decode(&key, sc->cols[cols[i]].type, &v, out->arena))
            return false;
        batch_set_value(out, out_cols[i], row, &v, ENGINE_BATCH_ROWS);
    }
    return true;
}

unsigned *all_columns(struct arena *a, unsigned n)
{
    unsigned *cols = ARENA_ARRAY(a, unsigned, MAX(n, 1u));
    for (unsigned i = 0; i < n; i++)
        cols[i] = i;
    return cols;
}

bool any_null(const struct batch *b, const unsigned *cols, unsigned n, uint32_t row)
{
    for (unsigned i = 0; i < n; i++)
        if (!vec_valid(&b->cols[cols[i]], row))
            return true;
    return false;
}
