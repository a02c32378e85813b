#include "log/cluster/image.h"
#include "log/cluster/config.h"
#include "log/base/pack.h"
#include <stdlib.h>

/* What the public structs begin; counted apart from the image because images share them. */
struct topic_ref {
    struct topic t;
    _Atomic int refs;
    struct arena arena;
};
struct object_ref {
    struct object o;
    _Atomic int refs;
};
struct image_full {
    struct image im;
    const struct topic **by_name, **by_id;
    const struct object **objects;
};
struct draft {
    struct image *base;
    const struct config *conf;
    struct topic **topics, **by_id; /* by name; by id */
    unsigned ntopics, cap, by_id_cap;
    struct object **objects;
    unsigned nobjects, objects_cap;
    int64_t next_producer_id;
};

/* ---- counting */

static struct topic_ref *tref(const struct topic *t) { return container_of(t, struct topic_ref, t); }
static struct object_ref *oref(const struct object *o) { return container_of(o, struct object_ref, o); }

static struct topic *topic_acquire(const struct topic *t)
{
    atomic_fetch_add(&tref(t)->refs, 1);
    return &tref(t)->t;
}

static void topic_release(const struct topic *t)
{
    struct topic_ref *ref = tref(t);
    if (atomic_fetch_sub(&ref->refs, 1) != 1)
        return;
    for (int32_t i = 0; ref->t.parts && i < ref->t.nparts; i++)
        part_release(ref->t.parts[i]);
    arena_fini(&ref->arena);
    xfree(ref);
}

static struct object *object_acquire(const struct object *o)
{
    atomic_fetch_add(&oref(o)->refs, 1);
    return &oref(o)->o;
}

static void object_release(const struct object *o)
{
    if (atomic_fetch_sub(&oref(o)->refs, 1) == 1)
        xfree(oref(o));
}

static void image_free(struct counted *c)
{
    struct image_full *f = container_of(c, struct image_full, im.c);
    for (unsigned i = 0; i < f->im.ntopics; i++)
        topic_release(f->by_name[i]);
    for (unsigned i = 0; i < f->im.nobjects; i++)
        object_release(f->objects[i]);
    xfree(f->by_name);
    xfree(f->by_id);
    xfree(f->objects);
    xfree(f);
}

static struct image *image_new(struct uuid cluster_id)
{
    struct image_full *f = xzalloc(sizeof *f);
    counted_init(&f->im.c, image_free);
    f->im.cluster_id = cluster_id;
    return &f->im;
}

struct image *image_first(struct uuid cluster_id)
{
    struct image *im = image_new(cluster_id);
    im->next_producer_id = 0;
    return im;
}

/* ---- finding. Sorted arrays; `found` tells whether the place holds it. */

