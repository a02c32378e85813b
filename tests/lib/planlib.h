/* Plans built by hand, for tests that need one without SQL. Everything lives in the arena that is given. */
#ifndef TESTS_PLANLIB_H
#define TESTS_PLANLIB_H
#include "engine/run/plan.h"

struct planlib {
    struct arena *a;
    struct plan *plan; /* nodes are numbered as they are made; planlib_done numbers them anew from the sink */
};
void planlib_init(struct planlib *pl, struct arena *a, unsigned parallelism);
/* emit=record if the environment says WEIR_EMIT=record. */
struct plan *planlib_done(struct planlib *pl, struct plan_node *sink);

/* A relation in KAFKA format: BIGINT key K, BIGINT value V. */
struct plan_node *pl_source(struct planlib *pl, const char *name, struct uuid topic, bool table);
/* Adds WINDOWSTART, WINDOWEND. */
struct plan_node *pl_window(struct planlib *pl, struct plan_node *in, int64_t size_ms, int64_t grace_ms);
struct plan_node *pl_exchange(struct planlib *pl, struct plan_node *in, unsigned ncols, const unsigned *cols);
struct plan_node *pl_normalize(struct planlib *pl, struct plan_node *in);
/* Per `by` (of ncols columns) the greatest rows by column `order`, NULL last: so many. */
struct plan_node *pl_top(struct planlib *pl, struct plan_node *in, unsigned ncols, const unsigned *by, unsigned order,
                         int64_t limit);
/* One more column: the sum of column arg over the row and `before` rows before it, by column `order`. */
struct plan_node *pl_sum_over(struct planlib *pl, struct plan_node *in, unsigned order, unsigned arg, int64_t before);
struct plan_node *pl_union(struct planlib *pl, struct plan_node *x, struct plan_node *y);
/* One aggregate over column arg (COUNT(*): any); groups are columns of in, the key of the result. */
struct plan_node *pl_aggregate(struct planlib *pl, struct plan_node *in, unsigned ngroup, const unsigned *groups,
                               enum agg_kind kind, unsigned arg, int64_t window_ms, int64_t grace_ms);
/* The same in two halves: before an exchange by the group columns, and after it. */
struct plan_node *pl_partial(struct planlib *pl, struct plan_node *in, unsigned ngroup, const unsigned *groups,
                             enum agg_kind kind, unsigned arg, int64_t window_ms, int64_t grace_ms);
struct plan_node *pl_final(struct planlib *pl, struct plan_node *in, const struct plan_node *partial);
/* An aggregate by sessions, of what is one by windows: the last two groups are what a WINDOW of sessions adds. */
struct plan_node *pl_session(struct plan_node *aggregate);
/* Per `by` the first or last row by event time. */
struct plan_node *pl_dedup(struct planlib *pl, struct plan_node *in, unsigned ncols, const unsigned *by, bool last);
/* Each row once per grouping set: in_set[set * ngroup + group]. Adds the groups' columns and the set's number. */
struct plan_node *pl_expand(struct planlib *pl, struct plan_node *in, unsigned ngroup, const unsigned *groups, unsigned nsets,
                            const bool *in_set);
/* Each row once per number from 0 to what a column says, which is a column more. */
struct plan_node *pl_numbers(struct planlib *pl, struct plan_node *in, unsigned col);
void pl_set_key(struct planlib *pl, struct plan_node *n, unsigned col);
struct plan_node *pl_join(struct planlib *pl, enum plan_kind kind, enum join_kind join, struct plan_node *left,
                          struct plan_node *right, unsigned left_col, unsigned right_col);
/* WHERE column >= least. */
struct plan_node *pl_at_least(struct planlib *pl, struct plan_node *in, unsigned col, int64_t least);
/* Keeps some columns, in this order. */
struct plan_node *pl_pick(struct planlib *pl, struct plan_node *in, unsigned n, const unsigned *cols);
/* KAFKA format again: one BIGINT key column and one BIGINT value column of in; window_col: WINDOWSTART's column, or -1.
 */
struct plan_node *pl_sink_topic(struct planlib *pl, struct plan_node *in, struct uuid topic, unsigned key_col,
                                unsigned value_col, int window_col, int64_t window_ms);
struct plan_node *pl_sink_query(struct planlib *pl, struct plan_node *in, int64_t limit);
struct plan_node *pl_scan(struct planlib *pl, const char *name, struct uuid job, unsigned ncols);
#endif
