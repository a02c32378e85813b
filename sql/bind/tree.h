/* The algebra between binder and engine: what a statement computes. The binder makes it of a SELECT, sql/plan's rules
 * change it, its lowering makes the engine's plan of it.
 *
 * Columns have ids, unique in a statement. Every expression in a tree refers to columns by id (struct expr, column), and
 * means the column wherever it goes: an operator that lets a column through keeps its id, what it computes anew gets a new
 * one. So a rule that moves an operator changes no expression, and no id is made by two nodes. Only the lowering turns ids
 * into positions. Names are for people (EXPLAIN, errors); nothing is found by name here.
 *
 * A tree is a bag of rows (duplicates count). Whether rows only come (a stream) or are taken back too (a table), what is
 * unique, and which columns are a window's bounds, tree_derive says of each node.
 *
 * To add an operator: a kind with its fields; its text in tree_print; tree_derive (tree.c), tree_uses and tree_prune (what it
 * reads, what may go), push (rules.c: which conditions pass it), decorrelate.c (how a dependent join passes it), lower.
 * Thread: pure, any; all in one arena. */
#ifndef SQL_BIND_TREE_H
#define SQL_BIND_TREE_H
#include "sql/bind/bind.h"

#define NO_COLUMN UINT32_MAX

struct tree_column {
    const char *name;   /* as people know it */
    const char *source; /* alias of what FROM names it is of; NULL: computed */
    struct type type;
    bool time;          /* ms of event time or of a window's bound: is compared with texts and timestamps, too */
};
struct columns { /* all columns of a statement, by id */
    struct arena *arena;
    unsigned n, cap;
    struct tree_column *items;
};
unsigned column_add(struct columns *cs, struct tree_column c); /* gives its id */

struct ids { /* columns, in order */
    unsigned n;
    unsigned *id;
};

enum tree_kind {
    TREE_SOURCE,    /* a relation of the catalog: its columns, one want each */
    TREE_VALUES,    /* rows of constants; no column and one row: what SELECT without FROM reads */
    TREE_FILTER,    /* rows for which `predicate` is true */
    TREE_PROJECT,   /* out[i] = exprs[i]; what is let through has expression EX_COLUMN of its own id */
    TREE_JOIN,      /* left columns, then right ones (SEMI, ANTI: left ones only) */
    TREE_AGGREGATE, /* group columns (ids of the input), then results */
    TREE_EXPAND,    /* grouping sets: each row once per set, with NULL in the group columns that are not in it */
    TREE_WINDOW,    /* each row once per window it lies in: adds two columns, the window's start and end (and its time) */
    TREE_OVER,      /* adds one column per window function */
    TREE_UNION,     /* UNION ALL of two */
    TREE_TOPN,      /* per partition the rows of places offset + 1 to offset + limit; no partition: ORDER BY, LIMIT */
    TREE_UNNEST     /* each row once per row that a table function makes of it: adds the function's columns */
};

/* How both sides of a join meet. */
enum tree_meet {
    MEET_STATE,    /* both are kept: whatever comes or goes on either side meets all of the other */
    MEET_LOOKUP,   /* left is a stream: each row meets the table as it is when the row arrives */
    MEET_INTERVAL, /* two streams: right.time in [left.time - before_ms, left.time + after_ms] */
    MEET_TEMPORAL  /* left is a stream: each row meets the version of the table that was valid at as_of */
};

/* What is summed up: over ids of the input; plain columns once the binder has put a PROJECT below. */
struct tree_agg {
    unsigned id;    /* the result's column */
    struct agg agg; /* engine/run/plan.h: kind, argument, type, and whatever else an aggregate has there */
};

struct tree_window {
    enum window_kind kind;
    int64_t size_ms;                /* SESSION: the gap */
    int64_t advance_ms;             /* HOPPING: from start to start; CUMULATE: the step; TUMBLING: = size */
    int64_t offset_ms;
    const char *zone;               /* NULL: UTC */
    int64_t grace_ms, retention_ms; /* retention -1: for ever */
    const struct expr *time;        /* what is put into windows, ms; NULL: event time (ROWTIME) */
    bool processing;                /* by the clock instead */
};

