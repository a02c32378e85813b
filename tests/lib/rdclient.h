/* librdkafka's clients of a node in the test's process; what fails fails the test. */
#ifndef LIB_RDCLIENT_H
#define LIB_RDCLIENT_H
#include "tests/lib/server.h"
#include <librdkafka/rdkafka.h>

/* settings: names and values in turn, ended by NULL; NULL: none. */
rd_kafka_t *rdclient(const struct server *s, rd_kafka_type_t type, const char *const *settings);
/* The same in two steps, for who sets callbacks between. */
rd_kafka_conf_t *rdclient_conf(const struct server *s, const char *const *settings);
rd_kafka_t *rdclient_new(rd_kafka_type_t type, rd_kafka_conf_t *conf);
void rdclient_good(rd_kafka_error_t *e); /* NULL is good */
void rdclient_subscribe(rd_kafka_t *consumer, const char *topic);

/* Admin. The result of the one request under way, which must be of this kind. Gives. */
rd_kafka_event_t *rdclient_result(rd_kafka_queue_t *q, rd_kafka_event_type_t type);
/* Topics: settings as above. What the server says. */
rd_kafka_resp_err_t rdclient_create(const struct server *s, const char *topic, int parts, const char *const *settings);
/* The value of a topic's setting, "" if there is none; *is_default. */
void rdclient_setting(const struct server *s, const char *topic, const char *key, char *value, size_t cap,
                      bool *is_default);

#endif
