/* Changelog records folded to the last value of every key, in the order that a checkpoint wants. Any thread, one at a
 * time. */
#ifndef RUN_FOLD_H
#define RUN_FOLD_H
#include "state/state.h"

struct fold {
    struct fold_part *parts, *last; /* one a store; there are few */
    size_t nparts, cap;
    struct fold_chunk *chunks;
    size_t nchunks, kept_chunks, cap_chunks, chunk_left; /* kept: allocated; left: of the last in use */
    size_t bytes;    /* in use */
    bool wide;       /* a change was larger than an ordinary chunk */
    size_t n, n_max; /* entries; at so many, what came twice is looked for */
    size_t at_part, at; /* fold_take: what comes next */
};
void fold_init(struct fold *f);
void fold_fini(struct fold *f);
void fold_reset(struct fold *f); /* keeps its memory */
void fold_put(struct fold *f, uint32_t store, struct str key, struct str value); /* copies; value null: gone */
size_t fold_bytes(const struct fold *f);
void fold_sort(struct fold *f); /* n: how many there are; nothing is put after it */
/* Up to max of the sorted changes, each once, whose bytes stay until the reset; gives how many. */
size_t fold_take(struct fold *f, struct checkpoint_change *out, size_t max);
#endif
