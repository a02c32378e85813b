#include "sql/shell/kafka.h"
#include "sql/shell/shell.h"
#include <getopt.h>
#include <stdio.h>
#include <time.h>

static const char usage[] =
    "weir transaction: list, describe and abort transactions\n"
    "\n"
    "usage: weir transaction list [--server HOST:PORT]\n"
    "       weir transaction describe ID...\n"
    "       weir transaction abort ID...\n"
    "\n"
    "  --server HOST:PORT   which server (or WEIR_SERVER; default 127.0.0.1:9092)\n"
    "\n"
    "An open transaction holds back whoever reads committed records. Abort ends it, and its producer cannot go on: it\n"
    "has to begin anew, as after a restart.\n"
    "\n"
    "examples\n"
    "  weir transaction list\n"
    "  weir transaction describe payments-1\n"
    "  weir transaction abort payments-1\n"
    "\n"
    "exit codes: 0 done, 1 the server refused, 2 no connection or a lost one, 3 wrong usage\n";

enum { KEY_INIT_PRODUCER = 22, KEY_DESCRIBE = 65, KEY_LIST = 66 };
enum { LOADING = 14, CONCURRENT = 51 }; /* Kafka's codes of a coordinator that needs a moment */
enum { PATIENCE = 600, MOMENT_NS = 50000000 };
#define CMD "transaction"

static int refused(const char *what, struct str id, int16_t code)
{
    fprintf(stderr, "weir transaction: cannot %s %.*s: %s\n", what, STR_ARG(id), remote_error(code));
    return EXIT_FAILED;
}

static bool in_a_moment(int16_t code, int *patience)
{
    if ((code != LOADING && code != CONCURRENT) || --*patience == 0)
        return false;
    nanosleep(&(struct timespec){.tv_nsec = MOMENT_NS}, NULL);
    return true;
}

static int run_list(struct remote *rm, struct arena *a, char **ids, int n)
{
    struct list_transactions_request in;
    struct list_transactions_response out;
    int rc, patience = PATIENCE;
    (void)ids, (void)n;
    list_transactions_request_init(&in);
    do
        rc = kafka_call(rm, CMD, KEY_LIST, &in, &out, a);
    while (rc == 0 && in_a_moment(out.error_code, &patience));
    if (rc == 0 && out.error_code)
        return refused("list", str_of("transactions"), out.error_code);
    int width = 2;
    for (uint32_t i = 0; rc == 0 && i < out.transaction_states_n; i++)
        width = MAX(width, (int)out.transaction_states[i].transactional_id.len);
    if (rc == 0)
        printf("%-*s  %-17s  producer\n", width, "id", "state");
    for (uint32_t i = 0; rc == 0 && i < out.transaction_states_n; i++) {
        const struct list_transactions_response_state *s = &out.transaction_states[i];
        printf("%-*.*s  %-17.*s  %lld\n", width, STR_ARG(s->transactional_id), STR_ARG(s->transaction_state),
               (long long)s->producer_id);
    }
    return rc;
}

/* The state of one id, or why there is none. */
static int fetch(struct remote *rm, struct arena *a, const char *what, struct str id,
                 struct describe_transactions_response *out)
{
    struct describe_transactions_request in;
    int rc, patience = PATIENCE;
    describe_transactions_request_init(&in);
    in.transactional_ids = &id;
    in.transactional_ids_n = 1;
    do
        rc = kafka_call(rm, CMD, KEY_DESCRIBE, &in, out, a);
    while (rc == 0 && out->transaction_states_n == 1 && in_a_moment(out->transaction_states[0].error_code, &patience));
    if (rc)
        return rc;
    if (out->transaction_states_n != 1) {
        fprintf(stderr, "weir transaction: cannot %s %.*s: not answered\n", what, STR_ARG(id));
        return EXIT_FAILED;
    }
    return out->transaction_states[0].error_code ? refused(what, id, out->transaction_states[0].error_code) : 0;
}

