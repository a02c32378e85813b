/* A node with broker and engine in the simulator, for tests of jobs: opened, crashed and opened again. */
#ifndef TESTS_JOBWORLD_H
#define TESTS_JOBWORLD_H
#include "engine/run/run.h"
#include "tests/lib/simdisk.h"
#include "tests/lib/simloop.h"

#define JW_LOOPS 4
struct jobworld {
    struct sim *sim;
    struct simdisk *sd;
    struct config conf;
    struct loop *loops[JW_LOOPS];
    unsigned nloops;
    struct broker *b;
    struct engine *e; /* NULL: not open */
    struct msg start_msg;
    bool started;
    bool at_least_once; /* of jobs put from now on */
    enum tolerance tolerance; /* the same */
    unsigned revision;        /* the same */
};
/* What must hold, or the process aborts with a sentence. */
void jw_must(bool ok, const char *fmt, ...) PRINTF_LIKE(2, 3);

void jw_init(struct jobworld *w, uint64_t seed);
void jw_fini(struct jobworld *w);
void jw_open(struct jobworld *w, unsigned nloops); /* the broker */
void jw_start(struct jobworld *w);                 /* the engine */
void jw_stop(struct jobworld *w);                  /* both, cleanly */
void jw_crash(struct jobworld *w, enum simdisk_end how);

void jw_pass_ms(struct jobworld *w, int64_t ms);                      /* virtual time */
void jw_wait(struct jobworld *w, const bool *flag, const char *what); /* two virtual minutes at most */
int jw_try(struct jobworld *w, struct change *ch, struct diag *d);
void jw_commit(struct jobworld *w, struct change *ch);                      /* which must succeed */
struct part *jw_part(struct jobworld *w, struct uuid topic, int32_t index); /* opened; the image's reference */
int64_t jw_end(struct part *p);                                             /* its high watermark, */
int64_t jw_stable(struct part *p);                                          /* last stable offset */
/* Writes a KAFKA-format record (BIGINT key and value; null value if gone) and waits until it is durable. */
void jw_row(struct jobworld *w, struct uuid topic, int32_t index, int64_t ts_ms, int64_t key, int64_t value, bool gone);
/* Puts a job object. */
void jw_put_job(struct jobworld *w, const char *name, struct uuid id, const struct plan *plan, struct uuid output,
                struct uuid changelog, bool stopped);
#endif
