/* INSERT INTO ... VALUES: rows of constants as records of the relation's topic. */
#include "sql/plan/statement.h"

struct insert {
    struct stmt *st;
    const struct relation *rel;
    int *targets; /* per listed column: column of the relation, or ROWTIME_TARGET */
    unsigned ntargets;
    struct schema schema;
    unsigned *key_cols, *value_cols; /* where the format's columns are in schema */
    struct encoder *encoder;
    struct batch *batch;
    int time_col; /* of schema: the timestamp column, or -1 */
    struct time_pattern *pattern;
};
#define ROWTIME_TARGET (-1)

static int find_target(struct insert *in, const struct ast_name *name, int *out)
{
    struct nearest near = nearest_of(name->text);
    const struct binding *b = &in->st->b;
    if (str_eq_nocase(name->text, STR("ROWTIME"))) {
        *out = ROWTIME_TARGET;
        return 0;
    }
    for (unsigned i = 0; i < in->rel->ncols; i++) {
        nearest_add(&near, str_of(in->rel->cols[i].name));
        if (name->quoted ? str_eq(name->text, str_of(in->rel->cols[i].name))
                         : str_eq_nocase(name->text, str_of(in->rel->cols[i].name))) {
            *out = (int)i;
            return 0;
        }
    }
    bind_error(b, name->place, "42703", "no column \"%.*s\" in %s \"%s\"", STR_ARG(name->text),
               in->rel->table ? "table" : "stream", in->rel->name);
    if (nearest_get(&near).ptr)
        diag_hint(b->diag, "did you mean \"%.*s\"?", STR_ARG(nearest_get(&near)));
    return E_SQL;
}

static int read_targets(struct insert *in)
{
    const struct ast_names *names = &in->st->ast->names;
    in->ntargets = names->n ? names->n : in->rel->ncols;
    in->targets = ARENA_ARRAY(in->st->arena, int, in->ntargets);
    for (unsigned i = 0; i < in->ntargets; i++) {
        in->targets[i] = (int)i;
        int err = names->n ? find_target(in, &names->items[i], &in->targets[i]) : 0;
        for (unsigned k = 0; k < i && !err; k++)
            if (in->targets[k] == in->targets[i])
                err = bind_error(&in->st->b, names->items[i].place, "42701", "column \"%.*s\" is there twice",
                                 STR_ARG(names->items[i].text));
        if (err)
            return err;
    }
    return 0;
}

static void set_up(struct insert *in)
{
    const struct relation *rel = in->rel;
    struct arena *a = in->st->arena;
    in->schema = (struct schema){rel->ncols, ARENA_ARRAY(a, struct column, rel->ncols)};
    in->key_cols = ARENA_ARRAY(a, unsigned, rel->format.nkey);
    in->value_cols = ARENA_ARRAY(a, unsigned, rel->format.nvalue);
    for (unsigned i = 0; i < rel->ncols; i++) {
        in->schema.cols[i] = (struct column){rel->cols[i].name, rel->cols[i].type};
        (rel->cols[i].key ? in->key_cols : in->value_cols)[rel->cols[i].index] = i;
    }
    int at = rel->format.ts_column, nkey = (int)rel->format.nkey;
    in->time_col = at < 0 ? -1 : (int)(at < nkey ? in->key_cols[at] : in->value_cols[at - nkey]);
}

static int constant_value(struct insert *in, const struct ast_expr *e, struct type want, struct value *out)
{
    const struct expr *bound;
    int err = bind_constant(&in->st->b, e, want, &bound);
    if (!err && expr_const(bound, out, in->st->arena, in->st->b.diag) != 0)
        err = diag_place(in->st->b.diag, E_SQL, in->st->b.text, e->place);
    return err;
}

/* One row's values into the batch; columns not listed are NULL. */
static int read_row(struct insert *in, const struct ast_exprs *row, int64_t *ts_ms)
{
    const struct binding *b = &in->st->b;
    for (unsigned c = 0; c < in->rel->ncols; c++) {
        struct value null = value_null(in->schema.cols[c].type);
        batch_set_value(in->batch, c, 0, &null, 1);
    }
    if (row->n != in->ntargets)
        return bind_error(b, row->items[MIN(row->n - 1, in->ntargets)]->place, "42601",
                          "this row has %u value%s, but there are %u columns", row->n, row->n == 1 ? "" : "s",
                          in->ntargets);
    for (unsigned i = 0; i < row->n; i++) {
        struct value v;
        bool time = in->targets[i] == ROWTIME_TARGET;
        int err = constant_value(in, row->items[i], time ? TYPE(T_BIGINT) : in->schema.cols[in->targets[i]].type, &v);
        if (err)
            return err;
        if (time && (v.null || v.i < 0))
            return bind_error(b, row->items[i]->place, "22023", "ROWTIME is a time in ms since 1970");
        if (!time && v.null && in->rel->table && in->rel->cols[in->targets[i]].key)
            return bind_error(b, row->items[i]->place, "23502", "the primary key cannot be NULL");
        if (time)
            *ts_ms = v.i;
        else
            batch_set_value(in->batch, (unsigned)in->targets[i], 0, &v, 1);
    }
    return 0;
}

