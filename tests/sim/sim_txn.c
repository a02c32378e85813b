/* Transactional producers of both protocols against a broker on seeded loops and a seeded disk, with crashes between,
 * producers that are replaced while they still run, and late copies of what they have sent. From one seed, in the end:
 * every transaction is visible under read_committed in all of its partitions, once, or in none; what was answered is
 * what is seen; nothing hangs: the LSO is at the end of every partition. WEIR_SEED=n build/sim_txn runs a seed
 * again. */
#include "log/base/trace.h"
#include "tests/lib/seed.h"
#include "tests/lib/simnode.h"
#include "tests/unit/unit.h"
#include <stdio.h>
#include <stdlib.h>

enum { ACTORS = 4, IDS = 3, PARTS = 3, CRASHES = 3, STEPS = 1500, TXNS_MAX = 4096, TIMEOUT_MS = 4000 };

enum outcome { UNKNOWN, COMMITTED, ABORTED };
struct txn_record {
    enum outcome outcome;
    unsigned parts; /* bits: where a record was acknowledged */
    unsigned tried; /* bits: where one was sent */
    unsigned seen[PARTS];
};
enum phase { REST, INIT, ADD, SEND, END };
/* One client process. Several may have the same transactional id: then all but the newest are zombies. */
struct actor {
    struct world *w;
    int id;
    bool v2;
    int64_t pid;
    int16_t epoch;
    int32_t seq[PARTS];
    enum phase phase;
    int txn;       /* in work */
    unsigned want; /* bits: partitions that are still to be written */
    int part;      /* being written */
    bool commit;
    bool busy, resend; /* resend: its answer was lost with the node */
    struct simcall call, late; /* late: a copy of an old request that arrives once more */
    bool late_busy;
};
struct world {
    struct simnode n;
    struct actor actors[ACTORS];
    struct txn_record txns[TXNS_MAX];
    int ntxns, committed, aborted;
};

const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; } /* what a crash leaves behind is lost on purpose */

static bool chance(struct world *w, double p) { return random_chance(sim_random(w->n.sim), p); }
static unsigned below(struct world *w, unsigned n) { return (unsigned)random_below(sim_random(w->n.sim), n); }

static struct str id_of(const struct actor *a)
{
    static const char *const ids[IDS] = {"one", "two", "three"};
    return str_of(ids[a->id]);
}

/* ---- what an actor sends */

static void send_call(struct actor *a)
{
    a->busy = true;
    a->resend = false;
    simcall_send(&a->call);
}

static void ask_init(struct actor *a)
{
    struct init_producer_id_request in;
    init_producer_id_request_init(&in);
    in.transactional_id = id_of(a);
    in.transaction_timeout_ms = TIMEOUT_MS;
    a->phase = INIT;
    simcall_make(&a->call, 22, 4, &in);
    send_call(a);
}

static void ask_add(struct actor *a)
{
    struct add_partitions_to_txn_request in;
    int32_t parts[PARTS];
    struct add_partitions_to_txn_request_old_topic t = {STR("t"), parts, 0};
    add_partitions_to_txn_request_init(&in);
    for (int i = 0; i < PARTS; i++)
        if (a->want >> i & 1)
            parts[t.partitions_n++] = i;
    in.v3_and_below_transactional_id = id_of(a);
    in.v3_and_below_producer_id = a->pid;
    in.v3_and_below_producer_epoch = a->epoch;
    in.v3_and_below_topics = &t;
    in.v3_and_below_topics_n = 1;
    a->phase = ADD;
    simcall_make(&a->call, 24, 3, &in);
    send_call(a);
}

static void ask_send(struct actor *a)
{
    struct produce_request in;
    struct produce_request_partition part = {.index = a->part};
    struct produce_request_topic t = {.name = STR("t"), .partition_data = &part, .partition_data_n = 1};
    struct recbatch_builder b;
    struct wbuf batch;
    char value[16];
    wbuf_init(&batch);
    snprintf(value, sizeof value, "%d", a->txn);
    recbatch_build(&b, &batch, CODEC_NONE, NULL);
    b.producer_id = a->pid;
    b.producer_epoch = a->epoch;
    b.base_sequence = a->seq[a->part];
    b.attributes |= RECBATCH_TXN;
    recbatch_add(&b, 1, STR("k"), str_of(value), NULL, 0);
    assert_true(recbatch_finish(&b, NULL));
    produce_request_init(&in);
    in.transactional_id = id_of(a);
    in.acks = -1;
    in.topic_data = &t;
    in.topic_data_n = 1;
    part.records = wbuf_view(&batch);
    a->phase = SEND;
    a->w->txns[a->txn].tried |= 1u << a->part;
    simcall_make(&a->call, 0, a->v2 ? 12 : 9, &in);
    send_call(a);
    wbuf_fini(&batch);
}

