/* Transactions as a partition sees them: who may begin one, who may end it, what is stable, what is void; and that all
 * of it is the same after a restart. */
#include "log/base/crc32c.h"
#include "log/store/partlog.h"
#include "tests/lib/seed.h"
#include "tests/unit/log/store/txnmodel.h"
#include "tests/unit/log/store/world.h"
#include "tests/unit/unit.h"
#include <stdio.h>

static struct world world;
#define W (&world)
static struct part *part;
static struct txnmodel model;
static struct random dice;

static char folder[300];

static void attach(void)
{
    part = world_part(W, 0, 0);
    snprintf(folder, sizeof folder, "%s", part->dir);
}

static int set_up(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    random_seed(&dice, seed);
    world_init(W, seed);
    assert_int_equal(world_open(W, 2), 0);
    attach();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    txnmodel_fini(&model);
    if (W->st)
        world_crash(W, SIMDISK_KILL);
    world_fini(W);
    return 0;
}

static void restart(enum simdisk_end how)
{
    world_crash(W, how);
    assert_int_equal(world_open(W, 1 + (unsigned)random_below(&dice, 3)), 0);
    attach();
}

static void restart_cleanly(void)
{
    part_release(part);
    world_close(W);
    assert_int_equal(world_open(W, 1 + (unsigned)random_below(&dice, 3)), 0);
    attach();
}

static int append(const struct spec *sp) { return world_append(W, part, sp, NULL); }

/* A batch of one record; flags 0: goes on with a transaction. */
static int txn(int64_t pid, int16_t epoch, int32_t seq, uint32_t flags)
{
    return append(&(struct spec){.n = 1, .pid = pid, .epoch = epoch, .seq = seq, .txn = true, .flags = flags});
}

static int begin(int64_t pid, int16_t epoch, int32_t seq) { return txn(pid, epoch, seq, APPEND_VERIFIED); }

static int end(int64_t pid, int16_t epoch, int32_t coordinator, int how, uint32_t flags)
{
    return append(&(struct spec){.n = 1, .pid = pid, .epoch = epoch, .seq = coordinator, .marker = how,
                                 .flags = flags | APPEND_MARKER});
}

static int plain(void) { return append(&(struct spec){.n = 1}); }

static int64_t lso(void)
{
    struct view *v = world_view(W, part);
    txnmodel_check(&model, v, &dice);
    int64_t at = v->lso;
    counted_release(&v->c);
    return at;
}

/* A transaction begins only with the coordinator's word, and goes on without it. */
static void test_begin(void **state)
{
    (void)state;
    struct one o;
    struct spec sp = {.n = 2, .pid = 7, .txn = true};
    one_start(W, &o, part, &sp);
    assert_int_equal(one_wait(W, &o), E_TXN_UNVERIFIED);
    assert_true(o.a.guard != 0);
    sp.guard = o.a.guard;
    assert_int_equal(append(&sp), E_TXN_UNVERIFIED);
    sp.flags = APPEND_VERIFIED;
    sp.guard++;
    assert_int_equal(append(&sp), E_TXN_UNVERIFIED);
    sp.guard--;
    assert_int_equal(append(&sp), 0);
    assert_int_equal(txn(7, 0, 2, 0), 0);
    assert_int_equal(txn(7, 0, 2, 0), 0); /* a duplicate */
    assert_int_equal(txn(7, 0, 4, 0), E_SEQUENCE);
    assert_int_equal(lso(), 0);
    assert_int_equal(begin(8, 0, 0), 0); /* in process: guard 0 */
    assert_int_equal(end(7, 0, 1, COMMIT, 0), 0);
    assert_int_equal(lso(), 3);
    assert_int_equal(txn(7, 0, 3, 0), E_TXN_UNVERIFIED);
    assert_int_equal(txn(7, 0, 2, 0), 0); /* still the duplicate, which asks nobody */
}

