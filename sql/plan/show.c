/* SHOW and DESCRIBE: what the image holds, as tables. */
#include <stdio.h>

#include "sql/plan/statement.h"

/* ---- Tables of results */

void rows_columns(struct stmt *st, const char *const *names, unsigned n)
{
    struct row_table *t = &st->out->rows;
    st->out->kind = PREPARED_ROWS;
    t->schema = (struct schema){n, ARENA_ARRAY(st->arena, struct column, n)};
    for (unsigned i = 0; i < n; i++)
        t->schema.cols[i] = (struct column){names[i], TYPE(T_VARCHAR)};
}

void rows_add(struct stmt *st, const char *const *cells, struct uuid job)
{
    struct row_table *t = &st->out->rows;
    if (t->nrows == t->cap) {
        unsigned cap = t->cap ? t->cap * 2 : 16;
        struct value **rows = ARENA_ARRAY(st->arena, struct value *, cap);
        struct uuid *jobs = ARENA_ARRAY(st->arena, struct uuid, cap);
        if (t->nrows) {
            memcpy(rows, t->rows, t->nrows * sizeof *rows);
            memcpy(jobs, t->row_jobs, t->nrows * sizeof *jobs);
        }
        t->rows = rows;
        t->row_jobs = jobs;
        t->cap = cap;
    }
    struct value *row = ARENA_ARRAY(st->arena, struct value, t->schema.n);
    for (unsigned i = 0; i < t->schema.n; i++) {
        row[i] = value_null(TYPE(T_VARCHAR));
        row[i].null = cells[i] == NULL;
        row[i].type = t->schema.cols[i].type;
        if (cells[i] && row[i].type.id == T_BIGINT)
            row[i].null = !str_to_i64(str_of(cells[i]), &row[i].i);
        else if (cells[i])
            row[i].s = arena_dup(st->arena, str_of(cells[i]));
    }
    t->row_jobs[t->nrows] = job;
    t->rows[t->nrows++] = row;
}

static const struct uuid no_job;

static const char *number(struct stmt *st, int64_t n) { return arena_printf(st->arena, "%" PRId64, n); }

/* "KAFKA / JSON": how keys and values are written. */
static const char *formats_of(struct stmt *st, const struct relation *r)
{
    if (r->format.key.kind == FORMAT_NONE)
        return format_name(r->format.value.kind);
    return arena_printf(st->arena, "%s / %s", format_name(r->format.key.kind), format_name(r->format.value.kind));
}

/* ---- SHOW */

static const char *job_name(struct stmt *st, struct uuid id)
{
    const struct object *o = uuid_is_zero(id) ? NULL : image_object_by_id(st->b.image, id);
    return o ? o->name : NULL;
}

static void add_relation(void *arg, const struct relation *r)
{
    struct stmt *st = arg;
    bool tables = str_eq_nocase(st->ast->text, STR("TABLES"));
    if (r->table != tables)
        return;
    const char *name = job_name(st, r->job);
    const char *cells[] = {r->name, r->topic_name, formats_of(st, r), tables ? (r->windowed ? "yes" : "no") : name,
                           name};
    rows_add(st, cells, r->job);
}

static void show_streams(struct stmt *st)
{
    static const char *const columns[] = {"stream", "topic", "format", "job"};
    rows_columns(st, columns, ARRAY_LEN(columns));
    relation_each(st->b.image, st->arena, add_relation, st);
}

static void show_tables(struct stmt *st)
{
    static const char *const columns[] = {"table", "topic", "format", "windowed", "job"};
    rows_columns(st, columns, ARRAY_LEN(columns));
    relation_each(st->b.image, st->arena, add_relation, st);
}

struct on_topic {
    struct uuid topic;
    struct wbuf names;
};

static void add_on_topic(void *arg, const struct relation *r)
{
    struct on_topic *t = arg;
    if (uuid_eq(r->topic, t->topic))
        wbuf_printf(&t->names, "%s%s", t->names.len ? ", " : "", r->name);
}

