#include "sql/plan/lower.h"

/* Rows that have the greatest (or least) of a column in their group: asked in SQL as a join of a query with its own MAX
 * (MIN) by that group. They are the rows of rank one, for which the query runs once and nothing is joined.
 *
 *   x JOIN (SELECT g, MAX(v) AS m FROM x GROUP BY g) y ON x.g = y.g AND x.v >= y.m  */

struct pairing {
    struct columns *cs;
    unsigned *left; /* by id of the right side: the same column of the left one; NO_COLUMN: not known */
};

static const struct expr *on_left(void *arg, unsigned id)
{
    const struct pairing *p = arg;
    return p->left[id] == NO_COLUMN ? NULL : expr_of_id(p->cs, p->left[id]);
}

static bool same_expr(const struct pairing *p, const struct expr *left, const struct expr *right)
{
    return !left == !right && (!left || expr_same(left, expr_rewrite(right, on_left, (void *)p, p->cs->arena)));
}

static bool same_source(const struct tree *a, const struct tree *b, struct pairing *p)
{
    if (!uuid_eq(a->rel->topic, b->rel->topic) || strcmp(a->rel->name, b->rel->name) != 0 || a->scan || b->scan || a->rel->sys ||
        a->by_clock != b->by_clock)
        return false;
    for (unsigned i = 0; i < b->out.n; i++) {
        const struct want *w = &b->wants[i];
        for (unsigned k = 0; k < a->out.n; k++) {
            const struct want *o = &a->wants[k];
            if (w->from == o->from && w->index == o->index && w->depth == o->depth && w->from != WANT_PROCTIME &&
                (!w->depth || memcmp(w->path, o->path, w->depth * sizeof *w->path) == 0))
                p->left[b->out.id[i]] = a->out.id[k];
        }
        if (p->left[b->out.id[i]] == NO_COLUMN)
            return false;
    }
    return true;
}

static bool same_project(const struct tree *a, const struct tree *b, struct pairing *p)
{
    for (unsigned i = 0; i < b->out.n; i++) {
        unsigned found = NO_COLUMN;
        for (unsigned k = 0; k < a->out.n && found == NO_COLUMN; k++)
            if (same_expr(p, a->exprs[k], b->exprs[i]))
                found = a->out.id[k];
        if (found == NO_COLUMN || expr_is_volatile(b->exprs[i]))
            return false;
        p->left[b->out.id[i]] = found;
    }
    return true;
}

static bool same_window(const struct tree *a, const struct tree *b, struct pairing *p)
{
    const struct tree_window *x = a->window, *y = b->window;
    if (x->kind != y->kind || x->size_ms != y->size_ms || x->advance_ms != y->advance_ms || x->offset_ms != y->offset_ms ||
        !x->zone != !y->zone || (x->zone && strcmp(x->zone, y->zone) != 0) || x->grace_ms != y->grace_ms ||
        x->retention_ms != y->retention_ms || x->processing != y->processing || !same_expr(p, x->time, y->time))
        return false;
    for (unsigned i = 0; i < 3; i++) {
        if (b->window_ids[i] != NO_COLUMN && a->window_ids[i] == NO_COLUMN)
            return false;
        if (b->window_ids[i] != NO_COLUMN)
            p->left[b->window_ids[i]] = a->window_ids[i];
    }
    return true;
}

static bool same_agg(const struct agg *a, const struct agg *b, const struct pairing *p)
{
    return a->kind == b->kind && a->distinct == b->distinct && a->descending == b->descending &&
           a->param.type.id == T_NULL && b->param.type.id == T_NULL && same_expr(p, a->arg, b->arg) && same_expr(p, a->arg2, b->arg2) &&
           same_expr(p, a->filter, b->filter);
}

static bool same_aggregate(const struct tree *a, const struct tree *b, struct pairing *p)
{
    if (a->groups.n != b->groups.n || a->emit_final != b->emit_final || a->appends != b->appends || a->total != b->total)
        return false;
    for (unsigned i = 0; i < b->groups.n; i++)
        if (p->left[b->groups.id[i]] == NO_COLUMN || !ids_have(&a->groups, p->left[b->groups.id[i]]))
            return false;
    for (unsigned i = 0; i < b->naggs; i++) {
        unsigned k = 0;
        while (k < a->naggs && !same_agg(&a->aggs[k].agg, &b->aggs[i].agg, p))
            k++;
        if (k == a->naggs)
            return false;
        p->left[b->aggs[i].id] = a->aggs[k].id;
    }
    return true;
}

