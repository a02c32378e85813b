#include "sql/shell/kafka.h"
#include "sql/shell/shell.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "weir quota: limit what users, client ids and addresses may ask for\n"
    "\n"
    "usage: weir quota list [ENTITY] [--server HOST:PORT]\n"
    "       weir quota set ENTITY LIMIT=VALUE... [--dry-run]\n"
    "       weir quota unset ENTITY LIMIT... [--dry-run]\n"
    "\n"
    "An ENTITY is a user, a client id, a user with a client id, or an address:\n"
    "  --user NAME, --user-default            without a login everybody is ANONYMOUS\n"
    "  --client-id NAME, --client-id-default  as clients call themselves\n"
    "  --ip ADDRESS, --ip-default             where they come from\n"
    "Who falls under several has the limit of the most specific one: user with client id, user, client id, a name "
    "before\n"
    "the default. Under a default each name is measured by itself.\n"
    "\n"
    "  producer_byte_rate        bytes a second of Produce requests\n"
    "  consumer_byte_rate        bytes a second of records that Fetch gives\n"
    "  request_percentage        percent of a second that requests may keep a thread busy\n"
    "  controller_mutation_rate  partitions created and deleted a second\n"
    "  connection_creation_rate  connections a second; of an --ip only\n"
    "\n"
    "Ten seconds' worth may be taken at once. Who takes more has its answer at once, is told for how long to wait, and "
    "is\n"
    "not read from for as long; CreateTopics and the like are refused meanwhile. Limits change at once and survive a\n"
    "restart.\n"
    "\n"
    "  --server HOST:PORT   which server (or WEIR_SERVER; default 127.0.0.1:9092)\n"
    "  --dry-run            say whether it would be accepted, change nothing\n"
    "\n"
    "examples\n"
    "  weir quota set --client-id etl producer_byte_rate=1048576\n"
    "  weir quota set --client-id-default consumer_byte_rate=10485760\n"
    "  weir quota list --client-id etl\n"
    "  weir quota unset --client-id etl producer_byte_rate\n"
    "\n"
    "exit codes: 0 done, 1 the server refused, 2 no connection or a lost one, 3 wrong usage\n";

enum { KEY_DESCRIBE = 48, KEY_ALTER = 49 };
enum { MATCH_EXACT, MATCH_DEFAULT };
enum { PARTS = 3 };
#define CMD "quota"

struct quota_options {
    const char *server;
    struct str types[PARTS], names[PARTS]; /* of the entity; a name that is null: the default */
    unsigned nparts;
    char **words;
    int nwords;
    bool dry_run;
    struct remote *rm;
    struct arena arena;
};

static int refused(int16_t code, struct str text)
{
    fprintf(stderr, "weir quota: %.*s\n", STR_ARG(text.len ? text : str_of(remote_error(code))));
    return EXIT_FAILED;
}

static int run_list(struct quota_options *o)
{
    struct describe_client_quotas_request in;
    struct describe_client_quotas_response out;
    struct describe_client_quotas_request_component parts[PARTS];
    describe_client_quotas_request_init(&in);
    for (unsigned i = 0; i < o->nparts; i++)
        parts[i] = (struct describe_client_quotas_request_component){
            o->types[i], o->names[i].ptr ? MATCH_EXACT : MATCH_DEFAULT, o->names[i]};
    in.components = parts;
    in.components_n = o->nparts;
    int rc = kafka_call(o->rm, CMD, KEY_DESCRIBE, &in, &out, &o->arena);
    if (rc == 0 && out.error_code)
        return refused(out.error_code, out.error_message);
    for (uint32_t i = 0; rc == 0 && i < out.entries_n; i++) {
        const struct describe_client_quotas_response_entry *e = &out.entries[i];
        for (uint32_t k = 0; k < e->values_n; k++) {
            for (uint32_t t = 0; t < e->entity_n; t++)
                printf("%.*s %.*s  ", STR_ARG(e->entity[t].entity_type),
                       STR_ARG(e->entity[t].entity_name.ptr ? e->entity[t].entity_name : STR("(default)")));
            printf("%.*s=%.15g\n", STR_ARG(e->values[k].key), e->values[k].value);
        }
    }
    return rc;
}

