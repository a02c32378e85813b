/* Data in columns: types, columns with validity bits, batches with a selection, weights and event time.
 *
 * Thread: a batch belongs to one task at a time. A batch given to push() is borrowed for the call: who keeps rows
 * copies them (batch_copy, keys and rows encoded). Strings are 16-byte views without pointers, so a batch can be shared
 * with another process. */
#ifndef VEC_VEC_H
#define VEC_VEC_H
#include "log/base/alloc.h"
#include "log/base/base.h"
#include "log/base/buf.h"
#include "log/base/limits.h"
struct diag;
struct unpack;

enum type_id {
    T_NULL, /* the type of a bare NULL; never of a column */
    T_BOOLEAN,
    T_INT,
    T_BIGINT,
    T_DOUBLE,
    T_DECIMAL, /* precision <= 38, 128-bit unscaled value */
    T_VARCHAR,
    T_BYTES,
    T_DATE,      /* int32 days since 1970 */
    T_TIME,      /* int32 ms of the day */
    T_TIMESTAMP, /* int64 ms since 1970, UTC */
    T_INTERVAL,  /* int64; precision 0: DAY TO SECOND, in ms; 1: YEAR TO MONTH, in months */
    T_ARRAY,     /* nested values are bytes: "Nested values" below */
    T_MAP,
    T_STRUCT,
    T_LAMBDA,    /* the type of x => x + 1, an argument of TRANSFORM and its like; never of a column */
    T_COUNT_
};
struct type_shape;
struct type {
    uint8_t id, precision, scale;
    const struct type_shape *of; /* what a nested type consists of; equal ones are one object, which is never freed */
};
struct type_field {
    const char *name; /* of a STRUCT's field; else empty */
    struct type type;
};
/* ARRAY: the element. MAP: key (VARCHAR) and value. STRUCT: its fields. LAMBDA: its parameters, then the result. */
struct type_shape {
    unsigned n;
    struct type_field fields[];
};
#define TYPE(i) ((struct type){.id = (i)})
#define TYPE_DECIMAL(p, s) ((struct type){.id = T_DECIMAL, .precision = (uint8_t)(p), .scale = (uint8_t)(s)})
#define INTERVAL_MS ((struct type){.id = T_INTERVAL})
#define INTERVAL_MONTHS ((struct type){.id = T_INTERVAL, .precision = 1})
#define TYPE_DEPTH 16 /* of nesting; and that many levels a walk over a type or a value may recurse */
static inline bool type_eq(struct type a, struct type b)
{
    return a.id == b.id && a.precision == b.precision && a.scale == b.scale && a.of == b.of;
}
static inline bool type_is_nested(struct type t) { return t.id == T_ARRAY || t.id == T_MAP || t.id == T_STRUCT; }
struct type type_array(struct type element); /* any thread; names are copied */
struct type type_map(struct type value);
struct type type_struct(const struct type_field *fields, unsigned n);
bool type_struct_names(const struct type_field *fields, unsigned n); /* do they differ? They must in a STRUCT */
struct type type_lambda(const struct type *params, unsigned n, struct type result);
static inline struct type type_element(struct type t) { return t.of->fields[t.of->n - 1].type; } /* of ARRAY and MAP */
/* The field of this name, an exact match before one without regard to case; -1: there is none. */
int type_field_find(struct type t, struct str name);
unsigned type_depth(struct type t); /* 0: not nested */
size_t type_width(struct type t);   /* bytes of one value in a column */
/* Is a value of it an sview? */
static inline bool type_is_text(struct type t) { return t.id == T_VARCHAR || t.id == T_BYTES || type_is_nested(t); }
/* "DECIMAL(10,2)", "STRUCT<A INT, B ARRAY<DATE>>". Parsing takes ksqlDB's names and aliases, any case. */
void type_put(struct type t, struct wbuf *out);
bool type_parse(struct str text, struct type *out);
const char *type_text(struct type t, struct arena *a);
/* Three msgpack values, as plans keep types; reading refuses what no column can have. */
void type_pack(struct type t, struct wbuf *out);
bool type_unpack(struct unpack *u, struct type *out);
#define TYPE_TEXT 64
void type_format(struct type t, char out[TYPE_TEXT]); /* for sentences: a long one ends in "..." */

