#include "engine/op/acc.h"

/* Which aggregate has which form; counts, sums, and true and false. */

struct double_acc {
    struct exactsum sum;
    int64_t n;
};
struct count_acc {
    int64_t n;
};
struct bool_acc {
    int64_t yes, no;
};

/* ---- COUNT. */

static void count_update(const struct acc *acc, const struct acc_rows *r, const struct vec *arg, const struct vec *arg2)
{
    (void)arg2;
    EACH_ROW(r, arg, count_acc, acc)
    a->n += acc_weight(r, i);
}

static void count_merge(const struct acc *acc, const struct acc_rows *r, const struct vec *cols)
{
    EACH_ROW(r, &cols[0], count_acc, acc)
    a->n += cols[0].i64[r->rows[i]];
}

static void count_partial(const struct acc *acc, const struct group *g, struct batch *out, unsigned col, uint32_t row)
{
    out->cols[col].i64[row] = ((const struct count_acc *)acc_at(acc, g))->n;
}

static const char *count_result(const struct acc *acc, const struct group *g, struct value *out, struct arena *a)
{
    (void)a;
    out->null = false;
    out->i = ((const struct count_acc *)acc_at(acc, g))->n;
    return NULL;
}

static void count_save(const struct acc *acc, const struct group *g, struct wbuf *out)
{
    wbuf_varint(out, ((const struct count_acc *)acc_at(acc, g))->n);
}

static bool count_load(const struct acc *acc, struct group *g, struct rbuf *r, struct arena *a)
{
    (void)a;
    return acc_load_times(&((struct count_acc *)acc_at(acc, g))->n, r);
}

static const struct acc_form acc_count = {
    .size = sizeof(struct count_acc),
    .update = count_update,
    .merge = count_merge,
    .partial = count_partial,
    .result = count_result,
    .save = count_save,
    .load = count_load,
};

/* ---- COUNT(*) of rows: the group counts them. */

static void rows_update(const struct acc *acc, const struct acc_rows *r, const struct vec *arg, const struct vec *arg2)
{
    (void)acc, (void)r, (void)arg, (void)arg2;
}

static void rows_partial(const struct acc *acc, const struct group *g, struct batch *out, unsigned col, uint32_t row)
{
    (void)acc;
    out->cols[col].i64[row] = g->rows;
}

static const char *rows_result(const struct acc *acc, const struct group *g, struct value *out, struct arena *a)
{
    (void)acc, (void)a;
    out->null = false;
    out->i = g->rows;
    return NULL;
}

static void rows_save(const struct acc *acc, const struct group *g, struct wbuf *out) { (void)acc, (void)g, (void)out; }

static bool rows_load(const struct acc *acc, struct group *g, struct rbuf *r, struct arena *a)
{
    (void)acc, (void)g, (void)r, (void)a;
    return true;
}

static const struct acc_form acc_rows_only = {
    .update = rows_update, .partial = rows_partial, .result = rows_result, .save = rows_save, .load = rows_load};

/* ---- SUM, AVG of whole numbers and decimals. */

static void sum_update(const struct acc *acc, const struct acc_rows *r, const struct vec *arg, const struct vec *arg2)
{
    (void)arg2;
    if (acc->cls == ACC_DECIMAL) {
        EACH_ROW(r, arg, sum_acc, acc)
        {
            int w = acc_weight(r, i);
            acc_add(&a->sum, &a->wraps, arg->i128[r->rows[i]] * w);
            a->n += w;
        }
        return;
    }
    EACH_ROW(r, arg, sum_acc, acc)
    {
        int w = acc_weight(r, i);
        a->sum += (i128)acc_whole(arg, r->rows[i]) * w;
        a->n += w;
    }
}

static void sum_merge(const struct acc *acc, const struct acc_rows *r, const struct vec *cols)
{
    EACH_ROW(r, &cols[0], sum_acc, acc)
    {
        acc_add(&a->sum, &a->wraps, cols[0].i128[r->rows[i]]);
        if (acc->cls == ACC_DECIMAL)
            a->wraps += cols[1].i64[r->rows[i]];
        a->n += cols[acc->cls == ACC_DECIMAL ? 2 : 1].i64[r->rows[i]];
    }
}

