/* Queries inside expressions. Each becomes a join of the block's tree with the query's: a scalar one, and one whose answer
 * is used as a value, a LEFT JOIN that finds one row at most; one that only decides whether a row stays a semi or anti join.
 *
 * Truth as SQL has it: x IN (query) is true if a row equals x, else NULL if x or a row is NULL (and there is a row), else
 * false. As a value it is computed of what the query has: whether there is a row, whether one is NULL, whether one equals.
 * ANY and ALL of an order ask the smallest or greatest in place of that. */
#include "sql/bind/decorrelate.h"
#include "sql/bind/select.h"

/* ---- Small expressions */

static const struct expr *constant(const struct binding *b, struct value v, struct place place)
{
    struct expr *e = expr_make(b, EX_CONST, v.type, place, 0);
    e->value = v;
    return e;
}

static const struct expr *truth(const struct binding *b, bool is, struct place place)
{
    return constant(b, (struct value){.type = TYPE(T_BOOLEAN), .i = is}, place);
}

static const struct expr *null_of(const struct binding *b, struct type t, struct place place)
{
    return constant(b, value_null(t), place);
}

static const struct expr *is_null(const struct binding *b, const struct expr *e)
{
    struct expr *n = expr_make(b, EX_IS_NULL, TYPE(T_BOOLEAN), place_of(e), 1);
    ((const struct expr **)n->args)[0] = e;
    return n;
}

static const struct expr *negated(const struct binding *b, const struct expr *e)
{
    struct expr *n = expr_make(b, EX_NOT, TYPE(T_BOOLEAN), place_of(e), 1);
    ((const struct expr **)n->args)[0] = e;
    return n;
}

static const struct expr *either_is(const struct binding *b, const struct expr *x, const struct expr *y)
{
    struct expr *e = expr_make(b, EX_OR, TYPE(T_BOOLEAN), place_of(x), 2);
    ((const struct expr **)e->args)[0] = x;
    ((const struct expr **)e->args)[1] = y;
    return e;
}

/* CASE WHEN parts[0] THEN parts[1] WHEN parts[2] ... ELSE the last. */
static const struct expr *cases(const struct binding *b, const struct expr *const *parts, unsigned n)
{
    struct expr *e = expr_make(b, EX_CASE, parts[n - 1]->type, (struct place){0, 0}, n);
    for (unsigned i = 0; i < n; i++)
        ((const struct expr **)e->args)[i] = parts[i];
    return e;
}

static const struct expr *column_of_id(const struct binding *b, unsigned id, struct place place)
{
    return expr_column(b, id, b->columns->items[id].type, place);
}

static unsigned new_column(const struct binding *b, const char *name, struct type t)
{
    return column_add(b->columns, (struct tree_column){name, NULL, t, false});
}

static struct tree *with_column(const struct binding *b, struct tree *in, unsigned id, const struct expr *e)
{
    const struct expr **exprs = ARENA_ARRAY(b->arena, const struct expr *, 1);
    exprs[0] = e;
    return tree_add(b->arena, b->columns, in, ids_of(b->arena, &id, 1), exprs);
}

/* ---- Binding the query, and remembering it */

static int bind_inner(struct scope *sc, const struct ast_expr *e, unsigned columns, struct bound *out)
{
    if (!sc->q)
        return bind_error(sc->b, e->place, "42601", "a query cannot stand here; only constant values can");
    if (sc->no_aggregates && strcmp(sc->no_aggregates, "ON") == 0) {
        bind_error(sc->b, e->place, "0A000", "a query cannot stand in ON of an outer join");
        diag_hint(sc->b->diag, "ask it of one side first: JOIN (SELECT ... FROM ... WHERE ...) AS b ON ...");
        return E_SQL;
    }
    struct scope in = {.b = sc->b, .result = sc->result, .use = sc->use, .outer = sc, .named = sc->named,
                       .nesting = sc->nesting + 1, .final = sc->final};
    int err = bind_body(&in, e->query, out);
    if (!err && columns && out->n != columns)
        err = bind_error(sc->b, e->query->place, "42601", "this query shows %u columns; here it may show one", out->n);
    return err;
}

