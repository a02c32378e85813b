/* Bodies of queries that are no SELECT: VALUES, UNION, INTERSECT, EXCEPT. The last two count, for equal rows of both sides,
 * how many each side has. */
#include "sql/bind/select.h"

/* ---- VALUES */

int bind_values(struct scope *sc, const struct ast_select *s, struct bound *out)
{
    struct arena *a = sc->b->arena;
    unsigned n = s->rows.items[0].n;
    struct scope none = {.b = sc->b, .no_aggregates = "VALUES"};
    struct tree *t = tree_new(a, TREE_VALUES, NULL, NULL);
    const struct expr **cells = ARENA_ARRAY(a, const struct expr *, (size_t)n * s->rows.n);
    struct type *types = ARENA_ARRAY(a, struct type, n);
    for (unsigned k = 0; k < n; k++)
        types[k] = TYPE(T_NULL);
    for (unsigned i = 0; i < s->rows.n; i++) {
        const struct ast_exprs *row = &s->rows.items[i];
        if (row->n != n)
            return bind_error(sc->b, row->items[0]->place, "42601", "this row has %u values, the first one %u", row->n,
                              n);
        for (unsigned k = 0; k < n; k++) {
            const struct expr **e = &cells[i * n + k];
            struct type was = types[k];
            int err = resolve_expr(&none, row->items[k], e);
            if (err)
                return err;
            if (!type_common(was, (*e)->type, &types[k]))
                return bind_error(sc->b, row->items[k]->place, "42804", "this has another type than the values above it");
        }
    }
    t->nrows = s->rows.n;
    t->rows = cells;
    t->out.id = ARENA_ARRAY(a, unsigned, n);
    out->items = ARENA_ARRAY(a, struct query_item, n);
    out->n = n;
    out->key = NULL;
    for (unsigned k = 0; k < n; k++) {
        const char *name = arena_printf(a, "COLUMN%u", k + 1);
        if (types[k].id == T_NULL)
            types[k] = TYPE(T_VARCHAR);
        for (unsigned i = 0; i < s->rows.n; i++)
            cells[i * n + k] = expr_cast(sc->b, cells[i * n + k], types[k]);
        t->out.id[t->out.n++] = column_add(sc->b->columns, (struct tree_column){name, NULL, types[k], false});
        out->items[k] = (struct query_item){name, types[k], t->out.id[k]};
    }
    tree_derive(t, a);
    out->tree = t;
    return 0;
}

/* ---- UNION, INTERSECT, EXCEPT */

struct sides {
    struct scope *sc;
    const struct ast_select *s;
    struct bound in[2];
    struct type *types;
};

/* The columns of one side, in the common types, and of INTERSECT and EXCEPT a column for each side: 1 in its own. */
static struct tree *side_columns(struct sides *sd, unsigned side, unsigned more, struct ids *ids)
{
    const struct binding *b = sd->sc->b;
    const struct bound *in = &sd->in[side];
    const struct expr **exprs = ARENA_ARRAY(b->arena, const struct expr *, in->n + 3);
    bool same = !more;
    *ids = (struct ids){0, ARENA_ARRAY(b->arena, unsigned, in->n + 3)};
    for (unsigned i = 0; i < in->n; i++) {
        const struct query_item *it = &in->items[i];
        const struct expr *e = expr_column(b, it->id, it->type, sd->s->place);
        exprs[i] = expr_cast(b, e, sd->types[i]);
        bool keep = exprs[i] == e && !ids_have(ids, it->id);
        same &= keep;
        ids->id[ids->n++] = keep ? it->id
                                 : column_add(b->columns, (struct tree_column){it->name, NULL, sd->types[i], false});
    }
    for (unsigned i = 0; i < more; i++) {
        struct expr *e = expr_make(b, EX_CONST, TYPE(T_INT), sd->s->place, 0);
        e->value = (struct value){.type = TYPE(T_INT), .i = i == side};
        exprs[ids->n] = e;
        ids->id[ids->n++] = column_add(b->columns, (struct tree_column){i ? "right" : "left", NULL, TYPE(T_INT), false});
    }
    return same ? in->tree : tree_project(b->arena, in->tree, *ids, exprs);
}

