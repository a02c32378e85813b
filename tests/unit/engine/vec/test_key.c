/* Keys, hashes, rows and batches: the bytes that lie on disk. */
#include "engine/vec/vec.h"
#include "log/base/err.h"
#include "log/base/pack.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static const char *const type_names[] = {
    "BOOLEAN", "INT", "BIGINT", "DOUBLE", "DECIMAL(38,3)", "VARCHAR", "BYTES", "DATE", "TIME", "TIMESTAMP",
    "INTERVAL DAY TO SECOND", "INTERVAL YEAR TO MONTH", "ARRAY<INT>", "ARRAY<ARRAY<VARCHAR>>", "MAP<VARCHAR, DOUBLE>",
    "STRUCT<A INT, \"b c\" ARRAY<DATE>, D STRUCT<E BYTES>>", "MAP<VARCHAR, MAP<VARCHAR, BOOLEAN>>"};
#define NTYPES ARRAY_LEN(type_names)
static struct type types[NTYPES];

static int read_types(void **state)
{
    (void)state;
    for (unsigned i = 0; i < NTYPES; i++)
        assert_true(type_parse(str_of(type_names[i]), &types[i]));
    return 0;
}

static struct value random_value(struct random *r, struct type t, struct arena *a);

/* Few parts, so that many values are alike. */
static struct str random_parts(struct random *r, struct type t, struct arena *a)
{
    struct map_entry entries[3];
    struct wbuf w;
    wbuf_init(&w);
    unsigned n = t.id == T_STRUCT ? t.of->n : (unsigned)random_below(r, 4);
    for (unsigned i = 0; i < n; i++) {
        struct value v = random_value(r, t.id == T_STRUCT ? t.of->fields[i].type : type_element(t), a);
        struct wbuf part;
        wbuf_init(&part);
        key_encode_value(&v, &part);
        if (t.id == T_MAP)
            entries[i] = (struct map_entry){.key = {"ab\0" + random_below(r, 3), 1}, .value = arena_dup(a, wbuf_view(&part))};
        else
            wbuf_str(&w, wbuf_view(&part));
        wbuf_fini(&part);
    }
    if (t.id == T_MAP)
        nested_put_map(entries, n, &w);
    assert_true(nested_check(t, wbuf_view(&w)));
    struct str s = arena_dup(a, w.len ? wbuf_view(&w) : STR(""));
    wbuf_fini(&w);
    return s;
}

/* Values that are often alike, so that ties and prefixes come up. */
static struct value random_value(struct random *r, struct type t, struct arena *a)
{
    struct value v = {.type = t, .null = random_chance(r, 0.1)};
    uint64_t bits = random_next(r) >> random_below(r, 64);
    if (random_chance(r, 0.5))
        bits = -bits;
    if (v.null)
        return v;
    switch (t.id) {
    case T_BOOLEAN:
        v.b = bits & 1;
        break;
    case T_INT:
    case T_DATE:
    case T_TIME:
        v.i = (int32_t)bits;
        break;
    case T_DOUBLE: {
        static const double special[] = {0.0, -0.0, 1, -1, 1e300, -1e-300};
        memcpy(&v.f, &bits, 8);
        if (random_chance(r, 0.3))
            v.f = special[random_below(r, ARRAY_LEN(special))];
        if (random_chance(r, 0.1))
            v.f = random_chance(r, 0.5) ? (double)NAN : HUGE_VAL;
        break;
    }
    case T_DECIMAL:
        v.d = (i128)(int64_t)bits * (random_chance(r, 0.5) ? 1 : INT64_MAX);
        break;
    case T_VARCHAR:
    case T_BYTES: {
        size_t n = random_below(r, 20);
        char *text = arena_alloc(a, n + 1);
        for (size_t i = 0; i < n; i++)
            text[i] = "\0\1\xff" "ab"[random_below(r, 5)];
        v.s = (struct str){text, n};
        break;
    }
    case T_ARRAY:
    case T_MAP:
    case T_STRUCT:
        v.s = random_parts(r, t, a);
        break;
    default:
        v.i = (int64_t)bits;
    }
    return v;
}

static int sign(int x) { return (x > 0) - (x < 0); }

static int key_order(const struct value *v) { return v->null ? -1 : 0; } /* NULL first */

