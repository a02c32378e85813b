/* WITH (NAME = value, ...): one table row a property. */
#include "sql/bind/resolve.h"
#include <stdio.h>

struct reader {
    const struct binding *b;
    struct with *w;
    const struct ast_property *p;
    struct str text; /* of the value */
};

static int refuse(const struct reader *r, const char *wants)
{
    return bind_error(r->b, r->p->value->place, "42601", "%.*s takes %s", STR_ARG(r->p->name.text), wants);
}

static int read_number(const struct reader *r, int64_t min, int64_t max, int64_t *out)
{
    if (str_to_i64(r->text, out) && *out >= min && *out <= max)
        return 0;
    char wants[80];
    if (max == INT64_MAX)
        snprintf(wants, sizeof wants, "a whole number from %lld", (long long)min);
    else
        snprintf(wants, sizeof wants, "a whole number from %lld to %lld", (long long)min, (long long)max);
    return refuse(r, wants);
}

static int read_format(const struct reader *r, int *out)
{
    static const char *const known[] = {"AVRO", "PROTOBUF", "PROTOBUF_NOSR", "JSON_SR"};
    enum format_kind k;
    for (unsigned i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq_nocase(r->text, str_of(known[i])))
            return bind_error(r->b, r->p->value->place, "0A000", "the format %s is not supported", known[i]);
    if (!format_parse(r->text, &k)) {
        struct nearest near = nearest_of(r->text);
        for (int i = FORMAT_NONE; i <= FORMAT_JSON; i++)
            nearest_add(&near, str_of(format_name((enum format_kind)i)));
        bind_error(r->b, r->p->value->place, "42601", "there is no format \"%.*s\"", STR_ARG(r->text));
        struct str best = nearest_get(&near);
        if (best.ptr)
            diag_hint(r->b->diag, "did you mean '%.*s'?", STR_ARG(best));
        else
            diag_hint(r->b->diag, "formats are JSON, DELIMITED and KAFKA, and NONE for keys");
        return E_SQL;
    }
    *out = (int)k;
    return 0;
}

static int read_delimiter(const struct reader *r, char *out)
{
    if (str_eq_nocase(r->text, STR("SPACE")))
        *out = ' ';
    else if (str_eq_nocase(r->text, STR("TAB")))
        *out = '\t';
    else if (r->text.len == 1 && r->text.ptr[0] > ' ' && r->text.ptr[0] != '"')
        *out = r->text.ptr[0];
    else
        return refuse(r, "one character, or SPACE or TAB");
    return 0;
}

static int with_topic(const struct reader *r)
{
    r->w->topic = r->text;
    r->w->place_topic = r->p->value->place;
    return 0;
}
static int with_partitions(const struct reader *r)
{
    r->w->place_partitions = r->p->value->place;
    return read_number(r, 1, 10000, &r->w->partitions);
}
static int with_replicas(const struct reader *r)
{
    r->w->place_replicas = r->p->value->place;
    int err = read_number(r, 1, 1000, &r->w->replicas);
    return err || r->w->replicas == 1
               ? err
               : bind_error(r->b, r->w->place_replicas, "0A000", "this server keeps one replica of a partition");
}
static int with_format(const struct reader *r)
{
    r->w->place_key = r->w->place_value = r->p->value->place;
    int err = read_format(r, &r->w->value_format);
    r->w->key_format = r->w->value_format;
    return err;
}
static int with_key_format(const struct reader *r)
{
    r->w->place_key = r->p->value->place;
    return read_format(r, &r->w->key_format);
}
static int with_value_format(const struct reader *r)
{
    r->w->place_value = r->p->value->place;
    return read_format(r, &r->w->value_format);
}
static int with_key_delimiter(const struct reader *r) { return read_delimiter(r, &r->w->key_delimiter); }
static int with_value_delimiter(const struct reader *r) { return read_delimiter(r, &r->w->value_delimiter); }
static int with_wrap(const struct reader *r)
{
    r->w->place_wrap = r->p->value->place;
    r->w->wrap = str_eq_nocase(r->text, STR("TRUE"));
    return r->w->wrap || str_eq_nocase(r->text, STR("FALSE")) ? 0 : refuse(r, "TRUE or FALSE");
}
static int with_timestamp(const struct reader *r)
{
    r->w->timestamp = r->text;
    r->w->place_timestamp = r->p->value->place;
    return 0;
}
static int with_timestamp_format(const struct reader *r)
{
    struct time_pattern *pattern;
    r->w->timestamp_format = r->text;
    if (time_pattern_new(&pattern, r->text, r->b->diag) != 0)
        return diag_place(r->b->diag, E_SQL, r->b->text, r->p->value->place);
    time_pattern_free(pattern);
    return 0;
}
static int with_retention(const struct reader *r)
{
    r->w->place_retention = r->p->value->place;
    return read_number(r, 1, INT64_MAX, &r->w->retention_ms);
}

static int with_delay(const struct reader *r) { return read_number(r, 0, INT32_MAX, &r->w->delay_ms); }
static int with_idle(const struct reader *r) { return read_number(r, 1, INT32_MAX, &r->w->idle_ms); }

