#include "engine/io/json_scan.h"

/* The projecting decoder of JSON records: each record is read once, from left to right, and every byte of it is checked
 * (grammar of RFC 8259, nesting at most JSON_DEPTH, escapes, UTF-8, nothing behind the value), also in what nobody
 * wants; so that a broken record never becomes a row, whatever a query happens to select. It accepts exactly what the
 * general reader (vec/json.c) accepts; tests/fuzz/fuzz_json.c compares both.
 *
 * Speed comes from guessing that a record has the keys of the one before, in their order. Where all is as it was
 * json_steps.c reads the record; here is the general way, for which a known key is still one comparison of 32 bytes,
 * colon and blanks included, with no look-up. A wrong guess costs a look-up and corrects the guess. Texts without
 * escapes become views into the record. Stopping at the last wanted field would be faster, but would let broken records
 * pass, and the last of several equal keys must win. */

struct json_shape *json_shape_new(const struct fieldset *fs)
{
    CHECK(fs->n < INT32_MAX);
    return xzalloc(sizeof(struct json_shape));
}

void json_shape_free(struct json_shape *s)
{
    if (!s)
        return;
    xfree(s->unescaped);
    xfree(s);
}

/* ---- strings */

struct text {
    struct str s; /* between the quotes */
    bool escaped;
};

/* p is the first byte of the text that is not plain. */
static const char *scan_odd_text(const char *start, const char *p, const char *end, const char *limit, struct text *out)
{
    bool high = false, escaped = false;
    for (;; p = plain_until(p, end, limit, !high)) {
        if (p >= end)
            return NULL;
        if (*p == '"')
            break;
        if (*p & 0x80) {
            high = true;
            p++;
        } else if (*p == '\\') {
            escaped = true;
            p += 2;
        } else {
            return NULL;
        }
    }
    *out = (struct text){{start, (size_t)(p - start)}, escaped};
    if (high && !utf8_valid(out->s))
        return NULL;
    return p + 1;
}

/* p is behind the opening quote; gives the place behind the closing one, or NULL. Everything is checked but escapes. */
static inline const char *scan_text(const char *p, const char *end, const char *limit, struct text *out)
{
    const char *start = p;
    p = plain_until(p, end, limit, true);
    if (UNLIKELY(p == end || *p != '"'))
        return scan_odd_text(start, p, end, limit, out);
    *out = (struct text){{start, (size_t)(p - start)}, false};
    return p + 1;
}

/* The text without escapes, in the shape's room. NULL: a wrong escape. */
static struct str unescape(struct json_shape *shape, struct str raw)
{
    if (shape->unescaped_cap < raw.len + 1) {
        shape->unescaped_cap = raw.len * 2 + 64;
        shape->unescaped = xrealloc(shape->unescaped, shape->unescaped_cap);
    }
    size_t n = json_unescape(raw, shape->unescaped);
    return n == SIZE_MAX ? STR_NULL : (struct str){shape->unescaped, n};
}

/* ---- passing over values */

static const char *pass_text(const struct scan *sc, const char *p)
{
    struct text t;
    p = scan_text(p + 1, sc->end, sc->limit, &t);
    if (p && t.escaped && !unescape(sc->shape, t.s).ptr)
        return NULL;
    return p;
}

static inline bool is_word(const char *p, const char *end, const char *word, size_t n)
{
    return (size_t)(end - p) >= n && memcmp(p, word, n) == 0;
}

/* The digits of a number, only as far as its grammar goes. */
static const char *pass_number(const char *p, const char *end)
{
    const char *digits;
    p += p < end && *p == '-';
    digits = p;
    while (p < end && (unsigned)(*p - '0') < 10)
        p++;
    if (p == digits || (*digits == '0' && p - digits > 1))
        return NULL;
    if (p < end && *p == '.') {
        digits = ++p;
        while (p < end && (unsigned)(*p - '0') < 10)
            p++;
        if (p == digits)
            return NULL;
    }
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        p += p < end && (*p == '-' || *p == '+');
        digits = p;
        while (p < end && (unsigned)(*p - '0') < 10)
            p++;
        if (p == digits)
            return NULL;
    }
    return p;
}

