/* EXPLAIN: a plan with its reasons. Below each operator's line: what it keeps and how that grows, what its aggregates cost
 * where rows may go again, why rows change tasks; and of a plan that has run, what was measured. */
#include "engine/run/plan.h"

struct explain {
    struct wbuf *w;
    const struct node_measure *measures; /* NULL: it did not run */
    double seconds;
    unsigned depth;
};

static void put_blanks(struct explain *ex, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        wbuf_u8(ex->w, ' ');
}

/* Lines about an operator stand below its own, a little to the right. */
static void put_indent(struct explain *ex, unsigned more) { put_blanks(ex, (ex->depth ? ex->depth * 4 + 4 : 2) + more); }

static void begin_line(struct explain *ex, const char *what)
{
    put_indent(ex, 0);
    wbuf_printf(ex->w, "%s: ", what);
}

static void put_names(struct wbuf *w, const unsigned *cols, unsigned n, const struct schema *sc)
{
    for (unsigned i = 0; i < n; i++)
        wbuf_printf(w, "%s%s", i ? ", " : "", sc->cols[cols[i]].name);
}

/* ---- What is kept, and how it grows */

/* A row of results per group; what is kept of the values beside them is told with the aggregates. */
static const char *state_of_aggregate(const struct plan_node *n)
{
    bool session = n->kind == PLAN_SESSION;
    if (n->phase == AGG_PARTIAL)
        return session ? "sessions of an epoch, handed over at its end; bounded" : "groups of an epoch, handed over at its end; bounded";
    if (session)
        return "each session, until its gap and the grace period are over; by keys, bounded by time";
    if (n->window_size_ms)
        return "a row per group and window, until the window closes; by keys, bounded by time";
    return n->ngroup ? "a row per group; grows by keys" : "one row; bounded";
}

static bool is_append(const struct plan_node *n) { return n->mode == MODE_APPEND; }

static const char *state_of_join(const struct plan_node *n)
{
    bool left = is_append(n->inputs[0]), right = is_append(n->inputs[1]);
    if (n->kind == PLAN_JOIN_INTERVAL)
        return "rows of both sides, until the time within and the grace period are over; bounded by time";
    if (n->kind == PLAN_JOIN_TEMPORAL)
        return "rows of the stream until event time has passed them, and the versions that they may ask for; grows by keys";
    if (n->kind == PLAN_JOIN_LOOKUP)
        return "the table's rows; grows by keys";
    if (left && right)
        return "all rows of both streams; grows by rows, for ever (WITHIN, or a condition on both times, would bound it)";
    if (left || right)
        return "all rows of both sides; those of the stream never go: grows by rows";
    return "all rows of both sides; grows with the tables";
}

static const char *state_of_places(const struct plan_node *n)
{
    if (n->kind == PLAN_DEDUP && !n->keep_last)
        return "a mark per partition, so that the first row stays the first; grows by keys";
    if (n->kind == PLAN_DEDUP)
        return "a row per partition; grows by keys";
    if (n->kind == PLAN_OVER)
        return n->ngroup ? "all rows, in order; grows by rows" : "all rows, in order, in one task; grows by rows";
    if (!is_append(n->inputs[0]) || n->limit < 0)
        return "all rows, in order, since those shown may go; grows by rows";
    return n->ngroup ? "the rows shown of each partition; grows by keys" : "the rows shown; bounded";
}

static const char *state_of_sink(const struct plan_node *n)
{
    if (is_append(n->inputs[0]))
        return NULL;
    if (n->derived)
        return "nothing: rows are derived from the groups below";
    return n->retention_ms > 0 ? "a row per key and window, until retention ends"
           : n->window_start_col >= 0                             ? "a row per key and window, for ever; grows by keys"
                                                                  : "a row per key; grows by keys";
}

/* NULL: nothing. */
static const char *state_of(const struct plan_node *n)
{
    switch (n->kind) {
    case PLAN_NORMALIZE:
        return "the last row per key, to take it back; grows by keys";
    case PLAN_WINDOW:
        return "the greatest event time of a task; bounded";
    case PLAN_AGGREGATE:
    case PLAN_SESSION:
        return state_of_aggregate(n);
    case PLAN_JOIN_LOOKUP:
    case PLAN_JOIN_TABLE:
    case PLAN_JOIN_INTERVAL:
    case PLAN_JOIN_TEMPORAL:
        return state_of_join(n);
    case PLAN_TOPN:
    case PLAN_DEDUP:
    case PLAN_OVER:
        return state_of_places(n);
    case PLAN_SORT:
        return "all rows, until the end of the query";
    case PLAN_SINK_TOPIC:
        return state_of_sink(n);
    default:
        return NULL;
    }
}

