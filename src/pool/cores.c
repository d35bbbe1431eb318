/* cores.c - how many cores this process may use. */
#include "pool/cores.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"

#include "base/banned.h"

#define V2 "/sys/fs/cgroup/cpu.max"
#define V1 "/sys/fs/cgroup/cpu/cpu.cfs_"

/* The first words of a small file as numbers; -1 is for one that is none. */
static int read_numbers(const char *path, int most, long *ret)
{
    char text[64], *at = text;
    FILE *file = fopen(path, "re");
    int count = 0;

    if (!file)
        return 0;
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    while (count < most && *(at += strspn(at, " \n"))) {
        char *end;

        ret[count] = strtol(at, &end, 10);
        if (end == at)
            ret[count] = -1;
        count++;
        at += strcspn(at, " \n");
    }
    return count;
}

/* What a container's cgroup allows, rounded up; LONG_MAX: all. */
static long quota(void)
{
    long numbers[2];

    if (read_numbers(V2, 2, numbers) < 2 &&
        (read_numbers(V1 "quota_us", 1, &numbers[0]) < 1 ||
         read_numbers(V1 "period_us", 1, &numbers[1]) < 1))
        return LONG_MAX;
    if (numbers[0] <= 0 || numbers[1] <= 0)
        return LONG_MAX;
    return (numbers[0] - 1) / numbers[1] + 1;
}

unsigned inlay_cores(void)
{
    cpu_set_t set;
    long count = sched_getaffinity(0, sizeof(set), &set) == 0
                     ? CPU_COUNT(&set)
                     : sysconf(_SC_NPROCESSORS_ONLN); /* beyond 1,024 cores */

    count = inlay_min(count, quota());
    return count > 0 ? (unsigned)count : 1;
}
