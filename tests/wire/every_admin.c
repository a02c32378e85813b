/* The requests of administrators, in every version (every.h). */
#include "tests/wire/every.h"

/* The text of a setting of the topic "grows", and whether it was set there. */
static struct str setting(const char *key, bool *own)
{
    struct describe_configs_request in;
    struct str one = str_of(key);
    struct describe_configs_request_resource r = {
        .resource_type = 2, .resource_name = STR("grows"), .configuration_keys = &one, .configuration_keys_n = 1};
    describe_configs_request_init(&in);
    in.resources = &r;
    in.resources_n = 1;
    const struct describe_configs_response *out = every_call(32, 4, &in);
    assert_int_equal(out->results[0].configs_n, 1);
    *own = out->results[0].configs[0].config_source == 1;
    return arena_dup(&every_arena, out->results[0].configs[0].value);
}

void do_describe_configs(int version)
{
    struct describe_configs_request in;
    struct str one = STR("retention.ms");
    struct describe_configs_request_resource r[2] = {
        {.resource_type = 2, .resource_name = STR("every"), .configuration_keys = &one, .configuration_keys_n = 1},
        {.resource_type = 4, .resource_name = STR("1")},
    };
    describe_configs_request_init(&in);
    in.resources = r;
    in.resources_n = 2;
    in.include_synonyms = true;
    in.include_documentation = true;
    const struct describe_configs_response *out = every_call(32, version, &in);
    assert_int_equal(out->results_n, 2);
    assert_int_equal(out->results[0].error_code, 0);
    assert_int_equal(out->results[0].configs_n, 1);
    assert_true(str_eq(out->results[0].configs[0].value, STR("604800000")));
    assert_int_equal(out->results[0].configs[0].synonyms_n, 1);
    if (version >= 3)
        assert_true(out->results[0].configs[0].documentation.len > 0);
    assert_true(out->results[1].configs_n > 10);
}

static struct incremental_alter_configs_response_resource alter(int version, struct incremental_alter_configs_request_config *c,
                                                                uint32_t n, bool only_check)
{
    struct incremental_alter_configs_request in;
    struct incremental_alter_configs_request_resource r = {
        .resource_type = 2, .resource_name = STR("grows"), .configs = c, .configs_n = n};
    incremental_alter_configs_request_init(&in);
    in.resources = &r;
    in.resources_n = 1;
    in.validate_only = only_check;
    const struct incremental_alter_configs_response *out = every_call(44, version, &in);
    assert_int_equal(out->responses_n, 1);
    return out->responses[0];
}

void do_incremental_alter_configs(int version)
{
    struct incremental_alter_configs_request_config c[2] = {{.name = STR("max.message.bytes"), .value = STR("2000000")}};
    bool own;
    assert_int_equal(alter(version, c, 1, true).error_code, 0);
    setting("max.message.bytes", &own);
    assert_false(own);
    assert_int_equal(alter(version, c, 1, false).error_code, 0);
    assert_true(str_eq(setting("max.message.bytes", &own), STR("2000000")) && own);
    c[0].value = STR("many");
    assert_int_equal(alter(version, c, 1, false).error_code, err_kafka(E_BAD_CONFIG));
    c[0].value = STR_NULL;
    assert_int_equal(alter(version, c, 1, false).error_code, K_INVALID_REQUEST);
    c[0].value = STR("3000000");
    c[1] = c[0]; /* twice */
    assert_int_equal(alter(version, c, 2, false).error_code, K_INVALID_REQUEST);
    c[0].config_operation = 1; /* back to the default */
    assert_int_equal(alter(version, c, 1, false).error_code, 0);
    setting("max.message.bytes", &own);
    assert_false(own);
    c[0] = (struct incremental_alter_configs_request_config){.name = STR("cleanup.policy"), .config_operation = 2,
                                                             .value = STR("compact")};
    assert_int_equal(alter(version, c, 1, false).error_code, 0);
    assert_true(str_eq(setting("cleanup.policy", &own), STR("delete,compact")));
    c[0].config_operation = 3;
    assert_int_equal(alter(version, c, 1, false).error_code, 0);
    assert_true(str_eq(setting("cleanup.policy", &own), STR("delete")));
}

