#include "tests/lib/planlib.h"

void planlib_init(struct planlib *pl, struct arena *a, unsigned parallelism)
{
    *pl = (struct planlib){a, ARENA_NEW(a, struct plan)};
    pl->plan->parallelism = parallelism;
}

struct plan *planlib_done(struct planlib *pl, struct plan_node *sink)
{
    const char *emit = getenv("WEIR_EMIT");
    pl->plan->sink = sink;
    sink->record = emit && strcmp(emit, "record") == 0;
    plan_number(pl->plan);
    return pl->plan;
}

static struct plan_node *node(struct planlib *pl, enum plan_kind kind, struct plan_node *in)
{
    struct plan_node *n = ARENA_NEW(pl->a, struct plan_node);
    n->kind = kind;
    n->window_start_col = n->window_end_col = -1;
    n->limit = -1;
    n->retention_ms = -1;
    if (in) {
        n->inputs[n->ninputs++] = in;
        n->mode = in->mode;
        n->out = in->out;
        n->nkey = in->nkey;
        n->key = in->key;
    }
    return n;
}

static struct schema schema(struct planlib *pl, unsigned n)
{
    return (struct schema){n, ARENA_ARRAY(pl->a, struct column, n)};
}

/* The input's columns and some more. */
static struct schema with_more(struct planlib *pl, const struct schema *in, unsigned more)
{
    struct schema sc = schema(pl, in->n + more);
    memcpy(sc.cols, in->cols, in->n * sizeof *sc.cols);
    return sc;
}

static struct schema bigints(struct planlib *pl, unsigned n)
{
    static const char *const names[] = {"K", "V", "C", "D", "E", "F"};
    struct schema sc = schema(pl, n);
    for (unsigned i = 0; i < n; i++)
        sc.cols[i] = (struct column){names[i], TYPE(T_BIGINT)};
    return sc;
}

static unsigned *uints(struct planlib *pl, unsigned n, const unsigned *v)
{
    unsigned *out = ARENA_ARRAY(pl->a, unsigned, n);
    for (unsigned i = 0; i < n; i++)
        out[i] = v[i];
    return out;
}

static struct row_format kafka_format(struct planlib *pl)
{
    struct schema sc = bigints(pl, 2);
    return (struct row_format){.key = {.kind = FORMAT_KAFKA},
                               .value = {.kind = FORMAT_KAFKA},
                               .nkey = 1,
                               .nvalue = 1,
                               .key_cols = sc.cols,
                               .value_cols = sc.cols + 1,
                               .ts_column = -1};
}

struct plan_node *pl_source(struct planlib *pl, const char *name, struct uuid topic, bool table)
{
    struct plan_node *n = node(pl, PLAN_SOURCE, NULL);
    n->relation = n->topic_name = name;
    n->topic = topic;
    n->table = table;
    n->mode = table ? MODE_UPSERT : MODE_APPEND;
    n->out = bigints(pl, 2);
    n->format = kafka_format(pl);
    n->nwants = 2;
    n->wants = ARENA_ARRAY(pl->a, struct want, 2);
    n->wants[0] = (struct want){.from = WANT_KEY, .index = 0};
    n->wants[1] = (struct want){.from = WANT_VALUE, .index = 0};
    n->nkey = table;
    n->key = ARENA_ARRAY(pl->a, unsigned, 1);
    return n;
}

struct plan_node *pl_window(struct planlib *pl, struct plan_node *in, int64_t size_ms, int64_t grace_ms)
{
    struct plan_node *n = node(pl, PLAN_WINDOW, in);
    n->out = with_more(pl, &in->out, 2);
    n->out.cols[in->out.n] = (struct column){"WINDOWSTART", TYPE(T_BIGINT)};
    n->out.cols[in->out.n + 1] = (struct column){"WINDOWEND", TYPE(T_BIGINT)};
    n->window_size_ms = size_ms;
    n->grace_ms = grace_ms;
    return n;
}

