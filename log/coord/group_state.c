/* How a generation comes to be: somebody joins, leaves or falls silent (preparing), all members join again or are
 * dropped, the generation is told to all and the leader makes assignments (completing), these become durable and are
 * handed out (stable).
 *
 *     empty -> preparing -> completing -> stable      any but dead -> preparing      preparing -> empty      all -> dead
 *
 * Spec: Kafka's group protocol with KIP-62, KIP-134 (initial delay), KIP-345 (static members), KIP-394 (member ids),
 * KIP-814 (skipped assignments). */
#include "log/coord/group_state.h"
#include "log/base/limits.h"
#include "log/wire/wire.h"

static const struct sm_state phases[] = {
    [GROUP_EMPTY] = {"Empty", TO(GROUP_PREPARING) | TO(GROUP_STABLE) | TO(GROUP_DEAD)}, /* stable: from a record */
    [GROUP_PREPARING] = {"PreparingRebalance", TO(GROUP_COMPLETING) | TO(GROUP_EMPTY) | TO(GROUP_DEAD)},
    [GROUP_COMPLETING] = {"CompletingRebalance", TO(GROUP_STABLE) | TO(GROUP_PREPARING) | TO(GROUP_DEAD)},
    [GROUP_STABLE] = {"Stable", TO(GROUP_PREPARING) | TO(GROUP_DEAD)},
    [GROUP_DEAD] = {"Dead", 0},
};

/* An id that was given out; its owner has to join with it in time. */
struct group_promise {
    int64_t due_ms;
};

static void rebalance(struct group_state *g);
static void maybe_complete_join(struct group_state *g);

const char *group_state_name(const struct group_state *g) { return sm_name(&g->sm); }

/* ---- small things */

static struct str keep(struct str s)
{
    char *p = s.ptr ? xalloc(s.len + 1) : NULL;
    if (s.len)
        memcpy(p, s.ptr, s.len);
    return (struct str){p, s.len};
}

static void let_go(struct str *s)
{
    xfree((char *)s->ptr);
    *s = STR_NULL;
}

static void replace(struct str *s, struct str with)
{
    struct str kept = keep(with);
    let_go(s);
    *s = kept; /* after: it may be a part of the old one */
}

static void wake_at(struct group_state *g, int64_t due_ms) { g->next_ms = MIN(g->next_ms, due_ms); }

static void move(struct group_state *g, enum group_phase to)
{
    sm_move(&g->sm, to);
    g->changed_ms = g->wall_ms;
}

static void member_due(struct group_state *g, struct group_member *m, int32_t in_ms)
{
    m->due_ms = g->now_ms + in_ms;
    wake_at(g, m->due_ms);
}

static void alive(struct group_state *g, struct group_member *m) { member_due(g, m, m->session_timeout_ms); }

static int32_t rebalance_timeout(const struct group_state *g)
{
    int32_t most = 0;
    LIST_EACH(l, &g->members) {
        const struct group_member *m = container_of(l, struct group_member, link);
        most = MAX(most, m->rebalance_timeout_ms);
    }
    return most;
}

static struct group_member *find(const struct group_state *g, struct str id) { return map_get(&g->by_id, id); }

/* ---- protocols */

static const struct group_protocol *supports(const struct group_member *m, struct str name)
{
    for (unsigned i = 0; i < m->nprotocols; i++)
        if (str_eq(m->protocols[i].name, name))
            return &m->protocols[i];
    return NULL;
}

static bool all_support(const struct group_state *g, struct str name)
{
    LIST_EACH(l, &g->members) {
        if (!supports(container_of(l, struct group_member, link), name))
            return false;
    }
    return true;
}

static bool fits(const struct group_state *g, const struct group_join *j)
{
    if (!j->protocol_type.len || j->nprotocols == 0 || j->nprotocols > GROUP_PROTOCOLS_MAX)
        return false;
    if (g->nmembers == 0)
        return true;
    if (!str_eq(j->protocol_type, g->protocol_type))
        return false;
    for (unsigned i = 0; i < j->nprotocols; i++)
        if (all_support(g, j->protocols[i].name))
            return true;
    return false;
}

/* The first that a member likes among those that all support gets its vote; most votes win, among equals the one that
 * the earliest member likes best. Borrowed from that member. */
