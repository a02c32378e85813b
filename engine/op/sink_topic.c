#include "engine/op/sink_topic.h"
#include "log/base/map.h"

/* The end of a persistent query: records of its output topic.
 *
 * A stream's rows become records as they come. A table's changes are netted (sink_table.c): at the marker each changed
 * key gives at most one record. Partition: murmur2 of the key's bytes, as Java's producer chooses it, so that other
 * programs may join by the topic's partitions; the window start, which follows the key's bytes, does not count. */

/* A row that cannot be written. */
static void unwritable(struct op *op, const struct schema *sc, const struct batch *b, uint32_t row, const char *text)
{
    if (op->env->bad)
        op->env->bad(op->env->task, op, BAD_OUTPUT, sc, b, row, text);
    else
        op_error(op, text);
}

/* The event time of a record: the row's, or the column the user chose. False: there is none, the row is dropped. */
static bool record_time(struct op *op, const struct schema *sc, const struct batch *b, const unsigned *cols, uint32_t row,
                        int64_t *ts)
{
    const struct row_format *f = &op->node->format;
    struct topic_sink *k = op->state;
    *ts = b->ts[row];
    if (f->ts_column < 0)
        return true;
    struct value v = batch_value(b, cols[f->ts_column], row);
    bool ok = !v.null;
    if (ok && v.type.id == T_VARCHAR)
        ok = k->pattern ? time_pattern_parse(k->pattern, v.s, NULL, ts) : timestamp_parse(v.s, ts);
    else if (ok)
        *ts = v.i;
    if (ok && *ts >= 0)
        return true;
    unwritable(op, sc, b, row, "the timestamp column of the result has no valid time");
    return false;
}

static int32_t partition_of(struct op *op, struct str key)
{
    return (int32_t)((hash_murmur2(key.ptr, key.len) & 0x7fffffff) % (uint32_t)op->env->output_parts);
}

/* In k->value; null for what the format can only say so (KAFKA: a NULL column). */
static struct str encode_value(struct topic_sink *k, const struct batch *b, const unsigned *cols, uint32_t row)
{
    wbuf_reset(&k->value);
    if (!encoder_value(k->enc, b, cols, row, &k->value))
        return STR_NULL;
    wbuf_room(&k->value, 1); /* empty is not null */
    return wbuf_view(&k->value);
}

/* Or the bytes that it was read from, which are the same. */
static struct str stream_value(struct topic_sink *k, const struct batch *b, const unsigned *cols, uint32_t row)
{
    if (k->verbatim && b->text && b->text[row].len)
        return batch_text(b, row);
    return encode_value(k, b, cols, row);
}

/* ---- Streams. */

static int32_t next_partition(struct op *op)
{
    struct topic_sink *k = op->state;
    return (int32_t)(k->robin++ % (uint32_t)op->env->output_parts);
}

static void stream_row(struct op *op, struct batch *in, uint32_t row)
{
    struct topic_sink *k = op->state;
    const struct plan_node *node = op->node;
    int64_t ts;
    if (!record_time(op, op_input(op, 0), in, node->sink_cols, row, &ts))
        return;
    wbuf_reset(&k->key);
    struct str key = STR_NULL;
    if (encoder_key(k->enc, in, node->sink_cols, row, &k->key)) {
        wbuf_room(&k->key, 1);
        key = wbuf_view(&k->key);
    }
    int32_t part = key.ptr ? partition_of(op, key) : next_partition(op);
    struct str value = stream_value(k, in, node->sink_cols + node->format.nkey, row);
    op->stats.rows_out++;
    op->env->output(op->env->task, op, part, ts, key, value);
}

/* ---- Tables. */

bool sink_record_key(struct op *op, const struct record_cols *c, const struct batch *b, uint32_t row, size_t *inner)
{
    struct topic_sink *k = op->state;
    wbuf_reset(&k->key);
    if (!encoder_key(k->enc, b, c->image, row, &k->key))
        return false;
    *inner = k->key.len;
    if (k->bounds)
        wbuf_be64(&k->key, (uint64_t)b->cols[c->image[k->nkey + 1]].i64[row]);
    if (k->windowed)
        wbuf_be64(&k->key, (uint64_t)b->cols[c->image[k->nkey]].i64[row]);
    wbuf_room(&k->key, 1);
    return true;
}

void sink_record(struct op *op, const struct record_cols *c, const struct batch *b, uint32_t row, bool tombstone)
{
    struct topic_sink *k = op->state;
    size_t inner;
    int64_t ts = b->ts[row];
    if (!sink_record_key(op, c, b, row, &inner)) {
        unwritable(op, c->schema, b, row, "a table's row has no key");
        return;
    }
    struct str value = STR_NULL;
    if (!tombstone) {
        if (!record_time(op, c->schema, b, c->format, row, &ts))
            return;
        value = encode_value(k, b, c->format + op->node->format.nkey, row);
    }
    struct str key = wbuf_view(&k->key);
    op->stats.rows_out++;
    op->env->output(op->env->task, op, partition_of(op, (struct str){key.ptr, inner}), ts, key, value);
}

static void topic_sink_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    struct topic_sink *k = op->state;
    if (k->derived) {
        derive_push(op, in);
        return;
    }
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        if (!k->table)
            stream_row(op, in, row);
        else
            sink_pend(op, in, row);
    }
}

static void topic_sink_watermark(struct op *op, int64_t wm_ms)
{
    struct topic_sink *k = op->state;
    k->wm_ms = MAX(k->wm_ms, wm_ms);
}

static void topic_sink_marker(struct op *op, struct changes *out)
{
    struct topic_sink *k = op->state;
    if (k->derived)
        derive_marker(op);
    else if (k->table)
        sink_net(op, out);
}

