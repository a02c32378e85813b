/* Order of opening: folder and log first (they refuse a second server by name), then sockets; of closing: the other way
 * round, so that nobody is heard whom nobody can answer. */
#include "sql/serve/node.h"
#include "log/base/disk.h"
#include "log/base/loop.h"
#include "log/broker/broker.h"
#include "log/net/net.h"
#include "sql/serve/serve.h"
#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>

struct node {
    struct config conf; /* a copy, to leave out listeners; its texts are the caller's */
    struct loops *loops;
    struct loop **shards;
    unsigned nshards;
    struct broker *broker;
    struct net *net;
    struct engine *engine;
    struct serve *serve;
    struct msg start_msg, stop_msg;
    sem_t turn; /* posted by loop 0: the engine has started, or stopped */
};

void node_socket_path(const char *data_dir, char *out, size_t cap) { snprintf(out, cap, "%s/weir.sock", data_dir); }

static void node_free(struct node *n)
{
    serve_close(n->serve);
    if (n->engine)
        engine_free(n->engine);
    broker_close(n->broker);
    net_free(n->net);
    sem_destroy(&n->turn);
    loops_free(n->loops);
    xfree(n->shards);
    xfree(n);
}

static unsigned shards_wanted(const struct config *conf)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return conf->shards > 0 ? (unsigned)conf->shards : (unsigned)MIN(MAX(cpus, 1), 64);
}

static int node_open_parts(struct node *n, const struct node_conf *nc, struct diag *d)
{
    struct disk *disk = disk_real();
    int rc = disk_mkdir(disk, nc->data_dir);
    if (rc < 0)
        return diag_set(d, rc, "cannot make the folder %s: %s", nc->data_dir, err_text(rc));
    struct broker_conf bc = {
        .conf = &n->conf, .disk = disk, .data_dir = nc->data_dir, .loops = n->shards, .nloops = n->nshards};
    rc = broker_open(&n->broker, &bc, d);
    if (rc == 0)
        rc = engine_open(&n->engine, n->broker, d);
    if (rc == 0)
        rc = serve_open(&n->serve, n->engine, n->broker);
    if (rc < 0)
        return rc;
    char path[4096];
    node_socket_path(nc->data_dir, path, sizeof path);
    struct net_conf net = {.conf = &n->conf,
                           .loops = n->loops,
                           .frames = broker_frames(),
                           .frames_arg = n->broker,
                           .http = serve_http(),
                           .http_arg = n->serve,
                           .unix_path = path};
    rc = net_open(&n->net, &net, d);
    if (rc == 0)
        broker_set_net(n->broker, n->net);
    return rc;
}

int node_open(struct node **out, const struct node_conf *nc, struct diag *d)
{
    struct node *n = xzalloc(sizeof *n);
    n->conf = *nc->conf;
    sem_init(&n->turn, 0, 0);
    if (!nc->tcp) {
        n->conf.listeners = "";
        n->conf.advertised_listeners = "";
    }
    n->nshards = shards_wanted(nc->conf);
    n->loops = loops_new(n->nshards);
    n->shards = xalloc(n->nshards * sizeof *n->shards);
    for (unsigned i = 0; i < n->nshards; i++)
        n->shards[i] = loops_get(n->loops, i);
    int rc = config_check(&n->conf, d);
    if (rc == 0)
        rc = node_open_parts(n, nc, d);
    if (rc < 0) {
        node_free(n);
        return rc;
    }
    *out = n;
    return 0;
}

/* ---- Loop 0: the engine's life. */
static void start_run(struct msg *m)
{
    struct node *n = container_of(m, struct node, start_msg);
    engine_start(n->engine);
    sem_post(&n->turn);
}

static void stopped_cb(void *arg) { sem_post(&((struct node *)arg)->turn); }

static void stop_run(struct msg *m)
{
    struct node *n = container_of(m, struct node, stop_msg);
    engine_stop(n->engine, stopped_cb, n);
}

static void on_loop0(struct node *n, struct msg *m, void (*run_cb)(struct msg *m))
{
    m->run_cb = run_cb;
    loop_post(n->shards[0], m);
    while (sem_wait(&n->turn) != 0)
        ; /* interrupted by a signal */
}

void node_start(struct node *n)
{
    loops_start(n->loops);
    on_loop0(n, &n->start_msg, start_run);
    net_start(n->net);
}

void node_stop(struct node *n)
{
    net_stop(n->net);
    on_loop0(n, &n->stop_msg, stop_run);
    loops_stop(n->loops);
    node_free(n);
}

static bool is_running_job(const struct object *o, struct arena *a)
{
    struct job_def j;
    return strcmp(o->kind, "job") == 0 && job_def_unpack(&j, o->body, a) == 0 && !j.stopped;
}

unsigned node_jobs(const struct node *n, char *names, size_t cap)
{
    struct image *im = cluster_image(broker_cluster(n->broker));
    struct arena a;
    unsigned jobs = 0;
    size_t at = 0;
    names[0] = 0;
    arena_init(&a);
    for (unsigned i = 0; i < im->nobjects; i++) {
        if (!is_running_job(im->objects[i], &a))
            continue;
        if (at < cap)
            at += (size_t)MAX(snprintf(names + at, cap - at, "%s%s", jobs ? ", " : "", im->objects[i]->name), 0);
        jobs++;
    }
    arena_fini(&a);
    counted_release(&im->c);
    return jobs;
}

void node_addresses(const struct node *n, char *out, size_t cap)
{
    const struct listener_info *li;
    unsigned k = net_listeners(n->net, &li);
    size_t at = 0;
    out[0] = 0;
    for (unsigned i = 0; i < k && at < cap; i++) {
        const char *host = *li[i].host ? li[i].host : "0.0.0.0";
        int wrote =
            snprintf(out + at, cap - at, strchr(host, ':') ? "%s[%s]:%d" : "%s%s:%d", i ? "," : "", host, li[i].port);
        at += (size_t)MAX(wrote, 0);
    }
}