static struct str choose_protocol(const struct group_state *g)
{
    const struct group_member *first = container_of(g->members.next, struct group_member, link);
    bool common[GROUP_PROTOCOLS_MAX];
    unsigned votes[GROUP_PROTOCOLS_MAX] = {0}, best = 0;
    CHECK(g->nmembers && first->nprotocols <= GROUP_PROTOCOLS_MAX);
    for (unsigned i = 0; i < first->nprotocols; i++)
        common[i] = all_support(g, first->protocols[i].name);
    LIST_EACH(l, &g->members) {
        const struct group_member *m = container_of(l, struct group_member, link);
        int voted = -1;
        for (unsigned i = 0; i < m->nprotocols && voted < 0; i++) {
            const struct group_protocol *p = supports(first, m->protocols[i].name);
            voted = p && common[p - first->protocols] ? (int)(p - first->protocols) : -1;
        }
        CHECK(voted >= 0);
        votes[voted]++;
    }
    for (unsigned i = 0; i < first->nprotocols; i++)
        best = votes[i] > votes[best] ? i : best;
    return first->protocols[best].name;
}

static bool same_protocols(const struct group_member *m, const struct group_join *j)
{
    if (m->nprotocols != j->nprotocols)
        return false;
    for (unsigned i = 0; i < m->nprotocols; i++)
        if (!str_eq(m->protocols[i].name, j->protocols[i].name) ||
            str_cmp(m->protocols[i].metadata, j->protocols[i].metadata) != 0)
            return false;
    return true;
}

static void drop_protocols(struct group_member *m)
{
    for (unsigned i = 0; i < m->nprotocols; i++) {
        let_go(&m->protocols[i].name);
        let_go(&m->protocols[i].metadata);
    }
    xfree(m->protocols);
    m->protocols = NULL;
    m->nprotocols = 0;
}

static void set_protocols(struct group_member *m, const struct group_protocol *protocols, unsigned n)
{
    drop_protocols(m);
    m->protocols = xzalloc(n * sizeof *protocols + 1);
    for (; m->nprotocols < n; m->nprotocols++) {
        m->protocols[m->nprotocols].name = keep(protocols[m->nprotocols].name);
        m->protocols[m->nprotocols].metadata = keep(protocols[m->nprotocols].metadata);
    }
}

struct str group_state_metadata(const struct group_state *g, const struct group_member *m)
{
    const struct group_protocol *p = g->protocol.ptr ? supports(m, g->protocol) : NULL;
    return p ? p->metadata : STR_NULL;
}

/* A consumer's metadata begins with a version and the topics it reads; later versions only add to it. */
static bool subscribes(struct str metadata, struct str topic)
{
    struct rbuf r = rbuf_of(metadata.ptr, metadata.len);
    (void)rbuf_be16(&r);
    int32_t n = (int32_t)rbuf_be32(&r);
    for (int32_t i = 0; i < n && !r.err; i++) {
        struct str name = rbuf_bytes(&r, rbuf_be16(&r));
        if (!r.err && name.len == topic.len && memcmp(name.ptr, topic.ptr, name.len) == 0)
            return true;
    }
    return r.err != 0;
}

bool group_state_reads(const struct group_state *g, struct str topic)
{
    if (g->nmembers == 0)
        return false;
    if (!str_eq(g->protocol_type, STR("consumer")) || !g->protocol.ptr)
        return true;
    LIST_EACH(l, &g->members) {
        struct str metadata = group_state_metadata(g, container_of(l, struct group_member, link));
        if (!metadata.ptr || subscribes(metadata, topic))
            return true;
    }
    return false;
}

/* ---- answers */

static void answer_join_error(struct group_state *g, void *waiter, int16_t error, struct str member_id)
{
    struct group_joined a = {.error = error, .generation = -1, .protocol_type = STR_NULL, .protocol = STR_NULL,
                             .leader = STR(""), .member_id = member_id};
    g->out->joined(g->arg, waiter, &a);
}

static struct group_peer *peers(const struct group_state *g)
{
    struct group_peer *all = xzalloc((g->nmembers + 1) * sizeof *all);
    unsigned n = 0;
    LIST_EACH(l, &g->members) {
        const struct group_member *m = container_of(l, struct group_member, link);
        all[n++] = (struct group_peer){m->id, m->instance_id, group_state_metadata(g, m)};
    }
    CHECK(n == g->nmembers);
    return all;
}

