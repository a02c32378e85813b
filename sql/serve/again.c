/* Jobs that have failed: RESUME begins them anew, though their metadata says that they run; what to type about one. */
#include "sql/serve/session.h"

static void ask_next(struct session *s);

static void asked_cb(void *arg, int status, const char *why)
{
    struct session *s = arg;
    (void)why;
    if (!session_release(s))
        return;
    if (!status)
        s->again_begun++;
    s->again_at++;
    ask_next(s);
}

static void ask_next(struct session *s)
{
    struct prepared *p = &s->p;
    if (s->again_at < p->nagain) {
        session_hold(s);
        engine_job_again(s->serve->engine, p->again[s->again_at], s->loop, asked_cb, s);
        return;
    }
    if (s->again_begun && p->kind == PREPARED_NOTHING)
        p->message = NULL; /* something did change */
    if (s->again_begun)
        tell_message(s, arena_printf(&s->memory, "%u failed job%s begun anew from %s last commit", s->again_begun,
                                     s->again_begun == 1 ? " is" : "s are", s->again_begun == 1 ? "its" : "their"));
    if (s->again_begun && p->nagain == 1)
        p->job = p->again[0];
    await_job(s);
}

void again_begin(struct session *s)
{
    s->again_at = s->again_begun = 0;
    ask_next(s);
}

/* ---- What to type */

static const char *kind_of(const struct image *im, const char *name, struct arena *a)
{
    const struct relation *r = relation_find(im, str_of(name), a, NULL);
    return r && r->table ? "TABLE" : "STREAM";
}

/* A relation that is read twice is dropped once; look: only whether it is there. */
static bool drop_once(const struct image *im, const char *name, bool look, struct wbuf *drops, struct arena *a)
{
    const char *drop = arena_printf(a, " DROP %s %s;", kind_of(im, name, a), name);
    bool there = drops->len && strstr(arena_dup(a, wbuf_view(drops)).ptr, drop);
    if (!there && !look)
        wbuf_str(drops, str_of(drop));
    return there;
}

static void drop_gone(const struct image *im, const struct plan_node *n, struct wbuf *drops, const char **topic,
                      struct arena *a)
{
    if (n->kind == PLAN_SOURCE && !image_topic_by_id(im, n->topic)) {
        *topic = n->topic_name;
        if (relation_find(im, str_of(n->relation), a, NULL))
            (void)drop_once(im, n->relation, false, drops, a);
    }
    for (unsigned i = 0; i < n->ninputs; i++)
        drop_gone(im, n->inputs[i], drops, topic, a);
}

/* Of jobs that read something of what is to be dropped, what they fill is dropped before; so is what reads that. */
static void drop_readers(const struct image *im, struct uuid relation, struct wbuf *drops, struct arena *a, unsigned depth)
{
    struct job_def def;
    for (unsigned i = 0; i < im->nobjects && depth < PLAN_DEPTH; i++) {
        if (strcmp(im->objects[i]->kind, "job") != 0 || job_def_unpack(&def, im->objects[i]->body, a) != 0)
            continue;
        const struct object *filled = image_object_by_id(im, def.relation);
        for (unsigned k = 0; filled && k < def.nreads; k++)
            if (uuid_eq(def.reads[k], relation) && !drop_once(im, filled->name, true, drops, a)) {
                drop_readers(im, def.relation, drops, a, depth + 1);
                (void)drop_once(im, filled->name, false, drops, a);
            }
    }
}

static void readers_of_gone(const struct image *im, const struct plan_node *n, struct wbuf *drops, struct arena *a)
{
    const struct relation *r = n->kind == PLAN_SOURCE && !image_topic_by_id(im, n->topic)
                                   ? relation_find(im, str_of(n->relation), a, NULL) : NULL;
    if (r)
        drop_readers(im, r->id, drops, a, 0);
    for (unsigned i = 0; i < n->ninputs; i++)
        readers_of_gone(im, n->inputs[i], drops, a);
}

const char *gone_hint(const struct image *im, struct uuid job, struct arena *a)
{
    const struct object *o = image_object_by_id(im, job), *filled;
    const char *topic = NULL, *hint = NULL;
    struct job_def def;
    struct plan *plan;
    struct wbuf drops;
    if (!o || job_def_unpack(&def, o->body, a) != 0 || plan_unpack(&plan, def.plan, a) != 0 ||
        !(filled = image_object_by_id(im, def.relation)))
        return NULL;
    wbuf_init(&drops);
    drop_readers(im, def.relation, &drops, a, 0);
    (void)drop_once(im, filled->name, false, &drops, a);
    readers_of_gone(im, plan->sink, &drops, a);
    if (!image_topic_by_id(im, def.output) || !image_topic_by_id(im, def.changelog))
        topic = "that it writes";
    drop_gone(im, plan->sink, &drops, &topic, a);
    if (topic)
        hint = arena_printf(a, "topic %s is gone, so it cannot begin anew.%.*s takes away what was made over it", topic,
                            STR_ARG(wbuf_view(&drops)));
    wbuf_fini(&drops);
    return hint;
}

const char *failed_hint(const struct image *im, struct uuid job, const char *why, struct arena *a)
{
    const struct object *o = image_object_by_id(im, job);
    const char *gone = gone_hint(im, job, a);
    if (gone || !o)
        return gone;
    if (why && strstr(why, "weir job resume")) /* it says itself what to type */
        return NULL;
    return arena_printf(a, "RESUME %s; begins it anew from its last commit", o->name);
}
