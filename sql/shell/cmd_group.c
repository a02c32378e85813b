#include "log/base/clock.h"
#include "sql/shell/goal.h"
#include "sql/shell/kafka.h"
#include "sql/shell/member.h"
#include "sql/shell/shell.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "weir group: list, describe, delete and reset consumer groups\n"
    "\n"
    "usage: weir group list [--server HOST:PORT]\n"
    "       weir group describe GROUP...\n"
    "       weir group delete GROUP... [--topic TOPIC]...\n"
    "       weir group reset GROUP --to WHERE [--topic TOPIC[:PARTITION]]... [--dry-run]\n"
    "\n"
    "  --server HOST:PORT   which server (or WEIR_SERVER; default 127.0.0.1:9092)\n"
    "  --topic TOPIC        delete: the group's offsets of this topic only; reset: this topic only (default: all that the\n"
    "                       group has offsets of), TOPIC:PARTITION this partition only\n"
    "  --to WHERE           earliest, latest, an offset, @MS (the first record at that time or later, in ms since 1970),\n"
    "                       or -DURATION, such as -90s, -30m, -2h, -7d: that long ago\n"
    "  --dry-run            reset: say what would be, change nothing\n"
    "\n"
    "An offset outside of what a partition holds becomes its nearest end. A group with members is neither deleted nor\n"
    "reset: its members would go on from where they are.\n"
    "\n"
    "examples\n"
    "  weir group describe billing\n"
    "  weir group reset billing --to -2h --topic orders --dry-run\n"
    "  weir group reset billing --to earliest\n"
    "  weir group delete billing\n"
    "\n"
    "exit codes: 0 done, 1 the server refused, 2 no connection or a lost one, 3 wrong usage\n";

enum {
    KEY_COMMIT = 8,
    KEY_FETCH = 9,
    KEY_DESCRIBE = 15,
    KEY_LIST = 16,
    KEY_DELETE = 42,
    KEY_OFFSET_DELETE = 47,
    KEY_DESCRIBE_CONSUMER = 69
};
enum { BY_NAME = 9, PATIENCE = 600, MOMENT_MS = 50 };
enum { TO_END = -1 };
#define CMD "group"

struct group_options {
    const char *server, *to;
    const char **topics;
    unsigned ntopics, topics_cap;
    bool dry_run;
    char **names;
    int nnames;
    struct remote *rm;
    struct arena arena;
    int patience;
};

static int refused(const char *what, struct str name, const char *why)
{
    fprintf(stderr, "weir group: cannot %s %.*s: %s\n", what, STR_ARG(name), why);
    return EXIT_FAILED;
}

static bool in_a_moment(struct group_options *o, int16_t code)
{
    if ((code != K_COORDINATOR_LOADING && code != K_COORDINATOR_NOT_AVAILABLE && code != K_UNSTABLE_OFFSET_COMMIT) ||
        --o->patience <= 0)
        return false;
    clock_sleep_ms(MOMENT_MS);
    return true;
}

/* ---- list */

static int group_order(const void *a, const void *b)
{
    const struct list_groups_response_group *x = a, *y = b;
    return str_cmp(x->group_id, y->group_id);
}

static int run_list(struct group_options *o)
{
    struct list_groups_request in;
    struct list_groups_response out;
    int rc, width = 5;
    list_groups_request_init(&in);
    do
        rc = kafka_call(o->rm, CMD, KEY_LIST, &in, &out, &o->arena);
    while (rc == 0 && in_a_moment(o, out.error_code));
    if (rc)
        return rc;
    if (out.error_code)
        return refused("list", STR("groups"), remote_error(out.error_code));
    if (out.groups_n > 1)
        qsort(out.groups, out.groups_n, sizeof *out.groups, group_order);
    for (uint32_t i = 0; i < out.groups_n; i++)
        width = MAX(width, (int)out.groups[i].group_id.len);
    printf("%-*s  %-19s  %-8s  protocol\n", width, "group", "state", "type");
    for (uint32_t i = 0; i < out.groups_n; i++) {
        const struct list_groups_response_group *g = &out.groups[i];
        printf("%-*.*s  %-19.*s  %-8.*s  %.*s\n", width, STR_ARG(g->group_id), STR_ARG(g->group_state),
               STR_ARG(g->group_type), STR_ARG(g->protocol_type.len ? g->protocol_type : STR("-")));
    }
    return 0;
}

/* ---- what a group is, and what it has committed */

