#include "sql/bench/machine.h"
#include "log/base/alloc.h"
#include "log/base/clock.h"
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

bool cpu_ticks_parse(struct str text, struct cpu_ticks *out)
{
    /* "cpu  user nice system idle iowait irq softirq steal ...": waiting for a disk is idle too. */
    long long v[8] = {0};
    char line[256];
    size_t n = MIN(text.len, sizeof line - 1);
    memcpy(line, text.ptr, n);
    line[n] = 0;
    if (sscanf(line, "cpu %lld %lld %lld %lld %lld %lld %lld %lld", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6],
               &v[7]) < 4)
        return false;
    *out = (struct cpu_ticks){0};
    for (unsigned i = 0; i < ARRAY_LEN(v); i++) {
        out->total += v[i];
        out->busy += i == 3 || i == 4 ? 0 : v[i];
    }
    return true;
}

/* The start of a file of /proc: those are made when read, so their size is not known before. */
static struct str read_proc(const char *path, char *buf, size_t cap)
{
    FILE *f = fopen(path, "r");
    if (!f)
        return STR_NULL;
    struct str s = {buf, fread(buf, 1, cap - 1, f)};
    buf[s.len] = 0;
    fclose(f);
    return s;
}

bool cpu_ticks_read(struct cpu_ticks *out)
{
    char buf[512];
    struct str s = read_proc("/proc/stat", buf, sizeof buf);
    return s.ptr && cpu_ticks_parse(s, out);
}

double cpu_others(struct cpu_ticks from, struct cpu_ticks to, int64_t ours_us)
{
    if (to.total <= from.total)
        return 0;
    double ours = (double)ours_us * (double)sysconf(_SC_CLK_TCK) / 1e6;
    double others = ((double)(to.busy - from.busy) - ours) / (double)(to.total - from.total);
    return MAX(others, 0);
}

bool machine_wait_quiet(int64_t max_ms)
{
    enum { LOOK_MS = 200 };
    struct cpu_ticks from, to;
    if (!cpu_ticks_read(&from))
        return true; /* no /proc: nothing to go by */
    for (int64_t waited = 0; waited <= max_ms; waited += LOOK_MS) {
        clock_sleep_ms(LOOK_MS);
        if (!cpu_ticks_read(&to) || cpu_others(from, to, 0) < BENCH_QUIET)
            return true;
        from = to;
    }
    return false;
}

static void cpu_model(char *out, size_t cap)
{
    char buf[4096];
    struct str s = read_proc("/proc/cpuinfo", buf, sizeof buf);
    const char *at = s.ptr ? strstr(s.ptr, "model name") : NULL;
    at = at ? strchr(at, ':') : NULL;
    snprintf(out, cap, "%.*s", at ? (int)strcspn(at + 1, "\n") : 13, at ? at + 1 : "processor");
    struct str t = str_trim(str_of(out));
    memmove(out, t.ptr, t.len);
    out[t.len] = 0;
}

void machine_line(char *out, size_t cap)
{
    char model[128];
    struct utsname u;
    struct sysinfo si;
    cpu_model(model, sizeof model);
    uname(&u);
    sysinfo(&si);
    snprintf(out, cap, "%ld x %s, %.1f GiB, %s %s, built with %s", sysconf(_SC_NPROCESSORS_ONLN), model,
             (double)si.totalram * si.mem_unit / (1 << 30), u.sysname, u.release,
#ifdef __clang__
             "clang " __clang_version__
#else
             "gcc " __VERSION__
#endif
    );
}

static int64_t status_bytes(int pid, const char *name)
{
    char path[64], buf[4096];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    struct str s = read_proc(path, buf, sizeof buf);
    const char *at = s.ptr ? strstr(s.ptr, name) : NULL;
    return at ? strtoll(at + strlen(name), NULL, 10) * 1024 : -1;
}

int64_t machine_rss(int pid) { return status_bytes(pid, "VmRSS:"); }
int64_t machine_peak(int pid) { return status_bytes(pid, "VmHWM:"); }

void machine_peak_reset(int pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/clear_refs", pid);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "5", 1) != 1) /* proc(5): the peak begins anew */
        fprintf(stderr, "weir bench: %s cannot be written: peaks are those of all runs before, too\n", path);
    if (fd >= 0)
        close(fd);
}
