#include "log/net/shard.h"
#include "log/base/trace.h"
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- a shard's part */

static void flush_turn(struct turn_end *t)
{
    struct net_shard *sh = container_of(t, struct net_shard, flush_turn);
    struct list *l;
    struct list now;
    list_init(&now);
    while ((l = list_pop(&sh->flush)) != NULL)
        list_add_tail(&now, l);
    while ((l = list_pop(&now)) != NULL) {
        struct conn *conn = container_of(l, struct conn, flush_link);
        if (conn->closing)
            continue;
        if (out_flush(conn) < 0) {
            conn_close(conn);
            continue;
        }
        if (conn->mode == CONN_HTTP)
            http_drained(conn);
        conn_update(conn);
    }
}

void net_shard_ask_flush(struct net_shard *sh) { loop_at_turn_end(sh->loop, &sh->flush_turn); }

static void tick_cb(struct timer *t)
{
    struct net_shard *sh = container_of(t, struct net_shard, tick);
    int64_t now_ms = loop_now_ms(sh->loop);
    LIST_EACH_SAFE(l, &sh->conns) conn_tick(container_of(l, struct conn, link), now_ms);
    if (!list_empty(&sh->conns))
        timer_start(t, 1000);
}

static void hungry_cb(struct timer *t)
{
    struct net_shard *sh = container_of(t, struct net_shard, hungry_timer);
    struct list waiting, *l;
    list_init(&waiting);
    while ((l = list_pop(&sh->hungry)) != NULL)
        list_add_tail(&waiting, l);
    while ((l = list_pop(&waiting)) != NULL)
        conn_hungry_retry(container_of(l, struct conn, hungry_link));
}

void net_shard_hungry(struct net_shard *sh, struct conn *conn)
{
    list_add_tail(&sh->hungry, &conn->hungry_link);
    if (!timer_active(&sh->hungry_timer))
        timer_start(&sh->hungry_timer, HUNGRY_MS);
}

static void shard_check_stopped(struct net_shard *sh)
{
    if (!sh->stopping || sh->nopen || sh->stopped)
        return;
    sh->stopped = true;
    timer_stop(&sh->tick);
    timer_stop(&sh->hungry_timer);
    uv_sem_post(&sh->net->stopped);
}

void net_shard_closed_one(struct net_shard *sh)
{
    sh->nopen--;
    shard_check_stopped(sh);
}

static void shard_start(struct msg *m)
{
    struct net_shard *sh = container_of(m, struct net_shard, start_msg);
    for (unsigned i = 0; i < sh->net->nlis; i++)
        if (sh->net->lis[i].shard == sh)
            listener_start(&sh->net->lis[i]);
}

static void shard_stop(struct msg *m)
{
    struct net_shard *sh = container_of(m, struct net_shard, stop_msg);
    sh->stopping = true;
    for (unsigned i = 0; i < sh->net->nlis; i++)
        if (sh->net->lis[i].shard == sh)
            listener_close(&sh->net->lis[i]);
    LIST_EACH_SAFE(l, &sh->conns) conn_close(container_of(l, struct conn, link));
    shard_check_stopped(sh);
}

static void shard_init(struct net_shard *sh, struct net *net, struct loop *loop)
{
    sh->net = net;
    sh->loop = loop;
    list_init(&sh->conns);
    list_init(&sh->flush);
    list_init(&sh->hungry);
    list_init(&sh->flush_turn.link);
    sh->flush_turn.run_cb = flush_turn;
    timer_init(&sh->tick, loop, tick_cb);
    timer_init(&sh->hungry_timer, loop, hungry_cb);
    sh->start_msg.run_cb = shard_start;
    sh->stop_msg.run_cb = shard_stop;
}

/* ---- opening */

/* Descriptors are for the log first: connections get what is above the reserve. */
static int connections_max(const struct config *conf)
{
    struct rlimit rl;
    if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
        return (int)conf->connections_max;
    if (rl.rlim_cur < rl.rlim_max) {
        rl.rlim_cur = MIN(rl.rlim_max, (rlim_t)1 << 20);
        setrlimit(RLIMIT_NOFILE, &rl);
        getrlimit(RLIMIT_NOFILE, &rl);
    }
    int64_t left = (int64_t)MIN(rl.rlim_cur, (rlim_t)INT32_MAX) - FDS_RESERVED;
    if (left < conf->connections_max)
        trace(WARN, "net", "few_descriptors limit=%lld connections=%lld", (long long)rl.rlim_cur,
              (long long)MAX(left, 16));
    return (int)MIN(conf->connections_max, MAX(left, 16));
}

