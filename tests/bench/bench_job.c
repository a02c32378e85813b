/* What a job costs end to end: JSON records of 200 bytes and 5 fields, preloaded, through a filter that passes half
 * of them to an output topic, into a windowed count per user, or into a running sum per user, of whom there are a
 * million. Prints events per second and per second of CPU time of all threads. Usage: bench_job filter|count|sums
 * [records] [shards] [rounds] [ms between commits; 0: none before the end]
 *
 * bench_job cost count|sums [records] [shards] [rounds] [ms between commits]: what exactly once costs. Each round
 * runs the job over the same input twice, in turns first: once with commits, once without: then it writes no
 * changelog, no transactions, no commit record and no checkpoint, and waits for no sync, but emits the same results
 * as often (engine_set_volatile). A lap ends when all records are in a commit. Prints both laps and the medians of
 * the ratios.
 *
 * bench_job growth KEYS uniform|zipf|both [records] [shards] [MiB] [0]: SUM(amount) per user into a table, of so
 * many users. Every user comes once, in random order; then `records` more, which are what is measured (both: Zipf's,
 * then as many uniform ones): they are written in a transaction, so the job sees them all at once, and the time ends
 * with the commit that holds the last. Beyond so many MiB state is dropped and read again. resident_bytes: the most
 * that the process had above what it had before the job. Then the server is stopped cleanly and started, and started
 * again from nothing but the changelog: how long until the job runs. 0: it is not, and users come in order at first,
 * which fills faster. growth.sh makes a table of it. */
#include "engine/run/run.h"
#include "log/base/clock.h"
#include "log/base/metrics.h"
#include "log/base/random.h"
#include "tests/lib/planlib.h"
#include "tests/lib/seed.h"
#include <math.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

enum { PARTS = 4, TASKS = 4, USERS = 1000, MANY_USERS = 1000000 };
enum kind { FILTER, COUNT, SUMS, GROWTH, KINDS };
enum { ROUNDS_MAX = 99 };
static const char *const kinds[] = {"filter", "count", "sums", "growth"};

static struct {
    int64_t keys; /* GROWTH */
    bool zipf, uniform, restarts;
    struct loops *loops;
    struct loop *loop[64];
    unsigned nloops;
    struct config conf;
    struct broker *b;
    struct engine *e;
    struct uuid in, out, changelog, job;
    enum kind kind;
    enum { FILL, ZIPF, UNIFORM } phase; /* GROWTH: what comes */
    struct txn *txn; /* GROWTH: of what is not to be seen yet; NULL: all is */
    int64_t records;
    sem_t turn;
    struct msg msg;
} B;

/* ---- doing something on loop 0 and waiting for it */

static void on_loop(void (*run_cb)(struct msg *))
{
    B.msg.run_cb = run_cb;
    loop_post(B.loop[0], &B.msg);
    sem_wait(&B.turn);
}

static void commit_done(struct commit *c, int status)
{
    if (status) {
        fprintf(stderr, "bench_job: %s\n", c->diag.text);
        exit(1);
    }
    sem_post(&B.turn);
}

static void commit_change(struct change *ch)
{
    struct commit c = {.from = B.loop[0], .change = ch, .done_cb = commit_done};
    cluster_commit(broker_cluster(B.b), &c);
    sem_wait(&B.turn);
}

/* ---- input */

static struct random dice;
static unsigned flushing;

static void flushed_cb(void *arg, int status, int64_t base, int64_t end)
{
    (void)arg, (void)base, (void)end;
    CHECK(status == 0);
    if (--flushing == 0)
        sem_post(&B.turn);
}

static int64_t made;

/* Ranks after Zipf with exponent 0.99 (Gray et al., SIGMOD 1994), spread over the keys. */
static struct {
    double zeta, eta, half;
} zipf;
#define THETA 0.99

