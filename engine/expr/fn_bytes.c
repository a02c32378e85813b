#include "engine/expr/kernel.h"

/* Encodings of bytes as text, numbers in bytes, UUIDs. */

enum encoding { ENC_HEX, ENC_UTF8, ENC_ASCII, ENC_BASE64, ENC_NONE };

static enum encoding encoding_of(struct str name)
{
    static const char *const names[] = {"hex", "utf8", "ascii", "base64"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, str_of(names[i])))
            return (enum encoding)i;
    return ENC_NONE;
}

static const char *decode(struct str s, enum encoding from, struct wbuf *out)
{
    switch (from) {
    case ENC_HEX:
        if (str_starts(s, STR("0x")) || str_starts(s, STR("0X")))
            s = (struct str){s.ptr + 2, s.len - 2};
        return hex_decode(s, out) ? NULL : "text is not hex";
    case ENC_BASE64:
        return base64_decode(s, out) ? NULL : "text is not base64";
    case ENC_UTF8:
    case ENC_ASCII:
        wbuf_str(out, s);
        return NULL;
    default:
        return "encodings are hex, utf8, ascii and base64";
    }
}

static const char *encode(struct str s, enum encoding to, struct wbuf *out)
{
    switch (to) {
    case ENC_HEX:
        hex_encode(s, out);
        return NULL;
    case ENC_BASE64:
        base64_encode(s, out);
        return NULL;
    case ENC_UTF8:
        wbuf_str(out, s);
        return utf8_valid(s) ? NULL : "bytes are not UTF-8";
    case ENC_ASCII:
        for (size_t i = 0; i < s.len; i++)
            wbuf_u8(out, s.ptr[i] & 0x80 ? '?' : (uint8_t)s.ptr[i]);
        return NULL;
    default:
        return "encodings are hex, utf8, ascii and base64";
    }
}

static void finish(struct call *c, uint32_t r, const char *wrong, const struct wbuf *w)
{
    if (wrong)
        call_fail(c, r, wrong);
    else
        out_str(c, r, w->len ? wbuf_view(w) : STR(""));
}

KERNEL(text_encode)
{
    struct wbuf raw, out;
    wbuf_init(&raw);
    wbuf_init(&out);
    ROWS_VALID (c, r) {
        wbuf_reset(&raw);
        wbuf_reset(&out);
        const char *wrong = decode(arg_str(c, 0, r), encoding_of(arg_str(c, 1, r)), &raw);
        if (!wrong)
            wrong = encode(raw.len ? wbuf_view(&raw) : STR(""), encoding_of(arg_str(c, 2, r)), &out);
        finish(c, r, wrong, &out);
    }
    wbuf_fini(&raw);
    wbuf_fini(&out);
}

static void convert(struct call *c, const char *(*with)(struct str s, enum encoding e, struct wbuf *out))
{
    struct wbuf out;
    wbuf_init(&out);
    ROWS_VALID (c, r) {
        wbuf_reset(&out);
        finish(c, r, with(arg_str(c, 0, r), encoding_of(arg_str(c, 1, r)), &out), &out);
    }
    wbuf_fini(&out);
}

KERNEL(text_to_bytes) { convert(c, decode); }
KERNEL(bytes_to_text) { convert(c, encode); }

/* ---- numbers */

/* The first `width` bytes as a big-endian number. */
static bool take_number(struct call *c, uint32_t r, unsigned width, uint64_t *out)
{
    struct str s = arg_str(c, 0, r), order = c->nargs > 1 ? arg_str(c, 1, r) : STR("BIG_ENDIAN");
    bool little = str_eq_nocase(order, STR("LITTLE_ENDIAN"));
    if (!little && !str_eq_nocase(order, STR("BIG_ENDIAN"))) {
        call_fail(c, r, "byte order is BIG_ENDIAN or LITTLE_ENDIAN");
        return false;
    }
    if (s.len != width) {
        call_fail(c, r, "an INT is 4 bytes, BIGINT and DOUBLE are 8");
        return false;
    }
    *out = 0;
    for (unsigned i = 0; i < width; i++)
        *out = *out << 8 | (uint8_t)s.ptr[little ? width - 1 - i : i];
    return true;
}

KERNEL(int_from_bytes)
{
    uint64_t v;
    ROWS_VALID (c, r)
        if (take_number(c, r, 4, &v))
            c->out->i32[r] = (int32_t)(uint32_t)v;
}

KERNEL(bigint_from_bytes)
{
    uint64_t v;
    ROWS_VALID (c, r)
        if (take_number(c, r, 8, &v))
            c->out->i64[r] = (int64_t)v;
}

KERNEL(double_from_bytes)
{
    uint64_t v;
    ROWS_VALID (c, r)
        if (take_number(c, r, 8, &v))
            memcpy(&c->out->f64[r], &v, 8);
}

/* Version 4: 122 random bits (RFC 4122). */
KERNEL(text_uuid)
{
    ROWS (c, r) {
        if (!c->ctx) {
            call_fail(c, r, "there is no source of chance here");
            continue;
        }
        uint8_t b[16];
        put_be64(b, random_next(&c->ctx->random));
        put_be64(b + 8, random_next(&c->ctx->random));
        b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
        b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
        char text[36], *at = text;
        for (int i = 0; i < 16; i++) {
            if (i == 4 || i == 6 || i == 8 || i == 10)
                *at++ = '-';
            *at++ = "0123456789abcdef"[b[i] >> 4];
            *at++ = "0123456789abcdef"[b[i] & 15];
        }
        out_str(c, r, (struct str){text, sizeof text});
    }
}
