#include "engine/io/json_scan.h"

/* Nested values of JSON records, in one pass: each part is read into a column of a batch of one row by the rules of its
 * type, as if it were a field of the record, and from there goes, as key bytes, to the value that it is part of. Only
 * what a query reads of a record comes here, so a record's flat fields know nothing of this. */

struct part {
    struct field field;   /* its column is one of the scratch batch's; of a nested part the nest has the bytes */
    struct wbuf bytes;    /* STRUCT: key bytes that this record has for it */
    bool seen, exact;
};
struct nest {
    struct type type;
    unsigned n;
    struct part *parts; /* ARRAY: the element. MAP: the value. STRUCT: the fields */
    struct wbuf bytes;  /* of the value at hand */
    struct wbuf room;   /* MAP: keys and values, one after the other */
    struct map_entry *entries;
    unsigned nentries, entries_cap;
    struct arena arena; /* names; and of the outermost one the scratch batch's texts */
    struct arena texts;
    struct batch *scratch; /* a column for each scalar below; the outermost one's, which all share */
};

/* ---- making */

static unsigned count_scalars(struct type t)
{
    unsigned n = 0;
    for (unsigned i = 0; t.of && i < t.of->n; i++)
        n += count_scalars(t.of->fields[i].type);
    return t.of ? n : 1;
}

static struct nest *make(struct type t, struct str name, unsigned *column)
{
    struct nest *n = xzalloc(sizeof *n);
    unsigned first = t.id == T_MAP;
    n->type = t;
    n->n = t.of->n - first;
    n->parts = xzalloc(n->n * sizeof *n->parts);
    arena_init(&n->arena);
    arena_init(&n->texts);
    wbuf_init(&n->bytes);
    wbuf_init(&n->room);
    for (unsigned i = 0; i < n->n; i++) {
        const struct type_field *f = &t.of->fields[first + i];
        struct part *part = &n->parts[i];
        const char *own = t.id == T_STRUCT ? arena_strdup(&n->arena, f->name)
                                           : arena_printf(&n->arena, "%.*s[]", STR_ARG(name));
        wbuf_init(&part->bytes);
        part->field = (struct field){.name = str_of(own), .type = f->type, .out = -1};
        if (type_is_nested(f->type))
            part->field.nest = make(f->type, part->field.name, column);
        else
            part->field.out = (int)(*column)++;
    }
    return n;
}

static void scratch_columns(const struct nest *n, struct batch *b)
{
    for (unsigned i = 0; i < n->n; i++) {
        const struct field *f = &n->parts[i].field;
        if (f->nest) {
            scratch_columns(f->nest, b);
            continue;
        }
        vec_alloc(&b->cols[f->out], b->arena, f->type, 1);
        vec_alloc_valid(&b->cols[f->out], b->arena, 1);
    }
}

/* A batch of one row, without texts. */
static void scratch_new(struct nest *top)
{
    struct schema none = {0, NULL};
    arena_reset(&top->texts);
    top->scratch = batch_new(&top->texts, &none, 1);
    top->scratch->ncols = count_scalars(top->type);
    top->scratch->cols = ARENA_ARRAY(&top->texts, struct vec, top->scratch->ncols);
    scratch_columns(top, top->scratch);
    batch_add_buf(top->scratch, NULL); /* the record */
}

struct nest *nest_new(const struct field *f)
{
    unsigned column = 0;
    struct nest *n = make(f->type, f->name, &column);
    scratch_new(n);
    return n;
}

void nest_free(struct nest *n)
{
    if (!n)
        return;
    for (unsigned i = 0; i < n->n; i++) {
        nest_free(n->parts[i].field.nest);
        wbuf_fini(&n->parts[i].bytes);
    }
    wbuf_fini(&n->bytes);
    wbuf_fini(&n->room);
    arena_fini(&n->arena);
    arena_fini(&n->texts);
    xfree(n->entries);
    xfree(n->parts);
    xfree(n);
}

/* ---- reading */

static const char *read_nest(const struct scan *sc, const struct field *f, const char *p, int outer, struct target *t);

static const char *wrong(struct target *t, const struct field *f, const char *what)
{
    decode_fail(t, "JSON: %s in %.*s", what, STR_ARG(f->name));
    return NULL;
}

/* The value at p as key bytes at the end of out. */
static const char *read_part(const struct scan *sc, const struct part *part, const char *p, int outer, struct target *t,
                             struct wbuf *out)
{
    const struct field *f = &part->field;
    bool open = p < sc->end && (*p == '{' || *p == '[');
    if (f->nest && open) {
        p = read_nest(sc, f, p, outer, t);
        struct value v = {.type = f->type, .s = p ? wbuf_view(&f->nest->bytes) : STR_NULL};
        if (p)
            key_encode_value(&v, out);
        return p;
    }
    if (f->nest) {
        struct value null = value_null(f->type);
        key_encode_value(&null, out);
        const char *after = p < sc->end && *p == 'n' ? json_pass_value(sc, p, outer) : NULL;
        return after ? after : wrong(t, f, "a value of another type");
    }
    unsigned column = (unsigned)f->out;
    p = json_field_value(sc, f, p, outer, t);
    if (!p)
        return NULL;
    key_encode(t->b, &column, 1, 0, out);
    field_valid(&t->b->cols[column], 0); /* for the next one */
    return p;
}