struct plan_node *pl_exchange(struct planlib *pl, struct plan_node *in, unsigned ncols, const unsigned *cols)
{
    struct plan_node *n = node(pl, PLAN_EXCHANGE, in);
    n->nexchange = ncols;
    n->exchange_cols = uints(pl, ncols, cols);
    n->drop_null_key = true;
    return n;
}

struct plan_node *pl_normalize(struct planlib *pl, struct plan_node *in)
{
    struct plan_node *n = node(pl, PLAN_NORMALIZE, in);
    n->mode = MODE_RETRACT;
    return n;
}

struct plan_node *pl_union(struct planlib *pl, struct plan_node *x, struct plan_node *y)
{
    struct plan_node *n = node(pl, PLAN_UNION, x);
    n->mode = x->mode == MODE_APPEND && y->mode == MODE_APPEND ? MODE_APPEND : MODE_RETRACT;
    n->nkey = 0;
    n->inputs[1] = y;
    n->ninputs = 2;
    return n;
}

static const struct expr *column(struct planlib *pl, const struct schema *sc, unsigned col)
{
    struct expr *e = ARENA_NEW(pl->a, struct expr);
    e->kind = EX_COLUMN;
    e->column = col;
    e->type = sc->cols[col].type;
    return e;
}

struct plan_node *pl_top(struct planlib *pl, struct plan_node *in, unsigned ncols, const unsigned *by, unsigned order,
                         int64_t limit)
{
    struct plan_node *n = node(pl, PLAN_TOPN, in);
    n->mode = MODE_RETRACT;
    n->ngroup = ncols;
    n->group_cols = uints(pl, ncols, by);
    n->nsort = 1;
    n->sort = ARENA_NEW(pl->a, struct sort_key);
    *n->sort = (struct sort_key){order, true, false};
    n->limit = limit;
    n->rank = RANK_ROW_NUMBER;
    return n;
}

struct plan_node *pl_sum_over(struct planlib *pl, struct plan_node *in, unsigned order, unsigned arg, int64_t before)
{
    struct plan_node *n = node(pl, PLAN_OVER, in);
    n->mode = MODE_RETRACT;
    n->nsort = 1;
    n->sort = ARENA_NEW(pl->a, struct sort_key);
    *n->sort = (struct sort_key){order, false, false};
    n->nover = 1;
    n->overs = ARENA_NEW(pl->a, struct over_func);
    *n->overs = (struct over_func){.kind = OVER_AGGREGATE, .type = TYPE(T_BIGINT), .arg = -1, .fallback = -1};
    n->overs->agg = (struct agg){.kind = AGG_SUM, .arg = column(pl, &in->out, arg), .type = TYPE(T_BIGINT)};
    n->overs->frame = (struct frame){.unit = FRAME_ROWS, .from = BOUND_PRECEDING, .to = BOUND_CURRENT,
                                     .before = {.type = TYPE(T_BIGINT), .i = before}};
    n->out = with_more(pl, &in->out, 1);
    n->out.cols[in->out.n] = (struct column){"SUM", TYPE(T_BIGINT)};
    return n;
}

struct plan_node *pl_aggregate(struct planlib *pl, struct plan_node *in, unsigned ngroup, const unsigned *groups,
                               enum agg_kind kind, unsigned arg, int64_t window_ms, int64_t grace_ms)
{
    struct plan_node *n = node(pl, PLAN_AGGREGATE, in);
    n->mode = MODE_RETRACT;
    n->ngroup = ngroup;
    n->group_cols = uints(pl, ngroup, groups);
    n->naggs = 1;
    n->aggs = ARENA_NEW(pl->a, struct agg);
    n->aggs->kind = kind;
    if (kind != AGG_COUNT_STAR)
        n->aggs->arg = column(pl, &in->out, arg);
    CHECK(agg_result(kind, in->out.cols[arg].type, &n->aggs->type));
    n->out = schema(pl, ngroup + 1);
    n->nkey = ngroup;
    n->key = ARENA_ARRAY(pl->a, unsigned, ngroup);
    for (unsigned i = 0; i < ngroup; i++) {
        n->out.cols[i] = in->out.cols[groups[i]];
        n->key[i] = i;
    }
    n->out.cols[ngroup] = (struct column){"A", n->aggs->type};
    n->window_size_ms = window_ms;
    n->grace_ms = grace_ms;
    return n;
}

