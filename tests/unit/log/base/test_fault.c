/* A fault point ends the process at the hit that was asked for, without running anything that would tidy up. */
#include "log/base/fault.h"
#include "log/base/base.h"
#include "tests/unit/unit.h"
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Exit code of a child that passes two points three times each. */
static int child(const char *wish)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (wish)
            setenv("WEIR_FAULT", wish, 1);
        else
            unsetenv("WEIR_FAULT");
        int passed = 0;
        for (; passed < 3; passed++) {
            FAULT("a.before");
            FAULT("b.after");
        }
        _exit(passed);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void ends_at_the_nth_hit(void **state)
{
    (void)state;
    assert_int_equal(child(NULL), 3);
    assert_int_equal(child("a.before:1"), 137);
    assert_int_equal(child("b.after:3"), 137);
    assert_int_equal(child("b.after:4"), 3);
    assert_int_equal(child("b:1"), 3);
    assert_int_equal(child("other:1"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ends_at_the_nth_hit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
