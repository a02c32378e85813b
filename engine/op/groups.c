#include "engine/op/groups.h"
#include "log/base/map.h"

/* Eight bytes a slot, so that the table of ten thousand groups lies in the second-level cache: 16 bits of the hash tell
 * most strangers apart without touching them, the rest is the address. Groups lie in chunks that double. */

struct group_chunk {
    struct group_chunk *next;
    size_t n, used;
    _Alignas(16) char data[];
};
enum { SLOTS_MIN = 16, CHUNK_MIN = 8, CHUNK_MAX = 1024 };
#define ADDRESS ((UINT64_C(1) << 48) - 1)

static struct group *slot_group(uint64_t slot) { return (struct group *)(uintptr_t)(slot & ADDRESS); }

void groups_init(struct groups *t, size_t group_size, struct account *account)
{
    CHECK(group_size >= sizeof(struct group) && group_size % 16 == 0);
    *t = (struct groups){.group_size = group_size, .account = account};
}

static size_t chunk_size(const struct groups *t, size_t n) { return sizeof(struct group_chunk) + n * t->group_size; }

static void key_free(struct groups *t, struct group *g)
{
    if (g->key_len == GROUP_NULL_KEY || g->key_len <= GROUP_INLINE)
        return;
    account_sub(t->account, g->key_len);
    xfree(g->key.bytes);
}

void groups_fini(struct groups *t)
{
    struct group *g;
    for (size_t i = 0; (g = groups_next(t, &i)) != NULL;)
        key_free(t, g);
    account_add(t->account, t->nevicted * t->group_size);
    while (t->chunks) {
        struct group_chunk *c = t->chunks;
        t->chunks = c->next;
        account_sub(t->account, chunk_size(t, c->n));
        xfree(c);
    }
    account_sub(t->account, t->cap * sizeof *t->slots);
    xfree(t->slots);
    groups_init(t, t->group_size, t->account);
}

uint64_t group_hash_number(int64_t key) { return hash_u64((uint64_t)key); }

uint64_t group_hash_bytes(struct str key)
{
    if (key.len > 16 || key.len == 0)
        return hash_bytes(key.ptr, key.len, 0);
    /* Short ones are most: two overlapping words hold them. */
    uint64_t a = 0, b = 0;
    if (key.len >= 8) {
        memcpy(&a, key.ptr, 8);
        memcpy(&b, key.ptr + key.len - 8, 8);
    } else if (key.len >= 4) {
        memcpy(&a, key.ptr, 4);
        memcpy(&b, key.ptr + key.len - 4, 4);
    } else {
        a = (uint64_t)(uint8_t)key.ptr[0] << 16 | (uint64_t)(uint8_t)key.ptr[key.len / 2] << 8 |
            (uint8_t)key.ptr[key.len - 1];
    }
    return hash_u64(a ^ hash_u64(b + key.len));
}

static struct group *group_alloc(struct groups *t)
{
    struct group *g = t->spare;
    if (g) {
        t->spare = (struct group *)g->old;
        if (UNLIKELY(t->nevicted)) {
            t->nevicted--;
            account_add(t->account, t->group_size);
        }
        return g;
    }
    struct group_chunk *c = t->chunks;
    if (!c || c->used == c->n) {
        size_t n = c ? MIN(c->n * 2, (size_t)CHUNK_MAX) : CHUNK_MIN;
        c = xalloc(chunk_size(t, n));
        *c = (struct group_chunk){t->chunks, n, 0};
        t->chunks = c;
        account_add(t->account, chunk_size(t, n));
    }
    return (struct group *)(void *)(c->data + t->group_size * c->used++);
}

