/* What the jobs of sim_job.c compute: a plan of every operator kind, and the same as SQL. Inputs: I, a stream; T and U,
 * tables; all are BIGINT K -> BIGINT V. */
#ifndef TESTS_JOB_SHAPES_H
#define TESTS_JOB_SHAPES_H
#include "tests/lib/planlib.h"

enum { SHAPE_WINDOW_MS = 10000, SHAPE_GRACE_MS = 2000 };
enum { SHAPE_DISORDER_MS = 3000 }; /* so far a row is behind others of its partition at most */
enum { SHAPE_GAP_MS = 500 };       /* of sessions */
enum shape {
    SUMS,        /* a sum per key */
    PARTIALS,    /* the same, added up before the exchange */
    WINDOWED,    /* a count per key and window, with grace */
    LOOKUP,      /* a stream and a table that is whole before the job begins, summed by the table's value */
    TABLES,      /* two tables joined */
    GROUPED,     /* a table counted by its value: rows leave their group when they change */
    COPY,        /* the stream as it is */
    CHAIN,       /* a copy of the stream, by a job of its own, and SUMS of the copy */
    FILTERED,    /* SUMS of some rows */
    WINDOW_PARTS, /* WINDOWED, counted before the exchange */
    FINALS,      /* WINDOWED, each result once, when its window closes */
    MAXIMA,      /* two tables joined, the greatest value of one by the value of the other: it is taken back, too */
    LEFT_TABLES, /* the same LEFT join, counted */
    LEFT_LOOKUP, /* LOOKUP where some keys have no row of the table */
    UNITED,      /* rows of two tables together, summed per key */
    SEMI_TABLES, /* rows of a table that have a row of another, by a condition besides the key */
    ANTI_TABLES, /* rows that have none */
    NEAR,        /* two streams, rows of a key that are near each other in time, counted; those that are alone, too */
    NEAR_FINALS, /* NEAR's rows, those that are alone too, counted per window, when that closes: none is late for it */
    VERSIONS,    /* rows of a stream with the version of a table at their time, summed */
    BEST,        /* the greatest value per key of a stream: of those rows alone one is kept */
    BEST_LEFT,   /* the same of two tables' rows together: any may go */
    LAST_SUMS,   /* of a table the sum of each row and three rows before it, by key */
    SESSIONS,    /* the greatest number of rows in a session per key: sessions grow, join and are taken back */
    SESSION_PARTS,  /* the starts of a key's sessions, summed; sessions are begun before the exchange */
    SESSION_FINALS, /* SESSIONS, each session once, when it is over */
    FIRST,       /* the first row of each key by event time, once time has passed it */
    LAST,        /* the last */
    ROLLED,      /* the greatest group of ROLLUP(k), by grouping set, counted before the exchange */
    SETS,        /* the same of GROUPING SETS ((k), (v), ()) of two tables' rows together: any may go */
    EXPLODED,    /* each row of a table once per number up to its key, summed by that */
    SHAPES
};
struct shape_facts {
    const char *name;
    const char *query; /* over SQLite's i(k, v, w, ts), t(k, v), u(k, v): key, window start, value; NULL: the copied stream */
    bool windowed;     /* the result has a window start */
    bool tables;       /* rows go into T and U, or T alone, and not into I */
    bool joined;       /* U too */
    bool grouped;      /* T's values are keys of the result */
    bool lookup;       /* T is filled first */
    bool timed;        /* T and U as x(k, v, ts), y(k, v, ts): each of their records is a row */
    bool waits;        /* some rows come when time has passed them: w(ms) is the watermark of the last commit */
    bool grace;        /* rows that are late for their window do not count */
};
extern const struct shape_facts shape_facts[SHAPES];

/* Topics of I (or whatever stream stands for it), T, U, and the output. */
struct plan *shape_plan(enum shape s, const struct uuid in[3], struct uuid out, unsigned parallelism, struct arena *a);
#endif
