/* HTTP/1.1 on a connection: one request at a time, answered with a chunked body; what the peer sends meanwhile waits.
 * Parsing is llhttp's (RFC 9112, strict mode). */
#include "log/net/shard.h"
#include "llhttp.h"
#include <stdio.h>

struct header {
    size_t name_at, name_len, value_at, value_len; /* in text */
};
struct http {
    struct http_req req;
    struct conn *conn;
    llhttp_t parser;
    struct wbuf in;          /* input not parsed yet */
    struct wbuf text;        /* URL, then headers' names and values */
    struct wbuf body;
    size_t url_len, charge;  /* charge: bytes of body taken from the budget */
    struct header *headers;
    unsigned nheaders, headers_cap;
    bool in_value;
    bool complete;  /* a whole request is there */
    bool busy;      /* the handler has it */
    bool started, chunked, head_only, keep_alive;
    bool running;   /* http_run is on the stack */
    bool low;       /* queued bytes were above the low mark */
    int refuse;     /* status to refuse the request with */
    int64_t since_ms; /* when the request now arriving began; 0: none */
};

bool http_sniff(const uint8_t head[4])
{
    static const char *const starts[] = {"GET ", "POST", "PUT ", "HEAD", "DELE", "OPTI", "PATC"};
    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        if (memcmp(head, starts[i], 4) == 0)
            return true;
    return false;
}

/* ---- what llhttp tells */

static struct http *of(llhttp_t *p) { return p->data; }

static int on_text(struct http *h, const char *at, size_t n)
{
    if (h->text.len + n > HTTP_HEAD_MAX) {
        h->refuse = 431;
        return -1;
    }
    wbuf_put(&h->text, at, n);
    return 0;
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
    of(p)->url_len += n;
    return on_text(of(p), at, n);
}

static int on_field(llhttp_t *p, const char *at, size_t n)
{
    struct http *h = of(p);
    if (h->nheaders == 0 || h->in_value) {
        if (h->nheaders == HTTP_HEADERS_MAX) {
            h->refuse = 431;
            return -1;
        }
        VEC_PUSH(h->headers, h->nheaders, h->headers_cap) = (struct header){.name_at = h->text.len};
        h->in_value = false;
    }
    h->headers[h->nheaders - 1].name_len += n;
    return on_text(h, at, n);
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
    struct http *h = of(p);
    struct header *hd = &h->headers[h->nheaders - 1];
    if (!h->in_value)
        hd->value_at = h->text.len;
    h->in_value = true;
    hd->value_len += n;
    return on_text(h, at, n);
}

static int on_value_complete(llhttp_t *p)
{
    struct http *h = of(p);
    if (!h->in_value)
        h->headers[h->nheaders - 1].value_at = h->text.len;
    h->in_value = true;
    return 0;
}

static void http_push(struct http *h, const void *p, size_t n, bool close_after);

static int on_headers(llhttp_t *p)
{
    struct http *h = of(p);
    if (p->content_length > HTTP_BODY_MAX) {
        h->refuse = 413;
        return -1;
    }
    h->keep_alive = llhttp_should_keep_alive(p);
    if (str_eq_nocase(http_header(&h->req, "expect"), STR("100-continue")))
        http_push(h, "HTTP/1.1 100 Continue\r\n\r\n", 25, false);
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct http *h = of(p);
    if (h->body.len + n > HTTP_BODY_MAX)
        h->refuse = 413;
    else if (budget_take(&h->conn->shard->net->memory, n) < 0)
        h->refuse = 503;
    if (h->refuse)
        return -1;
    h->charge += n;
    wbuf_put(&h->body, at, n);
    return 0;
}

