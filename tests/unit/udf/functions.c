/* The library that test_load.c loads. */
#include "udf/udf.h"
#include <string.h>

WEIR_MODULE

__attribute__((visibility("default"))) void score(struct weir_call *call)
{
    const int32_t *minutes = call->args[0].data;
    const struct weir_text *text = call->args[1].data;
    double *out = call->result.data;
    for (uint32_t i = 0; i < call->n; i++) {
        if (minutes[i] < 0)
            call->fail(call, i, "negative minutes");
        out[i] = minutes[i] * 0.5 + text[i].len;
    }
}

__attribute__((visibility("default"))) void shout(struct weir_call *call)
{
    const struct weir_text *in = call->args[0].data;
    struct weir_text *out = call->result.data;
    for (uint32_t i = 0; i < call->n; i++) {
        char *p = call->alloc(call, in[i].len + 1);
        memcpy(p, in[i].ptr, in[i].len);
        p[in[i].len] = '!';
        out[i] = (struct weir_text){p, in[i].len + 1};
    }
}
