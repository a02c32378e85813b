/* Functions over the rows around a row: f(..) OVER (PARTITION BY .. ORDER BY .. frame). They are computed over what FROM,
 * WHERE, GROUP BY and HAVING give, before the list is; so each is a column that the list may read. */
#include "sql/bind/over.h"
#include "sql/bind/aggregate.h"
#include "sql/bind/select.h"

static_assert((int)AST_FRAME_GROUPS == FRAME_GROUPS && (int)AST_FRAME_ROWS == FRAME_ROWS, "units of frames");
static_assert((int)AST_BOUND_LAST == BOUND_LAST && (int)AST_BOUND_CURRENT == BOUND_CURRENT, "bounds of frames");
static_assert((int)AST_EXCLUDE_TIES == EXCLUDE_TIES && (int)AST_EXCLUDE_GROUP == EXCLUDE_GROUP, "what frames leave out");

static const struct {
    const char *name;
    enum over_kind kind;
    unsigned least, most; /* arguments */
} functions[] = {
    {"ROW_NUMBER", OVER_ROW_NUMBER, 0, 0}, {"RANK", OVER_RANK, 0, 0},
    {"DENSE_RANK", OVER_DENSE_RANK, 0, 0}, {"PERCENT_RANK", OVER_PERCENT_RANK, 0, 0},
    {"CUME_DIST", OVER_CUME_DIST, 0, 0},   {"NTILE", OVER_NTILE, 1, 1},
    {"LAG", OVER_LAG, 1, 3},               {"LEAD", OVER_LEAD, 1, 3},
    {"FIRST_VALUE", OVER_FIRST_VALUE, 1, 1}, {"LAST_VALUE", OVER_LAST_VALUE, 1, 1},
    {"NTH_VALUE", OVER_NTH_VALUE, 2, 2},
};

/* ---- What is called */

/* A whole number that is written, at least so much. */
static int count(struct scope *sc, const struct ast_expr *call, unsigned arg, int64_t least, int64_t *out)
{
    const struct expr *e;
    int err = resolve_expr(sc, call->args[arg], &e);
    if (err)
        return err;
    bool whole = e->kind == EX_CONST && !e->value.null && (e->type.id == T_INT || e->type.id == T_BIGINT);
    if (!whole || e->value.i < least)
        return bind_error(sc->b, call->args[arg]->place, "42883", "this must be a whole number of %" PRId64 " or more", least);
    *out = e->value.i;
    return 0;
}

static int value(struct scope *sc, const struct ast_expr *call, unsigned arg, const struct expr **out)
{
    int err = resolve_expr(sc, call->args[arg], out);
    if (!err && (*out)->type.id == T_NULL)
        err = bind_error(sc->b, call->args[arg]->place, "42804", "this cannot be just NULL: it has no type");
    return err;
}

/* What LAG and LEAD give where there is no row: of the type of the others. */
static int fallback(struct scope *sc, const struct ast_expr *call, struct tree_over *o)
{
    struct type common;
    int err = resolve_expr(sc, call->args[2], &o->fallback);
    if (err)
        return err;
    if (!type_common(o->arg->type, o->fallback->type, &common))
        return bind_error(sc->b, call->args[2]->place, "42804", "this has another type than the first argument");
    o->arg = expr_cast(sc->b, o->arg, common);
    o->fallback = expr_cast(sc->b, o->fallback, common);
    return 0;
}

static int arguments(struct scope *sc, const struct ast_expr *call, struct tree_over *o)
{
    int err = 0;
    o->n = 1;
    o->type = TYPE(o->kind == OVER_PERCENT_RANK || o->kind == OVER_CUME_DIST ? T_DOUBLE : T_BIGINT);
    if (o->kind == OVER_NTILE)
        return count(sc, call, 0, 1, &o->n);
    if (o->kind < OVER_LAG)
        return 0;
    err = value(sc, call, 0, &o->arg);
    if (!err && call->nargs > 1)
        err = count(sc, call, 1, o->kind == OVER_NTH_VALUE, &o->n);
    if (!err && call->nargs > 2)
        err = fallback(sc, call, o);
    if (!err)
        o->type = o->arg->type;
    return err;
}

