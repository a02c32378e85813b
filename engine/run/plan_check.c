/* What must hold in a plan: columns exist and have the types that are read from them, modes of edges fit, fragments
 * draw from one kind of input. A plan comes from disk, so nothing in it is believed. */
#include "engine/run/plan.h"
#include "log/base/limits.h"
#include <stdio.h>

static const struct kind_info {
    const char *name;
    unsigned inputs;
} kinds[] = {
    [PLAN_SOURCE] = {"SOURCE", 0},       [PLAN_FILTER] = {"FILTER", 1},           [PLAN_PROJECT] = {"PROJECT", 1},
    [PLAN_WINDOW] = {"WINDOW", 1},       [PLAN_NORMALIZE] = {"NORMALIZE", 1},     [PLAN_EXCHANGE] = {"EXCHANGE", 1},
    [PLAN_AGGREGATE] = {"AGGREGATE", 1}, [PLAN_JOIN_LOOKUP] = {"LOOKUP JOIN", 2}, [PLAN_JOIN_TABLE] = {"TABLE JOIN", 2},
    [PLAN_SINK_TOPIC] = {"SINK", 1},     [PLAN_SINK_QUERY] = {"RESULT", 1},       [PLAN_SCAN] = {"SCAN", 0},
    [PLAN_SORT] = {"SORT", 1},           [PLAN_UNION] = {"UNION", 2},          [PLAN_UNNEST] = {"UNNEST", 1},
    [PLAN_VALUES] = {"VALUES", 0},       [PLAN_JOIN_INTERVAL] = {"INTERVAL JOIN", 2}, [PLAN_JOIN_TEMPORAL] = {"TEMPORAL JOIN", 2},
    [PLAN_TOPN] = {"TOP N", 1},
    [PLAN_DEDUP] = {"DEDUPLICATE", 1},     [PLAN_EVERY] = {"EVERY", 1},
    [PLAN_SESSION] = {"SESSION", 1},     [PLAN_EXPAND] = {"EXPAND", 1},           [PLAN_OVER] = {"OVER", 1},
};
static_assert(ARRAY_LEN(kinds) == PLAN_KINDS_, "every kind has a name");

const char *plan_kind_name(enum plan_kind k) { return kinds[k].name; }

struct checking {
    struct diag *d;
    const struct plan *p;
    unsigned seen[PLAN_NODES]; /* how often an id occurs */
    unsigned stores[PLAN_NODES], frags[PLAN_NODES], nstores, nfrags;
    unsigned count, depth;
};

#define REFUSE(ck, n, ...) refuse((ck)->d, (n), __VA_ARGS__)
PRINTF_LIKE(3, 4) static int refuse(struct diag *d, const struct plan_node *n, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return diag_set(d, E_CORRUPT, "plan node %u (%s): %s", n->id, kinds[n->kind].name, text);
}

static bool columns_fit(const unsigned *cols, unsigned n, const struct schema *sc)
{
    for (unsigned i = 0; i < n; i++)
        if (cols[i] >= sc->n)
            return false;
    return true;
}

static bool schemas_equal(const struct schema *a, const struct schema *b)
{
    bool same = a->n == b->n;
    for (unsigned i = 0; same && i < a->n; i++)
        same = type_eq(a->cols[i].type, b->cols[i].type);
    return same;
}

/* Do the columns of an expression exist, with the types it takes them for? */
static bool expr_fits(const struct expr *e, const struct schema *sc, unsigned depth)
{
    if (!e || depth > PLAN_DEPTH * 4)
        return false;
    if (e->kind == EX_COLUMN)
        return e->column < sc->n && type_eq(e->type, sc->cols[e->column].type);
    for (unsigned i = 0; i < e->nargs; i++)
        if (!expr_fits(e->args[i], sc, depth + 1))
            return false;
    return true;
}

static bool format_fits(const struct row_format *f)
{
    return f->ts_column >= -1 && f->ts_column < (int)(f->nkey + f->nvalue) && f->window_size_ms >= 0;
}

