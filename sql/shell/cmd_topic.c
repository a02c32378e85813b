#include "sql/shell/goal.h"
#include "sql/shell/kafka.h"
#include "sql/shell/shell.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "weir topic: list, create, delete, describe, alter and trim topics\n"
    "\n"
    "usage: weir topic list [--server HOST:PORT]\n"
    "       weir topic create NAME [--partitions N] [--config KEY=VALUE]...\n"
    "       weir topic delete NAME...\n"
    "       weir topic describe NAME...\n"
    "       weir topic trim NAME --before WHERE [--partition N]\n"
    "       weir topic alter NAME [--partitions N] [--config KEY=VALUE]... [--reset KEY]...\n"
    "\n"
    "  --server HOST:PORT   which server (or WEIR_SERVER; default 127.0.0.1:9092)\n"
    "  --partitions N       how many partitions; alter can only add some\n"
    "  --config KEY=VALUE   a setting of the topic, such as retention.ms or cleanup.policy\n"
    "  --reset KEY          back to the server's default\n"
    "  --before WHERE       trim: records before this place are deleted for good: latest (all there are), an offset,\n"
    "                       @MS (older than that time, in ms since 1970), or -DURATION, such as -90s, -30m, -2h, -7d\n"
    "  --partition N        trim: of this partition only\n"
    "  --if-not-exists      create: an existing topic is fine\n"
    "  --if-exists          delete: a missing topic is fine\n"
    "\n"
    "examples\n"
    "  weir topic create orders --partitions 4 --config retention.ms=3600000\n"
    "  weir topic alter orders --config max.message.bytes=2000000 --reset retention.ms\n"
    "  weir topic describe orders\n"
    "  weir topic trim orders --before -30d\n"
    "\n"
    "exit codes: 0 done, 1 the server refused, 2 no connection or a lost one, 3 wrong usage\n";

enum { KEY_METADATA = 3, KEY_CREATE = 19, KEY_DELETE = 20, KEY_TRIM = 21, KEY_DESCRIBE_CONFIGS = 32, KEY_PARTITIONS = 37, KEY_ALTER = 44 };
enum { RESOURCE_TOPIC = 2, ALTER_SET = 0, ALTER_DELETE = 1, SOURCE_TOPIC = 1 };
#define CMD "topic"

struct topic_options {
    const char *server;
    int32_t partitions, only;  /* only: -1: all of them */
    const char *before;
    const char **sets, **resets;
    unsigned nsets, sets_cap, nresets, resets_cap;
    bool if_not_exists, if_exists;
    char **names;
    int nnames;
    struct arena arena;
};

static int refused(const char *what, struct str name, int16_t code, struct str text)
{
    fprintf(stderr, "weir topic: cannot %s %.*s: %.*s\n", what, STR_ARG(name),
            STR_ARG(text.len ? text : str_of(remote_error(code))));
    return EXIT_FAILED;
}

/* ---- list, describe */

static int run_list(struct remote *rm, struct topic_options *o)
{
    struct metadata_request in;
    struct metadata_response out;
    metadata_request_init(&in);
    in.topics = NULL;
    int rc = kafka_call(rm, CMD, KEY_METADATA, &in, &out, &o->arena);
    int width = 5;
    for (uint32_t i = 0; rc == 0 && i < out.topics_n; i++)
        width = MAX(width, (int)out.topics[i].name.len);
    if (rc == 0)
        printf("%-*s  partitions\n", width, "topic");
    for (uint32_t i = 0; rc == 0 && i < out.topics_n; i++)
        printf("%-*.*s  %u\n", width, STR_ARG(out.topics[i].name), out.topics[i].partitions_n);
    return rc;
}

static int describe_configs(struct remote *rm, struct topic_options *o, const char *name)
{
    struct describe_configs_request in;
    struct describe_configs_response out;
    struct describe_configs_request_resource res = {.resource_type = RESOURCE_TOPIC, .resource_name = str_of(name)};
    describe_configs_request_init(&in);
    in.resources = &res;
    in.resources_n = 1;
    int rc = kafka_call(rm, CMD, KEY_DESCRIBE_CONFIGS, &in, &out, &o->arena);
    if (rc || out.results_n != 1)
        return rc;
    if (out.results[0].error_code)
        return refused("describe", str_of(name), out.results[0].error_code, out.results[0].error_message);
    for (uint32_t i = 0; i < out.results[0].configs_n; i++) {
        const struct describe_configs_response_config *c = &out.results[0].configs[i];
        printf("  %-32.*s %.*s%s\n", STR_ARG(c->name), STR_ARG(c->value),
               c->config_source == SOURCE_TOPIC ? "  (set here)" : "");
    }
    return 0;
}

