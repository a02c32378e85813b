#include "tests/sim/job_shapes.h"

enum { HALF = 500000 };

#define COUNTS "SELECT k, w, COUNT(*) FROM i GROUP BY k, w"
const struct shape_facts shape_facts[SHAPES] = {
    [SUMS] = {.name = "sums", .query = "SELECT k, 0, SUM(v) FROM i GROUP BY k"},
    [PARTIALS] = {.name = "partials", .query = "SELECT k, 0, SUM(v) FROM i GROUP BY k"},
    [WINDOWED] = {.name = "windowed", .query = COUNTS, .windowed = true},
    [LOOKUP] = {.name = "lookup",
                .query = "SELECT t.v, 0, SUM(i.v) FROM i JOIN t ON i.k = t.k GROUP BY t.v",
                .lookup = true},
    [TABLES] = {.name = "tables",
                .query = "SELECT t.k, 0, u.v FROM t JOIN u ON t.k = u.k WHERE t.v NOT NULL AND u.v NOT NULL",
                .tables = true,
                .joined = true},
    [GROUPED] = {.name = "grouped",
                 .query = "SELECT v, 0, COUNT(*) FROM t WHERE v NOT NULL GROUP BY v",
                 .tables = true,
                 .grouped = true},
    [COPY] = {.name = "copy"},
    [CHAIN] = {.name = "chain", .query = "SELECT k, 0, SUM(v) FROM i GROUP BY k"},
    [FILTERED] = {.name = "filtered", .query = "SELECT k, 0, SUM(v) FROM i WHERE v >= 500000 GROUP BY k"},
    [WINDOW_PARTS] = {.name = "window_parts", .query = COUNTS, .windowed = true},
    [FINALS] = {.name = "finals", .query = COUNTS, .windowed = true},
    [MAXIMA] = {.name = "maxima",
                .query = "SELECT t.v, 0, MAX(u.v) FROM t JOIN u ON t.k = u.k WHERE t.v NOT NULL AND u.v NOT NULL "
                         "GROUP BY t.v",
                .tables = true,
                .joined = true,
                .grouped = true},
    [LEFT_TABLES] = {.name = "left_tables",
                     .query = "SELECT t.v, 0, COUNT(u.v) FROM t LEFT JOIN u ON t.k = u.k WHERE t.v NOT NULL GROUP BY t.v",
                     .tables = true,
                     .joined = true,
                     .grouped = true},
    [LEFT_LOOKUP] = {.name = "left_lookup",
                     .query = "SELECT i.k, 0, COUNT(t.v) FROM i LEFT JOIN t ON i.k = t.k GROUP BY i.k",
                     .lookup = true},
    [UNITED] = {.name = "united",
                .query = "SELECT k, 0, SUM(v) FROM (SELECT k, v FROM t UNION ALL SELECT k, v FROM u) WHERE v NOT NULL GROUP BY k",
                .tables = true,
                .joined = true},
};

static struct plan_node *by_key(struct planlib *pl, struct plan_node *n, unsigned col)
{
    return pl_exchange(pl, n, 1, &col);
}

static struct plan_node *group(struct planlib *pl, struct plan_node *n, unsigned col, enum agg_kind kind, unsigned arg)
{
    return pl_aggregate(pl, by_key(pl, n, col), 1, &col, kind, arg, 0, 0);
}

static struct plan_node *counts(struct planlib *pl, struct plan_node *i)
{
    unsigned keys[] = {0, 2, 3};
    struct plan_node *n = by_key(pl, pl_window(pl, i, SHAPE_WINDOW_MS, SHAPE_GRACE_MS), 0);
    return pl_aggregate(pl, n, 3, keys, AGG_COUNT_STAR, 0, SHAPE_WINDOW_MS, SHAPE_GRACE_MS);
}

static struct plan_node *counts_in_parts(struct planlib *pl, struct plan_node *i)
{
    unsigned keys[] = {0, 2, 3};
    struct plan_node *n = pl_window(pl, i, SHAPE_WINDOW_MS, SHAPE_GRACE_MS);
    n = pl_partial(pl, n, 3, keys, AGG_COUNT_STAR, 0, SHAPE_WINDOW_MS, SHAPE_GRACE_MS);
    return pl_final(pl, by_key(pl, n, 0), n);
}

