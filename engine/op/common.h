/* What operators share: classes, errors, store numbers, building batches. Private to op. */
#ifndef OP_COMMON_H
#define OP_COMMON_H
#include "engine/op/op.h"
#include "log/base/fault.h"

#define X(kind, cls) extern const struct op_class cls;
#include "engine/op/op.def"
#undef X

/* First byte of every value that an operator keeps; another one is another layout. */
#define OP_LAYOUT 1

enum { OP_STORES = 8 }; /* of one node */
static inline unsigned op_store(const struct op *op, unsigned k) { return op->node->store * OP_STORES + k; }

void op_error(struct op *op, const char *text); /* one row */
void op_late(struct op *op, const struct batch *b, uint32_t row, int64_t end_ms); /* of its input; when its windows ended */
void op_errors(struct op *op, const struct expr_errors *e);
/* prog_compile over input 0, with the task's context. */
int op_compile(struct op *op, struct prog **out, const struct expr *const *roots, unsigned nroots, struct diag *d);
/* A program that is watched for bad rows (bad.c): *errors told it of rows. keys: those of its results that must not be
 * NULL because of an error; NULL: none. Counts the errors, tells of the rows, takes them out of the batch's
 * selection. */
void op_drop_bad(struct op *op, struct batch *in, const struct expr_errors *errors, const struct vec *results,
                 const bool *keys, unsigned n);
static inline const struct schema *op_input(const struct op *op, unsigned i) { return &op->node->inputs[i]->out; }

/* Saturating: windows at the ends of time neither wrap nor close early. */
static inline int64_t time_add(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? (b > 0 ? INT64_MAX : INT64_MIN) : sum;
}

/* Can this be how often something is there? No history is longer than that; what damaged state says may be, and would
 * overflow later. */
static inline bool count_possible(int64_t n) { return n >= -(INT64_C(1) << 48) && n <= INT64_C(1) << 48; }

/* Rows built one by one and given on whenever a batch is full. */
struct emitter {
    struct op *op;
    void (*give_cb)(struct op *op, struct batch *b); /* op_emit, unless the operator sets another */
    struct schema schema;
    bool weights;
    struct arena arena;
    struct batch *b; /* NULL: empty */
};
void emitter_init(struct emitter *e, struct op *op, const struct schema *sc, bool weights);
void emitter_fini(struct emitter *e); /* what was not flushed is dropped */
/* A new row of e->b, its columns still to be set. */
uint32_t emitter_row(struct emitter *e, int weight, int64_t ts);
void emitter_flush(struct emitter *e);

/* A row as state keeps it: layout, event time, row_encode'd columns. */
void row_put(const struct batch *b, const unsigned *cols, unsigned ncols, uint32_t row, struct wbuf *out);
/* Takes such a value apart; false: not one. */
bool row_take(struct str value, int64_t *ts, struct str *columns);
/* Can these bytes be decoded as a row of the schema? State comes from disk, so it is looked at once, when it comes. */
bool row_fits(struct str columns, const struct schema *sc);
/* Writes the values of touched keys to the changelog and forgets that they were touched. */
void op_save_touched(struct op *op, unsigned k, struct kv *touched, struct store *rows, struct changes *out);
/* restore and load for a store of row_put values. */
int op_restore_row(struct store *rows, struct str key, struct str value, const struct schema *sc);
int op_load_row(struct store *rows, struct str key, struct str value, const struct schema *sc);
/* Null-safe way from encoded key columns into columns of a batch. False: not such a key. */
bool key_columns(struct str key, const struct schema *sc, const unsigned *cols, unsigned n, struct batch *out,
                 const unsigned *out_cols, uint32_t row);
/* 0, 1, 2, ...: all columns of a schema in order; in arena. */
unsigned *all_columns(struct arena *a, unsigned n);
bool any_null(const struct batch *b, const unsigned *cols, unsigned n, uint32_t row);

#endif