static int check_source(struct checking *ck, const struct plan_node *n)
{
    if (!n->relation || !n->topic_name || !format_fits(&n->format))
        return REFUSE(ck, n, "its topic or format is missing");
    if (n->nwants != n->out.n)
        return REFUSE(ck, n, "decodes %u columns for %u", n->nwants, n->out.n);
    for (unsigned i = 0; i < n->nwants; i++) {
        struct type t;
        if (!want_type(&n->format, &n->wants[i], &t) || !type_eq(t, n->out.cols[i].type))
            return REFUSE(ck, n, "column %u is not what the format gives", i);
    }
    if (n->mode != (n->table ? MODE_UPSERT : MODE_APPEND))
        return REFUSE(ck, n, "a %s cannot give %s", n->table ? "table" : "stream", edge_mode_name(n->mode));
    if (n->table && n->nkey == 0)
        return REFUSE(ck, n, "a table without a key");
    if (n->table && n->by_clock)
        return REFUSE(ck, n, "a table has no rows that come at some time");
    return 0;
}

static int check_filter(struct checking *ck, const struct plan_node *n, const struct plan_node *in)
{
    if (!expr_fits(n->predicate, &in->out, 0) || n->predicate->type.id != T_BOOLEAN)
        return REFUSE(ck, n, "its condition does not fit its input");
    if (n->mode != in->mode || !schemas_equal(&n->out, &in->out))
        return REFUSE(ck, n, "it must give what it takes");
    return 0;
}

static int check_project(struct checking *ck, const struct plan_node *n, const struct plan_node *in)
{
    for (unsigned i = 0; i < n->out.n; i++)
        if (!expr_fits(n->exprs[i], &in->out, 0) || !type_eq(n->exprs[i]->type, n->out.cols[i].type))
            return REFUSE(ck, n, "expression %u does not fit", i);
    if (n->mode != in->mode)
        return REFUSE(ck, n, "it cannot turn %s into %s", edge_mode_name(in->mode), edge_mode_name(n->mode));
    return 0;
}

/* How windows lie. */
static bool windows_fit(const struct plan_node *n)
{
    int64_t size = n->window_size_ms, step = n->advance_ms;
    if (size <= 0 || n->grace_ms < 0 || n->delay_ms < 0 || n->offset_ms <= -size || n->offset_ms >= size)
        return false;
    switch (n->window) {
    case WINDOW_TUMBLING:
        return !n->sliced;
    case WINDOW_HOPPING:
        return step > 0 && step <= size && size / step < PLAN_WINDOWS;
    case WINDOW_CUMULATE:
        return step > 0 && size % step == 0 && size / step < PLAN_WINDOWS;
    case WINDOW_SESSION:
        break;
    }
    return false;
}

static bool gap_fits(const struct plan_node *n)
{
    return n->window == WINDOW_SESSION && n->window_size_ms > 0 && n->grace_ms >= 0 && n->delay_ms >= 0;
}

static bool is_bound(struct type t) { return t.id == T_BIGINT || t.id == T_TIMESTAMP; }

static int check_unnest(struct checking *ck, const struct plan_node *n, const struct plan_node *in)
{
    bool fits = n->narrays > 0 && n->out.n == in->out.n + n->narrays;
    for (unsigned i = 0; fits && i < in->out.n; i++)
        fits = type_eq(n->out.cols[i].type, in->out.cols[i].type);
    for (unsigned i = 0; fits && i < n->narrays; i++) {
        const struct expr *e = n->arrays[i];
        fits = expr_fits(e, &in->out, 0) && e->type.id == T_ARRAY && type_eq(type_element(e->type), n->out.cols[in->out.n + i].type);
    }
    if (!fits)
        return REFUSE(ck, n, "it adds a column for each of its arrays");
    if (n->mode != in->mode || n->mode == MODE_UPSERT || n->nkey)
        return REFUSE(ck, n, "it makes many rows of one, which have no key");
    return 0;
}

static int check_window(struct checking *ck, const struct plan_node *n, const struct plan_node *in)
{
    if (!windows_fit(n) && !gap_fits(n))
        return REFUSE(ck, n, "its windows are out of range");
    unsigned more = n->out.n - in->out.n;
    bool fits = n->out.n > in->out.n && (more == 2 || (more == 3 && !n->sliced && n->window != WINDOW_SESSION));
    for (unsigned i = 0; fits && i < n->out.n; i++)
        fits = i < in->out.n ? type_eq(n->out.cols[i].type, in->out.cols[i].type) : is_bound(n->out.cols[i].type);
    if (!fits || n->mode != MODE_APPEND || in->mode != MODE_APPEND)
        return REFUSE(ck, n, "it adds two columns of time to rows that only come");
    return 0;
}

