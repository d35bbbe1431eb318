/* crash_aarch64.c - registers and calls of Linux on AArch64. */
#include <string.h>
#include <ucontext.h>

#include "load/crash_walk.h"

#include "base/banned.h"

void inlay_crash_registers(const struct inlay_crash_signal *signal,
                           struct inlay_crash_registers *ret)
{
    const ucontext_t *context = signal->context;

    *ret = (struct inlay_crash_registers){
        .pc = context->uc_mcontext.pc,
        .sp = context->uc_mcontext.sp,
        .fp = context->uc_mcontext.regs[29],
        .link = context->uc_mcontext.regs[30],
    };
}

bool inlay_crash_is_call(const uint8_t before[8])
{
    uint32_t code;

    memcpy(&code, before + 4, sizeof(code));
    return (code & 0xfc000000) == 0x94000000 || /* BL */
           (code & 0xfffffc1f) == 0xd63f0000;   /* BLR */
}

/* stp x29, x30, [sp, ...], with or without moving sp. */
bool inlay_crash_has_frame(const uint8_t *code, size_t len)
{
    uint32_t word;

    for (size_t at = 0; at + sizeof(word) <= len; at += sizeof(word)) {
        memcpy(&word, code + at, sizeof(word));
        if ((word & 0xfe407fff) == 0xa8007bfd)
            return true;
    }
    return false;
}

/* The kernel's frame has no mark of its own here: the report is left out. */
bool inlay_crash_outer(const struct inlay_crash_signal *signal,
                       struct inlay_crash_signal *ret)
{
    (void)signal;
    (void)ret;
    return false;
}
