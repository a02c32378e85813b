#include "engine/run/letters.h"
#include "engine/run/job.h"
#include "log/base/fault.h"
#include "log/base/limits.h"
#include "log/base/trace.h"
#include "log/wire/recbatch.h"
#include <stdio.h>

#define HEADER "__weir.errors."
#define KEEP_MS "2592000000" /* letters, unless the topic is told otherwise: 30 days */
#define LETTER_MAX "16777216"

/* A letter that waits for its topic: two texts, key and value may be null. */
struct letter {
    struct list link;
    int64_t ts_ms;
    struct str key, value, headers;
    uint32_t headers_n;
    char bytes[];
};

/* ---- notes */

static struct bad_note *note_new(struct bad_log **log)
{
    if (!*log)
        *log = xzalloc(sizeof **log);
    return &(*log)->notes[(*log)->n++ % BAD_NOTES];
}

/* Text as it stands, other bytes in hexadecimal. */
static void excerpt(struct str s, char *out, size_t cap)
{
    size_t n = 0;
    if (!s.ptr) {
        snprintf(out, cap, "null");
        return;
    }
    bool text = utf8_valid(s);
    if (!text)
        n = (size_t)snprintf(out, cap, "0x");
    for (size_t i = 0; i < s.len && n + 8 < cap; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (text)
            out[n++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
        else
            n += (size_t)snprintf(out + n, cap - n, "%02x", c);
    }
    while (text && n < s.len && n && ((unsigned char)s.ptr[n] & 0xc0) == 0x80) /* not half a character */
        n--;
    snprintf(out + n, cap - n, "%s", (text ? n : (n - 2) / 2) < s.len ? "..." : "");
}

static void note(struct task *t, const struct bad *b, enum bad_action action)
{
    struct bad_note *n = note_new(&t->bad);
    *n = (struct bad_note){.at_ms = loop_wall_ms(t->loop), .ts_ms = b->ts_ms, .offset = b->offset,
                           .partition = b->partition, .kind = b->kind, .action = action};
    snprintf(n->stage, sizeof n->stage, "%s", b->stage);
    snprintf(n->topic, sizeof n->topic, "%s", b->topic ? b->topic : "");
    snprintf(n->text, sizeof n->text, "%s", b->text);
    if (b->kind != BAD_LOST)
        excerpt(b->kind == BAD_KEY ? b->key : b->value, n->value, sizeof n->value);
    t->bad->counts[b->kind] += b->kind == BAD_LOST ? b->lost : 1;
}

void bad_log_add(struct bad_log **to, const struct bad_log *from)
{
    if (!from)
        return;
    for (unsigned i = from->n > BAD_NOTES ? from->n - BAD_NOTES : 0; i < from->n; i++) {
        const struct bad_note *n = &from->notes[i % BAD_NOTES];
        if (!*to)
            *to = xzalloc(sizeof **to);
        /* The oldest makes room. */
        struct bad_note *at = &(*to)->notes[0];
        unsigned have = MIN((*to)->n, (unsigned)BAD_NOTES);
        for (unsigned k = 0; k < have; k++)
            if ((*to)->notes[k].at_ms < at->at_ms)
                at = &(*to)->notes[k];
        if (have < BAD_NOTES)
            *note_new(to) = *n;
        else if (n->at_ms >= at->at_ms)
            *at = *n;
    }
    for (unsigned k = 0; k < BAD_KINDS; k++)
        (*to)->counts[k] += from->counts[k];
}

/* ---- letters */

static void put_header(struct wbuf *w, const char *name, struct str value)
{
    wbuf_varint(w, (int64_t)(strlen(name) + strlen(HEADER)));
    wbuf_str(w, STR(HEADER));
    wbuf_str(w, str_of(name));
    wbuf_varint(w, (int64_t)value.len);
    wbuf_str(w, value);
}

static void put_number(struct wbuf *w, const char *name, int64_t n)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, n);
    put_header(w, name, str_of(digits));
}

/* The record's own headers, then ours; gives how many. */
static uint32_t put_headers(struct task *t, const struct bad *b, size_t omitted, struct wbuf *w)
{
    uint32_t n = b->headers_n;
    wbuf_str(w, b->headers);
    if (b->topic) {
        put_header(w, "topic", str_of(b->topic));
        put_number(w, "partition", b->partition);
        put_number(w, "offset", b->offset);
        n += 3;
    }
    if (b->ts_ms >= 0) {
        put_number(w, "timestamp", b->ts_ms);
        n++;
    }
    put_header(w, "job.name", str_of(t->job->def.name));
    put_header(w, "stage", str_of(b->stage));
    put_header(w, "class.name", str_of(bad_kind_name(b->kind)));
    put_header(w, "exception.message", str_of(b->text));
    n += 4;
    if (omitted) {
        put_number(w, "value.omitted", (int64_t)omitted);
        n++;
    }
    return n;
}

static void write_letter(struct task *t, int64_t ts_ms, struct str key, struct str value, struct str headers, uint32_t n)
{
    if (!t->letterbox.writer && !task_output_open(t, &t->letterbox, t->letter_part))
        return;
    writer_record_headers(t->letterbox.writer, ts_ms, key, value, headers, n);
    task_output_wrote(t, &t->letterbox, key.len + value.len + headers.len + 16, true);
}

