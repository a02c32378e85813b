/* JSON: the decoder of records and the general reader accept the same texts, and both what RFC 8259 accepts. */
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

static struct column columns[] = {
    {"i", {.id = T_INT}},     {"l", {.id = T_BIGINT}}, {"d", {.id = T_DOUBLE}}, {"s", {.id = T_VARCHAR}},
    {"b", {.id = T_BOOLEAN}}, {"n", {.id = T_DECIMAL, .precision = 6, .scale = 2}}, {"y", {.id = T_BYTES}},  {"dt", {.id = T_DATE}},
    {"tm", {.id = T_TIME}},   {"ts", {.id = T_TIMESTAMP}}};
static struct row_format format = {.key = {.kind = FORMAT_NONE},
                                   .value = {.kind = FORMAT_JSON, .wrapped = true},
                                   .nvalue = ARRAY_LEN(columns),
                                   .value_cols = columns,
                                   .ts_column = -1};

static char last_error[200];

static void keep_error(void *arg, const struct decode_error *e)
{
    int *n = arg;
    ++*n;
    snprintf(last_error, sizeof last_error, "%s", e->text);
}

/* One record through a decoder; NULL: it was refused. The batch lives in a. */
static struct batch *decode(const struct row_format *f, const struct want *wants, unsigned nwants, struct str value,
                            struct arena *a)
{
    struct decoder *d;
    struct diag dg = {0};
    struct wbuf bytes;
    struct recbatch_builder rb;
    size_t used;
    int64_t next;
    int errors = 0;
    if (decoder_new(&d, f, wants, nwants, false, &dg))
        fail_msg("%s", dg.text);
    wbuf_init(&bytes);
    recbatch_build(&rb, &bytes, CODEC_NONE, NULL);
    recbatch_add(&rb, 5, STR_NULL, value, NULL, 0);
    recbatch_finish(&rb, NULL);
    /* exactly as large as it is: reading past the end is seen by the sanitizer */
    struct str copy = arena_dup(a, wbuf_view(&bytes));
    struct batch *b = decoder_run(d, copy, 0, 0, a, &used, &next, keep_error, &errors);
    assert_int_equal(used, bytes.len);
    assert_int_equal(next, 1);
    batch_check(b);
    assert_int_equal(b->n + (unsigned)errors, 1);
    wbuf_fini(&bytes);
    decoder_free(d);
    return errors ? NULL : b;
}

/* All columns of the one row as JSON, or "refused". */
static char *row_text(const struct row_format *f, struct str value, struct arena *a)
{
    struct want wants[ARRAY_LEN(columns)];
    for (unsigned i = 0; i < f->nvalue; i++)
        wants[i] = (struct want){.from = WANT_VALUE, .index = i};
    struct batch *b = decode(f, wants, f->nvalue, value, a);
    if (!b)
        return arena_strdup(a, "refused");
    struct wbuf w;
    wbuf_init(&w);
    for (unsigned i = 0; i < f->nvalue; i++) {
        struct value v = batch_value(b, i, 0);
        if (i)
            wbuf_u8(&w, ' ');
        json_put_value(&w, &v);
    }
    char *text = (char *)(uintptr_t)arena_dup(a, wbuf_view(&w)).ptr;
    wbuf_fini(&w);
    return text;
}

static bool general_accepts(struct str s)
{
    struct json j = json_of(s);
    json_skip(&j);
    return !j.r.err && json_next(&j, NULL).kind == JSON_END;
}

