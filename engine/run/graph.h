/* A plan cut into fragments: runs of operators between exchanges, and how many tasks each has. Read only once built. */
#ifndef RUN_GRAPH_H
#define RUN_GRAPH_H
#include "engine/run/plan.h"

struct frag {
    unsigned index;               /* 0: the sink's; numbered from the root, so the same for every run of the plan */
    unsigned id;                  /* plan_node.frag: names it on disk */
    const struct plan_node *exit; /* the exchange it feeds; NULL: it ends in the sink */
    struct frag *to;              /* whose exchange that is */
    unsigned first_inlet;         /* number of its task 0 among the inlets of to's tasks */
    unsigned nops;
    const struct plan_node **ops; /* inputs before consumers */
    unsigned nsources;
    const struct plan_node **sources; /* of one topic */
    const struct plan_node *scan;
    unsigned nfrom;
    struct frag **from;
    unsigned ntasks, first_task; /* first_task: number of its task 0 within the job */
    unsigned ninlets;            /* tasks that feed each of its tasks */
};

struct graph {
    const struct plan *plan;
    unsigned nfrags, ntasks;
    struct frag *frags;
    bool streams, tables; /* has sources of this kind */
    bool timed;           /* something depends on event time passing: watermarks matter */
    bool one_epoch;       /* ends by itself and shows nothing before: sorts, aggregates over a bounded input */
    bool ends;            /* all inputs end by themselves */
};

/* parts_cb: partitions of a topic; <= 0: there is none. E_NO_TOPIC: d says which. */
int graph_build(struct graph **out, const struct plan *p, int32_t (*parts_cb)(void *arg, struct uuid topic), void *arg,
                struct arena *a, struct diag *d) MUST_USE;

/* Number that names a task on disk, whatever the number of shards: fragment and index. */
static inline uint32_t frag_task_id(const struct frag *f, unsigned index) { return f->id << 16 | index; }
/* Changelog partition of a task. */
static inline unsigned frag_changelog(const struct graph *g, unsigned index) { return index % g->plan->parallelism; }
/* Which task of a keyed fragment owns a hash. */
static inline unsigned graph_owner(const struct graph *g, uint64_t hash)
{
    return (unsigned)(hash % KEY_GROUPS) / (KEY_GROUPS / g->plan->parallelism);
}
#endif
