/* From the tree that the binder makes (sql/bind/tree.h) to the engine's plan: rules that change it, and the lowering. */
#ifndef PLAN_LOWER_H
#define PLAN_LOWER_H
#include "sql/plan/plan.h"

/* ---- Rules (rules.c), in the order in which they run. Each gives the tree that replaces the one it got, with the same
 * columns at its root. */
struct tree *rule_fold_constants(struct tree *t, struct columns *cs);
struct tree *rule_join_keys(struct tree *t, struct columns *cs);
struct tree *rule_push_filters(struct tree *t, struct columns *cs);
struct tree *rule_key_columns(struct tree *t, struct columns *cs);
struct tree *rule_merge_projections(struct tree *t, struct columns *cs);
struct tree *rule_prune_columns(struct tree *t, struct columns *cs);
struct tree *rule_read_paths(struct tree *t, struct columns *cs); /* paths.c */
struct tree *rule_best_rows(struct tree *t, struct columns *cs);  /* best.c */
struct tree *rules_apply(struct tree *t, struct columns *cs);

/* ---- Lowering (physical.c): the engine's nodes below the sink. E_SQL with a sentence: a column is not kept. */
struct lowering {
    struct arena *arena;
    const struct columns *columns;
    struct diag *diag;
    bool until_end, from_latest; /* how topics are read */
    int64_t from_ms;
    const struct tree *key_groups; /* the aggregate by whose groups a topic is keyed: none is NULL there */
    unsigned nkey;               /* of a table that is written: the first columns; 0: none */
    const char *lost;            /* a column that an operator reads and nothing below it gives; NULL: as it should be */
    bool result;                 /* for a client, who hears only of rows that it had or gets */
    int64_t every_ms;            /* EMIT CHANGES EVERY; 0: no */
};
/* lookup.c: a scan under a condition that names keys gives the rows of those only. */
void lookup_keys(const struct expr *condition, const struct tree *source, struct plan_node *scan,
                 const struct columns *cs);
/* Where streams begin, by the session's auto.offset.reset. */
void lowering_start(struct lowering *lo, const struct settings *props);
/* ids[i]: the column of the tree that is the node's i-th. */
int tree_lower(struct lowering *lo, const struct tree *t, struct plan_node **out, unsigned **ids);
/* Sinks. node ids, number of nodes and plan_check: plan_finish. */
struct plan_node *physical_node(struct arena *a, enum plan_kind kind, struct plan_node *input);
int plan_finish(struct plan_node *sink, unsigned parallelism, struct arena *a, struct plan **out, struct diag *d);
/* Power of two, at least 1, at most 16. */
unsigned plan_parallelism(int32_t partitions);

#endif