static int call_of(struct scope *sc, const struct ast_expr *call, struct tree_over *o)
{
    enum agg_kind agg;
    unsigned i = 0;
    while (i < ARRAY_LEN(functions) && !str_eq_nocase(call->name.text, str_of(functions[i].name)))
        i++;
    if (i == ARRAY_LEN(functions)) {
        if (!agg_named(call->name.text, &agg))
            return bind_error(sc->b, call->name.place, "42883", "%.*s is no function that can stand before OVER",
                              STR_ARG(call->name.text));
        o->kind = OVER_AGGREGATE;
        int err = resolve_agg(sc, call, agg, &o->agg);
        o->type = o->agg.type;
        return err;
    }
    o->kind = functions[i].kind;
    if (call->star || call->distinct || call->has_order || call->has_filter)
        return bind_error(sc->b, call->place, "42883", "DISTINCT, ORDER BY, FILTER and * are for aggregates, and %s is none",
                          functions[i].name);
    if (call->nargs < functions[i].least || call->nargs > functions[i].most)
        return bind_error(sc->b, call->place, "42883", functions[i].most ? "%s takes %u to %u arguments" : "%s takes no arguments",
                          functions[i].name, functions[i].least, functions[i].most);
    return arguments(sc, call, o);
}

/* ---- The window */

static int cannot_be_far(struct scope *sc, const struct ast_expr *e, const char *must)
{
    return bind_error(sc->b, e->place, "42601", "this must be %s", must);
}

/* How far in the order column's own unit. */
static int distance(struct scope *sc, const struct ast_expr *e, const struct block_over *w, struct value *out)
{
    const struct expr *c;
    int err = resolve_expr(sc, e, &c);
    if (err)
        return err;
    if (w->nsort != 1) {
        bind_error(sc->b, e->place, "42601", "RANGE with a distance needs ORDER BY of one column");
        diag_hint(sc->b->diag, "ROWS counts rows, GROUPS rows of equal values");
        return E_SQL;
    }
    struct type t = w->sort[0].expr->type;
    bool interval = c->type.id == T_INTERVAL && c->type.precision == 0, date = t.id == T_DATE;
    bool timed = t.id == T_TIMESTAMP || t.id == T_TIME || date || t.id == T_BIGINT;
    if (c->kind != EX_CONST || c->value.null)
        return cannot_be_far(sc, e, "a constant");
    if (interval && timed) {
        int64_t unit = date ? 86400000 : 1;
        if (c->value.i % unit || c->value.i < 0)
            return cannot_be_far(sc, e, date ? "a number of whole days" : "0 or more");
        *out = (struct value){.type = TYPE(T_BIGINT), .i = c->value.i / unit};
        return 0;
    }
    struct type to = t.id == T_DOUBLE || t.id == T_DECIMAL ? t : TYPE(T_BIGINT);
    bool number = t.id == T_INT || t.id == T_BIGINT || t.id == T_DOUBLE || t.id == T_DECIMAL;
    bool fits = c->type.id == T_INT || c->type.id == T_BIGINT || (to.id != T_BIGINT && c->type.id == T_DECIMAL) ||
                (to.id == T_DOUBLE && c->type.id == T_DOUBLE);
    if (!number || !fits)
        return cannot_be_far(sc, e, timed && t.id != T_BIGINT ? "an INTERVAL of days to seconds"
                                                              : "a number as the column of ORDER BY has");
    c = expr_cast(sc->b, c, to);
    if (c->kind != EX_CONST || c->value.null ||
        (to.id == T_DOUBLE ? !(c->value.f >= 0) : to.id == T_DECIMAL ? c->value.d < 0 : c->value.i < 0))
        return cannot_be_far(sc, e, "0 or more");
    *out = c->value;
    return 0;
}

static int bound(struct scope *sc, const struct ast_expr *e, const struct block_over *w, enum frame_unit unit, struct value *out)
{
    if (unit == FRAME_RANGE)
        return distance(sc, e, w, out);
    *out = (struct value){.type = TYPE(T_BIGINT)};
    return count(sc, &(struct ast_expr){.args = (struct ast_expr *[]){(struct ast_expr *)e}, .nargs = 1}, 0, 0, &out->i);
}

static bool is_far(enum frame_bound b) { return b == BOUND_PRECEDING || b == BOUND_FOLLOWING; }

