#include "engine/expr/kernel.h"
#include <utf8proc.h>

/* Functions on texts that count and move characters (code points). ASCII has short cuts everywhere. */

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] & 0x80)
            return false;
    return true;
}

static bool starts_char(char byte) { return ((uint8_t)byte & 0xc0) != 0x80; }

static size_t char_count(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += starts_char(s.ptr[i]);
    return n;
}

/* Byte position of character number n (from 0); the length if there are fewer. */
static size_t char_pos(struct str s, size_t n)
{
    size_t i = 0;
    for (; i < s.len; i++)
        if (starts_char(s.ptr[i]) && n-- == 0)
            break;
    return i;
}

static struct str cut(struct str s, size_t from, size_t to) { return (struct str){s.ptr + from, to - from}; }

/* Results that could be larger than any record are refused. */
#define TEXT_RESULT_MAX (64u << 20)

static bool room_for(struct call *c, uint32_t r, uint64_t bytes)
{
    if (bytes <= TEXT_RESULT_MAX)
        return true;
    call_fail(c, r, "result is longer than 64 MiB");
    return false;
}

KERNEL(text_len)
{
    ROWS_VALID (c, r)
        c->out->i32[r] = (int32_t)char_count(arg_str(c, 0, r));
}

KERNEL(bytes_len)
{
    ROWS_VALID (c, r)
        c->out->i32[r] = (int32_t)arg_str(c, 0, r).len;
}

/* ---- case */

enum fold { FOLD_UPPER, FOLD_LOWER, FOLD_WORDS };

static char ascii_upper(char ch) { return ch >= 'a' && ch <= 'z' ? (char)(ch - 32) : ch; }
static char ascii_lower(char ch) { return ch >= 'A' && ch <= 'Z' ? (char)(ch + 32) : ch; }

/* A case may change a character's length, from two bytes to three at worst. */
static size_t fold_unicode(struct str s, enum fold how, char *out)
{
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)s.ptr, *end = p + s.len;
    char *at = out;
    bool word = true;
    while (p < end) {
        utf8proc_int32_t ch;
        utf8proc_ssize_t n = utf8proc_iterate(p, end - p, &ch);
        if (n <= 0) { /* not UTF-8: kept as it is */
            *at++ = (char)*p++;
            continue;
        }
        bool upper = how == FOLD_UPPER || (how == FOLD_WORDS && word);
        word = ch == ' ' || (ch >= '\t' && ch <= '\r');
        at += utf8proc_encode_char(upper ? utf8proc_toupper(ch) : utf8proc_tolower(ch), (utf8proc_uint8_t *)at);
        p += n;
    }
    return (size_t)(at - out);
}

static size_t fold_ascii(struct str s, enum fold how, char *out)
{
    bool word = true;
    for (size_t i = 0; i < s.len; i++) {
        bool upper = how == FOLD_UPPER || (how == FOLD_WORDS && word);
        out[i] = upper ? ascii_upper(s.ptr[i]) : ascii_lower(s.ptr[i]);
        word = s.ptr[i] == ' ' || (s.ptr[i] >= '\t' && s.ptr[i] <= '\r');
    }
    return s.len;
}

static void fold_rows(struct call *c, enum fold how)
{
    ROWS_VALID (c, r) {
        struct str s = arg_str(c, 0, r);
        if (!room_for(c, r, s.len * 2))
            continue;
        char *room = batch_room(c->b, (uint32_t)s.len * 2 + 4);
        size_t n = is_ascii(s) ? fold_ascii(s, how, room) : fold_unicode(s, how, room);
        c->out->s[r] = batch_keep_room(c->b, (uint32_t)n);
    }
}

KERNEL(text_upper) { fold_rows(c, FOLD_UPPER); }
KERNEL(text_lower) { fold_rows(c, FOLD_LOWER); }
KERNEL(text_initcap) { fold_rows(c, FOLD_WORDS); }

/* ---- parts */

KERNEL(text_trim)
{
    ROWS_VALID (c, r) {
        struct str s = arg_str(c, 0, r);
        while (s.len && (uint8_t)s.ptr[0] <= ' ')
            s = cut(s, 1, s.len);
        while (s.len && (uint8_t)s.ptr[s.len - 1] <= ' ')
            s.len--;
        out_str(c, r, s);
    }
}

static bool is_among(struct str ch, struct str set)
{
    const char *at = set.len ? memmem(set.ptr, set.len, ch.ptr, ch.len) : NULL;
    return at && starts_char(*at);
}

