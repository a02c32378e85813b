/* Data in columns: types, columns with validity bits, batches with a selection, weights and event time.
 *
 * Thread: a batch belongs to one task at a time. A batch given to push() is borrowed for the call: who keeps rows copies
 * them (batch_copy, keys and rows encoded). Strings are 16-byte views without pointers, so a batch can be shared with
 * another process. */
#ifndef VEC_VEC_H
#define VEC_VEC_H
#include "log/base/alloc.h"
#include "log/base/base.h"
#include "log/base/limits.h"

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

/* Rows that travel together. Row r of column c is cols[c] at r; only rows in sel count (all if sel is NULL). */
struct batch {
    uint32_t n;          /* rows in the columns, at most ENGINE_BATCH_ROWS */
    uint32_t nsel;       /* rows selected; = n if sel is NULL */
    const uint32_t *sel; /* ascending */
    unsigned ncols;
    struct vec *cols;
    int64_t *ts;        /* event time per row, ms */
    int8_t *weight;     /* NULL: all +1. retract: +1/-1. upsert: +1 = set, -1 = delete (only key columns are valid) */
    unsigned nbufs;     /* what string views point into; index 0.. */
    const char **bufs;
    struct arena *arena; /* where its memory lives; temporary memory for the consumer's call too */
};
static inline uint32_t batch_row(const struct batch *b, uint32_t i) { return b->sel ? b->sel[i] : i; }
static inline struct str batch_str(const struct batch *b, const struct vec *v, uint32_t row)
{
    const struct sview *s = &v->s[row];
    return (struct str){s->len <= 12 ? s->inl : b->bufs[s->buf] + s->off, s->len};
}
static inline int batch_weight(const struct batch *b, uint32_t row) { return b->weight ? b->weight[row] : 1; }

/* Empty batch with room for cap rows of every column, in arena. Validity and weights come when first set. */
struct batch *batch_new(struct arena *a, const struct schema *sc, uint32_t cap);
void vec_alloc(struct vec *v, struct arena *a, struct type t, uint32_t cap);
void vec_set_null(struct vec *v, struct arena *a, uint32_t row, uint32_t cap);
/* Adds a buffer that string views may point into; gives its index. */
uint32_t batch_add_buf(struct batch *b, const char *base);
/* Stores a string in row: inline, or copied into the batch's own growing buffer. */
void batch_set_str(struct batch *b, struct vec *v, uint32_t row, struct str s);
/* Deep copy of the selected rows (or of rows[0..n)) of some columns into arena; dense afterwards. cols NULL: all. */
struct batch *batch_copy(const struct batch *b, const unsigned *cols, unsigned ncols, const uint32_t *rows, uint32_t n,
                         struct arena *a);
/* Hash per selected row over some columns: the same value gives the same hash in every process and version (state is
 * split by it). out[i] belongs to batch_row(b, i). */
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
int value_cmp(const struct value *a, const struct value *b); /* same type; NULL last */
/* As text for people and CSV: DOUBLE shortest form that reads back, TIMESTAMP ISO 8601 with ms, BYTES hex. */
struct wbuf;
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

/* Dates: days and ms from civil dates and back; ISO 8601 parsing as ksqlDB accepts ("2001-01-01T00:01:00", with zone,
 * fractions, missing parts zero). */
bool timestamp_parse(struct str s, int64_t *ms);
bool date_parse(struct str s, int32_t *days);
bool time_parse(struct str s, int32_t *ms);

#endif
