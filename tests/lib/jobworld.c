#include "tests/lib/jobworld.h"
#include <stdio.h>
#include <stdlib.h>

void jw_must(bool ok, const char *fmt, ...)
{
    if (ok)
        return;
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    abort();
}

void jw_init(struct jobworld *w, uint64_t seed)
{
    *w = (struct jobworld){.sim = sim_new(seed), .sd = simdisk_new(seed ^ 0x9e3779b97f4a7c15u)};
    config_init(&w->conf);
    w->conf.wal_bytes = 65536;
    w->conf.log_segment_bytes = 16384;
    w->conf.log_retention_ms = -1;
}

void jw_fini(struct jobworld *w)
{
    sim_free(w->sim);
    simdisk_free(w->sd);
    config_fini(&w->conf);
}

void jw_open(struct jobworld *w, unsigned nloops)
{
    w->nloops = nloops;
    for (unsigned i = 0; i < nloops; i++)
        w->loops[i] = sim_loop(w->sim, i);
    struct diag d = {0};
    struct broker_conf bc = {&w->conf, simdisk_disk(w->sd), "/data", w->loops, nloops};
    int err = broker_open(&w->b, &bc, &d);
    jw_must(err == 0, "the broker does not open: %s %s", err_name(err), d.text);
}

static void start_cb(struct msg *m)
{
    struct jobworld *w = container_of(m, struct jobworld, start_msg);
    engine_start(w->e);
    w->started = true;
}

void jw_start(struct jobworld *w)
{
    struct diag d = {0};
    jw_must(engine_open(&w->e, w->b, &d) == 0, "the engine does not open: %s", d.text);
    w->started = false;
    w->start_msg.run_cb = start_cb;
    loop_post(w->loops[0], &w->start_msg);
    jw_wait(w, &w->started, "the engine to start");
}

static void stopped_cb(void *arg) { *(bool *)arg = true; }

void jw_stop(struct jobworld *w)
{
    bool done = false;
    engine_stop(w->e, stopped_cb, &done);
    jw_wait(w, &done, "a clean stop");
    sim_run_idle(w->sim);
    sim_crash(w->sim); /* timers of what is freed now */
    engine_free(w->e);
    broker_close(w->b);
    w->e = NULL;
    w->b = NULL;
    jw_crash(w, SIMDISK_KILL);
}

void jw_crash(struct jobworld *w, enum simdisk_end how)
{
    sim_crash(w->sim);
    simdisk_crash(w->sd, how);
}

void jw_pass_ms(struct jobworld *w, int64_t ms) { sim_run_until(w->sim, sim_now_us(w->sim) + ms * 1000); }

void jw_wait(struct jobworld *w, const bool *flag, const char *what)
{
    int64_t until = sim_now_us(w->sim) + 120 * INT64_C(1000000);
    while (!*flag && sim_now_us(w->sim) < until)
        jw_must(sim_step(w->sim), "everything stands still waiting for %s", what);
    jw_must(*flag, "two minutes were not enough for %s", what);
}

struct committing {
    struct commit c;
    bool done;
    int status;
};

static void committed_cb(struct commit *c, int status)
{
    struct committing *x = container_of(c, struct committing, c);
    x->done = true;
    x->status = status;
}

int jw_try(struct jobworld *w, struct change *ch, struct diag *d)
{
    struct committing x = {.c = {.from = w->loops[0], .change = ch, .done_cb = committed_cb}};
    cluster_commit(broker_cluster(w->b), &x.c);
    jw_wait(w, &x.done, "a change of the metadata");
    *d = x.c.diag;
    return x.status;
}

void jw_commit(struct jobworld *w, struct change *ch)
{
    struct diag d = {0};
    int err = jw_try(w, ch, &d);
    jw_must(err == 0, "metadata: %s %s", err_name(err), d.text);
}

struct opened {
    struct watch watch;
    bool fired;
};

static void opened_cb(struct watch *watch, int status)
{
    (void)status;
    container_of(watch, struct opened, watch)->fired = true;
}

struct part *jw_part(struct jobworld *w, struct uuid topic, int32_t index)
{
    struct image *im = cluster_image(broker_cluster(w->b));
    const struct topic *t = image_topic_by_id(im, topic);
    jw_must(t && index < t->nparts, "a topic is gone");
    struct part *p = t->parts[index];
    counted_release(&im->c);
    struct opened o = {.watch = {.loop = w->loops[0], .part = p, .above = -1, .fired_cb = opened_cb}};
    part_watch(p, &o.watch);
    jw_wait(w, &o.fired, "a partition to open");
    return p;
}

int64_t jw_end(struct part *p)
{
    struct view *v = part_view(p);
    jw_must(v, "an open partition has no view");
    int64_t end = v->high_watermark;
    counted_release(&v->c);
    return end;
}

int64_t jw_stable(struct part *p)
{
    struct view *v = part_view(p);
    jw_must(v, "an open partition has no view");
    int64_t end = v->lso;
    counted_release(&v->c);
    return end;
}

static void row_cb(void *arg, int status, int64_t base, int64_t end)
{
    (void)base, (void)end;
    jw_must(status == 0, "a row cannot be written: %s", err_name(status));
    *(bool *)arg = true;
}

void jw_row(struct jobworld *w, struct uuid topic, int32_t index, int64_t ts_ms, int64_t key, int64_t value, bool gone)
{
    struct writer *wr;
    bool done = false;
    char k[8], v[8];
    put_be64(k, (uint64_t)key);
    put_be64(v, (uint64_t)value);
    jw_must(writer_open(&wr, broker_store(w->b), jw_part(w, topic, index), w->loops[0]) == 0, "writer");
    writer_record(wr, ts_ms, (struct str){k, 8}, gone ? STR_NULL : (struct str){v, 8});
    writer_flush(wr, row_cb, &done);
    writer_close(wr);
    jw_wait(w, &done, "a row to be written");
}

void jw_put_job(struct jobworld *w, const char *name, struct uuid id, const struct plan *plan, struct uuid output,
                struct uuid changelog, bool stopped)
{
    struct change ch;
    struct wbuf bytes, body;
    change_init(&ch);
    wbuf_init(&bytes);
    wbuf_init(&body);
    plan_pack(plan, &bytes);
    struct job_def def = {.name = name,
                          .sql = "",
                          .plan = wbuf_view(&bytes),
                          .output = output,
                          .changelog = changelog,
                          .stopped = stopped,
                          .at_least_once = w->at_least_once,
                          .tolerance = w->tolerance,
                          .revision = w->revision};
    job_def_pack(&def, &body);
    change_put_object(&ch, "job", str_of(name), id, wbuf_view(&body), false);
    jw_commit(w, &ch);
    wbuf_fini(&bytes);
    wbuf_fini(&body);
    change_fini(&ch);
}
