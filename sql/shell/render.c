#include "sql/shell/render.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "sql/shell/shell.h"
/* Rows held to find a box's widths; what comes after keeps those widths. */
#define HELD_MAX 1000

static const char *const mode_names[] = {"box", "ndjson", "csv", "json", "markdown", "vertical"};

bool render_mode_parse(struct str name, enum render_mode *out)
{
    for (unsigned i = 0; i < ARRAY_LEN(mode_names); i++)
        if (str_eq_nocase(name, str_of(mode_names[i]))) {
            *out = (enum render_mode)i;
            return true;
        }
    return false;
}

const char *render_mode_names(void) { return "box, ndjson, csv, json, markdown, vertical"; }

bool stdout_flush(struct wbuf *w)
{
    size_t at = 0;
    while (at < w->len) {
        ssize_t n = write(STDOUT_FILENO, w->data + at, w->len - at);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd pfd = {.fd = STDOUT_FILENO, .events = POLLOUT};
            poll(&pfd, 1, -1);
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            shell_output_failed(errno);
            return false;
        }
        at += (size_t)n;
    }
    wbuf_reset(w);
    return true;
}

void columns_copy(struct columns *out, const struct answer *an, struct arena *a)
{
    out->n = an->ncols;
    out->updates = an->updates;
    out->cols = ARENA_ARRAY(a, struct answer_column, an->ncols + 1);
    for (unsigned i = 0; i < an->ncols; i++) {
        out->cols[i] = an->cols[i];
        out->cols[i].name = arena_dup(a, an->cols[i].name);
        out->cols[i].type = arena_dup(a, an->cols[i].type);
    }
}

struct row row_copy(const struct answer *an, unsigned row, struct arena *a)
{
    struct row r = {.cells = ARENA_ARRAY(a, struct cell, an->ncells + 1), .op = '+'};
    for (unsigned i = 0; i < an->ncells; i++) {
        r.cells[i] = an->cells[row * an->ncells + i];
        r.cells[i].text = arena_dup(a, r.cells[i].text);
    }
    if (row < an->ops.len)
        r.op = an->ops.ptr[row];
    return r;
}

static struct str cell_text(const struct cell *c) { return c->kind == JSON_NULL ? STR("NULL") : c->text; }

void box_widths(const struct columns *cols, const struct row *rows, unsigned n, int screen_columns, size_t *widths)
{
    size_t total = 1;
    for (unsigned c = 0; c < cols->n; c++) {
        widths[c] = MAX(text_width(cols->cols[c].name), (size_t)3);
        for (unsigned r = 0; r < n; r++)
            widths[c] = MAX(widths[c], text_width(cell_text(&rows[r].cells[c])));
        total += widths[c] + 3;
    }
    /* Too wide for the screen: the widest columns give way first. */
    while (total > (size_t)screen_columns) {
        unsigned widest = 0;
        for (unsigned c = 1; c < cols->n; c++)
            if (widths[c] > widths[widest])
                widest = c;
        if (widths[widest] <= 3)
            break;
        widths[widest]--;
        total--;
    }
}

void box_ruler(struct wbuf *out, const struct columns *cols, const size_t *widths, enum box_rule which,
               const struct screen *screen)
{
    static const char *const ends[3][3] = {{"┌", "┬", "┐"}, {"├", "┼", "┤"}, {"└", "┴", "┘"}};
    wbuf_str(out, str_of(paint(screen, DIM)));
    for (unsigned c = 0; c < cols->n; c++) {
        wbuf_str(out, str_of(ends[which][c > 0]));
        for (size_t i = 0; i < widths[c] + 2; i++)
            wbuf_str(out, STR("─"));
    }
    wbuf_str(out, str_of(ends[which][2]));
    wbuf_printf(out, "%s\n", paint(screen, PLAIN));
}

static void box_bar(struct wbuf *out, const struct screen *screen)
{
    wbuf_printf(out, "%s│%s", paint(screen, DIM), paint(screen, PLAIN));
}

void box_header(struct wbuf *out, const struct columns *cols, const size_t *widths, const struct screen *screen)
{
    for (unsigned c = 0; c < cols->n; c++) {
        box_bar(out, screen);
        wbuf_printf(out, " %s", paint(screen, BOLD));
        text_put(out, cols->cols[c].name, widths[c], cols->cols[c].right);
        wbuf_printf(out, "%s ", paint(screen, PLAIN));
    }
    box_bar(out, screen);
    wbuf_u8(out, '\n');
}

