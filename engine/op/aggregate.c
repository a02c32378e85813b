#include "engine/op/aggregate.h"

/* GROUP BY. Rows are taken a block at a time: keys and hashes of the whole block, then its groups (fetched ahead), then
 * each aggregate over the block, so that a table larger than the cache costs its misses side by side.
 *
 * Windowed: a table ("pane") for each live window, so that a closed window goes as a whole. A window is closed when the
 * watermark has reached its end + grace; from then on its rows are late. What has closed is kept as state: after a restart
 * the same windows are closed.
 *
 * A group that changes first in an epoch remembers its results as they were; the marker gives the difference. AGG_PARTIAL
 * has no state across markers: it hands over all it has at each of them, when it has grown large, and, of windows that a
 * watermark would close downstream, before the watermark goes on. State: engine/README.md, "Operators". */

/* The rows of a block that an aggregate takes, and what of them makes a difference to it. */
struct taken {
    uint32_t rows[AGG_BLOCK];
    struct group *groups[AGG_BLOCK];
    int8_t weights[AGG_BLOCK];
    uint32_t n;
};

/* ---- Opening. */

static void choose_key(struct aggregate *a, const struct op *op)
{
    const struct plan_node *node = op->node;
    a->windowed = node->window_size_ms > 0;
    a->nkey = node->ngroup - (a->windowed ? 2 : 0);
    a->how = KEY_ENCODED;
    if (a->nkey != 1)
        return;
    switch (node->out.cols[0].type.id) {
    case T_VARCHAR:
    case T_BYTES:
    case T_ARRAY:
    case T_MAP:
    case T_STRUCT:
        a->how = KEY_TEXT;
        break;
    case T_DOUBLE:
    case T_DECIMAL:
        break;
    default:
        a->how = KEY_NUMBER;
    }
}

/* The inputs of an aggregate that are computed from the row; the others are columns, or there are none. */
static int compile_args(struct aggregate *a, struct op *op, struct diag *d)
{
    const struct plan_node *node = op->node;
    const struct expr **roots = ARENA_ARRAY(&a->arena, const struct expr *, MAX(node->naggs * AGG_INPUTS, 1u));
    a->places = ARENA_ARRAY(&a->arena, struct agg_place, MAX(node->naggs, 1u));
    for (unsigned i = 0; i < node->naggs; i++) {
        const struct agg *g = &node->aggs[i];
        const struct expr *inputs[AGG_INPUTS] = {[AGG_ARG] = g->arg, [AGG_ARG2] = g->arg2, [AGG_FILTER] = g->filter};
        for (unsigned k = 0; k < AGG_INPUTS; k++) {
            a->places[i].computed[k] = -1;
            if (node->phase == AGG_FINAL || !inputs[k] || inputs[k]->kind == EX_COLUMN)
                continue;
            a->places[i].computed[k] = (int)a->ncomputed;
            roots[a->ncomputed++] = inputs[k];
        }
    }
    int err = a->ncomputed ? op_compile(op, &a->prog, roots, a->ncomputed, d) : 0;
    a->watched = a->prog && op->env->bad && prog_watch(a->prog, NULL);
    return err;
}

/* The total's key, and whether this task is the one that owns it. */
static void open_total(struct aggregate *a, struct op *op)
{
    const struct plan_node *node = op->node;
    struct value v;
    wbuf_init(&a->total);
    if (!node->total)
        return;
    CHECK(a->how == KEY_ENCODED);
    for (unsigned c = 0; c + 1 < a->nkey; c++) {
        v = value_null(node->out.cols[c].type);
        key_encode_value(&v, &a->total);
    }
    v = (struct value){.type = TYPE(T_BIGINT), .i = a->nkey ? (int64_t)(UINT64_MAX >> (65 - a->nkey)) : 0};
    if (a->nkey)
        key_encode_value(&v, &a->total);
    wbuf_room(&a->total, 1); /* a key is not null */
    uint64_t group = a->nkey ? key_hash(wbuf_view(&a->total)) % KEY_GROUPS : 0; /* as the exchange below sends its rows */
    a->due = group * op->env->ntasks / KEY_GROUPS == op->env->task_index;
}

