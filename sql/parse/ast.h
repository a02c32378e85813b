/* What a statement says, as a tree. Made by the parser in an arena, read only afterwards. Every node knows its place,
 * so that whoever finds something wrong with it can point there. Nothing here knows types or what exists. */
#ifndef PARSE_AST_H
#define PARSE_AST_H
#include "log/base/alloc.h"

struct place {
    uint32_t pos, len; /* bytes of the statement's text */
};

/* A name as written: unquoted ones match without regard to case, quoted ones exactly. */
struct ast_name {
    struct str text; /* without the quotes; null: no name given */
    struct str schema; /* of a relation: "sys" of sys.jobs; null: none */
    bool quoted;
    struct place place;
};

struct ast_columns {
    struct ast_column *items;
    unsigned n, cap;
};
struct ast_type {
    struct str name; /* DECIMAL */
    bool quoted;
    unsigned nparams;
    uint32_t params[2]; /* (10, 2) */
    struct ast_columns parts; /* between < and >: types, of a STRUCT with names */
    struct place place;
};

enum ast_expr_kind {
    AST_NULL,
    AST_BOOLEAN, /* text: TRUE or FALSE */
    AST_INTEGER, /* text: digits */
    AST_DECIMAL, /* text: digits with a point */
    AST_DOUBLE,  /* text: with an exponent */
    AST_STRING,  /* text: what it means, quotes resolved */
    AST_TYPED,   /* DATE '2024-01-01': name, text */
    AST_COLUMN,  /* [qualifier.]name */
    AST_CALL,    /* name(args) or name(*); of aggregates, ORDER BY and FILTER are the last args */
    AST_OVER,    /* args: call, partition, order, [how far before], [how far behind] */
    AST_NEG,     /* -args[0] */
    AST_NOT,
    AST_AND, /* two or more args */
    AST_OR,
    AST_BINARY,  /* text: the operator */
    AST_BETWEEN, /* args: value, low, high */
    AST_IN,      /* args: value, candidates */
    AST_LIKE,    /* args: value, pattern [, escape]; text: null, or REGEXP, SIMILAR TO */
    AST_IS_NULL,
    AST_IS_DISTINCT, /* args[0] IS [NOT] DISTINCT FROM args[1] */
    AST_CASE,        /* args: [operand], when, then, ..., [else] */
    AST_CAST,
    AST_QUERY,  /* (SELECT ...): its one value; AST_IN with one argument looks into `query`, too */
    AST_EXISTS, /* EXISTS (query) */
    AST_ANY,    /* args[0] op ANY (query); text: the operator */
    AST_ALL,
    AST_GROUPING_SETS, /* GROUPING SETS (args), in GROUP BY only */
    AST_GROUPING_SET,  /* of such: args may be none */
    AST_INTERVAL, /* INTERVAL 'text' name [TO qualifier] */
    AST_ARRAY,    /* ARRAY[args] */
    AST_ELEMENT,  /* args[0][args[1]] */
    AST_FIELD,    /* args[0]->name */
    AST_ASSIGN,   /* args[0] := args[1], in MAP(...) and STRUCT(...) */
    AST_LAMBDA    /* args: parameters (AST_COLUMN), then the body */
};
struct ast_select;
enum ast_nulls { AST_NULLS_HIGH, AST_NULLS_FIRST, AST_NULLS_LAST }; /* HIGH: above all values */
enum ast_frame_unit { AST_FRAME_RANGE, AST_FRAME_ROWS, AST_FRAME_GROUPS };
enum ast_bound { AST_BOUND_FIRST, AST_BOUND_PRECEDING, AST_BOUND_CURRENT, AST_BOUND_FOLLOWING, AST_BOUND_LAST };
enum ast_exclude { AST_EXCLUDE_NONE, AST_EXCLUDE_CURRENT, AST_EXCLUDE_GROUP, AST_EXCLUDE_TIES };
struct ast_over { /* OVER (PARTITION BY .. ORDER BY .. frame); what it names is in args of its expression */
    struct ast_name base; /* the name of a window that it goes on from; null: none */
    unsigned npartition, norder;
    struct ast_order_how {
        bool descending;
        enum ast_nulls nulls;
    } *order;
    bool framed;
    enum ast_frame_unit unit;
    enum ast_bound from, to;
    struct place from_place, to_place;
    enum ast_exclude exclude;
};
struct ast_expr {
    enum ast_expr_kind kind;
    struct place place;         /* the whole of it, without parentheses around it */
    struct place op;            /* the operator alone, where there is one */
    bool negated;               /* NOT BETWEEN, NOT IN, NOT LIKE, IS NOT NULL, IS NOT DISTINCT */
    bool star;                  /* name(*) */
    bool bare;                  /* IN without parentheses: of POSITION(a IN b) */
    bool words;                 /* name(a FROM b [FOR c]), args in this order */
    bool parens;                /* stands in parentheses: AND and OR chains do not grow into it */
    bool has_operand, has_else; /* CASE */
    bool distinct, has_order, descending, has_filter; /* name(DISTINCT args ORDER BY arg DESC) FILTER (WHERE arg) */
    unsigned depth;             /* 1 + that of the deepest argument; bounded by SQL_DEPTH */
    struct str text;
    struct ast_name qualifier, name;
    struct ast_type type; /* CAST */
    struct ast_select *query;
    struct ast_over *over;
    unsigned nargs, cap;
    struct ast_expr **args;
};

