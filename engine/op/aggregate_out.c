#include "engine/op/aggregate.h"

/* What GROUP BY gives: the difference that an epoch made to each group, partial results, the last word of a window. */

enum { AHEAD = 16 };

static void put_group_columns(struct op *op, const struct pane *p, const struct group *g, struct batch *b, uint32_t row)
{
    struct aggregate *a = op->state;
    const struct column *cols = op->node->out.cols;
    struct value v = {.type = cols[0].type, .null = g->key_len == GROUP_NULL_KEY};
    if (a->how == KEY_NUMBER) {
        v.i = g->key.number;
        if (v.type.id == T_BOOLEAN)
            v.b = g->key.number != 0;
        batch_set_value(b, 0, row, &v, ENGINE_BATCH_ROWS);
    } else if (a->how == KEY_TEXT) {
        v.s = v.null ? STR_NULL : group_bytes(g);
        batch_set_value(b, 0, row, &v, ENGINE_BATCH_ROWS);
    } else {
        struct str bytes = group_bytes(g);
        for (unsigned c = 0; c < a->nkey; c++) {
            CHECK(key_decode(&bytes, cols[c].type, &v, b->arena) == 0);
            batch_set_value(b, c, row, &v, ENGINE_BATCH_ROWS);
        }
    }
    if (a->windowed) {
        b->cols[a->nkey].i64[row] = p->span.start;
        b->cols[a->nkey + 1].i64[row] = p->span.end;
    }
}

static void emit_results(struct op *op, const struct pane *p, const struct group *g, const struct value *results, int weight)
{
    struct aggregate *a = op->state;
    int64_t ts = op->node->mode == MODE_APPEND ? p->span.end - 1 : g->ts; /* a final result is a row of its window's last moment */
    uint32_t row = emitter_row(&a->out, weight, ts);
    put_group_columns(op, p, g, a->out.b, row);
    for (unsigned i = 0; i < op->node->naggs; i++)
        batch_set_value(a->out.b, op->node->ngroup + i, row, &results[i], ENGINE_BATCH_ROWS);
}

/* AGG_PARTIAL: hands over a pane. */
static void flush_pane(struct op *op, struct pane *p)
{
    struct aggregate *a = op->state;
    struct group *g;
    for (size_t i = 0; (g = groups_next(&p->groups, &i)) != NULL;) {
        uint32_t row = emitter_row(&a->out, 1, g->ts);
        put_group_columns(op, p, g, a->out.b, row);
        for (unsigned k = 0; k < op->node->naggs; k++)
            acc_partial(&a->accs[k], g, a->out.b, a->first_col[k], row);
    }
    agg_pane_drop(op, p);
}

void aggregate_flush(struct op *op)
{
    struct aggregate *a = op->state;
    struct pane *p;
    for (size_t i = 0; (p = map_next(&a->panes, &i)) != NULL; i = 0)
        flush_pane(op, p);
    emitter_flush(&a->out);
}

/* The panes that the watermark has closed, oldest first; in the epoch's arena. */
static int pane_cmp(const void *pa, const void *pb)
{
    const struct pane *a = *(struct pane *const *)pa, *b = *(struct pane *const *)pb;
    int ends = (a->span.end > b->span.end) - (a->span.end < b->span.end);
    return ends ? ends : (a->span.start > b->span.start) - (a->span.start < b->span.start);
}

static size_t closed_panes(struct op *op, struct pane ***out)
{
    struct aggregate *a = op->state;
    struct pane *p;
    size_t n = 0;
    if (!a->windowed || a->wm_ms < a->closes_ms)
        return 0;
    *out = arena_alloc(&a->epoch, sizeof **out * MAX(a->panes.len, 1u));
    a->closes_ms = INT64_MAX;
    for (size_t i = 0; (p = map_next(&a->panes, &i)) != NULL;) {
        if (p->closes <= a->wm_ms)
            (*out)[n++] = p;
        else
            a->closes_ms = MIN(a->closes_ms, p->closes);
    }
    qsort(*out, n, sizeof **out, pane_cmp);
    return n;
}

