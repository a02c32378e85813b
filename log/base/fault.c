#include "log/base/fault.h"
#include "log/base/base.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef MUSEUM
#include <pthread.h>

static const char *bug_name;

static void bug_read(void) { bug_name = getenv("WEIR_BUG"); }

bool bug_is_on(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, bug_read);
    return bug_name && strcmp(bug_name, name) == 0;
}
#endif

#ifdef FAULTS
void (*fault_taken_cb)(const char *name);

/* The environment does not change while the process runs, so it is read at every hit: these builds need no speed. */
void fault_hit(const char *name)
{
    if (fault_taken_cb) {
        fault_taken_cb(name);
        return;
    }
    static _Atomic int64_t hits;
    struct str wish = str_of(getenv("WEIR_FAULT"));
    const char *colon = wish.ptr ? strchr(wish.ptr, ':') : NULL;
    if (!colon || !str_eq((struct str){wish.ptr, (size_t)(colon - wish.ptr)}, str_of(name)))
        return;
    int64_t nth;
    CHECK(str_to_i64(str_of(colon + 1), &nth));
    if (atomic_fetch_add(&hits, 1) + 1 == nth)
        _exit(137);
}
#endif
