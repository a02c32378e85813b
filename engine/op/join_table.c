#include "engine/op/join.h"
#include "engine/op/journal.h"

/* Join of two tables, or of all rows of two streams, on equality keys (or none) and a residual condition: INNER, LEFT, RIGHT
 * and FULL; SEMI and ANTI give the left rows that have a match or none.
 *
 * Rows are weights: each side keeps (join key, row) -> how often it is there, which may be negative for a moment when a
 * row's taking back overtakes its coming. A change of one side meets all rows of the other side with its key. A row that
 * shows by itself (with NULLs, or as a left row of SEMI and ANTI) does so by the sum of the weights that it meets: as long
 * as that is not positive, or, SEMI, is. So at the end of an epoch the output is the join of the two tables, whatever the
 * order in which their changes came. Rows with a NULL in the key match nothing and need no state.
 *
 * The sums are derived, not stored. Without a residual all rows of a key meet the same: one sum per key. With one each row
 * has its own, counted when it is first asked for and kept while the row is in memory. */

struct side {
    unsigned ncols;            /* that are kept; SEMI and ANTI without residual keep none of the right side */
    unsigned *cols, *keys;
    bool alone;                /* its rows show by themselves */
    unsigned number;           /* 0 left, 1 right */
    struct op *op;
    struct schema kept;
    struct store *rows;        /* ordered: key bytes, row_encode -> layout, event time, weight; a unit is a join key */
    struct kv *totals;         /* of keys in memory: key bytes -> sum of weights; kept if the other side shows by it */
    struct kv *met;            /* of rows in memory: key of `rows` -> sum of the weights it meets; with a residual, if alone */
    struct kv *touched;        /* rows that changed in this epoch; */
    bool only_comes;           /* its input takes nothing back: then they are in `journal` */
    struct journal journal;
};
struct table_join {
    struct arena arena;
    struct side side[2];
    bool gives_pairs, semi;    /* semi: alone are those that have a match */
    struct pairs pairs, counted; /* of the row at hand; of one of the others */
    struct wbuf row;           /* key bytes, then row bytes */
    struct emitter out;
};
enum { STORE_LEFT, STORE_RIGHT };
struct entry { /* of rows */
    int64_t ts, weight;
};

static size_t unit_of(void *arg, struct str key);
static void unit_gone(void *arg, struct str unit);

static bool is_half(const struct plan_node *n) { return n->join == JOIN_SEMI || n->join == JOIN_ANTI; }

static bool is_alone(const struct plan_node *n, unsigned s)
{
    return n->join == JOIN_FULL || n->join == (s ? JOIN_RIGHT : JOIN_LEFT) || (is_half(n) && s == 0);
}

static void side_open(struct op *op, unsigned s)
{
    struct table_join *j = op->state;
    struct side *side = &j->side[s];
    bool key_only = s == 1 && is_half(op->node) && !op->node->residual;
    side->ncols = key_only ? 0 : op_input(op, s)->n;
    side->cols = all_columns(&j->arena, side->ncols);
    side->keys = s ? op->node->right_cols : op->node->left_cols;
    side->alone = is_alone(op->node, s);
    side->number = s;
    side->op = op;
    side->kept = (struct schema){side->ncols, op_input(op, s)->cols};
    side->rows = store_new(true, op->env->clock, op->env->memory);
    store_units(side->rows, unit_of, unit_gone, side);
    side->totals = kv_new(false, op->env->memory);
    side->met = kv_new(true, op->env->memory);
    side->touched = kv_new(false, op->env->memory);
    kv_passing(side->touched);
    side->only_comes = op->node->inputs[s]->mode == MODE_APPEND;
    journal_init(&side->journal, op->env->memory);
}

/* Pairs of an INNER JOIN are judged when a batch of them is full. */
static void give_judged(struct op *op, struct batch *b)
{
    struct table_join *j = op->state;
    pairs_emit(&j->pairs, b);
}

static int table_join_open(struct op *op, struct diag *d)
{
    struct table_join *j = op->state;
    const struct plan_node *node = op->node;
    int err = pairs_open(&j->pairs, op, d);
    if (err)
        return err;
    err = pairs_open(&j->counted, op, d);
    if (err) {
        pairs_fini(&j->pairs);
        return err;
    }
    arena_init(&j->arena);
    for (unsigned s = 0; s < 2; s++)
        side_open(op, s);
    j->gives_pairs = !is_half(node);
    j->semi = node->join == JOIN_SEMI;
    wbuf_init(&j->row);
    emitter_init(&j->out, op, &node->out, node->mode != MODE_APPEND);
    if (node->residual && node->join == JOIN_INNER)
        j->out.give_cb = give_judged;
    return 0;
}

