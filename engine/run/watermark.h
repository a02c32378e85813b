/* The event time that has passed at a task: the least of its inputs that are awake; if none is, the greatest. Pure. */
#ifndef RUN_WATERMARK_H
#define RUN_WATERMARK_H
#include "log/base/base.h"

#define WATERMARK_NONE INT64_MIN

struct watermark_input {
    int64_t ms; /* WATERMARK_NONE: nothing seen yet */
    bool idle;  /* does not hold time back */
};
struct watermarks {
    struct watermark_input *in; /* the owner's memory */
    unsigned n;
    int64_t ms; /* never goes back */
};
void watermarks_init(struct watermarks *w, struct watermark_input *in, unsigned n);
/* What an input says now. True: the minimum has gone up. */
bool watermarks_set(struct watermarks *w, unsigned input, int64_t ms, bool idle);
/* Nothing comes from any input: the task as a whole holds nobody back. */
bool watermarks_idle(const struct watermarks *w);
#endif
