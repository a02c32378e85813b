/* What writers ask of their transactional producer (client.h). Private to the room. */
#ifndef CLIENT_TXN_H
#define CLIENT_TXN_H
#include "log/client/client.h"

/* Asks that the partition be part of transaction `number`; done_cb on `loop`, once. Any loop. */
struct txn_add {
    struct part *part;
    struct loop *loop;
    int64_t number;
    void (*done_cb)(struct txn_add *add);
    int status;
    int64_t producer_id; /* out */
    int16_t epoch;
    struct txn *txn; /* its own, and all below */
    struct msg msg;
    struct list link;
};
void txn_add(struct txn *t, struct txn_add *add);

#endif
