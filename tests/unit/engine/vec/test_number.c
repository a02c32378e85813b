#include "engine/vec/vec.h"
#include "log/base/buf.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static double of_bits(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, 8);
    return v;
}

static double parse(const char *text)
{
    struct number n;
    size_t len = strlen(text);
    assert_ptr_equal(number_scan(text, text + len, &n), text + len);
    return number_double(&n);
}

/* What is printed reads back, and no text with one digit less does. */
static void shortest_reads_back(double v)
{
    char text[DOUBLE_TEXT + 1], other[64];
    size_t len = double_format(v, text);
    assert_true(len <= DOUBLE_TEXT);
    text[len] = 0;
    if (strtod(text, NULL) != v || parse(text) != v)
        fail_msg("%a printed as %s", v, text);
    int digits = 0;
    while (digits < 17 && (snprintf(other, sizeof other, "%.*e", digits, v), strtod(other, NULL) != v))
        digits++;
    size_t have = 0;
    bool leading = true;
    size_t zeros = 0;
    for (const char *p = text; *p && *p != 'e'; p++)
        if (*p >= '0' && *p <= '9') {
            leading &= *p == '0';
            zeros = *p == '0' ? zeros + 1 : 0;
            have += !leading;
        }
    if (have > zeros && have - zeros > (size_t)digits + 1)
        fail_msg("%s has more digits than %s", text, other);
}

/* Every double is printed with the fewest digits that read back, and reading equals the C library's. */
static void doubles_round_trip(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    for (int i = 0; i < 200000; i++) {
        double v = of_bits(random_next(&r) & ~(UINT64_C(1) << 63));
        if (isfinite(v) && v != 0)
            shortest_reads_back(v);
    }
    for (int i = 0; i < 100000; i++) {
        shortest_reads_back((double)(random_below(&r, 1000000) + 1) / 100.0);
        shortest_reads_back((double)(random_next(&r) >> random_below(&r, 60)) + 0.5);
    }
    for (int e = 1; e < 2047; e++) { /* powers of two and their neighbours */
        uint64_t bits = (uint64_t)e << 52;
        shortest_reads_back(of_bits(bits));
        shortest_reads_back(of_bits(bits - 1));
        shortest_reads_back(of_bits(bits + 1));
    }
}

/* Reading gives the nearest double, as strtod does, for short and long digits and all exponents. */
static void reading_is_correctly_rounded(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed() + 1);
    for (int i = 0; i < 300000; i++) {
        char text[80];
        int n = 0, digits = 1 + (int)random_below(&r, 25);
        text[n++] = (char)('1' + random_below(&r, 9));
        int point = (int)random_below(&r, 25);
        for (int k = 0; k < digits; k++) {
            if (k == point)
                text[n++] = '.';
            text[n++] = (char)('0' + random_below(&r, 10));
        }
        if (random_chance(&r, 0.7))
            n += snprintf(text + n, 10, "e%d", (int)random_below(&r, 700) - 350);
        text[n] = 0;
        double want = strtod(text, NULL), got = parse(text);
        if (want != got)
            fail_msg("%s: want %a, got %a", text, want, got);
    }
    static const char *const hard[] = {
        "9007199254740993", "9007199254740993.0000000000000000000000000001", "2.2250738585072011e-308",
        "2.2250738585072012e-308", "4.9e-324", "2.4703282292062327e-324", "2.4703282292062328e-324",
        "1.7976931348623157e308", "1.7976931348623159e308", "0.1", "0", "-0", "0e999", "1e-400", "1e400",
        "8.5e22", "7.2057594037927933e16", "123456789012345678901234567890", "1e23", "9.5e-323"};
    for (size_t i = 0; i < ARRAY_LEN(hard); i++) {
        double want = strtod(hard[i], NULL), got = parse(hard[i]);
        assert_memory_equal(&want, &got, 8);
    }
}

static void layout(double v, const char *want)
{
    char text[DOUBLE_TEXT + 1];
    text[double_format(v, text)] = 0;
    assert_string_equal(text, want);
}

/* Texts of doubles look as people expect and always as doubles. */
static void doubles_have_one_layout(void **state)
{
    (void)state;
    layout(0, "0.0");
    layout(-0.0, "-0.0");
    layout(1, "1.0");
    layout(-1.5, "-1.5");
    layout(0.1, "0.1");
    layout(100, "100.0");
    layout(1e15, "1000000000000000.0");
    layout(1e16, "1e+16");
    layout(1.5e300, "1.5e+300");
    layout(0.0001, "0.0001");
    layout(0.00001, "1e-05");
    layout(-2.2250738585072014e-308, "-2.2250738585072014e-308");
    layout(5e-324, "5e-324");
    layout((double)NAN, "NaN");
    layout(HUGE_VAL, "Infinity");
    layout(-HUGE_VAL, "-Infinity");
}

