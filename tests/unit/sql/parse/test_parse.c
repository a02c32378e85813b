/* Lexer, grammar, printer, syntax errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "log/base/limits.h"
#include "sql/parse/parse.h"
#include "tests/unit/sql/parse/statements.h"

static struct arena arena;
static struct diag diag;

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

static struct ast_statement *parse_ok(const char *sql)
{
    struct ast_statement *st = NULL;
    if (parse_statement(&st, str_of(sql), &arena, &diag) != 0)
        fail_msg("%s\n  %d:%d %s (%s)", sql, diag.line, diag.column, diag.text, diag.hint);
    assert_non_null(st);
    return st;
}

static const char *printed(const struct ast_statement *st, bool parens)
{
    struct wbuf w;
    wbuf_init(&w);
    ast_print(st, parens, &w);
    const char *text = arena_dup(&arena, wbuf_view(&w)).ptr;
    wbuf_fini(&w);
    return text;
}

/* Every kind of statement prints as it was written in canonical form, and parses back to the same structure. */
static void statements_round_trip(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(statements); i++) {
        struct ast_statement *st = parse_ok(statements[i]);
        const char *text = printed(st, false);
        assert_string_equal(text, statements[i]);
        assert_string_equal(printed(parse_ok(text), true), printed(st, true));
        assert_string_equal(printed(parse_ok(printed(st, true)), true), printed(st, true));
    }
}

/* Operators bind as the dialect says, from sign down to OR. */
static void operators_bind(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a + b * c", "a + (b * c)"},
        {"a - b - c", "(a - b) - c"},
        {"a || b + c", "a || (b + c)"},
        {"-a * b", "(-a) * b"},
        {"a + b = c || d", "(a + b) = (c || d)"},
        {"NOT a = b AND c OR d", "((NOT (a = b)) AND c) OR d"},
        {"a OR b AND c OR d", "a OR (b AND c) OR d"},
        {"a BETWEEN 1 AND 2 AND b", "(a BETWEEN 1 AND 2) AND b"},
        {"NOT a IS NULL", "NOT (a IS NULL)"},
        {"(a OR b) OR c", "(a OR b) OR c"},
        {"a AND (b AND c)", "a AND (b AND c)"},
        {"- - a", "-(-a)"},
        {"a % 2 != 0", "(a % 2) <> 0"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        char sql[200], want[200];
        snprintf(sql, sizeof sql, "SELECT x FROM s WHERE %s", cases[i][0]);
        snprintf(want, sizeof want, "%s", cases[i][1]);
        struct wbuf w;
        wbuf_init(&w);
        ast_print_expr(parse_ok(sql)->select->where, true, &w);
        if (w.len > 1 && want[0] != '(' && w.data[0] == '(') /* the outermost parentheses */
            snprintf(want, sizeof want, "(%s)", cases[i][1]);
        else if (want[0] == '(')
            snprintf(want, sizeof want, "(%s)", cases[i][1]);
        assert_int_equal(w.len, strlen(want));
        assert_memory_equal(w.data, want, w.len);
        wbuf_fini(&w);
    }
}

