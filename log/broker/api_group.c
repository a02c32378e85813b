/* JoinGroup, SyncGroup, Heartbeat, LeaveGroup, ConsumerGroupHeartbeat, DescribeGroups, ConsumerGroupDescribe,
 * ListGroups, DeleteGroups. What they mean is coord's. */
#include "log/broker/request.h"

/* A request that is one call. */
struct group_req {
    struct req *r;
    struct coord_group_call call;
    void *out;
};

/* "/127.0.0.1", as Kafka names hosts. */
static struct str client_host(struct req *r)
{
    const char *peer = r->client ? conn_peer(r->client->conn) : "";
    const char *colon = strrchr(peer, ':');
    int n = colon ? (int)(colon - peer) : (int)strlen(peer);
    return str_of(arena_printf(&r->arena, "/%.*s", n, peer));
}

static struct group_req *group_req_new(struct req *r, struct str group, void *out,
                                       void (*done_cb)(struct coord_group_call *))
{
    struct group_req *gr = REQ_NEW(r, struct group_req);
    gr->r = r;
    gr->out = out;
    gr->call = (struct coord_group_call){.from = r->desk->loop, .done_cb = done_cb, .arena = &r->arena, .group = group,
                                         .version = r->version, .in = r->own, .out = out, .generation = -1};
    return gr;
}

static struct group_req *req_of(struct coord_group_call *call) { return container_of(call, struct group_req, call); }

/* ---- JoinGroup, SyncGroup */

static void join_done(struct coord_group_call *call)
{
    struct group_req *gr = req_of(call);
    struct join_group_response *out = gr->out;
    out->error_code = call->error;
    req_reply(gr->r, out);
}

void api_join_group(struct req *r)
{
    if (REQ_DECODE(r, join_group_request) < 0)
        return;
    const struct join_group_request *in = r->own;
    struct join_group_response *out = REQ_NEW(r, struct join_group_response);
    join_group_response_init(out);
    out->member_id = in->member_id;
    struct group_req *gr = group_req_new(r, in->group_id, out, join_done);
    gr->call.client_id = r->client_id;
    gr->call.client_host = client_host(r);
    coord_group_join(req_broker(r)->coord, &gr->call);
}

static void sync_done(struct coord_group_call *call)
{
    struct group_req *gr = req_of(call);
    struct sync_group_response *out = gr->out;
    out->error_code = call->error;
    req_reply(gr->r, out);
}

void api_sync_group(struct req *r)
{
    if (REQ_DECODE(r, sync_group_request) < 0)
        return;
    const struct sync_group_request *in = r->own;
    struct sync_group_response *out = REQ_NEW(r, struct sync_group_response);
    sync_group_response_init(out);
    struct group_req *gr = group_req_new(r, in->group_id, out, sync_done);
    if (r->version >= 5 && (!in->protocol_type.ptr || !in->protocol_name.ptr)) {
        out->error_code = K_INCONSISTENT_PROTOCOL; /* from this version on they must be told */
        req_reply(r, out);
        return;
    }
    coord_group_sync(req_broker(r)->coord, &gr->call);
}

/* ---- Heartbeat, LeaveGroup */

static void beat_done(struct coord_group_call *call)
{
    struct heartbeat_response out;
    heartbeat_response_init(&out);
    out.error_code = call->error;
    req_reply(req_of(call)->r, &out);
}

void api_heartbeat(struct req *r)
{
    if (REQ_DECODE(r, heartbeat_request) < 0)
        return;
    const struct heartbeat_request *in = r->own;
    struct group_req *gr = group_req_new(r, in->group_id, NULL, beat_done);
    gr->call.member_id = in->member_id;
    gr->call.instance_id = in->group_instance_id;
    gr->call.generation = in->generation_id;
    coord_group_beat(req_broker(r)->coord, &gr->call);
}

static void leave_done(struct coord_group_call *call)
{
    struct group_req *gr = req_of(call);
    struct leave_group_response *out = gr->out;
    out->error_code = call->error;
    if (gr->r->version < 3 && !call->error)
        out->error_code = out->members[0].error_code;
    req_reply(gr->r, out);
}

