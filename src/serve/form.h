/*
 * form.h - the body of a form (multipart/form-data by RFC 7578, or
 * application/x-www-form-urlencoded), taken as it arrives: texts are kept in
 * the request's arena, files there too while they are small, else in an
 * unlinked temporary file that is mapped. All of it goes with the arena.
 * I/O thread only, until it is finished; then read by whoever has the request.
 *
 * Every call returns 0, or the status of the answer that ends the request:
 * 400 (no form, too many parts, a field that is too large: as Starlette says
 * it), 413 (limits->form_bytes, or too much for memory), 503 (no memory, no
 * room for temporary files). inlay_form_why is its text then. After that the
 * form must not be used but for inlay_form_why.
 */
#ifndef INLAY_SERVE_FORM_H
#define INLAY_SERVE_FORM_H

#include "base/arena.h"
#include "base/str.h"
#include "serve/request.h"

/* A field or file, in order of arrival; lives in the request's arena. */
struct inlay_form_part {
    struct inlay_form_part *next;
    struct inlay_str name;
    struct inlay_str data;     /* a field's: UTF-8 */
    bool is_file;              /* it came with a file name */
    struct inlay_str filename; /* UTF-8, as the client says; may be "" */
    struct inlay_str type;     /* UTF-8; "" when none is given */
};

struct inlay_form;

/*
 * For a request whose head is retained (its content-type chooses the kind; of
 * any other media type the form is empty, as in Starlette). Written to `ret`
 * whatever is returned, unless there was no memory for it: NULL.
 */
int inlay_form_create(struct inlay_request *request, struct inlay_form **ret);

/* The next piece of the body; copied. */
int inlay_form_feed(struct inlay_form *form, struct inlay_str bytes);

/* The body has ended. */
int inlay_form_finish(struct inlay_form *form);

/* Why one of these did not return 0; `form` may be NULL. */
struct inlay_str inlay_form_why(const struct inlay_form *form);

/* The first part of a finished form, or NULL. */
const struct inlay_form_part *inlay_form_parts(const struct inlay_form *form);

#endif
