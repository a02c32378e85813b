#include "engine/vec/vec.h"
#include "log/base/clock.h"
#include "sql/shell/kafka.h"
#include "sql/shell/member.h"
#include "sql/shell/shell.h"
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "weir consume: print the records of a topic\n"
    "\n"
    "usage: weir consume TOPIC [options]\n"
    "\n"
    "  --server HOST:PORT   which server (or WEIR_SERVER; default 127.0.0.1:9092)\n"
    "  -o, --from WHERE     beginning (the default), end, an offset, or @MS: first record at that time or later\n"
    "  -p, --partition N    this partition only\n"
    "  -g, --group NAME     as a member of this group: partitions are shared with its other members, what was printed is\n"
    "                       committed, and reading goes on where the group stood (--from only where it never was)\n"
    "  -n, --count N        leave after N records\n"
    "  -e, --until-end      leave when everything has been printed that was there at the start\n"
    "  --uncommitted        also records of transactions that are open or were aborted\n"
    "  -f, --format TEXT    how a record is printed (default '%s\\n'): %t topic, %p partition, %o offset, %k key,\n"
    "                       %s value, %h headers, %T timestamp in ms, %K and %S length of key and value (-1: null),\n"
    "                       %% a percent sign; \\n, \\t and \\\\ as in C\n"
    "  --json               one JSON object a line: topic, partition, offset, timestamp, key, value,\n"
    "                       headers as [[key, value], ...]\n"
    "\n"
    "examples\n"
    "  weir consume orders --until-end\n"
    "  weir consume orders --from end -f '%T %k = %s\\n'\n"
    "  weir consume orders --from @1700000000000 --count 10 --json\n"
    "  weir consume orders --group printers\n"
    "\n"
    "exit codes: 0 done, 1 the server refused, 2 no connection or a lost one, 3 wrong usage\n";

#define CMD "consume"
enum { KEY_FETCH = 1, FETCH_BYTES = 8 << 20, WAIT_MS = 500, VERSION_BY_NAME = 12, COMMIT_MS = 1000 };

struct consume {
    const char *server, *topic, *from, *format, *group;
    int64_t partition, count;
    bool until_end, json, uncommitted;
    struct remote *rm;
    struct metadata_response_topic t;
    int64_t *next, *end; /* per partition; end -1: never */
    int64_t *first, *last; /* where --from is, and the end as it was at the start */
    bool *mine;          /* NULL without a group: all of them */
    int64_t *said;       /* with a group: what was committed last */
    struct member member;
    int64_t committed_ms;
    struct compress *compress;
    struct wbuf room, out, text;
    struct arena arena, call;
    int64_t printed;
};

/* ---- printing */

static void put_headers(struct wbuf *w, struct record rec)
{
    struct record_header h;
    for (bool first = true; record_header_next(&rec, &h) == 1; first = false) {
        if (!first)
            wbuf_u8(w, ',');
        wbuf_str(w, h.key);
        wbuf_u8(w, '=');
        wbuf_str(w, h.value.ptr ? h.value : STR("NULL"));
    }
}

static void put_directive(struct consume *c, char what, const struct record *rec, int32_t partition)
{
    struct wbuf *w = &c->out;
    switch (what) {
    case 't': wbuf_str(w, str_of(c->topic)); break;
    case 'p': wbuf_printf(w, "%d", partition); break;
    case 'o': wbuf_printf(w, "%lld", (long long)rec->offset); break;
    case 'k': wbuf_str(w, rec->key); break;
    case 's': wbuf_str(w, rec->value); break;
    case 'h': put_headers(w, *rec); break;
    case 'T': wbuf_printf(w, "%lld", (long long)rec->ts_ms); break;
    case 'K': wbuf_printf(w, "%lld", rec->key.ptr ? (long long)rec->key.len : -1); break;
    case 'S': wbuf_printf(w, "%lld", rec->value.ptr ? (long long)rec->value.len : -1); break;
    default: wbuf_u8(w, (uint8_t)what); break;
    }
}

static void put_formatted(struct consume *c, const struct record *rec, int32_t partition)
{
    for (const char *p = c->format; *p; p++) {
        if (*p == '%' && p[1]) {
            put_directive(c, *++p, rec, partition);
        } else if (*p == '\\' && p[1]) {
            p++;
            wbuf_u8(&c->out, (uint8_t)(*p == 'n' ? '\n' : *p == 't' ? '\t' : *p));
        } else {
            wbuf_u8(&c->out, (uint8_t)*p);
        }
    }
}

