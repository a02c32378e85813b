#include "sql/shell/shell.h"
#include "sql/shell/client.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

const struct shell_command *shell_commands(unsigned *n)
{
    static const struct shell_command commands[] = {
#define X(name, doc) {#name, doc, cmd_##name},
#include "sql/shell/commands.def"
#undef X
    };
    *n = ARRAY_LEN(commands);
    return commands;
}

int shell_wrong(const struct shell_usage *u, const char *sentence, const char *value)
{
    fprintf(stderr, "%s: %s%s%s\ntry: %s --help\n", u->command, sentence, value ? ": " : "", value ? value : "", u->command);
    return EXIT_USAGE;
}

int shell_wrong_value(const struct shell_usage *u, const struct option *names, int option, const char *value)
{
    const struct shell_takes *t = u->takes;
    while (names->name && names->val != option)
        names++;
    while (t->what && t->option != option)
        t++;
    CHECK(t->what); /* whoever refuses a value says what it may be */
    char letter[] = {'-', (char)option, 0}; /* of an option without a long name */
    fprintf(stderr, "%s: %s%s takes %s, not \"%s\"\ntry: %s --help\n", u->command, names->name ? "--" : "",
            names->name ? names->name : letter, t->what, value, u->command);
    return EXIT_USAGE;
}

bool shell_options(int argc, char **argv, const char *letters, const struct option *names, const struct shell_usage *u,
                   struct shell_where *where, bool (*option_cb)(void *to, int option, const char *value), void *to,
                   int *code)
{
    int opt;
    *code = EXIT_GOOD;
    while ((opt = getopt_long(argc, argv, letters, names, NULL)) != -1) {
        if (opt == 'h') {
            fputs(u->text, stdout);
            return false;
        }
        if (opt == '?') {
            fprintf(stderr, "try: %s --help\n", u->command);
            *code = EXIT_USAGE;
            return false;
        }
        if (opt == SHELL_SERVER || opt == SHELL_DATA)
            *(opt == SHELL_DATA ? &where->data : &where->server) = optarg;
        else if (!option_cb(to, opt, optarg)) {
            *code = shell_wrong_value(u, names, opt, optarg);
            return false;
        }
    }
    if (where->server && where->data)
        *code = shell_wrong(u, "--server and --data exclude each other", NULL);
    return *code == EXIT_GOOD;
}

const char *shell_server(const char *flag)
{
    const char *env = getenv("WEIR_SERVER");
    return flag ? flag : env && *env ? env : "127.0.0.1:9092";
}

bool shell_seconds(const char *text, int64_t *ms)
{
    char *end;
    double s = strtod(text, &end);
    if (end == text || (*end && strcmp(end, "s") != 0) || !(s >= 0 && s < 1e9))
        return false;
    *ms = (int64_t)(s * 1000);
    return true;
}

bool shell_read(const char *path, struct wbuf *out)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (!f) {
        fprintf(stderr, "cannot read %s: %s\n", path, strerror(errno));
        return false;
    }
    size_t n;
    do {
        n = fread(wbuf_room(out, 65536), 1, 65536, f);
        out->len += n;
    } while (n > 0);
    bool good = !ferror(f);
    if (!good)
        fprintf(stderr, "cannot read %s: %s\n", path, strerror(errno));
    if (f != stdin)
        fclose(f);
    return good;
}

static int output_error; /* errno of the first write that failed; written and read by the command's thread */

void shell_output_failed(int error)
{
    if (!output_error)
        output_error = error ? error : EIO;
}

bool shell_output_lost(void)
{
    if (ferror(stdout) && fflush(stdout) != 0) /* what could not be written waits, and says again why */
        shell_output_failed(errno);
    return output_error != 0;
}

int shell_end(int code)
{
    if (fflush(stdout) != 0)
        shell_output_failed(errno);
    else if (ferror(stdout))
        shell_output_failed(EIO);
    if (!output_error || output_error == EPIPE)
        return code;
    fprintf(stderr, "cannot write the output: %s\n", strerror(output_error));
    return code ? code : EXIT_STATEMENT;
}
