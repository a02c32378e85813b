/* The store over the simulated disk: what is appended is read back, also after reopening, rolling, trimming,
 * deleting. */
#include "tests/unit/log/store/world.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <stdio.h>

static struct world world;
#define W (&world)

static int set_up(void **state)
{
    (void)state;
    world_init(W, 7);
    assert_int_equal(world_open(W, 2), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (W->st)
        world_crash(W, SIMDISK_KILL); /* a test that failed has handles open */
    world_fini(W);
    return 0;
}

static void must_append(struct part *p, const struct spec *sp, int64_t want)
{
    int64_t base;
    assert_int_equal(world_append(W, p, sp, &base), 0);
    assert_int_equal(base, want);
}

static void reopen(unsigned nloops)
{
    world_close(W);
    assert_int_equal(world_open(W, nloops), 0);
}

/* What was appended is read back, batch by batch and in one go, and offsets count records. */
static void test_append_read(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    must_append(p, &(struct spec){.n = 1, .mark = 1}, 0);
    must_append(p, &(struct spec){.n = 3, .mark = 2, .codec = CODEC_LZ4}, 1);
    must_append(p, &(struct spec){.n = 2, .mark = 3}, 4);
    uint64_t marks[6];
    assert_int_equal(world_read(W, p, 0, 1, marks, 6), 6);
    static const uint64_t want[] = {1, 2, 2, 2, 3, 3};
    assert_memory_equal(marks, want, sizeof want);
    assert_int_equal(world_read(W, p, 0, 1 << 20, marks, 6), 6);
    assert_memory_equal(marks, want, sizeof want);
    assert_int_equal(world_read(W, p, 3, 1, NULL, 0), 3);
    part_release(p);
}

/* A log of many segments and batches small and large is whole after a clean restart with another number of shards. */
static void test_roll_reopen(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 3);
    enum { N = 120 };
    for (int i = 0; i < N; i++)
        must_append(p, &(struct spec){.n = 1, .bytes = (size_t)(i * 37 % 900), .mark = (uint64_t)i, .ts = 1000 + i}, i);
    part_release(p);
    for (unsigned shards = 1; shards <= 4; shards++) {
        reopen(shards);
        p = world_part(W, 0, 3);
        uint64_t marks[N];
        assert_int_equal(world_read(W, p, 0, 700, marks, N), N);
        for (int i = 0; i < N; i++)
            assert_int_equal(marks[i], i);
        part_release(p);
    }
}

/* A crash that loses all that is not synced loses nothing acknowledged, however it was written. */
static void test_crash_keeps(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0), *q = world_part(W, 1, 0);
    enum { N = 60 };
    for (int i = 0; i < N; i++) {
        must_append(p, &(struct spec){.n = 1, .bytes = 100, .mark = (uint64_t)i}, i);
        must_append(q, &(struct spec){.n = 1, .bytes = i % 3 ? 50 : 3900, .mark = (uint64_t)i}, i);
    }
    world_crash(W, SIMDISK_LOSE);
    assert_int_equal(world_open(W, 3), 0);
    p = world_part(W, 0, 0);
    q = world_part(W, 1, 0);
    uint64_t marks[N];
    assert_int_equal(world_read(W, p, 0, 5000, marks, N), N);
    for (int i = 0; i < N; i++)
        assert_int_equal(marks[i], i);
    assert_int_equal(world_read(W, q, 0, 5000, marks, N), N);
    part_release(p);
    part_release(q);
}

/* The bounds of reading: below the start and above the end is an error, the end itself is empty, and a slice ends at a
 * batch within its size. */
