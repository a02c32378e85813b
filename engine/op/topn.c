#include "engine/op/ordered.h"

/* The first rows of each partition in some order: ORDER BY, LIMIT and OFFSET kept up to date (one partition), and a condition
 * on ROW_NUMBER, RANK or DENSE_RANK. A row's place counts from 1; rows of places above `offset`, up to offset + limit, show.
 *
 * The marker walks each partition that changed until both what showed and what shows is past, and gives the difference: a
 * row that keeps its place (or, if the place is no column, only moves) says nothing. Where rows only come, those behind the
 * last place can never show again: they are dropped, and what would lie behind it is not even taken in. Else all rows are
 * kept, since each may move up. */

struct topn {
    struct ordered rows;
    int64_t from, to;     /* places above the one, up to the other, show */
    bool only_come;
    struct kv *bounds;    /* partition -> key of the last row that counts, if there are as many as can; only_come */
    struct arena scratch;
    struct wbuf partition;
    struct emitter out;
};
enum { STORE_ROWS };

static void forget_bound(struct op *op, struct str partition)
{
    struct topn *t = op->state;
    kv_remove(t->bounds, partition);
}

static int topn_open(struct op *op, struct diag *d)
{
    (void)d;
    struct topn *t = op->state;
    const struct plan_node *node = op->node;
    ordered_init(&t->rows, op, STORE_ROWS);
    t->rows.gone_cb = forget_bound;
    t->from = node->offset;
    t->to = node->limit < 0 ? INT64_MAX : time_add(node->offset, node->limit);
    t->only_come = node->inputs[0]->mode == MODE_APPEND || BUG("topn_forgets_who_moves_up");
    t->bounds = kv_new(false, op->env->memory);
    arena_init(&t->scratch);
    wbuf_init(&t->partition);
    emitter_init(&t->out, op, &node->out, true);
    return 0;
}

static bool by_group(const struct op *op) { return op->node->rank == RANK_RANK || op->node->rank == RANK_DENSE_RANK; }

/* ---- Rows in. */

/* Would it lie behind all that can show? Completes the key if it has to. */
static bool is_behind(struct op *op, struct batch *in, uint32_t row)
{
    struct topn *t = op->state;
    struct str key = wbuf_view(&t->rows.key);
    struct str bound = kv_get(t->bounds, (struct str){key.ptr, t->rows.partition_len});
    int cmp = bound.ptr ? memcmp(key.ptr, bound.ptr, MIN(key.len, bound.len)) : -1;
    if (cmp > 0)
        return true;
    ordered_complete(&t->rows, in, row);
    return cmp == 0 && !by_group(op) && str_cmp(wbuf_view(&t->rows.key), bound) >= 0;
}

static void topn_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    struct topn *t = op->state;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        ordered_locate(&t->rows, in, row);
        if (!t->only_come)
            ordered_complete(&t->rows, in, row);
        else if (is_behind(op, in, row))
            continue;
        ordered_add(&t->rows, batch_weight(in, row), in->ts[row]);
    }
}

/* ---- Places. */

struct places { /* of one list of rows, on the way through it */
    int64_t n, rank, dense; /* rows so far; rank and number of the group of peers at hand */
    struct str order;       /* the group's; null: before the first */
};
struct span { /* places of a row's copies: one for each, or, by group, the same for all */
    int64_t first, count;
};

static struct span place(const struct op *op, struct places *p, struct str order, int64_t copies)
{
    const struct topn *t = op->state;
    if (copies && (!p->order.ptr || !str_eq(p->order, order) || BUG("rank_breaks_ties"))) {
        p->order = order;
        p->rank = p->n + 1;
        p->dense++;
    }
    int64_t before = p->n;
    p->n += copies;
    if (by_group(op)) {
        int64_t at = op->node->rank == RANK_RANK ? p->rank : p->dense;
        return (struct span){at, at > t->from && at <= t->to ? copies : 0};
    }
    int64_t first = MAX(before, t->from), end = MIN(p->n, t->to);
    return (struct span){first + 1, MAX(end - first, 0)};
}

/* No later row shows. */
static bool is_past(const struct op *op, const struct places *p)
{
    const struct topn *t = op->state;
    return by_group(op) ? (op->node->rank == RANK_RANK ? p->rank : p->dense) > t->to : p->n >= t->to;
}

/* ---- Rows out. */

static void emit(struct op *op, const struct ordered_row *r, int64_t weight, int64_t rank)
{
    struct topn *t = op->state;
    for (int64_t i = weight < 0 ? -weight : weight; i > 0; i--) {
        uint32_t row = emitter_row(&t->out, weight < 0 ? -1 : 1, weight < 0 ? r->was_ts : r->ts);
        CHECK(row_decode(r->row, op_input(op, 0), t->out.b, 0, row, ENGINE_BATCH_ROWS) == 0);
        if (op->node->rank_shown)
            t->out.b->cols[t->rows.ncols].i64[row] = rank;
    }
}

static bool within(const struct span *s, int64_t at) { return at >= s->first && at < s->first + s->count; }

