/* One node's store in the simulator, for tests: loops, disk, appends that run to their end, and a reader that
 * checks. */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H
#include "log/base/alloc.h"
#include "log/store/store.h"
#include "log/wire/wire.h"
#include "tests/lib/simdisk.h"
#include "tests/lib/simloop.h"

enum { WORLD_LOOPS_MAX = 4 };
struct world {
    uint64_t seed;
    struct sim *sim;
    struct simdisk *sd;
    struct disk *disk;
    struct config conf;
    struct loop *loops[WORLD_LOOPS_MAX];
    unsigned nloops;
    struct store *st;
};
void world_init(struct world *w, uint64_t seed);
void world_fini(struct world *w); /* the store must be closed or forgotten */
/* Opens the store with so many shards, on fresh loops. */
int world_open(struct world *w, unsigned nloops);
/* Opens it with up to so many; before that come none or more starts that faults and a crash cut short. */
void world_begin(struct world *w, struct random *dice, unsigned nloops_max);
void world_close(struct world *w); /* cleanly; handles released before */
/* The machine dies; handles and store are forgotten as a dead process forgets them. */
void world_crash(struct world *w, enum simdisk_end how);
void world_heal(struct world *w); /* the disk: no more faults, and room */
/* On threads and a folder of the real disk; the loops are not started yet. */
struct store *world_real(const char *dir, const struct config *conf, struct loops *loops, struct loop **loop, unsigned n);

struct uuid world_topic(unsigned n);
struct part *world_part(struct world *w, unsigned topic, int32_t index);

/* What a test puts into a batch. */
struct spec {
    int n;           /* records */
    size_t bytes;    /* of each value */
    int64_t ts;      /* of the first; each next one 1 ms later */
    int64_t pid;     /* 0: no producer */
    int16_t epoch;
    int32_t seq;
    uint64_t mark;   /* written into every value */
    enum codec codec;
    bool txn;        /* of a transaction */
    enum { NO_MARKER, ABORT, COMMIT } marker; /* a marker of pid and epoch; seq is the coordinator's epoch */
    uint32_t flags;  /* of the append */
    uint64_t guard;
};
/* A slab with one recbatch. */
struct buf *spec_build(const struct spec *sp);

/* One append and its end. */
struct one {
    struct append_set set;
    struct append a;
    struct buf *buf;
    bool done;
};
void one_start(struct world *w, struct one *o, struct part *p, const struct spec *sp);
void one_submit(struct world *w, struct one *o, struct loop *from); /* one that is filled in */
/* Runs the world until it is done; releases the slab; gives the status. */
int one_wait(struct world *w, struct one *o);
int world_append(struct world *w, struct part *p, const struct spec *sp, int64_t *base_offset);

/* The part's view, once there is one (opens the part). */
struct view *world_view(struct world *w, struct part *p);
/* Reads all records from offset up to the high watermark by slices of max_bytes; gives how many; CHECKs order, CRC and
 * that offsets are without a hole. marks (may be NULL) takes the first 8 bytes of each value. Negative: the error. */
int64_t world_read(struct world *w, struct part *p, int64_t offset, uint32_t max_bytes, uint64_t *marks, size_t cap);

#endif
