#include "engine/op/common.h"

/* One row per partition, by event time: what ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ROWTIME) = 1 keeps of a stream.
 * Of rows of one time the one counts whose encoded row is the least, so the choice does not depend on who came first.
 *
 * The last row: whatever comes later in event time takes its place; the marker gives what went and what came.
 * The first row: it waits until the watermark has passed its time, since an earlier one may still come; then it is given
 * once and for all, and only its time is kept. So rows only come. Which rows are due is a store of its own, by time; it has
 * no more than what the watermark has not passed yet, and stays in memory. */

struct dedup {
    struct arena arena;
    unsigned *cols;      /* all */
    struct store *rows;  /* partition -> row_put; of a first row that was given: without columns */
    struct kv *touched;  /* last: partition -> what it showed at the last marker, "" for nothing; first: keys of rows */
    struct store *due;   /* first: ordered: time, partition -> layout */
    struct kv *due_touched;
    bool due_missing;    /* the checkpoint has some of them */
    enum { ASK_DUE, ASK_ROWS, ASK_NOTHING } asking; /* of the running marker */
    int64_t wm_ms;
    struct wbuf key, row, at;
    struct emitter out;
};
enum { STORE_ROWS, STORE_DUE };

static int dedup_open(struct op *op, struct diag *d)
{
    (void)d;
    struct dedup *u = op->state;
    arena_init(&u->arena);
    u->cols = all_columns(&u->arena, op_input(op, 0)->n);
    u->rows = store_new(false, op->env->clock, op->env->memory);
    u->touched = kv_new(false, op->env->memory);
    kv_passing(u->touched);
    u->due = store_new(true, op->env->clock, op->env->memory);
    u->due_touched = kv_new(false, op->env->memory);
    kv_passing(u->due_touched);
    u->wm_ms = INT64_MIN;
    wbuf_init(&u->key);
    wbuf_init(&u->row);
    wbuf_init(&u->at);
    emitter_init(&u->out, op, &op->node->out, op->node->keep_last);
    return 0;
}

static struct str key_of(struct op *op, const struct batch *in, uint32_t row)
{
    struct dedup *u = op->state;
    wbuf_reset(&u->key);
    wbuf_u8(&u->key, 1); /* no columns are a partition, too */
    key_encode(in, op->node->group_cols, op->node->ngroup, row, &u->key);
    return wbuf_view(&u->key);
}

static void emit_row(struct op *op, struct str columns, int64_t ts, int weight)
{
    struct dedup *u = op->state;
    uint32_t row = emitter_row(&u->out, weight, ts);
    CHECK(row_decode(columns, &op->node->out, u->out.b, 0, row, ENGINE_BATCH_ROWS) == 0);
}

/* ---- Rows in. */

static struct str due_key(struct dedup *u, int64_t ts, struct str key)
{
    wbuf_reset(&u->at);
    wbuf_be64(&u->at, (uint64_t)ts ^ UINT64_C(1) << 63);
    wbuf_str(&u->at, key);
    return wbuf_view(&u->at);
}

static void set_due(struct dedup *u, struct str due, bool is)
{
    const uint8_t layout = OP_LAYOUT;
    if (is)
        store_put(u->due, due, (struct str){(const char *)&layout, 1});
    else
        store_remove(u->due, due);
    kv_put(u->due_touched, due, STR(""));
}

static void keep_row(struct op *op, struct str key, struct str before)
{
    struct dedup *u = op->state;
    if (op->node->keep_last) {
        if (!kv_get(u->touched, key).ptr)
            kv_put(u->touched, key, before.ptr ? before : STR(""));
    } else {
        kv_put(u->touched, key, STR(""));
    }
    store_put(u->rows, key, wbuf_view(&u->row));
}