/* Without characters of the set (NULL: blanks) at either end or both. */
static void trim_rows(struct call *c, bool start, bool end)
{
    ROWS_VALID (c, r) {
        struct str s = arg_str(c, 0, r), set = c->nargs > 1 ? arg_str(c, 1, r) : STR(" \t\n\v\f\r");
        while (start && s.len) {
            size_t n = char_pos(s, 1);
            if (!is_among(cut(s, 0, n), set))
                break;
            s = cut(s, n, s.len);
        }
        while (end && s.len) {
            size_t from = s.len - 1;
            while (from && !starts_char(s.ptr[from]))
                from--;
            if (!is_among(cut(s, from, s.len), set))
                break;
            s.len = from;
        }
        out_str(c, r, s);
    }
}

KERNEL(text_trim_of) { trim_rows(c, true, true); }
KERNEL(text_ltrim) { trim_rows(c, true, false); }
KERNEL(text_rtrim) { trim_rows(c, false, true); }

/* From a 1-based position, negative from the end, and a length: units [from, to). */
static void span(struct call *c, uint32_t r, size_t total, size_t *from, size_t *to)
{
    int64_t pos = arg_i32(c, 1, r), n = (int64_t)total;
    int64_t start = pos > 0 ? pos - 1 : pos < 0 ? n + pos : 0;
    start = MAX(0, MIN(start, n));
    int64_t len = c->nargs > 2 ? MAX(arg_i32(c, 2, r), 0) : n;
    *from = (size_t)start;
    *to = (size_t)MIN(start + len, n);
}

KERNEL(text_substring)
{
    ROWS_VALID (c, r) {
        struct str s = arg_str(c, 0, r);
        size_t from, to;
        bool ascii = is_ascii(s);
        span(c, r, ascii ? s.len : char_count(s), &from, &to);
        if (!ascii) {
            size_t n = to - from;
            from = char_pos(s, from);
            to = from + char_pos(cut(s, from, s.len), n);
        }
        out_str(c, r, cut(s, from, to));
    }
}

KERNEL(bytes_substring)
{
    ROWS_VALID (c, r) {
        struct str s = arg_str(c, 0, r);
        size_t from, to;
        span(c, r, s.len, &from, &to);
        out_str(c, r, cut(s, from, to));
    }
}

/* ---- joining */

static void join(struct call *c, uint32_t r, unsigned first, struct str between)
{
    uint64_t total = 0;
    for (unsigned i = first; i < c->nargs; i++)
        if (!arg_null(c, i, r))
            total += arg_str(c, i, r).len + between.len;
    if (!room_for(c, r, total))
        return;
    char *room = batch_room(c->b, (uint32_t)total + 1);
    size_t n = 0;
    bool any = false;
    for (unsigned i = first; i < c->nargs; i++) {
        if (arg_null(c, i, r))
            continue;
        if (any && between.len) {
            memcpy(room + n, between.ptr, between.len);
            n += between.len;
        }
        struct str s = arg_str(c, i, r);
        memcpy(room + n, s.ptr, s.len);
        n += s.len;
        any = true;
    }
    c->out->s[r] = batch_keep_room(c->b, (uint32_t)n);
}

KERNEL(concat_two)
{
    ROWS_VALID (c, r)
        join(c, r, 0, STR(""));
}

KERNEL(concat_all)
{
    ROWS (c, r)
        join(c, r, 0, STR(""));
}

KERNEL(concat_ws)
{
    ROWS (c, r) {
        if (arg_null(c, 0, r))
            call_null(c, r);
        else
            join(c, r, 1, arg_str(c, 0, r));
    }
}

/* ---- searching */

KERNEL(text_replace)
{
    ROWS_VALID (c, r) {
        struct str s = arg_str(c, 0, r), old = arg_str(c, 1, r), new = arg_str(c, 2, r);
        uint64_t found = 0;
        const char *p = s.ptr, *end = p + s.len, *at;
        for (; old.len && (at = memmem(p, (size_t)(end - p), old.ptr, old.len)); p = at + old.len)
            found++;
        if (!room_for(c, r, s.len + found * new.len))
            continue;
        char *room = batch_room(c->b, (uint32_t)(s.len + found * new.len) + 1), *to = room;
        p = s.ptr;
        for (; found; found--) {
            at = memmem(p, (size_t)(end - p), old.ptr, old.len);
            memcpy(to, p, (size_t)(at - p));
            to += at - p;
            memcpy(to, new.ptr, new.len);
            to += new.len;
            p = at + old.len;
        }
        memcpy(to, p, (size_t)(end - p));
        c->out->s[r] = batch_keep_room(c->b, (uint32_t)(to + (end - p) - room));
    }
}