void do_alter_configs(int version)
{
    struct alter_configs_request in;
    struct alter_configs_request_config c[2] = {{STR("retention.ms"), STR("1000000")}, {STR("segment.bytes"), STR("65536")}};
    struct alter_configs_request_resource r[2] = {
        {.resource_type = 2, .resource_name = STR("grows"), .configs = c, .configs_n = 2}, {0}};
    bool own;
    alter_configs_request_init(&in);
    in.resources = r;
    in.resources_n = 1;
    const struct alter_configs_response *out = every_call(33, version, &in);
    assert_int_equal(out->responses[0].error_code, 0);
    assert_true(str_eq(out->responses[0].resource_name, STR("grows")));
    assert_true(str_eq(setting("retention.ms", &own), STR("1000000")) && own);
    r[0].configs_n = 1; /* what is not named is unset */
    out = every_call(33, version, &in);
    assert_int_equal(out->responses[0].error_code, 0);
    setting("segment.bytes", &own);
    assert_false(own);
    in.resources_n = 2;
    r[1] = r[0];
    out = every_call(33, version, &in);
    assert_int_equal(out->responses_n, 2);
    assert_int_equal(out->responses[0].error_code, K_INVALID_REQUEST);
    assert_int_equal(out->responses[1].error_code, K_INVALID_REQUEST);
    r[1] = (struct alter_configs_request_resource){.resource_type = 2, .resource_name = STR("nowhere")};
    r[0].configs_n = 0;
    out = every_call(33, version, &in);
    assert_int_equal(out->responses[0].error_code, 0);
    assert_int_equal(out->responses[1].error_code, K_UNKNOWN_TOPIC);
    setting("retention.ms", &own);
    assert_false(own);
    r[1] = (struct alter_configs_request_resource){.resource_type = 4, .resource_name = STR("1")};
    out = every_call(33, version, &in);
    assert_int_equal(out->responses[1].error_code, K_INVALID_REQUEST);
}

void do_describe_log_dirs(int version)
{
    struct describe_log_dirs_request in;
    int32_t parts[] = {0, 1, 0, 99};
    struct describe_log_dirs_request_topic t[2] = {{.topic = STR("every"), .partitions = parts, .partitions_n = 4},
                                                   {.topic = STR("nowhere"), .partitions = parts, .partitions_n = 1}};
    describe_log_dirs_request_init(&in);
    in.topics = t;
    in.topics_n = 2;
    const struct describe_log_dirs_response *out = every_call(35, version, &in);
    assert_int_equal(out->results_n, 1);
    const struct describe_log_dirs_response_result *res = &out->results[0];
    assert_true(res->log_dir.len > 0);
    assert_int_equal(res->topics_n, 1);
    assert_int_equal(res->topics[0].partitions_n, 2); /* those that exist, each once */
    assert_true(res->topics[0].partitions[0].partition_size > 0);
    assert_int_equal(res->topics[0].partitions[0].offset_lag, 0);
    assert_true(version < 4 || (res->usable_bytes > 0 && res->total_bytes >= res->usable_bytes));
    in.topics = NULL; /* all */
    in.topics_n = 0;
    out = every_call(35, version, &in);
    assert_true(out->results[0].topics_n >= 2);
}

void do_elect_leaders(int version)
{
    struct elect_leaders_request in;
    int32_t parts[] = {0, 99};
    struct elect_leaders_request_topic t = {.topic = STR("every"), .partitions = parts, .partitions_n = 2};
    elect_leaders_request_init(&in);
    in.topic_partitions = &t;
    in.topic_partitions_n = 1;
    const struct elect_leaders_response *out = every_call(43, version, &in);
    assert_int_equal(out->error_code, 0);
    assert_int_equal(out->replica_election_results[0].partition_result[0].error_code, K_ELECTION_NOT_NEEDED);
    assert_int_equal(out->replica_election_results[0].partition_result[1].error_code, K_UNKNOWN_TOPIC);
    in.topic_partitions = NULL;
    in.topic_partitions_n = 0;
    out = every_call(43, version, &in);
    assert_int_equal(out->error_code, 0);
    assert_int_equal(out->replica_election_results_n, 0);
    in.election_type = 7;
    if (version >= 1)
        assert_int_equal(((const struct elect_leaders_response *)every_call(43, version, &in))->error_code, K_INVALID_REQUEST);
}

void do_list_config_resources(int version)
{
    struct list_config_resources_request in;
    int8_t type = 4;
    list_config_resources_request_init(&in);
    const struct list_config_resources_response *out = every_call(74, version, &in);
    assert_int_equal(out->error_code, 0);
    assert_true(version == 0 ? out->config_resources_n == 0 : out->config_resources_n >= 3);
    if (version == 0)
        return;
    in.resource_types = &type;
    in.resource_types_n = 1;
    out = every_call(74, version, &in);
    assert_int_equal(out->config_resources_n, 1);
    assert_true(str_eq(out->config_resources[0].resource_name, STR("1")));
    type = 3;
    out = every_call(74, version, &in);
    assert_int_equal(out->error_code, K_UNSUPPORTED_VERSION);
}

static void page(int version, const struct describe_topic_partitions_request *in,
                 const struct describe_topic_partitions_response **out)
{
    *out = every_call(75, version, in);
}

