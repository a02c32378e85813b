/* A task made by hand: operators wired to each other, epochs with commit, crash and restore, and a batch database
 * (SQLite) that is given the same rows and must answer the same.
 *
 * What the pipeline emits at its end is added up as weights per row, so that "what it shows" is a bag of rows. A crash
 * throws away what was emitted and written since the last commit, and restores new operators from the changes so
 * far. */
#ifndef TESTS_OP_RIG_H
#define TESTS_OP_RIG_H
#include "engine/op/op.h"
#include "log/base/random.h"
#include <sqlite3.h>

enum { RIG_OPS = 12, RIG_COLS = 10 };

struct rig_row {
    unsigned input;    /* which entry of the pipeline */
    int weight;        /* upsert: -1 deletes */
    int64_t ts;
    struct value v[RIG_COLS];
    const char *sql;   /* what the batch database is told; NULL: nothing */
};
struct rig_record { /* of an output topic */
    int32_t part;
    int64_t ts;
    struct str key, value;
};
struct rig_change {
    unsigned store;
    struct str key, value;
};
struct rig {
    struct arena arena;    /* plan, events, changes */
    struct arena turn;     /* batches */
    struct random r;
    struct op_env env;
    struct budget budget;
    struct op *ops[RIG_OPS];
    struct plan_node *nodes[RIG_OPS];
    int next[RIG_OPS];     /* -1: the end */
    unsigned next_input[RIG_OPS];
    unsigned nops;
    struct { unsigned op, input; } entry[4]; /* where rows of each input go */
    struct kv *shown, *fresh;                /* row as text -> weight; committed, and of the running epoch */
    struct rig_change *changes;
    size_t nchanges, cap_changes, committed_changes;
    struct rig_record *records;
    size_t nrecords, cap_records, committed_records;
    uint64_t nerrors, nbatches;
    char error[160];
    const int64_t *watermarks; /* rig_run: the greatest watermark after each row; NULL: none */
    sqlite3 *db;
    unsigned ids;
    /* The cold level: what a checkpoint would hold, (store, key) -> value; after it memory forgets what it may. */
    bool due, waits; /* EVERY: may changes go out; some are held back */
    bool spills;
    struct state_clock clock;
    uint32_t committed_epoch;
    struct needs needs, mark_needs;
    struct kv *cold;
    size_t cold_changes; /* so many changes are in it, */
    size_t begun_changes; /* and in the one that has been begun: */
    uint32_t begun_epoch;
    uint64_t fetched;
};

void rig_init(struct rig *rig, uint64_t seed);
void rig_fini(struct rig *rig);
/* A node with an id, its output columns from "name TYPE, ..." and its input. Not an operator yet. */
struct plan_node *rig_node(struct rig *rig, enum plan_kind kind, enum edge_mode mode, const char *columns,
                           struct plan_node *in0, struct plan_node *in1);
void rig_key(struct rig *rig, struct plan_node *n, unsigned nkey, const unsigned *cols);
unsigned *rig_cols(struct rig *rig, unsigned n, const unsigned *cols);
const struct expr *rig_column(struct rig *rig, const struct plan_node *in, unsigned col);
struct agg rig_agg(struct rig *rig, enum agg_kind kind, const struct plan_node *in, int col);
/* Makes an operator of a node; rows go to operator `next` (-1: the end), which must be added later. */
unsigned rig_op(struct rig *rig, struct plan_node *n, int next, unsigned next_input);
void rig_start(struct rig *rig);

void rig_push(struct rig *rig, const struct rig_row *rows, unsigned n); /* all of one input */
void rig_watermark(struct rig *rig, int64_t wm_ms);
void rig_marker(struct rig *rig);
void rig_commit(struct rig *rig);
void rig_crash(struct rig *rig);
/* Folds the committed changes into the cold level; then clean state goes from memory. */
void rig_checkpoint(struct rig *rig);
/* Brings what is needed into memory. */
void rig_fetch(struct rig *rig, struct op *op, struct needs *needs);
/* All of a store, as a restart does that must look at it whole. */
void rig_load_all(struct rig *rig, const struct plan_node *n, unsigned k);
/* sink_table_scan, whatever the size of the state. */
int rig_scan(struct rig *rig, struct op *sink, struct str key, int (*each_cb)(void *arg, struct batch *b), void *arg);
/* A piece of a walk, with what it needs. True: it is over. */
bool rig_scan_step(struct rig *rig, struct op *sink, struct sink_scan *s, int (*each_cb)(void *arg, struct batch *b), void *arg);
/* Keys that the changelog still holds of a node's k-th store. */
size_t rig_live(const struct rig *rig, const struct plan_node *n, unsigned k);
/* Gives every committed change, some with a flipped bit or cut short, to new operators. */
void rig_restore_damaged(struct rig *rig);
void rig_exec(struct rig *rig, const char *sql);
/* The bag shown at the last commit is what the database answers. */
void rig_expect(struct rig *rig, const char *sql);
/* A call of the function for these columns. */
const struct expr *rig_call(struct rig *rig, const char *func, const struct expr *a, const struct expr *b);
const struct expr *rig_const(struct rig *rig, struct value v);
/* Runs rows through in random batches, with random markers and crashes, comparing with `sql` at each commit. */
void rig_run(struct rig *rig, const struct rig_row *rows, size_t n, const char *sql);

struct value rig_int(int64_t i);    /* BIGINT */
struct value rig_i32(int64_t i);    /* INT */
struct value rig_double(double f);
struct value rig_text(struct rig *rig, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct value rig_null(enum type_id t);
char *rig_sql(struct rig *rig, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A value as SQL writes it. */
const char *rig_literal(struct rig *rig, const struct value *v);

#endif
