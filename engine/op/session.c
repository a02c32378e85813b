#include "engine/op/acc.h"
#include "engine/op/windows.h"
#include "log/base/list.h"
#include "log/base/map.h"

/* GROUP BY session: rows of a key whose times lie no further apart than the gap are one group. A row, or a session that a
 * partial aggregate hands over, is an interval [start, event time] that joins all sessions within the gap and makes them one.
 *
 * A session is over when its end + gap lies before what WINDOW says of a row (time as it was there, less grace), or before
 * the watermark less grace: no row joins it any more, and one that joins nothing and would be over itself is late. The
 * state of a session that is over by the watermark goes at the next marker; its result stays where it was sent. Results have
 * the time of the session's end.
 *
 * What an epoch changed is given at its marker: sessions as they were are taken back, those that were joined to others too.
 * AGG_PARTIAL has no state across markers: it hands over all, and before a watermark what that might change. A row near to
 * which something may be over goes alone, and is judged above. */

struct session {
    struct session *next;    /* of its key, by start */
    struct list changed;     /* among the dirty ones */
    struct list due;         /* in the bucket of its end as it was when it was put there */
    struct keyed *of;
    int64_t start, end;
    bool dirty, shown, saved; /* shown: at the last marker; saved: the changelog has it, */
    int64_t saved_start;     /* under this start */
    int64_t old_start, old_end;
    struct value *old;       /* dirty and shown: results at the last marker */
    _Alignas(16) struct group g; /* rows; accumulators follow */
};
struct keyed { /* a key with sessions */
    struct group g;
    struct session *first;
};
struct gone { /* a session that was shown and is no more */
    struct gone *next;
    struct str key;
    int64_t start, end;
    struct value *old;
};
struct bucket {
    int64_t number;
    struct list sessions;
};

enum { STORE_SESSIONS, STORE_CLOSED = 2 };
struct session_op {
    struct account account;
    struct arena arena, epoch;
    unsigned nkey;
    struct acc *accs;
    size_t session_size, nsessions;
    unsigned *first_col;
    struct prog *prog;
    bool watched; /* it calls C functions */
    int (*computed)[3]; /* argument, second, filter of each aggregate: which root of prog; -1: a column, or none */
    unsigned ncomputed;
    struct groups keys;
    struct list dirty;
    struct gone *gone;
    struct map buckets;
    int64_t given_ms; /* watermark at the last marker */
    int64_t bucket_ms, wm_ms, first_bucket; /* no bucket is before that one */
    int64_t least_start; /* AGG_PARTIAL: of all sessions */
    bool closed_some;
    struct schema parts; /* of one partial result: to join sessions */
    struct value *now;
    struct wbuf keybuf, key, value;
    struct emitter out;
    /* Rows that have found their session, and are still to be added up. */
    struct batch *in;
    struct vec *vecs;
    uint32_t n, rows[256];
    struct group *groups[256];
};

static int64_t gap_of(const struct op *op) { return op->node->window_size_ms; }

/* ---- Opening. */

static int compile(struct op *op, struct diag *d)
{
    struct session_op *s = op->state;
    const struct plan_node *node = op->node;
    const struct expr **roots = ARENA_ARRAY(&s->arena, const struct expr *, MAX(node->naggs * 3, 1u));
    s->computed = arena_alloc(&s->arena, MAX(node->naggs, 1u) * sizeof *s->computed);
    for (unsigned i = 0; i < node->naggs; i++) {
        const struct agg *g = &node->aggs[i];
        const struct expr *inputs[] = {g->arg, g->arg2, g->filter};
        for (unsigned k = 0; k < 3; k++) {
            s->computed[i][k] = -1;
            if (node->phase == AGG_FINAL || !inputs[k] || inputs[k]->kind == EX_COLUMN)
                continue;
            s->computed[i][k] = (int)s->ncomputed;
            roots[s->ncomputed++] = inputs[k];
        }
    }
    int err = s->ncomputed ? op_compile(op, &s->prog, roots, s->ncomputed, d) : 0;
    s->watched = s->prog && op->env->bad && prog_watch(s->prog, NULL);
    return err;
}