struct tree_sort {
    unsigned id;
    bool descending, nulls_first;
};

/* One function OVER: as engine/run/plan.h's over_func, over columns. */
struct tree_over {
    unsigned id; /* its column */
    enum over_kind kind;
    struct type type;
    struct agg agg;
    const struct expr *arg, *fallback;
    int64_t n;
    struct frame frame;
};

struct tree {
    enum tree_kind kind;
    struct place place;    /* of the words that made it: for refusals that are known late; length 0: none */
    struct ids out;        /* its columns */
    unsigned ninputs;
    struct tree *inputs[2];

    /* ---- What tree_derive says. */
    bool stream;           /* rows only come */
    unsigned nkeys;        /* unique keys: no two rows agree in all columns of one; a key of no column: at most one row */
    struct ids *keys;
    unsigned start, end;   /* columns that bound the window a row lies in; NO_COLUMN: none. What groups or joins by them */
    const struct tree_window *bounds; /* can close; this is the window they are of */

    /* SOURCE: wants[i] gives out[i] */
    const struct relation *rel;
    struct want *wants;
    bool scan;             /* the rows that rel's job keeps, not its topic */
    bool by_clock;         /* a row's time is when it is read: windows above are by the clock */
    /* VALUES: rows[i * out.n + k], constants */
    unsigned nrows;
    const struct expr **rows;
    /* FILTER */
    const struct expr *predicate;
    /* PROJECT */
    const struct expr **exprs;
    /* JOIN */
    enum join_kind join;
    enum tree_meet meet;
    const struct expr *on; /* any condition over both sides; NULL: always. rule_join_keys makes of it: */
    unsigned njoin;        /* left_keys[i] = right_keys[i], of equal types, over one side each (rule_key_columns: columns) */
    const struct expr **left_keys, **right_keys;
    const struct expr *residual; /* and what is left of it, or NULL; then `on` is NULL */
    int64_t before_ms, after_ms, grace_ms; /* INTERVAL */
    const struct expr *left_time, *right_time; /* INTERVAL: of which columns the difference is bounded; NULL: event time */
    const struct expr *as_of; /* TEMPORAL: over left */
    /* AGGREGATE; partition of OVER and TOPN too */
    struct ids groups;
    unsigned naggs;
    struct tree_agg *aggs;
    bool emit_final;       /* only when the window closes */
    bool appends;          /* so, inside a query: a stream of final results, whose time is the last moment of their window */
    bool total;            /* the group of all rows is there even if there are none: without groups, or that grouping set */
    /* EXPAND: `groups` of the input become `groups_out` (they may be NULL); set s has groups[i] if in_set[s * groups.n + i];
     * set_id: column with the set's number */
    unsigned nsets;
    struct ids groups_out;
    bool *in_set;
    unsigned set_id;
    /* WINDOW: out = input's columns, then window_ids[0] start, [1] end, [2] time (NO_COLUMN: not wanted) */
    struct tree_window *window;
    unsigned window_ids[3];
    /* OVER, TOPN: order within a partition */
    unsigned nsort;
    struct tree_sort *sort;
    /* OVER */
    unsigned nover;
    struct tree_over *overs;
    /* UNION: out[i] = from[0].id[i] of the left, from[1].id[i] of the right input */
    struct ids from[2];
    /* TOPN */
    int64_t limit, offset; /* limit -1: none */
    enum rank_kind rank;
    unsigned rank_id;      /* column that shows the rank; NO_COLUMN: none */
    /* UNNEST: function over the input; its columns are the last nmade of out */
    const char *function;
    unsigned nargs, nmade;
    const struct expr **args;
    bool keep_empty;       /* a row without any is given once, with NULLs: LEFT JOIN */
};

