#include "tests/lib/sqlworld.h"

#include "log/cluster/image.h"

void sqlworld_init(struct sqlworld *w)
{
    *w = (struct sqlworld){0};
    config_init(&w->conf);
    w->image = image_first((struct uuid){{1}});
    settings_init(&w->props);
    settings_init(&w->vars);
    random_seed(&w->random, 7);
    arena_init(&w->arena);
}

void sqlworld_fini(struct sqlworld *w)
{
    prepared_fini(&w->last);
    counted_release(&w->image->c);
    settings_fini(&w->props);
    settings_fini(&w->vars);
    arena_fini(&w->arena);
    config_fini(&w->conf);
}

static int apply(struct sqlworld *w, const struct change *ch)
{
    struct draft *draft = draft_new(w->image, &w->conf);
    for (unsigned i = 0; i < ch->n; i++) {
        int err = draft_apply(draft, wbuf_view(&ch->records[i]), true, &w->diag);
        if (err) {
            draft_free(draft);
            return err;
        }
    }
    struct image *next = draft_seal(draft, w->image->version + ch->n, NULL);
    counted_release(&w->image->c);
    w->image = next;
    return 0;
}

int sqlworld_run(struct sqlworld *w, struct str sql)
{
    prepared_fini(&w->last);
    arena_reset(&w->arena);
    w->last = (struct prepared){0};
    w->diag = (struct diag){0};
    struct statement_env env = {.image = w->image,
                                .props = &w->props,
                                .vars = &w->vars,
                                .random = &w->random,
                                .now_ms = 1700000000000,
                                .default_partitions = 4};
    int err = statement_prepare(&w->last, sql, &env, &w->arena, &w->diag);
    if (err)
        return err;
    if (w->last.kind == PREPARED_SET)
        settings_put(&w->props, w->last.name, w->last.value);
    if (w->last.kind == PREPARED_DEFINE)
        settings_put(&w->vars, w->last.name, w->last.value);
    return w->last.has_change ? apply(w, &w->last.change) : 0;
}

static void show_rows(const struct row_table *t, struct wbuf *out)
{
    for (unsigned r = 0; r < t->nrows; r++) {
        for (unsigned c = 0; c < t->schema.n; c++) {
            if (c)
                wbuf_str(out, STR(" | "));
            if (!t->rows[r][c].null)
                value_format(&t->rows[r][c], out);
        }
        while (out->len && out->data[out->len - 1] == ' ')
            out->len--;
        wbuf_u8(out, '\n');
    }
}

static void show_query(const struct prepared *p, struct wbuf *out)
{
    wbuf_printf(out, "%s query (", p->push ? "push" : "pull");
    for (unsigned i = 0; i < p->schema.n; i++) {
        char type[TYPE_TEXT];
        type_format(p->schema.cols[i].type, type);
        wbuf_printf(out, "%s%s %s", i ? ", " : "", p->schema.cols[i].name, type);
    }
    wbuf_printf(out, ")%s\n", p->changes ? " with changes" : "");
    plan_print(p->plan, NULL, out);
}

/* Text as it is, other bytes as \xNN. */
static void show_bytes(struct str s, struct wbuf *out)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] >= ' ' && s.ptr[i] < 127)
            wbuf_u8(out, (uint8_t)s.ptr[i]);
        else
            wbuf_printf(out, "\\x%02x", (unsigned char)s.ptr[i]);
    if (!s.ptr)
        wbuf_str(out, STR("null"));
}

static void show_records(const struct prepared *p, struct wbuf *out)
{
    for (unsigned i = 0; i < p->nrecords; i++) {
        const struct insert_record *r = &p->records[i];
        wbuf_printf(out, "%s @%" PRId64 ": ", p->topic_name, r->ts_ms);
        show_bytes(r->key, out);
        wbuf_str(out, STR(" = "));
        show_bytes(r->value, out);
        wbuf_u8(out, '\n');
    }
}

void sqlworld_show(struct sqlworld *w, int err, struct str sql, struct wbuf *out)
{
    const struct prepared *p = &w->last;
    if (err) {
        diag_show(&w->diag, sql, out);
        return;
    }
    if (p->kind == PREPARED_QUERY)
        show_query(p, out);
    if (p->kind == PREPARED_ROWS)
        show_rows(&p->rows, out);
    if (p->kind == PREPARED_INSERT)
        show_records(p, out);
    if (p->kind == PREPARED_PRINT)
        wbuf_printf(out, "print %s%s, limit %" PRId64 "\n", p->topic_name, p->from_beginning ? " from beginning" : "",
                    p->limit);
    if (p->message)
        wbuf_printf(out, "%s\n", p->message);
}
