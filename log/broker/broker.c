#include "log/broker/request.h"
#include "log/broker/session.h"
#include "log/base/map.h"
#include "log/base/trace.h"
#include <stdio.h>

/* A request that is kept for reuse keeps its arena, which is where its memory is. */
enum { SPARE_MAX = 64 };

/* ---- requests */

static struct req *req_new(struct desk *desk)
{
    struct list *l = list_pop(&desk->spare);
    struct req *r;
    if (l) {
        r = container_of(l, struct req, desk_link);
        desk->nspare--;
    } else {
        r = xzalloc(sizeof *r);
        arena_init(&r->arena);
    }
    r->desk = desk;
    list_init(&r->link);
    list_init(&r->wait_link);
    list_add_tail(&desk->reqs, &r->desk_link);
    return r;
}

static void req_end(struct req *r)
{
    struct desk *desk = r->desk;
    list_remove(&r->link);
    list_remove(&r->desk_link);
    CHECK(list_empty(&r->wait_link));
    buf_release(r->frame);
    struct arena arena = r->arena;
    arena_reset(&arena);
    *r = (struct req){.arena = arena};
    if (desk->nspare == SPARE_MAX) {
        arena_fini(&r->arena);
        xfree(r);
        return;
    }
    desk->nspare++;
    list_add_head(&desk->spare, &r->desk_link);
}

void *req_in(struct req *r, size_t size) { return r->own = arena_zalloc(&r->arena, size); }

int req_decode(struct req *r, int rc)
{
    if (rc == 0)
        rc = wire_decode_done(&r->body);
    if (rc < 0)
        req_fail(r, rc);
    return rc;
}

/* ---- answers without a socket */

struct call_answer {
    struct msg msg;
    struct broker_call *call;
    struct buf *buf;
    int status;
};

static void call_run(struct msg *m)
{
    struct call_answer *a = container_of(m, struct call_answer, msg);
    struct str answer = a->buf ? (struct str){(const char *)a->buf->data, a->buf->len} : STR_NULL;
    a->call->answer_cb(a->call, a->status, answer);
    buf_release(a->buf);
    xfree(a);
}

static void call_answer(struct req *r, int status, struct buf *buf)
{
    struct call_answer *a = xzalloc(sizeof *a);
    *a = (struct call_answer){.msg.run_cb = call_run, .call = r->call, .buf = buf, .status = status};
    loop_post(r->call->loop, &a->msg);
}

/* ---- ends */

static struct buf *buf_of(const uint8_t *p, size_t n)
{
    struct buf *b = buf_new(n);
    memcpy(b->data, p, n);
    b->len = (uint32_t)n;
    return b;
}

static void send_buf(struct req *r, struct buf *buf)
{
    if (r->call)
        call_answer(r, 0, buf);
    else if (r->client)
        conn_answer(r->client->conn, r->seq, &(struct piece){.buf = buf, .len = buf->len}, 1, false);
    else
        buf_release(buf);
    req_mute(r);
    req_end(r);
}

void req_header(struct req *r, struct wbuf *w)
{
    wbuf_reset(w);
    wire_response_header_encode(w, wire_api_find(r->api->key), r->version, r->correlation_id);
}

void req_reply(struct req *r, void *response)
{
    struct wbuf *w = &r->desk->out;
    if (r->throttle_ms > 0 && r->api->response->throttle_at >= 0)
        *(int32_t *)(void *)((char *)response + r->api->response->throttle_at) = (int32_t)r->throttle_ms;
    req_header(r, w);
    r->api->response->encode(response, w, r->version);
    send_buf(r, buf_of(w->data, w->len));
}

void req_drop(struct req *r)
{
    if (r->call)
        call_answer(r, 0, NULL);
    else if (r->client)
        conn_answer(r->client->conn, r->seq, NULL, 0, false);
    req_mute(r);
    req_end(r);
}

void req_fail(struct req *r, int err)
{
    CHECK(err < 0);
    if (r->call) {
        call_answer(r, err, NULL);
    } else if (r->client) {
        trace(DEBUG, "broker", "close peer=%s api=%s version=%d error=%s", conn_peer(r->client->conn), r->api->name,
              r->version, err_name(err));
        conn_answer(r->client->conn, r->seq, NULL, 0, true);
    }
    req_end(r);
}

static void slice_owner_release(void *owner)
{
    slice_release(owner);
    xfree(owner);
}

/* Files without a descriptor, or an answer that must be whole: slices are copied by a worker. */
struct copying {
    struct work work;
    struct req *r;
    struct buf *buf;
    unsigned n;
    struct slice *slices;
    uint32_t *at;
    int status;
};

