/* DELIMITED and KAFKA, row formats in plans, and the walk over recbatches. */
#include "engine/io/io.h"
#include "log/base/random.h"
#include "log/wire/recbatch.h"
#include "tests/lib/seed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static char last_error[200];
static int64_t last_offset;

static void keep_error(void *arg, const struct decode_error *e)
{
    int *n = arg;
    ++*n;
    last_offset = e->offset;
    snprintf(last_error, sizeof last_error, "%s", e->text);
}

static void put_row(const struct batch *b, uint32_t row, struct wbuf *out)
{
    if (batch_weight(b, row) < 0)
        wbuf_u8(out, '-');
    for (unsigned i = 0; i < b->ncols; i++) {
        struct value v = batch_value(b, i, row);
        if (i)
            wbuf_u8(out, ' ');
        json_put_value(out, &v);
    }
    wbuf_u8(out, ';');
}

/* All rows of bytes, each batch after the other, as one text. */
static char *all_rows(struct decoder *d, struct str bytes, int64_t from, int *errors, struct arena *a)
{
    struct wbuf w;
    wbuf_init(&w);
    *errors = 0;
    while (bytes.len) {
        size_t used;
        int64_t next;
        struct arena room;
        arena_init(&room);
        struct batch *b = decoder_run(d, bytes, from, 3, &room, &used, &next, keep_error, errors);
        batch_check(b);
        for (uint32_t row = 0; row < b->n; row++)
            put_row(b, row, &w);
        bool stuck = used == 0 && next == from;
        bytes = (struct str){bytes.ptr + used, bytes.len - used};
        from = next;
        arena_fini(&room);
        if (stuck)
            break;
    }
    char *text = (char *)(uintptr_t)arena_dup(a, w.len ? wbuf_view(&w) : STR("")).ptr;
    wbuf_fini(&w);
    return text;
}

static struct str one_record(struct str key, struct str value, int64_t ts, struct arena *a)
{
    struct wbuf w;
    struct recbatch_builder rb;
    wbuf_init(&w);
    recbatch_build(&rb, &w, CODEC_NONE, NULL);
    recbatch_add(&rb, ts, key, value, NULL, 0);
    recbatch_finish(&rb, NULL);
    struct str out = arena_dup(a, wbuf_view(&w));
    wbuf_fini(&w);
    return out;
}

/* Decodes one record with everything wanted; gives its rows as text, or "refused". */
static const char *decoded(const struct row_format *f, struct str key, struct str value, bool table, struct arena *a)
{
    struct want wants[20];
    unsigned n = 0;
    for (unsigned i = 0; i < f->nkey; i++)
        wants[n++] = (struct want){.from = WANT_KEY, .index = i};
    for (unsigned i = 0; i < f->nvalue; i++)
        wants[n++] = (struct want){.from = WANT_VALUE, .index = i};
    if (f->window_size_ms) {
        wants[n++] = (struct want){.from = WANT_WINDOWSTART};
        wants[n++] = (struct want){.from = WANT_WINDOWEND};
    }
    wants[n++] = (struct want){.from = WANT_ROWTIME};
    struct decoder *d;
    struct diag dg = {0};
    int errors;
    if (decoder_new(&d, f, wants, n, table, &dg))
        fail_msg("%s", dg.text);
    const char *text = all_rows(d, one_record(key, value, 7, a), 0, &errors, a);
    decoder_free(d);
    return errors ? "refused" : text;
}

static struct column csv_columns[] = {{"i", {.id = T_INT}},  {"s", {.id = T_VARCHAR}},   {"d", {.id = T_DOUBLE}},
                                      {"b", {.id = T_BOOLEAN}}, {"t", {.id = T_TIMESTAMP}}, {"y", {.id = T_BYTES}}};
static struct row_format csv = {.key = {.kind = FORMAT_NONE},
                                .value = {.kind = FORMAT_DELIMITED, .delimiter = ','},
                                .nvalue = 6,
                                .value_cols = csv_columns,
                                .ts_column = -1};

