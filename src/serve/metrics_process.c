#include "serve/metrics_process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"

#include "base/banned.h"

/* Of /proc/PID/stat, counted from the one behind the name; proc(5). */
enum { STATE = 0, UTIME = 11, STIME = 12, RSS = 21, FIELDS };

/* A small file whole, with a NUL behind it. Its length, or -1. */
static ssize_t read_file(const char *path, char *room, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -1;
    ssize_t len = read(fd, room, size - 1);
    close(fd);
    if (len >= 0)
        room[len] = 0;
    return len;
}

/* A field that is no number is 0. False: it is no line of that kind. */
static bool read_stat(const char *path, uint64_t fields[FIELDS], char *state)
{
    char text[1024];

    if (read_file(path, text, sizeof(text)) <= 0)
        return false;
    /* The name in brackets may hold anything. */
    const char *at = strrchr(text, ')');
    if (!at || at[1] != ' ')
        return false;
    *state = at[2];
    for (int i = STATE; i < FIELDS; i++) {
        at = strchr(at, ' ');
        if (!at)
            return false;
        fields[i] = strtoull(++at, NULL, 10);
    }
    return true;
}

static uint64_t cpu_of(const uint64_t fields[FIELDS])
{
    long ticks = sysconf(_SC_CLK_TCK);

    return (fields[UTIME] + fields[STIME]) *
           (1000000000u / (uint64_t)inlay_max(ticks, 1L));
}

bool inlay_process_read(pid_t pid, struct inlay_process *ret)
{
    uint64_t fields[FIELDS];
    char path[64], state;

    if (pid <= 0)
        return false;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    if (!read_stat(path, fields, &state) || state == 'Z' || state == 'X')
        return false;
    ret->cpu_ns = cpu_of(fields);
    ret->resident = fields[RSS] * (uint64_t)sysconf(_SC_PAGESIZE);
    snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, pid);
    ret->main_ns = read_stat(path, fields, &state) ? cpu_of(fields) : 0;
    return true;
}
