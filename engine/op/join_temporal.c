#include "engine/op/front.h"
#include "engine/op/join.h"

/* Join of a stream with a table as it was at the time of each of the stream's rows: FOR SYSTEM_TIME AS OF. INNER and LEFT.
 *
 * The table's rows are kept as versions: a row is valid from its time on until the next one of its key, or its end, comes. A
 * row of the stream waits until the watermark is past its time by the grace: what is valid then is known. At the next marker
 * it meets that version, and goes on at its own time. When the watermark is as far past a version,
 * those before it are forgotten: no row that is to come asks for them, unless it is late. Changes that come as -old +new
 * count as one if they have the same time, in whatever order they come. */

enum { STORE_WAITING, STORE_VERSIONS, STORE_ENDING };
enum { ASK_MAX = 1024 }; /* rows whose versions are fetched at once */

struct temporal {
    struct arena arena;
    unsigned *cols[2];
    struct store *waiting;  /* time, join key, row -> how often */
    struct store *versions; /* join key, time (the latest first) -> is there a row, row; a unit is a join key */
    struct store *ending;   /* time, join key: when this is past, older versions of the key are not needed */
    struct kv *touched[3];  /* by store */
    struct front front_waiting, front_ending;
    int64_t wm_ms, given_ms; /* given: all rows before it have gone on */
    struct pairs pairs;
    struct wbuf key, value, at;
    struct emitter out;
};

static size_t unit_of(void *arg, struct str key)
{
    size_t len = join_key_length(arg, 1, key);
    CHECK(len != SIZE_MAX);
    return len;
}

static void unit_gone(void *arg, struct str unit) { (void)arg, (void)unit; }

static void give_judged(struct op *op, struct batch *b)
{
    struct temporal *j = op->state;
    pairs_emit(&j->pairs, b);
}

static int temporal_open(struct op *op, struct diag *d)
{
    struct temporal *j = op->state;
    int err = pairs_open(&j->pairs, op, d);
    if (err)
        return err;
    arena_init(&j->arena);
    for (unsigned s = 0; s < 2; s++)
        j->cols[s] = all_columns(&j->arena, op_input(op, s)->n);
    j->waiting = store_new(true, op->env->clock, op->env->memory);
    j->versions = store_new(true, op->env->clock, op->env->memory);
    j->ending = store_new(true, op->env->clock, op->env->memory);
    store_units(j->versions, unit_of, unit_gone, op);
    for (unsigned k = 0; k < ARRAY_LEN(j->touched); k++) {
        j->touched[k] = kv_new(false, op->env->memory);
        kv_passing(j->touched[k]);
    }
    front_init(&j->front_waiting, j->waiting, op_store(op, STORE_WAITING));
    front_init(&j->front_ending, j->ending, op_store(op, STORE_ENDING));
    j->wm_ms = j->given_ms = INT64_MIN;
    wbuf_init(&j->key);
    wbuf_init(&j->value);
    wbuf_init(&j->at);
    emitter_init(&j->out, op, &op->node->out, false);
    if (op->node->residual && op->node->join == JOIN_INNER)
        j->out.give_cb = give_judged;
    return 0;
}

/* ---- The stream's rows. */

static void emit_row(struct op *op, struct str left, struct str right, int64_t ts)
{
    struct temporal *j = op->state;
    uint32_t row = emitter_row(&j->out, 1, ts);
    join_set_side(op, j->out.b, 0, left, row, ENGINE_BATCH_ROWS);
    join_set_side(op, j->out.b, 1, right, row, ENGINE_BATCH_ROWS);
}

static void alone_at_once(struct op *op, struct batch *in, uint32_t row)
{
    struct temporal *j = op->state;
    if (op->node->join != JOIN_LEFT) {
        op->stats.null_keys++;
        return;
    }
    wbuf_reset(&j->key);
    row_encode(in, j->cols[0], in->ncols, row, &j->key);
    emit_row(op, wbuf_view(&j->key), STR_NULL, in->ts[row]);
}

