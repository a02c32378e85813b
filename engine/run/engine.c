/* The engine: keeps the jobs that run in line with the "job" objects of the metadata image.
 *
 * Loop 0 owns the table of jobs and compares it with every new image. Each job lives on a home loop of its own; loop 0
 * and home talk by messages, which arrive in order, so a job that loop 0 has let go of is freed by the last of them.
 * A failed job stays in the table, so that its reason can be seen and it is not started again by itself: that takes
 * engine_job_again, or a stop and a start. One that failed for a reason that may pass is replaced by a new one, which waits a while, then
 * begins from the last commit. */
#include "engine/run/letters.h"
#include "engine/run/job.h"
#include "engine/run/savepoint.h"
#include "engine/run/status.h"
#include "log/base/limits.h"
#include "log/base/map.h"
#include "log/base/trace.h"
#include <stdio.h>

struct engine {
    struct broker *broker;
    unsigned nloops;
    struct turns *turns;
    struct budget memory;
    _Atomic int nkeepers; /* jobs with state that can be dropped, */
    _Atomic int nholders; /* and those that had memory at their last commit */
    struct map jobs; /* id -> struct job; loop 0 */
    unsigned *homes; /* per loop: those of them that are at home there */
    struct cluster_sub sub;
    struct list awaiting; /* calls about jobs that are being stopped; loop 0 */
    _Atomic bool is_volatile;
    bool started, stopping, subscribed;
    unsigned removing; /* folders being removed */
    void (*stopped_cb)(void *arg);
    void *stopped_arg;
};

static void reconcile(struct engine *e);
static void remove_strays(struct engine *e);
static void look_again(struct engine *e);
static void maybe_stopped(struct engine *e);

struct broker *engine_broker(struct engine *e) { return e->broker; }
struct budget *engine_memory(struct engine *e) { return &e->memory; }

unsigned engine_nloops(const struct engine *e) { return e->nloops; }

void engine_state_counts(struct job *j, int by)
{
    unsigned had = atomic_fetch_add(&j->nkeepers, (unsigned)by);
    if (had == 0 || had + (unsigned)by == 0)
        atomic_fetch_add(&j->engine->nkeepers, by);
}

static int64_t memory_used(const struct budget *b) { return atomic_load_explicit(&b->used, memory_order_relaxed); }

/* Of `all` bytes, those that each of n jobs may have when they are short. */
static int64_t share_of(int64_t all, const _Atomic int *n) { return all / MAX(1, atomic_load(n)); }

/* Less than this is no reason to take anything from a job. */
enum { HOLDS_BYTES = 65536 };

void engine_note_memory(struct job *j, bool ends)
{
    bool holds = !ends && memory_used(&j->memory) > HOLDS_BYTES;
    if (holds != j->holds)
        atomic_fetch_add(&j->engine->nholders, holds ? 1 : -1);
    j->holds = holds;
}

int64_t engine_memory_share(const struct job *j)
{
    const struct engine *e = j->engine;
    return atomic_load(&j->nkeepers) ? share_of(broker_config(e->broker)->state_memory, &e->nkeepers) : -1;
}

bool engine_memory_full(struct job *j)
{
    const struct budget *b = &j->engine->memory;
    int64_t all = b->max - b->max / 64;
    return memory_used(b) > all && memory_used(&j->memory) > share_of(all, &j->engine->nholders);
}

/* What is left of the memory for jobs is for what an epoch brings before anything can be dropped; so is an eighth of that for
 * state, because more comes while the sweeps are under way. */
bool engine_memory_over(struct job *j, const struct budget *task)
{
    struct engine *e = j->engine;
    int64_t state = broker_config(e->broker)->state_memory, all = MIN(state - state / 8, e->memory.max / 4 * 3);
    if (memory_used(&e->memory) <= all)
        return false;
    int64_t share = share_of(all, &e->nkeepers);
    return memory_used(&j->memory) > share && memory_used(task) > share / MAX(1u, atomic_load(&j->nkeepers));
}

/* Nobody will soon want room. */
static bool is_roomy(const struct engine *e)
{
    return memory_used(&e->memory) < broker_config(e->broker)->state_memory / 2;
}