struct column {
    const char *name;
    struct type type;
};
struct schema {
    unsigned n;
    struct column *cols;
};

/* A string or bytes value: up to 12 bytes inline, else prefix, buffer and place in it. */
struct sview {
    uint32_t len;
    union {
        char inl[12];
        struct {
            char prefix[4];
            uint32_t buf, off;
        };
    };
};
typedef __int128 i128;

struct vec {
    struct type type;
    uint64_t *valid; /* bit per row; NULL: all valid */
    union {
        void *data;
        uint8_t *b;      /* BOOLEAN, a byte a row */
        int32_t *i32;    /* INT DATE TIME */
        int64_t *i64;    /* BIGINT TIMESTAMP INTERVAL */
        double *f64;
        i128 *i128;      /* DECIMAL */
        struct sview *s; /* VARCHAR BYTES, nested */
    };
};
static inline bool vec_valid(const struct vec *v, uint32_t row)
{
    return !v->valid || (v->valid[row >> 6] >> (row & 63) & 1);
}

static inline void vec_set_valid(struct vec *v, uint32_t row) /* where it may have been null */
{
    if (v->valid)
        v->valid[row >> 6] |= UINT64_C(1) << (row & 63);
}

/* Rows that travel together. Row r of column c is cols[c] at r; only rows in sel count (all if sel is NULL). */
struct batch {
    uint32_t n;          /* rows in the columns, at most ENGINE_BATCH_ROWS */
    uint32_t nsel;       /* rows selected; = n if sel is NULL */
    const uint32_t *sel; /* ascending */
    unsigned ncols, nbufs;
    struct vec *cols;
    int64_t *ts;        /* event time per row, ms */
    int8_t *weight;     /* NULL: all +1. retract: +1/-1. upsert: +1 = set, -1 = delete (only key columns are valid) */
    const char **bufs;  /* what string views point into; index 0.. */
    struct sview *text; /* NULL, or per row the value of the record it was read from, where the encoder of that format would
                         * write it so; else of length 0. Never inline, prefix not set: batch_text */
    struct arena *arena; /* where its memory lives; temporary memory for the consumer's call too */
    /* batch.c's own: room of bufs, and the buffer that batch_set_str fills */
    unsigned bufs_cap, own_buf;
    char *own;
    uint32_t own_len, own_cap;
};
static inline uint32_t batch_row(const struct batch *b, uint32_t i) { return b->sel ? b->sel[i] : i; }
static inline struct str batch_str(const struct batch *b, const struct vec *v, uint32_t row)
{
    const struct sview *s = &v->s[row];
    return (struct str){s->len <= 12 ? s->inl : b->bufs[s->buf] + s->off, s->len};
}
static inline struct str batch_text(const struct batch *b, uint32_t row)
{
    const struct sview *s = &b->text[row];
    return (struct str){b->bufs[s->buf] + s->off, s->len};
}
static inline int batch_weight(const struct batch *b, uint32_t row) { return b->weight ? b->weight[row] : 1; }

