/* Compaction: what stays and what goes, in small logs whose every step is known; the map; names of segments. */
#include "log/store/compact.h"
#include "log/store/shard.h"
#include "tests/lib/seed.h"
#include "tests/unit/log/store/world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct world world;
#define W (&world)
static struct part *part;
static struct part_conf pc;

static void begin(void)
{
    world_init(W, 7);
    W->conf.cleaner_backoff_ms = INT64_C(1) << 40; /* only when asked */
    assert_int_equal(world_open(W, 1), 0);
    part = world_part(W, 1, 0);
    part_get_conf(part, &pc);
    pc.compact = pc.keep = true;
    pc.dirty_ratio = 0;
    pc.delete_retention_ms = 60000;
    part_set_conf(part, &pc);
}

static void end(void)
{
    part_release(part);
    world_close(W);
    world_fini(W);
}

struct put {
    const char *key, *value; /* NULL: null */
};

/* Appends one batch; times count up from 1000 by offset. */
static int64_t put_as(enum codec codec, int64_t pid, int32_t seq, const struct put *puts, int n)
{
    struct wbuf out, scratch;
    wbuf_init(&out);
    wbuf_init(&scratch);
    struct recbatch_builder b;
    recbatch_build(&b, &out, codec, codec ? &scratch : NULL);
    if (pid) {
        b.producer_id = pid;
        b.producer_epoch = 0;
        b.base_sequence = seq;
    }
    for (int i = 0; i < n; i++)
        recbatch_add(&b, 1000 + i, str_of(puts[i].key), str_of(puts[i].value), NULL, 0);
    struct compress *c = compress_new();
    CHECK(recbatch_finish(&b, c));
    compress_free(c);
    struct one o = {.buf = buf_new(out.len)};
    memcpy(o.buf->data, out.data, out.len);
    o.buf->len = (uint32_t)out.len;
    o.a = (struct append){.part = part, .buf = o.buf, .bytes = o.buf->data, .len = o.buf->len};
    one_submit(W, &o, W->loops[0]);
    wbuf_fini(&out);
    wbuf_fini(&scratch);
    assert_int_equal(one_wait(W, &o), 0);
    return o.a.base_offset;
}

#define PUT(...) put_as(CODEC_NONE, 0, 0, (struct put[]){__VA_ARGS__}, ARRAY_LEN(((struct put[]){__VA_ARGS__})))

static void roll(void)
{
    sim_run_idle(W->sim);
    assert_int_equal(part_roll(part), 0);
    sim_run_idle(W->sim);
}

/* Until all that is closed is clean. */
static void compact(void)
{
    for (int i = 0; i < 50; i++) {
        part_compact(part);
        sim_run_until(W->sim, sim_now_us(W->sim) + 100000);
    }
    assert_true(part->clean.known);
}

/* The log as text: "offset:key=value " a record; "[base-last] " an empty batch. */
static const char *show(void)
{
    static char text[2000];
    size_t at = 0;
    text[0] = 0;
    struct view *v = world_view(W, part);
    for (int64_t offset = v->log_start; offset < v->high_watermark;) {
        struct slice s;
        assert_int_equal(view_read(v, offset, INT64_MAX, 1, true, true, &s), 0);
        uint8_t *bytes = xalloc(s.len);
        assert_int_equal(slice_read(&s, 0, bytes, s.len, true), s.len);
        struct recbatch rb;
        struct recbatch_iter it;
        struct record rec;
        struct wbuf room;
        wbuf_init(&room);
        struct compress *c = compress_new();
        assert_int_equal(recbatch_peek(&rb, (struct str){(char *)bytes, s.len}), 0);
        assert_int_equal(recbatch_check_crc(&rb, bytes), 0);
        assert_int_equal(recbatch_iter(&it, &rb, c, &room, 1 << 20), 0);
        if (rb.count == 0)
            at += (size_t)snprintf(text + at, sizeof text - at, "[%d-%d] ", (int)rb.base_offset,
                                   (int)recbatch_last_offset(&rb));
        while (recbatch_next(&it, &rec)) {
            assert_true(rec.ts_ms >= 1000 && rec.ts_ms < 1100);
            at += (size_t)snprintf(text + at, sizeof text - at, "%d:%.*s=%.*s ", (int)rec.offset, STR_ARG(rec.key),
                                   STR_ARG(rec.value));
        }
        assert_int_equal(recbatch_iter_err(&it), 0);
        offset = recbatch_last_offset(&rb) + 1;
        compress_free(c);
        wbuf_fini(&room);
        xfree(bytes);
        slice_release(&s);
    }
    counted_release(&v->c);
    return text;
}