/* ---- Entries and sums. */

enum { ENTRY_BYTES = 17 };

static struct str entry_bytes(const struct entry *e, uint8_t value[ENTRY_BYTES])
{
    value[0] = OP_LAYOUT;
    put_be64(value + 1, (uint64_t)e->ts);
    put_be64(value + 9, (uint64_t)e->weight);
    return (struct str){(char *)value, ENTRY_BYTES};
}

static bool entry_get(struct str value, struct entry *e)
{
    *e = (struct entry){INT64_MIN, 0};
    if (value.len != ENTRY_BYTES || value.ptr[0] != OP_LAYOUT)
        return false;
    *e = (struct entry){(int64_t)be64(value.ptr + 1), (int64_t)be64(value.ptr + 9)};
    return count_possible(e->weight);
}

static int64_t sum_get(const struct kv *sums, struct str key)
{
    struct str v = kv_get(sums, key);
    return v.ptr ? (int64_t)be64(v.ptr) : 0;
}

static void sum_set(struct kv *sums, struct str key, int64_t sum)
{
    uint8_t v[8];
    put_be64(v, (uint64_t)sum);
    kv_put(sums, key, (struct str){(char *)v, 8});
}

static void total_add(struct side *side, struct str key, int64_t by)
{
    int64_t total = sum_get(side->totals, key) + by;
    if (total)
        sum_set(side->totals, key, total);
    else
        kv_remove(side->totals, key);
}

/* ---- Output. */

static void emit_joined(struct op *op, unsigned s, struct str of_s, struct str other, int64_t weight, int64_t ts)
{
    struct table_join *j = op->state;
    int64_t copies = BUG("join_weight_lost") ? weight != 0 : weight < 0 ? -weight : weight;
    for (; copies > 0; copies--) {
        uint32_t row = emitter_row(&j->out, weight < 0 ? -1 : 1, ts);
        join_set_side(op, j->out.b, s, of_s, row, ENGINE_BATCH_ROWS);
        if (j->gives_pairs)
            join_set_side(op, j->out.b, !s, other, row, ENGINE_BATCH_ROWS);
    }
}

/* Does a row show by itself that meets rows of this weight? */
static bool shows(const struct table_join *j, int64_t met) { return (met > 0) == j->semi; }

/* A row of side s meets more or fewer than before: it may come to show by itself, or cease to. */
static void turn_row(struct op *op, unsigned s, struct str columns, int64_t weight, int64_t before, int64_t after, int64_t ts)
{
    struct table_join *j = op->state;
    int turn = shows(j, after) - shows(j, before);
    if (turn && !(BUG("join_null_row_stays") && turn < 0))
        emit_joined(op, s, columns, STR_NULL, turn * weight, ts);
}

/* ---- A row meets the others of its key. Without a residual: */

struct meeting {
    struct op *op;
    unsigned s;            /* side of the change */
    struct str row;        /* the row that changed; */
    int64_t weight, ts;    /* by this much, at this time */
    int64_t before, after; /* total of this side's rows of the key */
    size_t key_len;
    int64_t met;           /* with a residual: weight of what the row meets */
};

static int meet_cb(void *arg, struct str key, struct str value)
{
    struct meeting *m = arg;
    struct table_join *j = m->op->state;
    struct entry e;
    CHECK(entry_get(value, &e));
    struct str other = {key.ptr + m->key_len, key.len - m->key_len};
    int64_t ts = MAX(e.ts, m->ts);
    if (j->gives_pairs && !(BUG("scalar_subquery_stale") && m->s == 1 && m->weight < 0))
        emit_joined(m->op, m->s, m->row, other, m->weight * e.weight, ts);
    if (j->side[!m->s].alone)
        turn_row(m->op, !m->s, other, e.weight, m->before, m->after, ts);
    return 0;
}

