/* Joins whose right side reads columns of the left one (a query inside an expression does) as joins that any engine can
 * run, after Neumann and Kemper, "Unnesting Arbitrary Queries" (BTW 2015).
 *
 * First by lifting: a condition of the right side that reads the left one goes up until it is the join's own. Through an
 * aggregate, DISTINCT, LIMIT and OVER an equality can go: what it equates becomes a group or part of the partition; and what
 * is about the left side only, for without rows there are no groups (of a total without rows subquery.c knows what it is).
 * So all groups are kept, not only those that the left side asks for, which for a query that is maintained is what is wanted.
 *
 * What cannot be lifted is computed for each distinct row of the columns that are read: a copy of the left side, made
 * distinct, is pushed down the right side to where they are read, and the join finds its row of them. Lifting is tried
 * first because this reads the left side twice. */
#include "sql/bind/decorrelate.h"

struct lifting {
    struct columns *cs;
    const struct ids *outer;   /* columns of the left side */
    const struct expr *lifted; /* conditions, over columns of both */
};

static bool reads_outer(const struct lifting *lf, const struct expr *e) { return e && expr_reads_any(e, lf->outer); }

static const struct expr *watch(void *arg, const struct expr *e)
{
    struct lifting *lf = arg;
    if (reads_outer(lf, e))
        lf->lifted = e; /* any: as a mark */
    return e;
}

/* Does the node itself, without what is below it, read the left side? */
static bool node_reads(struct tree *t, const struct lifting *lf)
{
    struct lifting mark = {lf->cs, lf->outer, NULL};
    tree_each_expr(t, watch, &mark);
    return mark.lifted != NULL;
}

static bool tree_reads(struct tree *t, const struct lifting *lf)
{
    bool reads = node_reads(t, lf);
    for (unsigned i = 0; i < t->ninputs && !reads; i++)
        reads = tree_reads(t->inputs[i], lf);
    return reads;
}

/* own = outer: what is equated on the right side's own account; NULL: it is no such equality. */
static const struct expr *own_side(const struct lifting *lf, const struct expr *e)
{
    if (!expr_is_equality(e) || !type_eq(e->args[0]->type, e->args[1]->type))
        return NULL;
    for (unsigned i = 0; i < 2; i++)
        if (!reads_outer(lf, e->args[i]) && reads_outer(lf, e->args[1 - i]) &&
            expr_reads_only(e->args[1 - i], lf->outer) && !expr_is_volatile(e->args[i]))
            return e->args[i];
    return NULL;
}

static bool can_lift_condition(const struct lifting *lf, const struct expr *e, bool grouped)
{
    if (e->kind == EX_AND) {
        bool can = true;
        for (unsigned i = 0; i < e->nargs && can; i++)
            can = can_lift_condition(lf, e->args[i], grouped);
        return can;
    }
    return !reads_outer(lf, e) || !grouped || expr_reads_only(e, lf->outer) || own_side(lf, e);
}

/* grouped: something above takes rows together, so that only equalities can pass it. */
static bool can_lift(struct tree *t, const struct lifting *lf, bool grouped)
{
    switch (t->kind) {
    case TREE_FILTER:
        return can_lift_condition(lf, t->predicate, grouped) && can_lift(t->inputs[0], lf, grouped);
    case TREE_PROJECT:
        return !node_reads(t, lf) && can_lift(t->inputs[0], lf, grouped);
    case TREE_AGGREGATE:
        if (t->total)
            return !tree_reads(t, lf); /* as a group it would be missing where it has no rows */
        return !node_reads(t, lf) && can_lift(t->inputs[0], lf, true);
    case TREE_OVER:
    case TREE_TOPN:
        return !node_reads(t, lf) && can_lift(t->inputs[0], lf, true);
    case TREE_JOIN:
        if (node_reads(t, lf) && (t->join != JOIN_INNER || !can_lift_condition(lf, t->on, grouped)))
            return false;
        if (t->join == JOIN_RIGHT || t->join == JOIN_FULL)
            return !tree_reads(t->inputs[0], lf) && !tree_reads(t->inputs[1], lf);
        return can_lift(t->inputs[0], lf, grouped) &&
               (t->join == JOIN_INNER ? can_lift(t->inputs[1], lf, grouped) : !tree_reads(t->inputs[1], lf));
    case TREE_WINDOW:
        return !node_reads(t, lf) && can_lift(t->inputs[0], lf, grouped);
    default:
        return !tree_reads(t, lf);
    }
}

