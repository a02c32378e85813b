/* Where requests and connections meet their quotas. */
#include "log/base/clock.h"
#include "log/broker/request.h"
#include <stdio.h>

static struct quota_who who_asks(const struct req *r)
{
    struct quota_who who = r->client->who;
    who.client_id = r->client_id;
    return who;
}

void req_charge(struct req *r, enum quota_kind kind, double n)
{
    struct quotas *qs = req_broker(r)->quotas;
    if (!r->client || !quotas_any(qs, kind))
        return;
    struct quota_who who = who_asks(r);
    int64_t ms = quotas_take(qs, kind, &who, n, loop_now_ms(r->desk->loop));
    r->throttle_ms = MAX(r->throttle_ms, ms);
}

int16_t req_mutate(struct req *r, int32_t nparts, bool strict)
{
    if (strict) {
        int64_t before = r->throttle_ms;
        r->throttle_ms = 0;
        req_charge(r, QUOTA_MUTATE, 0);
        bool owes = r->throttle_ms > 0;
        r->throttle_ms = MAX(before, r->throttle_ms);
        if (owes)
            return K_THROTTLING_QUOTA_EXCEEDED;
    }
    req_charge(r, QUOTA_MUTATE, nparts);
    return K_NONE;
}

double req_fetch_most(struct req *r)
{
    struct quotas *qs = req_broker(r)->quotas;
    if (!r->client || !quotas_any(qs, QUOTA_FETCH))
        return (double)INT64_MAX;
    struct quota_who who = who_asks(r);
    return quotas_most(qs, QUOTA_FETCH, &who);
}

void req_mute(struct req *r)
{
    if (r->client && r->throttle_ms > 0)
        conn_throttle(r->client->conn, r->throttle_ms);
}

/* Whose quotas a connection falls under; if there were too many, it waits with its second request. */
void client_measure(struct client *c)
{
    struct broker *b = c->desk->b;
    struct str peer = str_of(conn_peer(c->conn));
    const char *colon = memrchr(peer.ptr, ':', peer.len);
    if (colon && peer.ptr[0] == '[')
        snprintf(c->ip, sizeof c->ip, "%.*s", (int)(colon - peer.ptr) - 2, peer.ptr + 1);
    else if (colon)
        snprintf(c->ip, sizeof c->ip, "%.*s", (int)(colon - peer.ptr), peer.ptr);
    c->who = (struct quota_who){.user = str_of(c->principal + strlen("User:")), .ip = str_of(c->ip)};
    if (!colon || !quotas_any(b->quotas, QUOTA_CONNECT))
        return;
    int64_t ms = quotas_take(b->quotas, QUOTA_CONNECT, &c->who, 1, loop_now_ms(c->desk->loop));
    if (ms > 0)
        conn_throttle(c->conn, ms);
}

/* The answer may have gone by the time that is known what it cost: the connection waits all the same. */
void req_handle_timed(struct req *r)
{
    struct desk *desk = r->desk;
    struct client *c = r->client;
    struct quota_who who = who_asks(r);
    struct buf *frame = buf_acquire(r->frame); /* the client id is in it */
    int64_t began_us = clock_mono_us();
    r->api->handle(r);
    double ms = (double)(clock_mono_us() - began_us) / 1000;
    int64_t wait_ms = quotas_take(desk->b->quotas, QUOTA_REQUEST, &who, ms, loop_now_ms(desk->loop));
    buf_release(frame);
    if (wait_ms > 0)
        conn_throttle(c->conn, MIN(wait_ms, (int64_t)QUOTA_BURST_S * 1000));
}