static const char *const good[] = {
    "{}", " { } ", "{\"a\":1}", "{\"a\":[]}", "{\"a\":[[],[[]],{}]}", "{\"a\":{\"b\":{\"c\":[1,2,{\"d\":null}]}}}",
    "{\"a\":-0}", "{\"a\":0.5e+10}", "{\"a\":1E5}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud83d\\ude00\"}",
    "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "{\"a\":\"gr\xc3\xbcn \xf0\x9f\x98\x80\"}", "{\"a\":true,\"b\":false,\"c\":null}",
    "\t{\n\"a\" :\r1 , \"b\":2}\n", "{\"\":1}", "{\"a\":\"\x7f\"}", "{\"a\":1e999}",
    "{\"a long key that is longer than thirty-two bytes\":{\"x\":[\"a\",\"b\"]},\"b\":0}",
    "{\"a\":[1,2,3],\"b\":[true,false,null,\"x\",1.5,{\"c\":[]}]}",
};
static const char *const wrong[] = {
    "", " ", "{", "}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{\"a\":1 \"b\":2}", "{\"a\":1}x", "{\"a\":1}{}", "{a:1}",
    "{'a':1}", "{\"a\":01}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":+1}", "{\"a\":1e}", "{\"a\":-}", "{\"a\":0x10}",
    "{\"a\":tru}", "{\"a\":nul}", "{\"a\":NaN}", "{\"a\":Infinity}", "{\"a\":truex}", "{\"a\":[1,]}", "{\"a\":[1 2]}",
    "{\"a\":[}", "{\"a\":{]}", "{\"a\":[1}", "{\"a\":{\"b\":1]}", "{\"a\":\"x}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}",
    "{\"a\":\"\\u12g4\"}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\udc00\"}", "{\"a\":\"\\ud800\\u0041\"}", "{\"a\":\"\n\"}",
    "{\"a\":\"\x01\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\xc0\x80\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xf4\x90\x80\x80\"}",
    "{\"a\":\"\xc3\"}", "{\"a\":\"\\", "{\"a\":\"\\\"}", "{\"a\xff\":1}", "{\"\\q\":1}", "{\"a\":1,\"b\"", "{\"a\":[[1]", "{\"a\":1]",
    "{\"a\":1,\"b\":[{\"c\":}]}", "\xef\xbb\xbf{}", "{\"a\":1}\x00 ", "{\"a\":// x\n1}", "{\"a\":[\"x\xff\"]}",
};

/* Well-formed records become rows, malformed ones errors, also where only an unwanted field is malformed; the general
 * reader agrees. */
static void corpus_is_judged(void **state)
{
    (void)state;
    struct column wanted[] = {{"zz", {.id = T_INT}}, {"a", {.id = T_VARCHAR}}};
    struct row_format f = format;
    f.nvalue = 2;
    f.value_cols = wanted;
    static const struct want unwanted = {.from = WANT_VALUE, .index = 0}, both[] = {{.from = WANT_VALUE, .index = 0}, {.from = WANT_VALUE, .index = 1}};
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct str s = str_of(good[i]);
        if (!decode(&f, &unwanted, 1, s, &a) || !decode(&f, both, 2, s, &a))
            fail_msg("refused: %s: %s", good[i], last_error);
        assert_true(general_accepts(s));
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct str s = str_of(wrong[i]);
        if (strcmp(wrong[i], "{\"a\":1}") == 0)
            s.len += 2; /* with a NUL behind it */
        if (decode(&f, &unwanted, 1, s, &a) || decode(&f, both, 2, s, &a))
            fail_msg("accepted: %s", wrong[i]);
        if (general_accepts(s))
            fail_msg("the general reader accepts: %s", wrong[i]);
    }
    arena_fini(&a);
}

/* Nesting of 64 levels is read, 65 are refused. */
static void nesting_is_bounded(void **state)
{
    (void)state;
    static const struct want none = {.from = WANT_VALUE, .index = 0};
    struct arena a;
    arena_init(&a);
    for (int levels = 63; levels <= 66; levels++)
        for (int shape = 0; shape < 2; shape++) {
            struct wbuf w;
            wbuf_init(&w);
            wbuf_str(&w, STR("{\"a\":"));
            for (int i = 1; i < levels; i++)
                wbuf_str(&w, shape ? STR("[") : STR("{\"x\":"));
            wbuf_str(&w, STR("1"));
            for (int i = 1; i < levels; i++)
                wbuf_str(&w, shape ? STR("]") : STR("}"));
            wbuf_str(&w, STR("}"));
            assert_int_equal(decode(&format, &none, 1, wbuf_view(&w), &a) != NULL, levels <= 64);
            assert_int_equal(general_accepts(wbuf_view(&w)), levels <= 64);
            wbuf_fini(&w);
        }
    arena_fini(&a);
}

static void row_is(const char *json, const char *want)
{
    struct arena a;
    arena_init(&a);
    const char *have = row_text(&format, str_of(json), &a);
    if (strcmp(have, want) != 0)
        fail_msg("%s\n  gives %s\n  want  %s\n  (%s)", json, have, want, last_error);
    arena_fini(&a);
}

