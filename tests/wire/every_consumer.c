/* The requests of KIP-848's groups, in every version (every.h). */
#include "tests/wire/every.h"

/* A heartbeat of one member that reads "every"; owned: its partition 0, or nothing. */
static const struct consumer_group_heartbeat_response *beat(const char *group, int version, int32_t epoch, bool owns,
                                                            int16_t error)
{
    struct consumer_group_heartbeat_request in;
    struct consumer_group_heartbeat_request_topic t = {every_topic_id, (int32_t[]){0}, 1};
    struct str topic = STR("every");
    consumer_group_heartbeat_request_init(&in);
    in.group_id = str_of(group);
    in.member_id = STR("one");
    in.member_epoch = epoch;
    in.rebalance_timeout_ms = epoch == 0 ? 10000 : -1;
    in.subscribed_topic_names = epoch == 0 ? &topic : NULL;
    in.subscribed_topic_names_n = epoch == 0;
    in.topic_partitions = &t;
    in.topic_partitions_n = owns;
    const struct consumer_group_heartbeat_response *out = every_call(68, version, &in);
    assert_int_equal(out->error_code, error);
    return out;
}

/* Joins and is the only one, so that it gets all there is. */
static int32_t join(const char *group, int version)
{
    const struct consumer_group_heartbeat_response *out = beat(group, version, 0, false, 0);
    assert_true(str_eq(out->member_id, STR("one")) && out->member_epoch > 0 && out->heartbeat_interval_ms == 5000);
    assert_true(out->assignment_there && out->assignment.topic_partitions_n == 1);
    assert_true(uuid_eq(out->assignment.topic_partitions[0].topic_id, every_topic_id));
    return out->member_epoch;
}

/* Commits offset 5 of partition 0 in the member's name. */
static int16_t commit(const char *group, int32_t epoch)
{
    struct offset_commit_request in;
    struct offset_commit_request_topic t;
    struct offset_commit_request_partition p;
    offset_commit_request_init(&in);
    offset_commit_request_topic_init(&t);
    offset_commit_request_partition_init(&p);
    in.group_id = str_of(group);
    in.member_id = STR("one");
    in.generation_id_or_member_epoch = epoch;
    in.topics = &t;
    in.topics_n = 1;
    t.name = STR("every");
    t.partitions = &p;
    t.partitions_n = 1;
    p.committed_offset = 5;
    p.committed_metadata = STR("");
    const struct offset_commit_response *out = every_call(8, 9, &in);
    return out->topics[0].partitions[0].error_code;
}

/* What a stale member asks for is refused; what the group has is given to its member. */
static int16_t fetch(const char *group, int32_t epoch)
{
    struct offset_fetch_request in;
    struct offset_fetch_request_group g;
    offset_fetch_request_init(&in);
    offset_fetch_request_group_init(&g);
    in.groups = &g;
    in.groups_n = 1;
    g.group_id = str_of(group);
    g.member_id = STR("one");
    g.member_epoch = epoch;
    g.topics = NULL;
    const struct offset_fetch_response *out = every_call(9, 9, &in);
    return out->groups[0].error_code;
}

void do_consumer_group_heartbeat(int version)
{
    const char *group = every_name("consumer", version);
    beat(group, version, 3, false, K_GROUP_ID_NOT_FOUND);
    int32_t epoch = join(group, version);
    assert_int_equal(commit(group, epoch), 0);
    assert_int_equal(commit(group, epoch + 1), K_STALE_MEMBER_EPOCH);
    assert_int_equal(fetch(group, epoch), 0);
    assert_int_equal(fetch(group, epoch + 1), K_STALE_MEMBER_EPOCH);
    const struct consumer_group_heartbeat_response *out = beat(group, version, epoch, true, 0);
    assert_true(out->member_epoch == epoch && !out->assignment_there);
    beat(group, version, epoch + 1, true, K_FENCED_MEMBER_EPOCH);
    out = beat(group, version, -1, false, 0);
    assert_int_equal(out->member_epoch, -1);
    beat(group, version, epoch, true, K_UNKNOWN_MEMBER);
    assert_int_equal(commit(group, -1), 0); /* an empty group's offsets are anybody's */
}

void do_consumer_group_describe(int version)
{
    struct consumer_group_describe_request in;
    struct str names[2] = {str_of(every_name("consumer-described", version)), STR("no such group")};
    int32_t epoch = join(names[0].ptr, 0);
    consumer_group_describe_request_init(&in);
    in.group_ids = names;
    in.group_ids_n = 2;
    const struct consumer_group_describe_response *out = every_call(69, version, &in);
    assert_int_equal(out->groups_n, 2);
    const struct consumer_group_describe_response_group *g = out->groups;
    assert_int_equal(g->error_code, 0);
    assert_true(str_eq(g->group_state, STR("Stable")) && str_eq(g->assignor_name, STR("uniform")));
    assert_true(g->group_epoch == epoch && g->assignment_epoch == epoch && g->members_n == 1);
    const struct consumer_group_describe_response_member *m = g->members;
    assert_true(str_eq(m->member_id, STR("one")) && m->member_epoch == epoch && m->subscribed_topic_names_n == 1);
    assert_int_equal(m->member_type, version >= 1 ? 1 : -1);
    assert_true(str_eq(m->assignment.topic_partitions[0].topic_name, STR("every")));
    assert_int_equal(m->target_assignment.topic_partitions_n, 1);
    assert_int_equal(g[1].error_code, K_GROUP_ID_NOT_FOUND);
}
