#include "engine/vec/vec.h"
#include "log/base/buf.h"
#include "log/base/err.h"
#include <stdio.h>

/* Patterns of Java's DateTimeFormatter, compiled to a list of items. A numeric letter that stands alone takes up to
 * nine digits; one that is repeated, or directly followed by another number, takes as many digits as it has letters
 * ("yyyyMMdd"). Names are English. Dates that do not exist are refused. */

#define PATTERN_ITEMS 64

struct item {
    char letter; /* 0: literal; '[' and ']': an optional part */
    uint8_t count;
    bool tight;  /* a number follows at once */
    struct str text;
};
struct time_pattern {
    char *source;
    unsigned n;
    struct item items[PATTERN_ITEMS];
};

static const char numeric[] = "yuMLdDHhkKmsSA";

static bool is_numeric(const struct item *it)
{
    return it->letter && strchr(numeric, it->letter) && !((it->letter == 'M' || it->letter == 'L') && it->count > 2);
}

static int bad_letter(char c, struct diag *d)
{
    diag_set(d, E_SQL, "the time pattern has the letter '%c', which means nothing here", c);
    diag_hint(d, "letters are y u M L d D H h k K m s S A a E X x Z z V; other text stands in single quotes");
    return E_SQL;
}

/* Text in quotes from *p on, which is behind the opening quote. '' is one quote. */
static bool quoted(const char **p, const char *end, char **store, struct item *it)
{
    char *start = *store;
    if (*p < end && **p == '\'') {
        *(*store)++ = *(*p)++;
    } else {
        while (*p < end && (**p != '\'' || (end - *p > 1 && (*p)[1] == '\''))) {
            *p += **p == '\'';
            *(*store)++ = *(*p)++;
        }
        if (*p == end)
            return false;
        ++*p;
    }
    it->text = (struct str){start, (size_t)(*store - start)};
    return true;
}

static int compile(struct time_pattern *t, struct str s, struct diag *d)
{
    const char *p = s.ptr, *end = p + s.len;
    char *store = t->source;
    int open = 0;
    while (p < end) {
        if (t->n == PATTERN_ITEMS)
            return diag_set(d, E_SQL, "the time pattern is longer than %d parts", PATTERN_ITEMS);
        struct item *it = &t->items[t->n++];
        char c = *p++;
        if (c == '\'') {
            if (!quoted(&p, end, &store, it))
                return diag_set(d, E_SQL, "a quote in the time pattern is not closed");
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') {
            if (!strchr("yuMLdDHhkKmsSAaEXxZzV", c))
                return bad_letter(c, d);
            it->letter = c;
            it->count = 1;
            for (; p < end && *p == c && it->count < 19; p++)
                it->count++;
        } else if (c == '[' || c == ']') {
            it->letter = c;
            open += c == '[' ? 1 : -1;
            if (open < 0 || open > 8)
                return diag_set(d, E_SQL, "the brackets of the time pattern do not pair");
        } else {
            *store = c;
            it->text = (struct str){store++, 1};
        }
    }
    if (open)
        return diag_set(d, E_SQL, "the brackets of the time pattern do not pair");
    for (unsigned i = 0; i + 1 < t->n; i++)
        t->items[i].tight = is_numeric(&t->items[i]) && is_numeric(&t->items[i + 1]);
    return 0;
}

int time_pattern_new(struct time_pattern **out, struct str pattern, struct diag *d)
{
    struct time_pattern *t = xzalloc(sizeof *t);
    t->source = xalloc(pattern.len + 1);
    int err = compile(t, pattern, d);
    if (err) {
        time_pattern_free(t);
        return err;
    }
    *out = t;
    return 0;
}

