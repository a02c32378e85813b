/* The key of what a persistent query makes, and the names of its columns.
 *
 * The key follows from the query: PARTITION BY's or GROUP BY's expressions, the join's, or the source's own key. The
 * first item of the list that equals a key expression is that key column and may rename it; a key that the list does
 * not mention is put in front under its own name. So a key is never lost, and nobody has to repeat it. */
#include <stdio.h>

#include "sql/bind/select.h"

struct key_part {
    const struct expr *expr;  /* over the tree that items are over */
    const struct expr *equal; /* an inner join's other side: the same value; NULL: none */
    const char *name;         /* if no item gives one; NULL: made */
    struct place place;
};
struct key_parts {
    struct key_part *items;
    unsigned n;
};

static void add_part(struct key_parts *ks, const struct expr *e, const struct expr *equal, const char *name)
{
    ks->items[ks->n++] = (struct key_part){e, equal, name, place_of(e)};
}

static bool has_part(const struct key_parts *ks, const struct expr *e)
{
    for (unsigned i = 0; i < ks->n; i++)
        if (expr_same(ks->items[i].expr, e))
            return true;
    return false;
}

const struct expr *expr_either(const struct binding *b, const struct expr *left, const struct expr *right)
{
    struct expr *null = expr_make(b, EX_IS_NULL, TYPE(T_BOOLEAN), place_of(left), 1);
    ((const struct expr **)null->args)[0] = left;
    struct expr *e = expr_make(b, EX_CASE, left->type, place_of(left), 3);
    const struct expr **args = (const struct expr **)e->args;
    args[0] = null;
    args[1] = right;
    args[2] = left;
    return e;
}

static void source_key(const struct scope *sc, struct key_parts *ks)
{
    const struct block *q = sc->q;
    for (unsigned c = q->sources[0].first; c < q->sources[0].first + q->sources[0].ncols; c++)
        if (q->cols[c].key && !q->cols[c].pseudo)
            add_part(ks, expr_column(sc->b, q->cols[c].id, q->cols[c].type, q->sources[0].place), NULL, q->cols[c].name);
}

/* ---- Joins */

/* What a join equates, expression by expression, in the order written. */
struct equal {
    unsigned n;
    const struct expr **left, **right;
};

static void add_equal(struct equal *eq, const struct tree *t, const struct expr *on)
{
    if (on->kind == EX_AND)
        for (unsigned i = 0; i < on->nargs; i++)
            add_equal(eq, t, on->args[i]);
    if (!expr_is_equality(on))
        return;
    for (unsigned i = 0; i < 2; i++) {
        const struct expr *l = on->args[i], *r = on->args[1 - i];
        if (!expr_reads_any(l, &t->inputs[0]->out) || !expr_reads_only(l, &t->inputs[0]->out) ||
            !expr_reads_any(r, &t->inputs[1]->out) || !expr_reads_only(r, &t->inputs[1]->out))
            continue;
        eq->left[eq->n] = l;
        eq->right[eq->n++] = r;
        return;
    }
}

static unsigned parts_of(const struct expr *on) { return on && on->kind == EX_AND ? on->nargs + 1 : 2; }

static struct equal equal_in(const struct scope *sc, const struct tree *t)
{
    unsigned room = parts_of(t->on);
    for (unsigned i = 0; t->on && t->on->kind == EX_AND && i < t->on->nargs; i++)
        room += parts_of(t->on->args[i]);
    struct equal eq = {0, ARENA_ARRAY(sc->b->arena, const struct expr *, room),
                       ARENA_ARRAY(sc->b->arena, const struct expr *, room)};
    if (t->on)
        add_equal(&eq, t, t->on);
    return eq;
}

/* The other side of what an inner join anywhere in FROM equates with it. */
static const struct expr *equal_to(const struct scope *sc, const struct tree *t, const struct expr *e)
{
    const struct expr *found = NULL;
    if (t->kind == TREE_JOIN && t->join == JOIN_INNER) {
        struct equal eq = equal_in(sc, t);
        for (unsigned i = 0; i < eq.n && !found; i++)
            found = expr_same(eq.left[i], e) ? eq.right[i] : expr_same(eq.right[i], e) ? eq.left[i] : NULL;
    }
    for (unsigned i = 0; i < t->ninputs && !found; i++)
        found = equal_to(sc, t->inputs[i], e);
    return found;
}

