/* Building a change: a list of records, checked as far as that goes without knowing what exists. */
#include "log/cluster/command.h"
#include "log/base/limits.h"
#include "log/base/loop.h"
#include "log/base/random.h"
#include "log/cluster/config.h"

void change_init(struct change *ch)
{
    *ch = (struct change){0};
    arena_init(&ch->arena);
}

void change_fini(struct change *ch)
{
    for (unsigned i = 0; i < ch->n; i++)
        wbuf_fini(&ch->records[i]);
    xfree(ch->records);
    arena_fini(&ch->arena);
}

static void add(struct change *ch, const struct command *cmd, const struct topic_config *configs, unsigned nconfigs)
{
    struct wbuf *w = &VEC_PUSH(ch->records, ch->n, ch->cap);
    wbuf_init(w);
    command_encode(w, cmd, configs, nconfigs);
}

static bool name_ok(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-'))
            return false;
    }
    return s.len > 0 && s.len <= 249 && !str_eq(s, STR(".")) && !str_eq(s, STR(".."));
}

/* By the loop's chance, where there is one: the same history must give the same ids in every run of the simulator,
 * because they decide who owns a partition. */
static void id_new(struct uuid *id)
{
    struct loop *loop = loop_current();
    if (!loop) {
        random_system(id->b, sizeof id->b);
        return;
    }
    put_be64(id->b, loop_random(loop));
    put_be64(id->b + 8, loop_random(loop));
}

int change_create_topic(struct change *ch, struct str name, struct uuid *id, int32_t nparts,
                        const struct topic_config *configs, unsigned nconfigs, struct diag *d)
{
    if (!name_ok(name))
        return diag_set(d, E_BAD_TOPIC,
                        "a topic's name has 1 to 249 letters, digits, dots, dashes and underscores; \"%.*s\" does not fit",
                        (int)MIN(name.len, 60), name.ptr ? name.ptr : "");
    if (str_eq(name, STR("__cluster_metadata")))
        return diag_set(d, E_BAD_TOPIC, "the name __cluster_metadata is the server's own");
    if (nparts < 1 || nparts > CLUSTER_PARTS_MAX)
        return diag_set(d, E_BAD_PARTITIONS, "a topic has 1 to %d partitions, not %d", CLUSTER_PARTS_MAX, nparts);
    for (unsigned i = 0; i < nconfigs; i++) {
        int rc = topic_config_check(str_of(configs[i].key), str_of(configs[i].value), d);
        if (rc < 0)
            return rc;
    }
    while (uuid_is_zero(*id))
        id_new(id);
    add(ch, &(struct command){.type = CMD_TOPIC, .id = *id, .name = name, .nparts = nparts}, configs, nconfigs);
    return 0;
}

void change_delete_topic(struct change *ch, struct uuid id)
{
    add(ch, &(struct command){.type = CMD_DELETE, .id = id}, NULL, 0);
}

void change_add_parts(struct change *ch, struct uuid id, int32_t nparts)
{
    add(ch, &(struct command){.type = CMD_PARTS, .id = id, .nparts = nparts}, NULL, 0);
}

void change_set_config(struct change *ch, struct uuid id, struct str key, struct str value)
{
    add(ch, &(struct command){.type = CMD_CONFIG, .id = id, .key = key, .value = value}, NULL, 0);
}

void change_put_object(struct change *ch, const char *kind, struct str name, struct uuid id, struct str body,
                       bool must_be_new)
{
    struct command cmd = {.type = CMD_OBJECT, .kind = str_of(kind), .name = name, .id = id, .body = body,
                          .must_be_new = must_be_new};
    add(ch, &cmd, NULL, 0);
}

void change_remove_object(struct change *ch, const char *kind, struct uuid id)
{
    add(ch, &(struct command){.type = CMD_REMOVE, .kind = str_of(kind), .id = id}, NULL, 0);
}

void change_producer_ids(struct change *ch, int64_t from, int64_t next)
{
    add(ch, &(struct command){.type = CMD_PRODUCERS, .from = from, .next = next}, NULL, 0);
}
