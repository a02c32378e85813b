/* Nexmark's queries as jobs, one after the other: JSON of one topic with four partitions to JSON of another, exactly once
 * with a commit every 100 ms. What examples/06_nexmark says is what runs. Each run makes the job anew; between runs its topic
 * is deleted. What comes out is compared with a batch evaluation by tests/client/nexmark.py. */
#include "log/base/clock.h"
#include "log/base/disk.h"
#include "log/base/map.h"
#include "sql/bench/ask.h"
#include "sql/bench/child.h"
#include "sql/bench/kinds.h"
#include "sql/bench/lap.h"
#include "sql/bench/load.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { EVENTS = 20000000, PER_SECOND = 100000, SETTLE_MS = 300, STUCK_MS = 1800000, PIECE = 1 << 20, FLUSH_RECORDS = 1000 };

/* The files' texts, as they were when this program was built. */
#define FILE_TEXT(name, file)                                                                          \
    __asm__(".pushsection .rodata\n.global nexmark_" #name "\nnexmark_" #name ":\n.incbin \"" NEXMARK_DIR \
            "/" file ".sql\"\n.byte 0\n.popsection\n");                                                \
    extern const char nexmark_##name[];
/* X(query, M events/s per core to reach, from 20 million events) */
#define QUERIES(X)                                                                                            \
    X(q0, 1.5) X(q1, 1.5) X(q2, 1.5) X(q3, 0.8) X(q4, 0.4) X(q5, 0.8) X(q6, 0) X(q7, 0.4) X(q8, 0.8) X(q9, 0.2) \
    X(q10, 0) X(q11, 0.8) X(q12, 0.8) X(q13, 0.8) X(q14, 1.5) X(q15, 0.4) X(q16, 0.2) X(q17, 0.8) \
    X(q18, 0.2) X(q19, 0.2) X(q20, 0.4) X(q21, 1.5) X(q22, 1.5) X(q23, 0.2)
FILE_TEXT(setup, "setup")
#define X(q, target) FILE_TEXT(q, #q)
QUERIES(X)
#undef X

static const struct auction_query {
    const char *name, *sql;
    double target; /* M events/s per core; 0: none */
} queries[] = {
#define X(q, target) {#q, nexmark_##q, target},
    QUERIES(X)
#undef X
};

struct auctions {
    struct bench *b;
    struct child child;
    struct remote *rm;
    struct ask ask;
    uint64_t events;
};

/* ---- the input */

/* Whole batches, a thousand records to a partition in turn, so that partitions are about as far in time. */
static int preload(struct auctions *n)
{
    const struct nexmark nx = {.seed = 1, .per_second = PER_SECOND};
    struct load l;
    struct wbuf batch, value;
    struct recbatch_builder rb;
    int rc = 0;
    int32_t part = 0;
    load_init(&l, n->rm, "nexmark");
    wbuf_init(&batch);
    wbuf_init(&value);
    for (uint64_t i = 0; i < n->events && rc == 0;) {
        wbuf_reset(&batch);
        recbatch_build(&rb, &batch, CODEC_NONE, NULL);
        for (unsigned k = 0; k < FLUSH_RECORDS && i < n->events; k++, i++) {
            wbuf_reset(&value);
            nexmark_write(&nx, i, &value);
            recbatch_add(&rb, nexmark_ts(&nx, i), STR_NULL, wbuf_view(&value), NULL, 0);
        }
        recbatch_finish(&rb, NULL);
        rc = load_send(&l, part++ % LOAD_PARTS, wbuf_view(&batch), n->b->diag);
    }
    if (rc == 0)
        rc = load_drain(&l, n->b->diag);
    load_fini(&l);
    wbuf_fini(&value);
    wbuf_fini(&batch);
    return rc;
}

/* The rows that q13 looks at, all in one partition of their own table's topic each. */
static int preload_side(struct auctions *n)
{
    struct load l;
    struct wbuf batch[LOAD_PARTS];
    struct recbatch_builder rb[LOAD_PARTS];
    char key[16], value[32];
    int rc = 0;
    load_init(&l, n->rm, "side");
    for (int p = 0; p < LOAD_PARTS; p++) {
        wbuf_init(&batch[p]);
        recbatch_build(&rb[p], &batch[p], CODEC_NONE, NULL);
    }
    for (int i = 0; i < NEXMARK_SIDE_ROWS; i++) {
        int k = snprintf(key, sizeof key, "%d", i), v = snprintf(value, sizeof value, "{\"value\":\"%d\"}", i);
        unsigned p = (hash_murmur2(key, (size_t)k) & 0x7fffffff) % LOAD_PARTS;
        recbatch_add(&rb[p], NEXMARK_BASE_MS, (struct str){key, (size_t)k}, (struct str){value, (size_t)v}, NULL, 0);
    }
    for (int p = 0; p < LOAD_PARTS; p++) {
        recbatch_finish(&rb[p], NULL);
        if (rc == 0)
            rc = load_send(&l, p, wbuf_view(&batch[p]), n->b->diag);
    }
    if (rc == 0)
        rc = load_drain(&l, n->b->diag);
    for (int p = 0; p < LOAD_PARTS; p++)
        wbuf_fini(&batch[p]);
    load_fini(&l);
    return rc;
}

/* ---- what a run leaves */

static void see_number(void *arg, const struct answer *an)
{
    if (an->kind == ANSWER_ROWS && an->nrows)
        str_to_i64(an->cells[0].text, arg);
}

