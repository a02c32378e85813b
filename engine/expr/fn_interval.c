#include "engine/expr/kernel.h"

/* Intervals: a length of time in ms, or a number of months. A month later is the same day, or the last of a shorter month, as
 * in PostgreSQL. And what a date or time consists of: EXTRACT and DATE_TRUNC. */

#define DAY_MS INT64_C(86400000)

static int64_t floor_to(int64_t v, int64_t unit)
{
    int64_t rest = v % unit;
    return v - rest - (rest < 0 ? unit : 0);
}

static bool is_months(const struct call *c, unsigned arg) { return c->args[arg]->type.precision == 1; }

/* ms and an interval, which is added or taken away. False: the row has failed. */
static bool later(struct call *c, uint32_t r, int64_t ms, unsigned interval, int sign, int64_t *out)
{
    int64_t by = arg_i64(c, interval, r);
    if (sign < 0 && __builtin_sub_overflow((int64_t)0, by, &by)) {
        call_fail(c, r, "result is out of range");
        return false;
    }
    if (is_months(c, interval) ? time_add_months(ms, by, out) : !__builtin_add_overflow(ms, by, out))
        return true;
    call_fail(c, r, "result is out of range");
    return false;
}

static void moment_rows(struct call *c, unsigned moment, unsigned interval, int sign)
{
    bool date = c->args[moment]->type.id == T_DATE;
    ROWS_VALID (c, r) {
        int64_t ms = date ? arg_i32(c, moment, r) * DAY_MS : arg_i64(c, moment, r);
        later(c, r, ms, interval, sign, &c->out->i64[r]);
    }
}

KERNEL(moment_plus) { moment_rows(c, 0, 1, 1); }
KERNEL(plus_moment) { moment_rows(c, 1, 0, 1); }
KERNEL(moment_minus) { moment_rows(c, 0, 1, -1); }

static void clock_rows(struct call *c, int sign)
{
    ROWS_VALID (c, r) {
        int64_t by = arg_i64(c, 1, r) % DAY_MS;
        if (is_months(c, 1)) {
            call_fail(c, r, "months cannot be added to a time of day");
            continue;
        }
        c->out->i32[r] = (int32_t)((arg_i32(c, 0, r) + sign * by + DAY_MS) % DAY_MS);
    }
}

KERNEL(clock_plus) { clock_rows(c, 1); }
KERNEL(clock_minus) { clock_rows(c, -1); }

KERNEL(interval_plus)
{
    ROWS_VALID (c, r)
        if (__builtin_add_overflow(arg_i64(c, 0, r), arg_i64(c, 1, r), &c->out->i64[r]))
            call_fail(c, r, "result is out of range");
}

KERNEL(interval_minus)
{
    ROWS_VALID (c, r)
        if (__builtin_sub_overflow(arg_i64(c, 0, r), arg_i64(c, 1, r), &c->out->i64[r]))
            call_fail(c, r, "result is out of range");
}

KERNEL(clock_between)
{
    ROWS_VALID (c, r)
        c->out->i64[r] = (int64_t)arg_i32(c, 0, r) - arg_i32(c, 1, r);
}

KERNEL(days_between)
{
    ROWS_VALID (c, r)
        if (__builtin_sub_overflow(arg_i32(c, 0, r), arg_i32(c, 1, r), &c->out->i32[r]))
            call_fail(c, r, "result is out of range");
}

KERNEL(days_plus)
{
    ROWS_VALID (c, r)
        if (__builtin_add_overflow(arg_i32(c, 0, r), arg_i32(c, 1, r), &c->out->i32[r]))
            call_fail(c, r, "result is out of range");
}

KERNEL(days_minus)
{
    ROWS_VALID (c, r)
        if (__builtin_sub_overflow(arg_i32(c, 0, r), arg_i32(c, 1, r), &c->out->i32[r]))
            call_fail(c, r, "result is out of range");
}

static void times_rows(struct call *c, unsigned interval, unsigned factor)
{
    ROWS_VALID (c, r)
        if (__builtin_mul_overflow(arg_i64(c, interval, r), arg_i64(c, factor, r), &c->out->i64[r]))
            call_fail(c, r, "result is out of range");
}

KERNEL(interval_times) { times_rows(c, 0, 1); }
KERNEL(times_interval) { times_rows(c, 1, 0); }

/* By a number that may have a fraction; to the nearest ms or month. */
static void scale_row(struct call *c, uint32_t r, double v)
{
    v = __builtin_round(v);
    if (v >= -0x1p63 && v < 0x1p63)
        c->out->i64[r] = (int64_t)v;
    else
        call_fail(c, r, "result is out of range");
}

KERNEL(interval_scaled)
{
    ROWS_VALID (c, r)
        scale_row(c, r, (double)arg_i64(c, 0, r) * arg_f64(c, 1, r));
}

KERNEL(interval_divided)
{
    ROWS_VALID (c, r) {
        if (arg_f64(c, 1, r) == 0)
            call_fail(c, r, "division by zero");
        else
            scale_row(c, r, (double)arg_i64(c, 0, r) / arg_f64(c, 1, r));
    }
}

/* ---- parts */

enum part { P_MS, P_SECOND, P_MINUTE, P_HOUR, P_DAY, P_WEEK, P_MONTH, P_QUARTER, P_YEAR, P_DECADE, P_CENTURY, P_DOW, P_ISODOW,
            P_DOY, P_ISOYEAR, P_EPOCH, P_NONE };

