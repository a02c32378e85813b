/* Events to try things with, as lines that `weir produce --json` takes. */
#include "log/base/clock.h"
#include "sql/bench/bench.h"
#include "sql/shell/kafka.h"
#include "sql/shell/shell.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

static const char usage[] =
    "weir datagen: print made-up events, as `weir produce --json` takes them\n"
    "\n"
    "usage: weir datagen nexmark [options]     people, auctions and bids, in the proportion 1 : 3 : 46\n"
    "       weir datagen nexmark-side          10,000 rows, a key and its value, to join bids with\n"
    "\n"
    "  --events N        how many (default 100000)\n"
    "  --from N          number of the first one (default 0); an event depends on its number and the seed alone\n"
    "  --seed N          another seed, other events (default 1)\n"
    "  --per-second N    events in a second of event time (default 100000), which begins at 2015-07-15 00:00\n"
    "  --pace            and as many in a second of real time\n"
    "\n"
    "examples\n"
    "  weir datagen nexmark | weir produce nexmark --json\n"
    "  weir datagen nexmark --events 1000000000 --per-second 1000 --pace | weir produce nexmark --json\n"
    "  weir datagen nexmark-side | weir produce side --json\n"
    "\n"
    "exit codes: 0 printed, 1 the output was closed, 3 wrong usage\n";

#define CMD "datagen"
enum { FLUSH_BYTES = 256 << 10, PACE_MS = 20 };

struct datagen {
    struct nexmark nx;
    int64_t events, from;
    bool pace, side;
    struct wbuf out;
};

static bool flush(struct datagen *g)
{
    size_t at = 0;
    while (at < g->out.len) {
        ssize_t n = write(STDOUT_FILENO, g->out.data + at, g->out.len - at);
        if (n < 0 && errno != EINTR)
            return false;
        at += n > 0 ? (size_t)n : 0;
    }
    wbuf_reset(&g->out);
    return true;
}

/* How many events are due after so many ms. */
static int64_t due(const struct datagen *g, int64_t ms) { return (int64_t)g->nx.per_second * ms / 1000; }

static bool wait_for(struct datagen *g, int64_t i, int64_t began_us)
{
    int64_t late_us = clock_mono_us() - began_us;
    if (!g->pace || i < due(g, late_us / 1000))
        return true;
    if (!flush(g))
        return false;
    while (i >= due(g, (clock_mono_us() - began_us) / 1000))
        clock_sleep_ms(PACE_MS);
    return true;
}

static bool nexmark(struct datagen *g)
{
    int64_t began_us = clock_mono_us();
    for (int64_t i = 0; i < g->events; i++) {
        uint64_t number = (uint64_t)(g->from + i);
        if (!wait_for(g, i, began_us))
            return false;
        wbuf_printf(&g->out, "{\"timestamp\":%lld,\"value\":", (long long)nexmark_ts(&g->nx, number));
        nexmark_write(&g->nx, number, &g->out);
        wbuf_str(&g->out, STR("}\n"));
        if (g->out.len >= FLUSH_BYTES && !flush(g))
            return false;
    }
    return flush(g);
}

static bool side(struct datagen *g)
{
    for (int i = 0; i < NEXMARK_SIDE_ROWS; i++)
        wbuf_printf(&g->out, "{\"timestamp\":%lld,\"key\":\"%d\",\"value\":{\"value\":\"%d\"}}\n",
                    (long long)NEXMARK_BASE_MS, i, i);
    return flush(g);
}

enum { OPT_EVENTS = 256, OPT_FROM, OPT_SEED, OPT_PER_SECOND, OPT_PACE };
static const struct option long_options[] = {
    {"events", required_argument, NULL, OPT_EVENTS}, {"from", required_argument, NULL, OPT_FROM},
    {"seed", required_argument, NULL, OPT_SEED},     {"per-second", required_argument, NULL, OPT_PER_SECOND},
    {"pace", no_argument, NULL, OPT_PACE},           {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0}};
static const struct shell_takes takes[] = {
    {OPT_EVENTS, "a number of events, from 0 on"},
    {OPT_FROM, "the number of an event, from 0 on"},
    {OPT_SEED, "a whole number, from 0 on"},
    {OPT_PER_SECOND, "a number of events, from 1 on"},
    {0, NULL}};
static const struct shell_usage datagen_usage = {"weir datagen", usage, takes};

static bool whole(int64_t least, int64_t *out)
{
    return str_to_i64(str_of(optarg), out) && *out >= least;
}

/* False: leave with *code. */
static bool parse_options(int argc, char **argv, struct datagen *g, int *code)
{
    int opt;
    int64_t seed = 1, per_second = 100000;
    *code = EXIT_WRONG;
    while ((opt = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        bool good = true;
        switch (opt) {
        case OPT_EVENTS: good = whole(0, &g->events); break;
        case OPT_FROM: good = whole(0, &g->from); break;
        case OPT_SEED: good = whole(0, &seed); break;
        case OPT_PER_SECOND: good = whole(1, &per_second); break;
        case OPT_PACE: g->pace = true; break;
        case 'h':
            fputs(usage, stdout);
            *code = 0;
            return false;
        default: fputs("try: weir datagen --help\n", stderr); return false;
        }
        if (!good) {
            shell_wrong_value(&datagen_usage, long_options, opt, optarg);
            return false;
        }
    }
    g->nx = (struct nexmark){(uint64_t)seed, (uint64_t)per_second};
    g->side = optind < argc && strcmp(argv[optind], "nexmark-side") == 0;
    if (optind + 1 != argc || (!g->side && strcmp(argv[optind], "nexmark") != 0)) {
        kafka_usage(CMD, "say which events: nexmark or nexmark-side", optind < argc ? argv[optind] : NULL);
        return false;
    }
    return true;
}

int cmd_datagen(int argc, char **argv)
{
    struct datagen g = {.events = 100000};
    int code;
    wbuf_init(&g.out);
    if (parse_options(argc, argv, &g, &code))
        code = (g.side ? side(&g) : nexmark(&g)) ? 0 : EXIT_FAILED;
    wbuf_fini(&g.out);
    return code;
}
