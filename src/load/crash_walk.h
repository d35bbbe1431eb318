/*
 * crash_walk.h - inside load/: from the registers of a crash to the modules'
 * functions on its stack. Everything is safe in signal handlers: memory is
 * asked for before it is read.
 */
#ifndef INLAY_LOAD_CRASH_WALK_H
#define INLAY_LOAD_CRASH_WALK_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inlay_crash_signal {
    int number, code; /* as si_signo, si_code */
    uintptr_t address;
    const void *context; /* ucontext_t */
};

struct inlay_crash_registers {
    uintptr_t pc, sp, fp;
    uintptr_t link; /* return address while it is in a register; 0: it isn't */
};

/* --- crash_x86_64.c, crash_aarch64.c -------------------------------------- */

void inlay_crash_registers(const struct inlay_crash_signal *signal,
                           struct inlay_crash_registers *ret);

/* Is there a call instruction in the 8 bytes before a return address? */
bool inlay_crash_is_call(const uint8_t before[8]);

/* Has a function that ran through these bytes made its frame? */
bool inlay_crash_has_frame(const uint8_t *code, size_t len);

/*
 * A handler that has put itself before ours (faulthandler) raises the signal
 * anew: the signal that it is handling. False: there is none.
 */
bool inlay_crash_outer(const struct inlay_crash_signal *signal,
                       struct inlay_crash_signal *ret);

/* --- crash_walk.c --------------------------------------------------------- */

/* `size` bytes at `address`, copied; false: they can't be read. */
bool inlay_crash_read(uintptr_t address, void *ret, size_t size);

struct inlay_crash_frame {
    uintptr_t address; /* of the call, or of the fault itself */
    bool is_call;
};

struct inlay_crash_walk {
    uintptr_t back; /* where the last frame returns to; 0: see `next` */
    uintptr_t next; /* frame pointer of the last frame, or its caller's */
    uintptr_t at;   /* the stack below this is done */
    uintptr_t end;  /* of a coroutine's stack, or of memory */
};

/*
 * The frame nearest to the fault that is a module's; false: the fault has
 * nothing to do with modules.
 */
bool inlay_crash_first(const struct inlay_crash_registers *registers,
                       struct inlay_crash_walk *walk,
                       struct inlay_crash_frame *ret);

/* The next one outwards; false: there is none. */
bool inlay_crash_next(struct inlay_crash_walk *walk,
                      struct inlay_crash_frame *ret);

/* crash.c: where the function of a module begins; 0: it is none. */
uintptr_t inlay_crash_function(uintptr_t address);
/* Is it in a module's code, in the C library's? */
bool inlay_crash_in_module(uintptr_t address);
bool inlay_crash_in_libc(uintptr_t address);

#endif
