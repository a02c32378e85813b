/* Produce: check what came for each partition, submit all appends as one set, answer when all are durable.
 *
 * A batch that would begin a transaction on its partition comes back unverified. The coordinator is asked whether the
 * partition is in the producer's transaction, or, from version 12 on, to add it; then those appends are made once more,
 * each with the guard that the store gave, so that no answer from before a marker lets a batch in after it. Requests of
 * the same producer that come meanwhile keep their order (line.h).
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
    const struct topic **topic;                /* per append */
    struct buf **built;                        /* per append: buffer of its own, or NULL */
    size_t built_bytes;                        /* of all of them */
    bool failed;
    int64_t txn_producer; /* of the first transactional batch; -1: there is none */
    struct line_place place;
    unsigned unverified; /* appends that came back so, and then: */
    struct coord_call call;
    struct append_set again;
    struct produce_response_partition **again_where;
    unsigned *again_part; /* place in call.parts */
    bool room; /* on the disk */
};

enum { IMPLICIT_ADD = 12, TELLS_ABORTABLE = 11 }; /* versions */

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

static void told(struct req *r, struct produce *pr, const struct append *ap, struct produce_response_partition *po)
{
    if (ap->status == E_TXN_UNVERIFIED && r->version >= TELLS_ABORTABLE) {
        refuse(r, pr, po, K_TXN_ABORTABLE, err_text(ap->status));
    } else if (ap->status < 0) {
        refuse(r, pr, po, err_kafka(ap->status), err_text(ap->status));
    } else {
        po->base_offset = ap->base_offset;
        po->log_append_time_ms = ap->append_time_ms;
        po->log_start_offset = ap->log_start;
    }
}

static void produced(struct produce *pr)
{
    for (unsigned i = 0; i < pr->set.n; i++)
        buf_release(pr->built[i]);
    line_leave(&pr->place);
    produce_finish(pr->r, pr);
}

static void appended_again(struct append_set *set)
{
    struct produce *pr = container_of(set, struct produce, again);
    for (unsigned i = 0; i < set->n; i++)
        told(pr->r, pr, &set->items[i], pr->again_where[i]);
    produced(pr);
}

/* The coordinator's words as a producer knows them; who cannot be asked now may be asked again. */
static int16_t verify_code(const struct req *r, int16_t code)
{
    switch (code) {
    case K_PRODUCER_FENCED:
        return K_INVALID_PRODUCER_EPOCH;
    case K_TXN_ABORTABLE:
        return r->version >= TELLS_ABORTABLE ? K_TXN_ABORTABLE : K_INVALID_TXN_STATE;
    case K_CONCURRENT_TRANSACTIONS:
        return r->version >= IMPLICIT_ADD ? code : K_NOT_ENOUGH_REPLICAS;
    case K_COORDINATOR_LOADING:
    case K_COORDINATOR_NOT_AVAILABLE:
    case K_NOT_COORDINATOR:
        return K_NOT_ENOUGH_REPLICAS;
    default:
        return code;
    }
}

static void verified(struct coord_call *call)
{
    struct produce *pr = container_of(call, struct produce, call);
    struct req *r = pr->r;
    unsigned n = 0;
    for (unsigned i = 0; i < pr->again.n; i++) {
        int16_t code = call->error ? call->error : call->parts[pr->again_part[i]].error;
        if (code) {
            refuse(r, pr, pr->again_where[i], verify_code(r, code), NULL);
            continue;
        }
        pr->again.items[n] = pr->again.items[i];
        pr->again.items[n].flags |= APPEND_VERIFIED;
        pr->again_where[n++] = pr->again_where[i];
    }
    pr->again.n = n;
    if (n) {
        store_append(req_broker(r)->store, &pr->again);
        line_pass(&pr->place);
    } else {
        produced(pr);
    }
}

