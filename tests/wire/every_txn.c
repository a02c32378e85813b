/* The requests of transactions, in every version (every.h). */
#include "tests/wire/every.h"

/* ---- transactions. One producer each for versions of the first protocol and of the second. */

static const struct init_producer_id_response *txn_producer(const char *id)
{
    struct init_producer_id_request in;
    const struct init_producer_id_response *out;
    init_producer_id_request_init(&in);
    in.transactional_id = str_of(id);
    in.transaction_timeout_ms = 60000;
    do
        out = every_call(22, 4, &in);
    while (out->error_code == K_CONCURRENT_TRANSACTIONS);
    assert_int_equal(out->error_code, 0);
    return out;
}

void do_find_coordinator(int version)
{
    struct find_coordinator_request in;
    struct str keys[] = {STR("one"), STR("two")};
    find_coordinator_request_init(&in);
    for (int8_t type = 0; type <= (version > 0); type++) {
        in.key = keys[0];
        in.key_type = type;
        in.coordinator_keys = keys;
        in.coordinator_keys_n = 2;
        const struct find_coordinator_response *out = every_call(10, version, &in);
        assert_int_equal(version < 4 ? out->error_code : out->coordinators[1].error_code, 0);
        assert_int_equal(version < 4 ? out->node_id : out->coordinators[1].node_id, 1);
        assert_int_equal(out->coordinators_n, version < 4 ? 0 : 2);
    }
    in.key_type = 7;
    const struct find_coordinator_response *out = every_call(10, version, &in);
    if (version > 0)
        assert_int_equal(version < 4 ? out->error_code : out->coordinators[0].error_code, K_INVALID_REQUEST);
}

static int16_t add_part(int version, const struct init_producer_id_response *p, int16_t epoch, int32_t part, bool verify)
{
    struct add_partitions_to_txn_request in;
    struct add_partitions_to_txn_request_topic t = {STR("grows"), &part, 1};
    struct add_partitions_to_txn_request_old_topic old = {STR("grows"), &part, 1};
    struct add_partitions_to_txn_request_transaction tx = {
        .transactional_id = STR("add"), .producer_id = p->producer_id, .producer_epoch = epoch, .verify_only = verify,
        .topics = &t, .topics_n = 1};
    add_partitions_to_txn_request_init(&in);
    in.transactions = &tx;
    in.transactions_n = 1;
    in.v3_and_below_transactional_id = tx.transactional_id;
    in.v3_and_below_producer_id = p->producer_id;
    in.v3_and_below_producer_epoch = epoch;
    in.v3_and_below_topics = &old;
    in.v3_and_below_topics_n = 1;
    const struct add_partitions_to_txn_response *out = every_call(24, version, &in);
    assert_int_equal(out->error_code, 0);
    return version < 4 ? out->results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
                       : out->results_by_transaction[0].topic_results[0].results_by_partition[0].partition_error_code;
}

void do_add_partitions_to_txn(int version)
{
    struct init_producer_id_response p = *txn_producer("add");
    assert_int_equal(add_part(version, &p, p.producer_epoch, 0, false), 0);
    assert_int_equal(add_part(version, &p, p.producer_epoch, 0, true), 0);
    assert_int_equal(add_part(version, &p, p.producer_epoch, 9, false), K_UNKNOWN_TOPIC);
    assert_int_equal(add_part(version, &p, (int16_t)(p.producer_epoch - 1), 0, false),
                     version < 2 ? K_INVALID_PRODUCER_EPOCH : K_PRODUCER_FENCED);
    if (version >= 4)
        assert_int_equal(add_part(version, &p, p.producer_epoch, 1, true),
                         version < 5 ? K_INVALID_TXN_STATE : K_TXN_ABORTABLE);
}

void do_end_txn(int version)
{
    struct init_producer_id_response p = *txn_producer("add");
    assert_int_equal(add_part(version < 5 ? 3 : 5, &p, p.producer_epoch, 0, false), 0);
    struct end_txn_request in = {STR("add"), p.producer_id, p.producer_epoch, true};
    for (int again = 0; again < 2; again++) {
        const struct end_txn_response *out;
        do
            out = every_call(26, version, &in);
        while (out->error_code == K_CONCURRENT_TRANSACTIONS);
        assert_int_equal(out->error_code, 0);
        if (version >= 5)
            assert_int_equal(out->producer_epoch, p.producer_epoch + 1);
    }
    in.committed = false;
    const struct end_txn_response *out = every_call(26, version, &in);
    assert_int_equal(out->error_code, K_INVALID_TXN_STATE);
    in.transactional_id = STR("nobody");
    out = every_call(26, version, &in);
    assert_int_equal(out->error_code, K_INVALID_PRODUCER_ID_MAPPING);
}

void do_write_txn_markers(int version)
{
    int32_t parts[] = {0, 9};
    struct write_txn_markers_request_topic t = {STR("grows"), parts, 2};
    struct write_txn_markers_request_marker m = {.producer_id = 987654, .topics = &t, .topics_n = 1,
                                                 .transaction_version = 2, .producer_epoch = (int16_t)version};
    struct write_txn_markers_request in = {&m, 1};
    const struct write_txn_markers_response *out = every_call(27, version, &in);
    assert_int_equal(out->markers[0].topics[0].partitions[0].error_code, 0);
    assert_int_equal(out->markers[0].topics[0].partitions[1].error_code, K_UNKNOWN_TOPIC);
}