/* The columns of partial results: first_col is where each aggregate's begin, behind the groups. */
static void lay_out(struct op *op)
{
    struct session_op *s = op->state;
    const struct plan_node *node = op->node;
    s->first_col = ARENA_ARRAY(&s->arena, unsigned, MAX(node->naggs, 1u));
    s->parts.cols = ARENA_ARRAY(&s->arena, struct column, node->naggs * 4 + 1);
    for (unsigned i = 0; i < node->naggs; i++) {
        struct type types[4];
        unsigned n = agg_partial_columns(&node->aggs[i], s->accs[i].arg, types);
        s->first_col[i] = node->ngroup + s->parts.n;
        for (unsigned k = 0; k < n; k++)
            s->parts.cols[s->parts.n++] = (struct column){"", types[k]};
    }
}

static int session_open(struct op *op, struct diag *d)
{
    struct session_op *s = op->state;
    const struct plan_node *node = op->node;
    arena_init(&s->arena);
    int err = compile(op, d);
    if (err) {
        arena_fini(&s->arena);
        return err;
    }
    arena_init(&s->epoch);
    s->account.budget = op->env->memory;
    s->nkey = node->ngroup - 2;
    s->accs = ARENA_ARRAY(&s->arena, struct acc, MAX(node->naggs, 1u));
    s->session_size = offsetof(struct session, g) + accs_init(s->accs, node, false, &s->account);
    s->now = ARENA_ARRAY(&s->arena, struct value, MAX(node->naggs, 1u));
    lay_out(op);
    groups_init(&s->keys, (sizeof(struct keyed) + 15) / 16 * 16, &s->account);
    map_init(&s->buckets);
    list_init(&s->dirty);
    s->bucket_ms = MAX(time_add(gap_of(op), node->grace_ms) / 16, (int64_t)1);
    s->wm_ms = s->given_ms = INT64_MIN;
    s->first_bucket = s->least_start = INT64_MAX;
    wbuf_init(&s->keybuf);
    wbuf_init(&s->key);
    wbuf_init(&s->value);
    emitter_init(&s->out, op, &node->out, node->mode != MODE_APPEND);
    return 0;
}

/* ---- Sessions of a key. */

static struct session *session_new(struct session_op *s, struct keyed *of, int64_t start, int64_t end)
{
    struct session *n = xzalloc(s->session_size);
    n->of = of;
    n->start = start;
    n->end = end;
    n->g.ts = INT64_MIN;
    list_init(&n->due);
    list_init(&n->changed);
    account_add(&s->account, s->session_size);
    s->nsessions++;
    return n;
}

static void session_free(struct op *op, struct session *n)
{
    struct session_op *s = op->state;
    for (unsigned i = 0; i < op->node->naggs; i++)
        acc_clear(&s->accs[i], &n->g);
    list_remove(&n->due);
    list_remove(&n->changed);
    account_sub(&s->account, s->session_size);
    s->nsessions--;
    xfree(n);
}

static struct str key_of(const struct keyed *k) { return group_bytes(&k->g); }

static struct keyed *keyed_of(struct session_op *s, struct str key)
{
    struct group_key at = {.bytes = {key.ptr ? key.ptr : "", key.len}, .len = (uint32_t)key.len, .hash = group_hash_bytes(key)};
    return (struct keyed *)groups_put(&s->keys, &at);
}

/* In order of starts. No two sessions of a key begin together, and none that are not over lie within the gap. */
static void link_session(struct keyed *k, struct session *n)
{
    struct session **at = &k->first;
    while (*at && (*at)->start < n->start)
        at = &(*at)->next;
    n->next = *at;
    *at = n;
}

static void unlink_only(struct keyed *k, struct session *n)
{
    struct session **at = &k->first;
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
}

/* And forgets a key without sessions. */
static void unlink_session(struct session_op *s, struct session *n)
{
    unlink_only(n->of, n);
    if (!n->of->first)
        groups_remove(&s->keys, &n->of->g);
}

/* ---- When they are over. A session lies in the bucket of its end; when that has grown it is moved only once the bucket's
 * time has come. */

static int64_t bucket_of(const struct session_op *s, int64_t end)
{
    int64_t past = end % s->bucket_ms;
    return end / s->bucket_ms - (past < 0);
}

static void put_in_bucket(struct session_op *s, struct session *n)
{
    int64_t number = bucket_of(s, n->end);
    struct str key = {(const char *)&number, sizeof number};
    struct bucket *b = map_get(&s->buckets, key);
    if (!b) {
        b = xzalloc(sizeof *b);
        b->number = number;
        list_init(&b->sessions);
        map_put(&s->buckets, key, b);
        s->first_bucket = MIN(s->first_bucket, number);
    }
    list_add_tail(&b->sessions, &n->due);
}