static inline const char *pass_scalar(const struct scan *sc, const char *p)
{
    switch (*p) {
    case '"':
        return pass_text(sc, p);
    case 't':
        return is_word(p, sc->end, "true", 4) ? p + 4 : NULL;
    case 'f':
        return is_word(p, sc->end, "false", 5) ? p + 5 : NULL;
    case 'n':
        return is_word(p, sc->end, "null", 4) ? p + 4 : NULL;
    default:
        return pass_number(p, sc->end);
    }
}

/* p is at a key; gives the place of its value. */
static const char *pass_key(const struct scan *sc, const char *p)
{
    if (p == sc->end || *p != '"' || !(p = pass_text(sc, p)))
        return NULL;
    p = skip_blanks(p, sc->end);
    return p < sc->end && *p == ':' ? skip_blanks(p + 1, sc->end) : NULL;
}

/* An object or array at p, which lies `outer` levels deep. */
static const char *pass_nested(const struct scan *sc, const char *p, int outer)
{
    uint64_t objects = 0; /* a bit per level */
    int depth = 0;
    for (;;) { /* p is at a value */
        if (p == sc->end)
            return NULL;
        bool open = *p == '{' || *p == '[';
        if (open) {
            if (outer + depth == JSON_DEPTH)
                return NULL;
            objects = objects << 1 | (*p == '{');
            depth++;
            p = skip_blanks(p + 1, sc->end);
            if (p < sc->end && *p != ((objects & 1) ? '}' : ']')) {
                if ((objects & 1) && !(p = pass_key(sc, p)))
                    return NULL;
                continue;
            }
        } else if (!(p = pass_scalar(sc, p))) {
            return NULL;
        }
        for (;;) { /* behind a value, or at the end of an empty container */
            if (!open)
                p = skip_blanks(p, sc->end);
            if (p == sc->end)
                return NULL;
            if (*p != ((objects & 1) ? '}' : ']'))
                break;
            p++;
            objects >>= 1;
            open = false;
            if (--depth == 0)
                return p;
        }
        if (*p != ',')
            return NULL;
        p = skip_blanks(p + 1, sc->end);
        if ((objects & 1) && !(p = pass_key(sc, p)))
            return NULL;
    }
}

static const char *pass_value(const struct scan *sc, const char *p, int outer)
{
    if (p == sc->end)
        return NULL;
    return *p == '{' || *p == '[' ? pass_nested(sc, p, outer) : pass_scalar(sc, p);
}

const char *json_pass_value(const struct scan *sc, const char *p, int outer)
{
    uint64_t n;
    unsigned digits = p == sc->end || *p == '"' ? 0 : scan_few_digits(p, sc, &n);
    return digits ? p + digits : pass_value(sc, p, outer);
}

const char *json_scan_key(const struct scan *sc, const char *p, struct str *key)
{
    struct text text;
    p = p < sc->end && *p == '"' ? scan_text(p + 1, sc->end, sc->limit, &text) : NULL;
    if (!p)
        return NULL;
    *key = text.escaped ? unescape(sc->shape, text.s) : text.s;
    p = skip_blanks(p, sc->end);
    return key->ptr && p < sc->end && *p == ':' ? skip_blanks(p + 1, sc->end) : NULL;
}

/* ---- values of wanted fields */

static bool malformed(struct target *t, const char *p, const char *start, const char *what)
{
    return decode_fail(t, "JSON: %s at byte %zu", what, p ? (size_t)(p - start) : 0);
}

static bool wrong_type(const struct field *f, struct target *t, const char *have)
{
    char type[TYPE_TEXT];
    type_format(f->type, type);
    return decode_fail(t, "column %.*s is %s, but the record has %s", STR_ARG(f->name), type, have);
}

/* Whole numbers of up to 18 digits; anything else goes through number_scan. */
static const char *scan_int(const char *p, const struct scan *sc, int64_t *out)
{
    uint64_t few;
    unsigned nfew = scan_few_digits(p, sc, &few);
    if (nfew) {
        *out = (int64_t)few;
        return p + nfew;
    }
    const char *start = p, *end = sc->end;
    bool negative = *p == '-';
    p += negative;
    const char *digits = p;
    uint64_t v = 0;
    while (p < end && (unsigned)(*p - '0') < 10)
        v = v * 10 + (unsigned)(*p++ - '0');
    size_t n = (size_t)(p - digits);
    bool simple = n >= 1 && n <= 18 && (*digits != '0' || n == 1) &&
                  !(p < end && (*p == '.' || (*p | 0x20) == 'e'));
    if (LIKELY(simple)) {
        *out = (int64_t)(negative ? -v : v);
        return p;
    }
    struct number num;
    p = number_scan(start, end, &num);
    return p && number_i64(&num, out) ? p : NULL;
}

