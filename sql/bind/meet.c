/* How both sides of a join meet: by what is kept of them, in a table as it is when a row arrives or was at a row's time, or
 * near each other in time. */
#include "sql/bind/select.h"

enum { DAY_MS = 86400000 };

/* ---- Conditions that bound how far both sides' times lie apart. */

/* left times the left row's time + right times the right one's + ms. */
struct linear {
    int left, right;
    int64_t ms;
};

static bool constant_ms(const struct expr *e, struct arena *a, int64_t *ms)
{
    struct value v;
    struct diag ignored;
    bool fits = e->type.id == T_BIGINT || e->type.id == T_INT || (e->type.id == T_INTERVAL && e->type.precision == 0);
    if (!fits || expr_is_volatile(e) || expr_const(e, &v, a, &ignored) != 0 || v.null)
        return false;
    *ms = v.i;
    return true;
}

static bool linear_of(const struct tree *t, const struct expr *e, struct arena *a, struct linear *out)
{
    struct linear x, y;
    *out = (struct linear){0};
    if (expr_reads_only(e, &(struct ids){0}))
        return constant_ms(e, a, &out->ms);
    if (e->kind == EX_COLUMN) {
        out->left = tree_near_time(t->inputs[0], e->column, &out->ms);
        out->right = !out->left && tree_near_time(t->inputs[1], e->column, &out->ms);
        return out->left || out->right;
    }
    if (e->kind == EX_CAST && (e->type.id == T_BIGINT || e->type.id == T_TIMESTAMP))
        return linear_of(t, e->args[0], a, out);
    const char *op = e->kind == EX_CALL && e->nargs == 2 ? func_info(e->func)->name : "";
    bool minus = strcmp(op, "-") == 0;
    if ((!minus && strcmp(op, "+") != 0) || !linear_of(t, e->args[0], a, &x) || !linear_of(t, e->args[1], a, &y))
        return false;
    int sign = minus ? -1 : 1;
    *out = (struct linear){x.left + sign * y.left, x.right + sign * y.right, 0};
    return minus ? !__builtin_sub_overflow(x.ms, y.ms, &out->ms) : !__builtin_add_overflow(x.ms, y.ms, &out->ms);
}

struct bounds { /* of right's time - left's */
    int64_t least, most;
};

/* Narrows the bounds by e; false: it is no such condition. */
static bool bound_by(const struct tree *t, const struct expr *e, struct arena *a, struct bounds *b)
{
    const struct { const char *name; int sign, strict; } ops[] = {{"<=", 1, 0}, {"<", 1, 1}, {">=", -1, 0}, {">", -1, 1}};
    const char *name = e->kind == EX_CALL && e->nargs == 2 ? func_info(e->func)->name : "";
    const int64_t far = INT64_C(1) << 58;
    struct linear x, y;
    unsigned k = 0;
    while (k < ARRAY_LEN(ops) && strcmp(name, ops[k].name) != 0)
        k++;
    if (k == ARRAY_LEN(ops) || !linear_of(t, e->args[0], a, &x) || !linear_of(t, e->args[1], a, &y))
        return false;
    /* sign * (x - y) <= -strict, that is: right * (right's - left's) + ms <= 0 */
    int right = ops[k].sign * (x.right - y.right), left = ops[k].sign * (x.left - y.left);
    if (right * right != 1 || left != -right || x.ms > far || x.ms < -far || y.ms > far || y.ms < -far)
        return false;
    int64_t ms = ops[k].sign * (x.ms - y.ms) + ops[k].strict;
    if (right > 0)
        b->most = MIN(b->most, -ms);
    else
        b->least = MAX(b->least, ms);
    return true;
}

/* Without GRACE PERIOD an inner join waits for rows that are up to a day late, as windows do; rows without a match are not
 * held up so long. */
static int64_t grace_of(const struct tree *t, const struct ast_within *w)
{
    if (w && w->grace.given)
        return w->grace.ms;
    if (tree_has_final(t)) /* what is final is not late */
        return 0;
    return t->join == JOIN_INNER ? MAX(DAY_MS - t->before_ms - t->after_ms, (int64_t)0) : 0;
}

/* Bounds of windows that are the same, of final results: so are their times. It stays a condition, too. */
static void bound_by_equality(const struct tree *t, const struct expr *e, struct arena *a, struct bounds *b)
{
    struct linear x, y;
    if (!expr_is_equality(e) || !linear_of(t, e->args[0], a, &x) || !linear_of(t, e->args[1], a, &y) ||
        (x.right - y.right) * (x.right - y.right) != 1 || x.left - y.left != y.right - x.right)
        return;
    int64_t apart = (x.right - y.right) * (y.ms - x.ms);
    b->least = MAX(b->least, apart);
    b->most = MIN(b->most, apart);
}