static void test_read_bounds(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    for (int i = 0; i < 30; i++)
        must_append(p, &(struct spec){.n = 2, .bytes = 60}, 2 * i);
    struct view *v = world_view(W, p);
    struct slice s;
    assert_int_equal(view_read(v, -1, INT64_MAX, 100, true, true, &s), E_OFFSET_RANGE);
    assert_int_equal(view_read(v, 61, INT64_MAX, 100, true, true, &s), E_OFFSET_RANGE);
    assert_int_equal(view_read(v, 60, INT64_MAX, 100, true, true, &s), 0);
    assert_int_equal(s.len, 0);
    assert_int_equal(view_read(v, 5, INT64_MAX, 10, false, true, &s), 0);
    assert_int_equal(s.len, 0); /* not even one fits, and none was demanded */
    assert_int_equal(view_read(v, 5, INT64_MAX, 10, true, true, &s), 0);
    assert_int_equal(s.first_offset, 4);
    uint32_t one = s.len;
    slice_release(&s);
    assert_int_equal(view_read(v, 5, INT64_MAX, 3 * one, true, true, &s), 0);
    assert_int_equal(s.len, 3 * one);
    slice_release(&s);
    assert_int_equal(view_read(v, 5, INT64_MAX, 3 * one - 1, true, true, &s), 0);
    assert_int_equal(s.len, 2 * one);
    slice_release(&s);
    assert_int_equal(view_read(v, 4, 7, 1 << 20, true, true, &s), 0);
    assert_int_equal(s.len, 2 * one); /* the batch that straddles upto is whole */
    slice_release(&s);
    counted_release(&v->c);
    part_release(p);
}

/* Wherever a read begins and whatever bounds it, by offset or by size, it gives whole batches and tells where they end,
 * also where batches are of all sizes and far more than a scan's buffer holds. */
static void test_read_whole(void **state)
{
    (void)state;
    enum { N = 150 };
    struct part *p = world_part(W, 0, 0);
    uint32_t size[N];
    for (int i = 0; i < N; i++)
        must_append(p, &(struct spec){.n = 1, .bytes = (size_t)(i * 37 % (i % 10 ? 150 : 900))}, i);
    struct view *v = world_view(W, p);
    struct slice s;
    for (int i = 0; i < N; i++) {
        assert_int_equal(view_read(v, i, i + 1, 1, true, true, &s), 0);
        size[i] = s.len;
        slice_release(&s);
    }
    for (int from = 0; from < N; from += 7)
        for (int upto = from + 1; upto <= N; upto++)
            for (uint32_t max = 100; max < 30000; max += max) {
                assert_int_equal(view_read(v, from, upto, max, true, true, &s), 0);
                uint32_t len = 0;
                for (int64_t i = from; i < s.end_offset; i++)
                    len += size[i];
                assert_true(s.first_offset == from && s.end_offset > from && s.end_offset <= upto);
                assert_int_equal(s.len, len);
                slice_release(&s);
            }
    counted_release(&v->c);
    part_release(p);
}

/* A view shows what it showed when it was taken, whatever is appended since (KAFKA-9835). */
static void test_old_view(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    struct slice s;
    must_append(p, &(struct spec){.n = 2, .bytes = 60}, 0);
    struct view *v = world_view(W, p);
    must_append(p, &(struct spec){.n = 2, .bytes = 60}, 2);
    assert_int_equal(view_read(v, 0, INT64_MAX, 1 << 20, true, true, &s), 0);
    assert_int_equal(s.len, view_bytes(v));
    assert_int_equal(s.end_offset, 2);
    slice_release(&s);
    counted_release(&v->c);
    part_release(p);
}

/* A producer's batches: duplicates get their first offset, gaps are refused, an epoch begins at 0, and all of it holds
 * after a restart. */
static void test_idempotence(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    for (int i = 0; i < 7; i++)
        must_append(p, &(struct spec){.n = 2, .pid = 9, .seq = 2 * i}, 2 * i);
    for (int round = 0; round < 2; round++) {
        must_append(p, &(struct spec){.n = 2, .pid = 9, .seq = 12}, 12);
        must_append(p, &(struct spec){.n = 2, .pid = 9, .seq = 4}, 4);
        assert_int_equal(world_append(W, p, &(struct spec){.n = 2, .pid = 9, .seq = 2}, NULL), E_SEQUENCE);
        assert_int_equal(world_append(W, p, &(struct spec){.n = 2, .pid = 9, .seq = 15}, NULL), E_SEQUENCE);
        assert_int_equal(world_append(W, p, &(struct spec){.n = 1, .pid = 9, .seq = 12}, NULL), E_SEQUENCE);
        part_release(p);
        reopen(1 + (unsigned)round);
        p = world_part(W, 0, 0);
    }
    assert_int_equal(world_append(W, p, &(struct spec){.n = 1, .pid = 9, .epoch = 1, .seq = 5}, NULL), E_SEQUENCE);
    must_append(p, &(struct spec){.n = 1, .pid = 9, .epoch = 1, .seq = 0}, 14);
    assert_int_equal(world_append(W, p, &(struct spec){.n = 1, .pid = 9, .epoch = 0, .seq = 14}, NULL),
                     E_PRODUCER_EPOCH);
    must_append(p, &(struct spec){.n = 1, .pid = 9, .epoch = 1, .seq = 1}, 15);
    part_release(p);
}

