/* Savepoints: SAVEPOINT job AS name, RESTORE job FROM name, DROP SAVEPOINT, SHOW SAVEPOINTS. An object "savepoint" has
 * the name and what the catalog said of the job and its relation then; its id names the file with the state. */
#include <stdio.h>

#include "log/base/pack.h"
#include "sql/plan/statement.h"

#define SAVEPOINT_VERSION 1

struct savepoint {
    struct str name;
    const char *job; /* its name */
    struct uuid relation;
    struct str job_body, relation_body;
    struct savepoint_facts facts;
};

static void savepoint_pack(const struct savepoint *s, struct wbuf *w)
{
    pack_array(w, 9);
    pack_uint(w, SAVEPOINT_VERSION);
    pack_str(w, str_of(s->job));
    pack_uuid(w, s->relation);
    pack_bin(w, s->job_body);
    pack_bin(w, s->relation_body);
    pack_int(w, s->facts.epoch);
    pack_int(w, s->facts.wall_ms);
    pack_uint(w, s->facts.records);
    pack_uint(w, s->facts.bytes);
}

static int savepoint_unpack(struct savepoint *s, const struct object *o, struct arena *a)
{
    struct unpack u = unpack_of(o->body);
    uint32_t n = unpack_array(&u);
    uint64_t version = unpack_uint(&u);
    *s = (struct savepoint){.name = str_of(o->name)};
    s->job = arena_dup(a, unpack_str(&u)).ptr;
    s->relation = unpack_uuid(&u);
    s->job_body = arena_dup(a, unpack_str(&u));
    s->relation_body = arena_dup(a, unpack_str(&u));
    s->facts.epoch = unpack_int(&u);
    s->facts.wall_ms = unpack_int(&u);
    s->facts.records = unpack_uint(&u);
    s->facts.bytes = unpack_uint(&u);
    return unpack_err(&u) || n != 9 || version != SAVEPOINT_VERSION || rbuf_left(&u.r) ? E_CORRUPT : 0;
}

/* NULL: there is none of this name; told. */
static const struct object *find_savepoint(struct stmt *st, const struct ast_name *name)
{
    const struct object *o = image_object(st->b.image, "savepoint", name->text);
    struct nearest near = nearest_of(name->text);
    if (o)
        return o;
    for (unsigned i = 0; i < st->b.image->nobjects; i++)
        if (strcmp(st->b.image->objects[i]->kind, "savepoint") == 0)
            nearest_add(&near, str_of(st->b.image->objects[i]->name));
    bind_error(&st->b, name->place, "42704", "there is no savepoint \"%.*s\"", STR_ARG(name->text));
    if (nearest_get(&near).ptr)
        diag_hint(st->b.diag, "did you mean \"%.*s\"?", STR_ARG(nearest_get(&near)));
    else
        diag_hint(st->b.diag, "SHOW SAVEPOINTS lists what there is");
    return NULL;
}

int prepare_savepoint(struct stmt *st)
{
    const struct object *job = find_job(st, &st->ast->name, "SHOW JOBS lists what there is");
    struct job_def def;
    if (!job)
        return E_SQL;
    if (image_object(st->b.image, "savepoint", st->ast->language.text))
        return bind_error(&st->b, st->ast->language.place, "42710", "a savepoint \"%.*s\" exists already",
                          STR_ARG(st->ast->language.text));
    if (job_def_unpack(&def, job->body, st->arena) != 0)
        return bind_error(&st->b, st->ast->name.place, "58030", "the stored description of job \"%s\" cannot be read",
                          job->name);
    if (def.stopped) {
        bind_error(&st->b, st->ast->name.place, "55000", "job \"%s\" is paused", job->name);
        diag_hint(st->b.diag, "RESUME %s; first", job->name);
        return E_SQL;
    }
    const struct object *rel = image_object_by_id(st->b.image, def.relation);
    struct savepoint *s = ARENA_NEW(st->arena, struct savepoint);
    *s = (struct savepoint){.name = st->ast->language.text,
                            .job = def.name,
                            .relation = def.relation,
                            .job_body = job->body,
                            .relation_body = rel ? rel->body : STR("")};
    st->out->kind = PREPARED_SAVEPOINT;
    st->out->job = job->id;
    st->out->savepoint = stmt_uuid(st);
    st->out->saved = s;
    return 0;
}

