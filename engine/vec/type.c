#include "engine/vec/vec.h"
#include "log/base/pack.h"
#include <stdio.h>

/* Names, widths and texts of types. The first name of an id is the one that is printed. */

static const struct {
    const char *name;
    enum type_id id;
} names[] = {
    {"NULL", T_NULL},       {"BOOLEAN", T_BOOLEAN}, {"BOOL", T_BOOLEAN},      {"INT", T_INT},
    {"INTEGER", T_INT},     {"BIGINT", T_BIGINT},   {"DOUBLE", T_DOUBLE},     {"DECIMAL", T_DECIMAL},
    {"DEC", T_DECIMAL},     {"VARCHAR", T_VARCHAR}, {"STRING", T_VARCHAR},    {"BYTES", T_BYTES},
    {"DATE", T_DATE},       {"TIME", T_TIME},       {"TIMESTAMP", T_TIMESTAMP}, {"INTERVAL", T_INTERVAL},
    {"ARRAY", T_ARRAY},     {"MAP", T_MAP},         {"STRUCT", T_STRUCT},     {"LAMBDA", T_LAMBDA},
};

size_t type_width(struct type t)
{
    static const uint8_t width[T_COUNT_] = {
        [T_NULL] = 1,     [T_BOOLEAN] = 1, [T_INT] = 4,       [T_BIGINT] = 8,   [T_DOUBLE] = 8, [T_DECIMAL] = 16,
        [T_VARCHAR] = 16, [T_BYTES] = 16,  [T_DATE] = 4,      [T_TIME] = 4,     [T_TIMESTAMP] = 8,
        [T_INTERVAL] = 8, [T_ARRAY] = 16,  [T_MAP] = 16,      [T_STRUCT] = 16,  [T_LAMBDA] = 1,
    };
    CHECK(t.id < T_COUNT_);
    return width[t.id];
}

int type_field_find(struct type t, struct str name)
{
    int found = -1;
    for (unsigned i = 0; i < t.of->n; i++) {
        if (str_eq(str_of(t.of->fields[i].name), name))
            return (int)i;
        if (found < 0 && str_eq_nocase(str_of(t.of->fields[i].name), name))
            found = (int)i;
    }
    return found;
}

unsigned type_depth(struct type t)
{
    unsigned deepest = 0;
    for (unsigned i = 0; t.of && i < t.of->n; i++) {
        unsigned depth = type_depth(t.of->fields[i].type);
        deepest = MAX(deepest, depth);
    }
    return t.of ? deepest + 1 : 0;
}

/* ---- writing */

static const char *type_name(unsigned id)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].id == id)
            return names[i].name;
    CHECK(false);
    return "";
}

static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* In quotes where it is no plain word. */
static void put_field_name(struct str name, struct wbuf *out)
{
    bool plain = name.len && is_letter(name.ptr[0]);
    for (size_t i = 0; i < name.len; i++)
        plain &= is_letter(name.ptr[i]) || is_digit(name.ptr[i]);
    if (!plain)
        wbuf_u8(out, '"');
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '"')
            wbuf_u8(out, '"');
        wbuf_u8(out, (uint8_t)name.ptr[i]);
    }
    if (!plain)
        wbuf_u8(out, '"');
}

void type_put(struct type t, struct wbuf *out)
{
    wbuf_str(out, str_of(type_name(t.id)));
    if (t.id == T_DECIMAL)
        wbuf_printf(out, "(%u,%u)", t.precision, t.scale);
    if (t.id == T_INTERVAL)
        wbuf_str(out, t.precision ? STR(" YEAR TO MONTH") : STR(" DAY TO SECOND"));
    if (!t.of)
        return;
    wbuf_u8(out, '<');
    for (unsigned i = 0; i < t.of->n; i++) {
        if (i)
            wbuf_str(out, STR(", "));
        if (t.id == T_STRUCT) {
            put_field_name(str_of(t.of->fields[i].name), out);
            wbuf_u8(out, ' ');
        }
        type_put(t.of->fields[i].type, out);
    }
    wbuf_u8(out, '>');
}

const char *type_text(struct type t, struct arena *a)
{
    struct wbuf w;
    wbuf_init(&w);
    type_put(t, &w);
    const char *text = arena_dup(a, wbuf_view(&w)).ptr;
    wbuf_fini(&w);
    return text;
}

void type_format(struct type t, char out[TYPE_TEXT])
{
    struct wbuf w;
    wbuf_init(&w);
    type_put(t, &w);
    size_t n = w.len, most = TYPE_TEXT - 1 - 3;
    const char *text = (const char *)w.data;
    if (n >= TYPE_TEXT)
        for (n = most; n && ((uint8_t)text[n] & 0xc0) == 0x80;) /* not within a character */
            n--;
    snprintf(out, TYPE_TEXT, "%.*s%s", (int)n, text, n < w.len ? "..." : "");
    wbuf_fini(&w);
}

/* ---- reading */

struct reader {
    const char *p, *end;
    unsigned depth;
};

static void blanks(struct reader *rd)
{
    while (rd->p < rd->end && (*rd->p == ' ' || *rd->p == '\t' || *rd->p == '\n' || *rd->p == '\r'))
        rd->p++;
}

static bool take(struct reader *rd, char c)
{
    blanks(rd);
    bool here = rd->p < rd->end && *rd->p == c;
    rd->p += here;
    return here;
}

static struct str word(struct reader *rd)
{
    blanks(rd);
    const char *start = rd->p;
    while (rd->p < rd->end && (is_letter(*rd->p) || is_digit(*rd->p)))
        rd->p++;
    return (struct str){start, (size_t)(rd->p - start)};
}

