/* Waiting for jobs, so that scripts need no sleep. */
#include <stdio.h>

#include "log/base/clock.h"
#include "sql/shell/client.h"

#define POLL_MS 20

static struct str cell_of_column(const struct columns *cols, const struct row *row, const char *name)
{
    for (unsigned i = 0; i < cols->n; i++)
        if (str_eq(cols->cols[i].name, str_of(name)))
            return row->cells[i].text;
    return STR_NULL;
}

enum look { LOOK_BUSY, LOOK_DONE, LOOK_FAILED, LOOK_LOST };

/* One that is paused does not catch up: whoever waits for it by name hears so, and whoever waits for all that it is left out. */
static enum look paused(struct str name, bool named, bool first)
{
    if (named)
        fprintf(stderr, "job %.*s is paused: it does not catch up before weir job resume\n", STR_ARG(name));
    else if (first)
        fprintf(stderr, "job %.*s is paused and not waited for\n", STR_ARG(name));
    return named ? LOOK_FAILED : LOOK_DONE;
}

/* One look at all jobs. `mark` sums up how far they are: two equal ones in a row, and nothing is on its way between
 * jobs. */
static enum look look(struct client *c, struct str job, bool first, int64_t *mark)
{
    struct arena a;
    struct columns cols;
    struct row *rows;
    unsigned n;
    enum look seen = LOOK_DONE;
    bool found = !job.len;
    arena_init(&a);
    *mark = 0;
    if (client_rows(c, STR("SHOW JOBS;"), &a, false, &cols, &rows, &n) != EXIT_GOOD)
        seen = LOOK_LOST;
    for (unsigned i = 0; seen != LOOK_LOST && i < n; i++) {
        struct str name = cell_of_column(&cols, &rows[i], "name"), state = cell_of_column(&cols, &rows[i], "state");
        int64_t lag = 0, in = 0, out = 0;
        if (job.len && !str_eq_nocase(job, name))
            continue;
        found = true;
        str_to_i64(cell_of_column(&cols, &rows[i], "lag"), &lag);
        str_to_i64(cell_of_column(&cols, &rows[i], "rows_in"), &in);
        str_to_i64(cell_of_column(&cols, &rows[i], "rows_out"), &out);
        *mark = *mark * 31 + in * 7 + out;
        if (str_eq(state, STR("failed"))) {
            fprintf(stderr, "job %.*s has failed; weir job describe tells why\n", STR_ARG(name));
            seen = LOOK_FAILED;
        } else if (str_eq(state, STR("paused"))) {
            seen = paused(name, job.len > 0, first) == LOOK_FAILED ? LOOK_FAILED : seen;
        } else if ((lag || !str_eq(state, STR("running"))) && seen == LOOK_DONE) {
            seen = LOOK_BUSY;
        }
    }
    if (!found && seen == LOOK_DONE) {
        fprintf(stderr, "there is no job %.*s\n", STR_ARG(job));
        seen = LOOK_FAILED;
    }
    xfree(rows);
    arena_fini(&a);
    return seen;
}

int client_wait(struct client *c, struct str job, int64_t timeout_ms)
{
    int64_t until = clock_mono_us() + timeout_ms * 1000, before = -1, mark;
    for (bool first = true;; first = false) {
        enum look seen = look(c, job, first, &mark);
        if (seen == LOOK_LOST)
            return EXIT_CONNECTION;
        if (seen == LOOK_FAILED)
            return EXIT_STATEMENT;
        if (seen == LOOK_DONE && mark == before)
            return EXIT_GOOD;
        before = seen == LOOK_DONE ? mark : -1;
        if (client_interrupted())
            return EXIT_STATEMENT;
        if (clock_mono_us() > until) {
            fputs("the jobs have not caught up in time\n", stderr);
            return EXIT_STATEMENT;
        }
        clock_sleep_ms(POLL_MS);
    }
}