void prepared_saved(struct prepared *p, const struct savepoint_facts *facts, struct arena *a)
{
    struct savepoint s = *p->saved;
    struct wbuf w;
    s.facts = *facts;
    wbuf_init(&w);
    savepoint_pack(&s, &w);
    change_init(&p->change);
    change_put_object(&p->change, "savepoint", s.name, p->savepoint, wbuf_view(&w), true);
    wbuf_fini(&w);
    p->kind = PREPARED_CHANGE;
    p->has_change = true;
    p->job = (struct uuid){{0}};
    p->message = arena_printf(a, "savepoint \"%.*s\" holds job \"%s\" as of epoch %lld: %llu records, %.1f MB",
                              STR_ARG(s.name), s.job, (long long)facts->epoch, (unsigned long long)facts->records,
                              (double)facts->bytes / 1e6);
}

struct restored {
    const struct object *savepoint;
    const struct savepoint *s;
    struct stmt *st;
    const char *job, *waits; /* restored from it; and its changelog not yet filled */
};

static void find_restored(void *arg, const struct object *o, const struct job_def *j)
{
    struct restored *r = arg;
    bool trimmed;
    (void)o;
    if (!uuid_eq(j->savepoint, r->savepoint->id))
        return;
    int64_t has = stmt_topic_records(r->st, j->changelog, &trimmed);
    r->job = j->name;
    bool known = has >= 0 || j->stopped; /* nobody has opened it since the start: then it is taken for empty */
    if (known && MAX(has, 0) < (int64_t)r->s->facts.records)
        r->waits = j->name;
}

int prepare_drop_savepoint(struct stmt *st)
{
    if (st->ast->if_clause && !image_object(st->b.image, "savepoint", st->ast->name.text))
        return stmt_nothing(st, "there is no savepoint \"%.*s\"; nothing changed", STR_ARG(st->ast->name.text));
    const struct object *o = find_savepoint(st, &st->ast->name);
    struct savepoint s;
    if (!o)
        return E_SQL;
    if (savepoint_unpack(&s, o, st->arena) == 0) {
        struct restored r = {o, &s, st, NULL, NULL};
        job_each(st->b.image, st->arena, find_restored, &r);
        if (r.waits) {
            bind_error(&st->b, st->ast->name.place, "55006", "savepoint \"%s\" cannot be dropped: job \"%s\" was restored "
                       "from it and has not taken its state from there yet", o->name, r.waits);
            diag_hint(st->b.diag, "it does when it runs: RESUME %s;", r.waits);
            return E_SQL;
        }
        if (r.job)
            stmt_message(st, "savepoint \"%s\" dropped; job \"%s\" was restored from it", o->name, r.job);
    }
    change_remove_object(stmt_change(st), "savepoint", o->id);
    if (!st->out->message)
        stmt_message(st, "savepoint \"%s\" dropped", o->name);
    return 0;
}

/* ---- RESTORE */

static int refuse(struct stmt *st, const struct savepoint *s, const char *job, const char *why)
{
    return bind_error(&st->b, st->ast->language.place, "55000", "\"%s\" cannot be restored from \"%.*s\": %s", job,
                      STR_ARG(s->name), why);
}

/* The job as it was saved, as the next version of the one there is: with a changelog that the engine fills from the
 * file, and, if it writes a table, with all of its rows to be written again. */
