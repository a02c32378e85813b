#include "engine/op/common.h"

/* EXPLODE: each row once per place of the longest of its arrays, with what stands there; NULL behind the end of the shorter
 * ones. A row whose arrays are all empty or NULL is gone, or, with keep_empty, there once with NULLs. It keeps nothing: a row
 * that is taken back gives the same rows to be taken back. */

struct unnest {
    struct prog *prog; /* of the arrays */
};
struct made { /* rows to come */
    struct op *op;
    struct batch *in;
    uint32_t n, *rows;     /* of the input */
    struct value *elements; /* for each of them one an array; texts are borrowed */
};

static int unnest_open(struct op *op, struct diag *d)
{
    struct unnest *u = op->state;
    return op_compile(op, &u->prog, op->node->arrays, op->node->narrays, d);
}

static void give(struct made *m)
{
    const struct plan_node *node = m->op->node;
    if (!m->n)
        return;
    struct batch *b = batch_copy(m->in, NULL, 0, m->rows, m->n, m->in->arena);
    struct vec *cols = ARENA_ARRAY(b->arena, struct vec, node->out.n);
    unsigned first = node->out.n - node->narrays;
    CHECK(b->ncols == first);
    memcpy(cols, b->cols, first * sizeof *cols);
    b->cols = cols;
    b->ncols = node->out.n;
    for (unsigned k = 0; k < node->narrays; k++) {
        vec_alloc(&cols[first + k], b->arena, node->out.cols[first + k].type, m->n);
        for (uint32_t i = 0; i < m->n; i++)
            batch_set_value(b, first + k, i, &m->elements[(size_t)i * node->narrays + k], m->n);
    }
    m->n = 0;
    op_emit(m->op, b);
}

static struct value *add(struct made *m, uint32_t row)
{
    if (m->n == ENGINE_BATCH_ROWS)
        give(m);
    m->rows[m->n] = row;
    return &m->elements[(size_t)m->n++ * m->op->node->narrays];
}

/* The next element of every array, NULL where there is none. False: none has one. */
static bool next_elements(struct nested *walks, unsigned n, struct value *out, struct arena *a)
{
    bool any = false;
    for (unsigned k = 0; k < n; k++) {
        out[k] = value_null(type_element(walks[k].type));
        any |= nested_next(&walks[k], &out[k], a);
    }
    return any;
}

static void unnest_row(struct made *m, struct batch *arrays, uint32_t row)
{
    const struct plan_node *node = m->op->node;
    struct nested *walks = ARENA_ARRAY(m->in->arena, struct nested, node->narrays);
    struct value *elements = ARENA_ARRAY(m->in->arena, struct value, node->narrays);
    bool any = false;
    for (unsigned k = 0; k < node->narrays; k++) {
        struct value v = batch_value(arrays, k, row);
        walks[k] = nested_of(node->arrays[k]->type, v.null ? STR("") : v.s);
    }
    while (next_elements(walks, node->narrays, elements, m->in->arena) || ((node->keep_empty || BUG("unnest_keeps_empty")) && !any)) {
        memcpy(add(m, row), elements, node->narrays * sizeof *elements);
        any = true;
    }
}

static void unnest_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    struct unnest *u = op->state;
    struct expr_errors errors = {0};
    struct batch arrays = {.ncols = op->node->narrays};
    struct made m = {.op = op, .in = in, .rows = ARENA_ARRAY(in->arena, uint32_t, ENGINE_BATCH_ROWS)};
    m.elements = ARENA_ARRAY(in->arena, struct value, (size_t)ENGINE_BATCH_ROWS * op->node->narrays);
    arrays.cols = ARENA_ARRAY(in->arena, struct vec, arrays.ncols);
    prog_eval(u->prog, in, arrays.cols, in, &errors);
    op_errors(op, &errors);
    arrays.bufs = in->bufs;
    for (uint32_t i = 0; i < in->nsel; i++)
        unnest_row(&m, &arrays, batch_row(in, i));
    give(&m);
}

static void unnest_close(struct op *op)
{
    struct unnest *u = op->state;
    prog_free(u->prog);
}

const struct op_class unnest_class = {
    .name = "UNNEST",
    .size = sizeof(struct unnest),
    .open = unnest_open,
    .push = unnest_push,
    .close = unnest_close,
};