static int aggregate_open(struct op *op, struct diag *d)
{
    struct aggregate *a = op->state;
    const struct plan_node *node = op->node;
    arena_init(&a->arena);
    int err = node->window_size_ms > 0 ? windows_open(&a->windows, node, d) : 0;
    if (!err)
        err = compile_args(a, op, d);
    if (err) {
        windows_close(&a->windows);
        arena_fini(&a->arena);
        return err;
    }
    choose_key(a, op);
    open_total(a, op);
    a->by_end = node->window != WINDOW_TUMBLING || node->zone;
    arena_init(&a->epoch);
    arena_init(&a->scratch);
    a->account.budget = op->env->memory;
    a->retract = node->inputs[0]->mode == MODE_RETRACT;
    a->accs = ARENA_ARRAY(&a->arena, struct acc, MAX(node->naggs, 1u));
    a->now = ARENA_ARRAY(&a->arena, struct value, MAX(node->naggs, 1u));
    a->first_col = ARENA_ARRAY(&a->arena, unsigned, MAX(node->naggs, 1u));
    a->group_size = accs_init(a->accs, node, a->retract, &a->account);
    a->old_size = sizeof(struct group *) + MAX(node->naggs, 1u) * sizeof(struct value);
    unsigned col = node->ngroup;
    for (unsigned i = 0; i < node->naggs; i++) {
        struct type types[4];
        a->first_col[i] = col;
        col += agg_partial_columns(&node->aggs[i], a->accs[i].arg, types);
        a->counted |= a->accs[i].keeps_values;
        a->owning |= acc_owns(&a->accs[i]);
    }
    a->taken = a->counted ? ARENA_ARRAY(&a->arena, struct taken, AGG_SHARED) : NULL;
    map_init(&a->panes);
    a->wm_ms = a->given_ms = INT64_MIN;
    a->closes_ms = INT64_MAX;
    a->clock = op->env->clock;
    a->closed_ms = INT64_MIN;
    a->counts = store_new(true, a->clock, op->env->memory);
    a->graves = graves_new(a->clock, op->env->memory);
    a->partial = kv_new(false, op->env->memory);
    wbuf_init(&a->closing_at);
    a->touched = kv_new(false, op->env->memory);
    kv_passing(a->touched);
    wbuf_init(&a->key);
    wbuf_init(&a->value);
    wbuf_init(&a->keys);
    emitter_init(&a->out, op, &node->out, node->mode != MODE_APPEND);
    return 0;
}

/* ---- Panes. */

static struct str span_bytes(const struct span *span) { return (struct str){(const char *)span, sizeof *span}; }
static bool span_eq(struct span x, struct span y) { return x.start == y.start && x.end == y.end; }
static unsigned near_of(struct span s)
{
    return (unsigned)(((uint64_t)s.start ^ (uint64_t)s.end << 1) * UINT64_C(0x9E3779B97F4A7C15) >> 58);
}

static_assert(AGG_NEAR == 64, "near_of gives six bits");

static int64_t span_closes(const struct op *op, struct span span)
{
    const struct aggregate *a = op->state;
    bool slice = op->node->sliced && op->node->phase == AGG_PARTIAL;
    int64_t end = slice ? windows_at(&a->windows, span.start, (unsigned)span.end).end : span.end;
    return time_add(end, op->node->grace_ms);
}

struct pane *agg_pane_get(struct op *op, struct span span)
{
    struct aggregate *a = op->state;
    return a->last && span_eq(a->last->span, span) ? a->last : map_get(&a->panes, span_bytes(&span));
}

struct pane *agg_pane_make(struct op *op, struct span span)
{
    struct aggregate *a = op->state;
    struct pane *p = map_get(&a->panes, span_bytes(&span));
    if (p)
        return p;
    p = xzalloc(sizeof *p);
    p->span = span;
    p->closes = a->windowed ? span_closes(op, span) : INT64_MAX;
    groups_init(&p->groups, a->group_size, &a->account);
    account_add(&a->account, sizeof *p);
    map_put(&a->panes, span_bytes(&span), p);
    a->closes_ms = MIN(a->closes_ms, p->closes);
    return p;
}

/* NULL: the window has closed. */
static struct pane *pane_find(struct op *op, struct span span)
{
    struct aggregate *a = op->state;
    if (a->last && span_eq(a->last->span, span))
        return a->last;
    struct pane **near = &a->near[near_of(span)];
    if (!*near || !span_eq((*near)->span, span)) {
        if (a->windowed && op->node->phase != AGG_PARTIAL && span_closes(op, span) <= a->wm_ms)
            return NULL;
        *near = agg_pane_make(op, span);
    }
    return a->last = *near;
}

/* ---- Slices. */

