#include "sql/shell/kafka.h"
#include "sql/shell/shell.h"
#include <stdio.h>

enum { KEY_LIST_OFFSETS = 2, KEY_METADATA = 3 };

int kafka_complain(const char *command, const struct diag *d, int code)
{
    fprintf(stderr, "weir %s: %s\n", command, d->text);
    if (d->hint[0])
        fprintf(stderr, "  %s\n", d->hint);
    return code;
}

int kafka_usage(const char *command, const char *sentence, const char *what)
{
    fprintf(stderr, "weir %s: %s%s%s\ntry: weir %s --help\n", command, sentence, what ? ": " : "", what ? what : "",
            command);
    return EXIT_WRONG;
}

int kafka_connect(struct remote **rm, const char *command, const char *server)
{
    struct diag d = {.text = ""};
    return remote_open(rm, shell_server(server), KAFKA_TIMEOUT_MS, &d) < 0 ? kafka_complain(command, &d, EXIT_LOST) : 0;
}

int kafka_call(struct remote *rm, const char *command, int16_t key, const void *request, void *response, struct arena *a)
{
    struct diag d = {.text = ""};
    return remote_call(rm, key, -1, request, response, a, &d) < 0 ? kafka_complain(command, &d, EXIT_LOST) : 0;
}

/* Answers borrow the connection's buffer: what stays is copied. */
static void keep(struct metadata_response_topic *out, const struct metadata_response_topic *t, struct arena *a)
{
    *out = *t;
    out->name = arena_dup(a, t->name);
}

int kafka_topic(struct remote *rm, const char *command, const char *name, bool create,
                struct metadata_response_topic *out, struct arena *a)
{
    struct metadata_request in;
    struct metadata_response got;
    struct metadata_request_topic topic;
    metadata_request_init(&in);
    metadata_request_topic_init(&topic);
    topic.name = str_of(name);
    in.topics = &topic;
    in.topics_n = 1;
    in.allow_auto_topic_creation = create;
    int rc = kafka_call(rm, command, KEY_METADATA, &in, &got, a);
    if (rc)
        return rc;
    if (got.topics_n != 1 || got.topics[0].error_code) {
        fprintf(stderr, "weir %s: topic %s: %s\n", command, name,
                got.topics_n == 1 ? remote_error(got.topics[0].error_code) : "not answered");
        return EXIT_FAILED;
    }
    keep(out, &got.topics[0], a);
    return 0;
}

int kafka_offsets(struct remote *rm, const char *command, const struct metadata_response_topic *t, int64_t ts,
                  bool committed, int64_t *offsets, struct arena *a)
{
    struct list_offsets_request in;
    struct list_offsets_response got;
    struct list_offsets_request_topic topic = {.name = t->name};
    list_offsets_request_init(&in);
    in.replica_id = -1;
    in.isolation_level = committed;
    in.topics = &topic;
    in.topics_n = 1;
    topic.partitions = ARENA_ARRAY(a, struct list_offsets_request_partition, t->partitions_n);
    topic.partitions_n = t->partitions_n;
    for (uint32_t i = 0; i < t->partitions_n; i++) {
        list_offsets_request_partition_init(&topic.partitions[i]);
        topic.partitions[i].partition_index = (int32_t)i;
        topic.partitions[i].timestamp = ts;
        offsets[i] = -1;
    }
    int rc = kafka_call(rm, command, KEY_LIST_OFFSETS, &in, &got, a);
    for (uint32_t k = 0; rc == 0 && got.topics_n == 1 && k < got.topics[0].partitions_n; k++) {
        const struct list_offsets_response_partition *p = &got.topics[0].partitions[k];
        if (p->error_code) {
            fprintf(stderr, "weir %s: partition %d: %s\n", command, p->partition_index, remote_error(p->error_code));
            return EXIT_FAILED;
        }
        if (p->partition_index >= 0 && (uint32_t)p->partition_index < t->partitions_n)
            offsets[p->partition_index] = p->offset;
    }
    return rc;
}

bool kafka_pair(const char *text, struct str *key, struct str *value)
{
    const char *eq = strchr(text, '=');
    if (!eq || eq == text)
        return false;
    *key = (struct str){text, (size_t)(eq - text)};
    *value = str_of(eq + 1);
    return true;
}
