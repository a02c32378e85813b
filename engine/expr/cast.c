#include "engine/expr/kernel.h"

/* CAST: which types go to which, one value, and whole columns (the common widenings in loops of their own, the rest
 * value by value).
 *
 *   to VARCHAR       from everything, as value_format writes it (BYTES: refused, FROM_BYTES says in which encoding)
 *   from VARCHAR     to everything but BYTES: numbers as people write them, true/false/yes/no/t/f/y/n, ISO 8601
 *   between numbers  a DOUBLE or DECIMAL to a whole number is cut towards zero; to DECIMAL is rounded half up
 *   BOOLEAN, INTERVAL  to and from VARCHAR only
 *   ARRAY, MAP, STRUCT  to and from JSON in a VARCHAR; to their like, part by part (cast_nested.c)
 *   DATE, TIME, TIMESTAMP  TIMESTAMP to either of its parts, DATE to TIMESTAMP at midnight; BIGINT as ms to TIMESTAMP
 *                    and back, INT as days to DATE, as ms to TIME, and back */

static bool is_number(uint8_t id) { return id == T_INT || id == T_BIGINT || id == T_DOUBLE || id == T_DECIMAL; }

bool type_can_cast(struct type from, struct type to)
{
    uint8_t f = from.id, t = to.id;
    if (f == T_NULL || type_eq(from, to) || (f == t && f != T_INTERVAL && !type_is_nested(from)))
        return true;
    if (f == T_BYTES || t == T_BYTES || t == T_NULL || f == T_LAMBDA || t == T_LAMBDA)
        return false;
    if (type_is_nested(from) && type_is_nested(to))
        return nested_can_cast(from, to);
    if (f == T_VARCHAR || t == T_VARCHAR || (is_number(f) && is_number(t)))
        return true;
    static const uint8_t times[][2] = {{T_DATE, T_TIMESTAMP}, {T_TIMESTAMP, T_DATE}, {T_TIMESTAMP, T_TIME},
                                       {T_BIGINT, T_TIMESTAMP}, {T_TIMESTAMP, T_BIGINT}, {T_INT, T_DATE},
                                       {T_DATE, T_INT}, {T_INT, T_TIME}, {T_TIME, T_INT}};
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        if (f == times[i][0] && t == times[i][1])
            return true;
    return false;
}

#define DAY_MS INT64_C(86400000)

static int64_t days_of(int64_t ms) { return ms / DAY_MS - (ms % DAY_MS < 0); }

static bool fits_i32(int64_t v) { return v >= INT32_MIN && v <= INT32_MAX; }

/* Whole numbers from any number. */
static bool whole_of(const struct value *v, int64_t *out)
{
    switch (v->type.id) {
    case T_DOUBLE:
        if (!(v->f >= -0x1p63 && v->f < 0x1p63))
            return false;
        *out = (int64_t)v->f;
        return true;
    case T_DECIMAL: {
        i128 whole = v->d / decimal_pow10(v->type.scale);
        *out = (int64_t)whole;
        return whole >= INT64_MIN && whole <= INT64_MAX;
    }
    default:
        *out = v->i;
        return true;
    }
}

static bool to_decimal(const struct value *v, struct type to, i128 *out)
{
    switch (v->type.id) {
    case T_DOUBLE: {
        char text[DOUBLE_TEXT];
        size_t n = double_format(v->f, text); /* the digits that people see */
        return decimal_parse((struct str){text, n}, to, true, out);
    }
    case T_DECIMAL:
        return decimal_rescale(v->d, v->type.scale, to.scale, out) && decimal_fits(*out, to.precision);
    default:
        return decimal_rescale(v->i, 0, to.scale, out) && decimal_fits(*out, to.precision);
    }
}

static bool parse_boolean(struct str s, bool *out)
{
    static const char *const words[2][4] = {{"false", "no", "f", "n"}, {"true", "yes", "t", "y"}};
    s = str_trim(s);
    for (unsigned b = 0; b < 2; b++)
        for (unsigned i = 0; i < 4; i++)
            if (str_eq_nocase(s, str_of(words[b][i]))) {
                *out = b;
                return true;
            }
    return false;
}

static bool parse_whole(struct str s, int64_t *out)
{
    s = str_trim(s);
    if (s.len && s.ptr[0] == '+')
        s = (struct str){s.ptr + 1, s.len - 1};
    if (str_to_i64(s, out))
        return true;
    struct value v = {.type = {.id = T_DECIMAL, .precision = 38, .scale = 18}}; /* "1.5" is cut towards zero, as the number 1.5 would be */
    return decimal_parse(s, v.type, true, &v.d) && whole_of(&v, out);
}

