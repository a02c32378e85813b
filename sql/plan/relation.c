/* Relations over topics: CREATE STREAM and CREATE TABLE, and what CREATE ... AS SELECT shares with them: formats, event
 * time, the topic, the object. */
#include <stdio.h>

#include "sql/plan/statement.h"

/* ---- Names */

int relation_name_free(struct stmt *st, struct relation **old)
{
    const struct ast_statement *ast = stmt_create(st);
    bool as_select = ast->kind == AST_CREATE_AS;
    *old = NULL;
    if (image_object(st->b.image, "view", ast->name.text)) {
        bind_error(&st->b, ast->name.place, "42P07", "a view \"%.*s\" exists already", STR_ARG(ast->name.text));
        diag_hint(st->b.diag, "DROP VIEW first, or choose another name");
        return E_SQL;
    }
    if (!image_object(st->b.image, "relation", ast->name.text))
        return 0;
    struct relation *rel = relation_find(st->b.image, ast->name.text, st->arena, st->b.diag);
    if (!rel)
        return diag_place(st->b.diag, E_SQL, st->b.text, ast->name.place);
    const char *kind = rel->table ? "table" : "stream";
    if (ast->if_clause && rel->table == ast->table) {
        stmt_nothing(st, "%s \"%s\" exists already; nothing changed", kind, rel->name);
        return 1;
    }
    if (as_select && !uuid_is_zero(rel->job) && (ast->or_replace || st->env->replace)) {
        *old = rel;
        return 0;
    }
    if (!ast->or_replace) {
        bind_error(&st->b, ast->name.place, "42P07", "a %s \"%s\" exists already", kind, rel->name);
        diag_hint(st->b.diag, "DROP %s %s; first, or write IF NOT EXISTS", rel->table ? "TABLE" : "STREAM", rel->name);
        return E_SQL;
    }
    const char *users = job_users(st, rel, (struct uuid){{0}});
    if (!uuid_is_zero(rel->job))
        return bind_error(&st->b, ast->name.place, "0A000",
                          "\"%s\" is filled by a job; only CREATE OR REPLACE ... AS SELECT can replace it", rel->name);
    if (users)
        return bind_error(&st->b, ast->name.place, "2BP01", "\"%s\" cannot be replaced: it is used by %s", rel->name,
                          users);
    *old = rel;
    return 0;
}

static int check_column_name(struct stmt *st, const struct ast_column *c)
{
    static const char *const pseudo[] = {"ROWTIME", "ROWPARTITION", "ROWOFFSET", "WINDOWSTART", "WINDOWEND"};
    for (unsigned k = 0; k < ARRAY_LEN(pseudo); k++)
        if (str_eq_nocase(c->name.text, str_of(pseudo[k])))
            return bind_error(&st->b, c->name.place, "42601",
                              "every relation has a column %s already; choose another name", pseudo[k]);
    for (const struct ast_column *o = st->ast->columns.items; o < c; o++)
        if (c->name.quoted || o->name.quoted ? str_eq(o->name.text, c->name.text)
                                             : str_eq_nocase(o->name.text, c->name.text))
            return bind_error(&st->b, c->name.place, "42701", "column \"%.*s\" is there twice", STR_ARG(c->name.text));
    return 0;
}

static int check_key(struct stmt *st, const struct ast_column *c)
{
    if (c->key && st->ast->table) {
        bind_error(&st->b, c->key_place, "42601", "the key of a table is its PRIMARY KEY");
        diag_hint(st->b.diag, "write %.*s %.*s PRIMARY KEY", STR_ARG(c->name.text), STR_ARG(c->type.name));
        return E_SQL;
    }
    if (c->primary && !st->ast->table) {
        bind_error(&st->b, c->key_place, "42601",
                   "a stream has no PRIMARY KEY: several of its records may have the same key");
        diag_hint(st->b.diag, "write %.*s %.*s KEY", STR_ARG(c->name.text), STR_ARG(c->type.name));
        return E_SQL;
    }
    return 0;
}

/* ---- Columns of CREATE */

