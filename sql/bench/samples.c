#include "sql/bench/samples.h"

void samples_add(struct samples *s, double v) { VEC_PUSH(s->v, s->n, s->cap) = v; }

void samples_fini(struct samples *s)
{
    xfree(s->v);
    *s = (struct samples){0};
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double samples_rank(struct samples *s, double p)
{
    if (s->n == 0)
        return 0;
    qsort(s->v, s->n, sizeof *s->v, by_value);
    double exact = p * (double)s->n;
    unsigned rank = (unsigned)exact + ((double)(unsigned)exact < exact);
    return s->v[MIN(MAX(rank, 1u), s->n) - 1];
}

double samples_median(struct samples *s)
{
    double low = samples_rank(s, 0.5);
    return s->n && s->n % 2 == 0 ? (low + s->v[s->n / 2]) / 2 : low;
}
