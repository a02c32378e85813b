#include "log/base/metrics.h"

/* Values below 32 have a bucket each; every power of two above has 32. The last bucket takes all from 2^36 us on. */

enum { BUCKETS = 1024 };

static unsigned bucket_of(uint64_t us)
{
    if (us < 32)
        return (unsigned)us;
    unsigned exp = 63u - (unsigned)__builtin_clzll(us);
    unsigned at = (exp - 4) * 32 + (unsigned)(us >> (exp - 5) & 31);
    return MIN(at, BUCKETS - 1u);
}

/* The largest value of a bucket. */
static uint64_t bucket_top(unsigned at)
{
    if (at < 32)
        return at;
    unsigned shift = at / 32 - 1;
    return ((uint64_t)(at % 32 + 33) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t us)
{
    h->bucket[bucket_of(us)]++;
    h->count++;
    h->sum += us;
    h->max = MAX(h->max, us);
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
    if (!h->count)
        return 0;
    uint64_t rank = (uint64_t)(q * (double)h->count);
    rank = MIN(rank, h->count - 1);
    uint64_t seen = 0;
    for (unsigned i = 0; i < BUCKETS - 1; i++) {
        seen += h->bucket[i];
        if (seen > rank)
            return MIN(bucket_top(i), h->max);
    }
    return h->max;
}
