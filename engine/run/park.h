/* What waits in a task until state has been fetched: rows at an operator, in order, and the watermarks behind them.
 * While anything waits the task takes nothing more in, and a marker waits too. Thread: the task's loop. */
#ifndef RUN_PARK_H
#define RUN_PARK_H
#include "engine/run/cold.h"

struct park {
    struct list items;  /* struct parked */
    struct list behind; /* of the marker that is under way */
    struct cold_fetch fetch;
    struct op *op;      /* for whom */
    bool fetching, ready; /* ready: what the first of items needs is there */
};
void park_init(struct task *t);
void park_fini(struct task *t);
bool park_empty(const struct task *t);
/* env.park: what the rows need is in t->needs, unless others wait before them. */
void park_rows(void *task, struct op *op, unsigned input, const struct batch *b);
void park_watermark(struct task *t, unsigned mark, int64_t ms, bool idle, bool alone);
void park_marked(struct task *t); /* the marker is through */
/* Fetches what is in t->park.fetch.needs; the task is woken when it is loaded. */
void park_fetch(struct task *t, struct op *op);
void park_step(struct task *t); /* takes on the first of what waits; not while fetching */
#endif