static void meet_all(struct op *op, struct str key, struct meeting *m)
{
    struct table_join *j = op->state;
    struct side *side = &j->side[m->s], *other = &j->side[!m->s];
    if (other->alone) {
        m->before = sum_get(side->totals, key);
        m->after = BUG("semi_matches_not_counted") ? m->weight > 0 : m->before + m->weight;
        total_add(side, key, m->weight);
    }
    if (j->gives_pairs || (other->alone && shows(j, m->before) != shows(j, m->after)))
        store_scan(other->rows, key, meet_cb, m);
    if (side->alone)
        m->met = sum_get(other->totals, key);
}

/* ---- With a residual, and rows that show by themselves: */

static int count_cb(void *arg, struct str key, struct str value)
{
    struct meeting *m = arg;
    struct table_join *j = m->op->state;
    const uint32_t *sel;
    struct entry e;
    CHECK(entry_get(value, &e));
    pairs_add(&j->counted, m->s, m->row, (struct str){key.ptr + m->key_len, key.len - m->key_len},
              (struct candidate){key, e.weight, e.ts, false});
    if (!pairs_full(&j->counted))
        return 0;
    for (uint32_t i = 0, n = pairs_judge(&j->counted, &sel); i < n; i++)
        m->met += j->counted.of[sel[i]].weight;
    pairs_clear(&j->counted);
    return 0;
}

/* How much a row of side s meets; whole: its key in `rows`. */
static int64_t met_by(struct op *op, unsigned s, struct str whole, size_t key_len)
{
    struct table_join *j = op->state;
    struct side *side = &j->side[s];
    struct str known = kv_get(side->met, whole);
    if (known.ptr)
        return (int64_t)be64(known.ptr);
    struct meeting m = {.op = op, .s = s, .row = {whole.ptr + key_len, whole.len - key_len}, .key_len = key_len};
    const uint32_t *sel;
    store_scan(j->side[!s].rows, (struct str){whole.ptr, key_len}, count_cb, &m);
    for (uint32_t i = 0, n = pairs_judge(&j->counted, &sel); i < n; i++)
        m.met += j->counted.of[sel[i]].weight;
    pairs_clear(&j->counted);
    return m.met;
}

static void meet_judged(struct meeting *m)
{
    struct table_join *j = m->op->state;
    struct side *other = &j->side[!m->s];
    const uint32_t *sel;
    for (uint32_t i = 0, n = pairs_judge(&j->pairs, &sel); i < n; i++) {
        const struct candidate *c = &j->pairs.of[sel[i]];
        struct str columns = {c->key.ptr + m->key_len, c->key.len - m->key_len};
        int64_t ts = MAX(c->ts, m->ts);
        m->met += c->weight;
        if (j->gives_pairs)
            emit_joined(m->op, m->s, m->row, columns, m->weight * c->weight, ts);
        if (!other->alone)
            continue;
        int64_t before = met_by(m->op, !m->s, c->key, m->key_len);
        sum_set(other->met, c->key, BUG("join_residual_counts_once") ? m->weight > 0 : before + m->weight);
        turn_row(m->op, !m->s, columns, c->weight, before, before + m->weight, ts);
    }
    pairs_clear(&j->pairs);
}

static int candidate_cb(void *arg, struct str key, struct str value)
{
    struct meeting *m = arg;
    struct table_join *j = m->op->state;
    struct entry e;
    CHECK(entry_get(value, &e));
    pairs_add(&j->pairs, m->s, m->row, (struct str){key.ptr + m->key_len, key.len - m->key_len},
              (struct candidate){key, e.weight, e.ts, false});
    if (pairs_full(&j->pairs))
        meet_judged(m);
    return 0;
}

static void meet_matching(struct op *op, struct str whole, struct str key, struct meeting *m)
{
    struct table_join *j = op->state;
    struct side *side = &j->side[m->s];
    store_scan(j->side[!m->s].rows, key, candidate_cb, m);
    meet_judged(m);
    if (side->alone)
        sum_set(side->met, whole, m->met);
}

/* ---- Rows in. */

static void store_row(struct side *side, struct str key, int64_t weight, int64_t ts)
{
    uint8_t room[ENTRY_BYTES];
    struct entry e = {ts, weight}, before;
    struct str value = entry_bytes(&e, room), known = store_add(side->rows, key, value);
    if (known.ptr) {
        (void)entry_get(known, &before);
        e.weight += before.weight;
        value = entry_bytes(&e, room);
        if (e.weight)
            store_put(side->rows, key, value);
        else
            store_remove(side->rows, key);
        if (!e.weight)
            kv_remove(side->met, key);
    }
    if (side->only_comes)
        journal_put(&side->journal, key, value);
    else
        kv_put(side->touched, key, STR(""));
}

