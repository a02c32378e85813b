/* What random and file-writing tests share: a seed that is printed and can be given back, a scratch folder. */
#ifndef TESTS_SEED_H
#define TESTS_SEED_H
#include "log/base/base.h"

/* WEIR_SEED if it is set, else WEIR_FIRST_SEED (tests/run.sh without `long`), else a fresh one; printed either way, so
 * that a failure can be repeated. */
uint64_t test_seed(void);
/* How many rounds a random test runs: WEIR_ROUNDS if it is set, else dflt. */
int64_t test_rounds(int64_t dflt);
/* How many seeds a simulation runs, from test_seed() upwards: WEIR_ROUNDS if it is set, else one if WEIR_SEED is, else
 * dflt. */
int64_t test_seeds(int64_t dflt);
/* Runs a simulation for test_seeds(dflt) seeds; gives how many. When one of them aborts the program, that seed is
 * said. */
int64_t seeds_run(int64_t dflt, void (*run_cb)(uint64_t seed));
/* The same for a seed whose assertion failed: what cmocka is given as the teardown of the test that runs the seeds. */
int seeds_teardown(void **state);
/* A new empty folder below TMPDIR (or /tmp); scratch_remove takes it away with all that is in it. */
char *scratch_new(void);
void scratch_remove(char *path);

#endif
