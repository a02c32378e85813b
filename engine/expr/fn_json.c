#include "engine/expr/nested.h"

/* JSON in texts. What is no JSON gives NULL and no error: these functions are how people find out. */

/* ---- paths: $.name['other name'][0] */

struct path {
    struct str rest;
};
struct path_step {
    struct str name; /* NULL: an index */
    int64_t index;
};

/* 1: a step; 0: the end; -1: no path. */
static int path_next(struct path *p, struct path_step *out)
{
    struct str s = p->rest;
    if (!s.len)
        return 0;
    const char *at = s.ptr + 1, *end = s.ptr + s.len, *start = at;
    if (s.ptr[0] == '.') {
        while (at < end && *at != '.' && *at != '[')
            at++;
        *out = (struct path_step){.name = {start, (size_t)(at - start)}};
        p->rest = (struct str){at, (size_t)(end - at)};
        return at > start ? 1 : -1;
    }
    const char *close = s.ptr[0] == '[' ? memchr(at, ']', (size_t)(end - at)) : NULL;
    if (!close)
        return -1;
    p->rest = (struct str){close + 1, (size_t)(end - close - 1)};
    struct str inner = {at, (size_t)(close - at)};
    if (inner.len >= 2 && (inner.ptr[0] == '\'' || inner.ptr[0] == '"') && inner.ptr[inner.len - 1] == inner.ptr[0]) {
        *out = (struct path_step){.name = {inner.ptr + 1, inner.len - 2}};
        return 1;
    }
    *out = (struct path_step){0};
    return str_to_i64(inner, &out->index) && out->index >= 0 ? 1 : -1;
}

/* Moves to the value of a name in the object that comes; the last of that name counts. */
static bool go_name(struct json *j, struct arena *a, struct str name)
{
    struct str key;
    struct json found;
    bool any = false;
    if (json_next(j, a).kind != JSON_OBJECT)
        return false;
    while (json_key(j, a, &key)) {
        if (str_eq(key, name)) {
            found = *j;
            any = true;
        }
        json_skip(j);
    }
    if (any && !j->r.err)
        *j = found;
    return any && !j->r.err;
}

static bool go_index(struct json *j, struct arena *a, int64_t index)
{
    if (json_next(j, a).kind != JSON_ARRAY)
        return false;
    int inside = j->depth;
    for (int64_t i = 0;; i++) {
        struct json before = *j;
        json_skip(j);
        if (j->depth < inside || j->r.err)
            return false;
        if (i == index) {
            *j = before;
            return true;
        }
    }
}

static bool is_json(struct str s)
{
    struct json j = json_of(s);
    json_skip(&j);
    return !j.r.err && json_next(&j, NULL).kind == JSON_END;
}

/* The value that would come, as text: a string without quotes, the rest as it stands. NULL for null. */
static struct str value_text(struct json *j, struct arena *a)
{
    struct json here = *j;
    struct str raw = json_raw(j);
    if (!raw.len || str_eq(raw, STR("null")))
        return STR_NULL;
    return raw.ptr[0] == '"' ? json_next(&here, a).text : raw;
}

KERNEL(json_extract)
{
    ROWS_VALID (c, r) {
        struct str s = arg_str(c, 0, r), p = arg_str(c, 1, r), text = STR_NULL;
        struct path path = {{p.ptr + 1, p.len ? p.len - 1 : 0}};
        if (!p.len || p.ptr[0] != '$') {
            call_fail(c, r, "a JSON path begins with $");
            continue;
        }
        struct json j = json_of(s);
        struct path_step step;
        int more = is_json(s) ? 1 : 0;
        bool there = more;
        while (there && (more = path_next(&path, &step)) > 0)
            there = step.name.ptr ? go_name(&j, c->arena, step.name) : go_index(&j, c->arena, step.index);
        if (more < 0) {
            call_fail(c, r, "the JSON path is malformed");
            continue;
        }
        if (there)
            text = value_text(&j, c->arena);
        if (text.ptr)
            out_str(c, r, text);
        else
            call_null(c, r);
    }
}