/* Without a word: from the partition's first row to the last one equal to this. */
static int frame(struct scope *sc, const struct ast_expr *e, struct block_over *w)
{
    const struct ast_over *o = e->over;
    struct frame *f = &w->over.frame;
    unsigned at = 1 + o->npartition + o->norder;
    int err = 0;
    *f = (struct frame){FRAME_RANGE, BOUND_FIRST, BOUND_CURRENT, value_null(TYPE(T_NULL)), value_null(TYPE(T_NULL)), EXCLUDE_NONE};
    if (!o->framed)
        return 0;
    f->unit = (enum frame_unit)o->unit;
    f->from = (enum frame_bound)o->from;
    f->to = (enum frame_bound)o->to;
    f->exclude = (enum frame_exclude)o->exclude;
    if (is_far(f->from))
        err = bound(sc, e->args[at++], w, f->unit, &f->before);
    if (!err && is_far(f->to))
        err = bound(sc, e->args[at], w, f->unit, &f->after);
    return err;
}

static int window(struct scope *sc, const struct ast_expr *e, struct block_over *w)
{
    const struct ast_over *o = e->over;
    int err = 0;
    w->npartition = o->npartition;
    w->nsort = o->norder;
    w->partition = ARENA_ARRAY(sc->b->arena, const struct expr *, o->npartition + 1);
    w->sort = ARENA_ARRAY(sc->b->arena, struct over_sort, o->norder + 1);
    for (unsigned i = 0; i < o->npartition && !err; i++)
        err = value(sc, e, 1 + i, &w->partition[i]);
    for (unsigned i = 0; i < o->norder && !err; i++) {
        const struct ast_order_how *how = &o->order[i];
        w->sort[i].descending = how->descending;
        w->sort[i].nulls_first = how->nulls == AST_NULLS_HIGH ? how->descending : how->nulls == AST_NULLS_FIRST;
        err = value(sc, e, 1 + o->npartition + i, &w->sort[i].expr);
    }
    return err ? err : frame(sc, e, w);
}

static bool same_window(const struct block_over *a, const struct block_over *b)
{
    bool same = a->npartition == b->npartition && a->nsort == b->nsort;
    for (unsigned i = 0; same && i < a->npartition; i++)
        same = expr_same(a->partition[i], b->partition[i]);
    for (unsigned i = 0; same && i < a->nsort; i++)
        same = expr_same(a->sort[i].expr, b->sort[i].expr) && a->sort[i].descending == b->sort[i].descending &&
               a->sort[i].nulls_first == b->sort[i].nulls_first;
    return same;
}

/* OVER name, OVER (name ORDER BY ...): with what WINDOW says of the name. */
static int named_window(const struct scope *sc, const struct ast_expr **e)
{
    const struct ast_over *own = (*e)->over, *base = NULL;
    const struct ast_name *name = &own->base;
    const struct ast_expr *w = NULL;
    for (unsigned i = 0; name->text.ptr && sc->windows && i < sc->windows->n && !w; i++) {
        const struct ast_name *n = &sc->windows->items[i]->args[0]->name;
        if (name->quoted || n->quoted ? str_eq(n->text, name->text) : str_eq_nocase(n->text, name->text))
            w = sc->windows->items[i];
    }
    if (!name->text.ptr)
        return 0;
    if (!w)
        return bind_error(sc->b, name->place, "42704", "WINDOW names no window \"%.*s\" here", STR_ARG(name->text));
    base = w->over;
    if ((own->norder && base->norder) || ((own->norder || own->framed) && base->framed))
        return bind_error(sc->b, name->place, "42P20", "window \"%.*s\" has %s already", STR_ARG(name->text),
                          own->norder && base->norder ? "an ORDER BY" : "a frame");
    struct ast_expr *both = ARENA_NEW(sc->b->arena, struct ast_expr);
    struct ast_over *o = ARENA_NEW(sc->b->arena, struct ast_over);
    unsigned first = 1 + base->npartition, last = first + base->norder;
    *both = **e;
    *o = own->framed ? *own : *base;
    o->npartition = base->npartition;
    o->norder = own->norder ? own->norder : base->norder;
    o->order = own->norder ? own->order : base->order;
    both->over = o;
    both->args = ARENA_ARRAY(sc->b->arena, struct ast_expr *, w->nargs + (*e)->nargs);
    both->nargs = 0;
    both->args[both->nargs++] = (*e)->args[0];
    for (unsigned i = 1; i < last; i++)
        both->args[both->nargs++] = w->args[i];
    for (unsigned i = 1; i < (*e)->nargs; i++)
        both->args[both->nargs++] = (*e)->args[i];
    for (unsigned i = last; i < w->nargs; i++)
        both->args[both->nargs++] = w->args[i];
    *e = both;
    return 0;
}