/* ---- What aggregates cost */

enum cost { COST_UNDO, COST_ONCE, COST_KEPT, COST_ANEW, COST_DISTINCT, COSTS };

static enum cost cost_of(const struct agg *a, bool retract)
{
    if (agg_mode(a->kind) == AGG_VALUES)
        return COST_ANEW;
    if (a->distinct)
        return COST_DISTINCT;
    return agg_mode(a->kind) == AGG_UNDO ? COST_UNDO : retract ? COST_KEPT : COST_ONCE;
}

static void put_aggregates(struct explain *ex, const struct plan_node *n)
{
    static const char *const words[COSTS] = {
        [COST_UNDO] = "retractable: a row that goes is taken off",
        [COST_ONCE] = "append-only: rows only come here, so only the best is kept",
        [COST_KEPT] = "append-only, and rows may go here: keeps its values, in order; grows by rows",
        [COST_ANEW] = "recomputing: keeps its values and reads them when a group has changed; grows by rows",
        [COST_DISTINCT] = "DISTINCT: keeps its values, counted; grows by rows",
    };
    bool retract = !is_append(n->inputs[0]), first = true;
    for (enum cost c = 0; c < COSTS; c++) {
        unsigned count = 0;
        for (unsigned i = 0; i < n->naggs; i++) {
            if (cost_of(&n->aggs[i], retract) != c)
                continue;
            if (!count++) {
                if (first)
                    begin_line(ex, "Aggregates");
                else
                    put_indent(ex, 12);
                first = false;
            }
            wbuf_printf(ex->w, "%s%s", count > 1 ? ", " : "", agg_name(n->aggs[i].kind));
        }
        if (count)
            wbuf_printf(ex->w, " %s %s\n", count > 1 ? "are" : "is", words[c]);
    }
}

/* ---- Why rows change tasks */

/* Who asked for it: what stands above, past what lets rows through as they are. */
static const char *asked_by(const struct plan_node *above, const struct plan_node *x)
{
    bool one = x->nexchange == 0;
    switch (above->kind) {
    case PLAN_AGGREGATE:
    case PLAN_SESSION:
        if (above->phase == AGG_FINAL)
            return one ? "a total is put together in one task" : "what tasks know of a group is put together in one of them";
        return one ? "a total needs all rows in one task" : "all rows of a group meet in one task";
    case PLAN_JOIN_TABLE:
    case PLAN_JOIN_LOOKUP:
    case PLAN_JOIN_INTERVAL:
    case PLAN_JOIN_TEMPORAL:
        return one ? "without an equality any row may meet any: all are in one task" : "rows of equal keys on both sides meet in one task";
    case PLAN_TOPN:
    case PLAN_DEDUP:
    case PLAN_OVER:
        return one ? "one order of all rows is made in one task" : "a partition is put in order in one task";
    case PLAN_SORT:
        return "one order of all rows is made in one task";
    case PLAN_UNION:
        return "rows of both inputs are spread alike";
    case PLAN_SINK_TOPIC:
    case PLAN_SINK_QUERY:
        return one ? "the result is made in one task" : "changes of a key come from several tasks, and are netted in one";
    default:
        return "the operator above needs these rows together";
    }
}

static const struct plan_node *spread_below(const struct plan_node *n)
{
    while (n->ninputs && n->kind != PLAN_EXCHANGE)
        n = n->inputs[0];
    return n;
}

static void put_reason(struct explain *ex, const struct plan_node *x, const struct plan_node *above)
{
    const struct plan_node *was = spread_below(x->inputs[0]);
    begin_line(ex, "Reason");
    wbuf_str(ex->w, str_of(asked_by(above, x)));
    if (was->kind == PLAN_SOURCE)
        wbuf_printf(ex->w, "; they lie as topic %s is partitioned", was->topic_name);
    else if (was->kind == PLAN_SCAN)
        wbuf_printf(ex->w, "; they lie as %s is spread", was->relation);
    else if (was->kind == PLAN_EXCHANGE && was->nexchange) {
        wbuf_str(ex->w, STR("; they are spread by "));
        put_names(ex->w, was->exchange_cols, was->nexchange, &was->out);
    } else if (was->kind == PLAN_EXCHANGE)
        wbuf_str(ex->w, STR("; they are in one task"));
    if (x->drop_null_key)
        wbuf_str(ex->w, STR("; rows with NULL there are left out"));
    wbuf_u8(ex->w, '\n');
}

