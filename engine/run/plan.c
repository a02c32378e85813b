/* Packing and unpacking of plans.
 *
 * Bytes: msgpack, one array [version, parallelism, number of nodes, next store, next fragment, node, is it emit=record]; a node is
 * [kind, id, store, fragment, again, mode, columns, key, body, inputs], its body the fields of its kind in the order of plan.h. What comes out of plan_unpack has passed
 * plan_check, so the engine may index columns without looking again. */
#include "engine/run/plan.h"
#include "log/base/limits.h"

#define PLAN_VERSION 5 /* 1 knew neither stores nor fragments by numbers of their own, nor a start by time; 2 no derived sinks;
                        * 3 no kinds behind SORT, of joins no conditions but equalities, of aggregates one argument only; 4 no
                        * totals of no rows, nor emit=record */

/* ---- numbers */

/* By a node's place in printing order: what version 1 had. */
static void number_stores(struct plan *p, struct plan_node *n)
{
    n->store = n->id;
    p->next_store = MAX(p->next_store, n->store + 1);
    if (n == p->sink || n->kind == PLAN_EXCHANGE)
        n->frag = p->next_frag++;
    for (unsigned i = 0; i < n->ninputs; i++)
        number_stores(p, n->inputs[i]);
}

static void number_nodes(struct plan *p, struct plan_node *n)
{
    n->id = p->nnodes++;
    for (unsigned i = 0; i < n->ninputs; i++)
        number_nodes(p, n->inputs[i]);
}

static void share_values(struct plan_node *n)
{
    if (n->kind == PLAN_AGGREGATE && n->phase == AGG_FULL)
        aggs_share(n->aggs, n->naggs);
    for (unsigned i = 0; i < n->ninputs; i++)
        share_values(n->inputs[i]);
}

void plan_number(struct plan *p)
{
    p->nnodes = p->next_store = p->next_frag = 0;
    share_values(p->sink);
    p->sink->derived = plan_derives(p->sink) != NULL;
    number_nodes(p, p->sink);
    number_stores(p, p->sink);
}

int64_t plan_every_ms(const struct plan *p)
{
    const struct plan_node *n = p->sink->inputs[0];
    return n->kind == PLAN_EVERY ? n->every_ms : 0;
}

/* ---- packing */

static void put_columns(struct wbuf *w, const struct column *cols, unsigned n)
{
    pack_array(w, n);
    for (unsigned i = 0; i < n; i++) {
        pack_array(w, 4);
        pack_str(w, str_of(cols[i].name));
        type_pack(cols[i].type, w);
    }
}

static void put_uints(struct wbuf *w, const unsigned *v, unsigned n)
{
    pack_array(w, n);
    for (unsigned i = 0; i < n; i++)
        pack_uint(w, v[i]);
}

static void put_type(struct wbuf *w, struct type t)
{
    pack_array(w, 3);
    type_pack(t, w);
}

static void put_topic(struct wbuf *w, const struct plan_node *n)
{
    pack_str(w, str_of(n->relation));
    pack_uuid(w, n->topic);
    pack_str(w, str_of(n->topic_name));
    row_format_pack(&n->format, w);
}

static void put_want(struct wbuf *w, const struct want *want)
{
    pack_uint(w, want->from);
    pack_uint(w, want->index);
    for (unsigned i = 0; i < want->depth; i++)
        pack_uint(w, want->path[i]);
}

static void put_source(struct wbuf *w, const struct plan_node *n)
{
    pack_array(w, n->by_clock ? 10 : 9);
    put_topic(w, n);
    pack_array(w, n->nwants);
    for (unsigned i = 0; i < n->nwants; i++) {
        pack_array(w, 2 + n->wants[i].depth);
        put_want(w, &n->wants[i]);
    }
    pack_bool(w, n->table);
    pack_bool(w, n->from_latest);
    pack_int(w, n->from_ms);
    pack_bool(w, n->until_end);
    if (n->by_clock)
        pack_bool(w, true);
}

static void put_expr(struct wbuf *w, const struct expr *e)
{
    if (e)
        expr_pack(e, w);
    else
        pack_nil(w);
}

