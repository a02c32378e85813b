/* Session properties (SET) and variables (DEFINE): a short list by name. */
#include "sql/bind/bind.h"
#include "log/base/limits.h"
#include <stdio.h>

void settings_init(struct settings *s) { *s = (struct settings){0}; }

void settings_fini(struct settings *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        xfree(s->items[i].name);
        xfree(s->items[i].value);
    }
    xfree(s->items);
}

static struct setting *find(const struct settings *s, struct str name)
{
    for (unsigned i = 0; s && i < s->n; i++)
        if (str_eq_nocase(str_of(s->items[i].name), name))
            return &s->items[i];
    return NULL;
}

struct str settings_get(const struct settings *s, struct str name)
{
    const struct setting *it = find(s, name);
    return it ? str_of(it->value) : STR_NULL;
}

void settings_put(struct settings *s, struct str name, struct str value)
{
    struct setting *it = find(s, name);
    if (it && !value.ptr) {
        xfree(it->name);
        xfree(it->value);
        *it = s->items[--s->n];
    } else if (it) {
        xfree(it->value);
        it->value = xstrndup(value.ptr, value.len);
    } else if (value.ptr) {
        VEC_PUSH(s->items, s->n, s->cap) =
            (struct setting){xstrndup(name.ptr, name.len), xstrndup(value.ptr, value.len)};
    }
}

static const char *const resets[] = {"earliest", "latest", NULL};
static const char *const key_formats[] = {"KAFKA", "JSON", "DELIMITED", NULL};
static const char *const value_formats[] = {"JSON", "DELIMITED", "KAFKA", NULL};
static const char *const modes[] = {"in_place", "beside", NULL};
static const char *const guarantees[] = {"exactly_once", "at_least_once", NULL};
static const char *const tolerances[] = {"dead-letter", "skip", "stop", NULL};
static const char *const lates[] = {"count", "dead-letter", NULL};
static const char *const profiles[] = {"standard", "ksql", NULL};
static const char *const emits[] = {"epoch", "record", NULL};
static const char *const losses[] = {"refuse", "skip", NULL};
static const struct property properties[] = {
    {"auto.offset.reset", "earliest", "where queries begin to read streams", resets, true, 0},
    {"ksql.persistence.default.format.key", "", "KEY_FORMAT of relations that do not say", key_formats, false, 0},
    {"ksql.persistence.default.format.value", "", "VALUE_FORMAT of relations that do not say", value_formats, false, 0},
    {"replace.mode", "in_place", "where CREATE OR REPLACE runs the new version", modes, false, 0},
    {"processing.guarantee", "", "of jobs made from now on; else the server's", guarantees, false, 0},
    {"errors.tolerance", "dead-letter", "what jobs made from now on do with bad records", tolerances, false, 0},
    {"errors.deadletterqueue.topic.name", "", "where they go; else the job's name with _dlq behind", NULL, false, 0},
    {"late.records", "count", "what jobs made from now on do with rows whose windows have closed", lates, false, 0},
    {"restore.lost.records", "refuse", "RESTORE where records that came after the savepoint are gone", losses, false, 0},
    {"job.cpu.share", "10", "weight of jobs made from now on where others want the same CPU time", NULL, false,
     ENGINE_SHARE_MAX},
    {"sql.profile", "standard", "'ksql': results come as ksqlDB gives them: 'emit' is 'record' where nobody says", profiles, false, 0},
    {"emit", "", "'record': a result for each record; 'epoch': the last one of each key and epoch", emits, false, 0},
};

const struct property *property_at(unsigned i) { return i < ARRAY_LEN(properties) ? &properties[i] : NULL; }

struct str property_get(const struct settings *props, const char *name)
{
    struct str value = settings_get(props, str_of(name));
    for (unsigned i = 0; !value.ptr && i < ARRAY_LEN(properties); i++)
        if (strcmp(properties[i].name, name) == 0)
            return str_of(properties[i].dflt);
    return value;
}

bool emits_records(const struct settings *props)
{
    struct str emit = property_get(props, "emit");
    return emit.len ? str_eq(emit, STR("record")) : str_eq(property_get(props, "sql.profile"), STR("ksql"));
}

bool reset_time(struct str value, int64_t *ms)
{
    struct str prefix = STR("timestamp:");
    if (value.len <= prefix.len || !str_eq_nocase((struct str){value.ptr, prefix.len}, prefix))
        return false;
    struct str when = {value.ptr + prefix.len, value.len - prefix.len};
    return (str_to_i64(when, ms) || timestamp_parse(when, ms)) && *ms > 0;
}

static bool is_topic_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] | 32) >= 'a' && (s.ptr[i] | 32) <= 'z') && !(s.ptr[i] >= '0' && s.ptr[i] <= '9') &&
            !memchr("._-", s.ptr[i], 3))
            return false;
    return s.len > 0 && s.len < 250 && !str_eq(s, STR(".")) && !str_eq(s, STR(".."));
}

struct str property_value(const struct property *p, struct str value)
{
    int64_t ms, n;
    if (p->most)
        return str_to_i64(value, &n) && n >= 1 && n <= p->most ? value : STR_NULL;
    if (!p->values) /* names that begin so are the server's own */
        return is_topic_name(value) && !str_starts(value, STR("__")) ? value : STR_NULL;
    for (unsigned i = 0; p->values[i]; i++)
        if (str_eq_nocase(value, str_of(p->values[i])))
            return str_of(p->values[i]);
    return p->time && reset_time(value, &ms) ? value : STR_NULL;
}

void property_list(const struct property *p, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = 0;
    if (p->most)
        snprintf(out, cap, "a number from 1 to %" PRId64, p->most);
    else if (!p->values)
        snprintf(out, cap, "a topic's name: letters, digits, dots, dashes and underscores, not two of these in front");
    for (unsigned i = 0; p->values && p->values[i]; i++) {
        snprintf(out + len, cap - len, "%s'%s'", i ? ", " : "", p->values[i]);
        len = strlen(out);
    }
    if (p->time)
        snprintf(out + len, cap - len, ", 'timestamp:2024-01-31T12:00:00' (or ms)");
}
