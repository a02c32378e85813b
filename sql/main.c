/* The program: finds the command in the table of sql/shell and runs it. */
#include "sql/shell/shell.h"
#include <signal.h>
#include <stdio.h>

#define VERSION "0.1.0"

static void help(FILE *out)
{
    fputs("weir: a log that speaks Kafka's protocol, and continuous SQL over it\n\nusage: weir COMMAND [options]\n\n", out);
    unsigned n;
    const struct shell_command *commands = shell_commands(&n);
    for (unsigned i = 0; i < n; i++)
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].doc);
    fputs("\n  weir COMMAND --help    options, examples and exit codes of a command\n"
          "  weir --version         which version this is\n",
          out);
}

static int unknown(const char *name)
{
    const char *best = NULL;
    unsigned dist = 3, n;
    const struct shell_command *commands = shell_commands(&n);
    for (unsigned i = 0; i < n; i++) {
        unsigned far = str_distance(str_of(name), str_of(commands[i].name));
        if (far < dist) {
            dist = far;
            best = commands[i].name;
        }
    }
    fprintf(stderr, "weir: there is no command \"%s\"%s%s%s\ntry: weir --help\n", name, best ? "; did you mean " : "",
            best ? best : "", best ? "?" : "");
    return 3;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        help(stderr);
        return 3;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        help(stdout);
        return shell_end(0);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        puts("weir " VERSION);
        return shell_end(0);
    }
    unsigned n;
    const struct shell_command *commands = shell_commands(&n);
    for (unsigned i = 0; i < n; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            char name[64]; /* as getopt's own complaints begin */
            snprintf(name, sizeof name, "weir %s", commands[i].name);
            argv[1] = name;
            return shell_end(commands[i].run(argc - 1, argv + 1));
        }
    return unknown(argv[1]);
}
