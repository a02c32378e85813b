/* What resolve.c (expressions) and query.c (SELECT) share. */
#ifndef BIND_RESOLVE_H
#define BIND_RESOLVE_H
#include "log/base/limits.h"
#include "sql/bind/tree.h"

static inline struct place place_of(const struct expr *e) { return container_of(e, struct placed, e)->place; }

/* ---- One SELECT while it is bound: what its names may mean. Its expressions are over the columns of FROM, of its window
 * and of its aggregates, all by id. */
struct block_source {
    const char *alias;          /* "": a query without one */
    const struct relation *rel; /* NULL: a query */
    bool table;                 /* its rows may be taken back */
    struct place place;
    unsigned first, ncols;      /* its columns among the block's */
};
struct block_column {
    const char *name;
    struct type type;
    unsigned source;           /* NO_COLUMN: of several, by FULL JOIN ... USING */
    unsigned id;
    bool key, pseudo, star; /* pseudo: not declared; star: `*` shows it */
    bool faint;             /* pseudo, of a query: found without its relation's name only where nothing else has this name */
    bool merged;            /* another column stands for it where no relation is named: USING */
    bool shared;            /* that other one: `*` shows it first */
};
/* A query inside an expression: joined to the block's tree before whoever reads its columns. */
struct block_sub {
    enum join_kind join;
    struct tree *tree;
    const struct expr *on; /* NULL: always */
    bool above;            /* the groups, if the block has any */
    struct place place;
};
struct block_item {
    const struct expr *expr;
    const char *name;
    bool hidden; /* only for ORDER BY */
};
struct block {
    unsigned nsources;
    struct block_source *sources;
    unsigned ncols, cap;
    struct block_column *cols;
    struct tree *tree; /* as far as it is made */
    unsigned null_sides;   /* of outer joins around what is bound: its rows may be given without it */
    struct ast_exprs later; /* conditions of inner joins that WHERE is to ask: they hold queries */
    struct tree *last_join; /* the topmost join of FROM; NULL: none */
    struct tree_window *window; /* of WINDOW; NULL: none */
    unsigned window_ids[2];
    const struct ast_window *session; /* FROM SESSION(...); NULL: no */
    struct ids session_keys;          /* whose sessions: PARTITION BY */
    bool aggregates;
    unsigned ngroup;
    const struct expr **group; /* over FROM; then group_ids stand for them */
    const char **group_names;
    unsigned *group_ids;
    unsigned nsets; /* of ROLLUP, CUBE, GROUPING SETS; 0: GROUP BY is one set */
    uint64_t *sets; /* bit k: it has group k */
    unsigned set_id;
    unsigned naggs;
    struct tree_agg *aggs;
    const struct expr *having;
    unsigned nunnest; /* EXPLODE and its like among the items: arrays, and the columns of their elements */
    const struct expr **unnest;
    unsigned *unnest_ids;
    unsigned nover;
    struct block_over *overs; /* over.h */
    unsigned nitems;
    struct block_item *items;
    unsigned nsort;
    struct tree_sort *sort;
    unsigned nsubs;
    struct block_sub *subs; /* not yet joined */
    unsigned nkey; /* a persistent query's items begin with so many that are its key */
};

/* WITH's queries that are visible, the newest first. */
struct named_query {
    const struct ast_cte *cte;
    const struct named_query *before; /* visible in its own query */
};

/* Names that are visible, and what may stand in an expression. */
struct scope {
    const struct binding *b;
    struct query *result; /* the whole statement's; NULL: none is bound */
    enum query_use use;
    const struct scope *outer; /* of the query in which this one stands; NULL: none, or it cannot be seen */
    const struct named_query *named;
    unsigned nesting;
    bool final;                    /* the statement says EMIT FINAL */
    struct block *q;               /* its cols and sources are filled as far as they are visible; NULL: no columns */
    const struct ast_exprs *windows; /* that WINDOW names; NULL: none */
    const struct ast_items *items; /* whose aliases may stand for their expressions; NULL: none */
    const char *no_aggregates;     /* the clause, for the sentence; NULL: aggregates may stand here */
    bool window;                   /* WINDOWSTART and WINDOWEND of the query's own window may stand here */
    bool in_aggregate;
    bool items_here; /* EXPLODE may stand here */
    bool overs;                    /* functions OVER rows may stand here */
    const struct params *params; /* of the lambdas around; NULL: none */
};
int resolve_expr(struct scope *sc, const struct ast_expr *e, const struct expr **out);
/* The same, and it must be a BOOLEAN. clause: "WHERE". */
int resolve_condition(struct scope *sc, const struct ast_expr *e, const char *clause, const struct expr **out);
/* A query in an expression (subquery.c): its value, or the answer to EXISTS, IN, ANY, ALL. */
int resolve_query(struct scope *sc, const struct ast_expr *e, const struct expr **out);
bool has_query(const struct ast_expr *e);
/* A condition whose queries may become joins that only keep or drop rows; *out NULL: nothing else is asked. */
int resolve_conditions(struct scope *sc, const struct ast_expr *e, const char *clause, const struct expr **out);
/* Joins what waits to the block's tree: all, or what is not above the groups. */
int join_queries(struct scope *sc, bool above);
int resolve_grouping(struct scope *sc, const struct ast_expr *e, const struct expr **out); /* GROUPING(...) (groups.c) */
/* Cast that folds constants and does nothing if the type is the same; the cast must exist. */
int literal_value(const struct binding *b, const struct ast_expr *e, const struct expr **out);
const struct expr *expr_cast(const struct binding *b, const struct expr *e, struct type to);
const struct expr *expr_column(const struct binding *b, unsigned column, struct type t, struct place place);
/* AND of two, either may be NULL. */
const struct expr *expr_and(const struct binding *b, const struct expr *left, const struct expr *right);
/* A comparison of these two, which stands at e. */
int resolve_compare(struct scope *sc, struct str op, const struct expr *left, const struct expr *right, const struct ast_expr *e,
                    const struct expr **out);
/* Of the block: NULL: the error is set. */
const struct block_column *resolve_column(struct scope *sc, const struct ast_name *qualifier,
                                          const struct ast_name *name, struct place place);
int resolve_call(struct scope *sc, struct str name, const struct expr **args, unsigned nargs, struct place place,
                 struct place point, const struct expr **out);
int resolve_call_error(const struct scope *sc, struct place place, const char *code);

/* ---- nested.c */
int resolve_nested(struct scope *sc, const struct ast_expr *e, const struct expr **out);
/* Calls that are not just a function and its arguments. False: this is none. */
bool resolve_special(struct scope *sc, const struct ast_expr *e, const struct expr **out, int *err);
int resolve_lambdas(struct scope *sc, const struct ast_expr *e, const struct expr **out);
/* A lambda's parameter of this name. */
bool resolve_param(struct scope *sc, const struct ast_name *name, struct place place, const struct expr **out);
/* A unit of time as a word. */
bool resolve_unit(struct scope *sc, const struct ast_expr *call, const struct ast_expr *arg, const struct expr **out);
int resolve_field_of(struct scope *sc, const struct expr *of, const struct ast_name *name, struct place place,
                     const struct expr **out);
/* Refuses nested types that are too deep, or have a NULL in them. */
int check_known(struct scope *sc, struct type t, struct place place);

struct expr *expr_make(const struct binding *b, enum expr_kind kind, struct type t, struct place place, unsigned nargs);

#endif
