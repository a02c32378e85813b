/* What a piece of code writes to standard output, as text. */
#ifndef TESTS_CAPTURE_H
#define TESTS_CAPTURE_H
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct capture {
    int saved, fd;
};
static inline struct capture capture_begin(void)
{
    char path[] = "/tmp/weir-capture.XXXXXX";
    fflush(stdout);
    struct capture c = {dup(STDOUT_FILENO), mkstemp(path)};
    unlink(path);
    dup2(c.fd, STDOUT_FILENO);
    return c;
}
static inline const char *capture_end(struct capture *c, char *out, size_t cap)
{
    fflush(stdout);
    dup2(c->saved, STDOUT_FILENO);
    close(c->saved);
    ssize_t n = pread(c->fd, out, cap - 1, 0);
    out[n > 0 ? n : 0] = 0;
    close(c->fd);
    return out;
}
#endif
