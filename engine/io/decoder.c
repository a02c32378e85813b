#include "engine/io/codec.h"
#include "log/wire/recbatch.h"
#include <stdio.h>

/* From recbatches to a batch: walks them, and lets the two formats of a row fill its columns. */

struct decoder {
    struct arena arena;
    struct row_format f;
    struct fieldset key, value;
    struct want *wants;
    unsigned nwants, npseudo;
    unsigned *pseudo;      /* the wants that no format fills */
    struct schema out;     /* a column per want, then perhaps the timestamp's */
    int *same_as;          /* per want: an earlier one of the same column, or -1 */
    int ts;                /* column that event time comes from, -1: the record's own timestamp */
    struct time_pattern *pattern;
    bool table;
    bool text; /* is kept */
    struct compress *compress;
    uint32_t rows_max; /* of a batch */
    struct wbuf inflated, scratch;
    /* The recbatch that the last run left unfinished, its checksum checked; offset -1: there is none. Was it
     * compressed, it lies inflated at inflated_at to the end. The first record that was not taken, left_next, is
     * left_count before the last and left_at bytes behind the first. */
    int64_t left_offset, left_next;
    uint32_t left_crc, left_count;
    size_t left_at;
    bool inflated_left;
    size_t inflated_at;
    char error[ERROR_TEXT];
};

/* ---- opening */

static void copy_columns(struct arena *a, struct column **cols, unsigned n)
{
    struct column *copy = ARENA_ARRAY(a, struct column, MAX(n, 1u));
    for (unsigned i = 0; i < n; i++)
        copy[i] = (struct column){arena_strdup(a, (*cols)[i].name), (*cols)[i].type};
    *cols = copy;
}

bool want_type(const struct row_format *f, const struct want *w, struct type *out)
{
    bool key = w->from == WANT_KEY, value = w->from == WANT_VALUE;
    *out = TYPE(w->from == WANT_ROWPARTITION ? T_INT : w->from == WANT_PROCTIME ? T_TIMESTAMP : T_BIGINT);
    if (w->from > WANT_PROCTIME || ((key || value) && w->index >= (key ? f->nkey : f->nvalue)) ||
        (w->depth && (!value || f->value.kind != FORMAT_JSON)))
        return false;
    if (key || value)
        *out = (key ? f->key_cols : f->value_cols)[w->index].type;
    for (unsigned i = 0; i < w->depth; i++) {
        if (out->id != T_STRUCT || w->path[i] >= out->of->n)
            return false;
        *out = out->of->fields[w->path[i]].type;
    }
    return true;
}

/* Gives a format's column, or a part of one, an output column; one that has one already is copied at the end of a batch. */
static void connect_want(struct decoder *d, const struct want *w, unsigned out)
{
    struct fieldset *fs = w->from == WANT_KEY ? &d->key : &d->value;
    d->same_as[out] = -1;
    if (w->from != WANT_KEY && w->from != WANT_VALUE) {
        d->pseudo[d->npseudo++] = out;
        return;
    }
    struct field *f = &fs->fields[w->index];
    for (unsigned i = 0; i < w->depth; i++) {
        fs = field_parts(fs, f, &d->arena);
        f = &fs->fields[w->path[i]];
    }
    if (!field_want(fs, f, out))
        d->same_as[out] = f->out;
}

static void connect_timestamp(struct decoder *d)
{
    unsigned at = (unsigned)d->f.ts_column;
    struct want w = {.from = at < d->f.nkey ? WANT_KEY : WANT_VALUE, .index = at < d->f.nkey ? at : at - d->f.nkey};
    struct fieldset *fs = w.from == WANT_KEY ? &d->key : &d->value;
    struct field *f = &fs->fields[w.index];
    if (field_want(fs, f, d->nwants))
        d->out.cols[d->out.n++] = (struct column){"", f->type};
    d->ts = f->out;
}

static int check_timestamp(struct decoder *d, struct diag *dg)
{
    struct type t = d->out.cols[d->ts].type;
    if (t.id != T_BIGINT && t.id != T_TIMESTAMP && t.id != T_VARCHAR)
        return diag_set(dg, E_SQL, "the timestamp column must be BIGINT, TIMESTAMP or VARCHAR");
    if (t.id == T_VARCHAR && d->f.ts_pattern)
        return time_pattern_new(&d->pattern, str_of(d->f.ts_pattern), dg);
    return 0;
}