/* One transactional id has one producer: batches of any other are not of its transaction. */
static void verify(struct produce *pr)
{
    struct req *r = pr->r;
    unsigned n = pr->unverified;
    struct recbatch first = {.producer_id = -1}, rb;
    pr->again = (struct append_set){.from = r->desk->loop, .items = REQ_ARRAY(r, struct append, n),
                                    .done_cb = appended_again};
    pr->again_where = REQ_ARRAY(r, struct produce_response_partition *, n);
    pr->again_part = REQ_ARRAY(r, unsigned, n);
    bool add = r->version >= IMPLICIT_ADD;
    pr->call = (struct coord_call){.from = r->desk->loop, .done_cb = verified, .txn_id = pr->in->transactional_id,
                                   .parts = REQ_ARRAY(r, struct coord_part, n),
                                   .flags = add ? COORD_V2 | COORD_BRIEFLY : 0};
    for (unsigned i = 0; i < pr->set.n; i++) {
        const struct append *ap = &pr->set.items[i];
        if (ap->status != E_TXN_UNVERIFIED)
            continue;
        CHECK(recbatch_peek(&rb, (struct str){(const char *)ap->bytes, ap->len}) == 0);
        if (first.producer_id < 0)
            first = rb;
        if (rb.producer_id != first.producer_id || rb.producer_epoch != first.producer_epoch) {
            refuse(r, pr, pr->where[i], K_INVALID_PRODUCER_ID_MAPPING, NULL);
            continue;
        }
        pr->again.items[pr->again.n] = (struct append){.part = ap->part, .buf = ap->buf, .bytes = ap->bytes,
                                                       .len = ap->len, .flags = ap->flags, .guard = ap->guard};
        pr->again_where[pr->again.n] = pr->where[i];
        pr->again_part[pr->again.n++] = pr->call.nparts;
        pr->call.parts[pr->call.nparts++] = (struct coord_part){.topic = str_of(pr->topic[i]->name), .index = pr->where[i]->index};
    }
    pr->call.producer_id = first.producer_id;
    pr->call.epoch = first.producer_epoch;
    if (add)
        coord_add_parts(req_broker(r)->coord, &pr->call);
    else
        coord_verify(req_broker(r)->coord, &pr->call);
}

static void appended(struct append_set *set)
{
    struct produce *pr = container_of(set, struct produce, set);
    for (unsigned i = 0; i < set->n; i++) {
        if (set->items[i].status == E_TXN_UNVERIFIED)
            pr->unverified++;
        else
            told(pr->r, pr, &set->items[i], pr->where[i]);
    }
    if (pr->unverified)
        line_stuck(&pr->place);
    else
        produced(pr);
}

static void produce_go(struct line_place *pl, bool ask)
{
    struct produce *pr = container_of(pl, struct produce, place);
    if (ask)
        verify(pr);
    else
        store_append(req_broker(pr->r)->store, &pr->set);
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
    bool txn = v.head.attributes & RECBATCH_TXN;
    if (txn && !pr->in->transactional_id.len) {
        refuse(r, pr, po, K_TRANSACTIONAL_ID_AUTHORIZATION, "the batch belongs to a transaction, the request to none");
        return false;
    }
    *ap = (struct append){.part = t->parts[po->index], .buf = r->frame, .len = (uint32_t)bytes.len,
                          .flags = txn && r->version >= IMPLICIT_ADD ? APPEND_TXN_V2 : 0};
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
    if (txn && pr->txn_producer < 0)
        pr->txn_producer = v.head.producer_id;
    return true;
}

/* What stands against an append whatever its bytes are; 0: nothing. */
static int16_t partition_error(const struct produce *pr, const struct topic *t, int32_t index)
{
    if (pr->in->acks < -1 || pr->in->acks > 1)
        return K_INVALID_ACKS;
    if (!t || index < 0 || index >= t->nparts)
        return K_UNKNOWN_TOPIC;
    if (pr->in->acks == -1 && t->min_isr > 1)
        return K_NOT_ENOUGH_REPLICAS;
    return topic_owned(pr->im, t, NULL); /* who writes there writes the coordinators' state, or a job's */
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
        else if (!pr->room)
            refuse(r, pr, po, err_kafka(E_FULL), "the disk has less free than weir.disk.reserve.bytes");
        else if (judge(r, pr, t, pi->records, &pr->set.items[n], po, &pr->built[n])) {
            pr->where[n] = po;
            pr->topic[n] = t;
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
    pr->topic = REQ_ARRAY(r, const struct topic *, n);
    pr->txn_producer = -1;
    pr->room = reserve_take(&r->desk->reserve, r->frame->len);
    pr->place.go_cb = produce_go;
    pr->built = REQ_ARRAY(r, struct buf *, n);
    pr->im = req_image(r);
    req_charge(r, QUOTA_PRODUCE, (double)r->frame->len);
    for (uint32_t i = 0; i < pr->in->topic_data_n; i++)
        produce_topic(r, pr, i);
    if (!pr->set.n)
        produce_finish(r, pr);
    else if (pr->txn_producer < 0 || line_enter(&r->desk->lines, pr->txn_producer, &pr->place))
        store_append(req_broker(r)->store, &pr->set);
}
