/* Jobs: CREATE ... AS SELECT makes one, with its relation, its topics and its plan, in one change; DROP and TERMINATE
 * end it, PAUSE and RESUME say whether it shall run. A job has the name of the relation that it fills. */
#include <stdio.h>

#include "sql/plan/statement.h"
#include "log/base/fault.h"

/* ---- What jobs there are */

void job_each(const struct image *im, struct arena *a,
              void (*each_cb)(void *arg, const struct object *o, const struct job_def *j), void *arg)
{
    for (unsigned i = 0; i < im->nobjects; i++) {
        struct job_def j;
        if (strcmp(im->objects[i]->kind, "job") == 0 && job_def_unpack(&j, im->objects[i]->body, a) == 0)
            each_cb(arg, im->objects[i], &j);
    }
}

struct users {
    const struct relation *rel;
    struct uuid but;
    char text[200];
    unsigned n;
};

static void add_user(void *arg, const struct object *o, const struct job_def *j)
{
    struct users *u = arg;
    bool uses = uuid_eq(j->relation, u->rel->id);
    for (unsigned i = 0; i < j->nreads; i++)
        uses |= uuid_eq(j->reads[i], u->rel->id);
    if (!uses || uuid_eq(o->id, u->but))
        return;
    size_t len = strlen(u->text);
    if (u->n++ < 4)
        snprintf(u->text + len, sizeof u->text - len, "%s\"%.60s\"", len ? ", " : "", j->name);
}

const char *job_users(const struct stmt *st, const struct relation *rel, struct uuid but)
{
    struct users u = {.rel = rel, .but = but};
    job_each(st->b.image, st->arena, add_user, &u);
    if (u.n > 4)
        return arena_printf(st->arena, "jobs %s and %u more", u.text, u.n - 4);
    return u.n ? arena_printf(st->arena, "job%s %s", u.n == 1 ? "" : "s", u.text) : NULL;
}

struct writers {
    struct uuid topic, but;
    const char *name;
};

static void find_writer(void *arg, const struct object *o, const struct job_def *j)
{
    struct writers *w = arg;
    if (uuid_eq(j->output, w->topic) && !uuid_eq(o->id, w->but))
        w->name = j->name;
}

/* ---- CREATE ... AS SELECT */

/* The relation that the query's items make: key first. */
static void relation_of_query(struct stmt *st, const struct query *q, struct draft_relation *dr)
{
    struct relation *rel = &dr->rel;
    struct row_format *f = &rel->format;
    rel->cols = ARENA_ARRAY(st->arena, struct relation_column, q->nitems);
    f->key_cols = ARENA_ARRAY(st->arena, struct column, q->nitems);
    f->value_cols = ARENA_ARRAY(st->arena, struct column, q->nitems);
    for (unsigned i = 0; i < q->nitems; i++) {
        struct column c = {q->items[i].name, q->items[i].type};
        bool key = i < q->nkey; /* bind_key put the key first */
        unsigned index = key ? f->nkey++ : f->nvalue++;
        *(key ? &f->key_cols[index] : &f->value_cols[index]) = c;
        rel->cols[rel->ncols++] = (struct relation_column){c.name, c.type, key, index};
    }
    f->window_size_ms = q->window ? q->window->size_ms : 0;
    f->window_bounds = q->window && window_has_end(q->window);
    rel->windowed = q->window != NULL;
}

int bind_create_as(struct stmt *st, struct query *q, struct draft_relation *dr)
{
    const struct ast_statement *ast = stmt_create(st);
    *dr = (struct draft_relation){.key_like = -1, .value_like = -1};
    int err = bind_with(&st->b, &ast->with, &dr->with);
    if (!err)
        err = bind_query(&st->b, ast->select, QUERY_PERSISTENT, ast->table, q);
    if (err)
        return err;
    if (!q->nreads) {
        bind_error(&st->b, ast->select->place, "0A000", "a stream or table is made of what comes; this query reads nothing");
        diag_hint(st->b.diag, "declare a table by CREATE TABLE, and INSERT the rows");
        return E_SQL;
    }
    const struct relation *first = q->reads[0].rel;
    const struct topic *t = image_topic_by_id(st->b.image, first->topic);
    dr->partitions_like = t ? t->nparts : st->env->default_partitions;
    dr->key_like = (int)first->format.key.kind;
    dr->value_like = (int)first->format.value.kind;
    dr->windowed = q->window != NULL;
    dr->window_retention_ms = q->window ? q->window->retention_ms : -1;
    dr->rel.name = arena_dup(st->arena, ast->name.text).ptr;
    dr->rel.table = ast->table;
    relation_of_query(st, q, dr);
    dr->wrap_key = q->nullable_key;
    return 0;
}

