#include "sql/shell/target.h"

#include <stdio.h>
#include <unistd.h>

#include "log/base/trace.h"
#include "log/net/http_client.h"

static bool complain(const struct diag *d)
{
    fprintf(stderr, "%s\n", d->text);
    if (d->hint[0])
        fprintf(stderr, "  hint: %s\n", d->hint);
    return false;
}

/* A node of our own on the folder, unless somebody's is already there. */
static bool open_node(struct target *t, const char *dir)
{
    struct diag d = {.line = 0};
    struct http_client *probe;
    node_socket_path(dir, t->address, sizeof t->address);
    if (access(t->address, F_OK) == 0 && http_client_open(&probe, t->address, 1000, &d) == 0) {
        http_client_close(probe);
        return true;
    }
    trace_level = MIN(trace_level, WARN); /* news of the engine are for servers' operators */
    config_init(&t->conf);
    int err = config_env(&t->conf, environ, &d);
    struct node_conf nc = {.conf = &t->conf, .data_dir = dir};
    if (!err)
        err = node_open(&t->node, &nc, &d);
    if (err) {
        config_fini(&t->conf);
        return complain(&d);
    }
    node_start(t->node);
    return true;
}

bool target_open(struct target *t, const char *server, const char *dir)
{
    *t = (struct target){.node = NULL};
    if (!server)
        return open_node(t, dir);
    snprintf(t->address, sizeof t->address, "%s", server);
    return true;
}

void target_close(struct target *t, bool tell)
{
    char names[400];
    if (!t->node)
        return;
    unsigned n = node_jobs(t->node, names, sizeof names);
    if (n && tell)
        fprintf(stderr, "%u %s with this shell and %s on at the next open: %s\n", n, n == 1 ? "job stops" : "jobs stop",
                n == 1 ? "goes" : "go", names);
    node_stop(t->node);
    config_fini(&t->conf);
}