struct plan_node *pl_partial(struct planlib *pl, struct plan_node *in, unsigned ngroup, const unsigned *groups,
                             enum agg_kind kind, unsigned arg, int64_t window_ms, int64_t grace_ms)
{
    struct plan_node *n = pl_aggregate(pl, in, ngroup, groups, kind, arg, window_ms, grace_ms);
    struct type t[4];
    unsigned ncols = agg_partial_columns(n->aggs, in->out.cols[arg].type, t);
    struct schema out = schema(pl, ngroup + ncols);
    for (unsigned i = 0; i < out.n; i++)
        out.cols[i] = i < ngroup ? n->out.cols[i] : (struct column){"P", t[i - ngroup]};
    n->out = out;
    n->phase = AGG_PARTIAL;
    n->mode = MODE_APPEND;
    n->nkey = 0;
    return n;
}

struct plan_node *pl_final(struct planlib *pl, struct plan_node *in, const struct plan_node *partial)
{
    struct plan_node *n = node(pl, PLAN_AGGREGATE, in);
    n->phase = AGG_FINAL;
    n->mode = MODE_RETRACT;
    n->ngroup = n->nkey = partial->ngroup;
    n->group_cols = ARENA_ARRAY(pl->a, unsigned, n->ngroup);
    n->key = n->group_cols;
    n->naggs = partial->naggs;
    n->aggs = partial->aggs;
    n->window_size_ms = partial->window_size_ms;
    n->grace_ms = partial->grace_ms;
    n->out = schema(pl, n->ngroup + 1);
    for (unsigned i = 0; i < n->ngroup; i++) {
        n->group_cols[i] = i;
        n->out.cols[i] = in->out.cols[i];
    }
    n->out.cols[n->ngroup] = (struct column){"A", n->aggs->type};
    return n;
}

struct plan_node *pl_session(struct plan_node *aggregate)
{
    aggregate->kind = PLAN_SESSION;
    aggregate->window = WINDOW_SESSION;
    return aggregate;
}

struct plan_node *pl_dedup(struct planlib *pl, struct plan_node *in, unsigned ncols, const unsigned *by, bool last)
{
    struct plan_node *n = node(pl, PLAN_DEDUP, in);
    n->mode = last ? MODE_RETRACT : MODE_APPEND;
    n->ngroup = ncols;
    n->group_cols = uints(pl, ncols, by);
    n->keep_last = last;
    return n;
}

struct plan_node *pl_expand(struct planlib *pl, struct plan_node *in, unsigned ngroup, const unsigned *groups, unsigned nsets,
                            const bool *in_set)
{
    struct plan_node *n = node(pl, PLAN_EXPAND, in);
    n->nkey = 0;
    n->ngroup = ngroup;
    n->group_cols = uints(pl, ngroup, groups);
    n->nsets = nsets;
    n->in_set = ARENA_ARRAY(pl->a, bool, nsets * ngroup);
    memcpy(n->in_set, in_set, nsets * ngroup);
    n->out = with_more(pl, &in->out, ngroup + 1);
    for (unsigned i = 0; i < ngroup; i++)
        n->out.cols[in->out.n + i] = in->out.cols[groups[i]];
    n->out.cols[in->out.n + ngroup] = (struct column){"SET", TYPE(T_BIGINT)};
    return n;
}

/* A call of two BIGINTs: a column and a constant, which comes first or second. */
static struct expr *call(struct planlib *pl, const char *name, const struct schema *sc, unsigned col, int64_t value, bool first)
{
    struct expr *e = ARENA_NEW(pl->a, struct expr), *constant = ARENA_NEW(pl->a, struct expr);
    const struct expr **args = ARENA_ARRAY(pl->a, const struct expr *, 2);
    struct type types[2] = {TYPE(T_BIGINT), TYPE(T_BIGINT)}, casts[2];
    *constant = (struct expr){
        .kind = EX_CONST, .type = TYPE(T_BIGINT), .value = {.type = TYPE(T_BIGINT), .i = value}};
    args[first] = column(pl, sc, col);
    args[!first] = constant;
    *e = (struct expr){.kind = EX_CALL, .nargs = 2, .args = args};
    CHECK(func_resolve(str_of(name), types, 2, &e->func, casts, &e->type, NULL) == 0);
    return e;
}

