#include "engine/op/common.h"

/* Grouping sets: gives each row once per set, with copies of the group columns behind it, NULL where the set does not have
 * them, and the set's number: a bit per group column, the first one highest, 1 where it is not in the set. */

struct expand {
    uint32_t n, rows[ENGINE_BATCH_ROWS];
    uint16_t sets[ENGINE_BATCH_ROWS];
};

static int64_t set_number(const struct plan_node *node, unsigned set)
{
    int64_t number = 0;
    for (unsigned g = 0; g < node->ngroup; g++)
        number = number << 1 | !node->in_set[set * node->ngroup + g];
    return number;
}

static void give(struct op *op, const struct batch *in)
{
    struct expand *x = op->state;
    const struct plan_node *node = op->node;
    struct batch *copy = batch_copy(in, NULL, in->ncols, x->rows, x->n, in->arena), out = *copy;
    out.ncols = in->ncols + node->ngroup + 1;
    out.cols = ARENA_ARRAY(in->arena, struct vec, out.ncols);
    memcpy(out.cols, copy->cols, in->ncols * sizeof *out.cols);
    struct vec *number = &out.cols[out.ncols - 1];
    vec_alloc(number, in->arena, TYPE(T_BIGINT), x->n);
    for (unsigned g = 0; g < node->ngroup; g++) {
        const struct vec *from = &copy->cols[node->group_cols[g]];
        struct vec *to = &out.cols[in->ncols + g];
        vec_alloc(to, in->arena, from->type, x->n); /* a column of its own: what is NULL in it is there in the other */
        memcpy(to->data, from->data, x->n * type_width(from->type));
        for (uint32_t i = 0; i < x->n; i++)
            if (!vec_valid(from, i) || !node->in_set[x->sets[i] * node->ngroup + g])
                vec_set_null(to, in->arena, i, x->n);
    }
    for (uint32_t i = 0; i < x->n; i++)
        number->i64[i] = BUG("rollup_null_is_null") ? 0 : set_number(node, x->sets[i]);
    x->n = 0;
    op_emit(op, &out);
}

static void expand_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    struct expand *x = op->state;
    for (uint32_t i = 0; i < in->nsel; i++)
        for (unsigned s = 0; s < op->node->nsets; s++) {
            x->rows[x->n] = batch_row(in, i);
            x->sets[x->n] = (uint16_t)s;
            if (++x->n == ENGINE_BATCH_ROWS)
                give(op, in);
        }
    if (x->n)
        give(op, in);
}

const struct op_class expand_class = {.name = "EXPAND", .size = sizeof(struct expand), .push = expand_push};
