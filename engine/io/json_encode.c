#include "engine/io/codec.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Rows as JSON objects: names were quoted beforehand, room is asked for once a row, and texts are copied and looked
 * through in the same step. Times are numbers, BYTES are Base64, NaN and infinities are texts, as the decoder takes them. */

#if defined(__SSE2__)
/* A byte of v must be escaped: a quote, a backslash or a control character. */
static inline bool must_escape(__m128i v)
{
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
    __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
                               _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
    return _mm_movemask_epi8(hit) != 0;
}

static inline bool copy_long(uint8_t *at, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        size_t from = MIN(i, n - 16); /* the last piece overlaps the one before */
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + from));
        _mm_storeu_si128((__m128i *)(void *)(at + from), v);
        if (must_escape(v))
            return false;
    }
    return true;
}

/* 8 to 15 bytes: two halves that overlap. */
static inline bool copy_short(uint8_t *at, const char *p, size_t n)
{
    __m128i a = _mm_loadl_epi64((const __m128i *)(const void *)p);
    __m128i b = _mm_loadl_epi64((const __m128i *)(const void *)(p + n - 8));
    _mm_storel_epi64((__m128i *)(void *)at, a);
    _mm_storel_epi64((__m128i *)(void *)(at + n - 8), b);
    return !must_escape(_mm_unpacklo_epi64(a, b));
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

static void put_text(struct wbuf *out, struct str s)
{
    uint8_t *at = wbuf_room(out, s.len + 2);
    if (UNLIKELY(!copy_plain(at + 1, s.ptr, s.len))) {
        json_put_str(out, s);
        return;
    }
    at[0] = at[s.len + 1] = '"';
    out->len += s.len + 2;
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
        out->len += i64_format(v->i64[row], (char *)wbuf_room(out, I64_TEXT));
        break;
    case T_DOUBLE:
        put_double(out, v->f64[row]);
        break;
    case T_DECIMAL:
        i128_format(v->i128[row], v->type.scale, out);
        break;
    case T_VARCHAR:
        put_text(out, batch_str(b, v, row));
        break;
    default:
        put_quoted(out, batch_str(b, v, row), true);
    }
}

/* Short ones, and they nearly always are, are copied with what pads them: a fixed size costs no call. */
static inline void put_fragment(struct wbuf *out, struct str f)
{
    size_t n = f.len <= FRAGMENT_PAD ? FRAGMENT_PAD : f.len;
    uint8_t *at = wbuf_room(out, n);
    if (LIKELY(n == FRAGMENT_PAD))
        memcpy(at, f.ptr, FRAGMENT_PAD);
    else
        memcpy(at, f.ptr, n);
    out->len += f.len;
}

void json_encode(const struct side *s, const struct batch *b, const unsigned *cols, uint32_t row, struct wbuf *out)
{
    if (s->bare) {
        put_value(out, b, &b->cols[cols[0]], row);
        return;
    }
    wbuf_room(out, s->fixed);
    if (!s->n)
        wbuf_u8(out, '{');
    for (unsigned i = 0; i < s->n; i++) {
        put_fragment(out, s->fragments[i]);
        put_value(out, b, &b->cols[cols[i]], row);
    }
    wbuf_u8(out, '}');
}
