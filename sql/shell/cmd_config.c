#include "sql/shell/kafka.h"
#include "sql/shell/shell.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "weir config: look at the settings of topics and of the server, and change those of topics\n"
    "\n"
    "usage: weir config list [--server HOST:PORT]\n"
    "       weir config describe topic NAME [KEY...] [--all] [--docs]\n"
    "       weir config describe server [KEY...] [--all] [--docs]\n"
    "       weir config set topic NAME KEY=VALUE... [--dry-run]\n"
    "       weir config unset topic NAME KEY... [--dry-run]\n"
    "       weir config append topic NAME KEY=WORD...\n"
    "       weir config remove topic NAME KEY=WORD...\n"
    "\n"
    "  --server HOST:PORT   which server (or WEIR_SERVER; default 127.0.0.1:9092)\n"
    "  --all                describe: also what was not set\n"
    "  --docs               describe: what each setting means, and where its value comes from\n"
    "  --dry-run            say whether it would be accepted, change nothing\n"
    "\n"
    "Settings of topics change at once, without a restart; those of a server are read at its start. append and remove are\n"
    "for settings that are lists, such as cleanup.policy. list tells what has settings.\n"
    "\n"
    "examples\n"
    "  weir config describe topic orders\n"
    "  weir config describe topic orders retention.ms --docs\n"
    "  weir config set topic orders retention.ms=3600000 min.insync.replicas=1\n"
    "  weir config append topic orders cleanup.policy=compact\n"
    "  weir config describe server --all\n"
    "\n"
    "exit codes: 0 done, 1 the server refused, 2 no connection or a lost one, 3 wrong usage\n";

enum { KEY_DESCRIBE = 32, KEY_ALTER = 44, KEY_RESOURCES = 74 };
enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4 };
enum { SOURCE_TOPIC = 1, SOURCE_FILE = 4, SOURCE_DEFAULT = 5 };
enum { OP_SET = 0, OP_UNSET = 1, OP_APPEND = 2, OP_REMOVE = 3 };
#define CMD "config"

struct config_options {
    const char *server, *name; /* of the topic; NULL: the server itself */
    char **words;
    int nwords;
    bool all, docs, dry_run;
    struct remote *rm;
    struct arena arena;
};

static int refused(const char *what, struct str name, int16_t code, struct str text)
{
    fprintf(stderr, "weir config: cannot %s %.*s: %.*s\n", what, STR_ARG(name),
            STR_ARG(text.len ? text : str_of(remote_error(code))));
    return EXIT_FAILED;
}

/* ---- list */

static int run_list(struct config_options *o)
{
    struct list_config_resources_request in;
    struct list_config_resources_response out;
    list_config_resources_request_init(&in);
    int rc = kafka_call(o->rm, CMD, KEY_RESOURCES, &in, &out, &o->arena);
    if (rc == 0 && out.error_code)
        return refused("list", STR("settings"), out.error_code, STR_NULL);
    for (uint32_t i = 0; rc == 0 && i < out.config_resources_n; i++) {
        const struct list_config_resources_response_resource *r = &out.config_resources[i];
        printf("%-7s %.*s\n", r->resource_type == RESOURCE_TOPIC ? "topic" : "server", STR_ARG(r->resource_name));
    }
    return rc;
}

/* ---- describe */

static const char *source_text(int8_t source)
{
    switch (source) {
    case SOURCE_TOPIC: return "set for this topic";
    case SOURCE_FILE: return "set for the server";
    case SOURCE_DEFAULT: return "default";
    default: return "set elsewhere";
    }
}

static void print_setting(const struct config_options *o, const struct describe_configs_response_config *c)
{
    printf("%-34.*s %.*s", STR_ARG(c->name), STR_ARG(c->value));
    if (o->all && !o->docs)
        printf("  (%s)", source_text(c->config_source));
    putchar('\n');
    if (!o->docs)
        return;
    printf("    %.*s\n", STR_ARG(c->documentation));
    for (uint32_t i = 0; i < c->synonyms_n; i++)
        printf("    %s: %.*s = %.*s\n", source_text(c->synonyms[i].source), STR_ARG(c->synonyms[i].name),
               STR_ARG(c->synonyms[i].value));
}

static int run_describe(struct config_options *o)
{
    struct describe_configs_request in;
    struct describe_configs_response out;
    struct describe_configs_request_resource res = {.resource_type = o->name ? RESOURCE_TOPIC : RESOURCE_BROKER,
                                                    .resource_name = o->name ? str_of(o->name) : STR("")};
    struct str *keys = ARENA_ARRAY(&o->arena, struct str, o->nwords + 1);
    describe_configs_request_init(&in);
    for (int i = 0; i < o->nwords; i++)
        keys[i] = str_of(o->words[i]);
    res.configuration_keys = o->nwords ? keys : NULL;
    res.configuration_keys_n = (uint32_t)o->nwords;
    in.resources = &res;
    in.resources_n = 1;
    in.include_synonyms = in.include_documentation = o->docs;
    int rc = kafka_call(o->rm, CMD, KEY_DESCRIBE, &in, &out, &o->arena);
    if (rc)
        return rc;
    struct str name = o->name ? res.resource_name : STR("the server");
    if (out.results_n != 1 || out.results[0].error_code)
        return refused("describe", name, out.results_n ? out.results[0].error_code : -1,
                       out.results_n ? out.results[0].error_message : STR("not answered"));
    const struct describe_configs_response_resource *r = &out.results[0];
    if (o->nwords && r->configs_n < (uint32_t)o->nwords) {
        for (int i = 0; i < o->nwords; i++) {
            bool known = false;
            for (uint32_t k = 0; k < r->configs_n; k++)
                known = known || str_eq(r->configs[k].name, keys[i]);
            if (!known)
                return refused("describe", name, 0, str_of(arena_printf(&o->arena, "there is no setting %s", o->words[i])));
        }
    }
    for (uint32_t i = 0; i < r->configs_n; i++)
        if (o->all || o->nwords || r->configs[i].config_source != SOURCE_DEFAULT)
            print_setting(o, &r->configs[i]);
    return 0;
}

