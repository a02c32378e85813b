/* A bucket of the cold level: neighbouring entries of one store, packed, in key order. Pure. Private to state.
 * Layout: state/README.md, "Checkpoint". */
#ifndef STATE_BUCKET_H
#define STATE_BUCKET_H
#include "log/base/alloc.h"
#include "log/base/buf.h"
#include "state/state.h"

enum { BUCKET_PACKED = 64 }; /* longer values stand as they are */

/* What values are compared with: where they have the same byte, they leave it out. */
struct bucket_base {
    uint8_t bytes[BUCKET_PACKED]; /* zeros behind len */
    uint8_t len;
};

struct bucket_iter {
    struct rbuf r;
    struct wbuf key;    /* of the entry at hand */
    struct str payload; /* its value: packed, or as it is; borrowed from the bucket's bytes */
    bool packed;
    size_t value_len;
    struct bucket_base base;
    uint8_t unpacked[BUCKET_PACKED];
    bool any, plain; /* plain: of the first layout, which packed no values */
    int err;
};
void bucket_iter_init(struct bucket_iter *it, struct str bytes);
bool bucket_next(struct bucket_iter *it); /* false: at the end, or err is set */
bool bucket_seek(struct bucket_iter *it, struct str key); /* from the entry at hand on, to the first with a key >= it */
struct str bucket_value(struct bucket_iter *it); /* of the entry at hand, until the next call; .ptr NULL: err is set */
void bucket_iter_fini(struct bucket_iter *it);

struct bucket_writer {
    struct wbuf bytes, last; /* last: key added last */
    struct bucket_base base;
    unsigned n;
};
void bucket_writer_init(struct bucket_writer *w);
void bucket_writer_base(struct bucket_writer *w, struct str value); /* and begins anew */
void bucket_writer_reset(struct bucket_writer *w);                  /* the base stays */
void bucket_writer_fini(struct bucket_writer *w);
/* Keys ascend. */
void bucket_add(struct bucket_writer *w, struct str key, struct str value);
/* The entry at hand of one with the same base. */
void bucket_copy(struct bucket_writer *w, const struct bucket_iter *it);
/* The same for changes whose keys ascend: as many as fit `max` bytes, at least one if there is none yet; passes over what is
 * gone. Gives how many are done. */
size_t bucket_fill(struct bucket_writer *w, const struct checkpoint_change *c, size_t n, size_t max);
/* The shortest key that is above `below` and not above `key`. */
struct str bucket_fence(struct str below, struct str key);

#endif
