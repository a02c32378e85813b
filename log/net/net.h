/* Sockets: listeners, connections, framing. One port serves Kafka frames and HTTP: a Kafka frame starts with its
 * length, far below "GET " or "POST" read as a number, so the first four bytes tell.
 *
 * Thread: a connection belongs to the shard that got it and is used there only. Bytes of a frame are read only after
 * the request budget grants them; a peer that does not read is not read from. */
#ifndef NET_NET_H
#define NET_NET_H
#include "log/base/alloc.h"
#include "log/base/buf.h"
#include "log/base/config.h"
#include "log/base/err.h"
#include "log/base/loop.h"

struct net;
struct conn;

struct listener_info {
    const char *name;     /* "PLAINTEXT" */
    const char *protocol; /* "PLAINTEXT" */
    const char *host;     /* as bound */
    int port;             /* real one if 0 was asked */
    const char *advertised_host; /* NULL: the address the client reached */
    int advertised_port;
};

/* ---- Kafka frames. What the broker gives the net. */
struct frame_class {
    /* A whole frame without its length. Takes buf. Answers through conn_answer, later or at once. On an error the
     * connection is closed. */
    int (*frame_cb)(void *arg, struct conn *conn, struct buf *buf);
    void (*open_cb)(void *arg, struct conn *conn);
    void (*close_cb)(void *arg, struct conn *conn); /* last call; requests still at work must not answer any more */
};
/* An answer is pieces in order: bytes, or ranges of files that are sent without copying. */
struct piece {
    struct buf *buf; /* counted, taken; or NULL and then a file range */
    uint32_t at, len;
    int fd;
    int64_t pos;
    void (*release_cb)(void *owner); /* called when a file range is sent or dropped */
    void *owner;
};
/* Every frame reserves a place in the order of answers: seq. Answers leave in that order, whatever order they come in.
 * n = 0 means no answer (acks=0). Takes the pieces. close_after: close once it is sent. */
uint64_t conn_reserve(struct conn *conn);
void conn_answer(struct conn *conn, uint64_t seq, const struct piece *pieces, unsigned n, bool close_after);
void conn_throttle(struct conn *conn, int64_t ms); /* read no more frames for that long */
void *conn_user(struct conn *conn);
void conn_set_user(struct conn *conn, void *user);
struct loop *conn_loop(struct conn *conn);
const struct listener_info *conn_listener(const struct conn *conn);
const char *conn_peer(const struct conn *conn);               /* "127.0.0.1:4711" */
void conn_local(const struct conn *conn, char *host, size_t cap, int *port); /* the address the client reached */
void conn_close(struct conn *conn);

/* ---- HTTP/1.1 (llhttp). One handler for all paths. */
struct http_req {
    struct loop *loop;
    struct str method, path, query, body; /* valid until http_end or gone_cb */
    void *user;                           /* the handler's own */
    void (*gone_cb)(struct http_req *req); /* the peer left before http_end: free user; do not write any more */
    void (*drain_cb)(struct http_req *req); /* may be NULL: queued bytes fell below the low mark */
};
struct http_class {
    void (*request_cb)(void *arg, struct http_req *req); /* whole request, body at most 16 MiB */
};
struct str http_header(const struct http_req *req, const char *name); /* null if absent */
void http_start(struct http_req *req, int status, const char *content_type); /* chunked body follows */
size_t http_write(struct http_req *req, struct str bytes); /* copies; gives the bytes now queued: stop above 1 MiB */
void http_end(struct http_req *req);                       /* req is gone afterwards */

/* ---- The other side: a connection to a server, blocking, for the command line. server: HOST:PORT, or the path of a
 * Unix socket (it holds a slash). Gives a non-blocking socket. */
int net_dial(int *fd, const char *server, int timeout_ms, struct diag *d) MUST_USE;

/* ---- Life. net_open binds (errors name the address); net_start accepts. unix_path may be NULL. */
struct net_conf {
    const struct config *conf;
    struct loops *loops;
    const struct frame_class *frames;
    void *frames_arg;
    const struct http_class *http; /* NULL: HTTP answers 404 */
    void *http_arg;
    const char *unix_path;
};
int net_open(struct net **out, const struct net_conf *nc, struct diag *d) MUST_USE;
void net_start(struct net *net);
void net_stop(struct net *net); /* from outside the loops: no new connections, closes all, waits */
void net_free(struct net *net); /* after the loops have stopped */
unsigned net_listeners(const struct net *net, const struct listener_info **out);
void net_set_http(struct net *net, const struct http_class *http, void *arg); /* before net_start */

#endif
