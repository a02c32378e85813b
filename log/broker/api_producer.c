/* InitProducerId: fresh producer ids. The cluster gives a shard a block of them at a time, so that most requests are
 * answered from memory; what is left of a block at a restart is never used. */
#include "log/broker/request.h"

enum { BLOCK = 1000 };

static void block_ask(struct desk *desk);

static void give(struct req *r, int16_t code)
{
    struct init_producer_id_response out;
    init_producer_id_response_init(&out);
    out.error_code = code;
    out.producer_id = code ? -1 : r->desk->pids.next++;
    out.producer_epoch = code ? -1 : 0;
    req_reply(r, &out);
}

static void serve(struct desk *desk, int16_t code)
{
    struct pid_block *pb = &desk->pids;
    while (!list_empty(&pb->waiting) && (code || pb->next < pb->end))
        give(container_of(list_pop(&pb->waiting), struct req, wait_link), code);
}

static void block_done(struct commit *c, int status)
{
    struct desk *desk = container_of(c, struct desk, pids.commit);
    struct pid_block *pb = &desk->pids;
    change_fini(&pb->change);
    pb->asking = false;
    if (status < 0 && status != E_BUSY) {
        serve(desk, err_kafka(status));
        return;
    }
    if (status == 0) {
        pb->next = pb->end;
        pb->end += BLOCK;
        serve(desk, K_NONE);
    }
    if (!list_empty(&pb->waiting))
        block_ask(desk); /* another shard was faster, or the block was too small for all */
}

static void block_ask(struct desk *desk)
{
    struct pid_block *pb = &desk->pids;
    if (pb->asking)
        return;
    pb->asking = true;
    struct image *im = cluster_image(desk->b->cluster);
    pb->next = pb->end = im->next_producer_id;
    counted_release(&im->c);
    change_init(&pb->change);
    change_producer_ids(&pb->change, pb->end, pb->end + BLOCK);
    pb->commit = (struct commit){.from = desk->loop, .change = &pb->change, .done_cb = block_done};
    cluster_commit(desk->b->cluster, &pb->commit);
}

void api_init_producer_id(struct req *r)
{
    if (REQ_DECODE(r, init_producer_id_request) < 0)
        return;
    const struct init_producer_id_request *in = r->own;
    struct pid_block *pb = &r->desk->pids;
    if (in->transactional_id.ptr) {
        give(r, in->transactional_id.len ? K_UNSUPPORTED_VERSION : K_INVALID_REQUEST);
        return;
    }
    if (!pb->asking && pb->next < pb->end) {
        give(r, K_NONE);
        return;
    }
    list_add_tail(&pb->waiting, &r->wait_link);
    block_ask(r->desk);
}
