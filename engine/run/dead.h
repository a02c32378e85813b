/* State that a new version of a job does not take over: it is looked for when that version starts, and goes with its
 * first epoch. What is left over when there is more than memory should hold is harmless: nobody reads it. */
#ifndef RUN_DEAD_H
#define RUN_DEAD_H
#include "engine/run/job.h"

/* Worker, at the first start of a version: this task's share. Blocking. */
int dead_find(struct task *t);
void dead_remove_files(struct job *j); /* checkpoints of tasks that are no more */
/* Task's loop, at a marker: calls put_cb with each key of the changelog that is to have a tombstone; none are left. */
void dead_bury(struct task *t, void (*put_cb)(struct task *t, struct str key));

#endif
