/* Names to things: the catalog (relations and functions kept as objects of the metadata image), session settings, and
 * the binder, which turns an AST into typed expressions and a query whose every name is resolved. Thread: pure, any. */
#ifndef SQL_BIND_H
#define SQL_BIND_H
#include "engine/expr/expr.h"
#include "engine/io/io.h"
#include "engine/run/plan.h"
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
    const char *const *values; /* NULL-terminated list of what is allowed (NULL: a number or a topic's name), */
    bool time;                 /* and 'timestamp:' with ms or ISO 8601 */
    int64_t most;              /* a number from 1 to this */
};
/* The value as it is kept; null: not allowed. */
struct str property_value(const struct property *p, struct str value);
/* The words of a list for people: 'a', 'b'. */
void property_list(const struct property *p, char *out, size_t cap);
/* "timestamp:2024-01-31T12:00:00" or "timestamp:1706702400000" as ms; false: it is not that. */
bool reset_time(struct str value, int64_t *ms);
const struct property *property_at(unsigned i);
/* Value in force: the session's or the default. */
struct str property_get(const struct settings *props, const char *name);
bool emits_records(const struct settings *props); /* emit=record, said or by the profile */

/* ---- Catalog: object "relation". */
struct relation {
    const char *name;
    struct uuid id;
    bool table;
    bool windowed; /* key carries a window start; size in format.window_size_ms */
    struct uuid topic;
    const char *topic_name; /* as it was when declared */
    struct row_format format;
    unsigned ncols; /* key and value columns in declared order; names, types and where they lie */
    struct relation_column {
        const char *name;
        struct type type;
        bool key;
        unsigned index; /* of format.key_cols or format.value_cols */
    } * cols;
    struct uuid job; /* that fills it; zero: declared over a topic */
    const char *sql; /* the statement, as the user wrote it */
    const struct sys_table *sys; /* of schema sys: no topic, no job; NULL: it is none of those */
};
void relation_pack(const struct relation *r, struct wbuf *out);
int relation_unpack(struct relation *r, const struct object *obj, struct arena *a); /* E_CORRUPT */
/* NULL: there is none of this name (d: the sentence with did-you-mean) or its body is damaged. d may be NULL. */
struct relation *relation_find(const struct image *im, struct str name, struct arena *a, struct diag *d);

/* ---- Schema sys: tables that the server fills when they are asked. Not objects: they are always there. */
struct sys_column {
    const char *name;
    struct type type;
    const char *doc;
};
struct sys_table {
    const char *name, *doc;
    unsigned ncols;
    const struct sys_column *cols;
};
const struct sys_table *sys_table_at(unsigned i); /* as enum sys_id numbers them; NULL past the end */
/* SYS_JOBS and so on; SYS_JOBS_STATE and so on: its columns. */
#define SYS_TABLE(t, name, doc) SYS_##t,
#define SYS_COLUMN(t, c, name, type, doc)
#define SYS_END(t)
enum sys_id {
#include "sql/bind/sys.def"
    SYS_TABLES
};
#undef SYS_TABLE
#undef SYS_COLUMN
#undef SYS_END
#define SYS_TABLE(t, name, doc) enum {
#define SYS_COLUMN(t, c, name, type, doc) SYS_##t##_##c,
#define SYS_END(t) SYS_##t##_COLUMNS };
#include "sql/bind/sys.def"
#undef SYS_TABLE
#undef SYS_COLUMN
#undef SYS_END
/* The table as a relation; NULL: there is none, d says so. */
struct relation *sys_find(struct str schema, struct str name, struct arena *a, struct diag *d);

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

/* ---- Catalog: object "type": a name for a type. Relations keep the type itself, so dropping the name harms nobody. */
void named_type_pack(struct type t, const char *sql, struct wbuf *out);
int named_type_unpack(const struct object *obj, struct type *out, const char **sql, struct arena *a); /* sql NULL: not wanted */

/* Every relation or function: calls each_cb by name. */
void relation_each(const struct image *im, struct arena *a, void (*each_cb)(void *arg, const struct relation *r),
                   void *arg);
void function_each(const struct image *im, struct arena *a, void (*each_cb)(void *arg, const struct function *f),
                   void *arg);

