/* OffsetCommit, TxnOffsetCommit, OffsetFetch, OffsetDelete: offsets of groups, which coord keeps. */
#include "log/broker/request.h"

/* The request's partitions in one row; answers are cut from it again. */
struct offset_req {
    struct req *r;
    struct coord_group_call call;
    uint32_t group; /* of OffsetFetch: which one */
    void *out;
};

static struct offset_req *offset_req_new(struct req *r, struct str group, uint32_t n,
                                         void (*done_cb)(struct coord_group_call *))
{
    struct offset_req *oq = REQ_NEW(r, struct offset_req);
    oq->r = r;
    oq->call = (struct coord_group_call){.from = r->desk->loop, .done_cb = done_cb, .arena = &r->arena, .group = group,
                                         .version = r->version, .offsets = REQ_ARRAY(r, struct coord_offset, n + 1),
                                         .noffsets = n, .generation = -1, .retention_ms = -1};
    return oq;
}

static struct offset_req *req_of(struct coord_group_call *call) { return container_of(call, struct offset_req, call); }

/* The request's error, or the partition's own. */
static int16_t error_of(const struct coord_group_call *call, uint32_t i)
{
    return call->offsets[i].error ? call->offsets[i].error : call->error;
}

/* Is the partition there? Kafka's code. */
static int16_t part_there(const struct image *im, struct str topic, int32_t partition)
{
    const struct topic *t = image_topic(im, topic);
    return t && partition >= 0 && partition < t->nparts ? K_NONE : K_UNKNOWN_TOPIC;
}

/* Name of a topic given by id; empty, with an error for its partitions, if there is none. */
static struct str name_of(struct req *r, const struct image *im, struct uuid id)
{
    const struct topic *t = image_topic_by_id(im, id);
    return t ? str_of(arena_strdup(&r->arena, t->name)) : STR("");
}

/* ---- OffsetCommit */

static void commit_done(struct coord_group_call *call)
{
    struct offset_req *oq = req_of(call);
    const struct offset_commit_request *in = oq->r->own;
    struct offset_commit_response out;
    uint32_t k = 0;
    offset_commit_response_init(&out);
    out.topics = REQ_ARRAY(oq->r, struct offset_commit_response_topic, in->topics_n + 1);
    for (; out.topics_n < in->topics_n; out.topics_n++) {
        const struct offset_commit_request_topic *ti = &in->topics[out.topics_n];
        struct offset_commit_response_topic *to = &out.topics[out.topics_n];
        *to = (struct offset_commit_response_topic){.name = ti->name, .topic_id = ti->topic_id};
        to->partitions = REQ_ARRAY(oq->r, struct offset_commit_response_partition, ti->partitions_n + 1);
        for (; to->partitions_n < ti->partitions_n; to->partitions_n++, k++)
            to->partitions[to->partitions_n] = (struct offset_commit_response_partition){
                ti->partitions[to->partitions_n].partition_index, error_of(call, k)};
    }
    req_reply(oq->r, &out);
}

void api_offset_commit(struct req *r)
{
    if (REQ_DECODE(r, offset_commit_request) < 0)
        return;
    const struct offset_commit_request *in = r->own;
    uint32_t n = 0, k = 0;
    for (uint32_t i = 0; i < in->topics_n; i++)
        n += in->topics[i].partitions_n;
    struct offset_req *oq = offset_req_new(r, in->group_id, n, commit_done);
    struct image *im = req_image(r);
    for (uint32_t i = 0; i < in->topics_n; i++) {
        const struct offset_commit_request_topic *ti = &in->topics[i];
        struct str name = r->version >= 10 ? name_of(r, im, ti->topic_id) : ti->name;
        for (uint32_t p = 0; p < ti->partitions_n; p++, k++) {
            const struct offset_commit_request_partition *pi = &ti->partitions[p];
            bool no_id = r->version >= 10 && !name.len;
            int16_t error = no_id ? K_UNKNOWN_TOPIC_ID : part_there(im, name, pi->partition_index);
            oq->call.offsets[k] = (struct coord_offset){name, pi->partition_index, pi->committed_offset,
                                                        pi->committed_leader_epoch, pi->committed_metadata, error};
        }
    }
    counted_release(&im->c);
    oq->call.member_id = in->member_id;
    oq->call.instance_id = in->group_instance_id;
    oq->call.generation = in->generation_id_or_member_epoch;
    oq->call.retention_ms = in->retention_time_ms;
    coord_group_commit(req_broker(r)->coord, &oq->call);
}