void api_leave_group(struct req *r)
{
    if (REQ_DECODE(r, leave_group_request) < 0)
        return;
    struct leave_group_request *in = r->own;
    if (r->version < 3) {
        in->members = REQ_NEW(r, struct leave_group_request_member);
        leave_group_request_member_init(in->members);
        in->members[0].member_id = in->member_id;
        in->members_n = 1;
    }
    struct leave_group_response *out = REQ_NEW(r, struct leave_group_response);
    leave_group_response_init(out);
    coord_group_leave(req_broker(r)->coord, &group_req_new(r, in->group_id, out, leave_done)->call);
}

/* ---- ConsumerGroupHeartbeat */

static void consumer_done(struct coord_group_call *call)
{
    struct group_req *gr = req_of(call);
    struct consumer_group_heartbeat_response *out = gr->out;
    out->error_code = call->error;
    req_reply(gr->r, out);
}

void api_consumer_group_heartbeat(struct req *r)
{
    if (REQ_DECODE(r, consumer_group_heartbeat_request) < 0)
        return;
    const struct consumer_group_heartbeat_request *in = r->own;
    struct consumer_group_heartbeat_response *out = REQ_NEW(r, struct consumer_group_heartbeat_response);
    consumer_group_heartbeat_response_init(out);
    struct group_req *gr = group_req_new(r, in->group_id, out, consumer_done);
    gr->call.client_id = r->client_id;
    gr->call.client_host = client_host(r);
    coord_consumer_beat(req_broker(r)->coord, &gr->call);
}

/* ---- DescribeGroups, ConsumerGroupDescribe, DeleteGroups: one group after the other */

struct group_walk {
    struct group_req gr; /* of the group at hand */
    uint32_t at;
    struct describe_groups_response described;
    struct consumer_group_describe_response consumers;
    struct delete_groups_response deleted;
};

static struct group_walk *walk_of(struct coord_group_call *call)
{
    return container_of(req_of(call), struct group_walk, gr);
}

static struct coord_group_call *walk_call(struct group_walk *wk, struct req *r, struct str group, void *out,
                                          void (*done_cb)(struct coord_group_call *))
{
    wk->gr = *group_req_new(r, group, out, done_cb);
    return &wk->gr.call;
}

static int32_t group_operations(void) { return 1 << OP_READ | 1 << OP_DELETE | 1 << OP_DESCRIBE; }

static void describe_next(struct req *r, struct group_walk *wk);

static void describe_done(struct coord_group_call *call)
{
    struct group_walk *wk = walk_of(call);
    struct req *r = wk->gr.r;
    struct describe_groups_response_group *to = &wk->described.groups[wk->at];
    const struct describe_groups_request *in = r->own;
    to->error_code = call->error;
    if (call->error == K_GROUP_ID_NOT_FOUND) { /* older clients know this by the state alone */
        to->group_state = STR("Dead");
        to->error_code = r->version >= 6 ? call->error : K_NONE;
        to->error_message = r->version >= 6 ? STR("no such group") : STR_NULL;
    }
    if (in->include_authorized_operations && !call->error)
        to->authorized_operations = group_operations();
    wk->at++;
    describe_next(r, wk);
}

static void describe_next(struct req *r, struct group_walk *wk)
{
    const struct describe_groups_request *in = r->own;
    if (wk->at == in->groups_n) {
        req_reply(r, &wk->described);
        return;
    }
    struct describe_groups_response_group *to = &wk->described.groups[wk->at];
    describe_groups_response_group_init(to);
    to->group_id = in->groups[wk->at];
    coord_group_describe(req_broker(r)->coord, walk_call(wk, r, to->group_id, to, describe_done));
}

void api_describe_groups(struct req *r)
{
    if (REQ_DECODE(r, describe_groups_request) < 0)
        return;
    const struct describe_groups_request *in = r->own;
    struct group_walk *wk = REQ_NEW(r, struct group_walk);
    describe_groups_response_init(&wk->described);
    wk->described.groups = REQ_ARRAY(r, struct describe_groups_response_group, in->groups_n + 1);
    wk->described.groups_n = in->groups_n;
    describe_next(r, wk);
}

static void consumer_next(struct req *r, struct group_walk *wk);

static void consumer_described(struct coord_group_call *call)
{
    struct group_walk *wk = walk_of(call);
    struct req *r = wk->gr.r;
    const struct consumer_group_describe_request *in = r->own;
    struct consumer_group_describe_response_group *to = &wk->consumers.groups[wk->at++];
    to->error_code = call->error;
    if (in->include_authorized_operations && !call->error)
        to->authorized_operations = group_operations();
    consumer_next(r, wk);
}

