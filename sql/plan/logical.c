/* From a bound query to the logical tree. */
#include "sql/plan/logical.h"

struct build {
    const struct query *q;
    struct arena *a;
    unsigned *where; /* column of the source row -> column of the node built so far */
};

const struct expr *expr_of_column(unsigned column, struct type t, struct arena *a)
{
    struct expr *e = ARENA_NEW(a, struct expr);
    e->kind = EX_COLUMN;
    e->type = t;
    e->column = column;
    return e;
}

const struct expr *expr_replace(const struct expr *e, const struct expr *const *by, struct arena *a)
{
    if (e->kind == EX_COLUMN)
        return by[e->column];
    if (!e->nargs)
        return e;
    struct expr *copy = ARENA_NEW(a, struct expr);
    const struct expr **args = (const struct expr **)ARENA_ARRAY(a, const struct expr *, e->nargs);
    *copy = *e;
    for (unsigned i = 0; i < e->nargs; i++)
        args[i] = expr_replace(e->args[i], by, a);
    copy->args = args;
    return copy;
}

void expr_mark_columns(const struct expr *e, bool *used)
{
    if (e->kind == EX_COLUMN)
        used[e->column] = true;
    for (unsigned i = 0; i < e->nargs; i++)
        expr_mark_columns(e->args[i], used);
}

bool expr_is_volatile(const struct expr *e)
{
    if (e->kind == EX_CALL && func_info(e->func)->is_volatile)
        return true;
    for (unsigned i = 0; i < e->nargs; i++)
        if (expr_is_volatile(e->args[i]))
            return true;
    return false;
}

static struct logical *node(struct build *bd, enum logical_kind kind, struct logical *input, unsigned ncols)
{
    struct logical *n = ARENA_NEW(bd->a, struct logical);
    n->kind = kind;
    n->ninputs = input != NULL;
    n->inputs[0] = input;
    n->limit = n->retention_ms = -1;
    n->out.n = ncols;
    n->out.cols = ARENA_ARRAY(bd->a, struct column, ncols + 1);
    for (unsigned i = 0; input && i < MIN(ncols, input->out.n); i++)
        n->out.cols[i] = input->out.cols[i];
    return n;
}

/* An expression over the source row as one over the node built so far. */
static const struct expr *here(struct build *bd, const struct expr *e)
{
    const struct expr **by = ARENA_ARRAY(bd->a, const struct expr *, bd->q->ncols + 1);
    for (unsigned i = 0; i < bd->q->ncols; i++)
        by[i] = expr_of_column(bd->where[i], bd->q->cols[i].type, bd->a);
    return expr_replace(e, by, bd->a);
}

static struct logical *source(struct build *bd, unsigned index, enum query_use use)
{
    const struct query_source *s = &bd->q->sources[index];
    struct logical *n = node(bd, L_SOURCE, NULL, s->ncols);
    n->rel = s->rel;
    n->scan = use == QUERY_PULL && s->rel->table && (s->rel->sys || !uuid_is_zero(s->rel->job));
    n->wants = ARENA_ARRAY(bd->a, struct want, s->ncols);
    for (unsigned i = 0; i < s->ncols; i++) {
        const struct query_column *c = &bd->q->cols[s->first + i];
        n->out.cols[i] = (struct column){c->name, c->type};
        n->wants[i] = c->want;
    }
    return n;
}

static struct logical *filter(struct build *bd, struct logical *input, const struct expr *predicate)
{
    struct logical *n = node(bd, L_FILTER, input, input->out.n);
    n->predicate = predicate;
    return n;
}

/* Column of *n that holds e; computed by a projection on top if it is no column yet. */
static unsigned column_for(struct build *bd, struct logical **n, const struct expr *e, const char *name)
{
    if (e->kind == EX_COLUMN)
        return e->column;
    unsigned count = (*n)->out.n;
    struct logical *p = node(bd, L_PROJECT, *n, count + 1);
    p->exprs = ARENA_ARRAY(bd->a, const struct expr *, count + 1);
    for (unsigned i = 0; i < count; i++)
        p->exprs[i] = expr_of_column(i, (*n)->out.cols[i].type, bd->a);
    p->exprs[count] = e;
    p->out.cols[count] = (struct column){name, e->type};
    *n = p;
    return count;
}

