#include "engine/op/acc.h"
#include <math.h>

/* Variance and correlation from sums of products, so that rows can be taken back. Whole numbers: sums in 128 bits (of squares
 * with a count of wraps), and n * sum of squares - square of the sum in 256 bits, so only the last division rounds. DOUBLE:
 * the sums are exact (the product of two doubles is the sum of two), and the sum of squares of distances from the mean is
 * added up exactly too; what cancels in the usual formula is gone before anything is rounded. */

struct whole_acc {
    i128 sum, squares; /* modulo 2^128 */
    int64_t wraps, n;  /* of squares */
};
struct exact_acc {
    struct exactsum sum, squares;
    int64_t n;
};
struct pair_acc {
    struct exactsum x, y, xx, yy, xy;
    int64_t n;
};

static bool of_sample(enum agg_kind k) { return k == AGG_VAR_SAMP || k == AGG_STDDEV_SAMP; }

static void set_result(const struct acc *acc, double variance, struct value *out)
{
    bool root = acc->kind == AGG_STDDEV_SAMP || acc->kind == AGG_STDDEV_POP;
    out->null = false;
    out->f = root ? sqrt(variance) : variance;
}

static const char not_finite[] = "the result is out of the range of DOUBLE";

/* ---- Whole numbers. */

static void whole_update(const struct acc *acc, const struct acc_rows *r, const struct vec *arg, const struct vec *arg2)
{
    (void)arg2;
    EACH_ROW(r, arg, whole_acc, acc)
    {
        i128 v = acc_whole(arg, r->rows[i]);
        int w = acc_weight(r, i);
        a->sum += v * w;
        acc_add(&a->squares, &a->wraps, v * v * w);
        a->n += w;
    }
}

static void whole_merge(const struct acc *acc, const struct acc_rows *r, const struct vec *cols)
{
    EACH_ROW(r, &cols[0], whole_acc, acc)
    {
        uint32_t row = r->rows[i];
        a->sum += cols[0].i128[row];
        acc_add(&a->squares, &a->wraps, cols[1].i128[row]);
        a->wraps += cols[2].i64[row];
        a->n += cols[3].i64[row];
    }
}

static void whole_partial(const struct acc *acc, const struct group *g, struct batch *out, unsigned col, uint32_t row)
{
    const struct whole_acc *a = acc_at(acc, g);
    out->cols[col].i128[row] = a->sum;
    out->cols[col + 1].i128[row] = a->squares;
    out->cols[col + 2].i64[row] = a->wraps;
    out->cols[col + 3].i64[row] = a->n;
}

/* Numbers of 256 bits, least limb first, modulo 2^256. */
struct wide {
    uint64_t limb[4];
};

static struct wide wide_of(i128 low, int64_t high)
{
    uint64_t top = (uint64_t)((unsigned __int128)low >> 64);
    i128 upper = (i128)high + (low < 0 ? -1 : 0);
    return (struct wide){{(uint64_t)low, top, (uint64_t)upper, (uint64_t)((unsigned __int128)upper >> 64)}};
}

static struct wide wide_times(struct wide a, struct wide b)
{
    struct wide out = {{0}};
    for (unsigned i = 0; i < 4; i++) {
        uint64_t carry = 0;
        for (unsigned k = 0; i + k < 4; k++) {
            unsigned __int128 sum = (unsigned __int128)a.limb[i] * b.limb[k] + out.limb[i + k] + carry;
            out.limb[i + k] = (uint64_t)sum;
            carry = (uint64_t)(sum >> 64);
        }
    }
    return out;
}

static struct wide wide_minus(struct wide a, struct wide b)
{
    bool borrow = false;
    for (unsigned i = 0; i < 4; i++) {
        bool under = __builtin_sub_overflow(a.limb[i], b.limb[i], &a.limb[i]);
        under |= __builtin_sub_overflow(a.limb[i], borrow, &a.limb[i]);
        borrow = under;
    }
    return a;
}

static double wide_double(struct wide a) /* not negative */
{
    long double sum = 0;
    for (unsigned i = 4; i-- > 0;)
        sum = sum * 0x1p64L + (long double)a.limb[i];
    return (double)sum;
}

static const char *whole_result(const struct acc *acc, const struct group *g, struct value *out, struct arena *arena)
{
    (void)arena;
    const struct whole_acc *a = acc_at(acc, g);
    int64_t parts = a->n - of_sample(acc->kind);
    if (parts <= 0)
        return NULL;
    struct wide sum = wide_of(a->sum, 0);
    struct wide spread = wide_minus(wide_times(wide_of(a->squares, a->wraps), wide_of(a->n, 0)), wide_times(sum, sum));
    if (spread.limb[3] >> 63) /* rows were taken back that had never come */
        return not_finite;
    set_result(acc, wide_double(spread) / ((double)a->n * (double)parts), out);
    return NULL;
}

