/* When a job's epochs open and when they are committed: events and the time in, effects out. No I/O.
 *
 *     IDLE --open--> ALIGNING --all tasks durable--> COMMITTING --record durable--> IDLE
 *
 * At most one epoch is in flight. Rows that come while nothing is in flight open one at once (not closer than `spacing`
 * to the one before); rows that come while one is in flight mean a busy job, whose epochs are `interval` apart. */
#ifndef RUN_EPOCH_H
#define RUN_EPOCH_H
#include "log/base/base.h"
#include "log/base/sm.h"

enum epoch_phase { EPOCH_IDLE, EPOCH_ALIGNING, EPOCH_COMMITTING, EPOCH_OVER };
enum epoch_event_kind {
    EV_ROWS,    /* a source has gone past its last cut */
    EV_HURRY,   /* something waits for the next commit: do not wait for the interval */
    EV_FORCE,   /* an epoch is wanted even without rows */
    EV_TICK,    /* the timer asked for */
    EV_DONE,    /* all that task wrote for `epoch` is durable */
    EV_DURABLE, /* the commit record is durable */
    EV_STOP     /* one last epoch if there is anything to commit, then over */
};
struct epoch_event {
    enum epoch_event_kind kind;
    unsigned task;
    int64_t epoch;
};
struct epoch_effects {
    bool open;        /* markers of `number` to all sources */
    bool write;       /* all tasks are done: write the commit record of `number` */
    bool committed;   /* tell tasks and queries: `number` is committed */
    bool over;        /* stopped: nothing will open any more */
    int64_t timer_us; /* tick at this time; -1: none */
};
struct epochs {
    struct sm sm;
    int64_t number;    /* in flight, or the last one that was */
    int64_t committed; /* last committed */
    int64_t interval_us, spacing_us, opened_us;
    unsigned ntasks, ndone;
    bool *done; /* by task; the owner's memory */
    bool rows, hurry, forced, busy, stopping;
};
void epochs_init(struct epochs *e, unsigned ntasks, bool *done, int64_t interval_us, int64_t spacing_us,
                 int64_t committed);
struct epoch_effects epochs_step(struct epochs *e, const struct epoch_event *ev, int64_t now_us);
void epochs_check(const struct epochs *e);
#endif
