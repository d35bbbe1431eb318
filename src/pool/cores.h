/* cores.h - how many cores this process may use: affinity, cgroup quota. */
#ifndef INLAY_POOL_CORES_H
#define INLAY_POOL_CORES_H

/* At least 1. Reads files: cold. */
unsigned inlay_cores(void);

#endif
