#include "sql/bench/nexmark.h"
#include "engine/vec/vec.h"
#include "log/base/map.h"
#include <math.h>
#include <stdio.h>

enum {
    ACTIVE_PEOPLE = 1000, /* who may still sell or bid */
    IN_FLIGHT = 100,      /* auctions that may still be bid for */
    LEAD = 10,            /* ids that may be named before their events come */
    HOT_EVERY = 100,      /* every hundredth auction, seller, bidder is a hot one */
    HOT_AUCTION = 2,      /* one bid in so many is for some other auction than the hot one; likewise */
    HOT_SELLER = 4,
    HOT_BIDDER = 4,
    HOT_CHANNEL = 2,
    CHANNELS = 10000,
    FIRST_CATEGORY = 10,
    CATEGORIES = 5,
    PERSON_BYTES = 200, /* what `extra` fills up to, on the average */
    AUCTION_BYTES = 500,
    BID_BYTES_MEAN = 100,
    WORD = 256 /* no text is longer */
};

/* Each event, and each channel, has a generator of its own. */
static struct random chance_of(const struct nexmark *nx, uint64_t what, uint64_t number)
{
    struct random r;
    random_seed(&r, hash_u64(hash_u64(nx->seed + what) + number));
    return r;
}

enum nexmark_kind nexmark_kind_of(uint64_t number)
{
    uint64_t rem = number % NEXMARK_CYCLE;
    return rem < NEXMARK_PEOPLE ? NEXMARK_PERSON : rem < NEXMARK_PEOPLE + NEXMARK_AUCTIONS ? NEXMARK_AUCTION : NEXMARK_BID;
}

int64_t nexmark_ts(const struct nexmark *nx, uint64_t number)
{
    uint64_t us = number / nx->per_second * 1000000 + number % nx->per_second * 1000000 / nx->per_second;
    return NEXMARK_BASE_MS + (int64_t)(us / 1000);
}

/* The newest person and auction when an event comes, its own included; counted from 0, before the first one -1. */
static int64_t last_person(uint64_t number) { return (int64_t)(number / NEXMARK_CYCLE); }

static int64_t last_auction(uint64_t number)
{
    int64_t cycle = (int64_t)(number / NEXMARK_CYCLE), rem = (int64_t)(number % NEXMARK_CYCLE);
    return NEXMARK_AUCTIONS * cycle + MIN(rem - NEXMARK_PEOPLE, NEXMARK_AUCTIONS - 1);
}

static int64_t some_person(struct random *r, uint64_t number)
{
    int64_t people = last_person(number) + 1, active = MIN(people, ACTIVE_PEOPLE);
    return people - active + (int64_t)random_below(r, (uint64_t)(active + LEAD));
}

static int64_t some_auction(struct random *r, uint64_t number)
{
    int64_t last = last_auction(number), first = MAX(last - IN_FLIGHT, 0);
    return first + (int64_t)random_below(r, (uint64_t)(last - first + 1 + LEAD));
}

static int64_t hot(int64_t last) { return MAX(last, 0) / HOT_EVERY * HOT_EVERY; }

/* 100 to 100,000,000, evenly by order of magnitude. */
static int64_t price(struct random *r) { return llround(pow(10, random_unit(r) * 6) * 100); }

/* ---- text: words of blanks (or what stands for them) and letters, 3 to max - 1 characters before they are trimmed */

static size_t word(struct random *r, unsigned max, char blank, char out[WORD])
{
    size_t n = 3 + random_below(r, max - 3), from = 0;
    for (size_t i = 0; i < n; i++)
        out[i] = random_below(r, 13) == 0 ? blank : (char)('a' + random_below(r, 26));
    if (blank != ' ')
        return n;
    while (n && out[n - 1] == ' ')
        n--;
    while (from < n && out[from] == ' ')
        from++;
    memmove(out, out + from, n - from);
    return n - from;
}

static size_t put_word(struct wbuf *out, struct random *r, unsigned max, char blank)
{
    char text[WORD];
    size_t n = word(r, max, blank, text);
    wbuf_put(out, text, n);
    return n;
}

/* Letters that bring what has been written of an event, `size`, near its mean. */
static void put_extra(struct wbuf *out, struct random *r, size_t size, size_t mean)
{
    size_t want = mean > size ? mean - size : 0, delta = (size_t)llround((double)want * 0.2);
    want = want - delta + (delta ? random_below(r, 2 * delta) : 0);
    wbuf_str(out, STR(",\"extra\":\""));
    uint8_t *p = wbuf_room(out, want);
    uint64_t bits = 0;
    for (size_t i = 0; i < want; i++, bits >>= 8) {
        if (i % 8 == 0)
            bits = random_next(r);
        p[i] = (uint8_t)('a' + ((bits & 0xff) * 26 >> 8));
    }
    out->len += want;
    wbuf_str(out, STR("\"}"));
}

static void put_time(struct wbuf *out, const char *name, int64_t ms)
{
    char text[TIMESTAMP_TEXT];
    size_t n = timestamp_format(ms, text);
    text[10] = ' ';
    wbuf_printf(out, ",\"%s\":\"%.*s\"", name, (int)n, text);
}

static void put_url(struct wbuf *out, struct random *r)
{
    wbuf_str(out, STR("https://www.nexmark.com"));
    for (int i = 0; i < 3; i++) {
        wbuf_u8(out, '/');
        put_word(out, r, 5, '_');
    }
    wbuf_str(out, STR("/item.htm?query=1"));
}

/* ---- the three kinds */

