#include "engine/op/common.h"

/* Table-table join on equality keys, INNER, LEFT, RIGHT and FULL; also by a foreign key.
 *
 * Rows are weights: each side keeps (join key, row) -> how often it is there, which may be negative for a moment when a
 * row's taking back overtakes its coming. A change of one side meets all rows of the other side with its key. A side whose
 * rows must show without a match also needs to know when the other side's rows of a key come to be or end: the sum of
 * their weights is kept per key (derived, not stored), and when it turns positive or stops being so, the rows that stood
 * with NULLs go or come. So at the end of an epoch the output is the join of the two tables, whatever the order in which
 * their changes came. Rows with a NULL in the key match nothing and need no state. */

struct side {
    unsigned ncols, first_out; /* first_out: first of its columns in the output */
    unsigned *cols, *keys;
    bool outer;                /* its rows show without a match */
    unsigned number;           /* 0 left, 1 right */
    struct op *op;
    struct store *rows;        /* ordered: key bytes, row_encode -> layout, event time, weight; a unit is a join key */
    struct kv *totals;         /* of keys in memory: key bytes -> sum of weights; kept if the other side is outer */
    struct kv *touched;
};
struct table_join {
    struct arena arena;
    struct side side[2];
    struct wbuf row; /* key bytes, then row bytes */
    struct emitter out;
};
enum { STORE_LEFT, STORE_RIGHT };
struct entry { /* of rows */
    int64_t ts, weight;
};

static size_t unit_of(void *arg, struct str key);
static void unit_gone(void *arg, struct str unit);

static int table_join_open(struct op *op, struct diag *d)
{
    (void)d;
    struct table_join *j = op->state;
    const struct plan_node *node = op->node;
    arena_init(&j->arena);
    for (unsigned s = 0; s < 2; s++) {
        struct side *side = &j->side[s];
        side->ncols = op_input(op, s)->n;
        side->first_out = s ? op_input(op, 0)->n : 0;
        side->cols = all_columns(&j->arena, side->ncols);
        side->keys = s ? node->right_cols : node->left_cols;
        side->outer = node->join == JOIN_FULL || node->join == (s ? JOIN_RIGHT : JOIN_LEFT);
        side->number = s;
        side->op = op;
        side->rows = store_new(true, op->env->clock, op->env->memory);
        store_units(side->rows, unit_of, unit_gone, side);
        side->totals = kv_new(false, op->env->memory);
        side->touched = kv_new(false, op->env->memory);
    }
    wbuf_init(&j->row);
    emitter_init(&j->out, op, &node->out, true);
    return 0;
}

/* ---- Entries. */

static void entry_put(struct store *rows, struct str key, const struct entry *e)
{
    uint8_t value[17] = {OP_LAYOUT};
    put_be64(value + 1, (uint64_t)e->ts);
    put_be64(value + 9, (uint64_t)e->weight);
    store_put(rows, key, (struct str){(char *)value, sizeof value});
}

static bool entry_get(struct str value, struct entry *e)
{
    *e = (struct entry){INT64_MIN, 0};
    if (value.len != 17 || value.ptr[0] != OP_LAYOUT)
        return false;
    *e = (struct entry){(int64_t)be64(value.ptr + 1), (int64_t)be64(value.ptr + 9)};
    return count_possible(e->weight);
}

static int64_t total_get(const struct side *side, struct str key)
{
    struct str v = kv_get(side->totals, key);
    return v.ptr ? (int64_t)be64(v.ptr) : 0;
}

static void total_add(struct side *side, struct str key, int64_t by)
{
    uint8_t v[8];
    int64_t total = total_get(side, key) + by;
    put_be64(v, (uint64_t)total);
    if (total)
        kv_put(side->totals, key, (struct str){(char *)v, 8});
    else
        kv_remove(side->totals, key);
}

/* ---- Output. */

static void set_side(struct table_join *j, const struct op *op, unsigned s, struct str row_bytes, uint32_t row)
{
    const struct side *side = &j->side[s];
    if (row_bytes.ptr) {
        int err = row_decode(row_bytes, op_input(op, s), j->out.b, side->first_out, row, ENGINE_BATCH_ROWS);
        CHECK(err == 0);
        return;
    }
    for (unsigned c = 0; c < side->ncols; c++)
        vec_set_null(&j->out.b->cols[side->first_out + c], j->out.b->arena, row, ENGINE_BATCH_ROWS);
}

