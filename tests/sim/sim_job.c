/* A job under random input, crashes, faults and restarts with another number of shards, all from one seed. Whatever
 * happened: what a reader of committed records finds in the output topic equals SQLite's answer over the input rows up
 * to the offsets of the last commit, and a copied stream holds each of those rows exactly once; and once the job has
 * caught up, so for the whole input, and a query that looks at the table gives the same. In half of the histories some
 * records cannot be decoded: they count for nothing, and each of them is a dead letter exactly once, as it came; in
 * half of those the policy changes meanwhile. After a crash the files of state may be gone, cut short or rotten. With
 * -DFAULTS=ON lives end at fault points, too. One history in five runs with at_least_once: then streams may repeat
 * rows, and the commit tells how far the output counts. WEIR_SEED=n build/sim_job runs one seed again, WEIR_SHAPE=n
 * picks the shape (job_shapes.h), WEIR_TRACE=1 shows what the server says. */
#include "engine/run/job.h"
#include "log/base/fault.h"
#include "log/base/trace.h"
#include "log/wire/recbatch.h"
#include "tests/lib/jobworld.h"
#include "tests/lib/planlib.h"
#include "tests/lib/seed.h"
#include "tests/sim/job_shapes.h"
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PARTS = 3, OUT_PARTS = 2, TASKS = 4, KEYS = 24, WINDOWS = 256 };
enum { WINDOW_MS = SHAPE_WINDOW_MS, GRACE_MS = SHAPE_GRACE_MS };

static struct {
    uint64_t seed;
    struct random dice;
    struct jobworld w;
    enum shape shape;
    struct uuid in[3], out, changelog, job; /* in: I, T, U */
    struct uuid copy, copy_changelog, copier; /* of a chain: the copied stream and who copies */
    bool loose;                               /* at_least_once */
    struct writer *writers[3][PARTS];
    bool created, stopped, crashed;
    int64_t turns;
    uint64_t serial; /* of the next copied row */
    bool poisoned;   /* some records are bad: their value has 5 bytes, 'b' and a number of its own */
    uint32_t nbad;
    int64_t clock;   /* event time of the next row */
    unsigned flying;
    unsigned checked;
    uint32_t sure;   /* bad records from this number on must be dead letters; UINT32_MAX: the policy was another */
    bool harmed;     /* files of state were */
    bool tolerances; /* the policy changes */
    bool tolerated;  /* the policy was not to write dead letters, at some time */
    jmp_buf dead;    /* a fault point has ended this life */
    bool alive;      /* they may */
    uint64_t salt, nth; /* which of them, and at which of its hits */
    bool aborting;      /* none but that which only a failing disk leads to */
} W;

static const struct shape_facts *facts(void) { return &shape_facts[W.shape]; }

static uint64_t roll(uint64_t n) { return random_below(&W.dice, n); }

#define MUST jw_must

static struct part *open_part(struct uuid topic, int32_t index) { return jw_part(&W.w, topic, index); }

/* ---- first start: topics and the job */

static struct plan *make_copy(struct arena *a)
{
    struct planlib pl;
    planlib_init(&pl, a, TASKS);
    return planlib_done(&pl, pl_sink_topic(&pl, pl_source(&pl, "I", W.in[0], false), W.copy, 0, 1, -1, 0));
}

/* The stream that the job reads. */
static struct uuid stream(void) { return W.shape == CHAIN ? W.copy : W.in[0]; }

static struct plan *make_plan(struct arena *a)
{
    return shape_plan(W.shape, (struct uuid[]){stream(), W.in[1], W.in[2]}, W.out, TASKS, a);
}

static void flushed_cb(void *arg, int status, int64_t base, int64_t end);

/* Keys of T, before there is a job: a job that reads streams too early misses them. */
static void fill_table(void)
{
    W.flying = 0;
    for (int32_t i = 0; i < PARTS; i++) {
        struct writer *w;
        MUST(writer_open(&w, broker_store(W.w.b), open_part(W.in[1], i), W.w.loops[0]) == 0, "writer");
        for (uint64_t k = (uint64_t)i; k < KEYS; k += PARTS) {
            if (k % 5 == 4) /* a stream's row may find none */
                continue;
            char key[8], v[8];
            put_be64(key, k);
            put_be64(v, k * 7 % 5);
            writer_record(w, 1, (struct str){key, 8}, (struct str){v, 8});
        }
        W.flying++;
        writer_flush(w, flushed_cb, NULL);
        writer_close(w);
    }
    jw_pass_ms(&W.w, 2000);
    MUST(W.flying == 0, "the table cannot be written");
}

