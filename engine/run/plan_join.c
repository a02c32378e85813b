#include "engine/run/plan.h"

/* What is known of joins without running them. */

struct schema plan_join_columns(const struct plan_node *n, struct arena *a)
{
    const struct schema *l = &n->inputs[0]->out, *r = &n->inputs[1]->out;
    struct schema both = {l->n + r->n, ARENA_ARRAY(a, struct column, l->n + r->n + 1)};
    for (unsigned i = 0; i < both.n; i++)
        both.cols[i] = i < l->n ? l->cols[i] : r->cols[i - l->n];
    return both;
}

static bool is_below(const struct plan_node *n, const struct plan_node *source)
{
    for (unsigned i = 0; i < n->ninputs; i++)
        if (is_below(n->inputs[i], source))
            return true;
    return n == source;
}

static bool gives_versions(const struct plan_node *n, const struct plan_node *source)
{
    if (n->kind == PLAN_JOIN_TEMPORAL && is_below(n->inputs[1], source))
        return true;
    for (unsigned i = 0; i < n->ninputs; i++)
        if (gives_versions(n->inputs[i], source))
            return true;
    return false;
}

bool plan_gives_versions(const struct plan *p, const struct plan_node *source) { return gives_versions(p->sink, source); }
