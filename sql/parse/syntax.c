/* Telling people what is wrong with a statement that does not parse.
 *
 * The first word that does not fit is known, and the grammar's stack before it. Instead of listing what the grammar
 * would take, we try what a person would: another keyword in place of a misspelt word (also one or two words earlier,
 * where a misspelt keyword was taken for a name), one word more, one word less. The change after which most of the rest
 * fits is the diagnosis; it must explain at least the next two words. Only without one we say what could stand here. */
#include <stdio.h>

#include "sql/parse/parser.h"

#include "grammar.h"

/* How far back a misspelt keyword may have hidden as a name, and how far a repair is followed. */
#define LOOK_BACK 3
#define LOOK_AHEAD 40

enum repair_kind { REPAIR_NONE, REPAIR_KEYWORD, REPAIR_QUOTE, REPAIR_INSERT, REPAIR_REMOVE };
struct repair {
    enum repair_kind kind;
    unsigned at;       /* index of the word that is replaced, removed, or inserted before */
    unsigned reach;    /* words that fit then */
    unsigned distance; /* of the misspelling */
    int token;
    const char *word;
};
struct syntax {
    struct parser *p;
    const struct token *tokens;
    unsigned n, at;
    struct grammar_stack before[LOOK_BACK]; /* [k]: before tokens[at - k] */
    struct repair best;
};

static struct str word_at(const struct syntax *s, unsigned i) { return place_text(s->p->text, s->tokens[i].place); }

/* Names of tokens that are not keywords, for sentences. */
static const char *token_words(int token)
{
    switch (token) {
    case TK_COMMA:
        return "a comma";
    case TK_LP:
        return "\"(\"";
    case TK_RP:
        return "\")\"";
    case TK_EQ:
        return "\"=\"";
    case TK_STAR:
        return "\"*\"";
    case TK_ID:
        return "a name";
    case TK_STRING:
        return "a text in single quotes";
    case TK_INTEGER:
        return "a whole number";
    case 0:
    case TK_SEMI:
        return "the end of the statement";
    default:
        break;
    }
    for (unsigned i = 0; lex_keyword(i); i++)
        if (lex_next(str_of(lex_keyword(i)), 0).kind == token)
            return lex_keyword(i);
    return NULL;
}

/* ---- Repairs */

/* How many of the words from `from` on fit, at most LOOK_AHEAD: gives the index of the first that does not. */
static unsigned reach_of(const struct syntax *s, struct grammar_stack *stack, unsigned from)
{
    unsigned i = from;
    while (i < s->n && i < s->at + LOOK_AHEAD && grammar_step(stack, s->tokens[i].kind, false))
        i++;
    return i;
}

static void consider(struct syntax *s, struct repair r)
{
    bool enough = r.reach >= s->n || r.reach >= s->at + 2;
    bool better = r.reach > s->best.reach ||
                  (r.reach == s->best.reach && r.kind == s->best.kind && r.distance < s->best.distance);
    if (enough && (s->best.kind == REPAIR_NONE || better))
        s->best = r;
}

static void try_keywords(struct syntax *s)
{
    for (unsigned k = 0; k < LOOK_BACK && k <= s->at; k++) {
        const struct token *t = &s->tokens[s->at - k];
        if (t->cls != LEX_NAME && t->cls != LEX_KEYWORD)
            continue;
        for (unsigned i = 0; lex_keyword(i); i++) {
            struct str word = str_of(lex_keyword(i));
            struct nearest near = nearest_of(word_at(s, s->at - k));
            nearest_add(&near, word);
            int token = lex_next(word, 0).kind;
            struct grammar_stack stack = s->before[k];
            if (!nearest_get(&near).ptr || token == t->kind || !grammar_step(&stack, token, true))
                continue;
            struct repair r = {REPAIR_KEYWORD, s->at - k, 0, near.distance, token, word.ptr};
            r.reach = reach_of(s, &stack, s->at - k + 1);
            consider(s, r);
        }
    }
}

static void try_quoting(struct syntax *s)
{
    struct grammar_stack stack = s->before[0];
    if (!s->tokens[s->at].reserved || !grammar_step(&stack, TK_ID, true))
        return;
    consider(s, (struct repair){REPAIR_QUOTE, s->at, reach_of(s, &stack, s->at + 1), 0, TK_ID, NULL});
}

