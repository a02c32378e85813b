/* A query is silent: the reason may lie in the job that fills what it reads, or in the one that fills what that reads.
 * They are asked one after the other, each on its own loop; the sentences are put together in that order. */
#include "sql/serve/session.h"

enum { DEPTH = 8 }; /* jobs in a row that are asked */

struct silence {
    struct session *s; /* NULL: nobody wants to hear it any more */
    struct image *image;
    struct arena arena;
    struct job_status st; /* of the query: its counters */
    const struct object *job; /* being asked, */
    struct job_def def;
    struct plan *plan;
    const char *why;
    unsigned depth;
    bool ended, failed, sources, lookup; /* lookup: a key was asked for */
};

static void silence_free(struct silence *x)
{
    counted_release(&x->image->c);
    arena_fini(&x->arena);
    xfree(x);
}

void silence_end(struct session *s)
{
    if (s->silence)
        s->silence->s = NULL;
    s->silence = NULL;
}

/* A total of nothing may be a row; that nothing passed its WHERE is no news then. */
static void tell(struct silence *x)
{
    struct session *s = x->s;
    if (s) {
        s->silence = NULL;
        if (x->failed) {
            if (x->why)
                diag_hint(&s->diag, "%s", x->why);
            session_fail(s);
        } else if (!x->ended)
            tell_progress(s, &x->st, s->rows ? NULL : x->why, NULL);
        else if (x->why && (s->rows == 0 || x->sources))
            tell_message(s, x->why);
        if (x->ended)
            session_done(s);
    }
    silence_free(x);
}

/* The job that writes a topic; for a scan the one it names. */
static bool find_writer(struct silence *x, const struct plan_node *from)
{
    for (unsigned i = 0; i < x->image->nobjects; i++) {
        const struct object *o = x->image->objects[i];
        bool is = strcmp(o->kind, "job") == 0 && job_def_unpack(&x->def, o->body, &x->arena) == 0 &&
                  (from->kind == PLAN_SCAN ? uuid_eq(o->id, from->job) : uuid_eq(x->def.output, from->topic));
        if (is && plan_unpack(&x->plan, x->def.plan, &x->arena) == 0) {
            x->job = o;
            return true;
        }
    }
    return false;
}

/* The topic is made for the first letter, so what is not opened yet holds one. */
static bool has_letters(struct silence *x)
{
    const char *name = job_dead_topic(&x->def, &x->arena);
    const struct topic *t = image_topic(x->image, str_of(name));
    bool any = false;
    for (int32_t i = 0; t && t->parts && i < t->nparts; i++) {
        struct view *v = part_view(t->parts[i]);
        any |= !v || v->lso > v->log_start;
        if (v)
            counted_release(&v->c);
    }
    return any;
}

static void ask(struct silence *x, const struct plan_node *from);

static void answered_cb(void *arg, int status, struct job_status *st)
{
    struct silence *x = arg;
    const struct plan_node *from = NULL;
    if (!x->s || status) {
        tell(x);
        return;
    }
    st->name = x->job->name; /* it may have got another one since it was started */
    /* A job that runs is not why its table cannot be read; one that keeps rows, not why a key has none, but for what it
     * has left out. */
    if ((x->failed && st->state == JOB_RUNNING) || (x->lookup && st->state_rows)) {
        const char *less = x->failed ? NULL : why_lacks(st, &x->arena);
        if (less)
            x->why = arena_printf(&x->arena, "%s; %s", x->why, less);
        tell(x);
        return;
    }
    const char *hint = st->state == JOB_FAILED ? failed_hint(x->image, x->job->id, st->why, &x->arena) : NULL;
    x->why = arena_printf(&x->arena, "%s%s%s", x->why ? x->why : "", x->why ? ": " : "",
                          why_job(x->plan, st, has_letters(x), hint, &x->arena, &from));
    ask(x, from);
}

/* On to whoever writes what `from` reads; NULL: the reason is found. */
static void ask(struct silence *x, const struct plan_node *from)
{
    x->lookup = from && from->lookup;
    if (!from) {
        tell(x);
    } else if (x->depth++ < DEPTH && find_writer(x, from)) {
        engine_job_status(x->s->serve->engine, x->job->id, x->s->loop, &x->arena, answered_cb, x);
    } else {
        if (from->kind == PLAN_SOURCE && x->depth <= DEPTH && !from->from_latest)
            x->why = arena_printf(&x->arena, "%s, and nobody has written to it. INSERT INTO %s, weir produce %s or any Kafka client writes to it", x->why, from->relation,
                                  from->topic_name);
        tell(x);
    }
}

static struct silence *silence_new(struct session *s)
{
    struct silence *x = s->silence = xzalloc(sizeof *x);
    arena_init(&x->arena);
    x->s = s;
    x->image = s->image;
    counted_acquire(&x->image->c);
    return x;
}

void silence_begin(struct session *s, const struct job_status *st, bool ended)
{
    const struct plan_node *from = NULL;
    if (s->silence) /* it will be told soon */
        return;
    struct silence *x = silence_new(s);
    x->ended = ended;
    x->st = *st; /* of what it points to nothing is read once this returns */
    x->why = why_silent(s->p.plan, st, &x->arena, &from);
    x->sources = from && !from->lookup;
    ask(x, from);
}

static const struct plan_node *scan_of(const struct plan_node *n)
{
    if (n->kind == PLAN_SCAN)
        return uuid_is_zero(n->job) ? NULL : n;
    for (unsigned i = 0; i < n->ninputs; i++) {
        const struct plan_node *scan = scan_of(n->inputs[i]);
        if (scan)
            return scan;
    }
    return NULL;
}

void silence_failed(struct session *s)
{
    const struct plan_node *scan = scan_of(s->p.plan->sink);
    if (!scan) {
        session_fail(s);
        return;
    }
    struct silence *x = silence_new(s);
    x->failed = true;
    ask(x, scan);
}
