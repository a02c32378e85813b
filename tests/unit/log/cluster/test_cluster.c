#include "log/base/limits.h"
#include "log/base/random.h"
#include "log/cluster/config.h"
#include "log/cluster/image.h"
#include "log/cluster/snapshot.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"
#include <stdio.h>
#include <stdlib.h>

static struct config conf;

/* Applies a change to an image as a commit does; gives the next image, or NULL and the error. */
static struct image *apply(struct image *im, struct change *ch, int *err, struct diag *d)
{
    struct draft *dr = draft_new(im, &conf);
    *err = 0;
    for (unsigned i = 0; i < ch->n && *err == 0; i++)
        *err = draft_apply(dr, wbuf_view(&ch->records[i]), true, d);
    if (*err < 0) {
        draft_free(dr);
        return NULL;
    }
    return draft_seal(dr, im->version + ch->n, NULL);
}

/* Applies and lets the old image go. */
static struct image *step(struct image *im, struct change *ch)
{
    int err;
    struct diag d = {.text = ""};
    struct image *next = apply(im, ch, &err, &d);
    if (!next)
        fail_msg("%s", d.text);
    change_fini(ch);
    counted_release(&im->c);
    return next;
}

static struct image *first(void) { return image_first((struct uuid){{7}}); }

static struct image *with_topic(struct image *im, const char *name, int32_t nparts, struct uuid *id)
{
    struct change ch;
    change_init(&ch);
    *id = (struct uuid){{0}};
    assert_int_equal(change_create_topic(&ch, str_of(name), id, nparts, NULL, 0, NULL), 0);
    return step(im, &ch);
}

/* A topic is found by name and by id, and an image that is held does not change when the next one is made. */
static void test_topics(void **state)
{
    (void)state;
    struct uuid a, b, none = {{0}};
    struct image *im = with_topic(first(), "orders", 3, &a);
    struct image *held = counted_acquire(&im->c);
    im = with_topic(im, "flights", 1, &b);
    assert_int_equal(held->ntopics, 1);
    assert_null(image_topic(held, STR("flights")));
    assert_int_equal(im->ntopics, 2);
    assert_ptr_equal(image_topic(im, STR("flights")), image_topic_by_id(im, b));
    assert_ptr_equal(image_topic(im, STR("orders")), image_topic(held, STR("orders"))); /* unchanged ones are shared */
    assert_null(image_topic(im, STR("order")));
    assert_null(image_topic_by_id(im, none));
    struct change ch;
    change_init(&ch);
    change_add_parts(&ch, a, 5);
    change_delete_topic(&ch, b);
    im = step(im, &ch);
    assert_int_equal(image_topic(im, STR("orders"))->nparts, 5);
    assert_int_equal(image_topic(held, STR("orders"))->nparts, 3);
    assert_null(image_topic(im, STR("flights")));
    counted_release(&held->c);
    counted_release(&im->c);
}

/* Of a change in which one record is refused, nothing happens. */
static void test_all_or_nothing(void **state)
{
    (void)state;
    struct uuid a, fresh = {{0}};
    struct diag d;
    struct change ch;
    int err;
    struct image *im = with_topic(first(), "one", 1, &a);
    change_init(&ch);
    assert_int_equal(change_create_topic(&ch, STR("two"), &fresh, 1, NULL, 0, &d), 0);
    change_add_parts(&ch, a, 1); /* not more than there are */
    assert_null(apply(im, &ch, &err, &d));
    assert_int_equal(err, E_BAD_PARTITIONS);
    assert_int_equal(im->ntopics, 1);
    change_fini(&ch);
    counted_release(&im->c);
}

/* Names follow Kafka's rule, and two that differ in '.' and '_' alone cannot both exist. */
static void test_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".", "..", "a b", "a/b", "\xc3\xa4", "__cluster_metadata"};
    struct uuid a, id = {{0}};
    struct diag d;
    struct change ch;
    int err;
    char name[252];
    change_init(&ch);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(change_create_topic(&ch, str_of(bad[i]), &id, 1, NULL, 0, &d), E_BAD_TOPIC);
    memset(name, 'x', sizeof name);
    assert_int_equal(change_create_topic(&ch, (struct str){name, 250}, &id, 1, NULL, 0, &d), E_BAD_TOPIC);
    assert_int_equal(change_create_topic(&ch, STR("x"), &id, 0, NULL, 0, &d), E_BAD_PARTITIONS);
    assert_int_equal(ch.n, 0);
    struct image *im = with_topic(first(), "a.b_c", 1, &a);
    assert_int_equal(change_create_topic(&ch, STR("a_b.c"), &id, 1, NULL, 0, &d), 0);
    assert_null(apply(im, &ch, &err, &d));
    assert_int_equal(err, E_BAD_TOPIC);
    change_fini(&ch);
    change_init(&ch);
    id = (struct uuid){{0}};
    assert_int_equal(change_create_topic(&ch, STR("a.b_c"), &id, 1, NULL, 0, &d), 0);
    assert_null(apply(im, &ch, &err, &d));
    assert_int_equal(err, E_EXISTS);
    change_fini(&ch);
    counted_release(&im->c);
}

