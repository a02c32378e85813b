#include "sql/bench/load.h"

static int refused(struct diag *d, const char *what, const char *topic, int16_t code)
{
    return diag_set(d, E_UNSUPPORTED, "cannot %s topic %s: %s", what, topic, remote_error(code));
}

int load_topic_make(struct remote *rm, const char *topic, struct diag *d)
{
    struct create_topics_request in;
    struct create_topics_request_topic t;
    struct create_topics_response out;
    struct arena a;
    arena_init(&a);
    create_topics_request_init(&in);
    create_topics_request_topic_init(&t);
    t.name = str_of(topic);
    t.num_partitions = LOAD_PARTS;
    t.replication_factor = -1;
    in.topics = &t;
    in.topics_n = 1;
    int rc = remote_call(rm, WIRE_CREATE_TOPICS, -1, &in, &out, &a, d);
    if (rc == 0 && (out.topics_n != 1 || out.topics[0].error_code))
        rc = refused(d, "make", topic, out.topics_n ? out.topics[0].error_code : -1);
    arena_fini(&a);
    return rc;
}

int load_topic_drop(struct remote *rm, const char *topic, struct diag *d)
{
    struct delete_topics_request in;
    struct delete_topics_request_topic t;
    struct delete_topics_response out;
    struct arena a;
    arena_init(&a);
    delete_topics_request_init(&in);
    delete_topics_request_topic_init(&t);
    t.name = str_of(topic);
    in.topics = &t;
    in.topics_n = 1;
    int rc = remote_call(rm, WIRE_DELETE_TOPICS, 6, &in, &out, &a, d);
    if (rc == 0 && (out.responses_n != 1 || out.responses[0].error_code))
        rc = refused(d, "delete", topic, out.responses_n ? out.responses[0].error_code : -1);
    arena_fini(&a);
    return rc;
}

int load_topic_id(struct remote *rm, const char *topic, struct uuid *id, struct diag *d)
{
    struct metadata_request in;
    struct metadata_request_topic t;
    struct metadata_response out;
    struct arena a;
    arena_init(&a);
    metadata_request_init(&in);
    metadata_request_topic_init(&t);
    t.name = str_of(topic);
    in.topics = &t;
    in.topics_n = 1;
    in.allow_auto_topic_creation = false;
    int rc = remote_call(rm, WIRE_METADATA, -1, &in, &out, &a, d);
    if (rc == 0 && (out.topics_n != 1 || out.topics[0].error_code))
        rc = refused(d, "find", topic, out.topics_n ? out.topics[0].error_code : -1);
    if (rc == 0)
        *id = out.topics[0].topic_id;
    arena_fini(&a);
    return rc;
}

/* ---- records */

enum { PRODUCE_VERSION = 12 }; /* the newest that names topics by name */

void load_init(struct load *l, struct remote *rm, const char *topic)
{
    *l = (struct load){.rm = rm, .topic = topic};
    arena_init(&l->arena);
}

void load_fini(struct load *l) { arena_fini(&l->arena); }

static int receive_one(struct load *l, struct diag *d)
{
    struct produce_response out;
    arena_reset(&l->arena);
    l->inflight--;
    int rc = remote_receive(l->rm, WIRE_PRODUCE, PRODUCE_VERSION, &out, &l->arena, d);
    if (rc < 0)
        return rc;
    if (out.responses_n != 1 || out.responses[0].partition_responses_n != 1)
        return diag_set(d, E_SYNTAX, "an answer to Produce without the partition that was asked for");
    int16_t code = out.responses[0].partition_responses[0].error_code;
    return code ? refused(d, "append to", l->topic, code) : 0;
}

int load_send(struct load *l, int32_t part, struct str batches, struct diag *d)
{
    struct produce_request in;
    struct produce_request_topic t;
    struct produce_request_partition p;
    produce_request_init(&in);
    produce_request_topic_init(&t);
    produce_request_partition_init(&p);
    in.acks = -1;
    in.timeout_ms = 30000;
    in.topic_data = &t;
    in.topic_data_n = 1;
    t.name = str_of(l->topic);
    t.partition_data = &p;
    t.partition_data_n = 1;
    p.index = part;
    p.records = batches;
    int rc = remote_send(l->rm, WIRE_PRODUCE, PRODUCE_VERSION, &in, d);
    if (rc < 0)
        return rc;
    return ++l->inflight == LOAD_INFLIGHT ? receive_one(l, d) : 0;
}

int load_drain(struct load *l, struct diag *d)
{
    int rc = 0;
    while (l->inflight && rc == 0)
        rc = receive_one(l, d);
    return rc;
}
