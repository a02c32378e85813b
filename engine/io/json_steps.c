#include "engine/io/json_scan.h"

/* The quick way through JSON objects, which json_decode.c falls back from at any point: records of a topic mostly have
 * the same keys in the same order, without blanks where keys and commas meet. From one that was read the general way
 * this file makes steps: what parts a value from the one before, as one comparison of 16 or 32 bytes, and what kind of
 * value is expected. So a record takes no look-ups and no bookkeeping. What a step does not find as foreseen, be it
 * broken or merely different, is left to the general way, which begins again behind the last value that was taken:
 * nothing is accepted here that it would not accept, with the same result.
 *
 * On the way it is seen whether the encoder would write the very bytes that were read (t->verbatim): the keys are its
 * own, and the values in the one form it uses. */

#define STEP_AHEAD 32 /* bytes that may be read behind a record */

static inline bool step_matches(const struct step *s, const char *p)
{
#if defined(__SSE2__)
    const __m128i *have = (const __m128i *)(const void *)p, *want = (const __m128i *)(const void *)s->text;
    unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(have), _mm_loadu_si128(want)));
    if (s->len > 16)
        same |= (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(have + 1), _mm_loadu_si128(want + 1))) << 16;
    return (same & s->mask) == s->mask;
#else
    return memcmp(s->text, p, s->len) == 0;
#endif
}

/* The first byte from p on that ends a plain text, or is not plain; perhaps behind the record. */
static inline const char *text_end(const struct scan *sc, const char *p)
{
#if defined(__SSE2__)
    for (; p < sc->end; p += 32) {
        __m128i low = text_odd(p, true), high = text_odd(p + 16, true);
        if (_mm_movemask_epi8(_mm_or_si128(low, high)))
            return p + __builtin_ctz((unsigned)_mm_movemask_epi8(low) | (unsigned)_mm_movemask_epi8(high) << 16);
    }
    return p;
#else
    return plain_until(p, sc->end, sc->limit, true);
#endif
}

/* A number in digits alone, as the encoder writes whole ones. */
static bool is_own_number(const char *p, const char *after)
{
    p += *p == '-' && !(after - p == 2 && p[1] == '0');
    for (; p < after; p++)
        if ((unsigned)(*p - '0') >= 10)
            return false;
    return true;
}

/* Would the encoder write the value from p on, which was taken, blanks and all, as it stands? False where that is not
 * easily seen. */
static bool is_own_value(struct type type, const char *p, const char *after)
{
    if (*p == 'n')
        return true;
    switch (type.id) {
    case T_BOOLEAN:
        return *p == 't' || *p == 'f';
    case T_VARCHAR:
        return *p == '"' && !memchr(p, '\\', (size_t)(after - p));
    case T_INT:
    case T_BIGINT:
    case T_DATE:
    case T_TIME:
    case T_TIMESTAMP:
    case T_INTERVAL:
        return is_own_number(p, after);
    default:
        return false;
    }
}

/* What is not of the common form. An error is the general way's to tell. */
static const char *odd_value(const struct fieldset *fs, const struct step *s, const struct scan *sc, const char *p,
                             struct target *t)
{
    const struct field *f = &fs->fields[s->field];
    const char *after = json_field_value(sc, f, p, fs->depth, t);
    t->verbatim &= after && is_own_value(f->type, p, after);
    return after;
}

/* p is before the end of the record. */
static inline const char *step_value(const struct fieldset *fs, const struct step *s, const struct scan *sc, const char *p,
                                     struct target *t)
{
    uint64_t n;
    if (s->kind == STEP_TEXT) {
        const char *quote = text_end(sc, p);
        if (UNLIKELY(quote >= sc->end || *quote != '"'))
            return odd_value(fs, s, sc, p - 1, t);
        put_view(&t->b->cols[s->out].s[t->row], (struct str){p, (size_t)(quote - p)}, t);
        return quote + 1;
    }
    if (s->kind == STEP_LONG || s->kind == STEP_INT) {
        unsigned digits = scan_few_digits(p, sc, &n);
        if (UNLIKELY(!digits || p[digits] != s->behind))
            return odd_value(fs, s, sc, p, t);
        if (s->kind == STEP_LONG)
            t->b->cols[s->out].i64[t->row] = (int64_t)n;
        else
            t->b->cols[s->out].i32[t->row] = (int32_t)n;
        return p + digits;
    }
    if (s->kind == STEP_PARTS)
        return json_parts(sc, &fs->fields[s->field], p, t);
    if (s->kind != STEP_PASS)
        return odd_value(fs, s, sc, p, t);
    const char *quote = *p == '"' ? text_end(sc, p + 1) : sc->end;
    return LIKELY(quote < sc->end && *quote == '"') ? quote + 1 : json_pass_value(sc, p, fs->depth);
}

