/* What the terminal is: a tty or not, its size, colours; widths of text. Private to sql/shell. */
#ifndef SHELL_SCREEN_H
#define SHELL_SCREEN_H
#include "log/base/buf.h"

struct screen {
    bool tty;    /* standard output is a terminal that can be painted on */
    bool colour; /* and may be coloured: NO_COLOR unset, TERM not dumb */
    int columns, rows;
};
void screen_init(struct screen *s);
void screen_resize(struct screen *s);

/* Terminal cells that UTF-8 text takes; control characters count as one and are shown as U+FFFD. */
size_t text_width(struct str s);
/* Text cut or padded to exactly width cells; a cut text ends in "…". */
void text_put(struct wbuf *out, struct str s, size_t width, bool right);

/* The part of a line that fits width cells, colours kept and ended; and the cells that a line with colours takes. */
void line_cut(struct wbuf *out, struct str line, size_t width);
size_t line_width(struct str line);

#define DIM "\033[2m"
#define BOLD "\033[1m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define CYAN "\033[36m"
#define PLAIN "\033[0m"
static inline const char *paint(const struct screen *s, const char *code) { return s->colour ? code : ""; }

#endif
