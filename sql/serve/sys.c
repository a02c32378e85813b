/* Rows of schema sys: what is known is gathered before the query runs (jobs are asked one after the other), then given
 * to its scans. All that a query sees of a job is of one moment. */
#include "sql/serve/session.h"

struct sys_job {
    const struct object *object;
    struct job_def def;
    const struct plan *plan; /* NULL: it cannot be read, or is not the one that runs */
    struct job_status *st;   /* NULL: nothing is known */
};
struct sys {
    struct session *s;
    unsigned njobs, at;
    struct sys_job *jobs;
};

static bool reads_sys(const struct plan_node *n, bool *jobs)
{
    bool any = n->kind == PLAN_SCAN && uuid_is_zero(n->job);
    if (any && !str_eq(str_of(n->relation), STR("sys.topics")) && !str_eq(str_of(n->relation), STR("sys.partitions")))
        *jobs = true;
    for (unsigned i = 0; i < n->ninputs; i++)
        any |= reads_sys(n->inputs[i], jobs);
    return any;
}

/* ---- Gathering */

static void ask_next(struct sys *y);

static void asked_cb(void *arg, int status, struct job_status *st)
{
    struct sys *y = arg;
    struct session *s = y->s;
    if (!session_release(s))
        return;
    struct sys_job *j = &y->jobs[y->at++];
    struct plan *plan;
    j->st = status ? NULL : st;
    if (!status && plan_unpack(&plan, j->def.plan, &s->memory) == 0 && plan->nnodes == st->nnodes)
        j->plan = plan;
    ask_next(y);
}

static void ask_next(struct sys *y)
{
    struct session *s = y->s;
    if (y->at == y->njobs) {
        query_run(s);
        return;
    }
    session_hold(s);
    engine_job_status(s->serve->engine, y->jobs[y->at].object->id, s->loop, &s->memory, asked_cb, y);
}

bool sys_begin(struct session *s)
{
    const struct image *im = s->image;
    bool jobs = false;
    s->sys = NULL;
    if (!reads_sys(s->p.plan->sink, &jobs))
        return false;
    struct sys *y = s->sys = ARENA_NEW(&s->memory, struct sys);
    y->s = s;
    y->jobs = ARENA_ARRAY(&s->memory, struct sys_job, im->nobjects + 1);
    for (unsigned i = 0; jobs && i < im->nobjects; i++) {
        struct sys_job *j = &y->jobs[y->njobs];
        if (strcmp(im->objects[i]->kind, "job") != 0 || job_def_unpack(&j->def, im->objects[i]->body, &s->memory) != 0)
            continue;
        j->object = im->objects[i];
        y->njobs++;
    }
    ask_next(y);
    return true;
}

/* ---- Rows */

#define SYS_BATCH 256

struct rows {
    struct sys *y;
    const struct schema *schema;
    struct arena *arena;
    struct batch *b;
    uint32_t row;
    void (*give_cb)(void *to, struct batch *b);
    void *to;
};

static void give(struct rows *r)
{
    if (!r->b || !r->b->n)
        return;
    r->b->nsel = r->b->n;
    r->give_cb(r->to, r->b);
    r->b = NULL;
}

/* The next row; all its columns are NULL. */
static void begin_row(struct rows *r)
{
    if (r->b && r->b->n == SYS_BATCH)
        give(r);
    if (!r->b)
        r->b = batch_new(r->arena, r->schema, SYS_BATCH);
    r->row = r->b->n++;
    r->b->ts[r->row] = loop_wall_ms(r->y->s->loop);
    for (unsigned c = 0; c < r->schema->n; c++) {
        struct value v = value_null(r->schema->cols[c].type);
        batch_set_value(r->b, c, r->row, &v, SYS_BATCH);
    }
}

static void put(struct rows *r, unsigned col, struct value v)
{
    v.type = r->schema->cols[col].type;
    batch_set_value(r->b, col, r->row, &v, SYS_BATCH);
}

