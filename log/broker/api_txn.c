/* Transactions: what producers ask of the coordinator, what brokers ask of each other, and what operators look at.
 * FindCoordinator is here too: one node coordinates everything. */
#include "log/base/map.h"
#include "log/base/pattern.h"
#include "log/broker/request.h"

/* A producer that is fenced has a word of its own from a version on; before that its epoch is just wrong. */
int16_t req_fenced(const struct req *r, int16_t code, int since)
{
    return code == K_PRODUCER_FENCED && r->version < since ? K_INVALID_PRODUCER_EPOCH : code;
}

/* ---- FindCoordinator */

enum { COORDINATOR_KEYS_MAX = 10000 };

void api_find_coordinator(struct req *r)
{
    if (REQ_DECODE(r, find_coordinator_request) < 0)
        return;
    const struct find_coordinator_request *in = r->own;
    struct find_coordinator_response out;
    int16_t code = in->key_type == COORD_GROUP || in->key_type == COORD_TXN ? K_NONE : K_INVALID_REQUEST;
    if (in->coordinator_keys_n > COORDINATOR_KEYS_MAX)
        code = K_INVALID_REQUEST;
    find_coordinator_response_init(&out);
    out.error_code = code;
    out.node_id = code ? -1 : req_broker(r)->node_id;
    out.host = STR("");
    out.port = -1;
    if (!code)
        req_address(r, &out.host, &out.port);
    out.coordinators = REQ_ARRAY(r, struct find_coordinator_response_coordinator, in->coordinator_keys_n);
    out.coordinators_n = in->coordinator_keys_n;
    for (uint32_t i = 0; i < in->coordinator_keys_n; i++)
        out.coordinators[i] = (struct find_coordinator_response_coordinator){
            .key = in->coordinator_keys[i], .node_id = out.node_id, .host = out.host, .port = out.port,
            .error_code = code};
    req_reply(r, &out);
}

/* ---- AddPartitionsToTxn */

/* One producer's partitions, from either form of the request. */
struct adding {
    struct coord_call call;
    struct add *add;
    bool refused; /* a partition does not exist: nothing is added */
};
struct add {
    struct req *r;
    struct adding *ones;
    uint32_t n, left;
};
struct topic_parts {
    struct str name;
    const int32_t *partitions;
    uint32_t n;
};

/* Partitions that do not exist are refused, and then all others of the producer with them. */
static void adding_parts(struct adding *a, const struct image *im, const struct topic_parts *topics, uint32_t n)
{
    struct req *r = a->add->r;
    uint32_t all = 0, k = 0;
    for (uint32_t i = 0; i < n; i++)
        all += topics[i].n;
    a->call.parts = REQ_ARRAY(r, struct coord_part, all);
    a->call.nparts = all;
    for (uint32_t i = 0; i < n; i++) {
        const struct topic *t = image_topic(im, topics[i].name);
        for (uint32_t p = 0; p < topics[i].n; p++, k++) {
            int32_t index = topics[i].partitions[p];
            bool known = t && index >= 0 && index < t->nparts;
            a->call.parts[k] = (struct coord_part){topics[i].name, index, known ? K_NONE : K_UNKNOWN_TOPIC};
            a->refused |= !known;
        }
    }
    for (k = 0; a->refused && k < all; k++)
        if (!a->call.parts[k].error)
            a->call.parts[k].error = K_NOT_ATTEMPTED;
}

static int16_t adding_error(const struct adding *a, uint32_t k)
{
    const struct req *r = a->add->r;
    int16_t code = a->call.parts[k].error ? a->call.parts[k].error : a->call.error;
    if (code == K_TXN_ABORTABLE && r->version < 5)
        code = K_INVALID_TXN_STATE;
    return req_fenced(r, code, 2);
}

static void add_answer_old(struct add *add, struct add_partitions_to_txn_response *out)
{
    struct req *r = add->r;
    const struct add_partitions_to_txn_request *in = r->own;
    uint32_t n = in->v3_and_below_topics_n, k = 0;
    out->results_by_topic_v3_and_below = REQ_ARRAY(r, struct add_partitions_to_txn_response_old_topic_result, n);
    out->results_by_topic_v3_and_below_n = n;
    for (uint32_t i = 0; i < n; i++) {
        const struct add_partitions_to_txn_request_old_topic *ti = &in->v3_and_below_topics[i];
        struct add_partitions_to_txn_response_old_topic_result *to = &out->results_by_topic_v3_and_below[i];
        to->name = ti->name;
        to->results_by_partition_n = ti->partitions_n;
        to->results_by_partition =
            REQ_ARRAY(r, struct add_partitions_to_txn_response_old_partition_result, ti->partitions_n);
        for (uint32_t p = 0; p < ti->partitions_n; p++)
            to->results_by_partition[p] = (struct add_partitions_to_txn_response_old_partition_result){
                ti->partitions[p], adding_error(&add->ones[0], k++)};
    }
}

