#include "engine/op/front.h"
#include "engine/op/join.h"
#include "engine/op/journal.h"

/* Join of two streams whose rows meet if their keys are equal, the right row's time lies in [left's - before, left's + after],
 * and the residual holds. A pair's time is the greater one.
 *
 * A row can meet rows that are yet to come until the watermark is past its time + reach + grace; reach is `after` for left rows,
 * `before` for right ones. Then it is over: it meets nothing any more, and if it met nothing and its side is outer, it
 * comes with NULLs, at its own time, at the next marker. That is decided by times, never by what is still in memory. A row that is
 * over when it comes meets what is there and is not kept; one that is not behind the watermark by more than the grace never
 * misses anything.
 *
 * emit=record is Kafka Streams' way: time is the greatest that any row had, of either side, and goes on before a row is joined,
 * so that what is over comes first. A row without a match whose reach is past comes at once, whatever the grace. And
 * what has come alone may still meet rows that are late: a side keeps its rows for before + after + grace behind the
 * greatest time that it has seen itself, however far the other one is.
 *
 * Rows lie by span of time first, so that what is over lies in front and is dropped span by span. A span is as wide as the
 * times that one row can meet: it meets rows of two spans at most. Rows of outer sides that have met nothing also lie in a
 * store by time. */

enum { STORE_ROWS = 0, STORE_WAITING = 2, STORE_CLOSED = 4 }; /* + side, the first two */
enum { SPAN_MIN_MS = 1000 };
enum { CLOSED_BYTES = 9 }; /* layout, watermark; emit=record: then the greatest time of either side */

struct side {
    struct op *op;
    unsigned number;       /* 0 left, 1 right */
    unsigned *cols, *keys;
    bool outer;
    int64_t reach_ms;
    int64_t seen_ms;       /* emit=record: greatest time of its rows */
    struct store *rows;    /* span, join key, time, row -> entry; a unit is what has one span and join key */
    struct store *waiting; /* time, join key, row -> entry; of outer sides */
    struct journal changed, changed_waiting;
    struct front front, front_waiting;
};
struct interval {
    struct arena arena;
    struct side side[2];
    int64_t wm_ms, closed_ms; /* closed: the watermark by which rows were last found to be over, as it is stored */
    int64_t span_ms;
    struct pairs pairs;
    struct needs met;         /* rows of an outer side that are to cease waiting */
    struct wbuf key, other, waiting;
    struct emitter out;
    bool record, seen;        /* seen: more than is stored */
    struct batch *held;       /* emit=record: rows of this step, to be joined once what is over has come; */
    unsigned held_input;
    struct arena step;        /* they lie here */
};
/* ---- Keys. */

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static size_t unit_of(void *arg, struct str key);
static void unit_gone(void *arg, struct str unit)
{
    (void)arg, (void)unit;
}

/* Parts of a key of `rows` (in_rows) or `waiting`. */
struct parts {
    struct str key, row;
    int64_t ts;
};

static bool parts_get(const struct side *side, struct str whole, bool in_rows, struct parts *out)
{
    if (whole.len < 8)
        return false;
    struct str rest = {whole.ptr + 8, whole.len - 8};
    size_t key_len = join_key_length(side->op, side->number, rest);
    if (key_len == SIZE_MAX || rest.len < key_len + (in_rows ? 8 : 0))
        return false;
    out->key = (struct str){rest.ptr, key_len};
    struct str behind = {rest.ptr + key_len, rest.len - key_len};
    out->ts = time_of(in_rows ? behind : whole);
    out->row = in_rows ? (struct str){behind.ptr + 8, behind.len - 8} : behind;
    return true;
}

static size_t unit_of(void *arg, struct str key)
{
    struct parts p;
    CHECK(parts_get(arg, key, true, &p));
    return 8 + p.key.len;
}

/* ---- Opening. */

static void side_open(struct op *op, unsigned s)
{
    struct interval *j = op->state;
    struct side *side = &j->side[s];
    side->op = op;
    side->number = s;
    side->cols = all_columns(&j->arena, op_input(op, s)->n);
    side->keys = s ? op->node->right_cols : op->node->left_cols;
    side->outer = op->node->join == JOIN_FULL || op->node->join == (s ? JOIN_RIGHT : JOIN_LEFT);
    side->reach_ms = s ? op->node->before_ms : op->node->after_ms;
    side->seen_ms = INT64_MIN;
    side->rows = store_new(true, op->env->clock, op->env->memory);
    store_units(side->rows, unit_of, unit_gone, side);
    side->waiting = store_new(true, op->env->clock, op->env->memory);
    journal_init(&side->changed, op->env->memory);
    journal_init(&side->changed_waiting, op->env->memory);
    front_init(&side->front, side->rows, op_store(op, STORE_ROWS + s));
    front_init(&side->front_waiting, side->waiting, op_store(op, STORE_WAITING + s));
}

