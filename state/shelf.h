/* What memory holds of a checkpoint file: where each bucket begins, whole, and as many packed buckets as may be. A
 * miss of the operators is then a search in memory and mostly no read. One thread at a time. Private to state. */
#ifndef STATE_SHELF_H
#define STATE_SHELF_H
#include "state/state.h"

struct shelf_dir {
    uint32_t store;
    struct kv *fences; /* fence -> id of its bucket */
};
struct shelf {
    struct shelf_dir *dirs; /* in order of stores */
    size_t ndirs, cap_dirs;
    struct shelved **buckets; /* by id */
    struct shelf_board *oldest, *newest; /* where they lie, as they came */
    size_t cap, nboards, max; /* max: bytes of boards */
    struct account account; /* of everything */
};
void shelf_init(struct shelf *s);
void shelf_fini(struct shelf *s);
void shelf_clear(struct shelf *s);
void shelf_memory(struct shelf *s, struct budget *budget, size_t max); /* drops what is too much */

/* ---- The directory. Fences are borrowed until its next change. */
void shelf_fence(struct shelf *s, uint32_t store, struct str fence, int64_t id);
void shelf_unfence(struct shelf *s, uint32_t store, struct str fence);
struct shelf_place {
    struct str fence, above; /* above: the next one; .ptr NULL: there is none */
    int64_t id;
};
bool shelf_seek(const struct shelf *s, uint32_t store, struct str key, struct shelf_place *out); /* where key belongs */

/* ---- Buckets, borrowed until the next call that changes them. */
struct str shelf_get(struct shelf *s, int64_t id);                    /* .ptr NULL: not here */
struct str shelf_put(struct shelf *s, int64_t id, struct str bytes);  /* copies; others go; .ptr NULL: no room at all */
void shelf_prefetch(const struct shelf *s, int64_t id);
/* Copies if it is here, or room is free; .ptr NULL: it is gone. */
void shelf_update(struct shelf *s, int64_t id, struct str bytes);
#endif
