/* Schema sys: tables that hold what the server knows of itself when they are asked. */
#include "sql/bind/bind.h"

#define SYS_TABLE(t, name, doc) static const struct sys_column columns_##t[] = {
#define SYS_COLUMN(t, c, name, type, doc) {name, TYPE(type), doc},
#define SYS_END(t) };
#include "sql/bind/sys.def"
#undef SYS_TABLE
#undef SYS_COLUMN
#undef SYS_END

#define SYS_TABLE(t, name, doc) {name, doc, SYS_##t##_COLUMNS, columns_##t},
#define SYS_COLUMN(t, c, name, type, doc)
#define SYS_END(t)
static const struct sys_table tables[] = {
#include "sql/bind/sys.def"
};
#undef SYS_TABLE
#undef SYS_COLUMN
#undef SYS_END

const struct sys_table *sys_table_at(unsigned i) { return i < ARRAY_LEN(tables) ? &tables[i] : NULL; }

/* A table of rows that nobody keeps: its columns are values, it has no key, no topic, no job. */
static struct relation *make(const struct sys_table *t, struct arena *a)
{
    struct relation *r = ARENA_NEW(a, struct relation);
    r->name = arena_printf(a, "sys.%s", t->name);
    r->sys = t;
    r->table = true;
    r->topic_name = r->sql = "";
    r->ncols = r->format.nvalue = t->ncols;
    r->format.ts_column = -1;
    r->format.value_cols = ARENA_ARRAY(a, struct column, t->ncols);
    r->cols = ARENA_ARRAY(a, struct relation_column, t->ncols);
    for (unsigned i = 0; i < t->ncols; i++) {
        r->format.value_cols[i] = (struct column){t->cols[i].name, t->cols[i].type};
        r->cols[i] = (struct relation_column){t->cols[i].name, t->cols[i].type, false, i};
    }
    return r;
}

struct relation *sys_find(struct str schema, struct str name, struct arena *a, struct diag *d)
{
    struct nearest near = nearest_of(name);
    if (!str_eq_nocase(schema, STR("sys"))) {
        diag_set(d, E_SQL, "there is no schema \"%.*s\"", STR_ARG(schema));
        diag_hint(d, "streams and tables stand alone; the server's own tables are in sys: SHOW TABLES FROM sys");
        return NULL;
    }
    for (unsigned i = 0; i < ARRAY_LEN(tables); i++) {
        if (str_eq_nocase(name, str_of(tables[i].name)))
            return make(&tables[i], a);
        nearest_add(&near, str_of(tables[i].name));
    }
    diag_set(d, E_SQL, "there is no table \"sys.%.*s\"", STR_ARG(name));
    struct str best = nearest_get(&near);
    if (best.ptr)
        diag_hint(d, "did you mean sys.%.*s?", STR_ARG(best));
    else
        diag_hint(d, "SHOW TABLES FROM sys lists them");
    return NULL;
}
