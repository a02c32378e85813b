/* A small blocking Kafka client over one connection: for the command line, benchmarks and tests.
 * Thread: one at a time. Errors come with a sentence in d (may be NULL). */
#ifndef CLIENT_REMOTE_H
#define CLIENT_REMOTE_H
#include "log/wire/wire.h"

struct remote;

/* server: HOST:PORT, or the path of a Unix socket (it holds a slash). Connects and asks for versions. timeout_ms bounds
 * the connect and each answer. */
int remote_open(struct remote **out, const char *server, int timeout_ms, struct diag *d) MUST_USE;
void remote_close(struct remote *rm);
const char *remote_server(const struct remote *rm);
/* The newest version of an API that both sides know; negative if there is none. */
int remote_version(const struct remote *rm, int16_t key);

/* One request and its answer. version -1: the newest that both know. Texts and records of the answer live until the
 * next answer is read; arrays in the arena. request and response: the structs of wire_messages.h; response is
 * initialised here. E_UNSUPPORTED, E_CLOSED, E_TIMEOUT, E_SYNTAX. */
int remote_call(struct remote *rm, int16_t key, int version, const void *request, void *response, struct arena *a,
                struct diag *d) MUST_USE;
/* The same in two halves, for pipelining: answers are read in the order of requests. Sending buffers nothing. */
int remote_send(struct remote *rm, int16_t key, int version, const void *request, struct diag *d) MUST_USE;
int remote_receive(struct remote *rm, int16_t key, int version, void *response, struct arena *a,
                   struct diag *d) MUST_USE;
/* Bytes as they are, for tests: a whole frame out; a whole frame's content in, borrowed until the next one. */
int remote_send_bytes(struct remote *rm, struct str bytes, struct diag *d) MUST_USE;
int remote_receive_bytes(struct remote *rm, struct str *bytes, struct diag *d) MUST_USE;

/* Kafka's error code as a sentence. */
const char *remote_error(int16_t code);

#endif
