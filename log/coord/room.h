/* What the room's files share: the coordinator's parts. Read only once it is open. */
#ifndef COORD_ROOM_H
#define COORD_ROOM_H
#include "log/coord/coord.h"
#include "log/coord/pids.h"
#include "log/coord/statelog.h"

struct txns;
struct groups;
struct coord {
    struct store *store;
    struct cluster *cluster;
    struct loop *const *loops;
    unsigned nloops;
    const struct config *conf;
    struct pids *pids;
    struct txns *txns;
    struct statelog *txn_log;
    struct groups *groups;
    struct statelog *group_log;
};

void txns_open(struct coord *c); /* fills txns and txn_log */
void txns_close(struct coord *c);
void groups_open(struct coord *c); /* fills groups and group_log */
void groups_close(struct coord *c);

/* Kafka's code for a step that the log has refused. */
int16_t coord_append_error(int status);

#endif
