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
