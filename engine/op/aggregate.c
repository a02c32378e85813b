#include "engine/op/acc.h"
#include "log/base/map.h"

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

enum { BLOCK = 256, NEAR = 64 };
enum { STORE_GROUPS, STORE_COUNTS, STORE_CLOSED };
enum key_how { KEY_NUMBER, KEY_TEXT, KEY_ENCODED };

struct pane {
    int64_t start;
    struct groups groups;
    struct group **dirty;
    size_t ndirty, dirty_cap;
};

struct aggregate {
    struct account account;
    struct arena arena;    /* for as long as the operator lives */
    struct arena epoch;    /* results as they were */
    enum key_how how;
    unsigned nkey;         /* group columns without the window's */
    bool windowed, retract, best; /* best: MIN or MAX over rows that may go again */
    bool owning;           /* accumulators that own memory */
    struct acc *accs;
    size_t group_size, ngroups;
    unsigned *first_col;   /* of each aggregate's partial columns */
    struct prog *prog;     /* computed arguments; NULL: all are columns */
    int *computed;         /* which root of prog is the argument; -1: a column, or none */
    unsigned ncomputed;
    struct map panes;
    struct pane *last, *near[NEAR];
    int64_t wm_ms;
    struct kv *counts;     /* ordered: (aggregate, group, value) -> how often, for best */
    struct kv *touched;    /* keys of counts that changed in this epoch */
    struct value *now;     /* results of the group at hand */
    struct wbuf key, value, keys;
    struct emitter out;
};

/* One block of rows on its way into the tables. */
struct block {
    const struct batch *in;
    uint32_t n, rows[BLOCK];
    struct pane *pane[BLOCK];
    struct group_key key[BLOCK];
    struct group *group[BLOCK];
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
        a->how = KEY_TEXT;
        break;
    case T_DOUBLE:
    case T_DECIMAL:
        break;
    default:
        a->how = KEY_NUMBER;
    }
}

static int compile_args(struct aggregate *a, struct op *op, struct diag *d)
{
    const struct plan_node *node = op->node;
    const struct expr **roots = ARENA_ARRAY(&a->arena, const struct expr *, MAX(node->naggs, 1u));
    a->computed = ARENA_ARRAY(&a->arena, int, MAX(node->naggs, 1u));
    for (unsigned i = 0; i < node->naggs; i++) {
        const struct expr *arg = node->aggs[i].arg;
        a->computed[i] = -1;
        if (node->phase == AGG_FINAL || !arg || arg->kind == EX_COLUMN)
            continue;
        a->computed[i] = (int)a->ncomputed;
        roots[a->ncomputed++] = arg;
    }
    return a->ncomputed ? prog_compile(&a->prog, roots, a->ncomputed, op_input(op, 0), d) : 0;
}

static int aggregate_open(struct op *op, struct diag *d)
{
    struct aggregate *a = op->state;
    const struct plan_node *node = op->node;
    arena_init(&a->arena);
    int err = compile_args(a, op, d);
    if (err) {
        arena_fini(&a->arena);
        return err;
    }
    choose_key(a, op);
    arena_init(&a->epoch);
    a->account.budget = op->env->memory;
    a->retract = node->inputs[0]->mode == MODE_RETRACT;
    a->accs = ARENA_ARRAY(&a->arena, struct acc, MAX(node->naggs, 1u));
    a->now = ARENA_ARRAY(&a->arena, struct value, MAX(node->naggs, 1u));
    a->first_col = ARENA_ARRAY(&a->arena, unsigned, MAX(node->naggs, 1u));
    a->group_size = accs_init(a->accs, node, a->retract, &a->account);
    unsigned col = node->ngroup;
    for (unsigned i = 0; i < node->naggs; i++) {
        bool best = node->aggs[i].kind == AGG_MIN || node->aggs[i].kind == AGG_MAX;
        struct type types[4];
        a->first_col[i] = col;
        col += agg_partial_columns(&node->aggs[i], a->accs[i].arg, types);
        a->best |= best && a->retract;
        a->owning |= best && a->accs[i].cls == ACC_TEXT;
    }
    map_init(&a->panes);
    a->wm_ms = INT64_MIN;
    a->counts = kv_new(true, op->env->memory);
    a->touched = kv_new(false, op->env->memory);
    wbuf_init(&a->key);
    wbuf_init(&a->value);
    wbuf_init(&a->keys);
    emitter_init(&a->out, op, &node->out, node->mode != MODE_APPEND);
    return 0;
}