/* Ends before this are over. */
static int64_t over_until(const struct op *op)
{
    const struct session_op *s = op->state;
    return s->wm_ms == INT64_MIN ? INT64_MIN : time_add(time_add(s->wm_ms, -op->node->grace_ms), -gap_of(op));
}

/* ---- Adding up. */

static const struct vec *input_of(const struct op *op, unsigned agg, unsigned k)
{
    const struct session_op *s = op->state;
    const struct agg *g = &op->node->aggs[agg];
    const struct expr *e = k == 0 ? g->arg : k == 1 ? g->arg2 : g->filter;
    int at = s->computed[agg][k];
    return !e ? NULL : at >= 0 ? &s->vecs[at] : &s->in->cols[e->column];
}

static void update_where(const struct session_op *s, const struct acc *acc, const struct vec *arg, const struct vec *arg2,
                         const struct vec *filter)
{
    uint32_t rows[ARRAY_LEN(s->rows)], n = 0;
    struct group *groups[ARRAY_LEN(s->rows)];
    for (uint32_t i = 0; i < s->n; i++) {
        if (!vec_valid(filter, s->rows[i]) || !filter->b[s->rows[i]])
            continue;
        rows[n] = s->rows[i];
        groups[n++] = s->groups[i];
    }
    acc_update(acc, &(struct acc_rows){s->in, rows, groups, NULL, n}, arg, arg2);
}

/* The rows that have found their sessions. */
static void add_up(struct op *op)
{
    struct session_op *s = op->state;
    struct acc_rows r = {s->in, s->rows, s->groups, NULL, s->n};
    for (unsigned i = 0; i < op->node->naggs; i++) {
        const struct acc *acc = &s->accs[i];
        if (op->node->phase == AGG_FINAL) {
            acc_merge(acc, &r, &s->in->cols[s->first_col[i]]);
            continue;
        }
        const struct vec *arg = input_of(op, i, 0), *arg2 = input_of(op, i, 1), *filter = input_of(op, i, 2);
        if (filter)
            update_where(s, acc, arg, arg2, filter);
        else
            acc_update(acc, &r, arg, arg2);
    }
    s->n = 0;
}

/* What `from` has becomes part of `to`: by way of a partial result. */
static void merge_accs(struct op *op, struct session *to, struct session *from)
{
    struct session_op *s = op->state;
    struct arena a;
    arena_init(&a);
    struct batch *b = batch_new(&a, &s->parts, 1);
    struct group *groups[] = {&to->g};
    uint32_t row = 0;
    b->n = b->nsel = 1;
    to->g.rows += from->g.rows;
    for (unsigned i = 0; i < op->node->naggs; i++) {
        if (s->accs[i].rows_only)
            continue;
        unsigned col = s->first_col[i] - op->node->ngroup;
        acc_partial(&s->accs[i], &from->g, b, col, 0);
        acc_merge(&s->accs[i], &(struct acc_rows){b, &row, groups, NULL, 1}, &b->cols[col]);
    }
    arena_fini(&a);
}

/* ---- Changes. */

/* The results as they are, before the first change of an epoch. */
static void touch(struct op *op, struct session *n)
{
    struct session_op *s = op->state;
    if (n->dirty || op->node->phase == AGG_PARTIAL)
        return;
    n->dirty = true;
    list_add_tail(&s->dirty, &n->changed);
    if (!n->shown)
        return;
    n->old_start = n->start;
    n->old_end = n->end;
    n->old = arena_alloc(&s->epoch, sizeof *n->old * MAX(op->node->naggs, 1u));
    for (unsigned i = 0; i < op->node->naggs; i++) {
        acc_result(&s->accs[i], &n->g, &n->old[i], &s->epoch);
        if (!n->old[i].null && type_is_text(n->old[i].type))
            n->old[i].s = arena_dup(&s->epoch, n->old[i].s);
    }
}

static void note_gone(struct op *op, struct session *n)
{
    struct session_op *s = op->state;
    if (!n->saved)
        return;
    touch(op, n);
    struct gone *g = ARENA_NEW(&s->epoch, struct gone);
    *g = (struct gone){s->gone, arena_dup(&s->epoch, key_of(n->of)), n->saved_start, n->old_end, n->shown ? n->old : NULL};
    s->gone = g;
}