static void give_judged(struct op *op, struct batch *b)
{
    struct interval *j = op->state;
    pairs_emit(&j->pairs, b);
}

static int interval_open(struct op *op, struct diag *d)
{
    struct interval *j = op->state;
    int err = pairs_open(&j->pairs, op, d);
    if (err)
        return err;
    arena_init(&j->arena);
    j->wm_ms = j->closed_ms = INT64_MIN;
    j->span_ms = MAX(time_add(op->node->before_ms, op->node->after_ms), SPAN_MIN_MS - 1) + 1;
    for (unsigned s = 0; s < 2; s++)
        side_open(op, s);
    needs_init(&j->met);
    arena_init(&j->step);
    j->record = op->env->record;
    wbuf_init(&j->key);
    wbuf_init(&j->other);
    wbuf_init(&j->waiting);
    emitter_init(&j->out, op, &op->node->out, false);
    if (op->node->residual && op->node->join == JOIN_INNER)
        j->out.give_cb = give_judged;
    return 0;
}

/* ---- Rows in. */

/* Must it have met by now all that it can meet? */
static bool is_over(const struct op *op, const struct side *side, int64_t ts)
{
    const struct interval *j = op->state;
    return j->wm_ms > time_add(time_add(ts, side->reach_ms), op->node->grace_ms);
}

/* The least time at which a side still keeps rows. */
static int64_t kept_from(const struct op *op, const struct side *side)
{
    const struct plan_node *n = op->node;
    const struct interval *j = op->state;
    if (!j->record)
        return time_add(time_add(j->wm_ms, -side->reach_ms), -n->grace_ms);
    int64_t for_ms = time_add(time_add(n->before_ms, n->after_ms), n->grace_ms);
    return side->seen_ms == INT64_MIN ? INT64_MIN : time_add(time_add(side->seen_ms, -for_ms), 1);
}

static void emit_joined(struct op *op, unsigned s, struct str of_s, struct str other, int64_t count, int64_t ts)
{
    struct interval *j = op->state;
    for (; count > 0; count--) {
        uint32_t row = emitter_row(&j->out, 1, ts);
        join_set_side(op, j->out.b, s, of_s, row, ENGINE_BATCH_ROWS);
        join_set_side(op, j->out.b, !s, other, row, ENGINE_BATCH_ROWS);
    }
}

struct meeting {
    struct op *op;
    unsigned s;
    struct str row;
    size_t key_len;
    int64_t ts, to; /* the row's time; the last one that it meets */
    bool met;
};

static void meet(struct meeting *m, const struct candidate *c)
{
    struct interval *j = m->op->state;
    struct str row = {c->key.ptr + 16 + m->key_len, c->key.len - 16 - m->key_len};
    emit_joined(m->op, m->s, m->row, row, c->weight, MAX(c->ts, m->ts));
    m->met = true;
    if (c->waiting)
        needs_key(&j->met, 0, c->key);
}

static void meet_judged(struct meeting *m)
{
    struct interval *j = m->op->state;
    const uint32_t *sel;
    for (uint32_t i = 0, n = pairs_judge(&j->pairs, &sel); i < n; i++)
        meet(m, &j->pairs.of[sel[i]]);
    pairs_clear(&j->pairs);
}

static int candidate_cb(void *arg, struct str key, struct str value)
{
    struct meeting *m = arg;
    struct interval *j = m->op->state;
    struct str at = {key.ptr + 8 + m->key_len, 8};
    struct join_entry e;
    CHECK(join_entry_get(value, &e));
    struct candidate c = {key, e.count, time_of(at), e.waiting};
    if (c.ts > m->to - BUG("interval_end_exclusive"))
        return 1;
    if (c.ts < kept_from(m->op, &j->side[!m->s]))
        return 0;
    if (!j->pairs.prog || m->op->node->join == JOIN_INNER) {
        meet(m, &c);
        return 0;
    }
    pairs_add(&j->pairs, m->s, m->row, (struct str){at.ptr + 8, key.len - 16 - m->key_len}, c);
    if (pairs_full(&j->pairs))
        meet_judged(m);
    return 0;
}

