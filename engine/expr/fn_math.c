#include "engine/expr/kernel.h"
#include <math.h>
#include <stdio.h>

/* Arithmetic on INT, BIGINT and DOUBLE, and mathematical functions. Whole numbers are computed for all rows at once;
 * only if one overflowed (it may be a NULL row's) are the rows looked at singly. A function of finite numbers that has
 * no finite value (logarithm of -1) is an error of its row. */

/* ---- overflow-checked whole numbers */

#define CHECKED(name, T, member, builtin)                                                                              \
    KERNEL(name)                                                                                                       \
    {                                                                                                                  \
        bool over = false;                                                                                             \
        BINARY_LOOP(c, T, member, T, member, T, member, {                                                              \
            T v;                                                                                                       \
            over |= builtin(x, y, &v);                                                                                 \
            o[r] = v;                                                                                                  \
        });                                                                                                            \
        if (!over)                                                                                                     \
            return;                                                                                                    \
        ROWS_VALID (c, r) {                                                                                            \
            T v;                                                                                                       \
            if (builtin(c->args[0]->member[r & c->mask[0]], c->args[1]->member[r & c->mask[1]], &v))                   \
                call_fail(c, r, "result is out of range");                                                             \
        }                                                                                                              \
    }
CHECKED(add_int, int32_t, i32, __builtin_add_overflow)
CHECKED(sub_int, int32_t, i32, __builtin_sub_overflow)
CHECKED(mul_int, int32_t, i32, __builtin_mul_overflow)
CHECKED(add_bigint, int64_t, i64, __builtin_add_overflow)
CHECKED(sub_bigint, int64_t, i64, __builtin_sub_overflow)
CHECKED(mul_bigint, int64_t, i64, __builtin_mul_overflow)

#define DIVIDED(name, T, member, min, op, at_min)                                                                      \
    KERNEL(name)                                                                                                       \
    {                                                                                                                  \
        ROWS_VALID (c, r) {                                                                                            \
            T x = c->args[0]->member[r & c->mask[0]], y = c->args[1]->member[r & c->mask[1]];                          \
            if (y == 0)                                                                                                \
                call_fail(c, r, "division by zero");                                                                   \
            else if (y == -1 && x == (min))                                                                            \
                at_min;                                                                                                \
            else                                                                                                       \
                c->out->member[r] = x op y;                                                                            \
        }                                                                                                              \
    }
DIVIDED(div_int, int32_t, i32, INT32_MIN, /, call_fail(c, r, "result is out of range"))
DIVIDED(div_bigint, int64_t, i64, INT64_MIN, /, call_fail(c, r, "result is out of range"))
DIVIDED(mod_int, int32_t, i32, INT32_MIN, %, c->out->i32[r] = 0)
DIVIDED(mod_bigint, int64_t, i64, INT64_MIN, %, c->out->i64[r] = 0)

#define NEGATED(name, T, member, min, value)                                                                           \
    KERNEL(name)                                                                                                       \
    {                                                                                                                  \
        ROWS_VALID (c, r) {                                                                                            \
            T x = c->args[0]->member[r & c->mask[0]];                                                                  \
            if (x == (min))                                                                                            \
                call_fail(c, r, "result is out of range");                                                             \
            else                                                                                                       \
                c->out->member[r] = value;                                                                             \
        }                                                                                                              \
    }
NEGATED(negate_int, int32_t, i32, INT32_MIN, -x)
NEGATED(negate_bigint, int64_t, i64, INT64_MIN, -x)
NEGATED(abs_int, int32_t, i32, INT32_MIN, x < 0 ? -x : x)
NEGATED(abs_bigint, int64_t, i64, INT64_MIN, x < 0 ? -x : x)

KERNEL(sign_int) { UNARY_LOOP(c, int32_t, i32, int32_t, i32, o[r] = (x > 0) - (x < 0)); }
KERNEL(sign_bigint) { UNARY_LOOP(c, int64_t, i64, int32_t, i32, o[r] = (x > 0) - (x < 0)); }

/* ---- doubles */

KERNEL(add_double) { BINARY_LOOP(c, double, f64, double, f64, double, f64, o[r] = x + y); }
KERNEL(sub_double) { BINARY_LOOP(c, double, f64, double, f64, double, f64, o[r] = x - y); }
KERNEL(mul_double) { BINARY_LOOP(c, double, f64, double, f64, double, f64, o[r] = x * y); }
KERNEL(negate_double) { UNARY_LOOP(c, double, f64, double, f64, o[r] = -x); }
KERNEL(abs_double) { UNARY_LOOP(c, double, f64, double, f64, o[r] = fabs(x)); }
KERNEL(sign_double) { UNARY_LOOP(c, double, f64, int32_t, i32, o[r] = (x > 0) - (x < 0)); }
KERNEL(ceil_double) { UNARY_LOOP(c, double, f64, double, f64, o[r] = ceil(x)); }
KERNEL(floor_double) { UNARY_LOOP(c, double, f64, double, f64, o[r] = floor(x)); }

static void fail_zero_divisors(struct call *c)
{
    ROWS_VALID (c, r)
        if (arg_f64(c, 1, r) == 0)
            call_fail(c, r, "division by zero");
}

KERNEL(div_double)
{
    bool zero = false;
    BINARY_LOOP(c, double, f64, double, f64, double, f64, {
        zero |= y == 0;
        o[r] = x / y;
    });
    if (zero)
        fail_zero_divisors(c);
}

KERNEL(mod_double)
{
    BINARY_LOOP(c, double, f64, double, f64, double, f64, o[r] = fmod(x, y));
    fail_zero_divisors(c);
}