static int check_exchange(struct checking *ck, const struct plan_node *n, const struct plan_node *in)
{
    if (!columns_fit(n->exchange_cols, n->nexchange, &in->out))
        return REFUSE(ck, n, "a column is out of range");
    if (n->mode != in->mode || !schemas_equal(&n->out, &in->out))
        return REFUSE(ck, n, "it must give what it takes");
    return 0;
}

static bool agg_reads(const struct agg *a, const struct schema *sc)
{
    const struct expr *inputs[] = {a->arg, a->arg2, a->filter};
    for (unsigned i = 0; i < ARRAY_LEN(inputs); i++)
        if (inputs[i] && !expr_fits(inputs[i], sc, 0))
            return false;
    return true;
}

/* Columns of the aggregates in the output (or, for AGG_FINAL, in the input), after the group columns. */
static bool partial_fits(const struct plan_node *n, const struct schema *sc, const struct schema *arg_schema)
{
    unsigned at = n->ngroup;
    for (unsigned i = 0; i < n->naggs; i++) {
        struct type t[4], in = n->aggs[i].arg ? n->aggs[i].arg->type : TYPE(T_BIGINT);
        if (!agg_splits(&n->aggs[i]) || (arg_schema && !agg_reads(&n->aggs[i], arg_schema)))
            return false;
        unsigned k = agg_partial_columns(&n->aggs[i], in, t);
        for (unsigned j = 0; j < k; j++, at++)
            if (at >= sc->n || !type_eq(sc->cols[at].type, t[j]))
                return false;
    }
    return at == sc->n;
}

static bool shares_fit(const struct plan_node *n)
{
    for (unsigned i = 0; i < n->naggs; i++) {
        unsigned with = 2, of = n->aggs[i].shares;
        if (!of)
            continue;
        if (n->kind != PLAN_AGGREGATE || n->phase != AGG_FULL || of > i || n->aggs[of - 1].shares ||
            !agg_may_share(&n->aggs[i], &n->aggs[of - 1]))
            return false;
        for (unsigned k = 0; k < i; k++)
            with += n->aggs[k].shares == of;
        if (with > AGG_SHARED)
            return false;
    }
    return true;
}

static bool results_fit(const struct plan_node *n, const struct plan_node *in)
{
    if (n->out.n != n->ngroup + n->naggs)
        return false;
    for (unsigned i = 0; i < n->naggs; i++) {
        const struct agg *a = &n->aggs[i];
        if (!type_eq(n->out.cols[n->ngroup + i].type, a->type) || !agg_check(a))
            return false;
        if (n->phase == AGG_FULL && !agg_reads(a, &in->out))
            return false;
    }
    return shares_fit(n);
}

/* Without group columns it is the only one; with grouping sets the last column is a number with a bit for each of the others. */
static bool total_fits(const struct plan_node *n)
{
    bool sets = n->ngroup > 1 && n->ngroup < 64 && type_eq(n->out.cols[n->ngroup - 1].type, TYPE(T_BIGINT));
    return n->kind == PLAN_AGGREGATE && n->phase != AGG_PARTIAL && n->window_size_ms == 0 && (n->ngroup == 0 || sets);
}

