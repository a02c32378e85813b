/* Regular expressions match whole names, or are found in texts, and give up before they cost much. */
#include "log/base/clock.h"
#include "log/base/limits.h"
#include "log/base/pattern.h"
#include "tests/unit/unit.h"

static struct pattern *made(const char *text, enum pattern_use use)
{
    struct diag d = {.text = ""};
    struct pattern *p = pattern_new(str_of(text), use, &d);
    if (!p)
        fail_msg("%s: %s", text, d.text);
    return p;
}

static bool matches(const char *text, const char *name)
{
    struct pattern *p = made(text, PATTERN_NAMES);
    enum pattern_found found = pattern_match(p, str_of(name), 0);
    pattern_free(p);
    assert_in_range(found, PATTERN_NO, PATTERN_YES);
    return found == PATTERN_YES;
}

/* Names match as a whole or not at all. */
static void test_known(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *yes[5], *no[5];
    } rows[] = {
        {"", {""}, {"a"}},
        {"abc", {"abc"}, {"ab", "abcd", "xabc"}},
        {"a.c",
         {"abc", "a\xc3\xa9"
                 "c"},
         {"ac", "a\nc"}},
        {"(?s)a.c", {"a\nc"}, {"ac"}},
        {"a*", {"", "a", "aaaa"}, {"b", "aab"}},
        {"a+b?", {"a", "ab", "aaab"}, {"", "b", "abb"}},
        {"a{2,3}", {"aa", "aaa"}, {"a", "aaaa"}},
        {"a{2}", {"aa"}, {"a", "aaa"}},
        {"a{2,}", {"aa", "aaaaaa"}, {"a"}},
        {"(ab){0,2}c", {"c", "abc", "ababc"}, {"abababc", "ac"}},
        {"a{x}", {"a{x}"}, {"a"}},
        {"a??b*?", {"", "a", "abb"}, {"aa"}},
        {"foo|bar|", {"foo", "bar", ""}, {"fo", "foobar"}},
        {"(foo|ba(r|z))+", {"foo", "bazbar"}, {"ba", ""}},
        {"[a-cx]+", {"abcx"}, {"d", ""}},
        {"[^a-c]", {"d", "\xe2\x82\xac"}, {"a", ""}},
        {"[]a]", {"]", "a"}, {"b"}},
        {"[a-]", {"-", "a"}, {"b"}},
        {"[\\d_]+", {"12_3"}, {"a"}},
        {"[^\\D5]", {"4"}, {"5", "x"}},
        {"\\d+-\\w*\\s", {"42-x_Y "}, {"-", "4-"}},
        {"\\D\\W\\S", {"a-b"}, {"1-b", "aab", "a- "}},
        {"[[:alpha:]]+[[:^digit:]]", {"ab-"}, {"ab1"}},
        {"[[:punct:]]", {"!", "~"}, {"a"}},
        {"^ab$", {"ab"}, {"a"}},
        {"a^b", {NULL}, {"ab", "a^b"}},
        {"\\Aab\\z", {"ab"}, {"abc"}},
        {"a\\b-\\Bb", {NULL}, {"a-b"}},
        {"a\\b-\\bb", {"a-b"}, {"a--b"}},
        {"\\.\\*\\\\\\[", {".*\\["}, {"x"}},
        {"\\x41\\x{1F600}", {"A\xf0\x9f\x98\x80"}, {"A"}},
        {"\\Qa.b*\\E", {"a.b*"}, {"axb"}},
        {"\\Qab\\E*", {"a", "abbb"}, {"abab"}},
        {"(?i)AbC", {"abc", "ABC"}, {"abd"}},
        {"(?i:a)b", {"Ab"}, {"AB"}},
        {"(?i)a(?-i)b", {"Ab"}, {"AB"}},
        {"(?i)[^k]", {"x"}, {"k", "K"}},
        {"(?:ab)+", {"abab"}, {"aba"}},
        {"(?P<name>a)(?<other>b)", {"ab"}, {"a"}},
        {"(a*)*b", {"b", "aab"}, {"a"}},
        {"x\xc3\xa4+", {"x\xc3\xa4\xc3\xa4"}, {"x\xc3"}},
        {"payments-.*", {"payments-", "payments-eu-1"}, {"my-payments-1"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t k = 0; k < 5 && rows[i].yes[k]; k++)
            if (!matches(rows[i].pattern, rows[i].yes[k]))
                fail_msg("%s must match \"%s\"", rows[i].pattern, rows[i].yes[k]);
        for (size_t k = 0; k < 5 && rows[i].no[k]; k++)
            if (matches(rows[i].pattern, rows[i].no[k]))
                fail_msg("%s must not match \"%s\"", rows[i].pattern, rows[i].no[k]);
    }
}

