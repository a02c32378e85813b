/* Nexmark's events: people who sell at auctions and bid at them, as one stream of JSON records. The description is that of
 * the Nexmark generator as Apache Beam and Flink run it (Tucker et al., "NEXMark", 2002), with one difference: chance is
 * drawn from the seed and the event's number, so that any event can be made alone and two runs are the same.
 *
 *     {"event_type":0,"person":{"id":..,"name":..,"emailAddress":..,"creditCard":..,"city":..,"state":..,"dateTime":..,"extra":..},
 *      "auction":null,"bid":null}
 *     1: auction {id, itemName, description, initialBid, reserve, dateTime, expires, seller, category, extra}
 *     2: bid {auction, bidder, price, channel, url, dateTime, extra}
 * Times are text, "2015-07-15 00:00:00.000", in UTC; a record's own timestamp is its event's. Thread: pure. */
#ifndef BENCH_NEXMARK_H
#define BENCH_NEXMARK_H
#include "log/base/buf.h"
#include "log/base/random.h"

#define NEXMARK_BASE_MS INT64_C(1436918400000) /* the first event */
#define NEXMARK_FIRST_ID 1000                  /* of people and auctions */

/* Of 50 events one is a person, three are auctions, the rest bids; 46 of 50 records. */
enum nexmark_kind { NEXMARK_PERSON, NEXMARK_AUCTION, NEXMARK_BID };
enum { NEXMARK_CYCLE = 50, NEXMARK_PEOPLE = 1, NEXMARK_AUCTIONS = 3 };
enum nexmark_kind nexmark_kind_of(uint64_t number);

struct nexmark {
    uint64_t seed;
    uint64_t per_second; /* of event time */
};
int64_t nexmark_ts(const struct nexmark *nx, uint64_t number);
/* Appends the record of event `number`, 0.., without a line's end. */
void nexmark_write(const struct nexmark *nx, uint64_t number, struct wbuf *out);
/* The side input of q13: value of key 0..9999. */
enum { NEXMARK_SIDE_ROWS = 10000 };

#endif
