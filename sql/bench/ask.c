#include "sql/bench/ask.h"
#include "engine/io/io.h"
#include "log/base/clock.h"
#include <poll.h>

enum { CONNECT_MS = 5000, POLL_MS = 20 };

int ask_open(struct ask *s, const char *address, struct diag *d)
{
    arena_init(&s->arena);
    s->http = NULL;
    return http_client_open(&s->http, address, CONNECT_MS, d);
}

void ask_close(struct ask *s)
{
    http_client_close(s->http);
    arena_fini(&s->arena);
}

int ask_begin(struct ask *s, const char *sql, bool from_latest, struct diag *d)
{
    struct wbuf w;
    wbuf_init(&w);
    wbuf_printf(&w, "{\"sql\":");
    json_put_str(&w, str_of(sql));
    wbuf_printf(&w, ",\"properties\":{\"auto.offset.reset\":\"%s\"}}", from_latest ? "latest" : "earliest");
    int rc = http_client_post(s->http, "/sql", wbuf_view(&w), d);
    wbuf_fini(&w);
    return rc;
}

int ask_fd(const struct ask *s) { return http_client_fd(s->http); }

int ask_line(struct ask *s, struct answer *an, struct diag *d)
{
    struct str line;
    int got = http_client_line(s->http, &line);
    if (got < 0 && got != E_EOF)
        return diag_set(d, got, "the session was lost: %s", err_text(got));
    if (got <= 0)
        return got;
    arena_reset(&s->arena);
    if (answer_read(an, line, &s->arena) < 0)
        return diag_set(d, E_SYNTAX, "the session answers what cannot be read");
    if (an->kind == ANSWER_ERROR)
        return diag_set(d, E_SQL, "%.*s", STR_ARG(an->text));
    return 1;
}

int ask_run(struct ask *s, const char *sql, void (*each_cb)(void *arg, const struct answer *an), void *arg,
                struct diag *d)
{
    int rc = ask_begin(s, sql, false, d);
    while (rc >= 0) {
        struct answer an;
        rc = ask_line(s, &an, d);
        if (rc == E_EOF)
            return 0;
        if (rc == 0) {
            struct pollfd p = {.fd = ask_fd(s), .events = POLLIN};
            poll(&p, 1, -1);
        }
        if (rc > 0 && each_cb)
            each_cb(arg, &an);
    }
    return rc;
}

/* ---- waiting for a job */

struct jobs {
    unsigned n, lag_at, state_at;
    int64_t lag;
    bool running, failed;
};

static void see_jobs(void *arg, const struct answer *an)
{
    struct jobs *j = arg;
    for (unsigned i = 0; an->kind == ANSWER_COLUMNS && i < an->ncols; i++) {
        if (str_eq_nocase(an->cols[i].name, STR("lag")))
            j->lag_at = i;
        if (str_eq_nocase(an->cols[i].name, STR("state")))
            j->state_at = i;
    }
    for (unsigned i = 0; an->kind == ANSWER_ROWS && i < an->nrows; i++) {
        int64_t lag = -1;
        const struct cell *row = an->cells + i * an->ncells;
        str_to_i64(row[j->lag_at].text, &lag);
        j->lag = lag;
        j->running = str_eq_nocase(row[j->state_at].text, STR("running"));
        j->failed = str_eq_nocase(row[j->state_at].text, STR("failed"));
        j->n++;
    }
}

int ask_caught_up(struct ask *s, int64_t patience_ms, struct diag *d)
{
    for (int64_t until = clock_mono_us() + patience_ms * 1000; clock_mono_us() < until;) {
        struct jobs j = {.lag = -1};
        clock_sleep_ms(POLL_MS);
        int rc = ask_run(s, "SHOW JOBS;", see_jobs, &j, d);
        if (rc < 0)
            return rc;
        if (j.failed)
            return diag_set(d, E_SQL, "the job has failed");
        if (j.n == 1 && j.running && j.lag == 0)
            return 0;
    }
    return diag_set(d, E_TIMEOUT, "the job has not read its input within %lld s", (long long)(patience_ms / 1000));
}