static void add_answer_one(struct add *add, uint32_t at, struct add_partitions_to_txn_response_result *out)
{
    struct req *r = add->r;
    const struct add_partitions_to_txn_request *in = r->own;
    const struct add_partitions_to_txn_request_transaction *tx = &in->transactions[at];
    uint32_t k = 0;
    out->transactional_id = tx->transactional_id;
    out->topic_results = REQ_ARRAY(r, struct add_partitions_to_txn_response_topic_result, tx->topics_n);
    out->topic_results_n = tx->topics_n;
    for (uint32_t i = 0; i < tx->topics_n; i++) {
        const struct add_partitions_to_txn_request_topic *ti = &tx->topics[i];
        struct add_partitions_to_txn_response_topic_result *to = &out->topic_results[i];
        to->name = ti->name;
        to->results_by_partition_n = ti->partitions_n;
        to->results_by_partition =
            REQ_ARRAY(r, struct add_partitions_to_txn_response_partition_result, ti->partitions_n);
        for (uint32_t p = 0; p < ti->partitions_n; p++)
            to->results_by_partition[p] = (struct add_partitions_to_txn_response_partition_result){
                ti->partitions[p], adding_error(&add->ones[at], k++)};
    }
}

static void add_done(struct add *add)
{
    if (--add->left)
        return;
    struct req *r = add->r;
    struct add_partitions_to_txn_response out;
    add_partitions_to_txn_response_init(&out);
    if (r->version < 4) {
        add_answer_old(add, &out);
    } else {
        out.results_by_transaction = REQ_ARRAY(r, struct add_partitions_to_txn_response_result, add->n);
        out.results_by_transaction_n = add->n;
        for (uint32_t i = 0; i < add->n; i++)
            add_answer_one(add, i, &out.results_by_transaction[i]);
    }
    req_reply(r, &out);
}

static void adding_done(struct coord_call *call) { add_done(container_of(call, struct adding, call)->add); }

static void adding_old(struct add *add, const struct image *im)
{
    struct req *r = add->r;
    const struct add_partitions_to_txn_request *in = r->own;
    struct topic_parts *topics = REQ_ARRAY(r, struct topic_parts, in->v3_and_below_topics_n);
    for (uint32_t i = 0; i < in->v3_and_below_topics_n; i++)
        topics[i] = (struct topic_parts){in->v3_and_below_topics[i].name, in->v3_and_below_topics[i].partitions,
                                         in->v3_and_below_topics[i].partitions_n};
    struct coord_call *call = &add->ones[0].call;
    call->txn_id = in->v3_and_below_transactional_id;
    call->producer_id = in->v3_and_below_producer_id;
    call->epoch = in->v3_and_below_producer_epoch;
    adding_parts(&add->ones[0], im, topics, in->v3_and_below_topics_n);
}

static void adding_new(struct add *add, const struct image *im, uint32_t at)
{
    struct req *r = add->r;
    const struct add_partitions_to_txn_request *in = r->own;
    const struct add_partitions_to_txn_request_transaction *tx = &in->transactions[at];
    struct topic_parts *topics = REQ_ARRAY(r, struct topic_parts, tx->topics_n);
    for (uint32_t i = 0; i < tx->topics_n; i++)
        topics[i] = (struct topic_parts){tx->topics[i].name, tx->topics[i].partitions, tx->topics[i].partitions_n};
    struct coord_call *call = &add->ones[at].call;
    call->txn_id = tx->transactional_id;
    call->producer_id = tx->producer_id;
    call->epoch = tx->producer_epoch;
    call->flags |= COORD_V2;
    adding_parts(&add->ones[at], im, topics, tx->topics_n);
}

