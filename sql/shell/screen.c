#include "sql/shell/screen.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utf8proc.h>

void screen_resize(struct screen *s)
{
    struct winsize w;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 && w.ws_row > 0;
    s->columns = known ? w.ws_col : 80;
    s->rows = known ? w.ws_row : 24;
}

void screen_init(struct screen *s)
{
    const char *term = getenv("TERM");
    bool dumb = !term || strcmp(term, "dumb") == 0;
    const char *no_colour = getenv("NO_COLOR");
    s->tty = isatty(STDOUT_FILENO) && !dumb;
    s->colour = s->tty && !(no_colour && *no_colour);
    screen_resize(s);
}

/* One character: its bytes, its code point (or U+FFFD for what must not reach a terminal) and its width. */
static size_t next_char(struct str s, utf8proc_int32_t *cp, int *width)
{
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.ptr, (utf8proc_ssize_t)s.len, cp);
    if (n <= 0 || *cp < 0x20 || *cp == 0x7f || (*cp >= 0x80 && *cp < 0xa0)) {
        *cp = 0xfffd;
        *width = 1;
        return n <= 0 ? 1 : (size_t)n;
    }
    *width = utf8proc_charwidth(*cp);
    return (size_t)n;
}

size_t text_width(struct str s)
{
    size_t total = 0;
    while (s.len) {
        utf8proc_int32_t cp;
        int w;
        size_t n = next_char(s, &cp, &w);
        total += (size_t)w;
        s.ptr += n;
        s.len -= n;
    }
    return total;
}

static void put_char(struct wbuf *out, utf8proc_int32_t cp)
{
    uint8_t *room = wbuf_room(out, 4);
    out->len += (size_t)utf8proc_encode_char(cp, room);
}

static void put_spaces(struct wbuf *out, size_t n)
{
    while (n--)
        wbuf_u8(out, ' ');
}

void text_put(struct wbuf *out, struct str s, size_t width, bool right)
{
    size_t full = text_width(s);
    if (right && full < width)
        put_spaces(out, width - full);
    size_t limit = full > width ? width - (width > 0) : width, used = 0;
    while (s.len) {
        utf8proc_int32_t cp;
        int w;
        size_t n = next_char(s, &cp, &w);
        if (used + (size_t)w > limit)
            break;
        put_char(out, cp);
        used += (size_t)w;
        s.ptr += n;
        s.len -= n;
    }
    if (full > width && width > 0) {
        put_char(out, 0x2026);
        used++;
    }
    if (!right || full > width)
        put_spaces(out, width > used ? width - used : 0);
}

/* Bytes of the escape sequence that s begins with: ESC [ ... letter; 0: none. */
static size_t escape_len(struct str s)
{
    if (s.len < 2 || s.ptr[0] != '\033' || s.ptr[1] != '[')
        return 0;
    size_t n = 2;
    while (n < s.len && !((s.ptr[n] | 32) >= 'a' && (s.ptr[n] | 32) <= 'z'))
        n++;
    return MIN(n + 1, s.len);
}

void line_cut(struct wbuf *out, struct str line, size_t width)
{
    size_t used = 0;
    bool colours = false;
    while (line.len) {
        utf8proc_int32_t cp;
        int w = 0;
        size_t n = escape_len(line);
        colours |= n > 0;
        if (!n)
            n = next_char(line, &cp, &w);
        if (used + (size_t)w > width)
            break;
        wbuf_put(out, line.ptr, n);
        used += (size_t)w;
        line.ptr += n;
        line.len -= n;
    }
    if (line.len && colours)
        wbuf_str(out, STR(PLAIN));
}

size_t line_width(struct str line)
{
    size_t used = 0;
    while (line.len) {
        utf8proc_int32_t cp;
        int w = 0;
        size_t n = escape_len(line);
        if (!n)
            n = next_char(line, &cp, &w);
        used += (size_t)w;
        line.ptr += n;
        line.len -= n;
    }
    return used;
}
