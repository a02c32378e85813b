#include "engine/io/codec.h"

/* Names of formats, what each can hold, and row formats in plans. */

static const char *const names[] = {[FORMAT_NONE] = "NONE",
                                    [FORMAT_KAFKA] = "KAFKA",
                                    [FORMAT_DELIMITED] = "DELIMITED",
                                    [FORMAT_JSON] = "JSON"};

const char *bad_kind_name(enum bad_kind k)
{
    static const char *const words[BAD_KINDS] = {"none",          "damaged batch",      "undecodable key", "undecodable value",
                                                 "no event time", "key not computable", "function failed", "unwritable output",
                                                 "late row",      "lost record"};
    return (unsigned)k < BAD_KINDS ? words[k] : "?";
}

const char *format_name(enum format_kind k)
{
    CHECK((unsigned)k < ARRAY_LEN(names));
    return names[k];
}

bool format_parse(struct str name, enum format_kind *out)
{
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, str_of(names[i]))) {
            *out = (enum format_kind)i;
            return true;
        }
    return false;
}

static int check_kafka(const struct column *cols, unsigned n, const char *side, struct diag *d)
{
    if (n > 1) {
        diag_set(d, E_SQL, "format KAFKA holds one column, and the %s has %u", side, n);
        diag_hint(d, "use JSON or DELIMITED");
        return E_SQL;
    }
    uint8_t id = n ? cols[0].type.id : T_INT;
    if (id == T_INT || id == T_BIGINT || id == T_DOUBLE || id == T_VARCHAR || id == T_BYTES)
        return 0;
    char type[TYPE_TEXT];
    type_format(cols[0].type, type);
    diag_set(d, E_SQL, "format KAFKA cannot hold %s (column %s)", type, cols[0].name);
    diag_hint(d, "it holds INT, BIGINT, DOUBLE, VARCHAR and BYTES; JSON holds all types");
    return E_SQL;
}

static int check_flat(const struct column *col, const char *sentence, struct diag *d)
{
    char type[TYPE_TEXT];
    type_format(col->type, type);
    diag_set(d, E_SQL, "%s (column %s is %s)", sentence, col->name, type);
    diag_hint(d, "%s", sentence[0] == 'a' ? "use its fields or elements as key columns, or CAST it to VARCHAR" : "use JSON");
    return E_SQL;
}

int format_check(const struct format *f, const struct column *cols, unsigned n, bool is_key, struct diag *d)
{
    const char *side = is_key ? "key" : "value";
    switch (f->kind) {
    case FORMAT_NONE:
        if (n)
            return diag_set(d, E_SQL, "format NONE holds no columns, and the %s has %u", side, n);
        return is_key ? 0 : diag_set(d, E_SQL, "a value needs a format: JSON, DELIMITED or KAFKA");
    case FORMAT_KAFKA:
        return check_kafka(cols, n, side, d);
    case FORMAT_DELIMITED:
        for (unsigned i = 0; i < n; i++)
            if (type_is_nested(cols[i].type))
                return check_flat(&cols[i], "format DELIMITED has no room for nested values", d);
        if (f->delimiter == '"' || f->delimiter == '\n' || f->delimiter == '\r')
            return diag_set(d, E_SQL, "a quote or a line end cannot be the delimiter");
        return 0;
    case FORMAT_JSON:
        for (unsigned i = 0; i < n && is_key; i++)
            if (type_is_nested(cols[i].type))
                return check_flat(&cols[i], "a key holds no nested values", d);
        if (!is_key && !f->wrapped && n != 1)
            return diag_set(d, E_SQL, "a JSON value without an object holds one column, and there are %u", n);
        return 0;
    }
    return diag_set(d, E_SQL, "unknown format");
}

/* ---- in plans: [key, value, key columns, value columns, window size, ts column, ts pattern [, both bounds of the
 *      window are in the key, delay, idle]]; the last three are left out where they are none
 *      a format is [name, delimiter, wrapped], a column [name, type] */

static void pack_format(const struct format *f, struct wbuf *out)
{
    pack_array(out, 3);
    pack_str(out, str_of(format_name(f->kind)));
    pack_uint(out, (uint8_t)f->delimiter);
    pack_bool(out, f->wrapped);
}

static void pack_columns(const struct column *cols, unsigned n, struct wbuf *out)
{
    pack_array(out, n);
    for (unsigned i = 0; i < n; i++) {
        struct wbuf type;
        wbuf_init(&type);
        type_put(cols[i].type, &type);
        pack_array(out, 2);
        pack_str(out, str_of(cols[i].name));
        pack_str(out, wbuf_view(&type));
        wbuf_fini(&type);
    }
}

void row_format_pack(const struct row_format *f, struct wbuf *out)
{
    bool more = f->window_bounds || f->delay_ms || f->idle_ms;
    pack_array(out, more ? 10 : 7);
    pack_format(&f->key, out);
    pack_format(&f->value, out);
    pack_columns(f->key_cols, f->nkey, out);
    pack_columns(f->value_cols, f->nvalue, out);
    pack_int(out, f->window_size_ms);
    pack_int(out, f->ts_column);
    pack_str(out, str_of(f->ts_pattern));
    if (!more)
        return;
    pack_bool(out, f->window_bounds);
    pack_int(out, f->delay_ms);
    pack_int(out, f->idle_ms);
}

static bool unpack_format(struct unpack *u, struct format *f)
{
    if (unpack_array(u) != 3 || !format_parse(unpack_str(u), &f->kind))
        return false;
    f->delimiter = (char)unpack_uint(u);
    f->wrapped = unpack_bool(u);
    return true;
}

static bool unpack_columns(struct unpack *u, struct column **cols, unsigned *n, struct arena *a)
{
    *n = unpack_array(u); /* at most the bytes that are left */
    *cols = ARENA_ARRAY(a, struct column, MAX(*n, 1u));
    for (unsigned i = 0; i < *n; i++) {
        if (unpack_array(u) != 2)
            return false;
        struct str name = unpack_str(u);
        (*cols)[i].name = arena_dup(a, name).ptr;
        if (!name.ptr || !type_parse(unpack_str(u), &(*cols)[i].type))
            return false;
    }
    return true;
}

int row_format_unpack(struct unpack *u, struct row_format *f, struct arena *a)
{
    *f = (struct row_format){0};
    uint32_t fields = unpack_array(u);
    bool ok = (fields == 7 || fields == 10) && unpack_format(u, &f->key) && unpack_format(u, &f->value) &&
              unpack_columns(u, &f->key_cols, &f->nkey, a) && unpack_columns(u, &f->value_cols, &f->nvalue, a);
    if (!ok)
        return E_CORRUPT;
    f->window_size_ms = unpack_int(u);
    int64_t ts = unpack_int(u);
    f->ts_pattern = arena_dup(a, unpack_str(u)).ptr;
    f->window_bounds = fields == 10 && unpack_bool(u);
    f->delay_ms = fields == 10 ? unpack_int(u) : 0;
    f->idle_ms = fields == 10 ? unpack_int(u) : 0;
    if (unpack_err(u) || f->window_size_ms < 0 || f->delay_ms < 0 || f->idle_ms < 0 || ts < -1 || ts >= (int64_t)f->nkey + f->nvalue)
        return E_CORRUPT;
    f->ts_column = (int)ts;
    return 0;
}
