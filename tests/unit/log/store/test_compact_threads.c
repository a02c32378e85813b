/* Compaction on real threads and a real disk: while a log is written and read it is compacted over and over, and every
 * reader sees each key's values rise, and the last one at the end. */
#include "log/base/clock.h"
#include "log/store/compact.h"
#include "log/store/shard.h"
#include "tests/lib/seed.h"
#include "tests/unit/log/store/world.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { SHARDS = 2, READERS = 2, KEYS = 40, BATCH = 8, BATCHES = 600 };

static struct config conf;
static struct loops *loops;
static struct loop *loop[SHARDS];
static struct store *st;
static struct part *part;
static uint32_t last[KEYS]; /* as written, once done */
static _Atomic bool written;

static struct writer {
    struct append_set set;
    struct append a;
    struct msg start;
    struct wbuf out;
    struct random dice;
    uint32_t batch;
} writer;

static void writer_next(struct writer *w)
{
    if (w->batch == BATCHES) {
        atomic_store(&written, true);
        return;
    }
    w->batch++;
    struct recbatch_builder b;
    wbuf_reset(&w->out);
    recbatch_build(&b, &w->out, CODEC_NONE, NULL);
    for (uint32_t i = 0; i < BATCH; i++) {
        uint32_t key = (uint32_t)random_below(&w->dice, KEYS);
        char k[4], value[40] = "";
        put_be32(k, key);
        put_be32(value, last[key] = w->batch * BATCH + i);
        recbatch_add(&b, 1000, (struct str){k, 4}, (struct str){value, sizeof value}, NULL, 0);
    }
    CHECK(recbatch_finish(&b, NULL));
    w->a.bytes = w->out.data;
    w->a.len = (uint32_t)w->out.len;
    store_append(st, &w->set);
}

static void writer_done(struct append_set *set)
{
    struct writer *w = container_of(set, struct writer, set);
    CHECK(w->a.status == 0);
    writer_next(w);
}

static void writer_start(struct msg *m) { writer_next(container_of(m, struct writer, start)); }

/* From the log's beginning to its end as it then is, over as many views as there come. */
static void walk(uint32_t seen[KEYS])
{
    uint8_t *bytes = xalloc(1 << 20);
    int64_t offset = 0;
    for (;;) {
        struct view *v = part_view(part);
        if (!v || offset >= v->high_watermark) {
            counted_release(v ? &v->c : NULL);
            break;
        }
        struct slice s;
        CHECK(view_read(v, offset, INT64_MAX, 5000, true, true, &s) == 0 && s.len > 0);
        CHECK(slice_read(&s, 0, bytes, s.len, true) == s.len);
        struct recbatch rb;
        for (uint32_t at = 0; at < s.len; at += rb.size) {
            struct recbatch_iter it;
            struct record rec;
            CHECK(recbatch_peek(&rb, (struct str){(char *)bytes + at, s.len - at}) == 0);
            CHECK(recbatch_check_crc(&rb, bytes + at) == 0 && recbatch_last_offset(&rb) >= offset);
            CHECK(recbatch_iter(&it, &rb, NULL, NULL, 0) == 0);
            while (recbatch_next(&it, &rec)) {
                uint32_t key = be32(rec.key.ptr), value = be32(rec.value.ptr);
                CHECK(rec.offset < offset || value > seen[key]);
                seen[key] = MAX(seen[key], value);
            }
            offset = recbatch_last_offset(&rb) + 1;
        }
        slice_release(&s);
        counted_release(&v->c);
    }
    xfree(bytes);
}

static void *reader_run(void *arg)
{
    (void)arg;
    for (bool over = false; !over;) {
        over = atomic_load(&written);
        uint32_t seen[KEYS] = {0};
        walk(seen);
        for (int k = 0; k < KEYS && over; k++)
            CHECK(seen[k] == last[k]);
    }
    return NULL;
}

/* How many segments and records there are. */
static unsigned look(uint32_t *records)
{
    struct view *v = part_view(part);
    unsigned n = v->list->n;
    *records = 0;
    for (unsigned i = 0; i < n; i++) {
        struct seg_file *sf;
        CHECK(segment_open(v->list->seg[i], 0, true, &sf) == 0);
        uint8_t buf[512];
        struct scan s;
        scan_init(&s, sf->f, 0, i + 1 < n ? atomic_load(&v->list->seg[i]->size) : v->end_pos, true, buf, sizeof buf);
        struct recbatch rb;
        while (scan_next(&s, &rb) == 1)
            *records += (uint32_t)rb.count;
        seg_file_release(sf);
    }
    counted_release(&v->c);
    return n;
}

static void test_under_load(void **state)
{
    (void)state;
    char *dir = scratch_new();
    config_init(&conf);
    conf.wal_bytes = 1 << 18;
    conf.wal_append_max = 4096;
    conf.log_segment_bytes = 1 << 13;
    conf.log_index_interval = 512;
    conf.cleaner_backoff_ms = 2;
    loops = loops_new(SHARDS);
    st = world_real(dir, &conf, loops, loop, SHARDS);
    struct part_conf pc;
    part_conf_default(&pc, &conf);
    pc.compact = pc.keep = true;
    pc.dirty_ratio = 0.2;
    part = part_new(st, world_topic(1), 0, "t", &pc);
    wbuf_init(&writer.out);
    random_seed(&writer.dice, test_seed());
    writer.a = (struct append){.part = part};
    writer.set = (struct append_set){.from = loop[0], .items = &writer.a, .n = 1, .done_cb = writer_done};
    writer.start.run_cb = writer_start;
    loops_start(loops);
    loop_post(loop[0], &writer.start);
    pthread_t readers[READERS];
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, reader_run, NULL), 0);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    uint32_t records = 0;
    for (int tries = 0; tries < 2000; tries++) {
        if (look(&records) <= 4 && records < BATCHES * BATCH / 4)
            break;
        clock_sleep_ms(5);
    }
    assert_true(records < BATCHES * BATCH / 4);
    loops_stop(loops);
    part_release(part);
    store_close(st);
    loops_free(loops);
    wbuf_fini(&writer.out);
    config_fini(&conf);
    scratch_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_under_load)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
