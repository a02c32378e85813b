#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "log/base/clock.h"
#include "sql/parse/parse.h"
#include "sql/shell/client.h"
#include "sql/shell/shell.h"
#include "sql/shell/target.h"

static const char usage[] =
    "weir job: look at jobs and steer them\n"
    "\n"
    "usage: weir job list [options]\n"
    "       weir job describe|stop|start|drop NAME [options]\n"
    "       weir job wait [NAME] [options]\n"
    "\n"
    "  list       every job: state, lag, rates, rows\n"
    "  describe   one job: sources, event time, state, errors, plan with its counters\n"
    "  stop       let it commit and stop; it stays stopped over restarts\n"
    "  start      let it go on where it stopped\n"
    "  drop       end it for good; what it filled stays\n"
    "  wait       until the jobs have caught up with their input and committed\n"
    "\n"
    "  --server HOST:PORT   speak to this server (or WEIR_SERVER; default 127.0.0.1:9092)\n"
    "  --data DIR           the node on this folder, of a shell or of our own\n"
    "  --mode MODE          how the list is shown: box, ndjson, csv, json, markdown, vertical\n"
    "  --for SECONDS        how long to wait at most (default 60)\n"
    "\n"
    "examples\n"
    "  weir job list --mode json\n"
    "  weir job stop hourly && weir job start hourly\n"
    "  weir job wait --data /tmp/play --for 10\n"
    "\n"
    "exit codes: 0 good, 1 refused, failed or out of time, 2 no connection or a lost one, 3 wrong usage\n";

struct job_options {
    const char *server, *data;
    int64_t wait_ms;
};
struct verb {
    const char *name;
    bool named; /* needs a NAME */
    int (*run)(struct client *c, struct str name, const struct job_options *o);
};

static int run_on(struct client *c, const char *before, struct str name)
{
    struct wbuf w;
    wbuf_init(&w);
    wbuf_str(&w, str_of(before));
    ast_print_name(name, &w);
    wbuf_u8(&w, ';');
    int code = client_run(c, wbuf_view(&w));
    wbuf_fini(&w);
    return code;
}

static int list(struct client *c, struct str name, const struct job_options *o)
{
    (void)name, (void)o;
    return client_run(c, STR("SHOW JOBS;"));
}

static int describe(struct client *c, struct str name, const struct job_options *o)
{
    (void)o;
    return run_on(c, "EXPLAIN ", name);
}

/* The state of a job as SHOW JOBS has it; empty: there is none. */
static int state_of(struct client *c, struct str name, char *state, size_t cap)
{
    struct arena a;
    struct columns cols;
    struct row *rows;
    unsigned n;
    arena_init(&a);
    state[0] = 0;
    int code = client_rows(c, STR("SHOW JOBS;"), &a, false, &cols, &rows, &n);
    for (unsigned i = 0; code == EXIT_GOOD && cols.n > 1 && i < n; i++)
        if (str_eq_nocase(rows[i].cells[0].text, name))
            snprintf(state, cap, "%.*s", STR_ARG(rows[i].cells[1].text));
    xfree(rows);
    arena_fini(&a);
    return code;
}

static int stop(struct client *c, struct str name, const struct job_options *o)
{
    char state[32];
    int64_t until = clock_mono_us() + o->wait_ms * 1000;
    int code = run_on(c, "PAUSE ", name);
    while (code == EXIT_GOOD && (code = state_of(c, name, state, sizeof state)) == EXIT_GOOD &&
           strcmp(state, "stopped") != 0) {
        if (clock_mono_us() > until) {
            fprintf(stderr, "job %.*s is still %s\n", STR_ARG(name), state);
            return EXIT_STATEMENT;
        }
        clock_sleep_ms(10);
    }
    return code;
}

static int start(struct client *c, struct str name, const struct job_options *o)
{
    (void)o;
    return run_on(c, "RESUME ", name);
}

static int drop(struct client *c, struct str name, const struct job_options *o)
{
    (void)o;
    return run_on(c, "TERMINATE ", name);
}

static int wait_for(struct client *c, struct str name, const struct job_options *o)
{
    return client_wait(c, name, o->wait_ms);
}

static const struct verb verbs[] = {{"list", false, list},  {"describe", true, describe}, {"stop", true, stop},
                                    {"start", true, start}, {"drop", true, drop},         {"wait", false, wait_for}};

enum { OPT_SERVER = 256, OPT_DATA, OPT_MODE, OPT_FOR };
static const struct option long_options[] = {{"server", required_argument, NULL, OPT_SERVER},
                                             {"data", required_argument, NULL, OPT_DATA},
                                             {"mode", required_argument, NULL, OPT_MODE},
                                             {"for", required_argument, NULL, OPT_FOR},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

static int wrong(const char *sentence, const char *value)
{
    fprintf(stderr, "weir job: %s%s%s\ntry: weir job --help\n", sentence, value ? ": " : "", value ? value : "");
    return EXIT_USAGE;
}

/* 0: go on; else leave with *code. */
static bool parse_options(int argc, char **argv, struct job_options *o, struct client *c, int *code)
{
    int opt;
    *code = EXIT_GOOD;
    while ((opt = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        bool good = true;
        switch (opt) {
        case OPT_SERVER:
            o->server = optarg;
            break;
        case OPT_DATA:
            o->data = optarg;
            break;
        case OPT_MODE:
            good = render_mode_parse(str_of(optarg), &c->mode);
            break;
        case OPT_FOR:
            good = shell_seconds(optarg, &o->wait_ms);
            break;
        case 'h':
            fputs(usage, stdout);
            return false;
        default:
            fputs("try: weir job --help\n", stderr);
            *code = EXIT_USAGE;
            return false;
        }
        if (!good) {
            *code = wrong("cannot make sense of this value", optarg);
            return false;
        }
    }
    if (o->server && o->data)
        *code = wrong("--server and --data exclude each other", NULL);
    return *code == EXIT_GOOD;
}

static const struct verb *verb_of(int argc, char **argv, int *code)
{
    const char *name = argc > optind ? argv[optind] : NULL;
    *code = EXIT_USAGE;
    for (size_t i = 0; name && i < ARRAY_LEN(verbs); i++) {
        const struct verb *v = &verbs[i];
        if (strcmp(v->name, name) != 0)
            continue;
        int args = argc - optind - 1, most = v->named || v->run == wait_for;
        if (args >= v->named && args <= most)
            return v;
        *code = wrong(v->named ? "the name of one job is needed" : "too many arguments", NULL);
        return NULL;
    }
    *code = wrong(name ? "no such verb" : "list, describe, stop, start, drop or wait?", name);
    return NULL;
}

int cmd_job(int argc, char **argv)
{
    struct job_options o = {.wait_ms = 60000};
    struct client c;
    struct target target;
    int code;
    client_init(&c, "");
    const struct verb *v = parse_options(argc, argv, &o, &c, &code) ? verb_of(argc, argv, &code) : NULL;
    if (v && !target_open(&target, o.data ? NULL : shell_server(o.server), o.data)) {
        code = EXIT_STATEMENT;
    } else if (v) {
        xfree(c.target);
        c.target = xstrdup(target.address);
        client_catch_interrupts();
        code = v->run(&c, str_of(argc - optind > 1 ? argv[optind + 1] : ""), &o);
        http_client_close(c.http);
        c.http = NULL;
        target_close(&target, false);
    }
    client_fini(&c);
    return code;
}