/* Case, comments, line breaks, aliases without AS, either order of window parts: all the same to the parser. */
static void other_spellings(void **state)
{
    (void)state;
    static const char *const same[][2] = {
        {"select A from B", "SELECT A FROM B;"},
        {"/* x ; */ select a -- it's\n b from s t where `q q` = 1;;", "SELECT a AS b FROM s AS t WHERE \"q q\" = 1;"},
        {"LIST STREAMS", "SHOW STREAMS;"},
        {"SELECT a FROM s WINDOW TUMBLING (SIZE 90 second, GRACE PERIOD 0 minutes, RETENTION 1 day) GROUP BY (a, b)",
         "SELECT a FROM s WINDOW TUMBLING (SIZE 90 SECONDS, RETENTION 1 DAYS, GRACE PERIOD 0 MILLISECONDS) GROUP BY a, "
         "b;"},
        {"SELECT key, source, size FROM changes emit changes", "SELECT key, source, size FROM changes EMIT CHANGES;"},
        {"CREATE TABLE t AS SELECT * FROM a INNER JOIN b ON a.x = b.x",
         "CREATE TABLE t AS SELECT * FROM a JOIN b ON a.x = b.x;"},
        {"SELECT Straße, 2nd_try FROM été", "SELECT Straße, 2nd_try FROM été;"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(same); i++)
        assert_string_equal(printed(parse_ok(same[i][0]), false), same[i][1]);
}

/* Every keyword that is not reserved can be the name of a column, a relation and an alias after AS. */
static void keywords_as_names(void **state)
{
    (void)state;
    for (unsigned i = 0; lex_keyword(i); i++) {
        char sql[200];
        bool reserved = lex_next(str_of(lex_keyword(i)), 0).reserved;
        snprintf(sql, sizeof sql, "SELECT x.%s, y AS %s FROM %s AS %s", lex_keyword(i), lex_keyword(i), lex_keyword(i),
                 lex_keyword(i));
        struct ast_statement *st;
        assert_int_equal(parse_statement(&st, str_of(sql), &arena, &diag) != 0, reserved);
        snprintf(sql, sizeof sql, "DROP STREAM %s", lex_keyword(i));
        if (reserved && parse_statement(&st, str_of(sql), &arena, &diag) != 0 && !strstr(diag.text, "supported"))
            if (!strstr(diag.hint, "double quotes"))
                fail_msg("%s: %s (%s)", sql, diag.text, diag.hint);
    }
}

/* An error points at the word that is wrong, says what is wrong and, for common slips, what to do. */
static void errors_have_places(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        int line, column, length;
        const char *text, *hint;
    } cases[] = {
        {"SELCT a FROM s", 1, 1, 5, "does not fit", "did you mean SELECT?"},
        {"SELECT a FORM s", 1, 10, 4, "does not fit", "did you mean FROM?"},
        {"SELECT a, b\nFROM s WEHRE a > 1", 2, 8, 5, "does not fit", "did you mean WHERE?"},
        {"SELECT a FROM s GRUOP BY a", 1, 17, 5, "does not fit", "did you mean GROUP?"},
        {"SELECT a FROM s GROUP a", 1, 23, 1, "BY is missing", ""},
        {"SELECT a b c FROM s", 1, 12, 1, "a comma is missing before \"c\"", ""},
        {"SELECT a,, b FROM s", 1, 10, 1, "does not fit", "without it"},
        {"SELECT a, FROM s", 1, 9, 1, "does not fit", "without it"},
        {"SELECT COUNT(* FROM s", 1, 16, 4, "\")\" is missing", ""},
        {"SELECT order FROM s", 1, 8, 5, "reserved word", "\"order\""},
        {"SELECT (a FROM s", 1, 11, 4, "\")\" is missing", ""},
        {"SELECT a FROM s WHERE", 1, 22, 0, "ends too early: a value or column", ""},
        {"SELECT a FROM s WHERE (a > 1", 1, 29, 0, "is missing before the end", ""},
        {"SELECT a FROM s WHERE a = 'x", 1, 27, 1, "no closing '", ""},
        {"SELECT a FROM s WHERE a = \xe2\x80\x99x\xe2\x80\x99", 1, 27, 3, "typographic", "single quotes"},
        {"SELECT a FROM s WINDOW HOPPING (SIZE 1 HOUR)", 1, 44, 1, "where a comma should stand", ""},
        {"SELECT a FROM s WINDOW TUMBLING (SIZE 1 HUOR) GROUP BY a", 1, 41, 4, "not a unit", "did you mean HOUR?"},
        {"SELECT a FROM (SELECT b FORM s)", 1, 25, 4, "does not fit", "did you mean FROM?"},
        {"SELECT a FROM s UNION ALL", 1, 26, 0, "ends too early", ""},
        {"SELECT a FROM s JOIN t", 1, 23, 0, "ends too early", ""},
        {"WITH x AS SELECT a FROM s SELECT a FROM x", 1, 11, 6, "\"(\" is missing", ""},
        {"SELECT a[1, 2] FROM s", 1, 9, 6, "one index stands in brackets", ""},
        {"SELECT f(1 => 2) FROM s", 1, 12, 2, "found \"=>\"", ""},
        {"SELECT INTERVAL '1' MONTH TO DAY FROM s", 1, 21, 12, "from a unit to a smaller one", ""},
        {"SELECT a FROM s WHERE a > 1 WINDOW TUMBLING (SIZE 1 HOUR)", 1, 29, 6, "found \"WINDOW\"",
         "clauses come in this order"},
        {"CREATE STREAM s (a ARRAY<>)", 1, 25, 2, "does not fit", ""},
        {"ALTER STREAM s ADD COLUMN b INT", 1, 1, 5, "ALTER is not supported", ""},
        {"CREATE TYPE t STRUCT<a INT>", 1, 15, 6, "AS is missing", ""},
        {"INSERT INTO s SELECT * FROM t", 1, 15, 6, "INSERT INTO ... SELECT is not supported", ""},
        {"hello", 1, 1, 5, "cannot start with \"hello\"", "statements start with"},
        {"SELECT 'a' 'b' FROM s", 1, 12, 3, "a comma is missing", ""},
        {"SELECT a FROM s; SELECT b FROM s", 1, 18, 6, "second statement", ""},
        {"SELECT a # b FROM s", 1, 10, 1, "has no meaning", ""},
        {"SHOW STREEMS", 1, 6, 7, "does not fit", "did you mean STREAMS?"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct ast_statement *st;
        assert_int_equal(parse_statement(&st, str_of(cases[i].sql), &arena, &diag), E_SQL);
        bool good = diag.line == cases[i].line && diag.column == cases[i].column && diag.length == cases[i].length &&
                    strstr(diag.text, cases[i].text) && strstr(diag.hint, cases[i].hint);
        if (!good)
            fail_msg("%s\n  %d:%d+%d %s (%s)", cases[i].sql, diag.line, diag.column, diag.length, diag.text, diag.hint);
        assert_string_equal(diag.code, "42601");
    }
}

/* A message has the sentence, the line and the caret under the right character, cut to what a terminal shows. */
static void errors_are_shown(void **state)
{
    (void)state;
    struct ast_statement *st;
    const char *sql = "SELECT Straße\nFORM s";
    assert_int_equal(parse_statement(&st, str_of(sql), &arena, &diag), E_SQL);
    struct wbuf w;
    wbuf_init(&w);
    diag_show(&diag, str_of(sql), &w);
    wbuf_u8(&w, 0);
    assert_string_equal((char *)w.data,
                        "ERROR 42601: \"FORM\" does not fit here\n  2 | FORM s\n      ^^^^ did you mean FROM?\n");
    wbuf_reset(&w);
    diag_set(&diag, E_SQL, "wrong");
    diag_place(&diag, 0, STR("SELECT ß, x"), (struct place){11, 1});
    diag_show(&diag, STR("SELECT ß, x"), &w);
    wbuf_u8(&w, 0);
    assert_string_equal((char *)w.data, "ERROR: wrong\n  1 | SELECT ß, x\n                ^\n");
    wbuf_fini(&w);
}

/* Bounds: too long, too deep, too long a name; each is a sentence, never a crash. */
static void bounds_hold(void **state)
{
    (void)state;
    static char text[SQL_STATEMENT_BYTES + 10];
    struct ast_statement *st;
    memset(text, ' ', sizeof text);
    assert_int_equal(parse_statement(&st, (struct str){text, sizeof text}, &arena, &diag), E_SQL);
    memcpy(text, "SELECT ", 7);
    memset(text + 7, '(', 100000);
    assert_int_equal(parse_statement(&st, (struct str){text, 100007}, &arena, &diag), E_SQL);
    assert_non_null(strstr(diag.text, "nested too deeply"));
    for (int i = 0; i < 1000; i++)
        memcpy(text + 7 + 2 * i, "1+", 2);
    memcpy(text + 2007, "1 FROM s", 8);
    assert_int_equal(parse_statement(&st, (struct str){text, 2015}, &arena, &diag), E_SQL);
    assert_non_null(strstr(diag.text, "levels deep"));
    for (int i = 0; i < 1000; i++)
        memcpy(text + 7 + 5 * i, "1 OR ", 5);
    memcpy(text + 5007, "1 FROM s", 8);
    assert_int_equal(parse_statement(&st, (struct str){text, 5015}, &arena, &diag), 0);
    memset(text + 7, 'x', 300);
    memcpy(text + 307, " FROM s", 7);
    assert_int_equal(parse_statement(&st, (struct str){text, 314}, &arena, &diag), E_SQL);
    assert_non_null(strstr(diag.text, "300 bytes"));
    assert_int_equal(parse_statement(&st, STR("SELECT \xff FROM s"), &arena, &diag), E_SQL);
    assert_int_equal(diag.column, 8);
    assert_int_equal(parse_statement(&st, STR(" -- nothing\n ; "), &arena, &diag), 0);
    assert_null(st);
}

/* The shell learns from the lexer whether to ask for another line. */
static void completeness(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum lex_state want;
    } cases[] = {{"", LEX_NOTHING},
                 {" -- x\n", LEX_NOTHING},
                 {"SELECT 1;", LEX_COMPLETE},
                 {"SELECT 1; -- done", LEX_COMPLETE},
                 {"SELECT 1", LEX_NO_SEMICOLON},
                 {"SELECT ';", LEX_OPEN_STRING},
                 {"SELECT \";", LEX_OPEN_NAME},
                 {"SELECT `;", LEX_OPEN_NAME},
                 {"SELECT /* ;", LEX_OPEN_COMMENT},
                 {"SELECT (1", LEX_OPEN_BRACKET},
                 {"SELECT (1;", LEX_COMPLETE},
                 {"SELECT 1; SELECT", LEX_NO_SEMICOLON}};
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(lex_state(str_of(cases[i].text)), cases[i].want);
}

