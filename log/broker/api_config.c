/* DescribeConfigs, IncrementalAlterConfigs, AlterConfigs: settings of topics, and of this node to read. */
#include "log/broker/request.h"
#include "log/base/limits.h"
#include "log/base/map.h"
#include <stdio.h>

/* Kafka's numbers for types of values. */
enum { TYPE_BOOL = 1, TYPE_STRING = 2, TYPE_INT = 3, TYPE_LONG = 5, TYPE_DOUBLE = 6, TYPE_LIST = 7 };
enum { ALTER_SET = 0, ALTER_DELETE = 1, ALTER_APPEND = 2, ALTER_SUBTRACT = 3 };

static int8_t type_of(char c)
{
    return c == 'b' ? TYPE_BOOL : c == 'i' ? TYPE_INT : c == 'l' ? TYPE_LONG : c == 'd' ? TYPE_DOUBLE : c == 'c' ? TYPE_LIST : TYPE_STRING;
}

static bool wanted(const struct describe_configs_request_resource *ri, const char *key)
{
    if (!ri->configuration_keys)
        return true;
    for (uint32_t i = 0; i < ri->configuration_keys_n; i++)
        if (str_eq(ri->configuration_keys[i], str_of(key)))
            return true;
    return false;
}

static bool server_item(struct req *r, const char *key, struct config_item *out)
{
    for (unsigned i = 0; key && config_item(req_broker(r)->bc.conf, i, out); i++)
        if (strcmp(out->key, key) == 0)
            return true;
    return false;
}

/* Where the value would come from, strongest first. */
static void put_synonyms(struct req *r, struct describe_configs_response_config *c, const char *server_key, bool own)
{
    struct config_item it;
    struct describe_configs_response_synonym *syn = REQ_ARRAY(r, struct describe_configs_response_synonym, 3);
    uint32_t n = 0;
    if (own)
        syn[n++] = (struct describe_configs_response_synonym){c->name, c->value, CONFIG_TOPIC};
    if (server_item(r, server_key, &it)) {
        struct str name = str_of(server_key);
        if (!it.is_default)
            syn[n++] = (struct describe_configs_response_synonym){
                name, str_of(arena_strdup(&r->arena, it.value)), CONFIG_STATIC_BROKER};
        syn[n++] = (struct describe_configs_response_synonym){name, str_of(it.dflt), CONFIG_DEFAULT};
    }
    c->synonyms = syn;
    c->synonyms_n = n;
}

static void describe_topic(struct req *r, const struct topic *t, const struct describe_configs_request_resource *ri,
                           struct describe_configs_response_resource *ro)
{
    const struct describe_configs_request *in = r->own;
    struct topic_config_item it;
    unsigned n = 0;
    while (cluster_topic_config(req_broker(r)->cluster, t, n, &it))
        n++;
    ro->configs = REQ_ARRAY(r, struct describe_configs_response_config, n);
    for (unsigned i = 0; i < n; i++) {
        CHECK(cluster_topic_config(req_broker(r)->cluster, t, i, &it));
        struct config_item server;
        if (!wanted(ri, it.key))
            continue;
        struct describe_configs_response_config *c = &ro->configs[ro->configs_n++];
        describe_configs_response_config_init(c);
        c->name = str_of(it.key);
        c->value = str_of(arena_strdup(&r->arena, it.value));
        c->config_source = !it.is_default                                                ? CONFIG_TOPIC
                           : server_item(r, it.server_key, &server) && !server.is_default ? CONFIG_STATIC_BROKER
                                                                                          : CONFIG_DEFAULT;
        c->config_type = type_of(it.type);
        if (in->include_documentation)
            c->documentation = str_of(it.doc);
        if (in->include_synonyms)
            put_synonyms(r, c, it.server_key, !it.is_default);
    }
}

static void describe_broker(struct req *r, const struct describe_configs_request_resource *ri,
                            struct describe_configs_response_resource *ro)
{
    const struct describe_configs_request *in = r->own;
    struct config_item it;
    unsigned n = 0;
    while (config_item(req_broker(r)->bc.conf, n, &it))
        n++;
    ro->configs = REQ_ARRAY(r, struct describe_configs_response_config, n);
    for (unsigned i = 0; i < n; i++) {
        CHECK(config_item(req_broker(r)->bc.conf, i, &it));
        if (!wanted(ri, it.key))
            continue;
        struct describe_configs_response_config *c = &ro->configs[ro->configs_n++];
        describe_configs_response_config_init(c);
        c->name = str_of(it.key);
        c->value = str_of(arena_strdup(&r->arena, it.value));
        c->read_only = true; /* settings of a server are read at its start */
        c->config_source = it.is_default ? CONFIG_DEFAULT : CONFIG_STATIC_BROKER;
        c->config_type = type_of(it.type == 'i' ? 'l' : it.type);
        if (in->include_documentation)
            c->documentation = str_of(it.doc);
        if (in->include_synonyms)
            put_synonyms(r, c, it.key, false);
    }
}