/* A copy of the texts, which would go with the next answer. */
static void keep_member(struct describe_groups_response_member *m, struct arena *a)
{
    m->member_id = arena_dup(a, m->member_id);
    m->group_instance_id = arena_dup(a, m->group_instance_id);
    m->client_id = arena_dup(a, m->client_id);
    m->client_host = arena_dup(a, m->client_host);
    m->member_assignment = arena_dup(a, m->member_assignment);
}

/* In the form in which members of classic groups hold theirs: version 0 of the consumer protocol's assignment. */
static struct str assignment_bytes(struct arena *a, const struct consumer_group_describe_response_assignment *as)
{
    struct wbuf w;
    wbuf_init(&w);
    wbuf_be16(&w, 0);
    wbuf_be32(&w, as->topic_partitions_n);
    for (uint32_t i = 0; i < as->topic_partitions_n; i++) {
        const struct consumer_group_describe_response_topic *t = &as->topic_partitions[i];
        wbuf_be16(&w, (uint16_t)t->topic_name.len);
        wbuf_str(&w, t->topic_name);
        wbuf_be32(&w, t->partitions_n);
        for (uint32_t k = 0; k < t->partitions_n; k++)
            wbuf_be32(&w, (uint32_t)t->partitions[k]);
    }
    wbuf_be32(&w, UINT32_MAX); /* no user data */
    struct str out = arena_dup(a, wbuf_view(&w));
    wbuf_fini(&w);
    return out;
}

/* A group of KIP-848 (ConsumerGroupDescribe), told as a classic one is. */
static int ask_consumer_group(struct group_options *o, struct str name, struct describe_groups_response_group *out)
{
    struct consumer_group_describe_request in;
    struct consumer_group_describe_response got;
    consumer_group_describe_request_init(&in);
    in.group_ids = &name;
    in.group_ids_n = 1;
    int rc = kafka_call(o->rm, CMD, KEY_DESCRIBE_CONSUMER, &in, &got, &o->arena);
    if (rc || got.groups_n != 1 || got.groups[0].error_code)
        return rc;
    const struct consumer_group_describe_response_group *g = &got.groups[0];
    describe_groups_response_group_init(out);
    out->group_state = g->group_state;
    out->protocol_data = g->assignor_name;
    out->members = ARENA_ARRAY(&o->arena, struct describe_groups_response_member, g->members_n + 1);
    for (; out->members_n < g->members_n; out->members_n++) {
        const struct consumer_group_describe_response_member *m = &g->members[out->members_n];
        struct describe_groups_response_member *to = &out->members[out->members_n];
        describe_groups_response_member_init(to);
        to->member_id = m->member_id;
        to->group_instance_id = m->instance_id;
        to->client_id = m->client_id;
        to->client_host = m->client_host;
        to->member_assignment = assignment_bytes(&o->arena, &m->assignment);
    }
    return 0;
}

/* As it is answered: with an error if there is none. */
static int ask_group(struct group_options *o, const char *what, struct str name,
                     struct describe_groups_response_group *out)
{
    struct describe_groups_request in;
    struct describe_groups_response got;
    int rc;
    describe_groups_request_init(&in);
    in.groups = &name;
    in.groups_n = 1;
    do
        rc = kafka_call(o->rm, CMD, KEY_DESCRIBE, &in, &got, &o->arena);
    while (rc == 0 && got.groups_n == 1 && in_a_moment(o, got.groups[0].error_code));
    if (rc == 0 && got.groups_n != 1)
        return refused(what, name, "not answered");
    if (rc)
        return rc;
    *out = got.groups[0];
    bool unknown = out->error_code == K_GROUP_ID_NOT_FOUND || str_eq(out->group_state, STR("Dead"));
    return unknown && remote_version(o->rm, KEY_DESCRIBE_CONSUMER) >= 0 ? ask_consumer_group(o, name, out) : 0;
}

static int describe(struct group_options *o, const char *what, struct str name,
                    struct describe_groups_response_group *out)
{
    int rc = ask_group(o, what, name, out);
    if (rc)
        return rc;
    if (out->error_code == K_GROUP_ID_NOT_FOUND || str_eq(out->group_state, STR("Dead")))
        return refused(what, name, "there is no such group");
    if (out->error_code)
        return refused(what, name, remote_error(out->error_code));
    out->group_state = arena_dup(&o->arena, out->group_state);
    out->protocol_data = arena_dup(&o->arena, out->protocol_data);
    for (uint32_t i = 0; i < out->members_n; i++)
        keep_member(&out->members[i], &o->arena);
    return 0;
}