void api_add_partitions_to_txn(struct req *r)
{
    if (REQ_DECODE(r, add_partitions_to_txn_request) < 0)
        return;
    const struct add_partitions_to_txn_request *in = r->own;
    struct add *add = REQ_NEW(r, struct add);
    add->r = r;
    add->n = r->version < 4 ? 1 : in->transactions_n;
    add->ones = REQ_ARRAY(r, struct adding, add->n);
    add->left = 1;
    struct image *im = req_image(r);
    for (uint32_t i = 0; i < add->n; i++) {
        struct adding *a = &add->ones[i];
        a->add = add;
        a->call = (struct coord_call){.from = r->desk->loop, .done_cb = adding_done, .flags = COORD_BRIEFLY};
        if (r->version < 4)
            adding_old(add, im);
        else
            adding_new(add, im, i);
        if (a->refused)
            continue;
        add->left++;
        if (r->version >= 4 && in->transactions[i].verify_only)
            coord_verify(req_broker(r)->coord, &a->call);
        else
            coord_add_parts(req_broker(r)->coord, &a->call);
    }
    counted_release(&im->c);
    add_done(add);
}

/* ---- AddOffsetsToTxn, EndTxn */

struct txn_step {
    struct coord_call call;
    struct req *r;
};

static void offsets_added(struct coord_call *call)
{
    struct req *r = container_of(call, struct txn_step, call)->r;
    struct add_offsets_to_txn_response out;
    add_offsets_to_txn_response_init(&out);
    out.error_code = req_fenced(r, call->error, 2);
    req_reply(r, &out);
}

void api_add_offsets_to_txn(struct req *r)
{
    if (REQ_DECODE(r, add_offsets_to_txn_request) < 0)
        return;
    const struct add_offsets_to_txn_request *in = r->own;
    struct txn_step *s = REQ_NEW(r, struct txn_step);
    s->r = r;
    s->call = (struct coord_call){.from = r->desk->loop, .done_cb = offsets_added, .txn_id = in->transactional_id,
                                  .producer_id = in->producer_id, .epoch = in->producer_epoch, .group = in->group_id,
                                  .flags = COORD_BRIEFLY};
    coord_add_offsets(req_broker(r)->coord, &s->call);
}

static void ended(struct coord_call *call)
{
    struct req *r = container_of(call, struct txn_step, call)->r;
    struct end_txn_response out;
    end_txn_response_init(&out);
    out.error_code = req_fenced(r, call->error, 2);
    out.producer_id = call->error ? -1 : call->producer_id;
    out.producer_epoch = call->error ? -1 : call->epoch;
    req_reply(r, &out);
}

void api_end_txn(struct req *r)
{
    if (REQ_DECODE(r, end_txn_request) < 0)
        return;
    const struct end_txn_request *in = r->own;
    struct txn_step *s = REQ_NEW(r, struct txn_step);
    s->r = r;
    s->call = (struct coord_call){.from = r->desk->loop, .done_cb = ended, .txn_id = in->transactional_id,
                                  .producer_id = in->producer_id, .epoch = in->producer_epoch,
                                  .commit = in->committed,
                                  .flags = COORD_BRIEFLY | (r->version >= 5 ? COORD_V2 : 0)};
    coord_end(req_broker(r)->coord, &s->call);
}

/* ---- WriteTxnMarkers */

struct writing {
    struct coord_markers m;
    struct write_markers *all;
};
struct write_markers {
    struct req *r;
    struct writing *ones;
    uint32_t left;
};

static void write_answer_one(struct req *r, const struct write_txn_markers_request_marker *mi,
                             const struct coord_part *parts, struct write_txn_markers_response_marker *mo)
{
    uint32_t k = 0;
    mo->producer_id = mi->producer_id;
    mo->topics = REQ_ARRAY(r, struct write_txn_markers_response_topic, mi->topics_n);
    mo->topics_n = mi->topics_n;
    for (uint32_t i = 0; i < mi->topics_n; i++) {
        struct write_txn_markers_response_topic *to = &mo->topics[i];
        to->name = mi->topics[i].name;
        to->partitions_n = mi->topics[i].partition_indexes_n;
        to->partitions = REQ_ARRAY(r, struct write_txn_markers_response_partition, to->partitions_n);
        for (uint32_t p = 0; p < to->partitions_n; p++, k++)
            to->partitions[p] = (struct write_txn_markers_response_partition){parts[k].index, parts[k].error};
    }
}

static void write_done(struct write_markers *w)
{
    if (--w->left)
        return;
    struct req *r = w->r;
    const struct write_txn_markers_request *in = r->own;
    struct write_txn_markers_response out;
    write_txn_markers_response_init(&out);
    out.markers = REQ_ARRAY(r, struct write_txn_markers_response_marker, in->markers_n);
    out.markers_n = in->markers_n;
    for (uint32_t i = 0; i < in->markers_n; i++)
        write_answer_one(r, &in->markers[i], w->ones[i].m.parts, &out.markers[i]);
    req_reply(r, &out);
}

