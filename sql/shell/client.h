/* The shell's side of a session: sends statements, shows what comes back. Private to sql/shell. */
#ifndef SHELL_CLIENT_H
#define SHELL_CLIENT_H
#include "log/net/http_client.h"
#include "sql/shell/render.h"

/* Exit codes of every command that talks to a server. */
enum { EXIT_GOOD = 0, EXIT_STATEMENT = 1, EXIT_CONNECTION = 2, EXIT_USAGE = 3 };

struct client_setting {
    char *name, *value;
    bool variable; /* DEFINE, else SET */
};
struct client {
    char *target; /* HOST:PORT or a socket's path */
    struct http_client *http;
    struct screen screen;
    enum render_mode mode;
    bool echo_messages;    /* "stream orders created" and the like */
    bool timing, live;     /* live: push queries are drawn on the terminal */
    bool echo, keep_going; /* scripts: show statements; do not stop at an error */
    int64_t limit, for_ms; /* -1: none */
    bool until_caught_up, deploy, plan, beside;
    struct client_setting *settings;
    unsigned nsettings, settings_cap;
    bool left; /* the last query was ended by the user */
};
void client_init(struct client *c, const char *target);
void client_fini(struct client *c);
/* Keeps name = value for later requests; value NULL forgets it. */
void client_set(struct client *c, bool variable, struct str name, const char *value, size_t value_len);
/* The same from "NAME=VALUE"; false: it is not that. */
bool client_set_pair(struct client *c, bool variable, const char *pair);
/* Runs statements and shows their answers; an EXIT_ code. Errors go to standard error with caret and hint. */
int client_run(struct client *c, struct str sql);
/* Runs a query quietly and gives its rows, in a; for completion and for commands that print in their own way. The
 * error's sentence is shown on standard error unless quiet. */
int client_rows(struct client *c, struct str sql, struct arena *a, bool quiet, struct columns *cols, struct row **rows,
                unsigned *nrows);
/* Waits until the jobs, or the one named, have written the results of all that there was for them to read. The EXIT_
 * code, with a sentence where it is not good: a job has failed, or timeout_ms have passed. */
int client_wait(struct client *c, struct str job, int64_t timeout_ms);
/* Ctrl-C since the last call. */
bool client_interrupted(void);
void client_catch_interrupts(void);
/* An error with its place under the statement's text; at most six lines. */
void client_show_error(const struct screen *screen, struct str sql, const struct answer *an);

#endif