static void put_agg(struct wbuf *w, const struct agg *a)
{
    pack_array(w, 8);
    pack_uint(w, a->kind);
    put_type(w, a->type);
    put_expr(w, a->arg);
    put_expr(w, a->arg2);
    put_expr(w, a->filter);
    pack_bool(w, a->distinct);
    pack_bool(w, a->descending);
    put_expr(w, a->param.type.id == T_NULL ? NULL : &(struct expr){.kind = EX_CONST, .type = a->param.type, .value = a->param});
}

/* Of WINDOW, and of what keeps windows. */
static void put_windows(struct wbuf *w, const struct plan_node *n)
{
    pack_array(w, 6);
    pack_uint(w, n->window);
    pack_int(w, n->advance_ms);
    pack_int(w, n->offset_ms);
    if (n->zone)
        pack_str(w, str_of(n->zone));
    else
        pack_nil(w);
    pack_bool(w, n->sliced);
    pack_int(w, n->delay_ms);
}

static bool any_shares(const struct plan_node *n)
{
    bool any = false;
    for (unsigned i = 0; i < n->naggs; i++)
        any |= n->aggs[i].shares > 0;
    return any;
}

static void put_aggregate(struct wbuf *w, const struct plan_node *n)
{
    pack_array(w, any_shares(n) ? 10 : 9);
    pack_uint(w, n->phase);
    put_uints(w, n->group_cols, n->ngroup);
    pack_array(w, n->naggs);
    for (unsigned i = 0; i < n->naggs; i++)
        put_agg(w, &n->aggs[i]);
    pack_bool(w, n->emit_final);
    pack_int(w, n->window_size_ms);
    pack_int(w, n->grace_ms);
    pack_int(w, n->retention_ms);
    put_windows(w, n);
    pack_bool(w, n->total);
    for (unsigned i = 0; any_shares(n) && i < n->naggs; i++) {
        if (i == 0)
            pack_array(w, n->naggs);
        pack_uint(w, n->aggs[i].shares);
    }
}

static void put_join(struct wbuf *w, const struct plan_node *n)
{
    pack_array(w, 7);
    pack_uint(w, n->join);
    put_uints(w, n->left_cols, n->njoin);
    put_uints(w, n->right_cols, n->njoin);
    put_expr(w, n->residual);
    pack_int(w, n->before_ms);
    pack_int(w, n->after_ms);
    pack_int(w, n->grace_ms);
}

static void put_order(struct wbuf *w, const struct plan_node *n)
{
    pack_array(w, n->nsort);
    for (unsigned i = 0; i < n->nsort; i++) {
        pack_array(w, 3);
        pack_uint(w, n->sort[i].column);
        pack_bool(w, n->sort[i].descending);
        pack_bool(w, n->sort[i].nulls_first);
    }
}

static void put_sort(struct wbuf *w, const struct plan_node *n)
{
    pack_array(w, 3);
    put_order(w, n);
    pack_int(w, n->limit);
    pack_int(w, n->offset);
}

static void put_constant(struct wbuf *w, const struct value *v)
{
    put_expr(w, v->type.id == T_NULL ? NULL : &(struct expr){.kind = EX_CONST, .type = v->type, .value = *v});
}

static void put_over(struct wbuf *w, const struct over_func *f)
{
    pack_array(w, 12);
    pack_uint(w, f->kind);
    put_type(w, f->type);
    if (f->kind == OVER_AGGREGATE)
        put_agg(w, &f->agg);
    else
        pack_nil(w);
    pack_int(w, f->arg);
    pack_int(w, f->fallback);
    pack_int(w, f->n);
    pack_uint(w, f->frame.unit);
    pack_uint(w, f->frame.from);
    pack_uint(w, f->frame.to);
    put_constant(w, &f->frame.before);
    put_constant(w, &f->frame.after);
    pack_uint(w, f->frame.exclude);
}

static void put_overs(struct wbuf *w, const struct plan_node *n)
{
    pack_array(w, 3);
    put_uints(w, n->group_cols, n->ngroup);
    put_order(w, n);
    pack_array(w, n->nover);
    for (unsigned i = 0; i < n->nover; i++)
        put_over(w, &n->overs[i]);
}

