#include "log/net/http_client.h"

#include <errno.h>
#include <llhttp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log/base/alloc.h"
#include "log/base/buf.h"
#include "log/net/net.h"

/* The body arrives in chunks that end anywhere; lines are cut from `text`, where `taken` bytes have been given out. */
struct http_client {
    int fd;
    llhttp_t parser;
    llhttp_settings_t settings;
    struct wbuf text;
    size_t taken;
    bool complete, closed;
    char host[300];
};

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct http_client *c = p->data;
    wbuf_put(&c->text, at, n);
    return 0;
}

static int on_complete(llhttp_t *p)
{
    ((struct http_client *)p->data)->complete = true;
    return HPE_PAUSED;
}

int http_client_open(struct http_client **out, const char *target, int timeout_ms, struct diag *d)
{
    int fd = -1;
    int err = net_dial(&fd, target, timeout_ms, d);
    if (err)
        return err;
    struct http_client *c = xzalloc(sizeof *c);
    c->fd = fd;
    snprintf(c->host, sizeof c->host, "%s", strchr(target, '/') ? "localhost" : target);
    llhttp_settings_init(&c->settings);
    c->settings.on_body = on_body;
    c->settings.on_message_complete = on_complete;
    llhttp_init(&c->parser, HTTP_RESPONSE, &c->settings);
    c->parser.data = c;
    wbuf_init(&c->text);
    *out = c;
    return 0;
}

static int send_all(int fd, struct str s)
{
    while (s.len) {
        ssize_t n = send(fd, s.ptr, s.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd pfd = {.fd = fd, .events = POLLOUT};
            if (poll(&pfd, 1, 30000) == 0)
                return -ETIMEDOUT;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        s.ptr += n;
        s.len -= (size_t)n;
    }
    return 0;
}

int http_client_post(struct http_client *c, const char *path, struct str body, struct diag *d)
{
    llhttp_reset(&c->parser);
    c->complete = false;
    c->text.len = c->taken = 0;
    struct wbuf head;
    wbuf_init(&head);
    wbuf_printf(&head, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", path,
                c->host, body.len);
    int err = send_all(c->fd, wbuf_view(&head));
    wbuf_fini(&head);
    if (!err)
        err = send_all(c->fd, body);
    if (err)
        return diag_set(d, err, "the server closed the connection: %s", strerror(-err));
    return 0;
}

int http_client_fd(const struct http_client *c) { return c->fd; }

int http_client_status(const struct http_client *c) { return c->parser.status_code; }

/* 0 when something was read or nothing is there to read. */
static int read_more(struct http_client *c)
{
    char bytes[65536];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    if (n == 0) {
        c->closed = true;
        return 0;
    }
    llhttp_errno_t err = llhttp_execute(&c->parser, bytes, (size_t)n);
    return err == HPE_OK || err == HPE_PAUSED ? 0 : E_SYNTAX;
}

static bool take_line(struct http_client *c, struct str *line)
{
    const char *from = (const char *)c->text.data + c->taken;
    size_t left = c->text.len - c->taken;
    const char *nl = left ? memchr(from, '\n', left) : NULL;
    if (!nl && !(c->complete && left))
        return false;
    *line = (struct str){from, nl ? (size_t)(nl - from) : left};
    c->taken += line->len + (nl ? 1 : 0);
    return true;
}

int http_client_line(struct http_client *c, struct str *line)
{
    if (take_line(c, line))
        return 1;
    if (c->complete)
        return E_EOF;
    if (c->closed)
        return E_CLOSED;
    if (c->taken) { /* keep the cut-off line only */
        memmove(c->text.data, c->text.data + c->taken, c->text.len - c->taken);
        c->text.len -= c->taken;
        c->taken = 0;
    }
    int err = read_more(c);
    if (err)
        return err;
    return take_line(c, line) ? 1 : c->complete ? E_EOF : c->closed ? E_CLOSED : 0;
}

void http_client_close(struct http_client *c)
{
    if (!c)
        return;
    close(c->fd);
    wbuf_fini(&c->text);
    xfree(c);
}
