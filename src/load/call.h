/*
 * call.h - calling a C function whose signature was learnt at run time: the
 * places of its arguments are worked out once (System V x86-64, AAPCS64),
 * then a call is a copy into registers and stack. No code is generated.
 */
#ifndef INLAY_LOAD_CALL_H
#define INLAY_LOAD_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "type/type.h"

struct inlay_call_plan;

/*
 * Work out the call of `func` (whose types all convert). The plan lives in
 * the arena. INLAY_ERROR_TYPE when this machine can't make such a call.
 */
struct inlay_error *inlay_call_prepare(const struct inlay_func *func,
                                       struct inlay_arena *arena,
                                       struct inlay_call_plan **ret);

/*
 * entry(args…): args[i] points to a value of parameter i's type; `ret` to
 * room for the result (result->size bytes; NULL for void). Any thread.
 */
void inlay_call_invoke(const struct inlay_call_plan *plan,
                       void *entry,
                       void *const args[],
                       void *ret);

#endif