/* ---- Panes. */

static struct str start_bytes(const int64_t *start) { return (struct str){(const char *)start, sizeof *start}; }
static unsigned near_of(int64_t start) { return (unsigned)((uint64_t)start * UINT64_C(0x9E3779B97F4A7C15) >> 58); }
static_assert(NEAR == 64, "near_of gives six bits");

static int64_t pane_closes(const struct op *op, int64_t start)
{
    return time_add(time_add(start, op->node->window_size_ms), op->node->grace_ms);
}

static struct pane *pane_make(struct aggregate *a, int64_t start)
{
    struct pane *p = map_get(&a->panes, start_bytes(&start));
    if (p)
        return p;
    p = xzalloc(sizeof *p);
    p->start = start;
    groups_init(&p->groups, a->group_size, &a->account);
    account_add(&a->account, sizeof *p);
    map_put(&a->panes, start_bytes(&start), p);
    return p;
}

/* NULL: the window has closed. */
static struct pane *pane_find(struct op *op, int64_t start)
{
    struct aggregate *a = op->state;
    if (a->last && a->last->start == start)
        return a->last;
    struct pane **near = &a->near[near_of(start)];
    if (!*near || (*near)->start != start) {
        if (a->windowed && op->node->phase != AGG_PARTIAL && pane_closes(op, start) <= a->wm_ms)
            return NULL;
        *near = pane_make(a, start);
    }
    return a->last = *near;
}

static void group_clear(struct aggregate *a, const struct plan_node *node, struct group *g)
{
    for (unsigned i = 0; a->owning && i < node->naggs; i++)
        acc_clear(&a->accs[i], g);
}

static void pane_drop(struct op *op, struct pane *p)
{
    struct aggregate *a = op->state;
    struct group *g;
    for (size_t i = 0; a->owning && (g = groups_next(&p->groups, &i)) != NULL;)
        group_clear(a, op->node, g);
    a->ngroups -= p->groups.len;
    groups_fini(&p->groups);
    map_remove(&a->panes, start_bytes(&p->start));
    memset(a->near, 0, sizeof a->near);
    a->last = NULL;
    account_sub(&a->account, sizeof *p);
    xfree(p->dirty);
    xfree(p);
}

