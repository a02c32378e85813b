/* Names to things: the catalog (relations and functions kept as objects of the metadata image), session settings, and the
 * binder, which turns an AST into typed expressions and a query whose every name is resolved.
 * Thread: pure, any. */
#ifndef SQL_BIND_H
#define SQL_BIND_H
#include "engine/expr/expr.h"
#include "engine/io/io.h"
#include "log/cluster/cluster.h"
#include "sql/parse/parse.h"

/* ---- Settings: session properties and variables. Names without regard to case. */
struct setting {
    char *name, *value;
};
struct settings {
    struct setting *items; /* by name */
    unsigned n, cap;
};
void settings_init(struct settings *s);
void settings_fini(struct settings *s);
struct str settings_get(const struct settings *s, struct str name);       /* null: not set */
void settings_put(struct settings *s, struct str name, struct str value); /* null value removes */

/* The session properties there are: name, values, default. i from 0; NULL past the end. */
struct property {
    const char *name, *dflt, *doc;
    const char *const *values; /* NULL-terminated list of what is allowed */
};
const struct property *property_at(unsigned i);
/* Value in force: the session's or the default. */
struct str property_get(const struct settings *props, const char *name);

/* ---- Catalog: object "relation". */
struct relation {
    const char *name;
    struct uuid id;
    bool table;
    bool windowed;           /* key carries a window start; size in format.window_size_ms */
    struct uuid topic;
    const char *topic_name;  /* as it was when declared */
    struct row_format format;
    unsigned ncols;          /* key and value columns in declared order; names, types and where they lie */
    struct relation_column {
        const char *name;
        struct type type;
        bool key;
        unsigned index;      /* of format.key_cols or format.value_cols */
    } *cols;
    struct uuid job;         /* that fills it; zero: declared over a topic */
    const char *sql;         /* the statement, as the user wrote it */
};
void relation_pack(const struct relation *r, struct wbuf *out);
int relation_unpack(struct relation *r, const struct object *obj, struct arena *a); /* E_CORRUPT */
/* NULL: there is none of this name (d: the sentence with did-you-mean) or its body is damaged. d may be NULL. */
struct relation *relation_find(const struct image *im, struct str name, struct arena *a, struct diag *d);

/* ---- Catalog: object "function": a C function with one signature. */
struct function {
    const char *name;
    struct uuid id;
    unsigned nargs;
    struct type *args;
    struct type result;
    const char *library, *symbol, *sql;
};
void function_pack(const struct function *f, struct wbuf *out);
int function_unpack(struct function *f, const struct object *obj, struct arena *a);

#endif
