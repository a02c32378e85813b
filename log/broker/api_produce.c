/* Produce: check what came for each partition, submit all appends as one set, answer when all are durable.
 *
 * Record bytes stay in the frame: the store stamps offset and leader epoch there and writes them from there. A batch
 * that must be rebuilt (another codec, gaps in its deltas) gets a buffer of its own. */
#include "log/broker/request.h"

struct produce {
    struct produce_request *in;
    struct produce_response out;
    struct req *r;
    struct image *im; /* keeps topics and their parts alive */
    struct append_set set;
    struct produce_response_partition **where; /* per append: its place in the answer */
    struct buf **built;                        /* per append: buffer of its own, or NULL */
    size_t built_bytes;                        /* of all of them */
    bool failed;
};

static void produce_finish(struct req *r, struct produce *pr)
{
    counted_release(&pr->im->c);
    if (pr->in->acks != 0)
        req_reply(r, &pr->out);
    else if (pr->failed)
        req_fail(r, E_BAD_REQUEST);
    else
        req_drop(r);
}

static void refuse(struct req *r, struct produce *pr, struct produce_response_partition *po, int16_t code,
                   const char *text)
{
    po->error_code = code;
    if (text)
        po->error_message = str_of(arena_strdup(&r->arena, text));
    pr->failed = true;
}

static void appended(struct append_set *set)
{
    struct produce *pr = container_of(set, struct produce, set);
    for (unsigned i = 0; i < set->n; i++) {
        const struct append *ap = &set->items[i];
        struct produce_response_partition *po = pr->where[i];
        buf_release(pr->built[i]);
        if (ap->status < 0) {
            po->error_code = err_kafka(ap->status);
            po->error_message = str_of(err_text(ap->status));
            pr->failed = true;
            continue;
        }
        po->base_offset = ap->base_offset;
        po->log_append_time_ms = ap->append_time_ms;
        po->log_start_offset = ap->log_start;
    }
    produce_finish(pr->r, pr);
}

static void judge_refuse(struct req *r, struct produce *pr, struct produce_response_partition *po,
                         const struct recbatch_verdict *v)
{
    refuse(r, pr, po, err_kafka(v->err), v->text[0] ? v->text : err_text(v->err));
    if (v->record >= 0) {
        po->record_errors = REQ_NEW(r, struct produce_response_record_error);
        po->record_errors_n = 1;
        po->record_errors[0] = (struct produce_response_record_error){v->record, po->error_message};
    }
}

/* Checks one partition's bytes and makes them ready in *ap; false: refused, the answer says why. */
static bool judge(struct req *r, struct produce *pr, const struct topic *t, struct str bytes, struct append *ap,
                  struct produce_response_partition *po, struct buf **built)
{
    struct recbatch_rules rules = {
        .produce_version = r->version,
        .now_ms = loop_wall_ms(r->desk->loop),
        .ts_before_max_ms = t->ts_before_max_ms,
        .ts_after_max_ms = t->ts_after_max_ms,
        .append_time = t->conf.append_time,
        .compacted = t->conf.compact,
        .codec = t->conf.compression,
        .bytes_max = (uint32_t)t->conf.max_message_bytes,
        .segment_bytes = (uint32_t)MIN(t->conf.segment_bytes, (int64_t)UINT32_MAX),
        .inflated_max = MIN(compress_limit(bytes.len), (size_t)INFLATED_MAX),
    };
    struct recbatch_verdict v;
    if (recbatch_validate_produce(&v, bytes, &rules, r->desk->compress) < 0) {
        judge_refuse(r, pr, po, &v);
        return false;
    }
    if (v.head.attributes & RECBATCH_TXN) {
        refuse(r, pr, po, K_INVALID_TXN_STATE, "the batch belongs to a transaction, which nobody has begun");
        return false;
    }
    *ap = (struct append){.part = t->parts[po->index], .buf = r->frame, .len = (uint32_t)bytes.len};
    ap->bytes = r->frame->data + (bytes.ptr - (const char *)r->frame->data);
    if (v.rebuild) {
        struct wbuf w;
        wbuf_init(&w);
        enum codec codec = t->conf.compression < 0 ? recbatch_codec(&v.head) : (enum codec)t->conf.compression;
        int rc = recbatch_rebuild(bytes, codec, r->desk->compress, rules.inflated_max, &w);
        /* Few bytes may become many: what a request is rebuilt into may not be larger than a request may be. */
        if (rc == 0 && (w.len > rules.bytes_max ||
                        pr->built_bytes + w.len > (size_t)req_broker(r)->bc.conf->request_max_bytes))
            rc = E_TOO_LARGE;
        if (rc < 0) {
            wbuf_fini(&w);
            refuse(r, pr, po, err_kafka(rc), err_text(rc));
            return false;
        }
        pr->built_bytes += w.len;
        *built = buf_new(w.len);
        memcpy((*built)->data, w.data, w.len);
        (*built)->len = (uint32_t)w.len;
        ap->buf = *built;
        ap->bytes = (*built)->data;
        ap->len = (*built)->len;
        wbuf_fini(&w);
    }
    if (v.fix_ts)
        recbatch_set_max_ts(ap->bytes, v.max_ts, rules.append_time);
    return true;
}

