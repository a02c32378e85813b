/* The map agrees with a plain table under any history; hashes are what others expect of them. */
#include "log/base/map.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"
#include <stdio.h>

/* Puts, gets and removals in random order give what a table gives, and iteration meets each key once. */
static void map_agrees_with_table(void **state)
{
    (void)state;
    enum { KEYS = 500 };
    static int values[KEYS];
    bool there[KEYS] = {false};
    struct random r;
    random_seed(&r, test_seed());
    struct map m;
    map_init(&m);
    size_t len = 0;
    for (int i = 0; i < 50000; i++) {
        unsigned k = (unsigned)random_below(&r, KEYS);
        char text[16];
        struct str key = {text, (size_t)snprintf(text, sizeof text, "%u", k)};
        void *want = there[k] ? &values[k] : NULL;
        if (random_chance(&r, 0.4)) {
            assert_ptr_equal(map_put(&m, key, &values[k]), want);
            there[k] = true;
            len += !want;
        } else if (random_chance(&r, 0.6)) {
            assert_ptr_equal(map_remove(&m, key), want);
            there[k] = false;
            len -= want != NULL;
        } else {
            assert_ptr_equal(map_get(&m, key), want);
        }
        assert_int_equal(m.len, len);
        if (i % 1000)
            continue;
        size_t seen = 0;
        int *v;
        for (size_t it = 0; (v = map_next(&m, &it)); seen++)
            assert_true(there[v - values]);
        assert_int_equal(seen, len);
    }
    map_clear(&m);
    assert_null(map_get(&m, STR("1")));
    map_fini(&m);
}

/* An empty key is a key, and a key may hold zero bytes; keys are copies. */
static void odd_keys(void **state)
{
    (void)state;
    struct map m;
    map_init(&m);
    int a, b;
    char text[] = "ab";
    assert_null(map_put(&m, STR(""), &a));
    assert_null(map_put(&m, (struct str){"\0", 1}, &b));
    assert_null(map_put(&m, str_of(text), &b));
    text[0] = 'x';
    assert_ptr_equal(map_get(&m, STR("")), &a);
    assert_ptr_equal(map_get(&m, (struct str){"\0", 1}), &b);
    assert_ptr_equal(map_get(&m, STR("ab")), &b);
    void *value;
    size_t bytes = 0;
    struct str key;
    for (size_t it = 0; (key = map_next_key(&m, &it, &value)).ptr;)
        bytes += key.len;
    assert_int_equal(bytes, 3);
    map_fini(&m);
}

/* Murmur2 as Kafka's Java client computes it (the values of its own test). */
static void murmur2(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        int32_t hash;
    } known[] = {{"21", -973932308},
                 {"foobar", -790332482},
                 {"a-little-bit-long-string", -985981536},
                 {"a-little-bit-longer-string", -1486304829},
                 {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
                 {"abc", 479470107}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        assert_int_equal((int32_t)hash_murmur2(known[i].key, strlen(known[i].key)), known[i].hash);
}

/* Changing any one bit, the length or the seed changes about half of the hash's bits. */
static void hash_spreads(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    uint8_t bytes[130];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)random_next(&r);
    for (size_t n = 1; n < sizeof bytes; n++) {
        uint64_t h = hash_bytes(bytes, n, 1);
        int changed = 0;
        for (size_t bit = 0; bit < n * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            int now = __builtin_popcountll(h ^ hash_bytes(bytes, n, 1));
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_in_range(now, 8, 56);
            changed += now;
        }
        assert_in_range(changed / (int)(n * 8), 24, 40);
        assert_int_not_equal(h, hash_bytes(bytes, n - 1, 1));
        assert_int_not_equal(h, hash_bytes(bytes, n, 2));
        assert_int_equal(h, hash_bytes(bytes, n, 1));
    }
    /* Neighbouring numbers fall into different slots of a table. */
    unsigned used[256] = {0}, filled = 0;
    for (uint64_t i = 0; i < 256; i++)
        filled += used[hash_bytes(&i, 8, 0) & 255]++ == 0;
    assert_in_range(filled, 130, 195);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_agrees_with_table),
        cmocka_unit_test(odd_keys),
        cmocka_unit_test(murmur2),
        cmocka_unit_test(hash_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
