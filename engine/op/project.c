#include "engine/op/common.h"

/* SELECT. Columns taken over as they are share the input's memory. On an upsert edge a delete has key columns only; the
 * others are set to NULL, so that nobody downstream meets undefined bytes. */

struct project {
    struct prog *prog;   /* of the expressions that are more than a column; NULL: none is */
    unsigned ncomputed;
    unsigned *computed;  /* their output columns */
    bool *keys;          /* which of them a key is made of */
    bool watched;        /* errors may make a row bad */
    struct arena arena;
};

static int project_open(struct op *op, struct diag *d)
{
    struct project *p = op->state;
    const struct plan_node *node = op->node;
    arena_init(&p->arena);
    p->computed = ARENA_ARRAY(&p->arena, unsigned, MAX(node->out.n, 1u));
    p->keys = ARENA_ARRAY(&p->arena, bool, MAX(node->out.n, 1u));
    const struct expr **roots = ARENA_ARRAY(&p->arena, const struct expr *, MAX(node->out.n, 1u));
    for (unsigned i = 0; i < node->out.n; i++) {
        if (node->exprs[i]->kind == EX_COLUMN)
            continue;
        p->keys[p->ncomputed] = node->makes_key && node->makes_key[i];
        roots[p->ncomputed] = node->exprs[i];
        p->computed[p->ncomputed++] = i;
    }
    int err = p->ncomputed ? op_compile(op, &p->prog, roots, p->ncomputed, d) : 0;
    if (err)
        arena_fini(&p->arena);
    else
        p->watched = p->prog && op->env->bad && prog_watch(p->prog, p->keys);
    return err;
}

/* NULL in these rows; the validity may be shared with another column, so it is copied. */
static void set_nulls(struct vec *v, struct batch *b, const uint32_t *rows, uint32_t n)
{
    const uint64_t *before = v->valid;
    vec_alloc_valid(v, b->arena, b->n);
    if (before)
        memcpy(v->valid, before, ((size_t)b->n + 63) / 64 * 8);
    for (uint32_t i = 0; i < n; i++)
        v->valid[rows[i] >> 6] &= ~(UINT64_C(1) << (rows[i] & 63));
}

/* Evaluates over the rows that are set, and gives the deletes. Bad rows leave the batch. */
static uint32_t compute(struct op *op, struct batch *in, struct vec *out, uint32_t **deletes)
{
    struct project *p = op->state;
    uint32_t *sets = arena_alloc(in->arena, sizeof *sets * MAX(in->nsel, 1u)), nsets = 0, ndeletes = 0;
    *deletes = arena_alloc(in->arena, sizeof **deletes * MAX(in->nsel, 1u));
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        if (op->node->mode == MODE_UPSERT && batch_weight(in, row) < 0)
            (*deletes)[ndeletes++] = row;
        else
            sets[nsets++] = row;
    }
    struct expr_bad bad = {.arena = in->arena};
    struct expr_errors errors = {.bad = p->watched ? &bad : NULL};
    const uint32_t *sel = in->sel;
    uint32_t nsel = in->nsel;
    if (ndeletes) {
        in->sel = sets;
        in->nsel = nsets;
    }
    prog_eval(p->prog, in, out, in, &errors);
    in->sel = sel;
    in->nsel = nsel;
    op_drop_bad(op, in, &errors, out, p->keys, p->ncomputed);
    return ndeletes;
}

static void project_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    struct project *p = op->state;
    const struct plan_node *node = op->node;
    struct vec *computed = ARENA_ARRAY(in->arena, struct vec, MAX(p->ncomputed, 1u));
    uint32_t *deletes = NULL, ndeletes = 0;
    if (p->prog)
        ndeletes = compute(op, in, computed, &deletes);
    struct batch out = *in; /* after computing: that may have added buffers */
    out.ncols = node->out.n;
    out.cols = ARENA_ARRAY(in->arena, struct vec, MAX(out.ncols, 1u));
    for (unsigned i = 0; i < out.ncols; i++)
        if (node->exprs[i]->kind == EX_COLUMN)
            out.cols[i] = in->cols[node->exprs[i]->column];
    for (unsigned i = 0; i < p->ncomputed; i++) {
        out.cols[p->computed[i]] = computed[i];
        if (ndeletes)
            set_nulls(&out.cols[p->computed[i]], &out, deletes, ndeletes);
    }
    op_emit(op, &out);
}

static void project_close(struct op *op)
{
    struct project *p = op->state;
    prog_free(p->prog);
    arena_fini(&p->arena);
}

const struct op_class project_class = {
    .name = "PROJECT",
    .size = sizeof(struct project),
    .open = project_open,
    .push = project_push,
    .close = project_close,
};