/* The open windows of a slice. A plan comes from disk: what is no slice has no windows. */
static void spread_over(struct op *op, struct span slice)
{
    struct aggregate *a = op->state;
    a->spread.known = true;
    a->spread.slice = slice;
    a->spread.n = 0;
    unsigned all = windows_count(&a->windows, slice.start);
    if (all > a->spread.cap) {
        a->spread.cap = all;
        a->spread.spans = xrealloc(a->spread.spans, all * sizeof *a->spread.spans);
        a->spread.panes = xrealloc(a->spread.panes, all * sizeof *a->spread.panes);
    }
    for (int64_t i = MAX(slice.end, 0); i < all; i++) {
        struct span span = windows_at(&a->windows, slice.start, (unsigned)i);
        if (span_closes(op, span) <= a->wm_ms)
            continue;
        a->spread.panes[a->spread.n] = NULL;
        a->spread.spans[a->spread.n++] = span;
    }
}

static struct span row_span(const struct op *op, const struct batch *in, uint32_t row)
{
    const struct aggregate *a = op->state;
    const unsigned *cols = op->node->group_cols + a->nkey;
    return a->windowed ? (struct span){in->cols[cols[0]].i64[row], in->cols[cols[1]].i64[row]} : (struct span){0, 0};
}

static bool spreads(const struct op *op) { return op->node->sliced && op->node->phase == AGG_FINAL; }

const struct span *agg_row_spans(struct op *op, const struct batch *in, uint32_t row, unsigned *n)
{
    struct aggregate *a = op->state;
    struct span span = row_span(op, in, row);
    if (!spreads(op)) {
        a->row_span = span;
        *n = !a->windowed || op->node->phase == AGG_PARTIAL || span_closes(op, span) > a->wm_ms;
        return &a->row_span;
    }
    if (!a->spread.known || !span_eq(a->spread.slice, span))
        spread_over(op, span);
    *n = a->spread.n;
    return a->spread.spans;
}

void agg_group_clear(struct aggregate *a, const struct plan_node *node, struct group *g)
{
    for (unsigned i = 0; a->owning && i < node->naggs; i++)
        acc_clear(&a->accs[i], g);
}

void agg_pane_drop(struct op *op, struct pane *p)
{
    struct aggregate *a = op->state;
    struct group *g;
    for (size_t i = 0; a->owning && (g = groups_next(&p->groups, &i)) != NULL;)
        agg_group_clear(a, op->node, g);
    a->ngroups -= p->groups.len;
    groups_fini(&p->groups);
    map_remove(&a->panes, span_bytes(&p->span));
    memset(a->near, 0, sizeof a->near);
    a->last = NULL;
    a->spread.known = false;
    account_sub(&a->account, sizeof *p);
    xfree(p->dirty);
    xfree(p);
}

static void aggregate_close(struct op *op)
{
    struct aggregate *a = op->state;
    struct pane *p;
    for (size_t i = 0; (p = map_next(&a->panes, &i)) != NULL; i = 0)
        agg_pane_drop(op, p);
    map_fini(&a->panes);
    account_sub(&a->account, a->remembered);
    CHECK(a->account.bytes == 0);
    store_free(a->counts);
    graves_free(a->graves);
    kv_free(a->partial);
    wbuf_fini(&a->closing_at);
    kv_free(a->touched);
    prog_free(a->prog);
    windows_close(&a->windows);
    xfree(a->spread.spans);
    xfree(a->spread.panes);
    wbuf_fini(&a->key);
    wbuf_fini(&a->value);
    wbuf_fini(&a->keys);
    wbuf_fini(&a->total);
    emitter_fini(&a->out);
    arena_fini(&a->epoch);
    arena_fini(&a->scratch);
    arena_fini(&a->arena);
}

/* ---- Keys. */

static void keys_number(struct block *blk, const struct vec *v)
{
    size_t width = type_width(v->type);
    for (uint32_t i = 0; i < blk->n; i++) {
        uint32_t row = blk->rows[i];
        struct group_key *k = &blk->key[i];
        *k = (struct group_key){.number = width == 8 ? v->i64[row] : width == 4 ? v->i32[row] : v->b[row], .len = 8};
        if (UNLIKELY(!vec_valid(v, row))) {
            k->number = 0;
            k->len = GROUP_NULL_KEY;
        }
        k->hash = group_hash_number(k->number);
    }
}

