/* A connection: frames in, answers out in the order of their requests.
 *
 * Reading takes exactly what it may keep: four bytes of length, then, once the request budget has granted them, the
 * frame's bytes and in the same call the next frame's length. So a pipelined stream costs one system call a frame and
 * no byte is ever held that nobody granted. A connection reads only while it is allowed to (conn_may_read): its answers
 * are taken, not too many requests are at work, memory is there, it is not muted. */
#include "log/net/shard.h"
#include "log/base/trace.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static void conn_check(const struct conn *conn)
{
    CHECK(conn->send_seq <= conn->next_seq);
    CHECK(conn->next_seq - conn->send_seq <= conn->slot_cap);
    CHECK(!conn->in || conn->in->len <= conn->want);
    CHECK(conn->out_n <= conn->out_cap);
}

void conn_hold(struct conn *conn, int64_t bytes)
{
    conn->held += bytes;
    atomic_fetch_add_explicit(&conn->shard->net->held, bytes, memory_order_relaxed);
}

/* Answers that nobody takes, or that wait for an earlier one, are bounded per connection; and when all connections
 * together hold too much, each gets its next answer only after the peer has taken the one before. */
static bool conn_is_full(const struct conn *conn)
{
    const struct net *net = conn->shard->net;
    return conn->out_bytes > CONN_OUT_MAX || conn->held > CONN_OUT_MAX ||
           (conn->held > 0 && atomic_load_explicit(&net->held, memory_order_relaxed) > net->memory.max);
}

static bool conn_may_read(const struct conn *conn)
{
    if (conn->closing || conn->draining || conn->hungry || conn->mute_until_ms || conn_is_full(conn))
        return false;
    if (conn->mode == CONN_HTTP)
        return !http_full(conn);
    return conn->in || conn->next_seq - conn->send_seq < CONN_INFLIGHT_MAX;
}

static void on_poll(uv_poll_t *poll, int status, int events);

void conn_update(struct conn *conn)
{
    if (conn->closing)
        return;
    int events = (conn_may_read(conn) ? UV_READABLE : 0) | (conn->out_n ? UV_WRITABLE : 0);
    if (events == conn->events)
        return;
    conn->events = events;
    if (events)
        CHECK(uv_poll_start(&conn->poll, events, on_poll) == 0);
    else
        uv_poll_stop(&conn->poll);
}

/* ---- life */

static void closed_cb(uv_handle_t *h)
{
    struct conn *conn = h->data;
    struct net_shard *sh = conn->shard;
    if (conn->mode == CONN_HTTP)
        http_gone(conn);
    else if (conn->opened)
        sh->net->nc.frames->close_cb(sh->net->nc.frames_arg, conn);
    close(conn->fd);
    for (uint64_t s = conn->send_seq; s < conn->next_seq; s++) {
        struct answer *an = &conn->slots[s & (conn->slot_cap - 1)];
        budget_give(&sh->net->memory, an->charge);
        for (unsigned i = 0; an->pieces && i < an->n; i++)
            piece_release(conn, &an->pieces[i]);
        xfree(an->pieces);
    }
    budget_give(&sh->net->memory, conn->charge);
    buf_release(conn->in);
    out_fini(conn);
    xfree(conn->slots);
    list_remove(&conn->link);
    list_remove(&conn->flush_link);
    list_remove(&conn->hungry_link);
    xfree(conn);
    atomic_fetch_sub(&sh->net->nconns, 1);
    net_shard_closed_one(sh);
}

void conn_close(struct conn *conn)
{
    if (conn->closing)
        return;
    conn->closing = true;
    timer_stop(&conn->mute);
    uv_poll_stop(&conn->poll);
    uv_close((uv_handle_t *)&conn->poll, closed_cb);
}

static void conn_refuse(struct conn *conn, const char *why, uint32_t size)
{
    trace(WARN, "net", "close peer=%s why=\"%s\" size=%u", conn->peer, why, size);
    conn_close(conn);
}

static void unmuted(struct timer *t)
{
    struct conn *conn = container_of(t, struct conn, mute);
    conn->mute_until_ms = 0;
    conn->frame_start_ms = loop_now_ms(conn->shard->loop); /* of half a frame that came before */
    conn_update(conn);
}

void conn_open(struct net_shard *sh, const struct listener *lis, int fd)
{
    struct conn *conn = xzalloc(sizeof *conn);
    conn->shard = sh;
    conn->lis = lis;
    conn->fd = fd;
    conn->active_ms = conn->progress_ms = loop_now_ms(sh->loop);
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    char host[48];
    int port;
    getpeername(fd, (struct sockaddr *)&sa, &len);
    address_text(&sa, host, sizeof host, &port);
    snprintf(conn->peer, sizeof conn->peer, sa.ss_family == AF_INET6 ? "[%s]:%d" : "%s:%d", host, port);
    if (!lis->is_unix) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    }
    timer_init(&conn->mute, sh->loop, unmuted);
    list_init(&conn->flush_link);
    list_init(&conn->hungry_link);
    list_add_tail(&sh->conns, &conn->link);
    sh->nopen++;
    atomic_fetch_add(&sh->net->nconns, 1);
    CHECK(uv_poll_init(loop_uv(sh->loop), &conn->poll, fd) == 0);
    conn->poll.data = conn;
    conn_update(conn);
    if (!timer_active(&sh->tick))
        timer_start(&sh->tick, 1000);
}

