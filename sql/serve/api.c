/* Paths of the HTTP API. */
#include "sql/serve/session.h"

int serve_open(struct serve **out, struct engine *e, struct broker *b)
{
    struct serve *s = xzalloc(sizeof *s);
    s->engine = e;
    s->broker = b;
    list_init(&s->turns);
    *out = s;
    return 0;
}

void serve_close(struct serve *s) { xfree(s); }

static void answer(struct http_req *req, int status, struct str text)
{
    http_start(req, status, "text/plain");
    http_write(req, text);
    http_end(req);
}

static void request_cb(void *arg, struct http_req *req)
{
    bool reads = str_eq(req->method, STR("GET")) || str_eq(req->method, STR("HEAD"));
    if (str_eq(req->path, STR("/sql")) && str_eq(req->method, STR("POST")))
        session_begin(arg, req);
    else if (str_eq(req->path, STR("/sql")))
        answer(req, 405, STR("POST a JSON object with the member \"sql\"\n"));
    else if (str_eq(req->path, STR("/health")) && reads)
        answer(req, 200, STR("ok\n"));
    else if (str_eq(req->path, STR("/healthz")) && reads)
        health_answer(arg, req);
    else if ((str_eq(req->path, STR("/readyz")) || str_eq(req->path, STR("/metrics"))) && reads)
        health_probe(arg, req, str_eq(req->path, STR("/readyz")));
    else
        answer(req, 404, STR("there are POST /sql and GET /health, /healthz, /readyz, /metrics\n"));
}

static const struct http_class http = {.request_cb = request_cb};

const struct http_class *serve_http(void) { return &http; }