/* Offsets by topic; texts are kept. */
struct held {
    struct str topic;
    int32_t *parts;
    int64_t *offsets;
    uint32_t n;
};

static int committed(struct group_options *o, const char *what, struct str name, struct held **out, uint32_t *n)
{
    struct offset_fetch_request in;
    struct offset_fetch_request_group group;
    struct offset_fetch_response got;
    struct diag d = {.text = ""};
    offset_fetch_request_init(&in);
    offset_fetch_request_group_init(&group);
    group.group_id = name;
    group.topics = NULL; /* all */
    in.groups = &group;
    in.groups_n = 1;
    int version = MIN(remote_version(o->rm, KEY_FETCH), BY_NAME);
    do
        if (remote_call(o->rm, KEY_FETCH, version, &in, &got, &o->arena, &d) < 0)
            return kafka_complain(CMD, &d, EXIT_LOST);
    while (got.groups_n == 1 && in_a_moment(o, got.groups[0].error_code));
    if (got.groups_n != 1 || got.groups[0].error_code)
        return refused(what, name, got.groups_n ? remote_error(got.groups[0].error_code) : "not answered");
    const struct offset_fetch_response_group *g = &got.groups[0];
    *out = ARENA_ARRAY(&o->arena, struct held, g->topics_n + 1);
    *n = g->topics_n;
    for (uint32_t i = 0; i < g->topics_n; i++) {
        struct held *h = &(*out)[i];
        h->topic = arena_dup(&o->arena, g->topics[i].name);
        h->n = g->topics[i].partitions_n;
        h->parts = ARENA_ARRAY(&o->arena, int32_t, h->n + 1);
        h->offsets = ARENA_ARRAY(&o->arena, int64_t, h->n + 1);
        for (uint32_t k = 0; k < h->n; k++) {
            h->parts[k] = g->topics[i].partitions[k].partition_index;
            h->offsets[k] = g->topics[i].partitions[k].committed_offset;
        }
    }
    return 0;
}

/* ---- describe */

/* Client and host of the member that reads a partition; "-" if nobody does. */
static const char *reader_of(struct group_options *o, const struct describe_groups_response_group *g, struct str topic,
                             int32_t part)
{
    for (uint32_t i = 0; i < g->members_n; i++) {
        struct member_topic *topics;
        uint32_t n = 0;
        if (!assignment_read(g->members[i].member_assignment, &o->arena, &topics, &n))
            continue;
        for (uint32_t t = 0; t < n; t++)
            for (uint32_t k = 0; k < topics[t].n && str_eq(topics[t].name, topic); k++)
                if (topics[t].parts[k] == part)
                    return arena_printf(&o->arena, "%.*s", STR_ARG(g->members[i].member_id));
    }
    return "-";
}

static int describe_topic(struct group_options *o, const struct describe_groups_response_group *g, const struct held *h)
{
    struct metadata_response_topic t;
    int rc = kafka_topic(o->rm, CMD, h->topic.ptr, false, &t, &o->arena);
    if (rc)
        return rc;
    int64_t *end = ARENA_ARRAY(&o->arena, int64_t, t.partitions_n + 1);
    rc = kafka_offsets(o->rm, CMD, &t, TO_END, false, end, &o->arena);
    for (uint32_t k = 0; rc == 0 && k < h->n; k++) {
        int32_t p = h->parts[k];
        if (p < 0 || (uint32_t)p >= t.partitions_n)
            continue;
        int64_t lag = h->offsets[k] < 0 ? end[p] : MAX(end[p] - h->offsets[k], INT64_C(0));
        printf("  %-24.*s %9d  %12lld  %12lld  %10lld  %s\n", STR_ARG(h->topic), p, (long long)h->offsets[k],
               (long long)end[p], (long long)lag, reader_of(o, g, h->topic, p));
    }
    return rc;
}

