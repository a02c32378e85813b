/* SHOW, DESCRIBE, EXPLAIN: tables and texts; what only a running job knows is asked from the engine row by row. */
#include "sql/serve/session.h"

/* Lines: what stands in the first of two columns is a name, what stands in the last is text. */
static void put_vertical(const struct row_table *t, struct wbuf *out)
{
    unsigned last = t->schema.n - 1;
    size_t width = 0;
    for (unsigned i = 0; last && i < t->nrows; i++)
        width = MAX(width, t->rows[i][0].s.len);
    for (unsigned i = 0; i < t->nrows; i++) {
        if (last)
            wbuf_printf(out, "%-*.*s  ", (int)width, STR_ARG(t->rows[i][0].s));
        if (!t->rows[i][last].null)
            value_format(&t->rows[i][last], out);
        if (!out->len || out->data[out->len - 1] != '\n')
            wbuf_u8(out, '\n');
    }
}

static void show(struct session *s)
{
    const struct row_table *t = &s->p.rows;
    if (s->p.message)
        tell_message(s, s->p.message);
    if (s->p.vertical && t->schema.n == 1 && !uuid_is_zero(s->p.job))
        return; /* the plan comes with its counters */
    if (s->p.vertical) {
        struct wbuf text;
        wbuf_init(&text);
        put_vertical(t, &text);
        tell_text(s, wbuf_view(&text));
        wbuf_fini(&text);
        return;
    }
    tell_columns(s, "table", false, false, &t->schema, NULL);
    if (t->nrows)
        tell_table(s, t);
    s->rows = t->nrows;
}

/* ---- The job that a statement speaks of, at the end. */
const struct plan *job_plan_of(struct session *s, struct uuid job)
{
    const struct object *obj = image_object_by_id(s->image, job);
    struct job_def def;
    struct plan *plan;
    if (!obj || job_def_unpack(&def, obj->body, &s->memory) != 0 || plan_unpack(&plan, def.plan, &s->memory) != 0)
        return NULL;
    return plan;
}

static void described_cb(void *arg, int status, struct job_status *st)
{
    struct session *s = arg;
    if (!session_release(s))
        return;
    if (!status) {
        struct wbuf text;
        wbuf_init(&text);
        const struct object *o = image_object_by_id(s->image, s->p.job);
        st->name = o ? o->name : st->name; /* it may have got another one since it was started */
        const char *hint = st->state == JOB_FAILED ? failed_hint(s->image, s->p.job, st->why, &s->memory)
                           : st->state == JOB_PAUSED ? arena_printf(&s->memory, "RESUME %s; lets it go on", st->name)
                                                     : NULL;
        const struct plan *plan = job_plan_of(s, s->p.job);
        bool explain = s->p.rows.schema.n == 1;
        job_describe(st, plan, !explain, hint, loop_wall_ms(s->loop), &text);
        if (explain && plan) {
            wbuf_str(&text, STR("plan\n"));
            analyze_plan(s, plan, st, &text);
        }
        tell_text(s, wbuf_view(&text));
        wbuf_fini(&text);
    }
    session_done(s);
}

static void finish(struct session *s)
{
    if (s->p.errors)
        s->p.rows = s->found;
    show(s);
    if (s->words.len)
        tell_message(s, arena_dup(&s->memory, wbuf_view(&s->words)).ptr);
    if (uuid_is_zero(s->p.job)) {
        session_done(s);
        return;
    }
    if (s->p.analyze) {
        analyze_job(s);
        return;
    }
    session_hold(s);
    engine_job_status(s->serve->engine, s->p.job, s->loop, &s->memory, described_cb, s);
}

/* ---- Tables of jobs. */
static void fill_next(struct session *s);

static void filled_cb(void *arg, int status, struct job_status *st)
{
    struct session *s = arg;
    if (!session_release(s))
        return;
    struct row_table *t = &s->p.rows;
    const char *words = !status && s->p.errors ? errors_words(st, loop_wall_ms(s->loop), &s->memory) : NULL;
    if (!status && s->p.errors)
        errors_rows(st, &s->memory, (unsigned)MIN(s->p.limit, (int64_t)UINT32_MAX), &s->found);
    if (words)
        wbuf_printf(&s->words, "%s%s", s->words.len ? "\n" : "", words);
    const char *values = !status && s->p.errors ? errors_values(st, &s->memory) : NULL;
    if (values)
        wbuf_printf(&s->words, "%sjob %s: %s (the first: %s)", s->words.len ? "\n" : "", st->name, values, st->first_row_error);
    for (unsigned c = 0; !status && !s->p.errors && c < t->schema.n; c++)
        job_cell(st, t->schema.cols[c].name, &s->memory, &t->rows[s->filling][c]);
    s->filling++;
    fill_next(s);
}

static void fill_next(struct session *s)
{
    struct row_table *t = &s->p.rows;
    while (s->filling < t->nrows && (!t->row_jobs || uuid_is_zero(t->row_jobs[s->filling])))
        s->filling++;
    if (s->filling == t->nrows) {
        finish(s);
        return;
    }
    session_hold(s);
    engine_job_status(s->serve->engine, t->row_jobs[s->filling], s->loop, &s->memory, filled_cb, s);
}

/* Columns that the engine fills are numbers, but for two; false: the table has none of them. */
static bool type_job_columns(struct row_table *t)
{
    struct job_status nothing = {.watermark_ms = INT64_MIN};
    struct arena a;
    struct value v;
    bool any = false;
    arena_init(&a);
    for (unsigned c = 0; t->row_jobs && c < t->schema.n; c++)
        if (job_cell(&nothing, t->schema.cols[c].name, &a, &v)) {
            t->schema.cols[c].type = v.type;
            any = true;
        }
    arena_fini(&a);
    return any;
}

void table_begin(struct session *s)
{
    s->found = (struct row_table){.schema = s->p.rows.schema};
    wbuf_reset(&s->words);
    s->filling = s->p.errors ? 0 : type_job_columns(&s->p.rows) ? 0 : s->p.rows.nrows;
    fill_next(s);
}
