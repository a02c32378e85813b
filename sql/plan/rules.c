/* Rewriting the logical tree, one rule a function. A rule keeps the meaning and the output columns of the tree's root.
 * To add one: write it, name it in logical.h, put it into rules_apply, and give it a case in tests/sql. */
#include "sql/plan/logical.h"

typedef struct logical *(*rule)(struct logical *n, struct arena *a);

static void apply_below(struct logical *n, rule r, struct arena *a)
{
    for (unsigned i = 0; i < n->ninputs; i++)
        n->inputs[i] = r(n->inputs[i], a);
}

/* ---- Constants are computed once, here. What cannot be computed stays, so that it is counted when it runs. */

static const struct expr *fold(const struct expr *e, struct arena *a)
{
    if (!e->nargs || e->kind == EX_UDF)
        return e;
    const struct expr **args = (const struct expr **)ARENA_ARRAY(a, const struct expr *, e->nargs);
    bool constant = true, same = true;
    for (unsigned i = 0; i < e->nargs; i++) {
        args[i] = fold(e->args[i], a);
        constant &= args[i]->kind == EX_CONST;
        same &= args[i] == e->args[i];
    }
    struct expr *copy = ARENA_NEW(a, struct expr);
    *copy = *e;
    copy->args = args;
    struct diag ignored;
    if (constant && !expr_is_volatile(e) && expr_const(copy, &copy->value, a, &ignored) == 0) {
        copy->kind = EX_CONST;
        copy->nargs = 0;
        copy->args = NULL;
        return copy;
    }
    return same ? e : copy;
}

struct logical *rule_fold_constants(struct logical *n, struct arena *a)
{
    apply_below(n, rule_fold_constants, a);
    if (n->predicate)
        n->predicate = fold(n->predicate, a);
    for (unsigned i = 0; n->kind == L_PROJECT && i < n->out.n; i++)
        n->exprs[i] = fold(n->exprs[i], a);
    bool always =
        n->kind == L_FILTER && n->predicate->kind == EX_CONST && !n->predicate->value.null && n->predicate->value.i;
    return always ? n->inputs[0] : n;
}

/* ---- Conditions go down to where their columns come from: fewer rows are joined, moved and decoded. */

static unsigned conjuncts(const struct expr *e) { return e->kind == EX_AND ? e->nargs : 1; }

static const struct expr *both(const struct expr *x, const struct expr *y, struct arena *a)
{
    struct expr *e = ARENA_NEW(a, struct expr);
    unsigned n = conjuncts(x), m = conjuncts(y);
    const struct expr **args = (const struct expr **)ARENA_ARRAY(a, const struct expr *, n + m);
    for (unsigned i = 0; i < n + m; i++) {
        const struct expr *from = i < n ? x : y;
        args[i] = from->kind == EX_AND ? from->args[i < n ? i : i - n] : from;
    }
    *e = (struct expr){.kind = EX_AND, .type = TYPE(T_BOOLEAN), .nargs = n + m, .args = args};
    return e;
}

static struct logical *filtered(struct logical *n, const struct expr *predicate, struct arena *a)
{
    struct logical *f = ARENA_NEW(a, struct logical);
    *f = (struct logical){.kind = L_FILTER,
                          .out = n->out,
                          .ninputs = 1,
                          .inputs = {n},
                          .predicate = predicate,
                          .limit = -1,
                          .retention_ms = -1};
    return f;
}

/* Lowest and highest column read; false: none. */
static bool column_range(const struct expr *e, unsigned ncols, unsigned *low, unsigned *high, struct arena *a)
{
    bool *used = ARENA_ARRAY(a, bool, ncols + 1);
    expr_mark_columns(e, used);
    *low = ncols;
    *high = 0;
    for (unsigned i = 0; i < ncols; i++)
        if (used[i]) {
            *low = MIN(*low, i);
            *high = i;
        }
    return *low < ncols;
}

static struct logical *push(struct logical *n, const struct expr *predicate, struct arena *a);

static struct logical *push_project(struct logical *n, const struct expr *predicate, struct arena *a)
{
    bool *used = ARENA_ARRAY(a, bool, n->out.n + 1);
    expr_mark_columns(predicate, used);
    for (unsigned i = 0; i < n->out.n; i++)
        if (used[i] && expr_is_volatile(n->exprs[i]))
            return filtered(n, predicate, a);
    n->inputs[0] = push(n->inputs[0], expr_replace(predicate, n->exprs, a), a);
    return n;
}