static void put_text(struct rows *r, unsigned col, const char *text)
{
    if (text)
        put(r, col, (struct value){.s = str_of(text)});
}

static void put_number(struct rows *r, unsigned col, int64_t n) { put(r, col, (struct value){.i = n}); }
static void put_count(struct rows *r, unsigned col, uint64_t n) { put_number(r, col, (int64_t)n); }
static void put_double(struct rows *r, unsigned col, double n) { put(r, col, (struct value){.f = n}); }
static void put_bool(struct rows *r, unsigned col, bool b) { put(r, col, (struct value){.b = b}); }

/* A time that may not be known. */
static void put_time(struct rows *r, unsigned col, int64_t ms)
{
    if (ms != INT64_MIN && ms != 0)
        put_number(r, col, ms);
}

/* An offset that may not be known. */
static void put_offset(struct rows *r, unsigned col, int64_t offset)
{
    if (offset >= 0)
        put_number(r, col, offset);
}

static void fill_jobs(struct rows *r, const struct sys_job *j)
{
    const struct job_status *st = j->st;
    struct value v;
    const struct object *relation = image_object_by_id(r->y->s->image, j->def.relation);
    begin_row(r);
    put_text(r, SYS_JOBS_JOB, j->object->name);
    put_text(r, SYS_JOBS_RELATION, relation ? relation->name : NULL);
    put_number(r, SYS_JOBS_VERSION, j->def.version);
    put_time(r, SYS_JOBS_CREATED, j->def.created_ms);
    put_text(r, SYS_JOBS_STATEMENT, j->def.sql);
    put_number(r, SYS_JOBS_CPU_SHARE, j->def.cpu_share);
    put_text(r, SYS_JOBS_GUARANTEE, j->def.at_least_once ? "at_least_once" : "exactly_once");
    put_text(r, SYS_JOBS_TOLERANCE, tolerance_names[j->def.tolerance]);
    put_text(r, SYS_JOBS_DEAD_TOPIC, job_dead_topic(&j->def, r->arena));
    if (!st)
        return;
    if (job_cell(st, "state", r->arena, &v))
        put(r, SYS_JOBS_STATE, v);
    put_text(r, SYS_JOBS_WHY, st->why);
    put_double(r, SYS_JOBS_RESTORED, st->restored);
    if (st->restore_left_ms >= 0)
        put_number(r, SYS_JOBS_RESTORE_LEFT, st->restore_left_ms);
    if (!st->nnodes) /* its tasks are not at work */
        return;
    if (job_cell(st, "errors", r->arena, &v))
        put(r, SYS_JOBS_ERRORS, v);
    put_number(r, SYS_JOBS_LAG, st->lag);
    put_count(r, SYS_JOBS_ROWS_IN, st->rows_in);
    put_count(r, SYS_JOBS_ROWS_OUT, st->rows_out);
    put_double(r, SYS_JOBS_ROWS_PER_S, st->rows_per_s);
    put_count(r, SYS_JOBS_LATE, st->late_rows);
    put_count(r, SYS_JOBS_CPU_MS, st->busy_us / 1000);
    put_number(r, SYS_JOBS_MEMORY_BYTES, st->memory_bytes);
    if (st->memory_share >= 0)
        put_number(r, SYS_JOBS_MEMORY_SHARE, st->memory_share);
    put_count(r, SYS_JOBS_STATE_ROWS, st->state_rows);
    put_number(r, SYS_JOBS_EPOCH, st->epoch);
    put_time(r, SYS_JOBS_COMMITTED, st->committed_ms);
    put_time(r, SYS_JOBS_WATERMARK, st->watermark_ms);
    put_number(r, SYS_JOBS_TASKS, st->ntasks);
}

