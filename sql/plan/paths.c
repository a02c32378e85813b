#include "sql/plan/lower.h"

/* A source of JSON reads the fields of a STRUCT by themselves, where nobody asks for the whole of it: as columns s->f,
 * straight from the record. The STRUCT itself is pruned then, since nobody reads it any more. */

struct path {
    unsigned of;      /* the STRUCT's column */
    unsigned depth;
    unsigned *fields; /* from the outermost in */
    unsigned id;      /* the column that it becomes */
};
struct paths {
    struct columns *cs;
    unsigned columns; /* so many there were */
    bool *structs;    /* by id: a STRUCT that a source reads */
    bool *whole;      /* by id: somebody asks for all of it */
    unsigned n, cap;
    struct path *items;
};

static bool may_have_paths(const struct tree *t)
{
    return t->kind == TREE_SOURCE && !t->scan && !t->rel->sys && t->rel->format.value.kind == FORMAT_JSON;
}

static void find_structs(const struct tree *t, struct paths *ps)
{
    for (unsigned i = 0; may_have_paths(t) && i < t->out.n; i++)
        if (t->wants[i].from == WANT_VALUE && ps->cs->items[t->out.id[i]].type.id == T_STRUCT)
            ps->structs[t->out.id[i]] = true;
    for (unsigned i = 0; i < t->ninputs; i++)
        find_structs(t->inputs[i], ps);
}

/* How deep a field of a field of a ... such a column e is; 0: it is none. */
static unsigned depth_of(const struct paths *ps, const struct expr *e, unsigned *of)
{
    unsigned depth = 0;
    for (; e->kind == EX_FIELD; e = e->args[0])
        depth++;
    *of = e->column;
    return e->kind == EX_COLUMN && e->column < ps->columns && ps->structs[e->column] ? depth : 0;
}

/* The path that is e, or the one that e lies in (of so many levels more). */
static const struct path *path_of(const struct paths *ps, const struct expr *e, unsigned depth, unsigned of, unsigned *more)
{
    unsigned fields[TYPE_DEPTH];
    for (unsigned i = depth; i-- > 0; e = e->args[0])
        fields[i] = e->column;
    for (unsigned i = 0; i < ps->n; i++) {
        const struct path *p = &ps->items[i];
        *more = depth - p->depth;
        if (p->of == of && p->depth <= depth && memcmp(p->fields, fields, p->depth * sizeof *fields) == 0)
            return p;
    }
    return NULL;
}

static void add_path(struct paths *ps, const struct expr *e, unsigned depth, unsigned of)
{
    struct arena *a = ps->cs->arena;
    if (ps->n == ps->cap) {
        struct path *more = ARENA_ARRAY(a, struct path, ps->cap * 2 + 8);
        if (ps->n)
            memcpy(more, ps->items, ps->n * sizeof *more);
        ps->cap = ps->cap * 2 + 8;
        ps->items = more;
    }
    struct path *p = &ps->items[ps->n++];
    *p = (struct path){of, depth, ARENA_ARRAY(a, unsigned, depth), NO_COLUMN};
    for (unsigned i = depth; i-- > 0; e = e->args[0])
        p->fields[i] = e->column;
}

static const struct expr *note_use(void *arg, const struct expr *e)
{
    struct paths *ps = arg;
    unsigned of, more, depth = depth_of(ps, e, &of);
    if (depth > 0 && depth <= TYPE_DEPTH) {
        if (!path_of(ps, e, depth, of, &more))
            add_path(ps, e, depth, of);
        return e;
    }
    if (e->kind == EX_COLUMN && e->column < ps->columns)
        ps->whole[e->column] = true;
    for (unsigned i = 0; i < e->nargs; i++)
        note_use(ps, e->args[i]);
    return e;
}

static void note_ids(struct paths *ps, const struct ids *ids)
{
    for (unsigned i = 0; i < ids->n; i++)
        ps->whole[ids->id[i]] = true;
}

