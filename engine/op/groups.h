/* The hash table of an aggregate: key -> group of fixed size. Private to op.
 *
 * A key is a number (single column of a whole-number type), or bytes (a single text column, or encoded columns). A group
 * stays where it is until it is removed or the table is dropped. */
#ifndef OP_GROUPS_H
#define OP_GROUPS_H
#include "engine/vec/vec.h"
#include "state/state.h"

#define GROUP_NULL_KEY UINT32_MAX /* key_len of the group of a NULL key */
#define GROUP_INLINE 16

struct group {
    int64_t rows, ts;   /* rows in it (weights added up), greatest event time */
    struct value *old;  /* unchanged in this epoch: see group_settle; GROUP_NEW; else the results at the last marker */
    uint32_t hash, key_len;
    union {
        int64_t number;
        char inl[GROUP_INLINE];
        char *bytes; /* longer keys; the group's own */
    } key;
    /* accumulators follow */
};
#define GROUP_NEW ((struct value *)16)

/* A group that has not changed in this epoch keeps in its place the epoch that changed it last, and whether a sweep has
 * found it unused since: a bit of no address says so. */
static inline void group_settle(struct group *g, uint32_t epoch) { g->old = (struct value *)((uintptr_t)epoch << 2 | 1); }
static inline bool group_settled(const struct group *g) { return (uintptr_t)g->old & 1; }
static inline uint32_t group_epoch(const struct group *g) { return (uint32_t)((uintptr_t)g->old >> 2); }
static inline bool group_passed_over(const struct group *g) { return (uintptr_t)g->old & 2; }
static inline void group_pass_over(struct group *g) { g->old = (struct value *)((uintptr_t)g->old | 2); }

struct group_key {
    uint64_t hash;
    int64_t number;
    struct str bytes; /* ptr NULL: number counts */
    uint32_t len;     /* GROUP_NULL_KEY: NULL */
};
static inline struct str group_bytes(const struct group *g)
{
    return (struct str){g->key_len <= GROUP_INLINE ? g->key.inl : g->key.bytes, g->key_len};
}

struct group_chunk;
struct groups {
    uint64_t *slots; /* upper 16 bits of the hash, lower 48 of the group's address; 0 = free; at most half full */
    size_t len, cap;
    size_t group_size;
    struct group_chunk *chunks;
    struct group *spare; /* removed ones, chained through old */
    size_t nevicted;     /* of the spare ones: not counted as memory, since others will soon take their place */
    struct account *account;
};
void groups_init(struct groups *t, size_t group_size, struct account *account);
void groups_fini(struct groups *t); /* what accumulators own must be gone */
uint64_t group_hash_number(int64_t key);
uint64_t group_hash_bytes(struct str key);
static inline void groups_prefetch(const struct groups *t, uint64_t hash)
{
    if (t->cap)
        __builtin_prefetch(&t->slots[hash & (t->cap - 1)]);
}
/* For a second look before groups_put: begins to fetch the group itself. */
static inline void groups_prefetch_group(const struct groups *t, uint64_t hash)
{
    if (t->cap)
        __builtin_prefetch((void *)(uintptr_t)(t->slots[hash & (t->cap - 1)] << 16 >> 16), 1);
}
static inline void groups_prefetch_at(const struct groups *t, size_t slot)
{
    if (slot < t->cap)
        __builtin_prefetch((void *)(uintptr_t)(t->slots[slot] << 16 >> 16), 1);
}
/* The group of the key; a new one has rows 0, ts INT64_MIN, old GROUP_NEW and zeroed accumulators. */
struct group *groups_put(struct groups *t, const struct group_key *key);
struct group *groups_find(const struct groups *t, const struct group_key *key); /* NULL: not there */
void groups_remove(struct groups *t, struct group *g);
void groups_evict(struct groups *t, struct group *g);
/* The group in a slot, NULL if it is free; slots go from 0 to cap. A removal may move another into the slot. */
struct group *groups_at(const struct groups *t, size_t slot);
/* for (size_t i = 0; (g = groups_next(t, &i)) != NULL; ); no change meanwhile */
struct group *groups_next(const struct groups *t, size_t *iter);

#endif