int decoder_new(struct decoder **out, const struct row_format *f, const struct want *wants, unsigned nwants, bool table,
                struct diag *dg)
{
    struct decoder *d = xzalloc(sizeof *d);
    arena_init(&d->arena);
    wbuf_init(&d->inflated);
    wbuf_init(&d->scratch);
    d->f = *f;
    d->table = table;
    d->ts = -1;
    d->left_offset = -1;
    copy_columns(&d->arena, &d->f.key_cols, f->nkey);
    copy_columns(&d->arena, &d->f.value_cols, f->nvalue);
    d->f.ts_pattern = f->ts_pattern ? arena_strdup(&d->arena, f->ts_pattern) : NULL;
    int err = fieldset_open(&d->key, &f->key, true, f->nkey, f->key_cols, &d->arena, dg);
    if (!err)
        err = fieldset_open(&d->value, &f->value, false, f->nvalue, f->value_cols, &d->arena, dg);
    if (err)
        goto fail;
    d->nwants = nwants;
    d->wants = ARENA_ARRAY(&d->arena, struct want, MAX(nwants, 1u));
    d->same_as = ARENA_ARRAY(&d->arena, int, nwants + 1);
    d->pseudo = ARENA_ARRAY(&d->arena, unsigned, nwants + 1);
    d->out = (struct schema){nwants, ARENA_ARRAY(&d->arena, struct column, nwants + 1)};
    for (unsigned i = 0; i < nwants; i++) {
        d->wants[i] = wants[i];
        CHECK(want_type(&d->f, &wants[i], &d->out.cols[i].type));
        d->out.cols[i].name = "";
        connect_want(d, &wants[i], i);
    }
    if (f->ts_column >= 0) {
        connect_timestamp(d);
        err = check_timestamp(d, dg);
        if (err)
            goto fail;
    }
    d->compress = compress_new();
    decoder_limit(d, ENGINE_BATCH_ROWS);
    *out = d;
    return 0;
fail:
    decoder_free(d);
    return err;
}

void decoder_limit(struct decoder *d, uint32_t rows)
{
    CHECK(rows > 0 && rows <= ENGINE_BATCH_ROWS);
    d->rows_max = rows;
}

void decoder_free(struct decoder *d)
{
    if (!d)
        return;
    fieldset_close(&d->key);
    fieldset_close(&d->value);
    time_pattern_free(d->pattern);
    if (d->compress)
        compress_free(d->compress);
    wbuf_fini(&d->inflated);
    wbuf_fini(&d->scratch);
    arena_fini(&d->arena);
    xfree(d);
}

void decoder_keep_text(struct decoder *d) { d->text = true; }

/* ---- one record */

static bool decode_side(struct fieldset *fs, struct str s, struct target *t)
{
    switch (fs->format.kind) {
    case FORMAT_JSON:
        return json_decode(fs, s, t);
    case FORMAT_DELIMITED:
        return csv_decode(fs, s, t);
    case FORMAT_KAFKA:
        return kafka_decode(fs, s, t);
    default:
        fieldset_begin(fs);
        return true;
    }
}

/* Window bounds: [0] start, [1] end. */
static bool decode_key(struct decoder *d, struct str key, struct target *t, int64_t window[2])
{
    if (d->f.window_size_ms > 0 && key.ptr) {
        size_t bytes = d->f.window_bounds ? 16 : 8;
        if (key.len < bytes)
            return decode_fail(t, "the key is too short for a window");
        key.len -= bytes;
        window[0] = (int64_t)be64(key.ptr + key.len + bytes - 8);
        window[1] = d->f.window_bounds ? (int64_t)be64(key.ptr + key.len) : window[0] + d->f.window_size_ms;
    }
    if (!d->f.nkey)
        return true;
    if (!key.ptr && d->table)
        return decode_fail(t, "a table's record has no key");
    if (!key.ptr)
        fieldset_begin(&d->key);
    else if (!decode_side(&d->key, key, t))
        return false;
    fieldset_end(&d->key, t);
    const struct field *only = &d->key.fields[0];
    if (d->table && d->f.nkey == 1 && !d->f.key.wrapped && only->out >= 0 && !vec_valid(&t->b->cols[only->out], t->row))
        return decode_fail(t, "the primary key is NULL");
    return true;
}

const char *event_time_read(const struct batch *b, unsigned col, uint32_t row, const struct time_pattern *pattern,
                            int64_t *ts)
{
    const struct vec *v = &b->cols[col];
    if (!vec_valid(v, row))
        return "is NULL";
    if (v->type.id != T_VARCHAR) {
        *ts = v->i64[row];
    } else {
        struct str s = batch_str(b, v, row);
        if (!(pattern ? time_pattern_parse(pattern, s, NULL, ts) : timestamp_parse(s, ts)))
            return "has no such time";
    }
    return *ts < 0 ? "is before 1970" : NULL;
}

