#include "sql/shell/answer.h"

#include <stdlib.h>

/* How a member of the object lands in the struct. */
enum member_type { M_STR, M_INT, M_DOUBLE, M_BOOL };
struct member {
    const char *name;
    enum member_type type;
    size_t at;
};
static const struct member members[] = {
    {"text", M_STR, offsetof(struct answer, text)},
    {"message", M_STR, offsetof(struct answer, text)},
    {"name", M_STR, offsetof(struct answer, name)},
    {"value", M_STR, offsetof(struct answer, value)},
    {"what", M_STR, offsetof(struct answer, what)},
    {"query", M_STR, offsetof(struct answer, query)},
    {"why", M_STR, offsetof(struct answer, why)},
    {"left_out", M_STR, offsetof(struct answer, left_out)},
    {"hint", M_STR, offsetof(struct answer, hint)},
    {"code", M_STR, offsetof(struct answer, code)},
    {"ops", M_STR, offsetof(struct answer, ops)},
    {"key", M_STR, offsetof(struct answer, key)},
    {"key_format", M_STR, offsetof(struct answer, key_format)},
    {"value_format", M_STR, offsetof(struct answer, value_format)},
    {"updates", M_BOOL, offsetof(struct answer, updates)},
    {"index", M_INT, offsetof(struct answer, index)},
    {"ms", M_INT, offsetof(struct answer, ms)},
    {"rows", M_INT, offsetof(struct answer, rows)},
    {"rows_in", M_INT, offsetof(struct answer, rows_in)},
    {"rows_out", M_INT, offsetof(struct answer, rows_out)},
    {"lag", M_INT, offsetof(struct answer, lag)},
    {"watermark_ms", M_INT, offsetof(struct answer, watermark_ms)},
    {"state_bytes", M_INT, offsetof(struct answer, state_bytes)},
    {"state_rows", M_INT, offsetof(struct answer, state_rows)},
    {"rows_per_s", M_DOUBLE, offsetof(struct answer, rows_per_s)},
    {"line", M_INT, offsetof(struct answer, line)},
    {"column", M_INT, offsetof(struct answer, column)},
    {"length", M_INT, offsetof(struct answer, length)},
    {"partition", M_INT, offsetof(struct answer, partition)},
    {"offset", M_INT, offsetof(struct answer, offset)},
    {"timestamp_ms", M_INT, offsetof(struct answer, timestamp_ms)},
};

static const struct {
    const char *name;
    enum answer_kind kind;
} kinds[] = {
    {"statement", ANSWER_STATEMENT}, {"message", ANSWER_MESSAGE}, {"columns", ANSWER_COLUMNS}, {"rows", ANSWER_ROWS},
    {"progress", ANSWER_PROGRESS},   {"text", ANSWER_TEXT},       {"record", ANSWER_RECORD},   {"set", ANSWER_SET},
    {"done", ANSWER_DONE},           {"error", ANSWER_ERROR},
};

static int64_t token_int(struct json_token t)
{
    int64_t v = 0;
    return str_to_i64(t.text, &v) ? v : 0;
}

static void store_member(struct answer *out, const struct member *m, struct json_token t)
{
    char *at = (char *)out + m->at;
    char number[64];
    switch (m->type) {
    case M_STR:
        *(struct str *)(void *)at = t.kind == JSON_NULL ? STR_NULL : t.text;
        break;
    case M_INT:
        *(int64_t *)(void *)at = token_int(t);
        break;
    case M_BOOL:
        *(bool *)(void *)at = t.kind == JSON_BOOL && t.b;
        break;
    case M_DOUBLE:
        if (t.kind == JSON_NUMBER && t.text.len < sizeof number) {
            memcpy(number, t.text.ptr, t.text.len);
            number[t.text.len] = 0;
            *(double *)(void *)at = strtod(number, NULL);
        }
        break;
    }
}

static bool is_number_type(struct str type)
{
    return str_eq(type, STR("INT")) || str_eq(type, STR("BIGINT")) || str_eq(type, STR("DOUBLE")) ||
           str_starts(type, STR("DECIMAL"));
}

static struct answer_column read_column(struct json *j, struct arena *a)
{
    struct answer_column col = {0};
    struct str key;
    while (json_key(j, a, &key)) {
        struct json_token t = json_next(j, a);
        if (str_eq(key, STR("name")))
            col.name = t.text;
        else if (str_eq(key, STR("type")))
            col.type = t.text;
        else if (str_eq(key, STR("key")))
            col.key = t.b;
    }
    col.right = is_number_type(col.type);
    return col;
}