static void create_all(void)
{
    static const char *const names[] = {"I", "T", "U"};
    struct arena a;
    struct change ch;
    arena_init(&a);
    change_init(&ch);
    for (unsigned i = 0; i < 3; i++) { /* ids of their own, for the same history each time */
        W.in[i].b[0] = (uint8_t)(1 + i);
        MUST(change_create_topic(&ch, str_of(names[i]), &W.in[i], PARTS, NULL, 0, NULL) == 0, "topic");
    }
    W.out.b[0] = 8;
    W.changelog.b[0] = 9;
    MUST(change_create_topic(&ch, STR("out"), &W.out, OUT_PARTS, NULL, 0, NULL) == 0, "topic");
    MUST(change_create_topic(&ch, STR("job-changelog"), &W.changelog, TASKS, NULL, 0, NULL) == 0, "topic");
    W.copy.b[0] = 10;
    W.copy_changelog.b[0] = 11;
    MUST(change_create_topic(&ch, STR("copy"), &W.copy, PARTS, NULL, 0, NULL) == 0, "topic");
    MUST(change_create_topic(&ch, STR("copy-changelog"), &W.copy_changelog, TASKS, NULL, 0, NULL) == 0, "topic");
    jw_commit(&W.w, &ch);
    change_fini(&ch);
    if (facts()->lookup)
        fill_table();
    put_be64(W.job.b, W.seed | 1);
    put_be64(W.copier.b, W.seed ^ 1 << 20);
    W.copier.b[15] = 1;
    if (W.shape == CHAIN)
        jw_put_job(&W.w, "copier", W.copier, make_copy(&a), W.copy, W.copy_changelog, false);
    jw_put_job(&W.w, facts()->name, W.job, make_plan(&a), W.out, W.changelog, false);
    arena_fini(&a);
    W.created = true;
}

/* ---- reading back, and SQLite's answer */

struct table {
    bool there[KEYS][WINDOWS];
    int64_t value[KEYS][WINDOWS];
};

static void set(struct table *t, int64_t k, int64_t window_ms, bool there, int64_t value)
{
    int64_t w = facts()->windowed ? window_ms / WINDOW_MS : 0;
    MUST(k >= 0 && k < KEYS && w >= 0 && w < WINDOWS && window_ms == w * WINDOW_MS, "key %" PRId64 " %" PRId64, k,
         window_ms);
    t->there[k][w] = there;
    t->value[k][w] = there ? value : 0;
}

static int output_row(void *arg, const struct record *rec)
{
    size_t len = facts()->windowed ? 16 : 8;
    MUST(rec->key.len == len, "a key of %zu bytes", rec->key.len);
    set(arg, (int64_t)be64(rec->key.ptr), len == 16 ? (int64_t)be64(rec->key.ptr + 8) : 0, rec->value.ptr != NULL,
        rec->value.ptr ? (int64_t)be64(rec->value.ptr) : 0);
    return 0;
}

static void read_output(struct table *t, const struct commit_record *c)
{
    memset(t, 0, sizeof *t);
    for (int32_t i = 0; i < OUT_PARTS; i++) {
        struct part *p = open_part(W.out, i);
        int64_t end = jw_stable(p);
        for (unsigned k = 0; c && k < c->noutputs; k++)
            if (c->outputs[k].partition == i)
                end = c->outputs[k].end;
        int err = part_scan(p, 0, end, output_row, t);
        MUST(err == 0, "output partition %d up to %" PRId64 ": %s", i, end, err_name(err));
    }
}

struct feeding {
    sqlite3_stmt *insert;
    bool table;
    int64_t stream_ms; /* of the partition */
};

static bool is_bad(const struct record *rec) { return rec->value.ptr && rec->value.len != 8; }

static int input_row(void *arg, const struct record *rec)
{
    struct feeding *f = arg;
    if (is_bad(rec))
        return 0;
    f->stream_ms = MAX(f->stream_ms, rec->ts_ms);
    int64_t window = rec->ts_ms / WINDOW_MS * WINDOW_MS;
    if (facts()->grace && window + WINDOW_MS <= f->stream_ms - GRACE_MS)
        return 0;
    sqlite3_reset(f->insert);
    sqlite3_bind_int64(f->insert, 1, (int64_t)be64(rec->key.ptr));
    if (rec->value.ptr)
        sqlite3_bind_int64(f->insert, 2, (int64_t)be64(rec->value.ptr));
    else
        sqlite3_bind_null(f->insert, 2);
    sqlite3_bind_int64(f->insert, 3, window);
    sqlite3_bind_int64(f->insert, 4, rec->ts_ms);
    MUST(sqlite3_step(f->insert) == SQLITE_DONE, "SQLite");
    return 0;
}

/* Which node of the plan reads topic i; -1: none. */
static int source_node(const struct plan_node *n, struct uuid topic)
{
    if (n->kind == PLAN_SOURCE)
        return uuid_eq(n->topic, topic) ? (int)n->id : -1;
    int found = -1;
    for (unsigned i = 0; i < n->ninputs && found < 0; i++)
        found = source_node(n->inputs[i], topic);
    return found;
}