static void put_topn(struct wbuf *w, const struct plan_node *n)
{
    pack_array(w, 6);
    put_uints(w, n->group_cols, n->ngroup);
    put_order(w, n);
    pack_int(w, n->limit);
    pack_int(w, n->offset);
    pack_uint(w, n->rank);
    pack_bool(w, n->rank_shown);
}

static void put_body(struct wbuf *w, const struct plan_node *n)
{
    switch (n->kind) {
    case PLAN_SOURCE:
        put_source(w, n);
        break;
    case PLAN_FILTER:
        pack_array(w, 1);
        expr_pack(n->predicate, w);
        break;
    case PLAN_PROJECT:
        pack_array(w, 1);
        pack_array(w, n->out.n);
        for (unsigned i = 0; i < n->out.n; i++)
            expr_pack(n->exprs[i], w);
        break;
    case PLAN_WINDOW:
        pack_array(w, 4);
        pack_int(w, n->window_size_ms);
        pack_int(w, n->grace_ms);
        pack_int(w, n->retention_ms);
        put_windows(w, n);
        break;
    case PLAN_EXCHANGE:
        pack_array(w, 2);
        put_uints(w, n->exchange_cols, n->nexchange);
        pack_bool(w, n->drop_null_key);
        break;
    case PLAN_AGGREGATE:
    case PLAN_SESSION:
        put_aggregate(w, n);
        break;
    case PLAN_EXPAND:
        pack_array(w, 2);
        put_uints(w, n->group_cols, n->ngroup);
        pack_array(w, n->nsets * n->ngroup);
        for (unsigned i = 0; i < n->nsets * n->ngroup; i++)
            pack_bool(w, n->in_set[i]);
        break;
    case PLAN_JOIN_LOOKUP:
    case PLAN_JOIN_TABLE:
    case PLAN_JOIN_INTERVAL:
    case PLAN_JOIN_TEMPORAL:
        put_join(w, n);
        break;
    case PLAN_SINK_TOPIC:
        pack_array(w, 10);
        put_topic(w, n);
        put_uints(w, n->sink_cols, n->format.nkey + n->format.nvalue);
        pack_int(w, n->window_start_col);
        pack_int(w, n->window_size_ms);
        pack_int(w, n->retention_ms);
        pack_bool(w, n->derived);
        pack_int(w, n->window_end_col);
        break;
    case PLAN_SINK_QUERY:
        pack_array(w, 1);
        pack_int(w, n->limit);
        break;
    case PLAN_SCAN:
        pack_array(w, 4);
        pack_str(w, str_of(n->relation));
        pack_uuid(w, n->job);
        pack_bool(w, n->lookup);
        pack_array(w, n->nkeys);
        for (unsigned i = 0; i < n->nkeys; i++)
            pack_bin(w, n->keys[i]);
        break;
    case PLAN_VALUES:
        pack_array(w, n->nrows);
        for (unsigned i = 0; i < n->nrows; i++)
            pack_bin(w, n->rows[i]);
        break;
    case PLAN_SORT:
        put_sort(w, n);
        break;
    case PLAN_UNNEST:
        pack_array(w, 2);
        pack_bool(w, n->keep_empty);
        pack_array(w, n->narrays);
        for (unsigned i = 0; i < n->narrays; i++)
            expr_pack(n->arrays[i], w);
        break;
    case PLAN_NORMALIZE:
    case PLAN_UNION:
        pack_array(w, 0);
        break;
    case PLAN_TOPN:
        put_topn(w, n);
        break;
    case PLAN_OVER:
        put_overs(w, n);
        break;
    case PLAN_DEDUP:
        pack_array(w, 2);
        put_uints(w, n->group_cols, n->ngroup);
        pack_bool(w, n->keep_last);
        break;
    case PLAN_EVERY:
        pack_array(w, 1);
        pack_int(w, n->every_ms);
        break;
    case PLAN_KINDS_:
        break;
    }
}

static void put_node(struct wbuf *w, const struct plan_node *n)
{
    pack_array(w, 10);
    pack_uint(w, n->kind);
    pack_uint(w, n->id);
    pack_uint(w, n->store);
    pack_uint(w, n->frag);
    pack_uint(w, n->again);
    pack_uint(w, n->mode);
    put_columns(w, n->out.cols, n->out.n);
    put_uints(w, n->key, n->nkey);
    put_body(w, n);
    pack_array(w, n->ninputs);
    for (unsigned i = 0; i < n->ninputs; i++)
        put_node(w, n->inputs[i]);
}

