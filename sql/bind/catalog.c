/* Relations, views and functions as objects of the metadata image. Bodies are msgpack arrays that begin with a version; what
 * is read is checked before it is used, as all stored bytes. Format: sql/README.md, "Catalog". */
#include "sql/bind/bind.h"

#define RELATION_VERSION 1
#define FUNCTION_VERSION 1
#define VIEW_VERSION 1
#define NAMED_TYPE_VERSION 1

static void put_type(struct wbuf *w, struct type t)
{
    struct wbuf text;
    wbuf_init(&text);
    type_put(t, &text);
    pack_str(w, wbuf_view(&text));
    wbuf_fini(&text);
}

static struct type get_type(struct unpack *u)
{
    struct type t = TYPE(T_NULL);
    if (!type_parse(unpack_str(u), &t) && !u->r.err)
        u->r.err = E_SYNTAX;
    return t;
}

static const char *get_text(struct unpack *u, struct arena *a)
{
    struct str s = unpack_str(u);
    return s.ptr ? arena_dup(a, s).ptr : "";
}

void relation_pack(const struct relation *r, struct wbuf *out)
{
    pack_array(out, 8);
    pack_uint(out, RELATION_VERSION);
    pack_bool(out, r->table);
    pack_uuid(out, r->topic);
    pack_str(out, str_of(r->topic_name));
    row_format_pack(&r->format, out);
    pack_array(out, r->ncols);
    for (unsigned i = 0; i < r->ncols; i++) {
        pack_array(out, 2);
        pack_bool(out, r->cols[i].key);
        pack_uint(out, r->cols[i].index);
    }
    pack_uuid(out, r->job);
    pack_str(out, str_of(r->sql));
}

/* Columns say where they lie in the format; name and type are kept there. */
static void get_columns(struct unpack *u, struct relation *r, struct arena *a)
{
    r->ncols = unpack_array(u);
    r->cols = ARENA_ARRAY(a, struct relation_column, r->ncols);
    for (unsigned i = 0; i < r->ncols && !unpack_err(u); i++) {
        struct relation_column *c = &r->cols[i];
        uint32_t two = unpack_array(u);
        c->key = unpack_bool(u);
        uint64_t index = unpack_uint(u);
        if (two != 2 || index >= (c->key ? r->format.nkey : r->format.nvalue)) {
            u->r.err = u->r.err ? u->r.err : E_SYNTAX;
            return;
        }
        const struct column *from = c->key ? &r->format.key_cols[index] : &r->format.value_cols[index];
        c->index = (unsigned)index;
        c->name = from->name;
        c->type = from->type;
    }
}

int relation_unpack(struct relation *r, const struct object *obj, struct arena *a)
{
    struct unpack u = unpack_of(obj->body);
    *r = (struct relation){.name = arena_strdup(a, obj->name), .id = obj->id};
    if (unpack_array(&u) != 8)
        return E_CORRUPT;
    uint64_t version = unpack_uint(&u);
    if (version != RELATION_VERSION)
        return unpack_err(&u) || version < RELATION_VERSION ? E_CORRUPT : E_NEWER_FORMAT;
    r->table = unpack_bool(&u);
    r->topic = unpack_uuid(&u);
    r->topic_name = get_text(&u, a);
    if (unpack_err(&u) || row_format_unpack(&u, &r->format, a) != 0)
        return E_CORRUPT;
    get_columns(&u, r, a);
    r->job = unpack_uuid(&u);
    r->sql = get_text(&u, a);
    r->windowed = r->format.window_size_ms > 0;
    return unpack_err(&u) ? E_CORRUPT : 0;
}

void relation_each(const struct image *im, struct arena *a, void (*each_cb)(void *arg, const struct relation *r),
                   void *arg)
{
    for (unsigned i = 0; i < im->nobjects; i++) {
        struct relation r;
        if (strcmp(im->objects[i]->kind, "relation") == 0 && relation_unpack(&r, im->objects[i], a) == 0)
            each_cb(arg, &r);
    }
}

struct relation *relation_find(const struct image *im, struct str name, struct arena *a, struct diag *d)
{
    const struct object *obj = image_object(im, "relation", name);
    if (!obj && image_object(im, "view", name)) {
        diag_set(d, E_SQL, "\"%.*s\" is a view; it has no rows of its own", STR_ARG(name));
        diag_hint(d, "name a stream or table that it reads");
        return NULL;
    }
    if (!obj) {
        struct nearest near = nearest_of(name);
        for (unsigned i = 0; i < im->nobjects; i++)
            if (strcmp(im->objects[i]->kind, "relation") == 0 || strcmp(im->objects[i]->kind, "view") == 0)
                nearest_add(&near, str_of(im->objects[i]->name));
        diag_set(d, E_SQL, "there is no stream or table \"%.*s\"", STR_ARG(name));
        struct str best = nearest_get(&near);
        if (best.ptr)
            diag_hint(d, "did you mean \"%.*s\"?", STR_ARG(best));
        else if (image_topic(im, name))
            diag_hint(d, "there is a topic of this name; CREATE STREAM or TABLE over it first");
        else
            diag_hint(d, "SHOW STREAMS; and SHOW TABLES; list what there is");
        return NULL;
    }
    struct relation *r = ARENA_NEW(a, struct relation);
    if (relation_unpack(r, obj, a) == 0)
        return r;
    diag_set(d, E_CORRUPT, "the stored description of \"%.*s\" cannot be read", STR_ARG(name));
    return NULL;
}

