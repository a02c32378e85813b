/* The prompt: libedit with SQL's words in colour, statements of several lines edited as one, history, completion, and
 * the commands that start with a backslash. Private to sql/shell; the only user of libedit. */
#ifndef SHELL_REPL_H
#define SHELL_REPL_H
#include "sql/shell/client.h"

/* Until \q or end of input; an EXIT_ code. banner: shown first. */
int repl_run(struct client *c, const char *banner);
/* A line that starts with a backslash, or help, exit, clear. True: leave the shell. Also used for scripts. */
bool command_run(struct client *c, struct str line, int *exit_code);
/* Is this one of those? */
bool command_is(struct str line);
/* Runs a file of statements and commands; stops at the first error. An EXIT_ code. */
int script_run(struct client *c, const char *path);
int script_run_text(struct client *c, struct str text);

/* Names for completion: words[] lives in the cache; refreshed when stale. */
struct words;
struct words *words_new(struct client *c);
void words_free(struct words *w);
void words_stale(struct words *w);
/* Completions of prefix; each_cb gets them in order. */
void words_each(struct words *w, struct str prefix, void (*each_cb)(void *arg, const char *word), void *arg);

#endif
