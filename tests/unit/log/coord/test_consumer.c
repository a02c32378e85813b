/* A group of KIP-848 as a machine: what each heartbeat is answered, and a random walk of members that come, go, fall
 * silent, lose answers and let go late, with restarts from the records; against what must always hold: nobody works on
 * what another one has, and once all has been said everything is assigned, evenly. */
#include "log/base/random.h"
#include "log/coord/consumer_record.h"
#include "log/wire/wire.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"
#include <stdio.h>

enum { TOPICS = 4, PEOPLE = 6, PARTS = 7 };

/* ---- the world: topics that come, grow and go */

static struct assign_topic world[TOPICS]; /* nparts 0: it is not there */
static int64_t world_version;
static char names[TOPICS][8];

static bool world_find(void *arg, struct str name, struct assign_topic *out)
{
    (void)arg;
    for (int i = 0; i < TOPICS; i++)
        if (str_eq(name, str_of(names[i])) && world[i].nparts) {
            *out = world[i];
            return true;
        }
    return false;
}

static void world_each(void *arg, void (*each_cb)(void *to, struct str name), void *to)
{
    (void)arg;
    for (int i = 0; i < TOPICS; i++)
        if (world[i].nparts)
            each_cb(to, str_of(names[i]));
}

static struct consumer_topics topics(void)
{
    return (struct consumer_topics){NULL, world_version, world_find, world_each};
}

static void world_set(int i, int32_t nparts)
{
    snprintf(names[i], sizeof names[i], "t%d", i);
    world[i].id.b[0] = (uint8_t)(10 + i);
    world[i].nparts = nparts;
    world_version++;
}

/* ---- a group with its log */

static const struct consumer_conf conf = {.session_ms = 45000, .heartbeat_ms = 5000, .size_max = 100};
static struct consumer c;
static int64_t now;
static struct map record_log; /* key -> struct wbuf, compacted */

static void put(enum consumer_key kind, struct str member, const struct consumer_member *m, bool dead)
{
    struct consumer_record r = {kind, STR("g"), member};
    struct wbuf key, *value = xzalloc(sizeof *value);
    wbuf_init(&key);
    wbuf_init(value);
    consumer_key_write(&r, &key);
    if (!dead)
        consumer_value_write(&c, m, kind, value);
    struct wbuf *old = map_remove(&record_log, wbuf_view(&key));
    if (old) {
        wbuf_fini(old);
        xfree(old);
    }
    if (dead) {
        wbuf_fini(value);
        xfree(value);
    } else {
        map_put(&record_log, wbuf_view(&key), value);
    }
    wbuf_fini(&key);
}

static void flush(void)
{
    for (unsigned i = 0; i < c.ngone; i++)
        for (enum consumer_key k = CONSUMER_MEMBER; k <= CONSUMER_MEMBER_CURRENT; k++)
            if (k != CONSUMER_TARGET)
                put(k, c.gone[i], NULL, true);
    if (c.dirty_epoch)
        put(CONSUMER_GROUP, STR_NULL, NULL, false);
    if (c.dirty_target_epoch)
        put(CONSUMER_TARGET, STR_NULL, NULL, false);
    LIST_EACH (l, &c.members) {
        struct consumer_member *m = container_of(l, struct consumer_member, link);
        if (m->dirty_self)
            put(CONSUMER_MEMBER, m->id, m, false);
        if (m->dirty_target)
            put(CONSUMER_MEMBER_TARGET, m->id, m, false);
        if (m->dirty_current)
            put(CONSUMER_MEMBER_CURRENT, m->id, m, false);
    }
    consumer_clean(&c);
    assert_false(consumer_dirty(&c));
}

static void restart(void)
{
    struct str key;
    void *value;
    consumer_fini(&c);
    consumer_init(&c, STR("g"), &conf);
    for (size_t i = 0; (key = map_next_key(&record_log, &i, &value)).ptr;) {
        struct consumer_record r;
        assert_true(consumer_key_read(&r, key));
        assert_true(str_eq(r.group, STR("g")));
        assert_int_equal(consumer_value_read(&c, &r, wbuf_view(value)), 0);
    }
    consumer_load_done(&c, now);
    consumer_check(&c);
}

