/* The seeded second implementation of the loop seam: many loops in one thread, in virtual time. The seed decides which
 * loop has the next turn, which of its events run in it and in what order, how long jobs take, and how time passes. The
 * same seed over the same program gives the same history.
 *
 * What it keeps of the real one's promises and no more: messages from one loop to another stay in order; LANE_SYNC jobs
 * run and end in order, one at a time; other jobs in any order; a message to oneself waits for the next turn; turn-end
 * hooks run after the events of their turn. Thread: one. */
#ifndef TESTS_SIMLOOP_H
#define TESTS_SIMLOOP_H
#include "log/base/loop.h"
#include "log/base/random.h"

struct sim;
struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *sim); /* what is still pending never runs */
/* The i-th loop, made when first asked for. Outside any turn calls to it act as before its thread started. */
struct loop *sim_loop(struct sim *sim, unsigned i);

int64_t sim_now_us(const struct sim *sim);
/* Moves the wall clock, as an operator or NTP would; the monotonic one is not touched. */
void sim_wall_jump(struct sim *sim, int64_t ms);
struct random *sim_random(struct sim *sim); /* for choices of the test itself */

/* One turn of one loop, or the working part of one job. Passes time when nothing can run now. False: nothing is
 * left. */
bool sim_step(struct sim *sim);
void sim_run_until(struct sim *sim, int64_t virtual_us);
/* Until only timers are left (time passes for jobs, and timers due meanwhile fire). */
void sim_run_idle(struct sim *sim);
/* The process dies: messages, timers, jobs and hooks are forgotten; their callbacks never run. Also for who has left
 * sim_step by longjmp, in the middle of a turn or a job. */
void sim_crash(struct sim *sim);
/* A digest of all choices so far; two runs of one seed must agree. */
uint64_t sim_digest(const struct sim *sim);

#endif