static const char *find_forward(struct str s, struct str sub, size_t from, int64_t occurrence)
{
    const char *p = s.ptr + char_pos(s, from), *end = s.ptr + s.len;
    while (p && occurrence-- > 0) {
        p = memmem(p, (size_t)(end - p), sub.ptr, sub.len);
        if (p && occurrence > 0)
            p++;
    }
    return p;
}

/* Starts at the character `back` from the end and goes left. */
static const char *find_backward(struct str s, struct str sub, size_t back, int64_t occurrence)
{
    size_t n = char_count(s);
    if (back > n)
        return NULL;
    for (size_t at = char_pos(s, n - back) + 1; at-- > 0;)
        if (s.len - at >= sub.len && memcmp(s.ptr + at, sub.ptr, sub.len) == 0 && --occurrence == 0)
            return s.ptr + at;
    return NULL;
}

KERNEL(text_instr)
{
    ROWS_VALID (c, r) {
        struct str s = arg_str(c, 0, r), sub = arg_str(c, 1, r);
        int64_t pos = c->nargs > 2 ? arg_i32(c, 2, r) : 1, occurrence = c->nargs > 3 ? arg_i32(c, 3, r) : 1;
        const char *at = NULL;
        if (sub.len && sub.len <= s.len && pos != 0 && occurrence > 0)
            at = pos > 0 ? find_forward(s, sub, (size_t)pos - 1, occurrence)
                         : find_backward(s, sub, (size_t)-pos, occurrence);
        c->out->i32[r] = at ? (int32_t)char_count((struct str){s.ptr, (size_t)(at - s.ptr)}) + 1 : 0;
    }
}

KERNEL(text_elt)
{
    ROWS (c, r) {
        int32_t n = arg_null(c, 0, r) ? 0 : arg_i32(c, 0, r);
        if (n < 1 || (unsigned)n >= c->nargs || arg_null(c, (unsigned)n, r))
            call_null(c, r);
        else
            out_str(c, r, arg_str(c, (unsigned)n, r));
    }
}

KERNEL(text_field)
{
    ROWS (c, r) {
        c->out->i32[r] = 0;
        for (unsigned i = 1; i < c->nargs && !arg_null(c, 0, r) && !c->out->i32[r]; i++)
            if (!arg_null(c, i, r) && str_eq(arg_str(c, 0, r), arg_str(c, i, r)))
                c->out->i32[r] = (int32_t)i;
    }
}

/* ---- filling up */

static void pad(struct call *c, bool left, bool chars)
{
    ROWS_VALID (c, r) {
        struct str s = arg_str(c, 0, r), fill = arg_str(c, 2, r);
        int32_t want = arg_i32(c, 1, r);
        size_t have = chars ? char_count(s) : s.len, fill_chars = chars ? char_count(fill) : fill.len;
        if (want < 0 || !fill.len) {
            call_null(c, r);
            continue;
        }
        if (have >= (size_t)want) {
            out_str(c, r, cut(s, 0, chars ? char_pos(s, (size_t)want) : (size_t)want));
            continue;
        }
        size_t missing = (size_t)want - have, whole = missing / fill_chars, part = missing % fill_chars;
        size_t part_bytes = chars ? char_pos(fill, part) : part, fill_bytes = whole * fill.len + part_bytes;
        if (!room_for(c, r, fill_bytes + s.len))
            continue;
        char *room = batch_room(c->b, (uint32_t)(fill_bytes + s.len) + 1), *to = room + (left ? 0 : s.len);
        for (size_t i = 0; i < whole; i++, to += fill.len)
            memcpy(to, fill.ptr, fill.len);
        memcpy(to, fill.ptr, part_bytes);
        memcpy(room + (left ? fill_bytes : 0), s.ptr, s.len);
        c->out->s[r] = batch_keep_room(c->b, (uint32_t)(fill_bytes + s.len));
    }
}

KERNEL(text_lpad) { pad(c, true, true); }
KERNEL(text_rpad) { pad(c, false, true); }
KERNEL(bytes_lpad) { pad(c, true, false); }
KERNEL(bytes_rpad) { pad(c, false, false); }

/* ---- single characters */

