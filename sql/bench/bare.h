/* The bare loop: what a C programmer would write by hand for the one job "bids with price < half go to another log",
 * with no engine, no broker, no types and no other schema in mind. Private to sql/bench.
 *
 * It reads the topic's segment files, decodes the five fields of each record, encodes those that pass, builds record
 * batches with their checksums and appends them to a file. Not done, in its favour: order and names of fields are not
 * looked up but expected, strings are assumed to hold no escapes, what it reads is not checksummed, nothing is
 * synced. */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H
#include "log/base/err.h"

struct bare {
    int64_t events, passed;
    double cpu_s; /* of this thread's process, from the first read to the last write */
};
/* parts: that many folders topic/0, topic/1, ... E_SYNTAX: a record is no bid as bid.h writes it. */
int bare_run(struct bare *out, const char *topic, unsigned parts, const char *output) MUST_USE;

#endif
