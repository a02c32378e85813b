/* Kafka's own bytes for every message: our structs, built from the JSON values beside them, must give the same bytes,
 * and the bytes must give the same values. The vectors are not part of this tree: vectors_folder(). */
#include "tests/unit/log/wire/describe.h"
#include "tests/unit/log/wire/json.h"
#include "log/wire/wire.h"
#include <ctype.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <setjmp.h>
#include <cmocka.h>

#define SKIPPED 77 /* what ctest takes for "not run" */

struct tally {
    unsigned passed, newer, messages;
    char where[512];
};

/* ---- names */

static bool camel_is(struct str camel, const char *snake)
{
    size_t i = 0;
    for (bool up = false; *snake; snake++) {
        if (*snake == '_') {
            up = true;
            continue;
        }
        if (i == camel.len || camel.ptr[i] != (up ? toupper((unsigned char)*snake) : *snake))
            return false;
        up = false;
        i++;
    }
    return i == camel.len;
}

static const struct describe_field *find_field(const struct describe_struct *s, struct str camel)
{
    for (size_t i = 0; i < s->nfields; i++)
        if (camel_is(camel, s->fields[i].name))
            return &s->fields[i];
    return NULL;
}

/* "FetchRequest" -> fetch_request; NULL if the schema lacks it. */
static const struct describe_message *find_message(const char *name)
{
    char first[256];
    snprintf(first, sizeof first, "%s", name);
    first[0] = (char)tolower((unsigned char)first[0]);
    for (size_t i = 0; i < describe_messages_n; i++)
        if (camel_is(str_of(first), describe_messages[i].message->name))
            return &describe_messages[i];
    return NULL;
}

/* ---- building a struct from JSON */

static void build_struct(void *m, const struct describe_struct *s, const struct json *j, struct arena *a);

static int64_t number(const struct json *j)
{
    int64_t v = 0;
    assert_true(j->kind == JSON_NUMBER && str_to_i64(j->text, &v));
    return v;
}

static void build_value(void *at, const struct describe_field *f, const struct json *j, struct arena *a)
{
    switch (f->kind) {
    case DESCRIBE_bool:
        *(bool *)at = j->yes;
        break;
    case DESCRIBE_int8:
        *(int8_t *)at = (int8_t)number(j);
        break;
    case DESCRIBE_int16:
        *(int16_t *)at = (int16_t)number(j);
        break;
    case DESCRIBE_int32:
        *(int32_t *)at = (int32_t)number(j);
        break;
    case DESCRIBE_int64:
        *(int64_t *)at = number(j);
        break;
    case DESCRIBE_float64:
        assert_int_equal(j->kind, JSON_NUMBER);
        *(double *)at = strtod(arena_dup(a, j->text).ptr, NULL);
        break;
    case DESCRIBE_string:
        *(struct str *)at = j->kind == JSON_NULL ? STR_NULL : j->text;
        break;
    case DESCRIBE_bytes:
    case DESCRIBE_records:
        *(struct str *)at = j->kind == JSON_NULL ? STR_NULL : json_unbase64(j->text, a);
        break;
    case DESCRIBE_uuid:
        memcpy(at, json_unbase64(j->text, a).ptr, 16);
        break;
    case DESCRIBE_struct:
        build_struct(at, f->sub, j, a);
        break;
    }
}

static size_t value_size(const struct describe_field *f)
{
    static const size_t sizes[] = {[DESCRIBE_bool] = sizeof(bool), [DESCRIBE_int8] = 1,
                                   [DESCRIBE_int16] = 2,           [DESCRIBE_int32] = 4,
                                   [DESCRIBE_int64] = 8,           [DESCRIBE_float64] = 8,
                                   [DESCRIBE_string] = sizeof(struct str),
                                   [DESCRIBE_uuid] = 16,           [DESCRIBE_bytes] = sizeof(struct str),
                                   [DESCRIBE_records] = sizeof(struct str)};
    return f->sub ? f->sub->size : sizes[f->kind];
}

static void build_field(char *m, const struct describe_field *f, const struct json *j, struct arena *a)
{
    char *at = m + f->offset;
    if (!f->array && f->count_offset)
        *(bool *)(void *)(m + f->count_offset) = j->kind != JSON_NULL;
    if (!f->array && f->count_offset && j->kind == JSON_NULL)
        return;
    if (!f->array) {
        build_value(at, f, j, a);
        return;
    }
    assert_true(j->kind == JSON_ARRAY || j->kind == JSON_NULL);
    char *items = j->kind == JSON_NULL ? NULL : arena_zalloc(a, (j->n + 1) * value_size(f));
    *(char **)(void *)at = items;
    *(uint32_t *)(void *)(m + f->count_offset) = (uint32_t)j->n;
    for (const struct json *e = j->first; e; e = e->next, items += value_size(f))
        build_value(items, f, e, a);
}

