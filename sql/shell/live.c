#include "sql/shell/live.h"

#include <stdio.h>

#include "log/base/map.h"

#define FRAME_US 100000   /* between two frames */
#define BRIGHT_US 1000000 /* a new row is bright, a retracted one fades, for this long */
#define WIDE 120          /* columns in which status and keys stand side by side */
#define SILENT_US 2000000 /* without a row for this long, say why */
#define LEAVING_MAX 200   /* rows that new ones are compared with */
#define ROWS_MAX 100000   /* rows of the live table kept; more are counted only */

struct live_row {
    struct row row;
    struct arena arena;
    struct str identity;
    bool gone;
    uint64_t order;
};

/* What the keys change. */
enum live_mode { LIVE_TABLE, LIVE_CHANGES };

struct live {
    struct screen *screen;
    struct arena arena;
    struct columns cols;
    bool keyed, paused, dirty, typing, explain;
    struct wbuf plan; /* lines; empty: not known yet */
    enum live_mode mode;
    int sort; /* column, or -1: as they came */
    char filter[64];
    struct live_row **rows;
    unsigned nrows, rows_cap, gone;
    struct live_row **leaving; /* without keys: gone by the answer at work, and no new row has taken their place */
    unsigned nleaving, leaving_cap;
    struct map by_identity;
    uint64_t order, told, dropped;
    struct wbuf flow; /* lines to print above the status line */
    size_t *flow_widths;
    bool flow_header;
    int64_t started_us, painted_us, last_row_us;
    struct answer progress;
    char why[1200], left_out[1200];
    /* The frame on the screen, line by line. */
    struct wbuf frame, old_frame;
    int columns; /* of the screen when old_frame was painted */
};

struct live *live_new(struct screen *screen, const struct answer *columns, int64_t now_us)
{
    struct live *l = xzalloc(sizeof *l);
    l->screen = screen;
    arena_init(&l->arena);
    columns_copy(&l->cols, columns, &l->arena);
    for (unsigned c = 0; c < l->cols.n; c++)
        l->keyed |= l->cols.cols[c].key;
    l->mode = l->cols.updates ? LIVE_TABLE : LIVE_CHANGES;
    l->sort = -1;
    l->started_us = l->last_row_us = now_us;
    l->dirty = true;
    l->flow_widths = ARENA_ARRAY(&l->arena, size_t, l->cols.n + 1);
    map_init(&l->by_identity);
    wbuf_init(&l->flow);
    wbuf_init(&l->plan);
    wbuf_init(&l->frame);
    wbuf_init(&l->old_frame);
    return l;
}

/* ---- The table. A row is known by its key columns, or by all of it where the result has no key. */
static struct str identity_of(const struct live *l, const struct row *row, struct arena *a)
{
    struct wbuf w;
    wbuf_init(&w);
    for (unsigned c = 0; c < l->cols.n; c++)
        if (!l->keyed || l->cols.cols[c].key)
            wbuf_printf(&w, "%d%zu:%.*s", (int)row->cells[c].kind, row->cells[c].text.len, STR_ARG(row->cells[c].text));
    struct str id = arena_dup(a, wbuf_view(&w));
    wbuf_fini(&w);
    return id;
}

static void free_row(struct live_row *lr)
{
    arena_fini(&lr->arena);
    xfree(lr);
}

static void table_set(struct live *l, struct live_row *lr)
{
    struct live_row *old = map_get(&l->by_identity, lr->identity);
    if (!old) {
        if (l->nrows >= ROWS_MAX) {
            l->dropped++;
            free_row(lr);
            return;
        }
        lr->order = l->order++;
        VEC_PUSH(l->rows, l->nrows, l->rows_cap) = lr;
        map_put(&l->by_identity, lr->identity, lr);
        return;
    }
    if (old->gone)
        l->gone--;
    /* In place: the row keeps its line on the screen. */
    struct live_row keep = *old;
    *old = *lr;
    old->order = keep.order;
    map_put(&l->by_identity, old->identity, old);
    arena_fini(&keep.arena);
    xfree(lr);
}

static unsigned equal_cells(const struct live *l, const struct row *a, const struct row *b)
{
    unsigned n = 0;
    for (unsigned c = 0; c < l->cols.n; c++)
        n += a->cells[c].kind == b->cells[c].kind && str_eq(a->cells[c].text, b->cells[c].text);
    return n;
}

/* A result without keys tells an update as a row that goes and a row that comes: the new one takes the line of the one
 * that is most like it, so that the table stands still. */
