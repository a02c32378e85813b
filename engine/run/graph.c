#include "engine/run/graph.h"
#include "log/base/limits.h"

struct building {
    struct graph *g;
    struct arena *a;
};

static struct frag *frag_new(struct building *b, const struct plan_node *exit, struct frag *to)
{
    CHECK(b->g->nfrags < b->g->plan->nnodes);
    struct frag *f = &b->g->frags[b->g->nfrags];
    unsigned id = exit ? exit->frag : b->g->plan->sink->frag;
    *f = (struct frag){.index = b->g->nfrags++, .id = id, .exit = exit, .to = to};
    f->ops = ARENA_ARRAY(b->a, const struct plan_node *, b->g->plan->nnodes);
    f->sources = ARENA_ARRAY(b->a, const struct plan_node *, b->g->plan->nnodes);
    f->from = ARENA_ARRAY(b->a, struct frag *, b->g->plan->nnodes);
    return f;
}

/* Puts n and what is below it into f, down to exchanges, which begin fragments of their own. */
static void add_node(struct building *b, struct frag *f, const struct plan_node *n)
{
    struct graph *g = b->g;
    if (n->kind == PLAN_EXCHANGE) {
        struct frag *below = frag_new(b, n, f);
        f->from[f->nfrom++] = below;
        add_node(b, below, n->inputs[0]);
        return;
    }
    for (unsigned i = 0; i < n->ninputs; i++)
        add_node(b, f, n->inputs[i]);
    g->timed |= n->window_size_ms > 0 || n->kind == PLAN_JOIN_INTERVAL || n->kind == PLAN_JOIN_TEMPORAL ||
                (n->kind == PLAN_DEDUP && !n->keep_last);
    if (n->kind == PLAN_SOURCE) {
        f->sources[f->nsources++] = n;
        g->tables |= n->table;
        g->streams |= !n->table;
        g->ends &= n->until_end;
    } else if (n->kind == PLAN_SCAN || n->kind == PLAN_VALUES) {
        f->scan = n;
    } else {
        f->ops[f->nops++] = n;
        g->one_epoch |= n->kind != PLAN_FILTER && n->kind != PLAN_PROJECT && n->kind != PLAN_SINK_QUERY;
    }
}

int graph_build(struct graph **out, const struct plan *p, int32_t (*parts_cb)(void *arg, struct uuid topic), void *arg,
                struct arena *a, struct diag *d)
{
    struct graph *g = ARENA_NEW(a, struct graph);
    struct building b = {g, a};
    g->plan = p;
    g->frags = ARENA_ARRAY(a, struct frag, p->nnodes);
    g->ends = true;
    struct frag *root = frag_new(&b, NULL, NULL);
    add_node(&b, root, p->sink);
    g->one_epoch &= g->ends;
    for (unsigned i = 0; i < g->nfrags; i++) {
        struct frag *f = &g->frags[i];
        f->ntasks = f->scan ? 1 : p->parallelism;
        if (f->nsources) {
            int32_t n = parts_cb(arg, f->sources[0]->topic);
            if (n <= 0)
                return diag_set(d, E_NO_TOPIC, "topic %s, which it reads, was deleted", f->sources[0]->topic_name);
            f->ntasks = (unsigned)n;
        }
        f->first_task = g->ntasks;
        g->ntasks += f->ntasks;
    }
    for (unsigned i = 0; i < g->nfrags; i++)
        for (unsigned k = 0; k < g->frags[i].nfrom; k++) {
            g->frags[i].from[k]->first_inlet = g->frags[i].ninlets;
            g->frags[i].ninlets += g->frags[i].from[k]->ntasks;
        }
    *out = g;
    return 0;
}
