#include "sql/shell/client.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "engine/vec/vec.h"
#include "log/base/clock.h"
#include "sql/parse/parse.h"
#include "sql/shell/live.h"
#include "sql/shell/shell.h"

static volatile sig_atomic_t interrupts; /* a signal handler can reach nothing else */

static void on_interrupt(int sig)
{
    (void)sig;
    interrupts = 1;
}

void client_catch_interrupts(void)
{
    struct sigaction sa = {.sa_handler = on_interrupt}; /* no SA_RESTART: poll must wake */
    sigaction(SIGINT, &sa, NULL);
}

bool client_interrupted(void)
{
    bool was = interrupts;
    interrupts = 0;
    return was;
}

void client_init(struct client *c, const char *target)
{
    *c = (struct client){.target = xstrdup(target), .limit = -1, .for_ms = -1, .echo_messages = true};
    screen_init(&c->screen);
    c->mode = c->screen.tty ? RENDER_BOX : RENDER_NDJSON;
    c->live = c->screen.tty;
}

void client_fini(struct client *c)
{
    http_client_close(c->http);
    xfree(c->target);
    for (unsigned i = 0; i < c->nsettings; i++) {
        xfree(c->settings[i].name);
        xfree(c->settings[i].value);
    }
    xfree(c->settings);
}

void client_set(struct client *c, bool variable, struct str name, const char *value, size_t value_len)
{
    unsigned i = 0;
    while (i < c->nsettings &&
           !(c->settings[i].variable == variable && str_eq_nocase(str_of(c->settings[i].name), name)))
        i++;
    if (i < c->nsettings) {
        xfree(c->settings[i].name);
        xfree(c->settings[i].value);
        c->settings[i] = c->settings[--c->nsettings];
    }
    if (value)
        VEC_PUSH(c->settings, c->nsettings, c->settings_cap) =
            (struct client_setting){xstrndup(name.ptr, name.len), xstrndup(value, value_len), variable};
}

bool client_set_pair(struct client *c, bool variable, const char *pair)
{
    const char *eq = strchr(pair, '=');
    if (!eq || eq == pair)
        return false;
    client_set(c, variable, (struct str){pair, (size_t)(eq - pair)}, eq + 1, strlen(eq + 1));
    return true;
}

/* ---- The request. */
static void put_settings(struct client *c, struct wbuf *w, const char *member, bool variable)
{
    wbuf_printf(w, ",\"%s\":{", member);
    bool first = true;
    for (unsigned i = 0; i < c->nsettings; i++) {
        if (c->settings[i].variable != variable)
            continue;
        if (!first)
            wbuf_u8(w, ',');
        first = false;
        json_put_str(w, str_of(c->settings[i].name));
        wbuf_u8(w, ':');
        json_put_str(w, str_of(c->settings[i].value));
    }
    wbuf_u8(w, '}');
}

static int send_request(struct client *c, struct str sql)
{
    struct diag d = {.line = 0};
    int err = c->http ? 0 : http_client_open(&c->http, c->target, 5000, &d);
    if (!err) {
        struct wbuf body;
        wbuf_init(&body);
        wbuf_str(&body, STR("{\"sql\":"));
        json_put_str(&body, sql);
        put_settings(c, &body, "properties", false);
        put_settings(c, &body, "variables", true);
        if (c->limit >= 0)
            wbuf_printf(&body, ",\"limit\":%lld", (long long)c->limit);
        if (c->until_caught_up)
            wbuf_str(&body, STR(",\"until_caught_up\":true"));
        if (c->deploy)
            wbuf_str(&body, STR(",\"deploy\":true"));
        if (c->plan)
            wbuf_str(&body, STR(",\"plan\":true"));
        if (c->beside)
            wbuf_str(&body, STR(",\"beside\":true"));
        wbuf_u8(&body, '}');
        err = http_client_post(c->http, "/sql", wbuf_view(&body), &d);
        wbuf_fini(&body);
    }
    if (err) {
        fprintf(stderr, "%s\n", d.text);
        if (d.hint[0])
            fprintf(stderr, "  hint: %s\n", d.hint);
        http_client_close(c->http);
        c->http = NULL;
    }
    return err;
}

/* ---- Errors. */
static void copy_text(char *to, size_t cap, struct str from) { snprintf(to, cap, "%.*s", STR_ARG(from)); }

