/* The newest offset of each key of a range of a log: a table of a fixed size that holds a hash of the key, not the key.
 *
 * The hash is SipHash-2-4 with 128 bits under a secret key that is new in every pass. Two keys with one hash would cost
 * the older one its record; among 10^9 keys the chance of that is below 10^-20, and who does not know the secret cannot
 * raise it. A table with a comparison of the keys would need them in memory, or a random read for every record.
 * Thread: the pass's. */
#ifndef STORE_COMPACT_MAP_H
#define STORE_COMPACT_MAP_H
#include "log/base/base.h"

struct compact_slot {
    uint64_t hash[2];
    uint64_t offset; /* plus one; 0: free */
};
struct compact_map {
    struct compact_slot *slots;
    size_t cap, len, len_max;
    uint64_t secret[2];
};
/* Room for about `keys` keys, but never more than `bytes` (for one at least). */
void compact_map_init(struct compact_map *m, uint64_t keys, size_t bytes, const uint64_t secret[2]);
void compact_map_fini(struct compact_map *m);
size_t compact_map_bytes(const struct compact_map *m);
/* Offsets come in rising order. False: the key is new and there is no room for it. */
bool compact_map_put(struct compact_map *m, struct str key, int64_t offset);
int64_t compact_map_get(const struct compact_map *m, struct str key); /* -1: not there */

void compact_hash(const uint64_t secret[2], const void *p, size_t n, uint64_t out[2]);

#endif
