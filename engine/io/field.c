#include "engine/io/codec.h"
#include <stdarg.h>
#include <stdio.h>

/* Fieldsets, and values that are not written in their column's own form. */

bool decode_fail(struct target *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->error, ERROR_TEXT, fmt, ap);
    va_end(ap);
    return false;
}

int fieldset_open(struct fieldset *fs, const struct format *f, bool is_key, unsigned n, const struct column *cols,
                  struct arena *a, struct diag *d)
{
    int err = format_check(f, cols, n, is_key, d);
    if (err)
        return err;
    *fs = (struct fieldset){.format = *f, .n = n, .bare = n == 1 && !f->wrapped};
    fs->depth = !fs->bare;
    fs->fields = ARENA_ARRAY(a, struct field, MAX(n, 1u));
    for (unsigned i = 0; i < n; i++) {
        struct str name = arena_dup(a, str_of(cols[i].name));
        fs->fields[i] = (struct field){.name = name, .key = name, .type = cols[i].type, .out = -1};
    }
    if (f->kind == FORMAT_JSON)
        fs->shape = json_shape_new(fs);
    return 0;
}

void fieldset_close(struct fieldset *fs)
{
    for (unsigned i = 0; i < fs->n; i++) {
        nest_free(fs->fields[i].nest);
        if (fs->fields[i].parts)
            fieldset_close(fs->fields[i].parts);
    }
    json_shape_free(fs->shape);
}

bool field_want(struct fieldset *fs, struct field *f, unsigned out)
{
    if (f->out >= 0)
        return false;
    fs->wanted += !field_is_wanted(f);
    f->out = (int)out;
    if (type_is_nested(f->type))
        f->nest = nest_new(f);
    return true;
}

struct fieldset *field_parts(struct fieldset *fs, struct field *f, struct arena *a)
{
    if (f->parts)
        return f->parts;
    CHECK(f->type.id == T_STRUCT && fs->format.kind == FORMAT_JSON);
    fs->wanted += !field_is_wanted(f);
    struct fieldset *parts = f->parts = ARENA_NEW(a, struct fieldset);
    *parts = (struct fieldset){.format = fs->format, .n = f->type.of->n, .depth = fs->depth + 1};
    parts->fields = ARENA_ARRAY(a, struct field, MAX(parts->n, 1u));
    for (unsigned i = 0; i < parts->n; i++) {
        const struct type_field *own = &f->type.of->fields[i];
        const char *name = arena_printf(a, "%.*s->%s", STR_ARG(f->name), own->name);
        parts->fields[i] = (struct field){.name = str_of(name), .key = str_of(own->name), .type = own->type, .out = -1};
    }
    parts->shape = json_shape_new(parts);
    return parts;
}

void field_absent(const struct field *f, struct target *t)
{
    if (f->out >= 0)
        field_null(&t->b->cols[f->out], t->row);
    for (unsigned i = 0; f->parts && i < f->parts->n; i++)
        field_absent(&f->parts->fields[i], t);
}

void field_again(const struct field *f, struct target *t)
{
    if (f->out >= 0)
        field_valid(&t->b->cols[f->out], t->row);
    for (unsigned i = 0; f->parts && i < f->parts->n; i++)
        field_again(&f->parts->fields[i], t);
}

static bool does_not_fit(const struct field *f, struct target *t)
{
    char type[TYPE_TEXT];
    type_format(f->type, type);
    return decode_fail(t, "column %.*s: the value is no %s, or does not fit", STR_ARG(f->name), type);
}

bool field_from_i64(const struct field *f, struct vec *v, int64_t n, struct target *t)
{
    switch (f->type.id) {
    case T_BIGINT:
    case T_TIMESTAMP:
    case T_INTERVAL:
        v->i64[t->row] = n;
        return true;
    case T_INT:
    case T_DATE:
        v->i32[t->row] = (int32_t)n;
        return v->i32[t->row] == n || does_not_fit(f, t);
    case T_TIME:
        v->i32[t->row] = (int32_t)n;
        return (n >= 0 && n < 86400000) || does_not_fit(f, t);
    default:
        return does_not_fit(f, t);
    }
}

static bool whole_number(struct str s, int64_t *out)
{
    struct number n;
    s = str_trim(s);
    return s.len && number_scan(s.ptr, s.ptr + s.len, &n) == s.ptr + s.len && number_i64(&n, out);
}

static bool from_base64(struct vec *v, struct str s, struct target *t)
{
    wbuf_reset(t->scratch);
    if (!base64_decode(s, t->scratch))
        return false;
    v->s[t->row] = batch_keep(t->b, t->scratch->len ? wbuf_view(t->scratch) : STR(""));
    return true;
}

bool field_from_text(const struct field *f, struct vec *v, struct str s, struct target *t)
{
    int64_t n;
    bool ok = false;
    switch (f->type.id) {
    case T_VARCHAR:
        v->s[t->row] = batch_keep(t->b, s);
        return true;
    case T_DOUBLE:
        ok = double_parse(s, &v->f64[t->row]);
        break;
    case T_DECIMAL:
        ok = decimal_parse(s, f->type, false, &v->i128[t->row]);
        break;
    case T_BYTES:
        ok = from_base64(v, s, t);
        break;
    case T_BOOLEAN:
        break;
    default:
        if (whole_number(s, &n))
            return field_from_i64(f, v, n, t);
        ok = f->type.id == T_TIMESTAMP ? timestamp_parse(s, &v->i64[t->row])
             : f->type.id == T_DATE    ? date_parse(s, &v->i32[t->row])
             : f->type.id == T_TIME    ? time_parse(s, &v->i32[t->row])
             : f->type.id == T_INTERVAL ? interval_parse(s, f->type, &v->i64[t->row])
                                       : false;
    }
    return ok || does_not_fit(f, t);
}