static void csv_is(const char *line, const char *want)
{
    struct arena a;
    arena_init(&a);
    const char *have = decoded(&csv, STR_NULL, str_of(line), false, &a);
    if (strcmp(have, want) != 0)
        fail_msg("%s: %s (%s)", line, have, last_error);
    arena_fini(&a);
}

/* CSV lines are read with quotes, nulls and exact numbers of fields. */
static void delimited_is_read(void **state)
{
    (void)state;
    csv_is("1,abc,1.5,true,1000,AP8=", "1 \"abc\" 1.5 true \"1970-01-01T00:00:01.000\" \"AP8=\" 7;");
    csv_is("1,abc,1.5,FALSE,1970-01-01,AP8=\r\n", "1 \"abc\" 1.5 false \"1970-01-01T00:00:00.000\" \"AP8=\" 7;");
    csv_is(",,,,,", "null null null null null null 7;");
    csv_is("1,\"\",,,,\"\"", "1 \"\" null null null \"\" 7;");
    csv_is("\"1\",\"a, \"\"quoted\"\" text that is long\",,,,", "1 \"a, \\\"quoted\\\" text that is long\" null null null null 7;");
    static const char *const wrong[] = {"", "1", "1,a,1.5,true,1000", "1,a,1.5,true,1000,AP8=,x", "x,,,,,", "1,\"a,,,,", "1,a\"b,,,,",
                                        "1,\"a\"b,,,,", ",,,maybe,,", ",,x,,,", ",,,,,%", ",\xff,,,,", "1.5,,,,,"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        csv_is(wrong[i], "refused");
}

/* What is written as CSV reads back. */
static void delimited_comes_back(void **state)
{
    (void)state;
    static const char *const lines[] = {"1,abc,1.5,true,1000,AP8=", ",,,,,", "-5,\"\",,,,\"\"", "1,\"a, \"\"b\"\"\nc\",1e+300,false,-1,",};
    struct want wants[6];
    struct decoder *d;
    struct encoder *e;
    struct diag dg;
    for (unsigned i = 0; i < 6; i++)
        wants[i] = (struct want){.from = WANT_VALUE, .index = i};
    assert_int_equal(decoder_new(&d, &csv, wants, 6, false, &dg), 0);
    assert_int_equal(encoder_new(&e, &csv, &dg), 0);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct arena a;
        struct wbuf w;
        size_t used;
        int64_t next;
        int errors = 0;
        static const unsigned cols[] = {0, 1, 2, 3, 4, 5};
        arena_init(&a);
        wbuf_init(&w);
        struct batch *b = decoder_run(d, one_record(STR_NULL, str_of(lines[i]), 1, &a), 0, 0, &a, &used, &next, keep_error, &errors);
        assert_int_equal(errors, 0);
        assert_true(encoder_value(e, b, cols, 0, &w));
        char *first = all_rows(d, one_record(STR_NULL, wbuf_view(&w), 1, &a), 0, &errors, &a);
        char *second = all_rows(d, one_record(STR_NULL, str_of(lines[i]), 1, &a), 0, &errors, &a);
        assert_string_equal(first, second);
        wbuf_fini(&w);
        arena_fini(&a);
    }
    decoder_free(d);
    encoder_free(e);
}

static void kafka_is(struct type t, struct str bytes, const char *want)
{
    struct arena a;
    struct column col = {"k", t}, v = {"v", {.id = T_INT}};
    struct row_format f = {.key = {.kind = FORMAT_KAFKA}, .nkey = 1, .key_cols = &col, .value = {.kind = FORMAT_KAFKA},
                           .nvalue = 1, .value_cols = &v, .ts_column = -1};
    arena_init(&a);
    const char *have = decoded(&f, bytes, STR("\0\0\0\5"), false, &a);
    if (strcmp(have, want) != 0)
        fail_msg("%s, not %s (%s)", have, want, last_error);
    /* and back */
    if (bytes.ptr && strcmp(want, "refused") != 0) {
        struct schema sc = {1, &col};
        struct batch *b = batch_new(&a, &sc, 1);
        struct decoder *d;
        struct encoder *e;
        struct diag dg;
        struct want w = {.from = WANT_KEY, .index = 0};
        struct wbuf out;
        size_t used;
        int64_t next;
        assert_int_equal(decoder_new(&d, &f, &w, 1, false, &dg), 0);
        assert_int_equal(encoder_new(&e, &f, &dg), 0);
        b = decoder_run(d, one_record(bytes, STR("\0\0\0\5"), 1, &a), 0, 0, &a, &used, &next, NULL, NULL);
        wbuf_init(&out);
        assert_true(encoder_key(e, b, (unsigned[]){0}, 0, &out));
        assert_true(str_eq(out.len ? wbuf_view(&out) : STR(""), bytes));
        wbuf_fini(&out);
        decoder_free(d);
        encoder_free(e);
    }
    arena_fini(&a);
}