void aggregate_watermark(struct op *op, int64_t wm_ms)
{
    struct aggregate *a = op->state;
    if (wm_ms <= a->wm_ms)
        return;
    a->wm_ms = wm_ms;
    memset(a->near, 0, sizeof a->near); /* a window that has closed must not be found without being judged */
    a->last = NULL;
    a->spread.known = false;
    if (op->node->phase != AGG_PARTIAL)
        return;
    struct pane **panes;
    size_t n = closed_panes(op, &panes);
    for (size_t i = 0; i < n; i++)
        flush_pane(op, panes[i]);
    emitter_flush(&a->out);
    arena_reset(&a->epoch);
}

/* ---- The end of an epoch. */

/* Results that come from the values that are kept. */
static void look_up(struct op *op, const struct pane *p, struct group *g)
{
    struct aggregate *a = op->state;
    for (unsigned i = 0; i < op->node->naggs; i++) {
        struct acc *acc = &a->accs[i];
        if (!acc->looked_up || (BUG("max_keeps_what_left") && g->old != GROUP_NEW))
            continue;
        wbuf_reset(&a->key);
        wbuf_be16(&a->key, (uint16_t)i);
        agg_state_key(a, op, p, g, &a->key);
        struct value v;
        const char *why = acc_look_up(acc, store_map(a->counts), wbuf_view(&a->key), &v, &a->epoch);
        if (why)
            op_error(op, why);
        acc_set(acc, g, &v);
    }
}

static bool results_equal(const struct value *a, const struct value *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (a[i].null != b[i].null || (!a[i].null && value_cmp(&a[i], &b[i]) != 0))
            return false;
    return true;
}

static void compute_results(struct op *op, const struct group *g)
{
    struct aggregate *a = op->state;
    for (unsigned i = 0; i < op->node->naggs; i++) {
        const char *why = acc_result(&a->accs[i], g, &a->now[i], &a->epoch);
        if (why)
            op_error(op, why);
    }
}

/* The difference between then and now. */
static void emit_change(struct op *op, const struct pane *p, const struct group *g)
{
    struct aggregate *a = op->state;
    bool had = g->old != GROUP_NEW, has = agg_shows(op, g);
    if (g->rows < 0)
        op_error(op, "more rows were taken back than had come");
    if (has)
        compute_results(op, g);
    bool same = !op->env->record && had && has && results_equal(g->old, a->now, op->node->naggs);
    if (op->node->emit_final || same)
        return;
    if (had && !BUG("group_old_row_kept"))
        emit_results(op, p, g, g->old, -1);
    if (has)
        emit_results(op, p, g, a->now, 1);
}

static void mark_pane(struct op *op, struct pane *p, struct changes *out)
{
    struct aggregate *a = op->state;
    for (size_t i = 0; i < p->ndirty; i++) {
        if (i + AHEAD < p->ndirty)
            __builtin_prefetch(p->dirty[i + AHEAD], 1);
        struct group *g = p->dirty[i];
        if (a->counted)
            look_up(op, p, g);
        emit_change(op, p, g);
        agg_save_group(op, p, g, out);
        group_settle(g, a->clock ? a->clock->epoch : 0);
        if (g->rows == 0 && !agg_is_total(op, g)) {
            wbuf_reset(&a->key);
            agg_state_key(a, op, p, g, &a->key);
            graves_dig(a->graves, wbuf_view(&a->key));
            agg_group_clear(a, op->node, g);
            groups_remove(&p->groups, g);
            a->ngroups--;
        }
    }
    p->ndirty = 0;
}

struct marking {
    struct op *op;
    struct changes *out;
};

static int touched_cb(void *arg, struct str key, struct str value)
{
    (void)value;
    struct marking *m = arg;
    agg_save_count(m->op, key, m->out);
    return 0;
}

