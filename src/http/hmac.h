/*
 * hmac.h - HMAC-SHA256 (RFC 2104, FIPS 180-4), and comparing secrets. Any
 * thread.
 */
#ifndef INLAY_HTTP_HMAC_H
#define INLAY_HTTP_HMAC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define INLAY_HMAC_SIZE 32

/* 0, or -1: libcrypto has no memory, or no SHA-256. */
int inlay_hmac_sha256(struct inlay_str key,
                      struct inlay_str text,
                      uint8_t ret[INLAY_HMAC_SIZE]);

/* Takes as long for any `given` of one length: nothing is told of `secret`,
 * be it the length. */
bool inlay_secret_equal(struct inlay_str given, struct inlay_str secret);

#endif
