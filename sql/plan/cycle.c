/* Jobs that would feed each other without end. Topics are places, a job is a way from each topic that it reads to the one that
 * it writes; a new way must not lead back to where it comes from. */
#include "sql/plan/statement.h"
#include <stdio.h>

struct way {
    struct uuid from, to;
    const char *job;
    const struct way *before; /* on the way here */
    bool gone;
};
struct ways {
    struct stmt *st;
    struct uuid but; /* the job that is being replaced */
    struct way *v;
    unsigned n, cap;
};

static void add_ways(void *arg, const struct object *o, const struct job_def *j)
{
    struct ways *ws = arg;
    struct relation rel;
    for (unsigned i = 0; i < j->nreads && !uuid_eq(o->id, ws->but); i++) {
        const struct object *read = image_object_by_id(ws->st->b.image, j->reads[i]);
        if (read && strcmp(read->kind, "relation") == 0 && relation_unpack(&rel, read, ws->st->arena) == 0)
            VEC_PUSH(ws->v, ws->n, ws->cap) = (struct way){.from = rel.topic, .to = j->output, .job = j->name};
    }
}

/* The last way of one that leads from `from` to a topic that q reads, or NULL. Ways that have been gone are not gone again. */
static const struct way *find(struct ways *ws, const struct query *q, struct uuid from, const struct way *before)
{
    for (unsigned i = 0; i < ws->n; i++) {
        struct way *w = &ws->v[i];
        if (w->gone || !uuid_eq(w->from, from))
            continue;
        w->gone = true;
        w->before = before;
        for (unsigned k = 0; k < q->nreads; k++)
            if (uuid_eq(q->reads[k].rel->topic, w->to))
                return w;
        const struct way *found = find(ws, q, w->to, w);
        if (found)
            return found;
    }
    return NULL;
}

int cycle_check(struct stmt *st, const struct query *q, const struct relation *rel, struct uuid but)
{
    struct ways ws = {.st = st, .but = but};
    char path[160] = "";
    job_each(st->b.image, st->arena, add_ways, &ws);
    const struct way *last = find(&ws, q, rel->topic, NULL);
    for (const struct way *w = last; w; w = w->before) { /* from the last one back: what is read first */
        size_t len = strlen(path);
        snprintf(path + len, sizeof path - len, "%s\"%.40s\"", len ? ", which reads " : "", w->job);
    }
    if (!last) {
        xfree(ws.v);
        return 0;
    }
    bind_error(&st->b, stmt_create(st)->name.place, "42P19", "\"%s\" would read itself, without end: it reads %s, which reads \"%s\"",
               rel->name, path, rel->name);
    diag_hint(st->b.diag, "give the result another name, or read what %s reads", last->job);
    xfree(ws.v);
    return E_SQL;
}
