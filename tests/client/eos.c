/* The librdkafka side of eos.py; every part of it lives through crashes of the server.
 *
 *     client_eos feed BROKER TOPIC KEYS
 *         An idempotent producer of records key = number % KEYS, value {"seq":number,...}. Standard input says, a
 *         number a line, how far it may go. At its end prints "acked N" once all are acknowledged.
 *     client_eos copy BROKER GROUP IN OUT ID STRATEGY INSTANCE JOURNAL
 *         Consume, transform, produce: a few records of IN at a time, in a transaction with their offsets, to the same
 *         partition of OUT, with their place of IN in the value. INSTANCE "-": a dynamic member. Appends to JOURNAL a
 *         letter a transaction: c committed, a aborted. Exits with 3 after an error that an application can only
 *         answer by a new producer. */
#include <errno.h>
#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 5, WAIT_MS = 60000, AGAIN = 3, WRONG = 1 };

static volatile sig_atomic_t stop;
static void on_stop(int sig) { stop = sig; }

static void wrong(int status, const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(status);
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *broker, const char *const *conf,
                          void (*moved)(rd_kafka_t *, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t *, void *),
                          void (*delivered)(rd_kafka_t *, const rd_kafka_message_t *, void *), void *arg)
{
    const char *common[] = {"bootstrap.servers", broker, "log_level", "2", "reconnect.backoff.ms", "20",
                            "reconnect.backoff.max.ms", "100", "retry.backoff.ms", "20", NULL};
    char err[256];
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    for (int i = 0; i < 2; i++)
        for (const char *const *kv = i ? conf : common; *kv; kv += 2)
            if (kv[1] && rd_kafka_conf_set(c, kv[0], kv[1], err, sizeof err) != RD_KAFKA_CONF_OK)
                wrong(WRONG, kv[0], err);
    if (moved)
        rd_kafka_conf_set_rebalance_cb(c, moved);
    if (delivered)
        rd_kafka_conf_set_dr_msg_cb(c, delivered);
    rd_kafka_conf_set_opaque(c, arg);
    rd_kafka_t *rk = rd_kafka_new(type, c, err, sizeof err);
    if (!rk)
        wrong(WRONG, "rd_kafka_new", err);
    return rk;
}

/* feed */

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg)
{
    (void)rk;
    if (m->err)
        wrong(WRONG, "the input", rd_kafka_err2str(m->err));
    ++*(long *)arg;
}

/* How far it may go now; -1: no further. */
static long allowance(long so_far, int wait_ms)
{
    static char text[4096];
    static size_t have;
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&p, 1, wait_ms) <= 0)
        return so_far;
    ssize_t n = read(STDIN_FILENO, text + have, sizeof text - 1 - have);
    if (n <= 0)
        return n < 0 && errno == EINTR ? so_far : -1;
    have += (size_t)n;
    for (char *end; (end = memchr(text, '\n', have)) != NULL;) {
        so_far = strtol(text, NULL, 10);
        have -= (size_t)(end + 1 - text);
        memmove(text, end + 1, have);
    }
    return so_far;
}

static int feed(const char *broker, const char *topic, long keys)
{
    const char *conf[] = {"enable.idempotence", "true", "message.timeout.ms", "0", "linger.ms", "1",
                          "partitioner", "murmur2_random", NULL};
    long sent = 0, acked = 0;
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, broker, conf, NULL, on_delivery, &acked);
    for (long upto = 0; upto >= 0; upto = allowance(upto, sent < upto ? 0 : 20))
        for (rd_kafka_poll(rk, 0); sent < upto; sent++) {
            char key[24], value[64];
            int k = snprintf(key, sizeof key, "%ld", sent % keys);
            int v = snprintf(value, sizeof value, "{\"seq\":%ld,\"amount\":%ld}", sent, sent * 7919 % 1000);
            rd_kafka_resp_err_t err =
                rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, (size_t)k),
                                  RD_KAFKA_V_VALUE(value, (size_t)v), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
            if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL)
                break;
            if (err)
                wrong(WRONG, "produce", rd_kafka_err2str(err));
        }
    rd_kafka_flush(rk, WAIT_MS);
    if (acked != sent)
        wrong(WRONG, "the input", "not all acknowledged");
    printf("acked %ld\n", acked);
    rd_kafka_destroy(rk);
    return 0;
}

