/* JSON: the decoder of records and the general reader agree on what is well-formed; a record that was decoded with all
 * of it wanted as text reads back as itself; the quick way, which the second of two equal records takes, gives the same
 * as the general one; what is kept as text is what the encoder writes. Nested values are
 * well-formed, and come back from what the encoder writes of them. The input is one record. */
#include "engine/io/io.h"
#include "log/wire/recbatch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct column text[] = {{"a", {.id = T_VARCHAR}}, {"b", {.id = T_VARCHAR}}};
static const struct want both[] = {{.from = WANT_VALUE, .index = 0}, {.from = WANT_VALUE, .index = 1}};

static struct row_format format_of(bool wrapped)
{
    return (struct row_format){.key = {.kind = FORMAT_NONE}, .value = {.kind = FORMAT_JSON, .wrapped = wrapped},
                               .nvalue = wrapped ? 2 : 1, .value_cols = text, .ts_column = -1};
}

static struct decoder *decoder_of(bool wrapped)
{
    struct row_format f = format_of(wrapped);
    struct decoder *d;
    struct diag dg;
    CHECK(decoder_new(&d, &f, both, f.nvalue, false, &dg) == 0);
    decoder_keep_text(d);
    return d;
}

/* Twice, and a record behind them, so that there is room to read ahead. */
static struct batch *decode(struct decoder *d, struct str value, struct arena *a)
{
    static const struct str last = {"{\"last\":\"and longer than what is read ahead of others\"}", 55};
    struct wbuf bytes;
    struct recbatch_builder rb;
    size_t used;
    int64_t next;
    wbuf_init(&bytes);
    recbatch_build(&rb, &bytes, CODEC_NONE, NULL);
    for (int i = 0; i < 2; i++)
        recbatch_add(&rb, 5, STR_NULL, value, NULL, 0);
    recbatch_add(&rb, 5, STR_NULL, last, NULL, 0);
    recbatch_finish(&rb, NULL);
    struct str copy = arena_dup(a, wbuf_view(&bytes));
    wbuf_fini(&bytes);
    struct batch *b = decoder_run(d, copy, 0, 0, a, &used, &next, NULL, NULL);
    batch_check(b);
    CHECK(b->n == 1 || b->n == 3);
    return b;
}

static void check_alike(const struct batch *b)
{
    for (unsigned c = 0; c < b->ncols; c++) {
        struct value x = batch_value(b, c, 0), y = batch_value(b, c, 1);
        CHECK(x.null == y.null && (x.null || value_cmp(&x, &y) == 0));
    }
}

static void check_kept(struct encoder *e, const struct batch *b)
{
    static const unsigned cols[] = {0, 1};
    struct wbuf w;
    wbuf_init(&w);
    for (uint32_t row = 0; row < 2; row++) {
        wbuf_reset(&w);
        CHECK(!b->text[row].len || (encoder_value(e, b, cols, row, &w) && str_eq(batch_text(b, row), wbuf_view(&w))));
    }
    wbuf_fini(&w);
}

static bool general_accepts(struct str s)
{
    struct json j = json_of(s);
    json_skip(&j);
    return !j.r.err && json_next(&j, NULL).kind == JSON_END;
}

/* A bare VARCHAR takes any value: scalars as their text, the rest as JSON. Nothing the decoder keeps may be
 * malformed. */
static void check_text(const struct batch *b)
{
    if (!vec_valid(&b->cols[0], 0))
        return;
    struct str s = batch_str(b, &b->cols[0], 0);
    CHECK(utf8_valid(s));
    struct wbuf w;
    wbuf_init(&w);
    json_put_str(&w, s);
    CHECK(general_accepts(wbuf_view(&w)));
    wbuf_fini(&w);
}

/* ---- nested columns */

static struct column deep[2];

static struct row_format deep_format(void)
{
    CHECK(type_parse(STR("STRUCT<X INT, Y ARRAY<VARCHAR>, Z STRUCT<X DATE>>"), &deep[0].type));
    CHECK(type_parse(STR("MAP<VARCHAR, ARRAY<DOUBLE>>"), &deep[1].type));
    deep[0].name = "a";
    deep[1].name = "b";
    return (struct row_format){.key = {.kind = FORMAT_NONE}, .value = {.kind = FORMAT_JSON, .wrapped = true}, .nvalue = 2,
                               .value_cols = deep, .ts_column = -1};
}

static void check_deep(struct decoder *d, struct encoder *e, const struct batch *b, struct arena *a)
{
    static const unsigned cols[] = {0, 1};
    struct value have[2];
    struct wbuf w;
    wbuf_init(&w);
    CHECK(encoder_value(e, b, cols, 0, &w));
    for (unsigned c = 0; c < 2; c++) {
        have[c] = batch_value(b, c, 0);
        CHECK(have[c].null || nested_check(have[c].type, have[c].s));
        have[c].s = arena_dup(a, have[c].s.len ? have[c].s : STR(""));
    }
    struct batch *back = decode(d, wbuf_view(&w), a);
    for (unsigned c = 0; c < 2; c++) {
        struct value v = batch_value(back, c, 0);
        CHECK(v.null == have[c].null && (v.null || value_cmp(&v, &have[c]) == 0));
    }
    wbuf_fini(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct decoder *bare, *wrapped, *nested;
    static struct encoder *e, *nested_e;
    if (!bare) {
        struct row_format deep_f = deep_format();
        CHECK(decoder_new(&nested, &deep_f, both, 2, false, NULL) == 0 && encoder_new(&nested_e, &deep_f, NULL) == 0);
        decoder_keep_text(nested);
        struct row_format f = format_of(true);
        struct diag dg;
        bare = decoder_of(false);
        wrapped = decoder_of(true);
        CHECK(encoder_new(&e, &f, &dg) == 0);
    }
    struct arena a;
    struct str s = {size ? (const char *)data : "", size};
    arena_init(&a);
    struct batch *b = decode(bare, s, &a);
    bool ok = general_accepts(s);
    CHECK((b->n == 3) == ok);
    if (ok)
        check_text(b);
    struct str trimmed = str_trim(s);
    b = decode(wrapped, s, &a);
    CHECK((b->n == 3) == (ok && trimmed.len && trimmed.ptr[0] == '{'));
    if (b->n == 3) {
        check_alike(b);
        check_kept(e, b);
    }
    b = decode(nested, s, &a);
    CHECK(b->n == 1 || ok);
    if (b->n == 3) {
        check_alike(b);
        check_deep(nested, nested_e, b, &a);
    }
    arena_fini(&a);
    return 0;
}
