/* Named points at which a test ends the process as kill -9 would: between a write and its sync, between two names.
 * WEIR_FAULT="wal.before_sync:3" ends it at the third hit. Only in builds with -DFAULTS=ON. Any thread. */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H
#ifdef FAULTS
void fault_hit(const char *name);
/* A simulator takes every hit itself, on whatever thread it comes; set before there are threads. NULL: nobody. */
extern void (*fault_taken_cb)(const char *name);
#define FAULT(name) fault_hit(name)
#else
#define FAULT(name) ((void)0)
#endif

/* Known bugs of other brokers, put back on purpose: BUG("lso_at_marker") is true where WEIR_BUG names it, so that the
 * tests can show that they would find it. Only in builds with -DMUSEUM=ON, else always false. Any thread. */
#ifdef MUSEUM
#include <stdbool.h>
bool bug_is_on(const char *name);
#define BUG(name) bug_is_on(name)
#else
#define BUG(name) false
#endif
#endif
