#include "engine/op/over.h"

/* ---- Frames. */

struct span { /* places [from, to) */
    uint32_t from, to;
};

struct evaluation {
    struct op *op;
    const struct over_func *f;
    const struct over_rows *rs;
    const struct over_list *l;
};

static uint32_t clip(int64_t place, const struct over_list *l) { return (uint32_t)MIN(MAX(place, 0), (int64_t)l->n); }

/* First place whose group is at least g. */
static uint32_t group_start(const struct over_list *l, int64_t g)
{
    return l->start[g < 0 ? 0 : MIN(g, (int64_t)l->ngroups)];
}

static int compare_real(double a, double b)
{
    if (a != a || b != b)
        return (a != a) - (b != b);
    return (a > b) - (a < b);
}

/* First place among those that are not NULL whose value is at the value of `place`, moved by the distance in the order's
 * direction, or (`behind`) past it. */
static uint32_t at_distance(const struct evaluation *ev, uint32_t place, const struct value *by, bool preceding, bool behind)
{
    const struct over_list *l = ev->l;
    const struct over_value *values = ev->rs->value, *v = &values[l->at[place]];
    bool descending = ev->op->node->sort[0].descending, minus = preceding != descending, real = by->type.id == T_DOUBLE;
    i128 d = by->type.id == T_DECIMAL ? by->d : (i128)by->i;
    i128 whole = real ? 0 : minus ? v->whole - d : v->whole + d;
    double bound = !real ? 0 : minus ? v->real - by->f : v->real + by->f;
    uint32_t lo = l->from, hi = l->to;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const struct over_value *m = &values[l->at[mid]];
        int cmp = real ? compare_real(m->real, bound) : (m->whole > whole) - (m->whole < whole);
        cmp = descending ? -cmp : cmp;
        if (behind ? cmp <= 0 : cmp < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Where a frame begins (or, `end`, ends: the place behind its last row). */
static uint32_t bound_at(const struct evaluation *ev, uint32_t place, enum frame_bound b, const struct value *by, bool end)
{
    const struct over_list *l = ev->l;
    int64_t g = l->group[place], sign = b == BOUND_PRECEDING ? -1 : 1;
    if (b == BOUND_FIRST || b == BOUND_LAST)
        return b == BOUND_FIRST ? 0 : l->n;
    bool current = b == BOUND_CURRENT;
    switch (ev->f->frame.unit) {
    case FRAME_ROWS:
        return clip(time_add((int64_t)place + end, current ? 0 : sign * (by->i + BUG("over_frame_off_by_one"))), l);
    case FRAME_GROUPS:
        return group_start(l, time_add(g + end, current ? 0 : sign * by->i));
    case FRAME_RANGE:
        break;
    }
    if (current && BUG("over_range_without_peers"))
        return place + end;
    if (current || ev->rs->value[l->at[place]].null)
        return group_start(l, g + end);
    return at_distance(ev, place, by, b == BOUND_PRECEDING, end);
}

static struct span frame_of(const struct evaluation *ev, uint32_t place)
{
    const struct frame *f = &ev->f->frame;
    struct span s = {bound_at(ev, place, f->from, &f->before, false), bound_at(ev, place, f->to, &f->after, true)};
    s.to = MAX(s.from, s.to);
    return s;
}

static bool is_excluded(const struct evaluation *ev, uint32_t place, uint32_t other)
{
    bool peer = ev->l->group[place] == ev->l->group[other];
    switch (ev->f->frame.exclude) {
    case EXCLUDE_NONE:
        return false;
    case EXCLUDE_CURRENT:
        return place == other;
    case EXCLUDE_GROUP:
        return peer;
    case EXCLUDE_TIES:
        return peer && place != other;
    }
    return false;
}

/* ---- Aggregates. */

void over_sums_init(struct over_sums *s, struct op *op, struct arena *a)
{
    const struct plan_node *node = op->node;
    s->account = (struct account){.budget = op->env->memory};
    s->n = node->nover;
    s->sum = ARENA_ARRAY(a, struct over_sum, s->n + 1);
    wbuf_init(&s->key);
    for (unsigned i = 0; i < s->n; i++) {
        const struct over_func *f = &node->overs[i];
        struct over_sum *sum = &s->sum[i];
        if (f->kind != OVER_AGGREGATE)
            continue;
        /* Where no row leaves a frame a smallest need not be looked up. */
        bool leaves = f->frame.from != BOUND_FIRST || f->frame.exclude != EXCLUDE_NONE;
        struct plan_node one = {.kind = PLAN_AGGREGATE, .phase = AGG_FULL, .naggs = 1, .aggs = (struct agg *)&f->agg};
        sum->g = xzalloc(accs_init(&sum->acc, &one, leaves, &s->account));
        sum->values = kv_new(true, op->env->memory);
    }
}

static void sum_reset(struct over_sum *sum)
{
    acc_clear(&sum->acc, sum->g);
    sum->g->rows = 0;
    if (kv_count(sum->values))
        kv_clear(sum->values);
    sum->from = sum->to = 0;
    sum->started = false;
}

void over_sums_fini(struct over_sums *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        if (!s->sum[i].g)
            continue;
        sum_reset(&s->sum[i]);
        kv_free(s->sum[i].values);
        xfree(s->sum[i].g);
    }
    wbuf_fini(&s->key);
}

static const struct vec *column(const struct evaluation *ev, const struct expr *e)
{
    return e ? &ev->rs->columns->cols[e->column] : NULL;
}

/* Keeps or forgets a value. Does it count for DISTINCT: was it not there, or is it the last of its kind? */
static bool keep_value(struct over_sums *s, struct over_sum *sum, const struct acc_rows *r, const struct vec *arg,
                       const struct vec *arg2)
{
    uint8_t bytes[8];
    if (!acc_value_key(&sum->acc, r, 0, arg, arg2, &s->key))
        return false;
    struct str key = wbuf_view(&s->key), before = kv_get(sum->values, key);
    int64_t n = (before.ptr ? (int64_t)be64(before.ptr) : 0) + acc_weight(r, 0);
    bool turns = !before.ptr || !n || BUG("over_distinct_counts_twice");
    put_be64(bytes, (uint64_t)n);
    if (n)
        kv_put(sum->values, key, (struct str){(char *)bytes, 8});
    else
        kv_remove(sum->values, key);
    return turns;
}

static void sum_row(struct evaluation *ev, struct over_sums *s, struct over_sum *sum, uint32_t place, int weight)
{
    const struct agg *g = &ev->f->agg;
    const struct vec *arg = column(ev, g->arg), *arg2 = column(ev, g->arg2), *filter = column(ev, g->filter);
    uint32_t row = ev->l->at[place];
    int8_t w = (int8_t)weight;
    struct acc_rows r = {ev->rs->columns, &row, &sum->g, &w, 1};
    if (filter && !(vec_valid(filter, row) && filter->b[row]))
        return;
    sum->g->rows += weight;
    if (!sum->acc.keeps_values || keep_value(s, sum, &r, arg, arg2))
        acc_update(&sum->acc, &r, arg, arg2);
}

static void sum_rows(struct evaluation *ev, struct over_sums *s, struct over_sum *sum, uint32_t from, uint32_t to, int weight)
{
    for (; from < to; from++)
        sum_row(ev, s, sum, from, weight);
}

/* From the frame of one place to that of the next. */
static void slide(struct evaluation *ev, struct over_sums *s, struct over_sum *sum, struct span to)
{
    bool leaves = to.from > sum->from || to.to < sum->to;
    bool apart = to.from >= sum->to || to.from < sum->from;
    if (!sum->started || apart || (leaves && ev->f->frame.from == BOUND_FIRST)) {
        sum_reset(sum);
        sum->started = true;
        sum_rows(ev, s, sum, to.from, to.to, 1);
    } else {
        sum_rows(ev, s, sum, sum->from, BUG("over_frame_keeps_what_left") ? sum->from : to.from, -1);
        sum_rows(ev, s, sum, to.to, MAX(sum->to, to.to), -1);
        sum_rows(ev, s, sum, sum->to, MAX(sum->to, to.to), 1);
    }
    sum->from = to.from;
    sum->to = to.to;
}

static void sum_but_excluded(struct evaluation *ev, struct over_sums *s, struct over_sum *sum, struct span in, uint32_t place)
{
    sum_reset(sum);
    for (uint32_t at = in.from; at < in.to; at++)
        if (!is_excluded(ev, place, at))
            sum_row(ev, s, sum, at, 1);
}

static const char *sum_at(struct evaluation *ev, struct over_sums *s, struct over_sum *sum, uint32_t place, struct value *out)
{
    struct span in = frame_of(ev, place);
    if (ev->f->frame.exclude != EXCLUDE_NONE)
        sum_but_excluded(ev, s, sum, in, place);
    else
        slide(ev, s, sum, in);
    struct arena *a = ev->rs->arena;
    const char *why = sum->acc.looked_up ? acc_look_up(&sum->acc, sum->values, STR(""), out, a)
                                         : acc_result(&sum->acc, sum->g, out, a);
    if (!out->null && type_is_text(out->type))
        out->s = arena_dup(a, out->s);
    return why;
}

/* ---- The others. */

static struct value row_value(const struct evaluation *ev, int col, int64_t place)
{
    if (col < 0 || place < 0 || place >= ev->l->n)
        return value_null(ev->f->type);
    return batch_value(ev->rs->columns, (unsigned)col, ev->l->at[place]);
}

/* The n-th row of the frame that counts, from its begin or (n < 0) its end; -1: there is none. */
static int64_t nth_place(const struct evaluation *ev, uint32_t place, int64_t n)
{
    struct span in = frame_of(ev, place);
    if (ev->f->frame.exclude == EXCLUDE_NONE) {
        int64_t at = n > 0 ? time_add(in.from, n - 1) : (int64_t)in.to + n;
        return at >= in.from && at < in.to ? at : -1;
    }
    for (uint32_t i = 0; i < in.to - in.from; i++) {
        uint32_t at = n > 0 ? in.from + i : in.to - 1 - i;
        if (!is_excluded(ev, place, at) && (n > 0 ? --n : ++n) == 0)
            return at;
    }
    return -1;
}

/* Which of so many parts: the first ones have one row more. */
static int64_t tile(int64_t n, int64_t place, int64_t parts)
{
    int64_t size = n / parts, larger = n % parts, edge = larger * (size + 1);
    return place < edge ? place / (size + 1) + 1 : larger + (place - edge) / size + 1;
}

static struct value other_at(const struct evaluation *ev, uint32_t place)
{
    const struct over_func *f = ev->f;
    const struct over_list *l = ev->l;
    uint32_t first = l->start[l->group[place]], behind = l->start[l->group[place] + 1];
    struct value v = {.type = f->type};
    int64_t other;
    switch (f->kind) {
    case OVER_ROW_NUMBER:
        v.i = (int64_t)place + 1;
        break;
    case OVER_RANK:
        v.i = (int64_t)first + 1;
        break;
    case OVER_DENSE_RANK:
        v.i = (int64_t)l->group[place] + 1;
        break;
    case OVER_PERCENT_RANK:
        v.f = l->n > 1 ? (double)first / (double)(l->n - 1) : 0;
        break;
    case OVER_CUME_DIST:
        v.f = (double)behind / (double)l->n;
        break;
    case OVER_NTILE:
        v.i = tile(l->n, place, f->n);
        break;
    case OVER_LAG:
    case OVER_LEAD:
        other = time_add(place, f->kind == OVER_LAG ? -f->n : f->n);
        return other < 0 || other >= l->n ? row_value(ev, f->fallback, place) : row_value(ev, f->arg, other);
    case OVER_FIRST_VALUE:
        return row_value(ev, f->arg, nth_place(ev, place, 1));
    case OVER_LAST_VALUE:
        return row_value(ev, f->arg, nth_place(ev, place, -1));
    case OVER_NTH_VALUE:
        return row_value(ev, f->arg, nth_place(ev, place, f->n));
    case OVER_AGGREGATE:
    case OVER_KINDS_:
        break;
    }
    return v;
}

uint64_t over_eval(struct op *op, struct over_sums *s, unsigned f, const struct over_rows *rs, const struct over_list *l,
                   uint32_t from, uint32_t to, struct value *out, const char **why)
{
    struct evaluation ev = {op, &op->node->overs[f], rs, l};
    struct over_sum *sum = &s->sum[f];
    uint64_t failed = 0;
    if (sum->g)
        sum_reset(sum);
    for (uint32_t place = from; place < to; place++) {
        const char *not = NULL;
        if (sum->g)
            not = sum_at(&ev, s, sum, place, &out[place - from]);
        else
            out[place - from] = other_at(&ev, place);
        if (not && !failed++)
            *why = not;
    }
    if (sum->g)
        sum_reset(sum);
    return failed;
}