/* ---- TxnOffsetCommit */

/* What older versions know instead, as Kafka has it. */
static int16_t txn_error(const struct req *r, int16_t error)
{
    if (error == K_PRODUCER_FENCED)
        return K_INVALID_PRODUCER_EPOCH;
    if (error == K_TXN_ABORTABLE && r->version < 4)
        return K_INVALID_TXN_STATE;
    return error;
}

static void txn_done(struct coord_group_call *call)
{
    struct offset_req *oq = req_of(call);
    const struct txn_offset_commit_request *in = oq->r->own;
    struct txn_offset_commit_response out;
    uint32_t k = 0;
    txn_offset_commit_response_init(&out);
    out.topics = REQ_ARRAY(oq->r, struct txn_offset_commit_response_topic, in->topics_n + 1);
    for (; out.topics_n < in->topics_n; out.topics_n++) {
        const struct txn_offset_commit_request_topic *ti = &in->topics[out.topics_n];
        struct txn_offset_commit_response_topic *to = &out.topics[out.topics_n];
        to->name = ti->name;
        to->partitions = REQ_ARRAY(oq->r, struct txn_offset_commit_response_partition, ti->partitions_n + 1);
        for (; to->partitions_n < ti->partitions_n; to->partitions_n++, k++)
            to->partitions[to->partitions_n] = (struct txn_offset_commit_response_partition){
                ti->partitions[to->partitions_n].partition_index, txn_error(oq->r, error_of(call, k))};
    }
    req_reply(oq->r, &out);
}

void api_txn_offset_commit(struct req *r)
{
    if (REQ_DECODE(r, txn_offset_commit_request) < 0)
        return;
    const struct txn_offset_commit_request *in = r->own;
    uint32_t n = 0, k = 0;
    for (uint32_t i = 0; i < in->topics_n; i++)
        n += in->topics[i].partitions_n;
    struct offset_req *oq = offset_req_new(r, in->group_id, n, txn_done);
    struct image *im = req_image(r);
    for (uint32_t i = 0; i < in->topics_n; i++)
        for (uint32_t p = 0; p < in->topics[i].partitions_n; p++, k++) {
            const struct txn_offset_commit_request_partition *pi = &in->topics[i].partitions[p];
            oq->call.offsets[k] = (struct coord_offset){in->topics[i].name, pi->partition_index, pi->committed_offset,
                                                        pi->committed_leader_epoch, pi->committed_metadata,
                                                        part_there(im, in->topics[i].name, pi->partition_index)};
        }
    counted_release(&im->c);
    oq->call.member_id = in->member_id;
    oq->call.instance_id = in->group_instance_id;
    oq->call.generation = in->generation_id_or_member_epoch;
    oq->call.txn_id = in->transactional_id;
    oq->call.producer_id = in->producer_id;
    oq->call.epoch = in->producer_epoch;
    oq->call.v2 = r->version >= 5;
    coord_group_txn_commit(req_broker(r)->coord, &oq->call);
}

/* ---- OffsetFetch: one group after the other; older versions have one */

struct fetch_walk {
    struct req *r;
    struct offset_fetch_response out;
    struct offset_fetch_request_group *groups; /* what is asked, as version 8 says it */
    uint32_t ngroups, at;
    struct offset_req *oq; /* of the group at hand */
};

static int offset_order(const void *a, const void *b)
{
    const struct coord_offset *x = a, *y = b;
    int c = str_cmp(x->topic, y->topic);
    return c ? c : (x->partition > y->partition) - (x->partition < y->partition);
}

/* One topic of an answer: n offsets. */
static void fetched_topic(struct req *r, const struct coord_group_call *call, const struct coord_offset *o, uint32_t n,
                          struct offset_fetch_response_group_topic *to)
{
    to->partitions = REQ_ARRAY(r, struct offset_fetch_response_group_partition, n + 1);
    to->partitions_n = n;
    for (uint32_t i = 0; i < n; i++) {
        int16_t error = o[i].error ? o[i].error : call->error;
        to->partitions[i] = (struct offset_fetch_response_group_partition){
            .partition_index = o[i].partition, .committed_offset = error ? -1 : o[i].offset,
            .committed_leader_epoch = error ? -1 : o[i].leader_epoch, .metadata = error ? STR("") : o[i].metadata,
            .error_code = error};
    }
}

