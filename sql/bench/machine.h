/* The machine beside us: what it is, and how busy others keep it. Private to sql/bench. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H
#include "log/base/base.h"

/* CPU time of the whole machine since it started, in ticks of the kernel's clock. */
struct cpu_ticks {
    int64_t busy, total;
};
/* From the text of /proc/stat; false: it is none. Stolen time counts as busy: others had it. */
bool cpu_ticks_parse(struct str text, struct cpu_ticks *out);
bool cpu_ticks_read(struct cpu_ticks *out);
/* Share (0 to 1) of the machine that others had between two looks, given the CPU time of ours between them. */
double cpu_others(struct cpu_ticks from, struct cpu_ticks to, int64_t ours_us);

/* Waits until others use less than BENCH_QUIET of the machine, at most max_ms; false: they never did. */
#define BENCH_QUIET 0.08
bool machine_wait_quiet(int64_t max_ms);
/* "2 x AMD EPYC 9555P, 23.5 GiB, Linux 6.1.0, built with gcc 12.2.0" */
void machine_line(char *out, size_t cap);
/* Resident memory of a process in bytes, -1: none such. */
int64_t machine_rss(int pid);
/* The most it has had since it began or since the last reset. */
int64_t machine_peak(int pid);
void machine_peak_reset(int pid);

#endif
