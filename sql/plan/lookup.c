/* Which keys a condition leaves of a table: if it names values for each column of the key, the rows are looked up instead of
 * walking over all of them. The condition stays above the lookup, so what is found here may be too much, never too little. */
#include <stdlib.h>

#include "sql/plan/lower.h"

struct values { /* that a column may have */
    unsigned n, cap;
    struct value *v;
};

/* Does the type have all values of the other, each its own? */
static bool is_wider(struct type from, struct type to)
{
    if (from.id == T_INT || from.id == T_BIGINT)
        return to.id == T_BIGINT || to.id == T_DECIMAL;
    return from.id == T_DECIMAL && to.id == T_DECIMAL && to.scale >= from.scale;
}

static bool is_column(const struct expr *e, unsigned column)
{
    while (e->kind == EX_CAST && is_wider(e->args[0]->type, e->type))
        e = e->args[0];
    return e->kind == EX_COLUMN && e->column == column;
}

/* What is no value of the column's type is found in no row. */
static void add_value(struct values *set, const struct value *v, struct type t, struct arena *a)
{
    struct value as, back;
    if (v->null || !value_cast(v, t, &as, a) || as.null || !value_cast(&as, v->type, &back, a) || value_cmp(&back, v) != 0)
        return;
    if (set->n == set->cap) {
        struct value *more = ARENA_ARRAY(a, struct value, set->cap = MAX(set->cap * 2, 8u));
        if (set->n)
            memcpy(more, set->v, set->n * sizeof *more);
        set->v = more;
    }
    set->v[set->n++] = as;
}

/* False: the condition does not name the column's values one by one. */
static bool values_of(const struct expr *e, unsigned column, struct type t, struct values *set, struct arena *a)
{
    bool named = false;
    switch (e->kind) {
    case EX_CALL:
        if (strcmp(func_info(e->func)->name, "=") != 0)
            return false;
        for (unsigned i = 0; i < 2 && !named; i++)
            if (is_column(e->args[i], column) && e->args[1 - i]->kind == EX_CONST) {
                add_value(set, &e->args[1 - i]->value, t, a);
                named = true;
            }
        return named;
    case EX_IN:
        named = is_column(e->args[0], column);
        for (unsigned i = 1; i < e->nargs && named; i++)
            named = e->args[i]->kind == EX_CONST;
        for (unsigned i = 1; i < e->nargs && named; i++)
            add_value(set, &e->args[i]->value, t, a);
        return named;
    case EX_AND:
        for (unsigned i = 0; i < e->nargs && !named; i++)
            named = values_of(e->args[i], column, t, set, a);
        return named;
    case EX_OR: {
        unsigned before = set->n;
        named = e->nargs > 0;
        for (unsigned i = 0; i < e->nargs && named; i++)
            named = values_of(e->args[i], column, t, set, a);
        if (!named)
            set->n = before;
        return named;
    }
    default:
        return false;
    }
}

static int by_bytes(const void *a, const void *b) { return str_cmp(*(const struct str *)a, *(const struct str *)b); }

/* Every combination of the columns' values, as key bytes. */
static void combine(struct plan_node *scan, const struct values *sets, unsigned nsets, uint64_t count, struct arena *a)
{
    struct wbuf w;
    wbuf_init(&w);
    scan->lookup = true;
    scan->nkeys = 0;
    scan->keys = ARENA_ARRAY(a, struct str, count + 1);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t left = i;
        wbuf_reset(&w);
        for (unsigned k = 0; k < nsets; k++) {
            key_encode_value(&sets[k].v[left % sets[k].n], &w);
            left /= sets[k].n;
        }
        scan->keys[scan->nkeys++] = arena_dup(a, wbuf_view(&w));
    }
    wbuf_fini(&w);
    qsort(scan->keys, scan->nkeys, sizeof *scan->keys, by_bytes);
    unsigned n = 0;
    for (unsigned i = 0; i < scan->nkeys; i++)
        if (!n || str_cmp(scan->keys[n - 1], scan->keys[i]) != 0)
            scan->keys[n++] = scan->keys[i];
    scan->nkeys = n;
}

/* NO_COLUMN: the source does not show it. */
static unsigned column_wanting(const struct tree *source, enum want_from from, unsigned index)
{
    for (unsigned i = 0; i < source->out.n; i++)
        if (source->wants[i].from == from && (from != WANT_KEY || source->wants[i].index == index))
            return source->out.id[i];
    return NO_COLUMN;
}

void lookup_keys(const struct expr *condition, const struct tree *source, struct plan_node *scan,
                 const struct columns *cs)
{
    struct arena *a = cs->arena;
    unsigned nkey = source->rel->format.nkey;
    struct values *sets = ARENA_ARRAY(a, struct values, nkey + 1);
    uint64_t count = 1;
    if (uuid_is_zero(scan->job) || !nkey)
        return;
    for (unsigned k = 0; k < nkey; k++) {
        unsigned c = column_wanting(source, WANT_KEY, k);
        if (c == NO_COLUMN || !values_of(condition, c, cs->items[c].type, &sets[k], a))
            return;
        count *= sets[k].n;
        if (count > PLAN_LOOKUP_KEYS)
            return;
    }
    unsigned window = column_wanting(source, WANT_WINDOWSTART, 0);
    bool one = window != NO_COLUMN && values_of(condition, window, TYPE(T_BIGINT), &sets[nkey], a) &&
               count * sets[nkey].n <= PLAN_LOOKUP_KEYS;
    combine(scan, sets, nkey + one, one ? count * sets[nkey].n : count, a);
}
