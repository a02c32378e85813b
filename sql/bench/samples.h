/* Numbers of several runs: the middle one, the ends, the order. Private to sql/bench. Thread: pure. */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H
#include "log/base/alloc.h"

struct samples {
    double *v;
    unsigned n, cap;
};
void samples_add(struct samples *s, double v);
void samples_fini(struct samples *s);
/* The value that a share `p` (0 to 1) of all does not exceed, by nearest rank; of none: 0. Sorts. */
double samples_rank(struct samples *s, double p);
double samples_median(struct samples *s); /* of an even number: the mean of the middle two */

#endif