static void ask_end(struct actor *a)
{
    struct end_txn_request in = {id_of(a), a->pid, a->epoch, a->commit};
    a->phase = END;
    simcall_make(&a->call, 26, a->v2 ? 5 : 3, &in);
    send_call(a);
    if (a->v2 && !a->late_busy) /* may be sent again when it is long over */
        simcall_make(&a->late, 26, 5, &in);
}

/* ---- its life */

static void begin(struct actor *a)
{
    struct world *w = a->w;
    if (w->ntxns == TXNS_MAX)
        return;
    a->txn = w->ntxns++;
    a->want = 1 + below(w, (1u << PARTS) - 1);
    a->commit = chance(w, 0.6);
    if (!a->v2) {
        ask_add(a);
        return;
    }
    a->part = __builtin_ctz(a->want);
    ask_send(a);
}

static void go_on(struct actor *a)
{
    if (a->want && chance(a->w, 0.95)) {
        a->part = __builtin_ctz(a->want);
        ask_send(a);
    } else {
        a->commit &= !a->want; /* a client commits only what it has sent whole */
        ask_end(a);
    }
}

/* The client process is over; another begins, perhaps with another id. */
static void restart(struct actor *a)
{
    a->phase = REST;
    a->pid = -1;
    a->id = (int)below(a->w, IDS);
    a->v2 = chance(a->w, 0.5);
}

static void sent(struct actor *a)
{
    a->seq[a->part]++;
    a->want &= ~(1u << a->part);
    a->w->txns[a->txn].parts |= 1u << a->part;
    go_on(a);
}

static void ended(struct actor *a, const struct end_txn_response *out)
{
    struct world *w = a->w;
    w->txns[a->txn].outcome = a->commit ? COMMITTED : ABORTED;
    if (a->commit)
        w->committed++;
    else
        w->aborted++;
    if (a->v2) {
        assert_true(out->producer_id != a->pid || out->producer_epoch == a->epoch + 1);
        a->pid = out->producer_id;
        a->epoch = out->producer_epoch;
        memset(a->seq, 0, sizeof a->seq);
    }
    a->phase = REST;
}

static int16_t code_of(struct actor *a, struct str answer, void *out)
{
    simcall_read(&a->call, answer, out);
    switch (a->phase) {
    case INIT:
        return ((struct init_producer_id_response *)out)->error_code;
    case ADD:
        return ((struct add_partitions_to_txn_response *)out)->results_by_topic_v3_and_below[0].results_by_partition[0]
            .partition_error_code;
    case SEND:
        return ((struct produce_response *)out)->responses[0].partition_responses[0].error_code;
    default:
        return ((struct end_txn_response *)out)->error_code;
    }
}

static bool is_retriable(int16_t code)
{
    return code == K_CONCURRENT_TRANSACTIONS || code == K_COORDINATOR_LOADING || code == K_COORDINATOR_NOT_AVAILABLE ||
           code == K_NOT_COORDINATOR || code == K_NOT_ENOUGH_REPLICAS;
}

static void on_answer(struct simcall *call, int status, struct str answer)
{
    struct actor *a = container_of(call, struct actor, call);
    union {
        struct init_producer_id_response init;
        struct add_partitions_to_txn_response add;
        struct produce_response produce;
        struct end_txn_response end;
    } out;
    assert_int_equal(status, 0);
    a->busy = false;
    int16_t code = code_of(a, answer, &out);
    if (is_retriable(code)) {
        a->resend = true;
    } else if (code) {
        restart(a); /* fenced, or its transaction is over: its outcome is not this client's to know */
    } else if (a->phase == INIT) {
        a->pid = out.init.producer_id;
        a->epoch = out.init.producer_epoch;
        memset(a->seq, 0, sizeof a->seq);
        a->phase = REST;
    } else if (a->phase == ADD) {
        go_on(a);
    } else if (a->phase == SEND) {
        sent(a);
    } else {
        ended(a, &out.end);
    }
}

static void on_late(struct simcall *call, int status, struct str answer)
{
    (void)status, (void)answer;
    container_of(call, struct actor, late)->late_busy = false;
}

static void act(struct actor *a)
{
    struct world *w = a->w;
    if (!a->late_busy && a->late.frame.len && chance(w, 0.1)) {
        a->late_busy = true;
        simcall_send(&a->late);
    }
    if (a->busy)
        return;
    if (a->resend)
        send_call(a);
    else if (a->phase == REST && a->pid < 0)
        ask_init(a);
    else if (a->phase == REST && chance(w, 0.05))
        restart(a);
    else if (a->phase == REST)
        begin(a);
}

/* ---- checking */

struct aborting {
    int64_t pids[64];
    unsigned n;
};