void plan_pack(const struct plan *p, struct wbuf *out)
{
    pack_array(out, 7);
    pack_uint(out, PLAN_VERSION);
    pack_uint(out, p->parallelism);
    pack_uint(out, p->nnodes);
    pack_uint(out, p->next_store);
    pack_uint(out, p->next_frag);
    put_node(out, p->sink);
    pack_bool(out, p->sink->record);
}

/* ---- identity */

static void put_types(struct wbuf *w, const struct schema *sc)
{
    pack_array(w, sc->n);
    for (unsigned i = 0; i < sc->n; i++)
        put_type(w, sc->cols[i].type);
}

static void put_identity_body(struct wbuf *w, const struct plan_node *n)
{
    if (n->kind != PLAN_SOURCE && n->kind != PLAN_SINK_TOPIC) {
        put_body(w, n);
        return;
    }
    pack_uuid(w, n->topic);
    row_format_pack(&n->format, w);
    pack_bool(w, n->table);
    for (unsigned i = 0; i < n->nwants; i++)
        put_want(w, &n->wants[i]);
    if (n->kind == PLAN_SINK_TOPIC) {
        put_uints(w, n->sink_cols, n->format.nkey + n->format.nvalue);
        pack_int(w, n->window_start_col);
        pack_int(w, n->window_end_col);
        pack_int(w, n->window_size_ms);
        pack_int(w, n->retention_ms);
    }
}

void plan_identity(const struct plan_node *n, bool state_only, struct wbuf *out)
{
    bool table_side = state_only && n->kind == PLAN_JOIN_LOOKUP;
    pack_uint(out, n->kind);
    pack_uint(out, n->mode);
    if (table_side) {
        put_uints(out, n->right_cols, n->njoin);
    } else {
        put_types(out, &n->out);
        put_uints(out, n->key, n->nkey);
        put_identity_body(out, n);
    }
    pack_array(out, n->ninputs);
    for (unsigned i = table_side; i < n->ninputs; i++)
        plan_identity(n->inputs[i], false, out);
}

/* ---- unpacking: values are taken as they are here; what they must fit is judged by plan_check afterwards */

struct reading {
    struct unpack u;
    struct arena *a;
    unsigned depth, nodes;
    uint64_t version;
};

static void bad(struct reading *rd)
{
    if (!rd->u.r.err)
        rd->u.r.err = E_SYNTAX;
}

static bool good(const struct reading *rd) { return !unpack_err(&rd->u); }

/* The array of a fixed number of fields. */
static void get_fields(struct reading *rd, uint32_t n)
{
    if (unpack_array(&rd->u) != n)
        bad(rd);
}

static unsigned get_uint(struct reading *rd, uint64_t max)
{
    uint64_t v = unpack_uint(&rd->u);
    if (v > max)
        bad(rd);
    return good(rd) ? (unsigned)v : 0;
}

static unsigned *get_uints(struct reading *rd, unsigned *n)
{
    *n = unpack_array(&rd->u);
    unsigned *v = ARENA_ARRAY(rd->a, unsigned, *n);
    for (unsigned i = 0; i < *n && good(rd); i++)
        v[i] = get_uint(rd, UINT32_MAX);
    return v;
}

static const char *get_text(struct reading *rd) { return arena_dup(rd->a, unpack_str(&rd->u)).ptr; }

static void get_scan(struct reading *rd, struct plan_node *n)
{
    get_fields(rd, 4);
    n->relation = get_text(rd);
    n->job = unpack_uuid(&rd->u);
    n->lookup = unpack_bool(&rd->u);
    n->nkeys = unpack_array(&rd->u);
    n->keys = ARENA_ARRAY(rd->a, struct str, n->nkeys + 1);
    for (unsigned i = 0; i < n->nkeys && good(rd); i++)
        n->keys[i] = arena_dup(rd->a, unpack_str(&rd->u));
}

