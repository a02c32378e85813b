/* The live table: what it shows after rows came and went, what keys do, and that it never asks for a busy loop. */
#include "sql/shell/live.h"
#include "tests/unit/sql/shell/capture.h"
#include "tests/unit/unit.h"

#define S 1000000 /* us */

struct view {
    struct arena a;
    struct screen screen;
    struct live *live;
    struct capture capture;
    char out[16384];
};

static void view_open(struct view *v, const char *columns)
{
    struct answer an;
    arena_init(&v->a);
    v->screen = (struct screen){.tty = true, .columns = 80, .rows = 24};
    v->capture = capture_begin();
    assert_int_equal(answer_read(&an, str_of(columns), &v->a), 0);
    v->live = live_new(&v->screen, &an, S);
}

static void view_rows(struct view *v, const char *line, int64_t now)
{
    struct answer an;
    assert_int_equal(answer_read(&an, str_of(line), &v->a), 0);
    live_rows(v->live, &an, now);
}

/* What stays on the screen after the end. */
static const char *view_close(struct view *v, int64_t now)
{
    live_end(v->live, now);
    capture_end(&v->capture, v->out, sizeof v->out);
    arena_fini(&v->a);
    return v->out;
}

/* The last frame: what follows the last time that the cursor went home. */
static const char *last_frame(const char *out)
{
    const char *at = out;
    for (const char *p; (p = strstr(at, "\033[?2026h")) != NULL;)
        at = p + 8;
    return at;
}

#define KEYED                                                                                                          \
    "{\"kind\":\"columns\",\"columns\":[{\"name\":\"k\",\"type\":\"VARCHAR\",\"key\":true},"                           \
    "{\"name\":\"n\",\"type\":\"INT\",\"key\":false}],\"query\":\"push\",\"updates\":true}"
#define UNKEYED                                                                                                        \
    "{\"kind\":\"columns\",\"columns\":[{\"name\":\"k\",\"type\":\"VARCHAR\",\"key\":false},"                          \
    "{\"name\":\"n\",\"type\":\"INT\",\"key\":false}],\"query\":\"push\",\"updates\":true}"

/* A row with a key is replaced where it stands; one that is taken back is gone at the end. */
static void replaces_rows(void **state)
{
    (void)state;
    struct view v;
    view_open(&v, KEYED);
    view_rows(&v, "{\"kind\":\"rows\",\"rows\":[[\"a\",1],[\"b\",1],[\"c\",1]],\"ops\":\"+++\"}", S);
    live_paint(v.live, 2 * S, 0);
    view_rows(&v, "{\"kind\":\"rows\",\"rows\":[[\"a\",1],[\"a\",7],[\"b\",1]],\"ops\":\"-+-\"}", 2 * S);
    const char *frame = last_frame(view_close(&v, 3 * S));
    assert_non_null(strstr(frame, "│ a   │   7 │"));
    assert_non_null(strstr(frame, "2 rows at the end in 2.0 s"));
    assert_null(strstr(frame, "│ b "));
    assert_null(strstr(frame, "│ a   │   1 │"));
}

/* Without a key the new row takes the line of the old one that is most like it. */
static void keeps_places(void **state)
{
    (void)state;
    struct view v;
    view_open(&v, UNKEYED);
    view_rows(&v, "{\"kind\":\"rows\",\"rows\":[[\"a\",1],[\"b\",1],[\"c\",1]],\"ops\":\"+++\"}", S);
    view_rows(&v, "{\"kind\":\"rows\",\"rows\":[[\"a\",1],[\"b\",1],[\"b\",2],[\"a\",3]],\"ops\":\"--++\"}", S);
    const char *frame = last_frame(view_close(&v, 3 * S)), *a = strstr(frame, "│ a "), *b = strstr(frame, "│ b "),
               *c = strstr(frame, "│ c ");
    assert_true(a && b && c && a < b && b < c);
    assert_non_null(strstr(frame, "│ a   │   3 │"));
    assert_non_null(strstr(frame, "3 rows at the end"));
}

/* s sorts by the next column, numbers from the largest; / keeps rows that hold the text, in any case. */
static void obeys_keys(void **state)
{
    (void)state;
    struct view v;
    view_open(&v, KEYED);
    view_rows(&v, "{\"kind\":\"rows\",\"rows\":[[\"ant\",9],[\"bee\",10],[\"cat\",1]],\"ops\":\"+++\"}", S);
    assert_false(live_key(v.live, 's'));
    assert_false(live_key(v.live, 's'));
    live_paint(v.live, 2 * S, 0);
    live_key(v.live, '/');
    assert_false(live_key(v.live, 'q')); /* typed, not obeyed */
    live_key(v.live, 127);
    live_key(v.live, 'E');
    live_key(v.live, '\n');
    live_paint(v.live, 3 * S, 0);
    assert_true(live_key(v.live, 'q'));
    view_close(&v, 4 * S);
    const char *ant = strstr(v.out, "│ ant"), *bee = strstr(v.out, "│ bee"), *cat = strstr(v.out, "│ cat");
    assert_true(ant && bee && cat && bee < ant && ant < cat);
    assert_null(strstr(last_frame(v.out), "│ ant"));
}

/* A frame is painted at most ten times a second, and the next look is asked for in time, but never at once. */
static void paints_seldom(void **state)
{
    (void)state;
    struct view v;
    view_open(&v, KEYED);
    int64_t now = S;
    unsigned frames = 0;
    for (; now < 3 * S; now += 5000) {
        char row[120];
        snprintf(row, sizeof row, "{\"kind\":\"rows\",\"rows\":[[\"a\",%lld]],\"ops\":\"+\"}", (long long)now);
        view_rows(&v, row, now);
        int wait = live_paint(v.live, now, 0);
        assert_in_range(wait, 1, 1000);
    }
    view_close(&v, now);
    for (const char *p = v.out; (p = strstr(p, "\033[?2026h")) != NULL; p++)
        frames++;
    assert_in_range(frames, 10, 22);
}

/* No line is wider than the screen, whatever the values are. */
static void fits_the_screen(void **state)
{
    (void)state;
    struct view v;
    view_open(&v, KEYED);
    v.screen.columns = 30;
    view_rows(&v,
              "{\"kind\":\"rows\",\"rows\":[[\"a very long text that cannot fit the screen at all\",1]],\"ops\":\"+\"}",
              S);
    live_paint(v.live, 2 * S, 0);
    view_close(&v, 3 * S);
    for (char *line = strtok(v.out, "\n"); line; line = strtok(NULL, "\n"))
        if (!strstr(line, "rows at the end") && !strstr(line, "2026"))
            assert_in_range(line_width(str_of(line)), 0, 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(replaces_rows), cmocka_unit_test(keeps_places),
                                       cmocka_unit_test(obeys_keys), cmocka_unit_test(paints_seldom),
                                       cmocka_unit_test(fits_the_screen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