/* Settings are checked when they are set, mean what they say, and go back to the server's value when unset. */
static void test_configs(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
        bool good;
    } rows[] = {
        {"retention.ms", "-1", true},     {"retention.ms", "-2", false},          {"retention.ms", "soon", false},
        {"segment.bytes", "1023", false}, {"cleanup.policy", "compact", true},    {"cleanup.policy", "", false},
        {"cleanup.policy", "delete, compact", true}, {"cleanup.policy", "delete,keep", false},
        {"compression.type", "zstd", true}, {"compression.type", "zip", false},   {"message.timestamp.type", "now", false},
        {"min.insync.replicas", "0", false}, {"no.such.key", "1", false},         {"Retention.ms", "1", false},
    };
    struct diag d;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(topic_config_check(str_of(rows[i].key), str_of(rows[i].value), &d),
                         rows[i].good ? 0 : E_BAD_CONFIG);
    assert_int_equal(topic_config_check(STR("retention.m"), STR("1"), &d), E_BAD_CONFIG);
    assert_non_null(strstr(d.hint, "retention.ms"));

    struct uuid id;
    struct change ch;
    struct image *im = with_topic(first(), "t", 1, &id);
    assert_int_equal(image_topic(im, STR("t"))->conf.retention_ms, 604800000);
    change_init(&ch);
    change_set_config(&ch, id, STR("cleanup.policy"), STR("compact"));
    change_set_config(&ch, id, STR("retention.ms"), STR("5"));
    change_set_config(&ch, id, STR("compression.type"), STR("lz4"));
    change_set_config(&ch, id, STR("message.timestamp.type"), STR("LogAppendTime"));
    change_set_config(&ch, id, STR("min.insync.replicas"), STR("2"));
    im = step(im, &ch);
    const struct topic *t = image_topic(im, STR("t"));
    assert_true(t->conf.compact && t->conf.keep && t->conf.append_time);
    assert_int_equal(t->conf.retention_ms, 5);
    assert_int_equal(t->conf.compression, 3);
    assert_int_equal(t->min_isr, 2);
    change_init(&ch);
    change_set_config(&ch, id, STR("retention.ms"), STR_NULL);
    im = step(im, &ch);
    assert_int_equal(image_topic(im, STR("t"))->conf.retention_ms, 604800000);
    assert_true(image_topic(im, STR("t"))->conf.compact);
    unsigned n = 0;
    struct topic_config_item it;
    for (; topic_config_item(image_topic(im, STR("t")), &conf, n, &it); n++)
        if (strcmp(it.key, "cleanup.policy") == 0)
            assert_true(!it.is_default && strcmp(it.value, "compact") == 0);
    assert_int_equal(n, 16);
    counted_release(&im->c);
}

/* Objects are unique by kind and name without regard to case; a new body replaces the old one. */
static void test_objects(void **state)
{
    (void)state;
    struct uuid a = {{1}}, b = {{2}};
    struct change ch;
    struct diag d;
    int err;
    struct image *im = first();
    change_init(&ch);
    change_put_object(&ch, "relation", STR("Orders"), a, STR("body 1"), true);
    change_put_object(&ch, "job", STR("orders"), b, STR(""), true);
    im = step(im, &ch);
    assert_true(uuid_eq(image_object(im, "relation", STR("ORDERS"))->id, a));
    assert_true(uuid_eq(image_object(im, "job", STR("orders"))->id, b));
    assert_null(image_object(im, "function", STR("orders")));
    change_init(&ch);
    change_put_object(&ch, "relation", STR("ORDERS"), b, STR("x"), true);
    assert_null(apply(im, &ch, &err, &d));
    assert_int_equal(err, E_EXISTS);
    change_fini(&ch);
    change_init(&ch);
    change_put_object(&ch, "relation", STR("orders"), a, STR("body 2"), false);
    im = step(im, &ch);
    assert_true(str_eq(image_object(im, "relation", STR("Orders"))->body, STR("body 2")));
    assert_int_equal(im->nobjects, 2);
    change_init(&ch);
    change_remove_object(&ch, "relation", a);
    im = step(im, &ch);
    assert_null(image_object_by_id(im, a));
    counted_release(&im->c);
}

/* A block of producer ids is given to one asker only. */
static void test_producer_ids(void **state)
{
    (void)state;
    struct change ch;
    struct diag d;
    int err;
    struct image *im = first();
    change_init(&ch);
    change_producer_ids(&ch, 0, 1000);
    struct image *next = apply(im, &ch, &err, &d);
    assert_int_equal(next->next_producer_id, 1000);
    assert_null(apply(next, &ch, &err, &d)); /* the same block again, from an older look */
    assert_int_equal(err, E_BUSY);
    change_fini(&ch);
    counted_release(&im->c);
    counted_release(&next->c);
}

