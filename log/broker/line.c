#include "log/broker/line.h"
#include "log/base/alloc.h"

struct line {
    int64_t producer_id;
    struct map *lines;
    struct list places; /* in order of arrival */
};

static struct str line_key(const int64_t *id) { return (struct str){(const char *)id, sizeof *id}; }

static bool is_held(const struct line *ln)
{
    LIST_EACH(l, &ln->places) {
        int at = container_of(l, struct line_place, link)->at;
        if (at != LINE_FIRST && at != LINE_PASSED)
            return true;
    }
    return false;
}

/* Appends on the way to the store keep their order; so the first who is stuck may ask once nobody before it can get
 * stuck any more, and those who queue may go when nobody before them is stuck or may be. */
static void line_step(struct line *ln)
{
    LIST_EACH_SAFE(l, &ln->places) {
        struct line_place *pl = container_of(l, struct line_place, link);
        switch (pl->at) {
        case LINE_PASSED:
        case LINE_FIRST:
            break;
        case LINE_DOUBTED:
        case LINE_ASKING:
            return;
        case LINE_STUCK:
            pl->at = LINE_ASKING;
            pl->go_cb(pl, true);
            return;
        case LINE_QUEUED:
            pl->at = LINE_FIRST;
            pl->go_cb(pl, false);
            break;
        }
    }
}

bool line_enter(struct map *lines, int64_t producer_id, struct line_place *pl)
{
    struct line *ln = map_get(lines, line_key(&producer_id));
    if (!ln) {
        ln = xzalloc(sizeof *ln);
        ln->producer_id = producer_id;
        ln->lines = lines;
        list_init(&ln->places);
        map_put(lines, line_key(&producer_id), ln);
    }
    pl->line = ln;
    pl->at = is_held(ln) ? LINE_QUEUED : LINE_FIRST;
    list_add_tail(&ln->places, &pl->link);
    return pl->at == LINE_FIRST;
}

void line_stuck(struct line_place *pl)
{
    CHECK(pl->at == LINE_FIRST || pl->at == LINE_DOUBTED);
    LIST_EACH(l, &pl->line->places) {
        struct line_place *other = container_of(l, struct line_place, link);
        if (other->at == LINE_FIRST)
            other->at = LINE_DOUBTED;
    }
    pl->at = LINE_STUCK;
    line_step(pl->line);
}

void line_pass(struct line_place *pl)
{
    CHECK(pl->at == LINE_ASKING);
    pl->at = LINE_PASSED;
    line_step(pl->line);
}

void line_leave(struct line_place *pl)
{
    struct line *ln = pl->line;
    if (!ln)
        return;
    pl->line = NULL;
    list_remove(&pl->link);
    if (!list_empty(&ln->places))
        line_step(ln);
    else
        xfree(map_remove(ln->lines, line_key(&ln->producer_id)));
}

void lines_fini(struct map *lines)
{
    void *v;
    for (size_t i = 0; (v = map_next(lines, &i)) != NULL;)
        xfree(v);
    map_fini(lines);
}
