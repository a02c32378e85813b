/* How soon a new server is there, and how small it is when nobody asks anything. */
#include "log/base/clock.h"
#include "log/base/disk.h"
#include "sql/bench/child.h"
#include "sql/bench/kinds.h"
#include "sql/bench/lap.h"
#include "sql/bench/load.h"
#include <stdio.h>

enum { START_RUNS = 10, IDLE_MS = 2000 };

static int first_record(struct remote *rm, struct diag *d)
{
    struct load l;
    struct wbuf batch;
    struct recbatch_builder rb;
    int rc = load_topic_make(rm, "first", d);
    if (rc < 0)
        return rc;
    wbuf_init(&batch);
    recbatch_build(&rb, &batch, CODEC_NONE, NULL);
    recbatch_add(&rb, clock_wall_ms(), STR_NULL, STR("hello"), NULL, 0);
    recbatch_finish(&rb, NULL);
    load_init(&l, rm, "first");
    rc = load_send(&l, 0, wbuf_view(&batch), d);
    if (rc == 0)
        rc = load_drain(&l, d);
    load_fini(&l);
    wbuf_fini(&batch);
    return rc;
}

static int once(struct bench *b, struct laps *laps, unsigned i)
{
    char folder[560];
    struct child c;
    struct remote *rm = NULL;
    snprintf(folder, sizeof folder, "%s/%u", b->scratch, i);
    int rc = disk_mkdir(disk_real(), folder);
    if (rc < 0)
        return diag_set(b->diag, rc, "cannot make %s: %s", folder, err_text(rc));
    lap_start(laps);
    rc = child_start(&c, b->bc->program, folder, b->diag);
    if (rc < 0)
        return rc;
    rc = remote_open(&rm, c.address, 5000, b->diag);
    if (rc == 0)
        rc = first_record(rm, b->diag);
    lap_stop(laps);
    remote_close(rm);
    if (rc == 0 && laps_keep(laps)) {
        report_target(laps_add(laps, b->report, "start to first acks=all record", "ms", laps->wall_s * 1000), 100, true);
        if (laps->kept <= b->bc->runs) { /* two seconds each: not for all of these runs */
            clock_sleep_ms(IDLE_MS);
            report_target(laps_add(laps, b->report, "resident memory, idle", "MB", (double)machine_rss(c.pid) / 1e6), 15,
                          true);
        }
    }
    if (rc < 0) {
        child_kill(&c);
        return rc;
    }
    return child_stop(&c, b->diag);
}

int bench_start(struct bench *b)
{
    struct bench_conf more = *b->bc;
    int rc = 0;
    more.runs = MAX(b->bc->runs, START_RUNS); /* short runs: twice as many */
    unsigned i = 0;
    for (struct laps laps = laps_of(&more, 0); rc == 0 && laps_next(&laps);)
        rc = once(b, &laps, i++);
    return rc;
}