static bool take_place(struct live *l, struct live_row *lr)
{
    unsigned best = 0, most = 0;
    if (l->keyed || map_get(&l->by_identity, lr->identity))
        return false;
    for (unsigned i = 0; i < l->nleaving; i++) {
        unsigned n = equal_cells(l, &l->leaving[i]->row, &lr->row);
        if (n > most) {
            most = n;
            best = i;
        }
    }
    if (!most)
        return false;
    struct live_row *old = l->leaving[best], keep = *old;
    l->leaving[best] = l->leaving[--l->nleaving];
    map_remove(&l->by_identity, keep.identity);
    *old = *lr;
    old->order = keep.order;
    map_put(&l->by_identity, old->identity, old);
    arena_fini(&keep.arena);
    xfree(lr);
    l->gone--;
    return true;
}

static void table_change(struct live *l, const struct answer *an, unsigned i, int64_t now_us)
{
    struct live_row *lr = xzalloc(sizeof *lr);
    arena_init(&lr->arena);
    lr->row = row_copy(an, i, &lr->arena);
    lr->row.seen_us = (uint64_t)now_us;
    lr->identity = identity_of(l, &lr->row, &lr->arena);
    if (lr->row.op == '+') {
        if (!take_place(l, lr))
            table_set(l, lr);
        return;
    }
    struct live_row *old = map_get(&l->by_identity, lr->identity);
    if (old && !old->gone) { /* what goes is told before what comes */
        old->gone = true;
        old->row.seen_us = (uint64_t)now_us;
        l->gone++;
        if (!l->keyed && l->nleaving < LEAVING_MAX)
            VEC_PUSH(l->leaving, l->nleaving, l->leaving_cap) = old;
    }
    free_row(lr);
}

/* Retracted rows leave once they have faded. */
static bool table_sweep(struct live *l, int64_t now_us)
{
    if (!l->gone)
        return false;
    unsigned kept = 0, before = l->nrows;
    for (unsigned i = 0; i < before; i++) {
        struct live_row *lr = l->rows[i];
        if (lr->gone && now_us - (int64_t)lr->row.seen_us > BRIGHT_US) {
            map_remove(&l->by_identity, lr->identity);
            free_row(lr);
            l->gone--;
        } else {
            l->rows[kept++] = lr;
        }
    }
    l->nrows = kept;
    return kept != before;
}

/* ---- Rows told one by one. */
static size_t usual_width(struct str type)
{
    static const struct {
        struct str type;
        size_t width;
    } usual[] = {{STR("BOOLEAN"), 5},  {STR("INT"), 6},   {STR("BIGINT"), 10}, {STR("DOUBLE"), 12},
                 {STR("VARCHAR"), 12}, {STR("DATE"), 10}, {STR("TIME"), 12},   {STR("TIMESTAMP"), 23}};
    for (size_t i = 0; i < ARRAY_LEN(usual); i++)
        if (str_eq(type, usual[i].type))
            return usual[i].width;
    return 8;
}

static void flow_row(struct live *l, const struct answer *an, unsigned i)
{
    struct row row = {.cells = &an->cells[i * an->ncells], .op = i < an->ops.len ? an->ops.ptr[i] : '+'};
    if (!l->flow_header) {
        box_widths(&l->cols, &row, 1, l->screen->columns - 2, l->flow_widths);
        for (unsigned c = 0; c < l->cols.n; c++) /* room for what will be longer than the first row */
            l->flow_widths[c] = MAX(l->flow_widths[c], usual_width(l->cols.cols[c].type));
        wbuf_str(&l->flow, l->cols.updates ? STR("  ") : STR(""));
        box_header(&l->flow, &l->cols, l->flow_widths, l->screen);
        l->flow_header = true;
    }
    const char *colour = "";
    if (l->cols.updates) {
        colour = paint(l->screen, row.op == '-' ? RED : GREEN);
        wbuf_printf(&l->flow, "%s%c%s ", colour, row.op, paint(l->screen, PLAIN));
    }
    box_line(&l->flow, &l->cols, l->flow_widths, &row, l->screen, row.op == '-' ? colour : "");
}

void live_rows(struct live *l, const struct answer *an, int64_t now_us)
{
    if (an->ncells != l->cols.n)
        return;
    for (unsigned i = 0; i < an->nrows; i++) {
        l->told++;
        if (l->cols.updates)
            table_change(l, an, i, now_us);
        if (l->mode == LIVE_CHANGES)
            flow_row(l, an, i);
    }
    l->nleaving = 0;
    l->last_row_us = now_us;
    l->dirty |= !l->paused;
}

