/* When a job's epochs open and when they are committed: events and the time in, effects out. No I/O.
 *
 *     IDLE --open--> ALIGNING --all tasks cut--> WRITING --all durable--> COMMITTING --transaction ended--> IDLE
 *
 * At most one epoch is in flight. Rows that come while nothing is in flight open one at once (not closer than `spacing`
 * to the one before); rows that come while one is in flight mean a busy job, whose epochs are `interval` apart. The
 * interval follows what epochs cost: EPOCH_SHARE times the time one takes from its opening to its commit, within the
 * bounds that the operator set. So a job spends at most one part in EPOCH_SHARE of its time committing, and is as
 * prompt as that allows. */
#ifndef RUN_EPOCH_H
#define RUN_EPOCH_H
#include "log/base/base.h"
#include "log/base/sm.h"

#define EPOCH_SHARE 20

enum epoch_phase { EPOCH_IDLE, EPOCH_ALIGNING, EPOCH_WRITING, EPOCH_COMMITTING, EPOCH_OVER };
enum epoch_event_kind {
    EV_ROWS,   /* a source has gone past its last cut */
    EV_HURRY,  /* something waits for the next commit: do not wait for the interval */
    EV_FORCE,  /* an epoch is wanted even without rows */
    EV_TICK,   /* the timer asked for */
    EV_CUT,    /* the task has passed the marker of `epoch`: what it commits is known */
    EV_DONE,   /* all that the task wrote for `epoch` is durable; after its EV_CUT */
    EV_RECORD, /* the commit record is durable, or there is none to write */
    EV_ENDED,  /* the transaction has ended: what the epoch wrote is there */
    EV_STOP    /* one last epoch if there is anything to commit, then over */
};
struct epoch_event {
    enum epoch_event_kind kind;
    unsigned task;
    int64_t epoch;
};
struct epoch_effects {
    bool open;        /* markers of `number` to all sources */
    bool record;      /* all tasks are cut: write the commit record of `number` */
    bool commit;      /* all is durable: end the transaction of `number` */
    bool committed;   /* tell tasks and queries: `number` is committed */
    bool over;        /* stopped: nothing will open any more */
    int64_t timer_us; /* tick at this time; -1: none */
};
struct epochs {
    struct sm sm;
    int64_t number;                     /* in flight, or the last one that was */
    int64_t committed;                  /* last committed */
    int64_t min_us, max_us;             /* bounds of the interval */
    int64_t interval_us, cost_us;       /* of a busy job; mean time from open to commit, 0: not yet known */
    int64_t opened_us;
    unsigned ntasks, ncut, ndone;
    uint8_t *tasks; /* how far each is: 0, EPOCH_TASK_CUT, EPOCH_TASK_DONE; the owner's memory */
    bool recorded;
    bool rows, hurry, forced, busy, stopping;
};
enum { EPOCH_TASK_CUT = 1, EPOCH_TASK_DONE = 2 };
void epochs_init(struct epochs *e, unsigned ntasks, uint8_t *tasks, int64_t min_us, int64_t max_us, int64_t committed);
struct epoch_effects epochs_step(struct epochs *e, const struct epoch_event *ev, int64_t now_us);
void epochs_check(const struct epochs *e);
#endif
