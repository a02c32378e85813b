/* A plan as people read it: the sink first, one line a node, what feeds a node indented below it. */
#include "engine/run/plan.h"

static void put_columns(struct wbuf *w, const unsigned *cols, unsigned n, const struct schema *sc)
{
    for (unsigned i = 0; i < n; i++)
        wbuf_printf(w, "%s%s", i ? ", " : "", sc->cols[cols[i]].name);
}

/* 3600000 as "1h": the largest unit that divides it. */
static void put_duration(struct wbuf *w, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    for (unsigned i = 0; i < ARRAY_LEN(units); i++)
        if (ms % units[i].ms == 0) {
            wbuf_printf(w, "%" PRId64 "%s", ms / units[i].ms, units[i].unit);
            return;
        }
}

static void put_agg(struct wbuf *w, const struct agg *a, const struct schema *in)
{
    const struct expr *args[] = {a->arg, a->arg2};
    wbuf_printf(w, "%s(%s", agg_name(a->kind), a->distinct ? "DISTINCT " : "");
    if (a->kind == AGG_COUNT_STAR)
        wbuf_str(w, STR("*"));
    else if (!in)
        wbuf_str(w, STR("..."));
    for (unsigned i = 0; in && i < ARRAY_LEN(args); i++) {
        if (!args[i])
            continue;
        wbuf_str(w, i ? STR(" by ") : STR(""));
        expr_print(args[i], in, w);
    }
    wbuf_str(w, a->descending ? STR(" descending)") : STR(")"));
    if (in && a->filter) {
        wbuf_str(w, STR(" where "));
        expr_print(a->filter, in, w);
    }
}

/* What costs state beside the groups. */
static void put_kept(struct wbuf *w, const struct plan_node *n)
{
    bool any = false;
    for (unsigned i = 0; n->phase != AGG_PARTIAL && i < n->naggs; i++) {
        if (!agg_keeps_values(&n->aggs[i], n->inputs[0]->mode == MODE_RETRACT) || n->aggs[i].shares)
            continue;
        wbuf_printf(w, "%s%s%s", any ? ", " : ", keeps the values of ", agg_name(n->aggs[i].kind),
                    n->aggs[i].distinct ? " DISTINCT" : "");
        any = true;
    }
}

static void put_aggregate(struct wbuf *w, const struct plan_node *n)
{
    const struct schema *in = &n->inputs[0]->out;
    wbuf_printf(w, "%s%s ", n->kind == PLAN_SESSION ? "SESSION" : "AGGREGATE", n->phase == AGG_PARTIAL ? " partial" : n->phase == AGG_FINAL ? " merge" : "");
    for (unsigned i = 0; i < n->naggs; i++) {
        if (i)
            wbuf_str(w, STR(", "));
        put_agg(w, &n->aggs[i], n->phase == AGG_FINAL ? NULL : in);
    }
    if (n->ngroup) {
        wbuf_str(w, STR(" by "));
        put_columns(w, n->group_cols, n->ngroup, in);
    }
    if (n->emit_final)
        wbuf_str(w, STR(", when the window closes"));
    put_kept(w, n);
}

static void put_residual(struct wbuf *w, const struct plan_node *n)
{
    struct arena a;
    arena_init(&a);
    struct schema both = plan_join_columns(n, &a);
    expr_print(n->residual, &both, w);
    arena_fini(&a);
}

static void put_bound(struct wbuf *w, const char *before, int64_t ms)
{
    wbuf_printf(w, "%s%s", before, ms < 0 ? "-" : "");
    if (ms)
        put_duration(w, ms < 0 ? -ms : ms);
    else
        wbuf_str(w, STR("0"));
}

static void put_join(struct wbuf *w, const struct plan_node *n)
{
    static const char *const names[] = {"", "LEFT ", "RIGHT ", "FULL ", "SEMI ", "ANTI "};
    const char *left = n->inputs[0]->mode == MODE_APPEND ? "stream" : "table";
    const char *right = n->inputs[1]->mode == MODE_APPEND ? "stream" : n->kind == PLAN_JOIN_TEMPORAL ? "version of table" : "table";
    wbuf_printf(w, "%sJOIN %s with %s", names[n->join], left, right);
    for (unsigned i = 0; i < n->njoin; i++)
        wbuf_printf(w, "%s%s = %s", i ? " and " : " on ", n->inputs[0]->out.cols[n->left_cols[i]].name,
                    n->inputs[1]->out.cols[n->right_cols[i]].name);
    if (n->residual) {
        wbuf_str(w, n->njoin ? STR(" and ") : STR(" on "));
        put_residual(w, n);
    }
    if (n->kind == PLAN_JOIN_INTERVAL) {
        put_bound(w, " within (", n->before_ms);
        put_bound(w, ", ", n->after_ms);
        wbuf_str(w, STR("), grace "));
        put_duration(w, n->grace_ms);
    }
}