static int read_columns(struct stmt *st, struct relation *rel)
{
    const struct ast_columns *cols = &st->ast->columns;
    struct row_format *f = &rel->format;
    if (cols->n > SQL_COLUMNS)
        return bind_error(&st->b, cols->items[SQL_COLUMNS].name.place, "54011", "a relation has at most %d columns",
                          SQL_COLUMNS);
    rel->cols = ARENA_ARRAY(st->arena, struct relation_column, cols->n);
    f->key_cols = ARENA_ARRAY(st->arena, struct column, cols->n);
    f->value_cols = ARENA_ARRAY(st->arena, struct column, cols->n);
    for (unsigned i = 0; i < cols->n; i++) {
        const struct ast_column *c = &cols->items[i];
        struct relation_column *to = &rel->cols[rel->ncols++];
        int err = check_column_name(st, c);
        if (!err)
            err = check_key(st, c);
        if (!err)
            err = bind_type(&st->b, &c->type, &to->type);
        if (err)
            return err;
        to->name = arena_dup(st->arena, c->name.text).ptr;
        to->key = c->key || c->primary;
        to->index = to->key ? f->nkey++ : f->nvalue++;
        *(to->key ? &f->key_cols[to->index] : &f->value_cols[to->index]) = (struct column){to->name, to->type};
    }
    if (rel->table && !f->nkey) {
        bind_error(&st->b, st->ast->name.place, "42601", "a table needs a primary key");
        diag_hint(st->b.diag, "write PRIMARY KEY behind the type of the column that the record's key holds");
        return E_SQL;
    }
    if (!f->nvalue)
        return bind_error(&st->b, st->ast->name.place, "42601",
                          "at least one column must be part of the value, not the key");
    return 0;
}

/* ---- Formats */

static bool simple_key(const struct row_format *f)
{
    uint8_t id = f->key_cols[0].type.id;
    return f->nkey == 1 && (id == T_INT || id == T_BIGINT || id == T_DOUBLE || id == T_VARCHAR || id == T_BYTES);
}

static bool holds(enum format_kind kind, const struct column *cols, unsigned n, bool key)
{
    struct diag ignored;
    struct format f = {kind, ',', true};
    return format_check(&f, cols, n, key, &ignored) == 0;
}

/* What was said; else what the session prefers; else as the source; else the default. */
static enum format_kind choose(struct stmt *st, int said, const char *property, int like, const struct column *cols,
                               unsigned n, bool key, enum format_kind dflt)
{
    enum format_kind kind;
    if (said >= 0)
        return (enum format_kind)said;
    if (format_parse(property_get(st->env->props, property), &kind) && holds(kind, cols, n, key))
        return kind;
    return like > FORMAT_NONE && holds((enum format_kind)like, cols, n, key) ? (enum format_kind)like : dflt;
}

static int check_format(struct stmt *st, const struct format *f, const struct column *cols, unsigned n, bool key,
                        struct place place)
{
    if (format_check(f, cols, n, key, st->b.diag) == 0)
        return 0;
    if (st->b.diag && !st->b.diag->code[0])
        snprintf(st->b.diag->code, sizeof st->b.diag->code, "42601");
    return diag_place(st->b.diag, E_SQL, st->b.text, place.len ? place : st->ast->name.place);
}

static int set_formats(struct stmt *st, struct draft_relation *dr)
{
    struct row_format *f = &dr->rel.format;
    const struct with *w = &dr->with;
    f->key.kind = f->nkey ? choose(st, w->key_format, "ksql.persistence.default.format.key", dr->wrap_key ? -1 : dr->key_like, f->key_cols,
                                   f->nkey, true, simple_key(f) && !dr->wrap_key ? FORMAT_KAFKA : FORMAT_JSON)
                          : FORMAT_NONE;
    f->value.kind = choose(st, w->value_format, "ksql.persistence.default.format.value", dr->value_like, f->value_cols,
                           f->nvalue, false, FORMAT_JSON);
    f->key.delimiter = w->key_delimiter ? w->key_delimiter : ',';
    f->value.delimiter = w->value_delimiter ? w->value_delimiter : ',';
    f->key.wrapped = f->nkey != 1 || (dr->wrap_key && f->key.kind == FORMAT_JSON);
    f->value.wrapped = w->wrap != 0;
    if (w->wrap >= 0 && (f->nvalue != 1 || f->value.kind != FORMAT_JSON))
        return bind_error(&st->b, w->place_wrap, "42601", "WRAP_SINGLE_VALUE is for JSON values of one column");
    if (f->key.kind == FORMAT_NONE && f->nkey)
        return bind_error(&st->b, w->place_key, "42601", "the format NONE holds no key, but there is a key column");
    int err = check_format(st, &f->key, f->key_cols, f->nkey, true, w->place_key);
    return err ? err : check_format(st, &f->value, f->value_cols, f->nvalue, false, w->place_value);
}

