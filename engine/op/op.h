/* One operator a file, one op_class each (op.def). Push based: rows go in by push, out by op_emit to the next operator of
 * the fragment; a fragment runs in one task on one loop.
 *
 * Epochs: between two markers an operator may emit at once (stateless, joins) or collect (aggregate, sink). At marker it
 * emits what it collected and writes the absolute values of changed state to `changes`; the task appends these to the job's
 * changelog. After a restart the same values come back through restore. At most one epoch is marked and not yet committed.
 *
 * Watermarks: the task tells every operator of the fragment in turn, the first one first, and passes the watermark on to
 * its exits after that: a partial aggregate hands over what would be late behind it. Encodings: engine/README.md. */
#ifndef OP_OP_H
#define OP_OP_H
#include "engine/run/plan.h"
#include "state/state.h"

struct op;

/* What a task gives its operators. */
struct op_env {
    void *task;
    /* A record for an output topic of this sink; part chosen by the sink. Copied. key/value null allowed. */
    void (*output)(void *task, struct op *op, int32_t part, int64_t ts_ms, struct str key, struct str value);
    int32_t output_parts;     /* of the sink's topic */
    /* Rows for the client of a query. Borrowed. */
    void (*result)(void *task, struct op *op, const struct batch *b);
    void (*error)(void *task, struct op *op, const char *text); /* a row that could not be computed; counted, first text kept */
    unsigned task_index, ntasks;
    struct budget *memory;    /* of the job's state */
    struct expr_context *context; /* time and chance of volatile functions, kept up to date by the task; NULL: they give NULL */
};

struct op {
    const struct op_class *cls;
    const struct plan_node *node;
    const struct op_env *env;
    struct op *next;          /* consumer in this fragment; NULL: the task's own exit (exchange or sink) */
    unsigned next_input;
    void (*exit_cb)(struct op *op, const struct batch *b); /* where next is NULL */
    struct node_stats stats;  /* rows_in and rows_out are counted by op_push and op_emit */
    void *state;              /* cls->size bytes, zeroed before open */
};

struct op_class {
    const char *name; /* as EXPLAIN prints it */
    size_t size;
    int (*open)(struct op *op, struct diag *d);     /* on error close is not called */
    void (*push)(struct op *op, unsigned input, struct batch *in);  /* borrows in */
    void (*watermark)(struct op *op, int64_t wm_ms); /* event time has passed this point on all inputs; may be NULL */
    void (*marker)(struct op *op, struct changes *out); /* the epoch ends; may be NULL */
    void (*committed)(struct op *op);               /* the last marked epoch is durable; may be NULL */
    /* A value that marker wrote, before the first push; later ones replace earlier ones. Value null: absent. E_CORRUPT:
     * not what this version writes. May be NULL. store: as given to changes_put, plan_node.store * 8 + the operator's own. */
    int (*restore)(struct op *op, unsigned store, struct str key, struct str value);
    /* A new version of the job begins: the next marker gives all rows that are kept as if they were new. After restore,
     * before the first push; NULL: plan_replace asks it of no such operator. */
    void (*again)(struct op *op);
    void (*close)(struct op *op);                   /* frees all; once; may be NULL */
};
const struct op_class *op_class_of(const struct plan_node *node); /* NULL for SOURCE and EXCHANGE: the task's own */
int op_open(struct op **out, const struct plan_node *node, const struct op_env *env, struct diag *d) MUST_USE;
void op_close(struct op *op);
void op_push(struct op *op, unsigned input, struct batch *in);
void op_emit(struct op *op, struct batch *out); /* out may be empty; then nothing happens */

/* The sink's materialised table at the last committed epoch: calls each_cb with batches of rows (schema: the sink's key
 * columns, WINDOWSTART and WINDOWEND if windowed, then value columns), in key order, until it answers non-zero. Task's
 * loop. exact_key: key_encode'd key columns to look up, with all their windows (null: all). */
int sink_table_scan(struct op *sink, struct str exact_key, struct arena *a, int (*each_cb)(void *arg, struct batch *b), void *arg);
/* After a restart, once restored and before the first push: a key seen in the output topic past its last committed end (the
 * record's key bytes, with window start). True: this task holds its row, and writes it again at the next marker even if it
 * did not change. False: it is not among this task's rows; if no task of the sink has it, the caller writes a tombstone
 * for it before rows flow. */
bool sink_table_dirty(struct op *sink, struct str topic_key);

#endif
