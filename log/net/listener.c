/* A listening socket. The shard it belongs to accepts and hands each connection to the next shard in turn, so that load
 * spreads evenly whoever wakes first. When descriptors run out it waits and tries again: the log keeps its reserve. */
#include "log/net/shard.h"
#include "log/base/trace.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct handoff {
    struct msg msg;
    struct net_shard *sh;
    const struct listener *lis;
    int fd;
};

static void handoff_run(struct msg *m)
{
    struct handoff *h = container_of(m, struct handoff, msg);
    if (h->sh->stopping)
        close(h->fd);
    else
        conn_open(h->sh, h->lis, h->fd);
    xfree(h);
}

static void accepted(struct listener *lis, int fd)
{
    struct net *net = lis->net;
    if (atomic_load(&net->nconns) >= net->conns_max) {
        trace(WARN, "net", "refuse why=max.connections max=%d", net->conns_max);
        close(fd);
        return;
    }
    struct net_shard *sh = &net->shards[net->next_shard++ % net->nshards];
    if (sh == lis->shard) {
        conn_open(sh, lis, fd);
        return;
    }
    struct handoff *h = xalloc(sizeof *h);
    *h = (struct handoff){.msg.run_cb = handoff_run, .sh = sh, .lis = lis, .fd = fd};
    loop_post(sh->loop, &h->msg);
}

static void on_accept(uv_poll_t *poll, int status, int events)
{
    struct listener *lis = poll->data;
    (void)status, (void)events;
    for (int i = 0; i < ACCEPT_TURN_MAX; i++) {
        int fd = accept4(lis->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accepted(lis, fd);
            continue;
        }
        if (errno == ECONNABORTED || errno == EINTR || errno == EPROTO)
            continue;
        if (errno != EAGAIN) {
            trace(WARN, "net", "accept_waits listener=%s why=\"%s\"", lis->info.name, err_text(-errno));
            uv_poll_stop(&lis->poll);
            timer_start(&lis->retry, ACCEPT_RETRY_MS);
        }
        return;
    }
}

static void retry_cb(struct timer *t)
{
    struct listener *lis = container_of(t, struct listener, retry);
    if (lis->polling)
        CHECK(uv_poll_start(&lis->poll, UV_READABLE, on_accept) == 0);
}

void listener_start(struct listener *lis)
{
    timer_init(&lis->retry, lis->shard->loop, retry_cb);
    CHECK(uv_poll_init(loop_uv(lis->shard->loop), &lis->poll, lis->fd) == 0);
    lis->poll.data = lis;
    lis->polling = true;
    lis->shard->nopen++;
    CHECK(uv_poll_start(&lis->poll, UV_READABLE, on_accept) == 0);
}

static void closed_cb(uv_handle_t *h)
{
    struct listener *lis = h->data;
    close(lis->fd);
    lis->fd = -1;
    net_shard_closed_one(lis->shard);
}

void listener_close(struct listener *lis)
{
    if (!lis->polling)
        return;
    lis->polling = false;
    timer_stop(&lis->retry);
    uv_poll_stop(&lis->poll);
    uv_close((uv_handle_t *)&lis->poll, closed_cb);
}

/* ---- binding */

int listener_open(struct listener *lis, const struct address *ad, bool allow_plaintext, struct diag *d)
{
    struct sockaddr_storage sa = {0};
    unsigned len = 0;
    int rc = address_resolve(ad, &sa, &len, d);
    if (rc < 0)
        return rc;
    if (!allow_plaintext && !address_is_loopback(&sa)) {
        diag_set(d, E_BAD_CONFIG, "listener %s://%s:%d can be reached from other machines, unencrypted and without "
                                  "a password",
                 ad->name, ad->host, ad->port);
        diag_hint(d, "listen on 127.0.0.1, or set allow.plaintext=true if the network is yours alone");
        return E_BAD_CONFIG;
    }
    lis->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1, zero = 0;
    if (lis->fd >= 0) {
        setsockopt(lis->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (sa.ss_family == AF_INET6)
            setsockopt(lis->fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    }
    if (lis->fd < 0 || bind(lis->fd, (struct sockaddr *)&sa, len) < 0 || listen(lis->fd, 1024) < 0) {
        int err = -errno;
        diag_set(d, err, "cannot listen on %s:%d: %s", ad->host, ad->port, err_text(err));
        if (err == -EADDRINUSE)
            diag_hint(d, "another program has this port, perhaps another weir server; --listen chooses another");
        return err;
    }
    socklen_t got = sizeof sa;
    char host[64];
    getsockname(lis->fd, (struct sockaddr *)&sa, &got);
    address_text(&sa, host, sizeof host, &lis->info.port);
    lis->info.name = ad->name;
    lis->info.protocol = "PLAINTEXT";
    lis->info.host = ad->host;
    return 0;
}

/* A name of any length fits: the folder is reached through its descriptor. */
static int unix_address(struct sockaddr_un *sa, const char *path, int *dirfd_out)
{
    char dir[4096], base[4096];
    snprintf(dir, sizeof dir, "%s", path);
    snprintf(base, sizeof base, "%s", path);
    *dirfd_out = open(dirname(dir), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*dirfd_out < 0)
        return -errno;
    *sa = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(sa->sun_path, sizeof sa->sun_path, "/proc/self/fd/%d/%s", *dirfd_out, basename(base));
    return n < (int)sizeof sa->sun_path ? 0 : -ENAMETOOLONG;
}

/* A socket file left by a process that has died answers nobody. */
static bool unix_is_stale(const struct sockaddr_un *sa)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool stale = connect(fd, (const struct sockaddr *)sa, sizeof *sa) < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

int listener_open_unix(struct listener *lis, const char *path, struct diag *d)
{
    struct sockaddr_un sa;
    int dirfd = -1, rc = unix_address(&sa, path, &dirfd);
    lis->fd = rc < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (lis->fd >= 0) {
        fchmod(lis->fd, 0600);
        if (unix_is_stale(&sa))
            unlink(sa.sun_path);
        if (bind(lis->fd, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(lis->fd, 128) < 0)
            rc = -errno;
    } else if (rc == 0) {
        rc = -errno;
    }
    if (dirfd >= 0)
        close(dirfd);
    if (rc < 0)
        return diag_set(d, rc, rc == -EADDRINUSE ? "%s: another process listens there" : "cannot listen on %s", path);
    lis->is_unix = true;
    lis->info = (struct listener_info){.name = "UNIX", .protocol = "PLAINTEXT", .host = path};
    return 0;
}
