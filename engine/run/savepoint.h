/* A savepoint: what a job held at a commit, as a file DIR/savepoints/<id>.save that lives apart from the job. It is a
 * copy of the changelog up to that commit, which comes last; a job that is restored begins with a changelog of its own
 * that is filled from it. Format: engine/run/README.md, "On disk".
 *
 * Saving needs nothing of the job but the moment: when no epoch is in flight, all in the changelog that was not aborted
 * is committed, though markers may still be on their way. Views taken then keep it readable while a worker copies. */
#ifndef RUN_SAVEPOINT_H
#define RUN_SAVEPOINT_H
#include "engine/run/job.h"

struct saving {
    struct list link; /* in job.savings, until an epoch is committed */
    struct msg msg;
    struct job_find find;
    struct engine *e;
    struct uuid id;
    struct loop *back;
    void (*done_cb)(void *arg, int status, const char *why, const struct savepoint_facts *facts);
    void *arg;
    /* the cut */
    unsigned nparts;
    struct part **parts;
    struct view **views;
    struct wbuf commit, commit_key;
    struct work work;
    char *path;
    int status;
    char why[300];
    struct savepoint_facts facts;
};
/* Home loop. Takes the cut now if no epoch is in flight, else at the next commit. */
void saving_begin(struct saving *s, struct job *j);
void saving_cut(struct job *j);    /* an epoch was committed, none is in flight */
void saving_cancel(struct job *j); /* the job ends */
void saving_fail(struct saving *s, int status, const char *why);

/* Fills the changelog of a job that is restored and has no commit yet. Home loop; done_cb once, later. Stops early when
 * the job is canceled. Its checkpoints, which are of another changelog, are removed. */
struct seeding;
struct seeding *seeding_begin(struct job *j, void (*done_cb)(void *arg, int status, const char *why), void *arg);
void seeding_free(struct seeding *s); /* after done_cb */

#endif
