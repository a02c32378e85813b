#include "sql/shell/member.h"
#include "log/base/clock.h"
#include "sql/shell/kafka.h"
#include <stdio.h>
#include <stdlib.h>

enum { KEY_METADATA = 3, KEY_COMMIT = 8, KEY_FETCH = 9, KEY_JOIN = 11, KEY_BEAT = 12, KEY_LEAVE = 13, KEY_SYNC = 14 };
enum { SESSION_MS = 10000, REBALANCE_MS = 20000, BEAT_MS = 1000, PATIENCE = 600, MOMENT_MS = 50 };
enum { BY_NAME = 9 }; /* the newest version of commit and fetch that names topics */

/* ---- the consumer protocol */

static struct str read_text(struct rbuf *r)
{
    uint16_t n = rbuf_be16(r);
    return n > INT16_MAX ? STR_NULL : rbuf_bytes(r, n);
}

bool assignment_read(struct str bytes, struct arena *a, struct member_topic **out, uint32_t *n)
{
    struct rbuf r = rbuf_of(bytes.ptr, bytes.len);
    rbuf_be16(&r);
    uint32_t topics = rbuf_be32(&r), k = 0;
    *out = ARENA_ARRAY(a, struct member_topic, MIN(topics, rbuf_left(&r) / 6) + 1);
    for (; k < topics && !r.err && rbuf_left(&r) >= 6; k++) {
        struct member_topic *t = &(*out)[k];
        t->name = read_text(&r);
        uint32_t parts = rbuf_be32(&r);
        if (parts > rbuf_left(&r) / 4)
            return false;
        t->parts = ARENA_ARRAY(a, int32_t, parts + 1);
        for (; t->n < parts; t->n++)
            t->parts[t->n] = (int32_t)rbuf_be32(&r);
    }
    *n = k;
    return !r.err && k == topics;
}

/* Topics a member wants; n of them. */
static uint32_t subscription_read(struct str bytes, struct arena *a, struct str **out)
{
    struct rbuf r = rbuf_of(bytes.ptr, bytes.len);
    rbuf_be16(&r);
    uint32_t topics = rbuf_be32(&r), n = 0;
    *out = ARENA_ARRAY(a, struct str, MIN(topics, rbuf_left(&r) / 2) + 1);
    while (n < topics && !r.err && rbuf_left(&r) >= 2)
        (*out)[n++] = read_text(&r);
    return n;
}

static void put_text(struct wbuf *w, struct str s)
{
    wbuf_be16(w, (uint16_t)s.len);
    wbuf_str(w, s);
}

/* ---- what the leader does: for each topic, each of its readers in order gets a run of partitions */

struct reader {
    struct str id;
    struct str *topics;
    uint32_t ntopics;
    struct wbuf bytes; /* topics and their partitions */
    uint32_t given;    /* topics in bytes */
};

static int reader_order(const void *a, const void *b)
{
    const struct reader *x = a, *y = b;
    return str_cmp(x->id, y->id);
}

static bool reads(const struct reader *rd, struct str topic)
{
    for (uint32_t i = 0; i < rd->ntopics; i++)
        if (str_eq(rd->topics[i], topic))
            return true;
    return false;
}

static void assign_topic(struct reader *readers, uint32_t n, struct str topic, int32_t parts)
{
    int32_t k = 0, at = 0, of = 0;
    for (uint32_t i = 0; i < n; i++)
        of += reads(&readers[i], topic);
    for (uint32_t i = 0; i < n; i++) {
        if (!reads(&readers[i], topic))
            continue;
        int32_t share = parts / of + (k++ < parts % of);
        if (share == 0)
            continue;
        readers[i].given++;
        put_text(&readers[i].bytes, topic);
        wbuf_be32(&readers[i].bytes, (uint32_t)share);
        for (; share > 0; share--)
            wbuf_be32(&readers[i].bytes, (uint32_t)at++);
    }
}

