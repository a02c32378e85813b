/* What gen.c tells tests about each message: a test walks any struct by it. */
#ifndef TEST_DESCRIBE_H
#define TEST_DESCRIBE_H
#include "log/wire/wire.h"

enum describe_kind {
    DESCRIBE_bool,
    DESCRIBE_int8,
    DESCRIBE_int16,
    DESCRIBE_int32,
    DESCRIBE_int64,
    DESCRIBE_float64,
    DESCRIBE_string,
    DESCRIBE_uuid,
    DESCRIBE_bytes,
    DESCRIBE_records,
    DESCRIBE_struct,
};
struct describe_struct;
struct describe_field {
    const char *name;
    enum describe_kind kind;
    bool array;
    size_t offset, count_offset; /* of the field, and of NAME_n or NAME_there; 0: it has neither */
    const struct describe_struct *sub;
};
struct describe_struct {
    const char *name;
    size_t size;
    void (*init)(void *m);
    const struct describe_field *fields;
    size_t nfields;
};
struct describe_message {
    const struct wire_message *message;
    const struct describe_struct *top;
    int min, max;
};
extern const struct describe_message describe_messages[];
extern const size_t describe_messages_n;

#endif