/* Empty batch with room for cap rows of every column, in arena. Validity and weights come when first set. */
struct batch *batch_new(struct arena *a, const struct schema *sc, uint32_t cap);
void vec_alloc(struct vec *v, struct arena *a, struct type t, uint32_t cap);
/* Bits for cap rows, all set; needed before single ones are cleared. vec_set_null does so by itself. */
void vec_alloc_valid(struct vec *v, struct arena *a, uint32_t cap);
void vec_set_null(struct vec *v, struct arena *a, uint32_t row, uint32_t cap);
/* Adds a buffer that string views may point into; gives its index. */
uint32_t batch_add_buf(struct batch *b, const char *base);
/* Stores a string in row: inline, or copied into the batch's own growing buffer. */
void batch_set_str(struct batch *b, struct vec *v, uint32_t row, struct str s);
/* A view of s, for any column of b: inline, or copied as above. */
struct sview batch_keep(struct batch *b, struct str s);
/* Room for a string of at most cap bytes, to be written in place and then made a view of by batch_keep_room. */
char *batch_room(struct batch *b, uint32_t cap);
struct sview batch_keep_room(struct batch *b, uint32_t len);
/* A view of bytes that lie inside buffer buf. */
static inline struct sview sview_in(const char *base, uint32_t buf, struct str s)
{
    struct sview v = {.len = (uint32_t)s.len};
    if (s.len <= sizeof v.inl) {
        memset(v.inl, 0, sizeof v.inl);
        memcpy(v.inl, s.ptr, s.len);
    } else {
        memcpy(v.prefix, s.ptr, 4);
        v.buf = buf;
        v.off = (uint32_t)(s.ptr - base);
    }
    return v;
}
/* Deep copy of the selected rows (rows NULL) or of rows[0..n) of some columns into arena; dense afterwards. cols NULL:
 * all. */
struct batch *batch_copy(const struct batch *b, const unsigned *cols, unsigned ncols, const uint32_t *rows, uint32_t n,
                         struct arena *a);
/* Hash per selected row over some columns: key_hash of what key_encode gives, so that rows and state are split alike,
 * in every process and version. out[i] belongs to batch_row(b, i). */
void batch_hash(const struct batch *b, const unsigned *cols, unsigned ncols, uint64_t *out);
void batch_check(const struct batch *b); /* CHECKs the invariants; used by tests and at edges in checked builds */

/* ---- One value, for constants, rows shown to people, and state codecs. */
struct value {
    struct type type;
    bool null;
    union {
        bool b;
        int64_t i; /* BOOLEAN INT BIGINT DATE TIME TIMESTAMP INTERVAL */
        double f;
        i128 d;
        struct str s; /* VARCHAR BYTES, nested */
    };
};
struct value batch_value(const struct batch *b, unsigned col, uint32_t row); /* strings borrowed from b */
void batch_set_value(struct batch *b, unsigned col, uint32_t row, const struct value *v, uint32_t cap);
/* Same type (decimals: any scale); NULL last; NaN equals itself and is above all numbers; -0.0 = 0.0. */
int value_cmp(const struct value *a, const struct value *b);
static inline struct value value_null(struct type t) { return (struct value){.type = t, .null = true}; }
/* As text for people and CSV: DOUBLE shortest form that reads back, TIMESTAMP ISO 8601 with ms, BYTES hex, nested as
 * JSON. */
void value_format(const struct value *v, struct wbuf *out);
void i128_format(i128 v, unsigned scale, struct wbuf *out);

/* ---- Bytes of rows. Order-preserving keys (memcmp order = value order, NULL first, descending not needed): for state
 * keys and group identity. Rows: msgpack array, for changelogs and the result store. */
void key_encode(const struct batch *b, const unsigned *cols, unsigned ncols, uint32_t row, struct wbuf *out);
void key_encode_value(const struct value *v, struct wbuf *out);
int key_decode(struct str *bytes, struct type t, struct value *out, struct arena *a); /* advances bytes */
/* As key_decode, and texts are borrowed from the bytes where they lie there as they are. False: damaged. */
bool key_view(struct rbuf *r, struct type t, struct value *out, struct arena *a);
bool key_skip(struct rbuf *r, struct type t);
void row_encode(const struct batch *b, const unsigned *cols, unsigned ncols, uint32_t row, struct wbuf *out);
int row_decode(struct str bytes, const struct schema *sc, struct batch *out, unsigned first_col, uint32_t row, uint32_t cap);
uint64_t key_hash(struct str encoded_key); /* stable for ever; & 127 is the key group */
#define KEY_GROUPS 128

/* ---- Nested values. The bytes of an ARRAY, MAP or STRUCT are the key bytes of its parts one after the other; a MAP's
 * are key, value, key, value by ascending key, each key once. So equal values have equal bytes, and bytes are
 * compared. */
