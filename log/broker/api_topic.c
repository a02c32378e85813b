/* Metadata, CreateTopics, DeleteTopics, CreatePartitions, DescribeCluster. */
#include "log/broker/request.h"
#include "log/base/limits.h"
#include "log/base/map.h"

/* ---- changes of a request: one commit a topic, so that one refused topic does not refuse the others */

struct topic_change {
    struct commit commit;
    struct change change;
    struct changes *all;
    uint32_t index; /* of the topic in the request */
    struct uuid id;
};
struct changes {
    struct req *r;
    struct topic_change *items;
    uint32_t n, left;
    void *out; /* the answer */
    void (*one)(struct changes *cs, struct topic_change *tc, int status);
    void (*done)(struct changes *cs);
};

static struct changes *changes_new(struct req *r, uint32_t max, void *out,
                                   void (*one)(struct changes *, struct topic_change *, int),
                                   void (*done)(struct changes *))
{
    struct changes *cs = REQ_NEW(r, struct changes);
    *cs = (struct changes){.r = r, .items = REQ_ARRAY(r, struct topic_change, max), .out = out, .one = one, .done = done};
    return cs;
}

static struct topic_change *changes_begin(struct changes *cs, uint32_t index)
{
    struct topic_change *tc = &cs->items[cs->n];
    *tc = (struct topic_change){.all = cs, .index = index};
    change_init(&tc->change);
    return tc;
}

static void changes_cancel(struct topic_change *tc) { change_fini(&tc->change); }

static void change_done(struct commit *c, int status)
{
    struct topic_change *tc = container_of(c, struct topic_change, commit);
    struct changes *cs = tc->all;
    cs->one(cs, tc, status);
    change_fini(&tc->change);
    if (--cs->left == 0)
        cs->done(cs);
}

/* What changes_begin has begun becomes part of the set. */
static void changes_keep(struct changes *cs) { cs->n++; }

static void changes_commit(struct changes *cs)
{
    cs->left = cs->n;
    if (cs->n == 0) {
        cs->done(cs);
        return;
    }
    for (uint32_t i = 0, n = cs->n; i < n; i++) {
        struct topic_change *tc = &cs->items[i];
        tc->commit.from = cs->r->desk->loop;
        tc->commit.change = &tc->change;
        tc->commit.done_cb = change_done;
        cluster_commit(req_broker(cs->r)->cluster, &tc->commit);
    }
}

/* For validate_only: nothing is committed. */
static void changes_check(struct changes *cs)
{
    for (uint32_t i = 0; i < cs->n; i++) {
        struct topic_change *tc = &cs->items[i];
        int rc = cluster_check(req_broker(cs->r)->cluster, &tc->change, &tc->commit.diag);
        cs->one(cs, tc, rc);
        change_fini(&tc->change);
    }
    cs->done(cs);
}

static struct uuid fresh_id(struct req *r)
{
    struct uuid id;
    do {
        uint64_t a = loop_random(r->desk->loop), b = loop_random(r->desk->loop);
        memcpy(id.b, &a, 8);
        memcpy(id.b + 8, &b, 8);
    } while (id.b[0] >> 2 == 62); /* its text would begin with a dash, as Kafka avoids */
    return id;
}

/* ---- what is allowed: everything, until there is authorisation */

int32_t req_topic_operations(void)
{
    return 1 << OP_READ | 1 << OP_WRITE | 1 << OP_CREATE | 1 << OP_DELETE | 1 << OP_ALTER | 1 << OP_DESCRIBE |
           1 << OP_DESCRIBE_CONFIGS | 1 << OP_ALTER_CONFIGS;
}

static int32_t cluster_operations(void)
{
    return 1 << OP_CREATE | 1 << OP_ALTER | 1 << OP_DESCRIBE | 1 << OP_DESCRIBE_CONFIGS | 1 << OP_ALTER_CONFIGS |
           1 << OP_IDEMPOTENT_WRITE;
}

/* ---- Metadata */

struct metadata {
    struct metadata_request *in;
    struct metadata_response out;
};

