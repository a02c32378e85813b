/* Host tool: prints the powers of ten from 10^-342 to 10^324 as 128-bit fractions, for number.c.
 *
 * Entry k is floor(10^k / 2^e) with e chosen so that 2^127 <= entry < 2^128, made exactly with long arithmetic: for k
 * >= 0 from 10^k itself, for k < 0 from 2^n / 10^-k with n large. Exact for 0 <= k <= 55. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define WORDS 72 /* 2304 bits: 10^342 needs 1137, the division below twice that */
#define LOWEST (-342)
#define HIGHEST 324

struct big {
    uint32_t w[WORDS]; /* least significant first */
};

static void multiplied(struct big *b, uint32_t m)
{
    uint64_t carry = 0;
    for (int i = 0; i < WORDS; i++) {
        carry += (uint64_t)b->w[i] * m;
        b->w[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

static void divided(struct big *b, uint32_t d)
{
    uint64_t rest = 0;
    for (int i = WORDS - 1; i >= 0; i--) {
        rest = rest << 32 | b->w[i];
        b->w[i] = (uint32_t)(rest / d);
        rest %= d;
    }
}

static int bit(const struct big *b, int i) { return i >= 0 && (b->w[i / 32] >> (i % 32) & 1); }

static void print_top(const struct big *b)
{
    int top = WORDS * 32 - 1;
    while (!bit(b, top))
        top--;
    uint64_t half[2] = {0, 0};
    for (int i = 0; i < 128; i++)
        half[i / 64] = half[i / 64] << 1 | (uint64_t)bit(b, top - i);
    printf("    {UINT64_C(0x%016llx), UINT64_C(0x%016llx)},\n", (unsigned long long)half[0],
           (unsigned long long)half[1]);
}

int main(void)
{
    printf("/* Made by engine/vec/gen_pow10.c. */\n#define POW10_LOWEST (%d)\n#define POW10_HIGHEST %d\n", LOWEST, HIGHEST);
    printf("static const struct {\n    uint64_t high, low;\n} pow10_table[] = {\n");
    for (int k = LOWEST; k <= HIGHEST; k++) {
        struct big b;
        memset(&b, 0, sizeof b);
        if (k >= 0) {
            b.w[0] = 1;
            for (int i = 0; i < k; i++)
                multiplied(&b, 10);
        } else {
            b.w[WORDS - 1] = UINT32_C(1) << 31;
            /* Repeated floors equal one floor of the whole quotient. */
            for (int i = 0; i > k; i--)
                divided(&b, 10);
        }
        print_top(&b);
    }
    printf("};\n");
    return 0;
}
