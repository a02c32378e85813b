/* KIP-848. Codes and the order of checks are Kafka's.
 *
 *   stable -> unrevoked -> unreleased -> stable     whatever -> whatever it needs, with the next target */
#include "log/coord/consumer.h"
#include "log/base/limits.h"
#include "log/base/pattern.h"
#include "log/wire/wire.h"
#include <stdlib.h>

static const struct sm_state phases[] = {
    [CONSUMER_STABLE] = {"stable", TO(CONSUMER_UNREVOKED) | TO(CONSUMER_UNRELEASED)},
    [CONSUMER_UNREVOKED] = {"unrevoked", TO(CONSUMER_STABLE) | TO(CONSUMER_UNRELEASED)},
    [CONSUMER_UNRELEASED] = {"unreleased", TO(CONSUMER_STABLE) | TO(CONSUMER_UNREVOKED)},
};

/* ---- small things */

static struct str keep(struct str s)
{
    char *p = s.ptr ? xalloc(s.len + 1) : NULL;
    if (s.len)
        memcpy(p, s.ptr, s.len);
    return (struct str){p, s.len};
}

static void let_go(struct str *s)
{
    xfree((char *)s->ptr);
    *s = STR_NULL;
}

/* True if it was something else. */
static bool replace(struct str *s, struct str with)
{
    if ((!s->ptr && !with.ptr) || (s->ptr && with.ptr && str_eq(*s, with)))
        return false;
    let_go(s);
    *s = keep(with);
    return true;
}

static void drop_names(struct str **names, unsigned *n)
{
    for (unsigned i = 0; i < *n; i++)
        let_go(&(*names)[i]);
    xfree(*names);
    *names = NULL;
    *n = 0;
}

static int name_cmp(const void *a, const void *b) { return str_cmp(*(const struct str *)a, *(const struct str *)b); }

/* Ascending, none twice; true if they were others. */
static bool set_names(struct str **names, unsigned *n, const struct str *from, unsigned count)
{
    struct str *all = xzalloc((count + 1) * sizeof *all);
    unsigned kept = 0;
    for (unsigned i = 0; i < count; i++)
        all[i] = from[i];
    qsort(all, count, sizeof *all, name_cmp);
    for (unsigned i = 0; i < count; i++)
        if (kept == 0 || !str_eq(all[kept - 1], all[i]))
            all[kept++] = all[i];
    bool same = kept == *n;
    for (unsigned i = 0; i < kept && same; i++)
        same = str_eq(all[i], (*names)[i]);
    for (unsigned i = 0; i < kept && !same; i++)
        all[i] = keep(all[i]);
    if (same) {
        xfree(all);
        return false;
    }
    drop_names(names, n);
    *names = all;
    *n = kept;
    return true;
}

static struct str part_key(const struct owned *o, char out[20])
{
    memcpy(out, o->topic.b, 16);
    put_be32((uint8_t *)out + 16, (uint32_t)o->partition);
    return (struct str){out, 20};
}

static struct consumer_member *holder(const struct consumer *c, const struct owned *o)
{
    char key[20];
    return map_get(&c->holders, part_key(o, key));
}

static void hold(struct consumer *c, const struct owned *o, struct consumer_member *m)
{
    char key[20];
    void *before = map_put(&c->holders, part_key(o, key), m);
    CHECK(before == NULL || before == m);
}

static void release(struct consumer *c, const struct owned *o, const struct consumer_member *m)
{
    char key[20];
    CHECK(holder(c, o) == m);
    map_remove(&c->holders, part_key(o, key));
}

static void wake_at(struct consumer *c, int64_t ms) { c->next_ms = MIN(c->next_ms, ms); }

static void alive(struct consumer *c, struct consumer_member *m)
{
    m->due_ms = c->now_ms + c->conf->session_ms;
    wake_at(c, m->due_ms);
}

static void move(struct consumer_member *m, enum consumer_phase to)
{
    if (!sm_is(&m->sm, to))
        sm_move(&m->sm, to);
}

static void bump(struct consumer *c)
{
    c->epoch++;
    c->dirty_epoch = true;
}