void function_pack(const struct function *f, struct wbuf *out)
{
    pack_array(out, 6);
    pack_uint(out, FUNCTION_VERSION);
    pack_array(out, f->nargs);
    for (unsigned i = 0; i < f->nargs; i++)
        put_type(out, f->args[i]);
    put_type(out, f->result);
    pack_str(out, str_of(f->library));
    pack_str(out, str_of(f->symbol));
    pack_str(out, str_of(f->sql));
}

int function_unpack(struct function *f, const struct object *obj, struct arena *a)
{
    struct unpack u = unpack_of(obj->body);
    *f = (struct function){.name = arena_strdup(a, obj->name), .id = obj->id};
    if (unpack_array(&u) != 6)
        return E_CORRUPT;
    uint64_t version = unpack_uint(&u);
    if (version != FUNCTION_VERSION)
        return unpack_err(&u) || version < FUNCTION_VERSION ? E_CORRUPT : E_NEWER_FORMAT;
    f->nargs = unpack_array(&u);
    f->args = ARENA_ARRAY(a, struct type, f->nargs);
    for (unsigned i = 0; i < f->nargs && !unpack_err(&u); i++)
        f->args[i] = get_type(&u);
    f->result = get_type(&u);
    f->library = get_text(&u, a);
    f->symbol = get_text(&u, a);
    f->sql = get_text(&u, a);
    return unpack_err(&u) ? E_CORRUPT : 0;
}

void named_type_pack(struct type t, const char *sql, struct wbuf *out)
{
    pack_array(out, 3);
    pack_uint(out, NAMED_TYPE_VERSION);
    put_type(out, t);
    pack_str(out, str_of(sql));
}

int named_type_unpack(const struct object *obj, struct type *out, const char **sql, struct arena *a)
{
    struct unpack u = unpack_of(obj->body);
    uint32_t n = unpack_array(&u);
    uint64_t version = unpack_uint(&u);
    if (version != NAMED_TYPE_VERSION)
        return unpack_err(&u) || version < NAMED_TYPE_VERSION ? E_CORRUPT : E_NEWER_FORMAT;
    *out = get_type(&u);
    const char *text = get_text(&u, a);
    if (sql)
        *sql = text;
    return unpack_err(&u) || n != 3 ? E_CORRUPT : 0;
}

void function_each(const struct image *im, struct arena *a, void (*each_cb)(void *arg, const struct function *f),
                   void *arg)
{
    for (unsigned i = 0; i < im->nobjects; i++) {
        struct function f;
        if (strcmp(im->objects[i]->kind, "function") == 0 && function_unpack(&f, im->objects[i], a) == 0)
            each_cb(arg, &f);
    }
}

void sqlview_pack(const struct sqlview *v, struct wbuf *out)
{
    pack_array(out, 3);
    pack_uint(out, VIEW_VERSION);
    pack_str(out, str_of(v->sql));
    pack_array(out, v->nreads);
    for (unsigned i = 0; i < v->nreads; i++)
        pack_uuid(out, v->reads[i]);
}

int sqlview_unpack(struct sqlview *v, const struct object *obj, struct arena *a)
{
    struct unpack u = unpack_of(obj->body);
    *v = (struct sqlview){.name = arena_strdup(a, obj->name), .id = obj->id};
    if (unpack_array(&u) != 3)
        return E_CORRUPT;
    uint64_t version = unpack_uint(&u);
    if (version != VIEW_VERSION)
        return unpack_err(&u) || version < VIEW_VERSION ? E_CORRUPT : E_NEWER_FORMAT;
    v->sql = get_text(&u, a);
    v->nreads = unpack_array(&u);
    v->reads = ARENA_ARRAY(a, struct uuid, v->nreads);
    for (unsigned i = 0; i < v->nreads && !unpack_err(&u); i++)
        v->reads[i] = unpack_uuid(&u);
    return unpack_err(&u) ? E_CORRUPT : 0;
}

struct sqlview *sqlview_find(const struct image *im, struct str name, struct arena *a)
{
    const struct object *obj = image_object(im, "view", name);
    struct sqlview *v = obj ? ARENA_NEW(a, struct sqlview) : NULL;
    return v && sqlview_unpack(v, obj, a) == 0 ? v : NULL;
}

const char *sqlview_users(const struct image *im, struct uuid id, struct arena *a)
{
    const char *text = NULL;
    unsigned n = 0;
    for (unsigned i = 0; i < im->nobjects; i++) {
        struct sqlview v;
        bool reads = false;
        if (strcmp(im->objects[i]->kind, "view") != 0 || sqlview_unpack(&v, im->objects[i], a) != 0)
            continue;
        for (unsigned k = 0; k < v.nreads; k++)
            reads |= uuid_eq(v.reads[k], id);
        if (reads)
            text = arena_printf(a, "%s%s\"%s\"", n++ ? text : "", text ? ", " : "", v.name);
    }
    return text ? arena_printf(a, "view%s %s", n > 1 ? "s" : "", text) : NULL;
}