/* A task's share of the memory for state. */
static int64_t task_share(const struct job *j)
{
    int64_t all = broker_config(j->engine->broker)->state_memory;
    return share_of(all, &j->engine->nkeepers) / MAX(1u, atomic_load(&j->nkeepers));
}

/* Packed, state takes a fraction of what it takes where it is at work. */
size_t engine_cache_bytes(const struct job *j) { return (size_t)(task_share(j) / 8 * 3); }

uint64_t engine_checkpoint_bytes(const struct job *j)
{
    int64_t most = broker_config(j->engine->broker)->checkpoint_bytes;
    return (uint64_t)(is_roomy(j->engine) ? most : MAX(1024, MIN(most, task_share(j) / 8)));
}

int64_t engine_epoch_bytes(const struct job *j)
{
    return is_roomy(j->engine) ? INT64_MAX : MAX((int64_t)EPOCH_BYTES_MIN, task_share(j) / 8);
}

struct turns *engine_turns(struct engine *e, struct loop *loop)
{
    unsigned i = 0;
    while (i < e->nloops && e->turns[i].loop != loop)
        i++;
    CHECK(i < e->nloops); /* a task belongs to a loop of the broker */
    return &e->turns[i];
}

/* Jobs begin at different shards, tasks of one job on shards one after the other. */
struct loop *engine_place(const struct job *j, unsigned number)
{
    struct engine *e = j->engine;
    return e->turns[(engine_turns(e, j->home)->number + number) % e->nloops].loop;
}

/* The loop that is home to the fewest jobs: those of one task then have as many beside them on each. */
static struct loop *least_home(const struct engine *e)
{
    unsigned best = 0;
    for (unsigned i = 1; i < e->nloops; i++)
        if (e->homes[i] < e->homes[best])
            best = i;
    return e->turns[best].loop;
}

static void home_counts(struct engine *e, const struct job *j, int by)
{
    e->homes[engine_turns(e, j->home)->number] += (unsigned)by;
}

int engine_open(struct engine **out, struct broker *b, struct diag *d)
{
    const char *guarantee = broker_config(b)->processing_guarantee;
    if (strcmp(guarantee, "exactly_once") && strcmp(guarantee, "at_least_once"))
        return diag_set(d, E_BAD_CONFIG, "processing.guarantee is '%s': it can be 'exactly_once' or 'at_least_once'",
                        guarantee);
    struct engine *e = xzalloc(sizeof *e);
    e->broker = b;
    e->nloops = broker_nloops(b);
    e->turns = xzalloc(e->nloops * sizeof *e->turns);
    e->homes = xzalloc(e->nloops * sizeof *e->homes);
    for (unsigned i = 0; i < e->nloops; i++)
        turns_init(&e->turns[i], broker_loop(b, i), i);
    budget_init(&e->memory, broker_config(b)->job_memory, NULL);
    map_init(&e->jobs);
    list_init(&e->awaiting);
    *out = e;
    return 0;
}

void engine_set_volatile(struct engine *e, bool is_volatile) { atomic_store(&e->is_volatile, is_volatile); }
bool engine_volatile(struct engine *e) { return atomic_load(&e->is_volatile); }

bool engine_at_least_once(const struct engine *e)
{
    return strcmp(broker_config(e->broker)->processing_guarantee, "at_least_once") == 0;
}

void engine_free(struct engine *e)
{
    struct job *j;
    for (size_t i = 0; (j = map_next(&e->jobs, &i)) != NULL;)
        if (job_is_over(j))
            job_free(j);
    map_fini(&e->jobs);
    xfree(e->turns);
    xfree(e->homes);
    xfree(e);
}

static struct str id_str(const struct uuid *id) { return (struct str){(const char *)id->b, sizeof id->b}; }

static struct loop *loop0(struct engine *e) { return e->turns[0].loop; }

static const struct object *job_object(const struct image *im, struct uuid id)
{
    const struct object *o = image_object_by_id(im, id);
    return o && strcmp(o->kind, "job") == 0 ? o : NULL;
}

/* ---- folders of jobs that are no more */

struct removal {
    struct work work;
    struct engine *e;
    char *path;
};