static int with_emit(const struct reader *r)
{
    r->w->place_emit = r->p->name.place;
    r->w->emit = str_eq_nocase(r->text, STR("RECORD"));
    return r->w->emit || str_eq_nocase(r->text, STR("EPOCH")) ? 0 : refuse(r, "'record' or 'epoch'");
}

static const struct {
    const char *name;
    int (*read)(const struct reader *r);
    const char *refused; /* the sentence instead */
} table[] = {
    {"TOPIC", with_topic, NULL},
    {"KAFKA_TOPIC", with_topic, NULL},
    {"PARTITIONS", with_partitions, NULL},
    {"REPLICAS", with_replicas, NULL},
    {"FORMAT", with_format, NULL},
    {"KEY_FORMAT", with_key_format, NULL},
    {"VALUE_FORMAT", with_value_format, NULL},
    {"KEY_DELIMITER", with_key_delimiter, NULL},
    {"VALUE_DELIMITER", with_value_delimiter, NULL},
    {"WRAP_SINGLE_VALUE", with_wrap, NULL},
    {"TIMESTAMP", with_timestamp, NULL},
    {"TIMESTAMP_FORMAT", with_timestamp_format, NULL},
    {"RETENTION_MS", with_retention, NULL},
    {"WATERMARK_DELAY_MS", with_delay, NULL},
    {"IDLE_TIMEOUT_MS", with_idle, NULL},
    {"EMIT", with_emit, NULL},
    {"CLEANUP_POLICY", NULL, "follows from STREAM or TABLE and cannot be chosen"},
    {"KEY_SCHEMA_ID", NULL, "needs a schema registry, which is not supported"},
    {"VALUE_SCHEMA_ID", NULL, "needs a schema registry, which is not supported"},
    {"KEY_SCHEMA_FULL_NAME", NULL, "needs a schema registry, which is not supported"},
    {"VALUE_SCHEMA_FULL_NAME", NULL, "needs a schema registry, which is not supported"},
    {"VALUE_AVRO_SCHEMA_FULL_NAME", NULL, "needs a schema registry, which is not supported"},
    {"WINDOW_TYPE", NULL, "is not supported: only tables made by a query are windowed"},
    {"WINDOW_SIZE", NULL, "is not supported: only tables made by a query are windowed"},
    {"QUERY_ID", NULL, "is not supported; a job has the name of what it fills"},
};

static int read_property(struct reader *r, uint64_t *seen)
{
    struct nearest near = nearest_of(r->p->name.text);
    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        nearest_add(&near, str_of(table[i].name));
        if (!str_eq_nocase(r->p->name.text, str_of(table[i].name)))
            continue;
        if (!table[i].read)
            return bind_error(r->b, r->p->name.place, "0A000", "%s %s", table[i].name, table[i].refused);
        if (*seen & UINT64_C(1) << i)
            return bind_error(r->b, r->p->name.place, "42601", "%s is given twice", table[i].name);
        *seen |= UINT64_C(1) << i;
        return table[i].read(r);
    }
    bind_error(r->b, r->p->name.place, "42601", "there is no property \"%.*s\"", STR_ARG(r->p->name.text));
    struct str best = nearest_get(&near);
    if (best.ptr)
        diag_hint(r->b->diag, "did you mean %.*s?", STR_ARG(best));
    else
        diag_hint(r->b->diag, "there are TOPIC, PARTITIONS, FORMAT, KEY_FORMAT, VALUE_FORMAT, TIMESTAMP, ...");
    return E_SQL;
}

int bind_with(const struct binding *b, const struct ast_properties *props, struct with *out)
{
    uint64_t seen = 0;
    *out = (struct with){
        .key_format = -1, .value_format = -1, .wrap = -1, .emit = -1, .partitions = -1, .replicas = -1, .retention_ms = -1};
    const struct ast_property *format = NULL, *single = NULL;
    for (unsigned i = 0; i < props->n; i++) {
        struct reader r = {b, out, &props->items[i], props->items[i].value->text};
        if (r.p->value->kind == AST_COLUMN)
            r.text = r.p->value->name.text;
        else if (r.p->value->kind > AST_STRING || r.p->value->kind == AST_NULL)
            return refuse(&r, "a plain value");
        int err = read_property(&r, &seen);
        if (err)
            return err;
        if (str_eq_nocase(r.p->name.text, STR("FORMAT")))
            format = r.p;
        else if (str_eq_nocase(r.p->name.text, STR("KEY_FORMAT")) || str_eq_nocase(r.p->name.text, STR("VALUE_FORMAT")))
            single = r.p;
    }
    if (format && single)
        return bind_error(b, single->name.place, "42601",
                          "FORMAT already says this; give either FORMAT or KEY_FORMAT and VALUE_FORMAT");
    if (out->value_format == FORMAT_NONE)
        return bind_error(b, out->place_value, "42601", "NONE is a format for keys only");
    if (out->timestamp_format.ptr && !out->timestamp.ptr)
        return bind_error(b, props->items[0].name.place, "42601", "TIMESTAMP_FORMAT needs TIMESTAMP");
    return 0;
}