struct plan_node *pl_numbers(struct planlib *pl, struct plan_node *in, unsigned col)
{
    struct plan_node *n = node(pl, PLAN_UNNEST, in);
    const struct expr **arrays = ARENA_ARRAY(pl->a, const struct expr *, 1);
    arrays[0] = call(pl, "GENERATE_SERIES", &in->out, col, 0, true);
    n->nkey = 0;
    n->narrays = 1;
    n->arrays = arrays;
    n->out = with_more(pl, &in->out, 1);
    n->out.cols[in->out.n] = (struct column){"N", TYPE(T_BIGINT)};
    return n;
}

void pl_set_key(struct planlib *pl, struct plan_node *n, unsigned col)
{
    n->nkey = 1;
    n->key = uints(pl, 1, &col);
}

struct plan_node *pl_join(struct planlib *pl, enum plan_kind kind, enum join_kind join, struct plan_node *left,
                          struct plan_node *right, unsigned left_col, unsigned right_col)
{
    struct plan_node *n = node(pl, kind, left);
    n->inputs[n->ninputs++] = right;
    n->join = join;
    n->njoin = 1;
    n->left_cols = uints(pl, 1, &left_col);
    n->right_cols = uints(pl, 1, &right_col);
    bool half = join == JOIN_SEMI || join == JOIN_ANTI;
    n->out = schema(pl, half ? left->out.n : left->out.n + right->out.n);
    for (unsigned i = 0; i < n->out.n; i++)
        n->out.cols[i] = i < left->out.n ? left->out.cols[i] : right->out.cols[i - left->out.n];
    n->mode = kind == PLAN_JOIN_TABLE ? MODE_RETRACT : MODE_APPEND;
    return n;
}

struct plan_node *pl_at_least(struct planlib *pl, struct plan_node *in, unsigned col, int64_t least)
{
    struct plan_node *n = node(pl, PLAN_FILTER, in);
    n->predicate = call(pl, ">=", &in->out, col, least, false);
    return n;
}

struct plan_node *pl_pick(struct planlib *pl, struct plan_node *in, unsigned ncols, const unsigned *cols)
{
    struct plan_node *n = node(pl, PLAN_PROJECT, in);
    const struct expr **exprs = ARENA_ARRAY(pl->a, const struct expr *, ncols);
    n->out = schema(pl, ncols);
    for (unsigned i = 0; i < ncols; i++) {
        exprs[i] = column(pl, &in->out, cols[i]);
        n->out.cols[i] = in->out.cols[cols[i]];
    }
    n->exprs = exprs;
    n->nkey = 0;
    return n;
}

struct plan_node *pl_sink_topic(struct planlib *pl, struct plan_node *in, struct uuid topic, unsigned key_col,
                                unsigned value_col, int window_col, int64_t window_ms)
{
    struct plan_node *n = node(pl, PLAN_SINK_TOPIC, in);
    n->relation = n->topic_name = "OUT";
    n->topic = topic;
    n->format = kafka_format(pl);
    n->format.window_size_ms = window_ms;
    n->window_size_ms = window_ms;
    n->sink_cols = uints(pl, 2, (unsigned[]){key_col, value_col});
    n->window_start_col = window_col;
    return n;
}

struct plan_node *pl_sink_query(struct planlib *pl, struct plan_node *in, int64_t limit)
{
    struct plan_node *n = node(pl, PLAN_SINK_QUERY, in);
    n->limit = limit;
    return n;
}

struct plan_node *pl_scan(struct planlib *pl, const char *name, struct uuid job, unsigned ncols)
{
    struct plan_node *n = node(pl, PLAN_SCAN, NULL);
    n->relation = name;
    n->job = job;
    n->out = bigints(pl, ncols);
    return n;
}
