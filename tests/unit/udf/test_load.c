#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "log/base/alloc.h"
#include "udf/load.h"

struct seen {
    struct arena arena;
    unsigned failed;
    char text[100];
};

static void *take(void *arg, size_t size) { return arena_alloc(&((struct seen *)arg)->arena, size); }

static void note(void *arg, uint32_t row, const char *text)
{
    struct seen *s = arg;
    s->failed += 1 + row;
    strncpy(s->text, text, sizeof s->text - 1);
}

/* A function gets whole batches and its NULLs, failures and texts come back row by row. */
static void test_call(void **state)
{
    (void)state;
    struct udf *score, *shout;
    struct diag d;
    assert_int_equal(udf_load(&score, UDF_GOOD, "score", &d), 0);
    assert_int_equal(udf_load(&shout, UDF_GOOD, "shout", &d), 0);
    struct seen seen = {.failed = 0};
    arena_init(&seen.arena);

    int32_t minutes[3] = {10, -1, 3};
    struct weir_text texts[3] = {{"abc", 3}, {"", 0}, {"x", 1}};
    uint64_t all = 7, valid = 7;
    struct weir_column args[2] = {{WEIR_INT, minutes, &all}, {WEIR_VARCHAR, texts, &all}};
    double numbers[3];
    struct weir_column result = {WEIR_DOUBLE, numbers, &valid};
    udf_call(score, 3, args, 2, &result, take, note, &seen);
    assert_true(numbers[0] == 8.0 && numbers[2] == 2.5);
    assert_int_equal(valid, 5);
    assert_int_equal(seen.failed, 2);
    assert_string_equal(seen.text, "negative minutes");

    struct weir_text out[3];
    valid = 7;
    result = (struct weir_column){WEIR_VARCHAR, out, &valid};
    udf_call(shout, 3, args + 1, 1, &result, take, note, &seen);
    assert_int_equal(out[0].len, 4);
    assert_memory_equal(out[0].ptr, "abc!", 4);

    arena_fini(&seen.arena);
    udf_unload(score);
    udf_unload(shout);
}

/* Whatever is wrong with a library is said in a sentence, with a hint. */
static void test_refused(void **state)
{
    (void)state;
    struct udf *f;
    struct diag d;
    assert_int_equal(udf_load(&f, UDF_GOOD, "scor", &d), E_NOT_FOUND);
    assert_non_null(strstr(d.text, "no function \"scor\""));
    assert_int_equal(udf_load(&f, UDF_ALIEN, "nothing", &d), E_SYNTAX);
    assert_non_null(strstr(d.hint, "WEIR_MODULE"));
    assert_int_equal(udf_load(&f, "/nowhere/lib.so", "score", &d), E_NOT_FOUND);
    assert_non_null(strstr(d.text, "/nowhere/lib.so"));
    assert_int_equal(udf_load(&f, "libm.so.6", "cos", &d), E_NOT_FOUND); /* the system's folders are not searched */
    assert_int_equal(udf_load(&f, __FILE__, "score", &d), E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_call), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
