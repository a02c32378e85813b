/* Connecting to a server, blocking: for the command line. */
#include "log/net/net.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int finish_connect(int fd, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int n, err = 0;
    socklen_t len = sizeof err;
    do
        n = poll(&p, 1, timeout_ms);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n < 0 ? -errno : E_TIMEOUT;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 ? -errno : -err;
}

static int dial_address(int *fd, int timeout_ms, const struct sockaddr *sa, socklen_t len)
{
    *fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return -errno;
    int rc = connect(*fd, sa, len) < 0 ? -errno : 0, one = 1;
    if (rc == -EINPROGRESS)
        rc = finish_connect(*fd, timeout_ms);
    if (rc == 0 && sa->sa_family != AF_UNIX)
        setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (rc < 0) {
        close(*fd);
        *fd = -1;
    }
    return rc;
}

/* The folder is reached through its descriptor, so that a long path fits. */
static int dial_unix(int *fd, const char *path, int timeout_ms)
{
    char dir[4096], base[4096];
    snprintf(dir, sizeof dir, "%s", path);
    snprintf(base, sizeof base, "%s", path);
    int dirfd = open(dirname(dir), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return -errno;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int n = snprintf(sa.sun_path, sizeof sa.sun_path, "/proc/self/fd/%d/%s", dirfd, basename(base));
    int rc = n < (int)sizeof sa.sun_path ? dial_address(fd, timeout_ms, (struct sockaddr *)&sa, sizeof sa)
                                         : -ENAMETOOLONG;
    close(dirfd);
    return rc;
}

static int dial_tcp(int *fd, const char *server, int timeout_ms, struct diag *d)
{
    char host[256];
    snprintf(host, sizeof host, "%s", server);
    char *colon = strrchr(host, ':'), *name = host;
    if (!colon || colon[1] == 0)
        return diag_set(d, E_BAD_REQUEST, "\"%s\" is not of the form HOST:PORT", server);
    *colon = 0;
    if (host[0] == '[' && colon[-1] == ']') {
        colon[-1] = 0;
        name = host + 1;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    int rc = getaddrinfo(name, colon + 1, &hints, &list);
    if (rc != 0)
        return diag_set(d, E_NOT_FOUND, "cannot connect to %s: %s", server, gai_strerror(rc));
    for (struct addrinfo *ai = list; ai; ai = ai->ai_next) {
        rc = dial_address(fd, timeout_ms, ai->ai_addr, ai->ai_addrlen);
        if (rc == 0)
            break;
    }
    freeaddrinfo(list);
    return rc;
}

int net_dial(int *fd, const char *server, int timeout_ms, struct diag *d)
{
    struct diag mine = {.text = ""};
    *fd = -1;
    int rc = strchr(server, '/') ? dial_unix(fd, server, timeout_ms) : dial_tcp(fd, server, timeout_ms, &mine);
    if (rc < 0 && !mine.text[0]) {
        diag_set(&mine, rc, "cannot connect to %s: %s", server, err_text(rc));
        if (rc == -ECONNREFUSED || rc == -ENOENT)
            diag_hint(&mine, "is `weir server` running?");
    }
    if (rc < 0 && d)
        *d = mine;
    return rc;
}