static void fill_sources(struct rows *r, const struct sys_job *j)
{
    for (unsigned i = 0; j->st && i < j->st->nsources; i++) {
        const struct job_source_status *src = &j->st->sources[i];
        begin_row(r);
        put_text(r, SYS_SOURCES_JOB, j->object->name);
        put_text(r, SYS_SOURCES_TOPIC, src->topic);
        put_number(r, SYS_SOURCES_PARTITION, src->partition);
        put_offset(r, SYS_SOURCES_POSITION, src->position);
        put_offset(r, SYS_SOURCES_COMMITTED, src->committed);
        put_offset(r, SYS_SOURCES_END_OFFSET, src->end);
        if (src->end >= 0)
            put_number(r, SYS_SOURCES_LAG, MAX(0, src->end - src->committed));
        put_count(r, SYS_SOURCES_ROWS, src->rows);
        put_number(r, SYS_SOURCES_LOST, src->lost);
        put_time(r, SYS_SOURCES_WATERMARK, src->watermark_ms);
        put_bool(r, SYS_SOURCES_IDLE, src->idle);
    }
}

static void fill_tasks(struct rows *r, const struct sys_job *j)
{
    for (unsigned i = 0; j->st && i < j->st->ntasks; i++) {
        const struct job_task_status *t = &j->st->tasks[i];
        begin_row(r);
        put_text(r, SYS_TASKS_JOB, j->object->name);
        put_number(r, SYS_TASKS_FRAGMENT, t->fragment);
        put_number(r, SYS_TASKS_TASK, t->index);
        put_number(r, SYS_TASKS_SHARD, t->shard);
        put_text(r, SYS_TASKS_WAITS_FOR, t->waits);
        put_count(r, SYS_TASKS_CPU_MS, t->busy_us / 1000);
        put_count(r, SYS_TASKS_ROWS_OUT, t->rows_out);
        put_number(r, SYS_TASKS_MEMORY_BYTES, t->memory_bytes);
        put_offset(r, SYS_TASKS_CHANGELOG_END, t->changelog_end);
        if (!t->keeps)
            continue;
        put_offset(r, SYS_TASKS_CHECKPOINT_OFFSET, t->checkpoint_offset);
        put_number(r, SYS_TASKS_UNSAVED_BYTES, t->unsaved_bytes);
        put_time(r, SYS_TASKS_UNSAVED_SINCE, t->unsaved_since_ms);
    }
}

static void operators_below(struct rows *r, const struct sys_job *j, const struct plan_node *n)
{
    const struct node_stats *stats = &j->st->nodes[n->id];
    unsigned tasks = 0;
    for (unsigned i = 0; i < j->st->ntasks; i++)
        tasks += j->st->tasks[i].nodes[n->id].here;
    begin_row(r);
    put_text(r, SYS_OPERATORS_JOB, j->object->name);
    put_number(r, SYS_OPERATORS_OPERATOR, n->id);
    put_text(r, SYS_OPERATORS_KIND, plan_kind_name(n->kind));
    if (n->kind != PLAN_EXCHANGE) /* between tasks */
        put_number(r, SYS_OPERATORS_TASKS, tasks);
    put_count(r, SYS_OPERATORS_ROWS_IN, stats->rows_in);
    put_count(r, SYS_OPERATORS_ROWS_OUT, stats->rows_out);
    put_count(r, SYS_OPERATORS_LATE, stats->late);
    put_count(r, SYS_OPERATORS_ERRORS, stats->errors);
    put_count(r, SYS_OPERATORS_STATE_ROWS, stats->state_rows);
    put_count(r, SYS_OPERATORS_STATE_BYTES, stats->state_bytes);
    put_count(r, SYS_OPERATORS_BUSY_MS, stats->busy_us / 1000);
    int64_t watermark = operator_watermark(j->st, n);
    if (watermark != INT64_MIN && watermark != INT64_MAX)
        put_time(r, SYS_OPERATORS_WATERMARK, watermark);
    for (unsigned i = 0; i < n->ninputs; i++)
        operators_below(r, j, n->inputs[i]);
}

