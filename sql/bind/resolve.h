/* What resolve.c (expressions) and query.c (SELECT) share. */
#ifndef BIND_RESOLVE_H
#define BIND_RESOLVE_H
#include "log/base/limits.h"
#include "sql/bind/bind.h"

/* While a SELECT is bound, window bounds and aggregates are columns beyond all real ones of the source row. */
#define COLUMN_WINDOW 0x10000000u /* + 0 WINDOWSTART, + 1 WINDOWEND */
#define COLUMN_AGG 0x20000000u    /* + number of the aggregate */

/* Every expression made here knows its place: errors found later still point. */
struct placed {
    struct expr e;
    struct place place;
};
static inline struct place place_of(const struct expr *e) { return container_of(e, struct placed, e)->place; }

/* Names that are visible, and what may stand in an expression. */
struct scope {
    const struct binding *b;
    struct query *q;               /* its cols and sources are filled as far as they are visible; NULL: no columns */
    const struct ast_items *items; /* whose aliases may stand for their expressions; NULL: none */
    const char *no_aggregates;     /* the clause, for the sentence; NULL: aggregates may stand here */
    bool window;                   /* WINDOWSTART and WINDOWEND of the query's own window may stand here */
    bool in_aggregate;
};
int resolve_expr(struct scope *sc, const struct ast_expr *e, const struct expr **out);
/* The same, and it must be a BOOLEAN. clause: "WHERE". */
int resolve_condition(struct scope *sc, const struct ast_expr *e, const char *clause, const struct expr **out);
/* Cast that folds constants and does nothing if the type is the same; the cast must exist. */
int literal_value(const struct binding *b, const struct ast_expr *e, const struct expr **out);
const struct expr *expr_cast(const struct binding *b, const struct expr *e, struct type to);
const struct expr *expr_column(const struct binding *b, unsigned column, struct type t, struct place place);
/* AND of two, either may be NULL. */
const struct expr *expr_and(const struct binding *b, const struct expr *left, const struct expr *right);
/* Column of the source row; E_SQL if there is none or more than one. */
int resolve_column(struct scope *sc, const struct ast_name *qualifier, const struct ast_name *name, struct place place,
                   unsigned *out);
struct expr *expr_make(const struct binding *b, enum expr_kind kind, struct type t, struct place place, unsigned nargs);

#endif