/* Columns of the same name on both sides are shown with their relation's in front. */
static void tell_apart(struct build *bd, struct schema *out, unsigned nl, const char *left, const char *right)
{
    for (unsigned r = nl; r < out->n; r++)
        for (unsigned l = 0; l < nl; l++)
            if (strcmp(out->cols[l].name, out->cols[r].name) == 0) {
                out->cols[l].name = arena_printf(bd->a, "%s.%s", left, out->cols[l].name);
                out->cols[r].name = arena_printf(bd->a, "%s.%s", right, out->cols[r].name);
                break;
            }
}

static struct logical *join(struct build *bd, struct logical *left, unsigned index, enum query_use use)
{
    static const enum join_kind kinds[] = {JOIN_INNER, JOIN_LEFT, JOIN_RIGHT, JOIN_FULL};
    const struct query_source *s = &bd->q->sources[index];
    struct logical *right = source(bd, index, use);
    unsigned *lcols = ARENA_ARRAY(bd->a, unsigned, s->njoin), *rcols = ARENA_ARRAY(bd->a, unsigned, s->njoin);
    for (unsigned i = 0; i < s->ncols; i++)
        bd->where[s->first + i] = i;
    for (unsigned i = 0; i < s->njoin; i++) {
        const char *name = arena_printf(bd->a, "join_%u", i);
        lcols[i] = column_for(bd, &left, here(bd, s->left[i]), name);
        rcols[i] = column_for(bd, &right, here(bd, s->right[i]), name);
    }
    unsigned nl = left->out.n, nr = right->out.n;
    struct logical *n = node(bd, L_JOIN, left, nl + nr);
    n->ninputs = 2;
    n->inputs[1] = right;
    memcpy(n->out.cols + nl, right->out.cols, nr * sizeof *n->out.cols);
    tell_apart(bd, &n->out, nl, bd->q->sources[0].alias, s->alias);
    for (unsigned i = 0; i < s->ncols; i++)
        bd->where[s->first + i] = nl + i;
    n->lookup = !bd->q->sources[0].rel->table;
    n->join = kinds[s->join];
    n->njoin = s->njoin;
    n->left_cols = lcols;
    n->right_cols = rcols;
    return n;
}

/* "SUM(delay)": what people recognise in a plan. */
static const char *aggregate_name(struct build *bd, const struct agg *g, const struct schema *in)
{
    static const char *const names[] = {"COUNT", "COUNT", "SUM", "AVG", "MIN", "MAX"};
    return arena_printf(bd->a, "%s(%s)", names[g->kind], g->arg ? in->cols[g->arg->column].name : "*");
}

