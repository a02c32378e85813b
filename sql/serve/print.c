/* PRINT topic: records as they are, each with a guess at what its bytes mean. */
#include "log/wire/recbatch.h"
#include "sql/serve/session.h"

struct print_part {
    struct print *print;
    struct reader *reader;
    int64_t from; /* next offset to tell; -1: the reader has not found its place yet */
    int64_t end;  /* where to stop if the query ends when caught up; -1: not known yet */
    int64_t held; /* records there were when end became known */
    bool caught_up;
};
struct print {
    struct session *s; /* NULL: over */
    unsigned n;
    struct print_part *parts;
    bool full, posted, placed; /* placed: what was there is known and told of */
    int64_t left; /* records still wanted; -1: no limit */
    struct msg msg;
    struct compress *compress;
    struct wbuf room;
};

/* ---- Guesses. */
static bool is_text(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' && !strchr("\t\r\n", s.ptr[i]))
            return false;
    return utf8_valid(s);
}

static bool is_json(struct str s)
{
    struct str t = str_trim(s);
    if (!t.len || !strchr("{[", t.ptr[0]))
        return false;
    struct json j = json_of(t);
    json_skip(&j);
    return !j.r.err && rbuf_left(&j.r) == 0;
}

/* Eight bytes at the end that are a time between 1990 and 2100: the start of a window after a key. */
static bool has_window(struct str s)
{
    int64_t ms = s.len > 8 ? (int64_t)be64(s.ptr + s.len - 8) : 0;
    return ms > INT64_C(631152000000) && ms < INT64_C(4102444800000);
}

static const char *guess(struct str s)
{
    if (!s.ptr)
        return "NULL";
    if (is_json(s))
        return "JSON";
    if (is_text(s))
        return "KAFKA_STRING";
    if (s.len == 4)
        return "KAFKA_INT";
    if (s.len == 8)
        return "KAFKA_BIGINT";
    if (has_window(s) && is_text((struct str){s.ptr, s.len - 8}))
        return "WINDOWED(KAFKA_STRING)";
    return "BYTES";
}

static void put_bytes(struct session *s, const char *name, struct str bytes, const char *format)
{
    wbuf_printf(&s->out, ",\"%s\":", name);
    if (!bytes.ptr) {
        wbuf_str(&s->out, STR("null"));
        return;
    }
    struct wbuf text;
    wbuf_init(&text);
    if (strcmp(format, "KAFKA_INT") == 0) {
        wbuf_printf(&text, "%" PRId32, (int32_t)be32(bytes.ptr));
    } else if (strcmp(format, "KAFKA_BIGINT") == 0) {
        wbuf_printf(&text, "%" PRId64, (int64_t)be64(bytes.ptr));
    } else if (strcmp(format, "BYTES") == 0) {
        wbuf_str(&text, STR("0x"));
        hex_encode(bytes, &text);
    } else if (format[0] == 'W') {
        char at[TIMESTAMP_TEXT];
        size_t n = timestamp_format((int64_t)be64(bytes.ptr + bytes.len - 8), at);
        wbuf_printf(&text, "%.*s@%.*s", (int)bytes.len - 8, bytes.ptr, (int)n, at);
    } else {
        wbuf_str(&text, bytes);
    }
    json_put_str(&s->out, wbuf_view(&text));
    wbuf_fini(&text);
}

static void put_headers(struct session *s, struct record *rec)
{
    struct record_header h;
    wbuf_str(&s->out, STR(",\"headers\":["));
    for (bool first = true; record_header_next(rec, &h) == 1; first = false) {
        wbuf_str(&s->out, first ? STR("[") : STR(",["));
        json_put_str(&s->out, utf8_valid(h.key) ? h.key : STR("?"));
        wbuf_u8(&s->out, ',');
        if (!h.value.ptr)
            wbuf_str(&s->out, STR("null"));
        else if (utf8_valid(h.value))
            json_put_str(&s->out, h.value);
        else
            wbuf_str(&s->out, STR("\"(bytes)\""));
        wbuf_u8(&s->out, ']');
    }
    wbuf_u8(&s->out, ']');
}

static size_t tell_record(struct session *s, struct record *rec, int32_t partition)
{
    const char *key = guess(rec->key), *value = guess(rec->value);
    wbuf_reset(&s->out);
    wbuf_printf(&s->out,
                "{\"kind\":\"record\",\"partition\":%" PRId32 ",\"offset\":%" PRId64 ",\"timestamp_ms\":%" PRId64,
                partition, rec->offset, rec->ts_ms);
    put_bytes(s, "key", rec->key, key);
    put_bytes(s, "value", rec->value, value);
    put_headers(s, rec);
    wbuf_printf(&s->out, ",\"key_format\":\"%s\",\"value_format\":\"%s\"}", key, value);
    return tell_line(s);
}

/* ---- Reading. */
static void pump(struct print *p);

static void free_print(struct print *p)
{
    wbuf_fini(&p->room);
    compress_free(p->compress);
    xfree(p->parts);
    xfree(p);
}

void print_end(struct session *s)
{
    struct print *p = s->print;
    if (!p)
        return;
    s->print = NULL;
    p->s = NULL;
    for (unsigned i = 0; i < p->n; i++)
        reader_close(p->parts[i].reader);
    if (!p->posted)
        free_print(p);
}