/* n takes the place of its neighbour `from`, too. */
static void join(struct op *op, struct session *n, struct session *from)
{
    struct session_op *s = op->state;
    if (s->n)
        add_up(op); /* rows may be on their way to it */
    touch(op, n);
    merge_accs(op, n, from);
    n->start = MIN(n->start, from->start);
    n->end = MAX(n->end, from->end);
    if (!BUG("session_merged_without_tombstone"))
        note_gone(op, from);
    unlink_session(s, from);
    session_free(op, from);
}

/* ---- Rows in. */

/* An interval on its way in. over: sessions with ends before this are. */
struct interval {
    int64_t start, end, over;
};

static bool joins(const struct op *op, const struct session *n, const struct interval *i)
{
    return n->end >= i->over && n->start <= time_add(i->end, gap_of(op) - BUG("session_gap_exclusive")) && time_add(n->end, gap_of(op)) >= i->start;
}

static struct session *first_joined(const struct op *op, const struct keyed *k, const struct interval *i)
{
    struct session *n = k->first;
    while (n && !joins(op, n, i))
        n = n->next;
    return n;
}

/* The session of an interval: a new one, or what all that it joins become. */
static struct session *session_for(struct op *op, struct keyed *k, const struct interval *i)
{
    struct session_op *s = op->state;
    struct session *n = first_joined(op, k, i);
    if (!n) {
        n = session_new(s, k, i->start, i->end);
        link_session(k, n);
        if (op->node->phase != AGG_PARTIAL)
            put_in_bucket(s, n);
        touch(op, n);
        return n;
    }
    touch(op, n);
    for (struct session *m = n->next, *next; m; m = next) {
        next = m->next;
        if (joins(op, m, i))
            join(op, n, m);
    }
    if (i->start < n->start) { /* what is over may lie between */
        unlink_only(k, n);
        n->start = i->start;
        link_session(k, n);
    }
    n->end = MAX(n->end, i->end);
    return n;
}

static void give_part(struct op *op, struct session *n, int64_t closed);

static void add_row(struct op *op, struct session *n, uint32_t row)
{
    struct session_op *s = op->state;
    n->g.rows++;
    s->rows[s->n] = row;
    s->groups[s->n++] = &n->g;
    if (s->n == ARRAY_LEN(s->rows))
        add_up(op);
}

/* AGG_PARTIAL: all that a key has is handed over. */
static void give_parts(struct op *op, struct keyed *k)
{
    while (k->first) {
        struct session *n = k->first;
        k->first = n->next;
        give_part(op, n, INT64_MIN); /* nothing that is over is near */
        session_free(op, n);
    }
}

/* AGG_PARTIAL: a row that is not to meet others here; but those before it go before it. */
static void give_alone(struct op *op, struct keyed *k, const struct interval *i, uint32_t row)
{
    struct session_op *s = op->state;
    if (s->n)
        add_up(op);
    give_parts(op, k);
    struct session *n = session_new(s, k, i->start, i->end);
    add_row(op, n, row);
    add_up(op);
    give_part(op, n, i->over);
    session_free(op, n);
}

static void take_row(struct op *op, uint32_t row, struct interval i)
{
    struct session_op *s = op->state;
    wbuf_reset(&s->keybuf);
    key_encode(s->in, op->node->group_cols, s->nkey, row, &s->keybuf);
    struct keyed *k = keyed_of(s, wbuf_view(&s->keybuf));
    const struct session *near = first_joined(op, k, &i);
    if (op->node->phase == AGG_PARTIAL) {
        int64_t start = near ? MIN(near->start, i.start) : i.start;
        if (time_add(start, -gap_of(op)) < i.over) {
            give_alone(op, k, &i, row);
        } else {
            s->least_start = MIN(s->least_start, start);
            add_row(op, session_for(op, k, &i), row);
        }
    } else if (near || i.end >= i.over) {
        add_row(op, session_for(op, k, &i), row);
    } else {
        op_late(op, s->in, row, time_add(i.end, gap_of(op)));
    }
    if (!k->first)
        groups_remove(&s->keys, &k->g);
}

static void flush_parts(struct op *op);

