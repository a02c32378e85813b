#include "sql/shell/repl.h"

#include "sql/parse/parse.h"

/* Relations, their columns, topics and functions, as the server answers SHOW; asked again after a statement ran. */
struct words {
    struct client *c;
    struct arena arena;
    const char **names;
    unsigned n, cap;
    bool fresh;
};

#define RELATIONS_MAX 200 /* more are completed by name only, not by column */

struct words *words_new(struct client *c)
{
    struct words *w = xzalloc(sizeof *w);
    w->c = c;
    arena_init(&w->arena);
    return w;
}

void words_free(struct words *w)
{
    arena_fini(&w->arena);
    xfree(w->names);
    xfree(w);
}

void words_stale(struct words *w) { w->fresh = false; }

#define SYS_NAMES STR("SHOW TABLES FROM sys;")

static void add_rows(struct words *w, struct str sql, bool with_columns);

static void add_columns(struct words *w, const char *relation, bool bare)
{
    struct wbuf sql;
    wbuf_init(&sql);
    wbuf_str(&sql, STR("DESCRIBE "));
    if (bare) /* sys.jobs */
        wbuf_str(&sql, str_of(relation));
    else
        ast_print_name(str_of(relation), &sql);
    wbuf_u8(&sql, ';');
    add_rows(w, wbuf_view(&sql), false);
    wbuf_fini(&sql);
}

static void add_rows(struct words *w, struct str sql, bool with_columns)
{
    struct columns cols;
    struct row *rows;
    unsigned n;
    if (client_rows(w->c, sql, &w->arena, true, &cols, &rows, &n) == EXIT_GOOD && cols.n)
        for (unsigned i = 0; i < n; i++) {
            VEC_PUSH(w->names, w->n, w->cap) = arena_printf(&w->arena, "%.*s", STR_ARG(rows[i].cells[0].text));
            if (with_columns && i < RELATIONS_MAX)
                add_columns(w, w->names[w->n - 1], str_eq(sql, SYS_NAMES));
        }
    xfree(rows);
}

static void refresh(struct words *w)
{
    arena_reset(&w->arena);
    w->n = 0;
    add_rows(w, STR("SHOW STREAMS;"), true);
    add_rows(w, STR("SHOW TABLES;"), true);
    add_rows(w, SYS_NAMES, true);
    add_rows(w, STR("SHOW TOPICS;"), false);
    add_rows(w, STR("SHOW FUNCTIONS;"), false);
    add_rows(w, STR("SHOW JOBS;"), false);
    add_rows(w, STR("SHOW SAVEPOINTS;"), false);
    w->fresh = true;
}

static bool begins(const char *word, struct str prefix)
{
    size_t n = strlen(word);
    return n >= prefix.len && str_eq_nocase((struct str){word, prefix.len}, prefix);
}

void words_each(struct words *w, struct str prefix, void (*each_cb)(void *arg, const char *word), void *arg)
{
    if (!w->fresh)
        refresh(w);
    for (unsigned i = 0; i < w->n; i++) {
        bool before = false; /* columns of the same name in several relations */
        for (unsigned j = 0; j < i && !before; j++)
            before = strcmp(w->names[i], w->names[j]) == 0;
        if (!before && begins(w->names[i], prefix))
            each_cb(arg, w->names[i]);
    }
    const char *word;
    for (unsigned i = 0; (word = lex_keyword(i)) != NULL; i++)
        if (begins(word, prefix))
            each_cb(arg, word);
}
