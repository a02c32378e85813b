/* Which tasks of a loop have work, and whose turn it is (fair.h). Each turn of the loop runs one of them, so that
 * broker events run between any two. Thread: the loop's. */
#ifndef RUN_TURNS_H
#define RUN_TURNS_H
#include "engine/run/fair.h"
#include "log/base/loop.h"

struct task;
struct turns {
    struct loop *loop;
    unsigned number; /* 0.. among those of the engine */
    struct fair fair;
    struct msg msg;
    bool posted;
};
void turns_init(struct turns *sh, struct loop *loop, unsigned number);
void turns_ready(struct turns *sh, struct task *t); /* it has work, and is not known to have */
#endif
