/* CRC-32C, polynomial 0x1EDC6F41 (reflected 0x82F63B78), RFC 3720 B.4.
 *
 * The processor's instruction has a latency of three and a throughput of one, so three chains run side by side over
 * three neighbouring blocks; a chain's result is carried over the blocks behind it by a table that multiplies by x^(8n)
 * (M. Adler's method). Carry-less multiplication would join faster but is no part of x86-64-v2. */
#include "log/base/crc32c.h"
#if defined(__SSE4_2__)
#include <nmmintrin.h>
#define HARDWARE 1
#define STEP8(crc, v) _mm_crc32_u64((crc), (v))
#define STEP1(crc, v) _mm_crc32_u8((uint32_t)(crc), (v))
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define HARDWARE 1
#define STEP8(crc, v) (uint64_t) __crc32cd((uint32_t)(crc), (v))
#define STEP1(crc, v) __crc32cb((uint32_t)(crc), (v))
#endif

#define POLY 0x82f63b78u
enum { LONG = 8192, SHORT = 256 };

/* Filled before main and only read afterwards. */
static uint32_t slice[8][256];                     /* portable: eight bytes a step */
static uint32_t over_long[4][256], over_short[4][256]; /* a crc carried over LONG or SHORT zero bytes */

static uint32_t zero_byte(uint32_t crc) { return crc >> 8 ^ slice[0][crc & 255]; }

/* Carrying is linear: the images of the 32 bits make the table. */
static void over_build(uint32_t table[4][256], unsigned zeros)
{
    for (unsigned bit = 0; bit < 32; bit++) {
        uint32_t crc = 1u << bit;
        for (unsigned i = 0; i < zeros; i++)
            crc = zero_byte(crc);
        for (unsigned n = 1u << bit % 8, i = 0; i < 256; i++)
            if (i & n)
                table[bit / 8][i] ^= crc;
    }
}

__attribute__((constructor)) static void tables_build(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? POLY : 0);
        slice[0][i] = crc;
    }
    for (unsigned k = 1; k < 8; k++)
        for (unsigned i = 0; i < 256; i++)
            slice[k][i] = zero_byte(slice[k - 1][i]);
    over_build(over_long, LONG);
    over_build(over_short, SHORT);
}

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t n)
{
    const uint8_t *p = data;
    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        crc = slice[7][crc & 255] ^ slice[6][crc >> 8 & 255] ^ slice[5][crc >> 16 & 255] ^ slice[4][crc >> 24] ^
              slice[3][p[4]] ^ slice[2][p[5]] ^ slice[1][p[6]] ^ slice[0][p[7]];
    }
    for (; n; n--)
        crc = crc >> 8 ^ slice[0][(crc ^ *p++) & 255];
    return ~crc;
}

#ifdef HARDWARE
static uint64_t over(uint32_t table[4][256], uint64_t crc)
{
    return table[0][crc & 255] ^ table[1][crc >> 8 & 255] ^ table[2][crc >> 16 & 255] ^ table[3][crc >> 24 & 255];
}

static uint64_t word(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

/* Three blocks of `block` bytes from p. */
static uint64_t three(uint64_t crc, const uint8_t *p, size_t block, uint32_t table[4][256])
{
    uint64_t a = crc, b = 0, c = 0;
    for (const uint8_t *end = p + block; p < end; p += 8) {
        a = STEP8(a, word(p));
        b = STEP8(b, word(p + block));
        c = STEP8(c, word(p + 2 * block));
    }
    return over(table, over(table, a) ^ b) ^ c;
}

uint32_t crc32c(uint32_t seed, const void *data, size_t n)
{
    const uint8_t *p = data;
    uint64_t crc = (uint32_t)~seed;
    for (; n >= 3 * LONG; n -= 3 * LONG, p += 3 * LONG)
        crc = three(crc, p, LONG, over_long);
    for (; n >= 3 * SHORT; n -= 3 * SHORT, p += 3 * SHORT)
        crc = three(crc, p, SHORT, over_short);
    for (; n >= 8; n -= 8, p += 8)
        crc = STEP8(crc, word(p));
    for (; n; n--)
        crc = STEP1(crc, *p++);
    return ~(uint32_t)crc;
}
#else
uint32_t crc32c(uint32_t crc, const void *p, size_t n) { return crc32c_portable(crc, p, n); }
#endif
