#include "log/base/random.h"
#include "state/kv.h"
#include "tests/lib/seed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* The model: a sorted array of pairs. */
enum { KEY_MAX = 80 };
struct model_pair {
    char key[KEY_MAX], value[40];
    size_t key_len, value_len;
};
struct model {
    struct model_pair *pairs;
    size_t n, cap;
};

static struct str model_key(const struct model_pair *p) { return (struct str){p->key, p->key_len}; }

static size_t model_seek(const struct model *m, struct str key)
{
    size_t i = 0;
    while (i < m->n && str_cmp(model_key(&m->pairs[i]), key) < 0)
        i++;
    return i;
}

static bool model_has(const struct model *m, size_t i, struct str key)
{
    return i < m->n && str_cmp(model_key(&m->pairs[i]), key) == 0;
}

static void model_put(struct model *m, struct str key, struct str value)
{
    size_t i = model_seek(m, key);
    if (!model_has(m, i, key)) {
        (void)VEC_PUSH(m->pairs, m->n, m->cap);
        memmove(&m->pairs[i + 1], &m->pairs[i], (m->n - 1 - i) * sizeof *m->pairs);
        memcpy(m->pairs[i].key, key.ptr, key.len);
        m->pairs[i].key_len = key.len;
    }
    memcpy(m->pairs[i].value, value.ptr, value.len);
    m->pairs[i].value_len = value.len;
}

static bool model_remove(struct model *m, struct str key)
{
    size_t i = model_seek(m, key);
    if (!model_has(m, i, key))
        return false;
    m->n--;
    memmove(&m->pairs[i], &m->pairs[i + 1], (m->n - i) * sizeof *m->pairs);
    return true;
}

/* Short keys of few letters, the largest byte among them, so that prefixes are shared and edges are met; some behind what many
 * have in front, for longer than a node of the tree remembers too. */
static struct str random_key(struct random *r, char *out, size_t max)
{
    static const char letters[] = {'\0', 'a', 'b', '\xff'};
    static const uint8_t alike[] = {0, 0, 5, 40, 47, 55};
    size_t same = alike[random_below(r, ARRAY_LEN(alike))], n = same + random_below(r, max + 1);
    memset(out, 'a', same);
    for (size_t i = same; i < n; i++)
        out[i] = letters[random_below(r, 4)];
    return (struct str){out, n};
}

struct scan {
    const struct model *m;
    size_t at, seen;
    bool ordered;
};

static int each_cb(void *arg, struct str key, struct str value)
{
    struct scan *s = arg;
    size_t i = s->ordered ? s->at++ : model_seek(s->m, key);
    assert_true(model_has(s->m, i, key));
    assert_int_equal(value.len, s->m->pairs[i].value_len);
    assert_memory_equal(value.ptr, s->m->pairs[i].value, value.len);
    s->seen++;
    return 0;
}

static void compare(const struct kv *kv, const struct model *m, struct str prefix, bool ordered)
{
    size_t from = model_seek(m, prefix), to = from;
    while (to < m->n && str_starts(model_key(&m->pairs[to]), prefix))
        to++;
    struct scan s = {m, from, 0, ordered};
    assert_int_equal(kv_scan(kv, prefix, each_cb, &s), 0);
    assert_int_equal(s.seen, to - from);
    if (!ordered)
        return;
    struct str key, value;
    assert_int_equal(kv_first(kv, prefix, &key, &value), to > from);
    if (to > from)
        assert_true(model_has(m, from, key));
    assert_int_equal(kv_last(kv, prefix, &key, &value), to > from);
    if (to > from)
        assert_true(model_has(m, to - 1, key));
}

