/* The physical plan: what SQL's planner makes and the engine runs, as a tree of nodes that ends in one sink. It is stored
 * with its job (plan_pack), so an upgrade never replans silently. Read only once made; lives in one arena.
 *
 * Modes of edges: append (rows only come), upsert (weight +1 sets, -1 deletes the row of a key), retract (weights +1/-1 of
 * whole rows). Which node takes and gives which is written at its kind.
 * Fragments: a run of nodes without PLAN_EXCHANGE. A fragment with sources of one topic has one task per partition of it;
 * a fragment that starts at exchanges has `parallelism` tasks, each owning KEY_GROUPS / parallelism key groups. */
#ifndef RUN_PLAN_H
#define RUN_PLAN_H
#include "engine/expr/expr.h"
#include "engine/io/io.h"
#include "engine/vec/vec.h"

enum edge_mode { MODE_APPEND, MODE_UPSERT, MODE_RETRACT };

enum plan_kind {
    PLAN_SOURCE,     /* -> append (stream) or upsert (table) */
    PLAN_FILTER,     /* any -> same; on upsert a failing row becomes a delete of its key */
    PLAN_PROJECT,    /* any -> same; on upsert it must keep the key columns */
    PLAN_WINDOW,     /* append -> append: adds a window's start and end (BIGINT or TIMESTAMP) at the end, each row once per
                      * window it lies in (and, if a third is wanted, the last moment of it); drops and counts rows late against their own partition's stream time. Sliced: each
                      * row once, with its slice's start and how many of the slice's windows it is too late for */
    PLAN_NORMALIZE,  /* upsert -> retract: remembers the last row per key */
    PLAN_EXCHANGE,   /* any -> same, rows go to the task that owns the hash of key_cols; rows with a NULL there are dropped
                      * (counted) if drop_null_key */
    PLAN_AGGREGATE,  /* append or retract -> retract, once per epoch per changed group; AGG_PARTIAL: append -> append */
    PLAN_JOIN_LOOKUP,/* stream-table: input 0 append, input 1 upsert -> append; arrival order; ts of the stream row */
    PLAN_JOIN_TABLE, /* both sides are kept: append or retract -> retract; both append and INNER or SEMI: append, too.
                      * Equality keys (none: one task), residual condition; all kinds; SEMI and ANTI give left columns */
    PLAN_SINK_TOPIC, /* append -> stream topic; upsert/retract -> table topic, netted per key and epoch, materialised */
    PLAN_SINK_QUERY, /* any -> the rows of a push or pull query, per epoch, netted if retract/upsert */
    PLAN_SCAN,       /* pull: the materialised rows of a job's table at its last committed epoch -> append */
    PLAN_SORT,       /* append -> append; pull only: ORDER BY keys, LIMIT/OFFSET; gives all at the end of input */
    PLAN_UNION,      /* append or retract, twice: the rows of both inputs; append if both are, else retract */
    PLAN_JOIN_INTERVAL, /* both append -> append: rows of equal keys whose times lie near each other; inner, left, right,
                      * full; rows without a match come when the watermark is past all they could meet; ts = the greater */
    PLAN_JOIN_TEMPORAL, /* input 0 append, input 1 upsert or retract by its key, which is the join key -> append: the version
                      * valid at the time of the left row, once the watermark is past it; inner, left; ts of the left row */
    PLAN_VALUES,     /* queries only: `rows`, which stand in the plan -> append */
    PLAN_TOPN,       /* append or retract -> retract, once per epoch: per partition the rows of some places in order */
    PLAN_DEDUP,      /* append -> per partition (keep_last) the last row by event time: retract; or the first: append, when
                      * the watermark has passed its time */
    PLAN_SESSION,    /* append -> retract: GROUP BY of sessions, over what WINDOW says of rows; the fields of AGGREGATE, and its
                      * phases. AGG_PARTIAL hands over [start, event time] of a session and which ends are over for it */
    PLAN_EXPAND,     /* append or retract -> same: each row once per grouping set; behind its columns copies of the group
                      * columns, NULL where the set does not have them, and the set's number (BIGINT) */
    PLAN_UNNEST,     /* append or retract -> same: each row once per place of the longest of `arrays`; adds a column for each */
    PLAN_OVER,       /* append or retract -> retract, once per epoch: a column more per function over the rows around */
    PLAN_EVERY,      /* retract -> same: changes are held back, netted, and go together, every_ms apart; at most once in a plan */
    PLAN_KINDS_
};

