#include "log/base/random.h"
#include "log/coord/txn_state.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"
#include <stdio.h>

enum { MINUTE = 60000 };

static struct coord_part part_of(const char *topic, int32_t index)
{
    return (struct coord_part){.topic = str_of(topic), .index = index};
}

static void init(struct txn_state *t, int64_t pid)
{
    txn_state_init(t, pid, MINUTE, 0);
    struct txn_effects fx = txn_state_take(t, &(struct txn_taker){.timeout_ms = MINUTE}, -1, 0);
    assert_true(fx.log);
    fx = txn_state_logged(t, true, 0);
    assert_int_equal(fx.error, 0);
    assert_int_equal(t->now.epoch, 0);
}

static struct txn_effects add(struct txn_state *t, int16_t epoch, bool v2, const char *topic, int64_t now_ms)
{
    struct coord_part p = part_of(topic, 0);
    const struct coord_part *one = &p;
    return txn_state_add(t, t->now.producer_id, epoch, v2, &one, 1, now_ms);
}

static void open_txn(struct txn_state *t, bool v2, int64_t now_ms)
{
    assert_true(add(t, t->now.epoch, v2, "t", now_ms).log);
    assert_int_equal(txn_state_logged(t, true, 0).error, 0);
    assert_int_equal(t->now.status, TXN_ONGOING);
}

static struct txn_effects end_as(struct txn_state *t, int64_t pid, int16_t epoch, bool commit, bool v2, int64_t fresh)
{
    return txn_state_end(t, &(struct txn_ending){pid, epoch, commit, v2}, fresh, 5);
}

/* Ends the open transaction and gives the answer. */
static struct txn_effects end_whole(struct txn_state *t, bool commit, bool v2)
{
    struct txn_effects fx = end_as(t, t->now.producer_id, t->now.epoch, commit, v2, 777);
    assert_true(fx.log);
    struct txn_effects told = txn_state_logged(t, true, 0);
    assert_true(told.mark);
    assert_int_equal(told.error, 0);
    assert_true(txn_state_marked(t, 6).log_behind);
    return told;
}

/* A first-protocol end may be asked again, but not for the other outcome, and leaves the epoch as it is. */
static void test_v1_end(void **state)
{
    (void)state;
    struct txn_state t;
    init(&t, 9);
    assert_int_equal(end_as(&t, 9, 0, true, false, -1).error, K_INVALID_TXN_STATE);
    open_txn(&t, false, 1);
    struct txn_effects told = end_whole(&t, true, false);
    assert_int_equal(told.epoch, 0);
    assert_int_equal(t.now.status, TXN_COMPLETE_COMMIT);
    assert_int_equal(end_as(&t, 9, 0, true, false, -1).error, 0);
    assert_int_equal(end_as(&t, 9, 0, false, false, -1).error, K_INVALID_TXN_STATE);
    assert_int_equal(end_as(&t, 8, 0, true, false, -1).error, K_INVALID_PRODUCER_ID_MAPPING);
    assert_int_equal(end_as(&t, 9, 1, true, false, -1).error, K_PRODUCER_FENCED);
    txn_state_fini(&t);
}

/* A v2 end bumps the epoch; asked again with the old one it answers the same; a later transaction is out of its
 * reach. */
static void test_v2_end(void **state)
{
    (void)state;
    struct txn_state t;
    init(&t, 9);
    open_txn(&t, true, 1);
    assert_int_equal(end_whole(&t, true, true).epoch, 1);
    struct txn_effects again = end_as(&t, 9, 0, true, true, -1);
    assert_true(again.answer && again.error == 0 && again.epoch == 1);
    assert_int_equal(end_as(&t, 9, 0, false, true, -1).error, K_INVALID_TXN_STATE);
    assert_int_equal(end_as(&t, 9, 1, true, true, -1).error, K_INVALID_TXN_STATE); /* nothing was added since */
    open_txn(&t, true, 2);
    assert_int_equal(end_as(&t, 9, 0, false, true, -1).error, K_PRODUCER_FENCED); /* the delayed one (KAFKA-17754) */
    assert_int_equal(add(&t, 0, true, "u", 3).error, K_PRODUCER_FENCED);
    assert_int_equal(end_whole(&t, false, true).epoch, 2);
    /* giving up what has not begun */
    struct txn_effects fx = end_as(&t, 9, 2, false, true, -1);
    assert_true(fx.log);
    assert_true(txn_state_logged(&t, true, 0).mark);
    assert_int_equal(t.now.nparts, 0);
    txn_state_marked(&t, 6);
    assert_int_equal(t.now.epoch, 3);
    txn_state_fini(&t);
}