static void run(uint64_t seed, bool ordered, bool both)
{
    struct random r;
    random_seed(&r, seed);
    struct budget budget;
    budget_init(&budget, (int64_t)random_below(&r, 20000), NULL);
    struct kv *kv = kv_new(ordered, &budget);
    if (both)
        kv_hash(kv);
    if (random_chance(&r, 0.3))
        kv_passing(kv);
    struct model m = {0};
    size_t longest = 1 + random_below(&r, 20);
    unsigned removals = (unsigned)random_below(&r, 4);
    for (unsigned step = 0; step < 1500; step++) {
        char kb[KEY_MAX], vb[40];
        struct str key = random_key(&r, kb, longest);
        if (step == 1000)
            removals = 5; /* shrink to almost nothing */
        if (random_below(&r, 6) < removals) {
            assert_int_equal(kv_remove(kv, key), model_remove(&m, key));
        } else {
            struct str value = {memset(vb, (int)random_next(&r) & 0xff, sizeof vb), random_below(&r, sizeof vb)};
            kv_put(kv, key, value);
            model_put(&m, key, value);
        }
        assert_int_equal(kv_count(kv), m.n);
        key = random_key(&r, kb, longest);
        assert_int_equal(kv_get(kv, key).ptr != NULL, model_has(&m, model_seek(&m, key), key));
        if (step % 16 == 0)
            compare(kv, &m, random_key(&r, kb, 3), ordered);
    }
    compare(kv, &m, STR(""), ordered);
    assert_true(atomic_load(&budget.used) <= budget.max);
    kv_clear(kv);
    assert_int_equal(kv_count(kv), 0);
    kv_put(kv, STR("again"), STR(""));
    assert_true(kv_get(kv, STR("again")).ptr);
    kv_free(kv);
    assert_int_equal(atomic_load(&budget.used), 0);
    xfree(m.pairs);
}

/* A map holds exactly what was put and not removed, scans it by prefix (ordered ones in byte order), and gives all its
 * memory back to the budget. */
static void test_map_equals_model(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(60); i++)
        run(seed + (uint64_t)i, i % 3 != 0, i % 3 == 2);
}

/* An ordered map of many keys, ascending, descending or mixed, finds each of them; removing all leaves no node. */
static void test_tree_of_many(void **state)
{
    (void)state;
    enum { N = 20000 };
    for (unsigned way = 0; way < 3; way++) {
        struct kv *kv = kv_new(true, NULL);
        for (uint32_t i = 0; i < N; i++) {
            uint8_t key[4];
            put_be32(key, way == 0 ? i : way == 1 ? N - 1 - i : i * 7919 % N);
            kv_put(kv, (struct str){(char *)key, 4}, STR("x"));
        }
        assert_int_equal(kv_count(kv), N);
        for (uint32_t i = 0; i < N; i++) {
            uint8_t key[4];
            put_be32(key, way == 1 ? i : N - 1 - i);
            assert_true(kv_remove(kv, (struct str){(char *)key, 4}));
        }
        assert_int_equal(kv_bytes(kv), 0);
        kv_free(kv);
    }
}

/* The index keeps its order and its numbers through random growth and shrinking. */
static void test_tree_invariants(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    struct account account = {0};
    struct btree t = {.account = &account};
    for (unsigned step = 0; step < 3000; step++) {
        char kb[KEY_MAX];
        struct str key = random_key(&r, kb, 12);
        if (random_chance(&r, step < 2000 ? 0.3 : 0.7)) {
            xfree(btree_remove(&t, key));
        } else {
            bool added;
            struct pair **slot = btree_put(&t, key, &added);
            if (added) {
                *slot = xalloc(sizeof **slot + key.len);
                **slot = (struct pair){.key_len = (uint32_t)key.len, .cap = (uint32_t)key.len & INT32_MAX};
                memcpy((*slot)->bytes, key.ptr, key.len);
            }
        }
        if (step % 100 == 0)
            btree_check(&t);
    }
    for (struct btree_at at = btree_seek(&t, STR("")); btree_pair(at); at = btree_next(at))
        xfree(btree_pair(at));
    btree_fini(&t);
    assert_int_equal(account.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_map_equals_model), cmocka_unit_test(test_tree_of_many),
                                       cmocka_unit_test(test_tree_invariants)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
