/* From one SQL statement to what a session has to do: the front door of the SQL compiler.
 *
 * statement_prepare parses, checks and plans one statement against one metadata image. It does no I/O, changes nothing
 * and waits for nothing (CREATE FUNCTION alone opens the library it names, to refuse a missing symbol at once). What
 * must be done is data: a change to commit, a plan to run, records to append, rows to print, a setting to assign. Texts
 * with several statements are cut by lex_split (sql/parse/parse.h) first, each piece is prepared after the one before
 * has been carried out. Thread: pure, any; the image is borrowed until prepared_fini. */
#ifndef SQL_PLAN_H
#define SQL_PLAN_H
#include "engine/run/run.h"
#include "sql/bind/bind.h"

struct random;

/* What a session brings. */
struct statement_env {
    const struct image *image;
    const struct settings *props; /* SET 'name' = 'value'; see property_known */
    const struct settings *vars;  /* DEFINE name = 'value' */
    struct random *random;        /* makes the ids of new objects */
    int64_t now_ms;               /* event time of INSERT without ROWTIME; created_ms of jobs */
    int32_t default_partitions;   /* of a topic that does not say: num.partitions */
    bool at_least_once;           /* of jobs that do not say: processing.guarantee */
    bool beside;  /* ... and the new version shall run beside it (also property replace.mode) */
    bool replace; /* CREATE ... AS of what a job fills is CREATE OR REPLACE: a file that is deployed */
    /* How many records a topic holds, and whether it lost some of its first ones; -1: not known. NULL: never known. */
    int64_t (*topic_records)(void *arg, struct uuid topic, bool *trimmed);
    void *topic_arg;
};

enum prepared_kind {
    PREPARED_CHANGE, /* DDL, TERMINATE, PAUSE, RESUME: commit `change`, print `message`; then engine_job_await(job) if
                        set */
    PREPARED_QUERY,  /* SELECT: run `plan` by query_start */
    PREPARED_INSERT, /* append `records` to `topic` */
    PREPARED_ROWS,   /* SHOW, DESCRIBE, EXPLAIN: print `rows` */
    PREPARED_PRINT,  /* PRINT topic */
    PREPARED_SET,    /* SET, UNSET: settings_put(session's props, name, value) */
    PREPARED_SAVEPOINT, /* SAVEPOINT: engine_savepoint(job, savepoint), then prepared_saved makes it a CHANGE */
    PREPARED_DEFINE, /* DEFINE, UNDEFINE: the same for the variables */
    PREPARED_NOTHING /* IF [NOT] EXISTS that found nothing to do: print `message`; also a text without a statement */
};

struct insert_record {
    struct str key, value; /* null key: any partition */
    int64_t ts_ms;
};

/* Rows to show. Cells are VARCHAR, BIGINT or BOOLEAN. row_jobs: per row the job it speaks of (zero: none), so that the
 * session can fill the columns that only a running job knows: "state", "rows_per_s", "lag" where the schema has them.
 */
struct row_table {
    struct schema schema;
    unsigned nrows, cap;
    struct value **rows;
    struct uuid *row_jobs;
};

enum prepared_effect { EFFECT_OTHER, EFFECT_NEW, EFFECT_REPLACED, EFFECT_BESIDE };
struct prepared {
    enum prepared_kind kind;
    const char *message; /* a sentence, or NULL */
    enum prepared_effect effect; /* on a job: for `weir deploy --plan`, with */
    const char *relation, *detail; /* whose, and lines about its state and what it reads */
    const char *note;    /* a warning worth a line, or NULL: "column x of the key is not in ..." */

    /* CHANGE. The change is owned by this struct. */
    bool has_change;
    struct change change;
    struct uuid savepoint; /* SAVEPOINT: id of the new one */
    const struct savepoint *saved; /* what prepared_saved needs */
    struct uuid restore;       /* CHANGE: of a savepoint whose file must be whole (engine_savepoint_check), or zero */
    const struct plan *restore_plan;
    bool restore_lossy; /* though records that came after it are gone */
    struct uuid caught_up; /* a job that must have taken in what was there when it began, or the change is refused */
    unsigned nagain;
    const struct uuid *again; /* RESUME, also where nothing is to be changed: engine_job_again, for those that have failed */
    struct uuid job; /* the job created or resumed; for ROWS: the one described (DESCRIBE, EXPLAIN job); zero: none */

    /* QUERY: result columns in order; push: lives until closed or LIMIT, rows carry weights if changes is true. */
    const struct plan *plan;
    struct schema schema;
    bool push, changes;
    bool total; /* its only row is there though there are none */
    bool analyze;              /* EXPLAIN ANALYZE: its rows are not shown, but what it took; ROWS: of a job, for a second */

    /* INSERT, PRINT */
    struct uuid topic;
    const char *topic_name;
    unsigned nrecords;
    struct insert_record *records;
    bool from_beginning; /* PRINT */
    int64_t limit;       /* PRINT; -1: none */

    /* ROWS */
    struct row_table rows;
    bool errors;   /* a row per job, whose bad records are asked for, at most `limit` */
    bool vertical; /* one wide row or text: better shown as lines than as a box */

    /* SET, DEFINE: value null takes the setting away */
    struct str name, value;
};

/* Prepares the one statement in text (a trailing ';' is fine). Everything it gives lives in a, except the change.
 * On error nothing is left to release and d has code, sentence, place in `text` and hint. */
int statement_prepare(struct prepared *out, struct str text, const struct statement_env *env, struct arena *a,
                      struct diag *d) MUST_USE;
/* Does a CREATE say what this text says, however they are laid out? */
bool statement_says_the_same(struct ast_statement *new, const char *old_text, struct arena *a);
/* Does a session say anything of a job that it is not? */
bool job_settings_differ(const struct job_def *j, const struct settings *props, struct arena *a);
/* A savepoint's file is there: the change that gives it its name. */
void prepared_saved(struct prepared *p, const struct savepoint_facts *facts, struct arena *a);
void prepared_fini(struct prepared *p); /* releases the change; any kind */

#endif
