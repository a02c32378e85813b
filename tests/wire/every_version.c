/* Every (API, version) that a server offers, with sensible content, over a socket: the answer decodes with the schema's
 * decoder to the last byte and says what must be said. */
#include "log/base/clock.h"
#include "tests/lib/server.h"
#include "tests/wire/every.h"
#include <stdio.h>

static struct server server;
static struct remote *rm;
struct arena every_arena;
struct uuid every_topic_id;
static int64_t produced;

/* ---- requests and what their answers must say, one function an API */

const void *every_call(int16_t key, int version, const void *request)
{
    const struct wire_api *api = wire_api_find(key);
    struct diag d = {.text = ""};
    void *out = arena_zalloc(&every_arena, api->response->size);
    int rc = remote_call(rm, key, version, request, out, &every_arena, &d);
    if (rc < 0)
        fail_msg("%s version %d: %s", api->name, version, d.text);
    return out;
}

const char *every_name(const char *what, int version) { return arena_printf(&every_arena, "%s-%d", what, version); }

static void do_api_versions(int version)
{
    struct api_versions_request in;
    api_versions_request_init(&in);
    in.client_software_name = STR("every-version");
    in.client_software_version = STR("1.0");
    const struct api_versions_response *out = every_call(18, version, &in);
    assert_int_equal(out->error_code, 0);
    assert_true(out->api_keys_n >= 14);
    static const char *const names[] = {"group.version", "transaction.version"};
    assert_int_equal(out->finalized_features_n, version >= 3 ? 2 : 0);
    for (uint32_t i = 0; i < out->finalized_features_n; i++) {
        assert_true(str_eq(out->finalized_features[i].name, str_of(names[i])));
        assert_int_equal(out->finalized_features[i].max_version_level, i + 1);
    }
}

static void do_metadata(int version)
{
    struct metadata_request in;
    struct metadata_request_topic t;
    metadata_request_init(&in);
    metadata_request_topic_init(&t);
    t.name = STR("every");
    in.topics = &t;
    in.topics_n = 1;
    in.include_topic_authorized_operations = true;
    const struct metadata_response *out = every_call(3, version, &in);
    assert_int_equal(out->brokers_n, 1);
    assert_int_equal(out->topics_n, 1);
    assert_int_equal(out->topics[0].error_code, 0);
    assert_int_equal(out->topics[0].partitions_n, 2);
    assert_int_equal(out->topics[0].partitions[1].leader_id, out->brokers[0].node_id);
    if (version >= 10)
        every_topic_id = out->topics[0].topic_id;
    in.topics = NULL; /* all topics: null from version 1 on, empty before */
    in.topics_n = 0;
    out = every_call(3, version, &in);
    assert_true(out->topics_n >= 1);
    if (version >= 12) { /* by its id; some clients leave an empty name beside it */
        t.name = STR("");
        t.topic_id = every_topic_id;
        in.topics = &t;
        in.topics_n = 1;
        out = every_call(3, version, &in);
        assert_true(out->topics_n == 1 && out->topics[0].error_code == 0 && str_eq(out->topics[0].name, STR("every")));
    }
}

static void do_create_topics(int version)
{
    struct create_topics_request in;
    struct create_topics_request_topic t;
    struct create_topics_request_config c = {STR("retention.ms"), STR("1000")};
    char name[32];
    create_topics_request_init(&in);
    create_topics_request_topic_init(&t);
    snprintf(name, sizeof name, "created-%d", version);
    t.name = str_of(name);
    t.num_partitions = -1;
    t.replication_factor = -1;
    t.configs = &c;
    t.configs_n = 1;
    in.topics = &t;
    in.topics_n = 1;
    in.validate_only = true;
    const struct create_topics_response *out = every_call(19, version, &in);
    assert_int_equal(out->topics[0].error_code, 0);
    in.validate_only = false;
    out = every_call(19, version, &in);
    assert_int_equal(out->topics[0].error_code, 0);
    if (version >= 5)
        assert_int_equal(out->topics[0].num_partitions, 1);
    out = every_call(19, version, &in);
    assert_int_equal(out->topics[0].error_code, err_kafka(E_EXISTS));
}

