/* Requests of groups: each goes to the loop of its group's partition, does what it has to, and its answer goes back. */
#include "log/base/fault.h"
#include "log/base/limits.h"
#include "log/base/map.h"
#include "log/coord/group.h"
#include "log/coord/room.h"
#include <stdio.h>

/* ---- there and back */

static void answer_run(struct msg *m)
{
    struct coord_group_call *call = container_of(m, struct coord_group_call, msg);
    call->done_cb(call);
}

void group_call_answer(struct coord_group_call *call)
{
    call->msg.run_cb = answer_run;
    loop_post(call->from, &call->msg);
}

void group_call_fail(struct coord_group_call *call, int16_t error)
{
    call->error = error;
    group_call_answer(call);
}

struct call_ask {
    struct statelog_ask ask;
    struct coord_group_call *call;
};

static void arrived(struct statelog_ask *ask, struct statelog_part *lp, void *state, int16_t error)
{
    struct call_ask *ca = container_of(ask, struct call_ask, ask);
    struct coord_group_call *call = ca->call;
    (void)lp;
    xfree(ca);
    if (error)
        group_call_fail(call, error);
    else
        call->run(call, state);
}

void group_call_start(struct coord *c, struct coord_group_call *call, bool needs_id,
                      void (*run)(struct coord_group_call *, void *))
{
    call->coord = c;
    call->run = run;
    call->error = 0;
    if (!call->group.ptr || (needs_id && !call->group.len)) {
        group_call_fail(call, K_INVALID_GROUP_ID);
        return;
    }
    struct call_ask *ca = xzalloc(sizeof *ca);
    ca->call = call;
    ca->ask = (struct statelog_ask){
        .index = statelog_index(c->group_log, call->group), .ask_cb = arrived, .loop = call->from};
    statelog_ask(c->group_log, &ca->ask);
}

/* ---- JoinGroup */

/* As much of a name as fits a member's id; a character is not cut in two. */
static struct str short_name(struct str s)
{
    size_t n = MIN(s.len, (size_t)GROUP_NAME_BYTES);
    while (n < s.len && n > 0 && ((uint8_t)s.ptr[n] & 0xc0) == 0x80)
        n--;
    return (struct str){s.ptr, n};
}

struct str group_call_fresh_id(const struct coord_group_call *call, struct loop *loop, struct str instance_id)
{
    struct str name = short_name(instance_id.ptr ? instance_id : call->client_id);
    uint64_t a = loop_random(loop), b = loop_random(loop);
    return str_of(arena_printf(call->arena, "%.*s-%08x-%04x-%04x-%04x-%012" PRIx64, STR_ARG(name), (unsigned)(a >> 32),
                               (unsigned)(a >> 16 & 0xffff), (unsigned)(0x4000 | (a & 0xfff)),
                               (unsigned)(0x8000 | (b >> 48 & 0x3fff)), b & 0xffffffffffff));
}

void group_call_joined(void *arg, void *waiter, const struct group_joined *a)
{
    (void)arg;
    struct coord_group_call *call = waiter;
    struct join_group_response *out = call->out;
    join_group_response_init(out);
    out->error_code = call->error = a->error;
    out->generation_id = a->generation;
    out->protocol_type = arena_dup(call->arena, a->protocol_type);
    out->protocol_name = arena_dup(call->arena, a->protocol.ptr || call->version >= 7 ? a->protocol : STR(""));
    out->leader = arena_dup(call->arena, a->leader);
    out->member_id = arena_dup(call->arena, a->member_id);
    out->skip_assignment = a->skip_assignment;
    out->members = ARENA_ARRAY(call->arena, struct join_group_response_member, a->npeers + 1);
    out->members_n = a->npeers;
    for (unsigned i = 0; i < a->npeers; i++)
        out->members[i] =
            (struct join_group_response_member){.member_id = arena_dup(call->arena, a->peers[i].member_id),
                                                .group_instance_id = arena_dup(call->arena, a->peers[i].instance_id),
                                                .metadata = arena_dup(call->arena, a->peers[i].metadata)};
    group_call_answer(call);
}

