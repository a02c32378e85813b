/* The pure parts of weir bench: what it says about numbers must be right before the numbers can be. */
#include "log/base/disk.h"
#include "log/wire/recbatch.h"
#include "sql/bench/bare.h"
#include "sql/bench/bid.h"
#include "sql/bench/machine.h"
#include "sql/bench/report.h"
#include "tests/unit/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The median of five is the middle one, of four the mean of the middle two; order of arrival does not matter. */
static void test_median(void **state)
{
    (void)state;
    struct samples s = {0};
    assert_true(samples_median(&s) == 0);
    static const double v[] = {5, 1, 4, 2};
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        samples_add(&s, v[i]);
    assert_true(samples_median(&s) == 3);
    samples_add(&s, 100);
    assert_true(samples_median(&s) == 4);
    assert_true(samples_rank(&s, 0) == 1 && samples_rank(&s, 1) == 100);
    samples_fini(&s);
}

/* The 99th of a hundred is not the greatest; of fifty it is. */
static void test_rank(void **state)
{
    (void)state;
    struct samples s = {0};
    for (int i = 100; i > 0; i--)
        samples_add(&s, i);
    assert_true(samples_rank(&s, 0.99) == 99 && samples_rank(&s, 0.5) == 50);
    s.n = 0;
    for (int i = 1; i <= 50; i++)
        samples_add(&s, i);
    assert_true(samples_rank(&s, 0.99) == 50);
    samples_fini(&s);
}

/* Waiting for a disk is idle, stolen time is busy, and what we used ourselves is nobody else's. */
static void test_cpu(void **state)
{
    (void)state;
    struct cpu_ticks a, b;
    assert_false(cpu_ticks_parse(STR("intr 1 2 3"), &a));
    assert_true(cpu_ticks_parse(STR("cpu  10 0 10 100 5 0 0 0 0 0\ncpu0 1 2\n"), &a));
    assert_int_equal(a.busy, 20);
    assert_int_equal(a.total, 125);
    assert_true(cpu_ticks_parse(STR("cpu  60 0 60 180 15 0 0 10 0 0\n"), &b)); /* 200 more, 110 of them busy */
    double tick_us = 1e6 / (double)sysconf(_SC_CLK_TCK);
    assert_float_equal(cpu_others(a, b, 0), 0.55, 1e-9);
    assert_float_equal(cpu_others(a, b, (int64_t)(100 * tick_us)), 0.05, 1e-9);
    assert_true(cpu_others(a, b, (int64_t)(150 * tick_us)) == 0);
    assert_true(cpu_others(a, a, 0) == 0);
}

/* A figure keeps its target by its median, whichever way the target points. */
static void test_report(void **state)
{
    (void)state;
    struct report r = {.machine = "a \"box\""};
    struct wbuf out;
    report_target(report_add(&r, "filter", "M/s", 1.4), 1.5, false);
    report_target(report_add(&r, "filter", "M/s", 1.6), 1.5, false);
    report_target(report_add(&r, "filter", "M/s", 1.7), 1.5, false);
    report_target(report_add(&r, "start", "ms", 120), 100, true);
    report_add(&r, "start", "ms", 119)->busy++;
    assert_int_equal(r.n, 2);
    assert_true(figure_met(&r.figures[0]));
    assert_false(figure_met(&r.figures[1]));
    wbuf_init(&out);
    report_text(&r, &out);
    wbuf_u8(&out, 0);
    assert_non_null(strstr((char *)out.data, ">= 1.50 yes"));
    assert_non_null(strstr((char *)out.data, "<= 100 NO  (1 of 2 runs beside other load)"));
    wbuf_reset(&out);
    report_json(&r, &out);
    wbuf_u8(&out, 0);
    assert_non_null(strstr((char *)out.data, "\"machine\":\"a \\\"box\\\"\""));
    assert_non_null(strstr((char *)out.data, "\"median\":1.6,\"min\":1.4,\"max\":1.7,\"runs\":3,\"busy_runs\":0"));
    wbuf_fini(&out);
    report_fini(&r);
}

