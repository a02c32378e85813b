#include "log/base/buf.h"
#include "log/base/trace.h"
#include "sql/serve/node.h"
#include "sql/shell/shell.h"
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern char **environ;

static const char usage[] =
    "weir server: keep the log and run the jobs of a data folder, until SIGTERM or SIGINT\n"
    "\n"
    "usage: weir server --data DIR [--listen HOST:PORT]... [--config FILE] [--set KEY=VALUE]...\n"
    "\n"
    "  --data DIR           folder of the data; made if it is not there\n"
    "  --listen HOST:PORT   where to listen, in place of the setting `listeners`; several are fine, also as\n"
    "                       NAME://HOST:PORT; port 0 takes a free one\n"
    "  --config FILE        settings, one `key = value` a line; a line that begins with # is a comment\n"
    "  --set KEY=VALUE      one setting\n"
    "  --settings           list every setting with its default and leave\n"
    "  --verbose            trace more\n"
    "\n"
    "A setting is taken from --set and --listen, else from the environment (listeners: WEIR_LISTENERS; dots become\n"
    "underscores), else from the file, else it has its default. When the server accepts connections it prints one line:\n"
    "weir ready listen=HOST:PORT,... data=DIR\n"
    "\n"
    "examples\n"
    "  weir server --data /var/lib/weir\n"
    "  weir server --data /tmp/play --listen 127.0.0.1:0 --set num.partitions=4\n"
    "  weir server --data d --listen 0.0.0.0:9092 --set allow.plaintext=true \\\n"
    "              --set advertised.listeners=PLAINTEXT://log.example.com:9092\n"
    "\n"
    "exit codes: 0 stopped as asked, 1 it could not start (folder in use, address taken, newer format, ...),\n"
    "3 wrong usage or settings\n";

struct server_options {
    const char *data, *file;
    const char **sets;
    unsigned nsets, sets_cap;
    struct wbuf listen;
};

enum { EXIT_WRONG = 3 };
enum { OPT_DATA = 256, OPT_LISTEN, OPT_CONFIG, OPT_SET, OPT_SETTINGS, OPT_VERBOSE };
static const struct option long_options[] = {
    {"data", required_argument, NULL, OPT_DATA},     {"listen", required_argument, NULL, OPT_LISTEN},
    {"config", required_argument, NULL, OPT_CONFIG}, {"set", required_argument, NULL, OPT_SET},
    {"settings", no_argument, NULL, OPT_SETTINGS},   {"verbose", no_argument, NULL, OPT_VERBOSE},
    {"help", no_argument, NULL, 'h'},                {NULL, 0, NULL, 0}};

static int list_settings(void)
{
    struct config conf;
    struct config_item it;
    config_init(&conf);
    for (unsigned i = 0; config_item(&conf, i, &it); i++)
        printf("%-46s %s%s%s\n", it.key, it.doc, *it.dflt ? "; default " : "", it.dflt);
    config_fini(&conf);
    return 0;
}

/* Names must differ: the first listener is PLAINTEXT, the next ones get a number. */
static void add_listen(struct server_options *o, const char *where)
{
    if (o->listen.len)
        wbuf_printf(&o->listen, ",");
    if (!strstr(where, "://") && o->listen.len)
        wbuf_printf(&o->listen, "PLAINTEXT%zu://", o->listen.len);
    wbuf_printf(&o->listen, "%s", where);
}

/* False: leave with *code. */
static bool parse_options(int argc, char **argv, struct server_options *o, int *code)
{
    int opt;
    while ((opt = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (opt) {
        case OPT_DATA: o->data = optarg; break;
        case OPT_LISTEN: add_listen(o, optarg); break;
        case OPT_CONFIG: o->file = optarg; break;
        case OPT_SET: VEC_PUSH(o->sets, o->nsets, o->sets_cap) = optarg; break;
        case OPT_VERBOSE: trace_level = DEBUG; break;
        case OPT_SETTINGS:
            *code = list_settings();
            return false;
        case 'h':
            fputs(usage, stdout);
            *code = 0;
            return false;
        default:
            fputs("try: weir server --help\n", stderr);
            *code = EXIT_WRONG;
            return false;
        }
    }
    *code = EXIT_WRONG;
    if (optind < argc)
        fprintf(stderr, "weir server: unexpected argument \"%s\"\ntry: weir server --help\n", argv[optind]);
    else if (!o->data)
        fputs("weir server: --data DIR is needed: the folder that keeps the log\ntry: weir server --help\n", stderr);
    else
        return true;
    return false;
}

static int complain(const char *where, const struct diag *d)
{
    fprintf(stderr, "weir server: ");
    if (where && d->line)
        fprintf(stderr, "%s:%d: ", where, d->line);
    else if (where)
        fprintf(stderr, "%s: ", where);
    fprintf(stderr, "%s\n", d->text);
    if (d->hint[0])
        fprintf(stderr, "  %s\n", d->hint);
    return EXIT_WRONG;
}

/* Later ones win: file, environment, flags. */
static int load_settings(struct config *conf, struct server_options *o)
{
    struct diag d = {.text = ""};
    if (o->file && config_file(conf, o->file, &d) < 0)
        return complain(o->file, &d);
    if (config_env(conf, environ, &d) < 0)
        return complain("environment", &d);
    if (config_list(conf, o->sets, o->nsets, &d) < 0)
        return complain("--set", &d);
    if (o->listen.len && config_set(conf, STR("listeners"), wbuf_view(&o->listen), &d) < 0)
        return complain("--listen", &d);
    return 0;
}

static int serve(const struct config *conf, const struct server_options *o)
{
    struct node_conf nc = {.conf = conf, .data_dir = o->data, .tcp = true};
    struct node *node;
    struct diag d = {.text = ""};
    sigset_t stop;
    int sig = 0;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL); /* before there are threads: all of them leave the signals to us */
    int rc = node_open(&node, &nc, &d);
    if (rc < 0) {
        complain(NULL, &d);
        return rc == E_BAD_CONFIG ? EXIT_WRONG : 1;
    }
    node_start(node);
    char listen[1024];
    node_addresses(node, listen, sizeof listen);
    printf("weir ready listen=%s data=%s\n", listen, o->data);
    fflush(stdout);
    do
        sigwait(&stop, &sig);
    while (sig != SIGTERM && sig != SIGINT);
    trace(INFO, "server", "stop signal=%d", sig);
    node_stop(node);
    return 0;
}

int cmd_server(int argc, char **argv)
{
    struct server_options o = {0};
    struct config conf;
    int code;
    wbuf_init(&o.listen);
    config_init(&conf);
    if (parse_options(argc, argv, &o, &code)) {
        code = load_settings(&conf, &o);
        if (code == 0)
            code = serve(&conf, &o);
    }
    config_fini(&conf);
    wbuf_fini(&o.listen);
    xfree(o.sets);
    return code;
}
