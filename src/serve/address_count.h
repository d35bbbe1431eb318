/*
 * address_count.h - open connections by the peer's address, for the limit of
 * them. Any thread. IPv6 addresses count by their /64: a single host has all
 * of it.
 */
#ifndef INLAY_SERVE_ADDRESS_COUNT_H
#define INLAY_SERVE_ADDRESS_COUNT_H

#include "base/address.h"

struct inlay_address_counts;

/* `most` >= 1 connections of one address. NULL: no memory. */
struct inlay_address_counts *inlay_address_counts_create(size_t most);
void inlay_address_counts_destroy(struct inlay_address_counts *counts);

/* One more; false: that would be too many, or there is no memory. */
bool inlay_address_counts_enter(struct inlay_address_counts *counts,
                                const struct inlay_ip *ip);
/* One that entered is gone. */
void inlay_address_counts_leave(struct inlay_address_counts *counts,
                                const struct inlay_ip *ip);

#endif
