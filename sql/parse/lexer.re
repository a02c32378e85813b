/* The words of SQL. re2c makes lexer.c of this in the build folder.
 * Reads through bounded accessors: past the end comes 0, and a 0 inside the text is just a bad character.
 * Letters beyond ASCII are parts of names, except U+2000..U+2FFF (general punctuation, symbols), where the typographic
 * quotes live that people paste by accident. */
#include "sql/parse/lexer.h"

#include "grammar.h"

/* clang-format off */
/*!re2c
re2c:flags:input = custom;
re2c:api:style = free-form;
re2c:yyfill:enable = 0;
re2c:define:YYCTYPE = "unsigned char";
re2c:define:YYPEEK = "(at < text.len ? (unsigned char)text.ptr[at] : 0)";
re2c:define:YYSKIP = "++at;";
re2c:define:YYBACKUP = "mark = at;";
re2c:define:YYRESTORE = "at = mark;";

blank  = [ \t\r\n\f\v];
cont   = [\x80-\xbf];
wide   = [\xc3-\xdf] cont | [\xe0\xe1\xe3-\xef] cont cont | [\xf0-\xf4] cont cont cont;
letter = [a-zA-Z_] | wide;
digit  = [0-9];
*/
/* clang-format on */

#define GIVE(c, k) return raw_token(text, pos, at, (c), (k))

static struct token raw_token(struct str text, size_t pos, size_t at, enum lex_class cls, int kind)
{
    at = MIN(at, text.len);
    return (struct token){.cls = cls, .kind = kind, .place = {(uint32_t)pos, (uint32_t)(at - pos)}};
}

/* From the opening mark to the closing one; a doubled mark is part of the text. */
static struct token quoted(struct str text, size_t pos, enum lex_class cls, int kind)
{
    char mark = text.ptr[pos];
    for (size_t at = pos + 1; at < text.len; at++) {
        if (text.ptr[at] != mark)
            continue;
        if (at + 1 < text.len && text.ptr[at + 1] == mark)
            at++;
        else
            return raw_token(text, pos, at + 1, cls, kind);
    }
    struct token t = raw_token(text, pos, text.len, cls, kind);
    t.open = true;
    return t;
}

static struct token comment(struct str text, size_t pos)
{
    for (size_t at = pos + 2; at + 1 < text.len; at++)
        if (text.ptr[at] == '*' && text.ptr[at + 1] == '/')
            return raw_token(text, pos, at + 2, LEX_COMMENT, 0);
    struct token t = raw_token(text, pos, text.len, LEX_COMMENT, 0);
    t.open = true;
    return t;
}

struct token lex_next(struct str text, size_t pos)
{
    size_t at = pos, mark = pos;
    if (pos >= text.len)
        return raw_token(text, pos, pos, LEX_END, 0);
    /* clang-format off */
    /*!re2c
    blank+                    { GIVE(LEX_BLANK, 0); }
    "--" [^\n\x00]*           { GIVE(LEX_COMMENT, 0); }
    "/*"                      { return comment(text, pos); }
    "'"                       { return quoted(text, pos, LEX_STRING, TK_STRING); }
    ["`]                      { return quoted(text, pos, LEX_QUOTED_NAME, TK_ID); }
    "${" [a-zA-Z0-9_.]+ "}"   { GIVE(LEX_VARIABLE, 0); }

    digit+                                        { GIVE(LEX_NUMBER, TK_INTEGER); }
    digit+ "." digit* | "." digit+                { GIVE(LEX_NUMBER, TK_DECIMAL); }
    (digit+ | digit+ "." digit* | "." digit+) [eE] [+-]? digit+ { GIVE(LEX_NUMBER, TK_DOUBLE); }
    digit* letter (letter | digit | "@")*         { return lex_word(raw_token(text, pos, at, LEX_NAME, TK_ID), text); }

    ";"          { GIVE(LEX_SEMICOLON, TK_SEMI); }
    "("          { GIVE(LEX_PUNCT, TK_LP); }
    ")"          { GIVE(LEX_PUNCT, TK_RP); }
    ","          { GIVE(LEX_PUNCT, TK_COMMA); }
    "."          { GIVE(LEX_PUNCT, TK_DOT); }
    "*"          { GIVE(LEX_PUNCT, TK_STAR); }
    "/"          { GIVE(LEX_PUNCT, TK_SLASH); }
    "%"          { GIVE(LEX_PUNCT, TK_PERCENT); }
    "+"          { GIVE(LEX_PUNCT, TK_PLUS); }
    "-"          { GIVE(LEX_PUNCT, TK_MINUS); }
    "||"         { GIVE(LEX_PUNCT, TK_CONCAT); }
    "="          { GIVE(LEX_PUNCT, TK_EQ); }
    "<>" | "!="  { GIVE(LEX_PUNCT, TK_NE); }
    "<"          { GIVE(LEX_PUNCT, TK_LT); }
    "<="         { GIVE(LEX_PUNCT, TK_LE); }
    ">"          { GIVE(LEX_PUNCT, TK_GT); }
    ">="         { GIVE(LEX_PUNCT, TK_GE); }
    "->"         { GIVE(LEX_PUNCT, TK_ARROW); }
    "=>"         { GIVE(LEX_PUNCT, TK_LAMBDA); }
    ":="         { GIVE(LEX_PUNCT, TK_ASSIGN); }
    "::"         { GIVE(LEX_PUNCT, TK_DCOLON); }
    "["          { GIVE(LEX_PUNCT, TK_LB); }
    "]"          { GIVE(LEX_PUNCT, TK_RB); }
    [\xe2] cont cont { GIVE(LEX_BAD, 0); }
    *            { at = pos + 1; GIVE(LEX_BAD, 0); }
    */
    /* clang-format on */
}
