/* Where a table's rows of one key are: the sink's task is the one that the exchange below it sends them to, if the columns that
 * it hashes are columns of the key. */
#include "engine/run/plan.h"

/* Are the first columns of its rows those of its input? */
static bool passes(const struct plan_node *n)
{
    switch (n->kind) {
    case PLAN_FILTER:
    case PLAN_NORMALIZE:
    case PLAN_UNION:
    case PLAN_TOPN:
    case PLAN_DEDUP:
    case PLAN_OVER:
    case PLAN_EVERY:
        return true;
    default:
        return false;
    }
}

/* Key column k of the table is column cols[k] of a node; the same of its input, UINT32_MAX where it is no column of that. */
static const struct plan_node *down(const struct plan_node *n, unsigned *cols, unsigned ncols)
{
    const struct plan_node *in = n->ninputs ? n->inputs[0] : NULL;
    unsigned left = in && n->ninputs == 2 && n->kind != PLAN_UNION ? in->out.n : 0;
    bool right = false;
    for (unsigned k = 0; k < ncols && left; k++)
        right |= cols[k] != UINT32_MAX && cols[k] >= left;
    for (unsigned k = 0; k < ncols; k++) {
        unsigned c = cols[k];
        if (c == UINT32_MAX)
            continue;
        if (n->kind == PLAN_PROJECT)
            cols[k] = n->exprs[c]->kind == EX_COLUMN ? n->exprs[c]->column : UINT32_MAX;
        else if (n->kind == PLAN_AGGREGATE)
            cols[k] = c < n->ngroup ? n->group_cols[c] : UINT32_MAX;
        else if (left) /* of a join one side; what is of the other is not known there */
            cols[k] = !right ? c : c >= left ? c - left : UINT32_MAX;
        else if (!passes(n) || c >= in->out.n)
            cols[k] = UINT32_MAX;
    }
    return right ? n->inputs[1] : in;
}

/* The exchange that feeds a table's sink, with the key's columns as columns of its input. */
static const struct plan_node *exchange_of(const struct plan *p, unsigned *cols)
{
    const struct plan_node *n = p->sink;
    for (unsigned k = 0; k < n->format.nkey; k++)
        cols[k] = n->sink_cols[k];
    for (n = n->inputs[0]; n && n->kind != PLAN_EXCHANGE;)
        n = down(n, cols, p->sink->format.nkey);
    return n;
}

int plan_key_owner(const struct plan *p, struct str key)
{
    const struct row_format *f = &p->sink->format;
    struct arena a;
    struct wbuf w;
    int owner = -1;
    arena_init(&a);
    wbuf_init(&w);
    unsigned *cols = ARENA_ARRAY(&a, unsigned, f->nkey + 1), found = 0;
    struct str *parts = ARENA_ARRAY(&a, struct str, f->nkey + 1);
    const struct plan_node *x = p->sink->kind == PLAN_SINK_TOPIC ? exchange_of(p, cols) : NULL;
    for (unsigned k = 0; x && k < f->nkey; k++) {
        struct value v;
        parts[k] = key;
        if (key_decode(&key, f->key_cols[k].type, &v, &a) != 0)
            x = NULL;
        parts[k].len -= key.len;
    }
    for (unsigned i = 0; x && i < x->nexchange; i++)
        for (unsigned k = 0; k < f->nkey; k++)
            if (cols[k] == x->exchange_cols[i]) {
                wbuf_str(&w, parts[k]);
                found++;
                break;
            }
    if (x && found == x->nexchange)
        owner = (int)((unsigned)(key_hash(wbuf_view(&w)) % KEY_GROUPS) / (KEY_GROUPS / p->parallelism));
    wbuf_fini(&w);
    arena_fini(&a);
    return owner;
}
