/* The cold level of one task: its checkpoint file, read and written by workers, one of them at a time. Fetches go
 * before pieces of a checkpoint. The file is opened at first need and closed after a while without any.
 * Thread: the task's loop, unless said otherwise. */
#ifndef RUN_COLD_H
#define RUN_COLD_H
#include "engine/op/op.h"
#include "log/base/list.h"
#include "log/base/loop.h"

struct task;
struct cold;

/* A fetch: what an operator needs, by a worker. Lives in its owner until done_cb, which runs once, later. */
struct cold_found {
    uint32_t need; /* index */
    struct str key, value;
};
struct cold_fetch {
    struct list link; /* cold.c's */
    struct needs needs;
    unsigned node; /* plan_node.store of the operator */
    struct arena arena;
    struct cold_found *found; /* in order of needs, keys ascending within each */
    size_t nfound, cap_found;
    int status; /* E_CORRUPT: the file is damaged, and has been deleted */
    void (*done_cb)(struct cold_fetch *f);
};
void cold_fetch_init(struct cold_fetch *f);
void cold_fetch_fini(struct cold_fetch *f); /* not under way */

/* A checkpoint: the net changes of commits up to `note`, which end at `offset` of the changelog. Home loop gives it
 * and gets it back; in between it is the task's. */
struct cold_put {
    struct msg msg;
    struct task *task;
    struct fold *fold; /* sorted; taken in pieces */
    struct checkpoint_change *piece; /* room for RESTORE_PUT_CHANGES */
    size_t n, done; /* of the piece at hand */
    bool over;      /* that was the last */
    int64_t offset, epoch;
    struct str note;
    int status;
    void (*done_cb)(struct cold_put *p); /* home loop */
};

struct cold *cold_new(struct task *t); /* home loop, while the task is new */
void cold_free(struct cold *c);        /* any thread, after cold_stop: closes the file */
void cold_fetch(struct cold *c, struct cold_fetch *f);
void cold_put(struct cold_put *p); /* home loop */
/* No more: what waits ends with E_CANCELED, later. */
void cold_stop(struct cold *c);
bool cold_idle(const struct cold *c); /* nothing is under way */
/* Entries in the file as of the last checkpoint, of an operator's store; 0 if unknown. */
int64_t cold_entries(const struct cold *c, uint32_t store);
/* The same, and bytes, of all stores of an operator: by plan_node.store. */
void cold_size(const struct cold *c, unsigned node, int64_t *entries, int64_t *bytes);
void cold_note_sizes(struct cold *c, const struct checkpoint_size *sizes, size_t n); /* while restoring */
#endif