/* weight times the joined row; of_s belongs to side s, other (null: NULLs) to the other side. */
static void emit_joined(struct op *op, unsigned s, struct str of_s, struct str other, int64_t weight, int64_t ts)
{
    struct table_join *j = op->state;
    for (int64_t n = weight < 0 ? -weight : weight; n > 0; n--) {
        uint32_t row = emitter_row(&j->out, weight < 0 ? -1 : 1, ts);
        set_side(j, op, s, of_s, row);
        set_side(j, op, !s, other, row);
    }
}

/* What the rows of the other side are met with. */
struct meeting {
    struct op *op;
    unsigned s;           /* side of the change */
    struct str row;       /* the row that changed; */
    int64_t weight, ts;   /* by this much, at this time */
    int turn;             /* +1: this side's rows of the key came to be, -1: ended; the others' NULLs go or come */
    size_t key_len;
};

static int meet_cb(void *arg, struct str key, struct str value)
{
    struct meeting *m = arg;
    struct entry e;
    CHECK(entry_get(value, &e));
    struct str other = {key.ptr + m->key_len, key.len - m->key_len};
    int64_t ts = MAX(e.ts, m->ts);
    emit_joined(m->op, m->s, m->row, other, m->weight * e.weight, ts);
    if (m->turn)
        emit_joined(m->op, !m->s, other, STR_NULL, -m->turn * e.weight, ts);
    return 0;
}

/* ---- Rows in. */

static void store_row(struct side *side, struct str key, int64_t weight, int64_t ts)
{
    struct entry e;
    (void)entry_get(store_get(side->rows, key), &e);
    e.weight += weight;
    e.ts = ts;
    if (e.weight)
        entry_put(side->rows, key, &e);
    else
        store_remove(side->rows, key);
    kv_put(side->touched, key, STR(""));
}

static void join_row(struct op *op, unsigned s, struct batch *in, uint32_t row)
{
    struct table_join *j = op->state;
    struct side *side = &j->side[s], *other = &j->side[!s];
    int weight = batch_weight(in, row);
    wbuf_reset(&j->row);
    if (any_null(in, side->keys, op->node->njoin, row)) {
        if (side->outer) {
            row_encode(in, side->cols, side->ncols, row, &j->row);
            emit_joined(op, s, wbuf_view(&j->row), STR_NULL, weight, in->ts[row]);
        } else {
            op->stats.null_keys++;
        }
        return;
    }
    key_encode(in, side->keys, op->node->njoin, row, &j->row);
    size_t key_len = j->row.len;
    row_encode(in, side->cols, side->ncols, row, &j->row);
    struct str whole = wbuf_view(&j->row), key = {whole.ptr, key_len}, bytes = {whole.ptr + key_len, whole.len - key_len};
    struct meeting m = {op, s, bytes, weight, in->ts[row], 0, key_len};
    if (other->outer) {
        bool before = total_get(side, key) > 0;
        total_add(side, key, weight);
        m.turn = (total_get(side, key) > 0) - before;
    }
    store_scan(other->rows, key, meet_cb, &m);
    if (side->outer && total_get(other, key) <= 0)
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
        op->stats.state_rows += store_count(side->rows);
        op->stats.state_bytes += store_bytes(side->rows) + kv_bytes(side->totals);
    }
}

/* Length of the join key in front of a row's bytes; 0: not one. */
static size_t key_length(const struct side *side, struct str key)
{
    struct str rest = key;
    struct arena a;
    struct value v;
    int err = 0;
    arena_init(&a);
    for (unsigned i = 0; !err && i < side->op->node->njoin; i++)
        err = key_decode(&rest, op_input(side->op, side->number)->cols[side->keys[i]].type, &v, &a);
    arena_fini(&a);
    return err ? 0 : key.len - rest.len;
}

static bool entry_fits(const struct side *side, struct str key, struct str value, size_t *key_len)
{
    struct entry e;
    *key_len = key_length(side, key);
    struct str row = {key.ptr + *key_len, key.len - *key_len};
    return *key_len && row_fits(row, op_input(side->op, side->number)) && (!value.ptr || entry_get(value, &e));
}

static bool keeps_total(const struct side *side)
{
    const struct table_join *j = side->op->state;
    return j->side[!side->number].outer;
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
    kv_remove(side->totals, unit);
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
        key_encode(in, j->side[input].keys, op->node->njoin, row, &j->row);
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
    total_add(side, w->key, total - total_get(side, w->key));
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
        kv_free(j->side[s].touched);
    }
    wbuf_fini(&j->row);
    emitter_fini(&j->out);
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
