/* What the batches of a partition say of its producers and transactions, read from its files: the newest snapshot of
 * the producers, then the headers and markers behind it.
 * Thread: a worker; the segments must not change meanwhile. */
#ifndef STORE_HISTORY_H
#define STORE_HISTORY_H
#include "log/store/producers.h"
#include "log/store/segment.h"

struct history {
    struct segment *const *seg; /* oldest first */
    unsigned n;
    int64_t end;    /* offset after the last of them */
    int64_t now_ms;
    struct segment *only; /* NULL: collect the aborted transactions of every segment on the way that has none of its own */
    /* out */
    struct producers *producers; /* at the end; gives */
    unsigned from;               /* the segment whose snapshot it was; 0 without one */
    int64_t replayed;            /* bytes behind the snapshot */
    int64_t until;               /* the offset up to which all that is known */
    int64_t since;               /* batches below went by retention before they were seen; 0: none did */
};
/* Errors leave what is known up to h->until. E_CORRUPT: a batch is damaged. */
int history_read(struct history *h);
/* The aborted transactions of seg[i] anew, in memory: nothing else knows them, or its file is damaged. On errors
 * nothing has changed. */
int history_aborted(struct segment *const *seg, unsigned i, int64_t end);

#endif
