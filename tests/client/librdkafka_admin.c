/* librdkafka's admin client against a node in this process: topics, settings, records that are deleted, groups and
 * their offsets are made, changed, looked at and removed, and refusals arrive as the codes they are. */
#include "tests/lib/rdclient.h"
#include "tests/unit/unit.h"
#include <stdio.h>
#include <string.h>

enum { WAIT_MS = 30000 };

static struct server server;
static rd_kafka_t *rk;
static rd_kafka_queue_t *queue;

static void produce(const char *topic, int n)
{
    rd_kafka_t *to = rdclient(&server, RD_KAFKA_PRODUCER, NULL);
    for (int i = 0; i < n; i++)
        assert_int_equal(rd_kafka_producev(to, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_VALUE("v", 1),
                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END), 0);
    assert_int_equal(rd_kafka_flush(to, WAIT_MS), 0);
    rd_kafka_destroy(to);
}

/* A list of the topic's partition 0. */
static rd_kafka_topic_partition_list_t *first_part(const char *topic, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = offset;
    return list;
}

/* ---- settings */

static rd_kafka_resp_err_t alter(const char *topic, const char *key, const char *value)
{
    rd_kafka_ConfigResource_t *res = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    if (key)
        rd_kafka_ConfigResource_set_config(res, key, value);
    rd_kafka_AlterConfigs(rk, &res, 1, NULL, queue);
    rd_kafka_event_t *ev = rdclient_result(queue, RD_KAFKA_EVENT_ALTERCONFIGS_RESULT);
    size_t n;
    const rd_kafka_ConfigResource_t **r =
        rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(ev), &n);
    assert_int_equal(n, 1);
    rd_kafka_resp_err_t err = rd_kafka_ConfigResource_error(r[0]);
    rd_kafka_event_destroy(ev);
    rd_kafka_ConfigResource_destroy(res);
    return err;
}

/* AlterConfigs sets what it names and sets all else back; what it cannot take changes nothing. */
static void test_settings(void **state)
{
    (void)state;
    char value[64];
    bool is_default = true;
    assert_int_equal(rdclient_create(&server, "settings", 1, NULL), 0);
    assert_int_equal(alter("settings", "retention.ms", "123456"), 0);
    rdclient_setting(&server, "settings", "retention.ms", value, sizeof value, &is_default);
    assert_string_equal(value, "123456");
    assert_false(is_default);
    assert_int_equal(alter("settings", "retention.ms", "soon"), RD_KAFKA_RESP_ERR_INVALID_CONFIG);
    assert_int_equal(alter("settings", "no.such.setting", "1"), RD_KAFKA_RESP_ERR_INVALID_CONFIG);
    assert_int_equal(alter("nowhere", "retention.ms", "1"), RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    assert_int_equal(alter("settings", "max.message.bytes", "5000"), 0);
    rdclient_setting(&server, "settings", "retention.ms", value, sizeof value, &is_default);
    assert_true(is_default);
}

/* ---- records that are deleted */

static rd_kafka_resp_err_t trim(const char *topic, int64_t before, int64_t *low)
{
    rd_kafka_topic_partition_list_t *list = first_part(topic, before);
    rd_kafka_DeleteRecords_t *del = rd_kafka_DeleteRecords_new(list);
    rd_kafka_DeleteRecords(rk, &del, 1, NULL, queue);
    rd_kafka_event_t *ev = rdclient_result(queue, RD_KAFKA_EVENT_DELETERECORDS_RESULT);
    const rd_kafka_topic_partition_list_t *got =
        rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(ev));
    assert_int_equal(got->cnt, 1);
    rd_kafka_resp_err_t err = got->elems[0].err;
    *low = got->elems[0].offset;
    rd_kafka_event_destroy(ev);
    rd_kafka_DeleteRecords_destroy(del);
    rd_kafka_topic_partition_list_destroy(list);
    return err;
}

