/* INSERT VALUES: its records are appended and the answer comes when all of them are durable. */
#include "sql/serve/session.h"

struct insert_part { /* records of one partition */
    struct writer *writer;
    struct session *s;
};
struct insert {
    unsigned left; /* flushes under way */
    int status;
};

static void flushed_cb(void *arg, int status, int64_t base_offset, int64_t end_offset)
{
    struct insert_part *part = arg;
    struct session *s = part->s;
    struct insert *in = s->insert;
    (void)base_offset, (void)end_offset;
    writer_close(part->writer);
    if (status)
        in->status = status;
    if (--in->left > 0) {
        session_release(s);
        return;
    }
    s->insert = NULL;
    if (!session_release(s))
        return;
    if (in->status) {
        session_error(s, in->status, "58030", "the rows could not be appended: %s", err_text(in->status));
        session_fail(s);
        return;
    }
    s->rows = s->p.nrecords;
    if (s->p.message)
        tell_message(s, s->p.message);
    session_done(s);
}

static int open_writers(struct session *s, const struct topic *t, struct insert_part *parts)
{
    struct store *st = broker_store(s->serve->broker);
    uint32_t spin = (uint32_t)random_next(&s->random);
    for (unsigned i = 0; i < s->p.nrecords; i++) {
        const struct insert_record *r = &s->p.records[i];
        struct insert_part *part = &parts[client_partition(r->key, t->nparts, &spin)];
        if (!part->writer) {
            int err = writer_open(&part->writer, st, t->parts[part - parts], s->loop);
            if (err)
                return err;
            part->s = s;
        }
        writer_record(part->writer, r->ts_ms, r->key, r->value);
    }
    return 0;
}

/* As Produce: the disk's reserve is for what the node writes itself. */
static bool has_room(struct session *s)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < s->p.nrecords; i++)
        bytes += s->p.records[i].key.len + s->p.records[i].value.len;
    return broker_takes(s->serve->broker, s->loop, bytes);
}

void insert_begin(struct session *s)
{
    const struct topic *t = image_topic_by_id(s->image, s->p.topic);
    if (!t) {
        session_error(s, E_NO_TOPIC, "42P01", "topic \"%s\" was deleted", s->p.topic_name);
        session_fail(s);
        return;
    }
    if (!has_room(s)) {
        session_error(s, E_FULL, "53100", "the disk has less free than weir.disk.reserve.bytes: rows are refused");
        diag_hint(&s->diag, "free some of it (shorter retention, fewer topics); the setting itself counts from a restart on");
        session_fail(s);
        return;
    }
    struct insert_part *parts = ARENA_ARRAY(&s->memory, struct insert_part, t->nparts);
    struct insert *in = s->insert = ARENA_NEW(&s->memory, struct insert);
    int err = open_writers(s, t, parts);
    for (int32_t i = 0; i < t->nparts; i++) {
        if (parts[i].writer && err)
            writer_close(parts[i].writer);
        else if (parts[i].writer)
            in->left++;
    }
    if (err) {
        session_error(s, err, "58030", "the rows could not be appended: %s", err_text(err));
        session_fail(s);
        return;
    }
    if (!in->left) {
        session_done(s);
        return;
    }
    for (unsigned i = 0; i < in->left; i++)
        session_hold(s);
    for (int32_t i = 0; i < t->nparts; i++)
        if (parts[i].writer)
            writer_flush(parts[i].writer, flushed_cb, &parts[i]);
}