void live_progress(struct live *l, const struct answer *progress)
{
    l->progress = *progress;
    snprintf(l->why, sizeof l->why, "%.*s", STR_ARG(progress->why));
    snprintf(l->left_out, sizeof l->left_out, "%.*s", STR_ARG(progress->left_out));
    l->dirty |= !l->paused;
}

/* ---- Keys. */
static void type_filter(struct live *l, char key)
{
    size_t n = strlen(l->filter);
    if (key == '\r' || key == '\n' || key == 27)
        l->typing = false;
    else if ((key == 127 || key == 8) && n)
        l->filter[n - 1] = 0;
    else if ((unsigned char)key >= ' ' && key != 127 && n + 1 < sizeof l->filter) {
        l->filter[n] = key;
        l->filter[n + 1] = 0;
    }
    if (key == 27)
        l->filter[0] = 0;
}

bool live_wants_plan(const struct live *l) { return l->explain && !l->plan.len; }

void live_plan(struct live *l, struct str text)
{
    wbuf_reset(&l->plan);
    wbuf_str(&l->plan, text.len ? text : STR("its plan is not known\n"));
    l->dirty = true;
}

bool live_key(struct live *l, char key)
{
    l->dirty = true;
    if (l->typing) {
        type_filter(l, key);
        return false;
    }
    bool table = l->cols.updates && l->mode == LIVE_TABLE;
    if (key == 27)
        l->filter[0] = 0;
    else if (key == 'p')
        l->paused = !l->paused;
    else if (key == 'c' && l->cols.updates)
        l->mode = l->mode == LIVE_TABLE ? LIVE_CHANGES : LIVE_TABLE;
    else if (key == 'e')
        l->explain = !l->explain;
    else if (key == 's' && table)
        l->sort = l->sort + 1 >= (int)l->cols.n ? -1 : l->sort + 1;
    else if (key == '/' && table)
        l->typing = true;
    return key == 'q' || key == 4;
}

/* ---- Painting. */
static int cmp_rows(const void *pa, const void *pb, void *arg)
{
    const struct live *l = arg;
    const struct live_row *a = *(struct live_row *const *)pa, *b = *(struct live_row *const *)pb;
    if (l->sort >= 0) {
        const struct cell *x = &a->row.cells[l->sort], *y = &b->row.cells[l->sort];
        int cmp;
        if (x->kind == JSON_NUMBER && y->kind == JSON_NUMBER) {
            double u = strtod(x->text.ptr, NULL), v = strtod(y->text.ptr, NULL);
            cmp = u < v ? 1 : u > v ? -1 : 0; /* largest first */
        } else {
            cmp = str_cmp(x->text, y->text);
        }
        if (cmp)
            return cmp;
    }
    return a->order < b->order ? -1 : a->order > b->order;
}

static bool has_text(struct str in, struct str what)
{
    for (size_t i = 0; i + what.len <= in.len; i++)
        if (str_eq_nocase((struct str){in.ptr + i, what.len}, what))
            return true;
    return false;
}

static bool row_matches(const struct live *l, const struct row *row)
{
    if (!l->filter[0])
        return true;
    for (unsigned c = 0; c < l->cols.n; c++)
        if (has_text(row->cells[c].text, str_of(l->filter)))
            return true;
    return false;
}

static unsigned visible_rows(struct live *l, struct row *out, unsigned max, unsigned *matching)
{
    unsigned n = 0;
    *matching = 0;
    if (l->nrows)
        qsort_r(l->rows, l->nrows, sizeof *l->rows, cmp_rows, l);
    for (unsigned i = 0; i < l->nrows; i++) {
        if (!row_matches(l, &l->rows[i]->row))
            continue;
        if (n < max) {
            out[n] = l->rows[i]->row;
            out[n++].op = l->rows[i]->gone ? '-' : '+';
        }
        ++*matching;
    }
    return n;
}

static void put_count(struct wbuf *w, double v)
{
    if (v >= 1e6)
        wbuf_printf(w, "%.1fM", v / 1e6);
    else if (v >= 1e4)
        wbuf_printf(w, "%.0fk", v / 1e3);
    else
        wbuf_printf(w, "%.0f", v);
}

static struct str cut_line(struct str *s)
{
    const char *nl = memchr(s->ptr, '\n', s->len);
    struct str line = {s->ptr, nl ? (size_t)(nl - s->ptr) : s->len};
    s->ptr += line.len + 1;
    s->len -= MIN(s->len, line.len + 1);
    return line;
}