static void zipf_init(int64_t n)
{
    zipf.zeta = 0;
    for (int64_t i = 1; i <= n; i++)
        zipf.zeta += 1 / pow((double)i, THETA);
    zipf.half = pow(0.5, THETA);
    zipf.eta = (1 - pow(2.0 / (double)n, 1 - THETA)) / (1 - (1 + zipf.half) / zipf.zeta);
}

static int64_t zipf_rank(void)
{
    double u = random_unit(&dice), uz = u * zipf.zeta;
    if (uz < 1)
        return 0;
    if (uz < 1 + zipf.half)
        return 1;
    return MIN(B.keys - 1, (int64_t)((double)B.keys * pow(zipf.eta * u - zipf.eta + 1, 1 / (1 - THETA))));
}

/* The i-th of all keys in an order that looks random: the prime is no divisor of any number of keys we take. */
static int64_t spread(int64_t i) { return (int64_t)((unsigned __int128)i * 2654435761u % (uint64_t)B.keys); }

static void make_sum_record(struct writer *w)
{
    char text[64];
    int64_t i = B.phase == FILL ? made : B.phase == ZIPF ? zipf_rank() : (int64_t)random_below(&dice, (uint64_t)B.keys);
    int64_t key = B.phase == FILL && !B.restarts ? i : spread(i);
    int n = snprintf(text, sizeof text, "{\"id\":%" PRId64 ",\"amount\":%u}", key, (unsigned)random_below(&dice, 1000));
    writer_record(w, made / 100, STR_NULL, (struct str){text, (size_t)n});
    made++;
}

static void make_record(struct writer *w)
{
    char text[256];
    if (B.kind == GROWTH) {
        make_sum_record(w);
        return;
    }
    int n = snprintf(
        text, sizeof text, "{\"id\":%" PRId64 ",\"user\":\"user-%07u\",\"amount\":%u,\"kind\":\"%s\",\"note\":\"", made,
        (unsigned)random_below(&dice, B.kind == SUMS ? MANY_USERS : USERS), (unsigned)random_below(&dice, 1000), made & 1 ? "purchase" : "refund..");
    for (; n < 198; n++)
        text[n] = (char)('a' + n % 26);
    text[n++] = '"';
    text[n++] = '}';
    writer_record(w, made / 100, STR_NULL, (struct str){text, (size_t)n});
    made++;
}

static void load_some(struct msg *m)
{
    (void)m;
    struct image *im = cluster_image(broker_cluster(B.b));
    const struct topic *t = image_topic_by_id(im, B.in);
    flushing = 1;
    for (int p = 0; p < PARTS; p++) {
        struct writer *w;
        struct store *st = broker_store(B.b);
        CHECK((B.txn ? writer_open_txn(&w, st, t->parts[p], B.loop[0], B.txn)
                     : writer_open(&w, st, t->parts[p], B.loop[0])) == 0);
        for (int64_t n = MIN((B.records - made) / (PARTS - p) + 1, 100000); n > 0; n--)
            make_record(w);
        flushing++;
        if (B.txn)
            writer_flush_in(w, B.phase, flushed_cb, NULL);
        else
            writer_flush(w, flushed_cb, NULL);
        writer_close(w);
    }
    counted_release(&im->c);
    if (--flushing == 0)
        sem_post(&B.turn);
}

/* ---- plans */

static const struct expr *column(struct arena *a, const struct schema *sc, unsigned c)
{
    struct expr *e = ARENA_NEW(a, struct expr);
    e->kind = EX_COLUMN;
    e->column = c;
    e->type = sc->cols[c].type;
    return e;
}

