/* Bounded results: each mode's bytes, widths of wide characters, lines cut to a screen. */
#include "sql/shell/render.h"
#include "tests/unit/sql/shell/capture.h"
#include "tests/unit/unit.h"

static const struct screen plain = {.columns = 80, .rows = 24};

static const char *columns_line =
    "{\"kind\":\"columns\",\"columns\":[{\"name\":\"k\",\"type\":\"VARCHAR\",\"key\":true},"
    "{\"name\":\"n\",\"type\":\"BIGINT\",\"key\":false}],\"query\":\"%s\",\"updates\":%s}";

static const char *rendered(enum render_mode mode, bool updates, const char *rows)
{
    static char out[4096];
    char line[400];
    struct arena a;
    struct answer an;
    struct render r;
    snprintf(line, sizeof line, columns_line, updates ? "push" : "pull", updates ? "true" : "false");
    arena_init(&a);
    render_init(&r, mode, &plain);
    struct capture c = capture_begin();
    assert_int_equal(answer_read(&an, str_of(line), &a), 0);
    render_begin(&r, &an);
    if (rows) {
        assert_int_equal(answer_read(&an, str_of(rows), &a), 0);
        render_rows(&r, &an);
    }
    render_end(&r);
    capture_end(&c, out, sizeof out);
    render_fini(&r);
    arena_fini(&a);
    return out;
}

#define ROWS "{\"kind\":\"rows\",\"rows\":[[\"a,\\\"b\",1],[null,-20],[\"\",null]]}"
#define CHANGES "{\"kind\":\"rows\",\"rows\":[[\"a\",1],[\"a\",2]],\"ops\":\"-+\"}"

/* NDJSON: an object a row, nothing for no rows, an op where rows may go again. */
static void ndjson(void **state)
{
    (void)state;
    assert_string_equal(rendered(RENDER_NDJSON, false, ROWS),
                        "{\"k\":\"a,\\\"b\",\"n\":1}\n{\"k\":null,\"n\":-20}\n{\"k\":\"\",\"n\":null}\n");
    assert_string_equal(rendered(RENDER_NDJSON, true, CHANGES),
                        "{\"op\":\"-\",\"k\":\"a\",\"n\":1}\n{\"op\":\"+\",\"k\":\"a\",\"n\":2}\n");
    assert_string_equal(rendered(RENDER_NDJSON, false, NULL), "");
}

/* CSV: fields with commas, quotes or line ends are quoted; NULL is empty, an empty string is "". */
static void csv(void **state)
{
    (void)state;
    assert_string_equal(rendered(RENDER_CSV, false, ROWS), "k,n\n\"a,\"\"b\",1\n,-20\n\"\",\n");
    assert_string_equal(rendered(RENDER_CSV, true, CHANGES), "op,k,n\n-,a,1\n+,a,2\n");
    assert_string_equal(rendered(RENDER_CSV, false, NULL), "k,n\n");
}

/* JSON is one array, also without rows. */
static void json(void **state)
{
    (void)state;
    assert_string_equal(rendered(RENDER_JSON, false, CHANGES), "[{\"k\":\"a\",\"n\":1},\n {\"k\":\"a\",\"n\":2}]\n");
    assert_string_equal(rendered(RENDER_JSON, false, NULL), "[]\n");
}

/* A box is as wide as its widest cell; wide characters take two cells; changes have an op column. */
static void box(void **state)
{
    (void)state;
    assert_string_equal(
        rendered(RENDER_BOX, false, "{\"kind\":\"rows\",\"rows\":[[\"東京\",1],[null,-20]]}"),
        "┌──────┬─────┐\n│ k    │   n │\n├──────┼─────┤\n│ 東京 │   1 │\n│ NULL │ -20 │\n└──────┴─────┘\n");
    assert_string_equal(rendered(RENDER_BOX, true, CHANGES),
                        "┌─────┬─────┬─────┐\n│ op  │ k   │   n │\n├─────┼─────┼─────┤\n"
                        "│ -   │ a   │   1 │\n│ +   │ a   │   2 │\n└─────┴─────┴─────┘\n");
    assert_string_equal(rendered(RENDER_BOX, false, NULL),
                        "┌─────┬─────┐\n│ k   │   n │\n├─────┼─────┤\n└─────┴─────┘\n");
}

static struct str cut(const char *line, size_t width, struct wbuf *w)
{
    wbuf_reset(w);
    line_cut(w, str_of(line), width);
    wbuf_u8(w, 0);
    return (struct str){(const char *)w->data, w->len - 1};
}

/* A line is cut between characters, never inside one or inside an escape; its colours end with it. */
static void cuts_lines(void **state)
{
    (void)state;
    struct wbuf w;
    wbuf_init(&w);
    assert_string_equal(cut("abc", 3, &w).ptr, "abc");
    assert_string_equal(cut("abcd", 3, &w).ptr, "abc");
    assert_string_equal(cut("東京", 3, &w).ptr, "東");
    assert_string_equal(cut("\033[1mab\033[0mcd", 3, &w).ptr, "\033[1mab\033[0mc\033[0m");
    assert_string_equal(cut("", 0, &w).ptr, "");
    assert_int_equal(line_width(STR("\033[31m東京\033[0m!")), 5);
    wbuf_fini(&w);
}

/* Text is cut or padded to its width exactly, a cut one ends in an ellipsis; control characters cannot reach the
 * screen. */
static void fits_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
        bool right;
        const char *wanted;
    } cases[] = {{"ab", 4, false, "ab  "},
                 {"ab", 4, true, "  ab"},
                 {"abcdef", 4, false, "abc…"},
                 {"東京都", 4, false, "東… "},
                 {"a\033[2J", 5, false, "a\xef\xbf\xbd[2J"},
                 {"", 2, false, "  "},
                 {"abc", 0, false, ""}};
    struct wbuf w;
    wbuf_init(&w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        wbuf_reset(&w);
        text_put(&w, str_of(cases[i].text), cases[i].width, cases[i].right);
        wbuf_u8(&w, 0);
        assert_string_equal((char *)w.data, cases[i].wanted);
        assert_int_equal(text_width((struct str){(char *)w.data, w.len - 1}), cases[i].width);
    }
    wbuf_fini(&w);
}

/* Names of modes, in any case; others are refused. */
static void knows_modes(void **state)
{
    (void)state;
    enum render_mode m;
    assert_true(render_mode_parse(STR("CSV"), &m) && m == RENDER_CSV);
    assert_true(render_mode_parse(STR("box"), &m) && m == RENDER_BOX);
    assert_false(render_mode_parse(STR("bx"), &m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ndjson),     cmocka_unit_test(csv),       cmocka_unit_test(json),       cmocka_unit_test(box),
        cmocka_unit_test(cuts_lines), cmocka_unit_test(fits_text), cmocka_unit_test(knows_modes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
