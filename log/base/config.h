/* Settings: flat `key = value`, read through one table (config.def). Precedence: flags, then WEIR_... environment
 * (dots become underscores, upper case), then file, then default. Kafka's names where Kafka has them.
 * Thread: filled before threads start, then read only. */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H
#include "log/base/alloc.h"
#include "log/base/err.h"

/* config.def: X(field, "key", TYPE, "default", min, max, "one-line doc")   TYPE: INT, BOOL, TEXT */
struct config {
#define INT int64_t
#define BOOL bool
#define TEXT const char *
#define X(field, key, type, dflt, min, max, doc) type field;
#include "log/base/config.def"
#undef X
#undef INT
#undef BOOL
#undef TEXT
    struct arena arena;
};
void config_init(struct config *c);                                         /* defaults */
void config_fini(struct config *c);
/* What is unknown is an error with did-you-mean; so is what one file, environment or list says twice. */
int config_file(struct config *c, const char *path, struct diag *d);
int config_env(struct config *c, char **environ, struct diag *d);
int config_list(struct config *c, const char *const *items, unsigned n, struct diag *d); /* each KEY=VALUE */
/* Of all that was said: do settings contradict each other? */
int config_check(const struct config *c, struct diag *d);
int config_set(struct config *c, struct str key, struct str value, struct diag *d);
/* For DescribeConfigs and --help: i-th key, its value now as text; false past the end. */
struct config_item {
    const char *key, *dflt, *doc;
    char type; /* 'i', 'b', 't' */
    char value[256];
    bool is_default;
};
bool config_item(const struct config *c, unsigned i, struct config_item *out);

#endif