static int check_aggregate(struct checking *ck, const struct plan_node *n, const struct plan_node *in)
{
    if (!columns_fit(n->group_cols, n->ngroup, &in->out) || n->ngroup > n->out.n)
        return REFUSE(ck, n, "a group column is out of range");
    for (unsigned i = 0; i < n->ngroup; i++)
        if (!type_eq(n->out.cols[i].type, in->out.cols[n->group_cols[i]].type))
            return REFUSE(ck, n, "group column %u changes its type", i);
    bool session = n->kind == PLAN_SESSION;
    if (n->window_size_ms < 0 || (session && !gap_fits(n)) ||
        ((n->window_size_ms > 0 || session) && (n->ngroup < 2 || !(session || windows_fit(n)))))
        return REFUSE(ck, n, "its window does not fit");
    for (unsigned i = 0; n->window_size_ms > 0 && i < 2; i++)
        if (!is_bound(n->out.cols[n->ngroup - 1 - i].type))
            return REFUSE(ck, n, "its window has no bounds");
    if (n->sliced && (n->window_size_ms == 0 || n->phase == AGG_FULL ||
                      (n->phase == AGG_PARTIAL && (in->kind != PLAN_WINDOW || !in->sliced))))
        return REFUSE(ck, n, "it has no slices");
    if (n->emit_final && n->window_size_ms == 0)
        return REFUSE(ck, n, "only windows have a final result");
    if (n->total && !total_fits(n))
        return REFUSE(ck, n, "it has no group of all rows");
    if (n->phase == AGG_PARTIAL) {
        if (!partial_fits(n, &n->out, &in->out) || n->mode != MODE_APPEND || in->mode != MODE_APPEND)
            return REFUSE(ck, n, "its partial results do not fit");
        return 0;
    }
    if (!results_fit(n, in) || (n->phase == AGG_FINAL && !partial_fits(n, &in->out, NULL)))
        return REFUSE(ck, n, "its results do not fit");
    if (in->mode == MODE_UPSERT || n->mode != (n->emit_final ? n->mode : MODE_RETRACT) || n->mode == MODE_UPSERT)
        return REFUSE(ck, n, "it cannot turn %s into %s", edge_mode_name(in->mode), edge_mode_name(n->mode));
    return 0;
}

static int check_expand(struct checking *ck, const struct plan_node *n, const struct plan_node *in)
{
    if (!columns_fit(n->group_cols, n->ngroup, &in->out) || !n->nsets || n->nsets > PLAN_SETS || n->ngroup > 62)
        return REFUSE(ck, n, "its grouping sets are out of range");
    bool fits = n->mode == in->mode && n->mode != MODE_UPSERT && n->out.n == in->out.n + n->ngroup + 1;
    for (unsigned i = 0; fits && i < n->out.n; i++) {
        unsigned g = i - in->out.n;
        struct type t = i < in->out.n ? in->out.cols[i].type
                        : g < n->ngroup ? in->out.cols[n->group_cols[g]].type : TYPE(T_BIGINT);
        fits = type_eq(n->out.cols[i].type, t);
    }
    return fits ? 0 : REFUSE(ck, n, "its columns are not its input's, the groups and a number");
}

static bool join_columns_fit(const struct plan_node *n)
{
    struct arena a;
    arena_init(&a);
    struct schema both = plan_join_columns(n, &a);
    bool half = n->join == JOIN_SEMI || n->join == JOIN_ANTI;
    bool fits = schemas_equal(&n->out, half ? &n->inputs[0]->out : &both) &&
                (!n->residual || (expr_fits(n->residual, &both, 0) && n->residual->type.id == T_BOOLEAN));
    arena_fini(&a);
    return fits;
}

static bool join_modes_fit(const struct plan_node *n)
{
    enum edge_mode l = n->inputs[0]->mode, r = n->inputs[1]->mode;
    bool append = l == MODE_APPEND && r == MODE_APPEND;
    switch (n->kind) {
    case PLAN_JOIN_LOOKUP:
        return l == MODE_APPEND && r == MODE_UPSERT && n->mode == MODE_APPEND && n->join <= JOIN_LEFT;
    case PLAN_JOIN_INTERVAL:
        return append && n->mode == MODE_APPEND && n->join <= JOIN_FULL;
    case PLAN_JOIN_TEMPORAL:
        return l == MODE_APPEND && r != MODE_APPEND && n->mode == MODE_APPEND && n->join <= JOIN_LEFT;
    default:
        append &= n->join == JOIN_INNER || n->join == JOIN_SEMI;
        return l != MODE_UPSERT && r != MODE_UPSERT && (n->mode == MODE_RETRACT || (n->mode == MODE_APPEND && append));
    }
}

static bool is_among(unsigned v, const unsigned *among, unsigned n)
{
    unsigned i = 0;
    while (i < n && among[i] != v)
        i++;
    return i < n;
}

/* Versions are told apart by their key. */
static bool joins_by_key(const struct plan_node *n)
{
    const struct plan_node *r = n->inputs[1];
    for (unsigned i = 0; i < n->njoin; i++)
        if (!is_among(n->right_cols[i], r->key, r->nkey))
            return false;
    for (unsigned i = 0; i < r->nkey; i++)
        if (!is_among(r->key[i], n->right_cols, n->njoin))
            return false;
    return r->nkey > 0;
}

