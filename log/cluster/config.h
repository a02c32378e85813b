/* Topic configuration: the keys that have an effect, their checks, and what they mean together.
 * Thread: pure. */
#ifndef CLUSTER_CONFIG_H
#define CLUSTER_CONFIG_H
#include "log/cluster/cluster.h"

/* 0, or E_BAD_CONFIG with a sentence for an unknown key or a value it does not take. */
int topic_config_check(struct str key, struct str value, struct diag *d);
/* Fills what partitions and produce obey (conf, the timestamp bounds, min_isr) from configs over conf's defaults.
 * Unknown keys, as a newer version may have left them, have no effect. */
void topic_config_apply(struct topic *t, const struct config *conf);
/* The i-th key with its value on this topic. */
bool topic_config_item(const struct topic *t, const struct config *conf, unsigned i, struct topic_config_item *out);

#endif