static void put_person(const struct nexmark *nx, uint64_t number, struct random *r, struct wbuf *out)
{
    static const char *const first[] = {"Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"};
    static const char *const last[] = {"Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"};
    static const char *const cities[] = {"Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland",
                                         "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"};
    static const char *const states[] = {"AZ", "CA", "ID", "OR", "WA", "WY"};
    size_t from = out->len;
    wbuf_printf(out, "{\"event_type\":0,\"person\":{\"id\":%lld", (long long)(NEXMARK_FIRST_ID + last_person(number)));
    size_t texts = out->len;
    wbuf_printf(out, ",\"name\":\"%s %s\",\"emailAddress\":\"", first[random_below(r, ARRAY_LEN(first))],
                last[random_below(r, ARRAY_LEN(last))]);
    put_word(out, r, 7, ' ');
    wbuf_u8(out, '@');
    put_word(out, r, 5, ' ');
    wbuf_str(out, STR(".com\",\"creditCard\":\""));
    for (int i = 0; i < 4; i++)
        wbuf_printf(out, "%s%04u", i ? " " : "", (unsigned)random_below(r, 10000));
    wbuf_printf(out, "\",\"city\":\"%s\",\"state\":\"%s\"", cities[random_below(r, ARRAY_LEN(cities))],
                states[random_below(r, ARRAY_LEN(states))]);
    /* Sizes count the content: id, and texts without their names and quotes. */
    size_t size = 8 + (out->len - texts) - strlen(",\"name\":\"\",\"emailAddress\":\"\",\"creditCard\":\"\",\"city\":\"\",\"state\":\"\"");
    CHECK(out->len > from);
    put_time(out, "dateTime", nexmark_ts(nx, number));
    put_extra(out, r, size, PERSON_BYTES);
    wbuf_str(out, STR(",\"auction\":null,\"bid\":null}"));
}

static void put_auction(const struct nexmark *nx, uint64_t number, struct random *r, struct wbuf *out)
{
    int64_t ts = nexmark_ts(nx, number);
    /* In the time that a hundred more auctions take to begin, twice that at most, it ends. */
    uint64_t ahead = (uint64_t)IN_FLIGHT * NEXMARK_CYCLE / NEXMARK_AUCTIONS;
    int64_t horizon = nexmark_ts(nx, number + ahead) - ts, initial = price(r), last = last_person(number);
    wbuf_printf(out, "{\"event_type\":1,\"person\":null,\"auction\":{\"id\":%lld,\"itemName\":\"",
                (long long)(NEXMARK_FIRST_ID + last_auction(number)));
    size_t size = 8 * 6 + put_word(out, r, 20, ' ');
    wbuf_str(out, STR("\",\"description\":\""));
    size += put_word(out, r, 100, ' ');
    wbuf_printf(out, "\",\"initialBid\":%lld,\"reserve\":%lld", (long long)initial, (long long)(initial + price(r)));
    put_time(out, "dateTime", ts);
    put_time(out, "expires", ts + 1 + (int64_t)random_below(r, (uint64_t)MAX(2 * horizon, 1)));
    int64_t seller = random_below(r, HOT_SELLER) ? hot(last) : some_person(r, number);
    wbuf_printf(out, ",\"seller\":%lld,\"category\":%u", (long long)(NEXMARK_FIRST_ID + seller),
                FIRST_CATEGORY + (unsigned)random_below(r, CATEGORIES));
    put_extra(out, r, size, AUCTION_BYTES);
    wbuf_str(out, STR(",\"bid\":null}"));
}

/* A channel's page is the same in all its bids; one channel in ten does not tell its id there. */
static void put_channel(const struct nexmark *nx, struct random *r, struct wbuf *out)
{
    static const char *const famous[] = {"Google", "Facebook", "Baidu", "Apple"};
    bool is_hot = random_below(r, HOT_CHANNEL) != 0;
    uint32_t k = (uint32_t)random_below(r, is_hot ? ARRAY_LEN(famous) : CHANNELS);
    struct random own = chance_of(nx, is_hot ? 1 : 2, k);
    if (is_hot)
        wbuf_printf(out, "\"channel\":\"%s\",\"url\":\"", famous[k]);
    else
        wbuf_printf(out, "\"channel\":\"channel-%u\",\"url\":\"", k);
    put_url(out, &own);
    if (!is_hot && random_below(&own, 10)) {
        uint32_t reversed = 0;
        for (unsigned i = 0; i < 32; i++)
            reversed |= (k >> i & 1) << (31 - i);
        wbuf_printf(out, "&channel_id=%lld", llabs((long long)(int32_t)reversed));
    }
    wbuf_u8(out, '"');
}

static void put_bid(const struct nexmark *nx, uint64_t number, struct random *r, struct wbuf *out)
{
    int64_t auction = random_below(r, HOT_AUCTION) ? hot(last_auction(number)) : some_auction(r, number);
    int64_t bidder = random_below(r, HOT_BIDDER) ? hot(last_person(number)) + 1 : some_person(r, number);
    wbuf_printf(out, "{\"event_type\":2,\"person\":null,\"auction\":null,\"bid\":{\"auction\":%lld,\"bidder\":%lld,\"price\":%lld,",
                (long long)(NEXMARK_FIRST_ID + auction), (long long)(NEXMARK_FIRST_ID + bidder), (long long)price(r));
    put_channel(nx, r, out);
    put_time(out, "dateTime", nexmark_ts(nx, number));
    put_extra(out, r, 32, BID_BYTES_MEAN);
    wbuf_u8(out, '}');
}

void nexmark_write(const struct nexmark *nx, uint64_t number, struct wbuf *out)
{
    struct random r = chance_of(nx, 0, number);
    switch (nexmark_kind_of(number)) {
    case NEXMARK_PERSON:
        put_person(nx, number, &r, out);
        break;
    case NEXMARK_AUCTION:
        put_auction(nx, number, &r, out);
        break;
    case NEXMARK_BID:
        put_bid(nx, number, &r, out);
        break;
    }
}
