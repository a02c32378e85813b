/* CRC-32C (Castagnoli), by SSE4.2 or ARMv8 instructions where the processor has them, three chains joined.
 * crc32c(0, ...) starts; pass the result to go on. RFC 3720, B.4 test vectors hold. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H
#include "log/base/base.h"
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
/* The same without special instructions: what crc32c is where the processor has none. */
uint32_t crc32c_portable(uint32_t crc, const void *p, size_t n);
#endif
