#include "engine/io/codec.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* The projecting decoder of JSON records: each record is read once, from left to right, and every byte of it is checked
 * (grammar of RFC 8259, nesting at most JSON_DEPTH, escapes, UTF-8, nothing behind the value), also in what nobody wants;
 * so that a broken record never becomes a row, whatever a query happens to select. It accepts exactly what the general
 * reader (vec/json.c) accepts; tests/fuzz/fuzz_json.c compares both.
 *
 * Speed comes from guessing that a record has the keys of the one before, in their order: a key is then one comparison of
 * 16 bytes, colon and blanks included, with no scanning and no look-up. A wrong guess costs a look-up and corrects the
 * guess. What most values are, short whole numbers and plain texts, is tried first (common_value). Texts
 * without escapes become views into the record. Stopping at the last wanted field would be faster, but would let broken
 * records pass, and the last of several equal keys must win. */

#define KEY_TEXT 32   /* longer keys are looked up every time */
#define SHAPE_KEYS 64 /* keys remembered, by their place in the record */

struct known_key {
    char text[KEY_TEXT]; /* "name": with quotes, colon and the blanks around, zeros behind */
    int len;             /* 0: nothing known */
    uint32_t mask;       /* of the bytes that count */
    int field;           /* -1: none that is wanted */
    bool exact;
};
struct json_shape {
    struct known_key keys[SHAPE_KEYS];
    char *unescaped; /* room for checking and looking up escaped texts */
    size_t unescaped_cap;
};

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

static inline const char *skip_blanks(const char *p, const char *end)
{
    if (LIKELY(p < end && (uint8_t)*p > ' '))
        return p;
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* ---- strings */

struct text {
    struct str s; /* between the quotes */
    bool escaped;
};

#if defined(__SSE2__)
/* A bit for each of 16 bytes that is a quote, a backslash, a control character or (with high) not ASCII. */
static inline unsigned text_stops(const char *p, bool high)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i named = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    __m128i low = high ? _mm_cmplt_epi8(v, _mm_set1_epi8(0x20)) /* of signed bytes: what is not ASCII is below zero */
                       : _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(named, low));
}
#endif

/* The first such byte from p on; end if there is none. */
static inline const char *plain_until(const char *p, const char *end, const char *limit, bool high)
{
#if defined(__SSE2__)
    while (p < end && limit - p >= 32) {
        unsigned stops = text_stops(p, high) | text_stops(p + 16, high) << 16;
        if (stops) {
            p += __builtin_ctz(stops);
            return p < end ? p : end;
        }
        p += 32;
    }
#endif
    while (p < end && *p != '"' && *p != '\\' && (uint8_t)*p > 0x1f && !(high && (*p & 0x80)))
        p++;
    return p < end ? p : end;
}

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

struct scan {
    const char *end, *limit;
    struct json_shape *shape;
};

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

static inline const char *pass_value(const struct scan *sc, const char *p, int outer)
{
    if (p == sc->end)
        return NULL;
    return *p == '{' || *p == '[' ? pass_nested(sc, p, outer) : pass_scalar(sc, p);
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

/* A view of text that lies in the record. It is written where it belongs, in one piece if it is short: to put it together
 * elsewhere and then copy it costs more than all the rest. */
static inline void put_view(struct sview *to, struct str s, const struct target *t)
{
    to->len = (uint32_t)s.len;
    if (s.len > sizeof to->inl) {
        memcpy(to->prefix, s.ptr, 4);
        to->buf = t->buf;
        to->off = (uint32_t)(s.ptr - t->base);
        return;
    }
#if defined(__SSE2__)
    static const uint8_t masks[12 + 16] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    static_assert(offsetof(struct sview, inl) == 4 && sizeof *to == 16, "a length and the bytes");
    if (LIKELY(t->limit - s.ptr >= 16)) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)s.ptr);
        bytes = _mm_and_si128(bytes, _mm_loadu_si128((const __m128i *)(const void *)(masks + 12 - s.len)));
        bytes = _mm_or_si128(_mm_slli_si128(bytes, 4), _mm_cvtsi32_si128((int)s.len));
        _mm_storeu_si128((__m128i *)(void *)to, bytes);
        return;
    }
#endif
    memset(to->inl, 0, sizeof to->inl);
    memcpy(to->inl, s.ptr, s.len);
}

/* A whole number of one to seven digits, without a branch on how many there are: guessing that wrong is what costs. Gives
 * how many; 0: it is another case, or there are no eight bytes to look at. */
static inline unsigned scan_few_digits(const char *p, const struct scan *sc, uint64_t *out)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (UNLIKELY(sc->limit - p < 8))
        return 0;
    uint64_t v, zeros = 0x3030303030303030, high = 0xf0f0f0f0f0f0f0f0;
    memcpy(&v, p, 8);
    uint64_t others = ((v & high) ^ zeros) | (((v + 0x0606060606060606) & high) ^ zeros); /* zero bytes are digits */
    int n = others ? __builtin_ctzll(others) / 8 : 0;
    if (n == 0 || n >= sc->end - p || (*p == '0' && n > 1) || p[n] == '.' || (p[n] | 0x20) == 'e')
        return 0;
    v = (v ^ zeros) << (64 - 8 * n); /* zeros in front make it eight digits */
    v = v * 10 + (v >> 8);
    *out = ((v & 0x000000ff000000ff) * 0x000f424000000064 + (v >> 16 & 0x000000ff000000ff) * 0x0000271000000001) >> 32;
    return (unsigned)n;
