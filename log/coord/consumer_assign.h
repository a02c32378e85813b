/* Who of a consumer group (KIP-848) is to own which partition: the server's assignors.
 * Pure: the same input gives the same answer, in whatever order members are given. */
#ifndef COORD_CONSUMER_ASSIGN_H
#define COORD_CONSUMER_ASSIGN_H
#include "log/base/alloc.h"
#include "log/base/base.h"

/* A partition by its topic's id; sets of them are ascending arrays. */
struct owned {
    struct uuid topic;
    int32_t partition;
};
struct owned_set {
    struct owned *items;
    unsigned n, cap;
};
int owned_cmp(const struct owned *a, const struct owned *b);
void owned_add(struct owned_set *s, struct owned o); /* at its place; once */
bool owned_has(const struct owned_set *s, const struct owned *o);
bool owned_equal(const struct owned_set *a, const struct owned_set *b);
void owned_copy(struct owned_set *to, const struct owned_set *from);
void owned_fini(struct owned_set *s);

struct assign_topic {
    struct uuid id;
    int32_t nparts;
};
struct assign_member {
    struct str id;          /* ascending: members are given in this order */
    const unsigned *topics; /* it reads, indexes of topics, ascending */
    unsigned ntopics;
    const struct owned_set *was; /* its share before */
    struct owned_set gets;       /* out, empty before; the caller's */
};
/* topics ascend by id. Every partition of a topic that somebody reads has one owner. */

/* Shares differ by as little as subscriptions allow, and as much as possible stays where it was. */
void assign_uniform(struct assign_member *members, unsigned nmembers, const struct assign_topic *topics,
                    unsigned ntopics);
/* Of each topic a run of neighbours each, in the members' order: the same partitions of topics of one size go together.
 */
void assign_range(struct assign_member *members, unsigned nmembers, const struct assign_topic *topics,
                  unsigned ntopics);

#endif