static void aborting_add(struct aborting *ab, const struct fetch_response_partition *po, bool *used, int64_t offset)
{
    for (uint32_t i = 0; i < po->aborted_transactions_n; i++) {
        if (used[i] || po->aborted_transactions[i].first_offset > offset)
            continue;
        used[i] = true;
        assert_true(ab->n < ARRAY_LEN(ab->pids));
        ab->pids[ab->n++] = po->aborted_transactions[i].producer_id;
    }
}

static bool aborting_has(const struct aborting *ab, int64_t pid, unsigned *at)
{
    for (*at = 0; *at < ab->n; ++*at)
        if (ab->pids[*at] == pid)
            return true;
    return false;
}

/* As a client does it: a batch counts unless its producer is in an aborted transaction at this place. */
static void read_answer(struct world *w, int part, const struct fetch_response_partition *po, int64_t *offset)
{
    bool used[256] = {false};
    struct aborting ab = {.n = 0};
    assert_true(po->aborted_transactions_n <= ARRAY_LEN(used));
    struct str left = po->records;
    while (left.len) {
        struct recbatch rb;
        struct recbatch_iter it;
        struct record rec;
        unsigned at;
        assert_int_equal(recbatch_peek(&rb, left), 0);
        aborting_add(&ab, po, used, recbatch_last_offset(&rb));
        bool skip = aborting_has(&ab, rb.producer_id, &at);
        if (rb.attributes & RECBATCH_CONTROL) {
            struct recbatch_marker m;
            assert_int_equal(recbatch_marker_read(&rb, &m), 0);
            if (!m.commit && skip)
                ab.pids[at] = ab.pids[--ab.n];
        } else if (!skip && rb.base_offset >= *offset) {
            assert_int_equal(recbatch_iter(&it, &rb, NULL, NULL, 0), 0);
            while (recbatch_next(&it, &rec)) {
                int64_t txn;
                assert_true(str_to_i64(rec.value, &txn) && txn >= 0 && txn < w->ntxns);
                w->txns[txn].seen[part]++;
            }
        }
        *offset = MAX(*offset, recbatch_last_offset(&rb) + 1);
        left = (struct str){left.ptr + rb.size, left.len - rb.size};
    }
}

/* Reads to the end under read_committed; false: the LSO is not at the end. */
static bool read_part(struct world *w, int part)
{
    for (int64_t offset = 0;;) {
        struct fetch_request in;
        struct fetch_request_partition p;
        struct fetch_request_topic t = {.topic = STR("t"), .partitions = &p, .partitions_n = 1};
        struct fetch_response out;
        fetch_request_init(&in);
        fetch_request_partition_init(&p);
        in.isolation_level = 1;
        in.topics = &t;
        in.topics_n = 1;
        p.partition = part;
        p.fetch_offset = offset;
        p.partition_max_bytes = 1500;
        assert_int_equal(simnode_ask(&w->n, 1, 12, &in, &out), 0);
        const struct fetch_response_partition *po = &out.responses[0].partitions[0];
        assert_int_equal(po->error_code, 0);
        if (po->last_stable_offset < po->high_watermark)
            return false;
        read_answer(w, part, po, &offset);
        if (offset == po->high_watermark)
            return true;
        arena_reset(&w->n.arena);
    }
}

static void check(struct world *w)
{
    for (int i = 0; i < w->ntxns; i++)
        memset(w->txns[i].seen, 0, sizeof w->txns[i].seen);
    for (int p = 0; p < PARTS; p++)
        if (!read_part(w, p))
            fail_msg("a transaction hangs: partition %d", p);
    for (int i = 0; i < w->ntxns; i++) {
        const struct txn_record *t = &w->txns[i];
        unsigned seen = 0;
        for (int p = 0; p < PARTS; p++) {
            assert_true(t->seen[p] <= 1);
            seen |= t->seen[p] << p;
        }
        /* Of a client that died nobody knows whether its last batch arrived, nor whether its end did. */
        bool whole = (seen & t->parts) == t->parts && !(seen & ~t->tried);
        if (t->outcome == COMMITTED ? seen != t->parts : t->outcome == ABORTED ? seen : seen && !whole)
            fail_msg("transaction %d: outcome %d, wrote %x, seen %x", i, t->outcome, t->parts, seen);
    }
}

static void check_coordinator(struct world *w)
{
    struct list_transactions_request in;
    struct list_transactions_response out;
    list_transactions_request_init(&in);
    struct str none;
    int64_t nobody;
    in.state_filters = &none; /* empty is not null */
    in.producer_id_filters = &nobody;
    assert_int_equal(simnode_ask(&w->n, 66, 1, &in, &out), 0);
    for (uint32_t i = 0; i < out.transaction_states_n; i++) {
        struct str s = out.transaction_states[i].transaction_state;
        assert_true(str_eq(s, STR("Empty")) || str_starts(s, STR("Complete")));
    }
}