static void join_refuse(struct coord_group_call *call, int16_t error)
{
    const struct join_group_request *in = call->in;
    struct group_joined a = {.error = error, .generation = -1, .leader = STR(""), .member_id = in->member_id};
    group_call_joined(NULL, call, &a);
}

static void join_run(struct coord_group_call *call, void *shard)
{
    struct group_shard *sh = shard;
    const struct join_group_request *in = call->in;
    struct group_protocol *protocols = ARENA_ARRAY(call->arena, struct group_protocol, in->protocols_n + 1);
    for (uint32_t i = 0; i < in->protocols_n; i++)
        protocols[i] = (struct group_protocol){in->protocols[i].name, in->protocols[i].metadata};
    struct group_join j = {.member_id = in->member_id,
                           .instance_id = in->group_instance_id,
                           .client_id = call->client_id,
                           .client_host = call->client_host,
                           .protocol_type = in->protocol_type,
                           .fresh_id = group_call_fresh_id(call, sh->loop, in->group_instance_id),
                           .protocols = protocols,
                           .nprotocols = in->protocols_n,
                           .session_timeout_ms = in->session_timeout_ms,
                           .rebalance_timeout_ms =
                               call->version >= 1 ? in->rebalance_timeout_ms : in->session_timeout_ms,
                           .need_id = call->version >= 4,
                           .can_skip = call->version >= 9,
                           .waiter = call};
    struct group *g = in->member_id.len ? group_find(sh, call->group) : group_get(sh, call->group);
    if (!g) {
        const struct config *conf = call->coord->conf;
        bool bad =
            in->session_timeout_ms < conf->group_session_min_ms || in->session_timeout_ms > conf->group_session_max_ms;
        join_refuse(call, bad ? K_INVALID_SESSION_TIMEOUT : K_UNKNOWN_MEMBER);
        return;
    }
    if (!group_make_classic(g)) {
        join_refuse(call, K_INCONSISTENT_PROTOCOL); /* a group of KIP-848 */
        return;
    }
    group_enter(g);
    group_state_join(&g->st, &j);
    group_leave(g);
}

void coord_group_join(struct coord *c, struct coord_group_call *call) { group_call_start(c, call, true, join_run); }

/* ---- SyncGroup */

void group_call_synced(void *arg, void *waiter, const struct group_synced *a)
{
    (void)arg;
    struct coord_group_call *call = waiter;
    struct sync_group_response *out = call->out;
    sync_group_response_init(out);
    out->error_code = call->error = a->error;
    out->protocol_type = arena_dup(call->arena, a->protocol_type);
    out->protocol_name = arena_dup(call->arena, a->protocol);
    out->assignment = arena_dup(call->arena, a->assignment);
    group_call_answer(call);
}

static void sync_run(struct coord_group_call *call, void *shard)
{
    const struct sync_group_request *in = call->in;
    struct group *g = group_find(shard, call->group);
    if (!g) {
        group_call_synced(NULL, call, &(struct group_synced){.error = K_UNKNOWN_MEMBER, .assignment = STR("")});
        return;
    }
    struct group_assignment *as = ARENA_ARRAY(call->arena, struct group_assignment, in->assignments_n + 1);
    for (uint32_t i = 0; i < in->assignments_n; i++)
        as[i] = (struct group_assignment){in->assignments[i].member_id, in->assignments[i].assignment};
    struct group_sync s = {.member_id = in->member_id,
                           .instance_id = in->group_instance_id,
                           .protocol_type = in->protocol_type,
                           .protocol = in->protocol_name,
                           .generation = in->generation_id,
                           .assignments = as,
                           .nassignments = in->assignments_n,
                           .waiter = call};
    group_enter(g);
    group_state_sync(&g->st, &s);
    group_leave(g);
}

void coord_group_sync(struct coord *c, struct coord_group_call *call) { group_call_start(c, call, true, sync_run); }

/* ---- Heartbeat, LeaveGroup */

static void beat_run(struct coord_group_call *call, void *shard)
{
    struct group *g = group_find(shard, call->group);
    int16_t error = K_UNKNOWN_MEMBER;
    if (g) {
        group_enter(g);
        error = group_state_beat(&g->st, call->member_id, call->instance_id, call->generation);
        group_leave(g);
    }
    group_call_fail(call, error);
}

