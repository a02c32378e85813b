/* Rewriting the tree, one rule a function. A rule keeps the meaning and the columns of the tree's root.
 * To add one: write it, name it in lower.h, put it into rules_apply, and give it a case in tests/sql. */
#include "sql/plan/lower.h"

typedef struct tree *(*rule)(struct tree *t, struct columns *cs);

static void apply_below(struct tree *t, rule r, struct columns *cs)
{
    for (unsigned i = 0; i < t->ninputs; i++)
        t->inputs[i] = r(t->inputs[i], cs);
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

static const struct expr *fold_one(void *arg, const struct expr *e) { return fold(e, arg); }

struct tree *rule_fold_constants(struct tree *t, struct columns *cs)
{
    apply_below(t, rule_fold_constants, cs);
    tree_each_expr(t, fold_one, cs->arena);
    bool always =
        t->kind == TREE_FILTER && t->predicate->kind == EX_CONST && !t->predicate->value.null && t->predicate->value.i;
    return always ? t->inputs[0] : t;
}

/* ---- What a join's condition says: which expressions of both sides are equal, and what else must hold. */

static void add_join_key(struct tree *t, const struct expr *left, const struct expr *right, struct arena *a)
{
    const struct expr **keys[2] = {ARENA_ARRAY(a, const struct expr *, t->njoin + 1),
                                   ARENA_ARRAY(a, const struct expr *, t->njoin + 1)};
    for (unsigned i = 0; i < t->njoin; i++) {
        keys[0][i] = t->left_keys[i];
        keys[1][i] = t->right_keys[i];
    }
    keys[0][t->njoin] = left;
    keys[1][t->njoin++] = right;
    t->left_keys = keys[0];
    t->right_keys = keys[1];
}

static bool is_of(const struct expr *e, const struct tree *t)
{
    return expr_reads_any(e, &t->out) && expr_reads_only(e, &t->out) && !expr_is_volatile(e);
}

/* A table's rows and versions are found by its key, each column of it once: what else is equal is a condition like any other. */
static bool may_be_key(const struct tree *t, const struct expr *right)
{
    if (t->meet != MEET_LOOKUP && t->meet != MEET_TEMPORAL)
        return true;
    for (unsigned i = 0; i < t->njoin; i++)
        if (right->kind == EX_COLUMN && t->right_keys[i]->column == right->column)
            return false;
    return right->kind == EX_COLUMN && ids_have(&t->inputs[1]->keys[0], right->column);
}

static void split_on(struct tree *t, const struct expr *e, struct arena *a)
{
    if (e->kind == EX_AND) {
        for (unsigned i = 0; i < e->nargs; i++)
            split_on(t, e->args[i], a);
        return;
    }
    const struct tree *l = t->inputs[0], *r = t->inputs[1];
    if (expr_is_equality(e) && type_eq(e->args[0]->type, e->args[1]->type)) {
        if (is_of(e->args[0], l) && is_of(e->args[1], r) && may_be_key(t, e->args[1])) {
            add_join_key(t, e->args[0], e->args[1], a);
            return;
        }
        if (is_of(e->args[1], l) && is_of(e->args[0], r) && may_be_key(t, e->args[0])) {
            add_join_key(t, e->args[1], e->args[0], a);
            return;
        }
    }
    t->residual = expr_both(t->residual, e, a);
}

/* What is left is asked before the join of the side that it is about, if the join never makes NULLs of that side, or where
 * it does because nothing met its rows; else by the join itself. */
static void place_rest(struct tree *t, const struct expr *rest, struct columns *cs)
{
    bool left = is_of(rest, t->inputs[0]), right = is_of(rest, t->inputs[1]);
    bool left_may = t->join == JOIN_INNER || t->join == JOIN_RIGHT || t->join == JOIN_SEMI;
    bool right_may = t->join != JOIN_RIGHT && t->join != JOIN_FULL;
    if (rest->kind == EX_AND)
        for (unsigned i = 0; i < rest->nargs; i++)
            place_rest(t, rest->args[i], cs);
    else if (left && left_may)
        t->inputs[0] = tree_filter(cs->arena, t->inputs[0], rest);
    else if (right && right_may)
        t->inputs[1] = tree_filter(cs->arena, t->inputs[1], rest);
    else
        t->residual = expr_both(t->residual, rest, cs->arena);
}

struct tree *rule_join_keys(struct tree *t, struct columns *cs)
{
    apply_below(t, rule_join_keys, cs);
    if (t->kind != TREE_JOIN || !t->on)
        return t;
    split_on(t, t->on, cs->arena);
    const struct expr *rest = t->residual;
    t->on = t->residual = NULL;
    if (rest)
        place_rest(t, rest, cs);
    return t;
}

/* ---- Conditions go down to where their columns come from: fewer rows are joined, moved and decoded. */

static struct tree *push(struct tree *t, const struct expr *predicate, struct columns *cs);

static const struct expr *shown_as(void *arg, unsigned id)
{
    const struct tree *t = arg;
    for (unsigned i = 0; i < t->out.n; i++)
        if (t->out.id[i] == id)
            return t->exprs[i];
    return NULL;
}

static struct tree *push_project(struct tree *t, const struct expr *predicate, struct columns *cs)
{
    for (unsigned i = 0; i < t->out.n; i++)
        if (expr_is_volatile(t->exprs[i]) && expr_reads(predicate, t->out.id[i]))
            return tree_filter(cs->arena, t, predicate);
    t->inputs[0] = push(t->inputs[0], expr_rewrite(predicate, shown_as, t, cs->arena), cs);
    return t;
}

struct equals {
    const struct tree *join;
    unsigned side; /* that the predicate is about */
    bool all;      /* each of its columns is equated with one of the other side */
};

static const struct expr *other_side(void *arg, unsigned id)
{
    struct equals *eq = arg;
    const struct expr **own = eq->side ? eq->join->right_keys : eq->join->left_keys;
    const struct expr **other = eq->side ? eq->join->left_keys : eq->join->right_keys;
    for (unsigned i = 0; i < eq->join->njoin; i++)
        if (own[i]->kind == EX_COLUMN && own[i]->column == id && other[i]->kind == EX_COLUMN)
            return other[i];
    eq->all = false;
    return NULL;
}

/* What holds for columns that are equated holds for the other side's rows that meet, too. */
static void infer(struct tree *t, const struct expr *predicate, struct columns *cs)
{
    for (unsigned side = 0; side < 2; side++) {
        bool left_may = t->join == JOIN_INNER || t->join == JOIN_SEMI || t->join == JOIN_RIGHT;
        bool right_may = t->join != JOIN_RIGHT && t->join != JOIN_FULL;
        struct equals eq = {t, side, true};
        if (!(side ? left_may : right_may) || t->meet != MEET_STATE || !is_of(predicate, t->inputs[side]))
            continue;
        const struct expr *same = expr_rewrite(predicate, other_side, &eq, cs->arena);
        if (eq.all)
            t->inputs[!side] = push(t->inputs[!side], same, cs);
    }
}

/* A side may be filtered before the join unless the join makes rows of NULLs in place of those it lacks. An inner join
 * that keeps both sides asks itself what is about both. */
static struct tree *push_join(struct tree *t, const struct expr *predicate, struct columns *cs)
{
    infer(t, predicate, cs);
    bool left = is_of(predicate, t->inputs[0]) && t->join != JOIN_RIGHT && t->join != JOIN_FULL;
    bool right = is_of(predicate, t->inputs[1]) && t->join != JOIN_LEFT && t->join != JOIN_FULL;
    if (!left && !right && t->join == JOIN_INNER && t->meet == MEET_STATE && !t->njoin) {
        split_on(t, predicate, cs->arena);
        return t;
    }
    if (!left && !right)
        return tree_filter(cs->arena, t, predicate);
    t->inputs[!left] = push(t->inputs[!left], predicate, cs);
    return t;
}

/* Below what lets these columns through as they are. */
static struct tree *push_through(struct tree *t, const struct expr *predicate, const struct ids *ids,
                                 struct columns *cs)
{
    if (!is_of(predicate, t->inputs[0]) || !expr_reads_only(predicate, ids))
        return tree_filter(cs->arena, t, predicate);
    t->inputs[0] = push(t->inputs[0], predicate, cs);
    return t;
}

/* Conditions on group columns hold for all rows of a group or for none. The window's bounds are known only above it. */
static struct tree *push_aggregate(struct tree *t, const struct expr *predicate, struct columns *cs)
{
    struct ids bounds = {2, (unsigned[]){t->start, t->end}};
    if (t->total || expr_reads_any(predicate, &bounds)) /* a total is there whatever is left of the rows */
        return tree_filter(cs->arena, t, predicate);
    return push_through(t, predicate, &t->groups, cs);
}

struct side_of {
    const struct tree *tree;
    unsigned side;
    struct columns *cs;
};

static const struct expr *of_side(void *arg, unsigned id)
{
    const struct side_of *so = arg;
    for (unsigned i = 0; i < so->tree->out.n; i++)
        if (so->tree->out.id[i] == id)
            return expr_of_id(so->cs, so->tree->from[so->side].id[i]);
    return NULL;
}

static struct tree *push_union(struct tree *t, const struct expr *predicate, struct columns *cs)
{
    for (unsigned i = 0; i < 2; i++) {
        struct side_of so = {t, i, cs};
        t->inputs[i] = push(t->inputs[i], expr_rewrite(predicate, of_side, &so, cs->arena), cs);
    }
    return t;
}

static struct tree *push(struct tree *t, const struct expr *predicate, struct columns *cs)
{
    if (predicate->kind == EX_AND) {
        for (unsigned i = 0; i < predicate->nargs; i++)
            t = push(t, predicate->args[i], cs);
        return t;
    }
    if (expr_is_volatile(predicate))
        return tree_filter(cs->arena, t, predicate);
    switch (t->kind) {
    case TREE_FILTER: /* below it if it goes further down, else beside it, in the order written */
        t->inputs[0] = push(t->inputs[0], predicate, cs);
        if (t->inputs[0]->kind != TREE_FILTER)
            return t;
        t->predicate = expr_both(t->predicate, t->inputs[0]->predicate, cs->arena);
        t->inputs[0] = t->inputs[0]->inputs[0];
        return t;
    case TREE_PROJECT:
        return push_project(t, predicate, cs);
    case TREE_WINDOW:
        return push_through(t, predicate, &t->inputs[0]->out, cs);
    case TREE_JOIN:
        return push_join(t, predicate, cs);
    case TREE_AGGREGATE:
        return push_aggregate(t, predicate, cs);
    case TREE_UNION:
        return push_union(t, predicate, cs);
    case TREE_OVER: /* whole partitions stay or go */
        return push_through(t, predicate, &t->groups, cs);
    case TREE_TOPN:
        return push_through(t, predicate, &t->groups, cs);
    case TREE_UNNEST:
        return push_through(t, predicate, &t->inputs[0]->out, cs);
    default:
        return tree_filter(cs->arena, t, predicate);
    }
}

struct tree *rule_push_filters(struct tree *t, struct columns *cs)
{
    apply_below(t, rule_push_filters, cs);
    return t->kind == TREE_FILTER ? push(t->inputs[0], t->predicate, cs) : t;
}

/* ---- What joins equate is made columns, by a projection below. */

static void key_columns(struct tree **in, const struct expr **keys, unsigned n, struct columns *cs)
{
    unsigned have = (*in)->out.n;
    struct ids ids = {have, ARENA_ARRAY(cs->arena, unsigned, have + n + 1)};
    const struct expr **exprs = ARENA_ARRAY(cs->arena, const struct expr *, have + n + 1);
    for (unsigned i = 0; i < have; i++) {
        ids.id[i] = (*in)->out.id[i];
        exprs[i] = expr_of_id(cs, ids.id[i]);
    }
    for (unsigned i = 0; i < n; i++)
        if (keys[i]->kind != EX_COLUMN) {
            exprs[ids.n] = keys[i];
            ids.id[ids.n] = column_add(
                cs, (struct tree_column){arena_printf(cs->arena, "join_%u", i), NULL, keys[i]->type, false});
            keys[i] = expr_of_id(cs, ids.id[ids.n++]);
        }
    if (ids.n > have)
        *in = tree_project(cs->arena, *in, ids, exprs);
}

struct tree *rule_key_columns(struct tree *t, struct columns *cs)
{
    apply_below(t, rule_key_columns, cs);
    if (t->kind != TREE_JOIN)
        return t;
    key_columns(&t->inputs[0], t->left_keys, t->njoin, cs);
    key_columns(&t->inputs[1], t->right_keys, t->njoin, cs);
    return t;
}

/* ---- A projection of a projection is one, unless something would be computed twice. */

struct merging {
    const struct tree *below;
    unsigned *reads; /* by place: how often */
};

static const struct expr *count_reads(void *arg, unsigned id)
{
    struct merging *m = arg;
    for (unsigned i = 0; i < m->below->out.n; i++)
        m->reads[i] += m->below->out.id[i] == id;
    return NULL;
}

struct tree *rule_merge_projections(struct tree *t, struct columns *cs)
{
    apply_below(t, rule_merge_projections, cs);
    if (t->kind != TREE_PROJECT || t->inputs[0]->kind != TREE_PROJECT)
        return t;
    struct tree *below = t->inputs[0];
    struct merging m = {below, ARENA_ARRAY(cs->arena, unsigned, below->out.n + 1)};
    for (unsigned i = 0; i < t->out.n; i++)
        (void)expr_rewrite(t->exprs[i], count_reads, &m, cs->arena);
    for (unsigned i = 0; i < below->out.n; i++) {
        enum expr_kind kind = below->exprs[i]->kind;
        if (kind != EX_COLUMN && kind != EX_CONST && (m.reads[i] > 1 || expr_is_volatile(below->exprs[i])))
            return t;
    }
    for (unsigned i = 0; i < t->out.n; i++)
        t->exprs[i] = expr_rewrite(t->exprs[i], shown_as, below, cs->arena);
    t->inputs[0] = below->inputs[0];
    return t;
}

/* ---- Columns that nobody reads are not decoded, moved or kept. */

struct pruning {
    struct arena *a;
    bool *needed; /* by id */
};

static const struct expr *need(void *arg, const struct expr *e)
{
    struct pruning *p = arg;
    if (e->kind == EX_COLUMN)
        p->needed[e->column] = true;
    for (unsigned i = 0; i < e->nargs; i++)
        need(arg, e->args[i]);
    return e;
}

static void need_ids(struct pruning *p, const struct ids *ids)
{
    for (unsigned i = 0; i < ids->n; i++)
        p->needed[ids->id[i]] = true;
}

/* A table's key stays: it is the identity of its rows. So does one column of a stream: rows are counted by it. */
static void prune_source(struct tree *t, const struct pruning *p)
{
    unsigned old = t->out.n, k = 0;
    bool *use = ARENA_ARRAY(p->a, bool, old + 1), any = false;
    struct ids out = {0, ARENA_ARRAY(p->a, unsigned, old + 1)};
    for (unsigned i = 0; i < old; i++) {
        use[i] = p->needed[t->out.id[i]] ||
                 (t->rel->table && !t->scan && (t->wants[i].from == WANT_KEY || t->wants[i].from == WANT_WINDOWSTART ||
                                                (t->wants[i].from == WANT_WINDOWEND && t->rel->format.window_bounds)));
        any |= use[i];
    }
    for (unsigned i = 0; i < old && !any; i++)
        any = use[i] = t->scan ? t->wants[i].from <= WANT_VALUE : t->wants[i].from == WANT_ROWPARTITION;
    for (unsigned i = 0; i < old; i++)
        if (use[i]) {
            t->wants[k++] = t->wants[i];
            out.id[out.n++] = t->out.id[i];
        }
    t->out = out;
}

static void prune_project(struct tree *t, struct pruning *p)
{
    bool any = false;
    for (unsigned i = 0; i < t->out.n && !any; i++)
        any = p->needed[t->out.id[i]];
    if (!any && t->out.n) /* rows are counted by one column */
        p->needed[t->out.id[0]] = true;
    struct ids out = {0, ARENA_ARRAY(p->a, unsigned, t->out.n + 1)};
    for (unsigned i = 0; i < t->out.n; i++)
        if (p->needed[t->out.id[i]]) {
            t->exprs[out.n] = t->exprs[i];
            out.id[out.n++] = t->out.id[i];
        }
    t->out = out;
}

/* Groups are all needed; aggregates that nobody reads are not computed, save one. */
static void prune_aggregate(struct tree *t, struct pruning *p)
{
    unsigned k = 0;
    for (unsigned i = 0; i < t->naggs; i++)
        if (p->needed[t->aggs[i].id] || (i + 1 == t->naggs && !k))
            t->aggs[k++] = t->aggs[i];
    t->naggs = k;
    need_ids(p, &t->groups);
}

/* What is read on one side only goes on both; if nothing is, rows are still spread by the first column. The lists may be those of
 * nodes below, too. */
static void prune_union(struct tree *t, struct pruning *p)
{
    struct ids from[2] = {{0, NULL}, {0, NULL}}, out = {0, NULL};
    bool any = false;
    for (unsigned i = 0; i < t->out.n; i++)
        any |= p->needed[t->out.id[i]];
    for (unsigned i = 0; i < t->out.n; i++) {
        if (!p->needed[t->out.id[i]] && (any || i))
            continue;
        for (unsigned k = 0; k < 2; k++)
            from[k] = ids_join(p->a, from[k], (struct ids){1, &t->from[k].id[i]});
        ids_add(p->a, &out, t->out.id[i]);
    }
    memcpy(t->from, from, sizeof from);
    t->out = out;
    need_ids(p, &t->from[0]);
    need_ids(p, &t->from[1]);
}

/* From the root down: what is needed of a node is known before its inputs are asked. */
static void prune(struct tree *t, struct pruning *p)
{
    if (t->kind == TREE_SOURCE)
        prune_source(t, p);
    else if (t->kind == TREE_PROJECT)
        prune_project(t, p);
    else if (t->kind == TREE_AGGREGATE)
        prune_aggregate(t, p);
    else if (t->kind == TREE_UNION)
        prune_union(t, p);
    else
        need_ids(p, &t->groups);
    if (t->kind == TREE_TOPN && t->rank_id != NO_COLUMN && !p->needed[t->rank_id])
        t->rank_id = NO_COLUMN;
    if (t->kind == TREE_WINDOW && t->window_ids[2] != NO_COLUMN && !p->needed[t->window_ids[2]])
        t->window_ids[2] = NO_COLUMN;
    tree_each_expr(t, need, p);
    for (unsigned i = 0; i < t->nsort; i++)
        p->needed[t->sort[i].id] = true;
    for (unsigned i = 0; i < t->ninputs; i++)
        prune(t->inputs[i], p);
    tree_derive(t, p->a);
}

struct tree *rule_prune_columns(struct tree *t, struct columns *cs)
{
    struct pruning p = {cs->arena, ARENA_ARRAY(cs->arena, bool, cs->n + 1)};
    need_ids(&p, &t->out);
    prune(t, &p);
    return t;
}

struct tree *rules_apply(struct tree *t, struct columns *cs)
{
    /* Paths are found once all that nobody reads has gone, and make columns of what was computed. */
    static const rule rules[] = {rule_fold_constants, rule_join_keys, rule_push_filters, rule_key_columns, rule_prune_columns,
                                 rule_merge_projections, rule_read_paths, rule_merge_projections, rule_prune_columns,
                                 rule_best_rows, rule_merge_projections};
    for (unsigned i = 0; i < ARRAY_LEN(rules); i++)
        t = rules[i](t, cs);
    return t;
}
