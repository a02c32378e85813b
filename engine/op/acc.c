#include "engine/op/acc.h"

struct sum_acc {
    i128 sum; /* modulo 2^128 */
    int64_t wraps, n;
};
struct double_acc {
    struct exactsum sum;
    int64_t n;
};
struct count_acc {
    int64_t n;
};
struct best_acc {
    union {
        i128 d;
        int64_t i;
        double f;
        struct {
            char *p;
            uint32_t len, cap;
        } s;
    };
    bool has;
};

static void *acc_at(const struct acc *acc, const struct group *g) { return (char *)g + acc->offset; }

/* ---- Layout. */

static enum acc_class class_of(struct type t)
{
    switch (t.id) {
    case T_DECIMAL:
        return ACC_DECIMAL;
    case T_DOUBLE:
        return ACC_DOUBLE;
    case T_VARCHAR:
    case T_BYTES:
    case T_ARRAY:
    case T_MAP:
    case T_STRUCT:
        return ACC_TEXT;
    default:
        return ACC_WHOLE;
    }
}

static size_t acc_size(const struct acc *acc)
{
    switch (acc->kind) {
    case AGG_COUNT_STAR:
        return acc->rows_only ? 0 : sizeof(struct count_acc);
    case AGG_COUNT:
        return sizeof(struct count_acc);
    case AGG_SUM:
    case AGG_AVG:
        return acc->cls == ACC_DOUBLE ? sizeof(struct double_acc) : sizeof(struct sum_acc);
    default:
        return sizeof(struct best_acc);
    }
}

size_t accs_init(struct acc *accs, const struct plan_node *node, bool retract, struct account *account)
{
    size_t at = sizeof(struct group);
    for (unsigned i = 0; i < node->naggs; i++) {
        const struct agg *agg = &node->aggs[i];
        struct acc *acc = &accs[i];
        *acc = (struct acc){.kind = agg->kind, .retract = retract, .result = agg->type, .account = account};
        acc->arg = agg->arg ? agg->arg->type : TYPE(T_BIGINT);
        acc->cls = class_of(acc->arg);
        acc->rows_only = agg->kind == AGG_COUNT_STAR && node->phase != AGG_FINAL;
        acc->offset = at;
        acc->size = (acc_size(acc) + 15) / 16 * 16;
        at += acc->size;
    }
    return at;
}

static void best_free(const struct acc *acc, struct best_acc *best)
{
    if (acc->cls == ACC_TEXT && best->s.p) {
        account_sub(acc->account, best->s.cap);
        xfree(best->s.p);
    }
}

void acc_clear(const struct acc *acc, struct group *g)
{
    if (acc->kind == AGG_MIN || acc->kind == AGG_MAX)
        best_free(acc, acc_at(acc, g));
    memset(acc_at(acc, g), 0, acc->size);
}

/* ---- Adding rows. */

/* Row numbers, weights and groups of the rows whose argument is not NULL, one after the other. */
#define EACH_ROW(r, arg, type_, acc)                                                                                   \
    for (uint32_t i = 0; i < (r)->n; i++)                                                                              \
        for (struct type_ *a = (arg) && !vec_valid((arg), (r)->rows[i]) ? NULL : acc_at((acc), (r)->groups[i]); a;     \
             a = NULL)

static int64_t whole_at(const struct vec *v, uint32_t row)
{
    switch (type_width(v->type)) {
    case 1:
        return v->b[row];
    case 4:
        return v->i32[row];
    default:
        return v->i64[row];
    }
}

static void sum_add(struct sum_acc *a, i128 v)
{
    if (__builtin_add_overflow(a->sum, v, &a->sum))
        a->wraps += v > 0 ? 1 : -1;
}