/* amount >= 500 */
static const struct expr *half(struct arena *a, const struct schema *sc)
{
    struct expr *e = ARENA_NEW(a, struct expr), *five = ARENA_NEW(a, struct expr);
    const struct expr **args = ARENA_ARRAY(a, const struct expr *, 2);
    struct type types[2] = {TYPE(T_BIGINT), TYPE(T_BIGINT)}, casts[2];
    five->kind = EX_CONST;
    five->type = TYPE(T_BIGINT);
    five->value = (struct value){.type = TYPE(T_BIGINT), .i = 500};
    args[0] = column(a, sc, 2);
    args[1] = five;
    e->kind = EX_CALL;
    e->nargs = 2;
    e->args = args;
    CHECK(func_resolve(STR(">="), types, 2, &e->func, casts, &e->type, NULL) == 0);
    return e;
}

static struct plan_node *node(struct arena *a, enum plan_kind kind, struct plan_node *in)
{
    struct plan_node *n = ARENA_NEW(a, struct plan_node);
    n->kind = kind;
    n->window_start_col = n->window_end_col = -1;
    n->limit = n->retention_ms = -1;
    if (in) {
        n->ninputs = 1;
        n->inputs[0] = in;
        n->out = in->out;
        n->mode = in->mode;
    }
    return n;
}

static struct row_format json_format(struct column *cols, unsigned nkey, unsigned n)
{
    return (struct row_format){.key = {.kind = nkey ? FORMAT_KAFKA : FORMAT_NONE},
                               .value = {.kind = FORMAT_JSON, .wrapped = true},
                               .nkey = nkey,
                               .nvalue = n - nkey,
                               .key_cols = cols,
                               .value_cols = cols + nkey,
                               .ts_column = -1};
}

static struct plan_node *source(struct arena *a, const unsigned *fields, unsigned n)
{
    static const struct column all[] = {{"id", {.id = T_BIGINT}},
                                        {"user", {.id = T_VARCHAR}},
                                        {"amount", {.id = T_BIGINT}},
                                        {"kind", {.id = T_VARCHAR}},
                                        {"note", {.id = T_VARCHAR}}};
    struct plan_node *s = node(a, PLAN_SOURCE, NULL);
    struct column *cols = ARENA_ARRAY(a, struct column, 5);
    memcpy(cols, all, sizeof all);
    s->relation = s->topic_name = "events";
    s->topic = B.in;
    s->format = json_format(cols, 0, 5);
    s->nwants = n;
    s->wants = ARENA_ARRAY(a, struct want, n);
    s->out = (struct schema){n, ARENA_ARRAY(a, struct column, n)};
    for (unsigned i = 0; i < n; i++) {
        s->wants[i] = (struct want){.from = WANT_VALUE, .index = fields[i]};
        s->out.cols[i] = all[fields[i]];
    }
    return s;
}

static struct plan_node *sink(struct arena *a, struct plan_node *in, unsigned nkey, const unsigned *cols, unsigned n)
{
    struct plan_node *s = node(a, PLAN_SINK_TOPIC, in);
    struct column *c = ARENA_ARRAY(a, struct column, n);
    s->relation = s->topic_name = "result";
    s->topic = B.out;
    s->sink_cols = ARENA_ARRAY(a, unsigned, n);
    for (unsigned i = 0; i < n; i++) {
        s->sink_cols[i] = cols[i];
        c[i] = in->out.cols[cols[i]];
    }
    s->format = json_format(c, nkey, n);
    return s;
}

static struct plan *filter_plan(struct planlib *pl)
{
    struct plan_node *s = source(pl->a, (unsigned[]){0, 1, 2, 3, 4}, 5);
    struct plan_node *f = node(pl->a, PLAN_FILTER, s);
    f->predicate = half(pl->a, &s->out);
    return planlib_done(pl, sink(pl->a, f, 0, (unsigned[]){0, 1, 2, 3, 4}, 5));
}

static struct plan *count_plan(struct planlib *pl)
{
    struct plan_node *n = pl_window(pl, source(pl->a, (unsigned[]){1}, 1), 10000, 1000000);
    struct plan_node *part = pl_partial(pl, n, 3, (unsigned[]){0, 1, 2}, AGG_COUNT_STAR, 0, 10000, 1000000);
    n = pl_final(pl, pl_exchange(pl, part, 1, (unsigned[]){0}), part);
    struct plan_node *s = sink(pl->a, n, 1, (unsigned[]){0, 3}, 2);
    s->window_start_col = 1;
    s->format.window_size_ms = s->window_size_ms = 10000;
    return planlib_done(pl, s);
}