/* At the last epoch a v2 end takes a fresh producer id for the next transaction, and its retry is told the same. */
static void test_v2_rotation(void **state)
{
    (void)state;
    struct txn_state t;
    init(&t, 9);
    t.now.epoch = TXN_EPOCH_LAST;
    open_txn(&t, true, 1);
    assert_true(end_as(&t, 9, TXN_EPOCH_LAST, true, true, -1).need_pid);
    struct txn_effects told = end_whole(&t, true, true);
    assert_int_equal(told.producer_id, 777);
    assert_int_equal(told.epoch, 0);
    assert_int_equal(t.now.producer_id, 777);
    assert_int_equal(t.now.prev_producer_id, 9);
    struct txn_effects again = end_as(&t, 9, TXN_EPOCH_LAST, true, true, -1);
    assert_true(again.answer && again.error == 0 && again.producer_id == 777 && again.epoch == 0);
    assert_int_equal(end_as(&t, 9, TXN_EPOCH_LAST - 1, true, true, -1).error, K_INVALID_PRODUCER_ID_MAPPING);
    txn_state_fini(&t);
}

/* A new producer first ends what was open, with an epoch that nobody gets, and then takes the one above. */
static void test_fence(void **state)
{
    (void)state;
    struct txn_state t;
    struct txn_taker in = {.timeout_ms = 7};
    init(&t, 9);
    open_txn(&t, false, 1);
    assert_true(txn_state_take(&t, &in, -1, 2).log);
    assert_int_equal(end_as(&t, 9, 0, true, false, -1).error, K_CONCURRENT_TRANSACTIONS);
    struct txn_effects fx = txn_state_logged(&t, true, 0);
    assert_int_equal(fx.error, K_CONCURRENT_TRANSACTIONS);
    assert_true(fx.mark);
    assert_int_equal(t.now.epoch, 1);
    assert_int_equal(txn_state_take(&t, &in, -1, 3).error, K_CONCURRENT_TRANSACTIONS);
    txn_state_marked(&t, 3);
    assert_true(txn_state_take(&t, &in, -1, 4).log);
    assert_int_equal(txn_state_logged(&t, true, 0).epoch, 2);
    assert_int_equal(t.now.timeout_ms, 7);
    assert_int_equal(add(&t, 0, false, "t", 5).error, K_PRODUCER_FENCED);
    assert_int_equal(add(&t, 1, false, "t", 5).error, K_PRODUCER_FENCED);
    txn_state_fini(&t);
}

/* A fence that cannot be written has not happened, however often it is tried (KAFKA-9666). */
static void test_failed_fence(void **state)
{
    (void)state;
    struct txn_state t;
    init(&t, 9);
    open_txn(&t, false, 1);
    for (int i = 0; i < 5; i++) {
        assert_true(txn_state_take(&t, &(struct txn_taker){.timeout_ms = 7}, -1, 2).log);
        assert_int_equal(txn_state_logged(&t, false, K_NOT_COORDINATOR).error, K_NOT_COORDINATOR);
        assert_int_equal(t.now.epoch, 0);
        assert_int_equal(t.now.status, TXN_ONGOING);
    }
    assert_true(add(&t, 0, false, "u", 3).log); /* the producer goes on */
    txn_state_fini(&t);
}

/* Who says which epoch it has goes on from there; its retry gets the same; anybody else's word is refused. */
static void test_expected_epoch(void **state)
{
    (void)state;
    struct txn_state t;
    struct txn_taker in = {.timeout_ms = 7, .expect = true, .producer_id = 9, .epoch = 0};
    init(&t, 9);
    assert_true(txn_state_take(&t, &in, -1, 2).log);
    assert_int_equal(txn_state_logged(&t, true, 0).epoch, 1);
    assert_true(txn_state_take(&t, &in, -1, 2).log); /* the answer was lost */
    assert_int_equal(txn_state_logged(&t, true, 0).epoch, 1);
    in.producer_id = 8;
    assert_int_equal(txn_state_take(&t, &in, -1, 2).error, K_PRODUCER_FENCED);
    in = (struct txn_taker){.timeout_ms = 7};
    assert_true(txn_state_take(&t, &in, -1, 2).log);
    assert_int_equal(txn_state_logged(&t, true, 0).epoch, 2);
    in = (struct txn_taker){.timeout_ms = 7, .expect = true, .producer_id = 9, .epoch = 1};
    assert_int_equal(txn_state_take(&t, &in, -1, 2).error, K_PRODUCER_FENCED);
    /* the last epoch gives way to a fresh id, which a retry finds again */
    t.now.epoch = TXN_EPOCH_LAST;
    in.epoch = TXN_EPOCH_LAST;
    assert_true(txn_state_take(&t, &in, -1, 2).need_pid);
    assert_true(txn_state_take(&t, &in, 55, 2).log);
    struct txn_effects fx = txn_state_logged(&t, true, 0);
    assert_int_equal(fx.producer_id, 55);
    assert_int_equal(fx.epoch, 0);
    assert_true(txn_state_take(&t, &in, -1, 2).log);
    fx = txn_state_logged(&t, true, 0);
    assert_int_equal(fx.producer_id, 55);
    assert_int_equal(fx.epoch, 0);
    txn_state_fini(&t);
}

