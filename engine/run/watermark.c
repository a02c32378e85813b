#include "engine/run/watermark.h"

void watermarks_init(struct watermarks *w, struct watermark_input *in, unsigned n)
{
    *w = (struct watermarks){.in = in, .n = n, .ms = WATERMARK_NONE};
    for (unsigned i = 0; i < n; i++)
        in[i] = (struct watermark_input){.ms = WATERMARK_NONE};
}

/* Idle inputs are left out. If all are idle nothing more is expected from any: time is where the furthest of them
 * stood, as if that one had fallen asleep last. Who wakes up behind it is late, as behind any that went on without
 * it. */
static int64_t passed(const struct watermarks *w)
{
    int64_t min = INT64_MAX, max = WATERMARK_NONE;
    bool live = false;
    for (unsigned i = 0; i < w->n; i++) {
        max = MAX(max, w->in[i].ms);
        live |= !w->in[i].idle;
        if (!w->in[i].idle)
            min = MIN(min, w->in[i].ms);
    }
    return live ? min : max;
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
    int64_t ms_now = passed(w);
    if (ms_now <= w->ms)
        return false;
    w->ms = ms_now;
    return true;
}

bool watermarks_idle(const struct watermarks *w)
{
    for (unsigned i = 0; i < w->n; i++)
        if (!w->in[i].idle)
            return false;
    return true;
}