static struct plan *growth_plan(struct planlib *pl)
{
    struct plan_node *n = source(pl->a, (unsigned[]){0, 2}, 2);
    n = pl_aggregate(pl, pl_exchange(pl, n, 1, (unsigned[]){0}), 1, (unsigned[]){0}, AGG_SUM, 1, 0, 0);
    return planlib_done(pl, sink(pl->a, n, 1, (unsigned[]){0, 1}, 2));
}

static struct plan *sums_plan(struct planlib *pl)
{
    struct plan_node *n = pl_exchange(pl, source(pl->a, (unsigned[]){1, 2}, 2), 1, (unsigned[]){0});
    n = pl_aggregate(pl, n, 1, (unsigned[]){0}, AGG_SUM, 1, 0, 0);
    return planlib_done(pl, sink(pl->a, n, 1, (unsigned[]){0, 1}, 2));
}

static const struct plan *make_plan(struct planlib *pl)
{
    return B.kind == COUNT ? count_plan(pl) : B.kind == SUMS ? sums_plan(pl) : filter_plan(pl);
}

/* ---- measuring */

static struct job_status *now;
static struct arena now_arena;
static int64_t peak, resident; /* most memory of its state, and of the process, as often as somebody looked */

static int64_t resident_now(void)
{
    long all, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f && fscanf(f, "%ld %ld", &all, &pages) == 2);
    fclose(f);
    return pages * 4096;
}

static void status_cb(void *arg, int status, struct job_status *st)
{
    (void)arg;
    CHECK(status == 0);
    now = st;
    sem_post(&B.turn);
}

static bool gone;

static void gone_cb(void *arg, int status, struct job_status *st)
{
    (void)arg;
    (void)st;
    gone = status == E_NOT_FOUND;
    sem_post(&B.turn);
}

static bool come_to(int64_t records)
{
    arena_reset(&now_arena);
    engine_job_status(B.e, B.job, B.loop[0], &now_arena, status_cb, NULL);
    sem_wait(&B.turn);
    if (now->state == JOB_FAILED) {
        fprintf(stderr, "bench_job: %s\n", now->why);
        exit(1);
    }
    peak = MAX(peak, now->memory_bytes);
    resident = MAX(resident, resident_now());
    return now->state == JOB_RUNNING && now->rows_in >= (uint64_t)records;
}

static bool caught_up(void) { return come_to(B.records); }

static void remove_job(void)
{
    struct change ch;
    change_init(&ch);
    change_remove_object(&ch, "job", B.job);
    change_delete_topic(&ch, B.out);
    change_delete_topic(&ch, B.changelog);
    commit_change(&ch);
    change_fini(&ch);
    do {
        clock_sleep_ms(10);
        engine_job_status(B.e, B.job, B.loop[0], &now_arena, gone_cb, NULL);
        sem_wait(&B.turn);
    } while (!gone);
}

static void put_job(const struct plan *plan)
{
    struct wbuf bytes, body;
    struct change ch;
    wbuf_init(&bytes);
    wbuf_init(&body);
    change_init(&ch);
    plan_pack(plan, &bytes);
    struct job_def def = {
        .name = "bench", .sql = "", .plan = wbuf_view(&bytes), .output = B.out, .changelog = B.changelog};
    job_def_pack(&def, &body);
    change_put_object(&ch, "job", STR("bench"), B.job, wbuf_view(&body), true);
    commit_change(&ch);
    change_fini(&ch);
    wbuf_fini(&bytes);
    wbuf_fini(&body);
}

