#include "engine/vec/vec.h"
#include <stdio.h>

/* Names, widths and parsing of types. The first name of an id is the one that is printed. */

static const struct {
    const char *name;
    enum type_id id;
} names[] = {
    {"NULL", T_NULL},       {"BOOLEAN", T_BOOLEAN}, {"BOOL", T_BOOLEAN},    {"INT", T_INT},
    {"INTEGER", T_INT},     {"BIGINT", T_BIGINT},   {"DOUBLE", T_DOUBLE},   {"DECIMAL", T_DECIMAL},
    {"DEC", T_DECIMAL},     {"VARCHAR", T_VARCHAR}, {"STRING", T_VARCHAR},  {"BYTES", T_BYTES},
    {"DATE", T_DATE},       {"TIME", T_TIME},       {"TIMESTAMP", T_TIMESTAMP},
};

size_t type_width(struct type t)
{
    static const uint8_t width[T_COUNT_] = {
        [T_NULL] = 1,    [T_BOOLEAN] = 1,  [T_INT] = 4,   [T_BIGINT] = 8, [T_DOUBLE] = 8,    [T_DECIMAL] = 16,
        [T_VARCHAR] = 16, [T_BYTES] = 16, [T_DATE] = 4, [T_TIME] = 4,   [T_TIMESTAMP] = 8,
    };
    CHECK(t.id < T_COUNT_);
    return width[t.id];
}

static const char *type_name(unsigned id)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].id == id)
            return names[i].name;
    CHECK(false);
    return "";
}

void type_format(struct type t, char out[TYPE_TEXT])
{
    if (t.id == T_DECIMAL)
        snprintf(out, TYPE_TEXT, "DECIMAL(%u,%u)", t.precision, t.scale);
    else
        snprintf(out, TYPE_TEXT, "%s", type_name(t.id));
}

/* "(10)" or "(10, 2)". */
static bool decimal_params(struct str s, struct type *out)
{
    if (s.len < 3 || s.ptr[0] != '(' || s.ptr[s.len - 1] != ')')
        return false;
    struct str inner = {s.ptr + 1, s.len - 2}, second = STR("0");
    const char *comma = memchr(inner.ptr, ',', inner.len);
    if (comma) {
        second = str_trim((struct str){comma + 1, (size_t)(inner.ptr + inner.len - comma - 1)});
        inner.len = (size_t)(comma - inner.ptr);
    }
    int64_t precision, scale;
    if (!str_to_i64(str_trim(inner), &precision) || !str_to_i64(second, &scale))
        return false;
    if (precision < 1 || precision > 38 || scale < 0 || scale > precision)
        return false;
    *out = (struct type){T_DECIMAL, (uint8_t)precision, (uint8_t)scale};
    return true;
}

bool type_parse(struct str text, struct type *out)
{
    text = str_trim(text);
    const char *open = text.len ? memchr(text.ptr, '(', text.len) : NULL;
    struct str name = text, params = {NULL, 0};
    if (open) {
        name = str_trim((struct str){text.ptr, (size_t)(open - text.ptr)});
        params = (struct str){open, (size_t)(text.ptr + text.len - open)};
    }
    for (size_t i = 1; i < ARRAY_LEN(names); i++) /* 0 is NULL, which is nobody's declared type */
        if (str_eq_nocase(name, str_of(names[i].name))) {
            if (names[i].id == T_DECIMAL)
                return open && decimal_params(params, out);
            *out = TYPE((uint8_t)names[i].id);
            return !open;
        }
    return false;
}