/* Projection to the group expressions and the arguments of aggregates, window, aggregate, HAVING. */
static struct logical *aggregate(struct build *bd, struct logical *input)
{
    const struct query *q = bd->q;
    unsigned width = q->ngroup + q->naggs, bounds = q->windowed ? 2 : 0, naggs = MAX(q->naggs, 1u);
    struct logical *p = node(bd, L_PROJECT, input, width);
    p->exprs = ARENA_ARRAY(bd->a, const struct expr *, width + 1);
    unsigned n = 0;
    for (; n < q->ngroup; n++) {
        p->exprs[n] = here(bd, q->group[n]);
        p->out.cols[n] = (struct column){q->group_names[n] ? q->group_names[n] : arena_printf(bd->a, "group_%u", n),
                                         p->exprs[n]->type};
    }
    struct agg *aggs = ARENA_ARRAY(bd->a, struct agg, naggs);
    aggs[0] = (struct agg){AGG_COUNT_STAR, NULL, TYPE(T_BIGINT)}; /* groups without aggregates are still counted */
    for (unsigned i = 0; i < q->naggs; i++) {
        aggs[i] = q->aggs[i];
        if (!aggs[i].arg)
            continue;
        const struct expr *arg = here(bd, aggs[i].arg);
        unsigned at = q->ngroup;
        while (at < n && !expr_same(p->exprs[at], arg))
            at++;
        if (at == n) {
            p->exprs[n] = arg;
            p->out.cols[n++] = (struct column){arg->kind == EX_COLUMN ? input->out.cols[arg->column].name
                                                                      : arena_printf(bd->a, "value_%u", i),
                                               arg->type};
        }
        aggs[i].arg = expr_of_column(at, arg->type, bd->a);
    }
    p->out.n = n;
    struct logical *below = n ? p : input; /* COUNT(*) of everything reads no column */
    if (q->windowed) {
        below = node(bd, L_WINDOW, p, n + 2);
        below->out.cols[n] = (struct column){"WINDOWSTART", TYPE(T_BIGINT)};
        below->out.cols[n + 1] = (struct column){"WINDOWEND", TYPE(T_BIGINT)};
        below->size_ms = q->size_ms, below->grace_ms = q->grace_ms, below->retention_ms = q->retention_ms;
    }
    unsigned ngroup = q->ngroup + bounds;
    struct logical *g = node(bd, L_AGGREGATE, below, ngroup + naggs);
    g->ngroup = ngroup;
    g->group_cols = ARENA_ARRAY(bd->a, unsigned, ngroup);
    for (unsigned i = 0; i < ngroup; i++) {
        g->group_cols[i] = i < q->ngroup ? i : n + i - q->ngroup;
        g->out.cols[i] = below->out.cols[g->group_cols[i]];
    }
    for (unsigned i = 0; i < naggs; i++)
        g->out.cols[ngroup + i] = (struct column){aggregate_name(bd, &aggs[i], &below->out), aggs[i].type};
    g->naggs = naggs;
    g->aggs = aggs;
    g->emit_final = q->emit == AST_EMIT_FINAL;
    g->size_ms = q->size_ms, g->grace_ms = q->grace_ms, g->retention_ms = q->windowed ? q->retention_ms : -1;
    return q->having ? filter(bd, g, q->having) : g;
}

static struct logical *project(struct build *bd, struct logical *input, int *window_start)
{
    const struct query *q = bd->q;
    unsigned n = q->nitems + (*window_start >= 0);
    struct logical *p = node(bd, L_PROJECT, input, n);
    p->exprs = ARENA_ARRAY(bd->a, const struct expr *, n);
    for (unsigned i = 0; i < q->nitems; i++) {
        p->exprs[i] = q->aggregates ? q->items[i].expr : here(bd, q->items[i].expr);
        p->out.cols[i] = (struct column){q->items[i].name, p->exprs[i]->type};
    }
    if (*window_start >= 0) {
        *window_start = (int)q->nitems;
        p->exprs[q->nitems] = expr_of_column(q->ngroup, TYPE(T_BIGINT), bd->a);
        p->out.cols[q->nitems] = (struct column){"WINDOWSTART", TYPE(T_BIGINT)};
    }
    return p;
}

static struct logical *sort(struct build *bd, struct logical *input)
{
    const struct query *q = bd->q;
    struct logical *s = node(bd, L_SORT, input, input->out.n);
    s->nsort = q->nsort;
    s->sort = q->sort;
    s->limit = q->limit;
    s->offset = q->offset;
    unsigned shown = q->nitems;
    while (shown && q->items[shown - 1].hidden)
        shown--;
    if (shown == q->nitems)
        return s;
    struct logical *p = node(bd, L_PROJECT, s, shown);
    p->exprs = ARENA_ARRAY(bd->a, const struct expr *, shown);
    for (unsigned i = 0; i < shown; i++)
        p->exprs[i] = expr_of_column(i, s->out.cols[i].type, bd->a);
    return p;
}

struct logical *logical_build(const struct query *q, enum query_use use, struct arena *a, int *window_start)
{
    struct build bd = {q, a, ARENA_ARRAY(a, unsigned, q->ncols)};
    for (unsigned i = 0; i < q->sources[0].ncols; i++)
        bd.where[i] = i;
    struct logical *n = source(&bd, 0, use);
    for (unsigned i = 1; i < q->nsources; i++)
        n = join(&bd, n, i, use);
    if (q->where)
        n = filter(&bd, n, here(&bd, q->where));
    if (q->aggregates)
        n = aggregate(&bd, n);
    *window_start = q->windowed && use == QUERY_PERSISTENT ? 0 : -1;
    n = project(&bd, n, window_start);
    return use == QUERY_PULL && (q->nsort || q->limit >= 0 || q->offset) ? sort(&bd, n) : n;
}
