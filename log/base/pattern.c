/* A parser to a tree, the tree to a program (Thompson), and a machine that is in many places of the program at once
 * (Pike's, without captures). */
#include "log/base/pattern.h"
#include "log/base/limits.h"

enum node_kind { NODE_EMPTY, NODE_SET, NODE_ASSERT, NODE_CAT, NODE_ALT, NODE_REPEAT };
enum assertion { AT_START, AT_END, AT_WORD, NOT_AT_WORD };
enum { CHAR_MAX_CODE = 0x10ffff, NO_CHAR = -1, REPEAT_MAX = 1000, FOREVER = -1 };

struct span {
    int32_t lo, hi;
};
/* Characters: spans in rising order that do not touch. */
struct set {
    struct span *spans;
    uint32_t n;
};
struct node {
    enum node_kind kind;
    enum assertion assertion;
    const struct set *set;
    struct node *left, *right;
    int min, max;
};

enum step_kind { STEP_SET, STEP_ASSERT, STEP_SPLIT, STEP_GO, STEP_MATCH };
struct step {
    enum step_kind kind;
    enum assertion assertion;
    const struct set *set;
    uint16_t x, y; /* where to go */
};
struct pattern {
    struct step *steps;
    uint32_t n;
};

/* ---- characters */

static int32_t char_next(struct str *s)
{
    uint8_t c = (uint8_t)s->ptr[0];
    size_t n = c < 0xc2 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 1;
    int32_t code = n == 1 ? c : c & (0x7f >> n);
    bool good = (c < 0x80 || n > 1) && n <= s->len;
    for (size_t k = 1; k < n && good; k++) {
        good = ((uint8_t)s->ptr[k] & 0xc0) == 0x80;
        code = code << 6 | (s->ptr[k] & 0x3f);
    }
    n = good ? n : 1;
    *s = (struct str){s->ptr + n, s->len - n};
    return good ? code : 0xfffd;
}