enum agg_phase { AGG_FULL, AGG_PARTIAL, AGG_FINAL };
struct agg { /* kinds: engine/expr/agg.def */
    enum agg_kind kind;
    const struct expr *arg; /* over the input; NULL for COUNT(*); in AGG_FINAL the partial's columns follow in order */
    struct type type;       /* of the result */
    const struct expr *arg2; /* CORRELATION: the other; EARLIEST, LATEST, ARG_MIN, ARG_MAX: by what; lists: their order, or NULL */
    const struct expr *filter; /* only rows where it is true; NULL: all */
    bool distinct;           /* each value once */
    bool descending;         /* lists */
    unsigned shares;         /* 1 + the aggregate before it that counts the values of both: agg_may_share; 0: each its own */
    struct value param;      /* STRING_AGG: what stands between; PERCENTILE: which part (DOUBLE); TOPK: how many (BIGINT);
                              * type T_NULL: none */
};
enum join_kind { JOIN_INNER, JOIN_LEFT, JOIN_RIGHT, JOIN_FULL, JOIN_SEMI, JOIN_ANTI };
enum window_kind { WINDOW_TUMBLING, WINDOW_HOPPING, WINDOW_SESSION, WINDOW_CUMULATE };
struct sort_key {
    unsigned column;
    bool descending, nulls_first; /* where nobody says, NULLs are above all values: first where the order descends */
};
enum rank_kind { RANK_NONE, RANK_ROW_NUMBER, RANK_RANK, RANK_DENSE_RANK };
enum over_kind {
    OVER_AGGREGATE,
    OVER_ROW_NUMBER,
    OVER_RANK,
    OVER_DENSE_RANK,
    OVER_PERCENT_RANK,
    OVER_CUME_DIST,
    OVER_NTILE,
    OVER_LAG,
    OVER_LEAD,
    OVER_FIRST_VALUE,
    OVER_LAST_VALUE,
    OVER_NTH_VALUE,
    OVER_KINDS_
};
enum frame_unit { FRAME_RANGE, FRAME_ROWS, FRAME_GROUPS };
enum frame_bound { BOUND_FIRST, BOUND_PRECEDING, BOUND_CURRENT, BOUND_FOLLOWING, BOUND_LAST };
enum frame_exclude { EXCLUDE_NONE, EXCLUDE_CURRENT, EXCLUDE_GROUP, EXCLUDE_TIES };
struct frame {
    enum frame_unit unit;
    enum frame_bound from, to;
    struct value before, after; /* of `from` and `to`, where they are PRECEDING or FOLLOWING: BIGINT, how many rows or groups;
                                 * RANGE: how far in the order column's unit: BIGINT, DOUBLE or DECIMAL of its scale */
    enum frame_exclude exclude;
};
struct over_func {
    enum over_kind kind;
    struct type type;  /* of the result */
    struct agg agg;    /* AGGREGATE: its inputs are columns */
    int arg, fallback; /* columns, -1: none; fallback: LAG and LEAD past the partition's end */
    int64_t n;         /* LAG, LEAD: how far; NTILE: parts; NTH_VALUE: which */
    struct frame frame; /* AGGREGATE, FIRST_, LAST_, NTH_VALUE */
};

