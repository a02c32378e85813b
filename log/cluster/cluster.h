/* Agreement about what exists: topics, configs, producer ids and the SQL catalog's objects are records in the internal
 * topic __cluster_metadata, applied in order to an immutable image. One node is a quorum of one on the same path.
 *
 * A statement is one change: a list of records that becomes one recbatch, so all of it happens or nothing. Commits run
 * on shard 0; the image is read on any thread. Record formats: log/README.md, "Metadata records". */
#ifndef CLUSTER_CLUSTER_H
#define CLUSTER_CLUSTER_H
#include "log/base/alloc.h"
#include "log/base/cell.h"
#include "log/store/store.h"

struct cluster;

struct topic_config {
    const char *key, *value;
};
struct topic {
    const char *name;
    struct uuid id;
    int32_t nparts;
    struct part **parts;
    struct part_conf conf;
    int64_t ts_before_max_ms, ts_after_max_ms; /* message.timestamp.before.max.ms, .after.max.ms */
    int32_t min_isr;                           /* min.insync.replicas */
    unsigned nconfigs; /* those set explicitly */
    const struct topic_config *configs;
    bool internal; /* name starts with "__" */
};

/* What the layers above keep here: relations, functions, jobs, types. The cluster knows name, id and bytes only. */
struct object {
    const char *kind; /* "relation", "function", "job" */
    const char *name; /* unique within a kind, without regard to ASCII case */
    struct uuid id;
    struct str body;
};

/* Immutable; counted by its first member. Everything in it lives as long as the reference. */
struct image {
    struct counted c;
    int64_t version; /* offset after the last record applied */
    struct uuid cluster_id;
    unsigned ntopics, nobjects;
    const struct topic *const *topics;   /* by name */
    const struct object *const *objects; /* by kind, then name */
    int64_t next_producer_id;
};
const struct topic *image_topic(const struct image *im, struct str name);
const struct topic *image_topic_by_id(const struct image *im, struct uuid id);
const struct object *image_object(const struct image *im, const char *kind, struct str name);
const struct object *image_object_by_id(const struct image *im, struct uuid id);

/* Replays the metadata log. Blocking; before the loops start. loop0 owns it afterwards. */
int cluster_open(struct cluster **out, struct store *st, struct loop *loop0, const struct config *conf,
                 struct diag *d) MUST_USE;
void cluster_close(struct cluster *cl); /* after the loops have stopped */
struct image *cluster_image(struct cluster *cl); /* any thread; gives a reference: counted_release(&im->c) */
struct store *cluster_store(struct cluster *cl);

/* Calls image_cb on `loop` once at first and then after new images (several quick ones may be told in one call): what
 * cluster_image gives there is the newest. Removed by unsubscribe on the same loop; after done_cb sub is the
 * caller's. */
struct cluster_sub {
    struct loop *loop;
    void (*image_cb)(struct cluster_sub *sub);
    void (*done_cb)(struct cluster_sub *sub); /* the cluster's own, and all below */
    struct cluster *cl;
    struct msg msg, cancel;
    struct list link;
    _Atomic int queued;
};
void cluster_subscribe(struct cluster *cl, struct cluster_sub *sub);
void cluster_unsubscribe(struct cluster *cl, struct cluster_sub *sub, void (*done_cb)(struct cluster_sub *));

/* ---- Changing. Build a change, commit it. Any loop. */
struct change {
    struct arena arena;
    struct wbuf *records; /* each one record value */
    unsigned n, cap;
};
void change_init(struct change *ch);
void change_fini(struct change *ch);
/* nparts 0 is wrong (E_BAD_PARTITIONS); names follow Kafka's rule ([a-zA-Z0-9._-]{1,249}, not "." or ".."),
 * E_BAD_TOPIC. id may be zero: one is made and given back. Unknown or malformed configs: E_BAD_CONFIG with the sentence
 * in d. */
int change_create_topic(struct change *ch, struct str name, struct uuid *id, int32_t nparts,
                        const struct topic_config *configs, unsigned nconfigs, struct diag *d);
void change_delete_topic(struct change *ch, struct uuid id);
void change_add_parts(struct change *ch, struct uuid id, int32_t nparts);
void change_set_config(struct change *ch, struct uuid id, struct str key, struct str value); /* null value: unset */
void change_put_object(struct change *ch, const char *kind, struct str name, struct uuid id, struct str body,
                       bool must_be_new);
void change_remove_object(struct change *ch, const char *kind, struct uuid id);
/* Takes the producer ids from image's next_producer_id, as `from`, to below next. E_BUSY at the commit if others have
 * taken ids meanwhile: look at the newest image and try again. */
void change_producer_ids(struct change *ch, int64_t from, int64_t next);

/* Checks the change against the newest image, writes it as one recbatch and, once durable, applies it. done_cb on
 * `from`, once; status E_EXISTS, E_NO_TOPIC, ... with detail in d: then nothing has changed. The new image is visible
 * before done_cb runs. `change` is borrowed until then. */
struct commit {
    struct loop *from;
    struct change *change;
    void (*done_cb)(struct commit *c, int status);
    struct diag diag;
    struct msg msg; /* the cluster's own, and all below */
    int status;
    struct list link;
};
void cluster_commit(struct cluster *cl, struct commit *c);
/* Would it be accepted now? Changes nothing. Any thread. */
int cluster_check(struct cluster *cl, const struct change *ch, struct diag *d);
/* The image as the change would make it of base, for looking only: new topics have no partitions' handles (parts NULL).
 * Gives a reference; NULL: d says why not. Any thread. */
struct image *cluster_preview(struct cluster *cl, struct image *base, const struct change *ch, struct diag *d);

/* Topic configuration keys: what they mean, with their defaults from conf (DescribeConfigs). */
struct topic_config_item {
    const char *key, *doc;
    char type; /* 'i' int, 'l' long, 'b' bool, 't' text, 'c' list */
    char value[64];
    bool is_default;
    const char *server_key; /* the server setting that gives the default, or NULL */
};
bool cluster_topic_config(struct cluster *cl, const struct topic *t, unsigned i, struct topic_config_item *out);

#endif