static void note_uses(struct tree *t, struct paths *ps)
{
    tree_each_expr(t, note_use, ps); /* changes nothing */
    note_ids(ps, &t->groups);
    note_ids(ps, &t->from[0]);
    note_ids(ps, &t->from[1]);
    for (unsigned i = 0; i < t->nsort; i++)
        ps->whole[t->sort[i].id] = true;
    for (unsigned i = 0; i < t->ninputs; i++)
        note_uses(t->inputs[i], ps);
}

/* A path that lies in another, which was found later, is read from that. */
static bool is_inner(const struct paths *ps, const struct path *p)
{
    for (unsigned i = 0; i < ps->n; i++) {
        const struct path *o = &ps->items[i];
        if (o->of == p->of && o->depth < p->depth && memcmp(o->fields, p->fields, o->depth * sizeof *o->fields) == 0)
            return true;
    }
    return false;
}

static void keep_useful(struct paths *ps)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < ps->n; i++)
        if (ps->whole[ps->items[i].of])
            ps->structs[ps->items[i].of] = false;
    for (unsigned i = 0; i < ps->n; i++) {
        struct path p = ps->items[i];
        if (ps->structs[p.of] && !is_inner(ps, &p))
            ps->items[kept++] = p;
    }
    ps->n = kept;
}

static unsigned make_column(struct paths *ps, const struct path *p)
{
    struct arena *a = ps->cs->arena;
    struct tree_column c = ps->cs->items[p->of];
    for (unsigned i = 0; i < p->depth; i++) {
        const struct type_field *f = &c.type.of->fields[p->fields[i]];
        c.name = arena_printf(a, "%s->%s", c.name, f->name);
        c.type = f->type;
    }
    return column_add(ps->cs, c);
}

/* Behind what the source reads besides. */
static void read_paths(struct tree *t, struct paths *ps)
{
    for (unsigned i = 0; i < t->ninputs; i++)
        read_paths(t->inputs[i], ps);
    unsigned had = t->out.n;
    if (!may_have_paths(t))
        return;
    struct want *wants = ARENA_ARRAY(ps->cs->arena, struct want, had + ps->n + 1);
    struct ids out = {had, ARENA_ARRAY(ps->cs->arena, unsigned, had + ps->n + 1)};
    for (unsigned i = 0; i < had; i++) {
        wants[i] = t->wants[i];
        out.id[i] = t->out.id[i];
    }
    for (unsigned i = 0; i < had; i++)
        for (unsigned k = 0; k < ps->n; k++) {
            struct path *p = &ps->items[k];
            if (p->of != t->out.id[i])
                continue;
            wants[out.n] = (struct want){WANT_VALUE, t->wants[i].index, p->depth, p->fields};
            out.id[out.n++] = p->id = make_column(ps, p);
        }
    t->wants = wants;
    t->out = out;
}

static const struct expr *replaced(void *arg, const struct expr *e)
{
    struct paths *ps = arg;
    unsigned of, more = 0, depth = depth_of(ps, e, &of);
    const struct path *p = depth ? path_of(ps, e, depth, of, &more) : NULL;
    if (p && !more)
        return expr_of_id(ps->cs, p->id);
    return expr_map_args(e, replaced, ps, ps->cs->arena);
}

static void replace(struct tree *t, struct paths *ps)
{
    for (unsigned i = 0; i < t->ninputs; i++)
        replace(t->inputs[i], ps);
    tree_each_expr(t, replaced, ps);
    tree_derive(t, ps->cs->arena);
}

struct tree *rule_read_paths(struct tree *t, struct columns *cs)
{
    struct paths ps = {.cs = cs, .columns = cs->n};
    ps.structs = ARENA_ARRAY(cs->arena, bool, cs->n + 1);
    ps.whole = ARENA_ARRAY(cs->arena, bool, cs->n + 1);
    find_structs(t, &ps);
    note_uses(t, &ps);
    note_ids(&ps, &t->out);
    keep_useful(&ps);
    if (!ps.n)
        return t;
    read_paths(t, &ps);
    replace(t, &ps);
    return t;
}