static int describe_one(struct remote *rm, struct arena *a, struct str id)
{
    struct describe_transactions_response out;
    int rc = fetch(rm, a, "describe", id, &out);
    if (rc)
        return rc;
    const struct describe_transactions_response_state *s = &out.transaction_states[0];
    printf("transaction %.*s: %.*s\n", STR_ARG(id), STR_ARG(s->transaction_state));
    printf("  producer  %lld, epoch %d\n", (long long)s->producer_id, s->producer_epoch);
    printf("  timeout   %d ms\n", s->transaction_timeout_ms);
    if (s->transaction_start_time_ms >= 0)
        printf("  started   %lld\n", (long long)s->transaction_start_time_ms);
    for (uint32_t i = 0; i < s->topics_n; i++)
        for (uint32_t k = 0; k < s->topics[i].partitions_n; k++)
            printf("  topic     %.*s, partition %d\n", STR_ARG(s->topics[i].topic), s->topics[i].partitions[k]);
    return 0;
}

/* A new producer with the id ends what the one before had begun. */
static int abort_one(struct remote *rm, struct arena *a, struct str id)
{
    struct describe_transactions_response was;
    struct init_producer_id_request in;
    struct init_producer_id_response out;
    int rc = fetch(rm, a, "abort", id, &was), patience = PATIENCE;
    if (rc)
        return rc;
    if (!str_eq(was.transaction_states[0].transaction_state, str_of("Ongoing"))) {
        printf("nothing open in %.*s\n", STR_ARG(id));
        return 0;
    }
    init_producer_id_request_init(&in);
    in.transactional_id = id;
    in.transaction_timeout_ms = was.transaction_states[0].transaction_timeout_ms;
    in.producer_id = -1;
    in.producer_epoch = -1;
    do
        rc = kafka_call(rm, CMD, KEY_INIT_PRODUCER, &in, &out, a);
    while (rc == 0 && in_a_moment(out.error_code, &patience));
    if (rc == 0 && out.error_code)
        return refused("abort", id, out.error_code);
    if (rc == 0)
        printf("aborted %.*s\n", STR_ARG(id));
    return rc;
}

static int each(struct remote *rm, struct arena *a, char **ids, int n,
                int (*run)(struct remote *rm, struct arena *a, struct str id))
{
    int code = 0;
    for (int i = 0; i < n && code != EXIT_LOST; i++) {
        int rc = run(rm, a, str_of(ids[i]));
        code = MAX(code, rc);
    }
    return code;
}

static int run_describe(struct remote *rm, struct arena *a, char **ids, int n)
{
    return each(rm, a, ids, n, describe_one);
}

static int run_abort(struct remote *rm, struct arena *a, char **ids, int n) { return each(rm, a, ids, n, abort_one); }

static const struct {
    const char *name;
    int (*run)(struct remote *rm, struct arena *a, char **ids, int n);
    bool ids; /* needs some */
} actions[] = {{"list", run_list, false}, {"describe", run_describe, true}, {"abort", run_abort, true}};

static int run(const char *what, const char *server, char **ids, int n)
{
    for (size_t i = 0; what && i < ARRAY_LEN(actions); i++) {
        if (strcmp(what, actions[i].name) != 0)
            continue;
        if (actions[i].ids != (n > 0))
            return kafka_usage(CMD, n ? "unexpected argument" : "which transactional id?", n ? ids[0] : NULL);
        struct remote *rm;
        struct arena a;
        int code = kafka_connect(&rm, CMD, server);
        if (code)
            return code;
        arena_init(&a);
        code = actions[i].run(rm, &a, ids, n);
        arena_fini(&a);
        remote_close(rm);
        return code;
    }
    return kafka_usage(CMD, "say list, describe or abort", what);
}

int cmd_transaction(int argc, char **argv)
{
    static const struct option options[] = {
        {"server", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    const char *server = NULL;
    for (int opt; (opt = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (opt == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (opt != 's') {
            fputs("try: weir transaction --help\n", stderr);
            return EXIT_WRONG;
        }
        server = optarg;
    }
    const char *what = optind < argc ? argv[optind++] : NULL;
    return run(what, server, argv + optind, argc - optind);
}
