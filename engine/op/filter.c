#include "engine/op/common.h"

/* WHERE and HAVING. On append and retract edges the selection shrinks: a retracted row fails exactly as it did when it
 * came. On an upsert edge a failing row becomes the delete of its key: what passed before must go. A delete itself is
 * not looked at, it has no values. */

struct filter {
    struct prog *prog;
    bool watched; /* it calls C functions */
};

static int filter_open(struct op *op, struct diag *d)
{
    struct filter *f = op->state;
    int err = op_compile(op, &f->prog, &op->node->predicate, 1, d);
    f->watched = !err && op->env->bad && prog_watch(f->prog, NULL);
    return err;
}

/* BUG("having_not_retracted"). */
static uint32_t drop_taken_back(const struct batch *b, uint32_t *sel)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->nsel; i++) {
        sel[n] = sel[i];
        n += batch_weight(b, sel[i]) > 0;
    }
    return n;
}

static void filter_rows(struct op *op, struct batch *in)
{
    struct filter *f = op->state;
    struct expr_bad bad = {.arena = in->arena};
    struct expr_errors errors = {.bad = f->watched ? &bad : NULL};
    struct batch out = *in;
    uint32_t *sel;
    out.nsel = prog_filter(f->prog, in, &sel, &errors);
    out.sel = sel;
    if (BUG("having_not_retracted"))
        out.nsel = drop_taken_back(&out, sel);
    op_drop_bad(op, &out, &errors, NULL, NULL, 0);
    op_emit(op, &out);
}

static void filter_upsert(struct op *op, struct batch *in)
{
    struct filter *f = op->state;
    struct expr_bad bad = {.arena = in->arena};
    struct expr_errors errors = {.bad = f->watched ? &bad : NULL};
    uint32_t *sets = arena_alloc(in->arena, sizeof *sets * MAX(in->nsel, 1u)), *pass, nsets = 0;
    int8_t *weight = arena_alloc(in->arena, MAX(in->n, 1u));
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        if (batch_weight(in, row) > 0)
            sets[nsets++] = row;
        weight[row] = -1;
    }
    struct batch view = *in;
    view.sel = sets;
    view.nsel = nsets;
    uint32_t npass = nsets ? prog_filter(f->prog, &view, &pass, &errors) : 0;
    for (uint32_t i = 0; i < npass; i++)
        weight[pass[i]] = 1;
    struct batch out = *in;
    op_drop_bad(op, &out, &errors, NULL, NULL, 0); /* by the weights that came */
    out.weight = weight;
    op_emit(op, &out);
}

static void filter_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    if (op->node->mode == MODE_UPSERT)
        filter_upsert(op, in);
    else
        filter_rows(op, in);
}

static void filter_close(struct op *op)
{
    struct filter *f = op->state;
    prog_free(f->prog);
}

const struct op_class filter_class = {
    .name = "FILTER",
    .size = sizeof(struct filter),
    .open = filter_open,
    .push = filter_push,
    .close = filter_close,
};
