/* Types of aggregates: results, and the columns in which partial results travel. */
#include "engine/run/plan.h"

const char *edge_mode_name(enum edge_mode m)
{
    static const char *const names[] = {"append", "upsert", "retract"};
    return (unsigned)m < ARRAY_LEN(names) ? names[m] : "?";
}

static bool is_whole(struct type t) { return t.id == T_INT || t.id == T_BIGINT; }
static bool is_number(struct type t) { return is_whole(t) || t.id == T_DOUBLE || t.id == T_DECIMAL; }

static bool sum_result(struct type arg, struct type *out)
{
    *out = is_whole(arg) ? TYPE(T_BIGINT) : arg.id == T_DECIMAL ? TYPE_DECIMAL(38, arg.scale) : TYPE(T_DOUBLE);
    return is_number(arg);
}

bool agg_result(enum agg_kind k, struct type arg, struct type *out)
{
    *out = arg;
    switch (k) {
    case AGG_COUNT_STAR:
    case AGG_COUNT:
        *out = TYPE(T_BIGINT);
        return true;
    case AGG_MIN:
    case AGG_MAX:
        return arg.id != T_NULL && arg.id != T_BOOLEAN && arg.id != T_MAP && arg.id != T_STRUCT;
    case AGG_SINGLE:
    case AGG_EARLIEST:
    case AGG_LATEST:
    case AGG_ARG_MIN:
    case AGG_ARG_MAX:
    case AGG_ATTR:
        return arg.id != T_NULL;
    case AGG_SUM:
        return sum_result(arg, out);
    case AGG_AVG:
        *out = TYPE(T_DOUBLE);
        return is_number(arg);
    case AGG_VAR_SAMP:
    case AGG_VAR_POP:
    case AGG_STDDEV_SAMP:
    case AGG_STDDEV_POP:
        *out = TYPE(T_DOUBLE);
        return is_whole(arg) || arg.id == T_DOUBLE;
    case AGG_CORRELATION:
    case AGG_MEDIAN:
    case AGG_PERCENTILE:
        *out = TYPE(T_DOUBLE);
        return arg.id == T_DOUBLE;
    case AGG_BOOL_AND:
    case AGG_BOOL_OR:
        return arg.id == T_BOOLEAN;
    case AGG_STRING_AGG:
        return arg.id == T_VARCHAR;
    case AGG_COLLECT_LIST:
    case AGG_COLLECT_SET:
    case AGG_TOPK:
    case AGG_TOPKDISTINCT:
        if (arg.id == T_NULL || type_depth(arg) >= TYPE_DEPTH)
            return false;
        *out = type_array(arg);
        return true;
    case AGG_HISTOGRAM:
        *out = type_map(TYPE(T_BIGINT));
        return arg.id == T_VARCHAR;
    case AGG_KINDS:
        break;
    }
    return false;
}

struct type agg_argument(enum agg_kind k, struct type arg)
{
    struct type out;
    if (agg_result(k, arg, &out))
        return arg;
    if (is_number(arg) && agg_result(k, TYPE(T_DOUBLE), &out))
        return TYPE(T_DOUBLE);
    return arg;
}

bool agg_has_two(enum agg_kind k)
{
    return k == AGG_CORRELATION || k == AGG_EARLIEST || k == AGG_LATEST || k == AGG_ARG_MIN || k == AGG_ARG_MAX;
}

bool agg_keeps_values(const struct agg *a, bool retract)
{
    enum agg_mode mode = agg_mode(a->kind);
    return a->distinct || mode == AGG_VALUES || (mode == AGG_BEST && retract);
}

bool agg_may_share(const struct agg *a, const struct agg *b)
{
    return a->distinct && b->distinct && agg_mode(a->kind) == AGG_UNDO && agg_mode(b->kind) == AGG_UNDO && !a->arg2 &&
           !b->arg2 && a->arg->kind == EX_COLUMN && b->arg->kind == EX_COLUMN && a->arg->column == b->arg->column;
}

void aggs_share(struct agg *aggs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        aggs[i].shares = 0;
        for (unsigned k = 0; k < i && !aggs[i].shares; k++) {
            unsigned with = 1;
            for (unsigned j = k; j < i; j++)
                with += aggs[j].shares == k + 1;
            if (!aggs[k].shares && with < AGG_SHARED && agg_may_share(&aggs[i], &aggs[k]))
                aggs[i].shares = k + 1;
        }
    }
}

/* The rows of a SINGLE are counted by its group, whatever their value. */
bool agg_splits(const struct agg *a) { return !agg_keeps_values(a, false) && a->kind != AGG_SINGLE; }

static bool param_fits(const struct agg *a)
{
    struct type t = a->param.type;
    switch (a->kind) {
    case AGG_STRING_AGG:
        return t.id == T_VARCHAR && !a->param.null;
    case AGG_PERCENTILE:
        return t.id == T_DOUBLE && !a->param.null && a->param.f >= 0 && a->param.f <= 1;
    case AGG_TOPK:
    case AGG_TOPKDISTINCT:
        return t.id == T_BIGINT && !a->param.null && a->param.i > 0;
    default:
        return t.id == T_NULL;
    }
}

bool agg_check(const struct agg *a)
{
    struct type result;
    if (!a->arg != (a->kind == AGG_COUNT_STAR) || (agg_has_two(a->kind) && !a->arg2))
        return false;
    if (a->filter && a->filter->type.id != T_BOOLEAN)
        return false;
    if (a->kind == AGG_CORRELATION && a->arg2->type.id != T_DOUBLE)
        return false;
    return agg_result(a->kind, a->arg ? a->arg->type : TYPE(T_BIGINT), &result) && type_eq(result, a->type) && param_fits(a);
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

/* Sum, sum of squares, how often that wrapped, count; of DOUBLE the two sums as they are packed, and the count. */
static unsigned moment_partial(struct type in, struct type out[4])
{
    unsigned n = 0;
    if (in.id != T_DOUBLE) {
        out[n++] = TYPE_DECIMAL(38, 0);
        out[n++] = TYPE_DECIMAL(38, 0);
        out[n++] = TYPE(T_BIGINT);
    } else {
        out[n++] = TYPE(T_BYTES);
    }
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
    case AGG_VAR_SAMP:
    case AGG_VAR_POP:
    case AGG_STDDEV_SAMP:
    case AGG_STDDEV_POP:
    case AGG_CORRELATION:
        return moment_partial(in, out);
    case AGG_BOOL_AND:
    case AGG_BOOL_OR: /* how often true, how often false */
        out[0] = out[1] = TYPE(T_BIGINT);
        return 2;
    case AGG_EARLIEST:
    case AGG_LATEST:
    case AGG_ARG_MIN:
    case AGG_ARG_MAX: /* key bytes of what it is judged by, then of the value */
        out[0] = TYPE(T_BYTES);
        return 1;
    case AGG_MIN:
    case AGG_MAX:
    case AGG_SINGLE:
    case AGG_STRING_AGG: /* these and what follows are never split */
    case AGG_MEDIAN:
    case AGG_PERCENTILE:
    case AGG_ATTR:
    case AGG_COLLECT_LIST:
    case AGG_COLLECT_SET:
    case AGG_TOPK:
    case AGG_TOPKDISTINCT:
    case AGG_HISTOGRAM:
    case AGG_KINDS:
        break;
    }
    out[0] = in;
    return 1;
}
