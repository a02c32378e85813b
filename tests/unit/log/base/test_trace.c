/* A message is one line that cannot be forged, and a flood of one event is cut to a few lines and a count. */
#include "log/base/trace.h"
#include "log/base/alloc.h"
#include "log/base/clock.h"
#include "log/base/disk.h"
#include "log/base/limits.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"
#include <stdio.h>
#include <unistd.h>

static char *scratch, path[4096];
static int saved;

/* From here on standard error goes to a file; text_end gives what came. */
static void text_begin(void)
{
    fflush(stderr);
    saved = dup(STDERR_FILENO);
    assert_non_null(freopen(path, "w", stderr));
}

static char *text_end(void)
{
    fflush(stderr);
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    close(saved);
    char *text;
    size_t n;
    assert_int_equal(disk_read_file(disk_real(), path, 1 << 20, &text, &n), 0);
    return text;
}

static unsigned lines_of(const char *text)
{
    unsigned n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* Level, room and event stand in their fields; a level that is off says nothing; long text is cut, not lost. */
static void lines_have_fields(void **state)
{
    (void)state;
    static char big[2 * TRACE_LINE_BYTES];
    memset(big, 'x', sizeof big - 1);
    text_begin();
    trace(WARN, "store", "torn_tail topic=%s cut=%d", "a\nlevel=error\x7f", 7);
    trace(DEBUG, "store", "quiet");
    trace(ERROR, "store", "long text=%s", big);
    char *text = text_end();
    assert_int_equal(lines_of(text), 2);
    assert_int_equal(strncmp(text, "ts=20", 5), 0);
    assert_non_null(strstr(text, "Z level=warn room=store event=torn_tail topic=a?level=error? cut=7\nts="));
    assert_null(strstr(text, "quiet"));
    assert_in_range(strlen(text), TRACE_LINE_BYTES - 100, TRACE_LINE_BYTES + 200);
    xfree(text);
}

/* Of a thousand lines of one event in a second few are seen, another event is not hidden, and a count follows. */
static void floods_are_cut(void **state)
{
    (void)state;
    text_begin();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 1000; i++)
            trace(WARN, "net", "flood n=%d", i);
        trace(WARN, "net", "other round=%d", round);
        if (!round)
            clock_sleep_ms(1050);
    }
    char *text = text_end();
    assert_in_range(lines_of(text), 2 * TRACE_LINES_PER_SECOND + 2, 4 * TRACE_LINES_PER_SECOND + 2);
    assert_non_null(strstr(text, "event=other round=0"));
    assert_non_null(strstr(text, " suppressed="));
    xfree(text);
}

int main(void)
{
    scratch = scratch_new();
    snprintf(path, sizeof path, "%s/err", scratch);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_fields),
        cmocka_unit_test(floods_are_cut),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_remove(scratch);
    return failed;
}
