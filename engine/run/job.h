/* A job (or a query) at its home loop: its life, its coordinator, its restart.
 *
 *     starting -> restoring -> opening -> running -> stopping -> closing -> stopped
 *         every state but the last two -> closing -> failed
 *
 * A job that failed for a reason that may pass is begun anew from its last commit by the engine (engine.c): `tries` and
 * `delay_us` say how often that was done without a commit in between, and how long the next one waits.
 *
 * starting: waits until its partitions are open and its producer has fenced all before it. restoring: workers rebuild the operators. opening: tasks open sources
 * and writers. stopping: the last epoch is committed, then checkpointed. closing: tasks let go of all they hold. */
#ifndef RUN_JOB_H
#define RUN_JOB_H
#include "engine/run/epoch.h"
#include "engine/run/proctime.h"
#include "engine/run/run.h"
#include "engine/run/task.h"
#include "log/client/client.h"

struct restore;

enum job_phase { J_STARTING, J_RESTORING, J_OPENING, J_RUNNING, J_STOPPING, J_CLOSING, J_STOPPED, J_FAILED };

struct job_parts { /* partitions of a topic, references held */
    struct uuid topic;
    unsigned n;
    struct part **parts;
};

struct job_watch {
    struct job *job;
    struct watch watch;
    bool pending;
};

struct job {
    struct engine *engine;
    struct uuid id;
    struct loop *home;
    struct query *query; /* NULL: a persistent job */
    bool is_volatile;    /* engine_set_volatile */
    struct arena arena;
    struct job_def def;
    struct plan *plan;
    struct graph *graph;
    struct budget memory;
    struct share *shares;      /* of the time of each loop */
    _Atomic unsigned nkeepers; /* open tasks with state that can be dropped */
    bool holds;                /* it had memory worth counting at its last commit */
    struct sm sm;
    int fail_status;
    char why[400];
    bool retry;        /* it has failed, and will be begun anew */
    unsigned tries;    /* failures since its last commit */
    int64_t delay_us;  /* from its making to its beginning */
    int64_t began_epoch; /* last commit when it began to run */
    unsigned ntasks; /* made */
    struct task *tasks;
    struct proctime clock;
    int64_t every_ms;  /* EMIT CHANGES EVERY; 0: with each epoch */
    int64_t opened_ms; /* clock when the epoch in flight was opened: before its first task hears of it, */
    bool emits;        /* and whether what was held back goes with it */
    _Atomic int64_t emitted_ms; /* of the last epoch with which some went */
    _Atomic int holding;        /* tasks that hold some back */
    struct timer every;
    unsigned ntopics;
    struct job_parts *topics; /* sources */
    struct job_parts output, changelog, letterbox; /* letterbox: the topic of dead letters, once it is needed */
    struct dead_topic *making; /* it is being made; NULL: not */
    struct bad_log *bad;       /* of the tasks that are no more */
    int64_t began_ms;          /* wall clock */

    /* what a transition waits for */
    struct job_watch *watches; /* partitions that are being opened */
    unsigned nwatches, watching;
    unsigned starting, closing; /* tasks */
    unsigned checkpoints;       /* at work, */
    unsigned next_checkpoint;   /* then whose turn it is */
    struct restore *restore;
    bool restoring;        /* workers of restore.c are at work, */
    _Atomic bool canceled; /* and shall give up */
    struct work close_work;
    bool closing_ops;
    _Atomic uint64_t restored, to_restore; /* records */
    int64_t restore_us;                    /* when that began */

    /* coordinator */
    struct epochs epochs;
    struct timer tick, again, patience; /* patience: with the last epoch, and what follows it */
    uint8_t *task_epochs; /* the machine's, by task */
    struct commit_record last; /* committed; arrays complete */
    struct checkpoint_note recorded; /* the last epoch that has a record: the numbers of those after it are given again */
    int64_t ended_ms;          /* wall clock when its transaction had ended; 0: before this start */
    struct commit_record next;
    bool fresh;              /* the last commit, if any, is of a version before this one; until the first epoch is committed */
    bool gate_open;          /* all sources may read */
    int64_t hidden_epoch;    /* what its marker would show is not the query's answer yet; set before tasks hear of it */
    bool read_all;           /* a query: its input has ended */
    int64_t bootstrap_epoch; /* the first epoch that holds the tables whole; INT64_MAX: not yet known */
    unsigned tables_left, sources_left, scans_left; /* tasks that have not yet reached the end they look for */
    _Atomic bool rebuild;    /* a task's file is damaged: begin anew */
    _Atomic unsigned pressed; /* tasks whose memory is full of what no checkpoint has, */
    _Atomic unsigned full;    /* and those in which the epoch's changes take all they may: sources wait */
    bool dirty; /* an epoch is due at the start: keys of the output must be written again */
    struct txn *txn; /* its transactional producer; NULL: a query's */
    struct writer *commits;
    struct wbuf record, key;
    bool begun;                          /* the first transaction is open */
    bool commit_flying, ending, initing; /* the record, the end of a transaction, the producer's begin are under way */
    _Atomic bool rows_told, hurry_told; /* since the home loop last looked */
    struct msg rows_msg, hurry_msg;