/* The times of the other side's rows that a row of this one meets. */
static int64_t first_met(const struct op *op, unsigned s, int64_t ts)
{
    return time_add(ts, s ? -op->node->after_ms : -op->node->before_ms);
}

static int64_t last_met(const struct op *op, unsigned s, int64_t ts)
{
    return time_add(ts, s ? op->node->before_ms : op->node->after_ms);
}

/* key: the join key. */
static void meet_others(struct op *op, struct str key, struct meeting *m)
{
    struct interval *j = op->state;
    int64_t from = first_met(op, m->s, m->ts), last = floor_div(m->to, j->span_ms);
    for (int64_t span = floor_div(from, j->span_ms); span <= last - BUG("interval_last_span_missed"); span++) {
        wbuf_reset(&j->other);
        put_time(&j->other, span);
        wbuf_str(&j->other, key);
        size_t prefix = j->other.len;
        put_time(&j->other, from);
        struct str at = wbuf_view(&j->other);
        kv_scan_from(store_map(j->side[!m->s].rows), (struct str){at.ptr, prefix}, at, candidate_cb, m);
    }
    meet_judged(m);
}

static struct str waiting_key(struct interval *j, const struct parts *p)
{
    wbuf_reset(&j->waiting);
    put_time(&j->waiting, p->ts);
    wbuf_str(&j->waiting, p->key);
    wbuf_str(&j->waiting, p->row);
    return wbuf_view(&j->waiting);
}

static void put_entry(struct store *rows, struct journal *changed, struct str key, const struct join_entry *e)
{
    uint8_t room[JOIN_ENTRY_BYTES];
    struct str value = join_entry_bytes(e, room);
    store_put(rows, key, value);
    journal_put(changed, key, value);
}

/* Rows that have met one now wait no longer. */
static void cease_waiting(struct interval *j, struct side *side)
{
    for (size_t i = 0; i < j->met.n; i++) {
        struct str key = j->met.v[i].key, waits;
        struct parts p;
        struct join_entry e;
        CHECK(parts_get(side, key, true, &p) && join_entry_get(store_get(side->rows, key), &e));
        if (BUG("interval_match_still_waits"))
            continue;
        e.waiting = false;
        put_entry(side->rows, &side->changed, key, &e);
        waits = waiting_key(j, &p);
        store_restore(side->waiting, waits, STR_NULL); /* it may be in the checkpoint only */
        journal_put(&side->changed_waiting, waits, STR_NULL);
    }
    needs_reset(&j->met);
}

/* Does a row of an outer side wait for a match? */
static bool waits(const struct op *op, const struct side *side, const struct meeting *m)
{
    const struct interval *j = op->state;
    bool past = j->record ? time_add(m->ts, side->reach_ms) < j->wm_ms : is_over(op, side, m->ts);
    return side->outer && !m->met && !past;
}

/* whole: the row's key in `rows`. */
static void keep(struct op *op, struct side *side, struct str whole, const struct meeting *m)
{
    struct interval *j = op->state;
    struct join_entry e = {1, waits(op, side, m)}, before;
    uint8_t room[JOIN_ENTRY_BYTES];
    struct str value = join_entry_bytes(&e, room), known = store_add(side->rows, whole, value);
    if (!known.ptr) {
        journal_put(&side->changed, whole, value);
    } else {
        CHECK(join_entry_get(known, &before));
        e = (struct join_entry){before.count + 1, e.waiting && before.waiting};
        put_entry(side->rows, &side->changed, whole, &e);
    }
    front_put(&side->front, time_of(whole));
    if (!e.waiting)
        return;
    struct parts p = {{whole.ptr + 8, m->key_len}, m->row, m->ts};
    put_entry(side->waiting, &side->changed_waiting, waiting_key(j, &p), &e);
    front_put(&side->front_waiting, p.ts);
}

static void alone_at_once(struct op *op, struct side *side, struct batch *in, uint32_t row)
{
    struct interval *j = op->state;
    if (!side->outer)
        return;
    wbuf_reset(&j->key);
    row_encode(in, side->cols, in->ncols, row, &j->key);
    emit_joined(op, side->number, wbuf_view(&j->key), STR_NULL, 1, in->ts[row]);
}

