/* One operator a file, one op_class each (op.def). Push based: rows go in by push, out by op_emit to the next operator
 * of the fragment; a fragment runs in one task on one loop.
 *
 * Epochs: between two markers an operator may emit at once (stateless, joins) or collect (aggregate, sink). At marker
 * it emits what it collected and writes the absolute values of changed state to `changes`; the task appends these to
 * the job's changelog. After a restart the same values come back through restore. At most one epoch is marked and not
 * yet committed.
 *
 * Cold state: what memory lacks is named by `want` before rows are pushed, and by `prepare` before a marker; the task
 * fetches it from the checkpoint and gives it to `load`, then `loaded`; what is not there by then does not exist. Rows,
 * watermarks and markers keep their order meanwhile.
 *
 * Steps (emit=record): what one record has changed goes out before the next one comes in. Behind each record the task runs
 * every operator's marker without ending the epoch: results go on and changed state is written, but nothing is committed by it.
 *
 * Watermarks: the task tells every operator of the fragment in turn, the first one first, and passes the watermark on to
 * its exits after that: a partial aggregate hands over what would be late behind it. An operator whose rows come later than
 * their time, at a marker, says up to where it has given all (`passes`): that is what those behind it are told. Encodings:
 * engine/README.md. */
#ifndef OP_OP_H
#define OP_OP_H
#include "engine/run/plan.h"
#include "state/state.h"

struct op;

/* Whose time it is: a task's operators run inside one another, and each has what it spends itself. */
struct op_busy {
    int64_t (*now_us)(void *task);
    int64_t since_us;
    uint64_t *to; /* node_stats.busy_us of what runs; NULL: nobody's */
};
struct op_env;
/* From now on time is to's; gives whose it was, who gets it back afterwards. */
uint64_t *op_busy(const struct op_env *env, uint64_t *to);

/* What a task gives its operators. */
struct op_env {
    void *task;
    /* A record for an output topic of this sink; part chosen by the sink. Copied. key/value null allowed. */
    void (*output)(void *task, struct op *op, int32_t part, int64_t ts_ms, struct str key, struct str value);
    int32_t output_parts;     /* of the sink's topic */
    /* Rows for the client of a query. Borrowed. */
    void (*result)(void *task, struct op *op, const struct batch *b);
    void (*error)(void *task, struct op *op, const char *text); /* a row that could not be computed; counted, first text kept */
    /* A row that cannot go on, and is left out: engine/README.md, "Bad records". b: rows of op's input, or of schema
     * sc. NULL: there are no bad rows, what cannot be computed is NULL (queries). */
    void (*bad)(void *task, struct op *op, enum bad_kind kind, const struct schema *sc, const struct batch *b,
                uint32_t row, const char *text);
    /* EMIT CHANGES EVERY, at a marker: may what was held back go? The same for all tasks of an epoch. Then it hears what became
     * of it: some went, some waits. */
    bool (*due)(void *task);
    void (*held)(void *task, bool went, bool waits);
    bool tells_late; /* late rows go to bad, too: op_late */
    unsigned task_index, ntasks;
    bool record;              /* a step follows each record: a change that leaves a row as it was is one, too */
    struct budget *memory;    /* of the task's state */
    struct op_busy *busy;     /* NULL: time is not measured */
    const struct state_clock *clock; /* NULL: state has no cold level (queries) */
    struct needs *needs;      /* what push finds missing; */
    /* then the rows wait: copies them, fetches, loads, and pushes them with op_push_now. NULL: no cold level. */
    void (*park)(void *task, struct op *op, unsigned input, const struct batch *b);
    struct expr_context *context; /* time and chance of volatile functions, kept up to date by the task; NULL: they give NULL */
};

struct op {
    const struct op_class *cls;
    const struct plan_node *node;
    const struct op_env *env;
    struct op *next;          /* consumer in this fragment; NULL: the task's own exit (exchange or sink) */
    unsigned next_input;
    void (*exit_cb)(struct op *op, const struct batch *b); /* where next is NULL */
    unsigned nparked;         /* batches of its input that wait */
    int64_t passed_ms;        /* watermark of its output */
    struct node_stats stats;  /* rows_in and rows_out are counted by op_push and op_emit */
    void *state;              /* cls->size bytes, zeroed before open */
};