static void removal_work(struct work *w)
{
    struct removal *r = container_of(w, struct removal, work);
    int err = disk_remove_tree(store_disk(broker_store(r->e->broker)), r->path);
    if (err)
        trace(WARN, "run", "state_not_removed path=%s status=%s", r->path, err_name(err));
}

static void removal_done(struct work *w)
{
    struct removal *r = container_of(w, struct removal, work);
    struct engine *e = r->e;
    xfree(r->path);
    xfree(r);
    e->removing--;
    maybe_stopped(e);
}

static void remove_state(struct engine *e, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/state/%s", store_dir(broker_store(e->broker)), name);
    struct removal *r = xzalloc(sizeof *r);
    r->e = e;
    r->path = xstrdup(path);
    r->work = (struct work){.loop = loop0(e), .lane = LANE_HEAVY, .work_cb = removal_work, .done_cb = removal_done};
    e->removing++;
    loop_work(loop0(e), LANE_HEAVY, &r->work);
}

struct leftovers {
    struct engine *e;
    const struct image *im;
};

static int leftover_cb(void *arg, const char *name, bool is_dir)
{
    struct leftovers *l = arg;
    struct uuid id;
    if (is_dir && uuid_parse(str_of(name), &id) && !job_object(l->im, id))
        remove_state(l->e, name);
    return 0;
}

static void remove_leftovers(struct engine *e)
{
    struct leftovers l = {e, cluster_image(broker_cluster(e->broker))};
    struct disk *disk = store_disk(broker_store(e->broker));
    char path[4096];
    snprintf(path, sizeof path, "%s/state", store_dir(broker_store(e->broker)));
    int err = disk_exists(disk, path) ? disk_list(disk, path, leftover_cb, &l) : 0;
    if (err)
        trace(WARN, "run", "state_not_listed path=%s status=%s", path, err_name(err));
    counted_release(&((struct image *)l.im)->c);
}

/* ---- starting and stopping */

static void begin_cb(struct msg *m) { job_begin(container_of(m, struct job, begin_msg)); }
static void begin_again_cb(struct msg *m) { job_begin_again(container_of(m, struct job, begin_msg)); }
static void stop_cb(struct msg *m) { job_stop(container_of(m, struct job, stop_msg)); }
static void drop_cb(struct msg *m) { job_abort(container_of(m, struct job, drop_msg)); }
static void free_cb(struct msg *m) { job_free(container_of(m, struct job, free_msg)); }

static void post(struct loop *loop, struct msg *m, void (*run_cb)(struct msg *))
{
    m->run_cb = run_cb;
    loop_post(loop, m);
}

static struct job *make_job(struct engine *e, const struct object *o)
{
    struct job *j = job_new(e, o->id, least_home(e));
    struct str body = arena_dup(&j->arena, o->body);
    if (job_def_unpack(&j->def, body, &j->arena) != 0)
        j->def = (struct job_def){.name = arena_dup(&j->arena, str_of(o->name)).ptr, .sql = "", .plan = STR("")};
    for (unsigned i = 0; j->def.cpu_share && i < engine_nloops(e); i++)
        share_weigh(&j->shares[i], j->def.cpu_share);
    map_put(&e->jobs, id_str(&o->id), j);
    home_counts(e, j, 1);
    return j;
}

static void start_job(struct engine *e, const struct object *o)
{
    struct job *j = make_job(e, o);
    post(j->home, &j->begin_msg, begin_cb);
}

/* In place of one that has failed. */
static void start_again(struct engine *e, const struct object *o, const struct job *old)
{
    struct job *j = make_job(e, o);
    j->tries = old->tries;
    j->delay_us = job_retry_delay_us(old->tries);
    bad_log_add(&j->bad, old->bad);
    memcpy(j->why, old->why, sizeof j->why);
    post(j->home, &j->begin_msg, begin_again_cb);
}

static void tell_stop(struct job *j)
{
    if (j->told_stop || j->seen_over)
        return;
    j->told_stop = true;
    post(j->home, &j->stop_msg, stop_cb);
}

