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
    "exit codes: 0 all good, 1 a statement failed (and ended the run), 2 no connection or a lost one, 3 wrong usage, or a\n"
    "file or folder that cannot be opened\n";

struct sql_options {
    struct client *c;
    struct shell_where where;
    const char *file;
    const char **statements;
    struct wbuf text; /* of the file */
    unsigned nstatements, statements_cap;
    bool quiet;
};

enum {
    OPT_MODE = SHELL_OWN,
    OPT_ROWS,
    OPT_FOR,
    OPT_CAUGHT_UP,
    OPT_SET,
    OPT_DEFINE,
    OPT_QUIET,
    OPT_ECHO,
    OPT_KEEP_GOING
};
static const struct option long_options[] = {{"server", required_argument, NULL, SHELL_SERVER},
                                             {"data", required_argument, NULL, SHELL_DATA},
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

static const struct shell_takes sql_takes[] = {
    {OPT_MODE, "box, ndjson, csv, json, markdown or vertical"},
    {OPT_ROWS, "a number of rows from 0 on"},
    {OPT_FOR, "seconds, such as 10 or 0.5"},
    {OPT_SET, "NAME=VALUE"},
    {OPT_DEFINE, "NAME=VALUE"},
    {0, NULL}};
static const struct shell_usage sql_usage = {"weir sql", usage, sql_takes};

static bool take_option(void *to, int option, const char *value)
{
    struct sql_options *o = to;
    switch (option) {
    case OPT_MODE:
        return render_mode_parse(str_of(value), &o->c->mode);
    case OPT_ROWS:
        return str_to_i64(str_of(value), &o->c->limit) && o->c->limit >= 0;
    case OPT_FOR:
        return shell_seconds(value, &o->c->for_ms);
    case OPT_CAUGHT_UP:
        return o->c->until_caught_up = true;
    case OPT_SET:
        return client_set_pair(o->c, false, value);
    case OPT_DEFINE:
        return client_set_pair(o->c, true, value);
    case OPT_QUIET:
        return o->quiet = true;
    case OPT_ECHO:
        return o->c->echo = true;
    case OPT_KEEP_GOING:
        return o->c->keep_going = true;
    case 'e':
        VEC_PUSH(o->statements, o->nstatements, o->statements_cap) = value;
        return true;
    default:
        o->file = value;
        return true;
    }
}

static bool parse_options(int argc, char **argv, struct sql_options *o, int *code)
{
    if (!shell_options(argc, argv, "e:f:h", long_options, &sql_usage, &o->where, take_option, o, code))
        return false;
    if (optind < argc)
        *code = shell_wrong(&sql_usage, "unexpected argument", argv[optind]);
    else if (o->file && o->nstatements)
        *code = shell_wrong(&sql_usage, "-e and -f exclude each other", NULL);
    return *code == EXIT_GOOD;
}

static int run_statements(struct client *c, const struct sql_options *o)
{
    int code = EXIT_GOOD;
    bool on = true;
    for (unsigned i = 0; i < o->nstatements && on && !c->left; i++) {
        struct str s = str_trim(str_of(o->statements[i]));
        int one = EXIT_GOOD;
        if (command_is(s))
            command_run(c, s, &one);
        else
            one = client_run(c, s);
        code = one ? one : code;
        on = one == EXIT_GOOD || (c->keep_going && one != EXIT_CONNECTION && !client_interrupted());
    }
    return code;
}

static int run(struct client *c, const struct sql_options *o, const char *banner)
{
    if (o->nstatements || o->file || !isatty(STDIN_FILENO)) {
        client_catch_interrupts();
        c->echo_messages = !o->quiet;
        return o->nstatements ? run_statements(c, o)
               : o->file      ? script_run_text(c, wbuf_view(&o->text))
                              : script_run(c, "-");
    }
    return repl_run(c, banner);
}

int cmd_sql(int argc, char **argv)
{
    struct client c;
    struct sql_options o = {.c = &c};
    client_init(&c, "");
    int code;
    wbuf_init(&o.text);
    if (!parse_options(argc, argv, &o, &code))
        goto out;
    code = EXIT_USAGE; /* what the usage names cannot be opened */
    if (o.file && !shell_read(o.file, &o.text))
        goto out;
    struct target target;
    char banner[5000];
    const char *server = o.where.server ? o.where.server : o.where.data ? NULL : getenv("WEIR_SERVER");
    const char *dir = o.where.data ? o.where.data : "weir-data";
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
    wbuf_fini(&o.text);
    xfree(o.statements);
    return code;
}
