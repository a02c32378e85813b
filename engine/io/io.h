/* Formats: records of a topic to batches and back. JSON (projecting: only wanted fields are decoded), DELIMITED, KAFKA.
 * What is accepted for each type: ../shared/reference is not shipped; the rules stand in engine/README.md,
 * "Formats". */
#ifndef IO_IO_H
#define IO_IO_H
#include "engine/vec/vec.h"
#include "log/base/buf.h"
#include "log/base/err.h"
#include "log/base/pack.h"

enum format_kind { FORMAT_NONE, FORMAT_KAFKA, FORMAT_DELIMITED, FORMAT_JSON };
struct format {
    enum format_kind kind;
    char delimiter; /* DELIMITED */
    bool wrapped;   /* JSON value with one column: object with a field (true) or bare */
};
const char *format_name(enum format_kind k);
bool format_parse(struct str name, enum format_kind *out);
/* One field of CSV as RFC 4180 quotes it; an empty text is quoted, so that it is not an empty field (NULL). */
void csv_put(struct wbuf *out, struct str s, char delimiter);
/* Can this format hold these columns? The sentence says why not. */
int format_check(const struct format *f, const struct column *cols, unsigned n, bool is_key, struct diag *d);

/* How a relation lies in its topic: all its columns, in order, each in the key or in the value. */
struct row_format {
    struct format key, value;
    unsigned nkey, nvalue;
    struct column *key_cols, *value_cols;
    int64_t window_size_ms; /* > 0: 8 bytes of big-endian window start follow the key's bytes */
    bool window_bounds;     /* 16 bytes follow, end and start: of windows whose size is not always the same */
    /* Event time: the record's timestamp, or a column (index over key then value columns; -1: none) that is BIGINT,
     * TIMESTAMP, or VARCHAR in ts_pattern (Java DateTimeFormatter; NULL: ISO 8601). */
    int ts_column;
    const char *ts_pattern;
    int64_t delay_ms; /* how far behind the greatest event time records may come: the watermark is so much less */
    int64_t idle_ms;  /* > 0: after so long without a record event time goes on with the clock */
};
void row_format_pack(const struct row_format *f, struct wbuf *out);
int row_format_unpack(struct unpack *u, struct row_format *f, struct arena *a); /* checked: 0 or E_CORRUPT */

/* Event time of a row by its timestamp column; a text has the pattern's form (NULL: ISO 8601). NULL, or what is wrong
 * with it, to follow "the timestamp column". */
const char *event_time_read(const struct batch *b, unsigned col, uint32_t row, const struct time_pattern *pattern,
                            int64_t *ts);

/* What a decoder shall give, in output order. PROCTIME is left to its caller: it knows no clock. */
enum want_from {
    WANT_KEY,
    WANT_VALUE,
    WANT_ROWTIME,
    WANT_ROWPARTITION,
    WANT_ROWOFFSET,
    WANT_WINDOWSTART,
    WANT_WINDOWEND,
    WANT_PROCTIME
};
struct want {
    enum want_from from;
    unsigned index;       /* of key_cols or value_cols */
    unsigned depth;       /* > 0: of that STRUCT, which JSON holds, only */
    const unsigned *path; /* the field path[0], of that path[1], ... ; what lies in a NULL is NULL */
};
bool want_type(const struct row_format *f, const struct want *w, struct type *out); /* false: there is no such column */
/* Why a record cannot go on: engine/README.md, "Bad records". */
enum bad_kind {
    BAD_NONE,
    BAD_BATCH,    /* bytes that hold no records */
    BAD_KEY,      /* undecodable */
    BAD_VALUE,
    BAD_TIME,     /* no event time in its column */
    BAD_COMPUTED, /* a column that is, or is part of, a key cannot be computed */
    BAD_FUNCTION, /* a C function failed it */
    BAD_OUTPUT,   /* what was made of it cannot be written */
    BAD_LATE,     /* all windows that it lies in have closed: told of only where that is asked for */
    BAD_LOST,     /* gone before it was read: by retention, or somebody deleted it */
    BAD_KINDS
};
const char *bad_kind_name(enum bad_kind k);
struct decoder;
struct record;
struct decode_error { /* the first ones are kept by the caller */
    int64_t offset;
    const char *text; /* borrowed for the call, like the others */
    enum bad_kind kind;
    const struct record *rec; /* NULL: none could be found in bytes: */
    struct str bytes;
};
int decoder_new(struct decoder **out, const struct row_format *f, const struct want *wants, unsigned nwants, bool table,
                struct diag *d) MUST_USE;
void decoder_free(struct decoder *d);
/* From now on batches have the text of values that the encoder of the same format would write as they stand
 * (batch_text). */
void decoder_keep_text(struct decoder *d);
void decoder_limit(struct decoder *d, uint32_t rows); /* runs stop at so many rows, ENGINE_BATCH_ROWS at most */
/* Decodes records of one partition, held in whole recbatches, from offset `from` on, into a fresh batch in arena: stops
 * at ENGINE_BATCH_ROWS rows or the end of bytes (a recbatch that is cut off at the end is left). *next = offset to go
 * on from;
 * *used = bytes wholly consumed: go on with what is behind them. The batch borrows `bytes` for its strings, and the
 * decoder's memory for those of compressed recbatches: it is valid until the next decoder_run.
 * Table: a null value gives weight -1 with key columns only, a null key is an error. Stream: a null value gives a row
 * whose value columns are NULL. Undecodable records, and recbatches that fail their checksum, give no row and one call
 * of error_cb each. Control batches are passed over. */
struct batch *decoder_run(struct decoder *d, struct str bytes, int64_t from, int32_t partition, struct arena *arena,
                          size_t *used, int64_t *next, void (*error_cb)(void *arg, const struct decode_error *e), void *arg);

/* The record that gave row `row` of the last run, which began with the same bytes and offset. False: there is none.
 * Borrows bytes and room (of compressed recbatches). Slow. */
bool decoder_find(struct decoder *d, struct str bytes, int64_t from, uint32_t row, const int64_t *bad, unsigned nbad,
                  struct wbuf *room, struct record *out); /* bad: offsets that the run told to be undecodable */

/* The other way: key and value bytes of one row, appended to out. cols[i]: which batch column is the format's i-th key
 * / value column. False: null (nothing was written): a relation without key columns, a null key column of a
 * single-column key; a KAFKA value whose column is NULL. The window start of a windowed key is the caller's to
 * append. */
struct encoder;
int encoder_new(struct encoder **out, const struct row_format *f, struct diag *d) MUST_USE;
void encoder_free(struct encoder *e);
bool encoder_key(struct encoder *e, const struct batch *b, const unsigned *cols, uint32_t row, struct wbuf *out);
bool encoder_value(struct encoder *e, const struct batch *b, const unsigned *cols, uint32_t row, struct wbuf *out);

#endif
