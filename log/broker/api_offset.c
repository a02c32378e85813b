/* ListOffsets, OffsetForLeaderEpoch, DeleteRecords, DescribeProducers: what partitions are asked for one by one.
 *
 * All go the same way: name the partitions, have their owners open them, answer each from its view, or by a hop to its
 * owner. Searching by
 * time may read from disk, so a worker does it. */
#include "log/base/alloc.h"
#include "log/base/map.h"
#include "log/broker/request.h"

enum {
    TS_LATEST = -1,
    TS_EARLIEST = -2,
    TS_MAX = -3,
    TS_EARLIEST_LOCAL = -4,
    TS_TIERED = -5,
    TS_PENDING_UPLOAD = -6,
};

struct spot {
    struct part *part;
    struct view *view;
    int16_t error;
    void *in, *out; /* of the request and the answer */
};
struct spots {
    struct req *r;
    struct image *im;
    struct spot *spots;
    uint32_t n;
    void *request, *response;
    void (*ready)(struct spots *sp); /* views are there, where there is no error */
    struct work work;
    uint32_t left; /* DeleteRecords: hops under way */
};

static struct spots *spots_new(struct req *r, uint32_t max, void *response, void (*ready)(struct spots *))
{
    struct spots *sp = REQ_NEW(r, struct spots);
    *sp = (struct spots){.r = r, .im = req_image(r), .spots = REQ_ARRAY(r, struct spot, max), .request = r->own,
                         .response = response, .ready = ready};
    r->own = sp;
    return sp;
}

static void spots_add(struct spots *sp, struct str name, int32_t index, void *in, void *out)
{
    struct spot *s = &sp->spots[sp->n++];
    const struct topic *t = image_topic(sp->im, name);
    *s = (struct spot){.in = in, .out = out};
    if (!t || index < 0 || index >= t->nparts) {
        s->error = K_UNKNOWN_TOPIC;
        return;
    }
    s->part = t->parts[index];
    s->view = part_view(s->part);
}

static void spots_reply(struct spots *sp)
{
    struct req *r = sp->r;
    for (uint32_t i = 0; i < sp->n; i++)
        if (sp->spots[i].view)
            counted_release(&sp->spots[i].view->c);
    struct image *im = sp->im;
    req_reply(r, sp->response);
    counted_release(&im->c);
}

static void spots_opened(struct req *r)
{
    struct spots *sp = r->own;
    for (uint32_t i = 0; i < sp->n; i++) {
        struct spot *s = &sp->spots[i];
        if (!s->part || s->view)
            continue;
        s->view = part_view(s->part);
        s->error = s->view ? K_NONE : K_STORAGE;
    }
    sp->ready(sp);
}

static void spots_run(struct spots *sp)
{
    struct part **missing = REQ_ARRAY(sp->r, struct part *, sp->n);
    unsigned n = 0;
    for (uint32_t i = 0; i < sp->n; i++)
        if (sp->spots[i].part && !sp->spots[i].view)
            missing[n++] = sp->spots[i].part;
    if (n)
        req_open_parts(sp->r, missing, n, spots_opened);
    else
        sp->ready(sp);
}

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

/* ---- DeleteRecords: a hop to each owner and back */

struct trim {
    struct msg msg;
    struct spots *sp;
    struct part *part;
    int64_t to;
    int status;
    struct delete_records_response_partition *out;
};

static void trim_back(struct msg *m)
{
    struct trim *tr = container_of(m, struct trim, msg);
    struct spots *sp = tr->sp;
    tr->out->error_code = err_kafka(tr->status);
    tr->out->low_watermark = tr->status < 0 ? -1 : tr->to;
    if (--sp->left == 0)
        spots_reply(sp);
}

static void trim_run(struct msg *m)
{
    struct trim *tr = container_of(m, struct trim, msg);
    struct view *v = part_view(tr->part);
    tr->status = 0;
    if (v && tr->to > v->log_start)
        tr->status = part_trim(tr->part, tr->to);
    else if (v)
        tr->to = v->log_start;
    if (v)
        counted_release(&v->c);
    tr->msg.run_cb = trim_back;
    loop_post(tr->sp->r->desk->loop, &tr->msg);
}

