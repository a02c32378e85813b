/* SELECT: clauses in the order in which they can be understood: FROM, WHERE, WINDOW, GROUP BY, the list, HAVING, ORDER
 * BY, key of the result. A query that aggregates is first bound over the source row, with aggregates as columns beyond
 * it, and then rewritten over the group row: what equals a group expression becomes its column, what is left must be
 * none. */
#include <stdio.h>

#include "sql/bind/over.h"
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

int over_groups(const struct scope *sc, const struct expr **e)
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

static void add_star_column(struct scope *sc, const struct ast_item *it, const struct block_column *col)
{
    struct block *q = sc->q;
    bool prefixed = q->nsources > 1 && col->source != NO_COLUMN && !col->shared && *q->sources[col->source].alias;
    const char *name =
        prefixed ? arena_printf(sc->b->arena, "%s_%s", q->sources[col->source].alias, col->name) : col->name;
    block_add_item(sc->b, q, q->nitems,
                   (struct block_item){expr_column(sc->b, col->id, col->type, it->place), name, false});
}

/* `*` and `a.*`. Of a join, columns get the name of their relation in front: A_COL. What USING equates comes first, once. */
static int add_star(struct scope *sc, const struct ast_item *it)
{
    struct block *q = sc->q;
    bool all = !it->qualifier.text.ptr, found = all && q->nsources;
    for (unsigned c = 0; all && c < q->ncols; c++)
        if (q->cols[c].shared && !q->cols[c].merged)
            add_star_column(sc, it, &q->cols[c]);
    for (unsigned s = 0; s < q->nsources; s++) {
        const struct block_source *src = &q->sources[s];
        if (!all && !str_eq_nocase(it->qualifier.text, str_of(src->alias)))
            continue;
        found = true;
        for (unsigned c = src->first; c < src->first + src->ncols; c++)
            if (q->cols[c].star && !(all && (q->cols[c].merged || q->cols[c].shared)))
                add_star_column(sc, it, &q->cols[c]);
    }
    if (found)
        return 0;
    if (all)
        return bind_error(sc->b, it->place, "42601", "there is no FROM whose columns * could show");
    return bind_error(sc->b, it->qualifier.place, "42P01", "\"%.*s\" is not part of this FROM",
                      STR_ARG(it->qualifier.text));
}

/* "s->*": each field under its own name. */
static int add_fields(struct scope *sc, const struct ast_item *it, const struct expr *e)
{
    char have[TYPE_TEXT];
    type_format(e->type, have);
    if (e->type.id != T_STRUCT)
        return bind_error(sc->b, it->place, "42703", "this is %s, which has no fields", have);
    for (unsigned i = 0; i < e->type.of->n; i++) {
        const struct type_field *f = &e->type.of->fields[i];
        struct expr *part = expr_make(sc->b, EX_FIELD, f->type, it->place, 1);
        part->column = i;
        ((const struct expr **)part->args)[0] = e;
        block_add_item(sc->b, sc->q, sc->q->nitems, (struct block_item){part, f->name, false});
    }
    return 0;
}

/* Name of an item without alias: its column's, with the relation in front if several have it; else KSQL_COL_n. */
static const char *item_name(struct scope *sc, const struct ast_item *it, const struct expr *e, unsigned *unnamed)
{
    const struct block *q = sc->q;
    if (it->alias.text.ptr)
        return arena_dup(sc->b->arena, it->alias.text).ptr;
    if (it->expr->kind == AST_FIELD)
        return arena_dup(sc->b->arena, it->expr->name.text).ptr;
    if (it->expr->kind != AST_COLUMN)
        return arena_printf(sc->b->arena, "KSQL_COL_%u", (*unnamed)++);
    const struct block_column *col = block_column(q, e);
    if (!col)
        return arena_dup(sc->b->arena, it->expr->name.text).ptr;
    for (unsigned c = 0; c < q->ncols; c++)
        if (&q->cols[c] != col && !col->shared && col->source != NO_COLUMN && *q->sources[col->source].alias &&
            str_eq_nocase(str_of(q->cols[c].name), str_of(col->name)))
            return arena_printf(sc->b->arena, "%s_%s", q->sources[col->source].alias, col->name);
    return col->name;
}