static void join_row(struct op *op, unsigned s, struct batch *in, uint32_t row)
{
    struct interval *j = op->state;
    struct side *side = &j->side[s];
    int64_t ts = in->ts[row];
    if (any_null(in, side->keys, op->node->njoin, row)) {
        op->stats.null_keys += !side->outer;
        alone_at_once(op, side, in, row);
        return;
    }
    wbuf_reset(&j->key);
    put_time(&j->key, floor_div(ts, j->span_ms));
    key_encode(in, side->keys, op->node->njoin, row, &j->key);
    size_t key_len = j->key.len - 8;
    put_time(&j->key, ts);
    row_encode(in, side->cols, in->ncols, row, &j->key);
    struct str whole = wbuf_view(&j->key);
    struct meeting m = {op, s, {whole.ptr + 16 + key_len, whole.len - 16 - key_len}, key_len, ts, last_met(op, s, ts), false};
    j->seen |= ts > side->seen_ms;
    side->seen_ms = MAX(side->seen_ms, ts);
    meet_others(op, (struct str){whole.ptr + 8, key_len}, &m);
    cease_waiting(j, &j->side[!s]);
    bool alone = !m.met && !waits(op, side, &m);
    if (ts >= kept_from(op, side))
        keep(op, side, whole, &m);
    else
        op->stats.late += j->record || j->wm_ms > time_add(ts, op->node->grace_ms);
    if (alone)
        alone_at_once(op, side, in, row);
}

/* The rows of this step, now that what is over has come. */
static void join_held(struct op *op)
{
    struct interval *j = op->state;
    struct batch *in = j->held;
    j->held = NULL;
    for (uint32_t i = 0; in && i < in->nsel; i++)
        join_row(op, j->held_input, in, batch_row(in, i));
    emitter_flush(&j->out);
    arena_reset(&j->step);
}

/* Should a step have rows of both inputs, those that came before are joined as time was. */
static void hold(struct op *op, unsigned input, const struct batch *in)
{
    struct interval *j = op->state;
    if (j->held)
        join_held(op);
    j->held = batch_copy(in, NULL, 0, NULL, 0, &j->step);
    j->held_input = input;
    for (uint32_t i = 0; i < in->nsel; i++)
        j->wm_ms = MAX(j->wm_ms, in->ts[batch_row(in, i)]);
}

static void interval_push(struct op *op, unsigned input, struct batch *in)
{
    struct interval *j = op->state;
    if (j->record) {
        hold(op, input, in);
        return;
    }
    for (uint32_t i = 0; i < in->nsel; i++)
        join_row(op, input, in, batch_row(in, i));
    emitter_flush(&j->out);
}

/* ---- What is over goes. */

static void interval_watermark(struct op *op, int64_t wm_ms)
{
    struct interval *j = op->state;
    j->wm_ms = MAX(j->wm_ms, wm_ms);
}

/* Pairs have the time of the row that comes; rows without a match come when they are over, at a marker. */
static int64_t interval_passes(const struct op *op)
{
    const struct interval *j = op->state;
    int64_t behind = INT64_MIN;
    for (unsigned s = 0; s < 2; s++)
        if (j->side[s].outer)
            behind = MAX(behind, j->side[s].reach_ms);
    if (behind == INT64_MIN || j->closed_ms == INT64_MIN)
        return behind == INT64_MIN ? j->wm_ms : INT64_MIN;
    return MIN(j->wm_ms, time_add(time_add(j->closed_ms, -behind), -op->node->grace_ms));
}

/* Times before this one are over. */
static int64_t over_until(const struct op *op, const struct side *side)
{
    const struct interval *j = op->state;
    return time_add(time_add(j->wm_ms, -side->reach_ms), -op->node->grace_ms);
}

/* What changed is said before it goes. */
static void begin_walks(struct op *op, struct changes *out)
{
    struct interval *j = op->state;
    for (unsigned s = 0; s < 2; s++) {
        struct side *side = &j->side[s];
        int64_t until = over_until(op, side);
        int64_t kept = kept_from(op, side);
        journal_save(&side->changed, op_store(op, STORE_ROWS + s), out);
        journal_save(&side->changed_waiting, op_store(op, STORE_WAITING + s), out);
        front_begin(&side->front, floor_div(kept, j->span_ms));
        front_begin(&side->front_waiting, until);
    }
}

/* Removes the front pair, also where it is only the checkpoint's. */
static void drop(struct op *op, const struct front *f, struct str key, struct changes *out)
{
    struct interval *j = op->state;
    wbuf_reset(&j->key);
    wbuf_str(&j->key, key);
    key = wbuf_view(&j->key);
    store_remove(f->rows, key);
    changes_put(out, f->number, key, STR_NULL);
}

