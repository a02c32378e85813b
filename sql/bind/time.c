/* Time of rows: which column shows the time that windows, watermarks and interval joins go by, and the moment at which rows are
 * read; how a query shows either of what it reads; and windows by the clock. */
#include "sql/bind/select.h"

/* ---- Asking */

static int place_in(const struct tree *t, unsigned id)
{
    for (unsigned i = 0; i < t->out.n; i++)
        if (t->out.id[i] == id)
            return (int)i;
    return -1;
}

/* Is it what these rows' own time is made of, or a column that shows just that? */
static bool is_declared_time(const struct relation *rel, const struct want *w)
{
    const struct row_format *f = &rel->format;
    if (w->from == WANT_ROWTIME)
        return true;
    if (w->from > WANT_VALUE || f->ts_column < 0)
        return false;
    struct type type = (w->from == WANT_KEY ? f->key_cols : f->value_cols)[w->index].type;
    return (unsigned)f->ts_column == (w->from == WANT_KEY ? w->index : f->nkey + w->index) &&
           (type.id == T_BIGINT || type.id == T_TIMESTAMP);
}

/* The later of both sides' times, as what joins them has it. */
static bool is_later(const struct tree *join, const struct expr *e)
{
    if (join->kind != TREE_JOIN || e->kind != EX_CALL || e->nargs != 2 || strcmp(func_info(e->func)->name, "GREATEST") != 0 ||
        (join->meet != MEET_INTERVAL && join->meet != MEET_STATE))
        return false;
    for (unsigned i = 0; i < 2; i++)
        if (e->args[i]->kind != EX_COLUMN || !tree_event_time(join->inputs[i], e->args[i]->column))
            return false;
    return true;
}

/* Of final results: their time is the last moment of their window, so its bounds are that far from it. */
static bool is_bound(const struct tree *t, unsigned id, int64_t *ms)
{
    const struct tree_window *w = t->bounds;
    if (!t->appends || !w || (id != t->start && id != t->end))
        return false;
    *ms = id == t->end ? 1 : 1 - w->size_ms;
    return id == t->end || (!w->zone && w->kind != WINDOW_CUMULATE);
}

/* *ms: it is so much more than the time. */
static bool shows(const struct tree *t, unsigned id, bool clock, int64_t *ms)
{
    int at = place_in(t, id);
    int64_t left;
    *ms = 0;
    if (at < 0)
        return false;
    switch (t->kind) {
    case TREE_SOURCE:
        if (t->scan || clock || t->by_clock)
            return !t->scan && t->wants[at].from == WANT_PROCTIME;
        return is_declared_time(t->rel, &t->wants[at]);
    case TREE_PROJECT:
        return t->exprs[at]->kind == EX_COLUMN ? shows(t->inputs[0], t->exprs[at]->column, clock, ms)
                                               : !clock && is_later(t->inputs[0], t->exprs[at]);
    case TREE_JOIN:
        if (t->meet == MEET_INTERVAL && !clock && !t->before_ms && !t->after_ms && t->join <= JOIN_LEFT) /* of the same moment */
            return shows(t->inputs[0], id, clock, ms) || (t->join == JOIN_INNER && shows(t->inputs[1], id, clock, ms));
        return (t->meet == MEET_LOOKUP || t->meet == MEET_TEMPORAL || clock) && shows(t->inputs[0], id, clock, ms);
    case TREE_AGGREGATE:
        return !clock && is_bound(t, id, ms);
    case TREE_UNION:
        return shows(t->inputs[0], t->from[0].id[at], clock, &left) && shows(t->inputs[1], t->from[1].id[at], clock, ms) && left == *ms;
    case TREE_FILTER:
    case TREE_UNNEST:
    case TREE_EXPAND:
    case TREE_WINDOW:
    case TREE_TOPN:
        return (t->kind != TREE_TOPN || t->stream) && shows(t->inputs[0], id, clock, ms);
    default:
        return false;
    }
}

bool tree_event_time(const struct tree *t, unsigned id)
{
    int64_t ms;
    return shows(t, id, false, &ms) && ms == 0;
}

bool tree_clock_time(const struct tree *t, unsigned id)
{
    int64_t ms;
    return shows(t, id, true, &ms);
}

bool tree_near_time(const struct tree *t, unsigned id, int64_t *ms) { return shows(t, id, false, ms); }

bool tree_has_final(const struct tree *t)
{
    bool has = t->kind == TREE_AGGREGATE && t->appends;
    for (unsigned i = 0; i < t->ninputs && !has; i++)
        has = tree_has_final(t->inputs[i]);
    return has;
}

bool tree_by_clock(const struct tree *t)
{
    bool by_clock = t->kind == TREE_SOURCE && t->by_clock;
    for (unsigned i = 0; i < t->ninputs && !by_clock; i++)
        by_clock = tree_by_clock(t->inputs[i]);
    return by_clock;
}

/* ---- Showing */

static unsigned show(struct tree **at, enum want_from what, struct columns *cs, struct arena *a);

static unsigned time_column(struct columns *cs, enum want_from what)
{
    return column_add(cs, what == WANT_ROWTIME ? (struct tree_column){"ROWTIME", NULL, TYPE(T_BIGINT), true}
                                               : (struct tree_column){"PROCTIME", NULL, TYPE(T_TIMESTAMP), true});
}

