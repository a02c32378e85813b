#include "engine/run/plan.h"

/* Does a stream's sink write again what its source reads? Then a record need not be encoded whose bytes are those that
 * the encoder would write. */

static bool same_values(const struct row_format *from, const struct row_format *to)
{
    if (from->value.kind != FORMAT_JSON || to->value.kind != FORMAT_JSON || !from->value.wrapped || !to->value.wrapped ||
        from->nvalue != to->nvalue)
        return false;
    for (unsigned i = 0; i < to->nvalue; i++)
        if (strcmp(from->value_cols[i].name, to->value_cols[i].name) != 0 ||
            !type_eq(from->value_cols[i].type, to->value_cols[i].type))
            return false;
    return true;
}

static bool takes_rows_through(const struct plan_node *n) { return n->kind == PLAN_FILTER || n->kind == PLAN_PROJECT; }

/* The source's column that column c of n is; -1: it is computed. */
static int source_column(const struct plan_node *n, unsigned c)
{
    for (; takes_rows_through(n); n = n->inputs[0]) {
        if (n->kind == PLAN_FILTER)
            continue;
        if (n->exprs[c]->kind != EX_COLUMN)
            return -1;
        c = n->exprs[c]->column;
    }
    return (int)c;
}

const struct plan_node *plan_verbatim(const struct plan_node *sink)
{
    const struct plan_node *source = sink->inputs[0];
    if (sink->kind != PLAN_SINK_TOPIC || source->mode != MODE_APPEND)
        return NULL;
    while (takes_rows_through(source))
        source = source->inputs[0];
    if (source->kind != PLAN_SOURCE || source->table || !same_values(&source->format, &sink->format))
        return NULL;
    for (unsigned i = 0; i < sink->format.nvalue; i++) {
        int c = source_column(sink->inputs[0], sink->sink_cols[sink->format.nkey + i]);
        if (c < 0 || source->wants[c].from != WANT_VALUE || source->wants[c].index != i ||
            source->wants[c].depth)
            return NULL;
    }
    return source;
}
