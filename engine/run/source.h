/* One partition of one source of a plan, read by a task: reader -> decoder -> batches into the fragment.
 * Thread: the task's loop. */
#ifndef RUN_SOURCE_H
#define RUN_SOURCE_H
#include "engine/run/commit.h"
#include "engine/run/plan.h"
#include "log/client/client.h"

struct task;
struct op;

struct source {
    struct task *task;
    const struct plan_node *node;
    int32_t partition;
    struct part *part;
    struct reader *reader;
    struct decoder *decoder;
    struct op *op; /* who takes the rows; NULL: the task's exchange */
    unsigned input;
    unsigned mark; /* its number in the task's watermarks */

    int64_t offset;     /* next record to process */
    int64_t stop_at;    /* reaching this is told; INT64_MAX: no end */
    int64_t settled;    /* last stable offset at its start; stop_at lies behind it while settle_timer runs */
    struct timer settle_timer;
    bool versions;      /* a temporal join waits for them: it holds time back, though it is a table */
    bool reached, shut; /* shut: nothing is read until the gate opens */
    bool waiting;       /* reader gave nothing; ready_cb will come */
    struct str chunk;   /* rest of the reader's bytes */
    struct arena arena; /* of the batch in hand */
    uint32_t rows_max;  /* that it may have: fair_rows */

    int64_t watermark_ms;
    int64_t horizon_all, horizon_ms; /* so far event time goes on by the clock: then all is closed that a record can have opened */
    bool idle;
    bool stamps;         /* a column shows when rows are read */
    int64_t tick_ms;     /* timed by the clock: so often it is told how far that is; */
    struct timer idle_timer; /* then it never rests */
    struct str piece;     /* bytes of the batch in hand, */
    int64_t piece_from;   /* the offset that was wanted of them, */
    unsigned nbad, bad_cap;
    int64_t *bad;         /* and offsets in it that gave no row */
    uint64_t rows, bytes, decode_errors;
    int64_t lost;        /* offsets that were gone before they were read */
    char first_error[200];
    int64_t first_error_offset;
    int64_t began;       /* offset where this run began */
    int64_t first, goal; /* where it began once, and where the partition ended then */
    bool has_start;      /* start was found by time, by a worker, */
    int64_t start;       /* for a source that begins */
};
enum source_turn { SOURCE_MORE, SOURCE_WAITS };

/* Where to begin comes from the commit; pos NULL: from the plan, or, if the job has read this source before, from the
 * beginning: the partition is new. */
int source_open(struct source *s, struct task *t, const struct plan_node *node, struct part *part,
                const struct commit_source *pos, struct diag *d) MUST_USE;
void source_close(struct source *s);
/* For a source that the plan wants to begin at a time: looks up the offset. Blocking; before source_open, by a worker. */
int source_find_start(struct source *s, const struct plan_node *node, struct part *part);
/* Reads, decodes and pushes one batch at most. Failing, it tells the task (task_fail) and waits for ever. */
enum source_turn source_turn(struct source *s);
/* The record behind a row of the batch in hand. room: memory of it, if it was compressed. */
struct record;
bool source_record(struct source *s, uint32_t row, struct wbuf *room, struct record *out);
bool source_ready(const struct source *s);
void source_position(const struct source *s, struct commit_source *out);
#endif
