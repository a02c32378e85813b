/* The store on real threads and a real disk: writers on every shard, readers on other threads, watches across them. */
#include "log/base/clock.h"
#include "tests/lib/seed.h"
#include "tests/unit/log/store/world.h"
#include "tests/unit/unit.h"
#include <pthread.h>

enum { SHARDS = 3, PARTS = 8, PER_PART = 300, PER_TXN = 10 };

static struct config conf;
static struct loops *loops;
static struct loop *loop[SHARDS];
static struct store *st;
static struct part *parts[PARTS];
static _Atomic int left;
static _Atomic int fired, canceled;

/* One chain of appends to one part: the next starts when the last is acknowledged. */
struct chain {
    struct append_set set;
    struct append a;
    struct buf *buf;
    unsigned part;
    int i;
    struct msg start;
};
static struct chain chains[PARTS];

/* Every other part has transactions of nine batches and a marker each, one in two aborted. */
static bool is_txn(unsigned part) { return part % 2; }
static bool is_marker(int64_t offset) { return offset % PER_TXN == PER_TXN - 1; }
static bool is_void(int64_t offset) { return offset / PER_TXN % 2 == 0; }

static struct spec spec_txn(int i)
{
    int16_t no = (int16_t)(i / PER_TXN);
    if (is_marker(i))
        return (struct spec){.n = 1, .pid = 77, .epoch = (int16_t)(no + 1), .marker = is_void(i) ? ABORT : COMMIT,
                             .flags = APPEND_MARKER_V2};
    return (struct spec){.n = 1, .bytes = i % PER_TXN == 5 ? 6000 : 100, .mark = (uint64_t)i, .pid = 77, .epoch = no,
                         .seq = i % PER_TXN, .txn = true, .flags = i % PER_TXN == 0 ? APPEND_VERIFIED : 0};
}

static void chain_next(struct chain *c)
{
    struct spec sp = {.n = 1, .bytes = c->i % 10 == 9 ? 6000 : 100, .mark = (uint64_t)c->i, .pid = 77, .seq = c->i};
    if (is_txn(c->part))
        sp = spec_txn(c->i);
    c->buf = spec_build(&sp);
    c->a = (struct append){.part = parts[c->part], .buf = c->buf, .bytes = c->buf->data, .len = c->buf->len,
                           .flags = sp.flags};
    store_append(st, &c->set);
}

static void chain_done(struct append_set *set)
{
    struct chain *c = container_of(set, struct chain, set);
    CHECK(c->a.status == 0 && c->a.base_offset == c->i);
    buf_release(c->buf);
    if (++c->i < PER_PART)
        chain_next(c);
    else
        atomic_fetch_sub(&left, 1);
}

static void chain_start(struct msg *m) { chain_next(container_of(m, struct chain, start)); }

/* A watch that begins anew each time it fires, until the end is reached or it is taken back. */
struct follower {
    struct watch watch;
    struct msg start, stop;
    bool stopping;
};
static struct follower followers[PARTS];

static void follower_fired(struct watch *w, int status)
{
    struct follower *f = container_of(w, struct follower, watch);
    CHECK(status == 0 || (status == E_CANCELED && f->stopping));
    if (f->stopping) {
        atomic_fetch_add(&canceled, 1);
        return;
    }
    struct view *v = part_view(w->part);
    CHECK(v && v->high_watermark > w->above);
    w->above = v->high_watermark;
    counted_release(&v->c);
    atomic_fetch_add(&fired, 1);
    part_watch(w->part, w);
}

static void follower_start(struct msg *m)
{
    struct follower *f = container_of(m, struct follower, start);
    part_watch(parts[f - followers], &f->watch);
}

static void follower_stop(struct msg *m)
{
    struct follower *f = container_of(m, struct follower, stop);
    f->stopping = true;
    part_unwatch(&f->watch);
}

/* What is told of a range is what was aborted in it, whoever writes meanwhile. */
static void check_aborted(const struct view *v, int64_t from, int64_t end)
{
    struct arena a;
    struct aborted *list;
    uint32_t n;
    int64_t upto = MIN(end, v->lso);
    CHECK(v->lso % PER_TXN == 0 || v->lso == v->high_watermark);
    arena_init(&a);
    CHECK(view_aborted(v, from, upto, true, &a, &list, &n) == 0);
    for (int64_t i = from; i < upto; i++) {
        bool told = false;
        for (uint32_t k = 0; k < n; k++)
            told |= list[k].first <= i && i < list[k].last;
        CHECK(is_marker(i) || told == is_void(i));
    }
    arena_fini(&a);
}

