/* Record batches: building and walking are inverse, each rule for producers holds alone, damage is found. */
#include "log/wire/wire.h"
#include "log/base/crc32c.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

#define NOW INT64_C(1700000000000)

static struct random rnd;
static struct compress *c;
static struct wbuf out, scratch, room;

static const struct recbatch_rules easy = {
    .produce_version = 9,
    .now_ms = NOW,
    .ts_before_max_ms = INT64_MAX,
    .ts_after_max_ms = 3600000,
    .codec = RECBATCH_CODEC_AS_IS,
    .bytes_max = 1 << 20,
    .segment_bytes = 1 << 30,
    .inflated_max = 1 << 24,
};

/* Batch of n records k0/v0, k1/v1... at NOW, NOW + 1... in `out`. */
static struct str batch(int n, enum codec codec)
{
    struct recbatch_builder b;
    wbuf_reset(&out);
    recbatch_build(&b, &out, codec, &scratch);
    for (int i = 0; i < n; i++) {
        char key[20], value[20];
        struct record_header h[] = {{STR("trace"), STR("abc")}, {STR("none"), STR_NULL}};
        snprintf(key, sizeof key, "k%d", i);
        snprintf(value, sizeof value, "v%d", i);
        recbatch_add(&b, NOW + i, str_of(key), str_of(value), h, i % 3 ? 0 : 2);
    }
    assert_true(recbatch_finish(&b, c));
    return wbuf_view(&out);
}

/* Changes a byte of the batch in `out` and makes its CRC right again. */
static struct str poke(size_t at, uint8_t byte)
{
    out.data[at] = byte;
    put_be32(out.data + 17, crc32c(0, out.data + 21, out.len - 21));
    return wbuf_view(&out);
}

static struct recbatch_verdict judged(struct str bytes, const struct recbatch_rules *rules)
{
    struct recbatch_verdict v;
    int err = recbatch_validate_produce(&v, bytes, rules, c);
    assert_int_equal(err, v.err);
    assert_int_equal(!err, !v.text[0]);
    return v;
}

static void expect(struct str bytes, const struct recbatch_rules *rules, int err, int32_t record)
{
    struct recbatch_verdict v = judged(bytes, rules);
    if (v.err != err || v.record != record)
        fail_msg("%s at %d ('%s'), not %s at %d", v.err ? err_name(v.err) : "0", v.record, v.text, err_name(err),
                 record);
}

/* ---- building and walking */

static struct str random_bytes(struct arena *a)
{
    static const size_t sizes[] = {1, 2, 70, 130, 9000};
    uint64_t pick = random_below(&rnd, 20);
    if (pick == 0)
        return STR_NULL;
    size_t n = random_below(&rnd, sizes[pick % ARRAY_LEN(sizes)]);
    char *p = arena_alloc(a, n + 1);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)random_next(&rnd);
    return (struct str){p, n};
}

struct sample {
    int64_t ts;
    struct str key, value;
    struct record_header headers[3];
    uint32_t headers_n;
};

static void check_walk(const struct sample *samples, int n, int64_t base)
{
    struct recbatch rb;
    struct recbatch_iter it;
    struct record rec;
    struct record_header h;
    wbuf_reset(&room);
    assert_int_equal(recbatch_peek(&rb, wbuf_view(&out)), 0);
    assert_int_equal(recbatch_check_crc(&rb, out.data), 0);
    assert_int_equal(recbatch_iter(&it, &rb, c, &room, SIZE_MAX), 0);
    for (int i = 0; i < n; i++) {
        assert_true(recbatch_next(&it, &rec));
        assert_int_equal(rec.offset, base + i);
        assert_int_equal(rec.ts_ms, samples[i].ts);
        assert_true(str_eq(rec.key, samples[i].key) && str_eq(rec.value, samples[i].value));
        assert_int_equal(rec.headers_n, samples[i].headers_n);
        for (uint32_t k = 0; k < samples[i].headers_n; k++) {
            assert_int_equal(record_header_next(&rec, &h), 1);
            assert_true(str_eq(h.key, samples[i].headers[k].key) && str_eq(h.value, samples[i].headers[k].value));
        }
        assert_int_equal(record_header_next(&rec, &h), 0);
    }
    assert_false(recbatch_next(&it, &rec));
    assert_int_equal(recbatch_iter_err(&it), 0);
}