/* JSON's grammar of numbers is kept to the letter. */
static void scanning_knows_the_grammar(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "-", "+1", "01", "-01", ".5", "5.", "1e", "1e+", "a", "--1", "1.e5"};
    struct number n;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        const char *end = wrong[i] + strlen(wrong[i]);
        const char *got = number_scan(wrong[i], end, &n);
        assert_true(got == NULL || got != end);
    }
    int64_t v;
    static const struct {
        const char *text;
        bool ok;
        int64_t v;
    } ints[] = {{"0", true, 0},
                {"-0", true, 0},
                {"1.0", true, 1},
                {"1e3", true, 1000},
                {"1200e-2", true, 12},
                {"1.5", false, 0},
                {"9223372036854775807", true, INT64_MAX},
                {"-9223372036854775808", true, INT64_MIN},
                {"9223372036854775808", false, 0},
                {"-9223372036854775809", false, 0},
                {"99999999999999999999", false, 0},
                {"1e400", false, 0},
                {"1000000000000000000000e-20", true, 10}};
    for (size_t i = 0; i < ARRAY_LEN(ints); i++) {
        assert_non_null(number_scan(ints[i].text, ints[i].text + strlen(ints[i].text), &n));
        assert_int_equal(number_i64(&n, &v), ints[i].ok);
        if (ints[i].ok)
            assert_true(v == ints[i].v);
    }
}

static void decimal_case(const char *text, unsigned p, unsigned s, bool round, const char *want)
{
    struct type t = TYPE_DECIMAL(p, s);
    i128 v;
    bool ok = decimal_parse(str_of(text), t, round, &v);
    if (ok != (want != NULL))
        fail_msg("%s as DECIMAL(%u,%u): %d", text, p, s, ok);
    if (!ok)
        return;
    struct wbuf w;
    wbuf_init(&w);
    i128_format(v, s, &w);
    wbuf_u8(&w, 0);
    assert_string_equal((char *)w.data, want);
    wbuf_fini(&w);
}

/* Text becomes a DECIMAL exactly, or rounded half up where that is asked for, or is refused. */
static void decimals_are_read(void **state)
{
    (void)state;
    decimal_case("1.5", 4, 2, false, "1.50");
    decimal_case("-0.05", 4, 2, false, "-0.05");
    decimal_case(" +12 ", 4, 2, false, "12.00");
    decimal_case("1.005", 4, 2, false, NULL);
    decimal_case("1.005", 4, 2, true, "1.01");
    decimal_case("1.0049", 4, 2, true, "1.00");
    decimal_case("-1.005", 4, 2, true, "-1.01");
    decimal_case("1.500", 3, 1, false, "1.5");
    decimal_case("100", 4, 2, false, NULL);
    decimal_case("99.995", 4, 2, true, NULL);
    decimal_case("1e2", 5, 2, false, "100.00");
    decimal_case("1e-3", 5, 3, false, "0.001");
    decimal_case("0e900", 5, 3, false, "0.000");
    decimal_case("12345678901234567890123456789012345678", 38, 0, false, "12345678901234567890123456789012345678");
    decimal_case("123456789012345678901234567890123456789", 38, 0, false, NULL);
    decimal_case("0.12345678901234567890123456789012345678", 38, 38, false, "0.12345678901234567890123456789012345678");
    decimal_case("12345678901234567890.12345678901234567", 38, 17, false, "12345678901234567890.12345678901234567");
    decimal_case("12345678901234567890.125", 38, 2, true, "12345678901234567890.13");
    decimal_case("000000000000000000000000000000000000000000001.5", 3, 1, false, "1.5");
    decimal_case("abc", 4, 2, true, NULL);
    decimal_case("", 4, 2, true, NULL);
    decimal_case(".", 4, 2, true, NULL);
    decimal_case("1.2.3", 4, 2, true, NULL);
    assert_true(decimal_double((i128)-12345, 2) == -123.45);
    assert_true(decimal_double((i128)INT64_MAX * 1000, 5) == 92233720368547758.07);
    double v;
    assert_true(double_parse(STR(" .5 "), &v) && v == 0.5);
    assert_true(double_parse(STR("5."), &v) && v == 5);
    assert_true(double_parse(STR("+007"), &v) && v == 7);
    assert_true(double_parse(STR("-infinity"), &v) && v == -HUGE_VAL);
    assert_false(double_parse(STR("0x10"), &v));
    assert_false(double_parse(STR("1 2"), &v));
    assert_false(double_parse(STR(""), &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_round_trip),          cmocka_unit_test(reading_is_correctly_rounded),
        cmocka_unit_test(doubles_have_one_layout),     cmocka_unit_test(scanning_knows_the_grammar),
        cmocka_unit_test(decimals_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