static const char *number_value(const struct scan *sc, const struct field *f, struct vec *v, const char *p,
                                struct target *t)
{
    struct number n;
    int64_t i;
    const char *start = p;
    switch (f->type.id) {
    case T_INT:
    case T_BIGINT:
    case T_DATE:
    case T_TIME:
    case T_TIMESTAMP:
    case T_INTERVAL:
        p = scan_int(p, sc, &i);
        if (!p) {
            wrong_type(f, t, "a number that does not fit");
            return NULL;
        }
        return field_from_i64(f, v, i, t) ? p : NULL;
    case T_DOUBLE:
        p = number_scan(p, sc->end, &n);
        if (!p)
            break;
        v->f64[t->row] = number_double(&n);
        if (v->f64[t->row] - v->f64[t->row] != 0) {
            wrong_type(f, t, "a number that does not fit");
            return NULL;
        }
        return p;
    case T_DECIMAL:
        p = pass_number(p, sc->end);
        if (!p)
            break;
        if (!decimal_parse((struct str){start, (size_t)(p - start)}, f->type, false, &v->i128[t->row])) {
            wrong_type(f, t, "a number that does not fit");
            return NULL;
        }
        return p;
    case T_VARCHAR:
        p = pass_number(p, sc->end);
        if (!p)
            break;
        put_view(&v->s[t->row], (struct str){start, (size_t)(p - start)}, t);
        return p;
    default:
        if (pass_number(p, sc->end)) {
            wrong_type(f, t, "a number");
            return NULL;
        }
    }
    decode_fail(t, "JSON: not a value at column %.*s", STR_ARG(f->name));
    return NULL;
}

/* A text that has escapes, or is no VARCHAR, or malformed (p is NULL). */
static const char *odd_text_value(const struct scan *sc, const struct field *f, struct vec *v, const char *p,
                                  const struct text *text, struct target *t)
{
    struct str s = p ? text->s : STR_NULL;
    if (p && text->escaped)
        s = unescape(sc->shape, text->s);
    if (!s.ptr) {
        decode_fail(t, "JSON: malformed text at column %.*s", STR_ARG(f->name));
        return NULL;
    }
    if (f->type.id == T_VARCHAR) {
        v->s[t->row] = batch_keep(t->b, s);
        return p;
    }
    return field_from_text(f, v, s, t) ? p : NULL;
}

static inline const char *text_value(const struct scan *sc, const struct field *f, struct vec *v, const char *p,
                                     struct target *t)
{
    struct text text;
    p = scan_text(p + 1, sc->end, sc->limit, &text);
    if (UNLIKELY(!p || text.escaped || f->type.id != T_VARCHAR))
        return odd_text_value(sc, f, v, p, &text, t);
    put_view(&v->s[t->row], text.s, t);
    return p;
}

static const char *word_value(const struct scan *sc, const struct field *f, struct vec *v, const char *p,
                              struct target *t)
{
    const char *after = pass_scalar(sc, p);
    if (!after) {
        decode_fail(t, "JSON: not a value at column %.*s", STR_ARG(f->name));
        return NULL;
    }
    if (f->type.id == T_BOOLEAN) {
        v->b[t->row] = *p == 't';
        return after;
    }
    if (f->type.id == T_VARCHAR) {
        put_view(&v->s[t->row], (struct str){p, (size_t)(after - p)}, t);
        return after;
    }
    wrong_type(f, t, "true or false");
    return NULL;
}

static const char *nested_value(const struct scan *sc, const struct field *f, struct vec *v, const char *p, int outer,
                                struct target *t)
{
    if (f->nest)
        return json_nested(sc, f, p, outer, t);
    const char *after = pass_nested(sc, p, outer);
    if (!after) {
        decode_fail(t, "JSON: malformed value at column %.*s", STR_ARG(f->name));
        return NULL;
    }
    if (f->type.id != T_VARCHAR) {
        wrong_type(f, t, *p == '{' ? "an object" : "an array");
        return NULL;
    }
    put_view(&v->s[t->row], (struct str){p, (size_t)(after - p)}, t);
    return after;
}

