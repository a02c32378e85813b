/* The records of KIP-848's groups in __consumer_offsets, in Kafka's formats: five kinds of keys beside those of
 * group_record.h. Schema: log/wire/schema/group_log.wire. Thread: pure. */
#ifndef COORD_CONSUMER_RECORD_H
#define COORD_CONSUMER_RECORD_H
#include "log/base/buf.h"
#include "log/coord/consumer.h"

enum consumer_key {
    CONSUMER_GROUP = 3,          /* the group: its epoch */
    CONSUMER_MEMBER = 5,         /* who a member is and what it reads */
    CONSUMER_TARGET = 6,         /* the target's epoch */
    CONSUMER_MEMBER_TARGET = 7,  /* what a member is to hold */
    CONSUMER_MEMBER_CURRENT = 8, /* what it holds */
};
struct consumer_record {
    enum consumer_key kind;
    struct str group, member; /* member null: of the group */
};
/* False: it is no key of these. */
bool consumer_key_read(struct consumer_record *out, struct str key);
void consumer_key_write(const struct consumer_record *r, struct wbuf *w);
/* A record while the log is replayed; value null: it is gone. E_SHORT, E_SYNTAX, E_UNSUPPORTED. */
int consumer_value_read(struct consumer *c, const struct consumer_record *r, struct str value);
/* m NULL: of the group. */
void consumer_value_write(const struct consumer *c, const struct consumer_member *m, enum consumer_key kind,
                          struct wbuf *w);

#endif