static void do_delete_topics(int version)
{
    struct delete_topics_request in;
    struct delete_topics_request_topic t = {.name = STR("created-7")};
    char name[32];
    delete_topics_request_init(&in);
    snprintf(name, sizeof name, "created-%d", version + 1); /* create_topics serves 2 to 7, delete_topics 1 to 6 */
    struct str text = str_of(name);
    t.name = text;
    in.topics = &t;
    in.topics_n = 1;
    in.topic_names = &text;
    in.topic_names_n = 1;
    const struct delete_topics_response *out = every_call(20, version, &in);
    assert_int_equal(out->responses_n, 1);
    assert_int_equal(out->responses[0].error_code, 0);
    out = every_call(20, version, &in);
    assert_int_equal(out->responses[0].error_code, err_kafka(E_NO_TOPIC));
}

static void do_create_partitions(int version)
{
    struct create_partitions_request in;
    struct create_partitions_request_topic t = {.name = STR("grows"), .count = 2 + version};
    create_partitions_request_init(&in);
    in.topics = &t;
    in.topics_n = 1;
    const struct create_partitions_response *out = every_call(37, version, &in);
    assert_int_equal(out->results[0].error_code, 0);
    out = every_call(37, version, &in);
    assert_int_equal(out->results[0].error_code, err_kafka(E_BAD_PARTITIONS));
}

static struct str a_batch(struct wbuf *w)
{
    struct recbatch_builder b;
    wbuf_init(w);
    recbatch_build(&b, w, CODEC_NONE, NULL);
    recbatch_add(&b, 1000 + produced, STR("key"), STR("value"), NULL, 0);
    assert_true(recbatch_finish(&b, NULL));
    return wbuf_view(w);
}

static struct str an_idempotent_batch(struct wbuf *w)
{
    struct recbatch_builder b;
    wbuf_reset(w);
    recbatch_build(&b, w, CODEC_NONE, NULL);
    b.producer_id = 4711;
    b.producer_epoch = 3;
    b.base_sequence = 0;
    recbatch_add(&b, 1001, STR("key"), STR("value"), NULL, 0);
    assert_true(recbatch_finish(&b, NULL));
    return wbuf_view(w);
}

static void do_produce(int version)
{
    struct produce_request in;
    struct wbuf w;
    struct produce_request_partition p = {.records = a_batch(&w)};
    struct produce_request_topic t = {.name = STR("every"), .topic_id = every_topic_id, .partition_data = &p, .partition_data_n = 1};
    produce_request_init(&in);
    in.acks = -1;
    in.timeout_ms = 1000;
    in.topic_data = &t;
    in.topic_data_n = 1;
    const struct produce_response *out = every_call(0, version, &in);
    assert_int_equal(out->responses_n, 1);
    assert_int_equal(out->responses[0].partition_responses[0].error_code, 0);
    assert_int_equal(out->responses[0].partition_responses[0].base_offset, produced++);
    p.records = an_idempotent_batch(&w);
    out = every_call(0, version, &in); /* the first time it is new, later a duplicate */
    assert_int_equal(out->responses[0].partition_responses[0].error_code, 0);
    produced += out->responses[0].partition_responses[0].base_offset == produced;
    p.index = 99;
    out = every_call(0, version, &in);
    assert_int_equal(out->responses[0].partition_responses[0].error_code, err_kafka(E_NO_TOPIC));
    wbuf_fini(&w);
}

static void do_fetch(int version)
{
    struct fetch_request in;
    struct fetch_request_partition p;
    struct fetch_request_topic t = {.topic = STR("every"), .topic_id = every_topic_id, .partitions = &p, .partitions_n = 1};
    fetch_request_init(&in);
    fetch_request_partition_init(&p);
    in.min_bytes = 1;
    in.max_wait_ms = 1000;
    in.topics = &t;
    in.topics_n = 1;
    p.partition_max_bytes = 1 << 20;
    p.fetch_offset = 2;
    const struct fetch_response *out = every_call(1, version, &in);
    assert_int_equal(out->error_code, 0);
    assert_int_equal(out->responses_n, 1);
    const struct fetch_response_partition *po = &out->responses[0].partitions[0];
    assert_int_equal(po->error_code, 0);
    assert_int_equal(po->high_watermark, produced);
    struct recbatch rb;
    assert_int_equal(recbatch_peek(&rb, po->records), 0);
    assert_int_equal(rb.base_offset, 2);
    assert_int_equal(recbatch_check_crc(&rb, po->records.ptr), 0);
    p.fetch_offset = 1000000;
    out = every_call(1, version, &in);
    assert_int_equal(out->responses[0].partitions[0].error_code, err_kafka(E_OFFSET_RANGE));
}

