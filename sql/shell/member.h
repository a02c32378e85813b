/* A member of a classic consumer group over one blocking connection, for `weir consume --group`, and what members write
 * into a group's records (Kafka's consumer protocol, version 0; range assignor). Private to sql/shell.
 * Functions that return int: 0, or the exit code of a failure that has been told. */
#ifndef SHELL_MEMBER_H
#define SHELL_MEMBER_H
#include "log/client/remote.h"

struct member_topic {
    struct str name; /* borrowed from the bytes that were read */
    int32_t *parts;
    uint32_t n;
};
/* A member's assignment; false: these bytes are none. Topics' arrays in the arena. */
bool assignment_read(struct str bytes, struct arena *a, struct member_topic **out, uint32_t *n);

struct member {
    struct remote *rm;
    const char *command, *group, *topic;
    struct str id; /* empty: none yet */
    int32_t generation;
    int32_t *parts; /* of the topic: what this member reads */
    uint32_t nparts;
    int64_t beat_ms; /* of the last heartbeat */
    struct arena keep, call;
};
void member_init(struct member *m, struct remote *rm, const char *command, const char *group, const char *topic);
void member_fini(struct member *m);
/* Until the group is stable and parts is known. */
int member_join(struct member *m);
/* Says that we live, if it is time to. *again: what we read has to be given up; commit, then join. */
int member_beat(struct member *m, bool *again);
/* Where the group goes on in each of parts; -1: nothing was committed there. */
int member_fetch(struct member *m, int64_t *offsets);
/* offsets: of each of parts, -1: nothing to say. */
int member_commit(struct member *m, const int64_t *offsets, bool *again);
void member_leave(struct member *m);

#endif
