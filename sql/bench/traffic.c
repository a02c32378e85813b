/* Produce and fetch through a socket. One client, one connection, LOAD_PARTS partitions, requests one behind the other,
 * as a Kafka client sends them. The client sends batches that were built before, and looks at no more of an answer than
 * the heads of its batches, so that both processors are the server's and the kernel's. */
#include "log/base/clock.h"
#include "log/base/map.h"
#include "sql/bench/child.h"
#include "sql/bench/kinds.h"
#include "sql/bench/lap.h"
#include "sql/bench/load.h"
#include <stdio.h>

enum { VOLUME_MB = 512, FETCH_VERSION = 12, FETCH_BYTES = 1 << 20 };

struct traffic {
    struct bench *b;
    struct child child;
    struct remote *rm;
    size_t record;     /* bytes of a value */
    struct wbuf batch; /* LOAD_BATCH_BYTES of records of that size */
    int32_t per_batch;
    int64_t batches;   /* of a run */
};

static void build_batch(struct traffic *t)
{
    struct recbatch_builder rb;
    char value[1024];
    uint64_t x = 1;
    for (size_t i = 0; i < t->record; i++, x = hash_u64(x + i))
        value[i] = (char)('a' + x % 26);
    wbuf_reset(&t->batch);
    recbatch_build(&rb, &t->batch, CODEC_NONE, NULL);
    while (recbatch_build_size(&rb) + t->record < LOAD_BATCH_BYTES)
        recbatch_add(&rb, clock_wall_ms(), STR_NULL, (struct str){value, t->record}, NULL, 0);
    t->per_batch = rb.count;
    recbatch_finish(&rb, NULL);
    int64_t volume = (int64_t)VOLUME_MB * 1000000 / 100 * t->b->bc->percent;
    t->batches = MAX(volume / (int64_t)t->batch.len, LOAD_PARTS);
}

static int fill(struct traffic *t, const char *topic)
{
    struct load l;
    int rc = 0;
    load_init(&l, t->rm, topic);
    for (int64_t i = 0; i < t->batches && rc == 0; i++)
        rc = load_send(&l, (int32_t)(i % LOAD_PARTS), wbuf_view(&t->batch), t->b->diag);
    if (rc == 0)
        rc = load_drain(&l, t->b->diag);
    load_fini(&l);
    return rc;
}

static void add(struct traffic *t, const struct laps *l, const char *what, int64_t records)
{
    char name[64];
    double bytes = (double)records * (double)t->record;
    snprintf(name, sizeof name, "%s %zu B: records", what, t->record);
    laps_add(l, t->b->report, name, "M/s", (double)records / l->wall_s / 1e6);
    snprintf(name, sizeof name, "%s %zu B: bytes", what, t->record);
    laps_add(l, t->b->report, name, "MB/s", bytes / l->wall_s / 1e6);
    snprintf(name, sizeof name, "%s %zu B: server CPU", what, t->record);
    laps_add(l, t->b->report, name, "s/GB", l->cpu_s * 1e9 / bytes);
}

static int produce(struct traffic *t)
{
    int rc = 0;
    for (struct laps l = laps_of(t->b->bc, t->child.pid); rc == 0 && laps_next(&l);) {
        rc = load_topic_make(t->rm, "in", t->b->diag);
        lap_start(&l);
        if (rc == 0)
            rc = fill(t, "in");
        lap_stop(&l);
        if (rc == 0)
            rc = load_topic_drop(t->rm, "in", t->b->diag);
        if (rc == 0 && laps_keep(&l))
            add(t, &l, "produce", t->batches * t->per_batch);
    }
    return rc;
}

/* ---- fetch */

struct pull {
    int64_t next[LOAD_PARTS]; /* offset to ask for */
    int64_t records;
    int64_t left[LOAD_PARTS]; /* records still to come */
    struct arena arena;
};