static void records_survive_every_codec(void **state)
{
    (void)state;
    struct arena a;
    static struct sample samples[300];
    arena_init(&a);
    for (int round = 0; round < 50; round++) {
        struct recbatch_builder b;
        int n = 1 + (int)random_below(&rnd, 300);
        wbuf_reset(&out);
        recbatch_build(&b, &out, (enum codec)(round % CODEC_COUNT), &scratch);
        b.base_offset = 1000;
        for (int i = 0; i < n; i++) {
            struct sample *s = &samples[i];
            bool wild = random_chance(&rnd, 0.02);
            *s = (struct sample){.ts = wild ? (int64_t)random_next(&rnd) : NOW + (int64_t)random_below(&rnd, 1000),
                                 .key = random_bytes(&a),
                                 .value = random_bytes(&a)};
            s->headers_n = random_chance(&rnd, 0.8) ? 0 : (uint32_t)random_below(&rnd, 4);
            for (uint32_t k = 0; k < s->headers_n; k++)
                s->headers[k] = (struct record_header){STR("header"), random_bytes(&a)};
            recbatch_add(&b, s->ts, s->key, s->value, s->headers, s->headers_n);
        }
        size_t before = recbatch_build_size(&b);
        assert_true(recbatch_finish(&b, c));
        assert_true(round % CODEC_COUNT || before == out.len);
        assert_int_equal(scratch.len, 0);
        check_walk(samples, n, 1000);
        arena_reset(&a);
    }
    arena_fini(&a);
}

static void an_empty_batch_leaves_nothing(void **state)
{
    (void)state;
    struct recbatch_builder b;
    wbuf_reset(&out);
    wbuf_put(&out, "abc", 3);
    recbatch_build(&b, &out, CODEC_NONE, NULL);
    assert_false(recbatch_finish(&b, c));
    assert_int_equal(out.len, 3);
    recbatch_build(&b, &out, CODEC_LZ4, &scratch);
    recbatch_add(&b, 1, STR("k"), STR("v"), NULL, 0);
    recbatch_cancel(&b);
    assert_int_equal(out.len, 3);
    assert_int_equal(scratch.len, 0);
}

static void stamping_keeps_the_checksum(void **state)
{
    (void)state;
    struct recbatch rb;
    struct str bytes = batch(5, CODEC_NONE);
    recbatch_stamp(out.data, 123456789012, 7);
    assert_int_equal(recbatch_peek(&rb, bytes), 0);
    assert_int_equal(recbatch_check_crc(&rb, bytes.ptr), 0);
    assert_int_equal(rb.base_offset, 123456789012);
    assert_int_equal(recbatch_last_offset(&rb), 123456789016);
    assert_int_equal(rb.leader_epoch, 7);
}

static void append_time_is_the_time_of_every_record(void **state)
{
    (void)state;
    struct recbatch rb;
    struct recbatch_iter it;
    struct record rec;
    struct str bytes = batch(3, CODEC_NONE);
    recbatch_set_append_time(out.data, NOW + 99);
    assert_int_equal(recbatch_peek(&rb, bytes), 0);
    assert_int_equal(recbatch_check_crc(&rb, bytes.ptr), 0);
    assert_int_equal(recbatch_iter(&it, &rb, NULL, NULL, 0), 0);
    for (int i = 0; i < 3; i++) {
        assert_true(recbatch_next(&it, &rec));
        assert_int_equal(rec.ts_ms, NOW + 99);
    }
}

/* ---- damage */

