/* What is made of the lexer besides parsing: keywords, completeness, splitting, variables. */
#include "sql/parse/lexer.h"

#include <stdlib.h>

#include "grammar.h"
#include "log/base/limits.h"

struct keyword {
    const char *word;
    int kind;
    bool reserved;
};
static const struct keyword keywords[] = {
    /* sorted */
#define W(word) {#word, TK_##word, false},
#define R(word) {#word, TK_##word, true},
#include "sql/parse/keyword.def"
#undef W
#undef R
};
#define KEYWORD_MAX 16

const char *lex_keyword(unsigned i) { return i < ARRAY_LEN(keywords) ? keywords[i].word : NULL; }

static int keyword_cmp(const void *key, const void *item) { return strcmp(key, ((const struct keyword *)item)->word); }

struct token lex_word(struct token t, struct str text)
{
    char upper[KEYWORD_MAX];
    if (t.place.len >= sizeof upper)
        return t;
    for (uint32_t i = 0; i < t.place.len; i++) {
        char c = text.ptr[t.place.pos + i];
        upper[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
    }
    upper[t.place.len] = 0;
    const struct keyword *k = bsearch(upper, keywords, ARRAY_LEN(keywords), sizeof keywords[0], keyword_cmp);
    if (k) {
        t.cls = LEX_KEYWORD;
        t.kind = k->kind;
        t.reserved = k->reserved;
    }
    return t;
}

enum lex_state lex_state(struct str text)
{
    enum lex_state state = LEX_NOTHING;
    int depth = 0;
    struct token t;
    for (size_t pos = 0; (t = lex_next(text, pos)).cls != LEX_END; pos += t.place.len) {
        if (t.open)
            return t.cls == LEX_STRING ? LEX_OPEN_STRING : t.cls == LEX_COMMENT ? LEX_OPEN_COMMENT : LEX_OPEN_NAME;
        if (t.cls == LEX_BLANK || t.cls == LEX_COMMENT)
            continue;
        if (t.kind == TK_LP)
            depth++;
        if (t.kind == TK_RP && depth > 0)
            depth--;
        if (t.cls == LEX_SEMICOLON)
            depth = 0;
        state = t.cls == LEX_SEMICOLON ? LEX_COMPLETE : depth ? LEX_OPEN_BRACKET : LEX_NO_SEMICOLON;
    }
    return state;
}

bool lex_split(struct str text, size_t *pos, struct str *statement)
{
    struct token t;
    while ((t = lex_next(text, *pos)).cls == LEX_BLANK || t.cls == LEX_COMMENT || t.cls == LEX_SEMICOLON)
        *pos += t.place.len;
    size_t start = *pos;
    while ((t = lex_next(text, *pos)).cls != LEX_END) {
        *pos += t.place.len;
        if (t.cls == LEX_SEMICOLON)
            break;
    }
    *statement = (struct str){text.ptr + start, *pos - start};
    return *pos > start;
}

/* ---- Variables */

static void add_piece(struct substitution *s, struct arena *a, struct substitution_piece piece)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 8;
        struct substitution_piece *more = ARENA_ARRAY(a, struct substitution_piece, s->cap);
        if (s->n)
            memcpy(more, s->pieces, s->n * sizeof *more);
        s->pieces = more;
    }
    s->pieces[s->n++] = piece;
}

/* The next "${name}" within text[from, end): its place, and its name. */
static bool find_variable(struct str text, size_t from, size_t end, struct place *place, struct str *name)
{
    for (size_t i = from; i + 2 < end; i++) {
        if (text.ptr[i] != '$' || text.ptr[i + 1] != '{')
            continue;
        const char *close = memchr(text.ptr + i, '}', end - i);
        if (!close)
            return false;
        *place = (struct place){(uint32_t)i, (uint32_t)(close + 1 - (text.ptr + i))};
        *name = (struct str){text.ptr + i + 2, place->len - 3};
        return true;
    }
    return false;
}

int lex_substitute(struct substitution *out, struct str text, struct str (*value)(void *arg, struct str name),
                   void *arg, struct arena *a, struct diag *d)
{
    struct wbuf w;
    wbuf_init(&w);
    *out = (struct substitution){0};
    size_t done = 0;
    int err = 0;
    struct token t;
    for (size_t pos = 0; !err && (t = lex_next(text, pos)).cls != LEX_END; pos += t.place.len) {
        struct place place;
        struct str name, v;
        for (size_t at = pos; t.cls != LEX_COMMENT && find_variable(text, at, pos + t.place.len, &place, &name);
             at = place.pos + place.len) {
            v = value(arg, name);
            if (!v.ptr) {
                err = diag_set(d, E_SQL, "no variable \"%.*s\" is defined", (int)MIN(name.len, 60), name.ptr);
                diag_hint(d, "DEFINE %.*s = '...'; gives it a value", (int)MIN(name.len, 60), name.ptr);
                diag_place(d, err, text, place);
                break;
            }
            wbuf_put(&w, text.ptr + done, place.pos - done);
            add_piece(out, a, (struct substitution_piece){(uint32_t)w.len, (uint32_t)v.len, place.pos, place.len});
            wbuf_str(&w, v);
            done = place.pos + place.len;
            if (w.len > SQL_STATEMENT_BYTES) {
                err = diag_set(d, E_SQL, "the statement is too long once its variables are replaced");
                break;
            }
        }
    }
    wbuf_put(&w, text.ptr + done, text.len - done);
    out->text = arena_dup(a, (struct str){w.data ? (const char *)w.data : "", w.len});
    wbuf_fini(&w);
    return err;
}

/* Byte position of a line and column, both from 1. */
static size_t position_of(struct str text, int line, int column)
{
    size_t pos = 0;
    for (; line > 1 && pos < text.len; pos++)
        line -= text.ptr[pos] == '\n';
    return MIN(pos + (size_t)column - 1, text.len);
}

void lex_place_back(const struct substitution *s, struct str original, struct diag *d)
{
    if (!s->n || !d || d->line < 1 || d->column < 1)
        return;
    size_t pos = position_of(s->text, d->line, d->column), len = (size_t)MAX(d->length, 0), shifted = pos;
    for (unsigned i = 0; i < s->n && s->pieces[i].pos <= pos; i++) {
        const struct substitution_piece *piece = &s->pieces[i];
        if (pos < piece->pos + piece->len) {
            shifted = piece->from_pos;
            len = piece->from_len;
            break;
        }
        shifted = pos - (piece->pos + piece->len) + piece->from_pos + piece->from_len;
    }
    diag_place(d, 0, original, (struct place){(uint32_t)shifted, (uint32_t)len});
}