static unsigned show_source(struct tree *t, enum want_from what, struct columns *cs, struct arena *a)
{
    if (t->scan || t->rel->table || t->rel->sys)
        return NO_COLUMN;
    for (unsigned i = 0; i < t->out.n; i++)
        if (t->wants[i].from == what)
            return t->out.id[i];
    struct want *wants = ARENA_ARRAY(a, struct want, t->out.n + 1);
    memcpy(wants, t->wants, t->out.n * sizeof *wants);
    wants[t->out.n] = (struct want){.from = what};
    t->wants = wants;
    ids_add(a, &t->out, time_column(cs, what));
    return t->out.id[t->out.n - 1];
}

static unsigned show_project(struct tree *t, enum want_from what, struct columns *cs, struct arena *a)
{
    unsigned id = show(&t->inputs[0], what, cs, a);
    for (unsigned i = 0; i < t->out.n && id != NO_COLUMN; i++)
        if (t->exprs[i]->kind == EX_COLUMN && t->exprs[i]->column == id)
            return t->out.id[i];
    if (id == NO_COLUMN || tree_has(t, id)) /* what has its number is something else */
        return NO_COLUMN;
    const struct expr **exprs = ARENA_ARRAY(a, const struct expr *, t->out.n + 1);
    memcpy(exprs, t->exprs, t->out.n * sizeof *exprs);
    exprs[t->out.n] = expr_of_id(cs, id);
    t->exprs = exprs;
    ids_add(a, &t->out, id);
    return id;
}

static unsigned show_union(struct tree *t, enum want_from what, struct columns *cs, struct arena *a)
{
    unsigned left = show(&t->inputs[0], what, cs, a), right = left == NO_COLUMN ? left : show(&t->inputs[1], what, cs, a);
    if (right == NO_COLUMN)
        return right;
    t->from[0] = ids_join(a, t->from[0], (struct ids){1, &left});
    t->from[1] = ids_join(a, t->from[1], (struct ids){1, &right});
    ids_add(a, &t->out, time_column(cs, what));
    return t->out.id[t->out.n - 1];
}

static unsigned show_join(struct tree **at, enum want_from what, struct columns *cs, struct arena *a)
{
    struct tree *t = *at;
    unsigned id[2], func;
    if (t->meet == MEET_LOOKUP || t->meet == MEET_TEMPORAL)
        return show(&t->inputs[0], what, cs, a);
    struct type types[2] = {TYPE(T_BIGINT), TYPE(T_BIGINT)}, casts[2], result;
    struct diag ignored;
    for (unsigned i = 0; i < 2; i++)
        if (what != WANT_ROWTIME || (id[i] = show(&t->inputs[i], what, cs, a)) == NO_COLUMN)
            return NO_COLUMN;
    tree_derive(t, a);
    if (func_resolve(STR("GREATEST"), types, 2, &func, casts, &result, &ignored) != 0)
        return NO_COLUMN;
    struct expr *later = &ARENA_NEW(a, struct placed)->e;
    const struct expr **args = (const struct expr **)ARENA_ARRAY(a, const struct expr *, 2);
    for (unsigned i = 0; i < 2; i++)
        args[i] = expr_of_id(cs, id[i]);
    *later = (struct expr){.kind = EX_CALL, .type = result, .func = func, .nargs = 2, .args = args};
    unsigned made = time_column(cs, what);
    const struct expr **exprs = (const struct expr **)ARENA_ARRAY(a, const struct expr *, 1);
    exprs[0] = later;
    *at = tree_add(a, cs, t, ids_of(a, &made, 1), exprs);
    return made;
}

/* Of a stream: its ROWTIME or PROCTIME as a column, through whatever is above the source that has it. */
static unsigned show(struct tree **at, enum want_from what, struct columns *cs, struct arena *a)
{
    struct tree *t = *at;
    unsigned id = NO_COLUMN;
    if (!t->stream)
        return id;
    switch (t->kind) {
    case TREE_SOURCE:
        return show_source(t, what, cs, a);
    case TREE_PROJECT:
        id = show_project(t, what, cs, a);
        break;
    case TREE_UNION:
        id = show_union(t, what, cs, a);
        break;
    case TREE_JOIN:
        id = show_join(at, what, cs, a);
        if (*at != t)
            return id;
        break;
    case TREE_FILTER:
    case TREE_UNNEST:
    case TREE_EXPAND:
    case TREE_WINDOW:
    case TREE_TOPN:
        id = show(&t->inputs[0], what, cs, a);
        break;
    default:
        return id;
    }
    tree_derive(t, a);
    return id;
}

unsigned tree_show_time(struct tree **t, bool clock, struct columns *cs, struct arena *a)
{
    return show(t, clock ? WANT_PROCTIME : WANT_ROWTIME, cs, a);
}

/* ---- By the clock */

/* What hinders it; NULL: nothing. */
static const struct tree *set_clock(struct tree *t)
{
    const struct tree *bad = NULL;
    switch (t->kind) {
    case TREE_SOURCE:
        t->by_clock = !t->rel->table && !t->rel->sys;
        return t->by_clock ? NULL : t;
    case TREE_JOIN: /* the table's rows have no time that would count */
        return t->meet == MEET_LOOKUP ? set_clock(t->inputs[0]) : t;
    case TREE_FILTER:
    case TREE_PROJECT:
    case TREE_UNNEST:
    case TREE_UNION:
        for (unsigned i = 0; i < t->ninputs && !bad; i++)
            bad = set_clock(t->inputs[i]);
        return bad;
    default:
        return t;
    }
}

int time_by_clock(const struct binding *b, struct tree *t, struct place place)
{
    if (!set_clock(t))
        return 0;
    bind_error(b, place, "0A000", "windows by the clock are over streams as they are read, not over what is made of their event time");
    diag_hint(b->diag, "write what is below as a CREATE STREAM of its own, and the windows over that");
    return E_SQL;
}
