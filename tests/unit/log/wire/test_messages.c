/* The generated codec on bytes that nobody made by hand: random structs, cut and damaged frames, lying counts; headers,
 * frames and gaps. */
#include "tests/unit/log/wire/describe.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include <stdio.h>
#include <setjmp.h>
#include <cmocka.h>

static struct random rnd;

/* ---- random structs */

static void fill_struct(char *m, const struct describe_struct *s, struct arena *a);

static struct str fill_text(struct arena *a, size_t max)
{
    size_t n = random_below(&rnd, max);
    char *p = arena_alloc(a, n + 1);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)random_next(&rnd);
    return (struct str){p, n};
}

static size_t fill_value(char *at, const struct describe_field *f, struct arena *a)
{
    uint64_t v = random_next(&rnd);
    struct str text;
    switch (f->kind) {
    case DESCRIBE_bool:
        *at = v & 1;
        return 1;
    case DESCRIBE_int8:
        memcpy(at, &v, 1);
        return 1;
    case DESCRIBE_int16:
        memcpy(at, &v, 2);
        return 2;
    case DESCRIBE_int32:
        memcpy(at, &v, 4);
        return 4;
    case DESCRIBE_int64:
    case DESCRIBE_float64:
        memcpy(at, &v, 8);
        return 8;
    case DESCRIBE_uuid:
        memcpy(at, &v, 8);
        return 16;
    case DESCRIBE_string:
    case DESCRIBE_bytes:
    case DESCRIBE_records:
        text = v % 8 == 0 ? STR_NULL : fill_text(a, v % 5 == 0 ? 300 : 10);
        memcpy(at, &text, sizeof text);
        return sizeof text;
    case DESCRIBE_struct:
        fill_struct(at, f->sub, a);
        return f->sub->size;
    }
    return 0;
}

static void fill_struct(char *m, const struct describe_struct *s, struct arena *a)
{
    s->init(m);
    for (size_t i = 0; i < s->nfields; i++) {
        const struct describe_field *f = &s->fields[i];
        uint32_t n = (uint32_t)random_below(&rnd, 4);
        if (random_chance(&rnd, 0.2))
            continue; /* the default */
        if (!f->array) {
            if (f->count_offset)
                m[f->count_offset] = n > 0;
            fill_value(m + f->offset, f, a);
            continue;
        }
        char *items = n == 3 ? NULL : arena_zalloc(a, (n + 1) * (f->sub ? f->sub->size : sizeof(struct str)));
        n = items ? n : 0;
        memcpy(m + f->offset, &items, sizeof items);
        memcpy(m + f->count_offset, &n, sizeof n);
        for (uint32_t k = 0; k < n; k++)
            items += fill_value(items, f, a);
    }
}

/* A random message as bytes; a wbuf of its own so that a checked build sees any read past its end. */
static struct str random_frame(const struct describe_message *d, int version, struct arena *a)
{
    struct wbuf w;
    char *m = arena_zalloc(a, d->top->size);
    fill_struct(m, d->top, a);
    wbuf_init(&w);
    d->message->encode(m, &w, version);
    struct str frame = {arena_alloc(a, w.len + 1), w.len};
    if (w.len)
        memcpy((char *)frame.ptr, w.data, w.len);
    wbuf_fini(&w);
    return frame;
}

/* Decodes from memory of exactly that size, and checks what the arena grew by. */
static int decode_exact(const struct describe_message *d, int version, void *m, char *copy, size_t n, struct arena *a)
{
    struct rbuf r = rbuf_of(copy, n);
    size_t before = a->used;
    d->message->decode(m, &r, version, a);
    assert_true(a->used - before <= WIRE_GROWTH_MAX * n + 1024);
    return wire_decode_done(&r);
}

static void must_be_stable(const struct describe_message *d, int version, const void *m, struct arena *a)
{
    struct wbuf w, again;
    void *back = arena_zalloc(a, d->top->size);
    wbuf_init(&w);
    wbuf_init(&again);
    d->message->encode(m, &w, version);
    struct rbuf r = rbuf_of(w.data, w.len);
    assert_int_equal(d->message->decode(back, &r, version, a), 0);
    assert_int_equal(wire_decode_done(&r), 0);
    d->message->encode(back, &again, version);
    assert_int_equal(w.len, again.len);
    assert_memory_equal(w.data, again.data, w.len);
    wbuf_fini(&w);
    wbuf_fini(&again);
}

typedef void (*frame_fn)(const struct describe_message *d, int version, struct str frame, struct arena *a);

