#include "log/coord/group_record.h"
#include "log/coord/group_state.h"

/* Kafka writes these versions; it and we read older ones, and Kafka's next (4, with tagged fields). */
enum { KEY_OFFSET = 1, KEY_GROUP = 2, VALUE_OFFSET = 3, VALUE_GROUP = 3, VALUE_MAX = 4 };
enum { VALUE_OFFSET_EXPIRES = 1 }; /* the one version with a time of its own */

/* Reads the version in front. */
static int begin(struct rbuf *r, struct str bytes, int max)
{
    *r = rbuf_of(bytes.ptr, bytes.len);
    int version = (int16_t)rbuf_be16(r);
    if (r->err)
        return r->err;
    return version < 0 || version > max ? E_UNSUPPORTED : version;
}

int group_key_read(struct group_key *out, struct str key)
{
    struct rbuf r;
    struct arena unused; /* keys hold no arrays */
    int version = begin(&r, key, KEY_GROUP);
    arena_init(&unused);
    if (version == KEY_GROUP) {
        struct group_metadata_key k;
        group_metadata_key_decode(&k, &r, version, &unused);
        *out = (struct group_key){k.group, STR_NULL, 0};
    } else if (version >= 0) {
        struct offset_commit_key k;
        offset_commit_key_decode(&k, &r, version, &unused);
        *out = (struct group_key){k.group, k.topic, k.partition};
    }
    arena_fini(&unused);
    return version < 0 ? version : wire_decode_done(&r);
}

void group_key_write(const struct group_key *k, struct wbuf *w)
{
    if (k->topic.ptr) {
        struct offset_commit_key m = {k->group, k->topic, k->partition};
        wbuf_be16(w, KEY_OFFSET);
        offset_commit_key_encode(&m, w, KEY_OFFSET);
    } else {
        struct group_metadata_key m = {k->group};
        wbuf_be16(w, KEY_GROUP);
        group_metadata_key_encode(&m, w, KEY_GROUP);
    }
}

int offset_value_read(struct offset_value *out, struct str value)
{
    struct rbuf r;
    struct arena unused;
    struct offset_commit_value m;
    int version = begin(&r, value, VALUE_MAX);
    if (version < 0)
        return version;
    arena_init(&unused);
    offset_commit_value_decode(&m, &r, version, &unused);
    arena_fini(&unused);
    *out = (struct offset_value){m.offset, m.leader_epoch, m.metadata, m.commit_timestamp, m.expire_timestamp};
    return wire_decode_done(&r);
}

void offset_value_write(const struct offset_value *v, struct wbuf *w)
{
    int version = v->expire_ms >= 0 ? VALUE_OFFSET_EXPIRES : VALUE_OFFSET;
    struct offset_commit_value m = {v->offset, v->leader_epoch, v->metadata, v->commit_ms, v->expire_ms};
    wbuf_be16(w, (uint16_t)version);
    offset_commit_value_encode(&m, w, version);
}

static void load(struct group_state *g, const struct group_metadata_value *m)
{
    group_state_load(g, m->protocol_type, m->generation, m->protocol, m->current_state_timestamp);
    for (uint32_t i = 0; i < m->members_n; i++) {
        const struct group_metadata_value_member *p = &m->members[i];
        struct group_loaded in = {.id = p->member_id, .instance_id = p->group_instance_id, .client_id = p->client_id,
                                  .client_host = p->client_host, .metadata = p->subscription,
                                  .assignment = p->assignment, .session_timeout_ms = p->session_timeout,
                                  .rebalance_timeout_ms = p->rebalance_timeout};
        group_state_load_member(g, &in, str_eq(p->member_id, m->leader));
    }
}

int group_value_read(struct group_state *g, struct str value)
{
    struct rbuf r;
    struct arena a;
    struct group_metadata_value m;
    int version = begin(&r, value, VALUE_MAX);
    if (version < 0)
        return version;
    arena_init(&a);
    group_metadata_value_decode(&m, &r, version, &a);
    int rc = wire_decode_done(&r);
    if (rc == 0)
        load(g, &m);
    arena_fini(&a);
    return rc;
}

void group_value_write(const struct group_state *g, struct wbuf *w)
{
    struct group_metadata_value m;
    group_metadata_value_init(&m);
    m.protocol_type = g->protocol_type;
    m.generation = g->generation;
    m.protocol = g->protocol;
    m.leader = g->leader ? g->leader->id : STR_NULL;
    m.current_state_timestamp = g->changed_ms;
    struct group_metadata_value_member *members = xzalloc((g->nmembers + 1) * sizeof *members);
    LIST_EACH(l, &g->members) {
        const struct group_member *p = container_of(l, struct group_member, link);
        members[m.members_n++] = (struct group_metadata_value_member){
            .member_id = p->id, .group_instance_id = p->instance_id, .client_id = p->client_id,
            .client_host = p->client_host, .rebalance_timeout = p->rebalance_timeout_ms,
            .session_timeout = p->session_timeout_ms, .subscription = group_state_metadata(g, p),
            .assignment = p->assignment};
    }
    m.members = members;
    wbuf_be16(w, VALUE_GROUP);
    group_metadata_value_encode(&m, w, VALUE_GROUP);
    xfree(members);
}