/* Bids are 200 bytes each, the same every time, and half of them pass. */
static void test_bid(void **state)
{
    (void)state;
    char a[BID_BYTES + 1] = "", b[BID_BYTES];
    unsigned passing = 0;
    for (uint64_t i = 0; i < 10000; i++) {
        struct bid bid = bid_of(i);
        bid_write(&bid, a);
        bid = bid_of(i);
        bid_write(&bid, b);
        assert_memory_equal(a, b, BID_BYTES);
        assert_memory_equal(a + BID_BYTES - 2, "\"}", 2);
        assert_int_equal(strlen(a), BID_BYTES);
        passing += bid.price < BID_PRICE_HALF;
    }
    assert_in_range(passing, 4800, 5200);
}

static void write_segment(const char *folder, uint64_t from, uint64_t n, uint64_t *passing)
{
    struct wbuf out;
    struct recbatch_builder rb;
    char value[BID_BYTES], path[640];
    wbuf_init(&out);
    for (uint64_t i = from; i < from + n;) {
        recbatch_build(&rb, &out, CODEC_NONE, NULL);
        for (unsigned k = 0; k < 300 && i < from + n; k++, i++) {
            struct bid bid = bid_of(i);
            bid_write(&bid, value);
            *passing += bid.price < BID_PRICE_HALF;
            recbatch_add(&rb, bid.ts_ms, STR_NULL, (struct str){value, BID_BYTES}, NULL, 0);
        }
        recbatch_finish(&rb, NULL);
    }
    wbuf_put(&out, value, 40); /* behind the end lies what does not count */
    memset(out.data + out.len - 40, 0, 40);
    assert_int_equal(disk_mkdir(disk_real(), folder), 0);
    snprintf(path, sizeof path, "%s/00000000000000000000.log", folder);
    assert_int_equal(disk_write_file(disk_real(), path, out.data, out.len), 0);
    wbuf_fini(&out);
}

/* The bare loop does the whole job: what it appends are good record batches that hold exactly the bids that pass. */
static void test_bare(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_bench_XXXXXX", path[600];
    uint64_t passing = 0;
    assert_non_null(mkdtemp(folder));
    for (unsigned p = 0; p < 2; p++) {
        snprintf(path, sizeof path, "%s/%u", folder, p);
        write_segment(path, p * 20000, 20000, &passing);
    }
    struct bare bare;
    snprintf(path, sizeof path, "%s/out", folder);
    assert_int_equal(bare_run(&bare, folder, 2, path), 0);
    assert_int_equal(bare.events, 40000);
    assert_int_equal(bare.passed, passing);

    char *text;
    size_t n, at = 0;
    uint64_t number = 0, seen = 0;
    assert_int_equal(disk_read_file(disk_real(), path, 64 << 20, &text, &n), 0);
    while (at < n) {
        struct recbatch rb;
        struct recbatch_iter it;
        struct record rec;
        assert_int_equal(recbatch_peek(&rb, (struct str){text + at, n - at}), 0);
        assert_int_equal(recbatch_check_crc(&rb, text + at), 0);
        assert_int_equal(recbatch_iter(&it, &rb, NULL, NULL, 0), 0);
        for (; recbatch_next(&it, &rec); number++, seen++) {
            char value[BID_BYTES];
            struct bid bid;
            while ((bid = bid_of(number)).price >= BID_PRICE_HALF)
                number++;
            bid_write(&bid, value);
            assert_int_equal(rec.offset, seen);
            assert_int_equal(rec.ts_ms, bid.ts_ms);
            assert_int_equal(rec.value.len, BID_BYTES);
            assert_memory_equal(rec.value.ptr, value, BID_BYTES);
        }
        assert_int_equal(recbatch_iter_err(&it), 0);
        at += rb.size;
    }
    assert_int_equal(seen, passing);
    xfree(text);
    assert_int_equal(disk_remove_tree(disk_real(), folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_median), cmocka_unit_test(test_rank), cmocka_unit_test(test_cpu),
        cmocka_unit_test(test_report), cmocka_unit_test(test_bid),  cmocka_unit_test(test_bare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