/* Each type takes what the formats' rules say. */
static void types_take_their_forms(void **state)
{
    (void)state;
    const char *const none = "null null null null null null null null null null";
    row_is("{}", none);
    row_is("{\"i\":null,\"s\":null,\"n\":null}", none);
    row_is("{\"i\":1,\"l\":-9223372036854775808,\"d\":1.5,\"s\":\"x\",\"b\":true,\"n\":12.5,\"y\":\"AP8=\",\"dt\":4,\"tm\":1000,\"ts\":1}",
           "1 -9223372036854775808 1.5 \"x\" true 12.50 \"AP8=\" \"1970-01-05\" \"00:00:01\" \"1970-01-01T00:00:00.001\"");
    row_is("{\"i\":\"1\",\"l\":\"2\",\"d\":\"2.5\",\"s\":3,\"n\":\"1.25\",\"dt\":\"1970-01-05\",\"tm\":\"01:00\",\"ts\":\"1970-01-01\"}",
           "1 2 2.5 \"3\" null 1.25 null \"1970-01-05\" \"01:00:00\" \"1970-01-01T00:00:00.000\"");
    row_is("{\"s\":{\"a\": [1, 2]}}", "null null null \"{\\\"a\\\": [1, 2]}\" null null null null null null");
    row_is("{\"s\":[1,\"a\"]}", "null null null \"[1,\\\"a\\\"]\" null null null null null null");
    row_is("{\"s\":true}", "null null null \"true\" null null null null null null");
    row_is("{\"s\":\"a long text with an \\u00e4 and a \\n\"}",
           "null null null \"a long text with an \xc3\xa4 and a \\n\" null null null null null null");
    row_is("{\"i\":1.0,\"l\":1e3}", "1 1000 null null null null null null null null");
    row_is("{\"d\":\"NaN\"}", "null null \"NaN\" null null null null null null null");
    static const char *const refused[] = {
        "{\"i\":2147483648}", "{\"i\":1.5}", "{\"i\":true}", "{\"i\":\"x\"}", "{\"i\":\"\"}", "{\"i\":{}}", "{\"i\":[]}",
        "{\"l\":9223372036854775808}", "{\"l\":1e300}", "{\"d\":1e999}", "{\"d\":\"x\"}", "{\"b\":1}", "{\"b\":\"true\"}",
        "{\"n\":1.234}", "{\"n\":12345}", "{\"n\":\"\"}", "{\"y\":\"%%\"}", "{\"y\":1}", "{\"dt\":\"1970-13-01\"}", "{\"tm\":86400000}",
        "{\"tm\":-1}", "{\"ts\":\"noon\"}", "{\"ts\":1.5}"};
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        row_is(refused[i], "refused");
}

/* The exact name wins over one that differs in case, wherever it stands; of equal names the last one counts. */
static void names_are_matched(void **state)
{
    (void)state;
    const char *const i2 = "2 null null null null null null null null null";
    row_is("{\"I\":2}", i2);
    row_is("{\"I\":1,\"i\":2}", i2);
    row_is("{\"i\":2,\"I\":1}", i2);
    row_is("{\"i\":1,\"i\":2}", i2);
    row_is("{\"\\u0069\":2}", i2);
    row_is("{\"i\" : 2}", i2);
    row_is("{\"i\":1,\"i\":null}", "null null null null null null null null null null");
    row_is("{\"I\":1,\"i\":null}", "null null null null null null null null null null");
    row_is("{\"ii\":1}", "null null null null null null null null null null");
    /* two columns that differ in case only */
    struct column two[] = {{"id", {.id = T_INT}}, {"ID", {.id = T_INT}}};
    struct row_format f = format;
    struct arena a;
    f.nvalue = 2;
    f.value_cols = two;
    arena_init(&a);
    assert_string_equal(row_text(&f, STR("{\"id\":1,\"ID\":2}"), &a), "1 2");
    assert_string_equal(row_text(&f, STR("{\"id\":1}"), &a), "1 null");
    assert_string_equal(row_text(&f, STR("{\"Id\":1}"), &a), "1 null");
    /* and only one of them is wanted */
    static const struct want second = {.from = WANT_VALUE, .index = 1};
    struct batch *b = decode(&f, &second, 1, STR("{\"id\":1}"), &a);
    assert_non_null(b);
    assert_false(vec_valid(&b->cols[0], 0));
    arena_fini(&a);
}