static int describe_one(struct group_options *o, struct str name)
{
    struct describe_groups_response_group g;
    struct held *held = NULL;
    uint32_t n = 0;
    int rc = describe(o, "describe", name, &g);
    if (rc == 0)
        rc = committed(o, "describe", name, &held, &n);
    if (rc)
        return rc;
    printf("group %.*s: %.*s, %u members%s%.*s\n", STR_ARG(name), STR_ARG(g.group_state), g.members_n,
           g.protocol_data.len ? ", assignor " : "", STR_ARG(g.protocol_data));
    for (uint32_t i = 0; i < g.members_n; i++)
        printf("  member %.*s  client %.*s  host %.*s%s%.*s\n", STR_ARG(g.members[i].member_id),
               STR_ARG(g.members[i].client_id), STR_ARG(g.members[i].client_host),
               g.members[i].group_instance_id.len ? "  instance " : "", STR_ARG(g.members[i].group_instance_id));
    if (n)
        printf("  %-24s %9s  %12s  %12s  %10s  member\n", "topic", "partition", "committed", "end", "lag");
    for (uint32_t i = 0; i < n && rc == 0; i++)
        rc = describe_topic(o, &g, &held[i]);
    return rc;
}

/* ---- delete */

static int delete_group(struct group_options *o, struct str name)
{
    struct delete_groups_request in;
    struct delete_groups_response out;
    int rc;
    delete_groups_request_init(&in);
    in.groups_names = &name;
    in.groups_names_n = 1;
    do
        rc = kafka_call(o->rm, CMD, KEY_DELETE, &in, &out, &o->arena);
    while (rc == 0 && out.results_n == 1 && in_a_moment(o, out.results[0].error_code));
    if (rc)
        return rc;
    int16_t code = out.results_n == 1 ? out.results[0].error_code : K_UNKNOWN_SERVER;
    if (code == K_NON_EMPTY_GROUP)
        return refused("delete", name, "it has members: stop them first");
    if (code)
        return refused("delete", name, code == K_GROUP_ID_NOT_FOUND ? "there is no such group" : remote_error(code));
    printf("deleted %.*s\n", STR_ARG(name));
    return 0;
}

static int delete_topic(struct group_options *o, struct str name, const char *topic)
{
    struct offset_delete_request in;
    struct offset_delete_response out;
    struct offset_delete_request_topic t = {.name = str_of(topic)};
    struct held *held = NULL;
    uint32_t n = 0, parts = 0;
    int rc = committed(o, "delete offsets of", name, &held, &n);
    for (uint32_t i = 0; i < n; i++) {
        if (!str_eq(held[i].topic, t.name))
            continue;
        t.partitions = ARENA_ARRAY(&o->arena, struct offset_delete_request_partition, held[i].n + 1);
        for (; parts < held[i].n; parts++)
            t.partitions[parts].partition_index = held[i].parts[parts];
    }
    t.partitions_n = parts;
    if (rc)
        return rc;
    if (parts == 0)
        return refused("delete offsets of", name, "it has none of that topic");
    offset_delete_request_init(&in);
    in.group_id = name;
    in.topics = &t;
    in.topics_n = 1;
    rc = kafka_call(o->rm, CMD, KEY_OFFSET_DELETE, &in, &out, &o->arena);
    if (rc)
        return rc;
    int16_t code = out.error_code;
    for (uint32_t k = 0; !code && out.topics_n == 1 && k < out.topics[0].partitions_n; k++)
        code = out.topics[0].partitions[k].error_code;
    if (code)
        return refused("delete offsets of", name,
                       code == K_SUBSCRIBED_TO_TOPIC || code == K_NON_EMPTY_GROUP
                           ? "its members read the topic: stop them first" : remote_error(code));
    printf("deleted %u offsets of %s from %.*s\n", parts, topic, STR_ARG(name));
    return 0;
}

static int delete_one(struct group_options *o, struct str name)
{
    int code = 0;
    if (o->ntopics == 0)
        return delete_group(o, name);
    for (unsigned i = 0; i < o->ntopics && code != EXIT_LOST; i++) {
        int rc = delete_topic(o, name, o->topics[i]);
        code = MAX(code, rc);
    }
    return code;
}

/* ---- reset */

/* One topic's new offsets, -1 for partitions that are not meant. */
struct change_of {
    struct metadata_response_topic t;
    int64_t *was, *to;
};