/* All that a group has, in order. Topics that have gone have no id to be told by. */
static void fetched_all(struct req *r, struct coord_group_call *call, struct offset_fetch_response_group *to)
{
    struct image *im = req_image(r);
    qsort(call->offsets, call->noffsets, sizeof *call->offsets, offset_order);
    to->topics = REQ_ARRAY(r, struct offset_fetch_response_group_topic, call->noffsets + 1);
    for (uint32_t i = 0, n; i < call->noffsets; i += n) {
        const struct coord_offset *o = &call->offsets[i];
        const struct topic *t = image_topic(im, o->topic);
        for (n = 1; i + n < call->noffsets && str_eq(o[n].topic, o->topic);)
            n++;
        if (r->version >= 10 && !t)
            continue;
        struct offset_fetch_response_group_topic *out = &to->topics[to->topics_n++];
        offset_fetch_response_group_topic_init(out);
        out->name = o->topic;
        out->topic_id = t ? t->id : (struct uuid){{0}};
        fetched_topic(r, call, o, n, out);
    }
    counted_release(&im->c);
}

static void fetched_named(struct req *r, struct coord_group_call *call, const struct offset_fetch_request_group *in,
                          struct offset_fetch_response_group *to)
{
    uint32_t k = 0;
    to->topics = REQ_ARRAY(r, struct offset_fetch_response_group_topic, in->topics_n + 1);
    for (; to->topics_n < in->topics_n; to->topics_n++) {
        const struct offset_fetch_request_group_topic *ti = &in->topics[to->topics_n];
        struct offset_fetch_response_group_topic *out = &to->topics[to->topics_n];
        offset_fetch_response_group_topic_init(out);
        out->name = ti->name;
        out->topic_id = ti->topic_id;
        fetched_topic(r, call, &call->offsets[k], ti->partition_indexes_n, out);
        k += ti->partition_indexes_n;
    }
}

/* In the form of versions below 8: the one group's topics. */
static void fetched_old(struct req *r, struct fetch_walk *fw)
{
    const struct offset_fetch_response_group *g = &fw->out.groups[0];
    fw->out.error_code = g->error_code;
    fw->out.topics = REQ_ARRAY(r, struct offset_fetch_response_topic, g->topics_n + 1);
    for (; fw->out.topics_n < g->topics_n; fw->out.topics_n++) {
        const struct offset_fetch_response_group_topic *ti = &g->topics[fw->out.topics_n];
        struct offset_fetch_response_topic *to = &fw->out.topics[fw->out.topics_n];
        to->name = ti->name;
        to->partitions = REQ_ARRAY(r, struct offset_fetch_response_partition, ti->partitions_n + 1);
        for (; to->partitions_n < ti->partitions_n; to->partitions_n++) {
            const struct offset_fetch_response_group_partition *p = &ti->partitions[to->partitions_n];
            to->partitions[to->partitions_n] = (struct offset_fetch_response_partition){
                p->partition_index, p->committed_offset, p->committed_leader_epoch, p->metadata, p->error_code};
        }
    }
}

static void fetch_next(struct fetch_walk *fw);

static void fetch_done(struct coord_group_call *call)
{
    struct offset_req *oq = req_of(call);
    struct fetch_walk *fw = oq->out;
    struct offset_fetch_response_group *to = &fw->out.groups[fw->at];
    /* Version 1 has no place for it but the partitions. */
    to->error_code = call->error;
    if (call->all && !call->error)
        fetched_all(fw->r, call, to);
    else if (!call->all && (!call->error || fw->r->version < 2))
        fetched_named(fw->r, call, &fw->groups[fw->at], to);
    fw->at++;
    fetch_next(fw);
}