static void feed(sqlite3 *db, unsigned in, const struct plan *plan, const struct commit_record *c)
{
    static const char *const inserts[] = {"INSERT INTO i VALUES(?,?,?,?)", "REPLACE INTO t VALUES(?,?,?,?)",
                                          "REPLACE INTO u VALUES(?,?,?,?)", "INSERT INTO x VALUES(?,?,?,?)",
                                          "INSERT INTO y VALUES(?,?,?,?)"};
    struct uuid topic = in ? W.in[in] : stream();
    int node = source_node(plan->sink, topic);
    struct feeding f = {.table = in > 0};
    MUST(sqlite3_prepare_v2(db, inserts[in + (facts()->timed ? 2 : 0)], -1, &f.insert, NULL) == 0, "SQLite");
    for (int32_t i = 0; node >= 0 && i < PARTS; i++) {
        struct part *p = open_part(topic, i);
        int64_t end = jw_stable(p);
        for (unsigned k = 0; c && k < c->nsources; k++)
            if (c->sources[k].partition == i && (int)c->sources[k].node == node)
                end = c->sources[k].offset;
        f.stream_ms = INT64_MIN;
        MUST(part_scan(p, 0, end, input_row, &f) == 0, "input partition %d cannot be read", i);
    }
    sqlite3_finalize(f.insert);
}

/* Windows that end before it have closed: the least of the sources'. */
static int64_t watermark(const struct commit_record *c)
{
    int64_t ms = INT64_MAX;
    for (unsigned i = 0; i < c->nsources; i++)
        ms = MIN(ms, c->sources[i].watermark_ms);
    return ms;
}

static void tell_watermark(sqlite3 *db, int64_t ms)
{
    sqlite3_stmt *q;
    MUST(sqlite3_prepare_v2(db, "INSERT INTO w VALUES(?)", -1, &q, NULL) == 0, "SQLite");
    sqlite3_bind_int64(q, 1, ms);
    MUST(sqlite3_step(q) == SQLITE_DONE, "SQLite");
    sqlite3_finalize(q);
}

/* The table that a batch database makes of the input up to some offsets (NULL: all of it). */
static void oracle(struct table *t, const struct commit_record *c)
{
    sqlite3 *db;
    sqlite3_stmt *q;
    struct arena a;
    memset(t, 0, sizeof *t);
    arena_init(&a);
    const struct plan *plan = make_plan(&a);
    MUST(sqlite3_open(":memory:", &db) == 0, "SQLite");
    MUST(sqlite3_exec(
             db,
             "CREATE TABLE i(k INTEGER, v INTEGER, w INTEGER, ts INTEGER); CREATE TABLE t(k INTEGER PRIMARY KEY, v INTEGER, w "
             "INTEGER, ts INTEGER); CREATE TABLE u(k INTEGER PRIMARY KEY, v INTEGER, w INTEGER, ts INTEGER); CREATE TABLE x(k "
             "INTEGER, v INTEGER, w INTEGER, ts INTEGER); CREATE INDEX xk ON x(k, ts); CREATE TABLE y(k INTEGER, v INTEGER, w "
             "INTEGER, ts INTEGER); CREATE INDEX yk ON y(k, ts); CREATE TABLE w(ms INTEGER); BEGIN",
             NULL, NULL, NULL) == 0,
         "SQLite");
    for (unsigned i = facts()->timed; i < 3; i++)
        feed(db, i, plan, c);
    if (facts()->waits)
        tell_watermark(db, watermark(c));
    MUST(sqlite3_prepare_v2(db, facts()->query, -1, &q, NULL) == 0, "SQLite: %s", sqlite3_errmsg(db));
    while (sqlite3_step(q) == SQLITE_ROW)
        set(t, sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1), true, sqlite3_column_int64(q, 2));
    sqlite3_finalize(q);
    sqlite3_close(db);
    arena_fini(&a);
}

static void same(const struct table *got, const struct table *want, const char *what)
{
    for (unsigned k = 0; k < KEYS; k++)
        for (unsigned w = 0; w < WINDOWS; w++)
            MUST(got->there[k][w] == want->there[k][w] && got->value[k][w] == want->value[k][w],
                 "%s, %s: key %u, window %u is %s%" PRId64 ", must be %s%" PRId64, what, facts()->name, k, w,
                 got->there[k][w] ? "" : "absent ", got->value[k][w], want->there[k][w] ? "" : "absent ",
                 want->value[k][w]);
}

/* ---- the copied stream: every value is there once in the input */

enum { SERIALS = 1 << 16 };
static uint8_t copies[SERIALS];
static int64_t copied;

static int copy_row(void *arg, const struct record *rec)
{
    (void)arg;
    uint64_t v = be64(rec->value.ptr);
    MUST(v < W.serial, "a row that nobody wrote");
    copies[v]++;
    copied++;
    return 0;
}

static int copied_row(void *arg, const struct record *rec)
{
    if (is_bad(rec))
        return 0;
    uint64_t v = be64(rec->value.ptr);
    MUST(copies[v], "row %" PRIu64 " is lost: partition offset %" PRId64, v, rec->offset);
    MUST(copies[v] == 1 || (W.crashed && W.loose), "row %" PRIu64 " is there %u times", v, copies[v]);
    (*(int64_t *)arg)++;
    return 0;
}