/* What the coordinator said before a marker admits nothing after it (KAFKA-14884). */
static void test_guard(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        int64_t pid = 50 + known;
        if (known) {
            assert_int_equal(begin(pid, 0, 0), 0);
            assert_int_equal(end(pid, 0, 1, COMMIT, 0), 0);
        }
        struct one o;
        struct spec sp = {.n = 1, .pid = pid, .seq = known, .txn = true};
        one_start(W, &o, part, &sp);
        assert_int_equal(one_wait(W, &o), E_TXN_UNVERIFIED);
        sp.guard = o.a.guard;
        sp.flags = APPEND_VERIFIED;
        assert_int_equal(end(pid, 0, 2, ABORT, 0), 0);
        one_start(W, &o, part, &sp);
        assert_int_equal(one_wait(W, &o), E_TXN_UNVERIFIED);
        assert_true(o.a.guard != sp.guard);
        sp.guard = o.a.guard;
        assert_int_equal(append(&sp), 0);
        assert_int_equal(end(pid, 0, 2, ABORT, 0), 0);
        lso();
    }
}

/* Batches that do not belong to the producer's open transaction are refused, and so is a transaction without
 * sequences. */
static void test_foreign_batches(void **state)
{
    (void)state;
    assert_int_equal(begin(7, 3, 0), 0);
    assert_int_equal(append(&(struct spec){.n = 1, .pid = 7, .epoch = 3, .seq = 1}), E_TXN_STATE);
    assert_int_equal(txn(7, 4, 0, 0), E_TXN_UNVERIFIED);
    assert_int_equal(begin(7, 4, 0), E_TXN_STATE); /* the one of epoch 3 has no marker yet */
    assert_int_equal(begin(7, 2, 0), E_PRODUCER_EPOCH);
    assert_int_equal(append(&(struct spec){.n = 1, .pid = 7, .epoch = 3, .seq = -1, .txn = true}), E_BAD_RECORD);
    struct spec control = {.n = 1, .pid = 7, .epoch = 3, .seq = 1, .marker = COMMIT};
    assert_int_equal(append(&control), E_BAD_RECORD); /* without the flag */
    assert_int_equal(append(&(struct spec){.n = 1, .flags = APPEND_MARKER}), E_BAD_RECORD);
    assert_int_equal(end(7, 3, 1, COMMIT, 0), 0);
    assert_int_equal(append(&(struct spec){.n = 1, .pid = 7, .epoch = 3, .seq = 1}), 0);
}

/* Markers: an older coordinator is fenced, an older epoch too, a newer epoch begins at sequence 0. */
static void test_markers(void **state)
{
    (void)state;
    assert_int_equal(begin(7, 3, 0), 0);
    assert_int_equal(end(7, 2, 5, ABORT, 0), E_PRODUCER_EPOCH);
    assert_int_equal(end(7, 3, 5, COMMIT, 0), 0);
    assert_int_equal(end(7, 3, 4, COMMIT, 0), E_COORD_EPOCH);
    assert_int_equal(begin(7, 3, 1), 0);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(end(7, 3, 4, COMMIT, 0), E_COORD_EPOCH);
        assert_int_equal(end(7, 2, 5, COMMIT, 0), E_PRODUCER_EPOCH);
        restart(SIMDISK_LOSE);
    }
    assert_int_equal(end(7, 4, 5, ABORT, 0), 0); /* fenced: epoch 4 was never a client's */
    assert_int_equal(txn(7, 3, 2, APPEND_VERIFIED), E_PRODUCER_EPOCH);
    assert_int_equal(begin(7, 4, 2), E_SEQUENCE);
    assert_int_equal(begin(7, 5, 2), E_SEQUENCE);
    assert_int_equal(begin(7, 5, 0), 0);
    assert_int_equal(lso(), 4);
}

/* Version 2: a marker of the transaction before, late, does not end the one that is open (KAFKA-17754); repeated, it
 * does no harm (KAFKA-19999). */
static void test_markers_v2(void **state)
{
    (void)state;
    assert_int_equal(txn(9, 0, 4, APPEND_VERIFIED | APPEND_TXN_V2), E_SEQUENCE); /* nothing known: from 0 on */
    assert_int_equal(txn(9, 0, 0, APPEND_VERIFIED | APPEND_TXN_V2), 0);
    assert_int_equal(end(9, 0, 1, COMMIT, APPEND_MARKER_V2), E_PRODUCER_EPOCH);
    assert_int_equal(end(9, 1, 1, COMMIT, APPEND_MARKER_V2), 0);
    assert_int_equal(end(9, 1, 1, COMMIT, APPEND_MARKER_V2), 0); /* a repetition */
    assert_int_equal(begin(9, 1, 0), 0);
    assert_int_equal(end(9, 1, 1, COMMIT, APPEND_MARKER_V2), E_PRODUCER_EPOCH);
    assert_int_equal(end(9, 1, 1, ABORT, APPEND_MARKER_V2), E_PRODUCER_EPOCH);
    assert_int_equal(lso(), 3);
    assert_int_equal(end(9, 2, 1, ABORT, APPEND_MARKER_V2), 0);
    assert_int_equal(lso(), 5);
    assert_int_equal(model.naborted, 1);
}

