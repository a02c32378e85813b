#include "log/store/compact_map.h"
#include "log/base/alloc.h"

/* ---- SipHash-2-4, 128 bits (Aumasson and Bernstein, 2012) */

struct sip {
    uint64_t v[4];
};

static inline uint64_t rotl(uint64_t x, unsigned n) { return x << n | x >> (64 - n); }

static inline void sip_rounds(struct sip *s, unsigned n)
{
    uint64_t a = s->v[0], b = s->v[1], c = s->v[2], d = s->v[3];
    while (n-- > 0) {
        a += b;
        c += d;
        b = rotl(b, 13) ^ a;
        d = rotl(d, 16) ^ c;
        a = rotl(a, 32);
        c += b;
        a += d;
        b = rotl(b, 17) ^ c;
        d = rotl(d, 21) ^ a;
        c = rotl(c, 32);
    }
    *s = (struct sip){{a, b, c, d}};
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v[3] ^= word;
    sip_rounds(s, 2);
    s->v[0] ^= word;
}

/* Little-endian, as the hash is defined. */
static inline uint64_t load_le(const uint8_t *p, size_t n)
{
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++)
        word |= (uint64_t)p[i] << 8 * i;
    return word;
}

void compact_hash(const uint64_t secret[2], const void *bytes, size_t n, uint64_t out[2])
{
    const uint8_t *p = bytes;
    struct sip s = {{secret[0] ^ 0x736f6d6570736575u, secret[1] ^ 0x646f72616e646f6du ^ 0xee,
                     secret[0] ^ 0x6c7967656e657261u, secret[1] ^ 0x7465646279746573u}};
    size_t left = n;
    for (; left >= 8; left -= 8, p += 8)
        sip_word(&s, load_le(p, 8));
    sip_word(&s, (uint64_t)n << 56 | load_le(p, left));
    s.v[2] ^= 0xee;
    sip_rounds(&s, 4);
    out[0] = s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
    s.v[1] ^= 0xdd;
    sip_rounds(&s, 4);
    out[1] = s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

/* ---- the table: open addressing, at most four fifths full */

void compact_map_init(struct compact_map *m, uint64_t keys, size_t bytes, const uint64_t secret[2])
{
    uint64_t slots = MIN(keys, UINT64_MAX / 8) / 4 * 5 + 8;
    *m = (struct compact_map){.cap = (size_t)MIN(slots, (uint64_t)(bytes / sizeof(struct compact_slot)))};
    m->cap = MAX(m->cap, (size_t)2);
    m->len_max = m->cap - MAX(m->cap / 5, (size_t)1);
    m->slots = xzalloc(m->cap * sizeof *m->slots);
    memcpy(m->secret, secret, sizeof m->secret);
}

void compact_map_fini(struct compact_map *m)
{
    xfree(m->slots);
    *m = (struct compact_map){0};
}

size_t compact_map_bytes(const struct compact_map *m) { return m->cap * sizeof *m->slots; }

/* The key's slot, or the free one where it belongs. */
static struct compact_slot *slot_find(const struct compact_map *m, const uint64_t hash[2])
{
    size_t i = (size_t)((unsigned __int128)hash[0] * m->cap >> 64);
    for (;; i = i + 1 == m->cap ? 0 : i + 1) {
        struct compact_slot *s = &m->slots[i];
        if (!s->offset || (s->hash[0] == hash[0] && s->hash[1] == hash[1]))
            return s;
    }
}

bool compact_map_put(struct compact_map *m, struct str key, int64_t offset)
{
    uint64_t hash[2];
    compact_hash(m->secret, key.ptr, key.len, hash);
    struct compact_slot *s = slot_find(m, hash);
    if (!s->offset) {
        if (m->len == m->len_max)
            return false;
        m->len++;
    }
    CHECK((uint64_t)offset + 1 > s->offset);
    *s = (struct compact_slot){{hash[0], hash[1]}, (uint64_t)offset + 1};
    return true;
}

int64_t compact_map_get(const struct compact_map *m, struct str key)
{
    uint64_t hash[2];
    compact_hash(m->secret, key.ptr, key.len, hash);
    return (int64_t)slot_find(m, hash)->offset - 1;
}
