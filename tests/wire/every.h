/* What the files of wire_every_version share: a server, a connection, one function an API that asks every version of it
 * and says what the answer must say. */
#ifndef TESTS_EVERY_H
#define TESTS_EVERY_H
#include "log/client/remote.h"
#include "tests/unit/unit.h"

extern struct arena every_arena;
extern struct uuid every_topic_id; /* of "every", once Metadata has been asked */

/* The answer, in every_arena; fails the test if there is none. */
const void *every_call(int16_t key, int version, const void *request);
/* "WHAT-VERSION" */
const char *every_name(const char *what, int version);

void do_join_group(int version);
void do_sync_group(int version);
void do_heartbeat(int version);
void do_leave_group(int version);
void do_offset_commit(int version);
void do_offset_fetch(int version);
void do_offset_delete(int version);
void do_describe_groups(int version);
void do_list_groups(int version);
void do_consumer_group_heartbeat(int version);
void do_consumer_group_describe(int version);
void do_delete_groups(int version);
/* What the group has committed for partition 0 of "every"; the code of its partition in *error. */
int64_t every_committed(const char *group, bool stable, int16_t *error);

void do_find_coordinator(int version);
void do_add_partitions_to_txn(int version);
void do_end_txn(int version);
void do_write_txn_markers(int version);
void do_describe_transactions(int version);
void do_list_transactions(int version);
void do_add_offsets_to_txn(int version);
void do_txn_offset_commit(int version);

void do_describe_configs(int version);
void do_incremental_alter_configs(int version);
void do_alter_configs(int version);
void do_describe_log_dirs(int version);
void do_elect_leaders(int version);
void do_list_config_resources(int version);
void do_describe_topic_partitions(int version);
void do_update_features(int version);
void do_alter_client_quotas(int version);
void do_describe_client_quotas(int version);

#endif
