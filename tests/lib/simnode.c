#include "tests/lib/simnode.h"

void simnode_init(struct simnode *n, uint64_t seed, unsigned nloops)
{
    *n = (struct simnode){.sim = sim_new(seed), .sd = simdisk_new(seed ^ 77), .nloops = nloops};
    config_init(&n->conf);
    arena_init(&n->arena);
    wbuf_init(&n->answer);
    n->conf.wal_bytes = 65536;
    n->conf.log_segment_bytes = 2048;
    n->conf.log_retention_ms = -1;
}

void simnode_open(struct simnode *n)
{
    struct diag d = {.text = ""};
    for (unsigned i = 0; i < n->nloops; i++)
        n->loops[i] = sim_loop(n->sim, i);
    struct broker_conf bc = {.conf = &n->conf, .disk = simdisk_disk(n->sd), .data_dir = "/data", .loops = n->loops,
                             .nloops = n->nloops};
    int rc = broker_open(&n->b, &bc, &d);
    CHECK(rc == 0);
}

void simnode_crash(struct simnode *n)
{
    sim_crash(n->sim);
    simdisk_crash(n->sd, random_chance(sim_random(n->sim), 0.5) ? SIMDISK_LOSE : SIMDISK_CRASH);
    simnode_open(n);
}

void simnode_close(struct simnode *n)
{
    sim_run_idle(n->sim);
    broker_close(n->b);
    sim_free(n->sim);
    simdisk_free(n->sd);
    wbuf_fini(&n->answer);
    arena_fini(&n->arena);
    config_fini(&n->conf);
}

static void on_answer(struct broker_call *call, int status, struct str answer)
{
    struct simcall *c = container_of(call, struct simcall, call);
    c->answered_cb(c, status, answer);
}

void simcall_init(struct simcall *c, struct simnode *n)
{
    *c = (struct simcall){.n = n};
    wbuf_init(&c->frame);
}

void simcall_fini(struct simcall *c) { wbuf_fini(&c->frame); }

void simcall_make(struct simcall *c, int16_t key, int version, const void *request)
{
    const struct wire_api *api = wire_api_find(key);
    c->key = key;
    c->version = version;
    wbuf_reset(&c->frame);
    wire_request_header_encode(&c->frame, api, version, 7, STR("sim"));
    api->request->encode(request, &c->frame, version);
}

void simcall_send(struct simcall *c)
{
    struct loop *loop = c->n->loops[random_below(sim_random(c->n->sim), c->n->nloops)];
    c->call = (struct broker_call){.loop = loop, .frame = wbuf_view(&c->frame), .answer_cb = on_answer};
    broker_request(c->n->b, &c->call);
}

void simcall_read(struct simcall *c, struct str answer, void *response)
{
    const struct wire_api *api = wire_api_find(c->key);
    struct rbuf r = rbuf_of(answer.ptr, answer.len);
    int32_t id = 0;
    api->response->init(response);
    CHECK(wire_response_header(&id, api, c->version, &r) == 0);
    CHECK(id == 7);
    CHECK(api->response->decode(response, &r, c->version, &c->n->arena) == 0);
    CHECK(wire_decode_done(&r) == 0);
}

static void on_asked(struct simcall *c, int status, struct str answer)
{
    struct simnode *n = c->n;
    n->status = status;
    n->answered = true;
    wbuf_reset(&n->answer);
    wbuf_str(&n->answer, answer);
}

int simnode_ask(struct simnode *n, int16_t key, int version, const void *request, void *response)
{
    struct simcall c;
    simcall_init(&c, n);
    c.answered_cb = on_asked;
    simcall_make(&c, key, version, request);
    n->answered = false;
    simcall_send(&c);
    while (!n->answered)
        CHECK(sim_step(n->sim));
    if (n->status == 0)
        simcall_read(&c, wbuf_view(&n->answer), response);
    simcall_fini(&c);
    return n->status;
}

int16_t simnode_create_topic(struct simnode *n, const char *name, int32_t parts)
{
    struct create_topics_request in;
    struct create_topics_request_topic t;
    struct create_topics_response out;
    create_topics_request_init(&in);
    create_topics_request_topic_init(&t);
    t.name = str_of(name);
    t.num_partitions = parts;
    t.replication_factor = 1;
    in.topics = &t;
    in.topics_n = 1;
    CHECK(simnode_ask(n, 19, 7, &in, &out) == 0);
    return out.topics[0].error_code;
}

int16_t simnode_delete_topic(struct simnode *n, const char *name)
{
    struct delete_topics_request in;
    struct delete_topics_response out;
    struct str topic = str_of(name);
    delete_topics_request_init(&in);
    in.topic_names = &topic;
    in.topic_names_n = 1;
    CHECK(simnode_ask(n, 20, 5, &in, &out) == 0);
    return out.responses[0].error_code;
}
