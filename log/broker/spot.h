/* Partitions that a request asks for one by one. All go the same way: name the partitions, have their owners open them,
 * answer each from its view, or by a hop to its owner. Thread: the request's shard. */
#ifndef BROKER_SPOT_H
#define BROKER_SPOT_H
#include "log/broker/request.h"

struct spot {
    struct part *part;
    struct view *view;
    int16_t error;
    void *in, *out; /* of the request and the answer */
};
struct spots {
    struct req *r;
    struct image *im;
    struct spot *spots;
    uint32_t n;
    void *request, *response;
    void (*ready)(struct spots *sp); /* views are there, where there is no error */
    struct work work;
    uint32_t left; /* hops under way */
};

/* r->own becomes the spots; the request as decoded stays in spots.request. Views are released by spots_reply. */
struct spots *spots_new(struct req *r, uint32_t max, void *response, void (*ready)(struct spots *));
/* in, out: what belongs to it in the request and the answer. Partitions that do not exist have an error. */
void spots_add(struct spots *sp, struct str name, int32_t index, void *in, void *out);
void spots_run(struct spots *sp); /* calls ready, at once or once the partitions are open */
void spots_reply(struct spots *sp);

#endif