static void do_list_offsets(int version)
{
    static const int64_t specials[] = {-2, -1, 1003, INT64_C(1) << 60, -3, -4, -5, -6};
    static const int since[] = {1, 1, 1, 1, 7, 8, 9, 11};
    const int64_t want[] = {0, produced, 3, -1, produced - 1, 0, -1, -1};
    for (size_t i = 0; i < ARRAY_LEN(specials); i++) {
        struct list_offsets_request in;
        struct list_offsets_request_partition p;
        struct list_offsets_request_topic t = {.name = STR("every"), .partitions = &p, .partitions_n = 1};
        list_offsets_request_init(&in);
        list_offsets_request_partition_init(&p);
        in.replica_id = -1;
        in.topics = &t;
        in.topics_n = 1;
        p.timestamp = specials[i];
        const struct list_offsets_response *out = every_call(2, version, &in);
        const struct list_offsets_response_partition *po = &out->topics[0].partitions[0];
        assert_int_equal(po->error_code, version >= since[i] ? 0 : err_kafka(E_UNSUPPORTED));
        if (version >= since[i])
            assert_int_equal(po->offset, want[i]);
    }
}

static void do_offset_for_leader_epoch(int version)
{
    struct offset_for_leader_epoch_request in;
    struct offset_for_leader_epoch_request_partition p;
    struct offset_for_leader_epoch_request_topic t = {.topic = STR("every"), .partitions = &p, .partitions_n = 1};
    offset_for_leader_epoch_request_init(&in);
    offset_for_leader_epoch_request_partition_init(&p);
    in.topics = &t;
    in.topics_n = 1;
    const struct offset_for_leader_epoch_response *out = every_call(23, version, &in);
    assert_int_equal(out->topics[0].partitions[0].error_code, 0);
    assert_int_equal(out->topics[0].partitions[0].end_offset, produced);
}

static void do_init_producer_id(int version)
{
    static int64_t last = -1;
    struct init_producer_id_request in;
    init_producer_id_request_init(&in);
    in.transactional_id = STR_NULL;
    const struct init_producer_id_response *out = every_call(22, version, &in);
    assert_int_equal(out->error_code, 0);
    assert_true(out->producer_id > last);
    assert_int_equal(out->producer_epoch, 0);
    last = out->producer_id;
    in.transactional_id = STR("init");
    in.transaction_timeout_ms = 0;
    out = every_call(22, version, &in);
    assert_int_equal(out->error_code, K_INVALID_TXN_TIMEOUT);
    in.transaction_timeout_ms = 60000;
    out = every_call(22, version, &in);
    assert_int_equal(out->error_code, 0);
    assert_int_equal(out->producer_epoch, version);
    in.transactional_id = STR("");
    out = every_call(22, version, &in);
    assert_int_equal(out->error_code, K_INVALID_REQUEST);
}

static void do_delete_records(int version)
{
    struct delete_records_request in;
    struct delete_records_request_partition p = {.partition_index = 1, .offset = 0};
    struct delete_records_request_topic t = {.name = STR("every"), .partitions = &p, .partitions_n = 1};
    delete_records_request_init(&in);
    in.topics = &t;
    in.topics_n = 1;
    const struct delete_records_response *out = every_call(21, version, &in);
    assert_int_equal(out->topics[0].partitions[0].error_code, 0);
    assert_int_equal(out->topics[0].partitions[0].low_watermark, 0);
    p.offset = 5;
    out = every_call(21, version, &in);
    assert_int_equal(out->topics[0].partitions[0].error_code, err_kafka(E_OFFSET_RANGE));
}

static void do_describe_cluster(int version)
{
    struct describe_cluster_request in;
    describe_cluster_request_init(&in);
    const struct describe_cluster_response *out = every_call(60, version, &in);
    assert_int_equal(out->error_code, 0);
    assert_int_equal(out->brokers_n, 1);
    assert_int_equal(out->cluster_id.len, 22);
}

static void do_describe_producers(int version)
{
    struct describe_producers_request in;
    int32_t parts[] = {0, 1, 0, 99};
    struct describe_producers_request_topic t = {.name = STR("every"), .partition_indexes = parts, .partition_indexes_n = 4};
    describe_producers_request_init(&in);
    in.topics = &t;
    in.topics_n = 1;
    const struct describe_producers_response *out = every_call(61, version, &in);
    assert_int_equal(out->topics[0].partitions_n, 3); /* each once */
    const struct describe_producers_response_partition *p = out->topics[0].partitions;
    assert_int_equal(p[0].error_code, 0);
    assert_int_equal(p[0].active_producers_n, 1);
    assert_int_equal(p[0].active_producers[0].producer_id, 4711);
    assert_int_equal(p[0].active_producers[0].last_sequence, 0);
    assert_int_equal(p[0].active_producers[0].current_txn_start_offset, -1);
    assert_int_equal(p[1].active_producers_n, 0);
    assert_int_equal(p[2].error_code, err_kafka(E_NO_TOPIC));
}