static int number(struct auctions *n, const char *sql, int64_t *out)
{
    *out = 0;
    return ask_run(&n->ask, sql, see_number, out, n->b->diag);
}

/* CPU seconds that a program needs which does nothing but write so many bytes to a file. */
static int bare_write(struct auctions *n, int64_t bytes, double *cpu_s)
{
    char path[600];
    struct file *f;
    char *piece = xzalloc(PIECE);
    snprintf(path, sizeof path, "%s/bare", n->b->scratch);
    int rc = disk_open(disk_real(), path, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &f);
    int64_t from_us = clock_cpu_us();
    for (int64_t at = 0; at < bytes && rc == 0; at += PIECE)
        rc = file_write(f, at, piece, (size_t)MIN(bytes - at, PIECE));
    *cpu_s = (double)(clock_cpu_us() - from_us) / 1e6;
    if (f)
        file_close(f);
    xfree(piece);
    return rc == 0 ? disk_unlink(disk_real(), path) : diag_set(n->b->diag, rc, "cannot write %s: %s", path, err_text(rc));
}

static int add_figures(struct auctions *n, const struct auction_query *q, const struct laps *l)
{
    char sql[200], name[64];
    int64_t written, kept;
    struct report *r = n->b->report;
    double events = (double)n->events / 1e6, bare_s = 0;
    snprintf(sql, sizeof sql, "SELECT bytes FROM sys.topics WHERE topic = '%s';", q->name);
    int rc = number(n, sql, &written);
    if (rc == 0)
        rc = number(n, "SELECT SUM(bytes + cold_bytes) FROM sys.stores;", &kept);
    if (rc == 0)
        rc = bare_write(n, written, &bare_s);
    if (rc < 0)
        return rc;
    report_target(laps_add(l, r, q->name, "M/s/core", events / l->cpu_s), q->target, false);
    snprintf(name, sizeof name, "%s: wall clock", q->name);
    laps_add(l, r, name, "M/s", events / l->wall_s);
    snprintf(name, sizeof name, "%s: output", q->name);
    laps_add(l, r, name, "MB", (double)written / 1e6);
    snprintf(name, sizeof name, "%s: CPU beside writing its output only", q->name);
    laps_add(l, r, name, "x", l->cpu_s / MAX(bare_s, 1e-3));
    snprintf(name, sizeof name, "%s: state", q->name);
    laps_add(l, r, name, "MB", (double)kept / 1e6);
    snprintf(name, sizeof name, "%s: peak memory", q->name);
    laps_add(l, r, name, "MB", (double)machine_peak(n->child.pid) / 1e6);
    return 0;
}

static int drop(struct auctions *n, const struct auction_query *q)
{
    char sql[100];
    snprintf(sql, sizeof sql, "DROP %s %s DELETE TOPIC;", strstr(q->sql, "CREATE TABLE") ? "TABLE" : "STREAM", q->name);
    return ask_run(&n->ask, sql, NULL, NULL, n->b->diag);
}

static int run_query(struct auctions *n, const struct auction_query *q)
{
    int rc = 0;
    if (!n->b->bc->json)
        fprintf(stderr, "  %s\n", q->name);
    for (struct laps l = laps_of(n->b->bc, n->child.pid); rc == 0 && laps_next(&l);) {
        machine_peak_reset(n->child.pid);
        lap_start(&l);
        rc = ask_run(&n->ask, q->sql, NULL, NULL, n->b->diag);
        if (rc == 0)
            rc = ask_caught_up(&n->ask, STUCK_MS, n->b->diag);
        clock_sleep_ms(SETTLE_MS); /* the last epoch */
        lap_stop(&l);
        l.wall_s -= SETTLE_MS / 1e3;
        if (rc == 0 && laps_keep(&l))
            rc = add_figures(n, q, &l);
        if (rc == 0)
            rc = drop(n, q);
    }
    return rc;
}

int bench_nexmark(struct bench *b)
{
    struct auctions n = {.b = b, .events = MAX((uint64_t)EVENTS / 100 * b->bc->percent, 1u)};
    unsigned chosen = 0;
    for (size_t i = 0; i < ARRAY_LEN(queries); i++)
        chosen += !b->part || strcmp(b->part, queries[i].name) == 0;
    if (!chosen)
        return diag_set(b->diag, E_NOT_FOUND, "Nexmark has no query \"%s\"; it has q0 to q23 but q12", b->part);
    int rc = child_start_with(&n.child, b->bc->program, b->scratch, "commit.interval.ms=100", b->diag);
    if (rc < 0)
        return rc;
    rc = ask_open(&n.ask, n.child.address, b->diag);
    if (rc == 0)
        rc = remote_open(&n.rm, n.child.address, 60000, b->diag);
    if (rc == 0)
        rc = ask_run(&n.ask, nexmark_setup, NULL, NULL, b->diag);
    if (rc == 0)
        rc = preload(&n);
    if (rc == 0)
        rc = preload_side(&n);
    for (size_t i = 0; i < ARRAY_LEN(queries) && rc == 0; i++)
        if (!b->part || strcmp(b->part, queries[i].name) == 0)
            rc = run_query(&n, &queries[i]);
    remote_close(n.rm);
    ask_close(&n.ask);
    if (rc == 0)
        return child_stop(&n.child, b->diag);
    child_kill(&n.child);
    return rc;
}
