#include "engine/expr/kernel.h"
#include "log/base/map.h"

/* Comparisons, which also order GREATEST and LEAST; IN; LIKE lives in fn_like.c. NaN equals itself and is above all
 * other numbers, as in keys. Texts compare by their bytes. */

/* ---- order of two values of one column type */

static int text_order(const struct batch *b, const struct vec *va, uint32_t ra, const struct vec *vb, uint32_t rb)
{
    const struct sview *x = &va->s[ra], *y = &vb->s[rb];
    /* inl and prefix begin at the same place: the first four bytes decide most comparisons */
    if (x->len >= 4 && y->len >= 4 && memcmp(x->inl, y->inl, 4) != 0)
        return memcmp(x->inl, y->inl, 4);
    return str_cmp(batch_str(b, va, ra), batch_str(b, vb, rb));
}

static bool text_equal(const struct batch *b, const struct vec *va, uint32_t ra, const struct vec *vb, uint32_t rb)
{
    const struct sview *x = &va->s[ra], *y = &vb->s[rb];
    if (x->len != y->len || memcmp(x->inl, y->inl, 4) != 0)
        return false;
    if (x->len <= sizeof x->inl)
        return memcmp(x->inl, y->inl, sizeof x->inl) == 0; /* unused bytes are zero */
    return memcmp(batch_str(b, va, ra).ptr, batch_str(b, vb, rb).ptr, x->len) == 0;
}

#define ORDER(x, y) (((x) > (y)) - ((x) < (y)))
#define ORDER_DOUBLE(x, y) ((x) != (x) || (y) != (y) ? ((x) != (x)) - ((y) != (y)) : ORDER(x, y))

/* One loop per operator and type; REL compares the plain values, or an order with 0. */
#define COMPARE(name, REL, TEXT)                                                                                       \
    KERNEL(name)                                                                                                       \
    {                                                                                                                  \
        switch (c->args[0]->type.id) {                                                                                 \
        case T_BOOLEAN:                                                                                                \
            BINARY_LOOP(c, uint8_t, b, uint8_t, b, uint8_t, b, o[r] = x REL y);                                        \
            break;                                                                                                     \
        case T_INT:                                                                                                    \
        case T_DATE:                                                                                                   \
        case T_TIME:                                                                                                   \
            BINARY_LOOP(c, int32_t, i32, int32_t, i32, uint8_t, b, o[r] = x REL y);                                    \
            break;                                                                                                     \
        case T_BIGINT:                                                                                                 \
        case T_TIMESTAMP:                                                                                              \
        case T_INTERVAL:                                                                                               \
            BINARY_LOOP(c, int64_t, i64, int64_t, i64, uint8_t, b, o[r] = x REL y);                                    \
            break;                                                                                                     \
        case T_DOUBLE:                                                                                                 \
            BINARY_LOOP(c, double, f64, double, f64, uint8_t, b, o[r] = ORDER_DOUBLE(x, y) REL 0);                     \
            break;                                                                                                     \
        case T_DECIMAL:                                                                                                \
            BINARY_LOOP(c, i128, i128, i128, i128, uint8_t, b, o[r] = x REL y);                                        \
            break;                                                                                                     \
        case T_VARCHAR:                                                                                                \
        case T_BYTES:                                                                                                  \
        case T_ARRAY: /* their bytes have the order of their parts */                                                  \
        case T_MAP:                                                                                                    \
        case T_STRUCT:                                                                                                 \
            ROWS_VALID (c, r) {                                                                                        \
                uint32_t ra = r & c->mask[0], rb = r & c->mask[1];                                                     \
                c->out->b[r] = TEXT;                                                                                   \
            }                                                                                                          \
            break;                                                                                                     \
        default:                                                                                                       \
            CHECK(c->args[0]->type.id == T_NULL); /* all rows are NULL */                                              \
        }                                                                                                              \
    }
#define TEXT_ORDER text_order(c->b, c->args[0], ra, c->args[1], rb)
#define TEXT_EQUAL text_equal(c->b, c->args[0], ra, c->args[1], rb)
COMPARE(compare_eq, ==, TEXT_EQUAL)
COMPARE(compare_ne, !=, !TEXT_EQUAL)
COMPARE(compare_lt, <, TEXT_ORDER < 0)
COMPARE(compare_le, <=, TEXT_ORDER <= 0)
COMPARE(compare_gt, >, TEXT_ORDER > 0)
COMPARE(compare_ge, >=, TEXT_ORDER >= 0)

/* Both not NULL. */
static int order(const struct call *c, unsigned i, unsigned j, uint32_t r)
{
    const struct vec *a = c->args[i], *b = c->args[j];
    uint32_t ra = r & c->mask[i], rb = r & c->mask[j];
    switch (a->type.id) {
    case T_BOOLEAN:
        return ORDER(a->b[ra], b->b[rb]);
    case T_INT:
    case T_DATE:
    case T_TIME:
        return ORDER(a->i32[ra], b->i32[rb]);
    case T_DOUBLE:
        return ORDER_DOUBLE(a->f64[ra], b->f64[rb]);
    case T_DECIMAL:
        return ORDER(a->i128[ra], b->i128[rb]);
    case T_VARCHAR:
    case T_BYTES:
    case T_ARRAY:
    case T_MAP:
    case T_STRUCT:
        return text_order(c->b, a, ra, b, rb);
    default:
        return ORDER(a->i64[ra], b->i64[rb]);
    }
}