static void grow(struct groups *t)
{
    size_t before = t->cap;
    uint64_t *old = t->slots;
    t->cap = before ? before * 2 : SLOTS_MIN;
    t->slots = xzalloc(t->cap * sizeof *old);
    account_add(t->account, (t->cap - before) * sizeof *old);
    for (size_t i = 0; i < before; i++) {
        if (i + 8 < before && old[i + 8])
            __builtin_prefetch(slot_group(old[i + 8]));
        if (!old[i])
            continue;
        size_t at = slot_group(old[i])->hash & (t->cap - 1);
        while (t->slots[at])
            at = (at + 1) & (t->cap - 1);
        t->slots[at] = old[i];
    }
    xfree(old);
}

static bool key_eq(const struct group *g, const struct group_key *key)
{
    if (g->key_len != key->len)
        return false;
    if (!key->bytes.ptr)
        return g->key.number == key->number;
    return key->len == 0 || memcmp(group_bytes(g).ptr, key->bytes.ptr, key->len) == 0;
}

static struct group *group_new(struct groups *t, const struct group_key *key)
{
    struct group *g = group_alloc(t);
    memset((void *)g, 0, t->group_size);
    g->ts = INT64_MIN;
    g->old = GROUP_NEW;
    g->hash = (uint32_t)key->hash;
    g->key_len = key->len;
    if (!key->bytes.ptr) {
        g->key.number = key->number;
    } else if (key->len <= GROUP_INLINE) {
        memcpy(g->key.inl, key->bytes.ptr, key->len);
    } else {
        g->key.bytes = xalloc(key->len);
        memcpy(g->key.bytes, key->bytes.ptr, key->len);
        account_add(t->account, key->len);
    }
    return g;
}

struct group *groups_put(struct groups *t, const struct group_key *key)
{
    if (UNLIKELY((t->len + 1) * 2 > t->cap))
        grow(t);
    size_t mask = t->cap - 1;
    for (size_t i = (uint32_t)key->hash & mask;; i = (i + 1) & mask) {
        uint64_t slot = t->slots[i];
        if (!slot) {
            struct group *g = group_new(t, key);
            CHECK(((uint64_t)(uintptr_t)g & ~ADDRESS) == 0);
            t->slots[i] = (key->hash & ~ADDRESS) | (uint64_t)(uintptr_t)g;
            t->len++;
            return g;
        }
        if ((slot ^ key->hash) >> 48 == 0 && key_eq(slot_group(slot), key))
            return slot_group(slot);
    }
}

struct group *groups_find(const struct groups *t, const struct group_key *key)
{
    for (size_t mask = t->cap - 1, i = (uint32_t)key->hash & mask; t->cap; i = (i + 1) & mask) {
        uint64_t slot = t->slots[i];
        if (!slot)
            return NULL;
        if ((slot ^ key->hash) >> 48 == 0 && key_eq(slot_group(slot), key))
            return slot_group(slot);
    }
    return NULL;
}

struct group *groups_at(const struct groups *t, size_t slot) { return t->slots[slot] ? slot_group(t->slots[slot]) : NULL; }

void groups_evict(struct groups *t, struct group *g)
{
    groups_remove(t, g);
    account_sub(t->account, t->group_size);
    t->nevicted++;
}

void groups_remove(struct groups *t, struct group *g)
{
    size_t mask = t->cap - 1, hole = g->hash & mask;
    while (slot_group(t->slots[hole]) != g) {
        CHECK(t->slots[hole]);
        hole = (hole + 1) & mask;
    }
    for (size_t i = (hole + 1) & mask; t->slots[i]; i = (i + 1) & mask) {
        size_t home = slot_group(t->slots[i])->hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue; /* its home lies after the hole */
        t->slots[hole] = t->slots[i];
        hole = i;
    }
    t->slots[hole] = 0;
    t->len--;
    key_free(t, g);
    g->old = (struct value *)t->spare;
    t->spare = g;
}

struct group *groups_next(const struct groups *t, size_t *iter)
{
    while (*iter < t->cap) {
        uint64_t slot = t->slots[(*iter)++];
        if (slot)
            return slot_group(slot);
    }
    return NULL;
}
