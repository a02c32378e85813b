#include "engine/vec/vec.h"

/* Intervals as text. Written as standard SQL does: days, then hours, minutes and seconds; or years and months. Read in
 * the same form, whose parts at the end may be missing, and as people say it: 1 day 2 hours, 3 months. */

static char *put_two(char *at, int64_t v)
{
    *at++ = (char)('0' + v / 10);
    *at++ = (char)('0' + v % 10);
    return at;
}

static char *put_number(char *at, uint64_t v) { return at + i64_format((int64_t)v, at); } /* at most INT64_MAX / 12 */

static char *put_clock(char *at, uint64_t ms)
{
    uint64_t s = ms / 1000;
    at = put_two(at, (int64_t)(s / 3600));
    *at++ = ':';
    at = put_two(at, (int64_t)(s / 60 % 60));
    *at++ = ':';
    at = put_two(at, (int64_t)(s % 60));
    if (ms % 1000) {
        *at++ = '.';
        *at++ = (char)('0' + ms % 1000 / 100);
        at = put_two(at, (int64_t)(ms % 100));
    }
    return at;
}

size_t interval_format(struct type t, int64_t v, char *out)
{
    char *at = out;
    uint64_t size = v < 0 ? -(uint64_t)v : (uint64_t)v, unit = t.precision ? 12 : 86400000;
    if (v < 0)
        *at++ = '-';
    at = put_number(at, size / unit);
    *at++ = t.precision ? '-' : ' ';
    at = t.precision ? put_number(at, size % unit) : put_clock(at, size % unit);
    return (size_t)(at - out);
}

/* ---- reading */

static bool take(struct str *s, char c)
{
    bool here = s->len && s->ptr[0] == c;
    if (here)
        *s = (struct str){s->ptr + 1, s->len - 1};
    return here;
}

static void blanks(struct str *s)
{
    while (take(s, ' '))
        ;
}

/* Digits; how many there were. */
static unsigned take_digits(struct str *s, int64_t *out)
{
    unsigned n = 0;
    for (*out = 0; n < 18 && s->len && s->ptr[0] >= '0' && s->ptr[0] <= '9'; n++) {
        *out = *out * 10 + (s->ptr[0] - '0');
        *s = (struct str){s->ptr + 1, s->len - 1};
    }
    return n;
}

/* ".5" as 500. */
static bool take_fraction(struct str *s, int64_t *ms)
{
    *ms = 0;
    if (!take(s, '.'))
        return true;
    int64_t v;
    unsigned n = take_digits(s, &v);
    for (unsigned i = n; i < 3; i++)
        v *= 10;
    for (unsigned i = n; i > 3; i--)
        v /= 10;
    *ms = v;
    return n > 0;
}

static bool add(int64_t *to, int64_t n, int64_t unit)
{
    int64_t by;
    return !__builtin_mul_overflow(n, unit, &by) && !__builtin_add_overflow(*to, by, to);
}

/* "04:05:06.789" behind its first number. */
static bool take_clock(struct str *s, int64_t hours, int64_t *out)
{
    int64_t minutes = 0, seconds = 0, ms = 0;
    if (take(s, ':') && take_digits(s, &minutes) == 0)
        return false;
    if (take(s, ':') && (take_digits(s, &seconds) == 0 || !take_fraction(s, &ms)))
        return false;
    return minutes < 60 && seconds < 60 && add(out, hours, 3600000) && add(out, minutes, 60000) &&
           add(out, seconds, 1000) && add(out, ms, 1);
}

static struct str take_word(struct str *s)
{
    struct str word = {s->ptr, 0};
    while (word.len < s->len && (s->ptr[word.len] | 0x20) >= 'a' && (s->ptr[word.len] | 0x20) <= 'z')
        word.len++;
    *s = (struct str){s->ptr + word.len, s->len - word.len};
    return word;
}

bool interval_unit(struct str name, struct type *t, int64_t *unit)
{
    static const struct {
        const char *name;
        unsigned months;
        int64_t unit;
    } units[] = {{"MILLISECOND", 0, 1}, {"SECOND", 0, 1000}, {"MINUTE", 0, 60000}, {"HOUR", 0, 3600000},
                 {"DAY", 0, 86400000}, {"WEEK", 0, 604800000}, {"MONTH", 1, 1}, {"QUARTER", 1, 3}, {"YEAR", 1, 12}};
    if (name.len > 1 && (name.ptr[name.len - 1] | 0x20) == 's')
        name.len--;
    for (unsigned i = 0; i < ARRAY_LEN(units); i++)
        if (str_eq_nocase(name, str_of(units[i].name))) {
            *t = units[i].months ? INTERVAL_MONTHS : INTERVAL_MS;
            *unit = units[i].unit;
            return true;
        }
    return false;
}

/* "1 day 2 hours", whose first number was taken; out has nothing yet. */
static bool take_units(struct str *s, struct type t, int64_t n, int64_t *out)
{
    for (;;) {
        struct type unit_type;
        int64_t unit;
        blanks(s);
        if (!interval_unit(take_word(s), &unit_type, &unit) || !type_eq(t, unit_type) || !add(out, n, unit))
            return false;
        blanks(s);
        if (!s->len)
            return true;
        bool negative = take(s, '-');
        if (!take_digits(s, &n))
            return false;
        n = negative ? -n : n;
    }
}

static bool parse_size(struct str *s, struct type t, int64_t *out)
{
    int64_t n, more = 0;
    if (!take_digits(s, &n))
        return false;
    if (t.precision) {
        bool months = take(s, '-');
        if (months && (!take_digits(s, &more) || more > 11))
            return false;
        if (!months && s->len)
            return take_units(s, t, n, out);
        return add(out, n, 12) && add(out, more, 1);
    }
    if (s->len && s->ptr[0] == ':')
        return take_clock(s, n, out);
    struct str behind = *s;
    blanks(&behind);
    if (behind.len && (behind.ptr[0] < '0' || behind.ptr[0] > '9'))
        return take_units(s, t, n, out);
    *s = behind;
    return add(out, n, 86400000) && (!s->len || (take_digits(s, &more) && more < 24 && take_clock(s, more, out)));
}

bool interval_parse(struct str s, struct type t, int64_t *out)
{
    s = str_trim(s);
    bool negative = take(&s, '-');
    if (!negative)
        take(&s, '+');
    *out = 0;
    if (!parse_size(&s, t, out) || s.len)
        return false;
    if (negative)
        *out = -*out;
    return true;
}
