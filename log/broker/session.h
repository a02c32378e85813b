/* Fetch sessions (KIP-227): what a client wants, remembered, so that a request names only what has changed and an
 * answer only what has news. One cache per shard: the session's id tells its shard, and on any other the client is told
 * to begin anew.
 * Thread: the shard's loop. */
#ifndef BROKER_SESSION_H
#define BROKER_SESSION_H
#include "log/broker/request.h"

/* One partition of a fetch: what is wanted, and what was found. */
struct fetch_item {
    struct str name;
    struct uuid id;
    int32_t index;
    int64_t offset;
    int32_t max_bytes, leader_epoch, last_epoch;
    /* found */
    struct part *part;
    struct view *view; /* counted */
    int16_t error;
    int32_t div_epoch; /* diverging epoch and its end; -1: none */
    int64_t div_end;
    struct slice slice;
    struct aborted *aborted; /* that touch the slice; with read_committed */
    uint32_t naborted;
    bool tell; /* goes into the answer */
};

struct fetch_scope {
    int32_t session_id; /* to answer with; 0: none */
    bool full;          /* everything is told */
    struct fetch_item *items;
    uint32_t n;
};

struct sessions *sessions_new(unsigned slots, unsigned shard, unsigned nshards);
void sessions_free(struct sessions *ss);
unsigned sessions_count(const struct sessions *ss);
/* What this request is about. Names in the scope point into the request or are copied to the arena. Gives Kafka's
 * error: K_SESSION_NOT_FOUND, K_SESSION_EPOCH, K_SESSION_TOPIC_ID. random: for a new session's id. */
int16_t sessions_begin(struct sessions *ss, const struct fetch_request *in, bool by_id, int64_t now_ms, uint64_t random,
                       struct arena *a, struct fetch_scope *out);
/* Before the answer: decides which items are told, and remembers that. */
void sessions_tell(struct sessions *ss, struct fetch_scope *sc, int64_t now_ms);

#endif
