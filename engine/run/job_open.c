/* The start of a job: its partitions, its graph, its tasks; until all partitions are open. */
#include "engine/run/job.h"

void job_parts_release(struct job_parts *p)
{
    for (unsigned i = 0; i < p->n; i++)
        part_release(p->parts[i]);
    p->n = 0;
}

struct job_parts job_parts_acquire(struct job *j, const struct topic *t)
{
    struct job_parts p = {.topic = t->id, .n = (unsigned)t->nparts};
    p.parts = ARENA_ARRAY(&j->arena, struct part *, p.n);
    for (unsigned i = 0; i < p.n; i++)
        p.parts[i] = part_acquire(t->parts[i]);
    return p;
}

struct part *job_part(const struct job *j, struct uuid topic, unsigned partition)
{
    unsigned i = 0;
    while (i < j->ntopics && !uuid_eq(j->topics[i].topic, topic))
        i++;
    CHECK(i < j->ntopics && partition < j->topics[i].n); /* resolved at the start */
    return j->topics[i].parts[partition];
}

struct resolving {
    struct job *j;
    const struct image *im;
};

/* Partitions are counted and taken at one time, so that a topic that grows meanwhile does not matter. */
static int32_t parts_cb(void *arg, struct uuid id)
{
    struct resolving *r = arg;
    struct job *j = r->j;
    for (unsigned i = 0; i < j->ntopics; i++)
        if (uuid_eq(j->topics[i].topic, id))
            return (int32_t)j->topics[i].n;
    const struct topic *t = image_topic_by_id(r->im, id);
    if (!t)
        return 0;
    j->topics[j->ntopics++] = job_parts_acquire(j, t);
    return t->nparts;
}

static int take_topic(struct resolving *r, struct uuid id, const char *what, struct job_parts *out, struct diag *d)
{
    const struct topic *t = image_topic_by_id(r->im, id);
    if (!t)
        return diag_set(d, E_NO_TOPIC, "its %s topic was deleted", what);
    *out = job_parts_acquire(r->j, t);
    return 0;
}

static int resolve(struct job *j, const struct image *im, struct diag *d)
{
    struct resolving r = {j, im};
    if (!j->plan) {
        int err = plan_unpack(&j->plan, j->def.plan, &j->arena);
        if (err)
            return diag_set(d, err, "its stored plan cannot be read: %s", err_text(err));
        plan_mark_keys(j->plan, &j->arena);
    }
    j->topics = ARENA_ARRAY(&j->arena, struct job_parts, j->plan->nnodes);
    int err = graph_build(&j->graph, j->plan, parts_cb, &r, &j->arena, d);
    if (err)
        return err;
    unsigned nparts = 0;
    for (unsigned i = 0; i < j->ntopics; i++)
        nparts += j->topics[i].n;
    atomic_store_explicit(&j->nparts, nparts, memory_order_release);
    if (j->query)
        return 0;
    err = take_topic(&r, j->def.output, "output", &j->output, d);
    if (!err)
        err = take_topic(&r, j->def.changelog, "changelog", &j->changelog, d);
    if (!err && j->changelog.n < j->plan->parallelism)
        return diag_set(d, E_CORRUPT, "its changelog topic has %u partitions, its plan needs %u", j->changelog.n,
                        j->plan->parallelism);
    return err;
}

static void connect_tasks(struct job *j, const struct frag *f)
{
    for (unsigned i = 0; i < f->ntasks; i++) {
        struct task *from = &j->tasks[f->first_task + i];
        for (unsigned o = 0; f->to && o < f->to->ntasks; o++) {
            struct task *to = &j->tasks[f->to->first_task + o];
            channel_init(&from->outlets[o], from, to, f->first_inlet + i);
            to->inlets[f->first_inlet + i] = &from->outlets[o];
        }
    }
}

static void make_tasks(struct job *j)
{
    const struct graph *g = j->graph;
    j->ntasks = g->ntasks;
    j->tasks = ARENA_ARRAY(&j->arena, struct task, j->ntasks);
    j->task_epochs = ARENA_ARRAY(&j->arena, uint8_t, j->ntasks);
    for (unsigned i = 0; i < g->nfrags; i++)
        for (unsigned k = 0; k < g->frags[i].ntasks; k++) {
            struct task *t = &j->tasks[g->frags[i].first_task + k];
            task_init(t, j, &g->frags[i], k, g->frags[i].first_task + k);
            if (!j->query)
                t->checkpointing = checkpointing_new(t);
        }
    for (unsigned i = 0; i < g->nfrags; i++)
        connect_tasks(j, &g->frags[i]);
}

void job_maybe_restore(struct job *j)
{
    if (!sm_is(&j->sm, J_STARTING) || j->watching || j->initing)
        return;
    job_restore(j);
}

/* Fires once a partition is open, so that workers find views of all of them. */
static void opened_cb(struct watch *w, int status)
{
    struct job_watch *jw = container_of(w, struct job_watch, watch);
    struct job *j = jw->job;
    jw->pending = false;
    j->watching--;
    if (status == E_NO_TOPIC)
        job_fail(j, status, "a topic that it uses was deleted");
    else if (status && status != E_CANCELED)
        job_fail(j, status, "a partition that it uses cannot be opened: %s", err_text(status));
    job_maybe_restore(j);
    job_maybe_closed(j);
}

static void watch_parts(struct job *j, const struct job_parts *p)
{
    for (unsigned i = 0; i < p->n; i++) {
        struct job_watch *w = &j->watches[j->nwatches++];
        *w = (struct job_watch){.job = j,
                                .pending = true,
                                .watch = {.loop = j->home, .part = p->parts[i], .above = -1, .fired_cb = opened_cb}};
        j->watching++;
    }
}

void job_begin(struct job *j)
{
    struct diag d = {0};
    j->began_ms = loop_wall_ms(j->home);
    j->is_volatile = !j->query && engine_volatile(j->engine);
    struct image *im = cluster_image(broker_cluster(engine_broker(j->engine)));
    int err = resolve(j, im, &d);
    counted_release(&im->c);
    if (err) {
        job_fail(j, err, "%s", d.text);
        return;
    }
    make_tasks(j);
    unsigned n = j->output.n + j->changelog.n;
    for (unsigned i = 0; i < j->ntopics; i++)
        n += j->topics[i].n;
    j->watches = ARENA_ARRAY(&j->arena, struct job_watch, n + 1);
    for (unsigned i = 0; i < j->ntopics; i++)
        watch_parts(j, &j->topics[i]);
    watch_parts(j, &j->output);
    watch_parts(j, &j->changelog);
    for (unsigned i = 0; i < j->nwatches; i++)
        part_watch(j->watches[i].watch.part, &j->watches[i].watch);
    if (!j->query && !j->is_volatile)
        job_init_txn(j);
    job_maybe_restore(j); /* a plan of scans alone waits for nothing */
}
