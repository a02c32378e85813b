/* Lines of standard input become records. Batches are sent while earlier ones wait for their answer; when the input
 * pauses, what there is goes out at once, so that the command works behind a pipe that never ends. */
#include "log/base/clock.h"
#include "log/base/map.h"
#include "engine/vec/vec.h"
#include "sql/shell/kafka.h"
#include "sql/shell/shell.h"
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char usage[] =
    "weir produce: append records to a topic, one a line of standard input\n"
    "\n"
    "usage: weir produce TOPIC [options] < FILE\n"
    "\n"
    "  --server HOST:PORT     which server (or WEIR_SERVER; default 127.0.0.1:9092)\n"
    "  -K, --key-separator S  what stands between key and value of a line; a line without it has no key\n"
    "  -Z, --empty-is-null    an empty key or value is null (a tombstone)\n"
    "  --json                 a line is an object with key, value, headers ([[key, value], ...]), timestamp, partition,\n"
    "                         as `weir consume --json` prints them; all may be missing or null\n"
    "  -p, --partition N      this partition; else by key as the Java client does, without a key in turn\n"
    "  -H, --header KEY=VALUE a header of every record; several are fine\n"
    "  -z, --compression C    none, gzip, snappy, lz4 or zstd\n"
    "  --acks 0|1|all         what to wait for (default all: durable)\n"
    "  --timestamp MS         time of every record, ms since 1970 (default: now)\n"
    "  --quiet                no count at the end\n"
    "\n"
    "examples\n"
    "  echo 'hello' | weir produce greetings\n"
    "  weir produce orders -K : -z zstd < orders.txt\n"
    "  printf 'k1:\\n' | weir produce orders -K : -Z           # deletes k1 from a compacted topic\n"
    "  weir consume orders -e --json | weir produce copy --json\n"
    "\n"
    "exit codes: 0 all appended, 1 the server refused some, 2 no connection or a lost one, 3 wrong usage\n";

#define CMD "produce"
enum { KEY_PRODUCE = 0, INFLIGHT_MAX = 5, BATCH_BYTES = 256 << 10, LINE_MAX_BYTES = 64 << 20, READ_BYTES = 64 << 10 };

/* Records of one partition that are not sent yet. */
struct pile {
    struct wbuf out, scratch;
    struct recbatch_builder b;
    bool building;
};
struct produce {
    const char *server, *topic;
    struct str separator;
    bool empty_is_null, quiet, json;
    int64_t lines;
    int64_t partition, timestamp;
    int16_t acks;
    enum codec codec;
    struct record_header *headers;
    unsigned nheaders, headers_cap;
    struct remote *rm;
    struct compress *compress;
    struct pile *piles;
    int32_t nparts;
    uint32_t spin;
    unsigned inflight;
    int32_t waiting[INFLIGHT_MAX]; /* records in the batches on their way */
    unsigned first_waiting;
    int64_t good, bad; /* records: appended; refused, or left behind by that */
    int code;
    struct arena arena, call, line;
};

/* ---- sending */

static int receive_one(struct produce *p)
{
    struct produce_response out;
    struct diag d = {.text = ""};
    arena_reset(&p->call);
    int32_t n = p->waiting[p->first_waiting];
    p->first_waiting = (p->first_waiting + 1) % INFLIGHT_MAX;
    p->inflight--;
    int rc = remote_receive(p->rm, KEY_PRODUCE, MIN(remote_version(p->rm, KEY_PRODUCE), 12), &out, &p->call, &d);
    if (rc < 0)
        return p->code = kafka_complain(CMD, &d, EXIT_LOST);
    for (uint32_t i = 0; i < out.responses_n; i++)
        for (uint32_t k = 0; k < out.responses[i].partition_responses_n; k++) {
            const struct produce_response_partition *po = &out.responses[i].partition_responses[k];
            if (!po->error_code) {
                p->good += n;
                continue;
            }
            struct str text = po->error_message.len ? po->error_message : str_of(remote_error(po->error_code));
            if (!p->code)
                fprintf(stderr, "weir produce: partition %d: %.*s\n", po->index, STR_ARG(text));
            p->bad += n;
            p->code = EXIT_FAILED;
        }
    return p->code;
}