static struct str keep(struct letter *l, size_t *at, struct str s)
{
    if (!s.ptr)
        return s;
    char *to = l->bytes + *at;
    if (s.len)
        memcpy(to, s.ptr, s.len);
    *at += s.len;
    return (struct str){to, s.len};
}

static void wants_cb(struct msg *m);

static void keep_letter(struct task *t, int64_t ts_ms, struct str key, struct str value, struct str headers, uint32_t n)
{
    struct letter *l = xzalloc(sizeof *l + key.len + value.len + headers.len);
    size_t at = 0;
    list_init(&l->link);
    l->ts_ms = ts_ms;
    l->key = keep(l, &at, key);
    l->value = keep(l, &at, value);
    l->headers = keep(l, &at, headers);
    l->headers_n = n;
    list_add_tail(&t->letters, &l->link);
    if (t->letter_asked)
        return;
    t->letter_asked = true;
    t->wants_letters.task = t;
    t->wants_letters.msg.run_cb = wants_cb;
    loop_post(t->job->home, &t->wants_letters.msg);
}

static void send_letter(struct task *t, const struct bad *b)
{
    struct wbuf headers;
    struct str key = b->key, value = b->value;
    size_t max = (size_t)strtoull(LETTER_MAX, NULL, 10) / 2, omitted = 0;
    wbuf_init(&headers);
    if (t->letterbox.writer)
        max = t->letterbox.record_max / 2;
    if (key.len + value.len + b->headers.len > max) {
        omitted = value.len;
        value = STR_NULL;
    }
    if (key.len > max)
        key = STR_NULL;
    uint32_t n = put_headers(t, b, omitted, &headers);
    void (*give)(struct task *, int64_t, struct str, struct str, struct str, uint32_t) =
        t->letter_part ? write_letter : keep_letter;
    give(t, loop_wall_ms(t->loop), key, value, wbuf_view(&headers), n);
    wbuf_fini(&headers);
}

/* ---- one bad record */

static bool is_skipped(const struct job *j, const struct bad *b)
{
    for (unsigned i = 0; b->topic && i < j->def.nskips; i++) {
        const struct job_skip *s = &j->def.skips[i];
        if (s->partition == b->partition && s->offset == b->offset && strcmp(s->topic, b->topic) == 0)
            return true;
    }
    return false;
}

static void stop(struct task *t, const struct bad *b)
{
    const char *name = t->job->def.name;
    if (b->topic)
        task_fail(t, E_BAD_RECORD,
                  "%s at topic %s, partition %d, offset %" PRId64 ": %.120s; weir job skip %s leaves this record out, "
                  "weir job resume %s --errors dead-letter all such",
                  bad_kind_name(b->kind), b->topic, b->partition, b->offset, b->text, name, name);
    else
        task_fail(t, E_BAD_RECORD, "%s: %.160s; weir job resume %s --errors dead-letter goes on without such rows",
                  bad_kind_name(b->kind), b->text, name);
}

void task_bad(struct task *t, const struct bad *b)
{
    const struct job_def *def = &t->job->def;
    if (t->fail_status) /* what follows belongs to an epoch that will never be */
        return;
    enum bad_action action = b->kind == BAD_LATE ? BAD_LETTER
                             : def->tolerance == TOLERATE_SKIP                              ? BAD_SKIPPED
                             : def->tolerance == TOLERATE_STOP && !is_skipped(t->job, b) ? BAD_STOPPED
                                                                                         : BAD_LETTER;
    if (b->kind == BAD_LOST && action == BAD_LETTER)
        action = BAD_SKIPPED; /* there is nothing to put into a letter */
    note(t, b, action);
    if (action == BAD_STOPPED)
        stop(t, b);
    else if (action == BAD_LETTER)
        send_letter(t, b);
}

void bad_of_record(struct bad *b, const struct record *rec)
{
    b->offset = rec->offset;
    b->ts_ms = rec->ts_ms;
    b->key = rec->key;
    b->value = rec->value;
    b->headers = rec->headers;
    b->headers_n = rec->headers_n;
}

/* Do rows of this operator stand where their records stood in the source's batch? */
static bool keeps_rows(const struct op *op, const struct source *s)
{
    const struct plan_node *n = op->node->inputs[0];
    while (n->kind == PLAN_PROJECT || n->kind == PLAN_FILTER || n->kind == PLAN_WINDOW)
        n = n->inputs[0];
    return s && n == s->node;
}

static void put_row(const struct schema *sc, const struct batch *b, uint32_t row, struct wbuf *out)
{
    for (unsigned i = 0; i < sc->n && i < b->ncols; i++) {
        struct value v = batch_value(b, i, row);
        v.type = sc->cols[i].type;
        wbuf_u8(out, i ? ',' : '{');
        json_put_str(out, str_of(sc->cols[i].name));
        wbuf_u8(out, ':');
        json_put_value(out, &v);
    }
    wbuf_str(out, STR("}"));
}

