/* The four codecs: what went in comes out, damaged or hostile input is refused within its bounds. */
#include "log/wire/wire.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include <stdio.h>
#include <stdlib.h>
#include <snappy-c.h>
#include <setjmp.h>
#include <cmocka.h>

static struct random rnd;
static struct compress *c;

static struct str sample(size_t n, bool noise)
{
    char *p = xalloc(n + 1);
    for (size_t i = 0; i < n; i++)
        p[i] = noise ? (char)random_next(&rnd) : "weir holds water "[i % 17];
    return (struct str){p, n};
}

static void what_goes_in_comes_out(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 32768, 32769, 70000, 300000};
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        for (size_t i = codec ? 1 : 0; i < 2 * ARRAY_LEN(sizes); i++) {
            struct str in = sample(sizes[i / 2], i & 1);
            struct wbuf packed, out;
            if (!in.len)
                goto next;
            wbuf_init(&packed);
            wbuf_init(&out);
            wbuf_put(&out, "before", 6);
            compress_encode(c, (enum codec)codec, in, &packed);
            assert_int_equal(compress_decode(c, (enum codec)codec, wbuf_view(&packed), &out, in.len), 0);
            assert_int_equal(out.len, 6 + in.len);
            assert_memory_equal(out.data, "before", 6);
            assert_memory_equal(out.data + 6, in.ptr, in.len);
            out.len = 6;
            int err = compress_decode(c, (enum codec)codec, wbuf_view(&packed), &out, in.len - 1);
            assert_int_equal(err, E_TOO_LARGE);
            assert_int_equal(out.len, 6);
            wbuf_fini(&packed);
            wbuf_fini(&out);
        next:
            xfree((char *)in.ptr);
        }
    }
}

static void cut_or_damaged_input_is_refused_or_differs(void **state)
{
    (void)state;
    struct str in = sample(5000, false);
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        struct wbuf packed, out;
        wbuf_init(&packed);
        wbuf_init(&out);
        compress_encode(c, (enum codec)codec, in, &packed);
        for (size_t n = 0; n < packed.len; n++) {
            char *copy = xalloc(n + 1);
            memcpy(copy, packed.data, n);
            wbuf_reset(&out);
            int err = compress_decode(c, (enum codec)codec, (struct str){copy, n}, &out, 100000);
            assert_true(err || out.len < in.len);
            xfree(copy);
        }
        for (int round = 0; round < 2000; round++) {
            char *copy = xalloc(packed.len);
            memcpy(copy, packed.data, packed.len);
            copy[random_below(&rnd, packed.len)] = (char)random_next(&rnd);
            copy[random_below(&rnd, packed.len)] = (char)random_next(&rnd);
            wbuf_reset(&out);
            compress_decode(c, (enum codec)codec, (struct str){copy, packed.len}, &out, 100000);
            assert_true(out.len <= 100000);
            xfree(copy);
        }
        wbuf_fini(&packed);
        wbuf_fini(&out);
    }
    xfree((char *)in.ptr);
}

static void a_bomb_is_refused_before_it_goes_off(void **state)
{
    (void)state;
    size_t n = (size_t)64 << 20;
    char *zeros = xzalloc(n);
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        struct wbuf packed, out;
        wbuf_init(&packed);
        wbuf_init(&out);
        compress_encode(c, (enum codec)codec, (struct str){zeros, n}, &packed);
        assert_int_equal(compress_decode(c, (enum codec)codec, wbuf_view(&packed), &out, (size_t)4 << 20), E_TOO_LARGE);
        assert_true(out.cap <= (size_t)16 << 20);
        if (codec == CODEC_ZSTD) /* a ratio that no honest producer reaches */
            assert_int_equal(compress_decode(c, CODEC_ZSTD, wbuf_view(&packed), &out, SIZE_MAX), E_TOO_LARGE);
        wbuf_fini(&packed);
        wbuf_fini(&out);
    }
    xfree(zeros);
    /* A snappy block that declares 4 GB. */
    struct wbuf out;
    wbuf_init(&out);
    assert_int_equal(compress_decode(c, CODEC_SNAPPY, STR("\xff\xff\xff\xff\x0f...."), &out, SIZE_MAX), E_CORRUPT);
    assert_int_equal(out.cap, 0);
    wbuf_fini(&out);
}

static void both_framings_of_snappy_are_read(void **state)
{
    (void)state;
    struct str in = sample(70000, false);
    size_t n = snappy_max_compressed_length(in.len);
    char *raw = xalloc(n);
    struct wbuf out, framed;
    wbuf_init(&out);
    wbuf_init(&framed);
    assert_int_equal(snappy_compress(in.ptr, in.len, raw, &n), SNAPPY_OK);
    assert_int_equal(compress_decode(c, CODEC_SNAPPY, (struct str){raw, n}, &out, in.len), 0);
    assert_memory_equal(out.data, in.ptr, in.len);
    compress_encode(c, CODEC_SNAPPY, in, &framed);
    assert_memory_equal(framed.data, "\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16);
    compress_encode(c, CODEC_SNAPPY, in, &framed); /* two streams, one after the other */
    wbuf_reset(&out);
    assert_int_equal(compress_decode(c, CODEC_SNAPPY, wbuf_view(&framed), &out, 2 * in.len), 0);
    assert_int_equal(out.len, 2 * in.len);
    assert_memory_equal(out.data + in.len, in.ptr, in.len);
    wbuf_fini(&out);
    wbuf_fini(&framed);
    xfree(raw);
    xfree((char *)in.ptr);
}

static void codecs_are_found_by_name(void **state)
{
    (void)state;
    enum codec codec;
    assert_true(compress_find(STR("ZSTD"), &codec));
    assert_int_equal(codec, CODEC_ZSTD);
    assert_true(compress_find(str_of(compress_name(CODEC_LZ4)), &codec));
    assert_int_equal(codec, CODEC_LZ4);
    assert_false(compress_find(STR("producer"), &codec));
}

int main(void)
{
    random_seed(&rnd, test_seed());
    c = compress_new();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(cut_or_damaged_input_is_refused_or_differs),
        cmocka_unit_test(a_bomb_is_refused_before_it_goes_off),
        cmocka_unit_test(both_framings_of_snappy_are_read),
        cmocka_unit_test(codecs_are_found_by_name),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    compress_free(c);
    return failed;
}