/* WATERMARK FOR column AS column - span: TIMESTAMP and WATERMARK_DELAY_MS in one. */
static int take_watermark(struct stmt *st, struct draft_relation *dr)
{
    const struct ast_watermark *wm = &stmt_create(st)->watermark;
    struct with *w = &dr->with;
    if (dr->rel.table && (wm->given || w->delay_ms || w->idle_ms))
        return bind_error(&st->b, wm->given ? wm->place : stmt_create(st)->name.place, "42601",
                          "watermarks are of streams: tables hold no event time back");
    if (!wm->given)
        return 0;
    if ((w->timestamp.ptr && !str_eq_nocase(w->timestamp, wm->column.text)) || w->delay_ms)
        return bind_error(&st->b, wm->place, "42601", "event time is said twice, here and in WITH");
    w->timestamp = wm->column.text;
    w->place_timestamp = wm->column.place;
    w->delay_ms = wm->delay.ms;
    return 0;
}

/* Event time out of a column. */
static int set_timestamp(struct stmt *st, struct draft_relation *dr)
{
    int err = take_watermark(st, dr);
    if (err)
        return err;
    struct relation *rel = &dr->rel;
    rel->format.delay_ms = dr->with.delay_ms;
    rel->format.idle_ms = dr->with.idle_ms;
    const struct with *w = &dr->with;
    struct nearest near = nearest_of(w->timestamp);
    rel->format.ts_column = -1;
    for (unsigned i = 0; w->timestamp.ptr && i < rel->ncols; i++) {
        const struct relation_column *c = &rel->cols[i];
        nearest_add(&near, str_of(c->name));
        if (!str_eq_nocase(w->timestamp, str_of(c->name)))
            continue;
        rel->format.ts_column = (int)(c->index + (c->key ? 0 : rel->format.nkey));
        if (w->timestamp_format.ptr && c->type.id != T_VARCHAR)
            return bind_error(&st->b, w->place_timestamp, "42804", "TIMESTAMP_FORMAT is for a column of type VARCHAR");
        if (c->type.id != T_BIGINT && c->type.id != T_TIMESTAMP && c->type.id != T_VARCHAR)
            return bind_error(&st->b, w->place_timestamp, "42804",
                              "event time comes from a column of type TIMESTAMP, BIGINT (ms) or VARCHAR");
        rel->format.ts_pattern = w->timestamp_format.ptr ? arena_dup(st->arena, w->timestamp_format).ptr : NULL;
    }
    if (!w->timestamp.ptr || rel->format.ts_column >= 0)
        return 0;
    bind_error(&st->b, w->place_timestamp, "42703", "no column \"%.*s\" to take event time from",
               STR_ARG(w->timestamp));
    if (nearest_get(&near).ptr)
        diag_hint(st->b.diag, "did you mean '%.*s'?", STR_ARG(nearest_get(&near)));
    return E_SQL;
}

/* ---- Topics */

static unsigned topic_configs(const struct draft_relation *dr, struct stmt *st, struct topic_config *out)
{
    unsigned n = 0;
    int64_t retention = MAX(dr->with.retention_ms, dr->windowed ? dr->window_retention_ms : -1);
    const char *policy = !dr->rel.table ? "delete" : dr->windowed && retention > 0 ? "compact,delete" : "compact";
    out[n++] = (struct topic_config){"cleanup.policy", policy};
    if (retention > 0)
        out[n++] = (struct topic_config){"retention.ms", arena_printf(st->arena, "%" PRId64, retention)};
    return n;
}