static bool same_value(const struct value *a, const struct value *b)
{
    return type_eq(a->type, b->type) && a->null == b->null && (a->null || value_cmp(a, b) == 0);
}

static bool same_input(const struct expr *a, const struct expr *b) { return a && b ? expr_same(a, b) : a == b; }

/* The call that says the same already: an alias, or the same words, in another clause. */
static const struct block_over *same_call(const struct block *q, const struct block_over *w)
{
    for (unsigned i = 0; i < q->nover; i++) {
        const struct block_over *o = &q->overs[i];
        const struct tree_over *x = &o->over, *y = &w->over;
        const struct frame *f = &x->frame, *g = &y->frame;
        bool same = x->kind == y->kind && type_eq(x->type, y->type) && x->n == y->n && same_input(x->arg, y->arg) &&
                    same_input(x->fallback, y->fallback) && x->agg.kind == y->agg.kind && x->agg.distinct == y->agg.distinct &&
                    x->agg.descending == y->agg.descending && same_input(x->agg.arg, y->agg.arg) &&
                    same_input(x->agg.arg2, y->agg.arg2) && same_input(x->agg.filter, y->agg.filter) &&
                    same_value(&x->agg.param, &y->agg.param) && f->unit == g->unit && f->from == g->from && f->to == g->to &&
                    f->exclude == g->exclude && same_value(&f->before, &g->before) && same_value(&f->after, &g->after);
        if (same && same_window(o, w))
            return o;
    }
    return NULL;
}

int resolve_over(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    struct scope inner = *sc;
    struct block *q = sc->q;
    if (!sc->overs || sc->in_aggregate || !q) {
        bind_error(sc->b, e->place, "42P20", "a function OVER rows can stand in the list of SELECT, in QUALIFY and in ORDER BY only");
        diag_hint(sc->b->diag, "write the condition behind QUALIFY, or SELECT ... FROM (SELECT ..., f(..) OVER (..) AS x FROM ...)");
        return E_SQL;
    }
    inner.overs = false;
    struct block_over w = {.over = {.agg.param = value_null(TYPE(T_NULL))}};
    int err = named_window(sc, &e);
    if (!err)
        err = call_of(&inner, e->args[0], &w.over);
    if (!err)
        err = window(&inner, e, &w);
    if (err)
        return err;
    const struct block_over *same = same_call(q, &w);
    if (same) {
        *out = expr_column(sc->b, same->over.id, same->over.type, e->place);
        return 0;
    }
    const char *name = arena_dup(sc->b->arena, e->args[0]->name.text).ptr;
    w.over.id = column_add(sc->b->columns, (struct tree_column){name, NULL, w.over.type, false});
    if ((q->nover & (q->nover - 1)) == 0) {
        struct block_over *more = ARENA_ARRAY(sc->b->arena, struct block_over, q->nover ? q->nover * 2 : 1);
        if (q->nover)
            memcpy(more, q->overs, q->nover * sizeof *more);
        q->overs = more;
    }
    q->overs[q->nover++] = w;
    *out = expr_column(sc->b, w.over.id, w.over.type, e->place);
    return 0;
}

int over_each(struct block *q, int (*use_cb)(const struct scope *sc, const struct expr **e), const struct scope *sc)
{
    int err = 0;
    for (unsigned i = 0; i < q->nover && !err; i++) {
        struct block_over *w = &q->overs[i];
        const struct expr **own[] = {&w->over.agg.arg, &w->over.agg.arg2, &w->over.agg.filter, &w->over.arg, &w->over.fallback};
        for (unsigned k = 0; k < ARRAY_LEN(own) && !err; k++)
            err = *own[k] ? use_cb(sc, own[k]) : 0;
        for (unsigned k = 0; k < w->npartition && !err; k++)
            err = use_cb(sc, &w->partition[k]);
        for (unsigned k = 0; k < w->nsort && !err; k++)
            err = use_cb(sc, &w->sort[k].expr);
    }
    return err;
}

/* ---- Into the tree */

struct adding { /* columns that windows read and nobody has made */
    const struct scope *sc;
    struct ids ids;
    const struct expr **exprs;
};

