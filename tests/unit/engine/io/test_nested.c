/* JSON records with ARRAY, MAP and STRUCT: what is read, what is refused, and that what was written comes back. */
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

static void keep_error(void *arg, const struct decode_error *e)
{
    ++*(int *)arg;
    snprintf(last_error, sizeof last_error, "%s", e->text);
}

struct reader {
    struct column col;
    struct row_format f;
    struct decoder *d;
    struct arena a;
};

static void reader_open(struct reader *rd, struct type t)
{
    static const struct want want = {.from = WANT_VALUE, .index = 0};
    struct diag dg = {0};
    rd->col = (struct column){"v", t};
    rd->f = (struct row_format){.key = {.kind = FORMAT_NONE}, .value = {.kind = FORMAT_JSON, .wrapped = true},
                                .nvalue = 1, .value_cols = &rd->col, .ts_column = -1};
    arena_init(&rd->a);
    if (decoder_new(&rd->d, &rd->f, &want, 1, false, &dg))
        fail_msg("%s", dg.text);
}

static void reader_close(struct reader *rd)
{
    decoder_free(rd->d);
    arena_fini(&rd->a);
}

/* One record, exactly as large as it is; NULL: it was refused. */
static struct batch *decode(struct reader *rd, struct str record)
{
    struct wbuf bytes;
    struct recbatch_builder rb;
    size_t used;
    int64_t next;
    int errors = 0;
    wbuf_init(&bytes);
    recbatch_build(&rb, &bytes, CODEC_NONE, NULL);
    recbatch_add(&rb, 5, STR_NULL, record, NULL, 0);
    recbatch_finish(&rb, NULL);
    struct batch *b = decoder_run(rd->d, arena_dup(&rd->a, wbuf_view(&bytes)), 0, 0, &rd->a, &used, &next, keep_error, &errors);
    wbuf_fini(&bytes);
    batch_check(b);
    return errors ? NULL : b;
}

static void value_is(struct reader *rd, const char *json, const char *want)
{
    struct batch *b = decode(rd, str_of(json));
    struct wbuf w;
    wbuf_init(&w);
    if (b) {
        struct value v = batch_value(b, 0, 0);
        assert_true(v.null || nested_check(v.type, v.s));
        json_put_value(&w, &v);
    }
    if (!b != !want || (b && !str_eq(wbuf_view(&w), str_of(want))))
        fail_msg("%s\n  gives %.*s\n  want  %s\n  (%s)", json, STR_ARG(wbuf_view(&w)), want ? want : "refused", last_error);
    wbuf_fini(&w);
}

struct test_case {
    const char *json, *want; /* NULL: refused */
};

static void cases_are(const char *type, const struct test_case *cases, size_t n)
{
    struct reader rd;
    struct type t;
    assert_true(type_parse(str_of(type), &t));
    reader_open(&rd, t);
    for (size_t i = 0; i < n; i++)
        value_is(&rd, cases[i].json, cases[i].want);
    reader_close(&rd);
}