static void fetch_next(struct fetch_walk *fw)
{
    struct req *r = fw->r;
    const struct offset_fetch_request *in = r->own;
    if (fw->at == fw->ngroups) {
        if (r->version < 8)
            fetched_old(r, fw);
        req_reply(r, &fw->out);
        return;
    }
    const struct offset_fetch_request_group *gi = &fw->groups[fw->at];
    uint32_t n = 0, k = 0;
    for (uint32_t i = 0; i < gi->topics_n; i++)
        n += gi->topics[i].partition_indexes_n;
    struct offset_req *oq = offset_req_new(r, gi->group_id, n, fetch_done);
    struct image *im = req_image(r);
    for (uint32_t i = 0; i < gi->topics_n; i++) {
        struct str name = r->version >= 10 ? name_of(r, im, gi->topics[i].topic_id) : gi->topics[i].name;
        for (uint32_t p = 0; p < gi->topics[i].partition_indexes_n; p++)
            oq->call.offsets[k++] = (struct coord_offset){.topic = name, .partition = gi->topics[i].partition_indexes[p],
                                                          .error = r->version >= 10 && !name.len ? K_UNKNOWN_TOPIC_ID : 0};
    }
    counted_release(&im->c);
    offset_fetch_response_group_init(&fw->out.groups[fw->at]);
    fw->out.groups[fw->at].group_id = gi->group_id;
    oq->out = fw;
    oq->call.all = !gi->topics;
    oq->call.member_id = gi->member_id;
    oq->call.generation = r->version >= 9 ? gi->member_epoch : -1;
    oq->call.require_stable = in->require_stable;
    coord_group_fetch(req_broker(r)->coord, &oq->call);
}

void api_offset_fetch(struct req *r)
{
    if (REQ_DECODE(r, offset_fetch_request) < 0)
        return;
    const struct offset_fetch_request *in = r->own;
    struct fetch_walk *fw = REQ_NEW(r, struct fetch_walk);
    fw->r = r;
    fw->groups = in->groups;
    fw->ngroups = in->groups_n;
    if (r->version < 8) {
        struct offset_fetch_request_group *g = fw->groups = REQ_NEW(r, struct offset_fetch_request_group);
        fw->ngroups = 1;
        offset_fetch_request_group_init(g);
        g->group_id = in->group_id;
        g->topics = in->topics ? REQ_ARRAY(r, struct offset_fetch_request_group_topic, in->topics_n + 1) : NULL;
        for (; g->topics_n < in->topics_n; g->topics_n++)
            g->topics[g->topics_n] = (struct offset_fetch_request_group_topic){
                .name = in->topics[g->topics_n].name, .partition_indexes = in->topics[g->topics_n].partition_indexes,
                .partition_indexes_n = in->topics[g->topics_n].partition_indexes_n};
    }
    offset_fetch_response_init(&fw->out);
    fw->out.groups = REQ_ARRAY(r, struct offset_fetch_response_group, fw->ngroups + 1);
    fw->out.groups_n = fw->ngroups;
    fetch_next(fw);
}

/* ---- OffsetDelete */

static void delete_done(struct coord_group_call *call)
{
    struct offset_req *oq = req_of(call);
    const struct offset_delete_request *in = oq->r->own;
    struct offset_delete_response out;
    uint32_t k = 0;
    offset_delete_response_init(&out);
    out.error_code = call->error;
    out.topics = REQ_ARRAY(oq->r, struct offset_delete_response_topic, in->topics_n + 1);
    for (; out.topics_n < in->topics_n && !call->error; out.topics_n++) {
        const struct offset_delete_request_topic *ti = &in->topics[out.topics_n];
        struct offset_delete_response_topic *to = &out.topics[out.topics_n];
        to->name = ti->name;
        to->partitions = REQ_ARRAY(oq->r, struct offset_delete_response_partition, ti->partitions_n + 1);
        for (; to->partitions_n < ti->partitions_n; to->partitions_n++, k++)
            to->partitions[to->partitions_n] = (struct offset_delete_response_partition){
                ti->partitions[to->partitions_n].partition_index, call->offsets[k].error};
    }
    req_reply(oq->r, &out);
}

void api_offset_delete(struct req *r)
{
    if (REQ_DECODE(r, offset_delete_request) < 0)
        return;
    const struct offset_delete_request *in = r->own;
    uint32_t n = 0, k = 0;
    for (uint32_t i = 0; i < in->topics_n; i++)
        n += in->topics[i].partitions_n;
    struct offset_req *oq = offset_req_new(r, in->group_id, n, delete_done);
    struct image *im = req_image(r);
    for (uint32_t i = 0; i < in->topics_n; i++)
        for (uint32_t p = 0; p < in->topics[i].partitions_n; p++, k++) {
            int32_t part = in->topics[i].partitions[p].partition_index;
            oq->call.offsets[k] = (struct coord_offset){.topic = in->topics[i].name, .partition = part,
                                                        .error = part_there(im, in->topics[i].name, part)};
        }
    counted_release(&im->c);
    coord_group_forget(req_broker(r)->coord, &oq->call);
}