/* A closed window's state goes; its result stays where it was sent. */
static void close_group(struct op *op, const struct pane *p, struct group *g, struct changes *out)
{
    struct aggregate *a = op->state;
    if (op->node->emit_final && g->rows > 0) {
        compute_results(op, g);
        emit_results(op, p, g, a->now, 1);
    }
    for (unsigned i = 0; a->counted && i < op->node->naggs; i++) {
        struct str key, n;
        wbuf_reset(&a->keys);
        wbuf_be16(&a->keys, (uint16_t)i);
        agg_state_key(a, op, p, g, &a->keys);
        while (kv_first(store_map(a->counts), wbuf_view(&a->keys), &key, &n)) {
            changes_put(out, op_store(op, STORE_COUNTS), key, STR_NULL);
            wbuf_reset(&a->value);
            wbuf_str(&a->value, key);
            store_remove(a->counts, wbuf_view(&a->value));
        }
    }
    wbuf_reset(&a->key);
    agg_state_key(a, op, p, g, &a->key);
    changes_put(out, op_store(op, STORE_GROUPS), wbuf_view(&a->key), STR_NULL);
    /* Also while all is in memory: a checkpoint that was begun before holds the group when it ends. */
    if (!BUG("closed_without_grave"))
        graves_dig(a->graves, wbuf_view(&a->key));
}

void agg_close_pane(struct op *op, struct pane *p, struct changes *out)
{
    struct group *g;
    for (size_t k = 0; (g = groups_next(&p->groups, &k)) != NULL;)
        close_group(op, p, g, out);
    agg_pane_drop(op, p);
}

int64_t agg_closed_until(const struct op *op)
{
    const struct aggregate *a = op->state;
    int64_t after = time_add(op->node->grace_ms, a->by_end ? 0 : op->node->window_size_ms);
    return a->wm_ms == INT64_MIN ? INT64_MIN : time_add(a->wm_ms, -after);
}

/* Final results come when their windows close, at a marker: those that are open end later than this. */
int64_t aggregate_passes(const struct op *op)
{
    const struct aggregate *a = op->state;
    if (!op->node->emit_final || op->node->phase == AGG_PARTIAL)
        return INT64_MAX;
    return a->given_ms == INT64_MIN ? INT64_MIN : time_add(a->given_ms, -op->node->grace_ms);
}

static void close_panes(struct op *op, struct changes *out)
{
    struct aggregate *a = op->state;
    struct pane **panes;
    size_t n = closed_panes(op, &panes);
    for (size_t i = 0; i < n; i++)
        agg_close_pane(op, panes[i], out);
    if (!n && !a->closed_some)
        return;
    a->closed_some = false;
    uint8_t value[9] = {OP_LAYOUT};
    put_be64(value + 1, (uint64_t)a->wm_ms);
    changes_put(out, op_store(op, STORE_CLOSED), STR(""), (struct str){(char *)value, sizeof value});
}

void agg_mark_panes(struct op *op, struct changes *out)
{
    struct aggregate *a = op->state;
    struct pane *p;
    for (size_t i = 0; (p = map_next(&a->panes, &i)) != NULL;)
        mark_pane(op, p, out);
}

void aggregate_marker(struct op *op, struct changes *out)
{
    struct aggregate *a = op->state;
    if (op->node->phase == AGG_PARTIAL) {
        aggregate_flush(op);
        return;
    }
    agg_total_find(op);
    agg_mark_panes(op, out);
    struct marking m = {op, out};
    kv_scan(a->touched, STR(""), touched_cb, &m);
    kv_clear(a->touched);
    close_panes(op, out);
    emitter_flush(&a->out);
    a->given_ms = a->wm_ms;
    arena_reset(&a->epoch);
    account_sub(&a->account, a->remembered);
    a->remembered = 0;
    op->stats.state_rows = a->ngroups;
    op->stats.state_bytes = a->account.bytes + store_bytes(a->counts) + graves_bytes(a->graves);
}

/* What is downstream knows none of the groups. */
void aggregate_again(struct op *op)
{
    struct aggregate *a = op->state;
    struct pane *p;
    struct group *g;
    for (size_t i = 0; (p = map_next(&a->panes, &i)) != NULL;)
        for (size_t k = 0; (g = groups_next(&p->groups, &k)) != NULL;) {
            g->old = GROUP_NEW;
            VEC_PUSH(p->dirty, p->ndirty, p->dirty_cap) = g;
        }
}
