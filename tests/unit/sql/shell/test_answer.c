/* Lines of a session's answer are read whole; what is no such line is refused, never misread. */
#include "sql/shell/answer.h"
#include "tests/unit/unit.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static struct answer read_good(const char *line)
{
    struct answer an;
    assert_int_equal(answer_read(&an, str_of(line), &arena), 0);
    return an;
}

static void assert_text(struct str got, const char *wanted)
{
    assert_int_equal(got.len, strlen(wanted));
    assert_memory_equal(got.ptr, wanted, got.len);
}

/* Columns keep their order, names, types and key; numbers stand right. */
static void reads_columns(void **state)
{
    (void)state;
    struct answer an =
        read_good("{\"kind\":\"columns\",\"columns\":[{\"name\":\"who\",\"type\":\"VARCHAR\",\"key\":true},"
                  "{\"name\":\"n\",\"type\":\"DECIMAL(10,2)\",\"key\":false}],\"query\":\"push\","
                  "\"updates\":true,\"from\":\"latest\"}");
    assert_int_equal(an.kind, ANSWER_COLUMNS);
    assert_int_equal(an.ncols, 2);
    assert_text(an.cols[0].name, "who");
    assert_true(an.cols[0].key && !an.cols[0].right);
    assert_true(!an.cols[1].key && an.cols[1].right);
    assert_true(an.updates && an.from_latest);
    assert_text(an.query, "push");
}

/* Every kind of value comes as its text: all digits of large integers, escapes resolved, null apart from "null". */
static void reads_rows(void **state)
{
    (void)state;
    struct answer an = read_good("{\"kind\":\"rows\",\"rows\":[[9223372036854775807,\"a\\n\\u00e9\",null],"
                                 "[-1.50,\"null\",true]],\"ops\":\"+-\"}");
    assert_int_equal(an.nrows, 2);
    assert_int_equal(an.ncells, 3);
    assert_text(an.cells[0].text, "9223372036854775807");
    assert_text(an.cells[1].text, "a\n\xc3\xa9");
    assert_int_equal(an.cells[2].kind, JSON_NULL);
    assert_text(an.cells[3].text, "-1.50");
    assert_int_equal(an.cells[4].kind, JSON_STRING);
    assert_text(an.cells[5].text, "true");
    assert_text(an.ops, "+-");
}

/* An error brings code, sentence, hint and place; a null hint is none. */
static void reads_errors(void **state)
{
    (void)state;
    struct answer an = read_good("{\"kind\":\"error\",\"code\":\"42703\",\"message\":\"no\",\"hint\":null,\"line\":3,"
                                 "\"column\":7,\"length\":2}");
    assert_int_equal(an.kind, ANSWER_ERROR);
    assert_text(an.code, "42703");
    assert_text(an.text, "no");
    assert_null(an.hint.ptr);
    assert_int_equal(an.line * 100 + an.column * 10 + an.length, 372);
}

/* Progress without a watermark says so; a kind and members that are not known are passed over. */
static void reads_progress(void **state)
{
    (void)state;
    assert_false(read_good("{\"kind\":\"progress\",\"watermark_ms\":null,\"why\":\"w\"}").has_watermark);
    assert_true(read_good("{\"kind\":\"progress\",\"watermark_ms\":-5}").has_watermark);
    assert_int_equal(read_good("{\"kind\":\"comet\",\"x\":{\"y\":[1,[2]]}}").kind, ANSWER_OTHER);
    assert_int_equal(read_good("{\"kind\":\"done\",\"new\":[{\"a\":1}],\"rows\":4,\"ms\":2}").rows, 4);
}

/* What is cut off, no object, of another shape, or without a kind first is refused, at every length. */
static void refuses_others(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "x",
                                      "[]",
                                      "{}",
                                      "{\"rows\":1,\"kind\":\"done\"}",
                                      "nothing is served here",
                                      "{\"kind\"",
                                      "{\"kind\":\"done\",",
                                      "{\"kind\":\"rows\",\"rows\":[[1,2"};
    struct answer an;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(answer_read(&an, str_of(bad[i]), &arena), E_SYNTAX);
    const char *whole = "{\"kind\":\"rows\",\"rows\":[[1,\"two\"],[3,null]],\"ops\":\"++\"}";
    for (size_t n = 0; n < strlen(whole); n++)
        assert_int_equal(answer_read(&an, (struct str){whole, n}, &arena), E_SYNTAX);
    an = read_good("{\"kind\":\"rows\",\"rows\":[[1,2],[3]]}");
    assert_int_equal(an.nrows, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_columns, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_progress, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_others, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
