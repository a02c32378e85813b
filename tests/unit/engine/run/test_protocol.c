/* The pure parts of engine/run: watermarks, epochs, commit records. */
#include "engine/run/commit.h"
#include "engine/run/epoch.h"
#include "engine/run/proctime.h"
#include "engine/run/watermark.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- watermarks */

/* The watermark is the least of the inputs that are awake, the greatest if none is, and never goes back; compared with
 * a plain recomputation. */
static void test_watermark_is_live_minimum(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    for (int round = 0; round < 300; round++) {
        struct watermark_input in[5];
        struct watermarks w;
        unsigned n = 1 + (unsigned)random_below(&r, 5);
        watermarks_init(&w, in, n);
        int64_t ms[5], high = WATERMARK_NONE;
        bool idle[5] = {0};
        for (unsigned i = 0; i < n; i++)
            ms[i] = WATERMARK_NONE;
        for (int step = 0; step < 60; step++) {
            unsigned i = (unsigned)random_below(&r, n);
            int64_t v = (int64_t)random_below(&r, 100);
            idle[i] = random_chance(&r, 0.3);
            ms[i] = MAX(ms[i], v);
            bool up = watermarks_set(&w, i, v, idle[i]);
            int64_t min = INT64_MAX, max = WATERMARK_NONE;
            for (unsigned k = 0; k < n; k++) {
                max = MAX(max, ms[k]);
                if (!idle[k])
                    min = MIN(min, ms[k]);
            }
            int64_t now = min == INT64_MAX ? max : min;
            bool want = now > high;
            if (want)
                high = now;
            assert_int_equal(up, want);
            assert_int_equal(w.ms, high);
        }
    }
}

/* Two inputs that fall asleep at one moment leave the same time behind, whoever is heard of first. */
static void test_both_fall_asleep(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        struct watermark_input in[2];
        struct watermarks w;
        watermarks_init(&w, in, 2);
        watermarks_set(&w, 0, 50, false);
        watermarks_set(&w, 1, 90, false);
        assert_int_equal(w.ms, 50);
        watermarks_set(&w, first, 0, true);
        watermarks_set(&w, !first, 0, true);
        assert_int_equal(w.ms, 90);
        assert_false(watermarks_set(&w, 0, 60, false)); /* it wakes up behind */
        assert_int_equal(w.ms, 90);
    }
}

/* ---- epochs */

static struct epoch_effects step(struct epochs *e, enum epoch_event_kind k, unsigned task, int64_t now)
{
    return epochs_step(e, &(struct epoch_event){.kind = k, .task = task, .epoch = e->number}, now);
}

/* All tasks pass the marker, then all is durable, the record too, then the transaction ends. */
static struct epoch_effects finish(struct epochs *e, int64_t now)
{
    for (unsigned i = 0; i < e->ntasks; i++)
        assert_int_equal(step(e, EV_CUT, i, now).record, i + 1 == e->ntasks);
    for (unsigned i = 0; i < e->ntasks; i++)
        assert_false(step(e, EV_DONE, i, now).commit);
    assert_true(step(e, EV_RECORD, 0, now).commit);
    return step(e, EV_ENDED, 0, now);
}

/* The first row after quiet opens an epoch at once; rows while it flies make the next one wait for the interval. */
static void test_epoch_spacing(void **state)
{
    (void)state;
    struct epochs e;
    uint8_t tasks[2];
    epochs_init(&e, 2, tasks, 5000, 1000000, 7);
    struct epoch_effects fx = step(&e, EV_ROWS, 0, 1000000);
    assert_true(fx.open && e.number == 8);
    assert_false(step(&e, EV_ROWS, 0, 1000100).open);
    fx = finish(&e, 1001000);
    assert_true(fx.committed && !fx.open);
    assert_int_equal(fx.timer_us, 1000000 + 1000 * EPOCH_SHARE);
    fx = step(&e, EV_HURRY, 0, 1004000);
    assert_int_equal(fx.timer_us, 1005000);
    fx = step(&e, EV_TICK, 0, 1005000);
    assert_true(fx.open && e.number == 9);
}

