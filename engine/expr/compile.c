#include "engine/expr/prog.h"

/* From a tree to steps. Equal subexpressions become one register if the first stands in the same scope or above; calls
 * of constants are run at once and become constants, unless they fail: then they fail again for every row, and are
 * counted there. */

struct compiler {
    struct prog *p;
    const struct schema *in;
    struct diag *d;
    struct arena nodes; /* trees that replace macros */
    unsigned depth;
};

#define NO_REG UINT32_MAX

static unsigned compile(struct compiler *cc, const struct expr *e, unsigned scope);

/* ---- registers and scopes */

static unsigned reg_new(struct prog *p, enum reg_kind kind, struct type t, unsigned scope)
{
    struct reg *reg = &VEC_PUSH(p->regs, p->nregs, p->regs_cap);
    *reg = (struct reg){.kind = kind, .scope = scope, .vec = {.type = t}};
    return p->nregs - 1;
}

static unsigned scope_new(struct prog *p, unsigned parent)
{
    VEC_PUSH(p->scopes, p->nscopes, p->scopes_cap) = (struct scope){.parent = parent};
    return p->nscopes - 1;
}

static bool scope_covers(const struct prog *p, unsigned outer, unsigned inner)
{
    for (; inner != outer; inner = p->scopes[inner].parent)
        if (inner == 0)
            return false;
    return true;
}

static bool is_const(const struct prog *p, unsigned reg) { return p->regs[reg].kind == REG_CONST; }

static bool same_value(const struct value *a, const struct value *b)
{
    if (!type_eq(a->type, b->type) || a->null != b->null)
        return false;
    if (a->type.id == T_DOUBLE) /* 0.0 and -0.0 are equal, and not the same */
        return a->null || memcmp(&a->f, &b->f, sizeof a->f) == 0;
    return a->null || value_cmp(a, b) == 0;
}

static unsigned const_reg(struct prog *p, const struct value *v)
{
    for (unsigned i = 0; i < p->nregs; i++)
        if (p->regs[i].kind == REG_CONST && same_value(&p->regs[i].value, v))
            return i;
    unsigned out = reg_new(p, REG_CONST, v->type, 0);
    struct reg *reg = &p->regs[out];
    reg->value = *v;
    if (!v->null && type_is_text(v->type))
        reg->value.s = arena_dup(&p->arena, v->s.ptr ? v->s : STR(""));
    reg->vec.data = arena_zalloc(&p->arena, 16);
    reg->vec.valid = NULL;
    if (v->null) {
        vec_alloc_valid(&reg->vec, &p->arena, 1);
        memset(reg->vec.valid, 0, 8);
    }
    return out;
}

static unsigned column_reg(struct prog *p, unsigned column, struct type t)
{
    for (unsigned i = 0; i < p->nregs; i++)
        if (p->regs[i].kind == REG_COLUMN && p->regs[i].column == column)
            return i;
    unsigned out = reg_new(p, REG_COLUMN, t, 0);
    p->regs[out].column = column;
    return out;
}

/* ---- steps */

static struct step *same_step(struct prog *p, const struct step *st)
{
    for (unsigned i = 0; st->shared && i < p->nsteps; i++) {
        struct step *at = &p->steps[i];
        if (at->shared && at->op == st->op && at->mode == st->mode && at->kernel == st->kernel && at->aux == st->aux &&
            at->nargs == st->nargs && type_eq(at->type, st->type) && scope_covers(p, at->scope, st->scope) &&
            memcmp(at->args, st->args, st->nargs * sizeof *st->args) == 0 &&
            /* a selection, and what was merged over one, is of its own scope */
            (at->op == STEP_CALL || at->scope == st->scope))
            return at;
    }
    return NULL;
}

