/* Peers that mean no good or do not know better: after each of them the server goes on. */
#include "log/base/clock.h"
#include "log/base/random.h"
#include "log/client/remote.h"
#include "log/net/net.h"
#include "tests/lib/seed.h"
#include "tests/lib/server.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct server server;

static int dial(void)
{
    int fd;
    struct diag d = {.text = ""};
    if (net_dial(&fd, server.address, 5000, &d) < 0)
        fail_msg("%s", d.text);
    return fd;
}

static void put(int fd, const void *p, size_t n)
{
    const char *c = p;
    while (n) {
        ssize_t sent = send(fd, c, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            struct pollfd pfd = {.fd = fd, .events = POLLOUT};
            assert_int_equal(poll(&pfd, 1, 5000), 1);
        } else if (sent < 0) {
            return; /* the server has closed: as good */
        } else {
            c += sent;
            n -= (size_t)sent;
        }
    }
}

/* Whether the server closes within the time; what it sends before is passed over. */
static bool closes(int fd, int ms)
{
    char skip[4096];
    for (;;) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        if (poll(&pfd, 1, ms) != 1)
            return false;
        ssize_t n = recv(fd, skip, sizeof skip, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return true;
    }
}

/* A well-behaved client gets its answer. */
static void still_there(void)
{
    struct remote *rm;
    struct diag d = {.text = ""};
    if (remote_open(&rm, server.address, 10000, &d) < 0)
        fail_msg("the server does not go on: %s", d.text);
    remote_close(rm);
}

/* A first frame that says it is large is refused by its length alone. */
static void test_oversized_length(void **state)
{
    (void)state;
    static const uint8_t lengths[][4] = {{0x7f, 0xff, 0xff, 0xff}, {0xff, 0xff, 0xff, 0xff}, {0, 1, 0, 0}, {0, 0, 0, 0},
                                         {0x16, 0x03, 0x01, 0x02}};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        int fd = dial();
        put(fd, lengths[i], 4);
        assert_true(closes(fd, 5000));
        close(fd);
    }
    still_there();
}

/* A frame that stops in the middle harms nobody. */
static void test_truncated(void **state)
{
    (void)state;
    static const uint8_t frame[] = {0, 0, 0, 40, 0, 18, 0, 0, 0, 0};
    for (size_t n = 1; n <= sizeof frame; n++) {
        int fd = dial();
        put(fd, frame, n);
        close(fd);
    }
    still_there();
}

/* An API or a version that is not served ends the connection. */
static void test_unknown_api(void **state)
{
    (void)state;
    static const uint8_t frames[][14] = {{0, 0, 0, 10, 0, 77, 0, 0, 0, 0, 0, 1, 0xff, 0xff},
                                         {0, 0, 0, 10, 0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff},
                                         {0, 0, 0, 10, 0xff, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff}};
    for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
        int fd = dial();
        put(fd, frames[i], sizeof frames[i]);
        assert_true(closes(fd, 5000));
        close(fd);
    }
    still_there();
}

/* Random bytes, and random bodies behind good headers of every API and version. */
static void test_garbage(void **state)
{
    (void)state;
    struct random rnd;
    random_seed(&rnd, test_seed());
    for (int i = 0; i < 300; i++) {
        uint8_t frame[512];
        size_t n = 16 + random_below(&rnd, sizeof frame - 16);
        random_next(&rnd);
        for (size_t k = 0; k < n; k++)
            frame[k] = (uint8_t)random_next(&rnd);
        if (i % 4) {
            const struct wire_api *api = &wire_apis[random_below(&rnd, WIRE_APIS)];
            put_be32(frame, (uint32_t)n - 4);
            put_be16(frame + 4, (uint16_t)api->key);
            put_be16(frame + 6, (uint16_t)(api->min + (int)random_below(&rnd, (uint64_t)(api->max - api->min + 1))));
            put_be16(frame + 12, 0xffff);
            frame[14] = 0;
        }
        int fd = dial();
        put(fd, frame, n);
        if (i % 16 == 0)
            (void)closes(fd, 20);
        close(fd);
    }
    still_there();
}

