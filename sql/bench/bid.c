#include "sql/bench/bid.h"
#include "log/base/map.h"
#include <stdio.h>

#define BID_EPOCH_MS INT64_C(1700000000000) /* the first bid; a multiple of ten seconds */

struct bid bid_of(uint64_t number)
{
    uint64_t h = hash_u64(number + 1);
    return (struct bid){.auction = (uint32_t)(h % BID_AUCTIONS),
                        .bidder = (uint32_t)(h >> 10) % BID_BIDDERS,
                        .price = (uint32_t)(h >> 32) % BID_PRICES,
                        .channel = (uint32_t)(h >> 60) % BID_CHANNELS,
                        .ts_ms = BID_EPOCH_MS + (int64_t)(number / BIDS_PER_MS)};
}

void bid_write(const struct bid *b, char out[BID_BYTES])
{
    static const char tail[] = "\"}";
    char text[BID_BYTES + 1];
    int n = snprintf(text, sizeof text,
                     "{\"auction\":%u,\"bidder\":%u,\"price\":%u,\"channel\":\"channel-%02u\",\"url\":\"https://auction.example/",
                     b->auction, b->bidder, b->price, b->channel);
    size_t at = (size_t)n, end = BID_BYTES - (sizeof tail - 1);
    CHECK(at < end);
    for (uint64_t x = hash_u64(b->bidder); at < end; at++, x = x >> 5 ? x >> 5 : hash_u64(at + b->auction))
        text[at] = "abcdefghijklmnopqrstuvwxyz012345"[x & 31];
    memcpy(text + end, tail, sizeof tail - 1);
    memcpy(out, text, BID_BYTES);
}
