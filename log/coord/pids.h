/* Producer ids, unique for ever. The cluster gives a loop a block of them at a time, so that most are given from
 * memory; what is left of a block at a restart is never used.
 * Thread: each loop has its own. */
#ifndef COORD_PIDS_H
#define COORD_PIDS_H
#include "log/cluster/cluster.h"

struct pids;
struct pids *pids_new(struct cluster *cl, struct loop *const *loops, unsigned nloops);
void pids_free(struct pids *ps); /* after the loops have stopped */

/* On `loop`; given_cb there too, later or at once: producer_id, or status < 0. */
struct pid_ask {
    struct loop *loop;
    void (*given_cb)(struct pid_ask *ask, int status, int64_t producer_id);
    struct list link; /* the block's own */
};
void pids_ask(struct pids *ps, struct pid_ask *ask);

#endif