/* After 2^31 - 1 comes 0, also inside a batch. */
static void test_sequence_wraps(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    must_append(p, &(struct spec){.n = 2, .pid = 1, .seq = INT32_MAX - 2}, 0);
    must_append(p, &(struct spec){.n = 3, .pid = 1, .seq = INT32_MAX}, 2); /* MAX, 0, 1 */
    assert_int_equal(world_append(W, p, &(struct spec){.n = 1, .pid = 1, .seq = 1}, NULL), E_SEQUENCE);
    must_append(p, &(struct spec){.n = 1, .pid = 1, .seq = 2}, 5);
    must_append(p, &(struct spec){.n = 3, .pid = 1, .seq = INT32_MAX}, 2);
    part_release(p);
}

/* A duplicate of a batch in the same commit is answered with that batch, once it is durable. */
static void test_duplicate_in_flight(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    struct one o[3];
    for (int i = 0; i < 3; i++)
        one_start(W, &o[i], p, &(struct spec){.n = 2, .pid = 4, .seq = i == 2 ? 2 : 0});
    for (int i = 0; i < 3; i++)
        assert_int_equal(one_wait(W, &o[i]), 0);
    assert_int_equal(o[0].a.base_offset, 0);
    assert_int_equal(o[1].a.base_offset, 0);
    assert_int_equal(o[2].a.base_offset, 2);
    assert_int_equal(world_read(W, p, 0, 4096, NULL, 0), 4);
    part_release(p);
}

/* A failed append leaves no trace: not in the log, not in what is known of its producer. */
static void test_full_disk(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    must_append(p, &(struct spec){.n = 1, .pid = 5, .seq = 0, .bytes = 100}, 0);
    simdisk_set_capacity(W->sd, 1);
    assert_int_equal(world_append(W, p, &(struct spec){.n = 1, .pid = 5, .seq = 1, .bytes = 500}, NULL), E_FULL);
    assert_int_equal(world_append(W, p, &(struct spec){.n = 1, .pid = 5, .seq = 1, .bytes = 3900}, NULL), E_FULL);
    assert_int_equal(world_read(W, p, 0, 4096, NULL, 0), 1); /* reads go on */
    simdisk_set_capacity(W->sd, -1);
    must_append(p, &(struct spec){.n = 1, .pid = 5, .seq = 1, .bytes = 500}, 1);
    must_append(p, &(struct spec){.n = 1, .pid = 5, .seq = 2, .bytes = 3900}, 2);
    assert_int_equal(world_read(W, p, 0, 4096, NULL, 0), 3);
    part_release(p);
    reopen(2);
    p = world_part(W, 0, 0);
    assert_int_equal(world_read(W, p, 0, 4096, NULL, 0), 3);
    part_release(p);
}

/* After a failed sync nothing is acknowledged until the next start, and nothing acknowledged is lost. */
static void test_failed_sync(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    must_append(p, &(struct spec){.n = 1, .mark = 1}, 0);
    simdisk_fail_nth(W->sd, SIMDISK_EIO_SYNC, 1);
    assert_int_equal(world_append(W, p, &(struct spec){.n = 1, .mark = 2}, NULL), E_STORAGE);
    assert_int_equal(world_append(W, p, &(struct spec){.n = 1, .mark = 3}, NULL), E_STORAGE);
    assert_int_equal(world_read(W, p, 0, 4096, NULL, 0), 1);
    struct store_stats stats;
    store_stats(W->st, &stats);
    assert_true(stats.failed);
    part_release(p);
    reopen(1);
    p = world_part(W, 0, 0);
    assert_true(world_read(W, p, 0, 4096, NULL, 0) >= 1);
    assert_int_equal(world_append(W, p, &(struct spec){.n = 1, .mark = 4}, NULL), 0);
    part_release(p);
}