static int advertise(struct net *net, struct diag *d)
{
    struct address *ads;
    unsigned n;
    const char *what = "advertised.listeners";
    int rc = address_list(&ads, &n, str_of(net->nc.conf->advertised_listeners), what, &net->arena, d);
    for (unsigned i = 0; i < n && rc == 0; i++) {
        struct listener *lis = NULL;
        for (unsigned k = 0; k < net->nlis && !lis; k++)
            if (strcmp(net->lis[k].info.name, ads[i].name) == 0)
                lis = &net->lis[k];
        if (!lis || lis->is_unix)
            return diag_set(d, E_BAD_CONFIG, "%s names listener %s, which listeners does not have", what, ads[i].name);
        if (address_is_wildcard(ads[i].host))
            return diag_set(d, E_BAD_CONFIG, "%s: clients cannot connect to \"%s\"; name an address they can reach",
                            what, ads[i].host);
        lis->info.advertised_host = ads[i].host;
        lis->info.advertised_port = ads[i].port ? ads[i].port : lis->info.port;
    }
    return rc;
}

static int open_listeners(struct net *net, struct diag *d)
{
    const struct config *conf = net->nc.conf;
    struct address *ads;
    unsigned n;
    int rc = address_list(&ads, &n, str_of(conf->listeners), "listeners", &net->arena, d);
    if (rc < 0)
        return rc;
    net->lis = ARENA_ARRAY(&net->arena, struct listener, n + 1);
    for (unsigned i = 0; i < n + 1; i++) {
        net->lis[i].fd = -1;
        net->lis[i].net = net;
        net->lis[i].shard = &net->shards[0];
    }
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < i; k++)
            if (strcmp(ads[k].name, ads[i].name) == 0)
                return diag_set(d, E_BAD_CONFIG, "listeners: the name %s stands there twice", ads[i].name);
        if (strstr(ads[i].name, "SSL") || strstr(ads[i].name, "SASL"))
            return diag_set(d, E_BAD_CONFIG, "listeners: %s asks for encryption or passwords, which this version does "
                                             "not offer; PLAINTEXT is what there is",
                            ads[i].name);
        net->nlis++;
        rc = listener_open(&net->lis[i], &ads[i], conf->allow_plaintext, d);
        if (rc < 0)
            return rc;
    }
    net->ninfos = n;
    if (net->nc.unix_path) {
        net->unix_path = arena_strdup(&net->arena, net->nc.unix_path);
        net->nlis++;
        rc = listener_open_unix(&net->lis[n], net->unix_path, d);
        if (rc < 0) {
            net->unix_path = NULL;
            return rc;
        }
    }
    return advertise(net, d);
}

int net_open(struct net **out, const struct net_conf *nc, struct diag *d)
{
    struct net *net = xzalloc(sizeof *net);
    net->nc = *nc;
    arena_init(&net->arena);
    budget_init(&net->memory, nc->conf->request_memory, NULL);
    CHECK(uv_sem_init(&net->stopped, 0) == 0);
    net->nshards = loops_count(nc->loops);
    net->shards = ARENA_ARRAY(&net->arena, struct net_shard, net->nshards);
    for (unsigned i = 0; i < net->nshards; i++)
        shard_init(&net->shards[i], net, loops_get(nc->loops, i));
    int rc = open_listeners(net, d);
    if (rc < 0) {
        net_free(net);
        return rc;
    }
    net->conns_max = connections_max(nc->conf);
    net->infos = ARENA_ARRAY(&net->arena, struct listener_info, net->ninfos + 1);
    for (unsigned i = 0; i < net->ninfos; i++)
        net->infos[i] = net->lis[i].info;
    *out = net;
    return 0;
}

void net_set_http(struct net *net, const struct http_class *http, void *arg)
{
    CHECK(!net->started);
    net->nc.http = http;
    net->nc.http_arg = arg;
}

void net_start(struct net *net)
{
    net->started = true;
    for (unsigned i = 0; i < net->nshards; i++)
        loop_post(net->shards[i].loop, &net->shards[i].start_msg);
}

void net_stop(struct net *net)
{
    if (!net->started)
        return;
    for (unsigned i = 0; i < net->nshards; i++)
        loop_post(net->shards[i].loop, &net->shards[i].stop_msg);
    for (unsigned i = 0; i < net->nshards; i++)
        uv_sem_wait(&net->stopped);
    net->started = false;
}

void net_free(struct net *net)
{
    if (!net)
        return;
    CHECK(!net->started);
    for (unsigned i = 0; i < net->nlis; i++)
        if (net->lis[i].fd >= 0)
            close(net->lis[i].fd);
    if (net->unix_path)
        unlink(net->unix_path);
    uv_sem_destroy(&net->stopped);
    arena_fini(&net->arena);
    xfree(net);
}

unsigned net_listeners(const struct net *net, const struct listener_info **out)
{
    *out = net->infos;
    return net->ninfos;
}
