#include "engine/run/commit.h"
#include "log/base/fault.h"
#include "log/base/pack.h"

#define COMMIT_VERSION 3 /* 1 and 2 told which ranges of a changelog without transactions had been committed */
#define NOTE_VERSION 3
#define COMMIT_TASK UINT32_MAX /* stands where a task's number would: no task has it */

void commit_pack(const struct commit_record *c, struct wbuf *w)
{
    pack_array(w, 8);
    pack_uint(w, COMMIT_VERSION);
    pack_int(w, c->epoch);
    pack_int(w, c->wall_ms);
    pack_bool(w, c->bootstrapped);
    pack_uint(w, c->version);
    pack_array(w, c->nsources * 7);
    for (unsigned i = 0; i < c->nsources; i++) {
        pack_uint(w, c->sources[i].node);
        pack_int(w, c->sources[i].partition);
        pack_int(w, c->sources[i].offset);
        pack_int(w, c->sources[i].watermark_ms);
        pack_bool(w, c->sources[i].idle);
        pack_int(w, c->sources[i].first);
        pack_int(w, c->sources[i].goal);
    }
    pack_array(w, c->ntasks * 3);
    for (unsigned i = 0; i < c->ntasks; i++) {
        pack_uint(w, c->tasks[i].task);
        pack_int(w, c->tasks[i].watermark_ms);
        pack_int(w, c->tasks[i].changed);
    }
    pack_array(w, c->noutputs * 2);
    for (unsigned i = 0; i < c->noutputs; i++) {
        pack_int(w, c->outputs[i].partition);
        pack_int(w, c->outputs[i].end);
    }
}

/* Length of an array of groups of `each` values. */
static unsigned groups(struct unpack *u, unsigned each)
{
    uint32_t n = unpack_array(u);
    if (n % each && !u->r.err)
        u->r.err = E_SYNTAX;
    return u->r.err ? 0 : n / each;
}

int commit_unpack(struct commit_record *c, struct str bytes, struct arena *a)
{
    struct unpack u = unpack_of(bytes);
    *c = (struct commit_record){0};
    uint32_t fields = unpack_array(&u);
    uint64_t version = unpack_uint(&u);
    if (unpack_err(&u))
        return E_CORRUPT;
    if (version != COMMIT_VERSION)
        return version > COMMIT_VERSION ? E_NEWER_FORMAT : E_UNSUPPORTED;
    if (fields != 8)
        return E_CORRUPT;
    c->epoch = unpack_int(&u);
    c->wall_ms = unpack_int(&u);
    c->bootstrapped = unpack_bool(&u);
    c->version = (unsigned)unpack_uint(&u);
    c->nsources = groups(&u, 7);
    c->sources = ARENA_ARRAY(a, struct commit_source, c->nsources);
    for (unsigned i = 0; i < c->nsources; i++) {
        c->sources[i].node = (unsigned)unpack_uint(&u);
        c->sources[i].partition = (int32_t)unpack_int(&u);
        c->sources[i].offset = unpack_int(&u);
        c->sources[i].watermark_ms = unpack_int(&u);
        c->sources[i].idle = unpack_bool(&u);
        c->sources[i].first = unpack_int(&u);
        c->sources[i].goal = unpack_int(&u);
    }
    c->ntasks = groups(&u, 3);
    c->tasks = ARENA_ARRAY(a, struct commit_task, c->ntasks);
    for (unsigned i = 0; i < c->ntasks; i++) {
        c->tasks[i].task = (uint32_t)unpack_uint(&u);
        c->tasks[i].watermark_ms = unpack_int(&u);
        c->tasks[i].changed = unpack_int(&u);
    }
    c->noutputs = groups(&u, 2);
    c->outputs = ARENA_ARRAY(a, struct commit_output, c->noutputs);
    for (unsigned i = 0; i < c->noutputs; i++) {
        c->outputs[i].partition = (int32_t)unpack_int(&u);
        c->outputs[i].end = unpack_int(&u);
    }
    return unpack_err(&u) || rbuf_left(&u.r) ? E_CORRUPT : 0;
}

static bool same_source(const struct commit_source *a, const struct commit_source *b)
{
    return a->node == b->node && a->partition == b->partition && a->offset == b->offset &&
           a->watermark_ms == b->watermark_ms && a->idle == b->idle;
}

bool commit_same(const struct commit_record *a, const struct commit_record *b)
{
    if (a->version != b->version || a->bootstrapped != b->bootstrapped || a->nsources != b->nsources || a->ntasks != b->ntasks ||
        a->noutputs != b->noutputs)
        return false;
    for (unsigned i = 0; i < a->nsources; i++)
        if (!same_source(&a->sources[i], &b->sources[i]))
            return false;
    for (unsigned i = 0; i < a->ntasks; i++)
        if (a->tasks[i].changed != b->tasks[i].changed || a->tasks[i].watermark_ms != b->tasks[i].watermark_ms)
            return false;
    for (unsigned i = 0; i < a->noutputs; i++)
        if (a->outputs[i].end != b->outputs[i].end)
            return false;
    return true;
}

/* ---- keys */

void changelog_key_commit(struct wbuf *out) { wbuf_be32(out, COMMIT_TASK); }

void changelog_key_state(uint32_t task, uint32_t store, struct str key, struct wbuf *out)
{
    CHECK(task != COMMIT_TASK);
    wbuf_be32(out, task);
    wbuf_be32(out, store);
    wbuf_str(out, key);
}

int changelog_key_parse(struct changelog_key *out, struct str bytes)
{
    struct rbuf r = rbuf_of(bytes.ptr, bytes.len);
    *out = (struct changelog_key){.task = rbuf_be32(&r)};
    out->commit = out->task == COMMIT_TASK;
    if (!out->commit)
        out->store = rbuf_be32(&r);
    out->key = rbuf_bytes(&r, rbuf_left(&r));
    return r.err || (out->commit && out->key.len) ? E_CORRUPT : 0;
}

/* ---- notes */

void checkpoint_note_pack(const struct checkpoint_note *n, const struct checkpoint_owner *o, struct wbuf *out)
{
    pack_array(out, 5);
    pack_uint(out, NOTE_VERSION);
    pack_int(out, n->epoch);
    pack_int(out, n->wall_ms);
    pack_uuid(out, o->changelog);
    pack_uint(out, o->task);
}

/* One of a version that did not say whose it is counts as damaged: the changelog has all that it could hold. */
int checkpoint_note_unpack(struct checkpoint_note *n, const struct checkpoint_owner *o, struct str bytes)
{
    struct unpack u = unpack_of(bytes);
    if (unpack_array(&u) != 5 || unpack_uint(&u) != NOTE_VERSION)
        return E_CORRUPT;
    n->epoch = unpack_int(&u);
    n->wall_ms = unpack_int(&u);
    struct uuid changelog = unpack_uuid(&u);
    bool foreign = (unpack_uint(&u) != o->task || !uuid_eq(changelog, o->changelog)) && !BUG("checkpoint_of_another");
    return unpack_err(&u) || n->epoch < 0 || foreign ? E_CORRUPT : 0;
}