/* ---- members */

void consumer_init(struct consumer *c, struct str id, const struct consumer_conf *conf)
{
    *c = (struct consumer){.conf = conf, .id = keep(id), .next_ms = INT64_MAX, .topics_version = -1};
    list_init(&c->members);
    map_init(&c->by_id);
    map_init(&c->by_instance);
    map_init(&c->holders);
}

static struct consumer_member *member_new(struct consumer *c, struct str id)
{
    struct consumer_member *m = xzalloc(sizeof *m);
    m->id = keep(id);
    m->rebalance_ms = -1;
    m->newly = true;
    sm_init(&m->sm, phases, "coord.member", CONSUMER_STABLE);
    list_add_tail(&c->members, &m->link);
    map_put(&c->by_id, id, m);
    c->nmembers++;
    return m;
}

static void member_free(struct consumer_member *m)
{
    let_go(&m->id);
    let_go(&m->instance_id);
    let_go(&m->rack_id);
    let_go(&m->client_id);
    let_go(&m->client_host);
    let_go(&m->regex);
    let_go(&m->assignor);
    drop_names(&m->topics, &m->ntopics);
    drop_names(&m->found, &m->nfound);
    owned_fini(&m->holds);
    owned_fini(&m->gives_up);
    owned_fini(&m->target);
    xfree(m);
}

/* What it held is free. */
static void member_remove(struct consumer *c, struct consumer_member *m)
{
    for (unsigned i = 0; i < m->holds.n; i++)
        release(c, &m->holds.items[i], m);
    for (unsigned i = 0; i < m->gives_up.n; i++)
        release(c, &m->gives_up.items[i], m);
    if (m->instance_id.ptr && map_get(&c->by_instance, m->instance_id) == m)
        map_remove(&c->by_instance, m->instance_id);
    map_remove(&c->by_id, m->id);
    list_remove(&m->link);
    c->nmembers--;
    if (!m->newly) {
        VEC_PUSH(c->gone, c->ngone, c->gone_cap) = keep(m->id);
    }
    member_free(m);
}

void consumer_fini(struct consumer *c)
{
    while (!list_empty(&c->members)) {
        struct consumer_member *m = container_of(c->members.next, struct consumer_member, link);
        list_remove(&m->link);
        member_free(m);
    }
    for (unsigned i = 0; i < c->ngone; i++)
        let_go(&c->gone[i]);
    xfree(c->gone);
    let_go(&c->id);
    map_fini(&c->by_id);
    map_fini(&c->by_instance);
    map_fini(&c->holders);
}

/* ---- what is read */

struct finding {
    struct pattern *pattern;
    struct str *names;
    unsigned n, cap;
};

static void find_name(void *arg, struct str name)
{
    struct finding *f = arg;
    if (pattern_match(f->pattern, name, 0) == PATTERN_YES)
        VEC_PUSH(f->names, f->n, f->cap) = keep(name);
}

/* Topics that the member's regular expression matches, as they are now; true if they were others. */
static bool find_topics(struct consumer_member *m, const struct consumer_topics *topics)
{
    struct finding f = {0};
    if (m->regex.len)
        f.pattern = pattern_new(m->regex, PATTERN_NAMES, NULL);
    if (f.pattern)
        topics->each(topics->arg, find_name, &f);
    pattern_free(f.pattern);
    bool other = set_names(&m->found, &m->nfound, f.names, f.n);
    for (unsigned i = 0; i < f.n; i++)
        let_go(&f.names[i]);
    xfree(f.names);
    return other;
}

static bool member_reads(const struct consumer_member *m, struct str topic)
{
    return (m->ntopics && bsearch(&topic, m->topics, m->ntopics, sizeof topic, name_cmp)) ||
           (m->nfound && bsearch(&topic, m->found, m->nfound, sizeof topic, name_cmp));
}

bool consumer_reads(const struct consumer *c, struct str topic)
{
    LIST_EACH (l, &c->members) {
        if (member_reads(container_of(l, struct consumer_member, link), topic))
            return true;
    }
    return false;
}