static void keys_text(struct block *blk, const struct vec *v)
{
    for (uint32_t i = 0; i < blk->n; i++) {
        uint32_t row = blk->rows[i];
        struct group_key *k = &blk->key[i];
        if (UNLIKELY(!vec_valid(v, row))) {
            *k = (struct group_key){.len = GROUP_NULL_KEY};
            continue;
        }
        struct str s = batch_str(blk->in, v, row);
        *k = (struct group_key){.bytes = s, .len = (uint32_t)s.len, .hash = group_hash_bytes(s)};
    }
}

static void keys_encoded(struct aggregate *a, struct block *blk, const unsigned *cols)
{
    wbuf_reset(&a->keys);
    for (uint32_t i = 0; i < blk->n; i++) {
        size_t before = a->keys.len;
        key_encode(blk->in, cols, a->nkey, blk->rows[i], &a->keys);
        blk->key[i].len = (uint32_t)(a->keys.len - before);
    }
    wbuf_room(&a->keys, 1); /* without group columns nothing was written, but a key is not null */
    const char *at = (const char *)a->keys.data;
    for (uint32_t i = 0; i < blk->n; i++) {
        struct group_key *k = &blk->key[i];
        k->bytes = (struct str){at, k->len};
        k->hash = group_hash_bytes(k->bytes);
        at += k->len;
    }
}

/* ---- Rows in. */

/* The results as they are, before the first change of an epoch. */
static void remember(const struct op *op, struct group *g)
{
    struct aggregate *a = op->state;
    const struct plan_node *node = op->node;
    if (!agg_shows(op, g)) { /* it showed nothing */
        g->old = GROUP_NEW;
        return;
    }
    g->old = arena_alloc(&a->epoch, sizeof *g->old * MAX(node->naggs, 1u));
    for (unsigned i = 0; i < node->naggs; i++) {
        acc_result(&a->accs[i], g, &g->old[i], &a->epoch);
        if (type_is_text(g->old[i].type) && !g->old[i].null)
            g->old[i].s = arena_dup(&a->epoch, g->old[i].s);
    }
}

static void touch(struct op *op, struct pane *p, struct group *g)
{
    struct aggregate *a = op->state;
    if (g->ts == INT64_MIN)
        a->ngroups++; /* its old is GROUP_NEW */
    else
        remember(op, g);
    if (op->node->phase == AGG_PARTIAL)
        return;
    VEC_PUSH(p->dirty, p->ndirty, p->dirty_cap) = g;
    a->remembered += a->old_size;
}

void agg_block_prefetch(const struct block *blk)
{
    for (uint32_t i = 0; i < blk->n; i++)
        if (LIKELY(blk->pane[i]))
            groups_prefetch(&blk->pane[i]->groups, blk->key[i].hash);
    for (uint32_t i = 0; i < blk->n; i++)
        if (LIKELY(blk->pane[i]))
            groups_prefetch_group(&blk->pane[i]->groups, blk->key[i].hash);
}

static void find_groups(struct op *op, struct block *blk)
{
    struct aggregate *a = op->state;
    agg_block_prefetch(blk);
    const struct batch *in = blk->in;
    size_t before = a->remembered;
    for (uint32_t i = 0; i < blk->n; i++) {
        struct group *g = groups_put(&blk->pane[i]->groups, &blk->key[i]);
        if (UNLIKELY(group_settled(g) || g->ts == INT64_MIN))
            touch(op, blk->pane[i], g);
        int64_t ts = in->ts[blk->rows[i]];
        g->ts = MAX(g->ts, ts == INT64_MIN ? ts + 1 : ts);
        g->rows += BUG("group_never_empty") ? 1 : batch_weight(in, blk->rows[i]);
        blk->group[i] = g;
    }
    size_t more = a->remembered - before;
    if (!more)
        return;
    account_add(&a->account, more);
    if (a->clock)
        clock_fresh(a->clock, more + more / a->old_size * a->group_size);
}

struct group_key agg_total_key(const struct aggregate *a)
{
    struct str bytes = {(const char *)a->total.data, a->total.len};
    return (struct group_key){.bytes = bytes, .len = (uint32_t)bytes.len, .hash = group_hash_bytes(bytes)};
}

void agg_total_find(struct op *op)
{
    struct aggregate *a = op->state;
    if (!a->due)
        return;
    struct pane *p = agg_pane_make(op, (struct span){0, 0});
    struct group_key key = agg_total_key(a);
    struct group *g = groups_put(&p->groups, &key);
    a->due = false;
    if (g->ts != INT64_MIN)
        return;
    touch(op, p, g);
    g->ts = 0; /* below that of any row */
    account_add(&a->account, a->old_size);
}

