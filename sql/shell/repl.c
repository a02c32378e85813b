#include "sql/shell/repl.h"

#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>
#include <wchar.h>

#include "sql/parse/parse.h"

#define PROMPT "weir> "
#define HISTORY_MAX 1000
#define PASTED_NEWLINE 0x1f /* bound to "insert a newline"; no keyboard sends it unasked */

struct repl {
    struct client *c;
    EditLine *el;
    History *history;
    HistEvent ev;
    struct words *words;
    char history_path[4096];
    /* Bytes already read that the editor has not taken yet: the rest of a paste or of an escape sequence. */
    struct wbuf queue;
    size_t queue_at;
    bool pasting;
    int below; /* rows of the text under the cursor when Ctrl-C came */
};

static struct repl *repl_of(EditLine *el)
{
    void *r = NULL;
    el_get(el, EL_CLIENTDATA, &r);
    return r;
}

static char *prompt(EditLine *el)
{
    (void)el;
    static char text[] = PROMPT;
    return text;
}

static struct str line_text(EditLine *el)
{
    const LineInfo *li = el_line(el);
    return (struct str){li->buffer, (size_t)(li->lastchar - li->buffer)};
}

/* ---- Colours: after every refresh libedit asks for a character; the same text is painted over in the same cells. */
static const char *class_colour(const struct token *t)
{
    switch (t->cls) {
    case LEX_KEYWORD:
        return t->reserved ? "\033[1;34m" : "\033[34m";
    case LEX_STRING:
        return GREEN;
    case LEX_NUMBER:
        return CYAN;
    case LEX_COMMENT:
        return DIM;
    case LEX_BAD:
        return RED;
    default:
        return "";
    }
}

/* Screen row on which the cell after `text` lies, the prompt being row 0. */
static int rows_of(struct str text, int columns)
{
    int row = 0;
    size_t col = sizeof PROMPT - 1;
    while (text.len) {
        const char *nl = memchr(text.ptr, '\n', text.len);
        size_t n = nl ? (size_t)(nl - text.ptr) : text.len;
        col += text_width((struct str){text.ptr, n});
        row += (int)(col / (size_t)columns);
        col %= (size_t)columns;
        if (nl) {
            row++;
            col = 0;
        }
        text.ptr += n + (nl ? 1 : 0);
        text.len -= n + (nl ? 1 : 0);
    }
    return row;
}

static int rows_under(EditLine *el, int columns)
{
    const LineInfo *li = el_line(el);
    return rows_of(line_text(el), columns) -
           rows_of((struct str){li->buffer, (size_t)(li->cursor - li->buffer)}, columns);
}

static void put_token(struct wbuf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\n')
            wbuf_u8(out, '\r');
        wbuf_u8(out, (uint8_t)s.ptr[i]);
    }
}

static void paint_line(struct repl *r)
{
    const LineInfo *li = el_line(r->el);
    struct str text = line_text(r->el), before = {li->buffer, (size_t)(li->cursor - li->buffer)};
    screen_resize(&r->c->screen);
    struct wbuf out;
    wbuf_init(&out);
    wbuf_str(&out, STR("\0337"));
    int up = rows_of(before, r->c->screen.columns);
    if (up)
        wbuf_printf(&out, "\033[%dA", up);
    wbuf_str(&out, STR("\r" BOLD PROMPT PLAIN));
    bool command = text.len && text.ptr[0] == '\\';
    for (size_t pos = 0; pos < text.len && !command;) {
        struct token t = lex_next(text, pos);
        if (t.cls == LEX_END)
            break;
        struct str s = {text.ptr + t.place.pos, t.place.len};
        wbuf_str(&out, str_of(class_colour(&t)));
        put_token(&out, s);
        wbuf_str(&out, STR(PLAIN));
        pos = t.place.pos + t.place.len;
    }
    wbuf_str(&out, STR("\0338"));
    stdout_flush(&out);
    wbuf_fini(&out);
}

/* ---- Input. */
static bool read_byte(struct repl *r, uint8_t *b, int timeout_ms)
{
    if (r->queue_at < r->queue.len) {
        *b = r->queue.data[r->queue_at++];
        if (r->queue_at == r->queue.len)
            r->queue.len = r->queue_at = 0;
        return true;
    }
    struct pollfd pfd = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&pfd, 1, timeout_ms) <= 0)
        return false;
    return read(STDIN_FILENO, b, 1) == 1;
}

static bool ends_with(const struct wbuf *w, const char *mark)
{
    size_t n = strlen(mark);
    return w->len >= n && memcmp(w->data + w->len - n, mark, n) == 0;
}

