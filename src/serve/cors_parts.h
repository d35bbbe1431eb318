/* cors_parts.h - what cors_text.c reads and cors.c follows. */
#ifndef INLAY_SERVE_CORS_PARTS_H
#define INLAY_SERVE_CORS_PARTS_H

#include <stdbool.h>

#include "serve/cors.h"
#include "serve/layer_text.h"

/* "https://a.example:8443", or a pattern of such. */
struct inlay_cors_origin {
    struct inlay_str text;   /* all of it */
    struct inlay_str scheme; /* "https"; "" of "null" */
    struct inlay_str host;   /* with any_host: ".example.com" */
    struct inlay_str port;   /* "": none */
    bool any_host, any_port;
};

struct inlay_cors {
    struct inlay_cors_origin *origins;
    size_t norigins;
    bool any_origin; /* "*" */
    bool patterns;   /* some of the origins are such */
    bool credentials;
    struct inlay_str *methods;
    size_t nmethods;
    struct inlay_str *headers; /* in lower case */
    size_t nheaders;
    bool any_header;
    /* Values of headers. */
    struct inlay_str allow_methods;
    struct inlay_str allow_headers;  /* ptr NULL: what is asked for */
    struct inlay_str expose_headers; /* "": none */
    struct inlay_str max_age;
};

/* False: it is no scheme://host[:port]. Views of `text`. */
bool inlay_cors_split(struct inlay_str text, struct inlay_cors_origin *ret);

#endif