/* In an order in which each finds what it needs: metadata (for the topic's id) before what goes by id. */
static const struct {
    int16_t key;
    int first; /* served from here; ApiVersions may say less (Produce) */
    void (*run)(int version);
} rows[] = {
    {18, 0, do_api_versions},
    {3, 0, do_metadata},
    {19, 2, do_create_topics},
    {20, 1, do_delete_topics},
    {37, 0, do_create_partitions},
    {32, 1, do_describe_configs},
    {44, 0, do_incremental_alter_configs},
    {0, 3, do_produce},
    {1, 4, do_fetch},
    {2, 1, do_list_offsets},
    {23, 2, do_offset_for_leader_epoch},
    {22, 0, do_init_producer_id},
    {21, 0, do_delete_records},
    {60, 0, do_describe_cluster},
    {10, 0, do_find_coordinator},
    {24, 0, do_add_partitions_to_txn},
    {26, 0, do_end_txn},
    {27, 1, do_write_txn_markers},
    {65, 0, do_describe_transactions},
    {66, 0, do_list_transactions},
    {61, 0, do_describe_producers},
    {25, 0, do_add_offsets_to_txn},
    {8, 2, do_offset_commit},
    {9, 1, do_offset_fetch},
    {47, 0, do_offset_delete},
    {11, 0, do_join_group},
    {12, 0, do_heartbeat},
    {13, 0, do_leave_group},
    {14, 0, do_sync_group},
    {15, 0, do_describe_groups},
    {16, 0, do_list_groups},
    {33, 0, do_alter_configs},
    {35, 1, do_describe_log_dirs},
    {43, 0, do_elect_leaders},
    {57, 0, do_update_features},
    {49, 0, do_alter_client_quotas},
    {48, 0, do_describe_client_quotas},
    {74, 0, do_list_config_resources},
    {75, 0, do_describe_topic_partitions},
    {68, 0, do_consumer_group_heartbeat},
    {69, 0, do_consumer_group_describe},
    {42, 0, do_delete_groups},
    {28, 0, do_txn_offset_commit},
};

/* Every API that is told has a row here, and every version of it answers. */
static void test_every_version(void **state)
{
    (void)state;
    struct api_versions_request in;
    api_versions_request_init(&in);
    const struct api_versions_response *told = every_call(18, 0, &in);
    struct api_versions_response copy = *told;
    assert_int_equal(copy.api_keys_n, ARRAY_LEN(rows));
    unsigned pairs = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct api_versions_response_api *k = NULL;
        for (uint32_t n = 0; n < copy.api_keys_n; n++)
            if (copy.api_keys[n].api_key == rows[i].key)
                k = &copy.api_keys[n];
        assert_non_null(k);
        assert_int_equal(k->min_version, rows[i].key == 0 ? 0 : rows[i].first);
        for (int v = rows[i].first; v <= k->max_version; v++, pairs++)
            rows[i].run(v);
    }
    print_message("%u pairs of API and version\n", pairs);
}

/* A version that is too new is answered in version 0 with the range that is served (kafka.md 2.2, 2). */
static void test_newer_api_versions(void **state)
{
    (void)state;
    static const uint8_t frame[] = {0, 0, 0, 16, 0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 0, 2, 'a', 2, '1', 0};
    struct remote *own;
    struct str got;
    struct api_versions_response out;
    struct diag d;
    assert_int_equal(remote_open(&own, server.address, 5000, &d), 0);
    assert_int_equal(remote_send_bytes(own, (struct str){(const char *)frame, sizeof frame}, &d), 0);
    assert_int_equal(remote_receive_bytes(own, &got, &d), 0);
    struct rbuf r = rbuf_of(got.ptr, got.len);
    assert_int_equal(rbuf_be32(&r), 7);
    api_versions_response_init(&out);
    assert_int_equal(api_versions_response_decode(&out, &r, 0, &every_arena), 0);
    assert_int_equal(out.error_code, 35);
    assert_int_equal(out.api_keys_n, 1);
    assert_int_equal(out.api_keys[0].api_key, 18);
    assert_int_equal(out.api_keys[0].max_version, 4);
    remote_close(own);
}