static struct type get_type_fields(struct reading *rd)
{
    struct type t = TYPE(T_NULL);
    if (!type_unpack(&rd->u, &t) && !rd->u.r.err)
        rd->u.r.err = E_SYNTAX;
    return t;
}

static struct type get_type(struct reading *rd)
{
    get_fields(rd, 3);
    return get_type_fields(rd);
}

static struct schema get_columns(struct reading *rd)
{
    struct schema sc = {.n = unpack_array(&rd->u)};
    sc.cols = ARENA_ARRAY(rd->a, struct column, sc.n);
    for (unsigned i = 0; i < sc.n && good(rd); i++) {
        get_fields(rd, 4);
        sc.cols[i].name = get_text(rd);
        sc.cols[i].type = get_type_fields(rd);
    }
    return sc;
}

static const struct expr *get_expr(struct reading *rd)
{
    const struct expr *e = good(rd) ? expr_unpack(&rd->u, rd->a) : NULL;
    if (!e)
        bad(rd);
    return e;
}

static void get_topic(struct reading *rd, struct plan_node *n)
{
    n->relation = get_text(rd);
    n->topic = unpack_uuid(&rd->u);
    n->topic_name = get_text(rd);
    if (good(rd) && row_format_unpack(&rd->u, &n->format, rd->a) != 0)
        bad(rd);
}

static void get_want(struct reading *rd, struct want *want)
{
    unsigned n = unpack_array(&rd->u);
    if (n < 2 || n > 2 + TYPE_DEPTH)
        bad(rd);
    want->from = get_uint(rd, WANT_PROCTIME);
    want->index = get_uint(rd, UINT32_MAX);
    want->depth = good(rd) ? n - 2 : 0;
    unsigned *path = ARENA_ARRAY(rd->a, unsigned, want->depth + 1);
    for (unsigned i = 0; i < want->depth; i++)
        path[i] = get_uint(rd, UINT32_MAX);
    want->path = path;
}

static void get_source(struct reading *rd, struct plan_node *n)
{
    uint32_t fields = unpack_array(&rd->u);
    if (fields != (rd->version > 1 ? 9 : 8) && (fields != 10 || rd->version < 4))
        bad(rd);
    get_topic(rd, n);
    n->nwants = unpack_array(&rd->u);
    n->wants = ARENA_ARRAY(rd->a, struct want, n->nwants);
    for (unsigned i = 0; i < n->nwants && good(rd); i++)
        get_want(rd, &n->wants[i]);
    n->table = unpack_bool(&rd->u);
    n->from_latest = unpack_bool(&rd->u);
    n->from_ms = rd->version > 1 ? unpack_int(&rd->u) : 0;
    n->until_end = unpack_bool(&rd->u);
    n->by_clock = fields == 10 && unpack_bool(&rd->u);
}

static const struct expr *get_maybe(struct reading *rd) { return unpack_nil(&rd->u) ? NULL : get_expr(rd); }

static void get_agg(struct reading *rd, struct agg *a)
{
    get_fields(rd, rd->version > 3 ? 8 : 3);
    a->kind = get_uint(rd, AGG_KINDS - 1);
    a->type = get_type(rd);
    a->arg = get_maybe(rd);
    if (rd->version <= 3)
        return;
    a->arg2 = get_maybe(rd);
    a->filter = get_maybe(rd);
    a->distinct = unpack_bool(&rd->u);
    a->descending = unpack_bool(&rd->u);
    const struct expr *param = get_maybe(rd);
    if (param && param->kind != EX_CONST)
        bad(rd);
    a->param = param && good(rd) ? param->value : value_null(TYPE(T_NULL));
}

/* Plans of before know tumbling windows only. */
static void get_windows(struct reading *rd, struct plan_node *n)
{
    n->advance_ms = n->window_size_ms;
    if (rd->version <= 3)
        return;
    get_fields(rd, 6);
    n->window = get_uint(rd, WINDOW_CUMULATE);
    n->advance_ms = unpack_int(&rd->u);
    n->offset_ms = unpack_int(&rd->u);
    n->zone = unpack_nil(&rd->u) ? NULL : get_text(rd);
    n->sliced = unpack_bool(&rd->u);
    n->delay_ms = unpack_int(&rd->u);
}