/* The columns that lifted conditions read of t must be seen above it. */
static void show_lifted(struct tree *t, const struct lifting *lf)
{
    struct ids read = {0, NULL};
    struct arena *a = lf->cs->arena;
    if (!lf->lifted)
        return;
    expr_columns(lf->lifted, &read, a);
    for (unsigned i = 0; i < read.n; i++) {
        if (ids_have(lf->outer, read.id[i]) || tree_has(t, read.id[i]) || !tree_has(t->inputs[0], read.id[i]))
            continue;
        const struct expr **exprs = ARENA_ARRAY(a, const struct expr *, t->out.n + 1);
        memcpy(exprs, t->exprs, t->out.n * sizeof *exprs);
        exprs[t->out.n] = expr_of_id(lf->cs, read.id[i]);
        t->exprs = exprs;
        t->out = ids_join(a, t->out, (struct ids){1, &read.id[i]});
    }
}

/* own = outer as a column of its own = outer, for what groups by it. */
static const struct expr *own_column(struct lifting *lf, const struct expr *e, struct tree **in)
{
    const struct expr *own = own_side(lf, e);
    struct arena *a = lf->cs->arena;
    if (own->kind == EX_COLUMN)
        return e;
    unsigned id = column_add(lf->cs, (struct tree_column){"correlated", NULL, own->type, false});
    const struct expr **exprs = ARENA_ARRAY(a, const struct expr *, 1);
    exprs[0] = own;
    *in = tree_add(a, lf->cs, *in, ids_of(a, &id, 1), exprs);
    struct expr *copy = &ARENA_NEW(a, struct placed)->e;
    const struct expr **args = (const struct expr **)ARENA_ARRAY(a, const struct expr *, 2);
    bool first = e->args[0] == own;
    *copy = *e;
    args[0] = first ? expr_of_id(lf->cs, id) : e->args[0];
    args[1] = first ? e->args[1] : expr_of_id(lf->cs, id);
    copy->args = args;
    return copy;
}

/* What stays of a condition (NULL: nothing); the rest is lifted. */
static const struct expr *lift_condition(struct lifting *lf, const struct expr *e, bool grouped, struct tree **in)
{
    const struct expr *stays = NULL;
    if (e->kind == EX_AND) {
        for (unsigned i = 0; i < e->nargs; i++)
            stays = expr_both(stays, lift_condition(lf, e->args[i], grouped, in), lf->cs->arena);
        return stays;
    }
    if (!reads_outer(lf, e))
        return e;
    bool of_own = grouped && !expr_reads_only(e, lf->outer);
    lf->lifted = expr_both(lf->lifted, of_own ? own_column(lf, e, in) : e, lf->cs->arena);
    return NULL;
}

/* Columns that lifted equalities read of the right side: groups, or the partition, of what takes rows together. */
static void group_by_lifted(struct tree *t, const struct lifting *lf)
{
    struct ids read = {0, NULL};
    if (lf->lifted)
        expr_columns(lf->lifted, &read, lf->cs->arena);
    for (unsigned i = 0; i < read.n; i++)
        if (!ids_have(lf->outer, read.id[i]) && tree_has(t->inputs[0], read.id[i]))
            ids_add(lf->cs->arena, &t->groups, read.id[i]);
}