static void each_version(frame_fn fn)
{
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < describe_messages_n; i++) {
        const struct describe_message *d = &describe_messages[i];
        for (int version = d->min; version <= d->max; version++) {
            for (int round = 0; round < 4; round++) {
                arena_reset(&a);
                fn(d, version, random_frame(d, version, &a), &a);
            }
        }
    }
    arena_fini(&a);
}

static void survives(const struct describe_message *d, int version, struct str frame, struct arena *a)
{
    void *m = arena_zalloc(a, d->top->size);
    char *copy = xalloc(frame.len);
    memcpy(copy, frame.ptr, frame.len);
    assert_int_equal(decode_exact(d, version, m, copy, frame.len, a), 0);
    must_be_stable(d, version, m, a);
    xfree(copy);
}

static void every_version_survives_a_round_trip(void **state)
{
    (void)state;
    each_version(survives);
}

static void is_refused_cut(const struct describe_message *d, int version, struct str frame, struct arena *a)
{
    void *m = arena_zalloc(a, d->top->size);
    for (size_t n = 0; n < frame.len; n++) {
        char *copy = xalloc(MAX(n, (size_t)1));
        memcpy(copy, frame.ptr, n);
        assert_int_not_equal(decode_exact(d, version, m, copy, n, a), 0);
        xfree(copy);
    }
}

static void a_frame_cut_anywhere_is_refused(void **state)
{
    (void)state;
    each_version(is_refused_cut);
}

static void is_refused_longer(const struct describe_message *d, int version, struct str frame, struct arena *a)
{
    void *m = arena_zalloc(a, d->top->size);
    char *copy = xalloc(frame.len + 1);
    memcpy(copy, frame.ptr, frame.len);
    copy[frame.len] = 0;
    assert_int_equal(decode_exact(d, version, m, copy, frame.len + 1, a), E_SYNTAX);
    xfree(copy);
}

static void bytes_after_a_message_are_refused(void **state)
{
    (void)state;
    each_version(is_refused_longer);
}

/* What lies most: counts and lengths. */
static void damage(char *p, size_t n)
{
    static const char lies[][5] = {"\x7f\xff\xff\xff\xff", "\xff\xff\xff\xff\x0f", "\xff\xff\xff\xff\x7f",
                                   "\x80\0\0\0\0",         "\xff\xff\xff\xfe\0",   "\0\0\xff\xff\xff"};
    size_t at = random_below(&rnd, n);
    if (random_chance(&rnd, 0.5))
        p[at] = (char)random_next(&rnd);
    else
        memcpy(p + at, lies[random_below(&rnd, ARRAY_LEN(lies))], MIN(n - at, sizeof lies[0]));
}

static void is_borne_damaged(const struct describe_message *d, int version, struct str frame, struct arena *a)
{
    for (int round = 0; round < 60 && frame.len; round++) {
        void *m = arena_zalloc(a, d->top->size);
        char *copy = xalloc(frame.len);
        memcpy(copy, frame.ptr, frame.len);
        for (uint64_t hits = 1 + random_below(&rnd, 3); hits; hits--)
            damage(copy, frame.len);
        if (decode_exact(d, version, m, copy, frame.len, a) == 0)
            must_be_stable(d, version, m, a);
        xfree(copy);
    }
}

static void damaged_frames_neither_crash_nor_take_memory(void **state)
{
    (void)state;
    each_version(is_borne_damaged);
}

static void counts_are_not_believed(void **state)
{
    (void)state;
    struct arena a;
    struct metadata_request m;
    static const uint8_t many[] = {0x7f, 0xff, 0xff, 0xff, 0, 1, 'a'};
    static const uint8_t many_compact[] = {0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0};
    arena_init(&a);
    struct rbuf r = rbuf_of(many, sizeof many);
    assert_int_equal(metadata_request_decode(&m, &r, 1, &a), E_SHORT);
    r = rbuf_of(many_compact, sizeof many_compact);
    assert_int_equal(metadata_request_decode(&m, &r, 12, &a), E_SHORT);
    assert_true(a.used < 256);
    arena_fini(&a);
}

/* ---- defaults, null and tags */

