/* SELECT: clauses in the order in which they can be understood: FROM, WHERE, WINDOW, GROUP BY, the list, HAVING, ORDER
 * BY, key of the result. A query that aggregates is first bound over the source row, with aggregates as columns beyond
 * it, and then rewritten over the group row: what equals a group expression becomes its column, what is left must be
 * none. */
#include <stdio.h>

#include "sql/bind/select.h"

#define DAY_MS INT64_C(86400000)

/* ---- What aggregates: expressions over the groups */

struct regroup {
    const struct binding *b;
    const struct block *q;
    int err;
};

static const struct expr *regroup(struct regroup *rg, const struct expr *e)
{
    const struct block *q = rg->q;
    for (unsigned i = 0; i < q->ngroup; i++)
        if (expr_same(e, q->group[i]))
            return expr_column(rg->b, q->group_ids[i], e->type, place_of(e));
    if (e->kind == EX_COLUMN && block_column_name(q, e)) {
        const char *name = block_column_name(q, e);
        if (rg->err == 0) {
            rg->err = bind_error(rg->b, place_of(e), "42803",
                                 "column \"%s\" must be in GROUP BY or inside an aggregate", name);
            diag_hint(rg->b->diag, "add it to GROUP BY, or write MIN(%s) or MAX(%s)", name, name);
        }
        return e;
    }
    struct expr *copy = expr_make(rg->b, e->kind, e->type, place_of(e), e->nargs);
    const struct expr *const *args = copy->args;
    *copy = *e;
    copy->args = args;
    for (unsigned i = 0; i < e->nargs; i++)
        ((const struct expr **)copy->args)[i] = regroup(rg, e->args[i]);
    return copy;
}

static int over_groups(const struct scope *sc, const struct expr **e)
{
    struct regroup rg = {sc->b, sc->q, 0};
    if (*e && sc->q->aggregates)
        *e = regroup(&rg, *e);
    return rg.err;
}

/* ---- The list */

static const struct block_column *block_column(const struct block *q, const struct expr *e)
{
    for (unsigned i = 0; e->kind == EX_COLUMN && i < q->ncols; i++)
        if (q->cols[i].id == e->column)
            return &q->cols[i];
    return NULL;
}

const char *block_column_name(const struct block *q, const struct expr *e)
{
    const struct block_column *col = block_column(q, e);
    return col ? col->name : NULL;
}

void block_add_item(const struct binding *b, struct block *q, unsigned at, struct block_item item)
{
    struct block_item *more = ARENA_ARRAY(b->arena, struct block_item, q->nitems + 1);
    for (unsigned i = 0; i < q->nitems; i++)
        more[i + (i >= at)] = q->items[i];
    more[at] = item;
    q->items = more;
    q->nitems++;
}

/* `*` and `a.*`. Of a join, columns get the name of their relation in front: A_COL. */
static int add_star(struct scope *sc, const struct ast_item *it)
{
    struct block *q = sc->q;
    bool found = false;
    for (unsigned s = 0; s < q->nsources; s++) {
        const struct block_source *src = &q->sources[s];
        if (it->qualifier.text.ptr && !str_eq_nocase(it->qualifier.text, str_of(src->alias)))
            continue;
        found = true;
        for (unsigned c = src->first; c < src->first + src->ncols; c++) {
            const struct block_column *col = &q->cols[c];
            if (!col->star)
                continue;
            const char *name =
                q->nsources == 1 ? col->name : arena_printf(sc->b->arena, "%s_%s", src->alias, col->name);
            block_add_item(sc->b, q, q->nitems,
                           (struct block_item){expr_column(sc->b, col->id, col->type, it->place), name, false});
        }
    }
    if (found)
        return 0;
    return bind_error(sc->b, it->qualifier.place, "42P01", "\"%.*s\" is not part of this FROM",
                      STR_ARG(it->qualifier.text));
}

