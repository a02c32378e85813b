/* A request at work, from its frame to its answer, and what the room's files share.
 * Thread: everything here belongs to the connection's shard (struct desk); struct broker is read only once it is
 * open. */
#ifndef BROKER_REQUEST_H
#define BROKER_REQUEST_H
#include "log/broker/broker.h"
#include "log/base/limits.h"
#include "log/base/metrics.h"
#include "log/broker/line.h"
#include "log/broker/quota.h"
#include "log/broker/reserve.h"
#include "log/wire/wire.h"

struct desk;
struct req;
struct sessions;

/* Where a setting's value comes from, as Kafka numbers it. */
enum config_source { CONFIG_TOPIC = 1, CONFIG_STATIC_BROKER = 4, CONFIG_DEFAULT = 5 };

/* What an API needs: for authorisation, and for the sets of allowed operations in answers (Kafka's numbers). */
enum resource { RES_NONE, RES_TOPIC = 2, RES_GROUP = 3, RES_BROKER = 4, RES_CLUSTER = 5, RES_TRANSACTIONAL_ID = 6 };
enum operation {
    OP_NONE = 0,
    OP_READ = 3,
    OP_WRITE = 4,
    OP_CREATE = 5,
    OP_DELETE = 6,
    OP_ALTER = 7,
    OP_DESCRIBE = 8,
    OP_DESCRIBE_CONFIGS = 10,
    OP_ALTER_CONFIGS = 11,
    OP_IDEMPOTENT_WRITE = 12,
};
enum listener_kind { ON_CLIENT = 1 };

struct map;
struct api {
    const char *name;
    int16_t key, min, max;
    enum resource resource;
    enum operation operation;
    enum listener_kind listeners;
    void (*handle)(struct req *r); /* answers with req_reply, req_drop or req_fail, at once or later */
    const struct wire_message *response;
};
extern const struct api apis[];
extern const unsigned napis;

struct broker {
    struct broker_conf bc;
    struct store *store;
    struct cluster *cluster;
    struct coord *coord;
    struct net *net; /* NULL without sockets */
    struct quotas *quotas;
    struct desk *desks;
    int32_t node_id;
    char cluster_id[UUID_TEXT];
    _Atomic bool disk_low; /* reserve.h */
};

/* One shard's part of the broker. */
struct desk {
    struct broker *b;
    struct loop *loop;
    struct compress *compress;
    struct sessions *sessions;
    struct list reqs, spare; /* req.desk_link */
    unsigned nspare;
    struct wbuf out;
    struct reserve reserve;
    struct counter *requests; /* of each API; this shard writes, anybody reads */
    struct map lines; /* of transactional producers: line.h */
};

/* What a connection's requests share. */
struct client {
    struct desk *desk;
    struct conn *conn;
    struct list reqs; /* req.link */
    const char *principal; /* "User:" and a name */
    struct quota_who who; /* of its connection; no client id */
    char ip[64];
};

struct req {
    struct desk *desk;
    struct client *client;    /* NULL: no socket, or it has gone */
    struct broker_call *call; /* NULL: from a socket */
    uint64_t seq;
    struct list link, desk_link, wait_link;
    struct buf *frame;
    struct rbuf body;
    struct arena arena; /* decoded request, answer */
    const struct api *api;
    int version;
    int32_t correlation_id;
    struct str client_id;
    void *own;                         /* the handler's state, in the arena */
    void (*gone_cb)(struct req *r);    /* the peer has gone: answer soon, nobody waits */
    int64_t throttle_ms;               /* the answer tells it, and the connection is not read from for as long */
};

/* Decodes the body into a struct of the arena. An error ends the connection: return. */
#define REQ_DECODE(r, m) \
    (m##_init(req_in((r), sizeof(struct m))), req_decode((r), m##_decode((r)->own, &(r)->body, (r)->version, &(r)->arena)))
void *req_in(struct req *r, size_t size);
/* 0, or the request has failed and is gone. */
int req_decode(struct req *r, int rc) MUST_USE;

/* Ends the request with an answer, without one, or with the end of the connection. */
void req_reply(struct req *r, void *response); /* throttle_time_ms is set here */
/* Begins an answer in w. */
void req_header(struct req *r, struct wbuf *w);
void req_drop(struct req *r);
void req_fail(struct req *r, int err);
/* Counts n of a quota for who asks; the answer will tell how long to wait. Calls without a socket have no quotas. */
void req_charge(struct req *r, enum quota_kind kind, double n);
/* Partitions created or deleted. strict: K_THROTTLING_QUOTA_EXCEEDED, and nothing taken, while more is owed (KIP-599). */
int16_t req_mutate(struct req *r, int32_t nparts, bool strict);
double req_fetch_most(struct req *r); /* bytes that a Fetch may give at once */
void req_mute(struct req *r);            /* the peer has its answer, and is not read from until what it owes is paid back */
void client_measure(struct client *c);   /* a new connection: whose quotas it falls under */
void req_handle_timed(struct req *r);    /* api->handle, and what it costs */
/* An answer in pieces: what desk->out holds, cut by gaps that ranges of files fill. Takes the slices' references. */
void req_reply_slices(struct req *r, const struct wire_gaps *gaps, struct slice *slices);

static inline struct broker *req_broker(struct req *r) { return r->desk->b; }
static inline struct image *req_image(struct req *r) { return cluster_image(r->desk->b->cluster); }
/* Whom clients of this request should connect to. host lives in the arena. */
void req_address(struct req *r, struct str *host, int32_t *port);
#define REQ_NEW(r, type) ARENA_NEW(&(r)->arena, type)
#define REQ_ARRAY(r, type, n) ARENA_ARRAY(&(r)->arena, type, n)
/* The sentence of a diag in the request's arena; null if it is empty. */
struct str req_text(struct req *r, const struct diag *d);

/* How often a request names each thing: what is said twice must not make a long answer out of a short request. */
void said_add(struct map *said, struct arena *a, struct str what);
uint32_t said_times(const struct map *said, struct str what);

/* Topic by name, or by id from the API's first version with ids. Gives Kafka's error code. */
int16_t req_topic(const struct image *im, bool by_id, struct str name, struct uuid id, const struct topic **out);
/* A topic that only the server writes, empties, grows and deletes: the coordinators' (they are made once), and the
 * changelog of a job that exists (DROP, TERMINATE, RESTORE delete it). K_NONE: any other; else d says whose it is. */
int16_t topic_owned(const struct image *im, const struct topic *t, struct diag *d);
/* K_FENCED_EPOCH, K_UNKNOWN_EPOCH or 0. */
int16_t check_epoch(const struct view *v, int32_t current_leader_epoch);

/* PRODUCER_FENCED is INVALID_PRODUCER_EPOCH before version `since`. */
int16_t req_fenced(const struct req *r, int16_t code, int since);

/* What is allowed on a topic, as a set of operations. */
int32_t req_topic_operations(void);

/* The features that a cluster can be told to use, and their only levels here. */
struct feature {
    const char *name;
    int16_t level;
};
const struct feature *feature_at(unsigned i); /* NULL past the end */

/* Calls done(r) on the request's loop when all the views that were missing may be there. */
struct opening;
void req_open_parts(struct req *r, struct part *const *parts, unsigned n, void (*done)(struct req *r));

#define X(name, key, first, last, res, op, lis) void api_##name(struct req *r);
#include "log/broker/api.def"
#undef X
void api_versions_refuse(struct req *r); /* in version 0, with the range that is served */

#endif