/* The join key; without one all rows meet under a key of one byte. */
static void put_key(const struct op *op, const struct batch *in, const struct side *side, uint32_t row, struct wbuf *out)
{
    if (op->node->njoin)
        key_encode(in, side->keys, op->node->njoin, row, out);
    else
        wbuf_u8(out, 0);
}

static void lone_row(struct op *op, const struct side *side, struct batch *in, uint32_t row)
{
    struct table_join *j = op->state;
    if (!side->alone || !shows(j, 0) || BUG("join_null_key_lost")) {
        op->stats.null_keys++;
        return;
    }
    row_encode(in, side->cols, side->ncols, row, &j->row);
    emit_joined(op, side->number, wbuf_view(&j->row), STR_NULL, batch_weight(in, row), in->ts[row]);
}

static void join_row(struct op *op, unsigned s, struct batch *in, uint32_t row)
{
    struct table_join *j = op->state;
    struct side *side = &j->side[s];
    int weight = batch_weight(in, row);
    wbuf_reset(&j->row);
    if (any_null(in, side->keys, op->node->njoin, row)) {
        lone_row(op, side, in, row);
        return;
    }
    put_key(op, in, side, row, &j->row);
    size_t key_len = j->row.len;
    row_encode(in, side->cols, side->ncols, row, &j->row);
    struct str whole = wbuf_view(&j->row), key = {whole.ptr, key_len}, bytes = {whole.ptr + key_len, whole.len - key_len};
    struct meeting m = {.op = op, .s = s, .row = bytes, .weight = weight, .ts = in->ts[row], .key_len = key_len};
    if (j->pairs.prog && op->node->join != JOIN_INNER)
        meet_matching(op, whole, key, &m);
    else
        meet_all(op, key, &m);
    if (side->alone && shows(j, m.met) && !(BUG("join_unmatched_not_taken_back") && weight < 0))
        emit_joined(op, s, bytes, STR_NULL, weight, in->ts[row]);
    store_row(side, whole, weight, in->ts[row]);
}

static void table_join_push(struct op *op, unsigned input, struct batch *in)
{
    struct table_join *j = op->state;
    for (uint32_t i = 0; i < in->nsel; i++)
        join_row(op, input, in, batch_row(in, i));
    emitter_flush(&j->out);
}

/* ---- State. */

static void table_join_marker(struct op *op, struct changes *out)
{
    struct table_join *j = op->state;
    op->stats.state_rows = op->stats.state_bytes = 0;
    for (unsigned s = 0; s < 2; s++) {
        struct side *side = &j->side[s];
        op_save_touched(op, s ? STORE_RIGHT : STORE_LEFT, side->touched, side->rows, out);
        journal_save(&side->journal, op_store(op, s ? STORE_RIGHT : STORE_LEFT), out);
        op->stats.state_rows += store_count(side->rows);
        op->stats.state_bytes += store_bytes(side->rows) + kv_bytes(side->totals) + kv_bytes(side->met);
    }
}

/* Length of the join key in front of a row's bytes; 0: not one. */
static size_t key_length(const struct side *side, struct str key)
{
    if (!side->op->node->njoin)
        return key.len > 0 && key.ptr[0] == 0;
    size_t len = join_key_length(side->op, side->number, key);
    return len == SIZE_MAX ? 0 : len;
}

static bool entry_fits(const struct side *side, struct str key, struct str value, size_t *key_len)
{
    struct entry e;
    *key_len = key_length(side, key);
    struct str row = {key.ptr + *key_len, key.len - *key_len};
    return *key_len && row_fits(row, &side->kept) && (!value.ptr || entry_get(value, &e));
}

static bool keeps_total(const struct side *side)
{
    const struct table_join *j = side->op->state;
    return j->side[!side->number].alone && !j->pairs.prog;
}

static int table_join_restore(struct op *op, unsigned store, struct str key, struct str value)
{
    struct table_join *j = op->state;
    struct side *side = &j->side[store % OP_STORES == STORE_RIGHT];
    struct entry before, after = {0};
    size_t key_len;
    if (!entry_fits(side, key, value, &key_len))
        return E_CORRUPT;
    (void)entry_get(store_get(side->rows, key), &before);
    (void)(value.ptr && entry_get(value, &after));
    struct str unit = {key.ptr, key_len};
    /* Of a unit that is not in memory as a whole there is no total yet: it comes with the rest. */
    if (keeps_total(side) && store_unit_known(side->rows, unit))
        total_add(side, unit, after.weight - before.weight);
    store_restore(side->rows, key, value);
    return 0;
}

