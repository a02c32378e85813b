/* The next version of a job beside the one that runs: a job and a relation of their own, named NAME_next, over a topic
 * of their own, that can be looked at like any other. PROMOTE puts it in the place of the old one, DISCARD ends it. */
#include <stdio.h>

#include "sql/plan/statement.h"

bool beside_wanted(const struct stmt *st)
{
    return st->env->beside || str_eq(property_get(st->env->props, "replace.mode"), STR("beside"));
}

const struct object *beside_find(const struct image *im, struct uuid relation, struct arena *a, struct job_def *def)
{
    for (unsigned i = 0; i < im->nobjects; i++)
        if (strcmp(im->objects[i]->kind, "job") == 0 && job_def_unpack(def, im->objects[i]->body, a) == 0 &&
            uuid_eq(def->beside, relation))
            return im->objects[i];
    return NULL;
}

/* A name for its topic: what WITH says, else NAME_v2, NAME_v3, ... */
static struct str free_topic(struct stmt *st, const struct relation *old, const struct with *w)
{
    if (w->topic.ptr && !str_eq(w->topic, str_of(old->topic_name)))
        return w->topic;
    for (unsigned n = 2;; n++) {
        struct str name = str_of(arena_printf(st->arena, "%s_v%u", old->name, n));
        if (!image_topic(st->b.image, name))
            return name;
    }
}

/* Is one there already? 1: the same, told; 0: none; else refused. */
static int already_there(struct stmt *st, const struct relation *old)
{
    struct job_def next;
    struct place place = stmt_create(st)->name.place;
    if (beside_find(st->b.image, old->id, st->arena, &next)) {
        if (statement_says_the_same(stmt_create(st), next.sql, st->arena)) {
            stmt_nothing(st, "the next version of \"%s\" is unchanged, as \"%s\"", old->name, next.name);
            return 1;
        }
        bind_error(&st->b, place, "42P07", "a next version of \"%s\" runs beside it already", old->name);
        diag_hint(st->b.diag, "PROMOTE %s; or DISCARD %s; first", old->name, old->name);
        return E_SQL;
    }
    if (statement_says_the_same(stmt_create(st), old->sql, st->arena)) {
        int err = policy_alone(st, old);
        return err ? err : 1;
    }
    struct str name = str_of(arena_printf(st->arena, "%s_next", old->name));
    if (image_object(st->b.image, "relation", name) || image_object(st->b.image, "job", name))
        return bind_error(&st->b, place, "42P07", "the next version would be named \"%.*s\", which exists",
                          STR_ARG(name));
    return 0;
}

/* Who reads the version that runs keeps it there: said before anybody waits for the next one. "": nobody. */
static const char *readers_line(struct stmt *st, const struct relation *old)
{
    const char *users = job_users(st, old, old->job);
    if (!users)
        return "";
    return arena_printf(st->arena, "\n  PROMOTE is refused while \"%s\" is read by %s: CREATE OR REPLACE what reads it FROM %s_next first",
                        old->name, users, old->name);
}

int beside_plan(struct stmt *st, struct relation *old, struct query *q, struct draft_relation *dr, struct plan **plan)
{
    int32_t partitions;
    int err = bind_create_as(st, q, dr);
    if (err)
        return err;
    dr->with.topic = free_topic(st, old, &dr->with);
    struct replacement before;
    if ((err = replacement_begin(st, old, &before)) != 0)
        return err;
    if (dr->with.emit < 0)
        dr->with.emit = before.old_plan->sink->record;
    return job_plan_new(st, q, dr, &partitions, plan);
}

const char *beside_text(struct stmt *st, const struct relation *old, const struct plan *plan)
{
    return arena_printf(st->arena, "%s%s", stmt_reads(st, plan), readers_line(st, old));
}

int prepare_beside(struct stmt *st, struct relation *old)
{
    struct query q;
    struct draft_relation dr;
    struct relation *rel = &dr.rel;
    struct plan *plan;
    int err = already_there(st, old);
    if (err)
        return err > 0 ? 0 : err;
    if ((err = beside_plan(st, old, &q, &dr, &plan)) != 0)
        return err;
    rel->name = arena_printf(st->arena, "%s_next", old->name);
    if ((err = job_put_new(st, &q, rel, plan, old->id)) != 0)
        return err;
    stmt_effect(st, EFFECT_BESIDE, old->name, beside_text(st, old, plan));
    stmt_message(st,
                 "the next version of \"%s\" runs beside it as \"%s\" and writes topic \"%s\"\n"
                 "  PROMOTE %s; puts it in its place once it has caught up, DISCARD %s; ends it%s",
                 old->name, rel->name, rel->topic_name, old->name, old->name, readers_line(st, old));
    return 0;
}

/* ---- Its end. */

struct versions {
    struct relation *old, *next;
    const struct object *old_job, *next_job;
    struct job_def def; /* of the next one's job */
};

