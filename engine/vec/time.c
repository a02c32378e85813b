#include "engine/vec/vec.h"
#include <stdio.h>

/* Civil dates (proleptic Gregorian calendar) and ISO 8601. Days are counted in eras of 400 years, whose years begin in
 * March, so that the leap day is the last of its year. */

#define DAY_MS INT64_C(86400000)

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

int64_t civil_days(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = floor_div(year, 400), in_era = year - era * 400;
    int64_t yearday = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + yearday - 719468;
}

int64_t civil_ms(const struct civil *c)
{
    int64_t seconds = civil_days(c->year, c->month, c->day) * 86400 + c->hour * 3600 + c->minute * 60 + c->second;
    return seconds * 1000 + c->ms;
}

int civil_month_days(int64_t year, int month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

struct civil civil_of_ms(int64_t ms)
{
    int64_t days = floor_div(ms, DAY_MS), rest = ms - days * DAY_MS;
    struct civil c = {.hour = (int)(rest / 3600000),
                      .minute = (int)(rest / 60000 % 60),
                      .second = (int)(rest / 1000 % 60),
                      .ms = (int)(rest % 1000),
                      .weekday = (int)((days % 7 + 7 + 3) % 7) + 1};
    int64_t z = days + 719468, era = floor_div(z, 146097), in_era = z - era * 146097;
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t yearday = in_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * yearday + 2) / 153;
    c.day = (int)(yearday - (153 * month + 2) / 5) + 1;
    c.month = (int)(month < 10 ? month + 3 : month - 9);
    c.year = year + era * 400 + (c.month <= 2);
    c.yearday = (int)(days - civil_days(c.year, 1, 1)) + 1;
    return c;
}

/* ---- parsing ISO 8601 */

/* Takes exactly n digits (or up to n, at least min). */
static bool take_number(struct str *s, size_t min, size_t n, int *out)
{
    size_t i = 0;
    int v = 0;
    for (; i < n && i < s->len && s->ptr[i] >= '0' && s->ptr[i] <= '9'; i++)
        v = v * 10 + (s->ptr[i] - '0');
    if (i < min)
        return false;
    *out = v;
    *s = (struct str){s->ptr + i, s->len - i};
    return true;
}

static bool take_char(struct str *s, char c)
{
    if (!s->len || s->ptr[0] != c)
        return false;
    *s = (struct str){s->ptr + 1, s->len - 1};
    return true;
}

static bool take_date(struct str *s, struct civil *c)
{
    int year;
    bool negative = take_char(s, '-');
    if (!negative)
        take_char(s, '+');
    if (!take_number(s, 4, 6, &year))
        return false;
    c->year = negative ? -year : year;
    c->month = c->day = 1;
    if (take_char(s, '-') && !take_number(s, 1, 2, &c->month))
        return false;
    if (c->month < 1 || c->month > 12)
        return false;
    if (take_char(s, '-') && !take_number(s, 1, 2, &c->day))
        return false;
    return c->day >= 1 && c->day <= civil_month_days(c->year, c->month);
}

/* Digits behind the point: thousandths count, more are dropped. */
static bool take_fraction(struct str *s, int *ms)
{
    if (!take_char(s, '.') && !take_char(s, ','))
        return true;
    size_t before = s->len;
    int scale = 100;
    *ms = 0;
    for (; s->len && s->ptr[0] >= '0' && s->ptr[0] <= '9'; *s = (struct str){s->ptr + 1, s->len - 1}) {
        *ms += (s->ptr[0] - '0') * scale;
        scale /= 10;
    }
    return s->len < before;
}

static bool take_time(struct str *s, struct civil *c)
{
    if (!take_number(s, 1, 2, &c->hour) || c->hour > 23)
        return false;
    if (!take_char(s, ':'))
        return true;
    if (!take_number(s, 1, 2, &c->minute) || c->minute > 59)
        return false;
    if (!take_char(s, ':'))
        return true;
    return take_number(s, 1, 2, &c->second) && c->second <= 59 && take_fraction(s, &c->ms);
}

/* "", "Z", "+02", "+0200", "+02:00" */
static bool take_zone(struct str *s, int64_t *offset_ms)
{
    *offset_ms = 0;
    if (!s->len || take_char(s, 'Z') || take_char(s, 'z'))
        return true;
    int sign = take_char(s, '-') ? -1 : take_char(s, '+') ? 1 : 0, hours, minutes = 0;
    if (!sign || !take_number(s, 2, 2, &hours))
        return false;
    bool colon = take_char(s, ':');
    if (!take_number(s, 2, 2, &minutes) && colon)
        return false;
    *offset_ms = sign * (hours * 60 + minutes) * INT64_C(60000);
    return hours <= 18 && minutes <= 59;
}

bool timestamp_parse(struct str s, int64_t *ms)
{
    struct civil c = {0};
    int64_t offset = 0;
    s = str_trim(s);
    if (!take_date(&s, &c))
        return false;
    bool time = take_char(&s, 'T') || take_char(&s, 't') || (s.len > 1 && take_char(&s, ' '));
    if (time && s.len && !take_time(&s, &c))
        return false;
    if (!take_zone(&s, &offset) || s.len)
        return false;
    *ms = civil_ms(&c) - offset;
    return true;
}

bool date_parse(struct str s, int32_t *days)
{
    struct civil c = {0};
    s = str_trim(s);
    if (!take_date(&s, &c) || s.len)
        return false;
    *days = (int32_t)civil_days(c.year, c.month, c.day);
    return true;
}

bool time_parse(struct str s, int32_t *ms)
{
    struct civil c = {0};
    s = str_trim(s);
    if (!take_time(&s, &c) || s.len)
        return false;
    *ms = ((c.hour * 60 + c.minute) * 60 + c.second) * 1000 + c.ms;
    return true;
}

/* ---- formatting ISO 8601 */

static size_t put_date(const struct civil *c, char *out, size_t cap)
{
    return (size_t)snprintf(out, cap, "%s%04lld-%02d-%02d", c->year < 0 ? "-" : c->year > 9999 ? "+" : "",
                            (long long)(c->year < 0 ? -c->year : c->year), c->month, c->day);
}

static char *put_digits(char *at, int v, int n)
{
    for (int i = n; i-- > 0; v /= 10)
        at[i] = (char)('0' + v % 10);
    return at + n;
}

static char *put_time(const struct civil *c, bool ms, char *at)
{
    at = put_digits(at, c->hour, 2);
    *at++ = ':';
    at = put_digits(at, c->minute, 2);
    *at++ = ':';
    at = put_digits(at, c->second, 2);
    if (ms) {
        *at++ = '.';
        at = put_digits(at, c->ms, 3);
    }
    return at;
}

size_t timestamp_format(int64_t ms, char *out)
{
    struct civil c = civil_of_ms(ms);
    char *at = out + put_date(&c, out, TIMESTAMP_TEXT);
    *at++ = 'T';
    at = put_time(&c, true, at);
    return (size_t)(at - out);
}

size_t date_format(int32_t days, char *out)
{
    struct civil c = civil_of_ms(days * DAY_MS);
    return put_date(&c, out, TIMESTAMP_TEXT);
}

size_t time_format(int32_t ms, char *out)
{
    struct civil c = civil_of_ms(ms);
    return (size_t)(put_time(&c, c.ms != 0, out) - out);
}