/* The value at p into its column. */
const char *json_field_value(const struct scan *sc, const struct field *f, const char *p, int outer, struct target *t)
{
    struct vec *v = &t->b->cols[f->out];
    p = skip_blanks(p, sc->end);
    if (UNLIKELY(p == sc->end)) {
        decode_fail(t, "JSON: the record ends before column %.*s", STR_ARG(f->name));
        return NULL;
    }
    switch (*p) {
    case '"':
        return text_value(sc, f, v, p, t);
    case 't':
    case 'f':
        return word_value(sc, f, v, p, t);
    case '{':
    case '[':
        return nested_value(sc, f, v, p, outer, t);
    case 'n':
        if (is_word(p, sc->end, "null", 4)) {
            field_null(v, t->row);
            return p + 4;
        }
        decode_fail(t, "JSON: not a value at column %.*s", STR_ARG(f->name));
        return NULL;
    default:
        return number_value(sc, f, v, p, t);
    }
}

/* ---- keys */

/* The column of a key: by its exact name, else the first that differs in case only. */
static int find_field(const struct fieldset *fs, struct str key, bool *exact)
{
    int found = -1;
    *exact = false;
    for (unsigned i = 0; i < fs->n; i++) {
        if (str_eq(fs->fields[i].key, key)) {
            *exact = true;
            return (int)i;
        }
        if (found < 0 && str_eq_nocase(fs->fields[i].key, key))
            found = (int)i;
    }
    return found;
}

/* Is known the key at p? */
static inline bool key_matches(const struct known_key *known, const char *p, const struct scan *sc)
{
    if (known->len == 0 || sc->end - p < known->len)
        return false;
#if defined(__SSE2__)
    if (LIKELY(sc->limit - p >= KEY_TEXT)) {
        const __m128i *have = (const __m128i *)(const void *)p, *want = (const __m128i *)(const void *)known->text;
        unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(have), _mm_loadu_si128(want)));
        if (known->len > 16)
            same |= (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(have + 1), _mm_loadu_si128(want + 1))) << 16;
        return (same & known->mask) == known->mask;
    }
#endif
    return memcmp(known->text, p, (size_t)known->len) == 0;
}

/* A key that was not foreseen: looked up, and remembered for the next record. Gives the place of its value. */
static const char *learn_key(struct fieldset *fs, const struct scan *sc, unsigned place, const char *p,
                             struct known_key *out)
{
    struct text text;
    const char *quote = skip_blanks(p, sc->end);
    const char *after = quote < sc->end && *quote == '"' ? scan_text(quote + 1, sc->end, sc->limit, &text) : NULL;
    if (!after)
        return NULL;
    struct str key = text.escaped ? unescape(sc->shape, text.s) : text.s;
    if (!key.ptr)
        return NULL;
    after = skip_blanks(after, sc->end);
    if (after == sc->end || *after != ':')
        return NULL;
    after = skip_blanks(after + 1, sc->end);
    out->field = find_field(fs, key, &out->exact);
    ptrdiff_t len = after - p;
    out->own = out->exact && p == quote && !text.escaped && (size_t)len == text.s.len + 3;
    if (out->field >= 0 && !field_is_wanted(&fs->fields[out->field]))
        out->field = -1;
    out->len = 0;
    fs->shape->changed = true;
    if (len <= KEY_TEXT) {
        memset(out->text, 0, KEY_TEXT);
        memcpy(out->text, p, (size_t)len);
        out->len = (int)len;
        out->mask = len == 32 ? UINT32_MAX : (UINT32_C(1) << len) - 1;
        if (place < SHAPE_KEYS)
            fs->shape->keys[place] = *out;
    }
    return after;
}

/* ---- records */

/* Marks the field as found in this record. False: the value is not for us, since the exact name was there before. */
static inline bool take_field(struct fieldset *fs, const struct known_key *key, struct target *t)
{
    if (key->field < 0)
        return false;
    struct field *f = &fs->fields[key->field];
    if (LIKELY(f->seen != fs->record)) {
        field_found(fs, f);
        f->exact = key->exact;
        return true;
    }
    if (f->exact && !key->exact)
        return false;
    f->exact = key->exact;
    field_again(f, t); /* what was there first may have been null */
    return true;
}

/* At a comma, which is passed, or at the brace that ends the object. */
static const char *behind_value(const struct scan *sc, const char *start, const char *p, bool *more, struct target *t)
{
    p = skip_blanks(p, sc->end);
    *more = p < sc->end && *p == ',';
    if (*more || (p < sc->end && *p == '}'))
        return p + *more;
    malformed(t, p, start, "comma or } is missing");
    return NULL;
}

