/* CRC-32C agrees with RFC 3720 and with the definition, at every length, alignment and split. */
#include "log/base/crc32c.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"

static uint32_t bitwise(uint32_t crc, const uint8_t *p, size_t n)
{
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* The examples of RFC 3720, B.4, and the usual check value. */
static void known_values(void **state)
{
    (void)state;
    uint8_t bytes[48] = {0x01, 0xc0};
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    memset(bytes, 0, 32);
    assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(crc32c(0, bytes, 32), 0x46dd794e);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(crc32c(0, bytes, 32), 0x113fdb5c);
    static const uint8_t iscsi[48] = {0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0x14, 0, 0, 0, 0, 0, 4, 0,
                                      0,    0,    0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0};
    assert_int_equal(crc32c(0, iscsi, 48), 0xd9963a56);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

/* Both ways of computing agree with the definition. */
static void agrees_with_definition(void **state)
{
    (void)state;
    static uint8_t bytes[60000];
    struct random r;
    random_seed(&r, test_seed());
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)random_next(&r);
    for (int i = 0; i < 300; i++) {
        size_t max = i < 200 ? 2000 : sizeof bytes;
        size_t at = random_below(&r, max), n = random_below(&r, max - at + 1), half = random_below(&r, n + 1);
        uint32_t want = bitwise(0, bytes + at, n);
        assert_int_equal(crc32c(0, bytes + at, n), want);
        assert_int_equal(crc32c_portable(0, bytes + at, n), want);
        assert_int_equal(crc32c(crc32c(0, bytes + at, half), bytes + at + half, n - half), want);
    }
    for (size_t n = 0; n < 100; n++)
        assert_int_equal(crc32c(7, bytes + n, n), bitwise(7, bytes + n, n));
    for (size_t n = 3 * 8192 - 9; n < 3 * 8192 + 9; n++)
        assert_int_equal(crc32c(0, bytes, n), bitwise(0, bytes, n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(agrees_with_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