static void check_copies(struct uuid out, int32_t nparts, const struct commit_record *c)
{
    int64_t rows = 0;
    memset(copies, 0, sizeof copies);
    copied = 0;
    for (int32_t i = 0; i < nparts; i++) {
        struct part *p = open_part(out, i);
        bool told = c && c->noutputs;
        MUST(part_scan(p, 0, told ? c->outputs[i].end : jw_stable(p), copy_row, NULL) == 0, "the output cannot be read");
    }
    for (int32_t i = 0; i < PARTS; i++) {
        struct part *p = open_part(W.in[0], i);
        MUST(part_scan(p, 0, c ? c->sources[i].offset : jw_end(p), copied_row, &rows) == 0, "the input cannot be read");
    }
    MUST((W.crashed && W.loose) || copied == rows, "%" PRId64 " rows became %" PRId64, rows, copied);
}

/* ---- dead letters: every bad record once, as it came, saying where it was */

enum { BADS = 1 << 16 };
static uint8_t letters[BADS];

static uint32_t bad_number(const struct record *rec)
{
    MUST(rec->value.len == 5 && rec->value.ptr[0] == 'b', "a dead letter of %zu bytes", rec->value.len);
    uint32_t n = be32(rec->value.ptr + 1);
    MUST(n < W.nbad, "a dead letter that nobody wrote");
    return n;
}

static int letter_row(void *arg, const struct record *rec)
{
    struct record walk = *rec;
    struct record_header h;
    unsigned n = 0, own = 0;
    for (; record_header_next(&walk, &h) == 1; n++)
        if (str_eq(h.key, STR("mark")))
            own += str_eq(h.value, (struct str){rec->value.ptr + 1, 4});
    MUST(own == 1 && n == 9 && rec->key.len == 8, "a dead letter has %u headers", n);
    letters[bad_number(rec)]++;
    ++*(int64_t *)arg;
    return 0;
}

static int buried_row(void *arg, const struct record *rec)
{
    if (!is_bad(rec))
        return 0;
    uint32_t n = bad_number(rec);
    MUST(letters[n] || (W.tolerated && n < W.sure), "bad record %u is no dead letter", n);
    MUST(letters[n] <= 1 || (W.crashed && W.loose), "bad record %u is a dead letter %u times", n, letters[n]);
    ++*(int64_t *)arg;
    return 0;
}

/* c: up to its offsets; NULL: all. */
static void check_letters(const struct commit_record *c)
{
    char name[40];
    int64_t there = 0, want = 0;
    struct arena a;
    snprintf(name, sizeof name, "%s_dlq", W.shape == CHAIN ? "copier" : facts()->name);
    struct image *im = cluster_image(broker_cluster(W.w.b));
    const struct topic *t = image_topic(im, str_of(name));
    memset(letters, 0, sizeof letters);
    if (t) {
        struct part *p = open_part(t->id, 0);
        MUST(part_scan(p, 0, jw_stable(p), letter_row, &there) == 0, "the dead letters cannot be read");
    }
    counted_release(&im->c);
    arena_init(&a);
    const struct plan *plan = W.shape == CHAIN ? make_copy(&a) : make_plan(&a);
    for (unsigned in = 0; in < 3; in++)
        for (int32_t i = 0; i < PARTS; i++) {
            int node = source_node(plan->sink, W.in[in]);
            struct part *p = open_part(W.in[in], i);
            int64_t end = jw_end(p);
            for (unsigned k = 0; c && k < c->nsources; k++)
                if (c->sources[k].partition == i && (int)c->sources[k].node == node)
                    end = c->sources[k].offset;
            MUST(node < 0 || part_scan(p, 0, end, buried_row, &want) == 0, "the input cannot be read");
        }
    MUST((W.crashed && W.loose) || there == want || (W.tolerated && there < want), "%" PRId64 " bad records became %" PRId64 " dead letters", want, there);
    arena_fini(&a);
}

struct last_commit {
    struct arena a;
    struct commit_record c;
    bool any;
};

static int commit_row(void *arg, const struct record *rec)
{
    struct last_commit *l = arg;
    struct changelog_key k;
    MUST(changelog_key_parse(&k, rec->key) == 0, "a key of the changelog");
    if (!k.commit)
        return 0;
    struct commit_record c;
    MUST(commit_unpack(&c, rec->value, &l->a) == 0, "a commit record");
    MUST(!l->any || c.epoch > l->c.epoch, "epoch %" PRId64 " after %" PRId64, c.epoch, l->c.epoch);
    for (unsigned i = 0; l->any && i < c.nsources; i++)
        MUST(c.sources[i].offset >= l->c.sources[i].offset, "offsets went back");
    l->c = c;
    l->any = true;
    return 0;
}

static bool find_commit(struct uuid changelog, struct last_commit *l)
{
    *l = (struct last_commit){.any = false};
    arena_init(&l->a);
    struct part *p = open_part(changelog, 0);
    MUST(part_scan(p, 0, jw_stable(p), commit_row, l) == 0, "the changelog cannot be read");
    return l->any;
}

