#include "sql/bench/child.h"
#include "log/base/alloc.h"
#include "log/base/clock.h"
#include "log/base/disk.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { READY_MS = 20000, STOP_MS = 60000 };

int scratch_make(char *out, size_t cap, const char *parent, struct diag *d)
{
    snprintf(out, cap, "%s/weir-bench-XXXXXX", parent);
    if (!mkdtemp(out))
        return diag_set(d, -errno, "cannot make a scratch folder in %s: %s", parent, err_text(-errno));
    return 0;
}

/* "weir ready listen=HOST:PORT data=DIR" */
static bool read_ready(struct child *c, const char *line)
{
    const char *at = strstr(line, "listen=");
    if (!at || !strchr(at, '\n'))
        return false;
    at += strlen("listen=");
    snprintf(c->address, sizeof c->address, "%.*s", (int)strcspn(at, " ,"), at);
    return true;
}

/* With the last line that it said. */
static int not_started(const struct child *c, struct diag *d)
{
    char path[600], *text = NULL;
    size_t n = 0;
    snprintf(path, sizeof path, "%s.trace", c->data);
    if (disk_read_file(disk_real(), path, 1 << 20, &text, &n) < 0)
        return diag_set(d, E_CLOSED, "the server did not start");
    struct str said = str_trim((struct str){text, n});
    const char *line = said.len ? memrchr(said.ptr, '\n', said.len) : NULL;
    diag_set(d, E_CLOSED, "the server did not start: %s", line ? line + 1 : text);
    xfree(text);
    return E_CLOSED;
}

static int wait_ready(struct child *c, struct diag *d)
{
    char line[1024] = "";
    size_t len = 0;
    int64_t until = clock_mono_us() + READY_MS * 1000;
    while (!read_ready(c, line)) {
        struct pollfd p = {.fd = c->out, .events = POLLIN};
        int64_t left = (until - clock_mono_us()) / 1000;
        ssize_t n = left > 0 && poll(&p, 1, (int)left) > 0 ? read(c->out, line + len, sizeof line - 1 - len) : 0;
        if (n <= 0)
            return not_started(c, d);
        line[len += (size_t)n] = 0;
    }
    return 0;
}

static int spawn(struct child *c, const char *program, const char *setting, int out, struct diag *d)
{
    char trace[600];
    snprintf(trace, sizeof trace, "%s.trace", c->data);
    char *argv[] = {(char *)(uintptr_t)"weir", (char *)(uintptr_t)"server", (char *)(uintptr_t)"--data", c->data,
                    (char *)(uintptr_t)"--listen", (char *)(uintptr_t)"127.0.0.1:0",
                    setting ? (char *)(uintptr_t)"--set" : NULL, (char *)(uintptr_t)setting, NULL};
    posix_spawn_file_actions_t fa;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_adddup2(&fa, out, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&fa, STDERR_FILENO, trace, O_WRONLY | O_CREAT | O_APPEND, 0644);
    int rc = posix_spawn(&c->pid, program, &fa, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&fa);
    return rc ? diag_set(d, -rc, "cannot start %s: %s", program, err_text(-rc)) : 0;
}

int child_start(struct child *c, const char *program, const char *data, struct diag *d)
{
    return child_start_with(c, program, data, NULL, d);
}

int child_start_with(struct child *c, const char *program, const char *data, const char *setting, struct diag *d)
{
    int fds[2];
    *c = (struct child){.out = -1};
    snprintf(c->data, sizeof c->data, "%s/node", data);
    if (pipe2(fds, O_CLOEXEC) < 0)
        return diag_set(d, -errno, "no pipe: %s", err_text(-errno));
    int rc = spawn(c, program, setting, fds[1], d);
    close(fds[1]);
    c->out = fds[0];
    if (rc == 0)
        rc = wait_ready(c, d);
    if (rc < 0)
        child_kill(c);
    return rc;
}

static void child_end(struct child *c)
{
    if (c->out >= 0)
        close(c->out);
    c->out = -1;
    c->pid = 0;
}

void child_kill(struct child *c)
{
    if (c->pid > 0) {
        kill(c->pid, SIGKILL);
        waitpid(c->pid, NULL, 0);
    }
    child_end(c);
}

int child_stop(struct child *c, struct diag *d)
{
    int status = 0;
    kill(c->pid, SIGTERM);
    for (int64_t waited = 0; waitpid(c->pid, &status, WNOHANG) == 0; waited += 5) {
        if (waited > STOP_MS) {
            child_kill(c);
            return diag_set(d, E_TIMEOUT, "the server did not stop within %d s", STOP_MS / 1000);
        }
        clock_sleep_ms(5);
    }
    child_end(c);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return diag_set(d, E_CLOSED, "the server ended badly (status %d)", status);
    return 0;
}
