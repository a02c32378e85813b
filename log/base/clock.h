/* The only source of time outside a loop (start-up, command line, benchmarks). Inside a server ask the loop. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H
#include "log/base/base.h"
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void);
int64_t clock_cpu_us(void); /* CPU time of this process, all threads */
int64_t clock_cpu_of_us(int pid); /* CPU time of another process, all threads; -1: there is none */
void clock_sleep_ms(int64_t ms);
#endif