static void fill_operators(struct rows *r, const struct sys_job *j)
{
    if (j->plan && j->st->nnodes)
        operators_below(r, j, j->plan->sink);
}

static void stores_below(struct rows *r, const struct sys_job *j, const struct plan_node *n)
{
    for (unsigned i = 0; plan_node_keeps(n) && i < j->st->ntasks; i++) {
        const struct job_task_status *t = &j->st->tasks[i];
        const struct job_node_status *node = &t->nodes[n->id];
        if (!node->here)
            continue;
        begin_row(r);
        put_text(r, SYS_STORES_JOB, j->object->name);
        put_number(r, SYS_STORES_FRAGMENT, t->fragment);
        put_number(r, SYS_STORES_TASK, t->index);
        put_number(r, SYS_STORES_OPERATOR, n->id);
        put_text(r, SYS_STORES_HOLDS, plan_node_words(n, r->arena));
        put_count(r, SYS_STORES_ROWS, node->rows);
        put_count(r, SYS_STORES_BYTES, node->stats.state_bytes);
        put_number(r, SYS_STORES_COLD_ROWS, node->cold_rows);
        put_number(r, SYS_STORES_COLD_BYTES, node->cold_bytes);
    }
    for (unsigned i = 0; i < n->ninputs; i++)
        stores_below(r, j, n->inputs[i]);
}

static void fill_stores(struct rows *r, const struct sys_job *j)
{
    if (j->plan && j->st->nnodes)
        stores_below(r, j, j->plan->sink);
}

static void begin_error(struct rows *r, const struct sys_job *j, const char *class, uint64_t count)
{
    begin_row(r);
    put_text(r, SYS_ERRORS_JOB, j->object->name);
    put_text(r, SYS_ERRORS_CLASS, class);
    put_count(r, SYS_ERRORS_COUNT, count);
}

static void errors_of(struct rows *r, const struct sys_job *j, const char *class, unsigned operator, uint64_t count)
{
    if (!count)
        return;
    begin_error(r, j, class, count);
    put_number(r, SYS_ERRORS_OPERATOR, operator);
}

static void errors_below(struct rows *r, const struct sys_job *j, const struct plan_node *n)
{
    const struct node_stats *stats = &j->st->nodes[n->id];
    errors_of(r, j, "late", n->id, stats->late);
    if (n->kind == PLAN_EXCHANGE)
        errors_of(r, j, "null key", n->id, stats->errors);
    else if (n->kind != PLAN_SOURCE) /* those are bad records */
        errors_of(r, j, "computed", n->id, stats->errors);
    if (n->kind != PLAN_EXCHANGE && n->kind != PLAN_SOURCE && stats->errors && j->st->first_row_error[0])
        put_text(r, SYS_ERRORS_TEXT, j->st->first_row_error);
    for (unsigned i = 0; i < n->ninputs; i++)
        errors_below(r, j, n->inputs[i]);
}

/* The newest note is the first. */
static const struct bad_note *last_of(const struct job_status *st, unsigned kind)
{
    for (unsigned i = 0; i < st->nnotes; i++)
        if ((unsigned)st->notes[i].kind == kind)
            return &st->notes[i];
    return NULL;
}

static void bad_records(struct rows *r, const struct sys_job *j)
{
    for (unsigned k = 0; k < BAD_KINDS; k++) {
        const struct bad_note *note = last_of(j->st, k);
        if (!j->st->bad[k])
            continue;
        begin_error(r, j, bad_kind_name((enum bad_kind)k), j->st->bad[k]);
        if (!note) /* of another kind since */
            continue;
        put_time(r, SYS_ERRORS_AT, note->at_ms);
        put_text(r, SYS_ERRORS_TEXT, note->text);
        put_text(r, SYS_ERRORS_VALUE, note->value);
        if (!note->topic[0])
            continue;
        put_text(r, SYS_ERRORS_TOPIC, note->topic);
        put_offset(r, SYS_ERRORS_PARTITION, note->partition);
        put_offset(r, SYS_ERRORS_OFFSET, note->offset);
    }
}