/* The general way goes on, and wants to know what has been found. */
static void tell_found(struct fieldset *fs, unsigned taken)
{
    for (unsigned i = 0; i < taken; i++) {
        const struct step *s = &fs->shape->steps[i];
        if (s->field < 0)
            continue;
        field_found(fs, &fs->fields[s->field]);
        fs->fields[s->field].exact = s->exact;
    }
}

bool json_steps(struct fieldset *fs, const struct scan *sc, const char **from, struct target *t, unsigned *taken)
{
    const struct json_shape *shape = fs->shape;
    const char *p = *from;
    unsigned i = 0, n = sc->limit - sc->end >= STEP_AHEAD ? shape->nsteps : 0;
    t->verbatim &= shape->own;
    for (; i < n; i++) {
        const struct step *s = &shape->steps[i];
        if (UNLIKELY(sc->end - p <= s->len || !step_matches(s, p)))
            break;
        const char *after = step_value(fs, s, sc, p + s->len, t);
        if (UNLIKELY(!after))
            break;
        p = after;
    }
    bool over = n && i == n && shape->whole && p < sc->end && *p == '}';
    *from = p;
    if (LIKELY(over && shape->complete)) {
        fs->found = fs->wanted;
        return true;
    }
    tell_found(fs, i);
    t->verbatim &= over;
    *taken = i;
    return over;
}

/* ---- making steps */

static enum step_kind kind_of(const struct fieldset *fs, int field)
{
    if (field < 0)
        return STEP_PASS;
    if (fs->fields[field].parts)
        return fs->fields[field].out < 0 ? STEP_PARTS : STEP_NONE;
    switch (fs->fields[field].type.id) {
    case T_BIGINT:
    case T_TIMESTAMP:
    case T_INTERVAL:
        return STEP_LONG;
    case T_INT:
    case T_DATE:
        return STEP_INT;
    case T_VARCHAR:
        return STEP_TEXT;
    default:
        return STEP_OTHER;
    }
}

static bool is_taken(const struct json_shape *shape, int field)
{
    for (unsigned i = 0; i < shape->nsteps && field >= 0; i++)
        if (shape->steps[i].field == field)
            return true;
    return false;
}

/* False: it does not fit, or the field comes twice; then the steps end before it. */
static bool add_step(struct fieldset *fs, const struct known_key *key)
{
    struct json_shape *shape = fs->shape;
    struct step *s = &shape->steps[shape->nsteps];
    enum step_kind kind = kind_of(fs, key->field);
    unsigned len = (unsigned)key->len + 1 + (kind == STEP_TEXT);
    if (key->len == 0 || len > KEY_TEXT || is_taken(shape, key->field) || kind == STEP_NONE)
        return false;
    *s = (struct step){.len = (uint8_t)len, .kind = (uint8_t)kind, .behind = ',', .exact = key->exact, .field = key->field,
                       .out = key->field < 0 ? -1 : fs->fields[key->field].out};
    s->text[0] = shape->nsteps ? ',' : '{';
    memcpy(s->text + 1, key->text, (size_t)key->len);
    if (kind == STEP_TEXT)
        s->text[len - 1] = '"';
    s->mask = len == 32 ? UINT32_MAX : (UINT32_C(1) << len) - 1;
    shape->own &= key->own && key->field == (int)shape->nsteps && kind != STEP_PARTS;
    shape->nsteps++;
    return true;
}

void json_steps_make(struct fieldset *fs, unsigned total)
{
    struct json_shape *shape = fs->shape;
    unsigned found = 0;
    shape->changed = false;
    shape->made++;
    shape->nsteps = 0;
    shape->own = true;
    while (shape->nsteps < MIN(total, SHAPE_KEYS - 1u) && add_step(fs, &shape->keys[shape->nsteps]))
        ;
    for (unsigned i = 0; i < shape->nsteps; i++)
        found += shape->steps[i].field >= 0;
    shape->whole = shape->nsteps && shape->nsteps == total;
    if (shape->whole)
        shape->steps[total - 1].behind = '}';
    shape->complete = found == fs->wanted;
    shape->own &= shape->whole && total == fs->n;
}
