/*
 * option.h - "form-data; name=\"title\"; filename=\"a.txt\"": a header's value
 * with its parameters, read as python-multipart does (RFC 9110 5.6.6, with
 * what browsers really send).
 */
#ifndef INLAY_HTTP_OPTION_H
#define INLAY_HTTP_OPTION_H

#include "base/str.h"

/*
 * What stands before the first ';', without blanks around it. `rest` starts as
 * the whole value and is advanced to the parameters.
 */
struct inlay_str inlay_option_value(struct inlay_str *rest);

/*
 * The next parameter, raw; false at the end. A ';' in quotes belongs to the
 * value. One without '=' has an empty value. Those that RFC 7578 4.2 does not
 * want (name*, name*0) are left out.
 */
bool inlay_option_next(struct inlay_str *rest,
                       struct inlay_str *name_ret,
                       struct inlay_str *raw_ret);

/*
 * A raw value without its quotes and backslashes, written to `into`, which has
 * room for raw.len bytes and may be raw.ptr itself.
 */
struct inlay_str inlay_option_unquote(struct inlay_str raw, char *into);

#endif
