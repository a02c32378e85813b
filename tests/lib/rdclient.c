#include "tests/lib/rdclient.h"
#include "tests/unit/unit.h"

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
