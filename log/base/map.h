/* Hash map from bytes to a pointer. Keys are copied in; values are the caller's.
 * Open addressing, linear probing; iteration order is unspecified but the same for the same history. */
#ifndef BASE_MAP_H
#define BASE_MAP_H
#include "log/base/base.h"

struct map_slot {
    uint64_t hash; /* 0 = free */
    char *key;
    uint32_t key_len;
    void *value;
};
struct map {
    struct map_slot *slots;
    size_t len, cap;
};
void map_init(struct map *m);
void map_fini(struct map *m); /* values are not touched */
void *map_get(const struct map *m, struct str key); /* NULL if absent */
void *map_put(struct map *m, struct str key, void *value); /* value not NULL; gives back the value replaced, or NULL */
void *map_remove(struct map *m, struct str key); /* gives back the value, or NULL */
void map_clear(struct map *m);
/* for (size_t i = 0; (v = map_next(m, &i)) != NULL; ); the map must not change meanwhile. */
void *map_next(const struct map *m, size_t *iter);
struct str map_next_key(const struct map *m, size_t *iter, void **value); /* .ptr NULL at the end */

/* 64-bit hash of bytes; stable within a process only when seeded by the caller, so never stored on disk. */
uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);
static inline uint64_t hash_u64(uint64_t x) /* mixes; bijective */
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ (x >> 32);
}
/* Murmur2 as Kafka's Java clients use to choose a partition: (hash & 0x7fffffff) % partitions. Fixed for ever. */
uint32_t hash_murmur2(const void *p, size_t n);

#endif
