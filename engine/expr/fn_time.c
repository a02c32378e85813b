#include "engine/expr/kernel.h"

/* Dates and times. Patterns and zones are compiled once and kept while their text stays the same. */

#define DAY_MS INT64_C(86400000)

/* ---- volatile */

KERNEL(time_now)
{
    ROWS (c, r) {
        if (c->ctx)
            c->out->i64[r] = c->ctx->now_ms;
        else
            call_fail(c, r, "there is no clock here");
    }
}

static int64_t floor_days(int64_t ms) { return ms / DAY_MS - (ms % DAY_MS < 0); }

KERNEL(time_today)
{
    ROWS (c, r) {
        if (c->ctx)
            c->out->i32[r] = (int32_t)floor_days(c->ctx->now_ms);
        else
            call_fail(c, r, "there is no clock here");
    }
}

/* ---- units */

enum unit { UNIT_MS, UNIT_SECOND, UNIT_MINUTE, UNIT_HOUR, UNIT_DAY, UNIT_WEEK, UNIT_MONTH, UNIT_YEAR, UNIT_NONE };
static const struct {
    const char *name;
    int64_t ms;
} units[] = {{"MILLISECOND", 1},  {"SECOND", 1000}, {"MINUTE", 60000},      {"HOUR", 3600000},
             {"DAY", 86400000}, {"WEEK", 604800000}, {"MONTH", 0}, {"YEAR", 0}};

static enum unit unit_of(struct str name)
{
    if (name.len > 1 && (name.ptr[name.len - 1] | 0x20) == 's')
        name.len--;
    for (unsigned i = 0; i < ARRAY_LEN(units); i++)
        if (str_eq_nocase(name, str_of(units[i].name)))
            return (enum unit)i;
    return UNIT_NONE;
}

/* A month or year later is the same day, or the last of a shorter month. */
bool time_add_months(int64_t ms, int64_t months, int64_t *out)
{
    struct civil cv = civil_of_ms(ms);
    int64_t month = cv.year * 12 + cv.month - 1 + months;
    int64_t year = month / 12 - (month % 12 < 0);
    if (year < -200000000 || year > 200000000)
        return false;
    cv.year = year;
    cv.month = (int)(month - year * 12) + 1;
    cv.day = MIN(cv.day, civil_month_days(cv.year, cv.month));
    *out = civil_ms(&cv);
    return true;
}

static bool add(int64_t ms, enum unit unit, int64_t n, int64_t *out)
{
    int64_t by;
    if (unit >= UNIT_MONTH)
        return time_add_months(ms, unit == UNIT_YEAR ? n * 12 : n, out);
    return !__builtin_mul_overflow(n, units[unit].ms, &by) && !__builtin_add_overflow(ms, by, out);
}

/* Arguments: unit, count, moment. Gives the moment in ms, or false: the row has failed. */
static bool added(struct call *c, uint32_t r, int64_t ms, int sign, enum unit from, enum unit to, int64_t *out)
{
    enum unit unit = unit_of(arg_str(c, 0, r));
    if (unit == UNIT_NONE || unit < from || unit > to) {
        call_fail(c, r, "this unit of time cannot be added here");
        return false;
    }
    if (add(ms, unit, (int64_t)arg_i32(c, 1, r) * sign, out))
        return true;
    call_fail(c, r, "result is out of range");
    return false;
}

static void timestamp_rows(struct call *c, int sign)
{
    int64_t ms;
    ROWS_VALID (c, r)
        if (added(c, r, arg_i64(c, 2, r), sign, UNIT_MS, UNIT_YEAR, &ms))
            c->out->i64[r] = ms;
}

static void date_rows(struct call *c, int sign)
{
    int64_t ms;
    ROWS_VALID (c, r)
        if (added(c, r, arg_i32(c, 2, r) * DAY_MS, sign, UNIT_DAY, UNIT_YEAR, &ms))
            c->out->i32[r] = (int32_t)floor_days(ms);
}

static void clock_rows(struct call *c, int sign)
{
    int64_t ms;
    ROWS_VALID (c, r)
        if (added(c, r, arg_i32(c, 2, r), sign, UNIT_MS, UNIT_HOUR, &ms))
            c->out->i32[r] = (int32_t)(ms - floor_days(ms) * DAY_MS);
}

KERNEL(timestamp_add) { timestamp_rows(c, 1); }
KERNEL(timestamp_sub) { timestamp_rows(c, -1); }
KERNEL(date_add) { date_rows(c, 1); }
KERNEL(date_sub) { date_rows(c, -1); }
KERNEL(clock_add) { clock_rows(c, 1); }
KERNEL(clock_sub) { clock_rows(c, -1); }