/* A marker is taken however small the topic's limits are: a transaction must be able to end. */
static void test_marker_sizes(void **state)
{
    (void)state;
    assert_int_equal(begin(7, 0, 0), 0);
    struct part_conf pc;
    part_conf_default(&pc, &W->conf);
    pc.max_message_bytes = pc.segment_bytes = 20;
    part_set_conf(part, &pc);
    assert_int_equal(plain(), E_TOO_LARGE);
    assert_int_equal(end(7, 0, 0, COMMIT, 0), 0);
    assert_int_equal(lso(), 2);
}

struct waiter {
    struct watch watch;
    bool fired;
};

static void fired(struct watch *w, int status)
{
    assert_int_equal(status, 0);
    container_of(w, struct waiter, watch)->fired = true;
}

/* Offsets are stable once every transaction below them is decided; who waits for that is woken then and not before. */
static void test_stable(void **state)
{
    (void)state;
    assert_int_equal(plain(), 0);
    assert_int_equal(begin(7, 0, 0), 0); /* 1 */
    assert_int_equal(begin(8, 0, 0), 0); /* 2 */
    assert_int_equal(plain(), 0);
    assert_int_equal(lso(), 1);
    struct waiter w = {.watch = {.loop = W->loops[0], .above = 1, .committed = true, .fired_cb = fired}};
    part_watch(part, &w.watch);
    assert_int_equal(end(8, 0, 0, ABORT, 0), 0); /* 4 */
    sim_run_idle(W->sim);
    assert_false(w.fired);
    assert_int_equal(lso(), 1);
    assert_int_equal(begin(8, 0, 1), 0);          /* 5 */
    assert_int_equal(end(7, 0, 0, COMMIT, 0), 0); /* 6 */
    sim_run_idle(W->sim);
    assert_true(w.fired);
    assert_int_equal(lso(), 5);
    for (int i = 0; i < 2; i++) {
        restart(SIMDISK_LOSE);
        assert_int_equal(lso(), 5);
    }
    restart_cleanly();
    assert_int_equal(lso(), 5);
    assert_int_equal(txn(8, 0, 2, 0), 0); /* goes on without asking */
    assert_int_equal(end(8, 0, 1, COMMIT, 0), 0);
    assert_int_equal(lso(), 9);
}

/* The last stable offset moves when the high watermark passes the marker, not when the marker is appended. */
static void test_stable_in_flight(void **state)
{
    (void)state;
    assert_int_equal(plain(), 0);
    assert_int_equal(begin(7, 0, 0), 0);
    assert_int_equal(begin(8, 0, 0), 0);
    assert_int_equal(plain(), 0);
    struct one o;
    one_start(W, &o, part, &(struct spec){.n = 1, .pid = 7, .marker = ABORT, .flags = APPEND_MARKER});
    while (!part->committing)
        assert_true(sim_step(W->sim));
    assert_int_equal(part_trim(part, 1), 0); /* shows a new view meanwhile */
    struct view *v = part_view(part);
    assert_int_equal(v->high_watermark, 4);
    assert_int_equal(v->lso, 1);
    counted_release(&v->c);
    assert_int_equal(one_wait(W, &o), 0);
    assert_int_equal(lso(), 2);
}

/* A marker that could not be written has ended nothing. */
static void test_failed_marker(void **state)
{
    (void)state;
    assert_int_equal(begin(7, 0, 0), 0);
    assert_int_equal(begin(8, 0, 0), 0);
    assert_int_equal(begin(9, 0, 0), 0);
    simdisk_set_capacity(W->sd, 1);
    assert_int_equal(end(8, 1, 3, ABORT, 0), E_FULL);
    assert_int_equal(begin(10, 0, 0), E_FULL);
    simdisk_set_capacity(W->sd, -1);
    assert_int_equal(lso(), 0);
    assert_int_equal(txn(10, 0, 0, 0), E_TXN_UNVERIFIED);
    assert_int_equal(txn(8, 0, 1, 0), 0);
    assert_int_equal(end(7, 0, 0, COMMIT, 0), 0);
    assert_int_equal(lso(), 1);
    assert_int_equal(end(8, 0, 2, COMMIT, 0), 0);
    assert_int_equal(lso(), 2);
    assert_int_equal(model.naborted, 0);
}