/* A side may be filtered before the join unless the join makes rows of NULLs in place of those it lacks. */
static struct logical *push_join(struct logical *n, const struct expr *predicate, struct arena *a)
{
    unsigned low, high, nl = n->inputs[0]->out.n;
    bool any = column_range(predicate, n->out.n, &low, &high, a);
    if (any && high < nl && (n->join == JOIN_INNER || n->join == JOIN_LEFT)) {
        n->inputs[0] = push(n->inputs[0], predicate, a);
        return n;
    }
    if (any && low >= nl && (n->join == JOIN_INNER || n->join == JOIN_RIGHT)) {
        const struct expr **by = ARENA_ARRAY(a, const struct expr *, n->out.n);
        for (unsigned i = nl; i < n->out.n; i++)
            by[i] = expr_of_column(i - nl, n->out.cols[i].type, a);
        n->inputs[1] = push(n->inputs[1], expr_replace(predicate, by, a), a);
        return n;
    }
    return filtered(n, predicate, a);
}

/* Conditions on group columns hold for all rows of a group or for none. The window's bounds are known only above it. */
static struct logical *push_aggregate(struct logical *n, const struct expr *predicate, struct arena *a)
{
    unsigned low, high, groups = n->ngroup - (n->size_ms > 0 ? 2 : 0);
    if (!column_range(predicate, n->out.n, &low, &high, a) || high >= groups)
        return filtered(n, predicate, a);
    const struct expr **by = ARENA_ARRAY(a, const struct expr *, n->out.n);
    for (unsigned i = 0; i < groups; i++)
        by[i] = expr_of_column(n->group_cols[i], n->out.cols[i].type, a);
    n->inputs[0] = push(n->inputs[0], expr_replace(predicate, by, a), a);
    return n;
}

static struct logical *push_window(struct logical *n, const struct expr *predicate, struct arena *a)
{
    unsigned low, high;
    if (!column_range(predicate, n->out.n, &low, &high, a) || high >= n->inputs[0]->out.n)
        return filtered(n, predicate, a);
    n->inputs[0] = push(n->inputs[0], predicate, a);
    return n;
}

static struct logical *push(struct logical *n, const struct expr *predicate, struct arena *a)
{
    if (predicate->kind == EX_AND) {
        for (unsigned i = 0; i < predicate->nargs; i++)
            n = push(n, predicate->args[i], a);
        return n;
    }
    if (expr_is_volatile(predicate))
        return filtered(n, predicate, a);
    switch (n->kind) {
    case L_FILTER: /* below it if it goes further down, else beside it, in the order written */
        n->inputs[0] = push(n->inputs[0], predicate, a);
        if (n->inputs[0]->kind != L_FILTER)
            return n;
        n->predicate = both(n->predicate, n->inputs[0]->predicate, a);
        n->inputs[0] = n->inputs[0]->inputs[0];
        return n;
    case L_PROJECT:
        return push_project(n, predicate, a);
    case L_WINDOW:
        return push_window(n, predicate, a);
    case L_JOIN:
        return push_join(n, predicate, a);
    case L_AGGREGATE:
        return push_aggregate(n, predicate, a);
    default:
        return filtered(n, predicate, a);
    }
}

struct logical *rule_push_filters(struct logical *n, struct arena *a)
{
    apply_below(n, rule_push_filters, a);
    return n->kind == L_FILTER ? push(n->inputs[0], n->predicate, a) : n;
}

/* ---- Columns that nobody reads are not decoded, moved or kept. */

/* prune() gives for each old output column its new place; UNUSED: it is gone. */
#define UNUSED UINT32_MAX

static unsigned *prune(struct logical *n, const bool *needed, struct arena *a);

static const struct expr **places(const struct schema *old, const unsigned *map, struct arena *a)
{
    const struct expr **by = ARENA_ARRAY(a, const struct expr *, old->n + 1);
    for (unsigned i = 0; i < old->n; i++)
        by[i] = map[i] == UNUSED ? NULL : expr_of_column(map[i], old->cols[i].type, a);
    return by;
}

static void keep(struct logical *n, const bool *needed, unsigned *map, struct arena *a)
{
    struct column *cols = ARENA_ARRAY(a, struct column, n->out.n + 1);
    unsigned k = 0;
    for (unsigned i = 0; i < n->out.n; i++) {
        map[i] = needed[i] ? k : UNUSED;
        if (needed[i])
            cols[k++] = n->out.cols[i];
    }
    n->out = (struct schema){k, cols};
}