static void session_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    struct session_op *s = op->state;
    const unsigned *bounds = op->node->group_cols + s->nkey;
    s->in = in;
    if (s->prog) {
        struct expr_bad bad = {.arena = in->arena};
        struct expr_errors errors = {.bad = s->watched ? &bad : NULL};
        s->vecs = ARENA_ARRAY(in->arena, struct vec, s->ncomputed);
        prog_eval(s->prog, in, s->vecs, in, &errors);
        op_drop_bad(op, in, &errors, NULL, NULL, 0);
    }
    int64_t until = op->node->phase == AGG_PARTIAL ? INT64_MIN : over_until(op);
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        int64_t closed = in->cols[bounds[1]].i64[row];
        take_row(op, row, (struct interval){in->cols[bounds[0]].i64[row], in->ts[row], MAX(closed, until)});
    }
    if (s->n)
        add_up(op);
    s->in = NULL;
    if (op->node->phase == AGG_PARTIAL && s->nsessions > AGG_PARTIAL_GROUPS)
        flush_parts(op);
}

/* ---- Rows out. */

static void put_key(struct op *op, struct str key, int64_t start, int64_t end, uint32_t row)
{
    struct session_op *s = op->state;
    struct batch *b = s->out.b;
    struct value v;
    for (unsigned c = 0; c < s->nkey; c++) {
        CHECK(key_decode(&key, op->node->out.cols[c].type, &v, b->arena) == 0);
        batch_set_value(b, c, row, &v, ENGINE_BATCH_ROWS);
    }
    b->cols[s->nkey].i64[row] = start;
    b->cols[s->nkey + 1].i64[row] = end;
}

static void emit_results(struct op *op, struct str key, int64_t start, int64_t end, const struct value *results, int weight)
{
    struct session_op *s = op->state;
    uint32_t row = emitter_row(&s->out, weight, end);
    put_key(op, key, start, end, row);
    for (unsigned i = 0; i < op->node->naggs; i++)
        batch_set_value(s->out.b, op->node->ngroup + i, row, &results[i], ENGINE_BATCH_ROWS);
}

/* AGG_PARTIAL: start, what its rows say is over, and partial results; the row's time is the session's end. */
static void give_part(struct op *op, struct session *n, int64_t closed)
{
    struct session_op *s = op->state;
    uint32_t row = emitter_row(&s->out, 1, n->end);
    put_key(op, key_of(n->of), n->start, closed, row);
    for (unsigned i = 0; i < op->node->naggs; i++)
        acc_partial(&s->accs[i], &n->g, s->out.b, s->first_col[i], row);
}

static void flush_parts(struct op *op)
{
    struct session_op *s = op->state;
    struct group *g;
    for (size_t i = 0; (g = groups_next(&s->keys, &i)) != NULL;)
        give_parts(op, (struct keyed *)g);
    groups_fini(&s->keys);
    groups_init(&s->keys, (sizeof(struct keyed) + 15) / 16 * 16, &s->account);
    s->least_start = INT64_MAX;
    arena_reset(&s->epoch);
    emitter_flush(&s->out);
}

static void session_watermark(struct op *op, int64_t wm_ms)
{
    struct session_op *s = op->state;
    s->wm_ms = MAX(s->wm_ms, wm_ms);
    if (op->node->phase != AGG_PARTIAL)
        return;
    if (s->least_start != INT64_MAX && time_add(s->least_start, -gap_of(op)) < over_until(op))
        flush_parts(op);
    emitter_flush(&s->out); /* rows that went alone */
}

static void compute_results(struct op *op, const struct session *n)
{
    struct session_op *s = op->state;
    for (unsigned i = 0; i < op->node->naggs; i++) {
        const char *why = acc_result(&s->accs[i], &n->g, &s->now[i], &s->epoch);
        if (why)
            op_error(op, why);
    }
}

static bool changed(const struct op *op, const struct session *n)
{
    const struct session_op *s = op->state;
    if (op->env->record || n->start != n->old_start || n->end != n->old_end)
        return true;
    for (unsigned i = 0; i < op->node->naggs; i++)
        if (n->old[i].null != s->now[i].null || (!s->now[i].null && value_cmp(&n->old[i], &s->now[i]) != 0))
            return true;
    return false;
}

static void state_key(struct session_op *s, struct str key, int64_t start)
{
    struct value v = {.type = TYPE(T_BIGINT), .i = start};
    wbuf_reset(&s->key);
    wbuf_str(&s->key, key);
    key_encode_value(&v, &s->key);
}

static void forget(struct op *op, struct str key, int64_t start, struct changes *out)
{
    struct session_op *s = op->state;
    state_key(s, key, start);
    changes_put(out, op_store(op, STORE_SESSIONS), wbuf_view(&s->key), STR_NULL);
}