/* Name of an item without alias: its column's, with the relation in front if several have it; else KSQL_COL_n. */
static const char *item_name(struct scope *sc, const struct ast_item *it, const struct expr *e, unsigned *unnamed)
{
    const struct block *q = sc->q;
    if (it->alias.text.ptr)
        return arena_dup(sc->b->arena, it->alias.text).ptr;
    if (it->expr->kind != AST_COLUMN)
        return arena_printf(sc->b->arena, "KSQL_COL_%u", (*unnamed)++);
    const struct block_column *col = block_column(q, e);
    if (!col)
        return arena_dup(sc->b->arena, it->expr->name.text).ptr;
    for (unsigned c = 0; c < q->ncols; c++)
        if (&q->cols[c] != col && str_eq_nocase(str_of(q->cols[c].name), str_of(col->name)))
            return arena_printf(sc->b->arena, "%s_%s", q->sources[col->source].alias, col->name);
    return col->name;
}

static int bind_items(struct scope *sc, const struct ast_items *items)
{
    unsigned unnamed = 0;
    for (unsigned i = 0; i < items->n; i++) {
        const struct ast_item *it = &items->items[i];
        const struct expr *e;
        int err = it->expr ? resolve_expr(sc, it->expr, &e) : add_star(sc, it);
        if (err)
            return err;
        if (!it->expr)
            continue;
        if (e->type.id == T_NULL) {
            bind_error(sc->b, it->place, "42804", "a column cannot be just NULL: it has no type");
            diag_hint(sc->b->diag, "write CAST(NULL AS VARCHAR), or another type");
            return E_SQL;
        }
        block_add_item(sc->b, sc->q, sc->q->nitems, (struct block_item){e, item_name(sc, it, e, &unnamed), false});
        if (sc->q->nitems > SQL_COLUMNS)
            return bind_error(sc->b, it->place, "54011", "a result has at most %d columns", SQL_COLUMNS);
    }
    return 0;
}

/* ---- WINDOW, GROUP BY */

static int bind_window(const struct binding *b, const struct ast_select *s, struct block *q)
{
    const struct ast_window *w = &s->window;
    if (!w->given)
        return 0;
    if (q->sources[0].rel->table || q->sources[0].rel->windowed)
        return bind_error(b, w->place, "42601", "WINDOW is for streams; \"%s\" is a table", q->sources[0].rel->name);
    if (!s->group_by.n) {
        bind_error(b, w->place, "42601", "WINDOW needs GROUP BY");
        diag_hint(b->diag, "each group has its own row per window");
        return E_SQL;
    }
    if (w->size.ms <= 0)
        return bind_error(b, w->size.place, "42601", "a window cannot have the size zero");
    int64_t grace =
        w->grace.given ? w->grace.ms : s->emit == AST_EMIT_FINAL ? 0 : MAX(DAY_MS - w->size.ms, (int64_t)0);
    q->window = ARENA_NEW(b->arena, struct tree_window);
    *q->window = (struct tree_window){.size_ms = w->size.ms,
                                      .advance_ms = w->size.ms,
                                      .grace_ms = grace,
                                      .retention_ms = w->retention.given ? w->retention.ms : -1};
    for (unsigned i = 0; i < 2; i++)
        q->window_ids[i] = column_add(b->columns, (struct tree_column){i ? "WINDOWEND" : "WINDOWSTART", NULL,
                                                                       TYPE(T_BIGINT), true});
    if (w->retention.given && w->retention.ms < w->size.ms + grace) {
        bind_error(b, w->retention.place, "42601",
                   "RETENTION is shorter than the window and its grace period together");
        if (!w->grace.given)
            diag_hint(b->diag, "without GRACE PERIOD a window waits for late rows until it is a day old");
        return E_SQL;
    }
    return 0;
}

/* A bound list of expressions, GROUP BY or PARTITION BY; names follow aliases and columns. */
static int bind_list(struct scope *sc, const struct ast_exprs *list, const struct expr ***out, const char ***names)
{
    *out = ARENA_ARRAY(sc->b->arena, const struct expr *, list->n + 1);
    *names = ARENA_ARRAY(sc->b->arena, const char *, list->n + 1);
    for (unsigned i = 0; i < list->n; i++) {
        const struct ast_expr *e = list->items[i];
        int err = resolve_expr(sc, e, &(*out)[i]);
        if (err)
            return err;
        if ((*out)[i]->type.id == T_NULL)
            return bind_error(sc->b, e->place, "42804", "NULL cannot be a key");
        if ((*out)[i]->kind == EX_CONST && e->kind == AST_INTEGER)
            return bind_error(sc->b, e->place, "42601", "a constant cannot be a key; name a column or an expression");
        (*names)[i] = block_column_name(sc->q, (*out)[i]);
        if (!(*names)[i] && e->kind == AST_COLUMN)
            (*names)[i] = arena_dup(sc->b->arena, e->name.text).ptr;
    }
    return 0;
}

