/* A fragment instance on one shard: its operators, where its rows come from and go to, and its part of an epoch.
 *
 *     new -> open -> closing -> closed
 *
 * Made by the job on its home loop; operators are opened and restored by a worker while nobody runs them; from
 * task_start on everything happens on the task's loop, until the task reports closed. Home and task talk by the
 * messages in here: each is in flight at most once, because every order is answered before it is given again. */
#ifndef RUN_TASK_H
#define RUN_TASK_H
#include "engine/op/op.h"
#include "engine/run/cold.h"
#include "engine/run/commit.h"
#include "engine/run/exchange.h"
#include "engine/run/graph.h"
#include "engine/run/park.h"
#include "engine/run/press.h"
#include "engine/run/turns.h"
#include "engine/run/source.h"
#include "engine/run/watermark.h"
#include "log/base/map.h"
#include "log/base/sm.h"

struct job;

enum task_state { TASK_NEW, TASK_OPEN, TASK_CLOSING, TASK_CLOSED };

/* Which sources may read. */
enum task_gate { GATE_SHUT, GATE_TABLES, GATE_ALL };

struct task_msg {
    struct msg msg;
    struct task *task;
};

/* Rows of a query, kept until their epoch is committed. */
struct result {
    struct list link;
    struct arena arena;
    struct batch *batch;
    size_t bytes;
};

struct task_output {
    int32_t partition;
    struct writer *writer; /* opened at the first record */
    size_t record_max;     /* bytes of one */
    size_t collected;      /* bytes not yet handed to a flush */
    int64_t end;           /* offset after the last durable record; -1: none written by this run */
};

struct task {
    struct job *job;
    const struct frag *frag;
    unsigned index, number;
    uint32_t id;
    struct loop *loop;
    struct turns *turns;
    struct share *share;  /* its job's on this loop */
    struct list run_link; /* among the job's tasks with work */
    uint64_t busy_us;     /* in turns */
    struct sm sm;

    struct op_env env;
    struct expr_context context; /* the time of this turn, and chance */
    struct op **ops;             /* as frag->ops */
    struct op_busy busy;
    struct node_stats *foreign;  /* by plan node id: counters of sources and exchanges */

    unsigned nsources;
    struct source *sources;
    unsigned next_source;
    unsigned ninlets;
    struct channel **inlets;
    struct list inbox;
    unsigned nheld;
    struct watermarks marks;
    int64_t passed_ms; /* the watermark that consumers may hear: of its last operator's rows */
    bool holds;        /* an operator lets it pass later than it hears of it */
    bool marked_idle;
    bool holds_back; /* changes wait for the next time that some may go out */

    unsigned noutlets;
    struct channel *outlets;
    size_t channel_max; /* bytes in flight in each of them */
    struct list spare;
    unsigned nspare, nfull;
    size_t nsent; /* parcels not yet returned */

    struct part *changelog_part;
    struct writer *changelog;
    unsigned noutputs;
    struct task_output *outputs;
    struct part **output_parts;
    size_t collected; /* bytes of output not yet handed to a flush */
    size_t unflushed; /* and those not yet durable, too */
    unsigned flushing[2]; /* by parity of the epoch they belong to */

    /* bad records (letters.c) */
    struct source *read;    /* in this step of a turn */
    struct source *giving;  /* whose rows are on their way through the operators */
    struct bad_log *bad;    /* NULL: there were none */
    struct list letters;    /* struct letter: wait for the topic of dead letters */
    struct task_output letterbox;
    struct part *letter_part; /* NULL: not there yet */
    bool letter_asked, letter_wanted; /* letter_wanted: home's */

    struct list results; /* of a query: struct result */

    /* state larger than memory */
    struct budget memory;
    struct state_clock clock;
    struct cold *cold; /* NULL: a query */
    struct park park;
    struct list scans; /* struct task_scan: readers of its table */
    struct press press;
    bool fed;          /* rows have come since the last marker */
    int64_t changed;   /* last epoch whose marker changed state */
    struct account writing; /* records that are collected or on their way to the log, */
    size_t uncounted;       /* but for these */
    bool stepping;     /* emit=record: rows of a record are in, its step is not over */
    int64_t marking;   /* epoch whose marker is under way; 0: none */
    bool mark_begun, mark_first;
    bool mark_wants;           /* the operator that is marked has asked for mark_needs, which is still to be fetched */
    struct needs mark_needs;
    unsigned mark_op;

