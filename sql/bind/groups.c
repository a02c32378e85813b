/* GROUP BY: a list of expressions, or several such: ROLLUP (a, b) is (a, b), (a), (); CUBE all of its subsets; GROUPING SETS
 * what it says; beside one another they are combined each with each. */
#include "sql/bind/select.h"

#define SETS_MAX 64

/* Sets of places in `all`, as bits. */
struct sets {
    struct ast_exprs all;
    unsigned n;
    uint64_t set[SETS_MAX];
};

static struct place place_of_list(const struct ast_exprs *l) { return l->items[0]->place; }

static int add_one(const struct scope *sc, struct sets *s, struct ast_expr *e, uint64_t *bit)
{
    unsigned at = 0;
    while (at < s->all.n && !ast_expr_same(s->all.items[at], e))
        at++;
    if (at == 62)
        return bind_error(sc->b, e->place, "54011", "GROUP BY takes at most 62 expressions beside ROLLUP and the like");
    if (at == s->all.n)
        s->all.items[s->all.n++] = e;
    *bit = UINT64_C(1) << at;
    return 0;
}

/* What one element of GROUP BY stands for. */
static int sets_of(const struct scope *sc, struct sets *s, struct ast_expr *e, uint64_t *out, unsigned *n)
{
    bool rollup = e->kind == AST_CALL && str_eq_nocase(e->name.text, STR("ROLLUP"));
    bool cube = e->kind == AST_CALL && str_eq_nocase(e->name.text, STR("CUBE"));
    uint64_t bits[SETS_MAX] = {0};
    int err = 0;
    *n = 1;
    out[0] = 0;
    if (e->kind == AST_GROUPING_SETS) {
        for (unsigned i = 0; i < e->nargs && i < SETS_MAX && !err; i++) {
            out[i] = 0;
            for (unsigned k = 0; k < e->args[i]->nargs && !err; k++) {
                err = add_one(sc, s, e->args[i]->args[k], &bits[0]);
                out[i] |= bits[0];
            }
        }
        *n = e->nargs;
    } else if (rollup || cube) {
        for (unsigned i = 0; i < e->nargs && i < SETS_MAX && !err; i++)
            err = add_one(sc, s, e->args[i], &bits[i]);
        *n = rollup ? e->nargs + 1 : e->nargs > 6 ? SETS_MAX + 1 : 1u << e->nargs;
        for (unsigned i = 0; i < *n && *n <= SETS_MAX; i++) {
            out[i] = 0;
            for (unsigned k = 0; k < e->nargs; k++)
                if (rollup ? k < e->nargs - i : !(i >> (e->nargs - 1 - k) & 1))
                    out[i] |= bits[k];
        }
    } else {
        err = add_one(sc, s, e, &out[0]);
    }
    if (!err && *n > SETS_MAX)
        err = bind_error(sc->b, e->place, "54011", "at most %d grouping sets can be asked for at once", SETS_MAX);
    return err;
}

static int combine(const struct scope *sc, struct sets *s, struct ast_expr *e)
{
    uint64_t more[SETS_MAX], both[SETS_MAX];
    unsigned n, count = 0;
    int err = sets_of(sc, s, e, more, &n);
    if (err)
        return err;
    if (n * s->n > SETS_MAX)
        return bind_error(sc->b, e->place, "54011", "at most %d grouping sets can be asked for at once", SETS_MAX);
    for (unsigned i = 0; i < s->n; i++)
        for (unsigned k = 0; k < n; k++)
            both[count++] = s->set[i] | more[k];
    memcpy(s->set, both, count * sizeof *both);
    s->n = count;
    return 0;
}

/* As EXPAND numbers it: what GROUPING of all groups says. */
static int64_t number_of(const struct block *q, unsigned s)
{
    int64_t number = 0;
    for (unsigned i = 0; i < q->ngroup; i++)
        number = number << 1 | !(q->sets[s] >> i & 1);
    return number;
}