/* Broker resources name this node, or nobody for the cluster's defaults. */
static bool names_this_node(struct req *r, struct str name)
{
    int64_t id;
    return name.len == 0 || (str_to_i64(name, &id) && id == req_broker(r)->node_id);
}

static void describe_resource(struct req *r, const struct image *im, const struct describe_configs_request_resource *ri,
                              struct describe_configs_response_resource *ro)
{
    describe_configs_response_resource_init(ro);
    ro->resource_type = ri->resource_type;
    ro->resource_name = ri->resource_name;
    if (ri->resource_type == RES_TOPIC) {
        const struct topic *t = image_topic(im, ri->resource_name);
        if (t)
            describe_topic(r, t, ri, ro);
        else
            ro->error_code = K_UNKNOWN_TOPIC;
    } else if (ri->resource_type == RES_BROKER && names_this_node(r, ri->resource_name)) {
        describe_broker(r, ri, ro);
    } else {
        ro->error_code = K_INVALID_REQUEST;
        ro->error_message = ri->resource_type == RES_BROKER ? STR("there is no node with this number")
                                                            : STR("only topics and brokers have settings here");
    }
}

static struct str resource_text(struct req *r, int8_t type, struct str name)
{
    return str_of(arena_printf(&r->arena, "%d %.*s", type, STR_ARG(name)));
}

/* A resource has some forty settings: said again it is refused, not answered again. */
static void describe_once(struct req *r, const struct image *im, struct map *said,
                          const struct describe_configs_request_resource *ri,
                          struct describe_configs_response_resource *ro)
{
    struct str what = resource_text(r, ri->resource_type, ri->resource_name);
    said_add(said, &r->arena, what);
    if (said_times(said, what) == 1) {
        describe_resource(r, im, ri, ro);
        return;
    }
    describe_configs_response_resource_init(ro);
    ro->resource_type = ri->resource_type;
    ro->resource_name = ri->resource_name;
    ro->error_code = K_INVALID_REQUEST;
    ro->error_message = STR("the request names this more than once");
}

void api_describe_configs(struct req *r)
{
    if (REQ_DECODE(r, describe_configs_request) < 0)
        return;
    const struct describe_configs_request *in = r->own;
    struct describe_configs_response out;
    describe_configs_response_init(&out);
    out.results = REQ_ARRAY(r, struct describe_configs_response_resource, in->resources_n);
    out.results_n = in->resources_n;
    struct image *im = req_image(r);
    struct map said;
    map_init(&said);
    for (uint32_t i = 0; i < in->resources_n; i++)
        describe_once(r, im, &said, &in->resources[i], &out.results[i]);
    req_reply(r, &out);
    map_fini(&said);
    counted_release(&im->c);
}

/* ---- IncrementalAlterConfigs, AlterConfigs: one commit a resource */

struct alter {
    struct commit commit;
    struct change change;
    struct alters *all;
    uint32_t index;
};
struct alters {
    struct req *r;
    const struct incremental_alter_configs_request_resource *in;
    struct incremental_alter_configs_response_resource *out;
    uint32_t nin;
    struct map said; /* resources */
    bool validate_only;
    void (*reply)(struct alters *as);
    struct alter *items;
    uint32_t n, left;
};

static void alters_reply(struct alters *as)
{
    map_fini(&as->said);
    as->reply(as);
}

static void alter_finish(struct alters *as, struct alter *al, int status)
{
    struct incremental_alter_configs_response_resource *ro = &as->out[al->index];
    ro->error_code = err_kafka(status);
    if (status < 0)
        ro->error_message = req_text(as->r, &al->commit.diag);
    change_fini(&al->change);
}

static void alter_done(struct commit *c, int status)
{
    struct alter *al = container_of(c, struct alter, commit);
    struct alters *as = al->all;
    alter_finish(as, al, status);
    if (--as->left == 0)
        alters_reply(as);
}