/* The log begins where it was told to; -1 is its end; beyond that is out of range. */
static void test_delete_records(void **state)
{
    (void)state;
    int64_t low, begin, end;
    assert_int_equal(rdclient_create(&server, "records", 1, NULL), 0);
    produce("records", 10);
    assert_int_equal(trim("records", 4, &low), 0);
    assert_int_equal(low, 4);
    assert_int_equal(rd_kafka_query_watermark_offsets(rk, "records", 0, &begin, &end, WAIT_MS), 0);
    assert_int_equal(begin, 4);
    assert_int_equal(end, 10);
    assert_int_equal(trim("records", 11, &low), RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(trim("records", RD_KAFKA_OFFSET_END, &low), 0);
    assert_int_equal(rd_kafka_query_watermark_offsets(rk, "records", 0, &begin, &end, WAIT_MS), 0);
    assert_int_equal(begin, 10);
}

/* ---- groups */

/* A member of the group that has read and committed everything. */
static rd_kafka_t *member(const char *group, const char *topic, int n)
{
    const char *conf[] = {"group.id", group, "auto.offset.reset", "earliest", "enable.auto.commit", "false", NULL};
    rd_kafka_t *c = rdclient(&server, RD_KAFKA_CONSUMER, conf);
    rdclient_subscribe(c, topic);
    for (int tries = 0; n > 0 && tries < WAIT_MS / 20; tries++) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c, 20);
        if (m && !m->err) {
            n--;
            assert_int_equal(rd_kafka_commit_message(c, m, 0), 0);
        }
        if (m)
            rd_kafka_message_destroy(m);
    }
    assert_int_equal(n, 0);
    return c;
}

static rd_kafka_consumer_group_state_t state_of(const char *group, size_t *members)
{
    rd_kafka_DescribeConsumerGroups(rk, &group, 1, NULL, queue);
    rd_kafka_event_t *ev = rdclient_result(queue, RD_KAFKA_EVENT_DESCRIBECONSUMERGROUPS_RESULT);
    size_t n;
    const rd_kafka_ConsumerGroupDescription_t **g =
        rd_kafka_DescribeConsumerGroups_result_groups(rd_kafka_event_DescribeConsumerGroups_result(ev), &n);
    assert_int_equal(n, 1);
    rd_kafka_consumer_group_state_t state = rd_kafka_ConsumerGroupDescription_state(g[0]);
    *members = rd_kafka_ConsumerGroupDescription_member_count(g[0]);
    rd_kafka_event_destroy(ev);
    return state;
}

static size_t listed(void)
{
    rd_kafka_ListConsumerGroups(rk, NULL, queue);
    rd_kafka_event_t *ev = rdclient_result(queue, RD_KAFKA_EVENT_LISTCONSUMERGROUPS_RESULT);
    size_t n;
    rd_kafka_ListConsumerGroups_result_valid(rd_kafka_event_ListConsumerGroups_result(ev), &n);
    rd_kafka_event_destroy(ev);
    return n;
}

static rd_kafka_resp_err_t group_error(rd_kafka_event_t *ev, const rd_kafka_group_result_t **r)
{
    const rd_kafka_topic_partition_list_t *parts = rd_kafka_group_result_partitions(r[0]);
    const rd_kafka_error_t *e = rd_kafka_group_result_error(r[0]);
    rd_kafka_resp_err_t err = e ? rd_kafka_error_code(e) : parts && parts->cnt ? parts->elems[0].err : 0;
    rd_kafka_event_destroy(ev);
    return err;
}

static rd_kafka_resp_err_t delete_group(const char *group)
{
    rd_kafka_DeleteGroup_t *del = rd_kafka_DeleteGroup_new(group);
    rd_kafka_DeleteGroups(rk, &del, 1, NULL, queue);
    rd_kafka_event_t *ev = rdclient_result(queue, RD_KAFKA_EVENT_DELETEGROUPS_RESULT);
    size_t n;
    rd_kafka_DeleteGroup_destroy(del);
    return group_error(ev, rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(ev), &n));
}

static rd_kafka_resp_err_t delete_offset(const char *group, const char *topic)
{
    rd_kafka_topic_partition_list_t *list = first_part(topic, RD_KAFKA_OFFSET_INVALID);
    rd_kafka_DeleteConsumerGroupOffsets_t *del = rd_kafka_DeleteConsumerGroupOffsets_new(group, list);
    rd_kafka_DeleteConsumerGroupOffsets(rk, &del, 1, NULL, queue);
    rd_kafka_event_t *ev = rdclient_result(queue, RD_KAFKA_EVENT_DELETECONSUMERGROUPOFFSETS_RESULT);
    size_t n;
    rd_kafka_DeleteConsumerGroupOffsets_destroy(del);
    rd_kafka_topic_partition_list_destroy(list);
    return group_error(ev, rd_kafka_DeleteConsumerGroupOffsets_result_groups(
                               rd_kafka_event_DeleteConsumerGroupOffsets_result(ev), &n));
}