static bool distinct(const struct call *c, uint32_t r)
{
    bool a = arg_null(c, 0, r), b = arg_null(c, 1, r);
    return a || b ? a != b : order(c, 0, 1, r) != 0;
}

KERNEL(distinct_from)
{
    ROWS (c, r)
        c->out->b[r] = distinct(c, r);
}

KERNEL(not_distinct_from)
{
    ROWS (c, r)
        c->out->b[r] = !distinct(c, r);
}

/* ---- the extreme of several */

static void copy_arg(struct call *c, unsigned i, uint32_t r)
{
    size_t w = type_width(c->out->type);
    memcpy((char *)c->out->data + r * w, (char *)c->args[i]->data + (r & c->mask[i]) * w, w);
}

static void extreme(struct call *c, int sign)
{
    ROWS (c, r) {
        unsigned best = c->nargs;
        for (unsigned i = 0; i < c->nargs; i++)
            if (!arg_null(c, i, r) && (best == c->nargs || order(c, i, best, r) * sign > 0))
                best = i;
        if (best == c->nargs)
            call_null(c, r);
        else
            copy_arg(c, best, r);
    }
}

KERNEL(greatest) { extreme(c, 1); }
KERNEL(least) { extreme(c, -1); }

/* ---- the same value, perhaps under another name for its type */

KERNEL(same)
{
    size_t w = type_width(c->out->type);
    if (!c->sel && c->mask[0]) {
        memcpy(c->out->data, c->args[0]->data, c->n * w);
        return;
    }
    ROWS (c, r)
        copy_arg(c, 0, r);
}

/* ---- args[0] IN (args[1..]): true if it equals one, else NULL if one is NULL, else false */

/* Lists of constants that are longer than this are looked up by their key bytes; comparing a few is faster. */
#define IN_COMPARED 8

struct in_set {
    struct map keys;
    bool has_null;
    struct wbuf key;
};

static void in_set_free(void *made)
{
    struct in_set *set = made;
    map_fini(&set->keys);
    wbuf_fini(&set->key);
    xfree(set);
}

static struct in_set *in_set_new(const struct call *c)
{
    struct in_set *set = xzalloc(sizeof *set);
    map_init(&set->keys);
    wbuf_init(&set->key);
    for (unsigned i = 1; i < c->nargs; i++) {
        struct value v = arg_value(c, i, 0);
        set->has_null |= v.null;
        wbuf_reset(&set->key);
        key_encode_value(&v, &set->key);
        if (!v.null)
            map_put(&set->keys, wbuf_view(&set->key), set);
    }
    return set;
}

static bool all_constant(const struct call *c)
{
    for (unsigned i = 1; i < c->nargs; i++)
        if (c->mask[i])
            return false;
    return true;
}

/* 0 no, 1 yes, 2 unknown. */
static unsigned in_compared(const struct call *c, uint32_t r)
{
    bool null = false;
    for (unsigned i = 1; i < c->nargs; i++) {
        if (arg_null(c, i, r))
            null = true;
        else if (order(c, 0, i, r) == 0)
            return 1;
    }
    return null ? 2 : 0;
}

static unsigned in_looked_up(const struct call *c, struct in_set *set, uint32_t r)
{
    struct value v = arg_value(c, 0, r);
    wbuf_reset(&set->key);
    key_encode_value(&v, &set->key);
    if (map_get(&set->keys, wbuf_view(&set->key)))
        return 1;
    return set->has_null ? 2 : 0;
}

KERNEL(in_list)
{
    struct in_set *set = NULL;
    if (c->nargs > IN_COMPARED + 1 && all_constant(c)) {
        if (!c->cache[0].made)
            cached_set(&c->cache[0], STR(""), in_set_new(c), in_set_free);
        set = c->cache[0].made;
    }
    ROWS_VALID (c, r) {
        unsigned t = arg_null(c, 0, r) ? 2 : set ? in_looked_up(c, set, r) : in_compared(c, r);
        c->out->b[r] = t == 1;
        if (t == 2)
            call_null(c, r);
    }
}

/* ---- three-valued logic of whole columns */

KERNEL(logic_not) { UNARY_LOOP(c, uint8_t, b, uint8_t, b, o[r] = !x); }

KERNEL(logic_is_null)
{
    if (!c->args[0]->valid && c->args[0]->type.id != T_NULL) {
        ROWS (c, r)
            c->out->b[r] = 0;
        return;
    }
    ROWS (c, r)
        c->out->b[r] = arg_null(c, 0, r);
}
