/* What is written is what is read; reading never passes the end; msgpack is bounded. */
#include "log/base/buf.h"
#include "log/base/err.h"
#include "log/base/limits.h"
#include "log/base/pack.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"
#include <stdlib.h>

/* Numbers of every width come back, and the bytes are big-endian. */
static void numbers_come_back(void **state)
{
    (void)state;
    struct wbuf w;
    wbuf_init(&w);
    wbuf_u8(&w, 0xab);
    wbuf_be16(&w, 0x1234);
    wbuf_be32(&w, 0x12345678);
    wbuf_be64(&w, 0x123456789abcdef0);
    wbuf_str(&w, STR("xyz"));
    wbuf_printf(&w, "%d-%s", 42, "a text longer than what is left in the buffer's first sixty-four bytes");
    assert_memory_equal(w.data, "\xab\x12\x34\x12\x34\x56\x78", 7);
    struct rbuf r = rbuf_of(w.data, w.len);
    assert_int_equal(rbuf_u8(&r), 0xab);
    assert_int_equal(rbuf_be16(&r), 0x1234);
    assert_int_equal(rbuf_be32(&r), 0x12345678);
    assert_true(rbuf_be64(&r) == 0x123456789abcdef0);
    assert_true(str_eq(rbuf_bytes(&r, 3), STR("xyz")));
    assert_true(str_starts(rbuf_bytes(&r, rbuf_left(&r)), STR("42-a text longer")));
    assert_int_equal(r.err, 0);
    wbuf_fini(&w);
}

/* Variable-length numbers come back, in Kafka's bytes. */
static void varints_come_back(void **state)
{
    (void)state;
    static const struct {
        int64_t n;
        const char *bytes;
        size_t len;
    } known[] = {{0, "\0", 1}, {-1, "\1", 1}, {1, "\2", 1}, {63, "\x7e", 1}, {-64, "\x7f", 1}, {64, "\x80\1", 2},
                 {INT64_MIN, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 10}};
    struct wbuf w;
    wbuf_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        wbuf_reset(&w);
        wbuf_varint(&w, known[i].n);
        assert_int_equal(w.len, known[i].len);
        assert_memory_equal(w.data, known[i].bytes, w.len);
        struct rbuf r = rbuf_of(w.data, w.len);
        assert_true(rbuf_varint(&r) == known[i].n);
    }
    struct random rnd;
    random_seed(&rnd, test_seed());
    for (int i = 0; i < 1000; i++) {
        uint64_t n = random_next(&rnd) >> random_below(&rnd, 64);
        wbuf_reset(&w);
        wbuf_uvarint(&w, n);
        struct rbuf r = rbuf_of(w.data, w.len);
        assert_true(rbuf_uvarint(&r) == n);
        assert_int_equal(rbuf_left(&r), 0);
    }
    wbuf_fini(&w);
}

/* The first error sticks and later reads give zeros, even where bytes would be left. */
static void errors_stick(void **state)
{
    (void)state;
    struct rbuf r = rbuf_of("\1\2\3", 3);
    assert_int_equal(rbuf_be32(&r), 0);
    assert_int_equal(r.err, E_SHORT);
    assert_int_equal(rbuf_u8(&r), 0);
    assert_null(rbuf_bytes(&r, 0).ptr);
    r = rbuf_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\2 more", 15);
    assert_int_equal(rbuf_uvarint(&r), 0);
    assert_int_equal(r.err, E_SYNTAX);
    assert_int_equal(rbuf_u8(&r), 0);
    assert_int_equal(r.err, E_SYNTAX);
    r = rbuf_of("\x80", 1);
    assert_int_equal(rbuf_uvarint(&r), 0);
    assert_int_equal(r.err, E_SHORT);
    r = rbuf_of("abc", 3);
    assert_null(rbuf_take(&r, SIZE_MAX));
}

