/* Which stores a job's new plan takes over from the old one. */
#include "log/base/random.h"
#include "tests/lib/planlib.h"
#include "tests/lib/seed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct arena A;
static struct uuid id_of(uint8_t n) { return (struct uuid){{n}}; }
static const unsigned K[] = {0}, VK[] = {1, 0}, K01[] = {0, 1};

static int setup(void **state)
{
    (void)state;
    arena_init(&A);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    arena_fini(&A);
    return 0;
}

enum shape { SUM, SUM_PICKED, COUNT, SUM_OF_T, JOIN, JOIN_RIGHT_CHANGED, LOOKUP, LOOKUP_PICKED, LOOKUP_OTHER,
             LOOKUP_WIDER, WINDOWED, WINDOWED_PICKED, SETS, SETS_PICKED, NUMBERS, SESSIONS, SESSIONS_PICKED, LAST, LAST_PICKED, TOP,
             OVER, UNITED, SEMI, COPY, FIRST, NEAR, VERSIONS, NSHAPES };
static bool is_stream(enum shape s) { return (s >= LOOKUP && s <= LOOKUP_WIDER) || s >= COPY; }

static struct plan_node *sums(struct planlib *pl, const char *name, uint8_t topic, enum agg_kind kind)
{
    struct plan_node *s = pl_source(pl, name, id_of(topic), false);
    struct plan_node *part = pl_partial(pl, s, 1, K, kind, 1, 0, 0);
    return pl_final(pl, pl_exchange(pl, part, 1, K), part);
}

static struct plan_node *lookup(struct planlib *pl, bool picked, uint8_t table, bool wider)
{
    struct plan_node *s = pl_source(pl, "S", id_of(1), false), *t = pl_source(pl, "T", id_of(table), true);
    s = picked ? pl_pick(pl, s, 2, VK) : s;
    if (wider) {
        t = pl_pick(pl, t, 3, (unsigned[]){0, 1, 1});
        pl_set_key(pl, t, 0);
    }
    return pl_join(pl, PLAN_JOIN_LOOKUP, JOIN_LEFT, pl_exchange(pl, s, 1, K), pl_exchange(pl, t, 1, K), 0, 0);
}

static struct plan_node *windowed(struct planlib *pl)
{
    struct plan_node *w = pl_window(pl, pl_source(pl, "S", id_of(1), false), 60000, 0);
    struct plan_node *part = pl_partial(pl, w, 3, (unsigned[]){0, 2, 3}, AGG_SUM, 1, 60000, 0);
    return pl_final(pl, pl_exchange(pl, part, 1, K), part);
}

static struct plan_node *summed(struct planlib *pl, struct plan_node *n, unsigned by, unsigned value)
{
    return pl_aggregate(pl, pl_exchange(pl, n, 1, &by), 1, &by, AGG_SUM, value, 0, 0);
}

static struct plan_node *table(struct planlib *pl, const char *name, uint8_t topic)
{
    return pl_normalize(pl, pl_exchange(pl, pl_source(pl, name, id_of(topic), true), 1, K));
}

static struct plan_node *sessions(struct planlib *pl)
{
    const unsigned groups[] = {0, 2, 3};
    struct plan_node *w = pl_window(pl, pl_source(pl, "S", id_of(1), false), 1000, 0);
    w->window = WINDOW_SESSION;
    struct plan_node *part = pl_session(pl_partial(pl, w, 3, groups, AGG_SUM, 1, 1000, 0));
    return pl_session(pl_final(pl, pl_exchange(pl, part, 1, K), part));
}