#else
    (void)p, (void)sc, (void)out;
    return 0;
#endif
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
static const char *field_value(const struct scan *sc, const struct field *f, const char *p, int outer, struct target *t)
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

/* The same for p before the end of the record, quickly for what is common. */
static inline const char *common_value(const struct scan *sc, const struct field *f, const char *p, struct target *t)
{
    struct vec *v = &t->b->cols[f->out];
    if (f->type.id == T_VARCHAR && *p == '"') {
        const char *quote = plain_until(p + 1, sc->end, sc->limit, true);
        if (LIKELY(quote < sc->end && *quote == '"')) {
            put_view(&v->s[t->row], (struct str){p + 1, (size_t)(quote - p - 1)}, t);
            return quote + 1;
        }
    } else if (f->type.id == T_BIGINT || f->type.id == T_INT) {
        uint64_t n;
        unsigned digits = scan_few_digits(p, sc, &n);
        if (LIKELY(digits)) {
            if (f->type.id == T_BIGINT)
                v->i64[t->row] = (int64_t)n;
            else
                v->i32[t->row] = (int32_t)n;
            return p + digits;
        }
    }
    return field_value(sc, f, p, 1, t);
}

/* And for what nobody wants. */
static inline const char *common_pass(const struct scan *sc, const char *p)
{
    uint64_t n;
    if (*p == '"') {
        const char *quote = plain_until(p + 1, sc->end, sc->limit, true);
        if (LIKELY(quote < sc->end && *quote == '"'))
            return quote + 1;
    } else {
        unsigned digits = scan_few_digits(p, sc, &n);
        if (LIKELY(digits))
            return p + digits;
    }
    return pass_value(sc, skip_blanks(p, sc->end), 1);
}

/* ---- keys */

/* The column of a key: by its exact name, else the first that differs in case only. */
static int find_field(const struct fieldset *fs, struct str key, bool *exact)
{
    int found = -1;
    *exact = false;
    for (unsigned i = 0; i < fs->n; i++) {
        if (str_eq(fs->fields[i].name, key)) {
            *exact = true;
            return (int)i;
        }
        if (found < 0 && str_eq_nocase(fs->fields[i].name, key))
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
    if (out->field >= 0 && fs->fields[out->field].out < 0)
        out->field = -1;
    out->len = 0;
    ptrdiff_t len = after - p;
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
    field_valid(&t->b->cols[f->out], t->row); /* what was there first may have been null */
    return true;
}

static bool decode_object(struct fieldset *fs, const struct scan *sc, const char *start, struct target *t)
{
    const char *p = skip_blanks(start, sc->end);
    if (p == sc->end || *p != '{')
        return decode_fail(t, "JSON: the record is not an object");
    const char *first = skip_blanks(++p, sc->end);
    bool empty = first < sc->end && *first == '}';
    for (unsigned place = 0; !empty; place++) {
        struct known_key learnt, *key = &fs->shape->keys[MIN(place, SHAPE_KEYS - 1u)];
        if (LIKELY(key_matches(key, p, sc))) {
            p += key->len;
        } else {
            const char *after = learn_key(fs, sc, place, p, &learnt);
            if (!after)
                return malformed(t, p, start, "malformed key");
            p = after;
            key = &learnt;
        }
        const char *at = p;
        if (UNLIKELY(p == sc->end))
            return malformed(t, p, start, "value is missing");
        if (take_field(fs, key, t)) {
            p = common_value(sc, &fs->fields[key->field], p, t);
            if (!p)
                return false;
        } else {
            p = common_pass(sc, p);
            if (!p)
                return malformed(t, at, start, "malformed value");
        }
        p = skip_blanks(p, sc->end);
        if (p < sc->end && *p == ',') {
            p++;
            continue;
        }
        if (p == sc->end || *p != '}')
            return malformed(t, p, start, "comma or } is missing");
        break;
    }
    p = skip_blanks((empty ? first : p) + 1, sc->end);
    return p == sc->end || malformed(t, p, start, "something follows the object");
}

bool json_decode(struct fieldset *fs, struct str s, struct target *t)
{
    struct scan sc = {s.ptr + s.len, t->limit, fs->shape};
    fieldset_begin(fs);
    if (!fs->bare)
        return decode_object(fs, &sc, s.ptr, t);
    struct field *f = &fs->fields[0];
    const char *p = skip_blanks(s.ptr, sc.end);
    if (f->out >= 0) {
        field_found(fs, f);
        p = field_value(&sc, f, p, 0, t);
        if (!p)
            return false;
    } else if (!(p = pass_value(&sc, p, 0))) {
        return decode_fail(t, "JSON: malformed value");
    }
    p = skip_blanks(p, sc.end);
    return p == sc.end || malformed(t, p, s.ptr, "something follows the value");
}