/* What is no regular expression, or too long a one, is refused with a sentence. */
static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"(",
                                      ")",
                                      "a)",
                                      "[a",
                                      "[b-a]",
                                      "*",
                                      "a**",
                                      "a|+",
                                      "\\",
                                      "\\q",
                                      "\\C",
                                      "a{3,2}",
                                      "(?<!a+)",
                                      "(?",
                                      "(?i",
                                      "[[:nope:]]",
                                      "\\x{110000}",
                                      "\\1",
                                      "(a{5000}b){60000}",
                                      "((){1000}){1000}a",
                                      "(?P<a b>c)",
                                      "\xc3"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct diag d = {.text = ""};
        if (pattern_new(str_of(bad[i]), PATTERN_NAMES, &d))
            fail_msg("%s was taken", bad[i]);
        assert_true(d.text[0] != 0);
    }
    char big[PATTERN_BYTES + 2];
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = 0;
    assert_null(pattern_new(str_of(big), PATTERN_NAMES, NULL));
    big[PATTERN_BYTES] = 0;
    pattern_free(made(big, PATTERN_NAMES));
}

/* What would take for ever is given up at once, and the next name is matched as if nothing had been. */
static void test_hostile(void **state)
{
    (void)state;
    char text[2000];
    memset(text, 'a', sizeof text);
    memcpy(text + sizeof text - 2, "bc", 2);
    static const char *const hostile[] = {"(a*)*b",
                                          "(a|aa)+b",
                                          "(a?){400}a{400}b",
                                          "((a+)+)+b",
                                          "(?R)?a",
                                          "(*NO_JIT)(a|aa)+b",
                                          "(*NO_JIT)(*LIMIT_MATCH=4000000000)(a|aa)+b",
                                          "(*NO_JIT)((((((a?)?)?)?)?)*)*b"};
    int64_t before = clock_mono_us();
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        struct pattern *p = made(hostile[i], PATTERN_NAMES);
        if (pattern_match(p, (struct str){text, sizeof text}, 0) != PATTERN_COSTLY)
            fail_msg("%s was not too costly", hostile[i]);
        assert_int_equal(pattern_match(p, STR("x"), 0), PATTERN_NO);
        pattern_free(p);
    }
    assert_true(clock_mono_us() - before < 5000000);
}

static void assert_group(const struct pattern *p, unsigned group, size_t begin, size_t end)
{
    size_t b, e;
    assert_true(pattern_group(p, group, &b, &e));
    assert_int_equal(b, begin);
    assert_int_equal(e, end);
}

/* In a text a pattern is looked for from a byte on, and says where its groups lie; a text that is no UTF-8 is told from
 * one without it. */
static void test_rows(void **state)
{
    (void)state;
    size_t b, e;
    struct pattern *p = made("(\\d+)(x)?", PATTERN_ROWS);
    struct str text = STR("a12x-345");
    assert_int_equal(pattern_groups(p), 2);
    assert_false(pattern_group(p, 0, &b, &e));
    assert_int_equal(pattern_match(p, text, 0), PATTERN_YES);
    assert_group(p, 0, 1, 4);
    assert_group(p, 1, 1, 3);
    assert_group(p, 2, 3, 4);
    assert_int_equal(pattern_match(p, text, 4), PATTERN_YES);
    assert_group(p, 1, 5, 8);
    assert_false(pattern_group(p, 2, &b, &e) || pattern_group(p, 3, &b, &e));
    assert_int_equal(pattern_match(p, text, 8), PATTERN_NO);
    assert_false(pattern_group(p, 0, &b, &e));
    assert_int_equal(pattern_match(p, STR("12\xff"), 0), PATTERN_UNFIT);
    assert_int_equal(pattern_match(p, STR_NULL, 0), PATTERN_NO);
    pattern_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