static unsigned place_of_column(const unsigned *ids, unsigned n, unsigned id)
{
    unsigned i = 0;
    while (i < n && ids[i] != id)
        i++;
    CHECK(i < n);
    return i;
}

/* Whose groups are the result's rows. */
static const struct tree *top_aggregate(const struct tree *t)
{
    while (t->kind == TREE_PROJECT || t->kind == TREE_FILTER)
        t = t->inputs[0];
    return t->kind == TREE_AGGREGATE ? t : NULL;
}

int job_plan(struct stmt *st, const struct query *q, const struct draft_relation *dr, int32_t partitions,
             struct plan **out)
{
    struct plan_node *input;
    unsigned *ids;
    struct tree *tree = rules_apply(q->tree, q->columns);
    struct lowering lo = {.arena = st->arena, .columns = q->columns, .diag = st->b.diag,
                          .key_groups = q->group_key ? top_aggregate(tree) : NULL,
                          .nkey = dr->rel.table ? q->nkey : 0, .every_ms = q->every_ms};
    lowering_start(&lo, st->env->props);
    if (q->every_ms && dr->with.emit > 0 && dr->with.place_emit.len)
        return bind_error(&st->b, dr->with.place_emit, "42601",
                          "EMIT CHANGES EVERY gives what has changed in that time, not each record's effect");
    int err = tree_lower(&lo, tree, &input, &ids);
    if (err)
        return err;
    struct plan_node *sink = physical_node(st->arena, PLAN_SINK_TOPIC, input);
    sink->relation = dr->rel.name;
    sink->topic = dr->rel.topic;
    sink->topic_name = dr->rel.topic_name;
    sink->format = dr->rel.format;
    sink->sink_cols = ARENA_ARRAY(st->arena, unsigned, q->nitems);
    for (unsigned i = 0; i < q->nitems; i++)
        sink->sink_cols[i] = place_of_column(ids, input->out.n, q->items[i].id);
    sink->window_start_col = q->window ? (int)place_of_column(ids, input->out.n, q->window_start) : -1;
    if (dr->rel.format.window_bounds)
        sink->window_end_col = (int)place_of_column(ids, input->out.n, q->window_end);
    sink->record = !q->every_ms && (dr->with.emit < 0 ? emits_records(st->env->props) : dr->with.emit);
    sink->window_size_ms = q->window ? q->window->size_ms : 0;
    sink->retention_ms = q->window ? q->window->retention_ms : -1;
    return plan_finish(sink, plan_parallelism(partitions), st->arena, out, st->b.diag);
}

int job_check_output(struct stmt *st, const struct query *q, const struct relation *rel, struct uuid but)
{
    struct writers w = {rel->topic, but, NULL};
    struct place place = stmt_create(st)->name.place;
    for (unsigned i = 0; i < q->nreads; i++)
        if (uuid_eq(q->reads[i].rel->topic, rel->topic))
            return bind_error(&st->b, place, "42P07",
                              "the result would be written to topic \"%s\", which the query reads", rel->topic_name);
    job_each(st->b.image, st->arena, find_writer, &w);
    if (w.name)
        return bind_error(&st->b, place, "42P07", "topic \"%s\" is already written by job \"%s\"", rel->topic_name,
                          w.name);
    return cycle_check(st, q, rel, but);
}