static void create_input(void)
{
    struct change ch;
    B.in = (struct uuid){{0}};
    change_init(&ch);
    CHECK(change_create_topic(&ch, STR("events"), &B.in, PARTS, NULL, 0, NULL) == 0);
    commit_change(&ch);
    change_fini(&ch);
}

static void create_results(void)
{
    struct change ch;
    B.out = B.changelog = (struct uuid){{0}};
    change_init(&ch);
    CHECK(change_create_topic(&ch, STR("result"), &B.out, PARTS, NULL, 0, NULL) == 0);
    CHECK(change_create_topic(&ch, STR("bench-changelog"), &B.changelog, TASKS, NULL, 0, NULL) == 0);
    commit_change(&ch);
    change_fini(&ch);
}

static void start_engine(struct msg *m)
{
    (void)m;
    engine_start(B.e);
    sem_post(&B.turn);
}

static void stopped_cb(void *arg)
{
    (void)arg;
    sem_post(&B.turn);
}

static void stop_engine(struct msg *m)
{
    (void)m;
    engine_stop(B.e, stopped_cb, NULL);
}

/* ---- the node */

static void open_node(const char *dir)
{
    struct diag d = {0};
    B.loops = loops_new(B.nloops);
    for (unsigned i = 0; i < B.nloops; i++)
        B.loop[i] = loops_get(B.loops, i);
    struct broker_conf bc = {&B.conf, disk_real(), dir, B.loop, B.nloops};
    CHECK(broker_open(&B.b, &bc, &d) == 0 && engine_open(&B.e, B.b, &d) == 0);
    loops_start(B.loops);
    on_loop(start_engine);
}

static void close_node(void)
{
    on_loop(stop_engine);
    loops_stop(B.loops);
    engine_free(B.e);
    broker_close(B.b);
    loops_free(B.loops);
}

static void load_all(void)
{
    B.job = (struct uuid){{7}};
    create_input();
    for (made = 0; made < B.records;)
        on_loop(load_some);
    B.records = made;
}

static void one_round(void)
{
    struct arena a;
    struct planlib pl;
    char *dir = scratch_new();
    open_node(dir);
    load_all();
    create_results();
    arena_init(&a);
    arena_init(&now_arena);
    planlib_init(&pl, &a, TASKS);
    const struct plan *plan = make_plan(&pl);
    int64_t cpu = clock_cpu_us(), wall = clock_mono_us();
    put_job(plan);
    while (!caught_up())
        clock_sleep_ms(10);
    wall = clock_mono_us() - wall;
    clock_sleep_ms(3 * B.conf.commit_interval_ms); /* the last epochs are part of the price */
    cpu = clock_cpu_us() - cpu;
    (void)caught_up();
    printf("%s records=%" PRId64 " shards=%u wall_s=%.3f cpu_s=%.3f per_s=%.0f per_cpu_s=%.0f out=%" PRIu64
           " epochs=%" PRId64 "\n",
           kinds[B.kind], B.records, B.nloops, (double)wall / 1e6, (double)cpu / 1e6,
           (double)B.records * 1e6 / (double)wall, (double)B.records * 1e6 / (double)cpu, now->rows_out, now->epoch);
    close_node();
    arena_fini(&a);
    arena_fini(&now_arena);
    scratch_remove(dir);
}

/* ---- what exactly once costs */

struct lap {
    double wall_s, cpu_s;
};