/* One byte at a time is a good frame all the same. */
static void test_slow_writer(void **state)
{
    (void)state;
    static const uint8_t frame[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 9, 0xff, 0xff};
    int fd = dial();
    for (size_t i = 0; i < sizeof frame; i++) {
        put(fd, &frame[i], 1);
        clock_sleep_ms(2);
    }
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&pfd, 1, 5000), 1);
    uint8_t answer[8];
    assert_int_equal(recv(fd, answer, sizeof answer, 0), 8);
    assert_int_equal(be32(answer + 4), 9);
    close(fd);
}

static int16_t produce(struct remote *rm, struct str records, const char *topic)
{
    struct produce_request in;
    struct produce_response out;
    struct produce_request_partition p = {.records = records};
    struct produce_request_topic t = {.name = str_of(topic), .partition_data = &p, .partition_data_n = 1};
    struct arena a;
    struct diag d = {.text = ""};
    arena_init(&a);
    produce_request_init(&in);
    in.acks = -1;
    in.topic_data = &t;
    in.topic_data_n = 1;
    if (remote_call(rm, 0, 9, &in, &out, &a, &d) < 0)
        fail_msg("%s", d.text);
    int16_t code = out.responses[0].partition_responses[0].error_code;
    arena_fini(&a);
    return code;
}

/* A wrong checksum, a cut batch, two batches, an unknown topic: each its own error, on a connection that stays. */
static void test_bad_batches(void **state)
{
    (void)state;
    struct remote *rm;
    struct diag d = {.text = ""};
    struct wbuf w;
    struct recbatch_builder b;
    struct metadata_request in;
    struct metadata_request_topic t;
    struct metadata_response out;
    struct arena a;
    arena_init(&a);
    wbuf_init(&w);
    assert_int_equal(remote_open(&rm, server.address, 10000, &d), 0);
    metadata_request_init(&in);
    metadata_request_topic_init(&t);
    t.name = STR("bad");
    in.topics = &t;
    in.topics_n = 1;
    assert_int_equal(remote_call(rm, 3, -1, &in, &out, &a, &d), 0);
    recbatch_build(&b, &w, CODEC_NONE, NULL);
    recbatch_add(&b, clock_wall_ms(), STR("k"), STR("v"), NULL, 0);
    assert_true(recbatch_finish(&b, NULL));
    assert_int_equal(produce(rm, wbuf_view(&w), "nowhere"), err_kafka(E_NO_TOPIC));
    assert_int_equal(produce(rm, STR_NULL, "bad"), err_kafka(E_BAD_RECORD));
    assert_int_equal(produce(rm, (struct str){(char *)w.data, w.len - 1}, "bad"), err_kafka(E_CORRUPT));
    w.data[w.len - 2] ^= 1;
    assert_int_equal(produce(rm, wbuf_view(&w), "bad"), err_kafka(E_CORRUPT));
    w.data[w.len - 2] ^= 1;
    size_t one = w.len;
    wbuf_put(&w, arena_dup(&a, wbuf_view(&w)).ptr, one);
    assert_int_equal(produce(rm, wbuf_view(&w), "bad"), err_kafka(E_BAD_RECORD));
    w.len = one;
    assert_int_equal(produce(rm, wbuf_view(&w), "bad"), 0);
    remote_close(rm);
    wbuf_fini(&w);
    arena_fini(&a);
}