static enum part part_of(struct str name)
{
    static const char *const names[] = {"MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR",
                                        "DECADE", "CENTURY", "DOW", "ISODOW", "DOY", "ISOYEAR", "EPOCH"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, str_of(names[i])) ||
            (name.len > 1 && (name.ptr[name.len - 1] | 0x20) == 's' &&
             str_eq_nocase((struct str){name.ptr, name.len - 1}, str_of(names[i]))))
            return (enum part)i;
    return P_NONE;
}

/* The Thursday of the week decides about its year. */
static void iso_week(int64_t ms, int64_t *year, int64_t *week)
{
    struct civil c = civil_of_ms(ms), thursday = civil_of_ms(ms + (4 - c.weekday) * DAY_MS);
    *year = thursday.year;
    *week = (thursday.yearday - 1) / 7 + 1;
}

static int64_t civil_part(int64_t ms, enum part part)
{
    struct civil c = civil_of_ms(ms);
    int64_t year, week;
    iso_week(ms, &year, &week);
    switch (part) {
    case P_MS:
        return c.second * 1000 + c.ms;
    case P_SECOND:
        return c.second;
    case P_MINUTE:
        return c.minute;
    case P_HOUR:
        return c.hour;
    case P_DAY:
        return c.day;
    case P_WEEK:
        return week;
    case P_MONTH:
        return c.month;
    case P_QUARTER:
        return (c.month + 2) / 3;
    case P_YEAR:
        return c.year;
    case P_DECADE:
        return floor_to(c.year, 10) / 10;
    case P_CENTURY:
        return c.year > 0 ? (c.year + 99) / 100 : c.year / 100 - 1;
    case P_DOW:
        return c.weekday % 7;
    case P_ISODOW:
        return c.weekday;
    case P_DOY:
        return c.yearday;
    case P_ISOYEAR:
        return year;
    default:
        return floor_to(ms, 1000) / 1000;
    }
}

/* INT64_MIN: an interval of this kind has no such part. */
static int64_t interval_part(int64_t v, bool months, enum part part)
{
    if (months)
        return part == P_MONTH ? v % 12 : part == P_YEAR ? v / 12 : INT64_MIN;
    switch (part) {
    case P_MS:
        return v % 60000;
    case P_SECOND:
        return v / 1000 % 60;
    case P_MINUTE:
        return v / 60000 % 60;
    case P_HOUR:
        return v / 3600000 % 24;
    case P_DAY:
        return v / DAY_MS;
    case P_EPOCH:
        return v / 1000;
    default:
        return INT64_MIN;
    }
}

KERNEL(time_extract)
{
    uint8_t id = c->args[1]->type.id;
    ROWS_VALID (c, r) {
        enum part part = part_of(arg_str(c, 0, r));
        int64_t v = id == T_TIME ? arg_i32(c, 1, r) : arg_i64(c, 1, r);
        bool known = part != P_NONE && (id != T_TIME || part <= P_HOUR || part == P_EPOCH);
        int64_t out = !known ? INT64_MIN : id == T_INTERVAL ? interval_part(v, is_months(c, 1), part) : civil_part(v, part);
        if (out == INT64_MIN)
            call_fail(c, r, "there is no such part to extract");
        else
            c->out->i64[r] = out;
    }
}

#define PART(name, part)                                                                                               \
    KERNEL(name)                                                                                                       \
    {                                                                                                                  \
        ROWS_VALID (c, r)                                                                                              \
            c->out->i32[r] = (int32_t)civil_part(arg_i64(c, 0, r), part);                                              \
    }
PART(part_year, P_YEAR)
PART(part_quarter, P_QUARTER)
PART(part_month, P_MONTH)
PART(part_week, P_WEEK)
PART(part_doy, P_DOY)
PART(part_day, P_DAY)
PART(part_dow, P_ISODOW)
PART(part_hour, P_HOUR)
PART(part_minute, P_MINUTE)
PART(part_second, P_SECOND)

/* ---- truncation */

static int64_t year_start(int64_t year) { return civil_days(year, 1, 1) * DAY_MS; }

static bool truncate_to(int64_t ms, enum part part, int64_t *out)
{
    static const int64_t sizes[] = {[P_MS] = 1, [P_SECOND] = 1000, [P_MINUTE] = 60000, [P_HOUR] = 3600000, [P_DAY] = DAY_MS};
    struct civil c = civil_of_ms(ms);
    if (part <= P_DAY) {
        *out = floor_to(ms, sizes[part]);
        return true;
    }
    switch (part) {
    case P_WEEK: /* its Monday */
        *out = floor_to(ms, DAY_MS) - (c.weekday - 1) * DAY_MS;
        return true;
    case P_MONTH:
    case P_QUARTER:
        *out = civil_days(c.year, part == P_MONTH ? c.month : (c.month - 1) / 3 * 3 + 1, 1) * DAY_MS;
        return true;
    case P_YEAR:
        *out = year_start(c.year);
        return true;
    case P_DECADE:
        *out = year_start(floor_to(c.year, 10));
        return true;
    case P_CENTURY:
        *out = year_start(floor_to(c.year - 1, 100) + 1);
        return true;
    default:
        return false;
    }
}

KERNEL(time_truncate)
{
    ROWS_VALID (c, r) {
        const struct zone *zone = c->nargs > 2 ? call_zone(c, r, &c->cache[0], arg_str(c, 2, r)) : NULL;
        int64_t ms = arg_i64(c, 1, r);
        if (c->nargs > 2 && !zone)
            continue;
        if (!truncate_to(zone ? zone_from_utc(zone, ms) : ms, part_of(arg_str(c, 0, r)), &ms))
            call_fail(c, r, "a time cannot be cut to this unit");
        else
            c->out->i64[r] = zone ? zone_to_utc(zone, ms) : ms;
    }
}
