/* Calls of aggregate functions. Private to bind. */
#ifndef BIND_AGGREGATE_H
#define BIND_AGGREGATE_H
#include "sql/bind/resolve.h"

/* What an AST_CALL of an aggregate says, over the columns that are visible; not yet part of anything. */
int resolve_agg(struct scope *sc, const struct ast_expr *e, enum agg_kind kind, struct agg *out);
/* The same as a column: one of the aggregates of the SELECT. */
int resolve_aggregate(struct scope *sc, const struct ast_expr *e, enum agg_kind kind, const struct expr **out);

#endif