/* ---- random records */

static void put_random_text(struct random *r, struct wbuf *out)
{
    static const char *const bits[] = {"a", "bc", "\\n", "\\u00e9", "\xc3\xa9", "\\ud83d\\ude00", "long plain text ", "\\\"", "/", "\x7f"};
    wbuf_u8(out, '"');
    for (uint64_t n = random_below(r, 6); n; n--)
        wbuf_str(out, str_of(bits[random_below(r, ARRAY_LEN(bits))]));
    wbuf_u8(out, '"');
}

static void put_random_value(struct random *r, struct wbuf *out, int depth)
{
    static const char *const scalars[] = {"1", "-2.5e3", "0", "true", "false", "null", "123456789012345678901", "1e-7"};
    uint64_t kind = random_below(r, depth > 3 ? 2 : 4);
    if (kind == 0)
        wbuf_str(out, str_of(scalars[random_below(r, ARRAY_LEN(scalars))]));
    else if (kind == 1)
        put_random_text(r, out);
    else {
        wbuf_u8(out, kind == 2 ? '[' : '{');
        for (uint64_t n = random_below(r, 4), i = 0; i < n; i++) {
            if (i)
                wbuf_u8(out, ',');
            if (kind == 3) {
                put_random_text(r, out);
                wbuf_str(out, random_chance(r, 0.5) ? STR(":") : STR(" : "));
            }
            put_random_value(r, out, depth + 1);
        }
        wbuf_u8(out, kind == 2 ? ']' : '}');
    }
}

/* Random records, sound and with a byte changed, are judged alike by both readers. */
static void readers_agree(void **state)
{
    (void)state;
    struct random r;
    static const struct want none = {.from = WANT_VALUE, .index = 0};
    struct column zz[] = {{"no such field", {.id = T_INT}}};
    struct row_format f = format;
    f.nvalue = 1;
    f.value_cols = zz;
    random_seed(&r, test_seed());
    int accepted = 0;
    for (int64_t i = test_rounds(3000); i; i--) {
        struct wbuf w;
        struct arena a;
        arena_init(&a);
        wbuf_init(&w);
        wbuf_str(&w, STR("{\"a\":"));
        put_random_value(&r, &w, 0);
        wbuf_str(&w, STR("}"));
        if (random_chance(&r, 0.5))
            w.data[random_below(&r, w.len)] = (uint8_t)random_next(&r);
        if (random_chance(&r, 0.1))
            w.len = random_below(&r, w.len) + 1;
        struct str s = arena_dup(&a, wbuf_view(&w));
        struct str trimmed = str_trim(s);
        bool object = trimmed.len && trimmed.ptr[0] == '{';
        bool have = decode(&f, &none, 1, s, &a) != NULL, general = general_accepts(s) && object;
        accepted += have;
        if (have != general)
            fail_msg("decoder %d, reader %d: %.*s", have, general, STR_ARG(s));
        wbuf_fini(&w);
        arena_fini(&a);
    }
    assert_true(accepted > 100);
}

