#include "engine/run/plan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Sums of whole numbers do not overflow on the way: their partial is wider than their result. */
static void test_partial_is_exact(void **state)
{
    (void)state;
    struct agg a = {.kind = AGG_SUM};
    struct type out[4];
    assert_int_equal(agg_partial_columns(&a, TYPE(T_BIGINT), out), 2);
    assert_int_equal(out[0].id, T_DECIMAL);
    assert_int_equal(out[0].scale, 0);
    assert_int_equal(out[1].id, T_BIGINT);
    assert_int_equal(agg_partial_columns(&a, TYPE_DECIMAL(10, 2), out), 3);
    assert_int_equal(out[0].scale, 2);
    assert_int_equal(agg_partial_columns(&a, TYPE(T_DOUBLE), out), 2);
    assert_int_equal(out[0].id, T_BYTES);
    a.kind = AGG_COUNT_STAR;
    assert_int_equal(agg_partial_columns(&a, TYPE(T_BIGINT), out), 1);
    a.kind = AGG_MAX;
    assert_int_equal(agg_partial_columns(&a, TYPE(T_VARCHAR), out), 1);
    assert_int_equal(out[0].id, T_VARCHAR);
}

/* Only numbers are added up; anything with an order has a least and a greatest. */
static void test_results(void **state)
{
    (void)state;
    struct type t;
    assert_true(agg_result(AGG_SUM, TYPE(T_INT), &t) && t.id == T_BIGINT);
    assert_true(agg_result(AGG_SUM, TYPE_DECIMAL(10, 2), &t) && t.precision == 38 && t.scale == 2);
    assert_true(agg_result(AGG_AVG, TYPE(T_BIGINT), &t) && t.id == T_DOUBLE);
    assert_false(agg_result(AGG_SUM, TYPE(T_VARCHAR), &t));
    assert_true(agg_result(AGG_MIN, TYPE(T_VARCHAR), &t) && t.id == T_VARCHAR);
    assert_false(agg_result(AGG_MAX, TYPE(T_BOOLEAN), &t));
    assert_true(agg_result(AGG_COUNT, TYPE(T_BYTES), &t) && t.id == T_BIGINT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_partial_is_exact), cmocka_unit_test(test_results)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