static int send_pile(struct produce *p, int32_t index)
{
    struct pile *pile = &p->piles[index];
    struct produce_request in;
    struct produce_request_topic topic = {.name = str_of(p->topic), .partition_data_n = 1};
    struct produce_request_partition part = {.index = index};
    struct diag d = {.text = ""};
    if (!pile->building)
        return 0;
    int32_t n = pile->b.count;
    pile->building = false;
    if (!recbatch_finish(&pile->b, p->compress))
        return 0;
    produce_request_init(&in);
    in.acks = p->acks;
    in.timeout_ms = KAFKA_TIMEOUT_MS;
    in.topic_data = &topic;
    in.topic_data_n = 1;
    topic.partition_data = &part;
    part.records = wbuf_view(&pile->out);
    int rc = remote_send(p->rm, KEY_PRODUCE, MIN(remote_version(p->rm, KEY_PRODUCE), 12), &in, &d);
    if (rc < 0)
        return p->code = kafka_complain(CMD, &d, EXIT_LOST);
    wbuf_reset(&pile->out);
    if (p->acks == 0) {
        p->good += n;
        return 0;
    }
    p->waiting[(p->first_waiting + p->inflight++) % INFLIGHT_MAX] = n;
    return p->inflight == INFLIGHT_MAX ? receive_one(p) : 0;
}

static int flush(struct produce *p)
{
    int rc = 0;
    for (int32_t i = 0; i < p->nparts && rc == 0; i++)
        rc = send_pile(p, i);
    while (p->inflight && rc == 0)
        rc = receive_one(p);
    return rc;
}

/* What was read and is not appended when a record was refused: what is on its way is waited for, what is piled up
 * stays. */
static void give_up(struct produce *p)
{
    while (p->inflight && p->code != EXIT_LOST)
        receive_one(p);
    for (int32_t i = 0; i < p->nparts; i++)
        p->bad += p->piles[i].building ? p->piles[i].b.count : 0;
}

static void tell_counts(const struct produce *p)
{
    fprintf(stderr, "%lld record%s appended to %s", (long long)p->good, p->good == 1 ? "" : "s", p->topic);
    if (p->bad)
        fprintf(stderr, ", %lld record%s not; what came after was not read", (long long)p->bad, p->bad == 1 ? "" : "s");
    fputc('\n', stderr);
}

/* ---- lines */

struct line {
    struct str key, value;
    const struct record_header *headers;
    unsigned nheaders;
    int64_t timestamp, partition; /* -1: not said */
};

static int add_record(struct produce *p, const struct line *l)
{
    struct str key = p->empty_is_null && l->key.len == 0 ? STR_NULL : l->key;
    struct str value = p->empty_is_null && l->value.len == 0 ? STR_NULL : l->value;
    int32_t index = (int32_t)l->partition;
    if (index < 0)
        index = key.ptr ? (int32_t)((hash_murmur2(key.ptr, key.len) & 0x7fffffff) % (uint32_t)p->nparts)
                        : (int32_t)(p->spin++ / 1000 % (uint32_t)p->nparts);
    struct pile *pile = &p->piles[index];
    if (!pile->building) {
        recbatch_build(&pile->b, &pile->out, p->codec, p->codec ? &pile->scratch : NULL);
        pile->building = true;
    }
    int64_t ts = l->timestamp >= 0 ? l->timestamp : clock_wall_ms();
    recbatch_add(&pile->b, ts, key, value, l->headers, l->nheaders);
    return recbatch_build_size(&pile->b) >= BATCH_BYTES ? send_pile(p, index) : 0;
}

/* A string, or null; anything else is taken as it is written, so that a value may be an object. */
static struct str json_text(struct json *j, struct arena *a)
{
    struct json at = *j;
    struct json_token t = json_next(j, a);
    if (t.kind == JSON_NULL)
        return STR_NULL;
    if (t.kind == JSON_STRING)
        return t.text.ptr ? t.text : STR("");
    *j = at;
    return json_raw(j);
}

static int64_t json_whole(struct json *j, struct arena *a)
{
    int64_t n = -1;
    struct json_token t = json_next(j, a);
    if (t.kind == JSON_NUMBER && !str_to_i64(t.text, &n))
        n = -1;
    return n;
}

static bool json_headers(struct json *j, struct arena *a, struct line *l)
{
    struct record_header *h = NULL;
    unsigned cap = 0;
    struct json_token t = json_next(j, a);
    if (t.kind == JSON_NULL)
        return true;
    if (t.kind != JSON_ARRAY)
        return false;
    while ((t = json_next(j, a)).kind == JSON_ARRAY) {
        if (l->nheaders == cap) {
            struct record_header *more = ARENA_ARRAY(a, struct record_header, cap * 2 + 4);
            if (cap)
                memcpy(more, h, cap * sizeof *h);
            h = more;
            cap = cap * 2 + 4;
        }
        h[l->nheaders].key = json_text(j, a);
        h[l->nheaders].value = json_text(j, a);
        if (!h[l->nheaders++].key.ptr || json_next(j, a).kind != JSON_END)
            return false;
    }
    l->headers = h;
    return t.kind == JSON_END;
}