static void sum_partial(const struct acc *acc, const struct group *g, struct batch *out, unsigned col, uint32_t row)
{
    const struct sum_acc *a = acc_at(acc, g);
    struct vec *v = &out->cols[col];
    v->i128[row] = a->sum;
    if (acc->cls == ACC_DECIMAL)
        (++v)->i64[row] = a->wraps;
    v[1].i64[row] = a->n;
}

static const char *sum_result(const struct acc *acc, const struct group *g, struct value *out, struct arena *arena)
{
    (void)arena;
    const struct sum_acc *a = acc_at(acc, g);
    if (a->n == 0 && !BUG("sum_of_nothing_is_zero"))
        return NULL;
    bool avg = acc->kind == AGG_AVG;
    bool fits = a->wraps == 0;
    if (fits && !avg)
        fits = acc->cls == ACC_DECIMAL ? decimal_fits(a->sum, 38) : a->sum == (int64_t)a->sum;
    if (!fits)
        return "the sum is out of the range of its type";
    out->null = false;
    if (avg && acc->cls == ACC_DECIMAL)
        out->f = decimal_double(a->sum, acc->arg.scale) / (double)a->n;
    else if (avg)
        out->f = (double)a->sum / (double)a->n;
    else if (acc->cls == ACC_DECIMAL)
        out->d = a->sum;
    else
        out->i = (int64_t)a->sum;
    return NULL;
}

static void sum_save(const struct acc *acc, const struct group *g, struct wbuf *out)
{
    const struct sum_acc *a = acc_at(acc, g);
    acc_save_i128(a->sum, out);
    wbuf_varint(out, a->wraps);
    wbuf_varint(out, a->n);
}

static bool sum_load(const struct acc *acc, struct group *g, struct rbuf *r, struct arena *a)
{
    (void)a;
    struct sum_acc *s = acc_at(acc, g);
    s->sum = acc_load_i128(r);
    bool wraps = acc_load_times(&s->wraps, r), times = acc_load_times(&s->n, r);
    return wraps && times && (acc->cls == ACC_DECIMAL || (s->sum >> 112 == 0 || s->sum >> 112 == -1)); /* 2^48 numbers of 64 bits */
}

static const struct acc_form acc_sum = {
    .size = sizeof(struct sum_acc),
    .update = sum_update,
    .merge = sum_merge,
    .partial = sum_partial,
    .result = sum_result,
    .save = sum_save,
    .load = sum_load,
};

/* ---- SUM, AVG of DOUBLE. */

static void double_update(const struct acc *acc, const struct acc_rows *r, const struct vec *arg, const struct vec *arg2)
{
    (void)arg2;
    EACH_ROW(r, arg, double_acc, acc)
    {
        double v = arg->f64[r->rows[i]];
        int w = acc_weight(r, i);
        if (w > 0)
            exact_add(&a->sum, v);
        else
            exact_remove(&a->sum, v);
        a->n += w;
    }
}

static void double_merge(const struct acc *acc, const struct acc_rows *r, const struct vec *cols)
{
    struct exactsum other;
    EACH_ROW(r, &cols[0], double_acc, acc)
    {
        struct unpack u = unpack_of(batch_str(r->b, &cols[0], r->rows[i]));
        exact_init(&other);
        CHECK(exact_unpack(&other, &u)); /* never left this process */
        exact_merge(&a->sum, &other);
        a->n += cols[1].i64[r->rows[i]];
    }
}

static void double_partial(const struct acc *acc, const struct group *g, struct batch *out, unsigned col, uint32_t row)
{
    const struct double_acc *a = acc_at(acc, g);
    struct wbuf packed;
    wbuf_init(&packed);
    exact_pack(&a->sum, &packed);
    batch_set_str(out, &out->cols[col], row, wbuf_view(&packed));
    wbuf_fini(&packed);
    out->cols[col + 1].i64[row] = a->n;
}