/* A table's key stays: it is the identity of its rows. So does one column of a stream: rows are counted by it. */
static void prune_source(struct logical *n, const bool *needed, unsigned *map, struct arena *a)
{
    unsigned old = n->out.n, k = 0;
    bool *use = ARENA_ARRAY(a, bool, old + 1), any = false;
    for (unsigned i = 0; i < old; i++) {
        use[i] = needed[i] ||
                 (n->rel->table && !n->scan && (n->wants[i].from == WANT_KEY || n->wants[i].from == WANT_WINDOWSTART));
        any |= use[i];
    }
    for (unsigned i = 0; i < old && !any; i++)
        any = use[i] = n->scan ? n->wants[i].from <= WANT_VALUE : n->wants[i].from == WANT_ROWPARTITION;
    for (unsigned i = 0; i < old; i++)
        if (use[i])
            n->wants[k++] = n->wants[i];
    keep(n, use, map, a);
}

static void prune_project(struct logical *n, const bool *needed, unsigned *map, struct arena *a)
{
    struct logical *in = n->inputs[0];
    struct schema old = in->out;
    bool *below = ARENA_ARRAY(a, bool, old.n + 1);
    unsigned k = 0, count = n->out.n;
    for (unsigned i = 0; i < count; i++)
        if (needed[i])
            expr_mark_columns(n->exprs[i], below);
    const struct expr **by = places(&old, prune(in, below, a), a);
    for (unsigned i = 0; i < count; i++)
        if (needed[i])
            n->exprs[k++] = expr_replace(n->exprs[i], by, a);
    keep(n, needed, map, a);
}

static void prune_join(struct logical *n, const bool *needed, unsigned *map, struct arena *a)
{
    unsigned nl = n->inputs[0]->out.n, total = n->out.n;
    bool *use = ARENA_ARRAY(a, bool, total + 1);
    memcpy(use, needed, total * sizeof *use);
    for (unsigned i = 0; i < n->njoin; i++)
        use[n->left_cols[i]] = use[nl + n->right_cols[i]] = true;
    unsigned *left = prune(n->inputs[0], use, a), *right = prune(n->inputs[1], use + nl, a);
    for (unsigned i = 0; i < n->njoin; i++) {
        n->left_cols[i] = left[n->left_cols[i]];
        n->right_cols[i] = right[n->right_cols[i]];
    }
    const struct schema *l = &n->inputs[0]->out, *r = &n->inputs[1]->out;
    for (unsigned i = 0; i < total; i++)
        map[i] = i < nl ? left[i] : right[i - nl] == UNUSED ? UNUSED : l->n + right[i - nl];
    struct schema shown = n->out; /* whose names tell columns of both sides apart */
    n->out = (struct schema){l->n + r->n, ARENA_ARRAY(a, struct column, l->n + r->n + 1)};
    for (unsigned i = 0; i < total; i++)
        if (map[i] != UNUSED)
            n->out.cols[map[i]] = shown.cols[i];
}

/* Groups are all needed; aggregates that nobody reads are not computed, save one. */
static void prune_aggregate(struct logical *n, const bool *needed, unsigned *map, struct arena *a)
{
    struct logical *in = n->inputs[0];
    struct schema old = in->out;
    bool *below = ARENA_ARRAY(a, bool, old.n + 1), *use = ARENA_ARRAY(a, bool, n->out.n + 1), any = false;
    unsigned k = 0, count = n->out.n;
    for (unsigned i = 0; i < count; i++) {
        use[i] = i < n->ngroup || needed[i] || (i + 1 == count && !any);
        any |= i >= n->ngroup && use[i];
    }
    for (unsigned i = 0; i < n->ngroup; i++)
        below[n->group_cols[i]] = true;
    for (unsigned i = 0; i < n->naggs; i++)
        if (use[n->ngroup + i] && n->aggs[i].arg)
            expr_mark_columns(n->aggs[i].arg, below);
    unsigned *places_below = prune(in, below, a);
    const struct expr **by = places(&old, places_below, a);
    for (unsigned i = 0; i < n->ngroup; i++)
        n->group_cols[i] = places_below[n->group_cols[i]];
    for (unsigned i = 0; i < n->naggs; i++)
        if (use[n->ngroup + i]) {
            n->aggs[k] = n->aggs[i];
            if (n->aggs[k].arg)
                n->aggs[k].arg = expr_replace(n->aggs[k].arg, by, a);
            k++;
        }
    n->naggs = k;
    keep(n, use, map, a);
}

