#include "engine/op/ordered.h"

struct entry { /* value of a row */
    int64_t ts, weight;
    uint32_t order_len;
};
enum { ENTRY_BYTES = 21 };

static size_t partition_of(void *arg, struct str key);
static void unit_gone(void *arg, struct str unit);

void ordered_init(struct ordered *o, struct op *op, unsigned store)
{
    arena_init(&o->arena);
    o->op = op;
    o->store = store;
    o->ncols = op_input(op, 0)->n;
    o->cols = all_columns(&o->arena, o->ncols);
    o->rows = store_new(true, op->env->clock, op->env->memory);
    store_units(o->rows, partition_of, unit_gone, o);
    o->touched = kv_new(true, op->env->memory);
    kv_passing(o->touched);
    wbuf_init(&o->key);
    wbuf_init(&o->at);
}

void ordered_fini(struct ordered *o)
{
    store_free(o->rows);
    kv_free(o->touched);
    wbuf_fini(&o->key);
    wbuf_fini(&o->at);
    arena_fini(&o->arena);
}

/* ---- Keys. */

static void put_partition(struct ordered *o, const struct batch *in, uint32_t row)
{
    const struct plan_node *node = o->op->node;
    wbuf_reset(&o->key);
    if (node->ngroup)
        key_encode(in, node->group_cols, node->ngroup, row, &o->key);
    else
        wbuf_u8(&o->key, 1); /* the only partition has a name, too */
    o->partition_len = o->key.len;
}

/* Key bytes of a column, such that memcmp gives the order wanted: all flipped where it descends, and a NULL, which is
 * before all values, is made to follow them if it has to. */
static void put_order(struct ordered *o, const struct batch *in, const struct sort_key *by, uint32_t row)
{
    size_t at = o->key.len;
    key_encode(in, &by->column, 1, row, &o->key);
    if (o->key.data[at] == 1 && by->nulls_first == by->descending)
        o->key.data[at] = 3;
    for (; by->descending && at < o->key.len; at++)
        o->key.data[at] = (uint8_t)~o->key.data[at];
}

void ordered_locate(struct ordered *o, const struct batch *in, uint32_t row)
{
    const struct plan_node *node = o->op->node;
    put_partition(o, in, row);
    for (unsigned i = 0; i < node->nsort; i++)
        put_order(o, in, &node->sort[i], row);
    o->order_len = o->key.len - o->partition_len;
}

void ordered_complete(struct ordered *o, const struct batch *in, uint32_t row)
{
    row_encode(in, o->cols, o->ncols, row, &o->key);
}

/* Length of the partition's bytes; 0: these are none. */
static size_t partition_of(void *arg, struct str key)
{
    struct ordered *o = arg;
    const struct plan_node *node = o->op->node;
    struct str rest = key;
    struct arena a;
    struct value v;
    int err = 0;
    if (!node->ngroup)
        return key.len && key.ptr[0] == 1;
    arena_init(&a);
    for (unsigned i = 0; !err && i < node->ngroup; i++)
        err = key_decode(&rest, op_input(o->op, 0)->cols[node->group_cols[i]].type, &v, &a);
    arena_fini(&a);
    return err ? 0 : key.len - rest.len;
}

/* ---- Entries. */

static void entry_put(struct ordered *o, struct str key, const struct entry *e)
{
    uint8_t value[ENTRY_BYTES] = {OP_LAYOUT};
    put_be64(value + 1, (uint64_t)e->ts);
    put_be64(value + 9, (uint64_t)e->weight);
    put_be32(value + 17, e->order_len);
    store_put(o->rows, key, (struct str){(char *)value, sizeof value});
}

/* Of no value: a row that is not there. */
static bool entry_get(struct str value, struct entry *e)
{
    *e = (struct entry){.ts = INT64_MIN};
    if (value.len != ENTRY_BYTES || value.ptr[0] != OP_LAYOUT)
        return false;
    *e = (struct entry){(int64_t)be64(value.ptr + 1), (int64_t)be64(value.ptr + 9), be32(value.ptr + 17)};
    return count_possible(e->weight);
}

static void touch(struct ordered *o, struct str key, struct str value)
{
    if (!kv_get(o->touched, key).ptr)
        kv_put(o->touched, key, value.ptr ? value : STR(""));
}

void ordered_add(struct ordered *o, int weight, int64_t ts)
{
    struct str key = wbuf_view(&o->key), value = store_get(o->rows, key);
    struct entry e;
    touch(o, key, value);
    (void)entry_get(value, &e);
    e.weight += weight;
    e.ts = ts;
    e.order_len = (uint32_t)o->order_len;
    if (e.weight)
        entry_put(o, key, &e);
    else
        store_remove(o->rows, key);
}

void ordered_drop(struct ordered *o, struct str key)
{
    touch(o, key, store_get(o->rows, key));
    store_remove(o->rows, key);
}

/* ---- Walking. */

struct walk {
    struct ordered *o;
    struct str partition;
    ordered_each each_cb;
    void *arg;
    struct str key, was; /* the next one that was touched; key null: there is none */
};

static void next_touched(struct walk *w, struct str after, bool equal)
{
    if (!kv_next(w->o->touched, after, equal, &w->key, &w->was) || !str_starts(w->key, w->partition))
        w->key = STR_NULL;
}

