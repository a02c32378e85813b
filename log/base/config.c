#include "log/base/config.h"
#include "log/base/disk.h"
#include "log/base/limits.h"
#include "log/base/trace.h"
#include <errno.h>
#include <stdio.h>

struct setting {
    const char *key, *dflt, *doc;
    char type;
    size_t at; /* in struct config */
    int64_t min, max;
};

static const struct setting settings[] = {
#define INT 'i'
#define BOOL 'b'
#define TEXT 't'
#define X(field, key, type, dflt, min, max, doc) {key, dflt, doc, type, offsetof(struct config, field), min, max},
#include "log/base/config.def"
#undef X
#undef INT
#undef BOOL
#undef TEXT
};

/* Texts that are one of a few words. */
static const struct {
    const char *key, *words[4];
} choices[] = {{"log.sync", {"always", "os"}}};

/* Variables of the same prefix that are no settings: the tests' seed and fault point. */
static const char *const other_variables[] = {"WEIR_SEED", "WEIR_FIRST_SEED", "WEIR_ROUNDS", "WEIR_FAULT", "WEIR_BUG", "WEIR_HISTORY",
                                              "WEIR_SERVER", "WEIR_LOSSY_DIR", "WEIR_LOSSY_SHADOW"};

static bool *bool_at(const struct config *c, const struct setting *s)
{
    return (bool *)(uintptr_t)((const char *)c + s->at);
}
static int64_t *int_at(const struct config *c, const struct setting *s)
{
    return (int64_t *)(uintptr_t)((const char *)c + s->at);
}
static const char **text_at(const struct config *c, const struct setting *s)
{
    return (const char **)(uintptr_t)((const char *)c + s->at);
}

static int set_int(struct config *c, const struct setting *s, struct str value, struct diag *d)
{
    int64_t n;
    if (!str_to_i64(value, &n))
        return diag_set(d, E_BAD_CONFIG, "%s takes a whole number, not \"%.*s\"", s->key, STR_ARG(value));
    if (n < s->min || n > s->max)
        return diag_set(d, E_BAD_CONFIG, "%s must lie between %" PRId64 " and %" PRId64 ", not %" PRId64, s->key,
                        s->min, s->max, n);
    *int_at(c, s) = n;
    return 0;
}

static int set_bool(struct config *c, const struct setting *s, struct str value, struct diag *d)
{
    bool yes = str_eq_nocase(value, STR("true"));
    if (!yes && !str_eq_nocase(value, STR("false")))
        return diag_set(d, E_BAD_CONFIG, "%s takes true or false, not \"%.*s\"", s->key, STR_ARG(value));
    *bool_at(c, s) = yes;
    return 0;
}

static int check_choice(const struct setting *s, struct str value, struct diag *d)
{
    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        if (strcmp(choices[i].key, s->key))
            continue;
        for (const char *const *word = choices[i].words; *word; word++)
            if (str_eq(value, str_of(*word)))
                return 0;
        int err = diag_set(d, E_BAD_CONFIG, "%s cannot be \"%.*s\"", s->key, STR_ARG(value));
        diag_hint(d, "%s", s->doc);
        return err;
    }
    return 0;
}

static int set_text(struct config *c, const struct setting *s, struct str value, struct diag *d)
{
    int err = check_choice(s, value, d);
    if (err)
        return err;
    if (value.len && memchr(value.ptr, 0, value.len))
        return diag_set(d, E_BAD_CONFIG, "%s holds a zero byte", s->key);
    *text_at(c, s) = arena_dup(&c->arena, value.ptr ? value : STR("")).ptr;
    return 0;
}

static int setting_set(struct config *c, const struct setting *s, struct str value, struct diag *d)
{
    switch (s->type) {
    case 'i':
        return set_int(c, s, value, d);
    case 'b':
        return set_bool(c, s, value, d);
    default:
        return set_text(c, s, value, d);
    }
}

void config_init(struct config *c)
{
    memset(c, 0, sizeof *c);
    arena_init(&c->arena);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        CHECK(setting_set(c, &settings[i], str_of(settings[i].dflt), NULL) == 0);
}

void config_fini(struct config *c) { arena_fini(&c->arena); }

/* The setting most like an unknown name, if any is close enough to be meant. */
static const struct setting *nearest(struct str name, struct str (*spell)(const struct setting *, char *))
{
    char text[128];
    const struct setting *best = NULL;
    unsigned best_distance = 1 + (unsigned)MIN(name.len / 4, (size_t)6);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        unsigned distance = str_distance(name, spell(&settings[i], text));
        if (distance < best_distance) {
            best = &settings[i];
            best_distance = distance;
        }
    }
    return best;
}

static struct str spell_key(const struct setting *s, char *text)
{
    (void)text;
    return str_of(s->key);
}

/* What one file, or one of the other places, has said so far. */
struct said {
    bool settings[ARRAY_LEN(settings)];
};

/* said NULL: it may be said again. */
static int say(struct config *c, struct said *said, const struct setting *s, struct str value, struct diag *d)
{
    bool again = said && said->settings[s - settings];
    if (again)
        return diag_set(d, E_BAD_CONFIG, "%s is set twice: only one of the two can be meant", s->key);
    if (said)
        said->settings[s - settings] = true;
    return setting_set(c, s, value, d);
}

static int key_set(struct config *c, struct said *said, struct str key, struct str value, struct diag *d)
{
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (str_eq(key, str_of(settings[i].key)))
            return say(c, said, &settings[i], value, d);
    int err = diag_set(d, E_BAD_CONFIG, "unknown setting \"%.*s\"", STR_ARG(key));
    const struct setting *near = nearest(key, spell_key);
    if (near)
        diag_hint(d, "did you mean %s?", near->key);
    return err;
}