static void add_sub(struct scope *sc, struct block_sub sub)
{
    struct block *q = sc->q;
    bool below = sc->in_aggregate || (sc->no_aggregates && strcmp(sc->no_aggregates, "PARTITION BY") != 0);
    struct block_sub *more = ARENA_ARRAY(sc->b->arena, struct block_sub, q->nsubs + 1);
    if (q->nsubs)
        memcpy(more, q->subs, q->nsubs * sizeof *more);
    sub.above = !below;
    more[q->nsubs++] = sub;
    q->subs = more;
}

int join_queries(struct scope *sc, bool above)
{
    struct block *q = sc->q;
    unsigned left = 0;
    for (unsigned i = 0; i < q->nsubs; i++) {
        struct block_sub *s = &q->subs[i];
        if (s->above && !above) {
            q->subs[left++] = *s;
            continue;
        }
        if (s->on && s->above) {
            int err = over_groups(sc, &s->on);
            if (err)
                return err;
        }
        struct ids read = tree_free(s->tree, sc->b->arena);
        for (unsigned k = 0; k < q->ncols; k++)
            if (ids_have(&read, q->cols[k].id) && !tree_has(q->tree, q->cols[k].id))
                return bind_error(sc->b, s->place, "42803",
                                  "this query reads column \"%s\", which must be in GROUP BY for that", q->cols[k].name);
        struct tree *t = tree_dependent(sc->b->columns, s->join, q->tree, s->tree, s->on);
        if (!t)
            return bind_error(sc->b, s->place, "0A000", "this query cannot read columns of the one around it in this way");
        t->place = s->place;
        q->tree = t;
    }
    q->nsubs = left;
    return 0;
}

/* ---- Totals: queries that always give one row, since they aggregate without GROUP BY */

/* Takes LIMIT and HAVING off a total; *having: what HAVING asks. False: t is no total, and unchanged. */
static bool strip_total(struct scope *sc, struct tree **t, const struct expr **having)
{
    struct tree *n = *t;
    struct arena *a = sc->b->arena;
    switch (n->kind) {
    case TREE_AGGREGATE:
        if (n->groups.n)
            return false;
        n->total = false; /* who strips it says what it is of no rows */
        return true;
    case TREE_TOPN:
        if (n->limit == 0 || n->offset > 0 || !strip_total(sc, &n->inputs[0], having))
            return false;
        *t = n->inputs[0];
        return true;
    case TREE_FILTER:
        if (!strip_total(sc, &n->inputs[0], having))
            return false;
        *having = expr_both(*having, n->predicate, a);
        *t = n->inputs[0];
        return true;
    case TREE_PROJECT:
        if (!strip_total(sc, &n->inputs[0], having))
            return false;
        if (*having) { /* it is asked above now */
            unsigned id = new_column(sc->b, "having", TYPE(T_BOOLEAN));
            n->inputs[0] = with_column(sc->b, n->inputs[0], id, *having);
            const struct expr **exprs = ARENA_ARRAY(a, const struct expr *, n->out.n + 1);
            memcpy(exprs, n->exprs, n->out.n * sizeof *exprs);
            exprs[n->out.n] = *having = expr_of_id(sc->b->columns, id);
            n->exprs = exprs;
            n->out = ids_join(a, n->out, (struct ids){1, &id});
        }
        tree_derive(n, a);
        return true;
    default:
        return false;
    }
}

struct over_nothing {
    struct scope *sc;
    const struct expr **by; /* column id -> what it is of no rows */
};

static const struct expr *of_nothing(void *arg, unsigned id) { return ((struct over_nothing *)arg)->by[id]; }