/* ---- set, unset, append, remove */

static int change(struct config_options *o, int8_t operation)
{
    struct incremental_alter_configs_request in;
    struct incremental_alter_configs_response out;
    struct incremental_alter_configs_request_resource res = {.resource_type = RESOURCE_TOPIC,
                                                             .resource_name = str_of(o->name)};
    incremental_alter_configs_request_init(&in);
    in.resources = &res;
    in.resources_n = 1;
    in.validate_only = o->dry_run;
    res.configs = ARENA_ARRAY(&o->arena, struct incremental_alter_configs_request_config, o->nwords + 1);
    for (int i = 0; i < o->nwords; i++) {
        struct incremental_alter_configs_request_config *c = &res.configs[res.configs_n++];
        c->config_operation = operation;
        if (operation == OP_UNSET)
            c->name = str_of(o->words[i]);
        else if (!kafka_pair(o->words[i], &c->name, &c->value))
            return kafka_usage(CMD, "not of the form KEY=VALUE", o->words[i]);
    }
    int rc = kafka_call(o->rm, CMD, KEY_ALTER, &in, &out, &o->arena);
    if (rc == 0 && (out.responses_n != 1 || out.responses[0].error_code))
        return refused("change", res.resource_name, out.responses_n ? out.responses[0].error_code : -1,
                       out.responses_n ? out.responses[0].error_message : STR("not answered"));
    if (rc == 0)
        printf("%s %s\n", o->dry_run ? "would change" : "changed", o->name);
    return rc;
}

static int run_set(struct config_options *o) { return change(o, OP_SET); }
static int run_unset(struct config_options *o) { return change(o, OP_UNSET); }
static int run_append(struct config_options *o) { return change(o, OP_APPEND); }
static int run_remove(struct config_options *o) { return change(o, OP_REMOVE); }

/* ---- the command */

static const struct {
    const char *name;
    int (*run)(struct config_options *o);
    bool changes;
} actions[] = {{"list", run_list, false}, {"describe", run_describe, false}, {"set", run_set, true},
               {"unset", run_unset, true}, {"append", run_append, true},     {"remove", run_remove, true}};

/* "topic NAME" or "server". */
static int parse_whose(struct config_options *o, bool changes)
{
    if (o->nwords && strcmp(o->words[0], "server") == 0) {
        if (changes)
            return kafka_usage(CMD, "settings of a server are read at its start: its configuration file has them", NULL);
        o->words++;
        o->nwords--;
    } else if (o->nwords >= 2 && strcmp(o->words[0], "topic") == 0) {
        o->name = o->words[1];
        o->words += 2;
        o->nwords -= 2;
    } else {
        return kafka_usage(CMD, "whose settings? say topic NAME, or server", o->nwords ? o->words[0] : NULL);
    }
    return changes && o->nwords == 0 ? kafka_usage(CMD, "which settings?", NULL) : 0;
}

static int run_action(struct config_options *o, size_t i)
{
    int code;
    if (actions[i].run == run_list)
        code = o->nwords ? kafka_usage(CMD, "unexpected argument", o->words[0]) : 0;
    else
        code = parse_whose(o, actions[i].changes);
    if (code == 0 && ((o->dry_run && !actions[i].changes) || ((o->all || o->docs) && actions[i].run != run_describe)))
        code = kafka_usage(CMD, "an option of another action", NULL);
    if (code == 0)
        code = kafka_connect(&o->rm, CMD, o->server);
    if (code)
        return code;
    code = actions[i].run(o);
    remote_close(o->rm);
    return code;
}

enum { OPT_SERVER = 256, OPT_ALL, OPT_DOCS, OPT_DRY_RUN };
static const struct option long_options[] = {{"server", required_argument, NULL, OPT_SERVER},
                                             {"all", no_argument, NULL, OPT_ALL},
                                             {"docs", no_argument, NULL, OPT_DOCS},
                                             {"dry-run", no_argument, NULL, OPT_DRY_RUN},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

static int run(int argc, char **argv, struct config_options *o)
{
    for (int opt; (opt = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        switch (opt) {
        case OPT_SERVER: o->server = optarg; break;
        case OPT_ALL: o->all = true; break;
        case OPT_DOCS: o->docs = true; break;
        case OPT_DRY_RUN: o->dry_run = true; break;
        case 'h': fputs(usage, stdout); return 0;
        default: fputs("try: weir config --help\n", stderr); return EXIT_WRONG;
        }
    }
    const char *what = optind < argc ? argv[optind++] : NULL;
    o->words = argv + optind;
    o->nwords = argc - optind;
    for (size_t i = 0; what && i < ARRAY_LEN(actions); i++)
        if (strcmp(what, actions[i].name) == 0)
            return run_action(o, i);
    return kafka_usage(CMD, "say list, describe, set, unset, append or remove", what);
}

int cmd_config(int argc, char **argv)
{
    struct config_options o = {0};
    arena_init(&o.arena);
    int code = run(argc, argv, &o);
    arena_fini(&o.arena);
    return code;
}