/* Kafka's serialised primitives are exact, and other lengths are refused. */
static void kafka_is_read(void **state)
{
    (void)state;
    kafka_is(TYPE(T_INT), STR("\0\0\1\0"), "256 5 7;");
    kafka_is(TYPE(T_INT), STR("\xff\xff\xff\xff"), "-1 5 7;");
    kafka_is(TYPE(T_INT), STR("\0\0\0"), "refused");
    kafka_is(TYPE(T_BIGINT), STR("\0\0\0\0\0\0\0\1"), "1 5 7;");
    kafka_is(TYPE(T_BIGINT), STR("\0\0\0\1"), "refused");
    kafka_is(TYPE(T_DOUBLE), STR("\x3f\xf8\0\0\0\0\0\0"), "1.5 5 7;");
    kafka_is(TYPE(T_VARCHAR), STR("text"), "\"text\" 5 7;");
    kafka_is(TYPE(T_VARCHAR), STR(""), "\"\" 5 7;");
    kafka_is(TYPE(T_VARCHAR), STR("a text that is not inline"), "\"a text that is not inline\" 5 7;");
    kafka_is(TYPE(T_VARCHAR), STR("\xff"), "refused");
    kafka_is(TYPE(T_BYTES), STR("\xff"), "\"/w==\" 5 7;");
    kafka_is(TYPE(T_INT), STR_NULL, "null 5 7;");
}

static struct column kv[] = {{"k", {.id = T_VARCHAR}}, {"v", {.id = T_BIGINT}}, {"at", {.id = T_VARCHAR}}};
static const struct row_format keyed = {.key = {.kind = FORMAT_KAFKA}, .nkey = 1, .key_cols = kv,
                                        .value = {.kind = FORMAT_JSON, .wrapped = true}, .nvalue = 2, .value_cols = kv + 1, .ts_column = -1};

static void record_is(const struct row_format *f, bool table, struct str key, struct str value, const char *want)
{
    struct arena a;
    arena_init(&a);
    const char *have = decoded(f, key, value, table, &a);
    if (strcmp(have, want) != 0)
        fail_msg("%s, not %s (%s)", have, want, last_error);
    arena_fini(&a);
}

