/* Whom a command speaks to: a server, the node that somebody's shell runs on a folder, or one of its own on it.
 * Private to sql/shell. */
#ifndef SHELL_TARGET_H
#define SHELL_TARGET_H
#include "log/base/config.h"
#include "sql/serve/node.h"

struct target {
    struct node *node; /* of our own, or NULL */
    struct config conf;
    char address[4200]; /* HOST:PORT, or a socket's path */
};
/* server wins; else a node on folder dir. The error's sentence is shown; false: there is nobody. */
bool target_open(struct target *t, const char *server, const char *dir);
/* Ends a node of our own; tell: names the jobs that stop with it, on standard error. */
void target_close(struct target *t, bool tell);

#endif