/* Fields of versions that are newer than what we read; they stand, at their defaults, in all vectors. */
static bool is_newer_field(const char *name, struct str key)
{
    if (strcmp(name, "api_versions_request") == 0)
        return str_eq(key, STR("clusterId")) || str_eq(key, STR("nodeId"));
    return strncmp(name, "txn_offset_commit", 17) == 0 && str_eq(key, STR("topicId"));
}

static void build_struct(void *m, const struct describe_struct *s, const struct json *j, struct arena *a)
{
    s->init(m);
    for (const struct json *e = j->first; e; e = e->next) {
        const struct describe_field *f = find_field(s, e->key);
        if (!f && is_newer_field(s->name, e->key))
            continue;
        if (!f)
            fail_msg("%s has no field %.*s", s->name, STR_ARG(e->key));
        build_field(m, f, e, a);
    }
}

/* ---- comparing two structs of one description */

static void same_struct(const char *x, const char *y, const struct describe_struct *s);

static void same_value(const char *x, const char *y, const struct describe_field *f)
{
    if (f->kind == DESCRIBE_struct) {
        same_struct(x, y, f->sub);
    } else if (f->kind == DESCRIBE_string || f->kind == DESCRIBE_bytes || f->kind == DESCRIBE_records) {
        struct str s, t;
        memcpy(&s, x, sizeof s);
        memcpy(&t, y, sizeof t);
        if (!str_eq(s, t))
            fail_msg("%s: '%.*s' is not '%.*s'", f->name, STR_ARG(s), STR_ARG(t));
    } else if (memcmp(x, y, value_size(f)) != 0) {
        fail_msg("%s differs", f->name);
    }
}

static void same_struct(const char *x, const char *y, const struct describe_struct *s)
{
    for (size_t i = 0; i < s->nfields; i++) {
        const struct describe_field *f = &s->fields[i];
        if (!f->array) {
            if (f->count_offset && x[f->count_offset] != y[f->count_offset])
                fail_msg("%s.%s: one of them is null", s->name, f->name);
            same_value(x + f->offset, y + f->offset, f);
            continue;
        }
        const char *xs, *ys;
        uint32_t xn, yn;
        memcpy(&xs, x + f->offset, sizeof xs);
        memcpy(&ys, y + f->offset, sizeof ys);
        memcpy(&xn, x + f->count_offset, sizeof xn);
        memcpy(&yn, y + f->count_offset, sizeof yn);
        if (xn != yn || !xs != !ys)
            fail_msg("%s.%s: %u elements at %p, not %u at %p", s->name, f->name, xn, (const void *)xs, yn,
                     (const void *)ys);
        for (uint32_t k = 0; k < xn; k++)
            same_value(xs + k * value_size(f), ys + k * value_size(f), f);
    }
}

/* ---- the tests */

static void same_bytes(struct str got, struct str want)
{
    for (size_t i = 0; i < MIN(got.len, want.len); i++)
        if (got.ptr[i] != want.ptr[i])
            fail_msg("byte %zu is %02x, not %02x", i, (uint8_t)got.ptr[i], (uint8_t)want.ptr[i]);
    assert_int_equal(got.len, want.len);
}

static void check_vector(const struct describe_message *d, const struct json *vec, struct arena *a)
{
    int version = (int)json_int(vec, "version", -1);
    struct str bytes = json_unhex(json_text(vec, "hex"), a);
    void *built = arena_zalloc(a, d->top->size), *read = arena_zalloc(a, d->top->size);
    struct wbuf w;
    build_struct(built, d->top, json_get(vec, "json_value"), a);

    struct rbuf r = rbuf_of(bytes.ptr, bytes.len);
    assert_int_equal(d->message->decode(read, &r, version, a), 0);
    assert_int_equal(wire_decode_done(&r), 0);
    same_struct(read, built, d->top);

    bool unknown_tags = json_get(vec, "unknown_tagged_fields"); /* which we skip, so that they are not written again */
    for (int i = 0; i < 2; i++) {
        wbuf_init(&w);
        d->message->encode(i ? read : built, &w, version);
        if (!unknown_tags)
            same_bytes(wbuf_view(&w), bytes);
        else
            assert_memory_equal(w.data, bytes.ptr, w.len - 1);
        wbuf_fini(&w);
    }
}

