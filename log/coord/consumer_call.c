/* Requests of KIP-848: ConsumerGroupHeartbeat and ConsumerGroupDescribe. */
#include "log/coord/group.h"
#include "log/coord/room.h"

/* ---- the topics there are */

static bool find_topic(void *arg, struct str name, struct assign_topic *out)
{
    const struct topic *t = image_topic(arg, name);
    if (t)
        *out = (struct assign_topic){t->id, t->nparts};
    return t != NULL;
}

static void each_topic(void *arg, void (*each_cb)(void *to, struct str name), void *to)
{
    const struct image *im = arg;
    for (unsigned i = 0; i < im->ntopics; i++)
        if (strncmp(im->topics[i]->name, "__", 2) != 0) /* internal ones are nobody's to match */
            each_cb(to, str_of(im->topics[i]->name));
}

/* ---- ConsumerGroupHeartbeat */

/* Owned partitions as one array; -1: the request does not say. */
static int owned_of(const struct consumer_group_heartbeat_request *in, struct arena *a, const struct owned **out)
{
    unsigned n = 0, at = 0;
    if (!in->topic_partitions)
        return -1;
    for (uint32_t i = 0; i < in->topic_partitions_n; i++)
        n += in->topic_partitions[i].partitions_n;
    struct owned *all = ARENA_ARRAY(a, struct owned, n + 1);
    for (uint32_t i = 0; i < in->topic_partitions_n; i++)
        for (uint32_t k = 0; k < in->topic_partitions[i].partitions_n; k++)
            all[at++] = (struct owned){in->topic_partitions[i].topic_id, in->topic_partitions[i].partitions[k]};
    *out = all;
    return (int)n;
}

static void set_assignment(struct consumer_group_heartbeat_response *out, const struct owned_set *holds,
                           struct arena *a)
{
    struct consumer_group_heartbeat_response_topic *t =
        ARENA_ARRAY(a, struct consumer_group_heartbeat_response_topic, holds->n + 1);
    int32_t *parts = ARENA_ARRAY(a, int32_t, holds->n + 1);
    unsigned n = 0;
    for (unsigned i = 0; i < holds->n; i++) {
        if (i == 0 || !uuid_eq(holds->items[i - 1].topic, holds->items[i].topic)) {
            t[n].topic_id = holds->items[i].topic;
            t[n++].partitions = parts + i;
        }
        t[n - 1].partitions[t[n - 1].partitions_n++] = holds->items[i].partition;
    }
    out->assignment_there = true;
    out->assignment.topic_partitions = t;
    out->assignment.topic_partitions_n = n;
}

static void refuse(struct coord_group_call *call, int16_t error, const char *message)
{
    struct consumer_group_heartbeat_response *out = call->out;
    out->error_message = message ? str_of(message) : STR_NULL;
    group_call_fail(call, error);
}

void group_call_consumed(struct group *g, int status)
{
    while (!list_empty(&g->waiting)) {
        struct coord_group_call *call = container_of(g->waiting.next, struct coord_group_call, link);
        if (call->ticket > g->done)
            return;
        list_remove(&call->link);
        if (status < 0)
            refuse(call, coord_append_error(status), "the group's state could not be written");
        else
            group_call_answer(call);
    }
}

/* Behind everything that was written so far: what it says rests on that. */
static void answer_later(struct coord_group_call *call, struct group *g)
{
    call->ticket = g->asked;
    list_add_tail(&g->waiting, &call->link);
    group_call_consumed(g, 0);
}

static void beat(struct coord_group_call *call, struct group *g)
{
    const struct consumer_group_heartbeat_request *in = call->in;
    struct consumer_group_heartbeat_response *out = call->out;
    struct image *im = cluster_image(call->coord->cluster);
    struct consumer_topics topics = {im, im->version, find_topic, each_topic};
    struct consumer_answer a;
    /* Version 0 lets the server choose the id. */
    struct str id = in->member_id.len || call->version > 0 || in->member_epoch != EPOCH_JOIN
                        ? in->member_id
                        : group_call_fresh_id(call, g->shard->loop, in->instance_id);
    struct consumer_beat b = {.member_id = id,
                              .instance_id = in->instance_id,
                              .rack_id = in->rack_id,
                              .client_id = call->client_id,
                              .client_host = call->client_host,
                              .regex = in->subscribed_topic_regex,
                              .assignor = in->server_assignor,
                              .epoch = in->member_epoch,
                              .rebalance_ms = in->rebalance_timeout_ms,
                              .topics = in->subscribed_topic_names,
                              .ntopics = in->subscribed_topic_names ? (int)in->subscribed_topic_names_n : -1};
    b.nowned = owned_of(in, call->arena, &b.owned);
    consumer_beat(g->consumer, g->st.now_ms, &topics, &b, &a);
    counted_release(&im->c);
    if (a.error) {
        refuse(call, a.error, a.message);
        return;
    }
    out->member_id = arena_dup(call->arena, id);
    out->member_epoch = a.epoch;
    out->heartbeat_interval_ms = g->consumer->conf->heartbeat_ms;
    if (a.holds)
        set_assignment(out, a.holds, call->arena);
    group_write_consumer(g);
    answer_later(call, g);
}

