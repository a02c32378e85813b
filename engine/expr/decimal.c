#include "engine/expr/kernel.h"

/* Decimal arithmetic with 256-bit intermediates, kernels of + - * / % and of rounding. Results round half up (away from
 * zero), as ksqlDB's do; what does not fit the result type is an error of its row. */

typedef unsigned __int128 u128;
struct u256 {
    u128 low, high;
};

static u128 magnitude(i128 v) { return v < 0 ? -(u128)v : (u128)v; }

static struct u256 multiply(u128 a, u128 b)
{
    uint64_t a0 = (uint64_t)a, a1 = (uint64_t)(a >> 64), b0 = (uint64_t)b, b1 = (uint64_t)(b >> 64);
    u128 low = (u128)a0 * b0, cross1 = (u128)a1 * b0, cross2 = (u128)a0 * b1, high = (u128)a1 * b1;
    u128 middle = (low >> 64) + (uint64_t)cross1 + (uint64_t)cross2;
    return (struct u256){(middle << 64) | (uint64_t)low, high + (cross1 >> 64) + (cross2 >> 64) + (middle >> 64)};
}

/* v / d, rounded half up; false if it does not fit 127 bits. Bit by bit: only what overflows 128 bits comes here. */
static bool divide(struct u256 v, u128 d, u128 *out)
{
    if (v.high >= d)
        return false;
    u128 rest = v.high, quotient = 0;
    for (int i = 127; i >= 0; i--) {
        bool over = rest >> 127;
        rest = rest << 1 | (v.low >> i & 1);
        quotient <<= 1;
        if (over || rest >= d) {
            rest -= d;
            quotient |= 1;
        }
    }
    quotient += rest >= d - rest;
    *out = quotient;
    return !(quotient >> 127);
}

bool decimal_muldiv(i128 a, i128 b, i128 divisor, i128 *out)
{
    bool negative = ((a < 0) != (b < 0)) != (divisor < 0);
    u128 q;
    if (!divide(multiply(magnitude(a), magnitude(b)), magnitude(divisor), &q))
        return false;
    *out = negative ? -(i128)q : (i128)q;
    return true;
}

bool decimal_divide(i128 a, unsigned up, i128 b, i128 *out)
{
    if (up <= 38)
        return decimal_muldiv(a, decimal_pow10(up), b, out);
    /* a * 10^38 must fit 128 bits before the rest comes on top, or the quotient is too large by far. */
    i128 scaled;
    if (__builtin_mul_overflow(a, decimal_pow10(up - 38), &scaled))
        return false;
    return decimal_muldiv(scaled, decimal_pow10(38), b, out);
}

i128 decimal_shift_down(i128 v, unsigned digits)
{
    i128 out = 0;
    if (digits <= 38)
        decimal_muldiv(v, 1, decimal_pow10(digits), &out); /* cannot fail: it only gets smaller */
    return out;
}

bool decimal_rescale(i128 v, unsigned from, unsigned to, i128 *out)
{
    if (to < from) {
        *out = decimal_shift_down(v, from - to);
        return true;
    }
    return !__builtin_mul_overflow(v, decimal_pow10(to - from), out);
}

/* ---- kernels */

static void store(struct call *c, uint32_t r, bool fits, i128 v)
{
    if (fits && decimal_fits(v, c->out->type.precision))
        c->out->i128[r] = v;
    else
        call_fail(c, r, "result does not fit its DECIMAL type");
}

static void add_signed(struct call *c, int sign)
{
    unsigned sa = c->args[0]->type.scale, sb = c->args[1]->type.scale, s = c->out->type.scale;
    ROWS_VALID (c, r) {
        i128 a, b, sum = 0;
        bool ok = decimal_rescale(arg_i128(c, 0, r), sa, s, &a) && decimal_rescale(arg_i128(c, 1, r), sb, s, &b) &&
                  !__builtin_add_overflow(a, sign * b, &sum);
        store(c, r, ok, sum);
    }
}

KERNEL(add_decimal) { add_signed(c, 1); }
KERNEL(sub_decimal) { add_signed(c, -1); }