static void emit_change(struct op *op, const struct ordered_row *r, struct span was, struct span now)
{
    bool groups = by_group(op);
    if (!op->node->rank_shown || (BUG("topn_place_stale") && was.count && now.count) || (groups && was.first == now.first)) {
        emit(op, r, now.count - was.count, now.first);
        return;
    }
    if (groups) {
        emit(op, r, -was.count, was.first);
        emit(op, r, now.count, now.first);
        return;
    }
    for (int64_t at = was.first; at < was.first + was.count; at++)
        if (!within(&now, at))
            emit(op, r, -1, at);
    for (int64_t at = now.first; at < now.first + now.count; at++)
        if (!within(&was, at))
            emit(op, r, 1, at);
}

struct showing {
    struct op *op;
    struct places was, now;
    struct str last;   /* of what counts */
    struct str *useless;
    size_t n, cap;
};

static int show_cb(void *arg, const struct ordered_row *r)
{
    struct showing *s = arg;
    struct topn *t = s->op->state;
    bool over = is_past(s->op, &s->now);
    struct span was = place(s->op, &s->was, r->order, r->was), now = place(s->op, &s->now, r->order, r->now);
    emit_change(s->op, r, was, now);
    if (!t->only_come)
        return is_past(s->op, &s->was) && is_past(s->op, &s->now);
    over |= by_group(s->op) && is_past(s->op, &s->now);
    if (over && r->now)
        VEC_PUSH(s->useless, s->n, s->cap) = arena_dup(&t->scratch, r->key);
    else if (r->now)
        s->last = by_group(s->op) ? (struct str){r->key.ptr, r->partition.len + r->order.len} : r->key;
    return 0;
}

/* Rows that come from now on and lie behind this one need not be taken in. */
static void set_bound(struct op *op, struct str partition, const struct showing *s)
{
    struct topn *t = op->state;
    bool full = op->node->rank == RANK_DENSE_RANK ? s->now.dense >= t->to : s->now.n >= t->to;
    if (full && s->last.ptr)
        kv_put(t->bounds, partition, s->last);
}

static void show_partition(struct op *op, struct str partition)
{
    struct topn *t = op->state;
    struct showing s = {.op = op};
    ordered_walk(&t->rows, partition, show_cb, &s);
    if (t->only_come)
        set_bound(op, partition, &s);
    for (size_t i = 0; i < s.n; i++)
        ordered_drop(&t->rows, s.useless[i]);
    xfree(s.useless);
    arena_reset(&t->scratch);
}

static void topn_marker(struct op *op, struct changes *out)
{
    struct topn *t = op->state;
    struct str behind = STR_NULL;
    while (ordered_changed(&t->rows, behind, &t->partition)) {
        behind = wbuf_view(&t->partition);
        show_partition(op, behind);
    }
    emitter_flush(&t->out);
    ordered_save(&t->rows, out);
    op->stats.state_rows = store_count(t->rows.rows);
    op->stats.state_bytes = store_bytes(t->rows.rows) + kv_bytes(t->bounds);
}

/* ---- State. */

static int topn_restore(struct op *op, unsigned store, struct str key, struct str value)
{
    (void)store;
    struct topn *t = op->state;
    return ordered_restore(&t->rows, key, value);
}

static void topn_opened(struct op *op, unsigned store, int64_t entries)
{
    (void)store;
    struct topn *t = op->state;
    store_opened(t->rows.rows, entries);
}

static void topn_want(struct op *op, unsigned input, const struct batch *in, struct needs *w)
{
    (void)input;
    struct topn *t = op->state;
    ordered_want(&t->rows, in, w);
}

static void topn_prepare(struct op *op, bool first, struct changes *out, struct needs *w)
{
    (void)out;
    struct topn *t = op->state;
    ordered_prepare(&t->rows, first, w);
}

static int topn_load(struct op *op, unsigned store, struct str key, struct str value)
{
    (void)store;
    struct topn *t = op->state;
    return ordered_load(&t->rows, key, value);
}

static void topn_loaded(struct op *op, const struct need *w)
{
    struct topn *t = op->state;
    ordered_loaded(&t->rows, w);
}

static bool topn_evict(struct op *op, size_t steps)
{
    struct topn *t = op->state;
    return store_evict_units(t->rows.rows, steps);
}

static void topn_tidy(struct op *op, size_t steps)
{
    struct topn *t = op->state;
    store_tidy(t->rows.rows, steps);
}

static void topn_close(struct op *op)
{
    struct topn *t = op->state;
    ordered_fini(&t->rows);
    kv_free(t->bounds);
    arena_fini(&t->scratch);
    wbuf_fini(&t->partition);
    emitter_fini(&t->out);
}

const struct op_class topn_class = {
    .name = "TOP N",
    .size = sizeof(struct topn),
    .open = topn_open,
    .push = topn_push,
    .marker = topn_marker,
    .restore = topn_restore,
    .opened = topn_opened,
    .want = topn_want,
    .prepare = topn_prepare,
    .load = topn_load,
    .loaded = topn_loaded,
    .evict = topn_evict,
    .tidy = topn_tidy,
    .close = topn_close,
};
