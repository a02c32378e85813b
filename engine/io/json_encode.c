#include "engine/io/codec.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Rows as JSON objects: names were quoted beforehand, room is asked for once a row and once a text, and texts are
 * copied and looked through in the same step. Times are numbers, BYTES are Base64, NaN and infinities are texts, as the
 * decoder takes them. */

#if defined(__SSE2__)
/* Not zero: a byte of v must be escaped, a quote, a backslash or a control character. */
static inline __m128i escapes(__m128i v)
{
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
    return _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
                        _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
}

/* Copies 16 bytes. */
static inline __m128i copy_piece(uint8_t *at, const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    _mm_storeu_si128((__m128i *)(void *)at, v);
    return escapes(v);
}

static inline bool copy_long(uint8_t *at, const char *p, size_t n)
{
    __m128i hit = copy_piece(at + n - 16, p + n - 16); /* overlaps the piece before it */
    for (size_t i = 0; i + 16 < n; i += 16)
        hit = _mm_or_si128(hit, copy_piece(at + i, p + i));
    return _mm_movemask_epi8(hit) == 0;
}

/* 8 to 15 bytes: two halves that overlap. */
static inline bool copy_short(uint8_t *at, const char *p, size_t n)
{
    __m128i a = _mm_loadl_epi64((const __m128i *)(const void *)p);
    __m128i b = _mm_loadl_epi64((const __m128i *)(const void *)(p + n - 8));
    _mm_storel_epi64((__m128i *)(void *)at, a);
    _mm_storel_epi64((__m128i *)(void *)(at + n - 8), b);
    return _mm_movemask_epi8(escapes(_mm_unpacklo_epi64(a, b))) == 0;
}
#endif

/* Copies n bytes of text to at, where as many are free; false: some of them must be escaped. */
static inline bool copy_plain(uint8_t *at, const char *p, size_t n)
{
#if defined(__SSE2__)
    if (n >= 16)
        return copy_long(at, p, n);
    if (n >= 8)
        return copy_short(at, p, n);
#endif
    for (size_t i = 0; i < n; i++) {
        if ((uint8_t)p[i] <= 0x1f || p[i] == '"' || p[i] == '\\')
            return false;
        at[i] = (uint8_t)p[i];
    }
    return true;
}

static void put_quoted(struct wbuf *out, struct str s, bool base64)
{
    wbuf_u8(out, '"');
    if (base64)
        base64_encode(s, out);
    else
        wbuf_str(out, s);
    wbuf_u8(out, '"');
}

static void put_double(struct wbuf *out, double f)
{
    char *at = (char *)wbuf_room(out, DOUBLE_TEXT + 2);
    if (LIKELY(f - f == 0)) {
        out->len += double_format(f, at);
        return;
    }
    char text[DOUBLE_TEXT];
    put_quoted(out, (struct str){text, double_format(f, text)}, false);
}

/* A part of a nested value. */
static void put_part(struct wbuf *out, const struct value *v)
{
    if (v->null) {
        wbuf_str(out, STR("null"));
        return;
    }
    switch (v->type.id) {
    case T_DOUBLE:
        put_double(out, v->f);
        break;
    case T_DATE:
    case T_TIME:
    case T_TIMESTAMP:
    case T_INTERVAL:
        out->len += i64_format(v->i, (char *)wbuf_room(out, I64_TEXT));
        break;
    default:
        json_put_value(out, v);
    }
}

static void put_nested(struct wbuf *out, struct type t, struct str bytes)
{
    struct value v = {.type = t, .s = bytes};
    struct arena a;
    arena_init(&a);
    json_put_nested(out, &v, &a, put_part);
    arena_fini(&a);
}

static void put_value(struct wbuf *out, const struct batch *b, const struct vec *v, uint32_t row)
{
    if (!vec_valid(v, row)) {
        wbuf_str(out, STR("null"));
        return;
    }
    switch (v->type.id) {
    case T_BOOLEAN:
        wbuf_str(out, v->b[row] ? STR("true") : STR("false"));
        break;
    case T_INT:
    case T_DATE:
    case T_TIME:
        out->len += i64_format(v->i32[row], (char *)wbuf_room(out, I64_TEXT));
        break;
    case T_BIGINT:
    case T_TIMESTAMP:
    case T_INTERVAL:
        out->len += i64_format(v->i64[row], (char *)wbuf_room(out, I64_TEXT));
        break;
    case T_DOUBLE:
        put_double(out, v->f64[row]);
        break;
    case T_DECIMAL:
        i128_format(v->i128[row], v->type.scale, out);
        break;
    case T_VARCHAR:
        json_put_str(out, batch_str(b, v, row));
        break;
    case T_ARRAY:
    case T_MAP:
    case T_STRUCT:
        put_nested(out, v->type, batch_str(b, v, row));
        break;
    default:
        put_quoted(out, batch_str(b, v, row), true);
    }
}

/* From here on `at` is where the row goes on: out->len is set when others write, and at the end. There is always room
 * for all that the row may still take besides texts. */
static uint8_t *put_other(const struct side *s, const struct batch *b, const struct vec *v, uint32_t row, struct wbuf *out,
                          uint8_t *at)
{
    out->len = (size_t)(at - out->data);
    put_value(out, b, v, row);
    return wbuf_room(out, s->fixed);
}

static inline uint8_t *put_text(const struct side *s, const struct batch *b, const struct vec *v, uint32_t row,
                                struct wbuf *out, uint8_t *at)
{
    struct str text = batch_str(b, v, row);
    out->len = (size_t)(at - out->data);
    at = wbuf_room(out, text.len + 2 + s->fixed);
    if (UNLIKELY(!copy_plain(at + 1, text.ptr, text.len)))
        return put_other(s, b, v, row, out, at);
    at[0] = at[text.len + 1] = '"';
    return at + text.len + 2;
}

/* Quickly for what is common. */
static inline uint8_t *put_common(const struct side *s, const struct batch *b, const struct vec *v, uint32_t row,
                                  struct wbuf *out, uint8_t *at)
{
    if (LIKELY(vec_valid(v, row))) {
        if (v->type.id == T_VARCHAR)
            return put_text(s, b, v, row, out, at);
        if (v->type.id == T_BIGINT)
            return at + i64_format(v->i64[row], (char *)at);
        if (v->type.id == T_INT)
            return at + i64_format(v->i32[row], (char *)at);
    }
    return put_other(s, b, v, row, out, at);
}

/* Short ones, and they nearly always are, are copied with what pads them: a fixed size costs no call. */
static inline uint8_t *put_fragment(uint8_t *at, struct str f)
{
    if (LIKELY(f.len <= FRAGMENT_PAD))
        memcpy(at, f.ptr, FRAGMENT_PAD);
    else
        memcpy(at, f.ptr, f.len);
    return at + f.len;
}

void json_encode(const struct side *s, const struct batch *b, const unsigned *cols, uint32_t row, struct wbuf *out)
{
    if (s->bare) {
        put_value(out, b, &b->cols[cols[0]], row);
        return;
    }
    uint8_t *at = wbuf_room(out, s->fixed);
    if (!s->n)
        *at++ = '{';
    for (unsigned i = 0; i < s->n; i++) {
        at = put_fragment(at, s->fragments[i]);
        at = put_common(s, b, &b->cols[cols[i]], row, out, at);
    }
    *at++ = '}';
    out->len = (size_t)(at - out->data);
}