static void get_aggregate(struct reading *rd, struct plan_node *n)
{
    uint32_t fields = unpack_array(&rd->u);
    if (fields != (rd->version > 4 ? 9 : rd->version > 3 ? 8 : 7) && (fields != 10 || rd->version < 5))
        bad(rd);
    n->phase = get_uint(rd, AGG_FINAL);
    n->group_cols = get_uints(rd, &n->ngroup);
    n->naggs = unpack_array(&rd->u);
    n->aggs = ARENA_ARRAY(rd->a, struct agg, n->naggs);
    for (unsigned i = 0; i < n->naggs && good(rd); i++)
        get_agg(rd, &n->aggs[i]);
    n->emit_final = unpack_bool(&rd->u);
    n->window_size_ms = unpack_int(&rd->u);
    n->grace_ms = unpack_int(&rd->u);
    n->retention_ms = unpack_int(&rd->u);
    get_windows(rd, n);
    n->total = rd->version > 4 && unpack_bool(&rd->u);
    if (fields == 10)
        get_fields(rd, n->naggs);
    for (unsigned i = 0; fields == 10 && i < n->naggs && good(rd); i++)
        n->aggs[i].shares = get_uint(rd, UINT16_MAX);
}

static void get_expand(struct reading *rd, struct plan_node *n)
{
    get_fields(rd, 2);
    n->group_cols = get_uints(rd, &n->ngroup);
    unsigned all = unpack_array(&rd->u);
    if (n->ngroup == 0 || all % n->ngroup)
        bad(rd);
    n->nsets = good(rd) ? all / n->ngroup : 0;
    n->in_set = ARENA_ARRAY(rd->a, bool, all + 1);
    for (unsigned i = 0; i < all && good(rd); i++)
        n->in_set[i] = unpack_bool(&rd->u);
}

static void get_project(struct reading *rd, struct plan_node *n)
{
    get_fields(rd, 1);
    uint32_t count = unpack_array(&rd->u);
    if (count != n->out.n)
        bad(rd);
    const struct expr **exprs = ARENA_ARRAY(rd->a, const struct expr *, n->out.n);
    for (unsigned i = 0; i < n->out.n && good(rd); i++)
        exprs[i] = get_expr(rd);
    n->exprs = exprs;
}

static void get_unnest(struct reading *rd, struct plan_node *n)
{
    get_fields(rd, 2);
    n->keep_empty = unpack_bool(&rd->u);
    n->narrays = unpack_array(&rd->u);
    const struct expr **arrays = ARENA_ARRAY(rd->a, const struct expr *, n->narrays + 1);
    for (unsigned i = 0; i < n->narrays && good(rd); i++)
        arrays[i] = get_expr(rd);
    n->arrays = arrays;
}

static void get_sink_topic(struct reading *rd, struct plan_node *n)
{
    unsigned count;
    get_fields(rd, rd->version > 3 ? 10 : rd->version > 2 ? 9 : 8);
    get_topic(rd, n);
    n->sink_cols = get_uints(rd, &count);
    if (count != n->format.nkey + n->format.nvalue)
        bad(rd);
    int64_t col = unpack_int(&rd->u);
    if (col < -1 || col > INT32_MAX)
        bad(rd);
    n->window_start_col = (int)col;
    n->window_size_ms = unpack_int(&rd->u);
    n->retention_ms = unpack_int(&rd->u);
    n->derived = rd->version > 2 && unpack_bool(&rd->u);
    if (rd->version > 3 && ((col = unpack_int(&rd->u)) < -1 || col > INT32_MAX))
        bad(rd);
    n->window_end_col = rd->version > 3 ? (int)col : -1;
}

static void get_order(struct reading *rd, struct plan_node *n)
{
    n->nsort = unpack_array(&rd->u);
    n->sort = ARENA_ARRAY(rd->a, struct sort_key, n->nsort);
    for (unsigned i = 0; i < n->nsort && good(rd); i++) {
        get_fields(rd, rd->version > 3 ? 3 : 2);
        n->sort[i].column = get_uint(rd, UINT32_MAX);
        n->sort[i].descending = unpack_bool(&rd->u);
        n->sort[i].nulls_first = rd->version > 3 ? unpack_bool(&rd->u) : n->sort[i].descending;
    }
}