static bool event_time(const struct decoder *d, struct target *t, int64_t *ts)
{
    const char *wrong = event_time_read(t->b, (unsigned)d->ts, t->row, d->pattern, ts);
    const struct vec *v = &t->b->cols[d->ts];
    if (wrong && v->type.id == T_VARCHAR && vec_valid(v, t->row)) {
        struct str s = batch_str(t->b, v, t->row);
        return decode_fail(t, "the timestamp column %s: %.*s", wrong, (int)MIN(s.len, (size_t)40), s.ptr);
    }
    return !wrong || decode_fail(t, "the timestamp column %s", wrong);
}

/* The row failed halfway. */
static void row_reset(const struct decoder *d, const struct target *t)
{
    for (unsigned i = 0; i < d->out.n; i++)
        field_valid(&t->b->cols[i], t->row);
}

/* Columns that no format fills. */
static void fill_pseudo(const struct decoder *d, const struct target *t, const struct record *rec, const int64_t window[2],
                        int32_t partition)
{
    for (unsigned i = 0; i < d->npseudo; i++) {
        unsigned col = d->pseudo[i];
        struct vec *v = &t->b->cols[col];
        switch (d->wants[col].from) {
        case WANT_ROWTIME:
            v->i64[t->row] = t->b->ts[t->row];
            break;
        case WANT_ROWPARTITION:
            v->i32[t->row] = partition;
            break;
        case WANT_ROWOFFSET:
            v->i64[t->row] = rec->offset;
            break;
        case WANT_WINDOWSTART:
            v->i64[t->row] = window[0];
            break;
        case WANT_WINDOWEND:
            v->i64[t->row] = window[1];
            break;
        default: /* WANT_PROCTIME: the caller's */
            break;
        }
    }
}

static void set_weight(struct batch *b, uint32_t row, uint32_t cap, int weight)
{
    if (!b->weight) {
        if (weight > 0)
            return;
        b->weight = arena_alloc(b->arena, cap);
        memset(b->weight, 1, cap);
    }
    b->weight[row] = (int8_t)weight;
}

static void keep_text(const struct target *t, const struct record *rec)
{
    bool keep = t->verbatim && rec->value.ptr;
    t->b->text[t->row] = (struct sview){.len = keep ? (uint32_t)rec->value.len : 0, .buf = t->buf,
                                        .off = keep ? (uint32_t)(rec->value.ptr - t->base) : 0};
}

static enum bad_kind decode_record(struct decoder *d, const struct record *rec, struct target *t, int32_t partition,
                                   uint32_t cap)
{
    int64_t window[2] = {0, 0};
    bool tombstone = !rec->value.ptr && d->table;
    if (!decode_key(d, rec->key, t, window))
        return BAD_KEY;
    t->verbatim = false; /* whatever the key's was */
    if (!rec->value.ptr)
        fieldset_begin(&d->value);
    else if (!decode_side(&d->value, rec->value, t))
        return BAD_VALUE;
    if (d->text)
        keep_text(t, rec);
    fieldset_end(&d->value, t);
    t->b->ts[t->row] = rec->ts_ms;
    if (d->ts >= 0 && !tombstone && !event_time(d, t, &t->b->ts[t->row]))
        return BAD_TIME;
    fill_pseudo(d, t, rec, window, partition);
    set_weight(t->b, t->row, cap, tombstone ? -1 : 1);
    return BAD_NONE;
}

/* ---- recbatches */

struct run {
    struct decoder *d;
    struct batch *b;
    uint32_t cap;
    int64_t from, next;
    int32_t partition;
    struct str bytes, whole;         /* whole: of the recbatch at hand */
    uint32_t bytes_buf, inflated_buf; /* buffers of b; inflated_buf is UINT32_MAX until it is needed */
    size_t inflated_at;               /* where the recbatch begins that was inflated last */
    void (*error_cb)(void *arg, const struct decode_error *e);
    void *arg;
};

static void report(const struct run *run, enum bad_kind kind, const struct record *rec, const char *text)
{
    struct decode_error e = {rec->offset, text, kind, rec, STR_NULL};
    if (run->error_cb)
        run->error_cb(run->arg, &e);
}

static void report_bytes(const struct run *run, int64_t offset, const char *text)
{
    struct decode_error e = {offset, text, BAD_BATCH, NULL, run->whole};
    if (run->error_cb)
        run->error_cb(run->arg, &e);
}

