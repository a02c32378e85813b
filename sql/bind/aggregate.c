/* Calls of aggregate functions: their arguments, DISTINCT, ORDER BY and FILTER. */
#include "sql/bind/aggregate.h"

static unsigned call_args(const struct ast_expr *e) { return e->nargs - e->has_order - e->has_filter; }

static bool is_list(enum agg_kind k) { return k == AGG_COLLECT_LIST || k == AGG_STRING_AGG; }

/* DISTINCT changes what these give; of the others the same comes out. */
static bool minds_repeats(enum agg_kind k)
{
    switch (k) {
    case AGG_MIN:
    case AGG_MAX:
    case AGG_BOOL_AND:
    case AGG_BOOL_OR:
    case AGG_EARLIEST:
    case AGG_LATEST:
    case AGG_ARG_MIN:
    case AGG_ARG_MAX:
    case AGG_ATTR:
    case AGG_COLLECT_SET:
    case AGG_TOPKDISTINCT:
        return false;
    default:
        return true;
    }
}

static int resolve_inner(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    struct scope inner = *sc;
    inner.in_aggregate = true;
    return resolve_expr(&inner, e, out);
}

/* The argument as the aggregate takes it. */
static int argument(struct scope *sc, const struct ast_expr *call, enum agg_kind kind, const struct ast_expr *e,
                    const struct expr **out)
{
    int err = resolve_inner(sc, e, out);
    if (err)
        return err;
    struct type t = agg_argument(kind, (*out)->type), result;
    if ((*out)->type.id == T_NULL || !agg_result(kind, t, &result)) {
        char text[TYPE_TEXT];
        type_format((*out)->type, text);
        return bind_error(sc->b, e->place, "42883", "%.*s cannot take %s", STR_ARG(call->name.text), text);
    }
    *out = expr_cast(sc->b, *out, t);
    return 0;
}

/* The offset of the rows of FROM; where they have none, as those of joins of tables, their event time. */
static const struct expr *arrival(struct scope *sc, struct place place)
{
    static const char *const names[] = {"ROWOFFSET", "ROWTIME"};
    const struct block *q = sc->q;
    for (unsigned n = 0; n < ARRAY_LEN(names); n++)
        for (unsigned i = 0; q && i < q->ncols; i++)
            if (q->cols[i].pseudo && strcmp(q->cols[i].name, names[n]) == 0)
                return expr_column(sc->b, q->cols[i].id, q->cols[i].type, place);
    return NULL;
}

static int second(struct scope *sc, const struct ast_expr *e, struct agg *a)
{
    if (a->kind == AGG_CORRELATION)
        return argument(sc, e, a->kind, e->args[1], &a->arg2);
    if (a->kind == AGG_ARG_MIN || a->kind == AGG_ARG_MAX) {
        int err = resolve_inner(sc, e->args[1], &a->arg2);
        if (!err && a->arg2->type.id == T_NULL)
            err = bind_error(sc->b, e->args[1]->place, "42883", "NULL is not a thing to judge by");
        return err;
    }
    if (e->has_order)
        return resolve_inner(sc, e->args[call_args(e)], &a->arg2);
    bool by_arrival = a->kind == AGG_EARLIEST || a->kind == AGG_LATEST || (a->kind == AGG_COLLECT_LIST && !a->distinct);
    a->arg2 = by_arrival ? arrival(sc, e->place) : NULL;
    if (!a->arg2 && agg_has_two(a->kind)) {
        bind_error(sc->b, e->place, "42883", "%.*s is for rows that have an offset", STR_ARG(e->name.text));
        diag_hint(sc->b->diag, "write %s(..., column) to say what decides", a->kind == AGG_LATEST ? "ARG_MAX" : "ARG_MIN");
        return E_SQL;
    }
    return 0;
}

/* A constant argument. */
static int parameter(struct scope *sc, const struct ast_expr *e, struct agg *a)
{
    static const struct {
        enum agg_kind kind;
        uint8_t type;
        const char *what;
    } kinds[] = {{AGG_STRING_AGG, T_VARCHAR, "a text: what stands between the values"},
                 {AGG_PERCENTILE, T_DOUBLE, "a number from 0 to 1"},
                 {AGG_TOPK, T_BIGINT, "a number above 0"},
                 {AGG_TOPKDISTINCT, T_BIGINT, "a number above 0"}};
    a->param = value_null(TYPE(T_NULL));
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct expr *c;
        if (kinds[i].kind != a->kind)
            continue;
        int err = resolve_inner(sc, e->args[1], &c);
        if (err)
            return err;
        if (c->kind == EX_CONST && c->type.id != T_NULL && type_can_cast(c->type, TYPE(kinds[i].type)))
            c = expr_cast(sc->b, c, TYPE(kinds[i].type));
        if (c->kind == EX_CONST)
            a->param = c->value;
        if (c->kind != EX_CONST || !agg_check(a))
            return bind_error(sc->b, e->args[1]->place, "42883", "the second argument of %.*s must be %s",
                              STR_ARG(e->name.text), kinds[i].what);
    }
    return 0;
}

