/* One statement: bytes to words, words checked against the grammar's tables, then built into a tree. */
#include "sql/parse/parser.h"

/* First byte that is not UTF-8; text.len if all is well. Shape only: the lexer treats characters as opaque. */
static size_t utf8_prefix(struct str text)
{
    size_t i = 0;
    while (i < text.len) {
        unsigned char c = (unsigned char)text.ptr[i];
        size_t more = c < 0x80                ? 0
                      : c >= 0xc2 && c < 0xe0 ? 1
                      : c >= 0xe0 && c < 0xf0 ? 2
                      : c >= 0xf0 && c < 0xf5 ? 3
                                              : 9;
        if (more > 3 || i + more >= text.len + (more == 0))
            return i;
        for (size_t k = 1; k <= more; k++)
            if (((unsigned char)text.ptr[i + k] & 0xc0) != 0x80)
                return i;
        i += more + 1;
    }
    return i;
}

static bool is_bad(const struct token *t) { return t->open || t->cls == LEX_BAD || t->cls == LEX_VARIABLE; }

struct tokens {
    struct token *items;
    unsigned n, cap;
    struct token bad; /* what the words ended at; cls LEX_END: nothing */
};

/* All words up to the end or the first that is none; then the end itself. */
static void read_tokens(struct tokens *ts, struct parser *p)
{
    struct token t;
    ts->bad.cls = LEX_END;
    for (size_t pos = 0; (t = lex_next(p->text, pos)).cls != LEX_END; pos += t.place.len) {
        if (is_bad(&t)) {
            ts->bad = t;
            break;
        }
        if (t.cls == LEX_BLANK || t.cls == LEX_COMMENT)
            continue;
        if (t.cls == LEX_SEMICOLON && (!ts->n || ts->items[ts->n - 1].cls == LEX_SEMICOLON))
            continue;
        ts->items = ast_grow(p->arena, ts->items, ts->n, &ts->cap, sizeof t);
        ts->items[ts->n++] = t;
    }
    t = (struct token){.cls = LEX_END, .place = {(uint32_t)p->text.len, 0}};
    ts->items = ast_grow(p->arena, ts->items, ts->n, &ts->cap, sizeof t);
    ts->items[ts->n] = t;
}

/* Walks the tables over the words: index of the first that does not fit, n if all do. */
static unsigned first_misfit(const struct token *tokens, unsigned n, bool *overflow)
{
    struct grammar_stack stack;
    grammar_start(&stack);
    unsigned i = 0;
    while (i < n && grammar_step(&stack, tokens[i].kind, false))
        i++;
    *overflow = stack.overflow;
    return i;
}

int parse_statement(struct ast_statement **out, struct str text, struct arena *a, struct diag *d)
{
    struct parser p = {.text = text, .arena = a, .diag = d};
    struct tokens ts = {0};
    *out = NULL;
    if (text.len > SQL_STATEMENT_BYTES)
        return diag_set(d, E_SQL, "the statement has %zu bytes; at most %d are allowed", text.len, SQL_STATEMENT_BYTES);
    size_t good = utf8_prefix(text);
    if (good < text.len) {
        parse_refuse(&p, (struct place){(uint32_t)good, 1}, "this byte is not part of valid UTF-8 text");
        return E_SQL;
    }
    read_tokens(&ts, &p);
    if (ts.n == 0 && ts.bad.cls == LEX_END)
        return 0;

    bool overflow, bad = ts.bad.cls != LEX_END;
    unsigned n = ts.n + !bad; /* the end counts as a word, unless reading stopped before it */
    unsigned at = first_misfit(ts.items, n, &overflow);
    if (at < n && overflow) {
        parse_refuse(&p, ts.items[at].place, "the statement is nested too deeply here");
        return E_SQL;
    }
    if (at < n)
        return syntax_error(&p, ts.items, n, at);
    if (bad)
        return syntax_bad_token(&p, &ts.bad);
    *out = grammar_build(&p, ts.items, n);
    return *out ? 0 : E_SQL;
}