static bool join_times_fit(const struct plan_node *n)
{
    const int64_t most = INT64_C(1) << 60;
    return n->before_ms > -most && n->before_ms < most && n->after_ms > -most && n->after_ms < most &&
           n->before_ms + n->after_ms >= 0 && n->grace_ms >= 0;
}

static int check_join(struct checking *ck, const struct plan_node *n)
{
    const struct plan_node *l = n->inputs[0], *r = n->inputs[1];
    if (!columns_fit(n->left_cols, n->njoin, &l->out) || !columns_fit(n->right_cols, n->njoin, &r->out))
        return REFUSE(ck, n, "a join column is out of range");
    for (unsigned i = 0; i < n->njoin; i++)
        if (!type_eq(l->out.cols[n->left_cols[i]].type, r->out.cols[n->right_cols[i]].type))
            return REFUSE(ck, n, "join columns %u differ in type", i);
    if (n->kind == PLAN_JOIN_LOOKUP && !n->njoin)
        return REFUSE(ck, n, "a lookup is by equal columns");
    if (n->kind == PLAN_JOIN_TEMPORAL && !joins_by_key(n))
        return REFUSE(ck, n, "versions of a table are found by its key");
    if (!join_times_fit(n))
        return REFUSE(ck, n, "its times are out of range");
    if (!join_columns_fit(n))
        return REFUSE(ck, n, "its columns are not left's and right's");
    if (!join_modes_fit(n))
        return REFUSE(ck, n, "it cannot join %s with %s", edge_mode_name(l->mode), edge_mode_name(r->mode));
    return 0;
}

static int check_sink_topic(struct checking *ck, const struct plan_node *n, const struct plan_node *in)
{
    const struct row_format *f = &n->format;
    if (!n->relation || !n->topic_name || !format_fits(f))
        return REFUSE(ck, n, "its topic or format is missing");
    for (unsigned i = 0; i < f->nkey + f->nvalue; i++) {
        const struct column *c = i < f->nkey ? &f->key_cols[i] : &f->value_cols[i - f->nkey];
        if (n->sink_cols[i] >= in->out.n || !type_eq(in->out.cols[n->sink_cols[i]].type, c->type))
            return REFUSE(ck, n, "column %u is not what the format takes", i);
    }
    if (n->window_end_col >= (int)in->out.n || (n->window_end_col < 0) != !f->window_bounds)
        return REFUSE(ck, n, "its window end is out of range");
    if (n->window_start_col >= (int)in->out.n || (n->window_start_col < 0 && f->window_size_ms > 0))
        return REFUSE(ck, n, "its window start is out of range");
    if (n->derived && !plan_derives(n))
        return REFUSE(ck, n, "its rows are nobody's groups");
    return 0;
}

static bool order_fits(const struct plan_node *n, const struct plan_node *in)
{
    for (unsigned i = 0; i < n->nsort; i++)
        if (n->sort[i].column >= in->out.n)
            return false;
    return columns_fit(n->group_cols, n->ngroup, &in->out);
}

static int check_topn(struct checking *ck, const struct plan_node *n, const struct plan_node *in)
{
    struct schema rows = n->out;
    rows.n -= n->rank_shown;
    if (!order_fits(n, in) || n->limit < -1 || n->offset < 0)
        return REFUSE(ck, n, "its order is out of range");
    if (n->out.n < n->rank_shown || !schemas_equal(&rows, &in->out) ||
        (n->rank_shown && (!n->rank || n->out.cols[rows.n].type.id != T_BIGINT)))
        return REFUSE(ck, n, "its columns are not the input's and a place");
    if (in->mode == MODE_UPSERT || n->mode != MODE_RETRACT)
        return REFUSE(ck, n, "it cannot turn %s into %s", edge_mode_name(in->mode), edge_mode_name(n->mode));
    return 0;
}