static void beat_run(struct coord_group_call *call, void *shard)
{
    const struct consumer_group_heartbeat_request *in = call->in;
    struct group *g = in->member_epoch == EPOCH_JOIN ? group_get(shard, call->group) : group_find(shard, call->group);
    if (!g || (in->member_epoch != EPOCH_JOIN && !g->consumer)) {
        refuse(call, K_GROUP_ID_NOT_FOUND, "no such group of this protocol");
        return;
    }
    if (!group_make_consumer(g)) {
        refuse(call, K_GROUP_ID_NOT_FOUND, "the group has members of the classic protocol");
        return;
    }
    group_enter(g);
    beat(call, g);
    group_leave(g);
}

void coord_consumer_beat(struct coord *c, struct coord_group_call *call) { group_call_start(c, call, true, beat_run); }

/* ---- ConsumerGroupDescribe */

/* Both lists of topics have the same fields. */
#define DESCRIBE_SET(to, count, set, im, a)                                                                            \
    do {                                                                                                               \
        int32_t *parts_ = ARENA_ARRAY(a, int32_t, (set)->n + 1);                                                       \
        (to) = arena_zalloc(a, ((set)->n + 1) * sizeof *(to));                                                         \
        for (unsigned i_ = 0; i_ < (set)->n; i_++) {                                                                   \
            const struct owned *o_ = &(set)->items[i_];                                                                \
            if (i_ == 0 || !uuid_eq((set)->items[i_ - 1].topic, o_->topic)) {                                          \
                const struct topic *t_ = image_topic_by_id(im, o_->topic);                                             \
                (to)[(count)].topic_id = o_->topic;                                                                    \
                (to)[(count)].topic_name = t_ ? arena_dup(a, str_of(t_->name)) : STR("");                              \
                (to)[(count)++].partitions = parts_ + i_;                                                              \
            }                                                                                                          \
            (to)[(count)-1].partitions[(to)[(count)-1].partitions_n++] = o_->partition;                                \
        }                                                                                                              \
    } while (0)

static struct str dup_or(struct arena *a, struct str s, struct str other) { return s.ptr ? arena_dup(a, s) : other; }

static void describe_member(struct arena *a, const struct image *im, const struct consumer_member *m,
                            struct consumer_group_describe_response_member *to)
{
    consumer_group_describe_response_member_init(to);
    to->member_id = arena_dup(a, m->id);
    to->instance_id = dup_or(a, m->instance_id, STR_NULL);
    to->rack_id = dup_or(a, m->rack_id, STR_NULL);
    to->member_epoch = m->epoch;
    to->client_id = dup_or(a, m->client_id, STR(""));
    to->client_host = dup_or(a, m->client_host, STR(""));
    to->subscribed_topic_names = ARENA_ARRAY(a, struct str, m->ntopics + 1);
    for (unsigned i = 0; i < m->ntopics; i++)
        to->subscribed_topic_names[to->subscribed_topic_names_n++] = arena_dup(a, m->topics[i]);
    to->subscribed_topic_regex = dup_or(a, m->regex, STR_NULL);
    DESCRIBE_SET(to->assignment.topic_partitions, to->assignment.topic_partitions_n, &m->holds, im, a);
    DESCRIBE_SET(to->target_assignment.topic_partitions, to->target_assignment.topic_partitions_n, &m->target, im, a);
    to->member_type = 1; /* a member of this protocol */
}

static void describe_run(struct coord_group_call *call, void *shard)
{
    struct consumer_group_describe_response_group *out = call->out;
    const struct group *g = group_find(shard, call->group);
    if (!g || !g->consumer) {
        out->error_message = STR("no such group of this protocol");
        group_call_fail(call, K_GROUP_ID_NOT_FOUND);
        return;
    }
    const struct consumer *c = g->consumer;
    struct image *im = cluster_image(call->coord->cluster);
    out->group_state = str_of(consumer_state(c));
    out->group_epoch = c->epoch;
    out->assignment_epoch = c->target_epoch;
    out->assignor_name = str_of(consumer_assignor(c));
    out->members = ARENA_ARRAY(call->arena, struct consumer_group_describe_response_member, c->nmembers + 1);
    LIST_EACH (l, &c->members)
        describe_member(call->arena, im, container_of(l, struct consumer_member, link),
                        &out->members[out->members_n++]);
    counted_release(&im->c);
    group_call_answer(call);
}

void coord_consumer_describe(struct coord *c, struct coord_group_call *call)
{
    group_call_start(c, call, false, describe_run);
}