struct plan_node {
    enum plan_kind kind;
    unsigned id;       /* number within the plan, 0.., in printing order; names its counters */
    unsigned store;    /* names its store, or a source's offsets, on disk; later versions of the job keep it while what it
                        * names stays true. Below PLAN_STORES, never given twice in a job's life */
    unsigned frag;     /* EXCHANGE and the sink: the same for the fragment below it */
    unsigned again;    /* version of the job that, when it starts, AGGREGATE: gives all rows it keeps once
                        * more; SINK_TOPIC: takes back what the topic holds of versions before; 0: none */
    enum edge_mode mode; /* of the output */
    struct schema out;
    unsigned nkey;     /* unique key of the output (upsert, keyed retract): columns of out; 0 = none */
    unsigned *key;
    unsigned ninputs;
    struct plan_node *inputs[2];

    /* SOURCE */
    const char *relation;      /* name as the user wrote it; also SINK_TOPIC and SCAN */
    struct uuid topic;         /* also SINK_TOPIC */
    const char *topic_name;
    struct row_format format;  /* also SINK_TOPIC */
    unsigned nwants;
    struct want *wants;        /* one per output column */
    bool table, from_latest;   /* from_latest: start at the end instead of the beginning */
    int64_t from_ms;           /* start at the first record of this time or later; 0: no such wish */
    bool until_end;            /* pull: stop at the end offsets seen at start */
    bool by_clock;             /* a row's time is when it is read, and the watermark is the clock */
    /* FILTER */
    const struct expr *predicate;
    /* PROJECT: one per output column */
    const struct expr *const *exprs;
    const bool *makes_key; /* columns that a key is made of further on (plan_mark_keys; not kept); NULL: not a job's */
    /* UNNEST */
    unsigned narrays;
    const struct expr *const *arrays;
    bool keep_empty; /* a row without elements is given once, with NULLs */
    /* WINDOW, AGGREGATE over windows */
    int64_t window_size_ms, grace_ms, retention_ms; /* size 0: no window; retention -1: keep results for ever */
    enum window_kind window;
    int64_t advance_ms, offset_ms; /* HOPPING: from start to start; CUMULATE: the step */
    const char *zone;              /* windows are laid out in its local time; NULL: UTC */
    bool sliced;                   /* WINDOW and AGG_PARTIAL: rows of slices; AGG_FINAL makes windows of them */
    int64_t delay_ms;              /* WINDOW: bound of disorder: time has come to the greatest event time less this;
                                    * INT64_MAX: the watermark alone says what is late, further on */
    /* EXCHANGE: columns of the input */
    unsigned nexchange;
    unsigned *exchange_cols;
    bool drop_null_key;
    /* AGGREGATE: group columns of the input come first in the output, then the results. If windowed, the columns that WINDOW
     * adds are the last two group columns. AGG_PARTIAL's output: groups, then agg_partial_columns(). */
    enum agg_phase phase;
    unsigned ngroup; /* TOPN, DEDUP, OVER too: what partitions */
    unsigned *group_cols;
    unsigned naggs;
    struct agg *aggs;
    bool emit_final; /* only when the window closes */
    bool total; /* the group of all rows is there though there are none: that without group columns; of grouping sets, where
                 * the last group column is EXPAND's number, that whose columns are NULL and whose number is all ones */
    /* EXPAND: set i has group column k if in_set[i * ngroup + k] */
    unsigned nsets;
    bool *in_set;
    /* JOIN: equality columns of either side; output = left columns then right columns */
    enum join_kind join;
    unsigned njoin;
    unsigned *left_cols, *right_cols;
    const struct expr *residual; /* over left columns ++ right ones, must be true besides; NULL: nothing */
    int64_t before_ms, after_ms; /* INTERVAL: right's time in [left's - before, left's + after]; with grace_ms: how far behind
                                  * the watermark a row may come and misses nothing. TEMPORAL waits for the grace, too */
    /* SINK_TOPIC: which input column is the format's i-th key, then value column; windowed: window_start column */
    unsigned *sink_cols;
    int window_start_col, window_end_col; /* -1: none; the end is a part of the key where the format says so */
    bool derived;         /* it keeps no rows of its own: plan_derives */
    bool record;          /* also SINK_QUERY: each record's effect is given by itself (emit=record); else each epoch's */
    /* SCAN */
    struct uuid job;
    bool lookup;       /* only the rows of `keys`: key bytes of all key columns of the table, of its window start too if one is
                        * meant; ascending, none twice; what a filter above it asks of them besides is its own business */
    unsigned nkeys;
    struct str *keys;
    /* VALUES: row bytes of all columns */
    unsigned nrows;
    struct str *rows;
    /* SORT, TOPN, OVER; LIMIT also on SINK_QUERY (-1: none) */
    unsigned nsort;
    struct sort_key *sort;
    int64_t limit, offset;
    /* TOPN: places above offset up to offset + limit. By ROW_NUMBER (RANK_NONE: too) each row has a place of its own, ties in
     * order of the encoded row; by the others equal rows share one. rank_shown: the last column of the output is the place */
    enum rank_kind rank;
    bool rank_shown;
    /* OVER: one column behind the input's for each */
    unsigned nover;
    struct over_func *overs;
    /* DEDUP */
    bool keep_last;
    /* EVERY */
    int64_t every_ms;
};

