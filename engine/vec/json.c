#include "engine/vec/vec.h"
#include "log/base/err.h"

/* JSON (RFC 8259), both ways, for everything but the records of topics: those have a decoder of their own
 * (engine/io/json_decode.c), which must accept exactly the same texts. */

/* ---- writing */

static bool is_special(char c) { return (uint8_t)c < 0x20 || c == '"' || c == '\\'; }

static void put_escape(struct wbuf *out, char c)
{
    static const char short_names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (unsigned i = 0; i + 1 < sizeof short_names; i += 2)
        if (short_names[i] == c) {
            wbuf_u8(out, '\\');
            wbuf_u8(out, (uint8_t)short_names[i + 1]);
            return;
        }
    wbuf_printf(out, "\\u%04x", (unsigned)(uint8_t)c);
}

void json_put_str(struct wbuf *out, struct str s)
{
    wbuf_u8(out, '"');
    size_t from = 0;
    for (size_t i = 0; i < s.len; i++)
        if (is_special(s.ptr[i])) {
            wbuf_put(out, s.ptr + from, i - from);
            put_escape(out, s.ptr[i]);
            from = i + 1;
        }
    wbuf_put(out, s.ptr + from, s.len - from);
    wbuf_u8(out, '"');
}

static void put_scalar(struct wbuf *out, const struct value *v)
{
    bool number = v->type.id == T_INT || v->type.id == T_BIGINT || v->type.id == T_DECIMAL ||
                  (v->type.id == T_DOUBLE && v->f - v->f == 0);
    if (v->null || number || v->type.id == T_BOOLEAN) {
        value_format(v, out);
    } else if (v->type.id == T_VARCHAR) {
        json_put_str(out, v->s);
    } else {
        wbuf_u8(out, '"');
        if (v->type.id == T_BYTES)
            base64_encode(v->s, out);
        else
            value_format(v, out);
        wbuf_u8(out, '"');
    }
}

void json_put_nested(struct wbuf *out, const struct value *v, struct arena *a,
                     void (*scalar_cb)(struct wbuf *out, const struct value *v))
{
    if (v->null || !type_is_nested(v->type)) {
        scalar_cb(out, v);
        return;
    }
    struct nested n = nested_of(v->type, v->s);
    struct value part;
    bool array = v->type.id == T_ARRAY;
    wbuf_u8(out, array ? '[' : '{');
    for (unsigned i = 0; nested_next(&n, &part, a); i++) {
        if (i)
            wbuf_u8(out, ',');
        if (v->type.id == T_STRUCT)
            json_put_str(out, str_of(v->type.of->fields[i].name));
        if (v->type.id == T_MAP) {
            json_put_str(out, part.s);
            part.null = !nested_next(&n, &part, a) || part.null;
        }
        if (!array)
            wbuf_u8(out, ':');
        json_put_nested(out, &part, a, scalar_cb);
    }
    wbuf_u8(out, array ? ']' : '}');
}

void json_put_value(struct wbuf *out, const struct value *v)
{
    if (v->null || !type_is_nested(v->type)) {
        put_scalar(out, v);
        return;
    }
    struct arena a;
    arena_init(&a);
    json_put_nested(out, v, &a, put_scalar);
    arena_fini(&a);
}

/* ---- strings */

static int hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i], low = (char)(c | 0x20);
        if (!(c >= '0' && c <= '9') && !(low >= 'a' && low <= 'f'))
            return -1;
        v = v << 4 | (c <= '9' ? c - '0' : low - 'a' + 10);
    }
    return v;
}

static char *put_utf8(char *at, uint32_t ch)
{
    if (ch < 0x80) {
        *at++ = (char)ch;
    } else if (ch < 0x800) {
        *at++ = (char)(0xc0 | ch >> 6);
        *at++ = (char)(0x80 | (ch & 63));
    } else if (ch < 0x10000) {
        *at++ = (char)(0xe0 | ch >> 12);
        *at++ = (char)(0x80 | (ch >> 6 & 63));
        *at++ = (char)(0x80 | (ch & 63));
    } else {
        *at++ = (char)(0xf0 | ch >> 18);
        *at++ = (char)(0x80 | (ch >> 12 & 63));
        *at++ = (char)(0x80 | (ch >> 6 & 63));
        *at++ = (char)(0x80 | (ch & 63));
    }
    return at;
}

/* What stands behind a backslash, p being behind it; gives the place after, or NULL. */
static const char *unescape_one(const char *p, const char *end, char **at)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (p == end)
        return NULL;
    const char *known = *p ? strchr(names, *p) : NULL;
    if (known) {
        *(*at)++ = values[known - names];
        return p + 1;
    }
    if (*p != 'u' || end - p < 5)
        return NULL;
    int unit = hex4(p + 1), low;
    p += 5;
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return NULL;
    uint32_t ch = (uint32_t)unit;
    if (unit >= 0xd800 && unit <= 0xdbff) {
        if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || (low = hex4(p + 2)) < 0xdc00 || low > 0xdfff)
            return NULL;
        ch = 0x10000 + ((ch - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
        p += 6;
    }
    *at = put_utf8(*at, ch);
    return p;
}

size_t json_unescape(struct str raw, char *out)
{
    const char *p = raw.ptr, *end = p + raw.len;
    char *at = out;
    while (p < end) {
        if (*p == '\\') {
            p = unescape_one(p + 1, end, &at);
            if (!p)
                return SIZE_MAX;
        } else if ((uint8_t)*p < 0x20) {
            return SIZE_MAX;
        } else {
            *at++ = *p++;
        }
    }
    return (size_t)(at - out);
}

/* ---- reading */