/* The value at p to whoever wants it, or parts of it. */
static inline const char *take_value(const struct scan *sc, const struct field *f, const char *p, int outer, struct target *t)
{
    if (LIKELY(!f->parts))
        return json_field_value(sc, f, p, outer, t);
    if (f->out >= 0 && !json_field_value(sc, f, p, outer, t))
        return NULL;
    return json_parts(sc, f, skip_blanks(p, sc->end), t);
}

/* The field at p, `place` of its object. */
static const char *decode_field(struct fieldset *fs, const struct scan *sc, const char *start, unsigned place, const char *p,
                                struct target *t)
{
    struct known_key learnt, *key = &fs->shape->keys[MIN(place, SHAPE_KEYS - 1u)];
    const char *at = p;
    if (LIKELY(key_matches(key, p, sc))) {
        p += key->len;
    } else if (!(p = learn_key(fs, sc, place, p, &learnt))) {
        malformed(t, at, start, "malformed key");
        return NULL;
    } else {
        key = &learnt;
    }
    if (UNLIKELY(p == sc->end)) {
        malformed(t, p, start, "value is missing");
        return NULL;
    }
    if (take_field(fs, key, t))
        return take_value(sc, &fs->fields[key->field], p, fs->depth, t);
    at = p;
    p = json_pass_value(sc, skip_blanks(p, sc->end), fs->depth);
    if (!p)
        malformed(t, at, start, "malformed value");
    return p;
}

/* Its first byte, and whether there is a field. */
static const char *open_object(const struct scan *sc, const char *start, bool *more, struct target *t)
{
    const char *p = skip_blanks(start, sc->end);
    if (p == sc->end || *p != '{') {
        decode_fail(t, "JSON: the record is not an object");
        return NULL;
    }
    const char *first = skip_blanks(p + 1, sc->end);
    *more = first == sc->end || *first != '}';
    return *more ? p + 1 : first;
}

/* Gives the place behind it, or NULL. */
static const char *decode_object(struct fieldset *fs, const struct scan *sc, const char *start, struct target *t)
{
    unsigned place = 0;
    bool more;
    const char *p = start;
    if (LIKELY(json_steps(fs, sc, &p, t, &place)))
        return p + 1;
    p = place ? behind_value(sc, start, p, &more, t) : open_object(sc, start, &more, t);
    for (; p && more; place++) {
        p = decode_field(fs, sc, start, place, p, t);
        if (p)
            p = behind_value(sc, start, p, &more, t);
    }
    if (!p)
        return NULL;
    /* Where records keep changing, steps are made now and then only. */
    if (fs->shape->changed && (fs->shape->made < 16 || fs->record % 64 == 0))
        json_steps_make(fs, place);
    return p + 1;
}

const char *json_parts(const struct scan *sc, const struct field *f, const char *p, struct target *t)
{
    static_assert(TYPE_DEPTH < JSON_DEPTH, "a STRUCT that is read part by part is not too deep");
    if (LIKELY(p < sc->end && *p == '{')) {
        fieldset_begin(f->parts);
        p = decode_object(f->parts, sc, p, t);
        if (p)
            fieldset_end(f->parts, t);
        return p;
    }
    if (p < sc->end && is_word(p, sc->end, "null", 4)) {
        field_absent(f, t);
        return p + 4;
    }
    decode_fail(t, "JSON: no object at column %.*s", STR_ARG(f->name));
    return NULL;
}

bool json_decode(struct fieldset *fs, struct str s, struct target *t)
{
    struct scan sc = {s.ptr + s.len, t->limit, fs->shape};
    fieldset_begin(fs);
    t->verbatim = !fs->bare;
    struct field *f = &fs->fields[0];
    const char *p = s.ptr;
    if (!fs->bare) {
        p = decode_object(fs, &sc, p, t);
        t->verbatim &= p == sc.end;
    } else if (field_is_wanted(f)) {
        field_found(fs, f);
        p = take_value(&sc, f, p, 0, t);
    } else if (!(p = pass_value(&sc, skip_blanks(p, sc.end), 0))) {
        decode_fail(t, "JSON: malformed value");
    }
    if (!p)
        return false;
    p = skip_blanks(p, sc.end);
    return p == sc.end || malformed(t, p, s.ptr, "something follows the value");
}
