#include "engine/op/acc.h"

/* Values that are kept, ordered and counted, and the results that are looked up among them. A value is kept by its key bytes;
 * where it is judged or ordered by something else, behind the bytes of that. A count below one is of a row that has been taken
 * back before it came: the value is not there. */

/* What is made of values is no longer than this: it is part of a record and of its group's state. */
enum { LIST_BYTES = 512 * 1024 };

static bool keeps_null(enum agg_kind k) { return k == AGG_COLLECT_LIST || k == AGG_COLLECT_SET; }

bool acc_value_key(const struct acc *acc, const struct acc_rows *r, uint32_t i, const struct vec *arg, const struct vec *arg2,
                   struct wbuf *out)
{
    uint32_t row = r->rows[i];
    const struct vec *order = acc->agg->arg2 ? arg2 : NULL;
    if ((!vec_valid(arg, row) && !keeps_null(acc->kind)) || (acc->pair && !vec_valid(order, row)))
        return false;
    wbuf_reset(out);
    const struct vec *parts[] = {order, arg};
    for (unsigned k = 0; k < 2; k++) {
        if (!parts[k])
            continue;
        struct batch view = {.ncols = 1, .cols = (struct vec *)parts[k], .bufs = r->b->bufs, .nbufs = r->b->nbufs};
        key_encode(&view, &(unsigned){0}, 1, row, out);
    }
    return true;
}

bool acc_value_fits(const struct acc *acc, struct str bytes, struct arena *a)
{
    struct value v;
    return (!acc->agg->arg2 || key_decode(&bytes, acc->agg->arg2->type, &v, a) == 0) &&
           key_decode(&bytes, acc->arg, &v, a) == 0 && bytes.len == 0;
}

/* ---- Looking up. */

static bool each_once(const struct acc *acc)
{
    return acc->agg->distinct || acc->kind == AGG_COLLECT_SET || acc->kind == AGG_TOPKDISTINCT;
}

struct reading {
    const struct acc *acc;
    struct str prefix;
    struct arena *a;
    struct value *values; /* in order, */
    int64_t *counts;      /* and how often each is there */
    size_t n, cap;
    int64_t all;
};

static struct value value_at(const struct acc *acc, struct str key, struct str prefix, struct arena *a)
{
    struct str bytes = {key.ptr + prefix.len, key.len - prefix.len};
    struct value v;
    if (acc->agg->arg2)
        CHECK(key_decode(&bytes, acc->agg->arg2->type, &v, a) == 0);
    CHECK(key_decode(&bytes, acc->arg, &v, a) == 0);
    return v;
}

static int read_cb(void *arg, struct str key, struct str count)
{
    struct reading *rd = arg;
    int64_t n = (int64_t)be64(count.ptr);
    if (n <= 0)
        return 0;
    if (rd->n == rd->cap) {
        size_t cap = rd->cap ? rd->cap * 2 : 16;
        struct value *values = arena_alloc(rd->a, cap * sizeof *values);
        int64_t *counts = arena_alloc(rd->a, cap * sizeof *counts);
        if (rd->n) {
            memcpy(values, rd->values, rd->n * sizeof *values);
            memcpy(counts, rd->counts, rd->n * sizeof *counts);
        }
        rd->values = values;
        rd->counts = counts;
        rd->cap = cap;
    }
    struct value v = value_at(rd->acc, key, rd->prefix, rd->a);
    if (!v.null && type_is_text(v.type))
        v.s = arena_dup(rd->a, v.s);
    rd->values[rd->n] = v;
    rd->counts[rd->n++] = each_once(rd->acc) ? 1 : n;
    rd->all += rd->counts[rd->n - 1];
    return 0;
}

/* The first or last one. At a marker all counts are above zero, if the input is sound. */
static struct value end_value(const struct reading *rd, const struct kv *values, bool last)
{
    struct str key, n;
    bool found = last ? kv_last(values, rd->prefix, &key, &n) : kv_first(values, rd->prefix, &key, &n);
    return found ? value_at(rd->acc, key, rd->prefix, rd->a) : value_null(rd->acc->result);
}