static void read_columns(struct answer *out, struct json *j, struct arena *a)
{
    unsigned cap = 0;
    struct answer_column *cols = NULL;
    while (json_next(j, a).kind == JSON_OBJECT)
        VEC_PUSH(cols, out->ncols, cap) = read_column(j, a);
    out->cols = ARENA_ARRAY(a, struct answer_column, out->ncols + 1);
    if (out->ncols)
        memcpy(out->cols, cols, sizeof *cols * out->ncols);
    xfree(cols);
}

static struct cell cell_of(struct json_token t)
{
    if (t.kind == JSON_BOOL)
        return (struct cell){t.b ? STR("true") : STR("false"), JSON_BOOL};
    return (struct cell){t.text, t.kind};
}

/* An array or object is shown as the JSON that it is. */
static struct cell read_cell(struct json *j, struct arena *a)
{
    struct json here = *j;
    struct json_token t = json_next(j, a);
    if (t.kind != JSON_ARRAY && t.kind != JSON_OBJECT)
        return cell_of(t);
    *j = here;
    return (struct cell){json_raw(j), t.kind};
}

static void read_rows(struct answer *out, struct json *j, struct arena *a)
{
    unsigned n = 0, cap = 0;
    struct cell *cells = NULL;
    while (json_next(j, a).kind == JSON_ARRAY) {
        unsigned before = n;
        for (struct cell c = read_cell(j, a); c.kind != JSON_END && c.kind != JSON_BAD; c = read_cell(j, a))
            VEC_PUSH(cells, n, cap) = c;
        out->ncells = n - before;
        out->nrows++;
    }
    out->cells = ARENA_ARRAY(a, struct cell, n + 1);
    if (n)
        memcpy(out->cells, cells, sizeof *cells * n);
    xfree(cells);
    if (out->nrows * out->ncells != n) /* rows of different lengths: none of ours */
        out->nrows = 0;
}

static const struct member *member_of(struct str key)
{
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (str_eq(key, str_of(members[i].name)))
            return &members[i];
    return NULL;
}

static void read_member(struct answer *out, struct json *j, struct arena *a, struct str key)
{
    if (out->kind == ANSWER_COLUMNS && str_eq(key, STR("columns"))) {
        if (json_next(j, a).kind == JSON_ARRAY)
            read_columns(out, j, a);
        return;
    }
    if (out->kind == ANSWER_ROWS && str_eq(key, STR("rows"))) {
        if (json_next(j, a).kind == JSON_ARRAY)
            read_rows(out, j, a);
        return;
    }
    if (str_eq(key, STR("headers"))) {
        const char *from = (const char *)j->r.ptr;
        json_skip(j);
        out->headers = (struct str){from, (size_t)((const char *)j->r.ptr - from)};
        return;
    }
    if (str_eq(key, STR("from"))) {
        out->from_latest = str_eq(json_next(j, a).text, STR("latest"));
        return;
    }
    const struct member *m = member_of(key);
    if (!m) {
        json_skip(j);
        return;
    }
    struct json_token t = json_next(j, a);
    store_member(out, m, t);
    if (m->at == offsetof(struct answer, key))
        out->key_null = t.kind == JSON_NULL;
    if (m->at == offsetof(struct answer, value))
        out->value_null = t.kind == JSON_NULL;
    if (m->at == offsetof(struct answer, watermark_ms))
        out->has_watermark = t.kind == JSON_NUMBER;
}

int answer_read(struct answer *out, struct str line, struct arena *a)
{
    *out = (struct answer){.kind = ANSWER_OTHER};
    struct json j = json_of(line);
    if (json_next(&j, a).kind != JSON_OBJECT)
        return E_SYNTAX;
    struct str key;
    /* "kind" is the first member of every line. */
    if (!json_key(&j, a, &key) || !str_eq(key, STR("kind")))
        return E_SYNTAX;
    struct json_token kind = json_next(&j, a);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_eq(kind.text, str_of(kinds[i].name)))
            out->kind = kinds[i].kind;
    while (json_key(&j, a, &key))
        read_member(out, &j, a, key);
    return j.r.err ? E_SYNTAX : 0;
}
