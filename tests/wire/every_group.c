/* The requests of groups, in every version (every.h). */
#include "tests/wire/every.h"

/* Joins a group as its only member; gives the member's id. */
static struct str join(const char *group, const char *instance, int version, int32_t *generation)
{
    struct join_group_request in;
    struct join_group_request_protocol p = {STR("range"), STR("\0\1\0\0\0\1\0\5every\0\0\0\0")};
    join_group_request_init(&in);
    in.group_id = str_of(group);
    in.session_timeout_ms = in.rebalance_timeout_ms = 10000;
    in.protocol_type = STR("consumer");
    in.group_instance_id = str_of(instance);
    in.protocols = &p;
    in.protocols_n = 1;
    const struct join_group_response *out = every_call(11, version, &in);
    if (version >= 4 && !instance) {
        assert_int_equal(out->error_code, K_MEMBER_ID_REQUIRED);
        in.member_id = arena_dup(&every_arena, out->member_id);
        out = every_call(11, version, &in);
    }
    assert_int_equal(out->error_code, 0);
    assert_true(str_eq(out->leader, out->member_id));
    assert_int_equal(out->members_n, 1);
    assert_true(str_eq(out->members[0].metadata, p.metadata));
    assert_true(str_eq(out->protocol_name, STR("range")));
    *generation = out->generation_id;
    return arena_dup(&every_arena, out->member_id);
}

void do_join_group(int version)
{
    int32_t generation;
    join(every_name("join", version), version >= 5 ? "static" : NULL, version, &generation);
    assert_int_equal(generation, 1);
    struct join_group_request in;
    join_group_request_init(&in);
    in.group_id = STR("join");
    in.session_timeout_ms = 1;
    const struct join_group_response *out = every_call(11, version, &in);
    assert_int_equal(out->error_code, K_INVALID_SESSION_TIMEOUT);
    in.group_id = STR("");
    out = every_call(11, version, &in);
    assert_int_equal(out->error_code, K_INVALID_GROUP_ID);
}

static struct str join_and_sync(const char *group, int version, int32_t *generation)
{
    struct str id = join(group, NULL, 3, generation);
    struct sync_group_request in;
    struct sync_group_request_assignment a = {id, STR("work")};
    sync_group_request_init(&in);
    in.group_id = str_of(group);
    in.generation_id = *generation;
    in.member_id = id;
    in.protocol_type = STR("consumer");
    in.protocol_name = STR("range");
    in.assignments = &a;
    in.assignments_n = 1;
    const struct sync_group_response *out = every_call(14, version, &in);
    assert_int_equal(out->error_code, 0);
    assert_true(str_eq(out->assignment, STR("work")));
    return id;
}

void do_sync_group(int version)
{
    int32_t generation;
    join_and_sync(every_name("sync", version), version, &generation);
}

void do_heartbeat(int version)
{
    struct heartbeat_request in;
    heartbeat_request_init(&in);
    in.group_id = str_of(every_name("beat", version));
    in.member_id = join_and_sync(in.group_id.ptr, 0, &in.generation_id);
    const struct heartbeat_response *out = every_call(12, version, &in);
    assert_int_equal(out->error_code, 0);
    in.generation_id++;
    out = every_call(12, version, &in);
    assert_int_equal(out->error_code, K_ILLEGAL_GENERATION);
}

void do_leave_group(int version)
{
    struct leave_group_request in;
    struct leave_group_request_member m[2];
    int32_t generation;
    leave_group_request_init(&in);
    leave_group_request_member_init(&m[0]);
    leave_group_request_member_init(&m[1]);
    in.group_id = str_of(every_name("leave", version));
    in.member_id = m[0].member_id = join_and_sync(in.group_id.ptr, 0, &generation);
    m[1].member_id = STR("nobody");
    in.members = m;
    in.members_n = 2;
    const struct leave_group_response *out = every_call(13, version, &in);
    assert_int_equal(out->error_code, 0);
    assert_int_equal(out->members_n, version >= 3 ? 2 : 0);
    if (version >= 3)
        assert_int_equal(out->members[1].error_code, K_UNKNOWN_MEMBER);
    out = every_call(13, version, &in); /* it has gone */
    assert_int_equal(version >= 3 ? out->members[0].error_code : out->error_code, K_UNKNOWN_MEMBER);
}

