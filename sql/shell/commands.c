#include "sql/shell/repl.h"

#include <stdio.h>

#include "sql/parse/parse.h"
#include "sql/shell/shell.h"

/* The commands of the shell itself: one row each; \? is made from it. `sql` runs with %s replaced by the argument. */
struct command {
    const char *name, *args, *doc;
    bool (*run)(struct client *c, const struct command *cmd, struct str arg, int *exit_code); /* true: leave */
    const char *sql, *sql_arg; /* without and with an argument */
};

static int run_sql(struct client *c, const char *format, struct str arg)
{
    struct wbuf w;
    wbuf_init(&w);
    for (const char *p = format; *p; p++) {
        if (p[0] == '%' && p[1] == 's') {
            wbuf_str(&w, arg);
            p++;
        } else {
            wbuf_u8(&w, (uint8_t)*p);
        }
    }
    int code = client_run(c, wbuf_view(&w));
    wbuf_fini(&w);
    return code;
}

static bool run_statement(struct client *c, const struct command *cmd, struct str arg, int *exit_code)
{
    *exit_code = run_sql(c, arg.len && cmd->sql_arg ? cmd->sql_arg : cmd->sql, arg);
    return false;
}

static bool quit(struct client *c, const struct command *cmd, struct str arg, int *exit_code)
{
    (void)c, (void)cmd, (void)arg, (void)exit_code;
    return true;
}

static bool toggle_timing(struct client *c, const struct command *cmd, struct str arg, int *exit_code)
{
    (void)cmd, (void)arg, (void)exit_code;
    c->timing = !c->timing;
    printf("timing is %s\n", c->timing ? "on" : "off");
    return false;
}

static bool set_mode(struct client *c, const struct command *cmd, struct str arg, int *exit_code)
{
    (void)cmd;
    if (!arg.len) {
        printf("results are shown as: %s\n", render_mode_names());
    } else if (!render_mode_parse(arg, &c->mode)) {
        fprintf(stderr, "no way to show results is called \"%.*s\": %s\n", STR_ARG(arg), render_mode_names());
        *exit_code = EXIT_STATEMENT;
    }
    return false;
}

static bool wait_jobs(struct client *c, const struct command *cmd, struct str arg, int *exit_code)
{
    (void)cmd;
    *exit_code = client_wait(c, arg, 60000);
    return false;
}

static bool include(struct client *c, const struct command *cmd, struct str arg, int *exit_code)
{
    (void)cmd;
    char *path = xstrndup(arg.ptr ? arg.ptr : "", arg.len);
    *exit_code = script_run(c, path);
    xfree(path);
    return false;
}

static bool help(struct client *c, const struct command *cmd, struct str arg, int *exit_code);

static const struct command commands[] = {
    {"\\?", "", "this list", help, NULL, NULL},
    {"\\h", "[STATEMENT]", "SQL statements, or the shape of one", help, NULL, NULL},
    {"\\d", "[NAME]", "streams and tables, or one of them", run_statement, "SHOW STREAMS; SHOW TABLES;",
     "DESCRIBE %s;"},
    {"\\d+", "NAME", "a stream or table with its job, lag and rates", run_statement, "SHOW JOBS;",
     "DESCRIBE %s EXTENDED;"},
    {"\\dt", "", "tables", run_statement, "SHOW TABLES;", NULL},
    {"\\ds", "", "streams", run_statement, "SHOW STREAMS;", NULL},
    {"\\dT", "", "topics", run_statement, "SHOW TOPICS;", NULL},
    {"\\df", "[NAME]", "functions, or one of them", run_statement, "SHOW FUNCTIONS;", "DESCRIBE FUNCTION %s;"},
    {"\\dj", "", "jobs", run_statement, "SHOW JOBS;", NULL},
    {"\\wait", "[JOB]", "until the jobs have caught up with their input", wait_jobs, NULL, NULL},
    {"\\i", "FILE", "run the statements of a file", include, NULL, NULL},
    {"\\mode", "[MODE]", "how results are shown", set_mode, NULL, NULL},
    {"\\timing", "", "show how long statements take: on or off", toggle_timing, NULL, NULL},
    {"\\q", "", "leave (also Ctrl-D, exit)", quit, NULL, NULL},
};

