#include "engine/io/codec.h"

/* DELIMITED: one line of CSV (RFC 4180) a record. Fields are in the columns' order, exactly as many; an empty field is
 * NULL, "" an empty text; quotes may stand around any field and are doubled inside. Times are numbers, BYTES are
 * Base64. */

/* Takes a field off p. False: malformed. */
static bool take_field(const char **p, const char *end, char delimiter, struct wbuf *scratch, struct str *out, bool *quoted)
{
    const char *at = *p;
    *quoted = at < end && *at == '"';
    if (!*quoted) {
        const char *stop = at < end ? memchr(at, delimiter, (size_t)(end - at)) : NULL;
        stop = stop ? stop : end;
        *out = (struct str){at, (size_t)(stop - at)};
        *p = stop;
        return !out->len || !memchr(at, '"', out->len);
    }
    wbuf_reset(scratch);
    wbuf_room(scratch, 1);
    for (at++;;) {
        const char *quote = at < end ? memchr(at, '"', (size_t)(end - at)) : NULL;
        if (!quote)
            return false;
        wbuf_put(scratch, at, (size_t)(quote - at));
        at = quote + 1;
        if (at == end || *at != '"')
            break;
        wbuf_u8(scratch, '"');
        at++;
    }
    *out = wbuf_view(scratch);
    *p = at;
    return at == end || *at == delimiter;
}

static bool put_field(const struct field *f, struct str s, bool quoted, struct target *t)
{
    struct vec *v = &t->b->cols[f->out];
    if (!s.len && !quoted) {
        field_null(v, t->row);
        return true;
    }
    if (f->type.id == T_BOOLEAN) {
        v->b[t->row] = str_eq_nocase(s, STR("true"));
        return v->b[t->row] || str_eq_nocase(s, STR("false")) ||
               decode_fail(t, "column %.*s: the value is neither true nor false", STR_ARG(f->name));
    }
    if (f->type.id == T_VARCHAR && !utf8_valid(s))
        return decode_fail(t, "column %.*s: the text is not UTF-8", STR_ARG(f->name));
    if (f->type.id != T_BYTES)
        return field_from_text(f, v, s, t);
    struct str copy = arena_dup(t->b->arena, s); /* field_from_text needs the scratch buffer for the bytes */
    return field_from_text(f, v, copy, t);
}

bool csv_decode(struct fieldset *fs, struct str s, struct target *t)
{
    const char *p = s.ptr, *end = p + s.len;
    if (end > p && end[-1] == '\n')
        end--;
    if (end > p && end[-1] == '\r')
        end--;
    fieldset_begin(fs);
    for (unsigned i = 0;; i++) {
        struct str text;
        bool quoted;
        if (i == fs->n)
            return decode_fail(t, "DELIMITED: more than %u fields", fs->n);
        if (!take_field(&p, end, fs->format.delimiter, t->scratch, &text, &quoted))
            return decode_fail(t, "DELIMITED: a quote is wrong in field %u", i + 1);
        if (fs->fields[i].out >= 0) {
            field_found(fs, &fs->fields[i]);
            if (!put_field(&fs->fields[i], text, quoted, t))
                return false;
        }
        if (p == end)
            return i + 1 == fs->n ||
                   decode_fail(t, "DELIMITED: %u field%s where %u belong", i + 1, i ? "s" : "", fs->n);
        p++;
    }
}

/* ---- writing */

void csv_put(struct wbuf *out, struct str s, char delimiter)
{
    bool quote = s.len == 0;
    for (size_t i = 0; i < s.len && !quote; i++)
        quote = s.ptr[i] == delimiter || s.ptr[i] == '"' || s.ptr[i] == '\n' || s.ptr[i] == '\r';
    if (!quote) {
        wbuf_str(out, s);
        return;
    }
    wbuf_u8(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"')
            wbuf_u8(out, '"');
        wbuf_u8(out, (uint8_t)s.ptr[i]);
    }
    wbuf_u8(out, '"');
}

/* Quotes what stands from `from` on if it must be: a number, say, under the delimiter '-'. */
static void quote_tail(size_t from, char delimiter, struct wbuf *out)
{
    size_t n = out->len - from;
    if (n && !memchr(out->data + from, delimiter, n))
        return;
    char text[64], *copy = n <= sizeof text ? text : xalloc(n);
    memcpy(copy, out->data + from, n);
    out->len = from;
    csv_put(out, (struct str){copy, n}, delimiter);
    if (copy != text)
        xfree(copy);
}

void csv_encode(const struct side *s, const struct batch *b, const unsigned *cols, uint32_t row, struct wbuf *out)
{
    for (unsigned i = 0; i < s->n; i++) {
        if (i)
            wbuf_u8(out, (uint8_t)s->format.delimiter);
        struct value v = batch_value(b, cols[i], row);
        size_t from = out->len;
        if (v.null)
            continue;
        if (v.type.id == T_VARCHAR) {
            csv_put(out, v.s, s->format.delimiter);
            continue;
        }
        if (v.type.id == T_DATE || v.type.id == T_TIME || v.type.id == T_TIMESTAMP || v.type.id == T_INTERVAL)
            v.type = TYPE(T_BIGINT);
        if (v.type.id == T_BYTES)
            base64_encode(v.s, out);
        else
            value_format(&v, out);
        quote_tail(from, s->format.delimiter, out);
    }
}