/* What stands against an append whatever its bytes are; 0: nothing. */
static int16_t partition_error(const struct produce *pr, const struct topic *t, int32_t index)
{
    if (pr->in->acks < -1 || pr->in->acks > 1)
        return K_INVALID_ACKS;
    if (pr->in->transactional_id.ptr)
        return K_TRANSACTIONAL_ID_AUTHORIZATION; /* InitProducerId has refused this producer already */
    if (!t || index < 0 || index >= t->nparts)
        return K_UNKNOWN_TOPIC;
    if (pr->in->acks == -1 && t->min_isr > 1)
        return K_NOT_ENOUGH_REPLICAS;
    return K_NONE;
}

static void produce_topic(struct req *r, struct produce *pr, uint32_t i)
{
    const struct produce_request_topic *ti = &pr->in->topic_data[i];
    struct produce_response_topic *to = &pr->out.responses[i];
    const struct topic *t;
    int16_t found = req_topic(pr->im, r->version >= 13, ti->name, ti->topic_id, &t);
    *to = (struct produce_response_topic){.name = ti->name, .topic_id = ti->topic_id};
    to->partition_responses = REQ_ARRAY(r, struct produce_response_partition, ti->partition_data_n);
    to->partition_responses_n = ti->partition_data_n;
    for (uint32_t k = 0; k < ti->partition_data_n; k++) {
        const struct produce_request_partition *pi = &ti->partition_data[k];
        struct produce_response_partition *po = &to->partition_responses[k];
        produce_response_partition_init(po);
        po->index = pi->index;
        po->base_offset = -1;
        int16_t code = found && pr->in->acks >= -1 && pr->in->acks <= 1 ? found : partition_error(pr, t, pi->index);
        unsigned n = pr->set.n;
        if (code)
            refuse(r, pr, po, code, NULL);
        else if (judge(r, pr, t, pi->records, &pr->set.items[n], po, &pr->built[n])) {
            pr->where[n] = po;
            pr->set.n++;
        }
    }
}

void api_produce(struct req *r)
{
    if (REQ_DECODE(r, produce_request) < 0)
        return;
    struct produce *pr = REQ_NEW(r, struct produce);
    pr->r = r;
    pr->in = r->own;
    uint32_t n = 0;
    for (uint32_t i = 0; i < pr->in->topic_data_n; i++)
        n += pr->in->topic_data[i].partition_data_n;
    produce_response_init(&pr->out);
    pr->out.responses = REQ_ARRAY(r, struct produce_response_topic, pr->in->topic_data_n);
    pr->out.responses_n = pr->in->topic_data_n;
    pr->set = (struct append_set){.from = r->desk->loop, .items = REQ_ARRAY(r, struct append, n), .done_cb = appended};
    pr->where = REQ_ARRAY(r, struct produce_response_partition *, n);
    pr->built = REQ_ARRAY(r, struct buf *, n);
    pr->im = req_image(r);
    for (uint32_t i = 0; i < pr->in->topic_data_n; i++)
        produce_topic(r, pr, i);
    if (pr->set.n)
        store_append(req_broker(r)->store, &pr->set);
    else
        produce_finish(r, pr);
}