static struct tree *union_all(struct sides *sd, unsigned more, struct bound *out)
{
    const struct binding *b = sd->sc->b;
    struct arena *a = b->arena;
    struct ids from[2];
    struct tree *left = side_columns(sd, 0, more, &from[0]), *right = side_columns(sd, 1, more, &from[1]);
    struct tree *t = tree_new(a, TREE_UNION, left, right);
    t->from[0] = from[0];
    t->from[1] = from[1];
    t->out.id = ARENA_ARRAY(a, unsigned, from[0].n + 1);
    out->items = ARENA_ARRAY(a, struct query_item, from[0].n + 1);
    out->n = sd->in[0].n;
    out->key = ARENA_ARRAY(a, bool, from[0].n + 1);
    for (unsigned i = 0; i < from[0].n; i++) {
        struct tree_column c = b->columns->items[from[0].id[i]];
        if (i < out->n)
            c.name = sd->in[0].items[i].name;
        c.source = NULL;
        t->out.id[t->out.n++] = column_add(b->columns, c);
        if (i >= out->n)
            continue;
        out->items[i] = (struct query_item){c.name, c.type, t->out.id[i]};
        out->key[i] = sd->in[0].key && sd->in[0].key[i] && sd->in[1].key && sd->in[1].key[i];
    }
    tree_derive(t, a);
    out->tree = t;
    return t;
}

static const struct expr *compare_zero(const struct scope *sc, unsigned id, const char *op, struct place place)
{
    const struct binding *b = sc->b;
    struct expr *zero = expr_make(b, EX_CONST, TYPE(T_BIGINT), place, 0);
    zero->value = (struct value){.type = TYPE(T_BIGINT)};
    struct type types[2] = {TYPE(T_BIGINT), TYPE(T_BIGINT)}, casts[2], result;
    struct expr *e = expr_make(b, EX_CALL, TYPE(T_BOOLEAN), place, 2);
    int err = func_resolve(str_of(op), types, 2, &e->func, casts, &result, NULL);
    CHECK(err == 0);
    ((const struct expr **)e->args)[0] = expr_column(b, id, TYPE(T_BIGINT), place);
    ((const struct expr **)e->args)[1] = zero;
    return e;
}

static const struct expr *call_two(struct sides *sd, const char *name, const struct expr *x, const struct expr *y, int *err)
{
    const struct expr *args[] = {x, y}, *out = NULL;
    if (!*err)
        *err = resolve_call(sd->sc, str_of(name), args, 2, sd->s->place, sd->s->place, &out);
    return out;
}

/* INTERSECT ALL: as often as on the side that has it less often; EXCEPT ALL: as often as the left has it more often. */
static int give_all(struct sides *sd, const struct tree *g, struct bound *out)
{
    const struct binding *b = sd->sc->b;
    struct arena *a = b->arena;
    bool except = sd->s->kind == AST_QUERY_EXCEPT;
    const struct expr *left = expr_of_id(b->columns, g->aggs[0].id), *right = expr_of_id(b->columns, g->aggs[1].id), *more;
    int err = 0;
    const struct expr *n = call_two(sd, except ? "-" : "LEAST", left, right, &err);
    struct expr *one = expr_make(b, EX_CONST, TYPE(T_BIGINT), sd->s->place, 0);
    one->value = (struct value){.type = TYPE(T_BIGINT), .i = 1};
    const struct expr *series = call_two(sd, "GENERATE_SERIES", one, n, &err);
    if (err)
        return err;
    if (except && (more = call_two(sd, ">", left, right, &err)) != NULL)
        out->tree = tree_filter(a, out->tree, more);
    struct tree *t = tree_new(a, TREE_UNNEST, out->tree, NULL);
    unsigned id = column_add(b->columns, (struct tree_column){"copy", NULL, TYPE(T_BIGINT), false});
    t->function = "UNNEST";
    t->args = ARENA_ARRAY(a, const struct expr *, 1);
    t->args[0] = series;
    t->nargs = t->nmade = 1;
    t->out = ids_of(a, &id, 1);
    t->place = sd->s->place;
    tree_derive(t, a);
    struct ids keep = {0, ARENA_ARRAY(a, unsigned, out->n + 1)};
    for (unsigned i = 0; i < out->n; i++)
        keep.id[keep.n++] = out->items[i].id;
    out->tree = tree_keep(a, b->columns, t, keep);
    return err;
}