static int describe_one(struct remote *rm, struct topic_options *o, const char *name)
{
    struct metadata_response_topic t;
    char id[UUID_TEXT];
    int rc = kafka_topic(rm, CMD, name, false, &t, &o->arena);
    if (rc)
        return rc;
    int64_t *start = ARENA_ARRAY(&o->arena, int64_t, t.partitions_n);
    int64_t *end = ARENA_ARRAY(&o->arena, int64_t, t.partitions_n);
    rc = kafka_offsets(rm, CMD, &t, -2, false, start, &o->arena);
    if (rc == 0)
        rc = kafka_offsets(rm, CMD, &t, -1, false, end, &o->arena);
    if (rc)
        return rc;
    uuid_format(t.topic_id, id);
    printf("topic %s  id %s  partitions %u\n", name, id, t.partitions_n);
    for (uint32_t i = 0; i < t.partitions_n; i++)
        printf("  partition %u  offsets %lld to %lld\n", i, (long long)start[i], (long long)end[i]);
    return describe_configs(rm, o, name);
}

static int run_describe(struct remote *rm, struct topic_options *o)
{
    int code = 0;
    for (int i = 0; i < o->nnames && code != EXIT_LOST; i++) {
        int rc = describe_one(rm, o, o->names[i]);
        code = MAX(code, rc);
    }
    return code;
}

/* ---- create, delete, alter */

static int run_create(struct remote *rm, struct topic_options *o)
{
    struct create_topics_request in;
    struct create_topics_response out;
    int code = 0;
    create_topics_request_init(&in);
    in.topics = ARENA_ARRAY(&o->arena, struct create_topics_request_topic, o->nnames);
    in.topics_n = (uint32_t)o->nnames;
    for (int i = 0; i < o->nnames; i++) {
        struct create_topics_request_topic *t = &in.topics[i];
        create_topics_request_topic_init(t);
        t->name = str_of(o->names[i]);
        t->num_partitions = o->partitions ? o->partitions : -1;
        t->replication_factor = -1;
        t->configs = ARENA_ARRAY(&o->arena, struct create_topics_request_config, o->nsets);
        t->configs_n = o->nsets;
        for (unsigned k = 0; k < o->nsets; k++)
            kafka_pair(o->sets[k], &t->configs[k].name, &t->configs[k].value);
    }
    int rc = kafka_call(rm, CMD, KEY_CREATE, &in, &out, &o->arena);
    for (uint32_t i = 0; rc == 0 && i < out.topics_n; i++) {
        const struct create_topics_response_topic *t = &out.topics[i];
        if (t->error_code && !(o->if_not_exists && t->error_code == err_kafka(E_EXISTS)))
            code = refused("create", t->name, t->error_code, t->error_message);
        else
            printf("%s %.*s\n", t->error_code ? "exists" : "created", STR_ARG(t->name));
    }
    return rc ? rc : code;
}

static int run_delete(struct remote *rm, struct topic_options *o)
{
    struct delete_topics_request in;
    struct delete_topics_response out;
    int code = 0;
    delete_topics_request_init(&in);
    in.topics = ARENA_ARRAY(&o->arena, struct delete_topics_request_topic, o->nnames);
    in.topic_names = ARENA_ARRAY(&o->arena, struct str, o->nnames);
    in.topics_n = in.topic_names_n = (uint32_t)o->nnames;
    for (int i = 0; i < o->nnames; i++)
        in.topics[i].name = in.topic_names[i] = str_of(o->names[i]);
    int rc = kafka_call(rm, CMD, KEY_DELETE, &in, &out, &o->arena);
    for (uint32_t i = 0; rc == 0 && i < out.responses_n; i++) {
        const struct delete_topics_response_topic *t = &out.responses[i];
        if (t->error_code && !(o->if_exists && t->error_code == err_kafka(E_NO_TOPIC)))
            code = refused("delete", t->name, t->error_code, t->error_message);
        else
            printf("%s %.*s\n", t->error_code ? "no" : "deleted", STR_ARG(t->name));
    }
    return rc ? rc : code;
}