/* ---- one history */

static void run_steps(struct world *w)
{
    for (int i = 0; i < STEPS; i++) {
        if (chance(w, 0.2))
            act(&w->actors[below(w, ACTORS)]);
        if (!sim_step(w->n.sim))
            act(&w->actors[below(w, ACTORS)]);
        arena_reset(&w->n.arena);
    }
}

static void crash(struct world *w)
{
    simnode_crash(&w->n);
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &w->actors[i];
        a->resend |= a->busy;
        a->busy = a->late_busy = false;
        if (chance(w, 0.3)) { /* the client dies too */
            a->resend = false;
            restart(a);
        }
    }
}

/* Answers of those still at work come; then the clock ends what nobody ends. */
static void quiesce(struct world *w)
{
    sim_run_until(w->n.sim, sim_now_us(w->n.sim) + 4 * TIMEOUT_MS * 1000);
    sim_run_idle(w->n.sim);
}

static void run_seed(uint64_t seed)
{
    struct world *w = xzalloc(sizeof *w);
    simnode_init(&w->n, seed, 1u << seed % 3);
    w->n.conf.txn_log_partitions = 3;
    w->n.conf.txn_abort_check_ms = 500;
    simnode_open(&w->n);
    assert_int_equal(simnode_create_topic(&w->n, "t", PARTS), 0);
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &w->actors[i];
        a->w = w;
        simcall_init(&a->call, &w->n);
        simcall_init(&a->late, &w->n);
        a->call.answered_cb = on_answer;
        a->late.answered_cb = on_late;
        restart(a);
    }
    for (int c = 0; c <= CRASHES; c++) {
        run_steps(w);
        if (c < CRASHES)
            crash(w);
    }
    quiesce(w);
    check(w);
    check_coordinator(w);
    crash(w); /* what was read stays */
    quiesce(w);
    check(w);
    print_message("seed %" PRIu64 ": %d transactions, %d committed, %d aborted\n", seed, w->ntxns, w->committed,
                  w->aborted);
    assert_true(w->committed > 0 && w->aborted > 0);
    simnode_close(&w->n);
    for (int i = 0; i < ACTORS; i++) {
        simcall_fini(&w->actors[i].call);
        simcall_fini(&w->actors[i].late);
    }
    xfree(w);
}

static void test_histories(void **state)
{
    (void)state;
    seeds_run(100, run_seed);
}

static int16_t end_sync(struct simnode *n, const struct init_producer_id_response *p)
{
    struct end_txn_request in = {STR("one"), p->producer_id, p->producer_epoch, true};
    struct end_txn_response out;
    assert_int_equal(simnode_ask(n, 26, 3, &in, &out), 0);
    return out.error_code;
}

/* A topic that is deleted under an open transaction does not keep it from its end; nor does a restart in between. */
static void test_deleted_topic(void **state)
{
    (void)state;
    for (int restarts = 0; restarts < 2; restarts++) {
        struct world *w = xzalloc(sizeof *w);
        simnode_init(&w->n, test_seed(), 2);
        simnode_open(&w->n);
        assert_int_equal(simnode_create_topic(&w->n, "t", PARTS), 0);
        struct init_producer_id_request init;
        struct init_producer_id_response p;
        init_producer_id_request_init(&init);
        init.transactional_id = STR("one");
        init.transaction_timeout_ms = 60000;
        assert_int_equal(simnode_ask(&w->n, 22, 4, &init, &p), 0);
        int32_t parts[] = {0, 1};
        struct add_partitions_to_txn_request_old_topic t = {STR("t"), parts, 2};
        struct add_partitions_to_txn_request add;
        struct add_partitions_to_txn_response added;
        add_partitions_to_txn_request_init(&add);
        add.v3_and_below_transactional_id = STR("one");
        add.v3_and_below_producer_id = p.producer_id;
        add.v3_and_below_producer_epoch = p.producer_epoch;
        add.v3_and_below_topics = &t;
        add.v3_and_below_topics_n = 1;
        assert_int_equal(simnode_ask(&w->n, 24, 3, &add, &added), 0);
        assert_int_equal(added.results_by_topic_v3_and_below[0].results_by_partition[1].partition_error_code, 0);
        assert_int_equal(simnode_delete_topic(&w->n, "t"), 0);
        if (restarts)
            simnode_crash(&w->n);
        int16_t code;
        while ((code = end_sync(&w->n, &p)) == K_COORDINATOR_LOADING) {
        }
        assert_int_equal(code, 0);
        quiesce(w);
        check_coordinator(w);
        simnode_close(&w->n);
        xfree(w);
    }
}

int main(void)
{
    trace_level = ERROR;
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_histories, seeds_teardown),
                                       cmocka_unit_test(test_deleted_topic)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
