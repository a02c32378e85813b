#include "log/cluster/config.h"
#include <stdio.h>

/* One row a key. Values are checked once, when they are set; topic_config_apply reads them again at every new image. */
struct key {
    const char *name, *server_key;
    char type; /* 'i', 'l', 'd', 't', 'c' as in topic_config_item */
    int64_t min, max;
    const char *dflt;     /* where no server setting gives it */
    const char *words[7]; /* text and lists: what is allowed */
    const char *doc;
};

enum { INTERNAL_MESSAGE_BYTES = 1048588 }; /* message.max.bytes if nobody says */
#define LONG_MAX_TEXT "9223372036854775807"
static const struct key keys[] = {
    {"cleanup.policy", NULL, 'c', 0, 0, "delete", {"delete", "compact"},
     "what happens to old records: delete by age and size, or keep the last one of each key"},
    {"compression.type", NULL, 't', 0, 0, "producer", {"producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"},
     "codec that record batches are stored with; producer: as they come"},
    {"delete.retention.ms", "log.cleaner.delete.retention.ms", 'l', 0, INT64_MAX, NULL, {0},
     "how long compaction keeps a tombstone after it first met it"},
    {"index.interval.bytes", "log.index.interval.bytes", 'i', 64, INT32_MAX, NULL, {0},
     "bytes of data per index entry"},
    {"max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms", 'l', 1, INT64_MAX, NULL, {0},
     "age at which records are compacted however few they are"},
    {"max.message.bytes", "message.max.bytes", 'i', 0, INT32_MAX, NULL, {0}, "largest record batch"},
    {"message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms", 'l', 0, INT64_MAX, NULL, {0},
     "how far ahead of the clock a record's time may be"},
    {"message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms", 'l', 0, INT64_MAX, NULL, {0},
     "how far behind the clock a record's time may be"},
    {"message.timestamp.type", NULL, 't', 0, 0, "CreateTime", {"CreateTime", "LogAppendTime"},
     "whose clock gives a record its time: the producer's or the server's"},
    {"min.cleanable.dirty.ratio", NULL, 'd', 0, 1, "0.5", {0},
     "share of a log's bytes not yet compacted from which on it is compacted"},
    {"min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms", 'l', 0, INT64_MAX, NULL, {0},
     "age below which records are not compacted"},
    {"min.insync.replicas", NULL, 'i', 1, INT32_MAX, "1", {0}, "replicas that an acks=all append needs"},
    {"retention.bytes", "log.retention.bytes", 'l', -1, INT64_MAX, NULL, {0},
     "bytes of a partition above which old segments go; -1: no limit"},
    {"retention.ms", "log.retention.ms", 'l', -1, INT64_MAX, NULL, {0}, "age at which records may go; -1: never"},
    {"segment.bytes", "log.segment.bytes", 'i', 1024, INT32_MAX, NULL, {0}, "size at which a segment is closed"},
    {"segment.ms", "log.roll.ms", 'l', 1, INT64_MAX, NULL, {0}, "age at which a segment is closed"},
};

static const struct key *key_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (str_eq(name, str_of(keys[i].name)))
            return &keys[i];
    return NULL;
}

/* ---- checking */

static bool word_ok(const struct key *k, struct str word)
{
    for (size_t i = 0; k->words[i]; i++)
        if (str_eq(word, str_of(k->words[i])))
            return true;
    return false;
}

static int refuse_words(const struct key *k, struct str value, struct diag *d)
{
    diag_set(d, E_BAD_CONFIG, "%s cannot be \"%.*s\"", k->name, STR_ARG(value));
    char list[200] = "";
    for (size_t i = 0, at = 0; k->words[i]; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", k->words[i]);
    diag_hint(d, k->type == 'c' ? "a list of: %s" : "one of: %s", list);
    return E_BAD_CONFIG;
}

static int check_list(const struct key *k, struct str value, struct diag *d)
{
    struct str rest = value;
    do {
        const char *comma = rest.len ? memchr(rest.ptr, ',', rest.len) : NULL;
        struct str one = {rest.ptr, comma ? (size_t)(comma - rest.ptr) : rest.len};
        if (!word_ok(k, str_trim(one)))
            return refuse_words(k, value, d);
        rest = comma ? (struct str){comma + 1, (size_t)(rest.ptr + rest.len - comma) - 1} : STR_NULL;
    } while (rest.ptr);
    return 0;
}

/* A decimal number within the bounds: digits, perhaps a point and more digits. */
static bool share_parse(struct str value, double *out)
{
    struct str s = str_trim(value);
    double unit = 0;
    bool digits = false;
    *out = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '.' && unit <= 0) {
            unit = 1;
            continue;
        }
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        digits = true;
        unit /= 10;
        *out = unit > 0 ? *out + unit * (s.ptr[i] - '0') : *out * 10 + (s.ptr[i] - '0');
    }
    return digits;
}

static int check_share(const struct key *k, struct str value, struct diag *d)
{
    double v;
    if (!share_parse(value, &v) || v < (double)k->min || v > (double)k->max)
        return diag_set(d, E_BAD_CONFIG, "%s must be a number from %lld to %lld, not \"%.*s\"", k->name,
                        (long long)k->min, (long long)k->max, STR_ARG(value));
    return 0;
}

static int refuse_key(struct str name, struct diag *d)
{
    diag_set(d, E_BAD_CONFIG, "unknown topic configuration \"%.*s\"", STR_ARG(name));
    const struct key *best = NULL;
    unsigned dist = 4;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        unsigned n = str_distance(name, str_of(keys[i].name));
        if (n < dist) {
            dist = n;
            best = &keys[i];
        }
    }
    if (best)
        diag_hint(d, "did you mean %s?", best->name);
    return E_BAD_CONFIG;
}