/* What does not bound the times. */
static const struct expr *rest_of(const struct binding *b, const struct tree *t, const struct expr *on, struct bounds *bounds)
{
    const struct expr *rest = NULL;
    if (on->kind != EX_AND && tree_has_final(t))
        bound_by_equality(t, on, b->arena, bounds);
    if (on->kind != EX_AND)
        return bound_by(t, on, b->arena, bounds) ? NULL : on;
    for (unsigned i = 0; i < on->nargs; i++)
        rest = expr_and(b, rest, rest_of(b, t, on->args[i], bounds));
    return rest;
}

/* Two streams of which the condition says how far apart in time rows may lie: what says so is taken out of it. */
static bool meets_by_time(const struct binding *b, struct tree *t)
{
    struct bounds bounds = {INT64_MIN, INT64_MAX};
    if (!t->on || !t->inputs[0]->stream || !t->inputs[1]->stream || tree_by_clock(t->inputs[0]) != tree_by_clock(t->inputs[1]))
        return false;
    const struct expr *rest = rest_of(b, t, t->on, &bounds);
    if (bounds.least == INT64_MIN || bounds.most == INT64_MAX || bounds.least > bounds.most)
        return false;
    t->before_ms = -bounds.least;
    t->after_ms = bounds.most;
    t->on = rest;
    return true;
}

/* ---- Tables */

static bool has_whole_key(const struct scope *sc, const struct tree *t)
{
    const struct tree *r = t->inputs[1];
    struct ids equal = join_equated(t, sc->b->arena);
    return r->kind == TREE_SOURCE && r->rel->table && !r->rel->windowed && t->on && tree_unique_in(r, &equal);
}

/* A stream's rows look up what a declared table has for them when they arrive, by its whole key. */
static bool looks_up(const struct scope *sc, const struct tree *t)
{
    return sc->use != QUERY_PULL && t->inputs[0]->stream && (t->join == JOIN_INNER || t->join == JOIN_LEFT) && has_whole_key(sc, t);
}

void join_meet(const struct scope *sc, struct tree *t)
{
    t->meet = looks_up(sc, t) ? MEET_LOOKUP : meets_by_time(sc->b, t) ? MEET_INTERVAL : MEET_STATE;
    if (t->meet == MEET_INTERVAL)
        t->grace_ms = grace_of(t, NULL);
}

/* ---- WITHIN, FOR SYSTEM_TIME AS OF */

int join_within(const struct scope *sc, struct tree *t, const struct ast_within *w)
{
    for (unsigned i = 0; i < 2; i++) {
        if (t->inputs[i]->stream)
            continue;
        bind_error(sc->b, w->place, "42P10", "WITHIN joins two streams; the %s side of this join is a table", i ? "right" : "left");
        diag_hint(sc->b->diag, "without WITHIN rows meet what the table has");
        return E_SQL;
    }
    if (tree_by_clock(t->inputs[0]) != tree_by_clock(t->inputs[1]))
        return bind_error(sc->b, w->place, "42P10", "one side of this join is timed by the clock, the other by its event time");
    t->meet = MEET_INTERVAL;
    t->before_ms = w->before.ms;
    t->after_ms = w->after.ms;
    t->grace_ms = grace_of(t, w);
    return 0;
}

/* The table's history is what counts, also where its rows of now are at hand. */
int join_as_of(struct scope *sc, struct tree *t, const struct ast_expr *as_of)
{
    const struct binding *b = sc->b;
    struct tree *r = t->inputs[1];
    const struct expr *e;
    int err = resolve_expr(sc, as_of, &e);
    if (err)
        return err;
    if (e->kind == EX_COLUMN && tree_clock_time(t->inputs[0], e->column)) { /* as it is when the row is read */
        join_meet(sc, t);
        if (t->meet == MEET_LOOKUP || (sc->use == QUERY_PULL && has_whole_key(sc, t)))
            return 0;
        bind_error(b, as_of->place, "42P10", "AS OF the clock takes JOIN or LEFT JOIN of a stream with a table, by its whole primary key");
        diag_hint(b->diag, "ON says which row: table.key = ...");
        return E_SQL;
    }
    if (e->kind != EX_COLUMN || !t->inputs[0]->stream || !tree_event_time(t->inputs[0], e->column)) {
        bind_error(b, as_of->place, "42P10", "AS OF takes the event time of the stream on the left side");
        diag_hint(b->diag, "write its ROWTIME, with the stream's name in front");
        return E_SQL;
    }
    if (t->join != JOIN_INNER && t->join != JOIN_LEFT)
        return bind_error(b, t->place, "0A000", "versions of a table are joined by JOIN or LEFT JOIN only");
    if (!has_whole_key(sc, t)) {
        bind_error(b, as_of->place, "42P10", "FOR SYSTEM_TIME AS OF takes a table, joined by its whole primary key");
        diag_hint(b->diag, "ON says which row: table.key = ...");
        return E_SQL;
    }
    t->meet = MEET_TEMPORAL;
    r->scan = false;
    return 0;
}
