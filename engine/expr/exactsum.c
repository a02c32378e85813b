#include "engine/expr/expr.h"
#include <math.h>

/* An exact sum of doubles as one long fixed-point number (Kulisch's accumulator), of which only the limbs in use are
 * kept: the order of additions cannot matter, what is removed is gone without a trace, and equal sums have equal bytes.
 * An expansion of doubles (Shewchuk) would be smaller for some inputs but has many forms for one sum.
 * Invariant: n is 0, or the top limb is all zeros or all ones (the sign). */

#define LOWEST_EXPONENT 1074

void exact_init(struct exactsum *s) { memset(s, 0, sizeof *s); }

static void exact_check(const struct exactsum *s)
{
    CHECK(s->n == 0 || s->limbs[s->n - 1] == 0 || s->limbs[s->n - 1] == UINT64_MAX);
    CHECK(s->first + s->n <= EXACT_LIMBS);
}

/* Makes limbs low .. high part of what is kept. */
static void cover(struct exactsum *s, unsigned low, unsigned high)
{
    CHECK(high < EXACT_LIMBS);
    if (s->n == 0) {
        s->first = (uint16_t)low;
        s->n = 1;
        s->limbs[0] = 0;
    }
    if (low < s->first) {
        unsigned more = s->first - low;
        memmove(s->limbs + more, s->limbs, s->n * sizeof *s->limbs);
        memset(s->limbs, 0, more * sizeof *s->limbs);
        s->first = (uint16_t)low;
        s->n = (uint16_t)(s->n + more);
    }
    while (s->first + s->n <= (int)high) {
        s->limbs[s->n] = s->limbs[s->n - 1];
        s->n++;
    }
}

/* Adds two limbs at `limb`, or takes them off. */
static void add_limbs(struct exactsum *s, unsigned limb, const uint64_t two[2], bool subtract)
{
    cover(s, limb, limb + 2);
    bool carry = false;
    for (unsigned i = limb - s->first, k = 0; i < s->n; i++, k++) {
        uint64_t word = k < 2 ? two[k] : 0, at = s->limbs[i];
        if (k >= 2 && !carry)
            break;
        bool over = subtract ? __builtin_sub_overflow(at, word, &at) : __builtin_add_overflow(at, word, &at);
        over |= subtract ? __builtin_sub_overflow(at, carry, &at) : __builtin_add_overflow(at, carry, &at);
        s->limbs[i] = at;
        carry = over;
    }
    uint64_t top = s->limbs[s->n - 1];
    if (top != 0 && top != UINT64_MAX) {
        CHECK(s->first + s->n < EXACT_LIMBS);
        s->limbs[s->n++] = top >> 63 ? UINT64_MAX : 0;
    }
    exact_check(s);
}

static void change(struct exactsum *s, double v, int by)
{
    if (isnan(v)) {
        s->nans += by;
        return;
    }
    if (isinf(v)) {
        *(v > 0 ? &s->infs : &s->neg_infs) += by;
        return;
    }
    uint64_t bits;
    memcpy(&bits, &v, 8);
    unsigned biased = bits >> 52 & 0x7ff;
    uint64_t m = (bits & ((UINT64_C(1) << 52) - 1)) | (biased ? UINT64_C(1) << 52 : 0);
    if (!m)
        return;
    unsigned pos = biased ? biased - 1 : 0, shift = pos % 64;
    uint64_t two[2] = {m << shift, shift ? m >> (64 - shift) : 0};
    add_limbs(s, pos / 64, two, (bits >> 63) != (by < 0));
}

void exact_add(struct exactsum *s, double v) { change(s, v, 1); }
void exact_remove(struct exactsum *s, double v) { change(s, v, -1); }

