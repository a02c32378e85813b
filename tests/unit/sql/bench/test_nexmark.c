/* What `weir datagen nexmark` and `weir bench nexmark` give must be what the description of Nexmark says. */
#include "engine/vec/vec.h"
#include "sql/bench/nexmark.h"
#include "tests/unit/unit.h"
#include <math.h>

enum { EVENTS = 200000 };
static const struct nexmark nx = {.seed = 1, .per_second = 100000};

/* What the tests look at, of one event. */
struct seen {
    int64_t id, seller, category, initial, reserve, auction, bidder, price, time, expires;
    struct str channel, url, state;
    size_t bytes;
};

static void see_field(struct seen *s, struct str name, struct json_token t)
{
    int64_t *const whole[] = {&s->id, &s->seller, &s->category, &s->initial, &s->reserve, &s->auction, &s->bidder, &s->price};
    static const char *const names[] = {"id", "seller", "category", "initialBid", "reserve", "auction", "bidder", "price"};
    s->bytes += t.kind == JSON_STRING ? t.text.len : 8;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(name, str_of(names[i])))
            assert_true(t.kind == JSON_NUMBER && str_to_i64(t.text, whole[i]));
    if (str_eq(name, STR("dateTime")))
        assert_true(timestamp_parse(t.text, &s->time));
    if (str_eq(name, STR("expires")))
        assert_true(timestamp_parse(t.text, &s->expires));
    if (str_eq(name, STR("channel")))
        s->channel = t.text;
    if (str_eq(name, STR("url")))
        s->url = t.text;
    if (str_eq(name, STR("state")))
        s->state = t.text;
}

/* The record is one object of event_type and three parts, of which the one that event_type names is no null. */
static struct seen see(uint64_t number, struct wbuf *w, struct arena *a)
{
    static const char *const parts[] = {"person", "auction", "bid"};
    struct seen s = {0};
    struct str name, inner;
    wbuf_reset(w);
    arena_reset(a);
    nexmark_write(&nx, number, w);
    struct json j = json_of(wbuf_view(w));
    assert_int_equal(json_next(&j, a).kind, JSON_OBJECT);
    assert_true(json_key(&j, a, &name) && str_eq(name, STR("event_type")));
    struct json_token type = json_next(&j, a);
    assert_true(type.kind == JSON_NUMBER && type.text.ptr[0] == '0' + (char)nexmark_kind_of(number));
    for (unsigned i = 0; i < 3; i++) {
        assert_true(json_key(&j, a, &name) && str_eq(name, str_of(parts[i])));
        struct json_token t = json_next(&j, a);
        if (i != nexmark_kind_of(number)) {
            assert_int_equal(t.kind, JSON_NULL);
            continue;
        }
        assert_int_equal(t.kind, JSON_OBJECT);
        while (json_key(&j, a, &inner))
            see_field(&s, inner, json_next(&j, a));
    }
    assert_false(json_key(&j, a, &name));
    assert_int_equal(json_next(&j, a).kind, JSON_END);
    assert_int_equal(s.time, nexmark_ts(&nx, number));
    return s;
}

struct counts {
    double kinds[3], bytes[3], hot_auction, hot_bidder, hot_channel, hot_seller, cheap, dear, with_id, west;
    int64_t people, auctions;
};

static void count_bid(struct counts *c, const struct seen *s)
{
    int64_t last = NEXMARK_FIRST_ID + MAX(c->auctions - 1, 0), person = NEXMARK_FIRST_ID + c->people - 1;
    assert_in_range(s->auction, MAX(last - 100, NEXMARK_FIRST_ID) / 100 * 100, last + 10);
    assert_in_range(s->bidder, NEXMARK_FIRST_ID, MAX(person + 10, NEXMARK_FIRST_ID + 10));
    assert_in_range(s->price, 100, 100000000);
    c->hot_auction += s->auction == (last - NEXMARK_FIRST_ID) / 100 * 100 + NEXMARK_FIRST_ID;
    c->hot_bidder += s->bidder == (person - NEXMARK_FIRST_ID) / 100 * 100 + NEXMARK_FIRST_ID + 1;
    bool is_hot = s->channel.len < 8 || s->channel.ptr[7] != '-';
    c->hot_channel += is_hot;
    bool id = memmem(s->url.ptr, s->url.len, "&channel_id=", 12) != NULL;
    assert_false(is_hot && id);
    c->with_id += id;
    c->cheap += s->price < 10000;
    c->dear += s->price >= 1000000;
}