/* Runs a call of constants. False: it failed, and stays a step. */
static bool fold(struct prog *p, struct step *st, unsigned *out)
{
    struct schema none = {0, NULL};
    struct arena a;
    struct expr_errors errors = {0};
    arena_init(&a);
    struct batch *b = batch_new(&a, &none, 1);
    b->n = b->nsel = 1;
    unsigned mark = p->nregs;
    st->out = reg_new(p, REG_STEP, st->type, 0);
    p->scopes[0] = (struct scope){.sel = NULL, .nsel = 1};
    unsigned scope = st->scope;
    st->scope = 0;
    prog_bind_consts(p, b);
    step_run(p, st, b, &errors);
    st->scope = scope;
    bool ok = errors.count == 0;
    struct value v = value_null(st->type);
    if (ok)
        v = reg_value(&p->regs[st->out], b);
    void *room = p->regs[st->out].room; /* a short text's bytes are in there */
    p->nregs = mark;
    if (ok)
        *out = const_reg(p, &v);
    xfree(room);
    arena_fini(&a);
    return ok;
}

static unsigned emit(struct prog *p, struct step st, const unsigned *args)
{
    st.args = arena_alloc(&p->arena, sizeof *st.args * MAX(st.nargs, 1u));
    if (st.nargs)
        memcpy(st.args, args, sizeof *st.args * st.nargs);
    struct step *same = same_step(p, &st);
    if (same)
        return same->out;
    bool constant = st.op == STEP_CALL && st.shared;
    for (unsigned i = 0; i < st.nargs && constant; i++) {
        constant = is_const(p, args[i]);
        if (constant && st.strict && p->regs[args[i]].value.null) {
            struct value null = value_null(st.type);
            return const_reg(p, &null);
        }
    }
    unsigned folded;
    if (constant && fold(p, &st, &folded)) {
        cached_drop(&st.cache[0]);
        cached_drop(&st.cache[1]);
        return folded;
    }
    st.out = st.op == STEP_SCOPE ? scope_new(p, st.scope) : reg_new(p, REG_STEP, st.type, st.scope);
    VEC_PUSH(p->steps, p->nsteps, p->steps_cap) = st;
    return st.out;
}

static unsigned emit_scope(struct prog *p, unsigned scope, unsigned condition, enum scope_mode mode)
{
    struct step st = {.op = STEP_SCOPE, .mode = mode, .scope = scope, .nargs = 1, .shared = true};
    return emit(p, st, &condition);
}

/* ---- kinds of expressions */

static bool compile_args(struct compiler *cc, const struct expr *e, unsigned scope, unsigned *regs)
{
    for (unsigned i = 0; i < e->nargs; i++) {
        regs[i] = compile(cc, e->args[i], scope);
        if (regs[i] == NO_REG)
            return false;
    }
    return true;
}

static unsigned compile_kernel(struct compiler *cc, const struct expr *e, unsigned scope, struct step st)
{
    unsigned *regs = arena_alloc(&cc->nodes, sizeof *regs * MAX(e->nargs, 1u));
    if (!compile_args(cc, e, scope, regs))
        return NO_REG;
    st.op = STEP_CALL;
    st.scope = scope;
    st.nargs = e->nargs;
    st.type = e->type;
    return emit(cc->p, st, regs);
}

static const struct expr *node(struct compiler *cc, enum expr_kind kind, struct type t, unsigned nargs,
                               const struct expr *const *args)
{
    struct expr *e = ARENA_NEW(&cc->nodes, struct expr);
    const struct expr **copy = ARENA_ARRAY(&cc->nodes, const struct expr *, MAX(nargs, 1u));
    if (nargs)
        memcpy(copy, args, sizeof *copy * nargs);
    *e = (struct expr){.kind = kind, .type = t, .nargs = nargs, .args = copy, .value = value_null(t)};
    return e;
}

/* COALESCE(a, b) is CASE WHEN NOT a IS NULL THEN a ELSE b END; NULLIF(a, b) is CASE WHEN a = b THEN NULL ELSE a END. */
static unsigned compile_macro(struct compiler *cc, const struct expr *e, unsigned scope)
{
    struct type boolean = TYPE(T_BOOLEAN);
    if (strcmp(func_info(e->func)->name, "NULLIF") == 0) {
        struct type casts[2], result;
        const struct expr *pair[2] = {e->args[0], e->args[1]};
        struct expr *equal = (struct expr *)(uintptr_t)node(cc, EX_CALL, boolean, 2, pair);
        if (func_resolve(STR("="), (struct type[]){pair[0]->type, pair[1]->type}, 2, &equal->func, casts, &result, cc->d))
            return NO_REG;
        const struct expr *parts[3] = {equal, node(cc, EX_CONST, e->type, 0, NULL), e->args[0]};
        return compile(cc, node(cc, EX_CASE, e->type, 3, parts), scope);
    }
    unsigned n = e->nargs;
    const struct expr **parts = ARENA_ARRAY(&cc->nodes, const struct expr *, n * 2);
    for (unsigned i = 0; i + 1 < n; i++) {
        const struct expr *is_null = node(cc, EX_IS_NULL, boolean, 1, &e->args[i]);
        parts[i * 2] = node(cc, EX_NOT, boolean, 1, &is_null);
        parts[i * 2 + 1] = e->args[i];
    }
    parts[n * 2 - 2] = e->args[n - 1];
    return compile(cc, node(cc, EX_CASE, e->type, n * 2 - 1, parts), scope);
}

