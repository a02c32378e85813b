/* A connection's write queue: bytes and ranges of files, sent with as few calls as possible. */
#include "log/net/shard.h"
#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

enum { IOV_MAX_OUT = 64 };

void piece_release(struct conn *conn, const struct piece *p)
{
    conn_hold(conn, p->buf ? -(int64_t)p->len : 0);
    if (p->buf)
        buf_release(p->buf);
    else if (p->release_cb)
        p->release_cb(p->owner);
}

static struct out_piece *out_at(const struct conn *conn, unsigned i)
{
    return &conn->out[(conn->out_head + i) & (conn->out_cap - 1)];
}

void out_push(struct conn *conn, const struct piece *p, bool with_head, uint32_t head, bool close_after)
{
    if (conn->out_n == conn->out_cap) {
        unsigned cap = conn->out_cap ? conn->out_cap * 2 : 4;
        struct out_piece *out = xalloc(cap * sizeof *out);
        for (unsigned i = 0; i < conn->out_n; i++)
            out[i] = *out_at(conn, i);
        xfree(conn->out);
        conn->out = out;
        conn->out_cap = cap;
        conn->out_head = 0;
    }
    if (conn->out_n == 0)
        conn->progress_ms = loop_now_ms(conn->shard->loop);
    struct out_piece *op = out_at(conn, conn->out_n++);
    *op = (struct out_piece){.p = *p, .head_left = with_head ? 4 : 0, .close_after = close_after};
    put_be32(op->head, head);
    conn->out_bytes += op->head_left + (size_t)p->len;
    if (close_after)
        conn->draining = true;
}

static void out_pop(struct conn *conn)
{
    piece_release(conn, &out_at(conn, 0)->p);
    conn->out_head = (conn->out_head + 1) & (conn->out_cap - 1);
    conn->out_n--;
}

void out_fini(struct conn *conn)
{
    while (conn->out_n)
        out_pop(conn);
    xfree(conn->out);
}

/* n bytes of heads and bufs have gone. */
static void out_advance(struct conn *conn, size_t n)
{
    conn->out_bytes -= n;
    while (conn->out_n) {
        struct out_piece *op = out_at(conn, 0);
        size_t head = MIN(n, op->head_left);
        op->head_left = (uint8_t)(op->head_left - head);
        n -= head;
        size_t body = MIN(n, op->p.len - op->done);
        op->done += (uint32_t)body;
        n -= body;
        if (op->head_left || op->done < op->p.len)
            return;
        out_pop(conn);
    }
}

static ssize_t send_file(struct conn *conn, size_t max)
{
    struct out_piece *op = out_at(conn, 0);
    off_t pos = op->p.pos + op->done;
    ssize_t n = sendfile(conn->fd, op->p.fd, &pos, MIN(max, op->p.len - op->done));
    return n == 0 ? -EIO : n < 0 ? -errno : n; /* the file ends early: the answer cannot be finished */
}

static ssize_t send_bytes(struct conn *conn)
{
    struct iovec iov[IOV_MAX_OUT];
    size_t niov = 0;
    bool more = false;
    for (unsigned i = 0; i < conn->out_n && niov + 2 <= IOV_MAX_OUT; i++) {
        struct out_piece *op = out_at(conn, i);
        if (op->head_left)
            iov[niov++] = (struct iovec){op->head + 4 - op->head_left, op->head_left};
        if (!op->p.buf && op->p.len) {
            more = true;
            break;
        }
        if (op->p.len > op->done)
            iov[niov++] = (struct iovec){op->p.buf->data + op->p.at + op->done, op->p.len - op->done};
    }
    struct msghdr mh = {.msg_iov = iov, .msg_iovlen = niov};
    ssize_t n = sendmsg(conn->fd, &mh, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    return n < 0 ? -errno : n;
}

int out_flush(struct conn *conn)
{
    size_t total = 0;
    while (conn->out_n && total < CONN_TURN_BYTES) {
        const struct out_piece *op = out_at(conn, 0);
        bool file = !op->p.buf && op->p.len && !op->head_left;
        ssize_t n = file ? send_file(conn, CONN_TURN_BYTES) : send_bytes(conn);
        if (n == -EAGAIN || n == -EINTR)
            break;
        if (n < 0)
            return (int)n;
        total += (size_t)n;
        out_advance(conn, (size_t)n);
    }
    if (total)
        conn->active_ms = conn->progress_ms = loop_now_ms(conn->shard->loop);
    return conn->out_n == 0 && conn->draining ? E_CLOSED : 0;
}