void do_describe_transactions(int version)
{
    struct init_producer_id_response p = *txn_producer("add");
    assert_int_equal(add_part(3, &p, p.producer_epoch, 1, false), 0);
    struct str ids[] = {STR("add"), STR("nobody"), STR("")};
    struct describe_transactions_request in = {ids, 3};
    const struct describe_transactions_response *out = every_call(65, version, &in);
    assert_int_equal(out->transaction_states_n, 3);
    assert_true(str_eq(out->transaction_states[0].transaction_state, STR("Ongoing")));
    assert_int_equal(out->transaction_states[0].producer_id, p.producer_id);
    assert_int_equal(out->transaction_states[0].topics_n, 1);
    assert_int_equal(out->transaction_states[0].topics[0].partitions[0], 1);
    assert_int_equal(out->transaction_states[1].error_code, K_TXN_ID_NOT_FOUND);
    assert_int_equal(out->transaction_states[2].error_code, K_INVALID_REQUEST);
}

void do_list_transactions(int version)
{
    struct str states[] = {STR("Ongoing"), STR("Dreaming")};
    struct list_transactions_request in;
    list_transactions_request_init(&in);
    in.state_filters = states;
    in.state_filters_n = 2;
    const struct list_transactions_response *out = every_call(66, version, &in);
    assert_int_equal(out->error_code, 0);
    assert_int_equal(out->unknown_state_filters_n, 1);
    assert_int_equal(out->transaction_states_n, 1);
    assert_true(str_eq(out->transaction_states[0].transactional_id, STR("add")));
    if (version < 2)
        return;
    in.transactional_id_pattern = STR("a[cd]+");
    out = every_call(66, version, &in);
    assert_int_equal(out->transaction_states_n, 1);
    in.transactional_id_pattern = STR("a");
    out = every_call(66, version, &in);
    assert_int_equal(out->transaction_states_n, 0);
    in.transactional_id_pattern = STR("(");
    out = every_call(66, version, &in);
    assert_int_equal(out->error_code, K_INVALID_PATTERN);
    in.transactional_id_pattern = STR("(?:.?){99}[xy]"); /* in too many ways */
    out = every_call(66, version, &in);
    assert_int_equal(out->error_code, K_INVALID_PATTERN);
    assert_int_equal(out->transaction_states_n, 0);
}

static int16_t txn_commit(int version, const struct init_producer_id_response *p, const char *group, int64_t offset)
{
    struct txn_offset_commit_request in;
    struct txn_offset_commit_request_topic t;
    struct txn_offset_commit_request_partition part;
    txn_offset_commit_request_init(&in);
    txn_offset_commit_request_topic_init(&t);
    txn_offset_commit_request_partition_init(&part);
    in.transactional_id = STR("offsets");
    in.group_id = str_of(group);
    in.producer_id = p->producer_id;
    in.producer_epoch = p->producer_epoch;
    part.committed_offset = offset;
    part.committed_metadata = STR("");
    t.name = STR("every");
    t.partitions = &part;
    t.partitions_n = 1;
    in.topics = &t;
    in.topics_n = 1;
    const struct txn_offset_commit_response *out = every_call(28, version, &in);
    return out->topics[0].partitions[0].error_code;
}

static int16_t add_offsets(int version, const struct init_producer_id_response *p, const char *group)
{
    struct add_offsets_to_txn_request in = {STR("offsets"), p->producer_id, p->producer_epoch, str_of(group)};
    const struct add_offsets_to_txn_response *out;
    do
        out = every_call(25, version, &in);
    while (out->error_code == K_CONCURRENT_TRANSACTIONS);
    return out->error_code;
}

static void end_txn(int version, const struct init_producer_id_response *p, bool commit)
{
    struct end_txn_request in = {STR("offsets"), p->producer_id, p->producer_epoch, commit};
    const struct end_txn_response *out = every_call(26, version, &in);
    assert_int_equal(out->error_code, 0);
}

void do_add_offsets_to_txn(int version)
{
    struct init_producer_id_response p = *txn_producer("offsets");
    assert_int_equal(add_offsets(version, &p, "txn"), 0);
    p.producer_id++;
    assert_int_equal(add_offsets(version, &p, "txn"), K_INVALID_PRODUCER_ID_MAPPING);
}

/* Pending until the end, then there or gone. */
void do_txn_offset_commit(int version)
{
    const char *group = every_name("txn", version);
    int16_t error;
    for (int round = 0; round < 2; round++) {
        struct init_producer_id_response p = *txn_producer("offsets"), other = p;
        int64_t before = round ? 1000 : -1;
        if (version < 5) {
            error = txn_commit(version, &p, group, 7); /* the group has not been added */
            assert_int_equal(error, version < 4 ? K_INVALID_TXN_STATE : K_TXN_ABORTABLE);
            assert_int_equal(add_offsets(3, &p, group), 0);
        }
        assert_int_equal(txn_commit(version, &p, group, 1000 + round), 0);
        assert_int_equal(every_committed(group, false, &error), before);
        assert_int_equal(error, 0);
        every_committed(group, true, &error);
        assert_int_equal(error, K_UNSTABLE_OFFSET_COMMIT);
        other.producer_id = 4711000;
        error = txn_commit(version, &other, group, 7);
        assert_int_equal(error, K_INVALID_PRODUCER_ID_MAPPING);
        end_txn(version < 5 ? 3 : 5, &p, round == 0);
        do
            before = every_committed(group, true, &error);
        while (error == K_UNSTABLE_OFFSET_COMMIT);
        assert_int_equal(before, 1000); /* the second was aborted */
    }
}
