/* Lines of a session's answer: sql/README.md, "Session API". */
#include "sql/serve/session.h"

size_t tell_line(struct session *s)
{
    wbuf_u8(&s->out, '\n');
    size_t queued = http_write(s->req, wbuf_view(&s->out));
    wbuf_reset(&s->out);
    return queued;
}

static void begin(struct session *s, const char *kind)
{
    wbuf_reset(&s->out);
    wbuf_printf(&s->out, "{\"kind\":\"%s\"", kind);
}

static size_t end(struct session *s)
{
    wbuf_u8(&s->out, '}');
    return tell_line(s);
}

static void put(struct session *s, const char *name, struct str text)
{
    wbuf_printf(&s->out, ",\"%s\":", name);
    if (text.ptr)
        json_put_str(&s->out, text);
    else
        wbuf_str(&s->out, STR("null"));
}

static void put_number(struct session *s, const char *name, int64_t v)
{
    wbuf_printf(&s->out, ",\"%s\":%" PRId64, name, v);
}

size_t tell_statement(struct session *s)
{
    begin(s, "statement");
    put_number(s, "index", s->index);
    put(s, "text", s->statement);
    return end(s);
}

size_t tell_message(struct session *s, const char *text)
{
    begin(s, "message");
    put(s, "text", str_of(text));
    return end(s);
}

size_t tell_text(struct session *s, struct str text)
{
    begin(s, "text");
    put(s, "text", text);
    return end(s);
}

size_t tell_columns(struct session *s, const char *query, bool updates, bool latest, const struct schema *sc,
                    const bool *keys)
{
    begin(s, "columns");
    wbuf_str(&s->out, STR(",\"columns\":["));
    for (unsigned i = 0; i < sc->n; i++) {
        wbuf_str(&s->out, i ? STR(",{\"name\":") : STR("{\"name\":"));
        json_put_str(&s->out, str_of(sc->cols[i].name));
        wbuf_str(&s->out, STR(",\"type\":"));
        struct wbuf type;
        wbuf_init(&type);
        type_put(sc->cols[i].type, &type);
        json_put_str(&s->out, wbuf_view(&type));
        wbuf_fini(&type);
        wbuf_printf(&s->out, ",\"key\":%s}", keys && keys[i] ? "true" : "false");
    }
    wbuf_printf(&s->out, "],\"query\":\"%s\",\"updates\":%s,\"from\":\"%s\"", query, updates ? "true" : "false",
                latest ? "latest" : "earliest");
    return end(s);
}

size_t tell_rows(struct session *s, const struct batch *b, unsigned n, uint32_t max)
{
    uint32_t rows = MIN(b->nsel, max);
    begin(s, "rows");
    wbuf_str(&s->out, STR(",\"rows\":["));
    for (uint32_t i = 0; i < rows; i++) {
        wbuf_str(&s->out, i ? STR(",[") : STR("["));
        for (unsigned c = 0; c < n; c++) {
            struct value v = batch_value(b, c, batch_row(b, i));
            if (c)
                wbuf_u8(&s->out, ',');
            json_put_value(&s->out, &v);
        }
        wbuf_u8(&s->out, ']');
    }
    wbuf_u8(&s->out, ']');
    if (b->weight) {
        wbuf_str(&s->out, STR(",\"ops\":\""));
        for (uint32_t i = 0; i < rows; i++)
            wbuf_u8(&s->out, batch_weight(b, batch_row(b, i)) < 0 ? '-' : '+');
        wbuf_u8(&s->out, '"');
    }
    return end(s);
}

size_t tell_table(struct session *s, const struct row_table *t)
{
    begin(s, "rows");
    wbuf_str(&s->out, STR(",\"rows\":["));
    for (unsigned i = 0; i < t->nrows; i++) {
        wbuf_str(&s->out, i ? STR(",[") : STR("["));
        for (unsigned c = 0; c < t->schema.n; c++) {
            if (c)
                wbuf_u8(&s->out, ',');
            json_put_value(&s->out, &t->rows[i][c]);
        }
        wbuf_u8(&s->out, ']');
    }
    wbuf_u8(&s->out, ']');
    return end(s);
}

size_t tell_progress(struct session *s, const struct job_status *st, const char *why, const char *left_out)
{
    begin(s, "progress");
    put_number(s, "rows_in", (int64_t)st->rows_in);
    wbuf_printf(&s->out, ",\"rows_per_s\":%.1f", st->rows_per_s);
    put_number(s, "rows_out", (int64_t)st->rows_out);
    put_number(s, "lag", st->lag);
    if (st->watermark_ms == INT64_MIN)
        put(s, "watermark_ms", STR_NULL);
    else
        put_number(s, "watermark_ms", st->watermark_ms);
    put_number(s, "state_bytes", (int64_t)st->state_bytes);
    put_number(s, "state_rows", (int64_t)st->state_rows);
    put(s, "why", str_of(why));
    if (left_out)
        put(s, "left_out", str_of(left_out));
    return end(s);
}

size_t tell_set(struct session *s, const char *what, struct str name, struct str value)
{
    begin(s, "set");
    put(s, "name", name);
    put(s, "value", value);
    put(s, "what", str_of(what));
    return end(s);
}

size_t tell_done(struct session *s)
{
    begin(s, "done");
    put_number(s, "rows", s->rows);
    put_number(s, "ms", (loop_now_us(s->loop) - s->started_us) / 1000);
    return end(s);
}

size_t tell_error(struct session *s)
{
    const struct diag *d = &s->diag;
    begin(s, "error");
    put(s, "code", str_of(d->code));
    put(s, "message", str_of(d->text));
    put(s, "hint", d->hint[0] ? str_of(d->hint) : STR_NULL);
    put_number(s, "line", d->line);
    put_number(s, "column", d->column);
    put_number(s, "length", d->length);
    return end(s);
}
