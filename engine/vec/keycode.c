#include "engine/vec/vec.h"
#include "log/base/buf.h"
#include "log/base/err.h"

/* Keys as bytes whose memcmp order is the values' order. On disk: engine/README.md, "Key bytes".
 *
 *   NULL            01
 *   BOOLEAN         02, 00 or 01
 *   INT DATE TIME   02, 4 bytes big-endian, sign bit flipped
 *   BIGINT TIMESTAMP INTERVAL  02, 8 bytes, the same
 *   DECIMAL         02, 16 bytes, the same, of the unscaled value
 *   DOUBLE          02, 8 bytes big-endian: negative ones inverted, others with the sign bit set; -0.0 as 0.0, any NaN as
 *                   the one quiet NaN, above infinity
 *   VARCHAR BYTES   02, the bytes with 00 as 00 ff, then 00 01
 *   ARRAY MAP STRUCT  as BYTES, of the value's own bytes: the keys of its parts one after the other (nested.c)
 *
 * No encoding is a prefix of another of its type, so columns follow one another without separators. */

#define KEY_NULL 1
#define KEY_VALUE 2
#define KEY_NAN UINT64_C(0x7ff8000000000000)
#define SIGN64 (UINT64_C(1) << 63)

static uint64_t double_bits(double f)
{
    uint64_t bits = KEY_NAN;
    if (f == f) {
        f += 0.0; /* -0.0 becomes 0.0 */
        memcpy(&bits, &f, 8);
    }
    return bits & SIGN64 ? ~bits : bits | SIGN64;
}

static double double_of_bits(uint64_t bits)
{
    bits = bits & SIGN64 ? bits & ~SIGN64 : ~bits;
    double f;
    memcpy(&f, &bits, 8);
    return f;
}

static void put_text(struct str s, struct wbuf *out)
{
    const char *p = s.ptr, *end = s.len ? p + s.len : p; /* NULL + 0 is undefined */
    while (p < end) {
        const char *zero = memchr(p, 0, (size_t)(end - p));
        size_t n = (size_t)((zero ? zero : end) - p);
        wbuf_put(out, p, n);
        p += n;
        if (zero) {
            wbuf_be16(out, 0x00ff);
            p++;
        }
    }
    wbuf_be16(out, 0x0001);
}

static void put_4(uint32_t v, struct wbuf *out)
{
    uint8_t *p = wbuf_room(out, 5);
    p[0] = KEY_VALUE;
    put_be32(p + 1, v);
    out->len += 5;
}

static void put_8(uint64_t v, struct wbuf *out)
{
    uint8_t *p = wbuf_room(out, 9);
    p[0] = KEY_VALUE;
    put_be64(p + 1, v);
    out->len += 9;
}

static void put_16(i128 v, struct wbuf *out)
{
    unsigned __int128 u = (unsigned __int128)v;
    put_8((uint64_t)(u >> 64) ^ SIGN64, out);
    wbuf_be64(out, (uint64_t)u);
}

void key_encode(const struct batch *b, const unsigned *cols, unsigned ncols, uint32_t row, struct wbuf *out)
{
    for (unsigned c = 0; c < ncols; c++) {
        const struct vec *v = &b->cols[cols[c]];
        if (!vec_valid(v, row)) {
            wbuf_u8(out, KEY_NULL);
            continue;
        }
        switch (v->type.id) {
        case T_BOOLEAN:
            wbuf_u8(out, KEY_VALUE);
            wbuf_u8(out, v->b[row] != 0);
            break;
        case T_INT:
        case T_DATE:
        case T_TIME:
            put_4((uint32_t)v->i32[row] ^ 0x80000000u, out);
            break;
        case T_BIGINT:
        case T_TIMESTAMP:
        case T_INTERVAL:
            put_8((uint64_t)v->i64[row] ^ SIGN64, out);
            break;
        case T_DOUBLE:
            put_8(double_bits(v->f64[row]), out);
            break;
        case T_DECIMAL:
            put_16(v->i128[row], out);
            break;
        case T_VARCHAR:
        case T_BYTES:
        case T_ARRAY:
        case T_MAP:
        case T_STRUCT:
            wbuf_u8(out, KEY_VALUE);
            put_text(batch_str(b, v, row), out);
            break;
        default:
            CHECK(v->type.id == T_NULL);
            wbuf_u8(out, KEY_NULL);
        }
    }
}