static struct tree *lift(struct tree *t, struct lifting *lf, bool grouped)
{
    struct arena *a = lf->cs->arena;
    bool groups = t->kind == TREE_AGGREGATE || t->kind == TREE_OVER || t->kind == TREE_TOPN;
    if (!tree_reads(t, lf))
        return t;
    for (unsigned i = 0; i < t->ninputs; i++) {
        struct lifting below = {lf->cs, lf->outer, NULL};
        t->inputs[i] = lift(t->inputs[i], &below, grouped || groups);
        if (groups)
            group_by_lifted(t, &below);
        if (t->kind == TREE_PROJECT)
            show_lifted(t, &below);
        lf->lifted = expr_both(lf->lifted, below.lifted, a);
    }
    if (t->kind == TREE_FILTER) {
        t->predicate = lift_condition(lf, t->predicate, grouped, &t->inputs[0]);
        if (!t->predicate)
            return t->inputs[0];
    }
    if (t->kind == TREE_JOIN && t->on && node_reads(t, lf)) {
        struct tree *joined = t;
        t->on = lift_condition(lf, t->on, grouped, &joined);
        tree_derive(t, a);
        return joined;
    }
    tree_derive(t, a);
    return t;
}

/* ---- For each distinct row of the columns that are read */

struct domain {
    struct columns *cs;
    struct tree *left;  /* to be copied for each use */
    struct ids columns; /* of it, that are read */
};

static const struct expr *null_test(struct columns *cs, const struct expr *e)
{
    struct expr *null = &ARENA_NEW(cs->arena, struct placed)->e;
    const struct expr **of = (const struct expr **)ARENA_ARRAY(cs->arena, const struct expr *, 1);
    of[0] = e;
    *null = (struct expr){.kind = EX_IS_NULL, .type = TYPE(T_BOOLEAN), .nargs = 1, .args = of};
    return null;
}

/* Zero, or an empty text, where e is NULL. */
static const struct expr *if_null(struct columns *cs, const struct expr *e)
{
    struct expr *zero = &ARENA_NEW(cs->arena, struct placed)->e, *cases = &ARENA_NEW(cs->arena, struct placed)->e;
    const struct expr **when = (const struct expr **)ARENA_ARRAY(cs->arena, const struct expr *, 3);
    *zero = (struct expr){.kind = EX_CONST, .type = e->type, .value = {.type = e->type}};
    if (type_is_text(e->type))
        zero->value.s = STR("");
    when[0] = null_test(cs, e);
    when[1] = zero;
    when[2] = e;
    *cases = (struct expr){.kind = EX_CASE, .type = e->type, .nargs = 3, .args = when};
    return cases;
}

/* NULL counts as a value here: the left side's rows with NULL have their own answers. x = y, or both are NULL. */
static const struct expr *same_value(struct columns *cs, unsigned left, unsigned right)
{
    struct arena *a = cs->arena;
    struct type casts[2], result;
    const struct expr *both = NULL;
    for (unsigned part = 0; part < 2; part++) {
        struct expr *eq = &ARENA_NEW(a, struct placed)->e;
        const struct expr **args = (const struct expr **)ARENA_ARRAY(a, const struct expr *, 2);
        for (unsigned i = 0; i < 2; i++) {
            const struct expr *col = expr_of_id(cs, i ? right : left);
            args[i] = part ? null_test(cs, col) : if_null(cs, col);
        }
        struct type types[2] = {args[0]->type, args[1]->type};
        *eq = (struct expr){.kind = EX_CALL, .type = TYPE(T_BOOLEAN), .nargs = 2, .args = args};
        int err = func_resolve(STR("="), types, 2, &eq->func, casts, &result, NULL);
        CHECK(err == 0);
        both = expr_both(both, eq, a);
    }
    return both;
}

