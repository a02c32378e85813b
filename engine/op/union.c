#include "engine/op/common.h"

/* UNION ALL: rows pass as they come, whichever input they come from. */

static void union_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    if (BUG("union_drops_weight"))
        in->weight = NULL;
    op_emit(op, in);
}

const struct op_class union_class = {
    .name = "UNION",
    .size = 0,
    .push = union_push,
};