static void put_topic(struct req *r, const struct metadata_request *in, const struct topic *t,
                      struct metadata_response_topic *to)
{
    int32_t node = req_broker(r)->node_id;
    int32_t *nodes = REQ_NEW(r, int32_t);
    *nodes = node;
    metadata_response_topic_init(to);
    to->name = str_of(arena_strdup(&r->arena, t->name));
    to->topic_id = t->id;
    to->is_internal = t->internal;
    to->partitions = REQ_ARRAY(r, struct metadata_response_partition, t->nparts);
    to->partitions_n = (uint32_t)t->nparts;
    for (int32_t i = 0; i < t->nparts; i++) {
        struct view *v = part_view(t->parts[i]);
        struct metadata_response_partition *p = &to->partitions[i];
        metadata_response_partition_init(p);
        p->partition_index = i;
        p->leader_id = node;
        p->leader_epoch = v ? v->leader_epoch : 0; /* with one node no election ever raises it */
        p->replica_nodes = p->isr_nodes = nodes;
        p->replica_nodes_n = p->isr_nodes_n = 1;
        if (v)
            counted_release(&v->c);
    }
    if (in->include_topic_authorized_operations)
        to->topic_authorized_operations = req_topic_operations();
}

static void put_missing(const struct metadata_request_topic *ti, int16_t code, struct metadata_response_topic *to)
{
    metadata_response_topic_init(to);
    to->error_code = code;
    to->name = code == K_UNKNOWN_TOPIC_ID ? STR_NULL : ti->name;
    to->topic_id = ti->topic_id;
}

/* An id counts more than a name, which some clients leave empty beside it. */
static bool by_id(const struct req *r, const struct metadata_request_topic *ti)
{
    return r->version >= 12 && !uuid_is_zero(ti->topic_id);
}

/* Looks each topic up in the newest image; errors of creation, made before, stay. */
static void metadata_topics(struct req *r, struct metadata *m)
{
    struct image *im = req_image(r);
    bool all = m->in->topics == NULL || (r->version == 0 && m->in->topics_n == 0);
    if (all) {
        m->out.topics = REQ_ARRAY(r, struct metadata_response_topic, im->ntopics);
        m->out.topics_n = im->ntopics;
        for (unsigned i = 0; i < im->ntopics; i++)
            put_topic(r, m->in, im->topics[i], &m->out.topics[i]);
    }
    for (uint32_t i = 0; i < m->in->topics_n && !all; i++) {
        const struct metadata_request_topic *ti = &m->in->topics[i];
        const struct topic *t = NULL;
        int16_t code = K_INVALID_REQUEST; /* neither name nor an id that this version may ask by */
        if (by_id(r, ti))
            code = req_topic(im, true, ti->name, ti->topic_id, &t);
        else if (ti->name.ptr)
            code = req_topic(im, false, ti->name, ti->topic_id, &t);
        if (t)
            put_topic(r, m->in, t, &m->out.topics[i]);
        else
            put_missing(ti, m->out.topics[i].error_code ? m->out.topics[i].error_code : code, &m->out.topics[i]);
    }
    counted_release(&im->c);
}

static void metadata_reply(struct req *r, struct metadata *m)
{
    struct broker *b = req_broker(r);
    m->out.brokers = REQ_NEW(r, struct metadata_response_broker);
    m->out.brokers_n = 1;
    m->out.brokers[0].node_id = b->node_id;
    req_address(r, &m->out.brokers[0].host, &m->out.brokers[0].port);
    m->out.cluster_id = str_of(b->cluster_id);
    m->out.controller_id = b->node_id;
    if (m->in->include_cluster_authorized_operations)
        m->out.cluster_authorized_operations = cluster_operations();
    metadata_topics(r, m);
    req_reply(r, &m->out);
}

static void auto_one(struct changes *cs, struct topic_change *tc, int status)
{
    struct metadata *m = cs->out;
    if (status < 0 && status != E_EXISTS) /* somebody else was faster: as good */
        m->out.topics[tc->index].error_code = err_kafka(status);
}

static void auto_done(struct changes *cs) { metadata_reply(cs->r, cs->out); }