static void whole_save(const struct acc *acc, const struct group *g, struct wbuf *out)
{
    const struct whole_acc *a = acc_at(acc, g);
    acc_save_i128(a->sum, out);
    acc_save_i128(a->squares, out);
    wbuf_varint(out, a->wraps);
    wbuf_varint(out, a->n);
}

static bool whole_load(const struct acc *acc, struct group *g, struct rbuf *r, struct arena *arena)
{
    (void)arena;
    struct whole_acc *a = acc_at(acc, g);
    a->sum = acc_load_i128(r);
    a->squares = acc_load_i128(r);
    bool wraps = acc_load_times(&a->wraps, r), times = acc_load_times(&a->n, r);
    return wraps && times && (a->sum >> 112 == 0 || a->sum >> 112 == -1);
}

const struct acc_form acc_variance = {
    .size = sizeof(struct whole_acc),
    .update = whole_update,
    .merge = whole_merge,
    .partial = whole_partial,
    .result = whole_result,
    .save = whole_save,
    .load = whole_load,
};

/* ---- Exact sums of products. */

static void add_product(struct exactsum *s, double a, double b, int weight)
{
    double p = a * b, rest = fma(a, b, -p);
    void (*change)(struct exactsum *, double) = weight > 0 ? exact_add : exact_remove;
    change(s, p);
    if (isfinite(p) && rest != 0)
        change(s, rest);
}

/* A sum as two doubles: rounded, and what that left away. */
static void halves(const struct exactsum *s, double out[2])
{
    struct exactsum rest = *s;
    out[0] = exact_value(s);
    out[1] = 0;
    if (!isfinite(out[0]))
        return;
    exact_remove(&rest, out[0]);
    out[1] = exact_value(&rest);
}

/* The sum of (x - mean of x) * (y - mean of y). */
static double centered(const struct exactsum *xy, const struct exactsum *x, const struct exactsum *y, int64_t n)
{
    struct exactsum s = *xy;
    double sx[2], sy[2];
    halves(x, sx);
    halves(y, sy);
    double mx = sx[0] / (double)n, my = sy[0] / (double)n, all = (double)n * mx, rest = fma((double)n, mx, -all);
    for (unsigned i = 0; i < 2; i++) {
        add_product(&s, sx[i], my, -1);
        add_product(&s, sy[i], mx, -1);
    }
    add_product(&s, all, my, 1);
    add_product(&s, rest, my, 1);
    return exact_value(&s);
}

static bool load_sums(struct exactsum *sums, unsigned n, struct rbuf *r)
{
    bool ok = true;
    struct unpack u = {*r};
    for (unsigned i = 0; i < n; i++)
        ok &= exact_unpack(&sums[i], &u);
    *r = u.r;
    return ok;
}

static void save_sums(const struct exactsum *sums, unsigned n, struct wbuf *out)
{
    for (unsigned i = 0; i < n; i++)
        exact_pack(&sums[i], out);
}

static void merge_sums(struct exactsum *sums, unsigned n, struct str packed)
{
    struct exactsum other;
    struct unpack u = unpack_of(packed);
    for (unsigned i = 0; i < n; i++) {
        exact_init(&other);
        CHECK(exact_unpack(&other, &u)); /* never left this process */
        exact_merge(&sums[i], &other);
    }
}

static void give_sums(const struct exactsum *sums, unsigned n, struct batch *out, unsigned col, uint32_t row)
{
    struct wbuf packed;
    wbuf_init(&packed);
    save_sums(sums, n, &packed);
    batch_set_str(out, &out->cols[col], row, wbuf_view(&packed));
    wbuf_fini(&packed);
}

/* ---- Variance of DOUBLE. */

static void exact_update(const struct acc *acc, const struct acc_rows *r, const struct vec *arg, const struct vec *arg2)
{
    (void)arg2;
    EACH_ROW(r, arg, exact_acc, acc)
    {
        double v = arg->f64[r->rows[i]];
        int w = acc_weight(r, i);
        if (w > 0)
            exact_add(&a->sum, v);
        else
            exact_remove(&a->sum, v);
        add_product(&a->squares, v, v, w);
        a->n += w;
    }
}

static void exact_merge_all(const struct acc *acc, const struct acc_rows *r, const struct vec *cols)
{
    EACH_ROW(r, &cols[0], exact_acc, acc)
    {
        merge_sums(&a->sum, 2, batch_str(r->b, &cols[0], r->rows[i]));
        a->n += cols[1].i64[r->rows[i]];
    }
}