/* What is in order, by time, or by sets: over streams S, and tables T, U. */
static struct plan_node *later_kind(struct planlib *pl, enum shape shape)
{
    struct plan_node *s = pl_source(pl, "S", id_of(1), false), *n;
    switch (shape) {
    case SETS:
    case SETS_PICKED:
        return summed(pl, pl_expand(pl, s, 1, K, 2, (bool[]){true, false}), 3, 1);
    case NUMBERS:
        return summed(pl, pl_numbers(pl, table(pl, "T", 2), 1), 2, 1);
    case SESSIONS:
    case SESSIONS_PICKED:
        return summed(pl, pl_pick(pl, sessions(pl), 2, (unsigned[]){0, shape == SESSIONS ? 3 : 1}), 0, 1);
    case LAST:
    case LAST_PICKED:
    case FIRST:
        n = pl_dedup(pl, pl_exchange(pl, s, 1, K), 1, K, shape != FIRST);
        break;
    case TOP:
        n = pl_top(pl, table(pl, "T", 2), 1, K, 1, 1);
        break;
    case OVER:
        n = pl_pick(pl, pl_sum_over(pl, table(pl, "T", 2), 0, 1, 3), 2, (unsigned[]){0, 2});
        break;
    case UNITED:
        return summed(pl, pl_union(pl, table(pl, "T", 2), table(pl, "U", 3)), 0, 1);
    case SEMI:
        n = pl_join(pl, PLAN_JOIN_TABLE, JOIN_SEMI, table(pl, "T", 2), table(pl, "U", 3), 0, 0);
        break;
    case NEAR:
        n = pl_join(pl, PLAN_JOIN_INTERVAL, JOIN_LEFT, pl_exchange(pl, s, 1, K),
                    pl_exchange(pl, pl_source(pl, "R", id_of(4), false), 1, K), 0, 0);
        return pl_pick(pl, n, 2, K01);
    default: /* VERSIONS */
        n = pl_exchange(pl, pl_source(pl, "T", id_of(2), true), 1, K);
        pl_set_key(pl, n, 0);
        return pl_pick(pl, pl_join(pl, PLAN_JOIN_TEMPORAL, JOIN_LEFT, pl_exchange(pl, s, 1, K), n, 0, 0), 2, K01);
    }
    if (shape != FIRST)
        pl_set_key(pl, n, 0);
    return n;
}

static struct plan *make(enum shape shape)
{
    struct planlib pl;
    struct plan_node *n, *r;
    planlib_init(&pl, &A, 4);
    switch (shape) {
    case SUM:
    case SUM_PICKED:
        n = sums(&pl, "S", 1, AGG_SUM);
        break;
    case COUNT:
        n = sums(&pl, "S", 1, AGG_COUNT);
        break;
    case SUM_OF_T:
        n = sums(&pl, "T", 2, AGG_SUM);
        break;
    case JOIN:
    case JOIN_RIGHT_CHANGED:
        r = sums(&pl, "T", 2, shape == JOIN ? AGG_SUM : AGG_MAX);
        n = pl_join(&pl, PLAN_JOIN_TABLE, JOIN_INNER, sums(&pl, "S", 1, AGG_SUM), r, 0, 0);
        break;
    case WINDOWED:
    case WINDOWED_PICKED:
        n = windowed(&pl);
        break;
    case COPY:
        n = pl_source(&pl, "S", id_of(1), false);
        break;
    case LOOKUP:
    case LOOKUP_PICKED:
    case LOOKUP_OTHER:
    case LOOKUP_WIDER:
        n = lookup(&pl, shape == LOOKUP_PICKED, shape == LOOKUP_OTHER ? 7 : 2, shape == LOOKUP_WIDER);
        break;
    default:
        n = later_kind(&pl, shape);
    }
    if (shape == SUM_PICKED || shape == WINDOWED_PICKED || shape == SETS_PICKED || shape == LAST_PICKED) {
        const unsigned cols[] = {0, 1, 2, 3};
        unsigned nkey = n->nkey;
        unsigned *key = n->key;
        n = pl_pick(&pl, n, n->out.n, cols);
        n->nkey = nkey, n->key = key;
    }
    unsigned value = n->out.n - 1;
    int window = shape == WINDOWED || shape == WINDOWED_PICKED ? 1 : -1;
    return planlib_done(&pl, pl_sink_topic(&pl, n, id_of(9), 0, value, window, window > 0 ? 60000 : 0));
}

static enum replace_fate fate_of(const struct plan_diff *d, enum plan_kind kind, const char *relation)
{
    for (unsigned i = 0; i < d->nstores + d->nsources; i++) {
        const struct replaced *r = i < d->nstores ? &d->stores[i] : &d->sources[i - d->nstores];
        if (r->node->kind == kind && (!relation || strcmp(r->node->relation, relation) == 0))
            return r->fate;
    }
    fail();
    return REPLACE_NEW;
}

static struct plan *replace(struct plan *old, enum shape shape, unsigned version, struct plan_diff *d)
{
    struct plan *p = make(shape);
    struct diag why = {0};
    assert_int_equal(plan_replace(old, p, version, &A, d), 0);
    if (plan_check(p, &why) != 0)
        fail_msg("%s", why.text);
    return p;
}

/* The same plan takes over everything, whatever its names are and wherever it would begin. */
static void test_same(void **state)
{
    (void)state;
    for (unsigned s = 0; s < NSHAPES; s++) {
        struct plan_diff d;
        struct plan *old = make(s), *new = make(s);
        new->sink->relation = "OTHER";
        struct plan_node *n = new->sink;
        while (n->ninputs)
            n = n->inputs[0];
        n->from_latest = !n->from_latest;
        n->relation = "OTHER";
        assert_int_equal(plan_replace(old, new, 1, &A, &d), 0);
        for (unsigned i = 0; i < d.nstores; i++)
            assert_int_equal(d.stores[i].fate, REPLACE_KEPT);
        for (unsigned i = 0; i < d.nsources; i++)
            assert_int_equal(d.sources[i].fate, REPLACE_KEPT);
        assert_int_equal(d.ndropped, 0);
        assert_int_equal(new->sink->again, 0);
    }
}