static void writing_done(struct coord_markers *m) { write_done(container_of(m, struct writing, m)->all); }

static void writing_parts(struct req *r, const struct write_txn_markers_request_marker *mi, struct coord_markers *m)
{
    uint32_t n = 0, k = 0;
    for (uint32_t i = 0; i < mi->topics_n; i++)
        n += mi->topics[i].partition_indexes_n;
    m->parts = REQ_ARRAY(r, struct coord_part, n);
    m->nparts = n;
    for (uint32_t i = 0; i < mi->topics_n; i++)
        for (uint32_t p = 0; p < mi->topics[i].partition_indexes_n; p++)
            m->parts[k++] = (struct coord_part){mi->topics[i].name, mi->topics[i].partition_indexes[p], K_NONE};
}

void api_write_txn_markers(struct req *r)
{
    if (REQ_DECODE(r, write_txn_markers_request) < 0)
        return;
    const struct write_txn_markers_request *in = r->own;
    struct write_markers *w = REQ_NEW(r, struct write_markers);
    w->r = r;
    w->ones = REQ_ARRAY(r, struct writing, in->markers_n);
    w->left = in->markers_n + 1;
    for (uint32_t i = 0; i < in->markers_n; i++) {
        const struct write_txn_markers_request_marker *mi = &in->markers[i];
        struct writing *one = &w->ones[i];
        one->all = w;
        one->m = (struct coord_markers){.from = r->desk->loop, .done_cb = writing_done, .producer_id = mi->producer_id,
                                        .epoch = mi->producer_epoch, .coordinator_epoch = mi->coordinator_epoch,
                                        .commit = mi->transaction_result, .v2 = mi->transaction_version >= 2};
        writing_parts(r, mi, &one->m);
        coord_write_markers(req_broker(r)->coord, &one->m);
    }
    write_done(w);
}

/* ---- DescribeTransactions: one after the other, because what is found goes into one arena */

struct describe {
    struct req *r;
    struct coord_call call;
    struct coord_txn_info info;
    struct map said;
    struct describe_transactions_response out;
    uint32_t at;
};

static void describe_next(struct describe *d);

static void describe_topics(struct req *r, const struct coord_txn_info *info,
                            struct describe_transactions_response_state *so)
{
    so->topics = REQ_ARRAY(r, struct describe_transactions_response_topic, info->nparts);
    int32_t *ids = REQ_ARRAY(r, int32_t, info->nparts);
    for (unsigned i = 0; i < info->nparts; i++) {
        ids[i] = info->parts[i].index;
        if (!so->topics_n || !str_eq(so->topics[so->topics_n - 1].topic, info->parts[i].topic))
            so->topics[so->topics_n++] = (struct describe_transactions_response_topic){.topic = info->parts[i].topic,
                                                                                       .partitions = &ids[i]};
        so->topics[so->topics_n - 1].partitions_n++;
    }
}

static void described(struct coord_call *call)
{
    struct describe *d = container_of(call, struct describe, call);
    struct describe_transactions_response_state *so = &d->out.transaction_states[d->at];
    so->error_code = call->error;
    if (!call->error) {
        so->transaction_state = str_of(d->info.state);
        so->transaction_timeout_ms = d->info.timeout_ms;
        so->transaction_start_time_ms = d->info.start_ms;
        so->producer_id = d->info.producer_id;
        so->producer_epoch = d->info.epoch;
        describe_topics(d->r, &d->info, so);
    }
    d->at++;
    describe_next(d);
}

static void describe_next(struct describe *d)
{
    struct req *r = d->r;
    const struct describe_transactions_request *in = r->own;
    for (; d->at < in->transactional_ids_n; d->at++) {
        struct str id = in->transactional_ids[d->at];
        struct describe_transactions_response_state *so = &d->out.transaction_states[d->at];
        describe_transactions_response_state_init(so);
        so->transactional_id = id;
        so->transaction_state = STR("");
        so->producer_id = so->producer_epoch = -1;
        so->transaction_start_time_ms = -1;
        so->topics = REQ_ARRAY(r, struct describe_transactions_response_topic, 1);
        said_add(&d->said, &r->arena, id);
        if (id.len && said_times(&d->said, id) == 1)
            break;
        so->error_code = K_INVALID_REQUEST; /* nobody's id, or one that was asked for already */
    }
    if (d->at == in->transactional_ids_n) {
        map_fini(&d->said);
        req_reply(r, &d->out);
        return;
    }
    d->info = (struct coord_txn_info){.arena = &r->arena};
    d->call = (struct coord_call){.from = r->desk->loop, .done_cb = described, .info = &d->info,
                                  .txn_id = in->transactional_ids[d->at]};
    coord_describe_txn(req_broker(r)->coord, &d->call);
}