struct plan {
    struct plan_node *sink; /* the root */
    unsigned nnodes;
    unsigned next_store, next_frag; /* numbers that were never given */
    unsigned parallelism;   /* tasks of keyed fragments = partitions of the changelog; power of two, at most KEY_GROUPS */
};

#define PLAN_SETS 4096 /* grouping sets at most */
#define PLAN_WINDOWS 4096 /* at most, that a moment lies in */
/* Columns that a partial aggregate hands over (COUNT: 1, AVG: 2, ...), and their types. */
unsigned agg_partial_columns(const struct agg *a, struct type in, struct type out[4]);
/* Result type of an aggregate over an argument type; false: not defined for it. */
bool agg_result(enum agg_kind k, struct type arg, struct type *out);
/* The type to which an argument is cast first: what agg_result takes; itself if there is none. */
struct type agg_argument(enum agg_kind k, struct type arg);
bool agg_has_two(enum agg_kind k); /* takes arg2, always */
bool agg_keeps_values(const struct agg *a, bool retract); /* counted, beside the group; retract: rows may go again */
bool agg_splits(const struct agg *a);                     /* has a partial form */
/* Can two keep their values together, where they differ in which rows they take? DISTINCT ones of the same column. */
bool agg_may_share(const struct agg *a, const struct agg *b);
#define AGG_SHARED 8 /* so many at most */
void aggs_share(struct agg *aggs, unsigned n); /* of one AGG_FULL: sets who shares with whom */
bool agg_check(const struct agg *a);                      /* its arguments, parameter and result fit each other */

/* Sets makes_key: where such a column cannot be computed the row is bad, rather than one of key NULL. */
void plan_mark_keys(struct plan *p, struct arena *a);
/* Which task of its sink's fragment has the rows of a table's key (bytes, as in SCAN): its number; -1: any may have them. */
int plan_key_owner(const struct plan *p, struct str key);
#define PLAN_LOOKUP_KEYS 256 /* at most, of one SCAN */
/* The source whose records' values this sink writes with all their columns and nothing else, in the same format: what
 * decoder_keep_text keeps may be written as it stands. NULL: there is none. */
const struct plan_node *plan_verbatim(const struct plan_node *sink);
/* How far apart changes go out: of its EVERY; 0: it has none. */
int64_t plan_every_ms(const struct plan *p);
/* What a join's residual is over: left columns, then right ones; in a. */
struct schema plan_join_columns(const struct plan_node *n, struct arena *a);
/* Are a source's rows versions that a temporal join waits for? Then it holds time back, though it is a table. */
bool plan_gives_versions(const struct plan *p, const struct plan_node *source);
const char *plan_kind_name(enum plan_kind k); /* FILTER */
bool plan_node_keeps(const struct plan_node *n); /* has it a store? */
/* The aggregate whose groups, one for one, are the rows of a table's sink, so that these need not be kept: same key in the
 * same order, and between the two only what gives the same row whenever it is asked. NULL: there is none. plan_number
 * decides by it; jobs of before go on as they were planned. */