/* Length of the UTF-8 character that s begins with; 0 if it is none. */
static size_t character(struct str s)
{
    uint8_t c = (uint8_t)s.ptr[0];
    size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    for (size_t k = 1; k < n; k++)
        if (k >= s.len || ((uint8_t)s.ptr[k] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* A JSON string, or null. Bytes that are no UTF-8, which JSON cannot say, appear as the replacement character. */
static void put_json(struct consume *c, struct str s)
{
    if (!s.ptr) {
        wbuf_str(&c->out, STR("null"));
        return;
    }
    wbuf_reset(&c->text);
    for (size_t i = 0, n; i < s.len; i += MAX(n, (size_t)1)) {
        n = character((struct str){s.ptr + i, s.len - i});
        wbuf_str(&c->text, n ? (struct str){s.ptr + i, n} : STR("\xef\xbf\xbd"));
    }
    json_put_str(&c->out, wbuf_view(&c->text));
}

static void put_object(struct consume *c, const struct record *rec, int32_t partition)
{
    struct wbuf *w = &c->out;
    struct record left = *rec;
    struct record_header h;
    wbuf_str(w, STR("{\"topic\":"));
    put_json(c, str_of(c->topic));
    wbuf_printf(w, ",\"partition\":%d,\"offset\":%lld,\"timestamp\":%lld,\"key\":", partition,
                (long long)rec->offset, (long long)rec->ts_ms);
    put_json(c, rec->key);
    wbuf_str(w, STR(",\"value\":"));
    put_json(c, rec->value);
    wbuf_str(w, STR(",\"headers\":["));
    for (bool first = true; record_header_next(&left, &h) == 1; first = false) {
        wbuf_str(w, first ? STR("[") : STR(",["));
        put_json(c, h.key);
        wbuf_u8(w, ',');
        put_json(c, h.value);
        wbuf_u8(w, ']');
    }
    wbuf_str(w, STR("]}\n"));
}

static void put_record(struct consume *c, const struct record *rec, int32_t partition)
{
    if (c->json)
        put_object(c, rec, partition);
    else
        put_formatted(c, rec, partition);
    c->printed++;
}

static bool enough(const struct consume *c) { return c->count >= 0 && c->printed >= c->count; }

/* ---- reading */

static int broken(const struct consume *c, int32_t partition, int err)
{
    fprintf(stderr, "weir consume: partition %d of %s: %s\n", partition, c->topic, err_text(err));
    return EXIT_FAILED;
}

static int print_batch(struct consume *c, int32_t partition, const struct recbatch *rb, const char *bytes)
{
    struct recbatch_iter it;
    struct record rec;
    int rc = recbatch_check_crc(rb, bytes);
    wbuf_reset(&c->room);
    if (rc == 0)
        rc = recbatch_iter(&it, rb, c->compress, &c->room, compress_limit(rb->payload.len));
    if (rc < 0)
        return broken(c, partition, rc);
    bool control = rb->attributes & RECBATCH_CONTROL;
    while (!enough(c) && recbatch_next(&it, &rec))
        if (!control && rec.offset >= c->next[partition] && (c->end[partition] < 0 || rec.offset < c->end[partition])) {
            put_record(c, &rec, partition);
            c->next[partition] = rec.offset + 1;
        }
    return enough(c) || recbatch_iter_err(&it) == 0 ? 0 : broken(c, partition, E_CORRUPT);
}

/* Whose transaction is void at a place in an answer: the answer tells where each of them begins, markers where they
 * end. */
struct voids {
    struct fetch_response_aborted *list;
    uint32_t n, at; /* those below at have begun */
};

static int by_first(const void *va, const void *vb)
{
    const struct fetch_response_aborted *a = va, *b = vb;
    return a->first_offset < b->first_offset ? -1 : a->first_offset > b->first_offset;
}

/* Whether the batch counts. */
static bool voids_pass(struct voids *v, const struct recbatch *rb)
{
    struct recbatch_marker m;
    uint32_t i = 0;
    while (v->at < v->n && v->list[v->at].first_offset <= recbatch_last_offset(rb))
        v->at++;
    while (i < v->at && v->list[i].producer_id != rb->producer_id)
        i++;
    if (i == v->at)
        return true;
    if ((rb->attributes & RECBATCH_CONTROL) && recbatch_marker_read(rb, &m) == 0)
        v->list[i].producer_id = -1; /* its end */
    return !(rb->attributes & RECBATCH_TXN);
}

static int print_records(struct consume *c, int32_t partition, struct str bytes, struct voids v)
{
    int rc = 0;
    if (v.n > 1)
        qsort(v.list, v.n, sizeof *v.list, by_first);
    while (bytes.len && rc == 0 && !enough(c)) {
        struct recbatch rb;
        int err = recbatch_peek(&rb, bytes);
        if (err == E_SHORT)
            return 0; /* a batch cut off at the size of the answer: it comes whole the next time */
        if (err < 0)
            return broken(c, partition, err);
        if (c->uncommitted || voids_pass(&v, &rb))
            rc = print_batch(c, partition, &rb, bytes.ptr);
        if (!enough(c)) /* else the next one begins in the middle of it */
            c->next[partition] = MAX(c->next[partition], recbatch_last_offset(&rb) + 1);
        bytes = (struct str){bytes.ptr + rb.size, bytes.len - rb.size};
    }
    return rc;
}

static bool wanted(const struct consume *c, uint32_t i)
{
    return (c->partition < 0 || c->partition == (int64_t)i) && (!c->mine || c->mine[i]) &&
           (c->end[i] < 0 || c->next[i] < c->end[i]);
}

static uint32_t build(struct consume *c, struct fetch_request *in, struct fetch_request_topic *topic)
{
    fetch_request_init(in);
    in->isolation_level = !c->uncommitted;
    in->max_wait_ms = WAIT_MS;
    in->min_bytes = 1;
    in->max_bytes = FETCH_BYTES;
    in->topics = topic;
    in->topics_n = 1;
    *topic = (struct fetch_request_topic){.topic = str_of(c->topic)};
    topic->partitions = ARENA_ARRAY(&c->call, struct fetch_request_partition, c->t.partitions_n);
    for (uint32_t i = 0; i < c->t.partitions_n; i++) {
        if (!wanted(c, i))
            continue;
        struct fetch_request_partition *p = &topic->partitions[topic->partitions_n++];
        fetch_request_partition_init(p);
        p->partition = (int32_t)i;
        p->fetch_offset = c->next[i];
        p->partition_max_bytes = FETCH_BYTES / 4;
    }
    return topic->partitions_n;
}

static int take(struct consume *c, const struct fetch_response *out)
{
    int rc = 0;
    if (out->error_code) {
        fprintf(stderr, "weir consume: %s\n", remote_error(out->error_code));
        return EXIT_FAILED;
    }
    for (uint32_t i = 0; i < out->responses_n && rc == 0; i++)
        for (uint32_t k = 0; k < out->responses[i].partitions_n && rc == 0; k++) {
            const struct fetch_response_partition *p = &out->responses[i].partitions[k];
            if (p->error_code || p->partition_index < 0 || (uint32_t)p->partition_index >= c->t.partitions_n) {
                fprintf(stderr, "weir consume: partition %d of %s: %s\n", p->partition_index, c->topic,
                        remote_error(p->error_code));
                return EXIT_FAILED;
            }
            struct voids v = {p->aborted_transactions, p->aborted_transactions_n, 0};
            rc = print_records(c, p->partition_index, p->records, v);
        }
    return rc;
}

/* ---- as a member of a group */

static volatile sig_atomic_t stopped;
static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static int group_commit(struct consume *c, bool *again)
{
    const struct member *m = &c->member;
    int64_t *offsets = ARENA_ARRAY(&c->call, int64_t, m->nparts + 1);
    for (uint32_t i = 0; i < m->nparts; i++) {
        int32_t p = m->parts[i];
        offsets[i] = c->next[p] == c->said[p] ? -1 : c->next[p];
    }
    int rc = member_commit(&c->member, offsets, again);
    for (uint32_t i = 0; i < m->nparts && rc == 0 && !*again; i++)
        c->said[m->parts[i]] = c->next[m->parts[i]];
    c->committed_ms = clock_mono_us() / 1000;
    return rc;
}

/* Joins, and finds where the group stands in what is ours now. */
static int group_join(struct consume *c)
{
    int rc = member_join(&c->member);
    if (rc)
        return rc;
    const struct member *m = &c->member;
    int64_t *offsets = ARENA_ARRAY(&c->call, int64_t, m->nparts + 1);
    memset(c->mine, 0, c->t.partitions_n * sizeof *c->mine);
    rc = m->nparts ? member_fetch(&c->member, offsets) : 0;
    for (uint32_t i = 0; i < m->nparts && rc == 0; i++) {
        int32_t p = m->parts[i];
        if (p < 0 || (uint32_t)p >= c->t.partitions_n) {
            fprintf(stderr, "weir consume: topic %s has grown: begin anew\n", c->topic);
            return EXIT_FAILED;
        }
        c->mine[p] = true;
        c->said[p] = offsets[i];
        c->next[p] = offsets[i] >= 0 ? offsets[i] : c->first[p];
    }
    return rc;
}

/* Between two answers. */
static int group_turn(struct consume *c)
{
    bool again = false;
    int64_t now = clock_mono_us() / 1000;
    int rc = member_beat(&c->member, &again);
    if (rc == 0 && (again || now - c->committed_ms >= COMMIT_MS)) {
        bool lost = false; /* then there is nothing to give up in order */
        rc = group_commit(c, &lost);
        again = again || lost;
    }
    return rc == 0 && again ? group_join(c) : rc;
}

static int group_end(struct consume *c)
{
    bool again = false;
    int rc = group_commit(c, &again);
    member_leave(&c->member);
    return rc;
}

/* ---- */

static int fetch_once(struct consume *c, const struct fetch_request *in)
{
    struct fetch_response out;
    struct diag d = {.text = ""};
    int version = MIN(remote_version(c->rm, KEY_FETCH), VERSION_BY_NAME);
    return remote_call(c->rm, KEY_FETCH, version, in, &out, &c->call, &d) < 0 ? kafka_complain(CMD, &d, EXIT_LOST)
                                                                            : take(c, &out);
}

static int loop(struct consume *c)
{
    int rc = 0;
    while (rc == 0 && !enough(c) && !stopped) {
        struct fetch_request in;
        struct fetch_request_topic topic;
        arena_reset(&c->call);
        bool idle = build(c, &in, &topic) == 0;
        if (idle && (!c->group || c->until_end))
            break;
        if (idle) /* other members have it all */
            clock_sleep_ms(WAIT_MS);
        else
            rc = fetch_once(c, &in);
        if (c->out.len && (fwrite(c->out.data, 1, c->out.len, stdout) < c->out.len || fflush(stdout) != 0)) {
            shell_output_failed(errno);
            if (c->group)
                member_leave(&c->member);
            return 0; /* who reads us has gone: what it has not seen is not committed */
        }
        wbuf_reset(&c->out);
        if (rc == 0 && c->group && !enough(c))
            rc = group_turn(c);
    }
    return rc == 0 && c->group ? group_end(c) : rc;
}

/* ---- where to start */

static int find_start(struct consume *c)
{
    int64_t ts = -2, offset;
    uint32_t n = c->t.partitions_n;
    c->next = ARENA_ARRAY(&c->arena, int64_t, n);
    c->end = ARENA_ARRAY(&c->arena, int64_t, n);
    c->first = ARENA_ARRAY(&c->arena, int64_t, n);
    c->last = ARENA_ARRAY(&c->arena, int64_t, n);
    bool by_offset = str_to_i64(str_of(c->from), &offset) && offset >= 0;
    if (strcmp(c->from, "end") == 0)
        ts = -1;
    else if (c->from[0] == '@' && (!str_to_i64(str_of(c->from + 1), &ts) || ts < 0))
        return kafka_usage(CMD, "not a time in ms since 1970", c->from);
    else if (c->from[0] != '@' && !by_offset && strcmp(c->from, "beginning") != 0)
        return kafka_usage(CMD, "--from takes beginning, end, an offset, or @MS", c->from);
    int rc = kafka_offsets(c->rm, CMD, &c->t, -1, !c->uncommitted, c->last, &c->arena);
    if (rc == 0)
        rc = kafka_offsets(c->rm, CMD, &c->t, ts, !c->uncommitted, c->next, &c->arena);
    for (uint32_t i = 0; i < n; i++) {
        if (by_offset) {
            c->next[i] = offset;
            if (rc == 0 && !c->group && offset > c->last[i] && (c->partition < 0 || c->partition == (int64_t)i))
                fprintf(stderr, "weir consume: partition %u ends at %lld\n", i, (long long)c->last[i]);
        }
        else if (c->next[i] < 0) /* nothing is that young */
            c->next[i] = c->last[i];
        c->first[i] = c->next[i];
        c->end[i] = c->until_end ? c->last[i] : -1;
    }
    return rc;
}

/* ---- the command */

enum { OPT_SERVER = 256, OPT_JSON, OPT_UNCOMMITTED };
static const struct option long_options[] = {
    {"server", required_argument, NULL, OPT_SERVER}, {"from", required_argument, NULL, 'o'},
    {"partition", required_argument, NULL, 'p'},     {"count", required_argument, NULL, 'n'},
    {"until-end", no_argument, NULL, 'e'},           {"format", required_argument, NULL, 'f'},
    {"group", required_argument, NULL, 'g'},
    {"json", no_argument, NULL, OPT_JSON},           {"uncommitted", no_argument, NULL, OPT_UNCOMMITTED},
    {"help", no_argument, NULL, 'h'},                {NULL, 0, NULL, 0}};

static const struct shell_takes consume_takes[] = {
    {'p', "the number of a partition, from 0 on"},
    {'n', "a number of records, from 0 on"},
    {'f', "%t %p %o %k %s %h %T %K %S and %% among other text"},
    {0, NULL}};
static const struct shell_usage consume_usage = {"weir consume", usage, consume_takes};

static bool good_format(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p == '%' && p[1] && !strchr("tpokshTKS%", *++p))
            return false;
    return true;
}

static bool parse_options(int argc, char **argv, struct consume *c, int *code)
{
    int opt;
    *code = EXIT_WRONG;
    while ((opt = getopt_long(argc, argv, "o:p:n:ef:g:h", long_options, NULL)) != -1) {
        bool good = true;
        switch (opt) {
        case OPT_SERVER: c->server = optarg; break;
        case 'o': c->from = optarg; break;
        case 'p': good = str_to_i64(str_of(optarg), &c->partition) && c->partition >= 0; break;
        case 'n': good = str_to_i64(str_of(optarg), &c->count) && c->count >= 0; break;
        case 'e': c->until_end = true; break;
        case 'f': c->format = optarg; good = good_format(optarg); break;
        case 'g': c->group = optarg; break;
        case OPT_JSON: c->json = true; break;
        case OPT_UNCOMMITTED: c->uncommitted = true; break;
        case 'h':
            fputs(usage, stdout);
            *code = 0;
            return false;
        default: fputs("try: weir consume --help\n", stderr); return false;
        }
        if (!good) {
            shell_wrong_value(&consume_usage, long_options, opt, optarg);
            return false;
        }
    }
    if (optind + 1 != argc) {
        kafka_usage(CMD, optind < argc ? "one topic at a time" : "which topic?", NULL);
        return false;
    }
    c->topic = argv[optind];
    if (c->group && c->partition >= 0) {
        kafka_usage(CMD, "the group says which partitions are read: no --partition with --group", NULL);
        return false;
    }
    return true;
}

static int group_begin(struct consume *c)
{
    c->mine = ARENA_ARRAY(&c->arena, bool, c->t.partitions_n);
    c->said = ARENA_ARRAY(&c->arena, int64_t, c->t.partitions_n);
    struct sigaction sa = {.sa_handler = stop, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    c->member.rm = c->rm;
    return group_join(c);
}

static int run(struct consume *c)
{
    int rc = kafka_connect(&c->rm, CMD, c->server);
    if (rc == 0)
        rc = kafka_topic(c->rm, CMD, c->topic, false, &c->t, &c->arena);
    if (rc == 0 && c->partition >= (int64_t)c->t.partitions_n) {
        fprintf(stderr, "weir consume: topic %s has partitions 0 to %u\n", c->topic, c->t.partitions_n - 1);
        rc = EXIT_FAILED;
    }
    if (rc == 0)
        rc = find_start(c);
    if (rc == 0 && c->group)
        rc = group_begin(c);
    return rc ? rc : loop(c);
}

int cmd_consume(int argc, char **argv)
{
    struct consume c = {.partition = -1, .count = -1, .from = "beginning", .format = "%s\\n"};
    int code;
    arena_init(&c.arena);
    arena_init(&c.call);
    wbuf_init(&c.room);
    wbuf_init(&c.out);
    wbuf_init(&c.text);
    c.compress = compress_new();
    signal(SIGPIPE, SIG_IGN);
    if (parse_options(argc, argv, &c, &code)) {
        member_init(&c.member, NULL, CMD, c.group, c.topic);
        code = run(&c);
        member_fini(&c.member);
    }
    remote_close(c.rm);
    compress_free(c.compress);
    wbuf_fini(&c.room);
    wbuf_fini(&c.out);
    wbuf_fini(&c.text);
    arena_fini(&c.call);
    arena_fini(&c.arena);
    return code;
}
