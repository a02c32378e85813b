/* Continuous queries over a preloaded topic: CPU seconds of the whole server from CREATE to the commit behind the last
 * record. Each run makes the job anew, checks what came out against what must have, and drops it again. */
#include "log/base/clock.h"
#include "log/base/disk.h"
#include "sql/bench/bare.h"
#include "sql/bench/bid.h"
#include "sql/bench/child.h"
#include "sql/bench/kinds.h"
#include "sql/bench/lap.h"
#include "sql/bench/load.h"
#include "sql/bench/ask.h"
#include <stdio.h>

enum { EVENTS = 4000000, SETTLE_MS = 300, STUCK_MS = 120000 };

struct bench_query {
    struct bench *b;
    struct child child;
    struct remote *rm;
    struct ask ask;
    uint64_t events, passing;
    double bare; /* M events/s per core */
};

static const char setup[] =
    "CREATE STREAM bids (auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR) "
    "WITH (TOPIC='bids', FORMAT='JSON');";

/* ---- the input */

static int preload(struct bench_query *q)
{
    struct load l;
    struct wbuf batch;
    struct recbatch_builder rb;
    char value[BID_BYTES];
    int rc = load_topic_make(q->rm, "bids", q->b->diag);
    int32_t part = 0;
    load_init(&l, q->rm, "bids");
    wbuf_init(&batch);
    for (uint64_t i = 0; i < q->events && rc == 0;) {
        wbuf_reset(&batch);
        recbatch_build(&rb, &batch, CODEC_NONE, NULL);
        for (; i < q->events && recbatch_build_size(&rb) < LOAD_BATCH_BYTES - 2 * BID_BYTES; i++) {
            struct bid bid = bid_of(i);
            bid_write(&bid, value);
            q->passing += bid.price < BID_PRICE_HALF;
            recbatch_add(&rb, bid.ts_ms, STR_NULL, (struct str){value, BID_BYTES}, NULL, 0);
        }
        recbatch_finish(&rb, NULL);
        rc = load_send(&l, part++ % LOAD_PARTS, wbuf_view(&batch), q->b->diag);
    }
    if (rc == 0)
        rc = load_drain(&l, q->b->diag);
    load_fini(&l);
    wbuf_fini(&batch);
    return rc < 0 ? rc : ask_run(&q->ask, setup, NULL, NULL, q->b->diag);
}

/* ---- the runs of one query */

struct query_kind {
    const char *name, *create, *drop;
    double target; /* M events/s per core */
    int (*check)(struct bench_query *q);
};

static void add_counts(void *arg, const struct answer *an)
{
    for (unsigned i = 0; an->kind == ANSWER_ROWS && i < an->nrows; i++) {
        int64_t n = 0;
        str_to_i64(an->cells[(i + 1) * an->ncells - 1].text, &n);
        *(int64_t *)arg += n;
    }
}

static int check_filter(struct bench_query *q)
{
    int64_t n = 0; /* not by offsets, which transactions' markers take too */
    int rc = ask_run(&q->ask, "SELECT COUNT(*) AS n FROM cheap;", add_counts, &n, q->b->diag);
    if (rc == 0 && n != (int64_t)q->passing)
        rc = diag_set(q->b->diag, E_CORRUPT, "the filter gave %lld records and should have given %llu", (long long)n,
                      (unsigned long long)q->passing);
    return rc;
}

static int check_count(struct bench_query *q)
{
    int64_t sum = 0;
    int rc = ask_run(&q->ask, "SELECT auction, bids FROM counts;", add_counts, &sum, q->b->diag);
    if (rc == 0 && sum != (int64_t)q->events)
        rc = diag_set(q->b->diag, E_CORRUPT, "the windows count %lld records and should count %llu", (long long)sum,
                      (unsigned long long)q->events);
    return rc;
}

static const struct query_kind kinds[] = {
    {"filter 50 % of 200 B JSON to a topic",
     "CREATE STREAM cheap WITH (TOPIC='cheap', PARTITIONS=4, FORMAT='JSON') AS SELECT * FROM bids WHERE price < 5000;",
     "DROP STREAM cheap DELETE TOPIC;", 1.5, check_filter},
    {"windowed count, 1000 keys, 10 s",
     "CREATE TABLE counts WITH (TOPIC='counts', PARTITIONS=4, FORMAT='JSON') AS SELECT auction, COUNT(*) AS bids "
     "FROM bids WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 1 DAY) GROUP BY auction;",
     "DROP TABLE counts DELETE TOPIC;", 2.0, check_count},
};