static void get_sort(struct reading *rd, struct plan_node *n)
{
    get_fields(rd, 3);
    get_order(rd, n);
    n->limit = unpack_int(&rd->u);
    n->offset = unpack_int(&rd->u);
}

static struct value get_constant(struct reading *rd)
{
    const struct expr *e = get_maybe(rd);
    if (e && e->kind != EX_CONST)
        bad(rd);
    return e && good(rd) ? e->value : value_null(TYPE(T_NULL));
}

static int get_column(struct reading *rd)
{
    int64_t c = unpack_int(&rd->u);
    if (c < -1 || c > INT32_MAX)
        bad(rd);
    return (int)c;
}

static void get_over(struct reading *rd, struct over_func *f)
{
    get_fields(rd, 12);
    f->kind = get_uint(rd, OVER_KINDS_ - 1);
    f->type = get_type(rd);
    if (!unpack_nil(&rd->u))
        get_agg(rd, &f->agg);
    f->arg = get_column(rd);
    f->fallback = get_column(rd);
    f->n = unpack_int(&rd->u);
    f->frame.unit = get_uint(rd, FRAME_GROUPS);
    f->frame.from = get_uint(rd, BOUND_LAST);
    f->frame.to = get_uint(rd, BOUND_LAST);
    f->frame.before = get_constant(rd);
    f->frame.after = get_constant(rd);
    f->frame.exclude = get_uint(rd, EXCLUDE_TIES);
}

static void get_overs(struct reading *rd, struct plan_node *n)
{
    get_fields(rd, 3);
    n->group_cols = get_uints(rd, &n->ngroup);
    get_order(rd, n);
    n->nover = unpack_array(&rd->u);
    n->overs = ARENA_ARRAY(rd->a, struct over_func, n->nover);
    for (unsigned i = 0; i < n->nover && good(rd); i++)
        get_over(rd, &n->overs[i]);
}

static void get_topn(struct reading *rd, struct plan_node *n)
{
    get_fields(rd, 6);
    n->group_cols = get_uints(rd, &n->ngroup);
    get_order(rd, n);
    n->limit = unpack_int(&rd->u);
    n->offset = unpack_int(&rd->u);
    n->rank = get_uint(rd, RANK_DENSE_RANK);
    n->rank_shown = unpack_bool(&rd->u);
}

static void get_join(struct reading *rd, struct plan_node *n)
{
    unsigned right;
    get_fields(rd, rd->version > 3 ? 7 : 3);
    n->join = get_uint(rd, JOIN_ANTI);
    n->left_cols = get_uints(rd, &n->njoin);
    n->right_cols = get_uints(rd, &right);
    if (right != n->njoin)
        bad(rd);
    if (rd->version <= 3)
        return;
    n->residual = unpack_nil(&rd->u) ? NULL : get_expr(rd);
    n->before_ms = unpack_int(&rd->u);
    n->after_ms = unpack_int(&rd->u);
    n->grace_ms = unpack_int(&rd->u);
}