KERNEL(json_is)
{
    ROWS_VALID (c, r)
        c->out->b[r] = is_json(arg_str(c, 0, r));
}

/* ---- arrays */

static bool open_array(struct call *c, struct str s, struct json *j)
{
    *j = json_of(s);
    return is_json(s) && json_next(j, c->arena).kind == JSON_ARRAY;
}

KERNEL(json_array_length)
{
    ROWS_VALID (c, r) {
        struct json j;
        if (!open_array(c, arg_str(c, 0, r), &j)) {
            call_null(c, r);
            continue;
        }
        int32_t n = 0;
        int inside = j.depth;
        for (;;) {
            json_skip(&j);
            if (j.depth < inside || j.r.err)
                break;
            n++;
        }
        c->out->i32[r] = n;
    }
}

/* The value that would come as an element: NULL for null. */
static void put_text_of(struct json *j, struct arena *a, struct wbuf *out)
{
    struct value v = {.type = TYPE(T_VARCHAR), .s = value_text(j, a)};
    v.null = !v.s.ptr;
    key_encode_value(&v, out);
}

KERNEL(json_items)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS_VALID (c, r) {
        struct json j;
        if (!open_array(c, arg_str(c, 0, r), &j)) {
            call_null(c, r);
            continue;
        }
        wbuf_reset(&w);
        for (int inside = j.depth;;) {
            struct json here = j;
            json_skip(&j);
            if (j.depth < inside || j.r.err)
                break;
            put_text_of(&here, c->arena, &w);
        }
        out_parts(c, r, &w);
    }
    wbuf_fini(&w);
}

/* ---- objects */

static bool open_object(struct call *c, struct str s, struct json *j)
{
    *j = json_of(s);
    return is_json(s) && json_next(j, c->arena).kind == JSON_OBJECT;
}

KERNEL(json_keys)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS_VALID (c, r) {
        struct json j;
        struct str key;
        if (!open_object(c, arg_str(c, 0, r), &j)) {
            call_null(c, r);
            continue;
        }
        wbuf_reset(&w);
        while (json_key(&j, c->arena, &key)) {
            put_text_part(&w, key);
            json_skip(&j);
        }
        out_parts(c, r, &w);
    }
    wbuf_fini(&w);
}

KERNEL(json_records)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS_VALID (c, r) {
        struct json j;
        struct str key;
        struct map_entry *entries = NULL;
        unsigned n = 0, cap = 0;
        if (!open_object(c, arg_str(c, 0, r), &j)) {
            call_null(c, r);
            continue;
        }
        while (json_key(&j, c->arena, &key)) {
            struct wbuf value;
            wbuf_init(&value);
            put_text_of(&j, c->arena, &value);
            VEC_PUSH(entries, n, cap) = (struct map_entry){.key = key, .value = arena_dup(c->arena, wbuf_view(&value))};
            wbuf_fini(&value);
        }
        wbuf_reset(&w);
        nested_put_map(entries, n, &w);
        out_parts(c, r, &w);
        xfree(entries);
    }
    wbuf_fini(&w);
}

/* ---- arrays that have something */

/* Calls with every scalar of an array whether it is the one looked for. */
static void contains(struct call *c, bool (*is_cb)(const struct call *c, uint32_t r, const struct json_token *t))
{
    ROWS_VALID (c, r) {
        struct json j;
        bool found = false;
        if (open_array(c, arg_str(c, 0, r), &j)) {
            int inside = j.depth;
            while (!found) {
                struct json here = j;
                json_skip(&j);
                if (j.depth < inside || j.r.err)
                    break;
                struct json_token t = json_next(&here, c->arena);
                found = is_cb(c, r, &t);
            }
        }
        c->out->b[r] = found;
    }
}