/* Sizes: a batch above the topic's or the segment's size is refused by its own error. */
static void test_sizes(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    struct part_conf pc;
    part_conf_default(&pc, &W->conf);
    pc.max_message_bytes = 500;
    part_set_conf(p, &pc);
    assert_int_equal(world_append(W, p, &(struct spec){.n = 1, .bytes = 600}, NULL), E_TOO_LARGE);
    pc.max_message_bytes = 1 << 20;
    part_set_conf(p, &pc);
    assert_int_equal(world_append(W, p, &(struct spec){.n = 1, .bytes = 5000}, NULL), E_SEGMENT_SIZE);
    must_append(p, &(struct spec){.n = 1, .bytes = 600}, 0);
    part_release(p);
}

/* LogAppendTime: batches carry the broker's clock and a sound checksum, and the answer tells the time. */
static void test_append_time(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    struct part_conf pc;
    part_conf_default(&pc, &W->conf);
    pc.append_time = true;
    part_set_conf(p, &pc);
    struct one o;
    one_start(W, &o, p, &(struct spec){.n = 2, .ts = 5});
    assert_int_equal(one_wait(W, &o), 0);
    assert_true(o.a.append_time_ms > 5);
    assert_int_equal(world_read(W, p, 0, 4096, NULL, 0), 2);
    struct view *v = world_view(W, p);
    int64_t offset, ts;
    assert_int_equal(view_find_time(v, 6, INT64_MAX, &offset, &ts), 0);
    assert_int_equal(offset, 0);
    assert_int_equal(ts, o.a.append_time_ms);
    counted_release(&v->c);
    part_release(p);
}

/* The first offset at or after a time, and the record of the largest, agree with a search of all records. */
static void test_times(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    enum { N = 150 };
    int64_t ts[N];
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < N; i += 3) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        int64_t at = (int64_t)(x % 1000);
        for (int k = 0; k < 3; k++)
            ts[i + k] = at + k;
        must_append(p, &(struct spec){.n = 3, .ts = at, .bytes = 40, .codec = i % 2 ? CODEC_ZSTD : CODEC_NONE}, i);
    }
    for (int round = 0; round < 2; round++) {
        struct view *v = world_view(W, p);
        for (int64_t t = -1; t < 1010; t += 7) {
            int want = 0;
            while (want < N && ts[want] < t)
                want++;
            int64_t offset, found;
            assert_int_equal(view_find_time(v, t, INT64_MAX, &offset, &found), 0);
            assert_int_equal(offset, want < N ? want : -1);
            assert_int_equal(found, want < N ? ts[want] : -1);
        }
        int best = 0;
        for (int i = 1; i < N; i++)
            best = ts[i] > ts[best] ? i : best;
        int64_t offset, found;
        assert_int_equal(view_find_max_time(v, INT64_MAX, &offset, &found), 0);
        assert_int_equal(offset, best);
        assert_int_equal(found, ts[best]);
        counted_release(&v->c);
        part_release(p);
        reopen(2);
        p = world_part(W, 0, 0);
    }
    part_release(p);
}

/* Old segments go by size; the log starts where they ended, readers who hold a slice keep it, and a restart agrees. */
static void test_retention(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    for (int i = 0; i < 60; i++)
        must_append(p, &(struct spec){.n = 1, .bytes = 400, .ts = 1}, i);
    struct view *old = world_view(W, p);
    struct slice s;
    assert_int_equal(view_read(old, 0, INT64_MAX, 1000, true, true, &s), 0);
    struct part_conf pc;
    part_conf_default(&pc, &W->conf);
    pc.retention_bytes = 9000;
    pc.retention_ms = -1;
    part_set_conf(p, &pc);
    part_retain(p, 0);
    sim_run_idle(W->sim);
    struct view *v = world_view(W, p);
    assert_true(v->log_start > 0 && v->log_start < 60);
    assert_true(view_bytes(v) >= 9000 && view_bytes(v) < 9000 + 4096);
    int64_t start = v->log_start;
    assert_int_equal(view_read(v, start - 1, INT64_MAX, 1000, true, true, &(struct slice){0}), E_OFFSET_RANGE);
    counted_release(&v->c);
    uint8_t byte[100];
    assert_int_equal(slice_read(&s, 0, byte, sizeof byte, true), sizeof byte);
    slice_release(&s);
    counted_release(&old->c);
    part_release(p);
    reopen(1);
    p = world_part(W, 0, 0);
    assert_int_equal(world_read(W, p, start, 4096, NULL, 0), 60 - start);

    /* All of it too old: the log is empty, and goes on where it was. */
    pc.retention_ms = 10;
    part_set_conf(p, &pc);
    part_retain(p, 1000000);
    sim_run_idle(W->sim);
    v = world_view(W, p);
    assert_int_equal(v->log_start, 60);
    counted_release(&v->c);
    world_crash(W, SIMDISK_LOSE);
    assert_int_equal(world_open(W, 2), 0);
    p = world_part(W, 0, 0);
    must_append(p, &(struct spec){.n = 1}, 60);
    part_release(p);
}

