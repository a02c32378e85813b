#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sql/shell/repl.h"
#include "sql/shell/shell.h"
#include "sql/shell/target.h"

static const char usage[] =
    "weir sql: ask questions of streams and tables\n"
    "\n"
    "usage: weir sql [--server HOST:PORT | --data DIR] [-e STATEMENTS | -f FILE] [options]\n"
    "\n"
    "Without --server a node runs in this process on DIR (default: weir-data in this folder) and ends with the shell; "
    "a\n"
    "second shell on the same folder joins the first one's node. Statements come from -e, -f, standard input, or the "
    "prompt.\n"
    "\n"
    "  --server HOST:PORT   speak to this server (or WEIR_SERVER)\n"
    "  --data DIR           folder of the node in this process\n"
    "  -e STATEMENTS        run these and leave; may be given several times\n"
    "  -f FILE              run this file and leave; - is standard input\n"
    "  --mode MODE          how results are shown: box, ndjson, csv, json, markdown, vertical\n"
    "                       (default: box on a terminal, ndjson in a pipe)\n"
    "  --rows N             end a query after N rows\n"
    "  --for SECONDS        end a push query after this time, with exit code 0\n"
    "  --until-caught-up    end a push query when it has read what was there at its start\n"
    "  --set NAME=VALUE     SET a session property\n"
    "  --define NAME=VALUE  DEFINE a variable: ${NAME} stands for VALUE\n"
    "  --quiet              do not tell what statements did\n"
    "  --echo               show each statement before its answer\n"
    "  --keep-going         go on after a statement that failed; the exit code is 1 all the same\n"
    "\n"
    "examples\n"
    "  weir sql -e \"SELECT origin, COUNT(*) FROM flights GROUP BY origin EMIT CHANGES LIMIT 5\"\n"
    "  weir sql --server localhost:9092 --mode csv -e \"SELECT * FROM delays\" > delays.csv\n"
    "  weir sql --data /tmp/play -f setup.sql\n"
    "\n"
    "exit codes: 0 all good, 1 a statement failed (and ended the run), 2 no connection or a lost one, 3 wrong usage\n";

struct sql_options {
    const char *server, *data, *file;
    char **statements;
    unsigned nstatements, statements_cap;
    bool quiet;
};

static int usage_error(const char *sentence, const char *value)
{
    fprintf(stderr, "weir sql: %s%s%s\ntry: weir sql --help\n", sentence, value ? ": " : "", value ? value : "");
    return EXIT_USAGE;
}

enum {
    OPT_SERVER = 256,
    OPT_DATA,
    OPT_MODE,
    OPT_ROWS,
    OPT_FOR,
    OPT_CAUGHT_UP,
    OPT_SET,
    OPT_DEFINE,
    OPT_QUIET,
    OPT_ECHO,
    OPT_KEEP_GOING
};
static const struct option long_options[] = {{"server", required_argument, NULL, OPT_SERVER},
                                             {"data", required_argument, NULL, OPT_DATA},
                                             {"mode", required_argument, NULL, OPT_MODE},
                                             {"rows", required_argument, NULL, OPT_ROWS},
                                             {"for", required_argument, NULL, OPT_FOR},
                                             {"until-caught-up", no_argument, NULL, OPT_CAUGHT_UP},
                                             {"set", required_argument, NULL, OPT_SET},
                                             {"define", required_argument, NULL, OPT_DEFINE},
                                             {"quiet", no_argument, NULL, OPT_QUIET},
                                             {"echo", no_argument, NULL, OPT_ECHO},
                                             {"keep-going", no_argument, NULL, OPT_KEEP_GOING},
                                             {"execute", required_argument, NULL, 'e'},
                                             {"file", required_argument, NULL, 'f'},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

/* 0: go on; else leave with *code. */
static bool parse_options(int argc, char **argv, struct sql_options *o, struct client *c, int *code)
{
    *code = EXIT_GOOD;
    int opt;
    while ((opt = getopt_long(argc, argv, "e:f:h", long_options, NULL)) != -1) {
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
        case OPT_ROWS:
            good = str_to_i64(str_of(optarg), &c->limit) && c->limit >= 0;
            break;
        case OPT_FOR:
            good = shell_seconds(optarg, &c->for_ms);
            break;
        case OPT_CAUGHT_UP:
            c->until_caught_up = true;
            break;
        case OPT_SET:
            good = client_set_pair(c, false, optarg);
            break;
        case OPT_DEFINE:
            good = client_set_pair(c, true, optarg);
            break;
        case OPT_QUIET:
            o->quiet = true;
            break;
        case OPT_ECHO:
            c->echo = true;
            break;
        case OPT_KEEP_GOING:
            c->keep_going = true;
            break;
        case 'e':
            VEC_PUSH(o->statements, o->nstatements, o->statements_cap) = optarg;
            break;
        case 'f':
            o->file = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return false;
        default:
            *code = EXIT_USAGE;
            fputs("try: weir sql --help\n", stderr);
            return false;
        }
        if (!good) {
            *code = usage_error("cannot make sense of this value", optarg);
            return false;
        }
    }
    if (optind < argc)
        *code = usage_error("unexpected argument", argv[optind]);
    else if (o->server && o->data)
        *code = usage_error("--server and --data exclude each other", NULL);
    else if (o->file && o->nstatements)
        *code = usage_error("-e and -f exclude each other", NULL);
    return *code == EXIT_GOOD;
}

static int run_statements(struct client *c, const struct sql_options *o)
{
    int code = EXIT_GOOD;
    for (unsigned i = 0; i < o->nstatements && code == EXIT_GOOD && !c->left; i++) {
        struct str s = str_trim(str_of(o->statements[i]));
        if (command_is(s))
            command_run(c, s, &code);
        else
            code = client_run(c, s);
    }
    return code;
}

static int run(struct client *c, const struct sql_options *o, const char *banner)
{
    if (o->nstatements || o->file || !isatty(STDIN_FILENO)) {
        client_catch_interrupts();
        c->echo_messages = !o->quiet;
        return o->nstatements ? run_statements(c, o) : script_run(c, o->file ? o->file : "-");
    }
    return repl_run(c, banner);
}

int cmd_sql(int argc, char **argv)
{
    struct sql_options o = {0};
    struct client c;
    client_init(&c, "");
    int code;
    if (!parse_options(argc, argv, &o, &c, &code))
        goto out;
    struct target target;
    char banner[5000];
    const char *server = o.server ? o.server : o.data ? NULL : getenv("WEIR_SERVER");
    const char *dir = o.data ? o.data : "weir-data";
    code = EXIT_STATEMENT;
    if (!target_open(&target, server, dir))
        goto out;
    xfree(c.target);
    c.target = xstrdup(target.address);
    snprintf(banner, sizeof banner, "weir: %s %s.  \\? for help, \\q to leave.",
             server        ? "speaking to"
             : target.node ? "running on"
                           : "joined the node on",
             server ? server : dir);
    code = run(&c, &o, banner);
    http_client_close(c.http);
    c.http = NULL;
    target_close(&target, isatty(STDERR_FILENO) && !o.quiet);
out:
    client_fini(&c);
    xfree(o.statements);
    return code;
}
