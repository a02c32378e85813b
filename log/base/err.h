/* The one list of errors. 0 is good, negative is an error; libuv's and libc's negative errno values pass through.
 * A call that fails changed nothing and its callback never runs. */
#ifndef BASE_ERR_H
#define BASE_ERR_H
#include "log/base/base.h"

/* name, number, Kafka's error code, text for people */
#define ERR_LIST(X)                                                            \
    X(E_UNKNOWN, -5000, -1, "unexpected error")                                \
    X(E_CORRUPT, -5001, 2, "stored bytes fail their checksum")                 \
    X(E_NOT_LEADER, -5002, 6, "this node does not lead the partition")         \
    X(E_OFFSET_RANGE, -5003, 1, "offset is outside the log")                   \
    X(E_NO_TOPIC, -5004, 3, "no such topic or partition")                      \
    X(E_TOO_LARGE, -5005, 10, "record batch is larger than max.message.bytes") \
    X(E_SEGMENT_SIZE, -5006, 18, "record batch is larger than a segment")      \
    X(E_BAD_RECORD, -5007, 87, "record batch breaks a rule")                   \
    X(E_BAD_TIMESTAMP, -5008, 32, "timestamp is out of the allowed range")     \
    X(E_SEQUENCE, -5009, 45, "sequence number out of order")                   \
    X(E_PRODUCER_EPOCH, -5010, 47, "producer epoch is fenced")                 \
    X(E_STORAGE, -5011, 56, "disk error on this partition")                    \
    X(E_EXISTS, -5012, 36, "already exists")                                   \
    X(E_BAD_TOPIC, -5013, 17, "invalid topic name")                            \
    X(E_BAD_PARTITIONS, -5014, 37, "invalid number of partitions")             \
    X(E_BAD_CONFIG, -5015, 40, "invalid configuration")                        \
    X(E_BAD_REQUEST, -5016, 42, "invalid request")                             \
    X(E_UNSUPPORTED, -5017, 35, "version or feature not supported")            \
    X(E_TIMEOUT, -5018, 7, "timed out")                                        \
    X(E_COMPRESSION, -5019, 76, "compression type not supported here")         \
    X(E_TOPIC_ID, -5020, 100, "no topic with this id")                         \
    X(E_CANCELED, -5021, -1, "canceled because its owner is closing")          \
    X(E_BUDGET, -5022, -1, "over its memory budget")                           \
    X(E_SHORT, -5023, 42, "bytes end too early")                               \
    X(E_SYNTAX, -5024, 42, "does not follow the format")                       \
    X(E_NEWER_FORMAT, -5025, -1, "written by a newer version of weir")         \
    X(E_LOCKED, -5026, -1, "in use by another process")                        \
    X(E_FULL, -5027, 56, "disk is full")                                       \
    X(E_SQL, -5028, 42, "statement refused")                                   \
    X(E_NOT_FOUND, -5029, -1, "not found")                                     \
    X(E_EOF, -5030, -1, "end of input")                                        \
    X(E_CLOSED, -5031, -1, "connection closed")                                \
    X(E_FENCED_EPOCH, -5032, 74, "leader epoch is older than this partition's") \
    X(E_UNKNOWN_EPOCH, -5033, 75, "leader epoch is newer than this partition's") \
    X(E_REPLICATION, -5034, 38, "invalid replication factor")                  \
    X(E_POLICY, -5035, 44, "refused by policy")                                \
    X(E_RANGE, -5036, -1, "value out of range")                                \
    X(E_BUSY, -5037, -1, "busy; try again")                                    \
    X(E_TXN_STATE, -5038, 48, "not possible in this state of the transaction") \
    X(E_TXN_UNVERIFIED, -5039, 48, "the transaction coordinator does not know of it") \
    X(E_COORD_EPOCH, -5040, 52, "a newer transaction coordinator has written here") \
    X(E_COORDINATOR, -5042, 15, "the transaction coordinator cannot do it now") \
    X(E_TXN_ABORTABLE, -5041, 120, "the transaction has to be aborted")

enum err {
#define X(name, num, kafka, text) name = num,
    ERR_LIST(X)
#undef X
};

/* Text for any error this program returns, errno included. Never NULL. */
const char *err_text(int err);
/* The enum's name ("E_CORRUPT"), or errno's. */
const char *err_name(int err);
/* Kafka's error code: 0 for 0, -1 (UNKNOWN_SERVER_ERROR) for what Kafka has no word for; ENOSPC and EIO give 56. */
int16_t err_kafka(int err);

/* A sentence for a person, with its place in what they wrote. The only carrier of such sentences.
 * code: SQLSTATE for SQL ("42703"), empty elsewhere. line and column count from 1; 0 = no place. */
struct diag {
    char code[6];
    int line, column, length; /* length: bytes to underline */
    char text[400];
    char hint[300];
};
/* Writes the sentence, clears code, place and hint (set them afterwards), returns err, so that
 * `return diag_set(d, E_SQL, ...)` reads well. d may be NULL. */
int diag_set(struct diag *d, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
void diag_hint(struct diag *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