void key_encode_value(const struct value *v, struct wbuf *out)
{
    if (v->null) {
        wbuf_u8(out, KEY_NULL);
        return;
    }
    switch (v->type.id) {
    case T_BOOLEAN:
        wbuf_u8(out, KEY_VALUE);
        wbuf_u8(out, v->b);
        break;
    case T_INT:
    case T_DATE:
    case T_TIME:
        put_4((uint32_t)(int32_t)v->i ^ 0x80000000u, out);
        break;
    case T_BIGINT:
    case T_TIMESTAMP:
    case T_INTERVAL:
        put_8((uint64_t)v->i ^ SIGN64, out);
        break;
    case T_DOUBLE:
        put_8(double_bits(v->f), out);
        break;
    case T_DECIMAL:
        put_16(v->d, out);
        break;
    case T_VARCHAR:
    case T_BYTES:
    case T_ARRAY:
    case T_MAP:
    case T_STRUCT:
        wbuf_u8(out, KEY_VALUE);
        put_text(v->s, out);
        break;
    default:
        CHECK(false);
    }
}

/* ---- back */

/* Passes over a text and its end; *zeros of its bytes stand for 00. Gives the bytes as they lie, or null. */
static struct str scan_text(struct rbuf *r, size_t *zeros)
{
    const char *start = (const char *)r->ptr;
    *zeros = 0;
    for (;;) {
        const uint8_t *zero = rbuf_left(r) ? memchr(r->ptr, 0, rbuf_left(r)) : NULL;
        if (!zero || r->end - zero < 2 || (zero[1] != 0xff && zero[1] != 0x01))
            return STR_NULL;
        r->ptr = zero + 2;
        if (zero[1] == 0x01)
            return (struct str){start, (size_t)((const char *)zero - start)};
        ++*zeros;
    }
}

/* borrow: a text without zeros may stay where it is. */
static bool get_text(struct rbuf *r, struct value *out, struct arena *a, bool borrow)
{
    size_t zeros;
    struct str raw = scan_text(r, &zeros);
    if (!raw.ptr)
        return false;
    out->s = raw;
    if (borrow && !zeros)
        return true;
    char *text = arena_alloc(a, raw.len - zeros + 1), *at = text;
    for (size_t i = 0; i < raw.len; i++) {
        *at++ = raw.ptr[i];
        i += raw.ptr[i] == 0; /* its ff */
    }
    out->s = (struct str){text, raw.len - zeros};
    return true;
}

static bool get_fixed(struct rbuf *r, struct value *out)
{
    switch (out->type.id) {
    case T_BOOLEAN: {
        uint8_t byte = rbuf_u8(r);
        out->b = byte == 1;
        return byte <= 1;
    }
    case T_INT:
    case T_DATE:
    case T_TIME:
        out->i = (int32_t)(rbuf_be32(r) ^ 0x80000000u);
        return true;
    case T_BIGINT:
    case T_TIMESTAMP:
    case T_INTERVAL:
        out->i = (int64_t)(rbuf_be64(r) ^ SIGN64);
        return true;
    case T_DOUBLE:
        out->f = double_of_bits(rbuf_be64(r));
        return true;
    case T_DECIMAL: {
        unsigned __int128 high = rbuf_be64(r) ^ SIGN64;
        out->d = (i128)(high << 64 | rbuf_be64(r));
        return true;
    }
    default:
        return false;
    }
}

static bool get(struct rbuf *r, struct type t, struct value *out, struct arena *a, bool borrow)
{
    *out = (struct value){.type = t};
    uint8_t tag = rbuf_u8(r);
    out->null = tag == KEY_NULL;
    bool ok = out->null || (tag == KEY_VALUE && (type_is_text(t) ? get_text(r, out, a, borrow) : get_fixed(r, out)));
    return ok && !r->err;
}

int key_decode(struct str *bytes, struct type t, struct value *out, struct arena *a)
{
    struct rbuf r = rbuf_of(bytes->ptr, bytes->len);
    if (!get(&r, t, out, a, false))
        return E_CORRUPT;
    *bytes = (struct str){(const char *)r.ptr, rbuf_left(&r)};
    return 0;
}

bool key_view(struct rbuf *r, struct type t, struct value *out, struct arena *a) { return get(r, t, out, a, true); }

bool key_skip(struct rbuf *r, struct type t)
{
    uint8_t tag = rbuf_u8(r);
    size_t zeros;
    if (tag != KEY_VALUE)
        return tag == KEY_NULL && !r->err;
    if (type_is_text(t))
        return scan_text(r, &zeros).ptr != NULL;
    return rbuf_take(r, type_width(t)) != NULL; /* of a scalar a key has as many bytes as a column */
}