/* Tells a member the generation. leader: as whom it shall take itself; not always as the one who leads. */
static void answer_join(struct group_state *g, struct group_member *m, struct str leader, bool tell_peers, bool skip)
{
    void *waiter = m->join_waiter;
    struct group_peer *all = tell_peers ? peers(g) : NULL;
    struct group_joined a = {.generation = g->generation, .protocol_type = g->protocol_type, .protocol = g->protocol,
                             .leader = leader, .member_id = m->id, .skip_assignment = skip, .peers = all,
                             .npeers = tell_peers ? g->nmembers : 0};
    CHECK(waiter);
    m->join_waiter = NULL;
    m->static_ticket = 0;
    m->is_new = false;
    g->njoining--;
    alive(g, m);
    g->out->joined(g->arg, waiter, &a);
    xfree(all);
}

static void answer_generation(struct group_state *g, struct group_member *m)
{
    answer_join(g, m, g->leader->id, m == g->leader, false);
}

static void refuse_join(struct group_state *g, struct group_member *m, int16_t error)
{
    void *waiter = m->join_waiter;
    if (!waiter)
        return;
    m->join_waiter = NULL;
    m->static_ticket = 0;
    g->njoining--;
    answer_join_error(g, waiter, error, m->id);
}

static void answer_sync(struct group_state *g, struct group_member *m, int16_t error)
{
    void *waiter = m->sync_waiter;
    if (!waiter)
        return;
    struct group_synced a = {.error = error, .assignment = STR("")};
    if (!error)
        a = (struct group_synced){0, g->protocol_type, g->protocol, m->assignment};
    m->sync_waiter = NULL;
    alive(g, m);
    g->out->synced(g->arg, waiter, &a);
}

static void wait_join(struct group_state *g, struct group_member *m, const struct group_join *j)
{
    refuse_join(g, m, K_REBALANCE_IN_PROGRESS); /* it asks again: whoever asked before does not listen any more */
    m->join_waiter = j->waiter;
    m->can_skip = j->can_skip;
    g->njoining++;
}

/* ---- members */

static struct group_member *member_new(struct group_state *g, struct str id, struct str instance_id)
{
    struct group_member *m = xzalloc(sizeof *m);
    m->id = keep(id);
    m->instance_id = keep(instance_id);
    m->assignment = keep(STR(""));
    list_add_tail(&g->members, &m->link);
    CHECK(!map_put(&g->by_id, id, m));
    if (instance_id.ptr)
        CHECK(!map_put(&g->by_instance, instance_id, m));
    g->nmembers++;
    if (!g->leader)
        g->leader = m;
    return m;
}

static void member_free(struct group_member *m)
{
    drop_protocols(m);
    let_go(&m->id);
    let_go(&m->was_id);
    let_go(&m->instance_id);
    let_go(&m->client_id);
    let_go(&m->client_host);
    let_go(&m->assignment);
    xfree(m);
}

/* Takes it out of the group; who waits for it is told so. */
static void member_remove(struct group_state *g, struct group_member *m, int16_t error)
{
    refuse_join(g, m, error);
    answer_sync(g, m, error);
    map_remove(&g->by_id, m->id);
    if (m->instance_id.ptr)
        map_remove(&g->by_instance, m->instance_id);
    list_remove(&m->link);
    g->nmembers--;
    if (g->leader == m)
        g->leader = list_empty(&g->members) ? NULL : container_of(g->members.next, struct group_member, link);
    member_free(m);
}

static void member_update(struct group_state *g, struct group_member *m, const struct group_join *j)
{
    set_protocols(m, j->protocols, j->nprotocols);
    m->session_timeout_ms = j->session_timeout_ms;
    m->rebalance_timeout_ms = MAX(j->rebalance_timeout_ms, 0);
    replace(&m->client_id, j->client_id.ptr ? j->client_id : STR(""));
    replace(&m->client_host, j->client_host.ptr ? j->client_host : STR(""));
    wait_join(g, m, j);
}

/* Kafka's order of checks: the instance, then the id. */
static int16_t member_check(const struct group_state *g, struct str id, struct str instance_id,
                            struct group_member **out)
{
    *out = find(g, id);
    if (instance_id.ptr) {
        struct group_member *m = map_get(&g->by_instance, instance_id);
        if (!m)
            return K_UNKNOWN_MEMBER;
        if (m != *out)
            return K_FENCED_INSTANCE_ID;
    }
    return *out ? 0 : K_UNKNOWN_MEMBER;
}