/* copy */

struct copy {
    rd_kafka_t *in, *to;
    const char *out;
    int journal;
    bool moved; /* partitions came or went since it was last looked at */
};

static void on_move(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *arg)
{
    struct copy *c = arg;
    bool coop = strcmp(rd_kafka_rebalance_protocol(rk), "COOPERATIVE") == 0;
    bool gain = err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    c->moved = true;
    if (coop)
        rd_kafka_error_destroy(gain ? rd_kafka_incremental_assign(rk, list) : rd_kafka_incremental_unassign(rk, list));
    else
        rd_kafka_assign(rk, gain ? list : NULL);
}

/* Whether the call is done; false: the transaction must be aborted. What cannot be mended ends the process. */
static bool settled(rd_kafka_error_t *e, const char *what, bool *again)
{
    *again = e && rd_kafka_error_is_retriable(e) && !stop;
    bool abort = e && rd_kafka_error_txn_requires_abort(e), ok = !e;
    if (e && !*again && !abort)
        wrong(AGAIN, what, rd_kafka_error_string(e));
    if (e)
        rd_kafka_error_destroy(e);
    return ok;
}

#define TRY(call)                                                                                                      \
    ({                                                                                                                 \
        bool again_, ok_;                                                                                              \
        do                                                                                                             \
            ok_ = settled(call, #call, &again_);                                                                       \
        while (again_);                                                                                                \
        ok_;                                                                                                           \
    })

/* Back to where the group stands: what was read but not committed comes again. */
static void rewind_all(struct copy *c)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    rd_kafka_resp_err_t err = rd_kafka_assignment(c->in, &list);
    if (!err && list->cnt > 0) {
        do
            err = rd_kafka_committed(c->in, list, WAIT_MS);
        while (err == RD_KAFKA_RESP_ERR__TIMED_OUT && !stop);
        for (int i = 0; i < list->cnt; i++)
            if (list->elems[i].offset < 0)
                list->elems[i].offset = RD_KAFKA_OFFSET_BEGINNING;
        rd_kafka_error_t *e = err ? NULL : rd_kafka_seek_partitions(c->in, list, WAIT_MS);
        if (e)
            wrong(AGAIN, "seek", rd_kafka_error_string(e));
        for (int i = 0; i < list->cnt && !err; i++)
            err = list->elems[i].err;
    }
    if (err)
        wrong(AGAIN, "back to what is committed", rd_kafka_err2str(err));
    rd_kafka_topic_partition_list_destroy(list);
}

/* Up to BATCH records that one generation of the group gave; 0 if that changed meanwhile. */
static int collect(struct copy *c, rd_kafka_message_t **batch)
{
    int n = 0, want = 1 + rand() % BATCH;
    c->moved = false;
    for (int polls = 0; n < want && polls < want + 2 && !stop; polls++) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c->in, n ? 2 : 100);
        if (m && !m->err)
            batch[n++] = m;
        else if (m)
            rd_kafka_message_destroy(m);
    }
    if (!c->moved && !stop)
        return n;
    for (int i = 0; i < n; i++)
        rd_kafka_message_destroy(batch[i]);
    if (n && !stop)
        rewind_all(c);
    return 0;
}