void box_line(struct wbuf *out, const struct columns *cols, const size_t *widths, const struct row *row,
              const struct screen *screen, const char *row_colour)
{
    for (unsigned c = 0; c < cols->n; c++) {
        const struct cell *cell = &row->cells[c];
        box_bar(out, screen);
        wbuf_printf(out, " %s", cell->kind == JSON_NULL ? paint(screen, DIM) : row_colour);
        text_put(out, cell_text(cell), widths[c], cols->cols[c].right);
        wbuf_printf(out, "%s ", paint(screen, PLAIN));
    }
    box_bar(out, screen);
    wbuf_u8(out, '\n');
}

/* ---- The formats for programs: one function a row. */
static void json_cell(struct wbuf *out, const struct cell *c)
{
    if (c->kind == JSON_STRING)
        json_put_str(out, c->text);
    else
        wbuf_str(out, c->kind == JSON_NULL ? STR("null") : c->text);
}

static void json_row(struct render *r, const struct row *row)
{
    struct wbuf *out = &r->out;
    wbuf_u8(out, '{');
    if (r->cols.updates)
        wbuf_printf(out, "\"op\":\"%c\"%s", row->op, r->cols.n ? "," : "");
    for (unsigned c = 0; c < r->cols.n; c++) {
        if (c)
            wbuf_u8(out, ',');
        json_put_str(out, r->cols.cols[c].name);
        wbuf_u8(out, ':');
        json_cell(out, &row->cells[c]);
    }
    wbuf_u8(out, '}');
}

static void csv_row(struct render *r, const struct row *row)
{
    if (r->cols.updates)
        wbuf_printf(&r->out, "%c%s", row->op, r->cols.n ? "," : "");
    for (unsigned c = 0; c < r->cols.n; c++) {
        if (c)
            wbuf_u8(&r->out, ',');
        if (row->cells[c].kind != JSON_NULL) /* that is an empty field */
            csv_put(&r->out, row->cells[c].text, ',');
    }
    wbuf_u8(&r->out, '\n');
}

static void markdown_row(struct render *r, const struct row *row)
{
    if (r->cols.updates)
        wbuf_printf(&r->out, "| %c ", row->op);
    for (unsigned c = 0; c < r->cols.n; c++) {
        struct str s = cell_text(&row->cells[c]);
        wbuf_str(&r->out, STR("| "));
        for (size_t i = 0; i < s.len; i++) {
            if (s.ptr[i] == '|')
                wbuf_u8(&r->out, '\\');
            wbuf_u8(&r->out, s.ptr[i] == '\n' ? ' ' : (uint8_t)s.ptr[i]);
        }
        wbuf_u8(&r->out, ' ');
    }
    wbuf_str(&r->out, STR("|\n"));
}

static void vertical_row(struct render *r, const struct row *row)
{
    size_t width = 0;
    for (unsigned c = 0; c < r->cols.n; c++)
        width = MAX(width, text_width(r->cols.cols[c].name));
    wbuf_printf(&r->out, "-[ row %llu%s ]-\n", (unsigned long long)r->rows,
                !r->cols.updates ? ""
                : row->op == '-' ? ", gone"
                                 : ", new");
    for (unsigned c = 0; c < r->cols.n; c++) {
        text_put(&r->out, r->cols.cols[c].name, width, true);
        wbuf_str(&r->out, STR(" | "));
        wbuf_str(&r->out, cell_text(&row->cells[c]));
        wbuf_u8(&r->out, '\n');
    }
}

static void header(struct render *r)
{
    if (r->mode == RENDER_CSV) {
        if (r->cols.updates)
            wbuf_printf(&r->out, "op%s", r->cols.n ? "," : "");
        for (unsigned c = 0; c < r->cols.n; c++) {
            if (c)
                wbuf_u8(&r->out, ',');
            csv_put(&r->out, r->cols.cols[c].name, ',');
        }
        wbuf_u8(&r->out, '\n');
    }
    if (r->mode == RENDER_MARKDOWN) {
        if (r->cols.updates)
            wbuf_str(&r->out, STR("| op "));
        for (unsigned c = 0; c < r->cols.n; c++)
            wbuf_printf(&r->out, "| %.*s ", STR_ARG(r->cols.cols[c].name));
        wbuf_str(&r->out, r->cols.updates ? STR("|\n|---") : STR("|\n"));
        for (unsigned c = 0; c < r->cols.n; c++)
            wbuf_str(&r->out, r->cols.cols[c].right ? STR("|---:") : STR("|---"));
        wbuf_str(&r->out, STR("|\n"));
    }
}