void coord_group_beat(struct coord *c, struct coord_group_call *call) { group_call_start(c, call, true, beat_run); }

static void leave_run(struct coord_group_call *call, void *shard)
{
    const struct leave_group_request *in = call->in;
    struct leave_group_response *out = call->out;
    struct group *g = group_find(shard, call->group);
    leave_group_response_init(out);
    out->members = ARENA_ARRAY(call->arena, struct leave_group_response_member, in->members_n + 1);
    out->members_n = in->members_n;
    if (g)
        group_enter(g);
    for (uint32_t i = 0; i < in->members_n; i++) {
        const struct leave_group_request_member *m = &in->members[i];
        int16_t error = g ? group_state_leave(&g->st, m->member_id, m->group_instance_id) : K_UNKNOWN_MEMBER;
        out->members[i] = (struct leave_group_response_member){m->member_id, m->group_instance_id, error};
    }
    if (g)
        group_leave(g);
    group_call_answer(call);
}

void coord_group_leave(struct coord *c, struct coord_group_call *call) { group_call_start(c, call, true, leave_run); }

/* ---- OffsetCommit */

/* Kafka's word for an offset that could not be written. */
static int16_t commit_error(int status)
{
    switch (status) {
    case E_TOO_LARGE:
    case E_SEGMENT_SIZE:
        return K_COMMIT_SIZE;
    case 0:
    case E_NO_TOPIC:
    case E_CANCELED:
    case E_STORAGE:
    case E_FULL:
        return coord_append_error(status);
    default:
        return err_kafka(status);
    }
}

static void commit_done(struct group_write *gw, int status)
{
    struct coord_group_call *call = gw->arg;
    FAULT("group.after_commit");
    group_call_fail(call, commit_error(status));
    group_enter(gw->g);
    group_leave(gw->g);
}

/* Older versions have no word for an epoch that is stale. */
static int16_t may_commit_consumer(const struct coord_group_call *call, const struct group *g, bool txn)
{
    int16_t error = consumer_may(g->consumer, call->member_id, call->generation, txn);
    bool old = !txn && call->version < 9 && call->generation >= 0;
    return old && (error == 0 || error == K_STALE_MEMBER_EPOCH) ? K_UNSUPPORTED_VERSION : error;
}

static int16_t may_commit(struct coord_group_call *call, struct group_shard *sh, bool txn, struct group **out)
{
    struct group *g = *out = group_find(sh, call->group);
    if (!g && call->generation >= 0)
        return K_ILLEGAL_GENERATION;
    if (!g)
        return 0; /* offsets are all there is to it */
    if (g->consumer)
        return may_commit_consumer(call, g, txn);
    group_enter(g);
    int16_t error = group_state_may_commit(&g->st, call->member_id, call->instance_id, call->generation, txn);
    group_leave(g);
    *out = group_find(sh, call->group); /* one that held nothing has gone */
    return error;
}

/* The offsets that have no error yet, as records; NULL if there are none. */
static struct group_write *commit_write(struct coord_group_call *call, struct group *g,
                                        void (*done_cb)(struct group_write *, int))
{
    struct group_write *gw = NULL;
    int64_t now = loop_wall_ms(g->shard->loop);
    for (uint32_t i = 0; i < call->noffsets; i++) {
        struct coord_offset *o = &call->offsets[i];
        if (!o->error && (int64_t)o->metadata.len > call->coord->conf->offset_metadata_max)
            o->error = K_METADATA_TOO_LARGE;
        if (o->error)
            continue;
        struct offset_value v = {.offset = o->offset,
                                 .leader_epoch = o->leader_epoch,
                                 .metadata = o->metadata,
                                 .commit_ms = now,
                                 .expire_ms =
                                     call->retention_ms < 0 ? -1 : now + MIN(call->retention_ms, INT64_MAX - now)};
        v.metadata = v.metadata.ptr ? v.metadata : STR("");
        gw = gw ? gw : group_write_new(g, done_cb, call);
        group_write_offset(gw, o->topic, o->partition, &v);
    }
    return gw;
}