static void trim_ready(struct spots *sp)
{
    struct trim *trims = REQ_ARRAY(sp->r, struct trim, sp->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < sp->n; i++) {
        struct spot *s = &sp->spots[i];
        const struct delete_records_request_partition *pi = s->in;
        struct delete_records_response_partition *po = s->out;
        int64_t to = s->view && pi->offset == -1 ? s->view->high_watermark : pi->offset;
        if (!s->error && (to < 0 || to > s->view->high_watermark))
            s->error = K_OFFSET_RANGE;
        po->error_code = s->error;
        if (!s->error)
            trims[n++] = (struct trim){.msg.run_cb = trim_run, .sp = sp, .part = s->part, .to = to, .out = po};
    }
    sp->left = n;
    if (n == 0) {
        spots_reply(sp);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        loop_post(part_owner(trims[i].part), &trims[i].msg);
}

void api_delete_records(struct req *r)
{
    if (REQ_DECODE(r, delete_records_request) < 0)
        return;
    struct delete_records_request *in = r->own;
    struct delete_records_response *out = REQ_NEW(r, struct delete_records_response);
    uint32_t n = 0;
    delete_records_response_init(out);
    out->topics = REQ_ARRAY(r, struct delete_records_response_topic, in->topics_n);
    out->topics_n = in->topics_n;
    for (uint32_t i = 0; i < in->topics_n; i++)
        n += in->topics[i].partitions_n;
    struct spots *sp = spots_new(r, n, out, trim_ready);
    for (uint32_t i = 0; i < in->topics_n; i++) {
        struct delete_records_response_topic *to = &out->topics[i];
        const struct topic *t = image_topic(sp->im, in->topics[i].name);
        to->name = in->topics[i].name;
        to->partitions_n = in->topics[i].partitions_n;
        to->partitions = REQ_ARRAY(r, struct delete_records_response_partition, to->partitions_n);
        for (uint32_t k = 0; k < to->partitions_n; k++) {
            struct delete_records_request_partition *pi = &in->topics[i].partitions[k];
            delete_records_response_partition_init(&to->partitions[k]);
            to->partitions[k].partition_index = pi->partition_index;
            to->partitions[k].low_watermark = -1;
            spots_add(sp, to->name, pi->partition_index, pi, &to->partitions[k]);
            if (t && t->conf.keep && !sp->spots[sp->n - 1].error) {
                struct spot *s = &sp->spots[sp->n - 1];
                s->part = NULL; /* nobody needs to open it */
                s->error = err_kafka(E_POLICY);
            }
        }
    }
    spots_run(sp);
}

/* ---- DescribeProducers: a hop to each owner and back */

struct census {
    struct msg msg;
    struct spots *sp;
    struct part *part;
    struct producer_info *info;
    size_t n;
    int status;
    struct describe_producers_response_partition *out;
};

static void census_put(struct req *r, const struct census *ce)
{
    struct describe_producers_response_partition *po = ce->out;
    po->error_code = err_kafka(ce->status);
    if (ce->status < 0)
        return;
    po->active_producers = REQ_ARRAY(r, struct describe_producers_response_producer, ce->n);
    po->active_producers_n = (uint32_t)ce->n;
    for (size_t i = 0; i < ce->n; i++) {
        const struct producer_info *pi = &ce->info[i];
        po->active_producers[i] = (struct describe_producers_response_producer){
            .producer_id = pi->id, .producer_epoch = pi->epoch, .last_sequence = pi->last_seq,
            .last_timestamp = pi->seen_ms, .coordinator_epoch = pi->coordinator_epoch,
            .current_txn_start_offset = pi->txn_first};
    }
}

static void census_back(struct msg *m)
{
    struct census *ce = container_of(m, struct census, msg);
    struct spots *sp = ce->sp;
    census_put(sp->r, ce);
    xfree(ce->info);
    if (--sp->left == 0)
        spots_reply(sp);
}

static void census_run(struct msg *m)
{
    struct census *ce = container_of(m, struct census, msg);
    ce->status = part_producers(ce->part, &ce->info, &ce->n);
    ce->msg.run_cb = census_back;
    loop_post(ce->sp->r->desk->loop, &ce->msg);
}

static void census_ready(struct spots *sp)
{
    struct census *all = REQ_ARRAY(sp->r, struct census, sp->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < sp->n; i++) {
        struct spot *s = &sp->spots[i];
        struct describe_producers_response_partition *po = s->out;
        po->error_code = s->error;
        if (!s->error)
            all[n++] = (struct census){.msg.run_cb = census_run, .sp = sp, .part = s->part, .out = po};
    }
    sp->left = n;
    if (n == 0)
        spots_reply(sp);
    for (uint32_t i = 0; i < n; i++)
        loop_post(part_owner(all[i].part), &all[i].msg);
}

/* A partition named twice is told once: a short request must not make an answer of any length. */
static bool said_before(struct map *said, struct arena *a, struct str name, int32_t index)
{
    struct str what = {arena_alloc(a, name.len + 4), name.len + 4};
    memcpy((char *)what.ptr, name.ptr, name.len);
    put_be32((char *)what.ptr + name.len, (uint32_t)index);
    said_add(said, a, what);
    return said_times(said, what) > 1;
}

static void census_topic(struct spots *sp, const struct describe_producers_request_topic *ti,
                         struct describe_producers_response_topic *to, struct map *said)
{
    struct req *r = sp->r;
    to->name = ti->name;
    to->partitions = REQ_ARRAY(r, struct describe_producers_response_partition, ti->partition_indexes_n);
    for (uint32_t k = 0; k < ti->partition_indexes_n; k++) {
        if (said_before(said, &r->arena, ti->name, ti->partition_indexes[k]))
            continue;
        struct describe_producers_response_partition *po = &to->partitions[to->partitions_n++];
        describe_producers_response_partition_init(po);
        po->partition_index = ti->partition_indexes[k];
        spots_add(sp, to->name, po->partition_index, NULL, po);
    }
}

void api_describe_producers(struct req *r)
{
    if (REQ_DECODE(r, describe_producers_request) < 0)
        return;
    struct describe_producers_request *in = r->own;
    struct describe_producers_response *out = REQ_NEW(r, struct describe_producers_response);
    uint32_t n = 0;
    describe_producers_response_init(out);
    out->topics = REQ_ARRAY(r, struct describe_producers_response_topic, in->topics_n);
    out->topics_n = in->topics_n;
    for (uint32_t i = 0; i < in->topics_n; i++)
        n += in->topics[i].partition_indexes_n;
    struct spots *sp = spots_new(r, n, out, census_ready);
    struct map said;
    map_init(&said);
    for (uint32_t i = 0; i < in->topics_n; i++)
        census_topic(sp, &in->topics[i], &out->topics[i], &said);
    map_fini(&said);
    spots_run(sp);
}