/* FILTER, WINDOW and SORT give their input's columns; the window adds its two. */
static void prune_through(struct logical *n, const bool *needed, unsigned *map, struct arena *a)
{
    struct logical *in = n->inputs[0];
    struct schema old = in->out;
    bool *below = ARENA_ARRAY(a, bool, old.n + 1);
    memcpy(below, needed, old.n * sizeof *below);
    if (n->predicate)
        expr_mark_columns(n->predicate, below);
    for (unsigned i = 0; i < n->nsort; i++)
        below[n->sort[i].column] = true;
    unsigned *places_below = prune(in, below, a), extra = n->out.n - old.n;
    if (n->predicate)
        n->predicate = expr_replace(n->predicate, places(&old, places_below, a), a);
    struct sort_key *sort = ARENA_ARRAY(a, struct sort_key, n->nsort);
    for (unsigned i = 0; i < n->nsort; i++)
        sort[i] = (struct sort_key){places_below[n->sort[i].column], n->sort[i].descending};
    n->sort = sort;
    struct column *cols = ARENA_ARRAY(a, struct column, in->out.n + extra + 1);
    memcpy(cols, in->out.cols, in->out.n * sizeof *cols);
    for (unsigned i = 0; i < old.n + extra; i++) {
        map[i] = i < old.n ? places_below[i] : in->out.n + i - old.n;
        if (i >= old.n)
            cols[map[i]] = n->out.cols[i];
    }
    n->out = (struct schema){in->out.n + extra, cols};
}

static unsigned *prune(struct logical *n, const bool *needed, struct arena *a)
{
    unsigned *map = ARENA_ARRAY(a, unsigned, n->out.n + 1);
    switch (n->kind) {
    case L_SOURCE:
        prune_source(n, needed, map, a);
        break;
    case L_PROJECT:
        prune_project(n, needed, map, a);
        break;
    case L_JOIN:
        prune_join(n, needed, map, a);
        break;
    case L_AGGREGATE:
        prune_aggregate(n, needed, map, a);
        break;
    default:
        prune_through(n, needed, map, a);
    }
    return map;
}

struct logical *rule_prune_columns(struct logical *n, struct arena *a)
{
    bool *all = ARENA_ARRAY(a, bool, n->out.n + 1);
    memset(all, true, n->out.n);
    prune(n, all, a);
    return n;
}

/* ---- Projections that change nothing go; one that only renames goes if the names can be given further down. */

static bool changes_nothing(const struct logical *n)
{
    bool same = n->kind == L_PROJECT && n->out.n == n->inputs[0]->out.n;
    for (unsigned i = 0; same && i < n->out.n; i++)
        same = n->exprs[i]->kind == EX_COLUMN && n->exprs[i]->column == i;
    return same;
}

static bool same_names(const struct schema *a, const struct schema *b)
{
    bool same = true;
    for (unsigned i = 0; same && i < a->n; i++)
        same = strcmp(a->cols[i].name, b->cols[i].name) == 0;
    return same;
}

/* The columns of an aggregate have the names that they are given; those of a source are the relation's. */
static bool rename_columns(struct logical *n, const struct schema *names)
{
    bool passes = n->kind == L_FILTER || n->kind == L_SORT;
    if (n->kind != L_AGGREGATE && n->kind != L_PROJECT && !(passes && rename_columns(n->inputs[0], names)))
        return false;
    n->out.cols = names->cols;
    return true;
}

struct logical *rule_drop_projections(struct logical *n, struct arena *a)
{
    apply_below(n, rule_drop_projections, a);
    bool drop =
        changes_nothing(n) && (same_names(&n->out, &n->inputs[0]->out) || rename_columns(n->inputs[0], &n->out));
    return drop ? n->inputs[0] : n;
}

struct logical *rules_apply(struct logical *n, struct arena *a)
{
    static const rule rules[] = {rule_fold_constants, rule_push_filters, rule_prune_columns, rule_drop_projections};
    for (unsigned i = 0; i < ARRAY_LEN(rules); i++)
        n = rules[i](n, a);
    return n;
}
