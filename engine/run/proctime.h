/* Processing time of a job: the clock, but never back, and the same for all its tasks, so that nothing of it is late. A row's
 * moment is when it was read by the epoch that committed it; what an epoch wrote that was not committed nobody has seen.
 * Thread: any. */
#ifndef RUN_PROCTIME_H
#define RUN_PROCTIME_H
#include "engine/run/plan.h"
#include <stdatomic.h>

struct proctime {
    _Atomic int64_t now_ms;  /* the greatest that anybody was told */
    _Atomic int64_t rows_ms; /* when the last row came; INT64_MIN: none yet */
};
void proctime_init(struct proctime *p);
void proctime_restore(struct proctime *p, int64_t ms); /* a commit says that it had come so far */
int64_t proctime_now(struct proctime *p, int64_t wall_ms);
void proctime_rows(struct proctime *p, int64_t ms); /* rows of that moment have been read */
/* At multiples of this something of the plan may be over. */
int64_t proctime_tick_ms(const struct plan_node *sink);
#endif