/* Do both give the same rows? Then it is known for each column of b which of a it is. */
static bool same_rows(const struct tree *a, const struct tree *b, struct pairing *p)
{
    if (a->kind != b->kind || a->ninputs != b->ninputs || a->ninputs > 1 || (a->ninputs && !same_rows(a->inputs[0], b->inputs[0], p)))
        return false;
    switch (a->kind) {
    case TREE_SOURCE:
        return same_source(a, b, p);
    case TREE_FILTER:
        return !expr_is_volatile(b->predicate) && same_expr(p, a->predicate, b->predicate);
    case TREE_PROJECT:
        return same_project(a, b, p);
    case TREE_WINDOW:
        return same_window(a, b, p);
    case TREE_AGGREGATE:
        return same_aggregate(a, b, p);
    default:
        return false;
    }
}

static const struct tree *below_projects(const struct tree *t)
{
    while (t->kind == TREE_PROJECT)
        t = t->inputs[0];
    return t;
}

/* What a column is called below the projections on top of a tree; NO_COLUMN: it is computed there. */
static unsigned id_below(const struct tree *t, unsigned id)
{
    for (; t->kind == TREE_PROJECT && id != NO_COLUMN; t = t->inputs[0]) {
        unsigned i = 0;
        while (i < t->out.n && t->out.id[i] != id)
            i++;
        id = i < t->out.n && t->exprs[i]->kind == EX_COLUMN ? t->exprs[i]->column : NO_COLUMN;
    }
    return id;
}

struct best {
    const struct tree *join, *most; /* the AGGREGATE */
    struct pairing pairs;
    unsigned value;    /* of the left side: what is the greatest or least */
    unsigned *is_left; /* per group of `most`: the column of the left side that equals it */
};

static bool is_named(const struct expr *e, const char *name)
{
    return e->kind == EX_CALL && strcmp(func_info(e->func)->name, name) == 0;
}

/* left = right: a group, or the value. */
static bool takes_pair(struct best *b, unsigned left, unsigned right)
{
    const struct tree *l = b->join->inputs[0], *m = b->most;
    unsigned below = id_below(l, left), of = id_below(b->join->inputs[1], right);
    if (left == NO_COLUMN || below == NO_COLUMN || of == NO_COLUMN)
        return false;
    bool value = of == m->aggs[0].id;
    unsigned what = id_below(m->inputs[0], value ? m->aggs[0].agg.arg->column : of);
    if (what == NO_COLUMN || b->pairs.left[what] != below)
        return false;
    if (value)
        b->value = left;
    for (unsigned i = 0; i < m->groups.n && !value; i++)
        if (m->groups.id[i] == of)
            b->is_left[i] = left;
    return true;
}

/* The condition that is not an equality of groups. */
static bool takes_rest(struct best *b, const struct expr *e)
{
    bool most = b->most->aggs[0].agg.kind == AGG_MAX;
    if (!is_named(e, ">=") && !is_named(e, "<="))
        return false;
    const struct expr *x = e->args[0], *y = e->args[1];
    if (x->kind != EX_COLUMN || y->kind != EX_COLUMN)
        return false;
    bool left_first = ids_have(&b->join->inputs[0]->out, x->column);
    if (left_first != (is_named(e, ">=") == most))
        return false;
    unsigned left = left_first ? x->column : y->column, right = left_first ? y->column : x->column;
    return id_below(b->join->inputs[1], right) == b->most->aggs[0].id && takes_pair(b, left, right);
}

static bool is_best(struct best *b)
{
    const struct tree *t = b->join, *m = b->most = below_projects(t->inputs[1]);
    if (t->join != JOIN_INNER || t->meet != MEET_STATE || t->on || t->inputs[0]->stream || m->kind != TREE_AGGREGATE ||
        m->naggs != 1 || m->emit_final)
        return false;
    const struct agg *a = &m->aggs[0].agg;
    const struct tree *left = below_projects(t->inputs[0]), *right = below_projects(m->inputs[0]);
    if ((a->kind != AGG_MAX && a->kind != AGG_MIN) || a->filter || a->arg->kind != EX_COLUMN || left->kind != TREE_AGGREGATE ||
        !same_rows(left, right, &b->pairs))
        return false;
    for (unsigned i = 0; i < m->groups.n; i++)
        b->is_left[i] = NO_COLUMN;
    b->value = NO_COLUMN;
    for (unsigned i = 0; i < t->njoin; i++)
        if (t->left_keys[i]->kind != EX_COLUMN || t->right_keys[i]->kind != EX_COLUMN ||
            !takes_pair(b, t->left_keys[i]->column, t->right_keys[i]->column))
            return false;
    if ((b->value == NO_COLUMN) == !t->residual || (t->residual && !takes_rest(b, t->residual)))
        return false;
    for (unsigned i = 0; i < m->groups.n; i++)
        if (b->is_left[i] == NO_COLUMN)
            return false;
    return true;
}

