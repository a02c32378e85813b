/* Deploying a file: each CREATE is done once; the same file again finds everything in place, a changed query replaces its
 * job's. */
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

static int check_create(struct session *s, struct str text, struct ast_statement *st)
{
    struct image *im = cluster_image(broker_cluster(s->serve->broker));
    const char *what, *old = existing(s, im, st, &what);
    struct str name = st->name.text;
    struct relation *r = st->kind == AST_CREATE_AS ? relation_find(im, name, &s->memory, NULL) : NULL;
    bool replace = st->or_replace || (r && !uuid_is_zero(r->job));
    int rc = 0;
    if (old && statement_says_the_same(st, old, &s->memory)) {
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
    case AST_CREATE_FUNCTION:
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
