#include "engine/vec/vec.h"
#include "log/base/buf.h"

/* The hash that splits state into key groups: XXH64 with seed 0 (https://github.com/Cyan4973/xxHash, doc/
 * xxhash_spec.md) over the encoded key. Fixed for ever: which node holds a key depends on it. Test vectors stand in
 * tests/unit/engine/vec/test_key.c. */

#define P1 UINT64_C(0x9E3779B185EBCA87)
#define P2 UINT64_C(0xC2B2AE3D27D4EB4F)
#define P3 UINT64_C(0x165667B19E3779F9)
#define P4 UINT64_C(0x85EBCA77C2B2AE63)
#define P5 UINT64_C(0x27D4EB2F165667C5)

static uint64_t rotate(uint64_t x, unsigned n) { return x << n | x >> (64 - n); }

static uint64_t le64(const char *p) { return __builtin_bswap64(be64(p)); }
static uint64_t le32(const char *p) { return __builtin_bswap32(be32(p)); }

static uint64_t lane(uint64_t acc, uint64_t word) { return rotate(acc + word * P2, 31) * P1; }

static uint64_t merge(uint64_t h, uint64_t acc) { return (h ^ lane(0, acc)) * P1 + P4; }

static uint64_t stripes(const char **p, const char *end)
{
    uint64_t a = P1 + P2, b = P2, c = 0, d = -P1;
    for (; end - *p >= 32; *p += 32) {
        a = lane(a, le64(*p));
        b = lane(b, le64(*p + 8));
        c = lane(c, le64(*p + 16));
        d = lane(d, le64(*p + 24));
    }
    uint64_t h = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
    return merge(merge(merge(merge(h, a), b), c), d);
}

uint64_t key_hash(struct str key)
{
    const char *p = key.ptr, *end = p + key.len;
    uint64_t h = key.len >= 32 ? stripes(&p, end) : P5;
    h += key.len;
    for (; end - p >= 8; p += 8)
        h = rotate(h ^ lane(0, le64(p)), 27) * P1 + P4;
    if (end - p >= 4) {
        h = rotate(h ^ le32(p) * P1, 23) * P2 + P3;
        p += 4;
    }
    for (; p < end; p++)
        h = rotate(h ^ (uint8_t)*p * P5, 11) * P1;
    h = (h ^ h >> 33) * P2;
    h = (h ^ h >> 29) * P3;
    return h ^ h >> 32;
}

void batch_hash(const struct batch *b, const unsigned *cols, unsigned ncols, uint64_t *out)
{
    struct wbuf key;
    wbuf_init(&key);
    for (uint32_t i = 0; i < b->nsel; i++) {
        wbuf_reset(&key);
        key_encode(b, cols, ncols, batch_row(b, i), &key);
        out[i] = key_hash(wbuf_view(&key));
    }
    wbuf_fini(&key);
}