/* Encoded keys compare as their values do, NULL first, also when one column follows another, and decode to the same. */
static void keys_keep_the_order(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    for (int64_t i = test_rounds(30000); i; i--) {
        struct arena a;
        struct wbuf x, y;
        arena_init(&a);
        wbuf_init(&x);
        wbuf_init(&y);
        struct value vx[3], vy[3];
        unsigned n = 1 + (unsigned)random_below(&r, 3);
        int want = 0;
        for (unsigned c = 0; c < n; c++) {
            struct type t = types[random_below(&r, NTYPES)];
            vx[c] = random_value(&r, t, &a);
            vy[c] = random_chance(&r, 0.3) ? vx[c] : random_value(&r, t, &a);
            key_encode_value(&vx[c], &x);
            key_encode_value(&vy[c], &y);
            if (!want)
                want = vx[c].null || vy[c].null ? sign(key_order(&vx[c]) - key_order(&vy[c])) : sign(value_cmp(&vx[c], &vy[c]));
        }
        assert_int_equal(sign(str_cmp(wbuf_view(&x), wbuf_view(&y))), want);
        if (want == 0)
            assert_true(key_hash(wbuf_view(&x)) == key_hash(wbuf_view(&y)));
        struct str rest = wbuf_view(&x);
        for (unsigned c = 0; c < n; c++) {
            struct value back;
            assert_int_equal(key_decode(&rest, vx[c].type, &back, &a), 0);
            assert_int_equal(value_cmp(&back, &vx[c]), 0);
        }
        assert_int_equal(rest.len, 0);
        struct str cut = {(const char *)x.data, x.len - 1}; /* a shorter one is no key */
        struct value back;
        int err = 0;
        for (unsigned c = 0; c < n && !err; c++)
            err = key_decode(&cut, vx[c].type, &back, &a);
        assert_int_equal(err, E_CORRUPT);
        wbuf_fini(&x);
        wbuf_fini(&y);
        arena_fini(&a);
    }
}

static void key_is(struct value v, const char *hex, uint64_t hash)
{
    struct wbuf key, text;
    wbuf_init(&key);
    wbuf_init(&text);
    key_encode_value(&v, &key);
    hex_encode(wbuf_view(&key), &text);
    wbuf_u8(&text, 0);
    assert_string_equal((char *)text.data, hex);
    assert_int_equal(key_hash(wbuf_view(&key)), hash);
    wbuf_fini(&key);
    wbuf_fini(&text);
}

/* The bytes of keys and their hashes never change. */
static void key_bytes_are_fixed(void **state)
{
    (void)state;
    /* XXH64 with seed 0, as its specification's other implementations compute it */
    assert_int_equal(key_hash(STR("")), UINT64_C(0xef46db3751d8e999));
    assert_int_equal(key_hash(STR("a")), UINT64_C(0xd24ec4f1a98c6e5b));
    assert_int_equal(key_hash(STR("abc")), UINT64_C(0x44bc2cf5ad770999));
    assert_int_equal(key_hash(STR("Nobody inspects the spammish repetition")), UINT64_C(0xfbcea83c8a378bf1));
    key_is(value_null(TYPE(T_INT)), "01", UINT64_C(0x8a4127811b21e730));
    key_is((struct value){.type = TYPE(T_BOOLEAN), .b = true}, "0201", UINT64_C(0xfc2f33e9edde6f4a));
    key_is((struct value){.type = TYPE(T_INT), .i = 1}, "0280000001", UINT64_C(0xe5e7a595ac34694f));
    key_is((struct value){.type = TYPE(T_INT), .i = -1}, "027FFFFFFF", UINT64_C(0xb881b2a8ad98ba5c));
    key_is((struct value){.type = TYPE(T_BIGINT), .i = 1}, "028000000000000001", UINT64_C(0x3acf2e0e41df771b));
    key_is((struct value){.type = TYPE(T_DOUBLE), .f = 1.5}, "02BFF8000000000000", UINT64_C(0xddfea1975f681076));
    key_is((struct value){.type = TYPE(T_DOUBLE), .f = -0.0}, "028000000000000000", UINT64_C(0xed5f81fe300261fb));
    key_is((struct value){.type = {.id = T_DECIMAL, .precision = 10, .scale = 2}, .d = -150}, "027FFFFFFFFFFFFFFFFFFFFFFFFFFFFF6A", UINT64_C(0xa6d555e3b6177090));
    key_is((struct value){.type = TYPE(T_VARCHAR), .s = {"a\0b", 3}}, "026100FF620001", UINT64_C(0x90be2c09e6c574b0));
    key_is((struct value){.type = INTERVAL_MS, .i = 1}, "028000000000000001", UINT64_C(0x3acf2e0e41df771b));
    struct type ints = type_array(TYPE(T_INT));
    key_is((struct value){.type = ints, .s = STR("")}, "020001", UINT64_C(0x302871f25f545589));
    key_is((struct value){.type = ints, .s = {"\2\x80\0\0\1\1", 6}}, "02028000FF00FF01010001", UINT64_C(0x7fb928153a2db388));
    key_is((struct value){.type = type_map(TYPE(T_BOOLEAN)), .s = {"\2a\0\1\2\1", 6}}, "02026100FF0102010001", UINT64_C(0xcc45e5f1ecde6093));
    key_is((struct value){.type = type_array(ints), .s = {"\2\2\x80\0\xff\0\xff\1\0\1", 10}},
           "0202028000FFFF00FFFF0100FF010001", UINT64_C(0xc7edf5d852eeb412));
}

