/* Regular expressions match whole names as RE2 has it, in time that no pattern can blow up. */
#include "log/base/clock.h"
#include "log/base/limits.h"
#include "log/base/pattern.h"
#include "tests/unit/unit.h"

static struct pattern *made(const char *text, struct arena *a)
{
    struct diag d = {.text = ""};
    struct pattern *p = pattern_new(str_of(text), a, &d);
    if (!p)
        fail_msg("%s: %s", text, d.text);
    return p;
}

static bool matches(const char *text, const char *name)
{
    struct arena a;
    arena_init(&a);
    bool yes = pattern_match(made(text, &a), str_of(name));
    arena_fini(&a);
    return yes;
}

/* What RE2 says to each pair. */
static void test_known(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *yes[5], *no[5];
    } rows[] = {
        {"", {""}, {"a"}},
        {"abc", {"abc"}, {"ab", "abcd", "xabc"}},
        {"a.c", {"abc", "a\xc3\xa9""c"}, {"ac", "a\nc"}},
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
        {"((){1000}){1000}a", {"a"}, {""}},
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

/* What is no regular expression is refused with a sentence. */
static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"(", ")", "a)", "[a", "[b-a]", "*", "a**", "a|+", "\\", "\\q", "\\pL", "a{3,2}", "a{1001}",
                                      "(?=a)", "(?<!a)", "(?", "(?i", "[[:nope:]]", "\\xZ", "\\x{110000}", "\\1", "(?i)\xc3\xa4",
                                      "(a{500}){500}", "(?P<a b>c)"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct arena a;
        struct diag d = {.text = ""};
        arena_init(&a);
        if (pattern_new(str_of(bad[i]), &a, &d))
            fail_msg("%s was taken", bad[i]);
        assert_true(d.text[0] != 0);
        arena_fini(&a);
    }
    char deep[2 * PATTERN_DEPTH + 10] = "", big[PATTERN_BYTES + 2];
    memset(deep, '(', PATTERN_DEPTH + 1);
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = 0;
    struct arena a;
    arena_init(&a);
    assert_null(pattern_new(str_of(deep), &a, NULL));
    assert_null(pattern_new(str_of(big), &a, NULL));
    arena_fini(&a);
}

/* What takes others exponential time ends at once. */
static void test_hostile(void **state)
{
    (void)state;
    struct arena a;
    char text[2000];
    memset(text, 'a', sizeof text);
    arena_init(&a);
    int64_t before = clock_mono_us();
    assert_false(pattern_match(made("(a*)*(a|aa)+(a?){400}b", &a), (struct str){text, sizeof text}));
    assert_true(clock_mono_us() - before < 5000000);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