static int alter_partitions(struct remote *rm, struct topic_options *o)
{
    struct create_partitions_request in;
    struct create_partitions_response out;
    struct create_partitions_request_topic t = {.name = str_of(o->names[0]), .count = o->partitions};
    create_partitions_request_init(&in);
    in.topics = &t;
    in.topics_n = 1;
    in.timeout_ms = KAFKA_TIMEOUT_MS;
    int rc = kafka_call(rm, CMD, KEY_PARTITIONS, &in, &out, &o->arena);
    if (rc == 0 && out.results_n == 1 && out.results[0].error_code)
        return refused("alter", t.name, out.results[0].error_code, out.results[0].error_message);
    return rc;
}

static int alter_configs(struct remote *rm, struct topic_options *o)
{
    struct incremental_alter_configs_request in;
    struct incremental_alter_configs_response out;
    struct incremental_alter_configs_request_resource res = {.resource_type = RESOURCE_TOPIC,
                                                             .resource_name = str_of(o->names[0])};
    incremental_alter_configs_request_init(&in);
    in.resources = &res;
    in.resources_n = 1;
    res.configs = ARENA_ARRAY(&o->arena, struct incremental_alter_configs_request_config, o->nsets + o->nresets);
    for (unsigned i = 0; i < o->nsets; i++) {
        struct incremental_alter_configs_request_config *c = &res.configs[res.configs_n++];
        kafka_pair(o->sets[i], &c->name, &c->value);
        c->config_operation = ALTER_SET;
    }
    for (unsigned i = 0; i < o->nresets; i++)
        res.configs[res.configs_n++] = (struct incremental_alter_configs_request_config){
            .name = str_of(o->resets[i]), .config_operation = ALTER_DELETE};
    int rc = kafka_call(rm, CMD, KEY_ALTER, &in, &out, &o->arena);
    if (rc == 0 && out.responses_n == 1 && out.responses[0].error_code)
        return refused("alter", res.resource_name, out.responses[0].error_code, out.responses[0].error_message);
    return rc;
}

static int run_alter(struct remote *rm, struct topic_options *o)
{
    if (o->nnames != 1 || (!o->partitions && !o->nsets && !o->nresets))
        return kafka_usage(CMD, "alter takes one topic and what to change", NULL);
    int rc = o->partitions ? alter_partitions(rm, o) : 0;
    if (rc == 0 && o->nsets + o->nresets)
        rc = alter_configs(rm, o);
    if (rc == 0)
        printf("altered %s\n", o->names[0]);
    return rc;
}

/* ---- trim */

static int trim_send(struct remote *rm, struct topic_options *o, struct delete_records_request_topic *topic)
{
    struct delete_records_request in;
    struct delete_records_response out;
    int code = 0;
    delete_records_request_init(&in);
    in.topics = topic;
    in.topics_n = 1;
    in.timeout_ms = KAFKA_TIMEOUT_MS;
    int rc = kafka_call(rm, CMD, KEY_TRIM, &in, &out, &o->arena);
    for (uint32_t i = 0; rc == 0 && out.topics_n == 1 && i < out.topics[0].partitions_n; i++) {
        const struct delete_records_response_partition *p = &out.topics[0].partitions[i];
        if (p->error_code == err_kafka(E_POLICY))
            code = refused("trim", topic->name, p->error_code, STR("its cleanup.policy does not delete records"));
        else if (p->error_code)
            code = refused("trim", topic->name, p->error_code, STR_NULL);
        else
            printf("partition %d begins at %lld\n", p->partition_index, (long long)p->low_watermark);
    }
    return rc ? rc : code;
}

static int run_trim(struct remote *rm, struct topic_options *o)
{
    struct metadata_response_topic t;
    struct goal g;
    if (o->nnames != 1 || !o->before || !goal_parse(o->before, &g))
        return kafka_usage(CMD, "trim takes one topic, and --before with " GOAL_WAYS, o->before);
    int rc = kafka_topic(rm, CMD, o->names[0], false, &t, &o->arena);
    if (rc)
        return rc;
    if (o->only >= (int64_t)t.partitions_n)
        return refused("trim", t.name, 0, STR("it has no such partition"));
    int64_t *to = ARENA_ARRAY(&o->arena, int64_t, 3 * (size_t)t.partitions_n + 1);
    rc = goal_offsets(rm, CMD, &t, &g, to, to + t.partitions_n, to + 2 * (size_t)t.partitions_n, &o->arena);
    struct delete_records_request_topic topic = {.name = t.name};
    topic.partitions = ARENA_ARRAY(&o->arena, struct delete_records_request_partition, t.partitions_n + 1);
    for (uint32_t p = 0; p < t.partitions_n; p++)
        if (o->only < 0 || o->only == (int64_t)p)
            topic.partitions[topic.partitions_n++] = (struct delete_records_request_partition){(int32_t)p, to[p]};
    return rc ? rc : trim_send(rm, o, &topic);
}