static bool is_word(int32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool set_has(const struct set *set, int32_t c)
{
    uint32_t lo = 0, hi = set->n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (c > set->spans[mid].hi)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < set->n && c >= set->spans[lo].lo;
}

static int by_lo(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    return (x->lo > y->lo) - (x->lo < y->lo);
}

/* A set while it is being collected. */
struct spans {
    struct arena *a;
    struct span *list;
    uint32_t n, cap;
};

static void spans_add(struct spans *sp, int32_t lo, int32_t hi)
{
    if (sp->n == sp->cap) {
        struct span *more = ARENA_ARRAY(sp->a, struct span, sp->cap * 2 + 4);
        if (sp->n)
            memcpy(more, sp->list, sp->n * sizeof *more);
        sp->list = more;
        sp->cap = sp->cap * 2 + 4;
    }
    sp->list[sp->n++] = (struct span){lo, hi};
}

static const struct set *spans_set(struct spans *sp, bool negate)
{
    struct spans out = {.a = sp->a};
    int32_t next = 0; /* above what the set holds so far */
    if (sp->n)
        qsort(sp->list, sp->n, sizeof *sp->list, by_lo);
    for (uint32_t i = 0; i < sp->n; i++) {
        struct span s = sp->list[i];
        if (negate && s.lo > next)
            spans_add(&out, next, s.lo - 1);
        else if (!negate && out.n && s.lo <= out.list[out.n - 1].hi + 1)
            out.list[out.n - 1].hi = MAX(out.list[out.n - 1].hi, s.hi);
        else if (!negate)
            spans_add(&out, s.lo, s.hi);
        next = MAX(next, s.hi + 1);
    }
    if (negate && next <= CHAR_MAX_CODE)
        spans_add(&out, next, CHAR_MAX_CODE);
    struct set *set = ARENA_NEW(sp->a, struct set);
    *set = (struct set){out.list, out.n};
    return set;
}

/* ---- parsing */

struct parser {
    struct arena *a;
    struct diag *d;
    struct str left;
    bool failed, fold, dot_all, quoted;
    int depth;
};

static void parse_fail(struct parser *ps, const char *why)
{
    if (!ps->failed)
        diag_set(ps->d, E_SYNTAX, "%s", why);
    ps->failed = true;
}

static bool parse_at(const struct parser *ps, char c) { return ps->left.len && ps->left.ptr[0] == c; }

static bool parse_take(struct parser *ps, struct str what)
{
    if (ps->left.len < what.len || memcmp(ps->left.ptr, what.ptr, what.len) != 0)
        return false;
    ps->left = (struct str){ps->left.ptr + what.len, ps->left.len - what.len};
    return true;
}

static struct node *node_new(struct parser *ps, enum node_kind kind, struct node *left, struct node *right)
{
    struct node *n = ARENA_NEW(ps->a, struct node);
    n->kind = kind;
    n->left = left;
    n->right = right;
    return n;
}

static struct node *node_set(struct parser *ps, const struct set *set)
{
    struct node *n = node_new(ps, NODE_SET, NULL, NULL);
    n->set = set;
    return n;
}

static struct node *node_assert(struct parser *ps, enum assertion assertion)
{
    struct node *n = node_new(ps, NODE_ASSERT, NULL, NULL);
    n->assertion = assertion;
    return n;
}

/* The span, and with the flag i what differs from it by case only. */
static void add_folded(struct parser *ps, struct spans *sp, int32_t lo, int32_t hi)
{
    spans_add(sp, lo, hi);
    if (!ps->fold)
        return;
    if (hi >= 0x80 && hi < CHAR_MAX_CODE)
        parse_fail(ps, "the flag i is for ASCII's letters only");
    for (int32_t c = MAX(lo, 'A'); c <= MIN(hi, 'Z'); c++)
        spans_add(sp, c + 32, c + 32);
    for (int32_t c = MAX(lo, 'a'); c <= MIN(hi, 'z'); c++)
        spans_add(sp, c - 32, c - 32);
}

struct named {
    const char *name;
    const char *spans; /* pairs of characters */
};
static const struct named perl_classes[] = {{"d", "09"}, {"w", "09AZ__az"}, {"s", "\t\n\f\r  "}};
static const struct named posix_classes[] = {
    {"alnum", "09AZaz"}, {"alpha", "AZaz"}, {"ascii", "\1\x7f"}, {"blank", "\t\t  "}, {"cntrl", "\1\x1f\x7f\x7f"},
    {"digit", "09"}, {"graph", "!~"}, {"lower", "az"}, {"print", " ~"}, {"punct", "!/:@[`{~"}, {"space", "\t\r  "},
    {"upper", "AZ"}, {"word", "09AZ__az"}, {"xdigit", "09AFaf"}};

static void add_named(struct parser *ps, struct spans *sp, const struct named *nm, bool negate)
{
    struct spans own = {.a = ps->a};
    for (const char *p = nm->spans; *p; p += 2)
        spans_add(&own, (uint8_t)p[0], (uint8_t)p[1]);
    if (strcmp(nm->name, "ascii") == 0 || strcmp(nm->name, "cntrl") == 0)
        spans_add(&own, 0, 0);
    const struct set *set = spans_set(&own, negate);
    for (uint32_t i = 0; i < set->n; i++)
        if (negate)
            spans_add(sp, set->spans[i].lo, set->spans[i].hi);
        else
            add_folded(ps, sp, set->spans[i].lo, set->spans[i].hi);
}

/* \d and its like. */
static bool parse_perl(struct parser *ps, struct spans *sp)
{
    for (size_t i = 0; ps->left.len >= 2 && ps->left.ptr[0] == '\\' && i < ARRAY_LEN(perl_classes); i++) {
        char c = perl_classes[i].name[0], given = ps->left.ptr[1];
        if (given != c && given != c - 32)
            continue;
        ps->left = (struct str){ps->left.ptr + 2, ps->left.len - 2};
        add_named(ps, sp, &perl_classes[i], given != c);
        return true;
    }
    return false;
}

static int32_t parse_hex(struct parser *ps)
{
    bool braces = parse_take(ps, STR("{"));
    int32_t code = 0;
    int digits = 0;
    for (; ps->left.len && code <= CHAR_MAX_CODE && (braces || digits < 2); digits++) {
        char c = ps->left.ptr[0];
        int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (v < 0)
            break;
        code = code * 16 + v;
        ps->left = (struct str){ps->left.ptr + 1, ps->left.len - 1};
    }
    if (digits == 0 || (!braces && digits != 2) || code > CHAR_MAX_CODE || (braces && !parse_take(ps, STR("}"))))
        parse_fail(ps, "\\x takes two hexadecimal digits, or some in braces");
    return code;
}

/* One character, perhaps escaped. */
static int32_t parse_char(struct parser *ps)
{
    static const struct {
        char name, code;
    } controls[] = {{'a', '\a'}, {'f', '\f'}, {'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'v', '\v'}};
    int32_t c = char_next(&ps->left);
    if (c != '\\')
        return c;
    if (ps->left.len == 0) {
        parse_fail(ps, "a backslash at the end");
        return 0;
    }
    c = char_next(&ps->left);
    if (c == 'x')
        return parse_hex(ps);
    for (size_t i = 0; i < ARRAY_LEN(controls); i++)
        if (c == controls[i].name)
            return controls[i].code;
    if (c >= 0x80 || (is_word(c) && c != '_'))
        parse_fail(ps, "an escape that is not known");
    return c;
}

static bool parse_posix(struct parser *ps, struct spans *sp)
{
    if (!parse_take(ps, STR("[:")))
        return false;
    bool negate = parse_take(ps, STR("^"));
    for (size_t i = 0; i < ARRAY_LEN(posix_classes); i++) {
        struct str was = ps->left;
        if (parse_take(ps, str_of(posix_classes[i].name)) && parse_take(ps, STR(":]"))) {
            add_named(ps, sp, &posix_classes[i], negate);
            return true;
        }
        ps->left = was;
    }
    parse_fail(ps, "a class that is not known");
    return true;
}

static struct node *parse_class(struct parser *ps)
{
    struct spans sp = {.a = ps->a};
    bool negate = parse_take(ps, STR("^"));
    for (bool first = true; !ps->failed && (first || !parse_at(ps, ']')); first = false) {
        if (ps->left.len == 0) {
            parse_fail(ps, "missing ]");
            break;
        }
        if (parse_posix(ps, &sp) || parse_perl(ps, &sp))
            continue;
        int32_t lo = parse_char(ps), hi = lo;
        if (parse_at(ps, '-') && ps->left.len > 1 && ps->left.ptr[1] != ']') {
            parse_take(ps, STR("-"));
            hi = parse_char(ps);
        }
        if (hi < lo)
            parse_fail(ps, "a range of characters that goes backwards");
        add_folded(ps, &sp, lo, hi);
    }
    parse_take(ps, STR("]"));
    return node_set(ps, spans_set(&sp, negate));
}

static struct node *parse_alternatives(struct parser *ps);

/* Behind "(?": true if there is more of the group. */
static bool parse_flags(struct parser *ps)
{
    bool on = true;
    for (; ps->left.len && !ps->failed; ps->left = (struct str){ps->left.ptr + 1, ps->left.len - 1}) {
        switch (ps->left.ptr[0]) {
        case '-': on = false; break;
        case 'i': ps->fold = on; break;
        case 's': ps->dot_all = on; break;
        case ':': parse_take(ps, STR(":")); return true;
        case ')': return false;
        default: parse_fail(ps, "a kind of group that is not known"); break;
        }
    }
    parse_fail(ps, "missing )");
    return false;
}

static struct node *parse_group(struct parser *ps)
{
    bool fold = ps->fold, dot_all = ps->dot_all;
    if (parse_take(ps, STR("?P<")) || parse_take(ps, STR("?<"))) {
        while (ps->left.len && is_word(ps->left.ptr[0]))
            ps->left = (struct str){ps->left.ptr + 1, ps->left.len - 1};
        if (!parse_take(ps, STR(">")))
            parse_fail(ps, "a kind of group that is not known");
    } else if (parse_take(ps, STR("?")) && !parse_flags(ps)) {
        parse_take(ps, STR(")")); /* flags alone: for what follows */
        return node_new(ps, NODE_EMPTY, NULL, NULL);
    }
    if (++ps->depth > PATTERN_DEPTH) {
        parse_fail(ps, "too many groups in groups");
        return NULL;
    }
    struct node *n = parse_alternatives(ps);
    ps->depth--;
    if (!parse_take(ps, STR(")")))
        parse_fail(ps, "missing )");
    ps->fold = fold;
    ps->dot_all = dot_all;
    return n;
}

static struct node *parse_literal(struct parser *ps, int32_t c)
{
    struct spans sp = {.a = ps->a};
    add_folded(ps, &sp, c, c);
    return node_set(ps, spans_set(&sp, false));
}

static struct node *parse_dot(struct parser *ps)
{
    struct spans sp = {.a = ps->a};
    if (!ps->dot_all)
        spans_add(&sp, '\n', '\n');
    return node_set(ps, spans_set(&sp, true));
}

/* Within \Q and \E every character stands for itself. */
static struct node *parse_quoted(struct parser *ps)
{
    struct node *n = NULL;
    if (ps->left.len && !(ps->left.len > 1 && memcmp(ps->left.ptr, "\\E", 2) == 0))
        n = parse_literal(ps, char_next(&ps->left));
    ps->quoted = !parse_take(ps, STR("\\E")) && ps->left.len;
    return n ? n : node_new(ps, NODE_EMPTY, NULL, NULL);
}

static struct node *parse_atom(struct parser *ps)
{
    static const struct {
        const char *text;
        enum assertion assertion;
    } assertions[] = {{"^", AT_START}, {"\\A", AT_START}, {"$", AT_END}, {"\\z", AT_END}, {"\\b", AT_WORD}, {"\\B", NOT_AT_WORD}};
    struct spans sp = {.a = ps->a};
    if (ps->quoted)
        return parse_quoted(ps);
    if (parse_take(ps, STR("\\Q"))) {
        ps->quoted = true;
        return parse_quoted(ps);
    }
    for (size_t i = 0; i < ARRAY_LEN(assertions); i++)
        if (parse_take(ps, str_of(assertions[i].text)))
            return node_assert(ps, assertions[i].assertion);
    if (parse_take(ps, STR("(")))
        return parse_group(ps);
    if (parse_take(ps, STR("[")))
        return parse_class(ps);
    if (parse_take(ps, STR(".")))
        return parse_dot(ps);
    if (parse_at(ps, '*') || parse_at(ps, '+') || parse_at(ps, '?')) {
        parse_fail(ps, "nothing to repeat");
        return NULL;
    }
    if (parse_perl(ps, &sp))
        return node_set(ps, spans_set(&sp, false));
    return parse_literal(ps, parse_char(ps));
}

static bool parse_number(struct str *s, int *out)
{
    size_t n = 0;
    *out = 0;
    for (; n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9' && *out <= REPEAT_MAX; n++)
        *out = *out * 10 + (s->ptr[n] - '0');
    *s = (struct str){s->ptr + n, s->len - n};
    return n > 0;
}

/* {n}, {n,} or {n,m}; anything else is a brace that stands for itself. */
static bool parse_counts(struct parser *ps, int *min, int *max)
{
    struct str s = {ps->left.ptr + 1, ps->left.len - 1};
    if (!parse_number(&s, min))
        return false;
    *max = *min;
    if (s.len && s.ptr[0] == ',') {
        s = (struct str){s.ptr + 1, s.len - 1};
        if (!parse_number(&s, max))
            *max = FOREVER;
    }
    if (!s.len || s.ptr[0] != '}')
        return false;
    ps->left = (struct str){s.ptr + 1, s.len - 1};
    if (*min > REPEAT_MAX || *max > REPEAT_MAX || (*max != FOREVER && *max < *min))
        parse_fail(ps, "bad numbers of repetitions");
    return true;
}

static struct node *parse_repeat(struct parser *ps)
{
    struct node *n = parse_atom(ps);
    for (int times = 0; !ps->failed && !ps->quoted; times++) {
        int min, max;
        if (parse_take(ps, STR("*")))
            min = 0, max = FOREVER;
        else if (parse_take(ps, STR("+")))
            min = 1, max = FOREVER;
        else if (parse_take(ps, STR("?")))
            min = 0, max = 1;
        else if (!parse_at(ps, '{') || !parse_counts(ps, &min, &max))
            return n;
        parse_take(ps, STR("?")); /* lazy: for a whole match the same */
        if (times > 0) {
            parse_fail(ps, "a repetition of a repetition");
            return NULL;
        }
        n = node_new(ps, NODE_REPEAT, n, NULL);
        n->min = min;
        n->max = max;
    }
    return n;
}

static struct node *parse_sequence(struct parser *ps)
{
    struct node *n = node_new(ps, NODE_EMPTY, NULL, NULL);
    while (ps->left.len && !ps->failed && (ps->quoted || (!parse_at(ps, '|') && !parse_at(ps, ')'))))
        n = node_new(ps, NODE_CAT, n, parse_repeat(ps));
    return n;
}

static struct node *parse_alternatives(struct parser *ps)
{
    struct node *n = parse_sequence(ps);
    while (!ps->failed && parse_take(ps, STR("|")))
        n = node_new(ps, NODE_ALT, n, parse_sequence(ps));
    return n;
}

/* ---- the program */

struct emitter {
    struct step steps[PATTERN_STEPS];
    uint32_t n;
    bool full;
};

static uint16_t emit(struct emitter *em, struct step st)
{
    if (em->n + 1 >= PATTERN_STEPS) { /* one is left for the end */
        em->full = true;
        return 0;
    }
    em->steps[em->n] = st;
    return (uint16_t)em->n++;
}

static void emit_node(struct emitter *em, const struct node *n);

static void emit_alternatives(struct emitter *em, const struct node *n)
{
    uint16_t split = emit(em, (struct step){.kind = STEP_SPLIT});
    em->steps[split].x = (uint16_t)em->n;
    emit_node(em, n->left);
    uint16_t over = emit(em, (struct step){.kind = STEP_GO});
    em->steps[split].y = (uint16_t)em->n;
    emit_node(em, n->right);
    em->steps[over].x = (uint16_t)em->n;
}

static void emit_repeat(struct emitter *em, const struct node *n)
{
    for (int i = 0; i < n->min && !em->full; i++) {
        uint32_t was = em->n;
        emit_node(em, n->left);
        if (em->n == was)
            return; /* nothing, as often as you like: else loops of nothing in loops of nothing took for ever */
    }
    if (n->max == FOREVER) {
        uint16_t split = emit(em, (struct step){.kind = STEP_SPLIT});
        em->steps[split].x = (uint16_t)em->n;
        emit_node(em, n->left);
        emit(em, (struct step){.kind = STEP_GO, .x = split});
        em->steps[split].y = (uint16_t)em->n;
        return;
    }
    for (int i = n->min; i < n->max && !em->full; i++) {
        uint16_t split = emit(em, (struct step){.kind = STEP_SPLIT});
        em->steps[split].x = (uint16_t)em->n;
        emit_node(em, n->left);
        em->steps[split].y = (uint16_t)em->n;
    }
}

/* The left of a sequence is the sequence before: a loop, so that a long one is not deep. */
static void emit_sequence(struct emitter *em, const struct node *n, const struct node **room)
{
    uint32_t k = 0;
    for (; n->kind == NODE_CAT; n = n->left)
        room[k++] = n->right;
    while (k > 0 && !em->full)
        emit_node(em, room[--k]);
}

static uint32_t sequence_length(const struct node *n)
{
    uint32_t k = 0;
    for (; n->kind == NODE_CAT; n = n->left)
        k++;
    return k;
}

static void emit_node(struct emitter *em, const struct node *n)
{
    if (em->full)
        return;
    switch (n->kind) {
    case NODE_EMPTY: break;
    case NODE_SET: emit(em, (struct step){.kind = STEP_SET, .set = n->set}); break;
    case NODE_ASSERT: emit(em, (struct step){.kind = STEP_ASSERT, .assertion = n->assertion}); break;
    case NODE_CAT: {
        const struct node **room = xalloc(sequence_length(n) * sizeof(const struct node *));
        emit_sequence(em, n, room);
        xfree(room);
        break;
    }
    case NODE_ALT: emit_alternatives(em, n); break;
    case NODE_REPEAT: emit_repeat(em, n); break;
    }
}

struct pattern *pattern_new(struct str text, struct arena *a, struct diag *d)
{
    struct parser ps = {.a = a, .d = d, .left = text};
    struct emitter *em;
    if (text.len > PATTERN_BYTES) {
        diag_set(d, E_SYNTAX, "the regular expression is too long");
        return NULL;
    }
    struct node *root = parse_alternatives(&ps);
    if (ps.left.len)
        parse_fail(&ps, "missing (");
    if (ps.failed)
        return NULL;
    em = xzalloc(sizeof *em);
    emit_node(em, root);
    em->steps[em->n++] = (struct step){.kind = STEP_MATCH};
    struct pattern *p = NULL;
    if (em->full) {
        diag_set(d, E_SYNTAX, "the regular expression is too large");
    } else {
        p = ARENA_NEW(a, struct pattern);
        p->n = em->n;
        p->steps = ARENA_ARRAY(a, struct step, p->n);
        memcpy(p->steps, em->steps, p->n * sizeof *p->steps);
    }
    xfree(em);
    return p;
}

/* ---- matching */

/* The places the machine is in, each once. */
struct places {
    uint16_t at[PATTERN_STEPS];
    uint32_t n;
    uint8_t in[PATTERN_STEPS / 8 + 1];
};

static bool holds(enum assertion what, int32_t before, int32_t after)
{
    switch (what) {
    case AT_START: return before == NO_CHAR;
    case AT_END: return after == NO_CHAR;
    case AT_WORD: return is_word(before) != is_word(after);
    case NOT_AT_WORD: return is_word(before) == is_word(after);
    }
    return false;
}

/* Goes to a place and on from there as far as no character is needed. Each place is stacked at most twice. */
static void enter(const struct pattern *p, struct places *to, uint16_t place, int32_t before, int32_t after)
{
    uint16_t stack[2 * PATTERN_STEPS];
    uint32_t n = 0;
    stack[n++] = place;
    while (n > 0) {
        uint16_t at = stack[--n];
        if (to->in[at / 8] & 1 << at % 8)
            continue;
        to->in[at / 8] = (uint8_t)(to->in[at / 8] | 1 << at % 8);
        const struct step *st = &p->steps[at];
        switch (st->kind) {
        case STEP_SPLIT:
            stack[n++] = st->y;
            stack[n++] = st->x;
            break;
        case STEP_GO: stack[n++] = st->x; break;
        case STEP_ASSERT:
            if (holds(st->assertion, before, after))
                stack[n++] = (uint16_t)(at + 1);
            break;
        case STEP_SET:
        case STEP_MATCH: to->at[to->n++] = at; break;
        }
    }
}

static void places_clear(struct places *ps)
{
    ps->n = 0;
    memset(ps->in, 0, sizeof ps->in);
}

bool pattern_match(const struct pattern *p, struct str s)
{
    struct places sets[2], *now = &sets[0], *then = &sets[1];
    int32_t c = s.len ? char_next(&s) : NO_CHAR;
    places_clear(now);
    enter(p, now, 0, NO_CHAR, c);
    while (c != NO_CHAR && now->n) {
        int32_t after = s.len ? char_next(&s) : NO_CHAR;
        places_clear(then);
        for (uint32_t i = 0; i < now->n; i++) {
            const struct step *st = &p->steps[now->at[i]];
            if (st->kind == STEP_SET && set_has(st->set, c))
                enter(p, then, (uint16_t)(now->at[i] + 1), c, after);
        }
        struct places *was = now;
        now = then;
        then = was;
        c = after;
    }
    for (uint32_t i = 0; i < now->n; i++)
        if (p->steps[now->at[i]].kind == STEP_MATCH)
            return true;
    return false;
}