static int topic_error(struct stmt *st, const struct draft_relation *dr)
{
    if (st->b.diag)
        snprintf(st->b.diag->code, sizeof st->b.diag->code, "42602");
    diag_place(st->b.diag, E_SQL, st->b.text, dr->with.topic.ptr ? dr->with.place_topic : st->ast->name.place);
    if (!dr->with.topic.ptr)
        diag_hint(st->b.diag, "give the topic a name of its own: WITH (TOPIC = '...')");
    return E_SQL;
}

static int set_topic(struct stmt *st, struct draft_relation *dr, int32_t *partitions)
{
    const struct with *w = &dr->with;
    struct str name = w->topic.ptr ? w->topic : st->ast->name.text;
    const struct topic *t = image_topic(st->b.image, name);
    struct topic_config configs[2];
    if (dr->with.retention_ms > 0 && dr->rel.table && !dr->windowed)
        return bind_error(
            &st->b, w->place_retention, "42601",
            "the topic of a table keeps the last record of each key; RETENTION_MS is for streams and windows");
    dr->rel.topic_name = arena_dup(st->arena, name).ptr;
    if (str_starts(name, STR("__")))
        return bind_error(&st->b, w->topic.ptr ? w->place_topic : st->ast->name.place, "42602",
                          "topics whose names begin with __ are the server's own");
    if (t) {
        dr->rel.topic = t->id;
        *partitions = t->nparts;
        if (w->partitions >= 0 && w->partitions != t->nparts) {
            bind_error(&st->b, w->place_partitions, "42601", "topic \"%s\" exists and has %d partition%s", t->name,
                       t->nparts, t->nparts == 1 ? "" : "s");
            diag_hint(st->b.diag, "leave out PARTITIONS to use the topic as it is");
            return E_SQL;
        }
        return 0;
    }
    *partitions = w->partitions >= 0 ? (int32_t)w->partitions : dr->partitions_like;
    dr->rel.topic = stmt_uuid(st);
    unsigned n = topic_configs(dr, st, configs);
    if (change_create_topic(stmt_change(st), name, &dr->rel.topic, *partitions, configs, n, st->b.diag) != 0)
        return topic_error(st, dr);
    return 0;
}

int relation_finish(struct stmt *st, struct draft_relation *dr, int32_t *partitions)
{
    int err = set_formats(st, dr);
    if (!err)
        err = set_timestamp(st, dr);
    return err ? err : set_topic(st, dr, partitions);
}

void relation_put(struct stmt *st, const struct relation *rel, bool must_be_new)
{
    struct wbuf w;
    wbuf_init(&w);
    relation_pack(rel, &w);
    change_put_object(stmt_change(st), "relation", str_of(rel->name), rel->id, wbuf_view(&w), must_be_new);
    wbuf_fini(&w);
}

int prepare_create(struct stmt *st)
{
    const struct ast_statement *ast = st->ast;
    struct relation *old;
    int32_t partitions;
    struct draft_relation dr = {.key_like = -1, .value_like = -1, .partitions_like = st->env->default_partitions};
    int err = relation_name_free(st, &old);
    if (err)
        return err > 0 ? 0 : err;
    dr.rel.name = arena_dup(st->arena, ast->name.text).ptr;
    dr.rel.table = ast->table;
    dr.rel.sql = arena_dup(st->arena, stmt_sql(st)).ptr;
    err = bind_with(&st->b, &ast->with, &dr.with);
    if (!err && dr.with.emit >= 0)
        return bind_error(&st->b, dr.with.place_emit, "42601", "EMIT is about results: of CREATE ... AS SELECT");
    if (!err)
        err = read_columns(st, &dr.rel);
    if (!err)
        err = relation_finish(st, &dr, &partitions);
    if (err)
        return err;
    bool created = st->out->has_change;
    dr.rel.id = old ? old->id : stmt_uuid(st);
    relation_put(st, &dr.rel, !old);
    stmt_message(st, "%s \"%s\" %s over %s topic \"%s\" (%d partition%s)", ast->table ? "table" : "stream", dr.rel.name,
                 old ? "replaced" : "created", created ? "new" : "existing", dr.rel.topic_name, partitions,
                 partitions == 1 ? "" : "s");
    return 0;
}