void job_put(struct stmt *st, struct job_def *j, const struct query *q, const struct plan *plan, struct uuid id)
{
    struct wbuf packed, body;
    j->nreads = 0;
    j->reads = ARENA_ARRAY(st->arena, struct uuid, q->nreads);
    for (unsigned i = 0; i < q->nreads; i++)
        j->reads[j->nreads++] = q->reads[i].rel->id;
    wbuf_init(&packed);
    wbuf_init(&body);
    plan_pack(plan, &packed);
    j->plan = wbuf_view(&packed);
    job_def_pack(j, &body);
    change_put_object(stmt_change(st), "job", str_of(j->name), id, wbuf_view(&body), j->version == 0);
    wbuf_fini(&packed);
    wbuf_fini(&body);
}

static bool is_at_least_once(const struct stmt *st)
{
    struct str said = property_get(st->env->props, "processing.guarantee");
    return said.len ? str_eq_nocase(said, STR("at_least_once")) : st->env->at_least_once;
}

struct older {
    struct uuid relation;
    struct job_def *to;
};

static void take_policy(void *arg, const struct object *o, const struct job_def *j)
{
    struct older *old = arg;
    (void)o;
    if (!uuid_is_zero(old->relation) && uuid_eq(j->relation, old->relation)) {
        old->to->tolerance = j->tolerance;
        old->to->dead_topic = j->dead_topic;
        old->to->cpu_share = j->cpu_share;
        old->to->at_least_once = j->at_least_once;
        old->to->late_letters = j->late_letters;
    }
}

/* With BUG("changelog_of_namesake"), ksqlDB #1055: the one that a dropped job of this name has left. */
static int changelog_put(struct stmt *st, struct job_def *j, const char *job, int32_t parts)
{
    struct topic_config config = {"cleanup.policy", "compact"};
    struct str name = str_of(arena_printf(st->arena, "__job_%s_changelog", job));
    const struct topic *left = BUG("changelog_of_namesake") ? image_topic(st->b.image, name) : NULL;
    if (!left)
        return change_create_topic(stmt_change(st), name, &j->changelog, parts, &config, 1, st->b.diag);
    j->changelog = left->id;
    return 0;
}

int job_put_new(struct stmt *st, const struct query *q, struct relation *rel, const struct plan *plan,
                struct uuid beside)
{
    rel->sql = arena_dup(st->arena, stmt_sql(st)).ptr;
    rel->id = stmt_uuid(st);
    rel->job = stmt_uuid(st);
    relation_put(st, rel, true);
    char id[UUID_TEXT];
    struct job_def j = {.name = rel->name,
                        .sql = rel->sql,
                        .output = rel->topic,
                        .changelog = stmt_uuid(st),
                        .relation = rel->id,
                        .beside = beside,
                        .created_ms = st->env->now_ms,
                        .at_least_once = is_at_least_once(st)};
    struct older old = {beside, &j};
    uuid_format(rel->job, id);
    job_each(st->b.image, st->arena, take_policy, &old); /* what runs beside a job does as that one does */
    int err = policy_of_session(st, &j, q, rel->topic_name);
    if (!err)
        err = changelog_put(st, &j, BUG("changelog_of_namesake") ? rel->name : id, (int32_t)plan->parallelism);
    if (err)
        return err;
    job_put(st, &j, q, plan, rel->job);
    st->out->job = rel->job;
    return 0;
}

int job_plan_new(struct stmt *st, const struct query *q, struct draft_relation *dr, int32_t *partitions,
                 struct plan **out)
{
    int err = relation_finish(st, dr, partitions);
    if (!err)
        err = job_check_output(st, q, &dr->rel, (struct uuid){{0}});
    return err ? err : job_plan(st, q, dr, *partitions, out);
}

