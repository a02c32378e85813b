/* A whole node in this process: shards, broker, sockets, engine, sessions. `weir server` is one; the shell brings one
 * of its own when it is not given a server; so do the benchmarks. */
#ifndef SERVE_NODE_H
#define SERVE_NODE_H
#include "log/base/config.h"
#include "log/base/err.h"

struct node;
struct node_conf {
    const struct config *conf; /* borrowed for the node's life */
    const char *data_dir;      /* made if it is not there (its parent must be) */
    bool tcp;                  /* open conf's listeners; else only the Unix socket */
};
/* Opens data and sockets: everything that can be refused is refused here, with a sentence in d (in use by another
 * process, written by a newer version, address taken, ...). A Unix socket weir.sock stands in the data folder while it
 * is open. */
int node_open(struct node **out, const struct node_conf *nc, struct diag *d) MUST_USE;
void node_start(struct node *n); /* threads run, sockets accept, jobs resume */
void node_stop(struct node *n);  /* jobs commit their last epoch; connections close; threads end; frees */
/* "127.0.0.1:9092, ..." as really bound; empty if none. */
void node_addresses(const struct node *n, char *out, size_t cap);
void node_socket_path(const char *data_dir, char *out, size_t cap); /* where a node on this folder listens */
unsigned node_jobs(const struct node *n, char *names, size_t cap);  /* running jobs; their names, comma separated */

#endif