/* What must hold of the files alone, before the engine looks at them. */
static void check_last_commit(void)
{
    struct last_commit l;
    static struct table got, want;
    if (find_commit(W.copy_changelog, &l) && W.shape == CHAIN) {
        check_copies(W.copy, PARTS, &l.c);
        check_letters(&l.c);
    }
    arena_fini(&l.a);
    if (find_commit(W.changelog, &l) && W.shape != CHAIN)
        check_letters(&l.c);
    if (l.any && W.shape == COPY) {
        check_copies(W.out, OUT_PARTS, &l.c);
    } else if (l.any) {
        read_output(&got, &l.c);
        oracle(&want, &l.c);
        same(&got, &want, "the last commit");
        W.checked++;
    }
    arena_fini(&l.a);
}

/* ---- a node's life */

static void boot(void)
{
    jw_open(&W.w, 1 + (unsigned)roll(JW_LOOPS));
    if (!W.created)
        create_all();
    jw_pass_ms(&W.w, 1000); /* what was decided before the crash is completed */
    check_last_commit();
    jw_start(&W.w);
    for (unsigned in = 0; in < 3; in++)
        for (int32_t i = 0; i < PARTS; i++)
            MUST(writer_open(&W.writers[in][i], broker_store(W.w.b), open_part(W.in[in], i), W.w.loops[0]) == 0,
                 "writer");
    W.flying = 0;
}

static void stop_cleanly(void)
{
    for (unsigned in = 0; in < 3; in++)
        for (int i = 0; i < PARTS; i++)
            writer_close(W.writers[in][i]);
    jw_stop(&W.w);
}

static void die(void)
{
    W.crashed = true;
    static const enum simdisk_end ends[] = {SIMDISK_KILL, SIMDISK_CRASH, SIMDISK_LOSE};
    jw_crash(&W.w, ends[roll(3)]);
}

/* ---- input */

static void flushed_cb(void *arg, int status, int64_t base, int64_t end)
{
    (void)arg, (void)status, (void)base, (void)end;
    W.flying--;
}

static void produce_bad(struct writer *w, int64_t ts, struct str key)
{
    char v[5] = {'b'}, headers[10] = {8, 'm', 'a', 'r', 'k', 8}; /* lengths are zigzag */
    put_be32(v + 1, W.nbad);
    put_be32(headers + 6, W.nbad++);
    writer_record_headers(w, ts, key, (struct str){v, 5}, (struct str){headers, 10}, 1);
}

/* A stream's rows go anywhere; a table's keys have their partitions, and sometimes end. */
static void produce(void)
{
    bool table = facts()->tables;
    unsigned part = (unsigned)roll(PARTS), in = !table ? 0 : facts()->joined ? 1 + (unsigned)roll(2) : 1;
    for (uint64_t n = 1 + roll(20); n > 0; n--) {
        char k[8], v[8];
        put_be64(k, table ? roll(KEYS / PARTS) * PARTS + part : roll(KEYS));
        bool copied_on = W.shape == COPY || W.shape == CHAIN, key = facts()->grouped && in == 1;
        put_be64(v, copied_on ? W.serial++ % SERIALS : roll(key ? KEYS : 1000000));
        W.clock += (int64_t)roll(50);
        bool ends = table && roll(5) == 0;
        int64_t ts = W.clock - (int64_t)roll(SHAPE_DISORDER_MS);
        if (W.poisoned && W.nbad < BADS && roll(8) == 0)
            produce_bad(W.writers[in][part], MAX(0, ts), (struct str){k, 8});
        writer_record(W.writers[in][part], MAX(0, ts), (struct str){k, 8}, ends ? STR_NULL : (struct str){v, 8});
    }
    W.flying++;
    writer_flush(W.writers[in][part], flushed_cb, NULL);
}

/* ---- what people ask */

struct asking {
    struct table t;
    unsigned rows;
    bool done;
    int status;
    char why[400];
};

static bool answer_rows(void *arg, struct batch *b)
{
    struct asking *x = arg;
    unsigned value = facts()->windowed ? 3 : 1;
    for (uint32_t i = 0; i < b->nsel; i++) {
        uint32_t row = batch_row(b, i);
        set(&x->t, b->cols[0].i64[row], facts()->windowed ? b->cols[1].i64[row] : 0, true, b->cols[value].i64[row]);
        x->rows++;
    }
    return true;
}

static void answer_end(void *arg, int status, const char *why)
{
    struct asking *x = arg;
    x->done = true;
    x->status = status;
    snprintf(x->why, sizeof x->why, "%s", why ? why : "");
}