void time_pattern_free(struct time_pattern *t)
{
    if (!t)
        return;
    xfree(t->source);
    xfree(t);
}

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const weekdays[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

/* ---- parsing */

struct parts {
    int64_t year;
    int month, day, yearday, hour, half_hour, minute, second, ms, milli_of_day;
    int afternoon; /* -1 unknown */
    bool has_zone;
    int64_t offset_ms;
};

static bool take_digits(struct str *s, size_t min, size_t max, int64_t *out)
{
    size_t i = 0;
    int64_t v = 0;
    for (; i < max && i < s->len && s->ptr[i] >= '0' && s->ptr[i] <= '9'; i++)
        v = v * 10 + (s->ptr[i] - '0');
    *s = (struct str){s->ptr + i, s->len - i};
    *out = v;
    return i >= min;
}

/* One of n names, whole or its first three letters; 1-based. */
static bool take_name(struct str *s, const char *const *names, int n, bool whole, int *out)
{
    for (int i = 0; i < n; i++) {
        size_t len = whole ? strlen(names[i]) : 3;
        if (s->len >= len && str_eq_nocase((struct str){s->ptr, len}, (struct str){names[i], len})) {
            *s = (struct str){s->ptr + len, s->len - len};
            *out = i + 1;
            return true;
        }
    }
    return false;
}

static bool take_offset(struct str *s, struct parts *p)
{
    static const struct str zero[] = {{"UTC", 3}, {"GMT", 3}, {"Z", 1}};
    p->has_zone = true;
    for (size_t i = 0; i < ARRAY_LEN(zero); i++)
        if (str_starts(*s, zero[i])) {
            *s = (struct str){s->ptr + zero[i].len, s->len - zero[i].len};
            if (!s->len || (s->ptr[0] != '+' && s->ptr[0] != '-'))
                return true;
            break;
        }
    if (!s->len || (s->ptr[0] != '+' && s->ptr[0] != '-'))
        return false;
    int sign = s->ptr[0] == '-' ? -1 : 1;
    int64_t hours, minutes = 0;
    *s = (struct str){s->ptr + 1, s->len - 1};
    if (!take_digits(s, 2, 2, &hours) || hours > 18)
        return false;
    bool colon = s->len && s->ptr[0] == ':';
    if (colon)
        *s = (struct str){s->ptr + 1, s->len - 1};
    if ((colon || (s->len && s->ptr[0] >= '0' && s->ptr[0] <= '9')) && (!take_digits(s, 2, 2, &minutes) || minutes > 59))
        return false;
    p->offset_ms = sign * (hours * 60 + minutes) * 60000;
    return true;
}

static bool take_year(const struct item *it, struct str *s, struct parts *p)
{
    bool negative = it->count != 2 && s->len && s->ptr[0] == '-';
    if (negative)
        *s = (struct str){s->ptr + 1, s->len - 1};
    size_t most = it->tight || it->count == 2 ? it->count : 9;
    if (!take_digits(s, it->count, most, &p->year))
        return false;
    if (it->count == 2)
        p->year += 2000;
    if (negative)
        p->year = -p->year;
    return true;
}

static bool take_number(const struct item *it, struct str *s, int *out)
{
    int64_t v;
    size_t most = it->tight || it->count > 1 ? it->count : 9;
    bool ok = take_digits(s, it->count, MIN(most, (size_t)9), &v);
    *out = (int)v;
    return ok;
}

static bool take_fraction(const struct item *it, struct str *s, struct parts *p)
{
    size_t before = s->len;
    int64_t ms;
    const char *digits = s->ptr;
    if (!take_digits(s, it->count, it->count, &ms))
        return false;
    p->ms = 0;
    for (unsigned i = 0, unit = 100; i < 3 && i < before - s->len; i++, unit /= 10)
        p->ms += (digits[i] - '0') * (int)unit;
    return true;
}

static bool take_item(const struct item *it, struct str *s, struct parts *p)
{
    int ignored;
    switch (it->letter) {
    case 0:
        if (!str_starts(*s, it->text))
            return false;
        *s = (struct str){s->ptr + it->text.len, s->len - it->text.len};
        return true;
    case 'y':
    case 'u':
        return take_year(it, s, p);
    case 'M':
    case 'L':
        return it->count > 2 ? take_name(s, months, 12, it->count > 3, &p->month) : take_number(it, s, &p->month);
    case 'd':
        return take_number(it, s, &p->day);
    case 'D':
        return take_number(it, s, &p->yearday);
    case 'H':
    case 'k':
        return take_number(it, s, &p->hour);
    case 'h':
    case 'K':
        return take_number(it, s, &p->half_hour);
    case 'm':
        return take_number(it, s, &p->minute);
    case 's':
        return take_number(it, s, &p->second);
    case 'S':
        return take_fraction(it, s, p);
    case 'A':
        return take_number(it, s, &p->milli_of_day);
    case 'a': {
        bool am = s->len >= 2 && str_eq_nocase((struct str){s->ptr, 2}, STR("AM"));
        if (!am && !(s->len >= 2 && str_eq_nocase((struct str){s->ptr, 2}, STR("PM"))))
            return false;
        p->afternoon = !am;
        *s = (struct str){s->ptr + 2, s->len - 2};
        return true;
    }
    case 'E':
        return take_name(s, weekdays, 7, it->count > 3, &ignored);
    default:
        return take_offset(s, p);
    }
}

/* Optional parts that do not match are passed over, to their own closing bracket. */
static bool take_all(const struct time_pattern *t, struct str *s, struct parts *p)
{
    struct {
        struct str s;
        struct parts p;
        unsigned at;
    } saved[8];
    unsigned depth = 0;
    for (unsigned i = 0; i < t->n; i++) {
        const struct item *it = &t->items[i];
        if (it->letter == '[') {
            saved[depth].s = *s;
            saved[depth].p = *p;
            saved[depth++].at = i;
        } else if (it->letter == ']') {
            depth--;
        } else if (!take_item(it, s, p)) {
            if (!depth)
                return false;
            depth--;
            *s = saved[depth].s;
            *p = saved[depth].p;
            unsigned open = 0;
            for (i = saved[depth].at; i < t->n; i++) {
                open += t->items[i].letter == '[';
                open -= t->items[i].letter == ']';
                if (!open)
                    break;
            }
        }
    }
    return true;
}

static bool civil_valid(const struct civil *c)
{
    return c->month >= 1 && c->month <= 12 && c->day >= 1 && c->day <= civil_month_days(c->year, c->month) &&
           c->hour >= 0 && c->hour <= 23 && c->minute <= 59 && c->second <= 59;
}

bool time_pattern_parse(const struct time_pattern *t, struct str s, const struct zone *z, int64_t *ms)
{
    struct parts p = {.year = 1970, .month = 1, .day = 1, .half_hour = -1, .milli_of_day = -1, .afternoon = -1};
    if (!take_all(t, &s, &p) || s.len)
        return false;
    if (p.half_hour >= 0) {
        if (p.half_hour > 12)
            return false;
        p.hour = p.half_hour % 12 + (p.afternoon == 1 ? 12 : 0);
    }
    if (p.hour == 24) /* k counts 1 to 24 */
        p.hour = 0;
    struct civil c = {.year = p.year, .month = p.month, .day = p.day, .hour = p.hour, .minute = p.minute,
                      .second = p.second, .ms = p.ms};
    if (!civil_valid(&c))
        return false;
    *ms = civil_ms(&c);
    if (p.yearday) {
        if (p.yearday > 365 + (civil_month_days(p.year, 2) == 29))
            return false;
        *ms += (civil_days(p.year, 1, 1) + p.yearday - 1 - civil_days(p.year, p.month, p.day)) * 86400000;
    }
    if (p.milli_of_day >= 0)
        *ms += p.milli_of_day;
    if (p.has_zone)
        *ms -= p.offset_ms;
    else if (z)
        *ms = zone_to_utc(z, *ms);
    return true;
}

/* ---- formatting */

static void put_offset(const struct item *it, int64_t offset_ms, struct wbuf *out)
{
    int minutes = (int)(offset_ms / 60000);
    bool z_style = it->letter == 'X' || (it->letter == 'Z' && it->count == 5);
    if (z_style && !minutes) {
        wbuf_u8(out, 'Z');
        return;
    }
    if (it->letter == 'Z' && it->count == 4) {
        wbuf_str(out, STR("GMT"));
        if (!minutes)
            return;
    }
    char sign = minutes < 0 ? '-' : '+';
    minutes = minutes < 0 ? -minutes : minutes;
    bool colon = it->letter == 'Z' ? it->count >= 4 : it->count == 3 || it->count == 5;
    wbuf_printf(out, "%c%02d", sign, minutes / 60);
    if (it->letter == 'Z' || it->count > 1 || minutes % 60)
        wbuf_printf(out, "%s%02d", colon ? ":" : "", minutes % 60);
}

static void put_year(const struct item *it, int64_t year, struct wbuf *out)
{
    if (it->count == 2)
        wbuf_printf(out, "%02lld", (long long)(((year % 100) + 100) % 100));
    else if (year > 9999 && it->count == 4)
        wbuf_printf(out, "+%lld", (long long)year);
    else
        wbuf_printf(out, "%s%0*lld", year < 0 ? "-" : "", it->count, (long long)(year < 0 ? -year : year));
}

static void put_name(const char *name, bool whole, struct wbuf *out)
{
    wbuf_put(out, name, whole ? strlen(name) : 3);
}

static void put_fraction(const struct item *it, int ms, struct wbuf *out)
{
    char digits[20];
    snprintf(digits, sizeof digits, "%03d0000000000000000", ms);
    wbuf_put(out, digits, it->count);
}

static int number_of(char letter, const struct civil *c)
{
    switch (letter) {
    case 'M':
    case 'L':
        return c->month;
    case 'd':
        return c->day;
    case 'D':
        return c->yearday;
    case 'H':
        return c->hour;
    case 'k':
        return c->hour ? c->hour : 24;
    case 'h':
        return c->hour % 12 ? c->hour % 12 : 12;
    case 'K':
        return c->hour % 12;
    case 'm':
        return c->minute;
    case 's':
        return c->second;
    default: /* A */
        return ((c->hour * 60 + c->minute) * 60 + c->second) * 1000 + c->ms;
    }
}

void time_pattern_format(const struct time_pattern *t, int64_t ms, const struct zone *z, struct wbuf *out)
{
    int64_t local = z ? zone_from_utc(z, ms) : ms;
    struct civil c = civil_of_ms(local);
    for (unsigned i = 0; i < t->n; i++) {
        const struct item *it = &t->items[i];
        switch (it->letter) {
        case 0:
            wbuf_str(out, it->text);
            break;
        case '[':
        case ']':
            break;
        case 'y':
        case 'u':
            put_year(it, c.year, out);
            break;
        case 'a':
            wbuf_str(out, c.hour < 12 ? STR("AM") : STR("PM"));
            break;
        case 'E':
            put_name(weekdays[c.weekday - 1], it->count > 3, out);
            break;
        case 'S':
            put_fraction(it, c.ms, out);
            break;
        case 'X':
        case 'x':
        case 'Z':
            put_offset(it, local - ms, out);
            break;
        case 'V':
        case 'z':
            put_offset(&(struct item){.letter = 'Z', .count = 4}, local - ms, out);
            break;
        default:
            if (is_numeric(it))
                wbuf_printf(out, "%0*d", it->count, number_of(it->letter, &c));
            else
                put_name(months[c.month - 1], it->count > 3, out);
        }
    }
}
