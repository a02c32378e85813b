/* INSERT VALUES: its records are appended, some in each turn of the loop, and the answer comes when all of them are durable. */
#include "log/base/limits.h"
#include "sql/serve/session.h"

struct insert_part { /* records of one partition */
    struct writer *writer;
    struct session *s;
};
struct insert {
    struct session *s;
    struct msg next;
    const struct topic *topic;
    struct insert_part *parts;
    unsigned at;   /* records that writers have */
    uint32_t spin; /* of keyless ones */
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

/* Some more records to their partitions' writers. */
static int write_some(struct insert *in)
{
    struct session *s = in->s;
    struct store *st = broker_store(s->serve->broker);
    const struct topic *t = in->topic;
    unsigned upto = MIN(s->p.nrecords, in->at + SERVE_INSERT_ROWS);
    for (; in->at < upto; in->at++) {
        const struct insert_record *r = &s->p.records[in->at];
        struct insert_part *part = &in->parts[client_partition(r->key, t->nparts, &in->spin)];
        if (!part->writer) {
            int err = writer_open(&part->writer, st, t->parts[part - in->parts], s->loop);
            if (err)
                return err;
            part->s = s;
        }
        writer_record(part->writer, r->ts_ms, r->key, r->value);
    }
    return 0;
}

static void drop_writers(struct insert *in)
{
    for (int32_t i = 0; i < in->topic->nparts; i++)
        if (in->parts[i].writer)
            writer_close(in->parts[i].writer);
    in->s->insert = NULL;
}

static void flush_all(struct insert *in)
{
    struct session *s = in->s;
    for (int32_t i = 0; i < in->topic->nparts; i++)
        in->left += in->parts[i].writer != NULL;
    if (!in->left) {
        s->insert = NULL;
        session_done(s);
        return;
    }
    for (unsigned i = 0; i < in->left; i++)
        session_hold(s);
    for (int32_t i = 0; i < in->topic->nparts; i++)
        if (in->parts[i].writer)
            writer_flush(in->parts[i].writer, flushed_cb, &in->parts[i]);
}

static void write_next(struct insert *in);

static void next_cb(struct msg *m)
{
    struct insert *in = container_of(m, struct insert, next);
    struct session *s = in->s;
    if (!s->req) /* nothing is in the log yet, and nobody waits for it */
        drop_writers(in);
    if (session_release(s))
        write_next(in);
}

static void write_next(struct insert *in)
{
    struct session *s = in->s;
    int err = write_some(in);
    if (err) {
        drop_writers(in);
        session_error(s, err, "58030", "the rows could not be appended: %s", err_text(err));
        session_fail(s);
    } else if (in->at == s->p.nrecords) {
        flush_all(in);
    } else {
        session_hold(s);
        in->next.run_cb = next_cb;
        loop_post(s->loop, &in->next);
    }
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
    struct insert *in = s->insert = ARENA_NEW(&s->memory, struct insert);
    *in = (struct insert){.s = s, .topic = t, .spin = (uint32_t)random_next(&s->random)};
    in->parts = ARENA_ARRAY(&s->memory, struct insert_part, t->nparts);
    write_next(in);
}
