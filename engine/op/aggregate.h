/* The three parts of GROUP BY: rows in (aggregate.c), changes out (aggregate_out.c), state (aggregate_state.c). Private to
 * op. */
#ifndef OP_AGGREGATE_H
#define OP_AGGREGATE_H
#include "engine/op/acc.h"
#include "engine/op/windows.h"
#include "log/base/map.h"

enum { AGG_NEAR = 64 };
enum { STORE_GROUPS, STORE_COUNTS, STORE_CLOSED };
enum key_how { KEY_NUMBER, KEY_TEXT, KEY_ENCODED };

/* One block of rows on its way into the tables. */
enum { AGG_BLOCK = 256 };
struct block {
    const struct batch *in;
    uint32_t n, rows[AGG_BLOCK];
    int8_t weight[AGG_BLOCK];
    struct pane *pane[AGG_BLOCK];
    struct group_key key[AGG_BLOCK];
    struct group *group[AGG_BLOCK];
};

enum { AGG_ARG, AGG_ARG2, AGG_FILTER, AGG_INPUTS };
struct agg_place {
    int computed[AGG_INPUTS]; /* which root of prog it is; -1: a column, or none */
};

/* The groups of a window; of AGG_PARTIAL over slices, of a slice: span.start is its start, span.end how many of its windows
 * these rows are too late for. */
struct pane {
    struct span span;
    int64_t closes; /* at this watermark */
    struct groups groups;
    struct group **dirty;
    size_t ndirty, dirty_cap;
};

struct aggregate {
    struct account account;
    struct arena arena;    /* for as long as the operator lives */
    struct arena epoch;    /* results as they were */
    struct arena scratch;  /* of one call */
    enum key_how how;
    unsigned nkey;         /* group columns without the window's */
    bool windowed, retract;
    bool counted;          /* an aggregate keeps its values: those of agg_keeps_values */
    bool owning;           /* accumulators that own memory */
    bool due;              /* the total has not been looked for yet: it is given at the first marker */
    struct wbuf total;     /* its key, of node->total */
    struct acc *accs;
    size_t group_size, ngroups;
    size_t old_size, remembered; /* a changed group's results before and its place among dirty; of all of them */
    unsigned *first_col;   /* of each aggregate's partial columns */
    struct prog *prog;     /* computed arguments; NULL: all are columns */
    bool watched;          /* they call C functions */
    struct agg_place *places; /* where each aggregate's arguments are */
    unsigned ncomputed;
    struct map panes;
    struct pane *last, *near[AGG_NEAR];
    struct windows windows;  /* windowed */
    bool by_end;             /* state keys begin with the window's end and start; else with its start alone */
    struct {                 /* AGG_FINAL over slices: the windows of the slice at hand that are open */
        bool known;
        struct span slice;
        struct span *spans;
        struct pane **panes;
        unsigned n, cap;
    } spread;
    struct span row_span;    /* agg_row_spans's */
    int64_t given_ms;         /* watermark at the last marker */
    int64_t wm_ms, closes_ms; /* closes_ms: no window closes before this watermark */
    struct store *counts;  /* ordered: (aggregate, group, value) -> how often, if counted; by each that shares it */
    struct taken *taken;   /* of each that shares: room for a block */
    struct kv *touched;    /* keys of counts that changed in this epoch */
    /* State larger than memory (aggregate_cold.c). */
    const struct state_clock *clock;
    bool cold;             /* the checkpoint has groups that memory has not */
    struct graves *graves; /* state keys of groups */
    struct kv *partial;    /* state keys of groups in memory whose counts are not all there */
    size_t hand_pane, hand_slot;
    int64_t closed_ms;     /* windows whose state keys begin with up to this are closed, on disk too */
    bool closed_some;
    enum agg_closing { CLOSING_NOTHING, CLOSING_GROUPS, CLOSING_COUNTS } closing;
    unsigned closing_agg;
    bool closing_more;
    struct wbuf closing_at; /* last key that came */
    struct value *now;     /* results of the group at hand */
    struct wbuf key, value, keys;
    struct emitter out;
};


/* A group that is there without rows, and never goes. */
static inline bool agg_is_total(const struct op *op, const struct group *g)
{
    const struct aggregate *a = op->state;
    return op->node->total && str_eq(group_bytes(g), wbuf_view(&a->total));
}
static inline bool agg_shows(const struct op *op, const struct group *g) { return g->rows > 0 || agg_is_total(op, g); }

/* ---- aggregate.c */
struct pane *agg_pane_make(struct op *op, struct span span); /* or finds it */
struct pane *agg_pane_get(struct op *op, struct span span);  /* NULL: it is not there */
/* The windows of an input row, that of AGG_PARTIAL's slice among them, which are open; NULL: it has none. */
const struct span *agg_row_spans(struct op *op, const struct batch *in, uint32_t row, unsigned *n);
void agg_pane_drop(struct op *op, struct pane *p);
void agg_group_clear(struct aggregate *a, const struct plan_node *node, struct group *g);
void agg_block_keys(struct op *op, struct block *blk); /* of its rows */
void agg_block_prefetch(const struct block *blk);      /* begins to fetch their groups */
void agg_total_find(struct op *op); /* at the first marker: if it is not among what is kept, it is new */
struct group_key agg_total_key(const struct aggregate *a);
/* ---- aggregate_out.c */
void agg_mark_panes(struct op *op, struct changes *out);
void agg_close_pane(struct op *op, struct pane *p, struct changes *out);
int64_t agg_closed_until(const struct op *op); /* windows whose state keys begin with up to this are closed now */
void aggregate_flush(struct op *op); /* AGG_PARTIAL: hands over all */
void aggregate_watermark(struct op *op, int64_t wm_ms);
int64_t aggregate_passes(const struct op *op);
void aggregate_marker(struct op *op, struct changes *out);
void aggregate_again(struct op *op);
/* ---- aggregate_state.c */
void agg_state_key(const struct aggregate *a, const struct op *op, const struct pane *p, const struct group *g,
                   struct wbuf *out);
void agg_save_group(struct op *op, const struct pane *p, const struct group *g, struct changes *out);
void agg_save_count(struct op *op, struct str key, struct changes *out);
int aggregate_restore(struct op *op, unsigned store, struct str key, struct str value);
int agg_load_group(struct op *op, struct str key, struct str value);
int agg_load_count(struct op *op, struct str key, struct str value);
/* The same key as agg_state_key's, of a group that may not be there. */
void agg_cold_key(const struct aggregate *a, const struct op *op, struct span span, const struct group_key *key, struct wbuf *out);
/* ---- aggregate_cold.c */
void aggregate_opened(struct op *op, unsigned store, int64_t entries);
void aggregate_want(struct op *op, unsigned input, const struct batch *in, struct needs *w);
void aggregate_prepare(struct op *op, bool first, struct changes *out, struct needs *w);
int aggregate_load(struct op *op, unsigned store, struct str key, struct str value);
void aggregate_loaded(struct op *op, const struct need *n);
bool aggregate_evict(struct op *op, size_t steps);
void aggregate_tidy(struct op *op, size_t steps);

#endif
