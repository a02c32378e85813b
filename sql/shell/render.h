/* Bounded results on standard output: box for people; NDJSON, CSV, JSON, Markdown and one-column-a-line for others.
 * Private to sql/shell. */
#ifndef SHELL_RENDER_H
#define SHELL_RENDER_H
#include "sql/shell/answer.h"
#include "sql/shell/screen.h"

enum render_mode { RENDER_BOX, RENDER_NDJSON, RENDER_CSV, RENDER_JSON, RENDER_MARKDOWN, RENDER_VERTICAL };
bool render_mode_parse(struct str name, enum render_mode *out);
const char *render_mode_names(void); /* "box, ndjson, ..." */

/* A copied row. */
struct row {
    struct cell *cells;
    uint64_t seen_us; /* when it came, for the live view */
    char op;          /* '+' or '-' */
};
struct columns {
    unsigned n;
    struct answer_column *cols;
    bool updates; /* rows may be retracted: then an op column is shown where rows are told one by one */
};
/* Deep copies into an arena of the holder. */
void columns_copy(struct columns *out, const struct answer *an, struct arena *a);
struct row row_copy(const struct answer *an, unsigned row, struct arena *a);

struct render {
    enum render_mode mode;
    const struct screen *screen;
    struct columns cols;
    struct arena arena; /* columns, and rows that wait for their widths */
    struct row *held;
    unsigned nheld, held_cap;
    uint64_t rows;
    struct wbuf out;
};
void render_init(struct render *r, enum render_mode mode, const struct screen *screen);
void render_begin(struct render *r, const struct answer *columns);
void render_rows(struct render *r, const struct answer *rows);
void render_end(struct render *r); /* flushes what is held; render_begin may follow */
void render_fini(struct render *r);
/* Column widths of rows that fit the screen, at least 3 cells each; and one box line. */
void box_widths(const struct columns *cols, const struct row *rows, unsigned n, int screen_columns, size_t *widths);
void box_line(struct wbuf *out, const struct columns *cols, const size_t *widths, const struct row *row,
              const struct screen *screen, const char *row_colour);
enum box_rule { BOX_TOP, BOX_MIDDLE, BOX_BOTTOM };
void box_ruler(struct wbuf *out, const struct columns *cols, const size_t *widths, enum box_rule which,
               const struct screen *screen);
void box_header(struct wbuf *out, const struct columns *cols, const size_t *widths, const struct screen *screen);
/* Writes all of w to standard output and empties it; false: nobody reads any more. */
bool stdout_flush(struct wbuf *w);

#endif