static void try_inserting_at(struct syntax *s, unsigned back, const int *words, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct grammar_stack stack = s->before[back];
        if (!token_words(words[i]) || !grammar_step(&stack, words[i], true))
            continue;
        struct repair r = {REPAIR_INSERT, s->at - back, 0, 0, words[i], token_words(words[i])};
        r.reach = reach_of(s, &stack, s->at - back);
        consider(s, r);
    }
}

/* FROM and WHERE are also looked for one word earlier: what follows them was taken for an alias. */
static void try_inserting(struct syntax *s)
{
    static const int words[] = {TK_COMMA, TK_RP,     TK_LP,   TK_EQ,    TK_AS,      TK_BY,   TK_FROM,
                                TK_ON,    TK_JOIN,   TK_INTO, TK_KEY,   TK_END,     TK_THEN, TK_AND,
                                TK_WITH,  TK_EXISTS, TK_DOT,  TK_TABLE, TK_CHANGES, TK_WHERE};
    static const int earlier[] = {TK_FROM, TK_WHERE};
    try_inserting_at(s, 0, words, ARRAY_LEN(words));
    if (s->at > 0)
        try_inserting_at(s, 1, earlier, ARRAY_LEN(earlier));
}

static void try_removing_comma(struct syntax *s)
{
    if (s->at == 0 || s->tokens[s->at - 1].kind != TK_COMMA)
        return;
    struct grammar_stack stack = s->before[1];
    consider(s, (struct repair){REPAIR_REMOVE, s->at - 1, reach_of(s, &stack, s->at), 0, 0, NULL});
}

static void try_removing(struct syntax *s)
{
    struct grammar_stack stack = s->before[0];
    if (s->tokens[s->at].cls != LEX_END && s->tokens[s->at].cls != LEX_SEMICOLON)
        consider(s, (struct repair){REPAIR_REMOVE, s->at, reach_of(s, &stack, s->at + 1), 0, 0, NULL});
}

/* ---- Sentences */