static void aggregate_close(struct op *op)
{
    struct aggregate *a = op->state;
    struct pane *p;
    for (size_t i = 0; (p = map_next(&a->panes, &i)) != NULL; i = 0)
        pane_drop(op, p);
    map_fini(&a->panes);
    CHECK(a->account.bytes == 0);
    kv_free(a->counts);
    kv_free(a->touched);
    prog_free(a->prog);
    wbuf_fini(&a->key);
    wbuf_fini(&a->value);
    wbuf_fini(&a->keys);
    emitter_fini(&a->out);
    arena_fini(&a->epoch);
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

/* The group's key in the changelog: window start first, so that what closes together lies together. */
static void state_key(const struct aggregate *a, const struct op *op, const struct pane *p, const struct group *g,
                      struct wbuf *out)
{
    if (a->windowed) {
        struct value start = {.type = TYPE(T_BIGINT), .i = p->start};
        key_encode_value(&start, out);
    }
    if (a->how == KEY_ENCODED) {
        wbuf_str(out, group_bytes(g));
        return;
    }
    struct value v = {.type = op->node->out.cols[0].type, .null = g->key_len == GROUP_NULL_KEY};
    if (a->how == KEY_TEXT && !v.null)
        v.s = group_bytes(g);
    else if (v.type.id == T_BOOLEAN)
        v.b = g->key.number;
    else
        v.i = g->key.number;
    key_encode_value(&v, out);
}

/* ---- Rows in. */

/* The results as they are, before the first change of an epoch. */
static void remember(struct aggregate *a, const struct plan_node *node, struct group *g)
{
    if (g->rows <= 0) { /* it showed nothing */
        g->old = GROUP_NEW;
        return;
    }
    g->old = arena_alloc(&a->epoch, sizeof *g->old * MAX(node->naggs, 1u));
    for (unsigned i = 0; i < node->naggs; i++) {
        acc_result(&a->accs[i], g, &g->old[i]);
        if (type_is_text(g->old[i].type) && !g->old[i].null)
            g->old[i].s = arena_dup(&a->epoch, g->old[i].s);
    }
}

static void touch(struct op *op, struct pane *p, struct group *g)
{
    struct aggregate *a = op->state;
    if (g->ts == INT64_MIN)
        a->ngroups++;
    else
        remember(a, op->node, g);
    if (op->node->phase != AGG_PARTIAL)
        VEC_PUSH(p->dirty, p->ndirty, p->dirty_cap) = g;
}

static void find_groups(struct op *op, struct block *blk)
{
    for (uint32_t i = 0; i < blk->n; i++)
        groups_prefetch(&blk->pane[i]->groups, blk->key[i].hash);
    for (uint32_t i = 0; i < blk->n; i++)
        groups_prefetch_group(&blk->pane[i]->groups, blk->key[i].hash);
    const struct batch *in = blk->in;
    for (uint32_t i = 0; i < blk->n; i++) {
        struct group *g = groups_put(&blk->pane[i]->groups, &blk->key[i]);
        if (UNLIKELY(!g->old || g->ts == INT64_MIN))
            touch(op, blk->pane[i], g);
        int64_t ts = in->ts[blk->rows[i]];
        g->ts = MAX(g->ts, ts == INT64_MIN ? ts + 1 : ts);
        g->rows += batch_weight(in, blk->rows[i]);
        blk->group[i] = g;
    }
}

/* MIN and MAX over rows that may go again: how often each value is there. */
static void count_values(struct op *op, const struct block *blk, unsigned agg, const struct vec *arg)
{
    struct aggregate *a = op->state;
    struct batch view = {.ncols = 1, .cols = (struct vec *)arg, .bufs = blk->in->bufs, .nbufs = blk->in->nbufs};
    for (uint32_t i = 0; i < blk->n; i++) {
        if (!vec_valid(arg, blk->rows[i]))
            continue;
        wbuf_reset(&a->key);
        wbuf_be16(&a->key, (uint16_t)agg);
        state_key(a, op, blk->pane[i], blk->group[i], &a->key);
        key_encode(&view, &(unsigned){0}, 1, blk->rows[i], &a->key);
        struct str key = wbuf_view(&a->key), before = kv_get(a->counts, key);
        int64_t n = before.ptr ? (int64_t)be64(before.ptr) : 0;
        uint8_t after[8];
        n += batch_weight(blk->in, blk->rows[i]);
        put_be64(after, (uint64_t)n);
        if (n)
            kv_put(a->counts, key, (struct str){(char *)after, 8});
        else
            kv_remove(a->counts, key);
        kv_put(a->touched, key, STR(""));
    }
}

static void update(struct op *op, struct block *blk, struct vec *computed)
{
    struct aggregate *a = op->state;
    const struct plan_node *node = op->node;
    struct acc_rows r = {blk->in, blk->rows, blk->group, blk->n};
    for (unsigned i = 0; i < node->naggs; i++) {
        if (node->phase == AGG_FINAL) {
            acc_merge(&a->accs[i], &r, &blk->in->cols[a->first_col[i]]);
            continue;
        }
        const struct expr *arg = node->aggs[i].arg;
        const struct vec *v = !arg ? NULL : a->computed[i] >= 0 ? &computed[a->computed[i]] : &blk->in->cols[arg->column];
        acc_update(&a->accs[i], &r, v);
        if (a->best && (node->aggs[i].kind == AGG_MIN || node->aggs[i].kind == AGG_MAX))
            count_values(op, blk, i, v);
    }
}

static void push_block(struct op *op, struct block *blk, struct vec *computed)
{
    struct aggregate *a = op->state;
    const unsigned *cols = op->node->group_cols;
    if (a->how == KEY_NUMBER)
        keys_number(blk, &blk->in->cols[cols[0]]);
    else if (a->how == KEY_TEXT)
        keys_text(blk, &blk->in->cols[cols[0]]);
    else
        keys_encoded(a, blk, cols);
    find_groups(op, blk);
    update(op, blk, computed);
    blk->n = 0;
}

static void flush_all(struct op *op);

static void aggregate_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    struct aggregate *a = op->state;
    struct vec *computed = NULL;
    if (a->prog) {
        struct expr_errors errors = {0};
        computed = ARENA_ARRAY(in->arena, struct vec, a->ncomputed);
        prog_eval(a->prog, in, computed, in, &errors);
        op_errors(op, &errors);
    }
    const int64_t *start = a->windowed ? in->cols[op->node->group_cols[a->nkey]].i64 : NULL;
    struct block blk;
    blk.in = in;
    blk.n = 0;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        struct pane *p = pane_find(op, start ? start[row] : 0);
        if (UNLIKELY(!p)) {
            op->stats.late++;
            continue;
        }
        blk.rows[blk.n] = row;
        blk.pane[blk.n++] = p;
        if (blk.n == BLOCK)
            push_block(op, &blk, computed);
    }
    if (blk.n)
        push_block(op, &blk, computed);
    if (op->node->phase == AGG_PARTIAL && a->ngroups > AGG_PARTIAL_GROUPS)
        flush_all(op);
}

