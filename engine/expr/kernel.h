/* What compiled programs and the functions' kernels share. Private to engine/expr.
 *
 * A kernel computes one column from its argument columns, for the rows of a selection. Arguments that are constants are
 * columns of one row: they are read at r & mask, and the mask is 0. For a function that is strict (all but those marked
 * otherwise), rows with a NULL argument are already NULL in out; their data may be anything. */
#ifndef EXPR_KERNEL_H
#define EXPR_KERNEL_H
#include "engine/expr/expr.h"

/* Something made from an argument's text (pattern, zone) and kept while the text stays the same. */
struct cached {
    char *text;
    size_t len;
    void *made;
    void (*free_cb)(void *made);
};
void cached_drop(struct cached *c);
static inline bool cached_is(const struct cached *c, struct str text)
{
    return c->made && c->len == text.len && memcmp(c->text, text.ptr, text.len) == 0;
}
void cached_set(struct cached *c, struct str text, void *made, void (*free_cb)(void *made));

struct call {
    struct batch *b; /* strings point into its buffers, and results go there */
    struct arena *arena;
    const uint32_t *sel; /* NULL: rows 0 .. n-1 */
    uint32_t nsel, n;
    unsigned nargs;
    const struct vec **args;
    const uint32_t *mask;
    struct vec *out;
    struct cached *cache; /* two, kept between calls */
    void *aux;            /* what the step was compiled with */
    struct expr_context *ctx;
    struct expr_errors *errors;
    uint8_t watched; /* enum watch, of the step */
};
typedef void (*kernel_fn)(struct call *c);
#define KERNEL(name) void name(struct call *c)

enum watch { WATCH_ROOT = 1, WATCH_FUNCTION = 2 };

/* Row r cannot be computed: NULL, counted. */
void call_fail(struct call *c, uint32_t r, const char *text);
static inline void call_null(struct call *c, uint32_t r) { vec_set_null(c->out, c->arena, r, c->n); }

/* Selected rows; ROWS_VALID passes over those that are NULL already. */
#define ROWS(c, r)                                                                                                     \
    for (uint32_t i_ = 0, r; i_ < (c)->nsel && ((r = (c)->sel ? (c)->sel[i_] : i_), true); i_++)
#define ROWS_VALID(c, r)                                                                                               \
    ROWS (c, r)                                                                                                        \
        if (vec_valid((c)->out, r))

static inline bool arg_null(const struct call *c, unsigned i, uint32_t r)
{
    return !vec_valid(c->args[i], r & c->mask[i]);
}
static inline int32_t arg_i32(const struct call *c, unsigned i, uint32_t r) { return c->args[i]->i32[r & c->mask[i]]; }
static inline int64_t arg_i64(const struct call *c, unsigned i, uint32_t r) { return c->args[i]->i64[r & c->mask[i]]; }
static inline double arg_f64(const struct call *c, unsigned i, uint32_t r) { return c->args[i]->f64[r & c->mask[i]]; }
static inline i128 arg_i128(const struct call *c, unsigned i, uint32_t r) { return c->args[i]->i128[r & c->mask[i]]; }
static inline bool arg_bool(const struct call *c, unsigned i, uint32_t r) { return c->args[i]->b[r & c->mask[i]] != 0; }
static inline struct str arg_str(const struct call *c, unsigned i, uint32_t r)
{
    return batch_str(c->b, c->args[i], r & c->mask[i]);
}
static inline void out_str(struct call *c, uint32_t r, struct str s) { c->out->s[r] = batch_keep(c->b, s); }
struct value arg_value(const struct call *c, unsigned i, uint32_t r);
void out_value(struct call *c, uint32_t r, const struct value *v); /* of out's type */

/* The loops that matter: TA, TB, TR are C types, MA, MB, MR members of struct vec; STORE computes from x and y into
 * o[r]. Dense rows with a constant on either side get loops of their own, which the compiler turns into vectors; they
 * run over NULL rows too, whose data is harmless. */