/* The record goes out while tasks still write; the transaction ends only when the record and all writes are durable. */
static void test_epoch_waits_for_all(void **state)
{
    (void)state;
    struct epochs e;
    uint8_t tasks[2];
    epochs_init(&e, 2, tasks, 5000, 100000, 0);
    assert_true(step(&e, EV_FORCE, 0, 1000).open);
    assert_false(step(&e, EV_CUT, 1, 1001).record);
    assert_false(step(&e, EV_DONE, 1, 1002).commit);
    assert_true(step(&e, EV_CUT, 0, 1003).record);
    assert_false(step(&e, EV_RECORD, 0, 1004).commit);
    struct epoch_effects fx = step(&e, EV_DONE, 0, 1005);
    assert_true(fx.commit && !fx.committed && e.committed == 0);
    assert_false(step(&e, EV_ROWS, 0, 900000).open);
    fx = step(&e, EV_ENDED, 0, 900001);
    assert_true(fx.committed && e.committed == 1);
}

/* A busy job's interval follows what its epochs cost, within its bounds. */
static void test_epoch_interval_follows_cost(void **state)
{
    (void)state;
    static const struct {
        int64_t cost_us, interval_us;
    } cases[] = {{100, 5000}, {1000, 1000 * EPOCH_SHARE}, {10000, 10000 * EPOCH_SHARE}, {2000000, 1000000}};
    for (unsigned c = 0; c < ARRAY_LEN(cases); c++) {
        struct epochs e;
        uint8_t tasks[1];
        int64_t now = 0;
        epochs_init(&e, 1, tasks, 5000, 1000000, 0);
        for (int i = 0; i < 20; i++) {
            struct epoch_effects fx = step(&e, i ? EV_TICK : EV_ROWS, 0, now);
            assert_true(fx.open);
            step(&e, EV_ROWS, 0, now);
            int64_t opened = now;
            now += cases[c].cost_us;
            fx = finish(&e, now);
            int64_t due = MAX(now, opened + cases[c].interval_us);
            assert_true(fx.open ? now == due : fx.timer_us == due);
            if (fx.open)
                finish(&e, now += cases[c].cost_us);
            now = MAX(now, due);
            if (fx.open)
                break; /* it costs more than its bound: one follows the other */
        }
        assert_int_equal(e.interval_us, cases[c].interval_us);
    }
}

/* An idle job opens nothing, whatever the timer says. */
static void test_epoch_idle(void **state)
{
    (void)state;
    struct epochs e;
    uint8_t tasks[1];
    epochs_init(&e, 1, tasks, 5000, 100000, 0);
    for (int i = 0; i < 5; i++) {
        struct epoch_effects fx = step(&e, EV_TICK, 0, i * 1000000);
        assert_true(!fx.open && fx.timer_us == -1);
    }
    assert_true(step(&e, EV_STOP, 0, 9000000).over);
}

/* A stop commits what was read before it, once, and then nothing opens any more. */
static void test_epoch_stop(void **state)
{
    (void)state;
    struct epochs e;
    uint8_t tasks[1];
    epochs_init(&e, 1, tasks, 5000, 100000, 0);
    assert_true(step(&e, EV_ROWS, 0, 1000).open);
    assert_false(step(&e, EV_ROWS, 0, 1001).open);
    assert_false(step(&e, EV_STOP, 0, 1002).over);
    struct epoch_effects fx = finish(&e, 1004);
    assert_true(fx.committed && fx.open && !fx.over);
    fx = finish(&e, 1006);
    assert_true(fx.committed && fx.over && !fx.open);
    assert_false(step(&e, EV_ROWS, 0, 2000000).open);
}

/* Under any order of events: never two epochs in flight, no record before every task has passed the marker, no commit
 * before all is durable, nothing after the end. */
