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
    "3 wrong usage or a file or folder that cannot be opened\n";

enum { OPT_DEFINE = SHELL_OWN, OPT_PLAN, OPT_BESIDE };
static const struct option long_options[] = {{"server", required_argument, NULL, SHELL_SERVER},
                                             {"data", required_argument, NULL, SHELL_DATA},
                                             {"define", required_argument, NULL, OPT_DEFINE},
                                             {"plan", no_argument, NULL, OPT_PLAN},
                                             {"beside", no_argument, NULL, OPT_BESIDE},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

static const struct shell_takes deploy_takes[] = {{OPT_DEFINE, "NAME=VALUE"}, {0, NULL}};
static const struct shell_usage deploy_usage = {"weir deploy", usage, deploy_takes};

struct deploy_options {
    struct client *c;
    struct shell_where where;
    const char *file;
};

static bool take_option(void *to, int option, const char *value)
{
    struct deploy_options *o = to;
    switch (option) {
    case OPT_DEFINE:
        return client_set_pair(o->c, true, value);
    case OPT_PLAN:
        return o->c->plan = true;
    default:
        return o->c->beside = true;
    }
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
    int code;
    if (!shell_read(o->file, &text)) {
        code = EXIT_USAGE;
    } else if (!check_syntax(c, wbuf_view(&text))) {
        code = EXIT_STATEMENT;
    } else if (!target_open(&target, o->where.data ? NULL : shell_server(o->where.server), o->where.data)) {
        code = EXIT_USAGE;
    } else {
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
    struct client c;
    struct deploy_options o = {.c = &c};
    int code;
    client_init(&c, "");
    if (shell_options(argc, argv, "h", long_options, &deploy_usage, &o.where, take_option, &o, &code)) {
        o.file = argc - optind == 1 ? argv[optind] : NULL;
        code = o.file ? deploy(&c, &o) : shell_wrong(&deploy_usage, "one file of statements is needed", NULL);
    }
    client_fini(&c);
    return code;
}