/* Of a FULL join by the keys of both sides: whichever is there, unless USING has a column for it. */
static void full_key(const struct scope *sc, const struct tree *t, struct key_parts *ks)
{
    const struct block *q = sc->q;
    struct equal eq = equal_in(sc, t);
    for (unsigned i = 0; i < eq.n; i++) {
        const char *left = block_column_name(q, eq.left[i]), *right = block_column_name(q, eq.right[i]);
        const struct block_column *shared = NULL;
        for (unsigned c = 0; c < q->ncols; c++)
            if (q->cols[c].source == NO_COLUMN && left && strcmp(q->cols[c].name, left) == 0)
                shared = &q->cols[c];
        if (shared)
            add_part(ks, expr_column(sc->b, shared->id, shared->type, place_of(eq.left[i])), NULL, shared->name);
        else
            add_part(ks, expr_either(sc->b, eq.left[i], eq.right[i]), NULL,
                     left && right && strcmp(left, right) == 0 ? left
                     : i == 0                                  ? "ROWKEY"
                                                               : arena_printf(sc->b->arena, "ROWKEY_%u", i));
    }
}

static bool is_full_by_keys(const struct scope *sc, const struct tree *t)
{
    struct ids sides[2] = {{0, NULL}, {0, NULL}};
    struct equal eq = equal_in(sc, t);
    for (unsigned i = 0; i < eq.n; i++) {
        if (eq.left[i]->kind == EX_COLUMN)
            ids_add(sc->b->arena, &sides[0], eq.left[i]->column);
        if (eq.right[i]->kind == EX_COLUMN)
            ids_add(sc->b->arena, &sides[1], eq.right[i]->column);
    }
    return t->join == JOIN_FULL && tree_unique_in(t->inputs[0], &sides[0]) && tree_unique_in(t->inputs[1], &sides[1]);
}

/* Rows that only come: the values by which they were joined last. */
static void stream_join_key(const struct scope *sc, const struct tree *t, struct key_parts *ks)
{
    struct equal eq = equal_in(sc, t);
    for (unsigned i = 0; i < eq.n; i++) {
        const struct expr *l = eq.left[i], *r = eq.right[i];
        const char *left = block_column_name(sc->q, l), *right = block_column_name(sc->q, r);
        if (!has_part(ks, l)) /* one value may be looked up in two columns */
            add_part(ks, l, t->join == JOIN_INNER ? r : NULL, left ? left : right);
    }
}

/* ---- What is unique in any tree */

static void unique_key(const struct scope *sc, struct key_parts *ks)
{
    const struct tree *t = sc->q->tree;
    const struct binding *b = sc->b;
    for (unsigned i = 0; i < t->keys[0].n; i++) {
        unsigned id = t->keys[0].id[i];
        const struct tree_column *c = &b->columns->items[id];
        const struct expr *e = expr_column(b, id, c->type, sc->q->sources ? sc->q->sources[0].place : (struct place){0, 0});
        const char *name = str_eq_nocase(str_of(c->name), STR("WINDOWSTART")) ? "WINDOW_START"
                           : str_eq_nocase(str_of(c->name), STR("WINDOWEND")) ? "WINDOW_END"
                                                                              : c->name;
        add_part(ks, e, equal_to(sc, t, e), name);
    }
    if (ks->n)
        return;
    struct expr *one = expr_make(b, EX_CONST, TYPE(T_INT), (struct place){0, 0}, 0); /* one row at most: any key will do */
    one->value = (struct value){.type = TYPE(T_INT)};
    add_part(ks, one, NULL, "KEY");
}

static void group_key(const struct scope *sc, struct key_parts *ks)
{
    const struct block *q = sc->q;
    for (unsigned i = 0; i < q->ngroup; i++)
        add_part(ks, expr_column(sc->b, q->group_ids[i], q->group[i]->type, place_of(q->group[i])), NULL, q->group_names[i]);
    if (q->nsets) /* rows of two sets may look alike */
        add_part(ks, expr_column(sc->b, q->set_id, TYPE(T_BIGINT), place_of(q->group[0])), NULL, "GROUPING_SET");
}