/* A script is cut at semicolons outside quotes and comments. */
static void splitting(void **state)
{
    (void)state;
    struct str text = STR("-- first\nSELECT ';' -- ; \n;; /* ; */\nSHOW TOPICS; x"), piece;
    size_t pos = 0;
    assert_true(lex_split(text, &pos, &piece));
    assert_true(str_eq(piece, STR("SELECT ';' -- ; \n;")));
    assert_true(lex_split(text, &pos, &piece));
    assert_true(str_eq(piece, STR("SHOW TOPICS;")));
    assert_true(lex_split(text, &pos, &piece));
    assert_true(str_eq(piece, STR("x")));
    assert_false(lex_split(text, &pos, &piece));
}

static struct str variable(void *arg, struct str name)
{
    (void)arg;
    return str_eq(name, STR("t")) ? STR("flights") : str_eq(name, STR("e")) ? STR("") : STR_NULL;
}

/* Variables are replaced in names and texts, not in comments, and places of errors are those of what was written. */
static void variables(void **state)
{
    (void)state;
    struct substitution s;
    struct str text = STR("SELECT ${e}a, '${t}s' /* ${no} */ FROM ${t} WHERE oops oops");
    assert_int_equal(lex_substitute(&s, text, variable, NULL, &arena, &diag), 0);
    assert_true(str_eq(s.text, STR("SELECT a, 'flightss' /* ${no} */ FROM flights WHERE oops oops")));
    struct ast_statement *st;
    assert_int_equal(parse_statement(&st, s.text, &arena, &diag), E_SQL);
    lex_place_back(&s, text, &diag);
    assert_int_equal(diag.column, 56);
    diag_place(&diag, 0, s.text, (struct place){38, 7});
    lex_place_back(&s, text, &diag);
    assert_int_equal(diag.column, 40);
    assert_int_equal(diag.length, 4);
    assert_int_equal(lex_substitute(&s, STR("SELECT ${no}"), variable, NULL, &arena, &diag), E_SQL);
    assert_int_equal(diag.column, 8);
}

