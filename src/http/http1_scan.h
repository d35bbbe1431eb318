/*
 * http1_scan.h - heads as nearly all clients send them, in one pass: whole,
 * in origin form, of HTTP/1.0 or 1.1, not chunked. Of anything else, right or
 * wrong, nothing is said here: llhttp reads it. What is taken means the same
 * to both (the golden files and fuzz_http1.c compare them).
 */
#ifndef INLAY_HTTP_HTTP1_SCAN_H
#define INLAY_HTTP_HTTP1_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "http/header.h"

/* The longest registered method has 17. */
#define INLAY_HTTP1_METHOD_MAX 32

/* A field while its head is read: offsets into it; then the views. A value
 * may have blanks at its ends until then. */
union inlay_http1_field {
    struct {
        uint32_t name, name_len, value, value_len;
    } at;
    struct inlay_header header;
};

/* The head is "METHOD target HTTP/1.minor CRLF", fields, CRLF. */
struct inlay_http1_scan {
    size_t len; /* of the head */
    uint32_t target_len;
    uint16_t method_len;
    uint8_t minor;
    size_t nfields;
};

/* `bytes` is less than 4 GiB; `fields` has room for `room`. */
bool inlay_http1_scan(struct inlay_str bytes,
                      union inlay_http1_field *fields,
                      size_t room,
                      struct inlay_http1_scan *ret);

#endif