static void copy_work(struct work *w)
{
    struct copying *c = container_of(w, struct copying, work);
    for (unsigned i = 0; i < c->n && c->status == 0; i++) {
        int64_t n = slice_read(&c->slices[i], 0, c->buf->data + c->at[i], c->slices[i].len, true);
        c->status = n < 0 ? (int)n : n < c->slices[i].len ? E_STORAGE : 0;
    }
}

static void copy_done(struct work *w)
{
    struct copying *c = container_of(w, struct copying, work);
    struct req *r = c->r;
    struct buf *buf = c->buf;
    int status = c->status;
    for (unsigned i = 0; i < c->n; i++)
        slice_release(&c->slices[i]);
    if (status < 0) {
        buf_release(buf);
        req_fail(r, status);
        return;
    }
    send_buf(r, buf);
}

static void reply_copied(struct req *r, const struct wire_gaps *gaps, struct slice *slices)
{
    struct wbuf *w = &r->desk->out;
    struct copying *c = ARENA_NEW(&r->arena, struct copying);
    c->work = (struct work){.loop = r->desk->loop, .work_cb = copy_work, .done_cb = copy_done};
    c->r = r;
    c->n = (unsigned)gaps->n;
    c->slices = slices;
    c->at = REQ_ARRAY(r, uint32_t, gaps->n + 1);
    c->buf = buf_new(w->len + gaps->bytes);
    size_t from = 0;
    for (size_t i = 0; i < gaps->n; i++) {
        memcpy(c->buf->data + c->buf->len, w->data + from, gaps->gaps[i].at - from);
        c->buf->len += (uint32_t)(gaps->gaps[i].at - from);
        from = gaps->gaps[i].at;
        c->at[i] = c->buf->len;
        c->buf->len += gaps->gaps[i].len;
    }
    memcpy(c->buf->data + c->buf->len, w->data + from, w->len - from);
    c->buf->len += (uint32_t)(w->len - from);
    loop_work(r->desk->loop, LANE_DISK, &c->work);
}

void req_reply_slices(struct req *r, const struct wire_gaps *gaps, struct slice *slices)
{
    bool copy = r->call != NULL;
    for (size_t i = 0; i < gaps->n; i++)
        copy |= slice_fd(&slices[i]) < 0;
    if (gaps->n && copy) {
        reply_copied(r, gaps, slices);
        return;
    }
    struct wbuf *w = &r->desk->out;
    if (gaps->n == 0 || !r->client) {
        for (size_t i = 0; i < gaps->n; i++)
            slice_release(&slices[i]);
        send_buf(r, buf_of(w->data, w->len));
        return;
    }
    struct buf *buf = buf_of(w->data, w->len);
    struct piece *pieces = REQ_ARRAY(r, struct piece, 2 * gaps->n + 1);
    unsigned n = 0;
    size_t from = 0;
    for (size_t i = 0; i < gaps->n; i++) {
        struct slice *own = xalloc(sizeof *own);
        *own = slices[i];
        pieces[n++] = (struct piece){.buf = buf_acquire(buf), .at = (uint32_t)from,
                                     .len = (uint32_t)(gaps->gaps[i].at - from)};
        pieces[n++] = (struct piece){.fd = slice_fd(own), .pos = own->pos, .len = own->len,
                                     .release_cb = slice_owner_release, .owner = own};
        from = gaps->gaps[i].at;
    }
    pieces[n++] = (struct piece){.buf = buf, .at = (uint32_t)from, .len = (uint32_t)(w->len - from)};
    conn_answer(r->client->conn, r->seq, pieces, n, false);
    req_mute(r);
    req_end(r);
}

/* ---- helpers of the handlers */

struct str req_text(struct req *r, const struct diag *d)
{
    if (!d->text[0])
        return STR_NULL;
    if (!d->hint[0])
        return str_of(arena_strdup(&r->arena, d->text));
    return str_of(arena_printf(&r->arena, "%s (%s)", d->text, d->hint));
}

void said_add(struct map *said, struct arena *a, struct str what)
{
    uint32_t *times = map_get(said, what);
    if (!times) {
        times = ARENA_NEW(a, uint32_t);
        map_put(said, what, times);
    }
    ++*times;
}

uint32_t said_times(const struct map *said, struct str what)
{
    const uint32_t *times = map_get(said, what);
    return times ? *times : 0;
}

int16_t req_topic(const struct image *im, bool by_id, struct str name, struct uuid id, const struct topic **out)
{
    *out = by_id ? image_topic_by_id(im, id) : image_topic(im, name);
    return *out ? K_NONE : by_id ? K_UNKNOWN_TOPIC_ID : K_UNKNOWN_TOPIC;
}

