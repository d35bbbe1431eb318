/*
 * cors.h - Cross-Origin Resource Sharing (Fetch standard, 3.3), as Starlette's
 * CORSMiddleware does it, for whoever answers.
 */
#ifndef INLAY_SERVE_CORS_H
#define INLAY_SERVE_CORS_H

#include "base/arena.h"
#include "base/error.h"

struct inlay_request;
struct inlay_cors;

/*
 * Words, in any order: origins ("https://a.example", with "*." before the
 * host's rest or "*" as the port; "*"; "null"), "credentials", and
 * "method=GET,POST", "header=x-token", "expose-header=x-total", "max-age=600";
 * "*" is any method, any header. All is in the arena. Errors:
 * INLAY_ERROR_VALUE, which begins with the part that is wrong ("origin: …").
 */
struct inlay_error *inlay_cors_parse(struct inlay_str text,
                                     struct inlay_arena *arena,
                                     struct inlay_cors **ret);

/*
 * A preflight is answered: false, the request is over. Others go on, and their
 * answers get the headers, in place of those that the answer has itself. I/O
 * thread.
 */
bool inlay_cors_admit(const struct inlay_cors *cors,
                      struct inlay_request *request);

/* Is it one of the origins? */
bool inlay_cors_allows(const struct inlay_cors *cors, struct inlay_str origin);

#endif