int topic_config_check(struct str key, struct str value, struct diag *d)
{
    const struct key *k = key_find(key);
    if (!k)
        return refuse_key(key, d);
    if (k->type == 't')
        return word_ok(k, value) ? 0 : refuse_words(k, value, d);
    if (k->type == 'c')
        return check_list(k, value, d);
    if (k->type == 'd')
        return check_share(k, value, d);
    int64_t n;
    if (!str_to_i64(str_trim(value), &n))
        return diag_set(d, E_BAD_CONFIG, "%s must be a whole number, not \"%.*s\"", k->name, STR_ARG(value));
    if (n < k->min || n > k->max)
        return diag_set(d, E_BAD_CONFIG, "%s must be from %lld to %lld, not %lld", k->name, (long long)k->min,
                        (long long)k->max, (long long)n);
    return 0;
}

/* ---- meaning */

/* The server's setting of that name, as text. */
static void server_value(const struct config *conf, const char *server_key, char *out, size_t cap)
{
    struct config_item it;
    for (unsigned i = 0; config_item(conf, i, &it); i++)
        if (strcmp(it.key, server_key) == 0) {
            snprintf(out, cap, "%.*s", (int)cap - 1, it.value);
            return;
        }
    CHECK(!"a topic key names a server setting that does not exist");
}

static bool explicit_value(const struct topic *t, const struct key *k, char *out, size_t cap)
{
    for (unsigned i = 0; i < t->nconfigs; i++)
        if (strcmp(t->configs[i].key, k->name) == 0) {
            snprintf(out, cap, "%s", t->configs[i].value);
            return true;
        }
    return false;
}

static bool value_of(const struct topic *t, const struct config *conf, const struct key *k, char *out, size_t cap)
{
    if (explicit_value(t, k, out, cap))
        return true;
    if (k->server_key)
        server_value(conf, k->server_key, out, cap);
    else
        snprintf(out, cap, "%s", k->dflt);
    return false;
}

static void apply_text(struct topic *t, const struct key *k, const char *value)
{
    if (strcmp(k->name, "cleanup.policy") == 0) {
        t->conf.compact = strstr(value, "compact") != NULL;
        t->conf.keep = strstr(value, "delete") == NULL;
    } else if (strcmp(k->name, "message.timestamp.type") == 0) {
        t->conf.append_time = strcmp(value, "LogAppendTime") == 0;
    } else if (strcmp(k->name, "compression.type") == 0) {
        static const char *const codecs[] = {"uncompressed", "gzip", "snappy", "lz4", "zstd"};
        t->conf.compression = -1;
        for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
            if (strcmp(value, codecs[i]) == 0)
                t->conf.compression = (int8_t)i;
    }
}

void topic_config_apply(struct topic *t, const struct config *conf)
{
    part_conf_default(&t->conf, conf);
    t->ts_before_max_ms = conf->timestamp_before_max_ms;
    t->ts_after_max_ms = conf->timestamp_after_max_ms;
    t->min_isr = 1;
    for (unsigned i = 0; i < t->nconfigs; i++) {
        const struct key *k = key_find(str_of(t->configs[i].key));
        struct str value = str_of(t->configs[i].value);
        int64_t n = 0;
        if (!k || topic_config_check(str_of(k->name), value, NULL) < 0)
            continue;
        if (k->type == 't' || k->type == 'c') {
            apply_text(t, k, t->configs[i].value);
            continue;
        }
        if (k->type == 'd') {
            (void)share_parse(value, &t->conf.dirty_ratio);
            continue;
        }
        CHECK(str_to_i64(str_trim(value), &n));
        if (strcmp(k->name, "delete.retention.ms") == 0)
            t->conf.delete_retention_ms = n;
        else if (strcmp(k->name, "max.compaction.lag.ms") == 0)
            t->conf.lag_max_ms = n;
        else if (strcmp(k->name, "min.compaction.lag.ms") == 0)
            t->conf.lag_min_ms = n;
        else if (strcmp(k->name, "segment.ms") == 0)
            t->conf.segment_ms = n;
        else if (strcmp(k->name, "index.interval.bytes") == 0)
            t->conf.index_interval_bytes = n;
        else if (strcmp(k->name, "max.message.bytes") == 0)
            t->conf.max_message_bytes = n;
        else if (strcmp(k->name, "message.timestamp.after.max.ms") == 0)
            t->ts_after_max_ms = n;
        else if (strcmp(k->name, "message.timestamp.before.max.ms") == 0)
            t->ts_before_max_ms = n;
        else if (strcmp(k->name, "min.insync.replicas") == 0)
            t->min_isr = (int32_t)n;
        else if (strcmp(k->name, "retention.bytes") == 0)
            t->conf.retention_bytes = n;
        else if (strcmp(k->name, "retention.ms") == 0)
            t->conf.retention_ms = n;
        else if (strcmp(k->name, "segment.bytes") == 0)
            t->conf.segment_bytes = n;
        else
            CHECK(!"a topic key without a meaning");
    }
    if (t->internal) /* what the server writes for itself is not made smaller by what holds for clients */
        t->conf.max_message_bytes = MAX(t->conf.max_message_bytes, INTERNAL_MESSAGE_BYTES);
}

bool topic_config_item(const struct topic *t, const struct config *conf, unsigned i, struct topic_config_item *out)
{
    if (i >= ARRAY_LEN(keys))
        return false;
    const struct key *k = &keys[i];
    *out = (struct topic_config_item){.key = k->name, .doc = k->doc, .type = k->type, .server_key = k->server_key};
    out->is_default = !value_of(t, conf, k, out->value, sizeof out->value);
    return true;
}