/* Of ids and sizes of all topics that are read: another value, another epoch. A sum, so that order does not matter. */
static int64_t hash_topics(const struct consumer *c, const struct consumer_topics *topics)
{
    struct map seen;
    uint64_t sum = 0;
    map_init(&seen);
    LIST_EACH (l, &c->members) {
        const struct consumer_member *m = container_of(l, struct consumer_member, link);
        for (unsigned i = 0; i < m->ntopics + m->nfound; i++) {
            struct str name = i < m->ntopics ? m->topics[i] : m->found[i - m->ntopics];
            struct assign_topic t;
            if (map_put(&seen, name, &seen) || !topics->find(topics->arg, name, &t))
                continue;
            sum += hash_u64(hash_bytes(t.id.b, sizeof t.id.b, 848) + (uint64_t)t.nparts);
        }
    }
    map_fini(&seen);
    return (int64_t)sum;
}

/* Topics come, grow and go: then there is a new epoch. */
static void look_at_topics(struct consumer *c, const struct consumer_topics *topics, bool again)
{
    if (!again && topics->version == c->topics_version)
        return;
    if (topics->version != c->topics_version)
        LIST_EACH (l, &c->members) {
            struct consumer_member *m = container_of(l, struct consumer_member, link);
            if (m->regex.len)
                find_topics(m, topics);
        }
    c->topics_version = topics->version;
    int64_t hash = hash_topics(c, topics);
    if (hash != c->topics_hash) {
        c->topics_hash = hash;
        bump(c);
    }
}

/* ---- the target */

const char *consumer_assignor(const struct consumer *c)
{
    unsigned range = 0, uniform = 0;
    LIST_EACH (l, &c->members) {
        const struct consumer_member *m = container_of(l, struct consumer_member, link);
        range += m->assignor.ptr && str_eq(m->assignor, STR("range"));
        uniform += m->assignor.ptr && str_eq(m->assignor, STR("uniform"));
    }
    return range > uniform ? "range" : "uniform";
}

static int topic_cmp(const void *a, const void *b)
{
    return memcmp(((const struct assign_topic *)a)->id.b, ((const struct assign_topic *)b)->id.b, 16);
}

struct aiming { /* topics by id, and by name their places */
    struct assign_topic *topics;
    unsigned n, cap;
    struct map seen;
};

static void aim_topics(struct aiming *am, const struct consumer *c, const struct consumer_topics *topics)
{
    LIST_EACH (l, &c->members) {
        const struct consumer_member *m = container_of(l, struct consumer_member, link);
        for (unsigned i = 0; i < m->ntopics + m->nfound; i++) {
            struct str name = i < m->ntopics ? m->topics[i] : m->found[i - m->ntopics];
            struct assign_topic t;
            if (!map_put(&am->seen, name, am) && topics->find(topics->arg, name, &t))
                VEC_PUSH(am->topics, am->n, am->cap) = t;
        }
    }
    if (am->n)
        qsort(am->topics, am->n, sizeof *am->topics, topic_cmp);
}

