#include "engine/vec/vec.h"
#include "log/base/buf.h"

/* UTF-8, Base64 (RFC 4648, section 4) and hex. */

/* Bytes of the sequence that starts at p, or 0: overlong forms, surrogates and what is above U+10FFFF are wrong. */
static unsigned utf8_sequence(const uint8_t *p, size_t left)
{
    uint8_t lead = p[0];
    unsigned n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || left < n)
        return 0;
    for (unsigned i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool wrong = (lead == 0xe0 && p[1] < 0xa0) || (lead == 0xed && p[1] > 0x9f) || (lead == 0xf0 && p[1] < 0x90) ||
                 (lead == 0xf4 && p[1] > 0x8f);
    return wrong ? 0 : n;
}

bool utf8_valid(struct str s)
{
    const uint8_t *p = (const uint8_t *)s.ptr, *end = p + s.len;
    while (p < end) {
        if (end - p >= 8 && !(be64(p) & UINT64_C(0x8080808080808080))) {
            p += 8;
            continue;
        }
        unsigned n = *p < 0x80 ? 1 : utf8_sequence(p, (size_t)(end - p));
        if (!n)
            return false;
        p += n;
    }
    return true;
}

static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct str s, struct wbuf *out)
{
    char *at = (char *)wbuf_room(out, (s.len + 2) / 3 * 4);
    const uint8_t *p = (const uint8_t *)s.ptr;
    for (size_t i = 0; i < s.len; i += 3) {
        unsigned left = (unsigned)MIN(s.len - i, (size_t)3);
        uint32_t bits = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0u);
        at[0] = digits64[bits >> 18];
        at[1] = digits64[bits >> 12 & 63];
        at[2] = left > 1 ? digits64[bits >> 6 & 63] : '=';
        at[3] = left > 2 ? digits64[bits & 63] : '=';
        at += 4;
    }
    out->len += (s.len + 2) / 3 * 4;
}

static int digit64(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(struct str s, struct wbuf *out)
{
    if (s.len % 4 == 0)
        for (int pad = 0; pad < 2 && s.len && s.ptr[s.len - 1] == '='; pad++)
            s.len--;
    if (s.len % 4 == 1)
        return false;
    uint8_t *at = wbuf_room(out, s.len / 4 * 3 + 3), *start = at;
    uint32_t bits = 0;
    for (size_t i = 0; i < s.len; i++) {
        int d = digit64(s.ptr[i]);
        if (d < 0)
            return false;
        bits = bits << 6 | (uint32_t)d;
        if (i % 4)
            *at++ = (uint8_t)(bits >> (6 - i % 4 * 2));
    }
    out->len += (size_t)(at - start);
    return true;
}

void hex_encode(struct str s, struct wbuf *out)
{
    static const char digits16[] = "0123456789ABCDEF";
    char *at = (char *)wbuf_room(out, s.len * 2);
    for (size_t i = 0; i < s.len; i++) {
        *at++ = digits16[(uint8_t)s.ptr[i] >> 4];
        *at++ = digits16[s.ptr[i] & 15];
    }
    out->len += s.len * 2;
}

static int digit16(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_decode(struct str s, struct wbuf *out)
{
    if (s.len % 2)
        return false;
    uint8_t *at = wbuf_room(out, s.len / 2 + 1);
    for (size_t i = 0; i < s.len; i += 2) {
        int high = digit16(s.ptr[i]), low = digit16(s.ptr[i + 1]);
        if (high < 0 || low < 0)
            return false;
        *at++ = (uint8_t)(high << 4 | low);
    }
    out->len += s.len / 2;
    return true;
}