/* The distinct rows, with columns of their own: ids[i] stands for columns.id[i]. */
static struct tree *domain_copy(struct domain *d, struct ids *ids)
{
    struct arena *a = d->cs->arena;
    unsigned *map = ARENA_ARRAY(a, unsigned, d->cs->n + 1);
    struct tree *left = tree_copy(d->left, d->cs, map), *t;
    ids->n = d->columns.n;
    ids->id = ARENA_ARRAY(a, unsigned, d->columns.n + 1);
    for (unsigned i = 0; i < d->columns.n; i++)
        ids->id[i] = map[d->columns.id[i]];
    t = tree_new(a, TREE_AGGREGATE, tree_keep(a, d->cs, left, *ids), NULL);
    t->groups = *ids;
    t->naggs = 1;
    t->aggs = ARENA_NEW(a, struct tree_agg);
    t->aggs->agg = (struct agg){.kind = AGG_COUNT_STAR, .type = TYPE(T_BIGINT)};
    t->aggs->id = column_add(d->cs, (struct tree_column){"COUNT(*)", NULL, TYPE(T_BIGINT), false});
    tree_derive(t, a);
    return t;
}

struct renaming {
    const struct domain *d;
    const struct ids *to;
};

static const struct expr *renamed(void *arg, unsigned id)
{
    const struct renaming *rn = arg;
    for (unsigned i = 0; i < rn->d->columns.n; i++)
        if (rn->d->columns.id[i] == id)
            return expr_of_id(rn->d->cs, rn->to->id[i]);
    return NULL;
}

static const struct expr *rename_in(void *arg, const struct expr *e)
{
    const struct renaming *rn = arg;
    return expr_rewrite(e, renamed, arg, rn->d->cs->arena);
}

static const struct expr *same_rows(struct domain *d, const struct ids *x, const struct ids *y)
{
    const struct expr *all = NULL;
    for (unsigned i = 0; i < x->n; i++)
        all = expr_both(all, same_value(d->cs, x->id[i], y->id[i]), d->cs->arena);
    return all;
}

static struct tree *widen(struct tree *t, struct domain *d, struct ids *ids);

static struct tree *widen_join(struct tree *t, struct domain *d, struct ids *ids)
{
    struct arena *a = d->cs->arena;
    struct lifting lf = {d->cs, &d->columns, NULL};
    struct ids left, right;
    bool l = tree_reads(t->inputs[0], &lf), r = tree_reads(t->inputs[1], &lf);
    bool keeps_right = t->join == JOIN_RIGHT || t->join == JOIN_FULL;
    if (t->join == JOIN_FULL)
        return NULL;
    l |= !keeps_right && (node_reads(t, &lf) || t->join != JOIN_INNER || !r);
    r |= keeps_right;
    if (l && !(t->inputs[0] = widen(t->inputs[0], d, &left)))
        return NULL;
    if (r && !(t->inputs[1] = widen(t->inputs[1], d, &right)))
        return NULL;
    *ids = l && !keeps_right ? left : right;
    if (l && r)
        t->on = expr_both(t->on, same_rows(d, &left, &right), a);
    struct renaming rn = {d, ids};
    tree_each_expr(t, rename_in, &rn);
    tree_derive(t, a);
    return t;
}

static struct tree *widen_union(struct tree *t, struct domain *d, struct ids *ids)
{
    struct arena *a = d->cs->arena;
    *ids = (struct ids){d->columns.n, ARENA_ARRAY(a, unsigned, d->columns.n + 1)};
    for (unsigned i = 0; i < 2; i++) {
        struct ids side;
        if (!(t->inputs[i] = widen(t->inputs[i], d, &side)))
            return NULL;
        t->from[i] = ids_join(a, t->from[i], side);
    }
    for (unsigned k = 0; k < ids->n; k++)
        ids->id[k] = column_add(d->cs, d->cs->items[d->columns.id[k]]);
    t->out = ids_join(a, t->out, *ids);
    tree_derive(t, a);
    return t;
}

