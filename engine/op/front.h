/* Ordered stores whose keys begin with a time (i64, sign flipped, big-endian): what is due by the watermark is taken from the
 * front, also from what only the checkpoint holds: in pieces, each taken before the next is fetched. Private to op. */
#ifndef OP_FRONT_H
#define OP_FRONT_H
#include "engine/op/common.h"

struct front {
    struct store *rows;  /* its owner's */
    unsigned number;     /* of the store */
    int64_t until;       /* keys of times before it are due */
    int64_t cold_from;   /* the checkpoint has no key of a time before it */
    bool walking, more;  /* more: what is due may lie behind `at`, in the checkpoint */
    struct wbuf at;      /* all up to here is in memory */
};
void front_init(struct front *f, struct store *rows, unsigned number);
void front_fini(struct front *f);
void put_time(struct wbuf *out, int64_t time);
int64_t time_of(struct str key); /* of at least 8 bytes */
/* A key of this time is put into the store. */
static inline void front_put(struct front *f, int64_t time) { f->cold_from = MIN(f->cold_from, time); }

/* In prepare: begin when it is called first, then take what front_next gives, then front_want; in load, front_load says
 * whether the pair belongs into memory; in loaded, front_loaded. In marker: what front_next still gives. */
void front_begin(struct front *f, int64_t until);
void front_want(struct front *f, struct needs *w);
bool front_load(struct front *f, struct str key);
void front_loaded(struct front *f, const struct need *n);
/* The first pair that is due and may be taken: the caller removes it from the store. */
bool front_next(const struct front *f, struct str *key, struct str *value);

#endif