/* What is read of values that are structures: the rest of them is not decoded. */
static void put_paths(struct wbuf *w, const struct plan_node *n)
{
    bool any = false;
    for (unsigned i = 0; i < n->nwants; i++) {
        const struct want *want = &n->wants[i];
        if (!want->depth)
            continue;
        const struct column *c = &n->format.value_cols[want->index];
        wbuf_printf(w, "%s%s", any ? ", " : ", of structures only ", c->name);
        struct type t = c->type;
        for (unsigned k = 0; k < want->depth; t = t.of->fields[want->path[k++]].type)
            wbuf_printf(w, "->%s", t.of->fields[want->path[k]].name);
        any = true;
    }
}

static void put_source(struct wbuf *w, const struct plan_node *n)
{
    wbuf_printf(w, "READ %s %s from topic %s", n->table ? "table" : "stream", n->relation, n->topic_name);
    put_paths(w, n);
    if (n->by_clock)
        wbuf_str(w, STR(", timed by the clock"));
    if (n->from_latest)
        wbuf_str(w, STR(", from its end"));
    if (n->from_ms > 0) {
        char time[TIMESTAMP_TEXT];
        wbuf_str(w, STR(", from "));
        wbuf_put(w, time, timestamp_format(n->from_ms, time));
    }
    if (n->until_end)
        wbuf_str(w, STR(", up to its end now"));
}

static void put_project(struct wbuf *w, const struct plan_node *n)
{
    wbuf_str(w, STR("PROJECT "));
    for (unsigned i = 0; i < n->out.n; i++) {
        struct wbuf text;
        wbuf_init(&text);
        expr_print(n->exprs[i], &n->inputs[0]->out, &text);
        wbuf_printf(w, "%s%.*s", i ? ", " : "", STR_ARG(wbuf_view(&text)));
        if (!str_eq(wbuf_view(&text), str_of(n->out.cols[i].name)))
            wbuf_printf(w, " AS %s", n->out.cols[i].name);
        wbuf_fini(&text);
    }
}

static void put_order(struct wbuf *w, const struct plan_node *n)
{
    for (unsigned i = 0; i < n->nsort; i++) {
        const struct sort_key *k = &n->sort[i];
        wbuf_printf(w, "%s%s%s", i ? ", " : "", n->out.cols[k->column].name, k->descending ? " descending" : "");
        if (k->nulls_first != k->descending)
            wbuf_printf(w, " nulls %s", k->nulls_first ? "first" : "last");
    }
}

static void put_frame_bound(struct wbuf *w, enum frame_bound b, const struct value *by)
{
    static const char *const names[] = {"first", "before", "current", "behind", "last"};
    if (b == BOUND_PRECEDING || b == BOUND_FOLLOWING) {
        value_format(by, w);
        wbuf_str(w, STR(" "));
    }
    wbuf_str(w, str_of(names[b]));
}

static bool has_frame(const struct over_func *f) { return f->kind == OVER_AGGREGATE || f->kind >= OVER_FIRST_VALUE; }

static void put_frame(struct wbuf *w, const struct frame *f)
{
    static const char *const units[] = {"values", "rows", "groups"}, *const without[] = {"", "itself", "its group", "its ties"};
    wbuf_printf(w, " over %s ", units[f->unit]);
    put_frame_bound(w, f->from, &f->before);
    wbuf_str(w, STR(" to "));
    put_frame_bound(w, f->to, &f->after);
    if (f->exclude)
        wbuf_printf(w, " without %s", without[f->exclude]);
}