/* After ESC [ 2 0 0 ~: everything up to ESC [ 2 0 1 ~ is text; its newlines do not run anything. */
static void read_paste(struct repl *r)
{
    struct wbuf paste;
    wbuf_init(&paste);
    uint8_t b;
    while (read_byte(r, &b, 2000)) {
        wbuf_u8(&paste, b == '\r' || b == '\n' ? PASTED_NEWLINE : b);
        if (ends_with(&paste, "\033[201~")) {
            paste.len -= 6;
            break;
        }
    }
    while (paste.len && paste.data[paste.len - 1] == PASTED_NEWLINE)
        paste.len--;
    wbuf_put(&r->queue, paste.data, paste.len);
    wbuf_fini(&paste);
}

/* An escape sequence is read whole, to see whether it begins a paste; else it is queued for the editor. */
static void read_escape(struct repl *r)
{
    struct wbuf seq;
    wbuf_init(&seq);
    uint8_t b;
    while (seq.len < 8 && read_byte(r, &b, 20)) {
        wbuf_u8(&seq, b);
        if (seq.len > 1 && b >= '@' && b != '[')
            break;
        if (seq.len == 1 && b != '[' && b != 'O')
            break;
    }
    if (seq.len == 5 && memcmp(seq.data, "[200~", 5) == 0)
        read_paste(r);
    else {
        wbuf_u8(&r->queue, 27);
        wbuf_put(&r->queue, seq.data, seq.len);
        r->pasting = true; /* the ESC just queued is not to be looked at again */
    }
    wbuf_fini(&seq);
}

static int read_char(EditLine *el, wchar_t *out)
{
    struct repl *r = repl_of(el);
    if (r->c->screen.colour && r->queue_at >= r->queue.len)
        paint_line(r);
    mbstate_t state = {0};
    for (;;) {
        uint8_t b;
        bool queued = r->queue_at < r->queue.len;
        if (!read_byte(r, &b, -1)) {
            if (errno == EINTR && !client_interrupted())
                continue; /* the window changed */
            if (errno != EINTR)
                return 0;
            r->below = rows_under(el, r->c->screen.columns);
            return -1;
        }
        if (b == 27 && !(queued && r->pasting)) {
            read_escape(r);
            continue;
        }
        r->pasting = r->queue_at < r->queue.len;
        size_t n = mbrtowc(out, (char *)&b, 1, &state);
        if (n == (size_t)-2)
            continue;
        if (n == (size_t)-1) { /* not UTF-8: the byte is dropped */
            state = (mbstate_t){0};
            continue;
        }
        return 1;
    }
}

/* ---- Keys. */
static unsigned char on_newline(EditLine *el, int ch)
{
    (void)ch;
    return el_insertstr(el, "\n") == 0 ? CC_REFRESH : CC_ERROR;
}

static unsigned char on_enter(EditLine *el, int ch)
{
    struct str text = line_text(el);
    enum lex_state st = lex_state(text);
    if (command_is(str_trim(text)) || st == LEX_NOTHING || st == LEX_COMPLETE) {
        const LineInfo *li = el_line(el);
        el_cursor(el, (int)(li->lastchar - li->cursor)); /* so that output starts below the text */
        return CC_NEWLINE;
    }
    return on_newline(el, ch);
}

/* Characters (not bytes) of text; el_cursor counts in them. */
static int chars_of(struct str text)
{
    int n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return n;
}

/* Moves the cursor to the line above or below, as far to the right as it was; false: there is none. */
static bool move_line(EditLine *el, bool down)
{
    const LineInfo *li = el_line(el);
    const char *from = li->cursor, *start = li->buffer, *end = li->lastchar;
    while (from > start && from[-1] != '\n')
        from--;
    int column = chars_of((struct str){from, (size_t)(li->cursor - from)});
    const char *to = from - 1; /* the end of the line above */
    if (down) {
        to = memchr(li->cursor, '\n', (size_t)(end - li->cursor));
        if (!to)
            return false;
        to++;
    } else if (from == start) {
        return false;
    } else {
        while (to > start && to[-1] != '\n')
            to--;
    }
    for (; column > 0 && to < end && *to != '\n'; column--)
        do
            to++;
        while (to < end && ((unsigned char)*to & 0xc0) == 0x80);
    int move = to > li->cursor ? chars_of((struct str){li->cursor, (size_t)(to - li->cursor)})
                               : -chars_of((struct str){to, (size_t)(li->cursor - to)});
    el_cursor(el, move);
    return true;
}

static unsigned char on_up(EditLine *el, int ch)
{
    (void)ch;
    if (!move_line(el, false))
        el_push(el, "\020"); /* ^P: the statement before */
    return CC_REFRESH;
}

static unsigned char on_down(EditLine *el, int ch)
{
    (void)ch;
    if (!move_line(el, true))
        el_push(el, "\016"); /* ^N */
    return CC_REFRESH;
}

