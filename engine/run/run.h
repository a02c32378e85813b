/* Jobs: a plan running as tasks over the shards; epochs with aligned markers; commit; restart.
 *
 * The engine brings the jobs that run into line with the "job" objects of the metadata image: SQL only commits a
 * change, and the engine starts, stops or drops (on every node start too). Queries of sessions run the same way,
 * without state on disk. Protocol: engine/run/README.md, "Epochs". Thread: functions may be called on any loop unless
 * they say otherwise. */
#ifndef RUN_RUN_H
#define RUN_RUN_H
#include "engine/run/plan.h"
#include "log/client/client.h"

struct engine;
/* conf, broker and its loops outlive the engine. engine_start on loop 0 once loops run; engine_stop: quiesces all jobs
 * (their last epoch is committed), then done_cb on loop 0. */
int engine_open(struct engine **out, struct broker *b, struct diag *d) MUST_USE;
void engine_start(struct engine *e);
void engine_stop(struct engine *e, void (*done_cb)(void *arg), void *arg);
void engine_free(struct engine *e); /* after the loops have stopped */
/* For measuring what commits cost: jobs that begin from now on write no changelog, no transactions, no commits and no
 * checkpoints, and do not wait for what they write; epochs and what they emit stay as they are. Their state dies with
 * them. Before they begin; there is no setting that says so. */
void engine_set_volatile(struct engine *e, bool is_volatile);
bool engine_at_least_once(const struct engine *e); /* the server's processing.guarantee, of jobs that do not say */

/* What becomes of a record that cannot go on. */
enum tolerance { TOLERATE_DEAD_LETTER, TOLERATE_SKIP, TOLERATE_STOP };
extern const char *const tolerance_names[]; /* dead-letter, skip, stop; NULL */
struct job_skip {
    const char *topic;
    int32_t partition;
    int64_t offset;
};
enum { JOB_SKIPS = 64 }; /* that a job remembers */

/* ---- A job as the metadata keeps it: body of an object of kind "job". */
struct job_def {
    const char *name;        /* "flights_by_hour", or made: CTAS_flights_by_hour_7 */
    const char *sql;         /* the statement as the user wrote it */
    struct str plan;         /* plan_pack'ed */
    struct uuid output;      /* output topic */
    struct uuid changelog;   /* changelog topic: plan's parallelism partitions */
    struct uuid relation;    /* object of kind "relation" it fills; zero: INSERT INTO */
    unsigned nreads;         /* relations it reads */
    struct uuid *reads;
    bool stopped;            /* wanted state: PAUSE sets it */
    int64_t created_ms;
    unsigned version;        /* grows with each CREATE OR REPLACE; from 0 */
    bool at_least_once;      /* its output is not part of its transactions: sooner to be seen, and may repeat */
    struct uuid savepoint;   /* what its changelog is filled from as long as that holds no commit; zero: nothing */
    enum tolerance tolerance; /* what becomes of bad records */
    const char *dead_topic;  /* where they go; "": NAME_dlq */
    unsigned revision;       /* grows when one of these, or at_least_once, is changed: the job is begun anew */
    unsigned cpu_share;      /* its weight where others want the same loop's time, 1 .. ENGINE_SHARE_MAX; 0: ENGINE_SHARE */
    bool late_letters;       /* late rows are dead letters, too; else only counted */
    unsigned nskips;         /* records that are tolerated although others stop the job */
    struct job_skip *skips;
    struct uuid beside;      /* relation that it is the next version of, beside the job that fills it; zero: none */
};
const char *job_dead_topic(const struct job_def *j, struct arena *a); /* its name */
void job_def_pack(const struct job_def *j, struct wbuf *out);
int job_def_unpack(struct job_def *j, struct str body, struct arena *a);

