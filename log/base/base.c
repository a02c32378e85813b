#include "log/base/base.h"
#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, cond);
    abort();
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len || !a.ptr != !b.ptr)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t n = MIN(a.len, b.len);
    int order = n ? memcmp(a.ptr, b.ptr, n) : 0;
    if (order)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

struct str str_trim(struct str s)
{
    while (s.len && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool str_to_i64(struct str s, int64_t *out)
{
    bool minus = s.len && s.ptr[0] == '-';
    size_t i = minus;
    if (i >= s.len)
        return false;
    int64_t v = 0; /* counts downwards: INT64_MIN has no positive twin */
    for (; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, s.ptr[i] - '0', &v))
            return false;
    }
    if (!minus && v == INT64_MIN)
        return false;
    *out = minus ? v : -v;
    return true;
}

unsigned str_distance(struct str a, struct str b)
{
    enum { CAP = 64 };
    size_t an = MIN(a.len, (size_t)CAP), bn = MIN(b.len, (size_t)CAP);
    unsigned row[CAP + 1];
    for (size_t j = 0; j <= bn; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= an; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= bn; j++) {
            unsigned change = diagonal + (lower(a.ptr[i - 1]) != lower(b.ptr[j - 1]));
            diagonal = row[j];
            row[j] = MIN(change, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[bn];
}

bool uuid_is_zero(struct uuid id)
{
    static const struct uuid zero;
    return uuid_eq(id, zero);
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void uuid_format(struct uuid id, char out[UUID_TEXT])
{
    for (unsigned i = 0; i < 22; i++) {
        unsigned bit = i * 6, at = bit / 8, shift = bit % 8;
        unsigned pair = (unsigned)id.b[at] << 8 | (at + 1 < 16 ? id.b[at + 1] : 0u);
        out[i] = base64[pair >> (10 - shift) & 63];
    }
    out[22] = 0;
}

bool uuid_parse(struct str text, struct uuid *out)
{
    if (text.len != 22)
        return false;
    struct uuid id = {{0}};
    for (unsigned i = 0; i < 22; i++) {
        const char *digit = text.ptr[i] ? strchr(base64, text.ptr[i]) : NULL;
        if (!digit)
            return false;
        unsigned bit = i * 6, at = bit / 8;
        unsigned pair = (unsigned)(digit - base64) << (10 - bit % 8);
        id.b[at] |= (uint8_t)(pair >> 8);
        if (at + 1 < 16)
            id.b[at + 1] |= (uint8_t)pair;
        else if (pair & 255) /* bits past the 128th */
            return false;
    }
    *out = id;
    return true;
}