static void test_epoch_random(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    for (int round = 0; round < 500; round++) {
        struct epochs e;
        uint8_t tasks[4], at[4] = {0};
        unsigned n = 1 + (unsigned)random_below(&r, 4), cut = 0, done = 0;
        epochs_init(&e, n, tasks, 5, 100, 0);
        enum { RESTS, FLIES, RECORDS, RECORDED, COMMITS } phase = RESTS;
        bool over = false;
        int64_t now = 0;
        for (int i = 0; i < 300 && !over; i++) {
            now += (int64_t)random_below(&r, 20);
            struct epoch_effects fx;
            unsigned pick = (unsigned)random_below(&r, 8), t = (unsigned)random_below(&r, n);
            if (phase != RESTS && phase != COMMITS && pick < 4) {
                bool last = phase == RECORDED && done + 1 == n;
                if (at[t] == 2)
                    continue;
                fx = step(&e, at[t] ? EV_DONE : EV_CUT, t, now);
                cut += at[t] == 0;
                done += at[t] == 1;
                at[t]++;
                assert_int_equal(fx.record, phase == FLIES && cut == n);
                assert_int_equal(fx.commit, last);
                phase = fx.record ? RECORDS : fx.commit ? COMMITS : phase;
            } else if (phase == RECORDS && pick == 4) {
                fx = step(&e, EV_RECORD, 0, now);
                assert_int_equal(fx.commit, done == n);
                phase = fx.commit ? COMMITS : RECORDED;
            } else if (phase == COMMITS && pick < 4) {
                fx = step(&e, EV_ENDED, 0, now);
                assert_true(fx.committed);
                phase = RESTS;
            } else {
                enum epoch_event_kind k = pick == 7 && i > 100 ? EV_STOP
                                          : pick == 6          ? EV_HURRY
                                          : pick == 5          ? EV_FORCE
                                          : pick == 4          ? EV_ROWS
                                                               : EV_TICK;
                fx = step(&e, k, 0, now);
                assert_false(fx.record || fx.commit || fx.committed);
            }
            if (fx.open) {
                assert_int_equal(phase, RESTS);
                phase = FLIES;
                cut = done = 0;
                memset(at, 0, sizeof at);
            }
            over = fx.over;
            assert_false(over && phase != RESTS);
        }
    }
}

/* ---- records */

/* A commit record comes back as it was; cut or changed bytes are refused or read, never worse. */
static void test_commit_round_trip(void **state)
{
    (void)state;
    struct commit_source s[] = {{3, 0, 17, WATERMARK_NONE, true, 4, 99}, {3, 1, 0, 1700000000000, false, 0, 0}};
    struct commit_task t[] = {{0x10002, 12, 9}, {0, WATERMARK_NONE, 0}};
    struct commit_output o[] = {{0, 44}};
    struct commit_record c = {9, 1234, 7, true, 2, 2, 1, s, t, o}, back;
    struct wbuf w;
    struct arena a;
    wbuf_init(&w);
    arena_init(&a);
    commit_pack(&c, &w);
    assert_int_equal(commit_unpack(&back, wbuf_view(&w), &a), 0);
    assert_int_equal(back.epoch, 9);
    assert_true(back.bootstrapped && back.sources[0].idle && back.sources[1].watermark_ms == 1700000000000);
    assert_true(back.version == 7 && back.sources[0].first == 4 && back.sources[0].goal == 99);
    assert_int_equal(back.tasks[0].task, 0x10002);
    assert_int_equal(back.tasks[0].watermark_ms, 12);
    assert_int_equal(back.tasks[0].changed, 9);
    assert_int_equal(back.outputs[0].end, 44);
    for (size_t n = 0; n < w.len; n++)
        assert_int_not_equal(commit_unpack(&back, (struct str){(char *)w.data, n}, &a), 0);
    struct random r;
    random_seed(&r, test_seed());
    for (int i = 0; i < 3000; i++) {
        size_t at = random_below(&r, w.len);
        uint8_t old = w.data[at];
        w.data[at] = (uint8_t)random_next(&r);
        (void)commit_unpack(&back, wbuf_view(&w), &a);
        w.data[at] = old;
    }
    wbuf_fini(&w);
    arena_fini(&a);
}

/* Only offsets, watermarks, outputs and new changes make a commit worth writing. */
static void test_commit_same(void **state)
{
    (void)state;
    struct commit_source s1 = {3, 0, 17, 5, false, 0, 0}, s2 = s1;
    struct commit_task t1 = {1, 12, 1}, t2 = t1;
    struct commit_output o1 = {0, 44}, o2 = o1;
    struct commit_record a = {1, 1, 0, true, 1, 1, 1, &s1, &t1, &o1}, b = {2, 2, 0, true, 1, 1, 1, &s2, &t2, &o2};
    assert_true(commit_same(&a, &b));
    s2.offset++;
    assert_false(commit_same(&a, &b));
    s2.offset--;
    t2.changed++;
    assert_false(commit_same(&a, &b));
    t2.changed--;
    o2.end++;
    assert_false(commit_same(&a, &b));
}