/* Nulls in keys and values mean what streams and tables say; windows follow the key; a column can give the time. */
static void nulls_windows_and_times(void **state)
{
    (void)state;
    record_is(&keyed, false, STR("a"), STR("{\"v\":1}"), "\"a\" 1 null 7;");
    record_is(&keyed, false, STR_NULL, STR("{\"v\":1}"), "null 1 null 7;");
    record_is(&keyed, false, STR("a"), STR_NULL, "\"a\" null null 7;");
    record_is(&keyed, true, STR("a"), STR("{\"v\":1}"), "\"a\" 1 null 7;");
    record_is(&keyed, true, STR("a"), STR_NULL, "-\"a\" null null 7;");
    record_is(&keyed, true, STR_NULL, STR("{\"v\":1}"), "refused");
    struct row_format f = keyed;
    f.window_size_ms = 1000;
    record_is(&f, false, STR("a\0\0\0\0\0\0\x03\xe8"), STR("{\"v\":1}"), "\"a\" 1 null 1000 2000 7;");
    record_is(&f, false, STR("short"), STR("{\"v\":1}"), "refused");
    f = keyed;
    f.ts_column = 1;
    record_is(&f, false, STR("a"), STR("{\"v\":1234}"), "\"a\" 1234 null 1234;");
    record_is(&f, false, STR("a"), STR("{}"), "refused");
    record_is(&f, false, STR("a"), STR("{\"v\":-1}"), "refused");
    record_is(&f, true, STR("a"), STR_NULL, "-\"a\" null null 7;");
    f.ts_column = 2;
    record_is(&f, false, STR("a"), STR("{\"at\":\"1970-01-01T00:00:01\"}"), "\"a\" null \"1970-01-01T00:00:01\" 1000;");
    record_is(&f, false, STR("a"), STR("{\"at\":\"soon\"}"), "refused");
    f.ts_pattern = "dd.MM.yyyy";
    record_is(&f, false, STR("a"), STR("{\"at\":\"02.01.1970\"}"), "\"a\" null \"02.01.1970\" 86400000;");
    struct column two[] = {{"a", {.id = T_INT}}, {"b", {.id = T_VARCHAR}}};
    f = keyed;
    f.key.kind = FORMAT_JSON;
    f.nkey = 2;
    f.key_cols = two;
    record_is(&f, false, STR("{\"a\":1,\"b\":\"x\"}"), STR("{}"), "1 \"x\" null null 7;");
    f.nkey = 1; /* a single key column is bare */
    record_is(&f, false, STR("5"), STR("{}"), "5 null null 7;");
    record_is(&f, false, STR("{\"a\":5}"), STR("{}"), "refused");
    f.value.wrapped = false;
    f.nvalue = 1;
    record_is(&f, false, STR("5"), STR(" 8 "), "5 8 7;");
    record_is(&f, false, STR("5"), STR("8 8"), "refused");
}

/* A column that only the time needs is not shown, one that is wanted twice is there twice. */
static void wants_are_free(void **state)
{
    (void)state;
    struct row_format f = keyed;
    struct decoder *d;
    struct diag dg;
    struct arena a;
    int errors;
    arena_init(&a);
    f.ts_column = 1;
    static const struct want wants[] = {{.from = WANT_ROWOFFSET}, {.from = WANT_KEY, .index = 0}, {.from = WANT_KEY, .index = 0},
                                        {.from = WANT_ROWPARTITION}, {.from = WANT_ROWTIME}};
    assert_int_equal(decoder_new(&d, &f, wants, 5, false, &dg), 0);
    char *text = all_rows(d, one_record(STR("k"), STR("{\"v\":99}"), 1, &a), 0, &errors, &a);
    assert_string_equal(text, "0 \"k\" \"k\" 3 99;");
    decoder_free(d);
    f.value.kind = FORMAT_KAFKA;
    assert_int_not_equal(decoder_new(&d, &f, wants, 5, false, &dg), 0);
    assert_non_null(strstr(dg.text, "KAFKA"));
    arena_fini(&a);
}

/* ---- walking */

struct log {
    struct wbuf bytes;
    struct compress *c;
    int64_t next;
};

static void add_recbatch(struct log *l, unsigned records, enum codec codec, int16_t attributes)
{
    struct recbatch_builder rb;
    struct wbuf scratch;
    char text[64];
    wbuf_init(&scratch);
    recbatch_build(&rb, &l->bytes, codec, &scratch);
    rb.base_offset = l->next;
    rb.attributes = attributes;
    for (unsigned i = 0; i < records; i++) {
        int n = snprintf(text, sizeof text, "{\"at\":\"a long enough text %" PRId64 "\",\"v\":%" PRId64 "}", l->next, l->next);
        recbatch_add(&rb, l->next, STR("k"), (struct str){text, (size_t)n}, NULL, 0);
        l->next++;
    }
    recbatch_finish(&rb, l->c);
    wbuf_fini(&scratch);
}

/* Whatever the recbatches are (sizes, codecs, control ones between) and however many rows a batch may have, every
 * record from `from` on comes once, in order; also when the run before has stopped elsewhere. */