void client_show_error(const struct screen *screen, struct str sql, const struct answer *an)
{
    struct diag d = {.line = (int)an->line, .column = (int)an->column, .length = (int)an->length};
    copy_text(d.code, sizeof d.code, an->code);
    copy_text(d.text, sizeof d.text, an->text);
    copy_text(d.hint, sizeof d.hint, an->hint);
    struct wbuf w;
    wbuf_init(&w);
    diag_show(&d, sql, &w);
    bool colour = screen->colour && isatty(STDERR_FILENO);
    fprintf(stderr, "%s%.*s%s", colour ? RED : "", (int)w.len, (char *)w.data, colour ? PLAIN : "");
    wbuf_fini(&w);
}

/* ---- Showing one request's answers. */
struct show {
    struct client *c;
    struct str sql;
    struct render render;
    struct live *live;
    struct arena arena;
    bool in_rows, push;
    struct wbuf statement; /* at work */
    char why[1200]; /* the last reason for there being no rows */
    bool why_told;
    char left_out[1200]; /* of a push query's rows so far */
    int64_t deadline_us;
    int exit_code;
    struct termios saved;
    bool raw;
};

static void raw_on(struct show *s)
{
    if (s->raw || !isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &s->saved) != 0)
        return;
    struct termios t = s->saved;
    t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    t.c_cc[VMIN] = 0;
    t.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &t);
    s->raw = true;
}

/* Told at once to people, to others only if nothing comes at all. */
static void keep_why(struct show *s, struct str why)
{
    bool news = !str_eq(why, str_of(s->why));
    s->why_told &= !news;
    copy_text(s->why, sizeof s->why, why);
    if (s->why[0] && !s->why_told && isatty(STDERR_FILENO)) {
        fprintf(stderr, "%s\n", s->why);
        s->why_told = true;
    }
}

static void end_rows(struct show *s)
{
    if (s->live) {
        live_end(s->live, clock_mono_us());
        s->live = NULL;
        if (s->raw)
            tcsetattr(STDIN_FILENO, TCSANOW, &s->saved);
        s->raw = false;
    } else if (s->in_rows) {
        render_end(&s->render);
        if (s->push && !s->render.rows && s->why[0] && !s->why_told)
            fprintf(stderr, "%s\n", s->why);
    }
    s->in_rows = false;
    s->why[0] = 0;
}

static void start_clock(struct show *s)
{
    if (s->c->for_ms >= 0 && !s->deadline_us)
        s->deadline_us = clock_mono_us() + s->c->for_ms * 1000;
}

/* It goes on like a push query, but has no columns. */
static bool is_print(struct str statement)
{
    struct token t = lex_next(statement, 0);
    while (t.cls == LEX_BLANK || t.cls == LEX_COMMENT)
        t = lex_next(statement, t.place.pos + t.place.len);
    return str_eq_nocase((struct str){statement.ptr + t.place.pos, t.place.len}, STR("PRINT"));
}

static void begin_rows(struct show *s, const struct answer *an)
{
    s->push = str_eq(an->query, STR("push"));
    s->in_rows = true;
    s->left_out[0] = 0;
    if (s->push)
        start_clock(s);
    if (s->push && s->c->live && s->c->mode == RENDER_BOX) {
        screen_resize(&s->c->screen);
        if (an->from_latest)
            printf("%sreading from latest: only rows that come from now on; SET 'auto.offset.reset' = 'earliest' for "
                   "all%s\n",
                   paint(&s->c->screen, DIM), paint(&s->c->screen, PLAIN));
        fflush(stdout);
        s->live = live_new(&s->c->screen, an, clock_mono_us());
        raw_on(s);
        return;
    }
    render_begin(&s->render, an);
}

static void show_record(const struct answer *an)
{
    printf("rowtime: %lld, partition: %lld, offset: %lld, key: %.*s, value: %.*s", (long long)an->timestamp_ms,
           (long long)an->partition, (long long)an->offset, STR_ARG(an->key_null ? STR("<null>") : an->key),
           STR_ARG(an->value_null ? STR("<null>") : an->value));
    if (an->headers.len > 2)
        printf(", headers: %.*s", STR_ARG(an->headers));
    putchar('\n');
    fflush(stdout);
}

static void show_done(struct show *s, const struct answer *an)
{
    bool table = s->in_rows && !s->live && s->c->mode == RENDER_BOX && s->c->screen.tty;
    end_rows(s);
    if (table || s->c->timing) {
        printf("%s%lld %s", paint(&s->c->screen, DIM), (long long)an->rows, an->rows == 1 ? "row" : "rows");
        if (s->c->timing || an->ms >= 1000)
            printf(", %.3f s", (double)an->ms / 1000);
        printf("%s\n", paint(&s->c->screen, PLAIN));
        fflush(stdout);
    }
}