/* Reads a part from its beginning to the end of all its records, while it grows. */
static void *read_all(void *arg)
{
    struct part *p = arg;
    int64_t offset = 0;
    uint8_t *bytes = xalloc(1 << 16);
    while (offset < PER_PART) {
        struct view *v = part_view(p);
        struct slice s = {0};
        if (v && offset < v->high_watermark) {
            CHECK(view_read(v, offset, INT64_MAX, 1 << 14, true, true, &s) == 0);
            CHECK(s.len > 0 && s.len <= 1 << 16);
            CHECK(slice_read(&s, 0, bytes, s.len, true) == s.len);
            if (is_txn((unsigned)part_index(p)) && offset < v->lso)
                check_aborted(v, offset, s.end_offset);
            struct recbatch rb;
            for (uint32_t at = 0; at < s.len; at += rb.size) {
                CHECK(recbatch_peek(&rb, (struct str){(char *)bytes + at, s.len - at}) == 0);
                CHECK(recbatch_check_crc(&rb, bytes + at) == 0);
                CHECK(rb.base_offset == offset && offset < v->high_watermark);
                offset++;
            }
            slice_release(&s);
        } else {
            clock_sleep_ms(1);
        }
        if (v)
            counted_release(&v->c);
    }
    xfree(bytes);
    return NULL;
}

static void follower_begin(unsigned i)
{
    struct loop *on = loop[(i + 1) % SHARDS];
    followers[i] = (struct follower){.watch = {.loop = on, .above = -1, .fired_cb = follower_fired},
                                     .start.run_cb = follower_start, .stop.run_cb = follower_stop};
    loop_post(on, &followers[i].start);
}

static void followers_end(void)
{
    atomic_store(&canceled, 0);
    for (unsigned i = 0; i < PARTS; i++)
        loop_post(followers[i].watch.loop, &followers[i].stop);
    while (atomic_load(&canceled) < PARTS)
        clock_sleep_ms(1);
}

static void store_begin(const char *dir)
{
    loops = loops_new(SHARDS);
    st = world_real(dir, &conf, loops, loop, SHARDS);
    struct part_conf pc;
    part_conf_default(&pc, &conf);
    for (unsigned i = 0; i < PARTS; i++)
        parts[i] = part_new(st, world_topic(i / 2), (int32_t)(i % 2), "t", &pc);
    loops_start(loops);
}

static void store_end(void)
{
    loops_stop(loops);
    for (unsigned i = 0; i < PARTS; i++)
        part_release(parts[i]);
    store_close(st);
    loops_free(loops);
}

/* Writers, readers and watches at once: each reader sees every record once, in order, whole; the same after a
 * restart. */
static void test_all_at_once(void **state)
{
    (void)state;
    char *dir = scratch_new();
    config_init(&conf);
    conf.wal_bytes = 1 << 20;
    conf.wal_append_max = 4096;
    conf.log_segment_bytes = 1 << 15;
    conf.log_index_interval = 512;
    conf.log_retention_ms = -1;
    store_begin(dir);
    atomic_store(&left, PARTS);
    pthread_t readers[PARTS];
    for (unsigned i = 0; i < PARTS; i++) {
        struct loop *from = loop[i % SHARDS];
        chains[i] = (struct chain){.part = i, .start.run_cb = chain_start};
        chains[i].set = (struct append_set){.from = from, .items = &chains[i].a, .n = 1, .done_cb = chain_done};
        follower_begin(i);
        loop_post(from, &chains[i].start);
        assert_int_equal(pthread_create(&readers[i], NULL, read_all, parts[i]), 0);
    }
    for (unsigned i = 0; i < PARTS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    while (atomic_load(&left))
        clock_sleep_ms(1);
    followers_end();
    assert_true(atomic_load(&fired) >= PARTS);
    store_end();

    store_begin(dir);
    for (unsigned i = 0; i < PARTS; i++) {
        follower_begin(i);
        assert_int_equal(pthread_create(&readers[i], NULL, read_all, parts[i]), 0);
    }
    for (unsigned i = 0; i < PARTS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    followers_end();
    store_end();
    config_fini(&conf);
    scratch_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
