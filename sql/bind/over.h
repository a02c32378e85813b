/* Functions OVER rows. Private to bind. */
#ifndef BIND_OVER_H
#define BIND_OVER_H
#include "sql/bind/resolve.h"

struct block_over { /* one call, while its SELECT is bound */
    struct tree_over over;
    unsigned npartition, nsort;
    const struct expr **partition;
    struct over_sort {
        const struct expr *expr;
        bool descending, nulls_first;
    } *sort;
};
/* The call as a column of the SELECT. */
int resolve_over(struct scope *sc, const struct ast_expr *e, const struct expr **out);
/* All expressions that calls of the block are made of, until one is refused. */
int over_each(struct block *q, int (*use_cb)(const struct scope *sc, const struct expr **e), const struct scope *sc);
/* Puts the block's calls on top of its tree. */
void make_overs(struct scope *sc);
/* A filter; a condition on the first places in an order that is computed below becomes TOPN. */
struct tree *filter_places(const struct scope *sc, struct tree *in, const struct expr *predicate);

#endif