/* Records of versions whose changelogs were not transactional are told from damaged ones. */
static void test_commit_versions(void **state)
{
    (void)state;
    struct commit_record c;
    struct arena a;
    arena_init(&a);
    assert_int_equal(commit_unpack(&c, STR("\x97\x01\x09\x09\x09\x09\x09\x09\x09"), &a), E_UNSUPPORTED);
    assert_int_equal(commit_unpack(&c, STR("\x98\x02\x09\x09\x09\x09\x09\x09\x09"), &a), E_UNSUPPORTED);
    assert_int_equal(commit_unpack(&c, STR("\x98\x03\x09\x09\x09\x09\x09\x09\x09"), &a), E_CORRUPT);
    assert_int_equal(commit_unpack(&c, STR("\x98\x04\x09\x09\x09\x09\x09\x09\x09"), &a), E_NEWER_FORMAT);
    arena_fini(&a);
}

/* The clock of a job never goes back, whatever it is told, not over a restart either. */
static void test_proctime(void **state)
{
    (void)state;
    struct proctime p;
    proctime_init(&p);
    assert_int_equal(proctime_now(&p, 1000), 1000);
    assert_int_equal(proctime_now(&p, 400), 1000);
    assert_int_equal(proctime_now(&p, 1001), 1001);
    proctime_init(&p);
    proctime_restore(&p, 5000);
    assert_int_equal(proctime_now(&p, 4000), 5000);
    assert_int_equal(proctime_now(&p, 6000), 6000);
}

/* It is told at moments among which are the ends of all windows. */
static void test_proctime_ticks(void **state)
{
    (void)state;
    struct plan_node hop = {.kind = PLAN_WINDOW, .window = WINDOW_HOPPING, .window_size_ms = 10000, .advance_ms = 4000};
    struct plan_node day = {.kind = PLAN_WINDOW, .window_size_ms = 86400000, .advance_ms = 86400000, .zone = "Asia/Kolkata"};
    struct plan_node late = {.kind = PLAN_WINDOW, .window_size_ms = 60000, .advance_ms = 60000, .offset_ms = 7000};
    struct plan_node gap = {.kind = PLAN_WINDOW, .window = WINDOW_SESSION, .window_size_ms = 5000};
    struct plan_node fine = {.kind = PLAN_WINDOW, .window_size_ms = 30, .advance_ms = 30};
    struct plan_node both = {.kind = PLAN_UNION, .ninputs = 2, .inputs = {&hop, &late}};
    assert_int_equal(proctime_tick_ms(&hop), 2000);
    assert_int_equal(proctime_tick_ms(&day), 60000);
    assert_int_equal(proctime_tick_ms(&late), 1000);
    assert_int_equal(proctime_tick_ms(&gap), 500);
    assert_int_equal(proctime_tick_ms(&fine), 100);
    assert_int_equal(proctime_tick_ms(&both), 1000);
}

/* No state key can be mistaken for a commit. */
static void test_changelog_keys(void **state)
{
    (void)state;
    struct wbuf w;
    struct changelog_key k;
    wbuf_init(&w);
    changelog_key_state(0x30001, 0x20001, STR("abc"), &w);
    assert_int_equal(changelog_key_parse(&k, wbuf_view(&w)), 0);
    assert_true(!k.commit && k.task == 0x30001 && k.store == 0x20001 && str_eq(k.key, STR("abc")));
    wbuf_reset(&w);
    changelog_key_commit(&w);
    assert_int_equal(changelog_key_parse(&k, wbuf_view(&w)), 0);
    assert_true(k.commit);
    wbuf_be64(&w, 7); /* as version 1 had it */
    assert_int_equal(changelog_key_parse(&k, wbuf_view(&w)), E_CORRUPT);
    assert_int_equal(changelog_key_parse(&k, STR("abc")), E_CORRUPT);
    wbuf_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watermark_is_live_minimum),
        cmocka_unit_test(test_both_fall_asleep),
        cmocka_unit_test(test_epoch_spacing),
        cmocka_unit_test(test_epoch_waits_for_all),
        cmocka_unit_test(test_epoch_interval_follows_cost),
        cmocka_unit_test(test_epoch_idle),
        cmocka_unit_test(test_epoch_stop),
        cmocka_unit_test(test_epoch_random),
        cmocka_unit_test(test_commit_round_trip),
        cmocka_unit_test(test_commit_same),
        cmocka_unit_test(test_commit_versions),
        cmocka_unit_test(test_changelog_keys),
        cmocka_unit_test(test_proctime),
        cmocka_unit_test(test_proctime_ticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
