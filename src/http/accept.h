/* accept.h - which media types a client takes (RFC 9110 12.5.1). */
#ifndef INLAY_HTTP_ACCEPT_H
#define INLAY_HTTP_ACCEPT_H

#include <stddef.h>
#include <stdint.h>

#include "http/header.h"

/* qvalue of RFC 9110 12.4.2, "0" to "1" with up to three decimals, in
 * thousandths; 0 when it is none. */
int32_t inlay_accept_qvalue(struct inlay_str text);

/*
 * Does the client take any of `types` ("text/csv application/json", with commas
 * or not)? By the accept fields among `headers` (names in lower case): for each
 * type the range that names it most exactly counts, be it to exclude it (q=0).
 * Parameters other than q are not looked at. Without a field, or with none that
 * can be read, it takes anything.
 */
bool inlay_accept_allows(const struct inlay_header *headers,
                         size_t nheaders,
                         struct inlay_str types);

/* Is it such a list: "type/subtype", without parameters, at least one? */
bool inlay_accept_types_valid(struct inlay_str types);

#endif