/* Ends of the line, not of the statement. */
static unsigned char on_home(EditLine *el, int ch)
{
    (void)ch;
    const LineInfo *li = el_line(el);
    const char *from = li->cursor;
    while (from > li->buffer && from[-1] != '\n')
        from--;
    el_cursor(el, -chars_of((struct str){from, (size_t)(li->cursor - from)}));
    return CC_REFRESH;
}

static unsigned char on_end(EditLine *el, int ch)
{
    (void)ch;
    const LineInfo *li = el_line(el);
    const char *to = memchr(li->cursor, '\n', (size_t)(li->lastchar - li->cursor));
    if (!to)
        to = li->lastchar;
    el_cursor(el, chars_of((struct str){li->cursor, (size_t)(to - li->cursor)}));
    return CC_REFRESH;
}

struct completion {
    struct str prefix;
    char common[256];
    size_t common_len;
    unsigned n;
    bool mixed; /* some write it in capitals, some do not */
    struct wbuf list;
    size_t line_width;
    int columns;
};

static void complete_one(void *arg, const char *word)
{
    struct completion *cp = arg;
    size_t len = MIN(strlen(word), sizeof cp->common - 1);
    if (cp->n++ == 0) {
        memcpy(cp->common, word, len);
        cp->common_len = len;
    } else {
        size_t same = 0;
        while (same < cp->common_len && same < len && (word[same] | 32) == (cp->common[same] | 32)) {
            cp->mixed |= word[same] != cp->common[same];
            same++;
        }
        cp->common_len = same;
    }
    if (cp->line_width + len + 2 > (size_t)cp->columns) {
        wbuf_u8(&cp->list, '\n');
        cp->line_width = 0;
    }
    wbuf_printf(&cp->list, "%s  ", word);
    cp->line_width += len + 2;
}

static bool is_word_char(char ch)
{
    return ch == '_' || ch == '@' || (unsigned char)ch >= 0x80 || (ch >= '0' && ch <= '9') ||
           ((ch | 32) >= 'a' && (ch | 32) <= 'z');
}

static char in_case(char ch, bool capital)
{
    if (capital)
        return ch >= 'a' && ch <= 'z' ? (char)(ch & ~32) : ch;
    return ch >= 'A' && ch <= 'Z' ? (char)(ch | 32) : ch;
}

/* Names are spelled their own way; keywords, and what may become one, follow the case of what was typed. */
static void spell(struct completion *cp)
{
    size_t typed = cp->prefix.len;
    char last = cp->prefix.ptr[typed - 1];
    bool small = last >= 'a' && last <= 'z';
    bool keyword = cp->common[0] >= 'A' && cp->common[0] <= 'Z' && cp->common[typed - 1] < 'a';
    if (cp->mixed)
        memcpy(cp->common, cp->prefix.ptr, typed);
    for (size_t i = cp->mixed ? typed : 0; (cp->mixed || (small && keyword)) && i < cp->common_len; i++)
        cp->common[i] = in_case(cp->common[i], !small);
    cp->common[cp->common_len] = 0;
}

static unsigned char on_tab(EditLine *el, int ch)
{
    (void)ch;
    struct repl *r = repl_of(el);
    const LineInfo *li = el_line(el);
    const char *from = li->cursor;
    while (from > li->buffer && is_word_char(from[-1]))
        from--;
    if (from - li->buffer >= 4 && str_eq_nocase((struct str){from - 4, 4}, STR("sys.")))
        from -= 4;
    struct completion cp = {.prefix = {from, (size_t)(li->cursor - from)}, .columns = r->c->screen.columns};
    if (cp.prefix.len == 0)
        return el_insertstr(el, "    ") == 0 ? CC_REFRESH : CC_ERROR;
    wbuf_init(&cp.list);
    words_each(r->words, cp.prefix, complete_one, &cp);
    unsigned char answer = CC_ERROR;
    if (cp.n && (cp.n == 1 || cp.common_len > cp.prefix.len)) {
        spell(&cp);
        el_deletestr(el, (int)cp.prefix.len);
        el_insertstr(el, cp.common);
        if (cp.n == 1)
            el_insertstr(el, " ");
        answer = CC_REFRESH;
    } else if (cp.n > 1) {
        printf("\n%.*s\n", (int)cp.list.len, (char *)cp.list.data);
        fflush(stdout);
        answer = CC_REDISPLAY;
    }
    wbuf_fini(&cp.list);
    return answer;
}

/* ---- Life. */
static void open_history(struct repl *r)
{
    const char *path = getenv("WEIR_HISTORY"), *home = getenv("HOME");
    r->history = history_init();
    history(r->history, &r->ev, H_SETSIZE, HISTORY_MAX);
    history(r->history, &r->ev, H_SETUNIQUE, 1);
    if (path)
        snprintf(r->history_path, sizeof r->history_path, "%s", path);
    else if (home)
        snprintf(r->history_path, sizeof r->history_path, "%s/.weir_history", home);
    if (r->history_path[0])
        history(r->history, &r->ev, H_LOAD, r->history_path);
}

