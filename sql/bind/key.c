/* The key of what a persistent query makes, and the names of its columns.
 *
 * The key follows from the query: PARTITION BY's or GROUP BY's expressions, the join's, or the source's own key. The
 * first item of the list that equals a key expression is that key column and may rename it; a key that the list does
 * not mention is put in front under its own name. So a key is never lost, and nobody has to repeat it. */
#include <stdio.h>

#include "sql/bind/select.h"

struct key_part {
    const struct expr *expr;  /* over the row that items are over */
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

/* Of a FULL join a row may have either side only: the key is whichever is there. */
static const struct expr *either(const struct binding *b, const struct expr *left, const struct expr *right)
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

/* Stream-table: the values the stream looked up last. Table-table: the left table's key, except where only the right
 * side is sure to be there. */
static void join_key(const struct scope *sc, struct key_parts *ks)
{
    const struct block *q = sc->q;
    const struct block_source *s = &q->sources[q->nsources - 1];
    bool by_left_key = q->sources[0].rel->table && s->join != AST_JOIN_RIGHT && s->join != AST_JOIN_FULL;
    if (by_left_key) {
        source_key(sc, ks);
        for (unsigned k = 0; k < ks->n; k++)
            for (unsigned j = 1; j < q->nsources; j++)
                for (unsigned i = 0; i < q->sources[j].njoin && q->sources[j].join == AST_JOIN_INNER; i++)
                    if (expr_same(q->sources[j].left[i], ks->items[k].expr))
                        ks->items[k].equal = q->sources[j].right[i];
        return;
    }
    for (unsigned i = 0; i < s->njoin; i++) {
        const struct expr *l = s->left[i], *r = s->right[i];
        const char *left = block_column_name(q, l), *right = block_column_name(q, r);
        if (s->join == AST_JOIN_RIGHT)
            add_part(ks, r, NULL, right);
        else if (s->join == AST_JOIN_FULL)
            add_part(ks, either(sc->b, l, r), NULL,
                     left && right && strcmp(left, right) == 0 ? left
                     : i == 0                                  ? "ROWKEY"
                                                               : arena_printf(sc->b->arena, "ROWKEY_%u", i));
        else if (!has_part(ks, l)) /* one value may be looked up in two columns */
            add_part(ks, l, s->join == AST_JOIN_INNER ? r : NULL, left ? left : right);
    }
}

static void group_key(const struct scope *sc, struct key_parts *ks)
{
    const struct block *q = sc->q;
    for (unsigned i = 0; i < q->ngroup; i++)
        add_part(ks, expr_column(sc->b, q->group_ids[i], q->group[i]->type, place_of(q->group[i])), NULL, q->group_names[i]);
}

/* An item that shows the key, in order of preference: the same expression, else the equal side of an inner join. */
static int find_item(const struct block *q, const struct key_part *part, const bool *taken)
{
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < q->nitems; i++) {
            const struct expr *want = pass ? part->equal : part->expr;
            if (want && !taken[i] && expr_same(q->items[i].expr, want))
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
    if (q->nitems == q->nkey) {
        bind_error(sc->b, s->items.items[0].place, "42601",
                   "nothing is left beside the key: a record needs a value too");
        diag_hint(sc->b->diag, q->aggregates ? "add an aggregate, such as COUNT(*)"
                                             : "add a column, or copy the key with AS_VALUE(...) under another name");
        return E_SQL;
    }
    return 0;
}

int bind_key(struct scope *sc, const struct ast_select *s, const struct expr *const *partition, unsigned npartition)
{
    struct block *q = sc->q;
    struct key_parts ks = {ARENA_ARRAY(sc->b->arena, struct key_part, q->ncols + npartition + q->ngroup + 1), 0};
    drop_window_bounds(q);
    if (q->aggregates)
        group_key(sc, &ks);
    else if (npartition)
        for (unsigned i = 0; i < npartition; i++)
            add_part(&ks, partition[i], NULL, block_column_name(q, partition[i]));
    else if (q->nsources > 1)
        join_key(sc, &ks);
    else
        source_key(sc, &ks);
    if (q->sources[0].rel->windowed && !q->aggregates)
        return bind_error(sc->b, q->sources[0].place, "0A000", "a windowed table can only be grouped anew, or queried");
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
            block_add_item(sc->b, q, k, item);
        }
        taken[k] = true;
        q->nkey++;
    }
    return check_names(sc, s);
}
