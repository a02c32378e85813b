/* GET /healthz, /readyz, /metrics: for who watches the server. Requests of frames and of SQL go on meanwhile. */
#include "sql/serve/session.h"

struct probe {
    struct broker_scrape scrape;
    struct http_req *req; /* NULL: the peer has left */
};

static void probe_gone(struct http_req *req)
{
    struct probe *p = req->user;
    p->req = NULL;
}

static void probe_done(struct broker_scrape *s)
{
    struct probe *p = container_of(s, struct probe, scrape);
    if (p->req) {
        bool ready = s->ready || !s->brief;
        http_start(p->req, ready ? 200 : 503, s->brief ? "text/plain" : "text/plain; version=0.0.4; charset=utf-8");
        http_write(p->req, !s->brief     ? wbuf_view(&s->text)
                           : ready       ? STR("ready\n")
                           : s->disk_low ? STR("not ready: the disk has less free than weir.disk.reserve.bytes, writes are refused\n")
                                         : STR("not ready: the log of groups is being read, or a sync has failed\n"));
        http_end(p->req);
    }
    wbuf_fini(&s->text);
    xfree(p);
}

void health_probe(struct serve *s, struct http_req *req, bool brief)
{
    struct probe *p = xzalloc(sizeof *p);
    p->req = req;
    p->scrape = (struct broker_scrape){.loop = req->loop, .done_cb = probe_done, .brief = brief};
    wbuf_init(&p->scrape.text);
    req->user = p;
    req->gone_cb = probe_gone;
    broker_scrape(s->broker, &p->scrape);
}

void health_answer(struct serve *s, struct http_req *req)
{
    bool good = broker_healthy(s->broker);
    http_start(req, good ? 200 : 503, "text/plain");
    http_write(req, good ? STR("ok\n") : STR("a sync has failed: writes are refused until a restart\n"));
    http_end(req);
}
