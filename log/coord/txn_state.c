/* The picture, as Kafka has it. A step is written before it is taken, except the last: once all markers are durable a
 * transaction is complete whatever the log says, because a restart would only write the markers once more. So that step
 * is written when there is time, or never if the next transaction's record comes first.
 *
 *     Empty -> Ongoing -> PrepareCommit -> CompleteCommit -> (Ongoing, Empty)
 *                |   \--> PrepareAbort --> CompleteAbort --> (Ongoing, Empty)
 *                v            ^  ^-- Empty, Complete*: a v2 producer aborts before it has added anything
 *          PrepareEpochFence -/      a new producer or the clock ends it, with a bumped epoch
 *     Empty, Complete* -> Dead
 *
 * Epochs. v1: InitProducerId bumps it, and all transactions of a producer share it. v2 (KIP-890 part 2): every end
 * bumps it, markers carry the bumped one, and a late request of an earlier transaction is of a lower epoch. The last
 * epoch but one goes to no client; a v2 end there takes a fresh producer id for the next transaction. */
#include "log/coord/txn_state.h"
#include "log/base/alloc.h"
#include "log/base/fault.h"

#define COMPLETES (TO(TXN_COMPLETE_COMMIT) | TO(TXN_COMPLETE_ABORT))
static const struct sm_state txn_states[] = {
    [TXN_EMPTY] = {"Empty", TO(TXN_EMPTY) | TO(TXN_ONGOING) | TO(TXN_PREPARE_ABORT) | TO(TXN_DEAD)},
    [TXN_ONGOING] = {"Ongoing", TO(TXN_ONGOING) | TO(TXN_PREPARE_COMMIT) | TO(TXN_PREPARE_ABORT) |
                                    TO(TXN_PREPARE_EPOCH_FENCE)},
    [TXN_PREPARE_COMMIT] = {"PrepareCommit", TO(TXN_COMPLETE_COMMIT)},
    [TXN_PREPARE_ABORT] = {"PrepareAbort", TO(TXN_COMPLETE_ABORT)},
    [TXN_COMPLETE_COMMIT] = {"CompleteCommit", TO(TXN_EMPTY) | TO(TXN_ONGOING) | TO(TXN_PREPARE_ABORT) | TO(TXN_DEAD)},
    [TXN_COMPLETE_ABORT] = {"CompleteAbort", TO(TXN_EMPTY) | TO(TXN_ONGOING) | TO(TXN_PREPARE_ABORT) | TO(TXN_DEAD)},
    [TXN_DEAD] = {"Dead", 0},
    [TXN_PREPARE_EPOCH_FENCE] = {"PrepareEpochFence", TO(TXN_PREPARE_ABORT) | TO(TXN_ONGOING)},
};

const char *txn_status_name(enum txn_status status) { return txn_states[status].name; }

static bool is_prepared(const struct txn_state *t)
{
    return t->now.status == TXN_PREPARE_COMMIT || t->now.status == TXN_PREPARE_ABORT;
}

static bool is_exhausted(const struct txn_state *t) { return t->now.epoch >= TXN_EPOCH_LAST; }

/* A step is under way, and what comes after it depends on how it ends. */
static bool is_busy(const struct txn_state *t) { return t->pending || is_prepared(t); }

/* ---- parts */

static int part_cmp(const struct txn_part *a, struct str topic, int32_t index)
{
    int c = str_cmp(str_of(a->topic), topic);
    return c ? c : (a->index > index) - (a->index < index);
}

