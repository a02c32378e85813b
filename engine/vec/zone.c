#include "engine/vec/vec.h"
#include "log/base/buf.h"
#include "log/base/err.h"
#include <stdio.h>

/* Time zones: fixed offsets, and the system's zone files (TZif, RFC 8536), read whole when a zone is opened. Times past
 * the file's last transition follow its footer, a POSIX TZ rule ("CET-1CEST,M3.5.0,M10.5.0/3"). */

#define ZONE_FOLDER "/usr/share/zoneinfo/"
#define ZONE_FILE_MAX 262144 /* the largest of today's is 4 KiB */

struct rule_day { /* M month.week.day/time */
    int month, week, weekday;
    int64_t at_s;
};
struct zone {
    uint32_t n;
    int64_t *from_s;  /* ascending: offset_s[i] counts from from_s[i] on */
    int32_t *offset_s;
    int32_t first_s;  /* before from_s[0] */
    bool has_dst;     /* after the last transition */
    int32_t standard_s, summer_s;
    struct rule_day begin, end;
};

/* ---- the footer */

struct cursor {
    const char *p, *end;
};

static bool at_digit(const struct cursor *c) { return c->p < c->end && *c->p >= '0' && *c->p <= '9'; }

static bool took(struct cursor *c, char ch)
{
    bool yes = c->p < c->end && *c->p == ch;
    c->p += yes;
    return yes;
}

static bool read_int(struct cursor *c, int *out)
{
    int v = 0;
    if (!at_digit(c))
        return false;
    while (at_digit(c) && v < 10000)
        v = v * 10 + (*c->p++ - '0');
    *out = v;
    return true;
}

/* [+-]hh[:mm[:ss]] */
static bool read_hms(struct cursor *c, int64_t *out)
{
    int sign = took(c, '-') ? -1 : 1, part;
    if (sign > 0)
        took(c, '+');
    if (!read_int(c, &part))
        return false;
    int64_t v = part * 3600;
    if (took(c, ':')) {
        if (!read_int(c, &part))
            return false;
        v += part * 60;
        if (took(c, ':')) {
            if (!read_int(c, &part))
                return false;
            v += part;
        }
    }
    *out = sign * v;
    return true;
}

static bool read_name(struct cursor *c)
{
    const char *start = c->p;
    if (took(c, '<')) {
        while (c->p < c->end && *c->p != '>')
            c->p++;
        return took(c, '>');
    }
    while (c->p < c->end && ((*c->p | 0x20) >= 'a' && (*c->p | 0x20) <= 'z'))
        c->p++;
    return c->p > start;
}

static bool read_day(struct cursor *c, struct rule_day *d)
{
    d->at_s = 7200;
    bool ok = took(c, ',') && took(c, 'M') && read_int(c, &d->month) && took(c, '.') && read_int(c, &d->week) &&
              took(c, '.') && read_int(c, &d->weekday);
    if (ok && took(c, '/'))
        ok = read_hms(c, &d->at_s);
    return ok && d->month >= 1 && d->month <= 12 && d->week >= 1 && d->week <= 5 && d->weekday <= 6;
}

static bool rule_parse(struct zone *z, struct str text)
{
    struct cursor c = {text.ptr, text.ptr + text.len};
    int64_t offset;
    if (!read_name(&c) || !read_hms(&c, &offset))
        return false;
    z->standard_s = (int32_t)-offset; /* POSIX counts west of Greenwich */
    z->summer_s = z->standard_s + 3600;
    if (c.p == c.end)
        return true;
    if (!read_name(&c))
        return false;
    if (c.p < c.end && *c.p != ',') {
        if (!read_hms(&c, &offset))
            return false;
        z->summer_s = (int32_t)-offset;
    }
    z->has_dst = read_day(&c, &z->begin) && read_day(&c, &z->end);
    return z->has_dst;
}

/* The rule's moment in a year, as seconds of local time without any offset. */
static int64_t rule_moment(const struct rule_day *d, int64_t year)
{
    int64_t first = civil_days(year, d->month, 1);
    int weekday = (int)((first % 7 + 7 + 4) % 7); /* 0 = Sunday */
    int day = (d->weekday - weekday + 7) % 7 + (d->week - 1) * 7;
    if (day >= civil_month_days(year, d->month))
        day -= 7;
    return (first + day) * 86400 + d->at_s;
}

static int32_t rule_offset(const struct zone *z, int64_t s)
{
    if (!z->has_dst)
        return z->standard_s;
    int64_t year = civil_of_ms((s + z->standard_s) * 1000).year;
    int64_t begin = rule_moment(&z->begin, year) - z->standard_s, end = rule_moment(&z->end, year) - z->summer_s;
    bool summer = begin < end ? s >= begin && s < end : s >= begin || s < end;
    return summer ? z->summer_s : z->standard_s;
}

/* ---- the file */

struct tzif_head {
    uint32_t isut, isstd, leap, times, types, chars;
};

static bool read_head(struct rbuf *r, struct tzif_head *h)
{
    const uint8_t *magic = rbuf_take(r, 20);
    if (!magic || memcmp(magic, "TZif", 4) != 0 || magic[4] < '2')
        return false;
    h->isut = rbuf_be32(r);
    h->isstd = rbuf_be32(r);
    h->leap = rbuf_be32(r);
    h->times = rbuf_be32(r);
    h->types = rbuf_be32(r);
    h->chars = rbuf_be32(r);
    return !r->err && h->times < 10000 && h->types >= 1 && h->types <= 256 && h->leap < 1000 && h->chars < 10000;
}