static void put_over(struct wbuf *w, const struct over_func *f, const struct schema *in)
{
    static const char *const names[] = {"",    "ROW_NUMBER", "RANK",        "DENSE_RANK", "PERCENT_RANK", "CUME_DIST", "NTILE",
                                        "LAG", "LEAD",       "FIRST_VALUE", "LAST_VALUE", "NTH_VALUE"};
    if (f->kind == OVER_AGGREGATE)
        put_agg(w, &f->agg, in);
    else
        wbuf_printf(w, "%s(", names[f->kind]);
    if (f->arg >= 0)
        wbuf_str(w, str_of(in->cols[f->arg].name));
    if (f->kind == OVER_NTILE || f->kind == OVER_LAG || f->kind == OVER_LEAD || f->kind == OVER_NTH_VALUE)
        wbuf_printf(w, "%s%" PRId64, f->arg >= 0 ? ", " : "", f->n);
    if (f->kind != OVER_AGGREGATE)
        wbuf_str(w, STR(")"));
    if (has_frame(f))
        put_frame(w, &f->frame);
}

static void put_overs(struct wbuf *w, const struct plan_node *n)
{
    wbuf_str(w, STR("OVER "));
    for (unsigned i = 0; i < n->nover; i++) {
        wbuf_str(w, i ? STR(", ") : STR(""));
        put_over(w, &n->overs[i], &n->inputs[0]->out);
    }
    if (n->nsort)
        wbuf_str(w, STR(", by "));
    put_order(w, n);
    if (n->ngroup)
        wbuf_str(w, STR(" per "));
    put_columns(w, n->group_cols, n->ngroup, &n->inputs[0]->out);
    wbuf_str(w, STR(", keeps all rows"));
}

/* "TOP 3 by PRICE descending per ID, with RANK": which rows of each partition show. */
static void put_topn(struct wbuf *w, const struct plan_node *n)
{
    static const char *const names[] = {"", "ROW_NUMBER", "RANK", "DENSE_RANK"};
    wbuf_str(w, STR("TOP"));
    if (n->limit >= 0)
        wbuf_printf(w, " %" PRId64, n->limit);
    if (n->offset)
        wbuf_printf(w, " offset %" PRId64, n->offset);
    if (n->nsort)
        wbuf_str(w, STR(" by "));
    put_order(w, n);
    if (n->ngroup)
        wbuf_str(w, STR(" per "));
    put_columns(w, n->group_cols, n->ngroup, &n->inputs[0]->out);
    if (n->rank > RANK_ROW_NUMBER || n->rank_shown)
        wbuf_printf(w, ", %s %s", n->rank_shown ? "with" : "counted by", names[n->rank]);
    wbuf_str(w, n->inputs[0]->mode == MODE_APPEND ? STR(", keeps those alone") : STR(", keeps all rows"));
}

static void put_sort(struct wbuf *w, const struct plan_node *n)
{
    wbuf_str(w, n->nsort ? STR("SORT by ") : STR("TAKE"));
    put_order(w, n);
    if (n->limit >= 0)
        wbuf_printf(w, " limit %" PRId64, n->limit);
    if (n->offset)
        wbuf_printf(w, " offset %" PRId64, n->offset);
}

static void put_window(struct wbuf *w, const struct plan_node *n)
{
    static const char *const names[] = {"tumbling", "hopping", "session", "cumulating"};
    wbuf_printf(w, "WINDOW %s ", names[n->window]);
    put_duration(w, n->window_size_ms);
    if (n->window == WINDOW_HOPPING || n->window == WINDOW_CUMULATE) {
        wbuf_str(w, STR(" every "));
        put_duration(w, n->advance_ms);
    }
    if (n->offset_ms) {
        wbuf_str(w, STR(", offset "));
        put_duration(w, n->offset_ms);
    }
    if (n->zone)
        wbuf_printf(w, ", time of %s", n->zone);
    wbuf_str(w, STR(", grace "));
    put_duration(w, n->grace_ms);
    if (n->delay_ms && n->delay_ms != INT64_MAX) {
        wbuf_str(w, STR(", disorder "));
        put_duration(w, n->delay_ms);
    }
    if (n->sliced)
        wbuf_str(w, STR(", in slices"));
}