static int bind_groups(struct scope *sc, const struct ast_select *s)
{
    struct block *q = sc->q;
    struct scope groups = *sc;
    groups.no_aggregates = "GROUP BY";
    groups.items = &s->items;
    int err = bind_list(&groups, &s->group_by, &q->group, &q->group_names);
    if (err)
        return err;
    struct ids bounds = {q->window ? 2 : 0, q->window_ids};
    for (unsigned i = 0; i < s->group_by.n; i++) { /* the same twice is once; the window is a group by itself */
        bool window = q->group[i]->kind == EX_COLUMN && ids_have(&bounds, q->group[i]->column), again = window;
        if (!window && expr_reads_any(q->group[i], &bounds))
            return bind_error(sc->b, s->group_by.items[i]->place, "42803",
                              "groups cannot be computed from the window's bounds");
        for (unsigned k = 0; k < q->ngroup; k++)
            again |= expr_same(q->group[i], q->group[k]);
        if (again)
            continue;
        q->group[q->ngroup] = q->group[i];
        q->group_names[q->ngroup++] = q->group_names[i];
    }
    return 0;
}

/* ---- ORDER BY */

static int order_item(struct scope *sc, const struct ast_expr *e, unsigned *out)
{
    struct block *q = sc->q;
    const struct expr *bound;
    int64_t n;
    if (e->kind == AST_INTEGER) {
        if (!str_to_i64(e->text, &n) || n < 1 || n > q->nitems)
            return bind_error(sc->b, e->place, "42P10", "there is no column number %.*s in the result",
                              STR_ARG(e->text));
        *out = (unsigned)n - 1;
        return 0;
    }
    for (unsigned i = 0; e->kind == AST_COLUMN && !e->qualifier.text.ptr && i < q->nitems; i++)
        if (e->name.quoted ? str_eq(e->name.text, str_of(q->items[i].name))
                           : str_eq_nocase(e->name.text, str_of(q->items[i].name))) {
            *out = i;
            return 0;
        }
    int err = resolve_expr(sc, e, &bound);
    if (!err)
        err = over_groups(sc, &bound);
    if (err)
        return err;
    for (unsigned i = 0; i < q->nitems; i++)
        if (expr_same(q->items[i].expr, bound)) {
            *out = i;
            return 0;
        }
    *out = q->nitems;
    const char *name = e->kind == AST_COLUMN ? arena_dup(sc->b->arena, e->name.text).ptr
                                             : arena_printf(sc->b->arena, "sort_%u", q->nitems);
    block_add_item(sc->b, q, q->nitems, (struct block_item){bound, name, true});
    return 0;
}

/* sort[i].id: an item, until the items are columns. */
static int bind_order(struct scope *sc, const struct ast_select *s)
{
    struct block *q = sc->q;
    if (s->order_by.n && sc->use != QUERY_PULL) {
        bind_error(sc->b, s->order_place, "0A000", "ORDER BY is for queries that end");
        diag_hint(sc->b->diag, sc->use == QUERY_PUSH
                                   ? "leave out EMIT CHANGES to see the result as it is now, in order"
                                   : "a stream or table has no order; give it in the query that reads it");
        return E_SQL;
    }
    q->sort = ARENA_ARRAY(sc->b->arena, struct tree_sort, s->order_by.n);
    for (unsigned i = 0; i < s->order_by.n; i++) {
        int err = order_item(sc, s->order_by.items[i].expr, &q->sort[i].id);
        if (err)
            return err;
        q->sort[i].descending = s->order_by.items[i].descending;
    }
    q->nsort = s->order_by.n;
    return 0;
}

/* ---- What may be asked for */

