/* A C function that does not take every row, for tests: half(INT) fails odd numbers. */
#include <weir/udf.h>

WEIR_MODULE

void half(struct weir_call *call)
{
    const int32_t *n = call->args[0].data;
    int32_t *out = call->result.data;
    for (uint32_t i = 0; i < call->n; i++) {
        out[i] = n[i] / 2;
        if (n[i] % 2 && !weir_is_null(&call->args[0], i))
            call->fail(call, i, "half of an odd number");
    }
}