/* A trimmed log starts where it was told to, now and after a restart, even inside a segment. */
static void test_trim(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    for (int i = 0; i < 40; i++)
        must_append(p, &(struct spec){.n = 1, .bytes = 400}, i);
    assert_int_equal(part_trim(p, 41), E_OFFSET_RANGE);
    assert_int_equal(part_trim(p, 23), 0);
    sim_run_idle(W->sim);
    assert_int_equal(world_read(W, p, 23, 4096, NULL, 0), 17);
    assert_int_equal(world_read(W, p, 22, 4096, NULL, 0), E_OFFSET_RANGE);
    part_release(p);
    reopen(2);
    p = world_part(W, 0, 0);
    assert_int_equal(world_read(W, p, 23, 4096, NULL, 0), 17);
    assert_int_equal(world_read(W, p, 22, 4096, NULL, 0), E_OFFSET_RANGE);
    part_release(p);
}

struct fired {
    struct watch watch;
    int count, status;
};

static void fired_cb(struct watch *w, int status)
{
    struct fired *f = container_of(w, struct fired, watch);
    f->count++;
    f->status = status;
}

/* Each watch is called exactly once: for the right offset, on deletion, or after it was taken back. */
static void test_watches(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    struct fired f[5];
    for (unsigned i = 0; i < 5; i++)
        f[i] = (struct fired){.watch = {.loop = W->loops[i % 2], .above = i == 0 ? -1 : (int64_t)i, .fired_cb = fired_cb}};
    for (unsigned i = 0; i < 5; i++)
        part_watch(p, &f[i].watch);
    must_append(p, &(struct spec){.n = 3}, 0);
    sim_run_idle(W->sim);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(f[i].count, 1);
        assert_int_equal(f[i].status, 0);
    }
    assert_int_equal(f[3].count + f[4].count, 0);
    part_unwatch(&f[3].watch);
    part_unwatch(&f[3].watch);
    sim_run_idle(W->sim);
    assert_int_equal(f[3].count, 1);
    assert_int_equal(f[3].status, E_CANCELED);
    part_delete(p);
    sim_run_idle(W->sim);
    assert_int_equal(f[4].count, 1);
    assert_int_equal(f[4].status, E_NO_TOPIC);
    assert_int_equal(world_append(W, p, &(struct spec){.n = 1}, NULL), E_NO_TOPIC);
    part_release(p);
}

/* A deleted partition's folder is gone, at once and after a crash. */
static void test_delete(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0), *q = world_part(W, 0, 1);
    must_append(p, &(struct spec){.n = 1}, 0);
    must_append(q, &(struct spec){.n = 1}, 0);
    part_delete(p);
    sim_run_idle(W->sim);
    char path[200], id[UUID_TEXT];
    uuid_format(world_topic(0), id);
    snprintf(path, sizeof path, "/data/topics/%s/0", id);
    assert_false(disk_exists(W->disk, path));
    part_release(p);
    must_append(q, &(struct spec){.n = 1}, 1);
    part_delete(q);
    sim_run_idle(W->sim);
    part_release(q);
    world_crash(W, SIMDISK_LOSE);
    assert_int_equal(world_open(W, 1), 0);
    snprintf(path, sizeof path, "/data/topics/%s/0/00000000000000000000.log", id);
    assert_false(disk_exists(W->disk, path));
}

