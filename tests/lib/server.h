/* A whole node in the test's process, on a scratch folder and a free port of 127.0.0.1. */
#ifndef LIB_SERVER_H
#define LIB_SERVER_H
#include "log/base/config.h"

struct server {
    struct config conf;
    struct node *node;
    char dir[64], address[64];
};
/* set: "key=value" settings, ended by NULL. Aborts with a message if the node does not open. */
void server_start(struct server *s, const char *const *set);
void server_stop(struct server *s); /* removes the folder */
/* Stops and starts on the same folder; another port. */
void server_restart(struct server *s);

#endif