/* Rows of both sides in one group, and how many each side has of it. */
static int count_sides(struct sides *sd, struct bound *out)
{
    const struct scope *sc = sd->sc;
    struct arena *a = sc->b->arena;
    struct tree *u = union_all(sd, 2, out), *g = tree_new(a, TREE_AGGREGATE, u, NULL);
    g->groups = ids_of(a, u->out.id, out->n);
    g->naggs = 2;
    g->aggs = ARENA_ARRAY(a, struct tree_agg, 2);
    for (unsigned i = 0; i < 2; i++) {
        struct agg agg = {.kind = AGG_SUM, .arg = expr_of_id(sc->b->columns, u->out.id[out->n + i]), .type = TYPE(T_BIGINT)};
        g->aggs[i] = (struct tree_agg){
            column_add(sc->b->columns, (struct tree_column){i ? "SUM(right)" : "SUM(left)", NULL, agg.type, false}), agg};
    }
    tree_derive(g, a);
    const struct expr *left = compare_zero(sc, g->aggs[0].id, ">", sd->s->place);
    bool except = sd->s->kind == AST_QUERY_EXCEPT;
    const struct expr *right = except && sd->s->all ? NULL : compare_zero(sc, g->aggs[1].id, except ? "=" : ">", sd->s->place);
    out->tree = tree_filter(a, g, expr_and(sc->b, left, right));
    return sd->s->all ? give_all(sd, g, out) : 0;
}

int bind_set(struct scope *sc, const struct ast_select *s, struct bound *out)
{
    static const char *const words[] = {
        [AST_QUERY_UNION] = "UNION", [AST_QUERY_INTERSECT] = "INTERSECT", [AST_QUERY_EXCEPT] = "EXCEPT"};
    struct sides sd = {.sc = sc, .s = s};
    struct scope in = *sc;
    in.nesting++;
    int err = bind_body(&in, s->left, &sd.in[0]);
    if (!err)
        err = bind_body(&in, s->right, &sd.in[1]);
    if (err)
        return err;
    if (sd.in[0].n != sd.in[1].n)
        return bind_error(sc->b, s->place, "42601", "the queries beside %s show %u and %u columns", words[s->kind],
                          sd.in[0].n, sd.in[1].n);
    sd.types = ARENA_ARRAY(sc->b->arena, struct type, sd.in[0].n + 1);
    for (unsigned i = 0; i < sd.in[0].n; i++) {
        char lt[TYPE_TEXT], rt[TYPE_TEXT];
        type_format(sd.in[0].items[i].type, lt);
        type_format(sd.in[1].items[i].type, rt);
        if (!type_common(sd.in[0].items[i].type, sd.in[1].items[i].type, &sd.types[i]))
            return bind_error(sc->b, s->place, "42804", "column %u is %s before %s and %s after it", i + 1, lt,
                              words[s->kind], rt);
    }
    unsigned count;
    if (s->kind != AST_QUERY_UNION)
        err = count_sides(&sd, out);
    else if (union_all(&sd, 0, out) && !s->all)
        out->tree = make_distinct(sc, out->tree, out, &count);
    return err;
}
