/* What query.c, join.c and key.c share. */
#ifndef BIND_SELECT_H
#define BIND_SELECT_H
#include "sql/bind/resolve.h"

/* What a query inside a statement gives: its tree and the columns that it shows, those of a key first in no case. */
struct bound {
    struct tree *tree;
    unsigned n;
    struct query_item *items;
    bool *key; /* NULL: none is known */
};
/* SELECT, VALUES, UNION and so on, with what WITH names before it. sc: what is visible around it, without a block. */
int bind_body(struct scope *sc, const struct ast_select *s, struct bound *out);
/* body.c: what stands in the place of a SELECT. */
int bind_values(struct scope *sc, const struct ast_select *s, struct bound *out);
int bind_set(struct scope *sc, const struct ast_select *s, struct bound *out);
/* Each row of `in` once, by what is shown of it; *count: column with how often it is there. */
struct tree *make_distinct(struct scope *sc, struct tree *in, const struct bound *items, unsigned *count);
/* meet.c: how both sides of a join meet, by what they are and what its `on` says, which may become less; by WITHIN; by FOR
 * SYSTEM_TIME AS OF. The node is to be derived anew. */
void join_meet(const struct scope *sc, struct tree *t);
int join_within(const struct scope *sc, struct tree *t, const struct ast_within *w);
int join_as_of(struct scope *sc, struct tree *t, const struct ast_expr *as_of);
/* time.c: from here on down rows are timed by the clock, instead of their event time. */
int time_by_clock(const struct binding *b, struct tree *t, struct place place);
/* GROUP BY's sets (groups.c): the expressions of all of them; and the node that makes rows for each. */
int expand_groups(struct scope *sc, const struct ast_exprs *list, struct ast_exprs *all, bool *several);
void make_sets(struct scope *sc, const unsigned *from);
bool has_empty_set(const struct block *q);
const struct expr *join_conditions(const struct scope *sc, struct tree *t, const struct expr *where);
/* Whichever of two is there: the left one unless that is NULL. */
const struct expr *expr_either(const struct binding *b, const struct expr *left, const struct expr *right);
/* An expression of a block that aggregates, over its groups. */
int over_groups(const struct scope *sc, const struct expr **e);
/* What a WINDOW clause, or a table function, says of windows. */
int bind_windows(const struct binding *b, const struct ast_window *w, int64_t grace_ms, struct tree_window **out);
/* FROM: fills sources, cols and tree of sc->q. */
int bind_from(struct scope *sc, const struct ast_select *s);
/* The key of a persistent query: finds or adds its items, puts them first, and fixes names. */
int bind_key(struct scope *sc, const struct ast_select *s, const struct expr *const *partition, unsigned npartition);
int count_rows(struct scope *sc, struct query *r);
/* Appends an item; memory in the arena. */
void block_add_item(const struct binding *b, struct block *q, unsigned at, struct block_item item);
/* The name of the column that an expression is; NULL: it is none. */
const char *block_column_name(const struct block *q, const struct expr *e);

#endif