struct nested { /* a walk */
    struct rbuf r;
    struct type type;
    unsigned at; /* parts that were passed */
};
static inline struct nested nested_of(struct type t, struct str bytes)
{
    return (struct nested){.r = rbuf_of(bytes.ptr, bytes.len), .type = t};
}
/* The next part; false: there is none, or the bytes are damaged. Texts are borrowed from the bytes where they can be,
 * else they lie in a. Of a MAP a key comes first, then its value. */
bool nested_next(struct nested *n, struct value *out, struct arena *a);
bool nested_skip(struct nested *n);
/* The key bytes of the next part as they lie. */
bool nested_raw(struct nested *n, struct str *out);
unsigned nested_count(struct type t, struct str bytes); /* elements, entries or fields */
bool nested_check(struct type t, struct str bytes);     /* well-formed, to the end and all the way down */
/* Builds a MAP's bytes: entries in any order; of equal keys the last counts. */
struct map_entry {
    struct str key, value; /* key as it is, value as key bytes */
    unsigned order;        /* nested_put_map's own */
};
void nested_put_map(struct map_entry *entries, unsigned n, struct wbuf *out); /* sorts entries */

/* ---- Numbers as text. */
#define I64_TEXT 20
size_t i64_format(int64_t v, char *out); /* at most I64_TEXT bytes, no NUL; gives the length */
/* Shortest digits that read back, laid out as Python's repr: 1.0, 1e+16, 1.5e-07; NaN, Infinity, -Infinity. */
#define DOUBLE_TEXT 25
size_t double_format(double v, char *out); /* the same */
/* A number as JSON writes it, scanned and not yet converted. */
struct number {
    const char *text;
    uint32_t len;
    bool negative, integral; /* integral: no point and no exponent */
    bool cut;                /* more than 19 digits: digits has the first 19, the rest is not zero */
    uint64_t digits;         /* value = digits * 10^exp10 (if not cut) */
    int32_t exp10;
};
/* Scans the number at p (JSON's grammar: no plus, no leading zeros, digits on both sides of a point); gives its end, or
 * NULL if there is none. */
const char *number_scan(const char *p, const char *end, struct number *out);
double number_double(const struct number *n); /* correctly rounded; too large: infinite */
bool number_i64(const struct number *n, int64_t *out); /* false: has a fraction, or out of range. 1.0 and 1e3 are fine */
/* Whole of s; forms that people write are taken too: blanks around, a plus sign, ".5", "5.", leading zeros. */
bool double_parse(struct str s, double *out); /* also NaN, Infinity, -Infinity */
/* To a DECIMAL of this precision and scale. Digits that do not fit behind the point: false, or rounded half up. */
bool decimal_parse(struct str s, struct type t, bool round, i128 *out);
bool decimal_fits(i128 v, unsigned precision);
i128 decimal_pow10(unsigned n); /* n <= 38 */
double decimal_double(i128 v, unsigned scale); /* correctly rounded */

/* ---- Text. */
bool utf8_valid(struct str s);
void base64_encode(struct str s, struct wbuf *out);
bool base64_decode(struct str s, struct wbuf *out); /* padding may be left out; false: out as it was */
void hex_encode(struct str s, struct wbuf *out);    /* upper case */
bool hex_decode(struct str s, struct wbuf *out);

/* ---- Dates: days and ms from civil dates and back; ISO 8601 parsing as ksqlDB accepts ("2001-01-01T00:01:00", with
 * zone, fractions, missing parts zero). */
