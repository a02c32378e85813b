/* Metadata records: what one line of the metadata log says. msgpack arrays [type, version, fields...]; the formats are
 * in log/README.md, "Metadata records". Thread: pure. */
#ifndef CLUSTER_COMMAND_H
#define CLUSTER_COMMAND_H
#include "log/base/pack.h"
#include "log/cluster/cluster.h"

enum command_type {
    CMD_TOPIC = 1,     /* id, name, nparts, {key: value} */
    CMD_DELETE = 2,    /* id */
    CMD_PARTS = 3,     /* id, nparts */
    CMD_CONFIG = 4,    /* id, key, value or nil */
    CMD_OBJECT = 5,    /* kind, name, id, body, must_be_new */
    CMD_REMOVE = 6,    /* kind, id */
    CMD_PRODUCERS = 7, /* from, next */
};
struct command {
    enum command_type type;
    struct uuid id;
    struct str name, kind, key, value, body; /* borrowed from the record */
    int32_t nparts;
    uint32_t nconfigs;
    struct unpack configs; /* at the first of nconfigs pairs; read with command_config */
    bool must_be_new;
    int64_t from, next;
};
/* E_CORRUPT: does not follow the format; E_NEWER_FORMAT: a type or version this program does not know. */
int command_decode(struct command *cmd, struct str record);
bool command_config(struct command *cmd, struct str *key, struct str *value); /* false after the last */
void command_encode(struct wbuf *w, const struct command *cmd, const struct topic_config *configs, unsigned nconfigs);

#endif