static void commit_run(struct coord_group_call *call, void *shard)
{
    struct group *g;
    int16_t error = may_commit(call, shard, false, &g);
    if (error) {
        group_call_fail(call, error);
        return;
    }
    g = g ? g : group_get(shard, call->group);
    struct group_write *gw = commit_write(call, g, commit_done);
    if (gw) {
        FAULT("group.before_commit");
        group_write_go(gw);
        return;
    }
    group_leave(g);
    group_call_answer(call);
}

void coord_group_commit(struct coord *c, struct coord_group_call *call)
{
    group_call_start(c, call, false, commit_run);
}

/* ---- TxnOffsetCommit
 *
 * The store knows whether the transaction is open on this partition. If it is not, the coordinator is asked (and, from
 * KIP-890 part 2 on, told), and the append goes again with the guard of the first: a marker between the two refuses
 * it. */

struct txn_ask {
    struct coord_call call;
    struct coord_part part;
    struct coord_group_call *gc;
    struct group_shard *sh;
};

static void txn_write(struct coord_group_call *call, struct group_shard *sh);

static void txn_verified(struct coord_call *tc)
{
    struct txn_ask *ta = container_of(tc, struct txn_ask, call);
    struct coord_group_call *call = ta->gc;
    struct group_shard *sh = ta->sh;
    int16_t error = tc->error ? tc->error : ta->part.error;
    xfree(ta);
    if (error) {
        group_call_fail(call, error);
    } else {
        call->verified = true;
        txn_write(call, sh);
    }
    statelog_drop(sh->lp);
}

static void txn_verify(struct coord_group_call *call, struct group_shard *sh)
{
    struct txn_ask *ta = xzalloc(sizeof *ta);
    struct coord *c = call->coord;
    ta->gc = call;
    ta->sh = sh;
    ta->part = (struct coord_part){str_of(statelog_topic(c->group_log)), statelog_part_index(sh->lp), 0};
    ta->call = (struct coord_call){.from = sh->loop,
                                   .done_cb = txn_verified,
                                   .flags = COORD_BRIEFLY | (call->v2 ? COORD_V2 : 0),
                                   .txn_id = call->txn_id,
                                   .producer_id = call->producer_id,
                                   .epoch = call->epoch,
                                   .group = call->group,
                                   .parts = &ta->part,
                                   .nparts = 1};
    statelog_hold(sh->lp);
    if (call->v2)
        coord_add_offsets(c, &ta->call);
    else
        coord_verify(c, &ta->call);
}

static void txn_done(struct group_write *gw, int status)
{
    struct coord_group_call *call = gw->arg;
    struct group_shard *sh = gw->g->shard;
    if (status == E_TXN_UNVERIFIED && !call->verified) {
        call->guard = gw->write.guard;
        txn_verify(call, sh);
    } else {
        group_call_fail(call, status == E_TXN_UNVERIFIED ? K_INVALID_TXN_STATE : commit_error(status));
    }
    group_enter(gw->g);
    group_leave(gw->g);
}

static void txn_write(struct coord_group_call *call, struct group_shard *sh)
{
    struct group *g;
    int16_t error = may_commit(call, sh, true, &g);
    if (error) {
        group_call_fail(call, error);
        return;
    }
    g = g ? g : group_get(sh, call->group);
    struct group_write *gw = commit_write(call, g, txn_done);
    if (!gw) {
        group_leave(g);
        group_call_answer(call);
        return;
    }
    gw->write.producer_id = call->producer_id;
    gw->write.epoch = call->epoch;
    gw->write.flags = (call->verified ? APPEND_VERIFIED : 0) | (call->v2 ? APPEND_TXN_V2 : 0);
    gw->write.guard = call->guard;
    group_write_go(gw);
}

static void txn_run(struct coord_group_call *call, void *shard) { txn_write(call, shard); }

void coord_group_txn_commit(struct coord *c, struct coord_group_call *call)
{
    call->verified = false;
    call->guard = 0;
    call->retention_ms = -1;
    group_call_start(c, call, true, txn_run);
}

/* ---- OffsetFetch */