/* Behind a value: at the next one, or behind the end. */
static const char *next_part(const struct scan *sc, const struct field *f, const char *p, char close, bool *more,
                             struct target *t)
{
    p = skip_blanks(p, sc->end);
    *more = p < sc->end && *p == ',';
    if (*more)
        return skip_blanks(p + 1, sc->end);
    return p < sc->end && *p == close ? p + 1 : wrong(t, f, close == ']' ? "comma or ] is missing" : "comma or } is missing");
}

static const char *read_array(const struct scan *sc, const struct field *f, const char *p, int outer, struct target *t)
{
    struct nest *n = f->nest;
    bool more = true;
    while (p && more) {
        p = read_part(sc, &n->parts[0], p, outer, t, &n->bytes);
        if (p)
            p = next_part(sc, f, p, ']', &more, t);
    }
    return p;
}

static const char *read_map(const struct scan *sc, const struct field *f, const char *p, int outer, struct target *t)
{
    struct nest *n = f->nest;
    bool more = true;
    n->nentries = 0;
    wbuf_reset(&n->room);
    while (p && more) {
        struct str key;
        p = json_scan_key(sc, p, &key);
        if (!p)
            return wrong(t, f, "malformed key");
        struct map_entry *e = &VEC_PUSH(n->entries, n->nentries, n->entries_cap);
        *e = (struct map_entry){.key.len = key.len};
        wbuf_str(&n->room, key);
        size_t at = n->room.len;
        p = read_part(sc, &n->parts[0], p, outer, t, &n->room);
        n->entries[n->nentries - 1].value.len = n->room.len - at;
        if (p)
            p = next_part(sc, f, p, '}', &more, t);
    }
    if (!p)
        return NULL;
    const char *at = (const char *)n->room.data;
    for (unsigned i = 0; i < n->nentries; i++) { /* the room lies still now */
        struct map_entry *e = &n->entries[i];
        e->key.ptr = at;
        e->value.ptr = at + e->key.len;
        at = e->value.ptr + e->value.len;
    }
    nested_put_map(n->entries, n->nentries, &n->bytes);
    return p;
}

/* The part of a key: mostly the one behind the part before. */
static struct part *find_part(struct nest *n, struct str key, unsigned *next)
{
    if (*next < n->n && str_eq(n->parts[*next].field.name, key)) {
        n->parts[*next].exact = true;
        return &n->parts[(*next)++];
    }
    int at = type_field_find(n->type, key);
    if (at < 0)
        return NULL;
    struct part *part = &n->parts[at];
    bool exact = str_eq(part->field.name, key);
    if (part->seen && part->exact && !exact)
        return NULL;
    part->exact = exact;
    *next = (unsigned)at + 1;
    return part;
}

static const char *read_struct(const struct scan *sc, const struct field *f, const char *p, int outer, struct target *t)
{
    struct nest *n = f->nest;
    unsigned next = 0;
    bool more = true;
    for (unsigned i = 0; i < n->n; i++)
        n->parts[i].seen = n->parts[i].exact = false;
    while (p && more) {
        struct str key;
        p = json_scan_key(sc, p, &key);
        if (!p)
            return wrong(t, f, "malformed key");
        struct part *part = find_part(n, key, &next);
        if (part) {
            part->seen = true;
            wbuf_reset(&part->bytes);
            p = read_part(sc, part, p, outer, t, &part->bytes);
        } else if (!(p = json_pass_value(sc, p, outer))) {
            return wrong(t, f, "malformed value");
        }
        if (p)
            p = next_part(sc, f, p, '}', &more, t);
    }
    return p;
}

static void put_struct(struct nest *n)
{
    for (unsigned i = 0; i < n->n; i++) {
        struct value null = value_null(n->parts[i].field.type);
        if (n->parts[i].seen)
            wbuf_str(&n->bytes, wbuf_view(&n->parts[i].bytes));
        else
            key_encode_value(&null, &n->bytes);
    }
}

/* The value at p, an object or array, into its nest's bytes. */
static const char *read_nest(const struct scan *sc, const struct field *f, const char *p, int outer, struct target *t)
{
    struct nest *n = f->nest;
    bool array = n->type.id == T_ARRAY;
    if ((*p == '[') != array)
        return wrong(t, f, array ? "an object in place of an array" : "an array in place of an object");
    if (outer >= JSON_DEPTH)
        return wrong(t, f, "too many levels");
    wbuf_reset(&n->bytes);
    for (unsigned i = 0; i < n->n; i++)
        n->parts[i].seen = false;
    p = skip_blanks(p + 1, sc->end);
    if (p < sc->end && *p == (array ? ']' : '}'))
        p++;
    else if (array)
        p = read_array(sc, f, p, outer + 1, t);
    else if (n->type.id == T_MAP)
        p = read_map(sc, f, p, outer + 1, t);
    else
        p = read_struct(sc, f, p, outer + 1, t);
    if (p && n->type.id == T_STRUCT)
        put_struct(n);
    return p;
}

#define TEXTS_MAX (64 << 10)

const char *json_nested(const struct scan *sc, const struct field *f, const char *p, int outer, struct target *t)
{
    struct nest *n = f->nest;
    if (n->texts.used > TEXTS_MAX)
        scratch_new(n);
    n->scratch->bufs[0] = t->base;
    struct target part = {.b = n->scratch, .buf = 0, .base = t->base, .limit = t->limit, .scratch = t->scratch, .error = t->error};
    p = read_nest(sc, f, p, outer, &part);
    if (p)
        t->b->cols[f->out].s[t->row] = batch_keep(t->b, wbuf_view(&n->bytes));
    return p;
}
