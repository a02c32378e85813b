/* Weir's C functions: the only header that their authors need. C99 and C++.
 *
 *     #include <weir/udf.h>
 *     WEIR_MODULE
 *     void delay_score(struct weir_call *call)
 *     {
 *         const int32_t *minutes = call->args[0].data;
 *         const struct weir_text *carrier = call->args[1].data;
 *         double *out = call->result.data;
 *         for (uint32_t i = 0; i < call->n; i++)
 *             out[i] = minutes[i] * (carrier[i].len == 2 ? 1.0 : 0.5);
 *     }
 *
 *     cc -O2 -shared -fPIC -o libscore.so score.c
 *     CREATE FUNCTION delay_score(INT, VARCHAR) RETURNS DOUBLE LANGUAGE C AS 'libscore.so', 'delay_score';
 *
 * A function is called with a batch: n rows of every argument, one result per row. A row with a NULL argument is NULL
 * in the result before the call, and its argument data is zero or empty, so a body may ignore NULLs; to answer
 * otherwise, set or clear bits of result.valid. It must be deterministic (the same arguments give the same result),
 * must not keep pointers, and may be called on several threads at once. It runs inside the server: a crash in it is a
 * crash of the server. ABI 0 is not promised: recompile with each version of weir. */
#ifndef WEIR_UDF_H
#define WEIR_UDF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_UDF_ABI 0
/* Once per library: says which ABI it was built for. */
#define WEIR_MODULE                                                            \
    extern const uint32_t weir_udf_abi;                                        \
    __attribute__((visibility("default"))) const uint32_t weir_udf_abi = WEIR_UDF_ABI;

enum weir_type {         /* C type of a column's data */
    WEIR_BOOLEAN = 1,    /* uint8_t, 0 or 1 */
    WEIR_INT = 2,        /* int32_t */
    WEIR_BIGINT = 3,     /* int64_t */
    WEIR_DOUBLE = 4,     /* double */
    WEIR_VARCHAR = 6,    /* struct weir_text, UTF-8 */
    WEIR_BYTES = 7,      /* struct weir_text */
    WEIR_DATE = 8,       /* int32_t, days since 1970-01-01 */
    WEIR_TIME = 9,       /* int32_t, ms of the day */
    WEIR_TIMESTAMP = 10  /* int64_t, ms since 1970-01-01 UTC */
};

struct weir_text {
    const char *ptr; /* not NUL-terminated */
    uint32_t len;
};

struct weir_column {
    enum weir_type type;
    void *data;      /* n values; arguments must not be written */
    uint64_t *valid; /* a bit per row, 1 = not NULL; never NULL itself */
};

struct weir_call {
    uint32_t abi; /* WEIR_UDF_ABI of the server */
    uint32_t n, nargs;
    const struct weir_column *args;
    struct weir_column result;
    /* Memory for result texts; lives until the batch has been used. */
    void *(*alloc)(struct weir_call *call, size_t size);
    /* Row i cannot be computed: in a query its result is NULL; a job leaves the record out and, unless told otherwise,
     * writes it to its topic of dead letters with this text. */
    void (*fail)(struct weir_call *call, uint32_t row, const char *text);
    void *host;
};
typedef void (*weir_scalar)(struct weir_call *call);

static inline bool weir_is_null(const struct weir_column *c, uint32_t row)
{
    return !(c->valid[row >> 6] >> (row & 63) & 1);
}
static inline void weir_set_null(struct weir_column *c, uint32_t row)
{
    c->valid[row >> 6] &= ~((uint64_t)1 << (row & 63));
}
static inline void weir_set_valid(struct weir_column *c, uint32_t row)
{
    c->valid[row >> 6] |= (uint64_t)1 << (row & 63);
}

#ifdef __cplusplus
}
#endif
#endif
