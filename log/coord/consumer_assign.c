#include "log/coord/consumer_assign.h"

/* ---- sets */

int owned_cmp(const struct owned *a, const struct owned *b)
{
    int c = memcmp(a->topic.b, b->topic.b, sizeof a->topic.b);
    return c ? c : (a->partition > b->partition) - (a->partition < b->partition);
}

/* Where o is, or belongs. */
static unsigned place(const struct owned_set *s, const struct owned *o)
{
    unsigned lo = 0, hi = s->n;
    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        if (owned_cmp(&s->items[mid], o) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

bool owned_has(const struct owned_set *s, const struct owned *o)
{
    unsigned at = place(s, o);
    return at < s->n && owned_cmp(&s->items[at], o) == 0;
}

void owned_add(struct owned_set *s, struct owned o)
{
    unsigned at = s->n && owned_cmp(&s->items[s->n - 1], &o) < 0 ? s->n : place(s, &o);
    if (at < s->n && owned_cmp(&s->items[at], &o) == 0)
        return;
    if (s->n == s->cap) {
        s->cap = MAX(2 * s->cap, 8u);
        s->items = xrealloc(s->items, s->cap * sizeof *s->items);
    }
    memmove(s->items + at + 1, s->items + at, (s->n - at) * sizeof *s->items);
    s->items[at] = o;
    s->n++;
}

bool owned_equal(const struct owned_set *a, const struct owned_set *b)
{
    for (unsigned i = 0; i < a->n && a->n == b->n; i++)
        if (owned_cmp(&a->items[i], &b->items[i]) != 0)
            return false;
    return a->n == b->n;
}

void owned_copy(struct owned_set *to, const struct owned_set *from)
{
    if (to->cap < from->n) {
        to->cap = from->n;
        to->items = xrealloc(to->items, to->cap * sizeof *to->items);
    }
    if (from->n)
        memcpy(to->items, from->items, from->n * sizeof *to->items);
    to->n = from->n;
}

void owned_fini(struct owned_set *s)
{
    xfree(s->items);
    *s = (struct owned_set){0};
}

/* ---- both */

/* Who reads each topic: readers[first[t]] .. readers[first[t + 1]), ascending. */
struct readers {
    unsigned *first, *member;
};

static struct readers readers_of(const struct assign_member *members, unsigned nmembers, unsigned ntopics)
{
    struct readers r = {xzalloc((ntopics + 2) * sizeof(unsigned)), NULL};
    unsigned total = 0;
    for (unsigned m = 0; m < nmembers; m++)
        for (unsigned i = 0; i < members[m].ntopics; i++, total++)
            r.first[members[m].topics[i] +
                    2]++; /* counted two places on, they are where they begin when they are filled in */
    r.member = xzalloc((total + 1) * sizeof *r.member);
    for (unsigned t = 2; t < ntopics + 2; t++)
        r.first[t] += r.first[t - 1];
    for (unsigned m = 0; m < nmembers; m++)
        for (unsigned i = 0; i < members[m].ntopics; i++)
            r.member[r.first[members[m].topics[i] + 1]++] = m;
    return r;
}

static void readers_fini(struct readers *r)
{
    xfree(r->first);
    xfree(r->member);
}

/* ---- range */

void assign_range(struct assign_member *members, unsigned nmembers, const struct assign_topic *topics, unsigned ntopics)
{
    struct readers r = readers_of(members, nmembers, ntopics);
    for (unsigned t = 0; t < ntopics; t++) {
        unsigned n = r.first[t + 1] - r.first[t];
        int32_t at = 0;
        for (unsigned i = 0; i < n; i++) {
            int32_t share = topics[t].nparts / (int32_t)n + ((int32_t)i < topics[t].nparts % (int32_t)n);
            for (int32_t k = 0; k < share; k++)
                owned_add(&members[r.member[r.first[t] + i]].gets, (struct owned){topics[t].id, at++});
        }
    }
    readers_fini(&r);
}

/* ---- uniform */

#define NOBODY UINT32_MAX

struct uniform {
    struct assign_member *members;
    const struct assign_topic *topics;
    unsigned nmembers, ntopics;
    struct readers readers;
    unsigned *count; /* partitions of each member */
    unsigned *owner; /* of each partition, topics one after the other */
    unsigned *first; /* place of each topic's partition 0 there */
};

static int find_topic(const struct uniform *u, const struct uuid *id)
{
    unsigned lo = 0, hi = u->ntopics;
    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        int c = memcmp(u->topics[mid].id.b, id->b, sizeof id->b);
        if (c == 0)
            return (int)mid;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

static bool reads(const struct assign_member *m, unsigned topic)
{
    for (unsigned i = 0; i < m->ntopics; i++)
        if (m->topics[i] == topic)
            return true;
    return false;
}

static void keep(struct uniform *u)
{
    for (unsigned m = 0; m < u->nmembers; m++)
        for (unsigned i = 0; u->members[m].was && i < u->members[m].was->n; i++) {
            const struct owned *o = &u->members[m].was->items[i];
            int t = find_topic(u, &o->topic);
            if (t < 0 || o->partition >= u->topics[t].nparts || !reads(&u->members[m], (unsigned)t))
                continue;
            unsigned *owner = &u->owner[u->first[t] + (unsigned)o->partition];
            if (*owner == NOBODY) {
                *owner = m;
                u->count[m]++;
            }
        }
}

/* Of those who read the topic the one with the least. */
static unsigned poorest(const struct uniform *u, unsigned topic)
{
    unsigned best = NOBODY;
    for (unsigned i = u->readers.first[topic]; i < u->readers.first[topic + 1]; i++)
        if (best == NOBODY || u->count[u->readers.member[i]] < u->count[best])
            best = u->readers.member[i];
    return best;
}

static void give(struct uniform *u, unsigned at, unsigned m)
{
    if (u->owner[at] != NOBODY)
        u->count[u->owner[at]]--;
    u->owner[at] = m;
    u->count[m]++;
}

/* Topics that few read go first: whose partitions have a choice can even out what those had not. */
static void fill(struct uniform *u)
{
    for (unsigned most = 1; most <= u->nmembers;) {
        unsigned next = u->nmembers + 1;
        for (unsigned t = 0; t < u->ntopics; t++) {
            unsigned n = u->readers.first[t + 1] - u->readers.first[t];
            if (n > most)
                next = MIN(next, n);
            for (int32_t p = 0; n == most && p < u->topics[t].nparts; p++)
                if (u->owner[u->first[t] + (unsigned)p] == NOBODY)
                    give(u, u->first[t] + (unsigned)p, poorest(u, t));
        }
        most = next;
    }
}

/* Moves a partition as long as its owner has at least two more than another reader of its topic. Each move makes the
 * sum of the squares less, so it ends. */
static void even_out(struct uniform *u)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (unsigned t = 0; t < u->ntopics; t++)
            for (int32_t p = 0; p < u->topics[t].nparts && u->readers.first[t] < u->readers.first[t + 1]; p++) {
                unsigned at = u->first[t] + (unsigned)p, to = poorest(u, t);
                if (u->count[u->owner[at]] > u->count[to] + 1) {
                    give(u, at, to);
                    moved = true;
                }
            }
    }
}

void assign_uniform(struct assign_member *members, unsigned nmembers, const struct assign_topic *topics,
                    unsigned ntopics)
{
    struct uniform u = {members, topics, nmembers, ntopics, readers_of(members, nmembers, ntopics), NULL, NULL, NULL};
    unsigned total = 0;
    u.count = xzalloc((nmembers + 1) * sizeof *u.count);
    u.first = xzalloc((ntopics + 1) * sizeof *u.first);
    for (unsigned t = 0; t < ntopics; t++) {
        u.first[t] = total;
        total += (unsigned)topics[t].nparts;
    }
    u.owner = xzalloc((total + 1) * sizeof *u.owner);
    for (unsigned i = 0; i < total; i++)
        u.owner[i] = NOBODY;
    keep(&u);
    fill(&u);
    even_out(&u);
    for (unsigned t = 0; t < ntopics; t++)
        for (int32_t p = 0; p < topics[t].nparts; p++)
            if (u.owner[u.first[t] + (unsigned)p] != NOBODY)
                owned_add(&members[u.owner[u.first[t] + (unsigned)p]].gets, (struct owned){topics[t].id, p});
    xfree(u.count);
    xfree(u.first);
    xfree(u.owner);
    readers_fini(&u.readers);
}