static int reset_topic(struct group_options *o, const struct goal *g, const struct held *held, uint32_t nheld,
                       const char *topic, int64_t only, struct change_of *ch)
{
    int rc = kafka_topic(o->rm, CMD, topic, false, &ch->t, &o->arena);
    if (rc)
        return rc;
    uint32_t n = ch->t.partitions_n;
    if (only >= (int64_t)n)
        return refused("reset", str_of(topic), "it has no such partition");
    int64_t *start = ARENA_ARRAY(&o->arena, int64_t, n + 1), *end = ARENA_ARRAY(&o->arena, int64_t, n + 1);
    ch->was = ARENA_ARRAY(&o->arena, int64_t, n + 1);
    ch->to = ARENA_ARRAY(&o->arena, int64_t, n + 1);
    rc = goal_offsets(o->rm, CMD, &ch->t, g, ch->to, start, end, &o->arena);
    for (uint32_t p = 0; rc == 0 && p < n; p++) {
        ch->was[p] = -1;
        if (only >= 0 && only != (int64_t)p)
            ch->to[p] = -1;
    }
    for (uint32_t i = 0; i < nheld && rc == 0; i++)
        for (uint32_t k = 0; k < held[i].n && str_eq(held[i].topic, ch->t.name); k++)
            if (held[i].parts[k] >= 0 && (uint32_t)held[i].parts[k] < n)
                ch->was[held[i].parts[k]] = held[i].offsets[k];
    return rc;
}

static int reset_commit(struct group_options *o, struct str name, const struct change_of *changes, uint32_t n)
{
    struct offset_commit_request in;
    struct offset_commit_response out;
    struct diag d = {.text = ""};
    offset_commit_request_init(&in);
    in.group_id = name;
    in.member_id = STR("");
    in.topics = ARENA_ARRAY(&o->arena, struct offset_commit_request_topic, n + 1);
    in.topics_n = n;
    for (uint32_t i = 0; i < n; i++) {
        struct offset_commit_request_topic *t = &in.topics[i];
        t->name = changes[i].t.name;
        t->partitions = ARENA_ARRAY(&o->arena, struct offset_commit_request_partition, changes[i].t.partitions_n + 1);
        for (uint32_t p = 0; p < changes[i].t.partitions_n; p++) {
            if (changes[i].to[p] < 0)
                continue;
            struct offset_commit_request_partition *pi = &t->partitions[t->partitions_n++];
            offset_commit_request_partition_init(pi);
            pi->partition_index = (int32_t)p;
            pi->committed_offset = changes[i].to[p];
        }
    }
    int version = MIN(remote_version(o->rm, KEY_COMMIT), BY_NAME);
    if (remote_call(o->rm, KEY_COMMIT, version, &in, &out, &o->arena, &d) < 0)
        return kafka_complain(CMD, &d, EXIT_LOST);
    for (uint32_t i = 0; i < out.topics_n; i++)
        for (uint32_t k = 0; k < out.topics[i].partitions_n; k++) {
            int16_t code = out.topics[i].partitions[k].error_code;
            if (code == K_UNKNOWN_MEMBER || code == K_ILLEGAL_GENERATION)
                return refused("reset", name, "a member has joined it meanwhile");
            if (code)
                return refused("reset", name, remote_error(code));
        }
    return 0;
}

static void reset_print(const struct group_options *o, struct str name, const struct change_of *ch, uint32_t n)
{
    printf("%s %.*s\n  %-24s %9s  %12s  %12s\n", o->dry_run ? "would reset" : "reset", STR_ARG(name), "topic", "partition",
           "was", "now");
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t p = 0; p < ch[i].t.partitions_n; p++)
            if (ch[i].to[p] >= 0)
                printf("  %-24.*s %9u  %12lld  %12lld\n", STR_ARG(ch[i].t.name), p, (long long)ch[i].was[p],
                       (long long)ch[i].to[p]);
}

/* A group may be new: it begins with these offsets then. But not one that is at work. */
static int reset_allowed(struct group_options *o, struct str name)
{
    struct describe_groups_response_group g;
    int rc = ask_group(o, "reset", name, &g);
    if (rc)
        return rc;
    if (g.error_code && g.error_code != K_GROUP_ID_NOT_FOUND)
        return refused("reset", name, remote_error(g.error_code));
    if (g.error_code || str_eq(g.group_state, STR("Dead")) || str_eq(g.group_state, STR("Empty")))
        return 0;
    return refused("reset", name,
                   arena_printf(&o->arena, "it is %.*s, with %u members%s%.*s: stop them first", STR_ARG(g.group_state),
                                g.members_n, g.members_n ? ", one of them " : "",
                                STR_ARG(g.members_n ? g.members[0].member_id : STR(""))));
}

/* TOPIC or TOPIC:PARTITION: names hold no colon. */
static bool split_topic(struct group_options *o, const char *text, const char **topic, int64_t *only)
{
    const char *colon = strchr(text, ':');
    *only = -1;
    *topic = colon ? arena_printf(&o->arena, "%.*s", (int)(colon - text), text) : text;
    return !colon || (str_to_i64(str_of(colon + 1), only) && *only >= 0);
}