/* What the encoder writes, the decoder reads back. */
static void rows_come_back(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed() + 1);
    static const char *const texts[] = {"", "plain", "quote \" and \\ and \n and \x01", "gr\xc3\xbcn", "sixteen bytes ok", "a text that is quite long, with a tab\t at the end \t"};
    struct encoder *e;
    struct diag dg = {0};
    assert_int_equal(encoder_new(&e, &format, &dg), 0);
    for (int64_t i = test_rounds(2000); i; i--) {
        struct arena a;
        arena_init(&a);
        struct schema sc = {ARRAY_LEN(columns), columns};
        struct batch *b = batch_new(&a, &sc, 1);
        b->n = b->nsel = 1;
        unsigned cols[ARRAY_LEN(columns)];
        for (unsigned c = 0; c < sc.n; c++) {
            struct value v = {.type = columns[c].type, .null = random_chance(&r, 0.2)};
            uint64_t bits = random_next(&r) >> random_below(&r, 64);
            struct str text = str_of(texts[random_below(&r, ARRAY_LEN(texts))]);
            cols[c] = c;
            switch (v.type.id) {
            case T_BOOLEAN:
                v.b = bits & 1;
                break;
            case T_INT:
            case T_DATE:
                v.i = (int32_t)bits;
                break;
            case T_TIME:
                v.i = (int64_t)(bits % 86400000);
                break;
            case T_DOUBLE:
                memcpy(&v.f, &bits, 8);
                break;
            case T_DECIMAL:
                v.d = (i128)(bits % 999999) - 400000;
                break;
            case T_VARCHAR:
            case T_BYTES:
                v.s = text;
                break;
            default:
                v.i = (int64_t)bits;
            }
            batch_set_value(b, c, 0, &v, 1);
        }
        struct wbuf w;
        wbuf_init(&w);
        assert_true(encoder_value(e, b, cols, 0, &w));
        assert_true(general_accepts(wbuf_view(&w)));
        struct want wants[ARRAY_LEN(columns)];
        for (unsigned c = 0; c < sc.n; c++)
            wants[c] = (struct want){.from = WANT_VALUE, .index = c};
        struct batch *back = decode(&format, wants, sc.n, wbuf_view(&w), &a);
        if (!back)
            fail_msg("%.*s: %s", STR_ARG(wbuf_view(&w)), last_error);
        for (unsigned c = 0; c < sc.n; c++) {
            struct value x = batch_value(b, c, 0), y = batch_value(back, c, 0);
            if (x.null != y.null || value_cmp(&x, &y) != 0)
                fail_msg("column %s of %.*s", columns[c].name, STR_ARG(wbuf_view(&w)));
        }
        wbuf_fini(&w);
        arena_fini(&a);
    }
    encoder_free(e);
}

/* ---- one decoder, many records */

static void put_random_member(struct random *r, struct wbuf *out)
{
    static const char *const names[] = {"i", "l", "s", "S", "other", "l", "i", "a_name_longer_than_what_is_remembered"};
    static const char *const values[] = {"7", "-12", "1234567", "123456789", "null", "\"short\"", "0", "1.0", "01", "true",
                                         "\"a text that is longer than one step of a loop\"", "\"\\u0041\"", "[1,{}]",
                                         "\"\xc3\xa4\"", "12e0", "\"\\n\xc3\""};
    wbuf_printf(out, "%s\"%s\":%s%s", random_below(r, 4) ? "" : " ", names[random_below(r, ARRAY_LEN(names))],
                random_below(r, 4) ? "" : " ", values[random_below(r, random_below(r, 3) ? 4 : ARRAY_LEN(values))]);
}

