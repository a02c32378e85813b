/* From the acknowledgement of a record to its row in a push query. One record after the other, not waiting for rows, at
 * a pace that walks over all phases of the commit interval. */
#include "log/base/clock.h"
#include "log/base/disk.h"
#include "sql/bench/child.h"
#include "sql/bench/kinds.h"
#include "sql/bench/lap.h"
#include "sql/bench/load.h"
#include "sql/bench/ask.h"
#include <poll.h>
#include <stdio.h>

enum { RECORDS = 500, PACE_US = 13000, STUCK_US = 20000000, COMMIT_MS = 100, SLACK_MS = 20 };

struct latency {
    struct bench *b;
    struct child child;
    struct remote *rm;
    struct ask ask;
    struct samples ms;
    int64_t acked_us[RECORDS];
    unsigned records, sent, seen;
};

static int send_one(struct latency *t)
{
    struct load l;
    struct wbuf batch;
    struct recbatch_builder rb;
    char value[64];
    int n = snprintf(value, sizeof value, "{\"id\":%u,\"name\":\"n%u\"}", t->sent, t->sent);
    wbuf_init(&batch);
    recbatch_build(&rb, &batch, CODEC_NONE, NULL);
    recbatch_add(&rb, clock_wall_ms(), STR_NULL, (struct str){value, (size_t)n}, NULL, 0);
    recbatch_finish(&rb, NULL);
    load_init(&l, t->rm, "events");
    int rc = load_send(&l, (int32_t)(t->sent % LOAD_PARTS), wbuf_view(&batch), t->b->diag);
    if (rc == 0)
        rc = load_drain(&l, t->b->diag);
    load_fini(&l);
    wbuf_fini(&batch);
    t->acked_us[t->sent++] = clock_mono_us();
    return rc;
}

/* A row may come before our record's acknowledgement has been read: that is 0 ms. */
static void take_rows(struct latency *t, const struct answer *an)
{
    int64_t now = clock_mono_us(), id;
    for (unsigned i = 0; an->kind == ANSWER_ROWS && i < an->nrows; i++) {
        if (!str_to_i64(an->cells[i * an->ncells].text, &id) || id < 0 || id >= t->sent)
            continue;
        samples_add(&t->ms, (double)MAX(now - t->acked_us[id], 0) / 1000);
        t->seen++;
    }
}

/* All lines that have come, then waits for more, at most until then. */
static int listen_until(struct latency *t, int64_t until_us)
{
    for (;;) {
        struct answer an;
        int rc = ask_line(&t->ask, &an, t->b->diag);
        if (rc == E_EOF)
            return diag_set(t->b->diag, rc, "the push query ended by itself");
        if (rc < 0)
            return rc;
        if (rc > 0) {
            take_rows(t, &an);
            continue;
        }
        int64_t left_us = until_us - clock_mono_us();
        if (left_us <= 0 || t->seen == t->records)
            return 0;
        struct pollfd p = {.fd = ask_fd(&t->ask), .events = POLLIN};
        poll(&p, 1, (int)(left_us / 1000 + 1));
    }
}

static int run(struct latency *t)
{
    int rc = ask_begin(&t->ask, "SELECT id, name FROM events EMIT CHANGES;", false, t->b->diag);
    int64_t next = clock_mono_us() + 500000; /* the query runs by then */
    if (rc == 0)
        rc = listen_until(t, next);
    while (rc == 0 && t->sent < t->records) {
        rc = send_one(t);
        next += PACE_US;
        if (rc == 0)
            rc = listen_until(t, next);
    }
    int64_t give_up = clock_mono_us() + STUCK_US;
    while (rc == 0 && t->seen < t->records && clock_mono_us() < give_up)
        rc = listen_until(t, give_up);
    if (rc == 0 && t->seen < t->records)
        rc = diag_set(t->b->diag, E_TIMEOUT, "%u of %u rows came", t->seen, t->records);
    return rc;
}

static int setup(struct latency *t)
{
    int rc = ask_open(&t->ask, t->child.address, t->b->diag);
    if (rc == 0)
        rc = remote_open(&t->rm, t->child.address, 30000, t->b->diag);
    if (rc == 0)
        rc = load_topic_make(t->rm, "events", t->b->diag);
    return rc < 0 ? rc
                  : ask_run(&t->ask,
                                "CREATE STREAM events (id BIGINT, name VARCHAR) WITH (TOPIC='events', FORMAT='JSON');", NULL,
                                NULL, t->b->diag);
}

static int once(struct latency *t, struct laps *l)
{
    char folder[560];
    snprintf(folder, sizeof folder, "%s/%u-%u", t->b->scratch, l->kept, l->spare);
    int rc = disk_mkdir(disk_real(), folder);
    if (rc == 0)
        rc = child_start(&t->child, t->b->bc->program, folder, t->b->diag);
    if (rc < 0)
        return rc;
    rc = setup(t);
    l->pid = t->child.pid;
    lap_start(l);
    if (rc == 0)
        rc = run(t);
    lap_stop(l);
    ask_close(&t->ask);
    remote_close(t->rm);
    if (rc < 0) {
        child_kill(&t->child);
        return rc;
    }
    if (laps_keep(l)) {
        struct report *r = t->b->report;
        laps_add(l, r, "acknowledgement to push row, p50", "ms", samples_rank(&t->ms, 0.5));
        report_target(laps_add(l, r, "acknowledgement to push row, p99", "ms", samples_rank(&t->ms, 0.99)),
                      COMMIT_MS + SLACK_MS, true);
    }
    return child_stop(&t->child, t->b->diag);
}

int bench_latency(struct bench *b)
{
    int rc = 0;
    for (struct laps l = laps_of(b->bc, 0); rc == 0 && laps_next(&l);) {
        struct latency t = {.b = b, .records = MAX(RECORDS / 100 * b->bc->percent, 10u)};
        rc = once(&t, &l);
        samples_fini(&t.ms);
    }
    return rc;
}
