/*
 * crash_walk.c - frames. Modules are compiled with frame pointers, what they
 * call is not: there the next frame of a module is searched for, as a return
 * address that follows a call, of a function whose own frame (a saved frame
 * pointer on the way, or the register) has a return address too.
 */
#include "load/crash_walk.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macros.h"
#include "net/coroutine.h"

#include "base/banned.h"

#define PAGE 4096u
#define SEARCH_MOST 8192      /* bytes of stack that are searched */
#define FRAME_MOST (1u << 20) /* bytes of a frame, at most */
#define LEAF_MOST 512         /* of one without a frame pointer */
#define CODE_MOST 4096        /* of a function, looked at for its frame */
#define CODE_AT_ONCE 512
#define CODE_OVERLAP 4 /* of an instruction, or two short ones */

/*
 * The kernel looks at the mask before it finds that the request is none
 * (EINVAL), and says EFAULT when it can't: nothing is changed by it.
 */
static bool page_readable(uintptr_t address)
{
    long status = syscall(SYS_rt_sigprocmask, ~0, address & ~(uintptr_t)7, NULL,
                          (size_t)8);

    return status == 0 || errno != EFAULT;
}

/*
 * Byte by byte, as it is: a sanitizer would find that it is no variable of
 * ours, and memcpy may be what has crashed.
 */
__attribute__((no_sanitize("address", "thread"))) bool
inlay_crash_read(uintptr_t address, void *ret, size_t size)
{
    const volatile uint8_t *from = (const volatile uint8_t *)address;
    uintptr_t last = address + size - 1;

    if (last < address || address < PAGE || !page_readable(address) ||
        !page_readable(last))
        return false;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)ret)[i] = from[i];
    return true;
}

static bool read_word(uintptr_t address, uintptr_t *ret)
{
    return address % sizeof(*ret) == 0 &&
           inlay_crash_read(address, ret, sizeof(*ret));
}

static bool is_return(uintptr_t address)
{
    uint8_t before[8];

    return inlay_crash_read(address - sizeof(before), before, sizeof(before)) &&
           inlay_crash_is_call(before);
}

/* May `fp` be the frame of a function whose frame ends above `at`? */
static bool is_frame(uintptr_t fp, uintptr_t at)
{
    uintptr_t back;

    return fp > at && fp - at < FRAME_MOST && fp % 16 == 0 &&
           read_word(fp + sizeof(uintptr_t), &back) && is_return(back);
}

/*
 * The frame pointer of the function that is returned to from `at`: the
 * register, or one of the words that its callees have saved from `from` on.
 */
static uintptr_t find_fp(uintptr_t from, uintptr_t at, uintptr_t fp)
{
    uintptr_t word;

    if (is_frame(fp, at))
        return fp;
    while (at > from) {
        at -= sizeof(word);
        if (!read_word(at, &word))
            return 0;
        if (word > at && is_frame(word, at))
            return word;
    }
    return 0;
}

/* The next frame of a module, from walk->at on. */
static bool search(struct inlay_crash_walk *walk,
                   uintptr_t fp,
                   struct inlay_crash_frame *ret)
{
    uintptr_t from = walk->at, word;

    for (uintptr_t at = from; at - from < SEARCH_MOST; at += sizeof(word)) {
        if (at >= walk->end || !read_word(at, &word))
            break;
        if (!inlay_crash_in_module(word) || !is_return(word))
            continue;
        uintptr_t found = find_fp(from, at, fp);
        if (!found || found >= walk->end)
            continue;
        walk->next = found;
        walk->at = at + sizeof(word);
        *ret = (struct inlay_crash_frame){word - 1, true};
        return true;
    }
    walk->next = 0;
    return false;
}

/*
 * A function without a frame (gcc makes none for one that calls nothing) has
 * its return address near the stack pointer, or still in the register.
 */
static bool is_frameless(uintptr_t pc)
{
    uintptr_t begin = inlay_crash_function(pc);
    uint8_t code[CODE_AT_ONCE];

    if (!begin || pc - begin > CODE_MOST)
        return false;
    for (uintptr_t at = begin; at < pc; at += sizeof(code) - CODE_OVERLAP) {
        size_t len = inlay_min(pc - at, sizeof(code));

        if (!inlay_crash_read(at, code, len) ||
            inlay_crash_has_frame(code, len))
            return false;
    }
    return true;
}

/* From where a frameless function was called; 0: not found. */
static uintptr_t find_caller(const struct inlay_crash_registers *registers,
                             struct inlay_crash_walk *walk)
{
    uintptr_t from = walk->at, word;

    if (registers->link)
        return registers->link;
    for (; walk->at - from < LEAF_MOST; walk->at += sizeof(word)) {
        if (!read_word(walk->at, &word))
            return 0;
        if (is_return(word)) {
            walk->at += sizeof(word);
            return word;
        }
    }
    return 0;
}

/* Above a coroutine's stack there is another thread's, or anything. */
static uintptr_t find_end(uintptr_t sp)
{
    uintptr_t low, high;

    if (inlay_coroutine_stack(&low, &high) &&
        ((sp >= low && sp < high) || inlay_coroutine_overflow(sp)))
        return high;
    return UINTPTR_MAX;
}

bool inlay_crash_first(const struct inlay_crash_registers *registers,
                       struct inlay_crash_walk *walk,
                       struct inlay_crash_frame *ret)
{
    uint8_t code;

    *walk = (struct inlay_crash_walk){
        .next = registers->fp,
        .at = (registers->sp + 7) & ~(uintptr_t)7,
        .end = find_end(registers->sp),
    };
    if (inlay_crash_in_module(registers->pc)) {
        *ret = (struct inlay_crash_frame){registers->pc, false};
        if (is_frameless(registers->pc))
            walk->back = find_caller(registers, walk);
        return true;
    }
    /* A jump to nowhere: the call has just been made. */
    if (!inlay_crash_read(registers->pc, &code, 1)) {
        uintptr_t back = find_caller(registers, walk);

        if (inlay_crash_in_module(back)) {
            *ret = (struct inlay_crash_frame){back - 1, true};
            return true;
        }
    }
    return search(walk, registers->fp, ret);
}

bool inlay_crash_next(struct inlay_crash_walk *walk,
                      struct inlay_crash_frame *ret)
{
    uintptr_t back = walk->back, fp = walk->next;

    walk->back = 0;
    if (!back) {
        if (fp < walk->at || fp >= walk->end || !read_word(fp, &walk->next) ||
            !read_word(fp + sizeof(fp), &back))
            return false;
        walk->at = fp + 2 * sizeof(fp);
    }
    if (inlay_crash_in_module(back)) {
        *ret = (struct inlay_crash_frame){back - 1, true};
        return true;
    }
    /* qsort and its like call back into modules; the interpreter's frames
     * are the end. */
    return inlay_crash_in_libc(back) && search(walk, walk->next, ret);
}