static int ask(struct traffic *t, const struct pull *p)
{
    struct fetch_request in;
    struct fetch_request_topic topic;
    struct fetch_request_partition parts[LOAD_PARTS];
    fetch_request_init(&in);
    fetch_request_topic_init(&topic);
    topic.topic = STR("out");
    topic.partitions = parts;
    for (int32_t i = 0; i < LOAD_PARTS; i++) {
        if (p->left[i] == 0)
            continue;
        struct fetch_request_partition *fp = &parts[topic.partitions_n++];
        fetch_request_partition_init(fp);
        fp->partition = i;
        fp->fetch_offset = p->next[i];
        fp->partition_max_bytes = FETCH_BYTES;
    }
    in.max_wait_ms = 500;
    in.min_bytes = 1;
    in.max_bytes = FETCH_BYTES * LOAD_PARTS;
    in.topics = &topic;
    in.topics_n = 1;
    return remote_send(t->rm, WIRE_FETCH, FETCH_VERSION, &in, t->b->diag);
}

/* The heads of the batches; the last one may be cut off. */
static int take(struct traffic *t, struct pull *p, const struct fetch_response_partition *part)
{
    struct str bytes = part->records;
    struct recbatch rb;
    int32_t i = part->partition_index;
    if (part->error_code || i < 0 || i >= LOAD_PARTS)
        return diag_set(t->b->diag, E_UNSUPPORTED, "Fetch: %s", remote_error(part->error_code));
    while (bytes.len && recbatch_peek(&rb, bytes) == 0) {
        p->next[i] = recbatch_last_offset(&rb) + 1;
        p->left[i] -= rb.count;
        p->records += rb.count;
        bytes = (struct str){bytes.ptr + rb.size, bytes.len - rb.size};
    }
    return 0;
}

static int fetch_all(struct traffic *t, struct pull *p)
{
    int rc = 0;
    int64_t all = t->batches * t->per_batch;
    for (int32_t i = 0; i < LOAD_PARTS; i++) {
        p->next[i] = 0;
        p->left[i] = (t->batches / LOAD_PARTS + (i < t->batches % LOAD_PARTS)) * t->per_batch;
    }
    p->records = 0;
    while (p->records < all && rc == 0) {
        struct fetch_response out;
        int64_t before = p->records;
        arena_reset(&p->arena);
        rc = ask(t, p);
        if (rc == 0)
            rc = remote_receive(t->rm, WIRE_FETCH, FETCH_VERSION, &out, &p->arena, t->b->diag);
        for (uint32_t k = 0; rc == 0 && k < out.responses_n; k++)
            for (uint32_t i = 0; i < out.responses[k].partitions_n && rc == 0; i++)
                rc = take(t, p, &out.responses[k].partitions[i]);
        if (rc == 0 && p->records == before)
            rc = diag_set(t->b->diag, E_SHORT, "Fetch: %lld records are missing", (long long)(all - before));
    }
    return rc;
}

static int fetch(struct traffic *t)
{
    struct pull p = {.records = 0};
    int rc = load_topic_make(t->rm, "out", t->b->diag);
    if (rc == 0)
        rc = fill(t, "out");
    arena_init(&p.arena);
    if (rc == 0)
        rc = fetch_all(t, &p); /* once before time counts: the socket's and our buffers have their size */
    for (struct laps l = laps_of(t->b->bc, t->child.pid); rc == 0 && laps_next(&l);) {
        lap_start(&l);
        rc = fetch_all(t, &p);
        lap_stop(&l);
        if (rc == 0 && laps_keep(&l))
            add(t, &l, "fetch", p.records);
    }
    arena_fini(&p.arena);
    return rc < 0 ? rc : load_topic_drop(t->rm, "out", t->b->diag);
}

static int with_server(struct bench *b, int (*run)(struct traffic *t))
{
    static const size_t records[] = {100, 1024};
    struct traffic t = {.b = b};
    int rc = child_start(&t.child, b->bc->program, b->scratch, b->diag);
    if (rc < 0)
        return rc;
    wbuf_init(&t.batch);
    rc = remote_open(&t.rm, t.child.address, 30000, b->diag);
    for (size_t i = 0; i < ARRAY_LEN(records) && rc == 0; i++) {
        t.record = records[i];
        build_batch(&t);
        rc = run(&t);
    }
    remote_close(t.rm);
    wbuf_fini(&t.batch);
    if (rc == 0)
        return child_stop(&t.child, b->diag);
    child_kill(&t.child);
    return rc;
}

int bench_produce(struct bench *b) { return with_server(b, produce); }
int bench_fetch(struct bench *b) { return with_server(b, fetch); }
