/*
 * http1_check.h - what RFC 9110 and 9112 ask of a whole request head beyond
 * its grammar. Used by http1.c only.
 */
#ifndef INLAY_HTTP_HTTP1_CHECK_H
#define INLAY_HTTP_HTTP1_CHECK_H

#include "http/http1.h"

/*
 * Takes a head with method, target, minor and headers (names in lower case,
 * values trimmed) and fills in the rest. In absolute form the Host field gets
 * the target's authority (RFC 9112 3.2.2). Status 0: nothing is wrong.
 */
struct inlay_http1_error inlay_http1_check(struct inlay_http1_head *head);

#endif