/* ---- Making. Every maker derives. Arguments are taken as they are, not copied. */
struct tree *tree_new(struct arena *a, enum tree_kind kind, struct tree *left, struct tree *right);
struct tree *tree_filter(struct arena *a, struct tree *in, const struct expr *predicate);
/* exprs[i] becomes ids[i]. */
struct tree *tree_project(struct arena *a, struct tree *in, struct ids ids, const struct expr **exprs);
/* Lets through what is in ids. */
struct tree *tree_keep(struct arena *a, const struct columns *cs, struct tree *in, struct ids ids);
/* Lets everything through and adds exprs[i] as ids[i]. */
struct tree *tree_add(struct arena *a, const struct columns *cs, struct tree *in, struct ids ids,
                      const struct expr **exprs);
struct tree *tree_join(struct arena *a, enum join_kind kind, struct tree *left, struct tree *right, const struct expr *on);
/* Fills in out (of kinds whose columns follow from their inputs) and what is derived; after any change of a node, from the
 * bottom up. */
void tree_derive(struct tree *t, struct arena *a);
/* The same tree with columns of its own: to be read twice. map[old id] = new id for all that it makes. */
struct tree *tree_copy(const struct tree *t, struct columns *cs, unsigned *map);

/* ---- Asking. */
bool ids_have(const struct ids *ids, unsigned id);
struct ids ids_of(struct arena *a, const unsigned *id, unsigned n);
struct ids ids_join(struct arena *a, struct ids x, struct ids y);
void ids_add(struct arena *a, struct ids *ids, unsigned id); /* if it is not there */
bool tree_has(const struct tree *t, unsigned id);            /* among its columns */
/* Calls use_cb with every expression of the node itself, which it may replace: all that refers to ids. */
void tree_each_expr(struct tree *t, const struct expr *(*use_cb)(void *arg, const struct expr *e), void *arg);
/* time.c. Is this column the time of the rows, unchanged, by which they lie in windows? The moment at which they are read? */
bool tree_event_time(const struct tree *t, unsigned id);
bool tree_clock_time(const struct tree *t, unsigned id);
bool tree_near_time(const struct tree *t, unsigned id, int64_t *ms); /* it is the rows' time and so much more, always */
bool tree_has_final(const struct tree *t); /* is a final result of windows below? */
bool tree_by_clock(const struct tree *t); /* is a source below timed by the clock? */
/* A column that shows either; NO_COLUMN: rows have none, or none that could be shown. */
unsigned tree_show_time(struct tree **t, bool clock, struct columns *cs, struct arena *a);
/* Columns that the tree reads and does not make: it depends on them (decorrelate.c). */
struct ids tree_free(const struct tree *t, struct arena *a);
/* Columns of a join's right side that its `on` equates with something of the left. */
struct ids join_equated(const struct tree *t, struct arena *a);
/* Is the column sure not to be NULL? */
bool tree_never_null(const struct tree *t, unsigned id);
/* Is one of its keys within these columns? */
bool tree_unique_in(const struct tree *t, const struct ids *ids);

/* ---- Expressions over ids. */
/* Every expression that the binder makes knows its place: errors found later still point. */
struct placed {
    struct expr e;
    struct place place;
};

const struct expr *expr_of_id(const struct columns *cs, unsigned id);
bool expr_reads(const struct expr *e, unsigned id);
bool expr_reads_only(const struct expr *e, const struct ids *ids);
bool expr_reads_any(const struct expr *e, const struct ids *ids);
void expr_columns(const struct expr *e, struct ids *out, struct arena *a); /* adds */
/* e with every column for which by_cb gives something else than NULL replaced by that. Unchanged parts are shared. */
const struct expr *expr_rewrite(const struct expr *e, const struct expr *(*by_cb)(void *arg, unsigned id), void *arg,
                                struct arena *a);
/* e with arguments that map_cb gives for its own; itself if they are the same. */
const struct expr *expr_map_args(const struct expr *e, const struct expr *(*map_cb)(void *arg, const struct expr *e), void *arg,
                                 struct arena *a);
bool expr_is_volatile(const struct expr *e);
bool expr_is_equality(const struct expr *e); /* x = y */
const struct expr *expr_both(const struct expr *x, const struct expr *y, struct arena *a); /* AND; either may be NULL */

#endif