/* Every partition once, in order of names, however small the pages are. */
void do_describe_topic_partitions(int version)
{
    struct describe_topic_partitions_request in;
    struct describe_topic_partitions_request_topic t[3] = {{STR("grows")}, {STR("every")}, {STR("nowhere")}};
    const struct describe_topic_partitions_response *out;
    describe_topic_partitions_request_init(&in);
    in.topics = t;
    in.topics_n = 3;
    page(version, &in, &out);
    assert_int_equal(out->topics_n, 3);
    assert_false(out->next_cursor_there);
    assert_true(str_eq(out->topics[0].name, STR("every")));
    assert_true(uuid_eq(out->topics[0].topic_id, every_topic_id));
    assert_int_equal(out->topics[0].partitions_n, 2);
    assert_int_equal(out->topics[0].partitions[1].leader_id, 1);
    assert_int_equal(out->topics[0].partitions[1].isr_nodes_n, 1);
    assert_int_equal(out->topics[2].error_code, K_UNKNOWN_TOPIC);
    in.response_partition_limit = 1;
    uint32_t seen = 0;
    for (uint32_t pages = 0; pages < 20; pages++) {
        page(version, &in, &out);
        assert_true(out->topics_n <= 2);
        for (uint32_t i = 0; i < out->topics_n; i++)
            seen += out->topics[i].partitions_n;
        if (!out->next_cursor_there)
            break;
        in.cursor_there = true;
        in.cursor.topic_name = arena_dup(&every_arena, out->next_cursor.topic_name);
        in.cursor.partition_index = out->next_cursor.partition_index;
    }
    in.response_partition_limit = 2000;
    in.cursor_there = false;
    page(version, &in, &out);
    assert_int_equal(seen, out->topics[0].partitions_n + out->topics[1].partitions_n);
    in.topics_n = 0; /* all */
    page(version, &in, &out);
    assert_true(out->topics_n >= 2);
    in.topics_n = 1;
    in.cursor_there = true;
    in.cursor.partition_index = -1;
    page(version, &in, &out);
    assert_int_equal(out->topics[0].error_code, K_INVALID_REQUEST);
}

void do_update_features(int version)
{
    struct update_features_request in;
    struct update_features_request_update u = {.feature = STR("transaction.version"), .max_version_level = 2,
                                               .upgrade_type = 1};
    update_features_request_init(&in);
    in.feature_updates = &u;
    in.feature_updates_n = 1;
    for (int16_t level = 0; level <= 3; level++) {
        u.max_version_level = level;
        const struct update_features_response *out = every_call(57, version, &in);
        assert_int_equal(version < 2 ? out->results[0].error_code : out->error_code, level == 2 ? 0 : K_INVALID_UPDATE_VERSION);
    }
    in.feature_updates_n = 0;
    const struct update_features_response *out = every_call(57, version, &in);
    assert_int_equal(out->error_code, K_INVALID_REQUEST);
}

static const struct alter_client_quotas_response *alter_quota(int version, double rate, bool only_check)
{
    struct alter_client_quotas_request in;
    struct alter_client_quotas_request_entity e = {STR("client-id"), str_of(every_name("quoted", version))};
    struct alter_client_quotas_request_op op = {STR("consumer_byte_rate"), rate, rate <= 0};
    struct alter_client_quotas_request_entry entry = {&e, 1, &op, 1};
    alter_client_quotas_request_init(&in);
    in.entries = &entry;
    in.entries_n = 1;
    in.validate_only = only_check;
    const struct alter_client_quotas_response *out = every_call(49, version, &in);
    assert_int_equal(out->entries_n, 1);
    assert_true(str_eq(out->entries[0].entity[0].entity_name, e.entity_name));
    return out;
}

static const struct describe_client_quotas_response *describe_quota(int version, int8_t match, struct str name, bool strict)
{
    struct describe_client_quotas_request in;
    struct describe_client_quotas_request_component c = {STR("client-id"), match, name};
    describe_client_quotas_request_init(&in);
    in.components = &c;
    in.components_n = 1;
    in.strict = strict;
    return every_call(48, version, &in);
}

void do_alter_client_quotas(int version)
{
    struct str name = str_of(every_name("quoted", version));
    assert_int_equal(alter_quota(version, 1.5, false)->entries[0].error_code, K_INVALID_REQUEST);
    assert_int_equal(alter_quota(version, 1e9, true)->entries[0].error_code, 0);
    assert_int_equal(describe_quota(version, 0, name, true)->entries_n, 0);
    assert_int_equal(alter_quota(version, 1e9, false)->entries[0].error_code, 0);
}

void do_describe_client_quotas(int version)
{
    struct str name = str_of(every_name("quoted", version));
    for (int strict = 0; strict < 2; strict++) {
        const struct describe_client_quotas_response *out = describe_quota(version, 0, name, strict);
        assert_int_equal(out->entries_n, 1);
        assert_true(str_eq(out->entries[0].entity[0].entity_name, name));
        assert_int_equal(out->entries[0].values_n, 1);
        assert_true(str_eq(out->entries[0].values[0].key, STR("consumer_byte_rate")) && out->entries[0].values[0].value == 1e9);
    }
    assert_int_equal(describe_quota(version, 1, STR_NULL, false)->entries_n, 0);
    assert_true(describe_quota(version, 2, STR_NULL, false)->entries_n >= 1);
    assert_int_equal(describe_quota(version, 0, STR_NULL, false)->error_code, K_INVALID_REQUEST);
    assert_int_equal(alter_quota(version, 0, false)->entries[0].error_code, 0);
    assert_int_equal(describe_quota(version, 0, name, false)->entries_n, 0);
}
