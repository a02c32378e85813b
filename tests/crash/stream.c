/* An idempotent producer (acks=all) that lives through crashes of its server, and the check of what is left.
 *
 *     crash_stream produce BROKER TOPIC PARTITIONS     numbers 0, 1, 2, ... to every partition until SIGTERM; then waits for
 *                                                      the last acknowledgements and prints "acked N0 N1 ..."
 *     crash_stream check BROKER TOPIC N0 N1 ...        partition p must hold exactly 0 .. Np-1, in order
 *
 * The producer retries for ever, so every number is acknowledged in the end: a number that is missing, twice or out of
 * order is the server's fault. */
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 64

static volatile sig_atomic_t stop;
static void on_stop(int sig) { stop = sig; }

struct producer {
    long sent[PARTS_MAX], acked[PARTS_MAX];
    int failed;
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg)
{
    (void)rk;
    struct producer *p = arg;
    long number = strtol(m->payload, NULL, 10);
    if (m->err || number != p->acked[m->partition]) {
        fprintf(stderr, "partition %d number %ld: %s (acknowledged so far %ld)\n", m->partition, number,
                rd_kafka_err2str(m->err), p->acked[m->partition]);
        p->failed = 1;
    }
    p->acked[m->partition]++;
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *arg)
{
    (void)rk;
    if (err == RD_KAFKA_RESP_ERR__FATAL) {
        fprintf(stderr, "fatal: %s\n", reason);
        ((struct producer *)arg)->failed = 1;
    }
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char text[256];
    if (rd_kafka_conf_set(conf, key, value, text, sizeof text) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "%s: %s\n", key, text);
        exit(1);
    }
}

static rd_kafka_t *open_client(rd_kafka_type_t type, const char *broker, struct producer *p)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", broker);
    set(conf, "log_level", "2"); /* refused connections are what this test is about */
    set(conf, "reconnect.backoff.ms", "20");
    set(conf, "reconnect.backoff.max.ms", "100");
    if (type == RD_KAFKA_PRODUCER) {
        set(conf, "enable.idempotence", "true");
        set(conf, "message.timeout.ms", "600000");
        set(conf, "linger.ms", "1");
        set(conf, "retry.backoff.ms", "20");
        set(conf, "queue.buffering.max.messages", "20000");
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
        rd_kafka_conf_set_error_cb(conf, on_error);
        rd_kafka_conf_set_opaque(conf, p);
    } else {
        set(conf, "group.id", "check");
        set(conf, "enable.auto.commit", "false");
        set(conf, "enable.partition.eof", "true");
        set(conf, "check.crcs", "true");
    }
    char text[256];
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (!rk) {
        fprintf(stderr, "%s\n", text);
        exit(1);
    }
    return rk;
}

static int produce(const char *broker, const char *topic, int parts)
{
    struct producer p = {{0}, {0}, 0};
    rd_kafka_t *rk = open_client(RD_KAFKA_PRODUCER, broker, &p);
    for (int next = 0; !stop && !p.failed; next = (next + 1) % parts) {
        char value[64];
        int n = snprintf(value, sizeof value, "%ld%*s", p.sent[next], (int)(p.sent[next] % 40), "");
        rd_kafka_resp_err_t err = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(next),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(value, (size_t)n + 1), RD_KAFKA_V_END);
        if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_poll(rk, 10);
            next = (next + parts - 1) % parts;
            continue;
        }
        if (err) {
            fprintf(stderr, "produce: %s\n", rd_kafka_err2str(err));
            return 1;
        }
        p.sent[next]++;
        rd_kafka_poll(rk, p.sent[next] % 16 == 0 ? 1 : 0);
    }
    rd_kafka_flush(rk, 60000);
    printf("acked");
    for (int i = 0; i < parts; i++) {
        printf(" %ld", p.acked[i]);
        if (p.acked[i] != p.sent[i]) {
            fprintf(stderr, "partition %d: sent %ld, acknowledged %ld\n", i, p.sent[i], p.acked[i]);
            p.failed = 1;
        }
    }
    printf("\n");
    fflush(stdout);
    rd_kafka_destroy(rk);
    return p.failed;
}

static int check_message(const rd_kafka_message_t *m, long *next)
{
    long number = strtol(m->payload, NULL, 10);
    if (number == next[m->partition]) {
        next[m->partition]++;
        return 0;
    }
    fprintf(stderr, "partition %d offset %lld: number %ld where %ld belongs: %s\n", m->partition, (long long)m->offset, number,
            next[m->partition], number < next[m->partition] ? "twice or out of order" : "records lost");
    return 1;
}

static int check(const char *broker, const char *topic, int parts, char **wanted)
{
    rd_kafka_t *rk = open_client(RD_KAFKA_CONSUMER, broker, NULL);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(parts);
    for (int i = 0; i < parts; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    long next[PARTS_MAX] = {0};
    int failed = 0, ended = 0;
    while (ended < parts && !failed) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 20000);
        if (!m) {
            fprintf(stderr, "nothing came for 20 s\n");
            failed = 1;
            break;
        }
        if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            ended++;
        else if (m->err) {
            fprintf(stderr, "consume: %s\n", rd_kafka_message_errstr(m));
            failed = 1;
        } else {
            failed = check_message(m, next);
        }
        rd_kafka_message_destroy(m);
    }
    for (int i = 0; i < parts && !failed; i++)
        if (next[i] != strtol(wanted[i], NULL, 10)) {
            fprintf(stderr, "partition %d holds %ld records, %s were acknowledged\n", i, next[i], wanted[i]);
            failed = 1;
        }
    rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); /* there is no group to leave */
    return failed;
}

int main(int argc, char **argv)
{
    signal(SIGTERM, on_stop);
    signal(SIGINT, on_stop);
    if (argc == 5 && strcmp(argv[1], "produce") == 0)
        return produce(argv[2], argv[3], atoi(argv[4]));
    if (argc > 4 && strcmp(argv[1], "check") == 0)
        return check(argv[2], argv[3], argc - 4, argv + 4);
    fprintf(stderr, "usage: crash_stream produce BROKER TOPIC PARTITIONS | check BROKER TOPIC N0 N1 ...\n");
    return 2;
}