/* ---- What a job is doing: a snapshot, gathered from its shards. */
enum job_state { JOB_STARTING, JOB_RESTORING, JOB_RUNNING, JOB_PAUSED, JOB_FAILED };
const char *job_state_name(enum job_state s);
struct job_source_status {
    const char *topic;
    int32_t partition;
    int64_t position, end, start; /* offsets: next to read, high watermark, where it began */
    int64_t committed;            /* offset up to which the last commit reaches; of a query: position */
    int64_t first, goal;          /* offsets: where it once began, and where the partition ended then */
    int64_t watermark_ms;         /* INT64_MIN: none yet */
    bool idle;
    uint64_t rows, bytes, decode_errors;
    int64_t lost;                 /* offsets that were gone before they were read */
    char first_error[200];
    int64_t first_error_offset;
};
/* One bad record, as it was told. */
struct bad_note {
    int64_t at_ms, ts_ms, offset; /* at: wall clock; offset -1: not known which record it came from */
    int32_t partition;
    enum bad_kind kind;
    enum bad_action { BAD_LETTER, BAD_SKIPPED, BAD_STOPPED } action; /* what became of it */
    char stage[24], topic[64], text[160], value[80]; /* value: an excerpt, JSON or escaped */
};
struct job_node_status { /* of an operator in one task */
    bool here;               /* the task has it */
    struct node_stats stats; /* state_bytes: in memory */
    uint64_t rows;           /* of its stores in memory */
    int64_t watermark_ms;    /* of what it gives; WATERMARK_NONE: not known, or a source's or an exchange's */
    int64_t cold_rows, cold_bytes; /* in the task's checkpoint */
};
struct job_task_status {
    unsigned fragment, index, shard;
    const char *waits;                  /* what it waits for, or NULL */
    uint64_t busy_us, rows_out;
    int64_t memory_bytes;               /* of its state */
    bool keeps;                         /* it has a checkpoint, or may have: */
    int64_t checkpoint_offset, changelog_end, unsaved_bytes, unsaved_since_ms; /* what of the changelog that lacks */
    struct job_node_status *nodes;      /* by plan_node.id */
};
struct job_status {
    struct uuid id;
    const char *name, *sql;
    enum tolerance tolerance;
    const char *dead_topic;
    bool at_least_once, late_letters;
    int64_t began_ms;                     /* wall clock: since when `bad` counts */
    uint64_t bad[BAD_KINDS], bad_all;
    unsigned nnotes;                      /* the last ones, newest first */
    struct bad_note *notes;
    enum job_state state;
    const char *why;            /* FAILED: the sentence; STARTING, RESTORING: why it is begun anew; else NULL */
    int64_t epoch, committed_ms; /* last commit: number, and wall clock when readers could see it */
    double rows_per_s;          /* input, over the last seconds */
    double restored;            /* 0..1 while RESTORING, */
    uint64_t restored_records, restore_records; /* of the changelog, so far and in all; */
    int64_t restore_left_ms;    /* time left at that speed; -1: not known yet */
    uint64_t rows_in, rows_out, late_rows, null_keys, row_errors, state_rows, state_bytes;
    int64_t backfill, backfilled; /* records that were there when its sources began, and how many of them are committed */
    int64_t lag;                /* records that the last commit does not hold, over all sources; -1: not known, it does not run */
    int64_t watermark_ms;
    unsigned nsources;
    struct job_source_status *sources;
    unsigned cpu_share;         /* its weight, */
    uint64_t busy_us;           /* of all loops, since it was started here */
    int64_t memory_bytes;       /* of its state, */
    int64_t memory_share;       /* and what of it stays when all jobs' state is short of memory; -1: it keeps none */
    unsigned ntasks;
    struct job_task_status *tasks;
    unsigned nnodes;
    struct node_stats *nodes;   /* by plan_node.id */
    char first_row_error[160];
};
/* Fills *out in arena and calls done_cb on `loop`. E_NOT_FOUND: no such job here. */
void engine_job_status(struct engine *e, struct uuid job, struct loop *loop, struct arena *a,
                       void (*done_cb)(void *arg, int status, struct job_status *st), void *arg);
/* A job that has failed is begun anew from its last commit: done_cb with 0; one that has not is left alone: E_CANCELED,
 * E_NOT_FOUND. */
void engine_job_again(struct engine *e, struct uuid job, struct loop *loop,
                      void (*done_cb)(void *arg, int status, const char *why), void *arg);
/* Waits until the job runs (or failed); then done_cb with 0 or E_... and the sentence. For DDL that answers when it is
 * up. */
void engine_job_await(struct engine *e, struct uuid job, struct loop *loop, void (*done_cb)(void *arg, int status, const char *why), void *arg);

/* ---- Savepoints: what a running job holds at a commit, as a file DIR/savepoints/<id>.save. A job whose definition
 * names one, with a fresh changelog topic and a new version, begins as the job that was saved. */
struct savepoint_facts {
    int64_t epoch, wall_ms; /* of the commit */
    uint64_t records, bytes;
};
/* done_cb once, on loop: the file is durable, or status and the sentence. */
void engine_savepoint(struct engine *e, struct uuid job, struct uuid id, struct loop *loop,
                      void (*done_cb)(void *arg, int status, const char *why, const struct savepoint_facts *facts),
                      void *arg);
/* Reads such a file to its checksum, and whether what came after it is there to be read: 0, E_OFFSET_RANGE: some of that is
 * gone, or another status; with the sentence. done_cb once, on loop. plan: of the job that was saved; borrowed until then. */
void engine_savepoint_check(struct engine *e, struct uuid id, const struct plan *plan, struct loop *loop,
                            void (*done_cb)(void *arg, int status, const char *why), void *arg);

/* ---- Queries: push (until closed or LIMIT) and pull (ends by itself). The plan's sink is PLAN_SINK_QUERY. */
struct query;
struct query_class {
    /* Rows of a scan of no job's table (plan_node.job is zero): all of them to give_cb, in batches with the scan's
     * columns, in arena. Once for each such scan, on the query's loop; may be NULL if no plan has one. */
    void (*scan)(void *arg, const struct plan_node *scan, struct arena *a, void (*give_cb)(void *to, struct batch *b), void *to);
    /* Rows of one committed epoch, on the query's loop; borrowed. Answer true to go on, false: wait for
     * query_resume. */
    bool (*rows)(void *arg, struct batch *b);
    void (*progress)(void *arg, const struct job_status *st); /* about once a second while a push query runs; may be NULL */
    void (*summary)(void *arg, const struct job_status *st);  /* once, when it has read all or its LIMIT is reached; may be NULL */
    void (*end)(void *arg, int status, const char *why);      /* once, last; 0: all rows told */
};
int query_start(struct query **out, struct engine *e, struct loop *loop, const struct plan *plan,
                const struct query_class *cls, void *arg, struct diag *d) MUST_USE; /* copies the plan */
void query_resume(struct query *q);
void query_close(struct query *q); /* end will not be called any more; on its loop */

#endif
