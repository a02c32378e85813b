/* One request: its statements run one after the other, each prepared against the newest image. What takes time
 * (commits, appends, jobs, queries, reading) calls back on the request's loop; `held` counts what may still call back,
 * so that a session whose peer has left is freed by the last of them. Private to sql/serve. */
#ifndef SERVE_SESSION_H
#define SERVE_SESSION_H
#include "log/base/random.h"
#include "sql/plan/plan.h"
#include "sql/serve/serve.h"

struct serve {
    struct engine *engine;
    struct broker *broker;
    /* Statements that change the metadata run one at a time: loop 0 gives out turns. */
    struct list turns;
    bool turn_taken;
};
struct turn;
struct sys;
struct insert;
struct print;
struct silence;
struct measuring;

struct session {
    struct serve *serve;
    struct http_req *req; /* NULL: the peer has left, or the answer is complete */
    struct loop *loop;
    unsigned held;
    struct random random;

    /* The request. */
    struct arena arena;
    struct settings props, vars;
    struct str sql;
    int64_t limit; /* rows of a query; -1: no limit */
    bool until_caught_up, deploy, plan, beside;
    unsigned refused;      /* plan: statements that would be */
    struct image *preview; /* plan: the image as the statements so far would make it; NULL: as it is */

    /* The statement at work: [at] of sql; its memory is `memory`. */
    size_t pos;
    unsigned index;
    struct arena memory;
    struct str statement;
    struct substitution substitution;
    struct image *image;
    struct statement_env env; /* what it is prepared in */
    struct work preparing;    /* a worker is at that, */
    int prepare_err;          /* and says what came of it */
    bool prepared;
    struct prepared p;
    struct diag diag;
    int64_t started_us, rows;
    struct msg next;

    struct turn *turn;
    struct commit commit;
    unsigned tries;
    struct uuid whole; /* a savepoint whose file was read to its checksum */
    unsigned again_at, again_begun; /* of p.again: asked so far, and how many of them had failed */
    struct insert *insert;
    struct print *print;
    struct query *query;
    struct silence *silence;   /* being looked into */
    struct job_status last;    /* of a query that has ended without a row: its counters, in memory */
    struct sys *sys;      /* what its scans of schema sys show; in memory */
    const char *left_out; /* what the query's rows do not show */
    bool query_full;  /* waits for the peer to read */
    bool summed;      /* last is known */
    struct row_table found; /* SHOW ERRORS: so far, */
    struct wbuf words;      /* and a line a job */
    unsigned filling; /* row of a table whose job is being asked */
    struct measuring *measuring; /* EXPLAIN ANALYZE: of a job, a second ago; of a query, at its end; in memory */
    struct wbuf out;
};

/* Takes over req: runs its statements and ends it. Everything borrowed from the request is copied. */
void session_begin(struct serve *serve, struct http_req *req);

/* ---- The parts of a statement's life that have files of their own. */
/* The statement is over: the next one runs, or the request ends. */
void session_done(struct session *s);
void session_fail(struct session *s); /* with s->diag */
int session_error(struct session *s, int err, const char *code, const char *fmt, ...) PRINTF_LIKE(4, 5);
void session_hold(struct session *s);
/* False: the peer has left and this was the last hold: s is gone. */
bool session_release(struct session *s);

void insert_begin(struct session *s);
void query_begin(struct session *s);
void query_run(struct session *s); /* what it reads of schema sys has been gathered */
/* If the plan reads schema sys: gathers what that shows, then query_run; else false. */
bool sys_begin(struct session *s);
/* Rows of a table of schema sys, for query_class. */
void sys_scan(void *session, const struct plan_node *scan, struct arena *a, void (*give_cb)(void *to, struct batch *b),
              void *to);
void query_drained(struct session *s);
/* ---- silence.c: why a query has no rows. From what it reads to the job that writes that, and on; then it is told:
 * with the progress of a running query, or behind the rows of one that has ended, which then is done. One at a time. */
void silence_begin(struct session *s, const struct job_status *st, bool ended);
/* A query failed, s->diag says how: as session_fail, with what its table's job is doing if that does not run. */
void silence_failed(struct session *s);
void silence_end(struct session *s); /* nobody wants to hear it any more; fine if there is none */
void print_begin(struct session *s);
void print_drained(struct session *s);
void print_end(struct session *s);
/* ---- analyze.c: EXPLAIN ANALYZE. */
/* Up to where event time has come in what it gives; INT64_MIN, INT64_MAX: not known. */
int64_t operator_watermark(const struct job_status *st, const struct plan_node *n);
void analyze_query(struct session *s, const struct job_status *st); /* it has ended: what it took is kept, */
void analyze_told(struct session *s);                               /* and told; done */
void analyze_plan(struct session *s, const struct plan *plan, const struct job_status *st, struct wbuf *out); /* as it is now */
void analyze_job(struct session *s); /* the job is asked twice, a second apart; told, and done */
/* Result tables; those that speak of jobs ask the engine first. */
void table_begin(struct session *s);
const struct plan *job_plan_of(struct session *s, struct uuid job); /* in memory; NULL: there is none */