static void nothing_of(struct over_nothing *no, const struct tree *t)
{
    struct arena *a = no->sc->b->arena;
    if (t->kind == TREE_AGGREGATE) {
        for (unsigned i = 0; i < t->naggs; i++) {
            struct expr *e = &ARENA_NEW(a, struct placed)->e;
            struct type type = t->aggs[i].agg.type;
            bool count = t->aggs[i].agg.kind == AGG_COUNT || t->aggs[i].agg.kind == AGG_COUNT_STAR;
            *e = (struct expr){.kind = EX_CONST, .type = type, .value = value_null(type)};
            e->value.null = !count;
            no->by[t->aggs[i].id] = e;
        }
        return;
    }
    nothing_of(no, t->inputs[0]);
    for (unsigned i = 0; i < t->out.n; i++)
        if (t->exprs[i]->kind != EX_COLUMN || t->exprs[i]->column != t->out.id[i])
            no->by[t->out.id[i]] = expr_rewrite(t->exprs[i], of_nothing, no, a);
}

/* What e, over a total's columns, is: of the row that the LEFT JOIN finds, else of no rows. */
static const struct expr *of_total(struct scope *sc, struct tree **t, const struct expr *e, struct place place)
{
    const struct binding *b = sc->b;
    struct over_nothing no = {sc, ARENA_ARRAY(b->arena, const struct expr *, b->columns->n + 1)};
    nothing_of(&no, *t);
    const struct expr *nothing = expr_rewrite(e, of_nothing, &no, b->arena);
    unsigned mark = new_column(b, "found", TYPE(T_BOOLEAN));
    *t = with_column(b, *t, mark, truth(b, true, place));
    return cases(b, (const struct expr *[]){is_null(b, column_of_id(b, mark, place)), nothing, e}, 3);
}

/* ---- One value */

/* Equalities of filters on the way down fix columns: is what lies below unique in them? */
static bool one_row(const struct tree *t, struct ids *fixed, struct arena *a)
{
    if (tree_unique_in(t, fixed))
        return true;
    if (t->kind == TREE_FILTER) {
        const struct expr *p = t->predicate;
        unsigned n = p->kind == EX_AND ? p->nargs : 1;
        for (unsigned i = 0; i < n; i++) {
            const struct expr *one = p->kind == EX_AND ? p->args[i] : p;
            for (unsigned k = 0; expr_is_equality(one) && k < 2; k++)
                if (one->args[k]->kind == EX_COLUMN && !expr_reads_any(one->args[1 - k], &t->out))
                    ids_add(a, fixed, one->args[k]->column);
        }
    }
    return (t->kind == TREE_FILTER || t->kind == TREE_PROJECT) && one_row(t->inputs[0], fixed, a);
}

static struct tree *total(struct scope *sc, struct tree *in, struct tree_agg *aggs, unsigned n)
{
    struct tree *t = tree_new(sc->b->arena, TREE_AGGREGATE, in, NULL);
    t->naggs = n;
    t->aggs = aggs;
    for (unsigned i = 0; i < n; i++) {
        const struct agg *g = &aggs[i].agg;
        const char *arg = g->arg ? sc->b->columns->items[g->arg->column].name : "*";
        aggs[i].id = new_column(sc->b, arena_printf(sc->b->arena, "%s(%s)", agg_name(g->kind), arg), g->type);
    }
    tree_derive(t, sc->b->arena);
    return t;
}

static int scalar(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct binding *b = sc->b;
    struct bound in;
    const struct expr *having = NULL;
    struct ids fixed = {0, NULL};
    int err = bind_inner(sc, e, 1, &in);
    if (err)
        return err;
    struct type type = in.items[0].type;
    *out = column_of_id(b, in.items[0].id, e->place);
    if (strip_total(sc, &in.tree, &having)) {
        if (having)
            *out = cases(b, (const struct expr *[]){having, *out, null_of(b, type, e->place)}, 3);
        *out = of_total(sc, &in.tree, *out, e->place);
    } else if (!one_row(in.tree, &fixed, b->arena)) {
        struct tree_agg *g = ARENA_NEW(b->arena, struct tree_agg);
        g->agg = (struct agg){.kind = AGG_SINGLE, .type = type, .arg = expr_of_id(b->columns, in.items[0].id)};
        in.tree = total(sc, in.tree, g, 1);
        *out = column_of_id(b, g->id, e->place);
    }
    add_sub(sc, (struct block_sub){.join = JOIN_LEFT, .tree = in.tree, .place = e->place});
    return 0;
}