static void begin(void)
{
    consumer_init(&c, STR("g"), &conf);
    map_init(&record_log);
    now = 1000;
    for (int i = 0; i < TOPICS; i++)
        world_set(i, 0);
    world_set(0, 6);
}

static void end(void)
{
    struct wbuf *w;
    for (size_t i = 0; (w = map_next(&record_log, &i)) != NULL;) {
        wbuf_fini(w);
        xfree(w);
    }
    map_fini(&record_log);
    consumer_fini(&c);
}

/* ---- members, as clients are */

struct person {
    char id[24], instance[24];
    int life;
    int32_t epoch;         /* 0: to join */
    struct owned_set owns; /* works on */
    bool reads[TOPICS], by_regex, in;
    bool tell_all;
};
static struct person people[PEOPLE];

static void name_person(struct person *p, int i)
{
    snprintf(p->id, sizeof p->id, "m%d-%d", i, p->life++);
    p->epoch = 0;
    p->owns.n = 0;
}

static int16_t beat(struct person *p, bool lose)
{
    struct consumer_topics t = topics();
    struct str list[TOPICS];
    struct consumer_answer a;
    struct consumer_beat b = {.member_id = str_of(p->id),
                              .client_id = STR("client"),
                              .client_host = STR("/host"),
                              .epoch = p->epoch,
                              .rebalance_ms = -1,
                              .ntopics = -1,
                              .owned = p->owns.items,
                              .nowned = (int)p->owns.n};
    if (p->instance[0])
        b.instance_id = str_of(p->instance);
    if (p->epoch == 0 || p->tell_all) {
        b.rebalance_ms = 20000;
        b.ntopics = 0;
        b.topics = list;
        for (int i = 0; i < TOPICS && !p->by_regex; i++)
            if (p->reads[i])
                list[b.ntopics++] = str_of(names[i]);
        b.regex = p->by_regex ? STR("t[0-9]") : STR("");
    }
    consumer_beat(&c, now, &t, &b, &a);
    consumer_check(&c);
    flush();
    p->tell_all = lose; /* as clients do after an error */
    if (lose || a.error)
        return a.error;
    if (p->epoch >= 0)
        p->epoch = a.epoch;
    if (a.holds)
        owned_copy(&p->owns, a.holds);
    return 0;
}

/* ---- tests */

