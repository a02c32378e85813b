#include "engine/op/join.h"

/* The residual condition of a join: what is left of ON when equalities have become keys. */

struct str join_entry_bytes(const struct join_entry *e, uint8_t value[JOIN_ENTRY_BYTES])
{
    value[0] = OP_LAYOUT;
    put_be64(value + 1, (uint64_t)e->count);
    value[9] = e->waiting;
    return (struct str){(char *)value, JOIN_ENTRY_BYTES};
}

bool join_entry_get(struct str value, struct join_entry *e)
{
    *e = (struct join_entry){0};
    if (value.len != JOIN_ENTRY_BYTES || value.ptr[0] != OP_LAYOUT || (uint8_t)value.ptr[9] > 1)
        return false;
    struct join_entry got = {(int64_t)be64(value.ptr + 1), value.ptr[9] == 1};
    if (got.count <= 0 || !count_possible(got.count))
        return false;
    *e = got;
    return true;
}

size_t join_key_length(const struct op *op, unsigned s, struct str key)
{
    const unsigned *cols = s ? op->node->right_cols : op->node->left_cols;
    struct str rest = key;
    struct arena a;
    struct value v;
    int err = 0;
    arena_init(&a);
    for (unsigned i = 0; !err && i < op->node->njoin; i++)
        err = key_decode(&rest, op_input(op, s)->cols[cols[i]].type, &v, &a);
    arena_fini(&a);
    return err ? SIZE_MAX : key.len - rest.len;
}

int pairs_open(struct pairs *p, struct op *op, struct diag *d)
{
    *p = (struct pairs){.op = op};
    arena_init(&p->names);
    arena_init(&p->arena);
    p->schema = plan_join_columns(op->node, &p->names);
    if (!op->node->residual)
        return 0;
    int err = prog_compile(&p->prog, &op->node->residual, 1, &p->schema, d);
    if (err) {
        arena_fini(&p->names);
        return err;
    }
    if (op->env->context)
        prog_set_context(p->prog, op->env->context);
    return 0;
}

void pairs_fini(struct pairs *p)
{
    prog_free(p->prog);
    arena_fini(&p->arena);
    arena_fini(&p->names);
}

void join_set_side(const struct op *op, struct batch *b, unsigned s, struct str columns, uint32_t row, uint32_t cap)
{
    unsigned first = s ? op_input(op, 0)->n : 0, n = op_input(op, s)->n;
    if (columns.ptr) {
        int err = row_decode(columns, op_input(op, s), b, first, row, cap);
        CHECK(err == 0);
        return;
    }
    for (unsigned c = 0; c < n; c++)
        vec_set_null(&b->cols[first + c], b->arena, row, cap);
}

bool pairs_full(const struct pairs *p) { return p->b && p->b->n == PAIRS_MAX; }

void pairs_add(struct pairs *p, unsigned s, struct str of_s, struct str of_other, struct candidate c)
{
    if (!p->b) {
        p->b = batch_new(&p->arena, &p->schema, PAIRS_MAX);
        p->b->n = p->b->nsel = 0;
        p->of = arena_alloc(&p->arena, sizeof *p->of * PAIRS_MAX);
    }
    CHECK(p->b->n < PAIRS_MAX);
    uint32_t row = p->b->n++;
    p->b->nsel = p->b->n;
    p->b->ts[row] = c.ts;
    p->of[row] = c;
    join_set_side(p->op, p->b, s, of_s, row, PAIRS_MAX);
    join_set_side(p->op, p->b, !s, of_other, row, PAIRS_MAX);
}

uint32_t pairs_fit(struct pairs *p, struct batch *b, uint32_t **sel)
{
    struct expr_errors errors = {0};
    uint32_t n = prog_filter(p->prog, b, sel, &errors);
    op_errors(p->op, &errors);
    return n;
}

uint32_t pairs_judge(struct pairs *p, const uint32_t **selected)
{
    uint32_t *sel = NULL, n = p->b ? pairs_fit(p, p->b, &sel) : 0;
    *selected = sel;
    return n;
}

void pairs_clear(struct pairs *p)
{
    p->b = NULL;
    arena_reset(&p->arena);
}

void pairs_emit(struct pairs *p, struct batch *b)
{
    struct batch out = *b;
    uint32_t *sel = NULL;
    out.nsel = pairs_fit(p, &out, &sel);
    out.sel = sel;
    op_emit(p->op, &out);
}