static bool rang;
static void ring(struct timer *t)
{
    (void)t;
    rang = true;
}

static void pass_ms(int64_t ms)
{
    struct timer t;
    rang = false;
    timer_init(&t, W->loops[0], ring);
    timer_start(&t, ms);
    while (!rang)
        assert_true(sim_step(W->sim));
}

/* Producers that idle are forgotten, but never with a transaction open; a marker is a sign of life (KAFKA-9144). */
static void test_expiry(void **state)
{
    (void)state;
    W->conf.producer_expiration_ms = 1000;
    assert_int_equal(begin(7, 0, 0), 0);
    assert_int_equal(begin(8, 0, 0), 0);
    pass_ms(2000);
    part_retain(part, loop_wall_ms(W->loops[0]));
    struct producer_info *info;
    size_t n;
    assert_int_equal(part_producers(part, &info, &n), 0);
    assert_int_equal(n, 2);
    xfree(info);
    assert_int_equal(txn(7, 0, 1, 0), 0);
    assert_int_equal(end(8, 0, 4, COMMIT, 0), 0);
    part_retain(part, loop_wall_ms(W->loops[0]) + 500);
    assert_int_equal(part_producers(part, &info, &n), 0);
    assert_int_equal(n, 2);
    xfree(info);
    part_retain(part, loop_wall_ms(W->loops[0]) + 5000);
    assert_int_equal(part_producers(part, &info, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(info[0].id, 7);
    assert_int_equal(info[0].txn_first, 0);
    assert_int_equal(info[0].last_seq, 1);
    assert_int_equal(info[0].coordinator_epoch, -1);
    xfree(info);
}

/* Random transactions over many small segments. */
static void churn(int rounds)
{
    static int16_t epoch[6];
    static int32_t seq[6];
    static bool open[6];
    if (model.end == 0) {
        memset(epoch, 0, sizeof epoch);
        memset(seq, 0, sizeof seq);
        memset(open, 0, sizeof open);
    }
    for (int i = 0; i < rounds; i++) {
        uint64_t k = random_below(&dice, 6);
        int64_t pid = 100 + (int64_t)k;
        if (random_below(&dice, 3) == 0 && open[k]) {
            assert_int_equal(end(pid, ++epoch[k], 0, random_below(&dice, 3) ? ABORT : COMMIT, APPEND_MARKER_V2), 0);
            seq[k] = 0;
            open[k] = false;
        } else {
            struct spec sp = {.n = 1 + (int)random_below(&dice, 3), .pid = pid, .epoch = epoch[k], .seq = seq[k],
                              .txn = true, .bytes = random_below(&dice, 200), .flags = open[k] ? 0 : APPEND_VERIFIED};
            assert_int_equal(append(&sp), 0);
            seq[k] += sp.n;
            open[k] = true;
        }
    }
}

/* The aborted transactions of any range are those that reading everything finds: over many segments, after crashes,
 * after a clean stop, and while the log loses its beginning. */
static void test_aborted(void **state)
{
    (void)state;
    for (int round = 0; round < 6; round++) {
        churn(200);
        lso();
        if (round == 3) {
            assert_int_equal(part_trim(part, model.end / 3), 0);
            sim_run_idle(W->sim);
        }
        if (round % 3 == 0)
            restart_cleanly();
        else
            restart(round % 3 == 1 ? SIMDISK_LOSE : SIMDISK_CRASH);
        lso();
    }
    assert_true(model.naborted > 50);
}

static int remove_each(void *arg, const char *name, bool is_dir)
{
    (void)is_dir;
    char path[600];
    const char *suffix = arg;
    if (strlen(name) < 24 || strcmp(name + 20, suffix) != 0)
        return 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(disk_unlink(W->disk, path), 0);
    return 0;
}

static int flip_each(void *arg, const char *name, bool is_dir)
{
    (void)is_dir;
    char path[600];
    if (strlen(name) < 24 || strcmp(name + 20, (const char *)arg) != 0)
        return 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(simdisk_flip(W->sd, path, (int64_t)random_below(&dice, 40), (unsigned)random_below(&dice, 8)), 0);
    return 0;
}

/* An index of aborted transactions that is gone or damaged is made anew from the records; so is the state of
 * producers. */
static void test_aborted_lost(void **state)
{
    (void)state;
    static char *const suffixes[] = {".txn", ".producers", ".index"};
    churn(600);
    for (unsigned i = 0; i < 7; i++) {
        if (i == 3)
            restart_cleanly(); /* so that indexes are written */
        part_release(part);
        world_close(W);
        if (i < 6)
            assert_int_equal(disk_list(W->disk, folder, i % 2 ? remove_each : flip_each, suffixes[i / 2]), 0);
        else
            for (int k = 0; k < 3; k++)
                assert_int_equal(disk_list(W->disk, folder, remove_each, suffixes[k]), 0);
        assert_int_equal(world_open(W, 2), 0);
        attach();
        lso();
        churn(20);
        lso();
    }
}

static void assert_void(const struct view *v, int64_t upto, int64_t pid, int64_t offset, bool is_void)
{
    struct arena a;
    struct aborted *list;
    uint32_t n;
    arena_init(&a);
    assert_int_equal(view_aborted(v, v->log_start, upto, true, &a, &list, &n), 0);
    aborted_sort(list, n);
    assert_int_equal(aborted_covers(list, n, pid, offset), is_void);
    arena_fini(&a);
}

/* An index made anew after retention took a transaction's beginning still tells of every void batch that is left. */
static void test_aborted_beginning_gone(void **state)
{
    (void)state;
    static const char *const lost[] = {"index", "producers"};
    assert_int_equal(begin(1, 0, 0), 0); /* 0, retired below */
    part->roll_next = true;
    assert_int_equal(begin(3, 0, 0), 0);         /* 1 */
    assert_int_equal(txn(1, 0, 1, 0), 0);        /* 2 */
    assert_int_equal(end(3, 0, 0, ABORT, 0), 0); /* 3 */
    part->roll_next = true;
    assert_int_equal(end(1, 0, 0, ABORT, 0), 0); /* 4 */
    assert_int_equal(lso(), 5);
    assert_int_equal(part_trim(part, 1), 0);
    sim_run_idle(W->sim);
    assert_int_equal(part->list->n, 2);
    part_release(part);
    world_close(W);
    for (size_t i = 0; i < ARRAY_LEN(lost); i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/00000000000000000001.%s", folder, lost[i]);
        assert_int_equal(disk_unlink(W->disk, path), 0);
    }
    assert_int_equal(world_open(W, 1), 0);
    attach();
    for (int i = 0; i < 20; i++)
        assert_int_equal(lso(), 5);
    struct view *v = world_view(W, part);
    assert_int_equal(v->log_start, 1);
    for (int64_t upto = 2; upto <= 5; upto++) {
        assert_void(v, upto, 3, 1, true);
        assert_void(v, upto, 1, 2, upto > 2);
        assert_void(v, upto, 2, 2, false);
    }
    counted_release(&v->c);
}

/* Who reads what retention takes meanwhile is told that it is gone: an index made anew after that, for this view or for
 * a later one, does not know that it was void. */
static void test_aborted_retired_meanwhile(void **state)
{
    (void)state;
    assert_int_equal(begin(1, 0, 0), 0); /* 0 */
    part->roll_next = true;
    assert_int_equal(plain(), 0);                /* 1 */
    assert_int_equal(end(1, 0, 0, ABORT, 0), 0); /* 2 */
    part->roll_next = true;
    assert_int_equal(plain(), 0); /* 3 */
    restart_cleanly();
    struct view *v = world_view(W, part);
    struct slice s;
    assert_int_equal(view_read(v, 0, v->lso, 1, true, true, &s), 0);
    assert_int_equal(s.end_offset, 1);
    char path[600];
    snprintf(path, sizeof path, "%s/00000000000000000001.producers", folder);
    assert_int_equal(disk_unlink(W->disk, path), 0);
    snprintf(path, sizeof path, "%s/00000000000000000001.txn", folder);
    assert_int_equal(simdisk_flip(W->sd, path, 20, 1), 0);
    assert_int_equal(part_trim(part, 1), 0);
    sim_run_idle(W->sim);
    if (random_below(&dice, 2))
        assert_int_equal(lso(), 4);
    struct arena a;
    struct aborted *list;
    uint32_t n;
    arena_init(&a);
    assert_int_equal(view_aborted(v, 0, 1, true, &a, &list, &n), E_OFFSET_RANGE);
    assert_int_equal(view_aborted(v, 1, 4, true, &a, &list, &n), 0);
    assert_int_equal(n, 0);
    arena_fini(&a);
    slice_release(&s);
    counted_release(&v->c);
    assert_int_equal(lso(), 4);
}

/* Where damage hides who was aborted, nothing behind it is taken for committed. */
static void test_damage(void **state)
{
    (void)state;
    churn(60);
    part_release(part);
    world_close(W);
    assert_int_equal(disk_list(W->disk, folder, remove_each, ".producers"), 0);
    char path[600];
    snprintf(path, sizeof path, "%s/00000000000000000000.log", folder);
    assert_int_equal(simdisk_flip(W->sd, path, 16, 1), 0); /* the first batch's format */
    assert_int_equal(world_open(W, 1), 0);
    attach();
    struct view *v = world_view(W, part);
    assert_true(v->high_watermark > 60);
    assert_int_equal(v->lso, 0);
    counted_release(&v->c);
    assert_int_equal(plain(), E_STORAGE);
}

/* A snapshot of the version before transactions is read as one without any. */
static void test_snapshot_1(void **state)
{
    (void)state;
    struct wbuf w;
    wbuf_init(&w);
    wbuf_be32(&w, 0x57505231);
    wbuf_be32(&w, 0);
    wbuf_be64(&w, 10);
    wbuf_be32(&w, 1);
    wbuf_be64(&w, 77);
    wbuf_be16(&w, 2);
    wbuf_be64(&w, 5);
    wbuf_u8(&w, 1);
    wbuf_be32(&w, 3);
    wbuf_be32(&w, 4);
    wbuf_be64(&w, 8);
    wbuf_be64(&w, UINT64_MAX);
    put_be32(w.data + 4, crc32c(0, w.data + 8, w.len - 8));
    struct producers *ps = producers_new();
    struct txnindex *aborted;
    int64_t end_offset;
    assert_int_equal(producers_decode(ps, (struct str){(char *)w.data, w.len}, 1000, &end_offset, &aborted), 0);
    assert_int_equal(end_offset, 10);
    assert_null(aborted);
    struct producer_info info;
    producers_list(ps, &info);
    assert_int_equal(info.id, 77);
    assert_int_equal(info.epoch, 2);
    assert_int_equal(info.last_seq, 4);
    assert_int_equal(info.txn_first, -1);
    assert_int_equal(info.coordinator_epoch, -1);
    producers_free(ps);
    for (size_t cut = 0; cut < w.len; cut++) {
        ps = producers_new();
        assert_int_equal(producers_decode(ps, (struct str){(char *)w.data, cut}, 1000, &end_offset, &aborted), E_CORRUPT);
        producers_free(ps);
    }
    wbuf_fini(&w);
}

/* A log whose last segment may not grow rolls at its next append, also when the first attempt fails. */
static void test_roll_survives_failure(void **state)
{
    (void)state;
    assert_int_equal(plain(), 0);
    part->roll_next = true;
    simdisk_set_capacity(W->sd, 1);
    assert_int_equal(plain(), E_FULL);
    simdisk_set_capacity(W->sd, -1);
    assert_int_equal(plain(), 0);
    assert_int_equal(part->list->n, 2);
    assert_false(part->roll_next);
}

/* A dead node's memory is the operating system's affair. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_begin),         T(test_guard),          T(test_foreign_batches), T(test_markers),
        T(test_markers_v2),    T(test_marker_sizes),   T(test_stable),          T(test_stable_in_flight),
        T(test_failed_marker), T(test_expiry),         T(test_aborted),         T(test_aborted_lost),
        T(test_damage),        T(test_snapshot_1),     T(test_roll_survives_failure),
        T(test_aborted_beginning_gone), T(test_aborted_retired_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