static int check_use(const struct scope *sc, const struct ast_select *s, bool as_table)
{
    const struct binding *b = sc->b;
    const struct block *q = sc->q;
    bool table = sc->result->table;
    if (s->emit == AST_EMIT_FINAL && !q->window)
        return bind_error(b, s->emit_place, "42601", "EMIT FINAL is for windows: only they have a final result");
    if (s->partition_by.n && (table || sc->use != QUERY_PERSISTENT))
        return bind_error(b, s->partition_place, "42601",
                          table ? "a table cannot be re-keyed by PARTITION BY; use GROUP BY"
                                : "PARTITION BY is for CREATE STREAM ... AS SELECT");
    if (s->offset.given && sc->use != QUERY_PULL)
        return bind_error(b, s->offset.place, "0A000", "OFFSET is for queries that end: those without EMIT");
    if (sc->use != QUERY_PERSISTENT)
        return 0;
    if (s->limit.given)
        return bind_error(b, s->limit.place, "0A000", "LIMIT is for queries; a stream or table takes all rows");
    if (q->aggregates && !q->ngroup) {
        bind_error(b, place_of(q->items[0].expr), "0A000", "a table made of one total has no key");
        diag_hint(b->diag, "add GROUP BY, or ask for the total with SELECT alone");
        return E_SQL;
    }
    if (table != as_table) {
        bind_error(b, s->place, "42601",
                   table ? "the result of this query is a table" : "the result of this query is a stream");
        diag_hint(b->diag,
                  table ? "write CREATE TABLE ... AS SELECT" : "write CREATE STREAM ... AS SELECT, or add GROUP BY");
        return E_SQL;
    }
    return 0;
}

/* Tables of schema sys are what is now: nobody tells of their changes. */
static int check_sys(const struct scope *sc)
{
    for (unsigned i = 0; sc->use != QUERY_PULL && i < sc->result->nreads; i++) {
        const struct query_read *read = &sc->result->reads[i];
        if (!read->rel->sys)
            continue;
        bind_error(sc->b, read->place, "0A000", "%s shows what is now: it has no changes to %s", read->rel->name,
                   sc->use == QUERY_PUSH ? "follow" : "make a stream or table of");
        diag_hint(sc->b->diag, sc->use == QUERY_PUSH ? "leave out EMIT CHANGES, and ask again when you want to know"
                                                     : "SELECT from it without CREATE");
        return E_SQL;
    }
    return 0;
}

/* ---- The tree */

/* A HAVING of a table query without groups would be a WHERE. */
static int bind_having(struct scope *sc, const struct ast_select *s)
{
    struct scope having = *sc;
    having.items = &s->items;
    if (!s->having)
        return 0;
    int err = resolve_condition(&having, s->having, "HAVING", &sc->q->having);
    if (!err && !sc->q->naggs && !sc->q->ngroup)
        err = bind_error(sc->b, s->having->place, "42803", "HAVING needs GROUP BY or an aggregate; use WHERE");
    return err;
}

/* The column that an expression becomes: its own, if it is one, else a new one. */
static unsigned column_of(const struct binding *b, const struct expr *e, const char *name)
{
    return e->kind == EX_COLUMN ? e->column : column_add(b->columns, (struct tree_column){name, NULL, e->type, false});
}

/* "SUM(delay)": what people recognise in a plan. */
static const char *aggregate_name(const struct binding *b, const struct agg *g)
{
    return arena_printf(b->arena, "%s(%s%s)", agg_name(g->kind), g->distinct ? "DISTINCT " : "",
                        g->arg ? b->columns->items[g->arg->column].name : "*");
}

/* Columns of the projection below an aggregate. */
struct inputs {
    const struct binding *b;
    struct ids ids;
    const struct expr **exprs;
};

/* An input of an aggregate becomes a column: that of the group or input that says the same, or one more. */
static void make_input(struct inputs *in, unsigned from, const struct expr **e, const char *name)
{
    unsigned at = from;
    if (!*e)
        return;
    while (at < in->ids.n && !expr_same(in->exprs[at], *e))
        at++;
    if (at == in->ids.n) {
        in->ids.id[at] = column_of(in->b, *e, name);
        in->exprs[in->ids.n++] = *e;
    }
    *e = expr_of_id(in->b->columns, in->ids.id[at]);
}