void api_describe_transactions(struct req *r)
{
    if (REQ_DECODE(r, describe_transactions_request) < 0)
        return;
    const struct describe_transactions_request *in = r->own;
    struct describe *d = REQ_NEW(r, struct describe);
    d->r = r;
    map_init(&d->said);
    describe_transactions_response_init(&d->out);
    d->out.transaction_states = REQ_ARRAY(r, struct describe_transactions_response_state, in->transactional_ids_n);
    d->out.transaction_states_n = in->transactional_ids_n;
    describe_next(d);
}

/* ---- ListTransactions */

struct list_txns {
    struct coord_txn_list list;
    struct req *r;
    struct pattern *pattern; /* of the ids that are asked for; NULL: all */
    bool costly;             /* it is more than can be asked for */
};

static bool is_state(struct str s)
{
    static const char *const states[] = {"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit",
                                         "CompleteAbort", "PrepareEpochFence"};
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (str_eq(s, str_of(states[i])))
            return true;
    return false;
}

static bool is_named(struct list_txns *l, struct str txn_id)
{
    enum pattern_found found = l->pattern ? pattern_match(l->pattern, txn_id, 0) : PATTERN_YES;
    l->costly |= found == PATTERN_COSTLY;
    return found == PATTERN_YES;
}

static bool is_wanted(struct list_txns *l, const struct coord_listed_txn *t)
{
    const struct list_transactions_request *in = l->r->own;
    bool state = in->state_filters_n == 0, producer = in->producer_id_filters_n == 0;
    for (uint32_t i = 0; i < in->state_filters_n && !state; i++)
        state = str_eq(in->state_filters[i], str_of(t->state));
    for (uint32_t i = 0; i < in->producer_id_filters_n && !producer; i++)
        producer = in->producer_id_filters[i] == t->producer_id;
    return state && producer && is_named(l, t->txn_id);
}

static void refuse_pattern(struct req *r)
{
    struct list_transactions_response out;
    list_transactions_response_init(&out);
    out.error_code = K_INVALID_PATTERN;
    req_reply(r, &out);
}

static void listed(struct coord_txn_list *list)
{
    struct list_txns *l = container_of(list, struct list_txns, list);
    struct req *r = l->r;
    const struct list_transactions_request *in = r->own;
    struct list_transactions_response out;
    list_transactions_response_init(&out);
    out.error_code = list->error;
    out.unknown_state_filters = REQ_ARRAY(r, struct str, in->state_filters_n);
    for (uint32_t i = 0; i < in->state_filters_n; i++)
        if (!is_state(in->state_filters[i]))
            out.unknown_state_filters[out.unknown_state_filters_n++] = in->state_filters[i];
    out.transaction_states = REQ_ARRAY(r, struct list_transactions_response_state, list->ntxns);
    for (unsigned i = 0; i < list->ntxns && !list->error && !l->costly; i++)
        if (is_wanted(l, &list->txns[i]))
            out.transaction_states[out.transaction_states_n++] = (struct list_transactions_response_state){
                list->txns[i].txn_id, list->txns[i].producer_id, str_of(list->txns[i].state)};
    pattern_free(l->pattern);
    if (l->costly)
        refuse_pattern(r);
    else
        req_reply(r, &out);
}

void api_list_transactions(struct req *r)
{
    if (REQ_DECODE(r, list_transactions_request) < 0)
        return;
    const struct list_transactions_request *in = r->own;
    struct list_txns *l = REQ_NEW(r, struct list_txns);
    l->r = r;
    if (in->transactional_id_pattern.len) {
        l->pattern = pattern_new(in->transactional_id_pattern, PATTERN_NAMES, NULL);
        if (!l->pattern) {
            refuse_pattern(r);
            return;
        }
    }
    l->list = (struct coord_txn_list){.from = r->desk->loop, .done_cb = listed, .arena = &r->arena,
                                      .min_duration_ms = in->duration_filter};
    coord_list_txns(req_broker(r)->coord, &l->list);
}
