/* The records of __consumer_offsets, byte for byte Kafka's: keys say which group, or which group's offset in which
 * partition, values begin with their version. Schema: log/wire/schema/group_log.wire.
 * Thread: pure. Errors: E_SHORT, E_SYNTAX; E_UNSUPPORTED for kinds and versions that are newer. */
#ifndef COORD_GROUP_RECORD_H
#define COORD_GROUP_RECORD_H
#include "log/wire/wire.h"
struct group_state;

struct group_key {
    struct str group;
    struct str topic; /* null: the key of the group itself */
    int32_t partition;
};
int group_key_read(struct group_key *out, struct str key);
void group_key_write(const struct group_key *k, struct wbuf *w); /* at its end */

struct offset_value {
    int64_t offset;
    int32_t leader_epoch; /* -1: not told */
    struct str metadata;
    int64_t commit_ms, expire_ms; /* expire_ms -1: as the server's setting says; only old clients choose */
};
int offset_value_read(struct offset_value *out, struct str value);
void offset_value_write(const struct offset_value *v, struct wbuf *w);

/* Fills a machine that has just been made; call group_state_load_done when the log has been read. */
int group_value_read(struct group_state *g, struct str value);
void group_value_write(const struct group_state *g, struct wbuf *w);

#endif
