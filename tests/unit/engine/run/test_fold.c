/* Changes folded to the last of each key, in order. */
#include "engine/run/fold.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

struct put {
    uint32_t store;
    size_t n; /* when it came */
    char key[16], value[16];
    size_t key_len, value_len;
    bool gone;
};

static int put_cmp(const void *pa, const void *pb)
{
    const struct put *a = pa, *b = pb;
    if (a->store != b->store)
        return a->store < b->store ? -1 : 1;
    int cmp = str_cmp((struct str){a->key, a->key_len}, (struct str){b->key, b->key_len});
    return cmp ? cmp : (a->n > b->n) - (a->n < b->n);
}

/* Keys share beginnings, and some are the beginning of others; after `fresh` puts keys come again. */
static void draw(struct random *r, struct put *p, size_t n, size_t fresh, uint64_t keys)
{
    char text[40];
    uint64_t k = n < fresh ? n * 7919 : random_below(r, keys);
    *p = (struct put){.store = 3 * (uint32_t)(k % 3), .n = n, .gone = random_chance(r, 0.1)};
    snprintf(text, sizeof text, "k%.*s%08x", (int)(k % 4), "same", (unsigned)(uint32_t)(k * 2654435761u));
    p->key_len = strlen(text) - k % 3;
    memcpy(p->key, text, p->key_len);
    p->value_len = random_below(r, 16);
    memset(p->value, (int)n, sizeof p->value);
}

/* What comes out is the last put of each key, by store and key, whether keys come again from the start, late, or
 * hardly. */
static void test_last_of_each_key_in_order(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    static const struct {
        size_t n, fresh;
        uint64_t keys;
    } cases[] = {{50000, 0, 500}, {50000, 50000, 1}, {60000, 40000, 20000}, {200, 0, 40}, {40, 40, 1},
                 {50000, 30000, 1}, {400000, 0, 60000}, {300000, 200000, 100000}};
    struct fold f;
    fold_init(&f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct put *puts = xzalloc(cases[i].n * sizeof *puts);
        for (size_t k = 0; k < cases[i].n; k++) {
            struct put *p = &puts[k];
            draw(&r, p, k, cases[i].fresh, cases[i].keys);
            fold_put(&f, p->store, (struct str){p->key, p->key_len},
                     p->gone ? STR_NULL : (struct str){p->value, p->value_len});
        }
        fold_sort(&f);
        struct checkpoint_change *changes = xalloc((f.n + 1) * sizeof *changes);
        for (size_t got = 0, k; got < f.n; got += k) {
            k = fold_take(&f, changes + got, 1 + random_below(&r, 1000));
            assert_true(k > 0);
        }
        assert_int_equal(fold_take(&f, changes, 1), 0);
        qsort(puts, cases[i].n, sizeof *puts, put_cmp);
        size_t at = 0;
        for (size_t k = 0; k < cases[i].n; k++) {
            struct put *p = &puts[k], *next = p + 1;
            struct str key = {p->key, p->key_len};
            if (k + 1 < cases[i].n && next->store == p->store && str_eq(key, (struct str){next->key, next->key_len}))
                continue;
            assert_true(at < f.n);
            assert_int_equal(changes[at].store, p->store);
            assert_true(str_eq(changes[at].key, key));
            assert_int_equal(changes[at].value.ptr == NULL, p->gone);
            assert_true(p->gone || str_eq(changes[at].value, (struct str){p->value, p->value_len}));
            at++;
        }
        assert_int_equal(at, f.n);
        fold_reset(&f);
        xfree(changes);
        xfree(puts);
    }
    fold_fini(&f);
}

/* Keys and values of any length, from none to more than a piece of memory holds, come back, also when they grow or
 * shrink. */
static void test_any_size(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 253, 254, 255, 256, 5000, 70000, 9000000};
    enum { N = ARRAY_LEN(sizes) };
    char *bytes = xalloc(sizes[N - 1]);
    memset(bytes, 'x', sizes[N - 1]);
    struct fold f;
    fold_init(&f);
    for (size_t round = 0; round < 4; round++) {
        struct checkpoint_change changes[N + 1];
        for (size_t i = 0; i < N; i++)
            fold_put(&f, 7, (struct str){bytes, sizes[i]}, (struct str){bytes, sizes[(i + 3) % N]});
        for (size_t i = 0; i < N; i++)
            fold_put(&f, 7, (struct str){bytes, sizes[i]}, (struct str){bytes, sizes[(i + round) % N]});
        fold_sort(&f);
        assert_int_equal(f.n, N);
        assert_int_equal(fold_take(&f, changes, N + 1), N);
        for (size_t i = 0; i < N; i++) {
            assert_true(str_eq(changes[i].key, (struct str){bytes, sizes[i]}));
            assert_true(str_eq(changes[i].value, (struct str){bytes, sizes[(i + round) % N]}));
        }
        fold_reset(&f);
    }
    fold_fini(&f);
    xfree(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_last_of_each_key_in_order), cmocka_unit_test(test_any_size)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
