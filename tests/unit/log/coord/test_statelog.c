#include "log/base/limits.h"
#include "log/base/map.h"
#include "log/base/trace.h"
#include "log/coord/statelog.h"
#include "tests/lib/seed.h"
#include "tests/lib/simdisk.h"
#include "tests/lib/simloop.h"
#include "tests/unit/unit.h"
#include <stdio.h>

const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; } /* what a crash leaves behind is lost on purpose */

enum { NPARTS = 4, NLOOPS = 3, KEYS = 12 };

struct world {
    struct sim *sim;
    struct simdisk *sd;
    struct config conf;
    struct loop *loops[NLOOPS];
    struct store *st;
    struct cluster *cl;
    struct statelog *sl;
    int64_t acked[KEYS]; /* the newest value of each key that was durable; 0: none */
    int64_t tried[KEYS]; /* the newest that was tried */
};

/* ---- a class that remembers each key's newest value as text */

struct table {
    struct map map;
};

static void *table_open(void *arg, struct statelog_part *lp)
{
    (void)arg, (void)lp;
    struct table *t = xzalloc(sizeof *t);
    map_init(&t->map);
    return t;
}

static void table_record(void *state, const struct recbatch *rb, const struct record *rec)
{
    (void)rb;
    struct table *t = state;
    xfree(map_remove(&t->map, rec->key));
    if (rec->value.ptr)
        map_put(&t->map, rec->key, xstrndup(rec->value.ptr, rec->value.len));
}

static void table_marker(void *state, int64_t pid, int16_t epoch, bool commit)
{
    (void)state, (void)pid, (void)epoch, (void)commit;
}

static void table_loaded(void *state) { (void)state; }

static void table_close(void *state)
{
    struct table *t = state;
    size_t i = 0;
    for (char *v; (v = map_next(&t->map, &i));)
        xfree(v);
    map_fini(&t->map);
    xfree(t);
}

static const struct statelog_class table_class = {
    .topic = "__tables", .open = table_open, .record = table_record, .marker = table_marker, .loaded = table_loaded,
    .close = table_close};

/* ---- a node */

static void node_open(struct world *w)
{
    struct diag d = {.text = ""};
    for (unsigned i = 0; i < NLOOPS; i++)
        w->loops[i] = sim_loop(w->sim, i);
    if (store_open(&w->st, simdisk_disk(w->sd), "/data", w->loops, NLOOPS, &w->conf, &d) < 0 ||
        cluster_open(&w->cl, w->st, w->loops[0], &w->conf, &d) < 0)
        fail_msg("%s", d.text);
    struct statelog_conf lc = {.cls = &table_class, .store = w->st, .cluster = w->cl, .loops = w->loops,
                               .nloops = NLOOPS, .nparts = NPARTS};
    statelog_open(&w->sl, &lc);
}

static void node_close(struct world *w)
{
    sim_run_idle(w->sim);
    statelog_close(w->sl);
    cluster_close(w->cl);
    store_close(w->st);
    sim_crash(w->sim); /* what the store's timers had begun */
}

static void world_open(struct world *w, uint64_t seed)
{
    *w = (struct world){.sim = sim_new(seed), .sd = simdisk_new(seed ^ 5)};
    config_init(&w->conf);
    w->conf.wal_bytes = 65536;
    node_open(w);
}

static void world_close(struct world *w)
{
    node_close(w);
    sim_free(w->sim);
    simdisk_free(w->sd);
    config_fini(&w->conf);
}

/* ---- one step: ask for the key's part, look, maybe write */

struct step {
    struct world *w;
    struct statelog_ask ask;
    struct statelog_write write;
    int key;
    int64_t value; /* to write; 0: only look */
    int64_t seen;
    int16_t error;
    bool done;
};

static void step_written(struct statelog_write *write, int status)
{
    struct step *s = container_of(write, struct step, write);
    assert_int_equal(status, 0);
    s->w->acked[s->key] = s->value;
    s->done = true;
}

static void step_run(struct statelog_ask *ask, struct statelog_part *lp, void *state, int16_t error)
{
    struct step *s = container_of(ask, struct step, ask);
    char key[16], value[24];
    s->error = error;
    s->done = true;
    if (error)
        return;
    struct table *t = state;
    snprintf(key, sizeof key, "key-%d", s->key);
    const char *now = map_get(&t->map, str_of(key));
    s->seen = now ? atoll(now) : 0;
    if (!s->value)
        return;
    s->done = false;
    snprintf(value, sizeof value, "%lld", (long long)s->value);
    xfree(map_put(&t->map, str_of(key), xstrdup(value)));
    s->write = (struct statelog_write){.done_cb = step_written, .producer_id = -1};
    s->w->tried[s->key] = s->value;
    statelog_append(lp, &s->write, &(struct statelog_record){str_of(key), str_of(value)}, 1);
}