struct dumped {
    struct draft *dr;
};
static void reload(void *arg, struct str record)
{
    struct dumped *du = arg;
    assert_int_equal(draft_apply(du->dr, record, false, NULL), 0);
}

/* What a snapshot's records build is the image that they were taken from. */
static void test_dump(void **state)
{
    (void)state;
    struct uuid a, b;
    struct change ch;
    struct image *im = with_topic(with_topic(first(), "a", 2, &a), "b", 3, &b);
    change_init(&ch);
    change_set_config(&ch, b, STR("retention.ms"), STR("77"));
    change_put_object(&ch, "job", STR("J"), (struct uuid){{9}}, STR("bytes\0more"), true);
    change_producer_ids(&ch, 0, 500);
    im = step(im, &ch);
    struct image *empty = first();
    struct dumped du = {draft_new(empty, &conf)};
    image_dump(im, reload, &du);
    struct image *copy = draft_seal(du.dr, im->version, NULL);
    assert_int_equal(copy->ntopics, 2);
    assert_true(uuid_eq(image_topic(copy, STR("b"))->id, b));
    assert_int_equal(image_topic(copy, STR("b"))->conf.retention_ms, 77);
    assert_int_equal(copy->next_producer_id, 500);
    assert_true(str_eq(image_object(copy, "job", STR("j"))->body, STR("bytes\0more")));
    counted_release(&empty->c);
    counted_release(&copy->c);
    counted_release(&im->c);
}

/* A snapshot file comes back whole; a damaged one and one of a newer format are refused with a sentence. */
static void test_snapshot(void **state)
{
    (void)state;
    char *dir = scratch_new(), path[4096], *bytes;
    size_t len;
    struct uuid a;
    struct diag d = {.text = ""};
    int64_t version;
    struct image *im = with_topic(first(), "a", 2, &a);
    assert_int_equal(snapshot_write(im, disk_real(), dir), 0);
    struct image *empty = first();
    struct draft *dr = draft_new(empty, &conf);
    assert_int_equal(snapshot_read(dr, &version, disk_real(), dir, &d), 0);
    assert_int_equal(version, im->version);
    draft_free(dr);
    snprintf(path, sizeof path, "%s/metadata.snapshot", dir);
    assert_int_equal(disk_read_file(disk_real(), path, 1 << 20, &bytes, &len), 0);
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 0x20;
        assert_int_equal(disk_write_file(disk_real(), path, bytes, len), 0);
        dr = draft_new(empty, &conf);
        assert_true(snapshot_read(dr, &version, disk_real(), dir, &d) < 0);
        draft_free(dr);
        bytes[i] ^= 0x20;
    }
    put_be32(bytes + 8, 2);
    assert_int_equal(disk_write_file(disk_real(), path, bytes, len), 0);
    dr = draft_new(empty, &conf);
    assert_int_equal(snapshot_read(dr, &version, disk_real(), dir, &d), E_NEWER_FORMAT);
    draft_free(dr);
    free(bytes);
    counted_release(&empty->c);
    counted_release(&im->c);
    scratch_remove(dir);
}

/* No cut and no random bytes make the reader of records do anything but refuse. */
static void test_decode_garbage(void **state)
{
    (void)state;
    struct random rnd;
    random_seed(&rnd, test_seed());
    struct change ch;
    struct uuid id = {{0}};
    struct topic_config tc = {"retention.ms", "1"};
    change_init(&ch);
    assert_int_equal(change_create_topic(&ch, STR("name"), &id, 4, &tc, 1, NULL), 0);
    change_put_object(&ch, "k", STR("n"), id, STR("b"), false);
    for (unsigned i = 0; i < ch.n; i++)
        for (size_t n = 0; n < ch.records[i].len; n++) {
            struct command cmd;
            assert_true(command_decode(&cmd, (struct str){(char *)ch.records[i].data, n}) < 0);
        }
    for (int64_t i = 0, n = test_rounds(20000); i < n; i++) {
        struct wbuf *w = &ch.records[random_below(&rnd, ch.n)];
        size_t at = random_below(&rnd, w->len);
        uint8_t was = w->data[at];
        struct command cmd;
        struct str key, value;
        w->data[at] = (uint8_t)random_next(&rnd);
        if (command_decode(&cmd, wbuf_view(w)) == 0)
            while (command_config(&cmd, &key, &value))
                continue;
        w->data[at] = was;
    }
    change_fini(&ch);
}

int main(void)
{
    config_init(&conf);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topics),       cmocka_unit_test(test_all_or_nothing), cmocka_unit_test(test_names),
        cmocka_unit_test(test_configs),      cmocka_unit_test(test_objects),        cmocka_unit_test(test_producer_ids),
        cmocka_unit_test(test_dump),         cmocka_unit_test(test_snapshot),       cmocka_unit_test(test_decode_garbage),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    config_fini(&conf);
    return rc;
}