int16_t check_epoch(const struct view *v, int32_t current_leader_epoch)
{
    if (current_leader_epoch < 0 || current_leader_epoch == v->leader_epoch)
        return K_NONE;
    return current_leader_epoch < v->leader_epoch ? K_FENCED_EPOCH : K_UNKNOWN_EPOCH;
}

static bool is_wildcard(const char *host)
{
    return !host || !*host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/* What is advertised for the listener that was asked; else the address that the client reached; over the Unix socket
 * the first listener with a port. */
void req_address(struct req *r, struct str *host, int32_t *port)
{
    const struct listener_info *li = NULL, *all = NULL;
    char reached[64] = "";
    int reached_port = 0;
    if (r->client) {
        li = conn_listener(r->client->conn);
        conn_local(r->client->conn, reached, sizeof reached, &reached_port);
    }
    if (!reached_port && req_broker(r)->net && net_listeners(req_broker(r)->net, &all) > 0) {
        li = &all[0];
        snprintf(reached, sizeof reached, "%s", is_wildcard(li->host) ? "localhost" : li->host);
        reached_port = li->port;
    }
    *host = li && li->advertised_host ? str_of(li->advertised_host) : str_of(arena_strdup(&r->arena, reached));
    *port = li && li->advertised_host ? li->advertised_port : reached_port;
    if (!host->len)
        *host = STR("localhost");
}

/* Watches that wait until parts are opened by their owners. */
struct opening_one {
    struct watch w;
    struct opening *o;
};
struct opening {
    struct req *r;
    unsigned left;
    void (*done)(struct req *r);
    struct opening_one ones[];
};

static void opening_fired(struct watch *w, int status)
{
    (void)status; /* whoever asked looks at the view again and finds out */
    struct opening *o = container_of(w, struct opening_one, w)->o;
    if (--o->left)
        return;
    struct req *r = o->r;
    void (*done)(struct req *) = o->done;
    xfree(o);
    done(r);
}

void req_open_parts(struct req *r, struct part *const *parts, unsigned n, void (*done)(struct req *r))
{
    CHECK(n > 0);
    struct opening *o = xzalloc(sizeof *o + n * sizeof o->ones[0]);
    o->r = r;
    o->left = n;
    o->done = done;
    for (unsigned i = 0; i < n; i++) {
        o->ones[i].o = o;
        o->ones[i].w = (struct watch){.loop = r->desk->loop, .part = parts[i], .above = -1, .fired_cb = opening_fired};
    }
    for (unsigned i = 0; i < n; i++)
        part_watch(parts[i], &o->ones[i].w);
}

/* ---- from a frame to its handler */

static const struct api *api_find(int16_t key)
{
    for (unsigned i = 0; i < napis; i++)
        if (apis[i].key == key)
            return &apis[i];
    return NULL;
}

/* An error: nothing was done, the frame is still the caller's. */
static int req_start(struct desk *desk, struct client *client, struct broker_call *call, struct buf *frame)
{
    struct request_header h;
    const struct wire_api *wire = NULL;
    struct rbuf body = rbuf_of(frame->data, frame->len);
    request_header_init(&h);
    int rc = wire_request_header(&h, &wire, &body);
    if (rc < 0 && rc != E_UNSUPPORTED)
        return rc;
    const struct api *api = api_find(h.request_api_key);
    bool served = rc == 0 && api && h.request_api_version >= api->min && h.request_api_version <= api->max;
    if (!api || (!served && api->handle != api_api_versions))
        return E_UNSUPPORTED;
    struct req *r = req_new(desk);
    r->frame = frame;
    r->body = body;
    r->api = api;
    r->version = h.request_api_version;
    r->correlation_id = h.correlation_id;
    r->client_id = h.client_id;
    r->call = call;
    r->client = client;
    if (client) {
        list_add_tail(&client->reqs, &r->link);
        r->seq = conn_reserve(client->conn);
    }
    counter_own_add(&desk->requests[api - apis], 1);
    if (!served)
        api_versions_refuse(r);
    else if (client && quotas_any(desk->b->quotas, QUOTA_REQUEST))
        req_handle_timed(r);
    else
        api->handle(r);
    return 0;
}

static int on_frame(void *arg, struct conn *conn, struct buf *buf)
{
    (void)arg;
    struct client *c = conn_user(conn);
    int rc = req_start(c->desk, c, NULL, buf);
    if (rc < 0)
        buf_release(buf);
    return rc;
}

static void on_open(void *arg, struct conn *conn)
{
    struct broker *b = arg;
    struct client *c = xzalloc(sizeof *c);
    c->desk = &b->desks[loop_index(conn_loop(conn))];
    c->conn = conn;
    c->principal = "User:ANONYMOUS";
    list_init(&c->reqs);
    conn_set_user(conn, c);
    client_measure(c);
}

static void on_close(void *arg, struct conn *conn)
{
    (void)arg;
    struct client *c = conn_user(conn);
    struct list *l;
    while ((l = list_pop(&c->reqs)) != NULL) {
        struct req *r = container_of(l, struct req, link);
        r->client = NULL;
        if (r->gone_cb)
            r->gone_cb(r);
    }
    xfree(c);
}

const struct frame_class *broker_frames(void)
{
    static const struct frame_class frames = {.frame_cb = on_frame, .open_cb = on_open, .close_cb = on_close};
    return &frames;
}

/* Without a socket the call hops to the shard that its own loop belongs to. */
struct call_start {
    struct msg msg;
    struct desk *desk;
    struct broker_call *call;
    struct buf *buf;
};

static void call_start_run(struct msg *m)
{
    struct call_start *s = container_of(m, struct call_start, msg);
    int rc = req_start(s->desk, NULL, s->call, s->buf);
    if (rc < 0) {
        buf_release(s->buf);
        s->call->answer_cb(s->call, rc, STR_NULL);
    }
    xfree(s);
}

void broker_request(struct broker *b, struct broker_call *call)
{
    struct call_start *s = xzalloc(sizeof *s);
    s->msg.run_cb = call_start_run;
    s->desk = &b->desks[loop_index(call->loop)];
    s->call = call;
    s->buf = buf_of((const uint8_t *)call->frame.ptr, call->frame.len);
    loop_post(call->loop, &s->msg);
}

/* ---- life */

static void desk_init(struct desk *desk, struct broker *b, struct loop *loop)
{
    desk->b = b;
    desk->loop = loop;
    desk->compress = compress_new();
    desk->sessions = sessions_new((unsigned)(b->bc.conf->fetch_session_slots / b->bc.nloops), loop_index(loop),
                                  b->bc.nloops);
    list_init(&desk->reqs);
    list_init(&desk->spare);
    wbuf_init(&desk->out);
    map_init(&desk->lines);
    reserve_init(&desk->reserve, b, loop);
    desk->requests = xzalloc(napis * sizeof *desk->requests);
}

static void desk_fini(struct desk *desk)
{
    struct list *lists[] = {&desk->reqs, &desk->spare};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (struct list *l; (l = list_pop(lists[i])) != NULL;) {
            struct req *r = container_of(l, struct req, desk_link);
            buf_release(r->frame);
            arena_fini(&r->arena);
            xfree(r);
        }
    compress_free(desk->compress);
    sessions_free(desk->sessions);
    wbuf_fini(&desk->out);
    lines_fini(&desk->lines);
    xfree(desk->requests);
}

int broker_open(struct broker **out, const struct broker_conf *bc, struct diag *d)
{
    struct broker *b = xzalloc(sizeof *b);
    b->bc = *bc;
    b->node_id = (int32_t)bc->conf->node_id;
    int rc = store_open(&b->store, bc->disk, bc->data_dir, bc->loops, bc->nloops, bc->conf, d);
    if (rc < 0) {
        xfree(b);
        return rc;
    }
    rc = cluster_open(&b->cluster, b->store, bc->loops[0], bc->conf, d);
    if (rc < 0) {
        store_close(b->store);
        xfree(b);
        return rc;
    }
    rc = coord_open(&b->coord, b->store, b->cluster, bc->loops, bc->nloops, bc->conf, d);
    if (rc < 0) {
        cluster_close(b->cluster);
        store_close(b->store);
        xfree(b);
        return rc;
    }
    b->quotas = quotas_new(b->cluster, bc->loops[0]);
    uuid_format(store_cluster_id(b->store), b->cluster_id);
    b->desks = xzalloc(bc->nloops * sizeof *b->desks);
    for (unsigned i = 0; i < bc->nloops; i++)
        desk_init(&b->desks[i], b, bc->loops[i]);
    *out = b;
    return 0;
}

void broker_close(struct broker *b)
{
    if (!b)
        return;
    coord_close(b->coord);
    for (unsigned i = 0; i < b->bc.nloops; i++)
        desk_fini(&b->desks[i]);
    xfree(b->desks);
    quotas_free(b->quotas);
    cluster_close(b->cluster);
    store_close(b->store);
    xfree(b);
}

struct store *broker_store(struct broker *b) { return b->store; }
struct cluster *broker_cluster(struct broker *b) { return b->cluster; }
struct coord *broker_coord(struct broker *b) { return b->coord; }
const struct config *broker_config(struct broker *b) { return b->bc.conf; }
struct loop *broker_loop(struct broker *b, unsigned i) { return b->bc.loops[i]; }
unsigned broker_nloops(struct broker *b) { return b->bc.nloops; }
void broker_set_net(struct broker *b, struct net *net) { b->net = net; }
