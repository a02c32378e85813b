/* A group on seeded loops and a seeded disk: members that join, assign, commit, fall silent and come back, a producer
 * that commits offsets in transactions, a server that crashes and restarts. From one seed: a committed offset that was
 * acknowledged is never lost and never goes back; a partition has one owner in a generation; a transaction's offsets
 * are there after its commit, all of them, and never after its abort. WEIR_SEED=n build/sim_group runs one seed
 * again. */
#include "log/base/trace.h"
#include "tests/lib/seed.h"
#include "tests/lib/simnode.h"
#include "tests/unit/unit.h"
#include <stdio.h>

enum { MEMBERS = 5, PARTS = 3, CRASHES = 3, STEPS = 250, COMMITS = 4000, GENERATIONS = 2000 };

enum stage { AWAY, JOINING, SYNCING, IN, BEATING, COMMITTING, LEAVING };
struct member {
    enum stage stage;
    const char *instance;
    char id[120];
    int32_t generation;
    unsigned mine;        /* partitions, as bits */
    char peers[MEMBERS + 3][120];
    unsigned npeers;      /* of a leader */
    int commit;           /* which one is on its way */
    bool busy;
    struct simcall call;
    struct world *w;
};
/* When it was sent and when it was answered (or could have no effect any more), in turns of the test. */
struct commit_made {
    int part;
    int64_t value, begun, ended;
    bool acked;
};
struct world {
    struct simnode n;
    struct member members[MEMBERS];
    struct commit_made commits[COMMITS];
    int ncommits;
    int64_t turn;
    int owner[GENERATIONS][PARTS]; /* member + 1 */
    int64_t txn_value;             /* what the last transaction that committed has left; -1: none */
    unsigned stables;
};

const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; } /* what a crash leaves behind is lost on purpose */

/* ---- a node's life */

static void commit_ended(struct world *w, int i, bool acked)
{
    w->commits[i].ended = ++w->turn;
    w->commits[i].acked = acked;
}

static void crash(struct world *w)
{
    for (int i = 0; i < MEMBERS; i++) {
        struct member *m = &w->members[i];
        if (m->busy && m->stage == COMMITTING)
            commit_ended(w, m->commit, false);
        if (m->busy) /* it asks again, and finds out */
            m->stage = m->stage == COMMITTING || m->stage == BEATING ? IN : AWAY;
        m->busy = false;
    }
    simnode_crash(&w->n);
}

/* ---- requests */

static void ask(struct world *w, int16_t key, int version, const void *request, void *response)
{
    assert_int_equal(simnode_ask(&w->n, key, version, request, response), 0);
}

/* ---- members */

static void on_member(struct simcall *call, int status, struct str answer);

static void send(struct member *m, enum stage stage, int16_t key, int version, const void *request)
{
    CHECK(!m->busy);
    simcall_make(&m->call, key, version, request);
    m->stage = stage;
    m->busy = true;
    simcall_send(&m->call);
}

static void send_join(struct member *m)
{
    struct join_group_request in;
    struct join_group_request_protocol p = {STR("sim"), STR("")};
    join_group_request_init(&in);
    in.group_id = STR("g");
    in.session_timeout_ms = 6000;
    in.rebalance_timeout_ms = 8000;
    in.member_id = str_of(m->id);
    in.group_instance_id = str_of(m->instance);
    in.protocol_type = STR("sim");
    in.protocols = &p;
    in.protocols_n = 1;
    m->mine = 0;
    send(m, JOINING, 11, m->instance ? 5 : (int)random_below(sim_random(m->w->n.sim), 10), &in);
}

static void send_sync(struct member *m)
{
    struct sync_group_request in;
    struct sync_group_request_assignment as[MEMBERS + 3];
    char bits[MEMBERS + 3] = {0};
    sync_group_request_init(&in);
    in.group_id = STR("g");
    in.generation_id = m->generation;
    in.member_id = str_of(m->id);
    in.group_instance_id = str_of(m->instance);
    in.assignments = as;
    in.assignments_n = m->npeers;
    for (int p = 0; p < PARTS && m->npeers; p++)
        bits[random_below(sim_random(m->w->n.sim), m->npeers)] |= (char)(1 << p);
    for (unsigned i = 0; i < m->npeers; i++)
        as[i] = (struct sync_group_request_assignment){str_of(m->peers[i]), {&bits[i], 1}};
    send(m, SYNCING, 14, 3, &in);
}

