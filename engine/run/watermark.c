#include "engine/run/watermark.h"

void watermarks_init(struct watermarks *w, struct watermark_input *in, unsigned n)
{
    *w = (struct watermarks){.in = in, .n = n, .ms = WATERMARK_NONE};
    for (unsigned i = 0; i < n; i++)
        in[i] = (struct watermark_input){.ms = WATERMARK_NONE};
}

/* Idle inputs are left out; if all are idle, time stands still: the last word of one that fell asleep is no promise
 * about the others. */
static int64_t live_minimum(const struct watermarks *w)
{
    int64_t min = INT64_MAX;
    for (unsigned i = 0; i < w->n; i++)
        if (!w->in[i].idle)
            min = MIN(min, w->in[i].ms);
    return min == INT64_MAX ? WATERMARK_NONE : min;
}

bool watermarks_set(struct watermarks *w, unsigned input, int64_t ms, bool idle)
{
    CHECK(input < w->n);
    struct watermark_input *in = &w->in[input];
    /* An input that was and stays awake, and was ahead, did not hold time back and does not now. */
    bool ahead = !idle && !in->idle && in->ms > w->ms;
    in->ms = MAX(in->ms, ms);
    in->idle = idle;
    if (ahead)
        return false;
    int64_t min = live_minimum(w);
    if (min <= w->ms)
        return false;
    w->ms = min;
    return true;
}

bool watermarks_idle(const struct watermarks *w)
{
    for (unsigned i = 0; i < w->n; i++)
        if (!w->in[i].idle)
            return false;
    return true;
}