/* False: nothing is unique; the whole row is the key. */
static bool find_key(const struct scope *sc, struct key_parts *ks)
{
    const struct block *q = sc->q;
    const struct tree *join = q->last_join;
    if (q->ngroup)
        group_key(sc, ks);
    else if (!q->aggregates && q->tree->stream && join)
        stream_join_key(sc, join, ks);
    else if (!q->aggregates && q->tree->stream)
        source_key(sc, ks);
    else if (!q->aggregates && join && is_full_by_keys(sc, join))
        full_key(sc, join, ks);
    else if (q->tree->nkeys)
        unique_key(sc, ks);
    else
        return false;
    return true;
}

/* COALESCE(left, right), either way round, is what a FULL join's key is: one side is there, or both are equal. */
static bool is_either(const struct expr *e, const struct expr *either)
{
    if (e->kind != EX_CALL || e->nargs != 2 || either->kind != EX_CASE || either->nargs != 3)
        return false;
    const char *name = func_info(e->func)->name; /* keep in step with expr_either */
    const struct expr *null = either->args[0], *right = either->args[1], *left = either->args[2];
    return null->kind == EX_IS_NULL && expr_same(null->args[0], left) &&
           (strcmp(name, "COALESCE") == 0 || strcmp(name, "IFNULL") == 0) &&
           ((expr_same(e->args[0], left) && expr_same(e->args[1], right)) ||
            (expr_same(e->args[0], right) && expr_same(e->args[1], left)));
}

/* An item that shows the key, in order of preference: the same expression, else the equal side of an inner join. */
static int find_item(const struct block *q, const struct key_part *part, const bool *taken)
{
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < q->nitems; i++) {
            const struct expr *want = pass ? part->equal : part->expr;
            if (want && !taken[i] && (expr_same(q->items[i].expr, want) || (!pass && is_either(q->items[i].expr, want))))
                return (int)i;
        }
    return -1;
}

/* A windowed table has its bounds beside the key; repeating them without a new name would hide them. */
static void drop_window_bounds(struct block *q)
{
    unsigned n = 0;
    for (unsigned i = 0; i < q->nitems; i++) {
        const struct expr *e = q->items[i].expr;
        bool bound = q->window && e->kind == EX_COLUMN && (e->column == q->window_ids[0] || e->column == q->window_ids[1]);
        bool named = !str_eq_nocase(str_of(q->items[i].name), STR("WINDOWSTART")) &&
                     !str_eq_nocase(str_of(q->items[i].name), STR("WINDOWEND"));
        if (!bound || named)
            q->items[n++] = q->items[i];
    }
    q->nitems = n;
}

/* A column that the list leaves out must not take the name of one that it shows. */
static const char *free_name(const struct scope *sc, const char *name)
{
    const struct block *q = sc->q;
    const char *free = name;
    for (unsigned i = 0, n = 1; i < q->nitems;)
        if (str_eq_nocase(str_of(q->items[i].name), str_of(free))) {
            free = arena_printf(sc->b->arena, "%s_%u", name, n++);
            i = 0;
        } else {
            i++;
        }
    return free;
}

static int check_names(const struct scope *sc, const struct ast_select *s)
{
    static const char *const pseudo[] = {"ROWTIME", "ROWPARTITION", "ROWOFFSET", "WINDOWSTART", "WINDOWEND"};
    const struct block *q = sc->q;
    for (unsigned i = 0; i < q->nitems; i++) {
        struct str name = str_of(q->items[i].name);
        struct place place = place_of(q->items[i].expr);
        for (unsigned k = 0; k < ARRAY_LEN(pseudo); k++)
            if (str_eq_nocase(name, str_of(pseudo[k])))
                return bind_error(sc->b, place, "42601",
                                  "a column cannot have the name %s; give it another one with AS", pseudo[k]);
        for (unsigned k = 0; k < i; k++)
            if (str_eq_nocase(name, str_of(q->items[k].name)))
                return bind_error(sc->b, place.len ? place : s->place, "42701",
                                  "two columns would have the name \"%s\"; give one another name with AS",
                                  q->items[i].name);
    }
    return 0;
}

static int nothing_left(struct scope *sc, const struct ast_select *s)
{
    bind_error(sc->b, s->items.n ? s->items.items[0].place : s->place, "42601",
               "nothing is left beside the key: a record needs a value too");
    diag_hint(sc->b->diag, sc->q->aggregates
                               ? "add an aggregate, such as COUNT(*)"
                               : "add a column, or copy the key with AS_VALUE(...) under another name");
    return E_SQL;
}