static void send_beat(struct member *m)
{
    struct heartbeat_request in = {STR("g"), m->generation, str_of(m->id), str_of(m->instance)};
    send(m, BEATING, 12, 3, &in);
}

static void send_leave(struct member *m)
{
    struct leave_group_request_member who = {str_of(m->id), str_of(m->instance), STR_NULL};
    struct leave_group_request in = {.group_id = STR("g"), .members = &who, .members_n = 1};
    send(m, LEAVING, 13, 3, &in);
}

static void send_commit(struct member *m)
{
    struct world *w = m->w;
    int part = (int)random_below(sim_random(w->n.sim), PARTS);
    if (!(m->mine & 1u << part) || w->ncommits == COMMITS) {
        send_beat(m);
        return;
    }
    struct offset_commit_request in;
    struct offset_commit_request_partition p;
    struct offset_commit_request_topic t = {.name = STR("t"), .partitions = &p, .partitions_n = 1};
    offset_commit_request_init(&in);
    offset_commit_request_partition_init(&p);
    m->commit = w->ncommits++;
    w->commits[m->commit] = (struct commit_made){.part = part, .value = 1000 + m->commit, .begun = ++w->turn};
    p.partition_index = part;
    p.committed_offset = 1000 + m->commit;
    in.group_id = STR("g");
    in.generation_id_or_member_epoch = m->generation;
    in.member_id = str_of(m->id);
    in.group_instance_id = str_of(m->instance);
    in.topics = &t;
    in.topics_n = 1;
    send(m, COMMITTING, 8, 7, &in);
}

static void remember(char out[120], struct str s) { snprintf(out, 120, "%.*s", STR_ARG(s)); }

static void joined(struct member *m, const struct join_group_response *out)
{
    m->stage = AWAY;
    if (out->error_code == K_UNKNOWN_MEMBER || out->error_code == K_FENCED_INSTANCE_ID)
        m->id[0] = 0;
    else if (out->error_code == K_MEMBER_ID_REQUIRED)
        remember(m->id, out->member_id);
    if (out->error_code)
        return;
    remember(m->id, out->member_id);
    m->generation = out->generation_id;
    assert_true(out->members_n <= ARRAY_LEN(m->peers));
    m->npeers = 0;
    for (uint32_t i = 0; i < out->members_n; i++)
        remember(m->peers[m->npeers++], out->members[i].member_id);
    m->stage = SYNCING;
}

static void synced(struct member *m, const struct sync_group_response *out)
{
    struct world *w = m->w;
    m->stage = AWAY;
    if (out->error_code)
        return;
    m->stage = IN;
    m->mine = out->assignment.len ? (uint8_t)out->assignment.ptr[0] : 0;
    int me = (int)(m - w->members) + 1;
    for (int p = 0; p < PARTS && m->generation < GENERATIONS; p++) {
        int *owner = &w->owner[m->generation][p];
        if (!(m->mine & 1u << p))
            continue;
        if (*owner && *owner != me)
            fail_msg("partition %d of generation %d has two owners", p, m->generation);
        *owner = me;
    }
    w->stables++;
}

static void told(struct member *m, int16_t error)
{
    m->stage = error && error != K_COORDINATOR_LOADING && error != K_COORDINATOR_NOT_AVAILABLE ? AWAY : IN;
    if (error == K_UNKNOWN_MEMBER || error == K_FENCED_INSTANCE_ID)
        m->id[0] = 0;
}

static void on_member(struct simcall *call, int status, struct str answer)
{
    struct member *m = container_of(call, struct member, call);
    struct world *w = m->w;
    union {
        struct join_group_response join;
        struct sync_group_response sync;
        struct heartbeat_response beat;
        struct leave_group_response leave;
        struct offset_commit_response commit;
    } out;
    assert_int_equal(status, 0);
    simcall_read(call, answer, &out);
    m->busy = false;
    switch (m->stage) {
    case JOINING:
        joined(m, &out.join);
        break;
    case SYNCING:
        synced(m, &out.sync);
        break;
    case BEATING:
        told(m, out.beat.error_code);
        break;
    case COMMITTING: {
        int16_t error = out.commit.topics[0].partitions[0].error_code;
        commit_ended(w, m->commit, error == 0);
        told(m, error);
        break;
    }
    default:
        m->stage = AWAY;
        m->id[0] = 0;
    }
}