static int restored_def(struct stmt *st, const struct object *job, const struct savepoint *s, struct uuid id,
                        struct job_def *out)
{
    struct job_def now, then;
    struct plan *plan;
    struct wbuf packed;
    if (job_def_unpack(&now, job->body, st->arena) != 0 || job_def_unpack(&then, s->job_body, st->arena) != 0 ||
        plan_unpack(&plan, then.plan, st->arena) != 0)
        return refuse(st, s, job->name, "what is stored of it cannot be read");
    if (!uuid_eq(now.relation, then.relation) || !uuid_eq(now.output, then.output))
        return refuse(st, s, job->name, "it was taken of another job, or one that wrote another topic");
    *out = then;
    out->name = now.name;
    out->version = now.version + 1;
    out->stopped = now.stopped;
    out->created_ms = now.created_ms;
    out->beside = now.beside;
    out->savepoint = id;
    if (plan->sink->inputs[0]->mode != MODE_APPEND)
        plan->sink->again = out->version;
    wbuf_init(&packed);
    plan_pack(plan, &packed);
    out->plan = arena_dup(st->arena, wbuf_view(&packed));
    wbuf_fini(&packed);
    change_delete_topic(stmt_change(st), now.changelog);
    return 0;
}

int prepare_restore(struct stmt *st)
{
    const struct object *job = find_job(st, &st->ast->name, "SHOW JOBS lists what there is");
    const struct object *o = job ? find_savepoint(st, &st->ast->language) : NULL;
    struct topic_config config = {"cleanup.policy", "compact"};
    struct savepoint s;
    struct job_def def;
    struct plan *plan;
    struct wbuf w;
    char id[UUID_TEXT];
    if (!o)
        return E_SQL;
    if (savepoint_unpack(&s, o, st->arena) != 0)
        return bind_error(&st->b, st->ast->language.place, "58030", "the stored description of savepoint \"%s\" cannot "
                          "be read", o->name);
    const struct object *rel = image_object_by_id(st->b.image, s.relation);
    if (!rel)
        return refuse(st, &s, job->name, "what it filled was dropped");
    int err = restored_def(st, job, &s, o->id, &def);
    if (!err)
        err = plan_unpack(&plan, def.plan, st->arena);
    if (err)
        return err;
    uuid_format(job->id, id);
    def.changelog = stmt_uuid(st);
    err = change_create_topic(stmt_change(st),
                              str_of(arena_printf(st->arena, "__job_%s_changelog_%u", id, def.version)),
                              &def.changelog, (int32_t)plan->parallelism, &config, 1, st->b.diag);
    if (err)
        return err;
    change_put_object(stmt_change(st), "relation", str_of(rel->name), rel->id, s.relation_body, false);
    wbuf_init(&w);
    job_def_pack(&def, &w);
    change_put_object(stmt_change(st), "job", str_of(job->name), job->id, wbuf_view(&w), false);
    wbuf_fini(&w);
    st->out->job = def.stopped ? (struct uuid){{0}} : job->id;
    st->out->restore = o->id;
    st->out->restore_plan = plan;
    st->out->restore_lossy = str_eq(property_get(st->env->props, "restore.lost.records"), STR("skip"));
    stmt_message(st, "job \"%s\" is as it was at savepoint \"%s\" (epoch %lld) and goes on from there", job->name,
                 o->name, (long long)s.facts.epoch);
    return 0;
}

/* ---- SHOW SAVEPOINTS */

void savepoints_show(struct stmt *st)
{
    static const char *const columns[] = {"savepoint", "job", "taken", "epoch", "records", "bytes"};
    rows_columns(st, columns, ARRAY_LEN(columns));
    for (unsigned i = 3; i < ARRAY_LEN(columns); i++)
        st->out->rows.schema.cols[i].type = TYPE(T_BIGINT);
    for (unsigned i = 0; i < st->b.image->nobjects; i++) {
        const struct object *o = st->b.image->objects[i];
        struct savepoint s;
        char time[TIMESTAMP_TEXT + 1], n[3][24];
        if (strcmp(o->kind, "savepoint") != 0 || savepoint_unpack(&s, o, st->arena) != 0)
            continue;
        time[timestamp_format(s.facts.wall_ms, time)] = 0;
        snprintf(n[0], sizeof n[0], "%lld", (long long)s.facts.epoch);
        snprintf(n[1], sizeof n[1], "%llu", (unsigned long long)s.facts.records);
        snprintf(n[2], sizeof n[2], "%llu", (unsigned long long)s.facts.bytes);
        const char *cells[] = {o->name, s.job, time, n[0], n[1], n[2]};
        rows_add(st, cells, (struct uuid){{0}});
    }
}
