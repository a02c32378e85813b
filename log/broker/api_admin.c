/* DescribeTopicPartitions, ElectLeaders, ListConfigResources, UpdateFeatures: what administrators ask of a cluster,
 * answered by the one node that it is. */
#include "log/base/limits.h"
#include "log/base/map.h"
#include "log/broker/request.h"

/* ---- DescribeTopicPartitions: in order of names, from the cursor on, no more partitions than the limit */

struct page {
    struct req *r;
    struct image *im;
    struct describe_topic_partitions_response out;
    int32_t *nodes; /* this one */
    int32_t left;
};

static void page_partition(struct page *pg, const struct topic *t, int32_t index,
                           struct describe_topic_partitions_response_partition *po)
{
    struct view *v = part_view(t->parts[index]);
    describe_topic_partitions_response_partition_init(po);
    po->partition_index = index;
    po->leader_id = *pg->nodes;
    po->leader_epoch = v ? v->leader_epoch : 0;
    po->replica_nodes = po->isr_nodes = pg->nodes;
    po->replica_nodes_n = po->isr_nodes_n = 1;
    po->eligible_leader_replicas = po->last_known_elr = pg->nodes; /* none: who is in sync is not among them */
    if (v)
        counted_release(&v->c);
}

/* False: the page is full, and the cursor says what comes next. */
static bool page_topic(struct page *pg, struct str name, int32_t first)
{
    const struct topic *t = image_topic(pg->im, name);
    if (pg->left == 0) {
        pg->out.next_cursor_there = true;
        pg->out.next_cursor.topic_name = name;
        pg->out.next_cursor.partition_index = first;
        return false;
    }
    struct describe_topic_partitions_response_topic *to = &pg->out.topics[pg->out.topics_n++];
    describe_topic_partitions_response_topic_init(to);
    to->name = name;
    if (!t) {
        to->error_code = K_UNKNOWN_TOPIC;
        return true;
    }
    to->topic_id = t->id;
    to->is_internal = t->internal;
    to->topic_authorized_operations = req_topic_operations();
    int32_t n = MIN(MAX(t->nparts - first, 0), pg->left);
    to->partitions = REQ_ARRAY(pg->r, struct describe_topic_partitions_response_partition, n);
    to->partitions_n = (uint32_t)n;
    for (int32_t i = 0; i < n; i++)
        page_partition(pg, t, first + i, &to->partitions[i]);
    pg->left -= n;
    if (first + n >= t->nparts)
        return true;
    pg->out.next_cursor_there = true;
    pg->out.next_cursor.topic_name = name;
    pg->out.next_cursor.partition_index = first + n;
    return false;
}

static int name_order(const void *a, const void *b) { return str_cmp(*(const struct str *)a, *(const struct str *)b); }

/* Names in order, each once: those asked for, or all. */
static struct str *page_names(struct page *pg, const struct describe_topic_partitions_request *in, uint32_t *n)
{
    uint32_t max = in->topics_n ? in->topics_n : pg->im->ntopics, k = 0;
    struct str *names = REQ_ARRAY(pg->r, struct str, max);
    for (uint32_t i = 0; i < max; i++)
        names[i] = in->topics_n ? in->topics[i].name : str_of(arena_strdup(&pg->r->arena, pg->im->topics[i]->name));
    if (max > 1)
        qsort(names, max, sizeof *names, name_order);
    for (uint32_t i = 0; i < max; i++)
        if (i == 0 || !str_eq(names[i], names[k - 1]))
            names[k++] = names[i];
    *n = k;
    return names;
}

static void page_refuse(struct page *pg, const struct describe_topic_partitions_request *in)
{
    for (uint32_t i = 0; i < in->topics_n; i++) {
        struct describe_topic_partitions_response_topic *to = &pg->out.topics[pg->out.topics_n++];
        describe_topic_partitions_response_topic_init(to);
        to->name = in->topics[i].name;
        to->error_code = K_INVALID_REQUEST;
    }
}

void api_describe_topic_partitions(struct req *r)
{
    if (REQ_DECODE(r, describe_topic_partitions_request) < 0)
        return;
    const struct describe_topic_partitions_request *in = r->own;
    struct page pg = {.r = r, .im = req_image(r), .nodes = REQ_NEW(r, int32_t)};
    uint32_t n;
    *pg.nodes = req_broker(r)->node_id;
    pg.left = MIN(in->response_partition_limit, PAGE_PARTITIONS);
    describe_topic_partitions_response_init(&pg.out);
    struct str *names = page_names(&pg, in, &n);
    pg.out.topics = REQ_ARRAY(r, struct describe_topic_partitions_response_topic, MAX(n, in->topics_n));
    if (pg.left <= 0 || (in->cursor_there && in->cursor.partition_index < 0)) {
        page_refuse(&pg, in);
    } else {
        bool more = true;
        for (uint32_t i = 0; i < n && more; i++) {
            int order = in->cursor_there ? str_cmp(names[i], in->cursor.topic_name) : 1;
            if (order >= 0)
                more = page_topic(&pg, names[i], order == 0 ? in->cursor.partition_index : 0);
        }
    }
    req_reply(r, &pg.out);
    counted_release(&pg.im->c);
}

/* ---- ElectLeaders: one node leads everything already */

enum { ELECT_PREFERRED, ELECT_UNCLEAN };

