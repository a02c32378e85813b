/* SELECT: clauses in the order in which they can be understood: FROM, WHERE, WINDOW, GROUP BY, the list, HAVING, ORDER
 * BY, key of the result. A query that aggregates is first bound over the source row, with aggregates as columns beyond
 * it, and then rewritten over the group row: what equals a group expression becomes its column, what is left must be
 * none. */
#include <stdio.h>

#include "sql/bind/select.h"

#define DAY_MS INT64_C(86400000)

/* ---- Rewriting over the group row */

struct regroup {
    const struct binding *b;
    const struct query *q;
};

static const struct expr *regroup(const struct regroup *rg, const struct expr *e, int *err)
{
    const struct query *q = rg->q;
    for (unsigned i = 0; i < q->ngroup; i++)
        if (expr_same(e, q->group[i]))
            return expr_column(rg->b, i, e->type, place_of(e));
    if (e->kind == EX_COLUMN && e->column >= COLUMN_AGG)
        return expr_column(rg->b, e->column - COLUMN_AGG + q->ngroup + (q->windowed ? 2 : 0), e->type, place_of(e));
    if (e->kind == EX_COLUMN && e->column >= COLUMN_WINDOW)
        return expr_column(rg->b, e->column - COLUMN_WINDOW + q->ngroup, e->type, place_of(e));
    if (e->kind == EX_COLUMN) {
        if (*err == 0) {
            *err = bind_error(rg->b, place_of(e), "42803", "column \"%s\" must be in GROUP BY or inside an aggregate",
                              q->cols[e->column].name);
            diag_hint(rg->b->diag, "add it to GROUP BY, or write MIN(%s) or MAX(%s)", q->cols[e->column].name,
                      q->cols[e->column].name);
        }
        return e;
    }
    struct expr *copy = expr_make(rg->b, e->kind, e->type, place_of(e), e->nargs);
    const struct expr *const *args = copy->args;
    *copy = *e;
    copy->args = args;
    for (unsigned i = 0; i < e->nargs; i++)
        ((const struct expr **)copy->args)[i] = regroup(rg, e->args[i], err);
    return copy;
}

static int over_groups(const struct scope *sc, const struct expr **e)
{
    int err = 0;
    if (*e && sc->q->aggregates)
        *e = regroup(&(struct regroup){sc->b, sc->q}, *e, &err);
    return err;
}

/* ---- The list */

void query_add_item(const struct binding *b, struct query *q, unsigned at, struct query_item item)
{
    struct query_item *more = ARENA_ARRAY(b->arena, struct query_item, q->nitems + 1);
    for (unsigned i = 0; i < q->nitems; i++)
        more[i + (i >= at)] = q->items[i];
    more[at] = item;
    q->items = more;
    q->nitems++;
}

/* `*` and `a.*`. Of a join, columns get the name of their relation in front: A_COL. */
static int add_star(struct scope *sc, const struct ast_item *it)
{
    struct query *q = sc->q;
    bool found = false;
    for (unsigned s = 0; s < q->nsources; s++) {
        const struct query_source *src = &q->sources[s];
        if (it->qualifier.text.ptr && !str_eq_nocase(it->qualifier.text, str_of(src->alias)))
            continue;
        found = true;
        for (unsigned c = src->first; c < src->first + src->ncols; c++) {
            const struct query_column *col = &q->cols[c];
            bool bound = col->pseudo && col->want.from >= WANT_WINDOWSTART;
            if (col->pseudo && !bound)
                continue;
            const char *name =
                q->nsources == 1 ? col->name : arena_printf(sc->b->arena, "%s_%s", src->alias, col->name);
            query_add_item(sc->b, q, q->nitems,
                           (struct query_item){expr_column(sc->b, c, col->type, it->place), name, false});
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
    const struct query *q = sc->q;
    if (it->alias.text.ptr)
        return arena_dup(sc->b->arena, it->alias.text).ptr;
    if (it->expr->kind != AST_COLUMN)
        return arena_printf(sc->b->arena, "KSQL_COL_%u", (*unnamed)++);
    if (e->kind != EX_COLUMN || e->column >= q->ncols)
        return arena_dup(sc->b->arena, it->expr->name.text).ptr;
    for (unsigned c = 0; c < q->ncols; c++)
        if (c != e->column && str_eq_nocase(str_of(q->cols[c].name), str_of(q->cols[e->column].name)))
            return arena_printf(sc->b->arena, "%s_%s", q->sources[q->cols[e->column].source].alias,
                                q->cols[e->column].name);
    return q->cols[e->column].name;
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
        query_add_item(sc->b, sc->q, sc->q->nitems, (struct query_item){e, item_name(sc, it, e, &unnamed), false});
        if (sc->q->nitems > SQL_COLUMNS)
            return bind_error(sc->b, it->place, "54011", "a result has at most %d columns", SQL_COLUMNS);
    }
    return 0;
}

/* ---- WINDOW, GROUP BY */

static int bind_window(const struct binding *b, const struct ast_select *s, struct query *q)
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
    q->windowed = true;
    q->size_ms = w->size.ms;
    q->grace_ms = w->grace.given ? w->grace.ms : s->emit == AST_EMIT_FINAL ? 0 : MAX(DAY_MS - w->size.ms, (int64_t)0);
    q->retention_ms = w->retention.given ? w->retention.ms : -1;
    if (w->retention.given && w->retention.ms < q->size_ms + q->grace_ms) {
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
        (*names)[i] = (*out)[i]->kind == EX_COLUMN && (*out)[i]->column < sc->q->ncols
                          ? sc->q->cols[(*out)[i]->column].name
                      : e->kind == AST_COLUMN ? arena_dup(sc->b->arena, e->name.text).ptr
                                              : NULL;
    }
    return 0;
}

