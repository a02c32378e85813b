#include "log/base/map.h"
#include "log/base/alloc.h"

/* Slots are at most three quarters full. A removal moves later slots of the run back, so there are no tombstones. The
 * seed is fixed: the same history must give the same iteration order in every run of the simulator. */

enum { CAP_MIN = 8 };

void map_init(struct map *m) { *m = (struct map){0}; }

void map_clear(struct map *m)
{
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].hash)
            xfree(m->slots[i].key);
    if (m->cap)
        memset(m->slots, 0, m->cap * sizeof *m->slots);
    m->len = 0;
}

void map_fini(struct map *m)
{
    map_clear(m);
    xfree(m->slots);
    map_init(m);
}

static uint64_t key_hash(struct str key)
{
    uint64_t hash = hash_bytes(key.ptr, key.len, 0);
    return hash ? hash : 1;
}

/* The key's slot, or the free slot where it belongs. */
static struct map_slot *map_find(const struct map *m, struct str key, uint64_t hash)
{
    size_t mask = m->cap - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct map_slot *s = &m->slots[i];
        if (!s->hash)
            return s;
        if (s->hash == hash && s->key_len == key.len && (key.len == 0 || memcmp(s->key, key.ptr, key.len) == 0))
            return s;
    }
}

void *map_get(const struct map *m, struct str key) { return m->len ? map_find(m, key, key_hash(key))->value : NULL; }

static void map_grow(struct map *m)
{
    struct map old = *m;
    m->cap = old.cap ? old.cap * 2 : CAP_MIN;
    m->slots = xzalloc(m->cap * sizeof *m->slots);
    size_t mask = m->cap - 1;
    for (size_t i = 0; i < old.cap; i++) {
        if (!old.slots[i].hash)
            continue;
        size_t at = old.slots[i].hash & mask;
        while (m->slots[at].hash)
            at = (at + 1) & mask;
        m->slots[at] = old.slots[i];
    }
    xfree(old.slots);
}

void *map_put(struct map *m, struct str key, void *value)
{
    CHECK(value);
    CHECK(key.len <= UINT32_MAX);
    if ((m->len + 1) * 4 > m->cap * 3)
        map_grow(m);
    uint64_t hash = key_hash(key);
    struct map_slot *s = map_find(m, key, hash);
    void *before = s->value;
    s->value = value;
    if (!s->hash) {
        s->hash = hash;
        s->key = xalloc(key.len + 1);
        memcpy(s->key, key.ptr ? key.ptr : "", key.len);
        s->key[key.len] = 0;
        s->key_len = (uint32_t)key.len;
        m->len++;
    }
    return before;
}

void *map_remove(struct map *m, struct str key)
{
    if (!m->len)
        return NULL;
    struct map_slot *s = map_find(m, key, key_hash(key));
    if (!s->hash)
        return NULL;
    void *before = s->value;
    xfree(s->key);
    m->len--;
    size_t mask = m->cap - 1, hole = (size_t)(s - m->slots);
    for (size_t i = (hole + 1) & mask; m->slots[i].hash; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue; /* its home lies after the hole */
        m->slots[hole] = m->slots[i];
        hole = i;
    }
    m->slots[hole] = (struct map_slot){0};
    return before;
}

struct str map_next_key(const struct map *m, size_t *iter, void **value)
{
    while (*iter < m->cap) {
        const struct map_slot *s = &m->slots[(*iter)++];
        if (s->hash) {
            *value = s->value;
            return (struct str){s->key, s->key_len};
        }
    }
    return STR_NULL;
}

void *map_next(const struct map *m, size_t *iter)
{
    void *value = NULL;
    return map_next_key(m, iter, &value).ptr ? value : NULL;
}

/* ---- hashing: 64 x 64 -> 128 bit products folded, as in the wyhash family (W. Yi, 2019). Three lanes keep the
 * multiplier busy on long inputs. */

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 p = (unsigned __int128)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static uint64_t load32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

#define K0 0x9e3779b97f4a7c15u
#define K1 0xbf58476d1ce4e5b9u
#define K2 0x94d049bb133111ebu
#define K3 0xd1342543de82ef95u

uint64_t hash_bytes(const void *data, size_t n, uint64_t seed)
{
    const uint8_t *p = data;
    uint64_t a = 0, b = 0, h = seed ^ fold(seed ^ K0, K1);
    if (n > 16) {
        size_t left = n;
        if (left > 48) {
            uint64_t h1 = h, h2 = h;
            for (; left > 48; left -= 48, p += 48) {
                h = fold(load64(p) ^ K1, load64(p + 8) ^ h);
                h1 = fold(load64(p + 16) ^ K2, load64(p + 24) ^ h1);
                h2 = fold(load64(p + 32) ^ K3, load64(p + 40) ^ h2);
            }
            h ^= h1 ^ h2;
        }
        for (; left > 16; left -= 16, p += 16)
            h = fold(load64(p) ^ K1, load64(p + 8) ^ h);
        /* The last 16 bytes, which may overlap those already taken. */
        a = load64(p + left - 16);
        b = load64(p + left - 8);
    } else if (n >= 8) {
        a = load64(p);
        b = load64(p + n - 8);
    } else if (n >= 4) {
        a = load32(p);
        b = load32(p + n - 4);
    } else if (n) {
        a = (uint64_t)p[0] << 16 | (uint64_t)p[n / 2] << 8 | p[n - 1];
    }
    return fold(K3 ^ n, fold(a ^ K1, b ^ h));
}

uint32_t hash_murmur2(const void *data, size_t n)
{
    const uint8_t *p = data;
    const uint32_t m = 0x5bd1e995;
    uint32_t h = 0x9747b28cu ^ (uint32_t)n;
    for (; n >= 4; n -= 4, p += 4) {
        uint32_t k = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        k *= m;
        k ^= k >> 24;
        h = h * m ^ k * m;
    }
    if (n >= 3)
        h ^= (uint32_t)p[2] << 16;
    if (n >= 2)
        h ^= (uint32_t)p[1] << 8;
    if (n >= 1)
        h = (h ^ p[0]) * m;
    h ^= h >> 13;
    h *= m;
    return h ^ h >> 15;
}