static void a_batch_is_seen_only_whole(void **state)
{
    (void)state;
    struct recbatch rb;
    struct str bytes = batch(4, CODEC_NONE);
    for (size_t n = 0; n < bytes.len; n++) {
        assert_int_equal(recbatch_peek(&rb, (struct str){bytes.ptr, n}), E_SHORT);
        assert_int_equal(rb.size, n < 12 ? 0 : bytes.len);
        assert_int_equal(recbatch_peek_head(&rb, (struct str){bytes.ptr, n}), n < RECBATCH_HEAD ? E_SHORT : 0);
    }
    wbuf_put(&out, "more", 4);
    assert_int_equal(recbatch_peek(&rb, wbuf_view(&out)), 0);
    assert_int_equal(rb.size, out.len - 4);
}

static void every_damaged_byte_under_the_checksum_is_found(void **state)
{
    (void)state;
    struct recbatch rb;
    struct str bytes = batch(4, CODEC_NONE);
    for (size_t at = 16; at < bytes.len; at++) {
        out.data[at] ^= 0x10;
        assert_true(recbatch_peek(&rb, bytes) == E_CORRUPT || recbatch_check_crc(&rb, bytes.ptr) == E_CORRUPT);
        out.data[at] ^= 0x10;
    }
    static const struct {
        size_t at;
        uint8_t byte;
    } heads[] = {{8, 0x80}, {11, 48}, {16, 1}, {16, 3}, {22, 5}, {22, 7}, {23, 0x80}, {57, 0x80}, {0, 0x80}};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        batch(4, CODEC_NONE);
        if (heads[i].at == 11)
            out.data[10] = 0;
        assert_int_equal(recbatch_peek(&rb, poke(heads[i].at, heads[i].byte)), E_CORRUPT);
    }
}

static void walking_damaged_records_ends(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct recbatch rb;
        struct recbatch_iter it;
        struct record rec;
        struct record_header h;
        int n = 0;
        struct str bytes = batch(6, (enum codec)(round % CODEC_COUNT));
        size_t size = bytes.len;
        char *copy = xalloc(size);
        memcpy(copy, bytes.ptr, size);
        for (int hits = 0; hits < 2; hits++)
            copy[57 + random_below(&rnd, size - 57)] = (char)random_next(&rnd);
        wbuf_reset(&room);
        if (recbatch_peek(&rb, (struct str){copy, size}) == 0 && recbatch_iter(&it, &rb, c, &room, 1 << 16) == 0) {
            for (; recbatch_next(&it, &rec); n++)
                while (record_header_next(&rec, &h) == 1)
                    ;
            assert_true(recbatch_iter_err(&it) == E_CORRUPT || n == rb.count);
        }
        xfree(copy);
    }
}

/* ---- the rules for producers, one by one */

static void a_good_batch_passes(void **state)
{
    (void)state;
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        struct recbatch_verdict v = judged(batch(5, (enum codec)codec), &easy);
        assert_int_equal(v.err, 0);
        assert_int_equal(v.record, -1);
        assert_int_equal(v.max_ts, NOW + 4);
        assert_int_equal(v.max_ts_delta, 4);
        assert_false(v.rebuild);
        assert_false(v.fix_ts);
        assert_int_equal(v.head.count, 5);
    }
}

static void there_must_be_exactly_one_whole_batch(void **state)
{
    (void)state;
    expect(STR_NULL, &easy, E_BAD_RECORD, -1);
    expect(STR(""), &easy, E_BAD_RECORD, -1);
    struct str bytes = batch(2, CODEC_NONE);
    for (size_t n = 1; n < bytes.len; n++)
        expect((struct str){bytes.ptr, n}, &easy, E_CORRUPT, -1);
    wbuf_put(&out, out.data, 1);
    expect(wbuf_view(&out), &easy, E_BAD_RECORD, -1);
    bytes = batch(2, CODEC_NONE);
    wbuf_room(&out, bytes.len);
    wbuf_put(&out, out.data, out.len);
    expect(wbuf_view(&out), &easy, E_BAD_RECORD, -1);
}