/* A member has gone: the others share its work anew. */
static void after_loss(struct group_state *g)
{
    if (group_state_is(g, GROUP_PREPARING))
        maybe_complete_join(g);
    else
        rebalance(g);
}

/* ---- the join phase */

static void store(struct group_state *g)
{
    g->ticket++;
    g->out->store(g->arg, g->ticket);
}

static void forget_assignments(struct group_state *g, int16_t error)
{
    g->sync_ticket = 0;
    LIST_EACH(l, &g->members) {
        struct group_member *m = container_of(l, struct group_member, link);
        replace(&m->assignment, STR(""));
        answer_sync(g, m, error);
    }
}

/* Begins a join phase. The first one of an empty group lasts a while, so that members that start together share one. */
static void rebalance(struct group_state *g)
{
    if (group_state_is(g, GROUP_COMPLETING))
        forget_assignments(g, K_REBALANCE_IN_PROGRESS);
    LIST_EACH(l, &g->members)
        container_of(l, struct group_member, link)->must_sync = false;
    g->sync_due_ms = 0;
    g->was_empty = group_state_is(g, GROUP_EMPTY);
    move(g, GROUP_PREPARING);
    int32_t most = rebalance_timeout(g);
    if (g->was_empty) {
        g->newcomer = false;
        g->initial_left_ms = MAX(most - g->conf->initial_delay_ms, 0);
        most = g->conf->initial_delay_ms;
    }
    g->join_due_ms = g->now_ms + MAX(most, 1);
    wake_at(g, g->join_due_ms);
    maybe_complete_join(g);
}

static bool elect_joined_leader(struct group_state *g)
{
    if (g->leader && g->leader->join_waiter)
        return true;
    LIST_EACH(l, &g->members) {
        struct group_member *m = container_of(l, struct group_member, link);
        if (!m->join_waiter)
            continue;
        g->leader = m;
        return true;
    }
    return false;
}

static void tell_generation(struct group_state *g)
{
    replace(&g->protocol, choose_protocol(g));
    move(g, GROUP_COMPLETING);
    LIST_EACH(l, &g->members) {
        struct group_member *m = container_of(l, struct group_member, link);
        m->must_sync = true;
        if (m->join_waiter)
            answer_generation(g, m);
    }
    g->sync_due_ms = g->now_ms + MAX(rebalance_timeout(g), 1);
    wake_at(g, g->sync_due_ms);
}

static void complete_join(struct group_state *g)
{
    g->join_due_ms = 0;
    LIST_EACH_SAFE(l, &g->members) {
        struct group_member *m = container_of(l, struct group_member, link);
        if (!m->join_waiter && !m->instance_id.ptr)
            member_remove(g, m, K_UNKNOWN_MEMBER);
    }
    if (g->nmembers && !elect_joined_leader(g)) {
        /* Static members alone, and none of them has come: they have until their sessions end. */
        g->join_due_ms = g->now_ms + MAX(rebalance_timeout(g), 1);
        wake_at(g, g->join_due_ms);
        return;
    }
    g->generation = g->generation == INT32_MAX ? 1 : g->generation + 1;
    if (g->nmembers) {
        tell_generation(g);
        return;
    }
    let_go(&g->protocol);
    move(g, GROUP_EMPTY);
    store(g);
}

static void maybe_complete_join(struct group_state *g)
{
    bool all_here = g->njoining == g->nmembers && g->promised.len == 0;
    if (group_state_is(g, GROUP_PREPARING) && all_here && (!g->was_empty || g->nmembers == 0))
        complete_join(g);
}

/* The end of the join phase has come; the first one of an empty group goes on while others arrive. */
static void join_due(struct group_state *g)
{
    if (g->was_empty && g->newcomer && g->initial_left_ms > 0) {
        int32_t more = MIN(g->conf->initial_delay_ms, g->initial_left_ms);
        g->newcomer = false;
        g->initial_left_ms = MAX(g->initial_left_ms - g->conf->initial_delay_ms, 0);
        g->join_due_ms = g->now_ms + MAX(more, 1);
        wake_at(g, g->join_due_ms);
        return;
    }
    complete_join(g);
}

/* ---- JoinGroup */

static void rebalance_or_complete(struct group_state *g)
{
    if (group_state_is(g, GROUP_PREPARING))
        maybe_complete_join(g);
    else
        rebalance(g);
}

