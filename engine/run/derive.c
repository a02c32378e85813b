/* Tables whose rows are an aggregate's groups, seen through what lies between the two: engine/README.md, "Derived tables". */
#include "engine/run/plan.h"
#include "log/base/limits.h"

/* The same value whenever it is asked, without a row ever being bad. */
static bool is_steady(const struct expr *e, unsigned depth)
{
    if (e->kind == EX_UDF || depth > EXPR_DEPTH || (e->kind == EX_CALL && func_info(e->func)->is_volatile))
        return false;
    for (unsigned i = 0; i < e->nargs; i++)
        if (!is_steady(e->args[i], depth + 1))
            return false;
    return true;
}

static bool are_steady(const struct plan_node *n)
{
    if (n->kind == PLAN_FILTER)
        return is_steady(n->predicate, 0);
    for (unsigned i = 0; i < n->out.n; i++)
        if (!is_steady(n->exprs[i], 0))
            return false;
    return true;
}

/* Whose groups say all there is to know about their results: no windows, which end before their results do, nothing that
 * is looked up among values that are kept elsewhere, and no group without rows. */
static bool is_plain(const struct plan_node *n)
{
    for (unsigned i = 0; i < n->naggs; i++)
        if (agg_keeps_values(&n->aggs[i], n->inputs[0]->mode == MODE_RETRACT))
            return false;
    return n->phase != AGG_PARTIAL && !n->emit_final && n->window_size_ms == 0 && !n->total;
}

/* Column `col` of n, followed down to the aggregate. -1: it is computed on the way. */
static int origin_of(const struct plan_node *n, const struct plan_node *aggregate, unsigned col)
{
    for (; n != aggregate; n = n->inputs[0]) {
        if (n->kind == PLAN_FILTER)
            continue;
        if (n->exprs[col]->kind != EX_COLUMN)
            return -1;
        col = n->exprs[col]->column;
    }
    return (int)col;
}

const struct plan_node *plan_derives(const struct plan_node *sink)
{
    const struct plan_node *n = sink->ninputs ? sink->inputs[0] : NULL;
    if (!n || sink->kind != PLAN_SINK_TOPIC || n->mode != MODE_RETRACT || sink->window_start_col >= 0 ||
        sink->retention_ms > 0 || sink->record)
        return NULL;
    const struct plan_node *top = n;
    for (; n->kind == PLAN_FILTER || n->kind == PLAN_PROJECT; n = n->inputs[0])
        if (!are_steady(n))
            return NULL;
    if (n->kind != PLAN_AGGREGATE || !is_plain(n) || n->ngroup == 0 || n->ngroup != sink->format.nkey)
        return NULL;
    for (unsigned i = 0; i < n->ngroup; i++)
        if (origin_of(top, n, sink->sink_cols[i]) != (int)i)
            return NULL;
    return n;
}
