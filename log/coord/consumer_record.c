#include "log/coord/consumer_record.h"
#include "log/wire/wire.h"

static bool of_member(enum consumer_key k) { return k != CONSUMER_GROUP && k != CONSUMER_TARGET; }

bool consumer_key_read(struct consumer_record *out, struct str key)
{
    struct rbuf r = rbuf_of(key.ptr, key.len);
    struct arena unused; /* keys hold no arrays */
    int version = (int16_t)rbuf_be16(&r);
    if (r.err || (version != CONSUMER_GROUP && (version < CONSUMER_MEMBER || version > CONSUMER_MEMBER_CURRENT)))
        return false;
    *out = (struct consumer_record){.kind = (enum consumer_key)version};
    arena_init(&unused);
    if (of_member(out->kind)) {
        struct consumer_member_key k;
        consumer_member_key_decode(&k, &r, 0, &unused);
        out->group = k.group;
        out->member = k.member_id;
    } else {
        struct consumer_group_key k;
        consumer_group_key_decode(&k, &r, 0, &unused);
        out->group = k.group;
    }
    arena_fini(&unused);
    return wire_decode_done(&r) == 0;
}

void consumer_key_write(const struct consumer_record *rec, struct wbuf *w)
{
    wbuf_be16(w, (uint16_t)rec->kind);
    if (of_member(rec->kind)) {
        struct consumer_member_key k = {rec->group, rec->member};
        consumer_member_key_encode(&k, w, 0);
    } else {
        struct consumer_group_key k = {rec->group};
        consumer_group_key_encode(&k, w, 0);
    }
}

/* ---- sets: runs of one topic */

/* The structs of all such lists have the same fields. */
#define READ_SET(set, from, count)                                                                                     \
    for (uint32_t i_ = 0; i_ < (count); i_++)                                                                          \
        for (uint32_t k_ = 0; k_ < (from)[i_].partitions_n; k_++)                                                      \
    owned_add((set), (struct owned){(from)[i_].topic_id, (from)[i_].partitions[k_]})

#define WRITE_SET(to, count, set, a)                                                                                   \
    do {                                                                                                               \
        int32_t *parts_ = ARENA_ARRAY(a, int32_t, (set)->n + 1);                                                       \
        (to) = arena_zalloc(a, ((set)->n + 1) * sizeof *(to));                                                         \
        for (unsigned i_ = 0; i_ < (set)->n; i_++) {                                                                   \
            const struct owned *o_ = &(set)->items[i_];                                                                \
            if (i_ == 0 || !uuid_eq((set)->items[i_ - 1].topic, o_->topic)) {                                          \
                (to)[(count)].topic_id = o_->topic;                                                                    \
                (to)[(count)++].partitions = parts_ + i_;                                                              \
            }                                                                                                          \
            (to)[(count)-1].partitions[(to)[(count)-1].partitions_n++] = o_->partition;                                \
        }                                                                                                              \
    } while (0)

/* ---- values */

static void read_member(struct consumer_member *m, struct rbuf *r, struct arena *a)
{
    struct consumer_member_value v;
    consumer_member_value_decode(&v, r, 0, a);
    if (r->err)
        return;
    struct consumer_beat b = {.instance_id = v.instance_id,
                              .rack_id = v.rack_id,
                              .client_id = v.client_id,
                              .client_host = v.client_host,
                              .regex = v.subscribed_topic_regex,
                              .assignor = v.server_assignor,
                              .rebalance_ms = v.rebalance_timeout,
                              .topics = v.subscribed_topic_names,
                              .ntopics = (int)v.subscribed_topic_names_n};
    consumer_load_subscription(m, &b);
}

static void read_current(struct consumer_member *m, struct rbuf *r, struct arena *a)
{
    struct consumer_member_current_value v;
    consumer_member_current_value_decode(&v, r, 0, a);
    if (r->err)
        return;
    m->holds.n = m->gives_up.n = 0;
    READ_SET(&m->holds, v.assigned_partitions, v.assigned_partitions_n);
    READ_SET(&m->gives_up, v.partitions_pending_revocation, v.partitions_pending_revocation_n);
    consumer_load_current(m, v.member_epoch, v.previous_member_epoch, v.state);
}