KERNEL(mul_decimal)
{
    unsigned from = c->args[0]->type.scale + c->args[1]->type.scale, to = c->out->type.scale;
    ROWS_VALID (c, r) {
        i128 product = 0;
        bool ok = from == to ? !__builtin_mul_overflow(arg_i128(c, 0, r), arg_i128(c, 1, r), &product)
                             : decimal_muldiv(arg_i128(c, 0, r), arg_i128(c, 1, r), decimal_pow10(from - to), &product);
        store(c, r, ok, product);
    }
}

KERNEL(div_decimal)
{
    unsigned s1 = c->args[0]->type.scale, s2 = c->args[1]->type.scale;
    int up = c->out->type.scale + (int)s2 - (int)s1;
    ROWS_VALID (c, r) {
        i128 a = arg_i128(c, 0, r), b = arg_i128(c, 1, r), q = 0;
        if (b == 0) {
            call_fail(c, r, "division by zero");
            continue;
        }
        /* Fewer digits behind the point than the dividend has: divide first by what is too much. */
        bool ok = up >= 0 ? decimal_divide(a, (unsigned)up, b, &q)
                          : !__builtin_mul_overflow(b, decimal_pow10((unsigned)-up), &b) && decimal_muldiv(a, 1, b, &q);
        store(c, r, ok, q);
    }
}

KERNEL(mod_decimal)
{
    unsigned sa = c->args[0]->type.scale, sb = c->args[1]->type.scale, s = MAX(sa, sb);
    ROWS_VALID (c, r) {
        i128 a = 0, b = 0;
        bool ok = decimal_rescale(arg_i128(c, 0, r), sa, s, &a) && decimal_rescale(arg_i128(c, 1, r), sb, s, &b);
        if (ok && b == 0)
            call_fail(c, r, "division by zero");
        else
            store(c, r, ok, ok ? a % b : 0);
    }
}

KERNEL(negate_decimal) { UNARY_LOOP(c, i128, i128, i128, i128, o[r] = (i128)-(u128)x); }
KERNEL(abs_decimal) { UNARY_LOOP(c, i128, i128, i128, i128, o[r] = (i128)magnitude(x)); }
KERNEL(sign_decimal) { UNARY_LOOP(c, i128, i128, int32_t, i32, o[r] = (x > 0) - (x < 0)); }

/* ---- rounding. The value is cut to `digits` behind the point (negative: zeros before it), then brought to out's
 * scale. */

enum cut { CUT_HALF_UP, CUT_ZERO, CUT_FLOOR, CUT_CEIL };

static i128 cut_to(i128 v, unsigned scale, int digits, enum cut how)
{
    int drop = (int)scale - digits;
    if (drop <= 0)
        return v;
    if (drop > 38)
        return 0;
    i128 unit = decimal_pow10((unsigned)drop), rest = v % unit, cut = v - rest;
    bool away = how == CUT_HALF_UP ? magnitude(rest) >= magnitude(unit) - magnitude(rest)
                : how == CUT_FLOOR ? rest < 0
                                   : how == CUT_CEIL && rest > 0;
    i128 moved;
    if (!away || __builtin_add_overflow(cut, v < 0 ? -unit : unit, &moved))
        return cut;
    return moved;
}

static void cut_rows(struct call *c, enum cut how, bool has_digits)
{
    unsigned from = c->args[0]->type.scale, to = c->out->type.scale;
    ROWS_VALID (c, r) {
        int digits = has_digits ? arg_i32(c, 1, r) : 0;
        i128 v = 0;
        bool ok = decimal_rescale(cut_to(arg_i128(c, 0, r), from, MAX(digits, -100), how), from, to, &v);
        store(c, r, ok, v);
    }
}

KERNEL(ceil_decimal) { cut_rows(c, CUT_CEIL, false); }
KERNEL(floor_decimal) { cut_rows(c, CUT_FLOOR, false); }
KERNEL(round_decimal) { cut_rows(c, CUT_HALF_UP, false); }
KERNEL(trunc_decimal) { cut_rows(c, CUT_ZERO, false); }
KERNEL(round_decimal_digits) { cut_rows(c, CUT_HALF_UP, true); }
KERNEL(trunc_decimal_digits) { cut_rows(c, CUT_ZERO, true); }