static int index_cmp(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

/* Indexes of what the member reads; gives their array. */
static unsigned *aim_reads(const struct aiming *am, const struct consumer_member *m,
                           const struct consumer_topics *topics, unsigned *n)
{
    unsigned *out = xzalloc((m->ntopics + m->nfound + 1) * sizeof *out);
    *n = 0;
    for (unsigned i = 0; i < m->ntopics + m->nfound; i++) {
        struct assign_topic t, *at;
        struct str name = i < m->ntopics ? m->topics[i] : m->found[i - m->ntopics];
        if (i >= m->ntopics && m->ntopics && bsearch(&name, m->topics, m->ntopics, sizeof name, name_cmp))
            continue;
        if (topics->find(topics->arg, name, &t) && (at = bsearch(&t, am->topics, am->n, sizeof t, topic_cmp)) != NULL)
            out[(*n)++] = (unsigned)(at - am->topics);
    }
    qsort(out, *n, sizeof *out, index_cmp);
    return out;
}

static int member_cmp(const void *a, const void *b)
{
    const struct consumer_member *x = *(const struct consumer_member *const *)a,
                                 *y = *(const struct consumer_member *const *)b;
    return str_cmp(x->instance_id.ptr ? x->instance_id : x->id, y->instance_id.ptr ? y->instance_id : y->id);
}

/* Makes the target of the group's epoch. */
static void aim(struct consumer *c, const struct consumer_topics *topics)
{
    struct aiming am = {0};
    struct consumer_member **by_id = xzalloc((c->nmembers + 1) * sizeof *by_id);
    struct assign_member *in = xzalloc((c->nmembers + 1) * sizeof *in);
    unsigned n = 0;
    map_init(&am.seen);
    aim_topics(&am, c, topics);
    LIST_EACH (l, &c->members) {
        by_id[n++] = container_of(l, struct consumer_member, link);
    }
    qsort(by_id, n, sizeof(struct consumer_member *), member_cmp);
    for (unsigned i = 0; i < n; i++) {
        in[i] = (struct assign_member){.id = by_id[i]->id, .was = &by_id[i]->target};
        in[i].topics = aim_reads(&am, by_id[i], topics, &in[i].ntopics);
    }
    (strcmp(consumer_assignor(c), "range") == 0 ? assign_range : assign_uniform)(in, n, am.topics, am.n);
    for (unsigned i = 0; i < n; i++) {
        if (!owned_equal(&by_id[i]->target, &in[i].gets)) {
            owned_copy(&by_id[i]->target, &in[i].gets);
            by_id[i]->dirty_target = true;
        }
        owned_fini(&in[i].gets);
        xfree((unsigned *)(uintptr_t)in[i].topics);
    }
    c->target_epoch = c->epoch;
    c->dirty_target_epoch = true;
    map_fini(&am.seen);
    xfree(am.topics);
    xfree(in);
    xfree(by_id);
}

/* ---- towards the target */

static bool holds_any(const struct owned_set *s, const struct owned *owned, int n)
{
    for (int i = 0; i < n; i++)
        if (owned_has(s, &owned[i]))
            return true;
    return false;
}

/* What it is to have and may have now, and what it has to give up before that. */
static void advance(struct consumer *c, struct consumer_member *m, const struct consumer_beat *b)
{
    struct owned_set stays = {0}, goes = {0};
    bool unreleased = false;
    for (unsigned i = 0; i < m->holds.n; i++)
        owned_add(owned_has(&m->target, &m->holds.items[i]) ? &stays : &goes, m->holds.items[i]);
    /* Who does not say what it holds holds what it was given. */
    if (goes.n && (b->nowned < 0 || holds_any(&goes, b->owned, b->nowned))) {
        owned_copy(&m->holds, &stays);
        owned_copy(&m->gives_up, &goes);
        move(m, CONSUMER_UNREVOKED);
        m->give_up_ms = c->now_ms + m->rebalance_ms;
        wake_at(c, m->give_up_ms);
    } else {
        for (unsigned i = 0; i < goes.n; i++)
            release(c, &goes.items[i], m);
        for (unsigned i = 0; i < m->target.n; i++) {
            const struct owned *o = &m->target.items[i];
            struct consumer_member *has = holder(c, o);
            if (has && has != m) {
                unreleased = true;
                continue;
            }
            owned_add(&stays, *o);
            hold(c, o, m);
        }
        owned_copy(&m->holds, &stays);
        m->last_epoch = m->epoch;
        m->epoch = c->target_epoch;
        move(m, unreleased ? CONSUMER_UNRELEASED : CONSUMER_STABLE);
    }
    m->dirty_current = true;
    owned_fini(&stays);
    owned_fini(&goes);
}

/* Does the target hold something that is free now and that this member lacks? */
static bool more_is_free(const struct consumer *c, const struct consumer_member *m)
{
    for (unsigned i = 0; i < m->target.n; i++)
        if (!holder(c, &m->target.items[i]))
            return true;
    return false;
}

static void reconcile(struct consumer *c, struct consumer_member *m, const struct consumer_beat *b)
{
    switch ((enum consumer_phase)m->sm.cur) {
    case CONSUMER_UNREVOKED:
        if (b->nowned < 0 || holds_any(&m->gives_up, b->owned, b->nowned))
            return;
        for (unsigned i = 0; i < m->gives_up.n; i++)
            release(c, &m->gives_up.items[i], m);
        m->gives_up.n = 0;
        m->give_up_ms = 0;
        advance(c, m, b);
        return;
    case CONSUMER_UNRELEASED:
        if (m->epoch != c->target_epoch || more_is_free(c, m))
            advance(c, m, b);
        return;
    case CONSUMER_STABLE:
        if (m->epoch != c->target_epoch)
            advance(c, m, b);
        return;
    }
}

/* ---- heartbeats */

static void refuse(struct consumer_answer *out, int16_t error, const char *message)
{
    *out = (struct consumer_answer){.error = error, .message = message};
}

static bool subset(const struct consumer_beat *b, const struct owned_set *of)
{
    for (int i = 0; i < b->nowned; i++)
        if (!owned_has(of, &b->owned[i]))
            return false;
    return b->nowned >= 0;
}

/* The epoch that it knows: the newest, or the one before if its answer got lost and it holds nothing else. */
static bool epoch_fits(const struct consumer_member *m, const struct consumer_beat *b)
{
    return b->epoch == m->epoch || (b->epoch < m->epoch && b->epoch == m->last_epoch && subset(b, &m->holds));
}

static int16_t pattern_error(struct str regex)
{
    struct pattern *p = regex.len ? pattern_new(regex, PATTERN_NAMES, NULL) : NULL;
    int16_t error = regex.len && !p ? K_INVALID_PATTERN : K_NONE;
    pattern_free(p);
    return error;
}

static bool assignor_known(struct str name)
{
    return !name.len || str_eq(name, STR("uniform")) || str_eq(name, STR("range"));
}

static bool valid(const struct consumer_beat *b, struct consumer_answer *out)
{
    if (b->epoch < EPOCH_LEAVE_STATIC)
        refuse(out, K_INVALID_REQUEST, "no such member epoch");
    else if (!b->member_id.len)
        refuse(out, K_INVALID_REQUEST, "a member id is missing");
    else if (b->instance_id.ptr && !b->instance_id.len)
        refuse(out, K_INVALID_REQUEST, "an instance id is empty");
    else if (b->epoch == EPOCH_LEAVE_STATIC && !b->instance_id.ptr)
        refuse(out, K_INVALID_REQUEST, "only a static member can leave to come back");
    else if (b->epoch == EPOCH_JOIN && b->rebalance_ms < 0)
        refuse(out, K_INVALID_REQUEST, "who joins has to say a rebalance timeout");
    else if (b->epoch == EPOCH_JOIN && b->ntopics < 0 && !b->regex.ptr)
        refuse(out, K_INVALID_REQUEST, "who joins has to say what it reads");
    else if (b->epoch == EPOCH_JOIN && b->nowned > 0)
        refuse(out, K_INVALID_REQUEST, "who joins owns nothing");
    else if (!assignor_known(b->assignor))
        refuse(out, K_UNSUPPORTED_ASSIGNOR, "there are the assignors uniform and range");
    else if (pattern_error(b->regex))
        refuse(out, K_INVALID_PATTERN, "the subscription is no regular expression");
    else
        return true;
    return false;
}

/* A returning static member takes over what its last life was to own; what that held is free. */
static struct consumer_member *come_back(struct consumer *c, struct consumer_member *was, const struct consumer_beat *b)
{
    struct consumer_member *m = member_new(c, b->member_id);
    m->instance_id = keep(b->instance_id);
    m->regex = keep(was->regex);
    m->assignor = keep(was->assignor);
    set_names(&m->topics, &m->ntopics, was->topics, was->ntopics);
    set_names(&m->found, &m->nfound, was->found, was->nfound);
    owned_copy(&m->target, &was->target);
    m->dirty_self = m->dirty_target = m->dirty_current = true;
    member_remove(c, was);
    map_put(&c->by_instance, m->instance_id, m);
    return m;
}

/* Who joins: one that is new, one that was fenced and begins anew, or a static one that comes back. NULL: refused. */
static struct consumer_member *joining(struct consumer *c, const struct consumer_beat *b, struct consumer_answer *out)
{
    struct consumer_member *m = map_get(&c->by_id, b->member_id);
    struct consumer_member *same = b->instance_id.ptr ? map_get(&c->by_instance, b->instance_id) : NULL;
    if (same && same != m) {
        if (same->epoch != EPOCH_LEAVE_STATIC) {
            refuse(out, K_UNRELEASED_INSTANCE_ID, "the instance id is in use by another member");
            return NULL;
        }
        return come_back(c, same, b);
    }
    if (!m && (int64_t)c->nmembers >= c->conf->size_max) {
        refuse(out, K_GROUP_MAX_SIZE, "the group has as many members as it may have");
        return NULL;
    }
    if (!m) {
        m = member_new(c, b->member_id);
        bump(c);
        m->dirty_target = m->dirty_current = true;
        if (b->instance_id.ptr) {
            m->instance_id = keep(b->instance_id);
            map_put(&c->by_instance, m->instance_id, m);
        }
    }
    /* It holds nothing, whatever it was given before. */
    for (unsigned i = 0; i < m->holds.n; i++)
        release(c, &m->holds.items[i], m);
    for (unsigned i = 0; i < m->gives_up.n; i++)
        release(c, &m->gives_up.items[i], m);
    m->holds.n = m->gives_up.n = 0;
    m->epoch = m->last_epoch = 0;
    m->give_up_ms = 0;
    move(m, CONSUMER_STABLE);
    m->dirty_self = m->dirty_current = true;
    return m;
}

static struct consumer_member *known(struct consumer *c, const struct consumer_beat *b, struct consumer_answer *out)
{
    struct consumer_member *m = map_get(&c->by_id, b->member_id);
    if (b->instance_id.ptr) {
        struct consumer_member *same = map_get(&c->by_instance, b->instance_id);
        if (!same)
            refuse(out, K_UNKNOWN_MEMBER, "no member has this instance id");
        else if (same != m)
            refuse(out, K_FENCED_INSTANCE_ID, "another member has this instance id");
        if (!same || same != m)
            return NULL;
    }
    if (!m)
        refuse(out, K_UNKNOWN_MEMBER, "no such member");
    else if (b->epoch >= 0 && !epoch_fits(m, b)) {
        refuse(out, K_FENCED_MEMBER_EPOCH, "the member is at another epoch: let go of all partitions and join again");
        return NULL;
    }
    return m;
}

static void leave(struct consumer *c, const struct consumer_beat *b, struct consumer_answer *out)
{
    struct consumer_member *m = known(c, b, out);
    if (!m)
        return;
    *out = (struct consumer_answer){.epoch = b->epoch};
    if (b->epoch == EPOCH_LEAVE_STATIC) {
        m->epoch = m->last_epoch = EPOCH_LEAVE_STATIC;
        m->dirty_current = true;
        return;
    }
    member_remove(c, m);
    bump(c);
}

/* True: it reads something else than before. */
static bool subscribe(struct consumer_member *m, const struct consumer_beat *b, const struct consumer_topics *topics)
{
    bool other = false, reads_other = false;
    if (b->ntopics >= 0)
        reads_other |= set_names(&m->topics, &m->ntopics, b->topics, (unsigned)b->ntopics);
    if (b->regex.ptr && replace(&m->regex, b->regex.len ? b->regex : STR_NULL)) {
        find_topics(m, topics);
        reads_other = true;
    }
    if (b->assignor.ptr)
        reads_other |= replace(&m->assignor, b->assignor);
    if (b->rack_id.ptr)
        other |= replace(&m->rack_id, b->rack_id);
    other |= replace(&m->client_id, b->client_id);
    other |= replace(&m->client_host, b->client_host);
    other |= b->rebalance_ms >= 0 && m->rebalance_ms != b->rebalance_ms;
    if (b->rebalance_ms >= 0)
        m->rebalance_ms = b->rebalance_ms;
    m->dirty_self |= other || reads_other;
    return reads_other;
}

void consumer_beat(struct consumer *c, int64_t now_ms, const struct consumer_topics *topics,
                   const struct consumer_beat *b, struct consumer_answer *out)
{
    c->now_ms = now_ms;
    if (!valid(b, out))
        return;
    if (b->epoch < 0) {
        leave(c, b, out);
        return;
    }
    int32_t was = c->epoch;
    struct consumer_member *m = b->epoch == EPOCH_JOIN ? joining(c, b, out) : known(c, b, out);
    if (!m)
        return;
    struct owned_set before = {0};
    owned_copy(&before, &m->holds);
    alive(c, m);
    bool other = subscribe(m, b, topics);
    if (other && c->epoch == was)
        bump(c);
    look_at_topics(c, topics, other || c->epoch != was);
    if (c->epoch > c->target_epoch)
        aim(c, topics);
    reconcile(c, m, b);
    bool whole = b->rebalance_ms >= 0 && (b->ntopics >= 0 || b->regex.ptr) && b->nowned >= 0;
    bool tell = b->epoch == EPOCH_JOIN || whole || b->epoch != m->epoch || !owned_equal(&before, &m->holds);
    *out = (struct consumer_answer){.epoch = m->epoch, .holds = tell ? &m->holds : NULL};
    owned_fini(&before);
}

/* ---- time */

void consumer_tick(struct consumer *c, int64_t now_ms)
{
    c->now_ms = now_ms;
    c->next_ms = INT64_MAX;
    struct list *next;
    for (struct list *l = c->members.next; l != &c->members; l = next) {
        struct consumer_member *m = container_of(l, struct consumer_member, link);
        next = l->next;
        if (m->due_ms <= now_ms || (m->give_up_ms && m->give_up_ms <= now_ms)) {
            member_remove(c, m);
            bump(c);
            continue;
        }
        wake_at(c, m->due_ms);
        if (m->give_up_ms)
            wake_at(c, m->give_up_ms);
    }
}

/* ---- questions */

int16_t consumer_may(const struct consumer *c, struct str member_id, int32_t epoch, bool txn)
{
    if (epoch < 0 && (!member_id.len || c->nmembers == 0))
        return c->nmembers == 0 || txn ? K_NONE : K_UNKNOWN_MEMBER;
    const struct consumer_member *m = map_get(&c->by_id, member_id);
    if (!m)
        return K_UNKNOWN_MEMBER;
    return m->epoch == epoch ? K_NONE : txn ? K_ILLEGAL_GENERATION : K_STALE_MEMBER_EPOCH;
}

const char *consumer_state(const struct consumer *c)
{
    if (c->nmembers == 0)
        return "Empty";
    if (c->epoch > c->target_epoch)
        return "Assigning";
    LIST_EACH (l, &c->members) {
        const struct consumer_member *m = container_of(l, struct consumer_member, link);
        if (!sm_is(&m->sm, CONSUMER_STABLE) || m->epoch != c->target_epoch)
            return "Reconciling";
    }
    return "Stable";
}

/* ---- records */

bool consumer_dirty(const struct consumer *c)
{
    if (c->dirty_epoch || c->dirty_target_epoch || c->ngone)
        return true;
    LIST_EACH (l, &c->members) {
        const struct consumer_member *m = container_of(l, struct consumer_member, link);
        if (m->dirty_self || m->dirty_target || m->dirty_current)
            return true;
    }
    return false;
}

static void mark(struct consumer *c, bool dirty)
{
    c->dirty_epoch = c->dirty_target_epoch = dirty;
    LIST_EACH (l, &c->members) {
        struct consumer_member *m = container_of(l, struct consumer_member, link);
        m->dirty_self = m->dirty_target = m->dirty_current = dirty;
        m->newly = false; /* a record of it may be there */
    }
}

void consumer_clean(struct consumer *c)
{
    mark(c, false);
    drop_names(&c->gone, &c->ngone);
    c->gone_cap = 0;
}

void consumer_redo(struct consumer *c) { mark(c, true); }

struct consumer_member *consumer_load_member(struct consumer *c, struct str id)
{
    struct consumer_member *m = map_get(&c->by_id, id);
    return m ? m : member_new(c, id);
}

void consumer_load_removed(struct consumer *c, struct str id)
{
    struct consumer_member *m = map_get(&c->by_id, id);
    if (!m)
        return;
    map_remove(&c->by_id, id);
    list_remove(&m->link);
    c->nmembers--;
    member_free(m);
}

void consumer_load_subscription(struct consumer_member *m, const struct consumer_beat *b)
{
    m->newly = false;
    replace(&m->instance_id, b->instance_id);
    replace(&m->rack_id, b->rack_id);
    replace(&m->client_id, b->client_id);
    replace(&m->client_host, b->client_host);
    replace(&m->regex, b->regex.len ? b->regex : STR_NULL);
    replace(&m->assignor, b->assignor);
    set_names(&m->topics, &m->ntopics, b->topics, (unsigned)b->ntopics);
    m->rebalance_ms = b->rebalance_ms;
}

void consumer_load_current(struct consumer_member *m, int32_t epoch, int32_t last_epoch, int8_t state)
{
    m->epoch = epoch;
    m->last_epoch = last_epoch;
    move(m, state == 2 ? CONSUMER_UNREVOKED : state == 3 ? CONSUMER_UNRELEASED : CONSUMER_STABLE);
}

/* A record that says that two hold a partition cannot have been written by us; the first one stays. */
static void take(struct consumer *c, struct consumer_member *m, struct owned_set *s)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < s->n; i++)
        if (!holder(c, &s->items[i])) {
            hold(c, &s->items[i], m);
            s->items[kept++] = s->items[i];
        }
    s->n = kept;
}