/* Who is alone gets everything; a second one gets its half only after the first has let go of it. */
static void test_hand_over(void **state)
{
    (void)state;
    begin();
    struct person one = {.id = "one", .reads = {true}}, two = {.id = "two", .reads = {true}};
    assert_int_equal(beat(&one, false), 0);
    assert_int_equal(one.owns.n, 6);
    assert_string_equal(consumer_state(&c), "Stable");
    assert_int_equal(beat(&two, false), 0);
    assert_int_equal(two.owns.n, 0);
    assert_true(two.epoch > one.epoch);
    int32_t before = one.epoch;
    struct owned_set all = {0};
    owned_copy(&all, &one.owns);
    assert_int_equal(beat(&one, false), 0); /* it is told to keep three, and works on six until it has heard so */
    assert_int_equal(one.owns.n, 3);
    assert_int_equal(one.epoch, before);
    assert_int_equal(beat(&two, false), 0);
    assert_int_equal(two.owns.n, 0);
    assert_string_equal(consumer_state(&c), "Reconciling");
    assert_int_equal(beat(&one, false), 0); /* it says that it has let go */
    assert_true(one.epoch > before);
    assert_int_equal(beat(&two, false), 0);
    assert_int_equal(two.owns.n, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_false(owned_has(&one.owns, &two.owns.items[i]));
    assert_string_equal(consumer_state(&c), "Stable");
    owned_fini(&all);
    owned_fini(&one.owns);
    owned_fini(&two.owns);
    end();
}

/* An answer that got lost may be asked for again at the epoch before; any other epoch is fenced, and a fenced member
 * joins anew with nothing. */
static void test_epochs(void **state)
{
    (void)state;
    begin();
    struct person one = {.id = "one", .reads = {true}};
    assert_int_equal(beat(&one, false), 0);
    int32_t first = one.epoch;
    world_set(0, 7);
    assert_int_equal(beat(&one, true), 0); /* lost */
    assert_int_equal(one.epoch, first);
    assert_int_equal(beat(&one, false), 0);
    assert_int_equal(one.owns.n, 7);
    one.epoch += 5;
    assert_int_equal(beat(&one, false), K_FENCED_MEMBER_EPOCH);
    one.epoch = 0;
    one.owns.n = 0;
    assert_int_equal(beat(&one, false), 0);
    assert_int_equal(one.owns.n, 7);
    assert_int_equal(consumer_may(&c, STR("one"), one.epoch, false), 0);
    assert_int_equal(consumer_may(&c, STR("one"), one.epoch - 1, false), K_STALE_MEMBER_EPOCH);
    assert_int_equal(consumer_may(&c, STR("one"), one.epoch - 1, true), K_ILLEGAL_GENERATION);
    assert_int_equal(consumer_may(&c, STR("two"), 1, false), K_UNKNOWN_MEMBER);
    one.epoch = EPOCH_LEAVE;
    assert_int_equal(beat(&one, false), 0);
    assert_string_equal(consumer_state(&c), "Empty");
    assert_int_equal(consumer_may(&c, STR(""), -1, false), 0);
    owned_fini(&one.owns);
    end();
}

/* A static member that leaves to come back finds its share again, under another id; meanwhile nobody gets it. Two with
 * one instance id: the second is refused. */
static void test_static(void **state)
{
    (void)state;
    begin();
    struct person one = {.id = "one", .instance = "a", .reads = {true}},
                  two = {.id = "two", .instance = "b", .reads = {true}};
    beat(&one, false);
    beat(&two, false);
    beat(&one, false);
    beat(&one, false);
    beat(&two, false);
    assert_true(one.owns.n == 3 && two.owns.n == 3);
    struct person thief = {.id = "thief", .instance = "a", .reads = {true}};
    assert_int_equal(beat(&thief, false), K_UNRELEASED_INSTANCE_ID);
    struct owned_set share = {0};
    owned_copy(&share, &one.owns);
    int32_t epoch = c.epoch;
    one.epoch = EPOCH_LEAVE_STATIC;
    one.owns.n = 0;
    assert_int_equal(beat(&one, false), 0);
    beat(&two, false);
    assert_int_equal(two.owns.n, 3);
    restart();
    struct person again = {.id = "again", .instance = "a", .reads = {true}};
    assert_int_equal(beat(&again, false), 0);
    assert_int_equal(c.epoch, epoch);
    assert_true(owned_equal(&again.owns, &share));
    owned_fini(&share);
    owned_fini(&one.owns);
    owned_fini(&two.owns);
    owned_fini(&again.owns);
    end();
}

/* Who is silent, or does not let go in time, is out, and its share goes to the others. */
static void test_silence(void **state)
{
    (void)state;
    begin();
    struct person one = {.id = "one", .reads = {true}}, two = {.id = "two", .reads = {true}};
    beat(&one, false);
    beat(&two, false);
    beat(&one, true); /* it does not hear that it has to let go */
    now += 20000;
    consumer_tick(&c, now);
    consumer_check(&c);
    flush();
    assert_int_equal(beat(&two, false), 0);
    assert_int_equal(two.owns.n, 6);
    assert_int_equal(beat(&one, false), K_UNKNOWN_MEMBER);
    now += 45000;
    consumer_tick(&c, now);
    flush();
    assert_string_equal(consumer_state(&c), "Empty");
    owned_fini(&one.owns);
    owned_fini(&two.owns);
    end();
}

/* Whoever asks for what makes no sense hears so. */
static void test_refusals(void **state)
{
    (void)state;
    begin();
    struct consumer_topics t = topics();
    struct consumer_answer a;
    struct str topic = STR("t0");
    struct consumer_beat good = {.member_id = STR("one"), .rebalance_ms = 1000, .topics = &topic, .ntopics = 1};
    struct consumer_beat b = good;
    b.member_id = STR("");
    consumer_beat(&c, now, &t, &b, &a);
    assert_int_equal(a.error, K_INVALID_REQUEST);
    b = good;
    b.assignor = STR("magic");
    consumer_beat(&c, now, &t, &b, &a);
    assert_int_equal(a.error, K_UNSUPPORTED_ASSIGNOR);
    b = good;
    b.regex = STR("t[");
    consumer_beat(&c, now, &t, &b, &a);
    assert_int_equal(a.error, K_INVALID_PATTERN);
    b = good;
    b.rebalance_ms = -1;
    consumer_beat(&c, now, &t, &b, &a);
    assert_int_equal(a.error, K_INVALID_REQUEST);
    b = good;
    b.epoch = -3;
    consumer_beat(&c, now, &t, &b, &a);
    assert_int_equal(a.error, K_INVALID_REQUEST);
    b = good;
    b.epoch = 1;
    consumer_beat(&c, now, &t, &b, &a);
    assert_int_equal(a.error, K_UNKNOWN_MEMBER);
    assert_true(c.nmembers == 0 && !consumer_dirty(&c));
    end();
}

/* ---- assignors */

static unsigned least_most(const struct assign_member *m, unsigned n, unsigned *most)
{
    unsigned least = UINT32_MAX;
    *most = 0;
    for (unsigned i = 0; i < n; i++) {
        least = MIN(least, m[i].gets.n);
        *most = MAX(*most, m[i].gets.n);
    }
    return least;
}

/* Uniform: shares differ by one at most, and when somebody leaves nobody gives up more than evenness asks. Range:
 * topics of one size are shared alike. */
static void test_assignors(void **state)
{
    (void)state;
    struct assign_topic t[2] = {{{{1}}, 10}, {{{2}}, 10}};
    unsigned both[] = {0, 1}, most;
    struct assign_member m[3] = {
        {STR("a"), both, 2, NULL, {0}}, {STR("b"), both, 2, NULL, {0}}, {STR("c"), both, 2, NULL, {0}}};
    assign_uniform(m, 3, t, 2);
    assert_true(least_most(m, 3, &most) == 6 && most == 7);
    struct assign_member fewer[2] = {{STR("a"), both, 2, &m[0].gets, {0}}, {STR("b"), both, 2, &m[1].gets, {0}}};
    assign_uniform(fewer, 2, t, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(fewer[i].gets.n, 10);
        for (unsigned k = 0; k < m[i].gets.n; k++)
            assert_true(owned_has(&fewer[i].gets, &m[i].gets.items[k]));
    }
    struct assign_member r[3] = {
        {STR("a"), both, 2, NULL, {0}}, {STR("b"), both, 2, NULL, {0}}, {STR("c"), both, 2, NULL, {0}}};
    assign_range(r, 3, t, 2);
    assert_true(r[0].gets.n == 8 && r[1].gets.n == 6 && r[2].gets.n == 6);
    assert_true(r[0].gets.items[0].partition == 0 && r[0].gets.items[3].partition == 3 &&
                r[1].gets.items[0].partition == 4);
    for (unsigned i = 0; i < 3; i++) {
        owned_fini(&m[i].gets);
        owned_fini(&r[i].gets);
    }
    owned_fini(&fewer[0].gets);
    owned_fini(&fewer[1].gets);
}

/* ---- the random walk */

/* Nobody works on what another one works on. People who were fenced do not know it yet: they still may, until they
 * hear. */
static void check_exclusive(void)
{
    for (int i = 0; i < PEOPLE; i++) {
        const struct consumer_member *m = people[i].in ? map_get(&c.by_id, str_of(people[i].id)) : NULL;
        for (int k = 0; k < i && m; k++) {
            if (!people[k].in || !map_get(&c.by_id, str_of(people[k].id)))
                continue;
            for (unsigned j = 0; j < people[i].owns.n; j++)
                assert_false(owned_has(&people[k].owns, &people[i].owns.items[j]));
        }
    }
}

static void step(struct random *r)
{
    int i = (int)random_below(r, PEOPLE);
    struct person *p = &people[i];
    int16_t error;
    switch (random_below(r, 12)) {
    case 0:
        world_set((int)random_below(r, TOPICS), random_chance(r, 0.8) ? 1 + (int32_t)random_below(r, PARTS) : 0);
        break;
    case 1:
        restart();
        break;
    case 2:
        now += (int64_t)random_below(r, 30000);
        consumer_tick(&c, now);
        flush();
        break;
    case 3:
        if (p->in && random_chance(r, 0.5)) { /* leaves */
            p->epoch = p->instance[0] && random_chance(r, 0.5) ? EPOCH_LEAVE_STATIC : EPOCH_LEAVE;
            p->owns.n = 0;
            beat(p, false);
            p->in = false;
            name_person(p, i);
        }
        break;
    case 4: /* reads something else */
        p->by_regex = random_chance(r, 0.2);
        for (int k = 0; k < TOPICS; k++)
            p->reads[k] = random_chance(r, 0.6);
        p->tell_all = true;
        break;
    default:
        error = beat(p, random_chance(r, 0.1));
        p->in = p->in || error == 0;
        if (error == K_FENCED_MEMBER_EPOCH || error == K_UNKNOWN_MEMBER) {
            p->epoch = 0;
            p->owns.n = 0;
        } else {
            assert_true(error == 0 || error == K_UNRELEASED_INSTANCE_ID);
        }
    }
    now += (int64_t)random_below(r, 300);
    consumer_check(&c);
    check_exclusive();
}

/* After everybody has said everything often enough: all that is read is worked on. */
static void settle(void)
{
    for (int round = 0; round < 40; round++) {
        now += 3000; /* whoever is silent is out meanwhile */
        consumer_tick(&c, now);
        flush();
        for (int i = 0; i < PEOPLE; i++) {
            struct person *p = &people[i];
            if (!p->in)
                continue;
            int16_t error = beat(p, false);
            if (error) {
                p->epoch = 0;
                p->owns.n = 0;
            }
        }
    }
    check_exclusive();
    LIST_EACH (l, &c.members) {
        const struct consumer_member *m = container_of(l, struct consumer_member, link);
        if (m->epoch == EPOCH_LEAVE_STATIC)
            return; /* what it is to hold waits for it */
    }
    for (int t = 0; t < TOPICS; t++)
        for (int32_t k = 0; k < world[t].nparts && consumer_reads(&c, str_of(names[t])); k++) {
            struct owned o = {world[t].id, k};
            int owners = 0;
            for (int i = 0; i < PEOPLE; i++)
                owners += people[i].in && owned_has(&people[i].owns, &o);
            assert_int_equal(owners, 1);
        }
    assert_true(c.nmembers == 0 || strcmp(consumer_state(&c), "Stable") == 0);
}

static void test_walk(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    int64_t rounds = test_rounds(300);
    for (unsigned round = 0; round < (unsigned)rounds; round++) {
        struct random r;
        random_seed(&r, seed + round);
        begin();
        memset(people, 0, sizeof people);
        for (int i = 0; i < PEOPLE; i++) {
            name_person(&people[i], i);
            people[i].reads[0] = true;
            if (i % 3 == 0)
                snprintf(people[i].instance, sizeof people[i].instance, "static-%d", i);
        }
        for (int k = 0; k < 150; k++)
            step(&r);
        settle();
        for (int i = 0; i < PEOPLE; i++)
            owned_fini(&people[i].owns);
        end();
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hand_over), cmocka_unit_test(test_epochs),   cmocka_unit_test(test_static),
        cmocka_unit_test(test_silence),   cmocka_unit_test(test_refusals), cmocka_unit_test(test_assignors),
        cmocka_unit_test(test_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