static void fetch_one(const struct coord_group_call *call, const struct group_offset *of, struct coord_offset *to)
{
    to->offset = -1;
    to->leader_epoch = -1;
    to->metadata = STR("");
    if (of && of->npending && call->require_stable) {
        to->error = K_UNSTABLE_OFFSET_COMMIT;
    } else if (of && of->committed) {
        to->offset = of->value.offset;
        to->leader_epoch = of->value.leader_epoch;
        to->metadata = arena_dup(call->arena, of->value.metadata);
    }
}

static void fetch_all(struct coord_group_call *call, const struct group *g)
{
    const struct group_offset *of;
    call->noffsets = 0;
    call->offsets = ARENA_ARRAY(call->arena, struct coord_offset, g ? g->offsets.all.len + 1 : 1);
    for (size_t i = 0; g && (of = group_offsets_next(&g->offsets, &i)) != NULL;) {
        if (!of->committed && !call->require_stable)
            continue;
        struct coord_offset *to = &call->offsets[call->noffsets++];
        to->topic = arena_dup(call->arena, of->topic);
        to->partition = of->partition;
        fetch_one(call, of, to);
    }
}

static void fetch_run(struct coord_group_call *call, void *shard)
{
    const struct group *g = group_find(shard, call->group);
    bool asks = g && g->consumer && (call->member_id.len || call->generation >= 0);
    int16_t error = asks ? consumer_may(g->consumer, call->member_id, call->generation, false) : 0;
    if (error) {
        group_call_fail(call, error);
        return;
    }
    if (call->all)
        fetch_all(call, g);
    for (uint32_t i = 0; i < call->noffsets && !call->all; i++) {
        struct coord_offset *to = &call->offsets[i];
        if (!to->error)
            fetch_one(call, g ? group_offsets_find(&g->offsets, to->topic, to->partition) : NULL, to);
    }
    group_call_answer(call);
}

void coord_group_fetch(struct coord *c, struct coord_group_call *call) { group_call_start(c, call, false, fetch_run); }

/* ---- DescribeGroups */

static void describe_member(struct arena *a, const struct group *g, const struct group_member *m,
                            struct describe_groups_response_member *to)
{
    bool stable = group_state_is(&g->st, GROUP_STABLE);
    describe_groups_response_member_init(to);
    to->member_id = arena_dup(a, m->id);
    to->group_instance_id = arena_dup(a, m->instance_id);
    to->client_id = arena_dup(a, m->client_id);
    to->client_host = arena_dup(a, m->client_host);
    if (stable) {
        struct str metadata = group_state_metadata(&g->st, m);
        to->member_metadata = metadata.ptr ? arena_dup(a, metadata) : STR("");
        to->member_assignment = arena_dup(a, m->assignment);
    }
}

static void describe_run(struct coord_group_call *call, void *shard)
{
    struct describe_groups_response_group *out = call->out;
    const struct group *g = group_find(shard, call->group);
    if (!g || g->consumer) {
        group_call_fail(call, K_GROUP_ID_NOT_FOUND);
        return;
    }
    const struct group_state *st = &g->st;
    out->group_state = str_of(group_state_name(st));
    out->protocol_type = st->protocol_type.ptr ? arena_dup(call->arena, st->protocol_type) : STR("");
    out->protocol_data = group_state_is(st, GROUP_STABLE) ? arena_dup(call->arena, st->protocol) : STR("");
    out->members = ARENA_ARRAY(call->arena, struct describe_groups_response_member, st->nmembers + 1);
    LIST_EACH (l, &st->members) {
        describe_member(call->arena, g, container_of(l, struct group_member, link), &out->members[out->members_n++]);
    }
    group_call_answer(call);
}

void coord_group_describe(struct coord *c, struct coord_group_call *call)
{
    group_call_start(c, call, false, describe_run);
}

/* ---- DeleteGroups, OffsetDelete */

static bool choose_all(const struct group *g, const struct group_offset *of, void *arg)
{
    (void)g, (void)of, (void)arg;
    return true;
}

static void erase_done(void *arg, int status) { group_call_fail(arg, coord_append_error(status)); }