static int bind_items(struct scope *sc, const struct ast_items *items)
{
    unsigned unnamed = 0;
    struct scope list = *sc;
    list.overs = true;
    for (unsigned i = 0; i < items->n; i++) {
        const struct ast_item *it = &items->items[i];
        const struct expr *e;
        list.items_here = true;
        int err = it->expr ? resolve_expr(&list, it->expr, &e) : add_star(sc, it);
        if (!err && it->fields)
            err = add_fields(sc, it, e);
        if (err)
            return err;
        if (sc->q->nitems > SQL_COLUMNS)
            return bind_error(sc->b, it->place, "54011", "a result has at most %d columns", SQL_COLUMNS);
        if (!it->expr || it->fields)
            continue;
        if (e->type.id == T_NULL) {
            bind_error(sc->b, it->place, "42804", "a column cannot be just NULL: it has no type");
            diag_hint(sc->b->diag, "write CAST(NULL AS VARCHAR), or another type");
            return E_SQL;
        }
        block_add_item(sc->b, sc->q, sc->q->nitems, (struct block_item){e, item_name(sc, it, e, &unnamed), false});
    }
    return 0;
}

/* ---- WINDOW, GROUP BY */

bool window_has_end(const struct tree_window *w)
{
    return w->kind == WINDOW_SESSION || w->kind == WINDOW_CUMULATE || w->zone;
}

/* What a WINDOW clause, or a table function, says of windows. */
int bind_windows(const struct binding *b, const struct ast_window *w, int64_t grace_ms, struct tree_window **out)
{
    int64_t size = w->size.ms, step = w->advance.given ? w->advance.ms : size;
    if (size <= 0)
        return bind_error(b, w->size.place, "42601", "a window cannot have the size zero");
    if (step <= 0)
        return bind_error(b, w->advance.place, "42601", "windows cannot begin at the same moment");
    if (step > size)
        return bind_error(b, w->advance.place, "42601", "there would be gaps between the windows: this is longer than they are");
    if (size / step >= PLAN_WINDOWS)
        return bind_error(b, w->advance.place, "54000", "a moment would lie in %" PRId64 " windows; at most %d are kept",
                          size / step, PLAN_WINDOWS - 1);
    if (w->kind == AST_CUMULATE && size % step)
        return bind_error(b, w->advance.place, "42601", "the size is no whole number of steps");
    if (w->offset.given && (w->kind == AST_SESSION || w->offset.ms >= size))
        return bind_error(b, w->offset.place, "42601", w->kind == AST_SESSION ? "sessions begin when their first row comes"
                                                                              : "the offset is not shorter than the window");
    struct tree_window *t = *out = ARENA_NEW(b->arena, struct tree_window);
    *t = (struct tree_window){.kind = (enum window_kind)w->kind, .size_ms = size, .advance_ms = step,
                              .offset_ms = w->offset.ms, .grace_ms = grace_ms,
                              .retention_ms = w->retention.given ? w->retention.ms : -1};
    if (!w->zone.text.ptr)
        return 0;
    struct zone *zone;
    if (w->kind == AST_SESSION)
        return bind_error(b, w->zone.place, "42601", "sessions are the same in all time zones");
    if (zone_open(&zone, w->zone.text, b->diag))
        return bind_error(b, w->zone.place, "22023", "there is no time zone \"%.*s\"", STR_ARG(w->zone.text));
    zone_close(zone);
    t->zone = arena_dup(b->arena, w->zone.text).ptr;
    return 0;
}
static_assert((int)AST_CUMULATE == (int)WINDOW_CUMULATE && (int)AST_SESSION == (int)WINDOW_SESSION, "kinds are the same");