    /* epochs */
    int64_t epoch;     /* last marker seen */
    int64_t filling;   /* the epoch that rows go to now */
    int64_t committed; /* last one the operators were told of */
    int64_t heard;     /* last one home told of */
    bool reporting;    /* of `epoch`: writes are not yet durable */
    bool dirty;        /* has gone past its last cut */
    struct commit_task done;   /* of `epoch`: what its commit says of this task; changed: this epoch or 0 */
    struct commit_source *cut; /* by source */
    int64_t *cut_ends;         /* by output partition */
    uint64_t changelog_bytes;  /* of `epoch` */
    uint64_t changelog_filling; /* and of the epoch that is being filled */
    size_t changelog_collected; /* not yet handed to a flush, as `writing` counts them */
    int64_t changelog_end;     /* offset after its last durable change; -1: none written by this run */
    bool wrote, cut_wrote;     /* flushed something: since the last marker, for `epoch` */
    struct op *marker_op;      /* whose marker runs, for the changelog's keys */
    struct wbuf key;
    struct map dead; /* dead.h: keys of the changelog that nobody owns any more */
    size_t dead_bytes;

    uint64_t rows_out; /* records to topics, rows to clients */
    char first_error[160];
    int fail_status;
    char fail_text[300];

    /* the checkpoint's side; home loop */
    struct checkpointing *checkpointing;

    struct task_msg to_start, to_gate, to_open, to_committed, to_shut, to_close, to_letters; /* home -> task */
    struct task_msg is_started, is_cut, is_done, has_failed, has_reached, is_closed, wants_letters;     /* task -> home */
    enum task_gate new_gate;
    int64_t new_epoch, new_committed;
    bool started; /* home's: task_start was called */
};

/* Home loop: memory only. */
void task_init(struct task *t, struct job *job, const struct frag *f, unsigned index, unsigned number);
/* Opens the operators. Any thread while nobody else uses the task (worker). */
int task_open_ops(struct task *t, struct diag *d) MUST_USE;
void task_close_ops(struct task *t);
void task_fini(struct task *t); /* all of it; after it has reported closed, or was never started */

/* Home loop -> task. start: sources, writers; answered by job_task_started. */
void task_start(struct task *t);
void task_gate(struct task *t, enum task_gate gate);
void task_open_epoch(struct task *t, int64_t epoch); /* to tasks with sources: cut and send the marker */
void task_committed(struct task *t, int64_t epoch);
void task_shut(struct task *t);  /* sources read no more */
void task_close(struct task *t); /* at once, whatever is in flight; answered by job_task_closed */

/* Task's loop. */
bool task_turn(struct task *t); /* at most ENGINE_TURN_US; true: there is more to do */
void task_wake(struct task *t);
bool task_blocked(const struct task *t);
void task_receive(struct task *t, struct parcel *p);
void task_credit(struct task *t, struct channel *ch, bool was_full); /* a parcel has come back */
void task_rows(struct task *t);                                      /* a source went past its cut */
void task_source_watermark(struct task *t, unsigned mark, int64_t ms, bool idle, bool alone);
void task_source_reached(struct task *t);
/* Opens the writer of an output. False: it cannot be, the task has failed. */
bool task_output_open(struct task *t, struct task_output *o, struct part *part);
/* So many bytes were given to an output's writer; `early`: they need not wait for the end of the epoch. */
void task_output_wrote(struct task *t, struct task_output *o, size_t bytes, bool early);
PRINTF_LIKE(3, 4) void task_fail(struct task *t, int status, const char *fmt, ...);
/* The file is damaged, and has been deleted: the job begins anew from its last commit. */
void task_damaged(struct task *t);
void task_cold_idle(struct task *t);
void task_tell_time(struct task *t); /* operators in turn, then what consumers hear is known */
void task_set_watermark(struct task *t, unsigned mark, int64_t ms, bool idle, bool alone); /* nothing is parked */
/* Readers of its table hear when the task closes, once, and must let go of the sink then. */
struct task_scan {
    struct list link;
    void (*closed_cb)(struct task_scan *s);
};
/* Rows that leave the fragment at its root, or a source's rows where no operator takes them. */
void task_exit(struct task *t, const struct batch *b);
void task_take_scan(struct task *t, struct batch *b); /* rows of its fragment's scan */

/* What a task needs to know of its job. */
const struct graph *job_graph(const struct job *j);
/* Has the job a committed position in any partition of the source with this plan_node.store? */
bool job_source_known(const struct job *j, unsigned node);
struct part *job_part(const struct job *j, struct uuid topic, unsigned partition);
int64_t task_idle_timeout_ms(const struct task *t);

/* Operator of a plan node in this task, or NULL. */
struct op *task_op(struct task *t, const struct plan_node *n);
struct op *task_sink(struct task *t); /* the sink if this is a task of the sink's fragment, else NULL */
#endif