/* Of each key the newest record stays, in its place; the segment that is appended to is not touched. */
static void test_newest(void **state)
{
    (void)state;
    begin();
    PUT({"a", "1"}, {"b", "2"}, {"a", "3"});
    PUT({"c", "4"}, {NULL, "no key"});
    PUT({"b", "5"});
    roll();
    PUT({"c", "6"}, {"c", "7"});
    compact();
    assert_string_equal(show(), "2:a=3 3:c=4 4:=no key 5:b=5 6:c=6 7:c=7 ");
    roll();
    compact();
    assert_string_equal(show(), "2:a=3 4:=no key 5:b=5 7:c=7 ");
    assert_int_equal(part->list->n, 2);
    end();
}

/* A compressed batch is compressed again with its codec; a batch that loses nothing keeps its bytes. */
static void test_codec(void **state)
{
    (void)state;
    begin();
    struct put some[] = {{"a", "1"}, {"b", "2"}, {"c", "3"}};
    put_as(CODEC_ZSTD, 0, 0, some, 3);
    PUT({"b", "4"});
    roll();
    compact();
    assert_string_equal(show(), "0:a=1 2:c=3 3:b=4 ");
    struct view *v = world_view(W, part);
    struct slice s;
    uint8_t head[RECBATCH_HEAD];
    assert_int_equal(view_read(v, 0, INT64_MAX, 1, true, true, &s), 0);
    assert_int_equal(slice_read(&s, 0, head, sizeof head, true), sizeof head);
    struct recbatch rb;
    assert_int_equal(recbatch_peek_head(&rb, (struct str){(char *)head, sizeof head}), 0);
    assert_int_equal(recbatch_codec(&rb), CODEC_ZSTD);
    assert_int_equal(rb.count, 2);
    assert_int_equal(rb.last_offset_delta, 2);
    slice_release(&s);
    counted_release(&v->c);
    end();
}

/* A tombstone stays for delete.retention.ms from the pass that first met it, however old it was then; a pass comes for
 * it though nothing else is dirty. */
static void test_tombstone(void **state)
{
    (void)state;
    begin();
    PUT({"a", "1"});
    PUT({"a", NULL}, {"b", "2"});
    roll();
    sim_wall_jump(W->sim, 100000);
    compact();
    assert_string_equal(show(), "1:a= 2:b=2 ");
    assert_true(part->clean.horizon > loop_wall_ms(W->loops[0]));
    sim_wall_jump(W->sim, 60000);
    compact();
    assert_string_equal(show(), "2:b=2 ");
    assert_int_equal(part->clean.horizon, -1);
    end();
}

/* min.compaction.lag.ms protects what is young; max.compaction.lag.ms closes and compacts what is old. */
static void test_lags(void **state)
{
    (void)state;
    begin();
    pc.lag_min_ms = 60000;
    part_set_conf(part, &pc);
    PUT({"a", "1"}, {"a", "2"});
    roll();
    compact();
    assert_string_equal(show(), "0:a=1 1:a=2 ");
    sim_wall_jump(W->sim, 60000);
    compact();
    assert_string_equal(show(), "1:a=2 ");
    pc.lag_min_ms = 0;
    pc.dirty_ratio = 1;
    pc.lag_max_ms = 5000;
    part_set_conf(part, &pc);
    PUT({"b", "3"}, {"b", "4"});
    compact();
    assert_string_equal(show(), "1:a=2 2:b=3 3:b=4 ");
    sim_wall_jump(W->sim, 5000);
    compact();
    assert_string_equal(show(), "1:a=2 3:b=4 ");
    end();
}

/* The last batch of a producer stays without records, and so its sequence is known after its snapshot is lost. */
static void test_producer(void **state)
{
    (void)state;
    begin();
    struct put one = {"a", "1"};
    put_as(CODEC_NONE, 9, 0, &one, 1);
    put_as(CODEC_NONE, 9, 1, &one, 1);
    PUT({"a", "2"});
    roll();
    compact();
    assert_string_equal(show(), "[1-1] 2:a=2 ");
    end();
}