/* The earlier one of the rows that waited in vain, or the one that is there; -1: none. */
static int first_over(struct op *op, struct str key[2], struct str value[2])
{
    struct interval *j = op->state;
    bool there[2];
    for (unsigned s = 0; s < 2; s++)
        there[s] = front_next(&j->side[s].front_waiting, &key[s], &value[s]);
    if (there[0] && there[1])
        return time_of(key[1]) < time_of(key[0]);
    return there[0] ? 0 : there[1] ? 1 : -1;
}

static void take_all(struct op *op, struct changes *out)
{
    struct interval *j = op->state;
    struct str key[2], value[2];
    struct parts p;
    struct join_entry e;
    for (int s; (s = first_over(op, key, value)) >= 0;) {
        struct side *side = &j->side[s];
        CHECK(parts_get(side, key[s], false, &p) && join_entry_get(value[s], &e));
        emit_joined(op, side->number, p.row, STR_NULL, e.count, p.ts);
        drop(op, &side->front_waiting, key[s], out);
    }
    for (unsigned i = 0; i < 2; i++)
        while (front_next(&j->side[i].front, &key[0], &value[0]))
            drop(op, &j->side[i].front, key[0], out);
    emitter_flush(&j->out);
}

static void interval_prepare(struct op *op, bool first, struct changes *out, struct needs *w)
{
    struct interval *j = op->state;
    if (first)
        begin_walks(op, out);
    else
        take_all(op, out);
    for (unsigned s = 0; s < 2; s++) {
        front_want(&j->side[s].front, w);
        front_want(&j->side[s].front_waiting, w);
    }
}

static void save_closed(struct op *op, struct changes *out)
{
    struct interval *j = op->state;
    uint8_t value[CLOSED_BYTES + 16] = {OP_LAYOUT};
    if (j->wm_ms == j->closed_ms && !(j->record && j->seen))
        return;
    j->closed_ms = j->wm_ms;
    j->seen = false;
    put_be64(value + 1, (uint64_t)j->closed_ms);
    for (unsigned s = 0; s < 2; s++)
        put_be64(value + CLOSED_BYTES + 8 * s, (uint64_t)j->side[s].seen_ms);
    changes_put(out, op_store(op, STORE_CLOSED), STR(""), (struct str){(char *)value, j->record ? sizeof value : CLOSED_BYTES});
}

static void interval_marker(struct op *op, struct changes *out)
{
    struct interval *j = op->state;
    if (!op->env->park) /* nobody has asked prepare */
        begin_walks(op, out);
    take_all(op, out);
    if (j->held)
        join_held(op);
    save_closed(op, out);
    op->stats.state_rows = op->stats.state_bytes = 0;
    for (unsigned s = 0; s < 2; s++) {
        struct side *side = &j->side[s];
        op->stats.state_rows += store_count(side->rows);
        op->stats.state_bytes += store_bytes(side->rows) + store_bytes(side->waiting);
    }
}

/* ---- State. */

static struct front *front_of(struct op *op, unsigned store, struct side **side)
{
    struct interval *j = op->state;
    *side = &j->side[store % OP_STORES & 1];
    return store % OP_STORES < STORE_WAITING ? &(*side)->front : &(*side)->front_waiting;
}

static bool pair_fits(const struct side *side, const struct front *f, struct str key, struct str value)
{
    struct parts p;
    struct join_entry e;
    return parts_get(side, key, f == &side->front, &p) && row_fits(p.row, op_input(side->op, side->number)) &&
           (!value.ptr || join_entry_get(value, &e));
}

static int restore_closed(struct interval *j, struct str key, struct str value)
{
    bool seen = value.len == CLOSED_BYTES + 16;
    if (key.len || (value.len != CLOSED_BYTES && !seen) || value.ptr[0] != OP_LAYOUT)
        return E_CORRUPT;
    j->wm_ms = j->closed_ms = (int64_t)be64(value.ptr + 1);
    for (unsigned s = 0; seen && s < 2; s++)
        j->side[s].seen_ms = (int64_t)be64(value.ptr + CLOSED_BYTES + 8 * s);
    return 0;
}

static int interval_restore(struct op *op, unsigned store, struct str key, struct str value)
{
    struct side *side;
    if (store % OP_STORES == STORE_CLOSED)
        return restore_closed(op->state, key, value);
    struct front *f = front_of(op, store, &side);
    if (!pair_fits(side, f, key, value))
        return E_CORRUPT;
    store_restore(f->rows, key, value);
    return 0;
}