static void put_waiting_key(struct op *op, const struct batch *in, uint32_t row)
{
    struct temporal *j = op->state;
    wbuf_reset(&j->key);
    put_time(&j->key, in->ts[row]);
    key_encode(in, op->node->left_cols, op->node->njoin, row, &j->key);
    row_encode(in, j->cols[0], in->ncols, row, &j->key);
}

/* What was valid before it is known. */
static int64_t settled_until(const struct op *op)
{
    const struct temporal *j = op->state;
    return time_add(j->wm_ms, -op->node->grace_ms);
}

static void push_stream(struct op *op, struct batch *in)
{
    struct temporal *j = op->state;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        if (any_null(in, op->node->left_cols, op->node->njoin, row)) {
            alone_at_once(op, in, row);
            continue;
        }
        struct join_entry e;
        put_waiting_key(op, in, row);
        struct str key = wbuf_view(&j->key);
        (void)join_entry_get(store_get(j->waiting, key), &e);
        uint8_t value[JOIN_ENTRY_BYTES];
        store_put(j->waiting, key, join_entry_bytes(&(struct join_entry){e.count + 1, true}, value));
        kv_put(j->touched[STORE_WAITING], key, STR(""));
        front_put(&j->front_waiting, in->ts[row]);
        op->stats.late += in->ts[row] < settled_until(op);
    }
    emitter_flush(&j->out);
}

/* ---- The table's versions. */

/* Value of a version: layout, 1 and the row; or layout, 0: from now on there is none. */
static bool version_get(struct str value, struct str *row)
{
    bool there = value.len > 1 && value.ptr[1] == 1;
    *row = there ? (struct str){value.ptr + 2, value.len - 2} : STR_NULL;
    return value.len >= 2 && value.ptr[0] == OP_LAYOUT && (there || (value.ptr[1] == 0 && value.len == 2));
}

static void put_version_key(struct wbuf *out, struct str key, int64_t ts)
{
    wbuf_reset(out);
    wbuf_str(out, key);
    put_time(out, ~ts);
}

static int64_t version_time(struct str version, size_t key_len)
{
    return ~time_of((struct str){version.ptr + key_len, 8});
}

/* The version of a key that is valid at ts (or, above: the next older one). */
static bool version_at(struct temporal *j, struct str key, int64_t ts, bool above, struct str *found, struct str *value)
{
    put_version_key(&j->at, key, ts);
    return kv_next(store_map(j->versions), wbuf_view(&j->at), !above, found, value) && str_starts(*found, key) &&
           found->len == key.len + 8;
}

static void note_ending(struct temporal *j, struct str key, int64_t ts)
{
    wbuf_reset(&j->at);
    put_time(&j->at, ts);
    wbuf_str(&j->at, key);
    store_put(j->ending, wbuf_view(&j->at), (struct str){(char[]){OP_LAYOUT}, 1});
    kv_put(j->touched[STORE_ENDING], wbuf_view(&j->at), STR(""));
    front_put(&j->front_ending, ts);
}

/* j->value is the version's value; key stays as it is. */
static void put_version(struct temporal *j, struct str key, int64_t ts, bool there)
{
    struct str found, value;
    bool older = version_at(j, key, ts, true, &found, &value);
    bool newer = version_at(j, key, INT64_MAX, false, &found, &value) && version_time(found, key.len) > ts;
    int64_t newest = newer ? version_time(found, key.len) : ts;
    put_version_key(&j->at, key, ts);
    store_put(j->versions, wbuf_view(&j->at), wbuf_view(&j->value));
    kv_put(j->touched[STORE_VERSIONS], wbuf_view(&j->at), STR(""));
    if (older || !there)
        note_ending(j, key, ts);
    if (newer)
        note_ending(j, key, newest);
}

static void put_end(struct temporal *j, struct str key, int64_t ts)
{
    wbuf_reset(&j->value);
    wbuf_u8(&j->value, OP_LAYOUT);
    wbuf_u8(&j->value, 0);
    put_version(j, key, ts, false);
}

/* A row that is taken back ends at its time, unless the one that follows it has come already. j->value: the row. */
static void take_back(struct temporal *j, struct str key, int64_t ts)
{
    struct str found, value;
    bool same_time = version_at(j, key, ts, false, &found, &value) && version_time(found, key.len) == ts;
    if (!same_time || str_eq(value, wbuf_view(&j->value)))
        put_end(j, key, ts);
}