static int run_kind(struct bench_query *q, const struct query_kind *k)
{
    int rc = 0;
    char name[64];
    for (struct laps l = laps_of(q->b->bc, q->child.pid); rc == 0 && laps_next(&l);) {
        lap_start(&l);
        rc = ask_run(&q->ask, k->create, NULL, NULL, q->b->diag);
        if (rc == 0)
            rc = ask_caught_up(&q->ask, STUCK_MS, q->b->diag);
        int64_t caught_up_us = clock_mono_us();
        clock_sleep_ms(SETTLE_MS); /* the last epoch */
        lap_stop(&l);
        double wall_s = (double)(caught_up_us - l.from_us) / 1e6;
        if (rc == 0)
            rc = k->check(q);
        if (rc == 0)
            rc = ask_run(&q->ask, k->drop, NULL, NULL, q->b->diag);
        if (rc < 0 || !laps_keep(&l))
            continue;
        double events = (double)q->events / 1e6;
        report_target(laps_add(&l, q->b->report, k->name, "M/s/core", events / l.cpu_s), k->target, false);
        snprintf(name, sizeof name, "%.48s: wall clock", k->name);
        laps_add(&l, q->b->report, name, "M/s", events / wall_s);
        if (k == &kinds[0] && q->bare > 0)
            report_target(laps_add(&l, q->b->report, "filter, share of the bare loop", "%", 100 * events / l.cpu_s / q->bare),
                          40, false);
    }
    return rc;
}

/* ---- the bare loop over the same files */

static int run_bare(struct bench_query *q)
{
    struct samples all = {0};
    struct uuid id;
    char text[UUID_TEXT], topic[600], output[600];
    int rc = load_topic_id(q->rm, "bids", &id, q->b->diag);
    if (rc < 0)
        return rc;
    uuid_format(id, text);
    snprintf(topic, sizeof topic, "%s/topics/%s", q->child.data, text);
    snprintf(output, sizeof output, "%s/bare", q->b->scratch);
    for (struct laps l = laps_of(q->b->bc, 0); rc == 0 && laps_next(&l);) {
        struct bare bare;
        lap_start(&l);
        rc = bare_run(&bare, topic, LOAD_PARTS, output);
        lap_stop(&l);
        if (rc < 0)
            rc = diag_set(q->b->diag, rc, "the bare loop cannot read %s: %s", topic, err_text(rc));
        else if (bare.events != (int64_t)q->events || bare.passed != (int64_t)q->passing)
            rc = diag_set(q->b->diag, E_CORRUPT, "the bare loop saw %lld events of %llu", (long long)bare.events,
                          (unsigned long long)q->events);
        if (rc == 0)
            rc = disk_unlink(disk_real(), output);
        if (rc < 0 || !laps_keep(&l))
            continue;
        samples_add(&all, (double)bare.events / 1e6 / bare.cpu_s);
        laps_add(&l, q->b->report, "filter, bare loop in C", "M/s/core", (double)bare.events / 1e6 / bare.cpu_s);
    }
    q->bare = samples_median(&all);
    samples_fini(&all);
    return rc;
}

int bench_query(struct bench *b)
{
    struct bench_query q = {.b = b, .events = MAX((uint64_t)EVENTS / 100 * b->bc->percent, 1u)};
    int rc = child_start(&q.child, b->bc->program, b->scratch, b->diag);
    if (rc < 0)
        return rc;
    rc = ask_open(&q.ask, q.child.address, b->diag);
    if (rc == 0)
        rc = remote_open(&q.rm, q.child.address, 60000, b->diag);
    if (rc == 0)
        rc = preload(&q);
    if (rc == 0)
        rc = run_bare(&q);
    for (size_t i = 0; i < ARRAY_LEN(kinds) && rc == 0; i++)
        rc = run_kind(&q, &kinds[i]);
    remote_close(q.rm);
    ask_close(&q.ask);
    if (rc == 0)
        return child_stop(&q.child, b->diag);
    child_kill(&q.child);
    return rc;
}