static void recbatches_are_walked(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    static const struct want wants[] = {{.from = WANT_ROWOFFSET}, {.from = WANT_VALUE, .index = 0}, {.from = WANT_VALUE, .index = 1}};
    for (int64_t round = test_rounds(40); round; round--) {
        struct log l = {.c = compress_new()};
        struct arena a;
        struct decoder *d;
        struct diag dg;
        bool control[40000] = {false};
        arena_init(&a);
        wbuf_init(&l.bytes);
        for (int i = 0; i < 8; i++) {
            bool is_control = random_chance(&r, 0.15);
            unsigned n = is_control ? 1 : 1 + (unsigned)random_below(&r, random_chance(&r, 0.2) ? ENGINE_BATCH_ROWS * 2 : 20);
            for (unsigned k = 0; k < n; k++)
                control[l.next + k] = is_control;
            add_recbatch(&l, n, (enum codec)random_below(&r, CODEC_COUNT), is_control ? RECBATCH_CONTROL : 0);
        }
        int64_t from = (int64_t)random_below(&r, (uint64_t)l.next);
        size_t cut = l.bytes.len;
        assert_int_equal(decoder_new(&d, &keyed, wants, 3, false, &dg), 0);
        struct wbuf want;
        wbuf_init(&want);
        for (int64_t o = from; o < l.next; o++)
            if (!control[o])
                wbuf_printf(&want, "%" PRId64 " %" PRId64 " \"a long enough text %" PRId64 "\";", o, o, o);
        wbuf_u8(&want, 0);
        int errors;
        struct str exact = arena_dup(&a, (struct str){(char *)l.bytes.data, cut});
        if (random_chance(&r, 0.8)) {
            size_t used;
            int64_t next;
            decoder_limit(d, 1 + (uint32_t)random_below(&r, random_chance(&r, 0.5) ? MIN(30, ENGINE_BATCH_ROWS) : ENGINE_BATCH_ROWS));
            for (unsigned k = (unsigned)random_below(&r, 3); k > 0; k--)
                decoder_run(d, exact, (int64_t)random_below(&r, (uint64_t)l.next), 0, &a, &used, &next, NULL, NULL);
        }
        assert_string_equal(all_rows(d, exact, from, &errors, &a), (char *)want.data);
        assert_int_equal(errors, 0);
        decoder_free(d);
        wbuf_fini(&want);
        wbuf_fini(&l.bytes);
        compress_free(l.c);
        arena_fini(&a);
    }
}

/* A bad record, a bad checksum and a cut-off end are each told once, and the rest is read. */
static void damage_is_told(void **state)
{
    (void)state;
    struct log l = {.c = compress_new()};
    struct arena a;
    struct decoder *d;
    struct diag dg;
    int errors;
    static const struct want wants[] = {{.from = WANT_VALUE, .index = 0}};
    arena_init(&a);
    wbuf_init(&l.bytes);
    add_recbatch(&l, 2, CODEC_NONE, 0);
    size_t first = l.bytes.len;
    add_recbatch(&l, 2, CODEC_LZ4, 0);
    size_t second = l.bytes.len;
    add_recbatch(&l, 2, CODEC_NONE, 0);
    assert_int_equal(decoder_new(&d, &keyed, wants, 1, false, &dg), 0);
    l.bytes.data[second - 1] ^= 1;
    assert_string_equal(all_rows(d, wbuf_view(&l.bytes), 0, &errors, &a), "0;1;4;5;");
    assert_int_equal(errors, 1);
    assert_int_equal(last_offset, 2);
    l.bytes.data[second - 1] ^= 1;
    struct str cut = {(char *)l.bytes.data, second - 3};
    assert_string_equal(all_rows(d, cut, 0, &errors, &a), "0;1;");
    assert_int_equal(errors, 0);
    l.bytes.data[first + 16] = 9; /* no such format of recbatches */
    assert_string_equal(all_rows(d, wbuf_view(&l.bytes), 0, &errors, &a), "0;1;");
    assert_int_equal(errors, 1);
    decoder_free(d);
    wbuf_fini(&l.bytes);
    compress_free(l.c);
    arena_fini(&a);
}

/* Whole numbers of every length are read, alone at the end of a record or before another field, as integers or as
 * 1e0. */