/* A software name that breaks the rule is an invalid request, in the body of the version asked (kafka.md 2.2, 3). */
static void test_bad_software_name(void **state)
{
    (void)state;
    struct api_versions_request in;
    api_versions_request_init(&in);
    in.client_software_name = STR("-bad-");
    in.client_software_version = STR("1");
    const struct api_versions_response *out = every_call(18, 3, &in);
    assert_int_equal(out->error_code, 42);
}

static struct fetch_request fetch_of(struct fetch_request_topic *t, int32_t session, int32_t epoch, int32_t wait_ms)
{
    struct fetch_request in;
    fetch_request_init(&in);
    in.session_id = session;
    in.session_epoch = epoch;
    in.max_wait_ms = wait_ms;
    in.min_bytes = 1;
    in.topics = t;
    in.topics_n = t ? 1 : 0;
    return in;
}

/* A fetch session over the wire: the first answer tells all partitions, an incremental one waits for news and tells
 * only the partition that has some (KIP-227). */
static void test_fetch_session(void **state)
{
    (void)state;
    struct fetch_request_partition p[2];
    struct fetch_request_topic t = {.topic = STR("every"), .partitions = p, .partitions_n = 2};
    for (int i = 0; i < 2; i++) {
        fetch_request_partition_init(&p[i]);
        p[i].partition = i;
        p[i].fetch_offset = i == 0 ? produced : 0; /* both at their end */
        p[i].partition_max_bytes = 1 << 20;
    }
    struct fetch_request in = fetch_of(&t, 0, 0, 0);
    const struct fetch_response *out = every_call(1, 12, &in);
    assert_int_equal(out->error_code, 0);
    assert_int_equal(out->responses[0].partitions_n, 2);
    int32_t session = out->session_id;
    assert_true(session > 0);

    int64_t before_us = clock_mono_us();
    in = fetch_of(NULL, session, 1, 200);
    out = every_call(1, 12, &in);
    assert_int_equal(out->session_id, session);
    assert_int_equal(out->responses_n, 0);
    assert_true(clock_mono_us() - before_us >= 190000);

    struct diag d;
    struct remote *other = rm;
    assert_int_equal(remote_open(&other, server.address, 5000, &d), 0);
    in = fetch_of(NULL, session, 2, 10000);
    /* The session lives on the shard of its connection: the same one must ask. */
    assert_int_equal(remote_send(rm, 1, 12, &in, &d), 0);
    struct remote *asking = rm;
    rm = other;
    do_produce(9);
    rm = asking;
    struct fetch_response woken;
    before_us = clock_mono_us();
    assert_int_equal(remote_receive(rm, 1, 12, &woken, &every_arena, &d), 0);
    assert_true(clock_mono_us() - before_us < 5000000);
    assert_int_equal(woken.responses_n, 1);
    assert_int_equal(woken.responses[0].partitions_n, 1);
    assert_int_equal(woken.responses[0].partitions[0].partition_index, 0);
    assert_true(woken.responses[0].partitions[0].records.len > 0);
    remote_close(other);

    in = fetch_of(NULL, session, 9, 0);
    out = every_call(1, 12, &in);
    assert_int_equal(out->error_code, 71);
    in = fetch_of(NULL, session ^ 0x1000, 3, 0);
    out = every_call(1, 12, &in);
    assert_int_equal(out->error_code, 70);
}

static int start(void **state)
{
    (void)state;
    static const char *const names[] = {"every", "grows"};
    server_start(&server, (const char *const[]){"auto.create.topics.enable=true", "num.partitions=1", "group.initial.rebalance.delay.ms=0", NULL});
    arena_init(&every_arena);
    struct diag d = {.text = ""};
    if (remote_open(&rm, server.address, 10000, &d) < 0)
        fail_msg("%s", d.text);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct create_topics_request in;
        struct create_topics_request_topic t;
        create_topics_request_init(&in);
        create_topics_request_topic_init(&t);
        t.name = str_of(names[i]);
        t.num_partitions = i == 0 ? 2 : 1;
        t.replication_factor = 1;
        in.topics = &t;
        in.topics_n = 1;
        const struct create_topics_response *out = every_call(19, 4, &in);
        assert_int_equal(out->topics[0].error_code, 0);
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    remote_close(rm);
    arena_fini(&every_arena);
    server_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_version),
        cmocka_unit_test(test_fetch_session),
        cmocka_unit_test(test_newer_api_versions),
        cmocka_unit_test(test_bad_software_name),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