struct civil {
    int64_t year; /* proleptic Gregorian; 0 is 1 BC */
    int month, day, hour, minute, second, ms;
    int weekday; /* 1 = Monday .. 7 = Sunday */
    int yearday; /* 1.. */
};
int64_t civil_days(int64_t year, int month, int day); /* days since 1970 */
int64_t civil_ms(const struct civil *c);              /* from the fields year to ms */
struct civil civil_of_ms(int64_t ms);
int civil_month_days(int64_t year, int month);
bool timestamp_parse(struct str s, int64_t *ms);
bool date_parse(struct str s, int32_t *days);
bool time_parse(struct str s, int32_t *ms);
#define TIMESTAMP_TEXT 32
size_t timestamp_format(int64_t ms, char *out); /* 2001-01-01T00:01:00.000; at most TIMESTAMP_TEXT bytes */
size_t date_format(int32_t days, char *out);
size_t time_format(int32_t ms, char *out);
/* As standard SQL writes them: DAY TO SECOND '-3 04:05:06.789', YEAR TO MONTH '1-2'. */
size_t interval_format(struct type t, int64_t v, char *out);
/* The same, parts at the end may be missing ('3', '3 04:05'), or as people say it: '1 day 2 hours'. */
bool interval_parse(struct str s, struct type t, int64_t *out);
/* "DAYS", "month": which kind of interval, and how much of its unit. */
bool interval_unit(struct str name, struct type *t, int64_t *unit);

/* Time zones: "UTC", "+02:00", "Europe/Paris" (from the system's zone files, read once by zone_open). */
struct zone;
int zone_open(struct zone **out, struct str name, struct diag *d) MUST_USE; /* zone_close when done; E_SQL: no such zone */
void zone_close(struct zone *z);
int64_t zone_to_utc(const struct zone *z, int64_t local_ms); /* a time that occurs twice: the first; a skipped one: moved on */
int64_t zone_from_utc(const struct zone *z, int64_t ms);

/* Patterns of Java's DateTimeFormatter, compiled once: letters y u M L d D H h k K m s S A a E X x Z V z (V and z print
 * offsets), text in quotes, [optional parts]. */
struct time_pattern;
int time_pattern_new(struct time_pattern **out, struct str pattern, struct diag *d) MUST_USE;
void time_pattern_free(struct time_pattern *p);
/* Missing parts: 1970-01-01, midnight. A zone in the text wins over z (NULL: UTC). */
bool time_pattern_parse(const struct time_pattern *p, struct str s, const struct zone *z, int64_t *ms);
void time_pattern_format(const struct time_pattern *p, int64_t ms, const struct zone *z, struct wbuf *out);

/* ---- JSON for everybody: a writer and a pull reader (sessions, shell, configuration of jobs, SQL functions). */
void json_put_str(struct wbuf *out, struct str s); /* quoted and escaped */
/* null, true, a number, text in quotes; BYTES in Base64, times as ISO 8601, NaN and infinities as text; nested all the
 * way. */
void json_put_value(struct wbuf *out, const struct value *v);
/* The same, whose scalars somebody else writes; a holds texts meanwhile. */
void json_put_nested(struct wbuf *out, const struct value *v, struct arena *a,
                     void (*scalar_cb)(struct wbuf *out, const struct value *v));
/* Text between quotes into out, which has room for as much: gives its length, or SIZE_MAX for a wrong escape, a control
 * character or a lone surrogate. UTF-8 is not looked at. */
size_t json_unescape(struct str raw, char *out);

#define JSON_DEPTH 64
struct json {
    struct rbuf r;
    int depth;
    uint64_t objects; /* a bit per level: object, not array */
    bool fresh;       /* no value yet on this level */
};
enum json_kind { JSON_END, JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT, JSON_BAD };
/* Next value: scalars are consumed; ARRAY and OBJECT are entered. Then in arrays call json_next until JSON_END; in
 * objects json_key before each json_next, until it says false. json_skip passes over the value that would come. After
 * the whole text json_next gives JSON_END. RFC 8259 is kept strictly, UTF-8 too; the first error gives JSON_BAD and
 * sets r.err. */
struct json_token {
    enum json_kind kind;
    struct str text; /* number's or string's text, unescaped into arena if it must be */
    bool b;
};
struct json json_of(struct str s);
struct json_token json_next(struct json *j, struct arena *a);
bool json_key(struct json *j, struct arena *a, struct str *key);
void json_skip(struct json *j);
/* The same, and gives its text as it stands. STR_NULL: malformed. */
struct str json_raw(struct json *j);

#endif