static void fields_that_a_version_lacks_have_their_default(void **state)
{
    (void)state;
    struct arena a;
    struct fetch_request m;
    struct wbuf w;
    arena_init(&a);
    wbuf_init(&w);
    fetch_request_init(&m);
    m.max_wait_ms = 7;
    m.session_epoch = 5;
    m.rack_id = STR("rack");
    fetch_request_encode(&m, &w, 4);
    memset(&m, 0xff, sizeof m);
    struct rbuf r = rbuf_of(w.data, w.len);
    assert_int_equal(fetch_request_decode(&m, &r, 4, &a), 0);
    assert_int_equal(m.max_wait_ms, 7);
    assert_int_equal(m.session_epoch, -1);
    assert_int_equal(m.replica_state.replica_epoch, -1);
    assert_true(str_eq(m.rack_id, STR("")));
    assert_true(m.forgotten_topics_data && !m.forgotten_topics_data_n);
    wbuf_fini(&w);
    arena_fini(&a);
}

static void null_and_empty_stay_apart(void **state)
{
    (void)state;
    struct arena a;
    struct metadata_request m;
    static const uint8_t null[] = {0xff, 0xff, 0xff, 0xff}, empty[4] = {0}, null_name[] = {0, 0, 0, 1, 0xff, 0xff};
    arena_init(&a);
    struct rbuf r = rbuf_of(null, 4);
    assert_int_equal(metadata_request_decode(&m, &r, 1, &a), 0);
    assert_null(m.topics);
    r = rbuf_of(empty, 4);
    assert_int_equal(metadata_request_decode(&m, &r, 1, &a), 0);
    assert_non_null(m.topics);
    assert_int_equal(m.topics_n, 0);
    r = rbuf_of(null, 4); /* version 0 has no null list */
    assert_int_equal(metadata_request_decode(&m, &r, 0, &a), E_SYNTAX);
    r = rbuf_of(null_name, 6);
    assert_int_equal(metadata_request_decode(&m, &r, 1, &a), E_SYNTAX);
    arena_fini(&a);
}

static int decode_tags(const uint8_t *tags, size_t n, struct fetch_response *m)
{
    struct arena a;
    uint8_t frame[64] = {0}; /* throttle 4, error 2, session 4, responses 1 */
    frame[10] = 1;
    memcpy(frame + 11, tags, n);
    arena_init(&a);
    struct rbuf r = rbuf_of(frame, 11 + n);
    fetch_response_decode(m, &r, 16, &a);
    arena_fini(&a);
    return wire_decode_done(&r);
}

static void tagged_fields_are_bounded_and_in_order(void **state)
{
    (void)state;
    struct fetch_response m;
    static const struct {
        uint8_t bytes[20];
        size_t n;
        int err;
    } cases[] = {
        {{0}, 1, 0},
        {{2, 5, 1, 9, 7, 2, 8, 8}, 8, 0},                                       /* unknown ones */
        {{1, 5, 0}, 3, 0},                                                      /* unknown and empty */
        {{1, 0, 1, 1}, 4, 0},                                                   /* an empty list of endpoints */
        {{1, 0, 13, 2, 0, 0, 0, 1, 2, 'h', 0, 0, 0, 9, 0, 0}, 16, 0},           /* one endpoint */
        {{1, 0, 14, 2, 0, 0, 0, 1, 2, 'h', 0, 0, 0, 9, 0, 0, 0}, 17, E_SYNTAX}, /* a byte more than it fills */
        {{1, 0, 12, 2, 0, 0, 0, 1, 2, 'h', 0, 0, 0, 9, 0, 0}, 16, E_SHORT},     /* a byte less */
        {{2, 5, 0, 5, 0}, 5, E_SYNTAX},                                         /* twice */
        {{2, 5, 0, 4, 0}, 5, E_SYNTAX},                                         /* falling */
        {{1, 5, 9, 0}, 4, E_SHORT},                                             /* past the end */
        {{0xff, 0xff, 0xff, 0xff, 0x0f}, 5, E_SHORT},                           /* so many cannot be */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("case %zu\n", i);
        assert_int_equal(decode_tags(cases[i].bytes, cases[i].n, &m), cases[i].err);
    }
}

static void a_long_tagged_field_gets_a_long_length(void **state)
{
    (void)state;
    struct arena a;
    struct wbuf w;
    struct fetch_response m, back;
    char host[300];
    memset(host, 'h', sizeof host);
    arena_init(&a);
    wbuf_init(&w);
    fetch_response_init(&m);
    struct fetch_response_endpoint endpoints[100];
    for (size_t i = 0; i < 100; i++)
        endpoints[i] = (struct fetch_response_endpoint){(int32_t)i, {host, sizeof host}, 9092, STR_NULL};
    m.node_endpoints = endpoints;
    m.node_endpoints_n = 100;
    fetch_response_encode(&m, &w, 17);
    struct rbuf r = rbuf_of(w.data, w.len);
    assert_int_equal(fetch_response_decode(&back, &r, 17, &a), 0);
    assert_int_equal(wire_decode_done(&r), 0);
    assert_int_equal(back.node_endpoints_n, 100);
    assert_int_equal(back.node_endpoints[99].node_id, 99);
    assert_int_equal(back.node_endpoints[99].host.len, sizeof host);
    wbuf_fini(&w);
    arena_fini(&a);
}