static void the_header_must_be_right(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t byte;
        int err;
    } cases[] = {
        {16, 1, E_BAD_RECORD},    /* magic */
        {7, 1, E_BAD_RECORD},     /* base offset */
        {60, 0, E_BAD_RECORD},    /* no records */
        {57, 0x80, E_BAD_RECORD}, /* a negative count */
        {60, 2, E_BAD_RECORD},    /* count under last offset delta + 1 */
        {60, 4, E_BAD_RECORD},    /* over it */
        {26, 1, E_BAD_RECORD},    /* last offset delta */
        {23, 0x80, E_BAD_RECORD},
        {22, RECBATCH_CONTROL, E_BAD_RECORD},
        {22, RECBATCH_APPEND_TIME, E_BAD_TIMESTAMP},
        {22, 5, E_COMPRESSION},
        {43, 0, E_BAD_RECORD}, /* producer id >= 0, sequence -1 */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("case %zu\n", i);
        batch(3, CODEC_NONE);
        expect(poke(cases[i].at, cases[i].byte), &easy, cases[i].err, -1);
    }
    batch(3, CODEC_NONE);
    out.data[17] ^= 1;
    expect(wbuf_view(&out), &easy, E_CORRUPT, -1);
}

static void sizes_are_limited(void **state)
{
    (void)state;
    struct recbatch_rules rules = easy;
    struct str bytes = batch(3, CODEC_NONE);
    rules.bytes_max = (uint32_t)bytes.len;
    rules.segment_bytes = (uint32_t)bytes.len;
    assert_int_equal(judged(bytes, &rules).err, 0);
    rules.segment_bytes--;
    expect(bytes, &rules, E_SEGMENT_SIZE, -1);
    rules.bytes_max--;
    expect(bytes, &rules, E_TOO_LARGE, -1);
}

static void zstd_needs_a_produce_version_that_knows_it(void **state)
{
    (void)state;
    struct recbatch_rules rules = easy;
    rules.produce_version = 6;
    expect(batch(3, CODEC_ZSTD), &rules, E_COMPRESSION, -1);
    assert_int_equal(judged(batch(3, CODEC_LZ4), &rules).err, 0);
    rules.produce_version = 7;
    assert_int_equal(judged(batch(3, CODEC_ZSTD), &rules).err, 0);
}

static void compacted_topics_want_keys(void **state)
{
    (void)state;
    struct recbatch_builder b;
    struct recbatch_rules rules = easy;
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        wbuf_reset(&out);
        recbatch_build(&b, &out, (enum codec)codec, &scratch);
        recbatch_add(&b, NOW, STR("k"), STR_NULL, NULL, 0);
        recbatch_add(&b, NOW, STR(""), STR("v"), NULL, 0);
        recbatch_add(&b, NOW, STR_NULL, STR("v"), NULL, 0);
        recbatch_finish(&b, c);
        rules.compacted = false;
        assert_int_equal(judged(wbuf_view(&out), &rules).err, 0);
        rules.compacted = true;
        expect(wbuf_view(&out), &rules, E_BAD_RECORD, 2);
    }
}

static struct str at_times(int64_t first, int64_t second)
{
    struct recbatch_builder b;
    wbuf_reset(&out);
    recbatch_build(&b, &out, CODEC_NONE, NULL);
    recbatch_add(&b, first, STR("k"), STR("v"), NULL, 0);
    recbatch_add(&b, second, STR("k"), STR("v"), NULL, 0);
    recbatch_finish(&b, c);
    return wbuf_view(&out);
}

static void timestamps_must_be_near(void **state)
{
    (void)state;
    struct recbatch_rules rules = easy;
    rules.ts_before_max_ms = 1000;
    rules.ts_after_max_ms = 500;
    assert_int_equal(judged(at_times(NOW - 1000, NOW + 500), &rules).err, 0);
    assert_int_equal(judged(at_times(RECBATCH_NO_TS, NOW), &rules).err, 0);
    expect(at_times(NOW, NOW - 1001), &rules, E_BAD_TIMESTAMP, 1);
    expect(at_times(NOW + 501, NOW), &rules, E_BAD_TIMESTAMP, 0);
    expect(at_times(INT64_MIN, INT64_MAX), &rules, E_BAD_TIMESTAMP, 0);
    rules.append_time = true; /* then they do not matter */
    struct recbatch_verdict v = judged(at_times(NOW - 5000, NOW), &rules);
    assert_int_equal(v.err, 0);
    assert_true(v.fix_ts);
    assert_int_equal(v.max_ts, NOW);
}

