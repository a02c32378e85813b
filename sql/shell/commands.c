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

/* What the shapes of statements do not say. */
static const char *const remarks[][2] = {
    {"CREATE", "Properties of WITH: TOPIC='t', FORMAT='JSON', PARTITIONS=n, TIMESTAMP='column', ...\n"
               "AS SELECT makes a job. OR REPLACE: in place, with the state that stays true; EXPLAIN tells before."},
    {"CREATE FUNCTION", "AS 'library.so', 'symbol'; LANGUAGE C."},
    {"SELECT", "Without EMIT CHANGES it is a pull query: what holds now. With it a push query, which goes on."},
    {"INSERT", "ROWTIME may be a column."},
    {"SHOW", "SHOW TABLES FROM sys; lists what tells of the server itself.\n"
             "SHOW ERRORS: bad records of jobs, newest first."},
    {"RESUME", "WITH (ERRORS_TOLERANCE='dead-letter'|'skip'|'stop', LATE_RECORDS='count'|'dead-letter', SKIP='topic/partition/offset', JOB_CPU_SHARE=n)"},
    {"PROMOTE", "Of the next version that SET 'replace.mode' = 'beside'; made CREATE OR REPLACE start."},
    {"DISCARD", "Of the next version that SET 'replace.mode' = 'beside'; made CREATE OR REPLACE start."},
    {"DEFINE", "Then ${name} stands for the text."},
};

static bool is_letter(char ch) { return (ch | 32) >= 'a' && (ch | 32) <= 'z'; }

/* Next word of letters in s, which is moved behind it; empty: none. */
static struct str next_letters(struct str *s)
{
    size_t at = 0, n = 0;
    while (at < s->len && !is_letter(s->ptr[at]))
        at++;
    while (at + n < s->len && is_letter(s->ptr[at + n]))
        n++;
    struct str word = {s->ptr + at, n};
    *s = (struct str){s->ptr + at + n, s->len - at - n};
    return word;
}

/* Do the words that are asked for come in the text, in order, the first of them first? One alone may be cut short. */
static bool is_asked(struct str text, struct str asked)
{
    bool first = true;
    for (struct str word; (word = next_letters(&asked)).len;) {
        struct str found = next_letters(&text);
        while (found.len && !first && !str_eq_nocase(found, word))
            found = next_letters(&text);
        bool cut = !asked.len && found.len > word.len;
        if (!found.len || (first && !str_eq_nocase((struct str){found.ptr, cut ? word.len : found.len}, word)))
            return false;
        first = false;
    }
    return true;
}

/* Bytes up to the next blank; outside of brackets, unless that is too far. */
static size_t piece_of(struct str text, size_t most)
{
    size_t n = 0, blank = 0;
    int depth = 0;
    for (; n < text.len && (n <= most || !blank); n++) {
        if (text.ptr[n] == ' ' && depth == 0)
            return n;
        if (text.ptr[n] == ' ' && !blank)
            blank = n;
        depth += strchr("([", text.ptr[n]) ? 1 : strchr(")]", text.ptr[n]) ? -1 : 0;
    }
    return n == text.len && n <= most ? n : blank ? blank : text.len;
}

/* In lines of at most `columns`, those after the first set in. */
static void print_wrapped(struct str text, size_t columns)
{
    enum { INDENT = 4 };
    size_t col = 0;
    while (text.len) {
        size_t n = piece_of(text, columns - INDENT), blank = n < text.len;
        if (col && col + 1 + n > columns) {
            printf("\n%*s", INDENT, "");
            col = INDENT;
        } else if (col) {
            putchar(' ');
            col++;
        }
        printf("%.*s", (int)n, text.ptr);
        col += n;
        text = (struct str){text.ptr + n + blank, text.len - n - blank};
    }
    putchar('\n');
}

/* The remark that names the most of what is asked for. */
static const char *remark_of(struct str asked)
{
    const char *const *best = NULL;
    for (size_t i = 0; i < ARRAY_LEN(remarks); i++)
        if (is_asked(asked, str_of(remarks[i][0])) && (!best || strlen(remarks[i][0]) > strlen(best[0])))
            best = remarks[i];
    return best ? best[1] : NULL;
}

/* \h: the shapes of all statements, as the grammar has them, or of those that are asked for and what there is to say. */
static void help_statements(struct str asked, size_t columns)
{
    bool any = false;
    struct wbuf w;
    wbuf_init(&w);
    for (unsigned i = 0; wbuf_reset(&w), parse_shape(i, &w); i++) {
        wbuf_u8(&w, ';');
        if (!is_asked(wbuf_view(&w), asked))
            continue;
        print_wrapped(wbuf_view(&w), columns);
        any = true;
    }
    const char *remark = asked.len ? remark_of(asked) : NULL;
    if (any && remark)
        puts(remark);
    if (!any)
        printf("no statement begins with %.*s; \\h lists them\n", STR_ARG(asked));
    wbuf_fini(&w);
}

static bool help(struct client *c, const struct command *cmd, struct str arg, int *exit_code)
{
    (void)exit_code;
    if (strcmp(cmd->name, "\\?") == 0) {
        for (size_t i = 0; i < ARRAY_LEN(commands); i++)
            printf("  %-8s %-12s %s\n", commands[i].name, commands[i].args, commands[i].doc);
        puts("  Statements end with ;   \\h lists them.   Tab completes, Ctrl-R searches the history, Ctrl-C ends a "
             "query.");
        return false;
    }
    help_statements(arg, (size_t)MAX(c->screen.columns, 40) - 1);
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
