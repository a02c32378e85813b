/* A bucket of the cold level: neighbouring entries of one store, packed, in key order. Pure. Private to state.
 * Layout: state/README.md, "Checkpoint". */
#ifndef STATE_BUCKET_H
#define STATE_BUCKET_H
#include "log/base/alloc.h"
#include "log/base/buf.h"
#include "state/state.h"

struct bucket_iter {
    struct rbuf r;
    struct wbuf key;  /* of the entry at hand */
    struct str value; /* borrowed from the bucket's bytes */
    bool any;
    int err;
};
void bucket_iter_init(struct bucket_iter *it, struct str bytes);
bool bucket_next(struct bucket_iter *it); /* false: at the end, or err is set */
void bucket_iter_fini(struct bucket_iter *it);

struct bucket_writer {
    struct wbuf bytes, last; /* last: key added last */
    unsigned n;
};
void bucket_writer_init(struct bucket_writer *w);
void bucket_writer_reset(struct bucket_writer *w);
void bucket_writer_fini(struct bucket_writer *w);
/* Keys ascend. */
void bucket_add(struct bucket_writer *w, struct str key, struct str value);
/* The same for changes whose keys ascend: as many as fit `max` bytes, at least one if there is none yet; passes over what is
 * gone. Gives how many are done. */
size_t bucket_fill(struct bucket_writer *w, const struct checkpoint_change *c, size_t n, size_t max);
/* The shortest key that is above `below` and not above `key`. */
struct str bucket_fence(struct str below, struct str key);

#endif