/* How far a bound of a frame lies: a number that is there, not below 0, of the type that distances have. */
static bool bound_fits(const struct plan_node *n, const struct frame *f, enum frame_bound b, const struct value *by)
{
    if (b != BOUND_PRECEDING && b != BOUND_FOLLOWING)
        return true;
    if (f->unit == FRAME_ROWS || f->unit == FRAME_GROUPS)
        return by->type.id == T_BIGINT && !by->null && by->i >= 0;
    if (n->nsort != 1 || by->null)
        return false;
    struct type t = n->inputs[0]->out.cols[n->sort[0].column].type;
    switch (t.id) {
    case T_INT:
    case T_BIGINT:
    case T_DATE:
    case T_TIME:
    case T_TIMESTAMP:
        return by->type.id == T_BIGINT && by->i >= 0;
    case T_DECIMAL:
        return by->type.id == T_DECIMAL && by->type.scale == t.scale && by->d >= 0;
    case T_DOUBLE:
        return by->type.id == T_DOUBLE && by->f >= 0;
    default:
        return false;
    }
}

static bool frame_fits(const struct plan_node *n, const struct frame *f)
{
    return f->from <= f->to && f->from != BOUND_LAST && f->to != BOUND_FIRST && bound_fits(n, f, f->from, &f->before) &&
           bound_fits(n, f, f->to, &f->after);
}

static bool column_fits(int col, struct type t, const struct schema *sc)
{
    return col == -1 || ((unsigned)col < sc->n && type_eq(sc->cols[col].type, t));
}

static bool is_column(const struct expr *e, const struct schema *sc)
{
    return !e || (e->kind == EX_COLUMN && expr_fits(e, sc, 0));
}

static bool over_fits(const struct plan_node *n, const struct over_func *f)
{
    const struct schema *in = &n->inputs[0]->out;
    bool takes = f->kind >= OVER_LAG, counts = f->kind == OVER_NTILE || f->kind == OVER_NTH_VALUE;
    bool framed = f->kind == OVER_AGGREGATE || f->kind >= OVER_FIRST_VALUE;
    if ((framed && !frame_fits(n, &f->frame)) || f->n < counts || !column_fits(f->arg, f->type, in) ||
        !column_fits(f->fallback, f->type, in) || (takes && f->arg < 0))
        return false;
    if (f->kind == OVER_AGGREGATE)
        return is_column(f->agg.arg, in) && is_column(f->agg.arg2, in) && is_column(f->agg.filter, in) &&
               type_eq(f->agg.type, f->type) && (f->agg.arg || f->agg.kind == AGG_COUNT_STAR) && agg_check(&f->agg);
    if (f->kind == OVER_PERCENT_RANK || f->kind == OVER_CUME_DIST)
        return f->type.id == T_DOUBLE;
    return takes || f->type.id == T_BIGINT;
}

static int check_over(struct checking *ck, const struct plan_node *n, const struct plan_node *in)
{
    struct schema rows = n->out;
    if (!order_fits(n, in))
        return REFUSE(ck, n, "its order is out of range");
    if (n->out.n != in->out.n + n->nover)
        return REFUSE(ck, n, "its columns are not the input's and results");
    rows.n = in->out.n;
    for (unsigned i = 0; i < n->nover; i++)
        if (!over_fits(n, &n->overs[i]) || !type_eq(n->out.cols[in->out.n + i].type, n->overs[i].type))
            return REFUSE(ck, n, "function %u does not fit", i);
    if (!schemas_equal(&rows, &in->out))
        return REFUSE(ck, n, "its columns are not the input's and results");
    if (in->mode == MODE_UPSERT || n->mode != MODE_RETRACT)
        return REFUSE(ck, n, "it cannot turn %s into %s", edge_mode_name(in->mode), edge_mode_name(n->mode));
    return 0;
}

static int check_dedup(struct checking *ck, const struct plan_node *n, const struct plan_node *in)
{
    if (!columns_fit(n->group_cols, n->ngroup, &in->out) || !schemas_equal(&n->out, &in->out))
        return REFUSE(ck, n, "its columns do not fit");
    if (in->mode != MODE_APPEND || n->mode != (n->keep_last ? MODE_RETRACT : MODE_APPEND))
        return REFUSE(ck, n, "it cannot turn %s into %s", edge_mode_name(in->mode), edge_mode_name(n->mode));
    return 0;
}

static int check_sort(struct checking *ck, const struct plan_node *n, const struct plan_node *in)
{
    if (!order_fits(n, in))
        return REFUSE(ck, n, "a sort column is out of range");
    if (!schemas_equal(&n->out, &in->out) || n->limit < -1 || n->offset < 0)
        return REFUSE(ck, n, "it must give what it takes");
    return 0;
}