static int give(struct walk *w, struct str key, struct str value, struct str was)
{
    struct entry now, before;
    (void)entry_get(value, &now);
    (void)entry_get(was, &before);
    size_t order_len = value.ptr ? now.order_len : before.order_len, at = w->partition.len;
    struct ordered_row r = {.key = key, .partition = w->partition, .now = MAX(now.weight, 0), .was = MAX(before.weight, 0),
                            .ts = now.ts, .was_ts = before.ts};
    r.order = (struct str){key.ptr + at, order_len};
    r.row = (struct str){key.ptr + at + order_len, key.len - at - order_len};
    return r.now || r.was ? w->each_cb(w->arg, &r) : 0;
}

/* Rows that are gone lie before the next that is there. */
static int give_gone(struct walk *w, struct str until)
{
    int err = 0;
    while (!err && w->key.ptr && (!until.ptr || str_cmp(w->key, until) < 0)) {
        struct str key = w->key;
        err = w->was.len ? give(w, key, STR_NULL, w->was) : 0;
        next_touched(w, key, false);
    }
    return err;
}

static int walk_cb(void *arg, struct str key, struct str value)
{
    struct walk *w = arg;
    int err = give_gone(w, key);
    if (err)
        return err;
    if (!w->key.ptr || !str_eq(w->key, key))
        return give(w, key, value, value);
    err = give(w, key, value, w->was);
    next_touched(w, key, false);
    return err;
}

int ordered_walk(struct ordered *o, struct str partition, ordered_each each_cb, void *arg)
{
    struct walk w = {.o = o, .partition = partition, .each_cb = each_cb, .arg = arg};
    next_touched(&w, partition, true);
    int err = store_scan(o->rows, partition, walk_cb, &w);
    return err ? err : give_gone(&w, STR_NULL);
}

bool ordered_changed(struct ordered *o, struct str behind, struct wbuf *partition)
{
    struct str key, value;
    wbuf_reset(&o->at);
    wbuf_str(&o->at, behind.ptr ? behind : STR(""));
    while (o->at.len && o->at.data[o->at.len - 1] == 0xff)
        o->at.len--;
    if (o->at.len)
        o->at.data[o->at.len - 1]++; /* the least that is above all that begins so */
    if (!kv_next(o->touched, wbuf_view(&o->at), true, &key, &value))
        return false;
    size_t len = partition_of(o, key);
    CHECK(len > 0);
    wbuf_reset(partition);
    wbuf_put(partition, key.ptr, len);
    return true;
}

/* ---- State. */

struct saving {
    struct ordered *o;
    struct changes *out;
};

static int save_cb(void *arg, struct str key, struct str was)
{
    struct saving *s = arg;
    struct str value = store_get(s->o->rows, key);
    if (value.ptr || was.len) /* else it came and went, and nobody knows */
        changes_put(s->out, op_store(s->o->op, s->o->store), key, value);
    return 0;
}

void ordered_save(struct ordered *o, struct changes *out)
{
    kv_scan(o->touched, STR(""), save_cb, &(struct saving){o, out});
    kv_clear(o->touched);
}

static bool fits(struct ordered *o, struct str key, struct str value, struct str *partition)
{
    struct entry e;
    size_t len = partition_of(o, key);
    *partition = (struct str){key.ptr, len};
    if (!len || !value.ptr)
        return len > 0;
    if (!entry_get(value, &e) || e.order_len > key.len - len)
        return false;
    len += e.order_len;
    return row_fits((struct str){key.ptr + len, key.len - len}, op_input(o->op, 0));
}

int ordered_restore(struct ordered *o, struct str key, struct str value)
{
    struct str partition;
    if (!fits(o, key, value, &partition))
        return E_CORRUPT;
    store_restore(o->rows, key, value);
    return 0;
}

/* ---- State larger than memory. */

static void unit_gone(void *arg, struct str unit)
{
    struct ordered *o = arg;
    if (o->gone_cb)
        o->gone_cb(o->op, unit);
}

void ordered_want(struct ordered *o, const struct batch *in, struct needs *w)
{
    struct str before = STR_NULL;
    for (uint32_t i = 0; !store_whole(o->rows) && i < in->nsel; i++) {
        put_partition(o, in, batch_row(in, i));
        if (before.ptr && str_eq(before, wbuf_view(&o->key)))
            continue;
        store_want_unit(o->rows, op_store(o->op, o->store), wbuf_view(&o->key), w);
        before = w->n ? w->v[w->n - 1].key : STR_NULL;
    }
}

/* The rows beside one that has gone may have left memory since. */
void ordered_prepare(struct ordered *o, bool first, struct needs *w)
{
    if (!first || store_whole(o->rows))
        return;
    for (bool more = ordered_changed(o, STR_NULL, &o->key); more; more = ordered_changed(o, wbuf_view(&o->key), &o->key))
        store_want_unit(o->rows, op_store(o->op, o->store), wbuf_view(&o->key), w);
}

int ordered_load(struct ordered *o, struct str key, struct str value)
{
    struct str partition;
    if (!fits(o, key, value, &partition))
        return E_CORRUPT;
    if (!store_unit_known(o->rows, partition))
        store_load(o->rows, key, value);
    return 0;
}

void ordered_loaded(struct ordered *o, const struct need *w) { store_unit_loaded(o->rows, w->key); }