static void show_topics(struct stmt *st)
{
    static const char *const columns[] = {"topic", "partitions", "relations"};
    rows_columns(st, columns, ARRAY_LEN(columns));
    st->out->rows.schema.cols[1].type = TYPE(T_BIGINT);
    for (unsigned i = 0; i < st->b.image->ntopics; i++) {
        const struct topic *t = st->b.image->topics[i];
        if (t->internal)
            continue;
        struct on_topic on = {.topic = t->id};
        wbuf_init(&on.names);
        relation_each(st->b.image, st->arena, add_on_topic, &on);
        const char *names = on.names.len ? arena_dup(st->arena, wbuf_view(&on.names)).ptr : NULL;
        wbuf_fini(&on.names);
        const char *cells[] = {t->name, number(st, t->nparts), names};
        rows_add(st, cells, no_job);
    }
}

static void add_job(void *arg, const struct object *o, const struct job_def *j)
{
    struct stmt *st = arg;
    const struct object *relation = image_object_by_id(st->b.image, j->relation);
    const char *cells[] = {j->name, NULL, NULL, NULL, NULL, NULL, NULL, NULL, relation ? relation->name : NULL, j->sql};
    rows_add(st, cells, o->id);
}

static void show_jobs(struct stmt *st)
{
    static const char *const columns[] = {"name",    "state",    "lag",      "backfill", "rows_per_s",
                                          "rows_in", "rows_out", "errors",   "relation", "statement"};
    rows_columns(st, columns, ARRAY_LEN(columns));
    job_each(st->b.image, st->arena, add_job, st);
}

/* "NAME(A, B) -> C" of a C function. */
static const char *signature(struct stmt *st, const struct function *f)
{
    struct wbuf w;
    wbuf_init(&w);
    wbuf_printf(&w, "%s(", f->name);
    for (unsigned i = 0; i < f->nargs; i++) {
        wbuf_str(&w, i ? STR(", ") : STR(""));
        type_put(f->args[i], &w);
    }
    wbuf_str(&w, STR(") -> "));
    type_put(f->result, &w);
    const char *text = arena_dup(st->arena, wbuf_view(&w)).ptr;
    wbuf_fini(&w);
    return text;
}

static void add_function(void *arg, const struct function *f)
{
    struct stmt *st = arg;
    const char *cells[] = {f->name, signature(st, f), arena_printf(st->arena, "%s in %s", f->symbol, f->library)};
    rows_add(st, cells, no_job);
}

static bool is_operator(const char *name)
{
    return lex_next(str_of(name), 0).place.len != strlen(name) || !((name[0] | 32) >= 'a' && (name[0] | 32) <= 'z');
}

static const struct {
    const char *name, *signature, *doc;
} aggregates[] = {
    {"COUNT", "COUNT(*) -> BIGINT; COUNT(any) -> BIGINT", "Rows; rows where the argument is not NULL."},
    {"SUM", "SUM(number) -> BIGINT, DECIMAL or DOUBLE", "Sum of the values that are not NULL."},
    {"AVG", "AVG(number) -> DOUBLE", "Mean of the values that are not NULL."},
    {"MIN", "MIN(any) -> the same", "Least value."},
    {"MAX", "MAX(any) -> the same", "Greatest value."},
};

static void show_functions(struct stmt *st)
{
    static const char *const columns[] = {"function", "signature", "description"};
    rows_columns(st, columns, ARRAY_LEN(columns));
    for (unsigned i = 0; i < ARRAY_LEN(aggregates); i++) {
        const char *cells[] = {aggregates[i].name, aggregates[i].signature, aggregates[i].doc};
        rows_add(st, cells, no_job);
    }
    for (unsigned i = 0; i < func_count(); i++) {
        const struct func_info *f = func_info(i);
        const char *cells[] = {f->name, f->signature, f->doc};
        if (!is_operator(f->name) && f->kind == FUNC_SCALAR)
            rows_add(st, cells, no_job);
    }
    function_each(st->b.image, st->arena, add_function, st);
}

static void show_properties(struct stmt *st)
{
    static const char *const columns[] = {"property", "value", "default", "description"};
    rows_columns(st, columns, ARRAY_LEN(columns));
    for (unsigned i = 0; property_at(i); i++) {
        const struct property *p = property_at(i);
        const char *value = arena_dup(st->arena, property_get(st->env->props, p->name)).ptr;
        const char *cells[] = {p->name, *value ? value : NULL, *p->dflt ? p->dflt : NULL, p->doc};
        rows_add(st, cells, no_job);
    }
}