static void a_wrong_max_timestamp_is_put_right(void **state)
{
    (void)state;
    at_times(NOW + 9, NOW);
    struct recbatch_verdict v = judged(poke(42, 1), &easy);
    assert_int_equal(v.err, 0);
    assert_true(v.fix_ts);
    assert_int_equal(v.max_ts, NOW + 9);
    assert_int_equal(v.max_ts_delta, 0);
    recbatch_set_max_ts(out.data, v.max_ts, false);
    v = judged(wbuf_view(&out), &easy);
    assert_int_equal(v.err, 0);
    assert_false(v.fix_ts);
}

/* A batch with these bytes as its records. */
static struct str raw(int32_t count, struct str records)
{
    batch(1, CODEC_NONE);
    out.len = RECBATCH_HEAD;
    wbuf_str(&out, records);
    put_be32(out.data + 8, (uint32_t)out.len - 12);
    put_be32(out.data + 23, (uint32_t)count - 1);
    put_be32(out.data + 57, (uint32_t)count);
    return poke(0, 0);
}

static void records_must_fill_the_batch_exactly(void **state)
{
    (void)state;
    /* size 6 -> 0x0c; attributes, ts delta, offset delta, null key, null value, no headers */
    assert_int_equal(judged(raw(1, STR("\x0c\0\0\0\1\1\0")), &easy).err, 0);
    expect(raw(2, STR("\x0c\0\0\0\1\1\0")), &easy, E_BAD_RECORD, 1);                  /* fewer than it says */
    expect(raw(1, STR("\x0c\0\0\0\1\1\0\x0c\0\0\2\1\1\0")), &easy, E_BAD_RECORD, -1); /* more */
    expect(raw(1, STR("\x0c\0\0\0\1\1\0\0")), &easy, E_BAD_RECORD, -1);
    expect(raw(1, STR("\x0e\0\0\0\1\1\0\0")), &easy, E_BAD_RECORD, 0);     /* bytes left in a record */
    expect(raw(1, STR("\x0a\0\0\0\1\1")), &easy, E_BAD_RECORD, 0);         /* none left for the headers */
    expect(raw(1, STR("\x0c\0\0\0\1\1\1")), &easy, E_BAD_RECORD, 0);       /* a count of headers of -1 */
    expect(raw(1, STR("\x0c\0\0\0\3\1\0")), &easy, E_BAD_RECORD, 0);       /* a key of length -2 */
    expect(raw(1, STR("\x0c\0\0\0\1\x10\0")), &easy, E_BAD_RECORD, 0);     /* a value past the end */
    expect(raw(1, STR("\x10\0\0\0\1\1\2\1\1")), &easy, E_BAD_RECORD, 0);   /* a header with a null key */
    expect(raw(1, STR("\x12\0\0\0\1\1\2\0\1\0")), &easy, E_BAD_RECORD, 0); /* a byte after the last header */
    assert_int_equal(judged(raw(1, STR("\x10\0\0\0\1\1\2\0\1")), &easy).err, 0);
    expect(raw(1, STR("\1\0\0\0\1\1\0")), &easy, E_BAD_RECORD, 0); /* a negative size */
    expect(raw(1, STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")), &easy, E_BAD_RECORD, 0);
}

static void compressed_records_must_decompress(void **state)
{
    (void)state;
    struct recbatch_rules rules = easy;
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        batch(3, (enum codec)codec);
        expect(poke(RECBATCH_HEAD, 'x'), &easy, E_CORRUPT, -1);
        rules.inflated_max = 20;
        expect(batch(3, (enum codec)codec), &rules, E_TOO_LARGE, -1);
    }
}

/* ---- rebuilding */

static void check_rebuilt(struct str bytes, enum codec codec, int n)
{
    struct recbatch rb, old;
    struct recbatch_iter it;
    struct record rec;
    struct wbuf made;
    wbuf_init(&made);
    wbuf_put(&made, "x", 1);
    assert_int_equal(recbatch_peek(&old, bytes), 0);
    assert_int_equal(recbatch_rebuild(bytes, codec, c, SIZE_MAX, &made), 0);
    assert_int_equal(recbatch_peek(&rb, (struct str){(char *)made.data + 1, made.len - 1}), 0);
    assert_int_equal(rb.size, made.len - 1);
    assert_int_equal(recbatch_check_crc(&rb, made.data + 1), 0);
    assert_int_equal(recbatch_codec(&rb), codec);
    assert_int_equal(rb.count, n);
    assert_int_equal(rb.last_offset_delta, n - 1);
    assert_int_equal(rb.max_ts, old.max_ts);
    assert_int_equal(rb.producer_id, old.producer_id);
    assert_int_equal(rb.base_sequence, old.base_sequence);
    wbuf_reset(&room);
    assert_int_equal(recbatch_iter(&it, &rb, c, &room, SIZE_MAX), 0);
    for (int i = 0; i < n; i++) {
        char key[20];
        snprintf(key, sizeof key, "k%d", i);
        assert_true(recbatch_next(&it, &rec));
        assert_int_equal(rec.offset, i);
        assert_int_equal(rec.ts_ms, NOW + i);
        assert_int_equal(rec.headers_n, i % 3 ? 0 : 2);
        assert_true(str_eq(rec.key, str_of(key)));
    }
    wbuf_fini(&made);
}

static void another_codec_keeps_the_records(void **state)
{
    (void)state;
    struct recbatch_rules rules = easy;
    for (int from = 0; from < CODEC_COUNT; from++) {
        for (int to = 0; to < CODEC_COUNT; to++) {
            rules.codec = to;
            struct recbatch_verdict v = judged(batch(100, (enum codec)from), &rules);
            assert_int_equal(v.err, 0);
            assert_int_equal(v.rebuild, from != to);
            check_rebuilt(wbuf_view(&out), (enum codec)to, 100);
        }
    }
}

static void offset_deltas_are_made_consecutive(void **state)
{
    (void)state;
    struct str bytes = batch(3, CODEC_NONE);
    /* The last record: size, attributes, timestamp delta, offset delta, k2, v2, no headers. */
    size_t at = bytes.len - 11 + 3;
    assert_int_equal(out.data[at], 4);
    struct recbatch_verdict v = judged(poke(at, 8), &easy);
    assert_int_equal(v.err, 0);
    assert_true(v.rebuild);
    check_rebuilt(wbuf_view(&out), CODEC_NONE, 3);
}

int main(void)
{
    random_seed(&rnd, test_seed());
    c = compress_new();
    wbuf_init(&out);
    wbuf_init(&scratch);
    wbuf_init(&room);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_survive_every_codec),
        cmocka_unit_test(an_empty_batch_leaves_nothing),
        cmocka_unit_test(stamping_keeps_the_checksum),
        cmocka_unit_test(append_time_is_the_time_of_every_record),
        cmocka_unit_test(a_batch_is_seen_only_whole),
        cmocka_unit_test(every_damaged_byte_under_the_checksum_is_found),
        cmocka_unit_test(walking_damaged_records_ends),
        cmocka_unit_test(a_good_batch_passes),
        cmocka_unit_test(there_must_be_exactly_one_whole_batch),
        cmocka_unit_test(the_header_must_be_right),
        cmocka_unit_test(sizes_are_limited),
        cmocka_unit_test(zstd_needs_a_produce_version_that_knows_it),
        cmocka_unit_test(compacted_topics_want_keys),
        cmocka_unit_test(timestamps_must_be_near),
        cmocka_unit_test(a_wrong_max_timestamp_is_put_right),
        cmocka_unit_test(records_must_fill_the_batch_exactly),
        cmocka_unit_test(compressed_records_must_decompress),
        cmocka_unit_test(another_codec_keeps_the_records),
        cmocka_unit_test(offset_deltas_are_made_consecutive),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    compress_free(c);
    wbuf_fini(&out);
    wbuf_fini(&scratch);
    wbuf_fini(&room);
    return failed;
}
