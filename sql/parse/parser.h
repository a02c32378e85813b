/* What grammar.y, parse.c and syntax.c share: building nodes, and walking the grammar's tables. */
#ifndef PARSE_PARSER_H
#define PARSE_PARSER_H
#include "log/base/limits.h"
#include "sql/parse/lexer.h"

struct parser {
    struct str text;
    struct arena *arena;
    struct diag *diag;
    bool refused; /* an action said no; diag tells why */
    struct ast_statement *result;
};

/* ---- Called by the grammar's actions. */
struct parse_list {
    struct ast_exprs list;
    struct place place;
};
struct parse_orders {
    struct ast_orders list;
    struct place place;
};
struct parse_bound { /* of a frame; by NULL: the word says all */
    enum ast_bound bound;
    struct ast_expr *by;
    struct place place;
};
struct parse_frame {
    bool given;
    enum ast_frame_unit unit;
    struct parse_bound from, to;
    enum ast_exclude exclude;
};
struct parse_emit {
    enum ast_emit emit;
    struct place place;
    struct ast_duration every;
};
struct parse_join {
    enum ast_join_kind kind;
    struct place place;
};
struct parse_sum {
    enum ast_query_kind kind;
    struct place place;
};
struct parse_alias {
    struct ast_name name;
    struct ast_names columns;
};
/* Refuses the statement: the first call wins. */
void parse_refuse(struct parser *p, struct place place, const char *fmt, ...) PRINTF_LIKE(3, 4);
struct place place_join(struct place from, struct place to); /* from the start of one to the end of the other */
struct ast_statement *parse_node(struct parser *p, enum ast_kind kind);
struct ast_name parse_name(struct parser *p, const struct token *t);
struct str parse_string(struct parser *p, const struct token *t);
uint32_t parse_small(struct parser *p, const struct token *t);
struct ast_limit parse_limit(struct parser *p, const struct token *t);
struct ast_duration parse_duration(struct parser *p, const struct token *number, const struct ast_name *unit);
void parse_once(struct parser *p, struct ast_duration *to, struct ast_duration d, struct place word);
struct ast_expr *parse_literal(struct parser *p, enum ast_expr_kind kind, const struct token *t);
struct ast_expr *parse_typed(struct parser *p, const struct token *type, const struct token *text);
struct ast_expr *parse_column(struct parser *p, struct ast_name qualifier, struct ast_name name);
struct ast_expr *parse_unary(struct parser *p, enum ast_expr_kind kind, const struct token *op, struct ast_expr *arg);
struct ast_expr *parse_binary(struct parser *p, struct ast_expr *left, const struct token *op, struct ast_expr *right);
struct ast_expr *parse_chain(struct parser *p, enum ast_expr_kind kind, struct ast_expr *left, const struct token *op,
                             struct ast_expr *right);
struct ast_expr *parse_args(struct parser *p, enum ast_expr_kind kind, const struct token *op, bool negated,
                            struct ast_expr *a, struct ast_expr *b, struct ast_expr *c);
struct ast_expr *parse_list_of(struct parser *p, enum ast_expr_kind kind, struct place place, struct ast_exprs list);
struct ast_expr *parse_cast(struct parser *p, struct place place, struct ast_expr *value, struct ast_type type);
struct ast_expr *parse_case(struct parser *p, struct place place, struct ast_expr *operand, struct ast_exprs whens,
                            struct ast_expr *otherwise);
struct ast_expr *parse_more(struct parser *p, struct ast_expr *call, struct ast_expr *arg); /* another argument */
void parse_ordered(struct parser *p, struct ast_expr *call, struct ast_order order); /* its ORDER BY, if there is one */
struct ast_expr *parse_over(struct parser *p, struct ast_expr *call, struct ast_exprs partition, struct ast_orders orders,
                            struct parse_frame frame, struct place place);
void parse_holds(struct parser *p, struct ast_expr *e, struct ast_select *query); /* e is made of a query */
struct ast_expr *parse_quantified(struct parser *p, struct ast_expr *left, const struct token *op, bool all,
                                  struct ast_select *query, struct place place);
struct ast_watermark parse_watermark(struct parser *p, struct place place, struct ast_name column, struct ast_name same,
                                     struct ast_duration delay);
