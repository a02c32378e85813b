/* Shapes of statements for people, made of the grammar's own rules, so that what is taken and what is told cannot
 * differ: [what may be left out], one|other, and ", ..." behind what may be said again. A part that would be long has
 * its name only. */
#include "sql/parse/parse.h"
#include "sql/parse/parser.h"
#include <stdio.h>

enum { OPEN_MAX = 4, ALTERNATIVES = 32, PART_BYTES = 160 };

struct shape {
    struct wbuf *out;
    struct str open[OPEN_MAX]; /* symbols that are being shown: a rule within itself is only named, */
    unsigned nopen;
    size_t end; /* and so is one that would take the text beyond this */
};

/* What people know by a name, and marks. */
static const struct {
    const char *symbol, *text;
} names[] = {{"expr", "expression"},
             {"exprs", "expression, ..."},
             {"list", "expression, ..."},
             {"value", "value"},
             {"type", "type"},
             {"name", "name"},
             {"relation", "name"},
             {"topic", "topic"},
             {"duration", "n unit"},
             {"explainable", "statement"},
             {"select", "SELECT ..."},
             {"query", "SELECT ..."},
             {"LP", "("},
             {"RP", ")"},
             {"COMMA", ","},
             {"DOT", "."},
             {"EQ", "="},
             {"STAR", "*"},
             {"ID", "name"},
             {"STRING", "'text'"},
             {"INTEGER", "n"}};

static struct str next_word(struct str *text)
{
    const char *blank = text->len ? memchr(text->ptr, ' ', text->len) : NULL;
    struct str word = {text->ptr, blank ? (size_t)(blank - text->ptr) : text->len};
    text->ptr += word.len + (blank != NULL);
    text->len -= word.len + (blank != NULL);
    return word;
}

/* "symbol ::= word word ..." */
static bool rule_at(unsigned i, struct str *symbol, struct str *words)
{
    const char *rule = grammar_rule(i);
    if (!rule)
        return false;
    *words = str_of(rule);
    *symbol = next_word(words);
    next_word(words);
    return true;
}

static void put(struct shape *s, const char *text)
{
    const struct wbuf *w = s->out;
    char last = w->len ? (char)w->data[w->len - 1] : '(';
    bool dot = last == '.' && w->data[w->len - 2] != '.';
    if (!strchr("([|", last) && !dot && !strchr(")],|", text[0]) && strcmp(text, ".") != 0)
        wbuf_u8(s->out, ' ');
    wbuf_str(s->out, str_of(text));
}

static void put_symbol(struct shape *s, struct str symbol);

static void put_words(struct shape *s, struct str words)
{
    while (words.len && s->out->len <= s->end)
        put_symbol(s, next_word(&words));
}

static bool follows(struct str words, struct str begin, struct str *rest)
{
    if (words.len <= begin.len + 1 || !str_starts(words, begin) || words.ptr[begin.len] != ' ')
        return false;
    *rest = (struct str){words.ptr + begin.len + 1, words.len - begin.len - 1};
    return true;
}

/* One after the other; what begins as one before it does is told behind that: name [AS name|name]. */
static void put_alternatives(struct shape *s, const struct str *a, unsigned n)
{
    bool told[ALTERNATIVES] = {false};
    for (unsigned i = 0; i < n; i++) {
        struct str rests[ALTERNATIVES];
        unsigned nrests = 0;
        if (told[i])
            continue;
        if (i)
            put(s, "|");
        put_words(s, a[i]);
        for (unsigned k = i + 1; k < n; k++)
            if (!told[k] && follows(a[k], a[i], &rests[nrests])) {
                told[k] = true;
                nrests++;
            }
        if (nrests) {
            put(s, "[");
            put_alternatives(s, rests, nrests);
            put(s, "]");
        }
    }
}

/* Of several, one that is more than a word, and does not only go on where the first ends. */
static bool is_wide(const struct str *a, unsigned n)
{
    bool wide = false, apart = false;
    struct str rest;
    for (unsigned i = 0; i < n; i++) {
        wide |= a[i].len && memchr(a[i].ptr, ' ', a[i].len) != NULL;
        apart |= i && !follows(a[i], a[0], &rest);
    }
    return wide && apart;
}

/* symbol ::= symbol COMMA first is ", ..."; other ways to go on are told. */
static void put_again(struct shape *s, const struct str *again, unsigned n, struct str first)
{
    struct str rest;
    if (n == 1 && follows(again[0], STR("COMMA"), &rest) && str_eq(rest, first)) {
        put(s, ", ...");
    } else if (n) {
        put(s, "[");
        put_alternatives(s, again, n);
        put(s, "...");
        put(s, "]");
    }
}

static void put_rules(struct shape *s, struct str symbol)
{
    struct str one[ALTERNATIVES], again[ALTERNATIVES], lhs, words, rest;
    unsigned n = 0, nagain = 0;
    bool optional = false;
    for (unsigned i = 0; rule_at(i, &lhs, &words); i++) {
        if (!str_eq(lhs, symbol) || n == ALTERNATIVES || nagain == ALTERNATIVES)
            continue;
        if (!words.len)
            optional = true;
        else if (follows(words, symbol, &rest))
            again[nagain++] = rest;
        else
            one[n++] = words;
    }
    const char *open = n && optional ? "[" : n && is_wide(one, n) ? "(" : NULL;
    if (open)
        put(s, open);
    put_alternatives(s, one, n);
    put_again(s, again, nagain, n ? one[0] : STR(""));
    if (open)
        put(s, optional ? "]" : ")");
}

static void put_symbol(struct shape *s, struct str symbol)
{
    char text[64];
    bool known = s->nopen == OPEN_MAX || (symbol.ptr[0] >= 'A' && symbol.ptr[0] <= 'Z');
    snprintf(text, sizeof text, "%.*s", STR_ARG(symbol));
    for (unsigned i = 0; i < s->nopen; i++)
        known |= str_eq(s->open[i], symbol);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(symbol, str_of(names[i].symbol))) {
            put(s, names[i].text);
            return;
        }
    if (known) {
        put(s, text);
        return;
    }
    size_t start = s->out->len, end = s->end;
    s->end = MIN(end, start + PART_BYTES);
    s->open[s->nopen++] = symbol;
    put_rules(s, symbol);
    s->nopen--;
    if (s->out->len > s->end) {
        s->out->len = start;
        put(s, text);
    }
    s->end = end;
}

bool parse_shape(unsigned i, struct wbuf *out)
{
    struct str symbol, words;
    unsigned at = 0;
    for (unsigned rule = 0; rule_at(rule, &symbol, &words); rule++) {
        bool several = words.len && memchr(words.ptr, ' ', words.len); /* else it only hands on */
        bool statement = str_eq(symbol, STR("statement")) || str_eq(symbol, STR("explainable"));
        if (!(several && statement) && !str_starts(words, STR("SELECT ")))
            continue;
        if (at++ != i)
            continue;
        struct shape s = {.out = out, .end = SIZE_MAX};
        put_words(&s, words);
        return true;
    }
    return false;
}