/* Batches that are stored uncompressed: all of a request together become no more than a request may be. */
static void test_inflated(void **state)
{
    (void)state;
    enum { PARTS = 150, RECORD = 1000000 };
    struct remote *rm;
    struct diag d = {.text = ""};
    struct arena a;
    struct wbuf w, scratch;
    struct recbatch_builder b;
    arena_init(&a);
    wbuf_init(&w);
    wbuf_init(&scratch);
    assert_int_equal(remote_open(&rm, server.address, 60000, &d), 0);
    struct create_topics_request create;
    struct create_topics_response created;
    struct create_topics_request_topic t;
    struct create_topics_request_config configs[] = {
        {STR("compression.type"), STR("uncompressed")}, {STR("segment.bytes"), STR("268435456")}};
    create_topics_request_init(&create);
    create_topics_request_topic_init(&t);
    t.name = STR("inflated");
    t.num_partitions = PARTS;
    t.replication_factor = 1;
    t.configs = configs;
    t.configs_n = 2;
    create.topics = &t;
    create.topics_n = 1;
    assert_int_equal(remote_call(rm, 19, 5, &create, &created, &a, &d), 0);
    assert_int_equal(created.topics[0].error_code, 0);

    struct compress *c = compress_new();
    char *value = arena_zalloc(&a, RECORD);
    recbatch_build(&b, &w, CODEC_ZSTD, &scratch);
    recbatch_add(&b, clock_wall_ms(), STR_NULL, (struct str){value, RECORD}, NULL, 0);
    assert_true(recbatch_finish(&b, c));
    struct produce_request in;
    struct produce_response out;
    struct produce_request_partition *parts = ARENA_ARRAY(&a, struct produce_request_partition, PARTS);
    struct produce_request_topic to = {.name = t.name, .partition_data = parts, .partition_data_n = PARTS};
    for (int32_t i = 0; i < PARTS; i++)
        parts[i] = (struct produce_request_partition){.index = i, .records = wbuf_view(&w)};
    produce_request_init(&in);
    in.acks = -1;
    in.topic_data = &to;
    in.topic_data_n = 1;
    assert_int_equal(remote_call(rm, 0, 9, &in, &out, &a, &d), 0);
    assert_int_equal(out.responses[0].partition_responses[0].error_code, 0);
    assert_int_equal(out.responses[0].partition_responses[PARTS - 1].error_code, err_kafka(E_TOO_LARGE));
    remote_close(rm);
    compress_free(c);
    wbuf_fini(&w);
    wbuf_fini(&scratch);
    arena_fini(&a);
}