struct ast_column { /* of CREATE STREAM | TABLE */
    struct ast_name name;
    struct ast_type type;
    bool key, primary;
    struct place key_place;
};
struct ast_property { /* of WITH (...) */
    struct ast_name name;
    struct ast_expr *value; /* a literal, or a bare word as AST_COLUMN */
};
struct ast_item {              /* of a SELECT list */
    struct ast_expr *expr;     /* NULL: star */
    bool fields;               /* expr->* */
    struct ast_name qualifier; /* a.* */
    struct ast_name alias;
    struct place place;
};
enum ast_join_kind { AST_JOIN_INNER, AST_JOIN_LEFT, AST_JOIN_RIGHT, AST_JOIN_FULL };
struct ast_duration {
    bool given;
    int64_t ms;
    struct place place;
};
struct ast_within { /* of a join: the right row's time in [left's - before, left's + after] */
    bool given;
    struct ast_duration before, after, grace;
    struct place place;
};
struct ast_exprs {
    struct ast_expr **items;
    unsigned n, cap;
};
enum ast_window_kind { AST_TUMBLING, AST_HOPPING, AST_SESSION, AST_CUMULATE };
struct ast_window { /* WINDOW ..., or a table function TUMBLE, HOP, CUMULATE */
    bool given;
    enum ast_window_kind kind;
    struct ast_duration size, advance, offset, grace, retention; /* SESSION: size is the gap; CUMULATE: advance the step */
    struct ast_name zone;      /* TIME ZONE 'Europe/Paris' */
    struct ast_exprs named;    /* not given: WINDOW name AS (...), ... behind FROM */
    struct ast_name time;      /* DESCRIPTOR(column) of a table function; BY column of a clause; none: event time */
    struct place place;
};
struct ast_watermark { /* WATERMARK FOR column AS column - span */
    bool given;
    struct ast_name column;
    struct ast_duration delay;
    struct place place;
};
struct ast_order {
    struct ast_expr *expr;
    bool descending;
    enum ast_nulls nulls;
};
enum ast_emit { AST_EMIT_NONE, AST_EMIT_CHANGES, AST_EMIT_FINAL };
struct ast_limit {
    bool given;
    int64_t n;
    struct place place;
};

struct ast_items {
    struct ast_item *items;
    unsigned n, cap;
};
struct ast_sources {
    struct ast_source **items;
    unsigned n, cap;
};
struct ast_orders {
    struct ast_order *items;
    unsigned n, cap;
};
struct ast_properties {
    struct ast_property *items;
    unsigned n, cap;
};
struct ast_names {
    struct ast_name *items;
    unsigned n, cap;
};
struct ast_types {
    struct ast_type *items;
    unsigned n, cap;
};
struct ast_rows {
    struct ast_exprs *items;
    unsigned n, cap;
};

enum ast_from_kind { AST_FROM_RELATION, AST_FROM_QUERY, AST_FROM_JOIN, AST_FROM_FUNCTION };
struct ast_source { /* what stands in FROM */
    enum ast_from_kind kind;
    struct ast_name name;       /* RELATION, FUNCTION; QUERY: its place only */
    struct ast_expr *call;      /* FUNCTION */
    bool ordinality;            /* FUNCTION: WITH ORDINALITY */
    struct ast_name alias;      /* not of a JOIN */
    struct ast_window window;   /* of a RELATION in a table function, */
    struct ast_names keys;      /* and whose sessions: PARTITION BY */
    struct ast_names columns;   /* behind the alias: new names */
    struct ast_expr *as_of;     /* RELATION: FOR SYSTEM_TIME AS OF, or NULL */
    struct ast_select *query;
    struct ast_source *left, *right; /* JOIN */
    enum ast_join_kind join;
    struct ast_expr *on;        /* none of these three: CROSS JOIN */
    struct ast_names using;
    bool natural;
    struct ast_within within;
    struct place place;         /* JOIN word */
    unsigned size;              /* how many relations and queries it joins */
};
struct ast_cte { /* WITH name (columns) AS (query) */
    struct ast_name name;
    struct ast_names columns;
    struct ast_select *query;
};
struct ast_ctes {
    struct ast_cte *items;
    unsigned n, cap;
};