/* A projection to the group expressions and the inputs of aggregates, WINDOW, AGGREGATE, HAVING. */
static void make_aggregate(struct scope *sc, bool final)
{
    const struct binding *b = sc->b;
    struct block *q = sc->q;
    struct arena *a = b->arena;
    unsigned most = q->ngroup + 3 * q->naggs + 1;
    struct inputs in = {b, {q->ngroup, ARENA_ARRAY(a, unsigned, most)}, ARENA_ARRAY(a, const struct expr *, most)};
    for (unsigned i = 0; i < q->ngroup; i++) {
        in.ids.id[i] = q->group_ids[i];
        in.exprs[i] = q->group[i];
    }
    for (unsigned i = 0; i < q->naggs; i++) {
        struct agg *g = &q->aggs[i].agg;
        make_input(&in, q->ngroup, &g->arg, arena_printf(a, "value_%u", i));
        make_input(&in, q->ngroup, &g->arg2, arena_printf(a, "by_%u", i));
        make_input(&in, q->ngroup, &g->filter, arena_printf(a, "filter_%u", i));
        b->columns->items[q->aggs[i].id].name = aggregate_name(b, g);
    }
    if (in.ids.n) /* COUNT(*) of everything reads no column */
        q->tree = tree_project(a, q->tree, in.ids, in.exprs);
    struct ids groups = {q->ngroup, q->group_ids};
    if (q->window) {
        struct tree *w = tree_new(a, TREE_WINDOW, q->tree, NULL);
        w->window = q->window;
        memcpy(w->window_ids, q->window_ids, sizeof q->window_ids);
        tree_derive(w, a);
        q->tree = w;
        groups = ids_join(a, groups, (struct ids){2, q->window_ids});
    }
    struct tree *g = tree_new(a, TREE_AGGREGATE, q->tree, NULL);
    g->groups = groups;
    g->naggs = q->naggs;
    g->aggs = q->aggs;
    g->emit_final = final;
    if (!g->naggs) { /* groups without aggregates are still counted */
        g->naggs = 1;
        g->aggs = ARENA_NEW(a, struct tree_agg);
        g->aggs->agg = (struct agg){.kind = AGG_COUNT_STAR, .type = TYPE(T_BIGINT)};
        g->aggs->id = column_add(b->columns, (struct tree_column){"COUNT(*)", NULL, TYPE(T_BIGINT), false});
    }
    tree_derive(g, a);
    q->tree = q->having ? tree_filter(a, g, q->having) : g;
}

static int bind_aggregation(struct scope *sc, const struct ast_select *s)
{
    struct block *q = sc->q;
    int err = bind_groups(sc, s);
    if (!err)
        err = bind_items(sc, &s->items);
    if (!err)
        err = bind_having(sc, s);
    if (err)
        return err;
    q->aggregates = q->naggs || q->ngroup;
    q->group_ids = ARENA_ARRAY(sc->b->arena, unsigned, q->ngroup + 1);
    for (unsigned i = 0; i < q->ngroup; i++)
        q->group_ids[i] = column_of(sc->b, q->group[i],
                                    q->group_names[i] ? q->group_names[i] : arena_printf(sc->b->arena, "group_%u", i));
    for (unsigned i = 0; i < q->nitems && !err; i++)
        err = over_groups(sc, &q->items[i].expr);
    return err ? err : over_groups(sc, &q->having);
}