static void dedup_row(struct op *op, struct batch *in, uint32_t row)
{
    struct dedup *u = op->state;
    struct str key = key_of(op, in, row), before = store_get(u->rows, key), columns, mine;
    int64_t ts = in->ts[row], had = 0;
    bool last = op->node->keep_last;
    if (before.ptr) {
        CHECK(row_take(before, &had, &columns));
        if (!columns.len) {
            op->stats.late += ts < had;
            return;
        }
        if (last ? ts < had : BUG("dedup_keeps_who_came_first") || ts > had)
            return;
    }
    wbuf_reset(&u->row);
    row_put(in, u->cols, in->ncols, row, &u->row);
    CHECK(row_take(wbuf_view(&u->row), &ts, &mine));
    if (before.ptr && ts == had && str_cmp(mine, columns) >= 0)
        return;
    if (!last && before.ptr && ts != had)
        set_due(u, due_key(u, had, key), false);
    if (!last && (!before.ptr || ts != had))
        set_due(u, due_key(u, ts, key), true);
    keep_row(op, key, before);
}

static void dedup_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    for (uint32_t i = 0; i < in->nsel; i++)
        dedup_row(op, in, batch_row(in, i));
}

static void dedup_watermark(struct op *op, int64_t wm_ms)
{
    struct dedup *u = op->state;
    u->wm_ms = MAX(u->wm_ms, wm_ms);
}

/* ---- Rows out. */

static int show_cb(void *arg, struct str key, struct str before)
{
    struct op *op = arg;
    struct dedup *u = op->state;
    struct str was, now;
    int64_t was_ts, now_ts;
    CHECK(row_take(store_get(u->rows, key), &now_ts, &now));
    if (before.len) {
        CHECK(row_take(before, &was_ts, &was));
        if (str_eq(was, now))
            return 0;
        if (!BUG("dedup_last_not_taken_back"))
            emit_row(op, was, was_ts, -1);
    }
    emit_row(op, now, now_ts, 1);
    return 0;
}

/* The least of what is due, if the watermark has passed it; more may come of the watermark's own time. */
static bool next_due(const struct dedup *u, struct str after, struct str *due)
{
    struct str value;
    return kv_next(store_map(u->due), after, false, due, &value) &&
           (int64_t)(be64(due->ptr) ^ UINT64_C(1) << 63) < u->wm_ms;
}

static void give_due(struct op *op)
{
    struct dedup *u = op->state;
    struct str due;
    while (next_due(u, STR(""), &due)) {
        int64_t ts;
        struct str columns, key;
        wbuf_reset(&u->key);
        wbuf_str(&u->key, (struct str){due.ptr + 8, due.len - 8});
        wbuf_reset(&u->at);
        wbuf_str(&u->at, due);
        key = wbuf_view(&u->key);
        set_due(u, wbuf_view(&u->at), false);
        struct str row = store_get(u->rows, key);
        if (!row.ptr || !row_take(row, &ts, &columns) || !columns.len)
            continue;
        emit_row(op, columns, ts, 1);
        wbuf_reset(&u->row);
        wbuf_u8(&u->row, OP_LAYOUT);
        wbuf_be64(&u->row, (uint64_t)ts);
        keep_row(op, key, row);
    }
}

static void dedup_marker(struct op *op, struct changes *out)
{
    struct dedup *u = op->state;
    u->asking = ASK_DUE;
    if (op->node->keep_last)
        kv_scan(u->touched, STR(""), show_cb, op);
    else
        give_due(op);
    emitter_flush(&u->out);
    op_save_touched(op, STORE_ROWS, u->touched, u->rows, out);
    op_save_touched(op, STORE_DUE, u->due_touched, u->due, out);
    op->stats.state_rows = store_count(u->rows);
    op->stats.state_bytes = store_bytes(u->rows) + store_bytes(u->due);
}

/* ---- State. */

static bool is_kept(struct op *op, struct str value)
{
    int64_t ts;
    struct str columns;
    return row_take(value, &ts, &columns) &&
           (columns.len ? row_fits(columns, op_input(op, 0)) : !op->node->keep_last);
}

static bool is_due(struct str key, struct str value)
{
    return key.len > 8 && value.len == 1 && value.ptr[0] == OP_LAYOUT;
}