static int change(struct quota_options *o, bool remove)
{
    struct alter_client_quotas_request in;
    struct alter_client_quotas_response out;
    struct alter_client_quotas_request_entry entry = {.entity_n = o->nparts};
    struct alter_client_quotas_request_entity entity[PARTS];
    entry.entity = entity;
    for (unsigned i = 0; i < o->nparts; i++)
        entity[i] = (struct alter_client_quotas_request_entity){o->types[i], o->names[i]};
    entry.ops = ARENA_ARRAY(&o->arena, struct alter_client_quotas_request_op, o->nwords + 1);
    for (int i = 0; i < o->nwords; i++) {
        struct alter_client_quotas_request_op *op = &entry.ops[entry.ops_n++];
        struct str value;
        char *end;
        *op = (struct alter_client_quotas_request_op){.key = str_of(o->words[i]), .remove = remove};
        if (remove)
            continue;
        if (!kafka_pair(o->words[i], &op->key, &value))
            return kafka_usage(CMD, "not of the form LIMIT=VALUE", o->words[i]);
        op->value = strtod(value.ptr, &end);
        if (!value.len || *end)
            return kafka_usage(CMD, "not a number", value.ptr);
    }
    alter_client_quotas_request_init(&in);
    in.entries = &entry;
    in.entries_n = 1;
    in.validate_only = o->dry_run;
    int rc = kafka_call(o->rm, CMD, KEY_ALTER, &in, &out, &o->arena);
    if (rc == 0 && (out.entries_n != 1 || out.entries[0].error_code))
        return refused(out.entries_n ? out.entries[0].error_code : -1,
                       out.entries_n ? out.entries[0].error_message : STR("not answered"));
    if (rc == 0)
        puts(o->dry_run ? "would change" : "changed");
    return rc;
}

static int run_action(struct quota_options *o, const char *what)
{
    bool list = strcmp(what, "list") == 0, set = strcmp(what, "set") == 0;
    if (!list && !set && strcmp(what, "unset") != 0)
        return kafka_usage(CMD, "say list, set or unset", what);
    if (list && (o->nwords || o->dry_run))
        return kafka_usage(CMD, "unexpected argument", o->nwords ? o->words[0] : "--dry-run");
    if (!list && !o->nparts)
        return kafka_usage(CMD, "whose? say --user, --client-id or --ip", NULL);
    if (!list && !o->nwords)
        return kafka_usage(CMD, "which limits?", NULL);
    int code = kafka_connect(&o->rm, CMD, o->server);
    if (code)
        return code;
    code = list ? run_list(o) : change(o, !set);
    remote_close(o->rm);
    return code;
}

enum {
    OPT_SERVER = 256,
    OPT_DRY_RUN,
    OPT_USER,
    OPT_CLIENT,
    OPT_IP,
    OPT_USER_DEFAULT,
    OPT_CLIENT_DEFAULT,
    OPT_IP_DEFAULT
};
static const struct option long_options[] = {{"server", required_argument, NULL, OPT_SERVER},
                                             {"dry-run", no_argument, NULL, OPT_DRY_RUN},
                                             {"user", required_argument, NULL, OPT_USER},
                                             {"client-id", required_argument, NULL, OPT_CLIENT},
                                             {"ip", required_argument, NULL, OPT_IP},
                                             {"user-default", no_argument, NULL, OPT_USER_DEFAULT},
                                             {"client-id-default", no_argument, NULL, OPT_CLIENT_DEFAULT},
                                             {"ip-default", no_argument, NULL, OPT_IP_DEFAULT},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

static int add_part(struct quota_options *o, int which, const char *name)
{
    static const char *const types[] = {"user", "client-id", "ip"};
    if (o->nparts == PARTS)
        return kafka_usage(CMD, "more than one entity", NULL);
    o->types[o->nparts] = str_of(types[which]);
    o->names[o->nparts++] = name ? str_of(name) : STR_NULL;
    return 0;
}

static int run(int argc, char **argv, struct quota_options *o)
{
    int code = 0;
    for (int opt; code == 0 && (opt = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        switch (opt) {
        case OPT_SERVER:
            o->server = optarg;
            break;
        case OPT_DRY_RUN:
            o->dry_run = true;
            break;
        case OPT_USER:
        case OPT_CLIENT:
        case OPT_IP:
            code = add_part(o, opt - OPT_USER, optarg);
            break;
        case OPT_USER_DEFAULT:
        case OPT_CLIENT_DEFAULT:
        case OPT_IP_DEFAULT:
            code = add_part(o, opt - OPT_USER_DEFAULT, NULL);
            break;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs("try: weir quota --help\n", stderr);
            return EXIT_WRONG;
        }
    }
    if (code)
        return code;
    if (optind == argc)
        return kafka_usage(CMD, "say list, set or unset", NULL);
    o->words = argv + optind + 1;
    o->nwords = argc - optind - 1;
    return run_action(o, argv[optind]);
}

int cmd_quota(int argc, char **argv)
{
    struct quota_options o = {0};
    arena_init(&o.arena);
    int code = run(argc, argv, &o);
    arena_fini(&o.arena);
    return code;
}
