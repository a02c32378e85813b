#include "log/base/cell.h"
#include <sched.h>

void counted_init(struct counted *c, void (*free_cb)(struct counted *))
{
    atomic_init(&c->refs, 1);
    c->free_cb = free_cb;
}

void counted_release(struct counted *c)
{
    if (!c)
        return;
    int before = atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before == 1)
        c->free_cb(c);
}

void cell_init(struct cell *cell, struct counted *value)
{
    atomic_init(&cell->lock, 0);
    cell->value = value;
}

/* The holder needs a few instructions. If it lost its processor meanwhile, ours is better given away than spun. */
static void cell_lock(struct cell *cell)
{
    for (unsigned spins = 0; atomic_exchange_explicit(&cell->lock, 1, memory_order_acquire); spins++)
        if (spins >= 64)
            sched_yield();
}

static void cell_unlock(struct cell *cell) { atomic_store_explicit(&cell->lock, 0, memory_order_release); }

struct counted *cell_get(struct cell *cell)
{
    cell_lock(cell);
    struct counted *value = cell->value;
    if (value)
        counted_acquire(value);
    cell_unlock(cell);
    return value;
}

void cell_set(struct cell *cell, struct counted *value)
{
    cell_lock(cell);
    struct counted *old = cell->value;
    cell->value = value;
    cell_unlock(cell);
    counted_release(old);
}