/* ---- Answers as values */

/* Is there a row? */
static int exists_value(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct binding *b = sc->b;
    struct bound in;
    const struct expr *having = NULL, *no = truth(b, false, e->place), *yes = truth(b, true, e->place);
    int err = bind_inner(sc, e, 0, &in);
    if (err)
        return err;
    if (strip_total(sc, &in.tree, &having)) {
        *out = yes;
        if (!having)
            return 0;
        *out = of_total(sc, &in.tree, cases(b, (const struct expr *[]){having, yes, no}, 3), e->place);
    } else {
        struct tree_agg *g = ARENA_NEW(b->arena, struct tree_agg);
        g->agg = (struct agg){.kind = AGG_COUNT_STAR, .type = TYPE(T_BIGINT)};
        in.tree = total(sc, in.tree, g, 1);
        unsigned mark = new_column(b, "exists", TYPE(T_BOOLEAN));
        in.tree = with_column(b, in.tree, mark, truth(b, true, e->place));
        in.tree = tree_keep(b->arena, b->columns, in.tree, ids_of(b->arena, &mark, 1));
        *out = cases(b, (const struct expr *[]){is_null(b, column_of_id(b, mark, e->place)), no, yes}, 3);
    }
    add_sub(sc, (struct block_sub){.join = JOIN_LEFT, .tree = in.tree, .place = e->place});
    return 0;
}

/* What is known of all of a query's values: is there one, is one of them NULL, the smallest and the greatest. */
struct facts {
    const struct expr *none, *nulls, *least, *most;
};

static int find_facts(struct scope *sc, const struct ast_expr *e, bool extremes, struct facts *out)
{
    const struct binding *b = sc->b;
    struct bound in;
    int err = bind_inner(sc, e, 1, &in);
    if (err)
        return err;
    struct type type = in.items[0].type;
    const struct expr *arg = expr_of_id(b->columns, in.items[0].id);
    struct tree_agg *g = ARENA_ARRAY(b->arena, struct tree_agg, 4);
    g[0].agg = (struct agg){.kind = AGG_COUNT_STAR, .type = TYPE(T_BIGINT)};
    g[1].agg = (struct agg){.kind = AGG_COUNT, .type = TYPE(T_BIGINT), .arg = arg};
    g[2].agg = (struct agg){.kind = AGG_MIN, .type = type, .arg = arg};
    g[3].agg = (struct agg){.kind = AGG_MAX, .type = type, .arg = arg};
    struct type agg_type;
    if (extremes && !agg_result(AGG_MIN, type, &agg_type))
        return bind_error(b, e->place, "42883", "values of this type have no order");
    struct tree *t = total(sc, in.tree, g, extremes ? 4 : 2);
    /* Not the counts themselves: a row more would be a change for every row around. */
    unsigned nulls = new_column(b, "nulls", TYPE(T_BOOLEAN));
    struct ast_expr at = {.place = e->place, .op = e->place};
    const struct expr *fewer;
    err = resolve_compare(sc, STR("<"), column_of_id(b, g[1].id, e->place), column_of_id(b, g[0].id, e->place), &at, &fewer);
    if (err)
        return err;
    t = with_column(b, t, nulls, fewer);
    struct ids keep = ids_of(b->arena, &nulls, 1);
    if (extremes)
        keep = ids_join(b->arena, keep, (struct ids){2, (unsigned[]){g[2].id, g[3].id}});
    t = tree_keep(b->arena, b->columns, t, keep);
    *out = (struct facts){.none = is_null(b, column_of_id(b, nulls, e->place)),
                          .nulls = column_of_id(b, nulls, e->place)};
    if (extremes) {
        out->least = column_of_id(b, g[2].id, e->place);
        out->most = column_of_id(b, g[3].id, e->place);
    }
    add_sub(sc, (struct block_sub){.join = JOIN_LEFT, .tree = t, .place = e->place});
    return 0;
}

