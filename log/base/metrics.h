/* Counters that any thread adds to and anybody reads, and a histogram of microseconds. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H
#include "log/base/base.h"
#include <stdatomic.h>
struct counter {
    _Atomic uint64_t n;
};
static inline void counter_add(struct counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(&c->n, n, memory_order_relaxed);
}
/* The same for a counter that one thread alone adds to: without a locked instruction. */
static inline void counter_own_add(struct counter *c, uint64_t n)
{
    uint64_t was = atomic_load_explicit(&c->n, memory_order_relaxed);
    atomic_store_explicit(&c->n, was + n, memory_order_relaxed);
}
static inline uint64_t counter_get(const struct counter *c)
{
    return atomic_load_explicit(&c->n, memory_order_relaxed);
}
/* Log-linear buckets, 3 % wide; one writer. */
struct histogram {
    uint64_t bucket[1024];
    uint64_t count, sum, max;
};
void histogram_add(struct histogram *h, uint64_t us);
uint64_t histogram_quantile(const struct histogram *h, double q); /* 0..1 */
#endif