/* Values of each kind come back; null texts are nil. */
static void packs_come_back(void **state)
{
    (void)state;
    static const int64_t ints[] = {0, 127, 128, -1, -32, -33, -128, -129, 65535, 65536, INT32_MIN, INT64_MAX, INT64_MIN};
    struct wbuf w;
    wbuf_init(&w);
    pack_map(&w, 2);
    pack_str(&w, STR("key"));
    pack_bin(&w, STR("\0\1"));
    pack_str(&w, STR_NULL);
    pack_array(&w, (uint32_t)ARRAY_LEN(ints));
    for (size_t i = 0; i < ARRAY_LEN(ints); i++)
        pack_int(&w, ints[i]);
    pack_uint(&w, UINT64_MAX);
    pack_double(&w, -0.1);
    pack_bool(&w, true);
    pack_bool(&w, false);
    pack_nil(&w);

    struct unpack u = unpack_of(wbuf_view(&w));
    assert_int_equal(unpack_map(&u), 2);
    assert_true(str_eq(unpack_str(&u), STR("key")));
    assert_true(str_eq(unpack_str(&u), (struct str){"\0\1", 2}));
    assert_null(unpack_str(&u).ptr);
    assert_int_equal(unpack_array(&u), ARRAY_LEN(ints));
    for (size_t i = 0; i < ARRAY_LEN(ints); i++)
        assert_true(unpack_int(&u) == ints[i]);
    assert_true(unpack_uint(&u) == UINT64_MAX);
    assert_true(unpack_double(&u) == -0.1);
    assert_true(unpack_bool(&u));
    assert_false(unpack_nil(&u));
    assert_false(unpack_bool(&u));
    assert_true(unpack_nil(&u));
    assert_int_equal(unpack_err(&u), 0);
    assert_int_equal(rbuf_left(&u.r), 0);

    u = unpack_of(wbuf_view(&w));
    for (int i = 0; i < 7; i++)
        unpack_skip(&u);
    assert_int_equal(unpack_err(&u), E_SHORT); /* six values stand there */
    u = unpack_of(wbuf_view(&w));
    for (int i = 0; i < 6; i++)
        unpack_skip(&u);
    assert_int_equal(unpack_err(&u), 0);
    assert_int_equal(rbuf_left(&u.r), 0);
    wbuf_fini(&w);
}

/* Another kind is E_SYNTAX, a short text E_SHORT, a count beyond the bytes is refused, and so is depth. */
static void packs_are_bounded(void **state)
{
    (void)state;
    struct unpack u = unpack_of(STR("\xc3"));
    assert_int_equal(unpack_int(&u), 0);
    assert_int_equal(unpack_err(&u), E_SYNTAX);
    u = unpack_of((struct str){"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9});
    assert_int_equal(unpack_int(&u), 0); /* above INT64_MAX */
    assert_int_equal(unpack_err(&u), E_SYNTAX);
    u = unpack_of(STR("\xdb\xff\xff\xff\xffxx"));
    assert_null(unpack_str(&u).ptr);
    assert_int_equal(unpack_err(&u), E_SHORT);
    u = unpack_of(STR("\xdd\xff\xff\xff\xff\1"));
    assert_int_equal(unpack_array(&u), 0);
    assert_int_equal(unpack_err(&u), E_SHORT);
    u = unpack_of(STR("\x82\1\1\1"));
    assert_int_equal(unpack_map(&u), 0);
    assert_int_equal(unpack_err(&u), E_SHORT);
    char deep[PACK_DEPTH * 2];
    memset(deep, 0x91, sizeof deep);
    u = unpack_of((struct str){deep, sizeof deep});
    unpack_skip(&u);
    assert_int_equal(unpack_err(&u), E_SYNTAX);
}

/* Random bytes never lead outside: every reader ends with an error or at the end. */
static void noise_is_harmless(void **state)
{
    (void)state;
    struct random rnd;
    random_seed(&rnd, test_seed());
    for (int i = 0; i < 20000; i++) {
        size_t n = random_below(&rnd, 41);
        uint8_t *bytes = malloc(n ? n : 1); /* of just its size: the sanitizer guards its end */
        for (size_t k = 0; k < n; k++)
            bytes[k] = (uint8_t)(random_chance(&rnd, 0.5) ? random_next(&rnd) : 0x80 | random_below(&rnd, 128));
        struct unpack u = unpack_of((struct str){(char *)bytes, n});
        while (!unpack_err(&u) && rbuf_left(&u.r))
            unpack_skip(&u);
        struct rbuf r = rbuf_of(bytes, n);
        while (!r.err)
            rbuf_varint(&r);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_come_back), cmocka_unit_test(varints_come_back), cmocka_unit_test(errors_stick),
        cmocka_unit_test(packs_come_back),   cmocka_unit_test(packs_are_bounded), cmocka_unit_test(noise_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