/* ---- State larger than memory: what has one join key comes and goes together. */

static size_t unit_of(void *arg, struct str key)
{
    size_t len = key_length(arg, key);
    CHECK(len > 0);
    return len;
}

static void unit_gone(void *arg, struct str unit)
{
    struct side *side = arg;
    struct str key, value;
    kv_remove(side->totals, unit);
    while (kv_first(side->met, unit, &key, &value))
        kv_remove(side->met, key);
}

static void table_join_opened(struct op *op, unsigned store, int64_t entries)
{
    struct table_join *j = op->state;
    store_opened(j->side[store % OP_STORES == STORE_RIGHT].rows, entries);
}

static void table_join_want(struct op *op, unsigned input, const struct batch *in, struct needs *w)
{
    struct table_join *j = op->state;
    if (store_whole(j->side[0].rows) && store_whole(j->side[1].rows))
        return;
    struct str before = STR_NULL;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        if (any_null(in, j->side[input].keys, op->node->njoin, row))
            continue;
        wbuf_reset(&j->row);
        put_key(op, in, &j->side[input], row, &j->row);
        if (before.ptr && str_eq(before, wbuf_view(&j->row)))
            continue;
        for (unsigned s = 0; s < 2; s++)
            store_want_unit(j->side[s].rows, op_store(op, s ? STORE_RIGHT : STORE_LEFT), wbuf_view(&j->row), w);
        before = w->n ? w->v[w->n - 1].key : STR_NULL;
    }
}

static int table_join_load(struct op *op, unsigned store, struct str key, struct str value)
{
    struct table_join *j = op->state;
    struct side *side = &j->side[store % OP_STORES == STORE_RIGHT];
    size_t key_len;
    if (!entry_fits(side, key, value, &key_len))
        return E_CORRUPT;
    if (!store_unit_known(side->rows, (struct str){key.ptr, key_len}))
        store_load(side->rows, key, value);
    return 0;
}

static int sum_cb(void *arg, struct str key, struct str value)
{
    (void)key;
    struct entry e;
    CHECK(entry_get(value, &e));
    *(int64_t *)arg += e.weight;
    return 0;
}

static void table_join_loaded(struct op *op, const struct need *w)
{
    struct table_join *j = op->state;
    struct side *side = &j->side[w->store % OP_STORES == STORE_RIGHT];
    int64_t total = 0;
    if (store_unit_known(side->rows, w->key))
        return; /* asked for twice */
    store_unit_loaded(side->rows, w->key);
    if (!keeps_total(side))
        return;
    store_scan(side->rows, w->key, sum_cb, &total);
    total_add(side, w->key, total - sum_get(side->totals, w->key));
}

static bool table_join_evict(struct op *op, size_t steps)
{
    struct table_join *j = op->state;
    bool over = true;
    for (unsigned s = 0; s < 2; s++)
        over &= store_evict_units(j->side[s].rows, steps);
    return over;
}

static void table_join_tidy(struct op *op, size_t steps)
{
    struct table_join *j = op->state;
    for (unsigned s = 0; s < 2; s++)
        store_tidy(j->side[s].rows, steps);
}

static void table_join_close(struct op *op)
{
    struct table_join *j = op->state;
    for (unsigned s = 0; s < 2; s++) {
        store_free(j->side[s].rows);
        kv_free(j->side[s].totals);
        kv_free(j->side[s].met);
        kv_free(j->side[s].touched);
        journal_fini(&j->side[s].journal);
    }
    wbuf_fini(&j->row);
    emitter_fini(&j->out);
    pairs_fini(&j->pairs);
    pairs_fini(&j->counted);
    arena_fini(&j->arena);
}

const struct op_class join_table_class = {
    .name = "TABLE JOIN",
    .size = sizeof(struct table_join),
    .open = table_join_open,
    .push = table_join_push,
    .marker = table_join_marker,
    .restore = table_join_restore,
    .opened = table_join_opened,
    .want = table_join_want,
    .load = table_join_load,
    .loaded = table_join_loaded,
    .evict = table_join_evict,
    .tidy = table_join_tidy,
    .close = table_join_close,
};
