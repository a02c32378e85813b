/* The order of a transactional producer's Produce requests. While one of them has to ask the coordinator, those behind
 * it must not overtake it on its partitions: their sequence numbers would not fit.
 * Thread: the shard's loop; a producer's requests come over one connection, so to one shard. */
#ifndef BROKER_LINE_H
#define BROKER_LINE_H
#include "log/base/list.h"
#include "log/base/map.h"

struct line;
/* A request's place. go_cb runs during a call of another place or of this one: */
struct line_place {
    void (*go_cb)(struct line_place *pl, bool ask); /* append for the first time; or ask, for which it was stuck */
    struct list link;
    struct line *line;
    enum {
        LINE_FIRST,   /* its first appends are out */
        LINE_DOUBTED, /* the same, but another one came back since: it may too */
        LINE_STUCK,
        LINE_ASKING,
        LINE_PASSED,  /* its second appends are out */
        LINE_QUEUED,
    } at;
};
/* At the end of the producer's line. True: append now. False: go_cb will come. */
bool line_enter(struct map *lines, int64_t producer_id, struct line_place *pl);
/* The first appends have come back and some must be made again: go_cb comes when no request before this one may need
 * the same, perhaps at once. Nobody behind appends meanwhile. */
void line_stuck(struct line_place *pl);
/* The second appends are on their way: those behind may follow. */
void line_pass(struct line_place *pl);
void line_leave(struct line_place *pl); /* also without having entered */
void lines_fini(struct map *lines);     /* places are not touched */

#endif