static void tell_drop(struct job *j)
{
    if (j->told_drop || j->seen_over)
        return;
    j->told_drop = true;
    post(j->home, &j->drop_msg, drop_cb);
}

static void let_go(struct engine *e, struct job *j)
{
    CHECK(j->seen_over);
    map_remove(&e->jobs, id_str(&j->id));
    home_counts(e, j, -1);
    post(j->home, &j->free_msg, free_cb);
}

/* What the object says of the job: whether it shall be stopped, and its version. One that cannot be read is started, and
 * fails with the reason. */
static bool wants_stop(const struct object *o, unsigned *version, unsigned *revision)
{
    struct arena a;
    struct job_def def;
    arena_init(&a);
    bool readable = job_def_unpack(&def, o->body, &a) == 0;
    bool stop = readable && def.stopped;
    *version = readable ? def.version : 0;
    *revision = readable ? def.revision : 0;
    arena_fini(&a);
    return stop;
}

/* A topic that it reads has more partitions now: the job is stopped, and started with a task for each. */
static bool has_grown(struct job *j, const struct image *im)
{
    unsigned had = atomic_load_explicit(&j->nparts, memory_order_acquire), now = 0;
    for (unsigned i = 0; had && i < j->ntopics; i++) {
        const struct topic *t = image_topic_by_id(im, j->topics[i].topic);
        now += t ? (unsigned)t->nparts : 0;
    }
    return now > had;
}

static void drop_missing(struct engine *e, const struct image *im)
{
    struct job *j, **gone = NULL;
    size_t n = 0, cap = 0;
    for (size_t i = 0; (j = map_next(&e->jobs, &i)) != NULL;)
        if (!job_object(im, j->id))
            VEC_PUSH(gone, n, cap) = j;
    for (size_t i = 0; i < n; i++) {
        if (!gone[i]->seen_over) {
            tell_drop(gone[i]);
            continue;
        }
        char id[UUID_TEXT];
        uuid_format(gone[i]->id, id);
        remove_state(e, id);
        let_go(e, gone[i]);
    }
    xfree(gone);
}

static void reconcile(struct engine *e)
{
    struct image *im = cluster_image(broker_cluster(e->broker));
    drop_missing(e, im);
    for (unsigned i = 0; i < im->nobjects; i++) {
        const struct object *o = im->objects[i];
        unsigned version, revision;
        if (strcmp(o->kind, "job") != 0)
            continue;
        struct job *j = map_get(&e->jobs, id_str(&o->id));
        bool stop = wants_stop(o, &version, &revision) || e->stopping;
        bool replaced = j && (j->def.version != version || j->def.revision != revision); /* it goes on with another plan or policy */
        if (j && j->seen_over && (stop || replaced)) {
            let_go(e, j);
            j = NULL;
        }
        if (!j && !stop)
            start_job(e, o);
        else if (j && (stop || replaced || has_grown(j, im)))
            tell_stop(j);
    }
    counted_release(&im->c);
}

static void image_cb(struct cluster_sub *sub)
{
    struct engine *e = container_of(sub, struct engine, sub);
    reconcile(e);
    maybe_stopped(e);
}

void engine_start(struct engine *e)
{
    CHECK(!e->started);
    e->started = true;
    e->sub = (struct cluster_sub){.loop = loop0(e), .image_cb = image_cb};
    cluster_subscribe(broker_cluster(e->broker), &e->sub);
    e->subscribed = true;
    remove_leftovers(e);
    remove_strays(e);
    reconcile(e);
}

static void unsubscribed_cb(struct cluster_sub *sub)
{
    struct engine *e = container_of(sub, struct engine, sub);
    e->stopped_cb(e->stopped_arg);
}

static void maybe_stopped(struct engine *e)
{
    struct job *j;
    if (!e->stopping || !e->subscribed || e->removing)
        return;
    for (size_t i = 0; (j = map_next(&e->jobs, &i)) != NULL;)
        if (!j->seen_over)
            return;
    e->subscribed = false;
    cluster_unsubscribe(broker_cluster(e->broker), &e->sub, unsubscribed_cb);
}