static void member_act(struct member *m)
{
    struct random *rnd = sim_random(m->w->n.sim);
    if (m->busy)
        return;
    if (m->stage == SYNCING)
        send_sync(m);
    else if (m->stage == AWAY)
        send_join(m);
    else if (random_chance(rnd, 0.02))
        send_leave(m);
    else if (random_chance(rnd, 0.02) && m->instance)
        m->stage = AWAY, m->id[0] = 0; /* a static member's process is replaced */
    else if (random_chance(rnd, 0.6))
        send_commit(m);
    else
        send_beat(m);
}

/* ---- what must hold */

static int16_t fetch_offsets(struct world *w, const char *group, int64_t *out, int n)
{
    struct offset_fetch_request in;
    int32_t parts[PARTS] = {0, 1, 2};
    struct offset_fetch_request_topic t = {.name = STR("t"), .partition_indexes = parts, .partition_indexes_n = (uint32_t)n};
    struct offset_fetch_response answer;
    for (int tries = 0; tries < 1000; tries++) {
        offset_fetch_request_init(&in);
        in.group_id = str_of(group);
        in.topics = &t;
        in.topics_n = 1;
        in.require_stable = true;
        ask(w, 9, 7, &in, &answer);
        int16_t error = answer.error_code;
        for (int i = 0; i < n && !error; i++) {
            error = answer.topics[0].partitions[i].error_code;
            out[i] = answer.topics[0].partitions[i].committed_offset;
        }
        if (error != K_COORDINATOR_LOADING && error != K_UNSTABLE_OFFSET_COMMIT)
            return error;
        sim_run_until(w->n.sim, sim_now_us(w->n.sim) + 10000); /* who asks all the time lets no time pass */
    }
    return K_UNSTABLE_OFFSET_COMMIT; /* for ever */
}

/* A fetched offset is wrong if a newer one was acknowledged before we asked. */
static void check_offsets(struct world *w)
{
    int64_t got[PARTS], asked = ++w->turn;
    assert_int_equal(fetch_offsets(w, "g", got, PARTS), 0);
    for (int i = 0; i < w->ncommits; i++) {
        const struct commit_made *c = &w->commits[i];
        if (!c->acked || c->ended > asked)
            continue;
        int64_t ended = -1; /* of what we see */
        if (got[c->part] >= 0) {
            const struct commit_made *seen = &w->commits[got[c->part] - 1000];
            ended = seen->ended ? seen->ended : INT64_MAX;
        }
        if (ended < c->begun)
            fail_msg("partition %d is at %" PRId64 ", but %" PRId64 " was acknowledged", c->part, got[c->part], c->value);
    }
}

/* ---- transactions */

static int16_t txn_init(struct world *w, struct init_producer_id_response *out)
{
    struct init_producer_id_request in;
    init_producer_id_request_init(&in);
    in.transactional_id = STR("tid");
    in.transaction_timeout_ms = 60000;
    do
        ask(w, 22, 4, &in, out);
    while (out->error_code == K_CONCURRENT_TRANSACTIONS || out->error_code == K_COORDINATOR_LOADING);
    return out->error_code;
}

static int16_t txn_offset(struct world *w, const struct init_producer_id_response *p, int64_t value)
{
    struct txn_offset_commit_request in;
    struct txn_offset_commit_request_partition parts[2];
    struct txn_offset_commit_request_topic t = {.name = STR("t"), .partitions = parts, .partitions_n = 2};
    struct txn_offset_commit_response out;
    txn_offset_commit_request_init(&in);
    for (int i = 0; i < 2; i++) {
        txn_offset_commit_request_partition_init(&parts[i]);
        parts[i].partition_index = i;
        parts[i].committed_offset = value;
    }
    in.transactional_id = STR("tid");
    in.group_id = STR("txn");
    in.producer_id = p->producer_id;
    in.producer_epoch = p->producer_epoch;
    in.topics = &t;
    in.topics_n = 1;
    do
        ask(w, 28, 5, &in, &out);
    while (out.topics[0].partitions[0].error_code == K_COORDINATOR_LOADING ||
           out.topics[0].partitions[0].error_code == K_CONCURRENT_TRANSACTIONS);
    return out.topics[0].partitions[0].error_code;
}