/* ---- gaps */

static void gaps_leave_out_the_records_and_nothing_else(void **state)
{
    (void)state;
    struct arena a;
    struct wbuf whole, holes, joined;
    struct str records[] = {STR("first records"), STR_NULL, STR(""), STR("second")};
    struct fetch_response_partition parts[4];
    struct fetch_response_topic topic;
    struct fetch_response m;
    arena_init(&a);
    for (size_t i = 0; i < 4; i++) {
        fetch_response_partition_init(&parts[i]);
        parts[i].partition_index = (int32_t)i;
        parts[i].records = records[i];
    }
    fetch_response_topic_init(&topic);
    topic.partitions = parts;
    topic.partitions_n = 4;
    fetch_response_init(&m);
    m.responses = &topic;
    m.responses_n = 1;
    for (int version = 4; version <= 18; version++) {
        struct wire_gaps gaps = {.arena = &a};
        wbuf_init(&whole);
        wbuf_init(&holes);
        wbuf_init(&joined);
        size_t at = wire_frame_begin(&whole);
        fetch_response_encode(&m, &whole, version);
        assert_int_equal(wire_frame_end(&whole, at, 0), 0);
        at = wire_frame_begin(&holes);
        fetch_response_encode_gaps(&m, &holes, version, &gaps);
        assert_int_equal(wire_frame_end(&holes, at, gaps.bytes), 0);
        assert_int_equal(gaps.n, 2);
        assert_int_equal(gaps.bytes, 19);
        size_t done = 0;
        for (size_t i = 0; i < gaps.n; i++) {
            assert_ptr_equal(gaps.gaps[i].ptr, records[i ? 3 : 0].ptr);
            wbuf_put(&joined, holes.data + done, gaps.gaps[i].at - done);
            wbuf_put(&joined, gaps.gaps[i].ptr, gaps.gaps[i].len);
            done = gaps.gaps[i].at;
        }
        wbuf_put(&joined, holes.data + done, holes.len - done);
        assert_int_equal(joined.len, whole.len);
        assert_memory_equal(joined.data, whole.data, whole.len);
        wbuf_fini(&whole);
        wbuf_fini(&holes);
        wbuf_fini(&joined);
    }
    arena_fini(&a);
}

/* ---- headers and frames */

static void request_headers_fit_the_version(void **state)
{
    (void)state;
    for (size_t i = 0; i < WIRE_APIS; i++) {
        const struct wire_api *api = &wire_apis[i], *found;
        assert_true(i == 0 || wire_apis[i - 1].key < api->key);
        for (int version = api->min; version <= api->max + 2; version++) {
            struct wbuf w;
            struct request_header h;
            wbuf_init(&w);
            wire_request_header_encode(&w, api, version, 77, STR("client"));
            assert_int_equal(w.len, 8 + 2 + 6 + (version >= api->flexible)); /* the client id is never compact */
            wbuf_u8(&w, 99);                                                 /* the body */
            struct rbuf r = rbuf_of(w.data, w.len);
            assert_int_equal(wire_request_header(&h, &found, &r), version <= api->max ? 0 : E_UNSUPPORTED);
            assert_ptr_equal(found, api);
            assert_int_equal(h.request_api_key, api->key);
            assert_int_equal(h.request_api_version, version);
            assert_int_equal(h.correlation_id, 77);
            assert_true(str_eq(h.client_id, STR("client")));
            assert_int_equal(rbuf_left(&r), 1);
            wbuf_fini(&w);
        }
    }
}

static void unknown_requests_are_named_not_read(void **state)
{
    (void)state;
    struct request_header h;
    const struct wire_api *api;
    static const uint8_t unknown[] = {0x7f, 0, 0, 3, 0, 0, 0, 9, 1, 2}, cut[] = {0, 3, 0};
    struct rbuf r = rbuf_of(unknown, sizeof unknown);
    assert_int_equal(wire_request_header(&h, &api, &r), E_UNSUPPORTED);
    assert_null(api);
    assert_int_equal(h.request_api_key, 0x7f00);
    assert_int_equal(h.correlation_id, 9);
    r = rbuf_of(cut, sizeof cut);
    assert_int_equal(wire_request_header(&h, &api, &r), E_SHORT);
    assert_null(wire_api_find(-1));
}

