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
        return arg.id != T_NULL && arg.id != T_BOOLEAN && arg.id != T_MAP && arg.id != T_STRUCT;
    case AGG_SUM:
        *out = arg.id == T_INT || arg.id == T_BIGINT ? TYPE(T_BIGINT)
               : arg.id == T_DECIMAL                 ? TYPE_DECIMAL(38, arg.scale)
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

/* What a sum is made of. Whole numbers and decimals: the sum modulo 2^128 (in a DECIMAL column, though it may have more
 * than 38 digits), for decimals how often it wrapped, and the count. DOUBLE: the exact sum, packed, and the count. So
 * adding partial sums in any order gives the same, and only the result can overflow. */
static unsigned sum_partial(struct type in, struct type out[4])
{
    unsigned n = 0;
    if (in.id == T_DOUBLE)
        out[n++] = TYPE(T_BYTES);
    else
        out[n++] = TYPE_DECIMAL(38, in.id == T_DECIMAL ? in.scale : 0);
    if (in.id == T_DECIMAL)
        out[n++] = TYPE(T_BIGINT);
    out[n++] = TYPE(T_BIGINT);
    return n;
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
        return sum_partial(in, out);
    case AGG_MIN:
    case AGG_MAX:
        out[0] = in;
        return 1;
    }
    return 0;
}
