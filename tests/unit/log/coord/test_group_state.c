/* The machine of a classic group: what each request is answered in each phase, and a random walk of members that come,
 * go, sleep and repeat themselves, against what must always hold. */
#include "log/base/random.h"
#include "log/coord/group_state.h"
#include "log/wire/wire.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"
#include <stdio.h>

/* ---- a rig: what was answered, by waiter */

enum { ANSWERS = 64 };
struct answer {
    int n;
    int16_t error;
    int32_t generation;
    char leader[80], member_id[80], protocol[40], assignment[80];
    unsigned npeers;
    bool skip;
};
static struct answer answers[ANSWERS];
static struct group_state g;
static uint64_t ticket; /* asked to be stored, not told yet; 0: none */
static struct group_conf conf;
static int64_t now;
static int ids;
static unsigned nanswers;

static void text(char *out, size_t size, struct str s) { snprintf(out, size, "%.*s", STR_ARG(s)); }

static void on_joined(void *arg, void *waiter, const struct group_joined *a)
{
    (void)arg;
    struct answer *to = waiter;
    to->n++;
    to->error = a->error;
    to->generation = a->generation;
    to->npeers = a->npeers;
    to->skip = a->skip_assignment;
    text(to->leader, sizeof to->leader, a->leader);
    text(to->member_id, sizeof to->member_id, a->member_id);
    text(to->protocol, sizeof to->protocol, a->protocol);
}

static void on_synced(void *arg, void *waiter, const struct group_synced *a)
{
    (void)arg;
    struct answer *to = waiter;
    to->n++;
    to->error = a->error;
    text(to->assignment, sizeof to->assignment, a->assignment);
}

static void on_store(void *arg, uint64_t t)
{
    (void)arg;
    ticket = t;
}

static const struct group_out out = {on_joined, on_synced, on_store};