/* Creates what is asked for and not there; answers once it is. */
static void metadata_create(struct req *r, struct metadata *m)
{
    const struct config *conf = req_broker(r)->bc.conf;
    struct changes *cs = changes_new(r, m->in->topics_n, m, auto_one, auto_done);
    struct image *im = req_image(r);
    for (uint32_t i = 0; i < m->in->topics_n; i++) {
        struct str name = m->in->topics[i].name;
        if (!name.ptr || by_id(r, &m->in->topics[i]) || image_topic(im, name))
            continue;
        struct topic_change *tc = changes_begin(cs, i);
        tc->id = fresh_id(r);
        int rc = change_create_topic(&tc->change, name, &tc->id, (int32_t)conf->num_partitions, NULL, 0, NULL);
        if (rc < 0) {
            m->out.topics[i].error_code = err_kafka(rc);
            changes_cancel(tc);
        } else {
            changes_keep(cs);
        }
    }
    counted_release(&im->c);
    changes_commit(cs);
}

/* What is asked for twice is answered once, as Kafka does. */
static void metadata_unique(struct req *r, struct metadata_request *in)
{
    struct map names, ids;
    uint32_t n = 0;
    map_init(&names);
    map_init(&ids);
    for (uint32_t i = 0; i < in->topics_n; i++) {
        const struct metadata_request_topic *ti = &in->topics[i];
        bool named = ti->name.ptr && !by_id(r, ti);
        struct map *said = named ? &names : &ids;
        struct str what = named ? ti->name : (struct str){(const char *)ti->topic_id.b, sizeof ti->topic_id.b};
        said_add(said, &r->arena, what);
        if (said_times(said, what) == 1)
            in->topics[n++] = *ti;
    }
    in->topics_n = n;
    map_fini(&names);
    map_fini(&ids);
}

void api_metadata(struct req *r)
{
    if (REQ_DECODE(r, metadata_request) < 0)
        return;
    struct metadata *m = REQ_NEW(r, struct metadata);
    m->in = r->own;
    metadata_unique(r, m->in);
    metadata_response_init(&m->out);
    m->out.topics = REQ_ARRAY(r, struct metadata_response_topic, m->in->topics_n);
    m->out.topics_n = m->in->topics_n;
    bool create = req_broker(r)->bc.conf->auto_create_topics && m->in->topics_n &&
                  (r->version < 4 || m->in->allow_auto_topic_creation);
    if (create)
        metadata_create(r, m);
    else
        metadata_reply(r, m);
}

/* ---- CreateTopics */

/* The number of partitions asked for; a code if the request contradicts itself. */
static int16_t create_parts(struct req *r, const struct create_topics_request_topic *ti, int32_t *nparts,
                            struct diag *d)
{
    const struct config *conf = req_broker(r)->bc.conf;
    *nparts = ti->num_partitions == -1 ? (int32_t)conf->num_partitions : ti->num_partitions;
    if (ti->assignments_n == 0) {
        /* -1 counts from version 4 on, says KIP-464; Kafka takes it in any, and kafkajs sends it in version 3. */
        if (ti->replication_factor == 1 || ti->replication_factor == -1)
            return K_NONE;
        diag_set(d, E_REPLICATION, "replication factor %d: this cluster has 1 node", ti->replication_factor);
        return K_INVALID_REPLICATION;
    }
    *nparts = (int32_t)ti->assignments_n;
    if (ti->num_partitions != -1 || ti->replication_factor != -1) {
        diag_set(d, E_BAD_REQUEST, "with an assignment, partitions and replication factor must be -1");
        return K_INVALID_REQUEST;
    }
    if (ti->assignments_n > CLUSTER_PARTS_MAX)
        return K_NONE; /* refused for their number */
    bool *found = REQ_ARRAY(r, bool, ti->assignments_n);
    int32_t good = 0;
    for (uint32_t i = 0; i < ti->assignments_n; i++) {
        int32_t p = ti->assignments[i].partition_index;
        if (p < 0 || p >= *nparts || found[p] || ti->assignments[i].broker_ids_n != 1 ||
            ti->assignments[i].broker_ids[0] != req_broker(r)->node_id)
            break;
        found[p] = true;
        good++;
    }
    if (good == *nparts)
        return K_NONE;
    diag_set(d, E_BAD_REQUEST, "each partition from 0 to %d must be assigned once, to node %d alone", *nparts - 1,
             req_broker(r)->node_id);
    return K_INVALID_ASSIGNMENT;
}

