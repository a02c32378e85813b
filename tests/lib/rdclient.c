#include "tests/lib/rdclient.h"
#include "tests/unit/unit.h"
#include <stdio.h>
#include <string.h>

rd_kafka_conf_t *rdclient_conf(const struct server *s, const char *const *settings)
{
    char err[256];
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(c, "bootstrap.servers", s->address, err, sizeof err), RD_KAFKA_CONF_OK);
    for (; settings && *settings; settings += 2)
        if (rd_kafka_conf_set(c, settings[0], settings[1], err, sizeof err) != RD_KAFKA_CONF_OK)
            fail_msg("%s", err);
    return c;
}

rd_kafka_t *rdclient_new(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char err[256];
    rd_kafka_t *rk = rd_kafka_new(type, conf, err, sizeof err);
    if (!rk)
        fail_msg("%s", err);
    return rk;
}

rd_kafka_t *rdclient(const struct server *s, rd_kafka_type_t type, const char *const *settings)
{
    return rdclient_new(type, rdclient_conf(s, settings));
}

void rdclient_good(rd_kafka_error_t *e)
{
    if (e)
        fail_msg("%s", rd_kafka_error_string(e));
}

void rdclient_subscribe(rd_kafka_t *consumer, const char *topic)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA);
    assert_int_equal(rd_kafka_subscribe(consumer, list), 0);
    rd_kafka_topic_partition_list_destroy(list);
}

/* ---- admin */

enum { WAIT_MS = 30000 };

rd_kafka_event_t *rdclient_result(rd_kafka_queue_t *q, rd_kafka_event_type_t type)
{
    rd_kafka_event_t *ev = rd_kafka_queue_poll(q, WAIT_MS);
    assert_non_null(ev);
    assert_int_equal(rd_kafka_event_type(ev), type);
    if (rd_kafka_event_error(ev))
        fail_msg("%s", rd_kafka_event_error_string(ev));
    return ev;
}

struct admin {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
};

static struct admin admin_open(const struct server *s)
{
    rd_kafka_t *rk = rdclient(s, RD_KAFKA_PRODUCER, NULL);
    return (struct admin){rk, rd_kafka_queue_new(rk)};
}

static void admin_close(struct admin *a)
{
    rd_kafka_queue_destroy(a->queue);
    rd_kafka_destroy(a->rk);
}

rd_kafka_resp_err_t rdclient_create(const struct server *s, const char *topic, int parts, const char *const *settings)
{
    char err[256];
    size_t n;
    struct admin a = admin_open(s);
    rd_kafka_NewTopic_t *t = rd_kafka_NewTopic_new(topic, parts, -1, err, sizeof err);
    assert_non_null(t);
    for (; settings && *settings; settings += 2)
        assert_int_equal(rd_kafka_NewTopic_set_config(t, settings[0], settings[1]), 0);
    rd_kafka_CreateTopics(a.rk, &t, 1, NULL, a.queue);
    rd_kafka_event_t *ev = rdclient_result(a.queue, RD_KAFKA_EVENT_CREATETOPICS_RESULT);
    const rd_kafka_topic_result_t **r = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(ev), &n);
    assert_int_equal(n, 1);
    rd_kafka_resp_err_t code = rd_kafka_topic_result_error(r[0]);
    rd_kafka_event_destroy(ev);
    rd_kafka_NewTopic_destroy(t);
    admin_close(&a);
    return code;
}

void rdclient_setting(const struct server *s, const char *topic, const char *key, char *value, size_t cap,
                      bool *is_default)
{
    size_t n, entries;
    struct admin a = admin_open(s);
    rd_kafka_ConfigResource_t *res = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_DescribeConfigs(a.rk, &res, 1, NULL, a.queue);
    rd_kafka_event_t *ev = rdclient_result(a.queue, RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT);
    const rd_kafka_ConfigResource_t **r =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(ev), &n);
    assert_int_equal(n, 1);
    assert_int_equal(rd_kafka_ConfigResource_error(r[0]), 0);
    const rd_kafka_ConfigEntry_t **e = rd_kafka_ConfigResource_configs(r[0], &entries);
    *value = 0;
    for (size_t i = 0; i < entries; i++)
        if (strcmp(rd_kafka_ConfigEntry_name(e[i]), key) == 0) {
            snprintf(value, cap, "%s", rd_kafka_ConfigEntry_value(e[i]));
            *is_default = rd_kafka_ConfigEntry_is_default(e[i]);
        }
    rd_kafka_event_destroy(ev);
    rd_kafka_ConfigResource_destroy(res);
    admin_close(&a);
}