static struct json_token bad(struct json *j)
{
    if (!j->r.err)
        j->r.err = E_SYNTAX;
    j->r.ptr = j->r.end;
    return (struct json_token){.kind = JSON_BAD};
}

struct json json_of(struct str s) { return (struct json){.r = rbuf_of(s.ptr, s.len), .fresh = true}; }

static uint8_t peek(struct json *j)
{
    while (rbuf_left(&j->r) && (*j->r.ptr == ' ' || *j->r.ptr == '\n' || *j->r.ptr == '\r' || *j->r.ptr == '\t'))
        j->r.ptr++;
    return rbuf_left(&j->r) ? *j->r.ptr : 0;
}

/* The text of a string whose opening quote is at ptr. a NULL: only checked. */
static struct json_token read_string(struct json *j, struct arena *a)
{
    const char *start = (const char *)++j->r.ptr;
    bool escaped = false;
    while (rbuf_left(&j->r) && *j->r.ptr != '"') {
        if (*j->r.ptr < 0x20)
            return bad(j);
        if (*j->r.ptr == '\\') {
            escaped = true;
            j->r.ptr++;
            if (!rbuf_left(&j->r))
                break;
        }
        j->r.ptr++;
    }
    if (!rbuf_left(&j->r))
        return bad(j);
    struct str raw = {start, (size_t)((const char *)j->r.ptr - start)};
    j->r.ptr++;
    if (!utf8_valid(raw))
        return bad(j);
    if (escaped) {
        char small[256], *text = a ? arena_alloc(a, raw.len + 1) : raw.len < sizeof small ? small : xalloc(raw.len);
        size_t n = json_unescape(raw, text);
        if (!a && text != small)
            xfree(text);
        if (n == SIZE_MAX)
            return bad(j);
        raw = (struct str){a ? text : start, n};
    }
    return (struct json_token){.kind = JSON_STRING, .text = raw};
}

static struct json_token read_word(struct json *j)
{
    static const struct {
        struct str word;
        enum json_kind kind;
        bool b;
    } words[] = {{{"null", 4}, JSON_NULL, false}, {{"true", 4}, JSON_BOOL, true}, {{"false", 5}, JSON_BOOL, false}};
    struct str rest = {(const char *)j->r.ptr, rbuf_left(&j->r)};
    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        if (str_starts(rest, words[i].word)) {
            j->r.ptr += words[i].word.len;
            return (struct json_token){.kind = words[i].kind, .b = words[i].b};
        }
    return bad(j);
}

static struct json_token read_number(struct json *j)
{
    struct number n;
    const char *end = number_scan((const char *)j->r.ptr, (const char *)j->r.end, &n);
    if (!end)
        return bad(j);
    j->r.ptr = (const uint8_t *)end;
    return (struct json_token){.kind = JSON_NUMBER, .text = {n.text, n.len}};
}

static struct json_token enter(struct json *j, bool object)
{
    if (j->depth == JSON_DEPTH)
        return bad(j);
    j->objects = (j->objects & ~(UINT64_C(1) << j->depth)) | (uint64_t)object << j->depth;
    j->depth++;
    j->fresh = true;
    j->r.ptr++;
    return (struct json_token){.kind = object ? JSON_OBJECT : JSON_ARRAY};
}

static struct json_token leave(struct json *j)
{
    j->depth--;
    j->fresh = false;
    j->r.ptr++;
    return (struct json_token){.kind = JSON_END};
}

static bool in_object(const struct json *j) { return j->depth && (j->objects >> (j->depth - 1) & 1); }

struct json_token json_next(struct json *j, struct arena *a)
{
    uint8_t c = peek(j);
    if (j->r.err)
        return bad(j);
    if (!j->depth && !j->fresh)
        return rbuf_left(&j->r) ? bad(j) : (struct json_token){.kind = JSON_END};
    if (j->depth && !in_object(j)) {
        if (c == ']')
            return leave(j);
        if (!j->fresh) {
            if (c != ',')
                return bad(j);
            j->r.ptr++;
            c = peek(j);
        }
    }
    j->fresh = false;
    switch (c) {
    case '{':
        return enter(j, true);
    case '[':
        return enter(j, false);
    case '"':
        return read_string(j, a);
    case 'n':
    case 't':
    case 'f':
        return read_word(j);
    default:
        return read_number(j);
    }
}

bool json_key(struct json *j, struct arena *a, struct str *key)
{
    uint8_t c = peek(j);
    if (j->r.err || !in_object(j)) {
        bad(j);
        return false;
    }
    if (c == '}') {
        leave(j);
        return false;
    }
    if (!j->fresh) {
        if (c != ',') {
            bad(j);
            return false;
        }
        j->r.ptr++;
        c = peek(j);
    }
    struct json_token t = c == '"' ? read_string(j, a) : bad(j);
    if (t.kind != JSON_STRING || peek(j) != ':') {
        bad(j);
        return false;
    }
    j->r.ptr++;
    *key = t.text;
    return true;
}

void json_skip(struct json *j)
{
    int depth = j->depth;
    struct str key;
    json_next(j, NULL);
    while (j->depth > depth && !j->r.err) {
        if (in_object(j) && !json_key(j, NULL, &key))
            continue;
        json_next(j, NULL);
    }
}

struct str json_raw(struct json *j)
{
    peek(j);
    if (j->depth && !in_object(j) && !j->fresh && rbuf_left(&j->r) && *j->r.ptr == ',') {
        j->r.ptr++; /* so that the text starts at the value */
        j->fresh = true;
        peek(j);
    }
    const char *start = (const char *)j->r.ptr;
    json_skip(j);
    if (j->r.err)
        return STR_NULL;
    return (struct str){start, (size_t)((const char *)j->r.ptr - start)};
}
