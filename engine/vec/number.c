#include "engine/vec/vec.h"
#include "log/base/buf.h"
#include "pow10.h"
#include <locale.h>
#include <math.h>
#include <stdlib.h>

/* Numbers and text. Both ways rest on one table of powers of ten with 128 bits (gen_pow10.c).
 *
 * Reading: digits times the power, rounded once with the lower and once with the upper bound of what the truncated
 * power (and truncated digits) leave open; where both agree, that is the correctly rounded double (the idea of Eisel
 * and Lemire, "Number Parsing at a Gigabyte per Second", 2021); where not, strtod decides.
 * Writing: Raffaello Giulietti's Schubfach ("The Schubfach way to render doubles", 2021), which gives the shortest
 * digits, and of these the closest. */

typedef unsigned __int128 u128;

/* ---- integers */

static const char pairs[] = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444"
                            "5464748495051525354555657585960616263646566676869707172737475767778798081828384858687888990"
                            "919293949596979899";

static unsigned u64_digits(uint64_t v)
{
    static const uint64_t least[] = {0, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000,
                                     100000000000, 1000000000000, 10000000000000, 100000000000000, 1000000000000000,
                                     10000000000000000, 100000000000000000, 1000000000000000000, 10000000000000000000u};
    unsigned bits = 64 - (unsigned)__builtin_clzll(v | 1), n = bits * 1233 >> 12; /* 1233 / 4096 is log10(2) */
    return n + (v >= least[n]);
}

/* Written where it belongs, last digits first. */
static char *u64_format(uint64_t v, char *out)
{
    char *end = out + u64_digits(v), *at = end;
    while (v >= 100) {
        at -= 2;
        memcpy(at, pairs + v % 100 * 2, 2);
        v /= 100;
    }
    if (v >= 10) {
        at -= 2;
        memcpy(at, pairs + v * 2, 2);
    } else {
        *--at = (char)('0' + v);
    }
    return end;
}

size_t i64_format(int64_t v, char *out)
{
    char *at = out;
    if (v < 0)
        *at++ = '-';
    at = u64_format(v < 0 ? -(uint64_t)v : (uint64_t)v, at);
    return (size_t)(at - out);
}

void i128_format(i128 v, unsigned scale, struct wbuf *out)
{
    CHECK(scale <= 38);
    char digits[40], *at = digits + sizeof digits;
    u128 u = v < 0 ? -(u128)v : (u128)v;
    unsigned n = 0;
    while (u || n <= scale) { /* at least one digit before the point */
        *--at = (char)('0' + (int)(u % 10));
        u /= 10;
        n++;
    }
    if (v < 0)
        wbuf_u8(out, '-');
    wbuf_put(out, at, n - scale);
    if (scale) {
        wbuf_u8(out, '.');
        wbuf_put(out, at + n - scale, scale);
    }
}

/* ---- a double's shortest digits */

struct decimal64 {
    uint64_t digits;
    int exp10;
};

static int floor_log2_pow10(int e) { return (int)((int64_t)e * 1741647 >> 19); }

/* The high 64 bits of g * c, rounded to odd: an inexact result never looks exact. */
static uint64_t round_to_odd(uint64_t high, uint64_t low, uint64_t c)
{
    uint64_t carry = (uint64_t)((u128)low * c >> 64);
    u128 top = (u128)high * c + carry;
    return (uint64_t)(top >> 64) | ((uint64_t)top > 1);
}

static struct decimal64 shortest(uint64_t fraction, int biased)
{
    uint64_t c = biased ? fraction | UINT64_C(1) << 52 : fraction;
    int q = (biased ? biased : 1) - 1075;
    if (q <= 0 && q > -53 && (c & ((UINT64_C(1) << -q) - 1)) == 0)
        return (struct decimal64){c >> -q, 0}; /* a small whole number */

    bool closer = fraction == 0 && biased > 1; /* the lower neighbour is nearer */
    int k = (int)(((int64_t)q * 1262611 - (closer ? 524031 : 0)) >> 22);
    int h = q + floor_log2_pow10(-k) + 1;
    /* The algorithm wants the power rounded up. */
    uint64_t high = pow10_table[-k - POW10_LOWEST].high, low = pow10_table[-k - POW10_LOWEST].low;
    if (-k < 0 || -k > 55)
        high += ++low == 0;

    uint64_t below = round_to_odd(high, low, (4 * c - 2 + closer) << h);
    uint64_t value = round_to_odd(high, low, (4 * c) << h);
    uint64_t above = round_to_odd(high, low, (4 * c + 2) << h);
    uint64_t lower = below + (c & 1), upper = above - (c & 1); /* bounds count if c is even */