static int find_versions(struct stmt *st, struct versions *v)
{
    const struct ast_name *name = &st->ast->name;
    *v = (struct versions){.old = relation_find(st->b.image, name->text, st->arena, st->b.diag)};
    if (!v->old) {
        if (st->b.diag)
            memcpy(st->b.diag->code, "42P01", 6);
        return diag_place(st->b.diag, E_SQL, st->b.text, name->place);
    }
    v->next_job = beside_find(st->b.image, v->old->id, st->arena, &v->def);
    if (!v->next_job) {
        bind_error(&st->b, name->place, "42704", "no next version of \"%s\" runs beside it", v->old->name);
        diag_hint(st->b.diag, "weir deploy --beside starts one");
        return E_SQL;
    }
    v->next = relation_find(st->b.image, str_of(v->def.name), st->arena, NULL);
    v->old_job = image_object_by_id(st->b.image, v->old->job);
    return 0;
}

/* What jobs took from the old topic is not what the next one holds: no place in it goes on where they are. Those who
 * read the next version already go over with it, at whatever place they are. */
static int check_readers(struct stmt *st, const struct versions *v)
{
    const char *users = job_users(st, v->old, v->old->job);
    if (!v->next)
        return bind_error(&st->b, st->ast->name.place, "42P01", "\"%s\" was dropped; only DISCARD is left",
                          v->def.name);
    if (users) {
        bind_error(&st->b, st->ast->name.place, "2BP01", "\"%s\" cannot be promoted: \"%s\" is read by %s", v->old->name,
                   v->old->name, users);
        diag_hint(st->b.diag, "CREATE OR REPLACE them FROM %s first (beside keeps their rows until they are promoted): who "
                              "reads \"%s\" goes over with it", v->next->name, v->next->name);
        return E_SQL;
    }
    return 0;
}

struct carrying {
    struct stmt *st;
    const struct versions *v;
};

/* A reader of the next version: the same topic, which is the relation's now. */
static void carry_reader(void *arg, const struct object *o, const struct job_def *def)
{
    struct carrying *c = arg;
    struct job_def j = *def;
    struct wbuf w;
    bool reads = false;
    j.reads = ARENA_ARRAY(c->st->arena, struct uuid, j.nreads + 1);
    for (unsigned i = 0; i < j.nreads; i++) {
        bool is = uuid_eq(def->reads[i], c->v->next->id);
        j.reads[i] = is ? c->v->old->id : def->reads[i];
        reads |= is;
    }
    if (!reads || o == c->v->next_job)
        return;
    wbuf_init(&w);
    job_def_pack(&j, &w);
    change_put_object(stmt_change(c->st), "job", str_of(o->name), o->id, wbuf_view(&w), false);
    wbuf_fini(&w);
}

int prepare_promote(struct stmt *st)
{
    struct versions v;
    int err = find_versions(st, &v);
    if (!err)
        err = check_readers(st, &v);
    if (err)
        return err;
    struct relation rel = *v.next;
    struct job_def def = v.def;
    struct wbuf w;
    if (v.old_job)
        job_remove(st, v.old_job);
    change_remove_object(stmt_change(st), "relation", v.next->id);
    rel.id = v.old->id;
    rel.name = v.old->name;
    relation_put(st, &rel, false);
    def.name = v.old->name;
    def.relation = v.old->id;
    def.beside = (struct uuid){{0}};
    wbuf_init(&w);
    job_def_pack(&def, &w);
    change_put_object(stmt_change(st), "job", str_of(def.name), v.next_job->id, wbuf_view(&w), false);
    wbuf_fini(&w);
    job_each(st->b.image, st->arena, carry_reader, &(struct carrying){st, &v});
    st->out->caught_up = v.next_job->id;
    stmt_message(st, "\"%s\" is now the version that was \"%s\", over topic \"%s\"; the one before has ended, its topic "
                     "\"%s\" stays",
                 v.old->name, v.def.name, rel.topic_name, v.old->topic_name);
    return 0;
}

int prepare_discard(struct stmt *st)
{
    struct versions v;
    int err = find_versions(st, &v);
    if (err)
        return err;
    const char *users = v.next ? job_users(st, v.next, v.next_job->id) : NULL;
    if (users)
        return bind_error(&st->b, st->ast->name.place, "2BP01", "\"%s\" is used by %s", v.next->name, users);
    job_remove(st, v.next_job);
    if (v.next)
        change_remove_object(stmt_change(st), "relation", v.next->id);
    if (image_topic_by_id(st->b.image, v.def.output))
        change_delete_topic(stmt_change(st), v.def.output);
    stmt_message(st, "the next version of \"%s\" has ended, and topic \"%s\" with it", v.old->name,
                 v.next ? v.next->topic_name : v.def.name);
    return 0;
}
