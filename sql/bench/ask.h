/* A session with the server: statements in, lines of its answer out. Private to sql/bench. */
#ifndef BENCH_ASK_H
#define BENCH_ASK_H
#include "log/net/http_client.h"
#include "sql/shell/answer.h"

struct ask {
    struct http_client *http;
    struct arena arena;
};
int ask_open(struct ask *s, const char *address, struct diag *d) MUST_USE;
void ask_close(struct ask *s);
/* Runs statements to their end, reading topics from their beginning; each_cb (may be NULL) sees every line. */
int ask_run(struct ask *s, const char *sql, void (*each_cb)(void *arg, const struct answer *an), void *arg,
                struct diag *d) MUST_USE;
/* Waits until the one job that there is has read its input. E_SQL: it failed; E_TIMEOUT. */
int ask_caught_up(struct ask *s, int64_t patience_ms, struct diag *d) MUST_USE;
/* The halves of it, for a query that does not end: 1 and a line; 0: none yet, poll ask_fd; E_EOF: it has ended. */
int ask_begin(struct ask *s, const char *sql, bool from_latest, struct diag *d) MUST_USE;
int ask_line(struct ask *s, struct answer *an, struct diag *d) MUST_USE;
int ask_fd(const struct ask *s);

#endif