#define BINARY_LOOP(c, TA, MA, TB, MB, TR, MR, STORE)                                                                  \
    do {                                                                                                               \
        const TA *a_ = (c)->args[0]->MA;                                                                               \
        const TB *b_ = (c)->args[1]->MB;                                                                               \
        TR *o = (c)->out->MR;                                                                                          \
        if ((c)->sel) {                                                                                                \
            for (uint32_t i_ = 0; i_ < (c)->nsel; i_++) {                                                              \
                uint32_t r = (c)->sel[i_];                                                                             \
                TA x = a_[r & (c)->mask[0]];                                                                           \
                TB y = b_[r & (c)->mask[1]];                                                                           \
                STORE;                                                                                                 \
            }                                                                                                          \
        } else if (!(c)->mask[1]) {                                                                                    \
            TB y = b_[0];                                                                                              \
            for (uint32_t r = 0, n_ = (c)->n, m_ = (c)->mask[0]; r < n_; r++) {                                        \
                TA x = a_[r & m_];                                                                                     \
                STORE;                                                                                                 \
            }                                                                                                          \
        } else if (!(c)->mask[0]) {                                                                                    \
            TA x = a_[0];                                                                                              \
            for (uint32_t r = 0, n_ = (c)->n; r < n_; r++) {                                                           \
                TB y = b_[r];                                                                                          \
                STORE;                                                                                                 \
            }                                                                                                          \
        } else {                                                                                                       \
            for (uint32_t r = 0, n_ = (c)->n; r < n_; r++) {                                                           \
                TA x = a_[r];                                                                                          \
                TB y = b_[r];                                                                                          \
                STORE;                                                                                                 \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)
#define UNARY_LOOP(c, TA, MA, TR, MR, STORE)                                                                           \
    do {                                                                                                               \
        const TA *a_ = (c)->args[0]->MA;                                                                               \
        TR *o = (c)->out->MR;                                                                                          \
        if ((c)->sel || !(c)->mask[0]) {                                                                               \
            ROWS (c, r) {                                                                                              \
                TA x = a_[r & (c)->mask[0]];                                                                           \
                STORE;                                                                                                 \
            }                                                                                                          \
        } else {                                                                                                       \
            for (uint32_t r = 0, n_ = (c)->n; r < n_; r++) {                                                           \
                TA x = a_[r];                                                                                          \
                STORE;                                                                                                 \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

/* ---- the table, as the compiler sees it */

enum func_rule { /* the type of the result */
    R_SIGNATURE, /* as written; T: the common type of the T arguments */
    R_FIRST,     /* the first argument's */
    R_ADD, R_MUL, R_DIV, R_MOD, /* ksqlDB's decimal precisions */
    R_WHOLE,     /* a decimal without fraction */
};
enum func_flags {
    F_STRICT = 0,
    F_NULLS = 1,      /* looks at NULL arguments itself; out starts all valid */
    F_VOLATILE = 2,   /* not the same twice */
    F_PER_ROW = 4,    /* volatile, and differs from row to row: never shared */
    F_MACRO = 8,      /* no kernel: compile.c writes it as CASE */
    F_LAMBDA = 16,    /* has lambdas: aux is struct lambdas; looks at NULL arguments itself */
};
struct func {
    struct func_info info;
    kernel_fn kernel;
    enum func_rule rule;
    unsigned flags;
};
const struct func *func_at(unsigned func);
/* By signature, as plans keep them; false if there is none. */
bool func_by_signature(struct str signature, unsigned *func);
/* Are these the types that this overload takes, once cast, and what it gives? */
bool func_fits(unsigned func, const struct type *args, unsigned nargs, struct type result);

/* ---- casts (cast.c) */
bool nested_can_cast(struct type from, struct type to);
bool nested_cast(const struct value *v, struct type to, struct value *out, struct arena *a);
kernel_fn cast_kernel(struct type from, struct type to);

/* ---- lambdas (lambda.c): each is a program of its own over batches of elements, whose first columns are the parameters and
 * whose others are what the body takes from around it. */
struct lambda {
    struct prog *prog;
    struct schema in;
    unsigned nparams;
    const unsigned *captured; /* arguments of the call, for the columns behind the parameters */
};
struct lambdas {
    struct lambdas *next;
    unsigned n, nplain; /* of the call's arguments so many are the function's own; what is captured follows */
    struct lambda of[2];
};
/* A batch for so many elements; b's strings live with the call. */
struct batch *lambda_batch(struct call *c, const struct lambda *l, uint32_t cap);
/* Adds an element of row r, and takes what is captured from that row; the caller sets the parameters. Gives its number. */
uint32_t lambda_add(struct call *c, const struct lambda *l, struct batch *b, uint32_t r, uint32_t cap);
/* Runs over the batch; errors count for the rows that rows[] says. */
void lambda_run(struct call *c, const struct lambda *l, struct batch *b, const uint32_t *rows, struct vec *out);
void call_note_bad(struct call *c, uint32_t row, bool function, const char *text);

/* ---- times (fn_time.c): a month later is the same day, or the last of a shorter month; false: out of range. */
bool time_add_months(int64_t ms, int64_t months, int64_t *out);
/* The zone of this name, kept in cache; NULL: the row has failed. */
const struct zone *call_zone(struct call *c, uint32_t r, struct cached *cache, struct str name);

/* ---- nested values (fn_array.c) */
KERNEL(nested_make);
KERNEL(nested_field);

/* ---- decimals (decimal.c): false = does not fit 38 digits. All round half up. */
bool decimal_rescale(i128 v, unsigned from, unsigned to, i128 *out);
bool decimal_muldiv(i128 a, i128 b, i128 divisor, i128 *out); /* a * b / divisor */
bool decimal_divide(i128 a, unsigned up, i128 b, i128 *out);  /* a * 10^up / b */
i128 decimal_shift_down(i128 v, unsigned digits);             /* v / 10^digits */

/* kernels that are not in the table, or serve it more than once (fn_cond.c) */
KERNEL(same);
KERNEL(in_list);
KERNEL(logic_not);
KERNEL(logic_is_null);
#endif