/* WHEN there is none THEN none WHEN decided THEN !none WHEN NULL is about THEN NULL ELSE none. */
static const struct expr *answer(struct scope *sc, const struct facts *f, const struct expr *x,
                                 const struct expr *decided, bool none, struct place place)
{
    const struct binding *b = sc->b;
    const struct expr *unknown = either_is(b, is_null(b, x), f->nulls);
    return cases(b,
                 (const struct expr *[]){f->none, truth(b, none, place), decided, truth(b, !none, place),
                                         unknown, null_of(b, TYPE(T_BOOLEAN), place), truth(b, none, place)},
                 7);
}

static int in_value(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct binding *b = sc->b;
    struct bound in;
    struct facts f;
    const struct expr *x, *same;
    struct ast_expr at = {.place = e->place, .op = e->op};
    int err = resolve_expr(sc, e->args[0], &x);
    if (!err)
        err = find_facts(sc, e, false, &f);
    if (!err)
        err = bind_inner(sc, e, 1, &in); /* once more, as a tree of its own */
    if (err)
        return err;
    struct tree *t = tree_new(b->arena, TREE_AGGREGATE, in.tree, NULL);
    t->groups = ids_of(b->arena, &in.items[0].id, 1);
    t->naggs = 1;
    t->aggs = ARENA_NEW(b->arena, struct tree_agg);
    t->aggs->agg = (struct agg){.kind = AGG_COUNT_STAR, .type = TYPE(T_BIGINT)};
    t->aggs->id = new_column(b, "COUNT(*)", TYPE(T_BIGINT));
    tree_derive(t, b->arena);
    unsigned mark = new_column(b, "found", TYPE(T_BOOLEAN));
    t = with_column(b, t, mark, truth(b, true, e->place));
    err = resolve_compare(sc, STR("="), x, column_of_id(b, in.items[0].id, e->place), &at, &same);
    if (err)
        return err;
    add_sub(sc, (struct block_sub){.join = JOIN_LEFT, .tree = t, .on = same, .place = e->place});
    *out = answer(sc, &f, x, negated(b, is_null(b, column_of_id(b, mark, e->place))), false, e->place);
    return 0;
}

static int quantified(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct binding *b = sc->b;
    struct facts f;
    const struct expr *x, *one, *two;
    struct ast_expr at = {.place = e->place, .op = e->op};
    bool all = e->kind == AST_ALL, equal = str_eq(e->text, STR("=")), unequal = str_eq(e->text, STR("<>"));
    int err = resolve_expr(sc, e->args[0], &x);
    if (!err)
        err = find_facts(sc, e, true, &f);
    if (err)
        return err;
    bool less = e->text.ptr[0] == '<' && !unequal;
    const struct expr *bound = less == all ? f.least : f.most;
    err = resolve_compare(sc, e->text, x, equal || unequal ? f.least : bound, &at, &one);
    if (!err && (equal || unequal))
        err = resolve_compare(sc, e->text, x, f.most, &at, &two);
    if (err)
        return err;
    if (equal || unequal)
        one = equal ? expr_and(b, one, two) : either_is(b, one, two);
    *out = answer(sc, &f, x, all ? negated(b, one) : one, all, e->place);
    return 0;
}