static const char *double_result(const struct acc *acc, const struct group *g, struct value *out, struct arena *arena)
{
    (void)arena;
    const struct double_acc *a = acc_at(acc, g);
    if (a->n == 0)
        return NULL;
    out->null = false;
    out->f = exact_value(&a->sum);
    if (acc->kind == AGG_AVG)
        out->f /= (double)a->n;
    return NULL;
}

static void double_save(const struct acc *acc, const struct group *g, struct wbuf *out)
{
    const struct double_acc *a = acc_at(acc, g);
    exact_pack(&a->sum, out);
    wbuf_varint(out, a->n);
}

static bool double_load(const struct acc *acc, struct group *g, struct rbuf *r, struct arena *a)
{
    (void)a;
    struct double_acc *d = acc_at(acc, g);
    struct unpack u = {*r};
    bool ok = exact_unpack(&d->sum, &u);
    *r = u.r;
    return acc_load_times(&d->n, r) && ok;
}

static const struct acc_form acc_double = {
    .size = sizeof(struct double_acc),
    .update = double_update,
    .merge = double_merge,
    .partial = double_partial,
    .result = double_result,
    .save = double_save,
    .load = double_load,
};

/* ---- BOOL_AND, BOOL_OR. */

static void bool_update(const struct acc *acc, const struct acc_rows *r, const struct vec *arg, const struct vec *arg2)
{
    (void)arg2;
    EACH_ROW(r, arg, bool_acc, acc)
    *(arg->b[r->rows[i]] ? &a->yes : &a->no) += acc_weight(r, i);
}

static void bool_merge(const struct acc *acc, const struct acc_rows *r, const struct vec *cols)
{
    EACH_ROW(r, &cols[0], bool_acc, acc)
    {
        a->yes += cols[0].i64[r->rows[i]];
        a->no += cols[1].i64[r->rows[i]];
    }
}

static void bool_partial(const struct acc *acc, const struct group *g, struct batch *out, unsigned col, uint32_t row)
{
    const struct bool_acc *a = acc_at(acc, g);
    out->cols[col].i64[row] = a->yes;
    out->cols[col + 1].i64[row] = a->no;
}

static const char *bool_result(const struct acc *acc, const struct group *g, struct value *out, struct arena *arena)
{
    (void)arena;
    const struct bool_acc *a = acc_at(acc, g);
    out->null = a->yes <= 0 && a->no <= 0;
    out->b = acc->kind == AGG_BOOL_AND ? a->no <= 0 : a->yes > 0;
    return NULL;
}

static void bool_save(const struct acc *acc, const struct group *g, struct wbuf *out)
{
    const struct bool_acc *a = acc_at(acc, g);
    wbuf_varint(out, a->yes);
    wbuf_varint(out, a->no);
}

static bool bool_load(const struct acc *acc, struct group *g, struct rbuf *r, struct arena *a)
{
    (void)a;
    struct bool_acc *b = acc_at(acc, g);
    bool yes = acc_load_times(&b->yes, r), no = acc_load_times(&b->no, r);
    return yes && no;
}

static const struct acc_form acc_bool = {
    .size = sizeof(struct bool_acc),
    .update = bool_update,
    .merge = bool_merge,
    .partial = bool_partial,
    .result = bool_result,
    .save = bool_save,
    .load = bool_load,
};

/* ---- Layout. */

static enum acc_class class_of(struct type t)
{
    if (type_is_text(t))
        return ACC_TEXT;
    return t.id == T_DECIMAL ? ACC_DECIMAL : t.id == T_DOUBLE ? ACC_DOUBLE : ACC_WHOLE;
}

