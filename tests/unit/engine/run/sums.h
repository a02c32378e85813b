/* One job over one topic, its sums by key in another, with a real broker in the simulator: what the tests of running
 * jobs share. */
#ifndef TESTS_SUMS_H
#define TESTS_SUMS_H
#include "tests/lib/jobworld.h"

enum { PARTS = 2, TASKS = 2, KEYS = 100 };

extern struct jobworld W;
extern struct uuid in, out, changelog, job;
struct uuid id_of(uint8_t n); /* others than those four: from 5 */

/* Of cmocka: a node on two loops with the topics, and none. */
int setup(void **state);
int teardown(void **state);
void create_topic(const char *name, struct uuid id, int32_t nparts);
void again(unsigned nloops); /* stopped cleanly and started */

/* Puts the job: "in" summed by key into the table "out", or into another topic. */
void put_sums(bool stopped);
void put_sums_to(struct uuid output, bool stopped);
/* The output table's value of a key below KEYS; -1: none. */
int64_t output_value(int64_t key);

struct answer {
    bool done;
    int status;
    char why[400];
    struct job_status *st;
};
struct job_status *status_of(struct uuid id, struct arena *a); /* NULL: no such job */
enum job_state state_of(struct uuid id);
struct answer await(struct uuid id);  /* until it is up, or has failed */
struct answer resume(struct uuid id); /* once more, if it has failed */
#endif