void engine_stop(struct engine *e, void (*done_cb)(void *arg), void *arg)
{
    CHECK(e->started && !e->stopping);
    e->stopping = true;
    e->stopped_cb = done_cb;
    e->stopped_arg = arg;
    reconcile(e);
    maybe_stopped(e);
}

/* Whoever stopped or dropped it meanwhile, or stops everything, wants no new one. */
static bool replace_job(struct engine *e, struct job *j)
{
    if (!j->retry || j->told_stop || j->told_drop || e->stopping)
        return false;
    struct image *im = cluster_image(broker_cluster(e->broker));
    const struct object *o = job_object(im, j->id);
    unsigned version, revision;
    bool again = o && !wants_stop(o, &version, &revision);
    if (again) {
        start_again(e, o, j);
        post(j->home, &j->free_msg, free_cb);
    }
    counted_release(&im->c);
    return again;
}

static void over_cb(struct msg *m)
{
    struct job *j = container_of(m, struct job, over_msg);
    struct engine *e = j->engine;
    j->seen_over = true;
    if (replace_job(e, j)) {
        reconcile(e);
        look_again(e);
        return;
    }
    /* Failed: kept until somebody stops or drops it. Else nothing of it is needed any more. */
    if (!j->fail_status || j->told_stop) {
        bool dropped = j->told_drop;
        char id[UUID_TEXT];
        uuid_format(j->id, id);
        if (dropped)
            remove_state(e, id);
        let_go(e, j);
    }
    reconcile(e);
    look_again(e);
    maybe_stopped(e);
}

/* ---- calls about one job: loop 0 finds it, its home answers */

struct call {
    struct msg msg;
    struct engine *e;
    struct uuid id;
    struct job *job;
    bool awaits; /* speaks of the job as the image has it, not of one that is being stopped */
    struct list link;
    struct loop *back;
    void (*found)(struct call *c);   /* home loop */
    void (*missing)(struct call *c); /* loop 0 */
    void *arg;
    int status;
    char why[400];
    union {
        void (*await_cb)(void *arg, int status, const char *why);
        void (*status_cb)(void *arg, int status, struct job_status *st);
    };
    struct arena *arena;
    struct job_status *st;
    struct job_find *find;
};

static void call_at_home(struct msg *m)
{
    struct call *c = container_of(m, struct call, msg);
    c->found(c);
}

static void call_lookup(struct msg *m)
{
    struct call *c = container_of(m, struct call, msg);
    c->job = map_get(&c->e->jobs, id_str(&c->id));
    if ((!c->job || c->awaits) && c->e->started) {
        reconcile(c->e); /* the image may be newer than what was told of it */
        c->job = map_get(&c->e->jobs, id_str(&c->id));
    }
    if (c->job && c->awaits && c->job->told_stop)
        list_add_tail(&c->e->awaiting, &c->link); /* what shall run comes after it */
    else if (c->job)
        post(c->job->home, &c->msg, call_at_home);
    else
        c->missing(c);
}

static void look_again(struct engine *e)
{
    struct list calls;
    list_init(&calls);
    for (struct list *l; (l = list_pop(&e->awaiting)) != NULL;)
        list_add_tail(&calls, l);
    for (struct list *l; (l = list_pop(&calls)) != NULL;)
        call_lookup(&container_of(l, struct call, link)->msg);
}

static struct call *call_new(struct engine *e, struct uuid id, struct loop *back, void *arg)
{
    struct call *c = xzalloc(sizeof *c);
    c->e = e;
    c->id = id;
    c->back = back;
    c->arg = arg;
    list_init(&c->link);
    return c;
}

static void await_answer(struct msg *m)
{
    struct call *c = container_of(m, struct call, msg);
    c->await_cb(c->arg, c->status, c->status ? c->why : NULL);
    xfree(c);
}

static void await_settle(struct call *c, struct job *j)
{
    c->status = j->fail_status;
    snprintf(c->why, sizeof c->why, "%s", j->why);
    if (!c->status && !sm_is(&j->sm, J_RUNNING)) {
        c->status = E_CANCELED;
        snprintf(c->why, sizeof c->why, "the job was paused");
    }
    post(c->back, &c->msg, await_answer);
}