static bool in_list(const char *list, struct str word)
{
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");
        if (str_eq(str_trim((struct str){p, n}), word))
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

/* The list after words were appended or taken away. */
static struct str alter_list(struct req *r, const char *now, struct str words, bool append)
{
    char *out = arena_printf(&r->arena, "%s", append ? now : "");
    const char *from = append ? arena_dup(&r->arena, words).ptr : now;
    char *not_these = arena_printf(&r->arena, "%.*s", STR_ARG(words));
    for (const char *p = from; *p;) {
        size_t n = strcspn(p, ",");
        struct str word = str_trim((struct str){p, n});
        bool skip = append ? in_list(out, word) : in_list(not_these, word);
        if (word.len && !skip)
            out = arena_printf(&r->arena, "%s%s%.*s", out, *out ? "," : "", STR_ARG(word));
        p += n + (p[n] == ',');
    }
    return str_of(out);
}

static int16_t alter_add(struct req *r, struct alter *al, const struct topic *t,
                         const struct incremental_alter_configs_request_config *ci, struct diag *d)
{
    struct topic_config_item it;
    bool known = false;
    for (unsigned i = 0; !known && cluster_topic_config(req_broker(r)->cluster, t, i, &it); i++)
        known = str_eq(ci->name, str_of(it.key));
    if (ci->config_operation == ALTER_DELETE && known) {
        change_set_config(&al->change, t->id, ci->name, STR_NULL);
        return K_NONE;
    }
    if (ci->config_operation != ALTER_DELETE && !ci->value.ptr) {
        diag_set(d, E_BAD_REQUEST, "%.*s: no value", STR_ARG(ci->name));
        return K_INVALID_REQUEST;
    }
    if (ci->config_operation == ALTER_SET || !known) { /* an unknown key is refused by the check of its name */
        change_set_config(&al->change, t->id, ci->name, ci->value.ptr ? ci->value : STR(""));
        return K_NONE;
    }
    bool append = ci->config_operation == ALTER_APPEND;
    if ((!append && ci->config_operation != ALTER_SUBTRACT) || it.type != 'c') {
        diag_set(d, E_BAD_CONFIG, "%s cannot be changed by operation %d", it.key, ci->config_operation);
        return K_INVALID_CONFIG;
    }
    if (ci->value.len > CONFIG_LIST_BYTES) {
        diag_set(d, E_BAD_CONFIG, "%s: the list is too long", it.key);
        return K_INVALID_CONFIG;
    }
    change_set_config(&al->change, t->id, ci->name, alter_list(r, it.value, ci->value, append));
    return K_NONE;
}

/* Why a resource is not changed at all; 0: it is a topic, in *t. */
static int16_t alter_refuse(struct alters *as, const struct image *im,
                            const struct incremental_alter_configs_request_resource *ri, const struct topic **t,
                            struct diag *d)
{
    struct map names;
    bool twice = false;
    if (said_times(&as->said, resource_text(as->r, ri->resource_type, ri->resource_name)) > 1) {
        diag_set(d, E_BAD_REQUEST, "the request names this more than once");
        return K_INVALID_REQUEST;
    }
    if (ri->resource_type != RES_TOPIC) {
        diag_set(d, E_BAD_REQUEST, "settings of a server are read at its start: its configuration file has them");
        return K_INVALID_REQUEST;
    }
    *t = image_topic(im, ri->resource_name);
    if (!*t)
        return K_UNKNOWN_TOPIC;
    map_init(&names);
    for (uint32_t k = 0; k < ri->configs_n; k++) {
        said_add(&names, &as->r->arena, ri->configs[k].name);
        twice = twice || said_times(&names, ri->configs[k].name) > 1;
    }
    map_fini(&names);
    if (twice)
        diag_set(d, E_BAD_REQUEST, "the request names a setting more than once");
    return twice ? K_INVALID_REQUEST : K_NONE;
}

static void alter_resource(struct alters *as, const struct image *im, uint32_t i)
{
    struct req *r = as->r;
    const struct incremental_alter_configs_request_resource *ri = &as->in[i];
    struct incremental_alter_configs_response_resource *ro = &as->out[i];
    const struct topic *t = NULL;
    struct diag d = {.text = ""};
    incremental_alter_configs_response_resource_init(ro);
    ro->resource_type = ri->resource_type;
    ro->resource_name = ri->resource_name;
    ro->error_code = alter_refuse(as, im, ri, &t, &d);
    struct alter *al = &as->items[as->n];
    *al = (struct alter){.all = as, .index = i};
    change_init(&al->change);
    for (uint32_t k = 0; k < ri->configs_n && !ro->error_code; k++)
        ro->error_code = alter_add(r, al, t, &ri->configs[k], &d);
    if (ro->error_code) {
        ro->error_message = req_text(r, &d);
        change_fini(&al->change);
        return;
    }
    as->n++;
}

static void alters_run(struct alters *as, const struct image *im)
{
    struct req *r = as->r;
    struct cluster *cl = req_broker(r)->cluster;
    as->out = REQ_ARRAY(r, struct incremental_alter_configs_response_resource, as->nin);
    as->items = REQ_ARRAY(r, struct alter, as->nin + 1);
    map_init(&as->said);
    for (uint32_t i = 0; i < as->nin; i++)
        said_add(&as->said, &r->arena, resource_text(r, as->in[i].resource_type, as->in[i].resource_name));
    for (uint32_t i = 0; i < as->nin; i++)
        alter_resource(as, im, i);
    for (uint32_t i = 0; i < as->n && as->validate_only; i++)
        alter_finish(as, &as->items[i], cluster_check(cl, &as->items[i].change, &as->items[i].commit.diag));
    if (as->n == 0 || as->validate_only) {
        alters_reply(as);
        return;
    }
    as->left = as->n;
    for (uint32_t i = 0, n = as->n; i < n; i++) {
        as->items[i].commit.from = r->desk->loop;
        as->items[i].commit.change = &as->items[i].change;
        as->items[i].commit.done_cb = alter_done;
        cluster_commit(cl, &as->items[i].commit);
    }
}

static void incremental_reply(struct alters *as)
{
    struct incremental_alter_configs_response out;
    incremental_alter_configs_response_init(&out);
    out.responses = as->out;
    out.responses_n = as->nin;
    req_reply(as->r, &out);
}

void api_incremental_alter_configs(struct req *r)
{
    if (REQ_DECODE(r, incremental_alter_configs_request) < 0)
        return;
    const struct incremental_alter_configs_request *in = r->own;
    struct alters *as = REQ_NEW(r, struct alters);
    struct image *im = req_image(r);
    *as = (struct alters){.r = r, .in = in->resources, .nin = in->resources_n, .validate_only = in->validate_only,
                          .reply = incremental_reply};
    alters_run(as, im);
    counted_release(&im->c);
}

/* ---- AlterConfigs: the same, with what is not named set back */

static bool names_setting(const struct alter_configs_request_resource *ri, const char *key)
{
    for (uint32_t i = 0; i < ri->configs_n; i++)
        if (str_eq(ri->configs[i].name, str_of(key)))
            return true;
    return false;
}

static struct incremental_alter_configs_request_resource as_incremental(struct req *r, const struct image *im,
                                                                        const struct alter_configs_request_resource *ri)
{
    const struct topic *t = ri->resource_type == RES_TOPIC ? image_topic(im, ri->resource_name) : NULL;
    uint32_t n = ri->configs_n + (t ? t->nconfigs : 0);
    struct incremental_alter_configs_request_resource to = {.resource_type = ri->resource_type,
                                                            .resource_name = ri->resource_name};
    to.configs = REQ_ARRAY(r, struct incremental_alter_configs_request_config, n);
    for (unsigned i = 0; t && i < t->nconfigs; i++)
        if (!names_setting(ri, t->configs[i].key))
            to.configs[to.configs_n++] = (struct incremental_alter_configs_request_config){
                .name = str_of(arena_strdup(&r->arena, t->configs[i].key)), .config_operation = ALTER_DELETE};
    for (uint32_t i = 0; i < ri->configs_n; i++)
        to.configs[to.configs_n++] = (struct incremental_alter_configs_request_config){
            .name = ri->configs[i].name, .config_operation = ALTER_SET, .value = ri->configs[i].value};
    return to;
}

static void whole_reply(struct alters *as)
{
    struct alter_configs_response out;
    alter_configs_response_init(&out);
    out.responses = REQ_ARRAY(as->r, struct alter_configs_response_resource, as->nin);
    out.responses_n = as->nin;
    for (uint32_t i = 0; i < as->nin; i++)
        out.responses[i] = (struct alter_configs_response_resource){as->out[i].error_code, as->out[i].error_message,
                                                                    as->out[i].resource_type, as->out[i].resource_name};
    req_reply(as->r, &out);
}

void api_alter_configs(struct req *r)
{
    if (REQ_DECODE(r, alter_configs_request) < 0)
        return;
    const struct alter_configs_request *in = r->own;
    struct alters *as = REQ_NEW(r, struct alters);
    struct image *im = req_image(r);
    struct incremental_alter_configs_request_resource *resources =
        REQ_ARRAY(r, struct incremental_alter_configs_request_resource, in->resources_n);
    for (uint32_t i = 0; i < in->resources_n; i++)
        resources[i] = as_incremental(r, im, &in->resources[i]);
    *as = (struct alters){.r = r, .in = resources, .nin = in->resources_n, .validate_only = in->validate_only,
                          .reply = whole_reply};
    alters_run(as, im);
    counted_release(&im->c);
}
