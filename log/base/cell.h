/* A slot that holds one counted, immutable object and may be read on any thread while its owner replaces it. Read
 * views of partitions and metadata images are published this way. */
#ifndef BASE_CELL_H
#define BASE_CELL_H
#include "log/base/base.h"
#include <stdatomic.h>

/* First member of a published object. */
struct counted {
    _Atomic int refs;
    void (*free_cb)(struct counted *); /* runs on the thread that lets the last reference go */
};
void counted_init(struct counted *c, void (*free_cb)(struct counted *)); /* refs = 1 */
static inline void *counted_acquire(struct counted *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}
void counted_release(struct counted *c); /* NULL is fine */

struct cell {
    _Atomic int lock; /* spin, a few instructions long */
    struct counted *value;
};
void cell_init(struct cell *cell, struct counted *value);   /* takes; NULL is fine */
struct counted *cell_get(struct cell *cell);                /* gives a reference, or NULL */
void cell_set(struct cell *cell, struct counted *value);    /* takes; lets the old one go */

#endif