static void push_table(struct op *op, struct batch *in)
{
    struct temporal *j = op->state;
    bool retract = op->node->inputs[1]->mode == MODE_RETRACT;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        int weight = batch_weight(in, row);
        if (any_null(in, op->node->right_cols, op->node->njoin, row)) {
            op->stats.null_keys++;
            continue;
        }
        wbuf_reset(&j->key);
        key_encode(in, op->node->right_cols, op->node->njoin, row, &j->key);
        struct str key = wbuf_view(&j->key);
        if (weight < 0 && !retract) {
            put_end(j, key, in->ts[row]);
            continue;
        }
        wbuf_reset(&j->value);
        wbuf_u8(&j->value, OP_LAYOUT);
        wbuf_u8(&j->value, 1);
        row_encode(in, j->cols[1], in->ncols, row, &j->value);
        if (weight > 0)
            put_version(j, key, in->ts[row], true);
        else
            take_back(j, key, in->ts[row]);
    }
}

static void temporal_push(struct op *op, unsigned input, struct batch *in)
{
    if (input == 0)
        push_stream(op, in);
    else
        push_table(op, in);
}

/* ---- What the watermark has passed. */

static void temporal_watermark(struct op *op, int64_t wm_ms)
{
    struct temporal *j = op->state;
    j->wm_ms = MAX(j->wm_ms, wm_ms);
}

struct waiter {
    struct str key, row; /* join key */
    int64_t ts;
};

static bool waiter_get(const struct op *op, struct str whole, struct waiter *out)
{
    if (whole.len < 8)
        return false;
    struct str rest = {whole.ptr + 8, whole.len - 8};
    size_t len = join_key_length(op, 1, rest);
    if (len == SIZE_MAX)
        return false;
    *out = (struct waiter){{rest.ptr, len}, {rest.ptr + len, rest.len - len}, time_of(whole)};
    return true;
}

/* The row of the version that w meets; .ptr NULL: none. */
static struct str met_by(struct op *op, const struct waiter *w)
{
    struct temporal *j = op->state;
    struct str found, value, row = STR_NULL;
    const uint32_t *sel;
    if (!version_at(j, w->key, BUG("temporal_newest_version") ? INT64_MAX : w->ts, false, &found, &value))
        return STR_NULL;
    CHECK(version_get(value, &row));
    if (!row.ptr || !j->pairs.prog || op->node->join == JOIN_INNER)
        return row;
    pairs_add(&j->pairs, 0, w->row, row, (struct candidate){found, 1, w->ts, false});
    bool meets = pairs_judge(&j->pairs, &sel) > 0;
    pairs_clear(&j->pairs);
    return meets ? row : STR_NULL;
}

/* Forgets the pair in front of a store. */
static void drop(struct op *op, const struct front *f, struct str key, struct changes *out)
{
    struct temporal *j = op->state;
    wbuf_reset(&j->key);
    wbuf_str(&j->key, key);
    key = wbuf_view(&j->key);
    kv_remove(j->touched[f->number % OP_STORES], key);
    store_remove(f->rows, key);
    changes_put(out, f->number, key, STR_NULL);
}

/* Rows that wait no longer, as long as their versions are in memory. */
static void take_waiting(struct op *op, struct changes *out)
{
    struct temporal *j = op->state;
    struct str key, value;
    struct waiter w;
    struct join_entry e;
    while (front_next(&j->front_waiting, &key, &value)) {
        CHECK(waiter_get(op, key, &w) && join_entry_get(value, &e));
        if (!store_unit_known(j->versions, w.key))
            return;
        struct str row = met_by(op, &w);
        for (; e.count > 0 && (row.ptr || op->node->join == JOIN_LEFT); e.count--)
            emit_row(op, w.row, row, w.ts);
        drop(op, &j->front_waiting, key, out);
    }
}