static const struct {
    const char *name, *shape;
} statements[] = {
    {"CREATE STREAM",
     "CREATE STREAM name (column type [KEY], ...) WITH (TOPIC='t', FORMAT='JSON' [, TIMESTAMP='column'] ...);"},
    {"CREATE TABLE",
     "CREATE TABLE name (column type PRIMARY KEY, column type, ...) WITH (TOPIC='t', FORMAT='JSON' ...);"},
    {"CREATE STREAM AS",
     "CREATE STREAM name AS SELECT ... FROM stream [JOIN table ON ...] [WHERE ...] [PARTITION BY ...] EMIT CHANGES;"},
    {"CREATE TABLE AS", "CREATE TABLE name AS SELECT key, COUNT(*), ... FROM source [WINDOW TUMBLING (SIZE 1 HOUR, "
                        "GRACE PERIOD 10 MINUTES)]\n"
                        "  [WHERE ...] GROUP BY key [HAVING ...] EMIT CHANGES;"},
    {"CREATE OR REPLACE", "CREATE OR REPLACE STREAM|TABLE name AS SELECT ...;   in place, with the state that stays true; "
                          "EXPLAIN tells before"},
    {"SELECT",
     "SELECT ... FROM source [WHERE ...] [GROUP BY ...] [LIMIT n];                a pull query: what holds now\n"
     "SELECT ... FROM source [WHERE ...] [GROUP BY ...] EMIT CHANGES [LIMIT n];   a push query: goes on"},
    {"INSERT", "INSERT INTO name [(column, ...)] VALUES (value, ...), ...;   ROWTIME may be a column"},
    {"CREATE FUNCTION", "CREATE FUNCTION name(type, ...) RETURNS type LANGUAGE C AS 'library.so', 'symbol';"},
    {"DROP", "DROP STREAM|TABLE [IF EXISTS] name [DELETE TOPIC];   DROP FUNCTION name;"},
    {"SHOW", "SHOW STREAMS|TABLES|TOPICS|JOBS|SAVEPOINTS|FUNCTIONS|PROPERTIES|VARIABLES;   SHOW TABLES FROM sys;\n"
             "SHOW ERRORS [job] [LIMIT n];   bad records of jobs, newest first"},
    {"DESCRIBE", "DESCRIBE name [EXTENDED];   DESCRIBE FUNCTION name;"},
    {"EXPLAIN", "EXPLAIN statement;   EXPLAIN CREATE OR REPLACE ...;   EXPLAIN job;"},
    {"PRINT", "PRINT topic [FROM BEGINNING] [LIMIT n];"},
    {"PAUSE", "PAUSE job|ALL;"},
    {"RESUME", "RESUME job|ALL;   RESUME job WITH (ERRORS_TOLERANCE='dead-letter'|'skip'|'stop', SKIP='topic/partition/offset', JOB_CPU_SHARE=n);"},
    {"TERMINATE", "TERMINATE job|ALL;"},
    {"PROMOTE", "PROMOTE name;   DISCARD name;   of the next version that SET 'replace.mode' = 'beside'; made "
                "CREATE OR REPLACE start"},
    {"SAVEPOINT", "SAVEPOINT job AS name;   RESTORE job FROM name;   SHOW SAVEPOINTS;   DROP SAVEPOINT name;"},
    {"SET", "SET 'property' = 'value';   UNSET 'property';"},
    {"DEFINE", "DEFINE name = 'value';   then ${name} stands for it;   UNDEFINE name;"},
};

static bool help(struct client *c, const struct command *cmd, struct str arg, int *exit_code)
{
    (void)c, (void)exit_code;
    if (strcmp(cmd->name, "\\?") == 0) {
        for (size_t i = 0; i < ARRAY_LEN(commands); i++)
            printf("  %-8s %-12s %s\n", commands[i].name, commands[i].args, commands[i].doc);
        puts("  Statements end with ;   \\h lists them.   Tab completes, Ctrl-R searches the history, Ctrl-C ends a "
             "query.");
        return false;
    }
    bool any = false;
    for (size_t i = 0; i < ARRAY_LEN(statements); i++)
        if (!arg.len ||
            (strlen(statements[i].name) >= arg.len && str_eq_nocase((struct str){statements[i].name, arg.len}, arg)))
            puts(statements[i].shape), any = true;
    if (!any)
        printf("no statement begins with %.*s; \\h lists them\n", STR_ARG(arg));
    return false;
}

