#include "sql/shell/goal.h"
#include "log/base/clock.h"
#include "sql/shell/kafka.h"

enum { TO_START = -2, TO_END = -1 };

static bool parse_ago(const char *text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    size_t digits = strspn(text, "0123456789");
    int64_t n;
    if (!str_to_i64((struct str){text, digits}, &n))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strcmp(text + digits, units[i].unit) == 0)
            return !__builtin_mul_overflow(n, units[i].ms, ms);
    return false;
}

bool goal_parse(const char *text, struct goal *g)
{
    int64_t ms;
    *g = (struct goal){0};
    if (strcmp(text, "earliest") == 0)
        g->value = TO_START;
    else if (strcmp(text, "latest") == 0)
        g->value = TO_END;
    else if (text[0] == '@')
        return str_to_i64(str_of(text + 1), &g->value) && g->value >= 0;
    else if (text[0] == '-' && parse_ago(text + 1, &ms))
        g->value = MAX(clock_wall_ms() - ms, INT64_C(0));
    else {
        g->by_offset = true;
        return str_to_i64(str_of(text), &g->value) && g->value >= 0;
    }
    return true;
}

int goal_offsets(struct remote *rm, const char *command, const struct metadata_response_topic *t, const struct goal *g,
                 int64_t *to, int64_t *start, int64_t *end, struct arena *a)
{
    int rc = kafka_offsets(rm, command, t, TO_START, false, start, a);
    if (rc == 0)
        rc = kafka_offsets(rm, command, t, TO_END, false, end, a);
    if (rc == 0 && !g->by_offset)
        rc = kafka_offsets(rm, command, t, g->value, false, to, a);
    for (uint32_t p = 0; rc == 0 && p < t->partitions_n; p++) {
        int64_t at = g->by_offset ? g->value : to[p] < 0 ? end[p] : to[p]; /* nothing is that young */
        to[p] = MIN(MAX(at, start[p]), end[p]);
    }
    return rc;
}
