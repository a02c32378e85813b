/* From text to a tree and back: lexer (re2c), grammar (lemon), syntax errors for people, printer.
 * The lexer also serves the shell: highlighting, "is this statement complete?", cutting a text into statements.
 * Thread: pure, any. Sees log/base only. */
#ifndef SQL_PARSE_H
#define SQL_PARSE_H
#include "log/base/buf.h"
#include "log/base/err.h"
#include "sql/parse/ast.h"

/* ---- Words. Any bytes are fine: what makes no sense is LEX_BAD. */
enum lex_class {
    LEX_END,
    LEX_BLANK,
    LEX_COMMENT,
    LEX_KEYWORD,
    LEX_NAME,
    LEX_QUOTED_NAME, /* "x" or `x` */
    LEX_STRING,      /* 'x' */
    LEX_NUMBER,
    LEX_VARIABLE, /* ${x} */
    LEX_PUNCT,
    LEX_SEMICOLON,
    LEX_BAD
};
struct token {
    enum lex_class cls;
    int kind;      /* the grammar's number */
    bool open;     /* a quote or comment without its end */
    bool reserved; /* a keyword that cannot be a name */
    struct place place;
};
/* The token at text[pos]; go on at place.pos + place.len. At the end: LEX_END, length 0. */
struct token lex_next(struct str text, size_t pos);

/* What a text still lacks to be whole statements. */
enum lex_state {
    LEX_NOTHING,  /* blanks and comments only */
    LEX_COMPLETE, /* ends with ';' */
    LEX_OPEN_STRING,
    LEX_OPEN_NAME,
    LEX_OPEN_COMMENT,
    LEX_OPEN_BRACKET,
    LEX_NO_SEMICOLON
};
enum lex_state lex_state(struct str text);
/* Cuts the next statement off text, from *pos on: leading blanks and comments left out, its ';' included. False: only
 * blanks and comments are left. A statement that the text ends within is given as it is. */
bool lex_split(struct str text, size_t *pos, struct str *statement);
/* Keyword i with its help line for completion: NULL past the end. */
const char *lex_keyword(unsigned i);

/* Replaces ${name} outside comments by what `value` answers (null: unknown, an error with its place). The map back to
 * places of the original is kept in out. */
struct substitution {
    struct str text;
    unsigned n, cap;
    struct substitution_piece {
        uint32_t pos, len, from_pos, from_len; /* text[pos..] stands for original[from_pos..] */
    } * pieces;
};
int lex_substitute(struct substitution *out, struct str text, struct str (*value)(void *arg, struct str name),
                   void *arg, struct arena *a, struct diag *d) MUST_USE;
/* Moves d's place from the substituted text to the original one. */
void lex_place_back(const struct substitution *s, struct str original, struct diag *d);

/* ---- Trees. */
/* Parses the one statement in text; *out NULL if there is none. The tree borrows text. On error d has the sentence, its
 * place and mostly a hint; bounds are in limits.h ("sql"). */
int parse_statement(struct ast_statement **out, struct str text, struct arena *a, struct diag *d) MUST_USE;

/* Back to SQL in canonical form: capital keywords, names quoted where they must be. parens: every operator in
 * parentheses, which shows the structure. */
void ast_print(const struct ast_statement *st, bool parens, struct wbuf *out);
void ast_print_expr(const struct ast_expr *e, bool parens, struct wbuf *out);
void ast_print_name(struct str name, struct wbuf *out);

/* Appends the shape of the i-th statement, as the grammar has it: DROP FUNCTION [IF EXISTS] name. False: there are no
 * more. */
bool parse_shape(unsigned i, struct wbuf *out);

/* ---- Errors. */
/* Sets line, column (bytes, from 1) and length from a place in text. Gives err back. */
int diag_place(struct diag *d, int err, struct str text, struct place place);
/* How people see a diag: sentence, line, caret, hint: at most six lines, each ending with a newline. text may be null.
 */
void diag_show(const struct diag *d, struct str text, struct wbuf *out);
/* Collects candidates for "did you mean": call nearest_add for each, then nearest_get (null: none is near). */
struct nearest {
    struct str wanted, best;
    unsigned distance;
};
struct nearest nearest_of(struct str wanted);
void nearest_add(struct nearest *n, struct str candidate);
struct str nearest_get(const struct nearest *n);

#endif