static void create_describe(struct req *r, const struct topic *t, struct create_topics_response_topic *to)
{
    struct topic_config_item it;
    uint32_t n = 0;
    while (cluster_topic_config(req_broker(r)->cluster, t, n, &it))
        n++;
    to->num_partitions = t->nparts;
    to->replication_factor = 1;
    to->configs = REQ_ARRAY(r, struct create_topics_response_config, n);
    to->configs_n = n;
    for (uint32_t i = 0; i < n; i++) {
        CHECK(cluster_topic_config(req_broker(r)->cluster, t, i, &it));
        to->configs[i] = (struct create_topics_response_config){
            .name = str_of(it.key), .value = str_of(arena_strdup(&r->arena, it.value)),
            .config_source = it.is_default ? CONFIG_DEFAULT : CONFIG_TOPIC};
    }
}

static void create_one(struct changes *cs, struct topic_change *tc, int status)
{
    struct create_topics_response *out = cs->out;
    const struct create_topics_request *in = cs->r->own;
    struct create_topics_response_topic *to = &out->topics[tc->index];
    to->error_code = err_kafka(status);
    if (status < 0) {
        to->error_message = req_text(cs->r, &tc->commit.diag);
        return;
    }
    if (in->validate_only)
        return;
    struct image *im = req_image(cs->r);
    const struct topic *t = image_topic_by_id(im, tc->id);
    to->topic_id = tc->id;
    if (t)
        create_describe(cs->r, t, to);
    counted_release(&im->c);
}

static void create_done(struct changes *cs) { req_reply(cs->r, cs->out); }

/* Builds the change; gives Kafka's code. */
static int16_t create_build(struct req *r, const struct create_topics_request_topic *ti, const struct map *said,
                            struct topic_change *tc, struct create_topics_response_topic *to, struct diag *d)
{
    int32_t nparts = 0;
    if (said_times(said, ti->name) > 1) {
        diag_set(d, E_BAD_REQUEST, "the request names this topic more than once");
        return K_INVALID_REQUEST;
    }
    int16_t code = create_parts(r, ti, &nparts, d);
    if (code)
        return code;
    struct topic_config *configs = REQ_ARRAY(r, struct topic_config, ti->configs_n);
    for (uint32_t k = 0; k < ti->configs_n; k++) {
        if (!ti->configs[k].value.ptr) {
            diag_set(d, E_BAD_CONFIG, "%.*s has no value", STR_ARG(ti->configs[k].name));
            return K_INVALID_CONFIG;
        }
        configs[k] = (struct topic_config){arena_dup(&r->arena, ti->configs[k].name).ptr,
                                           arena_dup(&r->arena, ti->configs[k].value).ptr};
    }
    tc->id = fresh_id(r);
    to->num_partitions = nparts;
    to->replication_factor = 1;
    return err_kafka(change_create_topic(&tc->change, ti->name, &tc->id, nparts, configs, ti->configs_n, d));
}

void api_create_topics(struct req *r)
{
    if (REQ_DECODE(r, create_topics_request) < 0)
        return;
    const struct create_topics_request *in = r->own;
    struct create_topics_response *out = REQ_NEW(r, struct create_topics_response);
    create_topics_response_init(out);
    out->topics = REQ_ARRAY(r, struct create_topics_response_topic, in->topics_n);
    out->topics_n = in->topics_n;
    struct changes *cs = changes_new(r, in->topics_n, out, create_one, create_done);
    struct map said;
    map_init(&said);
    for (uint32_t i = 0; i < in->topics_n; i++)
        said_add(&said, &r->arena, in->topics[i].name);
    for (uint32_t i = 0; i < in->topics_n; i++) {
        struct create_topics_response_topic *to = &out->topics[i];
        struct diag d = {.text = ""};
        create_topics_response_topic_init(to);
        to->name = in->topics[i].name;
        struct topic_change *tc = changes_begin(cs, i);
        to->error_code = create_build(r, &in->topics[i], &said, tc, to, &d);
        if (!to->error_code && !in->validate_only)
            to->error_code = req_mutate(r, to->num_partitions, r->version >= 6);
        if (to->error_code) {
            to->error_message = req_text(r, &d);
            to->num_partitions = -1;
            to->replication_factor = -1;
            changes_cancel(tc);
        } else {
            changes_keep(cs);
        }
    }
    map_fini(&said);
    if (in->validate_only)
        changes_check(cs);
    else
        changes_commit(cs);
}

