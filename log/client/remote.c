#include "log/client/remote.h"
#include "log/base/limits.h"
#include "log/net/net.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEYS = 128 }; /* API keys that are remembered */

struct remote {
    int fd, timeout_ms;
    char server[256];
    struct wbuf out;
    struct wbuf in;
    int32_t sent, received; /* correlation ids */
    struct {
        int16_t min, max;
        bool known;
    } versions[KEYS];
};

const char *remote_server(const struct remote *rm) { return rm->server; }

void remote_close(struct remote *rm)
{
    if (!rm)
        return;
    if (rm->fd >= 0)
        close(rm->fd);
    wbuf_fini(&rm->out);
    wbuf_fini(&rm->in);
    xfree(rm);
}

static int wait_for(struct remote *rm, short events)
{
    struct pollfd p = {.fd = rm->fd, .events = events};
    int n;
    do
        n = poll(&p, 1, rm->timeout_ms);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n == 0 ? E_TIMEOUT : 0;
}

static int ask_versions(struct remote *rm, struct diag *d)
{
    struct arena a;
    struct api_versions_request in;
    struct api_versions_response out;
    arena_init(&a);
    api_versions_request_init(&in);
    in.client_software_name = STR("weir");
    in.client_software_version = STR("1");
    rm->versions[18].known = true;
    rm->versions[18].max = 3;
    int rc = remote_call(rm, 18, 3, &in, &out, &a, d);
    if (rc == 0 && out.error_code)
        rc = diag_set(d, E_UNSUPPORTED, "%s: %s", rm->server, remote_error(out.error_code));
    for (uint32_t i = 0; rc == 0 && i < out.api_keys_n; i++) {
        const struct api_versions_response_api *k = &out.api_keys[i];
        if (k->api_key < 0 || k->api_key >= KEYS)
            continue;
        rm->versions[k->api_key].known = true;
        rm->versions[k->api_key].min = k->min_version;
        rm->versions[k->api_key].max = k->max_version;
    }
    arena_fini(&a);
    return rc;
}

int remote_open(struct remote **out, const char *server, int timeout_ms, struct diag *d)
{
    struct remote *rm = xzalloc(sizeof *rm);
    rm->fd = -1;
    rm->timeout_ms = timeout_ms;
    wbuf_init(&rm->out);
    wbuf_init(&rm->in);
    snprintf(rm->server, sizeof rm->server, "%s", server);
    int rc = net_dial(&rm->fd, server, timeout_ms, d);
    if (rc == 0)
        rc = ask_versions(rm, d);
    if (rc < 0) {
        remote_close(rm);
        return rc;
    }
    *out = rm;
    return 0;
}

int remote_version(const struct remote *rm, int16_t key)
{
    const struct wire_api *api = wire_api_find(key);
    if (!api || key < 0 || key >= KEYS || !rm->versions[key].known)
        return -1;
    int version = MIN(rm->versions[key].max, api->stable);
    return version >= rm->versions[key].min && version >= api->min ? version : -1;
}

/* ---- bytes */

static int lost(struct remote *rm, int rc, struct diag *d)
{
    if (rc == E_TIMEOUT)
        return diag_set(d, rc, "%s has not answered within %d ms", rm->server, rm->timeout_ms);
    return diag_set(d, rc, "the connection to %s was lost: %s", rm->server, err_text(rc));
}

int remote_send_bytes(struct remote *rm, struct str bytes, struct diag *d)
{
    while (bytes.len) {
        ssize_t n = send(rm->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        int rc = n < 0 ? -errno : 0;
        if (rc == -EAGAIN)
            rc = wait_for(rm, POLLOUT);
        if (rc < 0 && rc != -EINTR)
            return lost(rm, rc, d);
        if (n > 0)
            bytes = (struct str){bytes.ptr + n, bytes.len - (size_t)n};
    }
    return 0;
}

static int read_exactly(struct remote *rm, uint8_t *p, size_t n, struct diag *d)
{
    while (n) {
        ssize_t got = recv(rm->fd, p, n, 0);
        int rc = got < 0 ? -errno : got == 0 ? E_CLOSED : 0;
        if (rc == -EAGAIN)
            rc = wait_for(rm, POLLIN);
        if (rc < 0 && rc != -EINTR)
            return lost(rm, rc, d);
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        }
    }
    return 0;
}

