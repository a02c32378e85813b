/* A place in a topic as the command line says it: earliest, latest, an offset, @MS (the first record at that time or
 * later, in ms since 1970), or -DURATION (-90s, -30m, -2h, -7d: that long ago). Private to sql/shell. */
#ifndef SHELL_GOAL_H
#define SHELL_GOAL_H
#include "log/client/remote.h"

struct goal {
    bool by_offset;
    int64_t value; /* an offset, or ListOffsets' timestamp */
};
#define GOAL_WAYS "earliest, latest, an offset, @MS, or -DURATION"
bool goal_parse(const char *text, struct goal *g);
/* Where that is in each partition: between start and end, which are told too. 0, or the exit code of what has been
 * told. */
int goal_offsets(struct remote *rm, const char *command, const struct metadata_response_topic *t, const struct goal *g,
                 int64_t *to, int64_t *start, int64_t *end, struct arena *a);

#endif