/* ---- whose a topic is */

/* "__job_ID_changelog", and behind that what a RESTORE adds. */
static const struct object *changelog_job(const struct image *im, const char *name)
{
    static const char prefix[] = "__job_", suffix[] = "_changelog";
    const char *id = name + sizeof prefix - 1;
    size_t n = strlen(name);
    struct uuid job;
    bool fits = n >= sizeof prefix + UUID_TEXT + sizeof suffix - 3 && !strncmp(name, prefix, sizeof prefix - 1) &&
                !strncmp(id + UUID_TEXT - 1, suffix, sizeof suffix - 1);
    return fits && uuid_parse((struct str){id, UUID_TEXT - 1}, &job) ? image_object_by_id(im, job) : NULL;
}

int16_t topic_owned(const struct image *im, const struct topic *t, struct diag *d)
{
    const struct object *job = t->internal ? changelog_job(im, t->name) : NULL;
    if (coord_owns_topic(str_of(t->name)))
        diag_set(d, E_BAD_REQUEST, "topic %s belongs to the server", t->name);
    else if (job)
        diag_set(d, E_BAD_REQUEST, "topic %s is the state of job %s: DROP or TERMINATE deletes it", t->name, job->name);
    else
        return K_NONE;
    return K_INVALID_TOPIC;
}

/* ---- DeleteTopics */

static void delete_one(struct changes *cs, struct topic_change *tc, int status)
{
    struct delete_topics_response *out = cs->out;
    out->responses[tc->index].error_code = err_kafka(status);
    if (status < 0)
        out->responses[tc->index].error_message = req_text(cs->r, &tc->commit.diag);
}

static void delete_done(struct changes *cs) { req_reply(cs->r, cs->out); }

static void delete_find(struct changes *cs, const struct image *im, struct map *said, uint32_t i, struct str name,
                        struct uuid id)
{
    struct delete_topics_response *out = cs->out;
    struct delete_topics_response_topic *to = &out->responses[i];
    const struct topic *t = NULL;
    delete_topics_response_topic_init(to);
    to->name = name;
    to->topic_id = id;
    bool by_id = !name.ptr;
    if (by_id == uuid_is_zero(id))
        to->error_code = K_INVALID_REQUEST; /* exactly one of both */
    else
        to->error_code = req_topic(im, by_id, name, id, &t);
    if (!t)
        return;
    struct str what = {(const char *)t->id.b, sizeof t->id.b};
    said_add(said, &cs->r->arena, what);
    if (said_times(said, what) > 1) {
        to->error_code = K_INVALID_REQUEST;
        return;
    }
    struct diag d = {.text = ""};
    to->error_code = topic_owned(im, t, &d);
    to->error_message = req_text(cs->r, &d);
    if (!to->error_code)
        to->error_code = req_mutate(cs->r, t->nparts, cs->r->version >= 5);
    if (to->error_code)
        return;
    struct topic_change *tc = changes_begin(cs, i);
    tc->id = t->id;
    to->topic_id = t->id;
    to->name = str_of(arena_strdup(&cs->r->arena, t->name));
    change_delete_topic(&tc->change, t->id);
    changes_keep(cs);
}

void api_delete_topics(struct req *r)
{
    if (REQ_DECODE(r, delete_topics_request) < 0)
        return;
    const struct delete_topics_request *in = r->own;
    struct delete_topics_response *out = REQ_NEW(r, struct delete_topics_response);
    uint32_t n = r->version >= 6 ? in->topics_n : in->topic_names_n;
    delete_topics_response_init(out);
    out->responses = REQ_ARRAY(r, struct delete_topics_response_topic, n);
    out->responses_n = n;
    struct changes *cs = changes_new(r, n, out, delete_one, delete_done);
    struct image *im = req_image(r);
    struct map said; /* by id */
    map_init(&said);
    for (uint32_t i = 0; i < n; i++) {
        if (r->version >= 6)
            delete_find(cs, im, &said, i, in->topics[i].name, in->topics[i].topic_id);
        else
            delete_find(cs, im, &said, i, in->topic_names[i], (struct uuid){{0}});
    }
    map_fini(&said);
    counted_release(&im->c);
    changes_commit(cs);
}

/* ---- CreatePartitions */