static int on_complete(llhttp_t *p)
{
    of(p)->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

/* ---- one request after the other */

static void http_clear(struct http *h)
{
    budget_give(&h->conn->shard->net->memory, h->charge);
    h->charge = 0;
    wbuf_reset(&h->text);
    wbuf_reset(&h->body);
    h->url_len = 0;
    h->nheaders = 0;
    h->in_value = h->complete = h->busy = h->started = h->chunked = h->head_only = h->low = false;
    h->refuse = 0;
    h->since_ms = 0;
    h->req = (struct http_req){.loop = h->conn->shard->loop};
}

void http_begin(struct conn *conn)
{
    struct http *h = xzalloc(sizeof *h);
    h->conn = conn;
    conn->http = h;
    llhttp_init(&h->parser, HTTP_REQUEST, &settings);
    h->parser.data = h;
    http_clear(h);
    conn->head_len = 0;
    http_input(conn, conn->head, 4);
}

bool http_full(const struct conn *conn) { return conn->http->busy && conn->http->in.len >= HTTP_IN_MAX; }

bool http_idle(const struct conn *conn) { return !conn->http->busy; }

bool http_slow(const struct conn *conn, int64_t now_ms)
{
    const struct http *h = conn->http;
    return !h->busy && h->since_ms && now_ms - h->since_ms > CONN_FRAME_MS + (int64_t)h->body.len / CONN_FRAME_BYTES_PER_MS;
}

static void http_push(struct http *h, const void *p, size_t n, bool close_after)
{
    if (n == 0 || h->conn->closing)
        return;
    struct buf *b = buf_new(n);
    memcpy(b->data, p, n);
    b->len = (uint32_t)n;
    conn_hold(h->conn, b->len);
    out_push(h->conn, &(struct piece){.buf = b, .len = b->len}, false, 0, close_after);
    conn_ask_flush(h->conn);
}

static const char *reason(int status)
{
    const char *text = llhttp_status_name((llhttp_status_t)status);
    return text ? text : "Unknown";
}

/* Ends the connection with a plain answer: the stream cannot be trusted any further. */
static void http_refuse(struct http *h, int status)
{
    char text[256];
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
                     status, reason(status), strlen(reason(status)) + 1, reason(status));
    http_push(h, text, (size_t)n, true);
}

static void http_dispatch(struct http *h)
{
    const struct net *net = h->conn->shard->net;
    const char *text = (const char *)h->text.data;
    struct str url = {text, h->url_len};
    const char *mark = url.len ? memchr(url.ptr, '?', url.len) : NULL;
    h->req.method = str_of(llhttp_method_name((llhttp_method_t)h->parser.method));
    h->req.path = mark ? (struct str){url.ptr, (size_t)(mark - url.ptr)} : url;
    h->req.query = mark ? (struct str){mark + 1, (size_t)(url.ptr + url.len - mark) - 1} : STR("");
    h->req.body = (struct str){h->body.len ? (const char *)h->body.data : "", h->body.len};
    h->head_only = h->parser.method == HTTP_HEAD;
    h->busy = true;
    if (net->nc.http) {
        net->nc.http->request_cb(net->nc.http_arg, &h->req);
        return;
    }
    http_start(&h->req, 404, "text/plain");
    http_write(&h->req, STR("nothing is served over HTTP here\n"));
    http_end(&h->req);
}

/* Parses until the handler has a request or the input is used up. */
static void http_run(struct http *h)
{
    if (h->running)
        return;
    h->running = true;
    size_t at = 0;
    while (!h->busy && at < h->in.len && !h->conn->closing && !h->conn->draining) {
        const char *p = (const char *)h->in.data + at;
        llhttp_errno_t rc = llhttp_execute(&h->parser, p, h->in.len - at);
        if (rc == HPE_OK) {
            at = h->in.len;
        } else if (rc == HPE_PAUSED && h->complete) {
            at += (size_t)(llhttp_get_error_pos(&h->parser) - p);
            llhttp_resume(&h->parser);
            http_dispatch(h);
        } else if (rc == HPE_PAUSED_UPGRADE) {
            at += (size_t)(llhttp_get_error_pos(&h->parser) - p);
            llhttp_resume_after_upgrade(&h->parser);
            if (h->complete && !h->busy)
                http_dispatch(h);
        } else {
            http_refuse(h, h->refuse ? h->refuse : 400);
        }
    }
    if (at) {
        memmove(h->in.data, h->in.data + at, h->in.len - at);
        h->in.len -= at;
    }
    h->running = false;
}