static bool was_left(const struct decoder *d, const struct recbatch *rb)
{
    return d->left_offset == rb->base_offset && d->left_crc == rb->crc;
}

/* Inflates a recbatch behind those before it, unless the last run has left it here. Gives where it begins. */
static int inflate(struct decoder *d, const struct recbatch *rb, size_t *at)
{
    bool here = d->inflated_left && was_left(d, rb);
    d->inflated_left = false;
    *at = here ? 0 : d->inflated.len;
    if (here)
        return 0;
    size_t max = MIN((size_t)INFLATED_MAX, compress_limit(rb->payload.len));
    return compress_decode(d->compress, recbatch_codec(rb), rb->payload, &d->inflated, max);
}

/* Starts at the records of a recbatch. */
static int open_recbatch(struct run *run, const struct recbatch *rb, struct recbatch_iter *it, struct target *t)
{
    struct decoder *d = run->d;
    t->base = run->bytes.ptr;
    t->limit = run->bytes.ptr + run->bytes.len;
    t->buf = run->bytes_buf;
    if (recbatch_codec(rb) == CODEC_NONE)
        return recbatch_iter(it, rb, NULL, NULL, 0);
    int err = inflate(d, rb, &run->inflated_at);
    if (err)
        return err;
    const char *data = d->inflated.data ? (const char *)d->inflated.data : "";
    if (run->inflated_buf == UINT32_MAX)
        run->inflated_buf = batch_add_buf(run->b, data);
    run->b->bufs[run->inflated_buf] = data; /* it may have moved */
    struct recbatch plain = *rb;
    plain.attributes = (int16_t)(rb->attributes & ~RECBATCH_CODEC);
    plain.payload = (struct str){data + run->inflated_at, d->inflated.len - run->inflated_at};
    t->base = data;
    t->limit = data + d->inflated.len;
    t->buf = run->inflated_buf;
    return recbatch_iter(it, &plain, NULL, NULL, 0);
}

/* Where the last run has stopped, the next goes on: small batches would look for that place again and again. */
static void resume_recbatch(const struct run *run, const struct recbatch *rb, struct recbatch_iter *it)
{
    const struct decoder *d = run->d;
    if (!was_left(d, rb) || run->from < d->left_next || d->left_at > rbuf_left(&it->r) || d->left_count > it->left)
        return;
    it->r.ptr += d->left_at;
    it->left = d->left_count;
}

/* True: all its records were taken. */
static bool decode_recbatch(struct run *run, const struct recbatch *rb, struct target *t)
{
    struct recbatch_iter it;
    struct record rec;
    int err = open_recbatch(run, rb, &it, t);
    if (err) {
        report_bytes(run, rb->base_offset, err_text(err));
        return true;
    }
    size_t all = rbuf_left(&it.r), left;
    for (resume_recbatch(run, rb, &it); left = rbuf_left(&it.r), recbatch_next(&it, &rec);) {
        if (rec.offset < run->from)
            continue;
        if (run->b->n == run->cap) {
            run->next = run->d->left_next = rec.offset;
            run->d->left_at = all - left;
            run->d->left_count = it.left + 1;
            return false;
        }
        t->row = run->b->n;
        enum bad_kind bad = decode_record(run->d, &rec, t, run->partition, run->cap);
        if (LIKELY(!bad)) {
            run->b->n++;
        } else {
            row_reset(run->d, t);
            report(run, bad, &rec, t->error);
        }
    }
    if (recbatch_iter_err(&it))
        report_bytes(run, rb->base_offset, "the record batch is malformed");
    return true;
}

/* ---- batches */

/* Rows that there can be in bytes: so that a few records do not take the memory of a full batch. */
static uint32_t rows_in(struct str bytes, uint32_t max)
{
    struct recbatch rb;
    uint64_t rows = 0;
    while (rows < max && recbatch_peek(&rb, bytes) == 0) {
        rows += (uint32_t)rb.count;
        bytes = (struct str){bytes.ptr + rb.size, bytes.len - rb.size};
    }
    return (uint32_t)MIN(rows, (uint64_t)max);
}

static struct batch *batch_start(struct decoder *d, struct arena *a, uint32_t cap)
{
    struct batch *b = batch_new(a, &d->out, cap);
    for (unsigned i = 0; i < d->out.n; i++)
        vec_alloc_valid(&b->cols[i], a, cap);
    if (d->text)
        b->text = arena_alloc(a, MAX(cap, 1u) * sizeof *b->text);
    return b;
}