int prepare_create_as(struct stmt *st)
{
    struct query q;
    struct draft_relation dr;
    struct relation *old, *rel = &dr.rel;
    struct plan *plan;
    int32_t partitions;
    int err = relation_name_free(st, &old);
    if (err)
        return err > 0 ? 0 : err;
    if (old && uuid_is_zero(old->job))
        return bind_error(&st->b, st->ast->name.place, "0A000",
                          "a declared relation cannot be replaced by a job's; DROP it first");
    if (old)
        return prepare_replace(st, old);
    err = bind_create_as(st, &q, &dr);
    if (!err)
        err = job_plan_new(st, &q, &dr, &partitions, &plan);
    if (!err)
        err = job_put_new(st, &q, rel, plan, (struct uuid){{0}});
    if (err)
        return err;
    stmt_effect(st, EFFECT_NEW, rel->name, stmt_reads(st, plan));
    stmt_message(st, "%s \"%s\" created; job \"%s\" fills it and topic \"%s\" (%d partition%s)",
                 rel->table ? "table" : "stream", rel->name, rel->name, rel->topic_name, partitions,
                 partitions == 1 ? "" : "s");
    return 0;
}

/* ---- DROP */

void job_remove(struct stmt *st, const struct object *job)
{
    struct job_def j;
    change_remove_object(stmt_change(st), "job", job->id);
    bool keeps = BUG("changelog_of_namesake");
    if (!keeps && job_def_unpack(&j, job->body, st->arena) == 0 && image_topic_by_id(st->b.image, j.changelog))
        change_delete_topic(stmt_change(st), j.changelog);
}

struct sharing {
    const struct relation *rel;
    const char *name;
};

static void find_sharing(void *arg, const struct relation *r)
{
    struct sharing *s = arg;
    if (uuid_eq(r->topic, s->rel->topic) && !uuid_eq(r->id, s->rel->id))
        s->name = r->name;
}

int prepare_drop(struct stmt *st)
{
    const struct ast_statement *ast = st->ast;
    const char *kind = ast->table ? "table" : "stream";
    if (!image_object(st->b.image, "relation", ast->name.text) && ast->if_clause)
        return stmt_nothing(st, "there is no %s \"%.*s\"; nothing changed", kind, STR_ARG(ast->name.text));
    struct relation *rel = relation_find(st->b.image, ast->name.text, st->arena, st->b.diag);
    if (!rel) {
        if (st->b.diag)
            memcpy(st->b.diag->code, "42P01", 6);
        return diag_place(st->b.diag, E_SQL, st->b.text, ast->name.place);
    }
    if (rel->table != ast->table) {
        bind_error(&st->b, ast->name.place, "42809", "\"%s\" is a %s", rel->name, rel->table ? "table" : "stream");
        diag_hint(st->b.diag, "write DROP %s %s;", rel->table ? "TABLE" : "STREAM", rel->name);
        return E_SQL;
    }
    const char *views = sqlview_users(st->b.image, rel->id, st->arena);
    if (views) {
        bind_error(&st->b, ast->name.place, "2BP01", "\"%s\" cannot be dropped: it is read by %s", rel->name, views);
        diag_hint(st->b.diag, "DROP VIEW first");
        return E_SQL;
    }
    const char *users = job_users(st, rel, rel->job);
    struct sharing sharing = {rel, NULL};
    relation_each(st->b.image, st->arena, find_sharing, &sharing);
    struct job_def next;
    if (beside_find(st->b.image, rel->id, st->arena, &next)) {
        bind_error(&st->b, ast->name.place, "2BP01", "\"%s\" cannot be dropped: its next version \"%s\" runs beside it",
                   rel->name, next.name);
        diag_hint(st->b.diag, "DISCARD %s; ends that one first", rel->name);
        return E_SQL;
    }
    if (users) {
        bind_error(&st->b, ast->name.place, "2BP01", "\"%s\" cannot be dropped: it is used by %s", rel->name, users);
        diag_hint(st->b.diag, "DROP what those jobs fill first, or TERMINATE them");
        return E_SQL;
    }
    if (ast->delete_topic && sharing.name)
        return bind_error(&st->b, ast->name.place, "2BP01", "topic \"%s\" cannot be deleted: \"%s\" lies on it too",
                          rel->topic_name, sharing.name);
    const struct object *job = uuid_is_zero(rel->job) ? NULL : image_object_by_id(st->b.image, rel->job);
    if (job)
        job_remove(st, job);
    change_remove_object(stmt_change(st), "relation", rel->id);
    bool topic = ast->delete_topic && image_topic_by_id(st->b.image, rel->topic);
    if (topic)
        change_delete_topic(stmt_change(st), rel->topic);
    stmt_message(st, "%s \"%s\" dropped%s%s", kind, rel->name, job ? ", with its job" : "",
                 topic ? ", with its topic" : "");
    return 0;
}