int config_check(const struct config *c, struct diag *d)
{
    enum { UNSAID_MIN_MS = 5 }; /* as in config.def; it gives way to a longest time below it */
    if (c->commit_interval_min_ms <= c->commit_interval_ms || c->commit_interval_min_ms == UNSAID_MIN_MS)
        return 0;
    return diag_set(d, E_BAD_CONFIG, "commit.interval.min.ms is %" PRId64 ", more than commit.interval.ms, which is %" PRId64,
                    c->commit_interval_min_ms, c->commit_interval_ms);
}

int config_set(struct config *c, struct str key, struct str value, struct diag *d)
{
    return key_set(c, NULL, key, value, d);
}

int config_list(struct config *c, const char *const *items, unsigned n, struct diag *d)
{
    struct said said = {{false}};
    int err = 0;
    for (unsigned i = 0; i < n && !err; i++) {
        const char *eq = strchr(items[i], '=');
        if (!eq)
            return diag_set(d, E_BAD_CONFIG, "\"%s\" is not of the form KEY=VALUE", items[i]);
        struct str key = {items[i], (size_t)(eq - items[i])};
        err = key_set(c, &said, str_trim(key), str_trim(str_of(eq + 1)), d);
    }
    return err;
}

static int line_set(struct config *c, struct said *said, struct str line, struct diag *d)
{
    line = str_trim(line);
    if (!line.len || line.ptr[0] == '#')
        return 0;
    const char *equals = memchr(line.ptr, '=', line.len);
    if (!equals)
        return diag_set(d, E_BAD_CONFIG, "expected key = value, found \"%.*s\"", (int)MIN(line.len, (size_t)80),
                        line.ptr);
    struct str key = {line.ptr, (size_t)(equals - line.ptr)};
    struct str value = {equals + 1, line.len - key.len - 1};
    return key_set(c, said, str_trim(key), str_trim(value), d);
}

int config_file(struct config *c, const char *path, struct diag *d)
{
    char *text;
    size_t len;
    int err = disk_read_file(disk_real(), path, CONFIG_FILE_BYTES, &text, &len);
    if (err == -ESPIPE)
        return diag_set(d, err, "this is no regular file; write the settings into one");
    if (err)
        return diag_set(d, err, "cannot be read: %s", err_text(err));
    struct said said = {{false}};
    size_t at = 0;
    for (int line = 1; at < len && !err; line++) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t n = end ? (size_t)(end - text) - at : len - at;
        err = line_set(c, &said, (struct str){text + at, n}, d);
        if (err && d)
            d->line = line;
        at += n + 1;
    }
    xfree(text);
    return err;
}

/* WEIR_ and the key in capitals, dots as underscores; a key's own "weir." is not said twice. */
static struct str spell_variable(const struct setting *s, char *text)
{
    const char *key = strncmp(s->key, "weir.", 5) ? s->key : s->key + 5;
    size_t n = 5;
    memcpy(text, "WEIR_", n);
    for (; *key; key++) {
        CHECK(n < 127);
        text[n++] = *key == '.' ? '_' : *key >= 'a' && *key <= 'z' ? (char)(*key - 'a' + 'A') : *key;
    }
    return (struct str){text, n};
}

static int variable_unknown(struct str name, struct diag *d)
{
    for (size_t i = 0; i < ARRAY_LEN(other_variables); i++)
        if (str_eq(name, str_of(other_variables[i])))
            return 0;
    const struct setting *near = nearest(name, spell_variable);
    if (!near) {
        trace(WARN, "config", "unknown_variable name=%.*s", STR_ARG(name));
        return 0;
    }
    char text[128];
    int err = diag_set(d, E_BAD_CONFIG, "unknown environment variable %.*s", STR_ARG(name));
    diag_hint(d, "did you mean %.*s?", STR_ARG(spell_variable(near, text)));
    return err;
}

static int variable_set(struct config *c, struct said *said, struct str name, struct str value, struct diag *d)
{
    char text[128];
    struct str spelled = name;
    if (str_starts(name, STR("WEIR_WEIR_"))) { /* said twice all the same */
        spelled.ptr += 5;
        spelled.len -= 5;
    }
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (str_eq(spelled, spell_variable(&settings[i], text)))
            return say(c, said, &settings[i], value, d);
    return variable_unknown(name, d);
}

int config_env(struct config *c, char **environ_list, struct diag *d)
{
    struct said said = {{false}};
    for (char **entry = environ_list; *entry; entry++) {
        const char *equals = strchr(*entry, '=');
        if (!equals || strncmp(*entry, "WEIR_", 5))
            continue;
        struct str name = {*entry, (size_t)(equals - *entry)};
        int err = variable_set(c, &said, name, str_trim(str_of(equals + 1)), d);
        if (err)
            return err;
    }
    return 0;
}

bool config_item(const struct config *c, unsigned i, struct config_item *out)
{
    if (i >= ARRAY_LEN(settings))
        return false;
    const struct setting *s = &settings[i];
    *out = (struct config_item){.key = s->key, .dflt = s->dflt, .doc = s->doc, .type = s->type};
    if (s->type == 'i')
        snprintf(out->value, sizeof out->value, "%" PRId64, *int_at(c, s));
    else if (s->type == 'b')
        snprintf(out->value, sizeof out->value, "%s", *bool_at(c, s) ? "true" : "false");
    else
        snprintf(out->value, sizeof out->value, "%s", *text_at(c, s));
    out->is_default = s->type == 't' ? !strcmp(*text_at(c, s), s->dflt) : !strcmp(out->value, s->dflt);
    return true;
}