/* False: that has found a damaged file. */
static bool ask_table(struct table *out)
{
    static const struct query_class cls = {.rows = answer_rows, .end = answer_end};
    static struct asking x;
    memset(&x, 0, sizeof x);
    struct arena a;
    struct planlib pl;
    struct query *q;
    struct diag d = {0};
    arena_init(&a);
    planlib_init(&pl, &a, 1);
    struct plan *plan =
        planlib_done(&pl, pl_sink_query(&pl, pl_scan(&pl, "TABLE", W.job, facts()->windowed ? 4 : 2), -1));
    MUST(query_start(&q, W.w.e, W.w.loops[roll(W.w.nloops)], plan, &cls, &x, &d) == 0, "query: %s", d.text);
    jw_wait(&W.w, &x.done, "an answer");
    query_close(q);
    if (x.status && W.harmed && strstr(x.why, "ask again")) {
        arena_fini(&a);
        return false;
    }
    MUST(x.status == 0, "query: %s", x.why);
    unsigned rows = 0;
    for (unsigned k = 0; k < KEYS; k++)
        for (unsigned w = 0; w < WINDOWS; w++)
            rows += x.t.there[k][w];
    MUST(rows == x.rows, "the query gives a key twice");
    *out = x.t;
    arena_fini(&a);
    return true;
}

struct status_wait {
    bool done;
    struct job_status *st;
};

static void status_cb(void *arg, int status, struct job_status *st)
{
    struct status_wait *s = arg;
    MUST(status == 0, "status: %s", err_name(status));
    s->st = st;
    s->done = true;
}

static void check_status(void)
{
    struct status_wait s = {0};
    struct arena a;
    arena_init(&a);
    engine_job_status(W.w.e, W.job, W.w.loops[0], &a, status_cb, &s);
    jw_wait(&W.w, &s.done, "a status");
    MUST(s.st->state == JOB_RUNNING, "job is %s: %s", job_state_name(s.st->state), s.st->why ? s.st->why : "");
    MUST(s.st->lag == 0 && s.st->nsources >= PARTS, "lag %" PRId64, s.st->lag);
    arena_fini(&a);
}

static void put_job(void)
{
    struct arena a;
    arena_init(&a);
    jw_put_job(&W.w, facts()->name, W.job, make_plan(&a), W.out, W.changelog, W.stopped);
    arena_fini(&a);
}

/* Stops the job, or lets it run again. */
static void want_stopped(bool stopped)
{
    if (W.stopped == stopped)
        return;
    W.stopped = stopped;
    put_job();
}

/* What becomes of bad records from some time on: the job is begun anew, and goes on where it was. */
static void want_tolerance(enum tolerance tolerance)
{
    if (W.w.tolerance == tolerance || W.shape == CHAIN)
        return;
    W.crashed = true; /* a job that a record has stopped has failed */
    W.tolerated = true;
    W.sure = UINT32_MAX;
    W.w.tolerance = tolerance;
    W.w.revision++;
    put_job();
}

/* Faults are over: the job catches up, and everything agrees with everything. */
static void settle(void)
{
    static struct table got, want;
    struct last_commit l;
    W.stopped = false;
    put_job(); /* a crash may have undone what was wanted last */
    if (W.w.tolerance == TOLERATE_STOP)
        want_tolerance(roll(2) ? TOLERATE_SKIP : TOLERATE_DEAD_LETTER);
    jw_pass_ms(&W.w, 3000);
    MUST(W.flying == 0, "appends hang");
    check_status();
    if (W.shape == CHAIN)
        check_copies(W.copy, PARTS, NULL);
    check_letters(NULL);
    if (W.shape == COPY) {
        check_copies(W.out, OUT_PARTS, NULL);
    } else {
        find_commit(W.changelog, &l);
        oracle(&want, facts()->waits ? &l.c : NULL);
        arena_fini(&l.a);
        read_output(&got, NULL);
        same(&got, &want, "the output");
        for (unsigned n = 0; !ask_table(&got); n++) {
            MUST(n < 8, "a file of state is damaged again and again");
            jw_pass_ms(&W.w, 3000);
        }
        same(&got, &want, "the query");
    }
    check_last_commit();
    int64_t before = jw_end(open_part(W.changelog, 0));
    jw_pass_ms(&W.w, 5000);
    MUST(jw_end(open_part(W.changelog, 0)) == before, "an idle job writes");
    if (W.w.tolerance == TOLERATE_DEAD_LETTER)
        W.sure = MIN(W.sure, W.nbad);
}

/* ---- files of state that come to harm while nobody runs */

enum { FILES_MAX = 64 };
struct files {
    struct disk *disk;
    const char *dir;
    unsigned n;
    char path[FILES_MAX][300];
};

static int file_cb(void *arg, const char *name, bool is_dir)
{
    struct files *f = arg;
    const char *dir = f->dir;
    char path[300];
    CHECK(snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path);
    if (is_dir) {
        f->dir = path;
        int err = disk_list(f->disk, path, file_cb, f);
        f->dir = dir;
        return err;
    }
    if (f->n < FILES_MAX)
        memcpy(f->path[f->n++], path, sizeof path);
    return 0;
}