static void read_target(struct consumer_member *m, struct rbuf *r, struct arena *a)
{
    struct consumer_member_target_value v;
    consumer_member_target_value_decode(&v, r, 0, a);
    m->target.n = 0;
    if (!r->err)
        READ_SET(&m->target, v.topic_partitions, v.topic_partitions_n);
}

static void read_value(struct consumer *c, const struct consumer_record *rec, struct rbuf *r, struct arena *a)
{
    struct consumer_group_value group;
    struct consumer_target_value target;
    switch (rec->kind) {
    case CONSUMER_GROUP:
        consumer_group_value_decode(&group, r, 0, a);
        c->epoch = group.epoch;
        c->topics_hash = group.metadata_hash;
        break;
    case CONSUMER_TARGET:
        consumer_target_value_decode(&target, r, 0, a);
        c->target_epoch = target.assignment_epoch;
        break;
    case CONSUMER_MEMBER:
        read_member(consumer_load_member(c, rec->member), r, a);
        break;
    case CONSUMER_MEMBER_TARGET:
        read_target(consumer_load_member(c, rec->member), r, a);
        break;
    case CONSUMER_MEMBER_CURRENT:
        read_current(consumer_load_member(c, rec->member), r, a);
        break;
    }
}

int consumer_value_read(struct consumer *c, const struct consumer_record *rec, struct str value)
{
    struct rbuf r = rbuf_of(value.ptr, value.len);
    struct arena a;
    if (!value.ptr) { /* a group's own tombstones are the driver's: then there is no machine */
        if (rec->kind == CONSUMER_MEMBER)
            consumer_load_removed(c, rec->member);
        return 0;
    }
    int version = (int16_t)rbuf_be16(&r);
    if (r.err || version != 0)
        return r.err ? r.err : E_UNSUPPORTED;
    arena_init(&a);
    read_value(c, rec, &r, &a);
    arena_fini(&a);
    return wire_decode_done(&r);
}

static void write_member(const struct consumer_member *m, struct wbuf *w)
{
    struct consumer_member_value v;
    consumer_member_value_init(&v);
    v.instance_id = m->instance_id;
    v.rack_id = m->rack_id;
    v.client_id = m->client_id.ptr ? m->client_id : STR("");
    v.client_host = m->client_host.ptr ? m->client_host : STR("");
    v.subscribed_topic_names = m->topics;
    v.subscribed_topic_names_n = m->ntopics;
    v.subscribed_topic_regex = m->regex;
    v.rebalance_timeout = m->rebalance_ms;
    v.server_assignor = m->assignor;
    consumer_member_value_encode(&v, w, 0);
}

static void write_target(const struct consumer_member *m, struct wbuf *w, struct arena *a)
{
    struct consumer_member_target_value v;
    consumer_member_target_value_init(&v);
    WRITE_SET(v.topic_partitions, v.topic_partitions_n, &m->target, a);
    consumer_member_target_value_encode(&v, w, 0);
}

static void write_current(const struct consumer_member *m, struct wbuf *w, struct arena *a)
{
    struct consumer_member_current_value v;
    consumer_member_current_value_init(&v);
    v.member_epoch = m->epoch;
    v.previous_member_epoch = m->last_epoch;
    v.state = (int8_t)(m->sm.cur + 1);
    WRITE_SET(v.assigned_partitions, v.assigned_partitions_n, &m->holds, a);
    WRITE_SET(v.partitions_pending_revocation, v.partitions_pending_revocation_n, &m->gives_up, a);
    consumer_member_current_value_encode(&v, w, 0);
}

void consumer_value_write(const struct consumer *c, const struct consumer_member *m, enum consumer_key kind,
                          struct wbuf *w)
{
    struct consumer_group_value group = {.epoch = c->epoch, .metadata_hash = c->topics_hash};
    struct consumer_target_value target = {.assignment_epoch = c->target_epoch};
    struct arena a;
    arena_init(&a);
    wbuf_be16(w, 0);
    switch (kind) {
    case CONSUMER_GROUP:
        consumer_group_value_encode(&group, w, 0);
        break;
    case CONSUMER_TARGET:
        consumer_target_value_encode(&target, w, 0);
        break;
    case CONSUMER_MEMBER:
        write_member(m, w);
        break;
    case CONSUMER_MEMBER_TARGET:
        write_target(m, w, &a);
        break;
    case CONSUMER_MEMBER_CURRENT:
        write_current(m, w, &a);
        break;
    }
    arena_fini(&a);
}