/* ---- Catalog: object "view": a query with a name. Where FROM names it, its query stands there. */
struct sqlview {
    const char *name;
    struct uuid id;
    const char *sql;      /* the statement */
    unsigned nreads;
    struct uuid *reads;   /* relations and views that stay as long as it does */
};
void sqlview_pack(const struct sqlview *v, struct wbuf *out);
int sqlview_unpack(struct sqlview *v, const struct object *obj, struct arena *a); /* E_CORRUPT, E_NEWER_FORMAT */
/* NULL: there is none of this name, or its body is damaged. */
struct sqlview *sqlview_find(const struct image *im, struct str name, struct arena *a);
/* The views that read a relation or a view, for people: views "a", "b"; NULL: none. */
const char *sqlview_users(const struct image *im, struct uuid id, struct arena *a);

/* ---- Binding. Errors carry SQLSTATE, sentence, place in text and mostly a hint. */
struct columns;
struct tree;
struct tree_window;
struct binding {
    struct str text; /* of the statement, for places */
    struct columns *columns; /* of the SELECT that is bound; NULL: none is */
    const struct image *image;
    struct arena *arena;
    struct diag *diag;
};
/* The relation of a name in a statement; NULL: the error is set. */
struct relation *bind_relation(const struct binding *b, const struct ast_name *name);
/* Sets the diag and gives E_SQL. */
int bind_error(const struct binding *b, struct place place, const char *code, const char *fmt, ...) PRINTF_LIKE(4, 5);

int bind_type(const struct binding *b, const struct ast_type *t, struct type *out);
/* An expression without columns, as INSERT VALUES has it, cast to a type. */
int bind_constant(const struct binding *b, const struct ast_expr *e, struct type want, const struct expr **out);

/* The properties of WITH (...). What was not given is null, zero or -1. */
struct with {
    struct str topic, timestamp, timestamp_format;
    int64_t partitions, replicas, retention_ms;
    int64_t delay_ms, idle_ms; /* bound of disorder; 0: none */
    int key_format, value_format; /* enum format_kind, or -1 */
    char key_delimiter, value_delimiter;
    int wrap; /* -1, 0, 1 */
    int emit; /* -1; 0 epoch, 1 record */
    struct place place_topic, place_partitions, place_replicas, place_key, place_value, place_wrap, place_timestamp,
        place_retention, place_emit;
};
int bind_with(const struct binding *b, const struct ast_properties *props, struct with *out);

/* ---- A bound SELECT: a tree (tree.h) and what of it is shown. */
struct query_read { /* a relation that is read */
    const struct relation *rel;
    struct place place;
};
struct query_item {
    const char *name;
    struct type type;
    unsigned id; /* column of the tree */
};
struct query {
    struct columns *columns;
    struct tree *tree;
    unsigned nviews;
    struct uuid *views; /* that FROM names, also inside other views */
    unsigned nreads;
    struct query_read *reads; /* in the order of FROM; the first one's formats and partitions are the result's */
    unsigned nitems;
    struct query_item *items; /* what is shown; a persistent query's key first */
    unsigned nkey;            /* so many are the key of the result in a topic */
    bool nullable_key;        /* the key is one column, which may be NULL */
    bool group_key;           /* the key is GROUP BY's: rows where it is NULL are left out */
    unsigned nblocks;         /* queries bound so far */
    bool counts_rows;         /* a table without a unique key: all its columns are one, beside ROW_COUNT */
    const struct tree_window *window; /* the result is a windowed table; NULL: it is not */
    unsigned window_start, window_end; /* columns with its bounds, of such; the end: where window_has_end() */
    int64_t limit;            /* of a push query; -1: none */
    int64_t every_ms;         /* EMIT CHANGES EVERY; 0: each is told when it comes */
};
bool window_has_end(const struct tree_window *w); /* both bounds are a part of its rows' key: its size varies */
enum query_use { QUERY_PULL, QUERY_PUSH, QUERY_PERSISTENT };
/* as_table: CREATE TABLE AS (true) or CREATE STREAM AS; read for QUERY_PERSISTENT only. */
int bind_query(const struct binding *b, const struct ast_select *s, enum query_use use, bool as_table,
               struct query *out);
bool expr_same(const struct expr *a, const struct expr *b);

#include "sql/bind/tree.h" /* the tree itself: the other half of this door */

#endif