/* Once a second: what has taken too long ends. */
void conn_tick(struct conn *conn, int64_t now_ms)
{
    struct net *net = conn->shard->net;
    if (conn->closing)
        return;
    bool mid_frame = (conn->in && !conn->hungry) || conn->head_len;
    uint32_t want = conn->in ? conn->want : 4;
    if (conn->mode != CONN_HTTP && mid_frame && conn_may_read(conn) &&
        now_ms - conn->frame_start_ms > CONN_FRAME_MS + want / CONN_FRAME_BYTES_PER_MS)
        return conn_refuse(conn, "a frame came too slowly", want);
    if (conn->mode == CONN_HTTP && http_slow(conn, now_ms))
        return conn_refuse(conn, "a request came too slowly", 0);
    if (conn->out_n && now_ms - conn->progress_ms > CONN_STUCK_MS)
        return conn_refuse(conn, "the peer does not read its answers", (uint32_t)MIN(conn->out_bytes, UINT32_MAX));
    bool idle = conn->next_seq == conn->send_seq && !conn->out_n && (conn->mode != CONN_HTTP || http_idle(conn));
    if (idle && now_ms - conn->active_ms > net->nc.conf->connections_idle_ms)
        return conn_close(conn);
    conn_update(conn);
}

/* ---- reading */

static void conn_hungry(struct conn *conn)
{
    conn->hungry = true;
    net_shard_hungry(conn->shard, conn);
}

/* Memory for the frame of conn->want bytes, or wait for it. */
static void conn_grant(struct conn *conn)
{
    if (budget_take(&conn->shard->net->memory, conn->want) < 0) {
        conn_hungry(conn);
        return;
    }
    conn->hungry = false;
    conn->charge = conn->want;
    conn->in = buf_new(conn->want);
    conn->frame_start_ms = loop_now_ms(conn->shard->loop);
}

void conn_hungry_retry(struct conn *conn)
{
    list_remove(&conn->hungry_link);
    if (!conn->closing)
        conn_grant(conn);
    conn_update(conn);
}

/* Four bytes are there: the kind of peer if they are the first ones, else the length of a frame. */
static void conn_head(struct conn *conn)
{
    const struct net *net = conn->shard->net;
    uint32_t size = be32(conn->head);
    if (conn->mode == CONN_SNIFF) {
        if (http_sniff(conn->head)) {
            conn->mode = CONN_HTTP;
            http_begin(conn);
            return;
        }
        conn->mode = CONN_FRAMES;
        conn->opened = true;
        net->nc.frames->open_cb(net->nc.frames_arg, conn);
        if (conn->closing)
            return;
        if (conn->head[0] == 0x16 && conn->head[1] == 0x03) {
            conn_refuse(conn, "a TLS client on a listener without TLS", 0);
            return;
        }
    }
    uint32_t max = conn->trusted ? (uint32_t)net->nc.conf->request_max_bytes : CONN_FIRST_FRAME_MAX;
    max = (uint32_t)MIN((int64_t)max, net->memory.max);
    if (size < 8 || size > max) {
        conn_refuse(conn, conn->trusted ? "frame size out of range" : "first frame size out of range", size);
        return;
    }
    conn->want = size;
    conn->head_len = 0;
    conn_grant(conn);
}

/* A frame is whole: hand it over. */
static void conn_frame(struct conn *conn)
{
    struct net *net = conn->shard->net;
    struct buf *buf = conn->in;
    conn->in = NULL;
    int rc = net->nc.frames->frame_cb(net->nc.frames_arg, conn, buf);
    /* conn_reserve has moved the charge to its answer; without one the memory is free again. */
    budget_give(&net->memory, conn->charge);
    conn->charge = 0;
    if (rc < 0)
        conn_refuse(conn, err_text(rc), conn->want);
    conn->trusted = true;
    conn_check(conn);
}

/* One read call. Gives the bytes read, 0 if there is nothing now. Closes at the end of the stream. */
static size_t conn_read_frames(struct conn *conn)
{
    struct iovec iov[2];
    int n = 0;
    uint32_t body = conn->in ? conn->want - conn->in->len : 0;
    if (conn->in)
        iov[n++] = (struct iovec){conn->in->data + conn->in->len, body};
    if (!conn->in || conn->next_seq - conn->send_seq + 1 < CONN_INFLIGHT_MAX)
        iov[n++] = (struct iovec){conn->head + conn->head_len, 4 - conn->head_len};
    ssize_t got = readv(conn->fd, iov, n);
    if (got <= 0) {
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        conn_close(conn);
        return 0;
    }
    size_t total = (size_t)got, in_body = MIN((size_t)body, total);
    conn->active_ms = loop_now_ms(conn->shard->loop);
    if (conn->in) {
        conn->in->len += (uint32_t)in_body;
        if (conn->in->len == conn->want)
            conn_frame(conn);
    }
    if (!conn->closing && total > in_body) {
        if (conn->head_len == 0)
            conn->frame_start_ms = conn->active_ms;
        conn->head_len += (unsigned)(total - in_body);
        if (conn->head_len == 4)
            conn_head(conn);
    }
    return total;
}

