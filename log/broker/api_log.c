/* DeleteRecords, DescribeProducers, DescribeLogDirs: what is in a partition's log. */
#include "log/base/alloc.h"
#include "log/base/map.h"
#include "log/broker/spot.h"

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

/* ---- DescribeLogDirs: the one folder there is. How much room its disk has is asked on a worker. */

struct dirs {
    struct work work;
    struct spots *sp;
    int64_t total, usable;
};

static void dirs_work(struct work *w)
{
    struct dirs *ds = container_of(w, struct dirs, work);
    struct store *st = req_broker(ds->sp->r)->store;
    ds->usable = disk_free_bytes(store_disk(st), store_dir(st));
    ds->total = disk_total_bytes(store_disk(st), store_dir(st));
}

static void dirs_done(struct work *w)
{
    struct dirs *ds = container_of(w, struct dirs, work);
    struct describe_log_dirs_response *out = ds->sp->response;
    out->results[0].usable_bytes = MAX(ds->usable, INT64_C(-1));
    out->results[0].total_bytes = MAX(ds->total, INT64_C(-1));
    spots_reply(ds->sp);
}

static void dirs_ready(struct spots *sp)
{
    struct dirs *ds = REQ_NEW(sp->r, struct dirs);
    for (uint32_t i = 0; i < sp->n; i++) {
        struct describe_log_dirs_response_partition *po = sp->spots[i].out;
        po->partition_size = sp->spots[i].view ? view_bytes(sp->spots[i].view) : 0;
    }
    ds->sp = sp;
    ds->work = (struct work){.loop = sp->r->desk->loop, .work_cb = dirs_work, .done_cb = dirs_done};
    loop_work(sp->r->desk->loop, LANE_DISK, &ds->work);
}

/* Partitions that do not exist are left out, as they are in no folder. */
static void dirs_topic(struct spots *sp, const struct topic *t, const int32_t *parts, uint32_t n, struct map *said,
                       struct describe_log_dirs_response_result *res)
{
    struct describe_log_dirs_response_topic *to = &res->topics[res->topics_n];
    describe_log_dirs_response_topic_init(to);
    to->name = str_of(arena_strdup(&sp->r->arena, t->name));
    to->partitions = REQ_ARRAY(sp->r, struct describe_log_dirs_response_partition, n);
    for (uint32_t k = 0; k < n; k++) {
        int32_t index = parts ? parts[k] : (int32_t)k;
        if (index < 0 || index >= t->nparts || (parts && said_before(said, &sp->r->arena, to->name, index)))
            continue;
        struct describe_log_dirs_response_partition *po = &to->partitions[to->partitions_n++];
        po->partition_index = index;
        spots_add(sp, to->name, index, NULL, po);
    }
    res->topics_n += to->partitions_n > 0;
}

void api_describe_log_dirs(struct req *r)
{
    if (REQ_DECODE(r, describe_log_dirs_request) < 0)
        return;
    const struct describe_log_dirs_request *in = r->own;
    struct describe_log_dirs_response *out = REQ_NEW(r, struct describe_log_dirs_response);
    struct describe_log_dirs_response_result *res = REQ_NEW(r, struct describe_log_dirs_response_result);
    struct image *im = req_image(r);
    uint32_t n = 0;
    for (unsigned i = 0; i < im->ntopics && !in->topics; i++)
        n += (uint32_t)im->topics[i]->nparts;
    for (uint32_t i = 0; i < in->topics_n; i++)
        n += in->topics[i].partitions_n;
    describe_log_dirs_response_init(out);
    describe_log_dirs_response_result_init(res);
    out->results = res;
    out->results_n = 1;
    res->log_dir = str_of(store_dir(req_broker(r)->store));
    struct spots *sp = spots_new(r, n, out, dirs_ready);
    struct map said;
    map_init(&said);
    res->topics = REQ_ARRAY(r, struct describe_log_dirs_response_topic, in->topics ? in->topics_n : im->ntopics);
    for (unsigned i = 0; i < im->ntopics && !in->topics; i++)
        dirs_topic(sp, im->topics[i], NULL, (uint32_t)im->topics[i]->nparts, &said, res);
    for (uint32_t i = 0; i < in->topics_n; i++) {
        const struct topic *t = image_topic(sp->im, in->topics[i].topic);
        if (t)
            dirs_topic(sp, t, in->topics[i].partitions, in->topics[i].partitions_n, &said, res);
    }
    map_fini(&said);
    counted_release(&im->c);
    spots_run(sp);
}
