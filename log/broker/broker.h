/* The front desk: one table of Kafka APIs (api.def), one file per family of requests. Joins store, cluster and net.
 * Thread: requests run on their connection's shard; appends hop to the partition's owner and back. */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H
#include "log/cluster/cluster.h"
#include "log/coord/coord.h"
#include "log/net/net.h"

struct broker;

struct broker_conf {
    const struct config *conf;
    struct disk *disk;
    const char *data_dir;
    struct loop *const *loops; /* shards */
    unsigned nloops;
};
/* Opens store and cluster; blocking, before the loops start. Sockets come apart: broker_frames with net_open, so that
 * the simulator can drive a broker without any. */
int broker_open(struct broker **out, const struct broker_conf *bc, struct diag *d) MUST_USE;
void broker_close(struct broker *b); /* after the loops have stopped */
struct store *broker_store(struct broker *b);
struct cluster *broker_cluster(struct broker *b);
struct coord *broker_coord(struct broker *b);
const struct config *broker_config(struct broker *b);
struct loop *broker_loop(struct broker *b, unsigned i);
unsigned broker_nloops(struct broker *b);

const struct frame_class *broker_frames(void); /* arg is the broker */
void broker_set_net(struct broker *b, struct net *net); /* whose listeners Metadata tells */

/* What the node tells a monitor: Prometheus' text, names in log/README.md. ready: no sync has failed, the log of groups
 * has been read, Produce is not refused for want of room; with brief nothing else is found out. Called on `loop`,
 * answered there, once; text is the caller's, inited. */
struct broker_scrape {
    struct loop *loop;
    void (*done_cb)(struct broker_scrape *s);
    bool brief;
    bool ready;       /* out */
    bool disk_low;    /* out: less is free than weir.disk.reserve.bytes; it is not ready then */
    struct wbuf text; /* out */
};
void broker_scrape(struct broker *b, struct broker_scrape *s);
bool broker_healthy(struct broker *b); /* any thread: it takes writes */
/* Somebody else's bytes are about to come, on this loop: false if the disk must be kept for what the node writes
 * itself. */
bool broker_takes(struct broker *b, struct loop *loop, uint64_t bytes);

/* One request without a socket: frame is header and body as on the wire. answer_cb on `loop`, once, with the whole
 * answer (header and body; n = 0 for none). For the simulator and tests. */
struct broker_call {
    struct loop *loop;
    struct str frame;
    void (*answer_cb)(struct broker_call *call, int status, struct str answer);
    void *impl; /* the broker's own */
};
void broker_request(struct broker *b, struct broker_call *call);

#endif