static void assert_near(double got, double want, double by)
{
    if (fabs(got - want) > by)
        fail_msg("%.4f is not near %.4f", got, want);
}

/* Kinds come as 1 : 3 : 46, ids without gaps, one half of the bids goes to the hot auction, three quarters come from
 * the hot bidder, prices are even by order of magnitude, and records are as long as they should be on the average. */
static void test_description(void **state)
{
    (void)state;
    struct counts c = {0};
    struct wbuf w;
    struct arena a;
    wbuf_init(&w);
    arena_init(&a);
    for (uint64_t i = 0; i < EVENTS; i++) {
        struct seen s = see(i, &w, &a);
        enum nexmark_kind k = nexmark_kind_of(i);
        c.kinds[k]++;
        c.bytes[k] += (double)s.bytes;
        if (k == NEXMARK_PERSON) {
            assert_int_equal(s.id, NEXMARK_FIRST_ID + c.people++);
            c.west += str_eq(s.state, STR("OR")) || str_eq(s.state, STR("ID")) || str_eq(s.state, STR("CA"));
        } else if (k == NEXMARK_AUCTION) {
            assert_int_equal(s.id, NEXMARK_FIRST_ID + c.auctions++);
            assert_in_range(s.category, 10, 14);
            assert_true(s.reserve > s.initial && s.expires > s.time);
            assert_true(s.expires <= s.time + 1 + 2 * 17); /* 1,666 events, at 100 a ms */
            c.hot_seller += s.seller == (c.people - 1) / 100 * 100 + NEXMARK_FIRST_ID;
        } else {
            count_bid(&c, &s);
        }
    }
    double bids = c.kinds[2];
    assert_true(c.kinds[0] == EVENTS / 50 && c.kinds[1] == EVENTS / 50 * 3 && bids == EVENTS / 50 * 46);
    assert_near(c.hot_auction / bids, 0.5 + 0.5 / 111, 0.01);
    assert_near(c.hot_bidder / bids, 0.75, 0.01);
    assert_near(c.hot_seller / c.kinds[1], 0.75, 0.015);
    assert_near(c.hot_channel / bids, 0.5, 0.01);
    assert_near(c.with_id / bids, 0.45, 0.02);
    assert_near(c.cheap / bids, 1 / 3.0, 0.01);
    assert_near(c.dear / bids, 1 / 3.0, 0.01);
    assert_near(c.west / c.kinds[0], 0.5, 0.03);
    assert_near(c.bytes[0] / c.kinds[0], 200 + 23, 5); /* times are counted as text here, as 8 bytes there */
    assert_near(c.bytes[1] / c.kinds[1], 500 + 2 * 23 - 16 + 16, 12);
    arena_fini(&a);
    wbuf_fini(&w);
}

/* An event depends on its number and the seed alone. */
static void test_alone(void **state)
{
    (void)state;
    struct wbuf one, two;
    wbuf_init(&one);
    wbuf_init(&two);
    struct nexmark other = {.seed = 2, .per_second = 100000};
    for (uint64_t i = 0; i < 100; i++)
        nexmark_write(&nx, i, &one);
    for (uint64_t i = 99; i < 100; i++)
        nexmark_write(&nx, i, &two);
    assert_true(one.len > two.len && memcmp(one.data + one.len - two.len, two.data, two.len) == 0);
    wbuf_reset(&one);
    nexmark_write(&other, 99, &one);
    assert_false(str_eq(wbuf_view(&one), wbuf_view(&two)));
    wbuf_fini(&one);
    wbuf_fini(&two);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_description), cmocka_unit_test(test_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
