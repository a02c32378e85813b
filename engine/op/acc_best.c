#include "engine/op/acc.h"

/* The best value so far, of any type; also where the result of what is looked up is kept. And the best pair of what it is
 * judged by and a value, as the key bytes of both. */

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

static void best_free(const struct acc *acc, struct group *g)
{
    struct best_acc *best = acc_at(acc, g);
    if (acc->cls == ACC_TEXT && best->s.p) {
        account_sub(acc->account, best->s.cap);
        xfree(best->s.p);
    }
}

static struct value best_value(const struct acc *acc, const struct best_acc *a)
{
    struct value v = {.type = acc->kept, .null = !a->has};
    if (!a->has)
        return v;
    if (acc->cls == ACC_DOUBLE)
        v.f = a->f;
    else if (acc->cls == ACC_DECIMAL)
        v.d = a->d;
    else if (acc->cls == ACC_TEXT)
        v.s = (struct str){a->s.p ? a->s.p : "", a->s.len};
    else if (acc->kept.id == T_BOOLEAN)
        v.b = a->i != 0;
    else
        v.i = a->i;
    return v;
}

static void best_set_text(const struct acc *acc, struct best_acc *a, struct str s)
{
    CHECK(s.len <= UINT32_MAX / 2);
    if (s.len > a->s.cap) {
        char *p = xalloc(s.len); /* s may be a's own */
        memcpy(p, s.ptr, s.len);
        account_add(acc->account, s.len);
        if (a->s.p) {
            account_sub(acc->account, a->s.cap);
            xfree(a->s.p);
        }
        a->s.p = p;
        a->s.cap = (uint32_t)s.len;
    } else if (s.len) {
        memmove(a->s.p, s.ptr, s.len);
    }
    a->s.len = (uint32_t)s.len;
}

static void best_set(const struct acc *acc, struct best_acc *a, const struct value *v)
{
    a->has = !v->null;
    if (v->null)
        return;
    if (acc->cls == ACC_WHOLE)
        a->i = v->type.id == T_BOOLEAN ? v->b : v->i;
    else if (acc->cls == ACC_DOUBLE)
        a->f = v->f;
    else if (acc->cls == ACC_DECIMAL)
        a->d = v->d;
    else
        best_set_text(acc, a, v->s);
}

void acc_set(const struct acc *acc, struct group *g, const struct value *v)
{
    CHECK(acc->looked_up);
    best_set(acc, acc_at(acc, g), v);
}

#define BETTER(new, old) (!a->has || (max ? (new) > (old) : (new) < (old)))

/* Any type, through values: text, and doubles because of NaN. */
static void update_value(const struct acc *acc, const struct acc_rows *r, const struct vec *arg)
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

static void best_update(const struct acc *acc, const struct acc_rows *r, const struct vec *arg, const struct vec *arg2)
{
    (void)arg2;
    bool max = acc->kind == AGG_MAX;
    if (acc->cls == ACC_WHOLE) {
        EACH_ROW(r, arg, best_acc, acc)
        {
            int64_t v = acc_whole(arg, r->rows[i]);
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
        update_value(acc, r, arg);
    }
}

static void best_merge(const struct acc *acc, const struct acc_rows *r, const struct vec *cols)
{
    best_update(acc, r, &cols[0], NULL);
}

static void best_partial(const struct acc *acc, const struct group *g, struct batch *out, unsigned col, uint32_t row)
{
    struct value best = best_value(acc, acc_at(acc, g));
    batch_set_value(out, col, row, &best, ENGINE_BATCH_ROWS);
}

static const char *best_result(const struct acc *acc, const struct group *g, struct value *out, struct arena *a)
{
    (void)a;
    if (acc->kind == AGG_SINGLE && g->rows > 1)
        return "a query in the place of a value gave more than one row";
    *out = best_value(acc, acc_at(acc, g));
    return NULL;
}

static void best_save(const struct acc *acc, const struct group *g, struct wbuf *out)
{
    struct value v = best_value(acc, acc_at(acc, g));
    key_encode_value(&v, out);
}

static bool best_load(const struct acc *acc, struct group *g, struct rbuf *r, struct arena *a)
{
    struct str bytes = {(const char *)r->ptr, rbuf_left(r)};
    struct value v;
    if (key_decode(&bytes, acc->kept, &v, a))
        return false;
    *r = rbuf_of(bytes.ptr, bytes.len);
    best_set(acc, acc_at(acc, g), &v);
    return true;
}

const struct acc_form acc_best = {
    .size = sizeof(struct best_acc),
    .update = best_update,
    .merge = best_merge,
    .partial = best_partial,
    .result = best_result,
    .save = best_save,
    .load = best_load,
    .free = best_free,
};

/* ---- Pairs: the smallest or the largest key bytes win, so of rows that are judged alike the smallest or largest value. */

static bool takes_max(const struct acc *acc) { return acc->kind == AGG_LATEST || acc->kind == AGG_ARG_MAX; }

static void pair_offer(const struct acc *acc, struct best_acc *a, struct str pair)
{
    int cmp = a->has ? str_cmp(pair, (struct str){a->s.p, a->s.len}) : 0;
    if (a->has && (takes_max(acc) ? cmp <= 0 : cmp >= 0))
        return;
    best_set_text(acc, a, pair);
    a->has = true;
}

static void pair_update(const struct acc *acc, const struct acc_rows *r, const struct vec *arg, const struct vec *arg2)
{
    struct wbuf key;
    wbuf_init(&key);
    for (uint32_t i = 0; i < r->n; i++)
        if (acc_value_key(acc, r, i, arg, arg2, &key))
            pair_offer(acc, acc_at(acc, r->groups[i]), wbuf_view(&key));
    wbuf_fini(&key);
}

static void pair_merge(const struct acc *acc, const struct acc_rows *r, const struct vec *cols)
{
    EACH_ROW(r, &cols[0], best_acc, acc)
    pair_offer(acc, a, batch_str(r->b, &cols[0], r->rows[i]));
}

static const char *pair_result(const struct acc *acc, const struct group *g, struct value *out, struct arena *arena)
{
    const struct best_acc *a = acc_at(acc, g);
    if (!a->has)
        return NULL;
    struct str bytes = {a->s.p, a->s.len};
    struct value by;
    CHECK(key_decode(&bytes, acc->agg->arg2->type, &by, arena) == 0 && key_decode(&bytes, acc->arg, out, arena) == 0);
    return NULL;
}

static bool pair_load(const struct acc *acc, struct group *g, struct rbuf *r, struct arena *a)
{
    const struct best_acc *best = acc_at(acc, g);
    return best_load(acc, g, r, a) && (!best->has || acc_value_fits(acc, (struct str){best->s.p, best->s.len}, a));
}

const struct acc_form acc_pair = {
    .size = sizeof(struct best_acc),
    .update = pair_update,
    .merge = pair_merge,
    .partial = best_partial,
    .result = pair_result,
    .save = best_save,
    .load = pair_load,
    .free = best_free,
};