static void update_sum(const struct acc *acc, const struct acc_rows *r, const struct vec *arg)
{
    if (acc->cls == ACC_DECIMAL) {
        EACH_ROW(r, arg, sum_acc, acc)
        {
            int w = batch_weight(r->b, r->rows[i]);
            sum_add(a, arg->i128[r->rows[i]] * w);
            a->n += w;
        }
        return;
    }
    EACH_ROW(r, arg, sum_acc, acc)
    {
        int w = batch_weight(r->b, r->rows[i]);
        a->sum += (i128)whole_at(arg, r->rows[i]) * w;
        a->n += w;
    }
}

static void update_double(const struct acc *acc, const struct acc_rows *r, const struct vec *arg)
{
    EACH_ROW(r, arg, double_acc, acc)
    {
        double v = arg->f64[r->rows[i]];
        int w = batch_weight(r->b, r->rows[i]);
        if (w > 0)
            exact_add(&a->sum, v);
        else
            exact_remove(&a->sum, v);
        a->n += w;
    }
}

static struct value best_value(const struct acc *acc, const struct best_acc *a)
{
    struct value v = {.type = acc->arg, .null = !a->has};
    if (acc->cls == ACC_WHOLE)
        v.i = a->i;
    else if (acc->cls == ACC_DOUBLE)
        v.f = a->f;
    else if (acc->cls == ACC_DECIMAL)
        v.d = a->d;
    else
        v.s = (struct str){a->s.p ? a->s.p : "", a->s.len};
    return v;
}

static void best_set(const struct acc *acc, struct best_acc *a, const struct value *v)
{
    a->has = !v->null;
    if (v->null)
        return;
    if (acc->cls == ACC_WHOLE) {
        a->i = v->type.id == T_BOOLEAN ? v->b : v->i;
    } else if (acc->cls == ACC_DOUBLE) {
        a->f = v->f;
    } else if (acc->cls == ACC_DECIMAL) {
        a->d = v->d;
    } else {
        CHECK(v->s.len <= UINT32_MAX / 2);
        if (v->s.len > a->s.cap) {
            char *p = xalloc(v->s.len); /* v may be a itself */
            memcpy(p, v->s.ptr, v->s.len);
            account_add(acc->account, v->s.len);
            best_free(acc, a);
            a->s.p = p;
            a->s.cap = (uint32_t)v->s.len;
        } else {
            memmove(a->s.p, v->s.ptr, v->s.len);
        }
        a->s.len = (uint32_t)v->s.len;
    }
}

#define BETTER(new, old) (!a->has || (max ? (new) > (old) : (new) < (old)))

/* Any type, through values: text, and doubles because of NaN. */
static void update_best_value(const struct acc *acc, const struct acc_rows *r, const struct vec *arg)
{
    int sign = acc->kind == AGG_MAX ? 1 : -1;
    EACH_ROW(r, arg, best_acc, acc)
    {
        struct value v = {.type = acc->arg}, old = best_value(acc, a);
        if (acc->cls == ACC_TEXT)
            v.s = batch_str(r->b, arg, r->rows[i]);
        else
            v.f = arg->f64[r->rows[i]];
        if (!a->has || value_cmp(&v, &old) * sign > 0)
            best_set(acc, a, &v);
    }
}

static void update_best(const struct acc *acc, const struct acc_rows *r, const struct vec *arg)
{
    bool max = acc->kind == AGG_MAX;
    if (acc->cls == ACC_WHOLE) {
        EACH_ROW(r, arg, best_acc, acc)
        {
            int64_t v = whole_at(arg, r->rows[i]);
            if (BETTER(v, a->i))
                a->i = v;
            a->has = true;
        }
    } else if (acc->cls == ACC_DECIMAL) {
        EACH_ROW(r, arg, best_acc, acc)
        {
            i128 v = arg->i128[r->rows[i]];
            if (BETTER(v, a->d))
                a->d = v;
            a->has = true;
        }
    } else {
        update_best_value(acc, r, arg);
    }
}