/* Without an event time a record would be a bad one for every query. */
static int check_time(const struct insert *in, const struct ast_exprs *row)
{
    int64_t ts;
    const char *wrong = in->time_col < 0 ? NULL : event_time_read(in->batch, (unsigned)in->time_col, 0, in->pattern, &ts);
    if (!wrong)
        return 0;
    unsigned i = 0;
    while (i < in->ntargets && in->targets[i] != in->time_col)
        i++;
    return bind_error(&in->st->b, i < in->ntargets ? row->items[i]->place : in->st->ast->name.place, "22008",
                      "the timestamp column \"%s\" %s: no query could read this row", in->rel->cols[in->time_col].name,
                      wrong);
}

static bool lists_key(const struct insert *in, const char **missing)
{
    for (unsigned c = 0; c < in->rel->ncols; c++) {
        bool found = !in->rel->cols[c].key;
        for (unsigned i = 0; i < in->ntargets && !found; i++)
            found = in->targets[i] == (int)c;
        if (!found) {
            *missing = in->rel->cols[c].name;
            return false;
        }
    }
    return true;
}

static void encode(struct insert *in, struct insert_record *to, int64_t ts_ms)
{
    struct wbuf w;
    wbuf_init(&w);
    to->ts_ms = ts_ms;
    to->key = STR_NULL;
    if (in->rel->format.nkey && encoder_key(in->encoder, in->batch, in->key_cols, 0, &w))
        to->key = arena_dup(in->st->arena, (struct str){w.data ? (const char *)w.data : "", w.len});
    wbuf_reset(&w);
    to->value = STR_NULL;
    if (encoder_value(in->encoder, in->batch, in->value_cols, 0, &w))
        to->value = arena_dup(in->st->arena, (struct str){w.data ? (const char *)w.data : "", w.len});
    wbuf_fini(&w);
}

static int encode_rows(struct insert *in)
{
    struct stmt *st = in->st;
    int err = encoder_new(&in->encoder, &in->rel->format, st->b.diag);
    const char *pattern = in->rel->format.ts_pattern;
    if (!err && pattern)
        err = time_pattern_new(&in->pattern, str_of(pattern), st->b.diag);
    if (err)
        encoder_free(in->encoder);
    if (err)
        return diag_place(st->b.diag, E_SQL, st->b.text, st->ast->name.place);
    st->out->records = ARENA_ARRAY(st->arena, struct insert_record, st->ast->rows.n);
    for (unsigned i = 0; i < st->ast->rows.n && !err; i++) {
        int64_t ts_ms = st->env->now_ms;
        in->batch = batch_new(st->arena, &in->schema, 1);
        in->batch->n = in->batch->nsel = 1;
        err = read_row(in, &st->ast->rows.items[i], &ts_ms);
        if (!err)
            err = check_time(in, &st->ast->rows.items[i]);
        if (!err)
            encode(in, &st->out->records[st->out->nrecords++], ts_ms);
        if (!err && in->rel->table && !st->out->records[i].value.ptr) {
            err = bind_error(&st->b, st->ast->rows.items[i].items[0]->place, "23502",
                             "a row of NULL cannot be written in format %s: it would delete the key",
                             format_name(in->rel->format.value.kind));
        }
    }
    time_pattern_free(in->pattern);
    encoder_free(in->encoder);
    return err;
}

int prepare_insert(struct stmt *st)
{
    const struct ast_name *name = &st->ast->name;
    const char *missing;
    struct insert in = {.st = st, .rel = bind_relation(&st->b, name)};
    if (!in.rel)
        return E_SQL;
    if (in.rel->sys)
        return bind_error(&st->b, name->place, "42809", "%s is what the server knows; rows cannot be inserted", in.rel->name);
    if (in.rel->table && (!uuid_is_zero(in.rel->job) || in.rel->windowed))
        return bind_error(&st->b, name->place, "42809",
                          "table \"%s\" is the result of a query; rows cannot be inserted", in.rel->name);
    const struct topic *t = image_topic_by_id(st->b.image, in.rel->topic);
    if (!t)
        return bind_error(&st->b, name->place, "42P01", "topic \"%s\" of \"%s\" does not exist any more",
                          in.rel->topic_name, in.rel->name);
    int err = read_targets(&in);
    if (!err && in.rel->table && !lists_key(&in, &missing))
        err = bind_error(&st->b, name->place, "23502", "the primary key \"%s\" needs a value", missing);
    if (err)
        return err;
    set_up(&in);
    st->out->kind = PREPARED_INSERT;
    st->out->topic = t->id;
    st->out->topic_name = t->name;
    if ((err = encode_rows(&in)) != 0)
        return err;
    stmt_message(st, "%u row%s inserted into \"%s\"", st->out->nrecords, st->out->nrecords == 1 ? "" : "s",
                 in.rel->name);
    return 0;
}