static void take(struct taken *t, const struct block *blk, uint32_t i, int weight)
{
    t->rows[t->n] = blk->rows[i];
    t->groups[t->n] = blk->group[i];
    t->weights[t->n++] = (int8_t)weight;
}

/* Counts a row of the block for those of n aggregates that take it, a bit for each, under the key at hand. Those for which
 * it brings a value that was not there, or takes the last of one, get it: for DISTINCT. */
static void count_value(struct aggregate *a, const struct block *blk, uint32_t i, unsigned n, unsigned takers, struct taken *out)
{
    int weight = batch_weight(blk->in, blk->rows[i]);
    uint8_t *counts = store_edit(a->counts, wbuf_view(&a->key), n * 8);
    bool any = false;
    for (unsigned k = 0; k < n; k++) {
        int64_t before = (int64_t)be64(counts + k * 8), after = before + (takers >> k & 1 ? weight : 0);
        put_be64(counts + k * 8, (uint64_t)after);
        any |= after != 0;
        if ((before > 0) != (after > 0) || (BUG("distinct_counted_twice") && after != before))
            take(&out[k], blk, i, after > before ? 1 : -1);
    }
    if (!any)
        store_remove(a->counts, wbuf_view(&a->key));
    kv_put(a->touched, wbuf_view(&a->key), STR(""));
}

static bool takes(const struct vec *filter, uint32_t row)
{
    return !filter || BUG("agg_filter_ignored") || (vec_valid(filter, row) && filter->b[row]);
}

static const struct vec *input_of(const struct op *op, const struct block *blk, struct vec *computed, unsigned agg, unsigned k)
{
    const struct aggregate *a = op->state;
    const struct agg *g = &op->node->aggs[agg];
    const struct expr *e = k == AGG_ARG ? g->arg : k == AGG_ARG2 ? g->arg2 : g->filter;
    int at = a->places[agg].computed[k];
    return !e ? NULL : at >= 0 ? &computed[at] : &blk->in->cols[e->column];
}

static void update_taken(const struct acc *acc, const struct block *blk, const struct taken *t, const struct vec *arg,
                         const struct vec *arg2)
{
    acc_update(acc, &(struct acc_rows){blk->in, t->rows, t->groups, t->weights, t->n}, arg, arg2);
}

/* An aggregate that does not take all rows. */
static void update_some(const struct acc *acc, const struct block *blk, const struct vec *arg, const struct vec *arg2,
                        const struct vec *filter)
{
    struct taken t;
    t.n = 0;
    for (uint32_t i = 0; i < blk->n; i++)
        if (takes(filter, blk->rows[i]))
            take(&t, blk, i, batch_weight(blk->in, blk->rows[i]));
    update_taken(acc, blk, &t, arg, arg2);
}

/* An aggregate that keeps its values, for itself and those that share them. */
static void update_counted(struct op *op, const struct block *blk, struct vec *computed, unsigned agg)
{
    struct aggregate *a = op->state;
    const struct vec *filter[AGG_SHARED], *arg = input_of(op, blk, computed, agg, AGG_ARG);
    const struct vec *arg2 = input_of(op, blk, computed, agg, AGG_ARG2);
    struct acc_rows r = {.b = blk->in, .rows = blk->rows};
    unsigned who[AGG_SHARED], n = 0;
    for (unsigned i = agg; i < op->node->naggs; i++) {
        if (i != agg && op->node->aggs[i].shares != agg + 1)
            continue;
        a->taken[n].n = 0;
        filter[n] = input_of(op, blk, computed, i, AGG_FILTER);
        who[n++] = i;
    }
    for (uint32_t i = 0; i < blk->n; i++) {
        unsigned takers = 0;
        for (unsigned k = 0; k < n; k++)
            takers |= (unsigned)takes(filter[k], blk->rows[i]) << k;
        if (!takers || !acc_value_key(&a->accs[agg], &r, i, arg, arg2, &a->value))
            continue;
        wbuf_reset(&a->key);
        wbuf_be16(&a->key, (uint16_t)agg);
        agg_state_key(a, op, blk->pane[i], blk->group[i], &a->key);
        wbuf_str(&a->key, wbuf_view(&a->value));
        count_value(a, blk, i, n, takers, a->taken);
    }
    for (unsigned k = 0; k < n; k++)
        update_taken(&a->accs[who[k]], blk, &a->taken[k], arg, arg2);
}