static void get_body(struct reading *rd, struct plan_node *n)
{
    n->window_start_col = n->window_end_col = -1;
    n->limit = -1;
    n->retention_ms = -1;
    switch (n->kind) {
    case PLAN_SOURCE:
        get_source(rd, n);
        break;
    case PLAN_FILTER:
        get_fields(rd, 1);
        n->predicate = get_expr(rd);
        break;
    case PLAN_PROJECT:
        get_project(rd, n);
        break;
    case PLAN_WINDOW:
        get_fields(rd, rd->version > 3 ? 4 : 3);
        n->window_size_ms = unpack_int(&rd->u);
        n->grace_ms = unpack_int(&rd->u);
        n->retention_ms = unpack_int(&rd->u);
        get_windows(rd, n);
        break;
    case PLAN_EXCHANGE:
        get_fields(rd, 2);
        n->exchange_cols = get_uints(rd, &n->nexchange);
        n->drop_null_key = unpack_bool(&rd->u);
        break;
    case PLAN_AGGREGATE:
    case PLAN_SESSION:
        get_aggregate(rd, n);
        break;
    case PLAN_EXPAND:
        get_expand(rd, n);
        break;
    case PLAN_JOIN_LOOKUP:
    case PLAN_JOIN_TABLE:
    case PLAN_JOIN_INTERVAL:
    case PLAN_JOIN_TEMPORAL:
        get_join(rd, n);
        break;
    case PLAN_SINK_TOPIC:
        get_sink_topic(rd, n);
        break;
    case PLAN_SINK_QUERY:
        get_fields(rd, 1);
        n->limit = unpack_int(&rd->u);
        break;
    case PLAN_SCAN:
        get_scan(rd, n);
        break;
    case PLAN_VALUES:
        n->nrows = unpack_array(&rd->u);
        n->rows = ARENA_ARRAY(rd->a, struct str, n->nrows + 1);
        for (unsigned i = 0; i < n->nrows && good(rd); i++)
            n->rows[i] = arena_dup(rd->a, unpack_str(&rd->u));
        break;
    case PLAN_SORT:
        get_sort(rd, n);
        break;
    case PLAN_UNNEST:
        get_unnest(rd, n);
        break;
    case PLAN_NORMALIZE:
    case PLAN_UNION:
        get_fields(rd, 0);
        break;
    case PLAN_TOPN:
        get_topn(rd, n);
        break;
    case PLAN_OVER:
        get_overs(rd, n);
        break;
    case PLAN_DEDUP:
        get_fields(rd, 2);
        n->group_cols = get_uints(rd, &n->ngroup);
        n->keep_last = unpack_bool(&rd->u);
        break;
    case PLAN_EVERY:
        get_fields(rd, 1);
        n->every_ms = unpack_int(&rd->u);
        break;
    case PLAN_KINDS_:
        break;
    }
}

static struct plan_node *get_node(struct reading *rd)
{
    struct plan_node *n = ARENA_NEW(rd->a, struct plan_node);
    if (++rd->depth > PLAN_DEPTH || ++rd->nodes > PLAN_NODES)
        bad(rd);
    if (!good(rd))
        return n;
    get_fields(rd, rd->version > 1 ? 10 : 7);
    n->kind = get_uint(rd, rd->version > 3 ? PLAN_KINDS_ - 1 : PLAN_SORT);
    n->id = get_uint(rd, PLAN_NODES);
    if (rd->version > 1) {
        n->store = get_uint(rd, PLAN_STORES - 1);
        n->frag = get_uint(rd, UINT16_MAX);
        n->again = get_uint(rd, UINT32_MAX);
    }
    n->mode = get_uint(rd, MODE_RETRACT);
    n->out = get_columns(rd);
    n->key = get_uints(rd, &n->nkey);
    if (good(rd))
        get_body(rd, n);
    n->ninputs = unpack_array(&rd->u);
    if (n->ninputs > 2)
        bad(rd);
    for (unsigned i = 0; i < n->ninputs && good(rd); i++)
        n->inputs[i] = get_node(rd);
    rd->depth--;
    return n;
}

int plan_unpack(struct plan **out, struct str bytes, struct arena *a)
{
    struct reading rd = {.u = unpack_of(bytes), .a = a};
    struct plan *p = ARENA_NEW(a, struct plan);
    uint32_t fields = unpack_array(&rd.u);
    rd.version = unpack_uint(&rd.u);
    if (good(&rd) && rd.version > PLAN_VERSION)
        return E_NEWER_FORMAT;
    if (fields != (rd.version > 4 ? 7 : rd.version > 1 ? 6 : 4))
        bad(&rd);
    p->parallelism = get_uint(&rd, KEY_GROUPS);
    p->nnodes = get_uint(&rd, PLAN_NODES);
    p->next_store = rd.version > 1 ? get_uint(&rd, PLAN_STORES) : 0;
    p->next_frag = rd.version > 1 ? get_uint(&rd, UINT16_MAX + 1) : 0;
    p->sink = good(&rd) ? get_node(&rd) : NULL;
    if (good(&rd) && rd.version > 4)
        p->sink->record = unpack_bool(&rd.u);
    if (good(&rd) && rd.version == 1)
        number_stores(p, p->sink);
    if (!good(&rd) || rbuf_left(&rd.u.r) || plan_check(p, NULL) != 0)
        return E_CORRUPT;
    *out = p;
    return 0;
}