void acc_update(const struct acc *acc, const struct acc_rows *r, const struct vec *arg)
{
    switch (acc->kind) {
    case AGG_COUNT_STAR:
        CHECK(acc->rows_only); /* the operator counts rows */
        break;
    case AGG_COUNT:
        EACH_ROW(r, arg, count_acc, acc)
        a->n += batch_weight(r->b, r->rows[i]);
        break;
    case AGG_SUM:
    case AGG_AVG:
        if (acc->cls == ACC_DOUBLE)
            update_double(acc, r, arg);
        else
            update_sum(acc, r, arg);
        break;
    case AGG_MIN:
    case AGG_MAX:
        if (!acc->retract)
            update_best(acc, r, arg);
        break;
    }
}

/* ---- Partial results: out of one aggregate, into the next. Columns: agg_partial_columns in engine/run/agg.c. */

void acc_partial(const struct acc *acc, const struct group *g, struct batch *out, unsigned col, uint32_t row)
{
    struct vec *v = &out->cols[col];
    if (acc->kind == AGG_COUNT_STAR) {
        v->i64[row] = g->rows;
    } else if (acc->kind == AGG_COUNT) {
        v->i64[row] = ((const struct count_acc *)acc_at(acc, g))->n;
    } else if (acc->kind == AGG_MIN || acc->kind == AGG_MAX) {
        struct value best = best_value(acc, acc_at(acc, g));
        batch_set_value(out, col, row, &best, ENGINE_BATCH_ROWS);
    } else if (acc->cls == ACC_DOUBLE) {
        const struct double_acc *a = acc_at(acc, g);
        struct wbuf packed;
        wbuf_init(&packed);
        exact_pack(&a->sum, &packed);
        batch_set_str(out, v, row, wbuf_view(&packed));
        wbuf_fini(&packed);
        v[1].i64[row] = a->n;
    } else {
        const struct sum_acc *a = acc_at(acc, g);
        v[0].i128[row] = a->sum;
        if (acc->cls == ACC_DECIMAL)
            (++v)->i64[row] = a->wraps;
        v[1].i64[row] = a->n;
    }
}

static void merge_double(const struct acc *acc, const struct acc_rows *r, const struct vec *cols)
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

void acc_merge(const struct acc *acc, const struct acc_rows *r, const struct vec *cols)
{
    switch (acc->kind) {
    case AGG_COUNT_STAR:
    case AGG_COUNT:
        EACH_ROW(r, &cols[0], count_acc, acc)
        a->n += cols[0].i64[r->rows[i]];
        break;
    case AGG_MIN:
    case AGG_MAX:
        update_best(acc, r, &cols[0]);
        break;
    case AGG_SUM:
    case AGG_AVG:
        if (acc->cls == ACC_DOUBLE) {
            merge_double(acc, r, cols);
            break;
        }
        EACH_ROW(r, &cols[0], sum_acc, acc)
        {
            sum_add(a, cols[0].i128[r->rows[i]]);
            if (acc->cls == ACC_DECIMAL)
                a->wraps += cols[1].i64[r->rows[i]];
            a->n += cols[acc->cls == ACC_DECIMAL ? 2 : 1].i64[r->rows[i]];
        }
    }
}

/* ---- Results. */

static bool sum_result(const struct acc *acc, const struct sum_acc *a, struct value *out)
{
    if (a->n == 0)
        return true;
    bool avg = acc->kind == AGG_AVG;
    bool fits = a->wraps == 0;
    if (fits && !avg)
        fits = acc->cls == ACC_DECIMAL ? decimal_fits(a->sum, 38) : a->sum == (int64_t)a->sum;
    if (!fits)
        return false;
    out->null = false;
    if (avg && acc->cls == ACC_DECIMAL)
        out->f = decimal_double(a->sum, acc->arg.scale) / (double)a->n;
    else if (avg)
        out->f = (double)a->sum / (double)a->n;
    else if (acc->cls == ACC_DECIMAL)
        out->d = a->sum;
    else
        out->i = (int64_t)a->sum;
    return true;
}