/* An internal append of several batches is one: a bad one among them refuses all. */
static void test_many(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    struct wbuf out;
    wbuf_init(&out);
    for (int i = 0; i < 20; i++) {
        struct buf *b = spec_build(&(struct spec){.n = 2, .bytes = 400, .mark = (uint64_t)i});
        wbuf_put(&out, b->data, b->len);
        buf_release(b);
    }
    struct one o = {.buf = buf_new(out.len)};
    memcpy(o.buf->data, out.data, out.len);
    o.a = (struct append){.part = p, .buf = o.buf, .bytes = o.buf->data, .len = (uint32_t)out.len,
                          .flags = APPEND_MANY};
    wbuf_fini(&out);
    struct one first;
    one_start(W, &first, p, &(struct spec){.n = 1});
    assert_int_equal(one_wait(W, &first), 0);
    o.set = first.set;
    o.set.items = &o.a;
    store_append(W->st, &o.set);
    while (atomic_load(&o.set.left) || !o.done)
        assert_true(sim_step(W->sim));
    assert_int_equal(o.a.status, 0);
    assert_int_equal(o.a.base_offset, 1);
    uint64_t marks[41];
    assert_int_equal(world_read(W, p, 0, 777, marks, 41), 41);
    for (int i = 0; i < 40; i++)
        assert_int_equal(marks[1 + i], i / 2);
    buf_release(o.buf);
    part_release(p);
}

static void check_epochs(void)
{
    struct part *p = world_part(W, 0, 0);
    struct view *v = world_view(W, p);
    int32_t epoch;
    int64_t end;
    view_epoch_end(v, 2, &epoch, &end);
    assert_int_equal(epoch, 0);
    assert_int_equal(end, 5);
    view_epoch_end(v, 4, &epoch, &end);
    assert_int_equal(end, 10);
    view_epoch_end(v, 5, &epoch, &end);
    assert_int_equal(end, -1);
    counted_release(&v->c);
    part_release(p);
}

/* Leader epochs are remembered with where they began, also over a restart, and when their file is damaged meanwhile. */
static void test_epochs(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    must_append(p, &(struct spec){.n = 5}, 0);
    part_lead(p, 4);
    must_append(p, &(struct spec){.n = 5}, 5);
    part_release(p);
    reopen(1);
    check_epochs();
    world_close(W);
    char path[200], id[UUID_TEXT];
    uuid_format(world_topic(0), id);
    snprintf(path, sizeof path, "/data/topics/%s/0/epochs", id);
    assert_int_equal(simdisk_flip(W->sd, path, 8 + 12 + 11, 0), 0); /* where the second began */
    assert_int_equal(world_open(W, 1), 0);
    check_epochs();
}

/* A second server is refused, and so is a folder of a newer format, with a sentence. */
static void test_refused_folders(void **state)
{
    (void)state;
    struct diag d = {0};
    struct store *other;
    assert_int_equal(store_open(&other, W->disk, "/data", W->loops, 1, &W->conf, &d), E_LOCKED);
    assert_non_null(strstr(d.text, "another weir"));
    world_close(W);
    char *text;
    size_t len;
    assert_int_equal(disk_read_file(W->disk, "/data/meta.properties", 4096, &text, &len), 0);
    char *at = strstr(text, "weir.format=1");
    assert_non_null(at);
    at[12] = '2';
    assert_int_equal(disk_write_file(W->disk, "/data/meta.properties", text, len), 0);
    assert_int_equal(store_open(&other, W->disk, "/data", W->loops, 1, &W->conf, &d), E_NEWER_FORMAT);
    assert_non_null(strstr(d.text, "newer version"));
    at[12] = '1';
    char *version = strstr(text, "version=1");
    assert_non_null(version);
    version[8] = '2';
    assert_int_equal(disk_write_file(W->disk, "/data/meta.properties", text, len), 0);
    assert_int_equal(store_open(&other, W->disk, "/data", W->loops, 1, &W->conf, &d), E_NEWER_FORMAT);
    assert_non_null(strstr(d.text, "use that version"));
    version[8] = 'x';
    assert_int_equal(disk_write_file(W->disk, "/data/meta.properties", text, len), 0);
    assert_int_equal(store_open(&other, W->disk, "/data", W->loops, 1, &W->conf, &d), E_CORRUPT);
    version[8] = '1';
    assert_int_equal(disk_write_file(W->disk, "/data/meta.properties", text, len), 0);
    xfree(text);
    assert_int_equal(world_open(W, 1), 0);
}

