/* SELECT as a query of a session, and EXPLAIN. */
#include "sql/plan/statement.h"

/* ---- Plans of queries */

static bool is_pull(const struct ast_select *s) { return s->emit == AST_EMIT_NONE; }

int query_plan(struct stmt *st, const struct ast_select *s, struct query *q, struct plan **out)
{
    enum query_use use = is_pull(s) ? QUERY_PULL : QUERY_PUSH;
    int err = bind_query(&st->b, s, use, false, q);
    if (err)
        return err;
    struct plan_node *input;
    unsigned *ids;
    q->tree = rules_apply(q->tree, q->columns);
    struct lowering lo = {.arena = st->arena, .columns = q->columns, .diag = st->b.diag,
                          .until_end = use == QUERY_PULL, .result = true, .every_ms = q->every_ms};
    if (use == QUERY_PUSH)
        lowering_start(&lo, st->env->props);
    if ((err = tree_lower(&lo, q->tree, &input, &ids)) != 0)
        return diag_place(st->b.diag, err, st->b.text, s->place);
    struct plan_node *sink = physical_node(st->arena, PLAN_SINK_QUERY, input);
    sink->limit = use == QUERY_PUSH ? q->limit : -1;
    sink->record = use == QUERY_PUSH && !q->every_ms && emits_records(st->env->props);
    const struct topic *t = q->nreads ? image_topic_by_id(st->b.image, q->reads[0].rel->topic) : NULL;
    return plan_finish(sink, plan_parallelism(t ? t->nparts : 1), st->arena, out, st->b.diag);
}

/* Topics may have been deleted under a relation. */
static int check_topics(struct stmt *st, const struct query *q)
{
    for (unsigned i = 0; i < q->nreads; i++) {
        const struct relation *rel = q->reads[i].rel;
        if (rel->sys || image_topic_by_id(st->b.image, rel->topic))
            continue;
        bind_error(&st->b, q->reads[i].place, "42P01", "topic \"%s\" of \"%s\" does not exist any more",
                   rel->topic_name, rel->name);
        diag_hint(st->b.diag, "DROP %s %s; and create it again", rel->table ? "TABLE" : "STREAM", rel->name);
        return E_SQL;
    }
    return 0;
}

static bool is_total(const struct tree *t)
{
    while (t->kind == TREE_FILTER || t->kind == TREE_PROJECT || t->kind == TREE_TOPN)
        t = t->inputs[0];
    return t->kind == TREE_AGGREGATE && t->total && t->groups.n == 0;
}

int prepare_select(struct stmt *st)
{
    struct query q;
    struct plan *plan;
    int err = query_plan(st, st->ast->select, &q, &plan);
    if (!err)
        err = check_topics(st, &q);
    if (err)
        return err;
    st->out->kind = PREPARED_QUERY;
    st->out->plan = plan;
    st->out->schema = plan->sink->inputs[0]->out;
    st->out->push = !is_pull(st->ast->select);
    st->out->total = !st->out->push && is_total(q.tree);
    st->out->changes = plan->sink->inputs[0]->mode != MODE_APPEND && st->out->push;
    return 0;
}

/* ---- EXPLAIN */

static void add_lines(struct stmt *st, struct str text)
{
    while (text.len) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t n = end ? (size_t)(end - text.ptr) : text.len;
        const char *line = arena_dup(st->arena, (struct str){text.ptr, n}).ptr;
        rows_add(st, &line, st->out->job);
        text = (struct str){text.ptr + n + (end != NULL), text.len - n - (end != NULL)};
    }
}

static void show_plan(struct stmt *st, const struct plan *plan)
{
    static const char *const columns[] = {"plan"};
    struct wbuf w;
    wbuf_init(&w);
    plan_explain(plan, NULL, 0, &w);
    rows_columns(st, columns, 1);
    add_lines(st, arena_dup(st->arena, wbuf_view(&w)));
    wbuf_fini(&w);
    st->out->vertical = true;
}

static void add_text(void *arg, const char *line)
{
    struct stmt *st = arg;
    rows_add(st, &line, st->out->job);
}

/* What there is to say below the plan of a statement that changes a job. */
struct told {
    struct replacement replacement; /* old: in its place */
    struct relation *beside;        /* beside its job */
};

static int explain_create(struct stmt *st, struct plan **plan, struct told *told)
{
    struct query q;
    struct draft_relation dr;
    int32_t partitions;
    struct relation *old;
    struct stmt inner = *st;
    inner.ast = st->ast->inner;
    int err = relation_name_free(&inner, &old);
    if (err < 0)
        return err;
    *st->out = (struct prepared){.limit = -1};
    bool there = !err && old && !uuid_is_zero(old->job);
    if (there && beside_wanted(st)) {
        told->beside = old;
        err = beside_plan(&inner, old, &q, &dr, plan);
    } else if (there) {
        err = replacement_begin(&inner, old, &told->replacement);
        if (!err)
            err = replacement_plan(&inner, &told->replacement);
        *plan = told->replacement.plan;
    } else {
        err = bind_create_as(&inner, &q, &dr);
        if (!err)
            err = relation_finish(&inner, &dr, &partitions);
        if (!err)
            err = job_plan(&inner, &q, &dr, partitions, plan);
    }
    prepared_fini(st->out); /* the change was only built to see what would be made */
    return err;
}

static void tell_change(struct stmt *st, struct told *told, const struct plan *plan)
{
    if (told->replacement.old)
        add_text(st, "in place of the version that runs");
    if (told->replacement.old)
        replacement_lines(st, &told->replacement, add_text, st);
    if (told->beside)
        add_lines(st, str_of(arena_printf(st->arena, "beside the version that runs, whose rows stay until PROMOTE%s",
                                          beside_text(st, told->beside, plan))));
}

static int explain_job(struct stmt *st)
{
    const struct ast_name *name = &st->ast->name;
    const struct object *o = find_job(st, name, "EXPLAIN takes a SELECT, a CREATE ... AS SELECT, or the name of a job");
    struct job_def j;
    struct plan *plan;
    if (!o)
        return E_SQL;
    if (job_def_unpack(&j, o->body, st->arena) != 0 || plan_unpack(&plan, j.plan, st->arena) != 0)
        return bind_error(&st->b, name->place, "58030", "the stored plan of job \"%s\" cannot be read", o->name);
    st->out->job = o->id;
    st->out->analyze = st->ast->analyze;
    show_plan(st, plan);
    return 0;
}

/* It is run, to its sources' end. */
static int analyze(struct stmt *st)
{
    struct stmt inner = *st;
    inner.ast = st->ast->inner;
    if (inner.ast->kind != AST_SELECT) {
        bind_error(&st->b, inner.ast->place, "42601", "EXPLAIN ANALYZE runs what it explains, and makes nothing");
        diag_hint(st->b.diag, "it takes a SELECT, or the name of a job that runs");
        return E_SQL;
    }
    int err = prepare_select(&inner);
    st->out->analyze = true;
    return err;
}

int prepare_explain(struct stmt *st)
{
    struct query q;
    struct plan *plan;
    struct told told = {.beside = NULL};
    if (!st->ast->inner)
        return explain_job(st);
    if (st->ast->analyze)
        return analyze(st);
    int err = st->ast->inner->kind == AST_SELECT ? query_plan(st, st->ast->inner->select, &q, &plan)
                                                 : explain_create(st, &plan, &told);
    if (err)
        return err;
    show_plan(st, plan);
    tell_change(st, &told, plan);
    return 0;
}
