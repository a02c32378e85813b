/* Showing people what is wrong: places in text, the caret, "did you mean". */
#include "sql/parse/parse.h"

int diag_place(struct diag *d, int err, struct str text, struct place place)
{
    if (!d)
        return err;
    size_t pos = MIN(place.pos, text.len), start = 0;
    d->line = 1;
    for (size_t i = 0; i < pos; i++)
        if (text.ptr[i] == '\n') {
            d->line++;
            start = i + 1;
        }
    d->column = (int)(pos - start) + 1;
    d->length = (int)MIN(place.len, text.len - pos);
    return err;
}

/* Width of the part of a line that is shown: what fits a terminal beside the line number. */
#define SHOW_WIDTH 100
#define SHOW_BEFORE 60

static bool continues(char c) { return ((unsigned char)c & 0xc0) == 0x80; } /* inside a UTF-8 character */

static struct str line_of(struct str text, int line)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    for (; line > 1 && at < end; at++)
        line -= *at == '\n';
    const char *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    return (struct str){at, (size_t)((stop ? stop : end) - at)};
}

/* One line of the statement with blanks for control characters; *column moves along when the front is cut off. */
static struct str cut_line(struct str line, size_t *column, struct wbuf *out)
{
    size_t from = *column > SHOW_BEFORE ? *column - SHOW_BEFORE : 0;
    while (from < line.len && continues(line.ptr[from]))
        from++;
    size_t to = MIN(line.len, from + SHOW_WIDTH);
    while (to > from && to < line.len && continues(line.ptr[to]))
        to--;
    for (size_t i = from; i < to; i++)
        wbuf_u8(out, (unsigned char)line.ptr[i] < ' ' ? ' ' : (uint8_t)line.ptr[i]);
    *column -= from;
    return (struct str){line.ptr + from, to - from};
}

void diag_show(const struct diag *d, struct str text, struct wbuf *out)
{
    wbuf_printf(out, "ERROR%s%s: %s\n", d->code[0] ? " " : "", d->code, d->text);
    if (d->line < 1 || d->column < 1 || !text.ptr) {
        if (d->hint[0])
            wbuf_printf(out, "HINT: %s\n", d->hint);
        return;
    }
    struct str line = line_of(text, d->line);
    size_t column = MIN((size_t)d->column - 1, line.len);
    wbuf_printf(out, "%3d | ", d->line);
    struct str shown = cut_line(line, &column, out);
    wbuf_printf(out, "\n%6s", "");
    for (size_t i = 0; i < column && i < shown.len; i++)
        if (!continues(shown.ptr[i]))
            wbuf_u8(out, ' ');
    size_t end = MIN(column + (size_t)MAX(d->length, 1), shown.len);
    wbuf_u8(out, '^');
    for (size_t i = column + 1; i < end; i++)
        if (!continues(shown.ptr[i]))
            wbuf_u8(out, '^');
    wbuf_printf(out, "%s%s\n", d->hint[0] ? " " : "", d->hint);
}

struct nearest nearest_of(struct str wanted)
{
    return (struct nearest){.wanted = wanted, .distance = wanted.len < 4 ? 2 : wanted.len < 6 ? 3 : 4};
}

/* Swapping two neighbours is the most common slip and counts as one change. */
static unsigned slip_distance(struct str a, struct str b)
{
    unsigned n = str_distance(a, b);
    if (n != 2 || a.len != b.len)
        return n;
    size_t i = 0;
    while (i < a.len && str_eq_nocase((struct str){a.ptr + i, 1}, (struct str){b.ptr + i, 1}))
        i++;
    if (i + 1 < a.len && str_eq_nocase((struct str){a.ptr + i, 1}, (struct str){b.ptr + i + 1, 1}) &&
        str_eq_nocase((struct str){a.ptr + i + 1, 1}, (struct str){b.ptr + i, 1}))
        return 1;
    return n;
}

void nearest_add(struct nearest *n, struct str candidate)
{
    unsigned distance = slip_distance(n->wanted, candidate);
    if (distance < n->distance && distance < MAX(n->wanted.len, candidate.len)) {
        n->distance = distance;
        n->best = candidate;
    }
}

struct str nearest_get(const struct nearest *n) { return n->best; }
