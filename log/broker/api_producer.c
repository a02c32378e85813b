/* InitProducerId: a fresh id for an idempotent producer; for a transactional one the id and epoch that fence whoever
 * had its transactional id before. */
#include "log/broker/request.h"

struct init_producer {
    struct coord_call call;
    struct req *r;
};

static void answer(struct coord_call *call)
{
    struct req *r = container_of(call, struct init_producer, call)->r;
    struct init_producer_id_response out;
    init_producer_id_response_init(&out);
    out.error_code = req_fenced(r, call->error, 4);
    out.producer_id = call->error ? -1 : call->producer_id;
    out.producer_epoch = call->error ? -1 : call->epoch;
    req_reply(r, &out);
}

static void refuse(struct req *r, int16_t code)
{
    struct init_producer_id_response out;
    init_producer_id_response_init(&out);
    out.error_code = code;
    out.producer_epoch = -1;
    req_reply(r, &out);
}

void api_init_producer_id(struct req *r)
{
    if (REQ_DECODE(r, init_producer_id_request) < 0)
        return;
    const struct init_producer_id_request *in = r->own;
    bool expect = in->producer_id != -1;
    if (expect != (in->producer_epoch != -1)) {
        refuse(r, K_INVALID_REQUEST);
        return;
    }
    struct init_producer *ip = REQ_NEW(r, struct init_producer);
    ip->r = r;
    ip->call = (struct coord_call){.from = r->desk->loop, .done_cb = answer, .txn_id = in->transactional_id,
                                   .timeout_ms = in->transaction_timeout_ms, .producer_id = in->producer_id,
                                   .epoch = in->producer_epoch, .flags = expect ? COORD_EXPECT : 0};
    coord_init_producer(req_broker(r)->coord, &ip->call);
}