static const struct acc_form *form_of(const struct acc *acc)
{
    switch (acc->kind) {
    case AGG_COUNT_STAR:
        return acc->rows_only ? &acc_rows_only : &acc_count;
    case AGG_COUNT:
        return &acc_count;
    case AGG_SUM:
    case AGG_AVG:
        return acc->cls == ACC_DOUBLE ? &acc_double : &acc_sum;
    case AGG_VAR_SAMP:
    case AGG_VAR_POP:
    case AGG_STDDEV_SAMP:
    case AGG_STDDEV_POP:
        return acc->cls == ACC_DOUBLE ? &acc_exact_variance : &acc_variance;
    case AGG_CORRELATION:
        return &acc_correlation;
    case AGG_BOOL_AND:
    case AGG_BOOL_OR:
        return &acc_bool;
    case AGG_EARLIEST:
    case AGG_LATEST:
    case AGG_ARG_MIN:
    case AGG_ARG_MAX:
        return acc->looked_up ? &acc_best : &acc_pair;
    default:
        return &acc_best;
    }
}

size_t accs_init(struct acc *accs, const struct plan_node *node, bool retract, struct account *account)
{
    size_t at = sizeof(struct group);
    for (unsigned i = 0; i < node->naggs; i++) {
        const struct agg *agg = &node->aggs[i];
        struct acc *acc = &accs[i];
        *acc = (struct acc){.agg = agg, .kind = agg->kind, .result = agg->type, .account = account};
        acc->arg = agg->arg ? agg->arg->type : TYPE(T_BIGINT);
        acc->rows_only = agg->kind == AGG_COUNT_STAR && node->phase != AGG_FINAL && !agg->filter;
        acc->keeps_values = agg_keeps_values(agg, retract) && !agg->shares;
        acc->sharing = 1;
        if (agg->shares)
            accs[agg->shares - 1].sharing++;
        acc->looked_up = acc->keeps_values && agg_mode(agg->kind) != AGG_UNDO;
        acc->pair = agg_has_two(agg->kind) && agg->kind != AGG_CORRELATION;
        acc->kept = acc->looked_up ? acc->result : acc->pair ? TYPE(T_BYTES) : acc->arg;
        acc->cls = class_of(agg_mode(agg->kind) == AGG_UNDO ? acc->arg : acc->kept);
        acc->form = form_of(acc);
        acc->offset = at;
        acc->size = (acc->form->size + 15) / 16 * 16;
        at += acc->size;
    }
    return at;
}

bool acc_owns(const struct acc *acc) { return acc->form->free && acc->cls == ACC_TEXT; }

/* ---- All forms. */

void acc_clear(const struct acc *acc, struct group *g)
{
    if (acc->form->free)
        acc->form->free(acc, g);
    memset(acc_at(acc, g), 0, acc->size);
}

void acc_update(const struct acc *acc, const struct acc_rows *r, const struct vec *arg, const struct vec *arg2)
{
    if (!acc->looked_up)
        acc->form->update(acc, r, arg, arg2);
}

void acc_merge(const struct acc *acc, const struct acc_rows *r, const struct vec *cols)
{
    CHECK(acc->form->merge);
    acc->form->merge(acc, r, cols);
}

const char *acc_result(const struct acc *acc, const struct group *g, struct value *out, struct arena *a)
{
    *out = value_null(acc->result);
    return acc->form->result(acc, g, out, a);
}

void acc_partial(const struct acc *acc, const struct group *g, struct batch *out, unsigned col, uint32_t row)
{
    acc->form->partial(acc, g, out, col, row);
}

void acc_save(const struct acc *acc, const struct group *g, struct wbuf *out) { acc->form->save(acc, g, out); }

bool acc_load(const struct acc *acc, struct group *g, struct rbuf *r, struct arena *a)
{
    acc_clear(acc, g);
    return acc->form->load(acc, g, r, a);
}

/* ---- Numbers in state. */

void acc_save_i128(i128 v, struct wbuf *out)
{
    wbuf_be64(out, (uint64_t)((unsigned __int128)v >> 64));
    wbuf_be64(out, (uint64_t)v);
}

i128 acc_load_i128(struct rbuf *r)
{
    uint64_t high = rbuf_be64(r);
    return (i128)((unsigned __int128)high << 64 | rbuf_be64(r));
}

bool acc_load_times(int64_t *n, struct rbuf *r)
{
    *n = rbuf_varint(r);
    return count_possible(*n);
}