static struct lap run_lap(bool commits, unsigned round)
{
    struct arena a;
    struct planlib pl;
    arena_init(&a);
    arena_init(&now_arena);
    planlib_init(&pl, &a, TASKS);
    engine_set_volatile(B.e, !commits);
    int64_t cpu = clock_cpu_us(), wall = clock_mono_us();
    put_job(make_plan(&pl));
    while (!caught_up() || now->lag > 0)
        clock_sleep_ms(5);
    wall = clock_mono_us() - wall;
    cpu = clock_cpu_us() - cpu;
    printf("%s commits=%s round=%u records=%" PRId64 " wall_s=%.3f cpu_s=%.3f per_s=%.0f per_cpu_s=%.0f out=%" PRIu64
           " epochs=%" PRId64 "\n",
           kinds[B.kind], commits ? "on" : "off", round, B.records, (double)wall / 1e6, (double)cpu / 1e6,
           (double)B.records * 1e6 / (double)wall, (double)B.records * 1e6 / (double)cpu, now->rows_out, now->epoch);
    fflush(stdout);
    remove_job();
    arena_fini(&a);
    arena_fini(&now_arena);
    return (struct lap){(double)wall / 1e6, (double)cpu / 1e6};
}

static int double_cmp(const void *pa, const void *pb)
{
    double a = *(const double *)pa, b = *(const double *)pb;
    return (a > b) - (a < b);
}

static void cost(unsigned rounds)
{
    double by_wall[ROUNDS_MAX], by_cpu[ROUNDS_MAX];
    char *dir = scratch_new();
    rounds = MIN(MAX(rounds, 1u), (unsigned)ROUNDS_MAX);
    open_node(dir);
    load_all();
    for (unsigned i = 0; i < rounds; i++) {
        struct lap laps[2]; /* off, on */
        for (unsigned k = 0; k < 2; k++) {
            bool on = (i + k) & 1;
            B.job.b[1]++;
            create_results();
            laps[on] = run_lap(on, i);
        }
        by_wall[i] = laps[0].wall_s / laps[1].wall_s;
        by_cpu[i] = laps[0].cpu_s / laps[1].cpu_s;
    }
    qsort(by_wall, rounds, sizeof *by_wall, double_cmp);
    qsort(by_cpu, rounds, sizeof *by_cpu, double_cmp);
    printf("cost %s rounds=%u on_to_off_per_cpu_s=%.3f on_to_off_per_s=%.3f\n", kinds[B.kind], rounds, by_cpu[rounds / 2],
           by_wall[rounds / 2]);
    close_node();
    scratch_remove(dir);
}

/* Opens the node again; seconds until its job runs. */
static double restart(const char *dir)
{
    int64_t wall = clock_mono_us();
    open_node(dir);
    while (!come_to(0))
        clock_sleep_ms(1);
    return (double)(clock_mono_us() - wall) / 1e6;
}

static void txn_cb(void *arg, int status)
{
    (void)arg;
    CHECK(status == 0);
    sem_post(&B.turn);
}

static void txn_new(struct msg *m)
{
    (void)m;
    B.txn = txn_open(B.b, "bench", 600000, B.loop[0]);
    txn_init(B.txn, txn_cb, NULL);
}

static void txn_next(struct msg *m)
{
    (void)m;
    txn_begin(B.txn, B.phase);
    sem_post(&B.turn);
}

static void txn_commit(struct msg *m)
{
    (void)m;
    txn_end(B.txn, true, txn_cb, NULL);
}

static void txn_over(struct msg *m)
{
    (void)m;
    txn_close(B.txn);
    B.txn = NULL;
    sem_post(&B.turn);
}

static void finish_rows(void)
{
    while (!come_to(made) || now->lag > 0)
        clock_sleep_ms(5);
}

/* So many records of a kind that come at once. */
static void measure(int phase, int64_t n, double fill, int64_t idle)
{
    int64_t from = made;
    B.phase = phase;
    B.records = made + n;
    on_loop(txn_next);
    while (made < B.records)
        on_loop(load_some);
    n = made - from;
    int64_t cpu = clock_cpu_us(), wall = clock_mono_us();
    on_loop(txn_commit);
    finish_rows();
    wall = clock_mono_us() - wall;
    cpu = clock_cpu_us() - cpu;
    printf("growth keys=%" PRId64 " %s shards=%u fill_per_s=%.0f wall_s=%.3f per_s=%.0f per_cpu_s=%.0f state_bytes=%" PRIu64
           " peak_bytes=%" PRId64 " resident_bytes=%" PRId64 "\n",
           B.keys, phase == ZIPF ? "zipf" : "uniform", B.nloops, fill, (double)wall / 1e6, (double)n * 1e6 / (double)wall,
           (double)n * 1e6 / (double)cpu, now->state_bytes, peak, resident - idle);
    fflush(stdout);
}