static int setup(void **state)
{
    (void)state;
    memset(answers, 0, sizeof answers);
    conf = (struct group_conf){6000, 1800000, 3000, 100};
    now = 1000000;
    ticket = 0;
    nanswers = 0;
    group_state_init(&g, STR("g"), &conf, &out, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    group_state_fini(&g);
    return 0;
}

static void at(int64_t ms)
{
    now = ms;
    group_state_clock(&g, now, now);
    while (group_state_next_ms(&g) <= now)
        group_state_tick(&g);
    group_state_check(&g);
}

static void pass(int64_t ms)
{
    for (int64_t end = now + ms; now < end;)
        at(MIN(end, MAX(group_state_next_ms(&g), now + 1)));
}

static void stored(int16_t error)
{
    uint64_t t = ticket;
    assert_true(t != 0);
    ticket = 0;
    group_state_clock(&g, now, now);
    group_state_stored(&g, t, error);
    group_state_check(&g);
}

static struct answer *next_answer(void)
{
    struct answer *a = &answers[nanswers++ % ANSWERS];
    memset(a, 0, sizeof *a);
    return a;
}

/* What most tests join with; they change what they are about. */
static struct group_join join_of(const char *member_id, const char *instance_id)
{
    static const struct group_protocol range = {{"range", 5}, {"meta", 4}};
    static char fresh[32];
    snprintf(fresh, sizeof fresh, "m%d", ++ids);
    return (struct group_join){.member_id = str_of(member_id), .instance_id = str_of(instance_id),
                               .client_id = STR("client"), .client_host = STR("host"), .fresh_id = str_of(fresh),
                               .protocol_type = STR("consumer"), .protocols = &range, .nprotocols = 1,
                               .session_timeout_ms = 10000, .rebalance_timeout_ms = 60000};
}

static struct answer *join(struct group_join j)
{
    struct answer *a = next_answer();
    j.waiter = a;
    group_state_clock(&g, now, now);
    group_state_join(&g, &j);
    group_state_check(&g);
    return a;
}

static struct answer *sync_as(const char *id, int32_t generation, const char *for_whom)
{
    struct answer *a = next_answer();
    struct group_assignment all[16];
    unsigned n = 0;
    char *save = NULL, *copy = for_whom ? strdup(for_whom) : NULL;
    for (char *w = copy ? strtok_r(copy, " ", &save) : NULL; w; w = strtok_r(NULL, " ", &save))
        all[n++] = (struct group_assignment){str_of(w), str_of(w)};
    struct group_sync s = {.member_id = str_of(id), .generation = generation, .assignments = all, .nassignments = n,
                           .waiter = a};
    group_state_clock(&g, now, now);
    group_state_sync(&g, &s);
    group_state_check(&g);
    free(copy);
    return a;
}

static int16_t beat(const char *id, int32_t generation)
{
    group_state_clock(&g, now, now);
    return group_state_beat(&g, str_of(id), STR_NULL, generation);
}

static int16_t may_commit(const char *id, int32_t generation, bool txn)
{
    group_state_clock(&g, now, now);
    return group_state_may_commit(&g, str_of(id), STR_NULL, generation, txn);
}

/* A stable group of two: first leads, both have assignments named like themselves. */
static char first[80], second[80];
static void stable_pair(const char *instance)
{
    struct answer *a = join(join_of("", instance)), *b = join(join_of("", NULL));
    pass(7000);
    assert_int_equal(a->n, 1);
    assert_int_equal(a->error, 0);
    assert_int_equal(b->n, 1);
    text(first, sizeof first, str_of(a->member_id));
    text(second, sizeof second, str_of(b->member_id));
    assert_string_equal(b->leader, first);
    assert_int_equal(a->npeers, 2);
    assert_int_equal(b->npeers, 0);
    char both[170];
    snprintf(both, sizeof both, "%s %s", first, second);
    struct answer *sb = sync_as(second, g.generation, NULL), *sa = sync_as(first, g.generation, both);
    assert_int_equal(sa->n + sb->n, 0); /* not before it is durable */
    stored(0);
    assert_int_equal(sa->n, 1);
    assert_string_equal(sa->assignment, first);
    assert_string_equal(sb->assignment, second);
    assert_true(group_state_is(&g, GROUP_STABLE));
}

/* ---- rules */

static void members_that_start_together_share_the_first_generation(void **state)
{
    (void)state;
    struct answer *a = join(join_of("", NULL));
    pass(2000);
    struct answer *b = join(join_of("", NULL));
    pass(2000); /* 3 s have passed, but somebody came */
    assert_int_equal(a->n + b->n, 0);
    pass(3000);
    assert_int_equal(a->n, 1);
    assert_int_equal(b->n, 1);
    assert_int_equal(a->generation, 1);
    assert_int_equal(b->generation, 1);
}

static void a_new_member_learns_its_id_before_it_joins(void **state)
{
    (void)state;
    struct group_join j = join_of("", NULL);
    j.need_id = true;
    struct answer *a = join(j);
    assert_int_equal(a->error, K_MEMBER_ID_REQUIRED);
    assert_true(group_state_is(&g, GROUP_EMPTY));
    j = join_of(a->member_id, NULL);
    struct answer *b = join(j);
    pass(3500);
    assert_int_equal(b->error, 0);
    assert_string_equal(b->member_id, a->member_id);
    j = join_of("", NULL);
    j.need_id = true;
    a = join(j);
    pass(10001); /* it did not come in time */
    assert_int_equal(join(join_of(a->member_id, NULL))->error, K_UNKNOWN_MEMBER);
}

static void errors_of_joins(void **state)
{
    (void)state;
    static const struct group_protocol other = {{"other", 5}, {"", 0}};
    struct group_join j = join_of("", NULL);
    j.session_timeout_ms = 5999;
    assert_int_equal(join(j)->error, K_INVALID_SESSION_TIMEOUT);
    j.session_timeout_ms = 1800001;
    assert_int_equal(join(j)->error, K_INVALID_SESSION_TIMEOUT);
    j = join_of("nobody", NULL);
    assert_int_equal(join(j)->error, K_UNKNOWN_MEMBER);
    j = join_of("", NULL);
    j.protocol_type = STR("");
    assert_int_equal(join(j)->error, K_INCONSISTENT_PROTOCOL);
    j = join_of("", NULL);
    j.nprotocols = 0;
    assert_int_equal(join(j)->error, K_INCONSISTENT_PROTOCOL);
    stable_pair("static");
    j = join_of("", NULL);
    j.protocols = &other;
    assert_int_equal(join(j)->error, K_INCONSISTENT_PROTOCOL);
    j = join_of("", NULL);
    j.protocol_type = STR("connect");
    assert_int_equal(join(j)->error, K_INCONSISTENT_PROTOCOL);
    assert_int_equal(join(join_of("somebody", "static"))->error, K_FENCED_INSTANCE_ID);
    assert_int_equal(join(join_of(second, "elsewhere"))->error, K_UNKNOWN_MEMBER);
    conf.size_max = 2;
    assert_int_equal(join(join_of("", NULL))->error, K_GROUP_MAX_SIZE);
    assert_true(group_state_is(&g, GROUP_STABLE));
    group_state_clock(&g, now, now);
    group_state_kill(&g);
    assert_int_equal(join(join_of("", NULL))->error, K_COORDINATOR_NOT_AVAILABLE);
}

/* The codes of heartbeats, syncs, commits and leaves in each phase. */
static void errors_in_each_phase(void **state)
{
    (void)state;
    assert_int_equal(beat("nobody", 0), K_UNKNOWN_MEMBER);
    assert_int_equal(may_commit("", -1, false), 0); /* a consumer that assigns itself */
    assert_int_equal(may_commit("nobody", 0, false), K_UNKNOWN_MEMBER);
    assert_int_equal(sync_as("nobody", 0, NULL)->error, K_UNKNOWN_MEMBER);
    stable_pair("static");
    int32_t gen = g.generation;
    /* stable */
    assert_int_equal(beat(first, gen), 0);
    assert_int_equal(beat(first, gen - 1), K_ILLEGAL_GENERATION);
    assert_int_equal(beat(first, gen + 1), K_ILLEGAL_GENERATION);
    assert_int_equal(group_state_beat(&g, str_of(second), STR("static"), gen), K_FENCED_INSTANCE_ID);
    assert_int_equal(group_state_beat(&g, str_of(second), STR("else"), gen), K_UNKNOWN_MEMBER);
    assert_int_equal(may_commit("", -1, false), K_UNKNOWN_MEMBER);
    assert_int_equal(may_commit("", -1, true), 0);
    assert_int_equal(may_commit(first, gen, false), 0);
    assert_int_equal(may_commit(first, gen - 1, false), K_ILLEGAL_GENERATION);
    assert_int_equal(may_commit(first, gen - 1, true), K_ILLEGAL_GENERATION);
    assert_int_equal(may_commit("nobody", gen, true), K_UNKNOWN_MEMBER);
    assert_int_equal(sync_as(first, gen - 1, NULL)->error, K_ILLEGAL_GENERATION);
    struct answer *again = sync_as(second, gen, NULL); /* its answer was lost */
    assert_int_equal(again->n, 1);
    assert_string_equal(again->assignment, second);
    /* preparing: the leader joins again */
    struct answer *a = join(join_of(first, "static"));
    assert_true(group_state_is(&g, GROUP_PREPARING));
    assert_int_equal(beat(second, gen), K_REBALANCE_IN_PROGRESS);
    assert_int_equal(may_commit(second, gen, false), 0);
    assert_int_equal(sync_as(second, gen, NULL)->error, K_REBALANCE_IN_PROGRESS);
    /* completing */
    struct answer *b = join(join_of(second, NULL));
    assert_true(group_state_is(&g, GROUP_COMPLETING));
    assert_int_equal(a->generation, gen + 1);
    assert_int_equal(b->generation, gen + 1);
    gen++;
    assert_int_equal(beat(second, gen), 0);
    assert_int_equal(may_commit(second, gen, false), K_REBALANCE_IN_PROGRESS);
    assert_int_equal(may_commit(second, gen, true), 0);
    struct answer *waits = sync_as(second, gen, NULL);
    assert_int_equal(waits->n, 0);
    /* somebody else comes: who waited is told */
    struct answer *c = join(join_of("", NULL));
    assert_int_equal(waits->error, K_REBALANCE_IN_PROGRESS);
    assert_int_equal(c->n, 0);
    /* leaving */
    assert_int_equal(group_state_leave(&g, STR("nobody"), STR_NULL), K_UNKNOWN_MEMBER);
    assert_int_equal(group_state_leave(&g, STR(""), STR("nobody")), K_UNKNOWN_MEMBER);
    assert_int_equal(group_state_leave(&g, str_of(second), STR("static")), K_FENCED_INSTANCE_ID);
    assert_int_equal(group_state_leave(&g, str_of(second), STR_NULL), 0);
    assert_int_equal(group_state_leave(&g, STR(""), STR("static")), 0);
    assert_int_equal(c->n, 1);
    assert_string_equal(c->leader, c->member_id);
    group_state_kill(&g);
    assert_int_equal(beat(first, gen), K_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(may_commit(first, gen, false), K_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(sync_as(first, gen, NULL)->error, K_COORDINATOR_NOT_AVAILABLE);
}

static void a_follower_that_joins_again_unchanged_moves_nobody(void **state)
{
    (void)state;
    stable_pair(NULL);
    int32_t gen = g.generation;
    struct answer *b = join(join_of(second, NULL));
    assert_int_equal(b->n, 1);
    assert_int_equal(b->generation, gen);
    assert_true(group_state_is(&g, GROUP_STABLE));
    join(join_of(first, NULL)); /* the leader's does */
    assert_true(group_state_is(&g, GROUP_PREPARING));
}

static void silent_members_are_dropped_and_the_rest_share_anew(void **state)
{
    (void)state;
    stable_pair(NULL);
    for (int i = 0; i < 4; i++) {
        pass(3000);
        if (group_state_is(&g, GROUP_STABLE))
            assert_int_equal(beat(second, g.generation), 0);
    }
    assert_int_equal(beat(first, g.generation), K_UNKNOWN_MEMBER);
    assert_int_equal(beat(second, g.generation), K_REBALANCE_IN_PROGRESS);
    struct answer *b = join(join_of(second, NULL));
    assert_int_equal(b->error, 0);
    assert_string_equal(b->leader, second);
}

static void members_that_do_not_join_again_are_dropped(void **state)
{
    (void)state;
    stable_pair(NULL);
    struct answer *a = join(join_of(first, NULL));
    for (int i = 0; i < 11; i++) {
        pass(5500);
        if (a->n == 0)
            assert_int_equal(beat(second, 1), K_REBALANCE_IN_PROGRESS);
    }
    assert_int_equal(a->n, 1);
    assert_int_equal(a->npeers, 1);
    assert_int_equal(beat(second, 1), K_UNKNOWN_MEMBER);
}

static void a_leader_that_never_assigns_is_dropped(void **state)
{
    (void)state;
    stable_pair(NULL);
    join(join_of(first, NULL));
    join(join_of(second, NULL));
    int32_t gen = g.generation;
    struct answer *waits = sync_as(second, gen, NULL);
    for (int i = 0; i < 13; i++) {
        pass(5000);
        beat(first, gen);
    }
    assert_int_equal(waits->error, K_REBALANCE_IN_PROGRESS);
    assert_int_equal(beat(first, gen), K_UNKNOWN_MEMBER);
}

static void a_static_member_returns_without_a_rebalance(void **state)
{
    (void)state;
    stable_pair("static");
    int32_t gen = g.generation;
    struct answer *a = join(join_of("", "static"));
    assert_int_equal(a->n, 0); /* its new id is not durable yet */
    stored(0);
    assert_int_equal(a->n, 1);
    assert_int_equal(a->generation, gen);
    assert_string_equal(a->leader, first); /* not itself: it must not assign */
    assert_string_not_equal(a->member_id, first);
    assert_int_equal(group_state_beat(&g, str_of(first), STR("static"), gen), K_FENCED_INSTANCE_ID);
    assert_int_equal(beat(a->member_id, gen), 0);
    assert_string_equal(sync_as(a->member_id, gen, NULL)->assignment, first); /* what it had */
    struct group_join j = join_of("", "static");
    j.can_skip = true;
    a = join(j);
    stored(0);
    assert_true(a->skip);
    assert_string_equal(a->leader, a->member_id);
    assert_int_equal(a->npeers, 2);
    a = join(join_of("", "static"));
    stored(K_NOT_COORDINATOR);
    assert_int_equal(a->error, K_NOT_COORDINATOR);
}

static void an_assignment_that_cannot_be_stored_is_not_handed_out(void **state)
{
    (void)state;
    stable_pair(NULL);
    struct answer *a = join(join_of(first, NULL));
    join(join_of(second, NULL));
    struct answer *sa = sync_as(first, a->generation, second), *sb = sync_as(second, a->generation, NULL);
    stored(K_NOT_COORDINATOR);
    assert_int_equal(sa->error, K_NOT_COORDINATOR);
    assert_int_equal(sb->error, K_NOT_COORDINATOR);
    assert_true(group_state_is(&g, GROUP_PREPARING));
}

static void nobody_keeps_an_assignment_of_an_older_generation(void **state)
{
    (void)state;
    stable_pair(NULL);
    join(join_of(first, NULL));
    join(join_of(second, NULL));
    struct answer *sb = sync_as(second, g.generation, NULL);
    sync_as(first, g.generation, first); /* nothing for the second */
    stored(0);
    assert_int_equal(sb->n, 1);
    assert_string_equal(sb->assignment, "");
}

static void most_votes_choose_the_protocol(void **state)
{
    (void)state;
    struct group_protocol a[] = {{STR("range"), STR("r")}, {STR("sticky"), STR("s")}, {STR("own"), STR("")}};
    struct group_protocol b[] = {{STR("sticky"), STR("s")}, {STR("range"), STR("r")}};
    struct group_join j = join_of("", NULL);
    j.protocols = a;
    j.nprotocols = 3;
    struct answer *x = join(j);
    for (int i = 0; i < 2; i++) {
        j = join_of("", NULL);
        j.protocols = b;
        j.nprotocols = 2;
        join(j);
    }
    pass(7000);
    assert_string_equal(x->protocol, "sticky");
}

static void subscriptions_of_consumers_are_looked_into(void **state)
{
    (void)state;
    struct group_protocol p = {STR("range"), STR("\0\1\0\0\0\2\0\1a\0\3bcd\xff\xff\xff\xff")};
    struct group_join j = join_of("", NULL);
    j.protocols = &p;
    join(j);
    assert_true(group_state_reads(&g, STR("nothing"))); /* nobody knows yet */
    pass(7000);
    assert_true(group_state_reads(&g, STR("a")));
    assert_true(group_state_reads(&g, STR("bcd")));
    assert_false(group_state_reads(&g, STR("bc")));
}

static void a_loaded_group_goes_on(void **state)
{
    (void)state;
    struct group_loaded m = {STR("x"), STR("inst"), STR("c"), STR("h"), STR("meta"), STR("parts"), 10000, -1};
    group_state_clock(&g, now, now);
    group_state_load(&g, STR("consumer"), 7, STR("range"), 123);
    group_state_load_member(&g, &m, true);
    group_state_load_done(&g);
    group_state_check(&g);
    assert_int_equal(g.changed_ms, 123);
    assert_int_equal(beat("x", 7), 0);
    assert_string_equal(sync_as("x", 7, NULL)->assignment, "parts");
    pass(10001);
    assert_true(group_state_is(&g, GROUP_PREPARING) || group_state_is(&g, GROUP_EMPTY));
}

/* ---- a random walk */

enum { WALKERS = 6 };
struct walker {
    char id[80];
    const char *instance;
    struct answer *join, *sync;
    int32_t generation;
    bool leads;
};
static struct random rnd;
static char told[400][80]; /* by generation: who was told that it leads it */

static void walk_answers(struct walker *w)
{
    if (w->join && w->join->n) {
        struct answer *a = w->join;
        assert_int_equal(a->n, 1);
        w->join = NULL;
        if (a->error == K_UNKNOWN_MEMBER || a->error == K_FENCED_INSTANCE_ID)
            w->id[0] = 0;
        else if (a->error == 0 || a->error == K_MEMBER_ID_REQUIRED)
            text(w->id, sizeof w->id, str_of(a->member_id));
        if (!a->error) {
            assert_true(a->generation >= w->generation);
            w->generation = a->generation;
            w->leads = strcmp(a->leader, a->member_id) == 0 && !a->skip;
            char *leader = told[a->generation];
            if (w->leads) { /* one leader a generation */
                assert_true(!leader[0] || strcmp(leader, w->id) == 0);
                text(leader, sizeof told[0], str_of(w->id));
                assert_true(a->npeers > 0);
            } else if (!a->skip) {
                assert_int_equal(a->npeers, 0);
            }
        }
        free(a);
    }
    if (w->sync && w->sync->n) {
        assert_int_equal(w->sync->n, 1);
        if (!w->sync->error) { /* what it gets is what the leader of this generation gave */
            char want[80];
            snprintf(want, sizeof want, "%d", w->generation);
            assert_string_equal(w->sync->assignment, want);
        }
        free(w->sync);
        w->sync = NULL;
    }
}

static void walk_join(struct walker *w)
{
    static const struct group_protocol ps[2][2] = {{{{"range", 5}, {"a", 1}}, {{"rr", 2}, {"b", 1}}},
                                                   {{{"rr", 2}, {"c", 1}}, {{"range", 5}, {"d", 1}}}};
    if (w->join)
        return;
    struct group_join j = join_of(w->id, w->instance);
    j.protocols = ps[random_below(&rnd, 2)];
    j.nprotocols = 2;
    j.need_id = random_chance(&rnd, 0.5);
    w->join = calloc(1, sizeof *w->join);
    j.waiter = w->join;
    group_state_join(&g, &j);
}

static void walk_sync(struct walker *w)
{
    struct group_assignment all[WALKERS + 8];
    unsigned n = 0;
    char gen[16];
    if (w->sync)
        return;
    w->sync = calloc(1, sizeof *w->sync);
    snprintf(gen, sizeof gen, "%d", w->generation);
    struct group_sync s = {.member_id = str_of(w->id), .instance_id = str_of(w->instance), .generation = w->generation,
                           .waiter = w->sync};
    if (w->leads && w->generation == g.generation)
        LIST_EACH(l, &g.members)
            all[n++] = (struct group_assignment){container_of(l, struct group_member, link)->id, str_of(gen)};
    s.assignments = all;
    s.nassignments = n;
    group_state_sync(&g, &s);
}

static void walk_step(struct walker *w)
{
    group_state_clock(&g, now, now);
    switch (random_below(&rnd, 8)) {
    case 0:
        walk_join(w);
        break;
    case 1:
    case 2:
        walk_sync(w);
        break;
    case 3:
    case 4: {
        int16_t e = group_state_beat(&g, str_of(w->id), str_of(w->instance), w->generation);
        if (e == K_REBALANCE_IN_PROGRESS || e == K_UNKNOWN_MEMBER || e == K_ILLEGAL_GENERATION ||
            e == K_FENCED_INSTANCE_ID) {
            if ((e == K_UNKNOWN_MEMBER || e == K_FENCED_INSTANCE_ID) && !w->join)
                w->id[0] = 0;
            walk_join(w);
        }
        break;
    }
    case 5:
        if (random_chance(&rnd, 0.2) && !w->join)
            group_state_leave(&g, str_of(w->id), w->id[0] ? str_of(w->instance) : STR_NULL);
        break;
    case 6:
        if (ticket && random_chance(&rnd, 0.8)) {
            uint64_t t = ticket;
            ticket = 0;
            group_state_stored(&g, t, random_chance(&rnd, 0.1) ? K_NOT_COORDINATOR : 0);
        }
        break;
    case 7:
        at(now + (int64_t)random_below(&rnd, random_chance(&rnd, 0.1) ? 20000 : 1500));
        break;
    }
}

static void a_random_walk_keeps_what_must_hold(void **state)
{
    (void)state;
    random_seed(&rnd, test_seed());
    for (int64_t left = test_rounds(200); left > 0; left--) {
        struct walker ws[WALKERS] = {0};
        teardown(NULL);
        setup(NULL);
        memset(told, 0, sizeof told);
        ws[4].instance = "i4";
        ws[5].instance = "i5";
        int32_t generation = 0;
        for (int step = 0; step < 400 && g.generation < 390; step++) {
            walk_step(&ws[random_below(&rnd, WALKERS)]);
            group_state_check(&g);
            assert_true(g.generation >= generation);
            generation = g.generation;
            for (int i = 0; i < WALKERS; i++)
                walk_answers(&ws[i]);
        }
        group_state_clock(&g, now, now);
        group_state_kill(&g); /* whoever waits gets an answer */
        for (int i = 0; i < WALKERS; i++) {
            assert_true(!ws[i].join || ws[i].join->n == 1);
            assert_true(!ws[i].sync || ws[i].sync->n == 1);
            free(ws[i].join);
            free(ws[i].sync);
        }
    }
}

#define RULE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        RULE(members_that_start_together_share_the_first_generation),
        RULE(a_new_member_learns_its_id_before_it_joins),
        RULE(errors_of_joins),
        RULE(errors_in_each_phase),
        RULE(a_follower_that_joins_again_unchanged_moves_nobody),
        RULE(silent_members_are_dropped_and_the_rest_share_anew),
        RULE(members_that_do_not_join_again_are_dropped),
        RULE(a_leader_that_never_assigns_is_dropped),
        RULE(a_static_member_returns_without_a_rebalance),
        RULE(an_assignment_that_cannot_be_stored_is_not_handed_out),
        RULE(nobody_keeps_an_assignment_of_an_older_generation),
        RULE(most_votes_choose_the_protocol),
        RULE(subscriptions_of_consumers_are_looked_into),
        RULE(a_loaded_group_goes_on),
        RULE(a_random_walk_keeps_what_must_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