static void await_found(struct call *c)
{
    struct job *j = c->job;
    if (job_is_over(j) && j->retry)
        post(loop0(c->e), &c->msg, call_lookup);
    else if ((sm_is(&j->sm, J_RUNNING) && !j->fresh) || sm_is(&j->sm, J_STOPPING) || job_is_over(j))
        await_settle(c, j);
    else
        list_add_tail(&j->awaiting, &c->link);
}

static void await_missing(struct call *c)
{
    c->status = E_NOT_FOUND;
    snprintf(c->why, sizeof c->why, "there is no such job, or it is paused");
    post(c->back, &c->msg, await_answer);
}

void engine_job_await(struct engine *e, struct uuid job, struct loop *loop,
                      void (*done_cb)(void *arg, int status, const char *why), void *arg)
{
    struct call *c = call_new(e, job, loop, arg);
    c->await_cb = done_cb;
    c->awaits = true;
    c->found = await_found;
    c->missing = await_missing;
    post(loop0(e), &c->msg, call_lookup);
}

static void again_look(struct msg *m);

static void again_at_home(struct msg *m)
{
    struct call *c = container_of(m, struct call, msg);
    if (job_state(c->job) == JOB_FAILED) {
        post(loop0(c->e), &c->msg, again_look);
        return;
    }
    c->status = E_CANCELED;
    post(c->back, &c->msg, await_answer);
}

/* Of a job that is not over yet only its home knows whether it has failed; then it goes on as one that was stopped does. */
static void again_look(struct msg *m)
{
    struct call *c = container_of(m, struct call, msg);
    struct job *asked = c->job, *j = c->job = map_get(&c->e->jobs, id_str(&c->id));
    if (j && j->seen_over) {
        let_go(c->e, j);
        reconcile(c->e);
    } else if (j && j == asked) {
        tell_stop(j);
    } else if (j && !asked) {
        post(j->home, &c->msg, again_at_home);
        return;
    } else {
        c->status = E_NOT_FOUND;
    }
    post(c->back, &c->msg, await_answer);
}

void engine_job_again(struct engine *e, struct uuid job, struct loop *loop,
                      void (*done_cb)(void *arg, int status, const char *why), void *arg)
{
    struct call *c = call_new(e, job, loop, arg);
    c->await_cb = done_cb;
    post(loop0(e), &c->msg, again_look);
}

void engine_job_settled(struct job *j)
{
    for (struct list *l; (l = list_pop(&j->awaiting)) != NULL;) {
        struct call *c = container_of(l, struct call, link);
        c->found(c);
    }
}

/* Those who wait for a job that is begun anew look for the new one, once loop 0 has put it in the old one's place. */
void engine_job_over(struct job *j)
{
    struct list *l;
    if (!j->retry)
        engine_job_settled(j);
    post(loop0(j->engine), &j->over_msg, over_cb);
    while ((l = list_pop(&j->awaiting)) != NULL)
        post(loop0(j->engine), &container_of(l, struct call, link)->msg, call_lookup);
}

/* ---- savepoints */

static void saving_found(struct job_find *f, struct job *j) { saving_begin(container_of(f, struct saving, find), j); }

static void saving_missing(struct job_find *f, const char *why)
{
    (void)why;
    saving_fail(container_of(f, struct saving, find), E_NOT_FOUND, "the job does not run");
}

void engine_savepoint(struct engine *e, struct uuid job, struct uuid id, struct loop *loop,
                      void (*done_cb)(void *arg, int status, const char *why, const struct savepoint_facts *facts),
                      void *arg)
{
    struct saving *s = xzalloc(sizeof *s);
    s->e = e;
    s->id = id;
    s->back = loop;
    s->done_cb = done_cb;
    s->arg = arg;
    s->find = (struct job_find){saving_found, saving_missing};
    engine_find_job(e, job, loop, &s->find);
}

