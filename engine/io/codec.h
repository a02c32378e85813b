/* What the formats share. Private to engine/io.
 *
 * A fieldset is one side (key or value) of a row format with, for each of its columns, the batch column that wants it.
 * A decoder of a format fills row `row` of those columns: field_found says which were there, and what was not is made
 * NULL at the end of the row. A row is not NULL before it is written; one that fails halfway is made so again, since
 * its number is used again. */
#ifndef IO_CODEC_H
#define IO_CODEC_H
#include "engine/io/io.h"

struct nest;
struct fieldset;
struct field {
    struct str name;         /* of a part with the path to it: s->f */
    struct str key;          /* as JSON calls it */
    struct type type;
    struct nest *nest;       /* JSON, of a nested type that is wanted: what it consists of (json_nested.c) */
    struct fieldset *parts;  /* of a STRUCT whose fields are wanted by themselves; NULL: none is */
    int out;                 /* batch column, -1: nobody wants it as it is */
    uint64_t seen;           /* number of the record that last had it */
    bool exact;              /* and under exactly this name */
};
struct json_shape;
struct fieldset {
    struct format format;
    bool bare; /* JSON: one value, not an object */
    int depth; /* levels of JSON around the values of its fields */
    unsigned n;
    struct field *fields;
    unsigned wanted, found; /* fields that somebody wants, or parts of; those of them that this record has */
    uint64_t record;        /* counts records, for `seen` */
    struct json_shape *shape;
};
int fieldset_open(struct fieldset *fs, const struct format *f, bool is_key, unsigned n, const struct column *cols,
                  struct arena *a, struct diag *d);
void fieldset_close(struct fieldset *fs);
/* Gives the field an output column, whose memory is in a. False: it has one. */
bool field_want(struct fieldset *fs, struct field *f, unsigned out);
/* The fields of a STRUCT, for those of them that are wanted by themselves; in a. */
struct fieldset *field_parts(struct fieldset *fs, struct field *f, struct arena *a);
static inline bool field_is_wanted(const struct field *f) { return f->out >= 0 || f->parts; }

/* Where a row goes. */
struct target {
    struct batch *b;
    uint32_t row;
    uint32_t buf;      /* buffer of b that the record lies in */
    const char *base;  /* its first byte */
    const char *limit; /* and the end of what may be read */
    struct wbuf *scratch;
    char *error; /* ERROR_TEXT bytes */
    bool verbatim; /* the record's value is what the encoder of its format would write */
};
#define ERROR_TEXT 160
/* Writes the sentence and gives false. */
bool decode_fail(struct target *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

static inline void fieldset_begin(struct fieldset *fs) /* a record */
{
    fs->record++;
    fs->found = 0;
}
static inline void field_found(struct fieldset *fs, struct field *f) /* for the first time in this record; it is wanted */
{
    f->seen = fs->record;
    fs->found++;
}

/* Each: the bytes of one key or value (not null) into t; false: t->error says why. */
bool json_decode(struct fieldset *fs, struct str s, struct target *t);
bool csv_decode(struct fieldset *fs, struct str s, struct target *t);
bool kafka_decode(struct fieldset *fs, struct str s, struct target *t);

static inline void field_valid(struct vec *v, uint32_t row) { v->valid[row >> 6] |= UINT64_C(1) << (row & 63); }
/* Its data becomes zero too, for whoever copies without looking. */
static inline void field_null(struct vec *v, uint32_t row)
{
    size_t w = type_width(v->type);
    v->valid[row >> 6] &= ~(UINT64_C(1) << (row & 63));
    memset((char *)v->data + row * w, 0, w);
}
/* Neither it nor a part of it is there; or it comes a second time in a record, and what was NULL may not be. */
void field_absent(const struct field *f, struct target *t);
void field_again(const struct field *f, struct target *t);
/* Wanted fields that the record did not have are NULL. */
static inline void fieldset_end(const struct fieldset *fs, struct target *t)
{
    for (unsigned i = 0; UNLIKELY(fs->found != fs->wanted) && i < fs->n; i++)
        if (fs->fields[i].seen != fs->record && field_is_wanted(&fs->fields[i]))
            field_absent(&fs->fields[i], t);
}
/* A text that is not in the column's own form: numeric strings, ISO 8601, Base64. VARCHAR is stored as it is
 * (copied). */
bool field_from_text(const struct field *f, struct vec *v, struct str s, struct target *t);
/* A number for a TIMESTAMP, DATE or TIME column, or an INT. */
bool field_from_i64(const struct field *f, struct vec *v, int64_t n, struct target *t);

/* json_nested.c: reads values of a nested type. */
struct nest *nest_new(const struct field *f);
void nest_free(struct nest *n);

struct json_shape *json_shape_new(const struct fieldset *fs);
void json_shape_free(struct json_shape *s);

/* ---- encoding: one side of a row format, with what can be written beforehand */
#define FRAGMENT_PAD 32
struct side {
    struct format format;
    bool bare;
    unsigned n;
    const struct column *cols;
    struct str *fragments; /* JSON: {"name": or ,"name": ; FRAGMENT_PAD bytes may be read of each */
    size_t fixed;          /* bytes that a row of it takes at most, besides texts */
};
void json_encode(const struct side *s, const struct batch *b, const unsigned *cols, uint32_t row, struct wbuf *out);
void csv_encode(const struct side *s, const struct batch *b, const unsigned *cols, uint32_t row, struct wbuf *out);
void kafka_encode(const struct side *s, const struct batch *b, const unsigned *cols, uint32_t row, struct wbuf *out);
#endif