struct op_class {
    const char *name; /* as EXPLAIN prints it */
    size_t size;
    int (*open)(struct op *op, struct diag *d);     /* on error close is not called */
    void (*push)(struct op *op, unsigned input, struct batch *in);  /* borrows in */
    void (*watermark)(struct op *op, int64_t wm_ms); /* event time has passed this point on all inputs; may be NULL */
    int64_t (*passes)(const struct op *op); /* no row before this is still to come of it; NULL, or INT64_MAX: what it was told */
    void (*marker)(struct op *op, struct changes *out); /* the epoch ends; may be NULL */
    bool shows; /* its rows are for a client at once: a query that ends calls marker at its end only */
    /* The same within an epoch, behind a record (emit=record); readers see nothing of it yet. NULL: marker does it. */
    void (*step)(struct op *op, struct changes *out);
    void (*committed)(struct op *op);               /* the last marked epoch is durable; may be NULL */
    /* A value that marker wrote, before the first push; later ones replace earlier ones. Value null: absent. E_CORRUPT:
     * not what this version writes. May be NULL. store: as given to changes_put, plan_node.store * 8 + the operator's
     * own. */
    int (*restore)(struct op *op, unsigned store, struct str key, struct str value);
    /* A new version of the job begins: the next marker gives all rows that are kept as if they were new. After restore,
     * before the first push; NULL: plan_replace asks it of no such operator. */
    void (*again)(struct op *op);
    /* ---- State larger than memory; all NULL for operators without. */
    void (*opened)(struct op *op, unsigned store, int64_t entries); /* the checkpoint holds so many of a store; before restore */
    void (*want)(struct op *op, unsigned input, const struct batch *in, struct needs *w); /* what these rows need */
    /* What marker needs. Called again after that was loaded, until it wants nothing; may emit. `first`: of this
     * marker. */
    void (*prepare)(struct op *op, bool first, struct changes *out, struct needs *w);
    int (*load)(struct op *op, unsigned store, struct str key, struct str value); /* of the checkpoint; memory knows better */
    void (*loaded)(struct op *op, const struct need *w);                          /* all of a want has been loaded; may be NULL */
    /* Drops clean state not used lately; a piece of work. True: a sweep over all is finished. */
    bool (*evict)(struct op *op, size_t steps);
    void (*tidy)(struct op *op, size_t steps); /* forgets what the checkpoint knows by now; a piece of work; may be NULL */
    void (*close)(struct op *op);                   /* frees all; once; may be NULL */
};
const struct op_class *op_class_of(const struct plan_node *node); /* NULL for SOURCE and EXCHANGE: the task's own */
int op_open(struct op **out, const struct plan_node *node, const struct op_env *env, struct diag *d) MUST_USE;
void op_close(struct op *op);
void op_push(struct op *op, unsigned input, struct batch *in);     /* parks what lacks state */
void op_push_now(struct op *op, unsigned input, struct batch *in); /* all it needs is in memory */
bool op_lacks(struct op *op, unsigned input, const struct batch *in); /* fills env->needs; true: something is missing */
void op_emit(struct op *op, struct batch *out); /* out may be empty; then nothing happens */

/* The sink's materialised table at the last committed epoch: calls each_cb with batches of rows (schema: the sink's key
 * columns, WINDOWSTART and WINDOWEND if windowed, then value columns), in key order, until it answers non-zero. Task's
 * loop. exact_key: key_encode'd key columns to look up, with all their windows (null: all). */
int sink_table_scan(struct op *sink, struct str exact_key, struct arena *a, int (*each_cb)(void *arg, struct batch *b), void *arg);
/* The same in pieces, while the table goes on, its state as large as it may be: what is given is the epoch that was
 * committed at sink_scan_open. A step gives about so many rows, or names what has to be fetched first (w->n > 0): all
 * that is found goes to sink_scan_load, in order, then sink_scan_loaded, then the next step, in one turn. A non-zero
 * answer of each_cb is the step's. Task's loop; closed before the sink. */
struct sink_scan;
struct sink_scan *sink_scan_open(struct op *sink, struct str exact_key);
int sink_scan_step(struct sink_scan *s, struct needs *w, struct arena *a, size_t rows, bool *over,
                   int (*each_cb)(void *arg, struct batch *b), void *arg);
void sink_scan_load(struct sink_scan *s, struct str key, struct str value);
void sink_scan_loaded(struct sink_scan *s, const struct need *n);
void sink_scan_close(struct sink_scan *s);
/* Whose store a walk fetches from: plan_node.store. */
unsigned sink_scan_store(const struct op *sink);
/* While restoring, of a sink whose plan node is derived: values of the aggregate's store 0, and how much of it is in
 * the checkpoint only, in any order in which the aggregate hears of them; sink_derived once it has heard all. */
void sink_derive(struct op *sink, struct str key, struct str value);
void sink_derived(struct op *sink);
/* After a restart, once restored and before the first push: a key seen in the output topic past its last committed end
 * (the record's key bytes, with window start). True: this task holds its row, and writes it again at the next marker
 * even if it did not change. False: it is not among this task's rows; if no task of the sink has it, the caller writes
 * a tombstone for it before rows flow. */
bool sink_table_dirty(struct op *sink, struct str topic_key);

#endif