/* Over as many lines as it takes, cut between words. */
static void put_folded(const struct live *l, struct wbuf *w, struct str text, const char *colour)
{
    size_t width = (size_t)MAX(l->screen->columns, 20);
    while (text.len) {
        size_t n = MIN(text.len, width);
        for (size_t i = n; n < text.len && i > width / 2; i--)
            if (text.ptr[i] == ' ') {
                n = i;
                break;
            }
        wbuf_printf(w, "%s%.*s%s\n", paint(l->screen, colour), (int)n, text.ptr, paint(l->screen, PLAIN));
        text = str_trim((struct str){text.ptr + n, text.len - n});
    }
}

/* What of the plan fits on the screen, under the status line. */
static unsigned plan_lines(const struct live *l)
{
    unsigned n = 0, most = l->screen->rows > 14 ? (unsigned)l->screen->rows - 12 : 3;
    for (size_t i = 0; l->explain && i < l->plan.len; i++)
        n += l->plan.data[i] == '\n';
    return MIN(n, most);
}

static void put_plan(const struct live *l, struct wbuf *w)
{
    struct str text = wbuf_view(&l->plan);
    for (unsigned i = plan_lines(l); i > 0; i--) {
        struct str line = cut_line(&text);
        wbuf_printf(w, "%s%.*s%s\n", paint(l->screen, DIM), STR_ARG(line), paint(l->screen, PLAIN));
    }
}

static void put_status(struct live *l, struct wbuf *w, int64_t now_us, int64_t wall_ms)
{
    int64_t s = (now_us - l->started_us) / 1000000;
    wbuf_printf(w, "%s%s%s %02d:%02d  ", paint(l->screen, l->paused ? YELLOW : GREEN),
                l->paused ? "‖ paused" : "▶ live", paint(l->screen, PLAIN), (int)(s / 60), (int)(s % 60));
    put_count(w, l->progress.rows_per_s);
    wbuf_str(w, STR(" rows/s in  "));
    put_count(w, l->cols.updates ? (double)(l->nrows - l->gone) : (double)l->told);
    wbuf_str(w, STR(" rows"));
    if (l->progress.has_watermark)
        wbuf_printf(w, "  watermark %+.1fs", (double)(l->progress.watermark_ms - wall_ms) / 1000);
    wbuf_str(w, STR("  lag "));
    put_count(w, (double)l->progress.lag);
    if (l->progress.state_bytes)
        wbuf_printf(w, l->progress.state_bytes < 1000000 ? "  state %.1fkB" : "  state %.1fMB",
                    (double)l->progress.state_bytes / (l->progress.state_bytes < 1000000 ? 1e3 : 1e6));
    /* The keys stand behind, or below where they would be cut. */
    wbuf_printf(w, "%s%sq quit  p pause  e explain", l->screen->columns < WIDE ? "\n" : "  ", paint(l->screen, DIM));
    if (l->cols.updates)
        wbuf_str(w, l->mode == LIVE_TABLE ? STR("  c changes  s sort  / filter") : STR("  c table"));
    wbuf_printf(w, "%s\n", paint(l->screen, PLAIN));
    if (l->typing || l->filter[0])
        wbuf_printf(w, "/%s%s\n", l->filter, l->typing ? "_" : "");
    if (!l->told && now_us - l->started_us > SILENT_US && l->why[0])
        put_folded(l, w, str_of(l->why), YELLOW);
    for (struct str left = str_of(l->left_out); left.len;)
        put_folded(l, w, cut_line(&left), YELLOW);
    if (l->explain)
        put_plan(l, w);
}

static void put_table(struct live *l, struct wbuf *w, int64_t now_us)
{
    unsigned room = 9 + plan_lines(l), matching;
    unsigned max = l->screen->rows > (int)room + 3 ? (unsigned)l->screen->rows - room : 3;
    struct row *rows = xalloc(sizeof *rows * (max + 1));
    size_t *widths = xalloc(sizeof *widths * (l->cols.n + 1));
    unsigned n = visible_rows(l, rows, max, &matching);
    box_widths(&l->cols, rows, n, l->screen->columns, widths);
    box_ruler(w, &l->cols, widths, BOX_TOP, l->screen);
    box_header(w, &l->cols, widths, l->screen);
    box_ruler(w, &l->cols, widths, BOX_MIDDLE, l->screen);
    for (unsigned i = 0; i < n; i++) {
        bool fresh = now_us - (int64_t)rows[i].seen_us < BRIGHT_US;
        box_line(w, &l->cols, widths, &rows[i], l->screen,
                 rows[i].op == '-' ? paint(l->screen, DIM)
                 : fresh           ? paint(l->screen, BOLD)
                                   : "");
    }
    box_ruler(w, &l->cols, widths, BOX_BOTTOM, l->screen);
    if (matching > n)
        wbuf_printf(w, "%s… and %u more%s\n", paint(l->screen, DIM), matching - n, paint(l->screen, PLAIN));
    xfree(rows);
    xfree(widths);
}