int resolve_query(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    bool any_is = e->kind == AST_ANY && str_eq(e->text, STR("="));
    bool all_differ = e->kind == AST_ALL && str_eq(e->text, STR("<>"));
    int err = e->kind == AST_QUERY                             ? scalar(sc, e, out)
              : e->kind == AST_EXISTS                          ? exists_value(sc, e, out)
              : e->kind == AST_IN || any_is || all_differ      ? in_value(sc, e, out)
                                                               : quantified(sc, e, out);
    if (!err && (e->negated || all_differ))
        *out = negated(sc->b, *out);
    return err;
}

/* ---- Answers that only keep or drop rows */

bool has_query(const struct ast_expr *e)
{
    bool has = e->query != NULL;
    for (unsigned i = 0; i < e->nargs && !has; i++)
        has = has_query(e->args[i]);
    return has;
}

/* EXISTS as a semi join, NOT EXISTS as an anti join. */
static int exists_join(struct scope *sc, const struct ast_expr *e, bool not, const struct expr **rest)
{
    struct bound in;
    const struct expr *having = NULL, *value;
    int err = bind_inner(sc, e, 0, &in);
    if (err)
        return err;
    struct tree *t = in.tree;
    if (strip_total(sc, &t, &having)) { /* always a row, but for HAVING: bound again, as a value */
        err = exists_value(sc, e, &value);
        if (!err)
            *rest = expr_and(sc->b, *rest, not ? negated(sc->b, value) : value);
        return err;
    }
    add_sub(sc, (struct block_sub){.join = not ? JOIN_ANTI : JOIN_SEMI, .tree = t, .place = e->place});
    return 0;
}

/* IN as a semi join; NOT IN as an anti join if no NULL can be about, else as a value. */
static int in_join(struct scope *sc, const struct ast_expr *e, bool not, const struct expr **rest)
{
    struct bound in;
    const struct expr *x, *same, *having = NULL, *value;
    struct ast_expr at = {.place = e->place, .op = e->op};
    int err = resolve_expr(sc, e->args[0], &x);
    if (!err)
        err = bind_inner(sc, e, 1, &in);
    if (err)
        return err;
    struct tree *t = in.tree;
    bool sure = !not || (x->kind == EX_COLUMN && tree_never_null(sc->q->tree, x->column) && tree_never_null(t, in.items[0].id));
    if (!sure || strip_total(sc, &t, &having)) {
        err = in_value(sc, e, &value);
        if (!err)
            *rest = expr_and(sc->b, *rest, not ? negated(sc->b, value) : value);
        return err;
    }
    err = resolve_compare(sc, STR("="), x, column_of_id(sc->b, in.items[0].id, e->place), &at, &same);
    if (!err)
        add_sub(sc, (struct block_sub){.join = not ? JOIN_ANTI : JOIN_SEMI, .tree = t, .on = same, .place = e->place});
    return err;
}

int resolve_conditions(struct scope *sc, const struct ast_expr *e, const char *clause, const struct expr **out)
{
    const struct expr *one;
    int err = 0;
    *out = NULL;
    if (!has_query(e))
        return resolve_condition(sc, e, clause, out);
    if (e->kind == AST_AND) {
        for (unsigned i = 0; i < e->nargs && !err; i++) {
            err = resolve_conditions(sc, e->args[i], clause, &one);
            if (!err && one)
                *out = expr_and(sc->b, *out, one);
        }
        return err;
    }
    const struct ast_expr *asked = e->kind == AST_NOT ? e->args[0] : e;
    bool not = (e->kind == AST_NOT) != asked->negated;
    if (asked->kind == AST_EXISTS)
        return exists_join(sc, asked, not, out);
    bool any_is = asked->kind == AST_ANY && str_eq(asked->text, STR("="));
    bool all_differ = asked->kind == AST_ALL && str_eq(asked->text, STR("<>"));
    if ((asked->kind == AST_IN && asked->query) || any_is || all_differ)
        return in_join(sc, asked, not != all_differ, out);
    return resolve_condition(sc, e, clause, out);
}
