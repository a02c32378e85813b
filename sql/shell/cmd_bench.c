#include "sql/bench/bench.h"
#include "sql/shell/shell.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char usage_head[] =
    "weir bench: measure this weir on this machine\n"
    "\n"
    "usage: weir bench [WHAT...] [options]          WHAT: all (but nexmark), or any of\n"
    "\n";
static const char usage_tail[] =
    "\n"
    "  --data DIR       where the scratch folder is made and removed (default: TMPDIR, else /tmp); take the disk that counts\n"
    "  --runs N         runs of each figure (default 5); median, least and greatest are printed\n"
    "  --percent N      share of the full volume (default 100): less is quicker and less exact\n"
    "  --now            do not wait for a quiet machine\n"
    "  --json           one JSON object instead of the table\n"
    "\n"
    "A run begins when the rest of the machine uses less than 8 % of its processors, after at most 20 s; a run that others\n"
    "disturbed is done again, and where that did not help the table says so. The server is a process of its own, started\n"
    "with default settings: every acknowledged record is durable.\n"
    "\n"
    "figures\n"
    "  calibration          this machine with plain loops: 64 MiB memory copy, CRC32C of 1 MiB, appends of 1 MiB pieces to a\n"
    "                       new file (cold) and over cached pages (warm), append + fdatasync (median of 400)\n"
    "  start                process start to the acknowledgement of one record with acks=all, on an empty folder, topic made\n"
    "                       on the way; resident memory after two idle seconds\n"
    "  produce, fetch       one connection, four partitions, 64 KiB batches, acks=all, five requests on their way; fetch from\n"
    "                       the page cache. records in M/s; values' bytes in MB/s (10^6); server CPU in seconds of all threads\n"
    "                       per GB (10^9) of values\n"
    "  query                200-byte JSON records of 5 fields in four partitions. filter: half of them go to an output topic;\n"
    "                       windowed count: COUNT(*) by one of 1000 keys and 10 s. M events/s per core = events divided by the\n"
    "                       CPU seconds of all threads of the server, from CREATE to the last commit. bare loop: one hand-written\n"
    "                       C loop for this one schema that reads the same files, decodes, filters, encodes, checksums, appends\n"
    "  nexmark              20 million events at 100,000 a second of event time, four partitions of JSON; each query is a job whose\n"
    "                       output is JSON, exactly once, committed every 100 ms. M events/s per core as above; bytes of the\n"
    "                       output topic; CPU time in multiples of a program that only writes as many bytes; state; peak memory\n"
    "  latency              ms from the acknowledgement of a record to its row in SELECT ... EMIT CHANGES\n"
    "\n"
    "examples\n"
    "  weir bench\n"
    "  weir bench produce fetch --data /var/lib --json\n"
    "  weir bench query --runs 3 --percent 25 --now\n"
    "  weir bench nexmark/q5 --percent 10\n"
    "\n"
    "exit codes: 0 measured, 1 something failed, 3 wrong usage. A target that is missed is shown, and is no failure.\n";

enum { OPT_DATA = 256, OPT_RUNS, OPT_PERCENT, OPT_NOW, OPT_JSON, EXIT_FAILED = 1, EXIT_WRONG = 3, RUNS_MAX = 100 };
static const struct option long_options[] = {
    {"data", required_argument, NULL, OPT_DATA}, {"runs", required_argument, NULL, OPT_RUNS},
    {"percent", required_argument, NULL, OPT_PERCENT}, {"now", no_argument, NULL, OPT_NOW},
    {"json", no_argument, NULL, OPT_JSON}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

static int help(void)
{
    unsigned n;
    const struct bench_kind *kinds = bench_kinds(&n);
    fputs(usage_head, stdout);
    for (unsigned i = 0; i < n; i++)
        printf("  %-14s %s\n", kinds[i].name, kinds[i].doc);
    fputs(usage_tail, stdout);
    return 0;
}

static int wrong(const char *what, const char *value)
{
    fprintf(stderr, "weir bench: %s%s%s%s\ntry: weir bench --help\n", what, value ? ": \"" : "", value ? value : "",
            value ? "\"" : "");
    return EXIT_WRONG;
}

static bool number(const char *text, unsigned max, unsigned *out)
{
    int64_t v;
    if (!str_to_i64(str_of(text), &v) || v < 1 || v > (int64_t)max)
        return false;
    *out = (unsigned)v;
    return true;
}

/* -1: go on; else leave with it. */
static int parse_options(int argc, char **argv, struct bench_conf *bc)
{
    int opt;
    while ((opt = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (opt) {
        case OPT_DATA: bc->folder = optarg; break;
        case OPT_NOW: bc->keep_busy = true; break;
        case OPT_JSON: bc->json = true; break;
        case OPT_RUNS:
            if (!number(optarg, RUNS_MAX, &bc->runs))
                return wrong("--runs takes a number from 1 to 100", optarg);
            break;
        case OPT_PERCENT:
            if (!number(optarg, 100, &bc->percent))
                return wrong("--percent takes a number from 1 to 100", optarg);
            break;
        case 'h': return help();
        default: return wrong("an option it does not have", NULL);
        }
    }
    return -1;
}

int cmd_bench(int argc, char **argv)
{
    static char self[4096];
    const char *tmp = getenv("TMPDIR");
    struct bench_conf bc = {.program = self, .folder = tmp && *tmp ? tmp : "/tmp", .runs = 5, .percent = 100};
    struct diag d = {.text = ""};
    int code = parse_options(argc, argv, &bc);
    if (code >= 0)
        return code;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return wrong("cannot tell where this program lies", NULL);
    self[n] = 0;
    const char *const *names = (const char *const *)argv + optind;
    unsigned nnames = (unsigned)(argc - optind);
    if (nnames == 1 && strcmp(names[0], "all") == 0)
        nnames = 0;
    int rc = bench_run(&bc, names, nnames, &d);
    if (rc == E_NOT_FOUND)
        return wrong(d.text, NULL);
    if (rc < 0)
        fprintf(stderr, "weir bench: %s\n", d.text);
    return rc < 0 ? EXIT_FAILED : 0;
}