static void the_answer_to_api_versions_never_has_tags_in_its_header(void **state)
{
    (void)state;
    const struct wire_api *versions = wire_api_find(WIRE_API_VERSIONS), *metadata = wire_api_find(WIRE_METADATA);
    struct wbuf w;
    int32_t id = 0;
    wbuf_init(&w);
    wire_response_header_encode(&w, versions, 4, 5);
    assert_int_equal(w.len, 4);
    struct rbuf r = rbuf_of(w.data, w.len);
    assert_int_equal(wire_response_header(&id, versions, 4, &r), 0);
    assert_int_equal(id, 5);
    wbuf_reset(&w);
    wire_response_header_encode(&w, metadata, 8, 5);
    assert_int_equal(w.len, 4);
    wbuf_reset(&w);
    wire_response_header_encode(&w, metadata, 9, 6);
    assert_int_equal(w.len, 5);
    r = rbuf_of(w.data, w.len);
    assert_int_equal(wire_response_header(&id, metadata, 9, &r), 0);
    assert_int_equal(id, 6);
    wbuf_fini(&w);
}

static void frame_lengths_are_bounded(void **state)
{
    (void)state;
    uint32_t n;
    assert_int_equal(wire_frame_size(STR("\0\0\1"), 1000, &n), E_SHORT);
    assert_int_equal(wire_frame_size(STR("\0\0\1\2..."), 1000, &n), 0);
    assert_int_equal(n, 0x102);
    assert_int_equal(wire_frame_size(STR("\0\0\1\2"), 0x101, &n), E_TOO_LARGE);
    assert_int_equal(wire_frame_size(STR("\x80\0\1\2"), UINT32_MAX, &n), E_SYNTAX);
    struct wbuf w;
    wbuf_init(&w);
    size_t at = wire_frame_begin(&w);
    assert_int_equal(wire_frame_end(&w, at, (uint64_t)1 << 31), E_TOO_LARGE);
    assert_int_equal(wire_frame_end(&w, at, 513), 0);
    assert_memory_equal(w.data, "\0\0\2\1", 4);
    wbuf_fini(&w);
}

/* A length of four bytes, not two: subscriptions and assignments may be longer than any text. */
static void bytes_may_be_longer_than_text(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    char *big = arena_zalloc(&a, 100000);
    memset(big, 'x', 100000);
    for (int version = 0; version <= 9; version += 9) {
        struct join_group_request in, back;
        struct join_group_request_protocol proto = {STR("range"), {big, 100000}};
        struct wbuf w;
        join_group_request_init(&in);
        in.protocols = &proto;
        in.protocols_n = 1;
        wbuf_init(&w);
        join_group_request_encode(&in, &w, version);
        struct rbuf r = rbuf_of(w.data, w.len);
        assert_int_equal(join_group_request_decode(&back, &r, version, &a), 0);
        assert_int_equal(wire_decode_done(&r), 0);
        assert_true(str_eq(back.protocols[0].metadata, proto.metadata));
        wbuf_fini(&w);
    }
    arena_fini(&a);
}

int main(void)
{
    random_seed(&rnd, test_seed());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_survives_a_round_trip),
        cmocka_unit_test(a_frame_cut_anywhere_is_refused),
        cmocka_unit_test(bytes_after_a_message_are_refused),
        cmocka_unit_test(damaged_frames_neither_crash_nor_take_memory),
        cmocka_unit_test(counts_are_not_believed),
        cmocka_unit_test(fields_that_a_version_lacks_have_their_default),
        cmocka_unit_test(null_and_empty_stay_apart),
        cmocka_unit_test(tagged_fields_are_bounded_and_in_order),
        cmocka_unit_test(a_long_tagged_field_gets_a_long_length),
        cmocka_unit_test(bytes_may_be_longer_than_text),
        cmocka_unit_test(gaps_leave_out_the_records_and_nothing_else),
        cmocka_unit_test(request_headers_fit_the_version),
        cmocka_unit_test(unknown_requests_are_named_not_read),
        cmocka_unit_test(the_answer_to_api_versions_never_has_tags_in_its_header),
        cmocka_unit_test(frame_lengths_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
