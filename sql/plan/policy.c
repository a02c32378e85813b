/* What becomes of a job's bad records, and its share of the CPU: said by the session when it is made, changed by
 * RESUME ... WITH; SHOW ERRORS. */
#include "sql/plan/statement.h"
#include "log/base/limits.h"

static int find_tolerance(struct str s)
{
    for (int i = 0; tolerance_names[i]; i++)
        if (str_eq_nocase(s, str_of(tolerance_names[i])))
            return i;
    return -1;
}

struct clash {
    const struct topic *found;
    const char *job;
};

static void find_clash(void *arg, const struct object *o, const struct job_def *j)
{
    struct clash *c = arg;
    (void)o;
    if (c->found && uuid_eq(j->output, c->found->id))
        c->job = j->name;
}

/* Bad records must not lie among what a job makes, or be read by the job that met them. */
static int check_topic(struct stmt *st, const struct job_def *j, const struct query *q, const char *out)
{
    const char *name = job_dead_topic(j, st->arena);
    struct clash c = {image_topic(st->b.image, str_of(name)), NULL};
    struct place place = stmt_create(st)->name.place;
    bool reads = false;
    job_each(st->b.image, st->arena, find_clash, &c);
    for (unsigned i = 0; c.found && i < q->nreads; i++)
        reads |= uuid_eq(q->reads[i].rel->topic, c.found->id);
    if (str_starts(str_of(name), STR("__")))
        bind_error(&st->b, place, "42602", "bad records would go to topic \"%s\"; names that begin with __ are the server's own",
                   name);
    else if (reads)
        bind_error(&st->b, place, "42P07", "bad records would go to topic \"%s\", which the query reads", name);
    else if (c.job || strcmp(out, name) == 0)
        bind_error(&st->b, place, "42P07", "bad records would go to topic \"%s\", which job \"%s\" writes", name,
                   c.job ? c.job : j->name);
    else
        return 0;
    diag_hint(st->b.diag, "SET 'errors.deadletterqueue.topic.name' = '...'; names another topic");
    return E_SQL;
}

/* 0: it is none. */
static unsigned parse_share(struct str s)
{
    int64_t n;
    return str_to_i64(s, &n) && n >= 1 && n <= ENGINE_SHARE_MAX ? (unsigned)n : 0;
}

/* What the session says; the rest stays. */
static void take_settings(const struct settings *props, struct job_def *j, struct arena *a)
{
    struct str tolerance = settings_get(props, STR("errors.tolerance"));
    struct str topic = settings_get(props, STR("errors.deadletterqueue.topic.name"));
    struct str guarantee = settings_get(props, STR("processing.guarantee"));
    if (tolerance.ptr)
        j->tolerance = (enum tolerance)find_tolerance(tolerance);
    if (topic.ptr)
        j->dead_topic = arena_dup(a, topic).ptr;
    if (guarantee.ptr)
        j->at_least_once = str_eq_nocase(guarantee, STR("at_least_once"));
    struct str late = settings_get(props, STR("late.records"));
    if (late.ptr)
        j->late_letters = str_eq_nocase(late, STR("dead-letter"));
    struct str share = settings_get(props, STR("job.cpu.share"));
    if (share.ptr)
        j->cpu_share = parse_share(share);
}

int policy_of_session(struct stmt *st, struct job_def *j, const struct query *q, const char *out)
{
    take_settings(st->env->props, j, st->arena);
    return check_topic(st, j, q, out);
}

/* "errors.tolerance is 'stop', was 'skip'"; NULL: nothing is another. */
static const char *differences(const struct job_def *was, const struct job_def *is, struct arena *a)
{
    const char *const names[] = {"processing.guarantee", "errors.tolerance", "errors.deadletterqueue.topic.name", "late.records",
                                 "job.cpu.share"};
    const char *values[ARRAY_LEN(names)][2], *text = NULL;
    for (int i = 0; i < 2; i++) {
        const struct job_def *j = i ? is : was;
        values[0][i] = j->at_least_once ? "at_least_once" : "exactly_once";
        values[1][i] = tolerance_names[j->tolerance];
        values[2][i] = job_dead_topic(j, a);
        values[3][i] = j->late_letters ? "dead-letter" : "count";
        values[4][i] = arena_printf(a, "%u", j->cpu_share ? j->cpu_share : ENGINE_SHARE);
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(values[i][0], values[i][1]) != 0)
            text = arena_printf(a, "%s%s%s is '%s', was '%s'", text ? text : "", text ? ", " : "", names[i], values[i][1], values[i][0]);
    return text;
}

bool job_settings_differ(const struct job_def *j, const struct settings *props, struct arena *a)
{
    struct job_def now = *j;
    take_settings(props, &now, a);
    return differences(j, &now, a) != NULL;
}