void render_init(struct render *r, enum render_mode mode, const struct screen *screen)
{
    *r = (struct render){.mode = mode, .screen = screen};
    arena_init(&r->arena);
    wbuf_init(&r->out);
}

void render_fini(struct render *r)
{
    arena_fini(&r->arena);
    wbuf_fini(&r->out);
    xfree(r->held);
}

/* In a box, what became of a row is a column of its own: the first. */
static bool has_op_column(const struct render *r) { return r->mode == RENDER_BOX && r->cols.updates; }

static void add_op_column(struct render *r)
{
    struct answer_column *cols = ARENA_ARRAY(&r->arena, struct answer_column, r->cols.n + 1);
    memcpy(cols + 1, r->cols.cols, sizeof *cols * r->cols.n);
    cols[0] = (struct answer_column){.name = STR("op"), .type = STR("VARCHAR")};
    r->cols.cols = cols;
    r->cols.n++;
}

static struct row held_row(struct render *r, const struct answer *an, unsigned i)
{
    struct row row = row_copy(an, i, &r->arena);
    if (!has_op_column(r))
        return row;
    struct cell *cells = ARENA_ARRAY(&r->arena, struct cell, r->cols.n);
    memcpy(cells + 1, row.cells, sizeof *cells * (r->cols.n - 1));
    cells[0] = (struct cell){row.op == '-' ? STR("-") : STR("+"), JSON_STRING};
    row.cells = cells;
    return row;
}

void render_begin(struct render *r, const struct answer *columns)
{
    arena_reset(&r->arena);
    r->nheld = 0;
    r->rows = 0;
    columns_copy(&r->cols, columns, &r->arena);
    if (has_op_column(r))
        add_op_column(r);
    header(r);
    stdout_flush(&r->out);
}

static void put_row(struct render *r, const struct row *row)
{
    switch (r->mode) {
    case RENDER_NDJSON:
        json_row(r, row);
        wbuf_u8(&r->out, '\n');
        break;
    case RENDER_JSON:
        wbuf_str(&r->out, r->rows == 1 ? STR("[") : STR(",\n "));
        json_row(r, row);
        break;
    case RENDER_CSV:
        csv_row(r, row);
        break;
    case RENDER_MARKDOWN:
        markdown_row(r, row);
        break;
    case RENDER_VERTICAL:
        vertical_row(r, row);
        break;
    case RENDER_BOX:
        CHECK(false);
    }
}

static void box_flush(struct render *r)
{
    size_t *widths = ARENA_ARRAY(&r->arena, size_t, r->cols.n + 1);
    box_widths(&r->cols, r->held, r->nheld, r->screen->tty ? r->screen->columns : INT32_MAX, widths);
    box_ruler(&r->out, &r->cols, widths, BOX_TOP, r->screen);
    box_header(&r->out, &r->cols, widths, r->screen);
    box_ruler(&r->out, &r->cols, widths, BOX_MIDDLE, r->screen);
    for (unsigned i = 0; i < r->nheld; i++)
        box_line(&r->out, &r->cols, widths, &r->held[i], r->screen, "");
    box_ruler(&r->out, &r->cols, widths, BOX_BOTTOM, r->screen);
    stdout_flush(&r->out);
    r->nheld = 0;
}

void render_rows(struct render *r, const struct answer *an)
{
    if (an->ncells + has_op_column(r) != r->cols.n)
        return;
    for (unsigned i = 0; i < an->nrows; i++) {
        r->rows++;
        if (r->mode == RENDER_BOX) {
            VEC_PUSH(r->held, r->nheld, r->held_cap) = held_row(r, an, i);
            if (r->nheld == HELD_MAX)
                box_flush(r);
            continue;
        }
        struct row row = {.cells = &an->cells[i * an->ncells], .op = i < an->ops.len ? an->ops.ptr[i] : '+'};
        put_row(r, &row);
    }
    stdout_flush(&r->out);
}

void render_end(struct render *r)
{
    if (r->mode == RENDER_BOX && r->cols.n && (r->nheld || !r->rows))
        box_flush(r);
    if (r->mode == RENDER_JSON)
        wbuf_str(&r->out, r->rows ? STR("]\n") : STR("[]\n"));
    stdout_flush(&r->out);
    r->cols.n = 0;
}
