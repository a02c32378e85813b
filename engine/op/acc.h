/* Accumulators: what an aggregate function keeps for a group, of fixed size behind struct group. Private to op.
 *
 * Whole numbers and decimals are added exactly in 128 bits plus a count of wraps, so that neither order nor cancelling
 * matters and overflow is judged on the result; DOUBLE exactly too (exactsum of engine/expr). MIN and MAX where rows go again are looked up by the operator, which keeps ordered counts. */
#ifndef OP_ACC_H
#define OP_ACC_H
#include "engine/op/common.h"
#include "engine/op/groups.h"

enum acc_class { ACC_WHOLE, ACC_DECIMAL, ACC_DOUBLE, ACC_TEXT };
struct acc {
    enum agg_kind kind;
    enum acc_class cls;
    bool retract;          /* rows may go again */
    bool rows_only;        /* COUNT(*) over rows: the group's own counter is it */
    struct type arg, result;
    size_t offset, size;   /* in the group */
    struct account *account; /* of text */
};
/* Fills accs for the aggregates of a node; gives the group size. */
size_t accs_init(struct acc *accs, const struct plan_node *node, bool retract, struct account *account);

/* Rows of one batch and the groups they belong to. */
struct acc_rows {
    const struct batch *b;
    const uint32_t *rows;
    struct group *const *groups;
    uint32_t n;
};
void acc_update(const struct acc *acc, const struct acc_rows *r, const struct vec *arg); /* arg NULL: COUNT(*) */
void acc_merge(const struct acc *acc, const struct acc_rows *r, const struct vec *cols); /* AGG_FINAL: the partial's columns */
/* Strings are borrowed from the group. False: out of the result type's range, and *out is NULL. */
bool acc_result(const struct acc *acc, const struct group *g, struct value *out);
void acc_partial(const struct acc *acc, const struct group *g, struct batch *out, unsigned col, uint32_t row);
/* MIN and MAX only: sets what the result is. */
void acc_set(const struct acc *acc, struct group *g, const struct value *v);
void acc_save(const struct acc *acc, const struct group *g, struct wbuf *out);
bool acc_load(const struct acc *acc, struct group *g, struct rbuf *r, struct arena *a);
void acc_clear(const struct acc *acc, struct group *g); /* frees what it owns, zeroes it */

#endif
