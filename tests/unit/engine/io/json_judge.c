/* Reads texts (4 bytes of big-endian length, then the bytes) from standard input and says of each, on a line:
 * "refused", or what it is: for a number its value as a DOUBLE, for a string its bytes in hex, else "sound". For
 * json_python.py. */
#include "engine/vec/vec.h"
#include "log/base/alloc.h"
#include <stdio.h>
#include <stdlib.h>

static void judge(struct str s, struct arena *a, struct wbuf *out)
{
    struct json whole = json_of(s), first = json_of(s);
    json_skip(&whole);
    if (whole.r.err || json_next(&whole, NULL).kind != JSON_END) {
        wbuf_str(out, STR("refused"));
        return;
    }
    struct json_token t = json_next(&first, a);
    double f;
    if (t.kind == JSON_NUMBER && double_parse(t.text, &f))
        out->len += double_format(f, (char *)wbuf_room(out, DOUBLE_TEXT));
    else if (t.kind == JSON_STRING)
        hex_encode(t.text, out);
    else
        wbuf_str(out, STR("sound"));
}

int main(void)
{
    uint8_t head[4];
    struct wbuf out;
    wbuf_init(&out);
    while (fread(head, 1, 4, stdin) == 4) {
        size_t n = be32(head);
        char *text = xalloc(n + 1);
        struct arena a;
        if (fread(text, 1, n, stdin) != n)
            return 1;
        arena_init(&a);
        wbuf_reset(&out);
        judge((struct str){text, n}, &a, &out);
        printf("%.*s\n", STR_ARG(wbuf_view(&out)));
        arena_fini(&a);
        xfree(text);
    }
    wbuf_fini(&out);
    return 0;
}
