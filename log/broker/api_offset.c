/* ListOffsets, OffsetForLeaderEpoch. Searching by time may read from disk, so a worker does it. */
#include "log/broker/spot.h"

enum {
    TS_LATEST = -1,
    TS_EARLIEST = -2,
    TS_MAX = -3,
    TS_EARLIEST_LOCAL = -4,
    TS_TIERED = -5,
    TS_PENDING_UPLOAD = -6,
};

/* ---- ListOffsets */

static bool special_known(int64_t ts, int version)
{
    return ts >= TS_EARLIEST || (ts == TS_MAX && version >= 7) || (ts == TS_EARLIEST_LOCAL && version >= 8) ||
           (ts == TS_TIERED && version >= 9) || (ts == TS_PENDING_UPLOAD && version >= 11);
}

/* On a worker. */
static void list_one(const struct list_offsets_request *in, int version, struct spot *s)
{
    const struct list_offsets_request_partition *pi = s->in;
    struct list_offsets_response_partition *po = s->out;
    int rc = 0;
    if (!s->error && s->view)
        s->error = check_epoch(s->view, pi->current_leader_epoch);
    if (!s->error && !special_known(pi->timestamp, version))
        s->error = K_UNSUPPORTED_VERSION;
    po->error_code = s->error;
    if (s->error)
        return;
    int64_t upto = in->isolation_level == 1 ? s->view->lso : s->view->high_watermark;
    if (pi->timestamp == TS_LATEST)
        po->offset = upto;
    else if (pi->timestamp == TS_EARLIEST || pi->timestamp == TS_EARLIEST_LOCAL)
        po->offset = s->view->log_start;
    else if (pi->timestamp == TS_MAX)
        rc = view_find_max_time(s->view, upto, &po->offset, &po->timestamp);
    else if (pi->timestamp >= 0)
        rc = view_find_time(s->view, pi->timestamp, upto, &po->offset, &po->timestamp);
    if (rc < 0) {
        po->error_code = err_kafka(rc);
        po->offset = po->timestamp = -1;
    } else if (po->offset >= 0) {
        po->leader_epoch = s->view->leader_epoch;
    } else {
        po->timestamp = -1;
    }
}

static void list_work(struct work *w)
{
    struct spots *sp = container_of(w, struct spots, work);
    for (uint32_t i = 0; i < sp->n; i++)
        list_one(sp->request, sp->r->version, &sp->spots[i]);
}

static void list_done(struct work *w) { spots_reply(container_of(w, struct spots, work)); }

static void list_ready(struct spots *sp)
{
    bool search = false;
    for (uint32_t i = 0; i < sp->n; i++) {
        int64_t ts = ((const struct list_offsets_request_partition *)sp->spots[i].in)->timestamp;
        search |= ts >= 0 || ts == TS_MAX;
    }
    sp->work = (struct work){.loop = sp->r->desk->loop, .work_cb = list_work, .done_cb = list_done};
    if (search) {
        loop_work(sp->r->desk->loop, LANE_DISK, &sp->work);
        return;
    }
    list_work(&sp->work);
    spots_reply(sp);
}

void api_list_offsets(struct req *r)
{
    if (REQ_DECODE(r, list_offsets_request) < 0)
        return;
    struct list_offsets_request *in = r->own;
    struct list_offsets_response *out = REQ_NEW(r, struct list_offsets_response);
    uint32_t n = 0;
    list_offsets_response_init(out);
    out->topics = REQ_ARRAY(r, struct list_offsets_response_topic, in->topics_n);
    out->topics_n = in->topics_n;
    for (uint32_t i = 0; i < in->topics_n; i++)
        n += in->topics[i].partitions_n;
    struct spots *sp = spots_new(r, n, out, list_ready);
    for (uint32_t i = 0; i < in->topics_n; i++) {
        struct list_offsets_response_topic *to = &out->topics[i];
        to->name = in->topics[i].name;
        to->partitions_n = in->topics[i].partitions_n;
        to->partitions = REQ_ARRAY(r, struct list_offsets_response_partition, to->partitions_n);
        for (uint32_t k = 0; k < to->partitions_n; k++) {
            struct list_offsets_request_partition *pi = &in->topics[i].partitions[k];
            list_offsets_response_partition_init(&to->partitions[k]);
            to->partitions[k].partition_index = pi->partition_index;
            to->partitions[k].offset = to->partitions[k].timestamp = -1;
            spots_add(sp, to->name, pi->partition_index, pi, &to->partitions[k]);
        }
    }
    spots_run(sp);
}

/* ---- OffsetForLeaderEpoch */

static void epoch_ready(struct spots *sp)
{
    for (uint32_t i = 0; i < sp->n; i++) {
        struct spot *s = &sp->spots[i];
        const struct offset_for_leader_epoch_request_partition *pi = s->in;
        struct offset_for_leader_epoch_response_partition *po = s->out;
        if (!s->error)
            s->error = check_epoch(s->view, pi->current_leader_epoch);
        po->error_code = s->error;
        if (!s->error)
            view_epoch_end(s->view, pi->leader_epoch, &po->leader_epoch, &po->end_offset);
    }
    spots_reply(sp);
}

void api_offset_for_leader_epoch(struct req *r)
{
    if (REQ_DECODE(r, offset_for_leader_epoch_request) < 0)
        return;
    struct offset_for_leader_epoch_request *in = r->own;
    struct offset_for_leader_epoch_response *out = REQ_NEW(r, struct offset_for_leader_epoch_response);
    uint32_t n = 0;
    offset_for_leader_epoch_response_init(out);
    out->topics = REQ_ARRAY(r, struct offset_for_leader_epoch_response_topic, in->topics_n);
    out->topics_n = in->topics_n;
    for (uint32_t i = 0; i < in->topics_n; i++)
        n += in->topics[i].partitions_n;
    struct spots *sp = spots_new(r, n, out, epoch_ready);
    for (uint32_t i = 0; i < in->topics_n; i++) {
        struct offset_for_leader_epoch_response_topic *to = &out->topics[i];
        to->topic = in->topics[i].topic;
        to->partitions_n = in->topics[i].partitions_n;
        to->partitions = REQ_ARRAY(r, struct offset_for_leader_epoch_response_partition, to->partitions_n);
        for (uint32_t k = 0; k < to->partitions_n; k++) {
            struct offset_for_leader_epoch_request_partition *pi = &in->topics[i].partitions[k];
            offset_for_leader_epoch_response_partition_init(&to->partitions[k]);
            to->partitions[k].partition = pi->partition;
            to->partitions[k].leader_epoch = -1;
            to->partitions[k].end_offset = -1;
            spots_add(sp, to->topic, pi->partition, pi, &to->partitions[k]);
        }
    }
    spots_run(sp);
}