static void join_add(struct group_state *g, const struct group_join *j, struct str id)
{
    if (g->nmembers == 0)
        replace(&g->protocol_type, j->protocol_type);
    struct group_member *m = member_new(g, id, j->instance_id);
    m->is_new = true;
    member_update(g, m, j);
    member_due(g, m, GROUP_NEW_MEMBER_MS);
    if (group_state_is(g, GROUP_PREPARING))
        g->newcomer = true;
    rebalance_or_complete(g);
}

/* A static member that returns under a new id: the old one is fenced. */
static void join_replace(struct group_state *g, const struct group_join *j, struct group_member *m)
{
    refuse_join(g, m, K_FENCED_INSTANCE_ID);
    answer_sync(g, m, K_FENCED_INSTANCE_ID);
    map_remove(&g->by_id, m->id);
    let_go(&m->was_id);
    m->was_id = m->id;
    m->id = keep(j->fresh_id);
    CHECK(!map_put(&g->by_id, m->id, m));
    m->is_new = false;
    member_update(g, m, j);
    alive(g, m);
    if (!group_state_is(g, GROUP_STABLE) || !str_eq(choose_protocol(g), g->protocol)) {
        rebalance_or_complete(g);
        return;
    }
    store(g);
    m->static_ticket = g->ticket;
}

static void join_new(struct group_state *g, const struct group_join *j)
{
    struct group_member *m = j->instance_id.ptr ? map_get(&g->by_instance, j->instance_id) : NULL;
    if (m) {
        join_replace(g, j, m);
    } else if (j->need_id && !j->instance_id.ptr) {
        struct group_promise *promise = xzalloc(sizeof *promise);
        promise->due_ms = g->now_ms + j->session_timeout_ms;
        wake_at(g, promise->due_ms);
        CHECK(!map_put(&g->promised, j->fresh_id, promise));
        answer_join_error(g, j->waiter, K_MEMBER_ID_REQUIRED, j->fresh_id);
    } else {
        join_add(g, j, j->fresh_id);
    }
}

static void join_again(struct group_state *g, const struct group_join *j, struct group_member *m)
{
    bool same = same_protocols(m, j);
    bool completing = group_state_is(g, GROUP_COMPLETING), stable = group_state_is(g, GROUP_STABLE);
    /* Its answer may have been lost, or it looks whether anything has changed. */
    if ((completing && same) || (stable && same && m != g->leader)) {
        wait_join(g, m, j);
        answer_generation(g, m);
        return;
    }
    m->is_new = false;
    alive(g, m);
    member_update(g, m, j);
    rebalance_or_complete(g);
}

static bool has_room(const struct group_state *g, const struct group_join *j, const struct group_member *m)
{
    if (!j->member_id.len && g->promised.len >= GROUP_PROMISES_MAX)
        return false;
    if (group_state_is(g, GROUP_PREPARING))
        return (m && m->join_waiter) || g->njoining < g->conf->size_max;
    return m || g->nmembers < g->conf->size_max;
}

void group_state_join(struct group_state *g, const struct group_join *j)
{
    struct group_member *m = find(g, j->member_id);
    int16_t error = 0;
    if (group_state_is(g, GROUP_DEAD))
        error = K_COORDINATOR_NOT_AVAILABLE;
    else if (j->session_timeout_ms < g->conf->session_min_ms || j->session_timeout_ms > g->conf->session_max_ms)
        error = K_INVALID_SESSION_TIMEOUT;
    else if (!has_room(g, j, m))
        error = K_GROUP_MAX_SIZE;
    else if (!fits(g, j))
        error = K_INCONSISTENT_PROTOCOL;
    if (error == K_GROUP_MAX_SIZE && m) {
        member_remove(g, m, error); /* the group was larger when it joined */
        after_loss(g);
    }
    struct group_promise *promise = error ? NULL : map_remove(&g->promised, j->member_id);
    bool promised = promise != NULL;
    xfree(promise);
    if (promised && j->instance_id.ptr)
        error = K_UNKNOWN_MEMBER; /* static members are not promised ids */
    else if (!error && j->member_id.len && !promised)
        error = member_check(g, j->member_id, j->instance_id, &m);
    if (error)
        answer_join_error(g, j->waiter, error, j->member_id);
    else if (promised)
        join_add(g, j, j->member_id);
    else if (m)
        join_again(g, j, m);
    else
        join_new(g, j);
}

/* ---- SyncGroup */

