#include "engine/op/common.h"
#include <stdio.h>

/* Rows that an expression makes bad: a C function failed there, or a column that a key is made of. They are told to the
 * task and go no further. The others that have an error have a NULL in its place, and are counted. Nothing here runs
 * while there are no errors. */

static bool is_bad(const struct expr_bad_row *r, const struct vec *results, const bool *keys, unsigned n)
{
    for (unsigned i = 0; !r->function && keys && i < n; i++)
        if (keys[i] && !vec_valid(&results[i], r->row))
            return true;
    return r->function;
}

static void leave_out(struct batch *in, const bool *bad)
{
    uint32_t *sel = arena_alloc(in->arena, sizeof *sel * (in->nsel + 1u)), n = 0;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        sel[n] = row;
        n += !bad[row];
    }
    in->sel = sel;
    in->nsel = n;
}

void op_drop_bad(struct op *op, struct batch *in, const struct expr_errors *errors, const struct vec *results,
                 const bool *keys, unsigned n)
{
    struct expr_errors rest = *errors;
    if (!errors->count)
        return;
    bool *bad = ARENA_ARRAY(in->arena, bool, in->n + 1u), any = false;
    for (unsigned i = 0; errors->bad && i < errors->bad->n; i++) {
        const struct expr_bad_row *r = &errors->bad->rows[i];
        if (!is_bad(r, results, keys, n))
            continue;
        rest.count--;
        if (!bad[r->row] && batch_weight(in, r->row) > 0) /* its taking back is left out, too */
            op->env->bad(op->env->task, op, r->function ? BAD_FUNCTION : BAD_COMPUTED, op_input(op, 0), in, r->row, r->text);
        bad[r->row] = any = true;
    }
    op_errors(op, &rest);
    if (any)
        leave_out(in, bad);
}

/* A row all of whose windows have closed. */
void op_late(struct op *op, const struct batch *b, uint32_t row, int64_t end_ms)
{
    char text[80], time[TIMESTAMP_TEXT];
    op->stats.late++;
    if (!op->env->tells_late)
        return;
    snprintf(text, sizeof text, "its window ended at %.*s, and has closed", (int)timestamp_format(end_ms, time), time);
    op->env->bad(op->env->task, op, BAD_LATE, op_input(op, 0), b, row, text);
}