/* Parts are read by the rules of their own types; names, equal keys and unknown ones as at the top of a record. */
static void nested_values_are_read(void **state)
{
    (void)state;
    static const struct test_case arrays[] = {
        {"{}", "null"}, {"{\"v\":null}", "null"}, {"{\"v\":[]}", "[]"}, {"{\"v\": [ 1 , \"2\", null,3.0 ] }", "[1,2,null,3]"},
        {"{\"v\":[1],\"v\":[2]}", "[2]"}, {"{\"v\":{}}", NULL}, {"{\"v\":1}", NULL}, {"{\"v\":\"[1]\"}", NULL}, {"{\"v\":[1.5]}", NULL},
        {"{\"v\":[true]}", NULL}, {"{\"v\":[[1]]}", NULL}, {"{\"v\":[1,]}", NULL}, {"{\"v\":[1 2]}", NULL}, {"{\"v\":[1", NULL},
        {"{\"v\":[", NULL}, {"{\"v\":[1}", NULL}, {"{\"v\":[1]", NULL}};
    static const struct test_case maps[] = {
        {"{\"v\":{}}", "{}"}, {"{\"v\":{\"b\":\"x\",\"a\":\"y\"}}", "{\"a\":\"y\",\"b\":\"x\"}"},
        {"{\"v\":{\"a\":\"1\",\"A\":\"2\",\"a\":\"3\"}}", "{\"A\":\"2\",\"a\":\"3\"}"}, {"{\"v\":{\"\\u0061\":null,\"\":[1, 2]}}", "{\"\":\"[1, 2]\",\"a\":null}"},
        {"{\"v\":{\"a\\n\":\"esc\\naped, and long enough to be elsewhere\"}}", "{\"a\\n\":\"esc\\naped, and long enough to be elsewhere\"}"},
        {"{\"v\":[]}", NULL}, {"{\"v\":{\"a\":\"\xff\"}}", NULL}, {"{\"v\":{\"\xff\":\"a\"}}", NULL}, {"{\"v\":{1:2}}", NULL},
        {"{\"v\":{\"a\"}}", NULL}, {"{\"v\":{\"a\":}}", NULL}, {"{\"v\":{\"a\":1,}}", NULL}, {"{\"v\":{\"a\":1]}", NULL}};
    static const struct test_case structs[] = {
        {"{\"v\":{}}", "{\"A\":null,\"B\":null,\"C\":null}"},
        {"{\"v\":{\"A\":1,\"B\":[\"x\"],\"C\":{\"D\":\"2024-01-31\"}}}", "{\"A\":1,\"B\":[\"x\"],\"C\":{\"D\":\"2024-01-31\"}}"},
        {"{\"v\":{\"c\":{\"d\":0},\"other\":[{\"A\":7}],\"b\":[],\"a\":2}}", "{\"A\":2,\"B\":[],\"C\":{\"D\":\"1970-01-01\"}}"},
        {"{\"v\":{\"a\":1,\"A\":2,\"a\":3}}", "{\"A\":2,\"B\":null,\"C\":null}"}, {"{\"v\":{\"A\":1,\"A\":null}}", "{\"A\":null,\"B\":null,\"C\":null}"},
        {"{\"v\":{\"C\":{\"D\":1},\"C\":{}}}", "{\"A\":null,\"B\":null,\"C\":{\"D\":null}}"}, {"{\"v\":{\"C\":null}}", "{\"A\":null,\"B\":null,\"C\":null}"},
        {"{\"v\":{\"A\":2147483648}}", NULL}, {"{\"v\":{\"C\":[]}}", NULL}, {"{\"v\":{\"C\":3}}", NULL}, {"{\"v\":{\"x\":tru}}", NULL},
        {"{\"v\":[1]}", NULL}};
    cases_are("ARRAY<INT>", arrays, ARRAY_LEN(arrays));
    cases_are("MAP<VARCHAR, VARCHAR>", maps, ARRAY_LEN(maps));
    cases_are("STRUCT<A INT, B ARRAY<VARCHAR>, C STRUCT<D DATE>>", structs, ARRAY_LEN(structs));
}

/* The sentence names what was wrong inside. */
static void errors_name_the_part(void **state)
{
    (void)state;
    static const struct test_case cases[] = {{"{\"v\":{\"B\":[1,true]}}", NULL}};
    cases_are("STRUCT<A INT, B ARRAY<INT>>", cases, 1);
    assert_string_equal(last_error, "column B[] is INT, but the record has true or false");
}

/* Formats without room for nested values say so. */
static void flat_formats_refuse(void **state)
{
    (void)state;
    struct column col = {"tags", type_array(TYPE(T_INT))};
    struct diag d = {0};
    assert_int_not_equal(format_check(&(struct format){.kind = FORMAT_DELIMITED, .delimiter = ','}, &col, 1, false, &d), 0);
    assert_string_equal(d.text, "format DELIMITED has no room for nested values (column tags is ARRAY<INT>)");
    assert_int_not_equal(format_check(&(struct format){.kind = FORMAT_JSON}, &col, 1, true, &d), 0);
    assert_string_equal(d.text, "a key holds no nested values (column tags is ARRAY<INT>)");
    assert_int_not_equal(format_check(&(struct format){.kind = FORMAT_KAFKA}, &col, 1, false, &d), 0);
    assert_int_equal(format_check(&(struct format){.kind = FORMAT_JSON, .wrapped = true}, &col, 1, false, &d), 0);
}

/* ---- random values */

static struct type random_type(struct random *r, int depth)
{
    static const uint8_t scalars[] = {T_BOOLEAN, T_INT, T_BIGINT, T_DOUBLE, T_VARCHAR, T_BYTES, T_DATE, T_TIME, T_TIMESTAMP, T_INTERVAL};
    uint64_t kind = depth ? random_below(r, 5) : 4;
    if (kind == 0)
        return type_array(random_type(r, depth - 1));
    if (kind == 1)
        return type_map(random_type(r, depth - 1));
    if (kind == 2) {
        struct type_field f[3] = {{"a", random_type(r, depth - 1)}, {"B", random_type(r, depth - 1)}, {"\xc3\xa4 \"c", random_type(r, depth - 1)}};
        return type_struct(f, 1 + (unsigned)random_below(r, 3));
    }
    return random_chance(r, 0.2) ? TYPE_DECIMAL(20, 4) : TYPE(scalars[random_below(r, ARRAY_LEN(scalars))]);
}

