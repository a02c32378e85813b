/* Memory pressure of a task that keeps state. It owns when state is dropped, when an epoch has to end for what it
 * changed, and when sources wait for memory; of the task it asks its budget (memory), how far epochs and checkpoints
 * have come (clock, changed, fed), that operators drop (evict, tidy), and that it is woken. Which jobs have to give way
 * is the engine's (engine_memory_over). Why and when: README.md, "Cold state". Thread: the task's loop. */
#ifndef RUN_PRESS_H
#define RUN_PRESS_H
#include "log/base/base.h"
#include "log/base/loop.h"

struct task;

struct press {
    /* dropping */
    unsigned evicting; /* operator whose state is swept */
    unsigned sweeps;   /* finished since memory was within its share, or the checkpoint moved */
    int64_t left;      /* memory that the last of them left */
    int64_t floor;     /* memory when it was last within its share, or nothing was dirty */
    /* the epoch */
    size_t fresh;       /* bytes of state that have changed since the last marker: */
    bool hurried, full; /* half of what an epoch may bring, and the commit shall come; all of it: sources wait */
    /* waiting */
    bool pressed;         /* memory is full of what no checkpoint has: sources wait for one, */
    unsigned pressed_for; /* so many PRESSED_MS without one */
    struct timer timer, wait_timer;
    int64_t wait_ms; /* how long sources look away: the longer, the longer they have waited */
};

void press_init(struct task *t); /* home loop, while the task is new */
void press_start(struct task *t);
void press_stop(struct task *t); /* nobody waits for this task any more */

/* Ends the epoch if it brought enough and drops state if memory is full, till `until` at most. True: there is more to
 * drop, and nothing shall come in before, or what comes would outrun it. Only if the task has a cold level. */
bool press_relieve(struct task *t, int64_t until);
/* Shall sources wait for memory of any task of the job? If so the task is woken to ask again. */
bool press_waits(struct task *t);

void press_marked(struct task *t);       /* the marker is through: what has changed is written now */
void press_committed(struct task *t);    /* an epoch has got on: whatever sources wait for may be there */
void press_checkpointed(struct task *t); /* a checkpoint has moved clock.clean */
#endif