enum ast_query_kind { AST_QUERY_SELECT, AST_QUERY_VALUES, AST_QUERY_UNION, AST_QUERY_INTERSECT, AST_QUERY_EXCEPT };
struct ast_select { /* a query */
    enum ast_query_kind kind;
    struct place place;
    bool enclosed; /* stood in parentheses, beside UNION and the like */
    struct ast_ctes with;
    /* UNION, INTERSECT, EXCEPT */
    bool all;
    struct ast_select *left, *right;
    unsigned depth; /* of such on such */
    /* VALUES */
    struct ast_rows rows;
    /* SELECT */
    bool distinct;
    struct ast_items items;
    struct ast_sources from;
    struct ast_window window;
    struct ast_expr *where;
    struct ast_exprs group_by, partition_by;
    struct place group_place, partition_place; /* the words */
    struct ast_expr *having, *qualify;
    struct ast_exprs windows; /* WINDOW name AS (...): AST_OVER whose first argument is the name */
    /* all of them */
    struct ast_orders order_by;
    struct place order_place;
    enum ast_emit emit;
    struct place emit_place;
    struct ast_duration every; /* EMIT CHANGES EVERY */
    struct ast_limit limit, offset;
};

enum ast_kind {
    AST_CREATE,          /* STREAM | TABLE name (columns) WITH (...) */
    AST_CREATE_AS,       /* STREAM | TABLE name WITH (...) AS select */
    AST_CREATE_VIEW,     /* name AS select */
    AST_CREATE_FUNCTION, /* name(types) RETURNS result LANGUAGE C AS library, symbol */
    AST_DROP,            /* STREAM | TABLE */
    AST_DROP_FUNCTION,
    AST_CREATE_TYPE, /* name AS result */
    AST_DROP_TYPE,
    AST_DROP_VIEW,
    AST_INSERT, /* INTO name (names) VALUES rows */
    AST_SELECT,
    AST_TERMINATE, /* name, or all */
    AST_PAUSE,
    AST_RESUME,
    AST_PROMOTE,  /* name: of the relation whose next version runs beside */
    AST_DISCARD, /* the same */
    AST_SAVEPOINT,      /* of the job in name, as language */
    AST_RESTORE,        /* the job in name from the savepoint in language */
    AST_DROP_SAVEPOINT, /* name */
    AST_SHOW,     /* text: STREAMS, TABLES, ... */
    AST_SHOW_ERRORS, /* of the job name (null: of all), limit */
    AST_DESCRIBE, /* relation, or job */
    AST_DESCRIBE_FUNCTION,
    AST_EXPLAIN, /* inner, or a job's name */
    AST_PRINT,   /* topic in name */
    AST_SET,     /* text, value */
    AST_UNSET,
    AST_DEFINE,
    AST_UNDEFINE
};
struct ast_statement {
    enum ast_kind kind;
    struct place place;
    struct ast_name name;
    bool table; /* TABLE, not STREAM */
    bool or_replace;
    bool if_clause; /* IF NOT EXISTS, IF EXISTS */
    bool all, extended, delete_topic, from_beginning, analyze;
    struct ast_columns columns;
    struct ast_watermark watermark; /* among the columns */
    struct ast_properties with;
    struct ast_select *select;
    struct ast_names names; /* INSERT: column list */
    struct ast_rows rows;   /* INSERT */
    struct ast_types types; /* FUNCTION: of the arguments */
    struct ast_type result;
    struct ast_name language; /* FUNCTION; a savepoint's name */
    struct str text, value; /* SHOW what; SET name, value; FUNCTION library, symbol */
    struct place text_place;
    struct ast_limit limit;
    struct ast_statement *inner; /* EXPLAIN */
};

/* Do two expressions say the same? Names without regard to case unless quoted. */
bool ast_expr_same(const struct ast_expr *a, const struct ast_expr *b);

#endif
