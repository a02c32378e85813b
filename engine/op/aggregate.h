/* The three parts of GROUP BY: rows in (aggregate.c), changes out (aggregate_out.c), state (aggregate_state.c). Private to
 * op. */
#ifndef OP_AGGREGATE_H
#define OP_AGGREGATE_H
#include "engine/op/acc.h"
#include "log/base/map.h"

enum { AGG_NEAR = 64 };
enum { STORE_GROUPS, STORE_COUNTS, STORE_CLOSED };
enum key_how { KEY_NUMBER, KEY_TEXT, KEY_ENCODED };

struct pane {
    int64_t start;
    struct groups groups;
    struct group **dirty;
    size_t ndirty, dirty_cap;
};

struct aggregate {
    struct account account;
    struct arena arena;    /* for as long as the operator lives */
    struct arena epoch;    /* results as they were */
    enum key_how how;
    unsigned nkey;         /* group columns without the window's */
    bool windowed, retract, best; /* best: MIN or MAX over rows that may go again */
    bool owning;           /* accumulators that own memory */
    struct acc *accs;
    size_t group_size, ngroups;
    unsigned *first_col;   /* of each aggregate's partial columns */
    struct prog *prog;     /* computed arguments; NULL: all are columns */
    int *computed;         /* which root of prog is the argument; -1: a column, or none */
    unsigned ncomputed;
    struct map panes;
    struct pane *last, *near[AGG_NEAR];
    int64_t wm_ms, closes_ms; /* closes_ms: no window closes before this watermark */
    struct kv *counts;     /* ordered: (aggregate, group, value) -> how often, for best */
    struct kv *touched;    /* keys of counts that changed in this epoch */
    struct value *now;     /* results of the group at hand */
    struct wbuf key, value, keys;
    struct emitter out;
};


/* ---- aggregate.c */
int64_t agg_pane_closes(const struct op *op, int64_t start);
struct pane *agg_pane_make(struct op *op, int64_t start); /* or finds it */
void agg_pane_drop(struct op *op, struct pane *p);
void agg_group_clear(struct aggregate *a, const struct plan_node *node, struct group *g);
/* ---- aggregate_out.c */
void aggregate_flush(struct op *op); /* AGG_PARTIAL: hands over all */
void aggregate_watermark(struct op *op, int64_t wm_ms);
void aggregate_marker(struct op *op, struct changes *out);
void aggregate_again(struct op *op);
/* ---- aggregate_state.c */
void agg_state_key(const struct aggregate *a, const struct op *op, const struct pane *p, const struct group *g,
                   struct wbuf *out);
void agg_save_group(struct op *op, const struct pane *p, const struct group *g, struct changes *out);
void agg_save_count(struct op *op, struct str key, struct changes *out);
int aggregate_restore(struct op *op, unsigned store, struct str key, struct str value);

#endif
