/* Who is next on a loop: jobs share its time evenly, or as their weights say, whatever the number of their tasks and the length
 * of their turns.
 *
 * Deficit round robin by measured time, with a head start for who was idle (as FQ-CoDel, RFC 8290, treats sparse
 * flows): a job that wakes up has a quantum and goes before those that have been busy, so that a light job waits for
 * one turn, not for a round. Who wakes again before its round is over has had its head start. Pure: it is told how long
 * a turn took. Thread: the loop's. */
#ifndef RUN_FAIR_H
#define RUN_FAIR_H
#include "log/base/list.h"

struct fair {
    struct list fresh, busy; /* struct share: those that woke up, and those whose head start is over */
};
struct share { /* of one job on one loop */
    struct list link;  /* fresh or busy; by itself: the job was idle for a round */
    struct list ready; /* its tasks that have work, in the order in which they woke */
    int64_t credit_us, quantum_us; /* what it may still use in this round; what a round brings */
    uint64_t used_us; /* ever */
};
void fair_init(struct fair *f);
void share_init(struct share *s);
void share_weigh(struct share *s, unsigned weight); /* 1 .. ENGINE_SHARE_MAX; from share_init on it is ENGINE_SHARE */
/* A task of this job has work: its link, in no list. */
void fair_ready(struct fair *f, struct share *s, struct list *task);
/* The link of the next task, no longer ready, and whose it is; NULL: nobody has work. */
struct list *fair_next(struct fair *f, struct share **s);
/* The turn that fair_next gave has taken so long. */
void fair_used(struct share *s, int64_t us);
/* The task has no work any more, and its job goes if that was the last. */
void fair_forget(struct share *s, struct list *task);
bool fair_idle(const struct fair *f); /* false: fair_next may have something */
/* Rows that a source's next batch may have, when the last, which might have had `rows`, took so long to decode and
 * push: a turn ends between batches only, so those that cost much are made smaller. */
uint32_t fair_rows(uint32_t rows, int64_t us);
#endif