/* Files without an object: the statement that took them did not come to its end, or they were dropped. */
static int stray_cb(void *arg, const char *name, bool is_dir)
{
    struct leftovers *l = arg;
    char id[64], path[4096];
    struct uuid u;
    snprintf(id, sizeof id, "%s", name);
    char *dot = strchr(id, '.');
    bool whole = dot && strcmp(dot, ".save") == 0;
    if (dot)
        *dot = 0;
    if (is_dir || (whole && uuid_parse(str_of(id), &u) && image_object_by_id(l->im, u)))
        return 0;
    snprintf(path, sizeof path, "%s/savepoints/%s", store_dir(broker_store(l->e->broker)), name);
    if (disk_unlink(store_disk(broker_store(l->e->broker)), path) != 0)
        trace(WARN, "run", "savepoint_not_removed path=%s", path);
    return 0;
}

static void remove_strays(struct engine *e)
{
    struct leftovers l = {e, cluster_image(broker_cluster(e->broker))};
    struct disk *disk = store_disk(broker_store(e->broker));
    char path[4096];
    snprintf(path, sizeof path, "%s/savepoints", store_dir(broker_store(e->broker)));
    int err = disk_exists(disk, path) ? disk_list(disk, path, stray_cb, &l) : 0;
    if (err)
        trace(WARN, "run", "savepoints_not_listed path=%s status=%s", path, err_name(err));
    counted_release(&((struct image *)l.im)->c);
}

/* ---- status */

static void status_answer(struct msg *m)
{
    struct call *c = container_of(m, struct call, msg);
    c->status_cb(c->arg, c->status, c->st);
    xfree(c);
}

static void status_ready(void *arg, struct job_status *st)
{
    struct call *c = arg;
    c->st = st;
    post(c->back, &c->msg, status_answer);
}

static void status_found(struct call *c) { job_status_gather(c->job, c->arena, status_ready, c); }

static void status_missing(struct call *c)
{
    struct image *im = cluster_image(broker_cluster(c->e->broker));
    const struct object *o = job_object(im, c->id);
    struct job_def def;
    c->status = E_NOT_FOUND;
    if (o && job_def_unpack(&def, arena_dup(c->arena, o->body), c->arena) == 0) {
        c->st = ARENA_NEW(c->arena, struct job_status);
        *c->st = (struct job_status){
            .id = c->id, .name = def.name, .sql = def.sql, .state = JOB_PAUSED, .lag = -1, .watermark_ms = WATERMARK_NONE,
            .tolerance = def.tolerance, .dead_topic = job_dead_topic(&def, c->arena), .at_least_once = def.at_least_once,
            .late_letters = def.late_letters, .cpu_share = def.cpu_share};
        c->status = 0;
    }
    counted_release(&im->c);
    post(c->back, &c->msg, status_answer);
}

void engine_job_status(struct engine *e, struct uuid job, struct loop *loop, struct arena *a,
                       void (*done_cb)(void *arg, int status, struct job_status *st), void *arg)
{
    struct call *c = call_new(e, job, loop, arg);
    c->status_cb = done_cb;
    c->arena = a;
    c->found = status_found;
    c->missing = status_missing;
    post(loop0(e), &c->msg, call_lookup);
}

/* ---- the home of a job, for scans of its table */

static void find_missing_answer(struct msg *m)
{
    struct call *c = container_of(m, struct call, msg);
    struct job_find *f = c->find;
    xfree(c);
    f->missing_cb(f, "it has no running job");
}

static void find_missing(struct call *c) { post(c->back, &c->msg, find_missing_answer); }

static void find_found(struct call *c)
{
    struct job *j = c->job;
    bool shows = sm_is(&j->sm, J_RUNNING) && !j->fresh;
    if (!shows && !sm_is(&j->sm, J_STOPPING) && !sm_is(&j->sm, J_CLOSING) && !job_is_over(j)) {
        list_add_tail(&j->awaiting, &c->link);
        return;
    }
    if (sm_is(&j->sm, J_RUNNING)) {
        struct job_find *f = c->find;
        xfree(c);
        f->found_cb(f, j);
        return;
    }
    post(c->back, &c->msg, find_missing_answer);
}

void engine_find_job(struct engine *e, struct uuid id, struct loop *back, struct job_find *f)
{
    struct call *c = call_new(e, id, back, NULL);
    c->find = f;
    c->found = find_found;
    c->missing = find_missing;
    post(loop0(e), &c->msg, call_lookup);
}