/* Asks how many partitions each topic has; those that do not exist have none. */
static int assign_all(struct member *m, struct reader *readers, uint32_t n)
{
    struct metadata_request in;
    struct metadata_response out;
    uint32_t cap = 0;
    for (uint32_t i = 0; i < n; i++)
        cap += readers[i].ntopics;
    metadata_request_init(&in);
    in.allow_auto_topic_creation = false;
    in.topics = ARENA_ARRAY(&m->call, struct metadata_request_topic, cap + 1);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < readers[i].ntopics; k++) {
            struct str name = readers[i].topics[k];
            bool known = false;
            for (uint32_t t = 0; t < in.topics_n && !known; t++)
                known = str_eq(in.topics[t].name, name);
            if (known)
                continue;
            metadata_request_topic_init(&in.topics[in.topics_n]);
            in.topics[in.topics_n++].name = name;
        }
    int rc = kafka_call(m->rm, m->command, KEY_METADATA, &in, &out, &m->call);
    for (uint32_t t = 0; rc == 0 && t < out.topics_n; t++)
        if (!out.topics[t].error_code)
            assign_topic(readers, n, out.topics[t].name, (int32_t)out.topics[t].partitions_n);
    return rc;
}

/* The assignments of all, in the arena. */
static int assign(struct member *m, const struct join_group_response *joined, struct sync_group_request *sync)
{
    uint32_t n = joined->members_n;
    struct reader *readers = ARENA_ARRAY(&m->call, struct reader, n + 1);
    for (uint32_t i = 0; i < n; i++) { /* the answer's bytes go with the next one */
        struct str metadata = arena_dup(&m->call, joined->members[i].metadata);
        readers[i].id = arena_dup(&m->call, joined->members[i].member_id);
        readers[i].ntopics = subscription_read(metadata, &m->call, &readers[i].topics);
        wbuf_init(&readers[i].bytes);
    }
    qsort(readers, n, sizeof *readers, reader_order);
    int rc = assign_all(m, readers, n);
    sync->assignments = ARENA_ARRAY(&m->call, struct sync_group_request_assignment, n + 1);
    sync->assignments_n = n;
    for (uint32_t i = 0; i < n; i++) {
        struct wbuf w;
        wbuf_init(&w);
        wbuf_be16(&w, 0);
        wbuf_be32(&w, readers[i].given);
        wbuf_str(&w, wbuf_view(&readers[i].bytes));
        wbuf_be32(&w, UINT32_MAX); /* no user data */
        sync->assignments[i].member_id = readers[i].id;
        sync->assignments[i].assignment = arena_dup(&m->call, wbuf_view(&w));
        wbuf_fini(&w);
        wbuf_fini(&readers[i].bytes);
    }
    return rc;
}

/* ---- joining */

void member_init(struct member *m, struct remote *rm, const char *command, const char *group, const char *topic)
{
    *m = (struct member){.rm = rm, .command = command, .group = group, .topic = topic, .id = STR(""), .generation = -1};
    arena_init(&m->keep);
    arena_init(&m->call);
}

void member_fini(struct member *m)
{
    arena_fini(&m->keep);
    arena_fini(&m->call);
}

static int refused(const struct member *m, int16_t code)
{
    fprintf(stderr, "weir %s: group %s: %s\n", m->command, m->group, remote_error(code));
    return EXIT_FAILED;
}

static void forget_id(struct member *m)
{
    m->id = STR("");
    m->generation = -1;
}

/* Whether to ask again, after what the code asks for. */
static bool once_more(struct member *m, int16_t code, int *patience)
{
    if (--*patience == 0)
        return false;
    if (code == K_UNKNOWN_MEMBER || code == K_FENCED_INSTANCE_ID)
        forget_id(m);
    else if (code == K_COORDINATOR_LOADING || code == K_COORDINATOR_NOT_AVAILABLE || code == K_NOT_COORDINATOR)
        clock_sleep_ms(MOMENT_MS);
    else if (code != K_REBALANCE_IN_PROGRESS && code != K_ILLEGAL_GENERATION)
        return false;
    return true;
}

