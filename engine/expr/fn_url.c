#include "engine/expr/kernel.h"

/* URLs (RFC 3986): scheme://user@host:port/path?query#fragment. A text without a scheme is no URL: parts are NULL. */

struct url {
    struct str scheme, host, port, path, query, fragment; /* NULL: not there */
};

static struct str before(struct str *rest, char mark, bool *found)
{
    const char *at = rest->len ? memchr(rest->ptr, mark, rest->len) : NULL;
    *found = at != NULL;
    struct str out = *rest;
    if (at) {
        out.len = (size_t)(at - rest->ptr);
        *rest = (struct str){at + 1, rest->len - out.len - 1};
    } else {
        *rest = (struct str){rest->ptr + rest->len, 0};
    }
    return out;
}

static bool is_scheme(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.ptr[i];
        bool alpha = (ch | 0x20) >= 'a' && (ch | 0x20) <= 'z';
        if (!alpha && (i == 0 || !((ch >= '0' && ch <= '9') || ch == '+' || ch == '-' || ch == '.')))
            return false;
    }
    return s.len > 0;
}

static void split_authority(struct str s, struct url *u)
{
    const char *at = s.len ? memrchr(s.ptr, '@', s.len) : NULL;
    if (at)
        s = (struct str){at + 1, s.len - (size_t)(at + 1 - s.ptr)};
    const char *colon = s.len ? memrchr(s.ptr, ':', s.len) : NULL;
    if (colon && memchr(colon, ']', s.len - (size_t)(colon - s.ptr)))
        colon = NULL; /* inside an IPv6 address */
    u->host = s;
    if (colon) {
        u->host.len = (size_t)(colon - s.ptr);
        u->port = (struct str){colon + 1, s.len - u->host.len - 1};
    }
    if (!u->host.len)
        u->host = STR_NULL;
}

static bool url_parse(struct str s, struct url *u)
{
    bool found;
    *u = (struct url){0};
    for (size_t i = 0; i < s.len; i++)
        if ((uint8_t)s.ptr[i] <= ' ')
            return false;
    struct str rest = s, main = before(&rest, '#', &found);
    if (found)
        u->fragment = rest;
    rest = main;
    u->scheme = before(&rest, ':', &found);
    if (!found || !is_scheme(u->scheme))
        return false;
    struct str hier = before(&rest, '?', &found);
    if (found)
        u->query = rest;
    if (str_starts(hier, STR("//"))) {
        struct str authority = {hier.ptr + 2, hier.len - 2}, tail = authority;
        authority = before(&tail, '/', &found);
        split_authority(authority, u);
        hier = found ? (struct str){tail.ptr - 1, tail.len + 1} : (struct str){tail.ptr, 0};
    }
    u->path = hier;
    return true;
}

#define PART(name, member)                                                                                             \
    KERNEL(name)                                                                                                       \
    {                                                                                                                  \
        ROWS_VALID (c, r) {                                                                                            \
            struct url u;                                                                                              \
            if (url_parse(arg_str(c, 0, r), &u) && u.member.ptr)                                                       \
                out_str(c, r, u.member);                                                                               \
            else                                                                                                       \
                call_null(c, r);                                                                                       \
        }                                                                                                              \
    }
PART(url_protocol, scheme)
PART(url_host, host)
PART(url_path, path)
PART(url_query, query)
PART(url_fragment, fragment)

KERNEL(url_port)
{
    ROWS_VALID (c, r) {
        struct url u;
        int64_t port;
        if (url_parse(arg_str(c, 0, r), &u) && u.port.len && str_to_i64(u.port, &port) && port >= 0 && port < 65536)
            c->out->i32[r] = (int32_t)port;
        else
            call_null(c, r);
    }
}

/* ---- percent coding, as forms use it: a blank is a plus */

static bool decode(struct str s, struct wbuf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.ptr[i];
        if (ch == '%') {
            if (s.len - i < 3 || !hex_decode((struct str){s.ptr + i + 1, 2}, out))
                return false;
            i += 2;
        } else {
            wbuf_u8(out, ch == '+' ? ' ' : (uint8_t)ch);
        }
    }
    return utf8_valid(out->len ? wbuf_view(out) : STR(""));
}

static void encode(struct str s, struct wbuf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.ptr[i];
        bool plain = ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z') || (ch >= '0' && ch <= '9') ||
                     (ch && strchr(".-*_", ch));
        if (plain) {
            wbuf_u8(out, (uint8_t)ch);
        } else if (ch == ' ') {
            wbuf_u8(out, '+');
        } else {
            wbuf_u8(out, '%');
            hex_encode((struct str){&ch, 1}, out);
        }
    }
}

static void put(struct call *c, uint32_t r, const struct wbuf *w) { out_str(c, r, w->len ? wbuf_view(w) : STR("")); }

KERNEL(url_encode)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS_VALID (c, r) {
        wbuf_reset(&w);
        encode(arg_str(c, 0, r), &w);
        put(c, r, &w);
    }
    wbuf_fini(&w);
}

KERNEL(url_decode)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS_VALID (c, r) {
        wbuf_reset(&w);
        if (decode(arg_str(c, 0, r), &w))
            put(c, r, &w);
        else
            call_fail(c, r, "text is not URL-encoded");
    }
    wbuf_fini(&w);
}

/* The value of a parameter, still encoded; NULL: not there. */
static struct str parameter(struct str query, struct str name, struct wbuf *w)
{
    while (query.len) {
        bool found;
        struct str pair = before(&query, '&', &found), value = pair;
        struct str key = before(&value, '=', &found);
        wbuf_reset(w);
        if (decode(key, w) && str_eq(w->len ? wbuf_view(w) : STR(""), name))
            return value;
    }
    return STR_NULL;
}

KERNEL(url_parameter)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS_VALID (c, r) {
        struct url u;
        struct str value = STR_NULL;
        if (url_parse(arg_str(c, 0, r), &u))
            value = parameter(u.query, arg_str(c, 1, r), &w);
        wbuf_reset(&w);
        if (!value.ptr)
            call_null(c, r);
        else if (decode(value, &w))
            put(c, r, &w);
        else
            call_fail(c, r, "text is not URL-encoded");
    }
    wbuf_fini(&w);
}