static int bind_window(const struct binding *b, const struct ast_select *s, struct block *q, bool final)
{
    const struct ast_window *w = &s->window;
    if (!w->given)
        return 0;
    if (!q->tree->stream)
        return bind_error(b, w->place, "42601", "WINDOW is for streams; \"%s\" is a table",
                          q->nsources ? q->sources[0].alias : "");
    if (!s->group_by.n) {
        bind_error(b, w->place, "42601", "WINDOW needs GROUP BY");
        diag_hint(b->diag, "each group has its own row per window");
        return E_SQL;
    }
    int64_t grace = w->grace.given ? w->grace.ms : final ? 0 : MAX(DAY_MS - w->size.ms, (int64_t)0);
    bool clock = str_eq_nocase(w->time.text, STR("PROCTIME"));
    if (w->time.text.ptr && !clock && !str_eq_nocase(w->time.text, STR("ROWTIME"))) {
        bind_error(b, w->time.place, "42601", "windows are BY ROWTIME, the rows' event time, or BY PROCTIME, the clock");
        return E_SQL;
    }
    if (clock && w->grace.given)
        return bind_error(b, w->grace.place, "42601", "by the clock no row is late: GRACE PERIOD has no use");
    if (clock)
        grace = 0;
    int err = bind_windows(b, w, grace, &q->window);
    if (!err && clock)
        err = time_by_clock(b, q->tree, w->time.place);
    if (err)
        return err;
    q->window->processing = clock;
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

/* GROUP BY 2: the list's second item. */
static int by_number(const struct scope *sc, const struct ast_select *s, struct ast_exprs *out)
{
    int64_t n;
    *out = s->group_by;
    out->items = ARENA_ARRAY(sc->b->arena, struct ast_expr *, out->n + 1);
    for (unsigned i = 0; i < out->n; i++) {
        struct ast_expr *e = out->items[i] = s->group_by.items[i];
        if (e->kind != AST_INTEGER)
            continue;
        if (!str_to_i64(e->text, &n) || n < 1 || n > s->items.n || !s->items.items[n - 1].expr || s->items.items[n - 1].fields)
            return bind_error(sc->b, e->place, "42P10", "there is no column number %.*s in the list of this SELECT",
                              STR_ARG(e->text));
        out->items[i] = s->items.items[n - 1].expr;
    }
    return 0;
}

static int bind_groups(struct scope *sc, const struct ast_select *s)
{
    struct block *q = sc->q;
    struct ast_exprs list;
    struct scope groups = *sc;
    groups.no_aggregates = "GROUP BY";
    groups.items = &s->items;
    struct ast_exprs all;
    bool several;
    int err = by_number(sc, s, &list);
    if (!err)
        err = expand_groups(sc, &list, &all, &several);
    if (!err)
        err = bind_list(&groups, &all, &q->group, &q->group_names);
    if (err)
        return err;
    struct ids bounds = {q->window ? 2 : 0, q->window_ids};
    for (unsigned i = 0; i < all.n; i++) { /* the same twice is once; the window is a group by itself */
        bool window = q->group[i]->kind == EX_COLUMN && ids_have(&bounds, q->group[i]->column), again = window;
        if (!window && expr_reads_any(q->group[i], &bounds))
            return bind_error(sc->b, all.items[i]->place, "42803",
                              "groups cannot be computed from the window's bounds");
        for (unsigned k = 0; k < q->ngroup; k++)
            again |= expr_same(q->group[i], q->group[k]);
        if (again && several)
            return bind_error(sc->b, all.items[i]->place, "42803", window ? "the window is a group of every set by itself"
                                                                          : "this is in GROUP BY twice");
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
    struct scope list = *sc;
    list.overs = true;
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
    int err = resolve_expr(&list, e, &bound);
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
    bool some = s->limit.given || s->offset.given;
    if (s->order_by.n && sc->use != QUERY_PULL && !some && sc->nesting)
        return 0; /* of no use to the query around it */
    if (s->order_by.n && sc->use == QUERY_PERSISTENT && q->window && !sc->nesting) {
        bind_error(sc->b, s->order_place, "0A000", "a windowed table has no first rows");
        diag_hint(sc->b->diag, "make the table without ORDER BY, and ask for them in the query that reads it");
        return E_SQL;
    }
    if (s->order_by.n && sc->use != QUERY_PULL && !some) {
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
        const struct ast_order *o = &s->order_by.items[i];
        q->sort[i].descending = o->descending;
        q->sort[i].nulls_first = o->nulls == AST_NULLS_HIGH ? o->descending : o->nulls == AST_NULLS_FIRST;
    }
    q->nsort = s->order_by.n;
    return 0;
}

/* Do the groups have both bounds of a table function's window? */
static bool groups_by_window(const struct block *q)
{
    bool start = false, end = false;
    for (unsigned i = 0; q->tree->stream && q->tree->bounds && i < q->ngroup; i++) {
        start |= q->group[i]->kind == EX_COLUMN && q->group[i]->column == q->tree->start;
        end |= q->group[i]->kind == EX_COLUMN && q->group[i]->column == q->tree->end;
    }
    return start && end;
}

/* Sessions as a table function are there to be summed up: by their bounds and those whose they are, and nothing else. */
static int check_sessions(const struct scope *sc)
{
    const struct block *q = sc->q;
    struct ids bounds = {2, (unsigned[]){q->tree->start, q->tree->end}};
    bool good = q->tree->kind == TREE_WINDOW && groups_by_window(q) && q->ngroup == q->session_keys.n + 2 && !q->nsets && !q->nsubs;
    for (unsigned i = 0; good && i < q->ngroup; i++)
        good = q->group[i]->kind == EX_COLUMN &&
               (ids_have(&bounds, q->group[i]->column) || ids_have(&q->session_keys, q->group[i]->column));
    for (unsigned i = 0; good && i < q->naggs; i++) {
        const struct agg *g = &q->aggs[i].agg;
        const struct expr *inputs[] = {g->arg, g->arg2, g->filter};
        for (unsigned k = 0; k < ARRAY_LEN(inputs); k++)
            good &= !inputs[k] || !expr_reads_any(inputs[k], &bounds);
    }
    if (good)
        return 0;
    bind_error(sc->b, q->session->place, "0A000", "a session is known when its rows have been summed up, not for each of them");
    diag_hint(sc->b->diag, "GROUP BY what its PARTITION BY names, window_start and window_end; what WHERE would say belongs below, in a view");
    return E_SQL;
}

/* ---- What may be asked for */

/* EMIT FINAL: what the block gives is told once, when windows close. */
static int check_final(const struct scope *sc, const struct ast_select *s, bool table)
{
    const struct block *q = sc->q;
    struct place place = sc->nesting ? s->place : s->emit_place;
    bool windows = q->window || groups_by_window(q);
    if (q->aggregates && windows)
        return 0;
    if (!sc->nesting && !q->aggregates && !tree_has_final(q->tree))
        return bind_error(sc->b, place, "42601", "EMIT FINAL is for windows: only they have a final result");
    if (!q->aggregates && !table && !s->distinct && !s->order_by.n)
        return 0;
    bind_error(sc->b, place, "0A000", "EMIT FINAL: %s has no final result",
               q->aggregates ? "this GROUP BY" : q->nover ? "a function OVER rows" : s->distinct ? "DISTINCT" : s->order_by.n ? "ORDER BY"
                                                                                          : "what FROM joins here");
    diag_hint(sc->b->diag, q->aggregates ? "group by both bounds of a window, or leave out FINAL"
                                         : "what windows of streams give does, and joins of that with each other; leave out FINAL");
    return E_SQL;
}

static int check_use(const struct scope *sc, const struct ast_select *s, bool table)
{
    const struct binding *b = sc->b;
    if (sc->nesting && s->emit != AST_EMIT_NONE)
        return bind_error(b, s->emit_place, "42601", "EMIT is for the whole statement, not for a query inside it");
    if (sc->final && check_final(sc, s, table))
        return E_SQL;
    if (s->partition_by.n && (table || sc->use != QUERY_PERSISTENT || sc->nesting))
        return bind_error(b, s->partition_place, "42601",
                          table ? "a table cannot be re-keyed by PARTITION BY; use GROUP BY"
                                : "PARTITION BY is for CREATE STREAM ... AS SELECT");
    if (sc->nesting || sc->use == QUERY_PULL)
        return 0;
    if (s->order_by.n) /* the first rows are maintained */
        return 0;
    if (s->offset.given)
        return bind_error(b, s->offset.place, "0A000", "OFFSET is for queries that end: those without EMIT");
    if (sc->use == QUERY_PERSISTENT && s->limit.given)
        return bind_error(b, s->limit.place, "0A000", "LIMIT is for queries; a stream or table takes all rows");
    return 0;
}

static int check_kind(const struct scope *sc, const struct ast_select *s, bool table, bool as_table)
{
    if (sc->use != QUERY_PERSISTENT || table == as_table)
        return 0;
    bind_error(sc->b, s->place, "42601",
               table ? "the result of this query is a table" : "the result of this query is a stream");
    diag_hint(sc->b->diag,
              table ? "write CREATE TABLE ... AS SELECT" : "write CREATE STREAM ... AS SELECT, or add GROUP BY");
    return E_SQL;
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
    int err = resolve_conditions(&having, s->having, "HAVING", &sc->q->having);
    if (!err && !sc->q->naggs && !sc->q->ngroup)
        err = bind_error(sc->b, s->having->place, "42803", "HAVING needs GROUP BY or an aggregate; use WHERE");
    return err;
}

/* A condition on what functions OVER rows give: the list's aliases may stand for them. */
static int bind_qualify(struct scope *sc, const struct ast_select *s, const struct expr **out)
{
    struct scope qualify = *sc;
    qualify.items = &s->items;
    qualify.overs = true;
    *out = NULL;
    if (!s->qualify)
        return 0;
    int err = resolve_condition(&qualify, s->qualify, "QUALIFY", out);
    if (!err && !sc->q->nover) {
        bind_error(sc->b, s->qualify->place, "42P20", "QUALIFY is for what functions OVER rows give; here there is none");
        diag_hint(sc->b->diag, "WHERE chooses rows, HAVING groups");
        return E_SQL;
    }
    return err ? err : over_groups(sc, out);
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
    unsigned most = q->ngroup + 3 * q->naggs + 1, *from = q->group_ids;
    struct inputs in = {b, {q->ngroup, ARENA_ARRAY(a, unsigned, most)}, ARENA_ARRAY(a, const struct expr *, most)};
    if (q->nsets) { /* group_ids are what EXPAND makes of them */
        from = ARENA_ARRAY(a, unsigned, q->ngroup + 1);
        for (unsigned i = 0; i < q->ngroup; i++)
            from[i] = column_of(b, q->group[i], b->columns->items[q->group_ids[i]].name);
    }
    for (unsigned i = 0; i < q->ngroup; i++) {
        in.ids.id[i] = from[i];
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
    if (q->nsets) {
        make_sets(sc, from);
        groups = ids_join(a, groups, (struct ids){1, &q->set_id});
    }
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
    g->appends = final && sc->nesting;
    g->total = !q->window && (q->nsets ? has_empty_set(q) : !q->ngroup);
    if (!g->naggs) { /* groups without aggregates are still counted */
        g->naggs = 1;
        g->aggs = ARENA_NEW(a, struct tree_agg);
        g->aggs->agg = (struct agg){.kind = AGG_COUNT_STAR, .type = TYPE(T_BIGINT)};
        g->aggs->id = column_add(b->columns, (struct tree_column){"COUNT(*)", NULL, TYPE(T_BIGINT), false});
    }
    tree_derive(g, a);
    q->tree = g;
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
    bool sessions = q->session || (q->window && q->window->kind == WINDOW_SESSION);
    for (unsigned i = 0; sessions && i < q->naggs; i++)
        if (!agg_splits(&q->aggs[i].agg)) {
            bind_error(sc->b, q->session ? q->session->place : s->window.place, "0A000", "%s%s cannot follow sessions that become one", agg_name(q->aggs[i].agg.kind),
                       q->aggs[i].agg.distinct ? " DISTINCT" : "");
            diag_hint(sc->b->diag, "make a table of the sessions first, or use TUMBLING or HOPPING windows");
            return E_SQL;
        }
    q->aggregates = q->naggs || q->ngroup;
    q->group_ids = ARENA_ARRAY(sc->b->arena, unsigned, q->ngroup + 1);
    for (unsigned i = 0; i < q->ngroup; i++) {
        const char *name = q->group_names[i] ? q->group_names[i] : arena_printf(sc->b->arena, "group_%u", i);
        q->group_ids[i] = q->nsets ? column_add(sc->b->columns, (struct tree_column){name, NULL, q->group[i]->type, false})
                                   : column_of(sc->b, q->group[i], name);
    }
    for (unsigned i = 0; i < q->nitems && !err; i++)
        err = over_groups(sc, &q->items[i].expr);
    return err ? err : over_groups(sc, &q->having);
}

/* The list as columns. What is shown under its own name is the column it was; what has another is a column of its own. */
static void make_items(struct scope *sc, struct bound *out)
{
    struct block *q = sc->q;
    struct columns *cs = sc->b->columns;
    struct arena *a = sc->b->arena;
    struct ids ids = {0, ARENA_ARRAY(a, unsigned, q->nitems + 2)};
    const struct expr **exprs = ARENA_ARRAY(a, const struct expr *, q->nitems + 2);
    out->n = 0;
    out->items = ARENA_ARRAY(a, struct query_item, q->nitems + 1);
    for (unsigned i = 0; i < q->nitems; i++) {
        const struct block_item *it = &q->items[i];
        bool same = it->expr->kind == EX_COLUMN && !ids_have(&ids, it->expr->column) && tree_has(q->tree, it->expr->column) &&
                    strcmp(cs->items[it->expr->column].name, it->name) == 0;
        exprs[i] = it->expr;
        ids.id[ids.n++] = same ? it->expr->column
                               : column_add(cs, (struct tree_column){it->name, NULL, it->expr->type, false});
        if (!it->hidden)
            out->items[out->n++] = (struct query_item){it->name, it->expr->type, ids.id[i]};
    }
    if (sc->use == QUERY_PERSISTENT && !sc->nesting && q->window) {
        sc->result->window = q->window;
        sc->result->window_start = q->window_ids[0];
        sc->result->window_end = window_has_end(q->window) ? q->window_ids[1] : NO_COLUMN;
        for (unsigned i = 0; i < (window_has_end(q->window) ? 2u : 1u); i++) {
            exprs[ids.n] = expr_of_id(cs, q->window_ids[i]);
            ids.id[ids.n++] = q->window_ids[i];
        }
    }
    bool ordered = sc->use == QUERY_PERSISTENT && !sc->nesting && q->nsort && !q->tree->stream && q->tree->nkeys;
    for (unsigned i = 0; ordered && i < q->tree->keys[0].n; i++) { /* by which bind_around finds the rows' key */
        unsigned id = q->tree->keys[0].id[i];
        if (ids_have(&ids, id))
            continue;
        const struct expr **more = ARENA_ARRAY(a, const struct expr *, ids.n + 1);
        memcpy(more, exprs, ids.n * sizeof *more);
        more[ids.n] = expr_of_id(cs, id);
        exprs = more;
        ids = ids_join(a, ids, (struct ids){1, &id});
    }
    out->tree = tree_project(a, q->tree, ids, exprs);
}

/* Which of the items show a stream's key, or a source's: a query around this one may want to know. */
static void mark_keys(const struct scope *sc, struct bound *out)
{
    const struct block *q = sc->q;
    out->key = ARENA_ARRAY(sc->b->arena, bool, out->n + 1);
    if (q->aggregates || q->nsources != 1)
        return;
    for (unsigned i = 0; i < q->nitems && i < out->n; i++) {
        const struct block_column *c = block_column(q, q->items[i].expr);
        out->key[i] = c && c->key;
    }
}

/* ORDER BY, LIMIT, OFFSET; sort[i].id: which column of the tree. Columns that only the order needs go. */
static struct tree *make_order(struct scope *sc, struct tree *in, const struct ast_select *s, const struct ids *hidden,
                               struct tree_sort *sort, unsigned nsort)
{
    struct arena *a = sc->b->arena;
    struct tree *t = tree_new(a, TREE_TOPN, in, NULL);
    t->nsort = nsort;
    t->sort = sort;
    t->limit = s->limit.given ? s->limit.n : -1;
    t->offset = s->offset.given ? s->offset.n : 0;
    t->place = s->order_place;
    for (unsigned i = 0; i < nsort; i++)
        sort[i].id = in->out.id[sort[i].id];
    tree_derive(t, a);
    struct ids keep = {0, ARENA_ARRAY(a, unsigned, in->out.n + 1)};
    for (unsigned i = 0; i < in->out.n; i++)
        if (!ids_have(hidden, in->out.id[i]))
            keep.id[keep.n++] = in->out.id[i];
    return hidden->n ? tree_keep(a, sc->b->columns, t, keep) : t;
}

struct tree *make_distinct(struct scope *sc, struct tree *in, const struct bound *items, unsigned *count)
{
    struct arena *a = sc->b->arena;
    struct tree *t = tree_new(a, TREE_AGGREGATE, in, NULL);
    t->groups = (struct ids){0, ARENA_ARRAY(a, unsigned, items->n + 1)};
    for (unsigned i = 0; i < items->n; i++)
        t->groups.id[t->groups.n++] = items->items[i].id;
    t->naggs = 1;
    t->aggs = ARENA_NEW(a, struct tree_agg);
    t->aggs->agg = (struct agg){.kind = AGG_COUNT_STAR, .type = TYPE(T_BIGINT)};
    t->aggs->id = *count =
        column_add(sc->b->columns, (struct tree_column){"COUNT(*)", NULL, TYPE(T_BIGINT), false});
    tree_derive(t, a);
    return t;
}

/* WHERE, and what ON of inner joins leaves to it. */
static int bind_where(struct scope *sc, const struct ast_select *s)
{
    const struct expr *where = NULL, *one;
    struct ast_exprs *later = &sc->q->later;
    sc->no_aggregates = "WHERE";
    int err = s->where ? resolve_conditions(sc, s->where, "WHERE", &where) : 0;
    for (unsigned i = 0; i < later->n && !err; i++) {
        err = resolve_conditions(sc, later->items[i], "ON", &one);
        if (!err && one)
            where = expr_and(sc->b, where, one);
    }
    if (!err && where)
        where = join_conditions(sc, sc->q->tree, where);
    if (!err)
        err = join_queries(sc, false);
    if (!err && where)
        sc->q->tree = filter_places(sc, sc->q->tree, where);
    sc->no_aggregates = NULL;
    return err;
}

/* One SELECT. `keyed`: it is the whole of a persistent query, and its key is to be found. */
/* Each row once per element of what EXPLODE names. */
static int make_unnest(struct scope *sc, const struct ast_select *s)
{
    struct block *q = sc->q;
    if (q->aggregates) {
        bind_error(sc->b, s->place, "42803", "EXPLODE makes rows, and aggregates take them: not in one SELECT");
        diag_hint(sc->b->diag, "write SELECT ... FROM (SELECT EXPLODE(...) AS x ... FROM ...)");
        return E_SQL;
    }
    struct tree *t = tree_new(sc->b->arena, TREE_UNNEST, q->tree, NULL);
    t->function = "EXPLODE";
    t->args = q->unnest;
    t->nargs = t->nmade = q->nunnest;
    t->out = ids_of(sc->b->arena, q->unnest_ids, q->nunnest);
    t->place = s->place;
    tree_derive(t, sc->b->arena);
    q->tree = t;
    return 0;
}

static int bind_block(struct scope *sc, const struct ast_select *s, bool keyed, bool as_table, struct bound *out)
{
    struct block *q = sc->q;
    const struct expr **partition;
    const char **partition_names;
    const struct expr *qualify = NULL;
    sc->overs = false;
    sc->windows = &s->windows;
    int err = bind_from(sc, s);
    if (!err)
        err = check_sys(sc);
    if (!err)
        err = bind_where(sc, s);
    if (!err)
        err = bind_window(sc->b, s, q, sc->final);
    sc->window = q->window != NULL;
    if (!err)
        err = bind_aggregation(sc, s);
    if (!err && q->session)
        err = check_sessions(sc);
    if (err)
        return err;
    if ((err = bind_qualify(sc, s, &qualify)) != 0)
        return err;
    bool table = q->aggregates || q->nover || !q->tree->stream;
    sc->items = &s->items;
    if ((err = bind_order(sc, s)) != 0 || (err = over_each(q, over_groups, sc)) != 0 || (err = check_use(sc, s, table)) != 0)
        return err;
    if (keyed && (err = check_kind(sc, s, table, as_table)) != 0)
        return err;
    sc->no_aggregates = "PARTITION BY";
    if ((err = bind_list(sc, &s->partition_by, &partition, &partition_names)) != 0)
        return err;
    sc->items = NULL;
    if ((err = join_queries(sc, false)) != 0)
        return err;
    if (q->nunnest && (err = make_unnest(sc, s)) != 0)
        return err;
    if (q->aggregates)
        make_aggregate(sc, sc->final);
    if ((err = join_queries(sc, true)) != 0)
        return err;
    if (q->having)
        q->tree = tree_filter(sc->b->arena, q->tree, q->having);
    make_overs(sc);
    if (qualify)
        q->tree = filter_places(sc, q->tree, qualify);
    if (keyed && (err = bind_key(sc, s, partition, s->partition_by.n)) != 0)
        return err;
    make_items(sc, out);
    mark_keys(sc, out);
    unsigned count;
    if (s->distinct)
        out->tree = make_distinct(sc, out->tree, out, &count);
    bool limited = s->limit.given && (sc->nesting || sc->use == QUERY_PULL);
    struct ids hidden = {0, ARENA_ARRAY(sc->b->arena, unsigned, q->nitems + 1)};
    for (unsigned i = 0; i < q->nitems; i++)
        if (q->items[i].hidden)
            hidden.id[hidden.n++] = out->tree->out.id[i];
    if (q->nsort || limited || s->offset.given)
        out->tree = make_order(sc, out->tree, s, &hidden, q->sort, q->nsort);
    return 0;
}

/* ORDER BY and LIMIT of what is no SELECT: by the names and numbers of its columns. */
static int order_body(struct scope *sc, const struct ast_select *s, struct bound *out)
{
    struct block q = {.tree = out->tree};
    struct scope in = *sc;
    in.q = &q;
    for (unsigned i = 0; i < out->n; i++)
        block_add_item(sc->b, &q, i,
                       (struct block_item){expr_column(sc->b, out->items[i].id, out->items[i].type, s->place),
                                           out->items[i].name, false});
    int err = bind_order(&in, s);
    if (!err)
        err = check_use(&in, s, !out->tree->stream);
    if (err)
        return err;
    bool limited = s->limit.given && (sc->nesting || sc->use == QUERY_PULL);
    if (!q.nsort && !limited && !s->offset.given)
        return 0;
    struct ids ids = {0, ARENA_ARRAY(sc->b->arena, unsigned, out->n + 1)};
    for (unsigned i = 0; i < out->n; i++)
        ids.id[ids.n++] = out->items[i].id;
    out->tree = make_order(sc, tree_keep(sc->b->arena, sc->b->columns, out->tree, ids), s, &(struct ids){0, NULL}, q.sort,
                           q.nsort);
    return 0;
}

/* ---- All together */

static int add_named(struct scope *sc, const struct ast_ctes *with)
{
    for (unsigned i = 0; i < with->n; i++) {
        for (unsigned k = 0; k < i; k++)
            if (str_eq_nocase(with->items[i].name.text, with->items[k].name.text))
                return bind_error(sc->b, with->items[i].name.place, "42712", "WITH names \"%.*s\" twice",
                                  STR_ARG(with->items[i].name.text));
        struct named_query *n = ARENA_NEW(sc->b->arena, struct named_query);
        *n = (struct named_query){&with->items[i], sc->named};
        sc->named = n;
    }
    return 0;
}

static int bind_named(struct scope *sc, const struct ast_select *s, bool keyed, bool as_table, struct bound *out)
{
    struct block block = {0};
    struct scope in = *sc;
    if (sc->nesting > SQL_NESTING)
        return bind_error(sc->b, s->place, "54001", "queries nest more than %d deep here", SQL_NESTING);
    if (sc->result->nblocks++ == SQL_BLOCKS)
        return bind_error(sc->b, s->place, "54001", "this statement has more than %d queries, counting those that WITH names "
                                                    "as often as they are read", SQL_BLOCKS);
    int err = add_named(&in, &s->with);
    if (err)
        return err;
    if (s->kind == AST_QUERY_SELECT) {
        in.q = &block;
        return bind_block(&in, s, keyed, as_table, out);
    }
    err = s->kind == AST_QUERY_VALUES ? bind_values(&in, s, out) : bind_set(&in, s, out);
    return err ? err : order_body(&in, s, out);
}

int bind_body(struct scope *sc, const struct ast_select *s, struct bound *out)
{
    return bind_named(sc, s, false, false, out);
}

/* What has no block whose key could be found: SELECT * of it, in one. */
static int bind_around(struct scope *sc, const struct ast_select *s, bool as_table, struct bound *out)
{
    struct block q = {.nsources = 1, .tree = out->tree};
    struct scope in = *sc;
    in.q = &q;
    q.sources = ARENA_NEW(sc->b->arena, struct block_source);
    *q.sources = (struct block_source){.alias = "", .table = !q.tree->stream, .ncols = out->n, .place = s->place};
    q.cols = ARENA_ARRAY(sc->b->arena, struct block_column, out->n + 1);
    for (unsigned i = 0; i < out->n; i++) {
        const struct query_item *it = &out->items[i];
        q.cols[q.ncols++] = (struct block_column){
            .name = it->name, .type = it->type, .id = it->id, .key = out->key && out->key[i], .star = true};
        block_add_item(sc->b, &q, i,
                       (struct block_item){expr_column(sc->b, it->id, it->type, s->place), it->name, false});
    }
    int err = check_kind(sc, s, !q.tree->stream, as_table);
    if (!err)
        err = bind_key(&in, s, NULL, 0);
    if (!err)
        make_items(&in, out);
    sc->result->nkey = q.nkey;
    return err;
}

static void show_items(struct arena *a, struct query *q)
{
    struct ids ids = {0, ARENA_ARRAY(a, unsigned, q->nitems + 1)};
    for (unsigned i = 0; i < q->nitems; i++)
        ids.id[ids.n++] = q->items[i].id;
    q->tree = tree_keep(a, q->columns, q->tree, ids);
}

int bind_query(const struct binding *b, const struct ast_select *s, enum query_use use, bool as_table,
               struct query *out)
{
    struct binding with = *b;
    struct bound bound = {0};
    *out = (struct query){.limit = s->limit.given && !s->order_by.n ? s->limit.n : -1, .window_start = NO_COLUMN, .window_end = NO_COLUMN};
    out->columns = with.columns = ARENA_NEW(b->arena, struct columns);
    out->columns->arena = b->arena;
    struct scope sc = {.b = &with, .result = out, .use = use, .final = s->emit == AST_EMIT_FINAL};
    bool keyed = use == QUERY_PERSISTENT, block = s->kind == AST_QUERY_SELECT && !s->distinct && !s->order_by.n;
    int err = bind_named(&sc, s, keyed && block, as_table, &bound);
    if (!err && keyed && !block)
        err = bind_around(&sc, s, as_table, &bound);
    if (!err && s->every.given && (bound.tree->stream || s->every.ms <= 0)) {
        bind_error(b, s->emit_place, "42601", bound.tree->stream ? "every row of a stream is told: EVERY is for tables, whose rows change"
                                                                 : "changes cannot be told every 0 ms");
        return E_SQL;
    }
    out->every_ms = s->every.ms;
    out->tree = bound.tree;
    out->nitems = bound.n;
    out->items = bound.items;
    if (!err && !keyed && out->tree->out.n > out->nitems) /* what was only counted is not shown */
        show_items(b->arena, out);
    return err ? err : count_rows(&sc, out);
}
