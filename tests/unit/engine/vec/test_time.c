/* Dates, ISO 8601, time zones and patterns. What functions show of them is in engine/expr/cases.txt. */
#include "engine/vec/vec.h"
#include "log/base/err.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

/* Civil dates agree with the C library's, and go back and forth, before 1970 and far away too. */
static void civil_dates_agree(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    for (int64_t i = test_rounds(100000); i; i--) {
        int64_t ms = (int64_t)(random_next(&r) >> random_below(&r, 30)) - (INT64_C(1) << 50);
        ms %= INT64_C(1) << 52;
        struct civil c = civil_of_ms(ms);
        time_t s = ms / 1000 - (ms % 1000 < 0);
        struct tm tm;
        assert_non_null(gmtime_r(&s, &tm));
        assert_int_equal(c.year, tm.tm_year + 1900);
        assert_int_equal(c.month, tm.tm_mon + 1);
        assert_int_equal(c.day, tm.tm_mday);
        assert_int_equal(c.hour, tm.tm_hour);
        assert_int_equal(c.second, tm.tm_sec);
        assert_int_equal(c.weekday % 7, tm.tm_wday);
        assert_int_equal(c.yearday, tm.tm_yday + 1);
        assert_int_equal(civil_ms(&c), ms);
        char text[TIMESTAMP_TEXT];
        int64_t back;
        struct str shown = {text, timestamp_format(ms, text)};
        if (c.year >= 0 && c.year < 999999)
            assert_true(timestamp_parse(shown, &back) && back == ms);
    }
}

static void moment(const char *text, int64_t want)
{
    int64_t ms = -1;
    bool ok = timestamp_parse(str_of(text), &ms);
    if (ok != (want >= 0) || (ok && ms != want))
        fail_msg("%s: %d, %lld", text, ok, (long long)ms);
}

/* ISO 8601 in all forms that are taken, with missing parts zero and zones counted. */
static void iso_is_read(void **state)
{
    (void)state;
    const int64_t noon = 1577880000000;
    moment("2020-01-01T12:00:00.000", noon);
    moment("2020-01-01T12:00:00", noon);
    moment("2020-01-01T12:00", noon);
    moment("2020-01-01T12", noon);
    moment("2020-01-01 12:00:00", noon);
    moment("2020-01-01T12:00:00Z", noon);
    moment("2020-01-01T14:00:00+02:00", noon);
    moment("2020-01-01T14:00:00+0200", noon);
    moment("2020-01-01T06:30:00-05:30", noon);
    moment("2020-01-01T12:00:00.123456789Z", noon + 123);
    moment("2020-01-01T12:00:00,5", noon + 500);
    moment("2020-01-01", noon - 12 * 3600000);
    moment("2020-01", noon - 12 * 3600000);
    moment("2020", noon - 12 * 3600000);
    moment("2020-1-1", noon - 12 * 3600000);
    static const char *const wrong[] = {"", "x", "20", "2020-13-01", "2020-02-30", "2020-01-01T24:00", "2020-01-01T12:60",
                                        "2020-01-01T12:00:00x", "2020-01-01T12:00:00.", "2020-01-01T12:00+2", "2020-01-01TT12",
                                        "2020-01-01T12:00+99:00"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        moment(wrong[i], -1);
}

/* Zones follow their rules through both changes of a year, within the zone file and after it. */
static void zones_follow_their_rules(void **state)
{
    (void)state;
    static const char *const names[] = {"Europe/Paris", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "UTC"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct zone *z;
        assert_int_equal(zone_open(&z, str_of(names[i]), NULL), 0);
        setenv("TZ", names[i], 1);
        tzset();
        for (time_t s = -2000000000; s < 4000000000; s += 1234567) {
            struct tm tm;
            localtime_r(&s, &tm);
            assert_int_equal(zone_from_utc(z, s * 1000) / 1000, s + tm.tm_gmtoff);
            int64_t back = zone_to_utc(z, zone_from_utc(z, s * 1000));
            if (back != s * 1000) /* an hour that occurs twice gives its first */
                assert_int_equal(zone_from_utc(z, back), zone_from_utc(z, s * 1000));
        }
        zone_close(z);
    }
    unsetenv("TZ");
    tzset();
    struct zone *z;
    struct diag d;
    static const char *const wrong[] = {"", "../../../etc/passwd", "/etc/passwd", "Mars", "+25:00", "+1:99", "Europe", "UTC+x"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(zone_open(&z, str_of(wrong[i]), &d), E_SQL);
    /* 2021-03-28 02:30 does not exist in Paris, 2021-10-31 02:30 is there twice */
    assert_int_equal(zone_open(&z, STR("Europe/Paris"), NULL), 0);
    assert_int_equal(zone_to_utc(z, 1616898600000), 1616895000000);
    assert_int_equal(zone_to_utc(z, 1635647400000), 1635640200000);
    zone_close(z);
}

/* What a pattern prints it reads back; patterns that mean nothing are refused with a sentence. */
static void patterns_round_trip(void **state)
{
    (void)state;
    static const char *const patterns[] = {"yyyy-MM-dd'T'HH:mm:ss.SSS", "yyyyMMddHHmmssSSS", "d/M/yyyy h:m:s.SSS a",
                                           "EEEE, d MMMM uuuu HH:mm:ss.SSS xxx", "yyyy D A", "MMM dd yyyy KK:mm:ss.SSS a Z",
                                           "yyyy-MM-dd[' at 'HH:mm:ss.SSS]", "kk:mm:ss.SSS, yyyy.MM.dd"};
    struct random r;
    random_seed(&r, test_seed());
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        struct time_pattern *p;
        struct diag d;
        if (time_pattern_new(&p, str_of(patterns[i]), &d))
            fail_msg("%s: %s", patterns[i], d.text);
        for (int k = 0; k < 2000; k++) {
            int64_t ms = (int64_t)random_below(&r, INT64_C(253402300800000)), back = -1;
            struct wbuf w;
            wbuf_init(&w);
            time_pattern_format(p, ms, NULL, &w);
            if (!time_pattern_parse(p, wbuf_view(&w), NULL, &back) || back != ms)
                fail_msg("%s: %.*s is %lld, not %lld", patterns[i], STR_ARG(wbuf_view(&w)), (long long)back, (long long)ms);
            wbuf_fini(&w);
        }
        time_pattern_free(p);
    }
    static const char *const wrong[] = {"yyyy-QQ", "'open", "[[yyyy]", "yyyy]", "b"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct time_pattern *p;
        struct diag d;
        assert_int_equal(time_pattern_new(&p, str_of(wrong[i]), &d), E_SQL);
        assert_true(strlen(d.text) > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(civil_dates_agree),
        cmocka_unit_test(iso_is_read),
        cmocka_unit_test(zones_follow_their_rules),
        cmocka_unit_test(patterns_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
