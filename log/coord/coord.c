/* The coordinators' life, and what both share. */
#include "log/coord/room.h"

int32_t coord_partition(const struct coord *c, enum coord_kind kind, struct str key)
{
    return statelog_index(kind == COORD_TXN ? c->txn_log : c->group_log, key);
}

bool coord_owns_topic(struct str name)
{
    return str_eq(name, STR("__transaction_state")) || str_eq(name, STR("__consumer_offsets"));
}

int16_t coord_append_error(int status)
{
    switch (status) {
    case 0:
        return K_NONE;
    case E_NO_TOPIC:
    case E_CANCELED:
        return K_COORDINATOR_NOT_AVAILABLE;
    case E_STORAGE:
    case E_FULL:
        return K_NOT_COORDINATOR; /* as Kafka: look for another one */
    default:
        return K_UNKNOWN_SERVER;
    }
}

int coord_open(struct coord **out, struct store *st, struct cluster *cl, struct loop *const *loops, unsigned nloops,
               const struct config *conf, struct diag *d)
{
    (void)d;
    struct coord *c = xzalloc(sizeof *c);
    *c = (struct coord){.store = st, .cluster = cl, .loops = loops, .nloops = nloops, .conf = conf};
    c->pids = pids_new(cl, loops, nloops);
    txns_open(c);
    groups_open(c);
    *out = c;
    return 0;
}

void coord_close(struct coord *c)
{
    if (!c)
        return;
    groups_close(c);
    txns_close(c);
    pids_free(c->pids);
    xfree(c);
}