static void show_variables(struct stmt *st)
{
    static const char *const columns[] = {"variable", "value"};
    rows_columns(st, columns, ARRAY_LEN(columns));
    for (unsigned i = 0; st->env->vars && i < st->env->vars->n; i++) {
        const char *cells[] = {st->env->vars->items[i].name, st->env->vars->items[i].value};
        rows_add(st, cells, no_job);
    }
}

/* SHOW TABLES FROM sys. */
static int show_schema(struct stmt *st)
{
    static const char *const columns[] = {"table", "rows"};
    const struct ast_name *from = &st->ast->name;
    if (!str_eq_nocase(st->ast->text, STR("TABLES")) || !str_eq_nocase(from->text, STR("sys"))) {
        bind_error(&st->b, from->place, "42P01", "there are no %.*s in \"%.*s\"", STR_ARG(st->ast->text),
                   STR_ARG(from->text));
        diag_hint(st->b.diag, "SHOW TABLES FROM sys lists the server's own tables");
        return E_SQL;
    }
    rows_columns(st, columns, ARRAY_LEN(columns));
    for (unsigned i = 0; sys_table_at(i); i++) {
        const char *cells[] = {arena_printf(st->arena, "sys.%s", sys_table_at(i)->name), sys_table_at(i)->doc};
        rows_add(st, cells, no_job);
    }
    return 0;
}

static void show_types(struct stmt *st)
{
    static const char *const columns[] = {"name", "type"};
    rows_columns(st, columns, ARRAY_LEN(columns));
    for (unsigned i = 0; i < st->b.image->nobjects; i++) {
        const struct object *o = st->b.image->objects[i];
        struct type t;
        if (strcmp(o->kind, "type") != 0 || named_type_unpack(o, &t, NULL, st->arena) != 0)
            continue;
        const char *cells[] = {arena_strdup(st->arena, o->name), type_text(t, st->arena)};
        rows_add(st, cells, no_job);
    }
}

int prepare_show(struct stmt *st)
{
    if (st->ast->name.text.ptr)
        return show_schema(st);
    static const struct {
        const char *what;
        void (*show)(struct stmt *st);
    } table[] = {{"STREAMS", show_streams},       {"TABLES", show_tables},      {"TOPICS", show_topics},
                 {"QUERIES", show_jobs},          {"JOBS", show_jobs},          {"FUNCTIONS", show_functions},
                 {"PROPERTIES", show_properties}, {"VARIABLES", show_variables},
                 {"SAVEPOINTS", savepoints_show}, {"TYPES", show_types},
                 {"VIEWS", views_show}};
    for (unsigned i = 0; i < ARRAY_LEN(table); i++)
        if (str_eq_nocase(st->ast->text, str_of(table[i].what)))
            table[i].show(st);
    return 0;
}

/* ---- DESCRIBE */

static void add_line(struct stmt *st, const char *name, const char *value)
{
    const char *cells[] = {name, value};
    rows_add(st, cells, st->out->job);
}

static void describe_columns(struct stmt *st, const struct relation *rel)
{
    static const char *const columns[] = {"column", "type", "key"};
    rows_columns(st, columns, ARRAY_LEN(columns));
    for (unsigned i = 0; i < rel->ncols; i++) {
        const char *type = type_text(rel->cols[i].type, st->arena);
        const char *cells[] = {rel->cols[i].name, type, !rel->cols[i].key ? NULL : rel->table ? "PRIMARY KEY" : "KEY"};
        rows_add(st, cells, no_job);
    }
    if (rel->windowed) {
        const char *start[] = {"WINDOWSTART", "BIGINT", "PRIMARY KEY"}, *end[] = {"WINDOWEND", "BIGINT", NULL};
        rows_add(st, start, no_job);
        rows_add(st, end, no_job);
    }
}