static bool number(struct reader *rd, int64_t *out) { return str_to_i64(word(rd), out); }

/* "(10)" or "(10, 2)". */
static bool read_decimal(struct reader *rd, struct type *out)
{
    int64_t precision, scale = 0;
    if (!take(rd, '(') || !number(rd, &precision) || (take(rd, ',') && !number(rd, &scale)) || !take(rd, ')'))
        return false;
    if (precision < 1 || precision > 38 || scale < 0 || scale > precision)
        return false;
    *out = TYPE_DECIMAL(precision, scale);
    return true;
}

/* "DAY TO SECOND", "YEAR TO MONTH", or nothing: the first. */
static bool read_interval(struct reader *rd, struct type *out)
{
    struct reader back = *rd;
    struct str from = word(rd);
    *out = INTERVAL_MS;
    if (!from.len) {
        *rd = back;
        return true;
    }
    bool to = str_eq_nocase(word(rd), STR("TO"));
    struct str last = word(rd);
    if (str_eq_nocase(from, STR("YEAR")) && to && str_eq_nocase(last, STR("MONTH")))
        *out = INTERVAL_MONTHS;
    else if (!(str_eq_nocase(from, STR("DAY")) && to && str_eq_nocase(last, STR("SECOND"))))
        return false;
    return true;
}

static bool read_type(struct reader *rd, struct type *out);

/* A word, or anything in double quotes or backticks. */
static bool read_name(struct reader *rd, struct wbuf *out)
{
    blanks(rd);
    char mark = rd->p < rd->end ? *rd->p : 0;
    if (mark != '"' && mark != '`') {
        wbuf_str(out, word(rd));
        return out->len > 0;
    }
    for (rd->p++; rd->p < rd->end; rd->p++) {
        if (*rd->p == mark && !(rd->end - rd->p > 1 && rd->p[1] == mark))
            break;
        rd->p += *rd->p == mark;
        wbuf_u8(out, (uint8_t)*rd->p);
    }
    bool closed = rd->p < rd->end && !memchr(out->len ? (const char *)out->data : "", 0, out->len);
    rd->p += closed;
    return closed;
}

static bool read_struct(struct reader *rd, struct type *out)
{
    struct type_field *fields = NULL;
    unsigned n = 0, cap = 0;
    struct wbuf name;
    bool ok;
    wbuf_init(&name);
    do {
        struct type t;
        wbuf_reset(&name);
        ok = read_name(rd, &name) && read_type(rd, &t);
        if (ok)
            VEC_PUSH(fields, n, cap) = (struct type_field){xstrndup((const char *)name.data, name.len), t};
    } while (ok && take(rd, ','));
    ok = ok && type_struct_names(fields, n);
    if (ok)
        *out = type_struct(fields, n);
    for (unsigned i = 0; i < n; i++)
        free((char *)(uintptr_t)fields[i].name);
    xfree(fields);
    wbuf_fini(&name);
    return ok;
}

/* What stands between < and >. */
static bool read_parts(struct reader *rd, struct type *out)
{
    struct type first, second;
    switch (out->id) {
    case T_ARRAY:
        if (!read_type(rd, &first))
            return false;
        *out = type_array(first);
        return true;
    case T_MAP:
        if (!read_type(rd, &first) || first.id != T_VARCHAR || !take(rd, ',') || !read_type(rd, &second))
            return false;
        *out = type_map(second);
        return true;
    default:
        return read_struct(rd, out);
    }
}

static bool read_type(struct reader *rd, struct type *out)
{
    struct str name = word(rd);
    unsigned i = 1; /* 0 is NULL, which is nobody's declared type */
    while (i < ARRAY_LEN(names) && !str_eq_nocase(name, str_of(names[i].name)))
        i++;
    if (i == ARRAY_LEN(names) || names[i].id == T_LAMBDA || rd->depth >= TYPE_DEPTH)
        return false;
    *out = TYPE((uint8_t)names[i].id);
    if (out->id == T_DECIMAL)
        return read_decimal(rd, out);
    if (out->id == T_INTERVAL)
        return read_interval(rd, out);
    if (!type_is_nested(*out))
        return true;
    rd->depth++;
    bool ok = take(rd, '<') && read_parts(rd, out) && take(rd, '>');
    rd->depth--;
    return ok;
}

bool type_parse(struct str text, struct type *out)
{
    text = str_trim(text);
    struct reader rd = {text.ptr, text.ptr + text.len, 0};
    return text.len && read_type(&rd, out) && rd.p == rd.end;
}

/* ---- in plans: id, precision, scale; of a nested type its text in place of the scale */

void type_pack(struct type t, struct wbuf *out)
{
    pack_uint(out, t.id);
    pack_uint(out, t.precision);
    if (!t.of) {
        pack_uint(out, t.scale);
        return;
    }
    struct wbuf w;
    wbuf_init(&w);
    type_put(t, &w);
    pack_str(out, wbuf_view(&w));
    wbuf_fini(&w);
}

bool type_unpack(struct unpack *u, struct type *out)
{
    uint64_t id = unpack_uint(u), precision = unpack_uint(u);
    *out = TYPE((uint8_t)id);
    if (id >= T_LAMBDA || precision > 38 || unpack_err(u))
        return false;
    if (type_is_nested(*out))
        return precision == 0 && type_parse(unpack_str(u), out) && out->id == id;
    uint64_t scale = unpack_uint(u);
    if (id == T_DECIMAL ? precision == 0 || scale > precision : precision > (id == T_INTERVAL) || scale > 0)
        return false;
    out->precision = (uint8_t)precision;
    out->scale = (uint8_t)scale;
    return !unpack_err(u);
}
