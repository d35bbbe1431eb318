/* crash_x86_64.c - registers, calls and signal frames of Linux on x86-64. */
#include <string.h>
#include <ucontext.h>

#include "load/crash_walk.h"

#include "base/banned.h"

#define OUTER_MOST 16384 /* of stack between two signals */
#define USER_CODE 0x33   /* the segment */

void inlay_crash_registers(const struct inlay_crash_signal *signal,
                           struct inlay_crash_registers *ret)
{
    const ucontext_t *context = signal->context;
    const greg_t *registers = context->uc_mcontext.gregs;

    *ret = (struct inlay_crash_registers){
        .pc = (uintptr_t)registers[REG_RIP],
        .sp = (uintptr_t)registers[REG_RSP],
        .fp = (uintptr_t)registers[REG_RBP],
    };
}

/* call *reg, call *disp(reg) and the like: FF /2 with its operand. */
static bool is_indirect_call(const uint8_t *code, size_t size)
{
    if (code[0] != 0xff || (code[1] & 0x38) != 0x10)
        return false;
    unsigned mod = code[1] >> 6, rm = code[1] & 7;
    size_t need = 2;
    if (mod != 3 && rm == 4)
        need += 1 + (mod == 0 && (code[2] & 7) == 5 ? 4 : 0);
    else if (mod == 0 && rm == 5)
        need += 4;
    if (mod == 1)
        need += 1;
    else if (mod == 2)
        need += 4;
    return need == size;
}

bool inlay_crash_is_call(const uint8_t before[8])
{
    if (before[3] == 0xe8)
        return true;
    for (size_t size = 2; size <= 7; size++) {
        if (is_indirect_call(before + 8 - size, size))
            return true;
    }
    return false;
}

/* push %rbp; mov %rsp, %rbp in one of its two encodings. */
bool inlay_crash_has_frame(const uint8_t *code, size_t len)
{
    static const uint8_t gnu[] = {0x55, 0x48, 0x89, 0xe5};
    static const uint8_t other[] = {0x55, 0x48, 0x8b, 0xec};

    return memmem(code, len, gnu, sizeof(gnu)) ||
           memmem(code, len, other, sizeof(other));
}

/* From the registers: the kernel writes siginfo_t only for who asked for it. */
static void fill(struct inlay_crash_signal *signal, const ucontext_t *context)
{
    const greg_t *registers = context->uc_mcontext.gregs;

    signal->context = context;
    signal->code = SI_KERNEL;
    signal->address = 0;
    if (signal->number == SIGABRT) {
        signal->code = SI_TKILL;
    } else if (signal->number == SIGFPE) {
        signal->code = registers[REG_TRAPNO] == 0 ? FPE_INTDIV : FPE_FLTINV;
    } else if (registers[REG_TRAPNO] == 14) { /* page fault */
        signal->code = SEGV_MAPERR;
        signal->address = (uintptr_t)registers[REG_CR2];
    }
}

/*
 * A signal's frame is the address that its handler returns to, libc's own
 * and the same for all handlers, and then ucontext_t.
 */
bool inlay_crash_outer(const struct inlay_crash_signal *signal,
                       struct inlay_crash_signal *ret)
{
    struct inlay_crash_registers registers;
    uintptr_t restorer, word;
    ucontext_t context;

    inlay_crash_registers(signal, &registers);
    if (!inlay_crash_read((uintptr_t)signal->context - 8, &restorer,
                          sizeof(restorer)))
        return false;
    uintptr_t at = registers.sp & ~(uintptr_t)7;
    for (uintptr_t end = at + OUTER_MOST; at < end; at += 8) {
        if (!inlay_crash_read(at, &word, sizeof(word)))
            return false;
        if (word != restorer ||
            !inlay_crash_read(at + 8, &context, sizeof(context)) ||
            (context.uc_mcontext.gregs[REG_CSGSFS] & 0xffff) != USER_CODE)
            continue;
        ret->number = signal->number;
        fill(ret, (const ucontext_t *)(at + 8));
        return true;
    }
    return false;
}