struct image *session_image(struct session *s); /* that a statement sees; gives a reference */
void session_commit(struct session *s);         /* the change that was prepared */
void session_dispatch(struct session *s);       /* what was prepared is done */
/* plan: tells what the prepared statement would do (err: why it would be refused), and goes on as if it had. */
void plan_statement(struct session *s, int err);
/* Has the engine save the job, then commits its name. */
void savepoint_begin(struct session *s);
/* RESTORE: the file is read to its checksum before anything is changed; then the change. */
void restore_check(struct session *s);
/* RESUME: of p.again, those that have failed are begun anew; told, and done. */
void again_begin(struct session *s);
void await_job(struct session *s); /* done, as soon as the job that the statement speaks of runs */
/* The change waits for a job to have caught up: refused, or committed. */
void promote_begin(struct session *s);
/* Of a file that is deployed: 1: nothing to do, told; 0: go on; E_SQL: refused, in s->diag. */
int deploy_check(struct session *s, struct str text);

/* ---- Lines of the answer. Each is written at once. They give the bytes that the peer has not taken yet. */
#define ANSWER_HIGH 1048576 /* above it a query waits */
size_t tell_statement(struct session *s);
size_t tell_message(struct session *s, const char *text);
size_t tell_text(struct session *s, struct str text);
size_t tell_columns(struct session *s, const char *query, bool updates, bool latest, const struct schema *sc,
                    const bool *keys);
/* The first n columns of the batch's selected rows, at most `max` of them. */
size_t tell_rows(struct session *s, const struct batch *b, unsigned n, uint32_t max);
size_t tell_table(struct session *s, const struct row_table *t);
size_t tell_progress(struct session *s, const struct job_status *st, const char *why, const char *left_out);
size_t tell_set(struct session *s, const char *what, struct str name, struct str value);
size_t tell_done(struct session *s);
size_t tell_error(struct session *s);
size_t tell_line(struct session *s); /* s->out, a line without its end */

/* ---- errors.c */
void errors_rows(const struct job_status *st, struct arena *a, unsigned max, struct row_table *t); /* adds to t */
const char *errors_words(const struct job_status *st, int64_t now_ms, struct arena *a); /* NULL: no bad records */
const char *errors_values(const struct job_status *st, struct arena *a); /* NULL: all could be computed */

/* ---- Words about jobs. */
/* Why a query has told no row yet, or NULL; in a. *from: the source or scan that has no rows for it, so that whoever
 * writes them knows more; or NULL. */
const char *why_silent(const struct plan *plan, const struct job_status *st, struct arena *a,
                       const struct plan_node **from);
/* The same of the job that fills such a source, with its name, state and what to type. letters: its topic of dead
 * letters holds some. st: its state, and unless it is paused its counters. hint: of one that has failed, what to
 * type. */
const char *why_job(const struct plan *plan, const struct job_status *st, bool letters, const char *hint, struct arena *a,
                    const struct plan_node **from);
/* What to type about a job that has failed for this reason; in a. */
const char *failed_hint(const struct image *im, struct uuid job, const char *why, struct arena *a);
/* The same if a topic that it uses was deleted, so that it cannot begin anew; else NULL. */
const char *gone_hint(const struct image *im, struct uuid job, struct arena *a);
/* Rows that a job has left out of what it fills, and where they are; NULL: none. */
const char *why_lacks(const struct job_status *st, struct arena *a);
/* What an answer has left out, a sentence a line; NULL: nothing. */
const char *why_less(const struct plan *plan, const struct job_status *st, struct arena *a);
/* All that is known of a job at work, as lines; show: with the plan and its counters. plan may be NULL, and hint: what to type. */
void job_describe(const struct job_status *st, const struct plan *plan, bool show, const char *hint, int64_t now_ms,
                  struct wbuf *out);
/* The value of a column of SHOW JOBS or SHOW QUERIES that only a running job knows; false: none of these columns. */
bool job_cell(const struct job_status *st, const char *column, struct arena *a, struct value *out);

/* health.c: whether the server lives, is ready (brief), and what it does. */
void health_answer(struct serve *s, struct http_req *req);
void health_probe(struct serve *s, struct http_req *req, bool brief);

#endif
