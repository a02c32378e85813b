#include "engine/io/codec.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Rows as JSON objects: names were quoted beforehand, room is asked for once a row, and texts are copied and looked
 * through in the same step. Times are numbers, BYTES are Base64, NaN and infinities are texts, as the decoder takes them. */

/* Copies s, quoted; what must be escaped goes to the general writer. at has room for 16 bytes more than s and quotes. */
static uint8_t *put_plain(uint8_t *at, struct str s, bool *plain)
{
    const char *p = s.ptr, *end = p + s.len;
    *at++ = '"';
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
    for (; end - p >= 16; p += 16, at += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
                                   _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        _mm_storeu_si128((__m128i *)(void *)at, v);
        if (_mm_movemask_epi8(hit)) {
            *plain = false;
            return at;
        }
    }
#endif
    for (; p < end; p++) {
        if ((uint8_t)*p <= 0x1f || *p == '"' || *p == '\\') {
            *plain = false;
            return at;
        }
        *at++ = (uint8_t)*p;
    }
    *at++ = '"';
    return at;
}

static void put_text(struct wbuf *out, struct str s)
{
    bool plain = true;
    uint8_t *end = put_plain(wbuf_room(out, s.len + 32), s, &plain);
    if (plain)
        out->len = (size_t)(end - out->data);
    else
        json_put_str(out, s);
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
        wbuf_str(out, s->fragments[i]);
        put_value(out, b, &b->cols[cols[i]], row);
    }
    wbuf_u8(out, '}');
}