static void check_file(const struct describe_message *d, const char *path, struct tally *t)
{
    struct arena a;
    arena_init(&a);
    struct str text = json_file(path, &a);
    assert_non_null(text.ptr);
    const struct json *list = json_get(json_parse(text, &a), "vectors");
    for (const struct json *vec = list->first; vec; vec = vec->next) {
        int64_t version = json_int(vec, "version", -1);
        print_message("%s v%d %.*s\n", d->message->name, (int)version, STR_ARG(json_text(vec, "name")));
        if (version < d->min || version > d->max) {
            t->newer++;
            continue;
        }
        check_vector(d, vec, &a);
        t->passed++;
    }
    arena_fini(&a);
}

static void check_message(const char *folder, const char *name, struct tally *t)
{
    const struct describe_message *d = find_message(name);
    char path[8192];
    snprintf(path, sizeof path, "%s/vectors/%s", folder, name);
    DIR *dir = d ? opendir(path) : NULL;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (!strstr(e->d_name, ".json"))
            continue;
        snprintf(path, sizeof path, "%s/vectors/%s/%s", folder, name, e->d_name);
        check_file(d, path, t);
    }
    if (dir)
        closedir(dir);
    t->messages += dir != NULL;
}

/* Messages that Kafka's vectors leave out: most are records of its internal topics. */
static const char *const without_vectors[] = {
    "describe_topic_partitions_response",
    "offset_delete_response",
    "offset_commit_key",
    "offset_commit_value",
    "group_metadata_key",
    "group_metadata_value",
    "consumer_group_heartbeat_request",
    "consumer_group_key",
    "consumer_group_value",
    "consumer_member_key",
    "consumer_member_value",
    "consumer_target_value",
    "consumer_member_target_value",
    "consumer_member_current_value",
    "transaction_log_key",
    "transaction_log_value",
    "describe_transactions_request",
    "describe_transactions_response",
    "describe_client_quotas_request",
};

static void messages_match_kafka_byte_for_byte(void **state)
{
    (void)state;
    struct tally t = {0};
    char path[8192];
    snprintf(path, sizeof path, "%s/vectors", vectors_folder());
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));)
        check_message(vectors_folder(), e->d_name, &t);
    closedir(dir);
    print_message("%u vectors of %u messages; %u of versions newer than the schema\n", t.passed, t.messages, t.newer);
    assert_int_equal(t.messages + ARRAY_LEN(without_vectors), describe_messages_n);
    for (size_t i = 0; i < ARRAY_LEN(without_vectors); i++) {
        size_t k = 0;
        while (k < describe_messages_n && strcmp(describe_messages[k].message->name, without_vectors[i]) != 0)
            k++;
        assert_true(k < describe_messages_n);
    }
    assert_true(t.passed >= 290);
}

/* ---- record batches */

static struct str binary(const struct json *obj, const char *key, struct arena *a)
{
    const struct json *j = json_get(obj, key);
    return !j || j->kind == JSON_NULL ? STR_NULL : json_unbase64(j->text, a);
}

static enum codec codec_of(const struct json *plan)
{
    enum codec codec;
    assert_true(compress_find(json_text(plan, "compression"), &codec));
    return codec;
}

static void check_headers(struct record *rec, const struct json *want, struct arena *a)
{
    struct record_header h;
    for (const struct json *e = want ? want->first : NULL; e; e = e->next) {
        assert_int_equal(record_header_next(rec, &h), 1);
        assert_true(str_eq(h.key, json_text(e, "key")));
        assert_true(str_eq(h.value, binary(e, "value", a)));
    }
    assert_int_equal(record_header_next(rec, &h), 0);
}

static void check_records(const struct recbatch *rb, const struct json *plan, struct compress *c, struct arena *a)
{
    struct recbatch_iter it;
    struct record rec;
    struct wbuf room;
    const struct json *records = json_get(plan, "records");
    int64_t index = 0;
    wbuf_init(&room);
    assert_int_equal(recbatch_iter(&it, rb, c, &room, 1000), 0);
    for (const struct json *e = records->first; e; e = e->next, index++) {
        assert_true(recbatch_next(&it, &rec));
        assert_int_equal(rec.offset, rb->base_offset + json_int(e, "offsetDelta", index));
        bool append_time = rb->attributes & RECBATCH_APPEND_TIME;
        assert_int_equal(rec.ts_ms, append_time ? rb->max_ts : json_int(e, "timestamp", 0));
        if (!json_get(e, "controlType")) {
            assert_true(str_eq(rec.key, binary(e, "key", a)));
            assert_true(str_eq(rec.value, binary(e, "value", a)));
        }
        check_headers(&rec, json_get(e, "headers"), a);
    }
    assert_false(recbatch_next(&it, &rec));
    assert_int_equal(recbatch_iter_err(&it), 0);
    wbuf_fini(&room);
}

static bool flag(const struct json *plan, const char *key)
{
    const struct json *j = json_get(plan, key);
    return j && j->yes;
}

