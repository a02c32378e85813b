/* C11's threads made of POSIX threads, for a thread-checked build: librdkafka starts its own by thrd_create, which
 * GCC's ThreadSanitizer does not intercept, and a thread that it has not seen starting ends the process. What happens
 * inside librdkafka, which is not instrumented, is not looked at. */
#include "log/base/alloc.h"
#include <pthread.h>
#include <threads.h>

struct start {
    thrd_start_t run_cb;
    void *arg;
};

const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) { return "called_from_lib:librdkafka.so\n"; }

static void *start_run(void *arg)
{
    struct start s = *(struct start *)arg;
    xfree(arg);
    return (void *)(intptr_t)s.run_cb(s.arg);
}

int thrd_create(thrd_t *out, thrd_start_t run_cb, void *arg)
{
    struct start *s = xalloc(sizeof *s);
    *s = (struct start){run_cb, arg};
    if (pthread_create(out, NULL, start_run, s) == 0)
        return thrd_success;
    xfree(s);
    return thrd_error;
}

int thrd_join(thrd_t thread, int *result)
{
    void *value;
    if (pthread_join(thread, &value))
        return thrd_error;
    if (result)
        *result = (int)(intptr_t)value;
    return thrd_success;
}
