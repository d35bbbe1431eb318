/* accept_encoding.h - which content coding a client likes best (RFC 9110
 * 12.5.3). */
#ifndef INLAY_HTTP_ACCEPT_ENCODING_H
#define INLAY_HTTP_ACCEPT_ENCODING_H

#include <stddef.h>

#include "http/header.h"

enum inlay_coding {
    INLAY_CODING_IDENTITY,
    INLAY_CODING_GZIP, /* and x-gzip */
    INLAY_CODING_BR,
    INLAY_CODING_ZSTD,
};
#define INLAY_CODING_COUNT 4

/* "gzip": as in Content-Encoding; "identity". */
struct inlay_str inlay_coding_name(enum inlay_coding coding);

/*
 * The best of `offered` for the accept-encoding fields among `headers` (names
 * in lower case), one or several. The highest weight wins, for equal ones the
 * earlier of `offered`, which need not name identity: it always is on offer,
 * and comes last. Identity also when there is no field, when nothing that is
 * offered is accepted, and even when identity itself is not: an answer that
 * can be read by most is worth more than a 406.
 *
 * An element that is not valid, or whose weight is not, is not accepted.
 */
enum inlay_coding inlay_coding_choose(const struct inlay_header *headers,
                                      size_t nheaders,
                                      const enum inlay_coding *offered,
                                      size_t noffered);

/*
 * The same for who has to look which of them there are: all that are better
 * than identity, best first. `ret` has room for noffered. Returns how many.
 */
size_t inlay_coding_rank(const struct inlay_header *headers,
                         size_t nheaders,
                         const enum inlay_coding *offered,
                         size_t noffered,
                         enum inlay_coding *ret);

#endif