static int check_scan(struct checking *ck, const struct plan_node *n)
{
    if (!n->relation)
        return REFUSE(ck, n, "its table is missing");
    if (n->nkeys > (n->lookup ? PLAN_LOOKUP_KEYS : 0))
        return REFUSE(ck, n, "%u keys are looked up", n->nkeys);
    for (unsigned i = 1; i < n->nkeys; i++)
        if (str_cmp(n->keys[i - 1], n->keys[i]) >= 0)
            return REFUSE(ck, n, "the keys it looks up are not in order");
    return 0;
}

static int check_union(struct checking *ck, const struct plan_node *n)
{
    bool append = true, upsert = false;
    for (unsigned i = 0; i < n->ninputs; i++) {
        if (!schemas_equal(&n->out, &n->inputs[i]->out))
            return REFUSE(ck, n, "its inputs differ in columns");
        append &= n->inputs[i]->mode == MODE_APPEND;
        upsert |= n->inputs[i]->mode == MODE_UPSERT;
    }
    if (upsert || n->mode != (append ? MODE_APPEND : MODE_RETRACT))
        return REFUSE(ck, n, "it cannot give %s", edge_mode_name(n->mode));
    return 0;
}

static int check_kind(struct checking *ck, const struct plan_node *n)
{
    const struct plan_node *in = n->ninputs ? n->inputs[0] : NULL;
    switch (n->kind) {
    case PLAN_SOURCE:
        return check_source(ck, n);
    case PLAN_FILTER:
        return check_filter(ck, n, in);
    case PLAN_PROJECT:
        return check_project(ck, n, in);
    case PLAN_WINDOW:
        return check_window(ck, n, in);
    case PLAN_NORMALIZE:
        if (in->mode != MODE_UPSERT || n->mode != MODE_RETRACT || !schemas_equal(&n->out, &in->out))
            return REFUSE(ck, n, "it turns upsert into retract");
        return 0;
    case PLAN_EXCHANGE:
        return check_exchange(ck, n, in);
    case PLAN_AGGREGATE:
        return check_aggregate(ck, n, in);
    case PLAN_SESSION:
        for (unsigned i = 0; i < n->naggs; i++)
            if (!agg_splits(&n->aggs[i]))
                return REFUSE(ck, n, "sessions that join cannot join what is kept of values");
        if (in->mode != MODE_APPEND)
            return REFUSE(ck, n, "sessions are made of rows that only come");
        return check_aggregate(ck, n, in);
    case PLAN_EXPAND:
        return check_expand(ck, n, in);
    case PLAN_JOIN_LOOKUP:
    case PLAN_JOIN_TABLE:
    case PLAN_JOIN_INTERVAL:
    case PLAN_JOIN_TEMPORAL:
        return check_join(ck, n);
    case PLAN_SINK_TOPIC:
        return check_sink_topic(ck, n, in);
    case PLAN_SINK_QUERY:
        return 0;
    case PLAN_SCAN:
        return check_scan(ck, n);
    case PLAN_VALUES:
        if (ck->p->sink->kind != PLAN_SINK_QUERY || !n->out.n)
            return REFUSE(ck, n, "a job is not made of constants");
        return 0;
    case PLAN_SORT:
        return check_sort(ck, n, in);
    case PLAN_UNION:
        return check_union(ck, n);
    case PLAN_TOPN:
        return check_topn(ck, n, in);
    case PLAN_DEDUP:
        return check_dedup(ck, n, in);
    case PLAN_UNNEST:
        return check_unnest(ck, n, in);
    case PLAN_OVER:
        return check_over(ck, n, in);
    case PLAN_EVERY:
        if (n->every_ms <= 0 || in->mode != MODE_RETRACT || n->mode != MODE_RETRACT || !schemas_equal(&n->out, &in->out) ||
            in != ck->p->sink->inputs[0]->inputs[0])
            return REFUSE(ck, n, "it gives the sink what it takes");
        return 0;
    case PLAN_KINDS_:
        break;
    }
    return REFUSE(ck, n, "unknown kind");
}