static void fill_errors(struct rows *r, const struct sys_job *j)
{
    if (j->st)
        bad_records(r, j);
    if (j->plan && j->st->nnodes)
        errors_below(r, j, j->plan->sink);
}

static void fill_topic(struct rows *r, const struct topic *t)
{
    int64_t records = 0, bytes = 0;
    bool known = true;
    for (int32_t i = 0; i < t->nparts; i++) {
        struct view *v = part_view(t->parts[i]);
        known &= v != NULL;
        records += v ? v->high_watermark - v->log_start : 0;
        bytes += v ? view_bytes(v) : 0;
        counted_release(v ? &v->c : NULL);
    }
    begin_row(r);
    put_text(r, SYS_TOPICS_TOPIC, t->name);
    put_number(r, SYS_TOPICS_PARTITIONS, t->nparts);
    put_bool(r, SYS_TOPICS_INTERNAL, t->internal);
    put_bool(r, SYS_TOPICS_COMPACTED, t->conf.compact);
    if (known)
        put_number(r, SYS_TOPICS_RECORDS, records);
    if (known)
        put_number(r, SYS_TOPICS_BYTES, bytes);
    if (!t->conf.keep && t->conf.retention_ms >= 0)
        put_number(r, SYS_TOPICS_RETENTION_MS, t->conf.retention_ms);
}

static void fill_partitions(struct rows *r, const struct topic *t)
{
    for (int32_t i = 0; i < t->nparts; i++) {
        struct view *v = part_view(t->parts[i]);
        begin_row(r);
        put_text(r, SYS_PARTITIONS_TOPIC, t->name);
        put_number(r, SYS_PARTITIONS_PARTITION, i);
        if (!v)
            continue;
        put_number(r, SYS_PARTITIONS_START_OFFSET, v->log_start);
        put_number(r, SYS_PARTITIONS_STABLE_OFFSET, v->lso);
        put_number(r, SYS_PARTITIONS_HIGH_WATERMARK, v->high_watermark);
        put_number(r, SYS_PARTITIONS_END_OFFSET, v->log_end);
        put_number(r, SYS_PARTITIONS_LEADER_EPOCH, v->leader_epoch);
        put_number(r, SYS_PARTITIONS_BYTES, view_bytes(v));
        counted_release(&v->c);
    }
}

static const struct {
    void (*job)(struct rows *r, const struct sys_job *j);
    void (*topic)(struct rows *r, const struct topic *t);
} fillers[SYS_TABLES] = {
    [SYS_JOBS] = {.job = fill_jobs},           [SYS_SOURCES] = {.job = fill_sources},
    [SYS_TASKS] = {.job = fill_tasks},         [SYS_OPERATORS] = {.job = fill_operators},
    [SYS_STORES] = {.job = fill_stores},       [SYS_TOPICS] = {.topic = fill_topic},
    [SYS_PARTITIONS] = {.topic = fill_partitions}, [SYS_ERRORS] = {.job = fill_errors},
};

void sys_scan(void *arg, const struct plan_node *scan, struct arena *a, void (*give_cb)(void *to, struct batch *b),
              void *to)
{
    struct session *s = arg;
    struct rows r = {.y = s->sys, .schema = &scan->out, .arena = a, .give_cb = give_cb, .to = to};
    unsigned id = 0;
    while (id < SYS_TABLES && strcmp(sys_table_at(id)->name, scan->relation + strlen("sys.")) != 0)
        id++;
    CHECK(id < SYS_TABLES && s->sys); /* the binder made the scan */
    for (unsigned i = 0; fillers[id].job && i < s->sys->njobs; i++)
        fillers[id].job(&r, &s->sys->jobs[i]);
    for (unsigned i = 0; fillers[id].topic && i < s->image->ntopics; i++)
        fillers[id].topic(&r, s->image->topics[i]);
    give(&r);
}