    struct list savings;  /* struct saving: savepoints that wait for the next commit */
    struct list awaiting; /* engine.c: calls that wait until it runs or has ended */
    int64_t rate_us;      /* rows per second are measured from here */
    uint64_t rate_rows;
    double rate;

    /* the engine's, on loop 0 */
    struct msg begin_msg, stop_msg, drop_msg, over_msg, free_msg;
    bool told_stop, told_drop, seen_over;
    _Atomic unsigned nparts; /* of all topics it reads; 0: not yet known */
};

struct job *job_new(struct engine *e, struct uuid id, struct loop *home);
void job_free(struct job *j);    /* home loop, after its end */
void job_discard(struct job *j); /* a job that never began */

/* ---- home loop */
void job_init_txn(struct job *j);     /* before anything is read */
void job_maybe_restore(struct job *j); /* something that starting waits for is over */
void job_restore(struct job *j);      /* all partitions are open, the producer has begun */
void job_maybe_closed(struct job *j); /* something that closing waits for is over */
struct topic;
struct job_parts job_parts_acquire(struct job *j, const struct topic *t); /* the array lies in j->arena */
void job_parts_release(struct job_parts *p);
void job_begin(struct job *j);   /* def (or query's plan) is set; lies in j->arena */
/* The same after a failure: the next of `tries`, with the sentence why the one before ended. */
void job_begin_again(struct job *j);
int64_t job_retry_delay_us(unsigned tries); /* -1: that was often enough */
void job_stop(struct job *j);    /* last epoch, checkpoints, closed */
void job_abort(struct job *j);   /* closed at once: it is being dropped, or its query was closed */
void job_scanned(struct job *j); /* a scan of a query has given all its rows */
void job_end(struct job *j);     /* a query whose input has been read: last epoch, closed */
PRINTF_LIKE(3, 4) void job_fail(struct job *j, int status, const char *fmt, ...);
bool job_is_over(const struct job *j);
enum job_state job_state(const struct job *j);
void job_task_started(struct job *j, struct task *t);
void job_task_cut(struct job *j, struct task *t);
void job_task_done(struct job *j, struct task *t);
void job_task_failed(struct job *j, struct task *t);
void job_task_reached(struct job *j, struct task *t);
void job_task_closed(struct job *j, struct task *t);
void job_begin_epoch(struct job *j); /* once what the last commit was is known: the next one's transaction may begin */
void job_restored(struct job *j, int status, const char *why); /* restore.c is through */
void job_checkpointed(struct job *j);                          /* one checkpoint ended */
/* ---- any loop */
void job_rows(struct job *j);
void job_hurry(struct job *j);
bool job_hides(const struct job *j, int64_t epoch); /* of an epoch whose marker is under way: see hidden_epoch */

/* The committed position of a source, or NULL. */
const struct commit_source *job_source_pos(const struct job *j, unsigned node, int32_t partition);

/* ---- restore.c: workers bring every task to the last commit, then job_restored. */
void restore_begin(struct job *j);
void restore_free(struct restore *r);
/* part_scan.c. Calls each_cb for every record of [from, to) of a partition but those of aborted transactions, up to the last
 * stable offset that is every committed one; blocking. A non-zero answer ends it and is returned. */
struct record;
int view_scan(struct view *v, int64_t from, int64_t to, int (*each_cb)(void *arg, const struct record *rec), void *arg);
int part_scan(struct part *p, int64_t from, int64_t to, int (*each_cb)(void *arg, const struct record *rec), void *arg);
int64_t part_start(struct part *p);
int64_t part_end(struct part *p, bool committed); /* last stable offset, or high watermark */
/* Hands a value of the changelog or the checkpoint to the operator that wrote it. */
int task_restore_value(struct task *t, uint32_t store, struct str key, struct str value);