    uint64_t s = value / 4;
    if (s >= 10) { /* one digit less? */
        uint64_t sp = s / 10;
        bool under = lower <= 40 * sp, over = 40 * sp + 40 <= upper;
        if (under != over)
            return (struct decimal64){sp + over, k + 1};
    }
    bool under = lower <= 4 * s, over = 4 * s + 4 <= upper;
    if (under != over)
        return (struct decimal64){s + over, k};
    uint64_t middle = 4 * s + 2;
    bool up = value > middle || (value == middle && (s & 1));
    return (struct decimal64){s + up, k};
}

/* d.ddde+xx */
static char *put_scientific(const char *digits, int n, int exponent, char *at)
{
    *at++ = digits[0];
    if (n > 1) {
        *at++ = '.';
        memcpy(at, digits + 1, (size_t)n - 1);
        at += n - 1;
    }
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    unsigned e = (unsigned)abs(exponent);
    if (e >= 100)
        *at++ = (char)('0' + e / 100);
    memcpy(at, pairs + e % 100 * 2, 2);
    return at + 2;
}

/* point: how many digits stand before the decimal point (may be negative, or more than there are). */
static char *put_plain(const char *digits, int n, int point, char *at)
{
    if (point <= 0) {
        *at++ = '0';
        *at++ = '.';
        memset(at, '0', (size_t)-point);
        at += -point;
        memcpy(at, digits, (size_t)n);
        return at + n;
    }
    int whole = MIN(n, point);
    memcpy(at, digits, (size_t)whole);
    at += whole;
    memset(at, '0', (size_t)(point - whole));
    at += point - whole;
    *at++ = '.';
    if (n <= point) {
        *at++ = '0';
        return at;
    }
    memcpy(at, digits + whole, (size_t)(n - whole));
    return at + n - whole;
}

size_t double_format(double v, char *out)
{
    uint64_t bits;
    memcpy(&bits, &v, 8);
    char *at = out;
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    int biased = (int)(bits >> 52 & 0x7ff);
    if (biased == 0x7ff && fraction) {
        memcpy(out, "NaN", 3);
        return 3;
    }
    if (bits >> 63)
        *at++ = '-';
    if (biased == 0x7ff) {
        memcpy(at, "Infinity", 8);
        return (size_t)(at + 8 - out);
    }
    if (!fraction && !biased) {
        memcpy(at, "0.0", 3);
        return (size_t)(at + 3 - out);
    }
    struct decimal64 d = shortest(fraction, biased);
    while (d.digits % 10 == 0) {
        d.digits /= 10;
        d.exp10++;
    }
    char digits[20];
    int n = (int)(u64_format(d.digits, digits) - digits);
    int point = n + d.exp10;
    at = point > -4 && point <= 16 ? put_plain(digits, n, point, at) : put_scientific(digits, n, point - 1, at);
    return (size_t)(at - out);
}

/* ---- scanning */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Reads digits into the number as long as 19 fit; `behind`: they stand behind the point. */
static const char *scan_digits(const char *p, const char *end, struct number *n, unsigned *room, bool behind)
{
    for (; p < end && is_digit(*p); p++) {
        if (*room) {
            n->digits = n->digits * 10 + (uint64_t)(*p - '0');
            *room -= n->digits != 0; /* leading zeros take no room */
            n->exp10 -= behind;
        } else {
            n->cut |= *p != '0';
            n->exp10 += !behind;
        }
    }
    return p;
}

/* Exponents beyond any double are clamped: the value is 0 or infinite either way. */
static const char *scan_exponent(const char *p, const char *end, struct number *n)
{
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end || !is_digit(*p))
        return NULL;
    int e = 0;
    for (; p < end && is_digit(*p); p++)
        e = MIN(e * 10 + (*p - '0'), 100000);
    n->exp10 += negative ? -e : e;
    return p;
}

const char *number_scan(const char *p, const char *end, struct number *out)
{
    *out = (struct number){.text = p, .integral = true};
    unsigned room = 19;
    if (p < end && *p == '-') {
        out->negative = true;
        p++;
    }
    const char *first = p;
    p = scan_digits(p, end, out, &room, false);
    if (p == first || (*first == '0' && p - first > 1))
        return NULL;
    if (p < end && *p == '.') {
        out->integral = false;
        const char *fraction = ++p;
        p = scan_digits(p, end, out, &room, true);
        if (p == fraction)
            return NULL;
    }
    if (p < end && (*p | 0x20) == 'e') {
        out->integral = false;
        p = scan_exponent(p + 1, end, out);
        if (!p)
            return NULL;
    }
    out->len = (uint32_t)(p - out->text);
    return p;
}

