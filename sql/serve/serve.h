/* Sessions: statements in, answers out, over HTTP on every listener (the port that speaks Kafka, and the Unix socket in
 * the data folder). The shell, `weir deploy`, `weir job` and any HTTP client use this one API; sql/README.md, "Session
 * API", is its reference.
 *
 * Thread: a request runs on its connection's shard. */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H
#include "engine/run/run.h"
#include "log/net/net.h"

struct serve;
int serve_open(struct serve **out, struct engine *e, struct broker *b) MUST_USE;
void serve_close(struct serve *s); /* after the loops have stopped; NULL is fine */
const struct http_class *serve_http(void); /* arg is the serve */

#endif