static void exact_partial(const struct acc *acc, const struct group *g, struct batch *out, unsigned col, uint32_t row)
{
    const struct exact_acc *a = acc_at(acc, g);
    give_sums(&a->sum, 2, out, col, row);
    out->cols[col + 1].i64[row] = a->n;
}

static const char *exact_result(const struct acc *acc, const struct group *g, struct value *out, struct arena *arena)
{
    (void)arena;
    const struct exact_acc *a = acc_at(acc, g);
    int64_t parts = a->n - of_sample(acc->kind);
    if (parts <= 0)
        return NULL;
    double spread = centered(&a->squares, &a->sum, &a->sum, a->n);
    if (!isfinite(spread))
        return not_finite;
    set_result(acc, MAX(spread, 0) / (double)parts, out);
    return NULL;
}

static void exact_save(const struct acc *acc, const struct group *g, struct wbuf *out)
{
    const struct exact_acc *a = acc_at(acc, g);
    save_sums(&a->sum, 2, out);
    wbuf_varint(out, a->n);
}

static bool exact_load(const struct acc *acc, struct group *g, struct rbuf *r, struct arena *arena)
{
    (void)arena;
    struct exact_acc *a = acc_at(acc, g);
    bool sums = load_sums(&a->sum, 2, r);
    return acc_load_times(&a->n, r) && sums;
}
static_assert(offsetof(struct exact_acc, squares) == sizeof(struct exactsum), "two sums in a row");

const struct acc_form acc_exact_variance = {
    .size = sizeof(struct exact_acc),
    .update = exact_update,
    .merge = exact_merge_all,
    .partial = exact_partial,
    .result = exact_result,
    .save = exact_save,
    .load = exact_load,
};

/* ---- Correlation. */

static void pair_update(const struct acc *acc, const struct acc_rows *r, const struct vec *arg, const struct vec *arg2)
{
    EACH_ROW(r, arg, pair_acc, acc)
    {
        uint32_t row = r->rows[i];
        if (!vec_valid(arg2, row))
            continue;
        double x = arg->f64[row], y = arg2->f64[row];
        int w = acc_weight(r, i);
        add_product(&a->x, x, 1, w);
        add_product(&a->y, y, 1, w);
        add_product(&a->xx, x, x, w);
        add_product(&a->yy, y, y, w);
        add_product(&a->xy, x, y, w);
        a->n += w;
    }
}

static void pair_merge(const struct acc *acc, const struct acc_rows *r, const struct vec *cols)
{
    EACH_ROW(r, &cols[0], pair_acc, acc)
    {
        merge_sums(&a->x, 5, batch_str(r->b, &cols[0], r->rows[i]));
        a->n += cols[1].i64[r->rows[i]];
    }
}

static void pair_partial(const struct acc *acc, const struct group *g, struct batch *out, unsigned col, uint32_t row)
{
    const struct pair_acc *a = acc_at(acc, g);
    give_sums(&a->x, 5, out, col, row);
    out->cols[col + 1].i64[row] = a->n;
}

static const char *pair_result(const struct acc *acc, const struct group *g, struct value *out, struct arena *arena)
{
    (void)acc, (void)arena;
    const struct pair_acc *a = acc_at(acc, g);
    if (a->n <= 0)
        return NULL;
    double xx = centered(&a->xx, &a->x, &a->x, a->n), yy = centered(&a->yy, &a->y, &a->y, a->n);
    double xy = centered(&a->xy, &a->x, &a->y, a->n);
    if (xx <= 0 || yy <= 0)
        return NULL; /* one of them never changes */
    if (!isfinite(xx) || !isfinite(yy) || !isfinite(xy))
        return not_finite;
    double r = xy / (sqrt(xx) * sqrt(yy));
    out->null = false;
    out->f = MAX(-1.0, MIN(1.0, r));
    return NULL;
}

static void pair_save(const struct acc *acc, const struct group *g, struct wbuf *out)
{
    const struct pair_acc *a = acc_at(acc, g);
    save_sums(&a->x, 5, out);
    wbuf_varint(out, a->n);
}

static bool pair_load(const struct acc *acc, struct group *g, struct rbuf *r, struct arena *arena)
{
    (void)arena;
    struct pair_acc *a = acc_at(acc, g);
    bool sums = load_sums(&a->x, 5, r);
    return acc_load_times(&a->n, r) && sums;
}
static_assert(offsetof(struct pair_acc, xy) == 4 * sizeof(struct exactsum), "five sums in a row");

const struct acc_form acc_correlation = {
    .size = sizeof(struct pair_acc),
    .update = pair_update,
    .merge = pair_merge,
    .partial = pair_partial,
    .result = pair_result,
    .save = pair_save,
    .load = pair_load,
};