static bool reads_window(const struct expr *e)
{
    bool reads = e->kind == EX_COLUMN && e->column >= COLUMN_WINDOW;
    for (unsigned i = 0; i < e->nargs && !reads; i++)
        reads = reads_window(e->args[i]);
    return reads;
}

static int bind_groups(struct scope *sc, const struct ast_select *s)
{
    struct query *q = sc->q;
    struct scope groups = *sc;
    groups.no_aggregates = "GROUP BY";
    groups.items = &s->items;
    int err = bind_list(&groups, &s->group_by, &q->group, &q->group_names);
    if (err)
        return err;
    for (unsigned i = 0; i < s->group_by.n; i++) { /* the same twice is once; the window is a group by itself */
        bool window = q->group[i]->kind == EX_COLUMN && q->group[i]->column >= COLUMN_WINDOW, again = window;
        if (!window && reads_window(q->group[i]))
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
    struct query *q = sc->q;
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
    query_add_item(sc->b, q, q->nitems, (struct query_item){bound, name, true});
    return 0;
}

static int bind_order(struct scope *sc, const struct ast_select *s, enum query_use use)
{
    struct query *q = sc->q;
    if (s->order_by.n && use != QUERY_PULL) {
        bind_error(sc->b, s->order_place, "0A000", "ORDER BY is for queries that end");
        diag_hint(sc->b->diag, use == QUERY_PUSH
                                   ? "leave out EMIT CHANGES to see the result as it is now, in order"
                                   : "a stream or table has no order; give it in the query that reads it");
        return E_SQL;
    }
    q->sort = ARENA_ARRAY(sc->b->arena, struct sort_key, s->order_by.n);
    for (unsigned i = 0; i < s->order_by.n; i++) {
        int err = order_item(sc, s->order_by.items[i].expr, &q->sort[i].column);
        if (err)
            return err;
        q->sort[i].descending = s->order_by.items[i].descending;
    }
    q->nsort = s->order_by.n;
    return 0;
}

/* ---- All together */

static int check_use(const struct binding *b, const struct ast_select *s, enum query_use use, bool as_table,
                     const struct query *q)
{
    bool table = q->table;
    if (s->emit == AST_EMIT_FINAL && !q->windowed)
        return bind_error(b, s->emit_place, "42601", "EMIT FINAL is for windows: only they have a final result");
    if (s->partition_by.n && (table || use != QUERY_PERSISTENT))
        return bind_error(b, s->partition_place, "42601",
                          table ? "a table cannot be re-keyed by PARTITION BY; use GROUP BY"
                                : "PARTITION BY is for CREATE STREAM ... AS SELECT");
    if (s->offset.given && use != QUERY_PULL)
        return bind_error(b, s->offset.place, "0A000", "OFFSET is for queries that end: those without EMIT");
    if (use != QUERY_PERSISTENT)
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

static int bind_aggregation(struct scope *sc, const struct ast_select *s)
{
    struct query *q = sc->q;
    int err = bind_groups(sc, s);
    if (!err)
        err = bind_items(sc, &s->items);
    if (!err)
        err = bind_having(sc, s);
    if (err)
        return err;
    q->aggregates = q->naggs || q->ngroup;
    for (unsigned i = 0; i < q->nitems && !err; i++)
        err = over_groups(sc, &q->items[i].expr);
    return err ? err : over_groups(sc, &q->having);
}

/* Tables of schema sys are what is now: nobody tells of their changes. */
static int check_sys(const struct binding *b, const struct ast_select *s, enum query_use use, const struct query *q)
{
    for (unsigned i = 0; use != QUERY_PULL && i < q->nsources; i++) {
        const struct relation *rel = q->sources[i].rel;
        if (!rel->sys)
            continue;
        bind_error(b, s->from.items[i].name.place, "0A000", "%s shows what is now: it has no changes to %s", rel->name,
                   use == QUERY_PUSH ? "follow" : "make a stream or table of");
        diag_hint(b->diag, use == QUERY_PUSH ? "leave out EMIT CHANGES, and ask again when you want to know"
                                             : "SELECT from it without CREATE");
        return E_SQL;
    }
    return 0;
}

int bind_query(const struct binding *b, const struct ast_select *s, enum query_use use, bool as_table,
               struct query *out)
{
    struct query *q = out;
    *q = (struct query){
        .limit = s->limit.given ? s->limit.n : -1, .offset = s->offset.given ? s->offset.n : 0, .emit = s->emit};
    struct scope sc = {.b = b, .q = q};
    const struct expr *joined = NULL, **partition;
    const char **partition_names;
    int err = bind_from(&sc, s, &joined);
    if (!err)
        err = check_sys(b, s, use, q);
    if (err)
        return err;
    sc.no_aggregates = "WHERE";
    if (!err && s->where)
        err = resolve_condition(&sc, s->where, "WHERE", &q->where);
    if (err)
        return err;
    q->where = expr_and(b, joined, q->where);
    sc.no_aggregates = NULL;
    if ((err = bind_window(b, s, q)) != 0)
        return err;
    sc.window = q->windowed;
    if ((err = bind_aggregation(&sc, s)) != 0)
        return err;
    q->table = q->aggregates || q->sources[0].rel->table;
    sc.items = &s->items;
    if ((err = bind_order(&sc, s, use)) != 0 || (err = check_use(b, s, use, as_table, q)) != 0)
        return err;
    sc.no_aggregates = "PARTITION BY";
    if ((err = bind_list(&sc, &s->partition_by, &partition, &partition_names)) != 0)
        return err;
    q->repartition = s->partition_by.n > 0;
    return use == QUERY_PERSISTENT ? bind_key(&sc, s, partition, s->partition_by.n) : 0;
}