/* A projection above groups leaves them as they are: they are given once more to the sink, and nothing is read
 * again. */
static void test_again(void **state)
{
    (void)state;
    struct plan_diff d;
    struct plan *p = replace(make(SUM), SUM_PICKED, 1, &d);
    assert_int_equal(fate_of(&d, PLAN_AGGREGATE, NULL), REPLACE_AGAIN);
    assert_int_equal(fate_of(&d, PLAN_SOURCE, "S"), REPLACE_KEPT);
    assert_int_equal(fate_of(&d, PLAN_SINK_TOPIC, NULL), REPLACE_NEW);
    assert_int_equal(p->sink->again, 1);
    assert_int_equal(d.ndropped, 0); /* the sink's rows were the groups' */
    /* The next version is the same: what version 1 wanted again stays due until it has been done. */
    p = replace(p, SUM_PICKED, 2, &d);
    assert_int_equal(p->sink->again, 1);
    assert_int_equal(fate_of(&d, PLAN_AGGREGATE, NULL), REPLACE_KEPT);
}

/* A table planned when sinks kept their rows goes on as one that keeps none; the other way round its rows are made
 * anew. */
static void test_derived(void **state)
{
    (void)state;
    struct plan_diff d;
    struct plan *old = make(SUM), *p;
    assert_true(old->sink->derived && !plan_node_keeps(old->sink));
    old->sink->derived = false;
    assert_true(plan_node_keeps(old->sink));
    p = replace(old, SUM, 1, &d);
    assert_true(p->sink->derived);
    assert_int_equal(fate_of(&d, PLAN_SINK_TOPIC, NULL), REPLACE_KEPT);
    assert_int_equal(fate_of(&d, PLAN_AGGREGATE, NULL), REPLACE_KEPT);
    old = p;
    p = make(SUM);
    p->sink->derived = false;
    assert_int_equal(plan_replace(old, p, 2, &A, &d), 0);
    assert_int_equal(fate_of(&d, PLAN_SINK_TOPIC, NULL), REPLACE_NEW);
    assert_int_equal(fate_of(&d, PLAN_AGGREGATE, NULL), REPLACE_AGAIN);
    assert_int_equal(p->sink->again, 2);
}

/* Closed windows have no groups any more, so that windows are rebuilt, and what feeds them is read again. */
static void test_windows(void **state)
{
    (void)state;
    struct plan_diff d;
    (void)replace(make(WINDOWED), WINDOWED_PICKED, 1, &d);
    assert_int_equal(fate_of(&d, PLAN_AGGREGATE, NULL), REPLACE_NEW);
    assert_int_equal(fate_of(&d, PLAN_WINDOW, NULL), REPLACE_NEW);
    assert_int_equal(fate_of(&d, PLAN_SOURCE, "S"), REPLACE_NEW);
    assert_int_equal(d.ndropped, 3);
}

/* Grouping sets keep nothing of their own: a projection above their groups leaves these as they are. Rows by event time and
 * sessions are not given once more: what was over has gone. */
static void test_later_kinds(void **state)
{
    (void)state;
    struct plan_diff d;
    (void)replace(make(SETS), SETS_PICKED, 1, &d);
    assert_int_equal(fate_of(&d, PLAN_AGGREGATE, NULL), REPLACE_AGAIN);
    assert_int_equal(fate_of(&d, PLAN_SOURCE, "S"), REPLACE_KEPT);
    (void)replace(make(SESSIONS), SESSIONS_PICKED, 1, &d);
    assert_int_equal(fate_of(&d, PLAN_SESSION, NULL), REPLACE_NEW);
    assert_int_equal(fate_of(&d, PLAN_SOURCE, "S"), REPLACE_NEW);
    (void)replace(make(LAST), LAST_PICKED, 1, &d);
    assert_int_equal(fate_of(&d, PLAN_DEDUP, NULL), REPLACE_NEW);
    assert_int_equal(fate_of(&d, PLAN_SOURCE, "S"), REPLACE_NEW);
}

