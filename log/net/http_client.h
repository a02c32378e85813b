/* A small HTTP/1.1 client for the command line: one request, an answer read line by line. Blocking connect and send;
 * reading never blocks: poll http_client_fd. Thread: one at a time. */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H
#include "log/base/err.h"

struct http_client;
/* target: "HOST:PORT", or the path of a Unix socket (it has a slash). d says what to do when nobody answers. */
int http_client_open(struct http_client **out, const char *target, int timeout_ms, struct diag *d) MUST_USE;
/* Sends a POST; one at a time: read its answer to E_EOF before the next. */
int http_client_post(struct http_client *c, const char *path, struct str body, struct diag *d) MUST_USE;
int http_client_fd(const struct http_client *c);
/* 1: *line is the next line of the body (no newline, borrowed until the next call); 0: none yet, poll; E_EOF: the
 * answer is complete; E_CLOSED, E_SYNTAX: the server went away or is none of ours. */
int http_client_line(struct http_client *c, struct str *line);
int http_client_status(const struct http_client *c); /* 0 before it is known */
void http_client_close(struct http_client *c);       /* ends a running query too; NULL is fine */

#endif