/* Columns without NULLs lose their bits; columns that are wanted twice share their data. */
static void batch_finish(const struct decoder *d, struct batch *b)
{
    b->nsel = b->n;
    b->ncols = d->nwants;
    for (unsigned i = 0; i < d->nwants; i++) {
        if (d->same_as[i] >= 0) {
            b->cols[i] = b->cols[d->same_as[i]];
            continue;
        }
        const uint64_t *valid = b->cols[i].valid;
        bool all = true;
        for (uint32_t w = 0; w < b->n / 64 && all; w++)
            all = valid[w] == UINT64_MAX;
        if (b->n % 64 && all) {
            uint64_t mask = (UINT64_C(1) << (b->n % 64)) - 1;
            all = (valid[b->n / 64] & mask) == mask;
        }
        if (all)
            b->cols[i].valid = NULL;
    }
}

/* What the last run left of inflated bytes comes to the front, now that its batch is gone. */
static void keep_inflated(struct decoder *d)
{
    if (!d->inflated_left) {
        wbuf_reset(&d->inflated);
        return;
    }
    size_t n = d->inflated.len - d->inflated_at;
    if (n)
        memmove(d->inflated.data, d->inflated.data + d->inflated_at, n);
    d->inflated.len = n;
    d->inflated_at = 0;
}

struct batch *decoder_run(struct decoder *d, struct str bytes, int64_t from, int32_t partition, struct arena *arena,
                          size_t *used, int64_t *next, void (*error_cb)(void *arg, const struct decode_error *e), void *arg)
{
    uint32_t cap = rows_in(bytes, d->rows_max);
    struct run run = {.d = d, .b = batch_start(d, arena, cap), .cap = cap, .from = from, .next = from,
                      .partition = partition, .bytes = bytes, .inflated_buf = UINT32_MAX, .error_cb = error_cb, .arg = arg};
    struct target t = {.b = run.b, .scratch = &d->scratch, .error = d->error};
    struct recbatch rb;
    int err = 0;
    keep_inflated(d);
    run.bytes_buf = batch_add_buf(run.b, bytes.ptr);
    *used = 0;
    while ((err = recbatch_peek(&rb, (struct str){bytes.ptr + *used, bytes.len - *used})) == 0) {
        bool old = recbatch_last_offset(&rb) < from;
        run.whole = (struct str){bytes.ptr + *used, rb.size};
        bool broken = !old && !was_left(d, &rb) && recbatch_check_crc(&rb, bytes.ptr + *used) != 0;
        if (broken)
            report_bytes(&run, rb.base_offset, "the record batch fails its checksum");
        if (!old && !broken && !(rb.attributes & RECBATCH_CONTROL) && !decode_recbatch(&run, &rb, &t)) {
            d->left_offset = rb.base_offset;
            d->left_crc = rb.crc;
            d->inflated_left = recbatch_codec(&rb) != CODEC_NONE;
            d->inflated_at = run.inflated_at;
            break;
        }
        if (!old) {
            d->left_offset = -1;
            run.next = recbatch_last_offset(&rb) + 1;
        }
        *used += rb.size;
    }
    if (err && err != E_SHORT) { /* nothing behind this can be found any more */
        run.whole = (struct str){bytes.ptr + *used, bytes.len - *used};
        report_bytes(&run, run.next, "the bytes are no record batch");
        *used = bytes.len;
    }
    *next = run.next;
    batch_finish(d, run.b);
    return run.b;
}

/* ---- finding a record again */

static bool is_bad(const int64_t *bad, unsigned nbad, int64_t offset)
{
    for (unsigned i = 0; i < nbad; i++)
        if (bad[i] == offset)
            return true;
    return false;
}

bool decoder_find(struct decoder *d, struct str bytes, int64_t from, uint32_t row, const int64_t *bad, unsigned nbad,
                  struct wbuf *room, struct record *out)
{
    struct recbatch rb;
    uint32_t at = 0;
    for (; recbatch_peek(&rb, bytes) == 0; bytes = (struct str){bytes.ptr + rb.size, bytes.len - rb.size}) {
        struct recbatch_iter it;
        wbuf_reset(room);
        if (recbatch_last_offset(&rb) < from || (rb.attributes & RECBATCH_CONTROL) || recbatch_check_crc(&rb, bytes.ptr) ||
            recbatch_iter(&it, &rb, d->compress, room, INFLATED_MAX))
            continue;
        while (recbatch_next(&it, out))
            if (out->offset >= from && !is_bad(bad, nbad, out->offset) && at++ == row)
                return true;
    }
    return false;
}