/* ---- to double */

static const double exact_pow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                     1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* v (at least 2^64) times 2^exp2, `more` if something below was dropped, as a normal double's bits; 0: not normal. */
static uint64_t round_bits(u128 v, int exp2, bool more)
{
    int shift = __builtin_clzll((uint64_t)(v >> 64));
    v <<= shift;
    exp2 -= shift;
    uint64_t m = (uint64_t)(v >> 75); /* 53 bits */
    u128 rest = v & (((u128)1 << 75) - 1), half = (u128)1 << 74;
    if (rest > half || (rest == half && (more || (m & 1))))
        m++;
    if (m >> 53) {
        m >>= 1;
        exp2++;
    }
    int biased = exp2 + 75 + 1075;
    if (biased < 1 || biased > 2046)
        return 0;
    return (m & ((UINT64_C(1) << 52) - 1)) | (uint64_t)biased << 52;
}

/* digits * 10^exp10 rounded to a double's bits, the power being high:low (+ 1 in the last place if carry_one); 0: not
 * normal. */
static uint64_t product_bits(uint64_t digits, uint64_t high, uint64_t low, bool carry_one, int exp10)
{
    int shift = __builtin_clzll(digits);
    digits <<= shift;
    /* digits * (high:low + carry_one) has at most 192 bits: top and lowest. */
    u128 bottom = (u128)digits * low, top = (u128)digits * high + (uint64_t)(bottom >> 64);
    uint64_t lowest = (uint64_t)bottom;
    if (carry_one && __builtin_add_overflow(lowest, digits, &lowest))
        top++;
    return round_bits(top, floor_log2_pow10(exp10) - 63 - shift, lowest != 0);
}

static double from_text(const char *text, size_t len)
{
    char small[64], *copy = len < sizeof small ? small : xalloc(len + 1);
    memcpy(copy, text, len);
    copy[len] = 0;
    /* The C locale, whatever the process has set: a decimal comma would cut every number short. */
    double v = strtod_l(copy, NULL, newlocale(LC_ALL_MASK, "C", (locale_t)0));
    if (copy != small)
        xfree(copy);
    return v;
}

double number_double(const struct number *n)
{
    if (n->digits >> 53 == 0 && n->exp10 >= -22 && n->exp10 <= 22 && !n->cut) {
        double v = (double)n->digits; /* exact, and so is the power: one rounding (Clinger) */
        v = n->exp10 < 0 ? v / exact_pow10[-n->exp10] : v * exact_pow10[n->exp10];
        return n->negative ? -v : v;
    }
    if (n->exp10 >= POW10_LOWEST && n->exp10 <= 308 && n->digits) {
        uint64_t high = pow10_table[n->exp10 - POW10_LOWEST].high, low = pow10_table[n->exp10 - POW10_LOWEST].low;
        bool exact = n->exp10 >= 0 && n->exp10 <= 55;
        uint64_t lower = product_bits(n->digits, high, low, false, n->exp10);
        uint64_t upper = lower;
        if (!exact || n->cut)
            upper = product_bits(n->digits + n->cut, high, low, !exact, n->exp10);
        if (lower && lower == upper) {
            double v;
            memcpy(&v, &lower, 8);
            return n->negative ? -v : v;
        }
    }
    return from_text(n->text, n->len);
}

bool number_i64(const struct number *n, int64_t *out)
{
    uint64_t v = n->digits;
    int e = n->exp10;
    if (n->cut)
        return false;
    for (; v && e < 0; e++) {
        if (v % 10)
            return false;
        v /= 10;
    }
    for (; v && e > 0; e--)
        if (__builtin_mul_overflow(v, 10u, &v))
            return false;
    if (v > (uint64_t)INT64_MAX + n->negative)
        return false;
    *out = (int64_t)(n->negative ? -v : v);
    return true;
}

/* ---- forms that people write */

/* Brings s to JSON's grammar in room for number_scan; false if it is no number. */
static bool number_of_people(struct str s, char *room, size_t cap, struct number *out)
{
    s = str_trim(s);
    if (s.len + 3 > cap)
        return false;
    const char *p = s.ptr, *end = p + s.len;
    char *at = room;
    if (p < end && (*p == '-' || *p == '+')) {
        if (*p == '-')
            *at++ = '-';
        p++;
    }
    if (p == end || !(is_digit(*p) || (*p == '.' && end - p > 1 && is_digit(p[1]))))
        return false;
    while (end - p > 1 && *p == '0' && is_digit(p[1]))
        p++;
    if (*p == '.')
        *at++ = '0';
    for (; p < end; p++) {
        bool bare_point = *p == '.' && (end - p == 1 || !is_digit(p[1]));
        if (!bare_point)
            *at++ = *p;
    }
    return number_scan(room, at, out) == at;
}