static bool json_line(struct str text, struct arena *a, struct line *l)
{
    struct json j = json_of(text);
    struct str name;
    bool good = json_next(&j, a).kind == JSON_OBJECT;
    while (good && json_key(&j, a, &name)) {
        if (str_eq(name, STR("key")))
            l->key = json_text(&j, a);
        else if (str_eq(name, STR("value")))
            l->value = json_text(&j, a);
        else if (str_eq(name, STR("headers")))
            good = json_headers(&j, a, l);
        else if (str_eq(name, STR("timestamp")))
            l->timestamp = json_whole(&j, a);
        else if (str_eq(name, STR("partition")))
            l->partition = json_whole(&j, a);
        else
            json_skip(&j);
    }
    return good && json_next(&j, a).kind == JSON_END && !j.r.err;
}

static int add_line(struct produce *p, struct str text)
{
    struct line l = {.headers = p->headers, .nheaders = p->nheaders, .timestamp = p->timestamp,
                     .partition = p->partition};
    p->lines++;
    if (p->json) {
        arena_reset(&p->line);
        l.nheaders = 0;
        if (!json_line(text, &p->line, &l) || l.partition >= p->nparts) {
            fprintf(stderr, "weir produce: line %lld is not an object with key, value, headers, timestamp, partition\n",
                    (long long)p->lines);
            return p->code = EXIT_FAILED;
        }
        return add_record(p, &l);
    }
    const char *at = p->separator.len ? memmem(text.ptr, text.len, p->separator.ptr, p->separator.len) : NULL;
    l.value = text;
    if (at) {
        l.key = (struct str){text.ptr, (size_t)(at - text.ptr)};
        l.value = (struct str){at + p->separator.len, (size_t)(text.ptr + text.len - at) - p->separator.len};
    }
    return add_record(p, &l);
}

/* All whole lines of w; what is left of a line stays. */
static int add_lines(struct produce *p, struct wbuf *w, bool at_end)
{
    size_t from = 0;
    int rc = 0;
    while (rc == 0 && from < w->len) {
        const uint8_t *nl = memchr(w->data + from, '\n', w->len - from);
        if (!nl && !at_end)
            break;
        size_t end = nl ? (size_t)(nl - w->data) : w->len;
        rc = add_line(p, (struct str){(const char *)w->data + from, end - from});
        from = end + 1;
    }
    from = MIN(from, w->len);
    if (from) {
        memmove(w->data, w->data + from, w->len - from);
        w->len -= from;
    }
    return rc;
}

static bool input_pauses(void)
{
    struct pollfd pfd = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&pfd, 1, 0) == 0;
}