static bool from_text(struct str s, struct type to, struct value *out)
{
    int32_t small = 0;
    bool ok;
    switch (to.id) {
    case T_BOOLEAN:
        return parse_boolean(s, &out->b);
    case T_INT:
        return parse_whole(s, &out->i) && fits_i32(out->i);
    case T_BIGINT:
        return parse_whole(s, &out->i);
    case T_DOUBLE:
        return double_parse(s, &out->f);
    case T_DECIMAL:
        return decimal_parse(s, to, true, &out->d);
    case T_TIMESTAMP:
        return timestamp_parse(s, &out->i);
    case T_INTERVAL:
        return interval_parse(s, to, &out->i);
    case T_DATE:
    case T_TIME:
        ok = to.id == T_DATE ? date_parse(s, &small) : time_parse(s, &small);
        out->i = small;
        return ok;
    default:
        return false;
    }
}

static bool to_time_type(const struct value *v, struct type to, struct value *out)
{
    switch (to.id) {
    case T_DATE:
        out->i = v->type.id == T_TIMESTAMP ? days_of(v->i) : v->i;
        return fits_i32(out->i);
    case T_TIME:
        out->i = v->type.id == T_TIMESTAMP ? v->i - days_of(v->i) * DAY_MS : v->i;
        return out->i >= 0 && out->i < DAY_MS;
    default:
        out->i = v->type.id == T_DATE ? v->i * DAY_MS : v->i;
        return true;
    }
}

bool value_cast(const struct value *v, struct type to, struct value *out, struct arena *a)
{
    *out = (struct value){.type = to, .null = v->null};
    if (v->null || v->type.id == T_NULL) {
        out->null = true;
        return true;
    }
    if (!type_can_cast(v->type, to))
        return false;
    if (to.id == T_VARCHAR && v->type.id != T_VARCHAR) {
        struct wbuf w;
        wbuf_init(&w);
        value_format(v, &w);
        out->s = arena_dup(a, wbuf_view(&w));
        wbuf_fini(&w);
        return true;
    }
    if (type_is_nested(to) && !type_eq(v->type, to))
        return nested_cast(v, to, out, a);
    if (v->type.id == T_VARCHAR && to.id != T_VARCHAR)
        return from_text(v->s, to, out);
    switch (to.id) {
    case T_INT:
        return whole_of(v, &out->i) && fits_i32(out->i);
    case T_BIGINT:
        return whole_of(v, &out->i);
    case T_DOUBLE:
        out->f = v->type.id == T_DOUBLE    ? v->f
                 : v->type.id == T_DECIMAL ? decimal_double(v->d, v->type.scale)
                                           : (double)v->i;
        return true;
    case T_DECIMAL:
        return to_decimal(v, to, &out->d);
    case T_DATE:
    case T_TIME:
    case T_TIMESTAMP:
        return to_time_type(v, to, out);
    default: { /* the same type */
        struct type kept = out->type;
        *out = *v;
        out->type = kept;
        return true;
    }
    }
}

/* ---- columns */

static KERNEL(int_to_bigint) { UNARY_LOOP(c, int32_t, i32, int64_t, i64, o[r] = x); }
static KERNEL(int_to_double) { UNARY_LOOP(c, int32_t, i32, double, f64, o[r] = x); }
static KERNEL(bigint_to_double) { UNARY_LOOP(c, int64_t, i64, double, f64, o[r] = (double)x); }
static KERNEL(date_to_timestamp) { UNARY_LOOP(c, int32_t, i32, int64_t, i64, o[r] = x * DAY_MS); }
static KERNEL(null_to_any)
{
    ROWS (c, r)
        call_null(c, r);
}

static KERNEL(value_by_value)
{
    ROWS_VALID (c, r) {
        struct value v = arg_value(c, 0, r), to;
        if (value_cast(&v, c->out->type, &to, c->arena))
            out_value(c, r, &to);
        else
            call_fail(c, r, "value cannot be cast to the type");
    }
}

kernel_fn cast_kernel(struct type from, struct type to)
{
    static const struct {
        uint8_t from, to;
        kernel_fn kernel;
    } fast[] = {{T_INT, T_BIGINT, int_to_bigint},
                {T_INT, T_DOUBLE, int_to_double},
                {T_BIGINT, T_DOUBLE, bigint_to_double},
                {T_DATE, T_TIMESTAMP, date_to_timestamp},
                {T_BIGINT, T_TIMESTAMP, same},
                {T_TIMESTAMP, T_BIGINT, same},
                {T_INT, T_DATE, same},
                {T_DATE, T_INT, same}};
    if (from.id == T_NULL)
        return null_to_any;
    if (type_eq(from, to))
        return same;
    for (size_t i = 0; i < ARRAY_LEN(fast); i++)
        if (fast[i].from == from.id && fast[i].to == to.id)
            return fast[i].kernel;
    return value_by_value;
}