static bool tzif_parse(struct zone *z, struct str file)
{
    struct rbuf r = rbuf_of(file.ptr, file.len);
    struct tzif_head h;
    if (!read_head(&r, &h))
        return false;
    rbuf_take(&r, h.times * 5u + h.types * 6u + h.chars + h.leap * 8u + h.isstd + h.isut); /* the 32-bit block */
    if (!read_head(&r, &h))
        return false;
    const uint8_t *times = rbuf_take(&r, h.times * 8u), *index = rbuf_take(&r, h.times);
    const uint8_t *types = rbuf_take(&r, h.types * 6u);
    rbuf_take(&r, h.chars + h.leap * 12u + h.isstd + h.isut);
    if (r.err)
        return false;
    z->n = h.times;
    z->from_s = xzalloc(sizeof *z->from_s * MAX(h.times, 1u));
    z->offset_s = xzalloc(sizeof *z->offset_s * MAX(h.times, 1u));
    z->first_s = z->standard_s = (int32_t)be32(types);
    for (uint32_t i = 0; i < h.times; i++) {
        if (index[i] >= h.types)
            return false;
        z->from_s[i] = (int64_t)be64(times + i * 8u);
        z->offset_s[i] = z->standard_s = (int32_t)be32(types + index[i] * 6u);
    }
    struct str footer = {(const char *)r.ptr, rbuf_left(&r)};
    footer = str_trim(footer); /* it stands between two newlines */
    return footer.len == 0 || rule_parse(z, footer);
}

static bool zone_load(struct zone *z, struct str name)
{
    char path[128];
    bool strange = name.len == 0 || name.len > 64 || name.ptr[0] == '/';
    for (size_t i = 0; i < name.len && !strange; i++) {
        char c = name.ptr[i];
        strange = !(((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || strchr("_+-/", c));
    }
    if (strange)
        return false;
    snprintf(path, sizeof path, ZONE_FOLDER "%.*s", STR_ARG(name));
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    char *bytes = xalloc(ZONE_FILE_MAX);
    size_t n = fread(bytes, 1, ZONE_FILE_MAX, f);
    fclose(f);
    bool ok = tzif_parse(z, (struct str){bytes, n});
    xfree(bytes);
    return ok;
}

/* "+02", "+0200", "+02:00", "UTC+2", "GMT-03:00" */
static bool zone_fixed(struct zone *z, struct str name)
{
    static const char *const utc[] = {"Z", "UTC", "GMT", "UT"};
    for (size_t i = 0; i < ARRAY_LEN(utc); i++)
        if (str_eq_nocase(name, str_of(utc[i])))
            return true;
    if (str_starts(name, STR("UTC")) || str_starts(name, STR("GMT")))
        name = (struct str){name.ptr + 3, name.len - 3};
    if (name.len < 2 || (name.ptr[0] != '+' && name.ptr[0] != '-'))
        return false;
    struct cursor c = {name.ptr + 1, name.ptr + name.len};
    int hours, minutes = 0;
    if (!read_int(&c, &hours))
        return false;
    if (name.len == 5 && c.p == c.end) { /* +hhmm */
        minutes = hours % 100;
        hours /= 100;
    } else if (took(&c, ':') && !read_int(&c, &minutes)) {
        return false;
    }
    int seconds = (hours * 60 + minutes) * 60;
    z->first_s = z->standard_s = name.ptr[0] == '-' ? -seconds : seconds;
    return c.p == c.end && hours <= 18 && minutes <= 59;
}

int zone_open(struct zone **out, struct str name, struct diag *d)
{
    struct zone *z = xzalloc(sizeof *z);
    if (zone_fixed(z, name) || zone_load(z, name)) {
        *out = z;
        return 0;
    }
    zone_close(z);
    diag_set(d, E_SQL, "there is no time zone '%.*s'", (int)MIN(name.len, (size_t)64), name.ptr ? name.ptr : "");
    diag_hint(d, "use UTC, an offset as +02:00, or a name as Europe/Paris");
    return E_SQL;
}

void zone_close(struct zone *z)
{
    if (!z)
        return;
    xfree(z->from_s);
    xfree(z->offset_s);
    xfree(z);
}

/* ---- conversion */

static int64_t floor_s(int64_t ms) { return ms / 1000 - (ms % 1000 < 0); }

static int64_t offset_ms(const struct zone *z, int64_t ms)
{
    int64_t s = floor_s(ms);
    if (!z->n)
        return INT64_C(1000) * (z->has_dst ? rule_offset(z, s) : z->standard_s);
    if (s < z->from_s[0])
        return INT64_C(1000) * z->first_s;
    if (s >= z->from_s[z->n - 1] && z->has_dst)
        return INT64_C(1000) * rule_offset(z, s);
    uint32_t low = 0, high = z->n; /* the last transition not after s is in [low, high) */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (z->from_s[middle] <= s)
            low = middle;
        else
            high = middle;
    }
    return INT64_C(1000) * z->offset_s[low];
}

int64_t zone_from_utc(const struct zone *z, int64_t ms)
{
    return (int64_t)((uint64_t)ms + (uint64_t)offset_ms(z, ms));
}

int64_t zone_to_utc(const struct zone *z, int64_t local_ms)
{
    const int64_t day = 86400000;
    if (local_ms > INT64_MAX - 2 * day || local_ms < INT64_MIN + 2 * day)
        return local_ms;
    int64_t before = offset_ms(z, local_ms - day), after = offset_ms(z, local_ms + day);
    if (before != after && offset_ms(z, local_ms - before) != before && offset_ms(z, local_ms - after) == after)
        return local_ms - after;
    return local_ms - before;
}