/* ---- What was measured */

static void put_rate(struct explain *ex, const char *what, uint64_t n, uint64_t before)
{
    wbuf_printf(ex->w, "%s %" PRIu64, what, n);
    if (ex->seconds > 0)
        wbuf_printf(ex->w, " (%.0f/s)", (double)(n - MIN(before, n)) / ex->seconds);
}

static void put_measure(struct explain *ex, const struct plan_node *n)
{
    const struct node_measure *m = &ex->measures[n->id];
    const struct node_stats *s = &m->now;
    double busy = (double)(s->busy_us - MIN(m->before.busy_us, s->busy_us));
    begin_line(ex, "Rows");
    put_rate(ex, "in", s->rows_in, m->before.rows_in);
    put_rate(ex, ", out", s->rows_out, m->before.rows_out);
    if (s->late)
        wbuf_printf(ex->w, ", late %" PRIu64, s->late);
    if (s->errors)
        wbuf_printf(ex->w, n->kind == PLAN_EXCHANGE ? ", left out %" PRIu64 : ", errors %" PRIu64, s->errors);
    wbuf_printf(ex->w, "; busy %.1f ms", (double)s->busy_us / 1000);
    if (ex->seconds > 0)
        wbuf_printf(ex->w, " (%.1f %%)", busy / ex->seconds / 10000);
    if (s->state_rows || s->state_bytes)
        wbuf_printf(ex->w, "; keeps %" PRIu64 " rows, %" PRIu64 " bytes", s->state_rows, s->state_bytes);
    if (m->watermark_ms != INT64_MIN && m->watermark_ms != INT64_MAX) {
        char time[TIMESTAMP_TEXT];
        wbuf_str(ex->w, STR("; watermark "));
        wbuf_put(ex->w, time, timestamp_format(m->watermark_ms, time));
    }
    wbuf_u8(ex->w, '\n');
}

/* ---- The tree */

static void put_edge(struct wbuf *w, const struct plan_node *n)
{
    wbuf_printf(w, "  [%s", edge_mode_name(n->mode));
    if (n->nkey && n->mode != MODE_APPEND) {
        wbuf_str(w, STR(", unique "));
        put_names(w, n->key, n->nkey, &n->out);
    }
    wbuf_u8(w, ']');
}

static bool lets_through(const struct plan_node *n) { return n->kind == PLAN_PROJECT || n->kind == PLAN_FILTER; }

static void put_tree(struct explain *ex, const struct plan_node *n, const struct plan_node *above)
{
    const char *state = state_of(n);
    if (ex->depth) {
        put_blanks(ex, ex->depth * 4 - 2);
        wbuf_str(ex->w, STR("->  "));
    }
    plan_node_print(n, ex->w);
    if (n->kind != PLAN_SINK_QUERY && n->kind != PLAN_SINK_TOPIC)
        put_edge(ex->w, n);
    wbuf_u8(ex->w, '\n');
    if (n->kind == PLAN_EXCHANGE)
        put_reason(ex, n, above);
    if (state) {
        begin_line(ex, "State");
        wbuf_printf(ex->w, "%s\n", state);
    }
    if ((n->kind == PLAN_AGGREGATE || n->kind == PLAN_SESSION) && n->phase != AGG_PARTIAL)
        put_aggregates(ex, n);
    if (ex->measures)
        put_measure(ex, n);
    ex->depth++;
    for (unsigned i = 0; i < n->ninputs; i++)
        put_tree(ex, n->inputs[i], lets_through(n) && above ? above : n);
    ex->depth--;
}

void plan_explain(const struct plan *p, const struct node_measure *measures, double seconds, struct wbuf *out)
{
    struct explain ex = {.w = out, .measures = measures, .seconds = seconds};
    put_tree(&ex, p->sink, NULL);
}