void http_input(struct conn *conn, const uint8_t *p, size_t n)
{
    struct http *h = conn->http;
    if (!h->since_ms)
        h->since_ms = loop_now_ms(conn->shard->loop);
    wbuf_put(&h->in, p, n);
    http_run(h);
}

void http_drained(struct conn *conn)
{
    struct http *h = conn->http;
    if (h->low && h->busy && conn->out_bytes < HTTP_OUT_LOW && h->req.drain_cb) {
        h->low = false;
        h->req.drain_cb(&h->req);
    }
}

void http_gone(struct conn *conn)
{
    struct http *h = conn->http;
    if (h->busy && h->req.gone_cb)
        h->req.gone_cb(&h->req);
    budget_give(&conn->shard->net->memory, h->charge);
    wbuf_fini(&h->in);
    wbuf_fini(&h->text);
    wbuf_fini(&h->body);
    xfree(h->headers);
    xfree(h);
}

/* ---- for handlers */

static struct http *http_of(const struct http_req *req) { return container_of(req, struct http, req); }

struct str http_header(const struct http_req *req, const char *name)
{
    const struct http *h = http_of(req);
    const char *text = (const char *)h->text.data;
    for (unsigned i = 0; i < h->nheaders; i++) {
        const struct header *hd = &h->headers[i];
        if (str_eq_nocase((struct str){text + hd->name_at, hd->name_len}, str_of(name)))
            return (struct str){hd->value_len ? text + hd->value_at : "", hd->value_len};
    }
    return STR_NULL;
}

void http_start(struct http_req *req, int status, const char *content_type)
{
    struct http *h = http_of(req);
    CHECK(h->busy && !h->started);
    h->started = true;
    h->chunked = h->parser.http_major > 1 || (h->parser.http_major == 1 && h->parser.http_minor >= 1);
    if (!h->chunked)
        h->keep_alive = false;
    char head[512];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%sConnection: %s\r\n\r\n", status,
                     reason(status), content_type, h->chunked ? "Transfer-Encoding: chunked\r\n" : "",
                     h->keep_alive ? "keep-alive" : "close");
    CHECK(n > 0 && (size_t)n < sizeof head);
    http_push(h, head, (size_t)n, false);
}

size_t http_write(struct http_req *req, struct str bytes)
{
    struct http *h = http_of(req);
    CHECK(h->busy && h->started);
    if (bytes.len && !h->head_only) {
        char size[24];
        int n = h->chunked ? snprintf(size, sizeof size, "%zx\r\n", bytes.len) : 0;
        struct buf *b = buf_new(bytes.len + 32);
        memcpy(b->data, size, (size_t)n);
        memcpy(b->data + n, bytes.ptr, bytes.len);
        b->len = (uint32_t)((size_t)n + bytes.len);
        if (h->chunked) {
            memcpy(b->data + b->len, "\r\n", 2);
            b->len += 2;
        }
        if (h->conn->closing) {
            buf_release(b);
        } else {
            conn_hold(h->conn, b->len);
            out_push(h->conn, &(struct piece){.buf = b, .len = b->len}, false, 0, false);
            conn_ask_flush(h->conn);
        }
    }
    h->low |= h->conn->out_bytes >= HTTP_OUT_LOW;
    return h->conn->out_bytes;
}

void http_end(struct http_req *req)
{
    struct http *h = http_of(req);
    struct conn *conn = h->conn;
    CHECK(h->busy && h->started);
    if (h->chunked && !h->head_only)
        http_push(h, "0\r\n\r\n", 5, !h->keep_alive);
    else if (!h->keep_alive) {
        conn->draining = true; /* closed when the queue is empty */
        conn_ask_flush(conn);
    }
    http_clear(h);
    http_run(h);
    conn_update(conn);
}