static struct value random_value(struct random *r, struct type t, struct arena *a)
{
    static const char *const texts[] = {"", "plain", "quote \" and \\ and \n and \x01", "gr\xc3\xbcn", "a text that is quite long, with a tab\t at the end \t"};
    struct value v = {.type = t, .null = random_chance(r, 0.15)};
    uint64_t bits = random_next(r) >> random_below(r, 64);
    if (v.null)
        return v;
    switch (t.id) {
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
        v.d = (i128)(bits % 999999999) - 400000;
        break;
    case T_VARCHAR:
    case T_BYTES:
        v.s = str_of(texts[random_below(r, ARRAY_LEN(texts))]);
        break;
    case T_ARRAY:
    case T_MAP:
    case T_STRUCT: {
        struct wbuf w, part;
        struct map_entry entries[4];
        wbuf_init(&w);
        wbuf_init(&part);
        unsigned n = t.id == T_STRUCT ? t.of->n : (unsigned)random_below(r, 5);
        for (unsigned i = 0; i < n; i++) {
            struct value one = random_value(r, t.id == T_STRUCT ? t.of->fields[i].type : type_element(t), a);
            wbuf_reset(&part);
            key_encode_value(&one, &part);
            if (t.id == T_MAP)
                entries[i] = (struct map_entry){.key = str_of(texts[i]), .value = arena_dup(a, wbuf_view(&part))};
            else
                wbuf_str(&w, wbuf_view(&part));
        }
        if (t.id == T_MAP)
            nested_put_map(entries, n, &w);
        v.s = arena_dup(a, w.len ? wbuf_view(&w) : STR(""));
        wbuf_fini(&w);
        wbuf_fini(&part);
        break;
    }
    default:
        v.i = (int64_t)bits;
    }
    return v;
}

/* What the encoder writes of any type the decoder reads back, one record after the other. */
static void rows_come_back(void **state)
{
    (void)state;
    static const unsigned cols[] = {0};
    struct random r;
    random_seed(&r, test_seed());
    for (int64_t i = test_rounds(300); i; i--) {
        struct reader rd;
        struct encoder *e;
        struct diag dg = {0};
        reader_open(&rd, random_type(&r, 4));
        assert_int_equal(encoder_new(&e, &rd.f, &dg), 0);
        for (int k = 0; k < 10; k++) {
            struct schema sc = {1, &rd.col};
            struct batch *b = batch_new(&rd.a, &sc, 1);
            struct value v = random_value(&r, rd.col.type, &rd.a);
            struct wbuf w;
            wbuf_init(&w);
            b->n = b->nsel = 1;
            batch_set_value(b, 0, 0, &v, 1);
            assert_true(encoder_value(e, b, cols, 0, &w));
            struct batch *back = decode(&rd, wbuf_view(&w));
            if (!back)
                fail_msg("%.*s: %s", STR_ARG(wbuf_view(&w)), last_error);
            struct value have = batch_value(back, 0, 0);
            if (v.null != have.null || value_cmp(&v, &have) != 0)
                fail_msg("%s does not come back: %.*s", type_text(v.type, &rd.a), STR_ARG(wbuf_view(&w)));
            wbuf_fini(&w);
        }
        encoder_free(e);
        reader_close(&rd);
    }
}

/* ---- fields of a STRUCT that are read by themselves */

static void put_struct(struct random *r, int depth, struct wbuf *out)
{
    static const char *const names[] = {"i", "l", "s", "t", "d", "a", "I", "other", "d", "i"};
    static const char *const values[] = {"7", "123456", "\"2024-01-31 10:11:12.345\"", "\"plain\"", "null", "\"\\u0041 \\n\"", "[1,null]",
                                         "-5", "{}", "[", "\"a text that is longer than the sixteen bytes of a view\"", "tru"};
    if (random_below(r, 3)) { /* as records mostly are */
        wbuf_printf(out, "{\"i\":%u,\"l\":%u,\"s\":\"%.*s\",\"t\":\"2015-07-15 00:00:0%u\",\"d\":", (unsigned)random_below(r, 1000),
                    (unsigned)random_below(r, 1u << 30), (int)random_below(r, 30), "abcdefghijklmnopqrstuvwxyzabcdefghijkl",
                    (unsigned)random_below(r, 10));
        if (depth && random_below(r, 8))
            put_struct(r, depth - 1, out);
        else
            wbuf_str(out, STR("null"));
        wbuf_str(out, STR(",\"a\":[1]}"));
        return;
    }
    wbuf_u8(out, '{');
    for (unsigned i = 0, n = (unsigned)random_below(r, 6); i < n; i++) {
        const char *name = names[random_below(r, ARRAY_LEN(names))];
        wbuf_printf(out, "%s\"%s\":%s", i ? "," : "", name, random_below(r, 5) ? "" : " ");
        if (depth && *name == 'd' && random_below(r, 4))
            put_struct(r, depth - 1, out);
        else
            wbuf_str(out, str_of(*name == 'd' || *name == 'o' || random_below(r, 10) == 0
                                     ? values[random_below(r, ARRAY_LEN(values))]
                                     : *name == 's' ? "\"text\"" : *name == 'a' ? "[2,3]" : *name == 't' ? "99" : "5"));
    }
    wbuf_u8(out, '}');
}