/* A row without the value, or of a group without a name, meets nothing. */
static struct tree *known(struct tree *t, unsigned id, struct columns *cs)
{
    if (tree_never_null(t, id))
        return t;
    const struct expr **column = (const struct expr **)ARENA_ARRAY(cs->arena, const struct expr *, 1);
    const struct expr **is_null = (const struct expr **)ARENA_ARRAY(cs->arena, const struct expr *, 1);
    struct expr *null = ARENA_NEW(cs->arena, struct expr), *not_null = ARENA_NEW(cs->arena, struct expr);
    column[0] = expr_of_id(cs, id);
    *null = (struct expr){.kind = EX_IS_NULL, .type = TYPE(T_BOOLEAN), .nargs = 1, .args = column};
    is_null[0] = null;
    *not_null = (struct expr){.kind = EX_NOT, .type = TYPE(T_BOOLEAN), .nargs = 1, .args = is_null};
    return tree_filter(cs->arena, t, not_null);
}

static struct tree *first_ranks(const struct best *b, struct columns *cs)
{
    const struct tree *t = b->join, *m = b->most;
    struct arena *a = cs->arena;
    struct tree *in = known(t->inputs[0], b->value, cs);
    for (unsigned i = 0; i < m->groups.n; i++)
        in = known(in, b->is_left[i], cs);
    struct tree *top = tree_new(a, TREE_TOPN, in, NULL);
    top->place = t->place;
    top->groups = ids_of(a, b->is_left, m->groups.n);
    top->nsort = 1;
    top->sort = ARENA_NEW(a, struct tree_sort);
    *top->sort = (struct tree_sort){b->value, m->aggs[0].agg.kind == AGG_MAX, false};
    top->limit = 1;
    top->rank = RANK_RANK;
    top->rank_id = NO_COLUMN;
    tree_derive(top, a);
    const struct expr **exprs = (const struct expr **)ARENA_ARRAY(a, const struct expr *, t->out.n + 1);
    for (unsigned i = 0; i < t->out.n; i++) {
        unsigned id = t->out.id[i], of = ids_have(&t->inputs[0]->out, id) ? id : id_below(t->inputs[1], id);
        for (unsigned k = 0; k < m->groups.n; k++)
            if (of == m->groups.id[k])
                of = b->is_left[k];
        exprs[i] = expr_of_id(cs, of == m->aggs[0].id ? b->value : of);
    }
    return tree_project(a, top, ids_of(a, t->out.id, t->out.n), exprs);
}

/* Is each column of the right side a group's or the value? */
static bool shows_groups(const struct best *b)
{
    const struct tree *right = b->join->inputs[1];
    for (unsigned i = 0; i < right->out.n; i++) {
        unsigned of = id_below(right, right->out.id[i]);
        if (of != b->most->aggs[0].id && !ids_have(&b->most->groups, of))
            return false;
    }
    return true;
}

struct tree *rule_best_rows(struct tree *t, struct columns *cs)
{
    for (unsigned i = 0; i < t->ninputs; i++)
        t->inputs[i] = rule_best_rows(t->inputs[i], cs);
    tree_derive(t, cs->arena);
    if (t->kind != TREE_JOIN || !t->inputs[1]->out.n)
        return t;
    struct best b = {.join = t, .pairs = {cs, ARENA_ARRAY(cs->arena, unsigned, cs->n + 1)}};
    for (unsigned i = 0; i < cs->n; i++)
        b.pairs.left[i] = NO_COLUMN;
    const struct tree *most = below_projects(t->inputs[1]);
    b.is_left = ARENA_ARRAY(cs->arena, unsigned, most->kind == TREE_AGGREGATE ? most->groups.n + 1 : 1);
    return is_best(&b) && shows_groups(&b) ? first_ranks(&b, cs) : t;
}