static void describe_extended(struct stmt *st, const struct relation *rel)
{
    static const char *const columns[] = {"property", "value"};
    const struct topic *t = image_topic_by_id(st->b.image, rel->topic);
    const char *users = job_users(st, rel, rel->job), *ts = "the record's timestamp";
    int c = rel->format.ts_column;
    if (c >= 0)
        ts = c < (int)rel->format.nkey ? rel->format.key_cols[c].name
                                       : rel->format.value_cols[c - (int)rel->format.nkey].name;
    rows_columns(st, columns, ARRAY_LEN(columns));
    add_line(st, "name", rel->name);
    add_line(st, "kind", rel->windowed ? "windowed table" : rel->table ? "table" : "stream");
    for (unsigned i = 0; i < rel->ncols; i++) {
        const char *type = type_text(rel->cols[i].type, st->arena);
        add_line(st, i ? "" : "columns",
                 arena_printf(st->arena, "%s %s%s", rel->cols[i].name, type,
                              !rel->cols[i].key ? ""
                              : rel->table      ? " PRIMARY KEY"
                                                : " KEY"));
    }
    if (rel->windowed) {
        add_line(st, "", "WINDOWSTART BIGINT PRIMARY KEY");
        add_line(st, "", "WINDOWEND BIGINT");
    }
    add_line(st, "topic",
             t ? arena_printf(st->arena, "%s, %d partition%s", t->name, t->nparts, t->nparts == 1 ? "" : "s")
               : arena_printf(st->arena, "%s, which does not exist any more", rel->topic_name));
    add_line(st, "format", formats_of(st, rel));
    add_line(st, "event time", ts);
    add_line(st, "filled by",
             job_name(st, rel->job) ? arena_printf(st->arena, "job %s", job_name(st, rel->job))
                                    : "whoever produces to the topic");
    add_line(st, "used by", users ? users : "no job");
    add_line(st, "statement", rel->sql);
    st->out->vertical = true;
}

static void describe_sys(struct stmt *st, const struct sys_table *t)
{
    static const char *const columns[] = {"column", "type", "description"};
    rows_columns(st, columns, ARRAY_LEN(columns));
    for (unsigned i = 0; i < t->ncols; i++) {
        const char *type = type_text(t->cols[i].type, st->arena);
        const char *cells[] = {t->cols[i].name, type, t->cols[i].doc};
        rows_add(st, cells, no_job);
    }
}

int prepare_describe(struct stmt *st)
{
    if (!st->ast->name.schema.ptr && image_object(st->b.image, "view", st->ast->name.text))
        return view_describe(st);
    struct relation *rel = bind_relation(&st->b, &st->ast->name);
    if (!rel)
        return E_SQL;
    if (rel->sys) {
        describe_sys(st, rel->sys);
        return 0;
    }
    if (st->ast->extended)
        st->out->job = rel->job;
    (st->ast->extended ? describe_extended : describe_columns)(st, rel);
    return 0;
}

static void describe_c_function(struct stmt *st, const struct object *o)
{
    struct function f;
    if (function_unpack(&f, o, st->arena) != 0)
        return;
    add_line(st, "signature", signature(st, &f));
    add_line(st, "library", f.library);
    add_line(st, "symbol", f.symbol);
    add_line(st, "statement", f.sql);
}

int prepare_describe_function(struct stmt *st)
{
    static const char *const columns[] = {"property", "value"};
    const struct ast_name *name = &st->ast->name;
    const struct object *o = image_object(st->b.image, "function", name->text);
    const char *doc = NULL;
    struct nearest near = nearest_of(name->text);
    rows_columns(st, columns, ARRAY_LEN(columns));
    st->out->vertical = true;
    for (unsigned i = 0; i < ARRAY_LEN(aggregates); i++) {
        nearest_add(&near, str_of(aggregates[i].name));
        if (str_eq_nocase(name->text, str_of(aggregates[i].name))) {
            add_line(st, "signature", aggregates[i].signature);
            add_line(st, "description", aggregates[i].doc);
        }
    }
    for (unsigned i = 0; i < func_count(); i++) {
        const struct func_info *f = func_info(i);
        if (f->kind == FUNC_SCALAR)
            nearest_add(&near, str_of(f->name));
        if (f->kind != FUNC_SCALAR || !str_eq_nocase(name->text, str_of(f->name)))
            continue;
        add_line(st, "signature", f->signature);
        if (!doc || strcmp(doc, f->doc) != 0)
            add_line(st, "description", f->doc);
        doc = f->doc;
    }
    if (o)
        describe_c_function(st, o);
    if (st->out->rows.nrows)
        return 0;
    bind_error(&st->b, name->place, "42883", "there is no function \"%.*s\"", STR_ARG(name->text));
    if (nearest_get(&near).ptr)
        diag_hint(st->b.diag, "did you mean %.*s?", STR_ARG(nearest_get(&near)));
    return E_SQL;
}
