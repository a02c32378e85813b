/* Load from outside: topics made and filled over a socket, as any Kafka client does it. Private to sql/bench. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H
#include "log/client/remote.h"

enum { LOAD_PARTS = 4, LOAD_INFLIGHT = 5, LOAD_BATCH_BYTES = 65536 };

int load_topic_make(struct remote *rm, const char *topic, struct diag *d) MUST_USE; /* LOAD_PARTS partitions */
int load_topic_drop(struct remote *rm, const char *topic, struct diag *d) MUST_USE;
int load_topic_id(struct remote *rm, const char *topic, struct uuid *out, struct diag *d) MUST_USE;

/* Sends batches with acks=all, LOAD_INFLIGHT requests on their way. */
struct load {
    struct remote *rm;
    const char *topic;
    unsigned inflight;
    struct arena arena;
};
void load_init(struct load *l, struct remote *rm, const char *topic);
/* One request with whole recbatches for one partition; waits for an answer when enough are on their way. */
int load_send(struct load *l, int32_t part, struct str batches, struct diag *d) MUST_USE;
int load_drain(struct load *l, struct diag *d) MUST_USE; /* all answers are in */
void load_fini(struct load *l);

#endif
