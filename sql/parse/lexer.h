/* What lexer.re and lex.c share. */
#ifndef PARSE_LEXER_H
#define PARSE_LEXER_H
#include "sql/parse/parse.h"

/* A name that may be a keyword: sets class, kind and reserved. */
struct token lex_word(struct token t, struct str text);

static inline struct str place_text(struct str text, struct place p) { return (struct str){text.ptr + p.pos, p.len}; }

#endif