/* A short request does not make a long answer, or long work, by saying the same or listing much. */
static void test_said_often(void **state)
{
    (void)state;
    enum { WIDE = 2000, MANY = 60000, ASSIGNMENTS = 300000 };
    struct remote *rm;
    struct diag d = {.text = ""};
    struct arena a;
    arena_init(&a);
    assert_int_equal(remote_open(&rm, server.address, 60000, &d), 0);
    struct create_topics_request create;
    struct create_topics_response created;
    struct create_topics_request_topic *topics = ARENA_ARRAY(&a, struct create_topics_request_topic, MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        create_topics_request_topic_init(&topics[i]);
        topics[i].name = str_of(arena_printf(&a, "said-%u", i));
        topics[i].num_partitions = WIDE;
        topics[i].replication_factor = i ? 7 : 1; /* all but the first are refused */
    }
    create_topics_request_init(&create);
    create.topics = topics;
    create.topics_n = MANY;
    int64_t from_us = clock_mono_us();
    assert_int_equal(remote_call(rm, 19, 5, &create, &created, &a, &d), 0);
    assert_int_equal(created.topics[0].error_code, 0);
    assert_int_equal(created.topics[MANY - 1].error_code, err_kafka(E_REPLICATION));

    int32_t node = 1;
    topics[0].name = STR("assigned");
    topics[0].num_partitions = topics[0].replication_factor = -1;
    topics[0].assignments = ARENA_ARRAY(&a, struct create_topics_request_assignment, ASSIGNMENTS);
    topics[0].assignments_n = ASSIGNMENTS;
    for (int32_t i = 0; i < ASSIGNMENTS; i++)
        topics[0].assignments[i] = (struct create_topics_request_assignment){i, &node, 1};
    create.topics_n = 1;
    assert_int_equal(remote_call(rm, 19, 4, &create, &created, &a, &d), 0);
    assert_int_equal(created.topics[0].error_code, err_kafka(E_BAD_PARTITIONS));

    struct metadata_request ask;
    struct metadata_response meta;
    metadata_request_init(&ask);
    ask.topics = ARENA_ARRAY(&a, struct metadata_request_topic, MANY);
    ask.topics_n = 300;
    for (uint32_t i = 0; i < ask.topics_n; i++)
        ask.topics[i].name = STR("said-0");
    assert_int_equal(remote_call(rm, 3, 9, &ask, &meta, &a, &d), 0);
    assert_int_equal(meta.topics_n, 1);
    assert_int_equal(meta.topics[0].partitions_n, WIDE);

    struct describe_configs_request describe;
    struct describe_configs_response described;
    describe_configs_request_init(&describe);
    describe.resources = ARENA_ARRAY(&a, struct describe_configs_request_resource, 300);
    describe.resources_n = 300;
    for (uint32_t i = 0; i < describe.resources_n; i++)
        describe.resources[i] = (struct describe_configs_request_resource){.resource_type = 2,
                                                                          .resource_name = STR("said-0")};
    assert_int_equal(remote_call(rm, 32, 4, &describe, &described, &a, &d), 0);
    assert_true(described.results[0].configs_n > 10);
    assert_int_equal(described.results[299].error_code, err_kafka(E_BAD_REQUEST));
    assert_int_equal(described.results[299].configs_n, 0);

    struct incremental_alter_configs_request alter;
    struct incremental_alter_configs_response altered;
    struct wbuf list;
    wbuf_init(&list);
    for (int i = 0; list.len < 32000; i++)
        wbuf_str(&list, str_of(arena_printf(&a, "%d,", i)));
    struct incremental_alter_configs_request_config ci = {.name = STR("cleanup.policy"), .config_operation = 2,
                                                          .value = wbuf_view(&list)};
    struct incremental_alter_configs_request_resource ri = {.resource_type = 2, .resource_name = STR("said-0"),
                                                            .configs = &ci, .configs_n = 1};
    incremental_alter_configs_request_init(&alter);
    alter.resources = &ri;
    alter.resources_n = 1;
    assert_int_equal(remote_call(rm, 44, 1, &alter, &altered, &a, &d), 0);
    assert_int_equal(altered.responses[0].error_code, err_kafka(E_BAD_CONFIG));
    assert_true(clock_mono_us() - from_us < 5000000);
    remote_close(rm);
    wbuf_fini(&list);
    arena_fini(&a);
}

/* A peer that asks and never reads: its questions wait, others are served. */
static void test_never_reads(void **state)
{
    (void)state;
    static const uint8_t frame[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 9, 0xff, 0xff};
    int fd = dial();
    int64_t sent = 0;
    for (int i = 0; i < 200000; i++) {
        ssize_t n = send(fd, frame, sizeof frame, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < (ssize_t)sizeof frame)
            break;
        sent += n;
    }
    assert_true(sent > 0);
    still_there();
    close(fd);
    still_there();
}

/* Many connections at once, half of them silent. */
static void test_many(void **state)
{
    (void)state;
    int fds[200];
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = dial();
    still_there();
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        close(fds[i]);
    still_there();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oversized_length), cmocka_unit_test(test_truncated),   cmocka_unit_test(test_unknown_api),
        cmocka_unit_test(test_garbage),          cmocka_unit_test(test_slow_writer), cmocka_unit_test(test_bad_batches),
        cmocka_unit_test(test_never_reads),      cmocka_unit_test(test_many),
        cmocka_unit_test(test_said_often), cmocka_unit_test(test_inflated),
    };
    server_start(&server, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    server_stop(&server);
    return failed;
}