static void show_answer(struct show *s, const struct answer *an)
{
    switch (an->kind) {
    case ANSWER_MESSAGE:
        if (s->live) /* behind its rows: the frame is done with */
            end_rows(s);
        fflush(stdout);
        if (s->c->echo_messages) /* among rows for programs there is no place for sentences */
            fprintf(s->c->mode == RENDER_BOX ? stdout : stderr, "%.*s\n", STR_ARG(an->text));
        fflush(stdout);
        break;
    case ANSWER_TEXT:
        printf("%.*s%s", STR_ARG(an->text), an->text.len && an->text.ptr[an->text.len - 1] == '\n' ? "" : "\n");
        fflush(stdout);
        break;
    case ANSWER_COLUMNS:
        begin_rows(s, an);
        break;
    case ANSWER_ROWS:
        if (s->live)
            live_rows(s->live, an, clock_mono_us());
        else if (s->in_rows)
            render_rows(&s->render, an);
        break;
    case ANSWER_PROGRESS:
        if (s->live)
            live_progress(s->live, an);
        copy_text(s->left_out, sizeof s->left_out, an->left_out);
        if (s->live)
            break;
        if (s->push && !s->render.rows)
            keep_why(s, an->why);
        break;
    case ANSWER_RECORD:
        show_record(an);
        break;
    case ANSWER_SET:
        client_set(s->c, str_eq(an->what, STR("variable")), an->name, an->value.ptr, an->value.len);
        break;
    case ANSWER_DONE:
        show_done(s, an);
        break;
    case ANSWER_ERROR:
        end_rows(s);
        fflush(stdout);
        client_show_error(&s->c->screen, s->sql, an);
        s->exit_code = EXIT_STATEMENT;
        break;
    case ANSWER_STATEMENT:
        wbuf_reset(&s->statement);
        wbuf_str(&s->statement, an->text);
        if (is_print(an->text))
            start_clock(s);
        if (s->c->echo)
            printf("%s%.*s%s\n", paint(&s->c->screen, DIM), STR_ARG(an->text), paint(&s->c->screen, PLAIN));
        fflush(stdout);
        break;
    case ANSWER_OTHER:
        break;
    }
}

/* The plan of the query that is shown, asked for on a connection of its own, as its own is busy with rows. */
static void ask_plan(struct show *s)
{
    struct client *c = s->c;
    struct http_client *busy = c->http;
    struct wbuf sql, plan;
    struct arena a;
    struct str line;
    int got = 0;
    wbuf_init(&sql);
    wbuf_init(&plan);
    arena_init(&a);
    wbuf_str(&sql, STR("EXPLAIN "));
    wbuf_str(&sql, wbuf_view(&s->statement));
    c->http = NULL;
    bool sent = send_request(c, wbuf_view(&sql)) == 0;
    while (sent && (got = http_client_line(c->http, &line)) >= 0) {
        struct answer an;
        struct pollfd fd = {.fd = http_client_fd(c->http), .events = POLLIN};
        if (got == 0 && poll(&fd, 1, 5000) <= 0)
            break;
        if (got && answer_read(&an, line, &a) == 0 && (an.kind == ANSWER_TEXT || an.kind == ANSWER_ERROR))
            wbuf_printf(&plan, "%.*s%s", STR_ARG(an.text), an.kind == ANSWER_ERROR ? "\n" : "");
    }
    http_client_close(c->http);
    c->http = busy;
    live_plan(s->live, wbuf_view(&plan));
    wbuf_fini(&sql);
    wbuf_fini(&plan);
    arena_fini(&a);
}

/* Keys, Ctrl-C, --for: true when the user (or the clock) wants the query to end. */
static bool wants_to_leave(struct show *s)
{
    if (client_interrupted())
        return true;
    if (s->deadline_us && clock_mono_us() >= s->deadline_us)
        return true;
    char keys[32];
    ssize_t n = s->raw ? read(STDIN_FILENO, keys, sizeof keys) : 0;
    for (ssize_t i = 0; i < n; i++)
        if (live_key(s->live, keys[i]))
            return true;
    if (s->live && live_wants_plan(s->live))
        ask_plan(s);
    return false;
}

/* False: nobody reads our output any more. */
static bool wait_for_more(struct show *s)
{
    struct pollfd fds[3] = {{.fd = http_client_fd(s->c->http), .events = POLLIN},
                            {.fd = s->raw ? STDIN_FILENO : -1, .events = POLLIN},
                            {.fd = STDOUT_FILENO}};
    int timeout = s->live ? live_paint(s->live, clock_mono_us(), clock_wall_ms()) : -1;
    if (s->deadline_us) {
        int64_t left = (s->deadline_us - clock_mono_us()) / 1000 + 1;
        timeout = timeout < 0 || left < timeout ? (int)MAX(left, 0) : timeout;
    }
    return !shell_output_lost() && (poll(fds, 3, timeout) <= 0 || !(fds[2].revents & POLLERR));
}