static int join_once(struct member *m, struct join_group_response *out)
{
    struct join_group_request in;
    struct join_group_request_protocol protocol = {.name = STR("range")};
    struct wbuf w;
    wbuf_init(&w);
    wbuf_be16(&w, 0);
    wbuf_be32(&w, 1);
    put_text(&w, str_of(m->topic));
    wbuf_be32(&w, UINT32_MAX);
    protocol.metadata = wbuf_view(&w);
    join_group_request_init(&in);
    in.group_id = str_of(m->group);
    in.session_timeout_ms = SESSION_MS;
    in.rebalance_timeout_ms = REBALANCE_MS;
    in.member_id = m->id;
    in.protocol_type = STR("consumer");
    in.protocols = &protocol;
    in.protocols_n = 1;
    int rc = kafka_call(m->rm, m->command, KEY_JOIN, &in, out, &m->call);
    wbuf_fini(&w);
    if (rc == 0 && (out->error_code == 0 || out->error_code == K_MEMBER_ID_REQUIRED))
        m->id = arena_dup(&m->keep, out->member_id);
    return rc;
}

static int sync_once(struct member *m, const struct join_group_response *joined, struct sync_group_response *out)
{
    struct sync_group_request in;
    sync_group_request_init(&in);
    in.group_id = str_of(m->group);
    in.member_id = m->id;
    in.generation_id = m->generation = joined->generation_id;
    in.protocol_type = STR("consumer");
    in.protocol_name = STR("range");
    int rc = str_eq(joined->leader, joined->member_id) ? assign(m, joined, &in) : 0;
    return rc ? rc : kafka_call(m->rm, m->command, KEY_SYNC, &in, out, &m->call);
}

static int take_parts(struct member *m, struct str assignment)
{
    struct member_topic *topics;
    uint32_t n;
    m->nparts = 0;
    if (assignment.len && !assignment_read(assignment, &m->call, &topics, &n)) {
        fprintf(stderr, "weir %s: group %s: the leader's assignment makes no sense\n", m->command, m->group);
        return EXIT_FAILED;
    }
    for (uint32_t i = 0; assignment.len && i < n; i++)
        if (str_eq(topics[i].name, str_of(m->topic))) {
            m->parts = ARENA_ARRAY(&m->keep, int32_t, topics[i].n + 1);
            m->nparts = topics[i].n;
            memcpy(m->parts, topics[i].parts, topics[i].n * sizeof *m->parts);
        }
    m->beat_ms = clock_mono_us() / 1000;
    return 0;
}

int member_join(struct member *m)
{
    struct str id = arena_dup(&m->call, m->id);
    arena_reset(&m->keep);
    m->id = arena_dup(&m->keep, id);
    for (int patience = PATIENCE;;) {
        struct join_group_response joined;
        struct sync_group_response synced;
        arena_reset(&m->call);
        int rc = join_once(m, &joined);
        if (rc)
            return rc;
        if (joined.error_code == K_MEMBER_ID_REQUIRED)
            continue;
        int16_t code = joined.error_code;
        if (!code) {
            rc = sync_once(m, &joined, &synced);
            code = rc ? 0 : synced.error_code;
        }
        if (rc)
            return rc;
        if (!code)
            return take_parts(m, synced.assignment);
        if (!once_more(m, code, &patience))
            return refused(m, code);
    }
}

/* ---- being a member */

/* What a code says about our membership: true, or the code is no matter of it. */
static bool lost(struct member *m, int16_t code, bool *again)
{
    if (code == K_UNKNOWN_MEMBER || code == K_FENCED_INSTANCE_ID)
        forget_id(m);
    else if (code != K_REBALANCE_IN_PROGRESS && code != K_ILLEGAL_GENERATION && code != K_COORDINATOR_LOADING &&
             code != K_COORDINATOR_NOT_AVAILABLE && code != K_NOT_COORDINATOR)
        return false;
    *again = true;
    return true;
}

int member_beat(struct member *m, bool *again)
{
    struct heartbeat_request in;
    struct heartbeat_response out;
    int64_t now = clock_mono_us() / 1000;
    if (now - m->beat_ms < BEAT_MS)
        return 0;
    arena_reset(&m->call);
    heartbeat_request_init(&in);
    in.group_id = str_of(m->group);
    in.member_id = m->id;
    in.generation_id = m->generation;
    int rc = kafka_call(m->rm, m->command, KEY_BEAT, &in, &out, &m->call);
    m->beat_ms = now;
    if (rc || !out.error_code || lost(m, out.error_code, again))
        return rc;
    return refused(m, out.error_code);
}