static void commit(const char *group, int version, int64_t offset)
{
    struct offset_commit_request in;
    struct offset_commit_request_topic t;
    struct offset_commit_request_partition p[2];
    offset_commit_request_init(&in);
    offset_commit_request_topic_init(&t);
    for (int i = 0; i < 2; i++) {
        offset_commit_request_partition_init(&p[i]);
        p[i].partition_index = 7 * i;
        p[i].committed_offset = offset;
        p[i].committed_leader_epoch = 3;
        p[i].committed_metadata = STR("note");
    }
    t.name = STR("every");
    t.topic_id = every_topic_id;
    t.partitions = p;
    t.partitions_n = 2;
    in.group_id = str_of(group);
    in.topics = &t;
    in.topics_n = 1;
    const struct offset_commit_response *out = every_call(8, version, &in);
    assert_int_equal(out->topics[0].partitions[0].error_code, 0);
    assert_int_equal(out->topics[0].partitions[1].error_code, K_UNKNOWN_TOPIC);
    if (version >= 10) {
        t.topic_id.b[0] ^= 1;
        out = every_call(8, version, &in);
        assert_int_equal(out->topics[0].partitions[0].error_code, K_UNKNOWN_TOPIC_ID);
    }
}

void do_offset_commit(int version) { commit(every_name("commit", version), version, 11); }

static void fetched(const struct offset_fetch_response *out, int version, int64_t offset)
{
    if (version < 8) {
        assert_int_equal(out->topics_n, 1);
        assert_true(str_eq(out->topics[0].name, STR("every")));
        assert_int_equal(out->topics[0].partitions[0].committed_offset, offset);
        assert_true(str_eq(out->topics[0].partitions[0].metadata, STR("note")));
        return;
    }
    assert_int_equal(out->groups_n, 1);
    const struct offset_fetch_response_group *g = &out->groups[0];
    assert_int_equal(g->topics_n, 1);
    assert_true(version < 10 ? str_eq(g->topics[0].name, STR("every")) : uuid_eq(g->topics[0].topic_id, every_topic_id));
    assert_int_equal(g->topics[0].partitions[0].committed_offset, offset);
    assert_int_equal(g->topics[0].partitions[0].committed_leader_epoch, 3);
}

void do_offset_fetch(int version)
{
    struct offset_fetch_request in;
    struct offset_fetch_request_topic t;
    struct offset_fetch_request_group g;
    struct offset_fetch_request_group_topic gt;
    int32_t part = 0;
    commit("fetch", 9, 100 + version);
    offset_fetch_request_init(&in);
    offset_fetch_request_topic_init(&t);
    offset_fetch_request_group_init(&g);
    offset_fetch_request_group_topic_init(&gt);
    in.group_id = g.group_id = STR("fetch");
    t.name = gt.name = STR("every");
    gt.topic_id = every_topic_id;
    t.partition_indexes = gt.partition_indexes = &part;
    t.partition_indexes_n = gt.partition_indexes_n = 1;
    in.topics = &t;
    g.topics = &gt;
    in.topics_n = g.topics_n = 1;
    in.groups = &g;
    in.groups_n = 1;
    in.require_stable = true;
    fetched(every_call(9, version, &in), version, 100 + version);
    if (version < 2)
        return;
    in.topics = NULL;
    g.topics = NULL;
    in.topics_n = g.topics_n = 0;
    fetched(every_call(9, version, &in), version, 100 + version);
}

