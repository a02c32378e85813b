/* Changelog records folded to the last value of every key, and sorted as a checkpoint wants them. Any thread, one at a
 * time. */
#ifndef RUN_FOLD_H
#define RUN_FOLD_H
#include "state/state.h"

struct fold {
    struct arena arena;
    struct checkpoint_change *changes;
    size_t n, cap;
    struct fold_slot *slots; /* at most half full */
    size_t nslots, puts;
    bool plain; /* keys hardly come twice: every change is kept, and the last of a key is found by sorting */
};
void fold_init(struct fold *f);
void fold_fini(struct fold *f);
void fold_reset(struct fold *f);
void fold_put(struct fold *f, uint32_t store, struct str key, struct str value); /* copies; value null: gone */
size_t fold_bytes(const struct fold *f);
void fold_sort(struct fold *f); /* changes[0..n]; nothing is put after it */
#endif