void consumer_load_done(struct consumer *c, int64_t now_ms)
{
    struct list *next;
    c->now_ms = now_ms;
    for (struct list *l = c->members.next; l != &c->members; l = next) {
        struct consumer_member *m = container_of(l, struct consumer_member, link);
        next = l->next;
        if (m->newly) {
            consumer_load_removed(c, m->id);
            continue;
        }
        take(c, m, &m->holds);
        take(c, m, &m->gives_up);
        if (m->instance_id.ptr)
            map_put(&c->by_instance, m->instance_id, m);
        alive(c, m);
        if (sm_is(&m->sm, CONSUMER_UNREVOKED) && m->gives_up.n == 0)
            move(m, CONSUMER_UNRELEASED);
        if (m->gives_up.n) {
            move(m, CONSUMER_UNREVOKED);
            m->give_up_ms = now_ms + MAX(m->rebalance_ms, 0);
            wake_at(c, m->give_up_ms);
        }
    }
}

void consumer_check(const struct consumer *c)
{
    unsigned n = 0, held = 0;
    CHECK(c->target_epoch <= c->epoch);
    LIST_EACH (l, &c->members) {
        const struct consumer_member *m = container_of(l, struct consumer_member, link);
        n++;
        held += m->holds.n + m->gives_up.n;
        CHECK(map_get(&c->by_id, m->id) == m);
        CHECK(m->epoch <= c->target_epoch);
        CHECK(sm_is(&m->sm, CONSUMER_UNREVOKED) == (m->gives_up.n > 0));
        CHECK((m->give_up_ms > 0) == (m->gives_up.n > 0));
        for (unsigned i = 0; i < m->holds.n; i++)
            CHECK(holder(c, &m->holds.items[i]) == m && !owned_has(&m->gives_up, &m->holds.items[i]));
        for (unsigned i = 0; i < m->gives_up.n; i++)
            CHECK(holder(c, &m->gives_up.items[i]) == m);
        if (sm_is(&m->sm, CONSUMER_STABLE) && m->epoch == c->target_epoch)
            CHECK(owned_equal(&m->holds, &m->target));
    }
    CHECK(n == c->nmembers && held == c->holders.len);
}
