#include "log/base/err.h"
#include "log/base/random.h"
#include "state/bucket.h"
#include "tests/lib/seed.h"
#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Entries with keys and values that are more or less alike, ascending. */
enum { ENTRIES = 60, VALUE_MAX = 90 };
struct entries {
    struct arena a;
    unsigned n;
    struct str key[ENTRIES], value[ENTRIES];
};

static void entries_make(struct entries *e, struct random *r)
{
    arena_init(&e->a);
    e->n = 1 + (unsigned)random_below(r, ENTRIES);
    for (unsigned i = 0; i < e->n; i++) {
        size_t len = random_chance(r, 0.8) ? 28 : random_below(r, VALUE_MAX);
        char *bytes = memset(arena_alloc(&e->a, len + 1), 7, len + 1);
        for (unsigned k = 0; len && k < random_below(r, 5); k++)
            bytes[random_below(r, len)] = (char)random_below(r, 256);
        e->key[i] = str_of(arena_printf(&e->a, "window %03u%s", i * 3, i % 5 ? "" : "/with more behind it"));
        e->value[i] = (struct str){bytes, len};
    }
}

static void write_all(const struct entries *e, struct bucket_writer *w)
{
    bucket_writer_base(w, e->value[0]);
    for (unsigned i = 0; i < e->n; i++)
        bucket_add(w, e->key[i], e->value[i]);
}

static void expect_entry(struct bucket_iter *it, const struct entries *e, unsigned i)
{
    assert_true(str_eq(wbuf_view(&it->key), e->key[i]));
    assert_true(str_eq(bucket_value(it), e->value[i]));
    assert_int_equal(it->value_len, e->value[i].len);
}

/* What was added comes back, also by way of a copy with the same base. */
static void test_round_trip(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    for (unsigned round = 0; round < 200; round++) {
        struct entries e;
        struct bucket_writer w, copy;
        struct bucket_iter it;
        entries_make(&e, &r);
        bucket_writer_init(&w);
        bucket_writer_init(&copy);
        write_all(&e, &w);
        bucket_writer_base(&copy, e.value[0]);
        bucket_iter_init(&it, wbuf_view(&w.bytes));
        for (unsigned i = 0; i < e.n; i++) {
            assert_true(bucket_next(&it));
            expect_entry(&it, &e, i);
            bucket_copy(&copy, &it);
        }
        assert_false(bucket_next(&it));
        assert_int_equal(it.err, 0);
        assert_true(str_eq(wbuf_view(&w.bytes), wbuf_view(&copy.bytes)));
        bucket_iter_fini(&it);
        bucket_writer_fini(&w);
        bucket_writer_fini(&copy);
        arena_fini(&e.a);
    }
}

/* Seeking keys in order, those that are there and those between them, leads to the same entries as walking does. */
static void test_seek(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    for (unsigned round = 0; round < 300; round++) {
        struct entries e;
        struct bucket_writer w;
        struct bucket_iter it;
        entries_make(&e, &r);
        bucket_writer_init(&w);
        write_all(&e, &w);
        bucket_iter_init(&it, wbuf_view(&w.bytes));
        bool more = bucket_next(&it);
        for (unsigned k = 0; more && k < ENTRIES * 3 + 9; k += 1 + (unsigned)random_below(&r, 7)) {
            struct str key = str_of(arena_printf(&e.a, "window %03u%s", k, k % 2 ? "" : "/with"));
            unsigned i = 0;
            while (i < e.n && str_cmp(e.key[i], key) < 0)
                i++;
            more = bucket_seek(&it, key);
            assert_int_equal(more, i < e.n);
            if (more)
                expect_entry(&it, &e, i);
        }
        bucket_iter_fini(&it);
        bucket_writer_fini(&w);
        arena_fini(&e.a);
    }
}

/* Buckets of the first layout, which packed no values, are read as ever. */
static void test_plain(void **state)
{
    (void)state;
    static const char bytes[] = "\1\0\2\3abone\1\2\5cdthree\0\1\0b";
    struct bucket_iter it;
    bucket_iter_init(&it, (struct str){bytes, sizeof bytes - 1});
    assert_true(bucket_next(&it) && str_eq(wbuf_view(&it.key), STR("ab")) && str_eq(bucket_value(&it), STR("one")));
    assert_true(bucket_seek(&it, STR("ac")) && str_eq(wbuf_view(&it.key), STR("acd")));
    assert_true(str_eq(bucket_value(&it), STR("three")));
    assert_true(bucket_next(&it) && str_eq(wbuf_view(&it.key), STR("b")) && bucket_value(&it).len == 0);
    assert_false(bucket_next(&it));
    assert_int_equal(it.err, 0);
    bucket_iter_fini(&it);
}

/* Damaged bytes are an error or other entries, and nothing is read outside of them. */
static void test_damage(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    for (unsigned round = 0; round < 2000; round++) {
        struct entries e;
        struct bucket_writer w;
        struct bucket_iter it;
        entries_make(&e, &r);
        bucket_writer_init(&w);
        write_all(&e, &w);
        size_t len = random_chance(&r, 0.3) ? random_below(&r, w.bytes.len) : w.bytes.len;
        char *bytes = xalloc(len + 1); /* its very end is watched by sanitizers only without the one more */
        char *exact = len ? memcpy(xrealloc(bytes, len), w.bytes.data, len) : bytes;
        for (unsigned k = 0; len && k < 1 + random_below(&r, 4); k++)
            exact[random_below(&r, len)] = (char)random_below(&r, 256);
        bucket_iter_init(&it, (struct str){exact, len});
        bool seek = random_chance(&r, 0.5);
        for (unsigned i = 0; i < ENTRIES && (seek && it.any ? bucket_seek(&it, e.key[i % e.n]) : bucket_next(&it)); i++)
            (void)bucket_value(&it);
        bucket_iter_fini(&it);
        xfree(exact);
        bucket_writer_fini(&w);
        arena_fini(&e.a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_seek),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