static void restarts(const char *dir)
{
    char state[4200];
    double clean = restart(dir);
    close_node();
    snprintf(state, sizeof state, "%s/state", dir);
    CHECK(disk_remove_tree(disk_real(), state) == 0);
    double nothing = restart(dir);
    printf("restart keys=%" PRId64 " clean_s=%.3f from_changelog_s=%.3f\n", B.keys, clean, nothing);
    close_node();
}

static void growth(void)
{
    struct arena a;
    struct planlib pl;
    char *dir = scratch_new();
    int64_t more = B.records;
    if (B.zipf)
        zipf_init(B.keys);
    open_node(dir);
    B.records = B.keys;
    load_all();
    create_results();
    arena_init(&a);
    arena_init(&now_arena);
    planlib_init(&pl, &a, TASKS);
    int64_t began = clock_mono_us(), idle = resident_now();
    put_job(growth_plan(&pl));
    finish_rows();
    double fill = (double)made * 1e6 / (double)(clock_mono_us() - began);
    on_loop(txn_new);
    if (B.zipf)
        measure(ZIPF, more, fill, idle);
    if (B.uniform)
        measure(UNIFORM, more, fill, idle);
    on_loop(txn_over);
    close_node();
    if (B.restarts)
        restarts(dir);
    arena_fini(&a);
    arena_fini(&now_arena);
    scratch_remove(dir);
}

int main(int argc, char **argv)
{
    bool costs = argc > 2 && strcmp(argv[1], "cost") == 0;
    if (costs) {
        argv++;
        argc--;
    }
    while (B.kind < KINDS && (argc < 2 || strcmp(argv[1], kinds[B.kind]) != 0))
        B.kind++;
    if (B.kind == KINDS || (B.kind == GROWTH && argc < 4)) {
        fprintf(stderr, "usage: bench_job filter|count|sums [records] [shards] [rounds] [ms between commits]\n"
                        "       bench_job cost count|sums [records] [shards] [rounds] [ms between commits]\n"
                        "       bench_job growth KEYS uniform|zipf|both [records] [shards] [MiB] [0: no restarts]\n");
        return 2;
    }
    if (B.kind == GROWTH) {
        B.keys = atoll(argv[2]);
        B.zipf = strcmp(argv[3], "uniform") != 0;
        B.uniform = strcmp(argv[3], "zipf") != 0;
        argv += 2;
        argc -= 2;
    }
    B.records = argc > 2 ? atoll(argv[2]) : 2000000;
    B.nloops = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
    sem_init(&B.turn, 0, 0);
    random_seed(&dice, 1);
    config_init(&B.conf);
    B.conf.log_retention_ms = -1;
    if (B.kind == GROWTH) {
        B.conf.state_memory = (argc > 4 ? atoll(argv[4]) : 512) << 20;
        B.restarts = argc <= 5 || strcmp(argv[5], "0") != 0;
        growth();
    }
    if (argc > 5 && B.kind != GROWTH)
        B.conf.commit_interval_ms = B.conf.commit_interval_min_ms = atoi(argv[5]) ? atoi(argv[5]) : 3600000;
    if (costs && argc <= 5)
        B.conf.commit_interval_ms = B.conf.commit_interval_min_ms = 100;
    if (costs)
        cost(argc > 4 ? (unsigned)atoi(argv[4]) : 3);
    for (int i = argc > 4 ? atoi(argv[4]) : 1; !costs && B.kind != GROWTH && i > 0; i--)
        one_round();
    config_fini(&B.conf);
    sem_destroy(&B.turn);
    return 0;
}
