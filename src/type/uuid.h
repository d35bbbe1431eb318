/*
 * uuid.h - UUIDs (RFC 9562) as text. Read with or without hyphens, in braces
 * or behind "urn:uuid:", of any case and version, as Rust's uuid crate and so
 * pydantic read them; written in lower case with hyphens.
 */
#ifndef INLAY_TYPE_UUID_H
#define INLAY_TYPE_UUID_H

#include "base/str.h"

#define INLAY_UUID_REASON_SIZE 96
#define INLAY_UUID_TEXT_SIZE 36

/* 16 bytes at `ret`. -1 with that crate's words for what is wrong. */
int inlay_uuid_read(struct inlay_str text,
                    void *ret,
                    char reason_ret[INLAY_UUID_REASON_SIZE]);

/* Its 36 characters; returns 36. */
int inlay_uuid_write(const void *value, char text_ret[INLAY_UUID_TEXT_SIZE]);

#endif