int policy_alone(struct stmt *st, const struct relation *old)
{
    const struct object *job = image_object_by_id(st->b.image, old->job);
    struct job_def was, now;
    struct query q = {.nreads = 0};
    struct wbuf w;
    const char *kind = old->table ? "table" : "stream", *what = NULL;
    if (job && job_def_unpack(&was, job->body, st->arena) == 0) {
        now = was;
        take_settings(st->env->props, &now, st->arena);
        what = differences(&was, &now, st->arena);
    }
    if (!what)
        return stmt_nothing(st, "%s \"%s\" is unchanged", kind, old->name);
    q.reads = ARENA_ARRAY(st->arena, struct query_read, was.nreads);
    for (unsigned i = 0; i < was.nreads; i++) {
        const struct object *o = image_object_by_id(st->b.image, was.reads[i]);
        struct relation *rel = ARENA_NEW(st->arena, struct relation);
        if (o && relation_unpack(rel, o, st->arena) == 0)
            q.reads[q.nreads++].rel = rel;
    }
    if (check_topic(st, &now, &q, old->topic_name) != 0)
        return E_SQL;
    now.revision++;
    wbuf_init(&w);
    job_def_pack(&now, &w);
    change_put_object(stmt_change(st), "job", str_of(job->name), job->id, wbuf_view(&w), false);
    wbuf_fini(&w);
    st->out->job = now.stopped ? (struct uuid){{0}} : job->id;
    stmt_message(st, "%s \"%s\" keeps its query; of its job, %s", kind, old->name, what);
    return 0;
}

/* "topic/partition/offset" */
static bool parse_skip(struct stmt *st, struct str s, struct job_skip *out)
{
    int64_t part;
    size_t at[2], n = 0;
    for (size_t i = s.len; i-- > 0 && n < 2;)
        if (s.ptr[i] == '/')
            at[n++] = i;
    if (n < 2 || at[1] == 0 || !str_to_i64((struct str){s.ptr + at[0] + 1, s.len - at[0] - 1}, &out->offset) ||
        !str_to_i64((struct str){s.ptr + at[1] + 1, at[0] - at[1] - 1}, &part) || part < 0 || part > INT32_MAX ||
        out->offset < 0)
        return false;
    out->partition = (int32_t)part;
    out->topic = arena_dup(st->arena, (struct str){s.ptr, at[1]}).ptr;
    return true;
}

/* The oldest is forgotten when there are too many. */
static void add_skip(struct stmt *st, struct job_def *j, const struct job_skip *skip)
{
    unsigned drop = j->nskips == JOB_SKIPS;
    struct job_skip *all = ARENA_ARRAY(st->arena, struct job_skip, JOB_SKIPS);
    for (unsigned i = drop; i < j->nskips; i++)
        all[i - drop] = j->skips[i];
    j->nskips -= drop;
    all[j->nskips++] = *skip;
    j->skips = all;
}

int policy_change(struct stmt *st, struct job_def *j)
{
    const struct ast_properties *with = &st->ast->with;
    for (unsigned i = 0; i < with->n; i++) {
        const struct ast_property *p = &with->items[i];
        bool said = p->value->kind == AST_STRING || p->value->kind == AST_INTEGER;
        struct str text = said ? p->value->text : STR("");
        int tolerance = find_tolerance(text);
        struct job_skip skip;
        if (str_eq_nocase(p->name.text, STR("ERRORS_TOLERANCE"))) {
            if (tolerance < 0)
                return bind_error(&st->b, p->value->place, "22023",
                                  "ERRORS_TOLERANCE is 'dead-letter', 'skip' or 'stop'");
            j->tolerance = (enum tolerance)tolerance;
        } else if (str_eq_nocase(p->name.text, STR("SKIP"))) {
            if (!parse_skip(st, text, &skip))
                return bind_error(&st->b, p->value->place, "22023", "SKIP takes 'topic/partition/offset' of a record");
            add_skip(st, j, &skip);
        } else if (str_eq_nocase(p->name.text, STR("JOB_CPU_SHARE"))) {
            if (!parse_share(text))
                return bind_error(&st->b, p->value->place, "22023", "JOB_CPU_SHARE is a number from 1 to %d",
                                  ENGINE_SHARE_MAX);
            j->cpu_share = parse_share(text);
        } else if (str_eq_nocase(p->name.text, STR("LATE_RECORDS"))) {
            j->late_letters = str_eq_nocase(text, STR("dead-letter"));
            if (!j->late_letters && !str_eq_nocase(text, STR("count")))
                return bind_error(&st->b, p->value->place, "22023", "LATE_RECORDS is 'count' or 'dead-letter'");
        } else {
            bind_error(&st->b, p->name.place, "42601", "there is no property \"%.*s\" of a job",
                       STR_ARG(p->name.text));
            diag_hint(st->b.diag, "there are ERRORS_TOLERANCE, LATE_RECORDS, SKIP and JOB_CPU_SHARE");
            return E_SQL;
        }
    }
    j->revision++;
    return 0;
}

static void add_job(void *arg, const struct object *o, const struct job_def *j)
{
    struct stmt *st = arg;
    const char *cells[] = {j->name, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL};
    if (!st->ast->name.text.ptr || str_eq(str_of(o->name), st->out->name))
        rows_add(st, cells, o->id);
}

int prepare_show_errors(struct stmt *st)
{
    static const char *const columns[] = {"job",    "time",  "class", "topic", "partition",
                                          "offset", "error", "value", "became"};
    const struct object *o = NULL;
    if (st->ast->name.text.ptr && !(o = find_job(st, &st->ast->name, "SHOW JOBS lists what there is")))
        return E_SQL;
    rows_columns(st, columns, ARRAY_LEN(columns));
    st->out->name = o ? str_of(o->name) : STR_NULL;
    st->out->rows.schema.cols[4].type = st->out->rows.schema.cols[5].type = TYPE(T_BIGINT);
    st->out->errors = true;
    st->out->limit = st->ast->limit.given ? st->ast->limit.n : 20;
    job_each(st->b.image, st->arena, add_job, st);
    return 0;
}