static void parts_one(struct changes *cs, struct topic_change *tc, int status)
{
    struct create_partitions_response *out = cs->out;
    out->results[tc->index].error_code = err_kafka(status);
    if (status < 0)
        out->results[tc->index].error_message = req_text(cs->r, &tc->commit.diag);
}

static void parts_done(struct changes *cs) { req_reply(cs->r, cs->out); }

static int16_t parts_check(struct req *r, const struct image *im, const struct create_partitions_request_topic *ti,
                           const struct map *said, const struct topic *t, struct diag *d)
{
    if (said_times(said, ti->name) > 1) {
        diag_set(d, E_BAD_REQUEST, "the request names this topic more than once");
        return K_INVALID_REQUEST;
    }
    if (!t)
        return K_UNKNOWN_TOPIC;
    if (topic_owned(im, t, d))
        return K_INVALID_TOPIC;
    if (!ti->assignments)
        return K_NONE;
    bool fits = ti->count > t->nparts && ti->assignments_n == (uint32_t)(ti->count - t->nparts);
    for (uint32_t k = 0; k < ti->assignments_n && fits; k++)
        fits = ti->assignments[k].broker_ids_n == 1 && ti->assignments[k].broker_ids[0] == req_broker(r)->node_id;
    if (fits)
        return K_NONE;
    diag_set(d, E_BAD_REQUEST, "each new partition must be assigned, to node %d alone", req_broker(r)->node_id);
    return K_INVALID_ASSIGNMENT;
}

void api_create_partitions(struct req *r)
{
    if (REQ_DECODE(r, create_partitions_request) < 0)
        return;
    const struct create_partitions_request *in = r->own;
    struct create_partitions_response *out = REQ_NEW(r, struct create_partitions_response);
    create_partitions_response_init(out);
    out->results = REQ_ARRAY(r, struct create_partitions_response_topic, in->topics_n);
    out->results_n = in->topics_n;
    struct changes *cs = changes_new(r, in->topics_n, out, parts_one, parts_done);
    struct image *im = req_image(r);
    struct map said;
    map_init(&said);
    for (uint32_t i = 0; i < in->topics_n; i++)
        said_add(&said, &r->arena, in->topics[i].name);
    for (uint32_t i = 0; i < in->topics_n; i++) {
        struct create_partitions_response_topic *to = &out->results[i];
        struct diag d = {.text = ""};
        const struct topic *t = image_topic(im, in->topics[i].name);
        create_partitions_response_topic_init(to);
        to->name = in->topics[i].name;
        to->error_code = parts_check(r, im, &in->topics[i], &said, t, &d);
        to->error_message = req_text(r, &d);
        if (!to->error_code && !in->validate_only)
            to->error_code = req_mutate(r, MAX(in->topics[i].count - t->nparts, 0), r->version >= 3);
        if (to->error_code)
            continue;
        struct topic_change *tc = changes_begin(cs, i);
        change_add_parts(&tc->change, t->id, in->topics[i].count);
        changes_keep(cs);
    }
    map_fini(&said);
    counted_release(&im->c);
    if (in->validate_only)
        changes_check(cs);
    else
        changes_commit(cs);
}

/* ---- DescribeCluster */

void api_describe_cluster(struct req *r)
{
    if (REQ_DECODE(r, describe_cluster_request) < 0)
        return;
    const struct describe_cluster_request *in = r->own;
    struct broker *b = req_broker(r);
    struct describe_cluster_response out;
    describe_cluster_response_init(&out);
    out.endpoint_type = in->endpoint_type;
    out.cluster_id = str_of(b->cluster_id);
    out.controller_id = b->node_id;
    if (in->endpoint_type != 1) {
        out.error_code = in->endpoint_type == 2 ? K_MISMATCHED_ENDPOINT : K_UNSUPPORTED_ENDPOINT;
        out.error_message = STR("this listener serves brokers (endpoint type 1) only");
        req_reply(r, &out);
        return;
    }
    out.brokers = REQ_NEW(r, struct describe_cluster_response_broker);
    out.brokers_n = 1;
    out.brokers[0].broker_id = b->node_id;
    req_address(r, &out.brokers[0].host, &out.brokers[0].port);
    if (in->include_cluster_authorized_operations)
        out.cluster_authorized_operations = cluster_operations();
    req_reply(r, &out);
}
