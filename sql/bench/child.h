/* A weir server as a process of its own, on a scratch folder. Private to sql/bench. */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H
#include "log/base/err.h"

struct child {
    int pid, out; /* its standard output */
    char data[512], address[128];
};
/* A new folder below `parent`. */
int scratch_make(char *out, size_t cap, const char *parent, struct diag *d) MUST_USE;
/* Starts it on `data` and waits until it says that it is ready. What it traces goes to node.trace there. */
int child_start(struct child *c, const char *program, const char *data, struct diag *d) MUST_USE;
/* With a setting of its own, KEY=VALUE. */
int child_start_with(struct child *c, const char *program, const char *data, const char *setting, struct diag *d) MUST_USE;
int child_stop(struct child *c, struct diag *d) MUST_USE; /* SIGTERM, and waits; an error if it does not end well */
void child_kill(struct child *c);                         /* after an error; stopped ones are fine */

#endif