static bool produce(struct copy *c, const rd_kafka_message_t *m)
{
    char value[256];
    int n = snprintf(value, sizeof value, "%.*s,\"p\":%d,\"o\":%lld}", (int)m->len - 1, (const char *)m->payload,
                     m->partition, (long long)m->offset);
    return rd_kafka_producev(c->to, RD_KAFKA_V_TOPIC(c->out), RD_KAFKA_V_PARTITION(m->partition),
                             RD_KAFKA_V_KEY(m->key, m->key_len), RD_KAFKA_V_VALUE(value, (size_t)n),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END) == 0;
}

static bool transaction(struct copy *c, rd_kafka_message_t **batch, int n)
{
    bool ok = TRY(rd_kafka_begin_transaction(c->to));
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(BATCH);
    for (int i = 0; i < n; i++) {
        ok = ok && produce(c, batch[i]);
        const char *topic = rd_kafka_topic_name(batch[i]->rkt);
        rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_find(list, topic, batch[i]->partition);
        if (!at)
            at = rd_kafka_topic_partition_list_add(list, topic, batch[i]->partition);
        at->offset = batch[i]->offset + 1;
        rd_kafka_message_destroy(batch[i]);
    }
    rd_kafka_consumer_group_metadata_t *md = rd_kafka_consumer_group_metadata(c->in);
    ok = ok && TRY(rd_kafka_send_offsets_to_transaction(c->to, list, md, WAIT_MS));
    rd_kafka_consumer_group_metadata_destroy(md);
    rd_kafka_topic_partition_list_destroy(list);
    return ok && rand() % 20 && TRY(rd_kafka_commit_transaction(c->to, WAIT_MS));
}

static int copy(char **argv)
{
    const char *broker = argv[2], *group = argv[3], *id = argv[6], *strategy = argv[7];
    const char *instance = strcmp(argv[8], "-") == 0 ? NULL : argv[8];
    struct copy c = {.out = argv[5], .journal = open(argv[9], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644)};
    const char *from[] = {"group.id", group, "enable.auto.commit", "false", "auto.offset.reset", "earliest",
                          "isolation.level", "read_committed", "session.timeout.ms", "1500", "heartbeat.interval.ms",
                          "200", "max.poll.interval.ms", "60000", "fetch.wait.max.ms", "20", "check.crcs", "true",
                          "partition.assignment.strategy", strategy, "group.instance.id", instance, NULL};
    const char *to[] = {"transactional.id", id, "transaction.timeout.ms", "4000", "linger.ms", "0", NULL};
    if (c.journal < 0)
        wrong(WRONG, argv[9], strerror(errno));
    srand((unsigned)getpid());
    c.to = client(RD_KAFKA_PRODUCER, broker, to, NULL, NULL, NULL);
    TRY(rd_kafka_init_transactions(c.to, WAIT_MS));
    c.in = client(RD_KAFKA_CONSUMER, broker, from, on_move, NULL, &c);
    rd_kafka_poll_set_consumer(c.in);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, argv[4], RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(c.in, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    while (!stop) {
        rd_kafka_message_t *batch[BATCH];
        int n = collect(&c, batch);
        if (n == 0)
            continue;
        bool committed = transaction(&c, batch, n);
        if (!committed) {
            if (!TRY(rd_kafka_abort_transaction(c.to, WAIT_MS)))
                wrong(AGAIN, "abort", "not done");
            rewind_all(&c);
        }
        if (write(c.journal, committed ? "c" : "a", 1) != 1)
            wrong(WRONG, argv[9], strerror(errno));
    }
    rd_kafka_consumer_close(c.in);
    rd_kafka_destroy(c.in);
    rd_kafka_destroy(c.to);
    return 0;
}

int main(int argc, char **argv)
{
    signal(SIGTERM, on_stop);
    if (argc == 5 && strcmp(argv[1], "feed") == 0)
        return feed(argv[2], argv[3], strtol(argv[4], NULL, 10));
    if (argc == 10 && strcmp(argv[1], "copy") == 0)
        return copy(argv);
    fprintf(stderr, "usage: client_eos feed|copy ...; eos.c says more\n");
    return 1;
}
