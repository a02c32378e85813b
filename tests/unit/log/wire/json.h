/* A JSON reader for tests: whole text to a tree in an arena. Aborts the test on bad input. */
#ifndef TEST_JSON_H
#define TEST_JSON_H
#include "log/base/alloc.h"

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };
struct json {
    enum json_kind kind;
    struct str key;  /* as a member of an object */
    struct str text; /* of a string, unescaped; of a number, as written */
    bool yes;
    struct json *first, *next;
    size_t n; /* members, elements */
};
struct json *json_parse(struct str text, struct arena *a);
/* NULL if obj has no such member. */
const struct json *json_get(const struct json *obj, const char *key);
struct str json_text(const struct json *obj, const char *key); /* fails the test if there is none */
int64_t json_int(const struct json *obj, const char *key, int64_t dflt);

/* The file's content, STR_NULL if it cannot be read. */
struct str json_file(const char *path, struct arena *a);
struct str json_unhex(struct str hex, struct arena *a);
struct str json_unbase64(struct str text, struct arena *a); /* both alphabets, padding or not */

/* Where the Kafka vectors are: WEIR_KAFKA_VECTORS, or ../shared/kafka-wire-vectors beside the source tree. NULL: none.
 */
const char *vectors_folder(void);

#endif
