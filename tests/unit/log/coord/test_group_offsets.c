/* Offsets of a group as records come in, and those records byte for byte: what is pending, what a marker makes of it,
 * and that the order in the log decides. */
#include "log/base/random.h"
#include "log/coord/group_offsets.h"
#include "log/coord/group_state.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"
#include <stdio.h>

static struct group_offsets o;

static int setup(void **state)
{
    (void)state;
    group_offsets_init(&o);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    group_offsets_fini(&o);
    return 0;
}

static void put(int64_t pid, int64_t offset, int64_t at)
{
    struct offset_value v = {.offset = offset, .leader_epoch = -1, .metadata = STR("note"), .expire_ms = -1};
    group_offsets_put(&o, pid, STR("t"), 3, &v, at);
}

/* -1: none */
static int64_t committed(void)
{
    const struct group_offset *of = group_offsets_find(&o, STR("t"), 3);
    return of && of->committed ? of->value.offset : -1;
}

static unsigned pending(void)
{
    const struct group_offset *of = group_offsets_find(&o, STR("t"), 3);
    return of ? of->npending : 0;
}

static void offsets_of_a_transaction_wait_for_its_end(void **state)
{
    (void)state;
    put(7, 10, 0);
    assert_int_equal(committed(), -1);
    assert_int_equal(pending(), 1);
    group_offsets_end(&o, 8, true); /* somebody else's */
    assert_int_equal(committed(), -1);
    group_offsets_end(&o, 7, true);
    assert_int_equal(committed(), 10);
    assert_int_equal(pending(), 0);
    put(7, 20, 5);
    assert_int_equal(committed(), 10);
    group_offsets_end(&o, 7, false);
    assert_int_equal(committed(), 10);
    group_offsets_end(&o, 7, true); /* a marker that comes again */
    assert_int_equal(committed(), 10);
}

static void an_aborted_first_offset_leaves_nothing(void **state)
{
    (void)state;
    put(7, 10, 0);
    group_offsets_end(&o, 7, false);
    assert_true(group_offsets_empty(&o));
}

static void a_newer_plain_commit_wins_over_an_older_transaction(void **state)
{
    (void)state;
    put(7, 10, 0);
    put(-1, 50, 1);
    group_offsets_end(&o, 7, true); /* the marker is newer, its offset is not */
    assert_int_equal(committed(), 50);
    put(-1, 60, 8);
    put(7, 70, 9);
    group_offsets_end(&o, 7, true);
    assert_int_equal(committed(), 70);
}

static void a_tombstone_takes_the_pending_ones_too(void **state)
{
    (void)state;
    put(-1, 10, 0);
    put(7, 20, 1);
    group_offsets_remove(&o, STR("t"), 3);
    assert_true(group_offsets_empty(&o));
    group_offsets_end(&o, 7, true);
    assert_int_equal(committed(), -1);
}

/* ---- records */

static void same(const struct wbuf *w, const char *bytes, size_t n)
{
    assert_int_equal(w->len, n);
    assert_memory_equal(w->data, bytes, n);
}
#define SAME(w, literal) same(w, literal, sizeof(literal) - 1)

static void records_are_kafkas_byte_for_byte(void **state)
{
    (void)state;
    struct wbuf w;
    struct group_key k = {STR("g"), STR("top"), 5}, back;
    struct offset_value v = {258, 7, STR("m"), 0x0102030405060708, -1}, vback;
    wbuf_init(&w);
    group_key_write(&k, &w);
    SAME(&w, "\0\1\0\1g\0\3top\0\0\0\5");
    assert_int_equal(group_key_read(&back, wbuf_view(&w)), 0);
    assert_true(str_eq(back.group, k.group) && str_eq(back.topic, k.topic) && back.partition == 5);
    wbuf_reset(&w);
    k.topic = STR_NULL;
    group_key_write(&k, &w);
    SAME(&w, "\0\2\0\1g");
    assert_int_equal(group_key_read(&back, wbuf_view(&w)), 0);
    assert_null(back.topic.ptr);
    wbuf_reset(&w);
    offset_value_write(&v, &w);
    SAME(&w, "\0\3\0\0\0\0\0\0\1\2\0\0\0\7\0\1m\1\2\3\4\5\6\7\10");
    assert_int_equal(offset_value_read(&vback, wbuf_view(&w)), 0);
    assert_true(vback.offset == 258 && vback.leader_epoch == 7 && vback.commit_ms == v.commit_ms && vback.expire_ms == -1);
    wbuf_reset(&w);
    v.expire_ms = 9; /* a client that chose its own retention: the version that can say so */
    offset_value_write(&v, &w);
    SAME(&w, "\0\1\0\0\0\0\0\0\1\2\0\1m\1\2\3\4\5\6\7\10\0\0\0\0\0\0\0\11");
    assert_int_equal(group_key_read(&back, STR("\0\3\0\1g")), E_UNSUPPORTED); /* KIP-848's */
    assert_int_equal(group_key_read(&back, STR("\0\1\0\1g\0\3to")), E_SHORT);
    assert_int_equal(group_key_read(&back, STR("\0\2\0\1gg")), E_SYNTAX);
    assert_int_equal(offset_value_read(&vback, STR("\0\7")), E_UNSUPPORTED);
    wbuf_fini(&w);
}