static int lost(struct show *s, int err)
{
    end_rows(s);
    fprintf(stderr, "the connection to %s was lost: %s\n", s->c->target,
            err == E_CLOSED   ? "the server closed it"
            : err == E_SYNTAX ? "what answers there is no weir server"
                              : err_text(err));
    return EXIT_CONNECTION;
}

/* Reads answers until the request is done; ended: the user left. */
static int read_answers(struct show *s, bool *ended)
{
    for (;;) {
        struct str line;
        int got = http_client_line(s->c->http, &line);
        if (got == E_EOF)
            return s->exit_code;
        if (got < 0)
            return lost(s, got);
        if (got) {
            struct answer an;
            arena_reset(&s->arena);
            if (answer_read(&an, line, &s->arena) != 0)
                return lost(s, E_SYNTAX);
            show_answer(s, &an);
            continue;
        }
        if (wants_to_leave(s) || !wait_for_more(s)) {
            *ended = true;
            return s->exit_code;
        }
    }
}

/* JSON cannot carry anything else, so the server would not get to see it. */
static bool is_utf8(struct client *c, struct str sql)
{
    struct answer an = {.line = 1, .column = 1, .length = 1, .code = STR("22021"),
                        .hint = STR("statements are UTF-8; this text may be in another encoding")};
    char text[80];
    for (size_t at = 0, n; at < sql.len; at += n) {
        for (n = 1; n <= 4 && !(at + n <= sql.len && utf8_valid((struct str){sql.ptr + at, n}));)
            n++;
        if (n > 4) {
            snprintf(text, sizeof text, "the statement is not UTF-8: byte 0x%02x at line %lld, column %lld",
                     (unsigned char)sql.ptr[at], (long long)an.line, (long long)an.column);
            an.text = str_of(text);
            client_show_error(&c->screen, sql, &an);
            return false;
        }
        an.column = sql.ptr[at] == '\n' ? 1 : an.column + (int64_t)n;
        an.line += sql.ptr[at] == '\n';
    }
    return true;
}

int client_run(struct client *c, struct str sql)
{
    c->left = false;
    client_interrupted();
    if (!is_utf8(c, sql))
        return EXIT_STATEMENT;
    if (send_request(c, sql) != 0)
        return EXIT_CONNECTION;
    struct show s = {.c = c, .sql = sql};
    arena_init(&s.arena);
    wbuf_init(&s.statement);
    render_init(&s.render, c->mode, &c->screen);
    bool ended = false;
    int code = read_answers(&s, &ended);
    c->left = ended && !(s.deadline_us && clock_mono_us() >= s.deadline_us); /* its time is over: what follows is run */
    end_rows(&s);
    if (ended && s.left_out[0] && c->echo_messages)
        fprintf(stderr, "%s\n", s.left_out);
    render_fini(&s.render);
    arena_fini(&s.arena);
    wbuf_fini(&s.statement);
    if (ended || code == EXIT_CONNECTION) { /* closing the connection is how a query is ended */
        http_client_close(c->http);
        c->http = NULL;
    }
    return code;
}

int client_rows(struct client *c, struct str sql, struct arena *a, bool quiet, struct columns *cols, struct row **rows,
                unsigned *nrows)
{
    *nrows = 0;
    *rows = NULL;
    cols->n = 0;
    unsigned cap = 0;
    if (send_request(c, sql) != 0)
        return EXIT_CONNECTION;
    int code = EXIT_GOOD;
    for (;;) {
        struct str line;
        int got = http_client_line(c->http, &line);
        if (got == E_EOF)
            return code;
        struct answer an;
        if (got < 0 || (got && answer_read(&an, line, a) != 0)) {
            http_client_close(c->http);
            c->http = NULL;
            return EXIT_CONNECTION;
        }
        if (!got) {
            struct pollfd pfd = {.fd = http_client_fd(c->http), .events = POLLIN};
            poll(&pfd, 1, -1);
            continue;
        }
        if (an.kind == ANSWER_COLUMNS)
            columns_copy(cols, &an, a);
        for (unsigned i = 0; an.kind == ANSWER_ROWS && i < an.nrows; i++)
            VEC_PUSH(*rows, *nrows, cap) = row_copy(&an, i, a);
        if (an.kind == ANSWER_ERROR) {
            code = EXIT_STATEMENT;
            if (!quiet)
                client_show_error(&c->screen, sql, &an);
        }
    }
}
