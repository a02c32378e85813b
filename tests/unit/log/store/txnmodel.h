/* What transactions a partition must show, found the simplest way: by reading every batch in order. */
#ifndef TESTS_TXNMODEL_H
#define TESTS_TXNMODEL_H
#include "log/base/random.h"
#include "log/store/store.h"

struct txnmodel {
    int64_t end; /* offsets below were read */
    struct aborted *open, *aborted;
    struct aborted *batches; /* of all transactions: producer, first and last offset */
    size_t nopen, open_cap, naborted, aborted_cap, nbatches, batches_cap;
    uint64_t committed;
};
void txnmodel_fini(struct txnmodel *tm);
/* Reads on to the view's high watermark, then compares: its last stable offset, and the aborted transactions of random
 * ranges. A transaction of which no batch is left below the range's end need not be told. CHECKs. A view must not have
 * a later log start than what was read so far. */
void txnmodel_check(struct txnmodel *tm, const struct view *v, struct random *dice);

#endif