static void step_start(struct step *s, struct world *w, int key, int64_t value, bool wait)
{
    char name[16];
    snprintf(name, sizeof name, "key-%d", key);
    *s = (struct step){.w = w, .key = key, .value = value};
    s->ask = (struct statelog_ask){.index = statelog_index(w->sl, str_of(name)), .wait = wait, .ask_cb = step_run,
                                   .loop = w->loops[random_below(sim_random(w->sim), NLOOPS)]};
    statelog_ask(w->sl, &s->ask);
}

static void step_wait(struct step *s)
{
    while (!s->done)
        assert_true(sim_step(s->w->sim));
}

/* Java's String.hashCode decides the partition, so that Kafka's tools find it. */
static void test_hash(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, 1);
    static const struct {
        const char *key;
        uint32_t hash;
    } known[] = {{"abc", 96354}, {"", 0}, {"\xf0\x9f\x98\x80", 1772899}, {"\xc3\xa4", 228}, {"hello", 99162322}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        assert_int_equal(statelog_index(w.sl, str_of(known[i].key)), known[i].hash % NPARTS);
    world_close(&w);
}

/* What was acknowledged is the state after any crash, and nothing older ever is. */
static void test_crashes(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int round = 0; round < 20; round++) {
        struct world w;
        world_open(&w, seed + (uint64_t)round);
        int64_t value = 0;
        for (int crash = 0; crash < 4; crash++) {
            struct step steps[40];
            for (int i = 0; i < 40; i++) {
                step_start(&steps[i], &w, (int)random_below(sim_random(w.sim), KEYS), ++value, true);
                for (uint64_t n = random_below(sim_random(w.sim), 30); n > 0; n--)
                    sim_step(w.sim);
            }
            sim_crash(w.sim);
            simdisk_crash(w.sd, random_chance(sim_random(w.sim), 0.5) ? SIMDISK_LOSE : SIMDISK_CRASH);
            node_open(&w);
            for (int k = 0; k < KEYS; k++) {
                struct step s;
                step_start(&s, &w, k, 0, true);
                step_wait(&s);
                assert_int_equal(s.error, 0);
                assert_true(s.seen >= w.acked[k] && s.seen <= w.tried[k]);
                w.acked[k] = s.seen;
            }
        }
        world_close(&w);
    }
}

/* Who does not want to wait is told that the log is being read. */
static void test_loading(void **state)
{
    (void)state;
    struct world w;
    struct step s;
    world_open(&w, 3);
    step_start(&s, &w, 1, 7, false); /* a topic that is made just now is nothing to wait for */
    step_wait(&s);
    assert_int_equal(s.error, 0);
    node_close(&w);
    node_open(&w);
    int loading = 0;
    do {
        step_start(&s, &w, 1, 0, false);
        step_wait(&s);
        loading += s.error == K_COORDINATOR_LOADING;
    } while (s.error == K_COORDINATOR_LOADING);
    assert_int_equal(s.error, 0);
    assert_int_equal(s.seen, 7);
    assert_true(loading > 0);
    world_close(&w);
}

static void committed(struct commit *c, int status)
{
    assert_int_equal(status, 0);
    c->change = NULL;
}

/* A topic that is deleted takes its state with it; the next ask begins anew. */
static void test_deleted(void **state)
{
    (void)state;
    struct world w;
    struct step s;
    world_open(&w, 4);
    step_start(&s, &w, 1, 7, true);
    step_wait(&s);
    struct image *im = cluster_image(w.cl);
    struct change ch;
    change_init(&ch);
    change_delete_topic(&ch, image_topic(im, STR("__tables"))->id);
    counted_release(&im->c);
    struct commit c = {.from = w.loops[0], .change = &ch, .done_cb = committed};
    cluster_commit(w.cl, &c);
    while (c.change)
        assert_true(sim_step(w.sim));
    change_fini(&ch);
    step_start(&s, &w, 1, 0, true);
    step_wait(&s);
    assert_int_equal(s.error, 0);
    assert_int_equal(s.seen, 0);
    world_close(&w);
}

int main(void)
{
    trace_level = ERROR;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hash), cmocka_unit_test(test_crashes),
                                       cmocka_unit_test(test_loading), cmocka_unit_test(test_deleted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
