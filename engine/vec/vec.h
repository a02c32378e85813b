/* Data in columns: types, columns with validity bits, batches with a selection, weights and event time.
 *
 * Thread: a batch belongs to one task at a time. A batch given to push() is borrowed for the call: who keeps rows copies
 * them (batch_copy, keys and rows encoded). Strings are 16-byte views without pointers, so a batch can be shared with
 * another process. */
#ifndef VEC_VEC_H
#define VEC_VEC_H
#include "log/base/alloc.h"
#include "log/base/base.h"
#include "log/base/buf.h"
#include "log/base/limits.h"
struct diag;

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
    T_COUNT_
};
struct type {
    uint8_t id, precision, scale;
};
#define TYPE(id) ((struct type){(id), 0, 0})
static inline bool type_eq(struct type a, struct type b)
{
    return a.id == b.id && a.precision == b.precision && a.scale == b.scale;
}
size_t type_width(struct type t); /* bytes of one value in a column */
static inline bool type_is_text(struct type t) { return t.id == T_VARCHAR || t.id == T_BYTES; }
/* "DECIMAL(10,2)"; at most TYPE_TEXT bytes. Parsing takes ksqlDB's names and aliases, any case. */
#define TYPE_TEXT 24
void type_format(struct type t, char out[TYPE_TEXT]);
bool type_parse(struct str text, struct type *out);

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
        int64_t *i64;    /* BIGINT TIMESTAMP */
        double *f64;
        i128 *i128;      /* DECIMAL */
        struct sview *s; /* VARCHAR BYTES */
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
/* Deep copy of the selected rows (rows NULL) or of rows[0..n) of some columns into arena; dense afterwards. cols NULL: all. */
struct batch *batch_copy(const struct batch *b, const unsigned *cols, unsigned ncols, const uint32_t *rows, uint32_t n,
                         struct arena *a);
/* Hash per selected row over some columns: key_hash of what key_encode gives, so that rows and state are split alike, in
 * every process and version. out[i] belongs to batch_row(b, i). */
void batch_hash(const struct batch *b, const unsigned *cols, unsigned ncols, uint64_t *out);
void batch_check(const struct batch *b); /* CHECKs the invariants; used by tests and at edges in checked builds */

/* ---- One value, for constants, rows shown to people, and state codecs. */
struct value {
    struct type type;
    bool null;
    union {
        bool b;
        int64_t i; /* BOOLEAN INT BIGINT DATE TIME TIMESTAMP */
        double f;
        i128 d;
        struct str s;
    };
};
struct value batch_value(const struct batch *b, unsigned col, uint32_t row); /* strings borrowed from b */
void batch_set_value(struct batch *b, unsigned col, uint32_t row, const struct value *v, uint32_t cap);
/* Same type (decimals: any scale); NULL last; NaN equals itself and is above all numbers; -0.0 = 0.0. */
int value_cmp(const struct value *a, const struct value *b);
static inline struct value value_null(struct type t) { return (struct value){.type = t, .null = true}; }
/* As text for people and CSV: DOUBLE shortest form that reads back, TIMESTAMP ISO 8601 with ms, BYTES hex. */
void value_format(const struct value *v, struct wbuf *out);
void i128_format(i128 v, unsigned scale, struct wbuf *out);

/* ---- Bytes of rows. Order-preserving keys (memcmp order = value order, NULL first, descending not needed): for state
 * keys and group identity. Rows: msgpack array, for changelogs and the result store. */
void key_encode(const struct batch *b, const unsigned *cols, unsigned ncols, uint32_t row, struct wbuf *out);
void key_encode_value(const struct value *v, struct wbuf *out);
int key_decode(struct str *bytes, struct type t, struct value *out, struct arena *a); /* advances bytes */
void row_encode(const struct batch *b, const unsigned *cols, unsigned ncols, uint32_t row, struct wbuf *out);
int row_decode(struct str bytes, const struct schema *sc, struct batch *out, unsigned first_col, uint32_t row, uint32_t cap);
uint64_t key_hash(struct str encoded_key); /* stable for ever; & 127 is the key group */
#define KEY_GROUPS 128

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

/* ---- Dates: days and ms from civil dates and back; ISO 8601 parsing as ksqlDB accepts ("2001-01-01T00:01:00", with zone,
 * fractions, missing parts zero). */
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
/* null, true, a number, text in quotes; BYTES in Base64, times as ISO 8601, NaN and infinities as text. */
void json_put_value(struct wbuf *out, const struct value *v);
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
/* Next value: scalars are consumed; ARRAY and OBJECT are entered. Then in arrays call json_next until JSON_END; in objects
 * json_key before each json_next, until it says false. json_skip passes over the value that would come. After the whole
 * text json_next gives JSON_END. RFC 8259 is kept strictly, UTF-8 too; the first error gives JSON_BAD and sets r.err. */
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