/* The clock ends what takes too long. A v2 producer that hears of it goes on with the bumped epoch; a v1 one is out. */
static void test_timeout(void **state)
{
    (void)state;
    for (int v2 = 0; v2 < 2; v2++) {
        struct txn_state t;
        init(&t, 9);
        open_txn(&t, v2, 1000);
        assert_false(txn_state_timeout(&t, 1000 + MINUTE).log);
        assert_true(txn_state_timeout(&t, 1001 + MINUTE).log);
        assert_true(txn_state_logged(&t, true, 0).mark);
        txn_state_marked(&t, 0);
        assert_int_equal(t.now.epoch, 1);
        struct txn_effects fx = end_as(&t, 9, 0, false, v2, -1);
        assert_int_equal(fx.error, v2 ? 0 : K_PRODUCER_FENCED);
        if (v2)
            assert_int_equal(fx.epoch, 1);
        assert_int_equal(end_as(&t, 9, 0, true, v2, -1).error, K_PRODUCER_FENCED);
        txn_state_fini(&t);
    }
}

/* An epoch above the last is nobody's: a request that names it is fenced, and nothing overflows. */
static void test_epoch_end(void **state)
{
    (void)state;
    struct txn_state t;
    init(&t, 9);
    t.now.epoch = TXN_EPOCH_LAST;
    open_txn(&t, true, 0);
    assert_true(txn_state_timeout(&t, 2 * MINUTE).log);
    txn_state_logged(&t, true, 0);
    txn_state_marked(&t, 0);
    assert_int_equal(t.now.epoch, INT16_MAX);
    assert_int_equal(add(&t, INT16_MAX, true, "t", 5).error, K_PRODUCER_FENCED);
    assert_int_equal(end_as(&t, 9, INT16_MAX, false, true, 3).error, K_PRODUCER_FENCED);
    assert_int_equal(end_as(&t, 9, TXN_EPOCH_LAST, false, true, 3).error, K_PRODUCER_FENCED);
    assert_true(txn_state_take(&t, &(struct txn_taker){.timeout_ms = 7}, -1, 2).need_pid);
    assert_true(txn_state_take(&t, &(struct txn_taker){.timeout_ms = 7}, 10, 2).log);
    assert_int_equal(txn_state_logged(&t, true, 0).producer_id, 10);
    txn_state_fini(&t);
}

/* An idle id goes; one with an open or undecided transaction stays. */
static void test_expiry(void **state)
{
    (void)state;
    struct txn_state t;
    init(&t, 9);
    open_txn(&t, false, 1);
    assert_false(txn_state_expire(&t, 100, 1000000).log);
    end_whole(&t, true, false);
    assert_false(txn_state_expire(&t, 100, 50).log);
    assert_true(txn_state_expire(&t, 100, 200).log);
    assert_int_equal(t.next.status, TXN_DEAD);
    assert_true(txn_state_logged(&t, true, 0).gone);
    txn_state_fini(&t);
}

static void same_meta(const struct txn_meta *a, const struct txn_meta *b)
{
    assert_int_equal(a->producer_id, b->producer_id);
    assert_int_equal(a->prev_producer_id, b->prev_producer_id);
    assert_int_equal(a->next_producer_id, b->next_producer_id);
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->timeout_ms, b->timeout_ms);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->start_ms, b->start_ms);
    assert_int_equal(a->update_ms, b->update_ms);
    assert_int_equal(a->v2, b->v2);
    assert_int_equal(a->nparts, b->nparts);
    for (unsigned i = 0; i < a->nparts; i++) {
        assert_string_equal(a->parts[i].topic, b->parts[i].topic);
        assert_int_equal(a->parts[i].index, b->parts[i].index);
    }
}

