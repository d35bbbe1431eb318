/* metrics_process.h - what the kernel says of a process: proc(5). */
#ifndef INLAY_SERVE_METRICS_PROCESS_H
#define INLAY_SERVE_METRICS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct inlay_process {
    uint64_t cpu_ns;  /* user and system time, all threads */
    uint64_t main_ns; /* of its first thread */
    uint64_t resident;
};

/* False: there is no such process, or it has ended. */
bool inlay_process_read(pid_t pid, struct inlay_process *ret);

#endif