static void on_store(void *arg, uint64_t ticket)
{
    (void)arg, (void)ticket;
}

static void a_group_survives_its_record(void **state)
{
    (void)state;
    static const struct group_out out = {.store = on_store};
    static const struct group_conf conf = {6000, 1800000, 0, 10};
    static const char bytes[] = "\0\3\0\10consumer\0\0\0\11\0\5range\0\1m\0\0\0\0\0\0\0\1"
                                "\0\0\0\1\0\1m\xff\xff\0\2id\0\5/host\0\0\352\140\0\0\x27\x10\0\0\0\3s\0b\0\0\0\2\0\1";
    struct group_state g, h;
    struct wbuf w;
    wbuf_init(&w);
    group_state_init(&g, STR("g"), &conf, &out, NULL);
    group_state_init(&h, STR("g"), &conf, &out, NULL);
    assert_int_equal(group_value_read(&g, (struct str){bytes, sizeof bytes - 1}), 0);
    group_state_load_done(&g);
    group_state_check(&g);
    assert_int_equal(g.generation, 9);
    assert_int_equal(g.nmembers, 1);
    assert_int_equal(g.leader->rebalance_timeout_ms, 60000);
    assert_int_equal(g.leader->session_timeout_ms, 10000);
    assert_true(str_eq(group_state_metadata(&g, g.leader), STR("s\0b")));
    group_value_write(&g, &w);
    same(&w, bytes, sizeof bytes - 1);
    for (size_t n = 0; n < sizeof bytes - 1; n++) /* cut anywhere */
        assert_true(group_value_read(&h, (struct str){bytes, n}) < 0);
    group_state_fini(&g);
    group_state_fini(&h);
    wbuf_fini(&w);
}

/* ---- against a model */

enum { PIDS = 3 };

/* Plain and transactional commits, markers and tombstones in any order, against a model that keeps the log and reads it
 * anew each time. */
static void any_history_is_what_its_log_says(void **state)
{
    (void)state;
    struct random rnd;
    random_seed(&rnd, test_seed());
    struct entry {
        int kind; /* 0 plain, 1 pending, 2 tombstone */
        int64_t pid, offset;
    } entries[300];
    for (int64_t round = test_rounds(300); round > 0; round--) {
        int n = 0, fate[300]; /* of pending ones: 0 open, 1 committed, 2 aborted */
        teardown(NULL);
        setup(NULL);
        for (int step = 0; step < 60; step++) {
            int64_t pid = (int64_t)random_below(&rnd, PIDS), at = n;
            uint64_t what = random_below(&rnd, 10);
            if (what < 6) {
                entries[n] = (struct entry){what < 3, what < 3 ? pid : -1, 1000 + n};
                fate[n++] = 0;
                put(what < 3 ? pid : -1, 1000 + at, at);
            } else if (what < 7) {
                entries[n] = (struct entry){2, -1, 0};
                fate[n++] = 0;
                group_offsets_remove(&o, STR("t"), 3);
            } else {
                bool commit = random_chance(&rnd, 0.6);
                for (int i = 0; i < n; i++)
                    if (entries[i].kind == 1 && entries[i].pid == pid && !fate[i])
                        fate[i] = commit ? 1 : 2;
                group_offsets_end(&o, pid, commit);
            }
            int64_t want = -1;
            unsigned open = 0;
            for (int i = 0; i < n; i++) {
                want = entries[i].kind == 2 ? -1 : entries[i].kind == 0 || fate[i] == 1 ? entries[i].offset : want;
                open = entries[i].kind == 2 ? 0 : open + (entries[i].kind == 1 && !fate[i]);
            }
            assert_int_equal(committed(), want);
            assert_int_equal(pending(), open);
        }
    }
}

#define RULE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        RULE(offsets_of_a_transaction_wait_for_its_end),
        RULE(an_aborted_first_offset_leaves_nothing),
        RULE(a_newer_plain_commit_wins_over_an_older_transaction),
        RULE(a_tombstone_takes_the_pending_ones_too),
        RULE(records_are_kafkas_byte_for_byte),
        RULE(a_group_survives_its_record),
        RULE(any_history_is_what_its_log_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