static void interval_opened(struct op *op, unsigned store, int64_t entries)
{
    struct side *side;
    if (store % OP_STORES != STORE_CLOSED)
        store_opened(front_of(op, store, &side)->rows, entries);
}

static void want_row(struct op *op, unsigned s, const struct batch *in, uint32_t row, struct needs *w)
{
    struct interval *j = op->state;
    int64_t ts = in->ts[row], last = floor_div(last_met(op, s, ts), j->span_ms);
    wbuf_reset(&j->key);
    put_time(&j->key, floor_div(ts, j->span_ms));
    key_encode(in, j->side[s].keys, op->node->njoin, row, &j->key);
    store_want_unit(j->side[s].rows, op_store(op, STORE_ROWS + s), wbuf_view(&j->key), w);
    for (int64_t span = floor_div(first_met(op, s, ts), j->span_ms); span <= last; span++) {
        wbuf_reset(&j->other);
        put_time(&j->other, span);
        wbuf_put(&j->other, j->key.data + 8, j->key.len - 8);
        store_want_unit(j->side[!s].rows, op_store(op, STORE_ROWS + !s), wbuf_view(&j->other), w);
    }
}

static void interval_want(struct op *op, unsigned input, const struct batch *in, struct needs *w)
{
    struct interval *j = op->state;
    if (store_whole(j->side[0].rows) && store_whole(j->side[1].rows))
        return;
    for (uint32_t i = 0; i < in->nsel; i++)
        if (!any_null(in, j->side[input].keys, op->node->njoin, batch_row(in, i)))
            want_row(op, input, in, batch_row(in, i), w);
}

static int interval_load(struct op *op, unsigned store, struct str key, struct str value)
{
    struct side *side;
    struct parts p;
    if (store % OP_STORES == STORE_CLOSED)
        return restore_closed(op->state, key, value);
    struct front *f = front_of(op, store, &side);
    if (!pair_fits(side, f, key, value) || !value.ptr)
        return E_CORRUPT;
    CHECK(parts_get(side, key, f == &side->front, &p));
    bool known = f == &side->front && !f->walking && store_unit_known(f->rows, (struct str){key.ptr, 8 + p.key.len});
    if (f->walking ? front_load(f, key) : !known)
        store_load(f->rows, key, value);
    return 0;
}

static void interval_loaded(struct op *op, const struct need *n)
{
    struct side *side;
    struct front *f = front_of(op, n->store, &side);
    if (f->walking)
        front_loaded(f, n);
    else if (f == &side->front)
        store_unit_loaded(f->rows, n->key);
}

static bool interval_evict(struct op *op, size_t steps)
{
    struct interval *j = op->state;
    bool over = true;
    for (unsigned s = 0; s < 2; s++) {
        over &= store_evict_units(j->side[s].rows, steps);
        over &= store_evict(j->side[s].waiting, steps);
    }
    return over;
}

static void interval_tidy(struct op *op, size_t steps)
{
    struct interval *j = op->state;
    for (unsigned s = 0; s < 2; s++) {
        store_tidy(j->side[s].rows, steps);
        store_tidy(j->side[s].waiting, steps);
    }
}

static void interval_close(struct op *op)
{
    struct interval *j = op->state;
    for (unsigned s = 0; s < 2; s++) {
        struct side *side = &j->side[s];
        store_free(side->rows);
        store_free(side->waiting);
        journal_fini(&side->changed);
        journal_fini(&side->changed_waiting);
        front_fini(&side->front);
        front_fini(&side->front_waiting);
    }
    needs_fini(&j->met);
    arena_fini(&j->step);
    wbuf_fini(&j->key);
    wbuf_fini(&j->other);
    wbuf_fini(&j->waiting);
    emitter_fini(&j->out);
    pairs_fini(&j->pairs);
    arena_fini(&j->arena);
}

const struct op_class join_interval_class = {
    .name = "INTERVAL JOIN",
    .size = sizeof(struct interval),
    .open = interval_open,
    .push = interval_push,
    .watermark = interval_watermark,
    .passes = interval_passes,
    .marker = interval_marker,
    .restore = interval_restore,
    .opened = interval_opened,
    .want = interval_want,
    .prepare = interval_prepare,
    .load = interval_load,
    .loaded = interval_loaded,
    .evict = interval_evict,
    .tidy = interval_tidy,
    .close = interval_close,
};