static void elect_topic(struct req *r, const struct image *im, const struct elect_leaders_request_topic *ti,
                        struct elect_leaders_response_result *to)
{
    const struct topic *t = image_topic(im, ti->topic);
    to->topic = ti->topic;
    to->partition_result = REQ_ARRAY(r, struct elect_leaders_response_partition, ti->partitions_n);
    to->partition_result_n = ti->partitions_n;
    for (uint32_t k = 0; k < ti->partitions_n; k++) {
        struct elect_leaders_response_partition *po = &to->partition_result[k];
        bool there = t && ti->partitions[k] >= 0 && ti->partitions[k] < t->nparts;
        po->partition_id = ti->partitions[k];
        po->error_code = there ? K_ELECTION_NOT_NEEDED : K_UNKNOWN_TOPIC;
        po->error_message = there ? STR("the only replica leads already") : STR("no such topic or partition");
    }
}

void api_elect_leaders(struct req *r)
{
    if (REQ_DECODE(r, elect_leaders_request) < 0)
        return;
    const struct elect_leaders_request *in = r->own;
    struct elect_leaders_response out;
    elect_leaders_response_init(&out);
    if (in->election_type != ELECT_PREFERRED && in->election_type != ELECT_UNCLEAN) {
        out.error_code = K_INVALID_REQUEST;
        req_reply(r, &out);
        return;
    }
    struct image *im = req_image(r);
    /* Asked for all (null), only those are told for which something happened. */
    out.replica_election_results = REQ_ARRAY(r, struct elect_leaders_response_result, in->topic_partitions_n);
    out.replica_election_results_n = in->topic_partitions_n;
    for (uint32_t i = 0; i < in->topic_partitions_n; i++)
        elect_topic(r, im, &in->topic_partitions[i], &out.replica_election_results[i]);
    req_reply(r, &out);
    counted_release(&im->c);
}

/* ---- ListConfigResources */

enum { LIST_TOPIC = 2, LIST_BROKER = 4, LIST_LOGGER = 8, LIST_METRICS = 16, LIST_GROUP = 32 };

static bool list_wants(const struct list_config_resources_request *in, int8_t type)
{
    for (uint32_t i = 0; i < in->resource_types_n; i++)
        if (in->resource_types[i] == type)
            return true;
    return in->resource_types_n == 0;
}

void api_list_config_resources(struct req *r)
{
    if (REQ_DECODE(r, list_config_resources_request) < 0)
        return;
    const struct list_config_resources_request *in = r->own;
    struct list_config_resources_response out;
    list_config_resources_response_init(&out);
    for (uint32_t i = 0; i < in->resource_types_n; i++) {
        int8_t type = in->resource_types[i];
        if (type != LIST_TOPIC && type != LIST_BROKER && type != LIST_LOGGER && type != LIST_METRICS && type != LIST_GROUP)
            out.error_code = K_UNSUPPORTED_VERSION;
    }
    struct image *im = req_image(r);
    out.config_resources = REQ_ARRAY(r, struct list_config_resources_response_resource, im->ntopics + 1);
    /* Version 0 asks for subscriptions to metrics only, of which there are none. */
    bool some = r->version >= 1 && !out.error_code;
    for (unsigned i = 0; i < im->ntopics && some && list_wants(in, LIST_TOPIC); i++)
        out.config_resources[out.config_resources_n++] = (struct list_config_resources_response_resource){
            str_of(arena_strdup(&r->arena, im->topics[i]->name)), LIST_TOPIC};
    if (some && list_wants(in, LIST_BROKER))
        out.config_resources[out.config_resources_n++] = (struct list_config_resources_response_resource){
            str_of(arena_printf(&r->arena, "%d", req_broker(r)->node_id)), LIST_BROKER};
    counted_release(&im->c);
    req_reply(r, &out);
}

/* ---- UpdateFeatures: what is in force can be asked for again; nothing else can be had */

static int16_t feature_check(struct req *r, const struct update_features_request *in, uint32_t i, struct str *why)
{
    const struct update_features_request_update *u = &in->feature_updates[i];
    for (uint32_t k = 0; k < i; k++)
        if (str_eq(in->feature_updates[k].feature, u->feature)) {
            *why = STR("the request names this feature more than once");
            return K_INVALID_REQUEST;
        }
    if (u->feature.len == 0 || u->upgrade_type < 1 || u->upgrade_type > 3) {
        *why = u->feature.len == 0 ? STR("a feature without a name") : STR("no such type of upgrade");
        return K_INVALID_REQUEST;
    }
    const struct feature *f;
    for (unsigned k = 0; (f = feature_at(k)) != NULL && !str_eq(u->feature, str_of(f->name)); k++)
        ;
    *why = STR_NULL;
    if (!f)
        *why = STR("this node does not have the feature");
    else if (u->max_version_level != f->level)
        *why = str_of(arena_printf(&r->arena, "this node has %s %d only", f->name, f->level));
    return why->ptr ? K_INVALID_UPDATE_VERSION : K_NONE;
}

void api_update_features(struct req *r)
{
    if (REQ_DECODE(r, update_features_request) < 0)
        return;
    const struct update_features_request *in = r->own;
    struct update_features_response out;
    update_features_response_init(&out);
    out.error_message = STR_NULL;
    if (in->feature_updates_n == 0 || in->feature_updates_n > FEATURE_UPDATES) {
        out.error_code = K_INVALID_REQUEST;
        out.error_message = in->feature_updates_n ? STR("too many features") : STR("no feature is named");
        req_reply(r, &out);
        return;
    }
    out.results = REQ_ARRAY(r, struct update_features_response_result, in->feature_updates_n);
    out.results_n = in->feature_updates_n;
    for (uint32_t i = 0; i < in->feature_updates_n; i++) {
        struct update_features_response_result *ro = &out.results[i];
        ro->feature = in->feature_updates[i].feature;
        ro->error_code = feature_check(r, in, i, &ro->error_message);
        if (r->version >= 2 && ro->error_code && !out.error_code) { /* all or nothing, without single results */
            out.error_code = ro->error_code;
            out.error_message = ro->error_message;
        }
    }
    req_reply(r, &out);
}