static int16_t sync_check(const struct group_state *g, const struct group_sync *s, struct group_member **m)
{
    if (group_state_is(g, GROUP_DEAD))
        return K_COORDINATOR_NOT_AVAILABLE;
    int16_t error = member_check(g, s->member_id, s->instance_id, m);
    if (error)
        return error;
    if (s->generation != g->generation)
        return K_ILLEGAL_GENERATION;
    if ((s->protocol_type.ptr && !str_eq(s->protocol_type, g->protocol_type)) ||
        (s->protocol.ptr && !str_eq(s->protocol, g->protocol)))
        return K_INCONSISTENT_PROTOCOL;
    return group_state_is(g, GROUP_PREPARING) ? K_REBALANCE_IN_PROGRESS : 0;
}

static void assign(struct group_state *g, const struct group_sync *s)
{
    LIST_EACH(l, &g->members)
        replace(&container_of(l, struct group_member, link)->assignment, STR("")); /* of the generation before */
    for (unsigned i = 0; i < s->nassignments; i++) {
        struct group_member *m = find(g, s->assignments[i].member_id);
        if (m) /* the others are not the leader's to know */
            replace(&m->assignment, s->assignments[i].bytes.ptr ? s->assignments[i].bytes : STR(""));
    }
    store(g);
    g->sync_ticket = g->ticket;
}

void group_state_sync(struct group_state *g, const struct group_sync *s)
{
    struct group_member *m = NULL;
    int16_t error = sync_check(g, s, &m);
    if (error) {
        struct group_synced a = {.error = error, .assignment = STR("")};
        g->out->synced(g->arg, s->waiter, &a);
        return;
    }
    answer_sync(g, m, K_REBALANCE_IN_PROGRESS); /* it asks again */
    m->sync_waiter = s->waiter;
    m->must_sync = false;
    if (group_state_is(g, GROUP_STABLE))
        answer_sync(g, m, 0);
    else if (m == g->leader && !g->sync_ticket)
        assign(g, s);
}

static void stored_assignment(struct group_state *g, int16_t error)
{
    g->sync_ticket = 0;
    if (error) {
        forget_assignments(g, error);
        rebalance(g);
        return;
    }
    move(g, GROUP_STABLE);
    LIST_EACH(l, &g->members)
        answer_sync(g, container_of(l, struct group_member, link), 0);
}

/* The record with a static member's new id. A client that cannot be told to skip the assignment must not take itself
 * for the leader, or it would assign: it gets the id that the leader had. */
static void stored_static(struct group_state *g, struct group_member *m, int16_t error)
{
    m->static_ticket = 0;
    if (!group_state_is(g, GROUP_STABLE))
        return; /* it waits for the next generation like everybody else */
    if (error)
        refuse_join(g, m, error);
    else if (m == g->leader && !m->can_skip)
        answer_join(g, m, m->was_id, false, false);
    else
        answer_join(g, m, g->leader->id, m == g->leader, m == g->leader);
}

void group_state_stored(struct group_state *g, uint64_t ticket, int16_t error)
{
    if (group_state_is(g, GROUP_DEAD))
        return;
    if (ticket == g->sync_ticket && group_state_is(g, GROUP_COMPLETING))
        stored_assignment(g, error);
    LIST_EACH_SAFE(l, &g->members) {
        struct group_member *m = container_of(l, struct group_member, link);
        if (m->static_ticket == ticket)
            stored_static(g, m, error);
    }
}

/* ---- Heartbeat, LeaveGroup, OffsetCommit */

int16_t group_state_beat(struct group_state *g, struct str member_id, struct str instance_id, int32_t generation)
{
    struct group_member *m;
    if (group_state_is(g, GROUP_DEAD))
        return K_COORDINATOR_NOT_AVAILABLE;
    int16_t error = member_check(g, member_id, instance_id, &m);
    if (!error && generation != g->generation)
        error = K_ILLEGAL_GENERATION;
    if (error)
        return error;
    alive(g, m);
    return group_state_is(g, GROUP_PREPARING) ? K_REBALANCE_IN_PROGRESS : 0;
}