/* The call's own arguments, then what its lambdas capture. */
static unsigned compile_lambdas(struct compiler *cc, const struct expr *e, unsigned scope, struct step st)
{
    struct lambdas *ls = ARENA_NEW(&cc->p->arena, struct lambdas);
    ls->next = cc->p->lambdas;
    cc->p->lambdas = ls;
    const struct expr **captured[2];
    unsigned ncaptured[2] = {0}, n = 0;
    for (unsigned i = 0; i < e->nargs; i++) {
        if (e->args[i]->kind != EX_LAMBDA) {
            n++;
            continue;
        }
        unsigned at = ls->n;
        CHECK(at < ARRAY_LEN(captured));
        if (lambda_compile(cc->p, &ls->of[at], e->args[i], &cc->nodes, &captured[at], &ncaptured[at], cc->d))
            return NO_REG;
        ls->n++;
        cc->p->is_volatile |= ls->of[at].prog->is_volatile;
        st.shared &= !ls->of[at].prog->is_volatile;
    }
    ls->nplain = n;
    const struct expr **all = ARENA_ARRAY(&cc->nodes, const struct expr *, n + ncaptured[0] + ncaptured[1] + 1);
    for (unsigned i = n = 0; i < e->nargs; i++)
        if (e->args[i]->kind != EX_LAMBDA)
            all[n++] = e->args[i];
    for (unsigned k = 0; k < ls->n; k++) {
        unsigned *places = ARENA_ARRAY(&cc->p->arena, unsigned, ncaptured[k] + 1);
        for (unsigned i = 0; i < ncaptured[k]; i++) {
            places[i] = n;
            all[n++] = captured[k][i];
        }
        ls->of[k].captured = places;
    }
    st.aux = st.lambdas = ls;
    return compile_kernel(cc, node(cc, EX_CALL, e->type, n, all), scope, st);
}

static unsigned compile_call(struct compiler *cc, const struct expr *e, unsigned scope)
{
    const struct func *f = func_at(e->func);
    if (f->flags & F_MACRO)
        return compile_macro(cc, e, scope);
    if (f->flags & F_LAMBDA)
        return compile_lambdas(cc, e, scope, (struct step){.kernel = f->kernel, .shared = true});
    cc->p->is_volatile |= f->info.is_volatile;
    struct step st = {.kernel = f->kernel, .strict = !(f->flags & F_NULLS), .shared = !(f->flags & F_PER_ROW)};
    /* NOW may be shared, and is not folded: its value comes with the evaluation. */
    if (f->info.is_volatile && !(f->flags & F_PER_ROW)) {
        for (unsigned i = 0; i < cc->p->nsteps; i++)
            if (cc->p->steps[i].kernel == st.kernel && type_eq(cc->p->steps[i].type, e->type) &&
                scope_covers(cc->p, cc->p->steps[i].scope, scope))
                return cc->p->steps[i].out;
        st.shared = false;
    }
    return compile_kernel(cc, e, scope, st);
}