/* Mostly the members in their order, so that decoders know them; sometimes others, or a piece of it. */
static void put_random_record(struct random *r, struct wbuf *out)
{
    size_t start = out->len;
    if (random_below(r, 3))
        wbuf_printf(out, "{\"i\": %u, \"l\":%u,\"other\":\"%u\",\"s\":\"%.*s\"}", (unsigned)random_below(r, 100000),
                    (unsigned)random_below(r, 1u << 30), (unsigned)random_below(r, 1000), (int)random_below(r, 40),
                    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrst");
    else
        for (unsigned n = (unsigned)random_below(r, 5), i = 0; i <= n; i++) {
            wbuf_u8(out, i ? ',' : '{');
            put_random_member(r, out);
            if (i == n)
                wbuf_u8(out, '}');
        }
    if (random_below(r, 4) == 0)
        out->len = start + random_below(r, out->len - start + 1);
    if (random_below(r, 8) == 0 && out->len > start)
        out->data[start + random_below(r, out->len - start)] = (uint8_t)random_below(r, 256);
}

static void put_row(const struct batch *b, uint32_t row, struct wbuf *out)
{
    for (unsigned i = 0; i < b->ncols; i++) {
        struct value v = batch_value(b, i, row);
        json_put_value(out, &v);
    }
    wbuf_u8(out, '\n');
}

/* A record's row, or its refusal, does not depend on the records around it. */
static void records_do_not_meet(void **state)
{
    (void)state;
    static const struct want wants[] = {{.from = WANT_VALUE, .index = 0}, {.from = WANT_VALUE, .index = 3},
                                        {.from = WANT_VALUE, .index = 1}, {.from = WANT_ROWOFFSET}};
    struct random r;
    random_seed(&r, test_seed());
    for (int64_t round = test_rounds(300); round > 0; round--) {
        struct wbuf bytes, together, alone, value;
        struct recbatch_builder rb;
        struct arena a;
        struct decoder *d;
        struct diag dg;
        int errors = 0;
        unsigned nwants = 1 + (unsigned)random_below(&r, ARRAY_LEN(wants) - 1), refused = 0;
        arena_init(&a);
        wbuf_init(&bytes), wbuf_init(&together), wbuf_init(&alone), wbuf_init(&value);
        recbatch_build(&rb, &bytes, CODEC_NONE, NULL);
        for (int i = 0; i < 40; i++) {
            wbuf_reset(&value);
            put_random_record(&r, &value);
            struct str s = value.len ? wbuf_view(&value) : STR("");
            recbatch_add(&rb, 5, STR_NULL, s, NULL, 0);
            struct batch *b = decode(&format, wants, nwants, s, &a);
            refused += !b;
            if (b)
                put_row(b, 0, &alone);
        }
        recbatch_finish(&rb, NULL);
        assert_int_equal(decoder_new(&d, &format, wants, nwants, false, &dg), 0);
        struct str left = wbuf_view(&bytes);
        for (int64_t next = 0; next < 40;) {
            size_t used;
            struct batch *b = decoder_run(d, left, next, 0, &a, &used, &next, keep_error, &errors);
            batch_check(b);
            for (uint32_t row = 0; row < b->n; row++)
                put_row(b, row, &together);
        }
        assert_int_equal(errors, refused);
        assert_int_equal(together.len, alone.len);
        assert_memory_equal(together.data ? together.data : (uint8_t *)"", alone.data ? alone.data : (uint8_t *)"", alone.len);
        decoder_free(d);
        wbuf_fini(&bytes), wbuf_fini(&together), wbuf_fini(&alone), wbuf_fini(&value);
        arena_fini(&a);
    }
}

/* ---- text that is kept */

/* A member as the encoder writes it, mostly; else one of its other spellings. */
static void put_member(struct random *r, const struct column *col, struct wbuf *out)
{
    static const char *const own[T_COUNT_][4] = {
        [T_INT] = {"7", "-2147483648", "1234567890", "0"},   [T_BIGINT] = {"12345", "-9223372036854775808", "1234567", "null"},
        [T_DOUBLE] = {"1.5", "null", "1e+16", "0.25"},       [T_VARCHAR] = {"\"plain\"", "\"gr\xc3\xbcn and longer than sixteen bytes\"", "\"\"", "null"},
        [T_BOOLEAN] = {"true", "false", "null", "true"},     [T_DECIMAL] = {"12.50", "-0.25", "null", "1.00"},
        [T_BYTES] = {"\"AP8=\"", "\"\"", "null", "\"AAAA\""}, [T_DATE] = {"4", "-3", "20000", "null"},
        [T_TIME] = {"1000", "0", "null", "86399999"},        [T_TIMESTAMP] = {"1700000000000", "-5", "null", "1"}};
    static const char *const other[] = {"-0", "07", "1.0", "1e2", "\"5\"", "5 ", " 5", "null ", "\"\\u0041\"", "\"a\\/b\"", "\"\\n\"", "-",
                                        "true", "{\"a\":1}", "[]", "\"\xc3\"", "\"\x7f\"", "-12", "9223372036854775808", "\"x", "\"a\"\"", "12x"};
    const char *value = random_below(r, 24) ? own[col->type.id][random_below(r, 4)] : other[random_below(r, ARRAY_LEN(other))];
    char name[8];
    snprintf(name, sizeof name, "%s", col->name);
    if (random_below(r, 80) == 0)
        name[0] = (char)(name[0] ^ 0x20);
    if (random_below(r, 80) == 0)
        wbuf_printf(out, "\"\\u%04x%s\":%s", (unsigned)name[0], name + 1, value);
    else
        wbuf_printf(out, "%s\"%s\"%s:%s%s", random_below(r, 80) ? "" : " ", name, random_below(r, 80) ? "" : " ",
                    random_below(r, 80) ? "" : "\t", value);
}

/* The columns in order, mostly; sometimes one is missing, comes twice or is strange, or a byte is another. */
static void put_columns(struct random *r, const struct row_format *f, struct wbuf *out)
{
    static const struct column strange = {"zz", {.id = T_VARCHAR}};
    size_t start = out->len;
    bool any = false;
    wbuf_str(out, random_below(r, 40) ? STR("{") : STR(" {"));
    for (unsigned i = 0; i < f->nvalue; i++)
        for (uint64_t k = random_below(r, 60) ? 1 : random_below(r, 3); k; k--) {
            if (any)
                wbuf_str(out, random_below(r, 80) ? STR(",") : STR(" ,"));
            put_member(r, random_below(r, 60) ? &f->value_cols[i] : &strange, out);
            any = true;
        }
    wbuf_str(out, random_below(r, 40) ? STR("}") : STR("}\n"));
    if (random_below(r, 20) == 0)
        out->data[start + random_below(r, out->len - start)] = (uint8_t)random_below(r, 256);
}

/* Of these records: how many texts were kept, each of which must be what the encoder writes. */
static unsigned check_texts(struct decoder *d, struct encoder *e, const struct row_format *f, struct str bytes, struct arena *a)
{
    static const unsigned cols[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    unsigned kept = 0;
    struct wbuf w;
    wbuf_init(&w);
    CHECK(f->nvalue <= ARRAY_LEN(cols));
    for (int64_t next = 0, end = next + 1; next < end;) {
        size_t used;
        int errors = 0;
        struct batch *b = decoder_run(d, bytes, next, 0, a, &used, &next, keep_error, &errors);
        end = used == bytes.len ? next : next + 1;
        batch_check(b);
        for (uint32_t row = 0; row < b->n; row++) {
            if (!b->text[row].len)
                continue;
            wbuf_reset(&w);
            assert_true(encoder_value(e, b, cols, row, &w));
            struct str text = batch_text(b, row), want = wbuf_view(&w);
            if (!str_eq(text, want))
                fail_msg("kept    %.*s\nencoded %.*s", STR_ARG(text), STR_ARG(want));
            kept++;
        }
    }
    wbuf_fini(&w);
    return kept;
}

/* The text of a record that may be written as it stands is, byte for byte, what the encoder makes of its row;
 * compressed or not. */
static void kept_texts_are_the_encoders(void **state)
{
    (void)state;
    struct column three[] = {columns[0], columns[1], columns[3]};
    struct random r;
    unsigned kept = 0, all = 0;
    random_seed(&r, test_seed());
    for (int64_t round = test_rounds(200); round > 0; round--) {
        struct row_format f = format;
        struct want wants[ARRAY_LEN(columns)];
        struct wbuf bytes, scratch;
        struct recbatch_builder rb;
        struct arena a;
        struct decoder *d;
        struct encoder *e;
        struct diag dg;
        if (round % 2) {
            f.nvalue = 3;
            f.value_cols = three;
        }
        for (unsigned i = 0; i < f.nvalue; i++)
            wants[i] = (struct want){.from = WANT_VALUE, .index = i};
        arena_init(&a);
        wbuf_init(&bytes), wbuf_init(&scratch);
        enum codec codec = round % 3 ? CODEC_NONE : CODEC_LZ4;
        struct compress *c = compress_new();
        recbatch_build(&rb, &bytes, codec, codec ? &scratch : NULL);
        for (int i = 0; i < 40; i++, all++) {
            struct wbuf value;
            wbuf_init(&value);
            put_columns(&r, &f, &value);
            recbatch_add(&rb, 5, STR_NULL, random_below(&r, 30) ? wbuf_view(&value) : STR_NULL, NULL, 0);
            wbuf_fini(&value);
        }
        recbatch_finish(&rb, c);
        assert_int_equal(decoder_new(&d, &f, wants, f.nvalue, false, &dg), 0);
        assert_int_equal(encoder_new(&e, &f, &dg), 0);
        decoder_keep_text(d);
        kept += check_texts(d, e, &f, wbuf_view(&bytes), &a);
        decoder_free(d);
        encoder_free(e);
        compress_free(c);
        wbuf_fini(&bytes), wbuf_fini(&scratch);
        arena_fini(&a);
    }
    assert_true(kept > all / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(corpus_is_judged),  cmocka_unit_test(nesting_is_bounded), cmocka_unit_test(types_take_their_forms),
        cmocka_unit_test(names_are_matched), cmocka_unit_test(readers_agree), cmocka_unit_test(records_do_not_meet),      cmocka_unit_test(rows_come_back),
        cmocka_unit_test(kept_texts_are_the_encoders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