static void put_struct_record(struct random *r, struct wbuf *out)
{
    static const char *const around[] = {"{\"k\":1,\"v\":", "{\"v\":", "{\"v\":null,\"v\":", "{\"V\":", "{\"v\":{\"i\":1,\"d\":{\"i\":2}},\"v\":"};
    wbuf_str(out, str_of(around[random_below(r, 4) ? 0 : random_below(r, ARRAY_LEN(around))]));
    if (random_below(r, 10))
        put_struct(r, 1, out);
    else
        wbuf_str(out, str_of(random_below(r, 4) ? "null" : "3"));
    wbuf_str(out, str_of(random_below(r, 40) ? "}" : ""));
}

/* Field path[0] of field path[1] ... of a value. */
static struct value part_of(struct value v, const unsigned *path, unsigned depth, struct arena *a)
{
    for (unsigned i = 0; i < depth; i++) {
        struct type t = v.type.of->fields[path[i]].type;
        struct nested n = nested_of(v.type, v.s);
        for (unsigned k = 0; !v.null && k <= path[i]; k++) {
            struct value part;
            assert_true(nested_next(&n, &part, a));
            if (k == path[i])
                v = part;
        }
        v.type = t;
    }
    return v;
}

/* A decoder that reads fields of a STRUCT by themselves takes the records that one takes which reads it whole, and gives the
 * same values, whatever came before. */
static void paths_are_parts(void **state)
{
    (void)state;
    static const unsigned paths[][2] = {{0}, {1}, {2}, {3}, {4, 0}, {4, 1}, {4, 2}, {4, 3}, {4, 4}, {5}, {0}, {4}};
    static const unsigned depths[] = {1, 1, 1, 1, 2, 2, 2, 2, 2, 1, 1, 1};
    enum { N = ARRAY_LEN(depths) };
    struct random r;
    struct type t;
    random_seed(&r, test_seed());
    assert_true(type_parse(STR("STRUCT<i INT, l BIGINT, s VARCHAR, t TIMESTAMP, d STRUCT<i INT, l BIGINT, s VARCHAR, t TIMESTAMP, "
                               "a ARRAY<INT>>, a ARRAY<INT>>"), &t));
    for (int64_t round = test_rounds(100); round; round--) {
        struct reader whole, parts;
        struct diag dg = {0};
        struct want wants[N];
        unsigned n = 0, refused = 0;
        bool all = random_below(&r, 2); /* else no more need be refused than what is wanted or malformed */
        for (unsigned i = 0; i < N; i++)
            if (all ? i < N - random_below(&r, 2) : random_below(&r, 3) == 0)
                wants[n++] = (struct want){WANT_VALUE, 0, depths[i], paths[i]};
        if (random_below(&r, 4) == 0)
            wants[n - (n == N)] = (struct want){.from = WANT_VALUE, .index = 0}, n += n < N;
        reader_open(&whole, t);
        reader_open(&parts, t);
        decoder_free(parts.d);
        assert_int_equal(decoder_new(&parts.d, &parts.f, wants, n, false, &dg), 0);
        for (int k = 0; k < 40; k++) {
            struct wbuf w;
            wbuf_init(&w);
            put_struct_record(&r, &w);
            struct batch *b = decode(&whole, wbuf_view(&w)), *have = decode(&parts, wbuf_view(&w));
            if (!b != !have && (all || b))
                fail_msg("%.*s: %s", STR_ARG(wbuf_view(&w)), last_error);
            refused += !have;
            for (unsigned i = 0; b && i < n; i++) {
                struct value x = part_of(batch_value(b, 0, 0), wants[i].path, wants[i].depth, &whole.a), y = batch_value(have, i, 0);
                if (!type_eq(x.type, y.type) || x.null != y.null || (!x.null && value_cmp(&x, &y) != 0))
                    fail_msg("%.*s: want %u", STR_ARG(wbuf_view(&w)), i);
            }
            wbuf_fini(&w);
        }
        assert_true(refused < 40);
        reader_close(&whole);
        reader_close(&parts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_values_are_read), cmocka_unit_test(errors_name_the_part),
        cmocka_unit_test(flat_formats_refuse),    cmocka_unit_test(rows_come_back),
        cmocka_unit_test(paths_are_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