static void save(struct op *op, struct session *n, struct changes *out)
{
    struct session_op *s = op->state;
    if (n->saved && n->saved_start != n->start)
        forget(op, key_of(n->of), n->saved_start, out);
    state_key(s, key_of(n->of), n->start);
    wbuf_reset(&s->value);
    wbuf_u8(&s->value, OP_LAYOUT);
    wbuf_varint(&s->value, n->g.rows);
    wbuf_be64(&s->value, (uint64_t)n->end);
    for (unsigned i = 0; i < op->node->naggs; i++)
        acc_save(&s->accs[i], &n->g, &s->value);
    changes_put(out, op_store(op, STORE_SESSIONS), wbuf_view(&s->key), wbuf_view(&s->value));
    n->saved = true;
    n->saved_start = n->start;
}

static void mark_gone(struct op *op, struct changes *out)
{
    struct session_op *s = op->state;
    for (const struct gone *g = s->gone; g; g = g->next) {
        forget(op, g->key, g->start, out);
        if (g->old)
            emit_results(op, g->key, g->start, g->end, g->old, -1);
    }
    s->gone = NULL;
}

/* The difference that the epoch made to a session. */
static void mark_session(struct op *op, struct session *n)
{
    struct session_op *s = op->state;
    n->dirty = false;
    if (op->node->emit_final)
        return;
    compute_results(op, n);
    if (n->shown && !changed(op, n))
        return;
    if (n->shown)
        emit_results(op, key_of(n->of), n->old_start, n->old_end, n->old, -1);
    emit_results(op, key_of(n->of), n->start, n->end, s->now, 1);
    n->shown = true;
}

static void close_session(struct op *op, struct session *n, struct changes *out)
{
    struct session_op *s = op->state;
    if (op->node->emit_final) {
        compute_results(op, n);
        emit_results(op, key_of(n->of), n->start, n->end, s->now, 1);
    }
    forget(op, key_of(n->of), n->saved_start, out);
    unlink_session(s, n);
    session_free(op, n);
    s->closed_some = true;
}

static void close_bucket(struct op *op, struct bucket *b, struct changes *out)
{
    struct session_op *s = op->state;
    int64_t until = over_until(op);
    struct list waiting;
    list_init(&waiting);
    for (struct list *it; (it = list_pop(&b->sessions)) != NULL;) {
        struct session *n = container_of(it, struct session, due);
        if (n->end < until)
            close_session(op, n, out);
        else
            list_add_tail(&waiting, it);
    }
    map_remove(&s->buckets, (struct str){(const char *)&b->number, sizeof b->number});
    xfree(b);
    for (struct list *it; (it = list_pop(&waiting)) != NULL;)
        put_in_bucket(s, container_of(it, struct session, due));
}

static void close_sessions(struct op *op, struct changes *out)
{
    struct session_op *s = op->state;
    struct bucket *b, **due;
    int64_t until = over_until(op);
    size_t n = 0;
    if (until == INT64_MIN || s->first_bucket > bucket_of(s, until))
        return;
    due = arena_alloc(&s->epoch, s->buckets.len * sizeof *due + 1);
    for (size_t i = 0; (b = map_next(&s->buckets, &i)) != NULL;)
        if (b->number <= bucket_of(s, until))
            due[n++] = b;
    for (size_t i = 0; i < n; i++)
        close_bucket(op, due[i], out);
    s->first_bucket = INT64_MAX;
    for (size_t i = 0; (b = map_next(&s->buckets, &i)) != NULL;)
        s->first_bucket = MIN(s->first_bucket, b->number);
    if (!s->closed_some)
        return;
    s->closed_some = false;
    uint8_t value[9] = {OP_LAYOUT};
    put_be64(value + 1, (uint64_t)s->wm_ms);
    changes_put(out, op_store(op, STORE_CLOSED), STR(""), (struct str){(char *)value, sizeof value});
}

static void session_marker(struct op *op, struct changes *out)
{
    struct session_op *s = op->state;
    if (op->node->phase == AGG_PARTIAL) {
        flush_parts(op);
        return;
    }
    mark_gone(op, out);
    for (struct list *it; (it = list_pop(&s->dirty)) != NULL;) {
        struct session *n = container_of(it, struct session, changed);
        mark_session(op, n);
        save(op, n, out);
    }
    close_sessions(op, out);
    emitter_flush(&s->out);
    s->given_ms = s->wm_ms;
    arena_reset(&s->epoch);
    op->stats.state_rows = s->nsessions;
    op->stats.state_bytes = s->account.bytes;
}