/* What terminals send for the same key differs. */
static const char *const keys[][2] = {
    {"^M", "weir-enter"},         {"^J", "weir-enter"},
    {"^_", "weir-newline"},       {"^I", "weir-complete"},
    {"^R", "em-inc-search-prev"}, {"\\e[A", "weir-up"},
    {"\\eOA", "weir-up"},         {"\\e[B", "weir-down"},
    {"\\eOB", "weir-down"},       {"\\e[H", "weir-home"},
    {"\\eOH", "weir-home"},       {"\\e[1~", "weir-home"},
    {"\\e[7~", "weir-home"},      {"^A", "weir-home"},
    {"\\e[F", "weir-end"},        {"\\eOF", "weir-end"},
    {"\\e[4~", "weir-end"},       {"\\e[8~", "weir-end"},
    {"^E", "weir-end"},           {"\\e[3~", "ed-delete-next-char"},
    {"\\e[1;5C", "em-next-word"}, {"\\e[1;5D", "ed-prev-word"},
    {"\\e[1;3C", "em-next-word"}, {"\\e[1;3D", "ed-prev-word"},
    {"\\e[2~", "ed-unassigned"},  {"\\e[5~", "weir-up"},
    {"\\e[6~", "weir-down"},
};

static void open_editor(struct repl *r)
{
    r->el = el_init("weir", stdin, stdout, stderr);
    el_set(r->el, EL_CLIENTDATA, r);
    el_set(r->el, EL_PROMPT, prompt);
    el_set(r->el, EL_EDITOR, "emacs");
    el_set(r->el, EL_HIST, history, r->history);
    el_set(r->el, EL_SIGNAL, 0);
    el_set(r->el, EL_ADDFN, "weir-enter", "run the statement, or begin its next line", on_enter);
    el_set(r->el, EL_ADDFN, "weir-newline", "begin a line", on_newline);
    el_set(r->el, EL_ADDFN, "weir-complete", "complete a word", on_tab);
    el_set(r->el, EL_ADDFN, "weir-up", "line above, or the statement before", on_up);
    el_set(r->el, EL_ADDFN, "weir-down", "line below, or the statement after", on_down);
    el_set(r->el, EL_ADDFN, "weir-home", "begin of the line", on_home);
    el_set(r->el, EL_ADDFN, "weir-end", "end of the line", on_end);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        el_set(r->el, EL_BIND, keys[i][0], keys[i][1], NULL);
    el_set(r->el, EL_GETCFN, read_char);
    el_source(r->el, NULL);
}

static bool run_text(struct repl *r, struct str text, int *exit_code)
{
    struct str trimmed = str_trim(text);
    if (!trimmed.len)
        return false;
    char *entry = xstrndup(trimmed.ptr, trimmed.len);
    history(r->history, &r->ev, H_ENTER, entry);
    if (r->history_path[0])
        history(r->history, &r->ev, H_SAVE, r->history_path);
    bool leave = false;
    if (command_is(trimmed))
        leave = command_run(r->c, str_of(entry), exit_code);
    else
        *exit_code = client_run(r->c, str_of(entry));
    words_stale(r->words);
    xfree(entry);
    return leave;
}

static void read_statements(struct repl *r, int *exit_code)
{
    for (;;) {
        int n = 0;
        fputs("\033[?2004h", stdout); /* bracketed paste */
        fflush(stdout);
        errno = 0;
        const char *line = el_gets(r->el, &n);
        int why = errno;
        fputs("\033[?2004l", stdout);
        if (!line || n <= 0) {
            if (why == EINTR || client_interrupted()) { /* Ctrl-C drops what was typed */
                puts(r->below ? "" : "^C");
                for (; r->below > 0; r->below--)
                    putchar('\n');
                el_reset(r->el);
                continue;
            }
            putchar('\n');
            return;
        }
        putchar('\n');
        fflush(stdout);
        if (run_text(r, (struct str){line, (size_t)n}, exit_code))
            return;
    }
}

int repl_run(struct client *c, const char *banner)
{
    setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
    client_catch_interrupts();
    puts(banner);
    struct repl r = {.c = c, .words = words_new(c)};
    wbuf_init(&r.queue);
    open_history(&r);
    open_editor(&r);
    int exit_code = EXIT_GOOD;
    read_statements(&r, &exit_code);
    el_end(r.el);
    history_end(r.history);
    words_free(r.words);
    wbuf_fini(&r.queue);
    return exit_code == EXIT_CONNECTION ? EXIT_CONNECTION : EXIT_GOOD;
}