struct parse_spans {
    unsigned n;
    struct ast_duration v[3];
};
struct ast_duration parse_span(struct parser *p, const struct token *text, const struct ast_name *unit); /* INTERVAL '10' MINUTE */
/* TUMBLE(TABLE t, DESCRIPTOR(time), spans), HOP, CUMULATE */
struct ast_window parse_table_window(struct parser *p, const struct ast_name *function, const struct ast_name *descriptor,
                                     struct ast_name time, struct parse_spans spans);
struct ast_source *parse_source(struct parser *p, enum ast_from_kind kind, struct parse_alias alias);
struct ast_source *parse_joined(struct parser *p, struct ast_source *left, struct parse_join join,
                                struct ast_source *right);
struct ast_select *parse_set(struct parser *p, struct ast_select *left, enum ast_query_kind kind, bool all,
                             struct ast_select *right, struct place place);
/* A body with what stands before and behind it. */
struct ast_select *parse_query(struct parser *p, struct ast_ctes with, struct ast_select *body,
                               struct parse_orders orders, struct parse_emit emit, struct ast_limit limit,
                               struct ast_limit offset);
struct ast_type parse_parts(struct parser *p, struct str name, struct ast_types parts, struct place place);
struct ast_type parse_interval_type(struct parser *p, const struct token *word, const struct ast_name *from,
                                    const struct ast_name *to);
struct ast_expr *parse_interval(struct parser *p, const struct token *word, const struct token *text,
                                const struct ast_name *from, const struct ast_name *to);
struct ast_expr *parse_lambda(struct parser *p, struct ast_expr *first, struct ast_exprs more, const struct token *op,
                              struct ast_expr *body);
struct ast_expr *parse_field(struct parser *p, struct ast_expr *of, const struct token *op, struct ast_name field);
/* of[index]; or, of the word ARRAY, a list of one. */
struct ast_expr *parse_element(struct parser *p, struct ast_expr *of, const struct token *open, struct ast_expr *index,
                               const struct token *close);
struct ast_expr *parse_array(struct parser *p, struct ast_expr *word, const struct token *open, struct ast_expr *first,
                             struct ast_exprs more, const struct token *close);
/* EXTRACT(x FROM y), SUBSTRING(x FROM y FOR z), TRIM(side x FROM y): what is not given is NULL. */
struct ast_expr *parse_words(struct parser *p, const struct ast_name *name, const struct token *side, struct ast_expr *x,
                             struct ast_expr *y, struct ast_expr *z, const struct token *close);
struct ast_exprs parse_prepend(struct parser *p, struct ast_expr *first, struct ast_exprs rest);

/* Appends item to a list {items, n, cap} that grows in the parser's arena. */
void *ast_grow(struct arena *a, void *items, unsigned n, unsigned *cap, size_t size);
#define AST_APPEND(p, list, item)                                                                                      \
    ((list).items = ast_grow((p)->arena, (list).items, (list).n, &(list).cap, sizeof *(list).items),                   \
     (void)((list).items[(list).n++] = (item)))

/* ---- The grammar's tables, walked without actions (grammar.y). */
#define GRAMMAR_STACK 512 /* nesting; one less than grammar.y's %stack_size, so that building never overflows */
struct grammar_stack {
    unsigned n;
    bool overflow; /* why the last step failed: too deep */
    uint16_t states[GRAMMAR_STACK];
};
static inline void grammar_start(struct grammar_stack *s)
{
    s->n = 1;
    s->overflow = false;
    s->states[0] = 0;
}
/* One token; false: it does not fit (the stack is spoilt then). exact: keywords are not taken as names. */
bool grammar_step(struct grammar_stack *s, int token, bool exact);
bool grammar_falls_back(int token); /* may stand for a name */
unsigned grammar_ntokens(void);
const char *grammar_rule(unsigned i); /* "symbol ::= word word ..."; NULL: there are no more */
/* Runs the actions over tokens that are known to fit; NULL: an action refused. */
struct ast_statement *grammar_build(struct parser *p, const struct token *tokens, unsigned n);

/* ---- Errors (syntax.c): what is wrong at tokens[at], the first that does not fit. Always E_SQL. */
int syntax_error(struct parser *p, const struct token *tokens, unsigned n, unsigned at);
int syntax_bad_token(struct parser *p, const struct token *t);
/* Statements that the dialect knows and we do not have, by their first words. False: none of them. */
bool syntax_refused_start(struct parser *p, const struct token *tokens, unsigned n);

#endif
