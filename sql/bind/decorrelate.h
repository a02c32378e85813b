/* Joins whose right side reads columns of the left one. */
#ifndef BIND_DECORRELATE_H
#define BIND_DECORRELATE_H
#include "sql/bind/tree.h"

/* The join of two sides, of which the right one may read columns of the left one; it is changed. NULL: its right side is
 * something that cannot be computed for rows of the left one. */
struct tree *tree_dependent(struct columns *cs, enum join_kind kind, struct tree *left, struct tree *right,
                            const struct expr *on);

#endif
