/* Deploying a file: each CREATE is done once; the same file again finds everything in place, a changed query replaces
 * its job's. */
#include "sql/serve/session.h"

/* The statement that made the thing of this name; NULL: there is none. */
static const char *existing(struct session *s, const struct image *im, const struct ast_statement *st,
                            const char **what)
{
    if (st->kind == AST_CREATE_FUNCTION) {
        const struct object *obj = image_object(im, "function", st->name.text);
        struct function f;
        *what = "function";
        return obj && function_unpack(&f, obj, &s->memory) == 0 ? f.sql : NULL;
    }
    if (st->kind == AST_CREATE_TYPE) {
        const struct object *obj = image_object(im, "type", st->name.text);
        const char *sql;
        struct type t;
        *what = "type";
        return obj && named_type_unpack(obj, &t, &sql, &s->memory) == 0 ? sql : NULL;
    }
    if (st->kind == AST_CREATE_VIEW) {
        const struct sqlview *v = sqlview_find(im, st->name.text, &s->memory);
        *what = "view";
        return v ? v->sql : NULL;
    }
    struct relation *r = relation_find(im, st->name.text, &s->memory, NULL);
    *what = r && r->table ? "table" : "stream";
    return r ? r->sql : NULL;
}

static int refuse(struct session *s, struct str text, struct place place, const char *sentence, const char *hint)
{
    session_error(s, E_SQL, "0A000", "%s", sentence);
    diag_hint(&s->diag, "%s", hint);
    return diag_place(&s->diag, E_SQL, text, place);
}

/* The query is the same; what the file says of the job may not be. */
static bool settings_are_new(struct session *s, const struct image *im, const struct relation *r)
{
    const struct object *job = image_object_by_id(im, r->job);
    struct job_def def;
    return job && job_def_unpack(&def, job->body, &s->memory) == 0 && job_settings_differ(&def, &s->props, &s->memory);
}

static int check_create(struct session *s, struct str text, struct ast_statement *st)
{
    struct image *im = session_image(s);
    const char *what, *old = existing(s, im, st, &what);
    struct str name = st->name.text;
    struct relation *r = st->kind == AST_CREATE_AS ? relation_find(im, name, &s->memory, NULL) : NULL;
    bool replace = st->or_replace || (r && !uuid_is_zero(r->job));
    int rc = 0;
    if (old && statement_says_the_same(st, old, &s->memory) && !(r && settings_are_new(s, im, r))) {
        tell_message(s, arena_printf(&s->memory, "%s %.*s is unchanged", what, STR_ARG(name)));
        rc = 1;
    } else if (old && !replace) {
        const char *sentence = arena_printf(&s->memory, "%s %.*s exists with another definition", what, STR_ARG(name));
        rc = refuse(s, text, st->name.place, sentence, "drop it first, or give the new one another name");
    }
    counted_release(&im->c);
    return rc;
}

int deploy_check(struct session *s, struct str text)
{
    struct ast_statement *st;
    int err = parse_statement(&st, text, &s->memory, &s->diag);
    if (err || !st)
        return err;
    switch (st->kind) {
    case AST_CREATE:
    case AST_CREATE_AS:
    case AST_CREATE_VIEW:
    case AST_CREATE_FUNCTION:
    case AST_CREATE_TYPE:
        return check_create(s, text, st);
    case AST_SELECT:
    case AST_PRINT:
        return refuse(s, text, st->place, "a query without a sink cannot be deployed: nothing would be left of it",
                      "CREATE STREAM name AS SELECT ... or CREATE TABLE name AS SELECT ... makes it a job");
    case AST_INSERT:
        return refuse(s, text, st->place, "INSERT cannot be deployed: its rows would be added again each time",
                      "run it once with weir sql");
    default:
        return 0;
    }
}

/* ---- What a file would do. */

/* The next statement sees what this one would have made. */
static void look_ahead(struct session *s)
{
    struct diag d = {0};
    struct image *next = cluster_preview(broker_cluster(s->serve->broker), s->image, &s->p.change, &d);
    if (!next)
        return;
    counted_release(s->preview ? &s->preview->c : NULL);
    s->preview = next;
}

void plan_statement(struct session *s, int err)
{
    static const char *const words[] = {
        [EFFECT_OTHER] = "change ", [EFFECT_NEW] = "new    ", [EFFECT_REPLACED] = "replace", [EFFECT_BESIDE] = "beside "};
    const struct prepared *p = &s->p;
    if (err) {
        s->refused++;
        tell_message(s, arena_printf(&s->memory, "refuse   %s%s%s", s->diag.text, s->diag.hint[0] ? "\n  " : "",
                                     s->diag.hint));
        s->diag = (struct diag){.line = 0};
    } else if (p->kind == PREPARED_NOTHING) {
        if (p->message)
            tell_message(s, p->message);
    } else if (p->effect == EFFECT_OTHER) {
        tell_message(s, arena_printf(&s->memory, "%s  %s", words[p->effect], p->message ? p->message : ""));
    } else {
        tell_message(s, arena_printf(&s->memory, "%s  %s%s", words[p->effect], p->relation, p->detail));
    }
    if (!err && p->has_change)
        look_ahead(s);
    session_done(s);
}

/* ---- A next version takes the place of the one that runs when it has seen what that one saw. */

static void asked_cb(void *arg, int status, struct job_status *st)
{
    struct session *s = arg;
    if (!session_release(s))
        return;
    if (!status && st->state == JOB_RUNNING && st->backfilled >= st->backfill) {
        session_commit(s);
        return;
    }
    if (status || st->state != JOB_RUNNING)
        session_error(s, E_SQL, "55000", "the next version does not run");
    else
        session_error(s, E_SQL, "55000", "the next version has not caught up: %lld of %lld records",
                      (long long)st->backfilled, (long long)st->backfill);
    diag_hint(&s->diag, "weir job describe tells how far it is, weir job wait waits for it");
    session_fail(s);
}

void promote_begin(struct session *s)
{
    session_hold(s);
    engine_job_status(s->serve->engine, s->p.caught_up, s->loop, &s->memory, asked_cb, s);
}

/* ---- Savepoints: the file first, then its name. */

static void saved_cb(void *arg, int status, const char *why, const struct savepoint_facts *facts)
{
    struct session *s = arg;
    if (!session_release(s))
        return;
    if (status) {
        session_error(s, status, "55000", "the savepoint was not taken: %s", why);
        session_fail(s);
        return;
    }
    prepared_saved(&s->p, facts, &s->memory);
    session_commit(s);
}

void savepoint_begin(struct session *s)
{
    session_hold(s);
    engine_savepoint(s->serve->engine, s->p.job, s->p.savepoint, s->loop, saved_cb, s);
}

static void checked_cb(void *arg, int status, const char *why)
{
    struct session *s = arg;
    if (!session_release(s))
        return;
    bool lost = status == E_OFFSET_RANGE;
    if (status && !(lost && s->p.restore_lossy)) {
        session_error(s, status, "55000", "nothing was restored, and nothing changed: %s", why);
        diag_hint(&s->diag, lost ? "SET 'restore.lost.records' = 'skip'; first (weir job restore --skip-lost) goes on without them"
                                 : "restore from another savepoint (SHOW SAVEPOINTS lists them), or put a copy of the file back");
        session_fail(s);
        return;
    }
    if (lost)
        tell_message(s, why);
    s->whole = s->p.restore;
    session_dispatch(s);
}

void restore_check(struct session *s)
{
    session_hold(s);
    engine_savepoint_check(s->serve->engine, s->p.restore, s->p.restore_plan, s->loop, checked_cb, s);
}
