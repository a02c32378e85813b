/* Accumulators: what an aggregate function keeps for a group, of fixed size behind struct group. Private to op.
 *
 * Each function keeps its state in one of a few forms (acc_form); which, and what a row that is taken back costs, says
 * engine/expr/agg.def. Whole numbers and decimals are added exactly in 128 bits plus a count of wraps, so that neither order
 * nor cancelling matters and overflow is judged on the result; DOUBLE exactly too (exactsum of engine/expr). What keeps its
 * values (agg_keeps_values) has them, counted and in order, in a store of the operator: from there DISTINCT knows which rows
 * bring a value or take the last of one, and `looked_up` ones get their result at the marker (acc_values.c). */
#ifndef OP_ACC_H
#define OP_ACC_H
#include "engine/op/common.h"
#include "engine/op/groups.h"

enum acc_class { ACC_WHOLE, ACC_DECIMAL, ACC_DOUBLE, ACC_TEXT };
struct acc_form;
struct acc {
    const struct agg *agg;
    enum agg_kind kind;
    enum acc_class cls;     /* of what is kept */
    const struct acc_form *form;
    bool rows_only;         /* COUNT(*) over rows: the group's own counter is it */
    bool keeps_values;      /* the operator keeps them, */
    unsigned sharing;       /* for so many aggregates, itself among them */
    bool looked_up;         /* the result comes from them: acc_set at the marker */
    bool pair;              /* judged by arg2: kept is key bytes of both */
    struct type arg, result;
    struct type kept;       /* of a BEST: what it holds */
    size_t offset, size;    /* in the group */
    struct account *account; /* of text */
};
/* Fills accs for the aggregates of a node; gives the group size. */
size_t accs_init(struct acc *accs, const struct plan_node *node, bool retract, struct account *account);
bool acc_owns(const struct acc *acc); /* memory outside of the group */

/* Rows of one batch, the groups they belong to, and how often they come (weights NULL: once each). */
struct acc_rows {
    const struct batch *b;
    const uint32_t *rows;
    struct group *const *groups;
    const int8_t *weights;
    uint32_t n;
};
static inline int acc_weight(const struct acc_rows *r, uint32_t i) { return r->weights ? r->weights[i] : 1; }
/* arg NULL: COUNT(*); arg2 NULL: takes none. Of looked up ones nothing happens. */
void acc_update(const struct acc *acc, const struct acc_rows *r, const struct vec *arg, const struct vec *arg2);
void acc_merge(const struct acc *acc, const struct acc_rows *r, const struct vec *cols); /* AGG_FINAL: the partial's columns */
/* Strings are borrowed from the group or in `a`. Gives NULL, or why there is no result, and *out is NULL then. */
const char *acc_result(const struct acc *acc, const struct group *g, struct value *out, struct arena *a);
void acc_partial(const struct acc *acc, const struct group *g, struct batch *out, unsigned col, uint32_t row);
/* Looked up ones only: sets what the result is. */
void acc_set(const struct acc *acc, struct group *g, const struct value *v);
void acc_save(const struct acc *acc, const struct group *g, struct wbuf *out);
bool acc_load(const struct acc *acc, struct group *g, struct rbuf *r, struct arena *a);
void acc_clear(const struct acc *acc, struct group *g); /* frees what it owns, zeroes it */

/* ---- Values that are kept (acc_values.c). */
/* The key bytes by which a row's value is kept; false: it is not (NULL). out: emptied and filled. */
bool acc_value_key(const struct acc *acc, const struct acc_rows *r, uint32_t i, const struct vec *arg, const struct vec *arg2,
                   struct wbuf *out);
bool acc_value_fits(const struct acc *acc, struct str bytes, struct arena *a); /* are they such? */
/* The result over the kept values, (prefix, value) -> be64 count in `values`; strings in a. */
const char *acc_look_up(const struct acc *acc, const struct kv *values, struct str prefix, struct value *out, struct arena *a);

/* ---- Forms; private to acc*.c. */
struct acc_form {
    size_t size;
    void (*update)(const struct acc *acc, const struct acc_rows *r, const struct vec *arg, const struct vec *arg2);
    void (*merge)(const struct acc *acc, const struct acc_rows *r, const struct vec *cols);
    void (*partial)(const struct acc *acc, const struct group *g, struct batch *out, unsigned col, uint32_t row);
    const char *(*result)(const struct acc *acc, const struct group *g, struct value *out, struct arena *a);
    void (*save)(const struct acc *acc, const struct group *g, struct wbuf *out);
    bool (*load)(const struct acc *acc, struct group *g, struct rbuf *r, struct arena *a);
    void (*free)(const struct acc *acc, struct group *g); /* NULL: owns nothing */
};
extern const struct acc_form acc_best, acc_pair, acc_variance, acc_exact_variance, acc_correlation;
struct sum_acc {
    i128 sum; /* modulo 2^128 */
    int64_t wraps, n;
};
static inline void *acc_at(const struct acc *acc, const struct group *g) { return (char *)g + acc->offset; }
static inline void acc_add(i128 *sum, int64_t *wraps, i128 v)
{
    if (__builtin_add_overflow(*sum, v, sum))
        *wraps += v > 0 ? 1 : -1;
}
static inline int64_t acc_whole(const struct vec *v, uint32_t row)
{
    switch (type_width(v->type)) {
    case 1:
        return v->b[row];
    case 4:
        return v->i32[row];
    default:
        return v->i64[row];
    }
}
void acc_save_i128(i128 v, struct wbuf *out);
i128 acc_load_i128(struct rbuf *r);
bool acc_load_times(int64_t *n, struct rbuf *r);

/* The states of the rows whose argument is not NULL, one after the other. */
#define EACH_ROW(r, arg, type_, acc)                                                                                   \
    for (uint32_t i = 0; i < (r)->n; i++)                                                                              \
        for (struct type_ *a = (arg) && !vec_valid((arg), (r)->rows[i]) ? NULL : acc_at((acc), (r)->groups[i]); a;     \
             a = NULL)

#endif