static unsigned compile_case(struct compiler *cc, const struct expr *e, unsigned scope)
{
    unsigned *pairs = arena_alloc(&cc->nodes, sizeof *pairs * (e->nargs + 1)), n = 0;
    unsigned rest = scope;
    for (unsigned i = 0; i + 1 < e->nargs; i += 2) {
        unsigned condition = compile(cc, e->args[i], rest);
        if (condition == NO_REG)
            return NO_REG;
        unsigned then = emit_scope(cc->p, rest, condition, ROWS_TRUE);
        pairs[n++] = then;
        pairs[n] = compile(cc, e->args[i + 1], then);
        if (pairs[n++] == NO_REG)
            return NO_REG;
        rest = emit_scope(cc->p, rest, condition, ROWS_NOT_TRUE);
    }
    pairs[n++] = rest;
    pairs[n] = compile(cc, e->args[e->nargs - 1], rest);
    if (pairs[n++] == NO_REG)
        return NO_REG;
    struct step st = {.op = STEP_CASE, .scope = scope, .nargs = n, .type = e->type, .shared = true};
    return emit(cc->p, st, pairs);
}

/* The right side is computed only where the left does not decide. For OR that is where it is not true. */
static unsigned compile_logic(struct compiler *cc, const struct expr *e, unsigned scope)
{
    bool is_and = e->kind == EX_AND;
    unsigned left = compile(cc, e->args[0], scope);
    for (unsigned i = 1; i < e->nargs && left != NO_REG; i++) {
        unsigned open = emit_scope(cc->p, scope, left, is_and ? ROWS_NOT_FALSE : ROWS_NOT_TRUE);
        unsigned right = compile(cc, e->args[i], open);
        if (right == NO_REG)
            return NO_REG;
        unsigned args[3] = {left, right, open};
        struct step st = {.op = is_and ? STEP_AND : STEP_OR, .scope = scope, .nargs = 3, .type = e->type, .shared = true};
        left = emit(cc->p, st, args);
    }
    return left;
}

static unsigned compile_udf(struct compiler *cc, const struct expr *e, unsigned scope)
{
    struct step st = {.strict = true};
    if (udf_step_new(cc->p, e, &st, cc->d))
        return NO_REG;
    return compile_kernel(cc, e, scope, st);
}

static unsigned compile_kind(struct compiler *cc, const struct expr *e, unsigned scope)
{
    switch (e->kind) {
    case EX_COLUMN:
        CHECK(e->column < cc->in->n);
        CHECK(type_eq(e->type, cc->in->cols[e->column].type));
        return column_reg(cc->p, e->column, e->type);
    case EX_CONST: {
        struct value v = e->value;
        v.type = e->type;
        return const_reg(cc->p, &v);
    }
    case EX_CALL:
        return compile_call(cc, e, scope);
    case EX_CAST:
        if (type_eq(e->args[0]->type, e->type))
            return compile(cc, e->args[0], scope);
        return compile_kernel(cc, e, scope,
                              (struct step){.kernel = cast_kernel(e->args[0]->type, e->type), .strict = true, .shared = true});
    case EX_CASE:
        return compile_case(cc, e, scope);
    case EX_AND:
    case EX_OR:
        return compile_logic(cc, e, scope);
    case EX_NOT:
        return compile_kernel(cc, e, scope, (struct step){.kernel = logic_not, .strict = true, .shared = true});
    case EX_IS_NULL:
        return compile_kernel(cc, e, scope, (struct step){.kernel = logic_is_null, .shared = true});
    case EX_IN:
        return compile_kernel(cc, e, scope, (struct step){.kernel = in_list, .shared = true});
    case EX_UDF:
        return compile_udf(cc, e, scope);
    case EX_MAKE:
        return compile_kernel(cc, e, scope, (struct step){.kernel = nested_make, .shared = true});
    case EX_FIELD:
        return compile_kernel(cc, e, scope,
                              (struct step){.kernel = nested_field, .strict = true, .shared = true,
                                            .aux = (void *)(uintptr_t)e->column});
    case EX_LAMBDA:
    case EX_PARAM:
        diag_set(cc->d, E_SQL, "a lambda stands where none is taken");
        return NO_REG;
    }
    CHECK(false);
    return NO_REG;
}

static unsigned compile(struct compiler *cc, const struct expr *e, unsigned scope)
{
    if (cc->depth >= EXPR_DEPTH) {
        diag_set(cc->d, E_SQL, "the expression is nested more than %d deep", EXPR_DEPTH);
        return NO_REG;
    }
    cc->depth++;
    unsigned reg = compile_kind(cc, e, scope);
    cc->depth--;
    return reg;
}