static int dedup_restore(struct op *op, unsigned store, struct str key, struct str value)
{
    struct dedup *u = op->state;
    bool due = store % OP_STORES == STORE_DUE;
    if (value.ptr ? !(due ? is_due(key, value) : is_kept(op, value)) : due && key.len <= 8)
        return E_CORRUPT;
    store_restore(due ? u->due : u->rows, key, value);
    return 0;
}

static void dedup_opened(struct op *op, unsigned store, int64_t entries)
{
    struct dedup *u = op->state;
    if (store % OP_STORES == STORE_DUE)
        u->due_missing = entries > 0;
    else
        store_opened(u->rows, entries);
}

static void want_due(struct op *op, struct needs *w)
{
    struct dedup *u = op->state;
    if (u->due_missing)
        needs_range(w, op_store(op, STORE_DUE), STR(""), STR(""), false, UINT32_MAX);
}

/* When an earlier row takes the place of one whose due entry is still on disk, that entry may come back into memory: by the
 * time it is reached the partition's row has been given, and it says nothing. */
static void dedup_want(struct op *op, unsigned input, const struct batch *in, struct needs *w)
{
    (void)input;
    struct dedup *u = op->state;
    for (uint32_t i = 0; !store_whole(u->rows) && i < in->nsel; i++)
        store_want(u->rows, op_store(op, STORE_ROWS), key_of(op, in, batch_row(in, i)), w);
}

static void want_rows(struct op *op, struct needs *w)
{
    struct dedup *u = op->state;
    struct str due, after = STR("");
    for (; !store_whole(u->rows) && next_due(u, after, &due); after = due)
        store_want(u->rows, op_store(op, STORE_ROWS), (struct str){due.ptr + 8, due.len - 8}, w);
}

static void dedup_prepare(struct op *op, bool first, struct changes *out, struct needs *w)
{
    (void)out;
    struct dedup *u = op->state;
    if (first)
        u->asking = ASK_DUE;
    if (u->asking == ASK_DUE)
        want_due(op, w);
    if (u->asking == ASK_ROWS || (u->asking == ASK_DUE && !w->n))
        want_rows(op, w);
    u->asking = u->asking == ASK_DUE && u->due_missing ? ASK_ROWS : ASK_NOTHING;
}

static int dedup_load(struct op *op, unsigned store, struct str key, struct str value)
{
    struct dedup *u = op->state;
    bool due = store % OP_STORES == STORE_DUE;
    if (!(due ? is_due(key, value) : is_kept(op, value)))
        return E_CORRUPT;
    store_load(due ? u->due : u->rows, key, value);
    return 0;
}

static void dedup_loaded(struct op *op, const struct need *w)
{
    struct dedup *u = op->state;
    if (w->store % OP_STORES == STORE_DUE)
        u->due_missing = false;
}

static bool dedup_evict(struct op *op, size_t steps)
{
    struct dedup *u = op->state;
    return store_evict(u->rows, steps);
}

static void dedup_tidy(struct op *op, size_t steps)
{
    struct dedup *u = op->state;
    store_tidy(u->rows, steps);
    store_tidy(u->due, steps);
}

static void dedup_close(struct op *op)
{
    struct dedup *u = op->state;
    store_free(u->rows);
    store_free(u->due);
    kv_free(u->touched);
    kv_free(u->due_touched);
    wbuf_fini(&u->key);
    wbuf_fini(&u->row);
    wbuf_fini(&u->at);
    emitter_fini(&u->out);
    arena_fini(&u->arena);
}

const struct op_class dedup_class = {
    .name = "DEDUPLICATE",
    .size = sizeof(struct dedup),
    .open = dedup_open,
    .push = dedup_push,
    .watermark = dedup_watermark,
    .marker = dedup_marker,
    .restore = dedup_restore,
    .opened = dedup_opened,
    .want = dedup_want,
    .prepare = dedup_prepare,
    .load = dedup_load,
    .loaded = dedup_loaded,
    .evict = dedup_evict,
    .tidy = dedup_tidy,
    .close = dedup_close,
};