static int report(struct syntax *s, unsigned at, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int report(struct syntax *s, unsigned at, const char *fmt, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    parse_refuse(s->p, s->tokens[at].place, "%s", text);
    return E_SQL;
}

/* A word as it is quoted in sentences: cut if long. */
struct shown {
    char text[48];
};
static struct shown shown_word(const struct syntax *s, unsigned at)
{
    struct shown w;
    struct str word = word_at(s, at);
    if (!word.len)
        snprintf(w.text, sizeof w.text, "the end of the statement");
    else if (word.len > 40)
        snprintf(w.text, sizeof w.text, "%.*s...", 37, word.ptr);
    else if (word.ptr[0] == '"' || word.ptr[0] == '\'')
        snprintf(w.text, sizeof w.text, "%.*s", STR_ARG(word));
    else
        snprintf(w.text, sizeof w.text, "\"%.*s\"", STR_ARG(word));
    for (char *c = w.text; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    return w;
}

static int report_repair(struct syntax *s)
{
    const struct repair *r = &s->best;
    struct str word = word_at(s, r->at);
    struct shown shown = shown_word(s, r->at);
    switch (r->kind) {
    case REPAIR_KEYWORD:
        report(s, r->at, "%s does not fit here", shown.text);
        diag_hint(s->p->diag, "did you mean %s?", r->word);
        break;
    case REPAIR_QUOTE:
        report(s, r->at, "%s is a reserved word and cannot be a name by itself", shown.text);
        diag_hint(s->p->diag, "write it in double quotes: \"%.*s\"", STR_ARG(word));
        break;
    case REPAIR_INSERT:
        report(s, r->at, "%s is missing before %s", r->word, shown.text);
        break;
    default:
        report(s, r->at, "%s does not fit here", shown.text);
        diag_hint(s->p->diag, "without it the statement can be read");
    }
    return E_SQL;
}

/* The innermost "(" before tokens[at] that nothing closes; false: none. */
static bool open_bracket(const struct syntax *s, unsigned *index)
{
    unsigned closed = 0;
    for (unsigned i = s->at; i-- > 0;) {
        if (s->tokens[i].kind == TK_RP)
            closed++;
        else if (s->tokens[i].kind == TK_LP && closed-- == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

/* ---- What could stand here */

#define EXPECTED_MAX 6

static bool is_operator(int token)
{
    static const int operators[] = {TK_EQ,    TK_NE,      TK_LT,    TK_LE,      TK_GT,     TK_GE, TK_PLUS,
                                    TK_MINUS, TK_STAR,    TK_SLASH, TK_PERCENT, TK_CONCAT, TK_IS, TK_LIKE,
                                    TK_IN,    TK_BETWEEN, TK_AND,   TK_OR,      TK_NOT,    TK_DOT};
    for (unsigned i = 0; i < ARRAY_LEN(operators); i++)
        if (operators[i] == token)
            return true;
    return false;
}

static bool starts_value(int token)
{
    static const int starts[] = {TK_ID,    TK_STRING, TK_INTEGER, TK_DECIMAL, TK_DOUBLE, TK_NULL, TK_TRUE,
                                 TK_FALSE, TK_CASE,   TK_CAST,    TK_NOT,     TK_MINUS,  TK_PLUS, TK_LP,
                                 TK_EXISTS, TK_INTERVAL};
    for (unsigned i = 0; i < ARRAY_LEN(starts); i++)
        if (starts[i] == token)
            return true;
    return false;
}

static bool could_stand(const struct syntax *s, int token)
{
    struct grammar_stack stack = s->before[0];
    return grammar_step(&stack, token, true);
}

static void expected(const struct syntax *s, char *out, size_t size)
{
    const char *words[EXPECTED_MAX + 1];
    unsigned n = 0;
    bool value = could_stand(s, TK_CASE), alias = could_stand(s, TK_AS), operator= false;
    if (value)
        words[n++] = "a value or column";
    for (int token = 0; token < (int)grammar_ntokens() && n <= EXPECTED_MAX; token++) {
        if (token == TK_SEMI || token == s->tokens[s->at].kind || !could_stand(s, token) || (value && starts_value(token)))
            continue;
        if (is_operator(token) && !(token == TK_STAR && value)) {
            operator= true;
            continue;
        }
        const char *word = alias && token == TK_ID ? NULL : token_words(token);
        if (word)
            words[n++] = word;
    }
    if (operator&& n<EXPECTED_MAX)
        words[n++] = "an operator";
    size_t len = 0;
    out[0] = 0;
    for (unsigned i = 0; i < n && i < EXPECTED_MAX && len < size; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%s",
                                i == 0                                ? ""
                                : i + 1 == n || i + 1 == EXPECTED_MAX ? " or "
                                                                      : ", ",
                                words[i]);
}

static bool clause_order(struct syntax *s)
{
    static const int clauses[] = {TK_WINDOW, TK_WHERE, TK_GROUP, TK_PARTITION, TK_HAVING,
                                  TK_ORDER,  TK_EMIT,  TK_LIMIT, TK_JOIN};
    for (unsigned i = 0; i < ARRAY_LEN(clauses); i++)
        if (clauses[i] == s->tokens[s->at].kind && s->tokens[0].kind != TK_PRINT && s->at > 3)
            return true;
    return false;
}

static int report_expected(struct syntax *s)
{
    char words[200];
    unsigned bracket;
    expected(s, words, sizeof words);
    bool end = s->tokens[s->at].cls == LEX_END || s->tokens[s->at].cls == LEX_SEMICOLON;
    if (s->at == 0) {
        report(s, 0, "a statement cannot start with %s", shown_word(s, 0).text);
        diag_hint(s->p->diag,
                  "statements start with SELECT, CREATE, DROP, INSERT, SHOW, DESCRIBE, EXPLAIN, PRINT, ...");
        return E_SQL;
    }
    if (end)
        report(s, s->at, "the statement ends too early: %s should follow", words);
    else
        report(s, s->at, "found %s where %s should stand", shown_word(s, s->at).text, words);
    if (open_bracket(s, &bracket) && end) {
        struct diag place;
        diag_place(&place, 0, s->p->text, s->tokens[bracket].place);
        diag_hint(s->p->diag, "the \"(\" in line %d, column %d is not closed", place.line, place.column);
    } else if (s->tokens[s->at].kind == TK_RP && !open_bracket(s, &bracket)) {
        diag_hint(s->p->diag, "there is no \"(\" that it could close");
    } else if (s->tokens[s->at].kind == TK_COMMA && could_stand(s, TK_JOIN)) {
        diag_hint(s->p->diag, "relations are combined by JOIN ... ON left.column = right.column");
    } else if (clause_order(s)) {
        diag_hint(s->p->diag, "clauses come in this order: FROM, JOIN, WINDOW, WHERE, GROUP BY, PARTITION BY, HAVING, "
                              "QUALIFY, ORDER BY, EMIT, LIMIT, OFFSET");
    }
    return E_SQL;
}

/* ---- Known, but not here */

static bool refused_word(struct syntax *s)
{
    static const struct {
        const char *before, *word, *sentence;
    } table[] = {
#define REFUSE(before, word, sentence) {before, word, sentence},
#include "sql/parse/refuse.def"
#undef REFUSE
    };
    struct str word = word_at(s, s->at), before = s->at ? word_at(s, s->at - 1) : STR("");
    for (unsigned i = 0; i < ARRAY_LEN(table); i++)
        if (str_eq_nocase(word, str_of(table[i].word)) &&
            (!table[i].before || str_eq_nocase(before, str_of(table[i].before)))) {
            report(s, s->at, "%s", table[i].sentence);
            return true;
        }
    if (s->tokens[s->at].kind == TK_SELECT && s->tokens[0].kind == TK_INSERT) {
        report(s, s->at, "INSERT INTO ... SELECT is not supported; write CREATE STREAM ... AS SELECT");
        return true;
    }
    return false;
}

/* WINDOW TUMBLING ( behind WHERE: it is WINDOW that does not fit, though a name could follow it there. */
static bool late_window(const struct token *tokens, unsigned at)
{
    int kind = at > 1 ? tokens[at - 1].kind : 0;
    return at > 1 && tokens[at].kind == TK_LP && tokens[at - 2].kind == TK_WINDOW &&
           (kind == TK_TUMBLING || kind == TK_HOPPING || kind == TK_CUMULATE || kind == TK_SESSION);
}

int syntax_error(struct parser *p, const struct token *tokens, unsigned n, unsigned at)
{
    struct syntax *s = ARENA_NEW(p->arena, struct syntax);
    at -= late_window(tokens, at) ? 2 : 0;
    *s = (struct syntax){.p = p, .tokens = tokens, .n = n, .at = at};
    struct grammar_stack stack;
    grammar_start(&stack);
    for (unsigned i = 0; i <= at; i++) {
        if (at - i < LOOK_BACK)
            s->before[at - i] = stack;
        if (i < at)
            grammar_step(&stack, tokens[i].kind, false);
    }
    if (refused_word(s))
        return E_SQL;
    if (at > 0 && tokens[at - 1].cls == LEX_SEMICOLON)
        return report(s, at, "a second statement starts here; only one is taken at a time");
    if (tokens[at].kind != TK_COMMA)
        try_removing_comma(s); /* before a word that goes on; of two commas the second is one too many */
    try_quoting(s);
    try_keywords(s);
    try_inserting(s);
    try_removing(s);
    return s->best.kind == REPAIR_NONE ? report_expected(s) : report_repair(s);
}

int syntax_bad_token(struct parser *p, const struct token *t)
{
    struct str word = place_text(p->text, t->place);
    struct place start = {t->place.pos, 1};
    if (t->cls == LEX_STRING)
        parse_refuse(p, start, "the text that starts here has no closing '");
    else if (t->cls == LEX_QUOTED_NAME)
        parse_refuse(p, start, "the name that starts here has no closing %c", word.ptr[0]);
    else if (t->cls == LEX_COMMENT)
        parse_refuse(p, (struct place){t->place.pos, 2}, "the comment that starts here has no closing */");
    else if (t->cls == LEX_VARIABLE)
        parse_refuse(p, t->place, "variables are not replaced here");
    else if (word.len == 3 && memcmp(word.ptr, "\xe2\x80", 2) == 0)
        parse_refuse(p, t->place, "this typographic mark has no meaning in SQL");
    else if ((unsigned char)word.ptr[0] > ' ' && (unsigned char)word.ptr[0] != 127)
        parse_refuse(p, t->place, "\"%.*s\" has no meaning in SQL", STR_ARG(word));
    else
        parse_refuse(p, t->place, "a control character (%u) has no meaning in SQL", (unsigned char)word.ptr[0]);
    if (t->cls == LEX_BAD && word.len == 3)
        diag_hint(p->diag, "texts stand in plain single quotes: '...'");
    return E_SQL;
}
