/* Bricks that every file may use: checks, sizes, text, identifiers.
 * Thread: all of this is pure. */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <inttypes.h>
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A bug ends the process with a place; bad input and failed I/O never do. CHECK stays on in release builds. */
#define CHECK(cond)                                                            \
    do {                                                                       \
        if (__builtin_expect(!(cond), 0))                                      \
            check_failed(#cond, __FILE__, __LINE__);                           \
    } while (0)
_Noreturn void check_failed(const char *cond, const char *file, int line);

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member)                                        \
    ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define MUST_USE __attribute__((warn_unused_result))

/* Text or bytes with a length; not NUL-terminated. ptr NULL means null, which is not the same as empty. Borrowed. */
struct str {
    const char *ptr;
    size_t len;
};
#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_NULL ((struct str){NULL, 0})
#define STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : "" /* for "%.*s" */

static inline struct str str_of(const char *cstr)
{
    return (struct str){cstr, cstr ? strlen(cstr) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0) &&
           !a.ptr == !b.ptr;
}

bool str_eq_nocase(struct str a, struct str b); /* ASCII case only */
int str_cmp(struct str a, struct str b);        /* bytes, then length */
bool str_starts(struct str s, struct str prefix);
struct str str_trim(struct str s); /* ASCII blanks off both ends */
/* Whole of s as a decimal number; false if it is anything else or out of range. */
bool str_to_i64(struct str s, int64_t *out);
/* Levenshtein distance without case, capped at 64-byte inputs; for did-you-mean. */
unsigned str_distance(struct str a, struct str b);

/* Kafka's UUID: 16 bytes, printed as 22 characters of URL-safe base64. All zero = none. */
struct uuid {
    uint8_t b[16];
};
#define UUID_TEXT 23 /* with NUL */
static inline bool uuid_eq(struct uuid a, struct uuid b)
{
    return memcmp(a.b, b.b, 16) == 0;
}
bool uuid_is_zero(struct uuid id);
void uuid_format(struct uuid id, char out[UUID_TEXT]);
bool uuid_parse(struct str text, struct uuid *out);

/* Big-endian numbers at any alignment. */
static inline uint16_t be16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, 2);
    return __builtin_bswap16(v);
}
static inline uint32_t be32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}
static inline uint64_t be64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}
static inline void put_be16(void *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, 2);
}
static inline void put_be32(void *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, 4);
}
static inline void put_be64(void *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, 8);
}

#endif