void do_offset_delete(int version)
{
    struct offset_delete_request in;
    struct offset_delete_request_topic t;
    struct offset_delete_request_partition p[2] = {{0}, {9}};
    commit("forget", 2, 5);
    offset_delete_request_init(&in);
    offset_delete_request_topic_init(&t);
    in.group_id = STR("forget");
    t.name = STR("every");
    t.partitions = p;
    t.partitions_n = 2;
    in.topics = &t;
    in.topics_n = 1;
    const struct offset_delete_response *out = every_call(47, version, &in);
    assert_int_equal(out->error_code, 0);
    assert_int_equal(out->topics[0].partitions[0].error_code, 0);
    assert_int_equal(out->topics[0].partitions[1].error_code, K_UNKNOWN_TOPIC);
    in.group_id = STR("no such group");
    out = every_call(47, version, &in);
    assert_int_equal(out->error_code, K_GROUP_ID_NOT_FOUND);
}

void do_describe_groups(int version)
{
    struct describe_groups_request in;
    struct str names[2] = {str_of(every_name("described", version)), STR("no such group")};
    int32_t generation;
    struct str id = join_and_sync(names[0].ptr, 0, &generation);
    describe_groups_request_init(&in);
    in.groups = names;
    in.groups_n = 2;
    in.include_authorized_operations = true;
    const struct describe_groups_response *out = every_call(15, version, &in);
    assert_int_equal(out->groups_n, 2);
    const struct describe_groups_response_group *g = out->groups;
    assert_int_equal(g->error_code, 0);
    assert_true(str_eq(g->group_state, STR("Stable")) && str_eq(g->protocol_data, STR("range")));
    assert_int_equal(g->members_n, 1);
    assert_true(str_eq(g->members[0].member_id, id) && str_eq(g->members[0].member_assignment, STR("work")));
    assert_true(str_eq(g->members[0].client_host, STR("/127.0.0.1")));
    assert_true(str_eq(g[1].group_state, STR("Dead")));
    assert_int_equal(g[1].error_code, version >= 6 ? K_GROUP_ID_NOT_FOUND : 0);
}

void do_list_groups(int version)
{
    struct list_groups_request in;
    struct str state = STR("empty");
    commit("listed", 2, 5);
    list_groups_request_init(&in);
    in.states_filter = &state;
    in.states_filter_n = 1;
    const struct list_groups_response *out = every_call(16, version, &in);
    assert_int_equal(out->error_code, 0);
    bool found = false;
    for (uint32_t i = 0; i < out->groups_n; i++) {
        found |= str_eq(out->groups[i].group_id, STR("listed"));
        assert_true(version < 4 || str_eq(out->groups[i].group_state, STR("Empty")));
    }
    assert_true(found);
}

void do_delete_groups(int version)
{
    struct delete_groups_request in;
    struct str names[3] = {STR("deleted"), STR("no such group"), str_of(every_name("busy", version))};
    int32_t generation;
    commit("deleted", 2, 5);
    join_and_sync(names[2].ptr, 0, &generation);
    delete_groups_request_init(&in);
    in.groups_names = names;
    in.groups_names_n = 3;
    const struct delete_groups_response *out = every_call(42, version, &in);
    assert_int_equal(out->results[0].error_code, 0);
    assert_int_equal(out->results[1].error_code, K_GROUP_ID_NOT_FOUND);
    assert_int_equal(out->results[2].error_code, K_NON_EMPTY_GROUP);
}

/* What the group has committed; the code of its partition in *error. */
int64_t every_committed(const char *group, bool stable, int16_t *error)
{
    struct offset_fetch_request in;
    offset_fetch_request_init(&in);
    struct offset_fetch_request_topic t;
    int32_t part = 0;
    offset_fetch_request_topic_init(&t);
    t.name = STR("every");
    t.partition_indexes = &part;
    t.partition_indexes_n = 1;
    in.group_id = str_of(group);
    in.topics = &t;
    in.topics_n = 1;
    in.require_stable = stable;
    const struct offset_fetch_response *out = every_call(9, 7, &in);
    *error = out->topics[0].partitions[0].error_code;
    return out->topics[0].partitions[0].committed_offset;
}