static void check_txn(struct world *w, int64_t other)
{
    int64_t got[2];
    struct init_producer_id_response p;
    assert_int_equal(txn_init(w, &p), 0); /* ends what is open */
    assert_int_equal(fetch_offsets(w, "txn", got, 2), 0);
    assert_int_equal(got[0], got[1]);
    if (got[0] != w->txn_value && got[0] != other)
        fail_msg("the transaction has left %" PRId64 ", not %" PRId64, got[0], w->txn_value);
    w->txn_value = got[0];
}

static void on_ended(struct simcall *call, int status, struct str answer)
{
    (void)call, (void)status, (void)answer; /* the crash comes anyway */
}

/* One transaction with a crash somewhere, or none. */
static void txn_round(struct world *w)
{
    struct init_producer_id_response p;
    int64_t value = ++w->turn;
    uint64_t where = random_below(sim_random(w->n.sim), 8);
    bool commit = random_chance(sim_random(w->n.sim), 0.6);
    assert_int_equal(txn_init(w, &p), 0);
    assert_int_equal(txn_offset(w, &p, value), 0);
    if (where == 0)
        crash(w);
    if (where <= 1) {
        check_txn(w, w->txn_value); /* never ended: nothing has come of it */
        return;
    }
    struct end_txn_request in = {STR("tid"), p.producer_id, p.producer_epoch, commit};
    struct end_txn_response out;
    if (where == 2) { /* a crash on the way */
        struct simcall ending;
        simcall_init(&ending, &w->n);
        ending.answered_cb = on_ended;
        simcall_make(&ending, 26, 5, &in);
        simcall_send(&ending);
        for (uint64_t n = random_below(sim_random(w->n.sim), 60); n > 0; n--)
            sim_step(w->n.sim);
        crash(w);
        simcall_fini(&ending);
        check_txn(w, commit ? value : w->txn_value);
        return;
    }
    do
        ask(w, 26, 5, &in, &out);
    while (out.error_code == K_COORDINATOR_LOADING || out.error_code == K_CONCURRENT_TRANSACTIONS);
    assert_int_equal(out.error_code, 0);
    w->txn_value = commit ? value : w->txn_value;
    if (where == 3)
        crash(w);
    check_txn(w, w->txn_value);
}

/* ---- a history */

/* An offset of partition 0, by nobody's member. */
static void commit_plain(struct world *w, const char *group, int64_t offset)
{
    struct offset_commit_request in;
    struct offset_commit_request_partition p;
    struct offset_commit_request_topic t = {.name = STR("t"), .partitions = &p, .partitions_n = 1};
    struct offset_commit_response out;
    offset_commit_request_init(&in);
    offset_commit_request_partition_init(&p);
    p.committed_offset = offset;
    in.group_id = str_of(group);
    in.topics = &t;
    in.topics_n = 1;
    ask(w, 8, 7, &in, &out);
    assert_int_equal(out.topics[0].partitions[0].error_code, 0);
}

/* A first offset, by nobody's member: a group that has one is not forgotten when it is empty, so that its generations
 * only rise. */
static void commit_first(struct world *w)
{
    w->commits[w->ncommits++] = (struct commit_made){.value = 1000, .begun = ++w->turn};
    commit_plain(w, "g", 1000);
    commit_ended(w, 0, true);
}

static void world_open(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->txn_value = -1;
    simnode_init(&w->n, seed, 1 + (unsigned)(seed % 3));
    w->n.conf.group_initial_delay_ms = (int64_t)random_below(sim_random(w->n.sim), 2) * 500;
    w->n.conf.offsets_parts = 2;
    w->n.conf.txn_log_partitions = 2;
    w->n.conf.offsets_check_ms = 2000;
    simnode_open(&w->n);
    for (int i = 0; i < MEMBERS; i++) {
        w->members[i].w = w;
        simcall_init(&w->members[i].call, &w->n);
        w->members[i].call.answered_cb = on_member;
    }
    w->members[3].instance = "three";
    w->members[4].instance = "four";
    assert_int_equal(simnode_create_topic(&w->n, "t", PARTS), 0);
    commit_first(w);
}

