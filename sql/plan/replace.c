/* CREATE OR REPLACE of what a job fills: the job goes on with a new plan and keeps what is still true. What cannot go
 * on in place is refused with the reason; what becomes of the state is told (engine/run/replace.c decides it). */
#include <stdio.h>

#include "sql/plan/statement.h"

bool statement_says_the_same(struct ast_statement *new, const char *old_text, struct arena *a)
{
    struct ast_statement *old;
    struct diag d;
    if (parse_statement(&old, str_of(old_text), a, &d) != 0 || !old)
        return false;
    struct wbuf x, y;
    wbuf_init(&x);
    wbuf_init(&y);
    struct ast_statement copy = *new;
    copy.if_clause = old->if_clause = copy.or_replace = old->or_replace = false;
    ast_print(&copy, false, &x);
    ast_print(old, false, &y);
    bool same = str_eq(wbuf_view(&x), wbuf_view(&y));
    wbuf_fini(&x);
    wbuf_fini(&y);
    return same;
}

/* ---- What cannot change beneath those who read the topic. */

static int refuse(struct stmt *st, const struct relation *old, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int refuse(struct stmt *st, const struct relation *old, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *why = arena_vprintf(st->arena, fmt, ap);
    va_end(ap);
    bind_error(&st->b, stmt_create(st)->name.place, "0A000", "\"%s\" cannot be replaced in place: %s", old->name, why);
    diag_hint(st->b.diag, "weir deploy --beside gives the new version a topic of its own; or DROP and create it again");
    return E_SQL;
}

/* "k INT, v VARCHAR" */
static const char *columns_text(struct stmt *st, const struct column *cols, unsigned n)
{
    struct wbuf w;
    wbuf_init(&w);
    for (unsigned i = 0; i < n; i++) {
        wbuf_printf(&w, "%s%s ", i ? ", " : "", cols[i].name);
        type_put(cols[i].type, &w);
    }
    const char *text = n ? arena_dup(st->arena, wbuf_view(&w)).ptr : "none";
    wbuf_fini(&w);
    return text;
}

static bool same_column(const struct column *a, const struct column *b)
{
    return strcmp(a->name, b->name) == 0 && type_eq(a->type, b->type);
}

static bool same_format(const struct format *a, const struct format *b)
{
    return a->kind == b->kind && a->delimiter == b->delimiter && a->wrapped == b->wrapped;
}

static int check_values(struct stmt *st, const struct relation *old, const struct relation *new)
{
    const struct row_format *f = &old->format, *g = &new->format;
    for (unsigned i = 0; i < f->nvalue; i++) {
        unsigned at = 0;
        char type[TYPE_TEXT], was[TYPE_TEXT];
        while (at < g->nvalue && strcmp(g->value_cols[at].name, f->value_cols[i].name) != 0)
            at++;
        if (at == g->nvalue)
            return refuse(st, old, "column %s would be gone", f->value_cols[i].name);
        type_format(f->value_cols[i].type, was);
        type_format(g->value_cols[at].type, type);
        if (!type_eq(f->value_cols[i].type, g->value_cols[at].type))
            return refuse(st, old, "column %s would be %s and was %s", f->value_cols[i].name, type, was);
        if (at != i)
            return refuse(st, old, "column %s would change its place; new columns stand at the end",
                          f->value_cols[i].name);
    }
    if (g->nvalue > f->nvalue && f->value.kind != FORMAT_JSON)
        return refuse(st, old, "a %s record has no room for another column", format_name(f->value.kind));
    return 0;
}

static int check_shape(struct stmt *st, const struct relation *old, const struct relation *new)
{
    const struct row_format *f = &old->format, *g = &new->format;
    bool same_key = f->nkey == g->nkey;
    for (unsigned i = 0; same_key && i < f->nkey; i++)
        same_key = same_column(&f->key_cols[i], &g->key_cols[i]);
    if (old->table != new->table)
        return refuse(st, old, "it is a %s", old->table ? "table" : "stream");
    if (!same_key)
        return refuse(st, old, "its key would change from (%s) to (%s)", columns_text(st, f->key_cols, f->nkey),
                      columns_text(st, g->key_cols, g->nkey));
    if (f->window_size_ms != g->window_size_ms)
        return refuse(st, old, "its windows would change, which are part of its key");
    if (!uuid_eq(old->topic, new->topic))
        return refuse(st, old, "its topic is \"%s\"", old->topic_name);
    if (!same_format(&f->key, &g->key) || !same_format(&f->value, &g->value))
        return refuse(st, old, "the format of its records would change");
    return check_values(st, old, new);
}

/* ---- What is read again. */

struct old_reads {
    struct uuid topic;
    bool found;
};

static void find_read(const struct plan_node *n, struct old_reads *r)
{
    r->found |= n->kind == PLAN_SOURCE && uuid_eq(n->topic, r->topic);
    for (unsigned i = 0; i < n->ninputs; i++)
        find_read(n->inputs[i], r);
}

int64_t stmt_topic_records(const struct stmt *st, struct uuid topic, bool *trimmed)
{
    *trimmed = false;
    return st->env->topic_records ? st->env->topic_records(st->env->topic_arg, topic, trimmed) : -1;
}

/* What was built of records that are gone cannot be built again. */
static int check_sources(struct stmt *st, struct replacement *r)
{
    for (unsigned i = 0; i < r->diff.nsources; i++) {
        const struct replaced *s = &r->diff.sources[i];
        struct old_reads reads = {s->node->topic, false};
        bool trimmed;
        find_read(r->old_plan->sink, &reads);
        (void)stmt_topic_records(st, s->node->topic, &trimmed);
        if (s->fate == REPLACE_NEW && reads.found && trimmed && !s->node->from_latest && !s->node->from_ms)
            return refuse(st, r->old,
                          "its state would have to be rebuilt, but topic \"%s\" no longer holds its first records",
                          s->node->topic_name);
    }
    return 0;
}

/* ---- In words. */

static const char *records_text(struct stmt *st, const struct plan_node *n)
{
    bool trimmed;
    int64_t records = stmt_topic_records(st, n->topic, &trimmed);
    if (n->from_latest)
        return "from its end";
    if (records < 0)
        return "from its beginning";
    return arena_printf(st->arena, "%s, %lld record%s", n->from_ms ? "from the time set" : "from its beginning",
                        (long long)records, records == 1 ? "" : "s");
}

static const char *fate_line(struct stmt *st, const struct replaced *x)
{
    static const char *const stores[] = {"keep   ", "keep   ", "rebuild"};
    const char *what = plan_node_words(x->node, st->arena);
    if (x->node->kind != PLAN_SOURCE)
        return arena_printf(st->arena, "  %s  %s%s", stores[x->fate], what,
                            x->fate == REPLACE_AGAIN ? ", which are given once more" : "");
    return x->fate == REPLACE_KEPT ? arena_printf(st->arena, "  go on    %s", what)
                                   : arena_printf(st->arena, "  read     %s %s", what, records_text(st, x->node));
}

void replacement_lines(struct stmt *st, const struct replacement *r, void (*line_cb)(void *arg, const char *line),
                       void *arg)
{
    for (unsigned i = 0; i < r->diff.nstores; i++)
        line_cb(arg, fate_line(st, &r->diff.stores[i]));
    for (unsigned i = 0; i < r->diff.nsources; i++)
        line_cb(arg, fate_line(st, &r->diff.sources[i]));
    bool reads = false, record = r->plan->sink->record;
    if (record != r->old_plan->sink->record)
        line_cb(arg, record ? "  emit     each record's effect by itself; until now what each epoch changed"
                            : "  emit     what each epoch changes; until now each record's effect by itself");
    for (unsigned i = 0; i < r->diff.nsources; i++)
        reads |= r->diff.sources[i].fate == REPLACE_NEW;
    if (r->diff.ndropped)
        line_cb(arg, arena_printf(st->arena, "  drop     %u store%s of the version before", r->diff.ndropped,
                                  r->diff.ndropped == 1 ? "" : "s"));
    if (reads && r->old->table)
        line_cb(arg, arena_printf(st->arena, "  meanwhile table %s is partly empty; its old rows stay if the new version runs "
                                             "beside it (SET 'replace.mode' = 'beside', weir deploy --beside)", r->old->name));
}

struct lines {
    struct wbuf w;
};

static void add_line(void *arg, const char *line)
{
    struct lines *l = arg;
    wbuf_printf(&l->w, "\n%s", line);
}

static const char *replacement_text(struct stmt *st, const struct replacement *r)
{
    struct lines l;
    wbuf_init(&l.w);
    replacement_lines(st, r, add_line, &l);
    const char *text = arena_dup(st->arena, wbuf_view(&l.w)).ptr;
    wbuf_fini(&l.w);
    return text;
}

static void each_source(struct stmt *st, const struct plan_node *n, struct lines *l)
{
    if (n->kind == PLAN_SOURCE)
        wbuf_printf(&l->w, "\n%s", fate_line(st, &(struct replaced){n, REPLACE_NEW}));
    for (unsigned i = 0; i < n->ninputs; i++)
        each_source(st, n->inputs[i], l);
}

const char *stmt_reads(struct stmt *st, const struct plan *plan)
{
    struct lines l;
    wbuf_init(&l.w);
    each_source(st, plan->sink, &l);
    const char *text = arena_dup(st->arena, wbuf_view(&l.w)).ptr;
    wbuf_fini(&l.w);
    return text;
}

void stmt_effect(struct stmt *st, enum prepared_effect effect, const char *name, const char *detail)
{
    st->out->effect = effect;
    st->out->relation = name;
    st->out->detail = detail;
}

/* ---- The statement. */

int replacement_begin(struct stmt *st, struct relation *old, struct replacement *r)
{
    *r = (struct replacement){.old = old, .job = image_object_by_id(st->b.image, old->job)};
    if (r->job && job_def_unpack(&r->def, r->job->body, st->arena) == 0 &&
        plan_unpack(&r->old_plan, r->def.plan, st->arena) == 0)
        return 0;
    return bind_error(&st->b, stmt_create(st)->name.place, "58030",
                      "the stored description of job \"%s\" cannot be read", old->name);
}

/* What the statement leaves open stays as it is. */
static void keep_properties(struct stmt *st, const struct relation *old, const struct plan *plan, struct with *w)
{
    const struct topic *t = image_topic_by_id(st->b.image, old->topic);
    if (!w->topic.ptr && t)
        w->topic = str_of(t->name);
    if (w->key_format < 0 && old->format.nkey)
        w->key_format = (int)old->format.key.kind;
    if (w->value_format < 0)
        w->value_format = (int)old->format.value.kind;
    if (w->emit < 0)
        w->emit = plan->sink->record;
    if (!w->key_delimiter)
        w->key_delimiter = old->format.key.delimiter;
    if (!w->value_delimiter)
        w->value_delimiter = old->format.value.delimiter;
}

int replacement_plan(struct stmt *st, struct replacement *r)
{
    int32_t partitions;
    struct draft_relation *dr = &r->dr;
    if (!image_topic_by_id(st->b.image, r->old->topic))
        return refuse(st, r->old, "its topic \"%s\" does not exist any more", r->old->topic_name);
    int err = bind_create_as(st, &r->query, dr);
    if (err)
        return err;
    keep_properties(st, r->old, r->old_plan, &dr->with);
    err = relation_finish(st, dr, &partitions);
    if (!err)
        err = check_shape(st, r->old, &dr->rel);
    if (!err)
        err = job_check_output(st, &r->query, &dr->rel, r->old->job);
    if (!err)
        err = job_plan(st, &r->query, dr, partitions, &r->plan);
    if (!err && plan_replace(r->old_plan, r->plan, r->def.version + 1, st->arena, &r->diff) != 0)
        err = refuse(st, r->old, "it has been replaced too often");
    return err ? err : check_sources(st, r);
}

/* A version that takes nothing over does not need the savepoint that the one before may still wait to be filled from. */
static bool takes_nothing(const struct plan_diff *d)
{
    bool nothing = true;
    for (unsigned i = 0; i < d->nstores; i++)
        nothing &= d->stores[i].fate == REPLACE_NEW;
    for (unsigned i = 0; i < d->nsources; i++)
        nothing &= d->sources[i].fate == REPLACE_NEW;
    return nothing;
}

int prepare_replace(struct stmt *st, struct relation *old)
{
    struct replacement r;
    if (beside_wanted(st))
        return prepare_beside(st, old);
    int err = replacement_begin(st, old, &r);
    if (!err && statement_says_the_same(stmt_create(st), old->sql, st->arena))
        return policy_alone(st, old);
    if (!err)
        err = replacement_plan(st, &r);
    if (err)
        return err;
    struct relation *rel = &r.dr.rel;
    struct job_def def = r.def;
    rel->id = old->id;
    rel->job = old->job;
    rel->name = old->name;
    rel->sql = arena_dup(st->arena, stmt_sql(st)).ptr;
    relation_put(st, rel, false);
    def.sql = rel->sql;
    def.version++;
    if (takes_nothing(&r.diff))
        def.savepoint = (struct uuid){{0}};
    if ((err = policy_of_session(st, &def, &r.query, old->topic_name)) != 0)
        return err;
    job_put(st, &def, &r.query, r.plan, old->job);
    st->out->job = def.stopped ? (struct uuid){{0}} : old->job;
    stmt_effect(st, EFFECT_REPLACED, old->name, replacement_text(st, &r));
    stmt_message(st, "%s \"%s\" replaced%s", old->table ? "table" : "stream", old->name, st->out->detail);
    return 0;
}