void letter_row(void *task, struct op *op, enum bad_kind kind, const struct schema *sc, const struct batch *b,
              uint32_t row, const char *text)
{
    struct task *t = task;
    struct wbuf room;
    struct record rec;
    struct bad bad = {.kind = kind, .stage = op->cls->name, .text = text, .partition = -1, .offset = -1,
                      .ts_ms = b->ts[row], .key = STR_NULL, .value = STR_NULL};
    wbuf_init(&room);
    if (keeps_rows(op, t->giving) && source_record(t->giving, row, &room, &rec)) {
        bad.topic = t->giving->node->topic_name;
        bad.partition = t->giving->partition;
        bad_of_record(&bad, &rec);
    } else {
        put_row(sc, b, row, &room);
        bad.value = wbuf_view(&room);
    }
    task_bad(t, &bad);
    wbuf_fini(&room);
}

/* ---- the topic, at home */

struct dead_topic {
    struct job *job;
    struct change change;
    struct commit commit;
};

static void there_cb(struct msg *m)
{
    struct task *t = container_of(container_of(m, struct task_msg, msg), struct task, to_letters);
    if (!sm_is(&t->sm, TASK_OPEN) || t->fail_status)
        return;
    t->letter_part = t->job->letterbox.parts[t->index % t->job->letterbox.n];
    for (struct list *l; (l = list_pop(&t->letters)) != NULL;) {
        struct letter *x = container_of(l, struct letter, link);
        if (!t->fail_status)
            write_letter(t, x->ts_ms, x->key, x->value, x->headers, x->headers_n);
        xfree(x);
    }
    task_wake(t);
}

static void tell_there(struct task *t)
{
    t->letter_wanted = false;
    t->to_letters.task = t;
    t->to_letters.msg.run_cb = there_cb;
    loop_post(t->loop, &t->to_letters.msg);
}

/* Does the topic exist by now? */
static bool find_topic(struct job *j, const char *name)
{
    struct image *im = cluster_image(broker_cluster(engine_broker(j->engine)));
    const struct topic *t = image_topic(im, str_of(name));
    if (t)
        j->letterbox = job_parts_acquire(j, t);
    counted_release(&im->c);
    for (unsigned i = 0; t && i < j->ntasks; i++)
        if (j->tasks[i].letter_wanted)
            tell_there(&j->tasks[i]);
    return t != NULL;
}

static void made_cb(struct commit *c, int status)
{
    struct dead_topic *d = container_of(c, struct dead_topic, commit);
    struct job *j = d->job;
    const char *name = job_dead_topic(&j->def, &j->arena);
    j->making = NULL;
    if (!sm_is(&j->sm, J_CLOSING) && !find_topic(j, name))
        job_fail(j, status, "its topic of dead letters, %s, cannot be made: %s", name,
                 c->diag.text[0] ? c->diag.text : err_text(status));
    change_fini(&d->change);
    xfree(d);
    job_maybe_closed(j);
}

static void make_topic(struct job *j, const char *name)
{
    static const struct topic_config configs[] = {{"retention.ms", KEEP_MS}, {"max.message.bytes", LETTER_MAX}};
    struct dead_topic *d = xzalloc(sizeof *d);
    struct uuid id = {{0}};
    struct diag why = {0};
    d->job = j;
    change_init(&d->change);
    int err = change_create_topic(&d->change, str_of(name), &id, 1, configs, ARRAY_LEN(configs), &why);
    if (err) {
        change_fini(&d->change);
        xfree(d);
        job_fail(j, err, "its topic of dead letters, %s, cannot be made: %s", name, why.text);
        return;
    }
    trace(INFO, "run", "dead_letters job=%s topic=%s", j->def.name, name);
    j->making = d;
    d->commit = (struct commit){.from = j->home, .change = &d->change, .done_cb = made_cb};
    cluster_commit(broker_cluster(engine_broker(j->engine)), &d->commit);
}

static void wants_cb(struct msg *m)
{
    struct task *t = container_of(container_of(m, struct task_msg, msg), struct task, wants_letters);
    struct job *j = t->job;
    const char *name = job_dead_topic(&j->def, &j->arena);
    if (sm_is(&j->sm, J_CLOSING) || job_is_over(j))
        return;
    if (str_starts(str_of(name), STR("__"))) { /* of a job that was made before they were refused */
        job_fail(j, E_POLICY, "its topic of dead letters, %s, belongs to the server", name);
        return;
    }
    t->letter_wanted = true;
    if (j->letterbox.n)
        tell_there(t);
    else if (!j->making && !find_topic(j, name))
        make_topic(j, name);
}

/* ---- life */

void letters_init(struct task *t)
{
    list_init(&t->letters);
    t->letterbox = (struct task_output){.partition = -1, .end = -1};
}

bool letters_wait(const struct task *t) { return !list_empty(&t->letters) && !BUG("letters_not_awaited"); }

void letters_fini(struct task *t)
{
    for (struct list *l; (l = list_pop(&t->letters)) != NULL;)
        xfree(container_of(l, struct letter, link));
    xfree(t->bad);
    t->bad = NULL;
}