/* Place of the part, or where it belongs. */
static unsigned part_place(const struct txn_meta *m, struct str topic, int32_t index, bool *there)
{
    unsigned lo = 0, hi = m->nparts;
    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        if (part_cmp(&m->parts[mid], topic, index) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *there = lo < m->nparts && part_cmp(&m->parts[lo], topic, index) == 0;
    return lo;
}

bool txn_has_part(const struct txn_meta *m, struct str topic, int32_t index)
{
    bool there;
    part_place(m, topic, index, &there);
    return there;
}

/* The array has room. */
static void part_insert(struct txn_meta *m, struct str topic, int32_t index)
{
    bool there;
    unsigned at = part_place(m, topic, index, &there);
    if (there)
        return;
    memmove(&m->parts[at + 1], &m->parts[at], (m->nparts - at) * sizeof *m->parts);
    m->parts[at] = (struct txn_part){xstrndup(topic.ptr, topic.len), index};
    m->nparts++;
}

static void parts_clear(struct txn_meta *m)
{
    for (unsigned i = 0; i < m->nparts; i++)
        xfree(m->parts[i].topic);
    xfree(m->parts);
    m->parts = NULL;
    m->nparts = 0;
}

/* Copies what is durable, with room for more parts. */
static struct txn_meta *next_begin(struct txn_state *t, enum txn_status status, unsigned more, int64_t now_ms)
{
    CHECK(!t->pending);
    t->next = t->now;
    t->next.status = status;
    t->next.update_ms = now_ms;
    t->next.parts = t->now.nparts + more ? xalloc((t->now.nparts + more) * sizeof *t->next.parts) : NULL;
    for (unsigned i = 0; i < t->now.nparts; i++)
        t->next.parts[i] = (struct txn_part){xstrdup(t->now.parts[i].topic), t->now.parts[i].index};
    return &t->next;
}

/* Writes next; when it is durable the answer is its producer and epoch, or the error `then`. */
static struct txn_effects next_log(struct txn_state *t, int16_t then)
{
    CHECK(t->next.epoch >= 0 || t->next.status == TXN_EMPTY);
    t->pending = true;
    t->then = then;
    return (struct txn_effects){.log = true};
}

void txn_state_init(struct txn_state *t, int64_t producer_id, int32_t timeout_ms, int64_t now_ms)
{
    *t = (struct txn_state){.now = {.producer_id = producer_id, .prev_producer_id = -1, .next_producer_id = -1,
                                    .epoch = -1, .last_epoch = -1, .timeout_ms = timeout_ms, .status = TXN_EMPTY,
                                    .start_ms = -1, .update_ms = now_ms}};
    sm_init(&t->sm, txn_states, "coord.txn", TXN_EMPTY);
}

void txn_state_fini(struct txn_state *t)
{
    parts_clear(&t->now);
    if (t->pending)
        parts_clear(&t->next);
    t->pending = false;
}

static struct txn_effects answer(const struct txn_state *t, int16_t error)
{
    if (error)
        return (struct txn_effects){.answer = true, .error = error, .producer_id = -1, .epoch = -1};
    return (struct txn_effects){.answer = true, .producer_id = t->now.producer_id, .epoch = t->now.epoch};
}

/* ---- a new producer */

/* Somebody else ends the open transaction. The bumped epoch keeps its producer out; after a timeout a v2 producer may
 * go on with it once it has heard of the abort, for nobody else has taken its place. */
static struct txn_effects fence(struct txn_state *t, bool may_go_on, int64_t now_ms)
{
    CHECK(t->now.status == TXN_ONGOING && t->now.epoch < INT16_MAX);
    struct txn_meta *next = next_begin(t, TXN_PREPARE_ABORT, 0, now_ms);
    next->epoch = (int16_t)(t->now.epoch + 1);
    next->last_epoch = may_go_on && t->now.v2 && next->epoch <= TXN_EPOCH_LAST ? t->now.epoch : (int16_t)-1;
    sm_move(&t->sm, TXN_PREPARE_EPOCH_FENCE);
    return next_log(t, K_CONCURRENT_TRANSACTIONS);
}

/* The epoch that follows, and the one before it that a retry may name. False: the caller is fenced. */
static bool bump(const struct txn_meta *now, const struct txn_taker *in, int16_t *epoch, int16_t *last)
{
    *epoch = (int16_t)(now->epoch + 1);
    *last = in->expect ? now->epoch : (int16_t)-1;
    if (!in->expect || now->epoch == -1 || in->epoch == now->epoch)
        return true;
    *epoch = now->epoch;
    *last = now->last_epoch;
    return in->epoch == now->last_epoch; /* its answer was lost: nobody else has come meanwhile, or last were -1 */
}

static bool init_is_known(const struct txn_meta *now, const struct txn_taker *in)
{
    return !in->expect || now->epoch == -1 || in->producer_id == now->producer_id ||
           (in->producer_id == now->prev_producer_id && in->epoch >= TXN_EPOCH_LAST);
}

struct txn_effects txn_state_take(struct txn_state *t, const struct txn_taker *in, int64_t fresh_pid, int64_t now_ms)
{
    const struct txn_meta *now = &t->now;
    if (t->pending)
        return answer(t, K_CONCURRENT_TRANSACTIONS);
    if (!init_is_known(now, in))
        return answer(t, K_PRODUCER_FENCED);
    if (is_prepared(t))
        return answer(t, K_CONCURRENT_TRANSACTIONS);
    if (now->status == TXN_ONGOING)
        return fence(t, false, now_ms);
    bool rotate = is_exhausted(t) && (!in->expect || in->epoch == now->epoch);
    int16_t epoch = 0, last = in->expect ? now->epoch : (int16_t)-1;
    if (rotate && fresh_pid < 0)
        return (struct txn_effects){.need_pid = true};
    if (!rotate && !bump(now, in, &epoch, &last))
        return answer(t, K_PRODUCER_FENCED);
    struct txn_meta *next = next_begin(t, TXN_EMPTY, 0, now_ms);
    parts_clear(next);
    next->timeout_ms = in->timeout_ms;
    next->epoch = epoch;
    next->last_epoch = last;
    next->start_ms = -1;
    if (rotate) {
        next->prev_producer_id = now->producer_id;
        next->producer_id = fresh_pid;
    }
    return next_log(t, K_NONE);
}

/* ---- its transaction */

/* An epoch that no client has been given is nobody's, though it may be the one in force. */
static bool is_given(int16_t epoch) { return epoch >= 0 && epoch <= TXN_EPOCH_LAST; }

static int16_t check_producer(const struct txn_meta *now, int64_t producer_id, int16_t epoch)
{
    if (now->producer_id != producer_id)
        return K_INVALID_PRODUCER_ID_MAPPING;
    bool late_is_fine = BUG("add_any_epoch") && epoch <= now->epoch; /* KAFKA-14402 */
    return (now->epoch == epoch && is_given(epoch)) || late_is_fine ? K_NONE : K_PRODUCER_FENCED;
}

struct txn_effects txn_state_add(struct txn_state *t, int64_t producer_id, int16_t epoch, bool v2,
                           const struct coord_part *const *parts, unsigned n, int64_t now_ms)
{
    /* First of all: while a step is under way a v2 producer may already have the id and epoch that come with it. */
    if (is_busy(t))
        return answer(t, K_CONCURRENT_TRANSACTIONS);
    int16_t error = check_producer(&t->now, producer_id, epoch);
    if (error)
        return answer(t, error);
    bool open = t->now.status == TXN_ONGOING;
    unsigned have = 0;
    while (open && have < n && txn_has_part(&t->now, parts[have]->topic, parts[have]->index))
        have++;
    if (open && have == n)
        return answer(t, K_NONE);
    struct txn_meta *next = next_begin(t, TXN_ONGOING, n, now_ms);
    for (unsigned i = have; i < n; i++)
        part_insert(next, parts[i]->topic, parts[i]->index);
    next->start_ms = open ? t->now.start_ms : now_ms;
    next->v2 = v2;
    return next_log(t, K_NONE);
}

int16_t txn_state_verify(const struct txn_state *t, int64_t producer_id, int16_t epoch, struct coord_part *parts,
                         unsigned n)
{
    int16_t error = check_producer(&t->now, producer_id, epoch);
    if (!error && is_prepared(t))
        error = K_CONCURRENT_TRANSACTIONS;
    for (unsigned i = 0; i < n; i++) {
        bool in = t->now.status == TXN_ONGOING && txn_has_part(&t->now, parts[i].topic, parts[i].index);
        parts[i].error = error ? error : in ? K_NONE : K_TXN_ABORTABLE;
    }
    return error;
}

/* The end is decided: what the log will hold. */
static struct txn_effects prepare(struct txn_state *t, const struct txn_ending *in, int64_t fresh_pid, int64_t now_ms)
{
    bool rotate = in->v2 && is_exhausted(t);
    if (rotate && fresh_pid < 0)
        return (struct txn_effects){.need_pid = true};
    bool open = t->now.status == TXN_ONGOING;
    struct txn_meta *next = next_begin(t, in->commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT, 0, now_ms);
    if (!open)
        next->start_ms = now_ms;
    next->v2 = in->v2;
    if (in->v2) {
        CHECK(t->now.epoch < INT16_MAX);
        next->last_epoch = t->now.epoch;
        next->epoch = (int16_t)(t->now.epoch + 1);
        next->next_producer_id = rotate ? fresh_pid : -1;
    }
    return next_log(t, K_NONE);
}

struct txn_effects txn_state_end(struct txn_state *t, const struct txn_ending *in, int64_t fresh_pid, int64_t now_ms)
{
    const struct txn_meta *now = &t->now;
    if (is_busy(t))
        return answer(t, K_CONCURRENT_TRANSACTIONS);
    bool complete = now->status == TXN_COMPLETE_COMMIT || now->status == TXN_COMPLETE_ABORT;
    /* A v2 producer whose answer was lost still has the epoch (or even the id) of before the end. */
    bool overflown = in->v2 && complete && now->prev_producer_id == in->producer_id && in->epoch == TXN_EPOCH_LAST &&
                     now->last_epoch == TXN_EPOCH_LAST && now->epoch == 0;
    bool again = overflown || (in->v2 && complete && now->last_epoch == in->epoch && now->epoch == in->epoch + 1);
    if (now->producer_id != in->producer_id && !overflown)
        return answer(t, K_INVALID_PRODUCER_ID_MAPPING);
    bool late_is_fine = BUG("end_any_epoch") && in->epoch <= now->epoch; /* KAFKA-17754 */
    if ((now->epoch != in->epoch || !is_given(in->epoch)) && !again && !late_is_fine)
        return answer(t, K_PRODUCER_FENCED);
    if (now->status == TXN_ONGOING)
        return prepare(t, in, fresh_pid, now_ms);
    bool same = now->status == (in->commit ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT);
    /* To commit what was aborted under a v2 producer: it has not aborted that itself, for then it would have the epoch behind, so
     * it timed out. Kafka says fenced; to give it up is fine (fence). */
    if (again && !same && in->commit)
        return answer(t, K_PRODUCER_FENCED);
    if (!in->v2 || again)
        return answer(t, same ? K_NONE : K_INVALID_TXN_STATE);
    /* The next transaction of a v2 producer, which has added nothing: it may be given up, but there is nothing to
     * commit. */
    return in->commit ? answer(t, K_INVALID_TXN_STATE) : prepare(t, in, fresh_pid, now_ms);
}

/* ---- the clock */

struct txn_effects txn_state_timeout(struct txn_state *t, int64_t now_ms)
{
    if (t->pending || t->now.status != TXN_ONGOING || now_ms - t->now.start_ms <= t->now.timeout_ms)
        return (struct txn_effects){.log = false};
    return fence(t, true, now_ms);
}

struct txn_effects txn_state_expire(struct txn_state *t, int64_t expire_ms, int64_t now_ms)
{
    if (is_busy(t) || t->now.status == TXN_ONGOING || now_ms - t->now.update_ms < expire_ms)
        return (struct txn_effects){.log = false};
    next_begin(t, TXN_DEAD, 0, now_ms);
    t->pending = true;
    return (struct txn_effects){.log = true};
}

/* ---- how it went */

/* What a v2 producer goes on with: it is told as soon as the decision is durable. */
static void next_producer(const struct txn_meta *m, int64_t *producer_id, int16_t *epoch)
{
    bool rotate = m->v2 && m->next_producer_id >= 0;
    *producer_id = rotate ? m->next_producer_id : m->producer_id;
    *epoch = rotate ? 0 : m->epoch;
}

struct txn_effects txn_state_logged(struct txn_state *t, bool ok, int16_t error)
{
    CHECK(t->pending);
    t->pending = false;
    bool fenced = sm_is(&t->sm, TXN_PREPARE_EPOCH_FENCE);
    if (!ok) {
        if (fenced)
            sm_move(&t->sm, TXN_ONGOING);
        if (fenced && BUG("fence_bumps_unwritten")) /* KAFKA-9666 */
            t->now.epoch = t->next.epoch;
        parts_clear(&t->next);
        return answer(t, error);
    }
    parts_clear(&t->now);
    t->now = t->next;
    sm_move(&t->sm, t->now.status);
    struct txn_effects fx = answer(t, t->then);
    if (fx.error == K_NONE)
        next_producer(&t->now, &fx.producer_id, &fx.epoch);
    fx.mark = is_prepared(t);
    fx.gone = t->now.status == TXN_DEAD;
    return fx;
}

struct txn_effects txn_state_marked(struct txn_state *t, int64_t now_ms)
{
    CHECK(is_prepared(t) && !t->pending);
    struct txn_meta *now = &t->now;
    now->status = now->status == TXN_PREPARE_COMMIT ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT;
    sm_move(&t->sm, now->status);
    if (now->v2 && now->next_producer_id >= 0) {
        now->prev_producer_id = now->producer_id;
        now->last_epoch = TXN_EPOCH_LAST;
    }
    next_producer(now, &now->producer_id, &now->epoch);
    now->next_producer_id = -1;
    now->update_ms = now_ms;
    parts_clear(now);
    return (struct txn_effects){.log_behind = true};
}

struct txn_effects txn_state_resume(struct txn_state *t) { return (struct txn_effects){.mark = is_prepared(t)}; }

/* ---- records */

enum { KEY_VERSION = 0, VALUE_VERSION = 1 };

void txn_key_encode(struct str txn_id, struct wbuf *w)
{
    struct transaction_log_key key = {.transactional_id = txn_id};
    wbuf_be16(w, KEY_VERSION);
    transaction_log_key_encode(&key, w, KEY_VERSION);
}

static unsigned topics_fill(const struct txn_meta *m, struct transaction_log_value_partition *topics, int32_t *ids)
{
    unsigned n = 0;
    for (unsigned i = 0; i < m->nparts; i++) {
        ids[i] = m->parts[i].index;
        struct str topic = str_of(m->parts[i].topic);
        if (n == 0 || !str_eq(topics[n - 1].topic, topic))
            topics[n++] = (struct transaction_log_value_partition){.topic = topic, .partition_ids = &ids[i]};
        topics[n - 1].partition_ids_n++;
    }
    return n;
}

void txn_value_encode(const struct txn_meta *m, struct wbuf *w)
{
    struct transaction_log_value v;
    struct arena a;
    arena_init(&a);
    transaction_log_value_init(&v);
    v.producer_id = m->producer_id;
    v.previous_producer_id = m->prev_producer_id;
    v.next_producer_id = m->next_producer_id;
    v.producer_epoch = m->epoch;
    v.transaction_timeout_ms = m->timeout_ms;
    v.transaction_status = (int8_t)m->status;
    v.transaction_last_update_timestamp_ms = m->update_ms;
    v.transaction_start_timestamp_ms = m->start_ms;
    v.client_transaction_version = m->v2 ? 2 : 0;
    if (m->status != TXN_EMPTY) { /* Kafka: null while there is no transaction */
        v.transaction_partitions = ARENA_ARRAY(&a, struct transaction_log_value_partition, m->nparts + 1);
        v.transaction_partitions_n = topics_fill(m, v.transaction_partitions, ARENA_ARRAY(&a, int32_t, m->nparts));
    }
    wbuf_be16(w, VALUE_VERSION);
    transaction_log_value_encode(&v, w, VALUE_VERSION);
    arena_fini(&a);
}

int txn_key_decode(struct str key, struct str *txn_id)
{
    struct rbuf r = rbuf_of(key.ptr, key.len);
    struct transaction_log_key k;
    struct arena a;
    if (rbuf_be16(&r) != KEY_VERSION)
        return r.err ? r.err : E_UNSUPPORTED;
    arena_init(&a);
    transaction_log_key_init(&k);
    int rc = transaction_log_key_decode(&k, &r, KEY_VERSION, &a);
    *txn_id = k.transactional_id;
    arena_fini(&a);
    return rc;
}

static int meta_of(const struct transaction_log_value *v, struct txn_meta *m)
{
    if (v->transaction_status < TXN_EMPTY || v->transaction_status > TXN_DEAD)
        return E_SYNTAX;
    *m = (struct txn_meta){.producer_id = v->producer_id, .prev_producer_id = v->previous_producer_id,
                           .next_producer_id = v->next_producer_id, .epoch = v->producer_epoch, .last_epoch = -1,
                           .timeout_ms = v->transaction_timeout_ms, .status = (enum txn_status)v->transaction_status,
                           .start_ms = v->transaction_start_timestamp_ms,
                           .update_ms = v->transaction_last_update_timestamp_ms,
                           .v2 = v->client_transaction_version >= 2};
    /* The log has no field for the epoch before: a v2 end has bumped it by one, or has ended an exhausted one. */
    bool ended = m->status >= TXN_PREPARE_COMMIT && m->status <= TXN_COMPLETE_ABORT;
    if (m->v2 && ended && m->epoch > 0 && m->epoch <= TXN_EPOCH_LAST)
        m->last_epoch = (int16_t)(m->epoch - 1);
    else if (m->v2 && ended && m->prev_producer_id >= 0)
        m->last_epoch = TXN_EPOCH_LAST;
    unsigned n = 0;
    for (uint32_t i = 0; i < v->transaction_partitions_n; i++)
        n += v->transaction_partitions[i].partition_ids_n;
    m->parts = n ? xalloc(n * sizeof *m->parts) : NULL;
    for (uint32_t i = 0; i < v->transaction_partitions_n; i++)
        for (uint32_t k = 0; k < v->transaction_partitions[i].partition_ids_n; k++)
            part_insert(m, v->transaction_partitions[i].topic, v->transaction_partitions[i].partition_ids[k]);
    return 0;
}

int txn_value_decode(struct str value, struct txn_state *t)
{
    struct rbuf r = rbuf_of(value.ptr, value.len);
    int version = rbuf_be16(&r);
    if (r.err || version > VALUE_VERSION)
        return r.err ? r.err : E_UNSUPPORTED;
    struct transaction_log_value v;
    struct arena a;
    arena_init(&a);
    transaction_log_value_init(&v);
    *t = (struct txn_state){.pending = false};
    int rc = transaction_log_value_decode(&v, &r, version, &a);
    if (rc == 0)
        rc = meta_of(&v, &t->now);
    arena_fini(&a);
    if (rc == 0)
        sm_init(&t->sm, txn_states, "coord.txn", t->now.status);
    return rc;
}