int16_t group_state_leave(struct group_state *g, struct str member_id, struct str instance_id)
{
    struct group_member *m = NULL;
    int16_t error = 0;
    if (group_state_is(g, GROUP_DEAD))
        return K_COORDINATOR_NOT_AVAILABLE;
    struct group_promise *promise = map_remove(&g->promised, member_id);
    if (promise) {
        xfree(promise);
        maybe_complete_join(g);
        return 0;
    }
    if (!member_id.len && instance_id.ptr)
        m = map_get(&g->by_instance, instance_id);
    else
        error = member_check(g, member_id, instance_id, &m);
    if (!m)
        return error ? error : K_UNKNOWN_MEMBER;
    if (error)
        return error;
    member_remove(g, m, K_UNKNOWN_MEMBER);
    after_loss(g);
    return 0;
}

int16_t group_state_may_commit(struct group_state *g, struct str member_id, struct str instance_id, int32_t generation,
                               bool transactional)
{
    struct group_member *m = NULL;
    if (group_state_is(g, GROUP_DEAD))
        return K_COORDINATOR_NOT_AVAILABLE;
    if (generation < 0 && group_state_is(g, GROUP_EMPTY))
        return 0;
    if (generation >= 0 || member_id.len || instance_id.ptr) {
        int16_t error = member_check(g, member_id, instance_id, &m);
        if (error)
            return error;
        if (generation != g->generation)
            return K_ILLEGAL_GENERATION;
    } else if (!transactional) {
        return K_UNKNOWN_MEMBER;
    }
    if (!transactional && group_state_is(g, GROUP_COMPLETING))
        return K_REBALANCE_IN_PROGRESS;
    if (m)
        alive(g, m);
    return 0;
}

/* ---- time */

static void tick_promises(struct group_state *g)
{
    bool again = true;
    while (again) {
        struct group_promise *promise;
        struct str id;
        size_t i = 0;
        again = false;
        while ((id = map_next_key(&g->promised, &i, (void **)&promise)).ptr && !again) {
            if (promise->due_ms > g->now_ms)
                continue;
            again = true;
            xfree(map_remove(&g->promised, id));
        }
        if (again)
            maybe_complete_join(g);
    }
}

static void tick_members(struct group_state *g)
{
    LIST_EACH_SAFE(l, &g->members) {
        struct group_member *m = container_of(l, struct group_member, link);
        if (m->due_ms > g->now_ms)
            continue;
        if (!m->is_new && (m->join_waiter || m->sync_waiter)) {
            alive(g, m); /* who waits for us cannot beat */
            continue;
        }
        member_remove(g, m, K_UNKNOWN_MEMBER);
        after_loss(g);
        return; /* the list may be another now; the next tick is due at once */
    }
}

static void tick_sync(struct group_state *g)
{
    unsigned dropped = 0;
    g->sync_due_ms = 0;
    LIST_EACH_SAFE(l, &g->members) {
        struct group_member *m = container_of(l, struct group_member, link);
        if (!m->must_sync)
            continue;
        member_remove(g, m, K_UNKNOWN_MEMBER);
        dropped++;
    }
    if (dropped)
        rebalance(g);
}

static int64_t earliest(const struct group_state *g)
{
    int64_t next = INT64_MAX;
    struct group_promise *promise;
    for (size_t i = 0; (promise = map_next(&g->promised, &i)) != NULL;)
        next = MIN(next, promise->due_ms);
    LIST_EACH(l, &g->members)
        next = MIN(next, container_of(l, struct group_member, link)->due_ms);
    if (g->join_due_ms)
        next = MIN(next, g->join_due_ms);
    if (g->sync_due_ms)
        next = MIN(next, g->sync_due_ms);
    return next;
}

void group_state_tick(struct group_state *g)
{
    if (group_state_is(g, GROUP_DEAD) || g->now_ms < g->next_ms)
        return;
    tick_promises(g);
    tick_members(g);
    if (g->join_due_ms && g->join_due_ms <= g->now_ms)
        join_due(g);
    if (g->sync_due_ms && g->sync_due_ms <= g->now_ms)
        tick_sync(g);
    g->next_ms = earliest(g);
}

/* ---- life */

void group_state_init(struct group_state *g, struct str id, const struct group_conf *conf, const struct group_out *out,
                      void *arg)
{
    *g = (struct group_state){.conf = conf, .out = out, .arg = arg, .id = keep(id),
                              .next_ms = INT64_MAX};
    sm_init(&g->sm, phases, "coord.group", GROUP_EMPTY);
    list_init(&g->members);
    map_init(&g->by_id);
    map_init(&g->by_instance);
    map_init(&g->promised);
}

static void forget_promises(struct group_state *g)
{
    struct group_promise *promise;
    for (size_t i = 0; (promise = map_next(&g->promised, &i)) != NULL;)
        xfree(promise);
    map_clear(&g->promised);
}

