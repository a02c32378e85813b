/* The record that queries are measured with: an auction's bid, 200 bytes of JSON with five fields. Private to
 * sql/bench.
 *     {"auction":12,"bidder":3456,"price":789,"channel":"channel-07","url":"https://..."}
 * Everything follows from its number, so that results can be checked. Thread: pure. */
#ifndef BENCH_BID_H
#define BENCH_BID_H
#include "log/base/buf.h"

enum { BID_BYTES = 200, BID_AUCTIONS = 1000, BID_BIDDERS = 100000, BID_PRICES = 10000, BID_CHANNELS = 16,
       BIDS_PER_MS = 100 };
struct bid {
    uint32_t auction, bidder, price, channel;
    int64_t ts_ms;
};
struct bid bid_of(uint64_t number);
/* The filter passes half of them: PRICE < BID_PRICE_HALF. */
#define BID_PRICE_HALF (BID_PRICES / 2)
void bid_write(const struct bid *b, char out[BID_BYTES]);

#endif