static void check_batch_head(const struct recbatch *rb, const struct json *plan)
{
    assert_int_equal(recbatch_codec(rb), codec_of(plan));
    assert_int_equal(rb->base_offset, json_int(plan, "baseOffset", 0));
    assert_int_equal(rb->count, json_get(plan, "records")->n);
    assert_int_equal(rb->producer_id, json_int(plan, "producerId", -1));
    assert_int_equal(rb->producer_epoch, json_int(plan, "producerEpoch", -1));
    assert_int_equal(rb->base_sequence, json_int(plan, "baseSequence", -1));
    assert_int_equal(rb->leader_epoch, json_int(plan, "partitionLeaderEpoch", -1));
    assert_int_equal(!!(rb->attributes & RECBATCH_TXN), flag(plan, "transactional"));
    assert_int_equal(!!(rb->attributes & RECBATCH_CONTROL), flag(plan, "control"));
}

/* What our builder can express: it numbers records itself, and makes neither control batches nor horizons. */
static bool can_build(const struct recbatch *rb)
{
    int special = RECBATCH_CONTROL | RECBATCH_DELETE_HORIZON | RECBATCH_APPEND_TIME | RECBATCH_CODEC;
    return !(rb->attributes & special) && rb->count > 0 && rb->last_offset_delta == rb->count - 1;
}

static void check_build(struct str bytes, const struct recbatch *rb, struct compress *c)
{
    struct recbatch_iter it;
    struct record rec;
    struct recbatch_builder b;
    struct wbuf out;
    wbuf_init(&out);
    recbatch_build(&b, &out, CODEC_NONE, NULL);
    b.base_offset = rb->base_offset;
    b.leader_epoch = rb->leader_epoch;
    b.producer_id = rb->producer_id;
    b.producer_epoch = rb->producer_epoch;
    b.base_sequence = rb->base_sequence;
    b.attributes = rb->attributes;
    assert_int_equal(recbatch_iter(&it, rb, NULL, NULL, 0), 0);
    while (recbatch_next(&it, &rec)) {
        struct record_header headers[4];
        uint32_t n = 0;
        while (n < 4 && record_header_next(&rec, &headers[n]) == 1)
            n++;
        recbatch_add(&b, rec.ts_ms, rec.key, rec.value, headers, n);
    }
    assert_true(recbatch_finish(&b, c));
    same_bytes(wbuf_view(&out), bytes);
    wbuf_fini(&out);
}

/* Snappy and lz4 leave no choice to their writers once the framing is right, so that even these bytes are Kafka's. */
static void check_framing(struct str bytes, const struct recbatch *rb, struct compress *c)
{
    struct wbuf out;
    if (recbatch_codec(rb) != CODEC_SNAPPY && recbatch_codec(rb) != CODEC_LZ4)
        return;
    wbuf_init(&out);
    assert_int_equal(recbatch_rebuild(bytes, recbatch_codec(rb), c, 1000, &out), 0);
    same_bytes(wbuf_view(&out), bytes);
    wbuf_fini(&out);
}

static void record_batches_match_kafka(void **state)
{
    (void)state;
    struct arena a;
    struct compress *c = compress_new();
    char path[8192];
    unsigned built = 0;
    arena_init(&a);
    snprintf(path, sizeof path, "%s/records/plans.json", vectors_folder());
    const struct json *plan = json_get(json_parse(json_file(path, &a), &a), "batches")->first;
    snprintf(path, sizeof path, "%s/records/vectors.json", vectors_folder());
    const struct json *vec = json_get(json_parse(json_file(path, &a), &a), "vectors")->first;
    for (; plan && vec; plan = plan->next, vec = vec->next) {
        struct recbatch rb;
        struct str bytes = json_unhex(json_text(vec, "hex"), &a);
        print_message("batch %.*s\n", STR_ARG(json_text(plan, "name")));
        assert_true(str_eq(json_text(plan, "name"), json_text(vec, "name")));
        assert_int_equal(recbatch_peek(&rb, bytes), 0);
        assert_int_equal(rb.size, bytes.len);
        assert_int_equal(recbatch_check_crc(&rb, bytes.ptr), 0);
        check_batch_head(&rb, plan);
        check_records(&rb, plan, c, &a);
        check_framing(bytes, &rb, c);
        if (can_build(&rb)) {
            check_build(bytes, &rb, c);
            built++;
        }
    }
    assert_true(!plan && !vec && built >= 8);
    compress_free(c);
    arena_fini(&a);
}

int main(void)
{
    if (!vectors_folder()) {
        printf("NOT RUN: no Kafka byte vectors; set WEIR_KAFKA_VECTORS to their folder\n");
        return SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_match_kafka_byte_for_byte),
        cmocka_unit_test(record_batches_match_kafka),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