int bind_key(struct scope *sc, const struct ast_select *s, const struct expr *const *partition, unsigned npartition)
{
    struct block *q = sc->q;
    struct key_parts ks = {NULL, 0};
    unsigned room = q->ncols * 2 + npartition + q->ngroup + 1;
    drop_window_bounds(q);
    for (unsigned i = 0; i < q->tree->nkeys; i++)
        room += q->tree->keys[i].n;
    ks.items = ARENA_ARRAY(sc->b->arena, struct key_part, room + 1);
    for (unsigned i = 0; i < npartition; i++)
        add_part(&ks, partition[i], NULL, block_column_name(q, partition[i]));
    if (!npartition && !find_key(sc, &ks)) {
        sc->result->counts_rows = true;
        return check_names(sc, s);
    }
    bool *taken = ARENA_ARRAY(sc->b->arena, bool, q->nitems + ks.n + 1);
    for (unsigned k = 0; k < ks.n; k++) { /* moves items so that the key stands first, in its own order */
        int at = find_item(q, &ks.items[k], taken);
        struct block_item item = {ks.items[k].expr, ks.items[k].name, false};
        if (at >= 0) {
            item = q->items[at];
            memmove(&q->items[k + 1], &q->items[k], ((unsigned)at - k) * sizeof item);
            q->items[k] = item;
        } else {
            if (!item.name)
                item.name = arena_printf(sc->b->arena, ks.n == 1 ? "KEY" : "KEY_%u", k);
            if (!npartition && !q->ngroup && !block_column_name(q, item.expr)) /* of a query inside an expression */
                item.name = free_name(sc, item.name);
            block_add_item(sc->b, q, k, item);
        }
        taken[k] = true;
        q->nkey++;
    }
    const struct expr *first = q->items[0].expr;
    sc->result->nkey = q->nkey;
    sc->result->group_key = q->ngroup > 0 && !q->nsets;
    sc->result->nullable_key = !q->tree->stream && q->nkey == 1 && !q->ngroup && first->kind == EX_COLUMN &&
                               !tree_never_null(q->tree, first->column);
    int err = check_names(sc, s);
    if (err || q->nitems > q->nkey)
        return err;
    if (q->tree->stream || q->ngroup)
        return nothing_left(sc, s);
    sc->result->counts_rows = true;
    return 0;
}

/* A table without a unique key has one row for equal ones, which says how many they are. */
int count_rows(struct scope *sc, struct query *r)
{
    struct arena *a = sc->b->arena;
    if (!r->counts_rows)
        return 0;
    struct tree *t = tree_new(a, TREE_AGGREGATE, r->tree, NULL);
    struct query_item *items = ARENA_ARRAY(a, struct query_item, r->nitems + 1);
    t->groups.id = ARENA_ARRAY(a, unsigned, r->nitems + 1);
    for (unsigned i = 0; i < r->nitems; i++) {
        items[i] = r->items[i];
        t->groups.id[t->groups.n++] = items[i].id;
        if (str_eq_nocase(str_of(items[i].name), STR("ROW_COUNT")))
            return bind_error(sc->b, (struct place){0, 0}, "42701",
                              "this table has no unique key, and is to have a column ROW_COUNT; give yours another name");
    }
    unsigned id = column_add(sc->b->columns, (struct tree_column){"ROW_COUNT", NULL, TYPE(T_BIGINT), false});
    bool once = tree_unique_in(r->tree, &t->groups);
    t->naggs = 1;
    t->aggs = ARENA_NEW(a, struct tree_agg);
    t->aggs->agg = (struct agg){.kind = AGG_COUNT_STAR, .type = TYPE(T_BIGINT)};
    t->aggs->id = id;
    r->nkey = r->nitems;
    r->nullable_key = r->nkey == 1;
    items[r->nitems++] = (struct query_item){"ROW_COUNT", TYPE(T_BIGINT), id};
    r->items = items;
    tree_derive(t, a);
    struct expr *one = expr_make(sc->b, EX_CONST, TYPE(T_BIGINT), (struct place){0, 0}, 0);
    const struct expr **exprs = ARENA_ARRAY(a, const struct expr *, 1);
    one->value = (struct value){.type = TYPE(T_BIGINT), .i = 1};
    exprs[0] = one;
    r->tree = once ? tree_add(a, sc->b->columns, r->tree, ids_of(a, &id, 1), exprs) : t;
    return 0;
}
