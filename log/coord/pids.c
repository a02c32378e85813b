#include "log/coord/pids.h"

enum { BLOCK = 1000 };

struct pid_block { /* of one loop */
    struct pids *ps;
    struct loop *loop;
    int64_t next, end;
    bool asking;
    struct list waiting; /* pid_ask.link */
    struct change change;
    struct commit commit;
};
struct pids {
    struct cluster *cl;
    unsigned n;
    struct pid_block blocks[];
};

static void block_ask(struct pid_block *pb);

static void serve(struct pid_block *pb, int status)
{
    while (!list_empty(&pb->waiting) && (status < 0 || pb->next < pb->end)) {
        struct pid_ask *ask = container_of(list_pop(&pb->waiting), struct pid_ask, link);
        ask->given_cb(ask, status, status < 0 ? -1 : pb->next++);
    }
}

static void block_done(struct commit *c, int status)
{
    struct pid_block *pb = container_of(c, struct pid_block, commit);
    change_fini(&pb->change);
    pb->asking = false;
    if (status < 0 && status != E_BUSY) {
        serve(pb, status);
        return;
    }
    if (status == 0) {
        pb->next = pb->end;
        pb->end += BLOCK;
        serve(pb, 0);
    }
    if (!list_empty(&pb->waiting))
        block_ask(pb); /* another loop was faster, or the block was too small for all */
}

static void block_ask(struct pid_block *pb)
{
    if (pb->asking)
        return;
    pb->asking = true;
    struct image *im = cluster_image(pb->ps->cl);
    pb->next = pb->end = im->next_producer_id;
    counted_release(&im->c);
    change_init(&pb->change);
    change_producer_ids(&pb->change, pb->end, pb->end + BLOCK);
    pb->commit = (struct commit){.from = pb->loop, .change = &pb->change, .done_cb = block_done};
    cluster_commit(pb->ps->cl, &pb->commit);
}

void pids_ask(struct pids *ps, struct pid_ask *ask)
{
    struct pid_block *pb = &ps->blocks[loop_index(ask->loop)];
    if (!pb->asking && pb->next < pb->end) {
        ask->given_cb(ask, 0, pb->next++);
        return;
    }
    list_add_tail(&pb->waiting, &ask->link);
    block_ask(pb);
}

struct pids *pids_new(struct cluster *cl, struct loop *const *loops, unsigned nloops)
{
    struct pids *ps = xzalloc(sizeof *ps + nloops * sizeof ps->blocks[0]);
    ps->cl = cl;
    ps->n = nloops;
    for (unsigned i = 0; i < nloops; i++) {
        ps->blocks[i].ps = ps;
        ps->blocks[i].loop = loops[i];
        list_init(&ps->blocks[i].waiting);
    }
    return ps;
}

void pids_free(struct pids *ps)
{
    for (unsigned i = 0; ps && i < ps->n; i++)
        if (ps->blocks[i].asking)
            change_fini(&ps->blocks[i].change);
    xfree(ps);
}
