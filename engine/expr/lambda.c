#include "engine/expr/prog.h"

/* Lambdas: x => x + y becomes a program of its own. Its columns are the parameters, then what the body takes from around it
 * (y), which the call gets as arguments more; so a body runs over the elements of many rows at once. */

struct rewriting {
    struct arena *nodes;
    unsigned first, nparams;        /* the lambda's own parameters: first .. first + nparams - 1 */
    const struct expr **captured;   /* columns, and parameters of lambdas around this one */
    unsigned ncaptured, cap;
};

static unsigned capture(struct rewriting *rw, const struct expr *e)
{
    for (unsigned i = 0; i < rw->ncaptured; i++)
        if (rw->captured[i]->kind == e->kind && rw->captured[i]->column == e->column)
            return i;
    if (rw->ncaptured == rw->cap) {
        const struct expr **more = ARENA_ARRAY(rw->nodes, const struct expr *, rw->cap * 2 + 4);
        if (rw->ncaptured)
            memcpy(more, rw->captured, rw->ncaptured * sizeof *more);
        rw->captured = more;
        rw->cap = rw->cap * 2 + 4;
    }
    rw->captured[rw->ncaptured] = e;
    return rw->ncaptured++;
}

/* The body over the lambda's own columns. Parameters of lambdas inside it have higher numbers, and stay. */
static const struct expr *rewrite(struct rewriting *rw, const struct expr *e)
{
    struct expr *copy = ARENA_NEW(rw->nodes, struct expr);
    *copy = *e;
    bool own = e->kind == EX_PARAM && e->column >= rw->first && e->column < rw->first + rw->nparams;
    bool outer = e->kind == EX_COLUMN || (e->kind == EX_PARAM && e->column < rw->first);
    if (own || outer) {
        copy->kind = EX_COLUMN;
        copy->column = own ? e->column - rw->first : rw->nparams + capture(rw, e);
        return copy;
    }
    const struct expr **args = ARENA_ARRAY(rw->nodes, const struct expr *, e->nargs + 1);
    for (unsigned i = 0; i < e->nargs; i++)
        args[i] = rewrite(rw, e->args[i]);
    copy->args = args;
    return copy;
}

int lambda_compile(struct prog *p, struct lambda *l, const struct expr *e, struct arena *nodes, const struct expr ***captured,
                   unsigned *ncaptured, struct diag *d)
{
    struct rewriting rw = {.nodes = nodes, .first = e->column, .nparams = e->type.of->n - 1};
    const struct expr *body = rewrite(&rw, e->args[0]);
    l->nparams = rw.nparams;
    l->in = (struct schema){rw.nparams + rw.ncaptured, ARENA_ARRAY(&p->arena, struct column, rw.nparams + rw.ncaptured + 1)};
    for (unsigned i = 0; i < l->in.n; i++)
        l->in.cols[i] = (struct column){
            "", i < rw.nparams ? e->type.of->fields[i].type : rw.captured[i - rw.nparams]->type};
    *captured = rw.captured;
    *ncaptured = rw.ncaptured;
    return prog_compile(&l->prog, &body, 1, &l->in, d);
}

void lambdas_free(struct lambdas *ls)
{
    for (; ls; ls = ls->next)
        for (unsigned i = 0; i < ls->n; i++)
            prog_free(ls->of[i].prog);
}

bool lambdas_watch(struct lambdas *ls)
{
    static const bool root = true;
    bool any = false;
    for (unsigned i = 0; i < ls->n; i++)
        any |= prog_watch(ls->of[i].prog, &root);
    return any;
}

/* ---- running */

struct batch *lambda_batch(struct call *c, const struct lambda *l, uint32_t cap)
{
    struct batch *b = batch_new(c->arena, &l->in, cap);
    memset(b->ts, 0, cap * sizeof *b->ts);
    return b;
}

uint32_t lambda_add(struct call *c, const struct lambda *l, struct batch *b, uint32_t r, uint32_t cap)
{
    CHECK(b->n < cap);
    for (unsigned i = l->nparams; i < l->in.n; i++) {
        struct value v = arg_value(c, l->captured[i - l->nparams], r);
        batch_set_value(b, i, b->n, &v, cap);
    }
    b->nsel = b->n + 1;
    return b->n++;
}

void lambda_run(struct call *c, const struct lambda *l, struct batch *b, const uint32_t *rows, struct vec *out)
{
    struct expr_bad bad = {.arena = c->arena};
    struct expr_errors errors = {.bad = c->watched && c->errors && c->errors->bad ? &bad : NULL};
    prog_set_context(l->prog, c->ctx);
    prog_eval(l->prog, b, out, b, &errors);
    for (unsigned i = 0; i < bad.n; i++)
        call_note_bad(c, rows[bad.rows[i].row], bad.rows[i].function, bad.rows[i].text);
    if (!c->errors || !errors.count)
        return;
    if (!c->errors->count)
        memcpy(c->errors->first, errors.first, sizeof errors.first);
    c->errors->count += errors.count;
}
