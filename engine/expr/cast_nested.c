#include "engine/expr/kernel.h"

/* CAST of ARRAY, MAP and STRUCT: part by part to another of their kind (a STRUCT's fields by name; one that is not
 * there is NULL), and from JSON. A part that cannot be cast spoils the whole. */

bool nested_can_cast(struct type from, struct type to)
{
    if (from.id != to.id)
        return false;
    if (from.id != T_STRUCT)
        return type_can_cast(type_element(from), type_element(to));
    bool any = false;
    for (unsigned i = 0; i < to.of->n; i++) {
        int at = type_field_find(from, str_of(to.of->fields[i].name));
        any |= at >= 0;
        if (at >= 0 && !type_can_cast(from.of->fields[at].type, to.of->fields[i].type))
            return false;
    }
    return any;
}

/* The next part, cast, as key bytes. */
static bool cast_part(struct nested *n, struct type to, struct arena *a, struct wbuf *out)
{
    struct value part, cast;
    if (!nested_next(n, &part, a) || !value_cast(&part, to, &cast, a))
        return false;
    key_encode_value(&cast, out);
    return true;
}

static bool cast_list(const struct value *v, struct type to, struct arena *a, struct wbuf *out)
{
    struct nested n = nested_of(v->type, v->s);
    struct str key;
    while (rbuf_left(&n.r)) {
        if (to.id == T_MAP) {
            if (!nested_raw(&n, &key))
                return false;
            wbuf_str(out, key);
        }
        if (!cast_part(&n, type_element(to), a, out))
            return false;
    }
    return true;
}

static bool cast_struct(const struct value *v, struct type to, struct arena *a, struct wbuf *out)
{
    for (unsigned i = 0; i < to.of->n; i++) {
        int at = type_field_find(v->type, str_of(to.of->fields[i].name));
        struct value null = value_null(to.of->fields[i].type);
        struct nested n = nested_of(v->type, v->s);
        for (int skip = 0; skip < at; skip++)
            nested_skip(&n);
        if (at < 0)
            key_encode_value(&null, out);
        else if (!cast_part(&n, null.type, a, out))
            return false;
    }
    return true;
}

/* ---- from JSON */

static bool read_value(struct json *j, struct type to, struct arena *a, struct wbuf *out);

static bool read_scalar(struct json *j, struct type to, struct arena *a, struct wbuf *out)
{
    struct json here = *j;
    struct json_token t = json_next(j, a);
    struct value v = {.type = TYPE(T_VARCHAR), .s = t.text}, cast = value_null(to);
    if (t.kind == JSON_ARRAY || t.kind == JSON_OBJECT) {
        *j = here;
        v.s = json_raw(j);
        if (to.id != T_VARCHAR)
            return false;
    } else if (t.kind == JSON_BOOL) {
        v = (struct value){.type = TYPE(T_BOOLEAN), .b = t.b};
    } else if (t.kind == JSON_NULL) {
        v.null = true;
    } else if (t.kind != JSON_NUMBER && t.kind != JSON_STRING) {
        return false;
    }
    if (to.id == T_BYTES && !v.null) { /* Base64, as JSON has bytes */
        struct wbuf bytes;
        wbuf_init(&bytes);
        bool ok = base64_decode(v.s, &bytes);
        cast = (struct value){.type = to, .s = arena_dup(a, bytes.len ? wbuf_view(&bytes) : STR(""))};
        wbuf_fini(&bytes);
        if (!ok || t.kind != JSON_STRING)
            return false;
    } else if (!type_can_cast(v.type, to) || !value_cast(&v, to, &cast, a)) {
        return false;
    }
    key_encode_value(&cast, out);
    return true;
}

/* The elements of the array that was entered. */
static bool read_array(struct json *j, struct type to, struct arena *a, struct wbuf *out)
{
    int inside = j->depth;
    for (;;) {
        struct json here = *j;
        if (json_next(j, a).kind == JSON_END && j->depth < inside)
            return true;
        *j = here;
        if (j->r.err || !read_value(j, type_element(to), a, out))
            return false;
    }
}

static bool read_map(struct json *j, struct type to, struct arena *a, struct wbuf *out)
{
    struct map_entry *entries = NULL;
    unsigned n = 0, cap = 0;
    struct str key;
    bool ok = true;
    while (ok && json_key(j, a, &key)) {
        struct wbuf value;
        wbuf_init(&value);
        ok = read_value(j, type_element(to), a, &value);
        if (ok)
            VEC_PUSH(entries, n, cap) = (struct map_entry){.key = key, .value = arena_dup(a, wbuf_view(&value))};
        wbuf_fini(&value);
    }
    ok = ok && !j->r.err;
    if (ok)
        nested_put_map(entries, n, out);
    xfree(entries);
    return ok;
}

static bool read_struct(struct json *j, struct type to, struct arena *a, struct wbuf *out)
{
    struct str *fields = ARENA_ARRAY(a, struct str, to.of->n), key;
    while (json_key(j, a, &key)) {
        int at = type_field_find(to, key);
        struct wbuf value;
        if (at < 0) {
            json_skip(j);
            continue;
        }
        wbuf_init(&value);
        bool ok = read_value(j, to.of->fields[at].type, a, &value);
        if (ok)
            fields[at] = arena_dup(a, wbuf_view(&value));
        wbuf_fini(&value);
        if (!ok)
            return false;
    }
    for (unsigned i = 0; i < to.of->n; i++) {
        struct value null = value_null(to.of->fields[i].type);
        if (fields[i].ptr)
            wbuf_str(out, fields[i]);
        else
            key_encode_value(&null, out);
    }
    return !j->r.err;
}

static bool read_parts(struct json *j, struct type to, struct arena *a, struct wbuf *out)
{
    struct json_token t = json_next(j, a);
    if (t.kind != (to.id == T_ARRAY ? JSON_ARRAY : JSON_OBJECT))
        return false;
    return to.id == T_ARRAY ? read_array(j, to, a, out)
           : to.id == T_MAP ? read_map(j, to, a, out)
                            : read_struct(j, to, a, out);
}

/* The value that comes, as key bytes. */
static bool read_value(struct json *j, struct type to, struct arena *a, struct wbuf *out)
{
    if (!type_is_nested(to))
        return read_scalar(j, to, a, out);
    struct json here = *j;
    struct value v = value_null(to);
    if (json_next(j, a).kind == JSON_NULL) {
        key_encode_value(&v, out);
        return true;
    }
    *j = here;
    struct wbuf parts;
    wbuf_init(&parts);
    bool ok = read_parts(j, to, a, &parts);
    v.null = false;
    v.s = wbuf_view(&parts);
    if (ok)
        key_encode_value(&v, out);
    wbuf_fini(&parts);
    return ok;
}

bool nested_cast(const struct value *v, struct type to, struct value *out, struct arena *a)
{
    struct wbuf w;
    bool ok;
    wbuf_init(&w);
    if (v->type.id == T_VARCHAR) {
        struct json j = json_of(v->s);
        ok = read_parts(&j, to, a, &w) && json_next(&j, a).kind == JSON_END;
    } else {
        ok = to.id == T_STRUCT ? cast_struct(v, to, a, &w) : cast_list(v, to, a, &w);
    }
    out->s = arena_dup(a, w.len ? wbuf_view(&w) : STR(""));
    wbuf_fini(&w);
    return ok;
}
