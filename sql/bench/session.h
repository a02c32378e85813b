/* A session with the server: statements in, lines of its answer out. Private to sql/bench. */
#ifndef BENCH_SESSION_H
#define BENCH_SESSION_H
#include "log/net/http_client.h"
#include "sql/shell/answer.h"

struct session {
    struct http_client *http;
    struct arena arena;
};
int session_open(struct session *s, const char *address, struct diag *d) MUST_USE;
void session_close(struct session *s);
/* Runs statements to their end, reading topics from their beginning; each_cb (may be NULL) sees every line. */
int session_run(struct session *s, const char *sql, void (*each_cb)(void *arg, const struct answer *an), void *arg,
                struct diag *d) MUST_USE;
/* The halves of it, for a query that does not end: 1 and a line; 0: none yet, poll session_fd; E_EOF: it has ended. */
int session_begin(struct session *s, const char *sql, bool from_latest, struct diag *d) MUST_USE;
int session_line(struct session *s, struct answer *an, struct diag *d) MUST_USE;
int session_fd(const struct session *s);

#endif
