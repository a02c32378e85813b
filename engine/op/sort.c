#include "engine/op/common.h"

/* ORDER BY, LIMIT and OFFSET of a pull query: collects everything and gives it at the marker. Ties are broken by the encoded
 * row, so that the same rows always come in the same order. Where rows may go again they are netted first. */

struct sorted_row {
    const struct batch *b;
    uint32_t row;
};
struct sort {
    struct account account;
    struct arena arena;     /* copies of all rows, and then the order */
    struct sorted_row *rows;
    size_t n, cap;
    unsigned *cols;         /* all */
    struct kv *bag;         /* retract: row_encode -> event time, weight */
};

static int sort_open(struct op *op, struct diag *d)
{
    (void)d;
    struct sort *s = op->state;
    arena_init(&s->arena);
    s->account.budget = op->env->memory;
    if (op->node->inputs[0]->mode == MODE_RETRACT)
        s->bag = kv_new(true, op->env->memory);
    return 0;
}

static void account_arena(struct sort *s)
{
    if (s->arena.used > s->account.bytes)
        account_add(&s->account, s->arena.used - s->account.bytes);
}

static void keep_rows(struct sort *s, const struct batch *b)
{
    const struct batch *copy = batch_copy(b, NULL, 0, NULL, 0, &s->arena);
    for (uint32_t i = 0; i < copy->n; i++)
        VEC_PUSH(s->rows, s->n, s->cap) = (struct sorted_row){copy, i};
    account_arena(s);
}

static void net_row(struct sort *s, const struct batch *in, uint32_t row)
{
    struct arena a;
    struct wbuf key;
    uint8_t value[16];
    arena_init(&a);
    wbuf_init(&key);
    row_encode(in, all_columns(&a, in->ncols), in->ncols, row, &key);
    struct str before = kv_get(s->bag, wbuf_view(&key));
    put_be64(value, (uint64_t)in->ts[row]);
    put_be64(value + 8, (before.ptr ? be64(before.ptr + 8) : 0) + (uint64_t)batch_weight(in, row));
    if (be64(value + 8))
        kv_put(s->bag, wbuf_view(&key), (struct str){(char *)value, sizeof value});
    else
        kv_remove(s->bag, wbuf_view(&key));
    wbuf_fini(&key);
    arena_fini(&a);
}

static void sort_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    struct sort *s = op->state;
    if (!s->bag)
        keep_rows(s, in);
    for (uint32_t i = 0; s->bag && i < in->nsel; i++)
        net_row(s, in, batch_row(in, i));
}

static int unbag_cb(void *arg, struct str key, struct str value)
{
    struct op *op = arg;
    const struct schema *sc = &op->node->out;
    struct arena a;
    arena_init(&a);
    struct batch *b = batch_new(&a, sc, 1);
    b->n = b->nsel = 1;
    b->ts[0] = (int64_t)be64(value.ptr);
    CHECK(row_decode(key, sc, b, 0, 0, 1) == 0);
    for (int64_t n = (int64_t)be64(value.ptr + 8); n > 0; n--)
        keep_rows(op->state, b);
    arena_fini(&a);
    return 0;
}

static int tie(const struct sort *s, const struct sorted_row *a, const struct sorted_row *b)
{
    struct wbuf wa, wb;
    wbuf_init(&wa);
    wbuf_init(&wb);
    row_encode(a->b, s->cols, a->b->ncols, a->row, &wa);
    row_encode(b->b, s->cols, b->b->ncols, b->row, &wb);
    int cmp = str_cmp(wbuf_view(&wa), wbuf_view(&wb));
    wbuf_fini(&wa);
    wbuf_fini(&wb);
    return cmp;
}

static int row_cmp(const void *pa, const void *pb, void *arg)
{
    const struct sorted_row *a = pa, *b = pb;
    const struct op *op = arg;
    for (unsigned i = 0; i < op->node->nsort; i++) {
        const struct sort_key *key = &op->node->sort[i];
        struct value va = batch_value(a->b, key->column, a->row), vb = batch_value(b->b, key->column, b->row);
        int cmp = value_cmp(&va, &vb);
        if (cmp && va.null != vb.null)
            return va.null == key->nulls_first ? -1 : 1;
        if (cmp)
            return key->descending ? -cmp : cmp;
    }
    return op->node->nsort ? tie(op->state, a, b) : 0;
}

/* Without sort keys rows stay in the order they came in: only LIMIT and OFFSET count. */
static void sort_marker(struct op *op, struct changes *out)
{
    (void)out;
    struct sort *s = op->state;
    const struct plan_node *node = op->node;
    if (s->bag) {
        kv_scan(s->bag, STR(""), unbag_cb, op);
        kv_clear(s->bag);
    }
    s->cols = all_columns(&s->arena, node->out.n);
    if (node->nsort && s->n)
        qsort_r(s->rows, s->n, sizeof *s->rows, row_cmp, op);
    size_t from = MIN(s->n, (size_t)MAX(node->offset, 0));
    size_t to = node->limit < 0 ? s->n : from + MIN(s->n - from, (size_t)node->limit);
    struct emitter e;
    emitter_init(&e, op, &node->out, false);
    for (size_t i = from; i < to; i++) {
        const struct batch *b = s->rows[i].b;
        uint32_t row = emitter_row(&e, 1, b->ts[s->rows[i].row]);
        for (unsigned c = 0; c < node->out.n; c++) {
            struct value v = batch_value(b, c, s->rows[i].row);
            batch_set_value(e.b, c, row, &v, ENGINE_BATCH_ROWS);
        }
    }
    emitter_flush(&e);
    emitter_fini(&e);
    s->n = 0;
    account_sub(&s->account, s->account.bytes);
    arena_reset(&s->arena);
}

static void sort_close(struct op *op)
{
    struct sort *s = op->state;
    account_sub(&s->account, s->account.bytes);
    xfree(s->rows);
    kv_free(s->bag);
    arena_fini(&s->arena);
}

const struct op_class sort_class = {
    .name = "SORT",
    .size = sizeof(struct sort),
    .open = sort_open,
    .push = sort_push,
    .marker = sort_marker,
    .shows = true,
    .close = sort_close,
};
