/* JSON records byte by byte, what json_decode.c and json_steps.c share. Private to engine/io. */
#ifndef IO_JSON_SCAN_H
#define IO_JSON_SCAN_H
#include "engine/io/codec.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define KEY_TEXT 32   /* longer keys are looked up every time */
#define SHAPE_KEYS 64 /* keys remembered, by their place in the record */

struct known_key {
    char text[KEY_TEXT]; /* "name": with quotes, colon and the blanks around, zeros behind */
    int len;             /* 0: nothing known */
    uint32_t mask;       /* of the bytes that count */
    int field;           /* -1: none that is wanted */
    bool exact;
    bool own;            /* and written as the encoder writes it */
};
/* A field that is foreseen, with what parts it from the one before. */
enum step_kind { STEP_PASS, STEP_LONG, STEP_INT, STEP_TEXT, STEP_PARTS, STEP_OTHER, STEP_NONE };
struct step {
    char text[KEY_TEXT]; /* { or , then the key, then the opening quote of a STEP_TEXT; zeros behind */
    uint32_t mask;
    uint8_t len, kind;
    char behind; /* what follows the value: , or } */
    bool exact;
    int field, out;
};
struct json_shape {
    struct known_key keys[SHAPE_KEYS];
    struct step steps[SHAPE_KEYS];
    unsigned nsteps;
    bool whole;    /* a record ends behind them, */
    bool complete; /* has all wanted fields then, */
    bool own;      /* and has the encoder's keys in the encoder's order */
    bool changed;  /* keys were learnt since the steps were made */
    uint64_t made; /* how often they were */
    char *unescaped; /* room for checking and looking up escaped texts */
    size_t unescaped_cap;
};
struct scan {
    const char *end, *limit;
    struct json_shape *shape;
};

static inline const char *skip_blanks(const char *p, const char *end)
{
    if (LIKELY(p < end && (uint8_t)*p > ' '))
        return p;
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

#if defined(__SSE2__)
/* Of 16 bytes those that are a quote, a backslash, a control character or (with high) not ASCII. */
static inline __m128i text_odd(const char *p, bool high)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i named = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    __m128i low = high ? _mm_cmplt_epi8(v, _mm_set1_epi8(0x20)) /* of signed bytes: what is not ASCII is below zero */
                       : _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    return _mm_or_si128(named, low);
}

/* A bit for each. */
static inline unsigned text_stops(const char *p, bool high) { return (unsigned)_mm_movemask_epi8(text_odd(p, high)); }
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

/* A view of text that lies in the record. It is written where it belongs, in one piece if it is short: to put it
 * together elsewhere and then copy it costs more than all the rest. */
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

/* A whole number of one to seven digits, without a branch on how many there are: guessing that wrong is what costs.
 * Gives how many; 0: it is another case, or there are no eight bytes to look at. */
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


/* json_decode.c. The value at p, `outer` levels deep, into its column: gives the place behind it, or NULL with t->error. */
const char *json_field_value(const struct scan *sc, const struct field *f, const char *p, int outer, struct target *t);
/* What is wanted of the parts of a STRUCT, at p, into their columns. */
const char *json_parts(const struct scan *sc, const struct field *f, const char *p, struct target *t);
/* Over a value that nobody wants; NULL: it is malformed. */
const char *json_pass_value(const struct scan *sc, const char *p, int outer);
/* The key at p, without escapes until the next of them is read; gives the place of its value, or NULL. */
const char *json_scan_key(const struct scan *sc, const char *p, struct str *key);

/* json_nested.c. The object or array at p, `outer` levels deep, into the column of f; NULL with t->error. */
const char *json_nested(const struct scan *sc, const struct field *f, const char *p, int outer, struct target *t);

/* json_steps.c. Reads the object at *p as far as it is as foreseen: true: to its closing brace, where *p is then. Else
 * *taken values were, and *p lies behind the last of them (unmoved if none was), where the general way goes on.
 * t->verbatim stays true only if the encoder would write it so. */
bool json_steps(struct fieldset *fs, const struct scan *sc, const char **p, struct target *t, unsigned *taken);
/* The general way has read a whole record, of so many keys. */
void json_steps_make(struct fieldset *fs, unsigned total);
#endif
