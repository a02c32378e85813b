/* What a job is doing, gathered from its tasks. */
#ifndef RUN_STATUS_H
#define RUN_STATUS_H
#include "engine/run/job.h"

/* Home loop. Fills a status in arena, asking every task on its loop; done_cb on the home loop. */
void job_status_gather(struct job *j, struct arena *a, void (*done_cb)(void *arg, struct job_status *st), void *arg);
/* The same at once, for a query, whose tasks share its loop. */
struct job_status *job_status_now(struct job *j, struct arena *a);
#endif