static int read_all(struct produce *p)
{
    struct wbuf w;
    int rc = 0;
    wbuf_init(&w);
    while (rc == 0) {
        if (input_pauses())
            rc = flush(p);
        ssize_t n = rc ? 0 : read(STDIN_FILENO, wbuf_room(&w, READ_BYTES), READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        w.len += (size_t)n;
        rc = add_lines(p, &w, false);
        if (rc == 0 && w.len > LINE_MAX_BYTES) {
            fprintf(stderr, "weir produce: a line is longer than %d MiB\n", LINE_MAX_BYTES >> 20);
            rc = p->code = EXIT_FAILED;
        }
    }
    if (rc == 0)
        rc = add_lines(p, &w, true);
    if (rc == 0)
        rc = flush(p);
    wbuf_fini(&w);
    return rc;
}

/* ---- the command */

enum { OPT_SERVER = 256, OPT_ACKS, OPT_TIMESTAMP, OPT_QUIET, OPT_JSON };
static const struct option long_options[] = {
    {"server", required_argument, NULL, OPT_SERVER},   {"key-separator", required_argument, NULL, 'K'},
    {"empty-is-null", no_argument, NULL, 'Z'},         {"partition", required_argument, NULL, 'p'},
    {"header", required_argument, NULL, 'H'},          {"compression", required_argument, NULL, 'z'},
    {"acks", required_argument, NULL, OPT_ACKS},       {"timestamp", required_argument, NULL, OPT_TIMESTAMP},
    {"quiet", no_argument, NULL, OPT_QUIET},           {"help", no_argument, NULL, 'h'},
    {"json", no_argument, NULL, OPT_JSON},             {NULL, 0, NULL, 0}};

static const struct shell_takes produce_takes[] = {
    {'p', "the number of a partition, from 0 on"},
    {'H', "KEY=VALUE"},
    {'z', "none, gzip, snappy, lz4 or zstd"},
    {OPT_ACKS, "0, 1 or all"},
    {OPT_TIMESTAMP, "ms since 1970, from 0 on"},
    {0, NULL}};
static const struct shell_usage produce_usage = {"weir produce", usage, produce_takes};

static bool set_acks(struct produce *p, const char *text)
{
    if (strcmp(text, "all") == 0 || strcmp(text, "-1") == 0)
        p->acks = -1;
    else if (strcmp(text, "0") == 0 || strcmp(text, "1") == 0)
        p->acks = (int16_t)(text[0] - '0');
    else
        return false;
    return true;
}

static bool add_header(struct produce *p, const char *text)
{
    struct str key, value;
    if (!kafka_pair(text, &key, &value))
        return false;
    VEC_PUSH(p->headers, p->nheaders, p->headers_cap) = (struct record_header){key, value};
    return true;
}

/* False: leave with *code. */
static bool parse_options(int argc, char **argv, struct produce *p, int *code)
{
    int opt;
    *code = EXIT_WRONG;
    while ((opt = getopt_long(argc, argv, "K:Zp:H:z:h", long_options, NULL)) != -1) {
        bool good = true;
        switch (opt) {
        case OPT_SERVER: p->server = optarg; break;
        case 'K': p->separator = str_of(optarg); break;
        case 'Z': p->empty_is_null = true; break;
        case 'p': good = str_to_i64(str_of(optarg), &p->partition) && p->partition >= 0; break;
        case 'H': good = add_header(p, optarg); break;
        case 'z': good = compress_find(str_of(optarg), &p->codec); break;
        case OPT_ACKS: good = set_acks(p, optarg); break;
        case OPT_TIMESTAMP: good = str_to_i64(str_of(optarg), &p->timestamp) && p->timestamp >= 0; break;
        case OPT_QUIET: p->quiet = true; break;
        case OPT_JSON: p->json = true; break;
        case 'h':
            fputs(usage, stdout);
            *code = 0;
            return false;
        default: fputs("try: weir produce --help\n", stderr); return false;
        }
        if (!good) {
            shell_wrong_value(&produce_usage, long_options, opt, optarg);
            return false;
        }
    }
    if (optind + 1 != argc) {
        kafka_usage(CMD, optind < argc ? "one topic at a time" : "which topic?", NULL);
        return false;
    }
    if (p->json && (p->separator.len || p->nheaders)) {
        kafka_usage(CMD, "with --json the lines say key and headers", NULL);
        return false;
    }
    p->topic = argv[optind];
    return true;
}

static int run(struct produce *p)
{
    struct metadata_response_topic t;
    int rc = kafka_connect(&p->rm, CMD, p->server);
    if (rc == 0)
        rc = kafka_topic(p->rm, CMD, p->topic, true, &t, &p->arena);
    if (rc)
        return rc;
    if (p->partition >= (int64_t)t.partitions_n) {
        fprintf(stderr, "weir produce: topic %s has partitions 0 to %u\n", p->topic, t.partitions_n - 1);
        return EXIT_FAILED;
    }
    p->nparts = (int32_t)t.partitions_n;
    p->piles = ARENA_ARRAY(&p->arena, struct pile, p->nparts);
    p->compress = compress_new();
    rc = read_all(p);
    if (p->code == EXIT_FAILED)
        give_up(p);
    if (!p->quiet)
        tell_counts(p);
    return rc ? rc : p->code;
}

int cmd_produce(int argc, char **argv)
{
    struct produce p = {.partition = -1, .timestamp = -1, .acks = -1};
    int code;
    arena_init(&p.arena);
    arena_init(&p.call);
    arena_init(&p.line);
    if (parse_options(argc, argv, &p, &code))
        code = run(&p);
    for (int32_t i = 0; p.piles && i < p.nparts; i++) {
        wbuf_fini(&p.piles[i].out);
        wbuf_fini(&p.piles[i].scratch);
    }
    remote_close(p.rm);
    compress_free(p.compress);
    xfree(p.headers);
    arena_fini(&p.line);
    arena_fini(&p.call);
    arena_fini(&p.arena);
    return code;
}