static void topic_sink_step(struct op *op, struct changes *out)
{
    struct topic_sink *k = op->state;
    if (k->table)
        sink_step(op, out);
}

static void topic_sink_committed(struct op *op)
{
    struct topic_sink *k = op->state;
    if (k->derived)
        derive_committed(op);
    else if (k->table)
        sink_apply(op);
}

/* ---- Opening and closing. */

/* A row's image, which state keeps: key columns, window start [and end], value columns. */
static void lay_out(struct op *op)
{
    struct topic_sink *k = op->state;
    const struct plan_node *node = op->node;
    const struct row_format *f = &node->format;
    k->windowed = node->window_start_col >= 0 && f->window_size_ms > 0;
    k->bounds = k->windowed && f->window_bounds;
    k->nkey = f->nkey;
    unsigned n = f->nkey + k->windowed + k->bounds + f->nvalue, at = 0;
    k->nstate_key = f->nkey + k->windowed + k->bounds;
    k->input_cols = ARENA_ARRAY(&k->arena, unsigned, MAX(n, 1u));
    k->format_cols = ARENA_ARRAY(&k->arena, unsigned, MAX(n, 1u));
    k->image_cols = all_columns(&k->arena, n);
    k->image = (struct schema){n, ARENA_ARRAY(&k->arena, struct column, MAX(n, 1u))};
    for (unsigned i = 0; i <= f->nkey + f->nvalue; i++) {
        if (k->windowed && i == f->nkey)
            k->input_cols[at++] = (unsigned)node->window_start_col;
        if (k->bounds && i == f->nkey)
            k->input_cols[at++] = (unsigned)node->window_end_col;
        if (i == f->nkey + f->nvalue)
            break;
        k->format_cols[i] = at;
        k->input_cols[at++] = node->sink_cols[i];
    }
    for (unsigned i = 0; i < n; i++)
        k->image.cols[i] = op_input(op, 0)->cols[k->input_cols[i]];
    k->shown = (struct schema){n + (k->windowed && !k->bounds), ARENA_ARRAY(&k->arena, struct column, n + 1)};
    memcpy(k->shown.cols, k->image.cols, n * sizeof *k->image.cols);
    k->shown.cols[n] = (struct column){"WINDOWEND", TYPE(T_BIGINT)};
    k->of_image = (struct record_cols){&k->image, k->image_cols, k->format_cols};
    k->of_input = (struct record_cols){op_input(op, 0), k->input_cols, node->sink_cols};
}

static int topic_sink_open(struct op *op, struct diag *d)
{
    struct topic_sink *k = op->state;
    const struct row_format *f = &op->node->format;
    int err = encoder_new(&k->enc, f, d);
    if (!err && f->ts_column >= 0 && f->ts_pattern)
        err = time_pattern_new(&k->pattern, str_of(f->ts_pattern), d);
    if (err) {
        encoder_free(k->enc);
        return err;
    }
    arena_init(&k->arena);
    arena_init(&k->scratch);
    wbuf_init(&k->key);
    wbuf_init(&k->value);
    wbuf_init(&k->state_key);
    wbuf_init(&k->row);
    wbuf_init(&k->expiry_at);
    wbuf_init(&k->held_key);
    wbuf_init(&k->held_row);
    wbuf_init(&k->changed);
    k->derived = op->node->derived;
    k->robin = op->env->task_index;
    k->wm_ms = INT64_MIN;
    k->table = op->node->inputs[0]->mode != MODE_APPEND;
    k->verbatim = plan_verbatim(op->node) != NULL;
    k->upsert = op->node->inputs[0]->mode == MODE_UPSERT;
    lay_out(op);
    k->rows = store_new(true, op->env->clock, op->env->memory);
    if (k->table)
        store_hash(k->rows);
    k->overlay = kv_new(true, op->env->memory);
    k->stepped = op->env->record ? kv_new(true, op->env->memory) : NULL;
    k->pending = kv_new(true, op->env->memory);
    k->expiry = store_new(true, op->env->clock, op->env->memory);
    k->expired_ms = INT64_MIN;
    list_init(&k->scans);
    list_init(&k->later);
    k->changes.budget = op->env->memory;
    k->again = kv_new(true, op->env->memory);
    return 0;
}

static void topic_sink_close(struct op *op)
{
    struct topic_sink *k = op->state;
    derive_drop(k);
    store_free(k->rows);
    kv_free(k->overlay);
    kv_free(k->stepped);
    kv_free(k->pending);
    CHECK(list_empty(&k->scans));
    store_free(k->expiry);
    kv_free(k->again);
    kv_free(k->by_record_key);
    encoder_free(k->enc);
    if (k->pattern)
        time_pattern_free(k->pattern);
    wbuf_fini(&k->key);
    wbuf_fini(&k->value);
    wbuf_fini(&k->state_key);
    wbuf_fini(&k->row);
    wbuf_fini(&k->expiry_at);
    wbuf_fini(&k->held_key);
    wbuf_fini(&k->held_row);
    wbuf_fini(&k->changed);
    derive_free(k->derive);
    arena_fini(&k->scratch);
    arena_fini(&k->arena);
}

const struct op_class sink_topic_class = {
    .name = "SINK",
    .size = sizeof(struct topic_sink),
    .open = topic_sink_open,
    .push = topic_sink_push,
    .watermark = topic_sink_watermark,
    .marker = topic_sink_marker,
    .step = topic_sink_step,
    .committed = topic_sink_committed,
    .restore = sink_restore,
    .opened = sink_opened,
    .prepare = sink_prepare,
    .load = sink_load,
    .loaded = sink_loaded,
    .evict = sink_evict,
    .tidy = sink_tidy,
    .close = topic_sink_close,
};