/* Finite arguments must give a finite value. */
#define UNARY_MATH(name, expression)                                                                                   \
    KERNEL(name)                                                                                                       \
    {                                                                                                                  \
        ROWS_VALID (c, r) {                                                                                            \
            double x = arg_f64(c, 0, r), v = expression;                                                               \
            if (isfinite(x) && !isfinite(v))                                                                           \
                call_fail(c, r, "argument is out of the function's range");                                            \
            else                                                                                                       \
                c->out->f64[r] = v;                                                                                    \
        }                                                                                                              \
    }
#define BINARY_MATH(name, expression)                                                                                  \
    KERNEL(name)                                                                                                       \
    {                                                                                                                  \
        ROWS_VALID (c, r) {                                                                                            \
            double x = arg_f64(c, 0, r), y = arg_f64(c, 1, r), v = expression;                                         \
            if (isfinite(x) && isfinite(y) && !isfinite(v))                                                            \
                call_fail(c, r, "argument is out of the function's range");                                            \
            else                                                                                                       \
                c->out->f64[r] = v;                                                                                    \
        }                                                                                                              \
    }
UNARY_MATH(math_acos, acos(x))
UNARY_MATH(math_asin, asin(x))
UNARY_MATH(math_atan, atan(x))
UNARY_MATH(math_cbrt, cbrt(x))
UNARY_MATH(math_cos, cos(x))
UNARY_MATH(math_cosh, cosh(x))
UNARY_MATH(math_cot, 1 / tan(x))
UNARY_MATH(math_degrees, x * (180 / M_PI))
UNARY_MATH(math_exp, exp(x))
UNARY_MATH(math_ln, log(x))
UNARY_MATH(math_radians, x / 180 * M_PI)
UNARY_MATH(math_sin, sin(x))
UNARY_MATH(math_sinh, sinh(x))
UNARY_MATH(math_sqrt, sqrt(x))
UNARY_MATH(math_tan, tan(x))
UNARY_MATH(math_tanh, tanh(x))
BINARY_MATH(math_atan2, atan2(x, y))
BINARY_MATH(math_power, pow(x, y))
BINARY_MATH(math_log_base, log(y) / log(x))

KERNEL(math_pi)
{
    ROWS (c, r)
        c->out->f64[r] = M_PI;
}

KERNEL(math_random)
{
    ROWS (c, r) {
        if (c->ctx)
            c->out->f64[r] = random_unit(&c->ctx->random);
        else
            call_fail(c, r, "there is no source of chance here");
    }
}

/* ---- rounding doubles */

static void to_bigint(struct call *c, uint32_t r, double v)
{
    if (v >= -0x1p63 && v < 0x1p63)
        c->out->i64[r] = (int64_t)v;
    else
        call_fail(c, r, "result is out of range");
}

KERNEL(round_double)
{
    ROWS_VALID (c, r) {
        double x = arg_f64(c, 0, r), down = floor(x);
        to_bigint(c, r, down + (x - down >= 0.5)); /* x + 0.5 itself may round */
    }
}

KERNEL(trunc_double)
{
    ROWS_VALID (c, r)
        to_bigint(c, r, trunc(arg_f64(c, 0, r)));
}

/* By the digits that are printed, as people count them: ROUND(1.005, 2) is 1.01. */
static double cut_digits(double x, int digits, bool round)
{
    char text[64];
    struct number n;
    if (!isfinite(x))
        return x;
    size_t len = double_format(x, text);
    CHECK(number_scan(text, text + len, &n) == text + len);
    int drop = -n.exp10 - MAX(digits, -400);
    if (drop <= 0)
        return x;
    if (drop > 18) /* there are 17 digits at most */
        return 0;
    uint64_t unit = (uint64_t)decimal_pow10((unsigned)drop), rest = n.digits % unit;
    uint64_t cut = n.digits - rest + (round && rest >= unit - rest ? unit : 0);
    len = (size_t)snprintf(text, sizeof text, "%s%" PRIu64 "e%d", n.negative ? "-" : "", cut, n.exp10);
    double v = x;
    CHECK(double_parse((struct str){text, len}, &v));
    return v;
}

static void cut_rows(struct call *c, bool round)
{
    ROWS_VALID (c, r)
        c->out->f64[r] = cut_digits(arg_f64(c, 0, r), arg_i32(c, 1, r), round);
}

KERNEL(round_double_digits) { cut_rows(c, true); }
KERNEL(trunc_double_digits) { cut_rows(c, false); }

KERNEL(geo_distance)
{
    ROWS_VALID (c, r) {
        struct str unit = c->nargs > 4 ? arg_str(c, 4, r) : STR("KM");
        bool miles = str_eq_nocase(unit, STR("MI"));
        if (!miles && !str_eq_nocase(unit, STR("KM"))) {
            call_fail(c, r, "the unit of GEO_DISTANCE is 'KM' or 'MI'");
            continue;
        }
        double lat1 = arg_f64(c, 0, r) / 180 * M_PI, lat2 = arg_f64(c, 2, r) / 180 * M_PI;
        double dlat = lat2 - lat1, dlon = (arg_f64(c, 3, r) - arg_f64(c, 1, r)) / 180 * M_PI;
        double h = sin(dlat / 2) * sin(dlat / 2) + sin(dlon / 2) * sin(dlon / 2) * cos(lat1) * cos(lat2);
        c->out->f64[r] = 2 * asin(sqrt(fmin(1, h))) * (miles ? 3959 : 6371);
    }
}