void plan_node_print(const struct plan_node *n, struct wbuf *w)
{
    switch (n->kind) {
    case PLAN_SOURCE:
        put_source(w, n);
        break;
    case PLAN_FILTER:
        wbuf_str(w, STR("FILTER "));
        expr_print(n->predicate, &n->inputs[0]->out, w);
        break;
    case PLAN_PROJECT:
        put_project(w, n);
        break;
    case PLAN_WINDOW:
        put_window(w, n);
        break;
    case PLAN_NORMALIZE:
        wbuf_str(w, STR("REMEMBER the last row per "));
        put_columns(w, n->key, n->nkey, &n->out);
        break;
    case PLAN_EXCHANGE:
        wbuf_str(w, n->nexchange ? STR("EXCHANGE by ") : STR("EXCHANGE to one task"));
        put_columns(w, n->exchange_cols, n->nexchange, &n->inputs[0]->out);
        break;
    case PLAN_AGGREGATE:
    case PLAN_SESSION:
        put_aggregate(w, n);
        break;
    case PLAN_EXPAND:
        wbuf_printf(w, "EXPAND to %u grouping sets of ", n->nsets);
        put_columns(w, n->group_cols, n->ngroup, &n->inputs[0]->out);
        break;
    case PLAN_JOIN_LOOKUP:
    case PLAN_JOIN_TABLE:
    case PLAN_JOIN_INTERVAL:
    case PLAN_JOIN_TEMPORAL:
        put_join(w, n);
        break;
    case PLAN_SINK_TOPIC:
        wbuf_printf(w, "WRITE %s %s to topic %s", n->inputs[0]->mode == MODE_APPEND ? "stream" : "table", n->relation,
                    n->topic_name);
        if (n->derived)
            wbuf_str(w, STR(", rows derived from its groups"));
        if (n->record)
            wbuf_str(w, STR(", each record's effect by itself"));
        break;
    case PLAN_SINK_QUERY:
        wbuf_str(w, STR("RESULT"));
        if (n->limit >= 0)
            wbuf_printf(w, " limit %" PRId64, n->limit);
        if (n->record)
            wbuf_str(w, STR(", each record's effect by itself"));
        break;
    case PLAN_SCAN:
        wbuf_printf(w, "LOOK AT table %s", n->relation);
        if (n->lookup)
            wbuf_printf(w, ", lookup by key (%u key%s)", n->nkeys, n->nkeys == 1 ? "" : "s");
        break;
    case PLAN_VALUES:
        wbuf_printf(w, "%u ROW%s", n->nrows, n->nrows == 1 ? "" : "S");
        break;
    case PLAN_SORT:
        put_sort(w, n);
        break;
    case PLAN_UNION:
        wbuf_str(w, STR("UNION ALL"));
        break;
    case PLAN_TOPN:
        put_topn(w, n);
        break;
    case PLAN_OVER:
        put_overs(w, n);
        break;
    case PLAN_DEDUP:
        wbuf_printf(w, "KEEP the %s row by event time per ", n->keep_last ? "last" : "first");
        put_columns(w, n->group_cols, n->ngroup, &n->inputs[0]->out);
        break;
    case PLAN_UNNEST:
        wbuf_str(w, n->keep_empty ? STR("EXPLODE, or once without elements, ") : STR("EXPLODE "));
        for (unsigned i = 0; i < n->narrays; i++) {
            wbuf_str(w, i ? STR(", ") : STR(""));
            expr_print(n->arrays[i], &n->inputs[0]->out, w);
        }
        break;
    case PLAN_EVERY:
        wbuf_str(w, STR("EVERY "));
        put_duration(w, n->every_ms);
        wbuf_str(w, STR(", what has changed since"));
        break;
    case PLAN_KINDS_:
        break;
    }
}

static void put_stats(struct wbuf *w, const struct node_stats *s)
{
    wbuf_printf(w, "  (in %" PRIu64 ", out %" PRIu64, s->rows_in, s->rows_out);
    if (s->late)
        wbuf_printf(w, ", late %" PRIu64, s->late);
    if (s->errors)
        wbuf_printf(w, ", errors %" PRIu64, s->errors);
    if (s->state_rows)
        wbuf_printf(w, ", keeps %" PRIu64 " rows in %" PRIu64 " bytes", s->state_rows, s->state_bytes);
    wbuf_str(w, STR(")"));
}

static void put_tree(struct wbuf *w, const struct plan_node *n, const struct node_stats *stats, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        wbuf_str(w, STR("  "));
    plan_node_print(n, w);
    if (n->kind != PLAN_SINK_QUERY && n->kind != PLAN_SINK_TOPIC)
        wbuf_printf(w, "  [%s]", edge_mode_name(n->mode));
    if (stats)
        put_stats(w, &stats[n->id]);
    wbuf_str(w, STR("\n"));
    for (unsigned i = 0; i < n->ninputs; i++)
        put_tree(w, n->inputs[i], stats, depth + 1);
}

void plan_print(const struct plan *p, const struct node_stats *stats, struct wbuf *out)
{
    put_tree(out, p->sink, stats, 0);
}