/* ---- the command */

static const struct {
    const char *name;
    int (*run)(struct remote *rm, struct topic_options *o);
    bool names; /* needs some */
} actions[] = {
    {"list", run_list, false},         {"create", run_create, true}, {"delete", run_delete, true},
    {"describe", run_describe, true}, {"alter", run_alter, true},   {"trim", run_trim, true},
};

enum { OPT_SERVER = 256, OPT_PARTITIONS, OPT_CONFIG, OPT_RESET, OPT_IF_NOT_EXISTS, OPT_IF_EXISTS, OPT_BEFORE, OPT_PARTITION };
static const struct option long_options[] = {{"server", required_argument, NULL, OPT_SERVER},
                                             {"partitions", required_argument, NULL, OPT_PARTITIONS},
                                             {"config", required_argument, NULL, OPT_CONFIG},
                                             {"reset", required_argument, NULL, OPT_RESET},
                                             {"if-not-exists", no_argument, NULL, OPT_IF_NOT_EXISTS},
                                             {"if-exists", no_argument, NULL, OPT_IF_EXISTS},
                                             {"before", required_argument, NULL, OPT_BEFORE},
                                             {"partition", required_argument, NULL, OPT_PARTITION},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

static bool parse_options(int argc, char **argv, struct topic_options *o, int *code)
{
    int opt;
    struct str key, value;
    int64_t n;
    *code = EXIT_WRONG;
    while ((opt = getopt_long(argc, argv, "p:h", long_options, NULL)) != -1) {
        switch (opt) {
        case OPT_SERVER: o->server = optarg; break;
        case 'p':
        case OPT_PARTITIONS:
            if (!str_to_i64(str_of(optarg), &n) || n < 1 || n > INT32_MAX) {
                kafka_usage(CMD, "the number of partitions must be a whole number above 0", optarg);
                return false;
            }
            o->partitions = (int32_t)n;
            break;
        case OPT_CONFIG:
            if (!kafka_pair(optarg, &key, &value)) {
                kafka_usage(CMD, "not of the form KEY=VALUE", optarg);
                return false;
            }
            VEC_PUSH(o->sets, o->nsets, o->sets_cap) = optarg;
            break;
        case OPT_RESET: VEC_PUSH(o->resets, o->nresets, o->resets_cap) = optarg; break;
        case OPT_IF_NOT_EXISTS: o->if_not_exists = true; break;
        case OPT_IF_EXISTS: o->if_exists = true; break;
        case OPT_BEFORE: o->before = optarg; break;
        case OPT_PARTITION:
            if (!str_to_i64(str_of(optarg), &n) || n < 0 || n > INT32_MAX) {
                kafka_usage(CMD, "the number of a partition is a whole number", optarg);
                return false;
            }
            o->only = (int32_t)n;
            break;
        case 'h':
            fputs(usage, stdout);
            *code = 0;
            return false;
        default:
            fputs("try: weir topic --help\n", stderr);
            return false;
        }
    }
    return true;
}

static int run(int argc, char **argv, struct topic_options *o)
{
    int code;
    if (!parse_options(argc, argv, o, &code))
        return code;
    const char *what = optind < argc ? argv[optind++] : NULL;
    o->names = argv + optind;
    o->nnames = argc - optind;
    for (size_t i = 0; what && i < ARRAY_LEN(actions); i++) {
        if (strcmp(what, actions[i].name) != 0)
            continue;
        if (actions[i].names != (o->nnames > 0))
            return kafka_usage(CMD, actions[i].names ? "which topic?" : "unexpected argument",
                               actions[i].names ? NULL : o->names[0]);
        struct remote *rm;
        code = kafka_connect(&rm, CMD, o->server);
        if (code == 0) {
            code = actions[i].run(rm, o);
            remote_close(rm);
        }
        return code;
    }
    return kafka_usage(CMD, "say list, create, delete, describe, alter or trim", what);
}

int cmd_topic(int argc, char **argv)
{
    struct topic_options o = {.only = -1};
    arena_init(&o.arena);
    int code = run(argc, argv, &o);
    arena_fini(&o.arena);
    xfree(o.sets);
    xfree(o.resets);
    return code;
}
