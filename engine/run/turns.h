/* Which tasks of a loop have work. Each turn of the loop runs one of them, so that broker events run between any two.
 * Thread: the loop's. */
#ifndef RUN_TURNS_H
#define RUN_TURNS_H
#include "log/base/list.h"
#include "log/base/loop.h"

struct turns {
    struct loop *loop;
    struct list ready; /* struct task, by run_link */
    struct msg msg;
    bool posted;
};
void turns_init(struct turns *sh, struct loop *loop);
void turns_wake(struct turns *sh); /* something is ready */
#endif