static unsigned place_by_name(struct topic *const *topics, unsigned n, struct str name, bool *found)
{
    unsigned lo = 0, hi = n;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (str_cmp(str_of(topics[mid]->name), name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *found = lo < n && str_eq(str_of(topics[lo]->name), name);
    return lo;
}

static unsigned place_by_id(struct topic *const *topics, unsigned n, struct uuid id, bool *found)
{
    unsigned lo = 0, hi = n;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (memcmp(topics[mid]->id.b, id.b, 16) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *found = lo < n && uuid_eq(topics[lo]->id, id);
    return lo;
}

static int cmp_nocase(struct str a, struct str b)
{
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        int x = (unsigned char)a.ptr[i], y = (unsigned char)b.ptr[i];
        x += x >= 'A' && x <= 'Z' ? 32 : 0;
        y += y >= 'A' && y <= 'Z' ? 32 : 0;
        if (x != y)
            return x < y ? -1 : 1;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

static unsigned place_object(struct object *const *objects, unsigned n, struct str kind, struct str name, bool *found)
{
    unsigned lo = 0, hi = n;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        int c = str_cmp(str_of(objects[mid]->kind), kind);
        if (c == 0)
            c = cmp_nocase(str_of(objects[mid]->name), name);
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *found = lo < n && str_eq(str_of(objects[lo]->kind), kind) && str_eq_nocase(str_of(objects[lo]->name), name);
    return lo;
}

const struct topic *image_topic(const struct image *im, struct str name)
{
    bool found;
    unsigned at = place_by_name((struct topic *const *)im->topics, im->ntopics, name, &found);
    return found ? im->topics[at] : NULL;
}

const struct topic *image_topic_by_id(const struct image *im, struct uuid id)
{
    const struct image_full *f = container_of(im, struct image_full, im);
    bool found;
    unsigned at = place_by_id((struct topic *const *)f->by_id, im->ntopics, id, &found);
    return found ? f->by_id[at] : NULL;
}

const struct object *image_object(const struct image *im, const char *kind, struct str name)
{
    bool found;
    unsigned at = place_object((struct object *const *)im->objects, im->nobjects, str_of(kind), name, &found);
    return found ? im->objects[at] : NULL;
}

const struct object *image_object_by_id(const struct image *im, struct uuid id)
{
    for (unsigned i = 0; i < im->nobjects; i++)
        if (uuid_eq(im->objects[i]->id, id))
            return im->objects[i];
    return NULL;
}

/* ---- topics of a draft */

static struct topic_ref *topic_new(struct str name, struct uuid id, int32_t nparts)
{
    struct topic_ref *ref = xzalloc(sizeof *ref);
    atomic_init(&ref->refs, 1);
    arena_init(&ref->arena);
    ref->t.name = arena_dup(&ref->arena, name).ptr;
    ref->t.id = id;
    ref->t.nparts = nparts;
    ref->t.internal = str_starts(name, STR("__"));
    return ref;
}

/* A copy to change; parts that exist are shared. */
static struct topic_ref *topic_copy(const struct topic *t, int32_t nparts)
{
    struct topic_ref *ref = topic_new(str_of(t->name), t->id, nparts);
    if (t->parts) {
        ref->t.parts = ARENA_ARRAY(&ref->arena, struct part *, nparts);
        for (int32_t i = 0; i < MIN(nparts, t->nparts); i++)
            ref->t.parts[i] = part_acquire(t->parts[i]);
    }
    return ref;
}

static void topic_set_configs(struct topic_ref *ref, const struct topic_config *configs, unsigned n, struct str key,
                              struct str value, const struct config *conf)
{
    struct topic_config *out = ARENA_ARRAY(&ref->arena, struct topic_config, n + 1);
    unsigned k = 0;
    for (unsigned i = 0; i < n; i++)
        if (!key.ptr || !str_eq(str_of(configs[i].key), key))
            out[k++] = (struct topic_config){arena_strdup(&ref->arena, configs[i].key),
                                             arena_strdup(&ref->arena, configs[i].value)};
    if (key.ptr && value.ptr)
        out[k++] = (struct topic_config){arena_dup(&ref->arena, key).ptr, arena_dup(&ref->arena, value).ptr};
    ref->t.configs = out;
    ref->t.nconfigs = k;
    topic_config_apply(&ref->t, conf);
}

static void insert(void *array, unsigned n, unsigned at, void *item)
{
    void **a = array;
    memmove(a + at + 1, a + at, (n - at) * sizeof *a);
    a[at] = item;
}

static void cut(void *array, unsigned n, unsigned at)
{
    void **a = array;
    memmove(a + at, a + at + 1, (n - at - 1) * sizeof *a);
}

static void draft_add_topic(struct draft *dr, struct topic_ref *ref)
{
    bool found;
    unsigned at = place_by_name(dr->topics, dr->ntopics, str_of(ref->t.name), &found);
    unsigned at_id = place_by_id(dr->by_id, dr->ntopics, ref->t.id, &found);
    unsigned n = dr->ntopics, n_id = dr->ntopics;
    (void)VEC_PUSH(dr->topics, n, dr->cap);
    (void)VEC_PUSH(dr->by_id, n_id, dr->by_id_cap);
    insert(dr->topics, dr->ntopics, at, &ref->t);
    insert(dr->by_id, dr->ntopics, at_id, &ref->t);
    dr->ntopics++;
}

static void draft_replace_topic(struct draft *dr, struct topic *old, struct topic_ref *ref)
{
    bool found;
    dr->topics[place_by_name(dr->topics, dr->ntopics, str_of(old->name), &found)] = &ref->t;
    dr->by_id[place_by_id(dr->by_id, dr->ntopics, old->id, &found)] = &ref->t;
    topic_release(old);
}

static struct topic *draft_topic(struct draft *dr, struct uuid id)
{
    bool found;
    unsigned at = place_by_id(dr->by_id, dr->ntopics, id, &found);
    return found ? dr->by_id[at] : NULL;
}

/* '.' and '_' become the same character in metric names, so Kafka lets only one of two such names exist. */
static const struct topic *collision(const struct draft *dr, struct str name)
{
    for (unsigned i = 0; i < dr->ntopics; i++) {
        const char *other = dr->topics[i]->name;
        size_t k = 0;
        while (k < name.len && other[k]) {
            char a = name.ptr[k] == '.' ? '_' : name.ptr[k], b = other[k] == '.' ? '_' : other[k];
            if (a != b)
                break;
            k++;
        }
        if (k == name.len && !other[k])
            return dr->topics[i];
    }
    return NULL;
}

/* ---- records */

static int apply_topic(struct draft *dr, struct command *cmd, bool strict, struct diag *d)
{
    bool found;
    place_by_name(dr->topics, dr->ntopics, cmd->name, &found);
    if (found)
        return diag_set(d, E_EXISTS, "topic '%.*s' already exists", STR_ARG(cmd->name));
    if (draft_topic(dr, cmd->id))
        return diag_set(d, E_EXISTS, "a topic with this id already exists");
    const struct topic *like = strict ? collision(dr, cmd->name) : NULL;
    if (like)
        return diag_set(d, E_BAD_TOPIC, "topic '%.*s' collides with the existing topic '%s': '.' and '_' count as one",
                        STR_ARG(cmd->name), like->name);
    if (cmd->nparts < 1 || cmd->nparts > CLUSTER_PARTS_MAX)
        return diag_set(d, E_BAD_PARTITIONS, "a topic cannot have %d partitions", cmd->nparts);
    struct topic_ref *ref = topic_new(cmd->name, cmd->id, cmd->nparts);
    struct topic_config *configs = ARENA_ARRAY(&ref->arena, struct topic_config, cmd->nconfigs);
    unsigned n = 0;
    struct str key, value;
    while (command_config(cmd, &key, &value))
        configs[n++] = (struct topic_config){arena_dup(&ref->arena, key).ptr, arena_dup(&ref->arena, value).ptr};
    topic_set_configs(ref, configs, n, STR_NULL, STR_NULL, dr->conf);
    draft_add_topic(dr, ref);
    return 0;
}

static int apply_delete(struct draft *dr, struct topic *t)
{
    bool found;
    cut(dr->topics, dr->ntopics, place_by_name(dr->topics, dr->ntopics, str_of(t->name), &found));
    cut(dr->by_id, dr->ntopics, place_by_id(dr->by_id, dr->ntopics, t->id, &found));
    dr->ntopics--;
    topic_release(t);
    return 0;
}

static int apply_parts(struct draft *dr, struct topic *t, int32_t nparts, struct diag *d)
{
    if (nparts <= t->nparts)
        return diag_set(d, E_BAD_PARTITIONS, "topic '%s' has %d partitions already, which is not fewer than %d", t->name,
                        t->nparts, nparts);
    if (nparts > CLUSTER_PARTS_MAX)
        return diag_set(d, E_BAD_PARTITIONS, "a topic has at most %d partitions, not %d", CLUSTER_PARTS_MAX, nparts);
    struct topic_ref *ref = topic_copy(t, nparts);
    topic_set_configs(ref, t->configs, t->nconfigs, STR_NULL, STR_NULL, dr->conf);
    draft_replace_topic(dr, t, ref);
    return 0;
}

static int apply_config(struct draft *dr, struct topic *t, const struct command *cmd, bool strict, struct diag *d)
{
    if (strict && (cmd->value.ptr || !cmd->key.ptr)) {
        int rc = topic_config_check(cmd->key, cmd->value, d);
        if (rc < 0)
            return rc;
    }
    struct topic_ref *ref = topic_copy(t, t->nparts);
    topic_set_configs(ref, t->configs, t->nconfigs, cmd->key, cmd->value, dr->conf);
    draft_replace_topic(dr, t, ref);
    return 0;
}

static struct object_ref *object_new(const struct command *cmd)
{
    struct object_ref *ref = xzalloc(sizeof *ref + cmd->kind.len + cmd->name.len + cmd->body.len + 3);
    char *p = (char *)(ref + 1);
    atomic_init(&ref->refs, 1);
    ref->o.id = cmd->id;
    ref->o.kind = memcpy(p, cmd->kind.ptr, cmd->kind.len);
    p += cmd->kind.len + 1;
    ref->o.name = memcpy(p, cmd->name.ptr, cmd->name.len);
    p += cmd->name.len + 1;
    if (cmd->body.len)
        memcpy(p, cmd->body.ptr, cmd->body.len);
    ref->o.body = (struct str){p, cmd->body.len};
    return ref;
}

static void draft_cut_object(struct draft *dr, unsigned at)
{
    struct object *o = dr->objects[at];
    cut(dr->objects, dr->nobjects--, at);
    object_release(o);
}

static int apply_object(struct draft *dr, const struct command *cmd, struct diag *d)
{
    bool found;
    if (!cmd->kind.len || !cmd->name.len)
        return diag_set(d, E_BAD_REQUEST, "an object needs a kind and a name");
    unsigned at = place_object(dr->objects, dr->nobjects, cmd->kind, cmd->name, &found);
    if (found && cmd->must_be_new)
        return diag_set(d, E_EXISTS, "%.*s %.*s already exists", STR_ARG(cmd->kind), STR_ARG(cmd->name));
    if (found)
        draft_cut_object(dr, at);
    for (unsigned i = 0; i < dr->nobjects; i++) /* the same object under its former name */
        if (uuid_eq(dr->objects[i]->id, cmd->id) && str_eq(str_of(dr->objects[i]->kind), cmd->kind)) {
            draft_cut_object(dr, i);
            break;
        }
    at = place_object(dr->objects, dr->nobjects, cmd->kind, cmd->name, &found);
    unsigned n = dr->nobjects;
    (void)VEC_PUSH(dr->objects, n, dr->objects_cap);
    insert(dr->objects, dr->nobjects++, at, &object_new(cmd)->o);
    return 0;
}

static int apply_remove(struct draft *dr, const struct command *cmd, struct diag *d)
{
    for (unsigned i = 0; i < dr->nobjects; i++)
        if (uuid_eq(dr->objects[i]->id, cmd->id) && str_eq(str_of(dr->objects[i]->kind), cmd->kind)) {
            draft_cut_object(dr, i);
            return 0;
        }
    return diag_set(d, E_NOT_FOUND, "there is no such %.*s", STR_ARG(cmd->kind));
}

int draft_apply(struct draft *dr, struct str record, bool strict, struct diag *d)
{
    struct command cmd;
    int rc = command_decode(&cmd, record);
    if (rc < 0)
        return diag_set(d, rc, "a metadata record cannot be read: %s", err_text(rc));
    struct topic *t = NULL;
    if (cmd.type == CMD_DELETE || cmd.type == CMD_PARTS || cmd.type == CMD_CONFIG) {
        t = draft_topic(dr, cmd.id);
        if (!t)
            return diag_set(d, E_TOPIC_ID, "there is no topic with this id");
    }
    switch (cmd.type) {
    case CMD_TOPIC:
        return apply_topic(dr, &cmd, strict, d);
    case CMD_DELETE:
        return apply_delete(dr, t);
    case CMD_PARTS:
        return apply_parts(dr, t, cmd.nparts, d);
    case CMD_CONFIG:
        return apply_config(dr, t, &cmd, strict, d);
    case CMD_OBJECT:
        return apply_object(dr, &cmd, d);
    case CMD_REMOVE:
        return apply_remove(dr, &cmd, d);
    case CMD_PRODUCERS:
        if (strict && (cmd.from != dr->next_producer_id || cmd.next <= cmd.from))
            return diag_set(d, E_BUSY, "producer ids from %lld on are given out", (long long)cmd.from);
        dr->next_producer_id = cmd.next;
        return 0;
    }
    return E_CORRUPT;
}

/* ---- life of a draft */

struct draft *draft_new(struct image *base, const struct config *conf)
{
    const struct image_full *f = container_of(base, struct image_full, im);
    struct draft *dr = xzalloc(sizeof *dr);
    dr->base = counted_acquire(&base->c);
    dr->conf = conf;
    dr->next_producer_id = base->next_producer_id;
    for (unsigned i = 0; i < base->ntopics; i++) {
        unsigned n = dr->ntopics;
        VEC_PUSH(dr->topics, dr->ntopics, dr->cap) = topic_acquire(f->by_name[i]);
        VEC_PUSH(dr->by_id, n, dr->by_id_cap) = &tref(f->by_id[i])->t;
    }
    for (unsigned i = 0; i < base->nobjects; i++)
        VEC_PUSH(dr->objects, dr->nobjects, dr->objects_cap) = object_acquire(f->objects[i]);
    return dr;
}

static void draft_end(struct draft *dr)
{
    counted_release(&dr->base->c);
    xfree(dr);
}

void draft_free(struct draft *dr)
{
    for (unsigned i = 0; i < dr->ntopics; i++)
        topic_release(dr->topics[i]);
    for (unsigned i = 0; i < dr->nobjects; i++)
        object_release(dr->objects[i]);
    xfree(dr->topics);
    xfree(dr->by_id);
    xfree(dr->objects);
    draft_end(dr);
}

static void make_parts(struct topic *t, struct store *st)
{
    if (!t->parts)
        t->parts = ARENA_ARRAY(&tref(t)->arena, struct part *, t->nparts);
    for (int32_t i = 0; i < t->nparts; i++)
        if (!t->parts[i])
            t->parts[i] = part_new(st, t->id, i, t->name, &t->conf);
}

struct image *draft_seal(struct draft *dr, int64_t version, struct store *st)
{
    struct image *im = image_new(dr->base->cluster_id);
    struct image_full *f = container_of(im, struct image_full, im);
    for (unsigned i = 0; st && i < dr->ntopics; i++)
        if (!dr->topics[i]->parts || !dr->topics[i]->parts[dr->topics[i]->nparts - 1])
            make_parts(dr->topics[i], st);
    f->by_name = (const struct topic **)dr->topics;
    f->by_id = (const struct topic **)dr->by_id;
    f->objects = (const struct object **)dr->objects;
    im->version = version;
    im->ntopics = dr->ntopics;
    im->nobjects = dr->nobjects;
    im->topics = f->by_name;
    im->objects = f->objects;
    im->next_producer_id = dr->next_producer_id;
    draft_end(dr);
    return im;
}

/* ---- what follows from an image */

static bool same_conf(const struct part_conf *a, const struct part_conf *b)
{
    return a->segment_bytes == b->segment_bytes && a->index_interval_bytes == b->index_interval_bytes &&
           a->retention_ms == b->retention_ms && a->retention_bytes == b->retention_bytes &&
           a->max_message_bytes == b->max_message_bytes && a->append_time == b->append_time &&
           a->compact == b->compact && a->keep == b->keep && a->compression == b->compression &&
           a->segment_ms == b->segment_ms && a->lag_min_ms == b->lag_min_ms && a->lag_max_ms == b->lag_max_ms &&
           a->delete_retention_ms == b->delete_retention_ms && !(a->dirty_ratio < b->dirty_ratio) &&
           !(a->dirty_ratio > b->dirty_ratio);
}

void image_effects(const struct image *old, const struct image *next)
{
    for (unsigned i = 0; i < old->ntopics; i++) {
        const struct topic *was = old->topics[i], *is = image_topic_by_id(next, was->id);
        for (int32_t p = 0; p < was->nparts && is != was; p++) {
            if (!is)
                part_delete(was->parts[p]);
            else if (!same_conf(&was->conf, &is->conf))
                part_set_conf(was->parts[p], &is->conf);
        }
    }
}

void image_dump(const struct image *im, void (*record_cb)(void *arg, struct str record), void *arg)
{
    struct wbuf w;
    wbuf_init(&w);
    for (unsigned i = 0; i < im->ntopics; i++) {
        const struct topic *t = im->topics[i];
        struct command cmd = {.type = CMD_TOPIC, .id = t->id, .name = str_of(t->name), .nparts = t->nparts};
        wbuf_reset(&w);
        command_encode(&w, &cmd, t->configs, t->nconfigs);
        record_cb(arg, wbuf_view(&w));
    }
    for (unsigned i = 0; i < im->nobjects; i++) {
        const struct object *o = im->objects[i];
        struct command cmd = {.type = CMD_OBJECT, .kind = str_of(o->kind), .name = str_of(o->name), .id = o->id,
                              .body = o->body, .must_be_new = true};
        wbuf_reset(&w);
        command_encode(&w, &cmd, NULL, 0);
        record_cb(arg, wbuf_view(&w));
    }
    wbuf_reset(&w);
    command_encode(&w, &(struct command){.type = CMD_PRODUCERS, .next = im->next_producer_id}, NULL, 0);
    record_cb(arg, wbuf_view(&w));
    wbuf_fini(&w);
}