static void json_integers_are_read(void **state)
{
    (void)state;
    static const char *const tails[] = {"", "}", " }", ",\"z\":1}", "\t,\"z\":1}", "e0}", ".0}", "E1}", ".5}"};
    struct column cols[] = {{"n", TYPE(T_BIGINT)}};
    struct row_format f = {.value = {.kind = FORMAT_JSON, .wrapped = true}, .nvalue = 1, .value_cols = cols, .ts_column = -1};
    struct want want = {.from = WANT_VALUE, .index = 0};
    struct decoder *d;
    struct diag dg;
    assert_int_equal(decoder_new(&d, &f, &want, 1, false, &dg), 0);
    for (int digits = 1; digits < 18; digits++)
        for (int sign = 0; sign < 2; sign++)
            for (size_t t = 0; t < ARRAY_LEN(tails); t++)
                for (int zero = 0; zero < 2; zero++) {
                    struct arena a;
                    char text[80];
                    size_t used;
                    int64_t next, v = (int64_t)(987654321012345678 / (int64_t)decimal_pow10((unsigned)(18 - digits)));
                    int errors = 0;
                    arena_init(&a);
                    snprintf(text, sizeof text, "{\"n\":%s%s%" PRId64 "%s", sign ? "-" : "", zero ? "0" : "", v, tails[t]);
                    struct batch *b = decoder_run(d, one_record(STR_NULL, str_of(text), 1, &a), 0, 0, &a, &used, &next,
                                                  keep_error, &errors);
                    bool good = t != 0 && t != 8 && !zero; /* cut off; a fraction; a leading zero */
                    assert_int_equal(errors, !good);
                    if (good)
                        assert_int_equal(b->cols[0].i64[0], (sign ? -v : v) * (t == 7 ? 10 : 1));
                    arena_fini(&a);
                }
    decoder_free(d);
}

/* A byte that must be escaped is found wherever it stands in a text of whatever length, also behind a long name. */
static void json_escapes_are_found(void **state)
{
    (void)state;
    static const char odd[] = {'"', '\\', '\n', 0x1f, 0, 'x', ' ', (char)0xc3};
    struct column cols[] = {{"n", TYPE(T_VARCHAR)}, {"a_name_that_is_longer_than_its_padding_is", TYPE(T_VARCHAR)}};
    struct row_format f = {.value = {.kind = FORMAT_JSON, .wrapped = true}, .nvalue = 2, .value_cols = cols, .ts_column = -1};
    struct encoder *e;
    struct diag dg;
    assert_int_equal(encoder_new(&e, &f, &dg), 0);
    for (size_t len = 0; len < 40; len++)
        for (size_t at = 0; at < MAX(len, 1u); at++)
            for (size_t o = 0; o < sizeof odd; o++) {
                struct arena a;
                struct wbuf got, want;
                char text[40];
                arena_init(&a);
                wbuf_init(&got);
                wbuf_init(&want);
                memset(text, 'a', sizeof text);
                text[at] = odd[o];
                struct batch *b = batch_new(&a, &(struct schema){2, cols}, 1);
                b->n = b->nsel = 1;
                batch_set_str(b, &b->cols[0], 0, (struct str){text, len});
                batch_set_str(b, &b->cols[1], 0, (struct str){text, len});
                assert_true(encoder_value(e, b, (const unsigned[]){0, 1}, 0, &got));
                wbuf_printf(&want, "{\"n\":");
                json_put_str(&want, (struct str){text, len});
                wbuf_printf(&want, ",\"%s\":", cols[1].name);
                json_put_str(&want, (struct str){text, len});
                wbuf_printf(&want, "}");
                assert_int_equal(got.len, want.len);
                assert_memory_equal(got.data, want.data, want.len);
                wbuf_fini(&got);
                wbuf_fini(&want);
                arena_fini(&a);
            }
    encoder_free(e);
}