static unsigned column_for(struct adding *ad, const struct expr *e)
{
    const struct binding *b = ad->sc->b;
    if (e->kind == EX_COLUMN && tree_has(ad->sc->q->tree, e->column))
        return e->column;
    for (unsigned i = 0; i < ad->ids.n; i++)
        if (expr_same(ad->exprs[i], e))
            return ad->ids.id[i];
    const char *name = arena_printf(b->arena, "over_%u", ad->ids.n);
    ad->exprs[ad->ids.n] = e;
    return ad->ids.id[ad->ids.n++] = column_add(b->columns, (struct tree_column){name, NULL, e->type, false});
}

static void make_column(struct adding *ad, const struct expr **e)
{
    if (*e)
        *e = expr_of_id(ad->sc->b->columns, column_for(ad, *e));
}

/* What the list computes, too, is a column now; so what is unique below is found among its items. */
static void show_columns(const struct adding *ad)
{
    struct block *q = ad->sc->q;
    for (unsigned i = 0; i < q->nitems; i++)
        for (unsigned k = 0; k < ad->ids.n; k++) {
            const struct expr *e = q->items[i].expr;
            if (expr_same(e, ad->exprs[k]))
                q->items[i].expr = expr_column(ad->sc->b, ad->ids.id[k], e->type, place_of(e));
        }
}

/* One node for all functions of the same partitions in the same order. */
static void make_window(struct scope *sc, const struct block_over *of, bool *made)
{
    struct block *q = sc->q;
    struct arena *a = sc->b->arena;
    unsigned most = of->npartition + of->nsort + 5 * q->nover + 1;
    struct adding ad = {sc, {0, ARENA_ARRAY(a, unsigned, most)}, ARENA_ARRAY(a, const struct expr *, most)};
    struct tree *t = tree_new(a, TREE_OVER, NULL, NULL);
    t->groups = (struct ids){of->npartition, ARENA_ARRAY(a, unsigned, of->npartition + 1)};
    t->nsort = of->nsort;
    t->sort = ARENA_ARRAY(a, struct tree_sort, of->nsort + 1);
    t->overs = ARENA_ARRAY(a, struct tree_over, q->nover);
    for (unsigned i = 0; i < of->npartition; i++)
        t->groups.id[i] = column_for(&ad, of->partition[i]);
    for (unsigned i = 0; i < of->nsort; i++)
        t->sort[i] = (struct tree_sort){column_for(&ad, of->sort[i].expr), of->sort[i].descending, of->sort[i].nulls_first};
    for (unsigned i = 0; i < q->nover; i++) {
        if (made[i] || !same_window(&q->overs[i], of))
            continue;
        struct tree_over *o = &t->overs[t->nover++];
        made[i] = true;
        *o = q->overs[i].over;
        make_column(&ad, &o->agg.arg);
        make_column(&ad, &o->agg.arg2);
        make_column(&ad, &o->agg.filter);
        make_column(&ad, &o->arg);
        make_column(&ad, &o->fallback);
    }
    t->ninputs = 1;
    t->inputs[0] = ad.ids.n ? tree_add(a, sc->b->columns, q->tree, ad.ids, ad.exprs) : q->tree;
    tree_derive(t, a);
    q->tree = t;
    show_columns(&ad);
}

void make_overs(struct scope *sc)
{
    struct block *q = sc->q;
    bool *made = ARENA_ARRAY(sc->b->arena, bool, q->nover + 1);
    for (unsigned i = 0; i < q->nover; i++)
        if (!made[i])
            make_window(sc, &q->overs[i], made);
}

/* ---- Conditions on places: rows of the first places are an operator of their own, which need not keep the others. */

/* Column of the OVER below that a projection's column is; NO_COLUMN: computed. */
static const struct tree *over_below(const struct tree *t, unsigned *id)
{
    for (; t->kind == TREE_PROJECT || t->kind == TREE_FILTER; t = t->inputs[0]) {
        unsigned i = 0;
        if (t->kind == TREE_FILTER)
            return NULL; /* places are counted before it */
        while (i < t->out.n && t->out.id[i] != *id)
            i++;
        if (i == t->out.n || t->exprs[i]->kind != EX_COLUMN)
            return NULL;
        *id = t->exprs[i]->column;
    }
    bool one = t->kind == TREE_OVER && t->nover == 1 && t->overs[0].id == *id;
    return one && t->overs[0].kind >= OVER_ROW_NUMBER && t->overs[0].kind <= OVER_DENSE_RANK ? t : NULL;
}