static void pump_cb(struct msg *m)
{
    struct print *p = container_of(m, struct print, msg);
    p->posted = false;
    if (p->s)
        pump(p);
    else
        free_print(p);
}

static void pump_later(struct print *p)
{
    if (p->posted)
        return;
    p->posted = true;
    p->msg.run_cb = pump_cb;
    loop_post(p->s->loop, &p->msg);
}

static void ready_cb(void *arg) { pump_later(((struct print_part *)arg)->print); }

void print_drained(struct session *s)
{
    s->print->full = false;
    pump_later(s->print);
}

static bool is_over(const struct print *p)
{
    bool caught_up = p->s->until_caught_up;
    for (unsigned i = 0; i < p->n; i++)
        caught_up &= p->parts[i].caught_up;
    return p->left == 0 || caught_up;
}

static int tell_batch(struct print *p, struct print_part *part, const struct recbatch *rb)
{
    struct recbatch_iter it;
    struct record rec;
    wbuf_reset(&p->room);
    if (rb->attributes & RECBATCH_CONTROL)
        return 0;
    int err = recbatch_iter(&it, rb, p->compress, &p->room, INFLATED_MAX);
    while (!err && p->left != 0 && recbatch_next(&it, &rec)) {
        if (rec.offset < part->from)
            continue;
        p->full |= tell_record(p->s, &rec, (int32_t)(part - p->parts)) > ANSWER_HIGH;
        p->s->rows++;
        p->left -= p->left > 0;
    }
    return err ? err : p->left == 0 ? 0 : recbatch_iter_err(&it);
}

static void find_end(struct print_part *part)
{
    part->end = reader_end(part->reader);
    part->held = part->end < 0 ? 0 : part->end - reader_start(part->reader);
}

/* Nothing may come for long: what was there at the start is told of, once it is known of all partitions. */
static void tell_place(struct print *p)
{
    struct session *s = p->s;
    int64_t held = 0;
    for (unsigned i = 0; i < p->n; i++) {
        if (p->parts[i].end < 0)
            return;
        held += p->parts[i].held;
    }
    p->placed = true;
    if (held && s->p.from_beginning)
        return;
    struct wbuf name;
    wbuf_init(&name);
    ast_print_name(str_of(s->p.topic_name), &name);
    struct str n = wbuf_view(&name);
    tell_message(s, held ? arena_printf(&s->memory,
                                        "reading topic %s from its end; PRINT %.*s FROM BEGINNING shows the %lld record%s from before",
                                        s->p.topic_name, STR_ARG(n), (long long)held, held == 1 ? "" : "s")
                         : arena_printf(&s->memory, "topic %s is empty", s->p.topic_name));
    wbuf_fini(&name);
}

/* One piece of one partition. 1: there may be more; 0: none now. */
static int tell_part(struct print *p, struct print_part *part)
{
    struct str bytes;
    int64_t before = reader_offset(part->reader);
    if (before >= 0)
        part->from = MAX(part->from, before);
    int rc = reader_next(part->reader, &bytes);
    if (rc == E_OFFSET_RANGE) {
        reader_seek(part->reader, -2);
        return 1;
    }
    if (part->end < 0)
        find_end(part);
    while (rc == 1 && bytes.len && p->left != 0) {
        struct recbatch rb;
        if (recbatch_peek(&rb, bytes) != 0)
            return E_CORRUPT;
        int err = tell_batch(p, part, &rb);
        if (err)
            return err;
        bytes = (struct str){bytes.ptr + rb.size, bytes.len - rb.size};
    }
    part->caught_up = rc == 0 && part->end >= 0 && (part->end == 0 || reader_offset(part->reader) >= part->end);
    return rc;
}

static void pump(struct print *p)
{
    struct session *s = p->s;
    bool more = false;
    for (unsigned i = 0; i < p->n && !p->full && p->left != 0; i++) {
        int rc = tell_part(p, &p->parts[i]);
        if (rc < 0) {
            print_end(s);
            session_error(s, rc, "58030", "partition %u cannot be read: %s", i, err_text(rc));
            session_fail(s);
            return;
        }
        more |= rc == 1;
    }
    if (!p->placed)
        tell_place(p);
    if (is_over(p)) {
        print_end(s);
        session_done(s);
    } else if (more && !p->full) {
        pump_later(p);
    }
}

void print_begin(struct session *s)
{
    const struct topic *t = image_topic_by_id(s->image, s->p.topic);
    if (!t) {
        session_error(s, E_NO_TOPIC, "42P01", "topic \"%s\" was deleted", s->p.topic_name);
        session_fail(s);
        return;
    }
    struct print *p = s->print = xzalloc(sizeof *p);
    p->s = s;
    p->left = s->p.limit;
    if (s->limit >= 0 && (p->left < 0 || s->limit < p->left))
        p->left = s->limit;
    p->compress = compress_new();
    wbuf_init(&p->room);
    p->parts = xzalloc(sizeof *p->parts * (size_t)t->nparts);
    for (; p->n < (unsigned)t->nparts; p->n++) {
        struct print_part *part = &p->parts[p->n];
        *part = (struct print_part){.print = p, .from = -1, .end = -1};
        int64_t from = s->p.from_beginning ? -2 : -1;
        if (reader_open(&part->reader, t->parts[p->n], s->loop, from, READ_COMMITTED, ready_cb, part) != 0)
            CHECK(!"a reader opens at its ends");
    }
    pump_later(p);
}