static void update(struct op *op, struct block *blk, struct vec *computed)
{
    struct aggregate *a = op->state;
    const struct plan_node *node = op->node;
    struct acc_rows r = {blk->in, blk->rows, blk->group, blk->in->weight ? blk->weight : NULL, blk->n};
    for (unsigned i = 0; i < node->naggs; i++) {
        if (node->phase == AGG_FINAL) {
            acc_merge(&a->accs[i], &r, &blk->in->cols[a->first_col[i]]);
            continue;
        }
        const struct vec *arg = input_of(op, blk, computed, i, AGG_ARG), *arg2 = input_of(op, blk, computed, i, AGG_ARG2);
        const struct vec *filter = input_of(op, blk, computed, i, AGG_FILTER);
        if (node->aggs[i].shares)
            continue;
        if (a->accs[i].keeps_values)
            update_counted(op, blk, computed, i);
        else if (filter)
            update_some(&a->accs[i], blk, arg, arg2, filter);
        else
            acc_update(&a->accs[i], &r, arg, arg2);
    }
}

void agg_block_keys(struct op *op, struct block *blk)
{
    struct aggregate *a = op->state;
    const unsigned *cols = op->node->group_cols;
    if (a->how == KEY_NUMBER)
        keys_number(blk, &blk->in->cols[cols[0]]);
    else if (a->how == KEY_TEXT)
        keys_text(blk, &blk->in->cols[cols[0]]);
    else
        keys_encoded(a, blk, cols);
}

static void push_block(struct op *op, struct block *blk, struct vec *computed)
{
    agg_block_keys(op, blk);
    find_groups(op, blk);
    update(op, blk, computed);
    blk->n = 0;
}

static inline void push_row(struct op *op, struct block *blk, uint32_t row, struct pane *p, struct vec *computed)
{
    blk->rows[blk->n] = row;
    blk->weight[blk->n] = (int8_t)batch_weight(blk->in, row);
    blk->pane[blk->n++] = p;
    if (blk->n == AGG_BLOCK)
        push_block(op, blk, computed);
}

/* When the last window of a slice ends. */
static int64_t last_end(const struct op *op, int64_t slice)
{
    const struct aggregate *a = op->state;
    unsigned all = windows_count(&a->windows, slice);
    return all ? windows_at(&a->windows, slice, all - 1).end : slice;
}

/* What a slice has of a group goes into each of its windows. */
static void push_slice(struct op *op, struct block *blk, uint32_t row, struct vec *computed)
{
    struct aggregate *a = op->state;
    unsigned n;
    const struct span *spans = agg_row_spans(op, blk->in, row, &n);
    if (!n)
        op_late(op, blk->in, row, last_end(op, row_span(op, blk->in, row).start));
    for (unsigned i = 0; i < n; i++) {
        struct pane **p = &a->spread.panes[i];
        if (!*p)
            *p = agg_pane_make(op, spans[i]);
        push_row(op, blk, row, *p, computed);
    }
}

static void aggregate_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    struct aggregate *a = op->state;
    struct vec *computed = NULL;
    if (a->prog) {
        struct expr_bad bad = {.arena = in->arena};
        struct expr_errors errors = {.bad = a->watched ? &bad : NULL};
        computed = ARENA_ARRAY(in->arena, struct vec, a->ncomputed);
        prog_eval(a->prog, in, computed, in, &errors);
        op_drop_bad(op, in, &errors, NULL, NULL, 0);
    }
    struct block blk;
    blk.in = in;
    blk.n = 0;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        if (spreads(op)) {
            push_slice(op, &blk, row, computed);
            continue;
        }
        struct pane *p = pane_find(op, row_span(op, in, row));
        if (LIKELY(p))
            push_row(op, &blk, row, p, computed);
        else
            op_late(op, in, row, row_span(op, in, row).end);
    }
    if (blk.n)
        push_block(op, &blk, computed);
    if (op->node->phase == AGG_PARTIAL && a->ngroups > AGG_PARTIAL_GROUPS)
        aggregate_flush(op);
}

const struct op_class aggregate_class = {
    .name = "AGGREGATE",
    .size = sizeof(struct aggregate),
    .open = aggregate_open,
    .push = aggregate_push,
    .watermark = aggregate_watermark,
    .passes = aggregate_passes,
    .marker = aggregate_marker,
    .restore = aggregate_restore,
    .again = aggregate_again,
    .opened = aggregate_opened,
    .want = aggregate_want,
    .prepare = aggregate_prepare,
    .load = aggregate_load,
    .loaded = aggregate_loaded,
    .evict = aggregate_evict,
    .tidy = aggregate_tidy,
    .close = aggregate_close,
};