static void reload(struct txn_state *t)
{
    struct wbuf w;
    struct txn_state back;
    wbuf_init(&w);
    txn_value_encode(&t->now, &w);
    assert_int_equal(txn_value_decode(wbuf_view(&w), &back), 0);
    same_meta(&t->now, &back.now);
    for (size_t n = 0; n < w.len; n++) { /* cut off anywhere it is an error */
        struct txn_state cut;
        assert_true(txn_value_decode((struct str){(const char *)w.data, n}, &cut) < 0);
    }
    txn_state_fini(t);
    *t = back;
    wbuf_fini(&w);
}

/* Bytes as Kafka's serializer writes them (TransactionLog.keyToBytes, valueToBytes). */
static void test_records(void **state)
{
    (void)state;
    static const uint8_t key[] = {0, 0, 0, 2, 'i', 'd'};
    static const uint8_t value[] = {
        0, 1,                                    /* version */
        0, 0, 0, 0, 0, 0, 0, 9,                  /* producer id */
        0, 3,                                    /* epoch */
        0, 0, 0xea, 0x60,                        /* timeout */
        1,                                       /* Ongoing */
        2, 2, 't', 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, /* t: 0, 4 */
        0, 0, 0, 0, 0, 0, 0, 8,                  /* last update */
        0, 0, 0, 0, 0, 0, 0, 7,                  /* start */
        1, 2, 2, 0, 2,                           /* client version 2 */
    };
    struct wbuf w;
    struct txn_state t;
    struct str id;
    wbuf_init(&w);
    txn_key_encode(STR("id"), &w);
    assert_int_equal(w.len, sizeof key);
    assert_memory_equal(w.data, key, sizeof key);
    assert_int_equal(txn_key_decode(wbuf_view(&w), &id), 0);
    assert_true(str_eq(id, STR("id")));
    assert_int_equal(txn_value_decode((struct str){(const char *)value, sizeof value}, &t), 0);
    assert_int_equal(t.now.status, TXN_ONGOING);
    assert_int_equal(t.now.epoch, 3);
    assert_true(t.now.v2);
    assert_true(txn_has_part(&t.now, STR("t"), 4) && !txn_has_part(&t.now, STR("t"), 1));
    wbuf_reset(&w);
    txn_value_encode(&t.now, &w);
    assert_int_equal(w.len, sizeof value);
    assert_memory_equal(w.data, value, sizeof value);
    txn_state_fini(&t);
    wbuf_fini(&w);
}

/* ---- a random walk against a model that knows only what a client may count on */

struct model {
    int64_t owner_pid; /* who was answered last by a take or an end; -1: nobody may go on */
    int16_t owner_epoch;
    bool open;         /* its transaction has parts */
    unsigned parts;    /* bits */
    int decided;       /* of the transaction before: -1 none, 0 aborted, 1 committed */
    bool v2;
};
static const char *const topics[] = {"a", "b", "c", "d"};

static void model_check(const struct txn_state *t, const struct model *m)
{
    if (t->now.status == TXN_ONGOING) {
        assert_true(m->open);
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(txn_has_part(&t->now, str_of(topics[i]), 0), m->parts >> i & 1);
    } else {
        assert_false(m->open);
    }
    /* Nobody but the owner has an epoch that is taken. */
    if (m->owner_pid >= 0 && !t->pending && t->now.status != TXN_PREPARE_COMMIT && t->now.status != TXN_PREPARE_ABORT) {
        assert_int_equal(t->now.producer_id, m->owner_pid);
        assert_int_equal(t->now.epoch, m->owner_epoch);
    }
}

/* Takes the step that is pending, or loses it. */
static struct txn_effects settle(struct txn_state *t, struct random *r, bool *ok)
{
    *ok = !random_chance(r, 0.1);
    return txn_state_logged(t, *ok, *ok ? 0 : K_NOT_COORDINATOR);
}

static void finish(struct txn_state *t, struct random *r)
{
    if (random_chance(r, 0.3))
        reload(t);
    assert_true(txn_state_resume(t).mark);
    txn_state_marked(t, 1);
}

static void walk_take(struct txn_state *t, struct model *m, struct random *r, int64_t *pids)
{
    bool ok;
    struct txn_taker in = {.timeout_ms = MINUTE};
    struct txn_effects fx = txn_state_take(t, &in, -1, 1);
    if (fx.need_pid)
        fx = txn_state_take(t, &in, ++*pids, 1);
    assert_true(fx.log);
    fx = settle(t, r, &ok);
    if (!ok)
        return;
    if (fx.mark) { /* somebody's transaction was open: aborted, the epoch is nobody's */
        assert_int_equal(fx.error, K_CONCURRENT_TRANSACTIONS);
        *m = (struct model){.owner_pid = -1, .decided = 0, .v2 = m->v2};
        finish(t, r);
        return;
    }
    assert_int_equal(fx.error, 0);
    bool v2 = random_chance(r, 0.5);
    *m = (struct model){.owner_pid = fx.producer_id, .owner_epoch = fx.epoch, .decided = -1, .v2 = v2};
}