/* Calls for each value as often as it is there, at most `most` times in all, until one answers why not. */
static const char *each(const struct reading *rd, bool backwards, int64_t most, struct wbuf *out,
                        void (*put_cb)(const struct reading *rd, const struct value *v, bool first, struct wbuf *out))
{
    bool first = true;
    for (size_t i = 0; i < rd->n; i++) {
        size_t at = backwards ? rd->n - 1 - i : i;
        for (int64_t k = 0; k < rd->counts[at] && most > 0; k++, most--) {
            put_cb(rd, &rd->values[at], first, out);
            first = false;
            if (out->len > LIST_BYTES)
                return "what is made of a group's values is longer than 512 KiB";
        }
    }
    return NULL;
}

static void put_text(const struct reading *rd, const struct value *v, bool first, struct wbuf *out)
{
    if (!first)
        wbuf_str(out, rd->acc->agg->param.s);
    wbuf_str(out, v->s);
}

static void put_element(const struct reading *rd, const struct value *v, bool first, struct wbuf *out)
{
    (void)rd, (void)first;
    key_encode_value(v, out);
}

/* A text, or an array, whose bytes are those of its elements. */
static const char *make_list(const struct reading *rd, struct value *out)
{
    const struct agg *agg = rd->acc->agg;
    bool top = agg->kind == AGG_TOPK || agg->kind == AGG_TOPKDISTINCT, text = agg->kind == AGG_STRING_AGG;
    struct wbuf bytes;
    wbuf_init(&bytes);
    const char *why = each(rd, agg->descending || top, top ? agg->param.i : INT64_MAX, &bytes, text ? put_text : put_element);
    out->null = why || rd->n == 0;
    if (!out->null)
        out->s = arena_dup(rd->a, wbuf_view(&bytes));
    wbuf_fini(&bytes);
    return why;
}

/* A map's bytes: key, value, ... by key, as the values come. */
static const char *make_histogram(const struct reading *rd, struct value *out)
{
    struct wbuf bytes;
    wbuf_init(&bytes);
    for (size_t i = 0; i < rd->n && bytes.len <= LIST_BYTES; i++) {
        struct value n = {.type = TYPE(T_BIGINT), .i = rd->counts[i]};
        key_encode_value(&rd->values[i], &bytes);
        key_encode_value(&n, &bytes);
    }
    bool fits = bytes.len <= LIST_BYTES;
    out->null = !fits || rd->n == 0;
    if (!out->null)
        out->s = arena_dup(rd->a, wbuf_view(&bytes));
    wbuf_fini(&bytes);
    return fits ? NULL : "what is made of a group's values is longer than 512 KiB";
}

/* The value with so many others below it. */
static double nth(const struct reading *rd, int64_t place)
{
    size_t i = 0;
    while (place >= rd->counts[i])
        place -= rd->counts[i++];
    return rd->values[i].f;
}

static void percentile(const struct reading *rd, double part, struct value *out)
{
    out->null = rd->n == 0;
    if (out->null)
        return;
    double at = part * (double)(rd->all - 1);
    int64_t below = (int64_t)at;
    double low = nth(rd, below), high = below + 1 < rd->all ? nth(rd, below + 1) : low;
    out->f = low == high ? low : low + (high - low) * (at - (double)below);
}

const char *acc_look_up(const struct acc *acc, const struct kv *values, struct str prefix, struct value *out, struct arena *a)
{
    struct reading rd = {.acc = acc, .prefix = prefix, .a = a};
    *out = value_null(acc->result);
    switch (acc->kind) {
    case AGG_MIN:
    case AGG_SINGLE:
    case AGG_EARLIEST:
    case AGG_ARG_MIN:
        *out = end_value(&rd, values, false);
        return NULL;
    case AGG_MAX:
    case AGG_LATEST:
    case AGG_ARG_MAX:
        *out = end_value(&rd, values, true);
        return NULL;
    default:
        kv_scan(values, prefix, read_cb, &rd);
    }
    switch (acc->kind) {
    case AGG_MEDIAN:
        percentile(&rd, 0.5, out);
        return NULL;
    case AGG_PERCENTILE:
        percentile(&rd, acc->agg->param.f, out);
        return NULL;
    case AGG_ATTR:
        if (rd.n == 1)
            *out = rd.values[0];
        return NULL;
    case AGG_HISTOGRAM:
        return make_histogram(&rd, out);
    default:
        return make_list(&rd, out);
    }
}