static int refuse_stranger(const char *name, bool folder)
{
    char path[100];
    struct store *st;
    struct diag d = {0};
    snprintf(path, sizeof path, "/theirs/%s", name);
    assert_int_equal(disk_mkdir(W->disk, "/theirs"), 0);
    if (folder)
        assert_int_equal(disk_mkdir(W->disk, path), 0);
    snprintf(path + strlen(path), sizeof path - strlen(path), "%s", folder ? "/notes.txt" : "");
    assert_int_equal(disk_write_file(W->disk, path, "x", 1), 0);
    int err = store_open(&st, W->disk, "/theirs", W->loops, 1, &W->conf, &d);
    assert_true(disk_exists(W->disk, path));
    assert_non_null(strstr(d.text, "meta.properties"));
    assert_false(disk_exists(W->disk, "/theirs/lock") || disk_exists(W->disk, "/theirs/meta.properties"));
    assert_int_equal(disk_remove_tree(W->disk, "/theirs"), 0);
    return err;
}

/* A folder that others use is refused with a sentence, and nothing is put into it or taken out. What a stop before the
 * first line leaves behind, and what file systems have, is no stranger. */
static void test_folder_of_others(void **state)
{
    (void)state;
    assert_int_equal(refuse_stranger("notes.txt", false), E_BAD_CONFIG);
    assert_int_equal(refuse_stranger("trash", true), E_BAD_CONFIG);
    assert_int_equal(refuse_stranger("topics", true), E_BAD_CONFIG);
    assert_int_equal(refuse_stranger("wal", true), E_CORRUPT);
    assert_int_equal(refuse_stranger("checkpoint", false), E_CORRUPT);
    world_close(W);
    assert_int_equal(disk_remove_tree(W->disk, "/data"), 0);
    static const char *const left[] = {"/data", "/data/wal", "/data/topics", "/data/trash", "/data/lost+found"};
    for (size_t i = 0; i < ARRAY_LEN(left); i++)
        assert_int_equal(disk_mkdir(W->disk, left[i]), 0);
    assert_int_equal(disk_write_file(W->disk, "/data/meta.properties.tmp", "ver", 3), 0);
    assert_int_equal(disk_write_file(W->disk, "/data/lock", "7", 1), 0);
    assert_int_equal(world_open(W, 1), 0);
}

/* Damage below what was synced is told and never cut off: records before it are served, writes are refused. */
static void test_rot(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    for (int i = 0; i < 8; i++)
        must_append(p, &(struct spec){.n = 1, .bytes = 400}, i);
    struct view *v = world_view(W, p);
    struct slice s;
    assert_int_equal(view_read(v, 0, INT64_MAX, 1, true, true, &s), 0);
    uint32_t one = s.len;
    slice_release(&s);
    counted_release(&v->c);
    world_crash(W, SIMDISK_KILL);
    assert_int_equal(world_open(W, 1), 0); /* replay makes it durable */
    world_close(W);
    char path[200], id[UUID_TEXT];
    uuid_format(world_topic(0), id);
    snprintf(path, sizeof path, "/data/topics/%s/0/00000000000000000000.log", id);
    assert_int_equal(simdisk_flip(W->sd, path, 5 * one + 100, 3), 0);
    assert_int_equal(world_open(W, 1), 0);
    p = world_part(W, 0, 0);
    v = world_view(W, p);
    assert_int_equal(v->high_watermark, 8);
    assert_int_equal(view_read(v, 4, INT64_MAX, 1, true, true, &s), 0);
    slice_release(&s);
    counted_release(&v->c);
    assert_int_equal(world_append(W, p, &(struct spec){.n = 1}, NULL), E_STORAGE);
    part_release(p);
}

/* Damage inside a closed segment is told each time it is asked for, never jumped over; what lies around it is served. A
 * wrong entry in its index file costs a scan and nothing else. */
