/* What the two flavours of kv share: pairs, and the ordered index. Private to state. */
#ifndef STATE_KV_H
#define STATE_KV_H
#include "state/state.h"

/* One pair, in one piece of memory: key bytes, then value bytes. The value may grow in place up to cap. Epoch and used
 * are the store's (store.c). */
struct pair {
    uint32_t key_len, value_len, epoch;
    uint32_t cap : 31, used : 1; /* cap: bytes of key and value together */
    char bytes[];
};
static inline struct str pair_key(const struct pair *p) { return (struct str){p->bytes, p->key_len}; }
static inline struct str pair_value(const struct pair *p) { return (struct str){p->bytes + p->key_len, p->value_len}; }

/* A B+tree over pairs; it owns neither pairs nor their accounting. */
struct btree_node;
struct btree {
    struct btree_node *root;
    struct account *account; /* of its nodes */
};
/* Place of a pair in a leaf. node NULL: past the end. Valid until the next change. */
struct btree_at {
    struct btree_node *node;
    unsigned index;
};
void btree_fini(struct btree *t);
struct btree_at btree_seek(const struct btree *t, struct str key); /* first pair with key >= key */
struct btree_at btree_end(const struct btree *t);                  /* past the last; btree_back leads to it */
struct pair *btree_pair(struct btree_at at);                       /* NULL past the end */
struct btree_at btree_next(struct btree_at at);
struct btree_at btree_back(const struct btree *t, struct btree_at at); /* node NULL if at is the first */
struct pair *btree_get(const struct btree *t, struct str key);
/* The slot of key's pair; if it is new, *added is set and the caller must fill the slot before anything else. */
struct pair **btree_put(struct btree *t, struct str key, bool *added);
struct pair *btree_remove(struct btree *t, struct str key); /* gives the pair back, NULL if absent */
void btree_check(const struct btree *t);

/* ---- memory.c, for store.c */
struct pair *kv_find(const struct kv *kv, struct str key); /* NULL if absent; until the next change */
struct pair *kv_set(struct kv *kv, struct str key, struct str value); /* kv_put; the pair, until the next change */
/* Adds the pair if there is none of the key; else that one, as it was. */
struct pair *kv_add(struct kv *kv, struct str key, struct str value, bool *added);
struct btree_at kv_seek(const struct kv *kv, struct str key);         /* ordered: the first pair with key >= key */
/* ordered: the last pair with a key <= key, the first one above it; NULL: none */
struct pair *kv_floor(const struct kv *kv, struct str key, struct pair **above);
struct btree_at kv_seek_past(const struct kv *kv, struct str prefix); /* the first behind all with this prefix */
/* A walk over all pairs in pieces, while the map changes between them. */
struct kv_hand {
    size_t slot;
    struct wbuf key; /* ordered: the walk goes on above it */
    bool under_way;
};
/* Looks at `steps` pairs (or free slots); drops those for which drop_cb says so. True: it has come to the end, and begins
 * anew with the next call. */
bool kv_sweep(struct kv *kv, struct kv_hand *hand, size_t steps, bool (*drop_cb)(void *arg, struct pair *p), void *arg);

#endif