static void forget_members(struct group_state *g)
{
    for (struct list *l; (l = list_pop(&g->members)) != NULL;)
        member_free(container_of(l, struct group_member, link));
    map_clear(&g->by_id);
    map_clear(&g->by_instance);
    g->leader = NULL;
    g->nmembers = g->njoining = 0;
}

void group_state_kill(struct group_state *g)
{
    forget_promises(g);
    while (g->nmembers)
        member_remove(g, container_of(g->members.next, struct group_member, link), K_COORDINATOR_NOT_AVAILABLE);
    g->join_due_ms = g->sync_due_ms = 0;
    g->next_ms = INT64_MAX;
    move(g, GROUP_DEAD);
}

void group_state_fini(struct group_state *g)
{
    forget_promises(g);
    forget_members(g);
    map_fini(&g->by_id);
    map_fini(&g->by_instance);
    map_fini(&g->promised);
    let_go(&g->protocol_type);
    let_go(&g->protocol);
    let_go(&g->id);
}

/* ---- from a record */

void group_state_load(struct group_state *g, struct str protocol_type, int32_t generation, struct str protocol,
                      int64_t changed_ms)
{
    forget_members(g);
    replace(&g->protocol_type, protocol_type.len ? protocol_type : STR_NULL);
    replace(&g->protocol, protocol);
    g->generation = generation;
    g->changed_ms = changed_ms;
}

void group_state_load_member(struct group_state *g, const struct group_loaded *in, bool leader)
{
    if (!g->protocol.ptr || find(g, in->id) || (in->instance_id.ptr && map_get(&g->by_instance, in->instance_id)))
        return;
    struct group_member *m = member_new(g, in->id, in->instance_id);
    m->client_id = keep(in->client_id);
    m->client_host = keep(in->client_host);
    m->session_timeout_ms = in->session_timeout_ms;
    m->rebalance_timeout_ms = in->rebalance_timeout_ms < 0 ? in->session_timeout_ms : in->rebalance_timeout_ms;
    replace(&m->assignment, in->assignment);
    struct group_protocol p = {g->protocol.ptr ? g->protocol : STR(""), in->metadata};
    set_protocols(m, &p, 1);
    if (leader)
        g->leader = m;
}

void group_state_load_done(struct group_state *g)
{
    int64_t changed_ms = g->changed_ms;
    if (g->nmembers && group_state_is(g, GROUP_EMPTY))
        move(g, GROUP_STABLE);
    g->changed_ms = changed_ms;
    LIST_EACH(l, &g->members)
        alive(g, container_of(l, struct group_member, link));
}

/* ---- what must hold */

static void check_member(const struct group_state *g, const struct group_member *m)
{
    CHECK(find(g, m->id) == m);
    CHECK(!m->instance_id.ptr || map_get(&g->by_instance, m->instance_id) == m);
    CHECK(!map_get(&g->promised, m->id));
    CHECK(!m->sync_waiter || group_state_is(g, GROUP_COMPLETING));
    CHECK(!m->join_waiter || group_state_is(g, GROUP_PREPARING) || m->static_ticket);
    CHECK(!m->is_new || m->join_waiter);
    CHECK(!g->protocol.ptr || group_state_is(g, GROUP_PREPARING) || supports(m, g->protocol));
    CHECK(m->due_ms >= g->next_ms);
}

void group_state_check(const struct group_state *g)
{
    unsigned n = 0, joining = 0;
    LIST_EACH(l, &g->members) {
        const struct group_member *m = container_of(l, struct group_member, link);
        check_member(g, m);
        n++;
        joining += m->join_waiter != NULL;
    }
    CHECK(n == g->nmembers && joining == g->njoining);
    CHECK(g->by_id.len == n && g->by_instance.len <= n);
    CHECK(!g->leader == (n == 0));
    CHECK(!(group_state_is(g, GROUP_EMPTY) || group_state_is(g, GROUP_DEAD)) || n == 0);
    CHECK(!(group_state_is(g, GROUP_STABLE) || group_state_is(g, GROUP_COMPLETING)) || (n > 0 && g->protocol.ptr));
    CHECK((g->join_due_ms != 0) == group_state_is(g, GROUP_PREPARING));
    CHECK(!g->sync_ticket || group_state_is(g, GROUP_COMPLETING));
}