static void test_rot_closed(void **state)
{
    (void)state;
    enum { N = 40, BAD = 5 };
    world_close(W);
    W->conf.log_index_interval = 64;
    W->conf.log_segment_bytes = 4096;
    assert_int_equal(world_open(W, 1), 0);
    struct part *p = world_part(W, 0, 0);
    for (int i = 0; i < N; i++)
        must_append(p, &(struct spec){.n = 1, .bytes = 300, .ts = i}, i);
    struct slice s;
    struct view *v = world_view(W, p);
    assert_int_equal(view_read(v, 0, INT64_MAX, 1, true, true, &s), 0);
    uint32_t one = s.len;
    slice_release(&s);
    counted_release(&v->c);
    part_release(p);
    world_close(W);
    char data[200], index[200], id[UUID_TEXT];
    uuid_format(world_topic(0), id);
    snprintf(data, sizeof data, "/data/topics/%s/0/00000000000000000000.log", id);
    snprintf(index, sizeof index, "/data/topics/%s/0/00000000000000000000.index", id);
    assert_int_equal(simdisk_flip(W->sd, index, 64 + 2 * 16 + 7, 2), 0); /* the place of the third entry */
    assert_int_equal(world_open(W, 1), 0);
    p = world_part(W, 0, 0);
    assert_int_equal(world_read(W, p, 0, 1, NULL, 0), N);
    assert_int_equal(world_read(W, p, 3, 1, NULL, 0), N - 3);
    part_release(p);
    world_close(W);
    assert_int_equal(simdisk_flip(W->sd, index, 64 + 2 * 16 + 7, 2), 0);
    assert_int_equal(simdisk_flip(W->sd, data, BAD * one + 16, 0), 0); /* its format */
    assert_int_equal(world_open(W, 1), 0);
    p = world_part(W, 0, 0);
    v = world_view(W, p);
    for (int round = 0; round < 3; round++)
        for (int64_t i = 0; i < N; i++) {
            int rc = view_read(v, i, INT64_MAX, 1, true, true, &s);
            assert_int_equal(rc, i == BAD ? E_CORRUPT : 0);
            if (rc == 0)
                assert_int_equal(s.first_offset, i);
            slice_release(&s);
        }
    counted_release(&v->c);
    part_release(p);
}

/* A missing or damaged index file costs a scan and nothing else. */
static void test_index_lost(void **state)
{
    (void)state;
    struct part *p = world_part(W, 0, 0);
    enum { N = 40 };
    for (int i = 0; i < N; i++)
        must_append(p, &(struct spec){.n = 1, .bytes = 300, .ts = i}, i);
    part_release(p);
    world_close(W);
    char path[200], id[UUID_TEXT];
    uuid_format(world_topic(0), id);
    snprintf(path, sizeof path, "/data/topics/%s/0/00000000000000000000.index", id);
    assert_true(disk_exists(W->disk, path));
    assert_int_equal(disk_unlink(W->disk, path), 0);
    assert_int_equal(world_open(W, 1), 0);
    p = world_part(W, 0, 0);
    assert_int_equal(world_read(W, p, 0, 4096, NULL, 0), N);
    part_release(p);
    world_close(W);
    assert_int_equal(disk_write_file(W->disk, path, "nonsense", 8), 0);
    assert_int_equal(world_open(W, 1), 0);
    p = world_part(W, 0, 0);
    assert_int_equal(world_read(W, p, 0, 4096, NULL, 0), N);
    part_release(p);
}

/* log.sync=os acknowledges what is written and syncs nothing for it. */
static void test_sync_os(void **state)
{
    (void)state;
    world_close(W);
    W->conf.log_sync = "os";
    assert_int_equal(world_open(W, 2), 0);
    struct part *p = world_part(W, 0, 0);
    must_append(p, &(struct spec){.n = 1}, 0);
    int64_t before = simdisk_counts(W->sd).syncs;
    for (int i = 1; i < 5; i++)
        must_append(p, &(struct spec){.n = 1}, i);
    assert_int_equal(simdisk_counts(W->sd).syncs, before);
    part_release(p);
    reopen(1);
    p = world_part(W, 0, 0);
    assert_int_equal(world_read(W, p, 0, 4096, NULL, 0), 5);
    part_release(p);
}

/* A dead node's memory is the operating system's affair. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_append_read),   T(test_roll_reopen),    T(test_crash_keeps), T(test_read_bounds), T(test_read_whole), T(test_old_view), T(test_idempotence),
        T(test_sequence_wraps), T(test_duplicate_in_flight), T(test_full_disk), T(test_failed_sync), T(test_sizes),
        T(test_append_time),   T(test_times),          T(test_retention),   T(test_trim),        T(test_watches),
        T(test_delete),        T(test_many),           T(test_epochs),      T(test_refused_folders), T(test_rot),
        T(test_folder_of_others),
        T(test_rot_closed), T(test_index_lost),    T(test_sync_os),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