/* ---- checkpointer.c; home loop */
struct checkpointing *checkpointing_new(struct task *t);
void checkpointing_free(struct checkpointing *c);
/* The checkpoint holds the changelog up to `from`, and the commits up to the note's. */
static inline struct checkpoint_owner task_owner(const struct task *t)
{
    return (struct checkpoint_owner){t->job->def.changelog, t->id};
}
void checkpointing_begin(struct checkpointing *c, int64_t from, const struct checkpoint_note *note);
/* A commit was decided. upto: after the task's last change in it, -1: there was none; bytes: of the changes. */
void checkpointing_commit(struct checkpointing *c, const struct checkpoint_note *note, int64_t upto, uint64_t bytes);
bool checkpointing_due(const struct checkpointing *c, uint64_t bytes_max); /* and none is at work */
bool checkpointing_pending(const struct checkpointing *c); /* one is at work; any thread */
struct checkpointing_facts {
    int64_t offset;          /* it holds the changelog up to here; */
    int64_t bytes, since_ms; /* what it lacks; wall clock of the first commit of that, 0: nothing */
};
void checkpointing_tell(const struct checkpointing *c, struct checkpointing_facts *out);
void checkpointing_start(struct checkpointing *c);
void checkpointing_cancel(struct checkpointing *c); /* one that has not begun to work ends, as failed */
bool checkpointing_busy(const struct checkpointing *c);
bool checkpointing_waits(const struct checkpointing *c); /* for the markers of what it will take */
bool checkpointing_ahead(const struct checkpointing *c); /* something to take, and no failure just before */
/* DIR/state/<job>/<task>.db, or DIR/state/<job> for task NULL. */
char *job_state_path(const struct job *j, const struct task *t, struct arena *a);
int job_state_folder(const struct job *j); /* makes it, durably: files that a power cut takes with their folder save no replay */

/* ---- query.c */
void query_result(struct query *q, size_t bytes); /* a task has collected rows */
void query_committed(struct query *q);            /* the rows collected in the tasks are committed */
void query_running(struct query *q);              /* tasks are open; scans may begin */
bool query_paused(const struct query *q);

/* ---- engine.c: what the others need of the engine */
struct broker *engine_broker(struct engine *e);
struct turns *engine_turns(struct engine *e, struct loop *loop);
struct loop *engine_place(const struct job *j, unsigned number); /* where its task of this number runs; 0: at home */
struct budget *engine_memory(struct engine *e);
unsigned engine_nloops(const struct engine *e);
/* Memory is shared evenly by the jobs that keep state. When that of all jobs is nearly full, a job above its share gives way,
 * and of its tasks those above theirs of that share; the others go on. */
bool engine_memory_over(struct job *j, const struct budget *task);
void engine_state_counts(struct job *j, int by); /* a task with state begins (+1), ends (-1); any thread */
void engine_note_memory(struct job *j, bool ends); /* home loop: at a commit, and when it is freed */
int64_t engine_memory_share(const struct job *j); /* -1: it keeps none */
/* State takes all of it, or nearly (what is over is not counted there), and this job more than its share of that. */
bool engine_memory_full(struct job *j);
/* Changelog ahead of a task's checkpoint that calls for the next: in memory it takes some four times as much, and most of a
 * task's share shall be left for what can be dropped. */
uint64_t engine_checkpoint_bytes(const struct job *j);
size_t engine_cache_bytes(const struct job *j); /* of a task's state as its checkpoint has it that stays in memory */
/* Bytes of state that may change within one epoch of a task. */
int64_t engine_epoch_bytes(const struct job *j);
bool engine_volatile(struct engine *e);
/* Finds a running job: found_cb on its home loop, or missing_cb on `back`. */
struct job_find {
    void (*found_cb)(struct job_find *f, struct job *j);
    void (*missing_cb)(struct job_find *f, const char *why);
};
void engine_find_job(struct engine *e, struct uuid id, struct loop *back, struct job_find *f);
void engine_job_settled(struct job *j); /* home loop: it runs, or has ended: those who await it are answered */
void engine_job_over(struct job *j);    /* home loop: it has ended; freed by message, later */
void query_closing(struct query *q);    /* its tasks will go, their counters with them */
void query_job_over(struct query *q);   /* the same for a query's: freed at once */
#endif