/* Versions that nobody asks for any more: those older than the one at ts, and that one if it says that there is none. */
static void drop_versions(struct op *op, struct str key, int64_t ts)
{
    struct temporal *j = op->state;
    struct str found, value, row;
    bool self = version_at(j, key, ts, false, &found, &value) && version_time(found, key.len) == ts &&
                version_get(value, &row) && !row.ptr;
    while (version_at(j, key, ts, !self, &found, &value)) {
        wbuf_reset(&j->value);
        wbuf_str(&j->value, found);
        store_remove(j->versions, wbuf_view(&j->value));
        kv_put(j->touched[STORE_VERSIONS], wbuf_view(&j->value), STR(""));
    }
}

static void take_ending(struct op *op, struct changes *out)
{
    struct temporal *j = op->state;
    struct str key, value;
    while (front_next(&j->front_ending, &key, &value)) {
        struct str of = {key.ptr + 8, key.len - 8};
        if (!store_unit_known(j->versions, of))
            return;
        drop_versions(op, of, time_of(key));
        drop(op, &j->front_ending, key, out);
    }
}

/* The next rows that are due need their versions. False: none is due in memory. */
static bool ask_versions(struct op *op, const struct front *f, struct needs *w)
{
    struct temporal *j = op->state;
    struct str key, value;
    struct waiter of;
    if (!front_next(f, &key, &value))
        return false;
    for (unsigned n = 0; n < ASK_MAX && time_of(key) < f->until; n++) {
        CHECK(waiter_get(op, key, &of));
        store_want_unit(j->versions, op_store(op, STORE_VERSIONS), of.key, w);
        if (!kv_next(store_map(f->rows), key, false, &key, &value))
            break;
    }
    return true;
}

static void begin(struct op *op)
{
    struct temporal *j = op->state;
    front_begin(&j->front_waiting, BUG("temporal_does_not_wait") ? INT64_MAX : settled_until(op));
    front_begin(&j->front_ending, settled_until(op));
}

static void temporal_prepare(struct op *op, bool first, struct changes *out, struct needs *w)
{
    struct temporal *j = op->state;
    if (first)
        begin(op);
    take_waiting(op, out);
    if (!ask_versions(op, &j->front_waiting, w))
        front_want(&j->front_waiting, w);
    if (!w->n) {
        take_ending(op, out);
        if (!ask_versions(op, &j->front_ending, w))
            front_want(&j->front_ending, w);
    }
    emitter_flush(&j->out);
}

static int64_t temporal_passes(const struct op *op)
{
    const struct temporal *j = op->state;
    return j->given_ms;
}

static void temporal_marker(struct op *op, struct changes *out)
{
    struct temporal *j = op->state;
    struct store *const stores[] = {j->waiting, j->versions, j->ending};
    if (!op->env->park) { /* nobody has asked prepare */
        begin(op);
        take_waiting(op, out);
        take_ending(op, out);
        emitter_flush(&j->out);
    }
    j->given_ms = settled_until(op);
    op->stats.state_rows = op->stats.state_bytes = 0;
    for (unsigned k = 0; k < ARRAY_LEN(stores); k++) {
        op_save_touched(op, k, j->touched[k], stores[k], out);
        op->stats.state_rows += k == STORE_ENDING ? 0 : store_count(stores[k]);
        op->stats.state_bytes += store_bytes(stores[k]);
    }
}

/* ---- State. */

static struct store *store_of(struct temporal *j, unsigned store)
{
    switch (store % OP_STORES) {
    case STORE_WAITING:
        return j->waiting;
    case STORE_VERSIONS:
        return j->versions;
    default:
        return j->ending;
    }
}

static struct front *front_of(struct temporal *j, unsigned store)
{
    switch (store % OP_STORES) {
    case STORE_WAITING:
        return &j->front_waiting;
    case STORE_VERSIONS:
        return NULL;
    default:
        return &j->front_ending;
    }
}

static bool version_fits(const struct op *op, struct str key, struct str value)
{
    struct str row;
    size_t len = join_key_length(op, 1, key);
    return len != SIZE_MAX && key.len == len + 8 &&
           (!value.ptr || (version_get(value, &row) && (!row.ptr || row_fits(row, op_input(op, 1)))));
}