/* What an ARRAY, MAP or STRUCT consists of is found by walking its bytes; damaged ones end the walk and are no
 * value. */
static void nested_values_are_walked(void **state)
{
    (void)state;
    struct type t;
    struct value v;
    struct str raw;
    struct arena a;
    struct wbuf w;
    arena_init(&a);
    wbuf_init(&w);
    assert_true(type_parse(STR("STRUCT<A INT, B MAP<STRING, BIGINT>, C STRING>"), &t));
    struct map_entry entries[] = {{.key = STR("y"), .value = {"\1", 1}}, {.key = STR("x"), .value = {"\2\x80\0\0\0\0\0\0\5", 9}},
                                  {.key = STR("y"), .value = {"\2\x80\0\0\0\0\0\0\6", 9}}};
    struct wbuf map;
    wbuf_init(&map);
    nested_put_map(entries, 3, &map);
    struct value parts[] = {{.type = TYPE(T_INT), .i = 7}, {.type = t.of->fields[1].type, .s = wbuf_view(&map)},
                            {.type = TYPE(T_VARCHAR), .s = {"a\0b", 3}}};
    for (unsigned i = 0; i < 3; i++)
        key_encode_value(&parts[i], &w);
    assert_int_equal(nested_count(parts[1].type, wbuf_view(&map)), 2);
    struct nested n = nested_of(t, wbuf_view(&w));
    assert_true(nested_next(&n, &v, &a) && v.i == 7);
    assert_true(nested_raw(&n, &raw) && nested_next(&n, &v, &a) && v.s.len == 3 && !nested_next(&n, &v, &a));
    assert_true(key_decode(&raw, parts[1].type, &v, &a) == 0 && str_eq(v.s, wbuf_view(&map)));
    struct wbuf text;
    wbuf_init(&text);
    v = (struct value){.type = t, .s = wbuf_view(&w)};
    json_put_value(&text, &v);
    assert_true(str_eq(wbuf_view(&text), STR("{\"A\":7,\"B\":{\"x\":5,\"y\":6},\"C\":\"a\\u0000b\"}")));
    for (size_t cut = 0; cut < w.len; cut++) {
        assert_false(nested_check(t, (struct str){(const char *)w.data, cut}));
        n = nested_of(t, (struct str){(const char *)w.data, cut});
        while (nested_next(&n, &v, &a))
            ;
    }
    assert_false(nested_check(parts[1].type, (struct str){"\2b\0\1\1\2a\0\1\1", 10})); /* keys in the wrong order */
    assert_false(nested_check(parts[1].type, (struct str){"\2b\0\1\1\2b\0\1\1", 10})); /* the same twice */
    wbuf_fini(&text);
    wbuf_fini(&map);
    wbuf_fini(&w);
    arena_fini(&a);
}

static void interval_is(struct type t, const char *in, const char *want)
{
    int64_t v;
    char text[64];
    bool ok = interval_parse(str_of(in), t, &v);
    size_t n = ok ? interval_format(t, v, text) : 0;
    if (ok != (want != NULL) || (ok && !str_eq((struct str){text, n}, str_of(want))))
        fail_msg("%s: %.*s", in, (int)n, text);
}

