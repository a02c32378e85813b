#include "log/base/random.h"
#include <errno.h>
#include <sys/random.h>

/* xoroshiro128++ (Blackman and Vigna), its two words filled by splitmix64. */

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = *x += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void random_seed(struct random *r, uint64_t seed)
{
    r->s[0] = splitmix(&seed);
    r->s[1] = splitmix(&seed);
}

static uint64_t rotate(uint64_t x, unsigned n) { return x << n | x >> (64 - n); }

uint64_t random_next(struct random *r)
{
    uint64_t a = r->s[0], b = r->s[1];
    uint64_t out = rotate(a + b, 17) + a;
    b ^= a;
    r->s[0] = rotate(a, 49) ^ b ^ b << 21;
    r->s[1] = rotate(b, 28);
    return out;
}

uint64_t random_below(struct random *r, uint64_t n)
{
    CHECK(n > 0);
    /* The high half of a product is uniform once the few low halves that would favour some answers are refused. */
    uint64_t refuse = -n % n;
    for (;;) {
        unsigned __int128 p = (unsigned __int128)random_next(r) * n;
        if ((uint64_t)p >= refuse)
            return (uint64_t)(p >> 64);
    }
}

double random_unit(struct random *r) { return (double)(random_next(r) >> 11) * 0x1p-53; }

bool random_chance(struct random *r, double p) { return random_unit(r) < p; }

void random_system(void *out, size_t n)
{
    uint8_t *p = out;
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        CHECK(got > 0 || (got < 0 && errno == EINTR));
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        }
    }
}