/* Rows of the screen that the old frame takes now: a terminal that became narrower has wrapped its lines. */
static unsigned old_rows(const struct live *l)
{
    unsigned rows = 0;
    for (struct str s = wbuf_view(&l->old_frame); s.len;) {
        size_t width = line_width(cut_line(&s));
        rows += 1 + (unsigned)(width ? (width - 1) / (size_t)MAX(l->screen->columns, 1) : 0);
    }
    return rows;
}

static void put_line(struct live *l, struct wbuf *w, struct str line)
{
    wbuf_str(w, STR("\033[K"));
    line_cut(w, line, (size_t)l->screen->columns);
    wbuf_u8(w, '\n');
}

/* Brings the screen from the old frame to the new one: flow lines push it down, equal lines are stepped over. */
static void swap_frame(struct live *l)
{
    struct wbuf w, cut;
    wbuf_init(&w);
    wbuf_init(&cut);
    wbuf_str(&w, STR("\033[?2026h"));
    unsigned up = old_rows(l);
    if (up)
        wbuf_printf(&w, "\033[%uA\r", up);
    bool moved = l->flow.len > 0 || l->columns != l->screen->columns;
    if (l->columns != l->screen->columns)
        wbuf_str(&w, STR("\033[J"));
    l->columns = l->screen->columns;
    for (struct str s = wbuf_view(&l->flow); s.len;)
        put_line(l, &w, cut_line(&s));
    wbuf_reset(&l->flow);
    struct str old = moved ? (struct str){"", 0} : wbuf_view(&l->old_frame);
    for (struct str s = wbuf_view(&l->frame); s.len;) {
        size_t at = cut.len;
        line_cut(&cut, cut_line(&s), (size_t)l->screen->columns);
        struct str line = {(const char *)cut.data + at, cut.len - at}, before = old.len ? cut_line(&old) : STR_NULL;
        if (before.ptr && str_eq(line, before))
            wbuf_u8(&w, '\n');
        else
            put_line(l, &w, line);
        wbuf_u8(&cut, '\n');
    }
    wbuf_str(&w, STR("\033[J\033[?2026l"));
    stdout_flush(&w);
    wbuf_fini(&w);
    wbuf_fini(&l->old_frame);
    l->old_frame = cut;
}

static void paint_frame(struct live *l, int64_t now_us, int64_t wall_ms, bool last)
{
    wbuf_reset(&l->frame);
    if (l->mode == LIVE_TABLE)
        put_table(l, &l->frame, now_us);
    if (!last)
        put_status(l, &l->frame, now_us, wall_ms);
    swap_frame(l);
    l->painted_us = now_us;
    l->dirty = false;
}

int live_paint(struct live *l, int64_t now_us, int64_t wall_ms)
{
    int64_t due = l->painted_us + FRAME_US;
    if (now_us < due)
        return (int)((due - now_us) / 1000) + 1;
    screen_resize(l->screen);
    bool second = l->columns != l->screen->columns || now_us / 1000000 != l->painted_us / 1000000;
    if (l->paused && !l->dirty)
        return 100;
    if (table_sweep(l, now_us) || l->dirty || second || now_us - l->last_row_us < 2 * BRIGHT_US)
        paint_frame(l, now_us, wall_ms, false);
    return 100;
}

void live_end(struct live *l, int64_t now_us)
{
    l->typing = false;
    table_sweep(l, now_us + 2 * BRIGHT_US);
    paint_frame(l, now_us + 2 * BRIGHT_US, 0, true);
    printf("%llu %s in %.1f s, %lld rows read\n",
           (unsigned long long)(l->cols.updates ? (uint64_t)(l->nrows - l->gone) : l->told),
           l->cols.updates ? "rows at the end" : "rows", (double)(now_us - l->started_us) / 1e6,
           (long long)l->progress.rows_in);
    fflush(stdout);
    for (unsigned i = 0; i < l->nrows; i++)
        free_row(l->rows[i]);
    xfree(l->rows);
    xfree(l->leaving);
    map_fini(&l->by_identity);
    wbuf_fini(&l->flow);
    wbuf_fini(&l->plan);
    wbuf_fini(&l->frame);
    wbuf_fini(&l->old_frame);
    arena_fini(&l->arena);
    xfree(l);
}