static int check_call(struct scope *sc, const struct ast_expr *e, enum agg_kind kind)
{
    bool two = kind == AGG_CORRELATION || kind == AGG_ARG_MIN || kind == AGG_ARG_MAX || kind == AGG_STRING_AGG ||
               kind == AGG_PERCENTILE || kind == AGG_TOPK || kind == AGG_TOPKDISTINCT;
    if (e->star || call_args(e) != (two ? 2u : 1u))
        return bind_error(sc->b, e->place, "42883", "%.*s takes %s", STR_ARG(e->name.text),
                          two ? "two arguments" : "one argument");
    if (e->has_order && (!is_list(kind) || e->distinct))
        return bind_error(sc->b, e->args[call_args(e)]->place, "42601", "%s",
                          e->distinct ? "DISTINCT values are in their own order; leave out ORDER BY"
                                      : "ORDER BY is for aggregates that make a list");
    return 0;
}

int resolve_agg(struct scope *sc, const struct ast_expr *e, enum agg_kind kind, struct agg *out)
{
    int err = 0;
    *out = (struct agg){.kind = kind, .type = TYPE(T_BIGINT)};
    if (sc->in_aggregate)
        return bind_error(sc->b, e->place, "42803", "an aggregate cannot stand inside another one");
    if (kind == AGG_COUNT && call_args(e) == 0 && !e->distinct) {
        out->kind = AGG_COUNT_STAR;
    } else {
        err = check_call(sc, e, kind);
        out->distinct = e->distinct && minds_repeats(kind);
        out->descending = e->descending;
        if (!err)
            err = argument(sc, e, kind, e->args[0], &out->arg);
        if (!err)
            agg_result(kind, out->arg->type, &out->type);
        if (!err)
            err = second(sc, e, out);
        if (!err)
            err = parameter(sc, e, out);
    }
    if (!err && e->has_filter) {
        struct scope inner = *sc;
        inner.in_aggregate = true;
        err = resolve_condition(&inner, e->args[e->nargs - 1], "FILTER", &out->filter);
    }
    return err;
}

/* ---- Of a SELECT that aggregates. */

static bool both_same(const struct expr *a, const struct expr *b) { return !a == !b && (!a || expr_same(a, b)); }

static bool agg_same(const struct agg *a, const struct agg *b)
{
    bool param = a->param.type.id == b->param.type.id && a->param.null == b->param.null &&
                 (a->param.type.id == T_NULL || a->param.null || value_cmp(&a->param, &b->param) == 0);
    return a->kind == b->kind && a->distinct == b->distinct && a->descending == b->descending && param &&
           both_same(a->arg, b->arg) && both_same(a->arg2, b->arg2) && both_same(a->filter, b->filter);
}

static unsigned add_aggregate(struct scope *sc, struct agg a)
{
    struct block *q = sc->q;
    for (unsigned i = 0; i < q->naggs; i++)
        if (agg_same(&q->aggs[i].agg, &a))
            return q->aggs[i].id;
    if ((q->naggs & (q->naggs - 1)) == 0) {
        struct tree_agg *more = ARENA_ARRAY(sc->b->arena, struct tree_agg, q->naggs ? q->naggs * 2 : 1);
        if (q->naggs)
            memcpy(more, q->aggs, q->naggs * sizeof *more);
        q->aggs = more;
    }
    q->aggs[q->naggs] = (struct tree_agg){column_add(sc->b->columns, (struct tree_column){NULL, NULL, a.type, false}), a};
    return q->aggs[q->naggs++].id;
}

int resolve_aggregate(struct scope *sc, const struct ast_expr *e, enum agg_kind kind, const struct expr **out)
{
    struct agg a;
    if (!sc->in_aggregate && sc->no_aggregates)
        return bind_error(sc->b, e->place, "42803", "an aggregate cannot stand in %s", sc->no_aggregates);
    int err = resolve_agg(sc, e, kind, &a);
    if (!err)
        *out = expr_column(sc->b, add_aggregate(sc, a), a.type, e->place);
    return err;
}