static int by_name(const struct member *m, int16_t key) { return MIN(remote_version(m->rm, key), BY_NAME); }

int member_fetch(struct member *m, int64_t *offsets)
{
    struct offset_fetch_request in;
    struct offset_fetch_request_group_topic topic = {
        .name = str_of(m->topic), .partition_indexes = m->parts, .partition_indexes_n = m->nparts};
    struct offset_fetch_request_group group;
    struct offset_fetch_response out;
    struct diag d = {.text = ""};
    int patience = PATIENCE;
    offset_fetch_request_init(&in);
    offset_fetch_request_group_init(&group);
    group.group_id = str_of(m->group);
    group.topics = &topic;
    group.topics_n = 1;
    in.groups = &group;
    in.groups_n = 1;
    in.require_stable = true;
    for (bool unstable = true; unstable;) {
        unstable = false;
        arena_reset(&m->call);
        if (remote_call(m->rm, KEY_FETCH, by_name(m, KEY_FETCH), &in, &out, &m->call, &d) < 0)
            return kafka_complain(m->command, &d, EXIT_LOST);
        if (out.groups_n != 1 || out.groups[0].error_code)
            return refused(m, out.groups_n ? out.groups[0].error_code : K_UNKNOWN_SERVER);
        for (uint32_t i = 0; i < m->nparts; i++)
            offsets[i] = -1;
        for (uint32_t k = 0; out.groups[0].topics_n == 1 && k < out.groups[0].topics[0].partitions_n && k < m->nparts; k++) {
            const struct offset_fetch_response_group_partition *p = &out.groups[0].topics[0].partitions[k];
            offsets[k] = p->committed_offset;
            unstable = unstable || p->error_code == K_UNSTABLE_OFFSET_COMMIT;
            if (p->error_code && (p->error_code != K_UNSTABLE_OFFSET_COMMIT || --patience == 0))
                return refused(m, p->error_code);
        }
        if (unstable)
            clock_sleep_ms(MOMENT_MS);
    }
    return 0;
}

int member_commit(struct member *m, const int64_t *offsets, bool *again)
{
    struct offset_commit_request in;
    struct offset_commit_response out;
    struct offset_commit_request_topic topic = {.name = str_of(m->topic)};
    struct diag d = {.text = ""};
    arena_reset(&m->call);
    offset_commit_request_init(&in);
    in.group_id = str_of(m->group);
    in.member_id = m->id;
    in.generation_id_or_member_epoch = m->generation;
    in.topics = &topic;
    in.topics_n = 1;
    topic.partitions = ARENA_ARRAY(&m->call, struct offset_commit_request_partition, m->nparts + 1);
    for (uint32_t i = 0; i < m->nparts; i++) {
        if (offsets[i] < 0)
            continue;
        struct offset_commit_request_partition *p = &topic.partitions[topic.partitions_n++];
        offset_commit_request_partition_init(p);
        p->partition_index = m->parts[i];
        p->committed_offset = offsets[i];
    }
    if (topic.partitions_n == 0)
        return 0;
    if (remote_call(m->rm, KEY_COMMIT, by_name(m, KEY_COMMIT), &in, &out, &m->call, &d) < 0)
        return kafka_complain(m->command, &d, EXIT_LOST);
    for (uint32_t k = 0; out.topics_n == 1 && k < out.topics[0].partitions_n; k++) {
        int16_t code = out.topics[0].partitions[k].error_code;
        if (code && !lost(m, code, again))
            return refused(m, code);
    }
    return 0;
}

void member_leave(struct member *m)
{
    struct leave_group_request in;
    struct leave_group_request_member who;
    struct leave_group_response out;
    if (!m->id.len)
        return;
    leave_group_request_init(&in);
    leave_group_request_member_init(&who);
    who.member_id = m->id;
    in.group_id = str_of(m->group);
    in.member_id = m->id;
    in.members = &who;
    in.members_n = 1;
    arena_reset(&m->call);
    int ignored = kafka_call(m->rm, m->command, KEY_LEAVE, &in, &out, &m->call); /* the server would find out by itself */
    (void)ignored;
}