static int reset_one(struct group_options *o, struct str name)
{
    struct goal g;
    struct held *held = NULL;
    uint32_t nheld = 0;
    CHECK(goal_parse(o->to, &g));
    int rc = reset_allowed(o, name);
    if (rc == 0)
        rc = committed(o, "reset", name, &held, &nheld);
    uint32_t n = o->ntopics ? o->ntopics : nheld;
    if (rc == 0 && n == 0)
        return refused("reset", name, "it has no offsets: say which --topic");
    struct change_of *changes = ARENA_ARRAY(&o->arena, struct change_of, n + 1);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        const char *topic = o->ntopics ? NULL : held[i].topic.ptr;
        int64_t only = -1;
        if (o->ntopics && !split_topic(o, o->topics[i], &topic, &only))
            return kafka_usage(CMD, "not of the form TOPIC or TOPIC:PARTITION", o->topics[i]);
        rc = reset_topic(o, &g, held, nheld, topic, only, &changes[i]);
    }
    if (rc == 0 && !o->dry_run)
        rc = reset_commit(o, name, changes, n);
    if (rc == 0)
        reset_print(o, name, changes, n);
    return rc;
}

/* ---- the command */

static const struct {
    const char *name;
    int (*run)(struct group_options *o, struct str group); /* NULL: list */
} actions[] = {{"list", NULL}, {"describe", describe_one}, {"delete", delete_one}, {"reset", reset_one}};

static int run_each(struct group_options *o, int (*run)(struct group_options *, struct str))
{
    int code = 0;
    for (int i = 0; i < o->nnames && code != EXIT_LOST; i++) {
        o->patience = PATIENCE;
        int rc = run(o, str_of(o->names[i]));
        code = MAX(code, rc);
    }
    return code;
}

static int run_action(struct group_options *o, const char *what, size_t i)
{
    struct goal g;
    bool resets = strcmp(what, "reset") == 0;
    if ((actions[i].run != NULL) != (o->nnames > 0))
        return kafka_usage(CMD, o->nnames ? "unexpected argument" : "which group?", o->nnames ? o->names[0] : NULL);
    if (resets && !o->to)
        return kafka_usage(CMD, "reset to what? say --to", NULL);
    if (o->to && (!resets || !goal_parse(o->to, &g)))
        return kafka_usage(CMD, resets ? "--to takes " GOAL_WAYS : "--to is for reset",
                           o->to);
    if ((o->dry_run && !resets) || (o->ntopics && !resets && strcmp(what, "delete") != 0))
        return kafka_usage(CMD, "an option of another action", NULL);
    int code = kafka_connect(&o->rm, CMD, o->server);
    if (code)
        return code;
    code = actions[i].run ? run_each(o, actions[i].run) : run_list(o);
    remote_close(o->rm);
    return code;
}

enum { OPT_SERVER = 256, OPT_TOPIC, OPT_TO, OPT_DRY_RUN };
static const struct option long_options[] = {{"server", required_argument, NULL, OPT_SERVER},
                                             {"topic", required_argument, NULL, OPT_TOPIC},
                                             {"to", required_argument, NULL, OPT_TO},
                                             {"dry-run", no_argument, NULL, OPT_DRY_RUN},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

static int run(int argc, char **argv, struct group_options *o)
{
    for (int opt; (opt = getopt_long(argc, argv, "h", long_options, NULL)) != -1;) {
        switch (opt) {
        case OPT_SERVER: o->server = optarg; break;
        case OPT_TOPIC: VEC_PUSH(o->topics, o->ntopics, o->topics_cap) = optarg; break;
        case OPT_TO: o->to = optarg; break;
        case OPT_DRY_RUN: o->dry_run = true; break;
        case 'h': fputs(usage, stdout); return 0;
        default: fputs("try: weir group --help\n", stderr); return EXIT_WRONG;
        }
    }
    const char *what = optind < argc ? argv[optind++] : NULL;
    o->names = argv + optind;
    o->nnames = argc - optind;
    for (size_t i = 0; what && i < ARRAY_LEN(actions); i++)
        if (strcmp(what, actions[i].name) == 0)
            return run_action(o, what, i);
    return kafka_usage(CMD, "say list, describe, delete or reset", what);
}

int cmd_group(int argc, char **argv)
{
    struct group_options o = {.patience = PATIENCE};
    arena_init(&o.arena);
    int code = run(argc, argv, &o);
    arena_fini(&o.arena);
    xfree(o.topics);
    return code;
}
