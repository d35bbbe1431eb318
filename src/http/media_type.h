/* media_type.h - Content-Type: by a file's name, and what one says. */
#ifndef INLAY_HTTP_MEDIA_TYPE_H
#define INLAY_HTTP_MEDIA_TYPE_H

#include "base/str.h"

struct inlay_media_type {
    const char *extension; /* lower case */
    struct inlay_str type; /* with its charset */
    bool compressible;     /* not compressed by itself */
};

/* By what follows the last dot of `name`'s last segment; never NULL:
 * application/octet-stream when that is not known. */
const struct inlay_media_type *inlay_media_type_find(struct inlay_str name);

/* application/json and application/…+json, with any parameters. */
bool inlay_media_type_is_json(struct inlay_str type);

#endif