bool acc_result(const struct acc *acc, const struct group *g, struct value *out)
{
    *out = value_null(acc->result);
    switch (acc->kind) {
    case AGG_COUNT_STAR:
    case AGG_COUNT:
        out->null = false;
        out->i = acc->rows_only ? g->rows : ((const struct count_acc *)acc_at(acc, g))->n;
        return true;
    case AGG_MIN:
    case AGG_MAX:
        *out = best_value(acc, acc_at(acc, g));
        return true;
    default:
        break;
    }
    if (acc->cls != ACC_DOUBLE)
        return sum_result(acc, acc_at(acc, g), out);
    const struct double_acc *a = acc_at(acc, g);
    if (a->n == 0)
        return true;
    out->null = false;
    out->f = exact_value(&a->sum);
    if (acc->kind == AGG_AVG)
        out->f /= (double)a->n;
    return true;
}

void acc_set(const struct acc *acc, struct group *g, const struct value *v) { best_set(acc, acc_at(acc, g), v); }

/* ---- State. */

void acc_save(const struct acc *acc, const struct group *g, struct wbuf *out)
{
    switch (acc->kind) {
    case AGG_COUNT_STAR:
    case AGG_COUNT:
        if (!acc->rows_only)
            wbuf_varint(out, ((const struct count_acc *)acc_at(acc, g))->n);
        return;
    case AGG_MIN:
    case AGG_MAX: {
        struct value v = best_value(acc, acc_at(acc, g));
        key_encode_value(&v, out);
        return;
    }
    default:
        break;
    }
    if (acc->cls == ACC_DOUBLE) {
        const struct double_acc *a = acc_at(acc, g);
        exact_pack(&a->sum, out);
        wbuf_varint(out, a->n);
        return;
    }
    const struct sum_acc *a = acc_at(acc, g);
    wbuf_be64(out, (uint64_t)((unsigned __int128)a->sum >> 64));
    wbuf_be64(out, (uint64_t)a->sum);
    wbuf_varint(out, a->wraps);
    wbuf_varint(out, a->n);
}

static bool load_times(int64_t *n, struct rbuf *r)
{
    *n = rbuf_varint(r);
    return count_possible(*n);
}

static bool load_best(const struct acc *acc, struct best_acc *best, struct rbuf *r, struct arena *a)
{
    struct str bytes = {(const char *)r->ptr, rbuf_left(r)};
    struct value v;
    if (key_decode(&bytes, acc->arg, &v, a))
        return false;
    *r = rbuf_of(bytes.ptr, bytes.len);
    best_set(acc, best, &v);
    return true;
}

bool acc_load(const struct acc *acc, struct group *g, struct rbuf *r, struct arena *a)
{
    acc_clear(acc, g);
    switch (acc->kind) {
    case AGG_COUNT_STAR:
    case AGG_COUNT:
        return acc->rows_only || load_times(&((struct count_acc *)acc_at(acc, g))->n, r);
    case AGG_MIN:
    case AGG_MAX:
        return load_best(acc, acc_at(acc, g), r, a);
    default:
        break;
    }
    if (acc->cls == ACC_DOUBLE) {
        struct double_acc *d = acc_at(acc, g);
        struct unpack u = {*r};
        bool ok = exact_unpack(&d->sum, &u);
        *r = u.r;
        return load_times(&d->n, r) && ok;
    }
    struct sum_acc *s = acc_at(acc, g);
    uint64_t high = rbuf_be64(r);
    s->sum = (i128)((unsigned __int128)high << 64 | rbuf_be64(r));
    bool wraps = load_times(&s->wraps, r), times = load_times(&s->n, r);
    return wraps && times && (acc->cls == ACC_DECIMAL || (s->sum >> 112 == 0 || s->sum >> 112 == -1)); /* 2^48 numbers of 64 bits */
}