static void put_char(struct call *c, uint32_t r, int64_t code)
{
    if (code < 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        call_fail(c, r, "there is no character with this code");
        return;
    }
    utf8proc_uint8_t text[4];
    utf8proc_ssize_t n = utf8proc_encode_char((utf8proc_int32_t)code, text);
    out_str(c, r, (struct str){(const char *)text, (size_t)n});
}

KERNEL(text_chr)
{
    ROWS_VALID (c, r)
        put_char(c, r, arg_i32(c, 0, r));
}

/* The number behind "\u", up to end: four hex digits. */
static int64_t escape_unit(const char *p, const char *end)
{
    int64_t v = 0;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        char d = ascii_lower(p[i]);
        if (!((d >= '0' && d <= '9') || (d >= 'a' && d <= 'f')))
            return -1;
        v = v * 16 + (d <= '9' ? d - '0' : d - 'a' + 10);
    }
    return v;
}

KERNEL(text_chr_escape)
{
    ROWS_VALID (c, r) {
        struct str s = arg_str(c, 0, r);
        const char *end = s.ptr + s.len;
        int64_t code = escape_unit(s.ptr, end);
        if (code >= 0xd800 && code <= 0xdbff && s.len == 12) {
            int64_t low = escape_unit(s.ptr + 6, end);
            code = low >= 0xdc00 && low <= 0xdfff ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : -1;
        } else if (s.len != 6) {
            code = -1;
        }
        put_char(c, r, code);
    }
}

/* ---- masks */

struct mask {
    struct str to[4]; /* for upper, lower, digit, other; NULL: stays */
};

static struct mask mask_of(const struct call *c, uint32_t r, unsigned first)
{
    struct mask m = {{STR("X"), STR("x"), STR("n"), STR("-")}};
    for (unsigned i = 0; i < 4 && first + i < c->nargs; i++)
        m.to[i] = arg_null(c, first + i, r) ? STR_NULL : arg_str(c, first + i, r);
    return m;
}

static unsigned mask_kind(utf8proc_int32_t ch)
{
    switch (utf8proc_category(ch)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
        return 0;
    case UTF8PROC_CATEGORY_LL:
        return 1;
    case UTF8PROC_CATEGORY_ND:
        return 2;
    default:
        return 3;
    }
}

/* Masks characters [from, to) of s. Replacements are cut to one character. */
static void mask_chars(struct call *c, uint32_t r, struct str s, const struct mask *m, int64_t from, int64_t to)
{
    if (!room_for(c, r, s.len * 4))
        return;
    char *room = batch_room(c->b, (uint32_t)s.len * 4 + 4), *at = room;
    const char *p = s.ptr, *end = p + s.len;
    for (int64_t i = 0; p < end; i++) {
        utf8proc_int32_t ch;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)p, end - p, &ch);
        struct str out = {p, n > 0 ? (size_t)n : 1};
        p += out.len;
        struct str with = n > 0 ? m->to[mask_kind(ch)] : STR_NULL;
        if (i >= from && i < to && with.len)
            out = cut(with, 0, char_pos(with, 1));
        memcpy(at, out.ptr, out.len);
        at += out.len;
    }
    c->out->s[r] = batch_keep_room(c->b, (uint32_t)(at - room));
}

KERNEL(text_mask)
{
    ROWS (c, r) {
        if (arg_null(c, 0, r)) {
            call_null(c, r);
            continue;
        }
        struct mask m = mask_of(c, r, 1);
        mask_chars(c, r, arg_str(c, 0, r), &m, 0, INT64_MAX);
    }
}

static void mask_part(struct call *c, bool left, bool keep)
{
    ROWS (c, r) {
        if (arg_null(c, 0, r) || arg_null(c, 1, r)) {
            call_null(c, r);
            continue;
        }
        int64_t n = arg_i32(c, 1, r), total = (int64_t)char_count(arg_str(c, 0, r));
        if (n < 0) {
            call_fail(c, r, "the number of characters must not be negative");
            continue;
        }
        struct mask m = mask_of(c, r, 2);
        int64_t edge = left ? MIN(n, total) : MAX(total - n, 0);
        bool before = left != keep; /* masks what stands before the edge */
        mask_chars(c, r, arg_str(c, 0, r), &m, before ? 0 : edge, before ? edge : total);
    }
}

KERNEL(text_mask_left) { mask_part(c, true, false); }
KERNEL(text_mask_right) { mask_part(c, false, false); }
KERNEL(text_mask_keep_left) { mask_part(c, true, true); }
KERNEL(text_mask_keep_right) { mask_part(c, false, true); }
