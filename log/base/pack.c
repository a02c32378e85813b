#include "log/base/pack.h"
#include "log/base/err.h"
#include "log/base/limits.h"
#include <msgpack/pack.h>

/* Writing is msgpack-c's packer. Reading is our own cursor: the library's unpacker allocates an object tree, sized by
 * what the bytes claim. Format: https://github.com/msgpack/msgpack/blob/master/spec.md */

static int write_cb(void *arg, const char *p, size_t n)
{
    wbuf_put(arg, p, n);
    return 0;
}

static msgpack_packer packer(struct wbuf *w) { return (msgpack_packer){.data = w, .callback = write_cb}; }

#define PACK(w, call, ...)                                                                                             \
    do {                                                                                                               \
        msgpack_packer pk = packer(w);                                                                                 \
        call(&pk, ##__VA_ARGS__);                                                                                      \
    } while (0)

void pack_nil(struct wbuf *w) { PACK(w, msgpack_pack_nil); }

void pack_bool(struct wbuf *w, bool v)
{
    if (v)
        PACK(w, msgpack_pack_true);
    else
        PACK(w, msgpack_pack_false);
}

void pack_int(struct wbuf *w, int64_t v) { PACK(w, msgpack_pack_int64, v); }
void pack_uint(struct wbuf *w, uint64_t v) { PACK(w, msgpack_pack_uint64, v); }
void pack_double(struct wbuf *w, double v) { PACK(w, msgpack_pack_double, v); }

void pack_str(struct wbuf *w, struct str s)
{
    if (!s.ptr) {
        pack_nil(w);
        return;
    }
    CHECK(s.len <= UINT32_MAX);
    PACK(w, msgpack_pack_str, s.len);
    wbuf_str(w, s);
}

void pack_bin(struct wbuf *w, struct str s)
{
    if (!s.ptr) {
        pack_nil(w);
        return;
    }
    CHECK(s.len <= UINT32_MAX);
    PACK(w, msgpack_pack_bin, s.len);
    wbuf_str(w, s);
}

void pack_uuid(struct wbuf *w, struct uuid id) { pack_bin(w, (struct str){(const char *)id.b, sizeof id.b}); }

void pack_array(struct wbuf *w, uint32_t n) { PACK(w, msgpack_pack_array, n); }
void pack_map(struct wbuf *w, uint32_t n) { PACK(w, msgpack_pack_map, n); }

/* ---- reading: one head (kind, number or length) at a time */

enum kind { NIL, BOOLEAN, POSITIVE, NEGATIVE, FLOATING, TEXT, ARRAY, MAP, EXT, BAD };

struct head {
    enum kind kind;
    uint64_t n; /* value, length or count; the bits of a negative number or a double */
};

static struct head bad(struct unpack *u)
{
    if (!u->r.err)
        u->r.err = E_SYNTAX;
    u->r.ptr = u->r.end;
    return (struct head){BAD, 0};
}

static uint64_t bits_of(double d)
{
    uint64_t n;
    memcpy(&n, &d, 8);
    return n;
}

static double float_at(struct rbuf *r)
{
    uint32_t n = rbuf_be32(r);
    float f;
    memcpy(&f, &n, 4);
    return (double)f;
}

static struct head signed_head(int64_t v) { return (struct head){v < 0 ? NEGATIVE : POSITIVE, (uint64_t)v}; }

/* Numbers, lengths and counts of the tags 0xc0 to 0xdf. */
static struct head long_head(struct unpack *u, uint8_t tag)
{
    struct rbuf *r = &u->r;
    switch (tag) {
    case 0xc0:
        return (struct head){NIL, 0};
    case 0xc2:
    case 0xc3:
        return (struct head){BOOLEAN, tag & 1u};
    case 0xc4:
    case 0xd9:
        return (struct head){TEXT, rbuf_u8(r)};
    case 0xc5:
    case 0xda:
        return (struct head){TEXT, rbuf_be16(r)};
    case 0xc6:
    case 0xdb:
        return (struct head){TEXT, rbuf_be32(r)};
    case 0xc7:
        return (struct head){EXT, rbuf_u8(r)};
    case 0xc8:
        return (struct head){EXT, rbuf_be16(r)};
    case 0xc9:
        return (struct head){EXT, rbuf_be32(r)};
    case 0xca:
        return (struct head){FLOATING, bits_of(float_at(r))};
    case 0xcb:
        return (struct head){FLOATING, rbuf_be64(r)};
    case 0xcc:
        return (struct head){POSITIVE, rbuf_u8(r)};
    case 0xcd:
        return (struct head){POSITIVE, rbuf_be16(r)};
    case 0xce:
        return (struct head){POSITIVE, rbuf_be32(r)};
    case 0xcf:
        return (struct head){POSITIVE, rbuf_be64(r)};
    case 0xd0:
        return signed_head((int8_t)rbuf_u8(r));
    case 0xd1:
        return signed_head((int16_t)rbuf_be16(r));
    case 0xd2:
        return signed_head((int32_t)rbuf_be32(r));
    case 0xd3:
        return signed_head((int64_t)rbuf_be64(r));
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return (struct head){EXT, 1u << (tag - 0xd4)};
    case 0xdc:
        return (struct head){ARRAY, rbuf_be16(r)};
    case 0xdd:
        return (struct head){ARRAY, rbuf_be32(r)};
    case 0xde:
        return (struct head){MAP, rbuf_be16(r)};
    case 0xdf:
        return (struct head){MAP, rbuf_be32(r)};
    default:
        return bad(u);
    }
}

static struct head head_read(struct unpack *u)
{
    uint8_t tag = rbuf_u8(&u->r);
    struct head h;
    if (tag < 0x80)
        h = (struct head){POSITIVE, tag};
    else if (tag < 0x90)
        h = (struct head){MAP, tag & 15u};
    else if (tag < 0xa0)
        h = (struct head){ARRAY, tag & 15u};
    else if (tag < 0xc0)
        h = (struct head){TEXT, tag & 31u};
    else if (tag < 0xe0)
        h = long_head(u, tag);
    else
        h = signed_head((int8_t)tag);
    return u->r.err ? (struct head){BAD, 0} : h;
}

/* A head that the caller wants to be of one kind. */
static uint64_t expect(struct unpack *u, enum kind kind)
{
    struct head h = head_read(u);
    if (h.kind != kind) {
        bad(u);
        return 0;
    }
    return h.n;
}

bool unpack_nil(struct unpack *u)
{
    if (u->r.err || !rbuf_left(&u->r) || *u->r.ptr != 0xc0)
        return false;
    u->r.ptr++;
    return true;
}

bool unpack_bool(struct unpack *u) { return expect(u, BOOLEAN) != 0; }

int64_t unpack_int(struct unpack *u)
{
    struct head h = head_read(u);
    if (h.kind == NEGATIVE || (h.kind == POSITIVE && h.n <= INT64_MAX))
        return (int64_t)h.n;
    bad(u);
    return 0;
}

uint64_t unpack_uint(struct unpack *u) { return expect(u, POSITIVE); }

double unpack_double(struct unpack *u)
{
    uint64_t n = expect(u, FLOATING);
    double d;
    memcpy(&d, &n, 8);
    return d;
}

struct str unpack_str(struct unpack *u)
{
    if (unpack_nil(u))
        return STR_NULL;
    uint64_t n = expect(u, TEXT);
    return rbuf_bytes(&u->r, n);
}

/* A count cannot exceed the bytes left: each value takes one at least. */
static uint32_t unpack_count(struct unpack *u, enum kind kind, unsigned values)
{
    uint64_t n = expect(u, kind);
    if (n * values > rbuf_left(&u->r)) {
        rbuf_take(&u->r, SIZE_MAX);
        return 0;
    }
    return (uint32_t)n;
}

uint32_t unpack_array(struct unpack *u) { return unpack_count(u, ARRAY, 1); }
uint32_t unpack_map(struct unpack *u) { return unpack_count(u, MAP, 2); }

static void skip(struct unpack *u, unsigned depth)
{
    if (depth > PACK_DEPTH) {
        bad(u);
        return;
    }
    struct head h = head_read(u);
    if (h.kind == TEXT)
        rbuf_take(&u->r, h.n);
    else if (h.kind == EXT)
        rbuf_take(&u->r, h.n + 1);
    if (h.kind != ARRAY && h.kind != MAP)
        return;
    for (uint64_t n = h.kind == MAP ? h.n * 2 : h.n; n && !u->r.err; n--)
        skip(u, depth + 1);
}

void unpack_skip(struct unpack *u) { skip(u, 0); }

struct uuid unpack_uuid(struct unpack *u)
{
    struct uuid id = {{0}};
    struct str s = unpack_str(u);
    if (s.len == sizeof id.b)
        memcpy(id.b, s.ptr, sizeof id.b);
    else if (!u->r.err)
        u->r.err = E_SYNTAX;
    return id;
}
