/* Golden tests of the SQL compiler: golden DIR... runs every DIR/x.sql on an empty catalog and compares with DIR/x.out:
 * each statement after "> ", then what it gave. UPDATE=1 writes the .out files instead: look at the difference before
 * you commit. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/sqlworld.h"

static bool read_file(const char *path, struct wbuf *out)
{
    FILE *f = fopen(path, "rb");
    size_t n;
    if (!f)
        return false;
    while ((n = fread(wbuf_room(out, 65536), 1, 65536, f)) > 0)
        out->len += n;
    fclose(f);
    return true;
}

static void echo(struct str statement, struct wbuf *out)
{
    wbuf_str(out, STR("> "));
    for (size_t i = 0; i < statement.len; i++) {
        wbuf_u8(out, (uint8_t)statement.ptr[i]);
        if (statement.ptr[i] == '\n')
            wbuf_str(out, STR("> "));
    }
    wbuf_u8(out, '\n');
}

static void run(struct str script, struct wbuf *out)
{
    struct sqlworld w;
    struct str statement;
    size_t pos = 0;
    sqlworld_init(&w);
    while (lex_split(script, &pos, &statement)) {
        echo(statement, out);
        sqlworld_show(&w, sqlworld_run(&w, statement), statement, out);
        wbuf_u8(out, '\n');
    }
    sqlworld_fini(&w);
}

static int difference(const char *path, struct str want, struct str got)
{
    int line = 1;
    size_t i = 0;
    for (; i < want.len && i < got.len && want.ptr[i] == got.ptr[i]; i++)
        line += want.ptr[i] == '\n';
    size_t start = i;
    while (start > 0 && got.ptr[start - 1] != '\n')
        start--;
    const char *w_end = memchr(want.ptr + i, '\n', want.len - i), *g_end = memchr(got.ptr + i, '\n', got.len - i);
    printf("%s:%d:\n  want: %.*s\n  got:  %.*s\n", path, line,
           (int)((w_end ? w_end : want.ptr + want.len) - (want.ptr + start)), want.ptr + start,
           (int)((g_end ? g_end : got.ptr + got.len) - (got.ptr + start)), got.ptr + start);
    return 1;
}

static int check(const char *path)
{
    struct wbuf script, want, got;
    char out[4096];
    int bad = 0;
    wbuf_init(&script), wbuf_init(&want), wbuf_init(&got);
    snprintf(out, sizeof out, "%.*s.out", (int)(strlen(path) - 4), path);
    CHECK(read_file(path, &script));
    run(wbuf_view(&script), &got);
    if (getenv("UPDATE")) {
        FILE *f = fopen(out, "wb");
        CHECK(f && fwrite(got.data, 1, got.len, f) == got.len);
        fclose(f);
    } else if (!read_file(out, &want)) {
        printf("%s: missing; UPDATE=1 writes it\n", out);
        bad = 1;
    } else if (want.len != got.len || memcmp(want.data, got.data, got.len) != 0) {
        bad = difference(out, wbuf_view(&want), wbuf_view(&got));
    }
    wbuf_fini(&script), wbuf_fini(&want), wbuf_fini(&got);
    return bad;
}

int main(int argc, char **argv)
{
    int bad = 0, n = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        CHECK(dir != NULL);
        for (struct dirent *e; (e = readdir(dir)) != NULL;) {
            char path[4096];
            size_t len = strlen(e->d_name);
            if (len < 5 || strcmp(e->d_name + len - 4, ".sql") != 0)
                continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            bad += check(path);
            n++;
        }
        closedir(dir);
    }
    printf("%d files, %d differ\n", n, bad);
    return bad || !n;
}
