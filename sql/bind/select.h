/* What query.c, join.c and key.c share. */
#ifndef BIND_SELECT_H
#define BIND_SELECT_H
#include "sql/bind/resolve.h"

/* FROM: fills sources and cols of sc->q. Conditions of inner joins' ON that are no equalities are added to *conditions.
 */
int bind_from(struct scope *sc, const struct ast_select *s, const struct expr **conditions);
/* The key of a persistent query: finds or adds its items, puts them first, and fixes names. */
int bind_key(struct scope *sc, const struct ast_select *s, const struct expr *const *partition, unsigned npartition);
/* Appends an item; memory in the arena. */
void query_add_item(const struct binding *b, struct query *q, unsigned at, struct query_item item);

#endif