/* Row formats come back from plans, and cut-off ones are refused. */
static void row_formats_come_back(void **state)
{
    (void)state;
    struct wbuf w;
    struct arena a;
    struct row_format f = keyed, back;
    wbuf_init(&w);
    arena_init(&a);
    f.window_size_ms = 5;
    f.ts_column = 2;
    f.ts_pattern = "yyyy";
    row_format_pack(&f, &w);
    struct unpack u = unpack_of(wbuf_view(&w));
    assert_int_equal(row_format_unpack(&u, &back, &a), 0);
    assert_int_equal(back.nvalue, 2);
    assert_string_equal(back.value_cols[1].name, "at");
    assert_string_equal(back.ts_pattern, "yyyy");
    assert_int_equal(back.window_size_ms, 5);
    assert_true(back.value.wrapped && back.value.kind == FORMAT_JSON);
    for (size_t n = 0; n < w.len; n++) {
        u = unpack_of((struct str){(char *)w.data, n});
        assert_int_not_equal(row_format_unpack(&u, &back, &a), 0);
    }
    wbuf_fini(&w);
    arena_fini(&a);
}

struct told {
    int64_t offsets[400];
    unsigned n;
};

static void tell(void *arg, const struct decode_error *e)
{
    struct told *t = arg;
    t->offsets[t->n++] = e->offset;
    assert_int_equal(e->kind, BAD_VALUE);
    assert_true(e->rec && e->rec->offset == e->offset && e->rec->value.len == 3);
}

/* The record behind each row is found again, in plain and in compressed recbatches, from any offset, whatever was
 * bad. */
static void records_are_found(void **state)
{
    (void)state;
    static struct column col = {"v", {.id = T_BIGINT}};
    struct row_format f = {.key = {.kind = FORMAT_NONE}, .value = {.kind = FORMAT_KAFKA}, .nvalue = 1, .value_cols = &col,
                           .ts_column = -1};
    struct want want = {.from = WANT_VALUE, .index = 0};
    struct random r;
    struct diag dg;
    struct compress *c = compress_new();
    random_seed(&r, test_seed());
    for (int round = 0; round < 40; round++) {
        struct wbuf w, scratch, room;
        struct decoder *d;
        struct told told = {.n = 0};
        struct arena a;
        int64_t offset = 0, next, from = (int64_t)random_below(&r, 20);
        size_t used;
        arena_init(&a);
        wbuf_init(&w);
        wbuf_init(&scratch);
        wbuf_init(&room);
        for (unsigned k = 1 + (unsigned)random_below(&r, 8); k > 0; k--) {
            struct recbatch_builder rb;
            enum codec codec = (enum codec)random_below(&r, 5);
            wbuf_reset(&scratch);
            recbatch_build(&rb, &w, codec, codec ? &scratch : NULL);
            rb.base_offset = offset;
            for (unsigned n = 1 + (unsigned)random_below(&r, 30); n > 0; n--, offset++) {
                char v[8];
                put_be64(v, (uint64_t)offset);
                recbatch_add(&rb, 1, STR_NULL, (struct str){v, random_below(&r, 4) ? 8u : 3u}, NULL, 0);
            }
            recbatch_finish(&rb, c);
        }
        assert_int_equal(decoder_new(&d, &f, &want, 1, false, &dg), 0);
        struct batch *b = decoder_run(d, wbuf_view(&w), from, 0, &a, &used, &next, tell, &told);
        for (uint32_t row = 0; row < b->n; row++) {
            struct record rec;
            assert_true(decoder_find(d, wbuf_view(&w), from, row, told.offsets, told.n, &room, &rec));
            assert_int_equal(rec.offset, b->cols[0].i64[row]);
            assert_int_equal(be64(rec.value.ptr), rec.offset);
        }
        decoder_free(d);
        wbuf_fini(&w);
        wbuf_fini(&scratch);
        wbuf_fini(&room);
        arena_fini(&a);
    }
    compress_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delimited_is_read),       cmocka_unit_test(delimited_comes_back), cmocka_unit_test(kafka_is_read),
        cmocka_unit_test(nulls_windows_and_times), cmocka_unit_test(wants_are_free),       cmocka_unit_test(recbatches_are_walked),
        cmocka_unit_test(damage_is_told),          cmocka_unit_test(row_formats_come_back),
        cmocka_unit_test(records_are_found),
        cmocka_unit_test(json_escapes_are_found),    cmocka_unit_test(json_integers_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