/* Nothing on disk belongs to two. */
static int check_numbers(struct checking *ck, const struct plan_node *n)
{
    if (n->kind == PLAN_SOURCE || plan_node_keeps(n)) {
        if (n->store >= MIN(ck->p->next_store, PLAN_STORES) || is_among(n->store, ck->stores, ck->nstores))
            return REFUSE(ck, n, "store %u is not its own", n->store);
        ck->stores[ck->nstores++] = n->store;
    }
    if (n != ck->p->sink && n->kind != PLAN_EXCHANGE)
        return 0;
    if (n->frag >= MIN(ck->p->next_frag, UINT16_MAX + 1u) || is_among(n->frag, ck->frags, ck->nfrags))
        return REFUSE(ck, n, "fragment %u is not its own", n->frag);
    ck->frags[ck->nfrags++] = n->frag;
    return 0;
}

static int check_node(struct checking *ck, const struct plan_node *n)
{
    if (n->kind >= ARRAY_LEN(kinds))
        return diag_set(ck->d, E_CORRUPT, "plan: unknown kind of node");
    if (++ck->depth > PLAN_DEPTH || ++ck->count > PLAN_NODES || n->id >= PLAN_NODES || ck->seen[n->id]++)
        return REFUSE(ck, n, "too deep, too large, or numbered twice");
    if (check_numbers(ck, n) != 0)
        return E_CORRUPT;
    if (n->ninputs != kinds[n->kind].inputs)
        return REFUSE(ck, n, "has %u inputs", n->ninputs);
    bool sink = n->kind == PLAN_SINK_TOPIC || n->kind == PLAN_SINK_QUERY;
    if (sink != (n == ck->p->sink))
        return REFUSE(ck, n, "the sink must be the root");
    for (unsigned i = 0; i < n->ninputs; i++) {
        int err = check_node(ck, n->inputs[i]);
        if (err)
            return err;
    }
    ck->depth--;
    if (!columns_fit(n->key, n->nkey, &n->out))
        return REFUSE(ck, n, "a key column is out of range");
    for (unsigned i = 0; i < n->out.n; i++)
        if (n->out.cols[i].type.id == T_NULL || n->out.cols[i].type.id >= T_COUNT_)
            return REFUSE(ck, n, "column %u has no type", i);
    return check_kind(ck, n);
}

/* What lies between n and the next exchanges below: either sources of one topic, or exchanges, or one scan. */
struct leaves {
    const struct plan_node *source;
    unsigned exchanges, scans;
    bool mixed;
};

static void leaves_of(const struct plan_node *n, struct leaves *l)
{
    for (unsigned i = 0; i < n->ninputs; i++) {
        const struct plan_node *in = n->inputs[i];
        if (in->kind == PLAN_EXCHANGE) {
            l->exchanges++;
        } else if (in->kind == PLAN_SCAN || in->kind == PLAN_VALUES) {
            l->scans++;
        } else if (in->kind == PLAN_SOURCE) {
            l->mixed |= l->source && !uuid_eq(l->source->topic, in->topic);
            l->source = in;
        } else {
            leaves_of(in, l);
        }
    }
}

static int check_fragments(struct checking *ck, const struct plan_node *n)
{
    if (n == ck->p->sink || n->kind == PLAN_EXCHANGE) {
        struct leaves l = {0};
        leaves_of(n, &l);
        if (l.mixed || (l.source != NULL) + (l.exchanges > 0) + (l.scans > 0) != 1 || l.scans > 1)
            return REFUSE(ck, n, "its rows come from different places without an exchange");
    }
    for (unsigned i = 0; i < n->ninputs; i++) {
        int err = check_fragments(ck, n->inputs[i]);
        if (err)
            return err;
    }
    return 0;
}

int plan_check(const struct plan *p, struct diag *d)
{
    struct checking ck = {.d = d, .p = p};
    if (!p->sink)
        return diag_set(d, E_CORRUPT, "plan: no sink");
    if (p->parallelism < 1 || p->parallelism > KEY_GROUPS || (p->parallelism & (p->parallelism - 1)))
        return diag_set(d, E_CORRUPT, "plan: parallelism %u", p->parallelism);
    int err = check_node(&ck, p->sink);
    if (err)
        return err;
    for (unsigned i = 0; i < ck.count; i++)
        if (!ck.seen[i])
            return diag_set(d, E_CORRUPT, "plan: node %u is missing", i);
    if (ck.count != p->nnodes)
        return diag_set(d, E_CORRUPT, "plan: %u nodes, says %u", ck.count, p->nnodes);
    return check_fragments(&ck, p->sink);
}
