/* One line of a session's answer (sql/README.md, "Session API"), read into a struct. Private to sql/shell. */
#ifndef SHELL_ANSWER_H
#define SHELL_ANSWER_H
#include "engine/io/io.h"
#include "log/base/alloc.h"
#include "log/base/err.h"

enum answer_kind {
    ANSWER_OTHER, /* a kind this shell does not know: passed over */
    ANSWER_STATEMENT,
    ANSWER_MESSAGE,
    ANSWER_COLUMNS,
    ANSWER_ROWS,
    ANSWER_PROGRESS,
    ANSWER_TEXT,
    ANSWER_RECORD,
    ANSWER_SET,
    ANSWER_DONE,
    ANSWER_ERROR
};
/* A value as it will be shown: text, and how. */
struct cell {
    struct str text; /* unquoted; "NULL" is null instead */
    enum json_kind kind;
};
struct answer_column {
    struct str name, type;
    bool key, right; /* right: numbers */
};
struct answer {
    enum answer_kind kind;
    struct str text, name, value, what, query, why, left_out, hint, code, ops;
    bool updates, from_latest;
    unsigned ncols;
    struct answer_column *cols;
    unsigned nrows, row_cap;
    struct cell *cells; /* nrows * ncells, row by row */
    unsigned ncells;
    int64_t index, rows, ms, rows_in, rows_out, lag, watermark_ms, state_bytes, state_rows, line, column, length;
    int64_t partition, offset, timestamp_ms;
    double rows_per_s;
    bool has_watermark;
    struct str key, headers, key_format, value_format;
    bool key_null, value_null;
};
/* Everything lives in a until it is reset. E_SYNTAX: not such a line. */
int answer_read(struct answer *out, struct str line, struct arena *a);

#endif