static void cut_file(struct disk *disk, const char *path)
{
    struct file *file;
    MUST(disk_open(disk, path, FILE_WRITE, &file) == 0, "%s cannot be opened", path);
    int64_t size = file_size(file);
    MUST(file_truncate(file, (int64_t)roll((uint64_t)size + 1)) == 0 && file_sync(file) == 0, "%s cannot be cut", path);
    file_close(file);
}

static void flip_bit(struct disk *disk, const char *path)
{
    struct file *file;
    MUST(disk_open(disk, path, FILE_READ, &file) == 0, "%s cannot be opened", path);
    int64_t size = file_size(file);
    file_close(file);
    if (size)
        MUST(simdisk_flip(W.w.sd, path, (int64_t)roll((uint64_t)size), (unsigned)roll(8)) == 0, "%s stays", path);
}

/* All that a job keeps there is a copy: the folder is deleted, or some of its files are, or are cut short, or rot. */
static void harm_state(void)
{
    static struct files f;
    f = (struct files){.disk = simdisk_disk(W.w.sd), .dir = "/data/state"};
    W.harmed = W.crashed = true; /* a job that finds it out is begun anew */
    if (roll(4) == 0) {
        MUST(disk_remove_tree(f.disk, f.dir) == 0 && disk_sync_dir(f.disk, "/data") == 0, "the state stays");
        return;
    }
    if (disk_exists(f.disk, f.dir))
        MUST(disk_list(f.disk, f.dir, file_cb, &f) == 0, "the state cannot be listed");
    for (unsigned i = 0; i < f.n; i++) {
        uint64_t how = roll(6);
        if (how == 0)
            MUST(disk_unlink(f.disk, f.path[i]) == 0, "%s stays", f.path[i]);
        else if (how == 1)
            cut_file(f.disk, f.path[i]);
        else if (how == 2)
            flip_bit(f.disk, f.path[i]);
    }
}

/* ---- fault points (builds with -DFAULTS=ON): some of them end a life, at one of their first hits */

/* What the processes of all seeds have in common. */
enum { POINTS = 64 };
static struct shared {
    uint64_t digest; /* of the last seed */
    struct {
        char name[40];
        uint64_t passed, ended; /* ended: so many lives */
    } points[POINTS];
} *shared;

#ifdef FAULTS
static unsigned point_number(const char *name)
{
    unsigned i = 0;
    while (i < POINTS && shared->points[i].name[0] && strcmp(shared->points[i].name, name) != 0)
        i++;
    CHECK(i < POINTS);
    snprintf(shared->points[i].name, sizeof shared->points[i].name, "%s", name);
    return i;
}

static void fault_point(const char *name)
{
    if (!W.alive)
        return;
    unsigned i = point_number(name);
    shared->points[i].passed++;
    bool chosen = W.aborting ? strcmp(name, "epoch.aborted") == 0 : hash_bytes(name, strlen(name), W.salt) % 8 == 0;
    if (!chosen || W.nth-- > 0)
        return;
    W.alive = false;
    shared->points[i].ended++;
    longjmp(W.dead, 1);
}
#endif

/* False: a point was passed, but no life ended there. */
static bool points_told(void)
{
    bool all = true;
    for (unsigned i = 0; i < POINTS && shared->points[i].name[0]; i++) {
        printf("%8" PRIu64 " lives ended at %s, which was passed %" PRIu64 " times\n", shared->points[i].ended,
               shared->points[i].name, shared->points[i].passed);
        all &= shared->points[i].ended > 0;
    }
    return all;
}

/* The disk fails for good, or its folder is gone: the server goes on trying at an easy pace, and stops when it is told
 * to. */
static void stop_broken(void)
{
    enum { EASY = 6000 }; /* turns of loops and jobs in a second: an idle server's timers and a few tries */
    simdisk_set_capacity(W.w.sd, -1);
    if (roll(2))
        MUST(disk_remove_tree(simdisk_disk(W.w.sd), "/data") == 0, "the folder cannot be removed");
    else
        for (int k = 0; k < SIMDISK_FAULTS; k++)
            simdisk_set_fault(W.w.sd, (enum simdisk_fault)k, roll(2) ? 1 : 0);
    for (uint64_t n = roll(6); n > 0 && W.flying < 8; n--) {
        produce();
        jw_pass_ms(&W.w, (int64_t)roll(300));
    }
    jw_pass_ms(&W.w, (int64_t)roll(120000));
    int64_t until = sim_now_us(W.w.sim) + 20000000, began = W.turns;
    while (sim_now_us(W.w.sim) < until && sim_step(W.w.sim))
        W.turns++;
    MUST(W.turns - began < 20 * EASY, "a broken server is busy: %" PRId64 " turns in 20 seconds", W.turns - began);
    int64_t asked = sim_now_us(W.w.sim);
    stop_cleanly();
    MUST(sim_now_us(W.w.sim) - asked < 30000000, "a broken server took %" PRId64 " ms to stop",
         (sim_now_us(W.w.sim) - asked) / 1000);
}