/* Longest text that double_parse and decimal_parse look at: digits beyond it could matter to nobody. */
#define NUMBER_TEXT_MAX 1100

bool double_parse(struct str s, double *out)
{
    struct number n;
    struct str t = str_trim(s);
    if (t.len && number_scan(t.ptr, t.ptr + t.len, &n) == t.ptr + t.len) {
        *out = number_double(&n);
        return true;
    }
    char room[NUMBER_TEXT_MAX];
    if (number_of_people(s, room, sizeof room, &n)) {
        *out = number_double(&n);
        return true;
    }
    bool negative = t.len && t.ptr[0] == '-';
    if (t.len && (t.ptr[0] == '-' || t.ptr[0] == '+'))
        t = (struct str){t.ptr + 1, t.len - 1};
    if (str_eq_nocase(t, STR("NaN")))
        *out = (double)NAN;
    else if (str_eq_nocase(t, STR("Infinity")))
        *out = negative ? -HUGE_VAL : HUGE_VAL;
    else
        return false;
    return true;
}

/* ---- decimals */

i128 decimal_pow10(unsigned n)
{
    static const uint64_t small[] = {
        1u,
        10u,
        100u,
        1000u,
        10000u,
        100000u,
        1000000u,
        10000000u,
        100000000u,
        1000000000u,
        10000000000u,
        100000000000u,
        1000000000000u,
        10000000000000u,
        100000000000000u,
        1000000000000000u,
        10000000000000000u,
        100000000000000000u,
        1000000000000000000u,
        10000000000000000000u,
    };
    CHECK(n <= 38);
    return n <= 19 ? (i128)small[n] : (i128)((u128)small[19] * small[n - 19]);
}

bool decimal_fits(i128 v, unsigned precision)
{
    i128 bound = decimal_pow10(precision);
    return v < bound && v > -bound;
}

/* Shifts the digits of a scanned number to the scale. Up to 19 digits come from the scan, more from its text. */
static void digits_of_text(const struct number *n, i128 *digits, int *exp10, bool *more)
{
    u128 v = 0;
    int e = 0;
    bool behind = false, full = false;
    for (const char *p = n->text, *end = p + n->len; p < end && (*p | 0x20) != 'e'; p++) {
        if (*p == '.')
            behind = true;
        if (!is_digit(*p))
            continue;
        full |= v >= (u128)decimal_pow10(37); /* ten times that is the last that surely fits */
        if (full) {
            *more |= *p != '0';
            e += !behind;
        } else {
            v = v * 10 + (unsigned)(*p - '0');
            e -= behind;
        }
    }
    const char *mark = memchr(n->text, 'e', n->len);
    if (!mark)
        mark = memchr(n->text, 'E', n->len);
    if (mark) {
        struct number exponent = {0};
        scan_exponent(mark + 1, n->text + n->len, &exponent);
        e += exponent.exp10;
    }
    *digits = (i128)v;
    *exp10 = e;
}

bool decimal_parse(struct str s, struct type t, bool round, i128 *out)
{
    char room[NUMBER_TEXT_MAX];
    struct number n;
    if (!number_of_people(s, room, sizeof room, &n))
        return false;
    i128 v = (i128)n.digits;
    int e = n.exp10;
    bool more = false; /* digits that were cut off and are not zero */
    if (n.cut)
        digits_of_text(&n, &v, &e, &more);
    int shift = e + t.scale;
    int last = 0; /* the highest digit that falls off */
    for (; v && shift < 0; shift++) {
        more |= last != 0;
        last = (int)(v % 10);
        v /= 10;
    }
    if (shift < 0)
        last = 0;
    for (; v && shift > 0; shift--) {
        if (v > decimal_pow10(37))
            return false;
        v *= 10;
    }
    if ((last || more) && !round)
        return false;
    v += last >= 5;
    *out = n.negative ? -v : v;
    return decimal_fits(v, t.precision);
}

double decimal_double(i128 v, unsigned scale)
{
    u128 u = v < 0 ? -(u128)v : (u128)v;
    if (u >> 53 == 0 && scale <= 22) {
        double exact = (double)(uint64_t)u / exact_pow10[scale];
        return v < 0 ? -exact : exact;
    }
    struct wbuf text;
    wbuf_init(&text);
    i128_format(v, scale, &text);
    double out = from_text((const char *)text.data, text.len);
    wbuf_fini(&text);
    return out;
}