static void walk_add(struct txn_state *t, struct model *m, struct random *r)
{
    bool ok;
    unsigned i = (unsigned)random_below(r, 4);
    struct coord_part p = part_of(topics[i], 0);
    const struct coord_part *one = &p;
    int16_t late = (int16_t)(random_chance(r, 0.2) ? 1 + (int)random_below(r, 3) : 0);
    struct txn_effects fx = txn_state_add(t, m->owner_pid, (int16_t)(m->owner_epoch - late), m->v2, &one, 1, 1);
    if (late || m->owner_pid < 0) {
        assert_true(fx.error == K_PRODUCER_FENCED || fx.error == K_INVALID_PRODUCER_ID_MAPPING);
        return;
    }
    if (!fx.log) {
        assert_int_equal(fx.error, 0);
        assert_true(m->open && (m->parts >> i & 1));
        return;
    }
    settle(t, r, &ok);
    if (ok) {
        m->parts = (m->open ? m->parts : 0) | 1u << i;
        m->open = true;
    }
}

static void walk_end(struct txn_state *t, struct model *m, struct random *r, int64_t *pids)
{
    bool ok, commit = random_chance(r, 0.5), was_open = m->open;
    int64_t pid = m->owner_pid;
    int16_t epoch = m->owner_epoch;
    struct txn_ending in = {pid, epoch, commit, m->v2};
    struct txn_effects fx = txn_state_end(t, &in, -1, 1);
    if (fx.need_pid)
        fx = txn_state_end(t, &in, ++*pids, 1);
    if (pid < 0) {
        assert_true(fx.error);
        return;
    }
    if (!fx.log) {
        assert_false(was_open);
        assert_int_equal(fx.error == 0, !m->v2 && m->decided == commit);
        return;
    }
    assert_true(was_open || (m->v2 && !commit));
    fx = settle(t, r, &ok);
    if (!ok)
        return;
    assert_int_equal(fx.error, 0);
    m->open = false;
    m->parts = 0;
    m->decided = commit;
    m->owner_pid = fx.producer_id;
    m->owner_epoch = fx.epoch;
    if (m->v2)
        assert_true(fx.producer_id != pid || fx.epoch == epoch + 1);
    finish(t, r);
    if (m->v2) { /* its answer was lost: the same again changes nothing */
        fx = txn_state_end(t, &in, -1, 1);
        assert_true(fx.answer && fx.error == 0 && fx.producer_id == m->owner_pid && fx.epoch == m->owner_epoch);
    }
}

/* Whatever comes in whatever order: only the newest producer gets on, each transaction has one outcome, and the log's
 * record is all that is needed to go on. */
static void test_walk(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    for (int round = 0; round < 50; round++) {
        struct txn_state t;
        int64_t pids = 100;
        struct model m = {.owner_pid = -1, .decided = -1};
        txn_state_init(&t, pids, MINUTE, 0);
        if (random_chance(&r, 0.5))
            t.now.epoch = (int16_t)(TXN_EPOCH_LAST - (int)random_below(&r, 12));
        for (int i = 0; i < 400; i++) {
            uint64_t what = random_below(&r, 20);
            bool ok;
            if (what < 2) {
                walk_take(&t, &m, &r, &pids);
            } else if (what < 12) {
                walk_add(&t, &m, &r);
            } else if (what < 18) {
                walk_end(&t, &m, &r, &pids);
            } else if (what == 18 && txn_state_timeout(&t, 3 * MINUTE).log) {
                settle(&t, &r, &ok);
                if (ok) {
                    m = (struct model){.owner_pid = -1, .decided = 0, .v2 = m.v2};
                    finish(&t, &r);
                }
            } else if (what == 19) {
                reload(&t);
            }
            model_check(&t, &m);
        }
        txn_state_fini(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v1_end),         cmocka_unit_test(test_v2_end),     cmocka_unit_test(test_v2_rotation),
        cmocka_unit_test(test_fence),          cmocka_unit_test(test_failed_fence),
        cmocka_unit_test(test_expected_epoch), cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_epoch_end),      cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_records),        cmocka_unit_test(test_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