static struct plan_node *sums_in_parts(struct planlib *pl, struct plan_node *i)
{
    struct plan_node *n = pl_partial(pl, i, 1, (unsigned[]){0}, AGG_SUM, 1, 0, 0);
    return pl_final(pl, by_key(pl, n, 0), n);
}

/* Columns: the left one's K, V, the right one's. */
static struct plan_node *join(struct planlib *pl, enum join_kind kind, struct plan_node *t, struct plan_node *u)
{
    return pl_join(pl, PLAN_JOIN_TABLE, kind, pl_normalize(pl, by_key(pl, t, 0)), pl_normalize(pl, by_key(pl, u, 0)), 0,
                   0);
}

static struct plan_node *lookup(struct planlib *pl, enum join_kind kind, struct plan_node *i, struct plan_node *t)
{
    return pl_join(pl, PLAN_JOIN_LOOKUP, kind, by_key(pl, i, 0), by_key(pl, t, 0), 0, 0);
}

static struct plan_node *joined_tables(struct planlib *pl, struct plan_node *t, struct plan_node *u)
{
    struct plan_node *n = pl_pick(pl, join(pl, JOIN_INNER, t, u), 2, (unsigned[]){0, 3});
    pl_set_key(pl, n, 0);
    return n;
}

static struct plan_node *result(struct planlib *pl, enum shape s, struct plan_node *i, struct plan_node *t,
                                struct plan_node *u)
{
    unsigned values[] = {1, 3}, looked_up[] = {3, 1}, found[] = {0, 3};
    struct plan_node *n;
    switch (s) {
    case SUMS:
    case CHAIN:
        return group(pl, i, 0, AGG_SUM, 1);
    case PARTIALS:
        return sums_in_parts(pl, i);
    case WINDOWED:
        return counts(pl, i);
    case WINDOW_PARTS:
        return counts_in_parts(pl, i);
    case FINALS:
        n = counts(pl, i);
        n->emit_final = true;
        return n;
    case FILTERED:
        return group(pl, pl_at_least(pl, i, 1, HALF), 0, AGG_SUM, 1);
    case LOOKUP:
        return group(pl, pl_pick(pl, lookup(pl, JOIN_INNER, i, t), 2, looked_up), 0, AGG_SUM, 1);
    case LEFT_LOOKUP:
        return group(pl, pl_pick(pl, lookup(pl, JOIN_LEFT, i, t), 2, found), 0, AGG_COUNT, 1);
    case TABLES:
        return joined_tables(pl, t, u);
    case MAXIMA:
        return group(pl, pl_pick(pl, join(pl, JOIN_INNER, t, u), 2, values), 0, AGG_MAX, 1);
    case LEFT_TABLES:
        return group(pl, pl_pick(pl, join(pl, JOIN_LEFT, t, u), 2, values), 0, AGG_COUNT, 1);
    case UNITED:
        n = pl_union(pl, pl_normalize(pl, by_key(pl, t, 0)), pl_normalize(pl, by_key(pl, u, 0)));
        return pl_aggregate(pl, n, 1, (unsigned[]){0}, AGG_SUM, 1, 0, 0);
    case GROUPED:
        return group(pl, pl_normalize(pl, t), 1, AGG_COUNT_STAR, 0);
    case COPY:
    case SHAPES:
        break;
    }
    return i;
}

struct plan *shape_plan(enum shape s, const struct uuid in[3], struct uuid out, unsigned parallelism, struct arena *a)
{
    struct planlib pl;
    planlib_init(&pl, a, parallelism);
    struct plan_node *i = pl_source(&pl, "I", in[0], false), *t = pl_source(&pl, "T", in[1], true);
    struct plan_node *n = result(&pl, s, i, t, pl_source(&pl, "U", in[2], true));
    bool windowed = shape_facts[s].windowed;
    return planlib_done(
        &pl, pl_sink_topic(&pl, n, out, 0, windowed ? 3 : 1, windowed ? 1 : -1, windowed ? SHAPE_WINDOW_MS : 0));
}