/* Shapes are those of the grammar: there is one for every kind of statement. */
static void shapes(void **state)
{
    (void)state;
    bool dropped = false, selected = false;
    unsigned nshapes = 0;
    struct wbuf all, one;
    wbuf_init(&all);
    wbuf_init(&one);
    for (; wbuf_reset(&one), parse_shape(nshapes, &one); nshapes++) {
        struct str shape = wbuf_view(&one);
        dropped |= str_eq(shape, STR("DROP STREAM|TABLE [IF EXISTS] name [DELETE TOPIC]"));
        selected |= str_starts(shape, STR("SELECT ")) && memmem(shape.ptr, shape.len, " [WHERE expression] ", 20);
        wbuf_printf(&all, "\n%.*s", STR_ARG(shape));
    }
    assert_true(dropped && selected && nshapes > 20);
    wbuf_u8(&all, 0);
    static const char *const kinds[] = {"CREATE", "DROP",    "INSERT",    "TERMINATE", "PAUSE", "RESUME", "PROMOTE",
                                        "DISCARD", "SAVEPOINT", "RESTORE", "SHOW", "DESCRIBE", "EXPLAIN", "PRINT",
                                        "SET",     "UNSET",     "DEFINE",  "UNDEFINE", "SELECT"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char first[32];
        snprintf(first, sizeof first, "\n%s", kinds[i]);
        if (!strstr((const char *)all.data, first))
            fail_msg("no shape of %s", kinds[i]);
    }
    wbuf_fini(&all);
    wbuf_fini(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_round_trip),
        cmocka_unit_test(operators_bind),
        cmocka_unit_test(other_spellings),
        cmocka_unit_test(keywords_as_names),
        cmocka_unit_test(errors_have_places),
        cmocka_unit_test(errors_are_shown),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(completeness),
        cmocka_unit_test(splitting),
        cmocka_unit_test(variables),
        cmocka_unit_test(shapes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
