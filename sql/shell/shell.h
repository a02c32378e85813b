/* The command line: one file per command (cmd_*.c), one row each in commands.def, which sql/main.c sees as
 * shell_commands(). A command gets its arguments with argv[0] being its own name and gives the program's exit code: 0
 * good, 1 what was asked for failed, 2 no connection or a lost one, 3 wrong usage. */
#ifndef SHELL_SHELL_H
#define SHELL_SHELL_H
#include "log/base/buf.h"
#include "log/base/err.h"

#define X(name, doc) int cmd_##name(int argc, char **argv);
#include "sql/shell/commands.def"
#undef X
struct shell_command {
    const char *name, *doc;
    int (*run)(int argc, char **argv);
};
const struct shell_command *shell_commands(unsigned *n); /* commands.def, in its order */

/* ---- Options, of the commands that speak SQL. */
struct option;
/* What the value of an option may be: "a number"; for an option of any of these commands or of Kafka's side. */
struct shell_takes {
    int option;
    const char *what;
};
struct shell_usage {
    const char *command, *text; /* "weir job", what --help shows */
    const struct shell_takes *takes; /* of every option whose value may be refused; up to .what NULL */
};
int shell_wrong(const struct shell_usage *u, const char *sentence, const char *value); /* says so; gives exit code 3 */
/* An option's value makes no sense: says which option, what it takes, what came; gives exit code 3. */
int shell_wrong_value(const struct shell_usage *u, const struct option *names, int option, const char *value);
struct shell_where { /* what --server and --data say, one of them at most */
    const char *server, *data;
};
/* getopt_long over all options: -h and --help are 'h', --server and --data SHELL_SERVER and SHELL_DATA, and option_cb
 * takes the others; false: its value makes no sense. True: go on, with the arguments from optind on; else leave with
 * *code. */
enum { SHELL_SERVER = 256, SHELL_DATA, SHELL_OWN };
bool shell_options(int argc, char **argv, const char *letters, const struct option *names, const struct shell_usage *u,
                   struct shell_where *where, bool (*option_cb)(void *to, int option, const char *value), void *to,
                   int *code);

/* The server asked for by --server, else by WEIR_SERVER, else 127.0.0.1:9092. */
const char *shell_server(const char *flag);
/* "2", "0.5", "10s" as milliseconds. */
bool shell_seconds(const char *text, int64_t *ms);
/* All of a file, or of standard input for "-", to the end of out; false: the sentence was shown. */
bool shell_read(const char *path, struct wbuf *out);

/* ---- Standard output. Whoever sees a write to it fail says so with errno; the command's last word is shell_end, which
 * tells of it and gives the exit code. A reader that has gone (EPIPE) is no failure. */
void shell_output_failed(int error);
bool shell_output_lost(void); /* by a failure or a reader that has gone: there is no use in going on */
int shell_end(int code);

#endif
