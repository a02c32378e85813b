#include "tests/lib/seed.h"
#include "log/base/alloc.h"
#include "log/base/disk.h"
#include "log/base/random.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

uint64_t test_seed(void)
{
    uint64_t seed;
    int64_t given;
    if (str_to_i64(str_of(getenv("WEIR_SEED")), &given) || str_to_i64(str_of(getenv("WEIR_FIRST_SEED")), &given)) {
        seed = (uint64_t)given;
    } else {
        random_system(&seed, sizeof seed);
        seed >>= 16; /* short enough to be typed */
    }
    printf("repeat with WEIR_SEED=%" PRIu64 "\n", seed);
    fflush(stdout);
    return seed;
}

int64_t test_rounds(int64_t dflt)
{
    int64_t given;
    return str_to_i64(str_of(getenv("WEIR_ROUNDS")), &given) && given > 0 ? given : dflt;
}

int64_t test_seeds(int64_t dflt) { return test_rounds(getenv("WEIR_SEED") ? 1 : dflt); }

static uint64_t seed_now;
static bool seed_runs;

int seeds_teardown(void **state)
{
    (void)state;
    char text[200];
    int n = snprintf(text, sizeof text, "failed: repeat with WEIR_SEED=%" PRIu64 " build/%s\n", seed_now,
                     program_invocation_short_name);
    if (seed_runs && write(2, text, (size_t)n)) {}
    seed_runs = false;
    return 0;
}

static void on_abort(int sig)
{
    (void)sig;
    seeds_teardown(NULL);
    _exit(1);
}

int64_t seeds_run(int64_t dflt, void (*run_cb)(uint64_t seed))
{
    uint64_t seed = test_seed();
    int64_t n = test_seeds(dflt);
    signal(SIGABRT, on_abort);
    seed_runs = true;
    for (int64_t i = 0; i < n; i++) {
        seed_now = seed + (uint64_t)i;
        run_cb(seed_now);
    }
    seed_runs = false;
    return n;
}

char *scratch_new(void)
{
    const char *root = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/weir-test-XXXXXX", root && *root ? root : "/tmp");
    CHECK(mkdtemp(path));
    return xstrdup(path);
}

void scratch_remove(char *path)
{
    CHECK(disk_remove_tree(disk_real(), path) == 0);
    xfree(path);
}
