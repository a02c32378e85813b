/* Client quotas: what users, client ids and addresses may ask for (KIP-13, 55, 124, 257, 546, 599, 612).
 *
 * A quota is an object "quota" of the cluster: named by its entity, its body has the limits. Who asks falls under the
 * most specific entity that has the limit; under a default entity each name is measured by itself. A limit is a bucket
 * of QUOTA_BURST_S seconds' worth: who has taken more is answered at once, told for how long to wait, and not read from
 * for as long. Thread: any; a lock is taken only while there are quotas of the kind that is asked for. */
#ifndef BROKER_QUOTA_H
#define BROKER_QUOTA_H
#include "log/cluster/cluster.h"

enum { QUOTA_BURST_S = 10 };
enum quota_kind {
    QUOTA_PRODUCE, /* bytes of Produce requests */
    QUOTA_FETCH,   /* bytes of records given by Fetch */
    QUOTA_REQUEST, /* ms that requests keep a shard busy until their handler waits for others; a limit of 1: 10 ms a
                      second */
    QUOTA_MUTATE,  /* partitions created and deleted */
    QUOTA_CONNECT, /* connections opened from an address */
    QUOTA_KINDS
};
const char *quota_key(enum quota_kind kind); /* "producer_byte_rate" */

enum quota_type { QUOTA_USER, QUOTA_CLIENT, QUOTA_IP, QUOTA_TYPES };
const char *quota_type_name(enum quota_type type); /* "client-id" */
struct quota_entity {
    bool there[QUOTA_TYPES];
    struct str name[QUOTA_TYPES]; /* null: the default one */
};
struct quota {
    struct quota_entity entity;
    double limit[QUOTA_KINDS]; /* a second, above 0; 0: none */
};
/* NULL, or what is wrong with the entity; or with the limit for it. */
const char *quota_entity_check(const struct quota_entity *e);
const char *quota_limit_check(const struct quota_entity *e, struct str key, double value, enum quota_kind *kind);

/* As an object: its name, and its body. */
void quota_name(const struct quota_entity *e, struct wbuf *out);
void quota_pack(const struct quota *q, struct wbuf *out);
int quota_unpack(struct quota *q, struct str body); /* texts point into body; E_CORRUPT */

struct quotas;
struct quotas *quotas_new(struct cluster *cl, struct loop *loop); /* follows the cluster's images, on loop */
void quotas_free(struct quotas *qs);                              /* after the loops have stopped */

struct quota_who {
    struct str user, client_id, ip;
};
bool quotas_any(const struct quotas *qs, enum quota_kind kind);
/* Takes n; gives for how many ms who asks must wait until it is paid back, 0: not at all. n = 0 only looks. */
int64_t quotas_take(struct quotas *qs, enum quota_kind kind, const struct quota_who *who, double n, int64_t now_ms);
/* How much a bucket that is full has. INFINITY: there is no limit. */
double quotas_most(struct quotas *qs, enum quota_kind kind, const struct quota_who *who);

#endif