/* Does e say of a place that it lies in [least, most]? Gives its column. */
static bool is_place(const struct expr *e, unsigned *id, int64_t *least, int64_t *most)
{
    static const char *const mirrored[][2] = {{"<", ">"}, {"<=", ">="}, {">", "<"}, {">=", "<="}, {"=", "="}};
    if (e->kind != EX_CALL || e->nargs != 2)
        return false;
    const struct expr *a = e->args[0], *b = e->args[1];
    const char *op = func_info(e->func)->name;
    unsigned i = 0;
    while (i < ARRAY_LEN(mirrored) && strcmp(op, mirrored[i][0]) != 0)
        i++;
    if (i == ARRAY_LEN(mirrored))
        return false;
    if (a->kind == EX_CONST) {
        const struct expr *c = a;
        a = b;
        b = c;
        op = mirrored[i][1];
    }
    if (a->kind != EX_COLUMN || b->kind != EX_CONST || b->value.null || b->type.id != T_BIGINT || b->value.i == INT64_MIN ||
        b->value.i == INT64_MAX)
        return false;
    *id = a->column;
    *least = *op == '>' ? b->value.i + !op[1] : *op == '=' ? b->value.i : INT64_MIN;
    *most = *op == '<' ? b->value.i - !op[1] : *op == '=' ? b->value.i : INT64_MAX;
    return true;
}

struct places {
    struct tree *in;
    const struct tree *over;
    int64_t least, most;
};

/* Takes what is about places out of a condition; gives the rest. */
static const struct expr *take_places(struct places *p, const struct expr *e, struct arena *a)
{
    const struct expr *rest = NULL;
    unsigned id;
    int64_t least, most;
    if (e->kind == EX_AND) {
        for (unsigned i = 0; i < e->nargs; i++) {
            const struct expr *left = take_places(p, e->args[i], a);
            rest = left ? expr_both(rest, left, a) : rest;
        }
        return rest;
    }
    if (!is_place(e, &id, &least, &most))
        return e;
    const struct tree *over = over_below(p->in, &id);
    if (!over)
        return e;
    p->over = over;
    p->least = MAX(p->least, least);
    p->most = MIN(p->most, most);
    return NULL;
}

/* Puts another node in the place of `old`, below projections. */
static void put_below(struct tree *t, const struct tree *old, struct tree *by, struct arena *a)
{
    if (t->inputs[0] == old)
        t->inputs[0] = by;
    else
        put_below(t->inputs[0], old, by, a);
    tree_derive(t, a);
}

struct tree *filter_places(const struct scope *sc, struct tree *in, const struct expr *predicate)
{
    struct arena *a = sc->b->arena;
    struct places p = {.in = in, .least = 1, .most = INT64_MAX};
    const struct expr *rest = take_places(&p, predicate, a);
    if (!p.over || p.most == INT64_MAX)
        return tree_filter(a, in, predicate);
    const struct tree_over *o = &p.over->overs[0];
    struct tree *t = tree_new(a, TREE_TOPN, p.over->inputs[0], NULL);
    t->groups = p.over->groups;
    t->nsort = p.over->nsort;
    t->sort = p.over->sort;
    t->rank = o->kind == OVER_ROW_NUMBER ? RANK_ROW_NUMBER : o->kind == OVER_RANK ? RANK_RANK : RANK_DENSE_RANK;
    bool single = o->kind == OVER_ROW_NUMBER && p.least == 1 && p.most == 1; /* its place need not be counted */
    t->rank_id = single ? NO_COLUMN : o->id;
    t->offset = p.least - 1;
    t->limit = MAX(p.most - t->offset, (int64_t)0);
    tree_derive(t, a);
    if (single) {
        struct expr *one = ARENA_NEW(a, struct expr);
        *one = (struct expr){.kind = EX_CONST, .type = TYPE(T_BIGINT), .value = {.type = TYPE(T_BIGINT), .i = 1}};
        t = tree_add(a, sc->b->columns, t, ids_of(a, &o->id, 1), &(const struct expr *){one});
    }
    if (in == p.over)
        in = t;
    else
        put_below(in, p.over, t, a);
    return rest ? tree_filter(a, in, rest) : in;
}