static size_t conn_read_http(struct conn *conn)
{
    uint8_t chunk[8192];
    ssize_t got = read(conn->fd, chunk, sizeof chunk);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            conn_close(conn);
        return 0;
    }
    conn->active_ms = loop_now_ms(conn->shard->loop);
    http_input(conn, chunk, (size_t)got);
    return (size_t)got;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct conn *conn = poll->data;
    if (status < 0) {
        conn_close(conn);
        return;
    }
    if (events & UV_WRITABLE)
        conn_ask_flush(conn);
    if (events & UV_READABLE) {
        size_t total = 0, got;
        while (total < CONN_TURN_BYTES && conn_may_read(conn)) {
            got = conn->mode == CONN_HTTP ? conn_read_http(conn) : conn_read_frames(conn);
            if (got == 0)
                break;
            total += got;
        }
    }
    conn_update(conn);
}

/* ---- answering */

uint64_t conn_reserve(struct conn *conn)
{
    if (conn->next_seq - conn->send_seq == conn->slot_cap) {
        unsigned cap = conn->slot_cap ? conn->slot_cap * 2 : 8;
        struct answer *slots = xzalloc(cap * sizeof *slots);
        for (uint64_t s = conn->send_seq; s < conn->next_seq; s++)
            slots[s & (cap - 1)] = conn->slots[s & (conn->slot_cap - 1)];
        xfree(conn->slots);
        conn->slots = slots;
        conn->slot_cap = cap;
    }
    conn->slots[conn->next_seq & (conn->slot_cap - 1)] = (struct answer){.charge = conn->charge};
    conn->charge = 0;
    return conn->next_seq++;
}

static void conn_send(struct conn *conn, const struct piece *pieces, unsigned n, bool close_after)
{
    uint64_t size = 0;
    for (unsigned i = 0; i < n; i++)
        size += pieces[i].len;
    for (unsigned i = 0; i < n; i++)
        out_push(conn, &pieces[i], i == 0, (uint32_t)size, close_after && i == n - 1);
    if (n == 0 && close_after) {
        conn->draining = true;
        if (conn->out_n == 0)
            conn_close(conn);
    }
}

void conn_answer(struct conn *conn, uint64_t seq, const struct piece *pieces, unsigned n, bool close_after)
{
    CHECK(seq >= conn->send_seq && seq < conn->next_seq);
    struct answer *an = &conn->slots[seq & (conn->slot_cap - 1)];
    CHECK(!an->ready);
    budget_give(&conn->shard->net->memory, an->charge);
    an->charge = 0;
    an->ready = true;
    an->close_after = close_after;
    an->n = n;
    for (unsigned i = 0; i < n; i++)
        conn_hold(conn, pieces[i].buf ? pieces[i].len : 0);
    if (conn->closing || seq != conn->send_seq) {
        an->pieces = n ? xalloc(n * sizeof *pieces) : NULL;
        for (unsigned i = 0; i < n; i++)
            an->pieces[i] = pieces[i];
        return;
    }
    conn_send(conn, pieces, n, close_after);
    conn->send_seq++;
    while (conn->send_seq < conn->next_seq) {
        an = &conn->slots[conn->send_seq & (conn->slot_cap - 1)];
        if (!an->ready || conn->closing)
            break;
        conn_send(conn, an->pieces, an->n, an->close_after);
        xfree(an->pieces);
        an->pieces = NULL;
        conn->send_seq++;
    }
    conn_ask_flush(conn);
}

void conn_ask_flush(struct conn *conn)
{
    if (conn->closing)
        return;
    if (list_empty(&conn->flush_link))
        list_add_tail(&conn->shard->flush, &conn->flush_link);
    net_shard_ask_flush(conn->shard);
}

void conn_throttle(struct conn *conn, int64_t ms)
{
    int64_t until_ms = loop_now_ms(conn->shard->loop) + MAX(ms, 1);
    if (conn->closing || until_ms <= conn->mute_until_ms)
        return;
    conn->mute_until_ms = until_ms;
    timer_start(&conn->mute, MAX(ms, 1));
    conn_update(conn);
}

/* ---- asking */

void *conn_user(struct conn *conn) { return conn->user; }
void conn_set_user(struct conn *conn, void *user) { conn->user = user; }
struct loop *conn_loop(struct conn *conn) { return conn->shard->loop; }
const struct listener_info *conn_listener(const struct conn *conn) { return &conn->lis->info; }
const char *conn_peer(const struct conn *conn) { return conn->peer; }

void conn_local(const struct conn *conn, char *host, size_t cap, int *port)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    getsockname(conn->fd, (struct sockaddr *)&sa, &len);
    address_text(&sa, host, cap, port);
}