static void delete_run(struct coord_group_call *call, void *shard)
{
    struct group *g = group_find(shard, call->group);
    if (!g)
        group_call_fail(call, K_GROUP_ID_NOT_FOUND);
    else if (!group_is_empty(g))
        group_call_fail(call, K_NON_EMPTY_GROUP);
    else
        group_erase(g, choose_all, NULL, true, erase_done, call);
}

void coord_group_delete(struct coord *c, struct coord_group_call *call)
{
    group_call_start(c, call, false, delete_run);
}

/* A partition of a topic, as a key of a map; `w` holds it. */
static struct str named_key(struct wbuf *w, struct str topic, int32_t partition)
{
    wbuf_reset(w);
    wbuf_be32(w, (uint32_t)partition);
    wbuf_str(w, topic);
    return wbuf_view(w);
}

struct named {
    struct map map;
    struct wbuf key;
};

static bool choose_named(const struct group *g, const struct group_offset *of, void *arg)
{
    (void)g;
    struct named *named = arg;
    return map_get(&named->map, named_key(&named->key, of->topic, of->partition)) != NULL;
}

static void forget_run(struct coord_group_call *call, void *shard)
{
    struct group *g = group_find(shard, call->group);
    struct named named;
    bool used = g && !group_is_empty(g);
    if (!g || (used && !g->consumer && !str_eq(g->st.protocol_type, STR("consumer")))) {
        group_call_fail(call, g ? K_NON_EMPTY_GROUP : K_GROUP_ID_NOT_FOUND);
        return;
    }
    map_init(&named.map);
    wbuf_init(&named.key);
    for (uint32_t i = 0; i < call->noffsets; i++) {
        struct coord_offset *o = &call->offsets[i];
        if (!o->error && used && group_reads(g, o->topic))
            o->error = K_SUBSCRIBED_TO_TOPIC;
        if (!o->error)
            map_put(&named.map, named_key(&named.key, o->topic, o->partition), o);
    }
    group_erase(g, choose_named, &named, false, erase_done, call);
    map_fini(&named.map);
    wbuf_fini(&named.key);
}

void coord_group_forget(struct coord *c, struct coord_group_call *call)
{
    group_call_start(c, call, false, forget_run);
}

/* ---- ListGroups: from shard to shard */

static void list_home(struct msg *m)
{
    struct coord_group_list *list = container_of(m, struct coord_group_list, msg);
    list->done_cb(list);
}

static void list_add(struct coord_group_list *list, const struct group *g)
{
    if (list->ngroups == list->cap) {
        uint32_t cap = MAX(2 * list->cap, 16u);
        struct coord_listed_group *more = ARENA_ARRAY(list->arena, struct coord_listed_group, cap);
        if (list->ngroups)
            memcpy(more, list->groups, list->ngroups * sizeof *more);
        list->groups = more;
        list->cap = cap;
    }
    list->groups[list->ngroups++] = (struct coord_listed_group){
        arena_dup(list->arena, g->st.id),
        g->consumer               ? STR("consumer")
        : g->st.protocol_type.ptr ? arena_dup(list->arena, g->st.protocol_type)
                                  : STR(""),
        g->consumer ? consumer_state(g->consumer) : group_state_name(&g->st), g->consumer ? "consumer" : "classic"};
}

static void list_shard(struct msg *m)
{
    struct coord_group_list *list = container_of(m, struct coord_group_list, msg);
    struct coord *c = list->coord;
    const struct group_shard *sh;
    for (int32_t i = 0; (sh = statelog_each(c->group_log, c->loops[list->shard], &i, &list->error)) != NULL;) {
        const struct group *g;
        for (size_t k = 0; (g = map_next(&sh->groups, &k)) != NULL;)
            list_add(list, g);
    }
    bool more = ++list->shard < c->nloops;
    list->msg.run_cb = more ? list_shard : list_home;
    loop_post(more ? c->loops[list->shard] : list->from, &list->msg);
}

void coord_list_groups(struct coord *c, struct coord_group_list *list)
{
    list->coord = c;
    list->shard = 0;
    list->groups = NULL;
    list->ngroups = list->cap = 0;
    list->error = 0;
    list->msg.run_cb = list_shard;
    loop_post(c->loops[0], &list->msg);
}
