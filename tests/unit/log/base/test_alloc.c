/* Arenas, budgets, slabs and counted slots. */
#include "log/base/alloc.h"
#include "log/base/buf.h"
#include "log/base/cell.h"
#include "log/base/err.h"
#include "log/base/limits.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"
#include <pthread.h>

/* Whatever the sizes, pieces of an arena do not overlap, are aligned, and a reset arena serves again. */
static void arena_pieces_are_apart(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    struct arena a;
    arena_init(&a);
    for (int round = 0; round < 20; round++) {
        enum { N = 300 };
        uint8_t *piece[N];
        size_t size[N];
        for (int i = 0; i < N; i++) {
            size[i] = random_chance(&r, 0.02) ? random_below(&r, 2 * ARENA_CHUNK_MAX) : random_below(&r, 300);
            piece[i] = arena_alloc(&a, size[i]);
            assert_int_equal((uintptr_t)piece[i] % 16, 0);
            memset(piece[i], i, size[i]);
        }
        for (int i = 0; i < N; i++)
            for (size_t k = 0; k < size[i]; k++)
                assert_int_equal(piece[i][k], (uint8_t)i);
        arena_reset(&a);
        assert_int_equal(a.used, 0);
    }
    arena_fini(&a);
}

/* Copies end with NUL, null stays null, printed text is whole. */
static void arena_texts(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    struct str s = arena_dup(&a, (struct str){"abc", 2});
    assert_string_equal(s.ptr, "ab");
    assert_int_equal(s.len, 2);
    assert_null(arena_dup(&a, STR_NULL).ptr);
    assert_string_equal(arena_dup(&a, STR("")).ptr, "");
    assert_string_equal(arena_strdup(&a, "x"), "x");
    char *text = arena_printf(&a, "%0*d", 5000, 7);
    assert_int_equal(strlen(text), 5000);
    int *zeros = ARENA_ARRAY(&a, int, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(zeros[i], 0);
    arena_fini(&a);
}

/* A budget never goes past its maximum or its parent's, and a refusal changes nothing. */
static void budgets_refuse(void **state)
{
    (void)state;
    struct budget all, part;
    budget_init(&all, 100, NULL);
    budget_init(&part, 80, &all);
    assert_int_equal(budget_take(&part, 60), 0);
    assert_int_equal(budget_take(&part, 21), E_BUDGET);
    assert_int_equal(budget_take(&all, 40), 0);
    assert_int_equal(budget_take(&part, 1), E_BUDGET);
    assert_int_equal(part.used, 60);
    assert_int_equal(all.used, 100);
    assert_int_equal(budget_take(&all, SIZE_MAX), E_BUDGET);
    budget_give(&part, 60);
    budget_give(&all, 40);
    assert_int_equal(all.used, 0);
    assert_int_equal(part.used, 0);
}

/* A released slab is the next one of its size; a slab still held never is. */
static void slabs_are_recycled(void **state)
{
    (void)state;
    struct buf *b = buf_new(10000);
    assert_true(b->cap >= 10000);
    assert_int_equal(b->len, 0);
    buf_acquire(b);
    buf_release(b);
    struct buf *other = buf_new(10000);
    assert_ptr_not_equal(b, other);
    buf_release(b);
    struct buf *again = buf_new(9000);
    assert_ptr_equal(b, again);
    buf_release(again);
    buf_release(other);
    buf_release(NULL);
}

static void *slab_thread(void *arg)
{
    struct random r;
    random_seed(&r, (uintptr_t)arg);
    struct buf *held[16] = {0};
    for (int i = 0; i < 20000; i++) {
        struct buf **b = &held[random_below(&r, 16)];
        if (*b) {
            assert_int_equal((*b)->data[0], (uint8_t)(uintptr_t)*b);
            assert_int_equal((*b)->data[(*b)->cap - 1], (uint8_t)(uintptr_t)arg);
        }
        buf_release(*b);
        *b = buf_new(random_below(&r, 40000) + 1);
        (*b)->data[(*b)->cap - 1] = (uint8_t)(uintptr_t)arg;
        (*b)->data[0] = (uint8_t)(uintptr_t)*b;
    }
    for (int i = 0; i < 16; i++)
        buf_release(held[i]);
    return NULL;
}

/* Threads never get one slab at the same time. */
static void slabs_on_threads(void **state)
{
    (void)state;
    pthread_t thread[3];
    for (uintptr_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, slab_thread, (void *)(i + 1)), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
}

struct view {
    struct counted counted;
    uint64_t a, b; /* always equal */
};
static _Atomic int views;

static void view_free(struct counted *c)
{
    struct view *v = container_of(c, struct view, counted);
    v->a = v->b + 1;
    atomic_fetch_sub(&views, 1);
    xfree(v);
}

static struct counted *view_new(uint64_t n)
{
    struct view *v = xalloc(sizeof *v);
    counted_init(&v->counted, view_free);
    v->a = v->b = n;
    atomic_fetch_add(&views, 1);
    return &v->counted;
}

static void *reader_thread(void *arg)
{
    uint64_t last = 0;
    while (last < 20000) {
        struct counted *c = cell_get(arg);
        struct view *v = container_of(c, struct view, counted);
        assert_int_equal(v->a, v->b);
        assert_true(v->a >= last);
        last = v->a;
        counted_release(c);
    }
    return NULL;
}

/* Readers see whole values in the order they were set, and every value is freed once. */
static void cells_on_threads(void **state)
{
    (void)state;
    struct cell cell;
    cell_init(&cell, view_new(0));
    pthread_t thread[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, reader_thread, &cell), 0);
    for (uint64_t n = 1; n <= 20000; n++)
        cell_set(&cell, view_new(n));
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    cell_set(&cell, NULL);
    assert_null(cell_get(&cell));
    assert_int_equal(views, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_pieces_are_apart), cmocka_unit_test(arena_texts),
        cmocka_unit_test(budgets_refuse),         cmocka_unit_test(slabs_are_recycled),
        cmocka_unit_test(slabs_on_threads),       cmocka_unit_test(cells_on_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