/* ---- patterns and zones */

struct made_pattern {
    struct time_pattern *pattern;
    char wrong[160];
};

static void pattern_free(void *made)
{
    struct made_pattern *m = made;
    time_pattern_free(m->pattern);
    xfree(m);
}

static const struct time_pattern *pattern_of(struct call *c, uint32_t r, struct str text)
{
    struct cached *cache = &c->cache[0];
    if (!cached_is(cache, text)) {
        struct made_pattern *m = xzalloc(sizeof *m);
        struct diag d;
        if (time_pattern_new(&m->pattern, text, &d))
            memcpy(m->wrong, d.text, sizeof m->wrong - 1);
        cached_set(cache, text, m, pattern_free);
    }
    struct made_pattern *m = cache->made;
    if (!m->pattern)
        call_fail(c, r, m->wrong);
    return m->pattern;
}

static void close_zone(void *made) { zone_close(*(struct zone **)made), xfree(made); }

const struct zone *call_zone(struct call *c, uint32_t r, struct cached *cache, struct str name)
{
    if (!cached_is(cache, name)) {
        struct zone **z = xzalloc(sizeof *z);
        if (zone_open(z, name, NULL))
            *z = NULL;
        cached_set(cache, name, z, close_zone);
    }
    const struct zone *z = *(struct zone **)cache->made;
    if (!z)
        call_fail(c, r, "there is no such time zone");
    return z;
}

/* The pattern of argument 1 and the zone of argument 2; false: the row has failed. */
static bool prepared(struct call *c, uint32_t r, const struct time_pattern **pattern, const struct zone **zone)
{
    *zone = NULL;
    *pattern = pattern_of(c, r, arg_str(c, 1, r));
    if (*pattern && c->nargs > 2) {
        *zone = call_zone(c, r, &c->cache[1], arg_str(c, 2, r));
        return *zone != NULL;
    }
    return *pattern != NULL;
}

static void format_rows(struct call *c, int64_t (*ms_of)(const struct call *c, uint32_t r))
{
    struct wbuf out;
    wbuf_init(&out);
    ROWS_VALID (c, r) {
        const struct time_pattern *pattern;
        const struct zone *zone;
        if (!prepared(c, r, &pattern, &zone))
            continue;
        wbuf_reset(&out);
        time_pattern_format(pattern, ms_of(c, r), zone, &out);
        out_str(c, r, out.len ? wbuf_view(&out) : STR(""));
    }
    wbuf_fini(&out);
}

static int64_t ms_of_timestamp(const struct call *c, uint32_t r) { return arg_i64(c, 0, r); }
static int64_t ms_of_date(const struct call *c, uint32_t r) { return arg_i32(c, 0, r) * DAY_MS; }
static int64_t ms_of_clock(const struct call *c, uint32_t r) { return arg_i32(c, 0, r); }

KERNEL(timestamp_to_text) { format_rows(c, ms_of_timestamp); }
KERNEL(date_to_text) { format_rows(c, ms_of_date); }
KERNEL(clock_to_text) { format_rows(c, ms_of_clock); }

static bool parsed(struct call *c, uint32_t r, int64_t *ms)
{
    const struct time_pattern *pattern;
    const struct zone *zone;
    if (!prepared(c, r, &pattern, &zone))
        return false;
    if (time_pattern_parse(pattern, arg_str(c, 0, r), zone, ms))
        return true;
    call_fail(c, r, "text does not follow the time pattern");
    return false;
}

KERNEL(text_to_timestamp)
{
    int64_t ms;
    ROWS_VALID (c, r)
        if (parsed(c, r, &ms))
            c->out->i64[r] = ms;
}

KERNEL(text_to_date)
{
    int64_t ms;
    ROWS_VALID (c, r)
        if (parsed(c, r, &ms))
            c->out->i32[r] = (int32_t)floor_days(ms);
}

KERNEL(text_to_clock)
{
    int64_t ms;
    ROWS_VALID (c, r)
        if (parsed(c, r, &ms))
            c->out->i32[r] = (int32_t)(ms - floor_days(ms) * DAY_MS);
}

KERNEL(time_convert_tz)
{
    ROWS_VALID (c, r) {
        const struct zone *from = call_zone(c, r, &c->cache[0], arg_str(c, 1, r));
        const struct zone *to = from ? call_zone(c, r, &c->cache[1], arg_str(c, 2, r)) : NULL;
        if (to)
            c->out->i64[r] = zone_from_utc(to, zone_to_utc(from, arg_i64(c, 0, r)));
    }
}