/* ---- TERMINATE, PAUSE, RESUME */

struct job_action {
    struct stmt *st;
    unsigned n;
    bool changed; /* its policy */
    struct uuid *again; /* those that are resumed already */
};

/* The relation stays when its job goes; then nothing keeps its rows but the topic. */
static void terminate(struct stmt *st, const struct object *o, const struct job_def *j)
{
    const struct object *obj = image_object_by_id(st->b.image, j->relation);
    struct relation rel;
    job_remove(st, o);
    if (!obj || relation_unpack(&rel, obj, st->arena) != 0)
        return;
    rel.job = (struct uuid){{0}};
    relation_put(st, &rel, false);
}

static void act(void *arg, const struct object *o, const struct job_def *j)
{
    struct job_action *ja = arg;
    struct stmt *st = ja->st;
    struct job_def changed = *j;
    struct wbuf w;
    changed.stopped = st->ast->kind == AST_PAUSE;
    if (st->ast->kind == AST_TERMINATE) {
        terminate(st, o, j);
        ja->n++;
    } else if (changed.stopped != j->stopped || ja->changed) {
        wbuf_init(&w);
        job_def_pack(&changed, &w);
        change_put_object(stmt_change(st), "job", str_of(o->name), o->id, wbuf_view(&w), false);
        wbuf_fini(&w);
        ja->n++;
    } else if (st->ast->kind == AST_RESUME) {
        ja->again[st->out->nagain++] = o->id;
    }
}

const struct object *find_job(struct stmt *st, const struct ast_name *name, const char *hint)
{
    const struct object *o = image_object(st->b.image, "job", name->text);
    struct nearest near = nearest_of(name->text);
    if (o)
        return o;
    for (unsigned i = 0; i < st->b.image->nobjects; i++)
        if (strcmp(st->b.image->objects[i]->kind, "job") == 0)
            nearest_add(&near, str_of(st->b.image->objects[i]->name));
    bind_error(&st->b, name->place, "42704", "there is no job \"%.*s\"", STR_ARG(name->text));
    if (nearest_get(&near).ptr)
        diag_hint(st->b.diag, "did you mean \"%.*s\"?", STR_ARG(nearest_get(&near)));
    else
        diag_hint(st->b.diag, "%s", hint);
    return NULL;
}

int prepare_job_state(struct stmt *st)
{
    static const char *const done[] = {
        [AST_TERMINATE] = "terminated", [AST_PAUSE] = "paused", [AST_RESUME] = "resumed"};
    const char *word = done[st->ast->kind];
    struct job_action ja = {st, 0, false, ARENA_ARRAY(st->arena, struct uuid, st->b.image->nobjects + 1)};
    struct job_def j;
    st->out->again = ja.again;
    if (st->ast->all) {
        job_each(st->b.image, st->arena, act, &ja);
        if (!ja.n)
            return stmt_nothing(st, "there is no job to be %s; nothing changed", word);
        stmt_message(st, "%u job%s %s", ja.n, ja.n == 1 ? "" : "s", word);
        return 0;
    }
    const struct object *o = find_job(st, &st->ast->name, "SHOW JOBS lists what there is");
    if (!o)
        return E_SQL;
    if (job_def_unpack(&j, o->body, st->arena) != 0)
        return bind_error(&st->b, st->ast->name.place, "58030", "the stored description of job \"%s\" cannot be read",
                          o->name);
    if (st->ast->with.n) {
        if (policy_change(st, &j))
            return E_SQL;
        ja.changed = true;
    }
    act(&ja, o, &j);
    if (!ja.n)
        return stmt_nothing(st, "job \"%s\" is %s already; nothing changed", o->name, word);
    stmt_message(st, "job \"%s\" %s", o->name, word);
    st->out->job = st->ast->kind == AST_RESUME ? o->id : (struct uuid){{0}};
    return 0;
}