int remote_receive_bytes(struct remote *rm, struct str *bytes, struct diag *d)
{
    uint8_t head[WIRE_FRAME_HEAD];
    uint32_t size;
    int rc = read_exactly(rm, head, sizeof head, d);
    if (rc == 0)
        rc = wire_frame_size((struct str){(const char *)head, sizeof head}, REMOTE_FRAME_MAX, &size);
    if (rc < 0)
        return rc == E_TOO_LARGE || rc == E_SYNTAX
                   ? diag_set(d, rc, "what %s answers is not Kafka's protocol", rm->server)
                   : rc;
    wbuf_reset(&rm->in);
    (void)wbuf_room(&rm->in, size);
    rc = read_exactly(rm, rm->in.data, size, d);
    rm->in.len = rc == 0 ? size : 0;
    *bytes = wbuf_view(&rm->in);
    return rc;
}

/* ---- calls */

static int pick_version(struct remote *rm, int16_t key, int *version, struct diag *d)
{
    if (*version < 0)
        *version = remote_version(rm, key);
    if (*version >= 0)
        return 0;
    const struct wire_api *api = wire_api_find(key);
    return diag_set(d, E_UNSUPPORTED, "%s does not offer %s in a version that this weir knows", rm->server,
                    api ? api->name : "this");
}

int remote_send(struct remote *rm, int16_t key, int version, const void *request, struct diag *d)
{
    int rc = pick_version(rm, key, &version, d);
    if (rc < 0)
        return rc;
    const struct wire_api *api = wire_api_find(key);
    wbuf_reset(&rm->out);
    size_t at = wire_frame_begin(&rm->out);
    wire_request_header_encode(&rm->out, api, version, rm->sent++, STR("weir"));
    api->request->encode(request, &rm->out, version);
    rc = wire_frame_end(&rm->out, at, 0);
    if (rc < 0)
        return diag_set(d, rc, "the request is too large");
    return remote_send_bytes(rm, wbuf_view(&rm->out), d);
}

int remote_receive(struct remote *rm, int16_t key, int version, void *response, struct arena *a, struct diag *d)
{
    struct str bytes;
    int32_t id = 0;
    int rc = pick_version(rm, key, &version, d);
    if (rc == 0)
        rc = remote_receive_bytes(rm, &bytes, d);
    if (rc < 0)
        return rc;
    const struct wire_api *api = wire_api_find(key);
    struct rbuf r = rbuf_of(bytes.ptr, bytes.len);
    api->response->init(response);
    rc = wire_response_header(&id, api, version, &r);
    if (rc == 0 && id != rm->received++)
        rc = E_SYNTAX;
    if (rc == 0)
        rc = api->response->decode(response, &r, version, a);
    if (rc == 0)
        rc = wire_decode_done(&r);
    return rc < 0 ? diag_set(d, rc, "cannot read the answer of %s to %s", rm->server, api->name) : 0;
}

int remote_call(struct remote *rm, int16_t key, int version, const void *request, void *response, struct arena *a,
                struct diag *d)
{
    int rc = remote_send(rm, key, version, request, d);
    return rc < 0 ? rc : remote_receive(rm, key, version, response, a, d);
}

/* ---- errors */

const char *remote_error(int16_t code)
{
    static const struct {
        int16_t code;
        const char *text;
    } more[] = {
        {0, "no error"},
        {5, "the partition has no leader at the moment"},
        {19, "not enough replicas are in sync"},
        {21, "acks must be 0, 1 or all"},
        {39, "invalid assignment of replicas"},
        {41, "this node is not the controller"},
        {48, "no transaction is open"},
        {53, "transactions are not allowed"},
        {70, "unknown fetch session"},
        {71, "fetch session out of step"},
        {89, "the quota is used up"},
        {105, "there is no such transactional id"},
        {114, "this listener serves brokers"},
    };
    for (size_t i = 0; i < ARRAY_LEN(more); i++)
        if (more[i].code == code)
            return more[i].text;
#define X(name, num, kafka, text) \
    if (kafka == code && code > 0) \
        return text;
    ERR_LIST(X)
#undef X
    return "unexpected error";
}
