/* The only source of chance. A generator is seeded by its owner; random_system fills from the kernel. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H
#include "log/base/base.h"
struct random {
    uint64_t s[2];
};
void random_seed(struct random *r, uint64_t seed);
uint64_t random_next(struct random *r);
uint64_t random_below(struct random *r, uint64_t n); /* 0 .. n-1, n > 0 */
double random_unit(struct random *r);                /* [0, 1) */
bool random_chance(struct random *r, double p);
void random_system(void *p, size_t n);
#endif