/* A total of each row of the domain: of no rows COUNT is 0, all else NULL. */
static struct tree *widen_total(struct tree *t, struct domain *d, struct ids *ids)
{
    struct arena *a = d->cs->arena;
    struct ids of;
    struct tree *rows = domain_copy(d, &of);
    struct ids shown = {0, ARENA_ARRAY(a, unsigned, t->naggs + of.n + 1)};
    const struct expr **exprs = ARENA_ARRAY(a, const struct expr *, t->naggs + of.n + 1);
    t->groups = *ids;
    t->total = false;
    for (unsigned i = 0; i < t->naggs; i++) {
        struct agg *g = &t->aggs[i].agg;
        shown.id[shown.n] = t->aggs[i].id;
        t->aggs[i].id = column_add(d->cs, d->cs->items[t->aggs[i].id]);
        const struct expr *e = expr_of_id(d->cs, t->aggs[i].id);
        if (g->kind == AGG_COUNT || g->kind == AGG_COUNT_STAR)
            e = if_null(d->cs, e);
        exprs[shown.n++] = e;
    }
    for (unsigned i = 0; i < of.n; i++) {
        exprs[shown.n] = expr_of_id(d->cs, of.id[i]);
        shown.id[shown.n++] = of.id[i];
    }
    tree_derive(t, a);
    t = tree_join(a, JOIN_LEFT, rows, t, same_rows(d, &of, ids));
    *ids = of;
    return tree_project(a, t, shown, exprs);
}

/* t for each row of the domain, whose columns (ids) are among t's then. NULL: not for this operator. */
static struct tree *widen(struct tree *t, struct domain *d, struct ids *ids)
{
    struct arena *a = d->cs->arena;
    struct lifting lf = {d->cs, &d->columns, NULL};
    if (!tree_reads(t, &lf) || t->kind == TREE_VALUES)
        return tree_join(a, JOIN_INNER, domain_copy(d, ids), t, NULL);
    if (t->kind == TREE_JOIN)
        return widen_join(t, d, ids);
    if (t->kind == TREE_UNION)
        return widen_union(t, d, ids);
    if (t->kind == TREE_SOURCE || t->kind == TREE_EXPAND || !(t->inputs[0] = widen(t->inputs[0], d, ids)))
        return NULL;
    struct renaming rn = {d, ids};
    tree_each_expr(t, rename_in, &rn);
    if (t->kind == TREE_PROJECT) {
        const struct expr **exprs = ARENA_ARRAY(a, const struct expr *, t->out.n + ids->n + 1);
        memcpy(exprs, t->exprs, t->out.n * sizeof *exprs);
        for (unsigned i = 0; i < ids->n; i++)
            exprs[t->out.n + i] = expr_of_id(d->cs, ids->id[i]);
        t->exprs = exprs;
        t->out = ids_join(a, t->out, *ids);
    } else if (t->kind == TREE_AGGREGATE && t->total) {
        return widen_total(t, d, ids);
    } else if (t->kind == TREE_AGGREGATE || t->kind == TREE_OVER || t->kind == TREE_TOPN) {
        t->groups = ids_join(a, t->groups, *ids);
    } else if (t->kind == TREE_UNNEST) {
        t->out = ids_join(a, *ids, t->out);
    }
    tree_derive(t, a);
    return t;
}

/* ---- The door */

struct tree *tree_dependent(struct columns *cs, enum join_kind kind, struct tree *left, struct tree *right,
                            const struct expr *on)
{
    struct arena *a = cs->arena;
    struct lifting lf = {cs, &left->out, NULL};
    if (!tree_reads(right, &lf))
        return tree_join(a, kind, left, right, on);
    if (can_lift(right, &lf, false)) {
        right = lift(right, &lf, false);
        return tree_join(a, kind, left, right, expr_both(on, lf.lifted, a));
    }
    struct domain d = {cs, left, {0, NULL}};
    struct ids read = tree_free(right, a), ids;
    for (unsigned i = 0; i < read.n; i++)
        if (tree_has(left, read.id[i]))
            ids_add(a, &d.columns, read.id[i]);
    right = widen(right, &d, &ids);
    return right ? tree_join(a, kind, left, right, expr_both(on, same_rows(&d, &d.columns, &ids), a)) : NULL;
}