static void world_close(struct world *w)
{
    for (int i = 0; i < MEMBERS; i++)
        simcall_fini(&w->members[i].call);
    simnode_close(&w->n);
}

static unsigned stables; /* of all seeds */

static void run_seed(uint64_t seed)
{
    static struct world w;
    world_open(&w, seed);
    struct random *rnd = sim_random(w.n.sim);
    for (int round = 0; round <= CRASHES; round++) {
        unsigned quiet = (unsigned)random_below(rnd, 1u << MEMBERS); /* these are silent in this round */
        for (int step = 0; step < STEPS; step++) {
            int i = (int)random_below(rnd, MEMBERS);
            if (!(quiet & 1u << i) || random_chance(rnd, 0.02))
                member_act(&w.members[i]);
            for (uint64_t n = random_below(rnd, 12); n > 0; n--)
                sim_step(w.n.sim);
            if (random_chance(rnd, 0.03))
                check_offsets(&w);
            arena_reset(&w.n.arena);
        }
        txn_round(&w);
        if (round < CRASHES)
            crash(&w);
        check_offsets(&w);
    }
    stables += w.stables;
    world_close(&w);
}

/* ---- expiry, topics that go */

/* Without regard to open transactions. */
static int64_t offset_of(struct world *w, const char *group)
{
    struct offset_fetch_request in;
    int32_t part = 0;
    struct offset_fetch_request_topic t = {.name = STR("t"), .partition_indexes = &part, .partition_indexes_n = 1};
    struct offset_fetch_response out;
    offset_fetch_request_init(&in);
    in.group_id = str_of(group);
    in.topics = &t;
    in.topics_n = 1;
    ask(w, 9, 5, &in, &out);
    return out.topics[0].partitions[0].committed_offset;
}

static void pass(struct world *w, int64_t minutes) { sim_run_until(w->n.sim, sim_now_us(w->n.sim) + minutes * 60000000); }

/* Old offsets of a group without members go, but not while a transaction is open on them. */
static void test_expiry(void **state)
{
    (void)state;
    static struct world w;
    struct init_producer_id_response p;
    world_open(&w, test_seed());
    w.n.conf.offsets_retention_minutes = 5;
    commit_plain(&w, "plain", 5);
    commit_plain(&w, "txn", 7);
    assert_int_equal(txn_init(&w, &p), 0);
    pass(&w, 4);
    assert_int_equal(offset_of(&w, "plain"), 5);
    commit_plain(&w, "young", 6);
    sim_run_until(w.n.sim, sim_now_us(w.n.sim) + 30000000);
    assert_int_equal(txn_init(&w, &p), 0);
    assert_int_equal(txn_offset(&w, &p, 9), 0);
    sim_run_until(w.n.sim, sim_now_us(w.n.sim) + 50000000); /* the transaction has its timeout at 60 s */
    assert_int_equal(offset_of(&w, "txn"), 7);
    assert_int_equal(offset_of(&w, "plain"), -1);
    assert_int_equal(offset_of(&w, "young"), 6);
    pass(&w, 1); /* aborted by then */
    assert_int_equal(offset_of(&w, "txn"), -1);
    assert_int_equal(offset_of(&w, "young"), 6);
    world_close(&w);
}

static void test_deleted_topic(void **state)
{
    (void)state;
    static struct world w;
    world_open(&w, test_seed());
    commit_plain(&w, "plain", 5);
    assert_int_equal(simnode_delete_topic(&w.n, "t"), 0);
    pass(&w, 1);
    assert_int_equal(offset_of(&w, "plain"), -1);
    assert_int_equal(simnode_create_topic(&w.n, "t", PARTS), 0);
    assert_int_equal(offset_of(&w, "plain"), -1); /* another topic of that name */
    crash(&w);
    int64_t got[1];
    assert_int_equal(fetch_offsets(&w, "plain", got, 1), 0);
    assert_int_equal(got[0], -1);
    world_close(&w);
}

static void test_histories(void **state)
{
    (void)state;
    stables = 0;
    int64_t n = seeds_run(60, run_seed);
    assert_true(n < 10 || stables > n); /* the members did come together */
}

int main(void)
{
    trace_level = ERROR;
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_histories, seeds_teardown),
                                       cmocka_unit_test(test_expiry), cmocka_unit_test(test_deleted_topic)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
