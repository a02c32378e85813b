/* Types of aggregates: results, and the columns in which partial results travel. */
#include "engine/run/plan.h"

const char *edge_mode_name(enum edge_mode m)
{
    static const char *const names[] = {"append", "upsert", "retract"};
    return (unsigned)m < ARRAY_LEN(names) ? names[m] : "?";
}

bool agg_result(enum agg_kind k, struct type arg, struct type *out)
{
    switch (k) {
    case AGG_COUNT_STAR:
    case AGG_COUNT:
        *out = TYPE(T_BIGINT);
        return true;
    case AGG_MIN:
    case AGG_MAX:
        *out = arg;
        return arg.id != T_NULL && arg.id != T_BOOLEAN;
    case AGG_SUM:
        *out = arg.id == T_INT || arg.id == T_BIGINT ? TYPE(T_BIGINT)
               : arg.id == T_DECIMAL                 ? (struct type){T_DECIMAL, 38, arg.scale}
                                                     : TYPE(T_DOUBLE);
        break;
    case AGG_AVG:
        *out = TYPE(T_DOUBLE);
        break;
    default:
        return false;
    }
    return arg.id == T_INT || arg.id == T_BIGINT || arg.id == T_DOUBLE || arg.id == T_DECIMAL;
}

/* Sums of whole numbers travel as DECIMAL: adding them in any order gives the same, and no partial sum overflows. */
static struct type sum_partial(struct type in)
{
    if (in.id == T_DOUBLE)
        return in;
    return (struct type){T_DECIMAL, 38, in.id == T_DECIMAL ? in.scale : 0};
}

unsigned agg_partial_columns(const struct agg *a, struct type in, struct type out[4])
{
    switch (a->kind) {
    case AGG_COUNT_STAR:
    case AGG_COUNT:
        out[0] = TYPE(T_BIGINT);
        return 1;
    case AGG_SUM:
    case AGG_AVG:
        out[0] = sum_partial(in);
        out[1] = TYPE(T_BIGINT);
        return 2;
    case AGG_MIN:
    case AGG_MAX:
        out[0] = in;
        return 1;
    }
    return 0;
}