/* The expressions of all sets; then the block knows which of them each set has. False in *several: plain GROUP BY. */
int expand_groups(struct scope *sc, const struct ast_exprs *list, struct ast_exprs *all, bool *several)
{
    struct block *q = sc->q;
    *several = false;
    *all = *list;
    for (unsigned i = 0; i < list->n; i++) {
        const struct ast_expr *e = list->items[i];
        *several |= e->kind == AST_GROUPING_SETS ||
                    (e->kind == AST_CALL && (str_eq_nocase(e->name.text, STR("ROLLUP")) ||
                                             str_eq_nocase(e->name.text, STR("CUBE"))));
    }
    if (!*several)
        return 0;
    struct sets *s = ARENA_NEW(sc->b->arena, struct sets);
    s->all.items = ARENA_ARRAY(sc->b->arena, struct ast_expr *, 64);
    s->n = 1;
    for (unsigned i = 0; i < list->n; i++) {
        int err = combine(sc, s, list->items[i]);
        if (err)
            return err;
    }
    if (!s->all.n)
        return bind_error(sc->b, place_of_list(list), "42601", "no grouping set has a column; leave GROUP BY out for a total");
    for (unsigned i = 0; i < s->n; i++)
        for (unsigned k = 0; k < i; k++)
            if (s->set[i] == s->set[k])
                return bind_error(sc->b, place_of_list(list), "42803", "the same grouping set is asked for twice");
    q->nsets = s->n;
    q->sets = ARENA_ARRAY(sc->b->arena, uint64_t, s->n);
    memcpy(q->sets, s->set, s->n * sizeof *s->set);
    q->set_id = column_add(sc->b->columns, (struct tree_column){"GROUPING_SET", NULL, TYPE(T_BIGINT), false});
    *all = s->all;
    return 0;
}

bool has_empty_set(const struct block *q)
{
    bool has = false;
    for (unsigned s = 0; s < q->nsets && !has; s++)
        has = q->sets[s] == 0;
    return has;
}

/* Each row once per set, with copies of the groups that are NULL where the set does not have them. */
void make_sets(struct scope *sc, const unsigned *from)
{
    struct block *q = sc->q;
    struct arena *a = sc->b->arena;
    struct tree *t = tree_new(a, TREE_EXPAND, q->tree, NULL);
    t->groups = ids_of(a, from, q->ngroup);
    t->groups_out = ids_of(a, q->group_ids, q->ngroup);
    t->nsets = q->nsets;
    t->in_set = ARENA_ARRAY(a, bool, (size_t)q->nsets * q->ngroup);
    for (unsigned s = 0; s < q->nsets; s++)
        for (unsigned i = 0; i < q->ngroup; i++)
            t->in_set[s * q->ngroup + i] = q->sets[s] >> i & 1;
    t->set_id = q->set_id;
    tree_derive(t, a);
    q->tree = t;
}

/* GROUPING(a, b): a bit for each, 1 where the row's set does not have it. */
int resolve_grouping(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    struct block *q = sc->q;
    const struct binding *b = sc->b;
    if (!q || !q->nsets || sc->in_aggregate)
        return bind_error(b, e->place, "42803", "GROUPING is for a GROUP BY of ROLLUP, CUBE or GROUPING SETS");
    if (!e->nargs || e->nargs > 31)
        return bind_error(b, e->place, "42883", "GROUPING takes expressions of GROUP BY");
    unsigned n = q->nsets * 2 + 1;
    struct expr *c = expr_make(b, EX_CASE, TYPE(T_INT), e->place, n);
    const struct expr **args = (const struct expr **)c->args;
    for (unsigned s = 0; s < q->nsets; s++) {
        struct value bits = {.type = TYPE(T_INT)}, number = {.type = TYPE(T_BIGINT), .i = number_of(q, s)};
        for (unsigned i = 0; i < e->nargs; i++) {
            const struct expr *arg;
            unsigned k = 0;
            struct scope plain = *sc;
            plain.no_aggregates = "GROUPING";
            int err = resolve_expr(&plain, e->args[i], &arg);
            while (!err && k < q->ngroup && !expr_same(q->group[k], arg))
                k++;
            if (!err && k == q->ngroup)
                err = bind_error(b, e->args[i]->place, "42803", "this is not in GROUP BY");
            if (err)
                return err;
            bits.i = bits.i << 1 | !(q->sets[s] >> k & 1);
        }
        struct expr *value = expr_make(b, EX_CONST, bits.type, e->place, 0);
        struct expr *which = expr_make(b, EX_CONST, number.type, e->place, 0);
        struct ast_expr at = {.place = e->place, .op = e->place};
        value->value = bits;
        which->value = number;
        int err = resolve_compare(sc, STR("="), expr_column(b, q->set_id, TYPE(T_BIGINT), e->place), which, &at, &args[2 * s]);
        if (err)
            return err;
        args[2 * s + 1] = value;
    }
    struct expr *none = expr_make(b, EX_CONST, TYPE(T_INT), e->place, 0);
    none->value = value_null(TYPE(T_INT));
    args[n - 1] = none;
    *out = c;
    return 0;
}
