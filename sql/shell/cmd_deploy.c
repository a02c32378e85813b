#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sql/parse/parse.h"
#include "sql/shell/client.h"
#include "sql/shell/shell.h"
#include "sql/shell/target.h"

static const char usage[] =
    "weir deploy: make the queries of a file persistent jobs\n"
    "\n"
    "usage: weir deploy FILE [--plan] [--beside] [--server HOST:PORT | --data DIR] [--define NAME=VALUE]...\n"
    "\n"
    "Every CREATE of the file is done once: what is there already and says the same is unchanged. A changed query "
    "replaces\n"
    "its job in place, as CREATE OR REPLACE does: what stays true of its state is kept, the rest is read again; other "
    "changes\n"
    "are refused. The jobs run when the command ends, and go on after a restart. A syntax error anywhere in the file is "
    "found\n"
    "before anything is changed. - is standard input.\n"
    "\n"
    "  --plan               change nothing; say what is new, replaced (with what is kept, rebuilt, read again) or refused\n"
    "  --beside             changed queries run as NAME_next beside the ones there are, over topics of their own, until\n"
    "                       weir job promote NAME or weir job discard NAME\n"
    "  --server HOST:PORT   speak to this server (or WEIR_SERVER; default 127.0.0.1:9092)\n"
    "  --data DIR           the node on this folder, of a shell or of our own; the jobs run while it does\n"
    "  --define NAME=VALUE  ${NAME} stands for VALUE\n"
    "\n"
    "examples\n"
    "  weir deploy jobs.sql\n"
    "  weir deploy jobs.sql --plan\n"
    "  weir deploy jobs.sql --server log.example.com:9092 --define topic=flights\n"
    "\n"
    "exit codes: 0 all is in place and runs, 1 a statement was refused or a job failed, 2 no connection or a lost "
    "one,\n"
    "3 wrong usage\n";

enum { OPT_SERVER = 256, OPT_DATA, OPT_DEFINE, OPT_PLAN, OPT_BESIDE };
static const struct option long_options[] = {{"server", required_argument, NULL, OPT_SERVER},
                                             {"data", required_argument, NULL, OPT_DATA},
                                             {"define", required_argument, NULL, OPT_DEFINE},
                                             {"plan", no_argument, NULL, OPT_PLAN},
                                             {"beside", no_argument, NULL, OPT_BESIDE},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

static int wrong(const char *sentence, const char *value)
{
    fprintf(stderr, "weir deploy: %s%s%s\ntry: weir deploy --help\n", sentence, value ? ": " : "", value ? value : "");
    return EXIT_USAGE;
}

struct deploy_options {
    const char *server, *data, *file;
};

static bool parse_options(int argc, char **argv, struct deploy_options *o, struct client *c, int *code)
{
    int opt;
    *code = EXIT_GOOD;
    while ((opt = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (opt) {
        case OPT_SERVER:
            o->server = optarg;
            break;
        case OPT_DATA:
            o->data = optarg;
            break;
        case OPT_DEFINE:
            if (client_set_pair(c, true, optarg))
                break;
            *code = wrong("cannot make sense of this value", optarg);
            return false;
        case OPT_PLAN:
            c->plan = true;
            break;
        case OPT_BESIDE:
            c->beside = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return false;
        default:
            fputs("try: weir deploy --help\n", stderr);
            *code = EXIT_USAGE;
            return false;
        }
    }
    if (argc - optind != 1)
        *code = wrong("one file of statements is needed", NULL);
    else if (o->server && o->data)
        *code = wrong("--server and --data exclude each other", NULL);
    else
        o->file = argv[optind];
    return *code == EXIT_GOOD;
}

/* The first syntax error of the text is shown. Statements with variables are left to the server, which knows them all.
 */
static bool check_syntax(const struct client *c, struct str text)
{
    struct arena a;
    struct str statement;
    bool good = true;
    arena_init(&a);
    for (size_t pos = 0; good && lex_split(text, &pos, &statement);) {
        struct ast_statement *st;
        struct diag d = {.line = 0};
        if (memmem(statement.ptr, statement.len, "${", 2) || parse_statement(&st, statement, &a, &d) == 0)
            continue;
        struct answer an = {.kind = ANSWER_ERROR,
                            .code = str_of(d.code),
                            .text = str_of(d.text),
                            .hint = str_of(d.hint),
                            .line = d.line,
                            .column = d.column,
                            .length = d.length};
        for (const char *p = statement.ptr; d.line > 0 && p > text.ptr; p--) {
            if (p[-1] == '\n')
                an.line++;
            else if (an.line == 1 && d.line == 1)
                an.column++;
        }
        client_show_error(&c->screen, text, &an);
        good = false;
    }
    arena_fini(&a);
    return good;
}

/* Jobs of the file that have failed since. */
static int check_jobs(struct client *c, struct str text)
{
    struct arena a;
    struct columns cols;
    struct row *rows;
    unsigned n;
    arena_init(&a);
    int code = client_rows(c, STR("SHOW JOBS;"), &a, false, &cols, &rows, &n);
    for (unsigned i = 0; code != EXIT_CONNECTION && cols.n > 1 && i < n; i++) {
        struct str name = rows[i].cells[0].text, statement;
        if (!str_eq(rows[i].cells[1].text, STR("failed")))
            continue;
        for (size_t pos = 0; lex_split(text, &pos, &statement);) {
            struct ast_statement *st;
            struct diag d;
            if (parse_statement(&st, statement, &a, &d) == 0 && st && st->kind == AST_CREATE_AS &&
                str_eq_nocase(st->name.text, name)) {
                fprintf(stderr, "job %.*s has failed: weir job describe %.*s tells why\n", STR_ARG(name),
                        STR_ARG(name));
                code = EXIT_STATEMENT;
            }
        }
    }
    xfree(rows);
    arena_fini(&a);
    return code;
}

static int deploy(struct client *c, const struct deploy_options *o)
{
    struct wbuf text;
    struct target target;
    wbuf_init(&text);
    int code = EXIT_STATEMENT;
    if (shell_read(o->file, &text) && check_syntax(c, wbuf_view(&text)) &&
        target_open(&target, o->data ? NULL : shell_server(o->server), o->data)) {
        xfree(c->target);
        c->target = xstrdup(target.address);
        c->mode = RENDER_BOX; /* what was done is the result */
        c->deploy = true;
        client_catch_interrupts();
        code = client_run(c, wbuf_view(&text));
        c->deploy = c->beside = false;
        if (code == EXIT_GOOD && !c->plan)
            code = check_jobs(c, wbuf_view(&text));
        http_client_close(c->http);
        c->http = NULL;
        target_close(&target, false);
    }
    wbuf_fini(&text);
    return code;
}

int cmd_deploy(int argc, char **argv)
{
    struct deploy_options o = {0};
    struct client c;
    int code;
    client_init(&c, "");
    if (parse_options(argc, argv, &o, &c, &code))
        code = deploy(&c, &o);
    client_fini(&c);
    return code;
}