/* A segment's last batch stays without records, or a reader before it would not come to its end. */
static void test_end(void **state)
{
    (void)state;
    begin();
    PUT({"a", "1"});
    PUT({"a", "2"});
    roll();
    PUT({"a", "3"});
    roll();
    pc.segment_bytes = 1; /* too small to make one of two */
    part_set_conf(part, &pc);
    compact();
    assert_string_equal(show(), "[1-1] 2:a=3 ");
    end();
}

/* Without room for all keys several passes do the same, and the memory stays within its bound. */
static void test_small_map(void **state)
{
    (void)state;
    begin();
    W->conf.cleaner_buffer = 1024;
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 100; i++) {
            char key[16], value[16];
            snprintf(key, sizeof key, "k%d", i);
            snprintf(value, sizeof value, "%d", round);
            PUT({key, value});
        }
    roll();
    compact();
    struct view *v = world_view(W, part);
    counted_release(&v->c);
    const char *text = show();
    int records = 0;
    for (const char *p = text; (p = strchr(p, '=')); p++)
        records += p[1] == '2' ? 1 : 1000;
    assert_int_equal(records, 100);
    end();
}

/* The 128-bit SipHash of its authors' first test vectors. */
static void test_hash(void **state)
{
    (void)state;
    static const uint8_t want[2][16] = {
        {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93},
        {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45},
    };
    const uint64_t secret[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    const uint8_t byte = 0;
    for (size_t n = 0; n < 2; n++) {
        uint64_t out[2];
        compact_hash(secret, &byte, n, out);
        assert_memory_equal(out, want[n], 16);
    }
}

/* The map holds what it was given until it says that it is full, and never fewer than one key. */
static void test_map(void **state)
{
    (void)state;
    const uint64_t secret[2] = {1, 2};
    for (size_t bytes = 0; bytes < 3000; bytes += 24) {
        struct compact_map m;
        compact_map_init(&m, 1000, bytes, secret);
        assert_true(compact_map_bytes(&m) <= MAX(bytes, 2 * sizeof(struct compact_slot)));
        uint32_t n = 0;
        while (n < 1000 && compact_map_put(&m, (struct str){(char *)&n, 4}, n))
            n++;
        assert_true(n >= 1 && n + 1 + bytes / 24 / 5 + 1 >= bytes / 24);
        for (uint32_t i = 0; i < 1000; i++)
            assert_int_equal(compact_map_get(&m, (struct str){(char *)&i, 4}), i < n ? (int64_t)i : -1);
        uint32_t first = 0;
        assert_true(compact_map_put(&m, (struct str){(char *)&first, 4}, 5000)); /* a known key always has room */
        assert_int_equal(compact_map_get(&m, (struct str){(char *)&first, 4}), 5000);
        compact_map_fini(&m);
    }
}

/* A name is read back as it was written; anything else is no segment. */
static void test_names(void **state)
{
    (void)state;
    const struct seg_name names[] = {{7, -1, 0}, {0, 5, 1}, {123456789012345678, 1234567890123456789, 0xffffffff}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char text[SEG_NAME_BYTES + 8];
        seg_name_format(&names[i], text);
        strcat(text, ".log");
        struct seg_name got;
        assert_true(seg_name_parse(text, &got));
        assert_int_equal(got.base, names[i].base);
        assert_int_equal(got.end, names[i].end);
        assert_int_equal(got.generation, names[i].generation);
    }
    static const char *const bad[] = {
        "", ".log", "7.log", "00000000000000000007.index", "0000000000000000000a.log", "000000000000000000007.log",
        "99999999999999999999.log", "00000000000000000007-00000000000000000007-00000001.log",
        "00000000000000000007-00000000000000000009-00000000.log", "00000000000000000007-00000000000000000009-1.log",
        "00000000000000000007-00000000000000000009-00000001.cleaning", "00000000000000000007-.log",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct seg_name got;
        assert_false(seg_name_parse(bad[i], &got));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newest),    cmocka_unit_test(test_codec), cmocka_unit_test(test_tombstone),
        cmocka_unit_test(test_lags),      cmocka_unit_test(test_producer), cmocka_unit_test(test_end),
        cmocka_unit_test(test_small_map), cmocka_unit_test(test_hash),  cmocka_unit_test(test_map),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