/* Final results come when sessions are over, at a marker, with the time of their ends: those that are not over end no sooner. */
static int64_t session_passes(const struct op *op)
{
    const struct session_op *s = op->state;
    if (!op->node->emit_final || op->node->phase == AGG_PARTIAL)
        return INT64_MAX;
    return s->given_ms == INT64_MIN ? INT64_MIN : time_add(time_add(s->given_ms, -op->node->grace_ms), -gap_of(op));
}

/* ---- Back again. */

static void drop_session(struct op *op, struct session *n)
{
    unlink_session(op->state, n);
    session_free(op, n);
}

static bool load_session(struct op *op, struct session *n, struct str value)
{
    struct session_op *s = op->state;
    struct rbuf r = rbuf_of(value.ptr, value.len);
    if (rbuf_u8(&r) != OP_LAYOUT)
        return false;
    n->g.rows = rbuf_varint(&r);
    n->end = (int64_t)rbuf_be64(&r);
    bool ok = count_possible(n->g.rows) && n->end >= n->start;
    for (unsigned i = 0; ok && i < op->node->naggs; i++)
        ok = acc_load(&s->accs[i], &n->g, &r, &s->epoch);
    return ok && !r.err && rbuf_left(&r) == 0;
}

static int restore_session(struct op *op, struct str key, struct str value)
{
    struct session_op *s = op->state;
    struct str rest = key;
    struct value v;
    for (unsigned c = 0; c < s->nkey; c++)
        if (key_decode(&rest, op->node->out.cols[c].type, &v, &s->epoch))
            return E_CORRUPT;
    struct str columns = {key.ptr, key.len - rest.len};
    if (key_decode(&rest, TYPE(T_BIGINT), &v, &s->epoch) || v.null || rest.len)
        return E_CORRUPT;
    struct keyed *k = keyed_of(s, columns);
    struct session *n = k->first;
    while (n && n->start != v.i)
        n = n->next;
    if (!n && value.ptr)
        link_session(k, n = session_new(s, k, v.i, v.i));
    bool ok = !value.ptr || load_session(op, n, value);
    if (n && (!value.ptr || !ok)) {
        drop_session(op, n);
    } else if (n) {
        n->saved = true;
        n->saved_start = n->start;
        n->shown = !op->node->emit_final;
        list_remove(&n->due);
        put_in_bucket(s, n);
    } else if (!k->first) {
        groups_remove(&s->keys, &k->g);
    }
    return ok ? 0 : E_CORRUPT;
}

static int session_restore(struct op *op, unsigned store, struct str key, struct str value)
{
    struct session_op *s = op->state;
    int err = E_CORRUPT;
    if (store % OP_STORES == STORE_SESSIONS) {
        err = restore_session(op, key, value);
    } else if (store % OP_STORES == STORE_CLOSED && value.len == 9 && value.ptr[0] == OP_LAYOUT && key.len == 0) {
        s->wm_ms = (int64_t)be64(value.ptr + 1);
        err = 0;
    }
    arena_reset(&s->epoch);
    return err;
}

static void session_close(struct op *op)
{
    struct session_op *s = op->state;
    struct group *g;
    struct bucket *b;
    for (size_t i = 0; (g = groups_next(&s->keys, &i)) != NULL;)
        for (struct session *n = ((struct keyed *)g)->first, *next; n; n = next) {
            next = n->next;
            session_free(op, n);
        }
    groups_fini(&s->keys);
    for (size_t i = 0; (b = map_next(&s->buckets, &i)) != NULL;)
        xfree(b);
    map_fini(&s->buckets);
    CHECK(s->account.bytes == 0);
    prog_free(s->prog);
    wbuf_fini(&s->keybuf);
    wbuf_fini(&s->key);
    wbuf_fini(&s->value);
    emitter_fini(&s->out);
    arena_fini(&s->epoch);
    arena_fini(&s->arena);
}

const struct op_class session_class = {
    .name = "SESSION",
    .size = sizeof(struct session_op),
    .open = session_open,
    .push = session_push,
    .watermark = session_watermark,
    .passes = session_passes,
    .marker = session_marker,
    .restore = session_restore,
    .close = session_close,
};
