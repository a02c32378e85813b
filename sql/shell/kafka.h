/* What topic, produce and consume share: a connection and a topic's metadata. Private to sql/shell. */
#ifndef SHELL_KAFKA_H
#define SHELL_KAFKA_H
#include "log/client/remote.h"

enum { KAFKA_TIMEOUT_MS = 30000 };
enum { EXIT_FAILED = 1, EXIT_LOST = 2, EXIT_WRONG = 3 };

/* Says what went wrong on standard error; gives `code`. */
int kafka_complain(const char *command, const struct diag *d, int code);
int kafka_usage(const char *command, const char *sentence, const char *what);
/* Connects, or complains. 0 or EXIT_LOST. */
int kafka_connect(struct remote **rm, const char *command, const char *server);
/* One call whose failure ends the command: 0, or complains and gives EXIT_LOST. */
int kafka_call(struct remote *rm, const char *command, int16_t key, const void *request, void *response, struct arena *a);
/* A topic's metadata; creates it if create is set and the server allows. 0, EXIT_FAILED (not there), EXIT_LOST. */
int kafka_topic(struct remote *rm, const char *command, const char *name, bool create, struct metadata_response_topic *out,
                struct arena *a);
/* Offsets of all partitions by ListOffsets' timestamp (-1 end, -2 start, or a time); committed: of what is stable.
 * offsets: one per partition. */
int kafka_offsets(struct remote *rm, const char *command, const struct metadata_response_topic *t, int64_t ts,
                  bool committed, int64_t *offsets, struct arena *a);
/* Splits KEY=VALUE. */
bool kafka_pair(const char *text, struct str *key, struct str *value);

#endif
