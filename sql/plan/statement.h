/* What the files of statement_prepare share. One file per family of statements; statement.c chooses. */
#ifndef PLAN_STATEMENT_H
#define PLAN_STATEMENT_H
#include "sql/plan/lower.h"

struct stmt {
    const struct statement_env *env;
    const struct ast_statement *ast;
    struct arena *arena;
    struct binding b; /* text, image, arena, diag */
    struct prepared *out;
};

/* Each prepares its statement into st->out. */
int prepare_create(struct stmt *st);          /* relation.c */
/* The job of this name; NULL: the error is set, with the nearest name, or hint where none is near (job.c). */
const struct object *find_job(struct stmt *st, const struct ast_name *name, const char *hint);
int prepare_create_as(struct stmt *st);       /* job.c */
int prepare_drop(struct stmt *st);            /* job.c */
int prepare_job_state(struct stmt *st);       /* job.c: TERMINATE, PAUSE, RESUME */
int prepare_create_view(struct stmt *st);     /* view.c */
int prepare_drop_view(struct stmt *st);       /* view.c */
void views_show(struct stmt *st);             /* view.c */
int view_describe(struct stmt *st);           /* view.c: its columns */
int prepare_create_function(struct stmt *st); /* function.c */
int prepare_drop_function(struct stmt *st);   /* function.c */
int prepare_create_type(struct stmt *st);     /* type.c */
int prepare_drop_type(struct stmt *st);       /* type.c */
int prepare_insert(struct stmt *st);          /* insert.c */
int prepare_select(struct stmt *st);          /* query.c */
int prepare_explain(struct stmt *st);         /* query.c */
int prepare_show(struct stmt *st);            /* show.c */
int prepare_describe(struct stmt *st);        /* show.c */
int prepare_describe_function(struct stmt *st);
int prepare_print(struct stmt *st); /* statement.c */