/* The words that people try first; each stands for a command. */
static struct str alias(struct str word)
{
    static const char *const same[][2] = {{"exit", "\\q"},   {"quit", "\\q"}, {"help", "\\?"},
                                          {"\\help", "\\?"}, {"\\dn", "\\d"}, {"\\x", "\\mode"}};
    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        if (str_eq_nocase(word, str_of(same[i][0])))
            return str_of(same[i][1]);
    return word;
}

static struct str first_word(struct str line, struct str *rest)
{
    size_t n = 0;
    while (n < line.len && line.ptr[n] != ' ' && line.ptr[n] != '\t' && line.ptr[n] != '\n')
        n++;
    *rest = str_trim((struct str){line.ptr + n, line.len - n});
    while (rest->len && rest->ptr[rest->len - 1] == ';')
        rest->len--;
    struct str word = {line.ptr, n};
    while (word.len > 1 && word.ptr[word.len - 1] == ';')
        word.len--;
    return word;
}

bool command_is(struct str line)
{
    struct str rest, word = first_word(line, &rest);
    return word.len && (word.ptr[0] == '\\' || (!rest.len && !str_eq(alias(word), word)));
}

bool command_run(struct client *c, struct str line, int *exit_code)
{
    struct str rest, word = alias(first_word(line, &rest));
    struct nearest near = nearest_of(word);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (str_eq(word, str_of(commands[i].name)))
            return commands[i].run(c, &commands[i], rest, exit_code);
        nearest_add(&near, str_of(commands[i].name));
    }
    struct str best = nearest_get(&near);
    fprintf(stderr, "no command %.*s", STR_ARG(word));
    if (best.ptr)
        fprintf(stderr, ": did you mean %.*s?", STR_ARG(best));
    fputs(" \\? lists them\n", stderr);
    *exit_code = EXIT_STATEMENT;
    return false;
}

/* ---- Scripts. Statements run one by one, so that an error stops the rest and names its place in the file. */
static int run_at(struct client *c, struct str text, struct str statement)
{
    struct wbuf w;
    wbuf_init(&w);
    for (const char *p = text.ptr; p < statement.ptr; p++) /* so that places count from the file's first line */
        if (*p == '\n')
            wbuf_u8(&w, '\n');
    wbuf_str(&w, statement);
    int code = client_run(c, wbuf_view(&w));
    wbuf_fini(&w);
    return code;
}

/* Runs the statement or command at text[*pos]; true: that was the last. */
static bool run_next(struct client *c, struct str text, size_t *pos, int *code)
{
    struct str left = str_trim((struct str){text.ptr + *pos, text.len - *pos}), statement;
    bool leave = false;
    *code = EXIT_GOOD;
    if (left.len && left.ptr[0] == '\\') { /* a command takes its line */
        const char *nl = memchr(left.ptr, '\n', left.len);
        struct str line = {left.ptr, nl ? (size_t)(nl - left.ptr) : left.len};
        *pos = (size_t)(left.ptr - text.ptr) + line.len;
        if (c->echo)
            printf("%.*s\n", STR_ARG(line));
        fflush(stdout);
        leave = command_run(c, str_trim(line), code);
    } else if (lex_split(text, pos, &statement)) {
        *code = run_at(c, text, statement);
        leave = c->left;
    } else {
        leave = true;
    }
    return leave || *code == EXIT_CONNECTION || (*code != EXIT_GOOD && !c->keep_going);
}

int script_run_text(struct client *c, struct str text)
{
    size_t pos = 0;
    int worst = EXIT_GOOD, code;
    for (bool last = false; !last; worst = MAX(worst, code))
        last = run_next(c, text, &pos, &code);
    return worst;
}

int script_run(struct client *c, const char *path)
{
    struct wbuf text;
    wbuf_init(&text);
    int code = shell_read(path, &text) ? script_run_text(c, wbuf_view(&text)) : EXIT_STATEMENT;
    wbuf_fini(&text);
    return code;
}