/* The list as columns. What is shown under its own name is the column it was; what has another is a column of its own. */
static void make_items(struct scope *sc)
{
    struct block *q = sc->q;
    struct query *r = sc->result;
    struct columns *cs = sc->b->columns;
    struct arena *a = sc->b->arena;
    struct ids ids = {0, ARENA_ARRAY(a, unsigned, q->nitems + 1)};
    const struct expr **exprs = ARENA_ARRAY(a, const struct expr *, q->nitems + 1);
    r->items = ARENA_ARRAY(a, struct query_item, q->nitems + 1);
    for (unsigned i = 0; i < q->nitems; i++) {
        const struct block_item *it = &q->items[i];
        bool same = it->expr->kind == EX_COLUMN && !ids_have(&ids, it->expr->column) &&
                    strcmp(cs->items[it->expr->column].name, it->name) == 0;
        exprs[i] = it->expr;
        ids.id[ids.n++] = same ? it->expr->column
                               : column_add(cs, (struct tree_column){it->name, NULL, it->expr->type, false});
        if (!it->hidden)
            r->items[r->nitems++] = (struct query_item){it->name, it->expr->type, ids.id[i]};
    }
    if (sc->use == QUERY_PERSISTENT && q->window) {
        r->window = q->window;
        r->window_start = q->window_ids[0];
        exprs[ids.n] = expr_of_id(cs, r->window_start);
        ids.id[ids.n++] = r->window_start;
    }
    q->tree = tree_project(a, q->tree, ids, exprs);
}

static void make_order(struct scope *sc, const struct ast_select *s)
{
    struct block *q = sc->q;
    struct tree *t = tree_new(sc->b->arena, TREE_TOPN, q->tree, NULL);
    struct ids shown = {0, ARENA_ARRAY(sc->b->arena, unsigned, q->nitems + 1)};
    t->nsort = q->nsort;
    t->sort = q->sort;
    t->limit = s->limit.given ? s->limit.n : -1;
    t->offset = s->offset.given ? s->offset.n : 0;
    for (unsigned i = 0; i < q->nsort; i++)
        q->sort[i].id = q->tree->out.id[q->sort[i].id];
    for (unsigned i = 0; i < q->nitems; i++)
        if (!q->items[i].hidden)
            shown.id[shown.n++] = q->tree->out.id[i];
    tree_derive(t, sc->b->arena);
    q->tree = shown.n < q->nitems ? tree_keep(sc->b->arena, sc->b->columns, t, shown) : t;
}

static int bind_where(struct scope *sc, const struct ast_select *s)
{
    const struct expr *where;
    sc->no_aggregates = "WHERE";
    int err = s->where ? resolve_condition(sc, s->where, "WHERE", &where) : 0;
    if (!err && s->where)
        sc->q->tree = tree_filter(sc->b->arena, sc->q->tree, where);
    sc->no_aggregates = NULL;
    return err;
}

static int bind_block(struct scope *sc, const struct ast_select *s, bool as_table)
{
    struct block *q = sc->q;
    const struct expr **partition;
    const char **partition_names;
    int err = bind_from(sc, s);
    if (!err)
        err = check_sys(sc);
    if (!err)
        err = bind_where(sc, s);
    if (!err)
        err = bind_window(sc->b, s, q);
    sc->window = q->window != NULL;
    if (!err)
        err = bind_aggregation(sc, s);
    if (err)
        return err;
    sc->result->table = q->aggregates || q->sources[0].rel->table;
    sc->items = &s->items;
    if ((err = bind_order(sc, s)) != 0 || (err = check_use(sc, s, as_table)) != 0)
        return err;
    sc->no_aggregates = "PARTITION BY";
    if ((err = bind_list(sc, &s->partition_by, &partition, &partition_names)) != 0)
        return err;
    if (sc->use == QUERY_PERSISTENT && (err = bind_key(sc, s, partition, s->partition_by.n)) != 0)
        return err;
    if (q->aggregates)
        make_aggregate(sc, s->emit == AST_EMIT_FINAL);
    make_items(sc);
    if (sc->use == QUERY_PULL && (q->nsort || s->limit.given || s->offset.given))
        make_order(sc, s);
    return 0;
}

int bind_query(const struct binding *b, const struct ast_select *s, enum query_use use, bool as_table,
               struct query *out)
{
    struct binding with = *b;
    struct block block = {0};
    *out = (struct query){.limit = s->limit.given ? s->limit.n : -1, .window_start = NO_COLUMN};
    out->columns = with.columns = ARENA_NEW(b->arena, struct columns);
    out->columns->arena = b->arena;
    struct scope sc = {.b = &with, .q = &block, .result = out, .use = use};
    int err = bind_block(&sc, s, as_table);
    out->tree = block.tree;
    out->nkey = block.nkey;
    return err;
}
