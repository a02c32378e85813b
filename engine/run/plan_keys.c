/* Which computed columns become keys: of an exchange, a group, a join, or the output's records. */
#include "engine/run/plan.h"

static void mark_all(bool *keys, const unsigned *cols, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        keys[cols[i]] = true;
}

static bool *keys_new(const struct plan_node *n, struct arena *a) { return ARENA_ARRAY(a, bool, n->out.n + 1); }

/* Into input 0 of a node whose columns are the input's, and more behind them. */
static void pass_down(const struct plan_node *n, const bool *keys, bool *below)
{
    unsigned cols = MIN(n->out.n, n->inputs[0]->out.n);
    for (unsigned i = 0; i < cols; i++)
        below[i] |= keys[i];
}

static void pass_project(struct plan_node *n, const bool *keys, bool *below)
{
    n->makes_key = keys;
    for (unsigned i = 0; i < n->out.n; i++)
        if (keys[i] && n->exprs[i]->kind == EX_COLUMN)
            below[n->exprs[i]->column] = true;
}

static void pass_join(const struct plan_node *n, const bool *keys, unsigned side, bool *below)
{
    unsigned first = side ? n->inputs[0]->out.n : 0;
    for (unsigned i = 0; i < n->inputs[side]->out.n && first + i < n->out.n; i++)
        below[i] |= keys[first + i];
    mark_all(below, side ? n->right_cols : n->left_cols, n->njoin);
}

/* keys: columns of n that are wanted as keys above. */
static void mark(struct plan_node *n, const bool *keys, struct arena *a)
{
    for (unsigned i = 0; i < n->ninputs; i++) {
        bool *below = keys_new(n->inputs[i], a);
        switch (n->kind) {
        case PLAN_SINK_TOPIC:
            mark_all(below, n->sink_cols, n->format.nkey);
            break;
        case PLAN_EXPAND:
            pass_down(n, keys, below);
            mark_all(below, n->group_cols, n->ngroup);
            break;
        case PLAN_EXCHANGE:
            pass_down(n, keys, below);
            mark_all(below, n->exchange_cols, n->nexchange);
            break;
        case PLAN_AGGREGATE:
        case PLAN_SESSION:
            mark_all(below, n->group_cols, n->ngroup);
            break;
        case PLAN_TOPN:
        case PLAN_OVER:
        case PLAN_DEDUP:
            pass_down(n, keys, below);
            mark_all(below, n->group_cols, n->ngroup);
            break;
        case PLAN_JOIN_LOOKUP:
        case PLAN_JOIN_TABLE:
    case PLAN_JOIN_INTERVAL:
    case PLAN_JOIN_TEMPORAL:
            pass_join(n, keys, i, below);
            break;
        case PLAN_PROJECT:
            pass_project(n, keys, below);
            break;
        default:
            pass_down(n, keys, below);
        }
        mark(n->inputs[i], below, a);
    }
}

void plan_mark_keys(struct plan *p, struct arena *a) { mark(p->sink, keys_new(p->sink, a), a); }