/* Adds limb for limb; the other's sign goes on for ever. */
void exact_merge(struct exactsum *s, const struct exactsum *other)
{
    s->nans += other->nans;
    s->infs += other->infs;
    s->neg_infs += other->neg_infs;
    if (!other->n)
        return;
    unsigned high = other->first + other->n - 1u;
    cover(s, other->first, s->n ? MAX(s->first + s->n - 1u, high) : high);
    uint64_t sign = other->limbs[other->n - 1];
    bool carry = false;
    for (unsigned i = other->first - s->first, k = 0; i < s->n; i++, k++) {
        bool over = __builtin_add_overflow(s->limbs[i], k < other->n ? other->limbs[k] : sign, &s->limbs[i]);
        over |= __builtin_add_overflow(s->limbs[i], carry, &s->limbs[i]);
        carry = over;
    }
    uint64_t top = s->limbs[s->n - 1];
    if (top != 0 && top != UINT64_MAX) {
        CHECK(s->first + s->n < EXACT_LIMBS);
        s->limbs[s->n++] = top >> 63 ? UINT64_MAX : 0;
    }
    exact_check(s);
}

/* ---- rounding */

static bool bit_at(const uint64_t *limbs, int i) { return limbs[i / 64] >> (i % 64) & 1; }

/* The magnitude in limbs, whose highest set bit is number top: 53 bits from there, half to even. */
static double round_magnitude(const uint64_t *limbs, int top, int weight)
{
    if (top < 53)
        return ldexp((double)limbs[0], weight - LOWEST_EXPONENT); /* all bits fit */
    uint64_t m = 0;
    int last = top - 52;
    for (int i = top; i >= last; i--)
        m = m << 1 | bit_at(limbs, i);
    bool half = bit_at(limbs, last - 1), rest = false;
    for (int i = last - 2; i >= 0 && !rest; i--)
        rest = bit_at(limbs, i);
    m += half && (rest || (m & 1));
    return ldexp((double)m, last + weight - LOWEST_EXPONENT);
}

double exact_value(const struct exactsum *s)
{
    if (s->nans || (s->infs && s->neg_infs))
        return (double)NAN;
    if (s->infs || s->neg_infs)
        return s->infs ? HUGE_VAL : -HUGE_VAL;
    if (!s->n)
        return 0;
    uint64_t limbs[EXACT_LIMBS];
    memcpy(limbs, s->limbs, s->n * sizeof *limbs);
    bool negative = limbs[s->n - 1] >> 63;
    bool carry = true;
    for (unsigned i = 0; negative && i < s->n; i++)
        carry = __builtin_add_overflow(~limbs[i], carry, &limbs[i]);
    int top = s->n * 64 - 1;
    while (top >= 0 && !bit_at(limbs, top))
        top--;
    if (top < 0)
        return 0;
    double v = round_magnitude(limbs, top, s->first * 64);
    return negative ? -v : v;
}

/* ---- bytes: [first, [limb, ...]] and, only if there are any, [nans, infs, neg_infs] */

void exact_pack(const struct exactsum *s, struct wbuf *out)
{
    unsigned low = 0, high = s->n;
    while (low < high && s->limbs[low] == 0)
        low++;
    while (high - low > 1 && s->limbs[high - 1] == s->limbs[high - 2])
        high--;
    bool special = s->nans || s->infs || s->neg_infs;
    pack_array(out, special ? 3 : 2);
    pack_uint(out, high > low ? s->first + low : 0);
    pack_array(out, high - low);
    for (unsigned i = low; i < high; i++)
        pack_uint(out, s->limbs[i]);
    if (special) {
        pack_array(out, 3);
        pack_int(out, s->nans);
        pack_int(out, s->infs);
        pack_int(out, s->neg_infs);
    }
}

bool exact_unpack(struct exactsum *s, struct unpack *u)
{
    exact_init(s);
    uint32_t parts = unpack_array(u);
    uint64_t first = unpack_uint(u);
    uint32_t n = unpack_array(u);
    if (unpack_err(u) || parts < 2 || parts > 3 || first > EXACT_LIMBS || n > EXACT_LIMBS - first)
        return false;
    s->first = (uint16_t)first;
    s->n = (uint16_t)n;
    for (uint32_t i = 0; i < n; i++)
        s->limbs[i] = unpack_uint(u);
    if (parts == 3) {
        if (unpack_array(u) != 3)
            return false;
        s->nans = unpack_int(u);
        s->infs = unpack_int(u);
        s->neg_infs = unpack_int(u);
    }
    uint64_t top = n ? s->limbs[n - 1] : 0;
    return !unpack_err(u) && (top == 0 || top == UINT64_MAX);
}