const struct plan_node *plan_derives(const struct plan_node *sink);
#define PLAN_STORES 8192 /* numbers of stores in a job's life: 16 bits with the operator's own 3 */
/* Numbers the nodes of a new plan, which begins with no state. */
void plan_number(struct plan *p);
void plan_pack(const struct plan *p, struct wbuf *out);
/* What a subtree computes, as bytes: equal if and only if it is the same but for names and where sources begin.
 * state_only: what its root keeps; a stream-table join keeps nothing of its stream. */
void plan_identity(const struct plan_node *n, bool state_only, struct wbuf *out);
int plan_unpack(struct plan **out, struct str bytes, struct arena *a); /* checked: wrong columns or modes are E_CORRUPT */
int plan_check(const struct plan *p, struct diag *d); /* modes, columns, types fit: what plan_unpack checks too */
/* The tree as people read it, one line a node. counters may be NULL (EXPLAIN) or give rows per node (DESCRIBE). */
struct node_stats {
    uint64_t rows_in, rows_out, late, errors, state_rows, state_bytes;
    uint64_t null_keys; /* rows that a NULL key keeps out of a join */
    uint64_t busy_us;   /* its own time, without that of what it gives rows to */
};
void plan_print(const struct plan *p, const struct node_stats *stats, struct wbuf *out);
const char *edge_mode_name(enum edge_mode m);
void plan_node_print(const struct plan_node *n, struct wbuf *w); /* its line alone, without mode */
/* EXPLAIN: the same with unique keys, what is kept and how it grows, what aggregates cost, why rows change tasks. measures, by
 * plan_node.id: what came of running it; NULL: it did not. seconds: between before and now; 0: there are no rates. */
struct node_measure {
    struct node_stats now, before;
    int64_t watermark_ms; /* INT64_MIN: not known */
};
void plan_explain(const struct plan *p, const struct node_measure *measures, double seconds, struct wbuf *out);

/* ---- replace.c: what becomes of a job's state when its plan is replaced: CREATE OR REPLACE. Pure.
 *
 * A store's identity is what it computes: its operator with all below it that feeds its rows, but no names. A new plan's
 * operator of the same identity takes over the number of the old one's store (plan_node.store), and so its rows, and
 * the offsets of the sources below. What is not taken over begins empty, and the sources that feed it begin anew: at
 * their start, since it has to see all rows once. So a source goes on where it was if and only if nothing above it that
 * keeps rows is new. One thing spares the reading: an aggregate whose state is kept can give all its rows once more
 * (plan_node.again) to what is new above it. A stream that is written needs no row twice: it goes on.
 *
 * The rows of a table that is written (its sink's store) are of use to the same plan only; else they are written anew
 * (again, at the sink): what the topic holds from before is taken back first. What is to be done again names the version,
 * so that a version that was replaced before its first commit leaves it to the next one. */
enum replace_fate { REPLACE_KEPT, REPLACE_AGAIN, REPLACE_NEW };
struct replaced {
    const struct plan_node *node; /* of the new plan */
    enum replace_fate fate;       /* a source's: KEPT goes on, NEW begins */
};
struct plan_diff {
    unsigned nstores, nsources, ndropped; /* ndropped: stores of the old plan that nobody takes over */
    struct replaced *stores, *sources;
};
/* Gives the nodes of `new` the numbers of the stores and fragments of `old` that they take over, fresh ones to the rest.
 * Both write the same topic. E_BUDGET: the numbers of a job's life are used up. */
int plan_replace(const struct plan *old, struct plan *new, unsigned version, struct arena *a,
                 struct plan_diff *out) MUST_USE; /* version: of the job with the new plan */
/* "AGGREGATE by origin, dest", for people; in a. */
const char *plan_node_words(const struct plan_node *n, struct arena *a);

#endif
