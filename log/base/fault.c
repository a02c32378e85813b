#include "log/base/fault.h"
#include "log/base/base.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* The environment does not change while the process runs, so it is read at every hit: these builds need no speed. */
void fault_hit(const char *name)
{
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