static void live(bool faults)
{
    boot();
    if (faults)
        simdisk_set_fault(W.w.sd, (enum simdisk_fault)(SIMDISK_EIO_WRITE + roll(2)), 0.001 * (double)roll(20));
    for (uint64_t n = roll(60); n > 0; n--) {
        if (W.flying < 8 && roll(3))
            produce();
        if (!faults && roll(30) == 0)
            want_stopped(!W.stopped);
        if (!faults && W.poisoned && W.tolerances && roll(30) == 0)
            want_tolerance((enum tolerance)roll(3));
        if (roll(8) == 0)
            jw_pass_ms(&W.w, (int64_t)roll(300));
        else
            for (uint64_t s = roll(200); s > 0; s--)
                sim_step(W.w.sim);
    }
    if (!faults && roll(4) == 0)
        settle();
}

static void one_life(void)
{
    bool faults = roll(4) == 0;
    W.crashed |= faults; /* a failed job is one that crashed */
    W.alive = W.created;
    W.salt = random_next(&W.dice);
    W.aborting = faults && roll(2);
    W.nth = W.aborting || roll(2) ? 0 : roll(4) ? roll(8) : roll(100);
    bool whole = setjmp(W.dead) == 0;
    if (whole)
        live(faults);
    W.alive = false;
    for (int k = 0; k < SIMDISK_FAULTS; k++)
        simdisk_set_fault(W.w.sd, (enum simdisk_fault)k, 0);
    if (whole && !faults && roll(3) == 0)
        stop_cleanly();
    else
        die();
    if (roll(4) == 0)
        harm_state();
}

static void run_seed(uint64_t seed)
{
    memset(&W, 0, sizeof W);
    W.seed = seed;
    W.sure = UINT32_MAX;
#ifdef FAULTS
    fault_taken_cb = fault_point;
#endif
    random_seed(&W.dice, seed);
    sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, (int)(seed & INT_MAX) | 1, NULL); /* of its journals' checksums */
    W.shape = (enum shape)roll(SHAPES);
    if (getenv("WEIR_SHAPE"))
        W.shape = (enum shape)atoi(getenv("WEIR_SHAPE"));
    if (getenv("WEIR_EMIT") && (W.shape == NEAR || W.shape == NEAR_FINALS)) /* stream time: what is late depends on arrival */
        W.shape = LEFT_TABLES;
    jw_init(&W.w, seed);
    W.w.conf.log_segment_bytes = 4096 + (int64_t)roll(20000);
    W.w.conf.wal_append_max = 100 << roll(10);
    W.w.conf.idle_timeout_ms = INT32_MAX; /* which rows an idle partition makes late depends on the clock */
    W.w.conf.commit_interval_ms = 5 + (int64_t)roll(200);
    W.loose = W.w.at_least_once = roll(5) == 0;
    W.w.conf.checkpoint_bytes = 1024 + (int64_t)roll(8000);
    if (roll(2)) /* state larger than memory */
        W.w.conf.state_memory = 200 + (int64_t)roll(30000);
    W.poisoned = roll(2);
    W.tolerances = roll(2);
    for (uint64_t n = 1 + roll(8); n > 0; n--)
        one_life();
    boot();
    settle();
    for (uint64_t n = roll(12); n > 0; n--) {
        produce();
        jw_pass_ms(&W.w, (int64_t)roll(50));
    }
    stop_broken();
}

/* What the seed decided: the turns, what files were asked, what the test itself chose. */
static uint64_t digest(void)
{
    struct simdisk_counts c = simdisk_counts(W.w.sd);
    return hash_bytes(&c, sizeof c, sim_digest(W.w.sim) ^ random_next(&W.dice));
}

/* A process a seed: its digest, or 0 if it failed. */
static uint64_t run_apart(uint64_t seed)
{
    shared->digest = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        run_seed(seed);
        shared->digest = digest() | 1;
        _exit(0);
    }
    int status = 0;
    MUST(waitpid(pid, &status, 0) == pid, "fork");
    return status ? 0 : shared->digest;
}

int main(void)
{
    /* One seed in so many runs twice: a history that nobody can repeat is worth little. So many seeds pass every point. */
    enum { EACH = 16, MANY = 1000 };
    trace_level = getenv("WEIR_TRACE") ? DEBUG : ERROR;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(shared != MAP_FAILED, "mmap");
    uint64_t first = test_seed();
    int64_t rounds = test_seeds(200);
    for (int64_t i = 0; i < rounds; i++) {
        uint64_t seed = first + (uint64_t)i, d = run_apart(seed);
        bool same = d && (i % EACH || run_apart(seed) == d);
        if (!same) {
            fprintf(stderr, "%s: repeat with WEIR_SEED=%" PRIu64 " build/sim_job\n",
                    d ? "it went another way the second time" : "failed", seed);
            return 1;
        }
    }
    bool told = points_told();
    MUST(told || rounds < MANY, "no life ended at some point");
    printf("%" PRId64 " seeds clean\n", rounds);
    return 0;
}
