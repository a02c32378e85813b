#include "tests/sim/job_shapes.h"

enum { HALF = 500000 };

#define NEARBY "x.k = y.k AND y.ts BETWEEN x.ts - 500 AND x.ts + 1000"
#define COUNTS "SELECT k, i.w, COUNT(*) FROM i GROUP BY k, i.w"
/* Rows of a session have its number. */
#define IN_SESSIONS \
    "WITH a AS (SELECT k, ts, ts - LAG(ts) OVER (PARTITION BY k ORDER BY ts) <= 500 AS near FROM i), " \
    "s AS (SELECT k, ts, SUM(NOT COALESCE(near, 0)) OVER (PARTITION BY k ORDER BY ts) AS n FROM a) "
const struct shape_facts shape_facts[SHAPES] = {
    [SUMS] = {.name = "sums", .query = "SELECT k, 0, SUM(v) FROM i GROUP BY k"},
    [PARTIALS] = {.name = "partials", .query = "SELECT k, 0, SUM(v) FROM i GROUP BY k"},
    [WINDOWED] = {.name = "windowed", .query = COUNTS, .windowed = true, .grace = true},
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
    [WINDOW_PARTS] = {.name = "window_parts", .query = COUNTS, .windowed = true, .grace = true},
    [FINALS] = {.name = "finals",
                .query = "SELECT k, i.w, COUNT(*) FROM i, w GROUP BY k, i.w HAVING i.w + 12000 <= MAX(w.ms)",
                .windowed = true,
                .grace = true,
                .waits = true},
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
    [SEMI_TABLES] = {.name = "semi_tables",
                     .query = "SELECT k, 0, v FROM t WHERE v NOT NULL AND EXISTS(SELECT 1 FROM u WHERE u.k = t.k AND u.v >= 500000)",
                     .tables = true,
                     .joined = true},
    [ANTI_TABLES] = {.name = "anti_tables",
                     .query = "SELECT k, 0, v FROM t WHERE v NOT NULL AND NOT EXISTS(SELECT 1 FROM u WHERE u.k = t.k AND u.v >= 500000)",
                     .tables = true,
                     .joined = true},
    [NEAR] = {.name = "near",
              .query = "SELECT k, 0, COUNT(*) FROM (SELECT x.k FROM x JOIN y ON " NEARBY " UNION ALL SELECT x.k FROM x, w WHERE "
                       "x.ts + 4000 < w.ms AND NOT EXISTS(SELECT 1 FROM y WHERE " NEARBY ")) GROUP BY k",
              .tables = true,
              .joined = true,
              .timed = true,
              .waits = true},
    [NEAR_FINALS] = {.name = "near_finals",
                     .query = "SELECT k, ts / 10000 * 10000 AS s, COUNT(*) FROM (SELECT x.k, MAX(x.ts, y.ts) AS ts FROM x JOIN y ON " NEARBY
                              " UNION ALL SELECT x.k, x.ts FROM x WHERE NOT EXISTS(SELECT 1 FROM y WHERE " NEARBY
                              ")), w GROUP BY k, s HAVING s + 14000 <= MAX(w.ms)",
                     .windowed = true,
                     .tables = true,
                     .joined = true,
                     .timed = true,
              .waits = true},
    [VERSIONS] = {.name = "versions",
                  .query = "SELECT y.k, 0, SUM(x.v) FROM y, w JOIN x ON x.rowid = (SELECT b.rowid FROM x b WHERE b.k = y.k AND "
                           "b.ts <= y.ts ORDER BY b.ts DESC, b.rowid DESC LIMIT 1) WHERE y.ts + 3000 < w.ms AND x.v NOT NULL GROUP BY y.k",
                  .tables = true,
                  .joined = true,
                  .timed = true,
              .waits = true},
    [BEST] = {.name = "best", .query = "SELECT k, 0, MAX(v) FROM i GROUP BY k"},
    [BEST_LEFT] = {.name = "best_left",
                   .query = "SELECT k, 0, MAX(v) FROM (SELECT k, v FROM t UNION ALL SELECT k, v FROM u) WHERE v NOT NULL GROUP BY k",
                   .tables = true,
                   .joined = true},
    [LAST_SUMS] = {.name = "last_sums",
                   .query = "SELECT k, 0, SUM(v) OVER (ORDER BY k ROWS 3 PRECEDING) FROM t WHERE v NOT NULL",
                   .tables = true},
    [SESSIONS] = {.name = "sessions",
                  .query = IN_SESSIONS "SELECT k, 0, MAX(c) FROM (SELECT k, COUNT(*) AS c FROM s GROUP BY k, n) GROUP BY k"},
    [SESSION_PARTS] = {.name = "session_parts",
                       .query = IN_SESSIONS "SELECT k, 0, SUM(ts) FROM (SELECT k, MIN(ts) AS ts FROM s GROUP BY k, n) GROUP BY k"},
    [SESSION_FINALS] = {.name = "session_finals",
                        .query = IN_SESSIONS "SELECT k, 0, MAX(c) FROM (SELECT k, COUNT(*) AS c FROM s, w GROUP BY k, n "
                                             "HAVING MAX(ts) + 3500 < MAX(w.ms)) GROUP BY k",
                        .waits = true},
    [FIRST] = {.name = "first",
               .query = "SELECT k, 0, v FROM (SELECT k, v, ts, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts, v) AS n FROM i), w "
                        "WHERE n = 1 AND ts < w.ms",
               .waits = true},
    [LAST] = {.name = "last",
              .query = "SELECT k, 0, v FROM (SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC, v) AS n FROM i) "
                       "WHERE n = 1"},
    [ROLLED] = {.name = "rolled",
                .query = "SELECT 0, 0, MAX(c) FROM (SELECT COUNT(*) AS c FROM i GROUP BY k) HAVING COUNT(*) > 0 "
                         "UNION ALL SELECT 1, 0, COUNT(*) FROM i"},
    [SETS] = {.name = "sets",
              .query = "WITH b AS (SELECT k, v FROM t WHERE v NOT NULL UNION ALL SELECT k, v FROM u WHERE v NOT NULL) "
                       "SELECT 1, 0, MAX(c) FROM (SELECT COUNT(*) AS c FROM b GROUP BY k) HAVING COUNT(*) > 0 UNION ALL "
                       "SELECT 2, 0, MAX(c) FROM (SELECT COUNT(*) AS c FROM b GROUP BY v) HAVING COUNT(*) > 0 UNION ALL "
                       "SELECT 3, 0, COUNT(*) FROM b",
              .tables = true,
              .joined = true,
              .grouped = true},
    [EXPLODED] = {.name = "exploded",
                  .query = "WITH RECURSIVE e(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM e WHERE n < 23) "
                           "SELECT n, 0, SUM(v) FROM t, e WHERE n <= k AND v NOT NULL GROUP BY n",
                  .tables = true},
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

/* Rows of t that have, or have not, a row of u of a large value. */
static struct plan_node *half(struct planlib *pl, enum join_kind kind, struct plan_node *t, struct plan_node *u)
{
    struct plan_node *both = join(pl, JOIN_INNER, t, u), *n = join(pl, kind, t, u);
    n->residual = pl_at_least(pl, both, 3, HALF)->predicate;
    pl_set_key(pl, n, 0);
    return n;
}

static struct plan_node *as_stream(struct plan_node *source)
{
    source->table = false;
    source->mode = MODE_APPEND;
    source->nkey = 0;
    return source;
}

static struct plan_node *near_in_time(struct planlib *pl, struct plan_node *x, struct plan_node *y)
{
    struct plan_node *n = pl_join(pl, PLAN_JOIN_INTERVAL, JOIN_LEFT, by_key(pl, x, 0), by_key(pl, y, 0), 0, 0);
    n->before_ms = 500;
    n->after_ms = 1000;
    n->grace_ms = SHAPE_DISORDER_MS;
    return pl_pick(pl, n, 2, (unsigned[]){0, 1});
}

static struct plan_node *versions(struct planlib *pl, struct plan_node *y, struct plan_node *x)
{
    struct plan_node *table = by_key(pl, x, 0);
    pl_set_key(pl, table, 0);
    struct plan_node *n = pl_join(pl, PLAN_JOIN_TEMPORAL, JOIN_INNER, by_key(pl, y, 0), table, 0, 0);
    n->grace_ms = SHAPE_DISORDER_MS;
    return group(pl, pl_pick(pl, n, 2, (unsigned[]){0, 3}), 0, AGG_SUM, 1);
}

/* What its watermark says, holds: no row is late. */
static struct plan_node *in_disorder(struct plan_node *source)
{
    source->format.delay_ms = SHAPE_DISORDER_MS;
    return source;
}

static struct plan_node *sessions(struct planlib *pl, struct plan_node *i, bool parts)
{
    struct plan_node *w = pl_window(pl, i, SHAPE_GAP_MS, SHAPE_DISORDER_MS), *n;
    w->window = WINDOW_SESSION;
    if (!parts)
        return pl_session(pl_aggregate(pl, by_key(pl, w, 0), 3, (unsigned[]){0, 2, 3}, AGG_COUNT_STAR, 0, SHAPE_GAP_MS, SHAPE_DISORDER_MS));
    n = pl_session(pl_partial(pl, w, 3, (unsigned[]){0, 2, 3}, AGG_COUNT_STAR, 0, SHAPE_GAP_MS, SHAPE_DISORDER_MS));
    return pl_session(pl_final(pl, by_key(pl, n, 0), n));
}

/* The greatest count of a group, by the number of its grouping set; that of all rows is there without rows. n: rows with these groups
 * and the number behind. */
static struct plan_node *greatest_of_sets(struct planlib *pl, struct plan_node *n, unsigned ngroup, bool parts)
{
    unsigned by[3] = {2, 3, 4};
    struct plan_node *x;
    if (parts) {
        n = pl_partial(pl, n, ngroup + 1, by, AGG_COUNT_STAR, 0, 0, 0);
        x = pl_exchange(pl, n, ngroup + 1, (unsigned[]){0, 1, 2});
        x->drop_null_key = false;
        n = pl_final(pl, x, n);
    } else {
        x = pl_exchange(pl, n, ngroup + 1, by);
        x->drop_null_key = false;
        n = pl_aggregate(pl, x, ngroup + 1, by, AGG_COUNT_STAR, 0, 0, 0);
    }
    n->total = true;
    return group(pl, pl_pick(pl, n, 2, (unsigned[]){ngroup, ngroup + 1}), 0, AGG_MAX, 1);
}

static struct plan_node *first_or_last(struct planlib *pl, struct plan_node *i, bool last)
{
    struct plan_node *n = pl_dedup(pl, by_key(pl, i, 0), 1, (unsigned[]){0}, last);
    if (!last)
        return group(pl, n, 0, AGG_SUM, 1);
    pl_set_key(pl, n, 0);
    return n;
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
    case BEST:
        n = pl_top(pl, by_key(pl, i, 0), 1, (unsigned[]){0}, 1, 1);
        pl_set_key(pl, n, 0);
        return n;
    case BEST_LEFT:
        n = pl_union(pl, pl_normalize(pl, by_key(pl, t, 0)), pl_normalize(pl, by_key(pl, u, 0)));
        n = pl_top(pl, n, 1, (unsigned[]){0}, 1, 1);
        pl_set_key(pl, n, 0);
        return n;
    case LAST_SUMS:
        n = pl_exchange(pl, pl_normalize(pl, by_key(pl, t, 0)), 0, NULL);
        return pl_pick(pl, pl_sum_over(pl, n, 0, 1, 3), 2, (unsigned[]){0, 2});
    case UNITED:
        n = pl_union(pl, pl_normalize(pl, by_key(pl, t, 0)), pl_normalize(pl, by_key(pl, u, 0)));
        return pl_aggregate(pl, n, 1, (unsigned[]){0}, AGG_SUM, 1, 0, 0);
    case SEMI_TABLES:
        return half(pl, JOIN_SEMI, t, u);
    case ANTI_TABLES:
        return half(pl, JOIN_ANTI, t, u);
    case NEAR:
        return group(pl, near_in_time(pl, as_stream(t), as_stream(u)), 0, AGG_COUNT_STAR, 0);
    case NEAR_FINALS:
        n = near_in_time(pl, as_stream(t), as_stream(u));
        n = pl_window(pl, n, SHAPE_WINDOW_MS, 0);
        n->delay_ms = INT64_MAX;
        n = pl_aggregate(pl, n, 3, (unsigned[]){0, 2, 3}, AGG_COUNT_STAR, 0, SHAPE_WINDOW_MS, 0);
        n->emit_final = true;
        return n;
    case SESSIONS:
        return group(pl, pl_pick(pl, sessions(pl, i, false), 2, (unsigned[]){0, 3}), 0, AGG_MAX, 1);
    case SESSION_PARTS:
        return group(pl, pl_pick(pl, sessions(pl, i, true), 2, (unsigned[]){0, 1}), 0, AGG_SUM, 1);
    case SESSION_FINALS:
        n = sessions(pl, i, false);
        n->emit_final = true;
        return group(pl, pl_pick(pl, n, 2, (unsigned[]){0, 3}), 0, AGG_MAX, 1);
    case FIRST:
    case LAST:
        return first_or_last(pl, in_disorder(i), s == LAST);
    case ROLLED:
        return greatest_of_sets(pl, pl_expand(pl, i, 1, (unsigned[]){0}, 2, (bool[]){true, false}), 1, true);
    case SETS:
        n = pl_union(pl, pl_normalize(pl, by_key(pl, t, 0)), pl_normalize(pl, by_key(pl, u, 0)));
        n = pl_expand(pl, n, 2, (unsigned[]){0, 1}, 3, (bool[]){true, false, false, true, false, false});
        return greatest_of_sets(pl, n, 2, false);
    case EXPLODED:
        return group(pl, pl_pick(pl, pl_numbers(pl, pl_normalize(pl, t), 0), 2, (unsigned[]){2, 1}), 0, AGG_SUM, 1);
    case VERSIONS:
        return versions(pl, as_stream(u), t);
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