static rd_kafka_resp_err_t alter_offset(const char *group, const char *topic, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = first_part(topic, offset);
    rd_kafka_AlterConsumerGroupOffsets_t *alt = rd_kafka_AlterConsumerGroupOffsets_new(group, list);
    rd_kafka_AlterConsumerGroupOffsets(rk, &alt, 1, NULL, queue);
    rd_kafka_event_t *ev = rdclient_result(queue, RD_KAFKA_EVENT_ALTERCONSUMERGROUPOFFSETS_RESULT);
    size_t n;
    rd_kafka_AlterConsumerGroupOffsets_destroy(alt);
    rd_kafka_topic_partition_list_destroy(list);
    return group_error(ev, rd_kafka_AlterConsumerGroupOffsets_result_groups(
                               rd_kafka_event_AlterConsumerGroupOffsets_result(ev), &n));
}

static int64_t offset_of(const char *group, const char *topic)
{
    rd_kafka_topic_partition_list_t *list = first_part(topic, RD_KAFKA_OFFSET_INVALID);
    rd_kafka_ListConsumerGroupOffsets_t *ask = rd_kafka_ListConsumerGroupOffsets_new(group, list);
    rd_kafka_ListConsumerGroupOffsets(rk, &ask, 1, NULL, queue);
    rd_kafka_event_t *ev = rdclient_result(queue, RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT);
    size_t n;
    const rd_kafka_group_result_t **r =
        rd_kafka_ListConsumerGroupOffsets_result_groups(rd_kafka_event_ListConsumerGroupOffsets_result(ev), &n);
    int64_t offset = rd_kafka_group_result_partitions(r[0])->elems[0].offset;
    rd_kafka_event_destroy(ev);
    rd_kafka_ListConsumerGroupOffsets_destroy(ask);
    rd_kafka_topic_partition_list_destroy(list);
    return offset;
}

/* A group at work is neither deleted nor altered; once its member has left its offsets are, and then it is gone. */
static void test_groups(void **state)
{
    (void)state;
    size_t members;
    assert_int_equal(rdclient_create(&server, "read", 1, NULL), 0);
    produce("read", 5);
    rd_kafka_t *c = member("g", "read", 5);
    assert_int_equal(state_of("g", &members), RD_KAFKA_CONSUMER_GROUP_STATE_STABLE);
    assert_int_equal(members, 1);
    assert_int_equal(delete_group("g"), RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP);
    assert_int_equal(delete_offset("g", "read"), RD_KAFKA_RESP_ERR_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(alter_offset("g", "read", 1), RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(offset_of("g", "read"), 5);
    rd_kafka_consumer_close(c);
    rd_kafka_destroy(c);
    assert_int_equal(state_of("g", &members), RD_KAFKA_CONSUMER_GROUP_STATE_EMPTY);
    assert_int_equal(members, 0);
    assert_int_equal(alter_offset("g", "read", 2), 0);
    assert_int_equal(offset_of("g", "read"), 2);
    assert_int_equal(delete_offset("g", "read"), 0);
    assert_int_equal(offset_of("g", "read"), RD_KAFKA_OFFSET_INVALID);
    assert_int_equal(alter_offset("g", "read", 3), 0);
    assert_int_equal(listed(), 1);
    assert_int_equal(delete_group("g"), 0);
    assert_int_equal(listed(), 0);
    assert_int_equal(state_of("g", &members), RD_KAFKA_CONSUMER_GROUP_STATE_DEAD);
    assert_int_equal(delete_group("g"), RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND);
}

static int stop(void **state)
{
    (void)state;
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
    return 0;
}

static int start(void **state)
{
    (void)state;
    rk = rdclient(&server, RD_KAFKA_PRODUCER, NULL);
    queue = rd_kafka_queue_new(rk);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_delete_records),
        cmocka_unit_test(test_groups),
    };
    static const char *const set[] = {"group.initial.rebalance.delay.ms=0", NULL};
    server_start(&server, set);
    int failed = cmocka_run_group_tests(tests, start, stop);
    server_stop(&server);
    return failed;
}