static bool is_text(const struct call *c, uint32_t r, const struct json_token *t)
{
    return t->kind == JSON_STRING && str_eq(t->text, arg_str(c, 1, r));
}
static bool is_bigint(const struct call *c, uint32_t r, const struct json_token *t)
{
    struct number n;
    int64_t v;
    return t->kind == JSON_NUMBER && number_scan(t->text.ptr, t->text.ptr + t->text.len, &n) && number_i64(&n, &v) &&
           v == arg_i64(c, 1, r);
}
static bool is_double(const struct call *c, uint32_t r, const struct json_token *t)
{
    double v;
    return t->kind == JSON_NUMBER && double_parse(t->text, &v) && v == arg_f64(c, 1, r);
}
static bool is_boolean(const struct call *c, uint32_t r, const struct json_token *t)
{
    return t->kind == JSON_BOOL && t->b == arg_bool(c, 1, r);
}
KERNEL(json_contains_text) { contains(c, is_text); }
KERNEL(json_contains_bigint) { contains(c, is_bigint); }
KERNEL(json_contains_double) { contains(c, is_double); }
KERNEL(json_contains_boolean) { contains(c, is_boolean); }

/* ---- merging */

struct member {
    struct str key, value;
};

static void put_member(struct member **m, size_t *n, size_t *cap, struct str key, struct str value)
{
    for (size_t i = 0; i < *n; i++)
        if (str_eq((*m)[i].key, key)) {
            (*m)[i].value = value;
            return;
        }
    VEC_PUSH(*m, *n, *cap) = (struct member){key, value};
}

static void put_object(struct wbuf *out, const struct member *m, size_t n)
{
    wbuf_u8(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i)
            wbuf_u8(out, ',');
        json_put_str(out, m[i].key);
        wbuf_u8(out, ':');
        wbuf_str(out, m[i].value);
    }
    wbuf_u8(out, '}');
}

static char first_char(struct str s)
{
    s = str_trim(s);
    return s.len ? s.ptr[0] : 0;
}

static void concat_objects(struct call *c, uint32_t r, struct wbuf *out)
{
    struct member *m = NULL;
    size_t n = 0, cap = 0;
    for (unsigned i = 0; i < c->nargs; i++) {
        struct json j = json_of(arg_str(c, i, r));
        struct str key;
        json_next(&j, c->arena);
        while (json_key(&j, c->arena, &key))
            put_member(&m, &n, &cap, key, json_raw(&j));
    }
    put_object(out, m, n);
    xfree(m);
}

/* Elements of arrays; what is none counts as one element. */
static void concat_arrays(struct call *c, uint32_t r, struct wbuf *out)
{
    bool first = true;
    wbuf_u8(out, '[');
    for (unsigned i = 0; i < c->nargs; i++) {
        struct str s = str_trim(arg_str(c, i, r));
        if (s.ptr[0] == '[')
            s = str_trim((struct str){s.ptr + 1, s.len - 2});
        if (!s.len)
            continue;
        if (!first)
            wbuf_u8(out, ',');
        wbuf_str(out, s);
        first = false;
    }
    wbuf_u8(out, ']');
}

KERNEL(json_concat)
{
    struct wbuf out;
    wbuf_init(&out);
    ROWS_VALID (c, r) {
        bool objects = true, valid = true;
        for (unsigned i = 0; i < c->nargs; i++) {
            objects &= first_char(arg_str(c, i, r)) == '{';
            valid &= is_json(arg_str(c, i, r));
        }
        if (!valid) {
            call_null(c, r);
            continue;
        }
        wbuf_reset(&out);
        if (objects)
            concat_objects(c, r, &out);
        else
            concat_arrays(c, r, &out);
        out_str(c, r, wbuf_view(&out));
    }
    wbuf_fini(&out);
}

KERNEL(json_of_value)
{
    struct wbuf out;
    wbuf_init(&out);
    ROWS (c, r) {
        struct value v = arg_value(c, 0, r);
        wbuf_reset(&out);
        json_put_value(&out, &v);
        out_str(c, r, wbuf_view(&out));
    }
    wbuf_fini(&out);
}