static bool pair_fits(const struct op *op, unsigned store, struct str key, struct str value)
{
    struct waiter w;
    struct join_entry e;
    if (store % OP_STORES == STORE_VERSIONS)
        return version_fits(op, key, value);
    if (!waiter_get(op, key, &w))
        return false;
    if (store % OP_STORES == STORE_ENDING)
        return !w.row.len && (!value.ptr || (value.len == 1 && value.ptr[0] == OP_LAYOUT));
    return row_fits(w.row, op_input(op, 0)) && (!value.ptr || join_entry_get(value, &e));
}

static int temporal_restore(struct op *op, unsigned store, struct str key, struct str value)
{
    if (!pair_fits(op, store, key, value))
        return E_CORRUPT;
    store_restore(store_of(op->state, store), key, value);
    return 0;
}

static void temporal_opened(struct op *op, unsigned store, int64_t entries)
{
    store_opened(store_of(op->state, store), entries);
}

static void temporal_want(struct op *op, unsigned input, const struct batch *in, struct needs *w)
{
    struct temporal *j = op->state;
    const unsigned *cols = input ? op->node->right_cols : op->node->left_cols;
    if (store_whole(input ? j->versions : j->waiting))
        return;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        if (any_null(in, cols, op->node->njoin, row))
            continue;
        if (input) {
            wbuf_reset(&j->key);
            key_encode(in, cols, op->node->njoin, row, &j->key);
            store_want_unit(j->versions, op_store(op, STORE_VERSIONS), wbuf_view(&j->key), w);
        } else {
            put_waiting_key(op, in, row);
            store_want(j->waiting, op_store(op, STORE_WAITING), wbuf_view(&j->key), w);
        }
    }
}

static int temporal_load(struct op *op, unsigned store, struct str key, struct str value)
{
    struct temporal *j = op->state;
    struct front *f = front_of(j, store);
    if (!value.ptr || !pair_fits(op, store, key, value))
        return E_CORRUPT;
    if (f ? f->walking && !front_load(f, key) : store_unit_known(j->versions, (struct str){key.ptr, key.len - 8}))
        return 0;
    store_load(store_of(j, store), key, value);
    return 0;
}

static void temporal_loaded(struct op *op, const struct need *n)
{
    struct temporal *j = op->state;
    struct front *f = front_of(j, n->store);
    if (!f)
        store_unit_loaded(j->versions, n->key);
    else if (f->walking)
        front_loaded(f, n);
}

static bool temporal_evict(struct op *op, size_t steps)
{
    struct temporal *j = op->state;
    bool over = store_evict_units(j->versions, steps);
    over &= store_evict(j->waiting, steps);
    over &= store_evict(j->ending, steps);
    return over;
}

static void temporal_tidy(struct op *op, size_t steps)
{
    struct temporal *j = op->state;
    store_tidy(j->versions, steps);
    store_tidy(j->waiting, steps);
    store_tidy(j->ending, steps);
}

static void temporal_close(struct op *op)
{
    struct temporal *j = op->state;
    store_free(j->waiting);
    store_free(j->versions);
    store_free(j->ending);
    for (unsigned k = 0; k < ARRAY_LEN(j->touched); k++)
        kv_free(j->touched[k]);
    front_fini(&j->front_waiting);
    front_fini(&j->front_ending);
    wbuf_fini(&j->key);
    wbuf_fini(&j->value);
    wbuf_fini(&j->at);
    emitter_fini(&j->out);
    pairs_fini(&j->pairs);
    arena_fini(&j->arena);
}

const struct op_class join_temporal_class = {
    .name = "TEMPORAL JOIN",
    .size = sizeof(struct temporal),
    .open = temporal_open,
    .push = temporal_push,
    .watermark = temporal_watermark,
    .passes = temporal_passes,
    .marker = temporal_marker,
    .restore = temporal_restore,
    .opened = temporal_opened,
    .want = temporal_want,
    .prepare = temporal_prepare,
    .load = temporal_load,
    .loaded = temporal_loaded,
    .evict = temporal_evict,
    .tidy = temporal_tidy,
    .close = temporal_close,
};