static void consumer_next(struct req *r, struct group_walk *wk)
{
    const struct consumer_group_describe_request *in = r->own;
    if (wk->at == in->group_ids_n) {
        req_reply(r, &wk->consumers);
        return;
    }
    struct consumer_group_describe_response_group *to = &wk->consumers.groups[wk->at];
    consumer_group_describe_response_group_init(to);
    to->group_id = in->group_ids[wk->at];
    coord_consumer_describe(req_broker(r)->coord, walk_call(wk, r, to->group_id, to, consumer_described));
}

void api_consumer_group_describe(struct req *r)
{
    if (REQ_DECODE(r, consumer_group_describe_request) < 0)
        return;
    const struct consumer_group_describe_request *in = r->own;
    struct group_walk *wk = REQ_NEW(r, struct group_walk);
    consumer_group_describe_response_init(&wk->consumers);
    wk->consumers.groups = REQ_ARRAY(r, struct consumer_group_describe_response_group, in->group_ids_n + 1);
    wk->consumers.groups_n = in->group_ids_n;
    consumer_next(r, wk);
}

static void delete_next(struct req *r, struct group_walk *wk);

static void delete_done(struct coord_group_call *call)
{
    struct group_walk *wk = walk_of(call);
    wk->deleted.results[wk->at++].error_code = call->error;
    delete_next(wk->gr.r, wk);
}

static void delete_next(struct req *r, struct group_walk *wk)
{
    const struct delete_groups_request *in = r->own;
    if (wk->at == in->groups_names_n) {
        req_reply(r, &wk->deleted);
        return;
    }
    wk->deleted.results[wk->at].group_id = in->groups_names[wk->at];
    coord_group_delete(req_broker(r)->coord, walk_call(wk, r, in->groups_names[wk->at], NULL, delete_done));
}

void api_delete_groups(struct req *r)
{
    if (REQ_DECODE(r, delete_groups_request) < 0)
        return;
    const struct delete_groups_request *in = r->own;
    struct group_walk *wk = REQ_NEW(r, struct group_walk);
    delete_groups_response_init(&wk->deleted);
    wk->deleted.results = REQ_ARRAY(r, struct delete_groups_response_result, in->groups_names_n + 1);
    wk->deleted.results_n = in->groups_names_n;
    delete_next(r, wk);
}

/* ---- ListGroups */

struct list_req {
    struct req *r;
    struct coord_group_list list;
};

/* No filter lets everything through; case does not matter. */
static bool passes(const struct str *filter, uint32_t n, const char *what)
{
    for (uint32_t i = 0; i < n; i++)
        if (str_eq_nocase(filter[i], str_of(what)))
            return true;
    return n == 0;
}

static void list_done(struct coord_group_list *list)
{
    struct req *r = container_of(list, struct list_req, list)->r;
    const struct list_groups_request *in = r->own;
    struct list_groups_response out;
    list_groups_response_init(&out);
    out.error_code = list->error;
    out.groups = REQ_ARRAY(r, struct list_groups_response_group, list->ngroups + 1);
    for (uint32_t i = 0; i < list->ngroups && !list->error; i++) {
        const struct coord_listed_group *g = &list->groups[i];
        if (passes(in->states_filter, in->states_filter_n, g->state) &&
            passes(in->types_filter, in->types_filter_n, g->type))
            out.groups[out.groups_n++] = (struct list_groups_response_group){.group_id = g->id,
                                                                             .protocol_type = g->protocol_type,
                                                                             .group_state = str_of(g->state),
                                                                             .group_type = str_of(g->type)};
    }
    req_reply(r, &out);
}

void api_list_groups(struct req *r)
{
    struct list_groups_request *in = req_in(r, sizeof *in);
    list_groups_request_init(in);
    int rc = list_groups_request_decode(in, &r->body, r->version, &r->arena);
    /* librdkafka 2.0, which Debian has, ends its version 4 with the empty set of tagged fields twice; Kafka reads
     * on. */
    if (rc == 0 && r->version == 4 && rbuf_left(&r->body) == 1 && r->body.ptr[0] == 0)
        rbuf_u8(&r->body);
    if (req_decode(r, rc) < 0)
        return;
    struct list_req *lr = REQ_NEW(r, struct list_req);
    lr->r = r;
    lr->list = (struct coord_group_list){.from = r->desk->loop, .done_cb = list_done, .arena = &r->arena};
    coord_list_groups(req_broker(r)->coord, &lr->list);
}