/* ---- Rows out. */

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
        b->cols[a->nkey].i64[row] = p->start;
        b->cols[a->nkey + 1].i64[row] = time_add(p->start, op->node->window_size_ms);
    }
}

static void emit_results(struct op *op, const struct pane *p, const struct group *g, const struct value *results, int weight)
{
    struct aggregate *a = op->state;
    uint32_t row = emitter_row(&a->out, weight, g->ts);
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
    pane_drop(op, p);
}

static void flush_all(struct op *op)
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
    return (a->start > b->start) - (a->start < b->start);
}

static size_t closed_panes(struct op *op, struct pane ***out)
{
    struct aggregate *a = op->state;
    struct pane *p;
    size_t n = 0;
    *out = arena_alloc(&a->epoch, sizeof **out * MAX(a->panes.len, 1u));
    for (size_t i = 0; a->windowed && (p = map_next(&a->panes, &i)) != NULL;)
        if (pane_closes(op, p->start) <= a->wm_ms)
            (*out)[n++] = p;
    qsort(*out, n, sizeof **out, pane_cmp);
    return n;
}

static void aggregate_watermark(struct op *op, int64_t wm_ms)
{
    struct aggregate *a = op->state;
    if (wm_ms <= a->wm_ms)
        return;
    a->wm_ms = wm_ms;
    memset(a->near, 0, sizeof a->near); /* a window that has closed must not be found without being judged */
    a->last = NULL;
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

/* MIN and MAX over rows that may go again: the first or last value that is still there. */
static void look_up_best(struct op *op, const struct pane *p, struct group *g)
{
    struct aggregate *a = op->state;
    for (unsigned i = 0; i < op->node->naggs; i++) {
        struct acc *acc = &a->accs[i];
        if (acc->kind != AGG_MIN && acc->kind != AGG_MAX)
            continue;
        wbuf_reset(&a->key);
        wbuf_be16(&a->key, (uint16_t)i);
        state_key(a, op, p, g, &a->key);
        struct str key, n;
        bool found = acc->kind == AGG_MIN ? kv_first(a->counts, wbuf_view(&a->key), &key, &n)
                                          : kv_last(a->counts, wbuf_view(&a->key), &key, &n);
        struct value v = value_null(acc->arg);
        if (found) {
            struct str bytes = {key.ptr + a->key.len, key.len - a->key.len};
            CHECK(key_decode(&bytes, acc->arg, &v, &a->epoch) == 0);
        }
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
    for (unsigned i = 0; i < op->node->naggs; i++)
        if (!acc_result(&a->accs[i], g, &a->now[i]))
            op_error(op, "the sum is out of the range of its type");
}

/* The difference between then and now. */
static void emit_change(struct op *op, const struct pane *p, const struct group *g)
{
    struct aggregate *a = op->state;
    bool had = g->old != GROUP_NEW, has = g->rows > 0;
    if (g->rows < 0)
        op_error(op, "more rows were taken back than had come");
    if (has)
        compute_results(op, g);
    if (op->node->emit_final || (had && has && results_equal(g->old, a->now, op->node->naggs)))
        return;
    if (had)
        emit_results(op, p, g, g->old, -1);
    if (has)
        emit_results(op, p, g, a->now, 1);
}

static void save_group(struct op *op, const struct pane *p, const struct group *g, struct changes *out)
{
    struct aggregate *a = op->state;
    wbuf_reset(&a->key);
    wbuf_reset(&a->value);
    state_key(a, op, p, g, &a->key);
    if (g->rows != 0) {
        wbuf_u8(&a->value, OP_LAYOUT);
        wbuf_varint(&a->value, g->rows);
        wbuf_be64(&a->value, (uint64_t)g->ts);
        for (unsigned i = 0; i < op->node->naggs; i++)
            acc_save(&a->accs[i], g, &a->value);
    }
    changes_put(out, op_store(op, STORE_GROUPS), wbuf_view(&a->key), g->rows ? wbuf_view(&a->value) : STR_NULL);
}

static void mark_pane(struct op *op, struct pane *p, struct changes *out)
{
    struct aggregate *a = op->state;
    for (size_t i = 0; i < p->ndirty; i++) {
        struct group *g = p->dirty[i];
        if (a->best)
            look_up_best(op, p, g);
        emit_change(op, p, g);
        save_group(op, p, g, out);
        g->old = NULL;
        if (g->rows == 0) {
            group_clear(a, op->node, g);
            groups_remove(&p->groups, g);
            a->ngroups--;
        }
    }
    p->ndirty = 0;
}

static void save_count(struct op *op, struct str key, struct changes *out)
{
    struct aggregate *a = op->state;
    struct str n = kv_get(a->counts, key);
    wbuf_reset(&a->value);
    wbuf_u8(&a->value, OP_LAYOUT);
    wbuf_str(&a->value, n);
    changes_put(out, op_store(op, STORE_COUNTS), key, n.ptr ? wbuf_view(&a->value) : STR_NULL);
}

struct marking {
    struct op *op;
    struct changes *out;
};

static int touched_cb(void *arg, struct str key, struct str value)
{
    (void)value;
    struct marking *m = arg;
    save_count(m->op, key, m->out);
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
    for (unsigned i = 0; a->best && i < op->node->naggs; i++) {
        struct str key, n;
        wbuf_reset(&a->keys);
        wbuf_be16(&a->keys, (uint16_t)i);
        state_key(a, op, p, g, &a->keys);
        while (kv_first(a->counts, wbuf_view(&a->keys), &key, &n)) {
            changes_put(out, op_store(op, STORE_COUNTS), key, STR_NULL);
            wbuf_reset(&a->value);
            wbuf_str(&a->value, key);
            kv_remove(a->counts, wbuf_view(&a->value));
        }
    }
    wbuf_reset(&a->key);
    state_key(a, op, p, g, &a->key);
    changes_put(out, op_store(op, STORE_GROUPS), wbuf_view(&a->key), STR_NULL);
}

static void close_panes(struct op *op, struct changes *out)
{
    struct aggregate *a = op->state;
    struct pane **panes;
    size_t n = closed_panes(op, &panes);
    for (size_t i = 0; i < n; i++) {
        struct group *g;
        for (size_t k = 0; (g = groups_next(&panes[i]->groups, &k)) != NULL;)
            close_group(op, panes[i], g, out);
        pane_drop(op, panes[i]);
    }
    if (!n)
        return;
    uint8_t value[9] = {OP_LAYOUT};
    put_be64(value + 1, (uint64_t)a->wm_ms);
    changes_put(out, op_store(op, STORE_CLOSED), STR(""), (struct str){(char *)value, sizeof value});
}

static void aggregate_marker(struct op *op, struct changes *out)
{
    struct aggregate *a = op->state;
    if (op->node->phase == AGG_PARTIAL) {
        flush_all(op);
        return;
    }
    struct pane *p;
    for (size_t i = 0; (p = map_next(&a->panes, &i)) != NULL;)
        mark_pane(op, p, out);
    struct marking m = {op, out};
    kv_scan(a->touched, STR(""), touched_cb, &m);
    kv_clear(a->touched);
    close_panes(op, out);
    emitter_flush(&a->out);
    arena_reset(&a->epoch);
    op->stats.state_rows = a->ngroups;
    op->stats.state_bytes = a->account.bytes + kv_bytes(a->counts);
}

/* ---- Restart. */

static int restore_count(struct aggregate *a, struct str key, struct str value)
{
    if (!value.ptr) {
        kv_remove(a->counts, key);
        return 0;
    }
    if (value.len != 9 || value.ptr[0] != OP_LAYOUT)
        return E_CORRUPT;
    kv_put(a->counts, key, (struct str){value.ptr + 1, 8});
    return 0;
}

/* Takes a state key apart; the group's key borrows from `bytes` or the arena. */
static int parse_key(struct op *op, struct str bytes, int64_t *start, struct group_key *key)
{
    struct aggregate *a = op->state;
    struct value v;
    *start = 0;
    if (a->windowed) {
        if (key_decode(&bytes, TYPE(T_BIGINT), &v, &a->epoch) || v.null)
            return E_CORRUPT;
        *start = v.i;
    }
    *key = (struct group_key){.bytes = {bytes.ptr ? bytes.ptr : "", bytes.len}, .len = (uint32_t)bytes.len};
    for (unsigned c = 0; c < a->nkey; c++)
        if (key_decode(&bytes, op->node->out.cols[c].type, &v, &a->epoch))
            return E_CORRUPT;
    if (bytes.len)
        return E_CORRUPT;
    if (a->how == KEY_ENCODED) {
        key->hash = group_hash_bytes(key->bytes);
        return 0;
    }
    *key = (struct group_key){.len = GROUP_NULL_KEY};
    if (a->how == KEY_TEXT && !v.null)
        *key = (struct group_key){.bytes = v.s, .len = (uint32_t)v.s.len, .hash = group_hash_bytes(v.s)};
    else if (a->how == KEY_NUMBER && !v.null)
        *key = (struct group_key){.number = v.type.id == T_BOOLEAN ? v.b : v.i, .len = 8};
    if (a->how == KEY_NUMBER)
        key->hash = group_hash_number(key->number);
    return 0;
}

static bool load_group(struct op *op, struct group *g, struct str value)
{
    struct aggregate *a = op->state;
    struct rbuf r = rbuf_of(value.ptr, value.len);
    if (rbuf_u8(&r) != OP_LAYOUT)
        return false;
    g->rows = rbuf_varint(&r);
    g->ts = (int64_t)rbuf_be64(&r);
    g->old = NULL;
    for (unsigned i = 0; i < op->node->naggs; i++)
        if (!acc_load(&a->accs[i], g, &r, &a->epoch))
            return false;
    return !r.err && rbuf_left(&r) == 0;
}

static int restore_group(struct op *op, struct str bytes, struct str value)
{
    struct aggregate *a = op->state;
    int64_t start;
    struct group_key key;
    if (parse_key(op, bytes, &start, &key))
        return E_CORRUPT;
    struct pane *p = pane_make(a, start);
    struct group *g = groups_put(&p->groups, &key);
    a->ngroups += g->ts == INT64_MIN;
    bool ok = !value.ptr || load_group(op, g, value);
    if (!value.ptr || !ok) {
        group_clear(a, op->node, g);
        groups_remove(&p->groups, g);
        a->ngroups--;
        if (!p->groups.len)
            pane_drop(op, p);
    }
    return ok ? 0 : E_CORRUPT;
}

static int aggregate_restore(struct op *op, unsigned store, struct str key, struct str value)
{
    struct aggregate *a = op->state;
    int err = E_CORRUPT;
    switch (store % OP_STORES) {
    case STORE_GROUPS:
        err = restore_group(op, key, value);
        arena_reset(&a->epoch);
        break;
    case STORE_COUNTS:
        err = restore_count(a, key, value);
        break;
    case STORE_CLOSED:
        if (value.len == 9 && value.ptr[0] == OP_LAYOUT && key.len == 0) {
            a->wm_ms = (int64_t)be64(value.ptr + 1);
            err = 0;
        }
    }
    return err;
}

const struct op_class aggregate_class = {
    .name = "AGGREGATE",
    .size = sizeof(struct aggregate),
    .open = aggregate_open,
    .push = aggregate_push,
    .watermark = aggregate_watermark,
    .marker = aggregate_marker,
    .restore = aggregate_restore,
    .close = aggregate_close,
};
