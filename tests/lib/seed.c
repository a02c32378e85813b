#include "tests/lib/seed.h"
#include "log/base/alloc.h"
#include "log/base/disk.h"
#include "log/base/random.h"
#include <stdio.h>

uint64_t test_seed(void)
{
    uint64_t seed;
    int64_t given;
    if (str_to_i64(str_of(getenv("WEIR_SEED")), &given)) {
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