int prog_compile(struct prog **out, const struct expr *const *roots, unsigned nroots, const struct schema *in,
                 struct diag *d)
{
    struct prog *p = xzalloc(sizeof *p);
    struct compiler cc = {.p = p, .in = in, .d = d};
    arena_init(&p->arena);
    arena_init(&cc.nodes);
    p->nroots = nroots;
    p->roots = ARENA_ARRAY(&p->arena, unsigned, MAX(nroots, 1u));
    scope_new(p, 0);
    int err = 0;
    for (unsigned i = 0; i < nroots && !err; i++) {
        p->roots[i] = compile(&cc, roots[i], 0);
        if (p->roots[i] == NO_REG)
            err = E_SQL;
        else
            p->regs[p->roots[i]].is_root = true;
    }
    arena_fini(&cc.nodes);
    if (err) {
        prog_free(p);
        return err;
    }
    *out = p;
    return 0;
}

void prog_free(struct prog *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->nsteps; i++) {
        cached_drop(&p->steps[i].cache[0]);
        cached_drop(&p->steps[i].cache[1]);
    }
    for (unsigned i = 0; i < p->nregs; i++)
        xfree(p->regs[i].room);
    udf_steps_free(p);
    lambdas_free(p->lambdas);
    xfree(p->steps);
    xfree(p->regs);
    xfree(p->scopes);
    arena_fini(&p->arena);
    xfree(p);
}

/* Marks what a step reads: registers, and the scopes that they were computed for. */
static void mark_args(const struct step *st, bool *regs, bool *scopes)
{
    scopes[st->scope] = true;
    for (unsigned i = 0; i < st->nargs; i++) {
        bool scope = (st->op == STEP_CASE && i % 2 == 0) || ((st->op == STEP_AND || st->op == STEP_OR) && i == 2);
        *(scope ? &scopes[st->args[i]] : &regs[st->args[i]]) = true;
    }
}

bool prog_watch(struct prog *p, const bool *roots)
{
    bool *regs = ARENA_ARRAY(&p->arena, bool, p->nregs + 1), *scopes = ARENA_ARRAY(&p->arena, bool, p->nscopes + 1);
    bool any = false;
    for (unsigned i = 0; roots && i < p->nroots; i++)
        regs[p->roots[i]] |= roots[i];
    for (unsigned i = p->nsteps; i-- > 0;) {
        struct step *st = &p->steps[i];
        bool feeds = st->op == STEP_SCOPE ? scopes[st->out] : regs[st->out];
        if (feeds)
            mark_args(st, regs, scopes);
        bool function = st->function || (st->lambdas && lambdas_watch(st->lambdas));
        st->watched = (uint8_t)((function ? WATCH_FUNCTION : 0) | (feeds && st->op == STEP_CALL ? WATCH_ROOT : 0));
        any |= st->watched != 0;
    }
    return any;
}

bool prog_is_volatile(const struct prog *p) { return p->is_volatile; }
void prog_set_context(struct prog *p, struct expr_context *ctx) { p->ctx = ctx; }

int expr_const_in(const struct expr *e, struct expr_context *ctx, struct value *out, struct arena *a, struct diag *d)
{
    struct schema none = {0, NULL};
    struct prog *p;
    struct arena room;
    struct vec result;
    struct expr_errors errors = {0};
    int err = prog_compile(&p, &e, 1, &none, d);
    if (err)
        return err;
    if (p->is_volatile && !ctx) {
        prog_free(p);
        return diag_set(d, E_SQL, "a constant is wanted here, and this changes from call to call");
    }
    arena_init(&room);
    struct batch *b = batch_new(&room, &none, 1);
    b->n = b->nsel = 1;
    p->ctx = ctx;
    prog_eval(p, b, &result, b, &errors);
    b->cols = &result;
    *out = batch_value(b, 0, 0);
    out->type = e->type;
    if (!out->null && type_is_text(out->type))
        out->s = arena_dup(a, out->s.len ? out->s : STR(""));
    if (errors.count)
        err = diag_set(d, E_SQL, "%s", errors.first);
    arena_fini(&room);
    prog_free(p);
    return err;
}