/* Intervals are written as standard SQL does, and read so and as people say them. */
static void intervals_are_texts(void **state)
{
    (void)state;
    static const char *const days[][2] = {
        {"3 04:05:06.789", "3 04:05:06.789"}, {"-3 04:05:06", "-3 04:05:06"}, {"5", "5 00:00:00"}, {"0 23", "0 23:00:00"},
        {"25:00", "1 01:00:00"}, {"00:00:00.0004", "0 00:00:00"}, {"1 day 2 hours", "1 02:00:00"}, {"2 weeks -1 day", "13 00:00:00"},
        {"90 minutes", "0 01:30:00"}, {"1 24:00", NULL}, {"1 2:60", NULL}, {"", NULL}, {"1 month", NULL}, {"1-2", NULL},
        {"1 day 2", NULL}, {"99999999999999999 days", NULL}, {"x", NULL}, {"1.5", NULL}, {"1 :", NULL}};
    static const char *const months[][2] = {{"1-2", "1-2"}, {"-1-11", "-1-11"}, {"3", "3-0"}, {"14 months", "1-2"},
                                            {"1 year 2 months", "1-2"}, {"2 quarters", "0-6"}, {"1-12", NULL}, {"1 day", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(days); i++)
        interval_is(INTERVAL_MS, days[i][0], days[i][1]);
    for (size_t i = 0; i < ARRAY_LEN(months); i++)
        interval_is(INTERVAL_MONTHS, months[i][0], months[i][1]);
    char text[64];
    assert_true(interval_format(INTERVAL_MS, INT64_MIN, text) < sizeof text);
    assert_true(interval_format(INTERVAL_MONTHS, INT64_MIN, text) < sizeof text);
}

static void fill(struct random *r, struct batch *b, const struct schema *sc, uint32_t n, struct arena *a)
{
    for (uint32_t row = 0; row < n; row++) {
        for (unsigned c = 0; c < sc->n; c++) {
            struct value v = random_value(r, sc->cols[c].type, a);
            batch_set_value(b, c, row, &v, n);
        }
        b->ts[row] = row;
    }
    b->n = b->nsel = n;
}

static void same_row(const struct batch *x, uint32_t rx, const struct batch *y, uint32_t ry)
{
    for (unsigned c = 0; c < x->ncols; c++) {
        struct value vx = batch_value(x, c, rx), vy = batch_value(y, c, ry);
        assert_int_equal(value_cmp(&vx, &vy), 0);
    }
}

/* Rows come back from their bytes, copies of batches hold the same rows, and rows hash as their encoded keys do. */
static void batches_come_back(void **state)
{
    (void)state;
    struct random r;
    struct column cols[NTYPES];
    struct schema sc = {NTYPES, cols};
    unsigned all[NTYPES];
    for (unsigned i = 0; i < NTYPES; i++) {
        cols[i] = (struct column){"c", types[i]};
        all[i] = i;
    }
    random_seed(&r, test_seed());
    for (int64_t i = test_rounds(300); i; i--) {
        struct arena a;
        arena_init(&a);
        uint32_t n = 1 + (uint32_t)random_below(&r, ENGINE_BATCH_ROWS > 70 ? 70 : ENGINE_BATCH_ROWS);
        struct batch *b = batch_new(&a, &sc, n), *back = batch_new(&a, &sc, n);
        fill(&r, b, &sc, n, &a);
        batch_check(b);
        uint32_t sel[128], nsel = 0;
        for (uint32_t row = 0; row < n; row++)
            if (random_chance(&r, 0.5))
                sel[nsel++] = row;
        b->sel = sel;
        b->nsel = nsel;
        batch_check(b);
        uint64_t hashes[128];
        batch_hash(b, all, NTYPES, hashes);
        struct batch *copy = batch_copy(b, NULL, 0, NULL, 0, &a);
        batch_check(copy);
        assert_int_equal(copy->n, nsel);
        for (uint32_t k = 0; k < nsel; k++) {
            struct wbuf w;
            wbuf_init(&w);
            key_encode(b, all, NTYPES, sel[k], &w);
            assert_int_equal(key_hash(wbuf_view(&w)), hashes[k]);
            wbuf_reset(&w);
            row_encode(b, all, NTYPES, sel[k], &w);
            assert_int_equal(row_decode(wbuf_view(&w), &sc, back, 0, k, n), 0);
            assert_int_not_equal(row_decode((struct str){(char *)w.data, w.len - 1}, &sc, back, 0, n - 1, n), 0);
            assert_int_equal(row_decode(wbuf_view(&w), &sc, back, 0, k, n), 0);
            same_row(b, sel[k], back, k);
            same_row(b, sel[k], copy, k);
            assert_int_equal(copy->ts[k], sel[k]);
            wbuf_fini(&w);
        }
        arena_fini(&a);
    }
}

/* Bytes that are no row are refused, whatever they are. */
static void rubbish_is_no_row(void **state)
{
    (void)state;
    struct random r;
    struct column cols[] = {{"a", {.id = T_VARCHAR}}, {"b", {.id = T_DECIMAL, .precision = 38, .scale = 0}}, {"c", {.id = T_INT}}};
    struct schema sc = {3, cols};
    random_seed(&r, test_seed());
    for (int64_t i = test_rounds(20000); i; i--) {
        struct arena a;
        char bytes[24];
        arena_init(&a);
        struct batch *b = batch_new(&a, &sc, 1);
        size_t n = random_below(&r, sizeof bytes);
        for (size_t k = 0; k < n; k++)
            bytes[k] = (char)random_next(&r);
        if (n)
            bytes[0] = (char)0x93;
        int err = row_decode((struct str){bytes, n}, &sc, b, 0, 0, 1);
        assert_true(err == 0 || err == E_CORRUPT);
        arena_fini(&a);
    }
}

/* Names of types are read in any case, and what is printed reads back. */
static void types_have_names(void **state)
{
    (void)state;
    struct type t;
    char text[TYPE_TEXT];
    struct arena a;
    arena_init(&a);
    for (unsigned i = 0; i < NTYPES; i++) {
        assert_string_equal(type_text(types[i], &a), type_names[i]);
        assert_true(type_parse(str_of(type_names[i]), &t) && type_eq(t, types[i]));
        struct wbuf w;
        wbuf_init(&w);
        type_pack(types[i], &w);
        struct unpack u = unpack_of(wbuf_view(&w));
        assert_true(type_unpack(&u, &t) && type_eq(t, types[i]) && rbuf_left(&u.r) == 0);
        wbuf_fini(&w);
    }
    arena_fini(&a);
    assert_true(type_parse(STR("STRUCT<ABCDEFGHIJKLMNOPQRSTUVWXYZ INT, ABCDEFGHIJKLMNOPQRSTUVWXY\xc3\xbc INT>"), &t) == false);
    assert_true(type_parse(STR("STRUCT<ABCDEFGHIJKLMNOPQRSTUVWXYZ INT, `BCDEFGHIJKLMNOPQRSTUVW\xc3\xbc\xc3\xbc` INT>"), &t));
    type_format(t, text);
    assert_true(utf8_valid(str_of(text)) && str_eq((struct str){text + strlen(text) - 3, 3}, STR("...")));
    assert_true(type_parse(STR("map<string,array<struct<x decimal( 3,1 )>>>"), &t) && type_depth(t) == 3);
    assert_int_equal(type_field_find(types[15], STR("B C")), 1);
    assert_int_equal(type_field_find(types[15], STR("e")), -1);
    assert_true(type_parse(STR(" decimal( 10 , 2 ) "), &t) && t.precision == 10 && t.scale == 2);
    assert_true(type_parse(STR("Integer"), &t) && t.id == T_INT);
    assert_true(type_parse(STR("string"), &t) && t.id == T_VARCHAR);
    static const char *const wrong[] = {"", "NULL", "DECIMAL", "DECIMAL(0)", "DECIMAL(39,0)", "DECIMAL(3,4)", "DECIMAL(3", "INT(3)", "TEXTY",
                                        "ARRAY", "ARRAY<>", "ARRAY<INT", "ARRAY<INT>>", "MAP<INT>", "MAP<INT, INT>", "STRUCT<>", "STRUCT<A>",
                                        "STRUCT<A INT, A INT>", "STRUCT<`A INT>", "INTERVAL DAY", "INTERVAL MONTH TO YEAR", "LAMBDA<INT>",
                                        "ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<"
                                        "ARRAY<INT>>>>>>>>>>>>>>>>>"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(type_parse(str_of(wrong[i]), &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_keep_the_order), cmocka_unit_test(key_bytes_are_fixed), cmocka_unit_test(batches_come_back),
        cmocka_unit_test(rubbish_is_no_row),   cmocka_unit_test(types_have_names),
        cmocka_unit_test(nested_values_are_walked), cmocka_unit_test(intervals_are_texts),
    };
    return cmocka_run_group_tests(tests, read_types, NULL);
}