/* ---- Helpers */
struct uuid stmt_uuid(const struct stmt *st); /* a new one */
struct change *stmt_change(struct stmt *st);  /* the statement's change, begun at the first call */
int stmt_nothing(struct stmt *st, const char *fmt, ...) PRINTF_LIKE(2, 3);
void stmt_message(struct stmt *st, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The CREATE of the statement, also behind EXPLAIN. */
struct ast_statement *stmt_create(const struct stmt *st);
struct str stmt_sql(const struct stmt *st); /* the text without blanks and ';' at its end */

/* ---- relation.c: making relations and their topics */
struct draft_relation { /* a relation to be, while it is found out what it is */
    struct relation rel;
    struct with with;
    bool windowed;
    int64_t window_retention_ms;
    bool wrap_key; /* a key of one column that may be NULL: in an object */
    int key_like, value_like; /* formats to take if nothing is said and they can hold the columns; -1 none */
    int32_t partitions_like;  /* partitions of a new topic if nothing is said */
};
/* May the name be taken? 0 yes; 1: IF NOT EXISTS found it, st->out says so; *old: what OR REPLACE replaces, or NULL. */
int relation_name_free(struct stmt *st, struct relation **old);
/* Formats, timestamp column, topic (found or created in the change), object. cols and format's columns are set before.
 */
int relation_finish(struct stmt *st, struct draft_relation *dr, int32_t *partitions);
void relation_put(struct stmt *st, const struct relation *rel, bool must_be_new);

/* ---- job.c */
/* Every job: each_cb with its object and definition. */
void job_each(const struct image *im, struct arena *a,
              void (*each_cb)(void *arg, const struct object *o, const struct job_def *j), void *arg);
/* "a", "b" and 3 more: names of the jobs that read (and, except for `but`, write) a relation; NULL: none. */
const char *job_users(const struct stmt *st, const struct relation *rel, struct uuid but);
/* The plan of CREATE ... AS SELECT. dr->rel.topic need not exist yet. */
int job_plan(struct stmt *st, const struct query *q, const struct draft_relation *dr, int32_t partitions,
             struct plan **out);
int bind_create_as(struct stmt *st, struct query *q, struct draft_relation *dr);

/* ---- cycle.c: E_SQL if q's result, written to rel, would come back to q through other jobs; `but` is being replaced. */
int cycle_check(struct stmt *st, const struct query *q, const struct relation *rel, struct uuid but);

/* A job must not feed itself, nor by way of others, and a topic has one job that writes it; `but` is that one. */
int job_check_output(struct stmt *st, const struct query *q, const struct relation *rel, struct uuid but);
/* Finishes the relation that a new job will write, checks it, and plans the job. */
int job_plan_new(struct stmt *st, const struct query *q, struct draft_relation *dr, int32_t *partitions,
                 struct plan **out);
/* Puts the new relation and the job that writes it, with this plan and a changelog; what it reads comes from the query. */
int job_put_new(struct stmt *st, const struct query *q, struct relation *rel, const struct plan *plan,
                struct uuid beside);
void job_remove(struct stmt *st, const struct object *job);
void job_put(struct stmt *st, struct job_def *j, const struct query *q, const struct plan *plan, struct uuid id);

/* ---- policy.c: what becomes of a job's bad records */
/* What the session says, about a new job or a new version of one, which reads q and writes out. */
int policy_of_session(struct stmt *st, struct job_def *j, const struct query *q, const char *out);
int policy_change(struct stmt *st, struct job_def *j); /* RESUME ... WITH */
/* CREATE of what a job fills, with the same query: what the session says of the job may be new; the job begins anew from its
 * last commit then. */
int policy_alone(struct stmt *st, const struct relation *old);
int prepare_show_errors(struct stmt *st);

/* ---- replace.c: CREATE OR REPLACE of what a job fills */
struct replacement {
    struct relation *old;
    const struct object *job;
    struct job_def def; /* of the version before */
    struct plan *old_plan, *plan;
    struct query query;
    struct draft_relation dr;
    struct plan_diff diff;
};
int replacement_begin(struct stmt *st, struct relation *old, struct replacement *r);
int replacement_plan(struct stmt *st, struct replacement *r); /* refused, or r is complete */
/* What is kept, rebuilt and read again. */
void replacement_lines(struct stmt *st, const struct replacement *r, void (*line_cb)(void *arg, const char *line),
                       void *arg);
int prepare_replace(struct stmt *st, struct relation *old);
/* Lines about what the sources of a new plan read. */
const char *stmt_reads(struct stmt *st, const struct plan *plan);
void stmt_effect(struct stmt *st, enum prepared_effect effect, const char *name, const char *detail);

/* ---- beside.c: the next version of a job beside the one that runs */
bool beside_wanted(const struct stmt *st);
int prepare_beside(struct stmt *st, struct relation *old);
/* What prepare_beside would run, and what there is to say of it: lines, each behind a newline. */
int beside_plan(struct stmt *st, struct relation *old, struct query *q, struct draft_relation *dr, struct plan **plan);
const char *beside_text(struct stmt *st, const struct relation *old, const struct plan *plan);
int prepare_promote(struct stmt *st);
int prepare_discard(struct stmt *st);
/* The job that runs beside the one that fills a relation; NULL: none. */
const struct object *beside_find(const struct image *im, struct uuid relation, struct arena *a, struct job_def *def);
int64_t stmt_topic_records(const struct stmt *st, struct uuid topic, bool *trimmed); /* -1: not known */

/* ---- savepoint.c */
int prepare_savepoint(struct stmt *st);
int prepare_restore(struct stmt *st);
int prepare_drop_savepoint(struct stmt *st);
void savepoints_show(struct stmt *st);

/* ---- query.c */
int query_plan(struct stmt *st, const struct ast_select *s, struct query *q, struct plan **out);

/* ---- show.c: tables of results */
void rows_columns(struct stmt *st, const char *const *names, unsigned n); /* all VARCHAR */
/* A row of n texts (NULL: null), about a job or none. */
void rows_add(struct stmt *st, const char *const *cells, struct uuid job);

#endif
