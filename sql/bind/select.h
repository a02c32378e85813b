/* What query.c, join.c and key.c share. */
#ifndef BIND_SELECT_H
#define BIND_SELECT_H
#include "sql/bind/resolve.h"

/* FROM: fills sources, cols and tree of sc->q. */
int bind_from(struct scope *sc, const struct ast_select *s);
/* The key of a persistent query: finds or adds its items, puts them first, and fixes names. */
int bind_key(struct scope *sc, const struct ast_select *s, const struct expr *const *partition, unsigned npartition);
/* Appends an item; memory in the arena. */
void block_add_item(const struct binding *b, struct block *q, unsigned at, struct block_item item);
/* The name of the column that an expression is; NULL: it is none. */
const char *block_column_name(const struct block *q, const struct expr *e);

#endif
