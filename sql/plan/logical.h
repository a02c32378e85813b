/* The logical tree: what a query computes, before it is decided how. Made from a bound query, changed by rules, lowered
 * to the engine's plan. Expressions refer to columns of the node's input (JOIN has none: it equates columns). */
#ifndef PLAN_LOGICAL_H
#define PLAN_LOGICAL_H
#include "sql/plan/plan.h"

enum logical_kind { L_SOURCE, L_FILTER, L_PROJECT, L_WINDOW, L_JOIN, L_AGGREGATE, L_SORT };
struct logical {
    enum logical_kind kind;
    struct schema out;
    unsigned ninputs;
    struct logical *inputs[2];
    /* SOURCE: one want per output column */
    const struct relation *rel;
    struct want *wants;
    bool scan; /* the rows that rel's job keeps, not its topic */
    /* FILTER */
    const struct expr *predicate;
    /* PROJECT */
    const struct expr **exprs;
    /* WINDOW, AGGREGATE: size 0: none */
    int64_t size_ms, grace_ms, retention_ms;
    /* JOIN: output = left columns, then right columns. lookup: stream with table */
    bool lookup;
    enum join_kind join;
    unsigned njoin;
    unsigned *left_cols, *right_cols;
    /* AGGREGATE: output = group columns (the last two are the window's bounds if there is one), then aggregates */
    unsigned ngroup;
    unsigned *group_cols;
    unsigned naggs;
    struct agg *aggs;
    bool emit_final;
    /* SORT */
    unsigned nsort;
    struct sort_key *sort;
    int64_t limit, offset;
};

/* window_start: output column with the window's start (persistent windowed queries), or -1. */
struct logical *logical_build(const struct query *q, enum query_use use, struct arena *a, int *window_start);

/* ---- Expressions over other columns. */
/* e with every column c replaced by by[c]. Unchanged parts are shared. */
const struct expr *expr_replace(const struct expr *e, const struct expr *const *by, struct arena *a);
const struct expr *expr_of_column(unsigned column, struct type t, struct arena *a);
void expr_mark_columns(const struct expr *e, bool *used);
bool expr_is_volatile(const struct expr *e);

/* ---- Rules (rules.c), in the order in which they run. Each gives the tree that replaces the one it got. */
struct logical *rule_fold_constants(struct logical *n, struct arena *a);
struct logical *rule_push_filters(struct logical *n, struct arena *a);
struct logical *rule_prune_columns(struct logical *n, struct arena *a);
struct logical *rule_drop_projections(struct logical *n, struct arena *a);
struct logical *rules_apply(struct logical *n, struct arena *a);

/* ---- Lowering (physical.c): the engine's nodes below the sink. E_SQL with a sentence: a column is not kept. */
struct lowering {
    struct arena *arena;
    struct diag *diag;
    bool until_end, from_latest; /* how topics are read */
    int64_t from_ms;
    bool drop_null_groups;       /* a key in a topic is never NULL */
    unsigned nkey;               /* of a table that is written: the first columns; 0: none */
    bool result;                 /* for a client, who hears only of rows that it had or gets */
};
/* lookup.c: a scan under a condition that names keys gives the rows of those only. */
void lookup_keys(const struct expr *condition, const struct logical *source, struct plan_node *scan, struct arena *a);
/* Where streams begin, by the session's auto.offset.reset. */
void lowering_start(struct lowering *lo, const struct settings *props);
int logical_lower(struct lowering *lo, const struct logical *n, struct plan_node **out);
/* Sinks. node ids, number of nodes and plan_check: plan_finish. */
struct plan_node *physical_node(struct arena *a, enum plan_kind kind, struct plan_node *input);
int plan_finish(struct plan_node *sink, unsigned parallelism, struct arena *a, struct plan **out, struct diag *d);
/* Power of two, at least 1, at most 16. */
unsigned plan_parallelism(int32_t partitions);

#endif