/* Of a join of two tables the side that stays is given once more, the other is read again. */
static void test_sides(void **state)
{
    (void)state;
    struct plan_diff d;
    struct plan *old = make(JOIN), *p = replace(old, JOIN_RIGHT_CHANGED, 1, &d);
    assert_int_equal(fate_of(&d, PLAN_SOURCE, "S"), REPLACE_KEPT);
    assert_int_equal(fate_of(&d, PLAN_SOURCE, "T"), REPLACE_NEW);
    assert_int_equal(fate_of(&d, PLAN_JOIN_TABLE, NULL), REPLACE_NEW);
    const struct plan_node *left = p->sink->inputs[0]->inputs[0];
    assert_int_equal(left->again, 1);
    assert_int_equal(left->store, old->sink->inputs[0]->inputs[0]->store);
}

/* The table of a stream-table join stays when only the stream changes; the stream goes on. Another table is read
 * whole. */
static void test_lookup(void **state)
{
    (void)state;
    struct plan_diff d;
    (void)replace(make(LOOKUP), LOOKUP_PICKED, 1, &d);
    assert_int_equal(fate_of(&d, PLAN_JOIN_LOOKUP, NULL), REPLACE_KEPT);
    assert_int_equal(fate_of(&d, PLAN_SOURCE, "S"), REPLACE_KEPT);
    assert_int_equal(fate_of(&d, PLAN_SOURCE, "T"), REPLACE_KEPT);
    (void)replace(make(LOOKUP), LOOKUP_WIDER, 1, &d);
    assert_int_equal(fate_of(&d, PLAN_JOIN_LOOKUP, NULL), REPLACE_NEW);
    assert_int_equal(fate_of(&d, PLAN_SOURCE, "S"), REPLACE_KEPT);
    assert_int_equal(fate_of(&d, PLAN_SOURCE, "T"), REPLACE_NEW);
    (void)replace(make(LOOKUP), LOOKUP_OTHER, 1, &d);
    assert_int_equal(fate_of(&d, PLAN_JOIN_LOOKUP, NULL), REPLACE_NEW);
    assert_int_equal(fate_of(&d, PLAN_SOURCE, "S"), REPLACE_KEPT);
    assert_int_equal(fate_of(&d, PLAN_SOURCE, "T"), REPLACE_NEW);
}

/* Through any history of versions: what is kept had the same identity under that number before, a fresh number was
 * never given, and a source goes on only below what is kept whole or given once more. */
static const struct plan_node *with_store(const struct plan_node *n, unsigned store, enum plan_kind kind)
{
    if (n->store == store && n->kind == kind && (kind == PLAN_SOURCE || plan_node_keeps(n) || n->derived))
        return n;
    for (unsigned i = 0; i < n->ninputs; i++) {
        const struct plan_node *m = with_store(n->inputs[i], store, kind);
        if (m)
            return m;
    }
    return NULL;
}

static void check_new_above(const struct plan_node *n, const struct plan *old, bool fresh_above, bool again_above)
{
    bool kept = with_store(old->sink, n->store, n->kind) != NULL;
    if (n->kind == PLAN_SOURCE && fresh_above && !again_above)
        assert_false(kept);
    bool keeps = plan_node_keeps(n), again = again_above || (keeps && n->again && n->kind == PLAN_AGGREGATE);
    for (unsigned i = 0; i < n->ninputs; i++) {
        bool feeds = keeps && (n->kind != PLAN_JOIN_LOOKUP || i == 1);
        check_new_above(n->inputs[i], old, fresh_above || (feeds && !kept), again);
    }
}

static void test_histories(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    for (unsigned round = 0; round < 200; round++) {
        bool stream = random_below(&r, 2);
        enum shape s;
        struct plan_diff d;
        do
            s = (enum shape)random_below(&r, NSHAPES);
        while (is_stream(s) != stream);
        struct plan *p = make(s);
        for (unsigned version = 1; version < 12; version++) {
            do
                s = (enum shape)random_below(&r, NSHAPES);
            while (is_stream(s) != stream);
            struct plan *old = p;
            p = replace(old, s, version, &d);
            for (unsigned i = 0; i < d.nstores + d.nsources; i++) {
                const struct replaced *x = i < d.nstores ? &d.stores[i] : &d.sources[i - d.nstores];
                const struct plan_node *m = with_store(old->sink, x->node->store, x->node->kind);
                assert_true((m != NULL) == (x->fate != REPLACE_NEW));
                assert_true(m || x->node->store >= old->next_store);
            }
            check_new_above(p->sink, old, false, false);
        }
        arena_reset(&A);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same, setup, teardown),
        cmocka_unit_test_setup_teardown(test_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_derived, setup, teardown),
        cmocka_unit_test_setup_teardown(test_windows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_later_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sides, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lookup, setup, teardown),
        cmocka_unit_test_setup_teardown(test_histories, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
